/* test_rd_propose_raft.c — decisions with raft, without consensus: what ends how, and what waits for what. Run under TSan
 * too. */
#include "raft_world.h"

/* --- the way of a change --------------------------------------------------------------------------------------- */
static void
an_operator_waits_for_the_view_and_others_for_apply(void **state UNUSED)
{
	struct node *n = node_new();
	struct answer a, b;

	put_tag(n, "a", NULL, true, &a);
	put_tag(n, "b", NULL, false, &b);
	turn(n);
	assert_false(a.given || b.given || has_tag(n, "a"));
	commit(n, 2);
	assert_true(has_tag(n, "a") && has_tag(n, "b"));
	assert_false(a.given || b.given); /* never from inside */
	rd_proposer_work(n->p);
	assert_true(a.given);
	WAIT_FOR(n, b.given);
	assert_true(a.outcome == RD_COMMITTED && a.index == 1 && a.n_keys == 1);
	assert_true(b.outcome == RD_COMMITTED && b.index == 2 && b.code == 0);
	assert_int_equal(count(&n->temp, "SELECT count(*) FROM database_instance_tags"), 2);
	assert_int_equal(rd_proposer_view_index(n->p), 2);
	assert_int_equal(n->heard.applied, 2);
	assert_int_equal(n->heard.committed, 2);
	assert_int_equal(rd_proposer_stats(n->p).pending, 0);
	node_free(n);
}

static void
a_node_that_does_not_lead_refuses_at_once(void **state UNUSED)
{
	struct node *n = node_new();
	struct rd_cmd_put_tag c = {DB1, "a", "x"};
	struct err e;

	n->leader = false;
	assert_int_equal(rd_propose(n->p, RD_OP_PUT_TAG, &c, NULL, NULL, NULL, &e), -ERR_NOT_LEADER);
	assert_int_equal(rd_proposer_stats(n->p).refused, 1);
	node_free(n);
}

static void
a_refusal_is_an_outcome_and_stays_one(void **state UNUSED)
{
	struct rd_cmd_begin_maintenance c = {DB1, "o", "r", INT64_C(1763800600) * CLK_S, true, ""};
	struct answer a = {0}, b = {0}, again = {0};
	struct node *n = node_new();
	struct err e;

	must(rd_propose(n->p, RD_OP_BEGIN_MAINTENANCE, &c, NULL, on_answer, &a, &e));
	must(rd_propose(n->p, RD_OP_BEGIN_MAINTENANCE, &c, "second", on_answer, &b, &e));
	commit(n, 2);
	WAIT_FOR(n, a.given && b.given);
	assert_true(a.outcome == RD_COMMITTED && a.id > 0);
	assert_true(b.outcome == RD_REFUSED && b.code == ERR_EXISTS && b.index == 2);
	must(rd_propose(n->p, RD_OP_BEGIN_MAINTENANCE, &c, "second", on_answer, &again, &e));
	WAIT_FOR(n, again.given);
	assert_true(again.outcome == RD_REFUSED && again.code == ERR_EXISTS);
	assert_int_equal(n->last, 2); /* known already: nothing new in the log */
	node_free(n);
}

/* --- leaders come and go --------------------------------------------------------------------------------------- */
static void
an_entry_that_was_replaced_has_no_effect(void **state UNUSED)
{
	struct node *n = node_new();
	struct answer a, b;

	put_tag(n, "a", NULL, true, &a);
	put_tag(n, "b", NULL, true, &b);
	lose(n);
	barrier(n); /* stands where a should; b would come later, but is of an earlier term */
	turn(n);
	assert_true(a.given && a.outcome == RD_NOT_LEADER && a.code == ERR_NOT_LEADER);
	assert_true(b.given && b.outcome == RD_NOT_LEADER);
	assert_false(has_tag(n, "a") || has_tag(n, "b"));
	node_free(n);
}

static void
an_entry_may_survive_the_loss_of_leadership(void **state UNUSED)
{
	struct node *n = node_new();
	struct answer a;

	put_tag(n, "a", NULL, true, &a);
	n->leader = false;
	rd_proposer_lost_leadership(n->p);
	pass(n, 2 * ET_US - 1);
	assert_false(a.given);
	commit(n, 1);
	turn(n);
	assert_true(a.given && a.outcome == RD_COMMITTED);
	node_free(n);
}

static void
a_fate_that_stays_open_is_unknown(void **state UNUSED)
{
	struct node *n = node_new();
	struct answer a, b;

	put_tag(n, "a", NULL, true, &a);
	n->leader = false;
	rd_proposer_lost_leadership(n->p);
	pass(n, 2 * ET_US);
	assert_true(a.given && a.outcome == RD_UNKNOWN && a.code == ERR_UNKNOWN_OUTCOME);
	/* no majority, although it leads still */
	n->leader = true;
	put_tag(n, "b", NULL, true, &b);
	pass(n, RD_FATE_US - 1);
	assert_false(b.given);
	pass(n, 1);
	assert_true(b.given && b.outcome == RD_UNKNOWN);
	node_free(n);
}

