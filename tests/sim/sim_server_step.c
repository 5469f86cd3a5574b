/* sim_server_step.c — statements of steps on a simulated server, the session that holds its lock, and what a KILL does to it.
 * Owns the session. See sim_server.c. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "sim_topo.h"
#include "topo/gtid.h"
#include "topo/key.h"

/* --- statements --- */
void
sim_threads_start(struct sim_server *s, bool io, bool sql, bool by_step)
{
	if (topo.mariadb && !s->io && !s->sql)
		sim_relay_purge(s, by_step);
	if (io && !s->io) {
		s->io = true;
		s->io_errno = 0;
		s->connected = false;
		s->try_at = sim.now;
	}
	s->sql = s->sql || sql;
	s->stopped_by_operator &= by_step; /* what a recovery starts it may stop again */
}

static void
stop_threads(struct sim_server *s, bool io, bool sql)
{
	if (io) {
		s->io = s->connected = s->acks_here = false;
		s->io_errno = 0;
	}
	s->sql = s->sql && !sql;
}

static int
point_to(struct sim_server *s, const struct ipc_step *m)
{
	struct topo_key to = {m->args.v[0].s, (int64_t)strtol(m->args.v[1].s, NULL, 10)};
	struct sim_server *source;
	bool detached = topo_key_is_detached(&to);

	if (s->io || (topo.mariadb && s->sql))
		return ERR_SERVER;
	if (!s->sql)
		sim_relay_purge(s, true);
	s->detached = detached;
	if (detached)
		return 0; /* it keeps the name */
	source = sim_server_find(&to);
	if (source == NULL) {
		sim_fail("%s is pointed to a server that does not exist: %s", s->host, to.hostname);
		return ERR_SERVER;
	}
	s->source = source->i;
	s->base = s->executed;
	return 0;
}

/* 0 or a code; -1: it goes on waiting. */
static int
wait_executed(struct sim_server *s, struct sim_session *x)
{
	struct mem_arena arena = {0};
	bool has = false;
	struct err e;

	if (gtid_text_contains(sim_set_text(s, false, &arena), x->step.args.v[0].s, &has, &e) != 0)
		sim_fail("%s: what is waited for can't be read: %s", s->host, e.msg);
	mem_arena_done(&arena);
	if (has)
		return 0;
	return sim.now < x->give_up_at ? -1 : ERR_TIMEOUT;
}

static int
has_effect(struct sim_server *s, struct sim_session *x)
{
	const struct ipc_step *m = &x->step;

	switch ((int)topo_step_by_name(m->statement)) {
	case TOPO_STEP_SET_READ_ONLY:
		s->read_only = true;
		return 0;
	case TOPO_STEP_SET_WRITABLE:
		s->read_only = false;
		s->writable_at_boot = true; /* whoever keeps its configuration sees to that */
		sim_topo_check_promoted(s, m);
		return 0;
	case TOPO_STEP_START_REPLICA:
		sim_threads_start(s, true, true, true);
		return s->source == SIM_NOBODY ? ERR_SERVER : 0;
	case TOPO_STEP_STOP_REPLICA:
		stop_threads(s, true, true);
		return 0;
	case TOPO_STEP_STOP_REPLICA_IO:
		stop_threads(s, true, false);
		return 0;
	case TOPO_STEP_START_REPLICA_IO:
		sim_threads_start(s, true, false, true);
		return 0;
	case TOPO_STEP_START_REPLICA_SQL:
		sim_threads_start(s, false, true, true);
		return 0;
	case TOPO_STEP_STOP_REPLICA_SQL:
		stop_threads(s, false, true);
		return 0;
	case TOPO_STEP_RESTART_REPLICA_IO:
		stop_threads(s, true, false);
		sim_threads_start(s, true, false, true);
		return 0;
	case TOPO_STEP_POINT_TO:
		return point_to(s, m);
	case TOPO_STEP_RESET_REPLICA:
		if (s->io || s->sql)
			return ERR_SERVER;
		sim_relay_purge(s, true);
		s->source = SIM_NOBODY;
		s->detached = false;
		return 0;
	case TOPO_STEP_WAIT_EXECUTED:
		return wait_executed(s, x);
	case TOPO_STEP_SEMI_SYNC_SOURCE_ON:
	case TOPO_STEP_SEMI_SYNC_SOURCE_OFF:
	case TOPO_STEP_SEMI_SYNC_REPLICA_ON:
	case TOPO_STEP_SEMI_SYNC_NEW_SOURCE_ON:
	case TOPO_STEP_SEMI_SYNC_NEW_SOURCE_OFF:
	case TOPO_STEP_SEMI_SYNC_NEW_REPLICA_ON:
		return 0;
	default:
		sim_fail("%s: a statement nobody expected: %s", s->host, m->statement);
		return ERR_SERVER;
	}
}

