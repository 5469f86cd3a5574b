/* rd_ipc_bulk.c — apid's requests about many servers at once or about whole tables: forget-cluster, untag-all,
 * snapshot-topologies, the cache of host names, the schema. As rd_ipc.c. */
#include <stdlib.h>

#include "base/log.h"
#include "conf/conf.h"
#include "rd_house_private.h"
#include "rd_ipc_private.h"

/* --- forget-cluster -------------------------------------------------------------------------------------------------- */
void
rd_on_forget_cluster(struct rd_door *door, struct ipc_link *l, const struct ipc_forget_cluster *m)
{
	struct rd_node *n = door->node;
	struct rd_req req = rd_ipc_request(door, l, m->request_id);
	struct rd_cmd_inventory_forget c = {.reason = "forget", .message = m->cluster_name};
	size_t cap = 0;

	if (!rd_ipc_is_open(n, req))
		return;
	for (const struct rd_server *s = n->model.servers; s != NULL; s = s->hh.next) {
		if (!s->listed || !str_eq(s->inst.cluster_name, m->cluster_name))
			continue;
		mem_grow(c.keys.v, cap, c.keys.n + 1);
		c.keys.v[c.keys.n++] = s->inst.key;
	}
	if (c.keys.n > 0)
		rd_ipc_change(n, req, m->uid, RD_OP_INVENTORY_FORGET, &c);
	else
		rd_reply_ok(n, req, 0, NULL, NULL);
	free(c.keys.v);
}

void
rd_on_untag_all(struct rd_door *door, struct ipc_link *l, const struct ipc_untag_all *m)
{
	struct rd_cmd_untag_all c = {.tag_name = m->tag_name, .tag_value = m->tag_value};

	rd_ipc_change(door->node, rd_ipc_request(door, l, m->request_id), m->uid, RD_OP_UNTAG_ALL, &c);
}

/* --- jobs of their own for the view writer, answered when they are done -------------------------------------------------- */
static void
on_job_done(void *ctx, struct rd_job *job)
{
	struct rd_waiter *w = ctx;
	struct rd_node *n = w->node;

	rd_health_backend(n, RD_HEALTH_ONCE, job->rc, &job->e);
	if (job->rc == 0)
		rd_reply_ok(n, w->req, 0, NULL, NULL);
	else
		rd_reply_error(n, w->req, &job->e);
	rd_waiter_free(w);
	rd_job_free(job);
}

/* changes are moved; NULL: none */
static void
submit(struct rd_node *n, struct rd_req req, enum rd_job_kind kind, struct rd_changes *changes)
{
	struct rd_waiter *w = rd_waiter_new(n, req, NULL);
	struct rd_job *job = rd_job_new(kind, on_job_done, w);
	struct err e;

	if (changes != NULL) {
		rd_changes_move(&job->changes, changes);
		rd_changes_done(changes);
	}
	if (rd_view_submit(n->view, job, &e) == 0)
		return;
	rd_reply_error(n, req, &e);
	rd_waiter_free(w);
	rd_job_free(job);
}

/* --- snapshot-topologies ------------------------------------------------------------------------------------------------ */
void
rd_on_snapshot_topologies(struct rd_door *door, struct ipc_link *l, const struct ipc_snapshot_topologies *m)
{
	struct rd_node *n = door->node;
	struct rd_req req = rd_ipc_request(door, l, m->request_id);
	struct rd_changes rows = {0};

	if (!rd_ipc_is_open(n, req))
		return;
	rd_house_record_topologies(n, &rows);
	submit(n, req, RD_JOB_TELEMETRY, &rows);
}

/* --- host names ------------------------------------------------------------------------------------------------------------ */
void
rd_on_cached_names(struct rd_door *door, struct ipc_link *l, const struct ipc_cached_names *m)
{
	struct rd_node *n = door->node;
	struct rd_req req = rd_ipc_request(door, l, m->request_id);
	struct ipc_name *names = mem_calloc(IPC_NAMES_MAX, sizeof(*names));
	struct ipc_name_list list = {names, 0};

	list.n = rd_resolve_list(n->names, n->rules, (size_t)m->skip, names, IPC_NAMES_MAX);
	rd_reply_names(n, req, &list);
	free(names);
}

/* Memory, and the table with a condition that every row fulfils. */
void
rd_on_reset_names(struct rd_door *door, struct ipc_link *l, const struct ipc_reset_names *m)
{
	struct rd_node *n = door->node;
	struct rd_req req = rd_ipc_request(door, l, m->request_id);
	struct rd_changes rows = {0};

	if (!rd_ipc_is_open(n, req))
		return;
	rd_resolve_clear(n->names);
	rd_changes_purge(&rows, DB_TABLE_hostname_resolve, "? IS NOT NULL", rd_now_us(n));
	submit(n, req, RD_JOB_TELEMETRY, &rows);
}

/* --- schema ---------------------------------------------------------------------------------------------------------------- */
void
rd_on_redeploy(struct rd_door *door, struct ipc_link *l, const struct ipc_redeploy *m)
{
	struct rd_node *n = door->node;
	struct rd_req req = rd_ipc_request(door, l, m->request_id);

	if (rd_ipc_is_open(n, req))
		submit(n, req, RD_JOB_REDEPLOY, NULL);
}
