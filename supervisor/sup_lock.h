/* sup_lock.h — one node per database file: flock on "<SQLite3DataFile>.node", held for the supervisor's life. (raftd's
 * own lock on "<SQLite3DataFile>.lock" guards the writing; this one also guards the command that only wants to ask.)
 *
 * The file's text says who holds it: pid, "service" or "one-shot", and the runtime directory whose "ctl" socket takes
 * commands. It is emptied at an orderly end and never removed. Children do not inherit the descriptor. */
#ifndef SUPERVISOR_SUP_LOCK_H
#define SUPERVISOR_SUP_LOCK_H

#include "base/err.h"
#include "sup_rundir.h"

struct sup_lock {
	int fd; /* -1: none */
};

struct sup_holder {
	int64_t pid;
	bool service; /* false: a one-shot command */
	char runtime_dir[SUP_RUNDIR_BYTES];
};

/* ERR_BUSY: somebody holds it; *ret_holder then says who, with pid 0 while the text isn't there yet. On success
 * *ret_holder is the former holder that did not end in an orderly way, pid 0 = none. ERR_NOT_FOUND, ERR_PERMISSION,
 * ERR_DB_READONLY, ERR_DB_FULL, ERR_IO name the path. */
int sup_lock_take(const char *data_file, struct sup_lock *ret_lock, struct sup_holder *ret_holder,
		  struct err *e) MUST_USE;
int sup_lock_write(struct sup_lock *l, const struct sup_holder *me, struct err *e) MUST_USE;
void sup_lock_release(struct sup_lock *l);

/* Pure: false when text is not what sup_lock_write writes. */
bool sup_holder_parse(const char *text, size_t len, struct sup_holder *ret);

#endif
