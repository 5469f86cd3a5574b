/* rd_raft_lead.c — what a leader does: barrier, commands, membership, lease, hand-over. Called by the shell and by
 * rd_raft_tick.c. */
#include <stdlib.h>
#include <string.h>

#include "rd_raft_private.h"

/* --- coming and going ----------------------------------------------------------------------------------------------
 */
static void
forget_peer(struct rd_peer *p)
{
	p->heard = p->echo = p->grace = RD_NEVER;
	p->regressions = 0;
	p->catch_up = (struct rd_catch_up){0};
	p->caught_up = false;
	p->snapshot = p->offered = 0;
	p->feed = (struct rd_feed){.moved = RD_NEVER, .sent = RD_NEVER, .empty_at = UINT64_MAX};
}

void
rd_lead_won(struct rd_raft *r)
{
	r->counters.elections_won++;
	r->barrier = 0;
	r->open = false;
	r->regressed = 0;
	for (size_t i = 0; i < r->n_peers; i++)
		forget_peer(&r->peers[i]);
}

void
rd_lead_lost(struct rd_raft *r, uint64_t term)
{
	if (r->lease.term == term && r->lease.surrendered_term != term)
		r->changed |= RD_CHANGED_LEASE_LOST;
	r->leading = r->barrier = r->regressed = r->handover_to = 0;
	r->open = false;
	r->handover = RD_HANDOVER_NONE;
	for (size_t i = 0; i < r->n_peers; i++)
		forget_peer(&r->peers[i]);
}

/* --- entries -------------------------------------------------------------------------------------------------------
 */
static int
submit(struct rd_raft *r, const struct rd_raft_entry *entries, size_t n)
{
	struct raft_entry *to = mem_calloc(n, sizeof *to);
	struct rd_payload payload = {r->last_index + 1, entries, n};
	struct raft_event event = {.type = RAFT_SUBMIT, .submit = {.entries = to, .n = (unsigned)n}};
	size_t bytes = entries[0].kind == RD_KIND_CHANGE ? entries[0].data.n : 1;
	char *batch = raft_malloc(bytes);
	int rv;

	if (entries[0].kind == RD_KIND_CHANGE)
		memcpy(batch, entries[0].data.p, bytes);
	for (size_t i = 0; i < n; i++)
		to[i] = (struct raft_entry){.term = r->leading,
					    .type = (enum raft_entry_type)entries[i].kind,
					    .buf = {batch, entries[i].kind == RD_KIND_CHANGE ? bytes : 0},
					    .batch = batch};
	rv = rd_raft_step(r, &event, &payload);
	if (rv != 0)
		raft_free(batch);
	free(to);
	return rv;
}

void
rd_lead_barrier(struct rd_raft *r)
{
	struct rd_raft_entry barrier = {.term = r->leading, .kind = RD_KIND_BARRIER};

	r->barrier = r->last_index + 1;
	if (submit(r, &barrier, 1) != 0)
		rd_raft_fail(r, "raft refuses the barrier of a new term");
}

static int
check_commands(const struct rec_bin *commands, size_t n, struct err *e)
{
	if (n == 0 || n > RD_RAFT_SUBMIT_MAX)
		return err_set(e, ERR_INVALID, "%zu commands at once, at most %d", n, RD_RAFT_SUBMIT_MAX);
	for (size_t i = 0; i < n; i++)
		if (commands[i].n == 0 || commands[i].n > RD_RAFT_COMMAND_BYTES_MAX)
			return err_set(e, ERR_TOO_LARGE, "a command of %zu bytes, at least 1, at most %d",
				       commands[i].n, RD_RAFT_COMMAND_BYTES_MAX);
	return 0;
}

static int
check_leading(const struct rd_raft *r, struct err *e)
{
	if (!rd_raft_alive(r) || r->leading == 0 || r->handover == RD_HANDOVER_RUNNING)
		return err_set(e, ERR_NOT_LEADER, "this node does not lead the group");
	return 0;
}

static int
submit_commands(struct rd_raft *r, const struct rec_bin *commands, size_t n, struct err *e)
{
	struct rd_raft_entry entries[RD_RAFT_SUBMIT_MAX];
	int rc = check_commands(commands, n, e);

	if (rc == 0)
		rc = check_leading(r, e);
	if (rc != 0)
		return rc;
	if (r->unwritten_bytes > r->conf.unwritten_bytes)
		return err_set(e, ERR_BUSY, "%zu bytes wait to be written to RaftDataDir, retry", r->unwritten_bytes);
	for (size_t i = 0; i < n; i++)
		entries[i] = (struct rd_raft_entry){.term = r->leading, .kind = RD_KIND_COMMAND, .data = commands[i]};
	if (submit(r, entries, n) != 0)
		return err_set(e, ERR_NOT_LEADER, "this node does not lead the group any more");
	return 0;
}

