/* str.c — text buffer and string helpers. Pure but for str_random_hex; called by everything. */
#include "base/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "base/log.h"
#include "base/mem.h"

static void
reserve(struct str_buf *b, size_t more)
{
	ASSERT(more < SIZE_MAX - b->len - 1);
	mem_grow(b->p, b->cap, b->len + more + 1);
}

void
str_buf_done(struct str_buf *b)
{
	free(b->p);
	*b = (struct str_buf){0};
}

void
str_buf_clear(struct str_buf *b)
{
	b->len = 0;
	if (b->p != NULL)
		b->p[0] = '\0';
}

void
str_buf_add_n(struct str_buf *b, const void *p, size_t n)
{
	reserve(b, n);
	if (n > 0)
		memcpy(b->p + b->len, p, n);
	b->len += n;
	b->p[b->len] = '\0';
}

void
str_buf_add(struct str_buf *b, const char *s)
{
	str_buf_add_n(b, s, strlen(s));
}

void
str_buf_add_char(struct str_buf *b, char c)
{
	str_buf_add_n(b, &c, 1);
}

void
str_buf_pad(struct str_buf *b, char c, size_t count)
{
	reserve(b, count);
	memset(b->p + b->len, c, count);
	b->len += count;
	b->p[b->len] = '\0';
}

void
str_buf_vprintf(struct str_buf *b, const char *fmt, va_list ap)
{
	va_list again;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	ASSERT(n >= 0);
	reserve(b, (size_t)n);
	(void)vsnprintf(b->p + b->len, (size_t)n + 1, fmt, ap);
	b->len += (size_t)n;
}

void
str_buf_printf(struct str_buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	str_buf_vprintf(b, fmt, ap);
	va_end(ap);
}

const char *
str_buf_text(const struct str_buf *b)
{
	return b->p == NULL ? "" : b->p;
}

char *
str_buf_take(struct str_buf *b)
{
	char *p = b->p == NULL ? mem_strdup("") : b->p;

	*b = (struct str_buf){0};
	return p;
}

bool
str_eq(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return strcmp(a, b) == 0;
}

bool
str_eq_nocase(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return strcasecmp(a, b) == 0;
}

