/* test_rd_round_reread.c — silent replicas are read once more before they are restarted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "round_world.h"

static struct rd_round *
read_again(void)
{
	struct rd_round *r = begun(3, 2, true, 0);

	silent(r, 1100);
	expect_act(r, 1100, RD_ACT_READ);
	assert_int_equal(rd_round_targets(r)->n, 2);
	assert_false(rd_round_restarted_any(r));
	return r;
}

static void
replicas_that_noticed_meanwhile_need_no_restart(void **state UNUSED)
{
	struct rd_round *r = read_again();

	looked(r, 0, CONNECTING, 0, 1105);
	expect_act(r, 1105, RD_ACT_NONE);
	looked(r, 1, CONNECTING, 2003, 1106);
	expect_over(r, 1106, RD_VERDICT_DEAD);
}

static void
only_those_that_did_not_are_restarted(void **state UNUSED)
{
	struct rd_round *r = read_again();

	looked(r, 0, CONNECTING, 0, 1105);
	looked(r, 1, YES, 0, 1106);
	expect_act(r, 1106, RD_ACT_RESTART);
	assert_int_equal(rd_round_targets(r)->n, 1);
	assert_string_equal(rd_round_targets(r)->v[0].hostname, "r2");
	restarted(r, 1, true, 1110);
	expect_act(r, 1110, RD_ACT_NONE);
	expect_act(r, 1410, RD_ACT_READ);
	assert_int_equal(rd_round_targets(r)->n, 1);
	looked(r, 1, CONNECTING, 2003, 1412);
	expect_over(r, 1412, RD_VERDICT_DEAD);
}

static void
an_answer_of_the_source_restarts_nobody(void **state UNUSED)
{
	struct rd_round *r = read_again();

	looked(r, 0, CONNECTING, 1040, 1105);
	looked(r, 1, CONNECTING, 2003, 1105);
	expect_over(r, 1106, RD_VERDICT_HEARD);
}

static void
a_receiver_that_somebody_stopped_tells_nothing(void **state UNUSED)
{
	struct rd_round *r = read_again();

	looked(r, 0, NO, 0, 1105);
	looked(r, 1, CONNECTING, 2003, 1105);
	expect_act(r, 1105, RD_ACT_RESTART); /* the step will find it stopped, and leave it so */
	restarted(r, 0, false, 1110);
	expect_act(r, 1110, RD_ACT_NONE);
	assert_int_equal(rd_round_next(r, at(1410)), RD_ACT_READ); /* of nobody */
	expect_over(r, 1410, RD_VERDICT_UNTESTED);
}

static void
without_readings_all_are_restarted(void **state UNUSED)
{
	struct rd_round *r = read_again();

	expect_due(r, 1400);
	expect_act(r, 1400, RD_ACT_RESTART);
	assert_int_equal(rd_round_targets(r)->n, 2);
	looked(r, 0, CONNECTING, 2003, 1401); /* too late: it may have been restarted */
	restarted(r, 0, true, 1402);
	restarted(r, 1, true, 1402);
	expect_act(r, 1402, RD_ACT_NONE);
	expect_act(r, 1702, RD_ACT_READ);
	assert_int_equal(rd_round_targets(r)->n, 2);
	rd_round_free(r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(replicas_that_noticed_meanwhile_need_no_restart),
	    cmocka_unit_test(only_those_that_did_not_are_restarted),
	    cmocka_unit_test(an_answer_of_the_source_restarts_nobody),
	    cmocka_unit_test(a_receiver_that_somebody_stopped_tells_nothing),
	    cmocka_unit_test(without_readings_all_are_restarted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
