/* rd_suspect.h — which servers to probe at once after connections were lost, and how many at a time. Pure; times given.
 * Design: design.md section 5.
 *
 * A lost server and its replicas are probed immediately. When many are lost within a second (more than 20, or 10 % of
 * the known ones and at least 3) it is likely our own network: then servers with replicas come first, at most
 * RD_SUSPECT_MASS_AT_ONCE are under way, and the others follow when no more of those are left. */
#ifndef RD_SUSPECT_H
#define RD_SUSPECT_H

#include "base/clock.h"
#include "topo/topo.h"

struct rd_suspect;

#define RD_SUSPECT_MASS 20
#define RD_SUSPECT_MASS_LEAST 3
#define RD_SUSPECT_MASS_AT_ONCE 16
#define RD_SUSPECT_AT_ONCE 256
#define RD_SUSPECT_MAX 100000 /* servers waiting; beyond that the regular schedule finds them (counted) */

struct rd_suspect *rd_suspect_new(void);
void rd_suspect_free(struct rd_suspect *s); /* NULL is fine */

/* A connection was lost. Returns true when this made it a mass loss that was none before. */
bool rd_suspect_lost(struct rd_suspect *s, const struct topo_key *key, bool has_replicas, struct mono now,
		     size_t known_servers);
/* A server to look at because of another one: a replica of a suspect. */
void rd_suspect_related(struct rd_suspect *s, const struct topo_key *key, bool has_replicas);
/* The next server to probe now; false: none, or enough are under way. ret_key: borrowed until the next call. */
bool rd_suspect_next(struct rd_suspect *s, struct mono now, const struct topo_key **ret_key);
/* A probe given out by rd_suspect_next has ended. Lost again meanwhile: it is given out once more. */
void rd_suspect_done(struct rd_suspect *s, const struct topo_key *key);

struct rd_suspect_stats {
	uint64_t lost, mass_events, overflows;
	size_t waiting, under_way;
	bool mass;
};
struct rd_suspect_stats rd_suspect_stats(const struct rd_suspect *s, struct mono now);

#endif
