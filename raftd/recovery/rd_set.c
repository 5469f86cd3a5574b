/* rd_set.c — sets of transactions of either GTID family (rd_have.h). Pure. */
#include <stdlib.h>

#include "rd_have.h"

void
rd_set_done(struct rd_set *s)
{
	gtid_set_done(&s->mysql);
	gtid_pos_done(&s->mariadb);
	*s = (struct rd_set){0};
}

bool
rd_set_is_empty(const struct rd_set *s)
{
	return gtid_set_is_empty(&s->mysql) && s->mariadb.n == 0;
}

void
rd_set_write(const struct rd_set *s, struct str_buf *b)
{
	if (s->mariadb.n > 0)
		gtid_pos_write(&s->mariadb, b);
	else
		gtid_set_write(&s->mysql, b, GTID_SEP_LINE);
}

int
rd_set_minus(enum gtid_family family, const struct rd_set *a, const struct rd_set *b, struct rd_set *ret, struct err *e)
{
	*ret = (struct rd_set){0};
	if (family == GTID_MYSQL)
		return gtid_set_subtract(&a->mysql, &b->mysql, &ret->mysql, e);
	gtid_pos_diff(&a->mariadb, &b->mariadb, &ret->mariadb);
	return 0;
}

static void
add_item(struct gtid_pos *p, struct gtid_pos_item item)
{
	mem_grow(p->v, p->cap, p->n + 1);
	p->v[p->n++] = item;
}

/* In each domain the higher sequence number; a's where they are equal. */
static void
join_pos(const struct gtid_pos *a, const struct gtid_pos *b, struct gtid_pos *ret)
{
	size_t i = 0, k = 0;

	while (i < a->n || k < b->n) {
		bool from_a = k == b->n || (i < a->n && a->v[i].domain <= b->v[k].domain);
		bool both = i < a->n && k < b->n && a->v[i].domain == b->v[k].domain;

		if (both)
			add_item(ret, a->v[i].seq >= b->v[k].seq ? a->v[i] : b->v[k]);
		else
			add_item(ret, from_a ? a->v[i] : b->v[k]);
		i += from_a;
		k += both || !from_a;
	}
}

int
rd_set_join(enum gtid_family family, const struct rd_set *a, const struct rd_set *b, struct rd_set *ret, struct err *e)
{
	*ret = (struct rd_set){0};
	if (family == GTID_MYSQL)
		return gtid_set_union(&a->mysql, &b->mysql, &ret->mysql, e);
	join_pos(&a->mariadb, &b->mariadb, &ret->mariadb);
	return 0;
}

static uint64_t
lacks_set(const struct gtid_set *have, const struct gtid_set *of)
{
	struct gtid_set rest;
	struct err e;
	uint64_t n;

	if (gtid_set_subtract(of, have, &rest, &e) != 0)
		return UINT64_MAX; /* too many pieces: certainly not the same */
	n = gtid_set_count(&rest);
	gtid_set_done(&rest);
	return n;
}

/* The same number from two servers: one transaction that the other lacks. */
static uint64_t
lacks_pos(const struct gtid_pos *have, const struct gtid_pos *of)
{
	struct gtid_pos rest;
	uint64_t n = 0;

	gtid_pos_diff(of, have, &rest);
	for (size_t i = 0, k = 0; i < rest.n; i++) {
		uint64_t seq = 0;
		while (k < have->n && have->v[k].domain < rest.v[i].domain)
			k++;
		if (k < have->n && have->v[k].domain == rest.v[i].domain)
			seq = have->v[k].seq;
		n += rest.v[i].seq > seq ? rest.v[i].seq - seq : 1;
	}
	gtid_pos_done(&rest);
	return n;
}

uint64_t
rd_set_lacks(enum gtid_family family, const struct rd_set *have, const struct rd_set *of)
{
	return family == GTID_MYSQL ? lacks_set(&have->mysql, &of->mysql) : lacks_pos(&have->mariadb, &of->mariadb);
}
