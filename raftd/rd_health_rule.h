/* rd_health_rule.h — when a backend that could not be written can be written again. Pure; called by rd_health.c.
 *
 * Not as soon as anything succeeds: a read, a batch that changes no row, or a small row in the last free block says
 * nothing about what failed. Work that is tried until it is written heals when it is. Work that nobody tries again is
 * made good by the heartbeat: it comes every second and always changes its row. All of what failed must be made good. */
#ifndef RD_HEALTH_RULE_H
#define RD_HEALTH_RULE_H

#include <stdbool.h>

enum rd_health_work {
	RD_HEALTH_BEAT,	  /* the heartbeat */
	RD_HEALTH_FLUSH,  /* telemetry: a batch that failed is part of the next one */
	RD_HEALTH_VIEW,	  /* with raft: entries, and the rebuild that makes a failed one good */
	RD_HEALTH_RELOAD, /* without raft: reading memory again */
	RD_HEALTH_ONCE,	  /* not tried again: a change that was refused, a request's own job, a look */
	RD_HEALTH_WORK_COUNT
};

struct rd_health_rule {
	bool owed[RD_HEALTH_WORK_COUNT]; /* failed and not made good yet */
};

void rd_health_rule_failed(struct rd_health_rule *r, enum rd_health_work work);
/* Whether nothing is owed now. */
bool rd_health_rule_succeeded(struct rd_health_rule *r, enum rd_health_work work);

#endif
