/* sim_topo_check.c — invariants 3 to 6 of design.md section 12, looked at when a node applies an event, when a step is
 * written, when a server becomes writable or drops transactions, and ten times a second. It sees everything: the servers as
 * they are, who could reach whom since when. Owns that knowledge.
 *
 *   3  one running recovery of the cluster, in every node's memory
 *   4  nothing is written after not_after, not_after never lies behind the sender's lease, no step is written twice, none of an
 *      older term takes effect after a newer one; votes of a majority are recorded before the first; and no recovery begins
 *      while a voter whom the leader hears has reached the server all the time
 *   5  never two writable servers that everybody reaches, for long; in the end one, and all others follow it or are named
 *   6  who is promoted has what every direct replica had received that has answered all the time
 *
 * Nobody is promoted whose promotion rule is must_not. When a server is promoted, and the record says that nothing is lost, it
 * has every commit that clients were told of. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "sim_topo.h"
#include "state/rd_records.h"
#include "topo/key.h"

#define SURE_US (10 * CLK_S)  /* reached for so long: a vote would have been told */
#define SPLIT_US (30 * CLK_S) /* two writable servers that all reach */
#define RECOVERIES_MAX 64
#define UID_BYTES 40

struct seen_recovery {
	char uid[UID_BYTES];
	size_t failed;
	int64_t began_at;
	bool over, stepped;
	bool promoted;
	/* what the failed server told before: */
	bool is_another;	      /* it is not who it said it is */
	bool told_read_only;	      /* and was not */
	bool doubted;		      /* undone although a candidate may have been writable: operators decide */
	bool misled[SIM_SERVERS_MAX]; /* undone, perhaps because of what this one told */
	bool lied_to;		      /* undone while the failed server told what was not so */
	uint64_t turns;
	bool counts[SIM_SERVERS_MAX]; /* direct replicas that were well */
	bool must_not[SIM_SERVERS_MAX];
	bool left[SIM_SERVERS_MAX]; /* had lied, or was not reached when it was undone: what was changed stays */
	struct sim_set had[SIM_SERVERS_MAX];
	struct sim_set purged;
	uint64_t told; /* commits of the failed server that clients had been told of before the servers were read */
};

struct written {
	char uid[UID_BYTES];
	uint64_t term, number;
};

static struct {
	struct seen_recovery r[RECOVERIES_MAX];
	size_t n;
	struct written *written;
	size_t n_written, cap_written;
	uint64_t newest_term[SIM_SERVERS_MAX];
	int64_t reached[SIM_NODES_MAX][SIM_SERVERS_MAX]; /* since; 0: it is not */
	int64_t heard[SIM_NODES_MAX][SIM_NODES_MAX];	 /* the same between nodes */
	int64_t split_since;
} seen;

void
sim_topo_check_start(void)
{
	memset(&seen, 0, sizeof(seen));
}

void
sim_topo_check_done(void)
{
	free(seen.written);
	memset(&seen, 0, sizeof(seen));
}

static struct seen_recovery *
find(const char *uid)
{
	for (size_t i = 0; i < seen.n; i++) {
		if (str_eq(seen.r[i].uid, uid))
			return &seen.r[i];
	}
	return NULL;
}

bool
sim_topo_recovering(void)
{
	for (size_t i = 0; i < seen.n; i++) {
		if (!seen.r[i].over)
			return true;
	}
	return false;
}

/* --- who reaches whom, since when --- */
static bool
is_awake(const struct sim_node *n)
{
	return n->up && n->paused_until <= sim.now;
}

static void
since(int64_t *t, bool yes)
{
	*t = !yes ? 0 : *t == 0 ? sim.now : *t;
}

static void
look_at_ways(void)
{
	for (size_t a = 0; a < sim.n; a++) {
		bool awake = is_awake(&sim.nodes[a]) && sim_prober_is_well(a) && sim_raft(&sim.nodes[a]) != NULL;
		for (size_t i = 0; i < topo.n; i++)
			since(&seen.reached[a][i],
			      awake && sim_server_runs(&topo.s[i]) && sim_server_way(a, &topo.s[i]) == SIM_WAY_OPEN);
		for (size_t b = 0; b < sim.n; b++)
			since(&seen.heard[a][b], awake && is_awake(&sim.nodes[b]) && !sim.cut[a][b] &&
						     !sim.silent_cut[a][b] && !sim.cut[b][a] && !sim.silent_cut[b][a]);
	}
}

