/* rd_lease.h — until when a leader may say "I am the leader": pure arithmetic on instants of this machine's clock.
 *
 * Every AppendEntries carries the leader's clock at sending (sent_us); a follower's result echoes the newest one that
 * it accepted in that term. A follower that accepted at or after that instant gives nobody else its vote for one
 * election timeout; so what a majority accepted from `evidence` on keeps other leaders away until evidence + election
 * timeout by anybody's clock, and the leader claims 0.8 of it (clock rates within 10 %). Design section 4. */
#ifndef RD_LEASE_H
#define RD_LEASE_H

#include "base/clock.h"

#define RD_LEASE_PERCENT 80
#define RD_NEVER ((struct mono){INT64_MIN})

/* The newest instant that at least `majority` of the n instants have reached; RD_NEVER when too few of them have one.
 * Reorders v. */
struct mono rd_lease_evidence(struct mono *v, size_t n, size_t majority);

/* RD_NEVER without evidence. */
struct mono rd_lease_end(struct mono evidence, int64_t election_us);

/* Start with end = RD_NEVER. */
struct rd_lease {
	uint64_t term;		   /* of the newest claim */
	uint64_t surrendered_term; /* no lease any more in this term (transfer, own removal) */
	struct mono end;	   /* newest end that was told to anybody: no vote is given before it has passed */
};

/* A leader asks for its lease. Returns RD_NEVER when it has none; otherwise the end, remembered in l.
 * open_term: the barrier of its own term isn't applied. */
struct mono rd_lease_claim(struct rd_lease *l, uint64_t term, bool open_term, struct mono evidence,
			   int64_t election_us);
void rd_lease_surrender(struct rd_lease *l, uint64_t term);

#endif
