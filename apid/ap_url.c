/* ap_url.c — percent-decoding and query arguments. Pure; called by ap_router and ap_dispatch for each request, and by
 * the fuzz target. */
#include "ap_url.h"

#include <string.h>

#include "base/str.h"

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

char *
ap_url_decode(const char *text, size_t n, bool plus, struct mem_arena *arena)
{
	char *out = mem_arena_alloc(arena, n + 1);
	size_t o = 0;

	for (size_t i = 0; i < n; i++) {
		if (text[i] != '%') {
			out[o++] = plus && text[i] == '+' ? ' ' : text[i];
			continue;
		}
		if (n - i < 3)
			return NULL;
		int hi = hex_digit(text[i + 1]), lo = hex_digit(text[i + 2]);
		if (hi < 0 || lo < 0 || (hi == 0 && lo == 0))
			return NULL;
		out[o++] = (char)(hi * 16 + lo);
		i += 2;
	}
	return out;
}

static void
add_item(const char *text, size_t n, struct mem_arena *arena, struct ap_query *q)
{
	const char *equals = memchr(text, '=', n);
	size_t name_n = equals == NULL ? n : (size_t)(equals - text);
	size_t value_n = equals == NULL ? 0 : n - name_n - 1;
	char *name, *value;

	if (n == 0 || q->n == AP_QUERY_MAX)
		return;
	name = ap_url_decode(text, name_n, true, arena);
	value = ap_url_decode(text + n - value_n, value_n, true, arena);
	if (name != NULL && value != NULL)
		q->v[q->n++] = (struct ap_query_item){name, str_trim(value)};
}

void
ap_query_parse(const char *text, struct mem_arena *arena, struct ap_query *ret_query)
{
	ret_query->n = 0;
	while (text != NULL && *text != '\0') {
		size_t n = strcspn(text, "&");
		add_item(text, n, arena, ret_query);
		text += n;
		text += *text == '&';
	}
}

const char *
ap_query_value(const struct ap_query *q, const char *name)
{
	for (size_t i = 0; i < q->n; i++) {
		if (strcmp(q->v[i].name, name) == 0)
			return q->v[i].value;
	}
	return "";
}
