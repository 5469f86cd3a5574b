/* test_rd_raft_elect.c — elections, replication, restarts: members driven by hand over raft_group. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "raft_group.h"

static struct group g;

static void
test_alone(void **state)
{
	uint64_t index;

	(void)state;
	group_init(&g, 1, 1);
	group_start_all(&g);
	assert_int_equal(group_wait_leader(&g, -1, 0), 0); /* nobody to wait for */
	index = group_submit(&g, 0, "a");
	assert_true(group_wait_applied(&g, index, 0));
	group_run(&g, 5000);
	assert_int_equal(group_status(&g, 0).state, RD_RAFT_LEADER);
	group_crash(&g, 0);
	group_start(&g, 0);
	assert_int_equal(group_wait_leader(&g, -1, 0), 0);
	assert_int_equal(g.node[0].applied, group_status(&g, 0).last_index);
	group_done(&g);
}

static void
test_elect_and_replicate(void **state)
{
	static const size_t sizes[] = {2, 3, 4, 5};

	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(sizes); k++)
		for (unsigned seed = 1; seed < 6; seed++) {
			uint64_t index = 0;
			int leader;

			group_init(&g, sizes[k], seed);
			group_start_all(&g);
			leader = group_wait_leader(&g, -1, 5000);
			assert_in_range(leader, 0, sizes[k] - 1);
			for (int i = 0; i < 50; i++)
				index = group_submit(&g, (size_t)leader, "command");
			assert_true(group_wait_applied(&g, index, 30));
			for (size_t i = 0; i < sizes[k]; i++) {
				struct rd_raft_status s = group_status(&g, i);

				assert_int_equal(s.leader_id, g.node[leader].id);
				assert_string_equal(s.leader_name, g.node[leader].name);
				assert_int_equal(s.commit, index);
			}
			group_run(&g, 10000);
			assert_int_equal(group_wait_leader(&g, -1, 0), leader); /* calm */
			group_done(&g);
		}
}

static void
test_followers_refuse_commands(void **state)
{
	struct rec_bin command = {"x", 1};
	uint64_t index, term;
	struct err e;
	int leader;

	(void)state;
	leader = group_begin(&g, 3, 7);
	for (int i = 0; i < 3; i++)
		assert_int_equal(rd_raft_submit(g.node[i].r, group_now(&g, (size_t)i), &command, 1, &index, &term, &e),
				 i == leader ? 0 : -ERR_NOT_LEADER);
	command.n = RD_RAFT_COMMAND_BYTES_MAX + 1;
	assert_int_equal(
	    rd_raft_submit(g.node[leader].r, group_now(&g, (size_t)leader), &command, 1, &index, &term, &e),
	    -ERR_TOO_LARGE);
	assert_int_equal(
	    rd_raft_submit(g.node[leader].r, group_now(&g, (size_t)leader), &command, 0, &index, &term, &e),
	    -ERR_INVALID);
	group_done(&g);
}

/* Killed leaders, one after the other; each comes back and catches up. */
static void
test_leader_dies(void **state)
{
	(void)state;
	group_init(&g, 3, 11);
	group_start_all(&g);
	for (int round = 0; round < 10; round++) {
		int old = group_wait_leader(&g, -1, 5000), leader;
		uint64_t index;

		assert_in_range(old, 0, 2);
		index = group_submit(&g, (size_t)old, "before");
		assert_true(group_wait_applied(&g, index, 2 * GROUP_HEARTBEAT_MS));
		group_submit(&g, (size_t)old, "fate unknown");
		group_crash(&g, (size_t)old);
		leader = group_wait_leader(&g, -1, 2000);
		assert_in_range(leader, 0, 2);
		index = group_submit(&g, (size_t)leader, "after");
		assert_true(group_wait_applied(&g, index, 2 * GROUP_HEARTBEAT_MS));
		g.node[old].state_is_lost = round % 2 == 0;
		group_start(&g, (size_t)old);
		assert_true(group_wait_applied(&g, index, 500));
	}
	group_done(&g);
}

/* A member that comes back may have voted or acknowledged in its former life: silent for an election timeout. */
static void
test_silence_after_start(void **state)
{
	struct rd_raft_msg vote;
	struct rd_raft_status s;

	(void)state;
	group_init(&g, 3, 3);
	group_start(&g, 0);
	rec_init(&rd_raft_msg_desc, &vote);
	vote.type = RD_MSG_VOTE;
	vote.from = g.node[1].id;
	vote.to = g.node[0].id;
	vote.term = 2;
	vote.log_index = vote.log_term = 1;
	for (int pre = 1; pre >= 0; pre--) {
		vote.pre_vote = pre;
		group_inject(&g, 0, &vote);
	}
	group_run(&g, GROUP_ELECTION_MS - 1);
	s = group_status(&g, 0);
	assert_int_equal(g.node[0].messages_sent, 0);
	assert_int_equal(s.counters.silent_dropped, 2);
	assert_int_equal(s.term, 1);
	group_run(&g, 2);
	vote.pre_vote = false;
	group_inject(&g, 0, &vote);
	group_run(&g, 1);
	assert_int_equal(g.node[0].vote, g.node[1].id);
	assert_int_equal(g.node[0].messages_sent, 1);
	group_done(&g);
}

