/* ap.h — apid's shared types: the process (struct ap) and one HTTP request (struct ap_request).
 *
 * Life of a request: ap_httpd takes it from evhttp, ap_dispatch finds its route → the handler api_<route>() runs in a
 * reader thread and builds the answer from the database, or (CALLS in routes.def) runs on the loop and ends in exactly
 * one of: ap_reply_* (answers now), ap_read_then (a reader thread first), or ap_ask (raftd first; its callback
 * answers). Each of them may end the request before it returns: a handler touches it no more.
 *
 * A request lives until it is answered, whatever its client does: evhttp leaves rq->http alone until
 * evhttp_send_reply(), which throws the answer away if the client has gone. So exactly one answer is due, and nobody
 * may free the evhttp server before: main.c ends in that order. */
#ifndef AP_H
#define AP_H

#include <event2/http.h>

#include "ap_auth.h"
#include "ap_json.h"
#include "ap_router.h"
#include "ap_url.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "conf/conf.h"
#include "ipc/link.h"
#include "proc/proc.h"

struct ap_graphite;
struct ap_groups;
struct ap_health;
struct ap_httpd;
struct ap_proxy;
struct ap_readers;
struct ap_raftd;

struct ap {
	struct proc *proc;
	struct event_base *base;
	struct clock *clock;
	struct conf *conf; /* current; requests hold their own reference */
	struct ap_httpd *httpd;
	struct ap_readers *readers;   /* NULL: not started, or stopped */
	struct ap_raftd *raftd;	      /* same */
	struct ap_proxy *proxy;	      /* same */
	struct ap_graphite *graphite; /* same; of the service alone */
	struct ap_groups *groups;     /* made at first use */
	struct ap_health *health;     /* made at first use */
	const char *hostname;	      /* of this node; does not change, nor do the next two */
	const char *node_token;
	char *message_prefix; /* of every envelope's message, may be "" */
	bool stopping;	      /* connections end with their answer */
	int64_t requests_alive;
	uint64_t answered_ok, answered_error; /* by status: below 400, and others */
	uint64_t unauthorized;		      /* answered with 401 */
};

struct ap_request {
	struct ap *ap;
	struct conf *conf; /* as it was when the request arrived */
	struct evhttp_request *http;
	bool trusted; /* came through the control socket: local administrator */
	bool relayed; /* another node passed it on */
	bool is_head;
	bool takes_gzip;
	bool gzipped;				 /* body is */
	struct mono relay_until;		 /* for ap_proxy: no new attempt after; 0 = not relayed yet */
	char user[AP_USER_BYTES];		 /* authenticated user, may be "" */
	void (*then_run)(struct ap_request *rq); /* ap_gate's own */
	struct ap_match match;
	struct ap_query query;
	struct mem_arena arena;
	struct str_buf body; /* the answer while it is being built */
	int status;
	void *state; /* a handler's own, between its stages; allocate it in the arena */
};

/* Parameters; all texts live as long as the request, blanks around them are trimmed. */
const char *ap_param(const struct ap_request *rq, const char *name); /* the route must have it */
bool ap_has_param(const struct ap_request *rq, const char *name);
const char *ap_query(const struct ap_request *rq, const char *name); /* "" when absent */
/* From the path, or from the query where the path has no such part. */
const char *ap_param_or_query(const struct ap_request *rq, const char *name);

/* --- answering; each ends the request -------------------------------------------------------------------------- */
/* Raw JSON in rq->body with rq->status. */
void ap_reply_body(struct ap_request *rq);
/* A JSON value of one text, such as "OK". */
void ap_reply_text(struct ap_request *rq, int status, const char *text);
/* Envelope {"Code":"OK","Message":…,"Details":null} */
void ap_reply_ok(struct ap_request *rq, const char *fmt, ...) PRINTF_LIKE(2, 3);
void ap_reply_ok_key(struct ap_request *rq, const struct topo_key *key, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Envelope with Code ERROR, status 500. */
void ap_reply_error(struct ap_request *rq, const char *fmt, ...) PRINTF_LIKE(2, 3);
void ap_reply_error_key(struct ap_request *rq, const struct topo_key *key, const char *fmt, ...) PRINTF_LIKE(3, 4);
void ap_reply_err(struct ap_request *rq, const struct err *e);
/* The same with another status, for what a load balancer or a proxy should notice. */
void ap_reply_error_status(struct ap_request *rq, int status, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* rq->body as another content type. */
void ap_reply_as(struct ap_request *rq, int status, const char *content_type);
void ap_reply_not_found(struct ap_request *rq); /* the plain 404 of unknown paths */

/* One more header of the answer. */
void ap_add_header(struct ap_request *rq, const char *name, const char *value);

/* Writing an envelope whose Details the caller writes: begin, one value, end; then ap_reply_body. Sets rq->status.
 * Works in reader threads. */
void ap_envelope_begin(struct ap_request *rq, struct ap_json *j, bool ok, const char *fmt, ...) PRINTF_LIKE(4, 5);
void ap_envelope_end(struct ap_json *j);

#endif
