/* api_instances.c — routes that show servers: instance, instance-status, instance-replicas, all-instances, search,
 * problems, downtimed. They run in reader threads. Shapes: json-shapes.md section 2. */
#include <stdlib.h>
#include <string.h>

#include "ap_instances.h"
#include "ap_lookup.h"
#include "topo/key.h"

/* --- lists ----------------------------------------------------------------------------------------------------- */
static int
write_instance(void *ctx, const struct topo_instance *inst, struct err *e UNUSED)
{
	ap_json_instance(ctx, inst);
	return 0;
}

int
ap_write_instances(struct ap_request *rq, struct ap_reader *r, const struct db_instance_filter *filter,
		   enum db_instance_order order, struct err *e)
{
	struct ap_json j = {.out = &rq->body};
	int rc;

	ap_json_array(&j);
	rc = db_read_instances(r->db, filter, order, r->now, &r->rules->limits, write_instance, &j, e);
	ap_json_array_end(&j);
	return rc;
}

void
ap_null_when_empty(struct ap_request *rq)
{
	if (strcmp(str_buf_text(&rq->body), "[]") != 0)
		return;
	str_buf_clear(&rq->body);
	str_buf_add(&rq->body, "null");
}

/* --- kept ---------------------------------------------------------------------------------------------------------- */
int
ap_keep_instance(void *ctx, const struct topo_instance *inst, struct err *e)
{
	struct ap_instance_list *list = ctx;
	struct topo_instance *copy;

	if (list->n == AP_COLLECT_MAX)
		return err_set(e, ERR_LIMIT, "cluster has more than %d servers", AP_COLLECT_MAX);
	copy = mem_alloc(sizeof(*copy));
	rec_dup(&topo_instance_desc, copy, inst);
	mem_grow(list->v, list->cap, list->n + 1);
	list->v[list->n++] = copy;
	return 0;
}

int
ap_collect_instances(struct ap_reader *r, const struct db_instance_filter *filter, enum db_instance_order order,
		     struct ap_instance_list *list, struct err *e)
{
	return db_read_instances(r->db, filter, order, r->now, &r->rules->limits, ap_keep_instance, list, e);
}

void
ap_instance_list_done(struct ap_instance_list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		struct topo_instance *copy = (struct topo_instance *)(uintptr_t)list->v[i];
		rec_done(&topo_instance_desc, copy);
		free(copy);
	}
	free(list->v);
	*list = (struct ap_instance_list){0};
}

void
ap_write_picked(struct ap_request *rq, const struct topo_instance *const *v, size_t n)
{
	struct ap_json j = {.out = &rq->body};

	ap_json_array(&j);
	for (size_t i = 0; i < n; i++)
		ap_json_instance(&j, v[i]);
	ap_json_array_end(&j);
}

/* --- lists by filter ----------------------------------------------------------------------------------------------- */
int
api_instance_replicas(struct ap_request *rq, struct ap_reader *r, struct err *e)
{
	struct topo_key key;
	struct db_instance_filter filter = {.source = &key};
	int rc = ap_route_key(rq, r, &key, e);

	return rc != 0 ? rc : ap_write_instances(rq, r, &filter, DB_ORDER_KEY, e);
}

int
api_all_instances(struct ap_request *rq, struct ap_reader *r, struct err *e)
{
	struct db_instance_filter filter = {0};

	return ap_write_instances(rq, r, &filter, DB_ORDER_DEPTH, e);
}

int
api_search(struct ap_request *rq, struct ap_reader *r, struct err *e)
{
	const char *text = ap_has_param(rq, "searchString") ? ap_param(rq, "searchString") : ap_query(rq, "s");
	struct db_instance_filter filter = {.search = text};

	return ap_write_instances(rq, r, &filter, DB_ORDER_DEPTH, e);
}

int
api_downtimed(struct ap_request *rq, struct ap_reader *r, struct err *e)
{
	struct db_instance_filter filter = {.downtimed = true};
	int rc = ap_has_param(rq, "clusterHint") ? ap_route_cluster(rq, r, &filter.cluster, e) : 0;

	return rc != 0 ? rc : ap_write_instances(rq, r, &filter, DB_ORDER_DEPTH, e);
}

/* --- problems -------------------------------------------------------------------------------------------------- */
struct problem_job {
	struct ap_json j;
	struct conf_filter *hidden;
};

static int
write_problem(void *ctx, const struct topo_instance *inst, struct err *e UNUSED)
{
	struct problem_job *job = ctx;

	if (inst->problems.n > 0 && !inst->is_downtimed &&
	    !conf_filter_matches(job->hidden, inst->key.hostname, inst->key.port))
		ap_json_instance(&job->j, inst);
	return 0;
}

int
api_problems(struct ap_request *rq, struct ap_reader *r, struct err *e)
{
	struct db_instance_filter filter = {0};
	struct problem_job job = {.j = {.out = &rq->body}, .hidden = r->rules->hidden_problems};
	int rc;

	if (ap_has_param(rq, "clusterName"))
		filter.cluster_like = ap_param(rq, "clusterName");
	ap_json_array(&job.j);
	rc = db_read_instances(r->db, &filter, DB_ORDER_DEPTH, r->now, &r->rules->limits, write_problem, &job, e);
	ap_json_array_end(&job.j);
	ap_null_when_empty(rq);
	return rc;
}

/* --- one instance ---------------------------------------------------------------------------------------------- */
static int
read_one(struct ap_request *rq, struct ap_reader *r, db_instance_fn fn, void *ctx, struct err *e)
{
	struct topo_key key;
	struct db_instance_filter filter = {.key = &key};
	int rc = ap_route_key(rq, r, &key, e);

	if (rc == 0)
		rc = db_read_instances(r->db, &filter, DB_ORDER_KEY, r->now, &r->rules->limits, fn, ctx, e);
	if (rc == 0 && rq->body.len == 0)
		rc = err_set(e, ERR_NOT_FOUND, "Cannot read instance: %s", TOPO_KEY_TEXT(&key));
	return rc;
}

int
api_instance(struct ap_request *rq, struct ap_reader *r, struct err *e)
{
	struct ap_json j = {.out = &rq->body};

	return read_one(rq, r, write_instance, &j, e);
}

struct status_job {
	struct ap_request *rq;
	const struct topo_limits *limits;
};

static int
write_status(void *ctx, const struct topo_instance *inst, struct err *e UNUSED)
{
	struct status_job *job = ctx;
	struct str_buf text = {0};
	struct ap_json j;

	topo_describe(inst, job->limits, &text);
	ap_envelope_begin(job->rq, &j, true, "Status of %s", TOPO_KEY_TEXT(&inst->key));
	ap_json_text(&j, str_buf_text(&text));
	ap_envelope_end(&j);
	str_buf_done(&text);
	return 0;
}

int
api_instance_status(struct ap_request *rq, struct ap_reader *r, struct err *e)
{
	struct status_job job = {rq, &r->rules->limits};

	return read_one(rq, r, write_status, &job, e);
}
