/* pr_app.c — the prober process: wires the link to raftd to the pool of servers, the steps and the look-ups. Owns all
 * of them. Called by proc_main through its table; decides nothing itself. */
#include "pr_app.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "conf/conf.h"
#include "ipc/link.h"
#include "pr_conn.h"
#include "pr_lookup.h"
#include "pr_pool.h"
#include "pr_step.h"
#include "proc/proc.h"

#define THREADS_END_MS 1000

struct pr_app {
	struct proc *proc;
	struct ipc_link *link; /* to raftd; NULL while it doesn't run */
	struct pr_lanes *lanes;
	struct pr_pool *pool;
	struct pr_steps *steps;
	struct pr_stats stats;
	struct event *tick;
};

static bool threads_left; /* a resolver that doesn't answer: exit() must not run under it */

/* --- to raftd --------------------------------------------------------------------------------------------------- */

static bool
on_probe_result(void *ctx, const struct topo_probe *probe)
{
	struct pr_app *app = ctx;
	struct ipc_probe_result m = {.probe = *probe}; /* borrows */
	struct err e;

	if (ipc_send_probe_result(app->link, &m, &e) == 0)
		return true;
	log_warning("prober", "result not sent: %s", LOG_Q(e.msg));
	return false;
}

static void
on_connection_lost(void *ctx, const struct ipc_connection_lost *m)
{
	struct pr_app *app = ctx;
	struct err e;

	if (ipc_send_connection_lost(app->link, m, &e) != 0)
		log_warning("prober", "lost connection not reported: %s", LOG_Q(e.msg));
}

static void
on_step_result(void *ctx, const struct ipc_step_result *m)
{
	struct pr_app *app = ctx;
	struct err e;

	if (ipc_send_step_result(app->link, m, &e) != 0)
		log_warning("prober", "step result not sent: recovery=%s number=%llu: %s", LOG_Q(m->recovery_uid),
			    (unsigned long long)m->number, LOG_Q(e.msg));
}

/* --- from raftd ------------------------------------------------------------------------------------------------- */

static void
pr_on_watch(struct pr_app *app, struct ipc_link *l UNUSED, const struct ipc_watch *m)
{
	for (size_t i = 0; i < m->targets.n; i++)
		pr_pool_watch(app->pool, &m->targets.v[i]);
}

static void
pr_on_unwatch(struct pr_app *app, struct ipc_link *l UNUSED, const struct ipc_unwatch *m)
{
	for (size_t i = 0; i < m->keys.n; i++)
		pr_pool_unwatch(app->pool, &m->keys.v[i]);
}

static void
pr_on_probe(struct pr_app *app, struct ipc_link *l UNUSED, const struct ipc_probe *m)
{
	pr_pool_request(app->pool, m);
}

static void
pr_on_step(struct pr_app *app, struct ipc_link *l UNUSED, const struct ipc_step *m)
{
	pr_steps_run(app->steps, m);
}

static void
pr_on_credit(struct pr_app *app, struct ipc_link *l UNUSED, const struct ipc_credit *m)
{
	pr_pool_add_credit(app->pool, m->n);
}

struct resolve_request {
	struct pr_app *app;
	uint64_t request_id, peer_generation;
	bool want_address; /* method ip: the resolved name is the address */
};

static const char *
resolved_name(const struct resolve_request *r, const struct pr_lookup_result *result)
{
	if (result->error[0] != '\0')
		return "";
	if (!r->want_address)
		return result->canonical;
	return result->ipv4[0] != '\0' ? result->ipv4 : result->ipv6;
}

static void
on_resolved(void *ctx, const struct pr_lookup_result *result)
{
	struct resolve_request *r = ctx;
	struct ipc_resolved m = {.request_id = r->request_id,
				 .hostname = result->hostname,
				 .resolved = resolved_name(r, result),
				 .ipv4 = result->ipv4,
				 .ipv6 = result->ipv6,
				 .error = result->error};
	struct err e;

	/* an answer for a raftd that is gone would mean something else to the next one */
	if (ipc_link_peer_generation(r->app->link) == r->peer_generation &&
	    ipc_send_resolved(r->app->link, &m, &e) != 0)
		log_warning("prober", "resolved name not sent: %s", LOG_Q(e.msg));
	free(r);
}

