/* rd_raft_apply.c — committed entries to the state in order, entries read back from the log, and snapshots taken and
 * installed. Only what is durable here is applied: a follower's commit index may be ahead of its disk (libraft.md 5.8).
 */
#include <string.h>

#include "rd_raft_private.h"

#define REPLAY_BYTES ((size_t)1 << 20)

static uint64_t
limit(const struct rd_raft *r)
{
	return r->installing ? 0 : (uint64_t)min_i64((int64_t)r->raft.commit_index, (int64_t)r->raft.last_stored);
}

static const struct rd_raft_entry *
next_entry(const struct rd_raft *r)
{
	const struct rd_raft_entry *entry = rd_raft_cache_get(&r->cache, r->applied + 1);

	return entry != NULL ? entry : rd_raft_cache_get(&r->replay, r->applied + 1);
}

bool
rd_raft_apply_ready(const struct rd_raft *r)
{
	return rd_raft_alive(r) && r->applied < limit(r) && (r->replay_ticket == 0 || next_entry(r) != NULL);
}

static void
read_back(struct rd_raft *r)
{
	struct rd_raft_read q = {.first = r->applied + 1, .last = limit(r), .max_bytes = REPLAY_BYTES};

	if (r->replay_ticket != 0)
		return;
	if (q.last - q.first >= RD_RAFT_MSG_ENTRIES_MAX)
		q.last = q.first + RD_RAFT_MSG_ENTRIES_MAX - 1;
	q.ticket = r->replay_ticket = rd_raft_next_ticket(r);
	r->counters.disk_reads++;
	rd_raft_cache_clear(&r->replay);
	r->out.read(r->out.ctx, &q);
}

void
rd_replay_read_done(struct rd_raft *r, uint64_t first, const struct rd_raft_entry *entries, size_t n)
{
	r->replay_ticket = 0;
	ASSERT(n == 0 || first == r->applied + 1);
	if (n == 0)
		rd_raft_fail(r, "entry %llu was committed but is not in the log any more",
			     (unsigned long long)r->applied + 1);
	for (size_t i = 0; i < n; i++)
		rd_raft_cache_put(&r->replay, first + i, &entries[i]);
}

static void
apply_members(struct rd_raft *r, uint64_t index, const struct rd_raft_entry *entry)
{
	struct raft_event event = {.type = RAFT_CONFIGURATION, .configuration.index = index};
	struct err e;

	if (rd_members_decode(entry->data.p, entry->data.n, &r->applied_members, &e) != 0 ||
	    rd_raft_conf_make(&r->applied_members, &event.configuration.conf) != 0) {
		rd_raft_fail(r, "entry %llu: %s", (unsigned long long)index, e.msg);
		return;
	}
	r->applied_members_index = index;
	rd_raft_step(r, &event, NULL); /* takes the configuration */
	rd_raft_sync_members(r, false);
	r->changed |= RD_CHANGED_MEMBERS;
}

static void
apply_one(struct rd_raft *r, const struct rd_raft_entry *entry)
{
	uint64_t index = ++r->applied;

	r->applied_term = entry->term;
	r->out.apply(r->out.ctx, index, entry);
	if (entry->kind == RD_KIND_CHANGE)
		apply_members(r, index, entry);
	if (r->leading != 0 && r->barrier == index) {
		r->open = true;
		r->changed |= RD_CHANGED_OPEN;
	}
}

void
rd_raft_apply(struct rd_raft *r, struct mono now, size_t max_bytes)
{
	size_t bytes = 0;

	rd_raft_enter(r, now);
	while (rd_raft_alive(r) && r->applied < limit(r) && (bytes == 0 || bytes < max_bytes)) {
		const struct rd_raft_entry *entry = next_entry(r);

		if (entry == NULL) {
			read_back(r);
			break;
		}
		bytes += entry->data.n + 1;
		apply_one(r, entry);
	}
	if (r->replay.n > 0 && r->applied >= r->replay.first + r->replay.n - 1)
		rd_raft_cache_clear(&r->replay);
	rd_raft_leave(r);
}

