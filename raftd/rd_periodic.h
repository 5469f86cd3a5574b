/* rd_periodic.h — which periodic task is due when (rd_periodic.def). Pure; times given. */
#ifndef RD_PERIODIC_H
#define RD_PERIODIC_H

#include "base/clock.h"

enum rd_when { RD_WHEN_ALWAYS = 0, RD_WHEN_OPEN = 1, RD_WHEN_SERVICE = 2, RD_WHEN_LEADER = 4, RD_WHEN_RAFT = 8 };
#define RD_EVERY_POLL 0

enum rd_task {
#define RD_PERIODIC(task, every, when) RD_TASK_##task,
#include "rd_periodic.def"
#undef RD_PERIODIC
	RD_TASK_COUNT
};

struct rd_periodic {
	struct mono next[RD_TASK_COUNT];
};

const char *rd_task_name(enum rd_task task);
/* All tasks become due one interval after now; those that run every minute are spread over it. */
void rd_periodic_init(struct rd_periodic *p, struct mono now, int64_t poll_us);
/* The next due task, first of the table first; RD_TASK_COUNT = none. What is given out is due again one interval after
 * now: after a pause nothing is made up for. A task whose condition doesn't hold waits, and is due when it does. */
enum rd_task rd_periodic_take(struct rd_periodic *p, struct mono now, int64_t poll_us, unsigned holds);
/* When to ask again. */
struct mono rd_periodic_wake(const struct rd_periodic *p, unsigned holds);

#endif
