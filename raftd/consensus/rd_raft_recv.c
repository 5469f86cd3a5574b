/* rd_raft_recv.c — received messages: the guards of libraft.md section 5, then libraft. Nothing gets past here that
 * libraft only asserts. Called by the shell for each message of an authenticated peer. */
#include <stdlib.h>
#include <string.h>

#include "rd_raft_private.h"

struct rd_received {
	const char *from_name;
	const struct rd_raft_msg *m;
};

static int
receive(struct rd_raft *r, const struct rd_received *in, struct raft_message *x, const struct rd_payload *payload)
{
	struct raft_event event = {.type = RAFT_RECEIVE, .receive.message = x};

	x->server_id = in->m->from;
	x->server_address = in->from_name;
	return rd_raft_step(r, &event, payload);
}

/* Two leaders in one term: never, unless a directory was copied or a vote was lost. */
static bool
rival(struct rd_raft *r, const struct rd_raft_msg *m)
{
	if (r->leading == 0 || m->term != r->leading)
		return false;
	r->counters.malformed++;
	return true;
}

/* --- from a leader -------------------------------------------------------------------------------------------------
 */
/* Before the step, for its result carries the echo. libraft accepts the leader of any term that isn't over. */
static void
hear_leader(struct rd_raft *r, const struct rd_raft_msg *m)
{
	if (m->term < r->raft.current_term)
		return;
	if (r->echo.term != m->term || r->echo.from != m->from) {
		r->echo.term = m->term;
		r->echo.from = m->from;
		r->echo.sent_us = 0;
	}
	r->echo.sent_us = max_i64(r->echo.sent_us, m->sent_us);
	r->last_contact = r->now;
	if (m->fresh)
		r->fresh_until = mono_add_us(r->now, 2 * rd_raft_election_us(r));
}

/* libraft wants all payloads in one block that it may free; only configurations are looked at, the others stay with us.
 */
static struct raft_entry *
entries_for_raft(const struct rd_raft_entry *from, size_t n)
{
	struct raft_entry *to = mem_calloc(n, sizeof *to);
	size_t bytes = 1, at = 0;
	char *batch;

	for (size_t i = 0; i < n; i++)
		bytes += from[i].kind == RD_KIND_CHANGE ? from[i].data.n : 0;
	batch = raft_malloc(bytes);
	for (size_t i = 0; i < n; i++) {
		to[i] = (struct raft_entry){.term = from[i].term,
					    .type = (enum raft_entry_type)from[i].kind,
					    .buf.base = batch,
					    .batch = batch};
		if (from[i].kind != RD_KIND_CHANGE)
			continue;
		to[i].buf = (struct raft_buffer){batch + at, from[i].data.n};
		memcpy(batch + at, from[i].data.p, from[i].data.n);
		at += from[i].data.n;
	}
	return to;
}

static int
append_piece(struct rd_raft *r, const struct rd_received *in, size_t from, size_t n)
{
	const struct rd_raft_msg *m = in->m;
	const struct rd_raft_entry *entries = n == 0 ? NULL : m->entries.v + from;
	struct rd_payload payload = {m->log_index + 1 + from, entries, n};
	struct raft_message x = {.type = RAFT_APPEND_ENTRIES,
				 .append_entries = {.term = m->term,
						    .prev_log_index = m->log_index + from,
						    .prev_log_term = from == 0 ? m->log_term : entries[-1].term,
						    .leader_commit = m->commit,
						    .n_entries = (unsigned)n}};
	int rv;

	if (n > 0)
		x.append_entries.entries = entries_for_raft(entries, n);
	rv = receive(r, in, &x, &payload);
	free(x.append_entries.entries);
	return rv;
}

/* Guard 3: libraft records the index of a batch's first entry for a configuration anywhere in it, so each configuration
 * begins a piece. */
static size_t
piece_end(const struct rd_raft_msg *m, size_t from)
{
	size_t end = from + 1;

	while (end < m->entries.n && m->entries.v[end].kind != RD_KIND_CHANGE)
		end++;
	return end;
}