static bool
lasts(int64_t t)
{
	return t != 0 && sim.now - t >= SURE_US;
}

/* … or has, or cannot have been read since. */
static bool
has_lied(const struct sim_server *s, int64_t at)
{
	return s->lies_until + SURE_US > at;
}

static bool
all_reach(const struct sim_server *s)
{
	for (size_t a = 0; a < sim.n; a++) {
		if (!lasts(seen.reached[a][s->i]))
			return false;
	}
	return true;
}

/* --- 5, all the time --- */
/* It lied about who it was when a recovery of it began: it is another one than was replaced, and is left alone. Or it was promoted,
 * and told that it was not. */
static bool
is_another(const struct sim_server *s)
{
	for (size_t i = 0; i < seen.n; i++) {
		if ((seen.r[i].failed == s->i && seen.r[i].is_another) || seen.r[i].misled[s->i])
			return true;
	}
	return false;
}

static bool
is_source(const struct sim_server *s)
{
	return !s->read_only && !is_another(s);
}

static void
look_for_split(void)
{
	size_t writable = 0;

	for (size_t i = 0; i < topo.n; i++)
		writable += sim_server_runs(&topo.s[i]) && is_source(&topo.s[i]) && all_reach(&topo.s[i]) &&
			    !has_lied(&topo.s[i], sim.now);
	since(&seen.split_since, writable > 1);
	if (seen.split_since != 0 && sim.now - seen.split_since > SPLIT_US)
		sim_fail("5: two writable servers that everybody has reached for %d s", (int)(SPLIT_US / CLK_S));
}

void
sim_topo_check_step(void)
{
	look_at_ways();
	look_for_split();
}

/* --- a recovery begins --- */
static void
check_is_dead(const struct seen_recovery *r)
{
	const struct sim_node *n = sim_leader(); /* others may have applied it before */

	for (size_t a = 0; n != NULL && a < sim.n; a++) {
		bool told = a == n->i || (lasts(seen.heard[a][n->i]) && lasts(seen.heard[n->i][a]));
		if (told && lasts(seen.reached[a][r->failed]))
			sim_fail("4: a recovery of %s begins, which n%zu has reached all the time",
				 topo.s[r->failed].host, a);
	}
}

static void
note_holders(struct seen_recovery *r)
{
	for (size_t i = 0; i < topo.n; i++) {
		const struct sim_server *s = &topo.s[i];
		bool direct = s->source == r->failed && !s->detached, dropped = topo.mariadb && !s->io && !s->sql,
		     strayed = !s->io && s->io_errno == 1236;
		r->counts[i] = direct && i != r->failed && sim_server_runs(s) && all_reach(s) && !dropped && !strayed &&
			       sim.now - s->trouble_at > SURE_US;
		/* of the failed server's: what a former recovery gave up is none of the cluster's any more */
		for (size_t k = 0; k < topo.n; k++)
			r->had[i].n[k] =
			    (uint64_t)min_i64((int64_t)s->received.n[k], (int64_t)topo.s[r->failed].executed.n[k]);
	}
}

/* What is decided on may be a lie. */
static void
note_input(struct sim_node *n, struct seen_recovery *r)
{
	const struct sim_server *failed = &topo.s[r->failed];
	struct mem_arena arena = {0};
	struct rd_recovery_input in;
	struct err e;

	if (rd_records_input(rd_proposer_state(n->node.decide), r->uid, &arena, &in, &e) != 0) {
		sim_fail("recovery %s has no input: %s", r->uid, e.msg);
	} else {
		r->is_another = in.failed.server_id != 0 && in.failed.server_id != SIM_SERVER_ID(failed);
		r->told_read_only = in.failed.read_only && !failed->read_only;
	}
	mem_arena_done(&arena);
}

static void
note_rules(struct seen_recovery *r)
{
	for (size_t i = 0; i < topo.n; i++) {
		const struct sim_server *s = &topo.s[i];
		r->must_not[i] = s->rule_at != 0 && sim.now - s->rule_at > SURE_US && str_eq(s->rule, "must_not");
	}
}

