/* pr_attempt.c — one probe of one server: connect if need be, ask, and tell what came of it.
 *
 *   begin → (kept connection) ask … ask → finish
 *         → (none) log in → ask … ask → finish
 * A kept connection that turns out to be broken or silent is reported as lost and replaced once: a firewall may have
 * forgotten it, so only a fresh connection says something about the server. Deadlines: a connect timeout for the login
 * and for the first answer (a ping's time where a kept connection is pinged otherwise), the read timeout for everything, and the requests' own. Owns the attempt; called by
 * pr_pool.c and pr_target.c in the loop. */
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/str.h"
#include "pr_private.h"

#define LOGIN_GRACE_MS 300 /* a login keeps its deadline itself; beyond this it hangs in the resolver */

static void finish(struct pr_target *t);

static int64_t
connect_us(const struct pr_target *t)
{
	int64_t s = t->pool->conf->MySQLConnectTimeoutSeconds;

	return (s > 0 ? s : 2) * CLK_S;
}

static int64_t
read_us(const struct pr_target *t)
{
	int64_t s = t->pool->conf->MySQLDiscoveryReadTimeoutSeconds;

	return (s > 0 ? s : 10) * CLK_S;
}

/* Not later than any request that is served wants to know. */
static struct mono
limit(const struct pr_attempt *a, struct mono deadline)
{
	for (size_t i = 0; i < a->n_serving; i++) {
		if (a->serving[i].deadline.us != 0 && mono_before(a->serving[i].deadline, deadline))
			deadline = a->serving[i].deadline;
	}
	return deadline;
}

static void
arm(struct pr_attempt *a, struct mono at)
{
	int64_t us = max_i64(0, mono_diff_us(at, pr_now()));
	struct timeval wait = clk_timeval(us);

	a->armed = at;
	ASSERT(evtimer_add(a->timer, &wait) == 0);
}

static void
fail(struct pr_attempt *a, const char *text)
{
	memset(&a->failure, 0, sizeof(a->failure));
	(void)str_copy(a->failure.text, sizeof(a->failure.text), text);
}

/* As many waiting requests as there are credits for their results. The attempt itself has one. */
static void
take_requests(struct pr_target *t)
{
	struct pr_attempt *a = t->attempt;
	struct pr_pool *p = t->pool;
	size_t room = (size_t)(p->credits - p->reserved) + (a->n_serving == 0 ? 1 : 0);
	size_t n = min_size(t->n_waiting, room), cap = a->n_serving;

	if (n == 0)
		return;
	mem_grow(a->serving, cap, a->n_serving + n);
	memcpy(a->serving + a->n_serving, t->waiting, n * sizeof(*a->serving));
	a->n_serving += n;
	t->n_waiting -= n;
	memmove(t->waiting, t->waiting + n, t->n_waiting * sizeof(*t->waiting));
	p->reserved += a->n_serving - a->reserved;
	a->reserved = a->n_serving;
}

/* --- connecting ------------------------------------------------------------------------------------------------- */

static enum pr_lane
lane_of(const struct pr_target *t)
{
	static const enum pr_lane lanes[PR_CLASS_COUNT] = {
	    [PR_CLASS_URGENT] = PR_LANE_URGENT,	  [PR_CLASS_LIVE] = PR_LANE_URGENT,
	    [PR_CLASS_SOURCES] = PR_LANE_SOURCES, [PR_CLASS_REGULAR] = PR_LANE_REGULAR,
	    [PR_CLASS_SLOW] = PR_LANE_REGULAR,	  [PR_CLASS_DEAD] = PR_LANE_DEAD,
	};

	if (t->attempt->n_serving > 0)
		return (enum pr_lane)t->attempt->serving[0].lane;
	return lanes[t->sched.class];
}

static void
log_in(struct pr_target *t)
{
	struct pr_attempt *a = t->attempt;
	struct mono deadline = limit(a, mono_add_us(pr_now(), connect_us(t)));

	a->kept = a->asked = false;
	a->answers_before = 0;
	a->phase = TOPO_PHASE_QUEUED;
	memset(&a->failure, 0, sizeof(a->failure));
	if (!pr_target_log_in(t, lane_of(t), deadline)) {
		fail(a, "too many connects under way");
		finish(t);
		return;
	}
	arm(a, mono_add_us(deadline, LOGIN_GRACE_MS * CLK_MS));
}

/* A probe takes the place of pings while it waits. */
static bool
is_pinged(const struct pr_target *t)
{
	return (t->sched.flags & IPC_TARGET_HAS_REPLICAS) != 0;
}

static void
ask(struct pr_target *t)
{
	struct pr_attempt *a = t->attempt;
	struct mono now = pr_now();

	if (!a->asked) {
		a->first_deadline =
		    limit(a, mono_add_us(now, is_pinged(t) && a->kept ? PR_PING_ANSWER_US : connect_us(t)));
		a->deadline = limit(a, mono_add_us(now, read_us(t)));
		arm(a, a->first_deadline);
	}
	a->asked = true;
	a->phase = TOPO_PHASE_QUERY;
	pr_probe_ask(&a->probe, t->conn);
}

