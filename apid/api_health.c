/* api_health.c — the self test: health, status, StatusEndpoint. raftd writes this node's heartbeat, a reader thread
 * reads who else is there; the answer serves for a second, so that a swarm of checks costs nothing. (Historically a
 * failed one was served as a success within that second.) Shapes: json-shapes.md section 7. Owns struct ap_health. */
#include <stdlib.h>
#include <string.h>

#include "ap_lookup.h"
#include "ap_node.h"
#include "ap_proxy.h"
#include "ap_raftd.h"
#include "db/db_read.h"

#define HEALTH_TIMEOUT_MS 3000
#define FRESH_US CLK_S
#define NODE_SEEN_US (2 * CLK_S) /* raft-and-nodes.md section 10: available = seen within 2 s */

struct ap_health {
	struct mono answered;
	int status; /* 0 = none yet */
	struct str_buf body;
};

struct health {
	const char *error; /* NULL = healthy */
	const char *hostname, *token;
	bool raft, is_leader;
	const char *leader, *leader_uri, *advertise; /* "" without raft */
	const char **members;			     /* that reported to this leader */
	size_t n_members;
};

/* --- writing --------------------------------------------------------------------------------------------------- */
static void
member_stamp(struct ap_json *j, const char *key, int64_t us)
{
	char text[CLK_STAMP_BYTES] = "";

	if (us != 0)
		clk_format_wall((struct wall){us}, text);
	ap_json_member_text(j, key, text);
}

/* NodeHealth, 9 keys */
static void
write_node(struct ap_json *j, const struct db_node_health *n)
{
	ap_json_object(j);
	ap_json_member_text(j, "Hostname", n->hostname);
	ap_json_member_text(j, "Token", n->token);
	ap_json_member_text(j, "AppVersion", n->app_version);
	member_stamp(j, "FirstSeenActive", n->first_seen_active_us);
	member_stamp(j, "LastSeenActive", n->last_seen_active_us);
	ap_json_member_text(j, "ExtraInfo", "");
	ap_json_member_text(j, "Command", "");
	ap_json_member_text(j, "DBBackend", n->db_backend);
	ap_json_member_text(j, "LastReported", "0001-01-01T00:00:00Z");
	ap_json_object_end(j);
}

/* What is read: the elected node, and the list of those that are there. */
struct nodes {
	struct db_node_health active; /* in the arena */
	struct ap_request *rq;
	struct str_buf available; /* JSON */
	struct ap_json j;
};

static int
take_active(void *ctx, const void *row, struct err *e UNUSED)
{
	const struct db_active_node *a = row;
	struct nodes *n = ctx;

	n->active.hostname = ap_keep(n->rq, a->hostname);
	n->active.token = ap_keep(n->rq, a->token);
	n->active.first_seen_active_us = a->first_seen_active_us;
	n->active.last_seen_active_us = a->last_seen_active_us;
	return DB_STOP;
}

static int
add_node(void *ctx, const void *row, struct err *e UNUSED)
{
	const struct db_node_health *n = row;

	if (strcmp(n->extra_info, "CLIMode") != 0) /* commands register themselves, too */
		write_node(&((struct nodes *)ctx)->j, n);
	return 0;
}

static int
read_nodes(struct nodes *n, struct ap_reader *r, struct err *e)
{
	struct wall since = {r->now.us - NODE_SEEN_US};
	int rc;

	n->active = (struct db_node_health){.hostname = "", .token = "", .app_version = "", .db_backend = ""};
	n->j = (struct ap_json){.out = &n->available};
	ap_json_array(&n->j);
	rc = db_read_all(r->db, DB_TABLE_active_node, take_active, n, e);
	if (rc == 0)
		rc = db_read_nodes(r->db, since, add_node, n, e);
	ap_json_array_end(&n->j);
	return rc;
}

/* null when there is none, historically */
static void
write_texts(struct ap_json *j, const char *const *v, size_t n)
{
	if (n == 0) {
		ap_json_null(j);
		return;
	}
	ap_json_array(j);
	for (size_t i = 0; i < n; i++)
		ap_json_text(j, v[i]);
	ap_json_array_end(j);
}

