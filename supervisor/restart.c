/* restart.c — the restart policy (restart.h). PURE: called by supervisor.c when a child has ended, and by its tests. */
#include "restart.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "proc/proc_contract.h"

const struct sup_restart_policy sup_restart_policy_default = {
    .wait_min_us = 1 * CLK_S,
    .wait_max_us = 60 * CLK_S,
    .reset_us = 60 * CLK_S,
    .failures_max = 10,
    .failures_window_us = 600 * CLK_S,
    .outside_max = 30,
    .outside_window_us = 60 * CLK_S,
};

/* Codes after which a restart cannot help. */
static const struct {
	int code;
	const char *what;
	const char *advice;
} final_codes[] = {
    {PROC_EXIT_USAGE, "usage", "the programs of this installation do not fit together: reinstall them"},
    {PROC_EXIT_BACKEND, "backend",
     "the backend database is corrupt, read-only or cannot be written: free space, repair or restore it, then start"},
    {PROC_EXIT_VERSION, "version",
     "programs or database are of another version: reinstall, or start the version that the database belongs to"},
    {PROC_EXIT_PERMISSION, "permission", "check owner and mode of the files and programs named above"},
    {PROC_EXIT_JOIN, "raft group not joined",
     "see that the other nodes of RaftNodes run and can be reached, or raise RaftJoinTimeoutSeconds"},
    {PROC_EXIT_CONFIG, "configuration", "correct the configuration, check it with: orchestrator -t"},
};

const char *
sup_exit_advice(int code)
{
	for (size_t i = 0; i < ARRAY_LEN(final_codes); i++) {
		if (final_codes[i].code == code)
			return final_codes[i].advice;
	}
	return NULL;
}

void
sup_end_text(const struct sup_end *end, char *ret)
{
	const char *what = NULL;

	if (end->by_signal) {
		(void)snprintf(ret, SUP_END_BYTES, "signal %d (%s)%s", end->value, strsignal(end->value),
			       end->by_us ? " from the supervisor" : "");
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(final_codes); i++) {
		if (final_codes[i].code == end->value)
			what = final_codes[i].what;
	}
	(void)snprintf(ret, SUP_END_BYTES, what == NULL ? "exit code %d" : "exit code %d (%s)", end->value, what);
}

static void
ring_add(struct sup_ring *r, struct mono t)
{
	r->at[r->n % SUP_RING] = t;
	r->n++;
}

/* How many of the last SUP_RING are within window_us before now. */
static unsigned
ring_recent(const struct sup_ring *r, struct mono now, int64_t window_us)
{
	unsigned have = r->n < SUP_RING ? r->n : SUP_RING, count = 0;

	for (unsigned i = 0; i < have; i++)
		count += mono_diff_us(now, r->at[i]) < window_us;
	return count;
}

/* Signals that a program brings upon itself. */
static bool
is_crash(int signo)
{
	static const int crashes[] = {SIGSEGV, SIGABRT, SIGBUS, SIGILL, SIGFPE, SIGSYS, SIGTRAP, SIGXCPU, SIGXFSZ};

	for (size_t i = 0; i < ARRAY_LEN(crashes); i++) {
		if (crashes[i] == signo)
			return true;
	}
	return false;
}

static bool
ended_by_others(const struct sup_end *end)
{
	if (end->by_us)
		return false;
	if (end->by_signal)
		return !is_crash(end->value);
	return end->value == PROC_EXIT_OK && end->was_ready;
}

static int64_t
next_wait(const struct sup_restart_policy *pol, struct sup_history *h, bool was_ready)
{
	int64_t wait_us = h->wait_us;

	if (wait_us == 0 && was_ready) {
		h->wait_us = pol->wait_min_us;
		return 0;
	}
	wait_us = max_i64(wait_us, pol->wait_min_us);
	h->wait_us = min_i64(wait_us * 2, pol->wait_max_us);
	return wait_us;
}

struct sup_decision
sup_restart_decide(const struct sup_restart_policy *pol, struct sup_history *h, const struct sup_end *end,
		   struct mono now)
{
	struct sup_decision d = {.verdict = SUP_RESTART, .at = now};

	if (!end->by_signal && sup_exit_advice(end->value) != NULL)
		return (struct sup_decision){.verdict = SUP_STOP_ALL, .exit_code = end->value};
	if (end->uptime_us >= pol->reset_us) {
		h->wait_us = 0;
		h->failures.n = 0;
	}
	if (ended_by_others(end)) {
		ring_add(&h->outside, now);
		if (ring_recent(&h->outside, now, pol->outside_window_us) <= pol->outside_max)
			return d;
	}
	ring_add(&h->failures, now);
	if (ring_recent(&h->failures, now, pol->failures_window_us) >= pol->failures_max)
		return (struct sup_decision){.verdict = SUP_GIVE_UP, .exit_code = PROC_EXIT_RETRY};
	d.at = mono_add_us(now, next_wait(pol, h, end->was_ready));
	return d;
}
