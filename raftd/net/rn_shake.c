/* rn_shake.c — the beginning of a connection: hellos, READY, USE, refusals (rn_hello.h says who is refused, rn_rule.h
 * which connection of a pair is used). Called by rn_conn.c with the link's own frames.
 *
 *   dialling            taking
 *   HELLO      →
 *              ←        HELLO          or REFUSE, and the end
 *   READY      →
 *   USE       → or ←    USE            by the deciding node, or REFUSE (duplicate)
 *
 * A stranger gets a hello only in exchange for one that is accepted, and with TLS nothing at all without the certificate
 * of the node that it says it is. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/str.h"
#include "conf/conf_addr.h"
#include "rn_private.h"

/* Refuses, counts, remembers. */
static void
refuse(struct rn_conn *c, struct rn_peer *p, enum rn_refuse code, const char *text)
{
	c->net->stats.refused++;
	if (p != NULL)
		rn_peer_trouble(p, code, text);
	else
		rn_listen_stranger(c->net, c->where, text);
	rn_conn_refuse(c, code, text);
}

/* Whether the certificate is that of the node called name. If not, it gets nothing, not even a refusal. */
static bool
certified(struct rn_conn *c, struct rn_peer *p, const char *name)
{
	char host[CONF_HOST_BYTES], names[128], text[RN_TEXT_BYTES];
	int64_t port;
	struct err e;

	if (c->ssl == NULL)
		return true;
	if (conf_addr_split(name, -1, host, &port, &e) != 0)
		(void)str_copy(host, sizeof(host), "nobody");
	else if (rn_tls_is(c->ssl, host, names, sizeof(names)))
		return true;
	(void)snprintf(
	    text, sizeof(text),
	    "%s should be %.100s, but its certificate is made out to %.120s: RaftTLSCertFile there must name %.100s",
	    c->where, name, names, host);
	c->net->stats.refused++;
	if (p != NULL)
		rn_peer_trouble(p, RN_REFUSE_CERTIFICATE, text);
	else
		rn_listen_stranger(c->net, c->where, text);
	rn_conn_drop(c, text, true);
	return false;
}

void
rn_shake_say_hello(struct rn_conn *c)
{
	struct rn_net *net = c->net;
	struct rn_hello h = net->hello; /* borrows */
	struct codec_out out = {0};
	struct err e;

	h.seen = c->peer == NULL ? 0 : c->peer->seen;
	c->said_version = net->hello_version;
	if (rn_frame_put_hello(&out, &h, &e) == 0)
		rn_conn_write(c, out.p, out.len);
	codec_out_done(&out);
}

bool
rn_shake_renew(struct rn_conn *c)
{
	char text[RN_TEXT_BYTES];
	enum rn_refuse code;

	if (c->said_version == c->net->hello_version)
		return true;
	code = rn_hello_check(&c->net->hello, &c->hello, text);
	if (code != RN_ACCEPT) {
		refuse(c, c->peer, code, text);
		return false;
	}
	rn_shake_say_hello(c);
	return true;
}

void
rn_shake_begin(struct rn_conn *c)
{
	c->state = RN_CONN_HELLO;
	if (!c->dialled)
		return;
	if (certified(c, c->peer, c->peer->name))
		rn_shake_say_hello(c);
}

/* --- which connection is used --------------------------------------------------------------------------------------
 */

static void
say_use(struct rn_conn *c, uint64_t number)
{
	uint8_t frame[RN_HEAD_BYTES + 8];

	rn_head_put(frame, RN_CONTROL_USE, 8);
	rn_frame_put_u64(frame + RN_HEAD_BYTES, number);
	rn_conn_write(c, frame, sizeof(frame));
}

static void
give_up_duplicate(struct rn_conn *c)
{
	struct rn_peer *p = c->peer;
	char text[RN_TEXT_BYTES];

	c->net->stats.duplicates++;
	if (p->live->hello.instance == c->hello.instance) {
		(void)snprintf(text, sizeof(text), "%s is connected already, from %s", p->name, p->live->where);
		rn_conn_refuse(c, RN_REFUSE_DUPLICATE, text);
		return;
	}
	(void)snprintf(text, sizeof(text),
		       "another process called %s is connected, from %s: if it has ended this passes in a moment, else "
		       "each node needs a RaftAdvertise (else RaftBind) of its own",
		       p->name, p->live->where);
	refuse(c, p, RN_REFUSE_TWIN, text);
}

