/* sim_check.c — the invariants of design.md section 12 that a group of nodes must keep, looked at after every step and
 * at every point where something becomes visible. Knows everything that ever happened in the run. Owns that knowledge.
 *
 *   1  one sequence of entries for all; an entry is on a majority before anybody applies it; applied only when durable
 *      here; a uid takes effect once; what was acknowledged stays, in the order of acknowledgements
 *   2  no two leases at any instant, whoever was stopped or killed meanwhile
 *   7  same index, same state hash: memory, backend, snapshot
 *   raft: one leader per term, one vote per term and id, term and vote durable before anybody hears of them, terms never
 *   go back, an id never speaks from another directory */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "base/mem.h"
#include "sim.h"

#define IDS_MAX 64
#define CONFIGS_KEPT 4
#define COPIES_MAX 4

struct place { /* of the log, as the whole group sees it */
	bool applied;
	uint64_t term, print, hash;
	struct {
		uint64_t term, ids; /* bits: on whose disk it was */
	} copy[COPIES_MAX];
};

struct known_uid {
	uint64_t print;
	uint64_t index; /* where it took effect */
	UT_hash_handle hh;
};

struct known_vote {
	uint64_t key[2]; /* voter, term */
	uint64_t candidate;
	UT_hash_handle hh;
};

static struct {
	struct place *place;
	size_t n, cap;
	uint64_t id[IDS_MAX]; /* bit number → raft id */
	unsigned lineage[IDS_MAX];
	uint64_t installed[IDS_MAX]; /* everything up to here came to its disk in a snapshot */
	size_t n_ids;
	struct seen_config {
		uint64_t term, index; /* of the leader, in its log */
		struct rd_members members;
	} config[CONFIGS_KEPT];
	size_t n_configs;
	struct known_uid *uids;
	struct known_vote *votes;
	uint64_t *leader; /* by term */
	size_t n_leader, cap_leader;
} seen;

void
sim_fail(const char *fmt, ...)
{
	va_list ap;

	if (sim.failed)
		return;
	sim.failed = true;
	va_start(ap, fmt);
	(void)vsnprintf(sim.violation, sizeof(sim.violation), fmt, ap);
	va_end(ap);
	sim_trace("VIOLATION: %s", sim.violation);
}

uint64_t
sim_print(const void *p, size_t n, uint64_t seed)
{
	const uint8_t *u = p;
	uint64_t h = 0xcbf29ce484222325 ^ seed;

	for (size_t i = 0; i < n; i++)
		h = (h ^ u[i]) * 0x100000001b3;
	return h;
}

void
sim_check_init(void)
{
	memset(&seen, 0, sizeof(seen));
}

void
sim_check_done(void)
{
	struct known_uid *u, *next_u;
	struct known_vote *v, *next_v;

	HASH_ITER (hh, seen.uids, u, next_u) {
		HASH_DEL(seen.uids, u);
		free(u);
	}
	HASH_ITER (hh, seen.votes, v, next_v) {
		HASH_DEL(seen.votes, v);
		free(v);
	}
	free(seen.place);
	free(seen.leader);
	memset(&seen, 0, sizeof(seen));
}

static bool
ignored(const struct sim_node *n)
{
	return sim_dead(n) || sim_stranger(n);
}

static struct place *
place_of(uint64_t index)
{
	size_t old = seen.n;

	if (index >= seen.n) {
		mem_grow(seen.place, seen.cap, (size_t)index + 1);
		seen.n = (size_t)index + 1;
		memset(seen.place + old, 0, (seen.n - old) * sizeof(*seen.place));
	}
	return &seen.place[index];
}

static size_t
bit_of(uint64_t id)
{
	for (size_t i = 0; i < seen.n_ids; i++) {
		if (seen.id[i] == id)
			return i;
	}
	ASSERT(seen.n_ids < IDS_MAX);
	seen.id[seen.n_ids] = id;
	return seen.n_ids++;
}

