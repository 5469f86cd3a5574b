/* ap_where.c — see ap_where.h. Called by ap_dispatch and, for each further attempt, by ap_proxy. */
#include "ap_where.h"

#include <string.h>

#include "base/str.h"

static bool
is_web_address(const char *uri)
{
	return str_starts(uri, "http://") || str_starts(uri, "https://");
}

struct ap_standing
ap_standing_of(const struct ipc_state *state, bool raft_configured, int64_t now_us)
{
	struct ap_standing s = {.raft = state->seq == 0 ? raft_configured : state->raft_enabled};

	s.leads = state->is_leader;
	s.lease = s.leads && now_us < state->lease_end_us;
	s.has_leader =
	    state->leader[0] != '\0' && strcmp(state->leader, state->self) != 0 && is_web_address(state->leader_uri);
	s.quorum_fresh = now_us < state->quorum_until_us;
	return s;
}

enum ap_place
ap_where_to(const struct ap_standing *s, const struct ap_errand *what)
{
	if (!s->raft || what->where == AP_LOCAL)
		return AP_HERE;
	if (s->leads)
		return s->lease || what->changes ? AP_HERE : AP_HERE_STALE;
	if (what->relayed)
		return AP_NOT_LEADER;
	if (what->control && !what->changes)
		return AP_HERE_STALE;
	if (s->has_leader)
		return AP_RELAY;
	return what->changes ? AP_NO_LEADER : AP_HERE_STALE;
}
