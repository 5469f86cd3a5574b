/* test_rd_apply_group.c — what commands about maintenance, pools, names, the recovery switch and the group of nodes do. */
#include "apply_world.h"

/* --- operators ------------------------------------------------------------------------------------------------- */
static void
maintenance_is_exclusive_and_has_an_id(void **state UNUSED)
{
	struct rd_cmd_begin_maintenance again = {DB1, "o2", "r2", T0 + CLK_S, true, "t"};
	const struct db_maintenance *m;
	struct world w;
	uint64_t hash;
	int64_t id;

	world_init(&w);
	APPLY(&w, BEGIN_MAINTENANCE, begin_maintenance, T0 + 1, DB1, "o", "r", T0 + 600 * CLK_S, true, "token");
	id = w.a.id;
	m = rd_state_get(w.s, RD_TABLE_maintenance, &(struct db_maintenance){.database_instance_maintenance_id = id});
	assert_non_null(m);
	assert_true(m->maintenance_active.valid && m->maintenance_active.v == 1 && m->explicitly_bounded);
	assert_true(m->begin_timestamp_us == T0 && m->end_timestamp_us == T0 + 600 * CLK_S);
	assert_string_equal(m->processing_node_hostname, "node1");
	assert_string_equal(m->processing_node_token, "token");
	assert_int_equal(apply_uid(&w, RD_OP_BEGIN_MAINTENANCE, &again, T0 + 1, "again"), -ERR_EXISTS);
	assert_int_equal(changes(&w) + w.a.n_effects, 0);
	hash = rd_state_hash(w.s);
	/* the same answer again, although it would be possible now */
	APPLY(&w, END_MAINTENANCE, end_maintenance, T0 + 1, id, {"", 0});
	assert_int_equal(w.a.changes.v[0].kind, RD_CHANGE_UPSERT);
	assert_false(((struct db_maintenance *)w.a.changes.v[0].row)->maintenance_active.valid);
	assert_true(rd_state_hash(w.s) != hash);
	assert_int_equal(rd_state_count(w.s, RD_TABLE_maintenance), 0);
	assert_int_equal(apply_uid(&w, RD_OP_BEGIN_MAINTENANCE, &again, T0, "again"), -ERR_EXISTS);
	assert_true(w.a.duplicate);
	assert_int_equal(apply_uid(&w, RD_OP_BEGIN_MAINTENANCE, &again, T0, "later"), 0);
	assert_true(w.a.id > id);
	id = w.a.id;
	assert_int_equal(apply_uid(&w, RD_OP_BEGIN_MAINTENANCE, &again, T0, "later"), 0);
	assert_true(w.a.duplicate && w.a.id == id);
	APPLY(&w, END_MAINTENANCE, end_maintenance, T0, 0, DB1);
	assert_int_equal(rd_state_count(w.s, RD_TABLE_maintenance), 0);
	APPLY(&w, END_MAINTENANCE, end_maintenance, T0, 77, {"", 0}); /* none is fine */
	assert_int_equal(changes(&w), 0);
	world_done(&w);
}

static void
a_maintenance_id_that_is_taken_is_passed_over(void **state UNUSED)
{
	struct db_maintenance old = {.database_instance_maintenance_id = 1,
				     .hostname = "db9",
				     .port = 3306,
				     .maintenance_active = {1, true},
				     .end_timestamp_us = T0 + CLK_S};
	struct world w;

	world_init(&w);
	rd_state_put(w.s, RD_TABLE_maintenance, &old);
	APPLY(&w, BEGIN_MAINTENANCE, begin_maintenance, T0, DB1, "o", "r", T0 + CLK_S, true, "");
	assert_int_equal(w.a.id, 2);
	world_done(&w);
}

static size_t
pool_size(const struct world *w)
{
	return rd_state_count(w->s, RD_TABLE_pool);
}

static void
a_submission_replaces_its_pool_and_no_other(void **state UNUSED)
{
	struct topo_key both[] = {DB1, DB2}, second[] = {DB2};
	const struct db_pool *row;
	struct world w;

	world_init(&w);
	APPLY(&w, SUBMIT_POOL, submit_pool, T0, "web", {both, 2});
	APPLY(&w, SUBMIT_POOL, submit_pool, T0, "batch", {both, 1});
	assert_int_equal(pool_size(&w), 3);
	APPLY(&w, SUBMIT_POOL, submit_pool, T0 + CLK_S, "web", {second, 1});
	assert_int_equal(pool_size(&w), 2);
	assert_null(rd_state_get(w.s, RD_TABLE_pool, &(struct db_pool){"db1", 3306, "web", 0}));
	row = rd_state_get(w.s, RD_TABLE_pool, &(struct db_pool){"db2", 3306, "web", 0});
	assert_true(row != NULL && row->registered_at_us == T0 + CLK_S);
	APPLY(&w, SUBMIT_POOL, submit_pool, T0, "web", {NULL, 0});
	assert_int_equal(pool_size(&w), 1);
	world_done(&w);
}

