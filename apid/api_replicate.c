/* api_replicate.c — who may replicate from whom (can-replicate-from, -gtid), and the replicas that tools for schema changes
 * should look at (cluster-osc-replicas, cluster-gh-ost-replicas). The rules are common/topo's (topo/replicate.h); here
 * the stored rows are fetched. They run in reader threads. */
#include <stdlib.h>
#include <string.h>

#include "ap_instances.h"
#include "ap_lookup.h"
#include "topo/key.h"
#include "topo/replicate.h"

/* --- can-replicate-from ----------------------------------------------------------------------------------------------- */
static int
read_one(struct ap_reader *r, const struct topo_key *key, struct ap_instance_list *list, struct err *e)
{
	struct db_instance_filter filter = {.key = key};
	size_t before = list->n;
	int rc = ap_collect_instances(r, &filter, DB_ORDER_KEY, list, e);

	if (rc == 0 && list->n == before)
		rc = err_set(e, ERR_NOT_FOUND, "Cannot read instance: %s", TOPO_KEY_TEXT(key));
	return rc;
}

static void
write_verdict(struct ap_request *rq, bool verdict, const struct topo_key *below)
{
	struct ap_json j;

	ap_envelope_begin(rq, &j, true, "%s", verdict ? "true" : "false");
	ap_json_record(&j, &topo_key_desc, below);
	ap_envelope_end(&j);
}

typedef int (*rule_fn)(const struct topo_instance *x, const struct topo_instance *y,
		       const struct topo_replicate_rules *rules, struct err *e);

/* A refusal is an error with its reason, historically; with the query refusal=false (ours, for the command line) it is
 * the message "false". */
static int
judge(struct ap_request *rq, rule_fn rule, const struct topo_instance *x, const struct topo_instance *y, struct err *e)
{
	struct topo_replicate_rules rules = {
	    .lower_version_allowed = rq->conf->LowerReplicaVersionAllowed,
	    .verify_filters = rq->conf->VerifyReplicationFilters,
	    .maintenance_lag_s = rq->conf->ReasonableMaintenanceReplicationLagSeconds,
	};
	int rc = rule(x, y, &rules, e);

	if (rc == 0 || strcmp(ap_query(rq, "refusal"), "false") == 0) {
		write_verdict(rq, rc == 0, &y->key);
		return 0;
	}
	return rc;
}

static int
can_replicate(struct ap_request *rq, struct ap_reader *r, rule_fn rule, struct err *e)
{
	struct ap_instance_list both = {0};
	struct topo_key key, below;
	int rc = ap_route_key(rq, r, &key, e);

	if (rc == 0)
		rc = ap_named_key(rq, r, "belowHost", "belowPort", &below, e);
	if (rc == 0)
		rc = read_one(r, &key, &both, e);
	if (rc == 0)
		rc = read_one(r, &below, &both, e);
	if (rc == 0)
		rc = judge(rq, rule, both.v[0], both.v[1], e);
	ap_instance_list_done(&both);
	return rc;
}

int
api_can_replicate_from(struct ap_request *rq, struct ap_reader *r, struct err *e)
{
	return can_replicate(rq, r, topo_can_replicate_from, e);
}

int
api_can_replicate_from_gtid(struct ap_request *rq, struct ap_reader *r, struct err *e)
{
	return can_replicate(rq, r, topo_can_replicate_from_gtid, e);
}

/* --- replicas for schema changes -------------------------------------------------------------------------------------- */
static bool
is_hidden(const struct ap_reader *r, const struct topo_instance *i)
{
	return conf_filter_matches(r->rules->hidden_osc, i->key.hostname, i->key.port);
}

typedef size_t (*pick_fn)(const struct topo_instance *const *insts, size_t n, const struct topo_instance **ret);

/* v: the cluster's instances that may be picked. */
static void
write_pick(struct ap_request *rq, const struct topo_instance *const *v, size_t n, pick_fn pick)
{
	const struct topo_instance **picked = mem_calloc(n + 1, sizeof(*picked));

	ap_write_picked(rq, picked, pick(v, n, picked));
	free(picked);
}

static int
pick_replicas(struct ap_request *rq, struct ap_reader *r, bool hide, pick_fn pick, struct err *e)
{
	struct ap_instance_list list = {0};
	struct db_instance_filter filter = {0};
	const struct topo_instance **shown;
	size_t n = 0;
	int rc = ap_route_cluster(rq, r, &filter.cluster, e);

	if (rc == 0)
		rc = ap_collect_instances(r, &filter, DB_ORDER_KEY, &list, e);
	shown = mem_calloc(list.n + 1, sizeof(*shown));
	for (size_t i = 0; i < list.n; i++) {
		if (!hide || !is_hidden(r, list.v[i]))
			shown[n++] = list.v[i];
	}
	if (rc == 0)
		write_pick(rq, shown, n, pick);
	free(shown);
	ap_instance_list_done(&list);
	return rc;
}

int
api_cluster_osc_replicas(struct ap_request *rq, struct ap_reader *r, struct err *e)
{
	return pick_replicas(rq, r, true, topo_pick_osc_replicas, e);
}

int
api_cluster_gh_ost_replicas(struct ap_request *rq, struct ap_reader *r, struct err *e)
{
	return pick_replicas(rq, r, false, topo_pick_gh_ost_replicas, e);
}
