/* rd_health.c — this node's heartbeat row, and whether the backend can be written (raft-and-nodes.md section 10). Owns
 * the health requests that wait for a heartbeat. Logs each change of the backend's state once. */
#include <stdlib.h>

#include "base/log.h"
#include "conf/conf.h"
#include "rd_node_private.h"

#define WAITERS_MAX 1024
#define FRESH_US CLK_S		  /* a heartbeat this young answers a health request */
#define LOG_AGAIN_US (60 * CLK_S) /* while the backend goes on failing */

/* --- the backend's state --------------------------------------------------------------------------------------- */
static void
note_failure(struct rd_node *n, enum rd_health_work work, const struct err *e)
{
	struct rd_backend_health *h = &n->health;
	bool fresh = h->failing_since_us == 0;

	rd_health_rule_failed(&h->rule, work);
	h->error = *e;
	if (fresh) {
		h->failing_since_us = rd_now_us(n);
		h->failing_from = rd_mono(n);
	}
	if (!fresh && mono_diff_us(rd_mono(n), h->logged) < LOG_AGAIN_US)
		return;
	h->logged = rd_mono(n);
	/* tests: test_raftd_backend.py */
	log_error("backend", "the backend cannot be written, changes are refused until it can: %s", e->msg);
}

void
rd_health_backend(struct rd_node *n, enum rd_health_work work, int rc, const struct err *e)
{
	struct rd_backend_health *h = &n->health;

	if (rc == 0) {
		if (!rd_health_rule_succeeded(&h->rule, work))
			return;
		if (h->failing_since_us != 0)
			log_notice("backend", "the backend can be written again, after %lld s",
				   (long long)((rd_now_us(n) - h->failing_since_us) / CLK_S));
		h->failing_since_us = 0;
		return;
	}
	if (rd_view_error_is_fatal(rc) && !n->stopping) {
		struct err fatal = *e;
		(void)err_wrap(&fatal, "the backend is lost, an operator is needed");
		proc_fail(n->proc, PROC_EXIT_BACKEND, &fatal); /* tests: test_raftd_backend.py */
		return;
	}
	if (!n->stopping)
		note_failure(n, work, e);
}

/* --- heartbeat ------------------------------------------------------------------------------------------------- */
static void
add_health_row(struct rd_node *n, struct rd_changes *c)
{
	const struct ipc_child_config *setup = proc_setup(n->proc);
	struct db_node_health row = {.hostname = setup->hostname,
				     .token = setup->node_token,
				     .first_seen_active_us = n->health.first_seen_us,
				     .last_seen_active_us = rd_now_us(n),
				     .extra_info = n->one_shot ? "CLIMode" : "HttpMode",
				     .command = setup->args.n > 0 && n->one_shot ? setup->args.v[0].s : "",
				     .app_version = ORC_VERSION,
				     .db_backend = proc_conf(n->proc)->SQLite3DataFile,
				     .incrementing_indicator = (int64_t)n->health.beats};

	rd_changes_add(c, RD_CHANGE_UPSERT, DB_TABLE_node_health, &row);
}

static void
add_history_row(struct rd_node *n, struct rd_changes *c)
{
	const struct ipc_child_config *setup = proc_setup(n->proc);
	struct db_node_health_history row = {.hostname = setup->hostname,
					     .token = setup->node_token,
					     .first_seen_active_us = n->health.first_seen_us,
					     .extra_info = n->one_shot ? "CLIMode" : "HttpMode",
					     .command = "",
					     .app_version = ORC_VERSION};

	rd_changes_add(c, RD_CHANGE_INSERT_IGNORE, DB_TABLE_node_health_history, &row);
}

/* Without raft this node is the active one as long as it serves: operators look for it here. */
static void
add_active_row(struct rd_node *n, struct rd_changes *c)
{
	const struct ipc_child_config *setup = proc_setup(n->proc);
	struct db_active_node row = {.anchor = 1,
				     .hostname = setup->hostname,
				     .token = setup->node_token,
				     .last_seen_active_us = rd_now_us(n),
				     .first_seen_active_us = n->health.first_seen_us};

	if (!n->one_shot && n->group == NULL)
		rd_changes_add(c, RD_CHANGE_UPSERT, DB_TABLE_active_node, &row);
}

static void
answer_waiters(struct rd_node *n, int rc, const struct err *e)
{
	struct rd_backend_health *h = &n->health;

	for (size_t i = 0; i < h->n_waiters; i++) {
		if (rc == 0)
			rd_reply_ok(n, h->waiters[i], 0, NULL, NULL);
		else
			rd_reply_error(n, h->waiters[i], e);
	}
	h->n_waiters = 0;
}

static void
on_registered(void *ctx, struct rd_job *job)
{
	struct rd_node *n = ctx;

	n->health.registering = false;
	if (job->rc == 0)
		n->health.registered = rd_mono(n);
	rd_health_backend(n, RD_HEALTH_BEAT, job->rc, &job->e);
	/* what waited may be gone (a forgotten server): then there is nothing left to be tried */
	if (job->rc == 0 && rd_flush_is_idle(n))
		rd_health_backend(n, RD_HEALTH_FLUSH, 0, NULL);
	answer_waiters(n, job->rc, &job->e);
	rd_job_free(job);
}

void
rd_health_beat(struct rd_node *n)
{
	struct rd_job *job;
	struct err e;

	if (n->health.registering)
		return;
	job = rd_job_new(RD_JOB_TELEMETRY, on_registered, n);
	n->health.beats++;
	add_health_row(n, &job->changes);
	add_active_row(n, &job->changes);
	if (n->health.beats == 1)
		add_history_row(n, &job->changes);
	n->health.registering = true;
	if (rd_view_submit(n->view, job, &e) == 0)
		return;
	job->rc = -e.code;
	job->e = e;
	on_registered(n, job);
}

/* --- health requests ------------------------------------------------------------------------------------------- */
void
rd_health_ask(struct rd_node *n, struct rd_req req)
{
	struct rd_backend_health *h = &n->health;
	struct err e;

	if (!h->open || h->n_waiters >= WAITERS_MAX) {
		if (!h->open && h->error.code != 0)
			e = h->error;
		else
			(void)err_set(&e, ERR_UNAVAILABLE, "the backend is not open yet");
		rd_reply_error(n, req, &e);
		return;
	}
	if (h->failing_since_us == 0 && h->registered.us != 0 && mono_diff_us(rd_mono(n), h->registered) < FRESH_US) {
		rd_reply_ok(n, req, 0, NULL, NULL);
		return;
	}
	mem_grow(h->waiters, h->cap_waiters, h->n_waiters + 1);
	h->waiters[h->n_waiters++] = req;
	rd_health_beat(n);
}

void
rd_health_done(struct rd_node *n)
{
	free(n->health.waiters);
}