static void
virtual_names_come_and_go(void **state UNUSED)
{
	const struct db_hostname_unresolve *row;
	struct world w;

	world_init(&w);
	APPLY(&w, REGISTER_HOSTNAME_UNRESOLVE, register_hostname_unresolve, T0, DB1, "vip1");
	row = rd_state_get(w.s, RD_TABLE_hostname_unresolve, &(struct db_hostname_unresolve){.hostname = "db1"});
	assert_true(row != NULL && strcmp(row->unresolved_hostname, "vip1") == 0);
	assert_non_null(effect(&w, RD_EFFECT_CHANGED));
	APPLY(&w, REGISTER_HOSTNAME_UNRESOLVE, register_hostname_unresolve, T0, DB1, "");
	assert_int_equal(rd_state_count(w.s, RD_TABLE_hostname_unresolve), 0);
	world_done(&w);
}

static void
the_recovery_switch_says_so_once(void **state UNUSED)
{
	struct world w;

	world_init(&w);
	assert_false(rd_state_recoveries_disabled(w.s));
	APPLY(&w, DISABLE_GLOBAL_RECOVERIES, disable_global_recoveries, T0, "gromit");
	assert_true(rd_state_recoveries_disabled(w.s));
	assert_string_equal(effect(&w, RD_EFFECT_SETTING)->message, RD_SWITCH_RECOVERIES);
	APPLY(&w, DISABLE_GLOBAL_RECOVERIES, disable_global_recoveries, T0, "");
	assert_null(effect(&w, RD_EFFECT_SETTING));
	APPLY(&w, ENABLE_GLOBAL_RECOVERIES, enable_global_recoveries, T0, "");
	assert_false(rd_state_recoveries_disabled(w.s));
	assert_non_null(effect(&w, RD_EFFECT_SETTING));
	world_done(&w);
}

static void
a_tick_expires_maintenance_pools_and_names(void **state UNUSED)
{
	const struct rd_lives lives = {.pool_us = 60 * CLK_S, .unresolve_us = 120 * CLK_S, .uid_us = 86400 * CLK_S};
	struct topo_key one[] = {DB1};
	struct rd_cmd_tick tick;
	struct world w;

	world_init(&w);
	APPLY(&w, BEGIN_MAINTENANCE, begin_maintenance, T0, DB1, "o", "r", T0 + 30 * CLK_S, true, "");
	APPLY(&w, SUBMIT_POOL, submit_pool, T0, "web", {one, 1});
	APPLY(&w, REGISTER_HOSTNAME_UNRESOLVE, register_hostname_unresolve, T0, DB1, "vip1");
	assert_false(rd_tick_due(w.s, T0 + 29 * CLK_S, &lives, &tick));
	assert_true(rd_tick_due(w.s, T0 + 30 * CLK_S, &lives, &tick));
	apply_at(&w, RD_OP_TICK, &tick, T0 + 30 * CLK_S);
	assert_int_equal(rd_state_count(w.s, RD_TABLE_maintenance), 0);
	assert_string_equal(effect(&w, RD_EFFECT_AUDIT)->audit_type, "expire-maintenance");
	assert_false(rd_tick_due(w.s, T0 + 60 * CLK_S, &lives, &tick));
	assert_true(rd_tick_due(w.s, T0 + 61 * CLK_S, &lives, &tick));
	apply_at(&w, RD_OP_TICK, &tick, T0 + 61 * CLK_S);
	assert_int_equal(pool_size(&w), 0);
	assert_int_equal(rd_state_count(w.s, RD_TABLE_hostname_unresolve), 1);
	assert_true(rd_tick_due(w.s, T0 + 121 * CLK_S, &lives, &tick));
	apply_at(&w, RD_OP_TICK, &tick, T0 + 121 * CLK_S);
	assert_int_equal(rd_state_count(w.s, RD_TABLE_hostname_unresolve), 0);
	/* a life of 0 has no end */
	APPLY(&w, SUBMIT_POOL, submit_pool, T0, "web", {one, 1});
	assert_false(rd_tick_due(w.s, T0 + 86400 * CLK_S, &(struct rd_lives){.uid_us = 86400 * CLK_S}, &tick));
	world_done(&w);
}

