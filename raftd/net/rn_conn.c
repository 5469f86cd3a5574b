/* rn_conn.c — one TCP or TLS connection: its socket, bytes to frames, silence, its end. Owns struct rn_conn. The hello
 * is rn_shake.c's, who gets which connection rn_peer.c's. Work per wake-up is bounded; nothing here blocks. */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/str.h"
#include "rn_private.h"
#include "tls/tls.h"

#define FRAMES_PER_TURN 64
#define BYTES_PER_TURN ((size_t)1 << 20)
#define ONE_IO_BYTES ((size_t)128 << 10)
#define STRANGER_INPUT_BYTES ((size_t)8 << 10)
#define CLOSING_US CLK_S
#define DIALLED_HELLO_US (2 * CLK_S)
#define NOT_SENT_BYTES (64 << 10)

static struct rn_conn *
conn_new(struct rn_net *net, int fd, const union rn_address *address)
{
	struct rn_conn *c = mem_new(struct rn_conn);

	c->net = net;
	c->fd = fd;
	c->address = *address;
	rn_address_text(address, c->where);
	c->begun = c->heard = c->sent = rn_now(net);
	rec_init(&rn_hello_desc, &c->hello);
	for (size_t i = 0; i < RN_CHANNELS; i++)
		STAILQ_INIT(&c->queues[i].frames);
	TAILQ_INSERT_TAIL(&net->conns, c, next);
	return c;
}

/* Best effort: a kernel without an option is slower to notice, not wrong. */
static void
tune(const struct rn_net *net, int fd)
{
	int on = 1, low = NOT_SENT_BYTES, dead_ms = (int)(2 * net->silence_us / CLK_MS);

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead_ms, sizeof(dead_ms));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &low, sizeof(low));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

/* --- bytes in ---------------------------------------------------------------------------------------------------- */

static void
garbage(struct rn_conn *c, const struct err *e)
{
	char text[RN_TEXT_BYTES];

	c->net->stats.garbage++;
	(void)str_copy(text, sizeof(text), e->msg);
	if (c->peer == NULL)
		rn_listen_stranger(c->net, c->where, text);
	rn_conn_refuse(c, RN_REFUSE_FORMAT, text);
}

static void
deliver(struct rn_conn *c, uint8_t kind, const void *p, size_t n)
{
	struct rn_net *net = c->net;

	net->stats.received_frames++;
	net->stats.received_bytes += RN_HEAD_BYTES + n;
	if (kind < RN_CHANNEL_RAFT)
		rn_shake_frame(c, kind, p, n);
	else if (rn_channel_index(kind) < 0)
		net->stats.dropped_unknown++;
	else
		net->conf.on_message(net->conf.ctx, c->peer->name, (enum rn_channel)kind, p, n);
}

/* One frame, if it is there whole. Returns its size, 0: none, or the connection has ended. */
static size_t
take_frame(struct rn_conn *c)
{
	struct evbuffer *in = bufferevent_get_input(c->bev);
	uint8_t raw[RN_HEAD_BYTES];
	struct rn_head head;
	struct err e;

	if (evbuffer_copyout(in, raw, sizeof(raw)) != (ev_ssize_t)sizeof(raw))
		return 0;
	if (rn_head_get(raw, c->state == RN_CONN_LIVE, &head, &e) != 0) {
		garbage(c, &e);
		return 0;
	}
	if (evbuffer_get_length(in) < RN_HEAD_BYTES + head.bytes)
		return 0;
	(void)evbuffer_drain(in, RN_HEAD_BYTES);
	deliver(c, head.kind, head.bytes == 0 ? (void *)raw : evbuffer_pullup(in, (ev_ssize_t)head.bytes), head.bytes);
	if (c->state >= RN_CONN_CLOSING)
		return 0;
	(void)evbuffer_drain(in, head.bytes);
	return RN_HEAD_BYTES + head.bytes;
}

