/* gtid_set.c — MySQL GTID sets as sorted intervals: normalising and testing. Pure. The text forms stand in
 * gtid_parse.c, the operations that make new sets in gtid_ops.c. */
#include "gtid_private.h"

#include <stdlib.h>
#include <string.h>

void
gtid_set_done(struct gtid_set *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->parts[i].v);
	free(s->parts);
	*s = (struct gtid_set){0};
}

int
gtid_add_part(struct gtid_set *s, const uint8_t *uuid, const char *tag, struct gtid_part **ret, struct err *e)
{
	struct gtid_part *p;
	bool whole;

	if (s->n >= GTID_PARTS_MAX)
		return err_set(e, ERR_LIMIT, "GTID set names more than %d sources", GTID_PARTS_MAX);
	mem_grow(s->parts, s->cap, s->n + 1);
	p = &s->parts[s->n++];
	*p = (struct gtid_part){0};
	memcpy(p->uuid, uuid, GTID_UUID_BYTES);
	whole = str_copy(p->tag, sizeof(p->tag), tag);
	ASSERT(whole);
	*ret = p;
	return 0;
}

int
gtid_add_interval(struct gtid_set *s, struct gtid_part *p, struct gtid_interval iv, struct err *e)
{
	ASSERT(iv.first >= 1 && iv.first <= iv.last && iv.last <= GTID_NUMBER_MAX);
	if (s->intervals >= GTID_INTERVALS_MAX)
		return err_set(e, ERR_LIMIT, "GTID set has more than %d intervals", GTID_INTERVALS_MAX);
	mem_grow(p->v, p->cap, p->n + 1);
	p->v[p->n++] = iv;
	s->intervals++;
	return 0;
}

/* --- normalising -------------------------------------------------------------------------------------------------- */
static int
cmp_intervals(const void *a, const void *b)
{
	const struct gtid_interval *x = a, *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

static void
normalise_part(struct gtid_part *p)
{
	size_t kept = 0;

	qsort(p->v, p->n, sizeof(*p->v), cmp_intervals);
	for (size_t i = 1; i < p->n; i++) {
		if (p->v[i].first <= p->v[kept].last + 1)
			p->v[kept].last = max_i64(p->v[kept].last, p->v[i].last);
		else
			p->v[++kept] = p->v[i];
	}
	p->n = kept + 1;
}

int
gtid_part_cmp(const struct gtid_part *a, const struct gtid_part *b)
{
	int by_uuid = memcmp(a->uuid, b->uuid, GTID_UUID_BYTES);

	return by_uuid != 0 ? by_uuid : strcmp(a->tag, b->tag);
}

static int
cmp_parts(const void *a, const void *b)
{
	return gtid_part_cmp(a, b);
}

/* Moves the intervals of `from` behind those of `into`. */
static void
join_parts(struct gtid_part *into, struct gtid_part *from)
{
	mem_grow(into->v, into->cap, into->n + from->n);
	memcpy(into->v + into->n, from->v, from->n * sizeof(*from->v));
	into->n += from->n;
	free(from->v);
}

void
gtid_set_normalise(struct gtid_set *s)
{
	size_t kept = 0;

	if (s->n > 1)
		qsort(s->parts, s->n, sizeof(*s->parts), cmp_parts);
	for (size_t i = 0; i < s->n; i++) {
		ASSERT(s->parts[i].n > 0);
		if (kept > 0 && gtid_part_cmp(&s->parts[kept - 1], &s->parts[i]) == 0)
			join_parts(&s->parts[kept - 1], &s->parts[i]);
		else
			s->parts[kept++] = s->parts[i];
	}
	s->n = kept;
	s->intervals = 0;
	for (size_t i = 0; i < s->n; i++) {
		normalise_part(&s->parts[i]);
		s->intervals += s->parts[i].n;
	}
}

/* --- tests ----------------------------------------------------------------------------------------------------- */
bool
gtid_set_is_empty(const struct gtid_set *s)
{
	return s->n == 0;
}

bool
gtid_set_equal(const struct gtid_set *a, const struct gtid_set *b)
{
	if (a->n != b->n || a->intervals != b->intervals)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		const struct gtid_part *p = &a->parts[i], *q = &b->parts[i];
		if (gtid_part_cmp(p, q) != 0 || p->n != q->n || memcmp(p->v, q->v, p->n * sizeof(*p->v)) != 0)
			return false;
	}
	return true;
}

static bool
part_contains(const struct gtid_part *p, const struct gtid_part *q)
{
	size_t i = 0;

	for (size_t k = 0; k < q->n; k++) {
		while (i < p->n && p->v[i].last < q->v[k].first)
			i++;
		if (i == p->n || p->v[i].first > q->v[k].first || p->v[i].last < q->v[k].last)
			return false;
	}
	return true;
}

bool
gtid_set_contains(const struct gtid_set *a, const struct gtid_set *b)
{
	for (size_t i = 0; i < b->n; i++) {
		const struct gtid_part *p =
		    a->n == 0 ? NULL : bsearch(&b->parts[i], a->parts, a->n, sizeof(*a->parts), cmp_parts);
		if (p == NULL || !part_contains(p, &b->parts[i]))
			return false;
	}
	return true;
}

uint64_t
gtid_set_count(const struct gtid_set *s)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < s->n; i++)
		for (size_t k = 0; k < s->parts[i].n; k++) {
			uint64_t more = (uint64_t)(s->parts[i].v[k].last - s->parts[i].v[k].first) + 1;
			sum = more > UINT64_MAX - sum ? UINT64_MAX : sum + more;
		}
	return sum;
}

void
gtid_set_remove_uuid(struct gtid_set *s, const char *uuid)
{
	uint8_t raw[GTID_UUID_BYTES];
	size_t kept = 0;

	if (!gtid_uuid_valid(uuid) || !gtid_read_uuid(uuid, raw))
		return;
	for (size_t i = 0; i < s->n; i++) {
		if (memcmp(s->parts[i].uuid, raw, sizeof(raw)) != 0) {
			s->parts[kept++] = s->parts[i];
			continue;
		}
		s->intervals -= s->parts[i].n;
		free(s->parts[i].v);
	}
	s->n = kept;
}
