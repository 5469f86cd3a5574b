/* test_rd_propose_view.c — with raft: a backend that is slow, broken, or changed by others; snapshots; waiting for what
 * the backend shows. Run under TSan too. */
#include "raft_world.h"

/* --- the view -------------------------------------------------------------------------------------------------- */
static void
a_broken_backend_costs_nothing_but_the_view(void **state UNUSED)
{
	struct node *n = node_new();
	struct answer a, b, c;

	others_do(&n->temp,
		  "CREATE TRIGGER no_tags BEFORE INSERT ON database_instance_tags BEGIN SELECT RAISE(ABORT, 'no'); "
		  "END");
	put_tag(n, "a", NULL, false, &a);
	commit(n, 1);
	WAIT_FOR(n, rd_proposer_view_behind(n->p));
	put_tag(n, "b", NULL, true, &b);
	commit(n, 2);
	turn(n);
	assert_true(b.given && b.outcome == RD_COMMITTED); /* apply goes on */
	assert_false(a.given);
	fake_mono_now.us += RD_VIEW_WAIT_US;
	rd_proposer_tick(n->p);
	rd_proposer_work(n->p); /* also a try to rebuild, which fails */
	assert_true(a.given && a.outcome == RD_COMMITTED && a.code == ERR_UNKNOWN_OUTCOME);
	barrier(n); /* behind the rebuild: must not give half a view a place in the log */
	WAIT_FOR(n, n->heard.backend_errors >= 3);
	assert_int_equal(rd_proposer_stats(n->p).rebuilds, 0);
	assert_int_equal(count(&n->temp, "SELECT value = 'rebuilding' FROM orchestrator_meta WHERE name = 'view'"), 1);
	assert_int_equal(count(&n->temp, "SELECT count(*) FROM orchestrator_meta WHERE name = 'applied_index'"), 0);
	others_do(&n->temp, "DROP TRIGGER no_tags");
	put_tag(n, "c", NULL, false, &c);
	commit(n, 4);
	WAIT_FOR(n, (pass(n, CLK_S), rd_proposer_stats(n->p).rebuilds == 1));
	assert_int_equal(count(&n->temp, "SELECT count(*) FROM database_instance_tags"), 3);
	assert_int_equal(count(&n->temp, "SELECT value = 'complete' FROM orchestrator_meta WHERE name = 'view'"), 1);
	assert_int_equal(rd_proposer_view_index(n->p), 4);
	assert_false(rd_proposer_view_behind(n->p));
	put_tag(n, "d", NULL, false, &a);
	commit(n, 5);
	WAIT_FOR(n, a.given);
	assert_int_equal(a.code, 0);
	assert_int_equal(count(&n->temp, "SELECT count(*) FROM database_instance_tags"), 4);
	assert_false(rd_proposer_view_behind(n->p));
	node_free(n);
}

static void
a_slow_backend_is_overtaken_and_rebuilt(void **state UNUSED)
{
	enum { ENTRIES = RD_VIEW_JOBS_MAX };
	struct node *n = node_new();
	sqlite3 *lock = stranger(&n->temp);
	struct answer a;

	(void)ask(lock, "BEGIN IMMEDIATE");
	for (int i = 0; i < ENTRIES; i++) {
		char name[32];
		(void)snprintf(name, sizeof(name), "t%d", i % 100);
		put_tag(n, name, NULL, true, &a);
		commit(n, n->last);
		turn(n);
		assert_true(a.given && a.outcome == RD_COMMITTED);
	}
	assert_true(rd_proposer_view_behind(n->p));
	assert_int_equal(rd_proposer_stats(n->p).view_overflows, 1);
	assert_int_equal(rd_state_index(rd_proposer_state(n->p)), ENTRIES);
	(void)ask(lock, "COMMIT");
	assert_int_equal(sqlite3_close(lock), SQLITE_OK);
	WAIT_FOR(n, (pass(n, CLK_S), rd_proposer_stats(n->p).rebuilds > 0));
	WAIT_FOR(n, rd_proposer_view_index(n->p) == ENTRIES);
	assert_int_equal(count(&n->temp, "SELECT count(*) FROM database_instance_tags"), 100);
	assert_int_equal(count(&n->temp, "SELECT value FROM orchestrator_meta WHERE name = 'applied_index'"), ENTRIES);
	node_free(n);
}

