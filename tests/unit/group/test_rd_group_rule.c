/* Tests of rd_group_rule.c: what a node says of itself, whom it connects with, whom a leader takes in, what it proposes,
 * and who of several nodes holds the wrong rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "rd_group_rule.h"

/* --- a small world --------------------------------------------------------------------------------------------- */
static struct rd_members
members_of(size_t n, enum rd_role role)
{
	static const char *const names[] = {"a:1", "b:1", "c:1", "d:1", "e:1"};
	struct rd_members m = {0};
	struct err e;

	for (size_t i = 0; i < n; i++)
		assert_int_equal(rd_members_insert(&m, 100 + i, names[i], role, &e), 0);
	return m;
}

static void
put_record(struct rd_state *s, const char *name, int64_t raft_id, int64_t level)
{
	struct db_node_record r;

	rec_init(&db_node_record_desc, &r);
	rec_set_str(&r.name, name);
	r.raft_id = (uint64_t)raft_id;
	r.feature_level = (uint32_t)level;
	rd_state_put(s, RD_TABLE_node_record, &r);
	rec_done(&db_node_record_desc, &r);
}

/* --- hello ----------------------------------------------------------------------------------------------------- */
static void
test_own_state(void **st UNUSED)
{
	static const struct {
		struct rd_own own;
		enum rn_state want;
	} cases[] = {
	    {{0}, RN_BLANK},
	    {{.raft_id = 7, .founded = true, .term = 1, .last_index = 1}, RN_FOUNDED},
	    {{.raft_id = 7, .founded = true, .term = 1, .vote = 9, .last_index = 1}, RN_ACTIVE},
	    {{.raft_id = 7, .founded = true, .term = 2, .last_index = 1}, RN_ACTIVE},
	    {{.raft_id = 7, .founded = true, .term = 1, .last_index = 2}, RN_ACTIVE},
	    {{.raft_id = 7, .founded = true, .term = 1, .last_index = 1, .snapshot_index = 1}, RN_ACTIVE},
	    {{.raft_id = 7}, RN_JOINING},
	    {{.raft_id = 7, .term = 5}, RN_JOINING},
	    {{.raft_id = 7, .term = 5, .last_index = 1}, RN_ACTIVE},
	    {{.raft_id = 7, .snapshot_index = 3}, RN_ACTIVE},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(rd_group_own_state(&cases[i].own), cases[i].want);
}

static void
test_only_an_operator_makes_such_rows(void **st UNUSED)
{
	struct rd_state *s = rd_state_new();
	struct db_tag tag = {.hostname = "db", .port = 1, .tag_name = "t", .tag_value = ""};

	rd_state_set(s, RD_SETTING_LEADER_URI, "http://a:3000");
	put_record(s, "a:1", 100, 1);
	assert_false(rd_group_operator_decided(s));
	rd_state_put(s, RD_TABLE_tag, &tag);
	assert_true(rd_group_operator_decided(s));
	rd_state_free(s);
}

static void
test_who_stands_in_the_way_of_founding(void **st UNUSED)
{
	assert_true(rd_group_refusal_blocks(RN_REFUSE_ELECTION_TIMEOUT, RN_ACTIVE));
	assert_true(rd_group_refusal_blocks(RN_REFUSE_MEMBER, RN_ACTIVE));
	assert_true(rd_group_refusal_blocks(RN_REFUSE_CLUSTER, RN_FOUNDED));
	assert_false(rd_group_refusal_blocks(RN_REFUSE_ELECTION_TIMEOUT, RN_BLANK));
	assert_false(rd_group_refusal_blocks(RN_REFUSE_ELECTION_TIMEOUT, RN_JOINING));
	assert_false(rd_group_refusal_blocks(RN_REFUSE_CONFIG, RN_ACTIVE)); /* said only among nodes without a group */
	assert_false(rd_group_refusal_blocks(RN_REFUSE_DUPLICATE, RN_ACTIVE));
}

static void
test_who_may_speak_to_a_member(void **st UNUSED)
{
	assert_true(rd_group_is_same("g", "g"));
	assert_true(rd_group_is_same("", "g")); /* joins, or has just founded */
	assert_true(rd_group_is_same("g", ""));
	assert_false(rd_group_is_same("g", "other"));
}

/* --- peers ----------------------------------------------------------------------------------------------------- */
static void
test_peers(void **st UNUSED)
{
	static const char *const configured[] = {"a:1", "x:1"};
	struct rd_members none = {0}, two = members_of(2, RD_ROLE_VOTER);
	struct rd_state *s = rd_state_new();
	struct rd_peer_names l;

	rd_group_peer_names(NULL, "", configured, 2, NULL, &l);
	assert_int_equal(l.n, 2);
	rd_group_peer_names(&none, "", configured, 2, s, &l);
	assert_int_equal(l.n, 2);
	assert_string_equal(l.v[1], "x:1");
	put_record(s, "b:1", 101, 1);
	put_record(s, "wiped:1", 5, 1);
	rd_group_peer_names(&two, "", configured, 2, s, &l); /* a list in a file may be outdated */
	assert_int_equal(l.n, 3);
	assert_string_equal(l.v[0], "a:1");
	assert_string_equal(l.v[1], "b:1");
	assert_string_equal(l.v[2], "wiped:1");
	rd_group_peer_names(&two, "late:1", configured, 2, s, &l); /* a leader that joined while this node was away */
	assert_int_equal(l.n, 4);
	assert_string_equal(l.v[2], "late:1");
	rd_state_free(s);
}

static void
test_door(void **st UNUSED)
{
	assert_true(rd_group_is_open(RN_FOUNDED, true, true));	 /* adoptable */
	assert_true(rd_group_is_open(RN_JOINING, false, false)); /* the leader may not be in RaftNodes */
	assert_true(rd_group_is_open(RN_ACTIVE, false, false));	 /* nor in the membership as it is known here */
	assert_false(rd_group_is_open(RN_ACTIVE, false, true));
	assert_false(rd_group_is_open(RN_FOUNDED, false, false)); /* founders know each other */
	assert_true(
	    rd_group_is_open(RN_BLANK, false, false)); /* it must not found beside a group that it doesn't know */
}

/* --- what a leader proposes ------------------------------------------------------------------------------------ */
static void
test_records(void **st UNUSED)
{
	struct rn_hello h = {
	    .name = "b:1", .dir_id = "", .raft_id = 101, .http_uri = "", .version = "", .feature_level = 1};
	struct rd_state *s = rd_state_new();
	struct rd_cmd_node_record c = rd_group_record_of(&h);

	assert_true(rd_group_record_due(s, &c));
	put_record(s, "b:1", 101, 1);
	assert_false(rd_group_record_due(s, &c));
	h.raft_id = 5;
	c = rd_group_record_of(&h);
	assert_true(rd_group_record_due(s, &c));
	h.raft_id = 101;
	h.http_uri = "http://b:3000";
	c = rd_group_record_of(&h);
	assert_true(rd_group_record_due(s, &c));
	rd_state_free(s);
}

static void
test_feature_level(void **st UNUSED)
{
	struct rd_members m = members_of(2, RD_ROLE_VOTER);
	struct rd_state *s = rd_state_new();
	struct err e;

	put_record(s, "a:1", 100, 7);
	assert_int_equal(rd_group_level_due(&m, s, 7), 0); /* nothing is known of b yet */
	put_record(s, "b:1", 101, 5);
	assert_int_equal(rd_group_level_due(&m, s, 7), 5);
	assert_int_equal(rd_group_level_due(&m, s, 4), 4);
	rd_state_set(s, RD_SETTING_FEATURE_LEVEL, "5");
	assert_int_equal(rd_group_level_due(&m, s, 7), 0);
	put_record(s, "b:1", 101, 7);
	assert_int_equal(rd_members_insert(&m, 9, "learner:1", RD_ROLE_LEARNER, &e), 0);
	assert_int_equal(rd_group_level_due(&m, s, 7), 7); /* who doesn't vote stops and asks for an upgrade */
	rd_state_free(s);
}

/* --- whom a leader takes in ------------------------------------------------------------------------------------ */
static void
test_take_in(void **st UNUSED)
{
	static const struct {
		const char *what, *name, *cluster;
		enum rn_state state;
		uint64_t raft_id;
		int64_t record; /* raft id in its record; -1 = no record */
		enum rd_take_in want;
	} cases[] = {
	    {"a member", "a:1", "g", RN_ACTIVE, 100, 100, RD_TAKE_NOTHING},
	    {"a member whose record is not there yet", "a:1", "g", RN_ACTIVE, 100, -1, RD_TAKE_NOTHING},
	    {"blank, asks its peers still", "a:1", "", RN_BLANK, 0, 100, RD_TAKE_NOTHING},
	    {"a wiped member", "a:1", "", RN_JOINING, 9, 100, RD_TAKE_REMOVE},
	    {"a wiped member without a record", "a:1", "", RN_JOINING, 9, -1, RD_TAKE_RECORD},
	    {"a member's name on a node that founded alone", "a:1", "other", RN_ACTIVE, 9, 100, RD_TAKE_NOTHING},
	    {"between removal and return", "wiped:1", "", RN_JOINING, 9, 8, RD_TAKE_ADD},
	    {"an operator asked for it", "new:1", "", RN_JOINING, 9, 0, RD_TAKE_ADD},
	    {"asked for, but of another group", "new:1", "other", RN_ACTIVE, 9, 0, RD_TAKE_NOTHING},
	    {"asked for, but it has just founded alone", "new:1", "", RN_FOUNDED, 9, 0, RD_TAKE_NOTHING},
	    {"a stranger", "new:1", "", RN_JOINING, 9, -1, RD_TAKE_NOTHING},
	    {"removed by an operator, its record is still there", "old:1", "g", RN_ACTIVE, 9, 9, RD_TAKE_NOTHING},
	    {"removed, and asked for again", "old:1", "g", RN_ACTIVE, 9, 0, RD_TAKE_ADD},
	};
	struct rd_members m = members_of(3, RD_ROLE_VOTER);

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct rn_hello h = {.name = cases[i].name,
				     .cluster_id = cases[i].cluster,
				     .state = cases[i].state,
				     .raft_id = cases[i].raft_id,
				     .dir_id = "d"};
		struct rd_state *s = rd_state_new();
		rd_state_set(s, RD_SETTING_CLUSTER_ID, "g");
		if (cases[i].record >= 0)
			put_record(s, cases[i].name, cases[i].record, 1);
		if (rd_group_take_in(&m, s, &h) != cases[i].want)
			fail_msg("%s", cases[i].what);
		rd_state_free(s);
	}
}

