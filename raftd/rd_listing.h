/* rd_listing.h — found servers on their way into the inventory: gathered for RD_LISTING_GATHER_US or until a command is
 * full, and only a few commands under way at a time, so that the first discovery of 10 000 servers is forty commands
 * one after the other and nothing else has to wait behind them. Pure; times given.
 *
 * A server that finds no room is left out (counted): its next probe lists it again. */
#ifndef RD_LISTING_H
#define RD_LISTING_H

#include <uthash.h>

#include "base/clock.h"
#include "topo/topo.h"

#define RD_LISTING_GATHER_US (100 * CLK_MS)
#define RD_LISTING_BATCH 256 /* servers in one command (RD_KEYS_MAX) */
#define RD_LISTING_FLIGHTS 2 /* commands under way */
#define RD_LISTING_MAX 32768 /* servers that wait or are under way */

struct rd_listed;
struct rd_listing {
	struct rd_listed *all;	   /* by name: waiting or under way */
	struct topo_key_list next; /* waiting; owning */
	size_t cap;
	struct mono since; /* the oldest of them */
	bool at_once;
	unsigned flights;
	uint64_t overflows;
};

void rd_listing_done(struct rd_listing *l);
/* False: it waits already, or there is no room. at_once: somebody waits for it, so it goes first. */
bool rd_listing_add(struct rd_listing *l, const struct topo_key *key, bool at_once, struct mono now);
/* The next command's servers, when one is due: *ret_keys is the caller's (topo_key_list_done) until it gives them back
 * by rd_listing_ended. False: nothing is due now. */
bool rd_listing_take(struct rd_listing *l, struct mono now, struct topo_key_list *ret_keys);
/* The command with these servers was decided, or failed. */
void rd_listing_ended(struct rd_listing *l, const struct topo_key_list *keys);
/* When to call rd_listing_take again; false: not before something changes. */
bool rd_listing_due(const struct rd_listing *l, struct mono *ret_at);

#endif
