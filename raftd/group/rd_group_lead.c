/* rd_group_lead.c — a leader's duties (cluster id, node records, leader URI, feature level, members whose directories
 * are new), what operators ask of the group, and handing leadership over before this node stops. Each duty compares what
 * is wanted with what is replicated and proposes the difference, so a new leader goes on where the old one fell. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "rd_group_private.h"

#define ABSTAIN_US (5 * CLK_S) /* of those that give way to a yield: 5 heartbeats of the historical program */
#define CLUSTER_ID_BYTES 16
#define GIVE_WAY_US (5 * CLK_S) /* of a failing backend, raft-and-nodes.md section 7 */
#define BAIL_OUT_US (30 * CLK_S)

/* --- duties ---------------------------------------------------------------------------------------------------- */
static void
on_proposed(void *ctx, const struct rd_proposed *p)
{
	bool *under_way = ctx;

	*under_way = false;
	if (p->outcome != RD_COMMITTED)
		log_debug("raft", "a leader's own command was not committed, it is proposed again: %s", p->e->msg);
}

static void
propose(struct rd_group *g, enum rd_op op, const void *payload, bool *under_way)
{
	struct err e;

	*under_way = rd_propose_at_apply(g->node->decide, op, payload, NULL, on_proposed, under_way, &e) == 0;
}

static void
keep_cluster_id(struct rd_group *g)
{
	char id[2 * CLUSTER_ID_BYTES + 1];
	struct rd_cmd_cluster_found c = {.cluster_id = id};

	if (g->found_proposed || rd_state_cluster_id(rd_group_state(g))[0] != '\0')
		return;
	str_random_hex(id, CLUSTER_ID_BYTES);
	propose(g, RD_OP_CLUSTER_FOUND, &c, &g->found_proposed);
}

static void
keep_leader_uri(struct rd_group *g)
{
	struct rd_cmd_leader_uri c = {.uri = g->http_uri};

	if (!g->uri_proposed && strcmp(rd_state_setting(rd_group_state(g), RD_SETTING_LEADER_URI), g->http_uri) != 0)
		propose(g, RD_OP_LEADER_URI, &c, &g->uri_proposed);
}

static const struct db_node_record *
record_of(struct rd_group *g, const char *name)
{
	struct db_node_record key = {.name = name};

	return rd_state_get(rd_group_state(g), RD_TABLE_node_record, &key);
}

/* What the voters' records say that all of them can apply. */
static void
keep_feature_level(struct rd_group *g)
{
	const struct rd_members *m = rd_raft_members(g->raft);
	struct rd_cmd_feature_level c = {.level = RD_FEATURE_LEVEL};

	for (size_t i = 0; i < m->n; i++) {
		const struct db_node_record *r = record_of(g, m->v[i].name);
		if (m->v[i].role == RD_ROLE_VOTER && (r == NULL || r->feature_level < (int64_t)c.level))
			c.level = r == NULL ? 0 : (uint64_t)r->feature_level;
	}
	if (!g->level_proposed && c.level > rd_state_feature_level(rd_group_state(g)))
		propose(g, RD_OP_FEATURE_LEVEL, &c, &g->level_proposed);
}

static bool
record_says(const struct db_node_record *r, const struct rd_cmd_node_record *c)
{
	return r != NULL && strcmp(r->dir_id, c->dir_id) == 0 && (uint64_t)r->raft_id == c->raft_id &&
	       strcmp(r->http_uri, c->http_uri) == 0 && (uint64_t)r->feature_level == c->feature_level &&
	       strcmp(r->version, c->version) == 0;
}

static void
keep_record(struct rd_group *g, const struct rd_cmd_node_record *c)
{
	struct err e;

	if (!record_says(record_of(g, c->name), c) && rd_propose_node_record(g->node->decide, c, NULL, NULL, &e) != 0)
		log_debug("raft", "node record of %s: %s", LOG_Q(c->name), e.msg);
}

