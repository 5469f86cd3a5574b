/* rd_round.c — see rd_round.h. Pure. Owns copies of all that it was given. */
#include "rd_round.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "topo/key.h"

#define SAME_BEFORE_DOUBLING 5

int64_t
rd_round_rest_us(uint64_t verdict, unsigned same)
{
	unsigned doublings = same / SAME_BEFORE_DOUBLING;

	if (verdict == RD_VERDICT_HEARD && same == 1)
		return 0;
	return doublings >= 4 ? RD_ROUND_SELDOM_US : min_i64(RD_ROUND_AGAIN_US << doublings, RD_ROUND_SELDOM_US);
}

unsigned
rd_round_same_after(unsigned same, uint64_t verdict, enum rd_news news, enum topo_thread io)
{
	bool lost = news == RD_TURNED && io != TOPO_THREAD_RUNNING;

	return lost && verdict != RD_VERDICT_DEAD ? 0 : same;
}

bool
rd_round_may_restart(struct mono restarted, struct mono before, struct mono answered, struct mono now)
{
	if (restarted.us == 0)
		return true;
	if (!mono_before(restarted, answered))
		return mono_diff_us(now, restarted) >= RD_ROUND_RESTART_AGAIN_US;
	return before.us == 0 || mono_diff_us(now, before) >= RD_ROUND_RESTART_ANEW_US;
}

enum state { ASKING, READING, RESTARTING, PAUSING, FIRST_LOOK, LAST_LOOK, HOLDING, OVER };

struct voter {
	char *name;
	bool came, absent;
	struct rd_facts facts; /* owning when it came */
};

/* Of a replica, beside its testimony. */
struct test {
	bool restarted; /* asked to, in this round */
	bool waiting;	/* for the restart or for a reading */
	int64_t former_errno;
};

struct rd_round {
	enum state state;
	bool act_due;	 /* the action of the state was not taken yet */
	bool read_again; /* the silent replicas, since the question */
	bool restarted_any;
	struct rd_suspect_msg question; /* owning */
	char *self, *server_uuid;
	struct voter *voters;
	struct rd_ballot *ballots;     /* of the voters; borrow from them */
	struct rd_testimony *replicas; /* of question.replicas; keys borrowed from there */
	struct test *tests;
	struct topo_key_list targets; /* keys borrowed; room for all replicas */
	struct rd_case c;
	struct rd_finding finding;
	struct mono begun, asked, decisive; /* decisive.us 0: no majority has spoken yet */
	struct mono due, last_look;
	int64_t hold_us;
};

static void ask(struct rd_round *r, struct mono now);

/* --- making ---------------------------------------------------------------------------------------------------------- */
static void
copy_replicas(struct rd_round *r, const struct rd_suspect_replica_list *l)
{
	struct rd_suspect_replica_list some = {l->v, min_size(l->n, RD_VOTE_REPLICAS_MAX)};
	const struct rd_suspect_msg borrowed = {.key = r->question.key, .replicas = some};

	rec_dup(&rd_suspect_msg_desc, &r->question, &borrowed);
	r->replicas = mem_calloc(some.n + 1, sizeof(*r->replicas));
	r->tests = mem_calloc(some.n + 1, sizeof(*r->tests));
	r->targets.v = mem_calloc(some.n + 1, sizeof(*r->targets.v));
	for (size_t i = 0; i < some.n; i++)
		r->replicas[i].key = &r->question.replicas.v[i].key;
}

static void
copy_voters(struct rd_round *r, const char *const *names, size_t n)
{
	r->voters = mem_calloc(n + 1, sizeof(*r->voters));
	r->ballots = mem_calloc(n + 1, sizeof(*r->ballots));
	for (size_t i = 0; i < n; i++) {
		r->voters[i].name = mem_strdup(names[i]);
		r->ballots[i].voter = r->voters[i].name;
	}
}

struct rd_round *
rd_round_new(const struct rd_round_conf *conf, struct mono now)
{
	struct rd_round *r = mem_new(struct rd_round);

	ASSERT(conf->id != 0 && conf->n_voters > 0);
	r->question.key = *conf->server;
	copy_replicas(r, &conf->replicas);
	copy_voters(r, conf->voters, conf->n_voters);
	for (size_t i = 0; i < r->question.replicas.n; i++)
		r->replicas[i].no_test = !conf->may_restart;
	r->question.id = conf->id;
	r->question.wait_us = RD_ROUND_WAIT_US;
	r->self = mem_strdup(conf->self);
	r->server_uuid = mem_strdup(conf->server_uuid);
	r->hold_us = conf->hold_us;
	r->begun = now;
	r->c = (struct rd_case){.server = &r->question.key,
				.server_uuid = r->server_uuid,
				.self = r->self,
				.answered = conf->answered,
				.ballots = r->ballots,
				.n_ballots = conf->n_voters,
				.replicas = r->replicas,
				.n_replicas = r->question.replicas.n};
	ask(r, now);
	return r;
}

