/* rd_voter.c — see rd_voter.h. Pure. Owns its copy of the question and what was learnt; called by the node's shell for
 * questions of the leader, and for its own. */
#include "rd_voter.h"

#include <stdlib.h>

#include "topo/key.h"

#define READINGS_MAX 2 /* of a replica */

struct subject {
	bool under_way, finished;
	unsigned probes;
	struct mono next; /* not before */
};

struct witness {
	struct subject subject;
	bool valid;
	struct rd_heard here;	     /* readings made for this question */
	struct rd_replica_fact fact; /* owning; ages are set at the end */
	struct mono since;
};

struct rd_voter {
	struct rd_suspect_msg question; /* owning */
	struct mono asked, until;
	struct subject server;
	struct rd_tries tries;
	struct witness *replicas;      /* of question.replicas */
	struct rd_replica_fact *facts; /* borrow from replicas */
};

struct rd_voter *
rd_voter_new(const struct rd_suspect_msg *question, struct mono now)
{
	struct rd_voter *v = mem_new(struct rd_voter);
	size_t n = question->replicas.n;

	rec_dup(&rd_suspect_msg_desc, &v->question, question);
	v->asked = now;
	v->until = mono_add_us(now, question->wait_us);
	v->replicas = mem_calloc(n + 1, sizeof(*v->replicas));
	v->facts = mem_calloc(n + 1, sizeof(*v->facts));
	for (size_t i = 0; i < n; i++) {
		const struct rd_suspect_replica *r = &question->replicas.v[i];
		struct witness *w = &v->replicas[i];
		w->valid = r->valid;
		rec_init(&rd_replica_fact_desc, &w->fact);
		topo_key_set(&w->fact.key, r->key.hostname, r->key.port);
	}
	return v;
}

void
rd_voter_free(struct rd_voter *v)
{
	if (v == NULL)
		return;
	for (size_t i = 0; i < v->question.replicas.n; i++)
		rec_done(&rd_replica_fact_desc, &v->replicas[i].fact);
	rec_done(&rd_suspect_msg_desc, &v->question);
	free(v->replicas);
	free(v->facts);
	free(v);
}

/* --- whom to probe --------------------------------------------------------------------------------------------------- */
static bool
take(struct subject *s, struct mono now)
{
	if (s->under_way || s->finished || mono_before(now, s->next))
		return false;
	s->under_way = true;
	s->probes++;
	return true;
}

const struct topo_key *
rd_voter_next(struct rd_voter *v, struct mono now)
{
	if (take(&v->server, now))
		return &v->question.key;
	for (size_t i = 0; i < v->question.replicas.n; i++) {
		if (take(&v->replicas[i].subject, now))
			return &v->question.replicas.v[i].key;
	}
	return NULL;
}

/* --- what came of it ------------------------------------------------------------------------------------------------- */
bool
rd_voter_is_server(const struct rd_voter *v, const struct topo_key *key)
{
	return topo_key_equal(&v->question.key, key);
}

void
rd_voter_server(struct rd_voter *v, const struct rd_attempt *a)
{
	struct subject *s = &v->server;

	if (!s->under_way)
		return;
	s->under_way = false;
	rd_tries_note(&v->tries, a);
	s->next = mono_add_us(a->ended, RD_APART_US);
	s->finished = rd_tries_judge(&v->tries) != RD_REACH_UNKNOWN || s->probes >= RD_VOTER_TRIES_MAX;
}

static struct witness *
find(struct rd_voter *v, const struct topo_key *key)
{
	for (size_t i = 0; i < v->question.replicas.n; i++) {
		struct witness *w = &v->replicas[i];
		if (w->subject.under_way && topo_key_equal(&w->fact.key, key))
			return w;
	}
	return NULL;
}

static void
finish_probe(struct subject *s, bool again, struct mono now)
{
	s->under_way = false;
	s->next = mono_add_us(now, RD_APART_US);
	s->finished = !again || s->probes >= READINGS_MAX;
}

void
rd_voter_replica(struct rd_voter *v, const struct topo_key *key, const struct rd_voter_reading *r)
{
	struct witness *w = find(v, key);
	enum rd_news news;

	if (w == NULL)
		return;
	news = rd_heard_note(&w->here, r->reading);
	w->fact.evidence = TOPO_EVIDENCE_ANSWERED;
	w->fact.read = true;
	w->fact.io_state = r->reading->io;
	w->fact.io_errno = r->reading->io_errno;
	w->fact.sql_running = r->reading->sql_running;
	w->fact.heard |= news == RD_HEARD;
	w->fact.turned |= news == RD_TURNED;
	w->fact.witnessed = r->memory->witnessed;
	w->since = r->memory->since;
	topo_key_set(&w->fact.source_key, r->source->hostname, r->source->port);
	rec_set_str(&w->fact.source_uuid, r->source_uuid);
	finish_probe(&w->subject, r->reading->io == TOPO_THREAD_RUNNING, r->reading->at);
}

void
rd_voter_unread(struct rd_voter *v, const struct topo_key *key, uint64_t evidence, struct mono now)
{
	struct witness *w = find(v, key);

	if (w == NULL)
		return;
	if (!w->fact.read)
		w->fact.evidence = evidence;
	finish_probe(&w->subject, true, now);
}

/* --- the answer ------------------------------------------------------------------------------------------------------ */
static bool
waits_for_replicas(const struct rd_voter *v)
{
	for (size_t i = 0; i < v->question.replicas.n; i++) {
		if (v->replicas[i].valid && !v->replicas[i].subject.finished)
			return true;
	}
	return false;
}

bool
rd_voter_is_done(const struct rd_voter *v, struct mono now)
{
	if (rd_tries_judge(&v->tries) == RD_REACH_ANSWERED || !mono_before(now, v->until))
		return true;
	return v->server.finished && !waits_for_replicas(v);
}

static struct mono
earlier(struct mono t, const struct subject *s)
{
	return s->under_way || s->finished || mono_before(t, s->next) ? t : s->next;
}

struct mono
rd_voter_due(const struct rd_voter *v)
{
	struct mono t = earlier(v->until, &v->server);

	for (size_t i = 0; i < v->question.replicas.n; i++)
		t = earlier(t, &v->replicas[i].subject);
	return t;
}

static int64_t
age(struct mono then, struct mono now)
{
	return max_i64(0, mono_diff_us(now, then));
}

void
rd_voter_facts(struct rd_voter *v, struct mono answered, struct mono now, struct wall wall, struct rd_facts *ret)
{
	const struct rd_tries *t = &v->tries;

	for (size_t i = 0; i < v->question.replicas.n; i++) {
		struct witness *w = &v->replicas[i];
		v->facts[i] = w->fact;
		if (w->fact.read) {
			v->facts[i].read_age_us = age(w->here.last.at, now);
			v->facts[i].since_age_us = age(w->since, now);
		}
	}
	*ret = (struct rd_facts){.id = v->question.id,
				 .ask = v->question.ask,
				 .at_us = wall.us,
				 .evidence = t->evidence,
				 .unclear = t->unclear,
				 .errno_mysql = t->errno_mysql,
				 .found = t->found,
				 .failed = t->failed,
				 .span_us = age(t->failed_first, t->failed_last),
				 .longest_us = t->longest_us,
				 .answered_age_us = answered.us == 0 ? RD_VOTE_NEVER : age(answered, now),
				 .replicas = {v->facts, v->question.replicas.n}};
}
