/* rd_house_clusters.c — periodic work on clusters: the alias table, the records with the ids that never change, servers that
 * recoveries gave up, and snapshots of the topologies. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "group/rd_group.h"
#include "rd_alias.h"
#include "rd_house_private.h"
#include "rd_lost.h"
#include "rd_records.h"
#include "topo/graph.h"
#include "topo/key.h"

#define ALIAS_REFRESH_US (60 * CLK_S)
#define ROOT_POLLS 2
#define CLUSTERS_AT_ONCE 256 /* proposals in one run */
#define CLUSTER_ID_BYTES 16
#define LOST_AT_ONCE 256 /* proposals in one run */

static bool
is_lost(const struct rd_node *n, const struct topo_key *key)
{
	struct db_downtime k = {.hostname = key->hostname, .port = key->port};
	const struct db_downtime *row = rd_state_get(rd_decisions(n), RD_TABLE_downtime, &k);

	return row != NULL && strcmp(row->reason, RD_LOST_REASON) == 0;
}

static size_t
collect_votes(const struct rd_node *n, struct rd_alias_vote *votes)
{
	size_t count = 0;

	for (const struct rd_server *s = n->model.servers; s != NULL; s = s->hh.next) {
		if (!s->listed || s->inst.cluster_name[0] == '\0' || is_lost(n, &s->inst.key))
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
rebuild_aliases(struct rd_node *n)
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

void
rd_task_rebuild_aliases(struct rd_node *n)
{
	if (n->group == NULL || !rd_group_holds_former(n->group))
		rebuild_aliases(n);
}

/* The records by cluster name, for one run. */
struct record {
	UT_hash_handle hh;
	const struct db_cluster_record *row;
};

static void
index_record(void *ctx, const void *row)
{
	struct record **index = ctx, *r = mem_new(struct record);

	r->row = row;
	HASH_ADD_KEYPTR(hh, *index, r->row->cluster_name, strlen(r->row->cluster_name), r);
}

static void
free_index(struct record **index)
{
	struct record *r, *next;

	HASH_ITER (hh, *index, r, next) {
		HASH_DEL(*index, r);
		free(r);
	}
}

/* 1: proposed, 0: nothing is new, < 0: the backend has enough to do, the rest waits for the next poll. */
static int
keep_cluster(struct rd_node *n, const struct rd_server *s, const struct db_cluster_record *old)
{
	char id[2 * CLUSTER_ID_BYTES + 1];
	struct rd_cmd_cluster_upsert c = {.cluster_id = id,
					  .cluster_name = s->inst.cluster_name,
					  .alias = s->inst.suggested_cluster_alias,
					  .domain_name = s->domain == NULL ? "" : s->domain};
	struct err e;
	int rc;

	if (old != NULL) {
		if (c.domain_name[0] == '\0')
			c.domain_name = old->domain_name;
		if (strcmp(old->alias, c.alias) == 0 && strcmp(old->domain_name, c.domain_name) == 0)
			return 0;
		c.cluster_id = old->cluster_id;
	} else {
		str_random_hex(id, CLUSTER_ID_BYTES);
	}
	rc = rd_propose_cluster_upsert(n->decide, &c, NULL, NULL, &e);
	return rc == 0 ? 1 : rc;
}

/* Of a ring of co-sources the one that names the cluster. */
static bool
is_root(const struct rd_server *s)
{
	bool parentless = !topo_key_valid(topo_parent_key(&s->inst)) || s->inst.is_co_source;

	return s->listed && s->found && rd_server_is_valid(s) && s->inst.replication_depth == 0 && parentless;
}

struct root {
	const struct rd_server *server;
	const struct db_cluster_record *row; /* of its cluster, NULL = none yet */
};

/* The roots that are due, with their records: all are looked up before the first is proposed, which changes records. */
static size_t
collect_roots(struct rd_node *n, struct root *roots)
{
	struct record *index = NULL, *r;
	size_t count = 0;

	rd_state_each(rd_decisions(n), RD_TABLE_cluster_record, index_record, &index);
	for (struct rd_server *s = n->model.servers; s != NULL; s = s->hh.next) {
		s->root_polls = is_root(s) ? s->root_polls + (s->root_polls < ROOT_POLLS) : 0;
		if (s->root_polls < ROOT_POLLS)
			continue;
		HASH_FIND(hh, index, s->inst.cluster_name, strlen(s->inst.cluster_name), r);
		roots[count++] = (struct root){s, r == NULL ? NULL : r->row};
	}
	free_index(&index);
	return count;
}

/* A cluster gets its record, with an id that never changes, once its root has been that for some polls: names that
 * stand for a moment, while a topology is being found, get none. */
void
rd_task_keep_clusters(struct rd_node *n)
{
	struct root *roots = mem_calloc(rd_model_count(&n->model), sizeof(*roots));
	size_t count = collect_roots(n, roots);
	int proposed = 0, rc = 0;

	for (size_t i = 0; i < count && proposed < CLUSTERS_AT_ONCE && rc >= 0; i++) {
		rc = keep_cluster(n, roots[i].server, roots[i].row);
		proposed += rc;
	}
	free(roots);
}

/* --- servers that recoveries gave up ------------------------------------------------------------------------------- */
static size_t
count_owners(const struct rd_node *n, const char *alias)
{
	size_t count = 0;

	for (const struct rd_server *s = n->model.servers; s != NULL; s = s->hh.next)
		count += s->listed && s->found && s->inst.replication_depth == 0 &&
			 strcmp(s->inst.suggested_cluster_alias, alias) == 0;
	return count;
}

static bool
is_back(struct rd_node *n, const struct db_downtime *row)
{
	struct topo_key key = {row->hostname, row->port};
	const struct rd_server *s = rd_model_find(&n->model, &key);

	if (strcmp(row->reason, RD_LOST_REASON) != 0 || s == NULL || !s->listed)
		return false;
	if (is_lost(n, &s->inst.source_key))
		return false; /* it follows another one that is lost */
	return rd_lost_is_back(&s->inst, rd_server_is_valid(s), row->begin_timestamp_us, rd_now_us(n),
			       count_owners(n, s->inst.suggested_cluster_alias));
}

struct backs {
	struct rd_node *n;
	struct rd_cmd_end_downtime ends[LOST_AT_ONCE];
	size_t count;
};

/* Proposing changes the table, so they are collected first. */
static void
note_back(void *ctx, const void *row)
{
	struct backs *b = ctx;
	const struct db_downtime *d = row;
	struct topo_key key = {d->hostname, d->port};

	if (b->count < LOST_AT_ONCE && is_back(b->n, d))
		rec_dup(&topo_key_desc, &b->ends[b->count++].key, &key);
}

void
rd_task_end_lost(struct rd_node *n)
{
	struct backs *b = mem_new(struct backs);
	struct err e;

	b->n = n;
	rd_state_each(rd_decisions(n), RD_TABLE_downtime, note_back, b);
	for (size_t i = 0; i < b->count; i++) {
		log_notice("recovery", "instance=%s was lost in a recovery and is back: its downtime ends",
			   TOPO_KEY_TEXT(&b->ends[i].key)); /* tests: test_recoveries.py */
		if (rd_propose_end_downtime(n->decide, &b->ends[i], NULL, NULL, &e) != 0)
			log_debug("recovery", "not ended, trying again: %s", e.msg);
		topo_key_done(&b->ends[i].key);
	}
	free(b);
}

/* --- snapshots of the topologies: rows of database_instance_topology_history (probing.md section 13) --------------- */
void
rd_house_record_topologies(struct rd_node *n, struct rd_changes *rows)
{
	int64_t now_s = rd_now_us(n) / CLK_S;

	for (const struct rd_server *s = n->model.servers; s != NULL; s = s->hh.next) {
		const struct topo_instance *i = &s->inst;
		struct db_topology_history row = {.snapshot_unix_timestamp = now_s,
						  .hostname = i->key.hostname,
						  .port = i->key.port,
						  .master_host = i->source_key.hostname, /* historical column */
						  .master_port = i->source_key.port,	 /* historical */
						  .cluster_name = i->cluster_name,
						  .version = i->version};
		if (s->listed)
			rd_changes_add(rows, RD_CHANGE_INSERT_IGNORE, DB_TABLE_topology_history, &row);
	}
}

static void
on_recorded(void *ctx, struct rd_job *job)
{
	rd_health_backend(ctx, RD_HEALTH_ONCE, job->rc, &job->e);
	if (job->rc != 0)
		log_warning("topology", "not recorded, trying again in an interval: %s", LOG_Q(job->e.msg));
	rd_job_free(job);
}

/* SnapshotTopologiesIntervalHours; the first one an interval after the start. */
void
rd_task_snapshot_topologies(struct rd_node *n)
{
	int64_t every_us = proc_conf(n->proc)->SnapshotTopologiesIntervalHours * 3600 * CLK_S;
	struct mono now = rd_mono(n);
	struct rd_changes rows = {0};
	struct rd_job *job;
	struct err e;

	if (n->topologies_due.us == 0 || every_us == 0)
		n->topologies_due = mono_add_us(now, every_us);
	if (every_us == 0 || mono_before(now, n->topologies_due))
		return;
	n->topologies_due = mono_add_us(now, every_us);
	rd_house_record_topologies(n, &rows);
	job = rd_job_new(RD_JOB_TELEMETRY, on_recorded, n);
	rd_changes_move(&job->changes, &rows);
	rd_changes_done(&rows);
	if (rd_view_submit(n->view, job, &e) == 0)
		return;
	log_warning("topology", "not recorded, trying again in an interval: %s", LOG_Q(e.msg));
	rd_job_free(job);
}
