/* rd_recover_run.h — carries one plan out: which of its steps may be sent now, what their results mean. Pure: times are
 * given, sending is the owner's.
 *
 * A server has at most one step under way (each takes the server's lock), all servers together RD_RUN_UNDER_WAY_MAX. A step
 * whose refusal proves that nothing was sent (LATE, BUSY, no prober) is tried again, with a new number, for
 * RD_RUN_RETRY_US. Anything else is final: DONE, FAILED, or UNKNOWN, which only reading the server resolves. */
#ifndef RD_RECOVER_RUN_H
#define RD_RECOVER_RUN_H

#include "base/clock.h"
#include "ipc/ipc.h"
#include "recovery/rd_plan.h"

#define RD_RUN_UNDER_WAY_MAX 128
#define RD_RUN_RETRY_US (2 * CLK_S)
#define RD_RUN_PAUSE_US (20 * CLK_MS)
#define RD_RUN_SLACK_US (500 * CLK_MS) /* its result's way back, beyond the time that its answer is waited for */
#define RD_ERRNO_NO_SUCH_THREAD 1094   /* break-lock: nobody held it */

enum rd_run_state {
	RD_RUN_WAITS,
	RD_RUN_SENT,
	RD_RUN_DONE,
	RD_RUN_FAILED,
	RD_RUN_UNKNOWN, /* it may have taken effect, now or later */
	RD_RUN_SKIPPED	/* what it comes after did not succeed */
};

struct rd_run_item {
	struct rd_step step; /* owned */
	enum rd_run_state state;
	size_t server;	   /* index of the first item with the same key */
	bool busy;	   /* of that first item: a step is under way there */
	uint64_t number;   /* as sent; 0 = never */
	struct mono first; /* when it was sent first; us 0 = never */
	struct mono again; /* not before */
	struct mono not_after, until;
	bool watched; /* its server was asked since it was sent whether it still applies */
	int code;     /* of the result; 0 = OK */
	char message[256];
};

struct rd_run {
	struct rd_run_item *items; /* owned */
	size_t n, under_way;
};

void rd_run_init(struct rd_run *r, const struct rd_plan *plan);
void rd_run_done(struct rd_run *r); /* fine on a zeroed one */

/* The next step that may be sent; NULL = none now. rd_run_sent or rd_run_not_sent follows. */
struct rd_run_item *rd_run_next(struct rd_run *r, struct mono now);
void rd_run_sent(struct rd_run *r, struct rd_run_item *i, uint64_t number, struct mono not_after, struct mono now);
void rd_run_not_sent(struct rd_run *r, struct rd_run_item *i, const struct err *e, struct mono now);
/* NULL: none of this run's, or it is over already. The item is WAITS again when it may be tried again. */
struct rd_run_item *rd_run_result(struct rd_run *r, const struct ipc_step_result *m, struct mono now);
/* Steps without a result in time become UNKNOWN, and those after failed ones SKIPPED. */
void rd_run_tick(struct rd_run *r, struct mono now);
bool rd_run_is_over(const struct rd_run *r);
/* When rd_run_tick or rd_run_next may have something to do; INT64_MAX = only after a result. */
struct mono rd_run_due(const struct rd_run *r);

#endif
