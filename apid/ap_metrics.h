/* ap_metrics.h — figures as monitoring wants them: the text formats of OpenMetrics 1.0.0 and of Prometheus 0.0.4. Pure;
 * api_metrics.c collects the figures. What each figure says: ipc/metrics.def. */
#ifndef AP_METRICS_H
#define AP_METRICS_H

#include "base/str.h"
#include "ipc/ipc.h"

enum ap_metrics_format { AP_METRICS_OPEN, AP_METRICS_PLAIN };

/* What the client likes better by its Accept header (NULL = it sent none); OpenMetrics when it likes both. */
enum ap_metrics_format ap_metrics_choose(const char *accept);
const char *ap_metrics_content_type(enum ap_metrics_format format);

/* A whole exposition. Figures that stand in no table are left out. */
void ap_metrics_put(struct str_buf *b, enum ap_metrics_format format, const struct ipc_metric *const *v, size_t n);

#endif
