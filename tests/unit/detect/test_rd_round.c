/* test_rd_round.c — a vote from the first question to the verdict, under virtual time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "round_world.h"

/* --- voters ---------------------------------------------------------------------------------------------------------- */
static void
when_all_have_spoken_it_is_over(void **state UNUSED)
{
	struct rd_round *r = begun(3, 2, true, 0);

	SAY(r, 0, 160, REFUSED, {LOST, LOST});
	expect_act(r, 160, RD_ACT_NONE);
	SAY(r, 1, 165, REFUSED, {LOST, LOST});
	expect_act(r, 165, RD_ACT_NONE);
	SAY(r, 2, 170, REFUSED, {LOST, LOST});
	expect_over(r, 170, RD_VERDICT_DEAD);
}

static void
the_question_carries_what_the_leader_knows(void **state UNUSED)
{
	struct rd_round *r = begun(3, 2, true, 0);
	const struct rd_suspect_msg *q = rd_round_question(r);

	assert_int_equal(q->id, 7);
	assert_int_equal(q->ask, 1);
	assert_string_equal(q->key.hostname, "source");
	assert_int_equal(q->answered_age_us, 700 * CLK_MS);
	assert_int_equal(q->wait_us, RD_ROUND_WAIT_US);
	assert_int_equal(q->replicas.n, 2);
	assert_true(q->replicas.v[1].valid);
	assert_int_equal(rd_round_finding(r)->verdict, RD_VERDICT_OPEN);
	rd_round_free(r);
	rd_round_free(NULL);
}

static void
after_a_majority_the_rest_gets_a_moment(void **state UNUSED)
{
	struct rd_round *r = begun(3, 1, true, 0);

	SAY(r, 0, 160, REFUSED, {LOST});
	expect_due(r, (RD_ROUND_WAIT_US + RD_ROUND_GRACE_US) / CLK_MS);
	SAY(r, 1, 165, REFUSED, {LOST});
	expect_due(r, 465);
	expect_act(r, 464, RD_ACT_NONE);
	expect_over(r, 465, RD_VERDICT_DEAD);
}

static void
that_moment_is_not_given_again(void **state UNUSED)
{
	struct rd_round *r = begun(5, 1, true, 0);

	for (size_t i = 0; i < 4; i++)
		SAY(r, i, 160 + 100 * (int64_t)i, REFUSED, {LOST});
	expect_due(r, 660); /* the third was the majority */
	expect_over(r, 660, RD_VERDICT_DEAD);
}

static void
who_answers_within_that_moment_saves_it(void **state UNUSED)
{
	struct rd_round *r = begun(3, 1, true, 0);

	SAY(r, 0, 160, REFUSED, {LOST});
	SAY(r, 1, 165, REFUSED, {LOST});
	SAY(r, 2, 464, ANSWERED, {LOST});
	expect_over(r, 464, RD_VERDICT_ALIVE);
}

static void
nobody_waits_for_nodes_that_are_not_connected(void **state UNUSED)
{
	struct rd_round *r = begun(3, 1, true, 0);

	rd_round_absent(r, world_voters[2], at(0));
	rd_round_absent(r, "stranger:1", at(0));
	SAY(r, 0, 160, REFUSED, {LOST});
	expect_act(r, 160, RD_ACT_NONE);
	SAY(r, 1, 165, REFUSED, {LOST});
	expect_over(r, 165, RD_VERDICT_DEAD);
}

static void
absent_nodes_are_configured_all_the_same(void **state UNUSED)
{
	struct rd_round *r = begun(3, 1, true, 0);

	rd_round_absent(r, world_voters[1], at(0));
	rd_round_absent(r, world_voters[2], at(0));
	SAY(r, 0, 160, REFUSED, {LOST});
	expect_over(r, 160, RD_VERDICT_NO_QUORUM);
}

