/* ipc/link.h — one connection to another of our processes, on libevent.
 *
 * Two transports: a stream (the lifeline socketpair with the supervisor) and nanomsg (enum ipc_nn_kind). Both speak the
 * envelope of ipc.h. On PAIR and stream links each side says HELLO (protocol, role, generation) twice a second. A link
 * belongs to one pair of processes: it is *up* once the HELLO of the other one has arrived, *down* when that process
 * has ended, and never up again. PUB/SUB has no HELLO: a SUB link is up from its first message on. Frames of any other
 * generation are dropped and counted.
 *
 * nanomsg does not report a dead peer (style.md section 8), and version 1.1.5 has two defects that meet when a peer is
 * killed: (a) a connecting endpoint keeps unread bytes of the old connection and takes them for the header of the next
 * one; (b) either endpoint may miss the end of a connection that ends right after its header: it turns away all others
 * or connects to nobody, for ever. Therefore no nanomsg socket outlives one of its two processes: each pair of generations has a socket
 * address of its own (proc/proc_contract.h), and the supervisor, which sees every start and end, says when to open and
 * when to end it (CHILD_PEER, ipc_link_follow). A NULL link is one that is down: no such process runs.
 * What is left is a process that is stopped for more than a second (nanomsg's patience) while it greets; the other may
 * then run into (b). The end that connects hears of it by on_missed.
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
	uint64_t peer_generation;      /* of the other process; 0: not known (streams only) */
	uint32_t peer_roles;	       /* mask of roles that may be on the other end */
	const struct ipc_inbox *inbox; /* may be NULL when nothing is received */
	void *ctx;
	void (*on_up)(void *ctx, struct ipc_link *l);			 /* may be NULL */
	void (*on_down)(void *ctx, struct ipc_link *l, const char *why); /* may be NULL; the link object stays */
	size_t out_max_bytes;						 /* 0 = 32 MiB */
	int64_t meet_ms;						 /* 0 = no limit */
	/* Once, when the link is not up meet_ms after it was opened: only another generation of one of the processes can
	 * help. May close the link. */
	void (*on_missed)(void *ctx, struct ipc_link *l);
};

/* fd: one end of a SOCK_STREAM socketpair; owned by the link from now on. */
int ipc_link_open_stream(struct event_base *base, const struct ipc_link_conf *conf, int fd, struct ipc_link **ret_l,
			 struct err *e) MUST_USE;
/* address: "ipc:///run/…"; the file of a bound one is removed at close. The process must not fork without exec after
 * this. */
int ipc_link_open_nn(struct event_base *base, const struct ipc_link_conf *conf, enum ipc_nn_kind kind,
		     const char *address, struct ipc_link **ret_l, struct err *e) MUST_USE;
/* Safe inside handlers (freed after they return). NULL is fine. No on_down. */
void ipc_link_close(struct ipc_link *l);
/* What a CHILD_PEER about the process at the other end means for *l, a nanomsg link or NULL. The link to a process that
 * has ended, or that a new one replaces, is closed after its on_down (if it was up), and *l is NULL. True: a link to
 * this generation is to be opened now. */
bool ipc_link_follow(struct ipc_link **l, uint64_t generation, bool runs) MUST_USE;

bool ipc_link_is_up(const struct ipc_link *l);		     /* NULL: false */
uint64_t ipc_link_peer_generation(const struct ipc_link *l); /* 0 while down, and of NULL */
uint32_t ipc_link_peer_role(const struct ipc_link *l);
void *ipc_link_ctx(const struct ipc_link *l);

/* IPC_DOWN while the link is down or NULL (PUB: never down), IPC_FULL, TOO_LARGE. The message is copied. */
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
