/* test_cluster.c — cluster name, depth and ancestry: single steps, and convergence when every server is probed again
 * and again, in any order, on chains, trees, co-sources and rings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "topo/graph.h"
#include "topo/key.h"
#include "topo_make.h"

#define MANY 16

struct world {
	struct topo_instance *v[MANY];
	bool probed[MANY];
	size_t n;
};

static void
add(void *arg, const char *line)
{
	struct world *w = arg;

	assert_true(w->n < MANY);
	w->v[w->n++] = topo_make(line);
}

static struct world
world(const char *lines)
{
	struct world w = {0};

	str_split(lines, ";", add, &w);
	return w;
}

static void
free_world(struct world *w)
{
	for (size_t i = 0; i < w->n; i++)
		topo_make_free(w->v[i]);
}

static const struct topo_instance *
lookup(void *ctx, const struct topo_key *key)
{
	const struct world *w = ctx;

	for (size_t i = 0; i < w->n; i++)
		if (w->probed[i] && topo_key_equal(&w->v[i]->key, key))
			return w->v[i];
	return NULL;
}

/* One probe of server at: true when its attributes changed. */
static bool
probe(struct world *w, size_t at)
{
	struct topo_instance *i = w->v[at];
	struct topo_cluster c;
	bool changed;

	topo_cluster_of(i, lookup, w, &c);
	changed = !w->probed[at] || !str_eq(c.name, i->cluster_name) || !str_eq(c.ancestry, i->ancestry_uuid) ||
		  c.depth != i->replication_depth || c.is_co_source != i->is_co_source;
	rec_set_str(&i->cluster_name, c.name);
	rec_set_str(&i->ancestry_uuid, c.ancestry);
	rec_set_str(&i->suggested_cluster_alias, c.alias);
	i->replication_depth = c.depth;
	i->is_co_source = c.is_co_source;
	w->probed[at] = true;
	topo_cluster_done(&c);
	return changed;
}

/* --- one step -------------------------------------------------------------------------------------------------- */
#define P(fields) "p cluster_name=x:1 replication_depth=3 ancestry_uuid=u1,u2 suggested_cluster_alias=al " fields

static void
attributes_come_from_the_parents_row(void **state UNUSED)
{
	static const struct {
		const char *inst, *parent; /* parent NULL = no row */
		const char *name, *ancestry, *alias;
		uint64_t depth;
		bool co;
	} cases[] = {
	    {"a server_uuid=ua", NULL, "a:3306", "ua", "", 0, false},
	    {"a server_uuid=ua source_key=p", NULL, "a:3306", "ua", "", 0, false},
	    {"a server_uuid=ua source_key=p", P(""), "x:1", "u1,u2,ua", "al", 4, false},
	    {"a source_key=p", P(""), "x:1", "u1,u2", "al", 4, false},
	    {"a source_key=p", "p", "a:3306", "", "", 1, false},
	    {"a server_uuid=ua source_key=p", "p cluster_name=x:1 replication_depth=255", "x:1", "ua", "", 255, false},
	    /* groups: secondaries stand below the primary, whatever source they have */
	    {"a server_uuid=ua group_name=g group_primary_key=p source_key=zz", P(""), "x:1", "u1,u2,ua,g", "al", 4,
	     false},
	    {"p server_uuid=up group_name=g group_primary_key=p", NULL, "p:3306", "up,g", "", 0, false},
	    /* not followed: detached, no source, oneself */
	    {"a server_uuid=ua source_key=//p", P(""), "a:3306", "ua", "", 0, false},
	    {"a server_uuid=ua source_key=_", P(""), "a:3306", "ua", "", 0, false},
	    {"p server_uuid=up source_key=p", P(""), "p:3306", "up", "", 0, false},
	    /* co-sources */
	    {"a server_uuid=ua source_key=p source_uuid=up", P("source_key=a"), "a:3306", "up,ua", "al", 0, true},
	    {"z server_uuid=uz source_key=p source_uuid=up", P("source_key=z"), "p:3306", "up,uz", "al", 4, true},
	    {"a server_uuid=ua source_key=p source_uuid=up", "p source_key=a cluster_name=p:3306", "p:3306", "up,ua",
	     "", 1, true},
	    {"z server_uuid=uz source_key=p source_uuid=up", "p source_key=z cluster_name=z:3306 replication_depth=1",
	     "z:3306", "up,uz", "", 0, true},
	    {"a source_key=p source_uuid=No", P("source_key=a"), "a:3306", "", "al", 0, true},
	};

	for (size_t n = 0; n < ARRAY_LEN(cases); n++) {
		struct world w = {0};
		struct topo_cluster c;
		struct topo_instance *i = topo_make(cases[n].inst);
		if (cases[n].parent != NULL) {
			add(&w, cases[n].parent);
			w.probed[0] = true;
		}
		topo_cluster_of(i, lookup, &w, &c);
		if (strcmp(c.name, cases[n].name) != 0 || strcmp(c.ancestry, cases[n].ancestry) != 0 ||
		    strcmp(c.alias, cases[n].alias) != 0 || c.depth != cases[n].depth || c.is_co_source != cases[n].co)
			fail_msg("case %zu (%s): name %s ancestry %s alias %s depth %d co %d", n, cases[n].inst, c.name,
				 c.ancestry, c.alias, (int)c.depth, c.is_co_source);
		topo_cluster_done(&c);
		topo_make_free(i);
		free_world(&w);
	}
}