/* HealthStatus, 12 keys. Error is an object when there is one; clients only look whether it is null. */
static void
write_status(struct ap_json *j, const struct health *h, const struct nodes *n)
{
	ap_json_object(j);
	ap_json_member_bool(j, "Healthy", h->error == NULL);
	ap_json_member_text(j, "Hostname", h->hostname);
	ap_json_member_text(j, "Token", h->token);
	ap_json_member_bool(j, "IsActiveNode", h->is_leader);
	ap_json_key(j, "ActiveNode");
	write_node(j, &n->active);
	ap_json_key(j, "Error");
	if (h->error == NULL)
		ap_json_null(j);
	else
		ap_json_empty_object(j);
	ap_json_key(j, "AvailableNodes");
	ap_json_raw(j, n->available.p, n->available.len);
	ap_json_member_text(j, "RaftLeader", h->leader);
	ap_json_member_bool(j, "IsRaftLeader", h->raft && h->is_leader);
	ap_json_member_text(j, "RaftLeaderURI", h->leader_uri);
	ap_json_member_text(j, "RaftAdvertise", h->advertise);
	ap_json_key(j, "RaftHealthyMembers");
	write_texts(j, h->members, h->n_members);
	ap_json_object_end(j);
}

static void
write_envelope(struct ap_request *rq, const struct health *h, const struct nodes *n)
{
	struct ap_json j;

	if (h->error == NULL)
		ap_envelope_begin(rq, &j, true, "Application node is healthy");
	else
		ap_envelope_begin(rq, &j, false, "Application node is unhealthy: %s", h->error);
	write_status(&j, h, n);
	ap_envelope_end(&j);
}

static int
read_health(struct ap_request *rq, struct ap_reader *r, struct err *e)
{
	const struct health *h = rq->state;
	struct nodes n = {.rq = rq};
	int rc = read_nodes(&n, r, e);

	if (h->raft) /* the active node is the raft leader; the table knows only this node */
		n.active =
		    (struct db_node_health){.hostname = h->leader, .token = "", .app_version = "", .db_backend = ""};
	write_envelope(rq, h, &n);
	str_buf_done(&n.available);
	return rc;
}

/* --- asking ---------------------------------------------------------------------------------------------------- */
/* A backend that cannot be read is a failed test, too, and its answer has the same shape. */
static void
after_read(struct ap_request *rq, const struct err *e)
{
	struct ap_health *kept = rq->ap->health;
	struct health *h = rq->state;

	if (e != NULL) {
		struct nodes none = {.active = {.hostname = "", .token = "", .app_version = "", .db_backend = ""}};
		str_buf_add(&none.available, "[]");
		h->error = h->error == NULL ? e->msg : h->error;
		write_envelope(rq, h, &none);
		str_buf_done(&none.available);
	}
	kept->answered = clk_mono(rq->ap->clock);
	kept->status = rq->status;
	str_buf_clear(&kept->body);
	str_buf_add(&kept->body, str_buf_text(&rq->body));
	ap_reply_body(rq);
}

/* The reader thread gets its own copy. */
static void
take_raft(struct ap_request *rq, struct health *h)
{
	const struct ipc_state *s = ap_state(rq->ap);

	h->raft = ap_standing_now(rq->ap).raft;
	h->leader = ap_keep(rq, s->leader);
	h->leader_uri = ap_keep(rq, s->leader_uri);
	h->advertise = ap_keep(rq, s->self);
	h->n_members = s->healthy_members.n;
	h->members = mem_arena_alloc(&rq->arena, h->n_members * sizeof(*h->members));
	for (size_t i = 0; i < h->n_members; i++)
		h->members[i] = ap_keep(rq, s->healthy_members.v[i].s);
}

static void
on_beat(struct ap_request *rq, const struct ipc_reply *reply, const struct err *e)
{
	const struct ipc_child_config *setup = proc_setup(rq->ap->proc);
	struct health *h = mem_arena_alloc(&rq->arena, sizeof(*h));

	if (reply == NULL || reply->code != 0)
		h->error = ap_keep(rq, reply != NULL ? reply->message : e->msg);
	h->is_leader = ap_is_leader(rq->ap);
	take_raft(rq, h);
	h->hostname = setup->hostname;
	h->token = setup->node_token;
	rq->state = h;
	ap_read_then(rq, read_health, after_read);
}

void
api_health(struct ap_request *rq)
{
	struct ipc_node_health ask = {0};
	struct ap *ap = rq->ap;

	if (ap->health == NULL)
		ap->health = mem_new(struct ap_health);
	if (ap->health->status == 0 || mono_diff_us(clk_mono(ap->clock), ap->health->answered) >= FRESH_US) {
		ap_ask(rq, IPC_NODE_HEALTH, &ask, HEALTH_TIMEOUT_MS, on_beat);
		return;
	}
	str_buf_add(&rq->body, str_buf_text(&ap->health->body));
	rq->status = ap->health->status;
	ap_reply_body(rq);
}

void
ap_health_free(struct ap *ap)
{
	if (ap->health == NULL)
		return;
	str_buf_done(&ap->health->body);
	free(ap->health);
	ap->health = NULL;
}
