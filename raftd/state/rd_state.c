/* rd_state.c — the replicated tables in memory, and their fingerprint. Pure containers: what a command means stands in
 * rd_apply.c. Owns every row (deep copies). Called by apply, load and whoever reads decisions (model, audit, replies).
 */
#include "rd_state.h"

#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "base/fnv.h"
#include "base/str.h"
#include "ipc/codec.h"

struct row {
	UT_hash_handle hh;
	void *rec; /* owning */
	uint64_t hash;
	size_t key_bytes;
	char key[];
};

struct rd_state {
	struct row *tables[RD_TABLE_COUNT];
	uint64_t index, term;
	int64_t time_us;
	uint64_t rows_hash; /* sum over all rows */
	struct {
		uint64_t index, hash;
	} hashes[RD_HASHES_KEPT]; /* ring by index / RD_HASH_EVERY; index 0 = none */
	struct codec_out scratch;
};

/* --- what the tables are --------------------------------------------------------------------------------------- */
struct column {
	const char *name, *def;
	bool key;
};

#define PK .key = true
#define DEF(literal) .def = literal
#define TABLE(row, sql) static const struct column row##_columns[] = {
#define COL(row, type, col, size, ...) {.name = #col, __VA_ARGS__},
#define END(row) \
	}        \
	;
#include "db/db_tables.def"

/* Columns and record fields stand in the same order. database_instance isn't here: the inventory is all key. */
static const struct column *const columns[DB_TABLE_COUNT] = {
#define TABLE(row, sql) [DB_TABLE_##row] = row##_columns,
#include "db/db_tables.def"
};
#undef PK
#undef DEF

static const struct {
	enum db_table db;
	const struct rec_desc *desc;
	const char *name, *tail;
} tables[RD_TABLE_COUNT] = {
#define RD_TABLE(name_, db_, record, tail_) [RD_TABLE_##name_] = {DB_TABLE_##db_, &record##_desc, #name_, tail_},
#include "rd_tables.def"
#undef RD_TABLE
};

enum db_table
rd_table_db(enum rd_table table)
{
	ASSERT((size_t)table < RD_TABLE_COUNT);
	return tables[table].db;
}

const struct rec_desc *
rd_table_desc(enum rd_table table)
{
	ASSERT((size_t)table < RD_TABLE_COUNT);
	return tables[table].desc;
}

const char *
rd_table_name(enum rd_table table)
{
	ASSERT((size_t)table < RD_TABLE_COUNT);
	return tables[table].name;
}

const char *
rd_table_tail(enum rd_table table)
{
	ASSERT((size_t)table < RD_TABLE_COUNT);
	return tables[table].tail;
}

enum rd_table
rd_table_by_name(const char *name)
{
	enum rd_table t = 0;

	while (t < RD_TABLE_COUNT && strcmp(tables[t].name, name) != 0)
		t++;
	return t;
}

static bool
is_key(enum rd_table table, size_t field)
{
	const struct column *c = columns[tables[table].db];

	return c == NULL || c[field].key;
}

/* Texts with their NUL, numbers in decimal with one: unambiguous, since no text holds a NUL. */
static void
build_key(enum rd_table table, const void *row, struct str_buf *b)
{
	const struct rec_desc *d = rd_table_desc(table);

	for (size_t i = 0; i < d->n_fields; i++) {
		const struct rec_field *f = &d->fields[i];
		if (!is_key(table, i))
			continue;
		if (f->kind == REC_STR)
			str_buf_add(b, rec_str_at(row, f));
		else
			str_buf_printf(b, "%lld", (long long)*(const int64_t *)rec_at(row, f));
		str_buf_add_char(b, '\0');
	}
}

/* --- life ------------------------------------------------------------------------------------------------------ */
struct rd_state *
rd_state_new(void)
{
	return mem_new(struct rd_state);
}

static void
free_row(struct rd_state *s, enum rd_table table, struct row *r)
{
	HASH_DEL(s->tables[table], r);
	s->rows_hash -= r->hash;
	rec_done(rd_table_desc(table), r->rec);
	free(r->rec);
	free(r);
}

void
rd_state_free(struct rd_state *s)
{
	if (s == NULL)
		return;
	for (enum rd_table t = 0; t < RD_TABLE_COUNT; t++) {
		struct row *r, *next;
		HASH_ITER (hh, s->tables[t], r, next)
			free_row(s, t, r);
	}
	codec_out_done(&s->scratch);
	free(s);
}

/* --- rows ------------------------------------------------------------------------------------------------------ */
static struct row *
find(const struct rd_state *s, enum rd_table table, const void *key_row)
{
	struct str_buf key = {0};
	struct row *r;

	build_key(table, key_row, &key);
	HASH_FIND(hh, s->tables[table], key.p, key.len, r);
	str_buf_done(&key);
	return r;
}

const void *
rd_state_get(const struct rd_state *s, enum rd_table table, const void *key_row)
{
	const struct row *r = find(s, table, key_row);

	return r == NULL ? NULL : r->rec;
}

size_t
rd_state_count(const struct rd_state *s, enum rd_table table)
{
	return HASH_COUNT(s->tables[table]);
}

size_t
rd_state_rows(const struct rd_state *s)
{
	size_t n = 0;

	for (enum rd_table t = 0; t < RD_TABLE_COUNT; t++)
		n += rd_state_count(s, t);
	return n;
}

