/* db/db_driver.h — what a backend driver provides, and the insides of struct db; private to common/db. */
#ifndef DB_DB_DRIVER_H
#define DB_DB_DRIVER_H

#include <uthash.h>

#include "base/mem.h"
#include "db/db.h"
#include "db/db_sql.h"

/* A prepared statement and its text; the cache keeps the newest DB_MAX_STATEMENTS. */
#define DB_MAX_STATEMENTS 256
struct db_stmt {
	char *sql;
	void *handle; /* the driver's */
	UT_hash_handle hh;
};

struct db_driver {
	const char *name;
	enum db_dialect dialect;
	/* Connects, locks and checks; on failure it has released everything. */
	int (*open)(struct db *db, const struct db_conf *conf, struct err *e);
	void (*close)(struct db *db);
	int (*prepare)(struct db *db, const char *sql, void **ret_handle, struct err *e);
	void (*finalize)(struct db *db, void *handle);
	/* Sets db->changes and db->last_id. */
	int (*run)(struct db *db, void *handle, const struct db_value *params, size_t n_params, db_values_fn on_row,
		   void *ctx, struct err *e);
	int (*begin)(struct db *db, enum db_durability durability, struct err *e);
	int (*commit)(struct db *db, struct err *e); /* failed: rolled back */
	void (*rollback)(struct db *db);
	int (*data_version)(struct db *db, int64_t *ret_version, struct err *e);
	bool (*was_replaced)(struct db *db);
	/* Schema inspection: one parameter, the table's name. */
	const char *columns_sql; /* → column name */
	const char *indexes_sql; /* → "a,b", unique (0/1), partial (0/1), name */
};

extern const struct db_driver db_sqlite_driver;

enum db_op {
	DB_OP_UPSERT,
	DB_OP_UPSERT_KEEP,
	DB_OP_IGNORE,
	DB_OP_INSERT,
	DB_OP_DELETE,
	DB_OP_SELECT,
	DB_OP_COMPLETE,
	DB_OP_COUNT
};

struct db {
	const struct db_driver *driver;
	enum db_mode mode;
	char *path;
	const char *setting;	/* configuration key that names the path, for errors */
	const char *if_damaged; /* advice for an operator, likewise */
	struct db_open_info info;
	bool in_transaction;
	bool running; /* a row callback is active */
	struct db_stmt *statements;
	char *sql[DB_TABLE_COUNT][DB_OP_COUNT]; /* generated texts, made at first use */
	struct mem_arena arena;			/* of one statement's parameters, or one row */
	int64_t changes;
	int64_t last_id;
	void *impl;
};

/* Generated text of an operation on a table; `make` appends it once. */
const char *db_op_sql(struct db *db, enum db_table table, enum db_op op,
		      void (*make)(struct db *db, enum db_table table, struct str_buf *b));

/* db_migrate.c: brings the schema up to date, or (READ_ONLY) checks that it is. Fills db->info. */
int db_migrate(struct db *db, const struct db_conf *conf, struct err *e) MUST_USE;

#endif