static void
forget_ballots(struct rd_round *r)
{
	for (size_t i = 0; i < r->c.n_ballots; i++) {
		struct voter *v = &r->voters[i];
		if (v->came)
			rec_done(&rd_facts_desc, &v->facts);
		v->came = v->absent = false;
		r->ballots[i].facts = NULL;
	}
}

void
rd_round_free(struct rd_round *r)
{
	if (r == NULL)
		return;
	forget_ballots(r);
	for (size_t i = 0; i < r->c.n_ballots; i++)
		free(r->voters[i].name);
	rec_done(&rd_suspect_msg_desc, &r->question);
	free(r->voters);
	free(r->ballots);
	free(r->replicas);
	free(r->tests);
	free(r->targets.v);
	free(r->self);
	free(r->server_uuid);
	free(r);
}

/* --- states ---------------------------------------------------------------------------------------------------------- */
static void
enter(struct rd_round *r, enum state state, struct mono due)
{
	r->state = state;
	r->due = due;
	r->act_due = true;
}

static void
end(struct rd_round *r, enum rd_verdict verdict, struct mono now)
{
	r->finding.verdict = verdict;
	enter(r, OVER, now);
}

static void
ask(struct rd_round *r, struct mono now)
{
	forget_ballots(r);
	for (size_t i = 0; i < r->c.n_replicas; i++) {
		r->replicas[i].tested = RD_WORD_UNREAD;
		r->replicas[i].no_test |= r->tests[i].restarted; /* once in a round */
	}
	r->question.ask++;
	r->question.answered_age_us =
	    r->c.answered.us == 0 ? RD_VOTE_NEVER : max_i64(0, mono_diff_us(now, r->c.answered));
	r->asked = now;
	r->read_again = false;
	r->decisive = (struct mono){0};
	r->finding = (struct rd_finding){.verdict = RD_VERDICT_OPEN, .cause = ""};
	enter(r, ASKING, mono_add_us(now, RD_ROUND_WAIT_US + RD_ROUND_GRACE_US));
}

static void
add_target(struct rd_round *r, size_t i)
{
	r->tests[i].waiting = true;
	r->targets.v[r->targets.n++] = *r->replicas[i].key;
}

static void
target_testable(struct rd_round *r)
{
	r->targets.n = 0;
	for (size_t i = 0; i < r->c.n_replicas; i++) {
		const struct rd_testimony *t = &r->replicas[i];
		if (rd_word_needs_test(t->word) && !t->no_test && rd_sight_is_testable(&t->view))
			add_target(r, i);
	}
}

static void
restart(struct rd_round *r, struct mono now)
{
	target_testable(r);
	for (size_t i = 0; i < r->c.n_replicas; i++) {
		if (!r->tests[i].waiting)
			continue;
		r->tests[i].restarted = r->restarted_any = true;
		r->tests[i].former_errno = r->replicas[i].view.io_errno;
	}
	enter(r, RESTARTING, mono_add_us(now, RD_ROUND_RESTART_US));
}

/* While the voters waited for an answer a replica may have noticed by itself that its source is gone: then it needs no
 * restart, and would take seconds for one. */
static void
test(struct rd_round *r, struct mono now)
{
	if (r->read_again) {
		restart(r, now);
		return;
	}
	r->read_again = true;
	target_testable(r);
	enter(r, READING, mono_add_us(now, RD_ROUND_REREAD_US));
}

static void
stop_waiting(struct rd_round *r)
{
	for (size_t i = 0; i < r->c.n_replicas; i++)
		r->tests[i].waiting = false;
}

/* No word of it: who knows what it did. */
static void
give_up_waiting(struct rd_round *r)
{
	for (size_t i = 0; i < r->c.n_replicas; i++)
		r->replicas[i].no_test |= r->tests[i].waiting;
	stop_waiting(r);
}

/* At those that were restarted and have not told anything yet. */
static void
look(struct rd_round *r, enum state state, struct mono due)
{
	r->targets.n = 0;
	for (size_t i = 0; i < r->c.n_replicas; i++) {
		const struct rd_testimony *t = &r->replicas[i];
		r->tests[i].waiting = false;
		if (r->tests[i].restarted && !t->no_test && t->tested == RD_WORD_UNREAD)
			add_target(r, i);
	}
	enter(r, state, due);
}

