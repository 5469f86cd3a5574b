/* rd_group_lead.c — a leader's duties: cluster id, node records, leader URI, feature level, members whose directories are
 * new; and what applied commands ask of the group. Each duty compares what is wanted with what is replicated and
 * proposes the difference, so a new leader goes on where the old one fell. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "rd_group_private.h"

#define ABSTAIN_US (5 * CLK_S) /* of those that give way to a yield: 5 heartbeats of the historical program */
#define CLUSTER_ID_BYTES 16

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

	if (g->found_proposed || rd_state_cluster_id(rd_group_state(g))[0] != '\0' || !rd_group_import_work(g))
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

/* What the voters' records say that all of them can apply. */
static void
keep_feature_level(struct rd_group *g)
{
	struct rd_cmd_feature_level c = {
	    .level = rd_group_level_due(rd_raft_members(g->raft), rd_group_state(g), RD_FEATURE_LEVEL)};

	if (!g->level_proposed && c.level != 0)
		propose(g, RD_OP_FEATURE_LEVEL, &c, &g->level_proposed);
}

static void
on_recorded(void *ctx, const struct rd_proposed *p UNUSED)
{
	struct rd_group *g = ctx;

	g->records_proposed--; /* what was lost is found missing, and proposed again */
}

static void
keep_record(struct rd_group *g, const struct rd_cmd_node_record *c)
{
	struct err e;

	if (!rd_group_record_due(rd_group_state(g), c))
		return;
	if (rd_propose_node_record(g->node->decide, c, on_recorded, g, &e) == 0)
		g->records_proposed++;
	else
		log_debug("raft", "node record of %s: %s", LOG_Q(c->name), e.msg);
}

