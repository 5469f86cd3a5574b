/* mem.c — aborting allocators and the arena. Owns nothing global; called by everything. */
#include "base/mem.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define ARENA_CHUNK_BYTES 4096u

struct mem_arena_chunk {
	struct mem_arena_chunk *next;
	size_t size;
	size_t used;
	alignas(max_align_t) unsigned char data[];
};

static void *
checked(void *p, size_t n)
{
	if (p == NULL) {
		log_write(LOG_LVL_ERROR, "mem", "out of memory allocating bytes=%zu", n);
		abort();
	}
	return p;
}

void *
mem_alloc(size_t n)
{
	return checked(malloc(n == 0 ? 1 : n), n);
}

void *
mem_calloc(size_t count, size_t size)
{
	return checked(calloc(count == 0 ? 1 : count, size == 0 ? 1 : size), count * size);
}

void *
mem_realloc(void *p, size_t n)
{
	return checked(realloc(p, n == 0 ? 1 : n), n);
}

char *
mem_strdup(const char *s)
{
	return mem_dup(s, strlen(s) + 1);
}

char *
mem_strndup(const char *s, size_t n)
{
	size_t len = strnlen(s, n);
	char *copy = mem_alloc(len + 1);

	memcpy(copy, s, len);
	copy[len] = '\0';
	return copy;
}

void *
mem_dup(const void *p, size_t n)
{
	void *copy = mem_alloc(n);

	if (n > 0)
		memcpy(copy, p, n);
	return copy;
}

void *
mem_grow_sized(void *p, size_t *cap, size_t need, size_t item)
{
	size_t want = *cap < 8 ? 8 : *cap;

	if (need <= *cap)
		return p;
	while (want < need)
		want *= 2;
	ASSERT(want <= SIZE_MAX / item);
	*cap = want;
	return mem_realloc(p, want * item);
}

void
mem_arena_init(struct mem_arena *a)
{
	*a = (struct mem_arena){0};
}

static void
free_chunks(struct mem_arena_chunk *c)
{
	while (c != NULL) {
		struct mem_arena_chunk *next = c->next;
		free(c);
		c = next;
	}
}

void
mem_arena_done(struct mem_arena *a)
{
	free_chunks(a->chunks);
	mem_arena_init(a);
}

void
mem_arena_reset(struct mem_arena *a)
{
	struct mem_arena_chunk *keep = a->chunks;

	if (keep == NULL)
		return;
	free_chunks(keep->next);
	keep->next = NULL;
	memset(keep->data, 0, keep->used);
	keep->used = 0;
	a->total_bytes = keep->size;
}

static struct mem_arena_chunk *
add_chunk(struct mem_arena *a, size_t need)
{
	size_t size = need > ARENA_CHUNK_BYTES ? need : ARENA_CHUNK_BYTES;
	struct mem_arena_chunk *c = mem_calloc(1, sizeof(*c) + size);

	c->size = size;
	c->next = a->chunks;
	a->chunks = c;
	a->total_bytes += size;
	return c;
}

void *
mem_arena_alloc(struct mem_arena *a, size_t n)
{
	size_t need = (n + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	struct mem_arena_chunk *c = a->chunks;
	void *p;

	ASSERT(need >= n);
	if (c == NULL || c->size - c->used < need)
		c = add_chunk(a, need);
	p = c->data + c->used;
	c->used += need;
	return p;
}

char *
mem_arena_strndup(struct mem_arena *a, const char *s, size_t n)
{
	char *copy = mem_arena_alloc(a, n + 1);

	if (n > 0)
		memcpy(copy, s, n);
	return copy;
}