static void
on_append(struct rd_raft *r, const struct rd_received *in)
{
	size_t from = 0;

	if (rival(r, in->m))
		return;
	hear_leader(r, in->m);
	do {
		size_t end = in->m->entries.n == 0 ? 0 : piece_end(in->m, from);

		if (append_piece(r, in, from, end - from) != 0)
			return;
		from = end;
	} while (from < in->m->entries.n && rd_raft_alive(r));
}

static void
on_snapshot(struct rd_raft *r, const struct rd_received *in)
{
	const struct rd_raft_snapshot *s = &in->m->snapshot;
	struct raft_message x = {
	    .type = RAFT_INSTALL_SNAPSHOT,
	    .install_snapshot = {
		.term = in->m->term, .last_index = s->index, .last_term = s->term, .conf_index = s->members_index}};
	struct rd_members members;
	struct err e;

	/* while one is being installed libraft would leak the second */
	if (!rival(r, in->m) && !r->installing && s->index > r->applied &&
	    rd_members_decode(s->members.p, s->members.n, &members, &e) == 0 &&
	    rd_raft_conf_make(&members, &x.install_snapshot.conf) == 0) {
		hear_leader(r, in->m);
		rec_assign(&rd_raft_snapshot_desc, &r->install, s);
		receive(r, in, &x, NULL);
		if (r->installing)
			return;
	}
	r->out.drop_snapshot(r->out.ctx, s);
}

static void
on_timeout_now(struct rd_raft *r, const struct rd_received *in)
{
	struct raft_message x = {
	    .type = RAFT_TIMEOUT_NOW,
	    .timeout_now = {.term = in->m->term, .last_log_index = in->m->log_index, .last_log_term = in->m->log_term}};

	if (rd_raft_silent(r))
		r->counters.silent_dropped++;
	else
		receive(r, in, &x, NULL);
}

/* --- from a follower -----------------------------------------------------------------------------------------------
 */
/* Guard 1: a member that has less than it had acknowledged in this term has lost its disk. libraft would wrap around.
 */
static bool
regressed(struct rd_raft *r, struct rd_peer *p, const struct rd_raft_msg *m, uint64_t match)
{
	/* what it still has: libraft caps it likewise */
	uint64_t has = (uint64_t)min_i64((int64_t)m->log_index, (int64_t)m->rejected - 1);

	if (m->rejected == 0 || m->rejected < match || has >= match)
		return false;
	r->counters.regressions++;
	if (++p->regressions == RD_REGRESSIONS_TO_TELL) {
		r->regressed = p->id;
		r->changed |= RD_CHANGED_REGRESSED;
	}
	return true;
}

static bool
hear_follower(struct rd_raft *r, struct rd_peer *p, const struct rd_raft_msg *m)
{
	raft_index match = 0;

	if (raft_match_index(&r->raft, p->id, &match) != 0 || regressed(r, p, m, match))
		return false;
	p->heard = r->now;
	if (m->echo_us > 0 && m->echo_us <= r->now.us && mono_before(p->echo, (struct mono){m->echo_us}))
		p->echo = (struct mono){m->echo_us};
	if (m->rejected > match)
		rd_feed_reset(&p->feed); /* what was under way is lost, libraft offers again */
	if (m->rejected == 0) {
		p->regressions = 0;
		if (p->snapshot != 0 && m->log_index >= p->snapshot)
			p->snapshot = 0; /* it has it */
		rd_feed_answered(r, p, m->log_index);
	}
	return true;
}

/* While libraft has a snapshot in mind for a follower, its heartbeats are anchored to the newest one, but it takes only
 * the rejection of the one it offered for a sign that this has failed. When a newer one was taken meanwhile, and nothing is
 * under way any more, it would wait for ever. */
static uint64_t
rejection(const struct rd_raft *r, struct rd_peer *p, const struct rd_raft_msg *m)
{
	bool under_way = p->snapshot != 0 && mono_before(r->now, p->grace);
	uint64_t offered = p->offered;

	if (m->rejected == 0 || under_way || m->rejected != r->snapshot.index || m->log_index >= offered)
		return m->rejected;
	p->offered = 0; /* once: perhaps libraft waits for nothing */
	return offered;
}