static void
on_readable(struct bufferevent *bev, void *arg)
{
	struct rn_conn *c = arg;
	size_t bytes = 0;

	c->heard = rn_now(c->net);
	for (int i = 0; i < FRAMES_PER_TURN && bytes < BYTES_PER_TURN && c->state < RN_CONN_CLOSING; i++) {
		size_t n = take_frame(c);
		if (n == 0)
			break;
		bytes += n;
		if (i + 1 == FRAMES_PER_TURN || bytes >= BYTES_PER_TURN)
			bufferevent_trigger(bev, EV_READ, 0); /* the rest in another turn */
	}
	if (c->state == RN_CONN_CLOSING)
		(void)evbuffer_drain(bufferevent_get_input(bev), SIZE_MAX);
}

/* --- bytes out --------------------------------------------------------------------------------------------------- */

void
rn_conn_write(struct rn_conn *c, const void *p, size_t n)
{
	c->sent = rn_now(c->net);
	c->net->stats.sent_frames++;
	c->net->stats.sent_bytes += n;
	(void)bufferevent_write(c->bev, p, n);
}

static void
on_writable(struct bufferevent *bev, void *arg)
{
	struct rn_conn *c = arg;
	struct rn_net *net = c->net;

	if (c->state == RN_CONN_CLOSING && evbuffer_get_length(bufferevent_get_output(bev)) == 0)
		(void)shutdown(bufferevent_getfd(bev), SHUT_WR); /* its end of file, or the deadline, is the end */
	if (c->state != RN_CONN_LIVE)
		return;
	rn_queue_pump(c);
	if (c->room_grew && net->conf.on_room != NULL) { /* by this pump, or by one in rn_net_send */
		c->room_grew = false;
		net->conf.on_room(net->conf.ctx, c->peer->name);
	}
}

/* --- beginning --------------------------------------------------------------------------------------------------- */

static void
tls_failed(struct rn_conn *c)
{
	char why[RN_TEXT_BYTES / 2], text[RN_TEXT_BYTES];

	tls_why(c->ssl, bufferevent_get_openssl_error(c->bev), why, sizeof(why));
	(void)snprintf(text, sizeof(text), "TLS handshake with %s: %s", c->where, why);
	c->net->stats.tls_failures++;
	if (c->peer != NULL)
		rn_peer_trouble(c->peer, RN_TROUBLE_TLS, text);
	else
		rn_listen_stranger(c->net, c->where, text);
	rn_conn_drop(c, text, true);
}

/* A dialled node that closes before its hello, or an old one that does not speak to us: with TLS 1.3 this is also how
 * it refuses our certificate. */
static void
ended_early(struct rn_conn *c)
{
	char why[RN_TEXT_BYTES / 2] = "closed before the hello", text[RN_TEXT_BYTES];
	unsigned long code = c->ssl == NULL ? 0 : bufferevent_get_openssl_error(c->bev);

	if (c->peer == NULL || !c->dialled)
		return;
	if (code != 0)
		tls_why(c->ssl, code, why, sizeof(why));
	(void)snprintf(text, sizeof(text), "%s: %s", c->where, why);
	rn_peer_trouble(c->peer, code != 0 ? RN_TROUBLE_TLS : RN_TROUBLE_CONNECT, text);
}

static void
on_event(struct bufferevent *bev UNUSED, short what, void *arg)
{
	struct rn_conn *c = arg;

	if (what & BEV_EVENT_CONNECTED) {
		rn_shake_begin(c);
	} else if (c->state == RN_CONN_TLS) {
		tls_failed(c);
	} else {
		if (c->state < RN_CONN_LIVE)
			ended_early(c);
		rn_conn_drop(c, "connection closed", true);
	}
}

