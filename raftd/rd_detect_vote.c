/* rd_detect_vote.c — this node as a voter: the leader's questions, and its own, are answered with fresh probes. What is
 * probed and told is decided in detect/rd_voter.c. Owns the votes; a vote stays until its last probe has ended. */
#include <stdlib.h>

#include "base/log.h"
#include "base/str.h"
#include "rd_detect_private.h"
#include "topo/key.h"

#define ANSWER_MARGIN_US (300 * CLK_MS) /* beyond what the prober was given: then it does not answer at all */

static void work(struct rd_vote *v);

static void
drop(struct rd_vote *v)
{
	LIST_REMOVE(v, next);
	v->d->n_votes--;
	rd_voter_free(v->voter);
	topo_key_done(&v->key);
	free(v->from);
	free(v);
}

void
rd_detect_votes_done(struct rd_detect *d)
{
	while (!LIST_EMPTY(&d->votes))
		drop(LIST_FIRST(&d->votes)); /* the probers call nobody any more */
}

/* --- what came of a probe -------------------------------------------------------------------------------------------- */
/* A login that was under way already may have told: only the time since the question counts as its silence. */
static void
server_probed(struct rd_vote *v, const struct topo_probe *p, struct mono now)
{
	static const struct topo_probe nothing = {.evidence = TOPO_EVIDENCE_NONE};
	struct rd_attempt a = rd_attempt_of(p != NULL ? p : &nothing, now);

	if (mono_before(a.began, v->asked))
		a.began = v->asked;
	rd_voter_server(v->voter, &a);
}

static void
replica_probed(struct rd_vote *v, const struct topo_key *key, const struct rd_probed *r, struct mono now)
{
	struct rd_voter_reading told;
	struct rd_reading reading;

	if (r == NULL || r->server == NULL) {
		rd_voter_unread(v->voter, key,
				r == NULL || r->probe == NULL ? (uint64_t)TOPO_EVIDENCE_NONE : r->probe->evidence, now);
		return;
	}
	reading = rd_reading_of(r->probe, now);
	told = (struct rd_voter_reading){&reading, &r->server->heard, &r->server->inst.source_key,
					 r->server->inst.source_uuid};
	rd_voter_replica(v->voter, key, &told);
}

static void
told(struct rd_vote *v, const struct topo_key *key, const struct rd_probed *r)
{
	struct mono now = rd_mono(v->d->n);

	if (rd_voter_is_server(v->voter, key))
		server_probed(v, r == NULL ? NULL : r->probe, now);
	else
		replica_probed(v, key, r, now);
}

static void
on_probed(void *ctx, const struct topo_key *asked, const void *result, const struct err *e UNUSED)
{
	struct rd_vote *v = ctx;

	v->open--;
	if (!v->answered)
		told(v, asked, result);
	work(v);
}

/* --- the answer ------------------------------------------------------------------------------------------------------ */
static void
answer(struct rd_vote *v)
{
	struct rd_node *n = v->d->n;
	const struct rd_server *s = rd_model_find(&n->model, &v->key);
	struct mono answered = s == NULL ? (struct mono){0} : s->seen.answered;
	struct rd_facts f;

	v->answered = true;
	n->metrics.votes_cast++;
	rd_voter_facts(v->voter, answered, rd_mono(n), clk_wall(n->clock), &f);
	if (v->from == NULL)
		rd_detect_own_facts(v->d, &f);
	else if (rd_detect_say(v->d, v->from, RD_VOTE_FACTS, &f))
		log_info("detect", "told %s what is seen of instance=%s evidence=%s", LOG_Q(v->from),
			 TOPO_KEY_TEXT(&v->key), topo_evidence_text(f.evidence));
}

/* May drop v. */
static void
work(struct rd_vote *v)
{
	struct rd_node *n = v->d->n;
	const struct topo_key *key;
	struct err e;

	while (!v->answered && !n->stopping && (key = rd_voter_next(v->voter, rd_mono(n))) != NULL) {
		if (rd_probers_probe_briefly(n->probers, key, rd_mono(n), RD_VOTER_PROBE_US,
					     RD_VOTER_PROBE_US + ANSWER_MARGIN_US, on_probed, v, &e) == 0)
			v->open++;
		else
			told(v, key, NULL);
	}
	if (!v->answered && rd_voter_is_done(v->voter, rd_mono(n)))
		answer(v);
	if (v->answered && v->open == 0)
		drop(v);
	else
		rd_detect_arm(v->d);
}

/* --- questions ------------------------------------------------------------------------------------------------------- */
void
rd_detect_vote(struct rd_detect *d, const char *from, const struct rd_suspect_msg *q)
{
	struct rd_vote *v;

	if (d->n_votes >= RD_VOTES_MAX || d->n->decide == NULL) {
		d->n->metrics.vote_overflows++;
		return;
	}
	v = mem_new(struct rd_vote);
	v->d = d;
	v->from = from == NULL ? NULL : mem_strdup(from);
	rec_dup(&topo_key_desc, &v->key, &q->key);
	v->id = q->id;
	v->ask = q->ask;
	v->asked = rd_mono(d->n);
	v->voter = rd_voter_new(q, v->asked);
	LIST_INSERT_HEAD(&d->votes, v, next);
	d->n_votes++;
	work(v);
}

struct mono
rd_detect_votes_work(struct rd_detect *d)
{
	struct mono now = rd_mono(d->n), soonest = {INT64_MAX};
	struct rd_vote *v, *next;

	for (v = LIST_FIRST(&d->votes); v != NULL; v = next) {
		next = LIST_NEXT(v, next);
		if (!v->answered && !mono_before(now, rd_voter_due(v->voter)))
			work(v);
	}
	LIST_FOREACH (v, &d->votes, next) {
		if (!v->answered && mono_before(rd_voter_due(v->voter), soonest))
			soonest = rd_voter_due(v->voter);
	}
	return soonest;
}
