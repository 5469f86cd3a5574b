/* db_row.c — records to column values and back, by the bindings of db_schema.c.
 * Pure; the inner loop of every write and read of a row. */
#include "db/db_row.h"

#include "base/clock.h"
#include "base/str.h"

static bool
is_time(enum db_type t)
{
	return t == DB_TYPE_TS || t == DB_TYPE_TSOLD || t == DB_TYPE_NTS;
}

/* --- record to values ------------------------------------------------------------------------------------------ */
static struct db_value
time_value(enum db_type type, int64_t us, struct mem_arena *arena)
{
	if (us <= 0 && type == DB_TYPE_NTS)
		return db_null();
	return db_stamp(us, mem_arena_alloc(arena, CLK_STAMP_BYTES));
}

static struct db_value
number_value(const struct db_column *c, int64_t v, struct mem_arena *arena)
{
	if (is_time(c->type))
		return time_value(c->type, v, arena);
	if (c->type == DB_TYPE_ID && v == 0)
		return db_null();
	return db_i64(v);
}

static struct db_value
text_value(const struct db_column *c, const char *s)
{
	if (s[0] == '\0' && c->type == DB_TYPE_NS)
		return db_null();
	return db_text(s[0] == '\0' && c->type == DB_TYPE_RULE ? "neutral" : s);
}

static struct db_value
field_value(const struct db_column *c, const struct rec_field *f, const void *rec, struct mem_arena *arena)
{
	const void *at = rec_at(rec, f);

	switch (f->kind) {
	case REC_BOOL:
		return db_i64(*(const bool *)at);
	case REC_I64:
		return number_value(c, *(const int64_t *)at, arena);
	case REC_U64: /* SQLite's integers are signed */
		return db_i64((int64_t)(*(const uint64_t *)at & INT64_MAX));
	case REC_F64:
		return (struct db_value){.kind = DB_F64, .f = *(const double *)at};
	case REC_STR:
		return text_value(c, rec_str_at(rec, f));
	case REC_NI64:
		return ((const struct rec_ni64 *)at)->valid ? db_i64(((const struct rec_ni64 *)at)->v) : db_null();
	case REC_NBOOL:
		return ((const struct rec_nbool *)at)->valid ? db_i64(((const struct rec_nbool *)at)->v) : db_null();
	case REC_BIN:
	case REC_REC:
	case REC_LIST:
		break;
	}
	ASSERT(!"a kind of field that no column stores");
	return db_null();
}

struct db_value
db_row_value(const struct db_table_info *t, size_t column, const void *row, struct mem_arena *arena)
{
	const struct db_binding *b = &t->bindings[column];

	switch (b->part) {
	case DB_PART_WHOLE:
		return field_value(&t->columns[column], b->field, row, arena);
	case DB_PART_SUB:
		return field_value(&t->columns[column], b->sub, rec_at(row, b->field), arena);
	case DB_PART_JSON:
		return db_keys_to_json(rec_at(row, b->field), arena);
	case DB_PART_COUNT:
		return db_i64((int64_t)rec_list_at(row, b->field).n);
	}
	ASSERT(!"unknown part");
	return db_null();
}

void
db_row_values(const struct db_table_info *t, const void *row, struct db_value *ret_values, struct mem_arena *arena)
{
	for (size_t i = 0; i < t->n_columns; i++)
		ret_values[i] = db_row_value(t, i, row, arena);
}

/* --- values to record ------------------------------------------------------------------------------------------ */
static const char *
read_text(const struct db_value *v, struct mem_arena *arena)
{
	if (v->kind == DB_TEXT)
		return v->t.p;
	return v->kind == DB_NULL ? "" : db_value_text(v, mem_arena_alloc(arena, DB_SCRATCH_BYTES));
}

static bool
is_number(const struct db_value *v)
{
	return v->kind == DB_TEXT ? v->t.n > 0 : v->kind != DB_NULL;
}

static void
read_field(const struct db_column *c, const struct rec_field *f, const struct db_value *v, void *rec,
	   struct mem_arena *arena)
{
	void *at = rec_at_mut(rec, f);

	switch (f->kind) {
	case REC_BOOL:
		*(bool *)at = db_value_i64(v) != 0;
		break;
	case REC_I64:
		*(int64_t *)at = is_time(c->type) ? db_value_us(v) : db_value_i64(v);
		break;
	case REC_U64:
		*(uint64_t *)at = (uint64_t)max_i64(db_value_i64(v), 0);
		break;
	case REC_F64:
		*(double *)at = v->kind == DB_F64 ? v->f : (double)db_value_i64(v);
		break;
	case REC_STR:
		*(const char **)at = read_text(v, arena);
		break;
	case REC_NI64:
		*(struct rec_ni64 *)at = (struct rec_ni64){db_value_i64(v), is_number(v)};
		break;
	case REC_NBOOL:
		*(struct rec_nbool *)at = (struct rec_nbool){db_value_i64(v) != 0, is_number(v)};
		break;
	case REC_BIN:
	case REC_REC:
	case REC_LIST:
		ASSERT(!"a kind of field that no column stores");
		break;
	}
}

static void
read_keys(const struct rec_field *f, const struct db_value *v, void *row, struct mem_arena *arena)
{
	if (v->kind == DB_TEXT)
		*(struct topo_key_list *)rec_at_mut(row, f) = db_keys_from_json(v->t.p, v->t.n, f->max, arena);
}

void
db_row_record(const struct db_table_info *t, const struct db_value *values, void *ret_row, struct mem_arena *arena)
{
	rec_init(t->desc, ret_row);
	for (size_t i = 0; i < t->n_columns; i++) {
		const struct db_binding *b = &t->bindings[i];
		if (b->part == DB_PART_WHOLE)
			read_field(&t->columns[i], b->field, &values[i], ret_row, arena);
		else if (b->part == DB_PART_SUB)
			read_field(&t->columns[i], b->sub, &values[i], rec_at_mut(ret_row, b->field), arena);
		else if (b->part == DB_PART_JSON)
			read_keys(b->field, &values[i], ret_row, arena);
	}
}
