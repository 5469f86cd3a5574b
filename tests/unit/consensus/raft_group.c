/* raft_group.c — see the header. Everything is deterministic: one pseudo-random generator, arrays in order. */
#include "raft_group.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "raft_group_private.h"

struct group *the_group;

static void settle(struct group *g);

unsigned
group_random(struct group *g, unsigned below)
{
	g->rng = g->rng * 1103515245u + 12345u;
	return below == 0 ? 0 : (g->rng >> 8) % below;
}

struct mono
group_now(const struct group *g, size_t i)
{
	return (struct mono){g->node[i].clock_offset_us + g->t_us * g->node[i].clock_rate / 1000};
}

/* --- life ----------------------------------------------------------------------------------------------------------
 */
static void
node_init(struct group *g, struct group_node *d, const char *name, uint64_t id)
{
	memset(d, 0, sizeof *d);
	str_copy(d->name, sizeof d->name, name);
	d->id = id;
	d->log_first = 1;
	d->clock_rate = 1000;
	d->clock_offset_us = INT64_C(1000000000) * (int64_t)(1 + group_random(g, 1000));
	d->lease_end = (struct mono){INT64_MIN};
	rec_init(&rd_raft_snapshot_desc, &d->snapshot);
}

void
group_init(struct group *g, size_t n, unsigned seed)
{
	const char *names[GROUP_MAX] = {NULL};
	char text[GROUP_MAX][32];
	struct rd_members members;
	uint8_t bytes[RD_MEMBERS_BYTES_MAX];
	struct rd_raft_entry first = {.term = 1, .kind = RD_KIND_CHANGE};
	struct err e;

	memset(g, 0, sizeof *g);
	the_group = g;
	g->rng = seed;
	g->delay_us = 500;
	g->check_leases = true;
	g->t_us = CLK_S;
	g->n = n;
	for (size_t i = 0; i < n; i++) {
		snprintf(text[i], sizeof text[i], "node%zu:10008", i);
		names[i] = text[i];
	}
	assert_int_equal(rd_members_found(names, n, &members, &e), 0);
	first.data.p = bytes;
	first.data.n = rd_members_encode(&members, bytes);
	for (size_t i = 0; i < n; i++) {
		node_init(g, &g->node[i], names[i], rd_member_id(names[i], NULL));
		g->node[i].term = 1;
		rec_dup(&rd_raft_entry_desc, &g->node[i].log[g->node[i].n_log++], &first);
	}
}

size_t
group_add_blank(struct group *g, const char *dir_id)
{
	struct group_node *d = &g->node[g->n];
	char name[32];

	assert_true(g->n < GROUP_MAX);
	snprintf(name, sizeof name, "node%zu:10008", g->n);
	node_init(g, d, name, rd_member_id(name, dir_id));
	return g->n++;
}

void
group_crash(struct group *g, size_t i)
{
	struct group_node *d = &g->node[i];

	rd_raft_free(d->r);
	d->r = NULL;
	d->n_pending = 0;
}

static void
node_done(struct group_node *d)
{
	rd_raft_free(d->r);
	d->r = NULL;
	group_disk_truncate(d, 0);
	rec_done(&rd_raft_snapshot_desc, &d->snapshot);
	free(d->pending);
	d->pending = NULL;
	d->n_pending = d->pending_cap = 0;
}

void
group_done(struct group *g)
{
	for (size_t i = 0; i < g->n; i++)
		node_done(&g->node[i]);
	for (size_t i = 0; i < g->n_wire; i++)
		codec_out_done(&g->wire[i].bytes);
	free(g->wire);
}

void
group_wipe(struct group *g, size_t i, const char *dir_id)
{
	struct group_node *d = &g->node[i];
	struct mono lease_end = d->lease_end;
	char name[RD_MEMBER_NAME_BYTES];
	uint64_t id = dir_id == NULL ? d->id : rd_member_id(d->name, dir_id);

	memcpy(name, d->name, sizeof name);
	node_done(d);
	node_init(g, d, name, id);
	d->lease_end = dir_id == NULL ? lease_end : (struct mono){INT64_MIN};
}

