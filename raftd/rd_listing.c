/* rd_listing.c — found servers on their way into the inventory (rd_listing.h). Pure. Owns its entries. Used by
 * rd_discover.c. */
#include "rd_listing.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "topo/key.h"

struct rd_listed {
	UT_hash_handle hh;
	char text[];
};

static struct rd_listed *
find(const struct rd_listing *l, const char *text)
{
	struct rd_listed *x;

	HASH_FIND_STR(l->all, text, x);
	return x;
}

static void
forget(struct rd_listing *l, struct rd_listed *x)
{
	HASH_DEL(l->all, x);
	free(x);
}

bool
rd_listing_add(struct rd_listing *l, const struct topo_key *key, bool at_once, struct mono now)
{
	struct topo_key_text text = topo_key_text(key);
	size_t n = strlen(text.text);
	struct rd_listed *x;

	l->at_once |= at_once;
	if (find(l, text.text) != NULL)
		return false;
	if (HASH_COUNT(l->all) >= RD_LISTING_MAX) {
		l->overflows++;
		return false;
	}
	x = mem_calloc(1, sizeof(*x) + n + 1);
	memcpy(x->text, text.text, n);
	HASH_ADD_STR(l->all, text, x);
	if (l->next.n == 0)
		l->since = now;
	mem_grow(l->next.v, l->cap, l->next.n + 1);
	if (at_once)
		memmove(l->next.v + 1, l->next.v, l->next.n * sizeof(*l->next.v));
	rec_dup(&topo_key_desc, &l->next.v[at_once ? 0 : l->next.n], key);
	l->next.n++;
	return true;
}

bool
rd_listing_due(const struct rd_listing *l, struct mono *ret_at)
{
	bool now = l->at_once || l->next.n >= RD_LISTING_BATCH;

	if (l->next.n == 0 || l->flights >= RD_LISTING_FLIGHTS)
		return false;
	*ret_at = now ? l->since : mono_add_us(l->since, RD_LISTING_GATHER_US);
	return true;
}

bool
rd_listing_take(struct rd_listing *l, struct mono now, struct topo_key_list *ret_keys)
{
	size_t n = min_size(l->next.n, RD_LISTING_BATCH);
	struct mono at;

	if (!rd_listing_due(l, &at) || mono_before(now, at))
		return false;
	*ret_keys = (struct topo_key_list){mem_dup(l->next.v, n * sizeof(*l->next.v)), n};
	l->next.n -= n;
	memmove(l->next.v, l->next.v + n, l->next.n * sizeof(*l->next.v));
	l->at_once = l->at_once && l->next.n > 0;
	l->since = now;
	l->flights++;
	return true;
}

void
rd_listing_ended(struct rd_listing *l, const struct topo_key_list *keys)
{
	for (size_t i = 0; i < keys->n; i++) {
		struct topo_key_text text = topo_key_text(&keys->v[i]);
		struct rd_listed *x = find(l, text.text);
		if (x != NULL)
			forget(l, x);
	}
	l->flights--;
}

void
rd_listing_done(struct rd_listing *l)
{
	struct rd_listed *x, *next;

	HASH_ITER (hh, l->all, x, next)
		forget(l, x);
	topo_key_list_done(&l->next);
	*l = (struct rd_listing){0};
}
