/* ap_change.h — the common course of a change: find the route's key in a reader thread, ask raftd, answer.
 *
 * raftd answers only after its view holds the change, so a read that follows sees it. */
#ifndef AP_CHANGE_H
#define AP_CHANGE_H

#include "ap_raftd.h"

#define AP_CHANGE_TIMEOUT_MS 10000
#define AP_RECOVER_TIMEOUT_MS 600000 /* for the answer; a recovery may go on */

/* A probe's own time-outs, and some for queueing. */
int64_t ap_probe_timeout_ms(const struct conf *conf);

/* What a change is about; its texts live as long as the request. */
struct ap_change {
	struct topo_key key;
	const char *text; /* these are the handler's own */
	const char *text2;
	int64_t number;
	bool flag;
};

/* The request's, made at first use. */
struct ap_change *ap_change_of(struct ap_request *rq);
/* Finds the route's key (resolve: false = used as given), then runs ask(), which ends in ap_ask. */
void ap_change_start(struct ap_request *rq, bool resolve, void (*ask)(struct ap_request *rq, struct ap_change *c));
/* In on_reply: answers and returns true when there is no reply or raftd refused. */
bool ap_change_failed(struct ap_request *rq, const struct ipc_reply *reply, const struct err *e);

#endif
