/* rd_store_rows.c — everything in the store's database but the log: schema, the one row of state, identity, metadata of
 * the newest snapshot. All of them carry checksums, since SQLite's pages have none. Called by rd_store.c within its
 * transactions. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "rd_store_private.h"

#define SUM_ROW "sum" /* of table identity: the checksum of the others */

const char *const rd_store_schema[] = {
    "CREATE TABLE state (id INTEGER PRIMARY KEY CHECK (id = 1), seq INTEGER NOT NULL, term INTEGER NOT NULL, "
    "voted_for INTEGER NOT NULL, last_index INTEGER NOT NULL, compact_to INTEGER NOT NULL, sum INTEGER NOT NULL)",
    "CREATE TABLE log (idx INTEGER PRIMARY KEY, term INTEGER NOT NULL, kind INTEGER NOT NULL, sum INTEGER NOT NULL, "
    "data BLOB NOT NULL)",
    "CREATE TABLE snapshot (id INTEGER PRIMARY KEY CHECK (id = 1), term INTEGER NOT NULL, idx INTEGER NOT NULL, "
    "size INTEGER NOT NULL, sha256 BLOB NOT NULL, conf_index INTEGER NOT NULL, conf BLOB NOT NULL, sum INTEGER NOT "
    "NULL)",
    "CREATE TABLE identity (name TEXT PRIMARY KEY, value NOT NULL)",
    "CREATE TABLE founder (name TEXT NOT NULL, dir_id TEXT NOT NULL)",
    NULL,
};

/* --- checksums ------------------------------------------------------------------------------------------------------ */
uint64_t
rd_store_sum_u64(uint64_t sum, uint64_t v)
{
	return fnv1a(sum, &v, sizeof(v));
}

static uint64_t
state_sum(const struct rd_store_state *st)
{
	const uint64_t v[] = {st->seq, st->term, st->voted_for, st->last, st->compact_to};

	return fnv1a(FNV1A_BASIS, v, sizeof(v));
}

static uint64_t
text_sum(uint64_t sum, const char *text)
{
	return fnv1a(sum, text, strlen(text) + 1);
}

static uint64_t
identity_sum(const struct rd_identity *id)
{
	uint64_t sum = rd_store_sum_u64(rd_store_sum_u64(FNV1A_BASIS, id->raft_id), id->founded);

	sum = text_sum(text_sum(sum, id->dir_id), id->name);
	sum = text_sum(text_sum(sum, id->cluster_id), id->config_hash);
	for (size_t i = 0; i < id->founded_with.n; i++)
		sum = text_sum(text_sum(sum, id->founded_with.v[i].name), id->founded_with.v[i].dir_id);
	return id->renewals == 0 ? sum : rd_store_sum_u64(sum, id->renewals);
}

static uint64_t
snapshot_sum(const struct rd_snapshot *s)
{
	const uint64_t v[] = {s->term, s->index, s->size, s->conf_index};
	uint64_t sum = fnv1a(FNV1A_BASIS, v, sizeof(v));

	return fnv1a(fnv1a(sum, s->sha256, sizeof(s->sha256)), s->conf, s->conf_n);
}

/* --- state ---------------------------------------------------------------------------------------------------------- */
static struct db_value
number(uint64_t v)
{
	return db_i64((int64_t)v);
}

int
rd_store_put_state(struct rd_store *s, const struct rd_store_state *st, struct err *e)
{
	const struct db_value v[] = {number(st->seq),  number(st->term),       number(st->voted_for),
				     number(st->last), number(st->compact_to), number(state_sum(st))};

	return db_exec(s->db, "REPLACE INTO state VALUES (1, ?, ?, ?, ?, ?, ?)", v, ARRAY_LEN(v), e);
}

