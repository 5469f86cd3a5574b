/* db.c — the part of the backend interface that is the same for every driver: opening, the statement cache, transaction
 * state. Owns struct db. Called by raftd's view writer and apid's readers; never logs, never retries. */
#include "db/db.h"

#include <stdlib.h>

#include "base/str.h"
#include "db/db_driver.h"

#define IF_BACKEND_DAMAGED                                                                                     \
	"stop orchestrator, keep a copy, then restore a backup or move the file away; a new one is filled by " \
	"discovery, "                                                                                          \
	"but downtimes, tags and history are lost unless other raft nodes have them"

static int
find_driver(const char *backend, const struct db_driver **ret_driver, struct err *e)
{
	if (strstr(backend, "sqlite") != NULL) { /* as historically */
		*ret_driver = &db_sqlite_driver;
		return 0;
	}
	if (str_eq(backend, "mysql"))
		return err_set(
		    e, ERR_UNSUPPORTED,
		    "the MySQL backend is not implemented yet: set BackendDB to \"sqlite\" and SQLite3DataFile");
	return err_set(e, ERR_CONFIG, "unknown BackendDB \"%.40s\": use \"sqlite\" or \"mysql\"", backend);
}

int
db_open(const struct db_conf *conf, enum db_mode mode, struct db **ret_db, struct err *e)
{
	const struct db_driver *driver = NULL;
	struct db *db;
	int rc = find_driver(conf->backend, &driver, e);

	if (rc != 0)
		return rc;
	db = mem_new(struct db);
	db->driver = driver;
	db->mode = mode;
	db->path = mem_strdup(conf->path == NULL ? "" : conf->path);
	db->setting = "SQLite3DataFile";
	db->if_damaged = IF_BACKEND_DAMAGED;
	rc = driver->open(db, conf, e);
	if (rc == 0)
		rc = db_migrate(db, conf, e);
	if (rc != 0) {
		db_close(db);
		return rc;
	}
	*ret_db = db;
	return 0;
}

static void
drop_statement(struct db *db, struct db_stmt *s)
{
	HASH_DEL(db->statements, s);
	db->driver->finalize(db, s->handle);
	free(s->sql);
	free(s);
}

void
db_close(struct db *db)
{
	if (db == NULL)
		return;
	ASSERT(!db->running);
	if (db->in_transaction)
		db_rollback(db);
	while (db->statements != NULL)
		drop_statement(db, db->statements);
	db->driver->close(db);
	for (size_t t = 0; t < DB_TABLE_COUNT; t++) {
		for (size_t op = 0; op < DB_OP_COUNT; op++)
			free(db->sql[t][op]);
	}
	mem_arena_done(&db->arena);
	free(db->path);
	free(db);
}

void
db_open_result(const struct db *db, struct db_open_info *ret_info)
{
	*ret_info = db->info;
}

/* --- statements ------------------------------------------------------------------------------------------------ */
static int
get_statement(struct db *db, const char *sql, struct db_stmt **ret_stmt, struct err *e)
{
	struct db_stmt *s = NULL;
	void *handle = NULL;
	int rc;

	HASH_FIND_STR(db->statements, sql, s);
	if (s == NULL) {
		rc = db->driver->prepare(db, sql, &handle, e);
		if (rc != 0)
			return rc;
		if (HASH_COUNT(db->statements) >= DB_MAX_STATEMENTS)
			drop_statement(db, db->statements); /* the oldest */
		s = mem_new(struct db_stmt);
		s->sql = mem_strdup(sql);
		s->handle = handle;
		HASH_ADD_KEYPTR(hh, db->statements, s->sql, strlen(s->sql), s);
	}
	*ret_stmt = s;
	return 0;
}

int
db_query(struct db *db, const char *sql, const struct db_value *params, size_t n_params, db_values_fn on_row, void *ctx,
	 struct err *e)
{
	struct db_stmt *s = NULL;
	int rc;

	ASSERT(!db->running);
	rc = get_statement(db, sql, &s, e);
	if (rc != 0)
		return rc;
	db->running = true;
	rc = db->driver->run(db, s->handle, params, n_params, on_row, ctx, e);
	db->running = false;
	return rc;
}

int
db_exec(struct db *db, const char *sql, const struct db_value *params, size_t n_params, struct err *e)
{
	return db_query(db, sql, params, n_params, NULL, NULL, e);
}

int64_t
db_changes(const struct db *db)
{
	return db->changes;
}

int64_t
db_last_id(const struct db *db)
{
	return db->last_id;
}

const char *
db_op_sql(struct db *db, enum db_table table, enum db_op op,
	  void (*make)(struct db *db, enum db_table table, struct str_buf *b))
{
	char **text = &db->sql[table][op];

	if (*text == NULL) {
		struct str_buf b = {0};
		make(db, table, &b);
		*text = str_buf_take(&b);
	}
	return *text;
}

/* --- transactions ---------------------------------------------------------------------------------------------- */
int
db_begin(struct db *db, enum db_durability durability, struct err *e)
{
	int rc;

	ASSERT(!db->in_transaction && !db->running);
	rc = db->driver->begin(db, durability, e);
	db->in_transaction = rc == 0;
	return rc;
}

int
db_commit(struct db *db, struct err *e)
{
	ASSERT(db->in_transaction && !db->running);
	db->in_transaction = false;
	return db->driver->commit(db, e);
}

void
db_rollback(struct db *db)
{
	ASSERT(db->in_transaction && !db->running);
	db->in_transaction = false;
	db->driver->rollback(db);
}

bool
db_in_transaction(const struct db *db)
{
	return db->in_transaction;
}

int
db_data_version(struct db *db, int64_t *ret_version, struct err *e)
{
	ASSERT(!db->running);
	return db->driver->data_version(db, ret_version, e);
}

bool
db_was_replaced(struct db *db)
{
	return db->driver->was_replaced(db);
}
