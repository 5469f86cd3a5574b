/* sim_prober.c — each node's prober: probes on schedule and on demand, pings, lost connections, and steps in the stages of
 * prober/pr_step.c, so that it can be stopped or die between any two: taken in, logged in with the server's lock, not_after
 * compared and written, answered. Its memory of steps is the real one (pr_fence.c). Owns the probers; what is under way at one
 * that dies goes with it, but for statements that have reached their server. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "sim_prober_private.h"
#include "topo/key.h"

#define PING_US CLK_S
#define NOT_LOCKED 1094 /* ER_NO_SUCH_THREAD */

struct sim_prober sim_probers[SIM_NODES_MAX];

static const struct rec_desc *
step_desc(void)
{
	return ipc_msg_info(IPC_STEP)->desc;
}

int64_t
sim_prober_wall_us(size_t node)
{
	return clk_wall(&sim.nodes[node].clock).us;
}

bool
sim_prober_is_well(size_t node)
{
	return sim_probers[node].up && sim_probers[node].paused_until <= sim.now;
}

bool
sim_prober_lives(size_t node, uint64_t life)
{
	return sim_probers[node].up && sim_probers[node].life == life;
}

struct sim_job *
sim_job_new(size_t node, struct sim_server *s, void (*run)(struct sim_job *j))
{
	struct sim_job *j = mem_new(struct sim_job);

	*j = (struct sim_job){.node = node, .life = sim_probers[node].life, .server = s, .run = run};
	return j;
}

void
sim_job_free(void *arg)
{
	struct sim_job *j = arg;

	if (j->has_step)
		rec_done(step_desc(), &j->step);
	free(j);
}

void
sim_job_run(void *arg)
{
	struct sim_job *j = arg;
	const struct sim_prober *p = &sim_probers[j->node];

	if (!p->up || p->life != j->life)
		sim_job_free(j);
	else if (p->paused_until > sim.now)
		sim_at(p->paused_until + sim_between(0, 300), NULL, sim_job_run, sim_job_free, j);
	else
		j->run(j);
}

void
sim_job_go_on(struct sim_job *j, int64_t us, void (*run)(struct sim_job *j))
{
	j->run = run;
	sim_after(us, NULL, sim_job_run, sim_job_free, j);
}

/* Messages keep their order. */
int64_t
sim_prober_arrival(int64_t *last)
{
	int64_t at = sim.now + sim_between(30, 800);

	*last = at > *last ? at : *last + 1;
	return *last;
}

/* --- steps: results --- */
struct told {
	struct sim_node *node;
	struct ipc_step_result m; /* owned */
};

static void
told_free(void *arg)
{
	struct told *t = arg;

	rec_done(ipc_msg_info(IPC_STEP_RESULT)->desc, &t->m);
	free(t);
}

static void
on_told(void *arg)
{
	struct told *t = arg;

	if (t->node->node.steps != NULL) {
		rd_steps_result(t->node->node.steps, &t->m);
		sim_moment(SIM_MOMENT_TOLD, t->node, sim_server_find(&t->m.key));
	}
	told_free(t);
}

static void
tell(size_t node, const struct ipc_step *m, int code, bool sent, int64_t errno_mysql)
{
	struct ipc_step_result r = {.recovery_uid = m->recovery_uid,
				    .term = m->term,
				    .number = m->number,
				    .key = m->key,
				    .code = -code,
				    .sent = sent,
				    .errno_mysql = errno_mysql,
				    .message = code == 0 ? "" : err_text(code),
				    .ended_us = sim_prober_wall_us(node)};
	struct told *t = mem_new(struct told);

	if (code != 0)
		sim_trace("prober of n%zu: %s on %s, number %llu: %s", node, m->statement, m->key.hostname,
			  (unsigned long long)m->number, err_name(code));
	t->node = &sim.nodes[node];
	rec_dup(ipc_msg_info(IPC_STEP_RESULT)->desc, &t->m, &r);
	sim_at(sim_prober_arrival(&sim_probers[node].out_at), t->node, on_told, told_free, t);
}

