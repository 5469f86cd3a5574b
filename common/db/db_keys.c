/* db_keys.c — lists of server keys as the JSON text that the historical program stores (slave_hosts,
 * replication_group_members). Pure; called by db_row.c. What other programs left there may be anything. */
#include <jansson.h>
#include <string.h>

#include "base/str.h"
#include "db/db_row.h"

static void
add_json_text(struct str_buf *b, const char *s)
{
	str_buf_add_char(b, '"');
	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;
		if (c < 0x20 || c == 0x7f)
			str_buf_printf(b, "\\u%04x", c);
		else if (c == '"' || c == '\\')
			str_buf_printf(b, "\\%c", c);
		else
			str_buf_add_char(b, (char)c);
	}
	str_buf_add_char(b, '"');
}

struct db_value
db_keys_to_json(const struct topo_key_list *keys, struct mem_arena *arena)
{
	struct str_buf b = {0};
	struct db_value v = db_text("[]");

	if (keys->n == 0)
		return v;
	for (size_t i = 0; i < keys->n; i++) {
		str_buf_add(&b, i == 0 ? "[{\"Hostname\":" : ",{\"Hostname\":");
		add_json_text(&b, keys->v[i].hostname == NULL ? "" : keys->v[i].hostname);
		str_buf_printf(&b, ",\"Port\":%lld}", (long long)keys->v[i].port);
	}
	str_buf_add_char(&b, ']');
	v = (struct db_value){.kind = DB_TEXT, .t = {mem_arena_strndup(arena, b.p, b.len), b.len}};
	str_buf_done(&b);
	return v;
}

struct topo_key_list
db_keys_from_json(const char *text, size_t n, size_t max, struct mem_arena *arena)
{
	struct topo_key_list keys = {0};
	json_t *root, *item;
	size_t i;

	if (n <= 2 || (root = json_loadb(text, n, 0, NULL)) == NULL)
		return keys;
	if (json_array_size(root) > 0)
		keys.v = mem_arena_alloc(arena, min_size(json_array_size(root), max) * sizeof(*keys.v));
	json_array_foreach(root, i, item)
	{
		const char *host = json_string_value(json_object_get(item, "Hostname"));
		if (host == NULL || keys.n == max)
			continue;
		keys.v[keys.n].hostname = mem_arena_strndup(arena, host, strlen(host));
		keys.v[keys.n].port = json_integer_value(json_object_get(item, "Port"));
		keys.n++;
	}
	json_decref(root);
	return keys;
}
