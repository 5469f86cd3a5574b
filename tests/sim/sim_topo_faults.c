/* sim_topo_faults.c — what goes wrong with servers, probers and nodes in runs with --topology: each kind as a function that
 * strikes once, the choice among them, what is armed for moments of a recovery; and the operators who mend things. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "sim_topo.h"

static int64_t armed[SIM_MOMENT_COUNT];	  /* 0: no; else who comes there for the n-th time … */
static unsigned effect[SIM_MOMENT_COUNT]; /* … meets this */

/* --- whom --- */
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
	return kill_server(some_server(), sim_between(1000, 15000) * CLK_MS);
}

static bool
do_KILL_FOR_GOOD(void)
{
	return kill_server(some_server(), -1);
}

static bool
do_KILL_QUICK(void)
{
	return kill_server(some_server(), sim_between(20, 600) * CLK_MS);
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

static void
set_way(size_t node, struct sim_server *s, enum sim_way way)
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
			set_way(i, s, way);
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
			set_way(i, s, SIM_WAY_SILENT);
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
	s->trouble_at = sim.now;
	return true;
}

/* --- probers and nodes --- */
static bool
do_PROBER_KILL(void)
{
	sim_prober_kill(some_node(), sim_between(20, 1500) * CLK_MS);
	return true;
}

static bool
do_PROBER_PAUSE(void)
{
	sim_prober_pause(some_node(), sim_between(20, 4000) * CLK_MS);
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
			set_way(i, s, SIM_WAY_SILENT);
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

/* --- operators --- */
static void
mend(void)
{
	topo.heal_at = 0;
	for (size_t i = 0; i < topo.n; i++) {
		for (size_t k = 0; k < sim.n; k++)
			set_way(k, &topo.s[i], SIM_WAY_OPEN);
		for (size_t k = 0; k < topo.n; k++) {
			if (topo.apart[i][k])
				topo.s[i].trouble_at = sim.now;
			topo.apart[i][k] = false;
		}
	}
}

static bool
is_decided(const struct rd_state *s, const struct sim_server *x)
{
	const struct db_candidate key = {.hostname = x->key.hostname, .port = x->key.port};
	const struct db_candidate *row = rd_state_get(s, RD_TABLE_candidate, &key);

	return row != NULL && str_eq(row->promotion_rule, x->rule);
}

/* What operators ask the leader for. */
static void
ask_leader(struct sim_server *s, bool rule)
{
	struct sim_node *leader = sim_leader();
	struct rd_cmd_end_downtime end = {.key = s->key};
	struct rd_cmd_register_candidate candidate = {.key = s->key, .promotion_rule = s->rule};
	struct err e;
	int rc = 0;

	if (leader == NULL || leader->node.decide == NULL)
		return;
	sim.cur = leader;
	if (!rule)
		rc = rd_propose_end_downtime(leader->node.decide, &end, NULL, NULL, &e);
	else if (is_decided(rd_proposer_state(leader->node.decide), s))
		s->rule_at = sim.now;
	else
		rc = rd_propose_register_candidate(leader->node.decide, &candidate, NULL, NULL, &e);
	if (rc != 0)
		sim_trace("operator: %s", e.msg);
	sim.cur = NULL;
	if (leader->dying)
		sim_node_kill(leader, "killed there");
}

/* Somebody whom a recovery left behind is made a copy of the primary, and follows it. */
static void
rebuild(struct sim_server *s, const struct sim_server *p)
{
	sim_trace("operator: %s is made a replica of %s", s->host, p->host);
	sim_server_copy(s, p);
	ask_leader(s, false);
}

/* Operators look twice: nobody is made a replica while it is not clear of whom. */
static const struct sim_server *
only_primary(void)
{
	const struct sim_server *p = NULL;

	for (size_t i = 0; i < topo.n; i++) {
		if (topo.s[i].up && topo.s[i].read_only)
			continue;
		if (!sim_server_runs(&topo.s[i]) || p != NULL)
			return NULL;
		p = &topo.s[i];
	}
	return p;
}

static bool
is_left_behind(const struct sim_server *s, const struct sim_server *p)
{
	return s != p && sim_server_runs(s) && s->read_only && !s->session.used &&
	       (s->source != p->i || s->detached || s->io_errno == 1236) && sim.now - s->trouble_at > 15 * CLK_S;
}

static void
on_operator(void *arg)
{
	const struct sim_server *p = only_primary();
	struct sim_server *s = &topo.s[sim_rand(topo.n)];

	if (topo.heal_at != 0 && topo.heal_at <= sim.now)
		mend();
	if (s->rule != NULL && s->rule_at == 0)
		ask_leader(s, true);
	if (!sim.quiet && sim_chance(20) && !sim_topo_recovering() && p != NULL && is_left_behind(s, p))
		rebuild(s, p);
	if (sim_chance(20) && s->stopped_by_operator && !sim_topo_recovering() && sim_server_runs(s) &&
	    !s->session.used)
		sim_server_start_threads(s);
	sim_after(100 * CLK_MS, NULL, on_operator, NULL, arg);
}

void
sim_topo_faults_start(void)
{
	memset(armed, 0, sizeof(armed));
	sim_after(0, NULL, on_operator, NULL, NULL);
	sim_after(sim_between(8, 16) * CLK_S, NULL, on_strike, NULL, NULL);
	if (sim_chance(350))
		sim_after(sim_between(11500, 13000) * CLK_MS, NULL, on_first_strike, NULL, NULL);
}

void
sim_topo_rest(void)
{
	memset(armed, 0, sizeof(armed));
	mend();
	for (size_t i = 0; i < topo.n; i++) {
		struct sim_server *s = &topo.s[i];
		s->crowded_until = 0;
		s->paused_until = min_i64(s->paused_until, sim.now);
		if (!s->up)
			s->restart_at = sim.now + sim_between(1, 3000) * CLK_MS;
	}
}
