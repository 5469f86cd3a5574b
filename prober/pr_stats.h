/* pr_stats.h — what the prober counts, and its gauges as of the last second; what they say: ipc/metrics.def. */
#ifndef PR_STATS_H
#define PR_STATS_H

#include "ipc/ipc.h"

struct pr_stats {
#define METRIC_PROBER(member, ...) uint64_t member;
#include "ipc/metrics.def"
};

enum {
#define METRIC_PROBER(member, ...) PR_STATS_##member,
#include "ipc/metrics.def"
	PR_STATS_COUNT
};

/* All of them, for PROBER_STATS. */
void pr_stats_list(const struct pr_stats *s, struct ipc_metric ret[PR_STATS_COUNT]);

#endif
