/* rd_raft_feed.c — entries on their way to followers. libraft says "this follower should have entries a to b"; here
 * that becomes messages bounded in bytes, with a bounded part unanswered, filled from the cache or, for a follower far
 * behind, from the log. Also the snapshot offers, of which libraft makes too many.
 *
 * A feed that got out of step (loss, restart of the follower) needs no cleverness: libraft hears the rejection, offers
 * from the right place again, and an offer that doesn't continue the feed begins a new one. */
#include <string.h>

#include "rd_raft_private.h"

void
rd_feed_reset(struct rd_feed *f)
{
	f->start = f->next = f->end = f->read_ticket = 0;
	f->n_flights = f->flight_bytes = 0;
	f->empty_at = UINT64_MAX;
}

static void
begin(struct rd_feed *f, uint64_t prev, uint64_t prev_term, struct mono now)
{
	rd_feed_reset(f);
	f->start = f->next = f->end = prev + 1;
	f->anchor_term = prev_term;
	f->moved = now;
}

/* The commit index, as far as it concerns what was sent. */
static uint64_t
tellable(const struct rd_raft *r, const struct rd_feed *f)
{
	return (uint64_t)min_i64((int64_t)raft_commit_index(&r->raft), (int64_t)f->next - 1);
}

static void
send_batch(struct rd_raft *r, struct rd_peer *p, const struct rd_raft_entry *entries, size_t n)
{
	struct rd_feed *f = &p->feed;
	const struct rd_member *to = rd_members_by_id(&r->members, p->id);
	struct rd_raft_msg m;

	rec_init(&rd_raft_msg_desc, &m);
	m.type = RD_MSG_APPEND;
	m.term = r->leading;
	m.log_index = f->next - 1;
	m.log_term = f->anchor_term;
	m.commit = raft_commit_index(&r->raft);
	m.sent_us = r->now.us;
	m.fresh = mono_before(r->now, rd_lease_end(rd_lead_evidence(r), rd_raft_election_us(r)));
	m.entries.v = (struct rd_raft_entry *)(uintptr_t)entries;
	m.entries.n = n;
	f->sent = r->now;
	f->commit = (uint64_t)min_i64((int64_t)m.commit, (int64_t)(m.log_index + n));
	f->empty_at = n == 0 ? m.log_index : UINT64_MAX;
	rd_raft_emit(r, p->id, to->name, &m, false);
}

static void
took_off(struct rd_raft *r, struct rd_feed *f, const struct rd_raft_entry *entries, size_t n)
{
	size_t bytes = 0;

	for (size_t i = 0; i < n; i++)
		bytes += entries[i].data.n;
	if (f->n_flights == 0)
		f->moved = r->now;
	f->next += n;
	f->anchor_term = entries[n - 1].term;
	f->flight[f->n_flights].last = f->next - 1;
	f->flight[f->n_flights++].bytes = bytes;
	f->flight_bytes += bytes;
}

/* As many entries as fit a batch, from the cache into room; 0: the first isn't there. */
static size_t
gather(const struct rd_raft *r, const struct rd_feed *f, struct rd_raft_entry *room)
{
	size_t n = 0, bytes = 0;

	for (uint64_t i = f->next; i < f->end && n < RD_INFLIGHT_ENTRIES; i++, n++) {
		const struct rd_raft_entry *entry = rd_raft_cache_get(&r->cache, i);

		if (entry == NULL || (n > 0 && bytes + entry->data.n > r->conf.batch_bytes))
			break;
		bytes += entry->data.n;
		room[n] = *entry;
	}
	return n;
}

static void
ask_log(struct rd_raft *r, struct rd_feed *f)
{
	struct rd_raft_read q = {.first = f->next, .last = f->end - 1, .max_bytes = r->conf.batch_bytes};

	if (q.last - q.first >= RD_INFLIGHT_ENTRIES)
		q.last = q.first + RD_INFLIGHT_ENTRIES - 1;
	q.ticket = f->read_ticket = rd_raft_next_ticket(r);
	r->counters.disk_reads++;
	r->out.read(r->out.ctx, &q);
}

static void
pump(struct rd_raft *r, struct rd_peer *p)
{
	struct rd_raft_entry room[RD_INFLIGHT_ENTRIES];
	struct rd_feed *f = &p->feed;

	while (f->next < f->end && f->read_ticket == 0 && f->n_flights < RD_FLIGHTS_MAX &&
	       f->flight_bytes < 4 * r->conf.batch_bytes) {
		size_t n = gather(r, f, room);

		if (n == 0) {
			ask_log(r, f);
			break;
		}
		send_batch(r, p, room, n);
		took_off(r, f, room, n);
	}
}

/* libraft repeats itself for a follower it can't send entries to: one message per anchor and half a heartbeat will do.
 */
