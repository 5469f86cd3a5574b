/* rn_peer.c — one member of the list: dialled by name until a connection is in use, and dialled again when that is
 * lost. Owns struct rn_peer. Timing is rn_rule.c's. At most one look-up and one dialled connection are under way per
 * peer.
 *
 * An attempt looks the name up anew; if that fails or takes too long, the addresses known before are tried. Its
 * addresses are tried one after the other, the one that worked last time first. */
#include <event2/util.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/str.h"
#include "conf/conf_addr.h"
#include "rn_private.h"

#define LOOK_UP_US (2 * CLK_S)
#define SAY_AGAIN_US (600 * CLK_S)
#define STEADY_US (5 * CLK_S)
#define UNLISTED_MAX RN_PEERS_MAX

static void on_dial_time(evutil_socket_t fd, short what, void *arg);

struct rn_peer *
rn_peer_find(struct rn_net *net, const char *name)
{
	struct rn_peer *p;

	TAILQ_FOREACH (p, &net->peers, next) {
		if (!p->gone && strcmp(p->name, name) == 0)
			return p;
	}
	return NULL;
}

static bool
too_many_unlisted(const struct rn_net *net)
{
	const struct rn_peer *p;
	size_t n = 0;

	TAILQ_FOREACH (p, &net->peers, next)
		n += !p->listed && !p->gone;
	return n >= UNLISTED_MAX;
}

struct rn_peer *
rn_peer_new(struct rn_net *net, const char *name, bool listed)
{
	struct rn_peer *p;
	char host[CONF_HOST_BYTES];
	int64_t port = 0;
	struct err e;

	if (conf_addr_split(name, -1, host, &port, &e) != 0 || (!listed && too_many_unlisted(net)))
		return NULL;
	p = mem_new(struct rn_peer);
	p->net = net;
	p->listed = listed;
	(void)str_copy(p->name, sizeof(p->name), name);
	(void)str_copy(p->host, sizeof(p->host), host);
	p->port = (uint16_t)port;
	p->changed = rn_now(net);
	rec_init(&rn_hello_desc, &p->hello);
	p->dial_timer = evtimer_new(net->base, on_dial_time, p);
	ASSERT(p->dial_timer != NULL);
	TAILQ_INSERT_TAIL(&net->peers, p, next);
	return p;
}

void
rn_peer_free(struct rn_peer *p)
{
	TAILQ_REMOVE(&p->net->peers, p, next);
	event_free(p->dial_timer);
	rec_done(&rn_hello_desc, &p->hello);
	free(p);
}

void
rn_peer_drop(struct rn_peer *p)
{
	struct rn_net *net = p->net;
	char text[RN_TEXT_BYTES];
	struct rn_conn *c;

	if (p->gone)
		return;
	p->gone = true;
	p->look_up = 0;
	(void)evtimer_del(p->dial_timer);
	(void)snprintf(text, sizeof(text), "%.100s is not a member of the group of %.100s any more", p->name,
		       net->name);
	TAILQ_FOREACH (c, &net->conns, next) {
		if (c->peer == p)
			rn_conn_refuse(c, RN_REFUSE_MEMBER, text);
	}
	rn_net_reap(net);
}

bool
rn_peer_has_address(const struct rn_peer *p, const union rn_address *a)
{
	for (size_t i = 0; i < p->n_addresses; i++) {
		if (rn_address_same_host(&p->addresses[i], a))
			return true;
	}
	return false;
}

/* --- what is said about it ------------------------------------------------------------------------------------------
 */

void
rn_peer_trouble(struct rn_peer *p, unsigned kind, const char *text)
{
	struct mono now = rn_now(p->net);
	uint64_t bit = UINT64_C(1) << kind;

	ASSERT(kind < 64);
	if (p->live == NULL && kind != RN_TROUBLE_WARNING)
		(void)str_copy(p->trouble, sizeof(p->trouble), text);
	if (mono_diff_us(now, p->said_since) > SAY_AGAIN_US) {
		p->said = 0;
		p->said_since = now;
	}
	if (p->said & bit)
		return;
	p->said |= bit;
	/* tests: process/nodelink */
	log_warning("link", "peer=%s trouble=%s (said once)", LOG_Q(p->name), LOG_Q(text));
}

/* --- dialling ---------------------------------------------------------------------------------------------------- */

static bool
wants_dial(const struct rn_peer *p)
{
	if (p->look_up != 0 && !p->look_up_late)
		return false; /* goes on with the answer */
	return p->listed && !p->gone && p->live == NULL && p->dialling == NULL && p->net->has_hello;
}

void
rn_peer_dial_in(struct rn_peer *p, int64_t us)
{
	struct timeval tv = clk_timeval(us);

	if (wants_dial(p))
		(void)evtimer_add(p->dial_timer, &tv);
}

static void
dial_after_pause(struct rn_peer *p)
{
	uint32_t random;

	evutil_secure_rng_get_bytes(&random, sizeof(random));
	rn_peer_dial_in(p, rn_rule_pause_us(p->failures, random));
}

