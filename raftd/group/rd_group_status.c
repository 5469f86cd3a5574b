/* rd_group_status.c — what is told about the group: STATE and figures. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rd_group_private.h"

static const char *
phase_name(struct rd_group *g)
{
	const struct rd_member *m;

	switch (g->phase) {
	case RD_PHASE_OPENING:
	case RD_PHASE_WAITING:
		return "waiting";
	case RD_PHASE_FOUNDING:
		return "founding";
	case RD_PHASE_STOPPED:
		return "stopped";
	case RD_PHASE_FAILED:
		return "failed";
	case RD_PHASE_MEMBER:
		break;
	}
	if (rd_raft_members(g->raft)->n == 0)
		return "joining";
	m = rd_members_by_id(rd_raft_members(g->raft), g->identity.raft_id);
	return m == NULL ? "removed" : m->role == RD_ROLE_VOTER ? "member" : "learner";
}

/* What stands between this node and others. NULL: nothing that is known. */
static const char *
peers_trouble(struct rd_group *g)
{
	static char text[512];
	struct rn_peer_status peers[RN_PEERS_MAX];
	size_t n = rn_net_peers(g->net, peers, ARRAY_LEN(peers));

	for (size_t i = 0; i < n; i++) {
		if (!peers[i].up && peers[i].trouble[0] != '\0') {
			(void)snprintf(text, sizeof(text), "%s: %s", peers[i].name, peers[i].trouble);
			return text;
		}
	}
	return NULL;
}

const char *
rd_group_trouble(struct rd_group *g)
{
	static char text[800];
	const char *peers;

	if (g->phase == RD_PHASE_FOUNDING) {
		peers = peers_trouble(g);
		(void)snprintf(text, sizeof(text), "%s%s%s", g->why, peers == NULL ? "" : "; ",
			       peers == NULL ? "" : peers);
		return text;
	}
	if (g->why[0] != '\0')
		return g->why;
	if (g->phase == RD_PHASE_WAITING && g->node->loading == NULL && g->node->health.error.code != 0) {
		(void)snprintf(text, sizeof(text), "the backend cannot be opened: %.700s", g->node->health.error.msg);
		return text;
	}
	if (g->diverged[0] != '\0')
		return g->diverged;
	if (g->raft == NULL || rd_raft_members(g->raft)->n > 0)
		return "";
	peers = peers_trouble(g);
	return peers == NULL ? "waits to be added by the leader" : peers;
}

static void
fill_member(struct rd_group *g, const struct rd_member *m, struct ipc_member *out, char id[24])
{
	const struct rd_state *s = rd_group_state(g);
	const struct db_node_record *r = s == NULL ? NULL : rd_group_record(s, m->name);
	struct rd_raft_peer_status p;

	rec_init(&ipc_member_desc, out);
	(void)snprintf(id, 24, "%llu", (unsigned long long)m->id);
	out->name = m->name;
	out->id = id;
	out->role = rd_role_name(m->role);
	out->uri = r == NULL ? "" : r->http_uri;
	out->version = r == NULL ? "" : r->version;
	out->connected = m->id == g->identity.raft_id;
	if (rd_raft_peer_status(g->raft, m->id, &p))
		out->match_index = p.match;
}

static int
by_name(const void *a, const void *b)
{
	const struct ipc_member *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static void
fill_members(struct rd_group *g, struct ipc_state *m)
{
	const struct rd_members *members = rd_raft_members(g->raft);
	struct rn_peer_status peers[RN_PEERS_MAX];
	size_t n = rn_net_peers(g->net, peers, ARRAY_LEN(peers));

	for (size_t i = 0; i < members->n; i++) {
		struct ipc_member *out = &g->members[i];
		fill_member(g, &members->v[i], out, g->member_ids[i]);
		for (size_t k = 0; k < n; k++) {
			if (strcmp(peers[k].name, out->name) != 0)
				continue;
			out->connected = peers[k].up;
			out->last_contact_us = max_i64(0, peers[k].heard.us);
			out->trouble = peers[k].up ? "" : peers[k].trouble;
		}
	}
	qsort(g->members, members->n, sizeof(g->members[0]), by_name);
	m->members.v = g->members;
	m->members.n = members->n;
}

void
rd_group_fill_state(struct rd_group *g, struct ipc_state *m)
{
	const struct rd_state *state = rd_group_state(g);
	struct rd_raft_status s = {.state = RD_RAFT_CANDIDATE};
	uint64_t hash = 0;

	m->raft_enabled = true;
	m->is_leader = g->lease_told;
	m->term = g->lease_term;
	m->lease_end_us = g->lease_end.us;
	m->quorum_until_us = g->quorum_until.us;
	m->self = g->name;
	m->bind = g->bind;
	m->phase = phase_name(g);
	m->phase_why = rd_group_trouble(g);
	m->raft_state = rd_raft_state_name(g->phase == RD_PHASE_FAILED ? RD_RAFT_SHUTDOWN : RD_RAFT_CANDIDATE);
	if (g->raft == NULL)
		return;
	rd_raft_status(g->raft, &s);
	m->raft_state = g->phase == RD_PHASE_FAILED ? m->raft_state : rd_raft_state_name(s.state);
	(void)str_copy(g->leader, sizeof(g->leader), s.leader_id == 0 ? "" : s.leader_name);
	m->leader = g->leader;
	m->commit_index = s.commit;
	m->last_index = s.last_index;
	fill_members(g, m);
	m->healthy_members.v = g->healthy;
	m->healthy_members.n = rd_group_healthy(g, g->healthy, ARRAY_LEN(g->healthy));
	if (state == NULL)
		return;
	m->leader_uri = rd_state_setting(state, RD_SETTING_LEADER_URI);
	m->cluster_id = rd_state_cluster_id(state);
	m->feature_level = rd_state_feature_level(state);
	m->view_index = rd_proposer_view_index(g->node->decide);
	m->state_hash_index = rd_state_newest_hash(state, &hash);
	(void)snprintf(g->hash_text, sizeof(g->hash_text), "%016llx", (unsigned long long)hash);
	m->state_hash = g->hash_text;
}
