/* rd_ipc_raft.c — apid's requests about the raft group and leadership, and those changes that come with it: one small
 * function per message (to_raftd.def), each answered by exactly one REPLY. Nothing of it is there yet: every one is
 * refused with what it is missing. */
#include "rd_node_private.h"

static void
refuse(struct rd_door *door, struct ipc_link *l, uint64_t id, const char *why)
{
	struct rd_req req = {id, ipc_link_peer_generation(l)};
	struct err e;

	door->node->metrics.requests++;
	(void)err_set(&e, ERR_UNSUPPORTED, "%s", why);
	rd_reply_error(door->node, req, &e);
}

#define NO_RAFT "raft is not enabled"
#define NOT_YET "this version does not do this yet"

#define REFUSE(name, why)                                                                       \
	void rd_on_##name(struct rd_door *door, struct ipc_link *l, const struct ipc_##name *m) \
	{                                                                                       \
		refuse(door, l, m->request_id, why);                                            \
	}

REFUSE(step_down, NO_RAFT)
REFUSE(raft_yield, NO_RAFT)
REFUSE(raft_yield_hint, NO_RAFT)
REFUSE(raft_snapshot, NO_RAFT)
REFUSE(raft_add_peer, NO_RAFT)
REFUSE(raft_remove_peer, NO_RAFT)
REFUSE(follower_health_report, NO_RAFT)
REFUSE(wait_index, NO_RAFT)
REFUSE(grab_election, NOT_YET)
REFUSE(begin_maintenance, NOT_YET)
REFUSE(end_maintenance, NOT_YET)
REFUSE(submit_pool, NOT_YET)
REFUSE(register_hostname_unresolve, NOT_YET)
REFUSE(deregister_hostname_unresolve, NOT_YET)
REFUSE(set_cluster_alias, NOT_YET)
REFUSE(set_global_recoveries, NOT_YET)
