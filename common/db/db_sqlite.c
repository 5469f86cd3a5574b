/* db_sqlite.c — the SQLite driver: the only file that includes sqlite3.h. Owns the connection and the writer's lock.
 *
 * The file is in WAL mode: readers never wait for the writer nor it for them; synchronous is FULL (each commit is
 * synced) unless a transaction asks for RELAXED. Called through db_sqlite_driver by db.c. */
#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "db/db_driver.h"
#include "db/db_file.h"

#define DEFAULT_BUSY_MS 5000
#define MAX_VALUE_BYTES (32 << 20) /* a longer value in the file is an error */
#define MAX_WAL_BYTES "67108864"   /* what a checkpoint leaves of the log */
#define QUICK_CHECK_MS 300	   /* the check at start gives up after this time */
#define PROGRESS_OPS 10000	   /* SQLite instructions between looks at the clock */
#define MAX_RESULT_COLUMNS 128

struct sqlite_impl {
	sqlite3 *h;
	sqlite3_stmt *data_version;
	int lock_fd;
	bool relaxed; /* synchronous is NORMAL now */
	bool checked; /* the file is known to be sound */
	bool corrupt; /* an operation said that it isn't */
	struct mono check_until;
};

static struct sqlite_impl *
impl_of(struct db *db)
{
	return db->impl;
}

/* --- errors ---------------------------------------------------------------------------------------------------- */
static int
fail_corrupt(struct db *db, const char *what, struct err *e)
{
	impl_of(db)->corrupt = true;
	return err_set(e, ERR_DB_CORRUPT, "%s is damaged (%.200s): %s", db->path, what, db->if_damaged);
}

static int
fail_io(struct db *db, const char *what, struct err *e)
{
	int sys = sqlite3_system_errno(impl_of(db)->h);

	if (sys == ENOSPC || sys == EDQUOT || sys == EFBIG || sys == EROFS || sys == EACCES)
		return db_file_fail(db->setting, db->path, sys, e);
	if (sys != 0)
		return err_sys(e, ERR_IO, sys, "%s: %.200s (see the kernel's log; check disk and limits)", db->path,
			       what);
	return err_set(e, ERR_IO, "%s: %.200s: see the kernel's log; check disk, quota and limits", db->path, what);
}

static int
fail_open(struct db *db, struct err *e)
{
	int sys = sqlite3_system_errno(impl_of(db)->h);

	if (sys != 0)
		return db_file_fail(db->setting, db->path, sys, e);
	return err_set(e, ERR_IO, "cannot open %s: is raftd running, and may this user read the directory?", db->path);
}

static bool
is_duplicate(int rc)
{
	return rc == SQLITE_CONSTRAINT_UNIQUE || rc == SQLITE_CONSTRAINT_PRIMARYKEY || rc == SQLITE_CONSTRAINT_ROWID;
}

/* rc: what SQLite returned */
static int
fail(struct db *db, int rc, struct err *e)
{
	const char *what = sqlite3_errmsg(impl_of(db)->h);

	switch (rc & 0xff) {
	case SQLITE_FULL:
		return err_set(e, ERR_DB_FULL, "%s: disk, quota or page limit is full: free some space", db->path);
	case SQLITE_CORRUPT:
		return fail_corrupt(db, what, e);
	case SQLITE_NOTADB:
		impl_of(db)->corrupt = true;
		return err_set(e, ERR_DB_CORRUPT,
			       "%s is not an SQLite database: move it away, or let %s name another place", db->path,
			       db->setting);
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return err_set(e, ERR_DB_BUSY, "%s is locked by another process (%.200s): find it with `fuser %s`",
			       db->path, what, db->path);
	case SQLITE_READONLY:
		return err_set(e, ERR_DB_READONLY,
			       "%s cannot be written (%.200s): check the permissions of the file, of "
			       "its directory and of its file system",
			       db->path, what);
	case SQLITE_IOERR:
		return fail_io(db, what, e);
	case SQLITE_CANTOPEN:
		return fail_open(db, e);
	case SQLITE_TOOBIG:
		return err_set(e, ERR_TOO_LARGE, "%s: a value is longer than %d bytes", db->path, MAX_VALUE_BYTES);
	case SQLITE_CONSTRAINT:
		return err_set(e, is_duplicate(rc) ? ERR_EXISTS : ERR_DB, "%s: %.400s", db->path, what);
	default:
		return err_set(e, ERR_DB, "%s: %.400s", db->path, what);
	}
}