/* --- invariant 7 ----------------------------------------------------------------------------------------------- */
static void
test_who_holds_the_wrong_rows(void **st UNUSED)
{
#define SAID(name, hash)         \
	{                        \
		name, 1000, hash \
	}
	static const struct {
		const char *what;
		size_t voters, n;
		struct rd_hash_said said[4];
		enum rd_hash_verdict want;
	} cases[] = {
	    {"alone", 1, 0, {{""}}, RD_HASH_SAME},
	    {"nobody has said anything", 3, 0, {{""}}, RD_HASH_UNKNOWN},
	    {"one agrees", 3, 1, {SAID("b:1", 1)}, RD_HASH_SAME},
	    {"one of two differs", 2, 1, {SAID("b:1", 2)}, RD_HASH_OPEN},
	    {"one of three differs, the third is silent", 3, 1, {SAID("b:1", 2)}, RD_HASH_OPEN},
	    {"the third agrees with me", 3, 2, {SAID("b:1", 2), SAID("c:1", 1)}, RD_HASH_OTHERS_DIFFER},
	    {"the third agrees with the second", 3, 2, {SAID("b:1", 2), SAID("c:1", 2)}, RD_HASH_OWN_DIFFERS},
	    {"all three differ", 3, 2, {SAID("b:1", 2), SAID("c:1", 3)}, RD_HASH_OPEN},
	    {"of another index", 3, 2, {{"b:1", 2000, 2}, {"c:1", 2000, 2}}, RD_HASH_UNKNOWN},
	    {"who doesn't vote doesn't count", 3, 2, {SAID("x:1", 2), SAID("y:1", 2)}, RD_HASH_UNKNOWN},
	    {"two of five", 5, 2, {SAID("b:1", 2), SAID("c:1", 2)}, RD_HASH_OPEN},
	    {"three of five", 5, 3, {SAID("b:1", 2), SAID("c:1", 2), SAID("d:1", 2)}, RD_HASH_OWN_DIFFERS},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct rd_members m = members_of(cases[i].voters, RD_ROLE_VOTER);
		if (rd_group_judge_hash(&m, "a:1", 1000, 1, cases[i].said, cases[i].n) != cases[i].want)
			fail_msg("%s", cases[i].what);
	}
}

/* A learner with wrong rows finds out as well. */
static void
test_a_learner_judges_itself(void **st UNUSED)
{
	static const struct rd_hash_said said[] = {SAID("a:1", 2), SAID("b:1", 2)};
	struct rd_members m = members_of(3, RD_ROLE_VOTER);

	assert_int_equal(rd_group_judge_hash(&m, "learner:1", 1000, 1, said, 2), RD_HASH_OWN_DIFFERS);
	assert_int_equal(rd_group_judge_hash(&m, "learner:1", 1000, 2, said, 2), RD_HASH_SAME);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_own_state),
	    cmocka_unit_test(test_only_an_operator_makes_such_rows),
	    cmocka_unit_test(test_who_stands_in_the_way_of_founding),
	    cmocka_unit_test(test_who_may_speak_to_a_member),
	    cmocka_unit_test(test_peers),
	    cmocka_unit_test(test_door),
	    cmocka_unit_test(test_records),
	    cmocka_unit_test(test_feature_level),
	    cmocka_unit_test(test_take_in),
	    cmocka_unit_test(test_who_holds_the_wrong_rows),
	    cmocka_unit_test(test_a_learner_judges_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
