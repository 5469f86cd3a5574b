/* rd_logwriter.h — the log writer: the one thread that touches RaftDataDir (rd_store.h), fed by jobs from the loop.
 *
 * WRITE jobs are carried out and completed strictly in the order of submission, all that wait in one transaction. Other
 * jobs (reading entries, snapshot pieces) are done in their own order whenever no WRITE waits, so one that was
 * submitted after a WRITE sees it. Finished jobs come back to the loop by their done callback. Nothing here blocks the
 * loop.
 *
 * Errors. When the store can't be opened, a WRITE fails or an entry can't be read back, the store is broken: on_failed
 * is called once, and it is the place that logs, makes the core stop voting and acknowledging, and ends the process.
 * WRITE jobs that were not on disk by then and all later jobs are completed with that error, silently. Snapshot pieces
 * may fail on their own (ERR_DB_FULL, ERR_INVALID: content differs from its checksum): rc of that job only.
 *
 * Bounds: RD_LOG_JOBS_MAX jobs and RD_LOG_BYTES_MAX bytes wait at most; rd_log_submit then refuses (ERR_LIMIT,
 * counted). A refused WRITE can't be taken back from raft, so callers ask rd_log_is_full (true at a quarter of that)
 * before they feed the core proposals or received entries; what is left is for terms, votes and what the core made
 * before it was told.
 *
 * Ownership: a submitted job belongs to the writer until done is called, then to done, which frees it. */
#ifndef RAFTD_RD_LOGWRITER_H
#define RAFTD_RD_LOGWRITER_H

#include <sys/queue.h>

#include "base/clock.h"
#include "rd_store.h"

struct event_base;
struct rd_logwriter;

enum rd_log_job_kind {
	RD_LOG_JOB_WRITE,     /* write */
	RD_LOG_JOB_READ,      /* index, max, max_bytes → range */
	RD_LOG_JOB_SNAP_PUT,  /* source, snapshot, offset, data, n, last → snapshot (size, sha256) */
	RD_LOG_JOB_SNAP_DROP, /* source */
	RD_LOG_JOB_SNAP_GET,  /* snapshot.term, .index, offset, max → data, n (0: end) */
	RD_LOG_JOB_WIPE,      /* → found */
};

struct rd_log_job {
	enum rd_log_job_kind kind;
	void (*done)(void *ctx, struct rd_log_job *job); /* frees it: rd_log_job_free */
	void *ctx;
	uint64_t tag;	       /* the caller's, not looked at */
	struct rd_write write; /* everything it points to belongs to the job */
	uint64_t index;
	size_t max, max_bytes;
	enum rd_snapshot_source source;
	struct rd_snapshot snapshot; /* owns conf */
	uint64_t offset;
	void *data; /* owned */
	size_t n;
	bool last;
	/* results */
	int rc;
	struct err e;
	struct rd_log_range *range; /* READ; set NULL to keep it */
	struct rd_stored *found;    /* WIPE; likewise */
	/* the writer's */
	size_t bytes;
	struct mono submitted;
	uint64_t after; /* WRITE jobs submitted before it */
	STAILQ_ENTRY(rd_log_job) next;
};

struct rd_log_job *rd_log_job_new(enum rd_log_job_kind kind, void (*done)(void *ctx, struct rd_log_job *job),
				  void *ctx);
/* A WRITE job with a deep copy of w. */
struct rd_log_job *rd_log_job_write(const struct rd_write *w, void (*done)(void *ctx, struct rd_log_job *job),
				    void *ctx);
void rd_log_job_free(struct rd_log_job *j); /* NULL is fine */
/* What it counts for against RD_LOG_BYTES_MAX. */
size_t rd_log_job_bytes(const struct rd_log_job *j);

#define RD_LOG_JOBS_MAX 16384
#define RD_LOG_BYTES_MAX (128u << 20)
#define RD_LOG_GROUP_BYTES (4u << 20) /* WRITE jobs beyond this wait for the next transaction */

struct rd_logwriter_conf {
	struct event_base *base;
	const char *dir;     /* RaftDataDir */
	size_t recent_bytes; /* as rd_store_conf */
	void *ctx;
	void (*on_open)(void *ctx, struct rd_stored *found); /* once; found is the receiver's */
	void (*on_failed)(void *ctx, const struct err *e);   /* once: see above */
};

/* Strings are copied. Jobs may be submitted at once; they wait for the store to be open. */
int rd_logwriter_start(const struct rd_logwriter_conf *conf, struct rd_logwriter **ret_w, struct err *e) MUST_USE;
/* ERR_LIMIT, ERR_UNAVAILABLE after rd_logwriter_stop: the job stays the caller's. */
int rd_log_submit(struct rd_logwriter *w, struct rd_log_job *job, struct err *e) MUST_USE;
bool rd_log_is_full(struct rd_logwriter *w);
/* When the oldest WRITE that is not yet on disk was submitted; us 0: none. A leader whose oldest one is older than an
 * election timeout hands over. */
struct mono rd_log_oldest(struct rd_logwriter *w);

/* Carries out what is queued, closes the store and ends the thread; on_stopped (may be NULL) is called in the loop. */
void rd_logwriter_stop(struct rd_logwriter *w, void (*on_stopped)(void *ctx), void *ctx);
/* Waits up to wait_ms for the thread. False: it is stuck in the disk; w is leaked, the process should _exit. NULL is
 * fine. Jobs that were not carried out are freed, their done not called. */
bool rd_logwriter_free(struct rd_logwriter *w, int64_t wait_ms);

struct rd_logwriter_stats {
	size_t waiting, waiting_bytes; /* jobs, submitted and not carried out */
	uint64_t refused;
	uint64_t writes, batches; /* WRITE jobs on disk, and in how many transactions */
	int64_t batch_us_max;	  /* the slowest transaction since the last call of rd_logwriter_stats */
	bool failed;
};
struct rd_logwriter_stats rd_logwriter_stats(struct rd_logwriter *w);

#endif
