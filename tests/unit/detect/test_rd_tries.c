/* test_rd_tries.c — what attempts prove, and when a server is suspected: tables in both directions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "rd_tries.h"

#define REFUSED TOPO_EVIDENCE_REFUSED
#define RESET TOPO_EVIDENCE_RESET
#define ANSWERED TOPO_EVIDENCE_ANSWERED
#define TIMED_OUT TOPO_EVIDENCE_TIMED_OUT
#define UNREACHABLE TOPO_EVIDENCE_UNREACHABLE
#define UNRESOLVED TOPO_EVIDENCE_UNRESOLVED
#define NONE TOPO_EVIDENCE_NONE

static struct mono
at(int64_t ms)
{
	return (struct mono){1000 * CLK_S + ms * CLK_MS};
}

static struct rd_attempt
attempt(uint64_t evidence, int64_t began_ms, int64_t ended_ms)
{
	return (struct rd_attempt){.evidence = evidence, .began = at(began_ms), .ended = at(ended_ms)};
}

static void
a_failure_counts_when_it_lasts(void **state UNUSED)
{
	static const struct {
		const char *what;
		struct {
			uint64_t evidence;
			int64_t began, ended;
		} v[4];
		size_t n;
		enum rd_reach reach;
	} cases[] = {
	    {"nothing tried", {{0}}, 0, RD_REACH_UNKNOWN},
	    {"an answer", {{ANSWERED, 0, 2}}, 1, RD_REACH_ANSWERED},
	    {"refused once", {{REFUSED, 0, 2}}, 1, RD_REACH_UNKNOWN},
	    {"refused twice at once", {{REFUSED, 0, 2}, {REFUSED, 3, 5}}, 2, RD_REACH_UNKNOWN},
	    {"refused twice, 149 ms apart", {{REFUSED, 0, 2}, {REFUSED, 150, 151}}, 2, RD_REACH_UNKNOWN},
	    {"refused twice, 150 ms apart", {{REFUSED, 0, 2}, {REFUSED, 151, 152}}, 2, RD_REACH_FAILED},
	    {"the server came back in between", {{REFUSED, 0, 2}, {ANSWERED, 160, 165}}, 2, RD_REACH_ANSWERED},
	    {"and went again: it begins anew",
	     {{REFUSED, 0, 2}, {ANSWERED, 60, 65}, {REFUSED, 152, 155}},
	     3,
	     RD_REACH_UNKNOWN},
	    {"reset, then refused: memory was released", {{RESET, 0, 5}, {REFUSED, 155, 156}}, 2, RD_REACH_FAILED},
	    {"reset once", {{RESET, 0, 5}}, 1, RD_REACH_UNKNOWN},
	    {"unreachable once", {{UNREACHABLE, 0, 1}}, 1, RD_REACH_UNKNOWN},
	    {"unreachable twice", {{UNREACHABLE, 0, 1}, {UNREACHABLE, 151, 152}}, 2, RD_REACH_FAILED},
	    {"a long time-out", {{TIMED_OUT, 0, 500}}, 1, RD_REACH_FAILED},
	    {"a short time-out", {{TIMED_OUT, 0, 499}}, 1, RD_REACH_UNKNOWN},
	    {"two short time-outs", {{TIMED_OUT, 0, 100}, {TIMED_OUT, 150, 250}}, 2, RD_REACH_FAILED},
	    {"a long refusal is still one", {{REFUSED, 0, 900}}, 1, RD_REACH_UNKNOWN},
	    {"a long time-out, then an answer", {{TIMED_OUT, 0, 900}, {ANSWERED, 900, 901}}, 2, RD_REACH_ANSWERED},
	    {"an answer, then a short time-out",
	     {{TIMED_OUT, 0, 900}, {ANSWERED, 900, 901}, {TIMED_OUT, 901, 950}},
	     3,
	     RD_REACH_UNKNOWN},
	    {"name not resolved, often", {{UNRESOLVED, 0, 900}, {UNRESOLVED, 901, 1900}}, 2, RD_REACH_UNKNOWN},
	    {"our own limits", {{NONE, 0, 900}, {NONE, 901, 1900}}, 2, RD_REACH_UNKNOWN},
	    {"what says nothing does not make the second", {{REFUSED, 0, 2}, {NONE, 160, 170}}, 2, RD_REACH_UNKNOWN},
	    {"nor does it undo the first",
	     {{REFUSED, 0, 2}, {NONE, 100, 101}, {REFUSED, 155, 156}},
	     3,
	     RD_REACH_FAILED},
	    {"a class of a newer build", {{99, 0, 900}, {99, 1000, 1900}}, 2, RD_REACH_UNKNOWN},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct rd_tries t = {0};
		for (size_t k = 0; k < cases[i].n; k++) {
			struct rd_attempt a = attempt(cases[i].v[k].evidence, cases[i].v[k].began, cases[i].v[k].ended);
			rd_tries_note(&t, &a);
		}
		if (rd_tries_judge(&t) != cases[i].reach)
			fail_msg("%s: %d", cases[i].what, (int)rd_tries_judge(&t));
	}
}

/* The numbers may come from another node. */
static void
one_failed_attempt_has_no_span(void **state UNUSED)
{
	assert_int_equal(rd_reach_judge(REFUSED, 1, CLK_S, 0), RD_REACH_UNKNOWN);
	assert_int_equal(rd_reach_judge(REFUSED, 2, CLK_S, 0), RD_REACH_FAILED);
	assert_int_equal(rd_reach_judge(REFUSED, 0, CLK_S, CLK_S), RD_REACH_UNKNOWN);
	assert_int_equal(rd_reach_judge(ANSWERED, 5, CLK_S, CLK_S), RD_REACH_ANSWERED);
}

