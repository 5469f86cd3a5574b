/* rd_hooks.h — runs the hook lists of detections, recoveries and takeovers.
 *
 * A job is one list with its values at that time: texts and environment are made when it is added, a reload later
 * changes nothing. Its entries run as rd_hook_seq.h says. At most RD_HOOKS_IN_TURN_MAX hooks that somebody waits for and
 * RD_HOOKS_BACKGROUND_MAX others run at once, the rest wait in order; more than RD_HOOKS_WAITING_MAX in the background
 * are refused with a result. Time in the queue does not count for the time limit.
 *
 * Callbacks, all from the loop and never from within a call; each may be NULL:
 *   on_due     entry i is next. The owner records that it starts (a raft command) and then calls rd_hooks_go; or
 *              rd_hooks_skip if that could not be recorded. Without on_due it starts at once.
 *   on_began   the first audit entry (rd_hook_text_began)
 *   on_result  an entry has ended; the second audit entry (rd_hook_text_ended) and the record of its end
 *   on_done    nobody waits any more; failed: what the list stands before is off. Entries in the background may go on.
 *   on_gone    the last one; the job does not exist any more
 * What rd_hook_result borrows is valid during the callback. Results are logged here, once. */
#ifndef RD_HOOKS_H
#define RD_HOOKS_H

#include "rd_hook_result.h"
#include "rd_hook_seq.h"

struct event_base;
struct rd_hooks;
struct rd_hook_job;

#define RD_HOOKS_IN_TURN_MAX 64
#define RD_HOOKS_BACKGROUND_MAX 32
#define RD_HOOKS_WAITING_MAX 1024
#define RD_HOOKS_JOBS_MAX 1024
#define RD_HOOKS_ARGS_MAX 16

struct rd_hooks_conf {
	struct event_base *base;
	struct clock *clock;
	const char *dir; /* the private runtime directory; what earlier hooks left in it is removed */
};
struct rd_hooks *rd_hooks_new(const struct rd_hooks_conf *conf);
/* Whatever runs is killed; no callbacks. NULL is fine. */
void rd_hooks_free(struct rd_hooks *h);
/* Cancels everything; on_idle is called once nothing runs. Jobs that are added later are refused. */
void rd_hooks_stop(struct rd_hooks *h, void (*on_idle)(void *ctx), void *ctx);

struct rd_hook_calls {
	void (*on_due)(void *ctx, struct rd_hook_job *job, size_t i);
	void (*on_began)(void *ctx, const struct rd_hook_result *r);
	void (*on_result)(void *ctx, const struct rd_hook_result *r);
	void (*on_done)(void *ctx, bool failed);
	void (*on_gone)(void *ctx);
};

struct rd_hook_request {
	enum rd_hook_list list;
	const struct conf *conf;
	const struct rd_hook_values *values; /* attempt: from 1 */
	const char *const *args;	     /* of each text, NULL-terminated; NULL: none */
	const enum rd_hook_mark *marks;	     /* of each entry of the list, when it is resumed; NULL: it is new */
	const struct rd_hook_calls *calls;   /* borrowed until on_gone */
	void *ctx;
};
/* Everything in the request but calls and ctx is needed during the call only. ERR_UNAVAILABLE: too many jobs, or the
 * node stops. An empty list is fine: on_done and on_gone follow. */
int rd_hooks_add(struct rd_hooks *h, const struct rd_hook_request *q, struct rd_hook_job **ret_job,
		 struct err *e) MUST_USE;
/* Answers to on_due. */
void rd_hooks_go(struct rd_hook_job *job, size_t i);
void rd_hooks_skip(struct rd_hook_job *job, size_t i, const char *why); /* it counts as failed: NOT_STARTED */
/* No entry is begun any more, those that run are ended. Callbacks follow. */
void rd_hooks_cancel(struct rd_hook_job *job);

/* For metrics. */
struct rd_hooks_count {
	uint64_t begun, failed, timed_out, refused; /* since the start */
	size_t running, waiting;		    /* now; running: what a hook has left behind too */
};
struct rd_hooks_count rd_hooks_count(const struct rd_hooks *h);

#endif