static void
test_isolated_member_keeps_its_term(void **state)
{
	int leader, other;
	uint64_t term;

	(void)state;
	leader = group_begin(&g, 3, 5);
	term = group_status(&g, (size_t)leader).term;
	other = (leader + 1) % 3;
	group_cut_off(&g, (size_t)other, true);
	group_run(&g, 20000);
	assert_int_equal(group_status(&g, (size_t)other).term, term); /* pre-votes only */
	assert_int_equal(group_status(&g, (size_t)other).state, RD_RAFT_CANDIDATE);
	group_cut_off(&g, (size_t)other, false);
	group_run(&g, 1500);
	assert_int_equal(group_wait_leader(&g, -1, 0), leader);
	assert_int_equal(group_status(&g, (size_t)leader).term, term);
	group_done(&g);
}

static void
test_isolated_leader_steps_down(void **state)
{
	int old, leader;
	uint64_t index;

	(void)state;
	group_init(&g, 5, 6);
	group_start_all(&g);
	old = group_wait_leader(&g, -1, 5000);
	group_cut_off(&g, (size_t)old, true);
	index = group_submit(&g, (size_t)old, "never committed");
	group_submit(&g, (size_t)old, "nor this");
	leader = group_wait_leader(&g, old, 3000);
	assert_int_not_equal(leader, -1);
	assert_int_not_equal(group_status(&g, (size_t)old).state, RD_RAFT_LEADER);
	assert_true(g.node[old].changed & RD_CHANGED_LEASE_LOST);
	assert_true(g.node[old].applied < index);
	index = group_submit(&g, (size_t)leader, "committed");
	group_cut_off(&g, (size_t)old, false);
	assert_true(group_wait_applied(&g, index, 3000));
	group_done(&g);
}

/* The writes of entries that another leader replaced complete late: they prove nothing about their successors. */
static void
test_late_completion_after_truncation(void **state)
{
	int old, leader;
	uint64_t index = 0;

	(void)state;
	for (unsigned seed = 1; seed < 20; seed++) {
		group_init(&g, 3, seed);
		group_start_all(&g);
		old = group_wait_leader(&g, -1, 5000);
		group_cut_off(&g, (size_t)old, true);
		g.node[old].disk_stuck = true;
		for (int i = 0; i < 8; i++)
			group_submit(&g, (size_t)old, "doomed");
		leader = group_wait_leader(&g, old, 3000);
		index = group_submit(&g, (size_t)leader, "first");
		index = group_submit(&g, (size_t)leader, "second");
		group_cut_off(&g, (size_t)old, false);
		group_run(&g, 2000); /* it has truncated, but its disk says nothing */
		assert_true(group_status(&g, (size_t)old).durable < index);
		group_unstick(&g, (size_t)old);
		assert_true(group_wait_applied(&g, index, 1000));
		group_done(&g);
	}
}

/* What a follower doesn't have on disk it neither acknowledges nor applies. */
static void
test_stuck_disk_of_a_follower(void **state)
{
	int leader, slow;
	uint64_t index;

	(void)state;
	leader = group_begin(&g, 3, 8);
	slow = (leader + 1) % 3;
	group_run(&g, 200);
	g.node[slow].disk_stuck = true;
	index = group_submit(&g, (size_t)leader, "x");
	group_run(&g, 300);
	assert_true(g.node[leader].applied >= index);
	assert_true(g.node[slow].applied < index);
	assert_true(group_status(&g, (size_t)slow).commit >= index);
	group_unstick(&g, (size_t)slow);
	assert_true(group_wait_applied(&g, index, 10));
	group_done(&g);
}

/* A leader whose own disk hangs hands over. */
static void
test_stuck_disk_of_the_leader(void **state)
{
	int old, leader;

	(void)state;
	group_init(&g, 3, 9);
	group_start_all(&g);
	old = group_wait_leader(&g, -1, 5000);
	group_run(&g, 300);
	g.node[old].disk_stuck = true;
	group_submit(&g, (size_t)old, "x");
	leader = group_wait_leader(&g, old, 4000);
	assert_int_not_equal(leader, -1);
	assert_int_equal(group_status(&g, (size_t)old).counters.slow_writes, 1);
	group_done(&g);
}

static void
test_failed_write(void **state)
{
	int old, leader;
	size_t sent;

	(void)state;
	group_init(&g, 3, 10);
	group_start_all(&g);
	old = group_wait_leader(&g, -1, 5000);
	rd_raft_write_failed(g.node[old].r, "no space left");
	assert_string_equal(rd_raft_failure(g.node[old].r), "no space left");
	assert_true(g.node[old].changed & RD_CHANGED_FAILED);
	assert_string_equal(rd_raft_state_name(group_status(&g, (size_t)old).state), "Shutdown");
	sent = g.node[old].messages_sent;
	leader = group_wait_leader(&g, old, 4000);
	assert_int_not_equal(leader, -1);
	assert_int_equal(g.node[old].messages_sent, sent);
	assert_int_equal(group_submit(&g, (size_t)old, "x"), 0);
	group_done(&g);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_alone),
	    cmocka_unit_test(test_elect_and_replicate),
	    cmocka_unit_test(test_followers_refuse_commands),
	    cmocka_unit_test(test_leader_dies),
	    cmocka_unit_test(test_silence_after_start),
	    cmocka_unit_test(test_isolated_member_keeps_its_term),
	    cmocka_unit_test(test_isolated_leader_steps_down),
	    cmocka_unit_test(test_late_completion_after_truncation),
	    cmocka_unit_test(test_stuck_disk_of_a_follower),
	    cmocka_unit_test(test_stuck_disk_of_the_leader),
	    cmocka_unit_test(test_failed_write),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
