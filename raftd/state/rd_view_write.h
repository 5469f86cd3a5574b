/* rd_view_write.h — row changes → statements. For the view writer's thread alone. */
#ifndef RD_VIEW_WRITE_H
#define RD_VIEW_WRITE_H

#include "db/db.h"
#include "rd_changes.h"
#include "rd_view.h"

/* Commits the decisions of these jobs, in order and in one transaction, with the position of the last. On error nothing
 * of them is stored. */
int rd_write_decisions(struct db *db, struct rd_job *const *jobs, size_t n, enum db_durability how,
		       struct err *e) MUST_USE;
/* Inside a transaction. */
int rd_write_position(struct db *db, const struct rd_position *at, struct err *e) MUST_USE;
/* Ends one: commits when rc is 0, else rolls back and returns rc. */
int rd_write_finish(struct db *db, int rc, struct err *e) MUST_USE;
/* Commits telemetry in one relaxed transaction; on error nothing is stored. */
int rd_write_telemetry(struct db *db, const struct rd_changes *c, struct err *e) MUST_USE;
/* The same, each change for itself: those that the database refuses (ERR_DB) are left out and counted, any other error
 * ends it. */
int rd_write_singly(struct db *db, const struct rd_changes *c, size_t *ret_refused, struct err *e) MUST_USE;
/* Adds what the schema lacks, whatever version it says it has. */
int rd_write_schema(struct db *db, struct err *e) MUST_USE;
/* Appends text to a file that is created as base/newfile.h says. */
int rd_append_file(const char *path, const char *text, size_t n, struct err *e) MUST_USE;

#endif