/* Nothing was learnt for want of a thread. Who is suspected is tried again at once, not in its turn. */
static void
end_untried(struct pr_target *t, const char *text)
{
	fail(t->attempt, text);
	t->suspicion = t->attempt->suspicion;
	if (t->suspicion)
		pr_sched_hurry(&t->pool->sched, &t->sched, pr_now());
	finish(t);
}

/* Its silence is none of the server's when a busy lane or a slow look-up took more of the time than was left for it. */
static bool
was_too_late(const struct pr_attempt *a, const struct pr_login *l)
{
	struct mono now = pr_now(), from = l->waited_from.us != 0 ? l->waited_from : now;
	int64_t lost_us = mono_diff_us(from, l->asked), waited_us = mono_diff_us(now, a->begun) - lost_us;

	return l->failure.timed_out && !l->failure.greeted && waited_us < lost_us;
}

void
pr_attempt_logged_in(struct pr_target *t, const struct pr_login *l)
{
	struct pr_attempt *a = t->attempt;

	if (!l->ok && was_too_late(a, l)) {
		end_untried(t, "the login's turn came too late");
		return;
	}
	if (!l->ok) {
		a->failure = l->failure;
		a->phase =
		    pr_evidence(&l->failure) == TOPO_EVIDENCE_UNRESOLVED ? TOPO_PHASE_RESOLVE : TOPO_PHASE_CONNECT;
		finish(t);
		return;
	}
	pr_probe_restart(&a->probe);
	ask(t);
}

void
pr_attempt_go_on(struct pr_target *t)
{
	if (pr_target_has_idle_connection(t)) {
		t->attempt->kept = true;
		pr_probe_restart(&t->attempt->probe);
		ask(t);
	} else if (t->conn == NULL && t->login == NULL) {
		log_in(t);
	}
}

/* --- answers ---------------------------------------------------------------------------------------------------- */

/* The kept connection was no good: report it and begin again on a new one. */
static void
replace_kept(struct pr_target *t, enum topo_evidence evidence)
{
	pr_target_close(t);
	t->attempt->suspicion = true;
	(void)pr_pool_lost(t->pool, t, evidence);
	log_in(t);
}

static void
connection_failed(struct pr_target *t)
{
	struct pr_attempt *a = t->attempt;
	enum topo_evidence evidence;

	a->failure = *pr_conn_failure(t->conn);
	evidence = pr_evidence(&a->failure);
	if (evidence == TOPO_EVIDENCE_ANSWERED)
		t->pool->stats->answers_unusable++;
	if (a->kept && evidence != TOPO_EVIDENCE_ANSWERED) {
		replace_kept(t, evidence);
		return;
	}
	pr_target_close(t);
	finish(t);
}

void
pr_attempt_batch_ended(struct pr_target *t)
{
	struct pr_attempt *a = t->attempt;
	bool more = pr_probe_take(&a->probe);

	if (pr_conn_answers(t->conn) > 0)
		pr_target_answered(t, true);
	if (!pr_conn_usable(t->conn)) {
		connection_failed(t);
	} else if (more) {
		a->answers_before += pr_conn_answers(t->conn);
		pr_probe_ask(&a->probe, t->conn);
	} else {
		finish(t);
	}
}

/* --- deadlines -------------------------------------------------------------------------------------------------- */

static void
login_hangs(struct pr_target *t)
{
	struct pr_attempt *a = t->attempt;
	bool begun, resolving;

	pr_target_abandon_login(t, &begun, &resolving);
	if (!begun) {
		end_untried(t, "no connector thread was free");
		return;
	}
	fail(a, resolving ? "the name look-up takes too long" : "the login takes too long");
	a->phase = resolving ? TOPO_PHASE_RESOLVE : TOPO_PHASE_CONNECT;
	a->failure.timed_out = true;
	if (resolving)
		a->failure.err_no = 2005; /* as the library's own failed look-up: says nothing about the server */
	finish(t);
}

/* A kept connection that stays silent for a connect timeout deserves a new one; when a request's own deadline is over
 * there is no time for that. */
static void
no_answer_in_time(struct pr_target *t, size_t answers)
{
	struct pr_attempt *a = t->attempt;
	bool time_left = mono_before(pr_now(), limit(a, (struct mono){INT64_MAX}));

	pr_conn_cancel(t->conn);
	(void)pr_probe_take(&a->probe);
	if (answers == 0 && a->kept && time_left) {
		replace_kept(t, TOPO_EVIDENCE_TIMED_OUT);
		return;
	}
	pr_target_close(t);
	fail(a, answers == 0 ? "no answer in time" : "not everything was answered in time");
	a->failure.timed_out = true;
	a->failure.greeted = answers > 0 || !a->kept; /* it let us in just now */
	finish(t);
}

static void
batch_deadline(struct pr_target *t)
{
	struct pr_attempt *a = t->attempt;
	size_t answers = a->answers_before + pr_conn_answers(t->conn);

	if (answers > 0 && mono_before(pr_now(), a->deadline)) {
		pr_target_answered(t, true);
		a->first_deadline = a->deadline;
		arm(a, a->deadline);
	} else {
		no_answer_in_time(t, answers);
	}
}

