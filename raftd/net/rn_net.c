/* rn_net.c — the node link as its users see it (rn_net.h): the object, the list of peers, sending, time, status. Owns
 * struct rn_net and frees what the other files have marked dead. Called by raftd's node shell, from the loop only. */
#include "rn_net.h"

#include <event2/util.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/str.h"
#include "conf/conf_addr.h"
#include "rn_private.h"

#define SILENCE_MS 1500
#define TICK_MIN_US (20 * CLK_MS)
#define TICK_MAX_US (100 * CLK_MS)

/* --- time and the dead ---------------------------------------------------------------------------------------------
 */

void
rn_net_reap(struct rn_net *net)
{
	event_active(net->reaper, EV_TIMEOUT, 0);
}

static void
on_reap(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct rn_net *net = arg;
	struct rn_conn *c, *next_c;
	struct rn_peer *p, *next_p;

	for (c = TAILQ_FIRST(&net->conns); c != NULL; c = next_c) {
		next_c = TAILQ_NEXT(c, next);
		if (c->state == RN_CONN_DEAD)
			rn_conn_free(c);
	}
	for (p = TAILQ_FIRST(&net->peers); p != NULL; p = next_p) {
		next_p = TAILQ_NEXT(p, next);
		if (p->gone)
			rn_peer_free(p);
	}
}

static bool
is_used(const struct rn_net *net, const struct rn_peer *p)
{
	const struct rn_conn *c;

	TAILQ_FOREACH (c, &net->conns, next) {
		if (c->peer == p)
			return true;
	}
	return p->listed;
}

/* After a pause of this very process silence proves nothing. */
static bool
was_paused(struct rn_net *net, struct mono now)
{
	bool paused = mono_diff_us(now, net->ticked) > net->silence_us / 2;

	net->ticked = now;
	return paused;
}

static void
on_tick(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct rn_net *net = arg;
	struct mono now = rn_now(net);
	bool paused = was_paused(net, now);
	struct rn_conn *c;
	struct rn_peer *p;

	TAILQ_FOREACH (c, &net->conns, next) {
		if (paused)
			c->heard = now;
		else
			rn_conn_tick(c, now);
	}
	TAILQ_FOREACH (p, &net->peers, next) {
		if (!p->gone && is_used(net, p))
			rn_peer_tick(p, now);
		else
			rn_peer_drop(p);
	}
	if (net->has_hello && !net->listening)
		rn_listen_start(net);
}

static void
on_answer(void *ctx, const struct rn_answer *a)
{
	struct rn_net *net = ctx;
	struct rn_peer *p;

	TAILQ_FOREACH (p, &net->peers, next) {
		if (!p->gone && p->look_up == a->id) {
			rn_peer_answered(p, a);
			return;
		}
	}
}

/* --- opening and closing -------------------------------------------------------------------------------------------
 */

static void
start_tick(struct rn_net *net)
{
	int64_t us = min_i64(max_i64(net->silence_us / 8, TICK_MIN_US), TICK_MAX_US);
	struct timeval tv = clk_timeval(us);

	net->tick = event_new(net->base, -1, EV_PERSIST, on_tick, net);
	net->reaper = event_new(net->base, -1, 0, on_reap, net);
	ASSERT(net->tick != NULL && net->reaper != NULL);
	net->ticked = rn_now(net);
	(void)event_add(net->tick, &tv);
}

static struct rn_net *
net_new(struct event_base *base, const struct rn_net_conf *conf)
{
	struct rn_net *net = mem_new(struct rn_net);

	net->base = base;
	net->conf = *conf;
	net->conf.bind = net->conf.name = NULL;
	net->conf.tls = (struct rn_tls_conf){.on = conf->tls.on};
	net->clock = conf->clock != NULL ? conf->clock : clk_real();
	net->silence_us = (conf->silence_ms == 0 ? SILENCE_MS : conf->silence_ms) * CLK_MS;
	TAILQ_INIT(&net->peers);
	TAILQ_INIT(&net->conns);
	rec_init(&rn_hello_desc, &net->hello);
	evutil_secure_rng_get_bytes(&net->number, sizeof(net->number));
	start_tick(net);
	return net;
}

