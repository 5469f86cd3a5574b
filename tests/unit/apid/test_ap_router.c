/* test_ap_router.c — which path reaches which route, with which parameters (http-api.md section 1.1). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ap_router.h"
#include "base/str.h"

static const struct {
	const char *path;
	bool root;
	const char *route; /* NULL: not found */
	const char *param, *value;
} cases[] = {
    {"clusters", false, "clusters", NULL, NULL},
    {"clusters/", false, "clusters", NULL, NULL},
    {"clusters//", false, NULL, NULL, NULL},
    {"", false, NULL, NULL, NULL},
    {"/", false, NULL, NULL, NULL},
    {"Clusters", false, NULL, NULL, NULL},
    {"clusters/x", false, NULL, NULL, NULL},
    {"cluster/alias", false, "cluster/:clusterHint", "clusterHint", "alias"},
    {"cluster/alias/prod", false, "cluster/alias/:clusterAlias", "clusterAlias", "prod"},
    {"cluster/db1%3A3306", false, "cluster/:clusterHint", "clusterHint", "db1:3306"},
    {"cluster/db1:3306/", false, "cluster/:clusterHint", "clusterHint", "db1:3306"},
    {"instance/db1/3306", false, "instance/:host/:port", "port", "3306"},
    {"instance/db1/3306%0A", false, "instance/:host/:port", "port", "3306"},
    {"instance/%20db1%0a/3306/", false, "instance/:host/:port", "host", "db1"},
    {"search/%0A", false, "search/:searchString", "searchString", ""},
    {"begin-downtime/h/1/me/a%20b/1h%0A", false, "begin-downtime/:host/:port/:owner/:reason/:duration", "reason",
     "a b"},
    {"instance//3306", false, NULL, NULL, NULL},
    {"instance/a%2Fb/3306", false, NULL, NULL, NULL},
    {"instance/a%zz/3306", false, NULL, NULL, NULL},
    {"instance/a%00b/3306", false, NULL, NULL, NULL},
    {"instance/a%/3306", false, NULL, NULL, NULL},
    {"topology/db1/3306", false, "topology/:host/:port", "host", "db1"},
    {"leader-check/503", false, "leader-check/:errorStatusCode", "errorStatusCode", "503"},
    {"downtimed/", false, "downtimed", NULL, NULL},
    {"tagged/", false, "tagged", NULL, NULL},
    {"health/live", false, NULL, NULL, NULL},
    {"health/live", true, "health/live", NULL, NULL},
    {"metrics", true, "metrics", NULL, NULL},
    {"clusters", true, NULL, NULL, NULL},
};

static void
paths_reach_their_routes(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct mem_arena arena = {0};
		struct ap_match m;
		bool found = ap_route_match(cases[i].path, cases[i].root, &arena, &m);

		if (found != (cases[i].route != NULL))
			fail_msg("%s: found=%d", cases[i].path, found);
		if (found) {
			assert_string_equal(m.route->path, cases[i].route);
			if (cases[i].param != NULL)
				assert_string_equal(ap_match_param(&m, cases[i].param), cases[i].value);
		}
		mem_arena_done(&arena);
	}
}

static void
a_path_of_many_segments_is_no_route(void **state UNUSED)
{
	struct str_buf path = {0};
	struct mem_arena arena = {0};
	struct ap_match m;

	for (int i = 0; i < 10000; i++)
		str_buf_add(&path, "a/");
	assert_false(ap_route_match(str_buf_text(&path), false, &arena, &m));
	mem_arena_done(&arena);
	str_buf_done(&path);
}

static void
routes_are_unique(void **state UNUSED)
{
	for (size_t i = 0; i < ap_route_count(); i++) {
		for (size_t k = 0; k < i; k++)
			assert_false(strcmp(ap_route_at(i)->path, ap_route_at(k)->path) == 0 &&
				     ap_route_at(i)->root == ap_route_at(k)->root);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(paths_reach_their_routes),
	    cmocka_unit_test(a_path_of_many_segments_is_no_route),
	    cmocka_unit_test(routes_are_unique),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
