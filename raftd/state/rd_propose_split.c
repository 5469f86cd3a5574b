/* rd_propose_split.c — a list that is longer than one command may hold: several commands, one answer (rd_propose.h).
 * Runs in the loop; owns the group until its last part is answered. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "rd_propose_private.h"
#include "topo/key.h"

struct group {
	rd_proposed_fn cb;
	void *ctx;
	size_t open;		   /* parts that are not answered */
	bool all;		   /* no more parts come */
	bool some;		   /* a part took effect */
	struct rd_proposed result; /* keys, e: below */
	struct topo_key_list keys;
	struct err e;
};

bool
rd_propose_needs_split(enum rd_op op, const void *payload)
{
	const struct rec_field *f = rd_op_split_field(op);

	return f != NULL && rec_list_at(payload, f).n > f->max;
}

static void
finish(struct group *g)
{
	if (g->open > 0 || !g->all)
		return;
	if (g->result.outcome != RD_COMMITTED && g->some)
		g->result.outcome = RD_UNKNOWN;
	g->result.keys = &g->keys;
	g->result.e = &g->e;
	if (g->cb != NULL)
		g->cb(g->ctx, &g->result);
	topo_key_list_done(&g->keys);
	free(g);
}

static void
fail(struct group *g, enum rd_outcome outcome, const struct err *e)
{
	if (g->result.outcome != RD_COMMITTED)
		return;
	g->result.outcome = outcome;
	g->e = *e;
}

static void
on_part(void *ctx, const struct rd_proposed *p)
{
	struct group *g = ctx;

	if (p->outcome == RD_COMMITTED) {
		g->some = true;
		g->result.index = p->index > g->result.index ? p->index : g->result.index;
		for (size_t i = 0; i < p->keys->n; i++)
			(void)topo_key_list_add(&g->keys, &p->keys->v[i]);
	} else {
		fail(g, p->outcome, p->e);
	}
	g->open--;
	finish(g);
}

/* Parts have uids of their own, made of that of the whole: repeating the whole repeats its parts. */
static int
check_uid(const char *uid, struct err *e)
{
	if (strlen(uid) + 8 <= RD_UID_MAX)
		return 0;
	return err_set(e, ERR_INVALID, "uid of a long list: at most %d bytes", RD_UID_MAX - 8);
}

struct parts {
	struct rd_proposer *p;
	enum rd_op op;
	const struct rec_field *field;
	const char *uid;
	bool at_apply;
	void *payload; /* a copy that borrows; its list is one part */
	struct rec_list all;
};

static int
propose_part(const struct parts *x, size_t from, struct group *g, struct err *e)
{
	size_t size = x->field->sub->size;
	struct rec_list part = {(char *)x->all.v + from * size, min_size(x->all.n - from, x->field->max)};
	char uid[RD_UID_MAX + 1];

	(void)snprintf(uid, sizeof(uid), "%s#%zu", x->uid, from / x->field->max);
	rec_list_set(x->payload, x->field, part);
	return rd_propose_one(x->p, x->op, x->payload, uid, x->at_apply, on_part, g, e);
}

/* Callbacks come later, so the group is there until all parts are proposed. */
static int
propose_parts(const struct parts *x, struct group *g, struct err *e)
{
	for (size_t from = 0; from < x->all.n; from += x->field->max) {
		int rc = propose_part(x, from, g, e);
		if (rc != 0 && from == 0)
			return rc;
		if (rc != 0) {
			fail(g, RD_NOT_LEADER, e);
			break;
		}
		g->open++;
	}
	g->all = true;
	return 0;
}

int
rd_propose_split(struct rd_proposer *p, enum rd_op op, const void *payload, const char *uid, bool at_apply,
		 rd_proposed_fn cb, void *ctx, struct err *e)
{
	const struct rec_desc *d = rd_op_desc(op);
	const struct rec_field *f = rd_op_split_field(op);
	char fresh[RD_FRESH_UID_BYTES];
	struct parts x = {p, op, f, uid == NULL ? fresh : uid, at_apply, NULL, rec_list_at(payload, f)};
	struct group *g;
	int rc;

	if (uid == NULL)
		rd_fresh_uid(fresh);
	else if (check_uid(uid, e) != 0)
		return -e->code;
	g = mem_new(struct group);
	g->cb = cb;
	g->ctx = ctx;
	x.payload = mem_dup(payload, d->size);
	rc = propose_parts(&x, g, e);
	free(x.payload);
	if (rc != 0)
		free(g);
	return rc;
}