static void
finish(struct sim_job *j, int code, bool sent, int64_t errno_mysql)
{
	if (j->session != 0 && sim_server_way(j->node, j->server) == SIM_WAY_OPEN)
		sim_server_unlock(j->server, j->session);
	tell(j->node, &j->step, code, sent, errno_mysql);
	sim_job_free(j);
}

/* --- steps: stages --- */
static bool
is_late(const struct sim_job *j)
{
	return sim_local(&sim.nodes[j->node]).us >= j->step.not_after_us;
}

static bool
is_unlocked(const struct sim_job *j)
{
	return (topo_step_flags(topo_step_by_name(j->step.statement)) & TOPO_STEP_UNLOCKED) != 0;
}

static void
step_no_connection(struct sim_job *j)
{
	finish(j, is_late(j) ? ERR_LATE : ERR_UNREACHABLE, false, 0);
}

static void
step_unacknowledged(struct sim_job *j)
{
	finish(j, ERR_UNKNOWN_OUTCOME, true, 0);
}

static void
step_answered(struct sim_job *j)
{
	finish(j, (int)j->probe_id, true, (int64_t)j->patience_us);
}

static void
answer(struct sim_job *j, int code, int64_t errno_mysql)
{
	j->probe_id = (uint64_t)code;
	j->patience_us = errno_mysql;
	sim_job_go_on(j, sim_between(50, 800), step_answered);
}

/* In the server's hands: the prober may be gone, the server may be stopped. */
static void
on_arrived(void *arg)
{
	struct sim_job *j = arg;
	struct sim_server *s = j->server;

	if (!s->up) {
		answer(j, ERR_UNKNOWN_OUTCOME, 0);
	} else if (!sim_server_runs(s)) {
		sim_at(s->paused_until + sim_between(0, 500), NULL, on_arrived, sim_job_free, j);
	} else if (is_unlocked(j)) {
		bool held = sim_server_break(s);
		answer(j, held ? 0 : ERR_SERVER, held ? 0 : NOT_LOCKED);
	} else {
		sim_server_run(s, j->session, &j->step);
		sim_job_free(j); /* sim_prober_answered */
	}
}

static void
step_write(struct sim_job *j)
{
	struct sim_node *n = &sim.nodes[j->node];
	struct sim_server *s = j->server;

	if (is_late(j) && sim.mutant != SIM_MUTANT_UNFENCED) {
		finish(j, ERR_LATE, false, 0);
		return;
	}
	if (!is_unlocked(j) && (!s->session.used || s->session.id != j->session)) {
		finish(j, ERR_UNKNOWN_OUTCOME, true, 0); /* its connection was ended */
		return;
	}
	sim_topo_check_written(n, s, &j->step);
	sim_moment(SIM_MOMENT_WRITTEN, n, s);
	if (sim_server_way(j->node, s) != SIM_WAY_OPEN) {
		s->trouble_at = sim.now;
		sim_job_go_on(j, max_i64(0, sim_true_us(n, (struct mono){j->step.not_after_us}) - sim.now),
			      step_unacknowledged);
		return;
	}
	sim_after(sim_between(50, 900), NULL, on_arrived, sim_job_free, j);
}

static bool
is_expected(const struct sim_job *j)
{
	char id[24];

	(void)snprintf(id, sizeof(id), "%zu", SIM_SERVER_ID(j->server));
	return str_empty(j->step.precondition) || str_eq(j->step.precondition, id) ||
	       str_eq(j->step.precondition, j->server->uuid);
}

static bool
may_reconnect(const struct sim_job *j)
{
	bool reconnects = (topo_step_flags(topo_step_by_name(j->step.statement)) & TOPO_STEP_RECONNECTS) != 0;

	return !reconnects || (j->server->sql && j->server->io);
}

