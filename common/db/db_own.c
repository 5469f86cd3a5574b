/* db_own.c — opening a database that is not the backend but a program's own (raft's log): its identity and schema
 * instead of migrations. Shares everything else with db.c. Called by raftd's log writer. */
#include <stdio.h>
#include <stdlib.h>

#include "base/str.h"
#include "db/db_driver.h"

struct found {
	int64_t application_id, version, tables;
};

static int
on_found(void *ctx, const struct db_value *v, size_t n UNUSED, struct err *e UNUSED)
{
	struct found *f = ctx;

	*f = (struct found){db_value_i64(&v[0]), db_value_i64(&v[1]), db_value_i64(&v[2])};
	return 0;
}

static int
look(struct db *db, struct found *ret_found, struct err *e)
{
	return db_query(db,
			"SELECT (SELECT application_id FROM pragma_application_id), (SELECT user_version FROM "
			"pragma_user_version), (SELECT count(*) FROM sqlite_schema)",
			NULL, 0, on_found, ret_found, e);
}

static int
make_schema(struct db *db, const struct db_own *own, struct err *e)
{
	char pragmas[2][64];
	int rc = db_begin(db, DB_DURABLE, e);

	if (rc != 0)
		return rc;
	(void)snprintf(pragmas[0], sizeof(pragmas[0]), "PRAGMA application_id = %d", (int)own->application_id);
	(void)snprintf(pragmas[1], sizeof(pragmas[1]), "PRAGMA user_version = %d", (int)own->version);
	for (size_t i = 0; i < ARRAY_LEN(pragmas) && rc == 0; i++)
		rc = db_exec(db, pragmas[i], NULL, 0, e);
	for (size_t i = 0; own->schema[i] != NULL && rc == 0; i++)
		rc = db_exec(db, own->schema[i], NULL, 0, e);
	if (rc == 0)
		return db_commit(db, e);
	db_rollback(db);
	return rc;
}

static int
check_schema(struct db *db, const struct db_own *own, struct err *e)
{
	struct found f = {0};
	int rc = look(db, &f, e);

	if (rc != 0)
		return rc;
	db->info.from_version = f.version;
	db->info.to_version = own->version;
	if (f.application_id == 0 && f.version == 0 && f.tables == 0) { /* new, or its maker died before the schema */
		db->info.created = true;
		return make_schema(db, own, e);
	}
	if (f.application_id != own->application_id)
		return err_set(e, ERR_DB_CORRUPT,
			       "%s is not %s but another program's database: let %s name another place", own->path,
			       own->what, own->setting);
	if (f.version != own->version)
		return err_set(
		    e, ERR_DB_VERSION,
		    "%s has format %lld, this program knows %d: run the version of orchestrator that wrote it, or "
		    "a newer one",
		    own->path, (long long)f.version, (int)own->version);
	return 0;
}

int
db_open_own(const struct db_own *own, struct db **ret_db, struct err *e)
{
	struct db *db = mem_new(struct db);
	int rc;

	db->driver = &db_sqlite_driver;
	db->mode = DB_READ_WRITE;
	db->path = mem_strdup(own->path);
	db->setting = own->setting;
	db->if_damaged = own->if_damaged;
	rc = db->driver->open(db, &(struct db_conf){.path = own->path}, e);
	if (rc == 0)
		rc = check_schema(db, own, e);
	if (rc != 0) {
		db_close(db);
		return rc;
	}
	*ret_db = db;
	return 0;
}
