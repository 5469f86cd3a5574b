/* sup_life.c — states of children and what is due (sup_life.h). PURE: called by supervisor.c on every turn. */
#include "sup_life.h"

#include "proc/proc_contract.h"

const struct sup_times sup_times_default = {
    .ready_us = PROC_READY_MS * CLK_MS,
    .beat_dead_us = PROC_BEAT_DEAD_MS * CLK_MS,
    .stop_us = PROC_STOP_MS * CLK_MS,
};

static const char *const state_names[] = {
    [SUP_DOWN] = "down",	 [SUP_STARTING] = "starting", [SUP_READY] = "ready",
    [SUP_STOPPING] = "stopping", [SUP_KILLED] = "killed",     [SUP_OVER] = "over",
};

const char *
sup_state_name(enum sup_state s)
{
	return state_names[s];
}

static bool
group_was_ready(const struct sup_life *all, size_t n, int group)
{
	for (size_t i = 0; i < n; i++) {
		if ((int)all[i].group == group && !all[i].ever_ready)
			return false;
	}
	return true;
}

static bool
later_groups_are_over(const struct sup_life *all, size_t n, unsigned group)
{
	for (size_t i = 0; i < n; i++) {
		if (all[i].group > group && all[i].state != SUP_OVER)
			return false;
	}
	return true;
}

/* The node runs. */
static struct sup_due
due_running(const struct sup_times *t, const struct sup_life *all, size_t n, const struct sup_life *l)
{
	switch (l->state) {
	case SUP_DOWN:
		if (group_was_ready(all, n, l->waits_for))
			return (struct sup_due){SUP_START, l->start_at};
		break;
	case SUP_STARTING:
		return (struct sup_due){SUP_KILL_NOT_READY, mono_add_us(l->started, t->ready_us)};
	case SUP_READY:
		return (struct sup_due){SUP_KILL_SILENT, mono_add_us(l->last_beat, t->beat_dead_us)};
	case SUP_STOPPING:
	case SUP_KILLED:
	case SUP_OVER:
		break;
	}
	return (struct sup_due){SUP_NOTHING, SUP_NEVER};
}

/* The node stops. TELL_STOP also ends children that have no process (DOWN → OVER). */
static struct sup_due
due_stopping(const struct sup_life *all, size_t n, const struct sup_life *l, struct mono stop_began)
{
	switch (l->state) {
	case SUP_DOWN:
		return (struct sup_due){SUP_TELL_STOP, stop_began};
	case SUP_STARTING:
	case SUP_READY:
		if (later_groups_are_over(all, n, l->group))
			return (struct sup_due){SUP_TELL_STOP, stop_began};
		break;
	case SUP_STOPPING:
		return (struct sup_due){SUP_KILL_LATE, l->stop_by};
	case SUP_KILLED:
	case SUP_OVER:
		break;
	}
	return (struct sup_due){SUP_NOTHING, SUP_NEVER};
}

struct sup_due
sup_life_due(const struct sup_times *t, const struct sup_life *all, size_t n, size_t i, bool stopping,
	     struct mono stop_began)
{
	if (stopping)
		return due_stopping(all, n, &all[i], stop_began);
	return due_running(t, all, n, &all[i]);
}

bool
sup_life_all_ready(const struct sup_life *all, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!all[i].ever_ready)
			return false;
	}
	return true;
}

bool
sup_life_all_over(const struct sup_life *all, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (all[i].state != SUP_OVER)
			return false;
	}
	return true;
}

bool
sup_life_healthy(const struct sup_times *t, const struct sup_life *all, size_t n, struct mono now)
{
	for (size_t i = 0; i < n; i++) {
		const struct sup_life *l = &all[i];
		if (l->state == SUP_READY && mono_diff_us(now, l->last_beat) >= t->beat_dead_us)
			return false;
		if (l->state == SUP_KILLED && mono_diff_us(now, l->killed) >= t->beat_dead_us)
			return false;
	}
	return true;
}

void
sup_life_forgive(struct sup_life *all, size_t n, int64_t us)
{
	for (size_t i = 0; i < n; i++) {
		all[i].started = mono_add_us(all[i].started, us);
		all[i].last_beat = mono_add_us(all[i].last_beat, us);
		all[i].killed = mono_add_us(all[i].killed, us);
	}
}