/* Rows absent from it are absent after it; known servers keep what was measured. */
static void
an_installed_snapshot_replaces_the_view(void **state UNUSED)
{
	struct rd_state *s = rd_state_new();
	struct node *n = node_new();
	struct topo_key keys[] = {DB1, {"db2", 3306}};
	struct rd_cmd_inventory_add c = {{keys, 2}, ""};
	struct answer a, known, lost;
	struct err e;

	put_tag(n, "a", NULL, false, &a);
	must(rd_propose(n->p, RD_OP_INVENTORY_ADD, &c, NULL, NULL, NULL, &e));
	commit(n, 2);
	WAIT_FOR(n, rd_proposer_view_index(n->p) == 2);
	others_do(&n->temp, "UPDATE database_instance SET server_uuid = 'measured'");
	put_tag(n, "b", "known", true, &known);
	put_tag(n, "c", "lost", true, &lost);
	rd_state_put(s, RD_TABLE_inventory, &keys[0]);
	rd_state_put(s, RD_TABLE_tag, &(struct db_tag){"db1", 3306, "z", "", fake_wall_now.us});
	rd_state_add_command(s, &(struct db_applied_command){"known", 3, fake_wall_now.us, 0, 0});
	rd_state_set(s, RD_SETTING_CLUSTER_ID, "group1");
	rd_state_set_applied(s, 9, 2, fake_wall_now.us);
	rd_proposer_install(n->p, s);
	assert_int_equal(n->heard.reloaded, 1);
	WAIT_FOR(n, rd_proposer_view_index(n->p) == 9);
	assert_true(known.given && known.outcome == RD_COMMITTED && known.index == 3);
	assert_true(lost.given && lost.outcome == RD_UNKNOWN);
	assert_int_equal(count(&n->temp, "SELECT count(*) FROM database_instance_tags WHERE tag_name = 'z'"), 1);
	assert_int_equal(count(&n->temp, "SELECT count(*) FROM database_instance_tags"), 1);
	assert_int_equal(count(&n->temp, "SELECT count(*) FROM database_instance"), 1);
	assert_int_equal(count(&n->temp, "SELECT server_uuid = 'measured' FROM database_instance"), 1);
	/* a restart believes it */
	stop(n);
	open_view(n);
	assert_null(rd_loaded_unfit(n->loaded, &(struct rd_store_facts){"group1", 9, 12}));
	assert_int_equal(rd_state_term(n->loaded->state), 2);
	node_free(n);
}

static void
what_others_wrote_is_replaced_and_not_believed(void **state UNUSED)
{
	struct node *n = node_new();
	struct answer a;

	put_tag(n, "a", NULL, false, &a);
	commit(n, 1);
	WAIT_FOR(n, a.given);
	others_do(&n->temp, "UPDATE database_instance_tags SET tag_value = 'forged'");
	rd_proposer_reload(n->p);
	WAIT_FOR(n, rd_proposer_stats(n->p).rebuilds == 1);
	assert_int_equal(count(&n->temp, "SELECT count(*) FROM database_instance_tags WHERE tag_value = 'x'"), 1);
	others_do(&n->temp, "UPDATE database_instance_tags SET tag_value = 'forged'");
	stop(n);
	open_view(n);
	assert_non_null(n->loaded->distrust);
	node_free(n);
}

static void
an_unfit_view_is_rebuilt_at_start(void **state UNUSED)
{
	struct node *n = node_new();
	struct answer a;

	put_tag(n, "a", NULL, false, &a);
	commit(n, 1);
	WAIT_FOR(n, a.given);
	stop(n);
	open_view(n);
	rd_state_free(n->loaded->state);
	n->loaded->state = rd_state_new();
	rd_state_set_applied(n->loaded->state, 5, 1, 0);
	start(n, false);
	assert_true(rd_proposer_view_behind(n->p));
	WAIT_FOR(n, rd_proposer_view_index(n->p) == 5);
	assert_int_equal(count(&n->temp, "SELECT count(*) FROM database_instance_tags"), 0);
	node_free(n);
}

