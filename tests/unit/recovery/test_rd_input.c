/* The input of a recovery: filled, written and read; and the small comparisons behind a choice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "conf/conf.h"
#include "rd_choose.h"

static void
test_filled(void **state UNUSED)
{
	struct conf *c = conf_defaults();
	struct topo_instance inst, again;
	struct topo_probe probe;
	struct rd_recovery_server s;
	struct rd_recovery_policy p;

	rec_init(&topo_instance_desc, &inst);
	rec_init(&topo_probe_desc, &probe);
	inst.key = (struct topo_key){"b", 3306};
	inst.executed_gtid_set = "x:1-5";
	inst.sql_delay = 7;
	inst.replication_lag_s = (struct rec_ni64){3, true};
	probe.gtid_io_pos = "x:1-6";
	probe.ended_us = 9;
	probe.last_answer_us = 4;
	rd_recovery_server_from(&inst, &probe, &s);
	assert_false(s.answered);
	assert_int_equal(s.answered_us, 4);
	probe.found = true;
	rd_recovery_server_from(&inst, &probe, &s);
	assert_true(s.answered);
	assert_int_equal(s.answered_us, 9);
	assert_string_equal(s.received_gtid_set, "x:1-6");
	rd_recovery_server_instance(&s, &again);
	assert_true(rec_equal(&topo_instance_desc, &inst, &again));

	rd_recovery_policy_from(c, &p);
	assert_true(p.apply_promotion);
	assert_true(p.detach_lost);
	assert_false(p.prevent_cross_region);
	assert_int_equal(p.drain_wait_s, 10);
	assert_string_equal(p.on_possible_loss, "promote");
	conf_unref(c);
}

static void
test_bad_lines(void **state UNUSED)
{
	static const struct {
		const char *line;
		int code;
	} cases[] = {
	    {"", 0},
	    {"# anything", 0},
	    {"server key=b 'version'=1", ERR_INVALID},
	    {"server key=b version='a b' sql_delay=3", 0},
	    {"server no_such_field=1", ERR_INVALID},
	    {"server read_only=2", ERR_INVALID},
	    {"server sql_delay=-1", ERR_INVALID},
	    {"server sql_delay=x", ERR_SYNTAX},
	    {"server key=a:b:c:99999", ERR_INVALID},
	    {"server read_coord=nothing", ERR_SYNTAX},
	    {"recovery servers=b", ERR_INVALID},
	    {"recovery excluded=b,c:3307", 0},
	    {"nonsense", ERR_SYNTAX},
	    {"serverkey=b", ERR_SYNTAX},
	    {"a-word-that-is-longer-than-any-of-them x=1", ERR_SYNTAX},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct mem_arena arena = {0};
		struct rd_recovery_input in;
		struct err e;
		int rc;

		rec_init(&rd_recovery_input_desc, &in);
		rc = rd_recovery_input_read(cases[i].line, &arena, &in, &e);
		if ((rc == 0) != (cases[i].code == 0))
			fail_msg("case %zu: %d", i, rc);
		mem_arena_done(&arena);
	}
}

/* What servers said may hold anything. */
static void
test_hostile_texts_come_back(void **state UNUSED)
{
	struct mem_arena arena = {0};
	struct rd_recovery_input in, again;
	struct rd_recovery_server s;
	struct str_buf b = {0};
	struct err e;
	char *line, *save = NULL;

	rec_init(&rd_recovery_server_desc, &s);
	s.key = (struct topo_key){"b", 3306};
	s.version = "8.4' server key=x \\";
	s.data_center = "=";
	s.region = "'";
	rec_init(&rd_recovery_input_desc, &in);
	rec_init(&rd_recovery_input_desc, &again);
	in.servers = (struct rd_recovery_server_list){&s, 1};
	in.failed.key = (struct topo_key){"a", 3306};
	rd_recovery_input_write(&in, &b);
	for (line = strtok_r(b.p, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save))
		assert_int_equal(rd_recovery_input_read(line, &arena, &again, &e), 0);
	assert_true(rec_equal(&rd_recovery_input_desc, &in, &again));
	str_buf_done(&b);
	mem_arena_done(&arena);
}

