/* rd_plan.c — see rd_plan.h: the steps of each phase of a dead source's recovery. Pure; called by the recovery machine,
 * dry runs and the simulation. */
#include "rd_plan.h"

#include <stdio.h>
#include <string.h>

#include "topo/key.h"
#include "topo/step.h"
#include "topo/version.h"

#define REC_SELF struct rd_step
REC_DEFINE(rd_step, RD_STEP_FIELDS);
#undef REC_SELF

#define REC_SELF struct rd_lost
REC_DEFINE(rd_lost, RD_LOST_FIELDS);
#undef REC_SELF

/* --- building blocks ------------------------------------------------------------------------------------------- */
struct making {
	const struct rd_recovery_input *in;
	const struct rd_haves *haves;
	const struct rd_choice *choice;
	struct mem_arena *arena;
	struct rd_plan *plan;
	size_t cap_steps, cap_lost;
	uint64_t reset; /* REPOINT: number of the promoted server's last step; 0 = none */
};

/* Stopping a receiver takes up to 2 s when its source is silent. */
static int64_t
within_ms(enum topo_step_kind kind)
{
	return kind == TOPO_STEP_SET_WRITABLE || kind == TOPO_STEP_BREAK_LOCK ? 2000 : 10000;
}

static const char *
identity(struct making *m, const struct rd_recovery_server *s)
{
	char text[24];

	if (s->server_uuid[0] != '\0')
		return s->server_uuid;
	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)s->server_id);
	return s->server_id == 0 ? "" : mem_arena_strndup(m->arena, text, strlen(text));
}

/* Grows in the arena: doubled, the old ones are left. */
static void *
grow(struct mem_arena *arena, void *v, size_t n, size_t *cap, size_t item)
{
	void *bigger;

	if (n < *cap)
		return v;
	*cap = *cap == 0 ? 16 : *cap * 2;
	bigger = mem_arena_alloc(arena, *cap * item);
	if (n > 0)
		memcpy(bigger, v, n * item);
	return bigger;
}

/* Returns its number. */
static uint64_t
add_step(struct making *m, const struct rd_recovery_server *s, enum topo_step_kind kind, enum rd_on_failure on_failure,
	 uint64_t after)
{
	struct rd_step_list *l = &m->plan->steps;
	struct rd_step *step;

	ASSERT(l->n < RD_STEPS_MAX);
	l->v = grow(m->arena, l->v, l->n, &m->cap_steps, sizeof(*l->v));
	step = &l->v[l->n++];
	rec_init(&rd_step_desc, step);
	step->number = l->n;
	step->key = s->key;
	step->statement = topo_step_name(kind);
	step->precondition = identity(m, s);
	step->after = after;
	step->within_ms = within_ms(kind);
	step->on_failure = (uint64_t)on_failure;
	return step->number;
}

static void
add_args(struct making *m, const char *first, uint64_t second)
{
	struct rd_step *step = &m->plan->steps.v[m->plan->steps.n - 1];
	char text[24];

	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)second);
	step->args.v = mem_arena_alloc(m->arena, 2 * sizeof(*step->args.v));
	step->args.n = 2;
	step->args.v[0].s = mem_arena_strndup(m->arena, first, strlen(first));
	step->args.v[1].s = mem_arena_strndup(m->arena, text, strlen(text));
}

static uint64_t
add_point_to(struct making *m, const struct rd_recovery_server *s, const struct topo_key *to,
	     enum rd_on_failure on_failure, uint64_t after)
{
	uint64_t n = add_step(m, s, TOPO_STEP_POINT_TO, on_failure, after);

	add_args(m, to->hostname, (uint64_t)to->port);
	return n;
}

static uint64_t
add_wait(struct making *m, const struct rd_recovery_server *s, const struct rd_set *for_what, uint64_t seconds,
	 uint64_t after)
{
	uint64_t n = add_step(m, s, TOPO_STEP_WAIT_EXECUTED, RD_FAILS_CANDIDATE, after);
	struct str_buf text = {0};

	rd_set_write(for_what, &text);
	add_args(m, str_buf_text(&text), seconds);
	m->plan->steps.v[n - 1].within_ms = (int64_t)seconds * 1000 + 2000;
	str_buf_done(&text);
	return n;
}

static void
add_lost(struct making *m, const struct rd_recovery_server *s, const char *why)
{
	struct rd_lost_list *l = &m->plan->lost;

	l->v = grow(m->arena, l->v, l->n, &m->cap_lost, sizeof(*l->v));
	l->v[l->n++] = (struct rd_lost){s->key, mem_arena_strndup(m->arena, why, strlen(why))};
}