static int
run_simple(struct db *db, const char *sql, struct err *e)
{
	int rc = sqlite3_exec(impl_of(db)->h, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : fail(db, rc, e);
}

/* --- opening --------------------------------------------------------------------------------------------------- */
static bool
is_memory(const struct db *db)
{
	return strcmp(db->path, ":memory:") == 0;
}

static int
on_progress(void *ctx)
{
	const struct sqlite_impl *s = ctx;

	return mono_before(s->check_until, clk_mono(clk_real())) ? 1 : 0;
}

static int
on_check_row(void *ctx, int n UNUSED, char **values, char **names UNUSED)
{
	char **ret_problem = ctx;

	if (values[0] != NULL && strcmp(values[0], "ok") != 0 && *ret_problem == NULL)
		*ret_problem = mem_strdup(values[0]);
	return 0;
}

/* After a crash: a look at the whole file, but not a long one (SQLite itself reports damage when it meets it). */
static int
quick_check(struct db *db, struct err *e)
{
	struct sqlite_impl *s = impl_of(db);
	char *problem = NULL;
	int rc;

	s->check_until = mono_add_us(clk_mono(clk_real()), QUICK_CHECK_MS * CLK_MS);
	sqlite3_progress_handler(s->h, PROGRESS_OPS, on_progress, s);
	rc = sqlite3_exec(s->h, "PRAGMA quick_check(1)", on_check_row, &problem, NULL);
	sqlite3_progress_handler(s->h, 0, NULL, NULL);
	if (problem != NULL) {
		rc = fail_corrupt(db, problem, e);
		free(problem);
		return rc;
	}
	return rc == SQLITE_OK || rc == SQLITE_INTERRUPT ? 0 : fail(db, rc, e);
}

static int
set_up_writer(struct db *db, struct err *e)
{
	struct sqlite_impl *s = impl_of(db);
	int rc = run_simple(db, "PRAGMA journal_mode = WAL", e);

	if (rc == 0)
		rc = run_simple(db, "PRAGMA journal_size_limit = " MAX_WAL_BYTES, e);
	if (rc == 0)
		rc = run_simple(db, "PRAGMA synchronous = FULL", e);
	if (rc == 0 && db->info.unclean)
		rc = quick_check(db, e);
	s->checked = rc == 0;
	return rc;
}

static int
connect_file(struct db *db, const struct db_conf *conf, struct err *e)
{
	struct sqlite_impl *s = impl_of(db);
	int flags = db->mode == DB_READ_ONLY ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
	int64_t busy_ms = conf->busy_timeout_ms > 0 ? conf->busy_timeout_ms : DEFAULT_BUSY_MS;
	int rc;

	if (is_memory(db))
		flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
	rc = sqlite3_open_v2(db->path, &s->h, flags | SQLITE_OPEN_NOMUTEX, NULL);
	if (rc != SQLITE_OK)
		return fail(db, rc, e);
	(void)sqlite3_extended_result_codes(s->h, 1);
	(void)sqlite3_busy_timeout(s->h, (int)min_i64(busy_ms, INT32_MAX));
	(void)sqlite3_limit(s->h, SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES);
	(void)sqlite3_db_config(s->h, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	(void)sqlite3_db_config(s->h, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	rc = run_simple(db, "PRAGMA cell_size_check = ON", e);
	if (rc == 0 && db->mode == DB_READ_WRITE)
		rc = set_up_writer(db, e);
	return rc;
}

static int
sqlite_open(struct db *db, const struct db_conf *conf, struct err *e)
{
	struct sqlite_impl *s = mem_new(struct sqlite_impl);
	int rc = 0;

	s->lock_fd = -1;
	db->impl = s;
	if (is_memory(db))
		db->info.created = true;
	else if (db->mode == DB_READ_ONLY)
		rc = db_file_check_readable(db->setting, db->path, e);
	else
		rc = db_file_prepare(db->setting, db->path, &db->info.created, e);
	if (rc == 0 && db->mode == DB_READ_WRITE && !is_memory(db))
		rc = db_file_lock(db->setting, db->path, &s->lock_fd, &db->info.unclean, e);
	return rc == 0 ? connect_file(db, conf, e) : rc;
}

static void
sqlite_close(struct db *db)
{
	struct sqlite_impl *s = impl_of(db);
	bool closed;

	if (s == NULL)
		return;
	(void)sqlite3_finalize(s->data_version);
	closed = sqlite3_close(s->h) == SQLITE_OK;
	ASSERT(closed);
	db_file_unlock(s->lock_fd, s->checked && !s->corrupt);
	free(s);
	db->impl = NULL;
}

/* --- statements ------------------------------------------------------------------------------------------------ */
static int
sqlite_prepare(struct db *db, const char *sql, void **ret_handle, struct err *e)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v3(impl_of(db)->h, sql, -1, SQLITE_PREPARE_PERSISTENT, &st, NULL);

	if (rc != SQLITE_OK)
		return fail(db, rc, e);
	ASSERT(st != NULL);
	*ret_handle = st;
	return 0;
}

static void
sqlite_finalize(struct db *db UNUSED, void *handle)
{
	(void)sqlite3_finalize(handle);
}

static int
bind_value(sqlite3_stmt *st, int at, const struct db_value *v)
{
	switch (v->kind) {
	case DB_NULL:
		return sqlite3_bind_null(st, at);
	case DB_I64:
		return sqlite3_bind_int64(st, at, v->i);
	case DB_F64:
		return sqlite3_bind_double(st, at, v->f);
	case DB_TEXT:
		return sqlite3_bind_text64(st, at, v->t.p, v->t.n, SQLITE_STATIC, SQLITE_UTF8);
	case DB_BLOB:
		return sqlite3_bind_blob64(st, at, v->t.n == 0 ? "" : v->t.p, v->t.n, SQLITE_STATIC);
	}
	return SQLITE_MISUSE;
}

static struct db_value
column_value(sqlite3_stmt *st, int at)
{
	struct db_value v = db_null();

	switch (sqlite3_column_type(st, at)) {
	case SQLITE_INTEGER:
		return db_i64(sqlite3_column_int64(st, at));
	case SQLITE_FLOAT:
		return (struct db_value){.kind = DB_F64, .f = sqlite3_column_double(st, at)};
	case SQLITE_TEXT:
	case SQLITE_BLOB:
		v = (struct db_value){.kind = DB_TEXT, .t.p = (const char *)sqlite3_column_text(st, at)};
		v.t.n = (size_t)sqlite3_column_bytes(st, at);
		if (v.t.p == NULL) /* an empty blob */
			v = db_text("");
		break;
	default:
		break;
	}
	return v;
}

static int
call_on_row(sqlite3_stmt *st, db_values_fn on_row, void *ctx, struct err *e)
{
	struct db_value values[MAX_RESULT_COLUMNS];
	int n = sqlite3_column_count(st);

	ASSERT(n <= MAX_RESULT_COLUMNS);
	for (int i = 0; i < n; i++)
		values[i] = column_value(st, i);
	return on_row == NULL ? 0 : on_row(ctx, values, (size_t)n, e);
}

static int
step_all(struct db *db, sqlite3_stmt *st, db_values_fn on_row, void *ctx, struct err *e)
{
	for (;;) {
		int rc = sqlite3_step(st);
		if (rc == SQLITE_DONE)
			return 0;
		if (rc != SQLITE_ROW)
			return fail(db, rc, e);
		rc = call_on_row(st, on_row, ctx, e);
		if (rc != 0)
			return rc == DB_STOP ? 0 : rc;
	}
}

static int
set_relaxed(struct db *db, bool relaxed, struct err *e)
{
	struct sqlite_impl *s = impl_of(db);
	int rc;

	if (s->relaxed == relaxed)
		return 0;
	rc = run_simple(db, relaxed ? "PRAGMA synchronous = NORMAL" : "PRAGMA synchronous = FULL", e);
	if (rc == 0)
		s->relaxed = relaxed;
	return rc;
}

/* A write outside of a transaction is durable; one inside of a transaction that SQLite has given up must not slip
 * through as a transaction of its own. */
static int
check_transaction(struct db *db, sqlite3_stmt *st, struct err *e)
{
	if (sqlite3_stmt_readonly(st))
		return 0;
	if (!db->in_transaction)
		return set_relaxed(db, false, e);
	if (sqlite3_get_autocommit(impl_of(db)->h))
		return err_set(e, ERR_DB, "%s: the transaction was rolled back after an earlier error", db->path);
	return 0;
}

static int
sqlite_run(struct db *db, void *handle, const struct db_value *params, size_t n_params, db_values_fn on_row, void *ctx,
	   struct err *e)
{
	sqlite3_stmt *st = handle;
	int rc = check_transaction(db, st, e);

	if (rc != 0)
		return rc;
	ASSERT((size_t)sqlite3_bind_parameter_count(st) == n_params);
	for (size_t i = 0; i < n_params && rc == 0; i++) {
		int bound = bind_value(st, (int)i + 1, &params[i]);
		if (bound != SQLITE_OK)
			rc = fail(db, bound, e);
	}
	if (rc == 0)
		rc = step_all(db, st, on_row, ctx, e);
	if (rc == 0) {
		db->changes = sqlite3_changes64(impl_of(db)->h);
		db->last_id = sqlite3_last_insert_rowid(impl_of(db)->h);
	}
	(void)sqlite3_reset(st);
	(void)sqlite3_clear_bindings(st);
	return rc;
}

/* --- transactions ---------------------------------------------------------------------------------------------- */
static int
sqlite_begin(struct db *db, enum db_durability durability, struct err *e)
{
	int rc;

	if (db->mode == DB_READ_ONLY)
		return run_simple(db, "BEGIN", e);
	rc = set_relaxed(db, durability == DB_RELAXED, e);
	return rc == 0 ? run_simple(db, "BEGIN IMMEDIATE", e) : rc;
}

static void
sqlite_rollback(struct db *db)
{
	struct err ignored;

	if (!sqlite3_get_autocommit(impl_of(db)->h))
		(void)!run_simple(db, "ROLLBACK", &ignored);
}

static int
sqlite_commit(struct db *db, struct err *e)
{
	int rc;

	if (sqlite3_get_autocommit(impl_of(db)->h))
		return err_set(e, ERR_DB, "%s: the transaction was rolled back after an earlier error", db->path);
	rc = run_simple(db, "COMMIT", e);
	if (rc != 0)
		sqlite_rollback(db);
	return rc;
}

static int
sqlite_data_version(struct db *db, int64_t *ret_version, struct err *e)
{
	struct sqlite_impl *s = impl_of(db);
	int rc = SQLITE_OK;

	if (s->data_version == NULL)
		rc = sqlite3_prepare_v3(s->h, "PRAGMA data_version", -1, SQLITE_PREPARE_PERSISTENT, &s->data_version,
					NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(s->data_version);
	if (rc == SQLITE_ROW)
		*ret_version = sqlite3_column_int64(s->data_version, 0);
	(void)sqlite3_reset(s->data_version);
	return rc == SQLITE_ROW ? 0 : fail(db, rc, e);
}

static bool
sqlite_was_replaced(struct db *db)
{
	int moved = 0;

	return !is_memory(db) &&
	       sqlite3_file_control(impl_of(db)->h, "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK && moved != 0;
}

const struct db_driver db_sqlite_driver = {
    .name = "sqlite",
    .dialect = DB_DIALECT_SQLITE,
    .open = sqlite_open,
    .close = sqlite_close,
    .prepare = sqlite_prepare,
    .finalize = sqlite_finalize,
    .run = sqlite_run,
    .begin = sqlite_begin,
    .commit = sqlite_commit,
    .rollback = sqlite_rollback,
    .data_version = sqlite_data_version,
    .was_replaced = sqlite_was_replaced,
    .columns_sql = "SELECT name FROM pragma_table_info(?)",
    .indexes_sql =
	"SELECT (SELECT group_concat(name) FROM (SELECT name FROM pragma_index_info(l.name) ORDER BY seqno)), "
	"l.\"unique\", l.partial, l.name FROM pragma_index_list(?) l",
};