static void
without_a_majority_it_ends_when_time_is_over(void **state UNUSED)
{
	struct rd_round *r = begun(3, 1, true, 0);

	SAY(r, 0, 160, REFUSED, {LOST});
	expect_act(r, 1899, RD_ACT_NONE);
	expect_over(r, 1900, RD_VERDICT_NO_QUORUM);
}

static void
an_answer_waits_a_moment_to_tell_whose_network_it_is(void **state UNUSED)
{
	struct rd_round *r = begun(3, 1, true, 0);

	SAY(r, 1, 3, ANSWERED, {QUIET});
	expect_due(r, 1900); /* the leader's own time-out is waited for */
	SAY(r, 2, 4, ANSWERED, {QUIET});
	expect_act(r, 4, RD_ACT_NONE);
	SAY(r, 0, 160, REFUSED, {LOST});
	expect_over(r, 160, RD_VERDICT_OWN_NETWORK);

	r = begun(3, 1, true, 0);
	SAY(r, 1, 3, ANSWERED, {QUIET});
	SAY(r, 0, 160, REFUSED, {LOST});
	expect_over(r, 460, RD_VERDICT_OWN_NETWORK);

	r = begun(3, 1, true, 0);
	SAY(r, 1, 3, ANSWERED, {QUIET});
	expect_over(r, 1900, RD_VERDICT_ALIVE);
}

static void
only_voters_and_this_question_count(void **state UNUSED)
{
	static const struct world_said dead = {REFUSED, {LOST}};
	struct rd_round *r = begun(3, 1, true, 0);
	struct rd_replica_fact replicas[1];
	struct rd_facts f;

	world_say(&dead, 1, replicas, &f);
	rd_round_facts(r, "learner:10008", &f, at(100));
	f.id = 6; /* of the round before */
	rd_round_facts(r, world_voters[1], &f, at(100));
	f.id = 7;
	f.ask = 2;
	rd_round_facts(r, world_voters[2], &f, at(100));
	SAY(r, 0, 160, REFUSED, {LOST});
	expect_over(r, 1900, RD_VERDICT_NO_QUORUM);
}

static void
a_voter_has_one_vote_but_may_still_say_that_it_lives(void **state UNUSED)
{
	struct rd_round *r = begun(3, 1, true, 0);

	SAY(r, 0, 160, REFUSED, {LOST});
	SAY(r, 0, 161, REFUSED, {LOST});
	SAY(r, 0, 162, REFUSED, {LOST});
	expect_act(r, 200, RD_ACT_NONE);
	SAY(r, 1, 210, REFUSED, {LOST});
	SAY(r, 1, 211, ANSWERED, {LOST});
	SAY(r, 1, 212, REFUSED, {LOST}); /* what it said last no longer counts */
	SAY(r, 2, 213, REFUSED, {LOST});
	expect_over(r, 213, RD_VERDICT_ALIVE);
}

static void
alone_it_decides_alone(void **state UNUSED)
{
	struct rd_round *r = begun(1, 1, true, 0);

	SAY(r, 0, 160, REFUSED, {LOST});
	expect_over(r, 160, RD_VERDICT_DEAD);
}

/* --- replicas that say nothing --------------------------------------------------------------------------------------- */
static void
receivers_that_cannot_connect_prove_it_dead(void **state UNUSED)
{
	struct rd_round *r = tested(4);

	assert_true(rd_round_restarted_any(r));
	looked(r, 0, CONNECTING, 2003, 1412);
	expect_act(r, 1412, RD_ACT_NONE);
	looked(r, 1, CONNECTING, 2003, 1413);
	expect_over(r, 1413, RD_VERDICT_DEAD);
}

static void
receivers_that_are_still_connecting_get_until_the_last_look(void **state UNUSED)
{
	struct rd_round *r = tested(4);

	looked(r, 0, CONNECTING, 0, 1412);
	looked(r, 1, CONNECTING, 2003, 1413);
	expect_act(r, 1413, RD_ACT_NONE);
	expect_act(r, 2109, RD_ACT_NONE);
	expect_act(r, 2110, RD_ACT_READ);
	assert_int_equal(rd_round_targets(r)->n, 1);
	assert_string_equal(rd_round_targets(r)->v[0].hostname, "r1");
	looked(r, 0, CONNECTING, 0, 2112);
	expect_over(r, 2112, RD_VERDICT_DEAD);
}

