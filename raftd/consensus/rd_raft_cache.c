/* rd_raft_cache.c — see the header. Pure; used by the raft member for its recent entries and for entries read back. */
#include "rd_raft_cache.h"

#include <stdlib.h>

#define ENTRY_OVERHEAD 64

static struct rd_raft_entry *
slot(const struct rd_raft_cache *c, uint64_t index)
{
	return &c->ring[index % c->cap];
}

static void
drop(struct rd_raft_cache *c, uint64_t index)
{
	struct rd_raft_entry *entry = slot(c, index);

	c->bytes -= entry->data.n + ENTRY_OVERHEAD;
	rec_done(&rd_raft_entry_desc, entry);
	c->n--;
}

void
rd_raft_cache_clear(struct rd_raft_cache *c)
{
	while (c->n > 0)
		drop(c, c->first + c->n - 1);
	free(c->ring);
	*c = (struct rd_raft_cache){0};
}

static void
grow(struct rd_raft_cache *c)
{
	struct rd_raft_cache bigger = {.cap = c->cap == 0 ? 64 : c->cap * 2};

	bigger.ring = mem_calloc(bigger.cap, sizeof *bigger.ring);
	for (uint64_t i = c->first; i < c->first + c->n; i++)
		*slot(&bigger, i) = *slot(c, i);
	free(c->ring);
	c->ring = bigger.ring;
	c->cap = bigger.cap;
}

void
rd_raft_cache_put(struct rd_raft_cache *c, uint64_t index, const struct rd_raft_entry *entry)
{
	ASSERT(c->n == 0 || index == c->first + c->n);
	if (c->n == c->cap)
		grow(c);
	if (c->n == 0)
		c->first = index;
	rec_dup(&rd_raft_entry_desc, slot(c, index), entry);
	c->n++;
	c->bytes += entry->data.n + ENTRY_OVERHEAD;
}

void
rd_raft_cache_truncate(struct rd_raft_cache *c, uint64_t from)
{
	while (c->n > 0 && c->first + c->n > from)
		drop(c, c->first + c->n - 1);
}

void
rd_raft_cache_evict(struct rd_raft_cache *c, size_t max_bytes, uint64_t upto)
{
	while (c->n > 0 && c->bytes > max_bytes && c->first <= upto) {
		drop(c, c->first);
		c->first++;
	}
}

const struct rd_raft_entry *
rd_raft_cache_get(const struct rd_raft_cache *c, uint64_t index)
{
	return c->n > 0 && index >= c->first && index < c->first + c->n ? slot(c, index) : NULL;
}
