/* rd_view.h — the view writer: the one thread that touches the backend, fed by jobs from the loop (design.md section
 * 3).
 *
 * Jobs are carried out strictly in the order of rd_view_submit; runs of decisions share a transaction. Finished jobs
 * come back to the loop in the same order, by their done callback. Nothing here blocks the loop.
 *
 * Bounds: at most RD_VIEW_JOBS_MAX jobs wait; beyond that rd_view_submit refuses (ERR_LIMIT, counted): decisions are
 * then refused before they touch memory, and telemetry keeps one batch under way and coalesces the rest in the model.
 *
 * When a decision cannot be written, memory is ahead of the database: that job and every decision behind it fail until
 * a RELOAD or REBUILD job has succeeded. Ownership: a submitted job belongs to the view until done is called, then to done. */
#ifndef RD_VIEW_H
#define RD_VIEW_H

#include <sys/queue.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"
#include "db/db.h"
#include "ipc/codec.h"
#include "rd_changes.h"
#include "rd_load.h"

struct event_base;
struct rd_view;

/* Where in the log the rows stand; stored in the same transaction. */
struct rd_position {
	uint64_t index, term;
	int64_t time_us;
	uint64_t hash; /* rd_state_hash */
};
struct rd_position rd_position_of(const struct rd_state *s);

enum rd_job_kind {
	RD_JOB_DECISION,  /* changes + index + uid, durable */
	RD_JOB_TELEMETRY, /* changes, relaxed; and lines for the audit file */
	RD_JOB_RELOAD,	  /* decisions from the backend → loaded */
	RD_JOB_CHECK,	  /* has somebody else changed the database? → foreign */
	RD_JOB_REDEPLOY,  /* adds what the schema lacks (db_redeploy) */
	RD_JOB_REBUILD,	  /* image → backend: the replicated tables hold exactly its rows afterwards (rd_rebuild.h) */
};

struct rd_job {
	enum rd_job_kind kind;
	struct rd_changes changes;
	struct rd_position at;	/* DECISION: of the state after it */
	struct codec_out image; /* REBUILD: a snapshot (rd_snapshot.h) */
	char *file; /* TELEMETRY: audit file, NULL = none, and the lines for it; REBUILD: the backend is copied
				 * to there first (db_copy_once), NULL = not */
	struct str_buf lines;
	void (*done)(void *ctx, struct rd_job *job); /* frees it: rd_job_free */
	void *ctx;
	/* results */
	int rc;
	struct err e;
	size_t refused; /* TELEMETRY: rows that the database refused for what they are; e says why the last */
	int file_rc;	/* of the audit file; file_e */
	struct err file_e;
	struct rd_loaded *loaded; /* RELOAD */
	bool foreign;		  /* CHECK */
	int64_t took_us;	  /* of its transaction */
	int64_t waited_us;	  /* until the thread took it up */
	struct mono submitted;
	STAILQ_ENTRY(rd_job) next;
};

struct rd_job *rd_job_new(enum rd_job_kind kind, void (*done)(void *ctx, struct rd_job *job), void *ctx);
void rd_job_free(struct rd_job *j); /* NULL is fine */

#define RD_VIEW_JOBS_MAX 4096
#define RD_VIEW_GROUP_MAX 64 /* decisions in one transaction */

struct rd_view_conf {
	struct event_base *base;
	const char *backend; /* BackendDB */
	const char *path;    /* SQLite3DataFile */
	const char *version; /* of this program */
	bool keep_schema;    /* SkipOrchestratorDatabaseUpdate, */
	bool only_deployed;  /* PanicIfDifferentDatabaseDeploy: db/db.h */
	bool log_is_truth;   /* raft: decisions are in the log, so their commits need not wait for the disk */
	void *ctx;
	/* Opened and read: loaded is the receiver's. Called once. */
	void (*on_open)(void *ctx, const struct db_open_info *info, struct rd_loaded *loaded);
	/* Opening failed; fatal: it won't be tried again (an operator is needed), else it is, every
	 * RD_VIEW_OPEN_RETRY_MS. */
	void (*on_open_failed)(void *ctx, const struct err *e, bool fatal);
	/* A job that writes was carried out, done comes next. May be NULL. */
	void (*on_write)(void *ctx, const struct rd_job *job);
};
#define RD_VIEW_OPEN_RETRY_MS 1000

int rd_view_start(const struct rd_view_conf *conf, struct rd_view **ret_view, struct err *e) MUST_USE;
/* ERR_LIMIT, ERR_UNAVAILABLE after rd_view_stop: the job stays the caller's. */
int rd_view_submit(struct rd_view *v, struct rd_job *job, struct err *e) MUST_USE;
/* Carries out what is queued, closes the backend and ends the thread; on_stopped is called in the loop. */
void rd_view_stop(struct rd_view *v, void (*on_stopped)(void *ctx), void *ctx);
/* Waits up to wait_ms for the thread. False: it is stuck in the backend; v is leaked, the process should _exit. NULL is
 * fine. Jobs that were not carried out are freed, their done not called. */
bool rd_view_free(struct rd_view *v, int64_t wait_ms);

struct rd_view_stats {
	size_t waiting;	     /* jobs */
	size_t waiting_rows; /* row changes in them */
	uint64_t refused;    /* submits refused because the queue was full */
	bool stopping;
};
struct rd_view_stats rd_view_stats(struct rd_view *v);

/* Errors after which an operator is needed: no retry helps, the process ends with PROC_EXIT_BACKEND or the like. */
bool rd_view_error_is_fatal(int code);

#endif
