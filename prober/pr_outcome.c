/* pr_outcome.c — what came of a probe: the record with its evidence, to raftd and to the counters. Called by
 * pr_attempt.c at the end of each attempt; owns nothing. */
#include <string.h>

#include "base/log.h"
#include "base/str.h"
#include "pr_private.h"

static bool
is_dead(enum topo_evidence e)
{
	return e == TOPO_EVIDENCE_REFUSED || e == TOPO_EVIDENCE_RESET || e == TOPO_EVIDENCE_TIMED_OUT ||
	       e == TOPO_EVIDENCE_UNREACHABLE;
}

static void
count_failures(struct pr_target *t, enum topo_evidence evidence)
{
	if (evidence == TOPO_EVIDENCE_ANSWERED) {
		t->failed_attempts = 0;
		t->first_failed_us = 0;
	} else if (is_dead(evidence)) {
		t->failed_attempts++;
		if (t->first_failed_us == 0)
			t->first_failed_us = t->attempt->started.us;
	}
}

static enum topo_phase
phase_of(const struct pr_attempt *a, const struct topo_probe *out)
{
	if (out->found)
		return TOPO_PHASE_DONE;
	return out->partial ? TOPO_PHASE_DETAIL : a->phase;
}

/* MariaDB only counts heartbeats: the time of the last one is when we saw the count move. */
static void
put_heartbeats(struct pr_target *t, struct topo_probe *out)
{
	if (out->heartbeats_received < 0)
		return;
	if (t->heartbeats >= 0 && out->heartbeats_received != t->heartbeats)
		t->heartbeats_moved_us = pr_wall().us;
	t->heartbeats = out->heartbeats_received;
	if (out->last_heartbeat_us == 0)
		out->last_heartbeat_us = t->heartbeats_moved_us;
}

static void
put_evidence(struct pr_target *t, enum topo_evidence evidence, struct topo_probe *out)
{
	const struct pr_attempt *a = t->attempt;

	out->asked_key = t->key; /* borrowed */
	out->evidence = evidence;
	out->phase = phase_of(a, out);
	if (a->failure.text[0] != '\0') {
		out->errno_mysql = a->failure.err_no;
		out->error = a->failure.text;
	}
	out->started_us = a->started.us;
	out->ended_us = pr_wall().us;
	out->last_answer_us = t->last_answer_us;
	out->answered_us = t->answered_us;
	out->failed_attempts = t->failed_attempts;
	out->first_failed_us = t->first_failed_us;
	out->via_suspicion = a->suspicion;
	out->ipv4 = t->ipv4;
	out->ipv6 = t->ipv6;
	out->tls_required = mono_before(pr_now(), t->tls_until);
	out->inst.last_discovery_latency_ns = mono_diff_us(pr_now(), a->begun) * 1000;
}

static void
send_results(struct pr_target *t, struct topo_probe *out)
{
	struct pr_pool *p = t->pool;
	const struct pr_attempt *a = t->attempt;

	for (size_t i = 0; i < a->reserved && p->linked; i++) {
		out->probe_id = a->n_serving > 0 ? a->serving[i].probe_id : 0;
		if (p->sink.probe_result(p->sink.ctx, out))
			p->credits--;
		else
			p->stats->results_dropped++;
	}
}

static void
count(struct pr_target *t, const struct topo_probe *out)
{
	struct pr_stats *s = t->pool->stats;

	s->read_topology++;
	if (!out->found)
		s->fails++;
	if (mono_diff_us(pr_now(), t->attempt->begun) > t->pool->conf->InstancePollSeconds * CLK_S)
		s->slow++;
	if (!out->found)
		log_debug("probe", "failed instance=%s evidence=%s phase=%llu error=%s", LOG_Q(t->name),
			  topo_evidence_text(out->evidence), (unsigned long long)out->phase, LOG_Q(out->error));
}

static void
say_unread(struct pr_target *t, enum pr_ask ask, int64_t err_no, const char *error)
{
	struct pr_pool *p = t->pool;
	enum pr_unread_say say = pr_unread_note(&t->unread, &p->unread, ask, err_no, pr_now());
	struct str_buf what = {0}, remedy = {0};

	p->stats->unread += err_no != 0;
	if (say == PR_UNREAD_NOTHING)
		return;
	pr_unread_what(ask, &what);
	switch (say) {
	case PR_UNREAD_NOTHING:
		break;
	case PR_UNREAD_FAILS:
		pr_unread_remedy(ask, err_no, t->known.version, p->conf->MySQLTopologyUser, &remedy);
		log_warning("probe", "cannot read %s instance=%s error=%s remedy=%s", what.p, LOG_Q(t->name),
			    LOG_Q(error), LOG_Q(str_buf_text(&remedy))); /* tests: test_prober_servers.py */
		break;
	case PR_UNREAD_WORKS:
		log_info("probe", "can read %s again instance=%s", what.p, LOG_Q(t->name)); /* tests: as above */
		break;
	case PR_UNREAD_OTHERS:
		log_warning("probe", "more than %d lines about what cannot be read within %d s: others are not named",
			    PR_UNREAD_LINES, PR_UNREAD_S);
		break;
	}
	str_buf_done(&remedy);
	str_buf_done(&what);
}

/* Of a server that was found: what decides that is told by raftd. */
static void
tell_unread(struct pr_target *t)
{
	struct pr_collect in = pr_probe_answers(&t->attempt->probe);

	for (size_t i = 0; i < in.plan->n; i++) {
		enum pr_ask ask = in.plan->v[i].ask;
		int64_t err_no;

		if (!in.answers[ask].answered) {
			if (t->attempt->failure.timed_out)
				say_unread(t, ask, PR_UNREAD_SILENCE, t->attempt->failure.text);
			return; /* those behind it waited for it */
		}
		if (pr_unread_judge(&in, ask, &err_no))
			say_unread(t, ask, err_no, err_no == 0 ? "" : in.answers[ask].err_text);
	}
}

/* What the schedule makes of it: only what never got an answer backs off (probing.md section 12). */
static enum pr_sched_end
end_of(const struct pr_target *t, enum topo_evidence evidence)
{
	const struct pr_attempt *a = t->attempt;

	if (a->failure.text[0] == '\0' || (a->asked && evidence == TOPO_EVIDENCE_ANSWERED))
		return a->failure.timed_out ? PR_SCHED_SLOW : PR_SCHED_WELL;
	return a->failure.cancelled || a->phase == TOPO_PHASE_QUEUED ? PR_SCHED_ABANDONED : PR_SCHED_UNREACHED;
}

enum pr_sched_end
pr_outcome_tell(struct pr_target *t)
{
	struct pr_attempt *a = t->attempt;
	bool failed = a->failure.text[0] != '\0';
	enum topo_evidence evidence = failed ? pr_evidence(&a->failure) : TOPO_EVIDENCE_ANSWERED;
	struct topo_probe out;

	count_failures(t, evidence);
	rec_init(&topo_probe_desc, &out);
	if (a->asked)
		pr_probe_collect(&a->probe, (t->sched.flags & IPC_TARGET_IS_ROOT) != 0, pr_wall(), &out);
	put_evidence(t, evidence, &out);
	if (out.found) {
		t->had_source = out.source_host[0] != '\0';
		put_heartbeats(t, &out);
		tell_unread(t);
	}
	count(t, &out);
	send_results(t, &out);
	/* Global privileges and an expired password are those of the login: what an operator mends, only a new one
	 * sees. */
	if (!out.found)
		pr_target_close(t);
	return end_of(t, evidence);
}
