/* rd_recover_locks.c — the executor's steps on their way, the servers' locks for steps, and outcomes that are open: whoever may
 * still act on a server is ended before that server is read. See rd_recover.h. Belongs to rd_recover.c. */
#include "rd_recover_private.h"

#include "topo/key.h"

/* --- servers where a step may still take effect ---------------------------------------------------------------- */
static struct rd_open *
find_open(const struct rd_recover *r, const struct topo_key *key)
{
	for (size_t i = 0; i < r->n_open; i++) {
		if (topo_key_equal(&r->open[i].key, key))
			return &r->open[i];
	}
	return NULL;
}

bool
rd_recover_is_open(const struct rd_recover *r, const struct topo_key *key)
{
	return find_open(r, key) != NULL;
}

void
rd_recover_open(struct rd_recover *r, const struct topo_key *key, struct mono not_after, bool held)
{
	struct rd_open *o = find_open(r, key);

	if (o == NULL) { /* at most one per server */
		mem_grow(r->open, r->cap_open, r->n_open + 1);
		o = &r->open[r->n_open++];
		*o = (struct rd_open){.not_after = not_after};
		rec_dup(&topo_key_desc, &o->key, key);
	}
	if (mono_before(o->not_after, not_after))
		o->not_after = not_after;
	o->held = held;
}

/* Its lock was taken: nobody else acts there any more. */
static void
close_open(struct rd_recover *r, const struct topo_key *key)
{
	struct rd_open *o = find_open(r, key);

	(void)topo_key_list_add(&r->locked, key);
	if (o == NULL)
		return;
	topo_key_done(&o->key);
	*o = r->open[--r->n_open];
}

/* --- sending ----------------------------------------------------------------------------------------------------- */
void
rd_recover_note(struct rd_recover *r, const struct rd_run_item *i, enum rd_plan_phase phase)
{
	r->stats.done += i->state == RD_RUN_DONE;
	r->stats.failed += i->state == RD_RUN_FAILED;
	r->stats.unknown += i->state == RD_RUN_UNKNOWN;
	r->ops->note(
	    r->ctx, &(struct rd_recover_note){
			.step = &i->step, .number = i->number, .phase = phase, .code = i->code, .message = i->message});
}

static void
send_one(struct rd_recover *r, struct rd_run *run, struct rd_run_item *i, enum rd_plan_phase phase,
	 struct mono not_after)
{
	uint64_t lowest = r->record.turns << 20;
	struct ipc_step m = {.recovery_uid = r->record.uid,
			     .term = r->term,
			     .number = r->number + 1 > lowest ? r->number + 1 : lowest,
			     .key = i->step.key,
			     .statement = i->step.statement,
			     .args = i->step.args,
			     .precondition = i->step.precondition,
			     .not_after_us = not_after.us};
	struct err e;

	r->number = m.number;
	if (r->ops->send(r->ctx, &m, &e) == 0) {
		rd_run_sent(run, i, r->number, not_after, rd_recover_now(r));
		r->stats.sent++;
	} else {
		rd_run_not_sent(run, i, &e, rd_recover_now(r));
		if (i->state == RD_RUN_FAILED)
			rd_recover_note(r, i, phase);
	}
}

void
rd_recover_send(struct rd_recover *r, struct rd_run *run, enum rd_plan_phase phase)
{
	struct mono now = rd_recover_now(r), lease = r->ops->lease(r->ctx),
		    latest = mono_add_us(now, RD_RECOVER_STEP_US);
	struct rd_run_item *i;

	rd_run_tick(run, now);
	if (mono_diff_us(lease, now) < RD_RECOVER_LEASE_MIN_US)
		return;
	while ((i = rd_run_next(run, now)) != NULL)
		send_one(r, run, i, phase, mono_before(lease, latest) ? lease : latest);
	rd_run_tick(run, now);
}

/* --- locks ------------------------------------------------------------------------------------------------------- */
void
rd_recover_begin_run(struct rd_recover *r, enum rd_stage stage, const struct rd_plan *plan)
{
	rd_run_init(&r->run, plan);
	r->stage = stage;
	r->phase = plan->phase;
}

