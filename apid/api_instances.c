/* api_instances.c — routes that show servers: instance, instance-replicas, all-instances, search, problems, downtimed.
 * Handlers run on the loop and hand a job to a reader thread. Shapes: json-shapes.md section 2. */
#include <string.h>

#include "ap_instances.h"
#include "ap_lookup.h"
#include "ap_readers.h"
#include "conf/conf_filter.h"
#include "db/db_read.h"

/* --- writing lists
 * ------------------------------------------------------------------------------------------------------- */
struct list_job {
	struct ap_json j;
	size_t count;
	struct conf_filter *hide; /* ProblemIgnoreHostnameFilters */
	bool only_problems;
};

static int
write_instance(void *ctx, const struct topo_instance *inst, struct err *e UNUSED)
{
	struct list_job *job = ctx;

	if (job->only_problems && (inst->problems.n == 0 || inst->is_downtimed))
		return 0;
	if (job->hide != NULL && conf_filter_matches(job->hide, inst->key.hostname, inst->key.port))
		return 0;
	ap_json_instance(&job->j, inst);
	job->count++;
	return 0;
}

static int
write_list(struct ap_request *rq, struct db *db, struct wall now, struct list_job *job,
	   const struct db_instance_filter *filter, enum db_instance_order order, struct err *e)
{
	struct topo_limits limits = ap_limits(rq->conf);
	int rc;

	job->j = (struct ap_json){.out = &rq->body};
	ap_json_array(&job->j);
	rc = db_read_instances(db, filter, order, now, &limits, write_instance, job, e);
	ap_json_array_end(&job->j);
	return rc;
}

int
ap_write_instances(struct ap_request *rq, struct db *db, struct wall now, const struct db_instance_filter *filter,
		   enum db_instance_order order, struct err *e)
{
	struct list_job job = {0};

	return write_list(rq, db, now, &job, filter, order, e);
}

/* --- one instance
 * ---------------------------------------------------------------------------------------------------------- */
static int
read_instance(struct ap_request *rq, struct db *db, struct wall now, struct err *e)
{
	struct topo_limits limits = ap_limits(rq->conf);
	struct list_job job = {.j = {.out = &rq->body}};
	struct topo_key key;
	struct db_instance_filter filter = {.key = &key};
	int rc = ap_route_key(rq, db, &key, e);

	if (rc == 0)
		rc = db_read_instances(db, &filter, DB_ORDER_KEY, now, &limits, write_instance, &job, e);
	if (rc == 0 && job.count == 0)
		rc = err_set(e, ERR_NOT_FOUND, "Cannot read instance: %s:%lld", key.hostname, (long long)key.port);
	return rc;
}

void
api_instance(struct ap_request *rq)
{
	ap_read(rq, read_instance);
}

static int
read_replicas(struct ap_request *rq, struct db *db, struct wall now, struct err *e)
{
	struct topo_key key;
	struct db_instance_filter filter = {.source = &key};
	int rc = ap_route_key(rq, db, &key, e);

	return rc != 0 ? rc : ap_write_instances(rq, db, now, &filter, DB_ORDER_KEY, e);
}

void
api_instance_replicas(struct ap_request *rq)
{
	ap_read(rq, read_replicas);
}

/* --- lists
 * ------------------------------------------------------------------------------------------------------------------ */
static int
read_all(struct ap_request *rq, struct db *db, struct wall now, struct err *e)
{
	struct db_instance_filter filter = {0};

	return ap_write_instances(rq, db, now, &filter, DB_ORDER_DEPTH, e);
}

void
api_all_instances(struct ap_request *rq)
{
	ap_read(rq, read_all);
}

static int
read_search(struct ap_request *rq, struct db *db, struct wall now, struct err *e)
{
	const char *text = ap_has_param(rq, "searchString") ? ap_param(rq, "searchString") : ap_query(rq, "s");
	struct db_instance_filter filter = {.search = text};

	return ap_write_instances(rq, db, now, &filter, DB_ORDER_DEPTH, e);
}

void
api_search(struct ap_request *rq)
{
	ap_read(rq, read_search);
}

static int
read_problems(struct ap_request *rq, struct db *db, struct wall now, struct err *e)
{
	struct db_instance_filter filter = {0};
	struct list_job job = {.only_problems = true};
	int rc;

	if (ap_has_param(rq, "clusterName"))
		filter.cluster_like = ap_param(rq, "clusterName");
	if (conf_filter_new(&rq->conf->ProblemIgnoreHostnameFilters, &job.hide, e) != 0)
		return err_wrap(e, "ProblemIgnoreHostnameFilters");
	rc = write_list(rq, db, now, &job, &filter, DB_ORDER_DEPTH, e);
	conf_filter_free(job.hide);
	if (rc == 0 && job.count == 0) {
		str_buf_clear(&rq->body);
		str_buf_add(&rq->body, "null"); /* historical: clients know it */
	}
	return rc;
}

void
api_problems(struct ap_request *rq)
{
	ap_read(rq, read_problems);
}

static int
read_downtimed(struct ap_request *rq, struct db *db, struct wall now, struct err *e)
{
	struct db_instance_filter filter = {.downtimed = true};
	int rc = 0;

	if (ap_has_param(rq, "clusterHint"))
		rc = ap_cluster_of_hint(rq, db, ap_param(rq, "clusterHint"), &filter.cluster, e);
	return rc != 0 ? rc : ap_write_instances(rq, db, now, &filter, DB_ORDER_DEPTH, e);
}

void
api_downtimed(struct ap_request *rq)
{
	ap_read(rq, read_downtimed);
}
