/* test_db_value.c — tables of cases for the tolerant conversions: times, numbers, texts, key lists, tag strings. */
#include "db_temp.h"

#include <stdlib.h>
#include <string.h>

#include "db/db_row.h"

#define S INT64_C(1000000)

static void
times_are_read_in_every_known_form(void **state UNUSED)
{
	static const struct {
		struct db_value v;
		int64_t us;
	} cases[] = {
	    {{.kind = DB_TEXT, .t = {"2026-01-05 10:00:00", 19}}, 1767607200 * S},
	    {{.kind = DB_TEXT, .t = {"2026-01-05T10:00:00Z", 20}}, 1767607200 * S},
	    {{.kind = DB_TEXT, .t = {"2026-01-05 10:00:00.123456", 26}}, 1767607200 * S},
	    {{.kind = DB_TEXT, .t = {"2026-01-05 10:00:00.5 +0000 UTC", 31}}, 1767607200 * S},
	    {{.kind = DB_TEXT, .t = {"2026-01-05 12:00:00+02:00", 25}}, 1767607200 * S},
	    {{.kind = DB_TEXT, .t = {"2026-01-05T03:30:00-0630", 24}}, 1767607200 * S},
	    {{.kind = DB_TEXT, .t = {"2024-02-29 23:59:59", 19}}, 1709251199 * S},
	    {{.kind = DB_TEXT, .t = {"2000-03-01 00:00:00", 19}}, 951868800 * S},
	    {{.kind = DB_TEXT, .t = {"2100-12-31 00:00:00", 19}}, INT64_C(4133894400) * S},
	    {{.kind = DB_I64, .i = 1767607200}, 1767607200 * S},
	    {{.kind = DB_TEXT, .t = {"1767607200", 10}}, 1767607200 * S},
	    {{.kind = DB_F64, .f = 1767607200.7}, 1767607200 * S},
	    /* nothing */
	    {{.kind = DB_NULL}, 0},
	    {{.kind = DB_I64, .i = 0}, 0},
	    {{.kind = DB_I64, .i = -5}, 0},
	    {{.kind = DB_I64, .i = INT64_MAX}, 0},
	    {{.kind = DB_TEXT, .t = {"", 0}}, 0},
	    {{.kind = DB_TEXT, .t = {"1971-01-01 00:00:00", 19}}, 0},
	    {{.kind = DB_TEXT, .t = {"0000-00-00 00:00:00", 19}}, 0},
	    {{.kind = DB_TEXT, .t = {"2026-13-05 10:00:00", 19}}, 0},
	    {{.kind = DB_TEXT, .t = {"2026-01-05", 10}}, 0},
	    {{.kind = DB_TEXT, .t = {"2026-01-05 1a:00:00", 19}}, 0},
	    {{.kind = DB_TEXT, .t = {"now() - interval 1 minute", 25}}, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int64_t got = db_value_us(&cases[i].v);
		if (got != cases[i].us)
			fail_msg("case %zu: %lld, expected %lld", i, (long long)got, (long long)cases[i].us);
	}
}

static void
times_are_written_as_utc_text(void **state UNUSED)
{
	char buf[CLK_STAMP_BYTES];

	assert_string_equal(db_stamp(1767607200 * S + 999999, buf).t.p, "2026-01-05 10:00:00");
	assert_string_equal(db_stamp(0, buf).t.p, "1971-01-01 00:00:00");
	assert_string_equal(db_stamp(-1, buf).t.p, "1971-01-01 00:00:00");
	assert_string_equal(db_stamp(INT64_MAX, buf).t.p, "1971-01-01 00:00:00");
	for (int64_t s = 40000000; s < INT64_C(4200000000); s += 86399 * 17) {
		struct db_value v = db_stamp(s * S, buf);
		assert_int_equal(db_value_us(&v), s * S);
	}
}

static void
numbers_and_texts_are_read_from_anything(void **state UNUSED)
{
	static const struct {
		struct db_value v;
		int64_t number;
		const char *text;
	} cases[] = {
	    {{.kind = DB_NULL}, 0, ""},
	    {{.kind = DB_I64, .i = -7}, -7, "-7"},
	    {{.kind = DB_F64, .f = 2.5}, 2, "2.5"},
	    {{.kind = DB_F64, .f = 1e300}, 0, "1e+300"},
	    {{.kind = DB_TEXT, .t = {"3306", 4}}, 3306, "3306"},
	    {{.kind = DB_TEXT, .t = {"12 dozen", 8}}, 12, "12 dozen"},
	    {{.kind = DB_TEXT, .t = {"x", 1}}, 0, "x"},
	    {{.kind = DB_TEXT, .t = {"99999999999999999999", 20}}, INT64_MAX, "99999999999999999999"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char scratch[DB_SCRATCH_BYTES];
		assert_int_equal(db_value_i64(&cases[i].v), cases[i].number);
		assert_string_equal(db_value_text(&cases[i].v, scratch), cases[i].text);
	}
}

static void
bad_key_lists_are_empty(void **state UNUSED)
{
	static const char *const cases[] = {
	    "",
	    "[]",
	    "null",
	    "x",
	    "[",
	    "{}",
	    "{\"Hostname\":\"a\"}",
	    "[1,2,null]",
	    "[{\\\"Hostname\\\":\\\"a\\\",\\\"Port\\\":1}]", /* backslashes kept by an SQL literal */
	    "[{\"Hostname\":7,\"Port\":1}]",
	    "[{\"Hostname\":\"a\",\"Port\":1}",
	    "[{\"Hostname\":\"\xff\",\"Port\":1}]",
	};
	struct mem_arena arena = {0};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(db_keys_from_json(cases[i], strlen(cases[i]), 100, &arena).n, 0);
	mem_arena_done(&arena);
}

static void
key_lists_round_trip(void **state UNUSED)
{
	struct topo_key keys[] = {{"db1.example.net", 3306}, {"odd\"\\\x01name", 0}, {"fe80::1", 65535}};
	struct topo_key_list list = {keys, ARRAY_LEN(keys)}, back;
	struct mem_arena arena = {0};
	struct db_value v = db_keys_to_json(&list, &arena);

	back = db_keys_from_json(v.t.p, v.t.n, 100, &arena);
	assert_int_equal(back.n, 3);
	for (size_t i = 0; i < 3; i++)
		assert_true(rec_equal(&topo_key_desc, &keys[i], &back.v[i]));
	list.n = 1;
	assert_string_equal(db_keys_to_json(&list, &arena).t.p, "[{\"Hostname\":\"db1.example.net\",\"Port\":3306}]");
	list.n = 0;
	assert_string_equal(db_keys_to_json(&list, &arena).t.p, "[]");
	assert_int_equal(db_keys_from_json(v.t.p, v.t.n, 2, &arena).n, 2); /* the bound */
	mem_arena_done(&arena);
}

static void
tag_strings_are_parsed(void **state UNUSED)
{
	static const struct {
		const char *text, *name, *value;
		bool has_value, negate;
	} cases[] = {
	    {"a", "a", "", false, false},	{" a ", "a", "", false, false},	  {"a=1", "a", "1", true, false},
	    {"a=", "a", "", true, false},	{"~a", "a", "", false, true},	  {"!a=b", "a", "b", true, true},
	    {"a=b=c", "a", "b=c", true, false}, {"a!b", "a~b", "", false, false},
	};
	struct db_tag_term t;
	struct err e;
	char *name_too_long = mem_alloc(4 * DB_TAG_MAX + 2);

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(db_tag_parse(cases[i].text, &t, &e), 0);
		assert_string_equal(t.name, cases[i].name);
		assert_string_equal(t.value, cases[i].value);
		assert_int_equal(t.has_value, cases[i].has_value);
		assert_int_equal(t.negate, cases[i].negate);
	}
	memset(name_too_long, 'x', 4 * DB_TAG_MAX + 1);
	name_too_long[4 * DB_TAG_MAX + 1] = '\0';
	assert_int_equal(db_tag_parse("", &t, &e), -ERR_INVALID);
	assert_int_equal(db_tag_parse("=1", &t, &e), -ERR_INVALID);
	assert_int_equal(db_tag_parse("~", &t, &e), -ERR_INVALID);
	assert_int_equal(db_tag_parse(name_too_long, &t, &e), -ERR_INVALID);
	free(name_too_long);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(times_are_read_in_every_known_form),
	    cmocka_unit_test(times_are_written_as_utc_text),
	    cmocka_unit_test(numbers_and_texts_are_read_from_anything),
	    cmocka_unit_test(bad_key_lists_are_empty),
	    cmocka_unit_test(key_lists_round_trip),
	    cmocka_unit_test(tag_strings_are_parsed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
