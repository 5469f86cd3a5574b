/* test_rd_raft_guard.c — the traps of libraft.md section 5 and those found while reading libraft, one by one; followers
 * far behind, snapshots, what a start refuses. Against Debian's library most would go wrong silently, so the checks look
 * at consequences. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "raft_group.h"

static struct group g;

static uint64_t
submit_many(int leader, int n)
{
	uint64_t index = 0;

	for (int i = 0; i < n; i++)
		index = group_submit(&g, (size_t)leader, "command");
	return index;
}

static struct rd_raft_msg
message(uint64_t type, int from, int to, uint64_t term)
{
	struct rd_raft_msg m;

	rec_init(&rd_raft_msg_desc, &m);
	m.type = type;
	m.from = g.node[from].id;
	m.to = g.node[to].id;
	m.term = term;
	return m;
}

/* 5.1: a voter that comes back empty with its old id in the same term. */
static void
test_wiped_voter_is_noticed(void **state)
{
	int leader = group_begin(&g, 3, 21), wiped = (leader + 1) % 3;
	uint64_t index = submit_many(leader, 10), term;
	struct rd_raft_status s;

	(void)state;
	assert_true(group_wait_applied(&g, index, 500));
	term = group_status(&g, (size_t)leader).term;
	group_crash(&g, (size_t)wiped);
	group_wipe(&g, (size_t)wiped, NULL);
	group_start(&g, (size_t)wiped);
	group_run(&g, 2000);
	s = group_status(&g, (size_t)leader);
	assert_int_equal(s.term, term);
	assert_int_equal(s.state, RD_RAFT_LEADER);
	assert_int_equal(s.regressed, g.node[wiped].id);
	assert_true(g.node[leader].changed & RD_CHANGED_REGRESSED);
	assert_int_equal(g.node[wiped].applied, 0); /* it is not fed: it must be removed and added */
	group_done(&g);
}

/* 5.1, 5.2: the cure, with the id of a joiner; never a vote from the old one. */
static void
test_wiped_voter_is_replaced(void **state)
{
	int leader = group_begin(&g, 3, 22), wiped = (leader + 1) % 3;
	uint64_t old = g.node[wiped].id, index = submit_many(leader, 10);
	struct err e;

	(void)state;
	group_crash(&g, (size_t)wiped);
	group_wipe(&g, (size_t)wiped, "0123456789abcdef0123456789abcdef");
	group_start(&g, (size_t)wiped);
	group_run(&g, 300);
	assert_int_equal(rd_raft_change(g.node[leader].r, group_now(&g, (size_t)leader), RD_CHANGE_ADD,
					g.node[wiped].id, g.node[wiped].name, &e),
			 -ERR_EXISTS);
	assert_int_equal(
	    rd_raft_change(g.node[leader].r, group_now(&g, (size_t)leader), RD_CHANGE_REMOVE, old, NULL, &e), 0);
	assert_int_equal(rd_raft_change(g.node[leader].r, group_now(&g, (size_t)leader), RD_CHANGE_ADD,
					g.node[wiped].id, g.node[wiped].name, &e),
			 -ERR_BUSY); /* one at a time */
	group_run(&g, 50);
	assert_int_equal(rd_raft_change(g.node[leader].r, group_now(&g, (size_t)leader), RD_CHANGE_ADD,
					g.node[wiped].id, g.node[wiped].name, &e),
			 0);
	assert_true(group_wait_applied(&g, index, 1000));
	group_run(&g, 1000);
	assert_int_equal(rd_members_by_id(rd_raft_members(g.node[leader].r), g.node[wiped].id)->role, RD_ROLE_VOTER);
	assert_null(rd_members_by_id(rd_raft_members(g.node[wiped].r), old));
	assert_int_equal(rd_raft_members(g.node[leader].r)->n, 3);
	group_done(&g);
}

static void
test_messages_for_another_id_are_dropped(void **state)
{
	int leader = group_begin(&g, 3, 23), other = (leader + 1) % 3;
	struct rd_raft_msg m = message(RD_MSG_VOTE, leader, other, 50);
	uint64_t term = group_status(&g, (size_t)other).term;

	(void)state;
	group_run(&g, 1000);
	m.to = 12345;
	m.disrupt = true;
	m.log_index = m.log_term = 40;
	group_inject(&g, (size_t)other, &m);
	assert_int_equal(group_status(&g, (size_t)other).term, term);
	assert_int_equal(group_status(&g, (size_t)other).counters.misaddressed, 1);
	group_done(&g);
}

