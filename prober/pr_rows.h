/* pr_rows.h — the answer to one statement, as text: rows of named columns. Pure data.
 *
 * Everything lives in the arena of the probe that asked (pr_wire.c fills it) and is borrowed by whoever reads it. Cells
 * and names are NUL-terminated; a text with a NUL inside ends there. Servers are not trusted: how many columns, rows
 * and bytes may come is bounded by pr_wire.h, what the texts mean is checked by pr_collect.c. */
#ifndef PR_ROWS_H
#define PR_ROWS_H

#include "base/base.h"

struct pr_rows {
	bool answered;		  /* the server answered this statement completely, be it with an error */
	int64_t err_no;		  /* of the server's error packet; 0 = none */
	const char *err_text;	  /* NULL without error */
	size_t n_cols;		  /* 0: the statement had no result set */
	size_t n_rows;		  /* kept rows */
	uint64_t n_dropped;	  /* rows beyond what the statement wanted to keep */
	const char *const *names; /* n_cols */
	const char *const *cells; /* n_rows x n_cols, row by row; NULL = SQL NULL */
};

/* Answered, and not by an error. */
static inline bool
pr_rows_ok(const struct pr_rows *r)
{
	return r->answered && r->err_no == 0;
}

#define PR_NO_COL SIZE_MAX

/* By name, whatever the case of its letters; PR_NO_COL when there is none. */
size_t pr_rows_col(const struct pr_rows *r, const char *name);
/* NULL for SQL NULL, an unknown column (PR_NO_COL), a row that isn't there, an answer that isn't complete. */
const char *pr_rows_at(const struct pr_rows *r, size_t row, size_t col);

/* By name; "" for NULL and for what isn't there. */
const char *pr_rows_text(const struct pr_rows *r, size_t row, const char *name);
/* 0 when it is not a number within range; a fraction is cut off. */
int64_t pr_rows_i64(const struct pr_rows *r, size_t row, const char *name);
uint64_t pr_rows_u64(const struct pr_rows *r, size_t row, const char *name);
/* "1", "ON" or "YES" in any case. */
bool pr_rows_bool(const struct pr_rows *r, size_t row, const char *name);

/* The same readings of a text; NULL reads as "". */
int64_t pr_text_i64(const char *s);
uint64_t pr_text_u64(const char *s);
bool pr_text_bool(const char *s);

#endif
