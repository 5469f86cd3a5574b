/* pr_target.c — one server: its connection, logins into it, pings on it, and what its end means. Called by pr_pool.c
 * and pr_attempt.c in the loop; owns the target's connection, login and ping. */
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "pr_private.h"
#include "topo/key.h"

#define MAX_PACKET_DEFAULT (INT64_C(8) << 20)
#define MAX_PACKET_MOST \
	((INT64_C(16) << 20) - 1) /* larger answers come in pieces that the library joins without limit */
#define MAX_PACKET_LEAST (INT64_C(64) << 10)
#define LOOKUP_AGAIN_S 600

struct pr_target *
pr_target_new(struct pr_pool *p, const struct topo_key *key)
{
	struct pr_target *t = mem_new(struct pr_target);

	t->pool = p;
	rec_dup(&topo_key_desc, &t->key, key);
	t->name = mem_strdup(TOPO_KEY_TEXT(key));
	t->heartbeats = -1;
	HASH_ADD_KEYPTR(hh, p->targets, t->name, strlen(t->name), t);
	return t;
}

static void
end_ping(struct pr_target *t)
{
	struct pr_ping *ping = t->ping;

	t->ping = NULL;
	event_free(ping->timer);
	mem_arena_done(&ping->arena);
	free(ping);
}

void
pr_target_close(struct pr_target *t)
{
	struct pr_conn *c = t->conn;

	if (c == NULL)
		return;
	t->conn = NULL;
	pr_conn_close(c);
	if (t->ping != NULL)
		end_ping(t);
	t->pool->n_connections--;
	pr_sched_set_connected(&t->pool->sched, &t->sched, false, pr_now());
}

void
pr_target_free(struct pr_target *t)
{
	bool begun, resolving;

	ASSERT(t->attempt == NULL && !t->sched.added && !t->loss_pending && !t->parked);
	pr_target_abandon_login(t, &begun, &resolving);
	pr_target_close(t);
	pr_lookup_forget(t->lookup);
	HASH_DEL(t->pool->targets, t);
	rec_done(&topo_key_desc, &t->key);
	free(t->waiting);
	free(t->name);
	free(t);
}

bool
pr_target_has_idle_connection(const struct pr_target *t)
{
	return t->conn != NULL && pr_conn_usable(t->conn) && !pr_conn_busy(t->conn);
}

void
pr_target_answered(struct pr_target *t, bool good)
{
	t->answered_us = pr_wall().us;
	if (good)
		t->last_answer_us = t->answered_us;
}

/* A connection that nobody was using for a probe has ended by itself. */
static void
broke(struct pr_target *t, enum topo_evidence evidence)
{
	struct pr_pool *p = t->pool;
	bool reported;

	pr_target_close(t);
	if (t->parked)
		return;
	reported = pr_pool_lost(p, t, evidence);
	if (t->attempt != NULL) {
		t->attempt->suspicion = true;
		pr_attempt_go_on(t);
		return;
	}
	t->suspicion = true;
	if (reported)
		pr_sched_hurry(&p->sched, &t->sched, pr_now());
	else
		pr_sched_spread_loss(&p->sched, &t->sched, (double)random() / (double)RAND_MAX, pr_now());
	pr_pool_kick(p);
}

/* --- pings ------------------------------------------------------------------------------------------------------ */

static void
on_ping_deadline(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct pr_target *t = arg;

	t->pool->stats->pings_failed++;
	broke(t, TOPO_EVIDENCE_TIMED_OUT);
}

void
pr_target_start_ping(struct pr_target *t)
{
	struct timeval wait = clk_timeval(PR_PING_ANSWER_US); /* a connect timeout is a second at least */
	struct pr_ping *ping;

	if (!pr_target_has_idle_connection(t) || t->ping != NULL)
		return;
	ping = t->ping = mem_new(struct pr_ping);
	ping->timer = evtimer_new(t->pool->base, on_ping_deadline, t);
	ASSERT(ping->timer != NULL && evtimer_add(ping->timer, &wait) == 0);
	t->pool->stats->pings++;
	pr_conn_run(t->conn, &ping->query, 1, &ping->arena, false);
}