static void
conclude_dead(struct rd_round *r, struct mono now)
{
	if (mono_diff_us(now, r->asked) > RD_ROUND_OLD_US) {
		end(r, RD_VERDICT_TOO_OLD, now);
		return;
	}
	if (mono_diff_us(now, r->begun) >= r->hold_us) {
		end(r, RD_VERDICT_DEAD, now);
		return;
	}
	r->finding.verdict = RD_VERDICT_HELD;
	enter(r, HOLDING, mono_add_us(r->begun, r->hold_us));
}

static void
judge(struct rd_round *r, struct mono now)
{
	rd_judge(&r->c, &r->finding);
	if (r->finding.verdict == RD_VERDICT_TEST)
		test(r, now);
	else if (r->finding.verdict == RD_VERDICT_DEAD)
		conclude_dead(r, now);
	else
		end(r, r->finding.verdict, now);
}

/* --- time and completeness ------------------------------------------------------------------------------------------- */
static bool
all_spoke(const struct rd_round *r)
{
	for (size_t i = 0; i < r->c.n_ballots; i++) {
		if (!r->voters[i].came && !r->voters[i].absent)
			return false;
	}
	return true;
}

static bool
is_waiting(const struct rd_round *r)
{
	for (size_t i = 0; i < r->c.n_replicas; i++) {
		if (r->tests[i].waiting)
			return true;
	}
	return false;
}

/* Whether the first look has told enough: somebody hears the server, or everybody has told. */
static bool
looked_enough(const struct rd_round *r)
{
	bool all = true;

	for (size_t i = 0; i < r->c.n_replicas; i++) {
		const struct rd_testimony *t = &r->replicas[i];
		if (t->tested == RD_WORD_ALIVE)
			return true;
		all &= !r->tests[i].restarted || t->no_test || t->tested != RD_WORD_UNREAD;
	}
	return all;
}

static bool
own_came(const struct rd_round *r)
{
	for (size_t i = 0; i < r->c.n_ballots; i++) {
		if (str_eq(r->voters[i].name, r->self))
			return r->voters[i].came;
	}
	return false;
}

/* A majority that could not reach it, or anybody who could: the rest gets a moment. When it lives there is no hurry, and
 * whether it is the leader alone that cannot reach it is worth knowing: its own time-out takes longer than an answer. */
static void
note_decisive(struct rd_round *r, struct mono now)
{
	struct rd_finding f;

	if (r->decisive.us != 0)
		return;
	rd_judge(&r->c, &f);
	if (f.answered > 0 ? !own_came(r) : f.failed < f.needed)
		return;
	r->decisive = now;
	r->due = mono_add_us(now, RD_ROUND_GRACE_US);
}

static void
end_restarts(struct rd_round *r, struct mono now)
{
	give_up_waiting(r);
	r->last_look = mono_add_us(now, RD_ROUND_LAST_LOOK_US);
	enter(r, PAUSING, mono_add_us(now, RD_ROUND_FIRST_LOOK_US));
}

static void
advance(struct rd_round *r, struct mono now)
{
	bool due = !mono_before(now, r->due);

	switch (r->state) {
	case ASKING:
		if (due || all_spoke(r))
			judge(r, now);
		break;
	case READING:
		if (!due && is_waiting(r))
			break;
		stop_waiting(r);
		judge(r, now);
		break;
	case RESTARTING:
		if (due || !is_waiting(r))
			end_restarts(r, now);
		break;
	case PAUSING:
		if (due)
			look(r, FIRST_LOOK, r->last_look);
		break;
	case FIRST_LOOK:
		if (looked_enough(r))
			judge(r, now);
		else if (due)
			look(r, LAST_LOOK, mono_add_us(now, RD_ROUND_READ_US));
		break;
	case LAST_LOOK:
		if (!due && is_waiting(r))
			break;
		give_up_waiting(r);
		judge(r, now);
		break;
	case HOLDING:
		if (due)
			ask(r, now);
		break;
	case OVER:
		break;
	}
}

/* --- what to do ------------------------------------------------------------------------------------------------------ */
static enum rd_act
act_of(enum state state)
{
	static const enum rd_act acts[] = {
	    [ASKING] = RD_ACT_ASK,   [READING] = RD_ACT_READ,	 [RESTARTING] = RD_ACT_RESTART,
	    [PAUSING] = RD_ACT_NONE, [FIRST_LOOK] = RD_ACT_READ, [LAST_LOOK] = RD_ACT_READ,
	    [HOLDING] = RD_ACT_NONE, [OVER] = RD_ACT_DONE,
	};

	return acts[state];
}