static void
test_carry(void **state UNUSED)
{
	struct rd_recovery_server was = {.key = {"b", 1}, .source_key = {"a", 1}},
				  is = {.key = {"b", 1}, .source_key = {"d", 1}};
	struct rd_recovery_input before = {.failed.key = {"a", 1}, .servers = {&was, 1}},
				 now = {.failed.key = {"a", 1}, .servers = {&is, 1}};

	assert_false(rd_recovery_is_direct(&now, &is));
	rd_recovery_carry(&before, &now);
	assert_true(rd_recovery_is_direct(&now, &is));
	was.source_key.hostname = "x";
	rd_recovery_carry(&before, &now);
	assert_false(rd_recovery_is_direct(&now, &is));
}

static void
test_coordinates(void **state UNUSED)
{
	static const struct {
		struct topo_coord a, b;
		int expect;
	} cases[] = {
	    {{"bin.000009", 5, 0}, {"bin.000010", 4, 0}, -1},
	    {{"bin.999999", 5, 0}, {"bin.1000000", 4, 0}, -1}, /* as texts it would be the other way round */
	    {{"bin.000010", 5, 0}, {"bin.000010", 4, 0}, 1},
	    {{"bin.10", 4, 0}, {"bin.000010", 4, 0}, 0},
	    {{"a.000002", 4, 0}, {"b.000001", 4, 0}, -1}, /* other names: by name */
	    {{"", 0, 0}, {"bin.000001", 4, 0}, -1},
	    {{"bin.x", 4, 0}, {"bin.y", 4, 0}, -1},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int there = rd_coord_cmp(&cases[i].a, &cases[i].b), back = rd_coord_cmp(&cases[i].b, &cases[i].a);
		if ((there > 0) - (there < 0) != cases[i].expect || (back > 0) - (back < 0) != -cases[i].expect)
			fail_msg("case %zu: %d %d", i, there, back);
	}
}

static void
parse(enum gtid_family family, const char *text, struct rd_set *ret)
{
	struct err e;

	*ret = (struct rd_set){0};
	assert_int_equal(
	    family == GTID_MYSQL ? gtid_set_parse(text, &ret->mysql, &e) : gtid_pos_parse(text, &ret->mariadb, &e), 0);
}

static void
test_sets(void **state UNUSED)
{
	static const struct {
		enum gtid_family family;
		const char *have, *of;
		uint64_t lacks;
		const char *joined;
	} cases[] = {
	    {GTID_MARIADB, "0-1-5", "0-1-9", 4, "0-1-9"},
	    {GTID_MARIADB, "0-1-9", "0-1-5", 0, "0-1-9"},
	    {GTID_MARIADB, "", "0-1-5,3-1-2", 7, "0-1-5,3-1-2"},
	    {GTID_MARIADB, "0-1-5", "0-2-5", 1, "0-1-5"}, /* the same number of another server */
	    {GTID_MARIADB, "0-1-5,2-1-8", "1-1-4,2-1-9", 5, "0-1-5,1-1-4,2-1-9"},
	    {GTID_MARIADB, "7-1-1", "", 0, "7-1-1"},
	    {GTID_MYSQL, "", "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa:1-5:7", 6,
	     "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa:1-5:7"},
	    {GTID_MYSQL, "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa:1-5", "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa:3-9", 4,
	     "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa:1-9"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct rd_set have, of, joined;
		struct str_buf b = {0};
		struct err e;

		parse(cases[i].family, cases[i].have, &have);
		parse(cases[i].family, cases[i].of, &of);
		assert_int_equal(rd_set_lacks(cases[i].family, &have, &of), cases[i].lacks);
		assert_int_equal(rd_set_join(cases[i].family, &have, &of, &joined, &e), 0);
		rd_set_write(&joined, &b);
		assert_string_equal(str_buf_text(&b), cases[i].joined);
		assert_int_equal(rd_set_lacks(cases[i].family, &joined, &of), i == 3 ? 1 : 0);
		str_buf_done(&b);
		rd_set_done(&have);
		rd_set_done(&of);
		rd_set_done(&joined);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_filled),
	    cmocka_unit_test(test_bad_lines),
	    cmocka_unit_test(test_hostile_texts_come_back),
	    cmocka_unit_test(test_carry),
	    cmocka_unit_test(test_coordinates),
	    cmocka_unit_test(test_sets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
