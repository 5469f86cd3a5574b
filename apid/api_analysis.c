/* api_analysis.c — replication-analysis, its changelog, and the recovery filters. Reader threads collect the rows, the
 * rules stand in topo/analysis.h. Shapes: json-shapes.md section 4; scope: analysis.md sections 1 and 5. */
#include <stdlib.h>
#include <string.h>

#include "ap_instances.h"
#include "ap_lookup.h"
#include "ap_votes.h"
#include "topo/analysis.h"
#include "topo/graph.h"
#include "topo/key.h"

/* --- servers and what other tables say about them -------------------------------------------------------------- */
struct servers {
	struct mem_arena *arena;
	struct topo_analysed *v; /* on the heap; by key once all are there */
	size_t n, cap;
};

static int
add_server(void *ctx, const struct topo_instance *inst, struct err *e UNUSED)
{
	struct servers *s = ctx;
	struct wall end = {0};

	mem_grow(s->v, s->cap, s->n + 1);
	if (inst->is_downtimed && !clk_parse_wall(inst->downtime_end_text, &end))
		end.us = 0;
	s->v[s->n++] = (struct topo_analysed){.inst = topo_analysis_keep(inst, s->arena), .downtime_end_us = end.us};
	return 0;
}

static int
cmp_servers(const void *a, const void *b)
{
	return topo_cmp_key(((const struct topo_analysed *)a)->inst, ((const struct topo_analysed *)b)->inst);
}

