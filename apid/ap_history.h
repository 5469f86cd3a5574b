/* ap_history.h — the recent past of figures that raftd publishes, for the historical discovery-queue-metrics: one sample a
 * second for each queue. Loop only. Bound: DiscoveryQueueMaxStatisticsSize samples, at most AP_HISTORY_MAX. */
#ifndef AP_HISTORY_H
#define AP_HISTORY_H

#include "base/clock.h"
#include "ipc/ipc.h"

#define AP_HISTORY_MAX 86400
#define AP_HISTORY_GAP_US (500 * CLK_MS) /* figures that come sooner are no sample of their own */

enum ap_queue { AP_QUEUE_DEFAULT, AP_QUEUE_DEAD, AP_QUEUES };

struct ap_queue_sample {
	int64_t active, queued;
};

struct ap_history;
struct ap_history *ap_history_new(void);
void ap_history_free(struct ap_history *h); /* NULL is fine */
/* A METRICS message arrived; keep: samples that are kept from now on. */
void ap_history_add(struct ap_history *h, const struct ipc_metric_list *metrics, struct mono now, size_t keep);
/* The newest `seconds` samples of a queue, oldest first; ret: room for AP_HISTORY_MAX at most, `max` of them. */
size_t ap_history_read(const struct ap_history *h, enum ap_queue queue, int64_t seconds, struct ap_queue_sample *ret,
		       size_t max);

/* Smallest, mean, median, 95th percentile (nearest rank) and greatest of n values, which get sorted; all 0 for none. */
struct ap_summary {
	double min, mean, median, p95, max;
};
struct ap_summary ap_summarize(double *v, size_t n);

#endif
