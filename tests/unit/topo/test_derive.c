/* test_derive.c — facts, ages, problems and short words of an instance. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "topo/derive.h"
#include "topo_make.h"

static const struct topo_limits limits = {.poll_s = 5, .reasonable_lag_s = 10, .maintenance_lag_s = 20};

#define REPLICA "db2 source_key=db1:3306 version=8.0.36 up replicating "
#define G1 "db1 group_name=g group_primary_key=db1:3306 group_member_role=PRIMARY group_member_state=ONLINE up "
#define G2 "db2 group_name=g group_primary_key=db1:3306 group_member_role=SECONDARY group_member_state=ONLINE up "

static void
facts_of_the_stored_fields(void **state UNUSED)
{
	static const struct {
		const char *line;
		bool replica, source, running, threads, using_gtid, secondary;
	} cases[] = {
	    {"db1 up", false, true, false, false, false, false},
	    {REPLICA, true, false, true, true, false, false},
	    {"db2 source_key=db1 using_oracle_gtid=1", true, false, false, false, true, false},
	    {"db2 source_key=db1 using_mariadb_gtid=1", true, false, false, false, true, false},
	    {"db2 source_key=db1", false, true, false, false, false, false}, /* has read nothing, no GTID */
	    {"db2 source_key=_:3306 replicating", false, true, false, true, false, false},
	    {"db2 source_key=//db1:3306 stopped", true, false, false, true, false, false},
	    {REPLICA "io_thread_state=2", true, false, false, true, false, false},
	    {REPLICA "sql_thread_state=0", true, false, false, true, false, false},
	    {REPLICA "io_thread_state=-1", true, false, false, false, false, false},
	    {G1, false, true, false, false, false, false},
	    {G2, false, false, false, false, false, true},
	};

	for (size_t n = 0; n < ARRAY_LEN(cases); n++) {
		struct topo_instance *i = topo_make(cases[n].line);
		bool got[] = {topo_is_replica(i),    topo_is_source(i),	 topo_replica_running(i),
			      topo_threads_exist(i), topo_using_gtid(i), topo_is_group_secondary(i)};
		bool want[] = {cases[n].replica, cases[n].source,     cases[n].running,
			       cases[n].threads, cases[n].using_gtid, cases[n].secondary};
		for (size_t k = 0; k < ARRAY_LEN(got); k++)
			if (got[k] != want[k])
				fail_msg("%s: fact %zu is %d", cases[n].line, k, got[k]);
		topo_make_free(i);
	}
}

static void
coordinates(void **state UNUSED)
{
	static const struct {
		const char *file;
		bool detached;
	} cases[] = {{"//binlog.000001:4", true}, {"binlog.000001", false}, {"", false},
		     {"//binlog.000001", false},  {"//:4", false},	    {"//b:", false},
		     {"//b:4x", false},		  {"//a/b:4", false},	    {"//a:b:4", false}};
	struct topo_instance *i = topo_make(REPLICA);

	for (size_t n = 0; n < ARRAY_LEN(cases); n++) {
		struct topo_coord c = {.log_file = cases[n].file};
		assert_int_equal(topo_coord_is_detached(&c), cases[n].detached);
	}
	assert_true(topo_sql_up_to_date(i));
	i->exec_coord.log_pos++;
	assert_false(topo_sql_up_to_date(i));
	i->exec_coord.log_pos--;
	i->exec_coord.type = TOPO_COORD_RELAY;
	assert_false(topo_sql_up_to_date(i));
	topo_make_free(i);
}

static void
validity_and_ages(void **state UNUSED)
{
	static const struct {
		int64_t checked_ago_s, seen_ago_s; /* -1 = never */
		bool valid, up_to_date, recent;
		int64_t since;
	} cases[] = {
	    {1, 1, true, true, true, 1},     {5, 5, true, true, true, 5},      {6, 6, true, false, true, 6},
	    {25, 25, true, false, true, 25}, {26, 26, true, false, false, 26}, {1, 2, false, true, true, 2},
	    {2, 1, true, true, true, 1},     {1, -1, false, true, true, -1},   {-1, -1, false, false, false, -1},
	    {-1, 3, true, false, false, 3},
	};

	for (size_t n = 0; n < ARRAY_LEN(cases); n++) {
		struct topo_instance *i = topo_make("db1");
		if (cases[n].checked_ago_s >= 0)
			i->last_checked_us = TOPO_MAKE_NOW.us - cases[n].checked_ago_s * CLK_S;
		if (cases[n].seen_ago_s >= 0)
			i->last_seen_us = TOPO_MAKE_NOW.us - cases[n].seen_ago_s * CLK_S;
		topo_derive(i, &limits, TOPO_MAKE_NOW, NULL);
		assert_int_equal(i->is_last_check_valid, cases[n].valid);
		assert_int_equal(i->is_up_to_date, cases[n].up_to_date);
		assert_int_equal(i->is_recently_checked, cases[n].recent);
		assert_int_equal(i->seconds_since_last_seen.valid, cases[n].since >= 0);
		assert_int_equal(i->seconds_since_last_seen.v, max_i64(cases[n].since, 0));
		topo_make_free(i);
	}
}

