/* rd_propose_db.c — the decider without raft: memory, then the database, then the answer (rd_propose.h). Runs in the
 * loop. Owns the proposals under way and those held back. */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "rd_propose_private.h"

struct rd_proposer *
rd_proposer_new(const struct rd_proposer_conf *conf, struct rd_state *state)
{
	struct rd_proposer *p = rd_proposer_make(conf, &rd_decider_db, state);

	rd_state_leave_log(state);
	TAILQ_INIT(&p->db.writing);
	TAILQ_INIT(&p->db.failed);
	TAILQ_INIT(&p->db.held);
	return p;
}

static void
done(struct rd_proposer *p)
{
	rd_pending_free_all(&p->db.writing);
	rd_pending_free_all(&p->db.failed);
	rd_pending_free_all(&p->db.held);
}

static struct pending *
take_first(struct pending_list *l)
{
	struct pending *q = TAILQ_FIRST(l);

	if (q != NULL)
		TAILQ_REMOVE(l, q, next);
	return q;
}

static void
answer_decided(struct pending *q)
{
	if (!q->applied.duplicate)
		q->p->conf.on_committed(q->p->conf.ctx, &q->applied);
	rd_pending_answer(q);
}

/* q->e says why. */
static void
answer_failed(struct pending *q, enum rd_outcome outcome)
{
	q->outcome = outcome;
	rd_pending_answer(q);
}

/* What is held is decided later, all at once: room for it is kept free. */
static int
room(const struct rd_proposer *p, struct err *e)
{
	struct rd_view_stats view = rd_view_stats(p->conf.view);

	if (view.stopping)
		return err_set(e, ERR_UNAVAILABLE, "this node is stopping");
	if (p->db.reload_failed)
		return err_set(e, ERR_UNAVAILABLE, "the backend database cannot be read, no change is accepted");
	if (p->stats.held >= RD_HELD_MAX || view.waiting >= RD_VIEW_JOBS_MAX - 2 * RD_HELD_MAX)
		return err_set(e, ERR_LIMIT, "too many changes wait for the backend already, try again later");
	return 0;
}

/* --- reading memory again -------------------------------------------------------------------------------------- */
static void on_reload_done(void *ctx, struct rd_job *job);
static void write_out(struct rd_proposer *p, struct pending *q);

static void
submit_reload(struct rd_proposer *p)
{
	struct rd_job *job = rd_job_new(RD_JOB_RELOAD, on_reload_done, p);
	struct err e;

	p->db.reload_failed = rd_view_submit(p->conf.view, job, &e) != 0;
	if (p->db.reload_failed)
		rd_job_free(job);
}

static void
reload(struct rd_proposer *p)
{
	if (p->db.reloading)
		return;
	p->db.reloading = true;
	p->stats.reloads++;
	submit_reload(p);
}

static void
tick(struct rd_proposer *p)
{
	if (p->db.reloading && p->db.reload_failed)
		submit_reload(p);
}

/* What the database holds now tells for certain what became of each failed write. */
static void
settle_failed(struct rd_proposer *p)
{
	struct pending *q;

	while ((q = take_first(&p->db.failed)) != NULL) {
		const struct db_applied_command *c = rd_state_command(p->state, q->uid);
		bool first = !q->applied.duplicate;
		if (c == NULL) {
			answer_failed(q, RD_NOT_LEADER);
			continue;
		}
		rd_pending_remembered(q, c);
		q->applied.duplicate = !first;
		answer_decided(q);
	}
}

static void
release_held(struct rd_proposer *p)
{
	struct pending *q;

	while (!p->db.reloading && (q = take_first(&p->db.held)) != NULL) {
		p->stats.held--;
		if (room(p, &q->e) == 0)
			write_out(p, q);
		else
			answer_failed(q, RD_NOT_LEADER);
	}
}

static void
give_up(struct rd_proposer *p, const struct err *e)
{
	struct pending *q;

	while ((q = take_first(&p->db.failed)) != NULL)
		answer_failed(q, RD_UNKNOWN);
	while ((q = take_first(&p->db.held)) != NULL) {
		p->stats.held--;
		q->e = *e;
		answer_failed(q, RD_NOT_LEADER);
	}
}

