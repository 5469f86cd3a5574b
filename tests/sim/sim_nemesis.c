/* sim_nemesis.c — when things go wrong, and the people and programs that put them right: a supervisor that starts
 * processes again, operators who add members; and whether all is well in the end. */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "sim_topo.h"

#define SUPERVISE_US (50 * CLK_MS)

static void
on_strike(void *arg)
{
	bool rush = sim_chance(200);

	if (sim.quiet)
		return;
	sim_strike();
	sim_after(rush ? sim_between(1, 600) * CLK_MS : sim_between(300, 2500) * CLK_MS, NULL, on_strike, NULL, arg);
}

/* --- mending --- */
static void
mend(void)
{
	sim.heal_at = 0;
	sim_trace("cuts and slow disks mended");
	sim_net_heal();
	for (size_t i = 0; i < sim.n; i++) {
		sim.nodes[i].disk.latency_us = sim.nodes[i].disk.read_us = 300;
		sim.nodes[i].backend.latency_us = 400;
	}
}

/* A founder that was removed before it learnt the group's id can't prove whose log it holds: its directory has to be
 * emptied, as raft-status says. */
static void
empty_unproven(struct sim_node *leader, struct sim_node *n)
{
	struct rd_raft_status s;

	rd_raft_status(sim_raft(leader), &s);
	if (s.members_pending || sim_stranger(n) || n->disk.lineage == 0 || sim_disk_last(&n->disk) == 0 ||
	    n->disk.identity.cluster_id[0] != '\0')
		return;
	sim_trace("operator: empties the RaftDataDir of n%zu", n->i);
	sim_node_kill(n, "stopped by an operator");
	sim_disk_wipe(&n->disk);
}

static void
operators(void)
{
	struct sim_node *leader = sim_leader();

	for (size_t i = 0; leader != NULL && i < sim.n; i++) {
		if (sim.nodes[i].wanted && !sim_is_member(leader, &sim.nodes[i]) && sim_chance(30)) {
			empty_unproven(leader, &sim.nodes[i]);
			(void)sim_add_member(&sim.nodes[i]);
		}
		leader = sim_leader();
	}
}

static void
on_supervise(void *arg)
{
	for (size_t i = 0; i < sim.n; i++) {
		struct sim_node *n = &sim.nodes[i];
		if (n->up)
			sim.nodes[i].restart_at = 0;
		else if (sim.nodes[i].restart_at == 0)
			sim.nodes[i].restart_at = sim.now + sim_between(50, 3000) * CLK_MS;
		else if (sim.nodes[i].restart_at <= sim.now)
			sim_node_start(n);
	}
	if (sim.heal_at != 0 && sim.heal_at <= sim.now)
		mend();
	if (sim.quiet)
		operators();
	sim_after(SUPERVISE_US, NULL, on_supervise, NULL, arg);
}

void
sim_nemesis_start(void)
{
	for (size_t i = 0; i < sim.n; i++)
		sim.nodes[i].restart_at = sim_between(1, 1500) * CLK_MS;
	if (!topo.on && sim_chance(300)) {
		size_t point = SIM_AT_FOUND_ASKED + sim_rand(3);
		sim.armed[point] = 1 + (unsigned)sim_rand(3);
	}
	sim_after(0, NULL, on_supervise, NULL, NULL);
	if (!topo.on)
		sim_after(sim_between(1, 6) * CLK_S, NULL, on_strike, NULL, NULL);
}

void
sim_nemesis_rest(void)
{
	sim.quiet = true;
	sim.loss = sim.duplicate = sim.reorder = 0;
	mend();
	for (size_t i = 0; i < sim.n; i++) {
		struct sim_node *n = &sim.nodes[i];
		n->disk.fail_code = n->backend.fail_code = 0;
		n->disk.stuck_until = 0; /* who is stopped goes on in its time: what waits for it keeps its order */
	}
	memset(sim.armed, 0, sizeof(sim.armed));
	sim_trace("no more faults");
}

/* --- healed? --- */
static bool
is_well(struct sim_node *leader, struct sim_node *n, const struct rd_raft_status *l, char *why, size_t size)
{
	const struct rd_member *m = rd_members_by_name(rd_raft_members(sim_raft(leader)), n->name);
	struct rd_raft_status s;

	if (m == NULL || m->role != RD_ROLE_VOTER || m->id != n->disk.identity.raft_id) {
		(void)snprintf(why, size, "n%zu is no voter", n->i);
		return false;
	}
	if (sim_raft(n) == NULL) {
		(void)snprintf(why, size, "n%zu does not run", n->i);
		return false;
	}
	rd_raft_status(sim_raft(n), &s);
	if (s.applied == l->last_index &&
	    rd_state_hash(rd_proposer_state(n->node.decide)) == rd_state_hash(rd_proposer_state(leader->node.decide)))
		return true;
	(void)snprintf(why, size, "n%zu has applied %llu, the leader's log ends at %llu", n->i,
		       (unsigned long long)s.applied, (unsigned long long)l->last_index);
	return false;
}

bool
sim_all_well(char *why, size_t size)
{
	struct sim_node *leader = sim_leader();
	struct rd_raft_status l;

	if (leader == NULL) {
		(void)snprintf(why, size, "there is no leader");
		return false;
	}
	rd_raft_status(sim_raft(leader), &l);
	if (!l.open || l.members_pending) {
		(void)snprintf(why, size, "the leader's term is not open, or a change of members is under way");
		return false;
	}
	for (size_t i = 0; i < sim.n; i++) {
		sim.nodes[i].wanted = sim.nodes[i].wanted || sim_is_member(leader, &sim.nodes[i]);
		if (sim.nodes[i].wanted && !is_well(leader, &sim.nodes[i], &l, why, size))
			return false;
	}
	return true;
}
