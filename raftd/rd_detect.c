/* rd_detect.c — suspicions, and the votes that this node as the leader holds about suspected servers (design.md section 6).
 * Who is suspected, what a round does next and what it concludes is decided in detect/; this carries it out, with
 * rd_detect_restart.c (replicas) and rd_detect_end.c (what came of it). Owns the rounds and the timer. Called for every probe result, lost connection and message of the channel. */
#include "rd_detect_private.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/str.h"
#include "group/rd_group.h"
#include "rd_recoveries.h"
#include "topo/key.h"

#define ALONE "this node"

static void look_at(struct rd_detect *d, struct rd_server *s);
static void work(struct rd_detect *d, struct rd_asking *a);

/* --- time ------------------------------------------------------------------------------------------------------------ */
static struct mono
rounds_work(struct rd_detect *d)
{
	struct mono soonest = {INT64_MAX};
	struct rd_asking *a, *next;

	for (a = LIST_FIRST(&d->rounds); a != NULL; a = next) {
		next = LIST_NEXT(a, next);
		work(d, a);
	}
	LIST_FOREACH (a, &d->rounds, next) {
		if (mono_before(rd_round_due(a->round), soonest))
			soonest = rd_round_due(a->round);
	}
	return soonest;
}

static void
on_timer(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct rd_detect *d = arg;
	struct mono dues[] = {rd_detect_votes_work(d), rounds_work(d), rd_detect_errands_work(d)};
	struct mono soonest = dues[0];
	struct timeval wait;

	for (size_t i = 1; i < ARRAY_LEN(dues); i++) {
		if (mono_before(dues[i], soonest))
			soonest = dues[i];
	}
	if (soonest.us == INT64_MAX)
		return;
	wait = clk_timeval(max_i64(CLK_MS, mono_diff_us(soonest, rd_mono(d->n))));
	(void)event_add(d->timer, &wait);
}

/* At the end of this turn of the loop everything that is due is looked at. */
void
rd_detect_arm(struct rd_detect *d)
{
	event_active(d->timer, EV_TIMEOUT, 0);
}

struct rd_detect *
rd_detect_new(struct rd_node *n)
{
	struct rd_detect *d = mem_new(struct rd_detect);

	d->n = n;
	LIST_INIT(&d->votes);
	LIST_INIT(&d->rounds);
	LIST_INIT(&d->errands);
	d->timer = evtimer_new(n->base, on_timer, d);
	ASSERT(d->timer != NULL);
	return d;
}

static void
drop(struct rd_detect *d, struct rd_asking *a)
{
	LIST_REMOVE(a, next);
	d->n->metrics.votes_open = --d->n_rounds;
	rd_round_free(a->round);
	free(a);
}

void
rd_detect_free(struct rd_detect *d)
{
	if (d == NULL)
		return;
	while (!LIST_EMPTY(&d->rounds))
		drop(d, LIST_FIRST(&d->rounds));
	rd_detect_votes_done(d);
	rd_detect_errands_done(d);
	event_free(d->timer);
	free(d);
}

/* --- a round --------------------------------------------------------------------------------------------------------- */
bool
rd_detect_say(struct rd_detect *d, const char *peer, enum rd_vote_kind kind, const void *msg)
{
	struct codec_out bytes = {0};
	bool said = false;
	struct err e;

	if (rd_vote_encode(kind, msg, &bytes, &e) != 0)
		log_error("detect", "own vote: %s", e.msg);
	else
		said = d->n->group != NULL && rd_group_say_view(d->n->group, peer, bytes.p, bytes.len);
	codec_out_done(&bytes);
	return said;
}

static void
ask(struct rd_detect *d, struct rd_round *r)
{
	const struct rd_case *c = rd_round_case(r);
	const struct rd_suspect_msg *q = rd_round_question(r);

	for (size_t i = 0; i < c->n_ballots; i++) {
		const char *voter = c->ballots[i].voter;
		if (!str_eq(voter, c->self) && !rd_detect_say(d, voter, RD_VOTE_SUSPECT, q))
			rd_round_absent(r, voter, rd_mono(d->n));
	}
	rd_detect_vote(d, NULL, q);
}

static void
end(struct rd_detect *d, struct rd_asking *a)
{
	struct rd_server *s;

	rd_detect_conclude(d, a);
	s = rd_model_find(&d->n->model, rd_round_case(a->round)->server);
	drop(d, a);
	if (s != NULL && s->verdict == RD_VERDICT_HEARD)
		look_at(d, s); /* rd_round_rest_us: perhaps at once */
}