static void
on_deadline(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct pr_target *t = arg;
	struct pr_attempt *a = t->attempt;

	if (t->login != NULL) {
		login_hangs(t);
	} else if (a->asked && t->conn != NULL) {
		batch_deadline(t);
	} else { /* behind a ping that isn't answered either; it goes on */
		fail(a, "no answer in time");
		a->phase = TOPO_PHASE_QUERY;
		a->failure.timed_out = true;
		finish(t);
	}
}

/* A request came in. A login under way will tell what is asked now as well; a batch under way began before, so it
 * must not take longer than a connect may. */
void
pr_attempt_hasten(struct pr_target *t)
{
	struct pr_attempt *a = t->attempt;
	struct mono soon = mono_add_us(pr_now(), connect_us(t));

	if (!a->asked) {
		take_requests(t);
		arm(a, limit(a, a->armed));
	} else if (mono_before(soon, a->deadline)) {
		a->deadline = soon;
		if (mono_before(soon, a->first_deadline))
			a->first_deadline = soon;
		arm(a, a->first_deadline);
	}
}

/* --- begin and end ---------------------------------------------------------------------------------------------- */

/* Whose time was over before their turn came: no evidence of anything. */
static void
refuse_expired(struct pr_target *t, struct mono now)
{
	size_t kept = 0;

	for (size_t i = 0; i < t->n_waiting; i++) {
		struct pr_request r = t->waiting[i];

		if (r.deadline.us != 0 && !mono_before(now, r.deadline))
			pr_pool_refuse(t->pool, &t->key, r.probe_id, "another probe took until its time was over");
		else
			t->waiting[kept++] = r;
	}
	t->n_waiting = kept;
}

static bool
is_outdated(const struct pr_target *t, struct mono now)
{
	return t->conn_epoch != t->pool->epoch ||
	       (t->unread.denied != 0 && mono_diff_us(now, t->conn_since) >= PR_RELOGIN_S * CLK_S);
}

void
pr_attempt_begin(struct pr_target *t, struct mono now)
{
	struct pr_pool *p = t->pool;
	bool want_domain = !t->had_source || (t->sched.flags & IPC_TARGET_IS_ROOT) != 0;
	struct pr_attempt *a = mem_new(struct pr_attempt);

	ASSERT(t->attempt == NULL && p->credits > p->reserved);
	t->attempt = a;
	p->n_attempts++;
	a->reserved = 1;
	p->reserved++;
	refuse_expired(t, now);
	take_requests(t);
	a->started = pr_wall();
	a->begun = now;
	a->suspicion = t->suspicion;
	t->suspicion = false;
	a->timer = evtimer_new(p->base, on_deadline, t);
	ASSERT(a->timer != NULL);
	a->conf = conf_ref(p->conf);
	pr_probe_init(&a->probe, a->conf, &t->known, want_domain);
	a->probe.patient = a->n_serving == 0 && !a->suspicion;
	p->stats->attempts++;
	if (t->ping == NULL && t->conn != NULL && is_outdated(t, now))
		pr_target_close(t);
	arm(a, limit(a, mono_add_us(now, 2 * connect_us(t)))); /* a ping that is under way comes first */
	if (t->ping == NULL)
		pr_attempt_go_on(t);
}

static void
free_attempt(struct pr_target *t)
{
	struct pr_attempt *a = t->attempt;

	t->attempt = NULL;
	t->pool->reserved -= a->reserved;
	t->pool->n_attempts--;
	event_free(a->timer);
	pr_probe_done(&a->probe);
	conf_unref(a->conf);
	free(a->serving);
	free(a);
}

void
pr_attempt_drop(struct pr_target *t)
{
	bool begun, resolving;

	if (t->attempt == NULL)
		return;
	pr_target_abandon_login(t, &begun, &resolving);
	if (t->conn != NULL && pr_conn_busy(t->conn))
		pr_target_close(t);
	free_attempt(t);
	pr_sched_finish(&t->pool->sched, &t->sched, PR_SCHED_ABANDONED, pr_now());
}

static void
log_backoff(const struct pr_target *t)
{
	if (t->pool->conf->DeadInstanceDiscoveryLogsEnabled && t->sched.backoffs > 0)
		log_info("pool", "unreachable instance=%s backoffs=%llu next_in_s=%.1f", LOG_Q(t->name),
			 (unsigned long long)t->sched.backoffs,
			 (double)mono_diff_us(t->sched.node.due, pr_now()) / (double)CLK_S);
}

static void
finish(struct pr_target *t)
{
	enum pr_sched_end end = pr_outcome_tell(t);

	free_attempt(t);
	pr_sched_finish(&t->pool->sched, &t->sched, end, pr_now());
	log_backoff(t);
	pr_target_look_up(t);
	if (t->n_waiting > 0)
		pr_sched_hurry(&t->pool->sched, &t->sched, pr_now());
	else if (!t->watched)
		pr_pool_release(t->pool, t);
	pr_pool_kick(t->pool);
}