/* --- fence ----------------------------------------------------------------------------------------------------- */
static void
plan_fence(struct making *m)
{
	for (size_t i = 0; i < m->in->servers.n; i++) {
		if (rd_recovery_is_fresh(m->in, &m->in->servers.v[i]))
			(void)add_step(m, &m->in->servers.v[i], TOPO_STEP_BREAK_LOCK, RD_FAILS_SERVER, 0);
	}
}

/* --- prepare --------------------------------------------------------------------------------------------------- */
#define DELAYED_PROMOTION_S 86400 /* recovery.md 5, step 8 */

static uint64_t
drain_s(const struct rd_recovery_input *in, const struct rd_recovery_server *s)
{
	uint64_t wait_s = in->policy.drain_wait_s > 0 ? in->policy.drain_wait_s : 10;

	return (in->policy.delay_if_not_applied ? DELAYED_PROMOTION_S : wait_s) + s->sql_delay;
}

/* Applies what it received. The receiver goes on: it can get no more from a dead source, and stopping it may take
 * seconds. Returns the last step's number, 0 when there is nothing to do. */
static uint64_t
plan_drain(struct making *m, const struct rd_ranked *j)
{
	uint64_t n = 0;

	if (j->backlog == 0)
		return 0;
	ASSERT(!j->have->drops_relay_log); /* received is what it applied */
	if (j->server->sql_thread_state == TOPO_THREAD_STOPPED)
		n = add_step(m, j->server, TOPO_STEP_START_REPLICA_SQL, RD_FAILS_CANDIDATE, 0);
	return add_wait(m, j->server, &j->have->received, drain_s(m->in, j->server), n);
}

static const struct rd_ranked *
judged_of(const struct rd_choice *c, const struct rd_recovery_server *s)
{
	for (size_t i = 0; i < c->n; i++) {
		if (c->v[i].server == s)
			return &c->v[i];
	}
	ASSERT(!"not among the servers");
	return NULL;
}

static void
plan_prepare(struct making *m)
{
	const struct rd_ranked *j = m->choice->chosen;
	uint64_t drained = plan_drain(m, j), from_donor, n;

	if (j->donor == NULL)
		return;
	from_donor = plan_drain(m, judged_of(m->choice, j->donor->server));
	n = drained != 0 ? drained : from_donor;
	if (!topo_key_equal(&j->server->source_key, &j->donor->server->key)) {
		n = add_step(m, j->server, TOPO_STEP_STOP_REPLICA, RD_FAILS_CANDIDATE, drained);
		m->plan->steps.v[n - 1].and_after = from_donor;
		n = add_point_to(m, j->server, &j->donor->server->key, RD_FAILS_CANDIDATE, n);
		n = add_step(m, j->server, TOPO_STEP_START_REPLICA, RD_FAILS_CANDIDATE, n);
	} else if (rd_both_stopped(j->server)) { /* re-pointed before, and not started */
		n = add_step(m, j->server, TOPO_STEP_START_REPLICA, RD_FAILS_CANDIDATE, n);
	}
	(void)add_wait(m, j->server, &j->donor->received, drain_s(m->in, j->server), n);
}

/* --- promote --------------------------------------------------------------------------------------------------- */
static void
plan_promote(struct making *m)
{
	const struct rd_recovery_server *s = m->choice->chosen->server;
	uint64_t n = 0;

	if (!m->in->policy.apply_promotion)
		return;
	if (s->semi_sync_priority > 0 && s->semi_sync_available && !s->semi_sync_source_enabled)
		n = add_step(m, s,
			     s->semi_sync_source_plugin_new ? TOPO_STEP_SEMI_SYNC_NEW_SOURCE_ON
							    : TOPO_STEP_SEMI_SYNC_SOURCE_ON,
			     RD_FAILS_CANDIDATE, 0);
	/* whatever was read: somebody may have changed that since, and the step finds out who answers there */
	(void)add_step(m, s, TOPO_STEP_SET_WRITABLE, RD_FAILS_PHASE, n);
}

/* --- repoint --------------------------------------------------------------------------------------------------- */
static bool
runs(const struct rd_recovery_server *s)
{
	return s->io_thread_state != TOPO_THREAD_STOPPED || s->sql_thread_state != TOPO_THREAD_STOPPED;
}

