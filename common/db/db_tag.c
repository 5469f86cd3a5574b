/* db_tag.c — tag strings and searches by tag (http-api.md section 10). The parser is pure; the reads are one query
 * each. Called by apid. */
#include <stdlib.h>
#include <string.h>

#include "db/db_driver.h"
#include "db/db_read.h"

#define MAX_TERMS 32

static int
copy_part(char *dst, size_t size, const char *part, size_t n, const char *what, struct err *e)
{
	if (n >= size)
		return err_set(e, ERR_INVALID, "tag %s is longer than %zu bytes", what, size - 1);
	memcpy(dst, part, n);
	dst[n] = '\0';
	return 0;
}

int
db_tag_parse(const char *text, struct db_tag_term *ret_term, struct err *e)
{
	struct db_tag_term t = {0};
	char *copy = mem_strdup(text), *s = str_trim(copy);
	char *equals;
	int rc;

	for (char *p = s; *p != '\0'; p++) { /* historical: every ! is a ~ */
		if (*p == '!')
			*p = '~';
	}
	t.negate = *s == '~';
	s += t.negate;
	equals = strchr(s, '=');
	t.has_value = equals != NULL;
	rc = copy_part(t.name, sizeof(t.name), s, equals == NULL ? strlen(s) : (size_t)(equals - s), "name", e);
	if (rc == 0 && t.has_value)
		rc = copy_part(t.value, sizeof(t.value), equals + 1, strlen(equals + 1), "value", e);
	if (rc == 0 && t.name[0] == '\0')
		rc = err_set(e, ERR_INVALID, "empty tag name in \"%.256s\": expected name or name=value", text);
	free(copy);
	if (rc == 0)
		*ret_term = t;
	return rc;
}

int
db_read_tags(struct db *db, const struct topo_key *key, db_row_fn on_row, void *ctx, struct err *e)
{
	struct db_value params[] = {db_text(key->hostname), db_i64(key->port)};

	return db_read_where(db, DB_TABLE_tag, "WHERE hostname = ? AND port = ? ORDER BY tag_name", params, 2, on_row,
			     ctx, e);
}

/* --- search ---------------------------------------------------------------------------------- */
struct tag_search {
	struct db_tag_term *terms; /* room for MAX_TERMS */
	size_t n_terms;
	struct str_buf sql;
	struct db_value params[2 * MAX_TERMS];
	size_t n_params;
	struct err *e;
	int rc;
};

static void
on_term(void *ctx, const char *piece)
{
	struct tag_search *s = ctx;

	if (s->rc != 0)
		return;
	if (s->n_terms == MAX_TERMS)
		s->rc = err_set(s->e, ERR_LIMIT, "more than %d tags in one search", MAX_TERMS);
	else
		s->rc = db_tag_parse(piece, &s->terms[s->n_terms++], s->e);
}

/* ~name: has tags but not this one. ~name=v: has it with another value. */
static void
add_term(struct tag_search *s, const struct db_tag_term *t)
{
	str_buf_printf(&s->sql,
		       " AND %sEXISTS (SELECT 1 FROM database_instance_tags x WHERE x.hostname = t.hostname "
		       "AND x.port = t.port AND x.tag_name = ?",
		       t->negate && !t->has_value ? "NOT " : "");
	s->params[s->n_params++] = db_text(t->name);
	if (t->has_value) {
		str_buf_add(&s->sql, t->negate ? " AND x.tag_value <> ?" : " AND x.tag_value = ?");
		s->params[s->n_params++] = db_text(t->value);
	}
	str_buf_add_char(&s->sql, ')');
}

struct key_reader {
	db_key_fn on_key;
	void *ctx;
};

static int
on_key_values(void *ctx, const struct db_value *values, size_t n UNUSED, struct err *e)
{
	const struct key_reader *r = ctx;
	char scratch[DB_SCRATCH_BYTES];
	struct topo_key key = {db_value_text(&values[0], scratch), db_value_i64(&values[1])};

	return r->on_key(r->ctx, &key, e);
}

static int
run_search(struct db *db, struct tag_search *s, db_key_fn on_key, void *ctx, struct err *e)
{
	struct key_reader r = {on_key, ctx};

	str_buf_add(&s->sql, "SELECT DISTINCT t.hostname, t.port FROM database_instance_tags t WHERE 1 = 1");
	for (size_t i = 0; i < s->n_terms; i++)
		add_term(s, &s->terms[i]);
	str_buf_add(&s->sql, " ORDER BY t.hostname, t.port");
	if (db_query(db, str_buf_text(&s->sql), s->params, s->n_params, on_key_values, &r, e) != 0)
		return err_wrap(e, "searching tags");
	return 0;
}

int
db_read_tagged(struct db *db, const char *expression, db_key_fn on_key, void *ctx, struct err *e)
{
	struct tag_search s = {.terms = mem_calloc(MAX_TERMS, sizeof(*s.terms)), .e = e};

	str_split(expression, ",", on_term, &s);
	if (s.rc == 0 && s.n_terms == 0)
		s.rc = err_set(e, ERR_INVALID,
			       "empty tag search: expected name, name=value or ~name, separated by commas");
	if (s.rc == 0)
		s.rc = run_search(db, &s, on_key, ctx, e);
	str_buf_done(&s.sql);
	free(s.terms);
	return s.rc;
}
