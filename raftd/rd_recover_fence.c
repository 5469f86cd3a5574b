/* rd_recover_fence.c — the failed server, and dropped candidates that may be writable, are made read-only, again and again
 * until each was. Goes on beside the recovery, and after its end. See rd_recover.h. Belongs to rd_recover.c. */
#include "rd_recover_private.h"

#include "topo/key.h"

void
rd_recover_fence(struct rd_recover *r)
{
	struct rd_fence *f = &r->fence;

	if (!f->begun)
		f->since = rd_recover_now(r);
	f->again = rd_recover_now(r);
	f->begun = f->active = true;
}

void
rd_recover_fence_anew(struct rd_recover *r)
{
	topo_key_list_done(&r->fence.done);
	r->fence.begun = false;
	rd_recover_fence(r);
}

static void
leave_out_done(struct rd_fence *f)
{
	for (size_t i = 0; i < f->run.n; i++) {
		if (topo_key_list_has(&f->done, &f->run.items[i].step.key))
			f->run.items[i].state = RD_RUN_SKIPPED;
	}
}

static void
begin(struct rd_recover *r)
{
	struct mem_arena arena = {0};
	struct rd_recovery_input in = rd_recover_view(r);
	struct rd_fence *f = &r->fence;
	struct rd_plan plan;

	rd_plan_fence_old(&in, &r->record.suspects, &arena, &plan);
	rd_run_init(&f->run, &plan);
	leave_out_done(f);
	mem_arena_done(&arena);
	if (rd_run_is_over(&f->run)) {
		rd_run_done(&f->run);
		f->active = false;
	}
}

static void
end(struct rd_recover *r)
{
	struct rd_fence *f = &r->fence;
	struct mono now = rd_recover_now(r);
	bool is_long = mono_diff_us(now, f->since) >= RD_RECOVER_FENCE_LONG_US;

	for (size_t i = 0; i < f->run.n; i++) {
		if (f->run.items[i].state == RD_RUN_DONE)
			(void)topo_key_list_add(&f->done, &f->run.items[i].step.key);
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
	rd_recover_fence_done(r);
}

struct mono
rd_recover_fence_due(const struct rd_recover *r)
{
	if (r->fence.run.n > 0)
		return rd_run_due(&r->fence.run);
	return r->fence.active ? r->fence.again : (struct mono){INT64_MAX};
}

void
rd_recover_fence_done(struct rd_recover *r)
{
	rd_run_done(&r->fence.run);
	topo_key_list_done(&r->fence.done);
	r->fence = (struct rd_fence){0};
}
