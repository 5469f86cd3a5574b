/* sim_topo_faults.c — what goes wrong with servers, probers and nodes in runs with --topology: each kind as a function that
 * strikes once, the choice among them, and what is armed for moments of a recovery. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "sim_topo.h"

static int64_t armed[SIM_MOMENT_COUNT];	  /* 0: no; else who comes there for the n-th time … */
static unsigned effect[SIM_MOMENT_COUNT]; /* … meets this */

/* --- whom: drawn in a statement of its own, since the order of arguments is the compiler's --- */
static struct sim_server *
primary(void)
{
	for (size_t i = 0; i < topo.n; i++) {
		if (topo.s[i].up && !topo.s[i].read_only)
			return &topo.s[i];
	}
	return &topo.s[0];
}

/* Mostly the one that matters. */
static struct sim_server *
some_server(void)
{
	size_t i = sim_rand(topo.n);

	return sim_chance(650) ? primary() : &topo.s[i];
}

static size_t
some_node(void)
{
	struct sim_node *leader = sim_leader();
	size_t i = sim_rand(sim.n);

	return leader != NULL && sim_chance(600) ? leader->i : i;
}

static void
heal_later(void)
{
	topo.heal_at = max_i64(topo.heal_at, sim.now + sim_between(500, 15000) * CLK_MS);
}

/* --- servers --- */
static bool
kill_server(struct sim_server *s, int64_t restart_us)
{
	bool was = s->up;

	sim_server_kill(s, restart_us);
	return was;
}

static bool
do_KILL(void)
{
	struct sim_server *s = some_server();

	return kill_server(s, sim_between(1000, 15000) * CLK_MS);
}

static bool
do_KILL_FOR_GOOD(void)
{
	return kill_server(some_server(), -1);
}

static bool
do_KILL_QUICK(void)
{
	struct sim_server *s = some_server();

	return kill_server(s, sim_between(20, 600) * CLK_MS);
}

static bool
do_HANG(void)
{
	struct sim_server *s = some_server();

	if (!sim_server_runs(s))
		return false;
	s->paused_until = sim.now + sim_between(300, 15000) * CLK_MS;
	s->trouble_at = s->paused_until;
	sim_trace("%s stopped for %lld ms", s->host, (long long)((s->paused_until - sim.now) / CLK_MS));
	return true;
}

static bool
do_CROWD(void)
{
	struct sim_server *s = some_server();

	if (!s->up)
		return false;
	s->crowded_until = sim.now + sim_between(1000, 8000) * CLK_MS;
	s->trouble_at = s->crowded_until;
	sim_trace("%s: too many connections for %lld ms", s->host, (long long)((s->crowded_until - sim.now) / CLK_MS));
	return true;
}

void
sim_topo_set_way(size_t node, struct sim_server *s, enum sim_way way)
{
	if (topo.way[node][s->i] == way)
		return;
	topo.way[node][s->i] = way;
	s->trouble_at = sim.now;
	sim_trace("n%zu -> %s: %s", node, s->host,
		  way == SIM_WAY_OPEN	  ? "open"
		  : way == SIM_WAY_SILENT ? "packets dropped"
					  : "refused");
}

static bool
cut_some(enum sim_way way)
{
	struct sim_server *s = some_server();
	uint64_t which = 1 + sim_rand((UINT64_C(1) << sim.n) - 1);

	for (size_t i = 0; i < sim.n; i++) {
		if ((which >> i & 1) != 0)
			sim_topo_set_way(i, s, way);
	}
	heal_later();
	return true;
}

static bool
do_CUT_SILENT(void)
{
	return cut_some(SIM_WAY_SILENT);
}

static bool
do_CUT_REFUSED(void)
{
	return cut_some(SIM_WAY_REFUSED);
}

static void
set_apart(struct sim_server *a, struct sim_server *b)
{
	topo.apart[a->i][b->i] = topo.apart[b->i][a->i] = true;
	a->trouble_at = b->trouble_at = sim.now;
}

/* but: who still reaches it; sim.n = nobody. */
static bool
cut_off(struct sim_server *s, size_t but)
{
	for (size_t i = 0; i < sim.n; i++) {
		if (i != but)
			sim_topo_set_way(i, s, SIM_WAY_SILENT);
	}
	for (size_t i = 0; i < topo.n; i++) {
		if (i != s->i)
			set_apart(s, &topo.s[i]);
	}
	heal_later();
	return true;
}

static bool
do_CUT_ALL(void)
{
	return cut_off(some_server(), sim.n);
}

static bool
do_CUT_MOST(void)
{
	struct sim_server *s = some_server();

	return cut_off(s, sim_rand(sim.n));
}

static bool
do_APART(void)
{
	struct sim_server *a = some_server(), *b = &topo.s[sim_rand(topo.n)];

	if (a == b)
		return false;
	set_apart(a, b);
	sim_trace("%s and %s hear nothing of each other", a->host, b->host);
	heal_later();
	return true;
}

