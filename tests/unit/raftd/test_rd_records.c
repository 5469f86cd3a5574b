/* test_rd_records.c — recoveries as replicated records: who may begin, and what each event leaves behind. The states
 * themselves: tests/unit/recovery. */
#include "records_world.h"

/* --- beginning ------------------------------------------------------------------------------------------------------ */
static void
one_begins_and_holds_its_cluster(void **state UNUSED)
{
	struct world w;
	const struct db_recovery *row;
	int64_t id;

	world_init(&w);
	assert_int_equal(begin_of(&w, "r1", "c1", &db1, false, T0 + 5), 0);
	id = w.a.id;
	assert_true(id > 0);
	assert_true((todo(&w) & RD_DO_PRE_HOOKS) != 0);
	row = row_of(&w, "r1");
	assert_int_equal(row->recovery_id, id);
	assert_true(row->in_active_period && !row->is_successful && !row->acknowledged);
	assert_string_equal(row->slave_hosts, "db2:3306,db3:3307");
	assert_string_equal(row->cluster_name, "db1:3306");
	assert_int_equal(row->last_detection_id, 7);
	assert_int_equal(state_of(&w, "r1"), RD_RECOVERY_HOOKS);
	assert_string_equal(rd_records_cluster_id(w.s, "db1:3306"), "c1");

	/* the same again, with another command: as the first time */
	assert_int_equal(begin_of(&w, "r1", "c1", &db1, false, T0 + CLK_S), 0);
	assert_int_equal(w.a.id, id);
	assert_null(effect(&w, RD_EFFECT_RECOVERY));
	/* nobody else, even forced, under whatever cluster's name, or with another cluster's id for the same server */
	assert_int_equal(begin_of(&w, "r2", "c1", &db1, false, T0 + CLK_S), -ERR_BUSY);
	assert_int_equal(begin_of(&w, "r2", "c1", &db3, true, T0 + CLK_S), -ERR_BUSY);
	assert_int_equal(begin_of(&w, "r2", "c2", &db1, true, T0 + CLK_S), -ERR_BUSY);
	/* nor by age: a lock ends with its recovery */
	assert_int_equal(begin_of(&w, "r2", "c1", &db1, true, T0 + YEAR_US), -ERR_BUSY);
	assert_int_equal(rd_state_count(w.s, RD_TABLE_recovery), 1);
	/* another cluster is not concerned */
	assert_int_equal(begin_of(&w, "r3", "c3", &db3, false, T0 + YEAR_US), 0);
	world_done(&w);
}

static void
it_belongs_to_the_active_detection(void **state UNUSED)
{
	static const struct topo_key servers[] = {DB3, DB1};
	struct world w;
	int64_t detection;

	world_init(&w);
	for (size_t i = 0; i < ARRAY_LEN(servers); i++)
		APPLY(&w, REGISTER_FAILURE_DETECTION, register_failure_detection, T0, .key = servers[i],
		      .analysis = "DeadMaster", .cluster_name = "x", .cluster_alias = "", .is_actionable = true,
		      .token = "");
	detection = w.a.id;
	APPLY(&w, RECOVERY_BEGIN, recovery_begin, T0, .recovery_uid = "r1", .cluster_id = "c1", .cluster_name = "x",
	      .key = DB1, .by = "", .analysis = "DeadMaster");
	assert_int_equal(row_of(&w, "r1")->last_detection_id, detection);
	/* without an alias the cluster goes by its name */
	assert_string_equal(row_of(&w, "r1")->cluster_alias, "x");
	assert_string_equal(((const struct db_detection *)rd_state_get(
				 w.s, RD_TABLE_detection, &(struct db_detection){.detection_id = detection}))
				->cluster_alias,
			    "x");
	world_done(&w);
}

static void
write_input(struct world *w, const char *uid, const char *text, size_t each)
{
	for (uint64_t part = 0; *text != '\0'; part++) {
		char *content = mem_strndup(text, each);
		APPLY(w, RECOVERY_INPUT, recovery_input, T0, .recovery_uid = uid, .part = part, .content = content);
		text += strlen(content);
		free(content);
	}
}