static void
begins(struct sim_node *n, const struct rd_recovery *m)
{
	struct seen_recovery *r = &seen.r[seen.n];
	const struct sim_server *failed = sim_server_find(&m->failed);

	if (seen.n == RECOVERIES_MAX || failed == NULL) {
		sim_fail("a recovery too many, or of nobody");
		return;
	}
	seen.n++;
	(void)str_copy(r->uid, sizeof(r->uid), m->uid);
	r->failed = failed->i;
	r->began_at = sim.now;
	note_input(n, r);
	topo.recoveries++;
	check_is_dead(r);
	note_holders(r);
	note_rules(r);
	sim_trace("recovery %s of %s is on a majority", m->uid, failed->host);
}

/* --- 3 --- */
static void
check_running(struct sim_node *n)
{
	struct mem_arena arena = {0};
	struct rd_recovery_list l = rd_records_running(rd_proposer_state(n->node.decide), &arena);

	for (size_t i = 0; i < l.n; i++) {
		if (find(l.v[i].uid) == NULL)
			begins(n, &l.v[i]);
	}
	if (l.n > 1)
		sim_fail("3: two recoveries of one cluster run: %s and %s", l.v[0].uid, l.v[1].uid);
	mem_arena_done(&arena);
}

static void
note_end(struct seen_recovery *r, const struct rd_recovery *m)
{
	if (r->over || (rd_recovery_state_flags((enum rd_recovery_state)m->state) & RD_STATE_TERMINAL) == 0)
		return;
	r->over = true;
	r->doubted = m->suspects.n > 0;
	r->lied_to = has_lied(&topo.s[r->failed], sim.now);
	for (size_t i = 0; i < topo.n; i++)
		r->misled[i] = !m->promoted && has_lied(&topo.s[i], r->began_at);
	for (size_t i = 0; i < topo.n; i++)
		r->left[i] = has_lied(&topo.s[i], r->began_at) || (!m->promoted && !all_reach(&topo.s[i]));
	r->promoted = m->promoted;
	topo.promotions += m->promoted;
	topo.undone += !m->promoted;
}

/* What is recorded as lost is said of everything until the servers are read: a failed server that goes on after that can still
 * have commits acknowledged, by receivers that are stopped only once somebody is promoted. */
static void
note_choice(struct seen_recovery *r, const struct rd_recovery *m)
{
	if (m->turns > r->turns && m->state == RD_RECOVERY_CHOOSE)
		r->told = sim_load_told()->n[r->failed];
	if (m->turns > r->turns)
		r->turns = m->turns;
}

void
sim_topo_check_applied(struct sim_node *n, const struct rd_applied *a)
{
	for (size_t i = 0; i < a->n_effects; i++) {
		struct mem_arena arena = {0};
		struct seen_recovery *r;
		struct rd_recovery m;
		if (a->effects[i].kind != RD_EFFECT_RECOVERY)
			continue;
		check_running(n);
		r = find(a->effects[i].message);
		if (r != NULL && rd_records_machine(rd_proposer_state(n->node.decide), r->uid, &arena, &m)) {
			note_choice(r, &m);
			note_end(r, &m);
		}
		mem_arena_done(&arena);
		if (n == sim_leader())
			sim_moment(SIM_MOMENT_APPLIED, n, r == NULL ? NULL : &topo.s[r->failed]);
	}
}

/* --- 4 --- */
static void
check_votes(struct sim_node *n, struct seen_recovery *r)
{
	size_t votes;

	if (r->stepped || n->node.decide == NULL)
		return;
	r->stepped = true;
	votes = sim_topo_votes(rd_proposer_state(n->node.decide), &topo.s[r->failed].key);
	if (votes < sim.founders / 2 + 1)
		sim_fail("4: the first step of a recovery of %s is written, with %zu votes recorded",
			 topo.s[r->failed].host, votes);
}

static void
check_once(const struct ipc_step *m)
{
	struct written *w;

	for (size_t i = 0; i < seen.n_written; i++) {
		w = &seen.written[i];
		if (w->term == m->term && w->number == m->number && str_eq(w->uid, m->recovery_uid))
			sim_fail("4: step %llu of term %llu is written a second time: %s on %s",
				 (unsigned long long)m->number, (unsigned long long)m->term, m->statement,
				 m->key.hostname);
	}
	mem_grow(seen.written, seen.cap_written, seen.n_written + 1);
	w = &seen.written[seen.n_written++];
	*w = (struct written){.term = m->term, .number = m->number};
	(void)str_copy(w->uid, sizeof(w->uid), m->recovery_uid);
}

