/* ap_proxy.c — the course of a relayed request: attempts, waiting for a leader, the end. Owns the relays and curl's
 * transfers; what one attempt sends and receives is in ap_relay.c. All on the loop. */
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "ap_change.h"
#include "ap_dispatch.h"
#include "ap_hop.h"
#include "ap_proxy_private.h"
#include "ap_raftd.h"
#include "ap_request.h"
#include "base/log.h"

#define BAD_GATEWAY 502
#define GATEWAY_TIMEOUT 504
#define SWEEP_MS 20
#define RETRY_MS 100
#define HURRY_MS 2000	  /* for the answer of one that was the leader: twice an election takes less */
#define READ_MS 30000	  /* the readers' patience and their queue */
#define UNKNOWN_MS 600000 /* what this version does not serve, but a newer leader may */
#define SLACK_MS 5000	  /* beyond the operation's own time: network, the leader's own waiting */

TAILQ_HEAD(relay_list, ap_relay);

struct ap_proxy {
	struct ap *ap;
	struct ap_multi *multi;
	struct event *sweep; /* runs while there are relays */
	struct relay_list relays;
	struct ap_proxy_stats stats;
};

/* --- what is asked, and how long it may take ------------------------------------------------------------------------ */
struct ap_errand
ap_errand_of(const struct ap_request *rq)
{
	const struct ap_route *route = rq->match.route;

	return (struct ap_errand){.where = route->where,
				  .changes = route->access == AP_WRITE || route->access == AP_CHANGE,
				  .relayed = rq->relayed,
				  .control = rq->trusted};
}

struct ap_standing
ap_standing_now(const struct ap *ap)
{
	bool configured = ap->conf->RaftEnabled && proc_setup(ap->proc)->mode == PROC_MODE_SERVICE;

	return ap_standing_of(ap_state(ap), configured, clk_mono(ap->clock).us);
}

static int64_t
operation_ms(const struct ap_request *rq)
{
	const struct ap_route *route = rq->match.route;

	if (route->calls == NULL && route->reads == NULL)
		return UNKNOWN_MS;
	if (route->reads != NULL)
		return READ_MS;
	if (route->calls == api_recover || route->calls == api_recover_lite || route->calls == api_abort_recovery)
		return AP_RECOVER_TIMEOUT_MS;
	return max_i64(AP_CHANGE_TIMEOUT_MS, ap_probe_timeout_ms(rq->conf));
}

static struct mono
now_of(const struct ap_proxy *p)
{
	return clk_mono(p->ap->clock);
}

static struct mono
in_ms(const struct ap_proxy *p, int64_t ms)
{
	return mono_add_us(now_of(p), ms * CLK_MS);
}

/* --- ends ----------------------------------------------------------------------------------------------------------- */
void
ap_proxy_reply_not_leader(struct ap_request *rq)
{
	const struct ipc_state *s = ap_state(rq->ap);

	ap_add_header(rq, AP_HEADER_NOT_LEADER, "true");
	ap_reply_error_status(rq, HTTP_SERVUNAVAIL, "not leader: the leader is %s; nothing was done",
			      s->leader[0] == '\0' ? "not known" : s->leader);
}

void
ap_proxy_reply_no_leader(struct ap_request *rq)
{
	const struct ipc_state *s = ap_state(rq->ap);

	ap_add_header(rq, "Retry-After", "1");
	ap_reply_error_status(rq, HTTP_SERVUNAVAIL,
			      "there is no raft leader at present%s%s; nothing was changed, try again",
			      s->phase_why[0] == '\0' ? "" : ": ", s->phase_why);
}

/* The request is the caller's again. */
static struct ap_request *
release(struct ap_relay *r)
{
	struct ap_request *rq = r->rq;
	struct ap_proxy *p = r->p;

	if (r->easy != NULL && r->in_multi)
		ap_multi_remove(p->multi, r->easy);
	ap_relay_reset(r);
	TAILQ_REMOVE(&p->relays, r, next);
	p->stats.under_way--;
	if (TAILQ_EMPTY(&p->relays))
		(void)event_del(p->sweep);
	free(r->leader);
	free(r);
	return rq;
}

