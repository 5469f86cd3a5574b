/* rd_raft_step.c — the only caller of raft_step, and what its update asks for, in the order that libraft.md section 5.8
 * prescribes: term and vote, entries, snapshot, messages, state. Ownership of libraft's memory is handled here alone.
 */
#include <stdlib.h>
#include <string.h>

#include "rd_raft_private.h"

#define CONTRADICTION                                                                                               \
	"the leader's log contradicts what was committed here: it is another group's, or a disk lost acknowledged " \
	"writes; empty RaftDataDir and restart to join anew"

/* --- members -------------------------------------------------------------------------------------------------------
 */
static void
peer_init(struct rd_peer *p, uint64_t id)
{
	memset(p, 0, sizeof *p);
	p->id = id;
	p->heard = p->echo = p->grace = p->feed.moved = p->feed.sent = RD_NEVER;
	p->feed.empty_at = UINT64_MAX;
}

static void
sync_peers(struct rd_raft *r)
{
	struct rd_peer *old = mem_dup(r->peers, sizeof r->peers);
	size_t n_old = r->n_peers;

	r->n_peers = 0;
	for (size_t i = 0; i < r->members.n; i++) {
		struct rd_peer *p = &r->peers[r->n_peers];

		if (r->members.v[i].id == r->conf.id)
			continue;
		r->n_peers++;
		peer_init(p, r->members.v[i].id);
		for (size_t j = 0; j < n_old; j++)
			if (old[j].id == p->id)
				*p = old[j];
	}
	free(old);
}

void
rd_raft_sync_members(struct rd_raft *r, bool force)
{
	const struct raft_configuration *c = &r->raft.configuration;
	struct err e;

	if (!force && r->uncommitted_index == r->raft.configuration_uncommitted_index &&
	    r->committed_index == r->raft.configuration_committed_index)
		return;
	r->uncommitted_index = r->raft.configuration_uncommitted_index;
	r->committed_index = r->raft.configuration_committed_index;
	memset(&r->members, 0, sizeof r->members);
	for (unsigned i = 0; i < c->n; i++)
		if (rd_members_insert(&r->members, c->servers[i].id, c->servers[i].address,
				      (enum rd_role)c->servers[i].role, &e) != 0)
			rd_raft_fail(r, "configuration: %s", e.msg);
	sync_peers(r);
	r->changed |= RD_CHANGED_MEMBERS;
}

int
rd_raft_conf_make(const struct rd_members *m, struct raft_configuration *ret)
{
	raft_configuration_init(ret);
	for (size_t i = 0; i < m->n; i++) {
		int rv = raft_configuration_add(ret, m->v[i].id, m->v[i].name, (int)m->v[i].role);

		if (rv != 0) {
			raft_configuration_close(ret);
			return rv;
		}
	}
	return 0;
}

/* --- entries -------------------------------------------------------------------------------------------------------
 */
/* The barrier that libraft appends by itself is in no payload. */
static struct rd_raft_entry
entry_of(const struct rd_payload *payload, uint64_t index, const struct raft_entry *x)
{
	struct rd_raft_entry entry = {.term = x->term, .kind = (uint64_t)x->type};

	if (payload != NULL && index >= payload->first && index < payload->first + payload->n)
		entry.data = payload->entries[index - payload->first].data;
	else
		ASSERT(x->type == RAFT_BARRIER);
	return entry;
}

static void
take_entries(struct rd_raft *r, const struct raft_update *update, const struct rd_payload *payload,
	     struct rd_raft_write *w)
{
	uint64_t first = update->entries.index;
	struct rd_raft_entry *entries = mem_calloc(update->entries.n, sizeof *entries);

