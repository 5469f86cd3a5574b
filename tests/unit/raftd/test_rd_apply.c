/* test_rd_apply.c — what each command does to the state; replays, time, expiry, determinism. */
#include "apply_world.h"

/* --- inventory ------------------------------------------------------------------------------------------------- */
static void
a_new_server_is_a_placeholder_that_was_never_seen(void **state UNUSED)
{
	struct topo_key keys[] = {DB1, DB2, DB1};
	const struct topo_instance *row;
	struct world w;

	world_init(&w);
	APPLY(&w, INVENTORY_ADD, inventory_add, T0, .keys = {keys, 3}, .reason = "inject-seed");
	assert_int_equal(rd_state_count(w.s, RD_TABLE_inventory), 2);
	assert_int_equal(w.a.keys.n, 2);
	assert_int_equal(changes(&w), 2);
	assert_int_equal(w.a.changes.v[0].kind, RD_CHANGE_INSTANCE_ABSENT);
	row = w.a.changes.v[0].row;
	assert_true(row->last_seen_us == 0);
	assert_string_equal(row->cluster_name, "db1:3306");
	assert_non_null(effect(&w, RD_EFFECT_KNOWN));
	assert_string_equal(effect(&w, RD_EFFECT_AUDIT)->audit_type, "inject-seed");
	/* again: known already */
	APPLY(&w, INVENTORY_ADD, inventory_add, T0, .keys = {keys, 1}, .reason = "");
	assert_int_equal(changes(&w) + w.a.n_effects + w.a.keys.n, 0);
	world_done(&w);
}

static void
forgetting_deletes_the_row_and_keeps_decisions(void **state UNUSED)
{
	struct topo_key keys[] = {DB1, DB2};
	struct world w;

	world_init(&w);
	APPLY(&w, INVENTORY_ADD, inventory_add, T0, .keys = {keys, 1}, .reason = "");
	APPLY(&w, PUT_TAG, put_tag, T0, DB1, "role", "backup");
	APPLY(&w, INVENTORY_FORGET, inventory_forget, T0, .keys = {keys, 2}, .reason = "forget", .message = "m");
	assert_int_equal(rd_state_count(w.s, RD_TABLE_inventory), 0);
	assert_int_equal(w.a.keys.n, 1); /* db2 was unknown */
	assert_int_equal(w.a.changes.v[0].kind, RD_CHANGE_DELETE);
	assert_int_equal(w.a.changes.v[0].table, DB_TABLE_instance);
	assert_string_equal(effect(&w, RD_EFFECT_FORGOTTEN)->key.hostname, "db1");
	assert_non_null(tag_of(&w, &db1, "role"));
	world_done(&w);
}

/* --- downtime -------------------------------------------------------------------------------------------------- */
static void
downtime_begins_is_replaced_and_ends(void **state UNUSED)
{
	struct world w;

	world_init(&w);
	APPLY(&w, BEGIN_DOWNTIME, begin_downtime, T0, DB1, "gromit", "cheese", T0, T0 + 600 * CLK_S);
	assert_string_equal(downtime_of(&w, &db1)->reason, "cheese");
	assert_string_equal(effect(&w, RD_EFFECT_AUDIT)->message, "owner: gromit, reason: cheese");
	APPLY(&w, BEGIN_DOWNTIME, begin_downtime, T0 + 1, DB1, "wallace", "moon", T0, T0 + 60 * CLK_S);
	assert_string_equal(downtime_of(&w, &db1)->owner, "wallace");
	assert_int_equal(rd_state_count(w.s, RD_TABLE_downtime), 1);
	APPLY(&w, END_DOWNTIME, end_downtime, T0 + 2, DB1);
	assert_null(downtime_of(&w, &db1));
	assert_string_equal(effect(&w, RD_EFFECT_AUDIT)->audit_type, "end-downtime");
	/* none is fine, and silent */
	APPLY(&w, END_DOWNTIME, end_downtime, T0 + 3, DB1);
	assert_int_equal(changes(&w) + w.a.n_effects, 0);
	world_done(&w);
}