/* The view of this node has the change, or could not get it in time: the change itself was made. */
static void
on_view(struct ap_request *rq, const struct ipc_reply *reply, const struct err *e UNUSED)
{
	if (reply == NULL || reply->code != 0) {
		ap_add_header(rq, AP_HEADER_STALE, "true");
		if (rq->ap->proxy != NULL)
			rq->ap->proxy->stats.late_views++;
	}
	ap_reply_relayed(rq, rq->status);
}

static void
pass_on(struct ap_relay *r)
{
	struct ipc_wait_index ask = {.index = r->changes ? r->index : 0,
				     .deadline_us = in_ms(r->p, AP_INDEX_WAIT_MS).us};
	int status = r->status;
	struct str_buf body = r->rq->body;
	struct ap_request *rq = r->rq;

	ap_relay_copy_headers(r);
	rq->body = (struct str_buf){0};
	(void)release(r);
	rq->body = body;
	rq->status = status;
	if (ask.index > 0)
		ap_ask(rq, IPC_WAIT_INDEX, &ask, AP_INDEX_WAIT_MS + RETRY_MS, on_view);
	else
		ap_reply_relayed(rq, status);
}

/* --- attempts ------------------------------------------------------------------------------------------------------- */
static void
wait_for_next(struct ap_relay *r)
{
	ap_relay_reset(r);
	r->next_try = in_ms(r->p, RETRY_MS);
}

/* Nobody to ask in all that time. */
static void
give_up(struct ap_relay *r)
{
	bool changes = r->changes;
	struct ap_request *rq = release(r);

	if (rq->relayed)
		ap_proxy_reply_not_leader(rq);
	else if (changes)
		ap_proxy_reply_no_leader(rq);
	else
		ap_run_here(rq, true);
}

static void
try_again(struct ap_relay *r)
{
	if (mono_before(now_of(r->p), r->rq->relay_until))
		wait_for_next(r);
	else
		give_up(r);
}

/* Trying again cannot help: certificates, ours or the leader's. */
static bool
is_hopeless(const struct ap_relay *r, CURLcode rc)
{
	return r->too_large || rc == CURLE_PEER_FAILED_VERIFICATION || rc == CURLE_SSL_CERTPROBLEM ||
	       rc == CURLE_SSL_CACERT_BADFILE || (r->timed_out && !r->hurried);
}

/* 503 means that nothing was done and that it may be tried again: a client may do so even with a change. */
static int
failure_status(const struct ap_relay *r, CURLcode rc, bool sent)
{
	if (r->timed_out)
		return GATEWAY_TIMEOUT;
	return sent || is_hopeless(r, rc) ? BAD_GATEWAY : HTTP_SERVUNAVAIL;
}

static void
fail(struct ap_relay *r, CURLcode rc, bool sent)
{
	const char *outcome = !r->changes ? "" : sent ? "; the outcome is unknown" : "; nothing was changed";
	int status = failure_status(r, rc, sent);
	char *leader = r->leader;
	char why[CURL_ERROR_SIZE];
	struct ap_request *rq;

	r->p->stats.failed++;
	(void)str_copy(why, sizeof(why), r->too_large ? "its answer is too large" : r->error);
	r->leader = NULL;
	rq = release(r);
	log_info("proxy", "no answer from the leader, path=%s leader=%s: %s", LOG_Q(rq->match.route->path),
		 LOG_Q(leader), LOG_Q(why));
	if (status == HTTP_SERVUNAVAIL)
		ap_add_header(rq, "Retry-After", "1");
	ap_reply_error_status(rq, status, "no answer from the leader %s: %s%s", leader, why, outcome);
	free(leader);
}

static bool
may_repeat(const struct ap_relay *r, CURLcode rc, bool sent)
{
	return (!sent || !r->changes) && !is_hopeless(r, rc) && mono_before(now_of(r->p), r->rq->relay_until);
}