int
rd_raft_submit(struct rd_raft *r, struct mono now, const struct rec_bin *commands, size_t n, uint64_t *ret_first,
	       uint64_t *ret_term, struct err *e)
{
	uint64_t first, term;
	int rc;

	rd_raft_enter(r, now);
	first = r->last_index + 1;
	term = r->leading;
	rc = submit_commands(r, commands, n, e);
	if (rc == 0) {
		*ret_first = first;
		*ret_term = term;
	}
	rd_raft_leave(r);
	return rc;
}

/* --- membership ----------------------------------------------------------------------------------------------------
 */
static void
fill_live(struct rd_raft *r, bool *live)
{
	for (size_t i = 0; i < r->members.n; i++) {
		struct rd_peer *p = rd_raft_peer(r, r->members.v[i].id);

		live[i] = p == NULL || rd_raft_live(r, p);
	}
}

static int
submit_members(struct rd_raft *r, const struct rd_members *m, struct err *e)
{
	struct rd_raft_entry entry = {.term = r->leading, .kind = RD_KIND_CHANGE};

	entry.data.p = r->members_bytes;
	entry.data.n = rd_members_encode(m, r->members_bytes);
	if (submit(r, &entry, 1) != 0)
		return err_set(e, ERR_BUSY, "raft refuses the change now, retry");
	return 0;
}

int
rd_lead_change(struct rd_raft *r, enum rd_member_change what, uint64_t id, const char *name, struct err *e)
{
	bool live[RD_MEMBERS_MAX];
	struct rd_change_view view = {.members = &r->members,
				      .pending = r->uncommitted_index != 0,
				      .term_open = !r->open,
				      .handing_over = r->handover != RD_HANDOVER_NONE,
				      .live = live};
	const struct rd_peer *p = rd_raft_peer(r, id);
	struct rd_members after;
	int rc = check_leading(r, e);

	if (rc != 0)
		return rc;
	fill_live(r, live);
	rc = rd_members_change(&view, what, id, name, &after, e);
	if (rc != 0)
		return rc;
	if (what == RD_CHANGE_PROMOTE && (p == NULL || !p->caught_up))
		return err_set(e, ERR_PRECONDITION, "it has not caught up yet");
	if (what == RD_CHANGE_REMOVE && id == r->conf.id)
		rd_lead_surrender(r);
	return submit_members(r, &after, e);
}

int
rd_raft_change(struct rd_raft *r, struct mono now, enum rd_member_change what, uint64_t id, const char *name,
	       struct err *e)
{
	int rc;

	rd_raft_enter(r, now);
	rc = rd_lead_change(r, what, id, name, e);
	rd_raft_leave(r);
	return rc;
}

/* --- lease ---------------------------------------------------------------------------------------------------------
 */
/* This member itself gives nobody its vote while it leads, nor afterwards before the lease has run out: its own instant
 * is now. */
struct mono
rd_lead_evidence(const struct rd_raft *r)
{
	struct mono v[RD_MEMBERS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < r->members.n; i++) {
		struct mono echo = r->now;

		if (r->members.v[i].role != RD_ROLE_VOTER)
			continue;
		for (size_t j = 0; j < r->n_peers; j++)
			if (r->peers[j].id == r->members.v[i].id)
				echo = r->peers[j].echo;
		v[n++] = echo;
	}
	return rd_lease_evidence(v, n, n / 2 + 1);
}

bool
rd_raft_lease(struct rd_raft *r, struct mono now, uint64_t *ret_term, struct mono *ret_end)
{
	struct mono end = RD_NEVER;

	rd_raft_enter(r, now);
	if (rd_raft_alive(r) && r->leading != 0)
		end = rd_lease_claim(&r->lease, r->leading, !r->open, rd_lead_evidence(r), rd_raft_election_us(r));
	*ret_term = r->leading != 0 ? r->leading : r->raft.current_term;
	*ret_end = end;
	rd_raft_leave(r);
	return mono_before(now, end);
}