static void
recall_state(struct group *g, struct group_node *d)
{
	if (d->state_is_lost || d->applied > group_disk_last(d)) {
		d->applied = d->snapshot.index;
		d->chain = g->chain[d->applied];
	}
	if (d->applied < d->snapshot.index) {
		d->applied = d->snapshot.index;
		d->chain = g->chain[d->applied];
	}
	d->state_is_lost = false;
}

void
group_start(struct group *g, size_t i)
{
	struct group_node *d = &g->node[i];
	struct rd_raft_conf conf = {.id = d->id,
				    .name = d->name,
				    .election_ms = GROUP_ELECTION_MS,
				    .heartbeat_ms = GROUP_HEARTBEAT_MS,
				    .seed = group_random(g, 1u << 30),
				    .trailing = d->trailing,
				    .cache_bytes = d->cache_bytes};
	struct rd_raft_out out = group_out(d);
	struct rd_raft_start s = {.term = d->term, .vote = d->vote, .born = group_now(g, i)};
	struct err e;

	recall_state(g, d);
	d->told_term = d->term;
	s.snapshot = d->snapshot.index == 0 ? NULL : &d->snapshot;
	s.first_index = d->log_first;
	s.entries = d->log;
	s.n_entries = d->n_log;
	s.applied = d->applied;
	d->r = rd_raft_new(&conf, &out);
	if (rd_raft_start(d->r, group_now(g, i), &s, &e) != 0)
		fail_msg("start of %s: %s", d->name, e.msg);
	settle(g);
}

void
group_start_all(struct group *g)
{
	for (size_t i = 0; i < g->n; i++)
		group_start(g, i);
}

void
group_cut_off(struct group *g, size_t i, bool cut)
{
	for (size_t j = 0; j < g->n; j++)
		g->cut[i][j] = g->cut[j][i] = cut;
}

/* --- time ----------------------------------------------------------------------------------------------------------
 */
static void
check_leases(struct group *g)
{
	size_t valid = 0;

	for (size_t i = 0; i < g->n; i++) {
		struct group_node *d = &g->node[i];
		struct mono end;
		uint64_t term;

		if (d->r != NULL && rd_raft_lease(d->r, group_now(g, i), &term, &end) && mono_before(d->lease_end, end))
			d->lease_end = end;
		valid += mono_before(group_now(g, i), d->lease_end);
	}
	if (g->check_leases)
		assert_in_range(valid, 0, 1);
}

static void
report_write(struct group *g, size_t i, const struct group_pending *p)
{
	g->node[i].told_term = p->term;
	rd_raft_written(g->node[i].r, group_now(g, i), p->ticket);
}

static void
report_pending(struct group *g, size_t i)
{
	struct group_node *d = &g->node[i];

	for (size_t at = 0; at < d->n_pending;) {
		struct group_pending p = d->pending[at];

		if (p.read ? d->reads_stuck : d->disk_stuck) {
			at++;
			continue;
		}
		memmove(d->pending + at, d->pending + at + 1, (--d->n_pending - at) * sizeof p);
		if (p.read)
			group_report_read(g, i, &p);
		else
			report_write(g, i, &p);
		at = 0;
	}
}

static void
settle(struct group *g)
{
	for (size_t i = 0; i < g->n; i++) {
		struct group_node *d = &g->node[i];

		if (d->r == NULL)
			continue;
		do {
			report_pending(g, i);
			if (rd_raft_apply_ready(d->r))
				rd_raft_apply(d->r, group_now(g, i), 100000);
		} while (rd_raft_apply_ready(d->r) || (d->n_pending > 0 && !d->disk_stuck && !d->reads_stuck));
	}
	check_leases(g);
}

static size_t
next_message(const struct group *g)
{
	size_t best = SIZE_MAX;

	for (size_t i = 0; i < g->n_wire; i++) {
		if (g->wire[i].snapshot && g->hold_snapshots)
			continue;
		if (best == SIZE_MAX || g->wire[i].at_us < g->wire[best].at_us ||
		    (g->wire[i].at_us == g->wire[best].at_us && g->wire[i].order < g->wire[best].order))
			best = i;
	}
	return best;
}

static int64_t
true_time_of(const struct group *g, size_t i, struct mono at)
{
	int64_t local = at.us - g->node[i].clock_offset_us;

	return (local * 1000 + g->node[i].clock_rate - 1) / g->node[i].clock_rate;
}