static struct sim_server *
some_replica(void)
{
	struct sim_server *s = &topo.s[sim_rand(topo.n)];

	return s->source == SIM_NOBODY || !sim_server_runs(s) || s->session.used ? NULL : s;
}

static bool
follows(const struct sim_server *s, const struct sim_server *p)
{
	return s != p && s->source == p->i && !s->detached && s->connected && sim_server_runs(s) && !s->session.used;
}

static struct {
	struct sim_server *primary, *ahead;
	bool with_it; /* it dies as well, and is started at once: what it had received and not applied is gone */
} last;

static void
on_end_of_primary(void *arg UNUSED)
{
	if (sim.quiet)
		return;
	sim_server_kill(last.primary, sim_chance(500) ? -1 : sim_between(5000, 15000) * CLK_MS);
	if (last.with_it)
		sim_server_kill(last.ahead, sim_between(20, 300) * CLK_MS);
}

/* One replica alone receives the last transactions, and none has applied what it received when their source dies. */
static bool
do_AHEAD(void)
{
	struct sim_server *p = primary(), *ahead = &topo.s[sim_rand(topo.n)];

	if (!sim_server_runs(p) || !follows(ahead, p))
		return false;
	for (size_t i = 0; i < topo.n; i++) {
		struct sim_server *s = &topo.s[i];
		if (!follows(s, p))
			continue;
		s->apply_at = max_i64(s->apply_at, sim.now + sim_between(3000, 11000) * CLK_MS);
		if (s != ahead)
			set_apart(s, p);
	}
	sim_trace("%s is ahead", ahead->host);
	last.primary = p;
	last.ahead = ahead;
	last.with_it = sim_chance(500) && topo.semi_sync;
	sim_after(sim_between(200, 1500) * CLK_MS, NULL, on_end_of_primary, NULL, NULL);
	heal_later();
	return true;
}

static bool
do_STOP_SQL(void)
{
	struct sim_server *s = some_replica();

	if (s == NULL)
		return false;
	sim_trace("operator: STOP applier on %s", s->host);
	s->sql = false;
	s->stopped_by_operator = true;
	return true;
}

static bool
do_STOP_BOTH(void)
{
	struct sim_server *s = some_replica();

	if (s == NULL)
		return false;
	sim_trace("operator: STOP both threads on %s", s->host);
	s->sql = s->io = s->connected = s->acks_here = false;
	s->io_errno = 0;
	s->stopped_by_operator = true;
	s->trouble_at = s->both_stopped_at = sim.now;
	return true;
}

static bool
lie(sim_lie_fn *what, const char *name)
{
	struct sim_server *s = some_server();

	if (!sim_server_runs(s))
		return false;
	sim_server_lie(s, what, sim_between(500, 12000) * CLK_MS);
	s->trouble_at = s->lies_until;
	sim_trace("%s lies for %lld ms: %s", s->host, (long long)((s->lies_until - sim.now) / CLK_MS), name);
	return true;
}

static bool
do_LIE_OLD(void)
{
	return lie(sim_lie_old, "what was so");
}

static bool
do_LIE_READ_ONLY(void)
{
	return lie(sim_lie_read_only, "read_only");
}

static bool
do_LIE_GTID(void)
{
	return lie(sim_lie_gtid, "positions");
}

static bool
do_LIE_IDENTITY(void)
{
	return lie(sim_lie_identity, "identity");
}

/* --- probers and nodes --- */
static bool
do_PROBER_KILL(void)
{
	size_t node = some_node();

	sim_prober_kill(node, sim_between(20, 1500) * CLK_MS);
	return true;
}

static bool
do_PROBER_PAUSE(void)
{
	size_t node = some_node();

	sim_prober_pause(node, sim_between(20, 4000) * CLK_MS);
	return true;
}

/* Those that leave the members and the machines as they are. */
static bool
do_RAFT(void)
{
	static const enum sim_fault some[] = {SIM_BREAK,      SIM_CUT_ONE_WAY,	 SIM_CUT_PAIR,	 SIM_ISOLATE,
					      SIM_CRASH,      SIM_RESTART_QUICK, SIM_PAUSE,	 SIM_PAUSE_LEADER,
					      SIM_CLOCK_RATE, SIM_DISK_SLOW,	 SIM_DISK_STUCK, SIM_VIEW_SLOW,
					      SIM_STEP_DOWN,  SIM_SNAPSHOT,	 SIM_CRASH_ALL};

	return sim_strike_one(some[sim_rand(ARRAY_LEN(some))]);
}

static bool
do_ARM(void)
{
	size_t m = sim_rand(SIM_MOMENT_COUNT);

	if (armed[m] != 0)
		return false;
	armed[m] = 1 + (int64_t)sim_rand(6);
	effect[m] = (unsigned)sim_rand(8);
	return true;
}