void
sim_session_end(struct sim_server *s)
{
	if (s->session.running)
		rec_done(ipc_msg_info(IPC_STEP)->desc, &s->session.step);
	s->session = (struct sim_session){0};
}

void
sim_session_work(struct sim_server *s)
{
	struct sim_session *x = &s->session;
	int code;

	if (x->used && !x->running && !sim_prober_lives(x->node, x->prober) &&
	    sim_server_way(x->node, s) == SIM_WAY_OPEN)
		sim_session_end(s); /* its client is gone */
	if (!x->used || !x->running || sim.now < x->effect_at)
		return;
	code = has_effect(s, x);
	if (code < 0)
		return;
	topo.steps++;
	sim_trace("%s: %s for n%zu: %s", s->host, x->step.statement, x->node, code == 0 ? "ok" : err_name(code));
	sim_prober_answered(x, s, code);
	sim_session_end(s);
}

bool
sim_server_lock(struct sim_server *s, size_t node, uint64_t prober, uint64_t *ret_id)
{
	if (s->session.used)
		return false;
	s->session = (struct sim_session){.used = true, .id = ++topo.sessions, .node = node, .prober = prober};
	*ret_id = s->session.id;
	return true;
}

/* A statement that runs is not ended by its client's end. */
void
sim_server_unlock(struct sim_server *s, uint64_t id)
{
	if (s->session.used && s->session.id == id && !s->session.running)
		sim_session_end(s);
}

/* A STOP takes seconds inside a reconnect, or when a semi-sync receiver of MariaDB has a silent source. */
static int64_t
duration(const struct sim_server *s, enum topo_step_kind kind)
{
	bool stops =
	    kind == TOPO_STEP_STOP_REPLICA || kind == TOPO_STEP_STOP_REPLICA_IO || kind == TOPO_STEP_RESTART_REPLICA_IO;

	if (stops && s->io && !s->connected && sim_chance(300))
		return sim_between(500, 2000) * CLK_MS;
	return sim_between(100, 20 * CLK_MS);
}

void
sim_server_run(struct sim_server *s, uint64_t id, const struct ipc_step *m)
{
	struct sim_session *x = &s->session;

	if (!x->used || x->id != id || x->running)
		return; /* it was ended meanwhile */
	x->running = true;
	rec_dup(ipc_msg_info(IPC_STEP)->desc, &x->step, m);
	x->effect_at = sim.now + duration(s, topo_step_by_name(m->statement));
	x->give_up_at = m->args.n == 2 ? sim.now + strtol(m->args.v[1].s, NULL, 10) * CLK_S : 0;
}

/* What runs may have got as far as its effect, or not. */
bool
sim_server_break(struct sim_server *s)
{
	struct sim_session *x = &s->session;

	if (!x->used)
		return false;
	sim_trace("%s: lock of n%zu broken", s->host, x->node);
	if (x->running && topo_step_by_name(x->step.statement) != TOPO_STEP_WAIT_EXECUTED && sim_chance(300))
		(void)has_effect(s, x);
	s->trouble_at = sim.now;
	if (x->running)
		sim_prober_answered(x, s, ERR_UNKNOWN_OUTCOME);
	sim_session_end(s);
	return true;
}