static void
its_input_comes_in_parts_and_is_read_again(void **state UNUSED)
{
	struct rd_recovery_server servers[2];
	struct rd_recovery_input in, got;
	struct mem_arena arena = {0};
	struct str_buf text = {0};
	struct world w;
	struct err e;

	world_init(&w);
	rec_init(&rd_recovery_input_desc, &in);
	rec_init(&rd_recovery_server_desc, &servers[0]);
	rec_init(&rd_recovery_server_desc, &servers[1]);
	servers[0].key = db2;
	servers[0].executed_gtid_set = "00020192-1111-1111-1111-111111111111:1-100";
	servers[1].key = db3;
	servers[1].data_center = "caf\xc3\xa9 'x'";
	in.uid = "r1";
	in.failed.key = db1;
	in.suspected_us = T0 + 3;
	in.policy.prevent_cross_region = true;
	in.servers.v = servers;
	in.servers.n = 2;
	rd_recovery_input_write(&in, &text);
	write_input(&w, "r1", text.p, 50);

	APPLY(&w, RECOVERY_BEGIN, recovery_begin, T0, .recovery_uid = "r1", .cluster_id = "c1", .cluster_name = "x",
	      .key = DB1, .input_parts = (text.len + 49) / 50, .by = "", .analysis = "");
	assert_int_equal(rd_records_input(w.s, "r1", &arena, &got, &e), 0);
	assert_true(rec_equal(&rd_recovery_input_desc, &in, &got));
	/* what it began with stays */
	APPLY(&w, RECOVERY_INPUT, recovery_input, T0, .recovery_uid = "r1", .part = 0, .content = "other");
	assert_int_equal(rd_records_input(w.s, "r1", &arena, &got, &e), 0);
	assert_int_equal(rd_records_input(w.s, "r2", &arena, &got, &e), -ERR_NOT_FOUND);
	mem_arena_done(&arena);
	str_buf_done(&text);
	world_done(&w);
}

static void
who_is_who_is_left_of_an_input_that_was_given_up(void **state UNUSED)
{
	struct topo_key suspects[] = {db2, db3};
	struct rd_recovery_input in;
	struct mem_arena arena = {0};
	struct rd_recovery r;

	rec_init(&rd_recovery_desc, &r);
	r.uid = "r1";
	r.failed = db1;
	r.successor = db3;
	r.suspects = (struct topo_key_list){suspects, 2};
	rd_records_input_left(&r, &arena, &in);
	assert_string_equal(in.uid, "r1");
	assert_true(topo_key_equal(&in.failed.key, &db1));
	assert_int_equal(in.servers.n, 2);
	assert_non_null(rd_recovery_find(&in, &db2));
	assert_non_null(rd_recovery_find(&in, &db3));
	mem_arena_done(&arena);
}

static void
assert_text(const struct world *w, bool chosen, const char *want)
{
	struct str_buf text = {0};
	struct err e;
	int rc = rd_records_input_text(w->s, "r1", chosen, &text, &e);

	if (want == NULL)
		assert_int_equal(rc, -ERR_NOT_FOUND);
	else
		assert_string_equal(str_buf_text(&text), want);
	str_buf_done(&text);
}

static void
tell_chosen(struct world *w, uint64_t part, const char *content)
{
	APPLY(w, RECOVERY_INPUT, recovery_input, T0, .recovery_uid = "r1", .part = RD_INPUT_CHOSEN + part,
	      .content = content);
}

static void
what_the_newest_choice_was_made_on_stays(void **state UNUSED)
{
	struct world w;

	world_init(&w);
	assert_text(&w, false, NULL);
	APPLY(&w, RECOVERY_INPUT, recovery_input, T0, .recovery_uid = "r1", .part = 0, .content = "# began\n");
	APPLY(&w, RECOVERY_BEGIN, recovery_begin, T0, .recovery_uid = "r1", .cluster_id = "c1", .cluster_name = "x",
	      .key = DB1, .input_parts = 1, .by = "", .analysis = "");
	assert_text(&w, true, NULL);
	for (uint64_t part = 0; part < 3; part++)
		tell_chosen(&w, part, "# old\n");
	assert_text(&w, true, "# old\n# old\n# old\n");
	tell_chosen(&w, 0, "# new\n");
	tell_chosen(&w, 1, "# er\n");
	assert_text(&w, true, "# new\n# er\n");
	assert_text(&w, false, "# began\n");
	assert_int_equal(rd_state_count(w.s, RD_TABLE_recovery_input), 3);
	world_done(&w);
}