/* Both hellos are accepted. */
static void
decide(struct rn_conn *c)
{
	struct rn_net *net = c->net;
	struct rn_peer *p = c->peer;
	struct rn_rule_pair pair = {.has_live = p->live != NULL,
				    .new_instance = c->hello.instance,
				    .new_seen = c->hello.seen,
				    .dialled = c->dialled};

	c->state = RN_CONN_USE;
	if (!rn_rule_decides(net->name, p->name))
		return;
	if (p->live != NULL) {
		pair.live_instance = p->live->hello.instance;
		pair.live_number = p->live_number;
		pair.live_quiet = rn_rule_quiet(rn_now(net), p->live->heard, net->silence_us);
	}
	if (!rn_rule_takes(&pair)) {
		give_up_duplicate(c);
		return;
	}
	say_use(c, ++net->number);
	rn_peer_up(p, c, net->number);
}

static void
tell_refused(const struct rn_peer *p, enum rn_refuse code, const struct rn_hello *h)
{
	const struct rn_net_conf *conf;

	if (p == NULL || p->gone || !p->listed)
		return;
	conf = &p->net->conf;
	if (conf->on_refused != NULL)
		conf->on_refused(conf->ctx, p->name, code, h);
}

/* --- the other's frames --------------------------------------------------------------------------------------------
 */

/* The peer that a taken connection's hello names; NULL: refused. */
static struct rn_peer *
claimed(struct rn_conn *c, const struct rn_hello *h)
{
	struct rn_peer *p = rn_peer_find(c->net, h->name);
	char text[RN_TEXT_BYTES];

	if (p == NULL && c->net->open)
		p = rn_peer_new(c->net, h->name, false);
	if (p != NULL)
		return p;
	(void)snprintf(text, sizeof(text),
		       "%.100s is not a member of the group of %.100s: raft-add-peer on its leader makes it one",
		       h->name, c->net->name);
	refuse(c, NULL, RN_REFUSE_MEMBER, text);
	return NULL;
}

static void
on_hello(struct rn_conn *c, const struct rn_hello *h)
{
	struct rn_net *net = c->net;
	struct rn_peer *p = c->dialled ? c->peer : rn_peer_find(net, h->name);
	uint8_t ready[RN_HEAD_BYTES];
	char text[RN_TEXT_BYTES];
	enum rn_refuse code;

	if (!c->dialled && !certified(c, p, h->name))
		return;
	code = rn_hello_check(&net->hello, h, text);
	if (code == RN_ACCEPT && c->dialled && strcmp(h->name, p->name) != 0) {
		code = RN_REFUSE_NAME;
		(void)snprintf(text, sizeof(text),
			       "%s was dialled as %.100s and calls itself %.100s: check the name's "
			       "addresses, and RaftAdvertise there",
			       c->where, p->name, h->name);
	}
	if (code != RN_ACCEPT) {
		refuse(c, p, code, text);
		tell_refused(p, code, h);
		return;
	}
	if (!c->dialled)
		c->peer = p = claimed(c, h);
	if (p == NULL)
		return;
	rec_assign(&rn_hello_desc, &c->hello, h);
	c->has_hello = true;
	if (rn_hello_warning(&net->hello, h, text))
		rn_peer_trouble(p, RN_TROUBLE_WARNING, text);
	if (!c->dialled) {
		c->state = RN_CONN_READY;
		rn_shake_say_hello(c);
		return;
	}
	rn_head_put(ready, RN_CONTROL_READY, 0);
	rn_conn_write(c, ready, sizeof(ready));
	decide(c);
}

