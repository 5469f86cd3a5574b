/* rd_propose.c — decisions without raft: memory, then the database, then the answer (rd_propose.h). Runs in the loop.
 * Owns the replicated state, the proposals under way and those held back. Called by whatever decides: operators'
 * requests, discovery, expiry. */
#include "rd_propose.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "rd_command_check.h"

#define UID_BYTES 16

/* One call of rd_propose until its callback. */
struct pending {
	STAILQ_ENTRY(pending) next;
	struct rd_proposer *p;
	rd_proposed_fn cb;
	void *ctx;
	char *uid;
	struct codec_out bytes;	   /* while held */
	struct rd_applied applied; /* while being written */
	struct err e;		   /* after a failed write */
};
STAILQ_HEAD(pending_list, pending);

struct rd_proposer {
	struct rd_proposer_conf conf;
	struct rd_state *state;
	struct pending_list writing; /* in the order of their jobs */
	struct pending_list failed;  /* write failed; told after the reload */
	struct pending_list held;    /* waiting for the reload */
	bool reloading;		     /* a RELOAD job is under way, or due again */
	bool reload_failed;	     /* … due again at the next tick */
	struct rd_proposer_stats stats;
};

/* --- life ------------------------------------------------------------------------------------------------------ */
struct rd_proposer *
rd_proposer_new(const struct rd_proposer_conf *conf, struct rd_state *state)
{
	struct rd_proposer *p = mem_new(struct rd_proposer);

	p->conf = *conf;
	p->state = state;
	STAILQ_INIT(&p->writing);
	STAILQ_INIT(&p->failed);
	STAILQ_INIT(&p->held);
	return p;
}

static void
free_pending(struct pending *q)
{
	rd_applied_done(&q->applied);
	codec_out_done(&q->bytes);
	free(q->uid);
	free(q);
}

static void
free_list(struct pending_list *l)
{
	struct pending *q;

	while ((q = STAILQ_FIRST(l)) != NULL) {
		STAILQ_REMOVE_HEAD(l, next);
		free_pending(q);
	}
}

void
rd_proposer_free(struct rd_proposer *p)
{
	if (p == NULL)
		return;
	free_list(&p->writing);
	free_list(&p->failed);
	free_list(&p->held);
	rd_state_free(p->state);
	free(p);
}

const struct rd_state *
rd_proposer_state(const struct rd_proposer *p)
{
	return p->state;
}

struct rd_proposer_stats
rd_proposer_stats(const struct rd_proposer *p)
{
	return p->stats;
}

/* --- outcomes -------------------------------------------------------------------------------------------------- */
static void
answer(struct pending *q, const struct rd_proposed *r)
{
	struct rd_proposer_stats *s = &q->p->stats;

	*(r->outcome == RD_COMMITTED ? &s->committed : r->outcome == RD_UNKNOWN ? &s->unknown : &s->failed) += 1;
	if (q->cb != NULL)
		q->cb(q->ctx, r);
	free_pending(q);
}

static void
answer_committed(struct pending *q)
{
	struct rd_proposed r = {.outcome = RD_COMMITTED, .index = q->applied.index, .keys = &q->applied.keys};

	if (!q->applied.duplicate)
		q->p->conf.on_committed(q->p->conf.ctx, &q->applied);
	answer(q, &r);
}

static void
answer_failed(struct pending *q, enum rd_outcome outcome)
{
	struct rd_proposed r = {.outcome = outcome, .e = &q->e};

	answer(q, &r);
}

/* What is held is decided later, all at once: room for it is kept free. */
static int
check_room(const struct rd_proposer *p, struct err *e)
{
	struct rd_view_stats view = rd_view_stats(p->conf.view);

	if (view.stopping)
		return err_set(e, ERR_UNAVAILABLE, "this node is stopping");
	if (p->reload_failed)
		return err_set(e, ERR_UNAVAILABLE, "the backend database cannot be read, no change is accepted");
	if (p->stats.held >= RD_HELD_MAX || view.waiting >= RD_VIEW_JOBS_MAX - 2 * RD_HELD_MAX)
		return err_set(e, ERR_LIMIT, "too many changes wait for the backend already, try again later");
	return 0;
}

/* --- reading memory again -------------------------------------------------------------------------------------- */
static void on_reload_done(void *ctx, struct rd_job *job);
static void decide(struct rd_proposer *p, struct pending *q);

static void
submit_reload(struct rd_proposer *p)
{
	struct rd_job *job = rd_job_new(RD_JOB_RELOAD, on_reload_done, p);
	struct err e;

	p->reload_failed = rd_view_submit(p->conf.view, job, &e) != 0;
	if (p->reload_failed)
		rd_job_free(job);
}

void
rd_proposer_reload(struct rd_proposer *p)
{
	if (p->reloading)
		return;
	p->reloading = true;
	p->stats.reloads++;
	submit_reload(p);
}

void
rd_proposer_tick(struct rd_proposer *p)
{
	if (p->reloading && p->reload_failed)
		submit_reload(p);
}

/* What the database holds now tells for certain what became of each failed write. */
static void
settle_failed(struct rd_proposer *p)
{
	struct pending *q;

	while ((q = STAILQ_FIRST(&p->failed)) != NULL) {
		STAILQ_REMOVE_HEAD(&p->failed, next);
		if (rd_state_has_uid(p->state, q->uid, &q->applied.index))
			answer_committed(q);
		else
			answer_failed(q, RD_NOT_LEADER);
	}
}

static void
release_held(struct rd_proposer *p)
{
	struct pending *q;

	while (!p->reloading && (q = STAILQ_FIRST(&p->held)) != NULL) {
		STAILQ_REMOVE_HEAD(&p->held, next);
		p->stats.held--;
		if (check_room(p, &q->e) == 0)
			decide(p, q);
		else
			answer_failed(q, RD_NOT_LEADER);
	}
}

