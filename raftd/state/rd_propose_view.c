/* rd_propose_view.c — with raft: the backend follows memory (rd_propose_raft.h). One job per entry; a view that falls
 * behind gets nothing more until it is rebuilt as a whole; answers and relayed changes wait here for what it shows. Runs
 * in the loop. Owns the waits and the dump. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/str.h"
#include "rd_propose_private.h"

/* Left free for telemetry and for the rebuild itself. */
#define JOBS_MAX (RD_VIEW_JOBS_MAX * 3 / 4)

/* --- entries --------------------------------------------------------------------------------------------------- */
static void
tell_committed(struct rd_proposer *p, struct rd_applied *a)
{
	if (!a->duplicate)
		p->conf.on_committed(p->conf.ctx, a);
	rd_applied_done(a);
}

static void
pause_longer(struct rd_proposer *p)
{
	rd_view_fall_behind(p, p->r.rebuild_pause_us);
	p->r.rebuild_pause_us = min_i64(2 * p->r.rebuild_pause_us, RD_REBUILD_PAUSE_MAX_US);
}

static void
on_shown(void *ctx, struct rd_job *job)
{
	struct shown *x = ctx;
	struct rd_proposer *p = x->p;

	TAILQ_REMOVE(&p->r.jobs, x, next);
	p->conf.on_backend(p->conf.ctx, job);
	if (job->rc == 0)
		p->r.view_index = job->at.index;
	else if (!p->r.behind)
		pause_longer(p);
	tell_committed(p, &x->applied);
	free(x);
	rd_job_free(job);
	rd_view_moved(p);
}

static bool
has_room(const struct rd_proposer *p, size_t rows)
{
	struct rd_view_stats s = rd_view_stats(p->conf.view);

	return s.waiting < JOBS_MAX && s.waiting_rows + rows <= RD_VIEW_ROWS_MAX;
}

static int
submit(struct rd_proposer *p, struct rd_applied *a)
{
	struct shown *x = mem_new(struct shown);
	struct rd_job *job = rd_job_new(RD_JOB_DECISION, on_shown, x);
	struct err e;

	x->p = p;
	rd_changes_move(&job->changes, &a->changes);
	x->applied = *a;
	*a = (struct rd_applied){0};
	job->at = rd_position_of(p->state);
	if (rd_view_submit(p->conf.view, job, &e) == 0) {
		TAILQ_INSERT_TAIL(&p->r.jobs, x, next);
		return 0;
	}
	/* stopping: the log has it */
	*a = x->applied;
	free(x);
	rd_job_free(job);
	return -e.code;
}

void
rd_show(struct rd_proposer *p, struct rd_applied *a)
{
	if (!p->r.behind && !has_room(p, a->changes.n)) {
		p->stats.view_overflows++;
		rd_view_fall_behind(p, 0);
	}
	if (p->r.behind || submit(p, a) != 0)
		tell_committed(p, a);
}

/* --- rebuilding ------------------------------------------------------------------------------------------------ */
void
rd_view_fall_behind(struct rd_proposer *p, int64_t pause_us)
{
	rd_view_forget_dump(p);
	p->r.behind = true;
	p->r.rebuild_at = mono_add_us(clk_mono(p->conf.clock), pause_us);
	p->r.raft.want_work(p->r.raft.ctx);
}

void
rd_view_forget_dump(struct rd_proposer *p)
{
	codec_out_done(&p->r.image);
	if (p->r.dump == NULL)
		return;
	rd_snapshot_dump_free(p->r.dump);
	p->r.dump = NULL;
	rd_proposer_resume(p);
}

static void
on_rebuilt(void *ctx, struct rd_job *job)
{
	struct rd_proposer *p = ctx;

	p->r.rebuilding = false;
	p->conf.on_backend(p->conf.ctx, job);
	if (job->rc == 0) {
		p->r.view_index = job->at.index;
		p->r.rebuild_pause_us = RD_REBUILD_PAUSE_MIN_US;
		p->stats.rebuilds++;
		log_notice("backend", "the backend holds the group's rows, index=%llu",
			   (unsigned long long)job->at.index);
		free(p->r.former_to);
		p->r.former_to = NULL;
	} else {
		pause_longer(p);
	}
	rd_job_free(job);
	rd_view_moved(p);
}

/* Entries from now on are queued behind it. */
static void
submit_rebuild(struct rd_proposer *p)
{
	struct rd_job *job = rd_job_new(RD_JOB_REBUILD, on_rebuilt, p);
	struct err e;

	job->at = rd_position_of(p->state);
	job->file = p->r.former_to == NULL ? NULL : mem_strdup(p->r.former_to);
	job->image = p->r.image;
	p->r.image = (struct codec_out){0};
	rd_view_forget_dump(p);
	if (rd_view_submit(p->conf.view, job, &e) != 0) {
		rd_job_free(job);
		pause_longer(p);
		return;
	}
	p->r.rebuilding = true;
	p->r.behind = false;
}

