/* api_clusters.c — routes about clusters: clusters, clusters-info, cluster, cluster-info, masters, master. */
#include <string.h>

#include "ap_instances.h"
#include "ap_lookup.h"
#include "ap_readers.h"
#include "base/rx.h"
#include "topo/key.h"

/* --- names and infos
 * --------------------------------------------------------------------------------------------------------- */
struct cluster_job {
	struct ap_request *rq;
	struct ap_json j;
	size_t count;
};

static int
write_name(void *ctx, const void *row, struct err *e UNUSED)
{
	struct cluster_job *job = ctx;

	ap_json_text(&job->j, ((const struct db_cluster_info *)row)->cluster_name);
	job->count++;
	return 0;
}

static int
read_clusters(struct ap_request *rq, struct db *db, struct wall now UNUSED, struct err *e)
{
	struct cluster_job job = {.rq = rq, .j = {.out = &rq->body}};
	int rc;

	ap_json_array(&job.j);
	rc = db_read_clusters(db, NULL, write_name, &job, e);
	ap_json_array_end(&job.j);
	if (rc == 0 && job.count == 0) {
		str_buf_clear(&rq->body);
		str_buf_add(&rq->body, "null"); /* historical */
	}
	return rc;
}

void
api_clusters(struct ap_request *rq)
{
	ap_read(rq, read_clusters);
}

static bool
alias_filter_hits(const char *pattern, const char *alias)
{
	struct rx *rx = NULL;
	struct err e;
	bool hit = rx_new(pattern, &rx, &e) == 0 && rx_match(rx, alias);

	rx_free(rx);
	return hit;
}

/* recovery.md section 2: name, alias, "alias=X", "alias~=RE", "*", or a regex on the name. */
static bool
cluster_filter_hits(const struct conf_strs *filters, const char *name, const char *alias)
{
	for (size_t i = 0; i < filters->n; i++) {
		const char *f = filters->v[i];
		bool hit;
		if (str_starts(f, "alias~="))
			hit = alias_filter_hits(f + strlen("alias~="), alias);
		else if (str_starts(f, "alias="))
			hit = strcmp(f + strlen("alias="), alias) == 0;
		else
			hit = strcmp(f, "*") == 0 || strcmp(f, name) == 0 || strcmp(f, alias) == 0 ||
			      (f[0] != '\0' && alias_filter_hits(f, name));
		if (hit)
			return true;
	}
	return false;
}

/* ClusterInfo, json-shapes.md section 3. */
static int
write_info(void *ctx, const void *row, struct err *e UNUSED)
{
	const struct db_cluster_info *c = row;
	struct cluster_job *job = ctx;
	const struct conf *conf = job->rq->conf;
	const char *alias = ap_cluster_alias(job->rq, c->cluster_name, c->cluster_alias);

	ap_json_object(&job->j);
	ap_json_key(&job->j, "ClusterName");
	ap_json_text(&job->j, c->cluster_name);
	ap_json_key(&job->j, "ClusterAlias");
	ap_json_text(&job->j, alias);
	ap_json_key(&job->j, "ClusterDomain");
	ap_json_text(&job->j, c->cluster_domain);
	ap_json_key(&job->j, "CountInstances");
	ap_json_i64(&job->j, c->count_instances);
	ap_json_key(&job->j, "HeuristicLag");
	ap_json_i64(&job->j, 0); /* never filled, historically */
	ap_json_key(&job->j, "HasAutomatedMasterRecovery");
	ap_json_bool(&job->j, cluster_filter_hits(&conf->RecoverMasterClusterFilters, c->cluster_name, alias));
	ap_json_key(&job->j, "HasAutomatedIntermediateMasterRecovery");
	ap_json_bool(&job->j,
		     cluster_filter_hits(&conf->RecoverIntermediateMasterClusterFilters, c->cluster_name, alias));
	ap_json_object_end(&job->j);
	job->count++;
	return 0;
}

static int
read_clusters_info(struct ap_request *rq, struct db *db, struct wall now UNUSED, struct err *e)
{
	struct cluster_job job = {.rq = rq, .j = {.out = &rq->body}};
	int rc;

	ap_json_array(&job.j);
	rc = db_read_clusters(db, NULL, write_info, &job, e);
	ap_json_array_end(&job.j);
	return rc;
}

void
api_clusters_info(struct ap_request *rq)
{
	ap_read(rq, read_clusters_info);
}

/* --- which cluster
 * -------------------------------------------------------------------------------------------------------------- */
