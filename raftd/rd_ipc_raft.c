/* rd_ipc_raft.c — apid's requests about the raft group and leadership, and those changes that came with it: one small
 * function per message (to_raftd.def), each answered by exactly one REPLY. */
#include <stdlib.h>

#include "group/rd_group.h"
#include "group/rd_rescue.h"
#include "rd_ipc_private.h"
#include "state/rd_propose_raft.h"

#define MAINTENANCE_DEFAULT_S 600 /* MaintenanceExpireMinutes, a constant */

/* --- the group ------------------------------------------------------------------------------------------------- */
/* False: answered already, there is none. */
static bool
has_group(struct rd_node *n, struct rd_req req)
{
	struct err e;

	if (n->group != NULL && n->decide != NULL)
		return true;
	if (n->group == NULL)
		(void)err_set(&e, ERR_UNSUPPORTED, "raft is not enabled");
	else
		(void)err_set(&e, ERR_UNAVAILABLE, "this node is not yet part of its raft group");
	rd_reply_error(n, req, &e);
	return false;
}

void
rd_on_step_down(struct rd_door *door, struct ipc_link *l, const struct ipc_step_down *m)
{
	struct rd_req req = rd_ipc_request(door, l, m->request_id);

	if (door->node->group == NULL)
		rd_reply_ok(door->node, req, 0, NULL, NULL); /* the only node is elected anew at once */
	else if (has_group(door->node, req))
		rd_group_step_down(door->node->group, req);
}

void
rd_on_grab_election(struct rd_door *door, struct ipc_link *l, const struct ipc_grab_election *m)
{
	struct rd_req req = rd_ipc_request(door, l, m->request_id);
	struct err e;

	if (door->node->group == NULL) {
		rd_reply_ok(door->node, req, 0, NULL, NULL); /* the only node has it */
		return;
	}
	(void)err_set(&e, ERR_UNSUPPORTED, "Cannot grab election on raft setup");
	rd_reply_error(door->node, req, &e);
}

void
rd_on_raft_yield(struct rd_door *door, struct ipc_link *l, const struct ipc_raft_yield *m)
{
	struct rd_req req = rd_ipc_request(door, l, m->request_id);

	if (has_group(door->node, req))
		rd_group_yield(door->node->group, req, m->node);
}

void
rd_on_raft_yield_hint(struct rd_door *door, struct ipc_link *l, const struct ipc_raft_yield_hint *m)
{
	struct rd_req req = rd_ipc_request(door, l, m->request_id);

	if (has_group(door->node, req))
		rd_group_yield_hint(door->node->group, req, m->hint);
}

void
rd_on_raft_snapshot(struct rd_door *door, struct ipc_link *l, const struct ipc_raft_snapshot *m)
{
	struct rd_req req = rd_ipc_request(door, l, m->request_id);

	if (has_group(door->node, req))
		rd_group_snapshot(door->node->group, req);
}

void
rd_on_raft_add_peer(struct rd_door *door, struct ipc_link *l, const struct ipc_raft_add_peer *m)
{
	struct rd_req req = rd_ipc_request(door, l, m->request_id);

	if (has_group(door->node, req))
		rd_group_add_peer(door->node->group, req, m->addr);
}

void
rd_on_raft_remove_peer(struct rd_door *door, struct ipc_link *l, const struct ipc_raft_remove_peer *m)
{
	struct rd_req req = rd_ipc_request(door, l, m->request_id);

	if (has_group(door->node, req))
		rd_group_remove_peer(door->node->group, req, m->addr);
}

void
rd_on_raft_rescue(struct rd_door *door, struct ipc_link *l, const struct ipc_raft_rescue *m)
{
	struct rd_node *n = door->node;
	struct rd_req req = rd_ipc_request(door, l, m->request_id);
	struct str_buf text = {0};
	struct err e;

	if (rd_rescue(n, m->confirm, &text, &e) == 0)
		rd_reply_message(n, req, 0, str_buf_text(&text));
	else
		rd_reply_error(n, req, &e);
	str_buf_done(&text);
}

void
rd_on_follower_health_report(struct rd_door *door, struct ipc_link *l, const struct ipc_follower_health_report *m)
{
	struct rd_req req = rd_ipc_request(door, l, m->request_id);

	if (has_group(door->node, req))
		rd_group_health_report(door->node->group, req, m);
}

void
rd_on_lease_seen(struct rd_door *door, struct ipc_link *l UNUSED, const struct ipc_lease_seen *m)
{
	if (door->node->group != NULL)
		rd_group_lease_seen(door->node->group, m->seq);
}

/* --- waiting for the view -------------------------------------------------------------------------------------- */
static void
on_waited(void *ctx, int rc)
{
	struct rd_waiter *w = ctx;
	struct err e;

	if (rc == 0) {
		rd_reply_ok(w->node, w->req, rd_proposer_view_index(w->node->decide), NULL, NULL);
	} else {
		(void)err_set(&e, -rc, "this node's backend does not hold the change yet");
		rd_reply_error(w->node, w->req, &e);
	}
	rd_waiter_free(w);
}