static void
give_up(struct rd_proposer *p, const struct err *e)
{
	struct pending *q;

	while ((q = STAILQ_FIRST(&p->failed)) != NULL) {
		STAILQ_REMOVE_HEAD(&p->failed, next);
		answer_failed(q, RD_UNKNOWN);
	}
	while ((q = STAILQ_FIRST(&p->held)) != NULL) {
		STAILQ_REMOVE_HEAD(&p->held, next);
		p->stats.held--;
		q->e = *e;
		answer_failed(q, RD_NOT_LEADER);
	}
}

static void
on_reload_done(void *ctx, struct rd_job *job)
{
	struct rd_proposer *p = ctx;

	p->conf.on_backend(p->conf.ctx, job->rc, &job->e);
	if (job->rc != 0) {
		p->reload_failed = true;
		give_up(p, &job->e);
		rd_job_free(job);
		return;
	}
	rd_state_free(p->state);
	p->state = job->loaded->state;
	job->loaded->state = NULL;
	rd_job_free(job);
	p->reloading = false;
	p->conf.on_reloaded(p->conf.ctx);
	settle_failed(p);
	release_held(p);
}

/* --- one command ----------------------------------------------------------------------------------------------- */
static void
on_written(void *ctx, struct rd_job *job)
{
	struct pending *q = ctx;
	struct rd_proposer *p = q->p;
	uint64_t index;

	ASSERT(STAILQ_FIRST(&p->writing) == q);
	STAILQ_REMOVE_HEAD(&p->writing, next);
	p->stats.pending--;
	p->conf.on_backend(p->conf.ctx, job->rc, &job->e);
	if (job->rc != 0)
		q->e = job->e;
	else
		(void)err_set(&q->e, ERR_UNKNOWN_OUTCOME, "the first attempt of this change was not stored, try again");
	/* a repeated uid wrote nothing: what its first attempt left is known after the reload */
	if (job->rc != 0 || (q->applied.duplicate && (p->reloading || !rd_state_has_uid(p->state, q->uid, &index)))) {
		STAILQ_INSERT_TAIL(&p->failed, q, next);
		rd_proposer_reload(p);
	} else {
		answer_committed(q);
	}
	rd_job_free(job);
}

static struct rd_job *
job_for(struct pending *q, int64_t applied_us)
{
	struct rd_job *job;

	/* A repeated uid has nothing to write; it only waits until what was written before it is decided. */
	job = rd_job_new(q->applied.duplicate ? RD_JOB_TELEMETRY : RD_JOB_DECISION, on_written, q);
	rd_changes_move(&job->changes, &q->applied.changes);
	job->index = q->applied.index;
	job->uid = mem_strdup(q->uid);
	job->applied_us = applied_us;
	return job;
}

static void
apply(struct rd_proposer *p, struct pending *q, const struct rd_command *c)
{
	struct err e;

	if (rd_state_has_uid(p->state, c->uid, &q->applied.index)) {
		q->applied.duplicate = true;
		return;
	}
	/* the checks were made when it was proposed, on the same bytes */
	ASSERT(rd_apply(p->state, c, rd_state_index(p->state) + 1, &q->applied, &e) == 0);
}

/* The same way as a raft entry's: from its bytes. */
static void
decide(struct rd_proposer *p, struct pending *q)
{
	struct mem_arena arena = {0};
	struct rd_command c;
	struct rd_job *job;

	ASSERT(rd_command_decode(q->bytes.p, q->bytes.len, &arena, &c, &q->e) == 0);
	apply(p, q, &c);
	mem_arena_done(&arena);
	codec_out_done(&q->bytes);
	job = job_for(q, rd_state_time_us(p->state));
	STAILQ_INSERT_TAIL(&p->writing, q, next);
	p->stats.pending++;
	ASSERT(rd_view_submit(p->conf.view, job, &q->e) == 0);
	if (!q->applied.duplicate)
		p->conf.on_applied(p->conf.ctx, &q->applied);
}

static int
encode(struct rd_proposer *p, enum rd_op op, const void *payload, struct pending *q, struct err *e)
{
	int64_t now_us = clk_wall(p->conf.clock).us;
	struct rd_command c = {.op = op,
			       .uid = q->uid,
			       .originator = p->conf.originator,
			       .leader_time_us = max_i64(now_us, rd_state_time_us(p->state)),
			       .payload = payload};
	int rc = rd_command_check(&c, e);

	return rc != 0 ? rc : rd_command_encode(&c, &q->bytes, e);
}

static struct pending *
new_pending(struct rd_proposer *p, const char *uid, rd_proposed_fn cb, void *ctx)
{
	struct pending *q = mem_new(struct pending);
	char fresh[2 * UID_BYTES + 1];

	if (uid == NULL)
		str_random_hex(fresh, UID_BYTES);
	q->p = p;
	q->cb = cb;
	q->ctx = ctx;
	q->uid = mem_strdup(uid == NULL ? fresh : uid);
	return q;
}

int
rd_propose(struct rd_proposer *p, enum rd_op op, const void *payload, const char *uid, rd_proposed_fn cb, void *ctx,
	   struct err *e)
{
	struct pending *q = new_pending(p, uid, cb, ctx);
	int rc = encode(p, op, payload, q, e);

	if (rc == 0)
		rc = check_room(p, e);
	if (rc != 0) {
		p->stats.refused++;
		free_pending(q);
		return rc;
	}
	if (!p->reloading) {
		decide(p, q);
		return 0;
	}
	STAILQ_INSERT_TAIL(&p->held, q, next);
	p->stats.held++;
	return 0;
}
