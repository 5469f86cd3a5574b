/* rd_house.c — the schedule of periodic work (rd_periodic.def) and the tasks about the node itself: events, heartbeat,
 * backend, expiry, old rows. Those about servers and clusters stand in rd_house_*.c. Owns the timer. Each task is
 * short: it looks at memory and proposes, marks or queues. */
#include <stdlib.h>

#include "base/log.h"
#include "group/rd_group.h"
#include "rd_house_private.h"
#include "rd_recoveries.h"

#define UID_LIFE_US (24 * 3600 * CLK_S)
#define NODE_LIFE_US (5 * CLK_S)

/* --- node ------------------------------------------------------------------------------------------------------ */
void
rd_task_publish_state(struct rd_node *n)
{
	rd_publish_state(n);
}

void
rd_task_publish_metrics(struct rd_node *n)
{
	rd_publish_metrics(n);
}

void
rd_task_publish_samples(struct rd_node *n)
{
	rd_publish_samples(n);
}

void
rd_task_end_late(struct rd_node *n)
{
	rd_probers_tick(n->probers, rd_mono(n));
	rd_ask_tick(n);
	rd_work_suspects(n);
}

void
rd_task_ask_voters(struct rd_node *n)
{
	rd_detect_tick(n);
	rd_recoveries_tick(n->recoveries);
}

void
rd_task_keep_group(struct rd_node *n)
{
	rd_group_tick(n->group);
}

void
rd_task_ask_health(struct rd_node *n)
{
	rd_group_ask_health(n->group);
}

void
rd_task_heartbeat(struct rd_node *n)
{
	rd_health_beat(n);
}

static void
on_checked(void *ctx, struct rd_job *job)
{
	struct rd_node *n = ctx;

	if (job->rc != 0) {
		rd_health_backend(n, RD_HEALTH_ONCE, job->rc, &job->e);
	} else if (job->foreign) {
		log_info("backend", "the database was changed by another program, reading decisions again");
		rd_proposer_reload(n->decide);
	}
	rd_job_free(job);
}

void
rd_task_watch_backend(struct rd_node *n)
{
	struct rd_job *job = rd_job_new(RD_JOB_CHECK, on_checked, n);
	struct err e;

	rd_proposer_tick(n->decide);
	if (rd_view_submit(n->view, job, &e) != 0)
		rd_job_free(job); /* the backend is slow, and health says so */
}

/* --- decisions ------------------------------------------------------------------------------------------------- */
static void
on_expired(void *ctx, const struct rd_proposed *p)
{
	struct rd_node *n = ctx;

	n->expiring = false;
	if (p->outcome != RD_COMMITTED)
		log_debug("expire", "not expired, trying again: %s", p->e->msg);
}

struct rd_lives
rd_house_lives(const struct rd_node *n)
{
	const struct conf *c = proc_conf(n->proc);

	return (struct rd_lives){.candidate_us = n->rules->candidate_life_us,
				 .pool_us = n->rules->pool_life_us,
				 .unresolve_us = n->rules->name_life_us,
				 .token_us = max_i64(CLK_S, n->rules->token_life_us), /* 0 minutes are none */
				 .uid_us = UID_LIFE_US,
				 .detection_us = max_i64(1, c->FailureDetectionPeriodBlockMinutes * 60) * CLK_S,
				 .recovery_us = max_i64(1, c->RecoveryPeriodBlockSeconds) * CLK_S,
				 .record_us = n->rules->audit_life_us};
}

void
rd_task_expire_decisions(struct rd_node *n)
{
	struct rd_lives lives = rd_house_lives(n);
	struct rd_cmd_tick tick;
	struct err e;

	if (n->expiring)
		return; /* one at a time; beside whatever else is under way, which may never be nothing */
	if (!rd_tick_due(rd_decisions(n), rd_now_us(n), &lives, &tick))
		return;
	n->expiring = true;
	if (rd_propose_tick(n->decide, &tick, on_expired, n, &e) == 0)
		return;
	n->expiring = false;
	log_debug("expire", "not expired, trying again: %s", e.msg);
}