static void
keep_records(struct rd_group *g)
{
	const struct rd_members *m = rd_raft_members(g->raft);
	struct rd_cmd_node_record own = {.name = g->name,
					 .dir_id = g->identity.dir_id,
					 .raft_id = g->identity.raft_id,
					 .http_uri = g->http_uri,
					 .feature_level = RD_FEATURE_LEVEL,
					 .version = ORC_VERSION};

	keep_record(g, &own);
	for (size_t i = 0; i < m->n; i++) {
		const struct rn_hello *h =
		    rn_net_is_up(g->net, m->v[i].name) ? rn_net_hello(g->net, m->v[i].name) : NULL;
		struct rd_cmd_node_record c;
		if (h == NULL || h->raft_id != m->v[i].id)
			continue;
		c = (struct rd_cmd_node_record){.name = m->v[i].name,
						.dir_id = h->dir_id,
						.raft_id = h->raft_id,
						.http_uri = h->http_uri,
						.feature_level = h->feature_level,
						.version = h->version};
		keep_record(g, &c);
	}
}

/* --- membership ------------------------------------------------------------------------------------------------ */
/* True: a change was made or is under way; no other one now. */
static bool
change_member(struct rd_group *g, enum rd_member_change what, uint64_t id, const char *name, const char *why)
{
	struct err e;
	int rc = rd_raft_change(g->raft, rd_group_now(g), what, id, name, &e);

	if (rc == 0)
		log_notice("raft", "member=%s %s: %s", LOG_Q(name),
			   what == RD_CHANGE_ADD ? "added as learner" : "removed", why);
	else if (e.code != ERR_BUSY)
		log_warning("raft", "member=%s not %s: %s", LOG_Q(name), what == RD_CHANGE_ADD ? "added" : "removed",
			    e.msg);
	return rc == 0 || e.code == ERR_BUSY;
}

/* A node says hello with a raft id that the configuration doesn't know under its name: its directory is new. Its former
 * self goes, and it comes again as a learner. */
static bool
take_in(struct rd_group *g, const struct rn_hello *h)
{
	const struct rd_member *m = rd_members_by_name(rd_raft_members(g->raft), h->name);

	if (h->raft_id == 0 || (m != NULL && m->id == h->raft_id))
		return false;
	if (m != NULL) {
		/* its record keeps the name on the list of peers until it is back, also for the next leader */
		if (record_of(g, h->name) == NULL) {
			struct rd_cmd_node_record c = {.name = h->name, .dir_id = "", .http_uri = "", .version = ""};
			keep_record(g, &c);
			return true;
		}
		return change_member(g, RD_CHANGE_REMOVE, m->id, h->name, "its data directory is new");
	}
	return record_of(g, h->name) != NULL && change_member(g, RD_CHANGE_ADD, h->raft_id, h->name, "");
}

static void
keep_members(struct rd_group *g)
{
	struct rn_peer_status peers[RN_PEERS_MAX];
	size_t n = rn_net_peers(g->net, peers, ARRAY_LEN(peers));

	for (size_t i = 0; i < n; i++) {
		const struct rn_hello *h = peers[i].up ? rn_net_hello(g->net, peers[i].name) : NULL;
		if (h != NULL && (h->state == RN_JOINING || h->state == RN_ACTIVE || h->state == RN_FOUNDED) &&
		    take_in(g, h))
			return;
	}
}

/* A member answered with less log than it had acknowledged: its disk was put back to an older state. */
static void
look_at_regression(struct rd_group *g)
{
	struct rd_raft_status s;
	const struct rd_member *m;

	rd_raft_status(g->raft, &s);
	if (s.regressed == 0 || s.regressed == g->regressed_handled)
		return;
	m = rd_members_by_id(rd_raft_members(g->raft), s.regressed);
	g->regressed_handled = s.regressed;
	log_error(
	    "raft",
	    "member=%s has lost entries that it had acknowledged (was its RaftDataDir restored from a backup?): stop "
	    "it, remove its RaftDataDir and start it again, so that it joins anew",
	    m == NULL ? "?" : LOG_Q(m->name));
}

