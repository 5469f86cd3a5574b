/* test_rd_raft_lead.c — hand-over, membership, leases as seen from outside: members over raft_group, which asserts after
 * every event that at most one lease is valid, crashed and deposed holders included. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "raft_group.h"

static struct group g;

static int
transfer(int from, uint64_t to)
{
	struct err e;

	return rd_raft_transfer(g.node[from].r, group_now(&g, (size_t)from), to, &e);
}

static int
change(int leader, enum rd_member_change what, size_t i)
{
	struct err e;

	return rd_raft_change(g.node[leader].r, group_now(&g, (size_t)leader), what, g.node[i].id, g.node[i].name, &e);
}

static bool
has_lease(int i)
{
	struct mono end;
	uint64_t term;

	return rd_raft_lease(g.node[i].r, group_now(&g, (size_t)i), &term, &end);
}

static enum rd_role
role_of(int leader, size_t i)
{
	const struct rd_member *m = rd_members_by_id(rd_raft_members(g.node[leader].r), g.node[i].id);

	return m == NULL ? RD_ROLE_SPARE : m->role;
}

static void
test_transfer_waits_for_the_lease(void **state)
{
	int old = group_begin(&g, 3, 41), to = (old + 1) % 3;
	int64_t began;

	(void)state;
	group_run(&g, 300);
	assert_true(has_lease(old));
	began = g.t_us;
	assert_int_equal(transfer(old, g.node[to].id), 0);
	assert_false(has_lease(old));
	assert_true(g.node[old].changed & RD_CHANGED_LEASE_LOST);
	assert_int_equal(transfer(old, 0), -ERR_BUSY);
	assert_int_not_equal(group_submit(&g, (size_t)old, "while the lease runs out"), 0);
	assert_int_equal(group_wait_leader(&g, old, 2000), to);
	assert_true(g.t_us - began >= 250 * CLK_MS && g.t_us - began <= 450 * CLK_MS);
	group_done(&g);
}

static void
test_transfer_of_a_withdrawn_lease_is_quick(void **state)
{
	int old = group_begin(&g, 3, 42), leader;
	int64_t began;

	(void)state;
	group_run(&g, 300);
	assert_int_equal(transfer(old, 0), 0);
	g.node[old].lease_end = group_now(&g, (size_t)old); /* nobody trusts it any more */
	rd_raft_lease_withdrawn(g.node[old].r, group_now(&g, (size_t)old));
	began = g.t_us;
	leader = group_wait_leader(&g, old, 2000);
	assert_int_not_equal(leader, -1);
	assert_true(g.t_us - began <= 15 * CLK_MS);
	group_done(&g);
}

static void
test_failed_transfer_ends_in_stepping_down(void **state)
{
	int old = group_begin(&g, 3, 43), to = (old + 1) % 3;
	uint64_t term = group_status(&g, (size_t)old).term;

	(void)state;
	group_run(&g, 300);
	assert_int_equal(transfer(old, g.node[to].id), 0);
	group_crash(&g, (size_t)to);
	group_run(&g, 1000);
	assert_int_not_equal(group_status(&g, (size_t)old).term, term);
	assert_int_not_equal(group_wait_leader(&g, -1, 4000), -1);
	group_done(&g);
}

static void
test_transfer_errors(void **state)
{
	int leader = group_begin(&g, 3, 44);

	(void)state;
	group_run(&g, 300);
	assert_int_equal(transfer((leader + 1) % 3, 0), -ERR_NOT_LEADER);
	assert_int_equal(transfer(leader, 999), -ERR_NOT_FOUND);
	assert_int_equal(transfer(leader, g.node[leader].id), -ERR_NOT_FOUND);
	group_done(&g);
}

/* The successor wins nothing and retries: the leave to disrupt must not outlive the hand-over, or it deposes whoever was
 * elected meanwhile. */
static void
test_leave_to_disrupt_ends(void **state)
{
	(void)state;
	for (unsigned seed = 45; seed < 75; seed++) {
		int old = group_begin(&g, 3, seed), to = (old + 1) % 3, leader;
		uint64_t term;

		group_run(&g, 300);
		assert_int_equal(transfer(old, g.node[to].id), 0);
		while (group_status(&g, (size_t)to).state != RD_RAFT_CANDIDATE)
			group_run(&g, 0), g.t_us += 100;
		group_cut_off(&g, (size_t)to, true);  /* its requests are lost, its attempts go on */
		group_run(&g, 2 * GROUP_ELECTION_MS); /* the former leader gives up */
		leader = group_wait_leader(&g, to, 5000);
		assert_int_not_equal(leader, -1);
		term = group_status(&g, (size_t)leader).term;
		for (int i = 0; i < 3; i++)
			g.cut[to][i] = false; /* now they arrive, one way */
		group_run(&g, 3000);
		assert_int_equal(group_status(&g, (size_t)leader).term, term);
		assert_int_equal(group_status(&g, (size_t)leader).state, RD_RAFT_LEADER);
		group_done(&g);
	}
}

