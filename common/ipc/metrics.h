/* ipc/metrics.h — what is known about each figure of a node: the table metrics.def. Pure.
 *
 * The OpenMetrics name is "orchestrator_", then the historical name with every other character than letters and digits
 * as '_', or what the table says instead; a counter's sample has "_total" behind it. */
#ifndef IPC_METRICS_H
#define IPC_METRICS_H

#include "base/str.h"

enum ipc_metric_unit { IPC_UNIT_NONE, IPC_UNIT_BYTES, IPC_UNIT_MS, IPC_UNIT_US };

struct ipc_metric_info {
	const char *name; /* with dots, as in messages and /debug/metrics */
	bool counter;	  /* else a gauge */
	enum ipc_metric_unit unit;
	const char *help;
	const char *open; /* OpenMetrics name without "orchestrator_"; NULL: made from name */
};

size_t ipc_metrics_count(void);
const struct ipc_metric_info *ipc_metrics_at(size_t i); /* in the order of the table */
/* NULL when it stands in no table. */
const struct ipc_metric_info *ipc_metrics_find(const char *name);

/* Appends the name of the family, without "_total". */
void ipc_metrics_put_open_name(const struct ipc_metric_info *m, struct str_buf *b);
/* As OpenMetrics has it, NULL = none; the name of the family ends in it. */
const char *ipc_metrics_unit(const struct ipc_metric_info *m);
/* A value in that unit. */
double ipc_metrics_scaled(const struct ipc_metric_info *m, double value);

#endif
