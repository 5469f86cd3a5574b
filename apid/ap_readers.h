/* ap_readers.h — the reader threads: they run jobs that read the backend and build the answer, so that the loop never
 * waits for the database (design.md section 9).
 *
 * Each thread has its own read-only connection. It reopens it after an error and when the file was replaced, runs the
 * job once more on the new one, and while raftd is still creating or migrating the database, waits for that up to
 * AP_PATIENCE_MS (counted from the loss, not for each job). */
#ifndef AP_READERS_H
#define AP_READERS_H

#include "ap.h"
#include "ap_rules.h"

struct db;

#define AP_READERS_DEFAULT 2
#define AP_READ_QUEUE_MAX 1024
#define AP_PATIENCE_MS 5000

struct ap_reader {
	struct db *db;
	struct wall now;
	struct ap_rules *rules;
};

/* Runs in a reader thread, perhaps twice. Builds rq->body (and rq->status), or fails. Touches nothing of rq but conf,
 * match, query, arena, body, gzipped, status and state, and of rq->ap only message_prefix,
 * hostname and node_token. */
typedef int (*ap_read_fn)(struct ap_request *rq, struct ap_reader *r, struct err *e);

int ap_readers_start(struct ap *ap, struct ap_readers **ret_r, struct err *e) MUST_USE;
/* Waits for running jobs; queued ones are answered with an error. Sets ap->readers to NULL; NULL is fine. */
void ap_readers_stop(struct ap *ap);
/* Queues the job; its result is sent from the loop: rq->body with rq->status, or the error envelope. A full queue
 * answers at once. */
void ap_read(struct ap_request *rq, ap_read_fn fn);
/* As ap_read, but then() runs on the loop afterwards and answers. e is NULL on success. */
void ap_read_then(struct ap_request *rq, ap_read_fn fn, void (*then)(struct ap_request *rq, const struct err *e));

struct ap_readers_stats {
	uint64_t jobs, errors, refused, opened;
	size_t queued;
};
struct ap_readers_stats ap_readers_stats(struct ap_readers *r);

#endif
