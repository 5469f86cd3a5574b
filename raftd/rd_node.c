/* rd_node.c — start, reload and stop of raftd, and the opening of the backend. Owns struct rd_node. Start is quick: the
 * sockets are bound at once, the backend is opened and read by the view writer's thread, and the node leads when that
 * has come back. */
#include "rd_node.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "conf/conf.h"
#include "group/rd_group.h"
#include "rd_node_private.h"
#include "rd_recoveries.h"
#include "rd_turn.h"
#include "state/rd_propose_raft.h"

#define OPEN_LOG_AGAIN_US (10 * CLK_S)
#define LOAD_SLICE 1000
#define VIEW_END_MS 1000 /* for the writer's thread, once the loop has ended */

/* --- the backend opens ----------------------------------------------------------------------------------------- */
static void
on_applied(void *ctx, const struct rd_applied *a)
{
	struct rd_node *n = ctx;

	rd_discover_applied(n, a);
	if (n->group != NULL)
		rd_recoveries_applied(n->recoveries, a);
}

static void
on_committed(void *ctx, const struct rd_applied *a)
{
	struct rd_node *n = ctx;
	struct topo_key_list keys = {0};
	bool audited = n->group != NULL && rd_group_is_audited(n->group, a->index);

	for (size_t i = 0; i < a->n_effects; i++) {
		const struct rd_effect *x = &a->effects[i];
		if (x->kind == RD_EFFECT_AUDIT && !audited)
			rd_audit_at(n, a->time_us, x->audit_type, &x->key, x->message);
	}
	if (n->group == NULL) /* only now it is sure */
		rd_recoveries_applied(n->recoveries, a);
	keys = a->keys;
	keys.n = min_size(keys.n, 256);
	if (keys.n > 0)
		rd_publish_changed(n, &keys, a->keys.n > keys.n);
}

static void
on_reloaded(void *ctx)
{
	rd_discover_reconcile(ctx);
}

static void
on_backend(void *ctx, const struct rd_job *job)
{
	struct rd_node *n = ctx;
	enum rd_health_work work = RD_HEALTH_ONCE;

	if (n->group != NULL)
		work = RD_HEALTH_VIEW;
	else if (job->kind == RD_JOB_RELOAD)
		work = RD_HEALTH_RELOAD;
	rd_health_backend(n, work, job->rc, &job->e);
}

static void
log_open(const struct rd_node *n, const struct db_open_info *info, const struct rd_loaded *loaded)
{
	log_info("backend", "opened file=%s schema=%lld instances=%zu%s%s%s",
		 LOG_Q(proc_conf(n->proc)->SQLite3DataFile), (long long)info->to_version, loaded->instances.n,
		 info->created ? " (created)" : "", info->adopted ? " (taken over from the historical program)" : "",
		 info->unclean ? " (checked: the last writer did not close it)" : "");
	if (loaded->skipped > 0)
		log_warning("backend", "%zu rows break a limit and are not used", loaded->skipped);
}

bool
rd_node_leads(struct rd_node *n)
{
	return n->decide != NULL && !n->stopping && (n->group == NULL || rd_group_leads(n->group));
}

void
rd_node_become_active(struct rd_node *n, const struct rd_raft_door *raft, struct rd_state *state, bool view_fits)
{
	struct rd_proposer_conf pc = {.view = n->view,
				      .clock = n->clock,
				      .originator = proc_setup(n->proc)->hostname,
				      .beside_raft = n->one_shot && proc_conf(n->proc)->RaftEnabled,
				      .ctx = n,
				      .on_applied = on_applied,
				      .on_committed = on_committed,
				      .on_reloaded = on_reloaded,
				      .on_backend = on_backend};
	bool was_failing = n->health.error.code != 0;

	n->decide = raft == NULL ? rd_proposer_new(&pc, state) : rd_proposer_new_raft(&pc, raft, state, view_fits);
	rd_loaded_free(n->loading);
	n->loading = NULL;
	n->health.open = true;
	n->health.failing_since_us = 0;
	n->health.rule = (struct rd_health_rule){0};
	n->health.first_seen_us = rd_now_us(n);
	rd_discover_reconcile(n);
	if (!n->one_shot)
		rd_discover_seeds(n);
	rd_health_beat(n);
	rd_publish_state(n);
	rd_house_wake(n);
	if (!was_failing)
		proc_ready(n->proc, "backend open");
}