static void
step_login(struct sim_job *j)
{
	struct sim_server *s = j->server;

	if (sim_server_way(j->node, s) == SIM_WAY_SILENT || (s->up && !sim_server_runs(s)))
		sim_job_go_on(j, SIM_CONNECT_US, step_no_connection);
	else if (!s->up || sim_server_way(j->node, s) == SIM_WAY_REFUSED)
		finish(j, ERR_UNREACHABLE, false, 0);
	else if (s->crowded_until > sim.now)
		finish(j, ERR_SERVER, false, 1040);
	else if (!is_unlocked(j) && !sim_server_lock(s, j->node, j->life, &j->session))
		finish(j, ERR_BUSY, false, 0);
	else if (!is_expected(j) || !may_reconnect(j))
		finish(j, ERR_PRECONDITION, false, 0);
	else {
		sim_moment(SIM_MOMENT_LOCKED, &sim.nodes[j->node], s);
		sim_job_go_on(j, sim_between(100, 2000), step_write);
	}
}

static void
step_taken(struct sim_job *j)
{
	struct sim_prober *p = &sim_probers[j->node];
	struct err e;
	int rc = pr_fence_admit(&p->fence, j->step.recovery_uid, j->step.term, j->step.number, &e);

	if (rc != 0)
		finish(j, -rc, false, 0);
	else
		sim_job_go_on(j, sim_between(300, 5000), step_login);
}

static void
hand_over(size_t node, const struct ipc_step *m)
{
	struct sim_job *j = sim_job_new(node, sim_server_find(&m->key), step_taken);

	j->has_step = true;
	rec_dup(step_desc(), &j->step, m);
	sim_at(sim_prober_arrival(&sim_probers[node].in_at), NULL, sim_job_run, sim_job_free, j);
}

/* Of the mutant: what was in the hands of a prober that died is given to the next one. */
static struct ipc_step kept_step[SIM_NODES_MAX];
static bool has_kept_step[SIM_NODES_MAX];

int
sim_prober_step(struct sim_node *n, const struct ipc_step *m, struct err *e)
{
	struct sim_prober *p = &sim_probers[n->i];

	if (!p->up || sim_dead(n))
		return err_set(e, ERR_UNAVAILABLE, "the prober is down");
	if (sim_server_find(&m->key) == NULL)
		sim_fail("a step for a server that does not exist: %s", m->key.hostname);
	else
		hand_over(n->i, m);
	if (sim.mutant == SIM_MUTANT_REDISPATCH) {
		if (has_kept_step[n->i])
			rec_done(step_desc(), &kept_step[n->i]);
		rec_dup(step_desc(), &kept_step[n->i], m);
		has_kept_step[n->i] = true;
	}
	sim_moment(SIM_MOMENT_SENT, n, sim_server_find(&m->key));
	return 0;
}

void
sim_prober_answered(const struct sim_session *x, const struct sim_server *from, int code)
{
	struct sim_job *j;

	if (sim_server_way(x->node, from) != SIM_WAY_OPEN)
		return; /* it waits for the answer */
	j = sim_job_new(x->node, &topo.s[from->i], step_answered);
	j->life = x->prober;
	j->has_step = true;
	rec_dup(step_desc(), &j->step, &x->step);
	sim_moment(SIM_MOMENT_DONE, &sim.nodes[x->node], &topo.s[from->i]);
	answer(j, code, code == ERR_SERVER ? 1064 : 0);
}

/* --- life --- */
struct regular {
	size_t node;
	struct sim_server *server;
};
static struct regular regulars[SIM_NODES_MAX][SIM_SERVERS_MAX];

static void
on_poll(void *arg)
{
	const struct regular *r = arg;
	struct sim_job *j = sim_job_new(r->node, r->server, sim_probe_taken);

	j->patience_us = SIM_CONNECT_US;
	sim_job_go_on(j, 0, sim_probe_taken);
	sim_after(topo.poll_us, NULL, on_poll, NULL, arg);
}

