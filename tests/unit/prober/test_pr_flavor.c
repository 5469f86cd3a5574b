/* Statements by flavour and version: reference/probing.md section 3, with its string comparison mended. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "pr_flavor.h"

static const char ps_list[] = "performance_schema.processlist", is_list[] = "information_schema.processlist";

static void
test_dialects(void **state UNUSED)
{
	static const struct {
		const char *version, *status, *coordinates, *listing, *process_list;
		bool gtid, group, heartbeats;
	} cases[] = {
	    {"5.5.62", "show slave status", "show master status", "show slave hosts", is_list, false, false, false},
	    {"5.6.51-log", "show slave status", "show master status", "show slave hosts", is_list, true, false, false},
	    {"5.7.44-48", "show slave status", "show master status", "show slave hosts", is_list, true, false, true},
	    {"8.0.4-rc", "show slave status", "show master status", "show slave hosts", is_list, true, true, true},
	    {"8.0.14", "show slave status", "show master status", "show slave hosts", is_list, true, true, true},
	    {"8.0.21", "show slave status", "show master status", "show slave hosts", is_list, true, true, true},
	    {"8.0.22", "show slave status", "show master status", "show slave hosts", ps_list, true, true, true},
	    {"8.0.36-28", "show slave status", "show master status", "show slave hosts", ps_list, true, true, true},
	    {"8.3.0", "show slave status", "show master status", "show slave hosts", ps_list, true, true, true},
	    {"8.4.3", "show replica status", "show binary log status", "show replicas", ps_list, true, true, true},
	    {"9.7.4-2", "show replica status", "show binary log status", "show replicas", ps_list, true, true, true},
	    {"10.1.0", "show replica status", "show binary log status", "show replicas", ps_list, true, true, true},
	    {"10.11.19-MariaDB-log", "show all slaves status", "show master status", "show slave hosts", is_list, false,
	     false, false},
	    {"11.4.2-MariaDB", "show all slaves status", "show master status", "show slave hosts", is_list, false,
	     false, false},
	    {"5.5.5-10.11.6-MariaDB", "show all slaves status", "show master status", "show slave hosts", is_list,
	     false, false, false},
	    {"5.5.68-MariaDB", "show slave status", "show master status", "show slave hosts", is_list, false, false,
	     false},
	    {"not-a-number-MariaDB", "show slave status", "show master status", "show slave hosts", is_list, false,
	     false, false},
	    {"", "show slave status", "show master status", "show slave hosts", is_list, false, false, false},
	    {"Unknown", "show slave status", "show master status", "show slave hosts", is_list, false, false, false},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		unsigned caps = pr_flavor_caps(cases[i].version);

		assert_string_equal(pr_ask_sql(PR_ASK_REPLICA_STATUS, caps), cases[i].status);
		assert_string_equal(pr_ask_sql(PR_ASK_COORDINATES, caps), cases[i].coordinates);
		assert_string_equal(pr_ask_sql(PR_ASK_LISTING, caps), cases[i].listing);
		if (strstr(pr_ask_sql(PR_ASK_PROCESS_LIST, caps), cases[i].process_list) == NULL)
			fail_msg("%s: %s", cases[i].version, pr_ask_sql(PR_ASK_PROCESS_LIST, caps));
		assert_int_equal(pr_ask_sql(PR_ASK_GTID, caps) != NULL, cases[i].gtid);
		assert_int_equal(pr_ask_sql(PR_ASK_GROUP_MEMBERS, caps) != NULL, cases[i].group);
		assert_int_equal(pr_ask_sql(PR_ASK_HEARTBEATS, caps) != NULL, cases[i].heartbeats);
	}
}

static void
test_variables_that_went_away(void **state UNUSED)
{
	assert_non_null(strstr(pr_ask_sql(PR_ASK_SELF, pr_flavor_caps("8.0.40")), "@@global.log_slave_updates"));
	assert_non_null(strstr(pr_ask_sql(PR_ASK_SELF, pr_flavor_caps("8.4.0")), "@@global.log_replica_updates"));
	assert_non_null(strstr(pr_ask_sql(PR_ASK_GTID, pr_flavor_caps("8.0.40")), "master_info_repository"));
	assert_null(strstr(pr_ask_sql(PR_ASK_GTID, pr_flavor_caps("8.3.0")), "master_info_repository"));
	assert_null(strstr(pr_ask_sql(PR_ASK_GTID, pr_flavor_caps("8.4.0")), "master_info_repository"));
	assert_non_null(
	    strstr(pr_ask_sql(PR_ASK_SELF, pr_flavor_caps("10.11.1-MariaDB")), "@@global.log_slave_updates"));
}

static bool
plan_has(const struct pr_plan *p, enum pr_ask ask)
{
	for (size_t i = 0; i < p->n; i++) {
		if (p->v[i].ask == ask)
			return true;
	}
	return false;
}

static void
test_plan(void **state UNUSED)
{
	struct conf *defaults = conf_defaults();
	struct conf c = *defaults;
	struct pr_plan p;

	c.SkipMaxScaleCheck = true;
	pr_plan_first(&c, &p);
	assert_int_equal(p.n, 1);
	assert_int_equal(p.v[0].ask, PR_ASK_VERSION);
	c.SkipMaxScaleCheck = false;
	pr_plan_first(&c, &p);
	assert_int_equal(p.v[0].ask, PR_ASK_MAXSCALE);

	c.DiscoverByShowSlaveHosts = false;
	c.DetectClusterDomainQuery = "select 'x'";
	pr_plan_probe(&c, pr_flavor_caps("8.4.2"), 0, &p);
	assert_int_equal(p.v[0].ask, PR_ASK_VERSION); /* proves life, so it comes first */
	assert_false(plan_has(&p, PR_ASK_MAXSCALE));
	assert_false(plan_has(&p, PR_ASK_LISTING));
	assert_false(plan_has(&p, PR_ASK_LAG));
	assert_false(plan_has(&p, PR_ASK_CLUSTER_DOMAIN));
	assert_true(plan_has(&p, PR_ASK_CREDENTIALS));
	assert_int_equal(p.v[p.n - 1].ask, PR_ASK_COORDINATES); /* hangs on a full disk, so nothing decisive follows */

	c.DiscoverByShowSlaveHosts = true;
	c.ReplicationLagQuery = "select 3";
	c.ReplicationCredentialsQuery = "select 'u', 'p'";
	pr_plan_probe(&c, pr_flavor_caps("8.4.2"), PR_WANT_DOMAIN, &p);
	assert_true(plan_has(&p, PR_ASK_LISTING) && plan_has(&p, PR_ASK_PROCESS_LIST));
	assert_true(plan_has(&p, PR_ASK_LAG) && plan_has(&p, PR_ASK_CLUSTER_DOMAIN));
	assert_false(plan_has(&p, PR_ASK_CREDENTIALS));

	assert_false(plan_has(&p, PR_ASK_PROCESS)); /* once per connection */
	pr_plan_probe(&c, pr_flavor_caps("8.4.2"), PR_WANT_PROCESS, &p);
	assert_true(plan_has(&p, PR_ASK_PROCESS) && !plan_has(&p, PR_ASK_CLUSTER_DOMAIN));

	pr_plan_probe(&c, pr_flavor_caps("2.5.1-maxscale"), PR_WANT_DOMAIN | PR_WANT_PROCESS, &p);
	assert_true(plan_has(&p, PR_ASK_MAXSCALE_IDS) && plan_has(&p, PR_ASK_LISTING));
	assert_false(plan_has(&p, PR_ASK_PROCESS_LIST) || plan_has(&p, PR_ASK_PROCESS));
	assert_false(plan_has(&p, PR_ASK_SELF) || plan_has(&p, PR_ASK_LAG));
	conf_unref(defaults);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_dialects),
	    cmocka_unit_test(test_variables_that_went_away),
	    cmocka_unit_test(test_plan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
