/* raft_group_io.c — disks, wire and state of the members of a group, as their callbacks. Asserts whatever one node's
 * view allows to be checked: one vote per term, terms durable before they are spoken of, writes without gaps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "raft_group_private.h"

static uint64_t next_order;

static size_t
number_of(const struct group_node *node)
{
	return (size_t)(node - the_group->node);
}

/* --- disk ----------------------------------------------------------------------------------------------------------
 */
uint64_t
group_disk_last(const struct group_node *d)
{
	return d->log_first + d->n_log - 1;
}

void
group_disk_truncate(struct group_node *d, uint64_t from)
{
	while (d->n_log > 0 && group_disk_last(d) >= from)
		rec_done(&rd_raft_entry_desc, &d->log[--d->n_log]);
}

static void
disk_compact(struct group_node *d, uint64_t upto)
{
	size_t n = 0;

	while (n < d->n_log && d->log_first + n <= upto)
		rec_done(&rd_raft_entry_desc, &d->log[n++]);
	d->n_log -= n;
	memmove(d->log, d->log + n, d->n_log * sizeof d->log[0]);
	d->log_first += n;
}

static void
add_pending(struct group_node *d, struct group_pending p)
{
	mem_grow(d->pending, d->pending_cap, d->n_pending + 1);
	d->pending[d->n_pending++] = p;
}

static void
on_write(void *ctx, const struct rd_raft_write *w)
{
	struct group_node *d = ctx;

	if (w->has_term) {
		assert_true(w->term >= d->term);
		if (w->term == d->term && d->vote != 0)
			assert_true(w->vote == d->vote); /* one vote per term */
		d->term = w->term;
		d->vote = w->vote;
	}
	if (w->snapshot != NULL)
		rec_assign(&rd_raft_snapshot_desc, &d->snapshot, w->snapshot);
	if (w->clears_log) {
		group_disk_truncate(d, 0);
		d->log_first = w->snapshot->index + 1;
	}
	if (w->n_entries > 0) {
		assert_true(w->first_index <= group_disk_last(d) + 1 && w->first_index >= d->log_first);
		assert_int_equal(w->truncates, w->first_index <= group_disk_last(d));
		group_disk_truncate(d, w->first_index);
		assert_true(d->n_log + w->n_entries <= GROUP_LOG_MAX);
	}
	for (size_t i = 0; i < w->n_entries; i++)
		rec_dup(&rd_raft_entry_desc, &d->log[d->n_log++], &w->entries[i]);
	if (w->compact_to > 0)
		disk_compact(d, w->compact_to);
	add_pending(d, (struct group_pending){.ticket = w->ticket, .term = d->term});
}

static void
on_read(void *ctx, const struct rd_raft_read *q)
{
	struct group_node *d = ctx;

	d->reads++;
	add_pending(d, (struct group_pending){q->ticket, true, q->first, q->last, q->max_bytes, 0});
}

void
group_report_read(struct group *g, size_t i, const struct group_pending *p)
{
	struct group_node *d = &g->node[i];
	size_t n = 0, bytes = 0, at = (size_t)(p->first - d->log_first);

	if (p->first >= d->log_first && p->first <= group_disk_last(d))
		while (p->first + n <= p->last && at + n < d->n_log && (n == 0 || bytes < p->max_bytes))
			bytes += d->log[at + n++].data.n;
	rd_raft_read_done(d->r, group_now(g, i), p->ticket, p->first, n == 0 ? NULL : &d->log[at], n);
}

/* --- wire ----------------------------------------------------------------------------------------------------------
 */
static void
post(struct group *g, const struct group_message *m, int64_t at_us)
{
	struct group_message copy = *m;

	copy.at_us = at_us;
	copy.order = next_order++;
	copy.bytes = (struct codec_out){mem_dup(m->bytes.p, m->bytes.len), m->bytes.len, m->bytes.len};
	mem_grow(g->wire, g->wire_cap, g->n_wire + 1);
	g->wire[g->n_wire++] = copy;
}

