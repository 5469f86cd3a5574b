/* sim_prober_probe.c — a simulated prober's probes, pings and lost idle connections. Owns nothing: see sim_prober.c. */
#include <stdlib.h>

#include "base/mem.h"
#include "sim_prober_private.h"

/* --- probes --- */
struct result {
	struct sim_node *node;
	struct topo_probe p; /* owned */
};

static void
result_free(void *arg)
{
	struct result *r = arg;

	rec_done(&topo_probe_desc, &r->p);
	free(r);
}

static void
on_result(void *arg)
{
	struct result *r = arg;

	if (r->node->node.probers != NULL) {
		rd_probers_credit(r->node->node.probers, 0);
		rd_work_result(&r->node->node, &r->p);
	}
	result_free(r);
}

static void
note_failure(struct sim_memory *m, struct topo_probe *p)
{
	if (m->failed++ == 0)
		m->first_failed_us = p->ended_us;
	if (p->evidence != TOPO_EVIDENCE_ANSWERED)
		m->kept = false;
}

static void
probed(struct sim_job *j, enum topo_evidence evidence, int64_t errno_mysql)
{
	struct sim_memory *m = &sim_probers[j->node].of[j->server->i];
	struct mem_arena arena = {0};
	struct result *r = mem_new(struct result);
	struct topo_probe p;
	bool good = evidence == TOPO_EVIDENCE_ANSWERED && errno_mysql == 0;

	rec_init(&topo_probe_desc, &p);
	if (good)
		sim_server_read(j->server, &arena, &p);
	p.asked_key = j->server->key;
	p.probe_id = j->probe_id;
	p.evidence = evidence;
	p.errno_mysql = errno_mysql;
	p.phase = evidence == TOPO_EVIDENCE_ANSWERED ? TOPO_PHASE_DONE : TOPO_PHASE_CONNECT;
	p.started_us = j->began_us;
	p.ended_us = sim_prober_wall_us(j->node);
	p.error = errno_mysql == 0 ? "" : "error";
	if (evidence == TOPO_EVIDENCE_ANSWERED)
		m->answered_us = p.ended_us;
	if (good) {
		*m = (struct sim_memory){.kept = true, .answered_us = p.ended_us, .good_us = p.ended_us};
	} else {
		note_failure(m, &p);
	}
	p.last_answer_us = m->good_us;
	p.answered_us = m->answered_us;
	p.failed_attempts = m->failed;
	p.first_failed_us = m->first_failed_us;
	r->node = &sim.nodes[j->node];
	rec_dup(&topo_probe_desc, &r->p, &p);
	mem_arena_done(&arena);
	sim_at(sim_prober_arrival(&sim_probers[j->node].out_at), r->node, on_result, result_free, r);
	sim_job_free(j);
}

static bool
is_silent(const struct sim_job *j)
{
	return sim_server_way(j->node, j->server) == SIM_WAY_SILENT || (j->server->up && !sim_server_runs(j->server));
}

static void
probe_timed_out(struct sim_job *j)
{
	probed(j, TOPO_EVIDENCE_TIMED_OUT, 0);
}

static void
probe_reads(struct sim_job *j)
{
	const struct sim_server *s = j->server;

	if (is_silent(j))
		sim_job_go_on(j, max_i64(0, j->at_us + j->patience_us - sim.now), probe_timed_out);
	else if (sim_server_way(j->node, s) == SIM_WAY_REFUSED || !s->up)
		probed(j, TOPO_EVIDENCE_REFUSED, 2003);
	else if (s->crowded_until > sim.now)
		probed(j, TOPO_EVIDENCE_ANSWERED, 1040);
	else
		probed(j, TOPO_EVIDENCE_ANSWERED, 0);
}

void
sim_probe_taken(struct sim_job *j)
{
	j->began_us = sim_prober_wall_us(j->node);
	j->at_us = sim.now;
	sim_job_go_on(j, sim_between(300, 4000), probe_reads);
}

static int
op_probe(void *ctx, unsigned slot UNUSED, const struct ipc_probe *m, struct err *e)
{
	struct sim_node *n = ctx;
	struct sim_server *s = sim_server_find(&m->key);
	struct sim_job *j;

	if (s == NULL)
		return err_set(e, ERR_NOT_FOUND, "no such server");
	j = sim_job_new(n->i, s, sim_probe_taken);
	j->probe_id = m->probe_id;
	j->patience_us = m->deadline_ms > 0 ? m->deadline_ms * CLK_MS : SIM_CONNECT_US;
	sim_at(sim_prober_arrival(&sim_probers[n->i].in_at), NULL, sim_job_run, sim_job_free, j);
	return 0;
}

static int
op_watch(void *ctx UNUSED, unsigned slot UNUSED, const struct ipc_watch *m UNUSED, struct err *e UNUSED)
{
	return 0;
}

static int
op_unwatch(void *ctx UNUSED, unsigned slot UNUSED, const struct ipc_unwatch *m UNUSED, struct err *e UNUSED)
{
	return 0;
}

static int
op_resolve(void *ctx UNUSED, unsigned slot UNUSED, const struct ipc_resolve *m UNUSED, struct err *e)
{
	return err_set(e, ERR_UNAVAILABLE, "names are not looked up here");
}

static int
op_credit(void *ctx UNUSED, unsigned slot UNUSED, const struct ipc_credit *m UNUSED, struct err *e UNUSED)
{
	return 0;
}

const struct rd_prober_ops sim_prober_ops = {op_watch, op_unwatch, op_probe, op_resolve, op_credit};

/* --- idle connections --- */
struct loss {
	struct sim_node *node;
	struct ipc_connection_lost m; /* key is the server's */
};

static void
on_loss(void *arg)
{
	struct loss *l = arg;

	if (l->node->node.probers != NULL && l->node->node.decide != NULL)
		rd_work_lost(&l->node->node, &l->m);
	free(l);
}

static void
lost(struct sim_job *j, enum topo_evidence evidence)
{
	struct sim_memory *m = &sim_probers[j->node].of[j->server->i];
	struct loss *l;

	if (m->kept) {
		m->kept = false;
		l = mem_new(struct loss);
		l->node = &sim.nodes[j->node];
		l->m = (struct ipc_connection_lost){j->server->key, evidence, sim_prober_wall_us(j->node), m->good_us};
		sim_at(sim_prober_arrival(&sim_probers[j->node].out_at), l->node, on_loss, free, l);
	}
	sim_job_free(j);
}

static void
lost_by_reset(struct sim_job *j)
{
	if (sim_server_way(j->node, j->server) == SIM_WAY_SILENT)
		sim_job_free(j);
	else
		lost(j, TOPO_EVIDENCE_RESET);
}

/* Sockets close when the kernel has freed the memory. */
void
sim_prober_lost(struct sim_server *s)
{
	for (size_t i = 0; i < sim.n; i++)
		sim_job_go_on(sim_job_new(i, s, NULL), sim_between(100, 100 * CLK_MS), lost_by_reset);
}

static void
ping_over(struct sim_job *j)
{
	if (is_silent(j))
		lost(j, TOPO_EVIDENCE_TIMED_OUT);
	else
		sim_job_free(j);
}

void
sim_ping(struct sim_job *j)
{
	if (is_silent(j))
		sim_job_go_on(j, SIM_CONNECT_US, ping_over);
	else if (!j->server->up || sim_server_way(j->node, j->server) == SIM_WAY_REFUSED)
		lost(j, TOPO_EVIDENCE_RESET);
	else {
		sim_probers[j->node].of[j->server->i].answered_us = sim_prober_wall_us(j->node);
		sim_job_free(j);
	}
}
