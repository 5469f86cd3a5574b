/* rn_private.h — between the files of the node link: rn_net.c (the object, its calls), rn_peer.c (dialling, who is up),
 * rn_conn.c (one connection's bytes), rn_shake.c (its hello), rn_queue.c (what waits), rn_listen.c (strangers).
 *
 * Objects are only marked dead where they end and freed by the reaper in a turn of the loop of its own, so that lists
 * may be walked and callbacks may do what they like. */
#ifndef RN_PRIVATE_H
#define RN_PRIVATE_H

#include <event2/bufferevent.h>
#include <event2/event.h>
#include <sys/queue.h>

#include "base/line_budget.h"
#include "rn_frame.h"
#include "rn_net.h"
#include "rn_resolver.h"
#include "rn_rule.h"
#include "rn_tls.h"

#define RN_LISTENERS_MAX 8

struct rn_queued {
	STAILQ_ENTRY(rn_queued) next;
	size_t n;
	uint8_t bytes[]; /* head and payload */
};
struct rn_queue {
	STAILQ_HEAD(, rn_queued) frames;
	size_t bytes; /* of payloads */
};

enum rn_conn_state {
	RN_CONN_CONNECTING, /* dialled: TCP */
	RN_CONN_TLS,	    /* handshake */
	RN_CONN_HELLO,	    /* waits for the other's hello */
	RN_CONN_READY,	    /* taken: sent ours, waits for READY */
	RN_CONN_USE,	    /* both hellos accepted, waits for the deciding node */
	RN_CONN_LIVE,	    /* in use */
	RN_CONN_CLOSING,    /* a refusal is on its way */
	RN_CONN_DEAD,
};

struct rn_conn {
	TAILQ_ENTRY(rn_conn) next;
	struct rn_net *net;
	struct rn_peer *peer; /* NULL: a stranger */
	bool dialled;
	enum rn_conn_state state;
	int fd;			  /* owned while there is no bev */
	struct event *connecting; /* CONNECTING */
	struct bufferevent *bev;
	struct ssl_st *ssl; /* the bev's */
	union rn_address address;
	char where[RN_ADDRESS_TEXT];
	struct mono begun, deadline, heard, sent;
	struct rn_hello hello; /* owned; valid from READY or USE on */
	bool has_hello;
	uint64_t said_version; /* of our hello */
	struct rn_queue queues[RN_CHANNELS];
	bool room_grew; /* on_room is due when the socket has taken what it was given */
};

/* Kinds of trouble with a peer besides enum rn_refuse: each is logged once until it was up again. */
enum rn_trouble {
	RN_TROUBLE_NAME = RN_REFUSE_COUNT,
	RN_TROUBLE_CONNECT,
	RN_TROUBLE_TLS,
	RN_TROUBLE_LOST,
	RN_TROUBLE_WARNING
};

struct rn_peer {
	TAILQ_ENTRY(rn_peer) next;
	struct rn_net *net;
	bool listed, gone;
	char name[RN_NAME_MAX + 1];
	char host[RN_NAME_MAX + 1];
	uint16_t port;
	struct rn_conn *live, *dialling;
	uint64_t live_number; /* of the connection in use */
	uint64_t seen;	      /* last number we were told */
	struct event *dial_timer;
	unsigned failures; /* in a row */
	uint64_t look_up;  /* id of the one awaited; 0: none */
	bool look_up_late;
	struct mono look_up_since;
	union rn_address addresses[RN_ADDRESSES_MAX];
	size_t n_addresses, next_address, first_address, tried;
	struct rn_hello hello; /* owned */
	bool has_hello;
	char trouble[RN_TEXT_BYTES];
	uint64_t said; /* bit per kind of trouble */
	struct mono said_since;
	struct mono changed, heard;
	uint64_t ups, dials;
};

