/* rd_ipc.c — apid's requests, one small function per message (to_raftd.def). Each is answered by exactly one REPLY,
 * changes only after the backend holds them. apid has authorised and resolved; what is checked here is what a change
 * means. */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "group/rd_group.h"
#include "rd_ipc_private.h"
#include "topo/key.h"

#define DOWNTIME_DEFAULT_S 600		     /* MaintenanceExpireMinutes, a constant */
#define DOWNTIME_MAX_S (100 * 366 * 86400LL) /* a hundred years */

/* --- changes --------------------------------------------------------------------------------------------------- */
static void
on_decided(void *ctx, const struct rd_proposed *p)
{
	struct rd_waiter *w = ctx;
	char id[24];

	(void)snprintf(id, sizeof(id), "%lld", (long long)p->id);
	if (p->outcome == RD_COMMITTED && p->id != 0)
		rd_reply_message(w->node, w->req, p->index, id);
	else if (p->outcome == RD_COMMITTED)
		rd_reply_ok(w->node, w->req, p->index, p->keys, NULL);
	else
		rd_reply_error(w->node, w->req, p->e);
	rd_waiter_free(w);
}

struct rd_req
rd_ipc_request(struct rd_door *door, struct ipc_link *l, uint64_t id)
{
	door->node->metrics.requests++;
	return (struct rd_req){id, ipc_link_peer_generation(l)};
}

bool
rd_ipc_is_open(struct rd_node *n, struct rd_req req)
{
	struct err e;

	if (n->decide != NULL && !n->stopping)
		return true;
	if (n->stopping)
		(void)err_set(&e, ERR_UNAVAILABLE, "this node is stopping");
	else if (n->health.error.code != 0)
		e = n->health.error;
	else
		(void)err_set(&e, ERR_UNAVAILABLE, "the backend is not open yet, try again");
	rd_reply_error(n, req, &e);
	return false;
}

void
rd_ipc_change(struct rd_node *n, struct rd_req req, const char *uid, enum rd_op op, const void *payload)
{
	char full[RD_UID_MAX + 1];
	struct rd_waiter *w;
	struct err e;

	if (!rd_ipc_is_open(n, req))
		return;
	if (n->group != NULL && rd_group_takes_changes(n->group, &e) != 0) {
		rd_reply_error(n, req, &e);
		return;
	}
	(void)snprintf(full, sizeof(full), "%s/%s", rd_op_name(op), uid); /* one uid, two commands: two changes */
	w = rd_waiter_new(n, req, NULL);
	if (rd_propose(n->decide, op, payload, uid[0] == '\0' ? NULL : full, on_decided, w, &e) == 0)
		return;
	rd_reply_error(n, req, &e);
	rd_waiter_free(w);
}

int
rd_ipc_check_duration(const char *what, int64_t duration_s, struct err *e)
{
	if (duration_s >= 0 && duration_s <= DOWNTIME_MAX_S)
		return 0;
	return err_set(e, ERR_INVALID, "%s duration must be 0 to %lld seconds, 0 = %d", what, DOWNTIME_MAX_S,
		       DOWNTIME_DEFAULT_S);
}

void
rd_on_begin_downtime(struct rd_door *door, struct ipc_link *l, const struct ipc_begin_downtime *m)
{
	struct rd_node *n = door->node;
	struct rd_req req = rd_ipc_request(door, l, m->request_id);
	int64_t now_us = rd_now_us(n);
	int64_t duration_s = m->duration_s == 0 ? DOWNTIME_DEFAULT_S : m->duration_s;
	struct rd_cmd_begin_downtime c = {.key = m->key, .owner = m->owner, .reason = m->reason, .begins_us = now_us};
	struct err e;

	if (rd_ipc_check_duration("downtime", m->duration_s, &e) != 0) {
		rd_reply_error(n, req, &e);
		return;
	}
	c.ends_us = now_us + duration_s * CLK_S;
	rd_ipc_change(n, req, m->uid, RD_OP_BEGIN_DOWNTIME, &c);
}