/* 5.3: a configuration that isn't the first entry of a batch. As leader that follower must be able to change again. */
static void
test_configuration_inside_a_batch(void **state)
{
	int leader = group_begin(&g, 3, 24), behind = (leader + 1) % 3;
	size_t joiner = group_add_blank(&g, "feedfeedfeedfeedfeedfeedfeedfeed");
	uint64_t index;
	struct err e;

	(void)state;
	group_run(&g, 300);
	group_cut_off(&g, (size_t)behind, true);
	submit_many(leader, 5);
	assert_int_equal(rd_raft_change(g.node[leader].r, group_now(&g, (size_t)leader), RD_CHANGE_ADD,
					g.node[joiner].id, g.node[joiner].name, &e),
			 0);
	index = submit_many(leader, 5);
	group_cut_off(&g, (size_t)behind, false);
	assert_true(group_wait_applied(&g, index, 2000));
	group_run(&g, 1000); /* the joiner never answers: no further configuration mends it */
	assert_int_equal(group_status(&g, (size_t)behind).members_index,
			 group_status(&g, (size_t)leader).members_index);
	assert_int_equal(rd_raft_transfer(g.node[leader].r, group_now(&g, (size_t)leader), g.node[behind].id, &e), 0);
	assert_int_equal(group_wait_leader(&g, leader, 2000), behind);
	assert_int_equal(rd_raft_change(g.node[behind].r, group_now(&g, (size_t)behind), RD_CHANGE_REMOVE,
					g.node[joiner].id, NULL, &e),
			 0);
	group_run(&g, 100);
	assert_false(group_status(&g, (size_t)behind).members_pending);
	group_done(&g);
}

/* Two leaders of one term can't be; libraft only asserts it. */
static void
test_rival_leader_is_refused(void **state)
{
	int leader = group_begin(&g, 3, 25);
	uint64_t term = group_status(&g, (size_t)leader).term;
	struct rd_raft_msg m = message(RD_MSG_APPEND, (leader + 1) % 3, leader, term);

	(void)state;
	group_inject(&g, (size_t)leader, &m);
	assert_int_equal(group_status(&g, (size_t)leader).state, RD_RAFT_LEADER);
	assert_int_equal(group_status(&g, (size_t)leader).counters.malformed, 1);
	group_done(&g);
}

/* Contradicting what was applied means another group's log: never follow it. */
static void
contradict(unsigned seed, bool after_a_restart)
{
	int leader = group_begin(&g, 3, seed), other = (leader + 1) % 3;
	struct rd_raft_entry entry = {.term = 40, .kind = RD_KIND_COMMAND, .data = {"x", 1}};
	struct rd_raft_msg m = message(RD_MSG_APPEND, leader, other, 50);
	uint64_t index = submit_many(leader, 5);

	assert_true(group_wait_applied(&g, index, 500));
	m.log_index = index - 1;
	m.log_term = group_status(&g, (size_t)leader).term;
	m.entries.v = &entry;
	m.entries.n = 1;
	if (after_a_restart) { /* which forgot the commit index */
		group_crash(&g, (size_t)other);
		group_start(&g, (size_t)other);
	}
	group_inject(&g, (size_t)other, &m);
	assert_non_null(rd_raft_failure(g.node[other].r));
	if (!after_a_restart)
		assert_non_null(strstr(rd_raft_failure(g.node[other].r), "contradicts"));
	group_done(&g);
}

static void
test_contradiction_is_fatal(void **state)
{
	(void)state;
	contradict(26, false);
}

static void
test_contradiction_after_a_restart(void **state)
{
	(void)state;
	contradict(27, true);
}