/* Raft was switched off before the node's backend had all of the group's rows: the rest would be missing unnoticed. */
static void
refuse_unfinished(struct rd_node *n)
{
	struct err e;

	(void)err_set(&e, ERR_CONFIG,
		      "the backend %s holds only a part of its raft group's rows: it was being written anew when the "
		      "node ended. Start with RaftEnabled until the log says that the backend holds the group's rows, "
		      "then switch raft off; or move the file away to begin with an empty one",
		      LOG_Q(proc_conf(n->proc)->SQLite3DataFile));
	proc_fail(n->proc, PROC_EXIT_CONFIG, &e);
}

static void
take_over(struct rd_node *n)
{
	struct rd_state *state = n->loading->state;

	if (n->group != NULL) {
		rd_group_backend_read(n->group);
		return;
	}
	if (n->loading->unfinished) {
		refuse_unfinished(n);
		return;
	}
	n->loading->state = NULL;
	rd_node_become_active(n, NULL, state, true);
}

/* The newest known state of every server, as it was written before the last stop; a slice per turn of the loop. */
static void
on_load_timer(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct rd_node *n = arg;
	struct topo_instance_list *list = &n->loading->instances;
	size_t end = min_size(list->n, n->loaded + LOAD_SLICE);

	if (n->stopping)
		return;
	while (n->loaded < end)
		rd_discover_known(n, &list->v[n->loaded++]);
	if (n->loaded < list->n)
		rd_turn_next(n->load_timer);
	else
		take_over(n);
}

static void
on_open(void *ctx, const struct db_open_info *info, struct rd_loaded *loaded)
{
	struct rd_node *n = ctx;

	log_open(n, info, loaded);
	for (size_t i = 0; i < loaded->resolves.n; i++)
		rd_resolve_load(n->names, &loaded->resolves.v[i], rd_now_us(n));
	n->loading = loaded;
	on_load_timer(-1, 0, n);
}

/* A full disk or a lock of another process may pass: the node stays, says so, and tries again. */
static void
on_open_failed(void *ctx, const struct err *e, bool fatal)
{
	struct rd_node *n = ctx;
	bool fresh = n->health.error.code == 0;

	n->health.error = *e;
	if (fatal || n->one_shot) {
		proc_fail(n->proc, rd_exit_code(e->code), e);
		return;
	}
	if (fresh) {
		n->health.failing_since_us = rd_now_us(n);
		n->health.failing_from = rd_mono(n);
		proc_ready(n->proc, "waiting for the backend");
	}
	if (!fresh && mono_diff_us(rd_mono(n), n->health.logged) < OPEN_LOG_AGAIN_US)
		return;
	n->health.logged = rd_mono(n);
	log_error("backend", "the backend cannot be opened, retrying every %d s: %s", RD_VIEW_OPEN_RETRY_MS / 1000,
		  e->msg); /* tests: test_raftd_backend.py */
}

/* --- start ----------------------------------------------------------------------------------------------------- */
static int
start_parts(struct rd_node *n, struct err *e)
{
	const struct conf *c = proc_conf(n->proc);
	struct rd_view_conf vc = {.base = n->base,
				  .backend = c->BackendDB,
				  .path = c->SQLite3DataFile,
				  .version = ORC_VERSION,
				  .keep_schema = c->SkipOrchestratorDatabaseUpdate,
				  .only_deployed = c->PanicIfDifferentDatabaseDeploy,
				  .ctx = n,
				  .on_open = on_open,
				  .on_open_failed = on_open_failed,
				  .on_write = rd_publish_write};

	n->load_timer = event_new(n->base, -1, 0, on_load_timer, n);
	if (n->load_timer == NULL)
		return err_set(e, ERR_UNAVAILABLE, "libevent refuses a timer");
	if (rd_link_open(n, e) != 0 || rd_flush_start(n, e) != 0 || rd_house_start(n, e) != 0)
		return -e->code;
	return rd_view_start(&vc, &n->view, e);
}

static struct rd_node *
new_node(struct proc *p)
{
	struct rd_node *n = mem_new(struct rd_node);

	n->proc = p;
	n->base = proc_base(p);
	n->clock = clk_real();
	n->one_shot = proc_setup(p)->mode == PROC_MODE_ONE_SHOT;
	n->n_probers = (unsigned)max_i64(1, (int64_t)proc_setup(p)->probers);
	rd_model_init(&n->model);
	n->names = rd_resolve_new();
	n->suspect = rd_suspect_new();
	n->steps = rd_steps_new(n);
	n->detect = rd_detect_new(n);
	n->recoveries = rd_recoveries_new(n);
	TAILQ_INIT(&n->waiters);
	TAILQ_INIT(&n->parked);
	TAILQ_INIT(&n->asks);
	return n;
}

