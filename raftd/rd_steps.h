/* rd_steps.h — steps of topology changes on their way to a prober and back (design.md section 7, "Steps are fenced").
 *
 * A step is sent once, to one prober, and never again: its prober may carry it out although nobody hears of it. It is
 * sent only while this node leads, and what is told as not_after never lies behind the end of its lease. Whoever sends
 * gives numbers that rise within the uid, and holds the cluster's lock. Detection (rd_detect_restart.c) and recoveries
 * send steps; uids that begin with RD_STEP_UID_VOTE are detection's. */
#ifndef RD_STEPS_H
#define RD_STEPS_H

#include "base/clock.h"
#include "ipc/ipc.h"

struct rd_node;
struct rd_steps;

#define RD_STEPS_UNDER_WAY_MAX 8192
#define RD_STEP_UID_VOTE "vote-"

struct rd_step_order { /* everything is borrowed for the call */
	const char *uid;
	uint64_t number;
	const struct topo_key *key;
	const char *statement; /* a name of topo/step.def */
	struct rec_text_list args;
	const char *precondition; /* server_uuid or server_id that it must have; "" = none */
	int64_t within_us; /* it is sent to the server within this time or not at all; the lease may shorten it */
	int64_t wait_us;   /* for its result, from now */
};

/* Exactly once for each step that was sent, never from within rd_steps_send, and not after rd_steps_free. r is borrowed.
 * code: 0 or negative, as in STEP_RESULT. UNKNOWN_OUTCOME also when the prober died or told nothing within wait_us: read
 * the server. With any other error and sent = false nothing reached the server. */
typedef void (*rd_step_fn)(void *ctx, const struct ipc_step_result *r);

struct rd_steps *rd_steps_new(struct rd_node *n);
void rd_steps_free(struct rd_steps *s); /* NULL is fine */

/* NOT_LEADER: no lease; UNAVAILABLE: no prober is up, or its queue is full; LIMIT. Nothing was sent then. */
int rd_steps_send(struct rd_steps *s, const struct rd_step_order *o, rd_step_fn fn, void *ctx, struct err *e) MUST_USE;

/* rd_link.c */
void rd_steps_result(struct rd_steps *s, const struct ipc_step_result *m);
void rd_steps_prober_down(struct rd_steps *s, unsigned slot);

#endif
