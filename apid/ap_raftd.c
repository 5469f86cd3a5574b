/* ap_raftd.c — requests to raftd and what it publishes. Owns both links and the table of pending requests.
 * A request whose reply does not come is answered with an error that says the outcome is unknown: repeating a change is
 * safe. */
#include "ap_raftd.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "ap_hop.h"
#include "ap_proxy.h"
#include "base/log.h"

#define UID_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:/+="
#define SWEEP_MS 50

struct pending {
	uint64_t id;
	struct ap_request *rq;
	ap_reply_fn on_reply;
	struct mono deadline;
	uint32_t type;
	void *message; /* owned copy while it waits for the link, else NULL */
	UT_hash_handle hh;
};

struct ap_raftd {
	struct ap *ap;
	struct ipc_link *link, *events; /* NULL while raftd doesn't run */
	struct pending *pending;
	uint64_t next_id;
	struct event *sweep;	    /* runs while something is pending */
	struct ipc_state state;	    /* owning */
	struct ipc_metrics metrics; /* owning */
	struct ap_history *history;
	struct ap_samples *samples;
	uint64_t last_seq;
};

static const struct rec_desc *
desc_of(uint32_t type)
{
	return ipc_msg_info(type)->desc;
}

static void
drop_message(struct pending *p)
{
	if (p->message == NULL)
		return;
	rec_done(desc_of(p->type), p->message);
	free(p->message);
	p->message = NULL;
}

/* Where a change stands in the log: whoever passes the answer on waits for it. */
static void
add_index(struct ap_request *rq, const struct ipc_reply *reply)
{
	char text[24];

	if (reply->index == 0 || !ap_standing_now(rq->ap).raft || !ap_errand_of(rq).changes)
		return;
	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)reply->index);
	ap_add_header(rq, AP_HEADER_INDEX, text);
}

static void
finish(struct ap_raftd *r, struct pending *p, const struct ipc_reply *reply, const struct err *e)
{
	bool waited = p->type == IPC_WAIT_INDEX; /* for another node's answer */

	HASH_DEL(r->pending, p);
	drop_message(p);
	if (reply != NULL && reply->code == 0 && !waited)
		add_index(p->rq, reply);
	if (reply == NULL || reply->code != -ERR_NOT_LEADER || waited || !ap_proxy_refused(p->rq))
		p->on_reply(p->rq, reply, e);
	free(p);
}

static void
transmit(struct ap_raftd *r, struct pending *p)
{
	struct err e;
	int rc = ipc_send(r->link, p->type, p->message, &e);

	if (rc == -ERR_IPC_DOWN)
		return; /* stays pending until the link is up or the deadline passes */
	if (rc != 0) {
		finish(r, p, NULL, &e);
		return;
	}
	drop_message(p);
}

static void
refuse(struct ap_request *rq, ap_reply_fn on_reply, enum err_code code, const char *why)
{
	struct err e;

	(void)err_set(&e, code, "%s", why);
	on_reply(rq, NULL, &e);
}

static void
arm_sweep(struct ap_raftd *r)
{
	static const struct timeval soon = {0, SWEEP_MS * 1000};

	if (r->pending != NULL && !event_pending(r->sweep, EV_TIMEOUT, NULL))
		ASSERT(event_add(r->sweep, &soon) == 0);
}

/* A change may have the client's own name: sent again, through any node, it is not made again. */
static int
take_uid(const struct ap_request *rq, uint32_t type, void *message, struct err *e)
{
	const struct rec_field *f = rec_field_by_name(desc_of(type), "uid");
	const char *uid = f == NULL || rq->http == NULL
			      ? NULL
			      : evhttp_find_header(evhttp_request_get_input_headers(rq->http), AP_HEADER_UID);

	if (uid == NULL)
		return 0;
	if (strlen(uid) > IPC_UID_MAX || strspn(uid, UID_CHARS) != strlen(uid))
		return err_set(e, ERR_INVALID, AP_HEADER_UID ": at most %d letters, digits and -_.:/+= are allowed",
			       IPC_UID_MAX);
	*(const char **)rec_at_mut(message, f) = uid;
	return 0;
}

void
ap_ask(struct ap_request *rq, uint32_t type, void *message, int64_t timeout_ms, ap_reply_fn on_reply)
{
	struct ap_raftd *r = rq->ap->raftd;
	struct pending *p;
	struct err e;

	ASSERT(strcmp(desc_of(type)->fields[0].name, "request_id") == 0);
	if (r == NULL) {
		refuse(rq, on_reply, ERR_CANCELLED, "the node is stopping; nothing was changed");
		return;
	}
	if (HASH_COUNT(r->pending) >= AP_PENDING_MAX) {
		refuse(rq, on_reply, ERR_BUSY, "too many requests are waiting for raftd, try again");
		return;
	}
	if (take_uid(rq, type, message, &e) != 0) {
		refuse(rq, on_reply, e.code, e.msg);
		return;
	}
	p = mem_new(struct pending);
	p->id = ++r->next_id;
	p->rq = rq;
	p->on_reply = on_reply;
	p->deadline = mono_add_us(clk_mono(r->ap->clock), timeout_ms * CLK_MS);
	p->type = type;
	*(uint64_t *)rec_at_mut(message, &desc_of(type)->fields[0]) = p->id;
	p->message = mem_alloc(desc_of(type)->size);
	rec_dup(desc_of(type), p->message, message);
	HASH_ADD(hh, r->pending, id, sizeof(p->id), p);
	arm_sweep(r);
	transmit(r, p);
}

