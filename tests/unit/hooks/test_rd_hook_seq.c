/* test_rd_hook_seq.c — order, background and failures of a list's entries; entries as an operator writes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "rd_hook_seq.h"

static void
entries_are_taken_apart(void **state UNUSED)
{
	static const struct {
		const char *entry, *text;
		bool background;
		enum conf_hook_failure on_failure;
		int64_t timeout_s;
	} cases[] = {
	    {"echo hi", "echo hi", .timeout_s = -1},
	    {"  echo hi \n", "echo hi", .timeout_s = -1},
	    {"echo hi & ", "echo hi", true, .timeout_s = -1},
	    {"echo hi &&", "echo hi", true, .timeout_s = -1},
	    {"&", "", true, .timeout_s = -1},
	    {"", "", .timeout_s = -1},
	    {"{failedHost} x", "{failedHost} x", .timeout_s = -1},
	    {"{ echo a=b; }", "{ echo a=b; }", .timeout_s = -1},
	    {"{onFailure=stop} x", "x", false, CONF_HOOK_FAILURE_STOP, -1},
	    {" {onfailure=Continue}{timeout=2m} x &", "x", true, CONF_HOOK_FAILURE_CONTINUE, 120},
	    {"{timeout=0s} {failedHost}", "{failedHost}", .timeout_s = 0},
	    {"{timeout=7d}x", "x", .timeout_s = CONF_HOOK_TIMEOUT_MAX_S},
	    {"x {timeout=1s}", "x {timeout=1s}", .timeout_s = -1},
	};
	struct conf_hook h;
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(conf_hook_parse(cases[i].entry, &h, &e), 0);
		assert_int_equal(h.len, strlen(cases[i].text));
		assert_memory_equal(h.text, cases[i].text, h.len);
		assert_int_equal(h.background, cases[i].background);
		assert_int_equal(h.on_failure, cases[i].on_failure);
		assert_int_equal(h.timeout_s, cases[i].timeout_s);
	}
}

static void
wrong_options_are_named(void **state UNUSED)
{
	static const struct {
		const char *entry, *why;
	} cases[] = {
	    {"{onFailure=abort} x", "choose stop or continue"},
	    {"{timeout=5} x", "30s"},
	    {"{timeout=-1s} x", "30s"},
	    {"{timeout=8d} x", "at most 7d"},
	    {"{retries=5} x", "unknown option \"retries\""},
	    {"{onFailure=stop} x &", "in the background"},
	    {"{timeout=1111111111111111111111111111111111111111111111111111111111111s} x", "too long"},
	};
	struct conf_hook h;
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(conf_hook_parse(cases[i].entry, &h, &e), -ERR_INVALID);
		assert_non_null(strstr(e.msg, cases[i].why));
	}
}

#define F CONF_HOOK_FAILURE_CONTINUE
#define S CONF_HOOK_FAILURE_STOP

/* What happens, one letter each: R0 = entry 0 is started; the results are given in the order of the entries, those in
 * the background end last. W: waits, E: end, "!": failed. */
static void
orders(void **state UNUSED)
{
	static const struct {
		enum rd_hook_list list;
		const char
		    *entries; /* s: in turn, b: in the background; c, t: in turn, continue or stop whatever the list */
		const char *results; /* + or -; '.': not asked for */
		const char *trace;
	} cases[] = {
	    {RD_HOOK_LIST_PRE_FAILOVER, "", "", "E"},
	    {RD_HOOK_LIST_PRE_FAILOVER, "ss", "++", "R0WR1WE"},
	    {RD_HOOK_LIST_PRE_FAILOVER, "sss", "+-.", "R0WR1WE!"},
	    {RD_HOOK_LIST_PRE_FAILOVER, "scs", "+-+", "R0WR1WR2WE"},
	    {RD_HOOK_LIST_PRE_FAILOVER, "bsb", "-+-", "R0R1WR2E"},
	    {RD_HOOK_LIST_PRE_FAILOVER, "sbs", "-..", "R0WE!"},
	    {RD_HOOK_LIST_POST_FAILOVER, "sss", "-+-", "R0WR1WR2WE"},
	    {RD_HOOK_LIST_POST_FAILOVER, "sts", "--.", "R0WR1WE!"},
	    {RD_HOOK_LIST_POST_FAILOVER, "bbb", "---", "R0R1R2E"},
	};

	for (size_t c = 0; c < ARRAY_LEN(cases); c++) {
		size_t n = strlen(cases[c].entries), i = 0;
		struct conf_hook hooks[4] = {{0}};
		struct rd_hook_seq s;
		struct str_buf trace = {0};
		enum rd_hook_action a;
		for (size_t k = 0; k < n; k++) {
			char kind = cases[c].entries[k];
			hooks[k].background = kind == 'b';
			hooks[k].on_failure = kind == 'c' ? F : kind == 't' ? S : CONF_HOOK_FAILURE_AS_LIST;
		}
		rd_hook_seq_init(&s, cases[c].list, hooks, n);
		while ((a = rd_hook_seq_next(&s, &i)) != RD_HOOK_END) {
			if (a == RD_HOOK_RUN)
				str_buf_printf(&trace, "R%zu", i);
			else {
				str_buf_add(&trace, "W");
				rd_hook_seq_ended(&s, i, cases[c].results[i] == '+');
			}
		}
		str_buf_add(&trace, "E");
		for (size_t k = 0; k < n; k++) {
			if (s.steps[k].state != RD_HOOK_STEP_RUNNING)
				continue;
			assert_false(rd_hook_seq_idle(&s));
			assert_true(s.steps[k].background);
			rd_hook_seq_ended(&s, k, cases[c].results[k] == '+');
		}
		assert_true(rd_hook_seq_idle(&s));
		if (rd_hook_seq_failed(&s))
			str_buf_add(&trace, "!");
		assert_string_equal(trace.p, cases[c].trace);
		for (size_t k = 0; k < n; k++) {
			enum rd_hook_step_state expected = cases[c].results[k] == '+'	? RD_HOOK_STEP_OK
							   : cases[c].results[k] == '-' ? RD_HOOK_STEP_FAILED
											: RD_HOOK_STEP_SKIPPED;
			assert_int_equal(s.steps[k].state, expected);
		}
		str_buf_done(&trace);
		rd_hook_seq_done(&s);
	}
}

