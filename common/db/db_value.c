/* db_value.c — values as numbers, texts and times, tolerant of what other programs wrote. Pure; called by all readers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "db/db.h"

#define DAY_S INT64_C(86400)
/* 1971-01-01 00:00:00: what a time column that may not be NULL holds instead of nothing */
#define LONG_AGO_S (365 * DAY_S)
#define LAST_S INT64_C(253402300799) /* 9999-12-31 23:59:59 */

static int64_t
from_double(double v)
{
	if (!(v >= -9.2e18 && v <= 9.2e18)) /* NaN too */
		return 0;
	return (int64_t)v;
}

int64_t
db_value_i64(const struct db_value *v)
{
	switch (v->kind) {
	case DB_I64:
		return v->i;
	case DB_F64:
		return from_double(v->f);
	case DB_TEXT:
	case DB_BLOB:
		return strtoll(v->t.p, NULL, 10);
	case DB_NULL:
		return 0;
	}
	ASSERT(!"unknown kind of value");
	return 0;
}

const char *
db_value_text(const struct db_value *v, char *scratch)
{
	if (v->kind == DB_TEXT)
		return v->t.p;
	scratch[0] = '\0';
	if (v->kind == DB_I64)
		(void)snprintf(scratch, DB_SCRATCH_BYTES, "%lld", (long long)v->i);
	else if (v->kind == DB_F64)
		(void)snprintf(scratch, DB_SCRATCH_BYTES, "%.15g", v->f);
	return scratch;
}

struct db_value
db_stamp(int64_t us, char *buf)
{
	int64_t s = us / CLK_S;

	if (s < LONG_AGO_S || s > LAST_S)
		s = LONG_AGO_S;
	clk_format_wall((struct wall){s * CLK_S}, buf);
	return db_text(buf);
}

/* Two digits at p, or -1. */
static int
two_digits(const char *p)
{
	if (p[0] < '0' || p[0] > '9' || p[1] < '0' || p[1] > '9')
		return -1;
	return (p[0] - '0') * 10 + (p[1] - '0');
}

/* Days since 1970-01-01 of a date of the Gregorian calendar (years counted from March, 400-year eras). */
static int64_t
days_from_date(int64_t year, int64_t month, int64_t day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = y / 400, of_era = y % 400;
	int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

/* "+02:00", "-0700", "Z", " UTC", "": seconds east of UTC; anything else counts as UTC. */
static int64_t
parse_offset(const char *p)
{
	const char *sign = strpbrk(p, "+-");
	int h, m;

	if (sign == NULL || strlen(sign) < 5)
		return 0;
	h = two_digits(sign + 1);
	m = two_digits(sign[3] == ':' ? sign + 4 : sign + 3);
	if (h < 0 || m < 0)
		return 0;
	return (*sign == '-' ? -1 : 1) * (h * INT64_C(3600) + m * INT64_C(60));
}

/* Seconds since the epoch of "YYYY-MM-DD HH:MM:SS…", 0 when it isn't one. */
static int64_t
parse_stamp(const char *p, size_t n)
{
	int century, year, month, day, h, m, s;

	if (n < 19 || p[4] != '-' || p[7] != '-' || (p[10] != ' ' && p[10] != 'T') || p[13] != ':' || p[16] != ':')
		return 0;
	century = two_digits(p);
	year = two_digits(p + 2);
	month = two_digits(p + 5);
	day = two_digits(p + 8);
	h = two_digits(p + 11);
	m = two_digits(p + 14);
	s = two_digits(p + 17);
	if (century < 0 || year < 0 || month < 1 || month > 12 || day < 1 || day > 31 || h < 0 || h > 23 || m < 0 ||
	    m > 59 || s < 0 || s > 60)
		return 0;
	return days_from_date(century * 100 + year, month, day) * DAY_S + h * 3600 + m * 60 + s - parse_offset(p + 19);
}

int64_t
db_value_us(const struct db_value *v)
{
	int64_t s = 0;

	if (v->kind == DB_TEXT && strspn(v->t.p, "0123456789") == v->t.n) /* a number in a column that makes it text */
		s = db_value_i64(v);
	else if (v->kind == DB_TEXT)
		s = parse_stamp(v->t.p, v->t.n);
	else if (v->kind == DB_I64 || v->kind == DB_F64)
		s = db_value_i64(v);
	return s <= LONG_AGO_S || s > LAST_S ? 0 : s * CLK_S;
}
