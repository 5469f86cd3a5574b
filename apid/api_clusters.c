/* api_clusters.c — routes about clusters: clusters, clusters-info, cluster, cluster-info, masters, master. They run in
 * reader threads. */
#include <string.h>

#include "ap_instances.h"
#include "ap_lookup.h"

/* --- names and infos ------------------------------------------------------------------------------------------- */
struct cluster_job {
	struct ap_rules *rules;
	struct ap_json j;
};

static int
write_name(void *ctx, const void *row, struct err *e UNUSED)
{
	ap_json_text(&((struct cluster_job *)ctx)->j, ((const struct db_cluster_info *)row)->cluster_name);
	return 0;
}

/* ClusterInfo, json-shapes.md section 3. */
static int
write_info(void *ctx, const void *row, struct err *e UNUSED)
{
	const struct db_cluster_info *c = row;
	struct cluster_job *job = ctx;
	const char *alias = ap_rules_alias(job->rules, c->cluster_name, c->cluster_alias);
	struct ap_json *j = &job->j;

	ap_json_object(j);
	ap_json_member_text(j, "ClusterName", c->cluster_name);
	ap_json_member_text(j, "ClusterAlias", alias);
	ap_json_member_text(j, "ClusterDomain", c->cluster_domain);
	ap_json_member_i64(j, "CountInstances", c->count_instances);
	ap_json_member_i64(j, "HeuristicLag", 0); /* never filled, historically */
	ap_json_member_bool(j, "HasAutomatedMasterRecovery",
			    ap_cluster_filter_matches(job->rules->recover_primary, c->cluster_name, alias));
	ap_json_member_bool(j, "HasAutomatedIntermediateMasterRecovery",
			    ap_cluster_filter_matches(job->rules->recover_intermediate, c->cluster_name, alias));
	ap_json_object_end(j);
	return 0;
}

static int
write_clusters(struct ap_request *rq, struct ap_reader *r, db_row_fn write, struct err *e)
{
	struct cluster_job job = {.rules = r->rules, .j = {.out = &rq->body}};
	int rc;

	ap_json_array(&job.j);
	rc = db_read_clusters(r->db, NULL, write, &job, e);
	ap_json_array_end(&job.j);
	return rc;
}

int
api_clusters(struct ap_request *rq, struct ap_reader *r, struct err *e)
{
	int rc = write_clusters(rq, r, write_name, e);

	ap_null_when_empty(rq);
	return rc;
}

int
api_clusters_info(struct ap_request *rq, struct ap_reader *r, struct err *e)
{
	return write_clusters(rq, r, write_info, e);
}

int
api_cluster_info(struct ap_request *rq, struct ap_reader *r, struct err *e)
{
	struct cluster_job job = {.rules = r->rules, .j = {.out = &rq->body}};
	const char *name;
	int rc = ap_route_cluster(rq, r, &name, e);

	if (rc == 0)
		rc = db_read_clusters(r->db, name, write_info, &job, e);
	if (rc == 0 && rq->body.len == 0)
		rc = err_set(e, ERR_NOT_FOUND, "No instances found for cluster %s", name);
	return rc;
}

/* --- members --------------------------------------------------------------------------------------------------- */
int
api_cluster(struct ap_request *rq, struct ap_reader *r, struct err *e)
{
	struct db_instance_filter filter = {0};
	int rc = ap_route_cluster(rq, r, &filter.cluster, e);

	return rc != 0 ? rc : ap_write_instances(rq, r, &filter, DB_ORDER_KEY, e);
}

/* --- primaries ------------------------------------------------------------------------------------------------- */
struct primary_job {
	struct ap_request *rq;
	struct ap_json j;
	const char *last_cluster;
};

/* Rows come by cluster, writable first: the first of each cluster is its primary. */
static int
write_primary(void *ctx, const struct topo_instance *inst, struct err *e UNUSED)
{
	struct primary_job *job = ctx;

	if (str_eq(job->last_cluster, inst->cluster_name))
		return 0;
	job->last_cluster = ap_keep(job->rq, inst->cluster_name);
	ap_json_instance(&job->j, inst);
	return 0;
}

static int
write_primaries(struct primary_job *job, struct ap_reader *r, const struct db_instance_filter *filter, struct err *e)
{
	return db_read_instances(r->db, filter, DB_ORDER_PRIMARY, r->now, &r->rules->limits, write_primary, job, e);
}

int
api_masters(struct ap_request *rq, struct ap_reader *r, struct err *e)
{
	struct db_instance_filter filter = {.primaries = true, .writable = true};
	struct primary_job job = {.rq = rq, .j = {.out = &rq->body}};
	int rc;

	ap_json_array(&job.j);
	rc = write_primaries(&job, r, &filter, e);
	ap_json_array_end(&job.j);
	ap_null_when_empty(rq);
	return rc;
}

int
api_master(struct ap_request *rq, struct ap_reader *r, struct err *e)
{
	struct db_instance_filter filter = {.primaries = true};
	struct primary_job job = {.rq = rq, .j = {.out = &rq->body}};
	int rc = ap_route_cluster(rq, r, &filter.cluster, e);

	if (rc == 0)
		rc = write_primaries(&job, r, &filter, e);
	if (rc == 0 && rq->body.len == 0)
		rc = err_set(e, ERR_NOT_FOUND, "No masters found for cluster %s", filter.cluster);
	return rc;
}
