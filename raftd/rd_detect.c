/* rd_detect.c — suspicions, and the votes that this node as the leader holds about suspected servers (design.md section 6).
 * Who is suspected, what a round does next and what it concludes is decided in detect/; this carries it out and tells what
 * came of it. Owns the rounds and the timer. Called for every probe result, lost connection and message of the channel. */
#include "rd_detect_private.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/str.h"
#include "group/rd_group.h"
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
	struct mono votes = rd_detect_votes_work(d), rounds = rounds_work(d);
	struct mono soonest = mono_before(votes, rounds) ? votes : rounds;
	struct timeval wait;

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
	d->timer = evtimer_new(n->base, on_timer, d);
	ASSERT(d->timer != NULL);
	return d;
}

static void
drop(struct rd_detect *d, struct rd_asking *a)
{
	LIST_REMOVE(a, next);
	d->n_rounds--;
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
	event_free(d->timer);
	free(d);
}

/* --- what came of a round -------------------------------------------------------------------------------------------- */
static void
say_ballots(const struct rd_case *c)
{
	for (size_t i = 0; i < c->n_ballots; i++) {
		const struct rd_facts *f = c->ballots[i].facts;
		if (f == NULL)
			log_info("detect", "instance=%s voter=%s has not answered", TOPO_KEY_TEXT(c->server),
				 LOG_Q(c->ballots[i].voter));
		else
			log_info("detect", "instance=%s voter=%s sees=%s errno=%lld attempts=%llu cause=%s",
				 TOPO_KEY_TEXT(c->server), LOG_Q(c->ballots[i].voter), topo_evidence_text(f->evidence),
				 (long long)f->errno_mysql, (unsigned long long)f->failed,
				 LOG_Q(rd_cause(f->evidence, f->found, f->errno_mysql)));
	}
	for (size_t i = 0; i < c->n_replicas; i++)
		log_info("detect", "instance=%s replica=%s says=%s", TOPO_KEY_TEXT(c->server),
			 TOPO_KEY_TEXT(c->replicas[i].key), LOG_Q(rd_word_text(c->replicas[i].word)));
}

/* The code of what the voters saw together, with this node's rows of the rest. */
static enum topo_code
code_of(struct rd_detect *d, const struct rd_case *c, const struct rd_server *s)
{
	const struct topo_analysed server = {.inst = &s->inst};
	struct topo_analysed *rows = mem_calloc(c->n_replicas + 1, sizeof(*rows));
	const struct topo_analysed **list = mem_calloc(c->n_replicas + 1, sizeof(*list));
	struct topo_analysis_rules rules = d->n->rules->analysis;
	struct mem_arena arena = {0};
	struct topo_analysis a;
	enum topo_code code;

	rules.now = clk_wall(d->n->clock);
	for (size_t i = 0; i < c->n_replicas; i++) {
		const struct rd_server *r = rd_model_find(&d->n->model, c->replicas[i].key);
		if (r == NULL)
			continue;
		rows[i].inst = &r->inst;
		list[i] = &rows[i];
	}
	rd_judge_analysis(c, &server, list, &rules, &arena, &a);
	code = (enum topo_code)a.code;
	mem_arena_done(&arena);
	free(rows);
	free(list);
	return code;
}

static void
say_verdict(const struct rd_server *s, enum rd_verdict verdict, enum topo_code code, const struct rd_finding *f)
{
	struct str_buf b = {0};

	str_buf_printf(&b, "%s", rd_verdict_text(verdict));
	if (f->cause[0] != '\0')
		str_buf_printf(&b, " (%s)", f->cause);
	log_notice("detect", "instance=%s verdict=%s failed=%zu answered=%zu needed=%zu analysis=%s: %s", s->text,
		   rd_verdict_name(verdict), f->failed, f->answered, f->needed, topo_code_name(code),
		   b.p); /* tests: test_votes.py */
	str_buf_done(&b);
}

static const char *
alias_of(struct rd_detect *d, const struct rd_server *s)
{
	const struct db_cluster_alias_override key = {.cluster_name = s->inst.cluster_name};
	const struct db_cluster_alias_override *row =
	    rd_state_get(rd_decisions(d->n), RD_TABLE_cluster_alias_override, &key);

	return row != NULL ? row->alias : s->inst.suggested_cluster_alias;
}

/* --- the record ------------------------------------------------------------------------------------------------------ */
#define LISTED_MAX 256

static struct rd_witness
of_ballot(const struct rd_ballot *b)
{
	const struct rd_facts *f = b->facts;

	if (f == NULL)
		return (struct rd_witness){.witness = b->voter, .seen = "no answer", .cause = "", .reader = ""};
	return (struct rd_witness){.witness = b->voter,
				   .seen = topo_evidence_text(f->evidence),
				   .cause = rd_cause(f->evidence, f->found, f->errno_mysql),
				   .errno_mysql = f->errno_mysql,
				   .attempts = f->failed,
				   .reader = "",
				   .seen_us = f->at_us};
}

static struct rd_witness
of_replica(const struct rd_testimony *t, const struct topo_key_text *name)
{
	return (struct rd_witness){.witness = name->text,
				   .is_replica = true,
				   .seen = rd_word_text(t->word),
				   .cause = "",
				   .errno_mysql = t->view.io_errno,
				   .reader = t->reader == NULL ? "" : t->reader};
}