/* --- 2: leases --- */
void
sim_check_lease(struct sim_node *n, uint64_t term, struct mono end)
{
	if (sim_stranger(n))
		return;
	for (size_t i = 0; i < sim.n; i++) {
		const struct sim_node *o = &sim.nodes[i];
		if (o != n && mono_before(sim_local(o), o->promised) && mono_before(sim_local(n), end))
			sim_fail(
			    "two leases at once: n%zu (term %llu, %lld us left) and n%zu (term %llu, %lld us left)",
			    o->i, (unsigned long long)o->promised_term,
			    (long long)mono_diff_us(o->promised, sim_local(o)), n->i, (unsigned long long)term,
			    (long long)mono_diff_us(end, sim_local(n)));
	}
	if (!mono_before(sim_local(n), n->promised) || n->promised_term != term)
		sim_trace("lease of term %llu", (unsigned long long)term);
	n->promised = end;
	n->promised_term = term;
}

/* --- 1 and 7: entries and states --- */
static bool
has_copy(const struct place *p, uint64_t index, uint64_t id)
{
	size_t bit = bit_of(id);

	for (size_t i = 0; i < COPIES_MAX; i++) {
		if (p->copy[i].term == p->term && (p->copy[i].ids >> bit & 1) != 0)
			return true;
	}
	return seen.installed[bit] >= index;
}

static bool
majority_of(const struct rd_members *m, const struct place *p, uint64_t index)
{
	size_t holders = 0;

	for (size_t i = 0; i < m->n; i++)
		holders += m->v[i].role == RD_ROLE_VOTER && has_copy(p, index, m->v[i].id);
	return holders >= rd_members_majority(m);
}

/* By one of the newest configurations: the one by which it was committed is among them. */
static bool
on_majority(const struct place *p, uint64_t index)
{
	for (size_t i = 0; i < CONFIGS_KEPT && i < seen.n_configs; i++) {
		if (majority_of(&seen.config[(seen.n_configs - 1 - i) % CONFIGS_KEPT].members, p, index))
			return true;
	}
	return false;
}

/* Who was thought to hold it, by the newest configuration: for whoever reads the violation. */
static void
trace_holders(const struct place *p, uint64_t index)
{
	const struct rd_members *m = &seen.config[(seen.n_configs - 1) % CONFIGS_KEPT].members;

	for (size_t i = 0; seen.n_configs > 0 && i < m->n; i++)
		sim_trace("    %s %s, index %llu of term %llu: %s", rd_role_name(m->v[i].role), m->v[i].name,
			  (unsigned long long)index, (unsigned long long)p->term,
			  has_copy(p, index, m->v[i].id) ? "on disk" : "-");
}

static void
first_applied(struct sim_node *n, struct place *p, const struct rd_state *s, struct rd_entry_at at, uint64_t print)
{
	p->applied = true;
	p->term = at.term;
	p->print = print;
	p->hash = rd_state_hash(s);
	if (at.index <= 1 || on_majority(p, at.index))
		return;
	trace_holders(p, at.index);
	sim_fail("n%zu applies index %llu of term %llu, which is not on the disks of a majority", n->i,
		 (unsigned long long)at.index, (unsigned long long)at.term);
}

void
sim_check_applied(struct sim_node *n, const struct rd_state *s, struct rd_entry_at at, uint64_t print)
{
	struct place *p = place_of(at.index);

	if (ignored(n))
		return;
	if (!sim_disk_holds(&n->disk, at.index, at.term))
		sim_fail("n%zu applies index %llu of term %llu, which is not durable here", n->i,
			 (unsigned long long)at.index, (unsigned long long)at.term);
	if (!p->applied)
		first_applied(n, p, s, at, print);
	else if (p->term != at.term || p->print != print)
		sim_fail("n%zu applies another entry at index %llu: of term %llu, the others of term %llu", n->i,
			 (unsigned long long)at.index, (unsigned long long)at.term, (unsigned long long)p->term);
	sim_check_state(n, s, "memory");
	(void)sim_point(n, SIM_AT_APPLIED);
}