/* The socket is connected: bytes, through TLS if that is on. */
static void
begin(struct rn_conn *c)
{
	struct rn_net *net = c->net;
	int options = BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS;

	tune(net, c->fd);
	if (net->tls != NULL) {
		c->ssl = rn_tls_session(net->tls, c->dialled ? c->peer->host : NULL);
		ASSERT(c->ssl != NULL);
		c->bev = bufferevent_openssl_socket_new(
		    net->base, c->fd, c->ssl, c->dialled ? BUFFEREVENT_SSL_CONNECTING : BUFFEREVENT_SSL_ACCEPTING,
		    options);
	} else {
		c->bev = bufferevent_socket_new(net->base, c->fd, options);
	}
	ASSERT(c->bev != NULL);
	c->fd = -1;
	if (c->ssl != NULL)
		bufferevent_openssl_set_allow_dirty_shutdown(c->bev, 1);
	bufferevent_setcb(c->bev, on_readable, on_writable, on_event, c);
	bufferevent_setwatermark(c->bev, EV_READ, 0, STRANGER_INPUT_BYTES);
	bufferevent_setwatermark(c->bev, EV_WRITE, 0, 0);
	c->state = RN_CONN_TLS;
	(void)bufferevent_enable(c->bev, EV_READ | EV_WRITE);
	if (c->ssl == NULL)
		rn_shake_begin(c);
}

void
rn_conn_take(struct rn_net *net, int fd, const union rn_address *from)
{
	struct rn_conn *c = conn_new(net, fd, from);

	net->stats.accepted++;
	c->deadline = mono_add_us(c->begun, RN_HELLO_US);
	begin(c);
}

static void
connect_failed(struct rn_conn *c, int errno_value)
{
	char text[RN_TEXT_BYTES];

	(void)snprintf(text, sizeof(text), "connecting to %s: %s", c->where, strerror(errno_value));
	c->net->stats.dial_failures++;
	rn_peer_trouble(c->peer, RN_TROUBLE_CONNECT, text);
	rn_conn_drop(c, text, true);
}

static void
on_connected(evutil_socket_t fd, short what UNUSED, void *arg)
{
	struct rn_conn *c = arg;
	socklen_t n = sizeof(int);
	int error = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) != 0)
		error = errno;
	if (error != 0) {
		connect_failed(c, error);
		return;
	}
	event_free(c->connecting);
	c->connecting = NULL;
	c->deadline = mono_add_us(rn_now(c->net), c->peer->failures > 4 ? RN_HELLO_US : DIALLED_HELLO_US);
	begin(c);
}