static int
cluster_of_alias(struct ap_request *rq, struct db *db, const char **ret_name, struct err *e)
{
	struct str_buf name = {0};
	int rc = db_read_cluster_by_alias(db, ap_param(rq, "clusterAlias"), &name, e);

	if (rc == 0)
		*ret_name = ap_keep(rq, str_buf_text(&name));
	str_buf_done(&name);
	return rc == -ERR_NOT_FOUND
		   ? err_set(e, ERR_NOT_FOUND, "No cluster found for alias %s", ap_param(rq, "clusterAlias"))
		   : rc;
}

/* The cluster the route names: by hint, by alias, or by instance. */
static int
cluster_of_route(struct ap_request *rq, struct db *db, const char **ret_name, struct err *e)
{
	struct topo_key key;
	int rc;

	if (ap_has_param(rq, "clusterHint"))
		return ap_cluster_of_hint(rq, db, ap_param(rq, "clusterHint"), ret_name, e);
	if (ap_has_param(rq, "clusterAlias"))
		return cluster_of_alias(rq, db, ret_name, e);
	rc = ap_route_key(rq, db, &key, e);
	return rc != 0 ? rc : ap_cluster_of_hint(rq, db, topo_key_text(&key).text, ret_name, e);
}

static int
read_cluster(struct ap_request *rq, struct db *db, struct wall now, struct err *e)
{
	struct db_instance_filter filter = {0};
	int rc = cluster_of_route(rq, db, &filter.cluster, e);

	return rc != 0 ? rc : ap_write_instances(rq, db, now, &filter, DB_ORDER_KEY, e);
}

void
api_cluster(struct ap_request *rq)
{
	ap_read(rq, read_cluster);
}

static int
read_cluster_info(struct ap_request *rq, struct db *db, struct wall now UNUSED, struct err *e)
{
	struct cluster_job job = {.rq = rq, .j = {.out = &rq->body}};
	const char *name;
	int rc = cluster_of_route(rq, db, &name, e);

	if (rc == 0)
		rc = db_read_clusters(db, name, write_info, &job, e);
	if (rc == 0 && job.count == 0)
		rc = err_set(e, ERR_NOT_FOUND, "No instances found for cluster %s", name);
	return rc;
}

void
api_cluster_info(struct ap_request *rq)
{
	ap_read(rq, read_cluster_info);
}

/* --- primaries
 * --------------------------------------------------------------------------------------------------------------------
 */
struct primary_job {
	struct ap_request *rq;
	struct ap_json j;
	const char *last_cluster;
	size_t count;
	bool only_one;
};

/* Rows come by cluster, writable first: the first of each cluster is its primary. */
static int
write_primary(void *ctx, const struct topo_instance *inst, struct err *e UNUSED)
{
	struct primary_job *job = ctx;

	if (job->last_cluster != NULL && strcmp(job->last_cluster, inst->cluster_name) == 0)
		return 0;
	job->last_cluster = ap_keep(job->rq, inst->cluster_name);
	ap_json_instance(&job->j, inst);
	job->count++;
	return job->only_one ? DB_STOP : 0;
}

static int
read_masters(struct ap_request *rq, struct db *db, struct wall now, struct err *e)
{
	struct topo_limits limits = ap_limits(rq->conf);
	struct primary_job job = {.rq = rq, .j = {.out = &rq->body}};
	struct db_instance_filter filter = {.primaries = true, .writable = true};
	int rc;

	ap_json_array(&job.j);
	rc = db_read_instances(db, &filter, DB_ORDER_PRIMARY, now, &limits, write_primary, &job, e);
	ap_json_array_end(&job.j);
	if (rc == 0 && job.count == 0) {
		str_buf_clear(&rq->body);
		str_buf_add(&rq->body, "null"); /* historical */
	}
	return rc;
}

void
api_masters(struct ap_request *rq)
{
	ap_read(rq, read_masters);
}

static int
read_master(struct ap_request *rq, struct db *db, struct wall now, struct err *e)
{
	struct topo_limits limits = ap_limits(rq->conf);
	struct primary_job job = {.rq = rq, .j = {.out = &rq->body}, .only_one = true};
	struct db_instance_filter filter = {.primaries = true};
	int rc = ap_cluster_of_hint(rq, db, ap_param(rq, "clusterHint"), &filter.cluster, e);

	if (rc == 0)
		rc = db_read_instances(db, &filter, DB_ORDER_PRIMARY, now, &limits, write_primary, &job, e);
	if (rc == 0 && job.count == 0)
		rc = err_set(e, ERR_NOT_FOUND, "No masters found for cluster %s", filter.cluster);
	return rc;
}

void
api_master(struct ap_request *rq)
{
	ap_read(rq, read_master);
}
