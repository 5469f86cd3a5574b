/* rd_group_found.c — what this node says of itself and to whom, and the way of a blank directory into a group: founding
 * or joining (the decision is rd_found.h's), or being adopted by another group. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "rd_group_private.h"

/* --- hello ----------------------------------------------------------------------------------------------------- */
static bool
only_founded(struct rd_group *g)
{
	struct rd_raft_status s;

	if (!g->identity.founded)
		return false;
	if (g->raft == NULL)
		return g->stored != NULL && g->stored->term <= 1 && g->stored->voted_for == 0 &&
		       g->stored->log->n <= 1 && g->stored->snapshot.index == 0;
	rd_raft_status(g->raft, &s);
	return s.term <= 1 && s.vote == 0 && s.last_index <= 1 && s.snapshot_index == 0;
}

static enum rn_state
own_state(struct rd_group *g)
{
	struct rd_raft_status s;

	if (g->identity.raft_id == 0)
		return RN_BLANK;
	if (only_founded(g))
		return RN_FOUNDED;
	if (g->identity.founded)
		return RN_ACTIVE;
	if (g->raft == NULL)
		return g->stored != NULL && (g->stored->log->n > 0 || g->stored->snapshot.index > 0) ? RN_ACTIVE
												     : RN_JOINING;
	rd_raft_status(g->raft, &s);
	return s.last_index > 0 ? RN_ACTIVE : RN_JOINING;
}

/* What an operator decided is in these tables; the rest is found again. */
static bool
operator_decided(const struct rd_state *s)
{
	static const enum rd_table inventory[] = {RD_TABLE_inventory,	    RD_TABLE_node_record,
						  RD_TABLE_setting,	    RD_TABLE_cluster_record,
						  RD_TABLE_applied_command, RD_TABLE_candidate};
	size_t found = 0;

	for (size_t i = 0; i < ARRAY_LEN(inventory); i++)
		found += rd_state_count(s, inventory[i]);
	return rd_state_rows(s) > found;
}

static bool
adoptable(struct rd_group *g)
{
	return g->raft != NULL && g->n_names == 1 && rd_group_state(g) != NULL &&
	       rd_found_adoptable(rd_raft_members(g->raft), g->identity.raft_id, operator_decided(rd_group_state(g)));
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
	h.adoptable = adoptable(g);
	h.election_timeout_ms = g->election_ms;
	h.feature_level = RD_FEATURE_LEVEL;
	h.feature_active = s == NULL ? 0 : rd_state_feature_level(s);
	h.http_uri = g->http_uri;
	h.version = ORC_VERSION;
	h.is_leader = g->leading;
	h.founded_with.v = with;
	for (size_t i = 0; i < g->identity.founded_with.n && i < RN_FOUNDERS_MAX; i++)
		with[h.founded_with.n++] =
		    (struct rn_founder){g->identity.founded_with.v[i].name, g->identity.founded_with.v[i].dir_id};
	/* Nobody is configured, so whoever lists this node may come. */
	rn_net_set_open(g->net, h.adoptable || (h.state == RN_JOINING && g->n_names == 1));
	if (rn_net_set_hello(g->net, &h, &e) != 0)
		log_error("raft", "other nodes cannot be greeted: %s", e.msg);
}

/* --- peers ----------------------------------------------------------------------------------------------------- */
struct name_list {
	const char *v[RN_PEERS_MAX];
	size_t n;
};

static void
add_name(struct name_list *l, const char *name)
{
	for (size_t i = 0; i < l->n; i++) {
		if (strcmp(l->v[i], name) == 0)
			return;
	}
	if (l->n < ARRAY_LEN(l->v))
		l->v[l->n++] = name;
}

static void
add_record(void *ctx, const void *row)
{
	const struct db_node_record *r = row;

	add_name(ctx, r->name);
}

/* Members, and whoever has a record: asked to join, or between the removal of a wiped disk and its return. Before
 * there are members, whoever is configured. */