static uint64_t
add_detach(struct making *m, const struct rd_recovery_server *s, enum rd_on_failure on_failure, uint64_t after)
{
	struct topo_key away, kept;
	struct err e;
	uint64_t n = after;

	if (topo_key_detach(&s->source_key, &away, &e) != 0)
		return n; /* the name has no room for the mark */
	kept = (struct topo_key){mem_arena_strndup(m->arena, away.hostname, strlen(away.hostname)), away.port};
	topo_key_done(&away);
	return add_point_to(m, s, &kept, on_failure, n);
}

/* Returns the number of its last step, 0 when there is nothing to do. */
static uint64_t
plan_promoted(struct making *m)
{
	const struct rd_recovery_server *s = m->choice->chosen->server;
	uint64_t n = 0;

	if (s->source_key.hostname[0] == '\0' || topo_key_is_detached(&s->source_key))
		return 0; /* done before */
	if (!m->in->policy.apply_promotion && !m->in->policy.detach_promoted)
		return 0;
	if (runs(s))
		n = add_step(m, s, TOPO_STEP_STOP_REPLICA, RD_FAILS_PHASE, 0);
	if (m->in->policy.apply_promotion)
		return add_step(m, s, TOPO_STEP_RESET_REPLICA, RD_FAILS_PHASE, n);
	return add_detach(m, s, RD_FAILS_PHASE, n);
}

/* Historical rule; where exact numbers are kept (EnforceExactSemiSyncReplicas, …) they are repaired afterwards. */
static uint64_t
plan_semi_sync_replica(struct making *m, const struct rd_recovery_server *s, uint64_t after)
{
	bool kept = m->in->policy.enforce_exact_semi_sync || m->in->policy.recover_locked_semi_sync;

	if (kept || s->semi_sync_priority == 0 || !s->semi_sync_available || s->semi_sync_replica_enabled ||
	    rd_recovery_rule(s) == RD_RULE_MUST_NOT)
		return after;
	return add_step(
	    m, s, s->semi_sync_replica_plugin_new ? TOPO_STEP_SEMI_SYNC_NEW_REPLICA_ON : TOPO_STEP_SEMI_SYNC_REPLICA_ON,
	    RD_FAILS_NOTHING, after);
}

/* The donor only when the promoted one does not replicate from it any more. */
static void
plan_follower(struct making *m, const struct rd_recovery_server *s)
{
	uint64_t n = s == m->choice->donor ? m->reset : 0;

	if (runs(s))
		n = add_step(m, s, TOPO_STEP_STOP_REPLICA, RD_FAILS_SERVER, n);
	n = add_point_to(m, s, &m->choice->chosen->server->key, RD_FAILS_SERVER, n);
	n = plan_semi_sync_replica(m, s, n);
	(void)add_step(m, s, TOPO_STEP_START_REPLICA, RD_FAILS_SERVER, n);
}

/* Nobody shall read it unawares. What it alone has, or may have, must not be thrown away with its relay logs: then its receiver stops,
 * and it goes on applying. */
static void
plan_lost(struct making *m, const struct rd_have *v, bool ahead)
{
	const struct rd_recovery_server *s = v->server;
	uint64_t n = 0;

	if (!m->in->policy.detach_lost || !rd_recovery_is_fresh(m->in, s) || s->channels > 1 || s->in_maintenance ||
	    s->group_name[0] != '\0' || topo_key_is_detached(&s->source_key))
		return;
	if (!ahead) {
		if (runs(s))
			n = add_step(m, s, TOPO_STEP_STOP_REPLICA, RD_FAILS_NOTHING, 0);
		(void)add_detach(m, s, RD_FAILS_NOTHING, n);
	} else if (s->sql_thread_state == TOPO_THREAD_RUNNING && s->io_thread_state != TOPO_THREAD_STOPPED) {
		(void)add_step(m, s, TOPO_STEP_STOP_REPLICA_IO, RD_FAILS_NOTHING, 0);
	}
}

/* MariaDB: what it wrote itself has the numbers that the promoted one gives next in that domain. Its applier would stop at
 * them (1950) or, without gtid_strict_mode, part unnoticed: reference/failover-timing.md 5. A domain of its own is in
 * nobody's way, nor are MySQL's sets. */
static bool
is_in_the_way(const struct gtid_pos *own, const struct gtid_pos *has)
{
	bool found = false;

	for (size_t i = 0; i < has->n && !found; i++) {
		enum gtid_order o = gtid_pos_compare_domain(own, has, has->v[i].domain);
		found = o == GTID_AHEAD || o == GTID_DIVERGED;
	}
	return found;
}