/* --- followers far behind ------------------------------------------------------------------------------------------ */
static void
test_entries_come_from_the_log_in_batches(void **state)
{
	int leader, behind;
	uint64_t index = 0;

	(void)state;
	group_init(&g, 3, 28);
	for (size_t i = 0; i < 3; i++)
		g.node[i].cache_bytes = 1000;
	group_start_all(&g);
	leader = group_wait_leader(&g, -1, 5000);
	behind = (leader + 1) % 3;
	group_crash(&g, (size_t)behind);
	for (int i = 0; i < 40; i++)
		index = group_submit_bytes(&g, (size_t)leader, 200000);
	group_run(&g, 500);
	assert_true(group_status(&g, (size_t)leader).cache_bytes < 400000);
	g.node[leader].largest_message = g.node[leader].reads = 0;
	group_start(&g, (size_t)behind);
	group_run(&g, 50);
	g.node[leader].reads_stuck = true; /* a slow disk must not look like a dead leader */
	group_run(&g, 3000);
	assert_int_equal(group_wait_leader(&g, -1, 0), leader);
	group_unstick(&g, (size_t)leader);
	assert_true(group_wait_applied(&g, index, 2000));
	assert_true(g.node[leader].reads >= 7);
	assert_in_range(g.node[leader].largest_message, 900000, 1400000); /* about a mebibyte */
	group_done(&g);
}

static void
test_many_small_commands_share_messages(void **state)
{
	int leader = group_begin(&g, 3, 29), behind = (leader + 1) % 3;
	uint64_t index;

	(void)state;
	group_cut_off(&g, (size_t)behind, true);
	index = submit_many(leader, 2000);
	group_run(&g, 200);
	g.node[leader].messages_sent = 0;
	group_cut_off(&g, (size_t)behind, false);
	assert_true(group_wait_applied(&g, index, 1000));
	assert_in_range(g.node[leader].messages_sent, 1, 60);
	group_done(&g);
}

static int
behind_a_snapshot(unsigned seed, int *ret_leader, uint64_t *ret_index)
{
	int behind;

	group_init(&g, 3, seed);
	for (size_t i = 0; i < 3; i++)
		g.node[i].trailing = 5;
	group_start_all(&g);
	*ret_leader = group_wait_leader(&g, -1, 5000);
	behind = (*ret_leader + 1) % 3;
	group_crash(&g, (size_t)behind);
	submit_many(*ret_leader, 30);
	group_run(&g, 100);
	group_snapshot(&g, (size_t)*ret_leader);
	*ret_index = submit_many(*ret_leader, 3);
	return behind;
}

static void
test_snapshot_is_installed(void **state)
{
	int leader, behind;
	uint64_t index;

	(void)state;
	behind = behind_a_snapshot(30, &leader, &index);
	assert_true(g.node[leader].log_first > 1); /* the log was given free */
	group_start(&g, (size_t)behind);
	assert_true(group_wait_applied(&g, index, 1000));
	assert_int_equal(g.node[behind].installed, 1);
	assert_int_equal(g.node[behind].chain, g.node[leader].chain);
	group_crash(&g, (size_t)behind); /* and starts from it */
	g.node[behind].state_is_lost = true;
	group_start(&g, (size_t)behind);
	assert_true(group_wait_applied(&g, index, 1000));
	group_done(&g);
}

/* While bytes travel the follower rejects every heartbeat: one offer all the same, and the leader stays in contact. */
static void
test_snapshot_on_the_way_is_not_offered_again(void **state)
{
	struct rd_raft_peer_status s;
	int leader, behind;
	uint64_t index;

	(void)state;
	behind = behind_a_snapshot(31, &leader, &index);
	g.hold_snapshots = true;
	group_start(&g, (size_t)behind);
	group_run(&g, 5000);
	assert_int_equal(g.node[leader].offered_snapshots, 1);
	assert_true(rd_raft_peer_status(g.node[leader].r, g.node[behind].id, &s));
	assert_true(s.live && s.snapshot_on_the_way);
	rd_raft_snapshot_sent(g.node[leader].r, group_now(&g, (size_t)leader), g.node[behind].id,
			      group_status(&g, (size_t)leader).snapshot_index, false); /* it failed: again */
	group_run(&g, 300);
	assert_int_equal(g.node[leader].offered_snapshots, 2);
	g.hold_snapshots = false;
	assert_true(group_wait_applied(&g, index, 1000));
	assert_int_equal(g.node[behind].installed, 1);
	assert_int_equal(g.node[behind].dropped_snapshots, 1); /* the second one came late */
	group_done(&g);
}

/* --- votes of a learner ------------------------------------------------------------------------------------------- */
struct lone { /* one member without a group around it */
	uint64_t ticket;
	unsigned granted;
};