static void
texts_and_marks(void **state UNUSED)
{
	struct topo_instance *i = topo_make("db2 source_key=//db1:3306 version=10.11.6-MariaDB");

	topo_derive(i, &limits, TOPO_MAKE_NOW, NULL);
	assert_string_equal(i->last_seen_text, "");
	assert_string_equal(i->flavor_name, "MariaDB");
	assert_true(i->is_detached_source);
	assert_false(i->is_detached);
	assert_int_equal(i->relay_coord.type, TOPO_COORD_RELAY);
	i->last_seen_us = TOPO_MAKE_NOW.us;
	rec_set_str(&i->exec_coord.log_file, "//binlog.000007:4");
	topo_derive(i, &limits, TOPO_MAKE_NOW, NULL);
	assert_string_equal(i->last_seen_text, "2023-11-14 22:13:20");
	assert_true(i->is_detached);
	topo_make_free(i);
}

static char *
problems_of(struct topo_instance *i, struct mem_arena *arena)
{
	struct str_buf b = {0};

	topo_derive(i, &limits, TOPO_MAKE_NOW, arena);
	for (size_t k = 0; k < i->problems.n; k++)
		str_buf_printf(&b, "%s%s", k == 0 ? "" : " ", i->problems.v[k].s);
	return str_buf_take(&b);
}

static void
problems_in_their_order(void **state UNUSED)
{
	static const struct {
		const char *line, *problems;
	} cases[] = {
	    {"db1 up", ""},
	    {REPLICA, ""},
	    {"db1", "last_check_invalid"},
	    {"db1 last_checked_us=1700000000000000 last_seen_us=1699999999000000", "last_check_invalid"},
	    {"db1 last_checked_us=1699999974000000 last_seen_us=1699999974000000", "not_recently_checked"},
	    {REPLICA "io_thread_state=2", "not_replicating"},
	    {REPLICA "sql_thread_state=0 replication_lag_s=999", "not_replicating"},
	    {REPLICA "io_thread_state=-1", ""},
	    {REPLICA "replication_lag_s=10", ""},
	    {REPLICA "replication_lag_s=11", "replication_lag"},
	    {REPLICA "replication_lag_s=70 sql_delay=60", ""},
	    {REPLICA "replication_lag_s=71 sql_delay=60", "replication_lag"},
	    {REPLICA "replication_lag_s=49 sql_delay=60", "replication_lag"},
	    {REPLICA "replication_lag_s=50 sql_delay=60", ""},
	    {REPLICA "gtid_errant=x:1", "errant_gtid"},
	    {REPLICA "gtid_errant=x:1 replication_lag_s=11", "replication_lag errant_gtid"},
	    {"db1 gtid_errant=x:1 group_name=g", "last_check_invalid errant_gtid group_replication_member_not_online"},
	    {"db1 up shares_uuid=1", "duplicate_server_uuid"},
	    {"db1 shares_uuid=1", "last_check_invalid"}, /* the other one alone lives */
	    {REPLICA "gtid_errant=x:1 shares_uuid=1 replication_lag_s=11",
	     "replication_lag errant_gtid duplicate_server_uuid"},
	    {G1, ""},
	    {G1 "group_member_state=RECOVERING", "group_replication_member_not_online"},
	};

	for (size_t n = 0; n < ARRAY_LEN(cases); n++) {
		struct topo_instance *i = topo_make(cases[n].line);
		char *got = problems_of(i, NULL);
		if (strcmp(got, cases[n].problems) != 0)
			fail_msg("%s: got \"%s\"", cases[n].line, got);
		free(got);
		got = problems_of(i, NULL); /* again: the old list is replaced */
		assert_string_equal(got, cases[n].problems);
		free(got);
		topo_make_free(i);
	}
}

static void
borrowing_records_take_texts_from_an_arena(void **state UNUSED)
{
	struct topo_instance i;
	struct mem_arena arena;
	char *got;

	rec_init(&topo_instance_desc, &i);
	mem_arena_init(&arena);
	i.version = "8.0.36"; /* borrowed: freeing it would crash */
	i.gtid_errant = "x:1";
	got = problems_of(&i, &arena);
	assert_string_equal(got, "last_check_invalid errant_gtid");
	assert_string_equal(i.flavor_name, "MySQL");
	free(got);
	mem_arena_done(&arena);
}