static void
pr_on_resolve(struct pr_app *app, struct ipc_link *l, const struct ipc_resolve *m)
{
	struct resolve_request *r = mem_new(struct resolve_request);
	bool canonical = m->port != 0 || !str_eq_nocase(m->method, "ip");
	struct pr_lookup_result failed = {.hostname = m->hostname, .error = "too many look-ups wait"};
	struct pr_lookup *lookup;

	*r = (struct resolve_request){app, m->request_id, ipc_link_peer_generation(l), !canonical};
	app->stats.lookups++;
	if (m->port == 0)
		lookup = pr_lookup_start(app->lanes, m->hostname, canonical, on_resolved, r);
	else
		lookup = pr_lookup_reach(app->lanes, m->hostname, (uint16_t)m->port, m->wait_ms, on_resolved, r);
	if (lookup == NULL)
		on_resolved(r, &failed);
}

/* Handlers get the link's ctx: struct pr_app. */
#define IPC_INBOX_DEF "ipc/to_prober.def"
#define IPC_INBOX_NAME pr_inbox
#define IPC_INBOX_ON(name) pr_on_##name
#include "ipc/make_inbox.h"

static void
on_up(void *ctx, struct ipc_link *l)
{
	struct pr_app *app = ctx;

	log_info("prober", "raftd is there generation=%llu", (unsigned long long)ipc_link_peer_generation(l));
	pr_pool_link_up(app->pool);
}

static void
on_down(void *ctx, struct ipc_link *l UNUSED, const char *why)
{
	struct pr_app *app = ctx;

	log_info("prober", "raftd is gone: %s", why);
	pr_pool_link_down(app->pool);
}

static void
on_missed(void *ctx, struct ipc_link *l UNUSED)
{
	proc_missed(((struct pr_app *)ctx)->proc);
}

/* --- once a second ---------------------------------------------------------------------------------------------- */

static void
take_lanes(struct pr_app *app)
{
	struct pr_stats *s = &app->stats;
	const struct {
		uint64_t *queue, *refused;
	} lanes[PR_LANE_COUNT] = {
	    [PR_LANE_URGENT] = {&s->urgent_queue, &s->urgent_refused},
	    [PR_LANE_SOURCES] = {&s->sources_queue, &s->sources_refused},
	    [PR_LANE_REGULAR] = {&s->regular_queue, &s->regular_refused},
	    [PR_LANE_DEAD] = {&s->dead_lane_queue, &s->dead_lane_refused},
	    [PR_LANE_STEPS] = {&s->steps_queue, &s->steps_lane_refused},
	    [PR_LANE_LOOKUPS] = {&s->lookups_queue, &s->lookups_refused},
	    [PR_LANE_REACHES] = {&s->reaches_queue, &s->reaches_refused},
	};

	for (size_t i = 0; i < PR_LANE_COUNT; i++) {
		*lanes[i].queue = pr_lanes_queued(app->lanes, (enum pr_lane)i);
		*lanes[i].refused = pr_lanes_refused(app->lanes, (enum pr_lane)i);
	}
}

static void
send_stats(struct pr_app *app)
{
	struct ipc_metric list[PR_STATS_COUNT];
	struct ipc_prober_stats m = {.metrics = {list, PR_STATS_COUNT}};
	struct err e;

	if (!ipc_link_is_up(app->link))
		return;
	pr_pool_gauges(app->pool, &app->stats);
	take_lanes(app);
	app->stats.overruns = proc_overruns(app->proc);
	pr_stats_list(&app->stats, list);
	if (ipc_send_prober_stats(app->link, &m, &e) != 0)
		log_debug("prober", "statistics not sent: %s", e.msg);
}

static void
on_tick(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct pr_app *app = arg;

	pr_pool_tick(app->pool);
	send_stats(app);
}

/* --- life ------------------------------------------------------------------------------------------------------- */

/* One descriptor per server and some: as many as the administrator allows. */
static void
raise_file_limit(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
		r.rlim_cur = r.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &r) != 0)
			log_warning("prober", "the limit of open files stays at %llu", (unsigned long long)r.rlim_cur);
	}
}

/* Before the first thread: the environment of libraries.
 * OpenSSL: without a CA file of ours it would load the whole system bundle at each unverified connect
 * (reference/libraries.md section 1); who verifies names file or directory explicitly. Resolver: its defaults, 5 s
 * twice, hold a thread too long. */