void
rd_raft_read_done(struct rd_raft *r, struct mono now, uint64_t ticket, uint64_t first,
		  const struct rd_raft_entry *entries, size_t n)
{
	rd_raft_enter(r, now);
	if (rd_raft_alive(r) && ticket == r->replay_ticket)
		rd_replay_read_done(r, first, entries, n);
	else if (rd_raft_alive(r) && r->leading != 0)
		rd_feed_read_done(r, ticket, first, entries, n);
	rd_raft_leave(r);
}

/* --- snapshots -----------------------------------------------------------------------------------------------------
 */
bool
rd_raft_snapshot_begin(struct rd_raft *r, struct rd_raft_snapshot *ret)
{
	if (!rd_raft_alive(r) || r->applied <= r->snapshot.index || r->installing)
		return false;
	rec_init(&rd_raft_snapshot_desc, ret);
	ret->index = r->applied;
	ret->term = r->applied_term;
	ret->members_index = r->applied_members_index;
	ret->members.p = r->members_bytes;
	ret->members.n = rd_members_encode(&r->applied_members, r->members_bytes);
	return true;
}

static bool
tell_snapshot(struct rd_raft *r, const struct rd_raft_snapshot *s)
{
	struct raft_event event = {.type = RAFT_SNAPSHOT, .snapshot.trailing = (unsigned)r->conf.trailing};
	struct rd_members members;
	struct err e;

	event.snapshot.metadata.index = s->index;
	event.snapshot.metadata.term = s->term;
	event.snapshot.metadata.configuration_index = s->members_index;
	return rd_members_decode(s->members.p, s->members.n, &members, &e) == 0 &&
	       rd_raft_conf_make(&members, &event.snapshot.metadata.configuration) == 0 &&
	       rd_raft_step(r, &event, NULL) == 0;
}

void
rd_raft_snapshot_taken(struct rd_raft *r, struct mono now, const struct rd_raft_snapshot *s)
{
	struct rd_raft_write w = {.snapshot = &r->snapshot};

	rd_raft_enter(r, now);
	/* a received one may have overtaken it; libraft wants neither the same twice nor one it has no entry of */
	if (rd_raft_alive(r) && !r->installing && s->index > r->snapshot.index && s->index <= r->applied &&
	    tell_snapshot(r, s)) {
		rec_assign(&rd_raft_snapshot_desc, &r->snapshot, s);
		if (s->index > r->conf.trailing && s->index - r->conf.trailing >= r->log_first) {
			w.compact_to = s->index - r->conf.trailing;
			r->log_first = w.compact_to + 1;
		}
		rd_raft_write(r, &w);
	}
	rd_raft_leave(r);
}

void
rd_raft_snapshot_sent(struct rd_raft *r, struct mono now, uint64_t to, uint64_t index, bool ok)
{
	struct rd_peer *p;

	rd_raft_enter(r, now);
	p = rd_raft_peer(r, to);
	if (p != NULL && p->snapshot == index && ok)
		p->grace = mono_add_us(r->now, RD_INSTALL_GRACE_US);
	else if (p != NULL && p->snapshot == index)
		p->snapshot = 0;
	rd_raft_leave(r);
}

/* The received snapshot is durable. libraft answers the leader in this step. */
void
rd_raft_installed(struct rd_raft *r)
{
	struct raft_event event = {.type = RAFT_PERSISTED_SNAPSHOT, .persisted_snapshot.last = true};
	struct rd_raft_snapshot *s = &r->install;
	struct err e;

	event.persisted_snapshot.metadata = r->install_meta;
	r->installing = false;
	r->applied = s->index;
	r->applied_term = s->term;
	r->applied_members_index = s->members_index;
	if (rd_members_decode(s->members.p, s->members.n, &r->applied_members, &e) != 0)
		rd_raft_fail(r, "snapshot: %s", e.msg);
	r->log_first = s->index + 1;
	rec_assign(&rd_raft_snapshot_desc, &r->snapshot, s);
	r->out.install_snapshot(r->out.ctx, s);
	rd_raft_step(r, &event, NULL);
	rd_raft_sync_members(r, true);
}
