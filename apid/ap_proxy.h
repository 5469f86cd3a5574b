/* ap_proxy.h — passing requests on to the leader (http-api.md section 1.5, design.md section 9).
 *
 * A relayed request carries AP_HEADER_RELAYED (ap_hop.h) and is never passed on again. What surely was not carried out
 * (the leader could not be reached, or answered that it does not lead), and any read, is tried again for
 * AP_PROXY_PATIENCE_MS with whoever leads then, which may be this node; a change that may have reached a leader is not
 * repeated: its outcome is unknown. The answer is awaited as long as the operation itself may take. Answers of up to
 * AP_PROXY_WHOLE_MAX are received whole before anything is passed on, longer ones are streamed, no faster than the
 * client takes them. The answer to a change waits until this node's own view has it, at most AP_INDEX_WAIT_MS. */
#ifndef AP_PROXY_H
#define AP_PROXY_H

#include "ap.h"
#include "ap_where.h"

#define AP_PROXY_MAX 1024	  /* relayed requests at once */
#define AP_PROXY_PATIENCE_MS 3000 /* until there is a leader that answers */
#define AP_PROXY_CONNECT_MS 2000  /* TCP and TLS */
#define AP_PROXY_WHOLE_MAX (256 * 1024)
#define AP_PROXY_CHANGE_MAX (64 << 20) /* answers to changes are never streamed */
#define AP_PROXY_BACKLOG_MAX (1 << 20) /* of a client that reads slowly */
#define AP_PROXY_STALL_MS 10000	       /* within a streamed answer */
#define AP_INDEX_WAIT_MS 5000

struct ap_proxy;

void ap_proxy_start(struct ap *ap, struct ap_proxy **ret_p);
/* The node stops soon: no further attempts, and what is under way has so much time left. */
void ap_proxy_finish(struct ap *ap, int64_t ms);
/* Requests under way are answered with an error. Sets ap->proxy to NULL; NULL is fine. */
void ap_proxy_stop(struct ap *ap);

/* Ends the request: by the leader's answer, by this node's own when it has come to lead, or by an error. */
void ap_proxy_relay(struct ap_request *rq);
/* raftd of this node refused a change because it does not lead (any more): true when the request is taken care of. */
bool ap_proxy_refused(struct ap_request *rq);
/* To a request that was passed on to a node that does not lead. Ends it. */
void ap_proxy_reply_not_leader(struct ap_request *rq);
/* To a change when there is no leader. Ends it. */
void ap_proxy_reply_no_leader(struct ap_request *rq);

/* What ap_where_to is asked. */
struct ap_errand ap_errand_of(const struct ap_request *rq);
struct ap_standing ap_standing_now(const struct ap *ap);

struct ap_proxy_stats {
	uint64_t relayed, attempts, failed, refused, streamed, late_views;
	size_t under_way;
};
struct ap_proxy_stats ap_proxy_stats(const struct ap_proxy *p);

#endif
