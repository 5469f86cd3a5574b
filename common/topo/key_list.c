/* key_list.c — lists of instance keys: comma lists from people, JSON text in backend columns. Pure.
 * An owning list has exactly n items allocated, as rec_dup makes it: adding reallocates, which is fine for
 * TOPO_LIST_MAX. */
#include "topo/key.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define JSON_TEXT_MAX ((size_t)TOPO_LIST_MAX * 512)

void
topo_key_list_done(struct topo_key_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		topo_key_done(&l->v[i]);
	free(l->v);
	*l = (struct topo_key_list){0};
}

bool
topo_key_list_has(const struct topo_key_list *l, const struct topo_key *k)
{
	for (size_t i = 0; i < l->n; i++)
		if (topo_key_equal(&l->v[i], k))
			return true;
	return false;
}

static void
append(struct topo_key_list *l, const char *hostname, int64_t port)
{
	l->v = mem_realloc(l->v, (l->n + 1) * sizeof(*l->v));
	rec_init(&topo_key_desc, &l->v[l->n]);
	topo_key_set(&l->v[l->n++], hostname, port);
}

bool
topo_key_list_append(struct topo_key_list *l, const struct topo_key *k)
{
	if (l->n >= TOPO_LIST_MAX)
		return false;
	append(l, k->hostname, k->port);
	return true;
}

bool
topo_key_list_add(struct topo_key_list *l, const struct topo_key *k)
{
	if (l->n >= TOPO_LIST_MAX || topo_key_list_has(l, k))
		return false;
	append(l, k->hostname, k->port);
	return true;
}

static int
cmp_items(const void *a, const void *b)
{
	return topo_key_cmp(a, b);
}

void
topo_key_list_sort(struct topo_key_list *l)
{
	if (l->n > 1)
		qsort(l->v, l->n, sizeof(*l->v), cmp_items);
}

void
topo_key_list_sort_unique(struct topo_key_list *l)
{
	size_t kept = 0;

	topo_key_list_sort(l);
	for (size_t i = 0; i < l->n; i++) {
		if (kept > 0 && topo_key_equal(&l->v[kept - 1], &l->v[i]))
			topo_key_done(&l->v[i]);
		else
			l->v[kept++] = l->v[i];
	}
	l->n = kept;
}

/* --- comma lists -------------------------------------------------------------------------------------------------- */
struct parse_ctx {
	struct topo_key_list list;
	int64_t default_port;
	int rc;
	struct err *e;
};

static void
parse_piece(void *arg, const char *piece)
{
	struct parse_ctx *ctx = arg;
	struct topo_key k;

	if (ctx->rc != 0)
		return;
	ctx->rc = topo_key_parse(piece, ctx->default_port, &k, ctx->e);
	if (ctx->rc != 0)
		return;
	if (ctx->list.n >= TOPO_LIST_MAX)
		ctx->rc = err_set(ctx->e, ERR_LIMIT, "more than %d instances in one list", TOPO_LIST_MAX);
	else
		(void)topo_key_list_add(&ctx->list, &k);
	topo_key_done(&k);
}

int
topo_key_list_parse(const char *text, int64_t default_port, struct topo_key_list *ret_list, struct err *e)
{
	struct parse_ctx ctx = {.default_port = default_port, .e = e};

	str_split(text, ", \t\r\n", parse_piece, &ctx);
	if (ctx.rc != 0)
		topo_key_list_done(&ctx.list);
	else
		*ret_list = ctx.list;
	return ctx.rc;
}

/* --- JSON text ---------------------------------------------------------------------------------------------------- */
/* Length of the well-formed UTF-8 sequence at s, 0 when there is none. */
static size_t
utf8_len(const unsigned char *s)
{
	size_t n = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0;

	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) ||
	    (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

static void
write_json_string(struct str_buf *b, const char *s)
{
	str_buf_add_char(b, '"');
	for (const unsigned char *p = (const unsigned char *)s; *p != '\0';) {
		size_t n = utf8_len(p);
		if (n == 0)
			str_buf_add(b, "\\ufffd");
		else if (*p < ' ' || *p == 0x7f || strchr("<>&", *p) != NULL)
			str_buf_printf(b, "\\u%04x", *p);
		else if (*p == '"' || *p == '\\')
			str_buf_printf(b, "\\%c", *p);
		else
			str_buf_add_n(b, p, n);
		p += n == 0 ? 1 : n;
	}
	str_buf_add_char(b, '"');
}

static int
cmp_pointers(const void *a, const void *b)
{
	return topo_key_cmp(*(const struct topo_key *const *)a, *(const struct topo_key *const *)b);
}

void
topo_key_list_write_json(const struct topo_key_list *l, struct str_buf *b)
{
	const struct topo_key **sorted = mem_calloc(l->n, sizeof(*sorted));

	for (size_t i = 0; i < l->n; i++)
		sorted[i] = &l->v[i];
	if (l->n > 1)
		qsort(sorted, l->n, sizeof(*sorted), cmp_pointers);
	str_buf_add_char(b, '[');
	for (size_t i = 0; i < l->n; i++) {
		str_buf_add(b, i == 0 ? "{\"Hostname\":" : ",{\"Hostname\":");
		write_json_string(b, sorted[i]->hostname);
		str_buf_printf(b, ",\"Port\":%lld}", (long long)sorted[i]->port);
	}
	str_buf_add_char(b, ']');
	free(sorted);
}

static void
read_item(const json_t *item, struct topo_key_list *l)
{
	const json_t *host = json_object_get(item, "Hostname"), *port = json_object_get(item, "Port");

	if (!json_is_string(host) || !json_is_integer(port) || json_string_length(host) > TOPO_HOST_MAX)
		return;
	if (json_integer_value(port) < 0 || json_integer_value(port) > TOPO_PORT_MAX)
		return;
	append(l, json_string_value(host), json_integer_value(port));
}

void
topo_key_list_read_json(const char *json, struct topo_key_list *ret_list)
{
	json_t *root = strnlen(json, JSON_TEXT_MAX + 1) > JSON_TEXT_MAX ? NULL : json_loads(json, 0, NULL);
	size_t n = root == NULL ? 0 : min_size(json_array_size(root), TOPO_LIST_MAX);

	*ret_list = (struct topo_key_list){0};
	for (size_t i = 0; i < n; i++)
		read_item(json_array_get(root, i), ret_list);
	json_decref(root);
}
