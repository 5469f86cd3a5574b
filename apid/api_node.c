/* api_node.c — this node: health, status, leader-check, lb-check, the /health names, headers, reload-configuration. */
#include <event2/keyvalq_struct.h>
#include <stdlib.h>
#include <string.h>

#include "ap_lookup.h"
#include "ap_node.h"
#include "ap_raftd.h"
#include "ap_readers.h"
#include "db/db_read.h"

#define HEALTH_TIMEOUT_MS 3000
#define NODE_SEEN_US (2 * CLK_S) /* raft-and-nodes.md section 10: available = seen within 2 s */

/* --- constants and leadership
 * ------------------------------------------------------------------------------------------------- */
void
api_lb_check(struct ap_request *rq)
{
	ap_reply_text(rq, HTTP_OK, "OK");
}

/* The status a failing leader-check answers: the path's, if it is one HTTP knows. */
static int
failure_status(const struct ap_request *rq)
{
	int64_t code = HTTP_NOTFOUND;
	struct err e;

	if (ap_has_param(rq, "errorStatusCode") &&
	    str_parse_i64(ap_param(rq, "errorStatusCode"), 100, 999, &code, &e) != 0)
		code = HTTP_NOTFOUND;
	return (int)code;
}

void
api_leader_check(struct ap_request *rq)
{
	if (ap_is_leader(rq->ap))
		ap_reply_text(rq, HTTP_OK, "OK");
	else
		ap_reply_text(rq, failure_status(rq), "Not leader");
}

void
api_health_live(struct ap_request *rq)
{
	ap_reply_text(rq, HTTP_OK, "OK");
}

void
api_health_ready(struct ap_request *rq)
{
	const struct ipc_state *s = ap_state(rq->ap);

	if (!ap_raftd_is_up(rq->ap))
		ap_reply_text(rq, HTTP_SERVUNAVAIL, "raftd is not running");
	else if (!s->backend_ok)
		ap_reply_text(rq, HTTP_SERVUNAVAIL, "the backend cannot be written");
	else
		ap_reply_text(rq, HTTP_OK, "OK");
}

void
api_health_leader(struct ap_request *rq)
{
	if (ap_is_leader(rq->ap))
		ap_reply_text(rq, HTTP_OK, "OK");
	else
		ap_reply_text(rq, HTTP_SERVUNAVAIL, "Not leader");
}

/* --- health
 * --------------------------------------------------------------------------------------------------------------------
 */
struct health {
	bool healthy, is_active, raft_enabled;
	const char *error;
	const char *hostname, *token;
	int64_t first_seen_active_us;
	struct str_buf nodes; /* JSON array */
};

static void
stamp_key(struct ap_json *j, const char *key, int64_t us)
{
	char text[CLK_STAMP_BYTES] = "";

	if (us != 0)
		clk_format_wall((struct wall){us}, text);
	ap_json_key(j, key);
	ap_json_text(j, text);
}

/* NodeHealth, json-shapes.md section 7: 9 keys. */
static void
write_node(struct ap_json *j, const struct db_node_health *n)
{
	ap_json_object(j);
	ap_json_key(j, "Hostname");
	ap_json_text(j, n->hostname);
	ap_json_key(j, "Token");
	ap_json_text(j, n->token);
	ap_json_key(j, "AppVersion");
	ap_json_text(j, n->app_version);
	stamp_key(j, "FirstSeenActive", n->first_seen_active_us);
	stamp_key(j, "LastSeenActive", n->last_seen_active_us);
	ap_json_key(j, "ExtraInfo");
	ap_json_text(j, "");
	ap_json_key(j, "Command");
	ap_json_text(j, "");
	ap_json_key(j, "DBBackend");
	ap_json_text(j, n->db_backend);
	ap_json_key(j, "LastReported");
	ap_json_text(j, "0001-01-01T00:00:00Z");
	ap_json_object_end(j);
}

static int
add_node(void *ctx, const void *row, struct err *e UNUSED)
{
	write_node(ctx, row);
	return 0;
}

static void
write_active_node(struct ap_json *j, const struct health *h)
{
	struct db_node_health node = {.hostname = h->is_active ? h->hostname : "",
				      .token = h->is_active ? h->token : "",
				      .app_version = "",
				      .db_backend = "",
				      .first_seen_active_us = h->first_seen_active_us};

	ap_json_key(j, "ActiveNode");
	write_node(j, &node);
}

/* Error is an object when there is one; clients only look whether it is null. */
static void
write_error(struct ap_json *j, const char *error)
{
	ap_json_key(j, "Error");
	if (error == NULL)
		ap_json_null(j);
	else
		ap_json_empty_object(j);
}

