/* db_migrate.c — makes a backend have this program's schema, or tells a reader why it doesn't. Called by db_open alone.
 *
 * Everything happens in one transaction (SQLite): a crash in between leaves the file as it was. Nothing is ever
 * dropped, so the historical program can go back to the file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "db/db_driver.h"
#include "db/db_read.h"
#include "db/db_write.h"

#define META_SCHEMA_VERSION "schema_version"

static const struct {
	int64_t number;
	const char *what;
	const char *sql;
} migrations[] = {
#define MIGRATION(number_, what_, sql_) {number_, what_, sql_},
#include "db/db_migrations.def"
#undef MIGRATION
};

int64_t
db_schema_version(void)
{
	return migrations[ARRAY_LEN(migrations) - 1].number;
}

/* --- what is there --------------------------------------------------------------------------------------------- */
struct found_index {
	char *name;
	char *columns;
	bool unique;
	bool partial;
};

/* Columns or indexes of one table. */
struct found {
	char **columns;
	size_t n_columns, cap_columns;
	struct found_index *indexes;
	size_t n_indexes, cap_indexes;
};

static int
on_column(void *ctx, const struct db_value *v, size_t n UNUSED, struct err *e UNUSED)
{
	struct found *f = ctx;
	char scratch[DB_SCRATCH_BYTES];

	mem_grow(f->columns, f->cap_columns, f->n_columns + 1);
	f->columns[f->n_columns++] = mem_strdup(db_value_text(&v[0], scratch));
	return 0;
}

static int
on_index(void *ctx, const struct db_value *v, size_t n UNUSED, struct err *e UNUSED)
{
	struct found *f = ctx;
	char scratch[DB_SCRATCH_BYTES];

	mem_grow(f->indexes, f->cap_indexes, f->n_indexes + 1);
	f->indexes[f->n_indexes++] = (struct found_index){.name = mem_strdup(db_value_text(&v[3], scratch)),
							  .columns = mem_strdup(db_value_text(&v[0], scratch)),
							  .unique = db_value_i64(&v[1]) != 0,
							  .partial = db_value_i64(&v[2]) != 0};
	return 0;
}

static int
find_parts(struct db *db, const char *table, struct found *f, struct err *e)
{
	struct db_value name = db_text(table);
	int rc = db_query(db, db->driver->columns_sql, &name, 1, on_column, f, e);

	return rc == 0 ? db_query(db, db->driver->indexes_sql, &name, 1, on_index, f, e) : rc;
}

static void
found_done(struct found *f)
{
	for (size_t i = 0; i < f->n_columns; i++)
		free(f->columns[i]);
	for (size_t i = 0; i < f->n_indexes; i++) {
		free(f->indexes[i].name);
		free(f->indexes[i].columns);
	}
	free(f->columns);
	free(f->indexes);
}

static bool
has_column(const struct found *f, const char *name)
{
	for (size_t i = 0; i < f->n_columns; i++) {
		if (str_eq_nocase(f->columns[i], name))
			return true;
	}
	return false;
}

static bool
has_index(const struct found *f, const char *columns, bool unique, bool partial)
{
	for (size_t i = 0; i < f->n_indexes; i++) {
		const struct found_index *x = &f->indexes[i];
		if (str_eq_nocase(x->columns, columns) && (x->unique || !unique) && x->partial == partial)
			return true;
	}
	return false;
}

/* --- adding what is missing ------------------------------------------------------------------------------------ */
static int
run_text(struct db *db, struct str_buf *sql, struct err *e)
{
	int rc = db_exec(db, str_buf_text(sql), NULL, 0, e);

	str_buf_clear(sql);
	return rc;
}

static int
add_columns(struct db *db, const struct db_table_info *t, const struct found *f, struct str_buf *sql, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; i < t->n_columns && rc == 0; i++) {
		if (has_column(f, t->columns[i].name))
			continue;
		db_sql_add_column(sql, db->driver->dialect, t, &t->columns[i]);
		rc = run_text(db, sql, e);
	}
	return rc;
}

/* Upserts and reads by key rely on the key being unique: an old table may have another primary key. */
static int
add_key(struct db *db, const struct db_table_info *t, const struct found *f, struct str_buf *sql, struct err *e)
{
	struct str_buf columns = {0};
	bool there;

	db_sql_key_columns(&columns, t);
	there = t->has_id || f->n_columns == 0 || has_index(f, str_buf_text(&columns), true, false);
	str_buf_done(&columns);
	if (there)
		return 0;
	db_sql_create_key(sql, db->driver->dialect, t);
	return run_text(db, sql, e);
}

