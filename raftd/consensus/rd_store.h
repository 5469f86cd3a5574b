/* rd_store.h — the files of RaftDataDir: identity, term and vote, log, snapshots. Synchronous and single-threaded: it
 * is rd_logwriter.h's thread that calls this in a node; tests and tools call it directly. Knows nothing of raft's
 * rules.
 *
 * Files (mode 0640, names in RaftDataDir):
 *   raft_log.sqlite (+ -wal, -shm)      everything but snapshot contents; synchronous=FULL, write-ahead log
 *   raft_log.sqlite.lock                the lock of the one process that uses the directory (ERR_DB_BUSY for a second)
 *   raft_log.mark                       number of the newest completed write; written after it, not synced. A database
 *                                       that is older than its mark has lost acknowledged writes: ERR_DB_CORRUPT
 *   snapshot-<term>-<index>.orc         header (term, index, size, SHA-256) and content; complete when it has this name
 *   snapshot-own.tmp, -received.tmp     being written; removed at open
 * The historical raft_store.db and snapshots/ are left alone.
 *
 * Promise: when rd_store_write has returned 0, all of it is on disk, and a reopened store has it, whatever happens to
 * the process or the machine; a write that was not finished is there completely or not at all. Each log entry carries a
 * checksum of itself and its place; a damaged one is never handed out.
 *
 * Errors name the file and the remedy. After a failed rd_store_write the store is *broken*: every later call that would
 * change it fails with the same error, since nobody knows what the disk holds. Open again (a new process) instead.
 * Codes: ERR_DB_BUSY (directory in use), ERR_DB_FULL, ERR_DB_READONLY, ERR_PERMISSION, ERR_DB_CORRUPT (damaged,
 * foreign, incomplete), ERR_DB_VERSION (made by a newer program), ERR_NOT_FOUND / ERR_CONFIG (RaftDataDir itself),
 * ERR_IO. */
#ifndef RAFTD_RD_STORE_H
#define RAFTD_RD_STORE_H

#include "base/err.h"
#include "base/rec.h"

#define RD_STORE_FILE "raft_log.sqlite"
#define RD_ENTRY_BYTES_MAX (1u << 20) /* of one log entry */
#define RD_CONF_BYTES_MAX (64u << 10) /* of one encoded configuration */
#define RD_SNAPSHOT_CHUNK (256u << 10)

/* --- identity ----------------------------------------------------------------------------------------------------- */
/* One member that founded the group: its name and the id of the data directory it had then. */
#define RD_FOUNDER_FIELDS(F) \
	F(STR, name, _, 320) \
	F(STR, dir_id, _, 32)
REC_DECLARE(rd_founder, RD_FOUNDER_FIELDS);

/* dir_id: 32 hex digits, made when the directory is first opened (and by a wipe), never written by callers.
 * raft_id 0: blank, this directory has not yet taken part in anything. */
#define RD_IDENTITY_FIELDS(F)                 \
	F(STR, dir_id, _, 32)                 \
	F(U64, raft_id, _, 0)                 \
	F(STR, name, _, 320)                  \
	F(STR, cluster_id, _, 64)             \
	F(STR, config_hash, _, 64)            \
	F(BOOL, founded, _, 0)                \
	F(LIST, founded_with, rd_founder, 64) \
	F(U64, renewals, _, 0, .doc = "how often the node emptied the directory because its rows were wrong")
REC_DECLARE(rd_identity, RD_IDENTITY_FIELDS);

/* --- log ---------------------------------------------------------------------------------------------------------- */
/* The values are raft's (enum raft_entry_type) and stand in the file. */
enum rd_log_kind { RD_LOG_COMMAND = 1, RD_LOG_BARRIER = 2, RD_LOG_CHANGE = 3 };

struct rd_log_entry {
	uint64_t term;
	enum rd_log_kind kind;
	const void *data; /* NULL: not loaded (n is its length all the same); an empty one is not NULL */
	size_t n;
};

/* Entries index, index+1, …; one block of memory: free() it. */
struct rd_log_range {
	uint64_t index;
	size_t n;
	size_t bytes; /* of all data */
	struct rd_log_entry v[];
};

/* --- snapshots ---------------------------------------------------------------------------------------------------- */
struct rd_snapshot {
	uint64_t term, index; /* of the last entry it contains; index 0: no snapshot */
	uint64_t size;	      /* bytes of content */
	uint8_t sha256[32];   /* of the content */
	uint64_t conf_index;  /* last committed configuration up to it */
	const void *conf;     /* encoded; at most RD_CONF_BYTES_MAX */
	size_t conf_n;
};
void rd_snapshot_dup(struct rd_snapshot *dst, const struct rd_snapshot *src);
void rd_snapshot_done(struct rd_snapshot *s); /* of a copy that owns conf */