/* An error in answer to a ping: the server lives, but this connection is of no use (killed, timed out by the server).
 */
static void
replace_connection(struct pr_target *t)
{
	pr_target_answered(t, false);
	pr_target_close(t);
	if (t->attempt != NULL)
		pr_attempt_go_on(t);
	else if (!t->parked)
		pr_sched_hurry(&t->pool->sched, &t->sched, pr_now());
	pr_pool_kick(t->pool);
}

static void
on_ping_end(struct pr_target *t)
{
	bool ok = pr_rows_ok(&t->ping->query.rows), answered = t->ping->query.rows.answered;
	struct pr_failure failure = *pr_conn_failure(t->conn);

	end_ping(t);
	if (!ok)
		t->pool->stats->pings_failed++;
	if (!pr_conn_usable(t->conn) && pr_evidence(&failure) != TOPO_EVIDENCE_ANSWERED) {
		broke(t, pr_evidence(&failure));
	} else if (!ok || !answered) {
		replace_connection(t);
	} else {
		pr_target_answered(t, true);
		if (t->attempt != NULL)
			pr_attempt_go_on(t);
	}
}

/* --- connections ------------------------------------------------------------------------------------------------ */

static void
on_end(void *ctx, struct pr_conn *c UNUSED)
{
	struct pr_target *t = ctx;

	if (t->ping != NULL)
		on_ping_end(t);
	else if (t->attempt != NULL)
		pr_attempt_batch_ended(t);
	else
		pr_target_close(t);
}

static void
on_idle_event(void *ctx, struct pr_conn *c UNUSED, enum topo_evidence evidence)
{
	struct pr_target *t = ctx;

	if (evidence == TOPO_EVIDENCE_ANSWERED)
		pr_target_start_ping(t); /* reads what it has to say */
	else
		broke(t, evidence);
}

static void
adopt(struct pr_target *t, struct pr_login *l)
{
	static const struct pr_conn_events events = {on_end, on_idle_event};

	ASSERT(t->conn == NULL);
	t->conn = pr_conn_adopt(t->pool->base, l, &events, t);
	t->conn_epoch = t->pool->epoch;
	t->conn_since = pr_now();
	memcpy(t->address, l->address, sizeof(t->address));
	t->known = (struct pr_known){0};
	t->pool->n_connections++;
	pr_sched_set_connected(&t->pool->sched, &t->sched, true, pr_now());
}

static void
free_login(struct pr_login_job *j)
{
	pr_login_drop(&j->login);
	conf_unref(j->conf);
	free(j->host);
	free(j);
}

static void
note_login(struct pr_target *t, const struct pr_login *l)
{
	const struct conf *c = t->pool->conf;

	if (l->ok)
		t->pool->stats->connects++;
	else
		t->pool->stats->connects_failed++;
	if (l->tls_demanded)
		t->tls_until = mono_add_us(pr_now(), c->TLSCacheTTLFactor * c->InstancePollSeconds * CLK_S);
	if (l->ok || pr_evidence(&l->failure) == TOPO_EVIDENCE_ANSWERED)
		pr_target_answered(t, l->ok);
}

static void
on_login_done(struct pr_job *job)
{
	struct pr_login_job *j = CONTAINER_OF(job, struct pr_login_job, job);
	struct pr_target *t = j->target;

	if (t != NULL) {
		t->login = NULL;
		note_login(t, &j->login);
		if (j->login.ok)
			adopt(t, &j->login);
		if (t->attempt != NULL)
			pr_attempt_logged_in(t, &j->login);
	}
	free_login(j);
}

static void
on_login_run(struct pr_job *job)
{
	pr_login_run(&CONTAINER_OF(job, struct pr_login_job, job)->login);
}