void
rd_group_lead(struct rd_group *g)
{
	struct rd_raft_status s;

	rd_raft_status(g->raft, &s);
	if (s.state != RD_RAFT_LEADER || !s.open || g->stopping || g->node->decide == NULL)
		return;
	keep_cluster_id(g);
	keep_leader_uri(g);
	keep_records(g);
	keep_feature_level(g);
	keep_members(g);
	look_at_regression(g);
	rd_group_core_after(g);
}

/* --- effects --------------------------------------------------------------------------------------------------- */
static void
on_identity_kept(void *ctx UNUSED, struct rd_log_job *job)
{
	rd_log_job_free(job); /* a failure ends the membership, see on_failed */
}

static void
keep_cluster_id_on_disk(struct rd_group *g)
{
	struct rd_write w = {.identity = &g->identity};
	struct rd_log_job *job;
	struct err e;

	rec_set_str(&g->identity.cluster_id, rd_state_cluster_id(rd_group_state(g)));
	job = rd_log_job_write(&w, on_identity_kept, g);
	if (rd_log_submit(g->log, job, &e) != 0)
		rd_log_job_free(job);	  /* the next start learns it from the state */
	g->changed |= RD_CHANGED_MEMBERS; /* a new hello */
}

static void
give_way(struct rd_group *g, const char *why)
{
	log_notice("raft", "this node gives way: %s", why);
	rd_raft_step_down(g->raft, rd_group_now(g), ABSTAIN_US);
}

/* Runs inside the core's apply: what calls the core waits for the next turn. */
void
rd_group_effect(struct rd_group *g, const struct rd_applied *a UNUSED, const struct rd_effect *x)
{
	switch (x->kind) {
	case RD_EFFECT_SETTING:
		if (strcmp(x->message, RD_SETTING_CLUSTER_ID) == 0)
			keep_cluster_id_on_disk(g);
		rd_group_want_work(g);
		break;
	case RD_EFFECT_NODE:
		g->changed |= RD_CHANGED_MEMBERS;
		rd_group_want_work(g);
		break;
	case RD_EFFECT_YIELD:
		g->give_way = g->give_way || strcmp(x->message, g->name) != 0;
		rd_group_want_work(g);
		break;
	case RD_EFFECT_YIELD_HINT:
		g->give_way = g->give_way || strstr(proc_setup(g->node->proc)->hostname, x->message) == NULL;
		rd_group_want_work(g);
		break;
	case RD_EFFECT_AUDIT:
	case RD_EFFECT_KNOWN:
	case RD_EFFECT_FORGOTTEN:
	case RD_EFFECT_CHANGED:
		break;
	}
}

void
rd_group_effects_work(struct rd_group *g)
{
	if (!g->give_way)
		return;
	g->give_way = false;
	give_way(g, "an operator asked for another leader");
	rd_group_core_after(g);
}

/* --- what operators ask for ------------------------------------------------------------------------------------ */
struct asked {
	struct rd_node *node;
	struct rd_req req;
	char name[RD_MEMBER_NAME_BYTES]; /* of a member, for the answer */
};

static void
reply_member(struct rd_node *n, struct rd_req req, uint64_t index, const char *name)
{
	rd_reply_message(n, req, index, name);
}

static void
on_asked(void *ctx, const struct rd_proposed *p)
{
	struct asked *a = ctx;

	if (p->outcome == RD_COMMITTED)
		reply_member(a->node, a->req, p->index, a->name);
	else
		rd_reply_error(a->node, a->req, p->e);
	free(a);
}

static void
ask(struct rd_group *g, struct rd_req req, enum rd_op op, const void *payload, const char *name)
{
	struct asked *a = mem_new(struct asked);
	struct err e;

	a->node = g->node;
	a->req = req;
	(void)str_copy(a->name, sizeof(a->name), name);
	if (rd_propose(g->node->decide, op, payload, NULL, on_asked, a, &e) == 0)
		return;
	rd_reply_error(g->node, req, &e);
	free(a);
}

