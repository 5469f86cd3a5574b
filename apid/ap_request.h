/* ap_request.h — making requests; used by ap_dispatch. They end in ap_reply_*. */
#ifndef AP_REQUEST_H
#define AP_REQUEST_H

#include "ap.h"

struct ap_request *ap_request_new(struct ap *ap, struct evhttp_request *http, bool trusted);

#endif