static void
an_ancestry_that_would_not_fit_starts_anew(void **state UNUSED)
{
	struct world w = world("p cluster_name=x:1; a server_uuid=ua source_key=p");
	char *longest = mem_alloc(TOPO_ANCESTRY_MAX + 1);

	memset(longest, 'u', TOPO_ANCESTRY_MAX);
	longest[TOPO_ANCESTRY_MAX] = '\0';
	rec_set_str(&w.v[0]->ancestry_uuid, longest);
	w.probed[0] = true;
	(void)probe(&w, 1);
	assert_string_equal(w.v[1]->ancestry_uuid, "ua");
	longest[TOPO_ANCESTRY_MAX - 3] = '\0';
	rec_set_str(&w.v[0]->ancestry_uuid, longest);
	(void)probe(&w, 1);
	assert_int_equal(strlen(w.v[1]->ancestry_uuid), TOPO_ANCESTRY_MAX);
	free(longest);
	free_world(&w);
}

static void
descendants_are_told_by_ancestry(void **state UNUSED)
{
	struct topo_instance *a = topo_make("a server_uuid=ua ancestry_uuid=ua"), *none = topo_make("n");
	struct topo_instance *c = topo_make("c server_uuid=uc ancestry_uuid=ua,ub,uc");
	struct topo_instance *other = topo_make("d server_uuid=u ancestry_uuid=ua,u");

	assert_true(topo_is_descendant(c, a));
	assert_false(topo_is_descendant(a, c));
	assert_false(topo_is_descendant(c, c));
	assert_false(topo_is_descendant(c, other)); /* "u" is no word of the list */
	assert_false(topo_is_descendant(c, none));
	assert_false(topo_is_descendant(none, c));
	topo_make_free(a);
	topo_make_free(none);
	topo_make_free(c);
	topo_make_free(other);
}

/* --- convergence ----------------------------------------------------------------------------------------------- */
static uint64_t rng = 88172645463325252u;

static size_t
random_below(size_t n)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (size_t)(rng % n);
}

static void
shuffle(size_t *order, size_t n)
{
	for (size_t i = 0; i < n; i++)
		order[i] = i;
	for (size_t i = n; i > 1; i--) {
		size_t k = random_below(i), t = order[i - 1];
		order[i - 1] = order[k];
		order[k] = t;
	}
}

