/* rd_detect_end.c — what comes of a round: the log, the record, and whoever acts on it (rd_detect.h). Owns nothing; called
 * by rd_detect.c at the end of each round and for each answer of a server. */
#include <stdlib.h>

#include "base/log.h"
#include "base/str.h"
#include "group/rd_group.h"
#include "rd_detect_private.h"
#include "rd_recover_begin.h"
#include "rd_recoveries.h"
#include "topo/key.h"

#define SAID_MAX 16 /* replicas; in the record stand more */

/* --- the log --------------------------------------------------------------------------------------------------------- */
static void
say_ballots(const struct rd_case *c)
{
	for (size_t i = 0; i < c->n_ballots; i++) {
		const struct rd_facts *f = c->ballots[i].facts;
		if (f == NULL)
			log_notice("detect", "instance=%s voter=%s has not answered", TOPO_KEY_TEXT(c->server),
				   LOG_Q(c->ballots[i].voter));
		else
			log_notice("detect", "instance=%s voter=%s sees=%s errno=%lld attempts=%llu cause=%s",
				   TOPO_KEY_TEXT(c->server), LOG_Q(c->ballots[i].voter),
				   topo_evidence_text(f->evidence), (long long)f->errno_mysql,
				   (unsigned long long)f->failed,
				   LOG_Q(rd_cause(f->evidence, f->found, f->errno_mysql))); /* tests: test_votes.py */
	}
}

static void
say_replicas(const struct rd_case *c)
{
	for (size_t i = 0; i < min_size(c->n_replicas, SAID_MAX); i++)
		log_notice("detect", "instance=%s replica=%s says=%s errno=%lld", TOPO_KEY_TEXT(c->server),
			   TOPO_KEY_TEXT(c->replicas[i].key), LOG_Q(rd_word_text(c->replicas[i].word)),
			   (long long)c->replicas[i].view.io_errno);
	if (c->n_replicas > SAID_MAX)
		log_notice("detect", "instance=%s has %zu more replicas", TOPO_KEY_TEXT(c->server),
			   c->n_replicas - SAID_MAX);
}

/* Appends. */
static void
describe(enum rd_verdict verdict, const struct rd_finding *f, struct str_buf *b)
{
	str_buf_add(b, rd_verdict_text(verdict));
	if (f->cause[0] != '\0')
		str_buf_printf(b, " (%s)", f->cause);
	if (f->replica != NULL)
		str_buf_printf(b, "; replica %s", TOPO_KEY_TEXT(f->replica));
}

static void
say_verdict(const struct rd_server *s, enum rd_verdict verdict, const char *code, const struct rd_finding *f)
{
	struct str_buf b = {0};

	describe(verdict, f, &b);
	log_notice("detect", "instance=%s verdict=%s failed=%zu answered=%zu needed=%zu analysis=%s: %s", s->text,
		   rd_verdict_name(verdict), f->failed, f->answered, f->needed, code, b.p); /* tests: test_votes.py */
	str_buf_done(&b);
}

/* --- the merged view ------------------------------------------------------------------------------------------------- */
/* What the voters saw together, with this node's rows of the rest. ret borrows from the model and the arena. */
static void
merge(struct rd_detect *d, const struct rd_case *c, const struct rd_server *s, struct mem_arena *arena,
      struct topo_analysis *ret)
{
	const struct topo_analysed server = {.inst = &s->inst};
	struct topo_analysed *rows = mem_arena_alloc(arena, (c->n_replicas + 1) * sizeof(*rows));
	const struct topo_analysed **list = mem_arena_alloc(arena, (c->n_replicas + 1) * sizeof(*list));
	struct topo_analysis_rules rules = d->n->rules->analysis;

	rules.now = clk_wall(d->n->clock);
	for (size_t i = 0; i < c->n_replicas; i++) {
		const struct rd_server *r = rd_model_find(&d->n->model, c->replicas[i].key);
		list[i] = NULL;
		if (r == NULL)
			continue;
		rows[i] = (struct topo_analysed){.inst = &r->inst};
		list[i] = &rows[i];
	}
	rd_judge_analysis(c, &server, list, &rules, arena, ret);
}

