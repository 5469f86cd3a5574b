/* restart.h — whether and when an ended child is started again. Pure: plain data and a given time.
 *
 * - The exit codes that an operator must act on (proc_contract.h) end the node at once, with that code.
 * - A child that somebody else ended (SIGKILL, SIGTERM…, or a quiet exit 0) did nothing wrong: it starts again at once,
 *   up to outside_max times in outside_window_us; beyond that such an end is a failure like others.
 * - A failure (crash, other exit code, killed by us because it was stuck or late) waits: 1 s, doubling to 60 s. The
 *   first one of a child that had been ready does not wait: whoever worked deserves one quick try.
 * - failures_max failures in failures_window_us: give up, the node stops and init decides.
 * - A life of reset_us or more makes all former failures forgotten. */
#ifndef SUPERVISOR_RESTART_H
#define SUPERVISOR_RESTART_H

#include "base/clock.h"

struct sup_restart_policy {
	int64_t wait_min_us, wait_max_us;
	int64_t reset_us;
	unsigned failures_max; /* ≤ SUP_RING */
	int64_t failures_window_us;
	unsigned outside_max; /* < SUP_RING */
	int64_t outside_window_us;
};
extern const struct sup_restart_policy sup_restart_policy_default;

/* How a child ended. */
struct sup_end {
	bool by_signal;
	int value; /* exit code or signal number */
	bool was_ready;
	bool by_us; /* we killed it: no beat, or not ready in time */
	int64_t uptime_us;
};

/* The last SUP_RING points in time. */
#define SUP_RING 32u
struct sup_ring {
	struct mono at[SUP_RING];
	unsigned n; /* ever added */
};

/* Of one child; zero-initialise. */
struct sup_history {
	int64_t wait_us; /* before the next restart after a failure, 0 = no failure yet */
	struct sup_ring failures, outside;
};

enum sup_verdict { SUP_RESTART, SUP_GIVE_UP, SUP_STOP_ALL };

struct sup_decision {
	enum sup_verdict verdict;
	struct mono at; /* RESTART: not before */
	int exit_code;	/* GIVE_UP, STOP_ALL: of the node */
};

struct sup_decision sup_restart_decide(const struct sup_restart_policy *pol, struct sup_history *h,
				       const struct sup_end *end, struct mono now);

/* "exit code 78 (configuration)", "signal 9 (Killed)", into ret. */
#define SUP_END_BYTES 96
void sup_end_text(const struct sup_end *end, char *ret);
/* What an operator should do about a code that ends the node; NULL when the code is none of those. */
const char *sup_exit_advice(int code);

#endif
