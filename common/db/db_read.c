/* db_read.c — rows of any table as records, and the small lists. Called by apid's readers, raftd's load and
 * db_migrate.c. One query per call; records live in the db's arena until the callback returns. */
#include "db/db_read.h"

#include <stdlib.h>

#include "db/db_driver.h"
#include "db/db_row.h"

/* Any row record fits; instances are the largest. */
union any_row {
	struct topo_instance instance;
#define TABLE(row, sql) struct db_##row row;
#include "db/db_tables.def"
};

struct row_reader {
	struct db *db;
	const struct db_table_info *table;
	db_row_fn on_row;
	void *ctx;
};

static int
on_values(void *ctx, const struct db_value *values, size_t n, struct err *e)
{
	struct row_reader *r = ctx;
	union any_row row;

	ASSERT(n == r->table->n_columns);
	mem_arena_reset(&r->db->arena);
	db_row_record(r->table, values, &row, &r->db->arena);
	return r->on_row(r->ctx, &row, e);
}

static void
make_select(struct db *db UNUSED, enum db_table table, struct str_buf *b)
{
	const struct db_table_info *t = db_table_info(table);

	str_buf_add(b, "SELECT ");
	db_sql_columns(b, t, NULL);
	str_buf_printf(b, " FROM %s", t->name);
}

int
db_read_where(struct db *db, enum db_table table, const char *tail, const struct db_value *params, size_t n_params,
	      db_row_fn on_row, void *ctx, struct err *e)
{
	struct row_reader r = {db, db_table_info(table), on_row, ctx};
	struct str_buf sql = {0};
	int rc;

	str_buf_printf(&sql, "%s %s", db_op_sql(db, table, DB_OP_SELECT, make_select), tail);
	rc = db_query(db, str_buf_text(&sql), params, n_params, on_values, &r, e);
	str_buf_done(&sql);
	return rc == 0 ? 0 : err_wrap(e, "reading %s", r.table->name);
}

int
db_read_all(struct db *db, enum db_table table, db_row_fn on_row, void *ctx, struct err *e)
{
	struct str_buf tail = {0};
	int rc;

	str_buf_add(&tail, "ORDER BY ");
	db_sql_key_columns(&tail, db_table_info(table));
	rc = db_read_where(db, table, str_buf_text(&tail), NULL, 0, on_row, ctx, e);
	str_buf_done(&tail);
	return rc;
}

static int
on_number(void *ctx, const struct db_value *values, size_t n UNUSED, struct err *e UNUSED)
{
	int64_t *ret = ctx;

	*ret = db_value_i64(&values[0]);
	return 0;
}

int
db_count(struct db *db, enum db_table table, int64_t *ret_count, struct err *e)
{
	struct str_buf sql = {0};
	int rc;

	str_buf_printf(&sql, "SELECT count(*) FROM %s", db_table_name(table));
	rc = db_query(db, str_buf_text(&sql), NULL, 0, on_number, ret_count, e);
	str_buf_done(&sql);
	return rc;
}

/* --- clusters -------------------------------------------------------------------------------------------------- */
struct cluster_reader {
	db_row_fn on_row;
	void *ctx;
};

static int
on_cluster(void *ctx, const struct db_value *values, size_t n UNUSED, struct err *e)
{
	struct cluster_reader *r = ctx;
	char scratch[3][DB_SCRATCH_BYTES];
	struct db_cluster_info info = {
	    .cluster_name = db_value_text(&values[0], scratch[0]),
	    .cluster_alias = db_value_text(&values[1], scratch[1]),
	    .cluster_domain = db_value_text(&values[2], scratch[2]),
	    .count_instances = db_value_i64(&values[3]),
	};

	if (info.cluster_alias[0] == '\0')
		info.cluster_alias = info.cluster_name;
	return r->on_row(r->ctx, &info, e);
}

#define CLUSTERS_SQL(condition)                                                                       \
	"SELECT i.cluster_name, min(a.alias), min(d.domain_name), count(*) FROM database_instance i " \
	"LEFT JOIN cluster_alias a ON a.cluster_name = i.cluster_name "                               \
	"LEFT JOIN cluster_domain_name d ON d.cluster_name = i.cluster_name "                         \
	"WHERE i.cluster_name " condition " GROUP BY i.cluster_name ORDER BY i.cluster_name"

int
db_read_clusters(struct db *db, const char *cluster_name, db_row_fn on_row, void *ctx, struct err *e)
{
	struct cluster_reader r = {on_row, ctx};
	struct db_value name = db_text(cluster_name == NULL ? "" : cluster_name);
	const char *sql = cluster_name == NULL ? CLUSTERS_SQL("<> ?") : CLUSTERS_SQL("= ?");

	if (db_query(db, sql, &name, 1, on_cluster, &r, e) != 0)
		return err_wrap(e, "reading clusters");
	return 0;
}

static int
on_text(void *ctx, const struct db_value *values, size_t n UNUSED, struct err *e UNUSED)
{
	char scratch[DB_SCRATCH_BYTES];

	str_buf_add(ctx, db_value_text(&values[0], scratch));
	return DB_STOP;
}