static void
send_over(struct group_node *from, uint64_t to, const struct rd_raft_msg *msg, bool snapshot)
{
	struct group *g = the_group;
	struct group_message m = {.from = number_of(from), .snapshot = snapshot};
	struct err e;

	assert_int_equal(msg->from, from->id);
	assert_int_equal(msg->to, to);
	assert_true(msg->term <= from->told_term || msg->pre_vote); /* nothing is said before its term is durable */
	str_copy(m.from_name, sizeof m.from_name, from->name);
	if (rd_raft_msg_encode(&m.bytes, msg, &e) != 0)
		fail_msg("encode: %s", e.msg);
	from->messages_sent++;
	from->bytes_sent += m.bytes.len;
	if (m.bytes.len > from->largest_message)
		from->largest_message = m.bytes.len;
	for (m.to = 0; m.to < g->n && g->node[m.to].id != to; m.to++)
		;
	if (m.to < g->n) {
		m.lost = g->cut[m.from][m.to] || group_random(g, 100) < g->loss_percent;
		post(g, &m, g->t_us + g->delay_us + (g->loss_percent > 0 ? group_random(g, 5000) : 0));
		if (!m.lost && group_random(g, 100) < g->duplicate_percent)
			post(g, &m, g->t_us + g->delay_us + group_random(g, 300000));
	}
	codec_out_done(&m.bytes);
}

static void
on_send(void *ctx, uint64_t to, const char *to_name, const struct rd_raft_msg *m)
{
	assert_true(to_name != NULL && to_name[0] != '\0');
	send_over(ctx, to, m, false);
}

static void
on_send_snapshot(void *ctx, uint64_t to, const char *to_name, const struct rd_raft_msg *m)
{
	struct group_node *from = ctx;

	(void)to_name;
	from->offered_snapshots++;
	send_over(from, to, m, true);
}

void
group_inject(struct group *g, size_t to, const struct rd_raft_msg *m)
{
	rd_raft_received(g->node[to].r, group_now(g, to), "injected:1", m);
}

void
group_deliver(struct group *g, struct group_message *m)
{
	struct group_node *d = &g->node[m->to];
	bool arrives = d->r != NULL && !m->lost && !g->cut[m->from][m->to];
	struct mem_arena arena = {0};
	struct rd_raft_msg msg;
	struct err e;

	if (rd_raft_msg_decode(m->bytes.p, m->bytes.len, &arena, &msg, &e) != 0)
		fail_msg("decode of a %zu byte message: %s", m->bytes.len, e.msg);
	if (arrives)
		rd_raft_received(d->r, group_now(g, m->to), m->from_name, &msg);
	if (m->snapshot && g->node[m->from].r != NULL) /* the shell knows how it ended */
		rd_raft_snapshot_sent(g->node[m->from].r, group_now(g, m->from), msg.to, msg.snapshot.index, arrives);
	mem_arena_done(&arena);
}

/* --- state ---------------------------------------------------------------------------------------------------------
 */
static uint64_t
mix(uint64_t h, const void *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		h = (h ^ ((const uint8_t *)p)[i]) * UINT64_C(1099511628211);
	return h;
}

static void
on_apply(void *ctx, uint64_t index, const struct rd_raft_entry *entry)
{
	struct group_node *d = ctx;
	struct group *g = the_group;

	assert_int_equal(index, d->applied + 1);
	/* it is on this disk, as applied */
	assert_true(index >= d->log_first && index <= group_disk_last(d));
	assert_true(rec_equal(&rd_raft_entry_desc, &d->log[index - d->log_first], entry));
	d->applied = index;
	d->chain = mix(mix(mix(d->chain, &index, 8), &entry->term, 8), entry->data.p, entry->data.n);
	if (g->chain[index] == 0)
		g->chain[index] = d->chain;
	assert_true(g->chain[index] == d->chain); /* the same everywhere */
}

static void
on_install(void *ctx, const struct rd_raft_snapshot *s)
{
	struct group_node *d = ctx;

	assert_true(s->index > d->applied);
	assert_true(the_group->chain[s->index] != 0);
	assert_int_equal(d->snapshot.index, s->index);
	d->applied = s->index;
	d->chain = the_group->chain[s->index];
	d->installed++;
}

static void
on_drop(void *ctx, const struct rd_raft_snapshot *s)
{
	struct group_node *d = ctx;

	(void)s;
	d->dropped_snapshots++;
}

static void
on_changed(void *ctx, unsigned what)
{
	struct group_node *d = ctx;

	d->changed |= what;
}

struct rd_raft_out
group_out(struct group_node *d)
{
	return (struct rd_raft_out){.ctx = d,
				    .write = on_write,
				    .send = on_send,
				    .send_snapshot = on_send_snapshot,
				    .read = on_read,
				    .apply = on_apply,
				    .install_snapshot = on_install,
				    .drop_snapshot = on_drop,
				    .changed = on_changed};
}
