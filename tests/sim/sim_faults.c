/* sim_faults.c — each kind of fault, as a function that strikes once, and the choice among them. They keep to what the
 * group promises to survive: data directories are lost in a minority only, clock rates stay within 10 percent. */
#include <string.h>

#include "base/str.h"
#include "sim.h"

/* --- whom --- */
static struct sim_node *
anybody(void)
{
	return &sim.nodes[sim_rand(sim.n)];
}

/* The leader, half of the time. */
static struct sim_node *
somebody_up(void)
{
	struct sim_node *n = sim_leader();

	if (n == NULL || sim_chance(500))
		n = anybody();
	return n->up ? n : NULL;
}

static void
kill_for(struct sim_node *n, const char *why, int64_t us)
{
	sim_node_kill(n, why);
	n->restart_at = sim.now + us;
}

/* --- the wire --- */
static void
heal_later(void)
{
	int64_t at = sim.now + sim_between(200, 5000) * CLK_MS;

	sim.heal_at = max_i64(sim.heal_at, at);
}

static bool
cut(size_t a, size_t b, bool both)
{
	bool silent = sim_chance(300);

	if (a == b)
		return false;
	if (silent)
		sim_count(SIM_CUT_SILENT);
	sim_trace("cut n%zu -> n%zu%s%s", a, b, both ? " and back" : "", silent ? ", unnoticed by TCP" : "");
	sim_net_cut(a, b, silent);
	if (both)
		sim_net_cut(b, a, silent);
	heal_later();
	return true;
}

static bool
do_BREAK(void)
{
	size_t a = sim_rand(sim.n), b = sim_rand(sim.n);

	sim_net_break(a, b, "broken");
	return a != b;
}

static bool
do_CUT_ONE_WAY(void)
{
	size_t a = sim_rand(sim.n), b = sim_rand(sim.n);

	return cut(a, b, false);
}

static bool
do_CUT_PAIR(void)
{
	size_t a = sim_rand(sim.n), b = sim_rand(sim.n);

	return cut(a, b, true);
}

static bool
do_ISOLATE(void)
{
	struct sim_node *n = somebody_up();

	for (size_t i = 0; n != NULL && i < sim.n; i++)
		(void)cut(n->i, i, true);
	return n != NULL;
}

static bool
do_SPLIT(void)
{
	uint64_t side = sim_rand(UINT64_C(1) << sim.n);

	for (size_t a = 0; a < sim.n; a++) {
		for (size_t b = 0; b < sim.n; b++) {
			if ((side >> a & 1) == 0 && (side >> b & 1) == 1)
				(void)cut(a, b, true);
		}
	}
	return side != 0 && side + 1 != UINT64_C(1) << sim.n;
}

/* --- processes and machines --- */
static bool
do_CRASH(void)
{
	struct sim_node *n = somebody_up();

	if (n != NULL)
		kill_for(n, "kill -9", sim_between(100, 6000) * CLK_MS);
	return n != NULL;
}

static bool
do_CRASH_ALL(void)
{
	for (size_t i = 0; i < sim.n; i++) {
		if (sim.nodes[i].up)
			kill_for(&sim.nodes[i], "kill -9 of all", sim_between(10, 2000) * CLK_MS);
	}
	return true;
}

static void
on_quick_restart(void *arg)
{
	struct sim_node *n = arg;

	if (n->up && !sim.quiet)
		kill_for(n, "kill -9, quick restart", sim_between(1, 60) * CLK_MS);
}

/* Half of the time at a moment in which it could forget a promise: somebody else has just lost the leader, whose lease
 * holds through this node's answers. */
static bool
do_RESTART_QUICK(void)
{
	struct sim_node *n = anybody(), *leader = sim_leader();
	size_t other = sim_rand(sim.founders), times = 1;
	int64_t us = 0;

	if (!n->up)
		return false;
	if (leader != NULL && leader != n) {
		while (other == n->i || other == leader->i)
			other = (other + 1) % sim.founders;
		times = 3;
		us = sim_between(300, 1300) * CLK_MS;
		(void)cut(leader->i, other, true);
		sim_clients_rest(3 * CLK_S); /* a candidate that lacks entries gets no vote anyway */
	}
	for (; times > 0; times--) {
		sim_after(us, NULL, on_quick_restart, NULL, n);
		us += sim_between(200, 900) * CLK_MS;
	}
	return true;
}

static bool
do_REBOOT(void)
{
	struct sim_node *n = somebody_up();

	if (n == NULL)
		return false;
	kill_for(n, "reboot", sim_between(500, 5000) * CLK_MS);
	n->local_us = sim_between(1, 20000) * CLK_MS;
	n->since_us = sim.now;
	n->promised = RD_NEVER;
	n->apid_leads = false;
	n->boots++;
	return true;
}

