/* rn_listen.c — listening on RaftBind, and strangers: connections taken whose hello is not accepted yet. They are few
 * (rn_rule.h): the oldest that has said nothing makes way for a new one, first among those from the same address, and
 * those from addresses of peers don't compete with the rest of the world. Called by rn_net.c. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/str.h"
#include "conf/conf_addr.h"
#include "rn_private.h"

#define BACKLOG 128
#define TAKEN_PER_TURN 16
#define SAY_STRANGER_US (10 * CLK_S)

void
rn_listen_stranger(struct rn_net *net, const char *where, const char *what)
{
	uint64_t others;

	if (line_budget_spend(&net->strangers_said, 1, SAY_STRANGER_US, rn_now(net), &others) != LINE_SAY)
		return;
	/* tests: process/nodelink */
	log_warning("link", "stranger=%s trouble=%s others_since=%llu", where, LOG_Q(what), (unsigned long long)others);
}

/* --- strangers --------------------------------------------------------------------------------------------------- */

static bool
is_known(const struct rn_net *net, const union rn_address *a)
{
	const struct rn_peer *p;

	TAILQ_FOREACH (p, &net->peers, next) {
		if (rn_peer_has_address(p, a))
			return true;
	}
	return false;
}

struct strangers {
	size_t same, all;
	struct rn_conn *oldest_same, *oldest; /* that have said nothing */
};

static struct strangers
count_strangers(struct rn_net *net, const union rn_address *from)
{
	struct strangers s = {0};
	struct rn_conn *c;

	TAILQ_FOREACH (c, &net->conns, next) /* oldest first */
	{
		bool silent = c->state == RN_CONN_TLS || c->state == RN_CONN_HELLO || c->state == RN_CONN_CLOSING;
		if (c->dialled || c->state == RN_CONN_LIVE || c->state == RN_CONN_DEAD)
			continue;
		if (rn_address_same_host(&c->address, from)) {
			s.same++;
			if (silent && s.oldest_same == NULL)
				s.oldest_same = c;
		}
		if (is_known(net, &c->address))
			continue;
		s.all++;
		if (silent && s.oldest == NULL)
			s.oldest = c;
	}
	return s;
}

static bool
make_room(struct rn_net *net, const union rn_address *from)
{
	struct strangers s = count_strangers(net, from);
	struct rn_conn *victim;

	if (s.same >= RN_STRANGERS_PER_ADDRESS)
		victim = s.oldest_same;
	else if (s.all >= RN_STRANGERS_MAX && !is_known(net, from))
		victim = s.oldest;
	else
		return true;
	net->stats.shed++;
	if (victim == NULL)
		return false;
	rn_listen_stranger(net, victim->where, "too many connections without a hello");
	rn_conn_drop(victim, "too many connections", false);
	return true;
}

/* An IPv4 address that came over an IPv6 socket is an IPv4 address. */
static void
unmap(union rn_address *a)
{
	struct sockaddr_in in = {.sin_family = AF_INET};

	if (a->sa.sa_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&a->in6.sin6_addr))
		return;
	memcpy(&in.sin_addr, &a->in6.sin6_addr.s6_addr[12], sizeof(in.sin_addr));
	in.sin_port = a->in6.sin6_port;
	a->in = in;
}

