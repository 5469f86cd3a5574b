/* gtid_ops.c — union, difference and intersection of GTID sets, all by one sweep. Pure.
 *
 * The sweep walks the edges of two interval lists in ascending order and knows at each point whether it is inside a and
 * inside b; which of the four states belong to the result is all that distinguishes the operations. */
#include "gtid_private.h"

/* Bit (in_a | in_b << 1): the states that are kept. */
enum keep { KEEP_UNION = 0xe, KEEP_SUBTRACT = 0x2, KEEP_INTERSECT = 0x8 };

struct cursor {
	const struct gtid_part *p; /* NULL = nothing there */
	size_t i;
	bool inside;
};

static bool
at_end(const struct cursor *c)
{
	return c->p == NULL || c->i >= c->p->n;
}

/* INT64_MAX at the end, but also behind the greatest number: ask at_end first. */
static int64_t
next_edge(const struct cursor *c)
{
	if (at_end(c))
		return INT64_MAX;
	return c->inside ? c->p->v[c->i].last + 1 : c->p->v[c->i].first;
}

static void
step_over(struct cursor *c, int64_t edge)
{
	if (at_end(c) || next_edge(c) != edge)
		return;
	if (c->inside)
		c->i++;
	c->inside = !c->inside;
}

static int
sweep(const struct gtid_part *a, const struct gtid_part *b, enum keep keep, struct gtid_set *out,
      struct gtid_part *into, struct err *e)
{
	struct cursor x = {.p = a}, y = {.p = b};
	int64_t start = 0; /* of the interval being kept, 0 = none */

	while (!at_end(&x) || !at_end(&y)) {
		int64_t edge = min_i64(next_edge(&x), next_edge(&y));
		bool kept;
		step_over(&x, edge);
		step_over(&y, edge);
		kept = ((unsigned)keep >> (x.inside | y.inside << 1) & 1) != 0;
		if (kept && start == 0) {
			start = edge;
		} else if (!kept && start != 0) {
			if (gtid_add_interval(out, into, (struct gtid_interval){start, edge - 1}, e) != 0)
				return -e->code;
			start = 0;
		}
	}
	return 0;
}

/* A side that is exhausted comes last. */
static int
cmp_sides(const struct gtid_part *x, const struct gtid_part *y)
{
	return x == NULL || y == NULL ? (x == NULL) - (y == NULL) : gtid_part_cmp(x, y);
}

/* One part of the result from the parts of both sides with the same name, either of which may be missing. */
static int
combine_parts(const struct gtid_part *a, const struct gtid_part *b, enum keep keep, struct gtid_set *out, struct err *e)
{
	const struct gtid_part *named = a != NULL ? a : b;
	struct gtid_part *into;
	int rc = gtid_add_part(out, named->uuid, named->tag, &into, e);

	if (rc == 0)
		rc = sweep(a, b, keep, out, into, e);
	if (rc == 0 && into->n == 0)
		out->n--;
	return rc;
}

static int
combine(const struct gtid_set *a, const struct gtid_set *b, enum keep keep, struct gtid_set *ret, struct err *e)
{
	struct gtid_set out = {0};
	size_t i = 0, k = 0;

	ASSERT(ret != a && ret != b);
	while (i < a->n || k < b->n) {
		const struct gtid_part *p = i < a->n ? &a->parts[i] : NULL;
		const struct gtid_part *q = k < b->n ? &b->parts[k] : NULL;
		int order = cmp_sides(p, q);
		i += order <= 0;
		k += order >= 0;
		if (combine_parts(order <= 0 ? p : NULL, order >= 0 ? q : NULL, keep, &out, e) != 0) {
			gtid_set_done(&out);
			return -e->code;
		}
	}
	*ret = out;
	return 0;
}

int
gtid_set_union(const struct gtid_set *a, const struct gtid_set *b, struct gtid_set *ret, struct err *e)
{
	return combine(a, b, KEEP_UNION, ret, e);
}

int
gtid_set_subtract(const struct gtid_set *a, const struct gtid_set *b, struct gtid_set *ret, struct err *e)
{
	return combine(a, b, KEEP_SUBTRACT, ret, e);
}

int
gtid_set_intersect(const struct gtid_set *a, const struct gtid_set *b, struct gtid_set *ret, struct err *e)
{
	return combine(a, b, KEEP_INTERSECT, ret, e);
}
