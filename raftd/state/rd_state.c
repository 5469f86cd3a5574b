/* rd_state.c — the replicated tables in memory. Pure containers: what a command means stands in rd_apply.c.
 * Owns every row (deep copies). Called by apply, load and whoever reads decisions (model, audit, replies). */
#include "rd_state.h"

#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "base/str.h"
#include "ipc/codec.h"

struct row {
	UT_hash_handle hh;
	void *rec; /* owning */
	size_t key_bytes;
	char key[];
};

struct uid {
	UT_hash_handle hh; /* in the order of applying */
	uint64_t index;
	int64_t applied_us;
	char text[];
};

struct rd_state {
	struct row *tables[RD_TABLE_COUNT];
	struct uid *uids;
	uint64_t index;
	int64_t time_us;
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
} tables[RD_TABLE_COUNT] = {
#define RD_TABLE(name, db_, record) [RD_TABLE_##name] = {DB_TABLE_##db_, &record##_desc},
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
	rec_done(rd_table_desc(table), r->rec);
	free(r->rec);
	free(r);
}

static void
free_uid(struct rd_state *s, struct uid *u)
{
	HASH_DEL(s->uids, u);
	free(u);
}

void
rd_state_free(struct rd_state *s)
{
	struct uid *u, *next_u;

	if (s == NULL)
		return;
	for (enum rd_table t = 0; t < RD_TABLE_COUNT; t++) {
		struct row *r, *next;
		HASH_ITER (hh, s->tables[t], r, next)
			free_row(s, t, r);
	}
	HASH_ITER (hh, s->uids, u, next_u)
		free_uid(s, u);
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

void
rd_state_each(const struct rd_state *s, enum rd_table table, rd_row_fn fn, void *ctx)
{
	for (struct row *r = s->tables[table]; r != NULL; r = r->hh.next)
		fn(ctx, r->rec);
}

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

	if (r != NULL) {
		rec_assign(rd_table_desc(table), r->rec, row);
		return;
	}
	r = new_row(table, row);
	HASH_ADD_KEYPTR(hh, s->tables[table], r->key, r->key_bytes, r);
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

void
rd_state_set_applied(struct rd_state *s, uint64_t index, int64_t time_us)
{
	ASSERT(index >= s->index);
	s->index = index;
	s->time_us = max_i64(s->time_us, time_us);
}

bool
rd_state_has_uid(const struct rd_state *s, const char *uid, uint64_t *ret_index)
{
	struct uid *u;

	HASH_FIND_STR(s->uids, uid, u);
	if (u == NULL)
		return false;
	*ret_index = u->index;
	return true;
}

void
rd_state_add_uid(struct rd_state *s, const char *uid, uint64_t index, int64_t applied_us)
{
	size_t n = strlen(uid);
	struct uid *u;

	HASH_FIND_STR(s->uids, uid, u);
	if (u != NULL || n == 0)
		return;
	u = mem_calloc(1, sizeof(*u) + n + 1);
	memcpy(u->text, uid, n);
	u->index = index;
	u->applied_us = applied_us;
	HASH_ADD_STR(s->uids, text, u);
}

void
rd_state_expire_uids(struct rd_state *s, int64_t before_us)
{
	struct uid *u, *next;

	HASH_ITER (hh, s->uids, u, next)
		if (u->applied_us < before_us)
			free_uid(s, u);
}

size_t
rd_state_uid_count(const struct rd_state *s)
{
	return HASH_COUNT(s->uids);
}

int64_t
rd_state_oldest_uid_us(const struct rd_state *s)
{
	return s->uids == NULL ? 0 : s->uids->applied_us; /* applied in order, so the first is the oldest */
}

int64_t
rd_state_surplus_uids_us(const struct rd_state *s)
{
	size_t n = HASH_COUNT(s->uids);
	const struct uid *u = s->uids;

	if (n <= RD_UIDS_MAX + RD_UIDS_MAX / 8)
		return 0;
	for (; n > RD_UIDS_MAX; n--)
		u = u->hh.next;
	return u->applied_us;
}

/* --- fingerprint ----------------------------------------------------------------------------------------------- */
#define FNV_BASIS UINT64_C(0xcbf29ce484222325)

static uint64_t
fnv1a(uint64_t h, const void *p, size_t n)
{
	const unsigned char *c = p;

	for (size_t i = 0; i < n; i++)
		h = (h ^ c[i]) * UINT64_C(0x100000001b3);
	return h;
}

/* Rows come in different orders on different nodes, so their hashes are added up. */
uint64_t
rd_state_hash(const struct rd_state *s)
{
	struct codec_out out = {0};
	uint64_t sum = 0;
	struct err e;

	for (enum rd_table t = 0; t < RD_TABLE_COUNT; t++) {
		for (struct row *r = s->tables[t]; r != NULL; r = r->hh.next) {
			const char *name = db_table_name(rd_table_db(t));
			out.len = 0;
			ASSERT(codec_encode(&out, CODEC_MAP, rd_table_desc(t), r->rec, SIZE_MAX, &e) == 0);
			sum += fnv1a(fnv1a(FNV_BASIS, name, strlen(name)), out.p, out.len);
		}
	}
	codec_out_done(&out);
	return sum;
}