static void
attempt_ended(struct ap_relay *r, CURLcode rc)
{
	long request_bytes = 0;
	bool sent;

	(void)curl_easy_getinfo(r->easy, CURLINFO_REQUEST_SIZE, &request_bytes);
	sent = request_bytes > 0;
	if (rc == CURLE_OK && (r->status < HTTP_OK || r->status > 999))
		rc = CURLE_WEIRD_SERVER_REPLY;
	if (r->error[0] == '\0')
		(void)str_copy(r->error, sizeof(r->error), curl_easy_strerror(rc));
	if (r->streaming && rc == CURLE_OK) {
		r->finishing = true; /* the sweep waits for the client */
	} else if (r->streaming) {
		r->p->stats.streamed++;
		ap_stream_end(release(r), false);
	} else if (rc == CURLE_OK && r->not_leader && r->status == HTTP_SERVUNAVAIL) {
		r->p->stats.refused++;
		try_again(r);
	} else if (rc == CURLE_OK) {
		pass_on(r);
	} else if (may_repeat(r, rc, sent)) {
		wait_for_next(r);
	} else {
		fail(r, rc, sent);
	}
}

static void
on_done(void *ctx, CURL *easy UNUSED, CURLcode rc)
{
	struct ap_relay *r = ctx;

	r->in_multi = false;
	attempt_ended(r, rc);
}

static void
start_attempt(struct ap_relay *r)
{
	ap_relay_prepare(r, ap_state(r->p->ap));
	r->transfer = (struct ap_transfer){on_done, r};
	r->deadline = in_ms(r->p, operation_ms(r->rq) + SLACK_MS);
	r->p->stats.attempts++;
	r->in_multi = true;
	ap_multi_add(r->p->multi, r->easy, &r->transfer);
}

static void
attempt(struct ap_relay *r)
{
	struct ap_standing s = ap_standing_now(r->p->ap);
	struct ap_errand what = ap_errand_of(r->rq);

	switch (ap_where_to(&s, &what)) {
	case AP_RELAY:
		start_attempt(r);
		break;
	case AP_HERE:
		ap_run_here(release(r), false);
		break;
	case AP_HERE_STALE:
	case AP_NO_LEADER:
	case AP_NOT_LEADER:
		try_again(r);
		break;
	}
}

/* --- the sweep: deadlines, clients that read slowly, next attempts -------------------------------------------------- */
static void
cut(struct ap_relay *r, const char *why)
{
	ap_multi_remove(r->p->multi, r->easy);
	r->in_multi = false;
	r->timed_out = true;
	(void)str_copy(r->error, sizeof(r->error), why);
	attempt_ended(r, CURLE_OPERATION_TIMEDOUT);
}

/* False when the client has gone: r is freed. */
static bool
feed_client(struct ap_relay *r)
{
	size_t backlog = ap_stream_backlog(r->rq);

	if (backlog == AP_STREAM_GONE) {
		cut(r, "the client has gone");
		return false;
	}
	r->deadline = in_ms(r->p, AP_PROXY_STALL_MS); /* the leader is not to blame */
	if (backlog > AP_PROXY_BACKLOG_MAX / 2)
		return true;
	r->paused = false;
	(void)curl_easy_pause(r->easy, CURLPAUSE_CONT);
	return true;
}

/* All is there; the client takes what is left. The answer is ended when its buffer was empty twice: the TLS
 * bufferevent's "it is empty" comes a moment late, and evhttp, told that the answer has ended meanwhile, would take it for
 * that of the end, and stop in the middle. */
static void
finish(struct ap_relay *r)
{
	size_t backlog = ap_stream_backlog(r->rq);

	if (backlog != 0 && backlog != AP_STREAM_GONE) {
		r->was_empty = false;
	} else if (!r->was_empty) {
		r->was_empty = true;
	} else {
		r->p->stats.streamed++;
		ap_stream_end(release(r), true);
	}
}

static bool
another_leads(const struct ap_relay *r)
{
	const char *leader = ap_state(r->p->ap)->leader;

	return leader[0] != '\0' && strcmp(leader, r->leader) != 0;
}

static void
hurry(struct ap_relay *r, int64_t ms)
{
	struct mono soon = in_ms(r->p, ms);

	r->hurried = true;
	if (mono_before(soon, r->deadline))
		r->deadline = soon;
}

static void
look_at(struct ap_relay *r)
{
	if (r->finishing) {
		finish(r);
		return;
	}
	if (r->easy == NULL) {
		if (!mono_before(now_of(r->p), r->next_try))
			attempt(r);
		return;
	}
	if (r->paused && !feed_client(r))
		return;
	if (!r->streaming && !r->hurried && another_leads(r))
		hurry(r, HURRY_MS);
	if (!mono_before(now_of(r->p), r->deadline))
		cut(r, "no answer in time");
}