void
rd_on_end_downtime(struct rd_door *door, struct ipc_link *l, const struct ipc_end_downtime *m)
{
	struct rd_cmd_end_downtime c = {.key = m->key};

	rd_ipc_change(door->node, rd_ipc_request(door, l, m->request_id), m->uid, RD_OP_END_DOWNTIME, &c);
}

void
rd_on_put_tag(struct rd_door *door, struct ipc_link *l, const struct ipc_put_tag *m)
{
	struct rd_cmd_put_tag c = {.key = m->key, .tag_name = m->tag_name, .tag_value = m->tag_value};

	rd_ipc_change(door->node, rd_ipc_request(door, l, m->request_id), m->uid, RD_OP_PUT_TAG, &c);
}

void
rd_on_delete_tag(struct rd_door *door, struct ipc_link *l, const struct ipc_delete_tag *m)
{
	struct rd_cmd_delete_tag c = {
	    .key = m->key, .tag_name = m->tag_name, .has_value = m->has_value, .tag_value = m->tag_value};

	rd_ipc_change(door->node, rd_ipc_request(door, l, m->request_id), m->uid, RD_OP_DELETE_TAG, &c);
}

void
rd_on_register_candidate(struct rd_door *door, struct ipc_link *l, const struct ipc_register_candidate *m)
{
	struct rd_cmd_register_candidate c = {.key = m->key, .promotion_rule = m->promotion_rule};

	rd_ipc_change(door->node, rd_ipc_request(door, l, m->request_id), m->uid, RD_OP_REGISTER_CANDIDATE, &c);
}

void
rd_on_forget(struct rd_door *door, struct ipc_link *l, const struct ipc_forget *m)
{
	struct rd_node *n = door->node;
	struct rd_req req = rd_ipc_request(door, l, m->request_id);
	struct topo_key key = m->key;
	struct rd_cmd_inventory_forget c = {.keys = {&key, 1}, .reason = "forget", .message = ""};
	struct err e;

	if (!rd_ipc_is_open(n, req))
		return;
	if (rd_state_get(rd_decisions(n), RD_TABLE_inventory, &key) == NULL) {
		(void)err_set(&e, ERR_NOT_FOUND, "ForgetInstance(): instance %s not found", TOPO_KEY_TEXT(&key));
		rd_reply_error(n, req, &e);
		return;
	}
	rd_ipc_change(n, req, m->uid, RD_OP_INVENTORY_FORGET, &c);
}

void
rd_on_set_attribute(struct rd_door *door, struct ipc_link *l, const struct ipc_set_attribute *m)
{
	struct rd_cmd_set_attribute c = {
	    .hostname = "*", .attribute_name = m->attribute_name, .attribute_value = m->attribute_value};

	rd_ipc_change(door->node, rd_ipc_request(door, l, m->request_id), m->uid, RD_OP_SET_ATTRIBUTE, &c);
}

/* --- the rest -------------------------------------------------------------------------------------------------- */
void
rd_on_discover(struct rd_door *door, struct ipc_link *l, const struct ipc_discover *m)
{
	struct rd_req req = rd_ipc_request(door, l, m->request_id);

	if (rd_ipc_is_open(door->node, req))
		rd_ask_discover(door->node, req, m);
}

void
rd_on_node_health(struct rd_door *door, struct ipc_link *l, const struct ipc_node_health *m)
{
	rd_health_ask(door->node, rd_ipc_request(door, l, m->request_id));
}

void
rd_on_write_audit(struct rd_door *door, struct ipc_link *l, const struct ipc_write_audit *m)
{
	struct rd_node *n = door->node;
	struct rd_req req = rd_ipc_request(door, l, m->request_id);

	if (!rd_ipc_is_open(n, req))
		return;
	rd_audit(n, m->type, m->key.hostname[0] == '\0' ? NULL : &m->key, m->message);
	rd_reply_ok(n, req, 0, NULL, NULL);
}

void
rd_on_send_state(struct rd_door *door, struct ipc_link *l UNUSED, const struct ipc_send_state *m UNUSED)
{
	rd_publish_state(door->node);
	rd_publish_metrics(door->node);
}