static void
without_a_part_of_its_input_it_does_not_begin(void **state UNUSED)
{
	struct rd_cmd_recovery_begin c = {.recovery_uid = "r1",
					  .cluster_id = "c1",
					  .cluster_name = "x",
					  .key = DB1,
					  .input_parts = 2,
					  .by = "",
					  .analysis = ""};
	struct world w;

	world_init(&w);
	APPLY(&w, RECOVERY_INPUT, recovery_input, T0, .recovery_uid = "r1", .part = 1, .content = "b");
	assert_int_equal(apply_uid(&w, RD_OP_RECOVERY_BEGIN, &c, T0, "b1"), -ERR_PRECONDITION);
	assert_int_equal(rd_state_count(w.s, RD_TABLE_recovery), 0);
	APPLY(&w, RECOVERY_INPUT, recovery_input, T0, .recovery_uid = "r1", .part = 0, .content = "a");
	assert_int_equal(apply_uid(&w, RD_OP_RECOVERY_BEGIN, &c, T0, "b2"), 0);
	world_done(&w);
}

/* --- a promotion ----------------------------------------------------------------------------------------------------- */
static void
a_promotion_moves_the_cluster_in_one_command(void **state UNUSED)
{
	struct db_host_attribute domain = {.hostname = "*", .attribute_name = "main.example"};
	const struct db_cluster_record *c;
	const struct db_host_attribute *d;
	struct mem_arena arena = {0};
	struct rd_recovery r;
	struct world w;

	world_init(&w);
	APPLY(&w, CLUSTER_UPSERT, cluster_upsert, T0, .cluster_id = "c1", .cluster_name = "db1:3306", .alias = "main",
	      .domain_name = "main.example");
	APPLY(&w, SET_CLUSTER_ALIAS, set_cluster_alias, T0, .cluster_name = "db1:3306", .alias = "by-hand");
	APPLY(&w, BEGIN_DOWNTIME, begin_downtime, T0, .key = DB2, .owner = "o", .reason = "r", .begins_us = T0,
	      .ends_us = T0 + YEAR_US);
	assert_int_equal(begin_of(&w, "r1", "c1", &db1, false, T0), 0);
	promote(&w);

	assert_true((todo(&w) & RD_DO_ANNOUNCE) != 0);
	assert_int_equal(state_of(&w, "r1"), RD_RECOVERY_REPOINT);
	c = rd_state_get(w.s, RD_TABLE_cluster_record, &(struct db_cluster_record){.cluster_id = "c1"});
	assert_non_null(c);
	assert_string_equal(c->cluster_name, "db2:3306");
	assert_string_equal(c->alias, "main");
	assert_null(rd_state_get(w.s, RD_TABLE_cluster_alias_override,
				 &(struct db_cluster_alias_override){.cluster_name = "db1:3306"}));
	assert_non_null(rd_state_get(w.s, RD_TABLE_cluster_alias_override,
				     &(struct db_cluster_alias_override){.cluster_name = "db2:3306"}));
	d = rd_state_get(w.s, RD_TABLE_host_attribute, &domain);
	assert_non_null(d);
	assert_string_equal(d->attribute_value, "db2:3306");
	assert_null(downtime_of(&w, &db2));
	assert_non_null(downtime_of(&w, &db1));
	assert_string_equal(downtime_of(&w, &db1)->reason, "lost-in-recovery");
	assert_string_equal(row_of(&w, "r1")->successor_hostname, "db2");
	assert_string_equal(row_of(&w, "r1")->successor_alias, "two");
	assert_true(rd_records_machine(w.s, "r1", &arena, &r));
	assert_true(r.promoted);
	assert_string_equal(r.promoted_at, "0-1-100");
	assert_true(topo_key_equal(&r.successor, &db2));
	mem_arena_done(&arena);
	world_done(&w);
}

