/* test_base.c — base: errors, text buffer, parsing, Go quoting, time stamps, delays, line budgets, records, arena. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/line_budget.h"
#include "base/rec.h"
#include "base/str.h"

static void
err_wraps_context_in_front(void **state UNUSED)
{
	struct err e;

	assert_int_equal(err_set(&e, ERR_DB_FULL, "disk %s", "full"), -ERR_DB_FULL);
	assert_int_equal(err_wrap(&e, "saving %d", 7), -ERR_DB_FULL);
	assert_string_equal(e.msg, "saving 7: disk full");
	assert_string_equal(err_name(-ERR_DB_FULL), "DB_FULL");
	assert_string_equal(err_name(99999), "INTERNAL");
}

static void
err_survives_endless_wrapping(void **state UNUSED)
{
	struct err e;

	(void)err_set(&e, ERR_IO, "x");
	for (int i = 0; i < 1000; i++)
		assert_int_equal(err_wrap(&e, "layer %d", i), -ERR_IO);
	assert_true(strlen(e.msg) < sizeof(e.msg));
	assert_true(str_starts(e.msg, "layer 999: "));
}

static void
numbers_are_parsed_whole_or_not_at_all(void **state UNUSED)
{
	static const struct {
		const char *text;
		int ok;
		int64_t v;
	} cases[] = {{"0", 1, 0},
		     {"-5", 1, -5},
		     {"", 0, 0},
		     {"-", 0, 0},
		     {"1x", 0, 0},
		     {" 1", 0, 0},
		     {"+1", 0, 0},
		     {"9223372036854775807", 1, INT64_MAX},
		     {"-9223372036854775808", 1, INT64_MIN},
		     {"9223372036854775808", 0, 0},
		     {"99999999999999999999", 0, 0}};
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int64_t v = 77;
		int rc = str_parse_i64(cases[i].text, INT64_MIN, INT64_MAX, &v, &e);
		assert_int_equal(rc == 0, cases[i].ok);
		assert_int_equal(v, cases[i].ok ? cases[i].v : 77);
	}
}

static void
durations_are_digits_and_one_unit(void **state UNUSED)
{
	static const struct {
		const char *text;
		int64_t v;
	} cases[] = {{"10m", 600},
		     {"1h", 3600},
		     {"2d", 172800},
		     {"1w", 604800},
		     {"0s", 0},
		     {"10", -1},
		     {"1y", -1},
		     {"-5m", -1},
		     {"1h30m", -1},
		     {"", -1},
		     {"m", -1},
		     {"99999999999999999999s", -1},
		     {"9223372036854775807w", -1}};
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int64_t v = -1;
		int rc = str_parse_duration_s(cases[i].text, &v, &e);
		assert_int_equal(rc == 0, cases[i].v >= 0);
		assert_int_equal(v, cases[i].v);
	}
}

static void
go_quoting_is_ascii(void **state UNUSED)
{
	static const struct {
		const char *in, *out;
	} cases[] = {{"", "\"\""},
		     {"a\"b\\c\n", "\"a\\\"b\\\\c\\n\""},
		     {"\x01", "\"\\x01\""},
		     {"\x7f", "\"\\x7f\""},
		     {"\xc3\xa9", "\"\\u00e9\""},
		     {"\xf0\x9f\x90\xac", "\"\\U0001f42c\""},
		     {"\xff", "\"\\xff\""},
		     {"\xc3", "\"\\xc3\""}};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct str_buf b = {0};
		str_quote_go_ascii(&b, cases[i].in);
		assert_string_equal(str_buf_text(&b), cases[i].out);
		str_buf_done(&b);
	}
}

static void
durations_are_written_as_go_does(void **state UNUSED)
{
	static const struct {
		int64_t ns;
		const char *text;
	} cases[] = {{0, "0s"},
		     {1, "1ns"},
		     {999, "999ns"},
		     {1000, "1\xc2\xb5s"},
		     {351871, "351.871\xc2\xb5s"},
		     {1500000, "1.5ms"},
		     {999000001, "999.000001ms"},
		     {1000000000, "1s"},
		     {1050000000, "1.05s"},
		     {60000000000, "1m0s"},
		     {3723004000000, "1h2m3.004s"}};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct str_buf b = {0};
		str_add_go_duration(&b, cases[i].ns);
		assert_string_equal(str_buf_text(&b), cases[i].text);
		str_buf_done(&b);
	}
}

static void
stamps_round_trip(void **state UNUSED)
{
	char text[CLK_STAMP_BYTES];
	struct wall t;

	assert_true(clk_parse_wall("2026-11-22 10:20:30", &t));
	clk_format_wall(t, text);
	assert_string_equal(text, "2026-11-22 10:20:30");
	assert_true(clk_parse_wall("2026-11-22T10:20:30Z", &t));
	assert_true(clk_parse_wall("2026-11-22 10:20:30.123456", &t));
	assert_false(clk_parse_wall("", &t));
	assert_false(clk_parse_wall("now", &t));
	assert_false(clk_parse_wall("2026-13-22 10:20:30", &t));
	assert_false(clk_parse_wall("2026-11-22 10:20:30 or so", &t));
}

#define INNER_FIELDS(F) F(STR, name, _, 8) F(I64, n, _, 0)
REC_DECLARE(inner, INNER_FIELDS);
#define OUTER_FIELDS(F) F(REC, one, inner, 0) F(LIST, many, inner, 3) F(NI64, maybe, _, 0) F(BIN, blob, _, 4)
REC_DECLARE(outer, OUTER_FIELDS);
#define REC_SELF struct inner
REC_DEFINE(inner, INNER_FIELDS);
#undef REC_SELF
#define REC_SELF struct outer
REC_DEFINE(outer, OUTER_FIELDS);
#undef REC_SELF

static void
delays_are_whole_seconds_and_the_rest(void **state UNUSED)
{
	static const int64_t cases[] = {0, 1, 999999, 1000000, 1000001, 90 * CLK_S + 250 * CLK_MS};
	struct timespec before, deadline;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct timeval tv = clk_timeval(cases[i]);
		assert_in_range(tv.tv_usec, 0, 999999);
		assert_int_equal(tv.tv_sec * CLK_S + tv.tv_usec, cases[i]);
	}
	assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &before), 0);
	deadline = clk_cond_deadline(1999);
	assert_in_range(deadline.tv_nsec, 0, 999999999);
	assert_in_range((deadline.tv_sec - before.tv_sec) * 1000 + (deadline.tv_nsec - before.tv_nsec) / 1000000, 1998,
			20000);
}

static void
lines_are_left_out_and_counted(void **state UNUSED)
{
	static const struct {
		int64_t at_s;
		enum line_say say;
		uint64_t left_out;
	} steps[] = {
	    {0, LINE_SAY, 0},  {0, LINE_SAY, 0},     {9, LINE_OTHERS, 0}, {9, LINE_NOTHING, 0},
	    {10, LINE_SAY, 2}, {10, LINE_SAY, 0},    {30, LINE_SAY, 0}, /* that window left out nothing */
	    {31, LINE_SAY, 0}, {32, LINE_OTHERS, 0}, {99, LINE_SAY, 1},
	};
	struct line_budget b = {0};

	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		uint64_t left_out = 77;
		struct mono now = {steps[i].at_s * CLK_S}; /* 0 is a time as any other */
		assert_int_equal(line_budget_spend(&b, 2, 10 * CLK_S, now, &left_out), steps[i].say);
		assert_int_equal(left_out, steps[i].left_out);
	}
}

