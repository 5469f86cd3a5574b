/* rd_candidates.h — servers that somebody named and that are not known yet, and servers that an operator made us
 * forget. Pure; times given.
 *
 * A candidate is watched until it is found (then it is listed in the inventory under its own name) or nobody names it
 * any more. A forgotten server is not taken up again for a while, although its neighbours go on naming it. */
#ifndef RD_CANDIDATES_H
#define RD_CANDIDATES_H

#include <uthash.h>

#include "base/clock.h"
#include "topo/topo.h"

struct rd_candidate {
	UT_hash_handle hh;
	struct topo_key key; /* owning */
	bool seed;	     /* of the configuration: never given up */
	bool tried;	     /* a probe of it has ended */
	struct mono named;   /* newest naming */
	char text[];
};

struct rd_forgotten {
	UT_hash_handle hh;
	struct mono until;
	char text[];
};

struct rd_candidates {
	struct rd_candidate *all;
	struct rd_forgotten *forgotten;
	uint64_t overflows;
};

#define RD_FORGOTTEN_MAX 100000

void rd_candidates_done(struct rd_candidates *c);
/* Names key now. Returns the candidate if it is new, NULL when it was there or there are max already (counted). */
struct rd_candidate *rd_candidates_name(struct rd_candidates *c, const struct topo_key *key, bool seed, struct mono now,
					size_t max);
struct rd_candidate *rd_candidates_find(const struct rd_candidates *c, const struct topo_key *key);
void rd_candidates_drop(struct rd_candidates *c, struct rd_candidate *x);
/* One that nobody has named for life_us and that is no seed; NULL = none. The caller drops it. */
struct rd_candidate *rd_candidates_expired(const struct rd_candidates *c, struct mono now, int64_t life_us);

void rd_forgotten_add(struct rd_candidates *c, const struct topo_key *key, struct mono until);
bool rd_forgotten_has(const struct rd_candidates *c, const struct topo_key *key, struct mono now);
void rd_forgotten_lift(struct rd_candidates *c, const struct topo_key *key);
void rd_forgotten_expire(struct rd_candidates *c, struct mono now);

/* A host name that a server or a configuration may well mean: printable, without blanks and commas. */
bool rd_host_is_plausible(const char *host);

#endif