/* The first server at or behind key. */
static struct topo_analysed *
lower_bound(struct servers *s, const struct topo_key *key)
{
	size_t low = 0, high = s->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (topo_key_cmp(&s->v[middle].inst->key, key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return s->v + low;
}

/* NULL when it is unknown. */
static struct topo_analysed *
find_server(struct servers *s, const struct topo_key *key)
{
	struct topo_analysed *a = lower_bound(s, key);

	return a < s->v + s->n && topo_key_equal(&a->inst->key, key) ? a : NULL;
}

static int
note_maintenance(void *ctx, const void *row, struct err *e UNUSED)
{
	const struct db_maintenance *m = row;
	struct topo_analysed *a = find_server(ctx, &(struct topo_key){m->hostname, m->port});

	if (a != NULL)
		a->in_maintenance = true;
	return 0;
}

static const char *
keep_text(struct servers *s, const char *text)
{
	return mem_arena_strndup(s->arena, text, strlen(text));
}

static int
note_resolved(void *ctx, const void *row, struct err *e UNUSED)
{
	const struct db_hostname_resolve *h = row;
	struct servers *s = ctx;
	struct topo_analysed *a = lower_bound(s, &(struct topo_key){h->hostname, 0});

	for (; a < s->v + s->n && str_eq(a->inst->key.hostname, h->hostname); a++)
		a->resolved = keep_text(s, h->resolved_hostname);
	return 0;
}

static int
note_stale(void *ctx, const void *row, struct err *e UNUSED)
{
	const struct db_stale_coordinates *c = row;
	struct servers *s = ctx;
	struct topo_analysed *a = find_server(s, &(struct topo_key){c->hostname, c->port});

	if (a != NULL) {
		a->stale = (struct topo_coord){keep_text(s, c->binary_log_file), c->binary_log_pos, TOPO_COORD_BINARY};
		a->stale_since_us = c->first_seen_us;
	}
	return 0;
}

static int
read_servers(struct servers *s, struct ap_reader *r, const char *cluster, struct err *e)
{
	/* "" is no cluster: all are asked for */
	struct db_instance_filter filter = {.family = str_empty(cluster) ? NULL : cluster};
	int rc = db_read_instances(r->db, &filter, DB_ORDER_KEY, r->now, NULL, add_server, s, e);

	if (rc != 0)
		return rc;
	if (s->n > 1)
		qsort(s->v, s->n, sizeof(*s->v), cmp_servers);
	rc = db_read_maintenance(r->db, NULL, r->now, note_maintenance, s, e);
	if (rc == 0)
		rc = db_read_where(r->db, DB_TABLE_hostname_resolve, "WHERE resolved_hostname <> hostname", NULL, 0,
				   note_resolved, s, e);
	return rc != 0 ? rc : db_read_all(r->db, DB_TABLE_stale_coordinates, note_stale, s, e);
}

/* All tables as they were at one moment; of a cluster (NULL or "" = all) what its analysis looks at. */
static int
read_snapshot(struct servers *s, struct ap_reader *r, const char *cluster, struct err *e)
{
	int rc = db_begin(r->db, DB_RELAXED, e);

	if (rc == 0)
		rc = read_servers(s, r, cluster, e);
	if (rc == 0)
		return db_commit(r->db, e);
	if (db_in_transaction(r->db))
		db_rollback(r->db);
	return rc;
}

/* --- what is asked --------------------------------------------------------------------------------------------- */
static bool
is_ignored(void *ctx, const char *hostname)
{
	return conf_filter_matches_text(ctx, hostname);
}

static struct topo_analysis_rules
rules_of(const struct ap_request *rq, const struct ap_reader *r)
{
	const struct conf *conf = rq->conf;

	return (struct topo_analysis_rules){
	    .now = r->now,
	    .poll_s = conf->InstancePollSeconds,
	    .reasonable_check_s = conf->ReasonableInstanceCheckSeconds,
	    .reasonable_lag_s = conf->ReasonableReplicationLagSeconds,
	    .reasonable_locked_s = conf->ReasonableLockedSemiSyncMasterSeconds,
	    .enforce_exact_semi_sync = conf->EnforceExactSemiSyncReplicas,
	    .recover_non_writable = conf->RecoverNonWriteableMaster,
	    .node_hostname = rq->ap->hostname,
	    .node_token = rq->ap->node_token,
	    .reduce = conf->ReduceReplicationAnalysisCount,
	    .include_downtimed = true,
	    .is_ignored = is_ignored,
	    .ctx = r->rules->not_analysed,
	};
}

static int
set_scope(struct ap_request *rq, struct ap_reader *r, struct topo_analysis_rules *rules, struct topo_key *key,
	  struct err *e)
{
	if (ap_has_param(rq, "clusterName"))
		return ap_cluster_named(rq, r, ap_param(rq, "clusterName"), &rules->cluster, e);
	if (!ap_has_param(rq, "host"))
		return 0;
	rules->key = key;
	return ap_route_key(rq, r, key, e);
}

/* --- clusters -------------------------------------------------------------------------------------------------- */
struct cluster_job {
	struct ap_request *rq;
	struct ap_rules *rules;
	struct topo_cluster_details *details;
};

/* CountInstances and HeuristicLag stay 0 here, historically; a cluster without a domain shows its name. */
static int
take_cluster(void *ctx, const void *row, struct err *e UNUSED)
{
	const struct db_cluster_info *c = row;
	struct cluster_job *job = ctx;
	struct topo_cluster_details *d = job->details;

	d->alias = ap_keep(job->rq, ap_rules_alias(job->rules, d->name, c->cluster_alias));
	if (c->cluster_domain[0] != '\0')
		d->domain = ap_keep(job->rq, c->cluster_domain);
	return DB_STOP;
}

static int
describe_cluster(struct ap_request *rq, struct ap_reader *r, struct topo_cluster_details *d, struct err *e)
{
	struct cluster_job job = {rq, r->rules, d};
	int rc = db_read_clusters(r->db, d->name, take_cluster, &job, e);

	d->automated_primary_recovery = ap_cluster_filter_matches(r->rules->recover_primary, d->name, d->alias);
	d->automated_intermediate_recovery =
	    ap_cluster_filter_matches(r->rules->recover_intermediate, d->name, d->alias);
	return rc;
}

/* --- replication-analysis -------------------------------------------------------------------------------------- */
static int
write_analyses(struct ap_request *rq, struct ap_reader *r, struct topo_analysis_list *l, struct err *e)
{
	struct ap_json j;
	int rc = 0;

	ap_envelope_begin(rq, &j, true, "Analysis");
	ap_json_array(&j);
	for (size_t i = 0; rc == 0 && i < l->n; i++) {
		rc = describe_cluster(rq, r, &l->v[i].cluster, e);
		ap_json_object(&j);
		ap_json_analysis_members(&j, &l->v[i]);
		if (rc == 0 && ap_wants_details(rq))
			rc = ap_json_votes_about(&j, r, &l->v[i].key, e);
		if (rc == 0 && ap_wants_details(rq))
			rc = ap_json_last_vote(&j, r, &l->v[i].key, e);
		ap_json_object_end(&j);
	}
	ap_json_array_end(&j);
	ap_envelope_end(&j);
	return rc;
}

int
api_replication_analysis(struct ap_request *rq, struct ap_reader *r, struct err *e)
{
	struct topo_analysis_rules rules = rules_of(rq, r);
	struct servers servers = {.arena = &rq->arena};
	struct topo_analysis_list found;
	struct topo_key key;
	int rc = set_scope(rq, r, &rules, &key, e);

	if (rc == 0)
		rc = read_snapshot(&servers, r, rules.cluster, e);
	if (rc == 0) {
		topo_analyse(servers.v, servers.n, &rules, &rq->arena, &found);
		rc = write_analyses(rq, r, &found, e);
	}
	free(servers.v);
	return rc;
}

/* --- replication-analysis-changelog ---------------------------------------------------------------------------- */
struct changelog_job {
	struct ap_request *rq;
	struct ap_json j;
	struct topo_key key; /* of the open entry */
	bool open;
};

static void
end_entry(struct changelog_job *job)
{
	if (job->open) {
		ap_json_array_end(&job->j);
		ap_json_object_end(&job->j);
	}
	job->open = false;
}

static void
begin_entry(struct changelog_job *job, const struct topo_key *key)
{
	job->key = (struct topo_key){ap_keep(job->rq, key->hostname), key->port};
	job->open = true;
	ap_json_object(&job->j);
	ap_json_key(&job->j, "AnalyzedInstanceKey");
	ap_json_record(&job->j, &topo_key_desc, key);
	ap_json_key(&job->j, "Changelog");
	ap_json_array(&job->j);
}

/* "time;code,": the comma is historical. */
static int
write_change(void *ctx, const void *row, struct err *e UNUSED)
{
	const struct db_analysis_changelog *c = row;
	struct changelog_job *job = ctx;
	struct topo_key key = {c->hostname, c->port};
	char stamp[CLK_STAMP_BYTES] = "";
	struct str_buf text = {0};

	if (job->open && !topo_key_equal(&job->key, &key))
		end_entry(job);
	if (!job->open)
		begin_entry(job, &key);
	if (c->analysis_timestamp_us != 0)
		clk_format_wall((struct wall){c->analysis_timestamp_us}, stamp);
	str_buf_printf(&text, "%s;%s,", stamp, c->analysis);
	ap_json_text(&job->j, str_buf_text(&text));
	str_buf_done(&text);
	return 0;
}

int
api_replication_analysis_changelog(struct ap_request *rq, struct ap_reader *r, struct err *e)
{
	struct changelog_job job = {.rq = rq, .j = {.out = &rq->body}};
	int rc;

	ap_json_array(&job.j);
	rc = db_read_where(r->db, DB_TABLE_analysis_changelog, "ORDER BY hostname, port, changelog_id", NULL, 0,
			   write_change, &job, e);
	end_entry(&job);
	ap_json_array_end(&job.j);
	ap_null_when_empty(rq);
	return rc;
}

/* --- automated-recovery-filters -------------------------------------------------------------------------------- */
static void
write_texts(struct ap_json *j, const char *key, const struct conf_strs *texts)
{
	ap_json_key(j, key);
	ap_json_array(j);
	for (size_t i = 0; i < texts->n; i++)
		ap_json_text(j, texts->v[i]);
	ap_json_array_end(j);
}

void
api_automated_recovery_filters(struct ap_request *rq)
{
	struct ap_json j;

	ap_envelope_begin(rq, &j, true, "Automated recovery configuration details");
	ap_json_object(&j);
	write_texts(&j, "RecoverIntermediateMasterClusterFilters", &rq->conf->RecoverIntermediateMasterClusterFilters);
	write_texts(&j, "RecoverMasterClusterFilters", &rq->conf->RecoverMasterClusterFilters);
	write_texts(&j, "RecoveryIgnoreHostnameFilters", &rq->conf->RecoveryIgnoreHostnameFilters);
	ap_json_object_end(&j);
	ap_envelope_end(&j);
	ap_reply_body(rq);
}
