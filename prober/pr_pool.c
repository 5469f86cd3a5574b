/* pr_pool.c — see pr_pool.h. Owns the targets, the schedule and its timer. Called by pr_app.c in the loop. */
#include "pr_pool.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/str.h"
#include "pr_private.h"
#include "topo/key.h"

#define STARTS_PER_TURN 64 /* probes and pings begun before the loop looks at other events */

static void on_due(evutil_socket_t fd, short what, void *arg);
static void on_losses_due(evutil_socket_t fd, short what, void *arg);

static struct pr_sched_conf
sched_conf(const struct pr_pool *p)
{
	const struct conf *c = p->conf;
	size_t lanes[IPC_LANE_COUNT];
	struct pr_sched_conf s = {
	    .poll_us = max_i64(1, c->InstancePollSeconds) * CLK_S,
	    .dead_factor = c->DeadInstancePollSecondsMultiplyFactor,
	    .dead_max_us = c->DeadInstancePollSecondsMax * CLK_S,
	    .max_in_flight = (size_t)max_i64(1, c->DiscoveryMaxConcurrency / (int64_t)p->probers),
	};

	for (size_t i = 0; i < IPC_LANE_COUNT; i++)
		lanes[i] = pr_lane_threads((enum pr_lane)i);
	pr_sched_limits(&s, lanes, (size_t)c->DeadInstanceDiscoveryMaxConcurrency);
	return s;
}

struct pr_pool *
pr_pool_new(struct event_base *base, struct conf *conf, uint64_t probers, struct pr_lanes *lanes,
	    struct pr_stats *stats, const struct pr_sink *sink)
{
	struct pr_pool *p = mem_new(struct pr_pool);
	struct pr_sched_conf s;

	p->base = base;
	p->conf = conf_ref(conf);
	p->probers = probers > 0 ? probers : 1;
	p->lanes = lanes;
	p->stats = stats;
	p->sink = *sink;
	TAILQ_INIT(&p->parked);
	TAILQ_INIT(&p->losses);
	s = sched_conf(p);
	pr_sched_init(&p->sched, &s, pr_now());
	p->timer = evtimer_new(base, on_due, p);
	p->loss_timer = evtimer_new(base, on_losses_due, p);
	ASSERT(p->timer != NULL && p->loss_timer != NULL);
	return p;
}

static void
forget_loss(struct pr_target *t)
{
	if (!t->loss_pending)
		return;
	TAILQ_REMOVE(&t->pool->losses, t, loss_entry);
	t->loss_pending = false;
}

static void
unpark(struct pr_target *t)
{
	if (!t->parked)
		return;
	TAILQ_REMOVE(&t->pool->parked, t, parked_entry);
	t->parked = false;
}

/* Nothing is asked any more; the connection stays for a while. */
static void
park(struct pr_target *t)
{
	pr_attempt_drop(t);
	forget_loss(t);
	t->n_waiting = 0;
	if (t->sched.added)
		pr_sched_remove(&t->pool->sched, &t->sched);
	unpark(t);
	t->parked = true;
	t->parked_at = pr_now();
	TAILQ_INSERT_TAIL(&t->pool->parked, t, parked_entry);
}

static void
drop_target(struct pr_target *t)
{
	park(t);
	unpark(t);
	pr_target_free(t);
}

void
pr_pool_free(struct pr_pool *p)
{
	struct pr_target *t, *next;

	if (p == NULL)
		return;
	HASH_ITER (hh, p->targets, t, next)
		drop_target(t);
	pr_sched_done(&p->sched);
	event_free(p->timer);
	event_free(p->loss_timer);
	conf_unref(p->conf);
	free(p);
}

static bool
same_login(const struct conf *a, const struct conf *b)
{
	return str_eq(a->MySQLTopologyUser, b->MySQLTopologyUser) &&
	       str_eq(a->MySQLTopologyPassword, b->MySQLTopologyPassword) &&
	       str_eq(a->MySQLTopologySSLCAFile, b->MySQLTopologySSLCAFile) &&
	       str_eq(a->MySQLTopologySSLCertFile, b->MySQLTopologySSLCertFile) &&
	       str_eq(a->MySQLTopologySSLPrivateKeyFile, b->MySQLTopologySSLPrivateKeyFile) &&
	       a->MySQLTopologySSLSkipVerify == b->MySQLTopologySSLSkipVerify &&
	       a->MySQLTopologyUseMutualTLS == b->MySQLTopologyUseMutualTLS &&
	       a->MySQLTopologyUseMixedTLS == b->MySQLTopologyUseMixedTLS;
}

void
pr_pool_configure(struct pr_pool *p, struct conf *conf)
{
	struct pr_sched_conf s;

	if (!same_login(p->conf, conf))
		p->epoch++;
	conf_unref(p->conf);
	p->conf = conf_ref(conf);
	s = sched_conf(p);
	pr_sched_configure(&p->sched, &s, pr_now());
	pr_pool_kick(p);
}