/* The leader, and its prober, alone with the server. */
static void
isolate(struct sim_node *n, struct sim_server *s)
{
	for (size_t i = 0; i < sim.n; i++) {
		if (i == n->i)
			continue;
		sim_net_cut(n->i, i, true);
		sim_net_cut(i, n->i, true);
		if (s != NULL)
			sim_topo_set_way(i, s, SIM_WAY_SILENT);
	}
	sim.heal_at = max_i64(sim.heal_at, sim.now + sim_between(500, 6000) * CLK_MS);
	heal_later();
	sim_trace("n%zu isolated", n->i);
}

struct blow {
	unsigned effect;
	size_t node;
	struct sim_server *server;
};

static void
on_blow(void *arg)
{
	struct blow *b = arg;
	struct sim_node *n = &sim.nodes[b->node];

	if (b->effect == 0 && n->up) {
		sim_node_kill(n, "killed in a recovery");
		n->restart_at = sim.now + sim_between(100, 5000) * CLK_MS;
	} else if (b->effect == 1) {
		isolate(n, NULL);
	} else if (b->effect == 2) {
		isolate(n, b->server);
	} else if (b->effect == 3 && n->up) {
		n->paused_until = sim.now + sim_between(300, 4000) * CLK_MS;
		sim_trace("n%zu stopped in a recovery", n->i);
		sim_net_paused(n);
	} else if (b->effect == 4) {
		sim_prober_pause(b->node, sim_between(100, 4000) * CLK_MS);
	} else if (b->effect == 5) {
		sim_prober_kill(b->node, sim_between(20, 1000) * CLK_MS);
	} else if (b->effect == 6 && b->server != NULL) {
		sim_server_kill(b->server, sim_chance(500) ? -1 : sim_between(500, 8000) * CLK_MS);
	} else if (b->effect == 7 && b->server != NULL && sim_server_runs(b->server)) {
		b->server->paused_until = sim.now + sim_between(300, 9000) * CLK_MS;
		b->server->trouble_at = b->server->paused_until;
		sim_trace("%s stopped in a recovery", b->server->host);
	}
	free(b);
}

void
sim_moment(enum sim_moment m, struct sim_node *n, struct sim_server *s)
{
	struct blow *b;

	if (n == NULL)
		n = sim_leader();
	if (sim.quiet || n == NULL || armed[m] == 0 || --armed[m] > 0)
		return;
	topo.moments[m]++;
	topo.faults[SIM_TOPO_ARM]++;
	sim.n_faults++;
	b = mem_new(struct blow);
	*b = (struct blow){effect[m], n->i, s};
	sim_after(0, NULL, on_blow, free, b);
}

/* --- the choice --- */
static const struct {
	const char *name, *what;
	unsigned weight;
	bool (*strike)(void);
} table[SIM_TOPO_FAULT_COUNT] = {
#define SIM_TOPO_FAULT(NAME, what, weight) {#NAME, what, weight, do_##NAME},
#include "sim_topo_faults.def"
#undef SIM_TOPO_FAULT
};

static void
strike(void)
{
	unsigned all = 0;
	uint64_t at;

	for (size_t i = 0; i < SIM_TOPO_FAULT_COUNT; i++)
		all += table[i].weight;
	at = sim_rand(all);
	for (size_t i = 0; i < SIM_TOPO_FAULT_COUNT; i++) {
		if (at >= table[i].weight) {
			at -= table[i].weight;
			continue;
		}
		if (table[i].strike() && i != SIM_TOPO_ARM) {
			topo.faults[i]++;
			sim.n_faults++;
		}
		return;
	}
}

static void
on_strike(void *arg)
{
	if (sim.quiet)
		return;
	strike();
	if (sim_chance(300))
		strike();
	sim_after(sim_chance(300) ? sim_between(1, 800) * CLK_MS : sim_between(1, 9) * CLK_S, NULL, on_strike, NULL,
		  arg);
}

/* Before anything else has gone wrong. */
static void
on_first_strike(void *arg UNUSED)
{
	if (do_AHEAD()) {
		topo.faults[SIM_TOPO_AHEAD]++;
		sim.n_faults++;
	}
}

void
sim_topo_faults_start(void)
{
	memset(armed, 0, sizeof(armed));
	sim_operators_start();
	sim_after(sim_between(8, 16) * CLK_S, NULL, on_strike, NULL, NULL);
	if (sim_chance(350))
		sim_after(sim_between(11500, 13000) * CLK_MS, NULL, on_first_strike, NULL, NULL);
}

void
sim_topo_rest(void)
{
	memset(armed, 0, sizeof(armed));
	sim_operators_mend();
	for (size_t i = 0; i < topo.n; i++) {
		struct sim_server *s = &topo.s[i];
		s->crowded_until = 0;
		if (s->up)
			s->lies_until = min_i64(s->lies_until, sim.now);
		s->paused_until = min_i64(s->paused_until, sim.now);
		if (!s->up)
			s->restart_at = sim.now + sim_between(1, 3000) * CLK_MS;
	}
}