/* May drop a. */
static void
work(struct rd_detect *d, struct rd_asking *a)
{
	struct mono now = rd_mono(d->n);
	enum rd_act act;

	if (!rd_node_leads(d->n))
		rd_round_lease_lost(a->round, now);
	while ((act = rd_round_next(a->round, now)) != RD_ACT_NONE) {
		switch (act) {
		case RD_ACT_ASK:
			ask(d, a->round);
			break;
		case RD_ACT_RESTART:
			rd_detect_restart(d, a);
			break;
		case RD_ACT_READ:
			rd_detect_read(d, a);
			break;
		case RD_ACT_DONE:
			end(d, a);
			return;
		case RD_ACT_NONE:
			break;
		}
	}
	if (rd_round_finding(a->round)->verdict == RD_VERDICT_HELD && !a->said_held)
		rd_detect_say_held(d, a);
	a->said_held |= rd_round_finding(a->round)->verdict == RD_VERDICT_HELD;
	rd_detect_arm(d);
}

struct rd_asking *
rd_detect_round(struct rd_detect *d, uint64_t id)
{
	struct rd_asking *a;

	LIST_FOREACH (a, &d->rounds, next) {
		if (rd_round_question(a->round)->id == id)
			return a;
	}
	return NULL;
}

static struct rd_asking *
asking_about(struct rd_detect *d, const struct topo_key *key)
{
	struct rd_asking *a;

	LIST_FOREACH (a, &d->rounds, next) {
		if (topo_key_equal(rd_round_case(a->round)->server, key))
			return a;
	}
	return NULL;
}

/* Facts may be of a question that is over. The round does the rest in the timer: it may end, and this may be called by it. */
static void
take_facts(struct rd_detect *d, const char *voter, const struct rd_facts *f)
{
	struct rd_asking *a;

	LIST_FOREACH (a, &d->rounds, next)
		rd_round_facts(a->round, voter == NULL ? rd_round_case(a->round)->self : voter, f, rd_mono(d->n));
	rd_detect_arm(d);
}

void
rd_detect_own_facts(struct rd_detect *d, const struct rd_facts *f)
{
	take_facts(d, NULL, f);
}

void
rd_detect_message(struct rd_node *n, const char *peer, const void *p, size_t len)
{
	struct mem_arena arena = {0};
	struct rd_vote_msg m;
	struct err e;

	if (rd_vote_decode(p, len, &arena, &m, &e) != 0)
		log_warning("detect", "vote of peer=%s dropped: %s", LOG_Q(peer), e.msg);
	else if (m.kind == RD_VOTE_SUSPECT)
		rd_detect_vote(n->detect, peer, &m.u.suspect);
	else
		take_facts(n->detect, peer, &m.u.facts);
	mem_arena_done(&arena);
}

/* --- a round begins -------------------------------------------------------------------------------------------------- */
static bool
electorate(struct rd_detect *d, struct rd_electorate *ret)
{
	*ret = (struct rd_electorate){.self = ALONE, .names = {ALONE}, .n = 1};
	if (d->n->group == NULL)
		return true;
	if (!rd_group_electorate(d->n->group, ret))
		return false;
	if (d->n->rules->leader_decides) {
		ret->names[0] = ret->self;
		ret->n = 1;
	}
	return true;
}

/* The replicas' keys are borrowed. */
static struct rd_suspect_replica_list
replicas_of(struct rd_detect *d, const struct rd_server *s)
{
	const struct rd_family *family = rd_model_family(&d->n->model, &s->inst.key);
	struct rd_suspect_replica_list l = {0};
	const struct rd_server *r;

	if (family == NULL)
		return l;
	l.v = mem_calloc(family->n, sizeof(*l.v));
	LIST_FOREACH (r, &family->replicas, sibling) {
		if (r->listed && l.n < RD_VOTE_REPLICAS_MAX)
			l.v[l.n++] = (struct rd_suspect_replica){r->inst.key, rd_server_is_valid(r)};
	}
	return l;
}

static void
begin(struct rd_detect *d, const struct rd_server *s, const struct rd_electorate *who,
      const struct rd_suspect_replica_list *replicas)
{
	struct rd_round_conf conf = {
	    .id = (who->term << 24) + ++d->last_id,
	    .self = who->self,
	    .voters = who->names,
	    .n_voters = who->n,
	    .server = &s->inst.key,
	    .server_uuid = s->inst.server_uuid,
	    .replicas = *replicas,
	    .answered = s->seen.answered,
	    .may_restart = rd_round_may_restart(s->restarted, s->restarted_before, s->seen.answered, rd_mono(d->n)),
	    .hold_us = rd_rules_hold_us(d->n->rules, s->inst.cluster_name, rd_detect_alias(d->n, s))};
	struct rd_asking *a = mem_new(struct rd_asking);

	a->round = rd_round_new(&conf, rd_mono(d->n));
	a->term = d->term = who->term;
	LIST_INSERT_HEAD(&d->rounds, a, next);
	d->n->metrics.votes++;
	d->n->metrics.votes_open = ++d->n_rounds;
	work(d, a);
}

