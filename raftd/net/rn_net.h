/* rn_net.h — the node link: framed messages between the raftd processes of a group, over TCP or mutual TLS.
 *
 * Every peer in the list is dialled, by name anew at each attempt (the look-up happens in a thread), and dials us; of
 * the connections of a pair exactly one is in use (rn_rule.h). A peer is *up* from on_up to on_down; frames are
 * delivered in the order of sending within a channel, once, or lost with the connection: on_down says that what was
 * under way may be. A lost connection is dialled again within 20–50 ms, later every second at most. A connection on
 * which nothing was heard for silence_ms (pings go out on idle ones) is dead.
 *
 * The process ignores SIGPIPE (common/proc does that). Nothing is dialled or accepted before the first rn_net_set_hello. All calls and callbacks belong to the event loop;
 * callbacks may call everything here except rn_net_close, and may be called
 * from within rn_net_set_peers, _set_open and _set_hello. Bytes given to callbacks live until they return. Names are
 * member names (rn_name_make). */
#ifndef RN_NET_H
#define RN_NET_H

#include <netinet/in.h>

#include "base/clock.h"
#include "rn_hello.h"

struct event_base;
struct rn_net;

#define RN_FRAME_MAX ((size_t)4 << 20)
#define RN_PEERS_MAX 32

enum rn_channel {
#define RN_CONTROL(NAME, name, id, max_bytes, doc)
#define RN_CHANNEL(NAME, name, id, max_bytes, queue_bytes, doc) RN_CHANNEL_##NAME = (id),
#include "rn_channels.def"
#undef RN_CHANNEL
#undef RN_CONTROL
};
const char *rn_channel_name(enum rn_channel c);

/* All names are borrowed until the call that takes them returns, except in rn_net_open's tls (copied as well). */
struct rn_tls_conf {
	bool on;	       /* RaftUseTLS */
	const char *ca_file;   /* RaftTLSCAFile */
	const char *cert_file; /* RaftTLSCertFile */
	const char *key_file;  /* RaftTLSKeyFile */
};

/* Test seam: fills up to max addresses (port set) and returns their number, or a negative code. Runs in the resolver
 * thread. */
#define RN_ADDRESSES_MAX 16
union rn_address {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};
typedef int rn_look_up(void *ctx, const char *host, uint16_t port, union rn_address *ret, size_t max, struct err *e);

struct rn_net_conf {
	const char *bind;      /* RaftBind */
	const char *name;      /* own member name */
	uint16_t default_port; /* DefaultRaftPort; 0: bind must name one */
	uint32_t silence_ms;   /* 0: 1500; three election timeouts are a good choice */
	struct rn_tls_conf tls;
	struct clock *clock; /* NULL: the machine's */
	rn_look_up *look_up; /* NULL: getaddrinfo */
	void *look_up_ctx;

	void *ctx;
	/* hello is borrowed. Down and up again follow each other when a connection was replaced. */
	void (*on_up)(void *ctx, const char *peer, const struct rn_hello *hello);
	void (*on_hello)(void *ctx, const char *peer, const struct rn_hello *hello); /* it changed, while up */
	void (*on_down)(void *ctx, const char *peer, const char *why);
	/* May be NULL. A node of the list and this one don't work together, told at each attempt: hello is what it says of
	 * itself, or NULL when it was the one that refused. Founding must not take such a node for one that isn't there. */
	void (*on_refused)(void *ctx, const char *peer, enum rn_refuse code, const struct rn_hello *hello);
	void (*on_message)(void *ctx, const char *peer, enum rn_channel channel, const void *p, size_t n);
	/* May be NULL: something of what waited for this peer has gone to the socket (rn_net_room has grown). */
	void (*on_room)(void *ctx, const char *peer);
};

/* Listens. CONFIG: unusable address, certificate or key, the text says which and what to do; IO: cannot listen. */
int rn_net_open(struct event_base *base, const struct rn_net_conf *conf, struct rn_net **ret_net,
		struct err *e) MUST_USE;
/* Not from a callback. No on_down. NULL is fine. libevent frees the last buffers in the loop's next turn. */
void rn_net_close(struct rn_net *net);

/* The peers to be connected with; own name and repetitions are skipped. Those no longer in it are told so and dropped
 * (on_down). LIMIT: more than RN_PEERS_MAX; INVALID: not a member name. Nothing is changed then. */
int rn_net_set_peers(struct rn_net *net, const char *const *names, size_t n, struct err *e) MUST_USE;
/* Also take members that are not in the list, without dialling them: a lone founder that may be adopted. Off at first;
 * switching off drops those. */
void rn_net_set_open(struct rn_net *net, bool open);
/* What this node says of itself; copied. Connected peers are told, and judged again. TOO_LARGE: above 4 KiB. */
int rn_net_set_hello(struct rn_net *net, const struct rn_hello *hello, struct err *e) MUST_USE;
/* Reads certificates again, for connections made from now on. On error the former ones stay. RaftUseTLS itself
 * cannot change. */
int rn_net_reload_tls(struct rn_net *net, const struct rn_tls_conf *tls, struct err *e) MUST_USE;

/* Queues a copy. IPC_DOWN: the peer is not up; IPC_FULL: too much waits on that channel; TOO_LARGE. All are counted. */
int rn_net_send(struct rn_net *net, const char *peer, enum rn_channel channel, const void *p, size_t n,
		struct err *e) MUST_USE;
/* Bytes that rn_net_send would take now on that channel: 0 when down or full. */
size_t rn_net_room(const struct rn_net *net, const char *peer, enum rn_channel channel);
bool rn_net_is_up(const struct rn_net *net, const char *peer);
/* Of the peer's present or last connection; NULL: never said. Borrowed until the loop turns. */
const struct rn_hello *rn_net_hello(const struct rn_net *net, const char *peer);
/* The port listened on (for tests that bind to port 0). */
uint16_t rn_net_port(const struct rn_net *net);

/* For status: one per peer in the list (and open ones that are up). Texts borrowed until the loop turns. */
struct rn_peer_status {
	const char *name;
	bool listed, up;
	const char *address; /* of the present connection, "" */
	const char *trouble; /* why not: last error or refusal, "" */
	struct mono changed; /* of up */
	struct mono heard;   /* last frame */
	uint64_t ups, dials;
	size_t queued_bytes;
};
size_t rn_net_peers(const struct rn_net *net, struct rn_peer_status *ret, size_t max);

struct rn_net_stats {
#define METRIC_LINK(member, ...) uint64_t member;
#include "ipc/metrics.def"
};
struct rn_net_stats rn_net_stats(const struct rn_net *net);

#endif
