/* rd_house.c — periodic work: one rd_task_<name>() per line of rd_periodic.def (raft-and-nodes.md section 11). Owns the
 * timer. Each task is short: it looks at memory and proposes, marks or queues. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "conf/conf.h"
#include "rd_alias.h"
#include "rd_node_private.h"
#include "topo/graph.h"
#include "topo/key.h"

#define UID_LIFE_US (24 * 3600 * CLK_S)
#define ATTEMPT_LATE_US CLK_S
#define ALIAS_REFRESH_US (60 * CLK_S)
#define NODE_LIFE_US (5 * CLK_S)
#define CANDIDATE_POLLS 3
#define ROOT_POLLS 2
#define CLUSTER_ID_BYTES 16

/* --- node ------------------------------------------------------------------------------------------------------ */
static void
rd_task_publish_state(struct rd_node *n)
{
	rd_publish_state(n);
}

static void
rd_task_publish_metrics(struct rd_node *n)
{
	rd_publish_metrics(n);
}

static void
rd_task_end_late(struct rd_node *n)
{
	rd_probers_tick(n->probers, rd_mono(n));
	rd_ask_tick(n);
	rd_work_suspects(n);
}

static void
rd_task_heartbeat(struct rd_node *n)
{
	rd_health_beat(n);
}

static void
on_checked(void *ctx, struct rd_job *job)
{
	struct rd_node *n = ctx;

	if (job->rc != 0) {
		rd_health_backend(n, job->rc, &job->e);
	} else if (job->foreign) {
		log_info("backend", "the database was changed by another program, reading decisions again");
		rd_proposer_reload(n->decide);
	}
	rd_job_free(job);
}

static void
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
on_expired(void *ctx UNUSED, const struct rd_proposed *p)
{
	if (p->outcome != RD_COMMITTED)
		log_debug("expire", "not expired, trying again: %s", p->e->msg);
}

static void
rd_task_expire_decisions(struct rd_node *n)
{
	struct rd_cmd_tick tick;
	struct err e;

	if (rd_proposer_stats(n->decide).pending > 0)
		return; /* the next second is early enough */
	if (!rd_tick_due(rd_decisions(n), rd_now_us(n), n->rules->candidate_life_us, UID_LIFE_US, &tick))
		return;
	if (rd_propose_tick(n->decide, &tick, on_expired, n, &e) != 0)
		log_debug("expire", "not expired, trying again: %s", e.msg);
}

/* --- servers --------------------------------------------------------------------------------------------------- */
/* A probe that should have ended a second ago hangs: last_attempted_check says so (probing.md section 4, step 1). */
static void
rd_task_note_attempts(struct rd_node *n)
{
	int64_t now_us = rd_now_us(n);

	for (struct rd_server *s = n->model.servers; s != NULL; s = s->hh.next) {
		if (!s->listed || !s->probed || !rd_server_is_valid(s) ||
		    s->inst.last_attempted_us > s->inst.last_checked_us ||
		    now_us - s->inst.last_checked_us < n->rules->poll_us + ATTEMPT_LATE_US)
			continue;
		s->inst.last_attempted_us = now_us;
		rd_model_mark(&n->model, s, RD_DIRTY_ATTEMPT);
		rd_flush_soon(n);
	}
}

static void
rd_task_drop_candidates(struct rd_node *n)
{
	int64_t life_us = CANDIDATE_POLLS * n->rules->poll_us + n->rules->probe_deadline_us;
	struct rd_candidate *c;

	while ((c = rd_candidates_expired(&n->candidates, rd_mono(n), life_us)) != NULL) {
		log_info("discover", "candidate is not named any more instance=%s", LOG_Q(c->text));
		rd_discover_drop_candidate(n, &c->key);
	}
}

struct key_batch {
	struct topo_key keys[RD_KEYS_MAX];
	size_t n;
};

/* False when the batch is full: the rest waits for the next minute. */
static bool
add_key(struct key_batch *b, const struct topo_key *key)
{
	if (b->n == ARRAY_LEN(b->keys))
		return false;
	b->keys[b->n++] = *key;
	return true;
}

static void
forget_batch(struct rd_node *n, struct key_batch *b, const char *audit_type, const char *message)
{
	struct topo_key_list keys = {b->keys, b->n};

	if (b->n == 0)
		return;
	log_info("discover", "forgetting %zu servers: %s", b->n, message);
	rd_discover_forget(n, &keys, audit_type, message);
}

/* Servers that were never seen don't expire, as historically. */
static void
rd_task_forget_unseen(struct rd_node *n)
{
	struct key_batch *b = mem_new(struct key_batch);
	int64_t before_us = rd_now_us(n) - n->rules->unseen_life_us;

	for (const struct rd_server *s = n->model.servers; s != NULL; s = s->hh.next) {
		if (s->listed && s->inst.last_seen_us != 0 && s->inst.last_seen_us < before_us &&
		    !add_key(b, &s->inst.key))
			break;
	}
	forget_batch(n, b, "forget-unseen", "not seen for UnseenInstanceForgetHours");
	free(b);
}