enum rd_act
rd_round_next(struct rd_round *r, struct mono now)
{
	if (!r->act_due)
		advance(r, now);
	while (r->act_due) { /* states without an action of their own wait for a time, so this ends */
		r->act_due = false;
		if (act_of(r->state) != RD_ACT_NONE)
			return act_of(r->state);
		advance(r, now);
	}
	return RD_ACT_NONE;
}

struct mono
rd_round_due(const struct rd_round *r)
{
	return r->due;
}

const struct rd_suspect_msg *
rd_round_question(const struct rd_round *r)
{
	return &r->question;
}

const struct topo_key_list *
rd_round_targets(const struct rd_round *r)
{
	return &r->targets;
}

/* --- what happened --------------------------------------------------------------------------------------------------- */
static size_t
voter_at(const struct rd_round *r, const char *name)
{
	size_t i = 0;

	while (i < r->c.n_ballots && !str_eq(r->voters[i].name, name))
		i++;
	return i;
}

static size_t
replica_at(const struct rd_round *r, const struct topo_key *key)
{
	size_t i = 0;

	while (i < r->c.n_replicas && !topo_key_equal(r->replicas[i].key, key))
		i++;
	return i;
}

static void
take_facts(struct rd_round *r, size_t i, const struct rd_facts *f)
{
	struct voter *v = &r->voters[i];

	if (v->came)
		rec_done(&rd_facts_desc, &v->facts);
	rec_dup(&rd_facts_desc, &v->facts, f);
	v->came = true;
	r->ballots[i].facts = &v->facts;
}

void
rd_round_facts(struct rd_round *r, const char *voter, const struct rd_facts *f, struct mono now)
{
	size_t i = voter_at(r, voter);
	bool answered = rd_reach_of(f->evidence) == RD_REACH_ANSWERED;

	if (r->state == OVER || i == r->c.n_ballots || f->id != r->question.id || f->ask != r->question.ask)
		return;
	/* after the vote, only life is news */
	if (!answered && (r->state != ASKING || r->voters[i].came))
		return;
	take_facts(r, i, f);
	r->ballots[i].received = now;
	if (r->state == ASKING)
		note_decisive(r, now);
	else
		judge(r, now);
}

void
rd_round_absent(struct rd_round *r, const char *voter, struct mono now UNUSED)
{
	size_t i = voter_at(r, voter);

	if (i < r->c.n_ballots)
		r->voters[i].absent = true;
}

void
rd_round_restarted(struct rd_round *r, const struct topo_key *replica, bool ok, struct mono now UNUSED)
{
	size_t i = replica_at(r, replica);

	if (r->state != RESTARTING || i == r->c.n_replicas || !r->tests[i].waiting)
		return;
	r->tests[i].waiting = false;
	r->replicas[i].no_test |= !ok;
}

void
rd_round_reading(struct rd_round *r, const struct topo_key *replica, const struct rd_reading *reading,
		 struct mono now UNUSED)
{
	bool last = r->state == LAST_LOOK;
	size_t i = replica_at(r, replica);
	enum rd_word word;

	if ((!last && r->state != FIRST_LOOK && r->state != READING) || i == r->c.n_replicas || !r->tests[i].waiting)
		return;
	r->tests[i].waiting = false;
	if (r->state == READING) {
		if (reading != NULL)
			r->replicas[i].tested = rd_word_since(&r->replicas[i].view, reading->io, reading->io_errno);
		return;
	}
	if (reading == NULL) {
		r->replicas[i].no_test |= last;
		return;
	}
	word = rd_word_after_restart(reading->io, reading->io_errno, r->tests[i].former_errno, last);
	if (word != RD_WORD_SILENT)
		r->replicas[i].tested = word;
}

void
rd_round_answered(struct rd_round *r, const char *cause, struct mono now)
{
	if (r->state == OVER)
		return;
	r->finding.cause = cause;
	r->finding.witness = r->self;
	r->finding.answered += r->finding.answered == 0;
	r->finding.needed = r->c.n_ballots / 2 + 1;
	end(r, RD_VERDICT_ALIVE, now);
}

void
rd_round_lease_lost(struct rd_round *r, struct mono now)
{
	if (r->state != OVER)
		end(r, RD_VERDICT_GIVEN_UP, now);
}

/* --- what came of it ------------------------------------------------------------------------------------------------- */
bool
rd_round_is_over(const struct rd_round *r)
{
	return r->state == OVER;
}

const struct rd_finding *
rd_round_finding(const struct rd_round *r)
{
	return &r->finding;
}

const struct rd_case *
rd_round_case(const struct rd_round *r)
{
	return &r->c;
}

bool
rd_round_restarted_any(const struct rd_round *r)
{
	return r->restarted_any;
}
