/* ap_raftd.h — apid's links to raftd: requests with ids and deadlines over the PAIR, published state over SUB. */
#ifndef AP_RAFTD_H
#define AP_RAFTD_H

#include "ap.h"
#include "ap_history.h"
#include "ap_samples.h"

#define AP_PENDING_MAX 4096

struct ap_raftd *ap_raftd_start(struct ap *ap);
/* Pending requests are answered with an error. Sets ap->raftd to NULL; NULL is fine. */
void ap_raftd_stop(struct ap *ap);

/* reply is NULL when there is none (e says why: not connected, timed out, restarted: the outcome is then unknown). Runs
 * once, on the loop, and must end the request; reply is valid until it returns. */
typedef void (*ap_reply_fn)(struct ap_request *rq, const struct ipc_reply *reply, const struct err *e);

/* Sends message (its first field is request_id, filled here). Waits for the link up to timeout_ms in all: a restarting
 * raftd is back within that time. */
void ap_ask(struct ap_request *rq, uint32_t type, void *message, int64_t timeout_ms, ap_reply_fn on_reply);

/* What raftd published last; loop only. */
const struct ipc_state *ap_state(const struct ap *ap); /* never NULL; zeroes before the first */
/* leader-check: this node leads and its lease holds now. */
bool ap_is_leader(const struct ap *ap);
const struct ipc_metric_list *ap_metrics(const struct ap *ap);
/* NULL when the node stops. */
struct ap_samples *ap_samples(const struct ap *ap);
/* Of the newest `seconds` seconds, as ap_history_read. */
size_t ap_queue_history(const struct ap *ap, enum ap_queue queue, int64_t seconds, struct ap_queue_sample *ret,
			size_t max);
bool ap_raftd_is_up(const struct ap *ap);
/* CHILD_PEER from the supervisor: opens and ends the links. */
int ap_raftd_peer(struct ap_raftd *r, const struct ipc_child_peer *m, struct err *e) MUST_USE;

#endif
