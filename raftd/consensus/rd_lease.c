/* rd_lease.c — the arithmetic of leases. Pure; owns nothing; called by the raft member. */
#include "rd_lease.h"

struct mono
rd_lease_evidence(struct mono *v, size_t n, size_t majority)
{
	if (majority == 0 || majority > n)
		return RD_NEVER;
	for (size_t i = 1; i < n; i++) { /* newest first; n is the number of members */
		struct mono x = v[i];
		size_t at = i;

		for (; at > 0 && mono_before(v[at - 1], x); at--)
			v[at] = v[at - 1];
		v[at] = x;
	}
	return v[majority - 1];
}

struct mono
rd_lease_end(struct mono evidence, int64_t election_us)
{
	if (evidence.us == RD_NEVER.us)
		return RD_NEVER;
	return mono_add_us(evidence, election_us / 100 * RD_LEASE_PERCENT);
}

struct mono
rd_lease_claim(struct rd_lease *l, uint64_t term, bool open_term, struct mono evidence, int64_t election_us)
{
	struct mono end = rd_lease_end(evidence, election_us);

	if (open_term || l->surrendered_term == term || end.us == RD_NEVER.us)
		return RD_NEVER;
	l->term = term;
	if (mono_before(l->end, end))
		l->end = end;
	return end;
}

void
rd_lease_surrender(struct rd_lease *l, uint64_t term)
{
	l->surrendered_term = term;
}