/* False: answered already. */
static bool
must_lead(struct rd_group *g, struct rd_req req)
{
	struct err e;

	if (rd_group_leads(g))
		return true;
	(void)err_set(&e, ERR_NOT_LEADER, "not leader");
	rd_reply_error(g->node, req, &e);
	return false;
}

void
rd_group_step_down(struct rd_group *g, struct rd_req req)
{
	struct err e;

	if (!must_lead(g, req))
		return;
	if (rd_members_voters(rd_raft_members(g->raft)) > 1 && rd_raft_transfer(g->raft, rd_group_now(g), 0, &e) != 0) {
		rd_reply_error(g->node, req, &e);
		return;
	}
	rd_group_core_after(g);
	rd_reply_ok(g->node, req, 0, NULL, NULL);
}

static int
find_member(struct rd_group *g, const char *addr, char name[RD_MEMBER_NAME_BYTES], const struct rd_member **ret,
	    struct err *e)
{
	int rc = rn_name_make(addr, proc_conf(g->node->proc)->DefaultRaftPort, name, e);

	if (rc == 0)
		*ret = rd_members_by_name(rd_raft_members(g->raft), name);
	return rc;
}

/* Straight to the named member: nobody else need abstain. */
void
rd_group_yield(struct rd_group *g, struct rd_req req, const char *node)
{
	char name[RD_MEMBER_NAME_BYTES];
	const struct rd_member *m;
	struct err e;
	int rc;

	if (!must_lead(g, req))
		return;
	rc = find_member(g, node, name, &m, &e);
	if (rc == 0 && m == NULL)
		rc = err_set(&e, ERR_NOT_FOUND, "%s is no member of the raft group", name);
	if (rc == 0 && m->id != g->identity.raft_id)
		rc = rd_raft_transfer(g->raft, rd_group_now(g), m->id, &e);
	if (rc == 0)
		rd_reply_ok(g->node, req, 0, NULL, NULL);
	else
		rd_reply_error(g->node, req, &e);
	rd_group_core_after(g);
}

void
rd_group_yield_hint(struct rd_group *g, struct rd_req req, const char *hint)
{
	struct rd_cmd_yield_hint c = {.hint = hint};

	if (!must_lead(g, req))
		return;
	if (hint[0] == '\0')
		rd_reply_ok(g->node, req, 0, NULL, NULL);
	else
		ask(g, req, RD_OP_YIELD_HINT, &c, "");
}

/* A record without a directory: this name may come. The rest happens when it says hello (take_in). */
void
rd_group_add_peer(struct rd_group *g, struct rd_req req, const char *addr)
{
	char name[RD_MEMBER_NAME_BYTES];
	struct rd_cmd_node_record c = {.name = name, .dir_id = "", .http_uri = "", .version = ""};
	const struct rd_member *m;
	struct err e;
	int rc;

	if (!must_lead(g, req))
		return;
	rc = find_member(g, addr, name, &m, &e);
	if (rc == 0 && m != NULL)
		rc = err_set(&e, ERR_EXISTS, "%s is a member already", name);
	if (rc == 0 && rd_raft_members(g->raft)->n >= RD_MEMBERS_MAX)
		rc = err_set(&e, ERR_LIMIT, "the group has %d members, more are not allowed", RD_MEMBERS_MAX);
	if (rc == 0)
		ask(g, req, RD_OP_NODE_RECORD, &c, name);
	else
		rd_reply_error(g->node, req, &e);
}

void
rd_group_remove_peer(struct rd_group *g, struct rd_req req, const char *addr)
{
	char name[RD_MEMBER_NAME_BYTES];
	struct rd_cmd_node_forget c = {.name = name};
	const struct rd_member *m;
	struct err e;
	int rc;

	if (!must_lead(g, req))
		return;
	rc = find_member(g, addr, name, &m, &e);
	if (rc == 0 && m == NULL && record_of(g, name) == NULL)
		rc = err_set(&e, ERR_NOT_FOUND, "%s is no member of the raft group", name);
	if (rc == 0 && m != NULL) {
		rc = rd_raft_change(g->raft, rd_group_now(g), RD_CHANGE_REMOVE, m->id, name, &e);
		if (rc == 0)
			log_notice("raft", "member=%s removed: an operator asked for it", LOG_Q(name));
	}
	if (rc == 0)
		ask(g, req, RD_OP_NODE_FORGET, &c, name);
	else
		rd_reply_error(g->node, req, &e);
	rd_group_core_after(g);
}

