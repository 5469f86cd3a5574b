/* base/mem.h — allocation that cannot fail quietly, and an arena for short-lived trees.
 *
 * Small allocations abort with a log line when memory is out: the supervisor restarts the process. Anything whose size
 * comes from outside must be bounded by the caller first. Memory from here is freed with free(). */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include "base/base.h"

void *mem_alloc(size_t n) __attribute__((malloc, returns_nonnull));	      /* uninitialised; n may be 0 */
void *mem_calloc(size_t count, size_t size) __attribute__((returns_nonnull)); /* zeroed; checks overflow */
void *mem_realloc(void *p, size_t n) __attribute__((returns_nonnull));
char *mem_strdup(const char *s) __attribute__((returns_nonnull));
char *mem_strndup(const char *s, size_t n) __attribute__((returns_nonnull));
/* n bytes of p, heap copy */
void *mem_dup(const void *p, size_t n) __attribute__((returns_nonnull));
#define mem_new(T) ((T *)mem_calloc(1, sizeof(T)))
/* Grows a typed vector (pointer, capacity) to hold `need` items, doubling. */
#define mem_grow(p, cap, need) ((p) = mem_grow_sized((p), &(cap), (need), sizeof(*(p))))
void *mem_grow_sized(void *p, size_t *cap, size_t need, size_t item);

/* Arena: allocations live until mem_arena_reset or _done. Zero-initialise (or mem_arena_init) before use. */
struct mem_arena_chunk;
struct mem_arena {
	struct mem_arena_chunk *chunks; /* newest first */
	size_t total_bytes;
};

void mem_arena_init(struct mem_arena *a);
void mem_arena_done(struct mem_arena *a);
/* Keeps one chunk for reuse. */
void mem_arena_reset(struct mem_arena *a);
/* zeroed, aligned for any type */
void *mem_arena_alloc(struct mem_arena *a, size_t n) __attribute__((returns_nonnull));
char *mem_arena_strndup(struct mem_arena *a, const char *s, size_t n) __attribute__((returns_nonnull));

#endif
