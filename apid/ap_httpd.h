/* ap_httpd.h — the listeners: TCP (or the Unix socket of ListenSocket) for clients, and the control socket for
 * `orchestrator -c`. Limits: header and body size, connections, idle time; duplicate Host, Content-Length and
 * Transfer-Encoding are rejected. */
#ifndef AP_HTTPD_H
#define AP_HTTPD_H

#include "ap.h"

#define AP_HEADERS_MAX (64 * 1024)
#define AP_BODY_MAX (1024 * 1024)
#define AP_CONNECTIONS_MAX 4096
#define AP_IDLE_S 60

/* listen: serve the configured address too; false in one-shot mode, where only the control socket is opened. */
int ap_httpd_start(struct ap *ap, bool listen, struct ap_httpd **ret_h, struct err *e) MUST_USE;
/* Stops accepting, answers what is running until the deadline. */
void ap_httpd_stop(struct ap_httpd *h);

struct ap_httpd_stats {
	uint64_t requests, answered_ok, answered_error, rejected, connections_total, rests;
	int64_t connections, in_flight;
};
struct ap_httpd_stats ap_httpd_stats(const struct ap_httpd *h);

#endif
