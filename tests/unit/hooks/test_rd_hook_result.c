/* test_rd_hook_result.c — audit texts, and what is kept of a hook's output. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "rd_hook_result.h"

static const struct rd_hook_result hook = {.list = RD_HOOK_LIST_PRE_FAILOVER,
					   .index = 0,
					   .count = 2,
					   .command = "echo hi",
					   .took_us = 1500000,
					   .error = "",
					   .output = "oops"};

static void
audit_texts(void **state UNUSED)
{
	static const struct {
		enum rd_hook_outcome outcome;
		int value;
		const char *text;
	} cases[] = {
	    {RD_HOOK_OK, 0, "Completed PreFailoverProcesses hook 1 of 2 in 1.5s"},
	    {RD_HOOK_EXITED, 3,
	     "Execution of PreFailoverProcesses hook 1 of 2 failed in 1.5s with error: exit status 3; output: oops"},
	    {RD_HOOK_KILLED, 9,
	     "Execution of PreFailoverProcesses hook 1 of 2 failed in 1.5s with error: signal 9 (Killed); output: "
	     "oops"},
	    {RD_HOOK_TIMED_OUT, 15,
	     "Execution of PreFailoverProcesses hook 1 of 2 failed in 1.5s with error: it took longer than 7s and was "
	     "killed; output: oops"},
	    {RD_HOOK_CANCELLED, 15,
	     "Execution of PreFailoverProcesses hook 1 of 2 failed in 1.5s with error: cancelled; output: oops"},
	    {RD_HOOK_NOT_STARTED, 0,
	     "Execution of PreFailoverProcesses hook 1 of 2 failed in 1.5s with error: not started: because; output: "
	     "oops"},
	    {RD_HOOK_VANISHED, 0,
	     "Execution of PreFailoverProcesses hook 1 of 2 failed in 1.5s with error: its watcher was killed; output: "
	     "oops"},
	};
	struct str_buf b = {0};
	struct rd_hook_result r = hook;

	rd_hook_text_began(&r, &b);
	assert_string_equal(b.p, "Running PreFailoverProcesses hook 1 of 2: echo hi");
	str_buf_clear(&b);
	r.background = true;
	rd_hook_text_began(&r, &b);
	assert_string_equal(b.p, "Running PreFailoverProcesses hook 1 of 2 (async): echo hi");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		r = hook;
		r.outcome = cases[i].outcome;
		r.value = cases[i].value;
		r.limit_s = 7;
		r.error = "because";
		str_buf_clear(&b);
		rd_hook_text_ended(&r, &b);
		assert_string_equal(b.p, cases[i].text);
		assert_true(rd_hook_outcome_name(r.outcome)[0] != '\0');
	}
	str_buf_done(&b);
}

static void
long_texts_are_cut_between_characters(void **state UNUSED)
{
	struct str_buf text = {0}, b = {0};
	struct rd_hook_result r = hook;

	str_buf_add(&text, "x");
	for (int i = 0; i < 2000; i++)
		str_buf_add(&text, "\xc3\xa9");
	r.command = r.output = text.p;
	r.outcome = RD_HOOK_EXITED;
	rd_hook_text_began(&r, &b);
	assert_in_range(b.len, 2000, 2200);
	assert_string_equal(b.p + b.len - 5, "\xc3\xa9...");
	str_buf_clear(&b);
	rd_hook_text_ended(&r, &b);
	assert_in_range(b.len, 1000, 1200);
	assert_non_null(strstr(b.p, "output: ...\xc3\xa9"));
	str_buf_done(&b);
	str_buf_done(&text);
}

static void
output_becomes_text(void **state UNUSED)
{
#define OUTPUT(s) s, sizeof(s) - 1
	static const struct {
		const char *output;
		size_t n;
		const char *text;
	} cases[] = {
	    {OUTPUT(""), ""},
	    {OUTPUT("a\tb\nc\n \r\n"), "a\tb\nc"},
	    {OUTPUT("a\0b\033[1m\177\r\n"), "a?b?[1m?"},
	    {OUTPUT("\xff\xfe\xc3(\xc3\xa9\xe2\x82"), "??"
						      "?(\xc3\xa9??"},
	    {OUTPUT("\xc2\x85\xed\xa0\x80"), "????"}, /* a control character; half a surrogate pair */
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct rd_hook_tail *t = mem_new(struct rd_hook_tail);
		struct str_buf b = {0};
		rd_hook_tail_add(t, cases[i].output, cases[i].n);
		rd_hook_tail_text(t, &b);
		assert_string_equal(str_buf_text(&b), cases[i].text);
		assert_int_equal(t->total, cases[i].n);
		str_buf_done(&b);
		free(t);
	}
}

static void
the_last_output_is_kept(void **state UNUSED)
{
	for (size_t piece = 1; piece < 20000; piece = piece * 3 + 1) {
		struct rd_hook_tail *t = mem_new(struct rd_hook_tail);
		struct str_buf all = {0}, b = {0};
		for (int i = 0; i < 4000; i++)
			str_buf_printf(&all, "%d\xc3\xa9", i);
		str_buf_add(&all, "end");
		for (size_t at = 0; at < all.len; at += piece)
			rd_hook_tail_add(t, all.p + at, min_size(piece, all.len - at));
		rd_hook_tail_text(t, &b);
		assert_int_equal(t->total, all.len);
		assert_in_range(b.len, RD_HOOK_OUTPUT_MAX - 3, RD_HOOK_OUTPUT_MAX);
		assert_string_equal(b.p, all.p + all.len - b.len);
		str_buf_done(&all);
		str_buf_done(&b);
		free(t);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(audit_texts),
	    cmocka_unit_test(long_texts_are_cut_between_characters),
	    cmocka_unit_test(output_becomes_text),
	    cmocka_unit_test(the_last_output_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