/* A replay after a long stop must not bring back what has ended meanwhile. */
static void
downtime_that_has_ended_already_has_no_effect(void **state UNUSED)
{
	struct world w;

	world_init(&w);
	APPLY(&w, PUT_TAG, put_tag, T0 + 3600 * CLK_S, DB2, "x", "");
	APPLY(&w, BEGIN_DOWNTIME, begin_downtime, T0, DB1, "o", "r", T0, T0 + 600 * CLK_S);
	assert_null(downtime_of(&w, &db1));
	world_done(&w);
}

/* The database keeps seconds; a downtime must not end earlier than asked for. */
static void
downtime_is_kept_in_whole_seconds_outwards(void **state UNUSED)
{
	struct world w;

	world_init(&w);
	APPLY(&w, BEGIN_DOWNTIME, begin_downtime, T0, DB1, "o", "r", T0 + 1, T0 + CLK_S + 1);
	assert_true(downtime_of(&w, &db1)->begin_timestamp_us == T0);
	assert_true(downtime_of(&w, &db1)->end_timestamp_us == T0 + 2 * CLK_S);
	world_done(&w);
}

/* --- tags ------------------------------------------------------------------------------------------------------ */
static const struct {
	const char *name;
	bool has_value;
	const char *value;
	bool removed;
} untags[] = {
    {"role", false, "", true},	{"role", true, "backup", true}, {"role", true, "main", false},
    {"rule", false, "", false}, {"role", true, "", false},
};

static void
a_tag_is_removed_by_name_or_by_equal_value(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(untags); i++) {
		struct world w;
		world_init(&w);
		APPLY(&w, PUT_TAG, put_tag, T0, DB1, "role", "main");
		APPLY(&w, PUT_TAG, put_tag, T0, DB1, "role", "backup");
		APPLY(&w, PUT_TAG, put_tag, T0, DB2, "role", "backup");
		APPLY(&w, DELETE_TAG, delete_tag, T0, DB1, untags[i].name, untags[i].has_value, untags[i].value);
		assert_int_equal(tag_of(&w, &db1, "role") == NULL, untags[i].removed);
		assert_int_equal(w.a.keys.n, untags[i].removed);
		assert_int_equal(effect(&w, RD_EFFECT_AUDIT) != NULL, untags[i].removed);
		assert_non_null(tag_of(&w, &db2, "role"));
		world_done(&w);
	}
}

static void
a_tag_with_its_value_goes_from_every_server(void **state UNUSED)
{
	struct world w;

	world_init(&w);
	APPLY(&w, PUT_TAG, put_tag, T0, DB1, "role", "backup");
	APPLY(&w, PUT_TAG, put_tag, T0, DB2, "role", "backup");
	APPLY(&w, PUT_TAG, put_tag, T0, DB1, "other", "backup");
	APPLY(&w, UNTAG_ALL, untag_all, T0, "role", "main");
	assert_int_equal(w.a.keys.n, 0);
	APPLY(&w, UNTAG_ALL, untag_all, T0, "role", "backup");
	assert_int_equal(w.a.keys.n, 2);
	assert_non_null(effect(&w, RD_EFFECT_AUDIT));
	assert_null(tag_of(&w, &db1, "role"));
	assert_null(tag_of(&w, &db2, "role"));
	assert_non_null(tag_of(&w, &db1, "other"));
	world_done(&w);
}

/* --- candidates and clusters ----------------------------------------------------------------------------------- */
static void
a_promotion_rule_is_dated_by_the_command(void **state UNUSED)
{
	struct world w;

	world_init(&w);
	APPLY(&w, REGISTER_CANDIDATE, register_candidate, T0 + 7, DB1, "prefer", false);
	assert_string_equal(candidate_of(&w, &db1)->promotion_rule, "prefer");
	assert_true(candidate_of(&w, &db1)->last_suggested_us == T0);
	assert_string_equal(effect(&w, RD_EFFECT_AUDIT)->audit_type, "register-candidate");
	APPLY(&w, REGISTER_CANDIDATE, register_candidate, T0 + CLK_S, DB1, "must_not", true);
	assert_null(effect(&w, RD_EFFECT_AUDIT));
	world_done(&w);
}

