/* ap_change.h — the common course of a change: resolve the route's key in a reader thread, ask raftd, answer.
 *
 * raftd answers only after its view holds the change, so a read that follows sees it. */
#ifndef AP_CHANGE_H
#define AP_CHANGE_H

#include "ap.h"

struct ap_change {
	struct topo_key key; /* resolved; in the request's arena */
	const char *text;    /* a handler's own */
	const char *text2;
	const char *text3;
	int64_t number;
	bool flag;
};

#define AP_CHANGE_TIMEOUT_MS 10000

/* prepare: on the loop, fills rq->state's other members from parameters; may fail. resolve: false = key used as given.
 * ask: on the loop, once the key is known: ends in ap_ask. */
void ap_change_start(struct ap_request *rq, bool resolve, void (*ask)(struct ap_request *rq, struct ap_change *c));
/* The request's ap_change, made on first use. */
struct ap_change *ap_change_of(struct ap_request *rq);

#endif