static enum pr_tls_mode
tls_mode(const struct pr_target *t, const struct conf *c)
{
	if (c->MySQLTopologyUseMutualTLS)
		return PR_TLS_ON;
	if (!c->MySQLTopologyUseMixedTLS)
		return PR_TLS_OFF;
	return mono_before(pr_now(), t->tls_until) ? PR_TLS_ON : PR_TLS_IF_DEMANDED;
}

void
pr_login_configure(struct pr_login *l, const struct conf *c)
{
	int64_t packet = c->MySQLTopologyMaxAllowedPacket;

	l->user = c->MySQLTopologyUser;
	l->password = c->MySQLTopologyPassword;
	l->tls_verify = !c->MySQLTopologySSLSkipVerify;
	l->ca_file = c->MySQLTopologySSLCAFile;
	l->cert_file = c->MySQLTopologySSLCertFile;
	l->key_file = c->MySQLTopologySSLPrivateKeyFile;
	l->max_packet =
	    (size_t)(packet <= 0 ? MAX_PACKET_DEFAULT : min_i64(max_i64(packet, MAX_PACKET_LEAST), MAX_PACKET_MOST));
}

bool
pr_target_log_in(struct pr_target *t, enum pr_lane lane, struct mono deadline)
{
	struct pr_login_job *j = mem_new(struct pr_login_job);
	struct conf *c = t->pool->conf;

	ASSERT(t->login == NULL && t->conn == NULL);
	j->job.run = on_login_run;
	j->job.done = on_login_done;
	j->conf = conf_ref(c);
	j->host = mem_strdup(t->key.hostname);
	j->target = t;
	pr_login_init(&j->login);
	pr_login_configure(&j->login, c);
	j->login.host = j->host;
	j->login.port = (unsigned)t->key.port;
	memcpy(j->login.address, t->address, sizeof(t->address));
	j->login.tls = tls_mode(t, c);
	j->login.asked = pr_now();
	j->login.deadline = deadline;
	if (!pr_lanes_submit(t->pool->lanes, lane, &j->job)) {
		free_login(j);
		return false;
	}
	t->login = j;
	return true;
}

void
pr_target_abandon_login(struct pr_target *t, bool *ret_begun, bool *ret_resolving)
{
	enum pr_login_stage stage;

	*ret_begun = *ret_resolving = false;
	if (t->login == NULL)
		return;
	atomic_store(&t->login->login.abandoned, true);
	stage = atomic_load(&t->login->login.stage);
	*ret_begun = stage != PR_LOGIN_QUEUED;
	*ret_resolving = stage == PR_LOGIN_RESOLVING;
	t->login->target = NULL;
	t->login = NULL;
}

/* --- addresses -------------------------------------------------------------------------------------------------- */

static void
keep_addresses(struct pr_target *t, const struct pr_lookup_result *r)
{
	t->looked_up = pr_now();
	if (r->error[0] != '\0')
		return;
	(void)str_copy(t->ipv4, sizeof(t->ipv4), r->ipv4);
	(void)str_copy(t->ipv6, sizeof(t->ipv6), r->ipv6);
}

static void
on_looked_up(void *ctx, const struct pr_lookup_result *r)
{
	struct pr_target *t = ctx;

	t->lookup = NULL;
	keep_addresses(t, r);
}

/* Once in ten minutes: probing.md section 6, "IP cache". */
void
pr_target_look_up(struct pr_target *t)
{
	struct pr_lookup_result r;
	bool fresh = t->looked_up.us != 0 && mono_diff_us(pr_now(), t->looked_up) < LOOKUP_AGAIN_S * CLK_S;

	if (fresh || t->lookup != NULL)
		return;
	if (pr_lookup_numeric(t->key.hostname, &r)) {
		keep_addresses(t, &r);
		return;
	}
	t->pool->stats->lookups++;
	t->lookup = pr_lookup_start(t->pool->lanes, t->key.hostname, false, on_looked_up, t);
}
