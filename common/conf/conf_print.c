/* conf_print.c — a configuration as JSON: for people (--print-config: secrets masked; -c dump-config: not) and for the
 * children. Also compares two of them. Pure; the order is that of conf_keys.def. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf_private.h"

#define MASK "********"

static void
add_string(struct str_buf *buf, const char *s)
{
	json_t *v = json_string(s);
	char *text = v == NULL ? NULL : json_dumps(v, JSON_ENCODE_ANY);

	ASSERT(text != NULL); /* strings of a configuration came through the JSON parser: they are UTF-8 */
	str_buf_add(buf, text);
	free(text);
	json_decref(v);
}

/* The shortest text that reads back as the same number. */
static void
add_real(struct str_buf *buf, double x)
{
	char text[40];

	for (int digits = 6; digits <= 17; digits++) {
		(void)snprintf(text, sizeof(text), "%.*g", digits, x);
		if (strtod(text, NULL) == x)
			break;
	}
	str_buf_add(buf, text);
}

static void
add_list(struct str_buf *buf, const struct conf_strs *list)
{
	str_buf_add_char(buf, '[');
	for (size_t i = 0; i < list->n; i++) {
		str_buf_add(buf, i == 0 ? "" : ", ");
		add_string(buf, list->v[i]);
	}
	str_buf_add_char(buf, ']');
}

static void
add_map(struct str_buf *buf, const struct conf_map *map)
{
	str_buf_add_char(buf, '{');
	for (size_t i = 0; i < map->n; i++) {
		str_buf_add(buf, i == 0 ? "" : ", ");
		add_string(buf, map->v[i].key);
		str_buf_add(buf, ": ");
		add_string(buf, map->v[i].value);
	}
	str_buf_add_char(buf, '}');
}

static void
add_umap(struct str_buf *buf, const struct conf_umap *map)
{
	str_buf_add_char(buf, '{');
	for (size_t i = 0; i < map->n; i++) {
		str_buf_add(buf, i == 0 ? "" : ", ");
		add_string(buf, map->v[i].key);
		str_buf_printf(buf, ": %lld", (long long)map->v[i].value);
	}
	str_buf_add_char(buf, '}');
}

void
conf_print_value(const struct conf *c, const struct conf_key *k, bool mask_secrets, struct str_buf *buf)
{
	const void *at = (const char *)c + k->offset;
	const char *s;

	switch (k->kind) {
	case CONF_BOOL:
		str_buf_add(buf, *(const bool *)at ? "true" : "false");
		break;
	case CONF_INT:
	case CONF_UINT:
		str_buf_printf(buf, "%lld", (long long)*(const int64_t *)at);
		break;
	case CONF_REAL:
		add_real(buf, *(const double *)at);
		break;
	case CONF_STR:
		s = *(const char *const *)at;
		add_string(buf, mask_secrets && (k->flags & CONF_SECRET) && s[0] != '\0' ? MASK : s);
		break;
	case CONF_LIST:
		add_list(buf, at);
		break;
	case CONF_MAP:
		add_map(buf, at);
		break;
	case CONF_UMAP:
		add_umap(buf, at);
		break;
	}
}

void
conf_print(const struct conf *c, unsigned roles, bool mask_secrets, struct str_buf *buf)
{
	const char *before = "{\n";

	for (size_t i = 0; i < conf_key_count(); i++) {
		const struct conf_key *k = conf_key_at(i);
		if (!(k->roles & roles))
			continue;
		str_buf_printf(buf, "%s  \"%s\": ", before, k->name);
		conf_print_value(c, k, mask_secrets, buf);
		before = ",\n";
	}
	str_buf_add(buf, "\n}\n");
}

void
conf_print_line(const struct conf *c, struct str_buf *buf)
{
	for (size_t i = 0; i < conf_key_count(); i++) {
		str_buf_printf(buf, "%s\"%s\":", i == 0 ? "{" : ",", conf_key_at(i)->name);
		conf_print_value(c, conf_key_at(i), false, buf);
	}
	str_buf_add(buf, "}\n");
}

static bool
same_value(const struct conf *a, const struct conf *b, const struct conf_key *k, struct str_buf *x, struct str_buf *y)
{
	str_buf_clear(x);
	str_buf_clear(y);
	conf_print_value(a, k, false, x);
	conf_print_value(b, k, false, y);
	return strcmp(str_buf_text(x), str_buf_text(y)) == 0;
}

size_t
conf_diff(const struct conf *a, const struct conf *b, unsigned roles, void (*fn)(void *ctx, const struct conf_key *k),
	  void *ctx)
{
	struct str_buf x = {0}, y = {0};
	size_t n = 0;

	for (size_t i = 0; i < conf_key_count(); i++) {
		const struct conf_key *k = conf_key_at(i);
		if (!(k->roles & roles) || same_value(a, b, k, &x, &y))
			continue;
		n++;
		if (fn != NULL)
			fn(ctx, k);
	}
	str_buf_done(&x);
	str_buf_done(&y);
	return n;
}