	w->first_index = first;
	w->truncates = first <= r->last_index;
	if (w->truncates)
		rd_raft_truncated(r, first);
	for (unsigned i = 0; i < update->entries.n; i++) {
		const struct raft_entry *x = &update->entries.batch[i];

		entries[i] = entry_of(payload, first + i, x);
		rd_raft_cache_put(&r->cache, first + i, &entries[i]);
		if (x->type == RAFT_BARRIER && x->term == r->leading)
			r->barrier = first + i;
	}
	w->entries = entries;
	w->n_entries = update->entries.n;
	r->last_index = first + update->entries.n - 1;
	raft_free(update->entries.batch[0].batch); /* the uniform rule of libraft.md section 1 */
}

static bool
has_change(const struct raft_update *update)
{
	if (!(update->flags & (RAFT_UPDATE_ENTRIES)))
		return false;
	for (unsigned i = 0; i < update->entries.n; i++)
		if (update->entries.batch[i].type == RAFT_CHANGE)
			return true;
	return false;
}

static void
take_snapshot(struct rd_raft *r, const struct raft_update *update, struct rd_raft_write *w)
{
	raft_free(update->snapshot.chunk.base);
	r->installing = true;
	r->install_meta = update->snapshot.metadata;
	w->snapshot = &r->install;
	w->clears_log = true;
	for (size_t i = 0; i < r->n_waits; i++)
		r->waits[i].last = 0; /* of a log that is gone: libraft must not hear of them any more */
	r->replay_ticket = 0;	      /* likewise a read that is under way */
	rd_raft_cache_clear(&r->cache);
	rd_raft_cache_clear(&r->replay);
	r->last_index = update->snapshot.metadata.index;
}

static void
persist(struct rd_raft *r, const struct raft_update *update, const struct rd_payload *payload)
{
	struct rd_raft_write w = {0};

	if (update->flags & ((RAFT_UPDATE_CURRENT_TERM) | (RAFT_UPDATE_VOTED_FOR))) {
		w.has_term = true;
		w.term = r->raft.current_term;
		w.vote = r->raft.voted_for;
	}
	if (update->flags & (RAFT_UPDATE_ENTRIES))
		take_entries(r, update, payload, &w);
	if (update->flags & (RAFT_UPDATE_SNAPSHOT))
		take_snapshot(r, update, &w);
	if (w.has_term || w.n_entries > 0 || w.snapshot != NULL)
		rd_raft_write(r, &w);
	free((void *)(uintptr_t)w.entries);
}

/* --- messages ------------------------------------------------------------------------------------------------------
 */
void
rd_raft_emit(struct rd_raft *r, uint64_t to, const char *to_name, struct rd_raft_msg *m, bool snapshot)
{
	m->from = r->conf.id;
	m->to = to;
	if (r->term_ticket != 0)
		rd_raft_hold(r, to_name, m, snapshot);
	else if (snapshot)
		r->out.send_snapshot(r->out.ctx, to, to_name, m);
	else
		r->out.send(r->out.ctx, to, to_name, m);
}

static void
fill_append_result(const struct rd_raft *r, const struct raft_message *x, struct rd_raft_msg *m)
{
	const struct raft_append_entries_result *a = &x->append_entries_result;

	m->term = a->term;
	m->rejected = a->rejected;
	m->log_index = a->last_log_index;
	if (r->echo.from == x->server_id && r->echo.term == a->term)
		m->echo_us = r->echo.sent_us;
	else
		m->log_index = 0; /* answer to an old term: libraft leaves it unset, nobody reads it */
}

static void
fill_vote(const struct rd_raft *r, const struct raft_message *x, struct rd_raft_msg *m)
{
	(void)r;
	m->term = x->request_vote.term;
	m->log_index = x->request_vote.last_log_index;
	m->log_term = x->request_vote.last_log_term;
	m->disrupt = x->request_vote.disrupt_leader;
	m->pre_vote = x->request_vote.pre_vote;
}

static void
fill_vote_result(const struct rd_raft *r, const struct raft_message *x, struct rd_raft_msg *m)
{
	(void)r;
	m->term = x->request_vote_result.term;
	m->granted = x->request_vote_result.vote_granted;
	m->pre_vote = x->request_vote_result.pre_vote;
}

