/* rd_propose.c — what the two deciders have in common: making a command of a proposal, and telling its outcome
 * (rd_propose.h). Runs in the loop. Owns the replicated state. Called by whatever decides: operators' requests,
 * discovery, expiry. */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "rd_command_check.h"
#include "rd_propose_private.h"

/* --- life ------------------------------------------------------------------------------------------------------ */
struct rd_proposer *
rd_proposer_make(const struct rd_proposer_conf *conf, const struct decider *decider, struct rd_state *state)
{
	struct rd_proposer *p = mem_new(struct rd_proposer);

	p->conf = *conf;
	p->decider = decider;
	p->state = state;
	return p;
}

void
rd_pending_free(struct pending *q)
{
	rd_applied_done(&q->applied);
	codec_out_done(&q->bytes);
	free(q->uid);
	free(q);
}

void
rd_pending_free_all(struct pending_list *l)
{
	struct pending *q;

	while ((q = TAILQ_FIRST(l)) != NULL) {
		TAILQ_REMOVE(l, q, next);
		rd_pending_free(q);
	}
}

void
rd_proposer_free(struct rd_proposer *p)
{
	if (p == NULL)
		return;
	p->decider->done(p);
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

void
rd_proposer_reload(struct rd_proposer *p)
{
	p->decider->reload(p);
}

void
rd_proposer_tick(struct rd_proposer *p)
{
	p->decider->tick(p);
}

/* --- outcomes -------------------------------------------------------------------------------------------------- */
void
rd_pending_decided(struct pending *q, int rc, const struct err *e)
{
	q->outcome = rc == 0 ? RD_COMMITTED : RD_REFUSED;
	if (rc != 0)
		q->e = *e;
}

void
rd_pending_remembered(struct pending *q, const struct db_applied_command *c)
{
	struct err e = {0};
	int rc = 0;

	q->applied.duplicate = true;
	q->applied.index = (uint64_t)c->log_index;
	q->applied.id = c->result_id;
	if (c->result != 0)
		rc = err_set(&e, (enum err_code)c->result, "%s", err_text((int)c->result));
	rd_pending_decided(q, rc, &e);
}

void
rd_pending_failed(struct pending *q, enum rd_outcome outcome, enum err_code code, const char *why)
{
	q->outcome = outcome;
	(void)err_set(&q->e, code, "%s", why);
}

static uint64_t *
counter(struct rd_proposer_stats *s, enum rd_outcome outcome)
{
	return outcome == RD_COMMITTED ? &s->committed : outcome == RD_UNKNOWN ? &s->unknown : &s->failed;
}

void
rd_pending_answer(struct pending *q)
{
	struct rd_proposed r = {.outcome = q->outcome,
				.index = q->applied.index,
				.id = q->applied.id,
				.keys = &q->applied.keys,
				.e = &q->e};

	*counter(&q->p->stats, q->outcome) += 1;
	if (q->cb != NULL)
		q->cb(q->ctx, &r);
	rd_pending_free(q);
}

/* --- one command ----------------------------------------------------------------------------------------------- */
/* Without raft nobody else has to understand it: what this build can do, it may. */
static uint32_t
level(const struct rd_proposer *p)
{
	return p->decider == &rd_decider_db ? RD_FEATURE_LEVEL : rd_state_feature_level(p->state);
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

	if (rd_command_check(&c, e) != 0 || rd_command_gate(&c, level(p), e) != 0)
		return -e->code;
	return rd_command_encode(&c, &q->bytes, e);
}

void
rd_fresh_uid(char *ret)
{
	str_random_hex(ret, (RD_FRESH_UID_BYTES - 1) / 2);
}

static struct pending *
new_pending(struct rd_proposer *p, const char *uid, rd_proposed_fn cb, void *ctx)
{
	struct pending *q = mem_new(struct pending);
	char fresh[RD_FRESH_UID_BYTES];

	if (uid == NULL)
		rd_fresh_uid(fresh);
	q->p = p;
	q->cb = cb;
	q->ctx = ctx;
	q->uid = mem_strdup(uid == NULL ? fresh : uid);
	return q;
}

int
rd_propose_one(struct rd_proposer *p, enum rd_op op, const void *payload, const char *uid, bool at_apply,
	       rd_proposed_fn cb, void *ctx, struct err *e)
{
	struct pending *q = new_pending(p, uid, cb, ctx);
	int rc = encode(p, op, payload, q, e);

	q->at_apply = at_apply;
	if (rc == 0)
		rc = p->decider->room(p, e);
	if (rc == 0)
		rc = p->decider->decide(p, q, e);
	if (rc == 0)
		return 0;
	p->stats.refused++;
	rd_pending_free(q);
	return rc;
}

static int
propose(struct rd_proposer *p, enum rd_op op, const void *payload, const char *uid, bool at_apply, rd_proposed_fn cb,
	void *ctx, struct err *e)
{
	if (rd_propose_needs_split(op, payload))
		return rd_propose_split(p, op, payload, uid, at_apply, cb, ctx, e);
	return rd_propose_one(p, op, payload, uid, at_apply, cb, ctx, e);
}

int
rd_propose(struct rd_proposer *p, enum rd_op op, const void *payload, const char *uid, rd_proposed_fn cb, void *ctx,
	   struct err *e)
{
	return propose(p, op, payload, uid, false, cb, ctx, e);
}

int
rd_propose_at_apply(struct rd_proposer *p, enum rd_op op, const void *payload, const char *uid, rd_proposed_fn cb,
		    void *ctx, struct err *e)
{
	return propose(p, op, payload, uid, true, cb, ctx, e);
}