const char *
rd_detect_alias(const struct rd_node *n, const struct rd_server *s)
{
	const struct db_cluster_alias_override key = {.cluster_name = s->inst.cluster_name};
	const struct db_cluster_alias_override *row =
	    rd_state_get(rd_decisions(n), RD_TABLE_cluster_alias_override, &key);

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

/* The next verdict about each is news again, and proposed. */
static void
not_recorded(struct rd_detect *d)
{
	for (struct rd_server *s = d->n->model.servers; s != NULL; s = s->hh.next) {
		if (s->verdict == RD_VERDICT_DEAD)
			s->verdict = RD_VERDICT_OPEN;
	}
}

static void
on_registered(void *ctx, const struct rd_proposed *p)
{
	struct rd_detect *d = ctx;
	bool is_recorded = p->outcome == RD_COMMITTED;

	if (!is_recorded) { /* who leads next holds a vote of its own */
		log_warning("detect", "a failure that was detected is not recorded: %s", p->e->msg);
		not_recorded(d);
	}
	if (d->ops != NULL)
		d->ops->recorded(d->n, is_recorded ? p->id : 0);
}

static bool
propose(struct rd_detect *d, const struct rd_cmd_register_failure_detection *c)
{
	struct err e;

	if (rd_propose_register_failure_detection(d->n->decide, c, on_registered, d, &e) == 0)
		return true;
	log_warning("detect", "failure of instance=%s is not recorded: %s", TOPO_KEY_TEXT(&c->key), e.msg);
	not_recorded(d);
	return false;
}

static bool
record(struct rd_detect *d, const struct rd_dead *dead, enum topo_code code)
{
	const struct rd_case *c = dead->c;
	size_t listed = min_size(c->n_replicas, LISTED_MAX), n = c->n_ballots;
	struct rd_witness *seen = mem_calloc(n + listed, sizeof(*seen));
	struct topo_key_text *names = mem_calloc(listed + 1, sizeof(*names));
	struct topo_key *keys = mem_calloc(listed + 1, sizeof(*keys));
	bool proposed;

	for (size_t i = 0; i < n; i++)
		seen[i] = of_ballot(&c->ballots[i]);
	for (size_t i = 0; i < listed; i++) {
		keys[i] = *c->replicas[i].key;
		names[i] = topo_key_text(&keys[i]);
		seen[n + i] = of_replica(&c->replicas[i], &names[i]);
	}
	topo_key_list_sort(&(struct topo_key_list){keys, listed});
	proposed = propose(d, &(struct rd_cmd_register_failure_detection){.key = *c->server,
									  .analysis = topo_code_name(code),
									  .cluster_name = dead->cluster_name,
									  .cluster_alias = dead->cluster_alias,
									  .is_actionable = rd_code_is_actionable(code),
									  .token = proc_setup(d->n->proc)->node_token,
									  .count_replicas = c->n_replicas,
									  .replicas = {keys, listed},
									  .witnesses = {seen, n + listed}});
	free(keys);
	free(names);
	free(seen);
	return proposed;
}

/* --- the newest vote, for operators who ask: what was seen where no failure was confirmed ------------------------------ */
/* An answer to the leader's own probe ends a vote before its ballot is in. */
static void
describe_ballot(const struct rd_ballot *ballot, const struct rd_finding *finding, struct str_buf *b)
{
	struct rd_witness w = of_ballot(ballot);

	if (ballot->facts == NULL && finding->witness != NULL && str_eq(finding->witness, ballot->voter)) {
		w.seen = topo_evidence_text(TOPO_EVIDENCE_ANSWERED);
		w.cause = finding->cause;
	}
	str_buf_printf(b, "%s%s: %s", b->len == 0 ? "" : "; ", w.witness, w.seen);
	if (w.cause[0] != '\0')
		str_buf_printf(b, " (%s)", w.cause);
}

static void
write_down(struct rd_detect *d, const struct rd_case *c, const struct rd_finding *f, enum rd_verdict verdict,
	   const char *code)
{
	struct str_buf description = {0}, seen = {0};

	describe(verdict, f, &description);
	for (size_t i = 0; i < c->n_ballots; i++)
		describe_ballot(&c->ballots[i], f, &seen);
	rd_flush_row(d->n, RD_CHANGE_UPSERT, DB_TABLE_vote,
		     &(struct db_vote){.hostname = c->server->hostname,
				       .port = c->server->port,
				       .verdict = rd_verdict_name(verdict),
				       .analysis = code,
				       .description = str_buf_text(&description),
				       .seen = str_buf_text(&seen),
				       .failed = f->failed,
				       .answered = f->answered,
				       .needed = f->needed,
				       .decided_at_us = rd_now_us(d->n)});
	str_buf_done(&description);
	str_buf_done(&seen);
}

void
rd_detect_say_held(struct rd_detect *d, const struct rd_asking *a)
{
	const struct rd_case *c = rd_round_case(a->round);
	struct rd_server *s = rd_model_find(&d->n->model, c->server);
	struct topo_analysis analysis;
	struct mem_arena arena = {0};

	log_notice("detect", "instance=%s verdict=%s: %s", TOPO_KEY_TEXT(c->server), rd_verdict_name(RD_VERDICT_HELD),
		   rd_verdict_text(RD_VERDICT_HELD)); /* tests: test_votes.py */
	say_ballots(c);
	if (s == NULL || s->verdict == RD_VERDICT_DEAD) /* told before, and it is dead still */
		return;
	s->verdict = RD_VERDICT_HELD;
	merge(d, c, s, &arena, &analysis);
	write_down(d, c, rd_round_finding(a->round), RD_VERDICT_HELD, topo_code_name((enum topo_code)analysis.code));
	mem_arena_done(&arena);
}

void
rd_detect_write_answer(struct rd_detect *d, const struct rd_server *s, const struct rd_electorate *who,
		       const char *cause)
{
	const struct rd_ballot own = {.voter = who->self};
	const struct rd_case c = {.server = &s->inst.key, .ballots = &own, .n_ballots = 1};
	const struct rd_finding f = {.answered = 1, .needed = who->n / 2 + 1, .witness = who->self, .cause = cause};

	write_down(d, &c, &f, RD_VERDICT_ALIVE, topo_code_name(TOPO_NO_PROBLEM));
}

/* --- whoever acts on it ---------------------------------------------------------------------------------------------- */
void
rd_detect_listen(struct rd_node *n, const struct rd_detect_ops *ops)
{
	n->detect->ops = ops;
}

static void
tell_dead(struct rd_detect *d, struct rd_dead *dead)
{
	struct rd_server *s = dead->server;

	s->dead_code = dead->analysis->code;
	s->dead_term = dead->term;
	s->back = 0;
	if (d->ops != NULL)
		d->ops->dead(d->n, dead);
}

void
rd_detect_tell_back(struct rd_detect *d, struct rd_server *s, enum rd_back back)
{
	if (s->dead_code == TOPO_NO_PROBLEM || s->back >= (unsigned)back)
		return;
	s->back = (unsigned)back;
	if (d->ops != NULL && rd_node_leads(d->n))
		d->ops->back(d->n, s, back);
	if (back == RD_BACK_READ)
		s->dead_code = TOPO_NO_PROBLEM;
}

/* --- the end of a round ---------------------------------------------------------------------------------------------- */
static void
count(struct rd_metrics *m, enum rd_verdict verdict)
{
	m->votes_dead += verdict == RD_VERDICT_DEAD;
	m->votes_own_network += verdict == RD_VERDICT_OWN_NETWORK;
	m->votes_alive +=
	    verdict == RD_VERDICT_ALIVE || verdict == RD_VERDICT_HEARD || verdict == RD_VERDICT_NO_FAILURE;
	m->votes_undecided +=
	    verdict == RD_VERDICT_NO_QUORUM || verdict == RD_VERDICT_UNTESTED || verdict == RD_VERDICT_TOO_OLD;
}

static void
count_failure(struct rd_metrics *m, const struct rd_server *s, int64_t now_us)
{
	int64_t since_us = s->last.first_failed_us;

	m->detections++;
	if (since_us != 0)
		m->detect_us += (uint64_t)max_i64(0, now_us - since_us);
}

/* Others reach it, and this node, which leads, does not: somebody else may lead. */
static void
give_way(struct rd_detect *d, const struct rd_server *s, const struct rd_finding *f)
{
	bool own = f->verdict == RD_VERDICT_OWN_NETWORK && f->answered >= f->needed;

	if (d->n->group == NULL || !rd_away_note(&d->away, own, d->term, rd_mono(d->n)))
		return;
	log_warning("detect", "instance=%s answers a majority of the nodes but not this one, which leads", s->text);
	rd_group_give_way(d->n->group, "its network is in trouble"); /* tests: test_votes.py */
}

/* Said and recorded when it differs from what was found before: the same is found again every second. */
static void
finish(struct rd_detect *d, struct rd_dead *dead)
{
	struct rd_server *s = dead->server;
	enum topo_code code = (enum topo_code)dead->analysis->code;
	enum rd_verdict verdict = dead->finding->verdict;
	bool is_news, has_other_code;

	if (verdict == RD_VERDICT_DEAD && !rd_code_is_dead(code))
		verdict = RD_VERDICT_NO_FAILURE;
	count(&d->n->metrics, verdict);
	is_news = s->verdict != (uint64_t)verdict;
	has_other_code = verdict == RD_VERDICT_DEAD && rd_code_is_detected(code) && s->dead_code != TOPO_NO_PROBLEM &&
			 s->dead_code != code;
	s->same_votes = is_news ? 1 : s->same_votes + 1;
	s->verdict = verdict;
	if (is_news || has_other_code) {
		say_ballots(dead->c);
		say_replicas(dead->c);
		say_verdict(s, verdict, topo_code_name(code), dead->finding);
		write_down(d, dead->c, dead->finding, verdict, topo_code_name(code));
	}
	if (verdict != RD_VERDICT_DEAD || !rd_code_is_detected(code))
		return;
	dead->again = s->dead_code == code && s->dead_term == dead->term;
	/* another code may be another detection, and the former leader may have died before its record */
	if ((is_news || !dead->again) && !rd_recover_is_ignored(proc_conf(d->n->proc), s->inst.key.hostname))
		dead->is_recording = record(d, dead, code);
	if (is_news)
		count_failure(&d->n->metrics, s, rd_now_us(d->n));
	tell_dead(d, dead);
}

void
rd_detect_conclude(struct rd_detect *d, const struct rd_asking *a)
{
	const struct rd_finding *f = rd_round_finding(a->round);
	const struct rd_case *c = rd_round_case(a->round);
	struct rd_server *s = rd_model_find(&d->n->model, c->server);
	struct topo_analysis analysis = {.code = TOPO_NO_PROBLEM};
	struct mem_arena arena = {0};
	struct rd_dead dead = {.server = s, .finding = f, .c = c, .analysis = &analysis, .at = rd_mono(d->n)};

	if (s == NULL)
		return;
	s->vote_ended = dead.at;
	dead.term = a->term;
	dead.cluster_name = s->inst.cluster_name;
	dead.cluster_alias = rd_detect_alias(d->n, s);
	if (f->verdict == RD_VERDICT_DEAD)
		merge(d, c, s, &arena, &analysis);
	finish(d, &dead);
	if (f->verdict == RD_VERDICT_DEAD)
		rd_recoveries_candidate_dead(d->n, c->server);
	mem_arena_done(&arena);
	if (f->verdict == RD_VERDICT_ALIVE || f->verdict == RD_VERDICT_OWN_NETWORK)
		rd_detect_tell_back(d, s, RD_BACK_ELSEWHERE);
	give_way(d, s, f);
}
