/* ap_request.h — making and ending requests; used by ap_httpd, ap_readers and ap_raftd. */
#ifndef AP_REQUEST_H
#define AP_REQUEST_H

#include "ap.h"

struct ap_request *ap_request_new(struct ap *ap, struct evhttp_request *http, bool trusted);
void ap_request_free(struct ap_request *rq);
/* Number of requests alive. */
int64_t ap_requests_alive(void);

#endif
