/* recover_world.c — see recover_world.h. */
#include "recover_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "topo/key.h"
#include "topo/step.h"

static struct world *
of_clock(struct clock *c)
{
	return (struct world *)(void *)((char *)c - offsetof(struct world, clock));
}

static struct mono
mono_of(struct clock *c)
{
	return (struct mono){of_clock(c)->now_us - WORLD_START_US + CLK_S};
}

static struct wall
wall_of(struct clock *c)
{
	return (struct wall){of_clock(c)->now_us};
}

static int64_t
some(struct world *w, int64_t from_us, int64_t to_us)
{
	w->random = w->random * 6364136223846793005u + 1442695040888963407u;
	return from_us + (int64_t)((w->random >> 33) % (uint64_t)(to_us - from_us + 1));
}

static struct world_event *
add(struct world *w, enum world_what what, int64_t at_us)
{
	struct world_event *ev = &w->events[w->n_events++];

	assert_true(w->n_events < ARRAY_LEN(w->events));
	*ev = (struct world_event){.what = what, .at_us = at_us, .leader = w->leader};
	return ev;
}

/* --- the prober -------------------------------------------------------------------------------------------------- */
static void
answer(struct world *w, const struct world_event *from, int code, int64_t errno_mysql, bool sent)
{
	struct world_event *ev = add(w, WORLD_RESULT, w->now_us + some(w, 100, 800));

	ev->leader = from->leader;
	ev->result = (struct ipc_step_result){.recovery_uid = from->step.recovery_uid,
					      .term = from->step.term,
					      .number = from->step.number,
					      .key = from->step.key,
					      .code = -code,
					      .sent = sent,
					      .errno_mysql = errno_mysql,
					      .message = code == 0 ? "" : err_text(code)};
}

/* Whoever holds the lock is ended: its statement has no effect any more. */
static void
break_lock(struct world *w, struct world_server *s, const struct world_event *ev)
{
	bool held = s->lock != 0;

	for (size_t i = 0; i < w->n_events; i++) {
		struct world_event *x = &w->events[i];
		if (x->what == WORLD_RUN && topo_key_equal(&x->step.key, &s->row.key) && held) {
			x->what = WORLD_RESULT;
			x->result = (struct ipc_step_result){.recovery_uid = x->step.recovery_uid,
							     .term = x->step.term,
							     .number = x->step.number,
							     .key = x->step.key,
							     .code = -ERR_UNKNOWN_OUTCOME,
							     .sent = true,
							     .message = "killed"};
		}
	}
	s->lock = 0;
	s->locked = ev->leader;
	answer(w, ev, held ? 0 : ERR_SERVER, held ? 0 : RD_ERRNO_NO_SUCH_THREAD, true);
}