static void
a_cluster_keeps_its_id_and_birth(void **state UNUSED)
{
	struct db_cluster_record key = {.cluster_id = "id1"};
	const struct db_cluster_record *row;
	struct world w;

	world_init(&w);
	APPLY(&w, CLUSTER_UPSERT, cluster_upsert, T0, "id1", "db1:3306", "shop", "");
	APPLY(&w, CLUSTER_UPSERT, cluster_upsert, T0 + 60 * CLK_S, "id1", "db2:3306", "shop", "shop.example");
	row = rd_state_get(w.s, RD_TABLE_cluster_record, &key);
	assert_string_equal(row->cluster_name, "db2:3306");
	assert_true(row->created_at_us == T0 && row->updated_at_us == T0 + 60 * CLK_S);
	world_done(&w);
}

static void
an_empty_alias_removes_the_override(void **state UNUSED)
{
	struct db_cluster_alias_override key = {.cluster_name = "db1:3306"};
	struct world w;

	world_init(&w);
	APPLY(&w, SET_CLUSTER_ALIAS, set_cluster_alias, T0, "db1:3306", "shop");
	assert_non_null(rd_state_get(w.s, RD_TABLE_cluster_alias_override, &key));
	APPLY(&w, SET_CLUSTER_ALIAS, set_cluster_alias, T0, "db1:3306", "");
	assert_null(rd_state_get(w.s, RD_TABLE_cluster_alias_override, &key));
	world_done(&w);
}

/* --- time and expiry ------------------------------------------------------------------------------------------- */
static void
time_never_goes_back(void **state UNUSED)
{
	struct world w;

	world_init(&w);
	APPLY(&w, REGISTER_CANDIDATE, register_candidate, T0 + 10 * CLK_S, DB1, "prefer", false);
	APPLY(&w, REGISTER_CANDIDATE, register_candidate, T0, DB2, "prefer", false);
	assert_true(rd_state_time_us(w.s) == T0 + 10 * CLK_S);
	assert_true(candidate_of(&w, &db2)->last_suggested_us == T0 + 10 * CLK_S);
	world_done(&w);
}

static void
a_tick_expires_what_is_due_and_only_that(void **state UNUSED)
{
	const int64_t hour = 3600 * CLK_S;
	struct rd_cmd_tick tick;
	struct world w;

	world_init(&w);
	APPLY(&w, BEGIN_DOWNTIME, begin_downtime, T0, DB1, "o", "r", T0, T0 + 60 * CLK_S);
	APPLY(&w, BEGIN_DOWNTIME, begin_downtime, T0, DB2, "o", "r", T0, T0 + 2 * hour);
	APPLY(&w, REGISTER_CANDIDATE, register_candidate, T0, DB1, "prefer", false);
	assert_false(
	    rd_tick_due(w.s, T0 + 59 * CLK_S, &(struct rd_lives){.candidate_us = hour, .uid_us = 24 * hour}, &tick));
	assert_true(
	    rd_tick_due(w.s, T0 + 60 * CLK_S, &(struct rd_lives){.candidate_us = hour, .uid_us = 24 * hour}, &tick));
	apply_at(&w, RD_OP_TICK, &tick, T0 + 60 * CLK_S);
	assert_null(downtime_of(&w, &db1));
	assert_non_null(downtime_of(&w, &db2));
	assert_non_null(candidate_of(&w, &db1));
	assert_string_equal(effect(&w, RD_EFFECT_AUDIT)->audit_type, "expire-downtime");
	assert_int_equal(changes(&w), 1);
	assert_false(rd_tick_due(w.s, T0 + hour, &(struct rd_lives){.candidate_us = hour, .uid_us = 24 * hour}, &tick));
	assert_true(
	    rd_tick_due(w.s, T0 + hour + CLK_S, &(struct rd_lives){.candidate_us = hour, .uid_us = 24 * hour}, &tick));
	apply_at(&w, RD_OP_TICK, &tick, T0 + hour + CLK_S);
	assert_null(candidate_of(&w, &db1));
	world_done(&w);
}

