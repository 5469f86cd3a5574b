/* conf_json.c — from JSON values to members of struct conf. Used for files and for what
 * the supervisor sends to its children. Checks type and range; meaning is conf_check.c's. */
#include <string.h>
#include <strings.h>

#include "conf_private.h"

static const char *
found(const json_t *v)
{
	static const char *const names[] = {
	    [JSON_OBJECT] = "an object", [JSON_ARRAY] = "a list",    [JSON_STRING] = "a string",
	    [JSON_INTEGER] = "a number", [JSON_REAL] = "a fraction", [JSON_TRUE] = "true",
	    [JSON_FALSE] = "false",	 [JSON_NULL] = "null",
	};

	return names[json_typeof(v)];
}

static const char *
expected(enum conf_kind kind)
{
	static const char *const names[] = {
	    [CONF_BOOL] = "true or false, without quotes",
	    [CONF_INT] = "a whole number, without quotes",
	    [CONF_UINT] = "a whole number not below 0, without quotes",
	    [CONF_REAL] = "a number, without quotes",
	    [CONF_STR] = "a string in quotes",
	    [CONF_LIST] = "a list of strings: [\"a\", \"b\"]",
	    [CONF_MAP] = "an object of strings: {\"a\": \"b\"}",
	    [CONF_UMAP] = "an object of whole numbers: {\"a\": 1}",
	};

	return names[kind];
}

static int
wrong_type(const struct conf_key *k, const json_t *v, struct err *e)
{
	return err_set(e, ERR_CONFIG, "expects %s; found %s", expected(k->kind), found(v));
}

static int
check_range(const struct conf_key *k, int64_t n, struct err *e)
{
	if (n >= k->min && n <= k->max)
		return 0;
	return err_set(e, ERR_CONFIG, "%lld is out of range; choose a value from %lld to %lld%s%s", (long long)n,
		       (long long)k->min, (long long)k->max, k->unit == NULL ? "" : " ",
		       k->unit == NULL ? "" : k->unit);
}

static int
get_integer(const struct conf_key *k, const json_t *v, int64_t *ret_n, const char **ret_note, struct err *e)
{
	int64_t n = json_integer_value(v);

	if (!json_is_integer(v))
		return wrong_type(k, v, e);
	if (k->kind == CONF_INT && n < 0 && k->min >= 0) {
		*ret_note = "negative, taken as 0";
		n = 0;
	}
	if (check_range(k, n, e) != 0)
		return -e->code;
	*ret_n = n;
	return 0;
}

static int
set_real(double *at, const struct conf_key *k, const json_t *v, struct err *e)
{
	double x = json_number_value(v);

	if (!json_is_number(v))
		return wrong_type(k, v, e);
	if (!(x >= (double)k->min && x <= (double)k->max))
		return err_set(e, ERR_CONFIG, "%g is out of range; choose a value from %lld to %lld", x,
			       (long long)k->min, (long long)k->max);
	*at = x;
	return 0;
}

static int
check_count(size_t n, const char *what, struct err *e)
{
	return n <= CONF_LIST_MAX ? 0 : err_set(e, ERR_CONFIG, "%zu %s, at most %d", n, what, CONF_LIST_MAX);
}

static int
set_list(struct conf *c, struct conf_strs *at, const struct conf_key *k, const json_t *v, struct err *e)
{
	size_t n = json_array_size(v);
	const char **items;

	if (!json_is_array(v))
		return wrong_type(k, v, e);
	if (check_count(n, "items", e) != 0)
		return -e->code;
	items = mem_arena_alloc(&conf_box_of(c)->arena, n * sizeof(*items));
	for (size_t i = 0; i < n; i++) {
		const json_t *item = json_array_get(v, i);
		if (!json_is_string(item))
			return err_set(e, ERR_CONFIG, "expects %s; item %zu is %s", expected(k->kind), i + 1,
				       found(item));
		items[i] = conf_strdup(c, json_string_value(item));
	}
	*at = (struct conf_strs){items, n};
	return 0;
}