static void
a_resumed_list(void **state UNUSED)
{
	static const struct {
		enum rd_hook_list list;
		enum rd_hook_mark marks[3];
		enum rd_hook_action first;
		size_t entry;
		bool failed;
	} cases[] = {
	    {RD_HOOK_LIST_PRE_FAILOVER, {RD_HOOK_MARK_OK}, RD_HOOK_RUN, 1},
	    {RD_HOOK_LIST_PRE_FAILOVER, {RD_HOOK_MARK_OK, RD_HOOK_MARK_STARTED}, RD_HOOK_RUN, 2}, /* not again */
	    {RD_HOOK_LIST_PRE_FAILOVER, {RD_HOOK_MARK_OK, RD_HOOK_MARK_FAILED}, RD_HOOK_END, 0, true},
	    {RD_HOOK_LIST_PRE_FAILOVER, {RD_HOOK_MARK_OK, RD_HOOK_MARK_OK, RD_HOOK_MARK_STARTED}, RD_HOOK_END},
	    {RD_HOOK_LIST_POST_FAILOVER, {RD_HOOK_MARK_OK, RD_HOOK_MARK_STARTED}, RD_HOOK_RUN, 1},
	    {RD_HOOK_LIST_POST_FAILOVER, {RD_HOOK_MARK_STARTED, RD_HOOK_MARK_OK}, RD_HOOK_RUN, 0},
	    {RD_HOOK_LIST_POST_FAILOVER,
	     {RD_HOOK_MARK_FAILED, RD_HOOK_MARK_FAILED},
	     RD_HOOK_RUN,
	     2}, /* its end is known */
	};

	for (size_t c = 0; c < ARRAY_LEN(cases); c++) {
		struct conf_hook hooks[3] = {{0}};
		struct rd_hook_seq s;
		size_t i = 0;
		rd_hook_seq_init(&s, cases[c].list, hooks, 3);
		for (size_t k = 0; k < 3; k++)
			rd_hook_seq_mark(&s, k, cases[c].marks[k]);
		assert_int_equal(rd_hook_seq_next(&s, &i), cases[c].first);
		if (cases[c].first == RD_HOOK_RUN)
			assert_int_equal(i, cases[c].entry);
		assert_int_equal(rd_hook_seq_failed(&s), cases[c].failed);
		rd_hook_seq_done(&s);
	}
}

static void
a_cancelled_list_begins_nothing_more(void **state UNUSED)
{
	struct conf_hook hooks[2] = {{0}};
	struct rd_hook_seq s;
	size_t i;

	rd_hook_seq_init(&s, RD_HOOK_LIST_POST_FAILOVER, hooks, 2);
	assert_int_equal(rd_hook_seq_next(&s, &i), RD_HOOK_RUN);
	rd_hook_seq_cancel(&s);
	assert_int_equal(rd_hook_seq_next(&s, &i), RD_HOOK_WAIT);
	rd_hook_seq_ended(&s, 0, false);
	assert_int_equal(rd_hook_seq_next(&s, &i), RD_HOOK_END);
	assert_int_equal(s.steps[1].state, RD_HOOK_STEP_SKIPPED);
	rd_hook_seq_done(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(entries_are_taken_apart),
	    cmocka_unit_test(wrong_options_are_named),
	    cmocka_unit_test(orders),
	    cmocka_unit_test(a_resumed_list),
	    cmocka_unit_test(a_cancelled_list_begins_nothing_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
