/* db/db_file.h — the SQLite file before SQLite touches it: clear errors, creation, the writer's lock; private. */
#ifndef DB_DB_FILE_H
#define DB_DB_FILE_H

#include "base/base.h"
#include "base/err.h"

/* setting, everywhere: the configuration key that texts name ("SQLite3DataFile"). */

/* For a writer: the directory exists and is writable, the file is a regular one that may be read and written; creates
 * it (0640) when it is missing. *ret_created: it is new or empty. */
int db_file_prepare(const char *setting, const char *path, bool *ret_created, struct err *e) MUST_USE;
/* For a reader: it exists and may be read. */
int db_file_check_readable(const char *setting, const char *path, struct err *e) MUST_USE;

/* Takes the writer's lock "<path>.lock" (ERR_DB_BUSY when another process has it). The lock file holds the owner's pid
 * while it is in use: *ret_unclean says that the last owner left without saying goodbye. */
int db_file_lock(const char *setting, const char *path, int *ret_fd, bool *ret_unclean, struct err *e) MUST_USE;
/* clean: the database was closed in order. fd -1 is fine. */
void db_file_unlock(int fd, bool clean);

/* The directory that holds it; the caller frees it. */
char *db_file_directory(const char *path);

/* Why the path can't be used, from errno: fills e with file, reason and remedy. */
int db_file_fail(const char *setting, const char *path, int errno_value, struct err *e);

#endif