static void
a_receiver_that_connects_proves_life(void **state UNUSED)
{
	struct rd_round *r = tested(4);

	looked(r, 1, YES, 0, 1412); /* the other one need not be waited for */
	expect_over(r, 1412, RD_VERDICT_HEARD);

	r = tested(2);
	looked(r, 0, CONNECTING, 0, 1412);
	looked(r, 1, CONNECTING, 0, 1412);
	expect_act(r, 2110, RD_ACT_READ);
	looked(r, 0, CONNECTING, 0, 2112);
	looked(r, 1, YES, 0, 2113);
	expect_over(r, 2113, RD_VERDICT_HEARD);

	r = tested(2);
	looked(r, 0, CONNECTING, 1040, 1412);
	expect_over(r, 1412, RD_VERDICT_HEARD);
}

static void
a_restart_that_failed_proves_nothing(void **state UNUSED)
{
	struct rd_round *r = begun(3, 2, true, 0);

	silent(r, 1100);
	expect_restart(r, 1100);
	restarted(r, 0, false, 1105);
	restarted(r, 1, true, 1110);
	expect_act(r, 1110, RD_ACT_NONE);
	expect_act(r, 1410, RD_ACT_READ);
	assert_int_equal(rd_round_targets(r)->n, 1);
	looked(r, 0, CONNECTING, 2003, 1411); /* nobody asked for that */
	looked(r, 1, CONNECTING, 2003, 1412);
	expect_over(r, 1412, RD_VERDICT_UNTESTED);
}

static void
a_restart_without_a_word_proves_nothing(void **state UNUSED)
{
	struct rd_round *r = begun(3, 2, true, 0);

	silent(r, 1100);
	expect_restart(r, 1100);
	restarted(r, 1, true, 1110);
	expect_due(r, 3600);
	expect_act(r, 3600, RD_ACT_NONE);
	restarted(r, 0, true, 3601); /* too late */
	expect_act(r, 3900, RD_ACT_READ);
	looked(r, 1, CONNECTING, 2003, 3901);
	expect_over(r, 3901, RD_VERDICT_UNTESTED);
}

static void
a_replica_that_cannot_be_read_after_its_restart_proves_nothing(void **state UNUSED)
{
	struct rd_round *r = tested(2);

	rd_round_reading(r, &world_replicas[0], NULL, at(1411)); /* there is another look */
	looked(r, 1, CONNECTING, 2003, 1412);
	expect_act(r, 2110, RD_ACT_READ);
	assert_int_equal(rd_round_targets(r)->n, 1);
	rd_round_reading(r, &world_replicas[0], NULL, at(2111));
	expect_over(r, 2111, RD_VERDICT_UNTESTED);

	r = tested(2);
	looked(r, 1, CONNECTING, 2003, 1412);
	expect_act(r, 2110, RD_ACT_READ);
	expect_due(r, 3110);
	expect_over(r, 3110, RD_VERDICT_UNTESTED);
}

static void
a_restart_that_is_told_twice_is_no_reading(void **state UNUSED)
{
	struct rd_round *r = tested(2);

	restarted(r, 0, true, 1411);
	looked(r, 0, YES, 0, 1412);
	expect_over(r, 1412, RD_VERDICT_HEARD);
}

static void
receivers_are_not_restarted_again_soon(void **state UNUSED)
{
	struct rd_round *r = begun(3, 2, false, 0);

	silent(r, 1100);
	assert_false(rd_round_restarted_any(r));
	expect_over(r, 1100, RD_VERDICT_UNTESTED);
}

