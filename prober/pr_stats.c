/* pr_stats.c — figures as they are sent. Pure; called by pr_app.c once a second. */
#include "pr_stats.h"

void
pr_stats_list(const struct pr_stats *s, struct ipc_metric ret[PR_STATS_COUNT])
{
#define COUNTER true
#define GAUGE false
#define METRIC_PROBER(member, name, kind, ...) \
	ret[PR_STATS_##member] = (struct ipc_metric){name, (double)s->member, kind};
#include "ipc/metrics.def"
}
