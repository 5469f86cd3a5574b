/* api_pools.c — pools: named sets of servers that others submit and read. Texts and shapes: http-api.md section 11,
 * json-shapes.md section 8. */
#include <stdlib.h>
#include <string.h>

#include "ap_change.h"
#include "ap_instances.h"
#include "ap_lookup.h"
#include "topo/key.h"

/* --- submitting ----------------------------------------------------------------------------------------------------- */
struct submission {
	struct topo_key_list keys; /* in the request's arena */
};

/* A partial name stands for the one known server that it fits, if so configured. */
static int
complete_keys(struct ap_request *rq, struct ap_reader *r, struct topo_key_list *keys, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && rq->conf->SupportFuzzyPoolHostnames && i < keys->n; i++)
		rc = ap_complete_key(rq, r, &keys->v[i], e);
	return rc;
}

static int
read_submission(struct ap_request *rq, struct ap_reader *r, struct err *e)
{
	struct submission *s = mem_arena_alloc(&rq->arena, sizeof(*s));
	struct topo_key_list given;
	int rc = topo_key_list_parse(ap_query(rq, "instances"), rq->conf->DefaultInstancePort, &given, e);

	if (rc != 0)
		return rc;
	s->keys.n = given.n;
	s->keys.v = mem_arena_alloc(&rq->arena, given.n * sizeof(struct topo_key));
	for (size_t i = 0; i < given.n; i++)
		s->keys.v[i] = (struct topo_key){ap_keep(rq, given.v[i].hostname), given.v[i].port};
	topo_key_list_done(&given);
	rq->state = s;
	return complete_keys(rq, r, &s->keys, e);
}

static void
on_submitted(struct ap_request *rq, const struct ipc_reply *reply, const struct err *e)
{
	const char *pool = ap_param(rq, "pool");
	struct ap_json j;

	if (ap_change_failed(rq, reply, e))
		return;
	ap_envelope_begin(rq, &j, true, "Applied %s pool instances", pool);
	ap_json_text(&j, pool);
	ap_envelope_end(&j);
	ap_reply_body(rq);
}

static void
ask_submit(struct ap_request *rq, const struct err *e)
{
	struct submission *s = rq->state;
	struct ipc_submit_pool ask = {.user = rq->user, .pool = ap_param(rq, "pool")};

	if (e != NULL) {
		ap_reply_err(rq, e);
		return;
	}
	ask.keys = s->keys;
	ap_ask(rq, IPC_SUBMIT_POOL, &ask, AP_CHANGE_TIMEOUT_MS, on_submitted);
}

void
api_submit_pool_instances(struct ap_request *rq)
{
	if (ap_param(rq, "pool")[0] == '\0')
		ap_reply_error(rq, "the pool needs a name");
	else
		ap_read_then(rq, read_submission, ask_submit);
}

/* --- members -------------------------------------------------------------------------------------------------------- */
static const char *
pool_of(const struct ap_request *rq)
{
	return ap_has_param(rq, "pool") ? ap_param(rq, "pool") : "";
}

/* row: struct db_pool, by pool, host, port; pool "" = all */
static int
read_members(struct ap_reader *r, const char *cluster, const char *pool, db_row_fn on_row, void *ctx, struct err *e)
{
	const struct db_value params[] = {db_text(cluster), db_text(pool), db_text(pool)};

	return db_read_where(r->db, DB_TABLE_pool,
			     "WHERE (hostname, port) IN (SELECT hostname, port FROM database_instance WHERE "
			     "cluster_name = ?) AND (? = '' OR pool = ?) ORDER BY pool, hostname, port",
			     params, ARRAY_LEN(params), on_row, ctx, e);
}

struct map_job {
	struct ap_json j;
	struct str_buf pool; /* whose members are being written */
	bool open;
};

static int
write_member(void *ctx, const void *row, struct err *e UNUSED)
{
	const struct db_pool *m = row;
	struct map_job *job = ctx;
	struct topo_key key = {m->hostname, m->port};

	if (!job->open || strcmp(str_buf_text(&job->pool), m->pool) != 0) {
		if (job->open)
			ap_json_array_end(&job->j);
		job->open = true;
		str_buf_clear(&job->pool);
		str_buf_add(&job->pool, m->pool);
		ap_json_key(&job->j, m->pool);
		ap_json_array(&job->j);
	}
	ap_json_record(&job->j, &topo_key_desc, &key);
	return 0;
}

int
api_cluster_pool_instances(struct ap_request *rq, struct ap_reader *r, struct err *e)
{
	const char *cluster = ap_param(rq, "clusterName");
	struct map_job job = {0};
	int rc;

	ap_envelope_begin(rq, &job.j, true, "Pool instances of %s", cluster);
	ap_json_object(&job.j);
	rc = read_members(r, cluster, pool_of(rq), write_member, &job, e);
	if (job.open)
		ap_json_array_end(&job.j);
	ap_json_object_end(&job.j);
	ap_envelope_end(&job.j);
	str_buf_done(&job.pool);
	return rc;
}

