/* test_gtid_text.c — GTID sets as texts: removing uuids, errant sets, families. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "topo/gtid.h"

#define A "aaaaaaaa-0000-11ef-9a10-000000000001"
#define B "bbbbbbbb-0000-11ef-9a10-000000000002"
#define C "cccccccc-0000-11ef-9a10-000000000003"

static void
removing_from_text_preserves_the_rest(void **state UNUSED)
{
	static const struct {
		const char *text, *uuids, *want;
	} cases[] = {
	    {A ":5:1-3,\n" B ":2-2", B, A ":5:1-3"},
	    {A ":5:1-3,\n" B ":2-2," C ":1", B, A ":5:1-3," C ":1"},
	    {A ":1", A, ""},
	    {A ":1", "x,," B " , " A, ""},
	    {"AAAAAAAA-0000-11EF-9A10-000000000001:1," B ":1", A, B ":1"},
	    {A ":1:tag:1", A, ""},
	    {A ":9-7", "", A ":9-7"},
	    {"rubbish, " A ":1", A, "rubbish"},
	    {"", A, ""},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct str_buf b = {0};
		gtid_text_remove_uuids(cases[i].text, cases[i].uuids, &b);
		assert_string_equal(str_buf_text(&b), cases[i].want);
		str_buf_done(&b);
	}
}

/* --- errant sets ----------------------------------------------------------------------------------------------- */
static void
errant_sets(void **state UNUSED)
{
	static const struct {
		const char *why;
		struct gtid_errant_input in;
		const char *want;
	} cases[] = {
	    {"a clean replica", {A ":1-10", B, A "," B, false, A ":1-12", A}, ""},
	    {"own writes", {A ":1-10," B ":1-2", B, A "," B, false, A ":1-12", A}, B ":1-2"},
	    {"own writes that the source has too",
	     {A ":1-10," B ":1-2", B, A "," B, false, A ":1-12," B ":1-5", A},
	     ""},
	    {"part of them", {A ":1-10," B ":1-7", B, A "," B, false, A ":1-12," B ":1-5", A}, B ":6-7"},
	    {"a stranger's writes", {A ":1-10," C ":1-4", B, A "," B, false, A ":1-12," C ":1-3", A}, C ":4"},
	    {"ahead of a stale view of the source", {A ":1-100", B, A "," B, false, A ":1-12", A}, ""},
	    {"ahead of a stale view of a grandparent", {A ":1-100," B ":1", C, A "," B "," C, false, A ":1-12", B}, ""},
	    {"several uuids, the server's format",
	     {A ":1," C ":1-3:5," B ":9", B, A "," B, false, A ":1", A},
	     B ":9,\n" C ":1-3:5"},
	    {"tags", {A ":1," B ":1:t:1-2", B, A "," B, false, A ":1", A}, B ":1:t:1-2"},
	    {"upper case uuids",
	     {"AAAAAAAA-0000-11EF-9A10-000000000001:1-10,BBBBBBBB-0000-11EF-9A10-000000000002:1", B, A "," B, false,
	      A ":1-12", A},
	     B ":1"},
	    {"co-source: own and the other's writes are fine", {A ":1-9," B ":1-7", B, A "," B, true, A ":1-8", A}, ""},
	    {"co-source: a third one's are not", {A ":1-9," B ":1-7," C ":1", B, A "," B, true, A ":1-8", A}, C ":1"},
	    {"group name in the ancestry", {A ":1-9," C ":1-7", B, A "," B "," C, false, A ":1-8", A}, ""},
	    {"the source's own writes never excuse", {A ":1-9," C ":1", B, A "," B, false, A ":1-9", A}, C ":1"},
	    {"nothing known of the server", {"", B, A "," B, false, A ":1-12", A}, ""},
	    {"nothing known of the source", {A ":1," B ":1", B, A "," B, false, "", A}, ""},
	    {"no ancestry", {A ":1-3", B, "", false, C ":1", C}, A ":1-3"},
	};
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct str_buf b = {0};
		assert_int_equal(gtid_errant(&cases[i].in, &b, &e), 0);
		if (strcmp(str_buf_text(&b), cases[i].want) != 0)
			fail_msg("%s: got \"%s\"", cases[i].why, str_buf_text(&b));
		str_buf_done(&b);
	}
}

static void
errant_errors_name_the_side(void **state UNUSED)
{
	struct gtid_errant_input in = {B ":x", B, A "," B, false, A ":1", A};
	struct str_buf b = {0};
	struct err e;

	assert_int_equal(gtid_errant(&in, &b, &e), -ERR_SYNTAX);
	assert_non_null(strstr(e.msg, "of the server"));
	in.own_set = B ":1";
	in.parent_set = "0-1-5";
	assert_int_equal(gtid_errant(&in, &b, &e), -ERR_SYNTAX);
	assert_non_null(strstr(e.msg, "of the source"));
	assert_int_equal(b.len, 0);
}

static void
families_are_told_by_the_first_entry(void **state UNUSED)
{
	static const struct {
		const char *text;
		enum gtid_family family;
	} cases[] = {{"", GTID_NONE},
		     {" ,\n", GTID_NONE},
		     {A ":1", GTID_MYSQL},
		     {",\n" A ":x", GTID_MYSQL},
		     {A, GTID_MYSQL},
		     {"0-1-5", GTID_MARIADB},
		     {"0-1-5,x", GTID_MARIADB},
		     {"0-1-5 ,1-1-1", GTID_MARIADB},
		     {"0-1", GTID_UNKNOWN},
		     {"0-1-", GTID_UNKNOWN},
		     {"0-1-5-6", GTID_UNKNOWN},
		     {"x", GTID_UNKNOWN},
		     {"12345678-1234-1234-1234-123456789012:1", GTID_MYSQL}};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(gtid_detect(cases[i].text), cases[i].family);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(removing_from_text_preserves_the_rest),
	    cmocka_unit_test(errant_sets),
	    cmocka_unit_test(errant_errors_name_the_side),
	    cmocka_unit_test(families_are_told_by_the_first_entry),
	};

	return cmocka_run_group_tests_name("gtid_text", tests, NULL, NULL);
}