static void
on_registered(void *ctx UNUSED, const struct rd_proposed *p)
{
	if (p->e != NULL) /* who leads next holds a vote of its own */
		log_warning("detect", "a failure that was detected is not recorded: %s", p->e->msg);
}

static void
propose(struct rd_detect *d, const struct rd_cmd_register_failure_detection *c)
{
	struct err e;

	if (rd_propose_register_failure_detection(d->n->decide, c, on_registered, d, &e) != 0)
		log_warning("detect", "failure of instance=%s is not recorded: %s", TOPO_KEY_TEXT(&c->key), e.msg);
}

static void
record(struct rd_detect *d, const struct rd_case *c, const struct rd_server *s, enum topo_code code)
{
	size_t listed = min_size(c->n_replicas, LISTED_MAX), n = c->n_ballots;
	struct rd_witness *seen = mem_calloc(n + listed, sizeof(*seen));
	struct topo_key_text *names = mem_calloc(listed + 1, sizeof(*names));
	struct topo_key *keys = mem_calloc(listed + 1, sizeof(*keys));

	for (size_t i = 0; i < n; i++)
		seen[i] = of_ballot(&c->ballots[i]);
	for (size_t i = 0; i < listed; i++) {
		keys[i] = *c->replicas[i].key;
		names[i] = topo_key_text(&keys[i]);
		seen[n + i] = of_replica(&c->replicas[i], &names[i]);
	}
	topo_key_list_sort(&(struct topo_key_list){keys, listed});
	propose(d, &(struct rd_cmd_register_failure_detection){.key = *c->server,
							       .analysis = topo_code_name(code),
							       .cluster_name = s->inst.cluster_name,
							       .cluster_alias = alias_of(d, s),
							       .is_actionable = rd_code_is_actionable(code),
							       .token = proc_setup(d->n->proc)->node_token,
							       .count_replicas = c->n_replicas,
							       .replicas = {keys, listed},
							       .witnesses = {seen, n + listed}});
	free(keys);
	free(names);
	free(seen);
}

/* Said when it differs from what was found before: the same is found again every second. Nobody acts on it yet. */
static void
conclude(struct rd_detect *d, const struct rd_round *r)
{
	const struct rd_case *c = rd_round_case(r);
	const struct rd_finding *f = rd_round_finding(r);
	struct rd_server *s = rd_model_find(&d->n->model, c->server);
	enum topo_code code = TOPO_NO_PROBLEM;
	enum rd_verdict verdict = f->verdict;

	if (s == NULL)
		return;
	s->vote_ended = rd_mono(d->n);
	if (verdict == RD_VERDICT_DEAD && !rd_code_is_dead(code = code_of(d, c, s)))
		verdict = RD_VERDICT_NO_FAILURE;
	if (s->verdict == (uint64_t)verdict)
		return;
	s->verdict = verdict;
	say_ballots(c);
	say_verdict(s, verdict, code, f);
	if (verdict == RD_VERDICT_DEAD && rd_code_is_detected(code))
		record(d, c, s, code);
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

/* May drop a. */
static void
work(struct rd_detect *d, struct rd_asking *a)
{
	struct mono now = rd_mono(d->n);
	enum rd_act act;

	if (!rd_node_leads(d->n))
		rd_round_lease_lost(a->round, now);
	while ((act = rd_round_next(a->round, now)) != RD_ACT_NONE) {
		if (act == RD_ACT_ASK)
			ask(d, a->round);
		if (act != RD_ACT_DONE)
			continue; /* receivers are not restarted from here (may_restart is false) */
		conclude(d, a->round);
		drop(d, a);
		return;
	}
	rd_detect_arm(d);
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
	struct rd_round_conf conf = {.id = (who->term << 24) + ++d->last_id,
				     .self = who->self,
				     .voters = who->names,
				     .n_voters = who->n,
				     .server = &s->inst.key,
				     .server_uuid = s->inst.server_uuid,
				     .replicas = *replicas,
				     .answered = s->seen.answered,
				     .hold_us = rd_rules_hold_us(d->n->rules, s->inst.cluster_name, alias_of(d, s))};
	struct rd_asking *a = mem_new(struct rd_asking);

	a->round = rd_round_new(&conf, rd_mono(d->n));
	LIST_INSERT_HEAD(&d->rounds, a, next);
	d->n_rounds++;
	work(d, a);
}

static bool
rests(struct rd_detect *d, const struct rd_server *s)
{
	return s->vote_ended.us != 0 && mono_diff_us(rd_mono(d->n), s->vote_ended) < RD_ROUND_AGAIN_US;
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
		d->overflows++;
		return;
	}
	replicas = replicas_of(d, s);
	if (replicas.n > 0 && electorate(d, &who))
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
		log_notice("detect", "instance=%s answers again", s->text);
		s->verdict = RD_VERDICT_OPEN;
	}
}

void
rd_detect_probed(struct rd_node *n, struct rd_server *s, const struct topo_probe *p)
{
	struct rd_attempt a = rd_attempt_of(p, rd_mono(n));
	struct rd_reading reading;

	rd_seen_attempt(&s->seen, &a);
	if (p->found) {
		reading = rd_reading_of(p, a.ended);
		(void)rd_heard_note(&s->heard, &reading);
	}
	if (rd_reach_of(p->evidence) == RD_REACH_ANSWERED)
		note_answer(n->detect, s, &a);
	else
		look_at(n->detect, s);
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