/* Rounds in one fixed order, as a schedule of polls would be: must be quiet after 3n of them. */
static void
settle(struct world *w)
{
	size_t order[MANY];
	bool changed = true;

	shuffle(order, w->n);
	for (size_t round = 0; round < 3 * MANY && changed; round++) {
		changed = false;
		for (size_t i = 0; i < w->n; i++)
			changed |= probe(w, order[i]);
	}
	assert_false(changed);
}

static char *
world_text(const struct world *w)
{
	struct str_buf b = {0};

	for (size_t i = 0; i < w->n; i++)
		str_buf_printf(&b, "%s%s/%llu", i == 0 ? "" : " ", w->v[i]->cluster_name,
			       (unsigned long long)w->v[i]->replication_depth);
	return str_buf_take(&b);
}

static void
known_shapes_come_to_rest(void **state UNUSED)
{
	static const struct {
		const char *lines;
		const char *want, *or_else; /* co-sources: whoever was first gives the name */
	} cases[] = {
	    {"a server_uuid=ua; b server_uuid=ub source_key=a; c server_uuid=uc source_key=b",
	     "a:3306/0 a:3306/1 a:3306/2", NULL},
	    {"a source_key=b source_uuid=ub; b source_key=a source_uuid=ua; c source_key=a; d source_key=b",
	     "a:3306/0 a:3306/1 a:3306/1 a:3306/2", "b:3306/1 b:3306/0 b:3306/2 b:3306/1"},
	    {"a source_key=c server_uuid=ua; b source_key=a server_uuid=ub; c source_key=b server_uuid=uc; "
	     "d source_key=b server_uuid=ud",
	     "a:3306/0 a:3306/1 a:3306/2 a:3306/2", NULL},
	    {"a source_key=d; b source_key=a; c source_key=b; d source_key=c", "a:3306/0 a:3306/1 a:3306/2 a:3306/3",
	     NULL},
	    {"a source_key=a; b source_key=a", "a:3306/0 a:3306/1", NULL},
	    {"p group_name=g group_primary_key=p; s group_name=g group_primary_key=p; r source_key=s",
	     "p:3306/0 p:3306/1 p:3306/2", NULL},
	};

	for (size_t n = 0; n < ARRAY_LEN(cases); n++)
		for (int round = 0; round < 50; round++) {
			struct world w = world(cases[n].lines);
			char *got;
			settle(&w);
			got = world_text(&w);
			if (strcmp(got, cases[n].want) != 0 &&
			    (cases[n].or_else == NULL || strcmp(got, cases[n].or_else) != 0))
				fail_msg("%s: got %s", cases[n].lines, got);
			free(got);
			free_world(&w);
		}
}

static void
any_shape_comes_to_rest_also_after_a_change(void **state UNUSED)
{
	for (int round = 0; round < 1000; round++) {
		struct world w = {0};
		size_t n = 2 + random_below(8);
		for (size_t i = 0; i < n; i++) {
			char line[96];
			(void)snprintf(line, sizeof(line), "h%zu source_key=h%zu %s%zu", i, random_below(n + 2),
				       round % 2 == 0 ? "server_uuid=u" : "server_id=", i);
			add(&w, line);
		}
		settle(&w);
		for (size_t i = 0; i < n; i++)
			if (random_below(3) == 0) {
				char host[16];
				(void)snprintf(host, sizeof(host), "h%zu", random_below(n + 2));
				topo_key_set(&w.v[i]->source_key, host, 3306);
			}
		settle(&w);
		for (size_t i = 0; i < n; i++)
			assert_true(w.v[i]->replication_depth < n && strlen(w.v[i]->ancestry_uuid) < 3 * n + 3);
		free_world(&w);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(attributes_come_from_the_parents_row),
	    cmocka_unit_test(an_ancestry_that_would_not_fit_starts_anew),
	    cmocka_unit_test(descendants_are_told_by_ancestry),
	    cmocka_unit_test(known_shapes_come_to_rest),
	    cmocka_unit_test(any_shape_comes_to_rest_also_after_a_change),
	};

	return cmocka_run_group_tests_name("cluster", tests, NULL, NULL);
}
