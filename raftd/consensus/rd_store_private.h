/* rd_store_private.h — insides of struct rd_store, shared by rd_store*.c alone. */
#ifndef RAFTD_RD_STORE_PRIVATE_H
#define RAFTD_RD_STORE_PRIVATE_H

#include <limits.h>
#include <openssl/evp.h>

#include "base/fnv.h"
#include "db/db.h"
#include "rd_store.h"

#define RD_STORE_SETTING "RaftDataDir"
#define RD_STORE_IF_DAMAGED                                                                                          \
	"stop orchestrator, keep a copy of the directory, then move it away: the node joins its group again and is " \
	"fed by "                                                                                                    \
	"the others; a node without others has lost its decisions"

/* What the row `state` holds, and where the log begins. */
struct rd_store_state {
	uint64_t seq; /* number of the newest completed write */
	uint64_t term, voted_for;
	uint64_t last;	     /* index of the last entry, or of the one before the first that will be */
	uint64_t compact_to; /* entries up to here may go */
	uint64_t first;	     /* not stored: first entry in the log; last + 1 when it is empty */
};

/* A snapshot file that is being written. */
struct rd_snapshot_file {
	int fd; /* -1: none */
	uint64_t size, unsynced;
	EVP_MD_CTX *sha;
};

struct rd_store {
	char *dir;
	int dir_fd;
	int mark_fd;
	struct db *db;
	struct rd_store_state now;
	struct rd_identity identity;
	struct rd_snapshot snapshot; /* owns conf */
	struct rd_snapshot_file writing[2];
	int reading_fd; /* -1: none; of snapshot reading_term, reading_index */
	uint64_t reading_term, reading_index;
	struct err broken; /* code 0: fine */
};

/* Fills e with path dir/name, reason and remedy, from errno. */
int rd_store_fail(const struct rd_store *s, const char *name, int errno_value, struct err *e);
/* "dir/name: <text>: what to do"; ERR_DB_CORRUPT. */
int rd_store_damaged(const struct rd_store *s, const char *name, struct err *e, const char *fmt, ...) PRINTF_LIKE(4, 5);
/* As fnv1a. */
uint64_t rd_store_sum_u64(uint64_t sum, uint64_t v);

/* --- rd_store_log.c: the table log ------------------------------------------------------------------------------- */
int rd_store_log_load(struct rd_store *s, size_t recent_bytes, struct rd_log_range **ret_log, struct err *e) MUST_USE;
int rd_store_log_put(struct rd_store *s, const struct rd_write *w, struct rd_store_state *next, struct err *e) MUST_USE;

/* --- rd_store_rows.c: state, identity, snapshot's metadata --------------------------------------------------------- */
extern const char *const rd_store_schema[];
/* Of a new store: an empty state and an identity with a fresh dir_id. Inside a transaction. */
int rd_store_rows_make(struct rd_store *s, struct err *e) MUST_USE;
int rd_store_rows_load(struct rd_store *s, struct err *e) MUST_USE;
int rd_store_put_state(struct rd_store *s, const struct rd_store_state *next, struct err *e) MUST_USE;
int rd_store_put_identity(struct rd_store *s, const struct rd_identity *id, struct err *e) MUST_USE;
int rd_store_put_snapshot(struct rd_store *s, const struct rd_snapshot *snap, struct err *e) MUST_USE;

/* --- rd_store_mark.c ----------------------------------------------------------------------------------------------- */
int rd_store_mark_open(struct rd_store *s, struct err *e) MUST_USE;
/* ERR_DB_CORRUPT: the database, which is blank (or not), has lost writes that were completed. */
int rd_store_mark_check_blank(struct rd_store *s, struct err *e) MUST_USE;
int rd_store_mark_check(struct rd_store *s, struct err *e) MUST_USE;
int rd_store_mark_set(struct rd_store *s, struct err *e) MUST_USE;

/* --- rd_store_snap.c ----------------------------------------------------------------------------------------------- */
/* The file of s->snapshot is there, whole and unchanged. */
int rd_store_snapshot_check(struct rd_store *s, struct err *e) MUST_USE;
/* Removes unfinished files and finished ones: with an index below `below`, or all but the current one (UINT64_MAX). */
int rd_store_snapshot_clean(struct rd_store *s, uint64_t below, struct err *e) MUST_USE;
void rd_store_snapshot_close(struct rd_store *s);

#endif