static void
records_copy_compare_and_free(void **state UNUSED)
{
	struct inner items[2] = {{"a", 1}, {"b", 2}};
	struct outer src, copy;
	struct err e;

	rec_init(&outer_desc, &src);
	src.one = (struct inner){"first", 9};
	src.many = (struct inner_list){items, 2};
	src.blob = (struct rec_bin){"xyz", 3};
	rec_dup(&outer_desc, &copy, &src);
	assert_true(rec_equal(&outer_desc, &src, &copy));
	assert_ptr_not_equal(copy.many.v, src.many.v);
	rec_set_str(&copy.many.v[1].name, "c");
	assert_false(rec_equal(&outer_desc, &src, &copy));
	rec_assign(&outer_desc, &copy, &src);
	assert_true(rec_equal(&outer_desc, &src, &copy));
	assert_int_equal(rec_check(&outer_desc, &copy, &e), 0);
	rec_set_str(&copy.many.v[0].name, "ninebytes");
	assert_int_equal(rec_check(&outer_desc, &copy, &e), -ERR_TOO_LARGE);
	assert_string_equal(e.msg, "many[0]: name: 9 bytes, at most 8");
	rec_done(&outer_desc, &copy);
	assert_int_equal(copy.many.n, 0);
	rec_done(&outer_desc, &copy);
}

static void
arena_gives_zeroed_memory_again_after_reset(void **state UNUSED)
{
	struct mem_arena a;
	unsigned char *p;

	mem_arena_init(&a);
	for (int round = 0; round < 3; round++) {
		p = mem_arena_alloc(&a, 100);
		for (int i = 0; i < 100; i++)
			assert_int_equal(p[i], 0);
		memset(p, 0xff, 100);
		p = mem_arena_alloc(&a, 100000);
		assert_int_equal(p[99999], 0);
		assert_string_equal(mem_arena_strndup(&a, "hello", 4), "hell");
		mem_arena_reset(&a);
	}
	mem_arena_done(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(err_wraps_context_in_front),
	    cmocka_unit_test(err_survives_endless_wrapping),
	    cmocka_unit_test(numbers_are_parsed_whole_or_not_at_all),
	    cmocka_unit_test(durations_are_digits_and_one_unit),
	    cmocka_unit_test(go_quoting_is_ascii),
	    cmocka_unit_test(durations_are_written_as_go_does),
	    cmocka_unit_test(stamps_round_trip),
	    cmocka_unit_test(delays_are_whole_seconds_and_the_rest),
	    cmocka_unit_test(lines_are_left_out_and_counted),
	    cmocka_unit_test(records_copy_compare_and_free),
	    cmocka_unit_test(arena_gives_zeroed_memory_again_after_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
