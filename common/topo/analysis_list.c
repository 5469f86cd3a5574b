/* analysis_list.c — all servers: who is whose replica, whom to analyse, what to show, in which order (analysis.md
 * sections 1 and 5). Pure; called by apid's readers. The analysis of one server stands in analysis.c. */
#include "topo/analysis.h"

#include <stdlib.h>
#include <string.h>

#include "topo/key.h"

/* --- replicas by source ---------------------------------------------------------------------------------------- */
static int
cmp_source(const void *a, const void *b)
{
	const struct topo_analysed *x = *(const struct topo_analysed *const *)a;
	const struct topo_analysed *y = *(const struct topo_analysed *const *)b;

	return topo_key_cmp(&x->inst->source_key, &y->inst->source_key);
}

struct families {
	const struct topo_analysed **v; /* by source */
	size_t n;
};

static void
find_families(const struct topo_analysed *servers, size_t n, struct mem_arena *arena, struct families *ret)
{
	*ret = (struct families){mem_arena_alloc(arena, n * sizeof(*ret->v)), 0};
	for (size_t i = 0; i < n; i++) {
		if (!str_empty(servers[i].inst->source_key.hostname))
			ret->v[ret->n++] = &servers[i];
	}
	if (ret->n > 1)
		qsort(ret->v, ret->n, sizeof(*ret->v), cmp_source);
}

/* The replicas that name key as their source. */
static struct families
family_of(const struct families *all, const struct topo_key *key)
{
	size_t low = 0, high = all->n, end;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (topo_key_cmp(&all->v[middle]->inst->source_key, key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (end = low; end < all->n && topo_key_equal(&all->v[end]->inst->source_key, key);)
		end++;
	return (struct families){all->v + low, end - low};
}

/* --- scope ----------------------------------------------------------------------------------------------------- */
static bool
is_asked(const struct topo_analysed *s, const struct topo_analysis_rules *r)
{
	return !s->in_maintenance && (str_empty(r->cluster) || str_eq(r->cluster, s->inst->cluster_name)) &&
	       (r->key == NULL || topo_key_equal(r->key, &s->inst->key));
}

static bool
is_shown(const struct topo_analysis *a, const struct topo_analysis_rules *r)
{
	bool is_fine_leaf = a->last_check_valid && !a->is_failing_to_connect && a->n_replicas == 0;

	if (r->reduce && is_fine_leaf)
		return false;
	if (a->code == TOPO_NO_PROBLEM && a->structure.n == 0 && !r->include_no_problem)
		return false;
	if (r->is_ignored != NULL && r->is_ignored(r->ctx, a->key.hostname))
		return false;
	return r->include_downtimed || !a->is_skippable;
}

/* --- order ----------------------------------------------------------------------------------------------------- */
static int
cmp_shown(const void *a, const void *b)
{
	const struct topo_analysis *x = a, *y = b;

	if (x->is_primary != y->is_primary)
		return x->is_primary ? -1 : 1;
	if (x->is_cluster_primary != y->is_cluster_primary)
		return x->is_cluster_primary ? -1 : 1;
	if (x->n_replicas != y->n_replicas)
		return x->n_replicas > y->n_replicas ? -1 : 1;
	return topo_key_cmp(&x->key, &y->key);
}

/* --- all ------------------------------------------------------------------------------------------------------- */
static void
keep_result(struct topo_analysis_list *l, size_t *cap, const struct topo_analysis *a, struct mem_arena *arena)
{
	if (l->n == *cap) {
		struct topo_analysis *old = l->v;
		*cap = *cap == 0 ? 4 : *cap * 2;
		l->v = mem_arena_alloc(arena, *cap * sizeof(*l->v));
		if (l->n > 0)
			memcpy(l->v, old, l->n * sizeof(*l->v));
	}
	l->v[l->n++] = *a;
}

void
topo_analyse(const struct topo_analysed *servers, size_t n, const struct topo_analysis_rules *rules,
	     struct mem_arena *arena, struct topo_analysis_list *ret)
{
	struct families all;
	size_t cap = 0;

	*ret = (struct topo_analysis_list){NULL, 0};
	find_families(servers, n, arena, &all);
	for (size_t i = 0; i < n; i++) {
		const struct topo_analysed *s = &servers[i];
		struct topo_key known_as = {s->resolved != NULL ? s->resolved : s->inst->key.hostname,
					    s->inst->key.port};
		struct families family;
		struct topo_analysis a;
		if (!is_asked(s, rules))
			continue;
		family = family_of(&all, &known_as);
		topo_analyse_one(s, family.v, family.n, rules, arena, &a);
		if (is_shown(&a, rules))
			keep_result(ret, &cap, &a, arena);
	}
	if (ret->n > 1)
		qsort(ret->v, ret->n, sizeof(*ret->v), cmp_shown);
}

/* --- keeping rows ---------------------------------------------------------------------------------------------- */
static const char *
keep_text(const char *text, struct mem_arena *arena)
{
	return str_empty(text) ? "" : mem_arena_strndup(arena, text, strlen(text));
}

static void
keep_scalars(struct topo_instance *to, const struct topo_instance *from)
{
	static const size_t bytes[] = {[REC_BOOL] = sizeof(bool),
				       [REC_I64] = sizeof(int64_t),
				       [REC_U64] = sizeof(uint64_t),
				       [REC_NI64] = sizeof(struct rec_ni64),
				       [REC_LIST] = 0};

	for (size_t i = 0; i < topo_instance_desc.n_fields; i++) {
		const struct rec_field *f = &topo_instance_desc.fields[i];
		if ((size_t)f->kind < ARRAY_LEN(bytes))
			memcpy(rec_at_mut(to, f), rec_at(from, f), bytes[f->kind]);
	}
}

struct topo_instance *
topo_analysis_keep(const struct topo_instance *inst, struct mem_arena *arena)
{
	static const size_t texts[] = {
#define TEXT(member) offsetof(struct topo_instance, member)
	    TEXT(key.hostname),		TEXT(source_key.hostname), TEXT(self_coord.log_file),
	    TEXT(cluster_name),		TEXT(data_center),	   TEXT(region),
	    TEXT(physical_environment), TEXT(last_io_error),	   TEXT(binlog_format),
	    TEXT(major_version),	TEXT(gtid_mode),	   TEXT(gtid_errant),
	    TEXT(group_name),		TEXT(group_member_role),   TEXT(group_member_state),
#undef TEXT
	};
	struct topo_instance *copy = mem_arena_alloc(arena, sizeof(*copy));

	rec_init(&topo_instance_desc, copy);
	keep_scalars(copy, inst);
	copy->key.port = inst->key.port;
	copy->source_key.port = inst->source_key.port;
	copy->self_coord.log_pos = inst->self_coord.log_pos;
	copy->self_coord.type = inst->self_coord.type;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		*(const char **)((char *)copy + texts[i]) =
		    keep_text(*(const char *const *)((const char *)inst + texts[i]), arena);
	return copy;
}