static bool
rests(struct rd_detect *d, const struct rd_server *s)
{
	return s->vote_ended.us != 0 &&
	       mono_diff_us(rd_mono(d->n), s->vote_ended) < rd_round_rest_us(s->verdict, s->same_votes);
}

static void
look_at(struct rd_detect *d, struct rd_server *s)
{
	bool mass = rd_suspect_stats(d->n->suspect, rd_mono(d->n)).mass;
	struct rd_suspect_replica_list replicas;
	struct rd_electorate who;

	if (d->n->one_shot || !s->listed || rd_seen_suspicion(&s->seen, mass) != RD_ASK || !rd_node_leads(d->n) ||
	    rests(d, s) || asking_about(d, &s->inst.key) != NULL)
		return;
	if (d->n_rounds >= RD_ROUNDS_MAX) {
		d->n->metrics.vote_overflows++;
		return;
	}
	rd_recoveries_correct(d->n, s);
	replicas = replicas_of(d, s);
	if ((replicas.n > 0 || rd_recoveries_promote(d->n, &s->inst.key)) && electorate(d, &who))
		begin(d, s, &who, &replicas);
	free(replicas.v);
}

/* --- suspicions ------------------------------------------------------------------------------------------------------ */
static void
note_answer(struct rd_detect *d, struct rd_server *s, const struct rd_attempt *a)
{
	struct rd_asking *asking = asking_about(d, &s->inst.key);

	if (asking != NULL) {
		rd_round_answered(asking->round, rd_cause(a->evidence, a->found, a->errno_mysql), a->ended);
		rd_detect_arm(d);
	} else if (s->verdict != RD_VERDICT_OPEN) {
		log_notice("detect", "instance=%s answers again", s->text); /* tests: test_votes.py */
		s->verdict = RD_VERDICT_OPEN;
		s->same_votes = 0;
	}
	rd_detect_tell_back(d, s, a->found ? RD_BACK_READ : RD_BACK_ANSWERS);
}

/* It lives, and cannot be read (password expired, too many connections, stalled), so the analysis shows it as dead: people
 * who look there are told, when that begins or changes. */
static void
note_unreadable(struct rd_detect *d, const struct rd_server *s, const struct rd_tries *before,
		const struct rd_attempt *a)
{
	bool same = before->evidence == a->evidence && !before->found && before->errno_mysql == a->errno_mysql;
	struct rd_electorate who;

	if (!a->found && !same && !d->n->one_shot && rd_server_has_replicas(d->n, s) && electorate(d, &who))
		rd_detect_write_answer(d, s, &who, rd_cause(a->evidence, a->found, a->errno_mysql));
}

/* What it says of its source may be news about that. */
static void
note_reading(struct rd_detect *d, struct rd_server *s, const struct topo_probe *p, struct mono at)
{
	struct rd_reading reading = rd_reading_of(p, at);
	enum rd_news news = rd_heard_note(&s->heard, &reading);
	struct rd_server *source = rd_model_find(&d->n->model, &s->inst.source_key);

	if (source != NULL)
		source->same_votes = rd_round_same_after(source->same_votes, source->verdict, news, reading.io);
}

void
rd_detect_probed(struct rd_node *n, struct rd_server *s, const struct topo_probe *p)
{
	struct rd_attempt a = rd_attempt_of(p, rd_mono(n));
	struct rd_tries before = s->seen.tries;

	rd_seen_attempt(&s->seen, &a);
	if (p->found)
		note_reading(n->detect, s, p, a.ended);
	if (rd_reach_of(p->evidence) == RD_REACH_ANSWERED) {
		note_answer(n->detect, s, &a);
		note_unreadable(n->detect, s, &before, &a);
	} else {
		look_at(n->detect, s);
	}
}

void
rd_detect_lost(struct rd_node *n, struct rd_server *s, const struct ipc_connection_lost *m)
{
	int64_t age_us = m->last_answer_us == 0 ? -1 : max_i64(0, m->at_us - m->last_answer_us);

	rd_seen_lost(&s->seen, m->evidence, age_us, rd_mono(n));
	look_at(n->detect, s);
}

void
rd_detect_tick(struct rd_node *n)
{
	for (const struct rd_family *f = n->model.families; f != NULL; f = f->hh.next) {
		struct rd_server *s = rd_model_find(&n->model, &f->key);
		if (s != NULL)
			look_at(n->detect, s);
	}
	rd_detect_arm(n->detect);
}