static void
an_endless_downtime_written_by_hand_does_not_expire(void **state UNUSED)
{
	struct db_downtime row = {.hostname = "db1", .port = 3306, .owner = "", .reason = ""};
	struct rd_cmd_tick tick;
	struct world w;

	world_init(&w);
	rd_state_put(w.s, RD_TABLE_downtime, &row);
	assert_false(rd_tick_due(w.s, T0, &(struct rd_lives){.candidate_us = CLK_S, .uid_us = CLK_S}, &tick));
	apply_at(&w, RD_OP_TICK, &tick, T0);
	assert_non_null(downtime_of(&w, &db1));
	world_done(&w);
}

static void
old_uids_are_forgotten_by_tick(void **state UNUSED)
{
	const int64_t hour = 3600 * CLK_S;
	struct rd_cmd_tick tick;
	struct world w;

	world_init(&w);
	APPLY(&w, PUT_TAG, put_tag, T0, DB1, "a", "");
	APPLY(&w, PUT_TAG, put_tag, T0 + 2 * hour, DB1, "b", "");
	assert_false(
	    rd_tick_due(w.s, T0 + 25 * hour, &(struct rd_lives){.candidate_us = hour, .uid_us = 24 * hour}, &tick));
	assert_true(
	    rd_tick_due(w.s, T0 + 25 * hour + 1, &(struct rd_lives){.candidate_us = hour, .uid_us = 24 * hour}, &tick));
	apply_at(&w, RD_OP_TICK, &tick, T0 + 25 * hour + 1);
	assert_int_equal(rd_state_uid_count(w.s), 2); /* "b" and the tick itself */
	assert_int_equal(w.a.changes.v[0].kind, RD_CHANGE_PURGE);
	world_done(&w);
}

/* Nobody may fill memory by changing things fast. */
static void
remembered_uids_are_bounded(void **state UNUSED)
{
	enum { MANY = RD_UIDS_MAX + RD_UIDS_MAX / 8 };
	const int64_t end_us = T0 + MANY * CLK_S;
	const struct rd_lives lives = {.uid_us = 24 * 3600 * CLK_S};
	struct rd_cmd_tick tick;
	struct world w;
	uint64_t index;

	world_init(&w);
	for (int i = 0; i < MANY; i++)
		APPLY(&w, PUT_TAG, put_tag, T0 + i * CLK_S, DB1, "a", "");
	assert_false(rd_tick_due(w.s, end_us, &lives, &tick));
	APPLY(&w, PUT_TAG, put_tag, end_us, DB1, "a", "");
	assert_true(rd_tick_due(w.s, end_us, &lives, &tick));
	apply_at(&w, RD_OP_TICK, &tick, end_us);
	assert_int_equal(rd_state_uid_count(w.s), RD_UIDS_MAX + 1);
	assert_true(rd_state_has_uid(w.s, "uid-4000", &index)); /* of the newest 16384 */
	assert_false(rd_state_has_uid(w.s, "uid-2000", &index));
	assert_false(rd_tick_due(w.s, end_us, &lives, &tick));
	world_done(&w);
}

/* --- replays --------------------------------------------------------------------------------------------------- */
static void
a_repeated_uid_changes_nothing_and_names_the_first_index(void **state UNUSED)
{
	struct rd_cmd_put_tag on = {DB1, "role", "main"};
	struct rd_cmd_delete_tag off = {DB1, "role", false, ""};
	uint64_t hash;
	struct world w;

	world_init(&w);
	assert_int_equal(apply_uid(&w, RD_OP_PUT_TAG, &on, T0, "once"), 0);
	assert_int_equal(apply_uid(&w, RD_OP_DELETE_TAG, &off, T0, "twice"), 0);
	hash = rd_state_hash(w.s);
	assert_int_equal(apply_uid(&w, RD_OP_PUT_TAG, &on, T0, "once"), 0);
	assert_true(w.a.duplicate);
	assert_int_equal(w.a.index, 1);
	assert_int_equal(changes(&w) + w.a.n_effects, 0);
	assert_null(tag_of(&w, &db1, "role"));
	assert_true(rd_state_hash(w.s) == hash);
	world_done(&w);
}

