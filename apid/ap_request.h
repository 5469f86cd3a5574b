/* ap_request.h — making requests, for ap_dispatch; they end in ap_reply_*. And answers that are passed on from another
 * node, for ap_proxy. */
#ifndef AP_REQUEST_H
#define AP_REQUEST_H

#include "ap.h"

struct ap_request *ap_request_new(struct ap *ap, struct evhttp_request *http, bool trusted);

/* rq->body with headers that are set already. HEAD: no body, and Content-Length is the caller's. */
void ap_reply_relayed(struct ap_request *rq, int status);

/* An answer in pieces; headers are set before. With a Content-Length among them the pieces must add up to it. The
 * client may go at any moment: pieces are thrown away then (ap_stream_add: false). */
#define AP_STREAM_GONE SIZE_MAX
void ap_stream_start(struct ap_request *rq, int status);
bool ap_stream_add(struct ap_request *rq, const void *p, size_t n);
/* Bytes the client has not taken yet, or AP_STREAM_GONE. */
size_t ap_stream_backlog(const struct ap_request *rq);
/* Ends the request. whole: false breaks the connection, so that the client does not take what it has for all. */
void ap_stream_end(struct ap_request *rq, bool whole);

#endif
