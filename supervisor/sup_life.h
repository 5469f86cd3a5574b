/* sup_life.h — what each child is doing and what is due for it. Pure: plain data and a given time.
 *
 * Children stand in groups in the order of starting (children.def). A group whose `waits_for` names another starts
 * once every child of that one has been ready; later deaths of the other do not hold it up. Stopping goes backwards:
 * a group is told to stop when all later ones have ended, and must have ended when its share of the time is over. */
#ifndef SUPERVISOR_SUP_LIFE_H
#define SUPERVISOR_SUP_LIFE_H

#include "base/clock.h"

enum sup_state {
	SUP_DOWN,     /* no process; starts at start_at */
	SUP_STARTING, /* process runs, not ready yet */
	SUP_READY,    /* beats */
	SUP_STOPPING, /* told to stop, ends by stop_by */
	SUP_KILLED,   /* SIGKILL sent, not reaped yet */
	SUP_OVER,     /* no process, and none will be started */
};
const char *sup_state_name(enum sup_state s);

struct sup_life {
	unsigned group;
	int waits_for;	       /* group, -1 = none */
	unsigned stop_percent; /* of the time for stopping, counted from its begin */
	enum sup_state state;
	bool ever_ready;
	struct mono start_at, started, last_beat, stop_by, killed;
};

struct sup_times {
	int64_t ready_us, beat_dead_us, stop_us;
};
extern const struct sup_times sup_times_default; /* proc_contract.h */

enum sup_action { SUP_NOTHING, SUP_START, SUP_TELL_STOP, SUP_KILL_NOT_READY, SUP_KILL_SILENT, SUP_KILL_LATE };

/* What to do for one child, and when: at once if `at` is not after now. */
struct sup_due {
	enum sup_action action;
	struct mono at;
};

#define SUP_NEVER ((struct mono){INT64_MAX})

struct sup_due sup_life_due(const struct sup_times *t, const struct sup_life *all, size_t n, size_t i, bool stopping,
			    struct mono stop_began);
/* Every child has been ready. */
bool sup_life_all_ready(const struct sup_life *all, size_t n);
bool sup_life_all_over(const struct sup_life *all, size_t n);
/* Nobody is stuck: who is ready beats, who was killed is gone. For the watchdog of init. */
bool sup_life_healthy(const struct sup_times *t, const struct sup_life *all, size_t n, struct mono now);
/* We ourselves did not run for that long (SIGSTOP, a suspended machine): nobody is to blame for beats we didn't read.
 */
void sup_life_forgive(struct sup_life *all, size_t n, int64_t us);

#endif