static void
an_invalid_command_changes_nothing_and_takes_its_index(void **state UNUSED)
{
	struct rd_cmd_register_candidate bad = {DB1, "must", false};
	struct world w;

	world_init(&w);
	assert_int_equal(apply_uid(&w, RD_OP_REGISTER_CANDIDATE, &bad, T0, "bad"), -ERR_INVALID);
	assert_int_equal(rd_state_index(w.s), 1);
	assert_int_equal(rd_state_count(w.s, RD_TABLE_candidate), 0);
	world_done(&w);
}

/* Two nodes hold the same rows, whatever order their tables are in. */
static void
the_hash_does_not_depend_on_order(void **state UNUSED)
{
	struct db_tag x = {"db1", 3306, "x", "1", T0}, y = {"db2", 3306, "y", "2", T0}, z = {"db2", 3306, "z", "2", T0};
	struct rd_state *a = rd_state_new(), *b = rd_state_new();

	rd_state_put(a, RD_TABLE_tag, &x);
	rd_state_put(a, RD_TABLE_tag, &y);
	rd_state_put(b, RD_TABLE_tag, &z);
	rd_state_put(b, RD_TABLE_tag, &y);
	assert_true(rd_state_hash(a) != rd_state_hash(b));
	assert_true(rd_state_remove(b, RD_TABLE_tag, &z));
	rd_state_put(b, RD_TABLE_tag, &x);
	assert_true(rd_state_hash(a) == rd_state_hash(b));
	x.tag_value = "2";
	rd_state_put(a, RD_TABLE_tag, &x);
	assert_true(rd_state_hash(a) != rd_state_hash(b));
	rd_state_free(a);
	rd_state_free(b);
}

static void
the_hash_of_each_thousandth_entry_is_kept(void **state UNUSED)
{
	uint64_t hashes[RD_HASHES_KEPT + 2] = {0}, hash;
	struct world w;

	world_init(&w);
	assert_int_equal(rd_state_newest_hash(w.s, &hash), 0);
	for (uint64_t i = 1; i <= (RD_HASHES_KEPT + 1) * RD_HASH_EVERY + 1; i++) {
		if (i % 2 == 0)
			APPLY(&w, PUT_TAG, put_tag, T0 + (int64_t)i, DB1, "a", "");
		else
			rd_apply_nothing(w.s, (struct rd_entry_at){i, 0});
		if (i % RD_HASH_EVERY == 0)
			hashes[i / RD_HASH_EVERY] = rd_state_hash(w.s);
	}
	assert_int_equal(rd_state_newest_hash(w.s, &hash), (RD_HASHES_KEPT + 1) * RD_HASH_EVERY);
	assert_true(hash == hashes[RD_HASHES_KEPT + 1]);
	assert_false(rd_state_hash_at(w.s, 0, &hash));
	assert_false(rd_state_hash_at(w.s, RD_HASH_EVERY, &hash)); /* too long ago */
	assert_false(rd_state_hash_at(w.s, 2 * RD_HASH_EVERY + 1, &hash));
	for (uint64_t k = 2; k <= RD_HASHES_KEPT + 1; k++) {
		assert_true(rd_state_hash_at(w.s, k * RD_HASH_EVERY, &hash));
		assert_true(hash == hashes[k]);
	}
	world_done(&w);
}