void
sim_check_state(struct sim_node *n, const struct rd_state *s, const char *whence)
{
	uint64_t index = rd_state_index(s);
	const struct place *p = place_of(index);

	if (index == 0 || ignored(n))
		return;
	if (!p->applied)
		sim_fail("n%zu: state of index %llu from its %s, but nobody has applied that", n->i,
			 (unsigned long long)index, whence);
	else if (p->hash != rd_state_hash(s))
		sim_fail("n%zu: state hash at index %llu is %016llx (%s), the first to apply it had %016llx", n->i,
			 (unsigned long long)index, (unsigned long long)rd_state_hash(s), whence,
			 (unsigned long long)p->hash);
}

void
sim_check_fresh(struct sim_node *n, const char *uid, uint64_t index, bool duplicate)
{
	uint64_t print = sim_print(uid, strlen(uid), 0);
	struct known_uid *u;

	if (ignored(n))
		return;
	HASH_FIND(hh, seen.uids, &print, sizeof(print), u);
	if (u == NULL && !duplicate) {
		u = mem_new(struct known_uid);
		u->print = print;
		u->index = index;
		HASH_ADD(hh, seen.uids, print, sizeof(u->print), u);
	} else if (u == NULL || (!duplicate && u->index != index)) {
		sim_fail("n%zu: command %s takes effect at index %llu, and did so at index %llu", n->i, uid,
			 (unsigned long long)index, (unsigned long long)(u == NULL ? 0 : u->index));
	}
}

void
sim_check_acked(const char *uid, uint64_t index)
{
	uint64_t print = sim_print(uid, strlen(uid), 0);
	struct known_uid *u;

	HASH_FIND(hh, seen.uids, &print, sizeof(print), u);
	if (u == NULL)
		sim_fail("command %s is acknowledged, but nobody has applied it", uid);
	else if (index != 0 && u->index != index)
		sim_fail("command %s is acknowledged at index %llu, but took effect at %llu", uid,
			 (unsigned long long)index, (unsigned long long)u->index);
}

/* --- disks --- */
static void
note_copy(struct place *p, uint64_t term, size_t bit)
{
	size_t oldest = 0;

	for (size_t i = 0; i < COPIES_MAX; i++) {
		if (p->copy[i].term == term) {
			p->copy[i].ids |= UINT64_C(1) << bit;
			return;
		}
		if (p->copy[i].term < p->copy[oldest].term)
			oldest = i;
	}
	p->copy[oldest].term = term;
	p->copy[oldest].ids = UINT64_C(1) << bit;
}

static void
check_committed_stays(struct sim_node *n, const struct rd_write *w)
{
	uint64_t last = sim_disk_last(&n->disk);

	for (uint64_t i = w->index; i != 0 && i <= last && i < seen.n; i++) {
		bool again = i < w->index + w->n && w->entries[i - w->index].term == seen.place[i].term;
		if (seen.place[i].applied && !again && sim_disk_term(&n->disk, i) == seen.place[i].term)
			sim_fail("n%zu removes index %llu from its log, which was committed", n->i,
				 (unsigned long long)i);
	}
}

/* Before it is carried out. */
void
sim_check_durable(struct sim_node *n, const struct rd_write *w)
{
	const struct sim_disk *d = &n->disk;
	size_t bit;

	if (w->has_vote && w->term < d->term)
		sim_fail("n%zu: term goes back from %llu to %llu", n->i, (unsigned long long)d->term,
			 (unsigned long long)w->term);
	if (w->has_vote && w->term == d->term && d->vote != 0 && w->voted_for != d->vote)
		sim_fail("n%zu: vote of term %llu changes", n->i, (unsigned long long)w->term);
	if (d->identity.raft_id == 0 || sim_stranger(n))
		return;
	bit = bit_of(d->identity.raft_id);
	if (seen.lineage[bit] != 0 && seen.lineage[bit] != d->lineage)
		sim_fail("n%zu uses the raft id of a directory that was wiped", n->i);
	seen.lineage[bit] = d->lineage;
	if (w->clears_log)
		seen.installed[bit] = w->snapshot->index;
	check_committed_stays(n, w);
	for (size_t i = 0; i < w->n; i++)
		note_copy(place_of(w->index + i), w->entries[i].term, bit);
}