static void
send_empty(struct rd_raft *r, struct rd_peer *p)
{
	struct rd_feed *f = &p->feed;

	if (f->empty_at == f->next - 1 && f->commit >= tellable(r, f) &&
	    mono_diff_us(r->now, f->sent) < r->conf.heartbeat_ms * CLK_MS / 2)
		return;
	send_batch(r, p, NULL, 0);
}

/* The same offer again while the first is being answered: libraft probes at each heartbeat. */
static bool
is_repetition(const struct rd_raft *r, const struct rd_feed *f, uint64_t first)
{
	return f->next != 0 && first == f->start && (f->n_flights > 0 || f->read_ticket != 0) &&
	       mono_diff_us(r->now, f->moved) < rd_raft_election_us(r);
}

static void
offer(struct rd_raft *r, struct rd_peer *p, const struct raft_append_entries *a)
{
	struct rd_feed *f = &p->feed;
	uint64_t first = a->prev_log_index + 1;
	uint64_t sent_upto;

	if (f->next == 0 || (first != f->end && !is_repetition(r, f, first)))
		begin(f, a->prev_log_index, a->prev_log_term, r->now);
	if (first + a->n_entries > f->end)
		f->end = first + a->n_entries;
	sent_upto = f->next;
	pump(r, p);
	/* a full window or a slow read must not look like silence */
	if (f->next == sent_upto &&
	    (a->n_entries == 0 || mono_diff_us(r->now, f->sent) >= r->conf.heartbeat_ms * CLK_MS))
		send_empty(r, p);
}

void
rd_feed_offer(struct rd_raft *r, const struct raft_message *x)
{
	struct rd_peer *p = rd_raft_peer(r, x->server_id);

	if (p != NULL && r->leading != 0)
		offer(r, p, &x->append_entries);
}

void
rd_feed_answered(struct rd_raft *r, struct rd_peer *p, uint64_t last)
{
	struct rd_feed *f = &p->feed;
	size_t done = 0;

	while (done < f->n_flights && f->flight[done].last <= last)
		f->flight_bytes -= f->flight[done++].bytes;
	if (done == 0)
		return;
	f->n_flights -= done;
	memmove(f->flight, f->flight + done, f->n_flights * sizeof f->flight[0]);
	f->moved = r->now;
	pump(r, p);
}

bool
rd_feed_read_done(struct rd_raft *r, uint64_t ticket, uint64_t first, const struct rd_raft_entry *entries, size_t n)
{
	for (size_t i = 0; i < r->n_peers; i++) {
		struct rd_peer *p = &r->peers[i];
		struct rd_feed *f = &p->feed;

		if (f->read_ticket != ticket)
			continue;
		f->read_ticket = 0;
		if (n == 0 || first != f->next || n > f->end - f->next) {
			rd_feed_reset(f);
			return true;
		}
		send_batch(r, p, entries, n);
		took_off(r, f, entries, n);
		pump(r, p);
		return true;
	}
	return false;
}

/* Followers hear of a commit with the next message; when there is none, they are told at a moderate pace instead of at
 * the next heartbeat, for clients wait for it. */
void
rd_feed_notice(struct rd_raft *r)
{
	r->notice_at = RD_NEVER;
	for (size_t i = 0; r->leading != 0 && i < r->n_peers; i++) {
		struct rd_peer *p = &r->peers[i];
		struct rd_feed *f = &p->feed;
		struct mono due = mono_add_us(f->sent, RD_NOTICE_US);

		if (f->next == 0 || f->next != f->end || f->commit >= tellable(r, f) || !rd_raft_live(r, p))
			continue;
		if (!mono_before(r->now, due))
			send_batch(r, p, NULL, 0);
		else if (r->notice_at.us == RD_NEVER.us || mono_before(due, r->notice_at))
			r->notice_at = due;
	}
}

/* While bytes of a snapshot are under way the follower goes on rejecting, and libraft begins anew at each rejection. */
void
rd_feed_snapshot(struct rd_raft *r, const struct raft_message *x)
{
	const struct raft_install_snapshot *a = &x->install_snapshot;
	struct rd_peer *p = rd_raft_peer(r, x->server_id);
	struct rd_raft_msg m;

	if (p == NULL)
		return;
	p->offered = a->last_index;
	if (r->snapshot.index != a->last_index)
		return;
	if (p->snapshot != 0 && mono_before(r->now, p->grace))
		return;
	p->snapshot = a->last_index;
	p->grace = mono_add_us(r->now, RD_SNAPSHOT_WAY_US);
	r->counters.snapshots_offered++;
	rec_init(&rd_raft_msg_desc, &m);
	m.type = RD_MSG_SNAPSHOT;
	m.term = r->leading;
	m.sent_us = r->now.us;
	m.snapshot = r->snapshot;
	rd_raft_emit(r, p->id, x->server_address, &m, true);
}