static void
the_same_uid_through_another_leader_is_this_change(void **state UNUSED)
{
	struct node *n = node_new();
	struct answer a, b, again;

	put_tag(n, "a", "once", true, &a); /* entry 1, lost */
	put_tag(n, "a", "once", true, &b); /* entry 2 */
	lose(n);
	barrier(n);
	turn(n);
	assert_true(a.given && a.outcome == RD_NOT_LEADER && b.given && b.outcome == RD_NOT_LEADER);
	n->leader = true;
	put_tag(n, "a", "once", true, &a);
	put_tag(n, "a", "once", true, &b);
	commit(n, 2);
	turn(n);
	assert_true(a.given && a.outcome == RD_COMMITTED && b.given && b.outcome == RD_COMMITTED && b.index == 2);
	commit(n, 3); /* the repeated one: an entry without effect */
	assert_int_equal(n->heard.applied, 1);
	put_tag(n, "a", "once", false, &again);
	WAIT_FOR(n, again.given);
	assert_true(again.outcome == RD_COMMITTED && again.index == 2);
	assert_int_equal(n->last, 3);
	node_free(n);
}

static void
proposals_under_way_are_bounded(void **state UNUSED)
{
	struct rd_cmd_put_tag c = {DB1, "a", "x"};
	struct node *n = node_new();
	struct err e;

	for (int i = 0; i < RD_PENDING_MAX; i++)
		must(rd_propose(n->p, RD_OP_PUT_TAG, &c, NULL, NULL, NULL, &e));
	assert_int_equal(rd_propose(n->p, RD_OP_PUT_TAG, &c, NULL, NULL, NULL, &e), -ERR_LIMIT);
	commit(n, n->last);
	WAIT_FOR(n, rd_proposer_stats(n->p).pending == 0);
	must(rd_propose(n->p, RD_OP_PUT_TAG, &c, NULL, NULL, NULL, &e));
	node_free(n);
}

/* --- the log --------------------------------------------------------------------------------------------------- */
static void
a_newer_entry_stops_this_node_and_changes_nothing(void **state UNUSED)
{
	struct node *n = node_new();
	struct answer a;
	struct err e;
	char *at;

	put_tag(n, "a", NULL, true, &a);
	at = memmem(n->log[1].p, n->log[1].len, "put-instance-tag", 16);
	assert_non_null(at);
	memcpy(at, "pet-instance-dog", 16);
	assert_int_equal(rd_proposer_entry(n->p, (struct rd_entry_at){1, 1}, n->log[1].p, n->log[1].len, &e),
			 -ERR_UNSUPPORTED);
	assert_non_null(strstr(e.msg, "upgrade"));
	assert_int_equal(rd_state_index(rd_proposer_state(n->p)), 0);
	assert_true(rd_proposer_entry(n->p, (struct rd_entry_at){1, 1}, "\xc1", 1, &e) < 0);
	node_free(n);
}

static void
apply_waits_while_somebody_reads_the_state(void **state UNUSED)
{
	struct node *n = node_new();
	struct answer a;

	assert_false(rd_proposer_is_paused(n->p));
	rd_proposer_pause(n->p);
	put_tag(n, "a", NULL, true, &a); /* proposing goes on */
	assert_true(rd_proposer_is_paused(n->p));
	assert_int_equal(n->resumed, 0);
	rd_proposer_resume(n->p);
	assert_int_equal(n->resumed, 1);
	commit(n, 1);
	node_free(n);
}

static void
a_long_list_is_several_entries_and_one_answer(void **state UNUSED)
{
	enum { SERVERS = 600 };
	static struct topo_key keys[SERVERS];
	struct rd_cmd_inventory_add c = {{keys, SERVERS}, ""};
	struct answer a = {0}, b = {0};
	struct node *n = node_new();
	struct err e;

	for (size_t i = 0; i < SERVERS; i++)
		keys[i] = (struct topo_key){"db", (int64_t)i + 1};
	must(rd_propose(n->p, RD_OP_INVENTORY_ADD, &c, "many", on_answer, &a, &e));
	assert_int_equal(n->last, 3);
	commit(n, 2);
	turn(n);
	assert_false(a.given);
	commit(n, 3);
	WAIT_FOR(n, a.given);
	assert_true(a.outcome == RD_COMMITTED && a.index == 3 && a.n_keys == SERVERS);
	assert_int_equal(count(&n->temp, "SELECT count(*) FROM database_instance"), SERVERS);
	/* the first part takes effect, the others are lost */
	keys[0].hostname = "other";
	must(rd_propose(n->p, RD_OP_INVENTORY_ADD, &c, NULL, on_answer, &b, &e));
	commit(n, 4);
	lose(n);
	barrier(n);
	WAIT_FOR(n, b.given);
	assert_true(b.outcome == RD_UNKNOWN && b.code == ERR_NOT_LEADER);
	node_free(n);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_operator_waits_for_the_view_and_others_for_apply),
	    cmocka_unit_test(a_node_that_does_not_lead_refuses_at_once),
	    cmocka_unit_test(a_refusal_is_an_outcome_and_stays_one),
	    cmocka_unit_test(an_entry_that_was_replaced_has_no_effect),
	    cmocka_unit_test(an_entry_may_survive_the_loss_of_leadership),
	    cmocka_unit_test(a_fate_that_stays_open_is_unknown),
	    cmocka_unit_test(the_same_uid_through_another_leader_is_this_change),
	    cmocka_unit_test(proposals_under_way_are_bounded),
	    cmocka_unit_test(a_newer_entry_stops_this_node_and_changes_nothing),
	    cmocka_unit_test(apply_waits_while_somebody_reads_the_state),
	    cmocka_unit_test(a_long_list_is_several_entries_and_one_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
