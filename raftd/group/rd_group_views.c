/* rd_group_views.c — the group as votes about suspected servers need it: who votes, and the channel between them. What is
 * said there is rd_detect.c's. */
#include "base/log.h"
#include "rd_group_private.h"

_Static_assert(RD_ELECTORATE_MAX >= RD_MEMBERS_MAX, "every member may be a voter");

bool
rd_group_electorate(struct rd_group *g, struct rd_electorate *ret)
{
	const struct rd_members *members;
	struct rd_raft_status s;

	if (!rd_group_runs(g))
		return false;
	rd_raft_status(g->raft, &s);
	members = rd_raft_members(g->raft);
	*ret = (struct rd_electorate){.self = g->name, .term = s.term};
	for (size_t i = 0; i < members->n; i++) {
		if (members->v[i].role == RD_ROLE_VOTER)
			ret->names[ret->n++] = members->v[i].name;
	}
	return ret->n > 0;
}

bool
rd_group_say_view(struct rd_group *g, const char *peer, const void *p, size_t n)
{
	struct err e;

	if (rn_net_send(g->net, peer, RN_CHANNEL_VIEWS, p, n, &e) == 0)
		return true;
	log_debug("detect", "vote not said to %s: %s", LOG_Q(peer), e.msg);
	return false;
}
