/* ap_dispatch.h — from evhttp's request to its handler: what is refused before, which paths are ours, who may. */
#ifndef AP_DISPATCH_H
#define AP_DISPATCH_H

#include "ap.h"

/* Which paths the client's door serves; fixed at start. */
struct ap_paths {
	char *prefix; /* URLPrefix: "" or "/x" */
	char *status; /* StatusEndpoint when it is not the default: an absolute path in place of api/status. NULL */
};

void ap_paths_init(struct ap_paths *paths, const struct conf *conf);
void ap_paths_done(struct ap_paths *paths);

/* What a client behind a proxy could be made to read in two ways: to be refused. */
bool ap_is_ambiguous(struct evhttp_request *http);
/* Answers http, now or later. paths NULL: the control socket, without prefix. */
void ap_dispatch(struct ap *ap, const struct ap_paths *paths, struct evhttp_request *http);
/* Runs the handler on this node, wherever the request belongs. stale: the answer says that it may be behind. */
void ap_run_here(struct ap_request *rq, bool stale);

#endif
