/* pr_rows.c — reading answers by column name. Pure; used by pr_collect.c, pr_flavor.c and pr_step.c. */
#include "pr_rows.h"

#include <errno.h>
#include <stdlib.h>

#include "base/str.h"

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

size_t
pr_rows_col(const struct pr_rows *r, const char *name)
{
	char first = lower(name[0]);

	for (size_t i = 0; i < r->n_cols; i++) { /* a replica's status has 60 columns, most begin with another letter */
		if (lower(r->names[i][0]) == first && str_eq_nocase(r->names[i], name))
			return i;
	}
	return PR_NO_COL;
}

const char *
pr_rows_at(const struct pr_rows *r, size_t row, size_t col)
{
	if (!r->answered || row >= r->n_rows || col >= r->n_cols)
		return NULL;
	return r->cells[row * r->n_cols + col];
}

const char *
pr_rows_text(const struct pr_rows *r, size_t row, const char *name)
{
	const char *s = pr_rows_at(r, row, pr_rows_col(r, name));

	return s == NULL ? "" : s;
}

int64_t
pr_rows_i64(const struct pr_rows *r, size_t row, const char *name)
{
	return pr_text_i64(pr_rows_text(r, row, name));
}

uint64_t
pr_rows_u64(const struct pr_rows *r, size_t row, const char *name)
{
	return pr_text_u64(pr_rows_text(r, row, name));
}

bool
pr_rows_bool(const struct pr_rows *r, size_t row, const char *name)
{
	return pr_text_bool(pr_rows_text(r, row, name));
}

int64_t
pr_text_i64(const char *s)
{
	char *end;
	long long v;

	if (str_empty(s))
		return 0;
	errno = 0;
	v = strtoll(s, &end, 10);
	return errno != 0 || end == s || (*end != '\0' && *end != '.') ? 0 : v;
}

uint64_t
pr_text_u64(const char *s)
{
	char *end;
	unsigned long long v;

	if (str_empty(s) || s[0] == '-')
		return 0;
	errno = 0;
	v = strtoull(s, &end, 10);
	return errno != 0 || end == s || (*end != '\0' && *end != '.') ? 0 : v;
}

bool
pr_text_bool(const char *s)
{
	return s != NULL && (str_eq(s, "1") || str_eq_nocase(s, "ON") || str_eq_nocase(s, "YES"));
}