static void
on_ping(void *arg)
{
	const struct regular *r = arg;

	if (sim_probers[r->node].of[r->server->i].kept)
		sim_job_go_on(sim_job_new(r->node, r->server, sim_ping), 0, sim_ping);
	sim_after(PING_US, NULL, on_ping, NULL, arg);
}

static void
on_prober_up(void *arg)
{
	struct sim_node *n = arg;

	if (n->node.probers == NULL || !sim_probers[n->i].up)
		return;
	rd_probers_up(n->node.probers, 0);
	(void)rd_probers_tell(n->node.probers);
}

static void
on_prober_down(void *arg)
{
	struct sim_node *n = arg;

	if (n->node.probers == NULL)
		return;
	rd_probers_down(n->node.probers, 0);
	rd_steps_prober_down(n->node.steps, 0);
}

static void
dispatch_again(struct sim_node *n)
{
	if (has_kept_step[n->i])
		hand_over(n->i, &kept_step[n->i]);
}

static void
on_restart(void *arg)
{
	struct sim_node *n = arg;
	struct sim_prober *p = &sim_probers[n->i];

	if (p->up)
		return;
	p->up = true;
	memset(&p->fence, 0, sizeof(p->fence));
	memset(p->of, 0, sizeof(p->of));
	sim_after(sim_between(200, 3000), n, on_prober_up, NULL, n);
	if (sim.mutant == SIM_MUTANT_REDISPATCH)
		dispatch_again(n);
}

void
sim_prober_kill(size_t node, int64_t restart_us)
{
	struct sim_prober *p = &sim_probers[node];

	if (!p->up)
		return;
	sim_trace("prober of n%zu killed", node);
	p->up = false;
	p->paused_until = 0;
	for (size_t i = 0; i < topo.n; i++) {
		struct sim_server *s = &topo.s[i];
		if (s->session.used && s->session.node == node && s->session.prober == p->life &&
		    sim_server_way(node, s) == SIM_WAY_OPEN && sim_server_runs(s))
			sim_server_unlock(s, s->session.id);
		if (s->session.used && s->session.node == node)
			s->trouble_at = sim.now;
	}
	p->life++;
	sim_after(sim_between(100, 2000), &sim.nodes[node], on_prober_down, NULL, &sim.nodes[node]);
	sim_after(restart_us, NULL, on_restart, NULL, &sim.nodes[node]);
}

void
sim_prober_pause(size_t node, int64_t us)
{
	if (!sim_probers[node].up)
		return;
	sim_trace("prober of n%zu stopped for %lld ms", node, (long long)(us / CLK_MS));
	sim_probers[node].paused_until = max_i64(sim_probers[node].paused_until, sim.now + us);
}

void
sim_prober_begin(struct sim_node *n)
{
	sim_after(sim_between(100, 2000), n, on_prober_up, NULL, n);
}

void
sim_probers_start(void)
{
	memset(sim_probers, 0, sizeof(sim_probers));
	for (size_t i = 0; i < sim.n; i++) {
		sim_probers[i].up = true;
		sim_probers[i].life = 1;
		for (size_t k = 0; k < topo.n; k++) {
			regulars[i][k] = (struct regular){i, &topo.s[k]};
			sim_after(sim_between(1, topo.poll_us), NULL, on_poll, NULL, &regulars[i][k]);
			sim_after(sim_between(1, PING_US), NULL, on_ping, NULL, &regulars[i][k]);
		}
	}
}

void
sim_probers_done(void)
{
	for (size_t i = 0; i < SIM_NODES_MAX; i++) {
		if (has_kept_step[i])
			rec_done(step_desc(), &kept_step[i]);
		has_kept_step[i] = false;
	}
}