/* A process that slept hears of both attempts at the same moment: that is no proof of 150 ms. */
static void
attempts_heard_of_together_are_one(void **state UNUSED)
{
	struct topo_probe p = {.evidence = REFUSED, .started_us = 5, .ended_us = 9};
	struct rd_tries t = {0};
	struct rd_attempt a = rd_attempt_of(&p, at(5000)), b;

	p.started_us = 200000;
	p.ended_us = 200004;
	b = rd_attempt_of(&p, at(5000));
	rd_tries_note(&t, &a);
	rd_tries_note(&t, &b);
	assert_int_equal(rd_tries_judge(&t), RD_REACH_UNKNOWN);
	assert_int_equal(mono_diff_us(a.ended, a.began), 4);
}

/* The prober's wall clock may be set while a probe runs. */
static void
a_clock_set_back_makes_no_time_out_long(void **state UNUSED)
{
	struct topo_probe p = {.evidence = TIMED_OUT, .started_us = 10 * CLK_S, .ended_us = 2 * CLK_S};
	struct rd_attempt a = rd_attempt_of(&p, at(0));
	struct rd_tries t = {0};

	rd_tries_note(&t, &a);
	assert_int_equal(rd_tries_judge(&t), RD_REACH_UNKNOWN);
}

static void
suspicion_follows_evidence(void **state UNUSED)
{
	enum { PROBE, LOST };
	static const struct {
		const char *what;
		struct {
			int kind;
			uint64_t evidence;
			int64_t began, ended;
		} v[4];
		size_t n;
		enum rd_suspicion alone, in_mass;
	} cases[] = {
	    {"nothing known", {{0}}, 0, RD_UNSUSPECTED, RD_UNSUSPECTED},
	    {"answers", {{PROBE, ANSWERED, 0, 1}}, 1, RD_UNSUSPECTED, RD_UNSUSPECTED},
	    {"too many connections answers too", {{PROBE, ANSWERED, 0, 1}}, 1, RD_UNSUSPECTED, RD_UNSUSPECTED},
	    {"an idle connection closed", {{LOST, RESET, 0, 5}}, 1, RD_LOOK, RD_LOOK},
	    {"a ping without answer", {{LOST, TIMED_OUT, 0, 5}}, 1, RD_ASK, RD_LOOK},
	    {"closed, then answers", {{LOST, RESET, 0, 5}, {PROBE, ANSWERED, 6, 8}}, 2, RD_UNSUSPECTED, RD_UNSUSPECTED},
	    {"silent, then answers",
	     {{LOST, TIMED_OUT, 0, 5}, {PROBE, ANSWERED, 6, 8}},
	     2,
	     RD_UNSUSPECTED,
	     RD_UNSUSPECTED},
	    {"closed, then refused", {{LOST, RESET, 0, 5}, {PROBE, REFUSED, 6, 8}}, 2, RD_ASK, RD_ASK},
	    {"a probe cut by the same loss", {{LOST, RESET, 0, 5}, {PROBE, RESET, 1, 6}}, 2, RD_ASK, RD_LOOK},
	    {"and the next fails as well",
	     {{LOST, RESET, 0, 5}, {PROBE, RESET, 1, 6}, {PROBE, REFUSED, 7, 9}},
	     3,
	     RD_ASK,
	     RD_ASK},
	    {"a failed probe", {{PROBE, REFUSED, 0, 1}}, 1, RD_ASK, RD_ASK},
	    {"failed, then answers",
	     {{PROBE, REFUSED, 0, 1}, {PROBE, ANSWERED, 2, 3}},
	     2,
	     RD_UNSUSPECTED,
	     RD_UNSUSPECTED},
	    {"name not resolved", {{PROBE, UNRESOLVED, 0, 1}}, 1, RD_UNSUSPECTED, RD_UNSUSPECTED},
	    {"our own limits", {{PROBE, NONE, 0, 1}}, 1, RD_UNSUSPECTED, RD_UNSUSPECTED},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct rd_seen s = {0};
		for (size_t k = 0; k < cases[i].n; k++) {
			struct rd_attempt a = attempt(cases[i].v[k].evidence, cases[i].v[k].began, cases[i].v[k].ended);
			if (cases[i].v[k].kind == LOST)
				rd_seen_lost(&s, a.evidence, RD_APART_US, a.ended);
			else
				rd_seen_attempt(&s, &a);
		}
		if (rd_seen_suspicion(&s, false) != cases[i].alone)
			fail_msg("%s: %d", cases[i].what, (int)rd_seen_suspicion(&s, false));
		if (rd_seen_suspicion(&s, true) != cases[i].in_mass)
			fail_msg("%s, in a mass: %d", cases[i].what, (int)rd_seen_suspicion(&s, true));
	}
}