/* Not fatal: the certificate may be renewed while the node runs. */
static void
check_own_certificate(const struct rn_net *net)
{
	char host[CONF_HOST_BYTES], text[RN_TEXT_BYTES];
	int64_t port;
	struct err e;

	if (conf_addr_split(net->name, -1, host, &port, &e) == 0 &&
	    rn_tls_own_trouble(net->tls, host, text, sizeof(text)))
		log_error("link", "%s", text);
}

static int
open_parts(struct rn_net *net, const struct rn_net_conf *conf, struct err *e)
{
	int rc = rn_name_make(conf->name, conf->default_port == 0 ? -1 : conf->default_port, net->name, e);

	if (rc != 0)
		return err_wrap(e, "this node's name");
	if (conf->tls.on)
		rc = rn_tls_new(&conf->tls, &net->tls, e);
	if (rc == 0 && conf->tls.on)
		check_own_certificate(net);
	if (rc == 0)
		rc = rn_resolver_new(net->base, conf->look_up, conf->look_up_ctx, on_answer, net, &net->resolver, e);
	return rc == 0 ? rn_listen_open(net, conf, e) : rc;
}

int
rn_net_open(struct event_base *base, const struct rn_net_conf *conf, struct rn_net **ret_net, struct err *e)
{
	struct rn_net *net = net_new(base, conf);
	int rc = open_parts(net, conf, e);

	if (rc == 0)
		*ret_net = net;
	else
		rn_net_close(net);
	return rc;
}

void
rn_net_close(struct rn_net *net)
{
	if (net == NULL)
		return;
	rn_listen_close(net);
	while (!TAILQ_EMPTY(&net->conns))
		rn_conn_free(TAILQ_FIRST(&net->conns));
	while (!TAILQ_EMPTY(&net->peers))
		rn_peer_free(TAILQ_FIRST(&net->peers));
	rn_resolver_free(net->resolver);
	rn_tls_free(net->tls);
	event_free(net->tick);
	event_free(net->reaper);
	rec_done(&rn_hello_desc, &net->hello);
	mem_arena_done(&net->arena);
	free(net);
}

uint16_t
rn_net_port(const struct rn_net *net)
{
	return net->port;
}

int
rn_net_reload_tls(struct rn_net *net, const struct rn_tls_conf *tls, struct err *e)
{
	struct rn_tls *fresh;
	int rc;

	if (tls->on != net->conf.tls.on)
		return err_set(e, ERR_CONFIG, "RaftUseTLS cannot change while the node runs: restart it");
	if (!tls->on)
		return 0;
	rc = rn_tls_new(tls, &fresh, e);
	if (rc != 0)
		return rc;
	rn_tls_free(net->tls);
	net->tls = fresh;
	check_own_certificate(net);
	return 0;
}

/* --- peers ------------------------------------------------------------------------------------------------------- */

static int
check_names(const char *const *names, size_t n, struct err *e)
{
	char made[RN_NAME_MAX + 1];

	if (n > RN_PEERS_MAX)
		return err_set(e, ERR_LIMIT, "%zu members, at most %d", n, RN_PEERS_MAX);
	for (size_t i = 0; i < n; i++) {
		if (rn_name_make(names[i], -1, made, e) != 0)
			return err_wrap(e, "member %zu", i + 1);
		if (!str_eq(made, names[i]))
			return err_set(e, ERR_INVALID, "member \"%.100s\" should be written %.100s", names[i], made);
	}
	return 0;
}

static bool
is_in(const char *name, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (str_eq(name, names[i]))
			return true;
	}
	return false;
}

int
rn_net_set_peers(struct rn_net *net, const char *const *names, size_t n, struct err *e)
{
	struct rn_peer *p;
	int rc = check_names(names, n, e);

	if (rc != 0)
		return rc;
	for (size_t i = 0; i < n; i++) {
		if (str_eq(names[i], net->name))
			continue;
		p = rn_peer_find(net, names[i]);
		if (p != NULL && p->listed)
			continue;
		if (p == NULL)
			p = rn_peer_new(net, names[i], true);
		ASSERT(p != NULL); /* checked above */
		p->listed = true;
		rn_peer_dial_in(p, 0);
	}
	TAILQ_FOREACH (p, &net->peers, next) {
		if (p->listed && !is_in(p->name, names, n))
			rn_peer_drop(p);
	}
	return 0;
}

