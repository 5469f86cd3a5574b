/* link_stream.c — transport over a SOCK_STREAM socketpair: 4 bytes big-endian length, then the frame. Used for
 * lifelines only: EOF tells at once that the other process ended. The supervisor links this and no nanomsg. */
#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <string.h>

#include "ipc/link_private.h"

#define LEN_BYTES 4u

static enum ipc_sent
stream_send(struct ipc_link *l, const void *p, size_t n)
{
	struct bufferevent *bev = l->impl;
	struct evbuffer *out;
	uint32_t len = htonl((uint32_t)n);

	if (bev == NULL)
		return IPC_SEND_FAILED;
	out = bufferevent_get_output(bev);
	if (evbuffer_get_length(out) > l->conf.out_max_bytes)
		return IPC_WOULD_BLOCK;
	if (evbuffer_add(out, &len, sizeof(len)) != 0 || evbuffer_add(out, p, n) != 0)
		return IPC_SEND_FAILED;
	return IPC_SENT;
}

static void
stream_want_send(struct ipc_link *l UNUSED, bool on UNUSED)
{
	/* the bufferevent drains by itself; queued frames follow in on_written */
}

static void
stream_close(struct ipc_link *l)
{
	if (l->impl != NULL)
		bufferevent_free(l->impl);
	l->impl = NULL;
}

static const struct ipc_transport stream_transport = {stream_send, stream_want_send, stream_close};

static void
on_readable(struct bufferevent *bev, void *arg)
{
	struct ipc_link *l = arg;
	struct evbuffer *in = bufferevent_get_input(bev);
	uint32_t len;

	l->in_use++;
	while (!l->closing && evbuffer_copyout(in, &len, sizeof(len)) == (ev_ssize_t)sizeof(len)) {
		size_t n = ntohl(len);
		if (n > IPC_RECEIVE_MAX) {
			ipc_link_lost(l, "frame too large");
			break;
		}
		if (evbuffer_get_length(in) < LEN_BYTES + n)
			break;
		(void)evbuffer_drain(in, LEN_BYTES);
		ipc_link_received(l, evbuffer_pullup(in, (ev_ssize_t)n), n);
		if (!l->closing)
			(void)evbuffer_drain(in, n);
	}
	ipc_link_leave(l);
}

static void
on_written(struct bufferevent *bev UNUSED, void *arg)
{
	ipc_link_writable(arg);
}

static void
on_stream_event(struct bufferevent *bev, short what, void *arg)
{
	struct ipc_link *l = arg;

	if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) {
		(void)bufferevent_disable(bev, EV_READ | EV_WRITE);
		ipc_link_lost(l, "connection closed");
	}
}

int
ipc_link_open_stream(struct event_base *base, const struct ipc_link_conf *conf, int fd, struct ipc_link **ret_l,
		     struct err *e)
{
	struct ipc_link *l;
	struct bufferevent *bev;

	if (evutil_make_socket_nonblocking(fd) != 0)
		return err_set(e, ERR_IO, "link %s: fd %d is not a socket", conf->name, fd);
	bev = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (bev == NULL)
		return err_set(e, ERR_NO_MEMORY, "link %s", conf->name);
	l = ipc_link_new(base, conf);
	l->has_hello = true;
	l->transport = &stream_transport;
	l->impl = bev;
	bufferevent_setcb(bev, on_readable, on_written, on_stream_event, l);
	(void)bufferevent_enable(bev, EV_READ | EV_WRITE);
	ipc_link_begin(l);
	*ret_l = l;
	return 0;
}
