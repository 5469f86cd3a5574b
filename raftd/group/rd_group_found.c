/* rd_group_found.c — what this node says of itself and to whom, and the way of a blank directory into a group: founding
 * or joining (the decision is rd_found.h's), or being adopted by another group. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "rd_group_private.h"

/* --- hello ----------------------------------------------------------------------------------------------------- */
static enum rn_state
own_state(struct rd_group *g)
{
	struct rd_own own = {.raft_id = g->identity.raft_id, .founded = g->identity.founded};
	struct rd_raft_status s;

	if (g->raft != NULL) {
		rd_raft_status(g->raft, &s);
		own.term = s.term;
		own.vote = s.vote;
		own.last_index = s.last_index;
		own.snapshot_index = s.snapshot_index;
	} else if (g->stored != NULL) {
		own.term = g->stored->term;
		own.vote = g->stored->voted_for;
		own.last_index = rd_stored_last(g->stored);
		own.snapshot_index = g->stored->snapshot.index;
	}
	return rd_group_own_state(&own);
}

static bool
adoptable(struct rd_group *g)
{
	return g->raft != NULL && g->n_names == 1 && rd_group_state(g) != NULL &&
	       rd_found_adoptable(rd_raft_members(g->raft), g->identity.raft_id,
				  rd_group_operator_decided(rd_group_state(g)) ||
				      (g->former != NULL && rd_group_operator_decided(g->former)));
}

void
rd_group_keep_door(struct rd_group *g)
{
	struct mono now = rd_group_now(g);
	bool has_leader = g->raft != NULL && (g->leading || mono_before(now, rd_raft_quorum_until(g->raft, now)));

	rn_net_set_open(g->net, rd_group_is_open(own_state(g), adoptable(g), has_leader));
}

void
rd_group_say_hello(struct rd_group *g)
{
	struct rn_founder with[RN_FOUNDERS_MAX];
	const struct rd_state *s = rd_group_state(g);
	struct rn_hello h;
	struct err e;

	rec_init(&rn_hello_desc, &h);
	h.name = g->name;
	h.dir_id = g->identity.dir_id;
	h.raft_id = g->identity.raft_id;
	h.cluster_id = g->identity.cluster_id;
	h.config_hash = g->conf_hash;
	h.state = own_state(g);
	h.adoptable = g->adoptable_said = adoptable(g);
	h.election_timeout_ms = g->election_ms;
	h.feature_level = RD_FEATURE_LEVEL;
	h.feature_active = s == NULL ? 0 : rd_state_feature_level(s);
	h.http_uri = g->http_uri;
	h.version = ORC_VERSION;
	h.is_leader = g->leading;
	h.backend_read = g->raft != NULL;
	h.former_rows = g->former == NULL ? 0 : rd_state_decisions(g->former);
	h.founded_with.v = with;
	for (size_t i = 0; i < g->identity.founded_with.n && i < RN_FOUNDERS_MAX; i++)
		with[h.founded_with.n++] =
		    (struct rn_founder){g->identity.founded_with.v[i].name, g->identity.founded_with.v[i].dir_id};
	rd_group_keep_door(g);
	if (rn_net_set_hello(g->net, &h, &e) != 0)
		log_error("raft", "other nodes cannot be greeted: %s", e.msg);
}

/* The first decision of an operator ends it. */
void
rd_group_look_at_hello(struct rd_group *g)
{
	if (g->adoptable_said != adoptable(g))
		rd_group_say_hello(g);
}

/* --- peers ----------------------------------------------------------------------------------------------------- */
static void
keep_names(struct rd_group *g, const struct rd_peer_names *list)
{
	struct rd_peer_names copy = {.n = 0};

	for (size_t i = 0; i < list->n; i++)
		copy.v[copy.n++] = mem_strdup(list->v[i]);
	rd_group_forget_peers(g);
	g->peers = copy;
}

