/* rd_follow.h — who of a recovery's servers can follow whom (rd_can_follow), remembered by kinds of servers: of a thousand
 * replicas that differ in nothing but their names and positions, one pair is checked and not a million. Pure. */
#ifndef RD_FOLLOW_H
#define RD_FOLLOW_H

#include "rd_have.h"

#define RD_FOLLOW_KINDS_MAX 32 /* servers beyond that are checked one by one */

struct rd_follow {
	const struct rd_recovery_input *in;
	const struct rd_haves *haves;
	struct rd_follow_one *of; /* of haves->v */
	size_t kinds;
	uint8_t known[RD_FOLLOW_KINDS_MAX][RD_FOLLOW_KINDS_MAX];
	uint64_t checked; /* pairs, so far */
	uint64_t joined;  /* for the caller: pairs whose sets it compared */
};

/* Borrows both, in the arena, and until the arena's end. */
void rd_follow_init(const struct rd_recovery_input *in, const struct rd_haves *haves, struct mem_arena *arena,
		    struct rd_follow *ret);
/* It was a replica of the failed server, and answers. */
bool rd_follow_is_direct(const struct rd_follow *f, size_t x);
/* rd_can_follow of haves->v[x] and haves->v[y] says 0. */
bool rd_follow_can(struct rd_follow *f, size_t x, size_t y);

#endif