static int
on_state(void *ctx, const struct db_value *v, size_t n UNUSED, struct err *e)
{
	struct rd_store *s = ctx;
	uint64_t u[6];

	for (size_t i = 0; i < ARRAY_LEN(u); i++)
		u[i] = (uint64_t)db_value_i64(&v[i]);
	s->now =
	    (struct rd_store_state){.seq = u[0], .term = u[1], .voted_for = u[2], .last = u[3], .compact_to = u[4]};
	if (u[0] == 0 || state_sum(&s->now) != u[5])
		return rd_store_damaged(s, RD_STORE_FILE, e, "the row of table state does not match its checksum");
	return 0;
}

/* --- identity ------------------------------------------------------------------------------------------------------- */
static int
put_identity_field(struct rd_store *s, const struct rd_identity *id, const struct rec_field *f, struct err *e)
{
	struct db_value v[] = {db_text(f->name), db_null()};

	if (f->kind == REC_STR)
		v[1] = db_text(rec_str_at(id, f));
	else if (f->kind == REC_U64)
		v[1] = number(*(const uint64_t *)rec_at(id, f));
	else if (f->kind == REC_BOOL)
		v[1] = db_i64(*(const bool *)rec_at(id, f));
	else
		return 0; /* founded_with has a table of its own */
	return db_exec(s->db, "REPLACE INTO identity VALUES (?, ?)", v, ARRAY_LEN(v), e);
}

int
rd_store_put_identity(struct rd_store *s, const struct rd_identity *id, struct err *e)
{
	const struct db_value sum = number(identity_sum(id));
	int rc = rec_check(&rd_identity_desc, id, e);

	if (rc == 0)
		rc = db_exec(s->db, "REPLACE INTO identity VALUES ('" SUM_ROW "', ?)", &sum, 1, e);

	for (size_t i = 0; i < rd_identity_desc.n_fields && rc == 0; i++)
		rc = put_identity_field(s, id, &rd_identity_desc.fields[i], e);
	if (rc == 0)
		rc = db_exec(s->db, "DELETE FROM founder", NULL, 0, e);
	for (size_t i = 0; i < id->founded_with.n && rc == 0; i++) {
		const struct rd_founder *f = &id->founded_with.v[i];
		const struct db_value v[] = {db_text(f->name), db_text(f->dir_id)};
		rc = db_exec(s->db, "INSERT INTO founder VALUES (?, ?)", v, ARRAY_LEN(v), e);
	}
	return rc;
}

struct identity_load {
	struct rd_identity *id;
	uint64_t sum;
};

static int
on_identity(void *ctx, const struct db_value *v, size_t n UNUSED, struct err *e UNUSED)
{
	struct identity_load *l = ctx;
	char scratch[DB_SCRATCH_BYTES];
	const struct rec_field *f = rec_field_by_name(&rd_identity_desc, db_value_text(&v[0], scratch));
	void *at;

	if (f == NULL) {
		l->sum = (uint64_t)db_value_i64(&v[1]);
		return 0;
	}
	at = rec_at_mut(l->id, f);
	if (f->kind == REC_STR)
		rec_set_str(at, db_value_text(&v[1], scratch));
	else if (f->kind == REC_U64)
		*(uint64_t *)at = (uint64_t)db_value_i64(&v[1]);
	else if (f->kind == REC_BOOL)
		*(bool *)at = db_value_i64(&v[1]) != 0;
	return 0;
}

static int
on_founder(void *ctx, const struct db_value *v, size_t n UNUSED, struct err *e UNUSED)
{
	struct rd_founder_list *l = ctx;
	char scratch[DB_SCRATCH_BYTES];

	l->v = mem_realloc(l->v, (l->n + 1) * sizeof(*l->v)); /* few */
	rec_init(&rd_founder_desc, &l->v[l->n]);
	rec_set_str(&l->v[l->n].name, db_value_text(&v[0], scratch));
	rec_set_str(&l->v[l->n].dir_id, db_value_text(&v[1], scratch));
	l->n++;
	return 0;
}