/* Invalid servers whose name stands for another one by now. */
static void
rd_task_forget_renamed(struct rd_node *n)
{
	struct key_batch *b = mem_new(struct key_batch);
	struct rd_changes rows = {0};

	for (const struct rd_server *s = n->model.servers; s != NULL; s = s->hh.next) {
		const char *name;
		if (!s->listed || rd_server_is_valid(s) || !topo_key_valid(&s->inst.key))
			continue;
		(void)rd_resolve_name(n->names, n->rules, s->inst.key.hostname, rd_now_us(n), &name, &rows);
		if (strcmp(name, s->inst.key.hostname) != 0 && !add_key(b, &s->inst.key))
			break;
	}
	forget_batch(n, b, "forget-unseen-differently-resolved", "the name resolves to another one");
	rd_flush_rows(n, &rows);
	free(b);
}

static const struct topo_instance *
lookup(void *ctx, const struct topo_key *key)
{
	return rd_model_lookup(&((struct rd_node *)ctx)->model, key);
}

/* The cluster of a server that does not answer follows its source's. */
static void
rd_task_review_unseen(struct rd_node *n)
{
	char message[64];
	size_t count = 0;

	for (struct rd_server *s = n->model.servers; s != NULL; s = s->hh.next) {
		struct topo_cluster c;
		if (!s->listed || s->inst.last_seen_us == 0 || rd_server_is_valid(s))
			continue;
		topo_cluster_of(&s->inst, lookup, n, &c);
		if (strcmp(c.name, s->inst.cluster_name) != 0) {
			rec_set_str(&s->inst.cluster_name, c.name);
			rd_model_mark(&n->model, s, RD_DIRTY_NOT_SEEN);
			count++;
		}
		topo_cluster_done(&c);
	}
	if (count == 0)
		return;
	rd_flush_soon(n);
	(void)snprintf(message, sizeof(message), "Operations: %zu", count);
	rd_audit(n, "review-unseen-instances", NULL, message);
}

static bool
has_running_replica(const struct rd_family *f)
{
	const struct rd_server *s;

	LIST_FOREACH (s, &f->replicas, sibling)
		if (s->inst.io_running)
			return true;
	return false;
}

/* Sources that replicas read from and that we could not reach: shown, so that their clusters are. */
static void
rd_task_list_sources(struct rd_node *n)
{
	struct key_batch *b = mem_new(struct key_batch);
	struct rd_cmd_inventory_add c = {.reason = "inject-unseen-masters"};
	struct err e;

	for (const struct rd_family *f = n->model.families; f != NULL; f = f->hh.next) {
		if (rd_model_find(&n->model, &f->key) == NULL && has_running_replica(f) &&
		    rd_host_is_plausible(f->key.hostname) && !rd_forgotten_has(&n->candidates, &f->key, rd_mono(n)) &&
		    !conf_filter_matches(n->rules->ignore_source, f->key.hostname, f->key.port) &&
		    !conf_filter_matches(n->rules->never_probe, f->key.hostname, f->key.port) && !add_key(b, &f->key))
			break;
	}
	c.keys = (struct topo_key_list){b->keys, b->n};
	if (b->n > 0 && rd_propose_inventory_add(n->decide, &c, NULL, NULL, &e) != 0)
		log_debug("discover", "sources are not listed, trying again: %s", e.msg);
	free(b);
}

/* --- clusters -------------------------------------------------------------------------------------------------- */
static bool
is_lost(const struct rd_node *n, const struct topo_key *key)
{
	struct db_downtime k = {.hostname = key->hostname, .port = key->port};
	const struct db_downtime *row = rd_state_get(rd_decisions(n), RD_TABLE_downtime, &k);

	return row != NULL && strcmp(row->reason, "lost-in-recovery") == 0;
}

static size_t
collect_votes(const struct rd_node *n, struct rd_alias_vote *votes)
{
	size_t count = 0;

	for (const struct rd_server *s = n->model.servers; s != NULL; s = s->hh.next) {
		if (!s->listed || is_lost(n, &s->inst.key))
			continue;
		votes[count++] = (struct rd_alias_vote){.cluster_name = s->inst.cluster_name,
							.alias = s->inst.suggested_cluster_alias,
							.valid = rd_server_is_valid(s),
							.read_only = s->inst.read_only,
							.replicas = s->inst.replicas.n};
	}
	return count;
}

