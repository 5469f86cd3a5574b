/* db/db.h — the backend database: opening, statements, transactions. The one door to sqlite3 (and, when its driver
 * exists, to a MySQL backend). Table and column names: db_tables.h. Records in and out: db_write.h, db_read.h.
 *
 * Who: raftd opens READ_WRITE, once (its view writer is the only writer); apid's reader threads open READ_ONLY, one
 * `struct db` each. A struct db belongs to one thread at a time; different ones may be used in parallel.
 *
 * Opening READ_WRITE creates the file if needed (mode 0640; its directory must exist), takes a lock on "<file>.lock" so
 * that a second orchestrator is refused, checks the file when the last writer did not close it, and brings the schema
 * up to date in one transaction. A file of the historical program is adopted in place: missing tables, columns and
 * indexes are added, no column is dropped, all rows are kept. Opening READ_ONLY requires exactly this program's schema
 * version.
 *
 * Errors (all texts name the file and the remedy): ERR_NOT_FOUND no such file or directory, ERR_PERMISSION,
 * ERR_DB_READONLY, ERR_DB_FULL, ERR_DB_CORRUPT (also: not a database), ERR_DB_BUSY (locked by another process),
 * ERR_DB_VERSION (schema too old for a reader, or too new), ERR_EXISTS (a unique key has such a row), ERR_DB (anything
 * else). After a failed statement inside a transaction the caller rolls back. */
#ifndef DB_DB_H
#define DB_DB_H

#include <string.h>

#include "base/base.h"
#include "base/err.h"

struct db;

enum db_mode { DB_READ_ONLY, DB_READ_WRITE };

struct db_conf {
	const char
	    *backend; /* BackendDB: "sqlite" or "sqlite3"; "mysql" answers ERR_UNSUPPORTED until its driver exists */
	const char *path;	 /* SQLite3DataFile; ":memory:" gives a private database (tests) */
	int64_t busy_timeout_ms; /* how long a statement waits for another process' lock; 0 = 5000 */
	const char *version;	 /* this program's version, noted in orchestrator_db_deployments; NULL = not noted */
	bool keep_schema;	 /* SkipOrchestratorDatabaseUpdate: ERR_DB_VERSION unless it is up to date */
	bool only_deployed; /* PanicIfDifferentDatabaseDeploy: ERR_DB_VERSION unless version is noted there already */
};

/* What opening did; for one log line of the caller. */
struct db_open_info {
	bool created;	      /* the file did not exist or was empty */
	bool adopted;	      /* tables of the historical program were found and taken over */
	bool unclean;	      /* the last writer did not close it; the file was checked */
	int64_t from_version; /* schema version found, 0 = none */
	int64_t to_version;
};

/* Strings in conf are only read during the call. On success *ret_db is the caller's; db_close frees it (NULL is fine).
 */
int db_open(const struct db_conf *conf, enum db_mode mode, struct db **ret_db, struct err *e) MUST_USE;
void db_close(struct db *db);
void db_open_result(const struct db *db, struct db_open_info *ret_info);

/* A database of a program's own, not the backend: SQLite, written by this process alone, no table of db_tables.h. The
 * same locks, checks, settings and errors as a backend that is opened READ_WRITE. All strings are constants. */
struct db_own {
	const char *path;
	const char *setting;	   /* configuration key that errors name, e.g. "RaftDataDir" */
	const char *if_damaged;	   /* what errors advise then */
	const char *what;	   /* "a raft store": what the file should be */
	int32_t application_id;	   /* stands in the file; one with another id is foreign: ERR_DB_CORRUPT */
	int32_t version;	   /* of the schema; a newer one: ERR_DB_VERSION */
	const char *const *schema; /* statements that make it, NULL at the end */
};
int db_open_own(const struct db_own *own, struct db **ret_db, struct err *e) MUST_USE;

/* The schema version this program reads and writes. */
int64_t db_schema_version(void);

/* --- values ---------------------------------------------------------------------------------- */
/* BLOB is for parameters only: results are TEXT, whatever bytes they hold. */
enum db_kind { DB_NULL, DB_I64, DB_F64, DB_TEXT, DB_BLOB };

