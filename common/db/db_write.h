/* db/db_write.h — changing the backend. Included by raftd/state alone: raftd's view writer is the only writer.
 *
 * Nothing here opens or ends a transaction: the caller groups what belongs together, with the applied index, between
 * db_begin and db_commit (outside of one each call commits by itself, durably). Errors: see db.h. */
#ifndef DB_DB_WRITE_H
#define DB_DB_WRITE_H

#include "db/db.h"
#include "db/db_tables.h"

/* Writes a whole row: inserts it, or updates the row that has its primary key or another unique key of it. Columns that
 * we don't know keep their values. row: struct db_<row> (struct topo_instance for DB_TABLE_instance). An alias in
 * cluster_alias is taken away from the cluster that has it. */
int db_upsert(struct db *db, enum db_table table, const void *row, struct err *e) MUST_USE;
/* Inserts unless a row with one of its unique keys exists; *ret_inserted may be NULL. */
int db_insert_ignore(struct db *db, enum db_table table, const void *row, bool *ret_inserted, struct err *e) MUST_USE;
/* Only tables with an ID column: inserts with an id given by the database; ret_id may be NULL. */
int db_insert(struct db *db, enum db_table table, const void *row, int64_t *ret_id, struct err *e) MUST_USE;
/* Deletes by primary key (the other members are not looked at); no such row is fine. */
int db_delete(struct db *db, enum db_table table, const void *key_row, struct err *e) MUST_USE;
/* Deletes all rows, or those that match a constant condition such as "last_registered < ?". ret_count may be NULL. */
int db_delete_all(struct db *db, enum db_table table, struct err *e) MUST_USE;
int db_delete_where(struct db *db, enum db_table table, const char *condition, const struct db_value *params,
		    size_t n_params, int64_t *ret_count, struct err *e) MUST_USE;

/* Probe results (probing.md section 10). */
enum db_instance_write {
	DB_INSTANCE_SEEN,     /* found, no error: all columns */
	DB_INSTANCE_NOT_SEEN, /* found with an error: all but last_seen, which a new row leaves NULL */
	DB_INSTANCE_ABSENT,   /* placeholder: only if there is no such row */
};
int db_upsert_instance(struct db *db, const struct topo_instance *inst, enum db_instance_write how,
		       struct err *e) MUST_USE;
/* Failed probe: last_checked and last_check_partial_success of an existing row only. */
int db_touch_instance_check(struct db *db, const struct topo_key *key, int64_t last_checked_us, bool partial,
			    struct err *e) MUST_USE;
/* A probe began (or has been running for a second): last_attempted_check of an existing row only. */
int db_touch_instance_attempt(struct db *db, const struct topo_key *key, int64_t attempted_us, struct err *e) MUST_USE;

/* Looks at every table again and adds what is missing, whatever the stored version says; a transaction of its own. */
int db_redeploy(struct db *db, struct err *e) MUST_USE;

/* Bookkeeping, in the same transaction as what it describes. */
int db_set_meta(struct db *db, const char *name, const char *value, struct err *e) MUST_USE;
int db_set_applied_index(struct db *db, int64_t log_index, struct err *e) MUST_USE;
int db_add_applied_command(struct db *db, const char *uid, int64_t log_index, int64_t applied_us,
			   struct err *e) MUST_USE;
/* Forgets commands applied before the given time. */
int db_expire_applied_commands(struct db *db, int64_t before_us, struct err *e) MUST_USE;

#endif