/* --- life, leases, hold ---------------------------------------------------------------------------------------------- */
static void
any_sign_of_life_ends_it_at_any_time(void **state UNUSED)
{
	struct rd_round *r = begun(3, 2, true, 0);

	SAY(r, 0, 100, REFUSED, {LOST});
	rd_round_answered(r, "too many connections", at(120));
	assert_string_equal(rd_round_finding(r)->cause, "too many connections");
	expect_over(r, 120, RD_VERDICT_ALIVE);

	r = begun(3, 2, true, 0);
	silent(r, 1100);
	expect_restart(r, 1100);
	SAY(r, 2, 1200, ANSWERED, {QUIET, QUIET}); /* late, of a voter that had failed */
	expect_over(r, 1200, RD_VERDICT_ALIVE);

	r = tested(2);
	rd_round_answered(r, "", at(1500));
	looked(r, 0, CONNECTING, 2003, 1501);
	looked(r, 1, CONNECTING, 2003, 1502);
	expect_over(r, 1502, RD_VERDICT_ALIVE);
}

static void
late_failures_change_nothing(void **state UNUSED)
{
	struct rd_round *r = begun(3, 2, true, 0);

	SAY(r, 0, 1100, TIMED_OUT, {QUIET, QUIET});
	SAY(r, 1, 1100, TIMED_OUT, {QUIET, QUIET});
	expect_restart(r, 1400);
	SAY(r, 2, 1450, REFUSED, {LOST, LOST});
	expect_act(r, 1450, RD_ACT_NONE);
	assert_null(rd_round_case(r)->ballots[2].facts);
	rd_round_free(r);
}

static void
without_the_lease_nothing_is_concluded(void **state UNUSED)
{
	struct rd_round *r = begun(3, 1, true, 0);

	SAY(r, 0, 100, REFUSED, {LOST});
	SAY(r, 1, 100, REFUSED, {LOST});
	rd_round_lease_lost(r, at(110));
	SAY(r, 2, 120, REFUSED, {LOST});
	expect_over(r, 120, RD_VERDICT_GIVEN_UP);

	r = begun(1, 1, true, 0);
	SAY(r, 0, 100, REFUSED, {LOST});
	expect_act(r, 100, RD_ACT_DONE);
	rd_round_lease_lost(r,
			    at(110)); /* what was concluded is not taken back: the recovery asks for the lease itself */
	assert_int_equal(rd_round_finding(r)->verdict, RD_VERDICT_DEAD);
	rd_round_free(r);
}

static void
a_leader_that_slept_believes_nothing_old(void **state UNUSED)
{
	struct rd_round *r = begun(3, 1, true, 0);

	SAY(r, 0, 160, REFUSED, {LOST});
	SAY(r, 1, 165, REFUSED, {LOST});
	expect_over(r, 60000, RD_VERDICT_TOO_OLD);
}

static void
a_failure_is_held_and_asked_about_anew(void **state UNUSED)
{
	struct rd_round *r = begun(1, 1, true, 4);

	SAY(r, 0, 160, REFUSED, {LOST});
	expect_act(r, 160, RD_ACT_NONE);
	assert_int_equal(rd_round_finding(r)->verdict, RD_VERDICT_HELD);
	assert_false(rd_round_is_over(r));
	expect_due(r, 4000);
	expect_act(r, 3999, RD_ACT_NONE);
	expect_act(r, 4000, RD_ACT_ASK);
	assert_int_equal(rd_round_question(r)->ask, 2);
	assert_int_equal(rd_round_question(r)->answered_age_us, 4700 * CLK_MS);
	expect_act(r, 4001, RD_ACT_NONE);
	say_in(r, 0, &(const struct world_said){REFUSED, {LOST}}, 1, 1, 4002); /* of the first question */
	expect_act(r, 4002, RD_ACT_NONE);
	SAY(r, 0, 4160, REFUSED, {LOST});
	expect_over(r, 4160, RD_VERDICT_DEAD);
}