static void
lone_write(void *ctx, const struct rd_raft_write *w)
{
	((struct lone *)ctx)->ticket = w->ticket;
}

static void
lone_send(void *ctx, uint64_t to, const char *to_name, const struct rd_raft_msg *m)
{
	(void)to;
	(void)to_name;
	((struct lone *)ctx)->granted += m->type == RD_MSG_VOTE_RESULT && m->granted;
}

static void
on_changed(void *ctx UNUSED, unsigned what UNUSED)
{
}

/* Its promotion may be committed without it: who asks for its vote counts it. */
static void
test_learner_votes_when_asked(void **state)
{
	char bytes[RD_MEMBERS_BYTES_MAX];
	struct rd_members m = {0};
	struct lone lone = {0};
	struct rd_raft_conf conf = {.id = 2, .name = "b:1", .election_ms = 500, .heartbeat_ms = 100, .seed = 1};
	struct rd_raft_out out = {.ctx = &lone, .write = lone_write, .send = lone_send, .changed = on_changed};
	struct rd_raft *r = rd_raft_new(&conf, &out);
	struct mono now = {10 * CLK_S};
	struct rd_raft_entry entry = {.term = 1, .kind = RD_KIND_CHANGE, .data.p = bytes};
	struct rd_raft_start start = {.term = 1, .first_index = 1, .entries = &entry, .n_entries = 1};
	struct rd_raft_msg ask;
	struct err e;

	(void)state;
	assert_int_equal(rd_members_insert(&m, 1, "a:1", RD_ROLE_VOTER, &e), 0);
	assert_int_equal(rd_members_insert(&m, 2, "b:1", RD_ROLE_LEARNER, &e), 0);
	entry.data.n = rd_members_encode(&m, bytes);
	assert_int_equal(rd_raft_start(r, now, &start, &e), 0);
	rec_init(&rd_raft_msg_desc, &ask);
	ask = (struct rd_raft_msg){.type = RD_MSG_VOTE,
				   .from = 1,
				   .to = 2,
				   .term = 2,
				   .log_index = 2,
				   .log_term = 1,
				   .pre_vote = true,
				   .snapshot = ask.snapshot};
	rd_raft_received(r, now, "a:1", &ask);
	assert_int_equal(lone.granted, 1);
	ask.pre_vote = false;
	rd_raft_received(r, now, "a:1", &ask);
	rd_raft_written(r, now, lone.ticket);
	assert_int_equal(lone.granted, 2);
	assert_int_equal(rd_raft_members(r)->v[1].role, RD_ROLE_LEARNER);
	rd_raft_tick(r, mono_add_us(now, 10 * CLK_S)); /* and never campaigns */
	assert_int_equal(lone.granted, 2);
	rd_raft_free(r);
}

/* libraft waits for the rejection of the one that it offered, but asks about the newest. */
static void
test_newer_snapshot_after_a_failed_transfer(void **state)
{
	int leader, behind;
	uint64_t index, offered;

	(void)state;
	behind = behind_a_snapshot(33, &leader, &index);
	g.hold_snapshots = true;
	group_start(&g, (size_t)behind);
	group_run(&g, 1000);
	assert_int_equal(g.node[leader].offered_snapshots, 1);
	offered = group_status(&g, (size_t)leader).snapshot_index;
	index = submit_many(leader, 200);
	group_run(&g, 350); /* between two heartbeats */
	group_snapshot(&g, (size_t)leader);
	group_run(&g, 300);
	assert_true(group_status(&g, (size_t)leader).snapshot_index > offered);
	rd_raft_snapshot_sent(g.node[leader].r, group_now(&g, (size_t)leader), g.node[behind].id, offered, false);
	group_run(&g, 500);
	assert_int_equal(g.node[leader].offered_snapshots, 2);
	g.hold_snapshots = false;
	assert_true(group_wait_applied(&g, index, 1000));
	group_done(&g);
}

/* A second one while the first is being installed leaks in libraft. */
static void
test_second_snapshot_while_installing(void **state)
{
	int leader, behind;
	uint64_t index;

	(void)state;
	behind = behind_a_snapshot(32, &leader, &index);
	g.node[behind].disk_stuck = true;
	g.duplicate_percent = 100;
	group_start(&g, (size_t)behind);
	group_run(&g, 1000);
	g.duplicate_percent = 0;
	assert_true(g.node[behind].dropped_snapshots >= 1);
	assert_int_equal(g.node[behind].installed, 0);
	group_unstick(&g, (size_t)behind);
	assert_true(group_wait_applied(&g, index, 1000));
	assert_int_equal(g.node[behind].installed, 1);
	group_done(&g);
}