/* The next address of this attempt, or the next attempt. */
static void
dial_next(struct rn_peer *p)
{
	char where[RN_ADDRESS_TEXT], text[RN_TEXT_BYTES];
	struct err e;

	while (wants_dial(p) && p->tried < p->n_addresses) {
		const union rn_address *a = &p->addresses[(p->first_address + p->tried) % p->n_addresses];
		p->dials++;
		p->net->stats.dials++;
		p->dialling = rn_conn_dial(p, a, &e);
		p->tried++;
		if (p->dialling != NULL)
			return;
		p->net->stats.dial_failures++;
		rn_address_text(a, where);
		(void)snprintf(text, sizeof(text), "%s: %.300s", where, e.msg);
		rn_peer_trouble(p, RN_TROUBLE_CONNECT, text);
	}
	if (wants_dial(p)) {
		p->failures++;
		dial_after_pause(p);
	}
}

static void
begin_attempt(struct rn_peer *p)
{
	p->tried = 0;
	dial_next(p);
}

void
rn_peer_dial_failed(struct rn_peer *p, bool next_address)
{
	if (!next_address)
		p->tried = p->n_addresses;
	dial_next(p);
}

static void
name_failed(struct rn_peer *p, const char *text)
{
	p->net->stats.look_up_failures++;
	rn_peer_trouble(p, RN_TROUBLE_NAME, text);
	begin_attempt(p); /* with the addresses of before, if any */
}

static void
on_dial_time(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct rn_peer *p = arg;
	struct rn_net *net = p->net;
	struct err e;

	if (!wants_dial(p))
		return;
	if (p->look_up != 0) { /* still unanswered */
		begin_attempt(p);
		return;
	}
	if (rn_resolver_ask(net->resolver, ++net->look_ups, p->host, p->port, &e) != 0) {
		name_failed(p, e.msg);
		return;
	}
	p->look_up = net->look_ups;
	p->look_up_late = false;
	p->look_up_since = rn_now(net);
}

/* The address that worked before stays the first. */
static void
take_addresses(struct rn_peer *p, const struct rn_answer *a)
{
	union rn_address best = {0};
	bool had = p->n_addresses > 0;

	if (had)
		best = p->addresses[p->first_address];
	memcpy(p->addresses, a->addresses, a->n * sizeof(a->addresses[0]));
	p->n_addresses = a->n;
	p->first_address = 0;
	for (size_t i = 0; had && i < a->n; i++) {
		if (rn_address_same_host(&best, &a->addresses[i]))
			p->first_address = i;
	}
}

void
rn_peer_answered(struct rn_peer *p, const struct rn_answer *a)
{
	bool late = p->look_up_late;

	p->look_up = 0;
	if (a->n > 0 && p->dialling == NULL)
		take_addresses(p, a);
	if (late)
		return; /* the attempt went on without it; the next one uses the answer */
	if (a->n > 0)
		begin_attempt(p);
	else
		name_failed(p, a->e.msg);
}

void
rn_peer_tick(struct rn_peer *p, struct mono now)
{
	char text[RN_TEXT_BYTES];

	if (p->look_up == 0 || p->look_up_late || mono_diff_us(now, p->look_up_since) < LOOK_UP_US)
		return;
	p->look_up_late = true;
	(void)snprintf(text, sizeof(text), "looking %.200s up takes very long: check the name servers", p->host);
	name_failed(p, text);
}

/* --- up and down ---------------------------------------------------------------------------------------------------
 */

static void
remember_address(struct rn_peer *p, const struct rn_conn *c)
{
	for (size_t i = 0; c->dialled && i < p->n_addresses; i++) {
		if (rn_address_same_host(&p->addresses[i], &c->address))
			p->first_address = i;
	}
}

/* Whatever else was under way for the peer ends; the connection in use too. */
static void
make_way(struct rn_peer *p, struct rn_conn *c)
{
	struct rn_conn *dialling = p->dialling;

	p->dialling = NULL;
	(void)evtimer_del(p->dial_timer);
	if (dialling != NULL && dialling != c) {
		p->net->stats.duplicates++;
		rn_conn_drop(dialling, "another connection is in use", false);
	}
	if (p->live != NULL) {
		p->net->stats.duplicates++;
		rn_conn_drop(p->live, "replaced by a newer connection", false);
	}
}

void
rn_peer_up(struct rn_peer *p, struct rn_conn *c, uint64_t number)
{
	struct rn_net *net = p->net;

	make_way(p, c);
	if (c->state >= RN_CONN_CLOSING || p->gone)
		return; /* the callback of make_way's down has ended it */
	(void)evtimer_del(p->dial_timer);
	p->live = c;
	p->live_number = number;
	rn_conn_set_live(c);
	remember_address(p, c);
	rec_assign(&rn_hello_desc, &p->hello, &c->hello);
	p->has_hello = true;
	p->trouble[0] = '\0';
	p->changed = rn_now(net);
	p->ups++;
	net->stats.ups++;
	log_notice("link", "peer=%s up address=%s version=%s", LOG_Q(p->name), c->where, LOG_Q(p->hello.version));
	net->conf.on_up(net->conf.ctx, p->name, &p->hello);
	if (p->live == c)
		(void)rn_shake_renew(c);
}

void
rn_peer_lost(struct rn_peer *p, const char *why)
{
	struct rn_net *net = p->net;
	struct mono now = rn_now(net);

	if (mono_diff_us(now, p->changed) >= STEADY_US) {
		p->failures = 0;
		p->said = 0;
	} else {
		p->failures++;
	}
	p->changed = now;
	net->stats.downs++;
	(void)str_copy(p->trouble, sizeof(p->trouble), why);
	log_notice("link", "peer=%s down reason=%s", LOG_Q(p->name), LOG_Q(why));
	net->conf.on_down(net->conf.ctx, p->name, why);
	dial_after_pause(p);
}
