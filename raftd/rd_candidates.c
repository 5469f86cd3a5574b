/* rd_candidates.c — named, not yet known; and forgotten (rd_candidates.h). Pure. Owns its entries. */
#include "rd_candidates.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "topo/key.h"

struct rd_candidate *
rd_candidates_find(const struct rd_candidates *c, const struct topo_key *key)
{
	struct topo_key_text text = topo_key_text(key);
	struct rd_candidate *x;

	HASH_FIND_STR(c->all, text.text, x);
	return x;
}

void
rd_candidates_drop(struct rd_candidates *c, struct rd_candidate *x)
{
	HASH_DEL(c->all, x);
	topo_key_done(&x->key);
	free(x);
}

static struct rd_candidate *
add(struct rd_candidates *c, const struct topo_key *key)
{
	struct topo_key_text text = topo_key_text(key);
	size_t n = strlen(text.text);
	struct rd_candidate *x = mem_calloc(1, sizeof(*x) + n + 1);

	memcpy(x->text, text.text, n);
	rec_dup(&topo_key_desc, &x->key, key);
	HASH_ADD_STR(c->all, text, x);
	return x;
}

struct rd_candidate *
rd_candidates_name(struct rd_candidates *c, const struct topo_key *key, bool seed, struct mono now, size_t max)
{
	struct rd_candidate *x = rd_candidates_find(c, key);
	bool fresh = x == NULL;

	if (fresh && HASH_COUNT(c->all) >= max) {
		c->overflows++;
		return NULL;
	}
	if (fresh)
		x = add(c, key);
	x->named = now;
	x->seed |= seed;
	return fresh ? x : NULL;
}

struct rd_candidate *
rd_candidates_expired(const struct rd_candidates *c, struct mono now, int64_t life_us)
{
	for (struct rd_candidate *x = c->all; x != NULL; x = x->hh.next) {
		if (!x->seed && mono_diff_us(now, x->named) > life_us)
			return x;
	}
	return NULL;
}

/* --- forgotten ------------------------------------------------------------------------------------------------- */
static struct rd_forgotten *
find_forgotten(const struct rd_candidates *c, const struct topo_key *key)
{
	struct topo_key_text text = topo_key_text(key);
	struct rd_forgotten *x;

	HASH_FIND_STR(c->forgotten, text.text, x);
	return x;
}

static void
drop_forgotten(struct rd_candidates *c, struct rd_forgotten *x)
{
	HASH_DEL(c->forgotten, x);
	free(x);
}

void
rd_forgotten_add(struct rd_candidates *c, const struct topo_key *key, struct mono until)
{
	struct topo_key_text text = topo_key_text(key);
	struct rd_forgotten *x = find_forgotten(c, key);
	size_t n = strlen(text.text);

	if (x == NULL && HASH_COUNT(c->forgotten) >= RD_FORGOTTEN_MAX)
		drop_forgotten(c, c->forgotten); /* the oldest */
	if (x == NULL) {
		x = mem_calloc(1, sizeof(*x) + n + 1);
		memcpy(x->text, text.text, n);
		HASH_ADD_STR(c->forgotten, text, x);
	}
	x->until = until;
}

bool
rd_forgotten_has(const struct rd_candidates *c, const struct topo_key *key, struct mono now)
{
	const struct rd_forgotten *x = find_forgotten(c, key);

	return x != NULL && mono_before(now, x->until);
}

void
rd_forgotten_lift(struct rd_candidates *c, const struct topo_key *key)
{
	struct rd_forgotten *x = find_forgotten(c, key);

	if (x != NULL)
		drop_forgotten(c, x);
}

void
rd_forgotten_expire(struct rd_candidates *c, struct mono now)
{
	struct rd_forgotten *x, *next;

	HASH_ITER (hh, c->forgotten, x, next)
		if (!mono_before(now, x->until))
			drop_forgotten(c, x);
}

void
rd_candidates_done(struct rd_candidates *c)
{
	struct rd_candidate *x, *next;
	struct rd_forgotten *f, *next_f;

	HASH_ITER (hh, c->all, x, next)
		rd_candidates_drop(c, x);
	HASH_ITER (hh, c->forgotten, f, next_f)
		drop_forgotten(c, f);
}

bool
rd_host_is_plausible(const char *host)
{
	for (const unsigned char *c = (const unsigned char *)host; *c != '\0'; c++) {
		if (*c <= 0x20 || *c == 0x7f || *c == ',')
			return false;
	}
	return host[0] != '\0';
}