static void
a_server_that_returns_while_it_is_held_is_left_alone(void **state UNUSED)
{
	struct rd_round *r = begun(1, 1, true, 4);

	SAY(r, 0, 160, REFUSED, {LOST});
	expect_act(r, 160, RD_ACT_NONE);
	rd_round_answered(r, "", at(2000));
	expect_over(r, 2000, RD_VERDICT_ALIVE);

	r = begun(1, 1, true, 4);
	SAY(r, 0, 160, REFUSED, {LOST});
	expect_act(r, 160, RD_ACT_NONE);
	expect_act(r, 4000, RD_ACT_ASK);
	SAY(r, 0, 4010, ANSWERED, {LOST});
	expect_over(r, 4010, RD_VERDICT_ALIVE);
}

static void
after_a_hold_receivers_are_not_restarted_again(void **state UNUSED)
{
	struct rd_round *r = begun(1, 1, true, 4);

	SAY(r, 0, 1100, TIMED_OUT, {QUIET});
	expect_restart(r, 1100);
	restarted(r, 0, true, 1110);
	expect_act(r, 1110, RD_ACT_NONE);
	expect_act(r, 1410, RD_ACT_READ);
	looked(r, 0, CONNECTING, 2003, 1412);
	expect_act(r, 1412, RD_ACT_NONE);
	assert_int_equal(rd_round_finding(r)->verdict, RD_VERDICT_HELD);
	expect_act(r, 4000, RD_ACT_ASK);
	SAY(r, 0, 5100, TIMED_OUT, {QUIET}); /* it has connected since: then it should hear something */
	expect_over(r, 5100, RD_VERDICT_UNTESTED);
}

/* Every moment at which the round may be told the time, with nothing else happening: it always ends, and never as dead. */
static void
without_a_word_it_ends_and_not_as_dead(void **state UNUSED)
{
	for (size_t n = 1; n <= WORLD_VOTERS; n++) {
		struct rd_round *r = begun(n, 2, true, 0);
		int64_t ms = 0;
		while (!rd_round_is_over(r)) {
			assert_true(ms < 5000);
			(void)rd_round_next(r, at(ms++));
		}
		assert_int_equal(rd_round_finding(r)->verdict, RD_VERDICT_NO_QUORUM);
		rd_round_free(r);
	}
}

static void
test_pauses_grow(void **state UNUSED)
{
	const uint64_t alive = RD_VERDICT_ALIVE, heard = RD_VERDICT_HEARD;

	assert_int_equal(rd_round_rest_us(alive, 0), RD_ROUND_AGAIN_US);
	assert_int_equal(rd_round_rest_us(alive, 1), RD_ROUND_AGAIN_US);
	assert_int_equal(rd_round_rest_us(alive, 5), 2 * RD_ROUND_AGAIN_US);
	for (unsigned same = 1; same < 1000; same++)
		assert_true(rd_round_rest_us(alive, same) >= rd_round_rest_us(alive, same - 1));
	assert_int_equal(rd_round_rest_us(alive, 1000000), RD_ROUND_SELDOM_US);
	assert_int_equal(rd_round_rest_us(heard, 1), 0);
	assert_int_equal(rd_round_rest_us(heard, 2), RD_ROUND_AGAIN_US);
}