static void
test_step_down_and_abstain(void **state)
{
	int old = group_begin(&g, 3, 46), leader;

	(void)state;
	group_run(&g, 300);
	rd_raft_step_down(g.node[old].r, group_now(&g, (size_t)old), 5 * CLK_S);
	assert_int_equal(group_status(&g, (size_t)old).state, RD_RAFT_FOLLOWER);
	leader = group_wait_leader(&g, old, 4000);
	assert_int_not_equal(leader, -1);
	/* abstaining, it still votes: with its leader dead the third one needs it */
	group_crash(&g, (size_t)leader);
	leader = group_wait_leader(&g, -1, 4000);
	assert_in_range(leader, 0, 2);
	assert_int_not_equal(leader, old);
	group_done(&g);
}

static void
test_learner_becomes_voter(void **state)
{
	int leader = group_begin(&g, 3, 47);
	size_t joiner = group_add_blank(&g, "11111111111111111111111111111111");
	uint64_t index = 0;

	(void)state;
	for (int i = 0; i < 300; i++)
		index = group_submit(&g, (size_t)leader, "before");
	assert_int_equal(change(leader, RD_CHANGE_ADD, joiner), 0);
	group_run(&g, 1000);
	assert_int_equal(role_of(leader, joiner), RD_ROLE_LEARNER); /* nobody promotes what isn't there */
	assert_int_equal(change(leader, RD_CHANGE_PROMOTE, joiner), -ERR_PRECONDITION);
	group_crash(&g, (size_t)leader); /* the next leader goes on */
	leader = group_wait_leader(&g, -1, 4000);
	group_start(&g, joiner);
	assert_true(group_wait_applied(&g, index, 1000));
	group_run(&g, 1000);
	assert_int_equal(role_of(leader, joiner), RD_ROLE_VOTER);
	assert_int_equal(rd_members_voters(rd_raft_members(g.node[joiner].r)), 4);
	group_done(&g);
}

static void
test_membership_errors(void **state)
{
	int leader = group_begin(&g, 3, 48), dead = (leader + 1) % 3, alive = (leader + 2) % 3;
	struct err e;

	(void)state;
	group_run(&g, 300);
	assert_int_equal(change(alive, RD_CHANGE_REMOVE, (size_t)dead), -ERR_NOT_LEADER);
	assert_int_equal(
	    rd_raft_change(g.node[leader].r, group_now(&g, (size_t)leader), RD_CHANGE_REMOVE, 999, NULL, &e),
	    -ERR_NOT_FOUND);
	assert_int_equal(rd_raft_change(g.node[leader].r, group_now(&g, (size_t)leader), RD_CHANGE_ADD, 0, "x:1", &e),
			 -ERR_INVALID);
	group_crash(&g, (size_t)dead);
	group_run(&g, 700);
	/* without the living one the dead one would be needed */
	assert_int_equal(change(leader, RD_CHANGE_REMOVE, (size_t)alive), -ERR_PRECONDITION);
	assert_int_equal(change(leader, RD_CHANGE_REMOVE, (size_t)dead), 0);
	group_run(&g, 50);
	assert_int_equal(rd_raft_members(g.node[alive].r)->n, 2);
	assert_int_equal(change(leader, RD_CHANGE_REMOVE, (size_t)alive), 0);
	group_run(&g, 50);
	assert_int_equal(change(leader, RD_CHANGE_REMOVE, (size_t)leader), -ERR_PRECONDITION); /* the last one */
	assert_true(has_lease(leader));
	group_done(&g);
}

static void
test_leader_removes_itself(void **state)
{
	int old = group_begin(&g, 3, 49), leader;
	uint64_t index;

	(void)state;
	group_run(&g, 300);
	assert_int_equal(change(old, RD_CHANGE_REMOVE, (size_t)old), 0);
	assert_false(has_lease(old));
	leader = group_wait_leader(&g, old, 4000);
	assert_int_not_equal(leader, -1);
	assert_int_equal(rd_raft_members(g.node[leader].r)->n, 2);
	index = group_submit(&g, (size_t)leader, "without it");
	group_crash(&g, (size_t)old);
	assert_true(group_wait_applied(&g, index, 500));
	group_start(&g, (size_t)old); /* a removed node that comes back disturbs nobody */
	index = group_status(&g, (size_t)leader).term;
	group_run(&g, 5000);
	assert_int_equal(group_status(&g, (size_t)leader).term, index);
	group_done(&g);
}