void
sim_topo_check_written(struct sim_node *n, const struct sim_server *s, const struct ipc_step *m)
{
	struct seen_recovery *r = find(m->recovery_uid);

	if (sim_local(n).us >= m->not_after_us)
		sim_fail("4: %s is written to %s %lld ms after its time", m->statement, s->host,
			 (long long)((sim_local(n).us - m->not_after_us) / CLK_MS));
	if (m->term < seen.newest_term[s->i])
		sim_fail("4: a step of term %llu is written to %s, which has met term %llu",
			 (unsigned long long)m->term, s->host, (unsigned long long)seen.newest_term[s->i]);
	seen.newest_term[s->i] = m->term;
	check_once(m);
	if (r != NULL && n->up)
		check_votes(n, r);
	if (r == NULL && !str_starts(m->recovery_uid, RD_STEP_UID_VOTE))
		sim_fail("4: a step of a recovery that nobody has applied: %s on %s", m->statement, s->host);
}

/* --- 6 --- */
static bool
was_dropped(struct sim_node *n, const char *uid, const struct topo_key *key)
{
	struct mem_arena arena = {0};
	struct rd_recovery m;
	bool yes = n != NULL && n->node.decide != NULL &&
		   rd_records_machine(rd_proposer_state(n->node.decide), uid, &arena, &m) &&
		   topo_key_list_has(&m.excluded, key);

	mem_arena_done(&arena);
	return yes;
}

static bool
somebody_lied(int64_t at)
{
	for (size_t i = 0; i < topo.n; i++) {
		if (has_lied(&topo.s[i], at))
			return true;
	}
	return false;
}

/* It lacks what a client was told of, and the record says that nothing is lost. */
static void
check_loss(const struct seen_recovery *r, const struct sim_server *s)
{
	struct sim_node *leader = sim_leader();
	const struct db_recovery_machine key = {.uid = r->uid};
	const struct db_recovery_machine *row =
	    leader == NULL || leader->node.decide == NULL
		? NULL
		: rd_state_get(rd_proposer_state(leader->node.decide), RD_TABLE_recovery_machine, &key);

	if (row == NULL)
		return;
	sim_trace("loss of %s: %s; clients were told of %llu", r->uid, row->loss, (unsigned long long)r->told);
	if (!str_eq(row->loss, "none") || somebody_lied(r->began_at))
		return;
	topo.proven++;
	if (s->executed.n[r->failed] < r->told)
		sim_fail("%s is promoted without a commit of %s that was acknowledged, and the record says that "
			 "nothing is lost",
			 s->host, topo.s[r->failed].host);
}

void
sim_topo_check_promoted(struct sim_server *s, const struct ipc_step *m)
{
	struct seen_recovery *r = find(m->recovery_uid);

	if (r == NULL || r->failed == s->i)
		return;
	sim_trace("%s is writable", s->host);
	check_loss(r, s);
	if (r->must_not[s->i])
		sim_fail("%s is promoted, which must not be", s->host);
	for (size_t i = 0; i < topo.n; i++) {
		struct mem_arena arena = {0};
		sim_trace("%s: executed %s, received %s", topo.s[i].host, sim_set_text(&topo.s[i], false, &arena),
			  sim_set_text(&topo.s[i], true, &arena));
		mem_arena_done(&arena);
	}
	for (size_t i = 0; i < topo.n; i++) {
		const struct sim_server *x = &topo.s[i];
		if (!r->counts[i] || x->trouble_at >= r->began_at || !sim_server_runs(x) ||
		    was_dropped(sim_leader(), r->uid, &x->key) || sim_set_contains(&s->executed, &r->had[i]))
			continue;
		sim_fail("6: %s is promoted without what %s had received", s->host, x->host);
	}
	if (!sim_set_contains(&s->executed, &r->purged))
		sim_fail("6: %s is promoted, and transactions that a step has thrown away are nowhere", s->host);
	sim_moment(SIM_MOMENT_PROMOTED, NULL, s);
}

/* Executed: also on one that has died since it was promoted. */
static bool
is_elsewhere(const struct sim_server *but, size_t failed, const struct sim_set *what)
{
	for (size_t i = 0; i < topo.n; i++) {
		const struct sim_server *s = &topo.s[i];
		if (i != but->i && ((s->up && sim_set_contains(&s->received, what)) ||
				    (i != failed && sim_set_contains(&s->executed, what))))
			return true;
	}
	return false;
}

