/* rd_metrics.h — raftd's figures, and those of the probers added up; what they say: ipc/metrics.def. Pure.
 *
 * A prober's counters begin at 0 when it is started anew: what the former one had counted stays in the sum. Its gauges
 * vanish with it. */
#ifndef RD_METRICS_H
#define RD_METRICS_H

#include "ipc/ipc.h"

struct rd_metrics {
#define METRIC_RAFTD(member, ...) uint64_t member;
#define METRIC_LINK(member, ...) uint64_t link_##member;
#include "ipc/metrics.def"
};

struct rd_pool_stats;

#define RD_POOL_NAMES_MAX 512 /* different names over all probers; more are ignored */

struct rd_pool_stats *rd_pool_stats_new(unsigned slots);
void rd_pool_stats_free(struct rd_pool_stats *p); /* NULL is fine */
void rd_pool_stats_take(struct rd_pool_stats *p, unsigned slot, const struct ipc_metric_list *list);
void rd_pool_stats_down(struct rd_pool_stats *p, unsigned slot);

/* Own figures, then those of the pool with other names. Fills at most max; returns their number. Names are borrowed. */
size_t rd_metrics_list(const struct rd_metrics *m, const struct rd_pool_stats *p, struct ipc_metric *ret, size_t max);

#endif
