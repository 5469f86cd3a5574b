/* pr_step.c — see pr_step.h. Owns the steps under way and their connections. Called by pr_app.c in the loop.
 *
 *   run → log in → lock, identity → statement → result
 * Each arrow may end in a refusal (nothing sent) or, after the statement was written, in UNKNOWN_OUTCOME. */
#include "pr_step.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/str.h"
#include "pr_fence.h"
#include "pr_private.h"
#include "topo/key.h"
#include "topo/step.h"

#define WAITS_MAX_S (7 * 86400)
#define WAITS_MARGIN_US (2 * CLK_S) /* for the answer's way */

struct step {
	LIST_ENTRY(step) entry;
	struct pr_steps *steps;
	struct ipc_step m; /* owning copy */
	struct pr_job job;
	struct pr_login login;
	bool in_thread; /* the job is the lanes' */
	bool ended;	/* waits for the thread only */
	struct conf *conf;
	struct pr_conn *conn;
	struct pr_query queries[PR_BEFORE_COUNT];
	struct mem_arena arena;
	struct str_buf sql;
	bool asked; /* the statement itself is under way */
	struct event *timer;
};

struct pr_steps {
	struct event_base *base;
	struct conf *conf;
	struct pr_lanes *lanes;
	struct pr_stats *stats;
	pr_step_result_fn *fn;
	void *ctx;
	struct pr_fence fence;
	LIST_HEAD(, step) list;
	size_t n;
};

static const struct rec_desc *
step_desc(void)
{
	return ipc_msg_info(IPC_STEP)->desc;
}

struct pr_steps *
pr_steps_new(struct event_base *base, struct conf *conf, struct pr_lanes *lanes, struct pr_stats *stats,
	     pr_step_result_fn *fn, void *ctx)
{
	struct pr_steps *s = mem_new(struct pr_steps);

	s->base = base;
	s->conf = conf_ref(conf);
	s->lanes = lanes;
	s->stats = stats;
	s->fn = fn;
	s->ctx = ctx;
	LIST_INIT(&s->list);
	return s;
}

void
pr_steps_configure(struct pr_steps *s, struct conf *conf)
{
	conf_unref(s->conf);
	s->conf = conf_ref(conf);
}

static void
free_step(struct step *st)
{
	LIST_REMOVE(st, entry);
	st->steps->n--;
	if (st->timer != NULL)
		event_free(st->timer);
	pr_login_drop(&st->login);
	mem_arena_done(&st->arena);
	str_buf_done(&st->sql);
	conf_unref(st->conf);
	rec_done(step_desc(), &st->m);
	free(st);
}

/* Everything but what a thread still uses. */
static void
end_step(struct step *st)
{
	if (st->timer != NULL)
		(void)evtimer_del(st->timer);
	pr_conn_close(st->conn); /* releases the lock */
	st->conn = NULL;
	st->ended = true;
	atomic_store(&st->login.abandoned, true);
	if (!st->in_thread)
		free_step(st);
}

void
pr_steps_free(struct pr_steps *s)
{
	struct step *st, *next;

	if (s == NULL)
		return;
	for (st = LIST_FIRST(&s->list); st != NULL; st = next) {
		next = LIST_NEXT(st, entry);
		ASSERT(!st->in_thread); /* pr_lanes_stop comes first */
		end_step(st);
	}
	conf_unref(s->conf);
	free(s);
}

static void
tell(struct pr_steps *s, const struct ipc_step *m, enum err_code code, bool sent, int64_t err_no, const char *text)
{
	struct ipc_step_result r = {.recovery_uid = m->recovery_uid,
				    .term = m->term,
				    .number = m->number,
				    .key = m->key,
				    .code = -(int64_t)code,
				    .sent = sent,
				    .errno_mysql = err_no,
				    .message = text,
				    .ended_us = pr_wall().us};
	enum log_level level;
	char cut[1024];

	(void)str_copy(cut, sizeof(cut), text);
	r.message = cut;
	if (!sent)
		s->stats->steps_refused++;
	/* whoever asked tells what came of it; a server that died is fenced again and again */
	level = !sent && code == ERR_UNREACHABLE ? LOG_LVL_DEBUG : LOG_LVL_INFO;
	log_at(level, "step", "%s recovery=%s term=%llu number=%llu instance=%s result=%s sent=%d text=%s",
	       LOG_Q(m->statement), LOG_Q(m->recovery_uid), (unsigned long long)m->term, (unsigned long long)m->number,
	       LOG_Q(TOPO_KEY_TEXT(&m->key)), code == ERR_OK ? "OK" : err_name((int)code), sent,
	       LOG_Q(text)); /* tests: test_prober_servers.py, test_recovery_candidates.py */
	s->fn(s->ctx, &r);
}

