/* What an old source has that its successor lacks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "rd_return.h"

#define A "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa"
#define B "bbbbbbbb-bbbb-bbbb-bbbb-bbbbbbbbbbbb"
#define MY "8.4.0"
#define MA "10.11.14-MariaDB"

static void
test_old_source(void **state UNUSED)
{
	static const struct {
		const char *version, *other_version, *old, *successor, *promoted_at;
		enum rd_old expect;
		const char *difference; /* with UNKNOWN not looked at */
	} cases[] = {
	    {MY, MY, A ":1-100", A ":1-100," B ":1-9", "", RD_OLD_CONTAINED, ""},
	    {MY, MY, A ":1-102", A ":1-100," B ":1-9", "", RD_OLD_AHEAD, A ":101-102"},
	    {MY, MY, A ":1-100:x:1", A ":1-100," B ":1-9", "", RD_OLD_AHEAD, A ":x:1"},
	    {MY, MY, "", A ":1-100", "", RD_OLD_UNKNOWN, ""},
	    {MY, MY, A ":1-100", "", "", RD_OLD_UNKNOWN, ""},
	    {MY, MY, "nonsense", A ":1-100", "", RD_OLD_UNKNOWN, ""},
	    {MY, MA, A ":1-100", "", "0-1-5", RD_OLD_UNKNOWN, ""},
	    {MA, MA, "0-97-100", "0-98-110", "0-97-100", RD_OLD_CONTAINED, ""},
	    {MA, MA, "0-97-99", "0-98-110", "0-97-100", RD_OLD_CONTAINED, ""},
	    /* the successor's number is higher by now: it gave 101 to 110 itself */
	    {MA, MA, "0-97-103", "0-98-110", "0-97-100", RD_OLD_AHEAD, "0-97-103"},
	    {MA, MA, "0-97-100,2-97-1", "0-98-110", "0-97-100", RD_OLD_AHEAD, "2-97-1"},
	    {MA, MA, "0-96-100", "0-98-110", "0-97-100", RD_OLD_AHEAD, "0-96-100"},
	    {MA, MA, "0-97-100", "0-98-110", "", RD_OLD_UNKNOWN, ""},
	    {MA, MA, "", "0-98-110", "0-97-100", RD_OLD_UNKNOWN, ""},
	    {MA, MA, "0-97", "0-98-110", "0-97-100", RD_OLD_UNKNOWN, ""},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct mem_arena arena = {0};
		struct rd_recovery_server old, successor;
		const char *difference;
		bool mariadb = str_eq(cases[i].version, MA);

		rec_init(&rd_recovery_server_desc, &old);
		rec_init(&rd_recovery_server_desc, &successor);
		old.version = cases[i].version;
		successor.version = cases[i].other_version;
		*(mariadb ? &old.gtid_current_pos : &old.executed_gtid_set) = cases[i].old;
		*(mariadb ? &successor.gtid_current_pos : &successor.executed_gtid_set) = cases[i].successor;
		if (rd_old_compare(&old, &successor, cases[i].promoted_at, &arena, &difference) != cases[i].expect)
			fail_msg("case %zu: %s", i, difference);
		if (cases[i].expect == RD_OLD_UNKNOWN)
			assert_true(difference[0] != '\0');
		else
			assert_string_equal(difference, cases[i].difference);
		mem_arena_done(&arena);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_old_source),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
