/* ap.h — apid's shared types: the process (struct ap) and one HTTP request (struct ap_request).
 *
 * Life of a request: ap_httpd checks limits and routes it → the route's handler api_<route>() runs on the loop and ends
 * in exactly one of: ap_reply_* (answers now), ap_read (a reader thread builds the answer from the database), or ap_ask
 * (raftd is asked; its callback then replies or reads). The request lives until its answer has been handed to evhttp or
 * the client has gone; handlers never touch it afterwards. */
#ifndef AP_H
#define AP_H

#include <event2/http.h>
#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>
#include <sys/queue.h>

#include "ap_json.h"
#include "ap_router.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "conf/conf.h"
#include "ipc/link.h"
#include "proc/proc.h"

struct ap_httpd;
struct ap_readers;
struct ap_raftd;

struct ap {
	struct proc *proc;
	struct event_base *base;
	struct conf *conf; /* current; requests hold their own reference */
	struct ap_httpd *httpd;
	struct ap_readers *readers;
	struct ap_raftd *raftd;
	struct wall started;
};

struct ap_request {
	struct ap *ap;
	struct conf *conf;	     /* as it was when the request arrived */
	struct evhttp_request *http; /* NULL once the client has gone or was answered */
	bool trusted;		     /* came through the control socket: local administrator */
	bool is_head;
	char user[128]; /* authenticated user, may be "" */
	struct ap_match match;
	struct evkeyvalq query;
	struct mem_arena arena;
	struct str_buf body; /* the answer while it is being built */
	int status;
	void *state; /* a handler's own, between its stages; allocate it in the arena */
};

/* Parameters; all texts live as long as the request. */
const char *ap_param(const struct ap_request *rq, const char *name);
bool ap_has_param(const struct ap_request *rq, const char *name);
/* Query argument, blanks trimmed; "" when absent. */
const char *ap_query(const struct ap_request *rq, const char *name);

/* --- answering; each ends the request ------------------------------------------------------------------------------
 */
/* Raw JSON in rq->body with rq->status. */
void ap_reply_body(struct ap_request *rq);
/* A JSON value of one text, such as "OK". */
void ap_reply_text(struct ap_request *rq, int status, const char *text);
/* Envelope {"Code":"OK","Message":…,"Details":null} */
void ap_reply_ok(struct ap_request *rq, const char *fmt, ...) PRINTF_LIKE(2, 3);
void ap_reply_ok_key(struct ap_request *rq, const struct topo_key *key, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Envelope with Code ERROR, status 500. */
void ap_reply_error(struct ap_request *rq, const char *fmt, ...) PRINTF_LIKE(2, 3);
void ap_reply_err(struct ap_request *rq, const struct err *e);
/* Any other content type (metrics). */
void ap_reply_plain(struct ap_request *rq, int status, const char *content_type, const char *text, size_t n);

/* Writing an envelope whose Details the caller writes: begin, one value, end; then ap_reply_body. Works in reader
 * threads. */
void ap_envelope_begin(struct ap_request *rq, struct ap_json *j, bool ok, const char *message);
void ap_envelope_end(struct ap_json *j);

#endif