struct rn_conn *
rn_conn_dial(struct rn_peer *peer, const union rn_address *to, struct err *e)
{
	int fd = socket(to->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	bool is_last = peer->tried + 1 >= peer->n_addresses;
	struct rn_conn *c;

	if (fd < 0) {
		(void)err_sys(e, ERR_IO, errno, "socket");
		return NULL;
	}
	if (connect(fd, &to->sa, rn_address_bytes(to)) != 0 && errno != EINPROGRESS) {
		(void)err_sys(e, ERR_UNREACHABLE, errno, "connecting");
		(void)close(fd);
		return NULL;
	}
	c = conn_new(peer->net, fd, to);
	c->peer = peer;
	c->dialled = true;
	c->deadline = mono_add_us(c->begun, rn_rule_connect_us(is_last, peer->failures));
	c->connecting = event_new(peer->net->base, fd, EV_WRITE, on_connected, c);
	ASSERT(c->connecting != NULL && event_add(c->connecting, NULL) == 0);
	return c;
}

void
rn_conn_set_live(struct rn_conn *c)
{
	c->state = RN_CONN_LIVE;
	bufferevent_setwatermark(c->bev, EV_READ, 0, RN_HEAD_BYTES + RN_FRAME_MAX);
	bufferevent_setwatermark(c->bev, EV_WRITE, RN_OUT_LOW, 0);
	(void)bufferevent_set_max_single_read(c->bev, ONE_IO_BYTES);
	(void)bufferevent_set_max_single_write(c->bev, ONE_IO_BYTES);
}

/* --- end --------------------------------------------------------------------------------------------------------- */

/* The peer hears that this one is no longer its. */
static void
part(struct rn_conn *c, const char *why, bool next_address)
{
	struct rn_peer *p = c->peer;

	c->net->stats.dropped_lost += rn_queue_clear(c);
	c->peer = NULL;
	if (p == NULL)
		return;
	if (p->live == c) {
		p->live = NULL;
		p->heard = c->heard;
		rn_peer_lost(p, why);
	} else if (p->dialling == c) {
		p->dialling = NULL;
		rn_peer_dial_failed(p, next_address);
	}
}

static void
hang_up(struct rn_conn *c)
{
	if (c->connecting != NULL)
		event_free(c->connecting);
	if (c->bev != NULL)
		bufferevent_free(c->bev);
	else if (c->fd >= 0)
		(void)close(c->fd);
	c->connecting = NULL;
	c->bev = NULL;
	c->ssl = NULL;
	c->fd = -1;
}

void
rn_conn_drop(struct rn_conn *c, const char *why, bool next_address)
{
	if (c->state == RN_CONN_DEAD)
		return;
	c->state = RN_CONN_DEAD;
	hang_up(c);
	rn_net_reap(c->net);
	part(c, why, next_address);
}

void
rn_conn_refuse(struct rn_conn *c, enum rn_refuse code, const char *text)
{
	struct rn_refusal r = {.code = code, .text = text};
	struct codec_out out = {0};
	struct err e;

	if (c->state >= RN_CONN_CLOSING)
		return;
	if (c->state <= RN_CONN_TLS || rn_frame_put_refusal(&out, &r, &e) != 0) {
		rn_conn_drop(c, text, false);
		return;
	}
	c->state = RN_CONN_CLOSING;
	c->deadline = mono_add_us(rn_now(c->net), CLOSING_US);
	bufferevent_setwatermark(c->bev, EV_WRITE, 0, 0);
	rn_conn_write(c, out.p, out.len);
	codec_out_done(&out);
	part(c, text, code == RN_REFUSE_NAME || code == RN_REFUSE_SELF);
}

void
rn_conn_free(struct rn_conn *c)
{
	hang_up(c);
	(void)rn_queue_clear(c);
	rec_done(&rn_hello_desc, &c->hello);
	TAILQ_REMOVE(&c->net->conns, c, next);
	free(c);
}

/* --- time -------------------------------------------------------------------------------------------------------- */

static void
tick_live(struct rn_conn *c, struct mono now)
{
	uint8_t ping[RN_HEAD_BYTES];

	switch (rn_rule_idle(now, c->heard, c->sent, c->net->silence_us)) {
	case RN_IDLE_NOTHING:
		return;
	case RN_IDLE_PING:
		if (evbuffer_get_length(bufferevent_get_output(c->bev)) > 0)
			return; /* bytes are on their way already */
		rn_head_put(ping, RN_CONTROL_PING, 0);
		rn_conn_write(c, ping, sizeof(ping));
		return;
	case RN_IDLE_DEAD:
		c->net->stats.silences++;
		rn_conn_drop(c, "nothing heard any more", true);
		return;
	}
}

static void
too_slow(struct rn_conn *c)
{
	char text[RN_TEXT_BYTES];
	const char *what = c->state == RN_CONN_CONNECTING ? "no connection in time" : "no hello in time";

	if (c->state == RN_CONN_CONNECTING)
		c->net->stats.dial_failures++;
	else if (c->state != RN_CONN_CLOSING)
		c->net->stats.hello_timeouts++;
	(void)snprintf(text, sizeof(text), "%s: %s", c->where, what);
	if (c->peer != NULL && c->dialled)
		rn_peer_trouble(c->peer, RN_TROUBLE_CONNECT, text);
	rn_conn_drop(c, text, true);
}

void
rn_conn_tick(struct rn_conn *c, struct mono now)
{
	if (c->state == RN_CONN_LIVE)
		tick_live(c, now);
	else if (c->state != RN_CONN_DEAD && mono_before(c->deadline, now))
		too_slow(c);
}
