/* rd_watch.c — the assignment of servers to probers (rd_watch.h). Pure. Owns its entries. */
#include "rd_watch.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include <uthash.h>

#include "topo/key.h"

enum queued { QUEUED_NOT, QUEUED_TELL, QUEUED_GONE };

struct entry {
	UT_hash_handle hh;
	struct topo_key key; /* owning */
	uint64_t flags;
	uint64_t told_flags;
	bool told, wanted;
	enum queued queued;
	unsigned slot;
	TAILQ_ENTRY(entry) next;
	char text[];
};
TAILQ_HEAD(entry_queue, entry);

struct slot {
	bool up;
	struct entry_queue tell, gone;
};

struct rd_watch {
	struct entry *all;
	size_t n_wanted;
	unsigned n_slots;
	struct slot *slots;
};

struct rd_watch *
rd_watch_new(unsigned slots)
{
	struct rd_watch *w = mem_new(struct rd_watch);

	ASSERT(slots > 0);
	w->n_slots = slots;
	w->slots = mem_calloc(slots, sizeof(*w->slots));
	for (unsigned i = 0; i < slots; i++) {
		TAILQ_INIT(&w->slots[i].tell);
		TAILQ_INIT(&w->slots[i].gone);
	}
	return w;
}

static void
unqueue(struct rd_watch *w, struct entry *x)
{
	struct slot *s = &w->slots[x->slot];

	if (x->queued == QUEUED_TELL)
		TAILQ_REMOVE(&s->tell, x, next);
	else if (x->queued == QUEUED_GONE)
		TAILQ_REMOVE(&s->gone, x, next);
	x->queued = QUEUED_NOT;
}

static void
drop(struct rd_watch *w, struct entry *x)
{
	unqueue(w, x);
	HASH_DEL(w->all, x);
	topo_key_done(&x->key);
	free(x);
}

void
rd_watch_free(struct rd_watch *w)
{
	struct entry *x, *next;

	if (w == NULL)
		return;
	HASH_ITER (hh, w->all, x, next)
		drop(w, x);
	free(w->slots);
	free(w);
}

/* FNV-1a: the same in every process of the pool and on every node. */
unsigned
rd_watch_slot(const struct rd_watch *w, const struct topo_key *key)
{
	struct topo_key_text text = topo_key_text(key);
	uint32_t h = 2166136261u;

	for (const char *c = text.text; *c != '\0'; c++)
		h = (h ^ (unsigned char)*c) * 16777619u;
	return h % w->n_slots;
}

size_t
rd_watch_count(const struct rd_watch *w)
{
	return w->n_wanted;
}

static struct entry *
find(const struct rd_watch *w, const struct topo_key *key)
{
	struct topo_key_text text = topo_key_text(key);
	struct entry *x;

	HASH_FIND_STR(w->all, text.text, x);
	return x;
}

bool
rd_watch_has(const struct rd_watch *w, const struct topo_key *key)
{
	const struct entry *x = find(w, key);

	return x != NULL && x->wanted;
}

static struct entry *
add(struct rd_watch *w, const struct topo_key *key)
{
	struct topo_key_text text = topo_key_text(key);
	size_t n = strlen(text.text);
	struct entry *x = mem_calloc(1, sizeof(*x) + n + 1);

	memcpy(x->text, text.text, n);
	rec_dup(&topo_key_desc, &x->key, key);
	x->slot = rd_watch_slot(w, key);
	HASH_ADD_STR(w->all, text, x);
	return x;
}

static void
queue_tell(struct rd_watch *w, struct entry *x)
{
	if (x->queued == QUEUED_TELL || !w->slots[x->slot].up)
		return;
	unqueue(w, x);
	TAILQ_INSERT_TAIL(&w->slots[x->slot].tell, x, next);
	x->queued = QUEUED_TELL;
}

void
rd_watch_set(struct rd_watch *w, const struct topo_key *key, uint64_t flags)
{
	struct entry *x = find(w, key);

	if (x == NULL)
		x = add(w, key);
	w->n_wanted += !x->wanted;
	x->flags = flags;
	/* a fresh wish, or other flags; HURRY is no reason to tell again */
	if (!x->told || !x->wanted || (flags | IPC_TARGET_HURRY) != (x->told_flags | IPC_TARGET_HURRY)) {
		x->wanted = true;
		queue_tell(w, x);
	}
}

void
rd_watch_unset(struct rd_watch *w, const struct topo_key *key)
{
	struct entry *x = find(w, key);

	if (x == NULL || !x->wanted)
		return;
	w->n_wanted--;
	x->wanted = false;
	unqueue(w, x);
	if (!x->told || !w->slots[x->slot].up) {
		drop(w, x);
		return;
	}
	TAILQ_INSERT_TAIL(&w->slots[x->slot].gone, x, next);
	x->queued = QUEUED_GONE;
}

/* --- slots ----------------------------------------------------------------------------------------------------- */
void
rd_watch_slot_down(struct rd_watch *w, unsigned slot)
{
	struct entry *x, *next;

	ASSERT(slot < w->n_slots);
	w->slots[slot].up = false;
	HASH_ITER (hh, w->all, x, next) {
		if (x->slot != slot)
			continue;
		x->told = false;
		unqueue(w, x);
		if (!x->wanted)
			drop(w, x);
	}
}

void
rd_watch_slot_up(struct rd_watch *w, unsigned slot)
{
	rd_watch_slot_down(w, slot);
	w->slots[slot].up = true;
	for (struct entry *x = w->all; x != NULL; x = x->hh.next) {
		if (x->slot == slot)
			queue_tell(w, x);
	}
}

/* --- telling --------------------------------------------------------------------------------------------------- */
size_t
rd_watch_targets(struct rd_watch *w, unsigned slot, struct ipc_target *ret)
{
	struct entry *x;
	size_t n = 0;

	TAILQ_FOREACH (x, &w->slots[slot].tell, next) {
		if (n == RD_WATCH_BATCH)
			break;
		ret[n++] = (struct ipc_target){x->key, x->flags};
	}
	return n;
}

void
rd_watch_told_targets(struct rd_watch *w, unsigned slot, size_t n)
{
	struct entry *x;

	while (n-- > 0 && (x = TAILQ_FIRST(&w->slots[slot].tell)) != NULL) {
		unqueue(w, x);
		x->told = true;
		x->told_flags = x->flags;
		x->flags &= ~(uint64_t)IPC_TARGET_HURRY;
	}
}

size_t
rd_watch_gone(struct rd_watch *w, unsigned slot, struct topo_key *ret)
{
	struct entry *x;
	size_t n = 0;

	TAILQ_FOREACH (x, &w->slots[slot].gone, next) {
		if (n == RD_WATCH_BATCH)
			break;
		ret[n++] = x->key;
	}
	return n;
}

void
rd_watch_told_gone(struct rd_watch *w, unsigned slot, size_t n)
{
	struct entry *x;

	while (n-- > 0 && (x = TAILQ_FIRST(&w->slots[slot].gone)) != NULL)
		drop(w, x);
}
