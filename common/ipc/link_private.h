/* link_private.h — between link.c (envelope, hello, dispatch) and its transports. */
#ifndef IPC_LINK_PRIVATE_H
#define IPC_LINK_PRIVATE_H

#include <event2/event.h>
#include <sys/queue.h>

#include "ipc/codec.h"
#include "ipc/link.h"

struct ipc_frame {
	STAILQ_ENTRY(ipc_frame) next;
	size_t n;
	char bytes[];
};

enum ipc_sent { IPC_SENT, IPC_WOULD_BLOCK, IPC_SEND_FAILED };

struct ipc_transport {
	enum ipc_sent (*send)(struct ipc_link *l, const void *p, size_t n);
	void (*want_send)(struct ipc_link *l, bool on);
	void (*close)(struct ipc_link *l);
};

struct ipc_link {
	struct ipc_link_conf conf;
	char *name;
	struct event_base *base;
	const struct ipc_transport *transport;
	void *impl; /* the transport's */
	bool has_hello;
	bool one_way_out; /* PUB: sends without a peer */

	bool up;
	uint32_t peer_role;
	uint64_t peer_generation;
	uint64_t seq;
	struct mono last_complaint;
	struct mono meet_by; /* conf.meet_ms after opening */
	bool met;	     /* or on_missed was told */
	struct event *tick;

	STAILQ_HEAD(, ipc_frame) out;
	struct ipc_link_stats stats;
	struct mem_arena arena;
	struct codec_out scratch;
	int in_use; /* nesting of handlers */
	bool closing;
};

struct ipc_link *ipc_link_new(struct event_base *base, const struct ipc_link_conf *conf);
/* After the transport is ready: starts HELLO. */
void ipc_link_begin(struct ipc_link *l);
/* One whole frame has arrived. May close the link only after return. */
void ipc_link_received(struct ipc_link *l, const void *p, size_t n);
void ipc_link_writable(struct ipc_link *l);
/* Pairs with l->in_use++; may free l. */
void ipc_link_leave(struct ipc_link *l);
/* Stream: EOF or error. */
void ipc_link_lost(struct ipc_link *l, const char *why);

#endif
