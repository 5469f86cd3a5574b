/* base/str.h — a growable text buffer and the few string helpers that C lacks. No locale, no I/O. */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdarg.h>

#include "base/base.h"
#include "base/err.h"

/* Growable, always NUL-terminated once non-empty; zero-initialise before use. */
struct str_buf {
	char *p; /* NULL while empty: read through str_buf_text */
	size_t len;
	size_t cap;
};

void str_buf_done(struct str_buf *b);  /* frees and zeroes */
void str_buf_clear(struct str_buf *b); /* keeps the memory */
void str_buf_add(struct str_buf *b, const char *s);
void str_buf_add_n(struct str_buf *b, const void *p, size_t n);
void str_buf_add_char(struct str_buf *b, char c);
void str_buf_pad(struct str_buf *b, char c, size_t count);
void str_buf_printf(struct str_buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void str_buf_vprintf(struct str_buf *b, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);
const char *str_buf_text(const struct str_buf *b); /* "" when empty; borrowed until the next change */
char *str_buf_take(struct str_buf *b);		   /* caller frees; buffer becomes empty */

static inline bool
str_empty(const char *s)
{
	return s == NULL || s[0] == '\0';
}

bool str_eq(const char *a, const char *b);	  /* NULL equals NULL only */
bool str_eq_nocase(const char *a, const char *b); /* ASCII */
bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);
bool str_contains_nocase(const char *s, const char *needle);
/* Copies, always terminates; false when it was cut. size > 0. */
bool str_copy(char *dst, size_t size, const char *src);
/* Removes blanks at both ends in place; returns s' new start. */
char *str_trim(char *s);

/* Whole decimal text within [min, max]; no sign other than '-', no blanks. */
int str_parse_i64(const char *s, int64_t min, int64_t max, int64_t *ret_v, struct err *e) MUST_USE;
int str_parse_u64(const char *s, uint64_t max, uint64_t *ret_v, struct err *e) MUST_USE;
/* Historical duration: digits and one of s m h d w ("10m"); result in seconds. Reference: http-api.md section 1.4. */
int str_parse_duration_s(const char *s, int64_t *ret_seconds, struct err *e) MUST_USE;

/* Appends ns as Go prints a duration: "1.5s", "351.871µs", "2m3s", "0s". Not negative. */
void str_add_go_duration(struct str_buf *b, int64_t ns);

/* Calls fn for each non-empty piece of s between any of the characters in seps, blanks trimmed. */
void str_split(const char *s, const char *seps, void (*fn)(void *ctx, const char *piece), void *ctx);

/* One UTF-8 character at s (NUL-terminated); its length in bytes, 0 when invalid. */
size_t str_utf8_decode(const unsigned char *s, uint32_t *ret_cp);

/* n bytes as 2n lower-case hex digits; ret holds 2n+1. */
void str_hex(char *ret, const unsigned char *raw, size_t n);
/* n random bytes from the kernel as 2n lower-case hex digits; ret holds 2n+1. Aborts if the kernel gives none. */
void str_random_hex(char *ret, size_t n);

/* The text Go's strconv.QuoteToASCII makes of s (json-shapes.md: LastSQLError); appended to b. Invalid UTF-8: \xNN. */
void str_quote_go_ascii(struct str_buf *b, const char *s);

#endif
