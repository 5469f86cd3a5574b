/* test_version.c — version numbers compare as numbers; flavours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "topo/version.h"

static int
sign(int v)
{
	return (v > 0) - (v < 0);
}

static void
versions_compare_as_numbers_not_strings(void **state UNUSED)
{
	static const char *const ascending[] = {"Unknown",
						"5.5.62-log",
						"5.7.9",
						"5.7.44-log",
						"8.0",
						"8.0.4-rc",
						"8.0.14",
						"8.0.36-28",
						"8.4.0",
						"9.7.1",
						"10.2.8-MariaDB",
						"10.11.6-MariaDB-1:10.11.6+x",
						"10.11.10-MariaDB",
						"11.4",
						"99999999999999999999.1"};

	for (size_t i = 0; i < ARRAY_LEN(ascending); i++)
		for (size_t k = 0; k < ARRAY_LEN(ascending); k++)
			assert_int_equal(sign(topo_version_cmp(ascending[i], ascending[k])), (i > k) - (i < k));
}

static void
equal_versions(void **state UNUSED)
{
	static const struct {
		const char *a, *b;
	} same[] = {{"8.0.36", "8.0.36-debug"},
		    {"8.0", "8.0.0.0"},
		    {"", "Unknown"},
		    {"8.", "8"},
		    {"8..4", "8"},
		    {"08.04", "8.4"}};

	for (size_t i = 0; i < ARRAY_LEN(same); i++) {
		assert_int_equal(topo_version_cmp(same[i].a, same[i].b), 0);
		assert_int_equal(topo_version_cmp(same[i].b, same[i].a), 0);
	}
	assert_int_equal(topo_version_cmp_major("8.0.1", "8.0.36"), 0);
	assert_int_equal(sign(topo_version_cmp_major("8.0.36", "8.4.0")), -1);
	assert_int_equal(sign(topo_version_cmp_major("10.0.1", "9.9")), 1);
}

static void
at_least_is_false_for_unknown_versions(void **state UNUSED)
{
	static const struct {
		const char *version;
		unsigned major, minor, patch;
		bool is;
	} cases[] = {{"8.0.22", 8, 0, 22, true},
		     {"8.0.9", 8, 0, 14, false},
		     {"8.0.14", 8, 0, 9, true},
		     {"8.4", 8, 4, 0, true},
		     {"8.4", 8, 4, 1, false},
		     {"9.0.0", 8, 4, 5, true},
		     {"10.11.6-MariaDB", 8, 4, 0, true},
		     {"5.7.44", 8, 0, 0, false},
		     {"", 0, 0, 0, false},
		     {"Unknown", 0, 0, 0, false},
		     {"v8.0", 8, 0, 0, false}};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(
		    topo_version_at_least(cases[i].version, cases[i].major, cases[i].minor, cases[i].patch),
		    cases[i].is);
	assert_true(topo_version_known("5"));
	assert_false(topo_version_known("maxscale"));
}

static void
major_is_the_first_two_tokens(void **state UNUSED)
{
	static const struct {
		const char *version, *major;
	} cases[] = {{"8.0.36-28", "8.0"},
		     {"10.11.6-MariaDB", "10.11"},
		     {"8.4", "8.4"},
		     {"8", "0.0"},
		     {"", "0.0"},
		     {"Unknown", "0.0"},
		     {"0.0.0-maxscale", "0.0"},
		     {"8.4-rc.1", "8.4-rc"},
		     {"1234567890.1234567890.1", "1234567890.12345"}};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char major[TOPO_MAJOR_BYTES];
		topo_version_major(cases[i].version, major);
		assert_string_equal(major, cases[i].major);
	}
}

static void
flavours_in_their_historical_order(void **state UNUSED)
{
	static const struct {
		const char *version, *comment, *name;
	} cases[] = {
	    {"8.0.36", "MySQL Community Server - GPL", "MySQL"},
	    {"8.0.36-28", "Percona Server (GPL), Release 28", "Percona"},
	    {"10.11.6-MariaDB-log", "Debian 12", "MariaDB"},
	    {"10.1.1-MariaDB", "Percona XtraDB Cluster", "MariaDB"},
	    {"5.5.5-10.2.12 2.2.5-maxscale", "", "MaxScale"},
	    {"", "", "MySQL"},
	    {"8.0.36", "percona", "MySQL"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_string_equal(topo_flavor_name(cases[i].version, cases[i].comment), cases[i].name);
	assert_true(topo_is_ndb("8.0.36-ndb-8.0.36-cluster"));
	assert_false(topo_is_ndb("8.0.36"));
	assert_true(topo_is_oracle_mysql("8.0.36", ""));
	assert_false(topo_is_oracle_mysql("10.1-MariaDB", ""));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(versions_compare_as_numbers_not_strings), cmocka_unit_test(equal_versions),
	    cmocka_unit_test(at_least_is_false_for_unknown_versions),  cmocka_unit_test(major_is_the_first_two_tokens),
	    cmocka_unit_test(flavours_in_their_historical_order),
	};

	return cmocka_run_group_tests_name("version", tests, NULL, NULL);
}
