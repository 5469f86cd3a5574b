/* pr_stats.h — what the prober counts. */
#ifndef PR_STATS_H
#define PR_STATS_H

#include "ipc/ipc.h"

struct pr_stats {
#define PR_STAT(member, name) uint64_t member;
#include "pr_stats.def"
#undef PR_STAT
};

#define PR_METRICS_MAX 64
struct pr_metrics {
	struct ipc_metric v[PR_METRICS_MAX];
	size_t n;
};

/* Adds all counters. */
void pr_stats_put(const struct pr_stats *s, struct pr_metrics *m);
/* Adds one; name is borrowed. Nothing happens when m is full. */
void pr_metric_put(struct pr_metrics *m, const char *name, double value, bool counter);

#endif