struct rn_net {
	struct event_base *base;
	struct rn_net_conf conf; /* its texts are not kept */
	char name[RN_NAME_MAX + 1];
	int64_t silence_us;
	struct clock *clock;
	struct rn_tls *tls; /* NULL: plain TCP */
	struct rn_resolver *resolver;
	TAILQ_HEAD(, rn_peer) peers;
	TAILQ_HEAD(, rn_conn) conns;
	bool open;
	struct rn_hello hello; /* owned */
	bool has_hello;
	uint64_t hello_version; /* grows with each change */
	uint64_t number;	/* of connections this node decided to use; starts at random */
	uint64_t look_ups;
	struct event *listeners[RN_LISTENERS_MAX];
	size_t n_listeners;
	bool listening; /* has_hello, and descriptors left */
	uint16_t port;
	struct event *tick, *reaper;
	struct mono ticked;
	struct line_budget strangers_said;
	struct mem_arena arena;
	struct rn_net_stats stats;
};

static inline struct mono
rn_now(const struct rn_net *net)
{
	return clk_mono(net->clock);
}
void rn_net_reap(struct rn_net *net); /* soon */

/* --- rn_conn.c --- */
/* NULL: could not even begin; text tells. */
struct rn_conn *rn_conn_dial(struct rn_peer *peer, const union rn_address *to, struct err *e);
void rn_conn_take(struct rn_net *net, int fd, const union rn_address *from);
/* Ends it. next_address: a dial goes on with the peer's next one. why: for on_down and the log. */
void rn_conn_drop(struct rn_conn *c, const char *why, bool next_address);
/* Says why, then ends it. */
void rn_conn_refuse(struct rn_conn *c, enum rn_refuse code, const char *text);
void rn_conn_write(struct rn_conn *c, const void *p, size_t n);
void rn_conn_free(struct rn_conn *c); /* dead ones, or at the end of the net */
void rn_conn_tick(struct rn_conn *c, struct mono now);
void rn_conn_set_live(struct rn_conn *c);

/* --- rn_shake.c --- */
void rn_shake_begin(struct rn_conn *c); /* TCP and TLS stand */
void rn_shake_say_hello(struct rn_conn *c);
/* Our hello has changed since it was said here: says it again, and judges the other's again; false: refused. */
bool rn_shake_renew(struct rn_conn *c);
/* The link's own frames. */
void rn_shake_frame(struct rn_conn *c, uint8_t kind, const void *p, size_t n);

/* --- rn_queue.c --- */
int rn_queue_add(struct rn_conn *c, int channel, const void *p, size_t n, struct err *e) MUST_USE;
/* To the socket what may go now; sets room_grew when something of it was taken out of a queue. */
void rn_queue_pump(struct rn_conn *c);
size_t rn_queue_clear(struct rn_conn *c); /* number of frames */
size_t rn_queue_bytes(const struct rn_conn *c);
#define RN_OUT_LOW ((size_t)16 << 10)

/* --- rn_peer.c --- */
struct rn_peer *rn_peer_find(struct rn_net *net, const char *name); /* NULL: none */
struct rn_peer *rn_peer_new(struct rn_net *net, const char *name, bool listed);
/* No longer a member: told so and dropped. */
void rn_peer_drop(struct rn_peer *p);
void rn_peer_free(struct rn_peer *p);
void rn_peer_dial_in(struct rn_peer *p, int64_t us);
void rn_peer_answered(struct rn_peer *p, const struct rn_answer *a);
void rn_peer_tick(struct rn_peer *p, struct mono now);
void rn_peer_up(struct rn_peer *p, struct rn_conn *c, uint64_t number);
/* Its connection in use, or the one being dialled, has ended. */
void rn_peer_lost(struct rn_peer *p, const char *why);
void rn_peer_dial_failed(struct rn_peer *p, bool next_address);
/* Remembered for status; logged once per kind. */
void rn_peer_trouble(struct rn_peer *p, unsigned kind, const char *text);
bool rn_peer_has_address(const struct rn_peer *p, const union rn_address *a);

/* --- rn_listen.c --- */
int rn_listen_open(struct rn_net *net, const struct rn_net_conf *conf, struct err *e) MUST_USE;
void rn_listen_start(struct rn_net *net);
void rn_listen_pause(struct rn_net *net);
void rn_listen_close(struct rn_net *net);
/* A line about somebody who is no peer, at most one in ten seconds. */
void rn_listen_stranger(struct rn_net *net, const char *where, const char *what);

#endif