static void
pause_for(struct sim_node *n, int64_t us)
{
	sim_trace("n%zu stopped for %lld ms", n->i, (long long)(us / CLK_MS));
	n->paused_until = sim.now + us;
	sim_net_paused(n);
}

static bool
do_PAUSE(void)
{
	struct sim_node *n = somebody_up();

	if (n != NULL)
		pause_for(n, sim_between(20, 4000) * CLK_MS);
	return n != NULL;
}

static bool
do_PAUSE_LEADER(void)
{
	struct sim_node *n = sim_leader();

	if (n != NULL)
		pause_for(n, sim_between(300, 2500) * CLK_MS);
	return n != NULL;
}

static bool
do_STOP(void)
{
	struct sim_node *n = somebody_up();

	if (n == NULL || n->paused_until > sim.now)
		return false;
	sim_node_stop(n);
	return true;
}

static bool
do_CLOCK_RATE(void)
{
	struct sim_node *n = anybody();

	sim_set_rate(n, sim_chance(500) ? (sim_chance(500) ? 900 : 1100) : sim_between(900, 1100));
	sim_trace("n%zu: clock rate %lld/1000", n->i, (long long)n->rate);
	return true;
}

static bool
do_WALL_JUMP(void)
{
	struct sim_node *n = anybody();

	n->wall_offset_us = sim_between(-3600, 3600) * CLK_S;
	sim_trace("n%zu: wall clock jumps to %lld s off", n->i, (long long)(n->wall_offset_us / CLK_S));
	return true;
}

/* --- disks --- */
static bool
do_DISK_SLOW(void)
{
	struct sim_node *n = somebody_up();

	if (n == NULL)
		return false;
	n->disk.latency_us = sim_between(5, 300) * CLK_MS;
	n->disk.read_us = sim_between(5, 300) * CLK_MS;
	sim_trace("n%zu: disk takes %lld ms", n->i, (long long)(n->disk.latency_us / CLK_MS));
	heal_later();
	return true;
}

static bool
do_DISK_STUCK(void)
{
	struct sim_node *n = somebody_up();

	if (n == NULL)
		return false;
	n->disk.stuck_until = sim.now + sim_between(200, 4000) * CLK_MS;
	sim_trace("n%zu: disk hangs", n->i);
	return true;
}

static bool
fail_disk(int code)
{
	struct sim_node *n = somebody_up();

	if (n == NULL)
		return false;
	n->disk.fail_code = code;
	return true;
}

static bool
do_DISK_FULL(void)
{
	return fail_disk(ERR_DB_FULL);
}

static bool
do_DISK_FAIL(void)
{
	return fail_disk(ERR_IO);
}

static bool
do_VIEW_SLOW(void)
{
	struct sim_node *n = somebody_up();

	if (n == NULL)
		return false;
	n->backend.latency_us = sim_between(5, 800) * CLK_MS;
	heal_later();
	return true;
}

static bool
do_VIEW_FAIL(void)
{
	struct sim_node *n = somebody_up();

	if (n == NULL)
		return false;
	n->backend.fail_code = ERR_DB_FULL;
	return true;
}

static bool
do_VIEW_LOST(void)
{
	struct sim_node *n = somebody_up();

	if (n == NULL)
		return false;
	kill_for(n, "kill -9, backend removed", sim_between(100, 3000) * CLK_MS);
	sim_view_lose(n);
	return true;
}

/* How many voters have no disk any more that knows their id. */
static size_t
lost_voters(const struct rd_members *m)
{
	size_t lost = 0;

	for (size_t k = 0; k < m->n; k++) {
		bool there = m->v[k].role != RD_ROLE_VOTER;
		for (size_t i = 0; i < sim.n; i++)
			there = there ||
				(sim.nodes[i].disk.lineage != 0 && sim.nodes[i].disk.identity.raft_id == m->v[k].id);
		lost += !there;
	}
	return lost;
}

static bool
do_WIPE(void)
{
	struct sim_node *n = anybody(), *leader = sim_leader();
	const struct rd_members *m;
	struct rd_raft_status s;

	if (leader == NULL || n->disk.lineage == 0)
		return false;
	m = rd_raft_members(sim_raft(leader));
	rd_raft_status(sim_raft(leader), &s);
	if (s.members_pending || !s.open || lost_voters(m) + 1 > (rd_members_voters(m) - 1) / 2)
		return false;
	kill_for(n, "kill -9, data directory removed", sim_between(50, 4000) * CLK_MS);
	sim_disk_wipe(&n->disk);
	if (sim_chance(500))
		sim_view_lose(n);
	return true;
}