/* By a step: what somebody had received must be somewhere else, unless an operator had stopped both threads before, or has since. */
void
sim_topo_check_purged(struct sim_server *s, const struct sim_set *what)
{
	if (!s->read_only)
		return; /* it was promoted: what it lacked then was looked for, what it has got since is the old source's own */
	for (size_t i = seen.n; i > 0; i--) {
		struct seen_recovery *r = &seen.r[i - 1];
		if (r->over || !r->counts[s->i] || has_lied(s, r->began_at) || s->both_stopped_at >= r->began_at)
			continue;
		sim_set_join(&r->purged, what);
		if (!is_elsewhere(s, r->failed, what))
			sim_fail("6: a step has thrown away what %s had received, and nobody else has it", s->host);
	}
}

/* --- 5, in the end --- */
static bool
is_named(const struct rd_state *s, const struct topo_key *key)
{
	const struct db_downtime k = {.hostname = key->hostname, .port = key->port};
	const struct db_downtime *row = rd_state_get(s, RD_TABLE_downtime, &k);

	return row != NULL && str_eq(row->reason, RD_LOST_REASON);
}

static bool
was_left(const struct sim_server *s)
{
	for (size_t i = 0; i < seen.n; i++) {
		if (seen.r[i].left[s->i])
			return true;
	}
	return false;
}

/* An undone recovery gives back what the failed server had told, and nothing when somebody else may have taken writes; those that
 * came after it then find it read-only. */
static bool
may_be_nobody(void)
{
	for (size_t i = seen.n; i > 0 && !seen.r[i - 1].promoted; i--) {
		if (seen.r[i - 1].told_read_only || seen.r[i - 1].doubted || seen.r[i - 1].lied_to)
			return true;
	}
	return false;
}

/* Perhaps by way of another one: a recovery that was undone could not take back all it had changed. */
static bool
follows(const struct sim_server *s, size_t primary)
{
	for (size_t i = 0; i < topo.n; i++) {
		if (s->source == SIM_NOBODY || s->detached || !s->io || !s->sql)
			return false;
		if (s->source == primary)
			return true;
		s = &topo.s[s->source];
	}
	return false;
}

static const struct sim_server *
primary_of(char *why, size_t size)
{
	const struct sim_server *p = NULL, *another = NULL;

	for (size_t i = 0; i < topo.n; i++) {
		if (!topo.s[i].read_only && is_another(&topo.s[i]))
			another = &topo.s[i];
		if (!is_source(&topo.s[i]))
			continue;
		if (p != NULL) {
			(void)snprintf(why, size, "%s and %s are writable", p->host, topo.s[i].host);
			return NULL;
		}
		p = &topo.s[i];
	}
	p = p == NULL ? another : p;
	if (p == NULL && !may_be_nobody())
		(void)snprintf(why, size, "5: nobody is writable");
	return p;
}

bool
sim_topo_all_well(char *why, size_t size)
{
	struct sim_node *leader = sim_leader();
	struct mem_arena arena = {0};
	const struct rd_state *state;
	const struct sim_server *p;
	size_t running;

	if (leader == NULL || leader->node.decide == NULL)
		return false;
	state = rd_proposer_state(leader->node.decide);
	running = rd_records_running(state, &arena).n;
	mem_arena_done(&arena);
	if (running > 0) {
		(void)snprintf(why, size, "5: a recovery runs");
		return false;
	}
	for (size_t i = 0; i < topo.n; i++) {
		if (!sim_server_runs(&topo.s[i])) {
			(void)snprintf(why, size, "%s does not run yet", topo.s[i].host);
			return false;
		}
	}
	why[0] = '\0';
	p = primary_of(why, size);
	for (size_t i = 0; p != NULL && i < topo.n; i++) {
		const struct sim_server *s = &topo.s[i];
		if (s == p || follows(s, p->i) || is_named(state, &s->key) || was_left(s))
			continue;
		(void)snprintf(
		    why, size,
		    "5: %s neither follows %s nor is named as lost (source %zu%s, io %d, sql %d, errno %lld)", s->host,
		    p->host, s->source, s->detached ? " detached" : "", s->io, s->sql, (long long)s->io_errno);
		return false;
	}
	return why[0] == '\0';
}