static void
on_sweep(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct ap_raftd *r = arg;
	struct mono now = clk_mono(r->ap->clock);
	struct pending *p, *tmp;

	HASH_ITER (hh, r->pending, p, tmp) {
		struct err e;
		if (mono_before(now, p->deadline))
			continue;
		if (p->message != NULL)
			(void)err_set(&e, ERR_UNAVAILABLE, "raftd of this node is not running; nothing was changed");
		else
			(void)err_set(&e, ERR_UNKNOWN_OUTCOME, "no answer from raftd in time; the outcome is unknown");
		finish(r, p, NULL, &e);
	}
	arm_sweep(r);
}

static void
on_raftd_up(void *ctx, struct ipc_link *l UNUSED)
{
	struct ap_raftd *r = ctx;
	struct pending *p, *tmp;

	HASH_ITER (hh, r->pending, p, tmp) {
		if (p->message != NULL)
			transmit(r, p);
	}
}

static void
on_raftd_down(void *ctx, struct ipc_link *l UNUSED, const char *why)
{
	struct ap_raftd *r = ctx;
	struct pending *p, *tmp;

	r->state.is_leader = false;
	r->state.lease_end_us = r->state.quorum_until_us = 0;
	HASH_ITER (hh, r->pending, p, tmp) {
		struct err e;
		if (p->message != NULL)
			continue; /* never sent: goes to the next raftd */
		(void)err_set(&e, ERR_UNKNOWN_OUTCOME, "raftd %s while it worked on this; the outcome is unknown", why);
		finish(r, p, NULL, &e);
	}
}

/* --- inbox ----------------------------------------------------------------------------------------------------- */
static void
ap_on_reply(struct ap_raftd *r, struct ipc_link *l UNUSED, const struct ipc_reply *m)
{
	struct pending *p;

	HASH_FIND(hh, r->pending, &m->request_id, sizeof(m->request_id), p);
	if (p != NULL)
		finish(r, p, m, NULL);
}

/* Published messages are numbered; after a gap the current state is asked for. */
static void
note_seq(struct ap_raftd *r, uint64_t seq)
{
	struct ipc_send_state ask = {.last_seq = r->last_seq};
	bool gap = r->last_seq != 0 && seq != r->last_seq + 1;
	struct err e;

	r->last_seq = seq;
	if (gap && ipc_send_send_state(r->link, &ask, &e) != 0)
		log_debug("raftd", "asking for the state: %s", e.msg);
}

static void
ap_on_state(struct ap_raftd *r, struct ipc_link *l UNUSED, const struct ipc_state *m)
{
	rec_assign(desc_of(IPC_STATE), &r->state, m);
	note_seq(r, m->seq);
}

static void
ap_on_lease(struct ap_raftd *r, struct ipc_link *l UNUSED, const struct ipc_lease *m)
{
	struct ipc_lease_seen seen = {.seq = m->seq};
	struct err e;

	/* a hand-over needn't wait for the end of a lease that nobody trusts any more */
	if (!m->is_leader && r->state.is_leader && ipc_send_lease_seen(r->link, &seen, &e) != 0)
		log_debug("raftd", "not told that the lease is given up: %s", e.msg);
	r->state.is_leader = m->is_leader;
	r->state.term = m->term;
	r->state.lease_end_us = m->lease_end_us;
	r->state.quorum_until_us = m->quorum_until_us;
	r->state.applied_index = m->applied_index;
	note_seq(r, m->seq);
}

static void
ap_on_metrics(struct ap_raftd *r, struct ipc_link *l UNUSED, const struct ipc_metrics *m)
{
	rec_assign(desc_of(IPC_METRICS), &r->metrics, m);
	ap_history_add(r->history, &m->metrics, clk_mono(r->ap->clock),
		       (size_t)r->ap->conf->DiscoveryQueueMaxStatisticsSize);
	note_seq(r, m->seq);
}

static void
ap_on_samples(struct ap_raftd *r, struct ipc_link *l UNUSED, const struct ipc_samples *m)
{
	ap_samples_add(r->samples, m, clk_mono(r->ap->clock),
		       (int64_t)r->ap->conf->DiscoveryCollectionRetentionSeconds);
}

