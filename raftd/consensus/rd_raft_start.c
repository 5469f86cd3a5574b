/* rd_raft_start.c — what a store holds becomes a member again. Bytes of a disk are not trusted further than libraft's
 * assertions reach: whatever contradicts itself is refused with a text that says what. */
#include <stdlib.h>
#include <string.h>

#include "rd_raft_private.h"

static uint64_t
last_of(const struct rd_raft_start *s)
{
	if (s->n_entries > 0)
		return s->first_index + s->n_entries - 1;
	return s->snapshot != NULL ? s->snapshot->index : 0;
}

static int
check_entries(const struct rd_raft_start *s, struct err *e)
{
	uint64_t term = 1;

	for (size_t i = 0; i < s->n_entries; i++) {
		const struct rd_raft_entry *x = &s->entries[i];
		unsigned long long index = s->first_index + i;
		struct rd_members members;

		if (x->term < term || x->term > s->term || x->kind < RD_KIND_COMMAND || x->kind > RD_KIND_CHANGE)
			return err_set(e, ERR_DB_CORRUPT, "entry %llu: impossible term or kind", index);
		if (x->kind == RD_KIND_CHANGE && rd_members_decode(x->data.p, x->data.n, &members, e) != 0)
			return err_set(e, ERR_DB_CORRUPT, "entry %llu: unreadable configuration", index);
		term = x->term;
	}
	return 0;
}

static int
check_snapshot(const struct rd_raft_start *s, struct err *e)
{
	const struct rd_raft_snapshot *snap = s->snapshot;
	struct rd_members members;

	if (snap->index == 0 || snap->term == 0 || snap->term > s->term || snap->members_index == 0 ||
	    snap->members_index > snap->index || rd_members_decode(snap->members.p, snap->members.n, &members, e) != 0)
		return err_set(e, ERR_DB_CORRUPT, "snapshot: impossible term, index or configuration");
	if (s->n_entries > 0 && (s->first_index == 0 || s->first_index > snap->index + 1 || last_of(s) < snap->index))
		return err_set(e, ERR_DB_CORRUPT, "log and snapshot don't meet");
	if (s->n_entries > 0 && s->first_index <= snap->index &&
	    s->entries[snap->index - s->first_index].term != snap->term)
		return err_set(e, ERR_DB_CORRUPT, "log and snapshot disagree about entry %llu",
			       (unsigned long long)snap->index);
	return 0;
}

static int
check(const struct rd_raft_start *s, struct err *e)
{
	int rc = 0;

	if (s->term == 0 && (s->vote != 0 || s->snapshot != NULL || s->n_entries > 0))
		return err_set(e, ERR_DB_CORRUPT, "a vote or a log, but no term");
	if (s->snapshot != NULL)
		rc = check_snapshot(s, e);
	else if (s->n_entries > 0 && (s->first_index != 1 || s->entries[0].kind != RD_KIND_CHANGE))
		rc = err_set(e, ERR_DB_CORRUPT, "the log doesn't begin with the founding configuration");
	if (rc == 0)
		rc = check_entries(s, e);
	if (rc == 0 && (s->applied > last_of(s) || (s->snapshot != NULL && s->applied < s->snapshot->index)))
		rc = err_set(e, ERR_DB_CORRUPT, "state as of entry %llu doesn't fit the log",
			     (unsigned long long)s->applied);
	return rc;
}

/* Only terms, kinds and configurations interest libraft; the array stays ours. */
static struct raft_entry *
raft_entries(const struct rd_raft_start *s)
{
	struct raft_entry *to = mem_calloc(s->n_entries + 1, sizeof *to);

	for (size_t i = 0; i < s->n_entries; i++) {
		to[i].term = s->entries[i].term;
		to[i].type = (enum raft_entry_type)s->entries[i].kind;
		if (s->entries[i].kind == RD_KIND_CHANGE)
			to[i].buf = (struct raft_buffer){(void *)(uintptr_t)s->entries[i].data.p, s->entries[i].data.n};
	}
	return to;
}

static bool
is_loaded(const struct rd_raft_entry *x)
{
	return x->data.p != NULL || x->kind == RD_KIND_BARRIER;
}