/* --- operators --- */
static struct sim_node *
enter_leader(void)
{
	struct sim_node *n = sim_leader();

	sim.cur = n;
	return n;
}

static void
leave(struct sim_node *n)
{
	sim.cur = NULL;
	if (n->dying)
		sim_node_kill(n, "killed there");
}

bool
sim_is_member(struct sim_node *leader, const struct sim_node *n)
{
	return rd_members_by_name(rd_raft_members(sim_raft(leader)), n->name) != NULL;
}

bool
sim_add_member(struct sim_node *n)
{
	struct sim_node *leader = enter_leader();

	if (leader == NULL)
		return false;
	if (!sim_is_member(leader, n)) {
		sim_trace("operator: raft-add-peer %s", n->name);
		rd_group_add_peer(leader->node.group, (struct rd_req){1, 1}, n->name);
	}
	n->wanted = true;
	leave(leader);
	return true;
}

static bool
do_ADD_MEMBER(void)
{
	struct sim_node *n = anybody(), *leader = sim_leader();

	return leader != NULL && !sim_is_member(leader, n) && sim_add_member(n);
}

static bool
do_REMOVE_MEMBER(void)
{
	struct sim_node *n = anybody(), *leader = sim_leader();

	if (leader == NULL || !sim_is_member(leader, n) || rd_members_voters(rd_raft_members(sim_raft(leader))) <= 3 ||
	    lost_voters(rd_raft_members(sim_raft(leader))) > 0)
		return false;
	enter_leader();
	sim_trace("operator: raft-remove-peer %s", n->name);
	rd_group_remove_peer(leader->node.group, (struct rd_req){1, 1}, n->name);
	leave(leader);
	return true;
}

static bool
do_YIELD(void)
{
	struct sim_node *n = anybody(), *leader = enter_leader();

	if (leader == NULL)
		return false;
	sim_trace("operator: raft-yield %s", n->name);
	rd_group_yield(leader->node.group, (struct rd_req){1, 1}, n->name);
	leave(leader);
	return true;
}

static bool
do_STEP_DOWN(void)
{
	struct sim_node *leader = enter_leader();

	if (leader == NULL)
		return false;
	sim_trace("operator: step down");
	rd_group_step_down(leader->node.group, (struct rd_req){1, 1});
	leave(leader);
	return true;
}

static bool
do_SNAPSHOT(void)
{
	struct sim_node *n = somebody_up();

	if (n == NULL || sim_raft(n) == NULL || n->paused_until > sim.now)
		return false;
	sim.cur = n;
	sim_trace("operator: raft-snapshot");
	rd_group_snapshot(n->node.group, (struct rd_req){1, 1});
	leave(n);
	return true;
}

static bool
do_BURST(void)
{
	sim_clients_burst();
	return true;
}

/* Stays armed until somebody comes there: some places are rare. */
static bool
do_CRASH_AT(void)
{
	size_t p = sim_rand(SIM_POINT_COUNT);

	if (sim.armed[p] != 0)
		return false;
	sim.armed[p] = 1 + (unsigned)sim_rand(3);
	return true;
}

/* What happens by itself. */
#define BY_ITSELF(NAME)             \
	static bool do_##NAME(void) \
	{                           \
		return false;       \
	}
BY_ITSELF(LOSE)
BY_ITSELF(DUPLICATE)
BY_ITSELF(REORDER)
BY_ITSELF(DELAY)
BY_ITSELF(CUT_SILENT)
BY_ITSELF(READ_SLOW)

static const struct {
	bool (*strike)(void);
	unsigned weight;
	bool counts_itself; /* when it takes effect, not when it is prepared */
} table[SIM_FAULT_COUNT] = {
#define SIM_FAULT(NAME, what, w)                                                                     \
	{do_##NAME, w,                                                                               \
	 SIM_##NAME == SIM_CRASH_AT || SIM_##NAME == SIM_DISK_FULL || SIM_##NAME == SIM_DISK_FAIL || \
	     SIM_##NAME == SIM_VIEW_FAIL},
#include "sim_faults.def"
#undef SIM_FAULT
};

bool
sim_strike_one(enum sim_fault f)
{
	if (!table[f].strike())
		return false;
	sim.n_faults++;
	if (!table[f].counts_itself)
		sim_count(f);
	return true;
}

void
sim_strike(void)
{
	unsigned all = 0;
	uint64_t at;

	for (size_t i = 0; i < SIM_FAULT_COUNT; i++)
		all += table[i].weight;
	at = sim_rand(all);
	for (size_t i = 0; i < SIM_FAULT_COUNT; i++) {
		if (at >= table[i].weight) {
			at -= table[i].weight;
			continue;
		}
		(void)sim_strike_one((enum sim_fault)i);
		return;
	}
}