/* --- the group of nodes ---------------------------------------------------------------------------------------- */
static void
a_group_keeps_its_first_id(void **state UNUSED)
{
	struct world w;

	world_init(&w);
	APPLY(&w, CLUSTER_FOUND, cluster_found, T0, "id1");
	assert_string_equal(effect(&w, RD_EFFECT_SETTING)->message, RD_SETTING_CLUSTER_ID);
	APPLY(&w, CLUSTER_FOUND, cluster_found, T0, "id2");
	assert_null(effect(&w, RD_EFFECT_SETTING));
	assert_string_equal(rd_state_cluster_id(w.s), "id1");
	world_done(&w);
}

/* Whoever was a member may come again, with an empty directory. */
static void
a_rescued_group_has_another_id(void **state UNUSED)
{
	const struct db_node_record *row;
	struct world w;

	world_init(&w);
	APPLY(&w, CLUSTER_FOUND, cluster_found, T0, "id1");
	APPLY(&w, NODE_RECORD, node_record, T0, "n1:10008", "dir", 7, "http://n1:3000", 1, "v1");
	APPLY(&w, CLUSTER_RESCUE, cluster_rescue, T0, "id2");
	assert_string_equal(rd_state_cluster_id(w.s), "id2");
	row = rd_state_get(w.s, RD_TABLE_node_record, &(struct db_node_record){.name = "n1:10008"});
	assert_true(row != NULL && row->raft_id == 0 && row->dir_id[0] == '\0');
	assert_string_equal(effect(&w, RD_EFFECT_NODE)->message, "n1:10008");
	world_done(&w);
}

static void
nodes_leader_and_level(void **state UNUSED)
{
	const struct db_node_record *row;
	struct world w;

	world_init(&w);
	APPLY(&w, NODE_RECORD, node_record, T0, "n1:10008", "dir", 7, "http://n1:3000", 1, "v1");
	APPLY(&w, NODE_RECORD, node_record, T0, "n1:10008", "dir2", 8, "http://n1:3000", 1, "v1");
	row = rd_state_get(w.s, RD_TABLE_node_record, &(struct db_node_record){.name = "n1:10008"});
	assert_true(row != NULL && row->raft_id == 8 && strcmp(row->dir_id, "dir2") == 0);
	APPLY(&w, NODE_FORGET, node_forget, T0, "n1:10008");
	assert_string_equal(effect(&w, RD_EFFECT_NODE)->message, "n1:10008");
	assert_int_equal(rd_state_count(w.s, RD_TABLE_node_record), 0);
	APPLY(&w, LEADER_URI, leader_uri, T0, "http://n1:3000");
	assert_string_equal(rd_state_setting(w.s, RD_SETTING_LEADER_URI), "http://n1:3000");
	assert_int_equal(rd_state_feature_level(w.s), 1);
	rd_state_set(w.s, RD_SETTING_FEATURE_LEVEL, "3");
	APPLY(&w, FEATURE_LEVEL, feature_level, T0, 2); /* never down */
	assert_int_equal(rd_state_feature_level(w.s), 3);
	APPLY(&w, FEATURE_LEVEL, feature_level, T0, 4);
	assert_int_equal(rd_state_feature_level(w.s), 4);
	world_done(&w);
}

static void
yielding_is_an_effect_and_changes_nothing(void **state UNUSED)
{
	struct world w;

	world_init(&w);
	APPLY(&w, YIELD, yield, T0, "n2:10008");
	assert_string_equal(effect(&w, RD_EFFECT_YIELD)->message, "n2:10008");
	assert_int_equal(changes(&w), 0);
	APPLY(&w, YIELD_HINT, yield_hint, T0, "dc1");
	assert_string_equal(effect(&w, RD_EFFECT_YIELD_HINT)->message, "dc1");
	assert_int_equal(changes(&w), 0);
	world_done(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(maintenance_is_exclusive_and_has_an_id),
	    cmocka_unit_test(a_maintenance_id_that_is_taken_is_passed_over),
	    cmocka_unit_test(a_submission_replaces_its_pool_and_no_other),
	    cmocka_unit_test(virtual_names_come_and_go),
	    cmocka_unit_test(the_recovery_switch_says_so_once),
	    cmocka_unit_test(a_tick_expires_maintenance_pools_and_names),
	    cmocka_unit_test(a_group_keeps_its_first_id),
	    cmocka_unit_test(a_rescued_group_has_another_id),
	    cmocka_unit_test(nodes_leader_and_level),
	    cmocka_unit_test(yielding_is_an_effect_and_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