static void
fill_timeout_now(const struct rd_raft *r, const struct raft_message *x, struct rd_raft_msg *m)
{
	(void)r;
	m->term = x->timeout_now.term;
	m->log_index = x->timeout_now.last_log_index;
	m->log_term = x->timeout_now.last_log_term;
}

static void
send_message(struct rd_raft *r, const struct raft_message *x)
{
	static const struct {
		uint64_t type;
		void (*fill)(const struct rd_raft *r, const struct raft_message *x, struct rd_raft_msg *m);
		void (*other)(struct rd_raft *r, const struct raft_message *x); /* builds its messages itself */
	} table[] = {
	    [RAFT_APPEND_ENTRIES] = {RD_MSG_APPEND, NULL, rd_feed_offer},
	    [RAFT_APPEND_ENTRIES_RESULT] = {RD_MSG_APPEND_RESULT, fill_append_result, NULL},
	    [RAFT_REQUEST_VOTE] = {RD_MSG_VOTE, fill_vote, NULL},
	    [RAFT_REQUEST_VOTE_RESULT] = {RD_MSG_VOTE_RESULT, fill_vote_result, NULL},
	    [RAFT_INSTALL_SNAPSHOT] = {RD_MSG_SNAPSHOT, NULL, rd_feed_snapshot},
	    [RAFT_TIMEOUT_NOW] = {RD_MSG_TIMEOUT_NOW, fill_timeout_now, NULL},
	};
	struct rd_raft_msg m;

	if (x->server_id == 0 || (size_t)x->type >= ARRAY_LEN(table))
		return;
	if (table[x->type].other != NULL) {
		table[x->type].other(r, x);
		return;
	}
	rec_init(&rd_raft_msg_desc, &m);
	m.type = table[x->type].type;
	table[x->type].fill(r, x, &m);
	rd_raft_emit(r, x->server_id, x->server_address, &m, false);
}

/* --- the step ------------------------------------------------------------------------------------------------------
 */
static void
follow_leadership(struct rd_raft *r)
{
	uint64_t leads = r->raft.state == RAFT_LEADER ? r->raft.current_term : 0;
	uint64_t led = r->leading;

	if (leads == led)
		return;
	if (led != 0)
		rd_lead_lost(r, led);
	r->leading = leads;
	if (leads != 0)
		rd_lead_won(r);
}

/* libraft compares with the commit index, which starts low after a restart; what was applied is committed as well. */
static bool
contradicts(struct rd_raft *r, const struct raft_update *update)
{
	if (!(update->flags & (RAFT_UPDATE_ENTRIES)) || update->entries.index > r->applied)
		return false;
	raft_free(update->entries.batch[0].batch);
	return true;
}

static void
carry_out(struct rd_raft *r, const struct raft_update *update, const struct rd_payload *payload)
{
	if (contradicts(r, update)) {
		rd_raft_fail(r, CONTRADICTION);
		return;
	}
	follow_leadership(r);
	rd_raft_sync_members(r, has_change(update));
	persist(r, update, payload);
	for (unsigned i = 0; i < update->messages.n; i++)
		send_message(r, &update->messages.batch[i]);
}

int
rd_raft_step(struct rd_raft *r, struct raft_event *event, const struct rd_payload *payload)
{
	struct raft_update update = {0};
	int rv;

	event->time = (raft_time)(r->now.us / CLK_MS);
	rv = raft_step(&r->raft, event, &update);
	if (rv == 0)
		carry_out(r, &update, payload);
	else if (rv == RAFT_SHUTDOWN)
		rd_raft_fail(r, CONTRADICTION);
	else if (event->type != RAFT_SUBMIT && event->type != RAFT_TRANSFER)
		rd_raft_fail(r, "raft: %s", raft_strerror(rv));
	if (rv == 0 && rd_raft_alive(r) && r->leading != 0 && r->barrier == 0)
		rd_lead_barrier(r);
	return rv;
}