/* --- messages --- */
static void
check_vote(uint64_t voter, uint64_t term, uint64_t candidate)
{
	uint64_t key[2] = {voter, term};
	struct known_vote *v;

	HASH_FIND(hh, seen.votes, key, sizeof(key), v);
	if (v == NULL) {
		v = mem_new(struct known_vote);
		memcpy(v->key, key, sizeof(key));
		v->candidate = candidate;
		HASH_ADD(hh, seen.votes, key, sizeof(v->key), v);
	} else if (v->candidate != candidate) {
		sim_fail("two votes of one member in term %llu", (unsigned long long)term);
	}
}

void
sim_check_sent(struct sim_node *n, const struct rd_raft_msg *m)
{
	const struct sim_disk *d = &n->disk;
	bool vote = m->type == RD_MSG_VOTE || (m->type == RD_MSG_VOTE_RESULT && m->granted);

	if (ignored(n))
		return;
	if (m->from != d->identity.raft_id)
		sim_fail("n%zu speaks with an id that is not its directory's", n->i);
	if (!m->pre_vote && m->term > d->term)
		sim_fail("n%zu speaks of term %llu, on its disk is %llu", n->i, (unsigned long long)m->term,
			 (unsigned long long)d->term);
	if (vote && !m->pre_vote && m->term == d->term) {
		uint64_t candidate = m->type == RD_MSG_VOTE ? m->from : m->to;
		if (d->vote != candidate)
			sim_fail("n%zu tells of a vote in term %llu that is not on its disk", n->i,
				 (unsigned long long)m->term);
		check_vote(m->from, m->term, candidate);
	}
	if (m->type == RD_MSG_APPEND_RESULT && m->rejected == 0 && m->log_index > sim_disk_last(d))
		sim_fail("n%zu acknowledges index %llu, on its disk is %llu", n->i, (unsigned long long)m->log_index,
			 (unsigned long long)sim_disk_last(d));
}

/* --- after every step --- */
/* Leaders commit, each by the newest configuration of its own log. Another log may hold one of a higher index that never
 * comes to anything. */
static void
note_config(struct rd_raft *r, const struct rd_raft_status *s)
{
	const struct rd_members *m = rd_raft_members(r);
	struct seen_config *newest = &seen.config[(seen.n_configs + CONFIGS_KEPT - 1) % CONFIGS_KEPT];

	if (m->n == 0 || s->term < newest->term || (s->term == newest->term && s->members_index <= newest->index))
		return;
	seen.config[seen.n_configs++ % CONFIGS_KEPT] = (struct seen_config){s->term, s->members_index, *m};
}

static void
check_leader(struct sim_node *n, const struct rd_raft_status *s)
{
	size_t old = seen.n_leader;

	if (s->term >= seen.n_leader) {
		mem_grow(seen.leader, seen.cap_leader, (size_t)s->term + 1);
		seen.n_leader = (size_t)s->term + 1;
		memset(seen.leader + old, 0, (seen.n_leader - old) * sizeof(*seen.leader));
	}
	if (seen.leader[s->term] != 0 && seen.leader[s->term] != s->id)
		sim_fail("two leaders in term %llu, one of them n%zu", (unsigned long long)s->term, n->i);
	seen.leader[s->term] = s->id;
}

void
sim_check_step(struct sim_node *n)
{
	struct rd_raft *r = sim_raft(n);
	struct rd_raft_status s;

	if (r == NULL || ignored(n))
		return;
	rd_raft_status(r, &s);
	if (s.state == RD_RAFT_LEADER) {
		note_config(r, &s);
		check_leader(n, &s);
	}
}
