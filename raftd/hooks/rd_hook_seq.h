/* rd_hook_seq.h — the order of one list's entries: which is next, what a failure ends, what a resumed list repeats.
 * Pure: no process, no time.
 *
 * Entries run one after the other; one in the background is started in its turn and waited for by nobody. An entry that
 * fails ends the list if it is to (its own {onFailure=...}, else the list's rule). */
#ifndef RD_HOOK_SEQ_H
#define RD_HOOK_SEQ_H

#include "conf/conf_hook.h"
#include "rd_hook_values.h"

enum rd_hook_step_state {
	RD_HOOK_STEP_TODO,
	RD_HOOK_STEP_RUNNING,
	RD_HOOK_STEP_OK,
	RD_HOOK_STEP_FAILED,
	RD_HOOK_STEP_SKIPPED, /* an entry before it ended the list */
	RD_HOOK_STEP_LOST,    /* started by another node, its end unknown, and not to be repeated */
};

struct rd_hook_step {
	bool background;
	bool stops; /* its failure ends the list */
	enum rd_hook_step_state state;
};

struct rd_hook_seq {
	enum rd_hook_list list;
	struct rd_hook_step *steps; /* heap */
	size_t n;
	size_t stopped_by; /* index; n: nothing has */
	bool cancelled;
};

void rd_hook_seq_init(struct rd_hook_seq *s, enum rd_hook_list list, const struct conf_hook *hooks, size_t n);
void rd_hook_seq_done(struct rd_hook_seq *s);

/* What is recorded of an entry that another node, or this one before a restart, has begun. Before the first next.
 * One that was started and did not end is LOST in lists that run at most once, and repeated in the others. LOST is no
 * failure: a hook of a node that died does not veto the recovery which that death calls for. */
enum rd_hook_mark { RD_HOOK_MARK_NONE, RD_HOOK_MARK_STARTED, RD_HOOK_MARK_OK, RD_HOOK_MARK_FAILED };
void rd_hook_seq_mark(struct rd_hook_seq *s, size_t i, enum rd_hook_mark mark);

enum rd_hook_action {
	RD_HOOK_RUN,  /* start *ret_i now; it counts as running */
	RD_HOOK_WAIT, /* for the end of the running one */
	RD_HOOK_END,  /* nobody waits for anything any more; entries in the background may still run */
};
/* Ask until it isn't RUN. */
enum rd_hook_action rd_hook_seq_next(struct rd_hook_seq *s, size_t *ret_i);
void rd_hook_seq_ended(struct rd_hook_seq *s, size_t i, bool ok);
/* No further entry is begun. */
void rd_hook_seq_cancel(struct rd_hook_seq *s);
/* An entry that ends the list has failed: what the list stands before is off. */
bool rd_hook_seq_failed(const struct rd_hook_seq *s);
/* None runs, in the background neither. */
bool rd_hook_seq_idle(const struct rd_hook_seq *s);

#endif
