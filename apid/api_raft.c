/* api_raft.c — the raft group and leadership: what raftd published last, shown; and requests to change it. Texts and
 * shapes: http-api.md section 2, json-shapes.md section 7. Showing costs nothing: no database, no question to raftd. */
#include <string.h>

#include "ap_change.h"
#include "ap_node.h"
#include "ap_proxy.h"

#define SNAPSHOT_MS 60000 /* all replicated rows are written to disk */

static bool
has_raft(struct ap_request *rq, const char *name)
{
	if (ap_standing_now(rq->ap).raft)
		return true;
	ap_reply_error(rq, "%s: not running with raft setup", name);
	return false;
}

/* Candidate until the setup is complete, historically. */
static const char *
state_text(const struct ap *ap)
{
	const char *text = ap_state(ap)->raft_state;

	if (!ap_raftd_is_up(ap))
		return "Shutdown";
	return text[0] == '\0' ? "Candidate" : text;
}

/* Leader or follower with fresh evidence of a quorum: raftd's word alone, however late apid looks at it. */
bool
ap_raft_is_healthy(const struct ap *ap)
{
	const char *text = state_text(ap);

	return (strcmp(text, "Leader") == 0 || strcmp(text, "Follower") == 0) && ap_standing_now(ap).quorum_fresh;
}

/* --- showing -------------------------------------------------------------------------------------------------------- */
void
api_raft_state(struct ap_request *rq)
{
	if (has_raft(rq, "raft-state"))
		ap_reply_text(rq, HTTP_OK, state_text(rq->ap));
}

void
api_raft_leader(struct ap_request *rq)
{
	if (has_raft(rq, "raft-leader"))
		ap_reply_text(rq, HTTP_OK, ap_state(rq->ap)->leader);
}

void
api_raft_health(struct ap_request *rq)
{
	if (!has_raft(rq, "raft-health"))
		return;
	if (ap_raft_is_healthy(rq->ap))
		ap_reply_text(rq, HTTP_OK, "healthy");
	else
		ap_reply_error(rq, "unhealthy");
}

static void
write_names(struct ap_json *j, const struct ipc_member_list *members)
{
	ap_json_array(j);
	for (size_t i = 0; i < members->n; i++)
		ap_json_text(j, members->v[i].name);
	ap_json_array_end(j);
}

void
api_raft_peers(struct ap_request *rq)
{
	struct ap_json j = {.out = &rq->body};

	if (!has_raft(rq, "raft-peers"))
		return;
	write_names(&j, &ap_state(rq->ap)->members);
	ap_reply_body(rq);
}

/* RaftStatus, 8 keys */
static void
write_status(struct ap_json *j, const struct ap *ap)
{
	const struct ipc_state *s = ap_state(ap);
	bool healthy = ap_raft_is_healthy(ap);

	ap_json_member_text(j, "RaftBind", s->bind);
	ap_json_member_text(j, "RaftAdvertise", s->self);
	ap_json_member_text(j, "State", state_text(ap));
	ap_json_member_bool(j, "Healthy", healthy);
	ap_json_member_bool(j, "IsPartOfQuorum", healthy && s->leader[0] != '\0');
	ap_json_member_text(j, "Leader", s->leader);
	ap_json_member_text(j, "LeaderURI", s->leader_uri);
	ap_json_key(j, "Peers");
	write_names(j, &s->members);
}

void
api_raft_status(struct ap_request *rq)
{
	struct ap_json j = {.out = &rq->body};

	if (!has_raft(rq, "raft-status"))
		return;
	ap_json_object(&j);
	write_status(&j, rq->ap);
	ap_json_object_end(&j);
	ap_reply_body(rq);
}

/* --- raft-info: all of it ------------------------------------------------------------------------------------------- */
static void
member_u64(struct ap_json *j, const char *key, uint64_t v)
{
	ap_json_key(j, key);
	ap_json_u64(j, v);
}