bool
str_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool
str_ends(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

bool
str_contains_nocase(const char *s, const char *needle)
{
	return strcasestr(s, needle) != NULL;
}

bool
str_copy(char *dst, size_t size, const char *src)
{
	size_t n = strlen(src);
	size_t take = min_size(n, size - 1);

	memcpy(dst, src, take);
	dst[take] = '\0';
	return take == n;
}

static bool
is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

char *
str_trim(char *s)
{
	size_t n;

	while (is_blank(*s))
		s++;
	n = strlen(s);
	while (n > 0 && is_blank(s[n - 1]))
		s[--n] = '\0';
	return s;
}

int
str_parse_u64(const char *s, uint64_t max, uint64_t *ret_v, struct err *e)
{
	uint64_t v = 0;
	const char *p = s;

	for (; *p >= '0' && *p <= '9'; p++) {
		uint64_t d = (uint64_t)(*p - '0');
		if (v > (UINT64_MAX - d) / 10)
			return err_set(e, ERR_INVALID, "number too large: %.40s", s);
		v = v * 10 + d;
	}
	if (p == s || *p != '\0')
		return err_set(e, ERR_INVALID, "not a decimal number: \"%.40s\"", s);
	if (v > max)
		return err_set(e, ERR_INVALID, "number above the maximum %llu: %.40s", (unsigned long long)max, s);
	*ret_v = v;
	return 0;
}

int
str_parse_i64(const char *s, int64_t min, int64_t max, int64_t *ret_v, struct err *e)
{
	bool negative = *s == '-';
	uint64_t magnitude;
	int64_t v;
	int rc = str_parse_u64(negative ? s + 1 : s, negative ? (uint64_t)INT64_MAX + 1 : INT64_MAX, &magnitude, e);

	if (rc != 0)
		return rc;
	v = negative ? (int64_t)(~magnitude + 1) : (int64_t)magnitude;
	if (v < min || v > max)
		return err_set(e, ERR_INVALID, "number outside %lld..%lld: %.40s", (long long)min, (long long)max, s);
	*ret_v = v;
	return 0;
}

int
str_parse_duration_s(const char *s, int64_t *ret_seconds, struct err *e)
{
	static const struct {
		char unit;
		int64_t seconds;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
	size_t n = strlen(s);
	char digits[24];
	int64_t count;

	if (n < 2 || n >= sizeof(digits))
		return err_set(e, ERR_INVALID, "invalid duration \"%.40s\": digits and one of s, m, h, d, w", s);
	memcpy(digits, s, n - 1);
	digits[n - 1] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		if (units[i].unit != s[n - 1] || digits[0] == '-')
			continue;
		if (str_parse_i64(digits, 0, INT64_MAX / 1000000000 / units[i].seconds, &count, e) != 0)
			return err_wrap(e, "invalid duration \"%.40s\"", s);
		*ret_seconds = count * units[i].seconds;
		return 0;
	}
	return err_set(e, ERR_INVALID, "invalid duration \"%.40s\": digits and one of s, m, h, d, w", s);
}

/* value/unit with up to `digits` decimals, zeros at the end left out. */
static void
add_decimal(struct str_buf *b, int64_t value, int64_t unit, int digits)
{
	str_buf_printf(b, "%lld", (long long)(value / unit));
	if (value % unit == 0)
		return;
	str_buf_printf(b, ".%0*lld", digits, (long long)(value % unit));
	while (b->p[b->len - 1] == '0')
		b->p[--b->len] = '\0';
}

void
str_add_go_duration(struct str_buf *b, int64_t ns)
{
	const int64_t s = 1000000000;
	int64_t minutes = ns / (60 * s);

	ASSERT(ns >= 0);
	if (ns == 0) {
		str_buf_add(b, "0s");
	} else if (ns < s) {
		bool nano = ns < 1000, micro = ns < 1000000;
		add_decimal(b, ns, nano ? 1 : micro ? 1000 : 1000000, nano ? 0 : micro ? 3 : 6);
		str_buf_add(b, nano ? "ns" : micro ? "\xc2\xb5s" : "ms");
	} else {
		if (minutes >= 60)
			str_buf_printf(b, "%lldh", (long long)(minutes / 60));
		if (minutes > 0)
			str_buf_printf(b, "%lldm", (long long)(minutes % 60));
		add_decimal(b, ns % (60 * s), s, 9);
		str_buf_add_char(b, 's');
	}
}

void
str_split(const char *s, const char *seps, void (*fn)(void *ctx, const char *piece), void *ctx)
{
	while (*s != '\0') {
		size_t n = strcspn(s, seps);
		char *piece = mem_strndup(s, n);
		char *trimmed = str_trim(piece);
		if (*trimmed != '\0')
			fn(ctx, trimmed);
		free(piece);
		s += n;
		s += *s != '\0';
	}
}

void
str_hex(char *ret, const unsigned char *raw, size_t n)
{
	static const char hex[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		ret[2 * i] = hex[raw[i] >> 4];
		ret[2 * i + 1] = hex[raw[i] & 15];
	}
	ret[2 * n] = '\0';
}

void
str_random_hex(char *ret, size_t n)
{
	unsigned char raw[64];

	ASSERT(n <= sizeof(raw));
	if (getrandom(raw, n, 0) != (ssize_t)n) {
		log_write(LOG_LVL_ERROR, "str", "the kernel gave no random bytes");
		abort();
	}
	str_hex(ret, raw, n);
}

size_t
str_utf8_decode(const unsigned char *s, uint32_t *ret_cp)
{
	size_t n = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0;
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	uint32_t cp;

	if (n == 0)
		return 0;
	cp = n == 1 ? s[0] : s[0] & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		cp = cp << 6 | (s[i] & 0x3f);
	}
	if (cp < least[n] || cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000))
		return 0;
	*ret_cp = cp;
	return n;
}

static bool
quote_simple(struct str_buf *b, uint32_t cp)
{
	static const char from[] = "\a\b\f\n\r\t\v\\\"";
	static const char to[] = "abfnrtv\\\"";
	const char *at = cp != 0 && cp < 0x80 ? strchr(from, (int)cp) : NULL;

	if (at == NULL)
		return false;
	str_buf_add_char(b, '\\');
	str_buf_add_char(b, to[at - from]);
	return true;
}

void
str_quote_go_ascii(struct str_buf *b, const char *s)
{
	const unsigned char *p = (const unsigned char *)s;

	str_buf_add_char(b, '"');
	while (*p != '\0') {
		uint32_t cp = 0;
		size_t n = str_utf8_decode(p, &cp);
		if (n == 0) {
			str_buf_printf(b, "\\x%02x", *p);
			n = 1;
		} else if (quote_simple(b, cp)) {
			/* done */
		} else if (cp >= 0x20 && cp < 0x7f) {
			str_buf_add_char(b, (char)cp);
		} else if (cp < 0x80) {
			str_buf_printf(b, "\\x%02x", cp);
		} else {
			str_buf_printf(b, cp < 0x10000 ? "\\u%04x" : "\\U%08x", cp);
		}
		p += n;
	}
	str_buf_add_char(b, '"');
}
