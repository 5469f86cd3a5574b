/* rd_verdict.c — see rd_verdict.h. Pure; called by rd_round.c. A wrong "dead" is the worst that this program can do: each
 * rule here has cases in both directions in test_rd_verdict.c. */
#include "rd_verdict.h"

#include <string.h>

#include "base/str.h"
#include "topo/key.h"

static const struct {
	const char *name, *text;
} verdicts[RD_VERDICT_COUNT] = {
#define VERDICT(NAME, text) {#NAME, text},
#include "rd_verdict.def"
#undef VERDICT
};

const char *
rd_verdict_name(uint64_t verdict)
{
	return verdict < RD_VERDICT_COUNT ? verdicts[verdict].name : "unknown";
}

const char *
rd_verdict_text(uint64_t verdict)
{
	return verdict < RD_VERDICT_COUNT ? verdicts[verdict].text : "unknown";
}

/* --- voters ---------------------------------------------------------------------------------------------------------- */
static enum rd_reach
reach_of(const struct rd_facts *f)
{
	return f == NULL ? RD_REACH_UNKNOWN : rd_reach_judge(f->evidence, f->failed, f->span_us, f->longest_us);
}

static const char *
cause_of(const struct rd_facts *f)
{
	return rd_cause(f->evidence, f->found, f->errno_mysql);
}

static void
count_ballot(const struct rd_ballot *b, struct rd_finding *r)
{
	switch (reach_of(b->facts)) {
	case RD_REACH_UNKNOWN:
		r->unclear++;
		break;
	case RD_REACH_ANSWERED:
		r->answered++;
		r->witness = b->voter;
		r->cause = cause_of(b->facts);
		break;
	case RD_REACH_FAILED:
		r->failed++;
		r->refused += b->facts->evidence == TOPO_EVIDENCE_REFUSED;
		if (r->answered == 0)
			r->cause = cause_of(b->facts);
		break;
	}
}

static bool
leader_failed(const struct rd_case *c)
{
	for (size_t i = 0; i < c->n_ballots; i++) {
		if (str_eq(c->ballots[i].voter, c->self))
			return reach_of(c->ballots[i].facts) == RD_REACH_FAILED;
	}
	return false;
}

static void
count_votes(const struct rd_case *c, struct rd_finding *r)
{
	*r = (struct rd_finding){.cause = ""};
	r->needed = c->n_ballots / 2 + 1;
	for (size_t i = 0; i < c->n_ballots; i++)
		count_ballot(&c->ballots[i], r);
}

/* --- replicas -------------------------------------------------------------------------------------------------------- */
static struct mono
at(const struct rd_ballot *b, int64_t age_us)
{
	return mono_add_us(b->received, -age_us);
}

static struct mono
last_answer(const struct rd_case *c)
{
	struct mono newest = c->answered;

	for (size_t i = 0; i < c->n_ballots; i++) {
		const struct rd_ballot *b = &c->ballots[i];
		if (b->facts == NULL || b->facts->answered_age_us == RD_VOTE_NEVER)
			continue;
		if (mono_before(newest, at(b, b->facts->answered_age_us)))
			newest = at(b, b->facts->answered_age_us);
	}
	return newest;
}

static const struct rd_replica_fact *
fact_of(const struct rd_ballot *b, const struct topo_key *key)
{
	if (b->facts == NULL)
		return NULL;
	for (size_t i = 0; i < b->facts->replicas.n; i++) {
		const struct rd_replica_fact *f = &b->facts->replicas.v[i];
		if (f->read && topo_key_equal(&f->key, key))
			return f;
	}
	return NULL;
}

static const struct rd_replica_fact *
freshest(const struct rd_case *c, struct rd_testimony *t)
{
	const struct rd_replica_fact *best = NULL;

	for (size_t i = 0; i < c->n_ballots; i++) {
		const struct rd_ballot *b = &c->ballots[i];
		const struct rd_replica_fact *f = fact_of(b, t->key);
		if (f == NULL || (best != NULL && !mono_before(t->read, at(b, f->read_age_us))))
			continue;
		best = f;
		t->read = at(b, f->read_age_us);
		t->reader = b->voter;
	}
	return best;
}

static bool
follows(const struct rd_case *c, const struct rd_replica_fact *f)
{
	if (topo_key_equal(&f->source_key, c->server))
		return true; /* names may resolve differently on each node, an uuid is the same everywhere */
	return !str_empty(c->server_uuid) && str_eq(f->source_uuid, c->server_uuid);
}

/* What others know of the receiver in the very state in which it was read last. What came in counts in any state. */
static void
add_memories(const struct rd_case *c, const struct rd_testimony *t, struct rd_sight *v)
{
	for (size_t i = 0; i < c->n_ballots; i++) {
		const struct rd_ballot *b = &c->ballots[i];
		const struct rd_replica_fact *f = fact_of(b, t->key);
		struct mono since;
		if (f == NULL)
			continue;
		v->heard |= f->heard && follows(c, f);
		if (f->io_state != (int64_t)v->io || f->io_errno != v->io_errno)
			continue;
		since = at(b, f->since_age_us);
		if (mono_before(since, v->since))
			v->since = since;
		v->witnessed |= f->witnessed;
		v->turned |= f->turned;
	}
}