/* A connected peer has changed. */
static void
on_hello_again(struct rn_conn *c, const struct rn_hello *h)
{
	struct rn_net *net = c->net;
	char text[RN_TEXT_BYTES];
	enum rn_refuse code = rn_hello_check(&net->hello, h, text);

	if (code == RN_ACCEPT && (!str_eq(h->name, c->hello.name) || h->instance != c->hello.instance)) {
		code = RN_REFUSE_NAME;
		(void)snprintf(text, sizeof(text), "%.100s has changed its name to %.100s", c->hello.name, h->name);
	}
	if (code != RN_ACCEPT) {
		refuse(c, c->peer, code, text);
		return;
	}
	rec_assign(&rn_hello_desc, &c->hello, h);
	rec_assign(&rn_hello_desc, &c->peer->hello, h);
	if (net->conf.on_hello != NULL)
		net->conf.on_hello(net->conf.ctx, c->peer->name, &c->peer->hello);
}

static void
on_refused(struct rn_conn *c, const struct rn_refusal *r)
{
	enum rn_refuse code = r->code < RN_REFUSE_COUNT ? (enum rn_refuse)r->code : RN_REFUSE_FORMAT;
	struct rn_peer *p = c->peer;
	char text[RN_TEXT_BYTES];

	c->net->stats.refused_us++;
	(void)snprintf(text, sizeof(text), "refused (%s): %.400s", rn_refuse_name(r->code), r->text);
	if (p != NULL && code != RN_REFUSE_DUPLICATE)
		rn_peer_trouble(p, code, text);
	rn_conn_drop(c, text, code == RN_REFUSE_NAME || code == RN_REFUSE_SELF);
	if (code != RN_REFUSE_DUPLICATE)
		tell_refused(p, code, NULL);
}

static int
take_hello(struct rn_conn *c, const void *p, size_t n, struct err *e)
{
	struct rn_hello h;
	int rc = rn_frame_get_hello(p, n, &c->net->arena, &h, e);

	if (rc == 0 && c->state == RN_CONN_LIVE)
		on_hello_again(c, &h);
	else if (rc == 0 && c->state == RN_CONN_HELLO)
		on_hello(c, &h);
	else if (rc == 0)
		rc = err_set(e, ERR_IPC_FORMAT, "a second hello");
	mem_arena_reset(&c->net->arena);
	return rc;
}

static int
take_refusal(struct rn_conn *c, const void *p, size_t n, struct err *e)
{
	struct rn_refusal r;
	int rc = rn_frame_get_refusal(p, n, &c->net->arena, &r, e);

	if (rc == 0)
		on_refused(c, &r);
	mem_arena_reset(&c->net->arena);
	return rc;
}

static int
take_use(struct rn_conn *c, const void *p, size_t n, struct err *e)
{
	uint64_t number = 0;
	int rc = rn_frame_get_u64(p, n, &number, e);

	if (rc == 0 && (c->state != RN_CONN_USE || rn_rule_decides(c->net->name, c->peer->name)))
		rc = err_set(e, ERR_IPC_FORMAT, "USE at the wrong time");
	if (rc != 0)
		return rc;
	c->peer->seen = number;
	rn_peer_up(c->peer, c, number);
	return 0;
}

static int
take_control(struct rn_conn *c, uint8_t kind, const void *p, size_t n, struct err *e)
{
	switch ((enum rn_control)kind) {
	case RN_CONTROL_HELLO:
		return take_hello(c, p, n, e);
	case RN_CONTROL_REFUSE:
		return take_refusal(c, p, n, e);
	case RN_CONTROL_READY:
		if (c->state != RN_CONN_READY)
			return err_set(e, ERR_IPC_FORMAT, "READY at the wrong time");
		decide(c);
		return 0;
	case RN_CONTROL_USE:
		return take_use(c, p, n, e);
	case RN_CONTROL_PING:
		return 0; /* its arrival was all */
	}
	return 0; /* a later build's: skipped */
}

void
rn_shake_frame(struct rn_conn *c, uint8_t kind, const void *p, size_t n)
{
	char text[RN_TEXT_BYTES];
	struct err e;

	if (take_control(c, kind, p, n, &e) == 0)
		return;
	c->net->stats.garbage++;
	(void)str_copy(text, sizeof(text), e.msg);
	refuse(c, c->peer, RN_REFUSE_FORMAT, text);
}