struct mono
rd_raft_quorum_until(const struct rd_raft *r, struct mono now)
{
	(void)now;
	if (!rd_raft_alive(r))
		return RD_NEVER;
	return r->leading == 0 ? r->fresh_until : rd_lease_end(rd_lead_evidence(r), rd_raft_election_us(r));
}

void
rd_lead_surrender(struct rd_raft *r)
{
	if (r->lease.surrendered_term == r->leading)
		return;
	rd_lease_surrender(&r->lease, r->leading);
	r->changed |= RD_CHANGED_LEASE_LOST;
}

/* --- giving up leadership ------------------------------------------------------------------------------------------
 */
/* libraft has no event for it: a result of a later term makes any leader follow. */
void
rd_lead_depose(struct rd_raft *r)
{
	struct raft_message x = {.type = RAFT_APPEND_ENTRIES_RESULT,
				 .server_id = r->conf.id,
				 .server_address = r->name,
				 .append_entries_result = {.version = 2, .term = r->leading + 1}};
	struct raft_event event = {.type = RAFT_RECEIVE, .receive.message = &x};

	if (r->leading != 0)
		rd_raft_step(r, &event, NULL);
}

void
rd_raft_step_down(struct rd_raft *r, struct mono now, int64_t abstain_us)
{
	rd_raft_enter(r, now);
	if (rd_raft_alive(r)) {
		r->abstain_until = mono_add_us(r->now, abstain_us);
		rd_lead_depose(r);
	}
	rd_raft_leave(r);
}

/* The living voter that has most of the log, and of those the one heard from last, and of those the smallest id. */
static uint64_t
best_successor(const struct rd_raft *r)
{
	uint64_t best = 0;
	raft_index best_match = 0;
	struct mono best_heard = RD_NEVER;

	for (size_t i = 0; i < r->n_peers; i++) {
		const struct rd_peer *p = &r->peers[i];
		raft_index match = 0;

		if (!rd_raft_live(r, p) || rd_members_by_id(&r->members, p->id)->role != RD_ROLE_VOTER ||
		    raft_match_index(&r->raft, p->id, &match) != 0)
			continue;
		if (best != 0 && (match < best_match || (match == best_match && !mono_before(best_heard, p->heard))))
			continue;
		best = p->id;
		best_match = match;
		best_heard = p->heard;
	}
	return best;
}

/* The last lease has run out or nobody trusts it any more: ask the successor to campaign. */
void
rd_lead_handover(struct rd_raft *r)
{
	struct raft_event event = {.type = RAFT_TRANSFER, .transfer.server_id = r->handover_to};

	r->handover = RD_HANDOVER_RUNNING;
	r->handover_until = mono_add_us(r->now, rd_raft_election_us(r));
	if (rd_raft_step(r, &event, NULL) != 0)
		rd_lead_depose(r);
}

int
rd_lead_transfer(struct rd_raft *r, uint64_t to, struct err *e)
{
	const struct rd_member *m = rd_members_by_id(&r->members, to);
	int rc = check_leading(r, e);

	if (rc != 0)
		return rc;
	if (r->handover != RD_HANDOVER_NONE)
		return err_set(e, ERR_BUSY, "leadership is being handed over already");
	if (to == 0)
		to = best_successor(r);
	else if (m == NULL || m->role != RD_ROLE_VOTER || to == r->conf.id)
		return err_set(e, ERR_NOT_FOUND, "no other voter has the id %llu", (unsigned long long)to);
	if (to == 0)
		return err_set(e, ERR_NOT_FOUND, "no other voter is reachable");
	rd_lead_surrender(r);
	r->handover = RD_HANDOVER_DRAIN;
	r->handover_to = to;
	if (!mono_before(r->now, r->lease.end))
		rd_lead_handover(r);
	return 0;
}

int
rd_raft_transfer(struct rd_raft *r, struct mono now, uint64_t to, struct err *e)
{
	int rc;

	rd_raft_enter(r, now);
	rc = rd_lead_transfer(r, to, e);
	rd_raft_leave(r);
	return rc;
}

void
rd_raft_lease_withdrawn(struct rd_raft *r, struct mono now)
{
	rd_raft_enter(r, now);
	if (rd_raft_alive(r) && r->handover == RD_HANDOVER_DRAIN) {
		if (mono_before(r->now, r->lease.end))
			r->lease.end = r->now;
		rd_lead_handover(r);
	}
	rd_raft_leave(r);
}