static void
on_sweep(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct ap_proxy *p = arg;
	struct ap_relay *r, *next;

	for (r = TAILQ_FIRST(&p->relays); r != NULL; r = next) {
		next = TAILQ_NEXT(r, next);
		look_at(r);
	}
}

/* --- start and end -------------------------------------------------------------------------------------------------- */
void
ap_proxy_start(struct ap *ap, struct ap_proxy **ret_p)
{
	struct ap_proxy *p = mem_new(struct ap_proxy);

	p->ap = ap;
	p->multi = ap_multi_new(ap->base);
	p->sweep = event_new(ap->base, -1, EV_PERSIST, on_sweep, p);
	ASSERT(p->sweep != NULL);
	TAILQ_INIT(&p->relays);
	*ret_p = p;
}

void
ap_proxy_finish(struct ap *ap, int64_t ms)
{
	struct ap_relay *r;

	if (ap->proxy == NULL)
		return;
	TAILQ_FOREACH (r, &ap->proxy->relays, next) {
		hurry(r, ms);
		r->rq->relay_until = now_of(r->p);
	}
}

static void
drop(struct ap_relay *r)
{
	bool streaming = r->streaming, asked = r->easy != NULL;
	struct ap_request *rq = release(r);

	if (streaming)
		ap_stream_end(rq, false);
	else
		ap_reply_error(rq, "the node is stopping%s",
			       asked ? "; the outcome is unknown" : "; nothing was changed");
}

void
ap_proxy_stop(struct ap *ap)
{
	struct ap_proxy *p = ap->proxy;

	if (p == NULL)
		return;
	ap->proxy = NULL; /* nothing comes in any more */
	while (!TAILQ_EMPTY(&p->relays))
		drop(TAILQ_FIRST(&p->relays));
	ap_multi_free(p->multi);
	event_free(p->sweep);
	free(p);
}

static struct ap_relay *
new_relay(struct ap_proxy *p, struct ap_request *rq)
{
	static const struct timeval tick = {0, SWEEP_MS * 1000};
	struct ap_relay *r = mem_new(struct ap_relay);

	r->p = p;
	r->rq = rq;
	r->changes = ap_errand_of(rq).changes;
	TAILQ_INIT(&r->answer);
	if (TAILQ_EMPTY(&p->relays))
		ASSERT(event_add(p->sweep, &tick) == 0);
	TAILQ_INSERT_TAIL(&p->relays, r, next);
	p->stats.under_way++;
	return r;
}

/* NULL when the request was refused. */
static struct ap_relay *
accept_request(struct ap_request *rq)
{
	struct ap_proxy *p = rq->ap->proxy;

	if (p == NULL) {
		ap_reply_error(rq, "the node is stopping; nothing was changed");
		return NULL;
	}
	if (p->stats.under_way >= AP_PROXY_MAX) {
		ap_reply_error_status(rq, HTTP_SERVUNAVAIL, "%d requests wait for the leader already; nothing was done",
				      AP_PROXY_MAX);
		return NULL;
	}
	if (rq->relay_until.us == 0) {
		rq->relay_until = in_ms(p, AP_PROXY_PATIENCE_MS);
		p->stats.relayed++;
	}
	return new_relay(p, rq);
}

void
ap_proxy_relay(struct ap_request *rq)
{
	struct ap_relay *r = accept_request(rq);

	if (r != NULL)
		attempt(r);
}

bool
ap_proxy_refused(struct ap_request *rq)
{
	struct ap_standing s = ap_standing_now(rq->ap);
	struct ap_relay *r;

	if (!s.raft || rq->ap->proxy == NULL)
		return false;
	rq->state = NULL; /* the handler's: it may run again */
	str_buf_clear(&rq->body);
	if (rq->relayed) {
		ap_proxy_reply_not_leader(rq);
	} else if ((r = accept_request(rq)) != NULL) {
		r->leader = mem_strdup("");
		try_again(r);
	}
	return true;
}

struct ap_proxy_stats
ap_proxy_stats(const struct ap_proxy *p)
{
	return p == NULL ? (struct ap_proxy_stats){0} : p->stats;
}
