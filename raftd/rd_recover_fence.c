/* rd_recover_fence.c — the failed server, and dropped candidates that may be writable, are made read-only, again and again
 * until each was. Goes on beside the recovery, and after its end. See rd_recover.h. Belongs to rd_recover.c. */
#include "rd_recover_private.h"

#include "topo/key.h"
#include "topo/step.h"

void
rd_recover_fence(struct rd_recover *r)
{
	struct rd_fence *f = &r->fence;

	if (!f->begun)
		f->since = rd_recover_now(r);
	f->again = rd_recover_now(r);
	f->begun = f->active = r->fenced = true;
}

void
rd_recover_fence_anew(struct rd_recover *r)
{
	topo_key_list_done(&r->fence.done);
	r->fence.begun = false;
	rd_recover_fence(r);
}

void
rd_recover_suspect_back(struct rd_recover *r, const struct topo_key *key)
{
	struct topo_key_list was = r->fence.done;

	if (!topo_key_list_has(&was, key) || !topo_key_list_has(&r->record.suspects, key))
		return; /* it is being fenced */
	r->fence.done = (struct topo_key_list){0};
	for (size_t i = 0; i < was.n; i++) {
		if (!topo_key_equal(&was.v[i], key))
			(void)topo_key_list_add(&r->fence.done, &was.v[i]);
	}
	topo_key_list_done(&was);
	rd_recover_fence(r);
}

void
rd_recover_fence_suspect(struct rd_recover *r, const struct topo_key *key)
{
	struct rd_fence *f = &r->fence;

	topo_key_list_done(&f->done);
	(void)topo_key_list_add(&f->done, &r->record.failed);
	for (size_t i = 0; i < r->record.suspects.n; i++) {
		if (!topo_key_equal(&r->record.suspects.v[i], key))
			(void)topo_key_list_add(&f->done, &r->record.suspects.v[i]);
	}
	rd_recover_fence(r);
}

/* Who is done, and whom a later recovery has chosen: that one is the source, or about to be. True: somebody is left out only
 * for the moment. */
static bool
leave_out(struct rd_recover *r)
{
	struct rd_fence *f = &r->fence;
	bool for_now = false;

	for (size_t i = 0; i < f->run.n; i++) {
		struct rd_run_item *x = &f->run.items[i];
		enum rd_recover_later later =
		    r->ops->later == NULL ? RD_LATER_NOTHING : r->ops->later(r->ctx, &x->step.key);
		if (later == RD_LATER_PROMOTED)
			(void)topo_key_list_add(&f->done, &x->step.key);
		if (topo_key_list_has(&f->done, &x->step.key)) {
			x->state = RD_RUN_SKIPPED;
		} else if (later == RD_LATER_CHOSEN) {
			x->state = RD_RUN_SKIPPED;
			for_now = true;
		}
	}
	return for_now;
}

static void
begin(struct rd_recover *r)
{
	struct mem_arena arena = {0};
	struct rd_recovery_input in = rd_recover_view(r);
	struct rd_fence *f = &r->fence;
	struct rd_plan plan;
	bool for_now;

	rd_plan_fence_old(&in, &r->record.suspects, f->held, &arena, &plan);
	rd_run_init(&f->run, &plan);
	mem_arena_done(&arena);
	for_now = leave_out(r);
	if (rd_run_is_over(&f->run)) {
		rd_run_done(&f->run);
		f->active = for_now;
		f->again = mono_add_us(rd_recover_now(r), RD_RECOVER_FENCE_US);
	}
}

/* Not by this recovery itself, which acts there while the server rejoins. */
static bool
is_held(const struct rd_recover *r, const struct rd_run_item *x)
{
	return topo_key_equal(&x->step.key, &r->record.failed) && r->record.state != RD_RECOVERY_REJOIN &&
	       (x->state == RD_RUN_UNKNOWN || (x->state == RD_RUN_FAILED && x->code == ERR_BUSY));
}

/* It answers, but not as it should. True: nor will it a moment later. */
static bool
refuses(const struct rd_recover *r, const struct rd_run_item *x)
{
	if (x->state != RD_RUN_FAILED || (x->code != ERR_PRECONDITION && x->code != ERR_SERVER))
		return false;
	if (topo_key_equal(&x->step.key, &r->record.failed) && r->ops->refuses != NULL)
		r->ops->refuses(r->ctx, x->code, x->message);
	return x->code == ERR_PRECONDITION;
}