size_t
rd_state_decisions(const struct rd_state *s)
{
	return rd_state_rows(s) - rd_state_count(s, RD_TABLE_applied_command) - rd_state_count(s, RD_TABLE_setting) -
	       rd_state_count(s, RD_TABLE_node_record) - rd_state_count(s, RD_TABLE_access_token);
}

void
rd_state_each(const struct rd_state *s, enum rd_table table, rd_row_fn fn, void *ctx)
{
	for (struct row *r = s->tables[table]; r != NULL; r = r->hh.next)
		fn(ctx, r->rec);
}

bool
rd_state_next(const struct rd_state *s, struct rd_cursor *c, const void **ret_row)
{
	const struct row *r = c->at;

	r = r == NULL ? s->tables[c->table] : r->hh.next;
	while (r == NULL && c->table + 1 < RD_TABLE_COUNT)
		r = s->tables[++c->table];
	c->at = r;
	if (r == NULL)
		return false;
	*ret_row = r->rec;
	return true;
}

const void *
rd_state_next_row(const struct rd_state *s, struct rd_cursor *c)
{
	const struct row *r = c->at;

	r = r == NULL ? s->tables[c->table] : r->hh.next;
	c->at = r;
	return r == NULL ? NULL : r->rec;
}

/* --- fingerprint ----------------------------------------------------------------------------------------------- */
/* Sums of hashes want all their bits well mixed (the finaliser of splitmix64). */
static uint64_t
mix(uint64_t h)
{
	h = (h ^ h >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	h = (h ^ h >> 27) * UINT64_C(0x94d049bb133111eb);
	return h ^ h >> 31;
}

static uint64_t
hash_row(struct rd_state *s, enum rd_table table, const void *rec)
{
	const char *name = rd_table_name(table);
	struct err e;

	s->scratch.len = 0;
	ASSERT(codec_encode(&s->scratch, CODEC_MAP, rd_table_desc(table), rec, SIZE_MAX, &e) == 0);
	return mix(fnv1a(fnv1a(FNV1A_BASIS, name, strlen(name) + 1), s->scratch.p, s->scratch.len));
}

/* Rows come in different orders on different nodes, so their hashes are added up. */
uint64_t
rd_state_hash(const struct rd_state *s)
{
	return s->rows_hash + mix((uint64_t)s->time_us);
}

bool
rd_state_hash_at(const struct rd_state *s, uint64_t index, uint64_t *ret_hash)
{
	size_t i = index / RD_HASH_EVERY % RD_HASHES_KEPT;

	if (index == 0 || s->hashes[i].index != index)
		return false;
	*ret_hash = s->hashes[i].hash;
	return true;
}

uint64_t
rd_state_newest_hash(const struct rd_state *s, uint64_t *ret_hash)
{
	uint64_t newest = 0;

	for (size_t i = 0; i < RD_HASHES_KEPT; i++) {
		if (s->hashes[i].index > newest) {
			newest = s->hashes[i].index;
			*ret_hash = s->hashes[i].hash;
		}
	}
	return newest;
}

/* --- changing rows --------------------------------------------------------------------------------------------- */
static struct row *
new_row(enum rd_table table, const void *row)
{
	struct str_buf key = {0};
	struct row *r;

	build_key(table, row, &key);
	r = mem_calloc(1, sizeof(*r) + key.len);
	memcpy(r->key, key.p, key.len);
	r->key_bytes = key.len;
	r->rec = mem_alloc(rd_table_desc(table)->size);
	rec_dup(rd_table_desc(table), r->rec, row);
	str_buf_done(&key);
	return r;
}

void
rd_state_put(struct rd_state *s, enum rd_table table, const void *row)
{
	struct row *r = find(s, table, row);
	void *fresh;

	if (r != NULL) {
		fresh = mem_alloc(rd_table_desc(table)->size);
		rec_dup(rd_table_desc(table), fresh, row);
		rec_done(rd_table_desc(table), r->rec);
		free(r->rec);
		r->rec = fresh;
		s->rows_hash -= r->hash;
	} else {
		r = new_row(table, row);
		HASH_ADD_KEYPTR(hh, s->tables[table], r->key, r->key_bytes, r);
	}
	r->hash = hash_row(s, table, r->rec);
	s->rows_hash += r->hash;
}

bool
rd_state_remove(struct rd_state *s, enum rd_table table, const void *key_row)
{
	struct row *r = find(s, table, key_row);

	if (r == NULL)
		return false;
	free_row(s, table, r);
	return true;
}

/* --- bookkeeping of apply -------------------------------------------------------------------------------------- */
uint64_t
rd_state_index(const struct rd_state *s)
{
	return s->index;
}

int64_t
rd_state_time_us(const struct rd_state *s)
{
	return s->time_us;
}

uint64_t
rd_state_term(const struct rd_state *s)
{
	return s->term;
}

void
rd_state_set_applied(struct rd_state *s, uint64_t index, uint64_t term, int64_t time_us)
{
	ASSERT(index >= s->index && term >= s->term);
	s->index = index;
	s->term = term;
	s->time_us = max_i64(s->time_us, time_us);
}

void
rd_state_leave_log(struct rd_state *s)
{
	s->term = 0;
}

void
rd_state_end_entry(struct rd_state *s)
{
	size_t i = s->index / RD_HASH_EVERY % RD_HASHES_KEPT;

	if (s->index % RD_HASH_EVERY == 0) {
		s->hashes[i].index = s->index;
		s->hashes[i].hash = rd_state_hash(s);
	}
}
