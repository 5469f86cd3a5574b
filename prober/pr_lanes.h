/* pr_lanes.h — threads for what blocks: logins (DNS, TCP, TLS, authentication) and name look-ups.
 *
 * Each lane has threads of its own, so one full of black holes delays no other (design.md section 5). Threads start
 * when they are first needed. A job runs in a thread (run) and then in the event loop (done), in order of completion;
 * between submit and done it belongs to the lanes. Nothing but run may touch it meanwhile, except what the job itself
 * makes safe. */
#ifndef PR_LANES_H
#define PR_LANES_H

#include <sys/queue.h>

#include "base/err.h"
#include "ipc/ipc.h"

/* The lanes of ipc.h, and three of our own. */
enum pr_lane {
	PR_LANE_URGENT = IPC_LANE_URGENT,
	PR_LANE_SOURCES = IPC_LANE_SOURCES,
	PR_LANE_REGULAR = IPC_LANE_REGULAR,
	PR_LANE_DEAD = IPC_LANE_DEAD,
	PR_LANE_STEPS = IPC_LANE_COUNT, /* suspicious servers must not delay a recovery's steps */
	PR_LANE_LOOKUPS,		/* a dead resolver must not delay connects to names it still knows */
	PR_LANE_REACHES,		/* operators ask for servers that nobody knows */
	PR_LANE_COUNT
};
const char *pr_lane_name(enum pr_lane lane);
/* Most threads of a lane. */
size_t pr_lane_threads(enum pr_lane lane);

struct pr_job {
	void (*run)(struct pr_job *job);  /* in a thread */
	void (*done)(struct pr_job *job); /* in the loop; the job is its owner's again */
	enum pr_lane lane;		  /* set by submit */
	STAILQ_ENTRY(pr_job) next;
};

struct event_base;
struct pr_lanes;

int pr_lanes_new(struct event_base *base, struct pr_lanes **ret, struct err *e) MUST_USE;
/* False when the lane's queue is full: the job stays its owner's. */
bool pr_lanes_submit(struct pr_lanes *l, enum pr_lane lane, struct pr_job *job) MUST_USE;
/* Stops taking jobs and waits up to wait_ms for running ones; false when threads are still busy (a resolver that
 * doesn't answer): then the process must end with _exit. Jobs that never ran, or ended, get their done call first. */
bool pr_lanes_stop(struct pr_lanes *l, int64_t wait_ms) MUST_USE;
/* After a pr_lanes_stop that returned true. */
void pr_lanes_free(struct pr_lanes *l);

size_t pr_lanes_queued(struct pr_lanes *l, enum pr_lane lane);
uint64_t pr_lanes_refused(struct pr_lanes *l, enum pr_lane lane);

#endif
