/* rn_resolver.h — host names to addresses, off the event loop: a few threads with getaddrinfo.
 *
 * Addresses written as such are answered without a thread. A look-up can't be stopped: its asker waits as long as it
 * likes and may ignore the answer. At most RN_PEERS_MAX look-ups are under way. */
#ifndef RN_RESOLVER_H
#define RN_RESOLVER_H

#include "rn_net.h"

struct rn_resolver;

struct rn_answer {
	uint64_t id;
	union rn_address addresses[RN_ADDRESSES_MAX];
	size_t n; /* 0: e tells why */
	struct err e;
};
/* In the event loop; never from within rn_resolver_ask. */
typedef void rn_on_answer(void *ctx, const struct rn_answer *a);

int rn_resolver_new(struct event_base *base, rn_look_up *look_up, void *look_up_ctx, rn_on_answer *on_answer, void *ctx,
		    struct rn_resolver **ret_r, struct err *e) MUST_USE;
/* Threads still busy end by themselves later; no answer arrives any more. look_up_ctx must outlive them. */
void rn_resolver_free(struct rn_resolver *r);
/* LIMIT: too many under way. */
int rn_resolver_ask(struct rn_resolver *r, uint64_t id, const char *host, uint16_t port, struct err *e) MUST_USE;

/* The default look-up; waits. Also for the listening address. */
int rn_look_up_name(void *ctx, const char *host, uint16_t port, union rn_address *ret, size_t max, struct err *e);
socklen_t rn_address_bytes(const union rn_address *a);
bool rn_address_same_host(const union rn_address *a, const union rn_address *b);
#define RN_ADDRESS_TEXT 80
void rn_address_text(const union rn_address *a, char ret[RN_ADDRESS_TEXT]);

#endif