static void
write_member(struct ap_json *j, const struct ipc_member *m, int64_t now_us)
{
	int64_t silent_ms = m->last_contact_us == 0 ? -1 : (now_us - m->last_contact_us) / CLK_MS;

	ap_json_object(j);
	ap_json_member_text(j, "Name", m->name);
	ap_json_member_text(j, "Id", m->id);
	ap_json_member_text(j, "Role", m->role);
	ap_json_member_text(j, "URI", m->uri);
	ap_json_member_text(j, "Version", m->version);
	ap_json_member_bool(j, "Connected", m->connected);
	ap_json_member_i64(j, "MillisecondsSinceLastContact", silent_ms);
	member_u64(j, "MatchIndex", m->match_index);
	ap_json_member_text(j, "Trouble", m->trouble);
	ap_json_object_end(j);
}

static void
write_members(struct ap_json *j, const struct ipc_member_list *members, int64_t now_us)
{
	ap_json_array(j);
	for (size_t i = 0; i < members->n; i++)
		write_member(j, &members->v[i], now_us);
	ap_json_array_end(j);
}

static void
write_progress(struct ap_json *j, const struct ipc_state *s)
{
	ap_json_member_text(j, "ClusterId", s->cluster_id);
	member_u64(j, "Term", s->term);
	member_u64(j, "LastIndex", s->last_index);
	member_u64(j, "CommitIndex", s->commit_index);
	member_u64(j, "AppliedIndex", s->applied_index);
	member_u64(j, "ViewIndex", s->view_index);
	member_u64(j, "FeatureLevel", s->feature_level);
	ap_json_member_text(j, "StateHash", s->state_hash);
	member_u64(j, "StateHashIndex", s->state_hash_index);
	ap_json_member_text(j, "Phase", s->phase);
	ap_json_member_text(j, "PhaseWhy", s->phase_why);
}

void
api_raft_info(struct ap_request *rq)
{
	const struct ipc_state *s = ap_state(rq->ap);
	int64_t now_us = clk_mono(rq->ap->clock).us;
	struct ap_json j = {.out = &rq->body};

	if (!has_raft(rq, "raft-info"))
		return;
	ap_json_object(&j);
	write_status(&j, rq->ap);
	write_progress(&j, s);
	ap_json_member_i64(&j, "LeaseMillisecondsLeft",
			   s->is_leader ? max_i64(0, (s->lease_end_us - now_us) / CLK_MS) : 0);
	ap_json_key(&j, "Members");
	write_members(&j, &s->members, now_us);
	ap_json_object_end(&j);
	ap_reply_body(rq);
}

/* --- the group changes ---------------------------------------------------------------------------------------------- */
static void
on_peer(struct ap_request *rq, const struct ipc_reply *reply, const struct err *e, const char *verb)
{
	if (reply == NULL || reply->code != 0)
		ap_reply_error(rq, "Cannot %s raft peer: %s", verb, reply == NULL ? e->msg : reply->message);
	else
		ap_reply_text(rq, HTTP_OK, reply->message);
}

static void
on_peer_added(struct ap_request *rq, const struct ipc_reply *reply, const struct err *e)
{
	on_peer(rq, reply, e, "add");
}

void
api_raft_add_peer(struct ap_request *rq)
{
	struct ipc_raft_add_peer ask = {.user = rq->user, .addr = ap_param(rq, "addr")};

	if (has_raft(rq, "raft-add-peer"))
		ap_ask(rq, IPC_RAFT_ADD_PEER, &ask, AP_CHANGE_TIMEOUT_MS, on_peer_added);
}

static void
on_peer_removed(struct ap_request *rq, const struct ipc_reply *reply, const struct err *e)
{
	on_peer(rq, reply, e, "remove");
}

void
api_raft_remove_peer(struct ap_request *rq)
{
	struct ipc_raft_remove_peer ask = {.user = rq->user, .addr = ap_param(rq, "addr")};

	if (has_raft(rq, "raft-remove-peer"))
		ap_ask(rq, IPC_RAFT_REMOVE_PEER, &ask, AP_CHANGE_TIMEOUT_MS, on_peer_removed);
}

/* --- raft-rescue ---------------------------------------------------------------------------------------------------- */
static void
on_rescued(struct ap_request *rq, const struct ipc_reply *reply, const struct err *e)
{
	if (!ap_change_failed(rq, reply, e))
		ap_reply_text(rq, HTTP_OK, reply->message);
}

