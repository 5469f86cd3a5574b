/* test_pick.c — which replicas a schema change should watch, and which gh-ost can work on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "topo/replicate.h"
#include "topo_make.h"
#include "base/str.h"

#define LINES_MAX 16

struct pick_case {
	const char *lines[LINES_MAX];
	const char *picked;
};

static void
check(const struct pick_case *c,
      size_t (*pick)(const struct topo_instance *const *insts, size_t n, const struct topo_instance **ret))
{
	const struct topo_instance *insts[LINES_MAX], *picked[LINES_MAX];
	struct topo_instance *made[LINES_MAX];
	struct str_buf text = {0};
	size_t n = 0, n_picked;

	for (; n < LINES_MAX && c->lines[n] != NULL; n++)
		insts[n] = made[n] = topo_make(c->lines[n]);
	n_picked = pick(insts, n, picked);
	for (size_t i = 0; i < n_picked; i++)
		str_buf_printf(&text, "%s%s", i == 0 ? "" : " ", picked[i]->key.hostname);
	assert_string_equal(str_buf_text(&text), c->picked);
	str_buf_done(&text);
	for (size_t i = 0; i < n; i++)
		topo_make_free(made[i]);
}

#define V " is_last_check_valid=1 "
#define TIER1 V "replication_depth=1 source_key=p:3306 "

static void
osc_replicas(void **state UNUSED)
{
	static const struct pick_case cases[] = {
	    {{NULL}, ""},
	    {{"p" V}, ""},
	    /* leaves: those that lag most; equal ones by name */
	    {{"p" V, "a" TIER1 "replication_lag_s=1", "b" TIER1 "replication_lag_s=9", "c" TIER1 "replication_lag_s=5"},
	     "b c"},
	    {{"c" TIER1, "b" TIER1, "a" TIER1}, "a b"},
	    /* two for each data center, the last by name first */
	    {{"a" TIER1 "data_center=d1", "b" TIER1 "data_center=d2", "c" TIER1 "data_center=d1",
	      "d" TIER1 "data_center=d1", "e" TIER1},
	     "b a c e"},
	    /* the busiest first, and two of what each of them feeds */
	    {{"a" TIER1 "replicas=k:3306", "b" TIER1 "replicas=m:3306,n:3306,o:3306", "c" TIER1 "replication_lag_s=100",
	      "k" V "replication_depth=2 source_key=a:3306", "m" V "replication_depth=2 source_key=b:3306",
	      "n" V "replication_depth=2 source_key=b:3306",
	      "o" V "replication_depth=2 source_key=b:3306 replicas=q:3306",
	      "q" V "replication_depth=3 source_key=o:3306"},
	     "b a o m k q"},
	    /* neither binlog servers nor those whose check is not valid, at any stage */
	    {{"a" TIER1 "is_binlog_server=1 replicas=k:3306", "b replication_depth=1 source_key=p:3306",
	      "c" TIER1 "replicas=d:3306", "d replication_depth=2 source_key=c:3306",
	      "k" V "replication_depth=2 source_key=a:3306"},
	     "c"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		check(&cases[i], topo_pick_osc_replicas);
}

#define G TIER1 "binlog_format=ROW log_bin_enabled=1 log_replica_updates=1 "

static void
gh_ost_replicas(void **state UNUSED)
{
	static const struct pick_case cases[] = {
	    {{"p" G "replication_depth=0", "a" G "binlog_format=MIXED", "b" G "log_bin_enabled=0",
	      "c" G "log_replica_updates=0", "d" G "is_binlog_server=1", "e" G "is_last_check_valid=0"},
	     ""},
	    {{"a" G "replicas=k:3306", "c" G, "b" G "replication_depth=5"}, "b c a"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		check(&cases[i], topo_pick_gh_ost_replicas);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(osc_replicas),
	    cmocka_unit_test(gh_ost_replicas),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