void
rd_group_forget_peers(struct rd_group *g)
{
	for (size_t i = 0; i < g->peers.n; i++)
		free((void *)(uintptr_t)g->peers.v[i]);
	g->peers.n = 0;
}

/* Until a removal is committed, who is to go is needed: a leader that removes itself waits for the others' answers. */
static void
keep_former(struct rd_group *g, struct rd_peer_names *list)
{
	struct rd_raft_status s;

	rd_raft_status(g->raft, &s);
	for (size_t i = 0; s.members_pending && i < g->peers.n; i++)
		rd_group_add_peer_name(list, g->peers.v[i]);
}

void
rd_group_set_peers(struct rd_group *g)
{
	const struct rd_members *m = g->raft == NULL ? NULL : rd_raft_members(g->raft);
	struct rd_raft_status status = {.leader_name = ""};
	struct rd_peer_names list;
	struct err e;

	_Static_assert(RD_PEER_NAMES_MAX == RN_PEERS_MAX, "the net takes all of them");
	if (g->raft != NULL)
		rd_raft_status(g->raft, &status);
	rd_group_peer_names(m, status.leader_name, (const char *const *)g->names, g->n_names, rd_group_state(g), &list);
	if (g->raft != NULL)
		keep_former(g, &list);
	if (rn_net_set_peers(g->net, list.v, list.n, &e) != 0)
		log_error("raft", "connections with other nodes: %s", e.msg);
	else
		keep_names(g, &list);
}

/* --- founding -------------------------------------------------------------------------------------------------- */
static enum rd_found_state
found_state(uint64_t rn)
{
	switch (rn) {
	case RN_BLANK:
		return RD_FOUND_BLANK;
	case RN_FOUNDED:
		return RD_FOUND_FOUNDED;
	case RN_JOINING:
		return RD_FOUND_JOINING;
	default:
		return RD_FOUND_ACTIVE;
	}
}

static void
take_hello(const struct rn_hello *h, struct rd_found_peer *p)
{
	(void)str_copy(p->name, sizeof(p->name), h->name);
	(void)str_copy(p->dir_id, sizeof(p->dir_id), h->dir_id);
	(void)str_copy(p->conf_hash, sizeof(p->conf_hash), h->config_hash);
	p->state = found_state(h->state);
	for (size_t i = 0; i < h->founded_with.n && p->founded_with.n < RD_MEMBERS_MAX; i++) {
		struct rd_found_pair *pair = &p->founded_with.v[p->founded_with.n++];
		(void)str_copy(pair->name, sizeof(pair->name), h->founded_with.v[i].name);
		(void)str_copy(pair->dir_id, sizeof(pair->dir_id), h->founded_with.v[i].dir_id);
	}
}

/* Only those that are connected now: what a peer said before it was wiped doesn't count. */
static size_t
collect_peers(struct rd_group *g, struct rd_found_peer *ret)
{
	struct rn_peer_status peers[RN_PEERS_MAX];
	size_t n = rn_net_peers(g->net, peers, ARRAY_LEN(peers)), count = 0;

	for (size_t i = 0; i < n; i++) {
		const struct rn_hello *h = peers[i].up ? rn_net_hello(g->net, peers[i].name) : NULL;
		if (h != NULL)
			take_hello(h, &ret[count++]);
	}
	return count;
}

/* --- refusals -------------------------------------------------------------------------------------------------- */
/* A node that is there is tried, and refuses or is refused, at least once a second. */
#define REFUSAL_US (3 * CLK_S)

void
rd_group_note_refused(struct rd_group *g, const char *peer, enum rn_refuse code, const struct rn_hello *hello)
{
	enum rn_state known = hello == NULL ? RN_ACTIVE : (enum rn_state)hello->state;
	struct rd_refused *r = NULL;

	if (!rd_group_refusal_blocks(code, known))
		return;
	for (size_t i = 0; i < g->n_refused && r == NULL; i++) {
		if (strcmp(g->refused[i].name, peer) == 0)
			r = &g->refused[i];
	}
	if (r == NULL && g->n_refused < ARRAY_LEN(g->refused))
		r = &g->refused[g->n_refused++];
	if (r == NULL)
		return;
	(void)str_copy(r->name, sizeof(r->name), peer);
	r->at = rd_group_now(g);
}

