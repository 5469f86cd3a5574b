/* rd_raft_tick.c — what time does to a member: libraft's timeouts when they are due (never early: that would shrink the
 * leader's contact window), the silence after a start or a lease, hand-overs, learners that caught up. */
#include <stdlib.h>

#include "rd_raft_private.h"

static struct mono
raft_due(const struct rd_raft *r)
{
	struct mono due = {(int64_t)raft_timeout(&r->raft) * CLK_MS};

	return mono_before(due, r->not_before) ? r->not_before : due;
}

/* After a start this member may have promised a leader, in its former life, not to vote for others; before its own last
 * lease has run out it must not help another one into office. */
bool
rd_raft_silent(const struct rd_raft *r)
{
	return mono_diff_us(r->now, r->born) < rd_raft_election_us(r) || mono_before(r->now, r->lease.end);
}

/* As a candidate it would break the same promise, but for an only voter there is nobody to promise to. */
static struct mono
may_campaign(const struct rd_raft *r)
{
	struct mono from = r->abstain_until;
	struct mono silent = mono_add_us(r->born, rd_raft_election_us(r));

	if (rd_members_voters(&r->members) > 1 && mono_before(silent, r->lease.end))
		silent = r->lease.end;
	if (rd_members_voters(&r->members) > 1 && mono_before(from, silent))
		from = silent;
	return from;
}

static bool
knows_leader(const struct rd_raft *r)
{
	return r->raft.state == RAFT_FOLLOWER && r->raft.follower_state.current_leader.id != 0;
}

/* Its time as the leader's faithful follower is over although it doesn't campaign itself: otherwise libraft would go on
 * refusing everybody else. */
static void
forget_leader(struct rd_raft *r)
{
	if (!knows_leader(r))
		return;
	r->raft.follower_state.current_leader.id = 0;
	raft_free(r->raft.follower_state.current_leader.address);
	r->raft.follower_state.current_leader.address = NULL;
}

/* Each attempt begins with a pre-vote. libraft would keep the leave to disrupt a leader that a hand-over gave, long
 * after it ended, and could depose the next leader inside its lease; and it would raise terms in isolation. */
static void
begin_modestly(struct rd_raft *r)
{
	if (r->raft.state != RAFT_CANDIDATE)
		return;
	r->raft.candidate_state.disrupt_leader = false;
	r->raft.candidate_state.in_pre_vote = true;
}

static void
timeout(struct rd_raft *r)
{
	struct raft_event event = {.type = RAFT_TIMEOUT};

	if (mono_before(r->now, raft_due(r)))
		return;
	if (r->leading == 0 && mono_before(r->now, may_campaign(r))) {
		forget_leader(r);
		return;
	}
	begin_modestly(r);
	rd_raft_step(r, &event, NULL);
	forget_leader(r);
	if (rd_raft_alive(r) && !mono_before(r->now, raft_due(r))) /* libraft.md 5.6 */
		r->not_before = mono_add_us(r->now, r->conf.heartbeat_ms * CLK_MS);
}

static void
watch_handover(struct rd_raft *r)
{
	if (r->handover == RD_HANDOVER_DRAIN && !mono_before(r->now, r->lease.end))
		rd_lead_handover(r);
	else if (r->handover == RD_HANDOVER_RUNNING &&
		 (!mono_before(r->now, r->handover_until) || raft_transferee(&r->raft) == 0))
		rd_lead_depose(r);
}

static struct mono
slow_at(const struct rd_raft *r)
{
	return r->n_waits == 0 ? (struct mono){INT64_MAX} : mono_add_us(r->waits[0].since, rd_raft_election_us(r));
}

/* A leader whose disk hangs makes everybody wait: another one can lead. */
static void
watch_disk(struct rd_raft *r)
{
	struct err e;

	if (r->leading != 0 && r->handover == RD_HANDOVER_NONE && !mono_before(r->now, slow_at(r)) &&
	    rd_lead_transfer(r, 0, &e) == 0)
		r->counters.slow_writes++;
}

static void
watch_learners(struct rd_raft *r)
{
	struct err e;

	for (size_t i = 0; r->open && i < r->n_peers; i++) {
		struct rd_peer *p = &r->peers[i];
		raft_index match = 0;

		if (rd_members_by_id(&r->members, p->id)->role != RD_ROLE_LEARNER || !rd_raft_live(r, p) ||
		    raft_match_index(&r->raft, p->id, &match) != 0)
			continue;
		p->caught_up = rd_catch_up_step(&p->catch_up, match, r->last_index, r->now, rd_raft_election_us(r));
		if (p->caught_up && r->uncommitted_index == 0 &&
		    rd_lead_change(r, RD_CHANGE_PROMOTE, p->id, NULL, &e) == 0)
			return;
	}
}

void
rd_raft_tick(struct rd_raft *r, struct mono now)
{
	rd_raft_enter(r, now);
	if (rd_raft_alive(r))
		watch_handover(r);
	if (rd_raft_alive(r))
		timeout(r);
	if (rd_raft_alive(r))
		watch_disk(r);
	if (rd_raft_alive(r))
		watch_learners(r);
	rd_raft_leave(r);
}

static struct mono
earlier(struct mono a, struct mono b)
{
	return mono_before(b, a) ? b : a;
}

struct mono
rd_raft_deadline(const struct rd_raft *r)
{
	struct mono at = {INT64_MAX};

	if (!rd_raft_alive(r))
		return at;
	at = raft_due(r);
	if (r->leading == 0 && mono_before(at, may_campaign(r)) && !knows_leader(r))
		at = may_campaign(r);
	if (r->handover == RD_HANDOVER_DRAIN)
		at = earlier(at, r->lease.end);
	if (r->handover == RD_HANDOVER_RUNNING)
		at = earlier(at, r->handover_until);
	if (r->leading != 0 && r->handover == RD_HANDOVER_NONE && mono_before(r->now, slow_at(r)))
		at = earlier(at, slow_at(r));
	if (r->notice_at.us != RD_NEVER.us)
		at = earlier(at, r->notice_at);
	return at;
}