/* Rows of a life without raft may still be needed. */
static bool
former_is_needed(const struct rd_proposer *p)
{
	return p->r.former_to != NULL && rd_state_cluster_id(p->state)[0] == '\0';
}

void
rd_proposer_keep_former(struct rd_proposer *p, const char *copy_to)
{
	ASSERT(p->r.behind && p->r.dump == NULL);
	free(p->r.former_to);
	p->r.former_to = mem_strdup(copy_to);
}

static bool
may_rebuild(const struct rd_proposer *p)
{
	return p->r.behind && !former_is_needed(p) && !p->r.rebuilding && TAILQ_EMPTY(&p->r.jobs) &&
	       !mono_before(clk_mono(p->conf.clock), p->r.rebuild_at) && !rd_view_stats(p->conf.view).stopping;
}

bool
rd_view_work(struct rd_proposer *p)
{
	if (p->r.dump == NULL && may_rebuild(p)) {
		rd_proposer_pause(p);
		p->r.dump = rd_snapshot_dump_new(p->state);
	}
	if (p->r.dump == NULL)
		return false;
	if (!rd_snapshot_dump_step(p->r.dump, RD_SNAPSHOT_SLICE, &p->r.image))
		return true;
	submit_rebuild(p);
	return false;
}

uint64_t
rd_proposer_view_index(const struct rd_proposer *p)
{
	return p->r.view_index;
}

bool
rd_proposer_view_behind(const struct rd_proposer *p)
{
	return p->r.behind || p->r.rebuilding;
}

/* --- waiting for it -------------------------------------------------------------------------------------------- */
int
rd_proposer_wait_index(struct rd_proposer *p, uint64_t index, struct mono deadline, rd_waited_fn done_, void *ctx,
		       struct err *e)
{
	struct wait *w;

	if (p->r.n_waits >= RD_WAITS_MAX)
		return err_set(e, ERR_LIMIT, "too many requests wait for this node's backend, try again later");
	w = mem_new(struct wait);
	*w = (struct wait){.index = index, .deadline = deadline, .done = done_, .ctx = ctx};
	TAILQ_INSERT_TAIL(&p->r.waits, w, next);
	p->r.n_waits++;
	if (index <= p->r.view_index)
		p->r.raft.want_work(p->r.raft.ctx);
	return 0;
}

static void
answer_waits(struct rd_proposer *p)
{
	struct wait_list due = TAILQ_HEAD_INITIALIZER(due);
	struct wait *w;

	TAILQ_CONCAT(&due, &p->r.waits_due, next);
	while ((w = TAILQ_FIRST(&due)) != NULL) {
		TAILQ_REMOVE(&due, w, next);
		p->r.n_waits--;
		w->done(w->ctx, w->rc);
		free(w);
	}
}

static void
sort_waits(struct rd_proposer *p)
{
	struct mono now = clk_mono(p->conf.clock);
	struct wait *w, *next;

	for (w = TAILQ_FIRST(&p->r.waits); w != NULL; w = next) {
		next = TAILQ_NEXT(w, next);
		w->rc = w->index <= p->r.view_index ? 0 : mono_before(now, w->deadline) ? 1 : -ERR_TIMEOUT;
		if (w->rc > 0)
			continue;
		TAILQ_REMOVE(&p->r.waits, w, next);
		TAILQ_INSERT_TAIL(&p->r.waits_due, w, next);
	}
}

void
rd_view_moved(struct rd_proposer *p)
{
	rd_pending_visible(p);
	sort_waits(p);
	answer_waits(p);
}

void
rd_view_tick(struct rd_proposer *p)
{
	rd_view_moved(p);
	if (may_rebuild(p))
		p->r.raft.want_work(p->r.raft.ctx);
}

void
rd_view_done(struct rd_proposer *p)
{
	struct wait_list *lists[] = {&p->r.waits, &p->r.waits_due};
	struct shown *x;

	rd_snapshot_dump_free(p->r.dump);
	codec_out_done(&p->r.image);
	free(p->r.former_to);
	while ((x = TAILQ_FIRST(&p->r.jobs)) != NULL) {
		TAILQ_REMOVE(&p->r.jobs, x, next);
		rd_applied_done(&x->applied);
		free(x);
	}

	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		struct wait *w;
		while ((w = TAILQ_FIRST(lists[i])) != NULL) {
			TAILQ_REMOVE(lists[i], w, next);
			free(w);
		}
	}
}
