/* ap_httpd.h — the doors: TCP (or the Unix socket of ListenSocket) for clients, and the control socket for
 * `orchestrator -c`. The clients' speaks TLS with UseSSL (ap_tls.h). Limits: header and body size, connections, idle time; duplicate Host, Content-Length and
 * Transfer-Encoding are rejected. */
#ifndef AP_HTTPD_H
#define AP_HTTPD_H

#include "ap.h"
#include "ap_tls.h"

#define AP_HEADERS_MAX (32 * 1024)
#define AP_BODY_MAX (64 * 1024) /* no route reads a body yet */
#define AP_CONNECTIONS_MAX 4096 /* fewer when the process may not open so many files */
#define AP_IDLE_S 60

/* listen: serve the configured address too; false in one-shot mode, where only the control socket is opened. */
int ap_httpd_start(struct ap *ap, bool listen, struct ap_httpd **ret_h, struct err *e) MUST_USE;
/* ap->conf is another one: reads the certificate anew. NULL is fine. */
void ap_httpd_reload(struct ap_httpd *h);
/* Accepts no more; done() runs on the loop once all requests are answered and all answers written, or at the deadline.
 */
void ap_httpd_drain(struct ap_httpd *h, int64_t deadline_ms, void (*done)(void *ctx), void *ctx);
/* Every request must have been answered. NULL is fine. */
void ap_httpd_stop(struct ap_httpd *h);

struct ap_httpd_stats {
	uint64_t requests, rejected;
	uint64_t connections_total, rests; /* how often the limit was reached */
	int64_t connections;
	struct ap_tls_stats tls;
};
struct ap_httpd_stats ap_httpd_stats(const struct ap_httpd *h);

#endif