static void
fill_cache(struct rd_raft *r, const struct rd_raft_start *s)
{
	size_t from = s->n_entries;

	while (from > 0 && is_loaded(&s->entries[from - 1]))
		from--;
	for (size_t i = from; i < s->n_entries; i++)
		rd_raft_cache_put(&r->cache, s->first_index + i, &s->entries[i]);
}

static void
take_members(struct rd_raft *r, uint64_t index, struct rec_bin bytes)
{
	struct err e;

	if (index <= r->applied && rd_members_decode(bytes.p, bytes.n, &r->applied_members, &e) == 0)
		r->applied_members_index = index;
}

/* The members as of what was applied, and the term of that entry: a snapshot may be taken right away. */
static void
recall_applied(struct rd_raft *r, const struct rd_raft_start *s)
{
	r->applied = s->applied;
	if (s->snapshot != NULL) {
		rec_dup(&rd_raft_snapshot_desc, &r->snapshot, s->snapshot);
		take_members(r, s->snapshot->members_index, s->snapshot->members);
		r->applied_term = s->snapshot->term;
	}
	for (size_t i = 0; i < s->n_entries && s->first_index + i <= s->applied; i++) {
		if (s->entries[i].kind == RD_KIND_CHANGE && s->first_index + i > r->applied_members_index)
			take_members(r, s->first_index + i, s->entries[i].data);
		r->applied_term = s->entries[i].term;
	}
}

/* What was applied is committed, but libraft takes the newest configuration of a log for uncommitted. */
static void
commit_members(struct rd_raft *r)
{
	struct raft_event event = {.type = RAFT_CONFIGURATION, .configuration.index = r->applied_members_index};

	if (r->raft.configuration_uncommitted_index == 0 ||
	    r->raft.configuration_uncommitted_index != r->applied_members_index)
		return;
	if (rd_raft_conf_make(&r->applied_members, &event.configuration.conf) == 0)
		rd_raft_step(r, &event, NULL);
	rd_raft_sync_members(r, true);
}

static int
start(struct rd_raft *r, const struct rd_raft_start *s, struct err *e)
{
	struct raft_snapshot_metadata meta = {0};
	struct raft_event event = {.type = RAFT_START,
				   .start = {.term = s->term, .voted_for = s->vote, .start_index = 1}};
	struct raft_entry *entries = raft_entries(s);
	struct rd_members members;
	int rv = 0;

	event.start.entries = s->n_entries > 0 ? entries : NULL;
	event.start.n_entries = (unsigned)s->n_entries;
	if (s->n_entries > 0)
		event.start.start_index = s->first_index;
	if (s->snapshot != NULL) {
		meta.index = s->snapshot->index;
		meta.term = s->snapshot->term;
		meta.configuration_index = s->snapshot->members_index;
		event.start.metadata = &meta;
		if (s->n_entries == 0)
			event.start.start_index = s->snapshot->index + 1;
		rv = rd_members_decode(s->snapshot->members.p, s->snapshot->members.n, &members, e) != 0 ||
		     rd_raft_conf_make(&members, &meta.configuration) != 0;
	}
	r->last_index = last_of(s);
	r->log_first = event.start.start_index;
	if (rv == 0)
		rv = rd_raft_step(r, &event, NULL);
	free(entries);
	return rv == 0 && rd_raft_alive(r)
		   ? 0
		   : err_set(e, ERR_DB_CORRUPT, "raft refuses what RaftDataDir holds: %s", r->failure);
}

int
rd_raft_start(struct rd_raft *r, struct mono now, const struct rd_raft_start *s, struct err *e)
{
	int rc = check(s, e);

	ASSERT(!r->started);
	if (rc != 0)
		return err_wrap(e, "RaftDataDir");
	rd_raft_enter(r, now);
	r->started = true;
	r->born = s->born;
	recall_applied(r, s);
	fill_cache(r, s);
	rc = start(r, s, e);
	if (rc == 0) {
		rd_raft_sync_members(r, true);
		commit_members(r);
	}
	rd_raft_leave(r);
	return rc;
}