static size_t
next_tick(const struct group *g, int64_t *ret_at)
{
	size_t best = SIZE_MAX;

	*ret_at = INT64_MAX;
	for (size_t i = 0; i < g->n; i++) {
		struct mono due;
		int64_t at;

		if (g->node[i].r == NULL)
			continue;
		due = rd_raft_deadline(g->node[i].r);
		if (due.us == INT64_MAX)
			continue;
		at = max_i64(true_time_of(g, i, due), g->t_us);
		if (at < *ret_at) {
			*ret_at = at;
			best = i;
		}
	}
	return best;
}

static void
take_message(struct group *g, size_t at)
{
	struct group_message m = g->wire[at];

	g->wire[at] = g->wire[--g->n_wire];
	g->t_us = max_i64(g->t_us, m.at_us);
	group_deliver(g, &m);
	codec_out_done(&m.bytes);
}

void
group_run(struct group *g, int64_t ms)
{
	int64_t until = g->t_us + ms * CLK_MS;
	unsigned events = 0;

	settle(g);
	for (;;) {
		int64_t tick_at;
		size_t message = next_message(g);
		size_t node = next_tick(g, &tick_at);
		int64_t message_at = message == SIZE_MAX ? INT64_MAX : g->wire[message].at_us;

		if (min_i64(tick_at, message_at) > until)
			break;
		assert_true(++events < 2000000); /* a timer that never moves */
		if (message_at <= tick_at) {
			take_message(g, message);
		} else {
			g->t_us = tick_at;
			rd_raft_tick(g->node[node].r, group_now(g, node));
		}
		settle(g);
	}
	g->t_us = until;
	settle(g);
}

struct rd_raft_status
group_status(const struct group *g, size_t i)
{
	struct rd_raft_status s;

	assert_non_null(g->node[i].r);
	rd_raft_status(g->node[i].r, &s);
	return s;
}

int
group_wait_leader(struct group *g, int not, int64_t ms)
{
	for (int64_t waited = 0; waited <= ms; waited += 5) {
		for (size_t i = 0; i < g->n; i++)
			if (g->node[i].r != NULL && (int)i != not &&group_status(g, i).open)
				return (int)i;
		group_run(g, 5);
	}
	return -1;
}

int
group_begin(struct group *g, size_t n, unsigned seed)
{
	group_init(g, n, seed);
	group_start_all(g);
	return group_wait_leader(g, -1, 5000);
}

bool
group_wait_applied(struct group *g, uint64_t index, int64_t ms)
{
	for (int64_t waited = 0;; waited += 1) {
		bool all = true;

		for (size_t i = 0; i < g->n; i++)
			all &= g->node[i].r == NULL || g->node[i].applied >= index;
		if (all || waited > ms)
			return all;
		group_run(g, 1);
	}
}

static uint64_t
submit(struct group *g, size_t i, const void *p, size_t n)
{
	struct rec_bin command = {p, n};
	uint64_t index, term;
	struct err e;
	int rc = rd_raft_submit(g->node[i].r, group_now(g, i), &command, 1, &index, &term, &e);

	settle(g);
	return rc == 0 ? index : 0;
}

uint64_t
group_submit(struct group *g, size_t i, const char *text)
{
	return submit(g, i, text, strlen(text));
}

uint64_t
group_submit_bytes(struct group *g, size_t i, size_t n)
{
	char *p = mem_calloc(n, 1);
	uint64_t index = submit(g, i, p, n);

	free(p);
	return index;
}

void
group_snapshot(struct group *g, size_t i)
{
	static const uint8_t sum[32];
	struct group_node *d = &g->node[i];
	struct rd_raft_snapshot s;

	if (!rd_raft_snapshot_begin(d->r, &s))
		return;
	assert_int_equal(s.index, d->applied);
	s.sha256 = (struct rec_bin){sum, sizeof sum};
	s.size = 1;
	rd_raft_snapshot_taken(d->r, group_now(g, i), &s);
	settle(g);
}

void
group_unstick(struct group *g, size_t i)
{
	g->node[i].disk_stuck = g->node[i].reads_stuck = false;
	if (g->node[i].r != NULL)
		settle(g);
}