static void
on_reload_done(void *ctx, struct rd_job *job)
{
	struct rd_proposer *p = ctx;

	p->conf.on_backend(p->conf.ctx, job);
	if (job->rc != 0) {
		p->db.reload_failed = true;
		give_up(p, &job->e);
		rd_job_free(job);
		return;
	}
	rd_state_free(p->state);
	p->state = job->loaded->state;
	job->loaded->state = NULL;
	rd_state_leave_log(p->state);
	rd_job_free(job);
	p->db.reloading = false;
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

	ASSERT(TAILQ_FIRST(&p->db.writing) == q);
	TAILQ_REMOVE(&p->db.writing, q, next);
	p->stats.pending--;
	p->conf.on_backend(p->conf.ctx, job);
	/* a repeated uid wrote nothing: what its first attempt left is known after the reload */
	if (job->rc != 0 ||
	    (q->applied.duplicate && (p->db.reloading || !rd_state_has_uid(p->state, q->uid, &index)))) {
		if (job->rc != 0)
			q->e = job->e;
		else
			rd_pending_failed(q, RD_UNKNOWN, ERR_UNKNOWN_OUTCOME,
					  "the first attempt of this change was not stored, try again");
		TAILQ_INSERT_TAIL(&p->db.failed, q, next);
		reload(p);
	} else {
		answer_decided(q);
	}
	rd_job_free(job);
}

/* A group that this backend belongs to must not drop it (rd_loaded_forked). */
static void
note_alone(struct pending *q, struct rd_changes *c)
{
	static const struct db_meta alone = {RD_META_ALONE, "1"};

	if (!q->at_apply && !q->p->conf.beside_raft && rd_state_cluster_id(q->p->state)[0] != '\0')
		rd_changes_add(c, RD_CHANGE_UPSERT, DB_TABLE_meta, &alone);
}

static struct rd_job *
job_for(struct pending *q)
{
	struct rd_job *job;

	/* A repeated uid has nothing to write; it only waits until what was written before it is decided. */
	job = rd_job_new(q->applied.duplicate ? RD_JOB_TELEMETRY : RD_JOB_DECISION, on_written, q);
	rd_changes_move(&job->changes, &q->applied.changes);
	if (job->kind == RD_JOB_DECISION)
		note_alone(q, &job->changes);
	job->at = rd_position_of(q->p->state);
	return job;
}

static void
apply(struct rd_proposer *p, struct pending *q, const struct rd_command *c)
{
	const struct db_applied_command *first = rd_state_command(p->state, c->uid);
	struct rd_entry_at at = {rd_state_index(p->state) + 1, 0};
	struct err e;

	if (first != NULL)
		rd_pending_remembered(q, first);
	else
		rd_pending_decided(q, rd_apply(p->state, c, at, &q->applied, &e), &e);
}

/* The same way as a raft entry's: from its bytes. */
static void
write_out(struct rd_proposer *p, struct pending *q)
{
	struct mem_arena arena = {0};
	struct rd_command c;

	ASSERT(rd_command_decode(q->bytes.p, q->bytes.len, &arena, &c, &q->e) == 0);
	apply(p, q, &c);
	mem_arena_done(&arena);
	codec_out_done(&q->bytes);
	TAILQ_INSERT_TAIL(&p->db.writing, q, next);
	p->stats.pending++;
	ASSERT(rd_view_submit(p->conf.view, job_for(q), &q->e) == 0);
	if (!q->applied.duplicate)
		p->conf.on_applied(p->conf.ctx, &q->applied);
}

static int
decide(struct rd_proposer *p, struct pending *q, struct err *e UNUSED)
{
	if (!p->db.reloading) {
		write_out(p, q);
		return 0;
	}
	TAILQ_INSERT_TAIL(&p->db.held, q, next);
	p->stats.held++;
	return 0;
}

const struct decider rd_decider_db = {room, decide, reload, tick, done};