static void
hear(const struct rd_case *c, struct rd_testimony *t, struct mono answered)
{
	const struct rd_replica_fact *f;

	t->view = (struct rd_sight){.answered = answered};
	t->read = (struct mono){0};
	t->reader = NULL;
	if ((f = freshest(c, t)) != NULL) {
		t->view.read = true;
		t->view.follows = follows(c, f);
		t->view.io = (enum topo_thread)f->io_state;
		t->view.sql_running = f->sql_running;
		t->view.io_errno = f->io_errno;
		t->view.since = t->read; /* not earlier, as far as this one knows */
		add_memories(c, t, &t->view);
	}
	t->word = t->tested != RD_WORD_UNREAD ? t->tested : rd_word_of(&t->view);
}

/* --- the verdict ----------------------------------------------------------------------------------------------------- */
static bool
is_testable(const struct rd_testimony *t)
{
	return !t->no_test && rd_sight_is_testable(&t->view);
}

static void
conclude(struct rd_finding *r, enum rd_verdict verdict, const struct topo_key *replica)
{
	r->verdict = verdict;
	r->replica = replica;
}

static void
judge_replicas(struct rd_case *c, struct rd_finding *r)
{
	const struct topo_key *hears = NULL, *to_test = NULL, *untested = NULL;
	struct mono answered = last_answer(c);
	bool somebody_lost_it = false;

	for (size_t i = c->n_replicas; i-- > 0;) {
		struct rd_testimony *t = &c->replicas[i];
		hear(c, t, answered);
		somebody_lost_it |= t->word == RD_WORD_DEAD;
		if (t->word == RD_WORD_ALIVE)
			hears = t->key;
		else if (rd_word_needs_test(t->word) && is_testable(t))
			to_test = t->key;
		else if (rd_word_needs_test(t->word))
			untested = t->key;
	}
	if (r->failed == r->refused && somebody_lost_it)
		untested = NULL;
	if (hears != NULL)
		conclude(r, RD_VERDICT_HEARD, hears);
	else if (to_test != NULL)
		conclude(r, RD_VERDICT_TEST, to_test);
	else if (untested != NULL)
		conclude(r, RD_VERDICT_UNTESTED, untested);
	else
		conclude(r, RD_VERDICT_DEAD, NULL);
}

void
rd_judge(struct rd_case *c, struct rd_finding *ret)
{
	count_votes(c, ret);
	if (ret->answered > 0)
		conclude(ret, leader_failed(c) && ret->failed == 1 ? RD_VERDICT_OWN_NETWORK : RD_VERDICT_ALIVE, NULL);
	else if (ret->failed < ret->needed)
		conclude(ret, RD_VERDICT_NO_QUORUM, NULL);
	else
		judge_replicas(c, ret);
}

/* --- the code -------------------------------------------------------------------------------------------------------- */
/* The rows as the vote found them: read just now or not at all. An error's text is not what counts (it may be in any
 * language), but the analysis looks for this one. */
static void
write_over(struct topo_instance *i, const struct rd_testimony *t, int64_t now_us)
{
	i->last_checked_us = i->last_attempted_us = now_us;
	i->last_seen_us = t->view.read ? now_us : 0;
	if (!t->view.read)
		return;
	i->io_running = t->word == RD_WORD_ALIVE;
	i->io_thread_state = (int64_t)t->view.io;
	i->sql_running = t->view.sql_running;
	i->last_io_error = t->word == RD_WORD_DEAD ? "error connecting to source" : "";
}

void
rd_judge_analysis(const struct rd_case *c, const struct topo_analysed *server,
		  const struct topo_analysed *const *replicas, const struct topo_analysis_rules *rules,
		  struct mem_arena *arena, struct topo_analysis *ret)
{
	struct topo_instance *rows = mem_arena_alloc(arena, (c->n_replicas + 1) * sizeof(*rows));
	struct topo_analysed *seen = mem_arena_alloc(arena, (c->n_replicas + 1) * sizeof(*seen));
	const struct topo_analysed **list = mem_arena_alloc(arena, (c->n_replicas + 1) * sizeof(*list));
	struct topo_analysed self = *server;
	size_t n = 0;

	for (size_t i = 0; i < c->n_replicas; i++) {
		if (replicas[i] == NULL || c->replicas[i].word == RD_WORD_ELSEWHERE)
			continue;
		rows[n] = *replicas[i]->inst;
		write_over(&rows[n], &c->replicas[i], rules->now.us);
		seen[n] = *replicas[i];
		seen[n].inst = &rows[n];
		list[n] = &seen[n];
		n++;
	}
	rows[n] = *server->inst;
	rows[n].last_check_partial_success = false;
	rows[n].last_checked_us = rows[n].last_attempted_us = rules->now.us;
	rows[n].last_seen_us = 0;
	self.inst = &rows[n];
	topo_analyse_one(&self, list, n, rules, arena, ret);
}

bool
rd_code_is_dead(enum topo_code code)
{
	return str_starts(topo_code_name(code), "Dead");
}

static bool
is_one_of(enum topo_code code, const enum topo_code *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (v[i] == code)
			return true;
	}
	return false;
}

bool
rd_code_is_detected(enum topo_code code)
{
	static const enum topo_code others[] = {TOPO_DEAD_PRIMARY_WITHOUT_REPLICAS,
						TOPO_DEAD_INTERMEDIATE_WITH_SINGLE_REPLICA};

	return rd_code_is_dead(code) && !is_one_of(code, others, ARRAY_LEN(others));
}

bool
rd_code_is_actionable(enum topo_code code)
{
	static const enum topo_code others[] = {TOPO_DEAD_PRIMARY_AND_REPLICAS, TOPO_DEAD_INTERMEDIATE_AND_REPLICAS};

	return rd_code_is_detected(code) && !is_one_of(code, others, ARRAY_LEN(others));
}
