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

static const struct topo_key old_key = {"a", 3306}, successor_key = {"b", 3306};

struct judged {
	struct rd_recovery_input in;
	struct rd_recovery_server server;
};

static void
make(struct judged *j, bool mariadb)
{
	rec_init(&rd_recovery_input_desc, &j->in);
	rec_init(&rd_recovery_server_desc, &j->server);
	j->in.failed.key = old_key;
	j->in.successor = j->server.key = successor_key;
	j->in.failed.server_id = 97;
	j->server.server_id = 98;
	j->in.failed.version = j->server.version = mariadb ? MA : MY;
	j->in.failed.binlog_format = j->server.binlog_format = "ROW";
	j->in.failed.log_bin_enabled = j->server.log_bin_enabled = j->server.log_replica_updates = true;
	j->in.failed.answered = j->server.answered = j->in.failed.read_only = true;
	j->in.failed.executed_gtid_set = mariadb ? "" : A ":1-100";
	j->server.executed_gtid_set = mariadb ? "" : A ":1-100," B ":1-9";
	j->in.failed.gtid_current_pos = mariadb ? "0-97-100" : "";
	j->server.gtid_current_pos = mariadb ? "0-98-110" : "";
	j->in.servers = (struct rd_recovery_server_list){&j->server, 1};
}

/* What else forbids it to rejoin. */
static void
test_judging(void **state UNUSED)
{
	for (int i = 0; i < 14; i++) {
		struct mem_arena arena = {0};
		enum rd_old expect = RD_OLD_UNKNOWN;
		struct judged j;
		const char *why;

		make(&j, i == 13);
		if (i == 0 || i == 13)
			expect = RD_OLD_CONTAINED;
		else if (i == 1)
			j.in.failed.answered = false, expect = RD_OLD_UNREAD;
		else if (i == 2)
			j.server.answered = false, expect = RD_OLD_UNREAD;
		else if (i == 3)
			j.in.successor = old_key, expect = RD_OLD_UNREAD; /* no server of the cluster */
		else if (i == 4)
			j.in.failed.source_key = successor_key, expect = RD_OLD_FOLLOWS;
		else if (i == 5)
			j.in.failed.executed_gtid_set = A ":1-101", expect = RD_OLD_AHEAD;
		else if (i == 6)
			j.server.read_only = true;
		else if (i == 7)
			j.server.source_key = (struct topo_key){"c", 3306};
		else if (i == 8)
			j.in.failed.channels = 1;
		else if (i == 9)
			j.in.failed.in_maintenance = true;
		else if (i == 10)
			j.server.gtid_purged = A ":1-100," B ":1-3";
		else if (i == 11)
			j.in.failed.server_id = 98;
		else
			j.in.failed.version = "8.0.36"; /* lower than its successor's */
		if (rd_old_judge(&j.in, "0-97-100", &arena, &why) != expect ||
		    (why[0] != '\0') != (expect == RD_OLD_UNKNOWN || expect == RD_OLD_AHEAD))
			fail_msg("case %d: %s", i, why);
		mem_arena_done(&arena);
	}
}

static void
test_what_people_are_told(void **state UNUSED)
{
	static const struct {
		enum rd_old what;
		const char *text, *expect;
	} cases[] = {
	    {RD_OLD_CONTAINED, "",
	     "it has nothing that its successor lacks, and may follow it; RejoinFailedMaster is off"},
	    {RD_OLD_AHEAD, "0-97-103", "it has transactions that its successor lacks: 0-97-103"},
	    {RD_OLD_UNKNOWN, "it is in maintenance",
	     "whether it may follow its successor is not certain: it is in maintenance"},
	};
	const struct topo_key a = {"a", 3306};
	struct str_buf b = {0}, expect = {0};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		str_buf_clear(&b);
		str_buf_clear(&expect);
		rd_old_write_stays(&a, cases[i].what, cases[i].text, &b);
		str_buf_printf(&expect, "a:3306 is back, and stays read-only: %s", cases[i].expect);
		assert_string_equal(str_buf_text(&b), str_buf_text(&expect));
	}
	str_buf_done(&b);
	str_buf_done(&expect);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_old_source),
	    cmocka_unit_test(test_judging),
	    cmocka_unit_test(test_what_people_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
