/* test_gtid_pos.c — MariaDB GTID positions, and containment for either family. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "topo/gtid.h"

#define A "aaaaaaaa-0000-11ef-9a10-000000000001"

static struct gtid_pos
pos(const char *text)
{
	struct gtid_pos p = {0};
	struct err e;

	if (gtid_pos_parse(text, &p, &e) != 0)
		fail_msg("%s", e.msg);
	return p;
}

static void
positions_are_ordered_by_domain(void **state UNUSED)
{
	static const struct {
		const char *text, *want;
	} cases[] = {{"", ""},
		     {" , ", ""},
		     {"0-1-100", "0-1-100"},
		     {"7-2-5,0-1-100", "0-1-100,7-2-5"},
		     {" 1-1-1 ,\n0-4294967295-18446744073709551615 ", "0-4294967295-18446744073709551615,1-1-1"}};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct gtid_pos p = pos(cases[i].text);
		struct str_buf b = {0};
		gtid_pos_write(&p, &b);
		assert_string_equal(str_buf_text(&b), cases[i].want);
		str_buf_done(&b);
		gtid_pos_done(&p);
	}
}

static void
malformed_positions_are_refused(void **state UNUSED)
{
	static const char *const cases[] = {"x",	   "0-1",	  "0-1-",	    "0--1-5",
					    "0-1-5-6",	   "0-1-5x",	  "-1-5",	    "4294967296-1-1",
					    "0-1-5;1-1-1", "0-1-5,0-2-6", "0-4294967296-1", "0-1-18446744073709551616",
					    A ":1"};
	struct gtid_pos p;
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(gtid_pos_parse(cases[i], &p, &e), -ERR_SYNTAX);
}

static void
positions_are_bounded(void **state UNUSED)
{
	struct str_buf b = {0};
	struct gtid_pos p;
	struct err e;

	for (int i = 0; i <= GTID_DOMAINS_MAX; i++)
		str_buf_printf(&b, "%d-1-1,", i);
	assert_int_equal(gtid_pos_parse(b.p, &p, &e), -ERR_LIMIT);
	str_buf_pad(&b, ' ', TOPO_GTID_MAX);
	assert_int_equal(gtid_pos_parse(b.p, &p, &e), -ERR_TOO_LARGE);
	str_buf_done(&b);
}

static void
positions_compare_per_domain(void **state UNUSED)
{
	static const struct {
		const char *a, *b;
		enum gtid_order order;
		const char *a_over_b, *b_over_a;
	} cases[] = {
	    {"", "", GTID_EQUAL, "", ""},
	    {"0-1-5", "0-1-5", GTID_EQUAL, "", ""},
	    {"0-1-6", "0-1-5", GTID_AHEAD, "0-1-6", ""},
	    {"0-2-6", "0-1-5", GTID_AHEAD, "0-2-6", ""},
	    {"0-1-5,1-1-1", "0-1-5", GTID_AHEAD, "1-1-1", ""},
	    {"0-1-5", "", GTID_AHEAD, "0-1-5", ""},
	    {"0-1-0", "", GTID_EQUAL, "", ""},
	    {"0-1-5", "0-2-5", GTID_DIVERGED, "0-1-5", "0-2-5"},
	    {"0-1-6,1-1-1", "0-1-5,1-1-2", GTID_DIVERGED, "0-1-6", "1-1-2"},
	    {"0-1-6", "1-1-1", GTID_DIVERGED, "0-1-6", "1-1-1"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct gtid_pos a = pos(cases[i].a), b = pos(cases[i].b), d;
		struct str_buf text = {0};
		enum gtid_order mirrored = cases[i].order == GTID_AHEAD ? GTID_BEHIND : cases[i].order;
		assert_int_equal(gtid_pos_compare(&a, &b), cases[i].order);
		assert_int_equal(gtid_pos_compare(&b, &a), mirrored);
		assert_int_equal(gtid_pos_contains(&a, &b),
				 cases[i].order == GTID_AHEAD || cases[i].order == GTID_EQUAL);
		gtid_pos_diff(&a, &b, &d);
		gtid_pos_write(&d, &text);
		assert_string_equal(str_buf_text(&text), cases[i].a_over_b);
		gtid_pos_done(&d);
		str_buf_clear(&text);
		gtid_pos_diff(&b, &a, &d);
		gtid_pos_write(&d, &text);
		assert_string_equal(str_buf_text(&text), cases[i].b_over_a);
		gtid_pos_done(&d);
		str_buf_done(&text);
		gtid_pos_done(&a);
		gtid_pos_done(&b);
	}
}

static void
either_family_answers_containment(void **state UNUSED)
{
	static const struct {
		const char *have, *want;
		int rc;
		bool contains;
	} cases[] = {
	    {A ":1-5", A ":2-3", 0, true},
	    {A ":1-5", A ":2-6", 0, false},
	    {"0-1-5", "0-1-4", 0, true},
	    {"0-1-5", "0-1-6", 0, false},
	    {"", "0-1-1", 0, false},
	    {"", A ":1", 0, false},
	    {"0-1-1", "", 0, true},
	    {A ":1", " ", 0, true},
	    {"", "", 0, true},
	    {"0-1-1", A ":1", -ERR_INVALID, false},
	    {A ":1", "0-1-1", -ERR_INVALID, false},
	    {"x", "x", -ERR_SYNTAX, false},
	    {A ":1", A ":x", -ERR_SYNTAX, false},
	    {"0-1-1", "0-1-1,x", -ERR_SYNTAX, false},
	};
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		bool contains = !cases[i].contains;
		assert_int_equal(gtid_text_contains(cases[i].have, cases[i].want, &contains, &e), cases[i].rc);
		if (cases[i].rc == 0)
			assert_int_equal(contains, cases[i].contains);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(positions_are_ordered_by_domain),
	    cmocka_unit_test(malformed_positions_are_refused),
	    cmocka_unit_test(positions_are_bounded),
	    cmocka_unit_test(positions_compare_per_domain),
	    cmocka_unit_test(either_family_answers_containment),
	};

	return cmocka_run_group_tests_name("gtid_pos", tests, NULL, NULL);
}