static void
finish(struct step *st, enum err_code code, int64_t err_no, const char *text)
{
	bool sent = st->asked && st->queries[0].sent;

	tell(st->steps, &st->m, code, sent, err_no, text);
	end_step(st);
}

static void
arm(struct step *st, struct mono at)
{
	int64_t us = max_i64(0, mono_diff_us(at, pr_now()));
	struct timeval wait = clk_timeval(us);

	ASSERT(evtimer_add(st->timer, &wait) == 0);
}

static int64_t
seconds_us(int64_t s, int64_t otherwise)
{
	return (s > 0 ? s : otherwise) * CLK_S;
}

static struct mono
not_after(const struct step *st)
{
	return (struct mono){st->m.not_after_us};
}

/* Of a time, and so long from now. */
static struct mono
earlier(struct mono a, int64_t wait_us)
{
	struct mono b = mono_add_us(pr_now(), wait_us);

	return mono_before(a, b) ? a : b;
}

static bool
is_late(const struct step *st)
{
	return !mono_before(pr_now(), not_after(st));
}

static bool
has_flag(const struct step *st, enum topo_step_flag flag)
{
	return (topo_step_flags(topo_step_by_name(st->m.statement)) & (unsigned)flag) != 0;
}

/* How long an answer is waited for. A statement that waits was told how long it may. */
static int64_t
answer_us(const struct step *st)
{
	int64_t us = seconds_us(st->conf->MySQLTopologyReadTimeoutSeconds, 600), s;
	struct err e;

	if (!has_flag(st, TOPO_STEP_WAITS) || str_parse_i64(st->m.args.v[1].s, 0, WAITS_MAX_S, &s, &e) != 0)
		return us;
	return max_i64(us, s * CLK_S + WAITS_MARGIN_US);
}

/* The statement is under way, and its time is over. */
static void
on_overdue(struct step *st)
{
	struct mono most = mono_add_us(not_after(st), answer_us(st));

	if (pr_conn_unacknowledged(st->conn) > 0) { /* it must not arrive later */
		struct pr_conn *c = st->conn;
		st->conn = NULL;
		pr_conn_abort(c);
		finish(st, ERR_UNKNOWN_OUTCOME, 0, "not acknowledged before its time was over");
	} else if (mono_before(pr_now(), most)) {
		arm(st, most);
	} else {
		finish(st, ERR_UNKNOWN_OUTCOME, 0, "no answer in time");
	}
}

static void
on_timer(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct step *st = arg;

	if (st->asked)
		on_overdue(st);
	else if (st->in_thread)
		finish(st, is_late(st) ? ERR_LATE : ERR_UNREACHABLE, 0, "no connection in time");
	else
		finish(st, is_late(st) ? ERR_LATE : ERR_UNREACHABLE, 0,
		       "no answer in time to what comes before the step");
}

static bool
is_expected_server(const struct step *st, const struct pr_rows *identity)
{
	const char *want = st->m.precondition;

	return want[0] == '\0' || str_eq(want, pr_rows_text(identity, 0, "server_id")) ||
	       str_eq_nocase(want, pr_rows_text(identity, 0, "server_uuid"));
}

static void
run_statement(struct step *st)
{
	st->queries[0] = (struct pr_query){.sql = str_buf_text(&st->sql), .keep_rows = 1, .not_after = not_after(st)};
	st->asked = true;
	arm(st, earlier(not_after(st), seconds_us(st->conf->MySQLTopologyReadTimeoutSeconds, 600)));
	pr_conn_run(st->conn, st->queries, 1, &st->arena, false);
}

static void
run_reconnect(struct step *st)
{
	const struct pr_rows *channels = &st->queries[PR_BEFORE_CHANNELS].rows;
	const char *obstacle = pr_step_reconnect_obstacle(channels);

	if (!pr_rows_ok(channels))
		finish(st, ERR_SERVER, channels->err_no, channels->err_text);
	else if (obstacle != NULL)
		finish(st, ERR_PRECONDITION, 0, obstacle);
	else
		run_statement(st);
}

static void
run_on_channel(struct step *st)
{
	const struct pr_rows *channels = &st->queries[PR_BEFORE_CHANNELS].rows;
	const char *name;
	struct err e;

	if (!pr_rows_ok(channels))
		finish(st, ERR_SERVER, channels->err_no, channels->err_text);
	else if (pr_step_only_channel(channels, &name, &e) != 0 || topo_step_add_channel(name, &st->sql, &e) != 0)
		finish(st, (enum err_code)e.code, 0, e.msg);
	else
		run_statement(st);
}

