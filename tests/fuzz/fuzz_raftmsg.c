/* fuzz_raftmsg.c — bytes of a peer that passed the hello: messages are decoded and given to a member of a group of
 * three, whose writes complete at once. Input: any number of times one byte of milliseconds, two bytes of length
 * (little-endian), that many bytes of a message; its receiver is always this member. */
#include <stdlib.h>
#include <string.h>

#include "rd_raft.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
	struct rd_raft *r;
	struct mono now;
	uint64_t written;
	uint64_t applied;
	uint64_t term;
};

static void
on_write(void *ctx, const struct rd_raft_write *w)
{
	struct world *world = ctx;

	if (w->has_term && w->term < world->term)
		abort(); /* terms only grow */
	if (w->has_term)
		world->term = w->term;
	world->written = w->ticket;
}

static void
on_send(void *ctx, uint64_t to, const char *to_name, const struct rd_raft_msg *m)
{
	struct err e;

	(void)ctx;
	if (to == 0 || to_name == NULL || rd_raft_msg_check(m, &e) != 0)
		abort(); /* what leaves must be what others accept */
}

static void
on_read(void *ctx, const struct rd_raft_read *q)
{
	(void)ctx;
	(void)q;
}

static void
on_apply(void *ctx, uint64_t index, const struct rd_raft_entry *entry)
{
	struct world *world = ctx;

	(void)entry;
	if (index != ++world->applied)
		abort();
}

static void
on_install(void *ctx, const struct rd_raft_snapshot *s)
{
	struct world *world = ctx;

	if (s->index <= world->applied)
		abort();
	world->applied = s->index;
}

static void
on_drop(void *ctx, const struct rd_raft_snapshot *s)
{
	(void)ctx;
	(void)s;
}

static void
on_changed(void *ctx, unsigned what)
{
	(void)ctx;
	(void)what;
}

static void
begin(struct world *w)
{
	struct rd_raft_conf conf = {.id = 1, .name = "a:1", .election_ms = 500, .heartbeat_ms = 100, .seed = 1};
	struct rd_raft_out out = {w, on_write, on_send, on_send, on_read, on_apply, on_install, on_drop, on_changed};
	struct rd_members members = {0};
	uint8_t bytes[RD_MEMBERS_BYTES_MAX];
	struct rd_raft_entry first = {.term = 1, .kind = RD_KIND_CHANGE, .data.p = bytes};
	struct rd_raft_start s = {.term = 1, .first_index = 1, .entries = &first, .n_entries = 1};
	struct err e;

	if (rd_members_insert(&members, 1, "a:1", RD_ROLE_VOTER, &e) != 0 ||
	    rd_members_insert(&members, 2, "b:1", RD_ROLE_VOTER, &e) != 0 ||
	    rd_members_insert(&members, 3, "c:1", RD_ROLE_VOTER, &e) != 0)
		abort();
	first.data.n = rd_members_encode(&members, bytes);
	w->now = (struct mono){CLK_S};
	w->r = rd_raft_new(&conf, &out);
	if (rd_raft_start(w->r, w->now, &s, &e) != 0)
		abort();
}

static void
settle(struct world *w)
{
	uint64_t ticket;

	do {
		ticket = w->written;
		rd_raft_written(w->r, w->now, ticket);
		while (rd_raft_apply_ready(w->r))
			rd_raft_apply(w->r, w->now, 1 << 20);
	} while (w->written != ticket);
}

static void
feed(struct world *w, const uint8_t *p, size_t n)
{
	uint8_t *copy = mem_dup(p, n); /* so that the sanitizer sees its end */
	struct mem_arena arena = {0};
	struct codec_out again = {0};
	struct rd_raft_msg m;
	struct err e;

	if (rd_raft_msg_decode(copy, n, &arena, &m, &e) == 0) {
		if (rd_raft_msg_encode(&again, &m, &e) != 0)
			abort();
		m.to = 1;
		rd_raft_received(w->r, w->now, "peer:1", &m);
		settle(w);
	}
	codec_out_done(&again);
	mem_arena_done(&arena);
	free(copy);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world w = {.term = 1};

	begin(&w);
	for (size_t at = 0; at + 3 <= size;) {
		size_t n = data[at + 1] + 256 * (size_t)data[at + 2];

		w.now = mono_add_us(w.now, data[at] * 10 * CLK_MS);
		rd_raft_tick(w.r, w.now);
		settle(&w);
		if (n > size - at - 3)
			n = size - at - 3;
		feed(&w, data + at + 3, n);
		at += 3 + n;
	}
	rd_raft_free(w.r);
	return 0;
}