/* --- failures -------------------------------------------------------------------------------------------------- */
static void
detect(struct world *w, const struct topo_key *key, const char *analysis, bool actionable)
{
	struct rd_witness seen[] = {
	    {.witness = "n1:10008",
	     .seen = "refused",
	     .cause = "refused",
	     .errno_mysql = 2003,
	     .attempts = 2,
	     .reader = ""},
	    {.witness = "db2:3306", .is_replica = true, .seen = "lost its source", .cause = "", .reader = "n1:10008"},
	};
	struct topo_key replicas[] = {DB2, {"db3", 3307}};

	APPLY(w, REGISTER_FAILURE_DETECTION, register_failure_detection, T0, .key = *key, .analysis = analysis,
	      .cluster_name = "db1:3306", .cluster_alias = "main", .is_actionable = actionable, .token = "0f0f",
	      .count_replicas = 2, .replicas = {replicas, 2}, .witnesses = {seen, 2});
}

static void
a_detection_is_kept_with_its_witnesses(void **state UNUSED)
{
	struct world w;
	const struct db_detection *d;
	const struct db_detection_witness *seen;
	int64_t id;

	world_init(&w);
	detect(&w, &db1, "DeadMaster", true);
	id = w.a.id;
	assert_true(id > 0);
	d = rd_state_get(w.s, RD_TABLE_detection, &(struct db_detection){.detection_id = id});
	assert_non_null(d);
	assert_string_equal(d->analysis, "DeadMaster");
	assert_string_equal(d->slave_hosts, "db2:3306,db3:3307");
	assert_true(d->in_active_period && d->is_actionable);
	assert_int_equal(d->start_active_period_us, T0);
	assert_int_equal(rd_state_count(w.s, RD_TABLE_detection_witness), 2);
	seen = rd_state_get(w.s, RD_TABLE_detection_witness,
			    &(struct db_detection_witness){.detection_id = (uint64_t)id, .witness = "n1:10008"});
	assert_non_null(seen);
	assert_string_equal(seen->seen, "refused");
	assert_int_equal(seen->attempts, 2);

	detect(&w, &db1, "DeadMasterAndSomeReplicas", true); /* it is known already */
	assert_int_equal(w.a.id, id);
	assert_int_equal(rd_state_count(w.s, RD_TABLE_detection), 1);
	detect(&w, &db1, "UnreachableMaster", false); /* one that may not be acted on stands beside it */
	assert_int_not_equal(w.a.id, id);
	detect(&w, &db2, "DeadMaster", true);
	assert_int_equal(rd_state_count(w.s, RD_TABLE_detection), 3);
	world_done(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_detection_is_kept_with_its_witnesses),
	    cmocka_unit_test(a_new_server_is_a_placeholder_that_was_never_seen),
	    cmocka_unit_test(forgetting_deletes_the_row_and_keeps_decisions),
	    cmocka_unit_test(downtime_begins_is_replaced_and_ends),
	    cmocka_unit_test(downtime_that_has_ended_already_has_no_effect),
	    cmocka_unit_test(downtime_is_kept_in_whole_seconds_outwards),
	    cmocka_unit_test(a_tag_is_removed_by_name_or_by_equal_value),
	    cmocka_unit_test(a_tag_with_its_value_goes_from_every_server),
	    cmocka_unit_test(a_promotion_rule_is_dated_by_the_command),
	    cmocka_unit_test(a_cluster_keeps_its_id_and_birth),
	    cmocka_unit_test(an_empty_alias_removes_the_override),
	    cmocka_unit_test(time_never_goes_back),
	    cmocka_unit_test(a_tick_expires_what_is_due_and_only_that),
	    cmocka_unit_test(an_endless_downtime_written_by_hand_does_not_expire),
	    cmocka_unit_test(old_uids_are_forgotten_by_tick),
	    cmocka_unit_test(remembered_uids_are_bounded),
	    cmocka_unit_test(a_repeated_uid_changes_nothing_and_names_the_first_index),
	    cmocka_unit_test(an_invalid_command_changes_nothing_and_takes_its_index),
	    cmocka_unit_test(the_hash_does_not_depend_on_order),
	    cmocka_unit_test(the_hash_of_each_thousandth_entry_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