/* In the place of the channels, which no such step asks for. */
static void
run_with_account(struct step *st)
{
	const struct pr_rows *account = &st->queries[PR_BEFORE_CHANNELS].rows;
	const struct topo_step_account a = {.user = pr_rows_at(account, 0, 0),
					    .password = pr_rows_at(account, 0, 1),
					    .ca = pr_rows_at(account, 0, 2),
					    .cert = pr_rows_at(account, 0, 3),
					    .key = pr_rows_at(account, 0, 4)};
	struct err e;

	if (!pr_rows_ok(account))
		finish(st, ERR_SERVER, account->err_no, "ReplicationCredentialsQuery failed");
	else if (a.user == NULL || a.password == NULL)
		finish(st, ERR_PRECONDITION, 0, "ReplicationCredentialsQuery gave no user and password");
	else if (topo_step_add_account(&a, &st->sql, &e) != 0)
		finish(st, (enum err_code)e.code, 0, e.msg);
	else
		run_statement(st);
}

static bool
asks_for_account(const struct step *st)
{
	return has_flag(st, TOPO_STEP_ACCOUNT) && st->conf->ReplicationCredentialsQuery[0] != '\0';
}

static void
on_prepared(struct step *st)
{
	const struct pr_rows *lock = &st->queries[PR_BEFORE_LOCK].rows;
	const struct pr_rows *identity = &st->queries[PR_BEFORE_IDENTITY].rows;

	if (!pr_conn_usable(st->conn))
		finish(st, ERR_UNREACHABLE, pr_conn_failure(st->conn)->err_no, pr_conn_failure(st->conn)->text);
	else if (!pr_rows_ok(lock))
		finish(st, ERR_SERVER, lock->err_no, lock->err_text);
	else if (!pr_rows_bool(lock, 0, "locked"))
		finish(st, ERR_BUSY, 0, "another step holds the server's lock orchestrator.step");
	else if (!pr_rows_ok(identity))
		finish(st, ERR_SERVER, identity->err_no, identity->err_text);
	else if (!is_expected_server(st, identity))
		finish(st, ERR_PRECONDITION, 0, "it is another server than the step was planned for");
	else if (has_flag(st, TOPO_STEP_RECONNECTS))
		run_reconnect(st);
	else if (has_flag(st, TOPO_STEP_CHANNEL))
		run_on_channel(st);
	else if (asks_for_account(st))
		run_with_account(st);
	else
		run_statement(st);
}

/* It may quote what stands near the error. */
static const char *
text_of_error(const struct step *st, const struct pr_query *q)
{
	return asks_for_account(st) ? "the server refuses the statement" : q->rows.err_text;
}

static void
on_statement_end(struct step *st)
{
	const struct pr_query *q = &st->queries[0];

	if (q->late)
		finish(st, ERR_LATE, 0, "its time was over before it could be sent");
	else if (!q->rows.answered)
		finish(st, ERR_UNKNOWN_OUTCOME, pr_conn_failure(st->conn)->err_no, pr_conn_failure(st->conn)->text);
	else if (q->rows.err_no != 0)
		finish(st, ERR_SERVER, q->rows.err_no, text_of_error(st, q));
	else if (has_flag(st, TOPO_STEP_WAITS) && !str_eq(pr_rows_text(&q->rows, 0, "waited"), "0"))
		finish(st, ERR_TIMEOUT, 0, "what it waited for did not happen in time");
	else
		finish(st, ERR_OK, 0, "");
}

static void
on_end(void *ctx, struct pr_conn *c UNUSED)
{
	struct step *st = ctx;

	if (st->asked)
		on_statement_end(st);
	else
		on_prepared(st);
}

static void
on_idle_event(void *ctx UNUSED, struct pr_conn *c UNUSED, enum topo_evidence evidence UNUSED)
{
	/* never idle for long: the next batch, or the timer, finds out */
}

static size_t
count_before(const struct step *st)
{
	bool all = has_flag(st, TOPO_STEP_RECONNECTS) || has_flag(st, TOPO_STEP_CHANNEL) || asks_for_account(st);

	return all ? PR_BEFORE_COUNT : PR_BEFORE_CHANNELS;
}