static int
write_health(struct ap_request *rq, struct db *db, struct wall now, struct err *e)
{
	struct health *h = rq->state;
	struct ap_json j;
	int rc;

	ap_envelope_begin(rq, &j, h->healthy, h->healthy ? "Application node is healthy" : h->error);
	ap_json_object(&j);
	ap_json_key(&j, "Healthy");
	ap_json_bool(&j, h->healthy);
	ap_json_key(&j, "Hostname");
	ap_json_text(&j, h->hostname);
	ap_json_key(&j, "Token");
	ap_json_text(&j, h->token);
	ap_json_key(&j, "IsActiveNode");
	ap_json_bool(&j, h->is_active);
	write_active_node(&j, h);
	write_error(&j, h->error);
	ap_json_key(&j, "AvailableNodes");
	ap_json_array(&j);
	rc = db_read_nodes(db, (struct wall){now.us - NODE_SEEN_US}, add_node, &j, e);
	ap_json_array_end(&j);
	ap_json_key(&j, "RaftLeader");
	ap_json_text(&j, "");
	ap_json_key(&j, "IsRaftLeader");
	ap_json_bool(&j, h->raft_enabled && h->is_active);
	ap_json_key(&j, "RaftLeaderURI");
	ap_json_text(&j, "");
	ap_json_key(&j, "RaftAdvertise");
	ap_json_text(&j, rq->conf->RaftAdvertise);
	ap_json_key(&j, "RaftHealthyMembers");
	ap_json_null(&j);
	ap_json_object_end(&j);
	ap_envelope_end(&j);
	return rc;
}

static void
on_health_reply(struct ap_request *rq, const struct ipc_reply *reply, const struct err *e)
{
	const struct ipc_child_config *setup = proc_setup(rq->ap->proc);
	struct health *h = mem_arena_alloc(&rq->arena, sizeof(*h));

	h->healthy = reply != NULL && reply->code == 0;
	h->error = h->healthy ? NULL : ap_keep(rq, reply != NULL ? reply->message : e->msg);
	h->is_active = ap_is_leader(rq->ap);
	h->raft_enabled = ap_state(rq->ap)->raft_enabled;
	h->first_seen_active_us = ap_state(rq->ap)->first_seen_active_us;
	h->hostname = setup->hostname;
	h->token = setup->node_token;
	rq->state = h;
	ap_read(rq, write_health);
}

void
api_health(struct ap_request *rq)
{
	struct ipc_node_health ask = {0};

	ap_ask(rq, IPC_NODE_HEALTH, &ask, HEALTH_TIMEOUT_MS, on_health_reply);
}

/* --- headers: raw object, header name → [string]
 * ---------------------------------------------------------------------------------- */
void
api_headers(struct ap_request *rq)
{
	struct ap_json j = {.out = &rq->body};
	const struct evkeyvalq *headers = evhttp_request_get_input_headers(rq->http);
	const struct evkeyval *kv;

	ap_json_object(&j);
	TAILQ_FOREACH (kv, headers, next) {
		ap_json_key(&j, kv->key);
		ap_json_array(&j);
		ap_json_text(&j, kv->value);
		ap_json_array_end(&j);
	}
	ap_json_object_end(&j);
	ap_reply_body(rq);
}

/* --- reload-configuration
 * ------------------------------------------------------------------------------------------------------------ */
struct reload_wait {
	struct reload_wait *next;
	struct ap_request *rq;
	uint64_t id;
};
static struct reload_wait *reload_waits; /* at most AP_PENDING_MAX requests exist at all */
static uint64_t reload_last_id;

void
api_reload_configuration(struct ap_request *rq)
{
	struct ipc_child_reload_request ask = {.request_id = ++reload_last_id, .extra_file = ap_query(rq, "config")};
	struct reload_wait *w;
	struct err e;

	if (ipc_send_child_reload_request(proc_lifeline(rq->ap->proc), &ask, &e) != 0) {
		ap_reply_err(rq, &e);
		return;
	}
	w = mem_new(struct reload_wait);
	*w = (struct reload_wait){reload_waits, rq, ask.request_id};
	reload_waits = w;
}

static void
answer_reload(struct ap_request *rq, const struct ipc_child_reload_result *m)
{
	struct ap_json j;

	if (m->code != 0) {
		ap_reply_error(rq, "%s", m->message);
		return;
	}
	ap_envelope_begin(rq, &j, true, "Config reloaded");
	ap_json_text(&j, ap_query(rq, "config"));
	ap_envelope_end(&j);
	ap_reply_body(rq);
}

void
ap_node_reload_result(const struct ipc_child_reload_result *m)
{
	for (struct reload_wait **at = &reload_waits; *at != NULL; at = &(*at)->next) {
		struct reload_wait *w = *at;
		if (w->id != m->request_id)
			continue;
		*at = w->next;
		answer_reload(w->rq, m);
		free(w);
		return;
	}
}

void
ap_node_drop_waiting(void)
{
	while (reload_waits != NULL) {
		struct reload_wait *w = reload_waits;
		reload_waits = w->next;
		ap_reply_error(w->rq, "the node is stopping");
		free(w);
	}
}