/* It has what the promoted one lacks. */
static bool
is_ahead(const struct making *m, const struct rd_have *x)
{
	const struct rd_ranked *j = m->choice->chosen;
	struct rd_set has;
	struct err e;
	bool ahead = true;

	if (m->haves->family == GTID_NONE || x->unreadable != NULL)
		return false;
	if (rd_set_join(m->haves->family, &j->have->received, &(j->donor == NULL ? j->have : j->donor)->received, &has,
			&e) == 0)
		ahead = rd_set_lacks(m->haves->family, &has, &x->received) > 0 ||
			is_in_the_way(&x->errant.mariadb, &has.mariadb);
	rd_set_done(&has);
	return ahead;
}

static void
plan_other(struct making *m, const struct rd_have *x)
{
	const struct rd_recovery_server *s = x->server;
	struct err e;

	if (topo_key_equal(&s->source_key, &m->choice->chosen->server->key)) {
		/* re-pointed before, and not started; others of its replicas are none of our business */
		if (s->was_direct && rd_recovery_is_fresh(m->in, s) && !s->in_maintenance &&
		    s->io_thread_state == TOPO_THREAD_STOPPED)
			(void)add_step(m, s, TOPO_STEP_START_REPLICA, RD_FAILS_SERVER, 0);
		return;
	}
	if (!rd_recovery_is_direct(m->in, s))
		return; /* stays below its own source */
	if (!rd_recovery_is_fresh(m->in, s)) {
		add_lost(m, s, rd_why_text(RD_WHY_SILENT));
	} else if (is_ahead(m, x)) {
		add_lost(m, s, "has transactions that the promoted server lacks");
		plan_lost(m, x, true);
	} else if (rd_can_follow(m->in, m->haves, x, m->choice->chosen->have, &e) != 0) {
		add_lost(m, s, e.msg);
		plan_lost(m, x, x->unreadable != NULL);
	} else {
		plan_follower(m, s);
	}
}

static void
plan_repoint(struct making *m)
{
	m->reset = plan_promoted(m);
	for (size_t i = 0; i < m->haves->n; i++) {
		if (m->haves->v[i].server != m->choice->chosen->server)
			plan_other(m, &m->haves->v[i]);
	}
}

void
rd_plan_build(enum rd_plan_phase phase, const struct rd_recovery_input *in, const struct rd_haves *haves,
	      const struct rd_choice *choice, struct mem_arena *arena, struct rd_plan *ret)
{
	static void (*const makers[RD_PHASE_COUNT])(struct making * m) = {[RD_PHASE_FENCE] = plan_fence,
									  [RD_PHASE_PREPARE] = plan_prepare,
									  [RD_PHASE_PROMOTE] = plan_promote,
									  [RD_PHASE_REPOINT] = plan_repoint};
	struct making m = {.in = in, .haves = haves, .choice = choice, .arena = arena, .plan = ret};

	ASSERT(makers[phase] != NULL);
	*ret = (struct rd_plan){.phase = phase};
	makers[phase](&m);
}

const char *
rd_plan_refusal(const struct rd_haves *haves, const struct rd_choice *choice)
{
	if (choice->chosen == NULL)
		return choice->refusal;
	if (haves->family == GTID_NONE)
		return "the replicas do not replicate by GTID; recovery by file and position is not built yet";
	return NULL;
}

/* --- restore --------------------------------------------------------------------------------------------------- */
/* MariaDB: a START while both threads stand still throws away what was received and not applied. As long as the source is
 * gone, nobody may be able to send it again. */
static bool
start_loses(const struct making *m, const struct rd_recovery_server *is)
{
	return topo_is_mariadb(is->version) && rd_both_stopped(is) && !m->in->failed.answered &&
	       rd_coord_cmp(&is->read_coord, &is->exec_coord) > 0;
}

/* Threads as they were; on MariaDB not so that both stand still with relay logs that are not applied. */
static void
restore_threads(struct making *m, const struct rd_recovery_server *was, const struct rd_recovery_server *is)
{
	bool io_was = was->io_thread_state != TOPO_THREAD_STOPPED, io_is = is->io_thread_state != TOPO_THREAD_STOPPED;
	bool sql_was = was->sql_thread_state != TOPO_THREAD_STOPPED,
	     sql_is = is->sql_thread_state != TOPO_THREAD_STOPPED;

	if (start_loses(m, is))
		return;
	if (io_was && !io_is)
		(void)add_step(m, is, TOPO_STEP_START_REPLICA_IO, RD_FAILS_SERVER, 0);
	if (sql_was && !sql_is)
		(void)add_step(m, is, TOPO_STEP_START_REPLICA_SQL, RD_FAILS_SERVER, 0);
	else if (!sql_was && sql_is && (io_was || !topo_is_mariadb(is->version)))
		(void)add_step(m, is, TOPO_STEP_STOP_REPLICA_SQL, RD_FAILS_SERVER, 0);
}

