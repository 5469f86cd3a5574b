/* Which failures are recovered by themselves: filters of clusters, and what stands against it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "rd_recover_begin.h"

static void
test_cluster_filters(void **state UNUSED)
{
	static const struct {
		const char *filter, *name, *alias;
		bool matches;
	} cases[] = {
	    {"*", "a:3306", "", true},
	    {"", "a:3306", "", false},
	    {"a:3306", "a:3306", "main", true},
	    {"main", "a:3306", "main", true},
	    {"mai", "a:3306", "main", false}, /* patterns are of names */
	    {"^a:", "a:3306", "main", true},
	    {"^b:", "a:3306", "main", false},
	    {"alias=main", "a:3306", "main", true},
	    {"alias=mai", "a:3306", "main", false},
	    {"alias~=^ma", "a:3306", "main", true},
	    {"alias~=^a:", "a:3306", "main", false},
	    {"alias~=", "a:3306", "main", false},
	    {"alias~=^a:", "a:3306", "", true}, /* without an alias the name is it */
	    {"alias=a:3306", "a:3306", "", true},
	    {"alias~=^b", "a:3306", "", false},
	    {"(", "a:3306", "main", false},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct conf_strs filters = {.v = &cases[i].filter, .n = 1};

		if (rd_recover_cluster_matches(&filters, cases[i].name, cases[i].alias) != cases[i].matches)
			fail_msg("filter %s, cluster %s, alias %s", cases[i].filter, cases[i].name, cases[i].alias);
	}
	assert_false(rd_recover_cluster_matches(&(struct conf_strs){0}, "a:3306", "main"));
}

static void
test_refusals(void **state UNUSED)
{
	static const struct rd_recover_case good = {.code = TOPO_DEAD_PRIMARY,
						    .hostname = "a",
						    .cluster_name = "a:3306",
						    .cluster_alias = "main",
						    .all_probed = true};
	const char *filter = "*", *host = "^a$";
	struct conf c = {.RecoverMasterClusterFilters = {.v = &filter, .n = 1}}; /* historical */
	struct rd_recover_case f;

#define EXPECT(change, refusal)                                          \
	do {                                                             \
		f = good;                                                \
		change;                                                  \
		assert_int_equal(rd_recover_may_begin(&c, &f), refusal); \
	} while (0)
	EXPECT((void)0, RD_MAY_RECOVER);
	EXPECT(f.code = TOPO_DEAD_PRIMARY_AND_SOME_REPLICAS, RD_MAY_RECOVER);
	EXPECT(f.code = TOPO_DEAD_PRIMARY_AND_REPLICAS,
	       RD_MAY_RECOVER); /* it is recorded that nobody can be promoted */
	EXPECT(f.code = TOPO_DEAD_PRIMARY_WITHOUT_REPLICAS, RD_NO_REPLICAS);
	EXPECT(f.code = TOPO_DEAD_PRIMARY_WITHOUT_REPLICAS; f.forced = true, RD_NO_REPLICAS);
	EXPECT(f.code = TOPO_NO_PROBLEM, RD_NO_PROCEDURE);
	EXPECT(f.all_probed = false, RD_UNPROBED);
	EXPECT(f.disabled = true, RD_DISABLED);
	EXPECT(f.downtimed = true, RD_DOWNTIMED);
	EXPECT(f.replaced = true, RD_REPLACED);
	EXPECT((f.replaced = f.forced = true), RD_MAY_RECOVER);
	EXPECT(f.in_maintenance = true, RD_IN_MAINTENANCE);
	EXPECT((f.disabled = f.downtimed = true, f.forced = true), RD_MAY_RECOVER);
	EXPECT((f.forced = true, f.all_probed = false), RD_UNPROBED);
	c.RecoveryIgnoreHostnameFilters = (struct conf_strs){.v = &host, .n = 1};
	EXPECT((void)0, RD_IGNORED_HOST);
	EXPECT(f.hostname = "ab", RD_MAY_RECOVER);
	host = "10.0.0.1"; /* an address is no expression */
	EXPECT(f.hostname = "10.0.0.1", RD_IGNORED_HOST);
	EXPECT(f.hostname = "10.0.0.12", RD_MAY_RECOVER);
	c.RecoverMasterClusterFilters.n = 0; /* historical */
	EXPECT(f.hostname = "ab", RD_FILTERED);
	assert_string_equal(rd_recover_refusal_text(RD_DISABLED), "recoveries are disabled globally");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_cluster_filters),
	    cmocka_unit_test(test_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