void
rn_net_set_open(struct rn_net *net, bool open)
{
	struct rn_peer *p;

	net->open = open;
	TAILQ_FOREACH (p, &net->peers, next) {
		if (!open && !p->listed)
			rn_peer_drop(p);
	}
}

bool
rn_net_is_up(const struct rn_net *net, const char *peer)
{
	const struct rn_peer *p = rn_peer_find((struct rn_net *)net, peer);

	return p != NULL && p->live != NULL;
}

const struct rn_hello *
rn_net_hello(const struct rn_net *net, const char *peer)
{
	const struct rn_peer *p = rn_peer_find((struct rn_net *)net, peer);

	return p != NULL && p->has_hello ? &p->hello : NULL;
}

/* --- the own hello ---------------------------------------------------------------------------------------------------
 */

static void
tell_everybody(struct rn_net *net)
{
	struct rn_conn *c;
	struct rn_peer *p;

	TAILQ_FOREACH (c, &net->conns, next) {
		if (c->state == RN_CONN_LIVE)
			(void)rn_shake_renew(c);
	}
	TAILQ_FOREACH (p, &net->peers, next)
		rn_peer_dial_in(p,
				0); /* where nothing is under way: the first hello, or one that may be accepted now */
	if (!net->listening)
		rn_listen_start(net);
}

int
rn_net_set_hello(struct rn_net *net, const struct rn_hello *hello, struct err *e)
{
	struct rn_hello h = *hello; /* borrows */
	struct codec_out trial = {0};
	int rc;

	h.protocol = RN_PROTOCOL;
	h.protocol_min = RN_PROTOCOL_MIN;
	h.seen = 0;
	h.name = net->name;
	h.instance = net->hello.instance;
	while (h.instance == 0)
		evutil_secure_rng_get_bytes(&h.instance, sizeof(h.instance));
	rc = rn_frame_put_hello(&trial, &h, e);
	codec_out_done(&trial);
	if (rc != 0)
		return err_wrap(e, "this node's hello");
	if (net->has_hello && rec_equal(&rn_hello_desc, &net->hello, &h))
		return 0;
	rec_assign(&rn_hello_desc, &net->hello, &h);
	net->has_hello = true;
	net->hello_version++;
	tell_everybody(net);
	return 0;
}

/* --- sending ----------------------------------------------------------------------------------------------------- */

int
rn_net_send(struct rn_net *net, const char *peer, enum rn_channel channel, const void *p, size_t n, struct err *e)
{
	struct rn_peer *to = rn_peer_find(net, peer);
	int index = rn_channel_index((uint8_t)channel);
	int rc;

	ASSERT(index >= 0);
	if (to == NULL || to->live == NULL) {
		net->stats.dropped_down++;
		return err_set(e, ERR_IPC_DOWN, "%.100s is not connected", peer);
	}
	rc = rn_queue_add(to->live, index, p, n, e);
	if (rc != 0)
		net->stats.dropped_full++;
	else
		rn_queue_pump(to->live);
	return rc;
}

size_t
rn_net_room(const struct rn_net *net, const char *peer, enum rn_channel channel)
{
	const struct rn_peer *p = rn_peer_find((struct rn_net *)net, peer);
	int index = rn_channel_index((uint8_t)channel);

	ASSERT(index >= 0);
	if (p == NULL || p->live == NULL)
		return 0;
	return rn_channel_at((size_t)index)->queue_bytes - p->live->queues[index].bytes;
}

/* --- status ------------------------------------------------------------------------------------------------------ */

size_t
rn_net_peers(const struct rn_net *net, struct rn_peer_status *ret, size_t max)
{
	const struct rn_peer *p;
	size_t n = 0;

	TAILQ_FOREACH (p, &net->peers, next) {
		if (p->gone || n == max || (!p->listed && p->live == NULL))
			continue;
		ret[n++] = (struct rn_peer_status){
		    .name = p->name,
		    .listed = p->listed,
		    .up = p->live != NULL,
		    .address = p->live != NULL ? p->live->where : "",
		    .trouble = p->trouble,
		    .changed = p->changed,
		    .heard = p->live != NULL ? p->live->heard : p->heard,
		    .ups = p->ups,
		    .dials = p->dials,
		    .queued_bytes = p->live != NULL ? rn_queue_bytes(p->live) : 0,
		};
	}
	return n;
}

struct rn_net_stats
rn_net_stats(const struct rn_net *net)
{
	return net->stats;
}