/* Written when it changed, and once a minute to keep it from expiring. */
static void
rd_task_rebuild_aliases(struct rd_node *n)
{
	size_t max = rd_model_count(&n->model);
	struct rd_alias_vote *votes = mem_calloc(max, sizeof(*votes));
	struct rd_alias_row *rows = mem_calloc(max, sizeof(*rows));
	size_t count = rd_alias_rebuild(votes, collect_votes(n, votes), rows);
	uint64_t print = rd_alias_fingerprint(rows, count);
	int64_t now_us = rd_now_us(n);

	if (print != n->aliases_print || now_us - n->aliases_refreshed_us >= ALIAS_REFRESH_US) {
		n->aliases_print = print;
		n->aliases_refreshed_us = now_us;
		for (size_t i = 0; i < count; i++) {
			struct db_cluster_alias row = {rows[i].cluster_name, rows[i].alias, now_us};
			if (row.alias != NULL)
				rd_flush_row(n, RD_CHANGE_UPSERT, DB_TABLE_cluster_alias, &row);
		}
	}
	free(votes);
	free(rows);
}

struct record_search {
	const char *cluster_name;
	const struct db_cluster_record *found;
};

static void
match_record(void *ctx, const void *row)
{
	struct record_search *x = ctx;
	const struct db_cluster_record *r = row;

	if (strcmp(r->cluster_name, x->cluster_name) == 0)
		x->found = r;
}

static void
keep_cluster(struct rd_node *n, const struct rd_server *s)
{
	struct record_search x = {.cluster_name = s->inst.cluster_name};
	char id[2 * CLUSTER_ID_BYTES + 1];
	struct rd_cmd_cluster_upsert c = {.cluster_id = id,
					  .cluster_name = s->inst.cluster_name,
					  .alias = s->inst.suggested_cluster_alias,
					  .domain_name = s->domain == NULL ? "" : s->domain};
	struct err e;

	rd_state_each(rd_decisions(n), RD_TABLE_cluster_record, match_record, &x);
	if (x.found != NULL) {
		if (c.domain_name[0] == '\0')
			c.domain_name = x.found->domain_name;
		if (strcmp(x.found->alias, c.alias) == 0 && strcmp(x.found->domain_name, c.domain_name) == 0)
			return;
		c.cluster_id = x.found->cluster_id;
	} else {
		str_random_hex(id, CLUSTER_ID_BYTES);
	}
	if (rd_propose_cluster_upsert(n->decide, &c, NULL, NULL, &e) != 0)
		log_debug("cluster", "record not kept, trying again: %s", e.msg);
}

/* A cluster gets its record, with an id that never changes, once its root has been that for some polls: names that
 * stand for a moment, while a topology is being found, get none. */
static void
rd_task_keep_clusters(struct rd_node *n)
{
	for (struct rd_server *s = n->model.servers; s != NULL; s = s->hh.next) {
		bool parentless = !topo_key_valid(topo_parent_key(&s->inst)) || s->inst.is_co_source;
		bool root =
		    s->listed && s->found && rd_server_is_valid(s) && s->inst.replication_depth == 0 && parentless;
		s->root_polls = root ? s->root_polls + (s->root_polls < ROOT_POLLS) : 0;
		if (s->root_polls == ROOT_POLLS)
			keep_cluster(n, s);
	}
}

/* --- old rows -------------------------------------------------------------------------------------------------- */
static void
rd_task_expire_names(struct rd_node *n)
{
	rd_resolve_expire(n->names, n->rules, rd_now_us(n));
	rd_forgotten_expire(&n->candidates, rd_mono(n));
}

static void
rd_task_purge_rows(struct rd_node *n)
{
	const struct rd_rules *r = n->rules;
	const struct {
		enum db_table table;
		const char *condition;
		int64_t life_us;
	} purges[] = {
	    {DB_TABLE_audit, "audit_timestamp < ?", r->audit_life_us},
	    {DB_TABLE_node_health, "last_seen_active < ?", NODE_LIFE_US},
	    {DB_TABLE_node_health_history, "first_seen_active < ?", r->unseen_life_us},
	    {DB_TABLE_cluster_alias, "last_registered < ?", r->unseen_life_us},
	    {DB_TABLE_cluster_domain, "last_registered < ?", r->name_life_us},
	    {DB_TABLE_hostname_resolve, "resolved_timestamp < ?", 2 * r->name_life_us},
	    {DB_TABLE_hostname_resolve_history, "resolved_timestamp < ?", r->unseen_life_us},
	    {DB_TABLE_hostname_ips, "last_updated < ?", r->unseen_life_us},
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
conditions(const struct rd_node *n)
{
	return (n->decide != NULL ? (unsigned)RD_WHEN_OPEN : 0) | (n->one_shot ? 0 : (unsigned)RD_WHEN_SERVICE);
}

static void
arm(struct rd_node *n)
{
	struct mono wake = rd_periodic_wake(&n->periodic, conditions(n));
	int64_t us = max_i64(1000, mono_diff_us(wake, rd_mono(n)));
	struct timeval tv = {.tv_sec = us / CLK_S, .tv_usec = us % CLK_S};

	(void)event_add(n->periodic_timer, &tv);
}

static void
on_timer(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct rd_node *n = arg;
	enum rd_task task;

	while (!n->stopping &&
	       (task = rd_periodic_take(&n->periodic, rd_mono(n), n->rules->poll_us, conditions(n))) != RD_TASK_COUNT)
		tasks[task](n);
	if (!n->stopping)
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
