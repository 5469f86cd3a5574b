/* ap_multi.h — libcurl's transfers on our event loop (its socket interface; names are looked up in curl's own threads).
 *
 * Why libcurl rather than evhttp's client: that one has no TLS verification, looks names up in the loop and keeps no
 * pool of connections. All of this belongs to the loop. */
#ifndef AP_MULTI_H
#define AP_MULTI_H

#include <curl/curl.h>

#include "base/base.h"

struct event_base;
struct ap_multi;

#define AP_MULTI_IDLE_MAX 32	     /* connections kept for the next transfer */
#define AP_MULTI_CONNECTIONS_MAX 256 /* at once; further transfers wait */

struct ap_multi *ap_multi_new(struct event_base *base);
/* Every transfer must have been removed. NULL is fine. */
void ap_multi_free(struct ap_multi *m);

/* on_done runs once, from the loop and never from within a callback of curl; the handle is out of m by then and is the
 * owner's. */
typedef void (*ap_multi_done_fn)(void *ctx, CURL *easy, CURLcode rc);
struct ap_transfer {
	ap_multi_done_fn on_done;
	void *ctx;
};
/* t must live as long as the transfer. Sets CURLOPT_PRIVATE. */
void ap_multi_add(struct ap_multi *m, CURL *easy, struct ap_transfer *t);
/* Before its end: no on_done. Not from within a callback of curl. */
void ap_multi_remove(struct ap_multi *m, CURL *easy);

#endif