static void
restore_server(struct making *m, const struct rd_recovery_server *was, const struct rd_recovery_server *is)
{
	uint64_t n = 0;

	if (is->semi_sync_source_enabled && !was->semi_sync_source_enabled)
		(void)add_step(m, is,
			       is->semi_sync_source_plugin_new ? TOPO_STEP_SEMI_SYNC_NEW_SOURCE_OFF
							       : TOPO_STEP_SEMI_SYNC_SOURCE_OFF,
			       RD_FAILS_SERVER, 0);
	if (topo_key_equal(&was->source_key, &is->source_key)) {
		restore_threads(m, was, is);
		return;
	}
	if (runs(is))
		n = add_step(m, is, TOPO_STEP_STOP_REPLICA, RD_FAILS_SERVER, 0);
	n = add_point_to(m, is, &was->source_key, RD_FAILS_SERVER, n);
	if (runs(was))
		(void)add_step(m, is, TOPO_STEP_START_REPLICA, RD_FAILS_SERVER, n);
}

void
rd_plan_restore(const struct rd_recovery_input *before, const struct rd_recovery_input *now, bool may_unfence,
		struct mem_arena *arena, struct rd_plan *ret)
{
	const struct rd_recovery_server *there = rd_recovery_taken_over(now);
	struct making m = {.in = now, .arena = arena, .plan = ret};

	*ret = (struct rd_plan){.phase = RD_PHASE_RESTORE};
	for (size_t i = 0; i < before->servers.n; i++) {
		const struct rd_recovery_server *was = &before->servers.v[i], *is = rd_recovery_find(now, &was->key);
		if (is != NULL && is->answered && rd_recovery_is_direct(before, was) &&
		    is->source_key.hostname[0] != '\0' &&
		    (there == NULL || !topo_key_equal(&is->source_key, &there->key)))
			restore_server(&m, was, is);
	}
	if (may_unfence && there == NULL && now->failed.answered && now->failed.read_only && !before->failed.read_only)
		(void)add_step(&m, &now->failed, TOPO_STEP_SET_WRITABLE, RD_FAILS_PHASE, 0);
}

void
rd_plan_fence_old(const struct rd_recovery_input *in, const struct topo_key_list *suspects, bool held,
		  struct mem_arena *arena, struct rd_plan *ret)
{
	struct making m = {.in = in, .arena = arena, .plan = ret};
	uint64_t n = 0;

	*ret = (struct rd_plan){.phase = RD_PHASE_FENCE_OLD};
	if (held)
		n = add_step(&m, &in->failed, TOPO_STEP_BREAK_LOCK, RD_FAILS_NOTHING, 0);
	(void)add_step(&m, &in->failed, TOPO_STEP_SET_READ_ONLY, RD_FAILS_NOTHING, n);
	for (size_t i = 0; i < suspects->n; i++) {
		const struct rd_recovery_server *s = rd_recovery_find(in, &suspects->v[i]);
		if (s != NULL && !topo_key_equal(&s->key, &in->successor))
			(void)add_step(&m, s, TOPO_STEP_SET_READ_ONLY, RD_FAILS_NOTHING, 0);
	}
}

void
rd_plan_rejoin(const struct rd_recovery_input *in, struct mem_arena *arena, struct rd_plan *ret)
{
	struct making m = {.in = in, .arena = arena, .plan = ret};
	const struct rd_recovery_server *s = &in->failed;
	uint64_t n = 0;

	*ret = (struct rd_plan){.phase = RD_PHASE_REJOIN};
	if (!s->read_only)
		n = add_step(&m, s, TOPO_STEP_SET_READ_ONLY, RD_FAILS_SERVER, n);
	if (!topo_key_equal(&s->source_key, &in->successor)) {
		if (topo_is_mariadb(s->version))
			n = add_step(&m, s, TOPO_STEP_DEMOTE, RD_FAILS_SERVER, n);
		n = add_step(&m, s, TOPO_STEP_FOLLOW, RD_FAILS_SERVER, n);
		add_args(&m, in->successor.hostname, (uint64_t)in->successor.port);
		n = plan_semi_sync_replica(&m, s, n);
	}
	if (s->io_thread_state <= TOPO_THREAD_STOPPED || s->sql_thread_state <= TOPO_THREAD_STOPPED)
		(void)add_step(&m, s, TOPO_STEP_START_REPLICA, RD_FAILS_SERVER, n);
}