static int
add_indexes(struct db *db, const struct db_table_info *t, const struct found *f, struct str_buf *sql, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; i < t->n_indexes && rc == 0; i++) {
		const struct db_index *x = &t->indexes[i];
		bool active = x->kind == DB_INDEX_ACTIVE && db->driver->dialect == DB_DIALECT_SQLITE;
		if (has_index(f, x->columns, x->kind == DB_INDEX_UNIQUE || active, active))
			continue;
		db_sql_create_index(sql, db->driver->dialect, t, x);
		rc = run_text(db, sql, e);
	}
	return rc;
}

/* Historically two recoveries of a server that ended in the same second were one row too many. An ACTIVE index takes
 * this key's place; it also serves the historical program's insert-or-ignore. */
static int
drop_end_time_keys(struct db *db, const struct db_table_info *t, const struct found *f, struct str_buf *sql,
		   struct err *e)
{
	int rc = 0;

	for (size_t i = 0; i < f->n_indexes && rc == 0; i++) {
		const struct found_index *x = &f->indexes[i];
		if (!x->unique || strstr(x->columns, "end_active_period_unixtime") == NULL ||
		    db->driver->dialect != DB_DIALECT_SQLITE || str_starts(x->name, "sqlite_"))
			continue;
		str_buf_printf(sql, "DROP INDEX \"%s\"", x->name);
		rc = run_text(db, sql, e);
	}
	return rc == 0 ? 0 : err_wrap(e, "index of %s", t->name);
}

static int
complete_table(struct db *db, const struct db_table_info *t, struct err *e)
{
	struct found f = {0};
	struct str_buf sql = {0};
	int rc = find_parts(db, t->name, &f, e);

	if (rc == 0 && f.n_columns == 0) {
		db_sql_create_table(&sql, db->driver->dialect, t);
		rc = run_text(db, &sql, e);
	} else if (rc == 0) {
		rc = add_columns(db, t, &f, &sql, e);
	}
	if (rc == 0)
		rc = add_key(db, t, &f, &sql, e);
	if (rc == 0)
		rc = add_indexes(db, t, &f, &sql, e);
	if (rc == 0)
		rc = drop_end_time_keys(db, t, &f, &sql, e);
	found_done(&f);
	str_buf_done(&sql);
	return rc == 0 ? 0 : err_wrap(e, "preparing table %s", t->name);
}

static int
complete_schema(struct db *db, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; i < DB_TABLE_COUNT && rc == 0; i++)
		rc = complete_table(db, db_table_info((enum db_table)i), e);
	return rc;
}

/* --- versions -------------------------------------------------------------------------------------------------- */
static int
has_table(struct db *db, enum db_table table, bool *ret_there, struct err *e)
{
	struct found f = {0};
	int rc = find_parts(db, db_table_name(table), &f, e);

	if (rc == 0)
		*ret_there = f.n_columns > 0;
	found_done(&f);
	return rc;
}

/* 0 when the file has no schema of ours. */
static int
read_version(struct db *db, int64_t *ret_version, struct err *e)
{
	struct str_buf text = {0};
	bool there = false;
	int rc = has_table(db, DB_TABLE_meta, &there, e);

	*ret_version = 0;
	if (rc == 0 && there)
		rc = db_read_meta(db, META_SCHEMA_VERSION, &text, e);
	if (rc == 0 && text.len > 0 && str_parse_i64(text.p, 0, INT64_MAX, ret_version, e) != 0)
		rc = err_wrap(e, "%s: schema version in orchestrator_meta", db->path);
	str_buf_done(&text);
	return rc;
}

static int
check_not_newer(struct db *db, int64_t version, struct err *e)
{
	if (version <= db_schema_version())
		return 0;
	return err_set(
	    e, ERR_DB_VERSION,
	    "%s was written by a newer orchestrator (schema version %lld, this one knows %lld): upgrade this node",
	    db->path, (long long)version, (long long)db_schema_version());
}

static int
run_steps(struct db *db, int64_t from, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(migrations); i++) {
		if (migrations[i].number <= from || migrations[i].sql == NULL)
			continue;
		if (db_exec(db, migrations[i].sql, NULL, 0, e) != 0)
			return err_wrap(e, "schema version %lld (%s)", (long long)migrations[i].number,
					migrations[i].what);
	}
	return 0;
}

static int
store_version(struct db *db, struct err *e)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%lld", (long long)db_schema_version());
	return db_set_meta(db, META_SCHEMA_VERSION, text, e);
}