static void
ap_on_changed(struct ap_raftd *r, struct ipc_link *l UNUSED, const struct ipc_changed *m)
{
	note_seq(r, m->seq); /* the web UI's event stream will listen here */
}

#define IPC_INBOX_DEF "ipc/to_apid.def"
#define IPC_INBOX_NAME ap_inbox
#define IPC_INBOX_ON(name) ap_on_##name
#include "ipc/make_inbox.h"

static void
on_events_down(void *ctx, struct ipc_link *l UNUSED, const char *why UNUSED)
{
	((struct ap_raftd *)ctx)->last_seq = 0; /* a new raftd counts from 1 */
}

static void
on_missed(void *ctx, struct ipc_link *l UNUSED)
{
	proc_missed(((struct ap_raftd *)ctx)->ap->proc);
}

static int
open_link(struct ap_raftd *r, bool events, uint64_t raftd_generation, struct err *e)
{
	struct ipc_link_conf conf = {.name = events ? "events" : "raftd",
				     .self = IPC_ROLE_APID,
				     .generation = proc_generation(r->ap->proc),
				     .peer_generation = raftd_generation,
				     .peer_roles = IPC_ROLE_RAFTD,
				     .inbox = &ap_inbox,
				     .ctx = r,
				     .on_up = events ? NULL : on_raftd_up,
				     .on_down = events ? on_events_down : on_raftd_down,
				     .meet_ms = PROC_MEET_MS,
				     .on_missed = on_missed};
	char address[160];

	proc_socket_address(r->ap->proc, address, sizeof(address), events ? PROC_SOCKET_EVENTS : PROC_SOCKET_APID,
			    raftd_generation, conf.generation);
	return ipc_link_open_nn(r->ap->base, &conf, events ? IPC_NN_SUB_CONNECT : IPC_NN_PAIR_CONNECT, address,
				events ? &r->events : &r->link, e);
}

struct ap_raftd *
ap_raftd_start(struct ap *ap)
{
	struct ap_raftd *r = mem_new(struct ap_raftd);

	r->ap = ap;
	rec_init(desc_of(IPC_STATE), &r->state);
	rec_init(desc_of(IPC_METRICS), &r->metrics);
	r->history = ap_history_new();
	r->samples = ap_samples_new();
	r->sweep = event_new(ap->base, -1, 0, on_sweep, r);
	ASSERT(r->sweep != NULL);
	return r;
}

void
ap_raftd_stop(struct ap *ap)
{
	struct ap_raftd *r = ap->raftd;
	struct pending *p, *tmp;

	if (r == NULL)
		return;
	ap->raftd = NULL; /* nothing comes in any more */
	HASH_ITER (hh, r->pending, p, tmp) {
		struct err e;
		(void)err_set(&e, ERR_CANCELLED, "the node is stopping%s",
			      p->message != NULL ? "; nothing was changed" : "; the outcome is unknown");
		finish(r, p, NULL, &e);
	}
	ipc_link_close(r->link);
	ipc_link_close(r->events);
	event_free(r->sweep);
	rec_done(desc_of(IPC_STATE), &r->state);
	rec_done(desc_of(IPC_METRICS), &r->metrics);
	ap_history_free(r->history);
	ap_samples_free(r->samples);
	free(r);
}

const struct ipc_state *
ap_state(const struct ap *ap)
{
	static struct ipc_state none;

	if (ap->raftd != NULL)
		return &ap->raftd->state;
	rec_init(desc_of(IPC_STATE), &none);
	return &none;
}

bool
ap_is_leader(const struct ap *ap)
{
	const struct ipc_state *s = ap_state(ap);

	return s->is_leader && clk_mono(ap->clock).us < s->lease_end_us;
}

const struct ipc_metric_list *
ap_metrics(const struct ap *ap)
{
	static const struct ipc_metric_list none;

	return ap->raftd == NULL ? &none : &ap->raftd->metrics.metrics;
}

struct ap_samples *
ap_samples(const struct ap *ap)
{
	return ap->raftd == NULL ? NULL : ap->raftd->samples;
}

size_t
ap_queue_history(const struct ap *ap, enum ap_queue queue, int64_t seconds, struct ap_queue_sample *ret, size_t max)
{
	return ap->raftd == NULL ? 0 : ap_history_read(ap->raftd->history, queue, seconds, ret, max);
}

bool
ap_raftd_is_up(const struct ap *ap)
{
	return ap->raftd != NULL && ipc_link_is_up(ap->raftd->link);
}

int
ap_raftd_peer(struct ap_raftd *r, const struct ipc_child_peer *m, struct err *e)
{
	if (m->role != IPC_ROLE_RAFTD)
		return 0;
	/* events first: raftd publishes its state when the other one is up */
	if (ipc_link_follow(&r->events, m->generation, m->up) && open_link(r, true, m->generation, e) != 0)
		return -e->code;
	return ipc_link_follow(&r->link, m->generation, m->up) ? open_link(r, false, m->generation, e) : 0;
}
