/* rd_propose_raft.c — the decider with raft: proposals go into the log, committed entries come back and are applied
 * (rd_propose_raft.h). Runs in the loop. Owns the proposals until they are answered. The view is rd_propose_view.c's. */
#include "rd_propose_raft.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "rd_propose_private.h"
#include "topo/key.h"

/* --- life ------------------------------------------------------------------------------------------------------ */
struct rd_proposer *
rd_proposer_new_raft(const struct rd_proposer_conf *conf, const struct rd_raft_door *raft, struct rd_state *state,
		     bool view_fits)
{
	struct rd_proposer *p = rd_proposer_make(conf, &rd_decider_raft, state);

	p->r.raft = *raft;
	TAILQ_INIT(&p->r.open);
	TAILQ_INIT(&p->r.shown);
	TAILQ_INIT(&p->r.due);
	TAILQ_INIT(&p->r.jobs);
	TAILQ_INIT(&p->r.waits);
	TAILQ_INIT(&p->r.waits_due);
	p->r.rebuild_pause_us = RD_REBUILD_PAUSE_MIN_US;
	if (view_fits)
		p->r.view_index = rd_state_index(state);
	else
		rd_view_fall_behind(p, 0);
	return p;
}

static void
done(struct rd_proposer *p)
{
	rd_pending_free_all(&p->r.open);
	rd_pending_free_all(&p->r.shown);
	rd_pending_free_all(&p->r.due);
	rd_view_done(p);
}

static struct mono
now(const struct rd_proposer *p)
{
	return clk_mono(p->conf.clock);
}

/* --- proposing ------------------------------------------------------------------------------------------------- */
static int
room(const struct rd_proposer *p, struct err *e)
{
	if (rd_view_stats(p->conf.view).stopping)
		return err_set(e, ERR_UNAVAILABLE, "this node is stopping");
	if (p->r.n_pending >= RD_PENDING_MAX)
		return err_set(e, ERR_LIMIT, "too many changes are under way already, try again later");
	return 0;
}

static int
decide(struct rd_proposer *p, struct pending *q, struct err *e)
{
	const struct db_applied_command *c = rd_state_command(p->state, q->uid);

	if (c == NULL && p->r.raft.submit(p->r.raft.ctx, q->bytes.p, q->bytes.len, &q->at, e) != 0)
		return -e->code;
	codec_out_done(&q->bytes);
	q->until = mono_add_us(now(p), c == NULL ? RD_FATE_US : RD_VIEW_WAIT_US);
	p->r.n_pending++;
	p->stats.pending++;
	if (c == NULL) {
		TAILQ_INSERT_TAIL(&p->r.open, q, next);
		return 0;
	}
	rd_pending_remembered(q, c);
	TAILQ_INSERT_TAIL(&p->r.shown, q, next);
	p->r.raft.want_work(p->r.raft.ctx);
	return 0;
}

/* --- what became of proposals ---------------------------------------------------------------------------------- */
static void
make_due(struct rd_proposer *p, struct pending_list *from, struct pending *q)
{
	TAILQ_REMOVE(from, q, next);
	TAILQ_INSERT_TAIL(&p->r.due, q, next);
	p->r.raft.want_work(p->r.raft.ctx);
}

/* Decided. An operator's answer waits until the backend shows it. */
static void
settle(struct rd_proposer *p, struct pending *q)
{
	if (q->at_apply) {
		make_due(p, &p->r.open, q);
		return;
	}
	TAILQ_REMOVE(&p->r.open, q, next);
	TAILQ_INSERT_TAIL(&p->r.shown, q, next);
	q->until = mono_add_us(now(p), RD_VIEW_WAIT_US);
}

static void
copy_keys(struct pending *q, const struct topo_key_list *keys)
{
	for (size_t i = 0; i < keys->n; i++)
		(void)topo_key_list_add(&q->applied.keys, &keys->v[i]);
}

/* The command that was just applied is this proposal's: by its place, or by its uid (proposed again elsewhere). */
static void
settle_applied(struct rd_proposer *p, const char *uid, const struct rd_applied *a, int rc, const struct err *e)
{
	struct pending *q, *next;

	for (q = TAILQ_FIRST(&p->r.open); q != NULL; q = next) {
		next = TAILQ_NEXT(q, next);
		if (strcmp(q->uid, uid) != 0)
			continue;
		q->applied.index = a->index;
		q->applied.id = a->id;
		q->applied.duplicate = a->duplicate;
		copy_keys(q, &a->keys);
		rd_pending_decided(q, rc, e);
		settle(p, q);
	}
}

/* Terms never go down along the log: what should have stood here, or is of an earlier term and should come later, never
 * will be. */
static void
settle_lost(struct rd_proposer *p, struct rd_entry_at at)
{
	struct pending *q, *next;

	for (q = TAILQ_FIRST(&p->r.open); q != NULL; q = next) {
		next = TAILQ_NEXT(q, next);
		if (q->at.index > at.index && q->at.term >= at.term)
			continue;
		rd_pending_failed(q, RD_NOT_LEADER, ERR_NOT_LEADER,
				  "this node lost leadership before the change was committed, it has no effect");
		make_due(p, &p->r.open, q);
	}
}

