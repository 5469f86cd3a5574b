/* rd_alias.c — the rebuild of cluster_alias (rd_alias.h). Pure. Called once per poll interval. */
#include "rd_alias.h"

#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "base/fnv.h"
#include "base/mem.h"

static int
cmp_votes(const void *a, const void *b)
{
	const struct rd_alias_vote *x = a, *y = b;
	int c;

	if (x->valid != y->valid)
		return x->valid ? 1 : -1;
	if (x->read_only != y->read_only)
		return x->read_only ? -1 : 1;
	if (x->replicas != y->replicas)
		return x->replicas < y->replicas ? -1 : 1;
	c = strcmp(x->cluster_name, y->cluster_name);
	return c != 0 ? c : strcmp(x->alias, y->alias);
}

struct cluster {
	UT_hash_handle by_name, by_alias;
	struct rd_alias_row row;
	bool in_alias;
};

struct rebuild {
	struct cluster *by_name, *by_alias;
};

static struct cluster *
cluster_of(struct rebuild *r, const char *name)
{
	struct cluster *c;

	HASH_FIND(by_name, r->by_name, name, strlen(name), c);
	if (c != NULL)
		return c;
	c = mem_new(struct cluster);
	c->row.cluster_name = name;
	HASH_ADD_KEYPTR(by_name, r->by_name, name, strlen(name), c);
	return c;
}

static void
clear_alias(struct rebuild *r, struct cluster *c)
{
	if (!c->in_alias)
		return;
	HASH_DELETE(by_alias, r->by_alias, c);
	c->in_alias = false;
	c->row.alias = NULL;
}

static void
set_alias(struct rebuild *r, struct cluster *c, const char *alias)
{
	struct cluster *holder;

	HASH_FIND(by_alias, r->by_alias, alias, strlen(alias), holder);
	if (holder != NULL)
		clear_alias(r, holder);
	clear_alias(r, c);
	c->row.alias = alias;
	c->in_alias = true;
	HASH_ADD_KEYPTR(by_alias, r->by_alias, alias, strlen(alias), c);
}

static int
cmp_rows(const void *a, const void *b)
{
	return strcmp(((const struct rd_alias_row *)a)->cluster_name, ((const struct rd_alias_row *)b)->cluster_name);
}

/* A name may be taken as alias by another cluster: that one keeps it, this one then has none. */
static size_t
take_rows(struct rebuild *r, struct rd_alias_row *ret_rows)
{
	struct cluster *c, *next;
	size_t n = 0;

	HASH_CLEAR(by_alias, r->by_alias);
	HASH_ITER (by_name, r->by_name, c, next) {
		HASH_DELETE(by_name, r->by_name, c);
		ret_rows[n++] = c->row;
		free(c);
	}
	qsort(ret_rows, n, sizeof(*ret_rows), cmp_rows);
	return n;
}

size_t
rd_alias_rebuild(struct rd_alias_vote *votes, size_t n, struct rd_alias_row *ret_rows)
{
	struct rebuild r = {0};
	struct cluster *c;

	if (n == 0)
		return 0;
	qsort(votes, n, sizeof(*votes), cmp_votes);
	for (size_t i = 0; i < n; i++) {
		c = cluster_of(&r, votes[i].cluster_name);
		if (votes[i].alias[0] != '\0')
			set_alias(&r, c, votes[i].alias);
	}
	for (c = r.by_name; c != NULL; c = c->by_name.next) {
		struct cluster *holder;
		HASH_FIND(by_alias, r.by_alias, c->row.cluster_name, strlen(c->row.cluster_name), holder);
		if (!c->in_alias && holder == NULL)
			set_alias(&r, c, c->row.cluster_name);
	}
	return take_rows(&r, ret_rows);
}

static uint64_t
fnv1a_text(uint64_t h, const char *s)
{
	return fnv1a(h, s, strlen(s) + 1);
}

uint64_t
rd_alias_fingerprint(const struct rd_alias_row *rows, size_t n)
{
	uint64_t h = FNV1A_BASIS;

	for (size_t i = 0; i < n; i++) {
		h = fnv1a_text(h, rows[i].cluster_name);
		h = fnv1a_text(h, rows[i].alias == NULL ? "" : rows[i].alias);
	}
	return h;
}