/* A one-shot command works on the backend alone (apid has refused it, unless --ignore-raft-setup). */
static int
start_group(struct rd_node *n, int *ret_code, struct err *e)
{
	if (!proc_conf(n->proc)->RaftEnabled || n->one_shot)
		return 0;
	return rd_group_start(n, &n->group, ret_code, e);
}

int
rd_node_start(struct proc *p, void **ret_app)
{
	struct rd_node *n = new_node(p);
	int code = PROC_EXIT_RETRY;
	struct err e;

	if (rd_rules_new(proc_conf(p), &n->rules, &e) != 0 || start_group(n, &code, &e) != 0 ||
	    start_parts(n, &e) != 0) {
		proc_fail(p, code, &e);
		rd_node_done(p, n);
		return code;
	}
	*ret_app = n;
	return 0;
}

/* --- reload ---------------------------------------------------------------------------------------------------- */
static void
rewatch_all(struct rd_node *n)
{
	for (struct rd_server *s = n->model.servers; s != NULL; s = s->hh.next)
		rd_work_watch(n, &s->inst.key);
	for (struct rd_candidate *c = n->candidates.all; c != NULL; c = c->hh.next)
		rd_work_watch(n, &c->key);
}

void
rd_node_reload(struct proc *p, void *app)
{
	struct rd_node *n = app;
	struct rd_rules *fresh;
	struct err e;

	if (n->ended)
		return;
	if (rd_rules_new(proc_conf(p), &fresh, &e) != 0) {
		log_error("config", "kept the old rules: %s", e.msg);
		return;
	}
	rd_rules_free(n->rules);
	n->rules = fresh;
	rewatch_all(n);
	if (n->group != NULL)
		rd_group_reload(n->group);
	if (n->decide != NULL)
		rd_audit(n, "reload-configuration", NULL, "configuration reloaded");
}

void
rd_node_peer(struct proc *p UNUSED, void *app, const struct ipc_child_peer *m)
{
	struct rd_node *n = app;

	if (!n->ended)
		rd_link_peer(n, m);
}

/* --- stop ------------------------------------------------------------------------------------------------------ */
static void
on_stopped(void *ctx)
{
	struct rd_node *n = ctx;

	proc_exit_loop(n->proc, PROC_EXIT_OK);
}

static void
on_drained(struct rd_node *n)
{
	rd_view_stop(n->view, on_stopped, n);
}

static void
on_group_stopped(struct rd_node *n)
{
	n->stopping = true;
	rd_publish_state(n);
	rd_flush_drain(n, on_drained);
}

void
rd_node_stop(struct proc *p UNUSED, void *app, int64_t deadline_ms)
{
	struct rd_node *n = app;

	if (n->ended)
		return;
	if (n->decide != NULL && !n->one_shot)
		rd_audit(n, "shutdown", NULL, "");
	if (n->group != NULL) {
		rd_group_stop(n->group, deadline_ms * CLK_MS / 2, on_group_stopped);
		return;
	}
	n->stopping = true;
	if (n->decide != NULL)
		rd_publish_state(n);
	rd_flush_drain(n, on_drained);
}

void
rd_node_done(struct proc *p UNUSED, void *app)
{
	struct rd_node *n = app;

	n->ended = true;
	if (!rd_view_free(n->view, VIEW_END_MS)) {
		log_warning("backend", "the backend did not finish in time, what was not acknowledged may be lost");
		_exit(proc_code(n->proc) == PROC_EXIT_OK ? PROC_EXIT_FAILED : proc_code(n->proc));
	}
	if (n->load_timer != NULL)
		event_free(n->load_timer);
	rd_loaded_free(n->loading);
	rd_proposer_free(n->decide);
	rd_names_done(n);
	rd_ask_done(n);
	rd_discover_done(n);
	rd_house_done(n);
	rd_flush_done(n);
	rd_health_done(n);
	rd_link_close(n);
	rd_model_done(&n->model);
	rd_recoveries_free(n->recoveries);
	rd_steps_free(n->steps);
	rd_detect_free(n->detect);
	rd_suspect_free(n->suspect);
	rd_resolve_free(n->names);
	rd_rules_free(n->rules);
	if (n->group != NULL) {
		rd_group_free(n->group);
		(void)event_base_loop(n->base, EVLOOP_NONBLOCK); /* libevent frees a connection in its next turn */
	}
	free(n);
}
