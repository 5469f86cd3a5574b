/* sim_topo_operators.c — operators in runs with --topology: they mend networks, start stopped threads, rebuild replicas that a
 * recovery has left behind, and register promotion rules. */
#include "sim_topo.h"
void
sim_operators_mend(void)
{
	topo.heal_at = 0;
	for (size_t i = 0; i < topo.n; i++) {
		for (size_t k = 0; k < sim.n; k++)
			sim_topo_set_way(k, &topo.s[i], SIM_WAY_OPEN);
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
		sim_operators_mend();
	if (s->rule != NULL && s->rule_at == 0)
		ask_leader(s, true);
	if (!sim.quiet && sim_chance(20) && !sim_topo_recovering() && p != NULL && is_left_behind(s, p))
		rebuild(s, p);
	if (sim_chance(sim.quiet ? 300 : 20) && s->stopped_by_operator && !sim_topo_recovering() &&
	    sim_server_runs(s) && !s->session.used)
		sim_server_start_threads(s);
	sim_after(100 * CLK_MS, NULL, on_operator, NULL, arg);
}

void
sim_operators_start(void)
{
	sim_after(0, NULL, on_operator, NULL, NULL);
}