static void
prepare(struct step *st)
{
	static const struct pr_conn_events events = {on_end, on_idle_event};
	const char *version;
	struct err e;

	st->conn = pr_conn_adopt(st->steps->base, &st->login, &events, st);
	version = pr_conn_server_version(st->conn);
	if (topo_step_sql(st->m.statement, &st->m.args, version, st->conf->UseSuperReadOnly, &st->sql, &e) != 0) {
		finish(st, (enum err_code)e.code, 0, e.msg);
		return;
	}
	for (size_t i = 0; i < PR_BEFORE_COUNT; i++)
		st->queries[i] =
		    (struct pr_query){.sql = pr_before_step_sql((enum pr_before_step)i, version), .keep_rows = 1};
	if (has_flag(st, TOPO_STEP_UNLOCKED))
		st->queries[PR_BEFORE_LOCK].sql = "select 1 as locked";
	if (asks_for_account(st))
		st->queries[PR_BEFORE_CHANNELS].sql = st->conf->ReplicationCredentialsQuery;
	arm(st, earlier(not_after(st), seconds_us(st->conf->MySQLConnectTimeoutSeconds, 2)));
	pr_conn_run(st->conn, st->queries, count_before(st), &st->arena, false);
}

static void
on_login_done(struct pr_job *job)
{
	struct step *st = CONTAINER_OF(job, struct step, job);
	const struct pr_failure *f = &st->login.failure;

	st->in_thread = false;
	if (st->ended)
		free_step(st);
	else if (st->login.ok)
		prepare(st);
	else if (is_late(st))
		finish(st, ERR_LATE, f->err_no, f->text);
	else
		finish(st, pr_evidence(f) == TOPO_EVIDENCE_ANSWERED ? ERR_SERVER : ERR_UNREACHABLE, f->err_no, f->text);
}

static void
on_login_run(struct pr_job *job)
{
	pr_login_run(&CONTAINER_OF(job, struct step, job)->login);
}

static enum pr_tls_mode
tls_mode(const struct conf *c)
{
	if (c->MySQLTopologyUseMutualTLS)
		return PR_TLS_ON;
	return c->MySQLTopologyUseMixedTLS ? PR_TLS_IF_DEMANDED : PR_TLS_OFF;
}

static void
start(struct pr_steps *s, const struct ipc_step *m)
{
	struct step *st = mem_new(struct step);

	st->steps = s;
	LIST_INSERT_HEAD(&s->list, st, entry);
	s->n++;
	rec_dup(step_desc(), &st->m, m);
	st->conf = conf_ref(s->conf);
	st->timer = evtimer_new(s->base, on_timer, st);
	ASSERT(st->timer != NULL);
	st->job.run = on_login_run;
	st->job.done = on_login_done;
	pr_login_init(&st->login);
	pr_login_configure(&st->login, st->conf);
	st->login.host = st->m.key.hostname;
	st->login.port = (unsigned)st->m.key.port;
	st->login.tls = tls_mode(st->conf);
	st->login.multi_statements = has_flag(st, TOPO_STEP_RECONNECTS);
	st->login.deadline = earlier(not_after(st), seconds_us(s->conf->MySQLConnectTimeoutSeconds, 2));
	arm(st, mono_add_us(st->login.deadline, 300 * CLK_MS));
	st->in_thread = pr_lanes_submit(s->lanes, PR_LANE_STEPS, &st->job);
	if (!st->in_thread)
		finish(st, ERR_BUSY, 0, "too many steps under way");
}

static int
check(struct pr_steps *s, const struct ipc_step *m, struct err *e)
{
	struct str_buf scratch = {0};
	int rc;

	if (!topo_key_valid(&m->key) || m->key.port > TOPO_PORT_MAX)
		return err_set(e, ERR_INVALID, "not a server's key");
	rc = topo_step_sql(m->statement, &m->args, "8.4.0", false, &scratch, e); /* known, and its arguments fit */
	if (rc == -ERR_UNSUPPORTED)
		rc = topo_step_sql(m->statement, &m->args, "11.4.0-MariaDB", false, &scratch, e);
	str_buf_done(&scratch);
	if (rc != 0)
		return rc;
	rc = pr_fence_admit(&s->fence, m->recovery_uid, m->term, m->number, e);
	if (rc != 0)
		return rc;
	if (m->not_after_us <= pr_now().us)
		return err_set(e, ERR_LATE, "its time was over when it came");
	return s->n < PR_STEPS_MAX ? 0 : err_set(e, ERR_BUSY, "too many steps under way");
}

void
pr_steps_run(struct pr_steps *s, const struct ipc_step *m)
{
	struct err e;

	s->stats->steps++;
	if (check(s, m, &e) != 0)
		tell(s, m, (enum err_code)e.code, false, 0, e.msg);
	else
		start(s, m);
}
