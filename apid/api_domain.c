/* api_domain.c — which server is registered under a cluster's domain name: routes of ours for the commands
 * which- and set-heuristic-domain-instance (cli.md section 4). The register is host_attributes, host name "*". */
#include "ap_change.h"
#include "ap_lookup.h"
#include "db/db_read.h"
#include "topo/key.h"

struct domain_job {
	struct ap_request *rq;
	const char *domain; /* of the cluster */
	const char *server; /* registered under it; NULL */
	struct topo_key primary;
	size_t primaries;
};

static int
take_domain(void *ctx, const void *row, struct err *e UNUSED)
{
	struct domain_job *job = ctx;

	job->domain = ap_keep(job->rq, ((const struct db_cluster_info *)row)->cluster_domain);
	return 0;
}

static int
find_domain(struct ap_request *rq, struct ap_reader *r, struct domain_job *job, const char **ret_cluster, struct err *e)
{
	*job = (struct domain_job){.rq = rq, .domain = ""};
	if (ap_route_cluster(rq, r, ret_cluster, e) != 0 ||
	    db_read_clusters(r->db, *ret_cluster, take_domain, job, e) != 0)
		return -e->code;
	if (job->domain[0] == '\0')
		return err_set(e, ERR_NOT_FOUND, "Cannot find domain name for cluster %.256s", *ret_cluster);
	return 0;
}

/* --- which --------------------------------------------------------------------------------------------------------- */
static int
take_server(void *ctx, const void *row, struct err *e UNUSED)
{
	struct domain_job *job = ctx;

	job->server = ap_keep(job->rq, ((const struct db_host_attribute *)row)->attribute_value);
	return 0;
}

static int
write_server(struct ap_request *rq, const struct domain_job *job, struct err *e)
{
	struct ap_json j = {.out = &rq->body};
	struct topo_key key;

	if (job->server == NULL)
		return err_set(e, ERR_NOT_FOUND, "no instance is registered under %.256s", job->domain);
	if (topo_key_parse(job->server, rq->conf->DefaultInstancePort, &key, e) != 0)
		return err_wrap(e, "registered under %.256s", job->domain);
	ap_json_record(&j, &topo_key_desc, &key);
	topo_key_done(&key);
	return 0;
}

int
api_heuristic_domain_instance(struct ap_request *rq, struct ap_reader *r, struct err *e)
{
	struct domain_job job;
	const char *cluster;
	int rc = find_domain(rq, r, &job, &cluster, e);

	if (rc == 0) {
		const struct db_value params[] = {db_text(job.domain)};
		rc = db_read_where(r->db, DB_TABLE_host_attribute, "WHERE hostname = '*' AND attribute_name = ?",
				   params, ARRAY_LEN(params), take_server, &job, e);
	}
	return rc == 0 ? write_server(rq, &job, e) : rc;
}

/* --- set ----------------------------------------------------------------------------------------------------------- */
static int
take_primary(void *ctx, const struct topo_instance *inst, struct err *e UNUSED)
{
	struct domain_job *job = ctx;

	if (job->primaries++ == 0)
		job->primary = (struct topo_key){ap_keep(job->rq, inst->key.hostname), inst->key.port};
	return 0;
}

/* The one that may be written to. */
static int
find_primary(struct ap_request *rq, struct ap_reader *r, struct err *e)
{
	struct db_instance_filter filter = {.primaries = true, .writable = true};
	struct ap_change *c = ap_change_of(rq);
	struct domain_job job;

	if (find_domain(rq, r, &job, &filter.cluster, e) != 0 ||
	    db_read_instances(r->db, &filter, DB_ORDER_PRIMARY, r->now, &r->rules->limits, take_primary, &job, e) != 0)
		return -e->code;
	if (job.primaries != 1)
		return err_set(e, ERR_NOT_FOUND, "Found %zu potential master for cluster %.256s", job.primaries,
			       filter.cluster);
	c->key = job.primary;
	c->text = job.domain;
	return 0;
}

static void
on_set(struct ap_request *rq, const struct ipc_reply *reply, const struct err *e)
{
	const struct ap_change *c = ap_change_of(rq);

	if (!ap_change_failed(rq, reply, e))
		ap_reply_ok_key(rq, &c->key, "%s is registered under %s", TOPO_KEY_TEXT(&c->key), c->text);
}

static void
on_primary(struct ap_request *rq, const struct err *e)
{
	const struct ap_change *c = ap_change_of(rq);
	struct ipc_set_attribute ask = {.user = rq->user, .attribute_name = c->text};

	if (e != NULL) {
		ap_reply_err(rq, e);
		return;
	}
	ask.attribute_value = ap_keep(rq, TOPO_KEY_TEXT(&c->key));
	ap_ask(rq, IPC_SET_ATTRIBUTE, &ask, AP_CHANGE_TIMEOUT_MS, on_set);
}

void
api_set_heuristic_domain_instance(struct ap_request *rq)
{
	(void)ap_change_of(rq);
	ap_read_then(rq, find_primary, on_primary);
}
