/* db_write.c — rows into tables, by generated statements. Called by raftd/state (db_write.h) and db_migrate.c.
 * Transactions are the caller's. */
#include "db/db_write.h"

#include <stdio.h>

#include "db/db_driver.h"
#include "db/db_read.h"
#include "db/db_row.h"

static void
make_upsert(struct db *db, enum db_table table, struct str_buf *b)
{
	db_sql_upsert(b, db->driver->dialect, db_table_info(table), NULL);
}

static void
make_upsert_keep(struct db *db, enum db_table table, struct str_buf *b)
{
	db_sql_upsert(b, db->driver->dialect, db_table_info(table), "last_seen");
}

static void
make_ignore(struct db *db, enum db_table table, struct str_buf *b)
{
	db_sql_insert_ignore(b, db->driver->dialect, db_table_info(table));
}

static void
make_insert(struct db *db, enum db_table table, struct str_buf *b)
{
	db_sql_insert(b, db->driver->dialect, db_table_info(table));
}

static void
make_delete(struct db *db UNUSED, enum db_table table, struct str_buf *b)
{
	db_sql_delete(b, db_table_info(table));
}

/* Runs an operation whose parameters are the row's columns from `first` on. */
static int
write_row(struct db *db, enum db_table table, const char *sql, const void *row, size_t first, struct err *e)
{
	const struct db_table_info *t = db_table_info(table);
	struct db_value values[DB_MAX_COLUMNS];

	mem_arena_reset(&db->arena);
	db_row_values(t, row, values, &db->arena);
	if (db_exec(db, sql, values + first, t->n_columns - first, e) != 0)
		return err_wrap(e, "writing %s", t->name);
	return 0;
}

/* An alias belongs to one cluster: the last one that registers it has it. */
static int
free_alias(struct db *db, const struct db_cluster_alias *row, struct err *e)
{
	struct db_value params[] = {db_text(row->alias), db_text(row->cluster_name)};

	return db_exec(db, "DELETE FROM cluster_alias WHERE alias = ? AND cluster_name <> ?", params, ARRAY_LEN(params),
		       e);
}

int
db_upsert(struct db *db, enum db_table table, const void *row, struct err *e)
{
	if (table == DB_TABLE_cluster_alias && free_alias(db, row, e) != 0)
		return err_wrap(e, "writing cluster_alias");
	return write_row(db, table, db_op_sql(db, table, DB_OP_UPSERT, make_upsert), row, 0, e);
}

int
db_insert_ignore(struct db *db, enum db_table table, const void *row, bool *ret_inserted, struct err *e)
{
	int rc = write_row(db, table, db_op_sql(db, table, DB_OP_IGNORE, make_ignore), row, 0, e);

	if (rc == 0 && ret_inserted != NULL)
		*ret_inserted = db_changes(db) > 0;
	return rc;
}

int
db_insert(struct db *db, enum db_table table, const void *row, int64_t *ret_id, struct err *e)
{
	int rc = write_row(db, table, db_op_sql(db, table, DB_OP_INSERT, make_insert), row, 1, e);

	if (rc == 0 && ret_id != NULL)
		*ret_id = db_last_id(db);
	return rc;
}

int
db_delete(struct db *db, enum db_table table, const void *key_row, struct err *e)
{
	const struct db_table_info *t = db_table_info(table);
	struct db_value params[DB_MAX_KEYS];

	mem_arena_reset(&db->arena);
	for (size_t i = 0; i < t->n_keys; i++)
		params[i] = db_row_value(t, t->keys[i], key_row, &db->arena);
	if (db_exec(db, db_op_sql(db, table, DB_OP_DELETE, make_delete), params, t->n_keys, e) != 0)
		return err_wrap(e, "deleting from %s", t->name);
	return 0;
}

int
db_delete_all(struct db *db, enum db_table table, struct err *e)
{
	return db_delete_where(db, table, "1 = 1", NULL, 0, NULL, e);
}

int
db_delete_where(struct db *db, enum db_table table, const char *condition, const struct db_value *params,
		size_t n_params, int64_t *ret_count, struct err *e)
{
	struct str_buf sql = {0};
	int rc;

	str_buf_printf(&sql, "DELETE FROM %s WHERE %s", db_table_name(table), condition);
	rc = db_exec(db, str_buf_text(&sql), params, n_params, e);
	str_buf_done(&sql);
	if (rc != 0)
		return err_wrap(e, "deleting from %s", db_table_name(table));
	if (ret_count != NULL)
		*ret_count = db_changes(db);
	return 0;
}

/* --- instances ------------------------------------------------------------------------------------------------- */
int
db_upsert_instance(struct db *db, const struct topo_instance *inst, enum db_instance_write how, struct err *e)
{
	struct topo_instance not_seen;

	if (how == DB_INSTANCE_SEEN)
		return db_upsert(db, DB_TABLE_instance, inst, e);
	if (how == DB_INSTANCE_ABSENT)
		return db_insert_ignore(db, DB_TABLE_instance, inst, NULL, e);
	not_seen = *inst;
	not_seen.last_seen_us = 0; /* for a new row; an existing one keeps its own */
	return write_row(db, DB_TABLE_instance, db_op_sql(db, DB_TABLE_instance, DB_OP_UPSERT_KEEP, make_upsert_keep),
			 &not_seen, 0, e);
}

int
db_touch_instance_check(struct db *db, const struct topo_key *key, int64_t last_checked_us, bool partial, struct err *e)
{
	char stamp[CLK_STAMP_BYTES];
	struct db_value params[] = {db_stamp(last_checked_us, stamp), db_i64(partial), db_text(key->hostname),
				    db_i64(key->port)};

	return db_exec(db,
		       "UPDATE database_instance SET last_checked = ?, last_check_partial_success = ? "
		       "WHERE hostname = ? AND port = ?",
		       params, ARRAY_LEN(params), e);
}

int
db_touch_instance_attempt(struct db *db, const struct topo_key *key, int64_t attempted_us, struct err *e)
{
	char stamp[CLK_STAMP_BYTES];
	struct db_value params[] = {db_stamp(attempted_us, stamp), db_text(key->hostname), db_i64(key->port)};

	return db_exec(db, "UPDATE database_instance SET last_attempted_check = ? WHERE hostname = ? AND port = ?",
		       params, ARRAY_LEN(params), e);
}

/* --- bookkeeping ----------------------------------------------------------------------------- */
int
db_set_meta(struct db *db, const char *name, const char *value, struct err *e)
{
	struct db_meta row = {name, value};

	return db_upsert(db, DB_TABLE_meta, &row, e);
}

int
db_set_applied_index(struct db *db, int64_t log_index, struct err *e)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%lld", (long long)log_index);
	return db_set_meta(db, DB_META_APPLIED_INDEX, text, e);
}

int
db_add_applied_command(struct db *db, const char *uid, int64_t log_index, int64_t applied_us, struct err *e)
{
	struct db_applied_command row = {uid, log_index, applied_us};

	return db_upsert(db, DB_TABLE_applied_command, &row, e);
}

int
db_expire_applied_commands(struct db *db, int64_t before_us, struct err *e)
{
	char stamp[CLK_STAMP_BYTES];
	struct db_value before = db_stamp(before_us, stamp);

	return db_delete_where(db, DB_TABLE_applied_command, "applied_at < ?", &before, 1, NULL, e);
}
