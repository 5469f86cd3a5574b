/* pick.c — see replicate.h: replicas that tools for schema changes should look at. Called by apid. */
#include <stdlib.h>
#include <string.h>

#include "topo/derive.h"
#include "topo/graph.h"
#include "topo/key.h"
#include "topo/replicate.h"

#define PER_GROUP 2 /* as historically */

typedef int (*compare_fn)(const void *a, const void *b);

static const struct topo_instance *
at(const void *p)
{
	return *(const struct topo_instance *const *)p;
}

static bool
is_eligible(const struct topo_instance *i)
{
	return i->is_last_check_valid && !i->is_binlog_server;
}

static int
more_replicas_first(const struct topo_instance *a, const struct topo_instance *b)
{
	return a->replicas.n == b->replicas.n ? 0 : a->replicas.n > b->replicas.n ? -1 : 1;
}

static int64_t
lag_of(const struct topo_instance *i)
{
	return i->replication_lag_s.valid ? i->replication_lag_s.v : 0;
}

/* Busiest first, by key. */
static int
by_replicas(const void *p, const void *q)
{
	int order = more_replicas_first(at(p), at(q));

	return order != 0 ? order : topo_cmp_key(at(p), at(q));
}

/* Data centers descending, the busiest first, leaves by lag, by key. */
static int
by_data_center(const void *p, const void *q)
{
	const struct topo_instance *a = at(p), *b = at(q);
	int order = strcmp(b->data_center, a->data_center);

	if (order == 0)
		order = more_replicas_first(a, b);
	if (order == 0 && a->replicas.n == 0 && lag_of(a) != lag_of(b))
		order = lag_of(a) > lag_of(b) ? -1 : 1;
	return order != 0 ? order : topo_cmp_key(a, b);
}

/* The eligible ones that fit: at a depth, or below a server; sorted. ret: room for n. */
static size_t
gather(const struct topo_instance *const *insts, size_t n, uint64_t depth, const struct topo_key *source,
       compare_fn compare, const struct topo_instance **ret)
{
	size_t found = 0;

	for (size_t i = 0; i < n; i++) {
		bool fits = source == NULL ? insts[i]->replication_depth == depth
					   : topo_key_equal(&insts[i]->source_key, source);
		if (fits && is_eligible(insts[i]))
			ret[found++] = insts[i];
	}
	qsort(ret, found, sizeof(struct topo_instance *), compare);
	return found;
}

/* Keeps the first two of each data center, in place. */
static size_t
first_of_data_centers(const struct topo_instance **v, size_t n)
{
	size_t kept = 0, of_this = 0;
	const char *data_center = NULL;

	for (size_t i = 0; i < n; i++) {
		if (!str_eq(data_center, v[i]->data_center))
			of_this = 0;
		data_center = v[i]->data_center;
		if (of_this++ < PER_GROUP)
			v[kept++] = v[i];
	}
	return kept;
}

static size_t
add_new(const struct topo_instance **ret, size_t n, const struct topo_instance *const *more, size_t n_more)
{
	for (size_t i = 0; i < n_more; i++) {
		bool has = false;
		for (size_t k = 0; k < n; k++)
			has |= ret[k] == more[i];
		if (!has)
			ret[n++] = more[i];
	}
	return n;
}

size_t
topo_pick_osc_replicas(const struct topo_instance *const *insts, size_t n, const struct topo_instance **ret)
{
	const struct topo_instance **work = mem_calloc(n + 1, sizeof(*work));
	size_t first = first_of_data_centers(ret, gather(insts, n, 1, NULL, by_data_center, ret)), picked = first;

	for (size_t i = 0; i < first; i++) {
		size_t below = ret[i]->replicas.n == 0 ? 0 : gather(insts, n, 0, &ret[i]->key, by_replicas, work);
		picked = add_new(ret, picked, work, min_size(below, PER_GROUP));
	}
	picked =
	    add_new(ret, picked, work, first_of_data_centers(work, gather(insts, n, 3, NULL, by_data_center, work)));
	free(work);
	return picked;
}

/* --- gh-ost ----------------------------------------------------------------------------------------------------------- */
static int
fewest_replicas_first(const void *p, const void *q)
{
	int order = -more_replicas_first(at(p), at(q));

	return order != 0 ? order : topo_cmp_key(at(p), at(q));
}

size_t
topo_pick_gh_ost_replicas(const struct topo_instance *const *insts, size_t n, const struct topo_instance **ret)
{
	size_t found = 0;

	for (size_t i = 0; i < n; i++) {
		const struct topo_instance *x = insts[i];
		if (is_eligible(x) && x->replication_depth > 0 && str_eq(x->binlog_format, "ROW") &&
		    x->log_bin_enabled && x->log_replica_updates)
			ret[found++] = x;
	}
	qsort(ret, found, sizeof(struct topo_instance *), fewest_replicas_first);
	return found;
}