static int
upgrade(struct db *db, struct err *e)
{
	int rc = has_table(db, DB_TABLE_instance, &db->info.adopted, e);

	db->info.adopted = db->info.adopted && db->info.from_version == 0;
	if (rc == 0)
		rc = complete_schema(db, e);
	if (rc == 0)
		rc = run_steps(db, db->info.from_version, e);
	return rc == 0 ? store_version(db, e) : rc;
}

/* Historical record of which program versions have worked on this file. */
static int
note_deployment(struct db *db, const char *program_version, struct err *e)
{
	struct db_deployment row = {program_version, clk_wall(clk_real()).us};

	return db_insert_ignore(db, DB_TABLE_deployment, &row, NULL, e);
}

static int
check_kept(struct db *db, struct err *e)
{
	if (db->info.from_version == db_schema_version())
		return 0;
	return err_set(e, ERR_DB_VERSION,
		       "%s has schema version %lld, this program needs %lld, and SkipOrchestratorDatabaseUpdate keeps "
		       "it from changing that: start once with --enable-database-update",
		       db->path, (long long)db->info.from_version, (long long)db_schema_version());
}

static int
on_deployed(void *ctx, const struct db_value *v UNUSED, size_t n UNUSED, struct err *e UNUSED)
{
	*(bool *)ctx = true;
	return DB_STOP;
}

static int
check_deployed(struct db *db, const char *program_version, struct err *e)
{
	struct db_value version = db_text(program_version);
	bool there = false, deployed = false;
	int rc = has_table(db, DB_TABLE_deployment, &there, e);

	if (rc == 0 && there)
		rc = db_query(db, "SELECT 1 FROM orchestrator_db_deployments WHERE deployed_version = ?", &version, 1,
			      on_deployed, &deployed, e);
	if (rc != 0 || deployed)
		return rc;
	return err_set(e, ERR_DB_VERSION,
		       "%s: version %s is not in orchestrator_db_deployments, and PanicIfDifferentDatabaseDeploy is "
		       "set: set it to false for the first start of a version",
		       db->path, program_version);
}

static int
migrate_in_transaction(struct db *db, const struct db_conf *conf, struct err *e)
{
	int rc = read_version(db, &db->info.from_version, e);

	if (rc == 0)
		rc = check_not_newer(db, db->info.from_version, e);
	if (rc == 0 && conf->only_deployed && conf->version != NULL)
		rc = check_deployed(db, conf->version, e);
	if (rc == 0 && conf->keep_schema)
		return check_kept(db, e);
	/* tables of an up-to-date file, too: somebody may have dropped one */
	if (rc == 0)
		rc = db->info.from_version < db_schema_version() ? upgrade(db, e) : complete_schema(db, e);
	if (rc == 0 && conf->version != NULL)
		rc = note_deployment(db, conf->version, e);
	return rc;
}

static int
migrate(struct db *db, const struct db_conf *conf, struct err *e)
{
	int rc = db_begin(db, DB_DURABLE, e);

	if (rc != 0)
		return rc;
	rc = migrate_in_transaction(db, conf, e);
	if (rc != 0)
		db_rollback(db);
	else
		rc = db_commit(db, e);
	return rc;
}

int
db_redeploy(struct db *db, struct err *e)
{
	int rc = db_begin(db, DB_DURABLE, e);

	if (rc != 0)
		return rc;
	rc = complete_schema(db, e);
	if (rc == 0)
		rc = store_version(db, e);
	if (rc != 0)
		db_rollback(db);
	else
		rc = db_commit(db, e);
	return rc == 0 ? 0 : err_wrap(e, "bringing the schema up to date");
}

static int
check_for_reader(struct db *db, struct err *e)
{
	int rc = read_version(db, &db->info.from_version, e);

	if (rc == 0)
		rc = check_not_newer(db, db->info.from_version, e);
	if (rc == 0 && db->info.from_version < db_schema_version())
		rc = err_set(
		    e, ERR_DB_VERSION,
		    "%s has schema version %lld, this program reads %lld: raftd brings it up to date when it starts",
		    db->path, (long long)db->info.from_version, (long long)db_schema_version());
	return rc;
}

int
db_migrate(struct db *db, const struct db_conf *conf, struct err *e)
{
	int rc = db->mode == DB_READ_ONLY ? check_for_reader(db, e) : migrate(db, conf, e);

	if (rc != 0)
		return err_wrap(e, "opening the backend");
	db->info.to_version = db_schema_version();
	return 0;
}