static void
lost_servers_are_named_and_get_a_downtime(void **state UNUSED)
{
	struct rd_lost lost[] = {{.key = DB3, .why = "it has what the successor lacks"}};
	struct topo_key all[] = {DB2, DB3};
	struct world w;

	world_init(&w);
	assert_int_equal(begin_of(&w, "r1", "c1", &db1, false, T0), 0);
	promote(&w);
	event(&w, RD_EVENT_STEPS_OVER, T0 + 3 * CLK_S);
	assert_true((todo(&w) & RD_DO_RECORD) != 0);
	for (int i = 0; i < 2; i++) /* also again, by the next leader */
		APPLY(&w, RECOVERY_RECORD, recovery_record, T0 + 4 * CLK_S, .recovery_uid = "r1", .lost = {lost, 1},
		      .participating = {all, 2}, .error = i == 0 ? "one" : "two", .loss = "possible",
		      .downtime_ends_us = T0 + YEAR_US);
	assert_string_equal(row_of(&w, "r1")->lost_slaves, "db3:3307");
	assert_string_equal(row_of(&w, "r1")->participating_instances, "db2:3306,db3:3307");
	assert_string_equal(row_of(&w, "r1")->all_errors, "one\ntwo");
	assert_non_null(downtime_of(&w, &db3));
	assert_int_equal(row_of(&w, "r1")->end_recovery_us, 0);
	event(&w, RD_EVENT_RECORDED, T0 + 5 * CLK_S);
	assert_true((todo(&w) & RD_DO_UNLOCK) != 0);
	assert_true(row_of(&w, "r1")->is_successful);
	assert_int_equal(row_of(&w, "r1")->end_recovery_us, T0 + 5 * CLK_S);
	assert_true(row_of(&w, "r1")->in_active_period);
	world_done(&w);
}

/* --- events ------------------------------------------------------------------------------------------------------------ */
static void
an_event_of_another_turn_or_state_changes_nothing(void **state UNUSED)
{
	struct world w;

	world_init(&w);
	assert_int_equal(event_at_turn(&w, "r1", RD_EVENT_HOOKS_OK, 0, T0), -ERR_NOT_FOUND);
	assert_int_equal(begin_of(&w, "r1", "c1", &db1, false, T0), 0);
	assert_int_equal(event_at_turn(&w, "r1", RD_EVENT_WRITABLE, 0, T0), -ERR_PRECONDITION);
	assert_int_equal(changes(&w), 0);
	assert_int_equal(event_at_turn(&w, "r1", RD_EVENT_HOOKS_OK, 2, T0), -ERR_PRECONDITION);
	assert_int_equal(event_at_turn(&w, "r1", RD_EVENT_HOOKS_OK, 1, T0), 0);
	assert_int_equal(event_at_turn(&w, "r1", RD_EVENT_STEPS_OVER, 1, T0), -ERR_PRECONDITION);
	assert_int_equal(event_at_turn(&w, "r1", RD_EVENT_STEPS_OVER, 2, T0), 0);
	assert_int_equal(state_of(&w, "r1"), RD_RECOVERY_CHOOSE);
	world_done(&w);
}

static void
dropped_candidates_are_remembered(void **state UNUSED)
{
	struct mem_arena arena = {0};
	struct rd_recovery_list running;
	struct world w;

	world_init(&w);
	assert_int_equal(begin_of(&w, "r1", "c1", &db1, false, T0), 0);
	event(&w, RD_EVENT_HOOKS_OK, T0);
	event(&w, RD_EVENT_STEPS_OVER, T0);
	event(&w, RD_EVENT_CHOSEN, T0);
	event(&w, RD_EVENT_CANDIDATE_FAILED, T0);
	running = rd_records_running(w.s, &arena);
	assert_int_equal(running.n, 1);
	assert_int_equal(running.v[0].excluded.n, 1);
	assert_true(topo_key_equal(&running.v[0].excluded.v[0], &db2));
	assert_int_equal(running.v[0].suspects.n, 0);
	assert_string_equal(running.v[0].successor.hostname, "");
	mem_arena_done(&arena);
	world_done(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(one_begins_and_holds_its_cluster),
	    cmocka_unit_test(it_belongs_to_the_active_detection),
	    cmocka_unit_test(its_input_comes_in_parts_and_is_read_again),
	    cmocka_unit_test(who_is_who_is_left_of_an_input_that_was_given_up),
	    cmocka_unit_test(what_the_newest_choice_was_made_on_stays),
	    cmocka_unit_test(without_a_part_of_its_input_it_does_not_begin),
	    cmocka_unit_test(a_promotion_moves_the_cluster_in_one_command),
	    cmocka_unit_test(lost_servers_are_named_and_get_a_downtime),
	    cmocka_unit_test(an_event_of_another_turn_or_state_changes_nothing),
	    cmocka_unit_test(dropped_candidates_are_remembered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