struct db_value {
	enum db_kind kind;
	union {
		int64_t i;
		double f;
		struct {
			const char *p; /* NUL-terminated in results; n bytes without it */
			size_t n;
		} t;
	};
};

static inline struct db_value
db_null(void)
{
	return (struct db_value){.kind = DB_NULL};
}

static inline struct db_value
db_i64(int64_t v)
{
	return (struct db_value){.kind = DB_I64, .i = v};
}

/* Borrows s until the statement has run. */
static inline struct db_value
db_text(const char *s)
{
	return (struct db_value){.kind = DB_TEXT, .t = {s, strlen(s)}};
}

/* Likewise; p may be NULL when n is 0. */
static inline struct db_value
db_blob(const void *p, size_t n)
{
	return (struct db_value){.kind = DB_BLOB, .t = {p, n}};
}

/* Any value as a number or a text, tolerantly: NULL and text that is no number read as 0; a number reads as its decimal
 * text, printed into scratch (DB_SCRATCH_BYTES). The text is never NULL. */
#define DB_SCRATCH_BYTES 32
int64_t db_value_i64(const struct db_value *v);
const char *db_value_text(const struct db_value *v, char *scratch);

/* Times: wall microseconds as the database stores them ("YYYY-MM-DD HH:MM:SS", UTC) into buf (CLK_STAMP_BYTES), and
 * back: 0 for NULL, '', 1971-01-01 00:00:00 and anything older or unreadable; fractions and zone offsets are
 * understood; numbers are unix seconds. */
struct db_value db_stamp(int64_t us, char *buf);
int64_t db_value_us(const struct db_value *v);

/* --- statements ------------------------------------------------------------------------------ */
/* A row callback's answer: 0 goes on, DB_STOP ends the query successfully, a negative error code (with e filled) fails
 * it. Values are valid until it returns. It must not use the same struct db. */
#define DB_STOP 1
typedef int (*db_values_fn)(void *ctx, const struct db_value *values, size_t n, struct err *e);

/* sql: one statement with `?` per parameter. It is prepared once and cached by text (a bounded number), so build texts
 * from constants, never from data. Dialect: write what both SQLite and MySQL understand (the MySQL session has UTC as
 * its time zone and PIPES_AS_CONCAT). on_row may be NULL. */
int db_query(struct db *db, const char *sql, const struct db_value *params, size_t n_params, db_values_fn on_row,
	     void *ctx, struct err *e) MUST_USE;
int db_exec(struct db *db, const char *sql, const struct db_value *params, size_t n_params, struct err *e) MUST_USE;
/* Rows changed by, and id given by, the last db_exec. */
int64_t db_changes(const struct db *db);
int64_t db_last_id(const struct db *db);

/* --- transactions ---------------------------------------------------------------------------------------------- */
/* DURABLE: the commit is on disk before it returns (decisions). RELAXED: it survives a crash of the process, but a
 * power loss may take the newest such transactions, never the file's consistency (telemetry). On a READ_ONLY db a
 * transaction is a stable snapshot over several queries. Transactions don't nest. */
enum db_durability { DB_DURABLE, DB_RELAXED };
int db_begin(struct db *db, enum db_durability durability, struct err *e) MUST_USE;
/* A failed commit has been rolled back. */
int db_commit(struct db *db, struct err *e) MUST_USE;
void db_rollback(struct db *db);
bool db_in_transaction(const struct db *db);

/* A number that differs from the last one if *another* connection or process has committed in between: readers cache
 * by it, a writer without raft learns that its memory is stale. Cheap (a few microseconds). */
int db_data_version(struct db *db, int64_t *ret_version, struct err *e) MUST_USE;

/* The file under the name that was opened is another one now, or gone: this connection sees only the old one. */
bool db_was_replaced(struct db *db);

/* A complete, durable copy of the database at path (mode 0640), unless something is there already: it is never
 * overwritten. *ret_made: whether this call made it. Not within a transaction. ERR_UNSUPPORTED for other backends than
 * SQLite. Takes as long as reading and writing the file. */
int db_copy_once(struct db *db, const char *path, bool *ret_made, struct err *e) MUST_USE;

#endif