/* --- starts -------------------------------------------------------------------------------------------------------- */
static int
start_with(uint64_t term, uint64_t vote, const struct rd_raft_entry *log, size_t n, uint64_t applied)
{
	struct rd_raft_conf conf = {.id = 7, .name = "a:1", .election_ms = 500, .heartbeat_ms = 100};
	struct rd_raft_out out = {.changed = on_changed};
	struct rd_raft_start s = {
	    .term = term, .vote = vote, .first_index = 1, .entries = log, .n_entries = n, .applied = applied};
	struct rd_raft *r = rd_raft_new(&conf, &out);
	struct err e;
	int rc = rd_raft_start(r, (struct mono){CLK_S}, &s, &e);

	rd_raft_free(r);
	return rc;
}

static void
test_start_refuses_contradictions(void **state)
{
	struct rd_members members = {0};
	uint8_t bytes[RD_MEMBERS_BYTES_MAX];
	struct rd_raft_entry log[3];
	struct err e;

	(void)state;
	assert_int_equal(rd_members_insert(&members, 7, "a:1", RD_ROLE_VOTER, &e), 0);
	assert_int_equal(rd_members_insert(&members, 8, "b:1", RD_ROLE_VOTER, &e), 0);
	log[0] = (struct rd_raft_entry){1, RD_KIND_CHANGE, {bytes, rd_members_encode(&members, bytes)}};
	log[1] = (struct rd_raft_entry){2, RD_KIND_COMMAND, {"x", 1}};
	log[2] = (struct rd_raft_entry){2, RD_KIND_BARRIER, {NULL, 0}};
	assert_int_equal(start_with(2, 0, log, 3, 3), 0);
	assert_int_equal(start_with(0, 0, NULL, 0, 0), 0); /* blank: waits to be added */
	assert_int_equal(start_with(0, 7, NULL, 0, 0), -ERR_DB_CORRUPT);
	assert_int_equal(start_with(0, 0, log, 1, 0), -ERR_DB_CORRUPT);
	assert_int_equal(start_with(1, 0, log, 3, 0), -ERR_DB_CORRUPT);	    /* entries of a later term */
	assert_int_equal(start_with(2, 0, log + 1, 2, 0), -ERR_DB_CORRUPT); /* no founding configuration */
	assert_int_equal(start_with(2, 0, log, 3, 4), -ERR_DB_CORRUPT);	    /* state beyond the log */
	log[2].term = 1;
	assert_int_equal(start_with(2, 0, log, 3, 0), -ERR_DB_CORRUPT);
	log[2].term = 2;
	log[2].kind = 4;
	assert_int_equal(start_with(2, 0, log, 3, 0), -ERR_DB_CORRUPT);
	bytes[1] = 200; /* members */
	log[2].kind = RD_KIND_BARRIER;
	assert_int_equal(start_with(2, 0, log, 3, 0), -ERR_DB_CORRUPT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_wiped_voter_is_noticed),
	    cmocka_unit_test(test_wiped_voter_is_replaced),
	    cmocka_unit_test(test_messages_for_another_id_are_dropped),
	    cmocka_unit_test(test_configuration_inside_a_batch),
	    cmocka_unit_test(test_rival_leader_is_refused),
	    cmocka_unit_test(test_contradiction_is_fatal),
	    cmocka_unit_test(test_contradiction_after_a_restart),
	    cmocka_unit_test(test_entries_come_from_the_log_in_batches),
	    cmocka_unit_test(test_many_small_commands_share_messages),
	    cmocka_unit_test(test_snapshot_is_installed),
	    cmocka_unit_test(test_snapshot_on_the_way_is_not_offered_again),
	    cmocka_unit_test(test_learner_votes_when_asked),
	    cmocka_unit_test(test_newer_snapshot_after_a_failed_transfer),
	    cmocka_unit_test(test_second_snapshot_while_installing),
	    cmocka_unit_test(test_start_refuses_contradictions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