static void
end(struct rd_recover *r)
{
	struct rd_fence *f = &r->fence;
	struct mono now = rd_recover_now(r);
	bool is_long = mono_diff_us(now, f->since) >= RD_RECOVER_FENCE_LONG_US;

	f->held = false;
	for (size_t i = 0; i < f->run.n; i++) {
		const struct rd_run_item *x = &f->run.items[i];
		f->held |= is_held(r, x);
		if (x->state == RD_RUN_UNKNOWN && topo_key_equal(&x->step.key, &r->record.failed))
			f->unknown = x->not_after;
		is_long |= refuses(r, x);
		if (x->state != RD_RUN_DONE || !str_eq(x->step.statement, topo_step_name(TOPO_STEP_SET_READ_ONLY)))
			continue;
		(void)topo_key_list_add(&f->done, &x->step.key);
		if (topo_key_equal(&x->step.key, &r->record.failed))
			f->compare = RD_RECOVER_COMPARE_MAX;
	}
	rd_run_done(&f->run);
	f->again = mono_add_us(now, is_long ? r->poll_us : RD_RECOVER_FENCE_US);
}

void
rd_recover_fence_tick(struct rd_recover *r)
{
	struct rd_fence *f = &r->fence;

	if (f->active && f->run.n == 0 && !mono_before(rd_recover_now(r), f->again))
		begin(r);
	if (f->run.n == 0)
		return;
	rd_recover_send(r, &f->run, RD_PHASE_FENCE_OLD);
	if (rd_run_is_over(&f->run))
		end(r);
}

void
rd_recover_unfence(struct rd_recover *r)
{
	struct rd_fence *f = &r->fence;

	for (size_t i = 0; i < f->run.n; i++) {
		if (f->run.items[i].state == RD_RUN_SENT)
			rd_recover_open(r, &f->run.items[i].step.key, f->run.items[i].not_after, false);
	}
	if (f->unknown.us != 0)
		rd_recover_open(r, &r->record.failed, f->unknown, false);
	rd_recover_fence_done(r);
}

void
rd_recover_fence_done(struct rd_recover *r)
{
	rd_run_done(&r->fence.run);
	topo_key_list_done(&r->fence.done);
	r->fence = (struct rd_fence){0};
}

/* --- the old source, once it is fenced --------------------------------------------------------------------------- */
static void
read_both(struct rd_recover *r)
{
	struct topo_key both[] = {r->record.failed, r->record.successor};

	rd_recover_read_keys(r, &(struct topo_key_list){both, 2});
}

static bool
may_compare(const struct rd_recover *r)
{
	return r->fence.compare > 0 && r->record.state == RD_RECOVERY_DONE && r->record.promoted &&
	       r->stage == RD_STAGE_IDLE && r->todo == 0 && !r->proposed;
}

struct mono
rd_recover_fence_due(const struct rd_recover *r)
{
	struct mono due = {INT64_MAX};

	if (r->fence.run.n > 0)
		due = rd_run_due(&r->fence.run);
	else if (r->fence.active)
		due = r->fence.again;
	return may_compare(r) && mono_before(r->fence.compare_at, due) ? r->fence.compare_at : due;
}

void
rd_recover_compare_old(struct rd_recover *r)
{
	if (!may_compare(r) || mono_before(rd_recover_now(r), r->fence.compare_at))
		return;
	r->fence.compare--;
	r->todo = RD_TODO_OLD;
	read_both(r);
}

void
rd_recover_judge_old(struct rd_recover *r)
{
	struct rd_recovery_input in = rd_recover_view(r);
	struct mem_arena arena = {0};
	const char *why;
	enum rd_old what = rd_old_judge(&in, r->record.promoted_at, &arena, &why);

	if (what == RD_OLD_UNREAD) {
		r->fence.compare_at = mono_add_us(rd_recover_now(r), RD_RECOVER_COMPARE_US);
	} else {
		r->fence.compare = 0;
		if (what == RD_OLD_CONTAINED && r->before.policy.rejoin_failed)
			rd_recover_say(r, RD_EVENT_REJOIN, "");
		else if (what != RD_OLD_FOLLOWS && r->ops->stays != NULL)
			r->ops->stays(r->ctx, what, why);
	}
	mem_arena_done(&arena);
}

void
rd_recover_read_rejoin(struct rd_recover *r)
{
	read_both(r);
}

/* Under the lock everything is read and compared once more. */
void
rd_recover_run_rejoin(struct rd_recover *r)
{
	struct rd_recovery_input in = rd_recover_view(r);
	struct mem_arena arena = {0};
	struct rd_plan plan;
	const char *why;
	enum rd_old what = rd_old_judge(&in, r->record.promoted_at, &arena, &why);

	if (what == RD_OLD_UNREAD) { /* until the state's deadline */
		r->todo |= RD_DO_READ | RD_DO_RUN;
		r->again = mono_add_us(rd_recover_now(r), RD_RECOVER_AGAIN_US);
	} else if (what == RD_OLD_CONTAINED || what == RD_OLD_FOLLOWS) {
		rd_plan_rejoin(&in, &arena, &plan);
		rd_recover_begin_run(r, RD_STAGE_RUN, &plan);
	} else {
		if (r->ops->stays != NULL)
			r->ops->stays(r->ctx, what, why);
		rd_recover_say(r, RD_EVENT_STEPS_OVER, why);
	}
	mem_arena_done(&arena);
}