static void
the_last_answer_is_remembered(void **state UNUSED)
{
	struct rd_seen s = {0};
	struct rd_attempt a = attempt(ANSWERED, 0, 10);

	rd_seen_lost(&s, RESET, -1, at(1));
	assert_int_equal(s.answered.us, 0);
	rd_seen_attempt(&s, &a);
	rd_seen_lost(&s, RESET, 50 * CLK_MS, at(100)); /* the prober saw an answer that was no probe */
	assert_int_equal(s.answered.us, at(50).us);
	rd_seen_lost(&s, RESET, 90 * CLK_MS, at(120)); /* an older one */
	assert_int_equal(s.answered.us, at(50).us);
}

static void
causes_have_names(void **state UNUSED)
{
	static const struct {
		uint64_t evidence;
		bool found;
		int64_t number;
		const char *cause;
	} cases[] = {
	    {ANSWERED, true, 0, ""},
	    {ANSWERED, true, 1227, ""},
	    {ANSWERED, false, 1040, "too many connections"},
	    {ANSWERED, false, 1045, "access denied"},
	    {ANSWERED, false, 1129, "host blocked after connection errors"},
	    {ANSWERED, false, 1226, "resource limit of the user reached"},
	    {ANSWERED, false, 1820, "password must be changed"},
	    {ANSWERED, false, 1862, "password expired"},
	    {ANSWERED, false, 2013, "stalled"},
	    {ANSWERED, false, 0, "stalled"},
	    {ANSWERED, false, 1146, "answers with an error"},
	    {REFUSED, false, 2003, "refused"},
	    {TIMED_OUT, false, 0, "timed out"},
	    {UNRESOLVED, false, 2005, "name not resolved"},
	    {99, false, 0, "not understood"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_string_equal(rd_cause(cases[i].evidence, cases[i].found, cases[i].number), cases[i].cause);
	assert_true(rd_errno_is_answer(1040));
	assert_string_equal(rd_cause(TOPO_EVIDENCE_ANSWERED, false, 1021), "disk full");
	assert_false(rd_errno_is_answer(1021)); /* a receiver may mean its own disk */
	assert_false(rd_errno_is_answer(2003));
	assert_false(rd_errno_is_answer(0));
	assert_false(rd_errno_is_answer(1594)); /* a replica's own trouble */
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_failure_counts_when_it_lasts),
	    cmocka_unit_test(one_failed_attempt_has_no_span),
	    cmocka_unit_test(attempts_heard_of_together_are_one),
	    cmocka_unit_test(a_clock_set_back_makes_no_time_out_long),
	    cmocka_unit_test(suspicion_follows_evidence),
	    cmocka_unit_test(the_last_answer_is_remembered),
	    cmocka_unit_test(causes_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