/* NULL: nobody stands in the way of founding. */
static const char *
who_refuses(struct rd_group *g)
{
	for (size_t i = 0; i < g->n_refused; i++) {
		if (mono_diff_us(rd_group_now(g), g->refused[i].at) <= REFUSAL_US)
			return g->refused[i].name;
	}
	return NULL;
}

static void
on_identity_written(void *ctx, struct rd_log_job *job)
{
	struct rd_group *g = ctx;
	bool ok = job->rc == 0;

	rd_log_job_free(job);
	if (!ok || g->phase == RD_PHASE_FAILED)
		return; /* on_failed has said it */
	rd_group_set_phase(g, RD_PHASE_WAITING, "");
	rd_group_say_hello(g);
	rd_group_backend_read(g);
}

/* The identity becomes durable before anybody hears of it, and with it the founding entry. */
static void
write_identity(struct rd_group *g, const struct rd_found_out *d)
{
	char bytes[RD_MEMBERS_BYTES_MAX];
	struct rd_log_entry entry = {.term = 1, .kind = RD_LOG_CHANGE, .data = bytes};
	struct rd_write w = {.identity = &g->identity};
	struct rd_log_range *range;
	struct rd_log_job *job;
	struct err e;

	if (d->verdict == RD_FOUND_FOUND) {
		entry.n = rd_members_encode(&d->members, bytes);
		w.has_vote = true;
		w.term = 1;
		w.index = 1;
		w.entries = &entry;
		w.n = 1;
		range = mem_calloc(1, sizeof(*range) + sizeof(range->v[0]) + entry.n);
		range->index = 1;
		range->n = 1;
		range->bytes = entry.n;
		range->v[0] = entry;
		range->v[0].data = memcpy(&range->v[1], bytes, entry.n);
		free(g->stored->log);
		g->stored->log = range;
		g->stored->term = 1;
	}
	job = rd_log_job_write(&w, on_identity_written, g);
	if (rd_log_submit(g->log, job, &e) != 0) {
		rd_log_job_free(job);
		rd_group_fail(g, PROC_EXIT_BACKEND, &e);
	}
}

static void
become(struct rd_group *g, const struct rd_found_out *d)
{
	struct rd_founder with[RD_MEMBERS_MAX];
	struct rd_identity id = {.dir_id = g->identity.dir_id,
				 .name = g->name,
				 .cluster_id = "",
				 .config_hash = g->conf_hash,
				 .founded = d->verdict == RD_FOUND_FOUND,
				 .founded_with = {with, d->with.n}};
	struct rd_identity copy;

	for (size_t i = 0; i < d->with.n; i++)
		with[i] = (struct rd_founder){d->with.v[i].name, d->with.v[i].dir_id};
	id.raft_id = rd_member_id(g->name, id.founded ? NULL : id.dir_id);
	rec_dup(&rd_identity_desc, &copy, &id);
	rec_done(&rd_identity_desc, &g->identity);
	g->identity = copy;
	log_notice("raft", "%s: %s", id.founded ? "founding the group" : "joining the group", d->why);
	rd_group_set_phase(g, RD_PHASE_OPENING, "");
	write_identity(g, d);
}

/* A second group beside one that this node can't talk with would be worse than none. */
static void
heed_refusals(struct rd_group *g, struct rd_found_out *d)
{
	const char *name = d->verdict == RD_FOUND_FOUND ? who_refuses(g) : NULL;

	if (name == NULL)
		return;
	d->verdict = RD_FOUND_WAIT;
	d->again = mono_add_us(rd_group_now(g), CLK_S);
	(void)snprintf(d->why, sizeof(d->why), "%.60s is there and does not work with this node: no group is founded",
		       name);
}