int
db_read_cluster_by_alias(struct db *db, const char *alias, struct str_buf *ret_name, struct err *e)
{
	struct db_value params[] = {db_text(alias), db_text(alias), db_text(alias)};
	size_t before = ret_name->len;
	int rc = db_query(db,
			  "SELECT cluster_name FROM cluster_alias a WHERE (alias = ? OR cluster_name = ?) AND EXISTS "
			  "(SELECT 1 FROM database_instance i WHERE i.cluster_name = a.cluster_name) ORDER BY CASE "
			  "WHEN alias = ? THEN 0 ELSE 1 END",
			  params, ARRAY_LEN(params), on_text, ret_name, e);

	if (rc != 0)
		return err_wrap(e, "reading cluster_alias");
	if (ret_name->len == before)
		return err_set(e, ERR_NOT_FOUND, "no cluster with alias %.256s", alias);
	return 0;
}

/* --- lists ----------------------------------------------------------------------------------------------------- */
int
db_read_audit(struct db *db, const struct topo_key *key, int64_t page, db_row_fn on_row, void *ctx, struct err *e)
{
	int64_t offset = min_i64(max_i64(page, 0), INT32_MAX) * DB_PAGE_ROWS;
	struct db_value params[] = {db_text(key == NULL ? "" : key->hostname), db_i64(key == NULL ? 0 : key->port),
				    db_i64(DB_PAGE_ROWS), db_i64(offset)};

	if (key == NULL)
		return db_read_where(db, DB_TABLE_audit,
				     "ORDER BY audit_timestamp DESC, audit_id DESC LIMIT ? OFFSET ?", params + 2, 2,
				     on_row, ctx, e);
	return db_read_where(db, DB_TABLE_audit,
			     "WHERE hostname = ? AND port = ? "
			     "ORDER BY audit_timestamp DESC, audit_id DESC LIMIT ? OFFSET ?",
			     params, 4, on_row, ctx, e);
}

struct maintenance_reader {
	struct wall now;
	db_row_fn on_row;
	void *ctx;
};

/* The end is compared here because its text may have been written in any of several forms. */
static int
on_maintenance(void *ctx, const void *row, struct err *e)
{
	const struct maintenance_reader *r = ctx;
	const struct db_maintenance *m = row;

	return m->end_timestamp_us > r->now.us ? r->on_row(r->ctx, m, e) : 0;
}

int
db_read_maintenance(struct db *db, const struct topo_key *key, struct wall now, db_row_fn on_row, void *ctx,
		    struct err *e)
{
	struct maintenance_reader r = {now, on_row, ctx};
	struct db_value params[] = {db_text(key == NULL ? "" : key->hostname), db_i64(key == NULL ? 0 : key->port)};

	if (key == NULL)
		return db_read_where(
		    db, DB_TABLE_maintenance,
		    "WHERE maintenance_active = 1 ORDER BY begin_timestamp, database_instance_maintenance_id", NULL, 0,
		    on_maintenance, &r, e);
	return db_read_where(db, DB_TABLE_maintenance, "WHERE maintenance_active = 1 AND hostname = ? AND port = ?",
			     params, 2, on_maintenance, &r, e);
}

int
db_read_nodes(struct db *db, struct wall since, db_row_fn on_row, void *ctx, struct err *e)
{
	char stamp[CLK_STAMP_BYTES];
	struct db_value param = db_stamp(since.us, stamp);

	return db_read_where(db, DB_TABLE_node_health, "WHERE last_seen_active >= ? ORDER BY hostname, token", &param,
			     1, on_row, ctx, e);
}

int
db_read_recovery_disabled(struct db *db, bool *ret_disabled, struct err *e)
{
	int64_t count = 0;

	if (db_query(db, "SELECT count(*) FROM global_recovery_disable WHERE disable_recovery = 1", NULL, 0, on_number,
		     &count, e) != 0)
		return err_wrap(e, "reading global_recovery_disable");
	*ret_disabled = count > 0;
	return 0;
}

/* --- bookkeeping ----------------------------------------------------------------------------------------------- */
int
db_read_meta(struct db *db, const char *name, struct str_buf *ret_value, struct err *e)
{
	struct db_value param = db_text(name);

	if (db_query(db, "SELECT value FROM orchestrator_meta WHERE name = ?", &param, 1, on_text, ret_value, e) != 0)
		return err_wrap(e, "reading orchestrator_meta");
	return 0;
}

int
db_read_view_complete(struct db *db, bool *ret_complete, struct err *e)
{
	struct str_buf text = {0};
	int rc = db_read_meta(db, DB_META_VIEW, &text, e);

	if (rc == 0)
		*ret_complete = strcmp(str_buf_text(&text), DB_VIEW_REBUILDING) != 0;
	str_buf_done(&text);
	return rc;
}

int
db_read_applied_index(struct db *db, int64_t *ret_index, struct err *e)
{
	struct str_buf text = {0};
	int rc = db_read_meta(db, DB_META_APPLIED_INDEX, &text, e);

	if (rc == 0)
		*ret_index = strtoll(str_buf_text(&text), NULL, 10);
	str_buf_done(&text);
	return rc;
}
