/* rd_raft_write.c — the FIFO of writes that aren't durable yet, what their completion means, and the messages that wait
 * for a term to be durable. Called by rd_raft_step.c and, on completion, by the shell. */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "rd_raft_private.h"

uint64_t
rd_raft_next_ticket(struct rd_raft *r)
{
	return ++r->ticket;
}

void
rd_raft_write(struct rd_raft *r, struct rd_raft_write *w)
{
	struct rd_wait *wait;

	w->ticket = rd_raft_next_ticket(r);
	mem_grow(r->waits, r->waits_cap, r->n_waits + 1);
	wait = &r->waits[r->n_waits++];
	*wait =
	    (struct rd_wait){.ticket = w->ticket, .since = r->now, .has_term = w->has_term, .install = w->clears_log};
	if (w->n_entries > 0)
		wait->last = w->first_index + w->n_entries - 1;
	for (size_t i = 0; i < w->n_entries; i++)
		wait->bytes += w->entries[i].data.n + sizeof w->entries[i];
	r->unwritten_bytes += wait->bytes;
	if (w->has_term)
		r->term_ticket = w->ticket;
	r->out.write(r->out.ctx, w);
}

/* Entries from `from` on are replaced: writes of the old ones still complete, but prove nothing above it. libraft would
 * take their word (libraft.md: PERSISTED_ENTRIES is believed blindly). */
void
rd_raft_truncated(struct rd_raft *r, uint64_t from)
{
	rd_raft_cache_truncate(&r->cache, from);
	for (size_t i = 0; i < r->n_waits; i++)
		if (r->waits[i].last >= from)
			r->waits[i].last = from - 1;
}

/* --- held messages -------------------------------------------------------------------------------------------------
 */
void
rd_raft_hold(struct rd_raft *r, const char *to_name, const struct rd_raft_msg *m, bool snapshot)
{
	struct rd_held *h;

	if (r->n_held == RD_HELD_MAX) {
		r->counters.held_dropped++;
		return;
	}
	mem_grow(r->held, r->held_cap, r->n_held + 1);
	h = &r->held[r->n_held++];
	h->gate = r->term_ticket;
	h->snapshot = snapshot;
	str_copy(h->to_name, sizeof h->to_name, to_name);
	rec_dup(&rd_raft_msg_desc, &h->msg, m);
}

void
rd_raft_held_done(struct rd_raft *r)
{
	for (size_t i = 0; i < r->n_held; i++)
		rec_done(&rd_raft_msg_desc, &r->held[i].msg);
	r->n_held = 0;
}

static void
release_held(struct rd_raft *r, uint64_t ticket)
{
	size_t n = 0;

	while (n < r->n_held && r->held[n].gate <= ticket) {
		struct rd_held *h = &r->held[n++];

		if (h->snapshot)
			r->out.send_snapshot(r->out.ctx, h->msg.to, h->to_name, &h->msg);
		else
			r->out.send(r->out.ctx, h->msg.to, h->to_name, &h->msg);
		rec_done(&rd_raft_msg_desc, &h->msg);
	}
	r->n_held -= n;
	if (n > 0)
		memmove(r->held, r->held + n, r->n_held * sizeof *r->held);
}

/* --- completion ----------------------------------------------------------------------------------------------------
 */
static void
persisted(struct rd_raft *r, uint64_t last)
{
	struct raft_event event = {.type = RAFT_PERSISTED_ENTRIES, .persisted_entries.index = last};

	if (last > r->raft.last_stored && !r->installing)
		rd_raft_step(r, &event, NULL);
}

/* One completed write; adjacent ones of entries are reported once. */
static uint64_t
complete(struct rd_raft *r, const struct rd_wait *of, uint64_t last)
{
	struct rd_wait wait = *of; /* the array may move: what completes may cause further writes */

	r->unwritten_bytes -= wait.bytes;
	if (wait.has_term) {
		if (r->term_ticket == wait.ticket)
			r->term_ticket = 0;
		release_held(r, wait.ticket);
	}
	if (!wait.install)
		return wait.last > 0 ? wait.last : last;
	rd_raft_installed(r);
	return 0;
}

void
rd_raft_written(struct rd_raft *r, struct mono now, uint64_t ticket)
{
	uint64_t last = 0;
	size_t done = 0;

	rd_raft_enter(r, now);
	while (rd_raft_alive(r) && done < r->n_waits && r->waits[done].ticket <= ticket)
		last = complete(r, &r->waits[done++], last);
	if (done > 0)
		memmove(r->waits, r->waits + done, (r->n_waits -= done) * sizeof *r->waits);
	if (rd_raft_alive(r) && last > 0)
		persisted(r, last);
	rd_raft_leave(r);
}