/* --- opening ------------------------------------------------------------------------------------------------------ */
struct rd_store;

/* What was found; the receiver's, rd_stored_free. */
struct rd_stored {
	bool created; /* the directory held no store: a new dir_id was made */
	bool unclean; /* the last process did not close it */
	struct rd_identity identity;
	uint64_t term, voted_for;
	struct rd_snapshot snapshot; /* its file is there and its content matches the checksum */
	struct rd_log_range *log; /* never NULL; index = first entry, or where the first one will be. Term and kind of
				   * all; data of CHANGE entries and of the newest (conf: recent_bytes) */
};
void rd_stored_free(struct rd_stored *s);
uint64_t rd_stored_last(const struct rd_stored *s); /* the last durable entry; 0 = there never was one */

struct rd_store_conf {
	const char *dir;     /* RaftDataDir; made when it is missing */
	size_t recent_bytes; /* how much of the newest entries' data to load */
};
int rd_store_open(const struct rd_store_conf *conf, struct rd_store **ret_store, struct rd_stored **ret_found,
		  struct err *e) MUST_USE;
void rd_store_close(struct rd_store *s); /* NULL is fine */

/* --- writing ------------------------------------------------------------------------------------------------------ */
/* One durable step; parts that are zero are left out. Carried out in this order. Borrowed during the call. */
struct rd_write {
	const struct rd_identity *identity; /* replaces all but dir_id */
	bool has_vote;
	uint64_t term, voted_for;
	/* This snapshot (its file complete: rd_store_snapshot_put) is the newest now; older files are removed
	 * afterwards. clears_log: it came from the leader, the log starts anew behind it. */
	const struct rd_snapshot *snapshot;
	bool clears_log;
	/* Entries index … index+n-1; whatever stood at index and above is gone. n = 0 with an index: only truncate.
	 * Never leaves a gap: index is at most last + 1. */
	uint64_t index;
	const struct rd_log_entry *entries;
	size_t n;
	/* Entries up to here are not needed any more; never above the snapshot. Removed bit by bit: rd_store_compact.
	 */
	uint64_t compact_to;
};

/* All of them in one transaction, synced. On failure none of them is there, or (an error while syncing) nobody knows.
 */
int rd_store_write(struct rd_store *s, const struct rd_write *const *writes, size_t n, struct err *e) MUST_USE;
/* Removes some entries below compact_to; *ret_more: there are others. */
int rd_store_compact(struct rd_store *s, bool *ret_more, struct err *e) MUST_USE;
/* Forgets everything, all files but the lock; a new dir_id. For a lone founder that is adopted by another group. */
int rd_store_wipe(struct rd_store *s, struct rd_stored **ret_found, struct err *e) MUST_USE;

/* Up to max entries and max_bytes (but at least one entry) from index on. ERR_NOT_FOUND: index is not in the log. */
int rd_store_read(struct rd_store *s, uint64_t index, size_t max, size_t max_bytes, struct rd_log_range **ret_range,
		  struct err *e) MUST_USE;

/* --- snapshot files ----------------------------------------------------------------------------------------------- */
enum rd_snapshot_source { RD_SNAPSHOT_OWN, RD_SNAPSHOT_RECEIVED };

/* One piece of a snapshot that is being written; one of each source at a time. Offset 0 begins anew. last: the file is
 * synced and named, and meta's size and sha256 are compared (RECEIVED: ERR_INVALID if they differ, the pieces are gone)
 * or filled in (OWN). meta's conf is not looked at. */
int rd_store_snapshot_put(struct rd_store *s, enum rd_snapshot_source source, struct rd_snapshot *meta, uint64_t offset,
			  const void *data, size_t n, bool last, struct err *e) MUST_USE;
/* Drops what was written of it, if anything. */
void rd_store_snapshot_abort(struct rd_store *s, enum rd_snapshot_source source);
/* Content from offset on into buf (max bytes); *ret_n = 0 at the end. ERR_NOT_FOUND: no such snapshot (any more). */
int rd_store_snapshot_get(struct rd_store *s, uint64_t term, uint64_t index, uint64_t offset, void *buf, size_t max,
			  size_t *ret_n, struct err *e) MUST_USE;

#endif