/* --- leases -------------------------------------------------------------------------------------------------------- */
static void
test_lease_needs_the_barrier(void **state)
{
	int leader, other;

	(void)state;
	group_init(&g, 3, 50);
	group_start_all(&g);
	do {
		group_run(&g, 1);
		for (leader = 0; leader < 3 && group_status(&g, (size_t)leader).state != RD_RAFT_LEADER; leader++)
			;
	} while (leader == 3);
	other = (leader + 1) % 3;
	if (!group_status(&g, (size_t)leader).open)
		assert_false(has_lease(leader));
	group_run(&g, 20);
	assert_true(group_status(&g, (size_t)leader).open && has_lease(leader));
	assert_false(has_lease(other));
	group_done(&g);
}

static void
test_lease_runs_out_in_isolation(void **state)
{
	static const struct {
		bool out, in; /* what of the leader's traffic is cut */
	} cuts[] = {{true, true}, {true, false}, {false, true}};

	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(cuts); k++) {
		int old = group_begin(&g, 5, 51 + (unsigned)k), leader;
		struct mono quorum;

		group_run(&g, 500);
		assert_true(has_lease(old));
		for (int i = 0; i < 5; i++) {
			g.cut[old][i] = cuts[k].out;
			g.cut[i][old] = cuts[k].in;
		}
		group_run(&g, GROUP_ELECTION_MS * 8 / 10 + 2);
		assert_false(has_lease(old));
		quorum = rd_raft_quorum_until(g.node[old].r, group_now(&g, (size_t)old));
		assert_true(mono_before(quorum, group_now(&g, (size_t)old)));
		leader = group_wait_leader(&g, old, 6000);
		assert_int_not_equal(leader, -1);
		group_run(&g, 50);
		assert_true(has_lease(leader));
		group_done(&g);
	}
}

/* Clocks that differ by ten per cent, leaders that vanish and come back. */
static void
test_leases_with_bad_clocks(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed < 40; seed++) {
		group_init(&g, 3, seed);
		g.node[seed % 3].clock_rate = 950;
		g.node[(seed + 1) % 3].clock_rate = 1045;
		group_start_all(&g);
		for (int round = 0; round < 6; round++) {
			int leader = group_wait_leader(&g, -1, 6000);

			group_cut_off(&g, (size_t)leader, true);
			group_run(&g, 700 + group_random(&g, 600));
			group_cut_off(&g, (size_t)leader, false);
		}
		group_done(&g);
	}
}

/* A follower of a leader that lost its quorum must not think itself healthy for long. */
static void
test_follower_of_a_cut_off_leader(void **state)
{
	int leader = group_begin(&g, 5, 60), follower = (leader + 1) % 5;
	struct mono until;

	(void)state;
	group_run(&g, 500);
	until = rd_raft_quorum_until(g.node[follower].r, group_now(&g, (size_t)follower));
	assert_true(mono_before(group_now(&g, (size_t)follower), until));
	for (int i = 0; i < 5; i++)
		if (i != leader && i != follower)
			for (int k = 0; k < 5; k++)
				g.cut[i][k] = g.cut[k][i] = true; /* those three see nobody, not even each other */
	group_run(&g, 3000);
	until = rd_raft_quorum_until(g.node[follower].r, group_now(&g, (size_t)follower));
	assert_true(mono_before(until, group_now(&g, (size_t)follower)));
	assert_int_equal(group_wait_leader(&g, -1, 0), -1);
	group_done(&g);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_transfer_waits_for_the_lease),
	    cmocka_unit_test(test_transfer_of_a_withdrawn_lease_is_quick),
	    cmocka_unit_test(test_failed_transfer_ends_in_stepping_down),
	    cmocka_unit_test(test_transfer_errors),
	    cmocka_unit_test(test_leave_to_disrupt_ends),
	    cmocka_unit_test(test_step_down_and_abstain),
	    cmocka_unit_test(test_learner_becomes_voter),
	    cmocka_unit_test(test_membership_errors),
	    cmocka_unit_test(test_leader_removes_itself),
	    cmocka_unit_test(test_lease_needs_the_barrier),
	    cmocka_unit_test(test_lease_runs_out_in_isolation),
	    cmocka_unit_test(test_leases_with_bad_clocks),
	    cmocka_unit_test(test_follower_of_a_cut_off_leader),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