static void
test_a_replica_that_loses_its_source_ends_long_pauses(void **state UNUSED)
{
	static const struct {
		uint64_t verdict;
		enum rd_news news;
		enum topo_thread io;
		unsigned same;
	} cases[] = {
	    {RD_VERDICT_HEARD, RD_TURNED, TOPO_THREAD_OTHER, 0},
	    {RD_VERDICT_UNTESTED, RD_TURNED, TOPO_THREAD_OTHER, 0},
	    {RD_VERDICT_NO_QUORUM, RD_TURNED, TOPO_THREAD_STOPPED, 0},
	    {RD_VERDICT_HEARD, RD_TURNED, TOPO_THREAD_RUNNING, 20}, /* it has found its source: nothing to be asked */
	    {RD_VERDICT_HEARD, RD_HEARD, TOPO_THREAD_RUNNING, 20},  /* as before */
	    {RD_VERDICT_HEARD, RD_NO_NEWS, TOPO_THREAD_OTHER, 20},
	    {RD_VERDICT_DEAD, RD_TURNED, TOPO_THREAD_OTHER, 20}, /* that is known */
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(rd_round_same_after(20, cases[i].verdict, cases[i].news, cases[i].io), cases[i].same);
}

static void
test_receivers_are_restarted_seldom(void **state UNUSED)
{
	static const struct {
		int64_t before, newest, answered, now;
		bool may;
	} cases[] = {
	    {0, 0, 0, 1, true},
	    {0, 0, 500, 600, true},
	    {0, 1000, 0, 30999, false},
	    {0, 1000, 0, 31000, true},
	    {0, 1000, 999, 30999, false}, /* it has not answered since */
	    {0, 1000, 1000, 30999, false},
	    {0, 1000, 1001, 1002, true},      /* it has: another failure */
	    {1000, 4000, 4001, 10999, false}, /* and one more: it comes and goes */
	    {1000, 4000, 4001, 11000, true},
	    {1000, 4000, 3999, 33999, false},
	    {1000, 4000, 3999, 34000, true},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct mono newest = {cases[i].newest * CLK_MS}, before = {cases[i].before * CLK_MS};
		struct mono answered = {cases[i].answered * CLK_MS}, now = {cases[i].now * CLK_MS};
		if (rd_round_may_restart(newest, before, answered, now) != cases[i].may)
			fail_msg("case %zu", i);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_pauses_grow),
	    cmocka_unit_test(test_a_replica_that_loses_its_source_ends_long_pauses),
	    cmocka_unit_test(test_receivers_are_restarted_seldom),
	    cmocka_unit_test(when_all_have_spoken_it_is_over),
	    cmocka_unit_test(the_question_carries_what_the_leader_knows),
	    cmocka_unit_test(after_a_majority_the_rest_gets_a_moment),
	    cmocka_unit_test(that_moment_is_not_given_again),
	    cmocka_unit_test(who_answers_within_that_moment_saves_it),
	    cmocka_unit_test(nobody_waits_for_nodes_that_are_not_connected),
	    cmocka_unit_test(absent_nodes_are_configured_all_the_same),
	    cmocka_unit_test(without_a_majority_it_ends_when_time_is_over),
	    cmocka_unit_test(an_answer_waits_a_moment_to_tell_whose_network_it_is),
	    cmocka_unit_test(only_voters_and_this_question_count),
	    cmocka_unit_test(a_voter_has_one_vote_but_may_still_say_that_it_lives),
	    cmocka_unit_test(alone_it_decides_alone),
	    cmocka_unit_test(receivers_that_cannot_connect_prove_it_dead),
	    cmocka_unit_test(receivers_that_are_still_connecting_get_until_the_last_look),
	    cmocka_unit_test(a_receiver_that_connects_proves_life),
	    cmocka_unit_test(a_restart_that_failed_proves_nothing),
	    cmocka_unit_test(a_restart_without_a_word_proves_nothing),
	    cmocka_unit_test(a_replica_that_cannot_be_read_after_its_restart_proves_nothing),
	    cmocka_unit_test(a_restart_that_is_told_twice_is_no_reading),
	    cmocka_unit_test(receivers_are_not_restarted_again_soon),
	    cmocka_unit_test(any_sign_of_life_ends_it_at_any_time),
	    cmocka_unit_test(late_failures_change_nothing),
	    cmocka_unit_test(without_the_lease_nothing_is_concluded),
	    cmocka_unit_test(a_leader_that_slept_believes_nothing_old),
	    cmocka_unit_test(a_failure_is_held_and_asked_about_anew),
	    cmocka_unit_test(a_server_that_returns_while_it_is_held_is_left_alone),
	    cmocka_unit_test(after_a_hold_receivers_are_not_restarted_again),
	    cmocka_unit_test(without_a_word_it_ends_and_not_as_dead),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