/* --- the schedule ----------------------------------------------------------------------------------------------- */

static void
arm(struct pr_pool *p, int64_t wait_us)
{
	struct timeval wait = clk_timeval(wait_us);

	ASSERT(evtimer_add(p->timer, &wait) == 0);
}

void
pr_pool_kick(struct pr_pool *p)
{
	struct mono now = pr_now(), wake;

	if (!p->linked || p->credits <= p->reserved) {
		(void)evtimer_del(p->timer);
		if (p->linked && !p->stalled)
			p->stats->credit_stalls++;
		p->stalled = p->linked;
		return;
	}
	p->stalled = false;
	wake = pr_sched_wake(&p->sched, now);
	if (wake.us == INT64_MAX)
		(void)evtimer_del(p->timer);
	else
		arm(p, max_i64(0, mono_diff_us(wake, now)));
}

static struct pr_target *
target_of(struct pr_sched_item *it)
{
	return CONTAINER_OF(it, struct pr_target, sched);
}

static void
on_due(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct pr_pool *p = arg;
	struct mono now = pr_now();
	struct pr_sched_item *it;

	for (int i = 0; i < STARTS_PER_TURN && (it = pr_sched_next_ping(&p->sched, now)) != NULL; i++)
		pr_target_start_ping(target_of(it));
	for (int i = 0; i < STARTS_PER_TURN && p->credits > p->reserved; i++) {
		it = pr_sched_next(&p->sched, now);
		if (it == NULL)
			break;
		pr_attempt_begin(target_of(it), now);
	}
	pr_pool_kick(p);
}

/* --- lost connections ------------------------------------------------------------------------------------------- */

static void
report_loss(struct pr_target *t)
{
	struct pr_pool *p = t->pool;

	t->loss.key = t->key; /* borrowed */
	if (p->linked)
		p->sink.connection_lost(p->sink.ctx, &t->loss);
}

static void
on_losses_due(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct pr_pool *p = arg;
	struct pr_target *t;

	while ((t = TAILQ_FIRST(&p->losses)) != NULL) {
		forget_loss(t);
		report_loss(t);
	}
}

/* More than can be so many servers: forget the ones not yet reported as well. */
static void
mass_loss(struct pr_pool *p)
{
	struct pr_target *t;

	while ((t = TAILQ_FIRST(&p->losses)) != NULL) {
		forget_loss(t);
		p->stats->losses_unreported++;
	}
}

bool
pr_pool_lost(struct pr_pool *p, struct pr_target *t, enum topo_evidence evidence)
{
	static const struct timeval wait = {.tv_usec = PR_LOSS_WAIT_MS * 1000};
	size_t servers = HASH_COUNT(p->targets);
	bool was_mass = pr_loss_is_mass(&p->loss, servers, pr_now());

	p->stats->connections_lost++;
	pr_loss_note(&p->loss, pr_now());
	if (pr_loss_is_mass(&p->loss, servers, pr_now())) {
		if (!was_mass)
			log_warning("pool",
				    "many connections were lost within a second: probing anew, servers with "
				    "replicas first; watched=%zu newest=%s evidence=%s",
				    servers, LOG_Q(t->name),
				    topo_evidence_text(evidence)); /* tests: test_breakage.py */
		mass_loss(p);
		p->stats->losses_unreported++;
		return false;
	}
	if (t->loss_pending || !t->watched)
		return true;
	t->loss = (struct ipc_connection_lost){
	    .evidence = evidence, .at_us = pr_wall().us, .last_answer_us = t->last_answer_us};
	t->loss_pending = true;
	TAILQ_INSERT_TAIL(&p->losses, t, loss_entry);
	if (!evtimer_pending(p->loss_timer, NULL))
		ASSERT(evtimer_add(p->loss_timer, &wait) == 0);
	return true;
}

/* --- raftd's wishes --------------------------------------------------------------------------------------------- */

void
pr_pool_link_up(struct pr_pool *p)
{
	p->linked = true;
	p->credits = IPC_PROBE_WINDOW;
	pr_pool_kick(p);
}

void
pr_pool_link_down(struct pr_pool *p)
{
	struct pr_target *t, *next;

	p->linked = false;
	HASH_ITER (hh, p->targets, t, next)
		park(t);
	p->credits = 0;
	pr_pool_kick(p);
}

void
pr_pool_add_credit(struct pr_pool *p, uint64_t n)
{
	if (n <= IPC_PROBE_WINDOW) /* more at once is nonsense */
		p->credits = min_size((size_t)(p->credits + n), IPC_PROBE_WINDOW);
	pr_pool_kick(p);
}

static struct pr_target *
find(struct pr_pool *p, const struct topo_key *key)
{
	struct topo_key_text name = topo_key_text(key);
	struct pr_target *t;

	HASH_FIND_STR(p->targets, name.text, t);
	return t;
}

