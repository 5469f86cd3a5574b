/* clock.c — the machine's clocks and UTC time stamps as the backend stores them. Called by shells only. */
#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t
read_clock_us(clockid_t id)
{
	struct timespec ts;

	(void)clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * CLK_S + ts.tv_nsec / 1000;
}

static struct mono
real_mono(struct clock *c UNUSED)
{
	return (struct mono){read_clock_us(CLOCK_BOOTTIME)};
}

static struct wall
real_wall(struct clock *c UNUSED)
{
	return (struct wall){read_clock_us(CLOCK_REALTIME)};
}

struct clock *
clk_real(void)
{
	static struct clock real = {.mono = real_mono, .wall = real_wall};

	return &real;
}

struct timespec
clk_cond_deadline(int64_t ms)
{
	int64_t us = read_clock_us(CLOCK_MONOTONIC) + ms * CLK_MS;

	return (struct timespec){.tv_sec = (time_t)(us / CLK_S), .tv_nsec = (long)(us % CLK_S * 1000)};
}

void
clk_format_wall(struct wall t, char *ret)
{
	time_t seconds = (time_t)(t.us / CLK_S);
	struct tm tm;

	(void)gmtime_r(&seconds, &tm);
	if (strftime(ret, CLK_STAMP_BYTES, "%Y-%m-%d %H:%M:%S", &tm) == 0)
		ret[0] = '\0';
}

static bool
tail_is_fraction(const char *p)
{
	if (*p == '.') {
		p++;
		p += strspn(p, "0123456789");
	}
	if (*p == 'Z')
		p++;
	return *p == '\0';
}

bool
clk_parse_wall(const char *text, struct wall *ret_t)
{
	struct tm tm = {0};
	char sep;
	int used = 0;

	if (sscanf(text, "%4d-%2d-%2d%c%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &sep, &tm.tm_hour,
		   &tm.tm_min, &tm.tm_sec, &used) != 7 ||
	    used == 0)
		return false;
	if ((sep != ' ' && sep != 'T') || !tail_is_fraction(text + used))
		return false;
	if (tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 23 || tm.tm_min > 59 ||
	    tm.tm_sec > 60)
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	*ret_t = (struct wall){(int64_t)timegm(&tm) * CLK_S};
	return true;
}
