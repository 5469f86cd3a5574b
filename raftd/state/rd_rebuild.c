/* rd_rebuild.c — a snapshot → the backend (rd_rebuild.h). Runs in the view writer's thread only; owns the state that it
 * reads the snapshot into. */
#include "rd_rebuild.h"

#include <stdlib.h>
#include <string.h>

#include "db/db_read.h"
#include "db/db_write.h"
#include "rd_changes.h"
#include "rd_snapshot.h"
#include "rd_view_write.h"
#include "topo/key.h"

struct rebuild {
	struct db *db;
	const struct rd_state *s;
	size_t rows; /* in the open transaction */
};

/* --- transactions ---------------------------------------------------------------------------------------------- */
static int
mark(struct db *db, struct err *e)
{
	if (db_begin(db, DB_RELAXED, e) != 0)
		return -e->code;
	return rd_write_finish(db, db_set_meta(db, DB_META_VIEW, DB_VIEW_REBUILDING, e), e);
}

/* One more row goes into the transaction; a full one is committed first. */
static int
next_row(struct rebuild *r, struct err *e)
{
	if (r->rows == RD_REBUILD_ROWS) {
		r->rows = 0;
		if (db_commit(r->db, e) != 0)
			return -e->code;
	}
	if (r->rows++ == 0)
		return db_begin(r->db, DB_RELAXED, e);
	return 0;
}

/* --- inventory ------------------------------------------------------------------------------------------------- */
struct absent {
	const struct rd_state *s;
	struct topo_key *v; /* owning */
	size_t n, cap;
};

static int
find_absent(void *ctx, const struct topo_key *key, struct err *e UNUSED)
{
	struct absent *a = ctx;

	if (rd_state_get(a->s, RD_TABLE_inventory, key) != NULL)
		return 0;
	mem_grow(a->v, a->cap, a->n + 1);
	rec_dup(&topo_key_desc, &a->v[a->n++], key);
	return 0;
}

static int
delete_absent(struct rebuild *r, const struct absent *a, struct err *e)
{
	for (size_t i = 0; i < a->n; i++) {
		struct topo_instance inst;
		rec_init(&topo_instance_desc, &inst);
		inst.key = a->v[i];
		if (next_row(r, e) != 0 || db_delete(r->db, DB_TABLE_instance, &inst, e) != 0)
			return -e->code;
	}
	return 0;
}

static int
forget_servers(struct rebuild *r, struct err *e)
{
	static const struct db_instance_filter everything;
	struct absent a = {.s = r->s};
	int rc = db_read_instance_keys(r->db, &everything, DB_ORDER_KEY, (struct wall){0}, find_absent, &a, e);

	if (rc == 0)
		rc = delete_absent(r, &a, e);
	for (size_t i = 0; i < a.n; i++)
		rec_done(&topo_key_desc, &a.v[i]);
	free(a.v);
	return rc;
}

/* --- rows ------------------------------------------------------------------------------------------------------ */
/* The replicated rows of a table. What its tail orders doesn't matter here. */
static int
empty_table(struct rebuild *r, enum rd_table t, struct err *e)
{
	const char *where = rd_table_tail(t);
	int rc;

	if (t == RD_TABLE_inventory)
		return forget_servers(r, e);
	if (next_row(r, e) != 0)
		return -e->code;
	if (strncmp(where, "WHERE ", 6) == 0)
		rc = db_delete_where(r->db, rd_table_db(t), where + 6, NULL, 0, NULL, e);
	else
		rc = db_delete_all(r->db, rd_table_db(t), e);
	return rc == 0 ? 0 : err_wrap(e, "table %s", rd_table_name(t));
}

static int
write_server(struct db *db, const struct topo_key *key, struct err *e)
{
	struct topo_key_text name = topo_key_text(key);
	struct topo_instance inst;

	rd_placeholder(key, name.text, &inst);
	return db_upsert_instance(db, &inst, DB_INSTANCE_ABSENT, e);
}

static int
write_row(struct rebuild *r, enum rd_table t, const void *row, struct err *e)
{
	int rc;

	if (next_row(r, e) != 0)
		return -e->code;
	rc = t == RD_TABLE_inventory ? write_server(r->db, row, e) : db_upsert(r->db, rd_table_db(t), row, e);
	return rc == 0 ? 0 : err_wrap(e, "table %s", rd_table_name(t));
}

static int
write_all(struct rebuild *r, struct err *e)
{
	struct rd_cursor c = {0};
	const void *row;

	for (enum rd_table t = 0; t < RD_TABLE_COUNT; t++) {
		if (empty_table(r, t, e) != 0)
			return -e->code;
	}
	while (rd_state_next(r->s, &c, &row)) {
		if (write_row(r, c.table, row, e) != 0)
			return -e->code;
	}
	return 0;
}

/* The transaction that is open here holds the rest of the rows. */
static int
complete(struct rebuild *r, struct err *e)
{
	struct rd_position at = rd_position_of(r->s);

	if (next_row(r, e) != 0 || rd_write_position(r->db, &at, e) != 0 ||
	    db_set_meta(r->db, RD_META_ALONE, "0", e) != 0)
		return -e->code;
	return db_set_meta(r->db, DB_META_VIEW, DB_VIEW_COMPLETE, e);
}

static int
replace(struct db *db, const struct rd_state *s, struct err *e)
{
	struct rebuild r = {.db = db, .s = s};
	int rc = write_all(&r, e);

	if (rc == 0)
		rc = complete(&r, e);
	if (db_in_transaction(db))
		rc = rd_write_finish(db, rc, e);
	return rc;
}

int
rd_rebuild(struct db *db, const void *image, size_t n, struct err *e)
{
	struct rd_state *s;
	int rc;

	if (rd_snapshot_read(image, n, &s, e) != 0)
		return err_wrap(e, "rebuilding the backend");
	rc = mark(db, e);
	if (rc == 0)
		rc = replace(db, s, e);
	rd_state_free(s);
	return rc == 0 ? 0 : err_wrap(e, "rebuilding the backend");
}