/* --- the end --------------------------------------------------------------------------------------------------- */
void
rd_group_give_way(struct rd_group *g, const char *why)
{
	struct err e;

	if (g->raft == NULL || !g->leading || rd_members_voters(rd_raft_members(g->raft)) < 2)
		return;
	if (rd_raft_transfer(g->raft, rd_group_now(g), 0, &e) == 0)
		log_warning("raft", "handing leadership over: %s", why);
	rd_group_core_after(g);
}

static void
on_log_stopped(void *ctx)
{
	struct rd_group *g = ctx;

	g->on_stopped(g->node);
}

/* Called again by the tick until leadership is gone, or time is up. */
void
rd_group_go_on_stopping(struct rd_group *g)
{
	struct rd_raft_status s = {0};

	if (g->on_stopped == NULL || g->phase == RD_PHASE_STOPPED)
		return;
	if (g->raft != NULL)
		rd_raft_status(g->raft, &s);
	if (s.state == RD_RAFT_LEADER && s.transfer_to != 0 && mono_before(rd_group_now(g), g->stop_by))
		return;
	rd_group_set_phase(g, RD_PHASE_STOPPED, "");
	rd_logwriter_stop(g->log, on_log_stopped, g);
}

void
rd_group_stop(struct rd_group *g, int64_t wait_us, void (*done)(struct rd_node *n))
{
	g->stopping = true;
	g->on_stopped = done;
	g->stop_by = mono_add_us(rd_group_now(g), wait_us);
	rd_group_give_way(g, "this node stops");
	rd_group_go_on_stopping(g);
}

/* raft-and-nodes.md section 7: a node whose backend can't be written gives leadership away, and ends at last, since
 * neither operators nor clients see what is decided there. */
static void
watch_backend(struct rd_group *g)
{
	const struct rd_backend_health *h = &g->node->health;
	int64_t failing_us = h->failing_since_us == 0 ? 0 : mono_diff_us(rd_group_now(g), h->failing_from);
	struct err e;

	if (failing_us > BAIL_OUT_US) {
		(void)err_set(&e, ERR_DB, "the backend could not be written for %lld s, this node bails out: %s",
			      (long long)(failing_us / CLK_S), h->error.msg);
		rd_group_fail(g, PROC_EXIT_BACKEND, &e);
	} else if (failing_us > GIVE_WAY_US) {
		rd_group_give_way(g, "the backend cannot be written");
	}
}

/* The seeds' "bail out if it can't join": only before the first contact, see RaftJoinTimeoutSeconds. */
static void
watch_joining(struct rd_group *g)
{
	int64_t limit_s = (int64_t)proc_conf(g->node->proc)->RaftJoinTimeoutSeconds;
	int64_t since_us = mono_diff_us(rd_group_now(g), g->born);
	struct err e;

	if (limit_s == 0 || g->had_quorum || since_us < limit_s * CLK_S || g->phase == RD_PHASE_FAILED)
		return;
	(void)err_set(&e, ERR_UNAVAILABLE,
		      "this node could not join the raft group within %lld s (RaftJoinTimeoutSeconds): %s",
		      (long long)limit_s, rd_group_trouble(g));
	rd_group_fail(g, PROC_EXIT_JOIN, &e);
}

void
rd_group_tick(struct rd_group *g)
{
	watch_joining(g);
	if (g->stopping)
		rd_group_go_on_stopping(g);
	if (g->raft == NULL || g->phase != RD_PHASE_MEMBER || g->stopping)
		return;
	rd_group_lead(g);
	rd_group_snapshot_tick(g);
	rd_proposer_tick(g->node->decide);
	watch_backend(g);
}