static void
on_acceptable(evutil_socket_t fd, short what UNUSED, void *arg)
{
	struct rn_net *net = arg;

	for (int i = 0; i < TAKEN_PER_TURN; i++) {
		union rn_address from = {0};
		socklen_t n = sizeof(from);
		int s = accept4(fd, &from.sa, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (s < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
			rn_listen_stranger(net, "any", strerror(errno));
			rn_listen_pause(net); /* until the next tick */
			return;
		}
		if (s < 0)
			return;
		unmap(&from);
		if (make_room(net, &from))
			rn_conn_take(net, s, &from);
		else
			(void)close(s);
	}
}

/* --- listening --------------------------------------------------------------------------------------------------- */

static int
listen_on(const union rn_address *a, bool both_families)
{
	int fd = socket(a->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1, v6_only = !both_families;

	if (fd < 0)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (a->sa.sa_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof(v6_only));
	if (bind(fd, &a->sa, rn_address_bytes(a)) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	on = errno;
	(void)close(fd);
	errno = on;
	return -1;
}

static uint16_t
port_of(int fd)
{
	union rn_address a = {0};
	socklen_t n = sizeof(a);

	if (getsockname(fd, &a.sa, &n) != 0)
		return 0;
	return ntohs(a.sa.sa_family == AF_INET6 ? a.in6.sin6_port : a.in.sin_port);
}

static int
add_listener(struct rn_net *net, union rn_address *a, bool both_families, struct err *e)
{
	char where[RN_ADDRESS_TEXT];
	struct event *ev;
	int fd;

	if (net->port != 0 && a->sa.sa_family == AF_INET6)
		a->in6.sin6_port = htons(net->port);
	else if (net->port != 0)
		a->in.sin_port = htons(net->port);
	rn_address_text(a, where);
	fd = listen_on(a, both_families);
	if (fd < 0)
		return err_sys(e, ERR_IO, errno, "RaftBind: listening on %s", where);
	ev = event_new(net->base, fd, EV_READ | EV_PERSIST, on_acceptable, net);
	ASSERT(ev != NULL);
	net->listeners[net->n_listeners++] = ev;
	net->port = port_of(fd);
	return 0;
}

static bool
is_loopback(const union rn_address *a)
{
	if (a->sa.sa_family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(&a->in6.sin6_addr);
	return (ntohl(a->in.sin_addr.s_addr) >> 24) == 127;
}

/* "" : every address of the machine, of both families where there are two. */
static int
open_any(struct rn_net *net, uint16_t port, struct err *e)
{
	union rn_address any6 = {.in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)}};
	union rn_address any4 = {.in = {.sin_family = AF_INET, .sin_port = htons(port)}};

	if (add_listener(net, &any6, true, e) == 0)
		return 0;
	return add_listener(net, &any4, false, e);
}

static int
open_named(struct rn_net *net, const char *host, uint16_t port, bool *ret_outside, struct err *e)
{
	union rn_address all[RN_LISTENERS_MAX];
	int n = rn_look_up_name(NULL, host, port, all, RN_LISTENERS_MAX, e);

	if (n < 0)
		return err_wrap(e, "RaftBind names no address of this machine");
	for (int i = 0; i < n; i++) {
		bool any = all[i].sa.sa_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&all[i].in6.sin6_addr);
		*ret_outside |= !is_loopback(&all[i]);
		if (add_listener(net, &all[i], any, e) != 0)
			log_debug("link", "%s", e->msg);
	}
	return net->n_listeners > 0 ? 0 : -e->code; /* one of a name's addresses is enough */
}

int
rn_listen_open(struct rn_net *net, const struct rn_net_conf *conf, struct err *e)
{
	char host[CONF_HOST_BYTES];
	bool outside = false;
	int64_t port = 0;
	int rc = conf_addr_split(conf->bind, conf->default_port == 0 ? -1 : conf->default_port, host, &port, e);

	if (rc != 0)
		return err_wrap(e, "RaftBind");
	if (host[0] == '\0') {
		outside = true;
		rc = open_any(net, (uint16_t)port, e);
	} else {
		rc = open_named(net, host, (uint16_t)port, &outside, e);
	}
	if (rc == 0 && outside && net->tls == NULL)
		log_warning(
		    "link",
		    "RaftUseTLS is off: whoever reaches %s can read what the nodes say and pose as one of them; "
		    "use RaftUseTLS, or a network of the nodes' own",
		    LOG_Q(conf->bind));
	return rc;
}

void
rn_listen_start(struct rn_net *net)
{
	for (size_t i = 0; i < net->n_listeners; i++)
		(void)event_add(net->listeners[i], NULL);
	net->listening = true;
}

void
rn_listen_pause(struct rn_net *net)
{
	for (size_t i = 0; i < net->n_listeners; i++)
		(void)event_del(net->listeners[i]);
	net->listening = false;
}

void
rn_listen_close(struct rn_net *net)
{
	for (size_t i = 0; i < net->n_listeners; i++) {
		(void)close(event_get_fd(net->listeners[i]));
		event_free(net->listeners[i]);
	}
	net->n_listeners = 0;
}