/* Both kinds of map seen as one: same layout, the kind says which value counts. */
struct entry {
	const char *key;
	union {
		const char *text;
		int64_t number;
	} value;
};
struct any_map {
	const struct entry *v;
	size_t n;
};
_Static_assert(sizeof(struct entry) == sizeof(struct conf_pair), "struct conf_pair is an entry");
_Static_assert(sizeof(struct entry) == sizeof(struct conf_upair), "struct conf_upair is an entry");

/* The entry to (over)write: the one with this key, or the next free one; room was made for it. */
static struct entry *
find_entry(struct entry *entries, size_t *n, const char *key)
{
	for (size_t i = 0; i < *n; i++) {
		if (strcmp(entries[i].key, key) == 0)
			return &entries[i];
	}
	return &entries[(*n)++];
}

static int
get_entry(struct conf *c, const struct conf_key *k, const char *key, const json_t *v, struct entry *ret, struct err *e)
{
	bool fits = k->kind == CONF_MAP ? json_is_string(v) : json_is_integer(v);

	if (!fits)
		return err_set(e, ERR_CONFIG, "expects %s; entry \"%.60s\" is %s", expected(k->kind), key, found(v));
	ret->key = conf_strdup(c, key);
	if (k->kind == CONF_MAP)
		ret->value.text = conf_strdup(c, json_string_value(v));
	else
		ret->value.number = json_integer_value(v);
	if (k->kind == CONF_UMAP && check_range(k, ret->value.number, e) != 0)
		return err_wrap(e, "entry \"%.60s\"", key);
	return 0;
}

static int
set_map(struct conf *c, struct any_map *at, const struct conf_key *k, json_t *v, struct err *e)
{
	size_t n = at->n, room = n + json_object_size(v);
	struct entry *entries, new;
	const char *key;
	json_t *value;

	if (!json_is_object(v))
		return wrong_type(k, v, e);
	if (check_count(room, "entries", e) != 0)
		return -e->code;
	entries = mem_arena_alloc(&conf_box_of(c)->arena, room * sizeof(*entries));
	if (n > 0)
		memcpy(entries, at->v, n * sizeof(*entries));
	json_object_foreach(v, key, value)
	{
		if (get_entry(c, k, key, value, &new, e) != 0)
			return -e->code;
		*find_entry(entries, &n, key) = new;
	}
	*at = (struct any_map){entries, n};
	return 0;
}

static int
set_null(struct conf *c, const struct conf_key *k, bool *ret_set)
{
	void *at = (char *)c + k->offset;

	*ret_set = k->kind == CONF_LIST || k->kind == CONF_MAP || k->kind == CONF_UMAP;
	if (*ret_set)
		memset(at, 0, sizeof(struct any_map)); /* lists have that size too */
	return 0;
}

int
conf_set_value(struct conf *c, const struct conf_key *k, json_t *v, bool *ret_set, const char **ret_note, struct err *e)
{
	void *at = (char *)c + k->offset;

	*ret_note = NULL;
	if (json_is_null(v))
		return set_null(c, k, ret_set);
	*ret_set = true;
	switch (k->kind) {
	case CONF_BOOL:
		if (!json_is_boolean(v))
			break;
		*(bool *)at = json_is_true(v);
		return 0;
	case CONF_INT:
	case CONF_UINT:
		return get_integer(k, v, at, ret_note, e);
	case CONF_REAL:
		return set_real(at, k, v, e);
	case CONF_STR:
		if (!json_is_string(v))
			break;
		*(const char **)at = conf_strdup(c, json_string_value(v));
		return 0;
	case CONF_LIST:
		return set_list(c, at, k, v, e);
	case CONF_MAP:
	case CONF_UMAP:
		return set_map(c, at, k, v, e);
	}
	return wrong_type(k, v, e);
}
