/* ap_graphite.h — the node's figures to Graphite, each GraphitePollSeconds: those of /debug/metrics, under the names that
 * the historical program gave them: GraphitePath.<name>.count for counters, GraphitePath.<name>.value for gauges. The keys
 * of the configuration are looked at each time, so that a reload takes effect. ap_carbon.h sends. */
#ifndef AP_GRAPHITE_H
#define AP_GRAPHITE_H

#include "ap.h"
#include "ap_carbon.h"

struct ap_graphite;
struct ap_graphite *ap_graphite_start(struct ap *ap);
/* The configuration changed. */
void ap_graphite_reload(struct ap_graphite *g); /* NULL is fine, here and below */
void ap_graphite_stop(struct ap *ap);		/* sets ap->graphite to NULL */
struct ap_carbon_stats ap_graphite_stats(const struct ap_graphite *g);

/* Pure. GraphitePath with {hostname} replaced. */
void ap_graphite_prefix(const struct conf *conf, const char *hostname, struct str_buf *ret);
/* Pure. Appends a figure's line. */
void ap_graphite_put(struct str_buf *b, const char *prefix, const struct ipc_metric *m, struct wall now);

#endif