static struct pr_target *
find_or_new(struct pr_pool *p, const struct topo_key *key)
{
	struct pr_target *t = find(p, key);

	if (t != NULL || !topo_key_valid(key) || key->port > TOPO_PORT_MAX)
		return t;
	if (HASH_COUNT(p->targets) >= PR_TARGETS_MAX) {
		log_error("pool", "more than %d servers: the others are not probed", PR_TARGETS_MAX);
		return NULL;
	}
	return pr_target_new(p, key);
}

void
pr_pool_watch(struct pr_pool *p, const struct ipc_target *m)
{
	struct pr_target *t = find_or_new(p, &m->key);

	if (t == NULL) {
		log_debug("pool", "cannot watch instance=%s", LOG_Q(TOPO_KEY_TEXT(&m->key)));
		return;
	}
	t->watched = true;
	unpark(t);
	if (t->sched.added)
		pr_sched_set_flags(&p->sched, &t->sched, m->flags, pr_now());
	else
		pr_sched_add(&p->sched, &t->sched, m->flags, pr_now());
	pr_pool_kick(p);
}

void
pr_pool_unwatch(struct pr_pool *p, const struct topo_key *key)
{
	struct pr_target *t = find(p, key);

	if (t == NULL)
		return;
	t->watched = false;
	forget_loss(t);
	if (t->n_waiting == 0 && (t->attempt == NULL || t->attempt->n_serving == 0))
		drop_target(t); /* else when the requests are answered */
	pr_pool_kick(p);
}

void
pr_pool_release(struct pr_pool *p UNUSED, struct pr_target *t)
{
	park(t);
}

void
pr_pool_refuse(struct pr_pool *p, const struct topo_key *key, uint64_t probe_id, const char *why)
{
	struct topo_probe out;

	p->stats->requests_refused++;
	if (p->credits <= p->reserved)
		return;
	rec_init(&topo_probe_desc, &out);
	out.asked_key = *key; /* borrowed */
	out.probe_id = probe_id;
	out.evidence = TOPO_EVIDENCE_NONE;
	out.phase = TOPO_PHASE_QUEUED;
	out.error = why;
	out.started_us = out.ended_us = pr_wall().us;
	if (p->sink.probe_result(p->sink.ctx, &out))
		p->credits--;
}

void
pr_pool_request(struct pr_pool *p, const struct ipc_probe *m)
{
	struct pr_target *t = find_or_new(p, &m->key);
	struct mono now = pr_now();
	struct pr_request r = {.probe_id = m->probe_id,
			       .lane = m->lane < IPC_LANE_COUNT ? (enum ipc_lane)m->lane : IPC_LANE_REGULAR};

	p->stats->requests++;
	if (t == NULL || t->n_waiting >= PR_REQUESTS_MAX) {
		pr_pool_refuse(p, &m->key, m->probe_id,
			       t == NULL ? "not a server that can be probed" : "too many requests for this server");
		return;
	}
	if (m->deadline_ms > 0)
		r.deadline = mono_add_us(now, min_i64(m->deadline_ms, 3600 * 1000) * CLK_MS);
	mem_grow(t->waiting, t->cap_waiting, t->n_waiting + 1);
	t->waiting[t->n_waiting++] = r;
	unpark(t);
	if (!t->sched.added)
		pr_sched_add(&p->sched, &t->sched, IPC_TARGET_HURRY, now);
	if (t->attempt != NULL)
		pr_attempt_hasten(t);
	if (t->n_waiting > 0)
		pr_sched_hurry(&p->sched, &t->sched, now);
	pr_pool_kick(p);
}

/* --- once a second ---------------------------------------------------------------------------------------------- */

void
pr_pool_tick(struct pr_pool *p)
{
	struct pr_target *t;

	while ((t = TAILQ_FIRST(&p->parked)) != NULL && mono_diff_us(pr_now(), t->parked_at) > PR_PARK_S * CLK_S)
		drop_target(t);
	pr_pool_kick(p);
}

static size_t
count_dead(const struct pr_pool *p)
{
	size_t n = 0;

	for (const struct pr_target *t = p->targets; t != NULL; t = t->hh.next)
		n += t->sched.backoffs > 0;
	return n;
}

void
pr_pool_gauges(const struct pr_pool *p, struct pr_stats *ret)
{
	const struct pr_sched *s = &p->sched;
	size_t due = 0;

	for (size_t i = 0; i < PR_CLASS_COUNT; i++)
		due += s->heap[i].n;
	ret->recent = ret->targets = HASH_COUNT(p->targets);
	ret->queue_length = due - s->heap[PR_CLASS_DEAD].n;
	ret->dead = count_dead(p);
	ret->dead_queue_length = s->heap[PR_CLASS_DEAD].n;
	ret->connections = (uint64_t)p->n_connections;
	ret->in_flight = (uint64_t)p->n_attempts;
	ret->credits = (uint64_t)max_i64(0, (int64_t)p->credits);
}