void
rd_group_found(struct rd_group *g)
{
	struct rd_found_peer *peers;
	struct rd_found_out *d;
	struct rd_found_in in;

	if (g->phase != RD_PHASE_FOUNDING)
		return;
	peers = mem_calloc(RN_PEERS_MAX, sizeof(*peers));
	d = mem_new(struct rd_found_out);
	in = (struct rd_found_in){.own = RD_FOUND_BLANK,
				  .own_name = g->name,
				  .own_dir_id = g->identity.dir_id,
				  .names = (const char *const *)g->names,
				  .n_names = g->n_names,
				  .peers = peers,
				  .n_peers = collect_peers(g, peers),
				  .asking_since = g->born,
				  .now = rd_group_now(g)};
	rd_found_decide(&in, d);
	heed_refusals(g, d);
	if (d->verdict == RD_FOUND_WAIT) {
		int64_t us = max_i64(1000, min_i64(CLK_S, mono_diff_us(d->again, in.now)));
		struct timeval tv = clk_timeval(us);
		(void)event_add(g->timer, &tv);
		(void)str_copy(g->why, sizeof(g->why), d->why);
	} else {
		become(g, d);
	}
	free(peers);
	free(d);
}

/* --- a new directory ------------------------------------------------------------------------------------------- */
/* Memory, timers and answers of the former membership must not outlive it: a new process begins. */
static void
on_renamed(void *ctx, struct rd_log_job *job)
{
	struct rd_group *g = ctx;
	int rc = job->rc;
	struct err e;

	rd_log_job_free(job);
	if (rc != 0)
		return; /* on_failed has said it */
	(void)err_set(&e, ERR_UNAVAILABLE, "RaftDataDir is empty now: starting anew, to be added by the leader");
	rd_group_fail(g, PROC_EXIT_RETRY, &e);
}

static void
on_wiped(void *ctx, struct rd_log_job *job)
{
	struct rd_group *g = ctx;
	struct rd_identity id;
	struct rd_write w = {.identity = &id};
	struct rd_log_job *next;
	struct err e;

	if (job->found != NULL) {
		id = (struct rd_identity){.dir_id = job->found->identity.dir_id,
					  .raft_id = rd_member_id(g->name, job->found->identity.dir_id),
					  .name = g->name,
					  .cluster_id = "",
					  .config_hash = g->conf_hash,
					  .renewals = g->renewals};
		next = rd_log_job_write(&w, on_renamed, g);
		if (rd_log_submit(g->log, next, &e) != 0) {
			rd_log_job_free(next);
			rd_group_fail(g, PROC_EXIT_BACKEND, &e);
		}
	}
	rd_log_job_free(job);
}

void
rd_group_renew(struct rd_group *g, const char *why, uint64_t renewals)
{
	struct rd_log_job *job;
	struct err e;

	if (g->renewing)
		return;
	log_notice("raft", "emptying RaftDataDir, this node joins as a new member: %s", why);
	job = rd_log_job_new(RD_LOG_JOB_WIPE, on_wiped, g);
	if (rd_log_submit(g->log, job, &e) != 0) {
		rd_log_job_free(job);
		return; /* whoever asked for it asks again */
	}
	g->renewing = true;
	g->renewals = renewals;
	/* not a word more from the former member */
	rd_raft_write_failed(g->raft, why);
}

/* --- adoption -------------------------------------------------------------------------------------------------- */
/* Another group has listed this lone founder and nobody ever decided anything here: it starts anew, blank. */
void
rd_group_adopt(struct rd_group *g, const char *peer, const struct rn_hello *hello)
{
	char why[LOG_Q_BYTES + 100];

	if (!adoptable(g) || hello->state != RN_ACTIVE || !hello->is_leader ||
	    strcmp(hello->cluster_id, g->identity.cluster_id) == 0)
		return;
	(void)snprintf(why, sizeof(why),
		       "the group of leader=%s adopts it, its own one without operators' decisions ends", LOG_Q(peer));
	rd_group_renew(g, why, 0);
}
