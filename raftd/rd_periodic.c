/* rd_periodic.c — the schedule of periodic work (rd_periodic.h). Pure. */
#include "rd_periodic.h"

#define MINUTE_MS 60000

static const struct {
	const char *name;
	int64_t every_ms;
	unsigned when;
} tasks[RD_TASK_COUNT] = {
#define RD_PERIODIC(task, every, when_) [RD_TASK_##task] = {#task, every, when_},
#include "rd_periodic.def"
#undef RD_PERIODIC
};

const char *
rd_task_name(enum rd_task task)
{
	ASSERT((size_t)task < RD_TASK_COUNT);
	return tasks[task].name;
}

static int64_t
interval_us(enum rd_task t, int64_t poll_us)
{
	return tasks[t].every_ms == RD_EVERY_POLL ? poll_us : tasks[t].every_ms * CLK_MS;
}

void
rd_periodic_init(struct rd_periodic *p, struct mono now, int64_t poll_us)
{
	for (enum rd_task t = 0; t < RD_TASK_COUNT; t++) {
		int64_t us = interval_us(t, poll_us);
		if (tasks[t].every_ms == MINUTE_MS)
			us = us * ((int64_t)t + 1) / RD_TASK_COUNT;
		p->next[t] = mono_add_us(now, us);
	}
}

static bool
may_run(enum rd_task t, unsigned holds)
{
	return (tasks[t].when & ~holds) == 0;
}

enum rd_task
rd_periodic_take(struct rd_periodic *p, struct mono now, int64_t poll_us, unsigned holds)
{
	for (enum rd_task t = 0; t < RD_TASK_COUNT; t++) {
		if (!may_run(t, holds) || mono_before(now, p->next[t]))
			continue;
		p->next[t] = mono_add_us(now, interval_us(t, poll_us));
		return t;
	}
	return RD_TASK_COUNT;
}

struct mono
rd_periodic_wake(const struct rd_periodic *p, unsigned holds)
{
	struct mono wake = {INT64_MAX};

	for (enum rd_task t = 0; t < RD_TASK_COUNT; t++) {
		if (may_run(t, holds) && mono_before(p->next[t], wake))
			wake = p->next[t];
	}
	return wake;
}
