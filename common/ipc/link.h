/* ipc/link.h — one connection to another of our processes, on libevent.
 *
 * Two transports: IPC_OVER_STREAM (the lifeline socketpair with the supervisor) and nanomsg (IPC_OVER_NN_*). Both speak
 * the envelope of ipc.h. On PAIR and stream links each side says HELLO (protocol, role, generation) twice a second; the
 * link is *up* once the other's HELLO with equal protocol has arrived, and *down* again when a HELLO of a new
 * generation arrives (the process was replaced: what was queued for it is gone), after IPC_SILENCE_MS without a frame,
 * at EOF, or when ipc_link_peer_gone says so. Messages for a former generation are dropped by the receiver. nanomsg
 * does not report a dead peer (style.md section 8), hence all this. PUB/SUB has no HELLO: a SUB link is up from its
 * first message on.
 *
 * A message from a role that may not send it, of unknown type, or malformed is dropped, counted, and logged at most
 * once a second. Sending never blocks: what the socket does not take is queued up to out_max_bytes, beyond that
 * ipc_send fails with IPC_FULL and counts. Handlers run in the event loop, at most IPC_BATCH per wake-up; decoded
 * messages live until the handler returns. */
#ifndef IPC_LINK_H
#define IPC_LINK_H

#include "base/clock.h"
#include "ipc/ipc.h"

struct event_base;
struct ipc_link;

enum ipc_transport_kind { IPC_OVER_STREAM, IPC_OVER_NN };
enum ipc_nn_kind { IPC_NN_PAIR_BIND, IPC_NN_PAIR_CONNECT, IPC_NN_PUB_BIND, IPC_NN_SUB_CONNECT };

#define IPC_HELLO_MS 500
#define IPC_BATCH 64

struct ipc_handler {
	uint32_t type;
	void (*fn)(void *ctx, struct ipc_link *l, const void *msg);
};
/* Made by ipc/make_inbox.h from a .def table: every message of the table must have a handler or it does not compile. */
struct ipc_inbox {
	const struct ipc_handler *v;
	size_t n;
};

struct ipc_link_conf {
	const char *name; /* for logs; copied */
	enum ipc_role self;
	uint64_t generation;	       /* of this process, > 0 */
	uint32_t peer_roles;	       /* mask of roles that may be on the other end */
	const struct ipc_inbox *inbox; /* may be NULL when nothing is received */
	void *ctx;
	void (*on_up)(void *ctx, struct ipc_link *l);			 /* may be NULL */
	void (*on_down)(void *ctx, struct ipc_link *l, const char *why); /* may be NULL; the link object stays */
	size_t out_max_bytes;						 /* 0 = 32 MiB */
};

/* fd: one end of a SOCK_STREAM socketpair; owned by the link from now on. */
int ipc_link_open_stream(struct event_base *base, const struct ipc_link_conf *conf, int fd, struct ipc_link **ret_l,
			 struct err *e) MUST_USE;
/* address: "ipc:///run/…". The process must not fork without exec after this. */
int ipc_link_open_nn(struct event_base *base, const struct ipc_link_conf *conf, enum ipc_nn_kind kind,
		     const char *address, struct ipc_link **ret_l, struct err *e) MUST_USE;
/* Safe inside handlers (freed after they return). NULL is fine. No on_down. */
void ipc_link_close(struct ipc_link *l);

bool ipc_link_is_up(const struct ipc_link *l);
uint64_t ipc_link_peer_generation(const struct ipc_link *l); /* 0 while down */
uint32_t ipc_link_peer_role(const struct ipc_link *l);
void *ipc_link_ctx(const struct ipc_link *l);
/* The peer's process ended (told by the supervisor): on_down at once if that generation was up. */
void ipc_link_peer_gone(struct ipc_link *l, uint64_t generation);

/* IPC_DOWN while the link is down (PUB: never down), IPC_FULL, TOO_LARGE. The message is copied. */
int ipc_send(struct ipc_link *l, uint32_t type, const void *msg, struct err *e) MUST_USE;

struct ipc_link_stats {
	uint64_t sent, received;
	uint64_t dropped_role, dropped_type, dropped_format, dropped_generation;
	uint64_t refused_full;
	uint64_t ups, downs;
	size_t queued_bytes;
};
struct ipc_link_stats ipc_link_stats(const struct ipc_link *l);

/* Typed senders: ipc_send_<name>(link, &message, e). */
#define F(...)
#define IPC_MSG(NAME, name, id, from, ...)                                                                \
	static inline int MUST_USE UNUSED ipc_send_##name(struct ipc_link *l, const struct ipc_##name *m, \
							  struct err *e)                                  \
	{                                                                                                 \
		return ipc_send(l, (id), m, e);                                                           \
	}
#include IPC_ALL_DEFS
#undef IPC_MSG
#undef F

#endif