/* Of a one-shot node, which has no raft; a service says that it must be stopped first. */
void
api_raft_rescue(struct ap_request *rq)
{
	struct ipc_raft_rescue ask = {.user = rq->user, .confirm = ap_query(rq, "confirm")};

	ap_ask(rq, IPC_RAFT_RESCUE, &ask, AP_CHANGE_TIMEOUT_MS, on_rescued);
}

/* --- who leads ------------------------------------------------------------------------------------------------------ */
static void
on_yielded(struct ap_request *rq, const struct ipc_reply *reply, const struct err *e)
{
	if (!ap_change_failed(rq, reply, e))
		ap_reply_ok(rq, "Asynchronously yielded");
}

void
api_raft_yield(struct ap_request *rq)
{
	struct ipc_raft_yield ask = {.user = rq->user, .node = ap_param(rq, "node")};

	if (has_raft(rq, "raft-yield"))
		ap_ask(rq, IPC_RAFT_YIELD, &ask, AP_CHANGE_TIMEOUT_MS, on_yielded);
}

static void
on_yielded_by_hint(struct ap_request *rq, const struct ipc_reply *reply, const struct err *e)
{
	struct ap_json j;

	if (ap_change_failed(rq, reply, e))
		return;
	ap_envelope_begin(rq, &j, true, "Asynchronously yielded by hint %s", ap_param(rq, "hint"));
	ap_json_text(&j, ap_param(rq, "hint"));
	ap_envelope_end(&j);
	ap_reply_body(rq);
}

void
api_raft_yield_hint(struct ap_request *rq)
{
	struct ipc_raft_yield_hint ask = {.user = rq->user, .hint = ap_param(rq, "hint")};

	if (has_raft(rq, "raft-yield-hint"))
		ap_ask(rq, IPC_RAFT_YIELD_HINT, &ask, AP_CHANGE_TIMEOUT_MS, on_yielded_by_hint);
}

static void
on_stepped_down(struct ap_request *rq, const struct ipc_reply *reply, const struct err *e)
{
	if (!ap_change_failed(rq, reply, e))
		ap_reply_ok(rq, "Set re-elections");
}

void
api_reelect(struct ap_request *rq)
{
	struct ipc_step_down ask = {.user = rq->user};

	ap_ask(rq, IPC_STEP_DOWN, &ask, AP_CHANGE_TIMEOUT_MS, on_stepped_down);
}

static void
on_grabbed(struct ap_request *rq, const struct ipc_reply *reply, const struct err *e)
{
	if (!ap_change_failed(rq, reply, e))
		ap_reply_ok(rq, "Node elected as active");
}

void
api_grab_election(struct ap_request *rq)
{
	struct ipc_grab_election ask = {.user = rq->user};

	if (ap_standing_now(rq->ap).raft)
		ap_reply_error(rq, "Unable to grab election: not with raft; raft-yield names who shall lead");
	else
		ap_ask(rq, IPC_GRAB_ELECTION, &ask, AP_CHANGE_TIMEOUT_MS, on_grabbed);
}

/* --- the rest ------------------------------------------------------------------------------------------------------- */
static void
on_snapshot(struct ap_request *rq, const struct ipc_reply *reply, const struct err *e)
{
	if (!ap_change_failed(rq, reply, e))
		ap_reply_text(rq, HTTP_OK, "snapshot created");
}

void
api_raft_snapshot(struct ap_request *rq)
{
	struct ipc_raft_snapshot ask = {0};

	if (has_raft(rq, "raft-snapshot"))
		ap_ask(rq, IPC_RAFT_SNAPSHOT, &ask, SNAPSHOT_MS, on_snapshot);
}

static void
on_reported(struct ap_request *rq, const struct ipc_reply *reply, const struct err *e)
{
	if (!ap_change_failed(rq, reply, e))
		ap_reply_text(rq, HTTP_OK, "health reported");
}

void
api_raft_follower_health_report(struct ap_request *rq)
{
	struct ipc_follower_health_report ask = {.token = ap_param(rq, "authenticationToken"),
						 .raft_bind = ap_param(rq, "raftBind"),
						 .raft_advertise = ap_param(rq, "raftAdvertise")};

	if (has_raft(rq, "raft-follower-health-report"))
		ap_ask(rq, IPC_FOLLOWER_HEALTH_REPORT, &ask, AP_CHANGE_TIMEOUT_MS, on_reported);
}
