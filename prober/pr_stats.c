/* pr_stats.c — counters to metrics. Pure; called by pr_app.c once a second. */
#include "pr_stats.h"

void
pr_metric_put(struct pr_metrics *m, const char *name, double value, bool counter)
{
	if (m->n < PR_METRICS_MAX)
		m->v[m->n++] = (struct ipc_metric){.name = name, .value = value, .counter = counter};
}

void
pr_stats_put(const struct pr_stats *s, struct pr_metrics *m)
{
#define PR_STAT(member, name) pr_metric_put(m, name, (double)s->member, true);
#include "pr_stats.def"
#undef PR_STAT
}