static int
load_identity(struct rd_store *s, struct err *e)
{
	struct identity_load l = {.id = &s->identity};
	int rc = db_query(s->db, "SELECT name, value FROM identity", NULL, 0, on_identity, &l, e);

	if (rc == 0)
		rc = db_query(s->db, "SELECT name, dir_id FROM founder ORDER BY rowid", NULL, 0, on_founder,
			      &s->identity.founded_with, e);
	if (rc != 0)
		return rc;
	if (strlen(s->identity.dir_id) != 32 || identity_sum(&s->identity) != l.sum)
		return rd_store_damaged(s, RD_STORE_FILE, e, "the table identity does not match its checksum");
	return 0;
}

/* --- snapshot ------------------------------------------------------------------------------------------------------- */
int
rd_store_put_snapshot(struct rd_store *s, const struct rd_snapshot *snap, struct err *e)
{
	const struct db_value v[] = {number(snap->term),	number(snap->index),
				     number(snap->size),	db_blob(snap->sha256, sizeof(snap->sha256)),
				     number(snap->conf_index),	db_blob(snap->conf, snap->conf_n),
				     number(snapshot_sum(snap))};

	if (snap->conf_n > RD_CONF_BYTES_MAX)
		return err_set(e, ERR_TOO_LARGE, "the configuration of a snapshot has %zu bytes", snap->conf_n);
	return db_exec(s->db, "REPLACE INTO snapshot VALUES (1, ?, ?, ?, ?, ?, ?, ?)", v, ARRAY_LEN(v), e);
}

static int
on_snapshot(void *ctx, const struct db_value *v, size_t n UNUSED, struct err *e)
{
	struct rd_store *s = ctx;
	struct rd_snapshot snap = {.term = (uint64_t)db_value_i64(&v[0]),
				   .index = (uint64_t)db_value_i64(&v[1]),
				   .size = (uint64_t)db_value_i64(&v[2]),
				   .conf_index = (uint64_t)db_value_i64(&v[4])};

	if (v[3].kind == DB_TEXT && v[3].t.n == sizeof(snap.sha256) && v[5].kind == DB_TEXT &&
	    v[5].t.n <= RD_CONF_BYTES_MAX) {
		memcpy(snap.sha256, v[3].t.p, sizeof(snap.sha256));
		snap.conf = v[5].t.p;
		snap.conf_n = v[5].t.n;
		if (snap.index != 0 && snapshot_sum(&snap) == (uint64_t)db_value_i64(&v[6])) {
			rd_snapshot_dup(&s->snapshot, &snap);
			return 0;
		}
	}
	return rd_store_damaged(s, RD_STORE_FILE, e, "the row of table snapshot does not match its checksum");
}

void
rd_snapshot_dup(struct rd_snapshot *dst, const struct rd_snapshot *src)
{
	*dst = *src;
	dst->conf = src->conf == NULL ? NULL : mem_dup(src->conf, src->conf_n);
}

void
rd_snapshot_done(struct rd_snapshot *s)
{
	free((void *)(uintptr_t)s->conf);
	*s = (struct rd_snapshot){0};
}

/* --- all of them ---------------------------------------------------------------------------------------------------- */
int
rd_store_rows_make(struct rd_store *s, struct err *e)
{
	char dir_id[33];
	int rc;

	str_random_hex(dir_id, 16);
	rec_done(&rd_identity_desc, &s->identity);
	rec_set_str(&s->identity.dir_id, dir_id);
	s->now = (struct rd_store_state){.seq = 1};
	rc = rd_store_put_identity(s, &s->identity, e);
	return rc == 0 ? rd_store_put_state(s, &s->now, e) : rc;
}

int
rd_store_rows_load(struct rd_store *s, struct err *e)
{
	int rc;

	s->now.seq = 0;
	rc = db_query(s->db, "SELECT seq, term, voted_for, last_index, compact_to, sum FROM state", NULL, 0, on_state,
		      s, e);
	if (rc == 0 && s->now.seq == 0)
		rc = rd_store_damaged(s, RD_STORE_FILE, e, "its table state is empty");
	if (rc == 0)
		rc = load_identity(s, e);
	if (rc == 0)
		rc = db_query(s->db, "SELECT term, idx, size, sha256, conf_index, conf, sum FROM snapshot", NULL, 0,
			      on_snapshot, s, e);
	return rc;
}