/* --- old rows -------------------------------------------------------------------------------------------------- */
void
rd_task_expire_names(struct rd_node *n)
{
	rd_resolve_expire(n->names, n->rules, rd_now_us(n));
	rd_forgotten_expire(&n->candidates, rd_mono(n));
}

void
rd_task_purge_rows(struct rd_node *n)
{
	const struct rd_rules *r = n->rules;
	const struct {
		enum db_table table;
		const char *condition;
		int64_t life_us;
	} purges[] = {
	    {DB_TABLE_audit, "audit_timestamp < ?", r->audit_life_us},
	    {DB_TABLE_maintenance, "maintenance_active IS NULL AND end_timestamp < ?", RD_MAINTENANCE_HISTORY_US},
	    {DB_TABLE_node_health, "last_seen_active < ?", NODE_LIFE_US},
	    {DB_TABLE_node_health_history, "first_seen_active < ?", r->unseen_life_us},
	    {DB_TABLE_analysis_changelog, "analysis_timestamp < ?", r->unseen_life_us},
	    {DB_TABLE_cluster_alias, "last_registered < ?", r->unseen_life_us},
	    {DB_TABLE_cluster_domain, "last_registered < ?", r->name_life_us},
	    {DB_TABLE_hostname_resolve, "resolved_timestamp < ?", 2 * r->name_life_us},
	    {DB_TABLE_hostname_resolve_history, "resolved_timestamp < ?", r->unseen_life_us},
	    {DB_TABLE_hostname_ips, "last_updated < ?", r->unseen_life_us},
	    {DB_TABLE_vote, "decided_at < ?", r->unseen_life_us},
	};
	struct rd_changes rows = {0};

	for (size_t i = 0; i < ARRAY_LEN(purges); i++)
		rd_changes_purge(&rows, purges[i].table, purges[i].condition, rd_now_us(n) - purges[i].life_us);
	rd_flush_rows(n, &rows);
}

/* --- the schedule ---------------------------------------------------------------------------------------------- */
static void (*const tasks[RD_TASK_COUNT])(struct rd_node *n) = {
#define RD_PERIODIC(task, every, when) [RD_TASK_##task] = rd_task_##task,
#include "rd_periodic.def"
#undef RD_PERIODIC
};

static unsigned
conditions(struct rd_node *n)
{
	return (n->decide != NULL ? (unsigned)RD_WHEN_OPEN : 0) | (n->one_shot ? 0 : (unsigned)RD_WHEN_SERVICE) |
	       (rd_node_leads(n) ? (unsigned)RD_WHEN_LEADER : 0) | (n->group != NULL ? (unsigned)RD_WHEN_RAFT : 0);
}

static void
arm(struct rd_node *n)
{
	struct mono wake = rd_periodic_wake(&n->periodic, conditions(n));
	int64_t us = max_i64(1000, mono_diff_us(wake, rd_mono(n)));
	struct timeval tv = clk_timeval(us);

	(void)event_add(n->periodic_timer, &tv);
}

/* One task per turn of the loop: some look at every server. */
static void
on_timer(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct rd_node *n = arg;
	enum rd_task task;

	if (n->stopping)
		return;
	task = rd_periodic_take(&n->periodic, rd_mono(n), n->rules->poll_us, conditions(n));
	if (task != RD_TASK_COUNT)
		tasks[task](n);
	arm(n);
}

void
rd_house_wake(struct rd_node *n)
{
	event_active(n->periodic_timer, EV_TIMEOUT, 0);
}

int
rd_house_start(struct rd_node *n, struct err *e)
{
	rd_periodic_init(&n->periodic, rd_mono(n), n->rules->poll_us);
	n->periodic_timer = event_new(n->base, -1, 0, on_timer, n);
	if (n->periodic_timer == NULL)
		return err_set(e, ERR_UNAVAILABLE, "libevent refuses a timer");
	arm(n);
	return 0;
}

void
rd_house_done(struct rd_node *n)
{
	if (n->periodic_timer != NULL)
		event_free(n->periodic_timer);
}
