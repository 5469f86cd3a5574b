/* rd_group_metrics.c — figures of the group (ipc/metrics.def), once a second. */
#include "rd_group_private.h"

static void
take_log(struct rd_group *g, struct rd_metrics *m)
{
	struct rd_logwriter_stats s = rd_logwriter_stats(g->log);

	m->raft_log_waiting = s.waiting;
	m->raft_log_waiting_bytes = s.waiting_bytes;
	m->raft_log_writes = s.writes;
	m->raft_log_batches = s.batches;
	m->raft_log_refused = s.refused;
	m->raft_log_batch_us = (uint64_t)max_i64(0, s.batch_us_max);
}

static void
take_link(struct rd_group *g, struct rd_metrics *m)
{
	struct rn_net_stats s = rn_net_stats(g->net);
	struct rn_peer_status peers[RN_PEERS_MAX];
	size_t n = rn_net_peers(g->net, peers, ARRAY_LEN(peers));

#define METRIC_LINK(member, ...) m->link_##member = s.member;
#include "ipc/metrics.def"
	m->raft_peers_up = 0;
	for (size_t i = 0; i < n; i++)
		m->raft_peers_up += peers[i].up;
}

static void
take_core(struct rd_group *g, struct rd_metrics *m)
{
	const struct rd_members *members = rd_raft_members(g->raft);
	struct rd_raft_status s;

	rd_raft_status(g->raft, &s);
	m->raft_members = members->n;
	m->raft_voters = rd_members_voters(members);
	m->raft_term = s.term;
	m->raft_last_index = s.last_index;
	m->raft_commit_index = s.commit;
	m->raft_applied_index = s.applied;
	m->raft_durable_index = s.durable;
	m->raft_snapshot_index = s.snapshot_index;
	m->raft_unwritten_bytes = s.unwritten_bytes;
	m->raft_cache_bytes = s.cache_bytes;
	m->raft_elections_won = s.counters.elections_won;
	m->raft_slow_writes = s.counters.slow_writes;
	m->raft_held_dropped = s.counters.held_dropped;
	m->raft_misaddressed = s.counters.misaddressed;
	m->raft_malformed = s.counters.malformed;
	m->raft_silent_dropped = s.counters.silent_dropped;
	m->raft_regressions = s.counters.regressions;
	m->raft_disk_reads = s.counters.disk_reads;
	m->raft_snapshots_offered = s.counters.snapshots_offered;
}

static void
take_view(struct rd_group *g, struct rd_metrics *m)
{
	struct rd_proposer_stats p = rd_proposer_stats(g->node->decide);

	m->raft_view_index = rd_proposer_view_index(g->node->decide);
	m->raft_view_behind = rd_proposer_view_behind(g->node->decide);
	m->raft_rebuilds = p.rebuilds;
	m->raft_view_overflows = p.view_overflows;
}

bool
rd_group_in_quorum(struct rd_group *g)
{
	return mono_before(rd_group_now(g), g->quorum_until);
}

void
rd_group_fill_metrics(struct rd_group *g, struct rd_metrics *m)
{
	struct mono now = rd_group_now(g);

	m->raft_healthy = rd_group_in_quorum(g);
	m->raft_leader = rd_group_leads(g);
	m->raft_lease_ms = g->lease_told ? (uint64_t)max_i64(0, mono_diff_us(g->lease_end, now) / CLK_MS) : 0;
	m->raft_diverged = g->diverged[0] != '\0';
	m->raft_undelivered = g->undelivered;
	take_log(g, m);
	take_link(g, m);
	if (g->raft != NULL)
		take_core(g, m);
	if (g->node->decide != NULL)
		take_view(g, m);
}