static int64_t
later_of(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* A step has come to the prober, is connected and logged in: not_after is compared, and it is written. */
static void
on_step(struct world *w, struct world_event *ev)
{
	struct world_server *s = world_server(w, &ev->step.key);
	int64_t mono_us = clk_mono(&w->clock).us;
	struct world_event *run;

	if (w->now_us < w->prober_until_us) {
		*add(w, WORLD_STEP, w->prober_until_us + some(w, 0, 500)) = *ev;
		w->events[w->n_events - 1].at_us = w->prober_until_us + some(w, 0, 500);
		return;
	}
	if (!s->up) {
		answer(w, ev, ERR_UNREACHABLE, 0, false);
	} else if (mono_us > ev->step.not_after_us) {
		answer(w, ev, ERR_LATE, 0, false);
	} else if (topo_step_by_name(ev->step.statement) == TOPO_STEP_BREAK_LOCK) {
		break_lock(w, s, ev);
	} else if (s->lock != 0) {
		answer(w, ev, ERR_BUSY, 0, false);
	} else {
		s->lock = ev->step.number;
		run = add(w, WORLD_RUN, later_of(w->now_us + some(w, 100, 2000), w->server_until_us));
		run->leader = ev->leader;
		run->step = ev->step;
	}
}

static void
on_run(struct world *w, struct world_event *ev)
{
	struct world_server *s = world_server(w, &ev->step.key);

	if (world_waits_in_vain(w, s, ev)) /* and holds the lock */
		return;
	s->lock = 0;
	if (!s->up || world_forgets(w, s, &ev->step)) {
		answer(w, ev, ERR_UNKNOWN_OUTCOME, 0, true);
		return;
	}
	WORLD_CHECK(w, topo_step_by_name(ev->step.statement) != TOPO_STEP_SET_WRITABLE ||
			   world_may_become_writable(w, &ev->step.key));
	/* its server was locked first, but for a fence */
	WORLD_CHECK(w, s->locked >= ev->leader || topo_step_by_name(ev->step.statement) == TOPO_STEP_SET_READ_ONLY);
	if (world_is_refused(w, s)) {
		answer(w, ev, w->refuse, 0, w->refuse != ERR_PRECONDITION);
		return;
	}
	w->steps++;
	str_buf_printf(&w->trace, " %s:%s", s->row.key.hostname, ev->step.statement);
	answer(w, ev, world_carry_out(w, &s->row, &ev->step), 0, true);
}

/* --- what the executor asks for ---------------------------------------------------------------------------------- */
static void
op_propose(void *ctx, const struct rd_recover_event *event)
{
	struct world *w = ctx;
	struct world_event *ev = add(w, WORLD_APPLY, w->now_us + some(w, CLK_MS, 6 * CLK_MS));

	WORLD_CHECK(w, w->leads);
	ev->ev = *event;
	if (event->h.successor != NULL)
		ev->successor =
		    (struct topo_key){world_kept(w, event->h.successor->hostname), event->h.successor->port};
	if (event->h.position != NULL)
		ev->ev.h.position = world_kept(w, event->h.position);
	ev->ev.lost = NULL;
	WORLD_CHECK(w, event->h.event != RD_EVENT_ABORT || str_eq(event->detail, "by gromit"));
	w->gone = w->gone || event->h.event == RD_EVENT_GONE;
	if (event->h.event == RD_EVENT_CHOSEN)
		w->lost_set = world_kept(w, event->loss_set);
	if (event->lost != NULL) { /* the record has it with the event */
		struct rd_lost *v = mem_arena_alloc(&w->arena, (event->lost->n + 1) * sizeof(*v));
		for (size_t i = 0; i < event->lost->n; i++) {
			str_buf_printf(&w->trace, " {%s lost: %s}", event->lost->v[i].key.hostname,
				       event->lost->v[i].why);
			v[i] = (struct rd_lost){world_server(w, &event->lost->v[i].key)->row.key,
						world_kept(w, event->lost->v[i].why)};
		}
		w->lost = (struct rd_lost_list){v, event->lost->n};
	}
}

static void
op_note(void *ctx, const struct rd_recover_note *note)
{
	struct world *w = ctx;

	if (note->code != 0 && note->phase != RD_PHASE_FENCE_OLD)
		str_buf_printf(&w->trace, " (%s:%s %s)", note->step->key.hostname, note->step->statement,
			       err_name(note->code));
}

static struct mono
op_lease(void *ctx)
{
	struct world *w = ctx;

	return w->leads ? mono_add_us(clk_mono(&w->clock), WORLD_LEASE_US) : (struct mono){0};
}

/* Invariant 4, and that nothing is made writable but by the state that is on a majority. */
static int
op_send(void *ctx, const struct ipc_step *m, struct err *e UNUSED)
{
	struct world *w = ctx;
	struct world_event *ev;
	bool promotes = topo_step_by_name(m->statement) == TOPO_STEP_SET_WRITABLE;
	struct rec_text *args = mem_arena_alloc(&w->arena, (m->args.n + 1) * sizeof(*args));

	WORLD_CHECK(w, w->leads);
	WORLD_CHECK(w, m->not_after_us <= op_lease(w).us && m->not_after_us > clk_mono(&w->clock).us);
	WORLD_CHECK(w, m->term == w->leader && m->number > w->last_number);
	WORLD_CHECK(w, m->precondition[0] != '\0');
	WORLD_CHECK(w, !w->foreign || !topo_key_equal(&m->key, &w->servers[w->doubt].row.key));
	WORLD_CHECK(w, !promotes ||
			   (w->record.state == RD_RECOVERY_PROMOTE && topo_key_equal(&m->key, &w->record.successor)) ||
			   (w->record.state == RD_RECOVERY_RESTORE && topo_key_equal(&m->key, &w->record.failed) &&
			    !w->record.promoted && w->record.suspects.n == 0));
	w->last_number = m->number;
	ev = add(w, WORLD_STEP, w->now_us + some(w, 200, 1500));
	ev->step = *m;
	ev->step.recovery_uid = w->record.uid;
	ev->step.key = world_server(w, &m->key)->row.key;
	ev->step.statement = topo_step_name(topo_step_by_name(m->statement));
	for (size_t i = 0; i < m->args.n; i++)
		args[i].s = world_kept(w, m->args.v[i].s);
	ev->step.args.v = args;
	if (w->now_us < w->link_until_us) {
		ev->at_us = w->now_us + some(w, 0, WORLD_LEASE_US);
		answer(w, &(struct world_event){.leader = w->leader, .step = ev->step}, ERR_UNKNOWN_OUTCOME, 0, true);
	}
	return 0;
}

static void
op_read(void *ctx, const struct topo_key *key, int64_t patience_us)
{
	struct world *w = ctx;
	struct world_server *s = world_server(w, key);

	add(w, WORLD_READING, w->now_us + (s->up ? some(w, 500, 2000) : patience_us))->server =
	    (size_t)(s - w->servers);
}

static void
op_hooks(void *ctx, enum rd_hook_list list, const struct rd_lost_list *lost UNUSED)
{
	struct world *w = ctx;

	add(w, WORLD_HOOKS, w->now_us + some(w, 500, 20 * CLK_MS))->list = list;
}

static void
op_too_late(void *ctx)
{
	((struct world *)ctx)->too_late++;
}

static void
op_stays(void *ctx, enum rd_old what, const char *text UNUSED)
{
	((struct world *)ctx)->old = what;
}

static void
op_refuses(void *ctx, int code, const char *text)
{
	struct world *w = ctx;

	w->told++;
	str_buf_clear(&w->refusal);
	rd_old_write_refuses(&w->record.failed, code, text, &w->refusal);
}

static const struct rd_recover_ops ops = {op_propose,  op_note,	 op_send,  op_read,   op_hooks,
					  op_too_late, op_lease, op_stays, op_refuses};

/* --- leaders and faults ------------------------------------------------------------------------------------------- */
static void
lead(struct world *w, enum rd_recover_origin origin)
{
	struct rd_recover_conf conf = {.in = &w->in,
				       .record = &w->record,
				       .lost = &w->lost,
				       .effects = w->effects,
				       .origin = origin,
				       .term = ++w->leader,
				       .number = w->last_number, /* as if it were of one term */
				       .poll_us = 5 * CLK_S,
				       .clock = &w->clock,
				       .ops = &ops,
				       .ctx = w};

	w->leads = true;
	w->r = rd_recover_new(&conf);
}

#define FAULT_TAKE_OVER 0x10000u
#define FAULT_TELL_BACK 0x20000u
#define FAULT_TELL_DEAD 0x40000u
#define FAULT_HERE_AGAIN 0x80000u
#define FAULT_TELL_GONE 0x100000u

static void
later(struct world *w, unsigned fault, int64_t us)
{
	add(w, WORLD_FAULT, w->now_us + us)->fault = fault;
}

static void
take_over(struct world *w)
{
	if ((rd_recovery_state_flags((enum rd_recovery_state)w->record.state) & RD_STATE_TERMINAL) != 0 &&
	    !w->record.promoted)
		return; /* nothing to take over */
	lead(w, w->servers[0].up && !w->untold ? RD_RECOVER_ORPHAN_ALIVE : RD_RECOVER_ORPHAN_DEAD);
	if (w->servers[0].up && !w->untold)
		later(w, FAULT_TELL_BACK, 0);
	if (!world_candidate(w)->up)
		later(w, FAULT_TELL_DEAD, 700 * CLK_MS);
}

static void
on_fault(struct world *w, unsigned f)
{
	str_buf_printf(&w->trace, " [%u]", f);
	if ((f & WORLD_LEADER) != 0) {
		w->leads = false;
		rd_recover_free(w->r);
		w->r = NULL;
		later(w, FAULT_TAKE_OVER, CLK_S);
	}
	if ((f & WORLD_CANDIDATE) != 0) {
		world_candidate(w)->up = false;
		later(w, FAULT_TELL_DEAD, 700 * CLK_MS);
	}
	if ((f & WORLD_REPLICA) != 0)
		w->servers[3].up = false;
	if ((f & WORLD_RETURN) != 0) {
		w->servers[0].up = true;
		w->servers[0].row.read_only = false;
		w->refuse_until_us = w->now_us + w->refuse_us;
		if (w->ahead)
			*(w->mariadb ? &w->servers[0].row.gtid_current_pos : &w->servers[0].row.executed_gtid_set) =
			    w->mariadb ? "0-97-101" : WORLD_UUID ":1-101";
		w->untold = (f & WORLD_UNTOLD) != 0;
		if (!w->untold)
			later(w, FAULT_TELL_BACK, some(w, 0, 250 * CLK_MS));
	}
	w->lose_until_us = (f & WORLD_LOSE_RESULTS) != 0 ? w->now_us + CLK_S / 2 : w->lose_until_us;
	w->prober_until_us = (f & WORLD_SLOW_PROBER) != 0 ? w->now_us + CLK_S : w->prober_until_us;
	w->server_until_us = (f & WORLD_SLOW_SERVER) != 0 ? w->now_us + CLK_S : w->server_until_us;
	w->server_until_us = (f & WORLD_HUNG_SERVER) != 0 ? w->now_us + 8 * CLK_S : w->server_until_us;
	w->link_until_us = (f & WORLD_LINK) != 0 ? w->now_us + 10 * CLK_MS : w->link_until_us;
	w->servers[0].up = w->servers[0].up || (f & FAULT_HERE_AGAIN) != 0;
	if ((f & FAULT_TAKE_OVER) != 0)
		take_over(w);
	if (w->r == NULL)
		return;
	if ((f & WORLD_ABORT) != 0)
		rd_recover_abort(w->r, "gromit");
	if ((f & FAULT_TELL_BACK) != 0)
		rd_recover_back(w->r, &w->record.failed);
	if ((f & FAULT_TELL_DEAD) != 0 && !world_candidate(w)->up)
		rd_recover_dead(w->r, &world_candidate(w)->row.key);
	if ((f & FAULT_TELL_GONE) != 0)
		rd_recover_dead(w->r, &w->record.failed);
}

/* It was fenced when it returned, and is silent when that is to be undone. */
static void
go_away(struct world *w)
{
	w->undoes_us = w->now_us;
	if ((w->faults & (WORLD_AWAY | WORLD_AWAY_FOR_GOOD)) == 0 || !w->servers[0].up)
		return;
	w->servers[0].up = false;
	if ((w->faults & WORLD_AWAY) != 0)
		later(w, FAULT_HERE_AGAIN, 5 * CLK_S);
	else
		later(w, FAULT_TELL_GONE, 3 * CLK_S);
}

static void
watch_state(struct world *w)
{
	if ((w->faults & WORLD_LATE) != 0 && w->record.state == RD_RECOVERY_CHOOSE)
		w->servers[2].up = true;
	if (w->record.state == RD_RECOVERY_RESTORE && !w->undoes && (w->faults & WORLD_LEADER_AT_END) != 0)
		later(w, WORLD_LEADER, some(w, 0, 50 * CLK_MS));
	if (w->record.state == RD_RECOVERY_RESTORE && !w->undoes)
		go_away(w);
	w->undoes = w->undoes || w->record.state == RD_RECOVERY_RESTORE;
	if (w->rejoin && !w->servers[0].up && w->record.state == RD_RECOVERY_DONE)
		later(w, WORLD_RETURN, 400 * CLK_MS);
	w->rejoined_once = w->rejoined_once || w->record.state == RD_RECOVERY_REJOIN;
	if (w->faults == 0 || w->fault_came || w->record.state != w->when)
		return;
	w->fault_came = true;
	later(w, w->faults, w->after_us);
}

/* --- events ------------------------------------------------------------------------------------------------------ */
static void
on_apply(struct world *w, struct world_event *ev)
{
	struct rd_recovery next;
	unsigned effects;
	struct err e;
	bool mine = w->r != NULL && ev->leader == w->leader;

	ev->ev.h.successor = ev->successor.hostname == NULL ? NULL : &ev->successor;
	if (rd_fsm_step(&w->record, &ev->ev.h, w->now_us, &w->arena, &next, &effects, &e) != 0) {
		if (mine)
			rd_recover_refused(w->r, &e);
		return;
	}
	w->record = next;
	str_buf_printf(&w->trace, "\n  %lld ms %s -> %s:", (long long)((w->now_us - WORLD_START_US) / CLK_MS),
		       rd_recovery_event_name(ev->ev.h.event), rd_recovery_state_name(next.state));
	watch_state(w);
	if (w->r != NULL)
		rd_recover_applied(w->r, &w->record, effects, mine);
}

static void
on_reading(struct world *w, struct world_event *ev)
{
	struct world_server *s = &w->servers[ev->server];
	struct rd_recovery_server row = s->row;

	if (w->r == NULL || ev->leader != w->leader)
		return;
	row.answered = true;
	row.answered_us = w->now_us;
	row.was_direct = false;
	rd_recover_read(w->r, &s->row.key, s->up ? &row : NULL);
}

static void
on_hooks(struct world *w, struct world_event *ev)
{
	if (w->r == NULL || ev->leader != w->leader)
		return;
	WORLD_CHECK(w, ev->list != RD_HOOK_LIST_PRE_FAILOVER || !w->hooks_ran[ev->list]);
	w->hooks_ran[ev->list] = true;
	rd_recover_hooks_over(w->r, ev->list, ev->list == RD_HOOK_LIST_PRE_FAILOVER && w->fail_pre_hook);
}

static void
happen(struct world *w, struct world_event *ev)
{
	switch (ev->what) {
	case WORLD_APPLY:
		on_apply(w, ev);
		break;
	case WORLD_STEP:
		on_step(w, ev);
		break;
	case WORLD_RUN:
		on_run(w, ev);
		break;
	case WORLD_RESULT:
		if (w->r != NULL && w->now_us >= w->lose_until_us)
			rd_recover_result(w->r, &ev->result);
		break;
	case WORLD_READING:
		on_reading(w, ev);
		break;
	case WORLD_HOOKS:
		on_hooks(w, ev);
		break;
	case WORLD_FAULT:
		on_fault(w, ev->fault);
		break;
	}
}

/* --- running ----------------------------------------------------------------------------------------------------- */
static bool
next_event(struct world *w, struct world_event *ret)
{
	size_t first = 0;

	if (w->n_events == 0)
		return false;
	for (size_t i = 1; i < w->n_events; i++) {
		if (w->events[i].at_us < w->events[first].at_us)
			first = i;
	}
	*ret = w->events[first];
	memmove(&w->events[first], &w->events[first + 1], (w->n_events - first - 1) * sizeof(*w->events));
	w->n_events--;
	return true;
}

static void
put_back(struct world *w, const struct world_event *ev)
{
	w->events[w->n_events++] = *ev;
}

/* One event, or one timer. */
static bool
turn(struct world *w)
{
	struct world_event ev = {.at_us = INT64_MAX};
	bool any = next_event(w, &ev);
	int64_t due_us = INT64_MAX;

	if (w->r != NULL) {
		struct mono due = rd_recover_due(w->r);
		due_us = due.us == INT64_MAX ? INT64_MAX : w->now_us + due.us - clk_mono(&w->clock).us;
	}
	if (!any && due_us == INT64_MAX)
		return false;
	if (due_us < ev.at_us) {
		if (any)
			put_back(w, &ev);
		w->now_us = due_us > w->now_us ? due_us : w->now_us + 1;
	} else {
		w->now_us = later_of(w->now_us, ev.at_us);
		happen(w, &ev);
	}
	if (w->r != NULL)
		rd_recover_tick(w->r);
	return true;
}

static bool
is_over(const struct world *w)
{
	return w->r != NULL && rd_recover_is_over(w->r) && w->n_events == 0;
}

void
world_go(struct world *w)
{
	size_t turns = 0;

	while (!is_over(w) && turn(w)) {
		WORLD_CHECK(w, ++turns < 200000);
		/* a dead server that never returns is fenced for ever */
		if (w->now_us - WORLD_START_US > 3600 * CLK_S)
			break;
		if (w->n_events == 0 && w->r != NULL && rd_recover_is_fencing(w->r) && !w->servers[0].up &&
		    w->now_us - WORLD_START_US > 200 * CLK_S)
			break;
	}
	WORLD_CHECK(w, (rd_recovery_state_flags((enum rd_recovery_state)w->record.state) & RD_STATE_TERMINAL) != 0);
}

void
world_init(struct world *w, const char *name, bool mariadb, unsigned seed)
{
	*w = (struct world){.clock = {mono_of, wall_of},
			    .now_us = WORLD_START_US + 100 * CLK_MS,
			    .mariadb = mariadb,
			    .random = seed * 2654435761u + 1,
			    .name = name,
			    .old = RD_OLD_FOLLOWS,
			    .lost_set = ""};
	rec_init(&rd_recovery_input_desc, &w->in);
	for (size_t i = 0; i < WORLD_SERVERS; i++)
		world_make_server(w, i);
	w->in.uid = "uid-1";
	w->in.cluster_id = "cluster-1";
	w->in.analysis = "DeadMaster";
	w->in.suspected_us = WORLD_START_US;
	w->in.decided_us = w->now_us;
	w->in.policy.apply_promotion = w->in.policy.detach_lost = true;
	w->in.failed = w->servers[0].row;
	for (size_t i = 1; i < WORLD_SERVERS; i++)
		w->in_servers[i - 1] = w->servers[i].row;
	w->in.servers = (struct rd_recovery_server_list){w->in_servers, WORLD_SERVERS - 1};
}

void
world_begin(struct world *w)
{
	world_make_doubt(w);
	world_make_stuck(w);
	w->in.policy.rejoin_failed = w->rejoin;
	if ((w->faults & WORLD_LATE) != 0)
		w->servers[2].up = w->in_servers[1].answered = false;
	rd_fsm_begin("uid-1", "cluster-1", &w->in.failed.key, false, w->now_us, &w->record, &w->effects);
	lead(w, RD_RECOVER_BEGUN);
	watch_state(w);
	rd_recover_tick(w->r);
}

void
world_done(struct world *w)
{
	rd_recover_free(w->r);
	mem_arena_done(&w->arena);
	str_buf_done(&w->trace);
	str_buf_done(&w->refusal);
}
