/* test_graph.c — parents, rings, drawing order, list orders; also on random graphs. */
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

#define MANY 64

struct world {
	struct topo_instance *v[MANY];
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

/* "a b/1 c/2": hosts in drawing order with their depth */
static char *
walk_text(const struct world *w)
{
	struct topo_graph g;
	struct topo_place places[MANY];
	struct str_buf b = {0};

	topo_graph_init(&g, (const struct topo_instance *const *)w->v, w->n);
	topo_graph_walk(&g, places);
	for (size_t i = 0; i < g.n; i++)
		str_buf_printf(&b, "%s%s/%u", i == 0 ? "" : " ", g.nodes[places[i].node].inst->key.hostname,
			       places[i].depth);
	topo_graph_done(&g);
	return str_buf_take(&b);
}

static void
drawing_orders(void **state UNUSED)
{
	static const struct {
		const char *lines, *want;
	} cases[] = {
	    {"", ""},
	    {"a", "a/0"},
	    {"c source_key=a; b source_key=a; a", "a/0 b/1 c/1"},
	    {"d source_key=b; c source_key=a; b source_key=a; a", "a/0 b/1 d/2 c/1"},
	    {"a:2 source_key=a:10; a:10; b source_key=a:2", "a/0 a/1 b/2"},
	    {"z; b source_key=z; a source_key=gone", "z/0 b/1 a/0"},
	    {"m; b source_key=m; z source_key=gone; y source_key=z", "z/0 y/1 m/0 b/1"},
	    {"b source_key=a; a source_key=b", "a/1 b/1"},
	    {"b source_key=a; a source_key=b; c source_key=a; d source_key=b; e source_key=d", "a/1 c/2 b/1 d/2 e/3"},
	    {"a source_key=a; b source_key=a", "a/0 b/1"},
	    {"a source_key=c; b source_key=a; c source_key=b", "a/1 b/2 c/3"},
	    {"a source_key=c; b source_key=a; c source_key=b; d source_key=b", "a/1 b/2 c/3 d/3"},
	    {"a source_key=b; b source_key=a; r; s source_key=r", "r/0 s/1 a/1 b/1"},
	    {"a source_key=c; b source_key=c; c source_key=b", "b/1 c/1 a/2"},
	    {"b source_key=//a; a", "b/0 a/0"},
	    {"a; a uptime=1; b source_key=a", "a/0 b/1"},
	    {"p group_name=g group_primary_key=p; s source_key=x group_name=g group_primary_key=p; x; r source_key=s",
	     "x/0 p/0 s/1 r/2"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct world w = world(cases[i].lines);
		char *got = walk_text(&w);
		if (strcmp(got, cases[i].want) != 0)
			fail_msg("%s: got \"%s\"", cases[i].lines, got);
		free(got);
		free_world(&w);
	}
}

static void
of_doubles_the_first_is_kept(void **state UNUSED)
{
	struct world w = world("b; a uptime=1; a uptime=2; a uptime=3");
	struct topo_graph g;

	topo_graph_init(&g, (const struct topo_instance *const *)w.v, w.n);
	assert_int_equal(g.n, 2);
	assert_ptr_equal(g.nodes[topo_graph_find(&g, &w.v[2]->key)].inst, w.v[1]);
	assert_true(topo_graph_find(&g, &(struct topo_key){.hostname = "c", .port = 3306}) == TOPO_NO_NODE);
	topo_graph_done(&g);
	free_world(&w);
}

static void
co_sources_are_each_others_parents(void **state UNUSED)
{
	struct world w = world("a source_key=b; b source_key=a; c source_key=a; d source_key=d; e");
	static const size_t want[] = {1, 0, TOPO_NO_NODE, TOPO_NO_NODE, TOPO_NO_NODE};
	struct topo_graph g;

	topo_graph_init(&g, (const struct topo_instance *const *)w.v, w.n);
	for (size_t i = 0; i < g.n; i++)
		assert_true(topo_graph_co_source(&g, i) == want[i]);
	topo_graph_done(&g);
	free_world(&w);
}

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
any_graph_is_drawn_whole_and_once(void **state UNUSED)
{
	for (int round = 0; round < 500; round++) {
		struct world w = {0};
		struct topo_place places[MANY];
		bool seen[MANY] = {false};
		struct topo_graph g;
		size_t n = 1 + random_below(12);
		for (size_t i = 0; i < n; i++) {
			char line[64];
			(void)snprintf(line, sizeof(line), "h%zu source_key=h%zu", i, random_below(n + n / 4 + 1));
			add(&w, line);
		}
		topo_graph_init(&g, (const struct topo_instance *const *)w.v, w.n);
		memset(places, 0xff, sizeof(places));
		topo_graph_walk(&g, places);
		for (size_t i = 0; i < n; i++) {
			size_t node = places[i].node;
			assert_true(node < n && !seen[node]);
			seen[node] = true;
			/* deeper than the one before by at most one, and then its child */
			if (i > 0 && places[i].depth > places[i - 1].depth) {
				assert_int_equal(places[i].depth, places[i - 1].depth + 1);
				if (places[i].depth > 1)
					assert_int_equal(g.nodes[node].parent, places[i - 1].node);
			}
		}
		topo_graph_done(&g);
		free_world(&w);
	}
}

static void
a_very_long_chain_needs_no_stack(void **state UNUSED)
{
	enum { LONG = 20000 };
	struct topo_instance **v = mem_calloc(LONG, sizeof(*v));
	struct topo_place *places = mem_calloc(LONG, sizeof(*places));
	struct topo_graph g;

	for (size_t i = 0; i < LONG; i++) {
		char line[64];
		(void)snprintf(line, sizeof(line), "h%05zu%s%05zu", i, i == 0 ? " server_id=" : " source_key=h",
			       i == 0 ? 0 : i - 1);
		v[i] = topo_make(line);
	}
	topo_graph_init(&g, (const struct topo_instance *const *)v, LONG);
	topo_graph_walk(&g, places);
	assert_int_equal(places[LONG - 1].depth, LONG - 1);
	topo_graph_done(&g);
	for (size_t i = 0; i < LONG; i++)
		topo_make_free(v[i]);
	free(v);
	free(places);
}

static void
list_orders(void **state UNUSED)
{
	struct world w =
	    world("d replication_depth=1; c cluster_name=y; b cluster_name=x; a:10 replicas=x,y; a:9 replicas=x,y; "
		  "e replicas=x,y,z; a:9 replication_depth=2");
	static const char *const listing[] = {"e:3306", "a:9", "a:10", "b:3306", "c:3306", "d:3306", "a:9"};
	static const char *const keys[] = {"a:9", "a:9", "a:10", "b:3306", "c:3306", "d:3306", "e:3306"};
	const struct topo_instance *v[MANY];

	memcpy(v, w.v, sizeof(v));
	topo_sort_listing(v, w.n);
	for (size_t i = 0; i < w.n; i++)
		assert_string_equal(TOPO_KEY_TEXT(&v[i]->key), listing[i]);
	topo_sort_key(v, w.n);
	for (size_t i = 0; i < w.n; i++)
		assert_string_equal(TOPO_KEY_TEXT(&v[i]->key), keys[i]);
	free_world(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(drawing_orders),
	    cmocka_unit_test(of_doubles_the_first_is_kept),
	    cmocka_unit_test(co_sources_are_each_others_parents),
	    cmocka_unit_test(any_graph_is_drawn_whole_and_once),
	    cmocka_unit_test(a_very_long_chain_needs_no_stack),
	    cmocka_unit_test(list_orders),
	};

	return cmocka_run_group_tests_name("graph", tests, NULL, NULL);
}