static void
set_environment(void)
{
	(void)setenv("SSL_CERT_FILE", "/dev/null", 1);
	(void)setenv("SSL_CERT_DIR", "/nonexistent", 1);
	(void)setenv("RES_OPTIONS", "timeout:1 attempts:2", 0);
}

static int
open_link(struct pr_app *app, uint64_t raftd_generation, struct err *e)
{
	struct ipc_link_conf conf = {.name = "raftd",
				     .self = IPC_ROLE_PROBER,
				     .generation = proc_generation(app->proc),
				     .peer_generation = raftd_generation,
				     .peer_roles = IPC_ROLE_RAFTD,
				     .inbox = &pr_inbox,
				     .ctx = app,
				     .on_up = on_up,
				     .on_down = on_down,
				     .meet_ms = PROC_MEET_MS,
				     .on_missed = on_missed};
	char address[128];

	proc_socket_address(app->proc, address, sizeof(address), PROC_SOCKET_PROBER, proc_setup(app->proc)->slot,
			    raftd_generation, conf.generation);
	return ipc_link_open_nn(proc_base(app->proc), &conf, IPC_NN_PAIR_CONNECT, address, &app->link, e);
}

static int
set_up(struct pr_app *app, struct err *e)
{
	static const struct timeval second = {.tv_sec = 1};
	struct event_base *base = proc_base(app->proc);
	struct conf *conf = conf_ref(proc_conf(app->proc));
	struct pr_sink sink = {on_probe_result, on_connection_lost, app};
	int rc = pr_conn_global_init(e);

	if (rc == 0)
		rc = pr_lanes_new(base, &app->lanes, e);
	if (rc == 0) {
		app->pool = pr_pool_new(base, conf, proc_setup(app->proc)->probers, app->lanes, &app->stats, &sink);
		app->steps = pr_steps_new(base, conf, app->lanes, &app->stats, on_step_result, app);
	}
	conf_unref(conf);
	if (rc != 0)
		return rc;
	app->tick = event_new(base, -1, EV_PERSIST, on_tick, app);
	ASSERT(app->tick != NULL && event_add(app->tick, &second) == 0);
	return 0;
}

static int
start(struct proc *p, void **ret_app)
{
	struct pr_app *app = mem_new(struct pr_app);
	struct err e;

	app->proc = p;
	*ret_app = app;
	set_environment();
	raise_file_limit();
	if (set_up(app, &e) != 0) {
		proc_fail(p, PROC_EXIT_RETRY, &e);
		return PROC_EXIT_RETRY;
	}
	proc_ready(p, "connecting to raftd");
	return 0;
}

static void
reload(struct proc *p, void *arg)
{
	struct pr_app *app = arg;
	struct conf *conf = conf_ref(proc_conf(p));

	pr_pool_configure(app->pool, conf);
	pr_steps_configure(app->steps, conf);
	conf_unref(conf);
}

static void
stop(struct proc *p, void *arg UNUSED, int64_t deadline_ms UNUSED)
{
	pr_login_stop_all();
	proc_exit_loop(p, PROC_EXIT_OK);
}

static void
done(struct proc *p UNUSED, void *arg)
{
	struct pr_app *app = arg;

	if (app == NULL)
		return;
	pr_login_stop_all();
	if (app->pool != NULL)
		pr_pool_link_down(app->pool);
	if (app->lanes != NULL && !pr_lanes_stop(app->lanes, THREADS_END_MS)) {
		threads_left = true;
		return;
	}
	pr_steps_free(app->steps);
	pr_pool_free(app->pool);
	pr_lanes_free(app->lanes);
	ipc_link_close(app->link);
	if (app->tick != NULL)
		event_free(app->tick);
	free(app);
}

static void
peer(struct proc *p, void *arg, const struct ipc_child_peer *m)
{
	struct pr_app *app = arg;
	struct err e;

	if (m->role == IPC_ROLE_RAFTD && ipc_link_follow(&app->link, m->generation, m->up) &&
	    open_link(app, m->generation, &e) != 0)
		proc_fail(p, PROC_EXIT_RETRY, &e);
}

int
pr_main(int argc, char **argv)
{
	static const struct proc_ops ops = {.program = "prober",
					    .role = IPC_ROLE_PROBER,
					    .start = start,
					    .reload = reload,
					    .stop = stop,
					    .done = done,
					    .peer = peer};
	int code = proc_main(argc, argv, &ops);

	if (threads_left)
		_exit(code);
	return code;
}