static void
lag_that_maintenance_tolerates(void **state UNUSED)
{
	static const struct {
		const char *fields;
		bool ok;
	} cases[] = {
	    {"seconds_behind_source=20", true},
	    {"seconds_behind_source=21", false},
	    {"", false}, /* historically unknown counted as 0 */
	    {"seconds_behind_source=80 sql_delay=60", true},
	    {"seconds_behind_source=81 sql_delay=60", false},
	    {"seconds_behind_source=40 sql_delay=60", true},
	    {"seconds_behind_source=39 sql_delay=60", false},
	    {"seconds_behind_source=0 sql_delay=20", true},
	};

	for (size_t n = 0; n < ARRAY_LEN(cases); n++) {
		char line[128] = "db2 ";
		struct topo_instance *i;
		strncat(line, cases[n].fields, sizeof(line) - 8);
		i = topo_make(line);
		assert_int_equal(topo_maintenance_lag_ok(i, &limits), cases[n].ok);
		topo_make_free(i);
	}
}

static void
status_blocks(void **state UNUSED)
{
	static const struct {
		const char *line, *want;
	} cases[] = {
	    {"db1 up version=8.0.36 log_bin_enabled=1 binlog_format=ROW log_replica_updates=1 supports_oracle_gtid=1",
	     "[0s,ok,8.0.36,rw,ROW,>>,GTID]"},
	    {REPLICA "read_only=1", "[0s,ok,8.0.36,ro,nobinlog]"},
	    {REPLICA "replication_lag_s=15 seconds_behind_source=0", "[15s,ok,8.0.36,rw,nobinlog]"},
	    {REPLICA "seconds_behind_source=21 replication_lag_s=21", "[21s,lag,8.0.36,rw,nobinlog]"},
	    {"db2 source_key=db1 up stopped version=8.0.36", "[null,nonreplicating,8.0.36,rw,nobinlog]"},
	    {"db2 version=8.0.36", "[unknown,invalid,8.0.36,rw,nobinlog]"},
	    {"db2 last_checked_us=1699999974000000 last_seen_us=1699999974000000", "[unknown,unchecked,rw,nobinlog]"},
	    {REPLICA "exec_coord=//b:4:4", "[detached,ok,8.0.36,rw,nobinlog]"},
	    {"db1 up version=8.0.36 log_bin_enabled=1", "[0s,ok,8.0.36,rw]"},
	    {"db1 up version=v log_replica_updates=1", "[0s,ok,v,rw,nobinlog]"},
	    {REPLICA "log_bin_enabled=1 binlog_format=MIXED log_replica_updates=1 using_mariadb_gtid=1 gtid_errant=x:1 "
		     "using_pseudo_gtid=1 semi_sync_source_status=1 semi_sync_replica_status=1 is_downtimed=1",
	     "[0s,ok,8.0.36,rw,MIXED,>>,GTID:errant,P-GTID,semi:master,semi:replica,downtimed]"},
	    {REPLICA "semi_sync_source_enabled=1 semi_sync_replica_enabled=1", "[0s,ok,8.0.36,rw,nobinlog]"},
	    {"db1 up version='8\x1b[31m\xc2\x9b\n\xc3\xa9'", "[0s,ok,8?[31m??\xc3\xa9,rw,nobinlog]"},
	};

	for (size_t n = 0; n < ARRAY_LEN(cases); n++) {
		struct topo_instance *i = topo_make(cases[n].line);
		struct str_buf b = {0};
		topo_derive(i, &limits, TOPO_MAKE_NOW, NULL);
		topo_describe(i, &limits, &b);
		if (strcmp(b.p, cases[n].want) != 0)
			fail_msg("%s: got %s", cases[n].line, b.p);
		str_buf_done(&b);
		topo_make_free(i);
	}
}

static void
lag_words_of_replicas_without_a_known_lag(void **state UNUSED)
{
	struct topo_instance *i = topo_make(REPLICA);
	struct str_buf b = {0};

	topo_derive(i, &limits, TOPO_MAKE_NOW, NULL);
	i->replication_lag_s.valid = false;
	i->seconds_behind_source.v = 7;
	topo_lag_word(i, &b);
	assert_string_equal(b.p, "7s");
	str_buf_clear(&b);
	i->seconds_behind_source.valid = false;
	topo_lag_word(i, &b);
	assert_string_equal(b.p, "null");
	assert_string_equal(topo_status_word(i, &limits), "lag");
	str_buf_done(&b);
	topo_make_free(i);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(facts_of_the_stored_fields),
	    cmocka_unit_test(coordinates),
	    cmocka_unit_test(validity_and_ages),
	    cmocka_unit_test(texts_and_marks),
	    cmocka_unit_test(problems_in_their_order),
	    cmocka_unit_test(borrowing_records_take_texts_from_an_arena),
	    cmocka_unit_test(lag_that_maintenance_tolerates),
	    cmocka_unit_test(status_blocks),
	    cmocka_unit_test(lag_words_of_replicas_without_a_known_lag),
	};

	return cmocka_run_group_tests_name("derive", tests, NULL, NULL);
}