/* This node's own and those of the members that are connected. */
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

	if (g->records_proposed > 0)
		return;
	if (g->leaving.id != g->identity.raft_id)
		keep_record(g, &own);
	for (size_t i = 0; i < m->n; i++) {
		const struct rn_hello *h =
		    rn_net_is_up(g->net, m->v[i].name) ? rn_net_hello(g->net, m->v[i].name) : NULL;
		struct rd_cmd_node_record c;
		if (h == NULL || h->raft_id != m->v[i].id || m->v[i].id == g->leaving.id)
			continue;
		c = rd_group_record_of(h);
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

/* It answers raft now, and who is connected under its name is itself: not one with a new directory. */
static bool
is_here(struct rd_group *g, const struct rd_member *m)
{
	struct rd_raft_peer_status p;

	if (m->id == g->identity.raft_id)
		return true;
	return rn_net_is_up(g->net, m->name) && rn_net_hello(g->net, m->name)->raft_id == m->id &&
	       rd_raft_peer_status(g->raft, m->id, &p) && p.live;
}

/* The voters besides this member that are here. */
static size_t
voters_here(struct rd_group *g, uint64_t without)
{
	const struct rd_members *members = rd_raft_members(g->raft);
	size_t here = 0;

	for (size_t i = 0; i < members->n; i++) {
		const struct rd_member *m = &members->v[i];
		here += m->role == RD_ROLE_VOTER && m->id != without && is_here(g, m);
	}
	return here;
}

/* A removal that is appended and never committed would leave this node's log to a group of which it may be the only one
 * that is left: two of three had lost their directories, one gets its own back, and neither could elect the other. */
static bool
remove_former_self(struct rd_group *g, const struct rd_member *m)
{
	size_t others = rd_members_voters(rd_raft_members(g->raft)) - (m->role == RD_ROLE_VOTER);

	return voters_here(g, m->id) > others / 2 &&
	       change_member(g, RD_CHANGE_REMOVE, m->id, m->name, "its data directory is new");
}

/* A node says hello with a raft id that the configuration doesn't know. True: a change is under way. */
static bool
take_in(struct rd_group *g, const struct rn_hello *h)
{
	const struct rd_members *members = rd_raft_members(g->raft);
	struct rd_cmd_node_record c = {.name = h->name, .dir_id = "", .http_uri = "", .version = ""};

	switch (rd_group_take_in(members, rd_group_state(g), h)) {
	case RD_TAKE_NOTHING:
		break;
	case RD_TAKE_RECORD:
		if (g->records_proposed == 0)
			keep_record(g, &c);
		return true;
	case RD_TAKE_REMOVE:
		return remove_former_self(g, rd_members_by_name(members, h->name));
	case RD_TAKE_ADD:
		return change_member(g, RD_CHANGE_ADD, h->raft_id, h->name, "it waits to be added");
	}
	return false;
}

static void
keep_members(struct rd_group *g)
{
	struct rn_peer_status peers[RN_PEERS_MAX];
	size_t n = rn_net_peers(g->net, peers, ARRAY_LEN(peers));

	for (size_t i = 0; i < n; i++) {
		const struct rn_hello *h = peers[i].up ? rn_net_hello(g->net, peers[i].name) : NULL;
		if (h != NULL && take_in(g, h))
			return;
	}
}

/* A member answered with less log than it had acknowledged: its disk was put back to an older state. With its vote what a
 * majority holds could be outvoted, so it begins anew; one at a time, as any change of members. */
static void
look_at_regression(struct rd_group *g)
{
	struct rd_raft_peer_status p;
	struct rd_raft_status s;
	const struct rd_member *m;

	rd_raft_status(g->raft, &s);
	m = s.regressed == 0 ? NULL : rd_members_by_id(rd_raft_members(g->raft), s.regressed);
	if (m == NULL)
		return;
	if (s.regressed != g->regressed_handled)
		log_error("raft",
			  "member=%s has lost entries that it had acknowledged (was its RaftDataDir restored from a "
			  "backup?): it is to begin anew, as soon as the others are a majority without it",
			  LOG_Q(m->name));
	g->regressed_handled = s.regressed;
	if (!s.members_pending && voters_here(g, m->id) >= rd_members_majority(rd_raft_members(g->raft)) &&
	    rd_raft_peer_status(g->raft, m->id, &p))
		rd_group_say_lost(g, m->name, p.match);
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

/* It may have come in a snapshot. */
void
rd_group_follow_cluster_id(struct rd_group *g)
{
	const char *id = rd_state_cluster_id(rd_group_state(g));

	if (id[0] != '\0' && strcmp(id, g->identity.cluster_id) != 0)
		keep_cluster_id_on_disk(g);
}

static void
give_way(struct rd_group *g, const char *why)
{
	log_notice("raft", "this node gives way: %s", why);
	rd_raft_step_down(g->raft, rd_group_now(g), ABSTAIN_US);
}

/* A yield is for now: not for who starts, or was away, and applies it late. */
static bool
is_current(struct rd_group *g, const struct rd_applied *a)
{
	struct rd_raft_status s;

	rd_raft_status(g->raft, &s);
	return a->term == s.term && a->index > g->known_at_start;
}

/* Runs inside the core's apply: what calls the core waits for the next turn. */
void
rd_group_effect(struct rd_group *g, const struct rd_applied *a, const struct rd_effect *x)
{
	switch (x->kind) {
	case RD_EFFECT_SETTING:
		/* a rescued node knows its new id before it applies how it had got the former one */
		if (strcmp(x->message, RD_SETTING_CLUSTER_ID) == 0 &&
		    (g->identity.cluster_id[0] == '\0' || a->index > g->known_at_start))
			keep_cluster_id_on_disk(g);
		rd_group_want_work(g);
		break;
	case RD_EFFECT_NODE:
		g->changed |= RD_CHANGED_MEMBERS;
		rd_group_want_work(g);
		break;
	case RD_EFFECT_YIELD:
		g->give_way = g->give_way || (is_current(g, a) && strcmp(x->message, g->name) != 0);
		rd_group_want_work(g);
		break;
	case RD_EFFECT_YIELD_HINT:
		g->give_way = g->give_way ||
			      (is_current(g, a) && strstr(proc_setup(g->node->proc)->hostname, x->message) == NULL);
		rd_group_want_work(g);
		break;
	case RD_EFFECT_AUDIT:
	case RD_EFFECT_KNOWN:
	case RD_EFFECT_FORGOTTEN:
	case RD_EFFECT_CHANGED:
	case RD_EFFECT_RECOVERY: /* whoever carries recoveries out */
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