static void
settle_jumped(struct rd_proposer *p)
{
	struct pending *q, *next;

	for (q = TAILQ_FIRST(&p->r.open); q != NULL; q = next) {
		const struct db_applied_command *c = rd_state_command(p->state, q->uid);
		next = TAILQ_NEXT(q, next);
		if (c != NULL) {
			rd_pending_remembered(q, c);
			settle(p, q);
		} else if (q->at.index <= rd_state_index(p->state)) {
			rd_pending_failed(q, RD_UNKNOWN, ERR_UNKNOWN_OUTCOME,
					  "a snapshot came before it was known whether the change was committed");
			make_due(p, &p->r.open, q);
		}
	}
}

void
rd_pending_visible(struct rd_proposer *p)
{
	struct pending *q, *next;

	for (q = TAILQ_FIRST(&p->r.shown); q != NULL; q = next) {
		next = TAILQ_NEXT(q, next);
		if (q->applied.index <= p->r.view_index)
			make_due(p, &p->r.shown, q);
	}
}

/* --- the log --------------------------------------------------------------------------------------------------- */
int
rd_proposer_entry(struct rd_proposer *p, struct rd_entry_at at, const void *bytes, size_t n, struct err *e)
{
	struct mem_arena arena = {0};
	struct rd_applied a;
	struct rd_command c;
	struct err why;
	int rc;

	ASSERT(!rd_proposer_is_paused(p));
	if (rd_command_decode(bytes, n, &arena, &c, e) != 0) {
		mem_arena_done(&arena);
		return err_wrap(e, "entry %llu of term %llu", (unsigned long long)at.index,
				(unsigned long long)at.term);
	}
	rc = rd_apply(p->state, &c, at, &a, &why);
	settle_applied(p, c.uid, &a, rc, &why);
	settle_lost(p, at);
	mem_arena_done(&arena);
	if (!a.duplicate)
		p->conf.on_applied(p->conf.ctx, &a);
	rd_show(p, &a);
	return 0;
}

void
rd_proposer_barrier(struct rd_proposer *p, struct rd_entry_at at)
{
	struct rd_applied nothing = {.duplicate = true, .index = at.index, .term = at.term};

	ASSERT(!rd_proposer_is_paused(p));
	rd_apply_nothing(p->state, at);
	settle_lost(p, at);
	rd_show(p, &nothing);
}

void
rd_proposer_install(struct rd_proposer *p, struct rd_state *state)
{
	ASSERT(rd_state_index(state) >= rd_state_index(p->state));
	rd_view_forget_dump(p);
	ASSERT(!rd_proposer_is_paused(p));
	rd_state_free(p->state);
	p->state = state;
	rd_view_fall_behind(p, 0);
	settle_jumped(p);
	p->conf.on_reloaded(p->conf.ctx);
}

void
rd_proposer_lost_leadership(struct rd_proposer *p)
{
	struct mono end = mono_add_us(now(p), 2 * p->r.raft.election_timeout_us);
	struct pending *q;

	TAILQ_FOREACH (q, &p->r.open, next)
		q->until = mono_before(end, q->until) ? end : q->until;
}

/* --- time and turns -------------------------------------------------------------------------------------------- */
static void
end_late(struct rd_proposer *p, struct pending_list *l, enum rd_outcome outcome, const char *why)
{
	struct pending *q, *next;

	for (q = TAILQ_FIRST(l); q != NULL; q = next) {
		next = TAILQ_NEXT(q, next);
		if (mono_before(now(p), q->until))
			continue;
		rd_pending_failed(q, q->outcome == RD_COMMITTED ? outcome : q->outcome, ERR_UNKNOWN_OUTCOME, why);
		make_due(p, l, q);
	}
}

static void
tick(struct rd_proposer *p)
{
	end_late(p, &p->r.open, RD_UNKNOWN, "it is not known whether the change was committed, try again");
	end_late(p, &p->r.shown, RD_COMMITTED, "the change is committed, this node's backend does not show it yet");
	rd_view_tick(p);
}

static void
answer_due(struct rd_proposer *p)
{
	struct pending_list due = TAILQ_HEAD_INITIALIZER(due);
	struct pending *q;

	TAILQ_CONCAT(&due, &p->r.due, next); /* what callbacks add comes in the next turn */
	while ((q = TAILQ_FIRST(&due)) != NULL) {
		TAILQ_REMOVE(&due, q, next);
		p->r.n_pending--;
		p->stats.pending--;
		rd_pending_answer(q);
	}
}

void
rd_proposer_work(struct rd_proposer *p)
{
	rd_view_moved(p);
	answer_due(p);
	if (rd_view_work(p) || !TAILQ_EMPTY(&p->r.due))
		p->r.raft.want_work(p->r.raft.ctx);
}

void
rd_proposer_pause(struct rd_proposer *p)
{
	p->r.pauses++;
}

void
rd_proposer_resume(struct rd_proposer *p)
{
	ASSERT(p->r.pauses > 0);
	if (--p->r.pauses == 0)
		p->r.raft.on_resumed(p->r.raft.ctx);
}

bool
rd_proposer_is_paused(const struct rd_proposer *p)
{
	return p->r.pauses > 0;
}

/* Memory is the truth: whatever somebody wrote into the backend goes. */
static void
reload(struct rd_proposer *p)
{
	rd_view_fall_behind(p, 0);
}

const struct decider rd_decider_raft = {room, decide, reload, tick, done};