void
rd_group_set_peers(struct rd_group *g)
{
	const struct rd_members *m = g->raft == NULL ? NULL : rd_raft_members(g->raft);
	struct name_list list = {.n = 0};
	struct err e;

	for (size_t i = 0; m != NULL && i < m->n; i++)
		add_name(&list, m->v[i].name);
	if (list.n == 0) {
		for (size_t i = 0; i < g->n_names; i++)
			add_name(&list, g->names[i]);
	}
	if (rd_group_state(g) != NULL)
		rd_state_each(rd_group_state(g), RD_TABLE_node_record, add_record, &list);
	if (rn_net_set_peers(g->net, list.v, list.n, &e) != 0)
		log_error("raft", "connections with other nodes: %s", e.msg);
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

static struct rd_found_peer *
find_refused(struct rd_group *g, const char *name)
{
	for (size_t i = 0; i < g->n_refused; i++) {
		if (strcmp(g->refused[i].name, name) == 0)
			return &g->refused[i];
	}
	return NULL;
}

/* A peer that is there and doesn't work with this node may hold a group's state: a blank node must not found beside it.
 * One that says that this node is no member, or of another group, has a group. */
void
rd_group_refused(struct rd_group *g, const char *peer, enum rn_refuse code, const struct rn_hello *hello)
{
	bool has_group = code == RN_REFUSE_MEMBER || code == RN_REFUSE_CLUSTER || code == RN_REFUSE_FEATURE;
	struct rd_found_peer *p = find_refused(g, peer);

	if (g->phase != RD_PHASE_FOUNDING || (hello == NULL && !has_group))
		return;
	if (p == NULL) {
		if (g->n_refused >= RN_PEERS_MAX)
			return;
		mem_grow(g->refused, g->cap_refused, g->n_refused + 1);
		p = &g->refused[g->n_refused++];
	}
	memset(p, 0, sizeof(*p));
	if (hello != NULL)
		take_hello(hello, p);
	(void)str_copy(p->name, sizeof(p->name), peer);
	if (has_group)
		p->state = RD_FOUND_ACTIVE;
	rd_group_found(g);
}

/* Those that are connected now (what a peer said before it was wiped doesn't count), and those that refuse. */
static size_t
collect_peers(struct rd_group *g, struct rd_found_peer *ret)
{
	struct rn_peer_status peers[RN_PEERS_MAX];
	size_t n = rn_net_peers(g->net, peers, ARRAY_LEN(peers)), count = 0;

	for (size_t i = 0; i < n; i++) {
		const struct rn_hello *h = peers[i].up ? rn_net_hello(g->net, peers[i].name) : NULL;
		if (h != NULL)
			take_hello(h, &ret[count++]);
		else if (find_refused(g, peers[i].name) != NULL)
			ret[count++] = *find_refused(g, peers[i].name);
	}
	return count;
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
	if (d->verdict == RD_FOUND_WAIT) {
		int64_t us = max_i64(1000, min_i64(CLK_S, mono_diff_us(d->again, in.now)));
		struct timeval tv = {us / CLK_S, us % CLK_S};
		(void)event_add(g->timer, &tv);
		(void)str_copy(g->why, sizeof(g->why), d->why);
	} else {
		become(g, d);
	}
	free(peers);
	free(d);
}

/* --- adoption -------------------------------------------------------------------------------------------------- */
/* Memory, timers and answers of the old group must not outlive it: a new process begins, as one that waits to be added. */
static void
on_renamed(void *ctx, struct rd_log_job *job)
{
	struct rd_group *g = ctx;
	int rc = job->rc;
	struct err e;

	rd_log_job_free(job);
	if (rc != 0)
		return; /* on_failed has said it */
	(void)err_set(&e, ERR_UNAVAILABLE, "this node's own group has ended, it joins another one: starting anew");
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
					  .config_hash = g->conf_hash};
		next = rd_log_job_write(&w, on_renamed, g);
		if (rd_log_submit(g->log, next, &e) != 0) {
			rd_log_job_free(next);
			rd_group_fail(g, PROC_EXIT_BACKEND, &e);
		}
	}
	rd_log_job_free(job);
}

/* Another group has listed this lone founder and nobody ever decided anything here: it starts anew, blank. */
void
rd_group_adopt(struct rd_group *g, const char *peer, const struct rn_hello *hello)
{
	struct rd_log_job *job;
	struct err e;

	if (g->adopting || !adoptable(g) || hello->state != RN_ACTIVE || !hello->is_leader ||
	    strcmp(hello->cluster_id, g->identity.cluster_id) == 0)
		return;
	log_notice("raft",
		   "adopted by the group of leader=%s: this node's own group, without operators' decisions, ends",
		   LOG_Q(peer));
	g->adopting = true;
	job = rd_log_job_new(RD_LOG_JOB_WIPE, on_wiped, g);
	if (rd_log_submit(g->log, job, &e) != 0) {
		rd_log_job_free(job);
		g->adopting = false;
	}
}