void
rd_on_wait_index(struct rd_door *door, struct ipc_link *l, const struct ipc_wait_index *m)
{
	struct rd_node *n = door->node;
	struct rd_req req = rd_ipc_request(door, l, m->request_id);
	struct rd_waiter *w;
	struct err e;

	if (!has_group(n, req))
		return;
	w = rd_waiter_new(n, req, NULL);
	if (rd_proposer_wait_index(n->decide, m->index, (struct mono){m->deadline_us}, on_waited, w, &e) == 0)
		return;
	rd_reply_error(n, req, &e);
	rd_waiter_free(w);
}

/* --- decisions ------------------------------------------------------------------------------------------------- */
void
rd_on_begin_maintenance(struct rd_door *door, struct ipc_link *l, const struct ipc_begin_maintenance *m)
{
	struct rd_node *n = door->node;
	struct rd_req req = rd_ipc_request(door, l, m->request_id);
	int64_t duration_s = m->duration_s == 0 ? MAINTENANCE_DEFAULT_S : m->duration_s;
	struct rd_cmd_begin_maintenance c = {.key = m->key,
					     .owner = m->owner,
					     .reason = m->reason,
					     .explicitly_bounded =
						 true, /* historically, whoever asks: see backend-schema.md 5 */
					     .token = proc_setup(n->proc)->node_token};
	struct err e;

	if (rd_ipc_check_duration("maintenance", m->duration_s, &e) != 0) {
		rd_reply_error(n, req, &e);
		return;
	}
	c.ends_us = rd_now_us(n) + duration_s * CLK_S;
	rd_ipc_change(n, req, m->uid, RD_OP_BEGIN_MAINTENANCE, &c);
}

void
rd_on_end_maintenance(struct rd_door *door, struct ipc_link *l, const struct ipc_end_maintenance *m)
{
	struct rd_cmd_end_maintenance c = {.maintenance_id = (int64_t)m->maintenance_id, .key = m->key};

	rd_ipc_change(door->node, rd_ipc_request(door, l, m->request_id), m->uid, RD_OP_END_MAINTENANCE, &c);
}

void
rd_on_submit_pool(struct rd_door *door, struct ipc_link *l, const struct ipc_submit_pool *m)
{
	struct rd_cmd_submit_pool c = {.pool = m->pool, .keys = m->keys};

	rd_ipc_change(door->node, rd_ipc_request(door, l, m->request_id), m->uid, RD_OP_SUBMIT_POOL, &c);
}

void
rd_on_register_hostname_unresolve(struct rd_door *door, struct ipc_link *l,
				  const struct ipc_register_hostname_unresolve *m)
{
	struct rd_cmd_register_hostname_unresolve c = {.key = m->key, .unresolved_hostname = m->unresolved_hostname};

	rd_ipc_change(door->node, rd_ipc_request(door, l, m->request_id), m->uid, RD_OP_REGISTER_HOSTNAME_UNRESOLVE,
		      &c);
}

void
rd_on_deregister_hostname_unresolve(struct rd_door *door, struct ipc_link *l,
				    const struct ipc_deregister_hostname_unresolve *m)
{
	struct rd_cmd_register_hostname_unresolve c = {.key = m->key, .unresolved_hostname = ""};

	rd_ipc_change(door->node, rd_ipc_request(door, l, m->request_id), m->uid, RD_OP_REGISTER_HOSTNAME_UNRESOLVE,
		      &c);
}

void
rd_on_set_cluster_alias(struct rd_door *door, struct ipc_link *l, const struct ipc_set_cluster_alias *m)
{
	struct rd_cmd_set_cluster_alias c = {.cluster_name = m->cluster_name, .alias = m->alias};

	rd_ipc_change(door->node, rd_ipc_request(door, l, m->request_id), m->uid, RD_OP_SET_CLUSTER_ALIAS, &c);
}

void
rd_on_set_global_recoveries(struct rd_door *door, struct ipc_link *l, const struct ipc_set_global_recoveries *m)
{
	struct rd_req req = rd_ipc_request(door, l, m->request_id);
	struct rd_cmd_enable_global_recoveries on = {.by = m->user};
	struct rd_cmd_disable_global_recoveries off = {.by = m->user};

	if (m->enabled)
		rd_ipc_change(door->node, req, m->uid, RD_OP_ENABLE_GLOBAL_RECOVERIES, &on);
	else
		rd_ipc_change(door->node, req, m->uid, RD_OP_DISABLE_GLOBAL_RECOVERIES, &off);
}

void
rd_on_ack_recoveries(struct rd_door *door, struct ipc_link *l, const struct ipc_ack_recoveries *m)
{
	struct rd_cmd_ack_recoveries c = {.owner = m->owner,
					  .comment = m->comment,
					  .all = m->all,
					  .recovery_id = m->recovery_id,
					  .recovery_uid = m->recovery_uid,
					  .key = m->key,
					  .cluster_name = m->cluster_name,
					  .cluster_alias = m->cluster_alias};

	rd_ipc_change(door->node, rd_ipc_request(door, l, m->request_id), m->uid, RD_OP_ACK_RECOVERIES, &c);
}