/* --- all of them ---------------------------------------------------------------------------------------------------- */
struct all_job {
	struct ap_request *rq;
	struct ap_reader *r;
	struct ap_json j;
	const char *cluster, *alias; /* whose members are being written */
	const char **names;	     /* name and alias of each cluster, in the request's arena */
	size_t n, cap;
};

static int
note_cluster(void *ctx, const void *row, struct err *e UNUSED)
{
	const struct db_cluster_info *c = row;
	struct all_job *job = ctx;

	mem_grow(job->names, job->cap, job->n + 2);
	job->names[job->n++] = ap_keep(job->rq, c->cluster_name);
	job->names[job->n++] = ap_keep(job->rq, ap_rules_alias(job->r->rules, c->cluster_name, c->cluster_alias));
	return 0;
}

/* ClusterPoolInstance of the historical program, which only its command line showed */
static int
write_pool_instance(void *ctx, const void *row, struct err *e UNUSED)
{
	const struct db_pool *m = row;
	struct all_job *job = ctx;

	ap_json_object(&job->j);
	ap_json_member_text(&job->j, "ClusterName", job->cluster);
	ap_json_member_text(&job->j, "ClusterAlias", job->alias);
	ap_json_member_text(&job->j, "Pool", m->pool);
	ap_json_member_text(&job->j, "Hostname", m->hostname);
	ap_json_member_i64(&job->j, "Port", m->port);
	ap_json_object_end(&job->j);
	return 0;
}

int
api_all_pool_instances(struct ap_request *rq, struct ap_reader *r, struct err *e)
{
	struct all_job job = {.rq = rq, .r = r, .j = {.out = &rq->body}};
	int rc = db_read_clusters(r->db, NULL, note_cluster, &job, e);

	ap_json_array(&job.j);
	for (size_t i = 0; rc == 0 && i < job.n; i += 2) {
		job.cluster = job.names[i];
		job.alias = job.names[i + 1];
		rc = read_members(r, job.cluster, "", write_pool_instance, &job, e);
	}
	ap_json_array_end(&job.j);
	free(job.names);
	return rc;
}

/* --- the usable ones: known, and their last check valid ------------------------------------------------------------- */
static int
add_member(void *ctx, const void *row, struct err *e UNUSED)
{
	const struct db_pool *m = row;
	struct topo_key key = {m->hostname, m->port};

	(void)topo_key_list_add(ctx, &key);
	return 0;
}

struct usable {
	struct topo_key_list pooled; /* owning */
	db_instance_fn on_instance;
	void *ctx;
};

static int
pick_usable(void *ctx, const struct topo_instance *inst, struct err *e)
{
	struct usable *u = ctx;

	if (!inst->is_last_check_valid || !topo_key_list_has(&u->pooled, &inst->key))
		return 0;
	return u->on_instance(u->ctx, inst, e);
}

static int
read_usable(struct ap_request *rq, struct ap_reader *r, db_instance_fn on_instance, void *ctx, struct err *e)
{
	struct usable u = {.on_instance = on_instance, .ctx = ctx};
	struct db_instance_filter filter = {0};
	int rc = ap_route_cluster(rq, r, &filter.cluster, e);

	if (rc == 0)
		rc = read_members(r, filter.cluster, pool_of(rq), add_member, &u.pooled, e);
	if (rc == 0)
		rc = db_read_instances(r->db, &filter, DB_ORDER_KEY, r->now, &r->rules->limits, pick_usable, &u, e);
	topo_key_list_done(&u.pooled);
	return rc;
}

static int
write_instance(void *ctx, const struct topo_instance *inst, struct err *e UNUSED)
{
	ap_json_instance(ctx, inst);
	return 0;
}

int
api_heuristic_cluster_pool_instances(struct ap_request *rq, struct ap_reader *r, struct err *e)
{
	struct ap_json j;
	int rc;

	ap_envelope_begin(rq, &j, true, "Heuristic pool instances of %s", ap_param(rq, "clusterName"));
	ap_json_array(&j);
	rc = read_usable(rq, r, write_instance, &j, e);
	ap_json_array_end(&j);
	ap_envelope_end(&j);
	return rc;
}

struct lag_job {
	size_t count;
	int64_t lag_s;
};

static int
take_lag(void *ctx, const struct topo_instance *inst, struct err *e UNUSED)
{
	struct lag_job *job = ctx;

	job->count++;
	if (inst->replication_lag_s.valid)
		job->lag_s = max_i64(job->lag_s, inst->replication_lag_s.v);
	return 0;
}

int
api_heuristic_cluster_pool_lag(struct ap_request *rq, struct ap_reader *r, struct err *e)
{
	struct lag_job job = {0};
	struct ap_json j;
	int rc = read_usable(rq, r, take_lag, &job, e);

	if (rc == 0 && job.count == 0)
		rc = err_set(e, ERR_NOT_FOUND, "no usable pool instances in cluster %.256s",
			     ap_param(rq, "clusterName"));
	if (rc != 0)
		return rc;
	ap_envelope_begin(rq, &j, true, "Heuristic pool lag of %s", ap_param(rq, "clusterName"));
	ap_json_i64(&j, job.lag_s);
	ap_envelope_end(&j);
	return 0;
}