/* Steps that end whoever holds the lock, on these servers; only: NULL = all that may answer. */
static void
break_locks(struct rd_recover *r, enum rd_stage stage, bool (*only)(struct rd_recover *r, const struct topo_key *key))
{
	struct mem_arena arena = {0};
	struct rd_recovery_input in = rd_recover_view(r);
	struct rd_recovery_server *rows = mem_arena_alloc(&arena, (in.servers.n + 1) * sizeof(*rows));
	struct rd_plan plan;
	size_t n = 0;

	for (size_t i = 0; i <= in.servers.n; i++) {
		const struct rd_recovery_server *s = i < in.servers.n ? &in.servers.v[i] : &in.failed;
		if (only != NULL && !only(r, &s->key))
			continue;
		rows[n] = *s;
		rows[n].answered = rows[n].answered || only != NULL;
		rows[n].answered_us = only != NULL ? in.suspected_us : s->answered_us;
		n++;
	}
	in.servers = (struct rd_recovery_server_list){rows, n};
	rd_plan_build(RD_PHASE_FENCE, &in, NULL, NULL, &arena, &plan);
	rd_recover_begin_run(r, stage, &plan);
	mem_arena_done(&arena);
}

/* Taking a recovery over: everybody, as what is known of them is old. Who is in doubt first has to be read: it may be none of our
 * business. */
static bool
may_be_held(struct rd_recover *r, const struct topo_key *key)
{
	const struct rd_recovery_server *s = rd_recovery_find(&r->now, key);

	if (s != NULL && s->in_doubt)
		return false;
	return !topo_key_equal(key, &r->record.failed) || r->record.returned || r->record.state == RD_RECOVERY_RESTORE;
}

static bool
is_to_settle(struct rd_recover *r, const struct topo_key *key)
{
	const struct rd_open *o = find_open(r, key);

	return o != NULL && !o->held;
}

void
rd_recover_locks(struct rd_recover *r)
{
	break_locks(r, RD_STAGE_LOCKS, r->is_orphan && !r->read_all ? may_be_held : NULL);
}

bool
rd_recover_settle(struct rd_recover *r)
{
	struct mono last = {0};
	size_t n = 0;

	for (size_t i = 0; i < r->n_open; i++) {
		if (r->open[i].held)
			continue;
		n++;
		if (mono_before(last, r->open[i].not_after))
			last = r->open[i].not_after;
	}
	if (n == 0)
		return false;
	if (mono_before(rd_recover_now(r), last))
		r->again = last;
	else
		break_locks(r, RD_STAGE_SETTLE, is_to_settle);
	return true;
}

/* Its lock could not be taken: that is tried again. */
void
rd_recover_settle_again(struct rd_recover *r, const struct topo_key *key)
{
	struct rd_open *o = find_open(r, key);

	if (o != NULL)
		o->held = false;
}

/* It answers, though its lock could not be taken: that is tried again, lest a good server be left out. */
void
rd_recover_relock(struct rd_recover *r, const struct topo_key *key)
{
	struct rd_open *o = find_open(r, key);

	if ((r->todo & RD_DO_ONLY_READ) != 0 || !o->held || o->tries >= RD_RECOVER_LOCKS_MAX)
		return;
	o->held = false;
	o->tries++;
	if ((r->todo & (RD_TODO_REREAD | RD_TODO_AGAIN)) == 0)
		topo_key_list_done(&r->targets);
	(void)topo_key_list_add(&r->targets, key);
	r->todo |= RD_TODO_REREAD;
}

void
rd_recover_locks_over(struct rd_recover *r)
{
	bool fence = r->stage == RD_STAGE_LOCKS && r->record.state == RD_RECOVERY_FENCE;

	for (size_t i = 0; i < r->run.n; i++) {
		const struct rd_run_item *x = &r->run.items[i];
		if (x->state == RD_RUN_DONE)
			close_open(r, &x->step.key);
		else
			rd_recover_open(r, &x->step.key, x->not_after, true);
	}
	rd_run_done(&r->run);
	r->stage = RD_STAGE_IDLE;
	if (fence)
		rd_recover_say(r, RD_EVENT_STEPS_OVER, "");
}

/* Of locks all that were not taken, of other steps those that are under way. */
void
rd_recover_stop(struct rd_recover *r)
{
	bool locks = r->stage == RD_STAGE_LOCKS || r->stage == RD_STAGE_SETTLE;

	for (size_t i = 0; i < r->run.n; i++) {
		const struct rd_run_item *x = &r->run.items[i];
		if (x->state == RD_RUN_SENT || (locks && x->state != RD_RUN_DONE))
			rd_recover_open(r, &x->step.key, x->not_after, false);
		else if (locks)
			close_open(r, &x->step.key);
	}
	rd_run_done(&r->run);
	rd_recover_read_stop(r);
	r->stage = RD_STAGE_IDLE;
}
