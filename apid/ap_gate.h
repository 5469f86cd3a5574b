/* ap_gate.h — the shell around ap_auth.h: what a request shows is gathered, and who may not is answered. */
#ifndef AP_GATE_H
#define AP_GATE_H

#include "ap.h"

/* False: the request was answered with 401. Sets rq->user. */
bool ap_gate_passes(struct ap_request *rq);
/* Runs then() when the client may change something, perhaps later; else answers Unauthorized. For requests that passed
 * the gate; what this node itself refuses (ReadOnly, leadership) is the caller's. */
void ap_gate_right(struct ap_request *rq, void (*then)(struct ap_request *rq));

#endif
