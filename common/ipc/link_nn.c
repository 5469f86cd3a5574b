/* link_nn.c — transport over nanomsg PAIR and PUB/SUB. The only includer of nanomsg.
 * Measured rules (reference/libraries.md section 4): NN_RCVMAXSIZE set before bind; both descriptors are *readable*
 * when their operation would succeed; level-triggered, so a bounded number per wake-up; SNDFD watched only while
 * something is queued. */
#include <errno.h>
#include <nanomsg/nn.h>
#include <nanomsg/pair.h>
#include <nanomsg/pubsub.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ipc/link_private.h"

#define SOCKET_BUFFER_BYTES (1 << 20)
#define SCHEME "ipc://"

struct nn_impl {
	int socket;
	char *path; /* of a bound one: its file */
	struct event *readable;
	struct event *writable; /* added only while frames are queued */
};

static const struct {
	int protocol;
	bool bind, receives, has_hello;
} kinds[] = {
    [IPC_NN_PAIR_BIND] = {NN_PAIR, true, true, true},
    [IPC_NN_PAIR_CONNECT] = {NN_PAIR, false, true, true},
    [IPC_NN_PUB_BIND] = {NN_PUB, true, false, false},
    [IPC_NN_SUB_CONNECT] = {NN_SUB, false, true, false},
};

static enum ipc_sent
nn_link_send(struct ipc_link *l, const void *p, size_t n)
{
	struct nn_impl *impl = l->impl;
	int rc = nn_send(impl->socket, p, n, NN_DONTWAIT);

	if (rc >= 0)
		return IPC_SENT;
	return nn_errno() == EAGAIN || nn_errno() == EINTR ? IPC_WOULD_BLOCK : IPC_SEND_FAILED;
}

static void
nn_link_want_send(struct ipc_link *l, bool on)
{
	struct nn_impl *impl = l->impl;

	if (impl->writable == NULL)
		return;
	if (on)
		(void)event_add(impl->writable, NULL);
	else
		(void)event_del(impl->writable);
}

static void
nn_link_close(struct ipc_link *l)
{
	struct nn_impl *impl = l->impl;

	if (impl->readable != NULL)
		event_free(impl->readable);
	if (impl->writable != NULL)
		event_free(impl->writable);
	(void)nn_close(impl->socket);
	if (impl->path != NULL)
		(void)unlink(impl->path);
	free(impl->path);
	free(impl);
	l->impl = NULL;
}

static const struct ipc_transport nn_transport = {nn_link_send, nn_link_want_send, nn_link_close};

static void
on_nn_readable(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct ipc_link *l = arg;

	l->in_use++;
	for (int i = 0; i < IPC_BATCH && !l->closing; i++) {
		void *buf = NULL;
		int n = nn_recv(((struct nn_impl *)l->impl)->socket, &buf, NN_MSG, NN_DONTWAIT);
		if (n < 0)
			break;
		ipc_link_received(l, buf, (size_t)n);
		(void)nn_freemsg(buf);
	}
	ipc_link_leave(l);
}

static void
on_nn_writable(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	ipc_link_writable(arg);
}

static int
set_option(int s, int level, int option, int value)
{
	return nn_setsockopt(s, level, option, &value, sizeof(value));
}

static int
configure(int s, enum ipc_nn_kind kind)
{
	if (set_option(s, NN_SOL_SOCKET, NN_RCVMAXSIZE, (int)IPC_RECEIVE_MAX) < 0 ||
	    set_option(s, NN_SOL_SOCKET, NN_SNDBUF, SOCKET_BUFFER_BYTES) < 0 ||
	    set_option(s, NN_SOL_SOCKET, NN_RECONNECT_IVL, 50) < 0)
		return -1;
	if (kinds[kind].receives && set_option(s, NN_SOL_SOCKET, NN_RCVBUF, SOCKET_BUFFER_BYTES) < 0)
		return -1;
	if (kind == IPC_NN_SUB_CONNECT && nn_setsockopt(s, NN_SUB, NN_SUB_SUBSCRIBE, "", 0) < 0)
		return -1;
	return 0;
}

static struct event *
watch(struct ipc_link *l, int socket, int option, event_callback_fn fn)
{
	int fd = -1;
	size_t size = sizeof(fd);

	if (nn_getsockopt(socket, NN_SOL_SOCKET, option, &fd, &size) < 0)
		return NULL;
	return event_new(l->base, fd, EV_READ | EV_PERSIST, fn, l);
}

static void
watch_socket(struct ipc_link *l, enum ipc_nn_kind kind)
{
	struct nn_impl *impl = l->impl;

	if (kinds[kind].receives) {
		impl->readable = watch(l, impl->socket, NN_RCVFD, on_nn_readable);
		ASSERT(impl->readable != NULL && event_add(impl->readable, NULL) == 0);
	}
	if (kind != IPC_NN_SUB_CONNECT) {
		impl->writable = watch(l, impl->socket, NN_SNDFD, on_nn_writable);
		ASSERT(impl->writable != NULL);
	}
}

int
ipc_link_open_nn(struct event_base *base, const struct ipc_link_conf *conf, enum ipc_nn_kind kind, const char *address,
		 struct ipc_link **ret_l, struct err *e)
{
	struct nn_impl *impl;
	struct ipc_link *l;
	int s;

	ASSERT(conf->peer_generation > 0 && strncmp(address, SCHEME, strlen(SCHEME)) == 0);
	s = nn_socket(AF_SP, kinds[kind].protocol);
	if (s < 0)
		return err_set(e, ERR_IO, "link %s: %s", conf->name, nn_strerror(nn_errno()));
	if (configure(s, kind) < 0 || (kinds[kind].bind ? nn_bind(s, address) : nn_connect(s, address)) < 0) {
		(void)err_set(e, ERR_IO, "link %s: %s: %s", conf->name, address, nn_strerror(nn_errno()));
		(void)nn_close(s);
		return -e->code;
	}
	impl = mem_new(struct nn_impl);
	impl->socket = s;
	impl->path = kinds[kind].bind ? mem_strdup(address + strlen(SCHEME)) : NULL;
	l = ipc_link_new(base, conf);
	l->has_hello = kinds[kind].has_hello;
	l->one_way_out = kind == IPC_NN_PUB_BIND;
	l->transport = &nn_transport;
	l->impl = impl;
	watch_socket(l, kind);
	ipc_link_begin(l);
	*ret_l = l;
	return 0;
}