static int64_t
tags_in(const char *file)
{
	sqlite3 *h;
	int64_t n;

	assert_int_equal(sqlite3_open_v2(file, &h, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	n = ask(h, "SELECT count(*) FROM database_instance_tags WHERE tag_name = 'former'");
	assert_int_equal(sqlite3_close(h), SQLITE_OK);
	return n;
}

/* Nothing is written before the group has an id; then a copy comes first. */
static void
decisions_of_a_life_without_raft_stay_until_the_group_has_an_id(void **state UNUSED)
{
	struct rd_cmd_cluster_found found = {.cluster_id = "c1"};
	struct node *n = node_new();
	char copy[256];
	struct answer a;
	struct err e;

	(void)snprintf(copy, sizeof(copy), "%s.before-raft", n->temp.path);
	others_do(&n->temp,
		  "INSERT INTO database_instance_tags VALUES ('db1', 3306, 'former', '', '2025-01-01 00:00:00')");
	stop(n);
	open_view(n);
	assert_true(rd_loaded_former(n->loaded));
	rd_state_free(n->loaded->state);
	n->loaded->state = rd_state_new();
	start(n, false);
	rd_proposer_keep_former(n->p, copy);
	put_tag(n, "a", NULL, true, &a);
	commit(n, 1);
	for (int i = 0; i < 100; i++)
		pass(n, CLK_S);
	assert_true(a.given && a.outcome == RD_COMMITTED);
	assert_true(rd_proposer_view_behind(n->p) && !rd_proposer_is_paused(n->p));
	assert_int_equal(count(&n->temp, "SELECT count(*) FROM database_instance_tags"), 1);
	assert_int_equal(tags_in(n->temp.path), 1);
	must(rd_propose_cluster_found(n->p, &found, NULL, NULL, &e));
	commit(n, 2);
	WAIT_FOR(n, (pass(n, CLK_S), rd_proposer_stats(n->p).rebuilds == 1));
	assert_int_equal(count(&n->temp, "SELECT count(*) FROM database_instance_tags WHERE tag_name = 'a'"), 1);
	assert_int_equal(tags_in(n->temp.path), 0);
	assert_int_equal(tags_in(copy), 1);
	stop(n);
	open_view(n);
	assert_false(rd_loaded_former(n->loaded));
	start(n, true);
	node_free(n);
}

/* … and without the copy nothing is replaced. */
static void
a_copy_that_cannot_be_made_keeps_the_former_rows(void **state UNUSED)
{
	struct rd_cmd_cluster_found found = {.cluster_id = "c1"};
	struct node *n = node_new();
	char copy[256];
	struct err e;

	(void)snprintf(copy, sizeof(copy), "%s/none/copy", n->temp.dir);
	others_do(&n->temp,
		  "INSERT INTO database_instance_tags VALUES ('db1', 3306, 'former', '', '2025-01-01 00:00:00')");
	stop(n);
	open_view(n);
	rd_state_free(n->loaded->state);
	n->loaded->state = rd_state_new();
	start(n, false);
	rd_proposer_keep_former(n->p, copy);
	must(rd_propose_cluster_found(n->p, &found, NULL, NULL, &e));
	commit(n, 1);
	WAIT_FOR(n, (pass(n, CLK_S), n->heard.backend_errors >= 2));
	assert_int_equal(tags_in(n->temp.path), 1);
	assert_int_equal(rd_proposer_stats(n->p).rebuilds, 0);
	node_free(n);
}

/* --- waiting for an index -------------------------------------------------------------------------------------- */
static void
on_waited(void *ctx, int rc)
{
	*(int *)ctx = rc;
}

static void
a_relayed_change_waits_until_the_view_has_it(void **state UNUSED)
{
	struct node *n = node_new();
	int now = 1, soon = 1, never = 1;
	struct answer a;
	struct err e;

	put_tag(n, "a", NULL, true, &a);
	must(rd_proposer_wait_index(n->p, 0, mono_add_us(fake_mono_now, CLK_S), on_waited, &now, &e));
	must(rd_proposer_wait_index(n->p, 1, mono_add_us(fake_mono_now, CLK_S), on_waited, &soon, &e));
	must(rd_proposer_wait_index(n->p, 2, mono_add_us(fake_mono_now, CLK_S), on_waited, &never, &e));
	assert_int_equal(now, 1); /* not from inside */
	turn(n);
	assert_int_equal(now, 0);
	commit(n, 1);
	WAIT_FOR(n, soon == 0);
	pass(n, CLK_S);
	assert_int_equal(never, -ERR_TIMEOUT);
	for (int i = 0; i < RD_WAITS_MAX; i++)
		must(rd_proposer_wait_index(n->p, 99, mono_add_us(fake_mono_now, CLK_S), on_waited, &never, &e));
	assert_int_equal(rd_proposer_wait_index(n->p, 99, fake_mono_now, on_waited, &never, &e), -ERR_LIMIT);
	node_free(n);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_broken_backend_costs_nothing_but_the_view),
	    cmocka_unit_test(a_slow_backend_is_overtaken_and_rebuilt),
	    cmocka_unit_test(an_installed_snapshot_replaces_the_view),
	    cmocka_unit_test(what_others_wrote_is_replaced_and_not_believed),
	    cmocka_unit_test(an_unfit_view_is_rebuilt_at_start),
	    cmocka_unit_test(decisions_of_a_life_without_raft_stay_until_the_group_has_an_id),
	    cmocka_unit_test(a_copy_that_cannot_be_made_keeps_the_former_rows),
	    cmocka_unit_test(a_relayed_change_waits_until_the_view_has_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
