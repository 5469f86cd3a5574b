/* ap_tls.h — HTTPS: the certificate of this node, and handshakes, which anybody may begin and nobody has to end.
 *
 * Each handshake has AP_SHAKE_MS; of more than AP_SHAKES_MAX unfinished ones the oldest is cut, so that those who only
 * begin cannot keep out those who go on. What OpenSSL computes for one is a few milliseconds of the loop. All on the
 * loop. */
#ifndef AP_TLS_H
#define AP_TLS_H

#include <sys/queue.h>

#include "base/clock.h"
#include "conf/conf.h"
#include "tls/tls.h"

#define AP_SHAKE_MS 5000
#define AP_SHAKES_MAX 512

struct bufferevent;
struct event_base;
struct ap_tls;

/* Part of the caller's record of a connection. */
struct ap_shake {
	TAILQ_ENTRY(ap_shake) next;
	struct bufferevent *bev; /* NULL: not a TLS connection */
	struct ap_tls *tls;
	struct mono until;
	bool unfinished; /* in the list */
	bool finished;	 /* once */
};

/* Reads the files that the configuration names; CONFIG says what is wrong with them. */
int ap_tls_new(struct event_base *base, struct clock *clock, const struct conf *conf, struct ap_tls **ret_tls,
	       struct err *e) MUST_USE;
/* Reads them anew, for connections from now on; after an error the former ones stay in use. */
int ap_tls_reload(struct ap_tls *tls, const struct conf *conf, struct err *e) MUST_USE;
void ap_tls_free(struct ap_tls *tls); /* NULL is fine */

/* The bufferevent of a connection that is being accepted, for evhttp. */
struct bufferevent *ap_tls_accept(struct ap_tls *tls, struct ap_shake *s);
/* The connection ends, its bufferevent is still there. peer: its address, for the log. */
void ap_tls_closing(struct ap_tls *tls, struct ap_shake *s, const char *peer);

/* Of any bufferevent: is it TLS, and which organizational units has the client's certificate? */
bool ap_tls_is(struct bufferevent *bev);
size_t ap_tls_units(struct bufferevent *bev, char ret_units[TLS_UNITS_MAX][TLS_UNIT_BYTES]);

struct ap_tls_stats {
	uint64_t failed, late, crowded;
	size_t unfinished;
};
struct ap_tls_stats ap_tls_stats(const struct ap_tls *tls); /* NULL: zeroes */

#endif
