/* api_tables.c — changes of many servers or of whole tables: forget-cluster, snapshot-topologies, the cache of host names,
 * redeploy-internal-db, and the retired reload-cluster-alias. Texts: http-api.md sections 2 to 4 and 10. */
#include <stdlib.h>
#include <string.h>

#include "ap_change.h"
#include "ap_lookup.h"
#include "ap_readers.h"
#include "db/db_read.h"

/* --- forget-cluster --------------------------------------------------------------------------------------------------- */
static void
on_forgotten(struct ap_request *rq, const struct ipc_reply *reply, const struct err *e)
{
	if (!ap_change_failed(rq, reply, e))
		ap_reply_ok(rq, "Cluster forgotten: %s", ap_change_of(rq)->text);
}

static int
find_cluster(struct ap_request *rq, struct ap_reader *r, struct err *e)
{
	return ap_route_cluster(rq, r, &ap_change_of(rq)->text, e);
}

static void
ask_forget(struct ap_request *rq, const struct err *e)
{
	struct ipc_forget_cluster ask = {.user = rq->user, .cluster_name = ap_change_of(rq)->text};

	if (e != NULL)
		ap_reply_err(rq, e);
	else
		ap_ask(rq, IPC_FORGET_CLUSTER, &ask, AP_CHANGE_TIMEOUT_MS, on_forgotten);
}

void
api_forget_cluster(struct ap_request *rq)
{
	ap_read_then(rq, find_cluster, ask_forget);
}

/* --- snapshot-topologies ---------------------------------------------------------------------------------------------- */
static void
on_snapshot(struct ap_request *rq, const struct ipc_reply *reply, const struct err *e)
{
	struct str_buf took = {0};
	struct ap_json j;
	int64_t us;

	if (ap_change_failed(rq, reply, e))
		return;
	us = mono_diff_us(clk_mono(rq->ap->clock), (struct mono){ap_change_of(rq)->number});
	str_buf_add(&took, "Took ");
	str_add_go_duration(&took, us * 1000);
	ap_envelope_begin(rq, &j, true, "Topology Snapshot completed");
	ap_json_text(&j, str_buf_text(&took));
	ap_envelope_end(&j);
	ap_reply_body(rq);
	str_buf_done(&took);
}

void
api_snapshot_topologies(struct ap_request *rq)
{
	struct ipc_snapshot_topologies ask = {0};

	ap_change_of(rq)->number = clk_mono(rq->ap->clock).us;
	ap_ask(rq, IPC_SNAPSHOT_TOPOLOGIES, &ask, AP_CHANGE_TIMEOUT_MS, on_snapshot);
}

/* --- the cache of host names: fetched piece by piece, shown in the order of the names ----------------------------------- */
struct cache {
	struct ipc_name *v; /* texts in the request's arena */
	size_t n, cap;
};

static int
by_hostname(const void *a, const void *b)
{
	return strcmp(((const struct ipc_name *)a)->hostname, ((const struct ipc_name *)b)->hostname);
}

static void
write_cache(struct ap_request *rq, struct cache *c)
{
	struct ap_json j;

	if (c->n > 0)
		qsort(c->v, c->n, sizeof(c->v[0]), by_hostname);
	ap_envelope_begin(rq, &j, true, "Cache retrieved");
	ap_json_object(&j);
	for (size_t i = 0; i < c->n; i++) {
		if (i > 0 && strcmp(c->v[i - 1].hostname, c->v[i].hostname) == 0)
			continue; /* the cache changed between two pieces */
		ap_json_key(&j, c->v[i].hostname);
		ap_json_object(&j);
		ap_json_member_text(&j, "Object", c->v[i].resolved);
		ap_json_member_i64(&j, "Expiration", c->v[i].expires_us * 1000);
		ap_json_object_end(&j);
	}
	ap_json_object_end(&j);
	ap_envelope_end(&j);
	free(c->v);
	*c = (struct cache){0};
	ap_reply_body(rq);
}

static void ask_names(struct ap_request *rq, struct cache *c);

static void
on_names(struct ap_request *rq, const struct ipc_reply *reply, const struct err *e)
{
	struct cache *c = rq->state;

	if (reply == NULL || reply->code != 0) {
		free(c->v);
		ap_reply_error(rq, "%s", reply != NULL ? reply->message : e->msg);
		return;
	}
	mem_grow(c->v, c->cap, c->n + reply->names.n);
	for (size_t i = 0; i < reply->names.n; i++) {
		const struct ipc_name *x = &reply->names.v[i];
		c->v[c->n++] = (struct ipc_name){ap_keep(rq, x->hostname), ap_keep(rq, x->resolved), x->expires_us};
	}
	if (reply->names.n == IPC_NAMES_MAX)
		ask_names(rq, c);
	else
		write_cache(rq, c);
}

static void
ask_names(struct ap_request *rq, struct cache *c)
{
	struct ipc_cached_names ask = {.skip = c->n};

	ap_ask(rq, IPC_CACHED_NAMES, &ask, AP_CHANGE_TIMEOUT_MS, on_names);
}

void
api_hostname_resolve_cache(struct ap_request *rq)
{
	struct cache *c = mem_arena_alloc(&rq->arena, sizeof(*c));

	rq->state = c;
	ask_names(rq, c);
}

static void
on_reset(struct ap_request *rq, const struct ipc_reply *reply, const struct err *e)
{
	if (!ap_change_failed(rq, reply, e))
		ap_reply_ok(rq, "Hostname cache cleared");
}

void
api_reset_hostname_resolve_cache(struct ap_request *rq)
{
	struct ipc_reset_names ask = {.user = rq->user};

	ap_ask(rq, IPC_RESET_NAMES, &ask, AP_CHANGE_TIMEOUT_MS, on_reset);
}

/* --- schema ----------------------------------------------------------------------------------------------------------- */
static void
on_redeployed(struct ap_request *rq, const struct ipc_reply *reply, const struct err *e)
{
	if (!ap_change_failed(rq, reply, e))
		ap_reply_ok(rq, "Redeployed internal db");
}

void
api_redeploy_internal_db(struct ap_request *rq)
{
	struct ipc_redeploy ask = {.user = rq->user};

	ap_ask(rq, IPC_REDEPLOY, &ask, AP_CHANGE_TIMEOUT_MS, on_redeployed);
}

/* Aliases are read from the servers since long. */
void
api_reload_cluster_alias(struct ap_request *rq)
{
	ap_reply_error(rq, "This API call has been retired");
}