static void
on_append_result(struct rd_raft *r, const struct rd_received *in)
{
	const struct rd_raft_msg *m = in->m;
	struct rd_peer *p = rd_raft_peer(r, m->from);
	struct raft_message x = {
	    .type = RAFT_APPEND_ENTRIES_RESULT,
	    .append_entries_result = {
		.version = 2, .term = m->term, .rejected = m->rejected, .last_log_index = m->log_index}};

	if (r->leading == 0 || (m->term == r->leading && (p == NULL || !hear_follower(r, p, m))))
		return;
	if (p != NULL)
		x.append_entries_result.rejected = rejection(r, p, m);
	receive(r, in, &x, NULL);
}

/* --- elections -----------------------------------------------------------------------------------------------------
 */
static struct raft_server *
self_in_configuration(struct rd_raft *r)
{
	for (unsigned i = 0; i < r->raft.configuration.n; i++)
		if (r->raft.configuration.servers[i].id == r->conf.id)
			return &r->raft.configuration.servers[i];
	return NULL;
}

/* libraft's learners don't vote. But a learner may have been promoted by an entry that is committed without it: whoever
 * asks counts it as a voter, and without its vote the group would stand still although a majority is there. Votes don't
 * depend on the voter's own configuration (thesis 4.2.2); a candidate asks only who is a voter in its own. */
static void
receive_as_voter(struct rd_raft *r, const struct rd_received *in, struct raft_message *x)
{
	struct raft_server *self = self_in_configuration(r);
	int role = self == NULL ? RAFT_VOTER : self->role;

	if (self != NULL)
		self->role = RAFT_VOTER;
	receive(r, in, x, NULL);
	self = self_in_configuration(r);
	if (self != NULL)
		self->role = role;
}

static void
on_vote(struct rd_raft *r, const struct rd_received *in)
{
	const struct rd_raft_msg *m = in->m;
	struct raft_message x = {.type = RAFT_REQUEST_VOTE,
				 .request_vote = {.version = 2,
						  .term = m->term,
						  .candidate_id = m->from,
						  .last_log_index = m->log_index,
						  .last_log_term = m->log_term,
						  .disrupt_leader = m->disrupt,
						  .pre_vote = m->pre_vote}};

	if (rd_raft_silent(r))
		r->counters.silent_dropped++;
	else
		receive_as_voter(r, in, &x);
}

static void
on_vote_result(struct rd_raft *r, const struct rd_received *in)
{
	const struct rd_raft_msg *m = in->m;
	struct raft_message x = {
	    .type = RAFT_REQUEST_VOTE_RESULT,
	    .request_vote_result = {
		.version = 2, .term = m->term, .vote_granted = m->granted, .pre_vote = m->pre_vote}};

	/* otherwise libraft reads the candidate's part of a union that is something else (libraft.md section 2) */
	if (r->raft.state != RAFT_CANDIDATE)
		return;
	if (m->granted && m->term > r->raft.current_term + m->pre_vote)
		r->counters.malformed++; /* nobody asked for it */
	else
		receive(r, in, &x, NULL);
}

/* -------------------------------------------------------------------------------------------------------------------
 */
static void
dispatch(struct rd_raft *r, const struct rd_received *in)
{
	static void (*const handlers[RD_MSG_TYPE_COUNT])(struct rd_raft * r, const struct rd_received *in) = {
	    [RD_MSG_APPEND] = on_append,     [RD_MSG_APPEND_RESULT] = on_append_result,
	    [RD_MSG_VOTE] = on_vote,	     [RD_MSG_VOTE_RESULT] = on_vote_result,
	    [RD_MSG_SNAPSHOT] = on_snapshot, [RD_MSG_TIMEOUT_NOW] = on_timeout_now,
	};

	handlers[in->m->type](r, in);
}

void
rd_raft_received(struct rd_raft *r, struct mono now, const char *from_name, const struct rd_raft_msg *m)
{
	struct rd_received in = {from_name, m};
	struct err e;
	uint64_t *refused = m->to != r->conf.id ? &r->counters.misaddressed : &r->counters.malformed;

	rd_raft_enter(r, now);
	if (rd_raft_alive(r) && m->to == r->conf.id && rd_raft_msg_check(m, &e) == 0) {
		dispatch(r, &in);
	} else {
		*refused += rd_raft_alive(r);
		if (m->type == RD_MSG_SNAPSHOT)
			r->out.drop_snapshot(r->out.ctx, &m->snapshot);
	}
	rd_raft_leave(r);
}
