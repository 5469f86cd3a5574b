/* test_rd_records_end.c — what becomes of recoveries' records: whom they block, who acknowledges what, their hooks and
 * steps, and when they are forgotten. */
#include "records_world.h"

/* --- afterwards ---------------------------------------------------------------------------------------------------------- */
static void
ack(struct world *w, const struct rd_cmd_ack_recoveries *what, int64_t want)
{
	struct rd_cmd_ack_recoveries c = *what;
	char command[64];

	c.owner = "gromit";
	c.comment = "seen";
	c.recovery_uid = c.recovery_uid == NULL ? "" : c.recovery_uid;
	c.cluster_name = c.cluster_name == NULL ? "" : c.cluster_name;
	c.cluster_alias = c.cluster_alias == NULL ? "" : c.cluster_alias;
	c.key.hostname = c.key.hostname == NULL ? "" : c.key.hostname;
	(void)snprintf(command, sizeof(command), "ack-%u", ++w->uids);
	assert_int_equal(apply_uid(w, RD_OP_ACK_RECOVERIES, &c, T0 + 60 * CLK_S, command), 0);
	assert_int_equal(w->a.id, want);
}

/* Who may begin after one that promoted db2 in place of db1 at T0, or was undone. */
static void
what_was_lately_blocks_what_comes(void **state UNUSED)
{
	static const struct {
		bool promoted, acked;
		struct topo_key failed;
		const char *cluster;
		bool forced;
		int64_t after_us;
		int want;
	} cases[] = {
	    {true, false, DB1, "c1", false, 60 * CLK_S, -ERR_BUSY},
	    {true, false, DB2, "c1", false, 60 * CLK_S, -ERR_BUSY},
	    {true, false, DB2, "c9", false, 60 * CLK_S, -ERR_BUSY}, /* it was promoted lately, whatever its cluster */
	    {true, false, DB3, "c9", false, 60 * CLK_S, 0},
	    {true, false, DB2, "c1", true, 60 * CLK_S, 0},
	    {true, false, DB1, "c1", true, 60 * CLK_S, 0},
	    {true, false, DB2, "c1", false, BLOCK_US + CLK_S, 0},
	    {true, false, DB1, "c1", false, BLOCK_US + CLK_S, 0},
	    {true, true, DB2, "c1", false, 61 * CLK_S, 0},
	    {false, false, DB1, "c1", false, 60 * CLK_S, 0}, /* it had returned: nothing was done */
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct world w;
		int64_t by = 0;
		world_init(&w);
		assert_int_equal(begin_of(&w, "r1", "c1", &db1, false, T0), 0);
		if (cases[i].promoted)
			finish(&w, T0 + 3 * CLK_S);
		else
			abort_it(&w, T0 + 3 * CLK_S);
		if (cases[i].acked)
			ack(&w, &(struct rd_cmd_ack_recoveries){.all = true}, 1);
		assert_int_equal(rd_records_block(w.s, cases[i].cluster, &cases[i].failed, "DeadMaster",
						  cases[i].forced, T0 + cases[i].after_us, BLOCK_US,
						  &by) != RD_BLOCK_NONE,
				 cases[i].want != 0);
		if (begin_of(&w, "r2", cases[i].cluster, &cases[i].failed, cases[i].forced, T0 + cases[i].after_us) !=
		    cases[i].want)
			fail_msg("case %zu", i);
		if (cases[i].want == 0)
			assert_true(row_of(&w, "r2")->in_active_period);
		/* never two active rows of one server: a unique index of the backend */
		if (cases[i].want == 0 && topo_key_equal(&cases[i].failed, &db1))
			assert_false(row_of(&w, "r1")->in_active_period);
		world_done(&w);
	}
}

/* Who gave it up stands in the audit and in its steps. */
static void
an_abort_names_who_asked(void **state UNUSED)
{
	static const struct {
		const char *text, *audit, *step;
	} cases[] = {
	    {"by gromit", "recovery r1, by gromit: asked by an operator",
	     "+2.000 s: fence: abort, asked by an operator: by gromit"},
	    {"", "recovery r1: asked by an operator", "+2.000 s: fence: abort, asked by an operator"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct rd_cursor c = {.table = RD_TABLE_recovery_step};
		const struct db_recovery_step *last = NULL;
		const void *row;
		struct world w;

		world_init(&w);
		assert_int_equal(begin_of(&w, "r1", "c1", &db1, false, T0), 0);
		event(&w, RD_EVENT_HOOKS_OK, T0 + CLK_S);
		APPLY(&w, RECOVERY_EVENT, recovery_event, T0 + 2 * CLK_S, .recovery_uid = "r1", .event = RD_EVENT_ABORT,
		      .successor = {"", 0}, .promoted_at = "", .text = cases[i].text, .successor_alias = "");
		assert_string_equal(effect(&w, RD_EFFECT_AUDIT)->audit_type, "abort-recovery");
		assert_string_equal(effect(&w, RD_EFFECT_AUDIT)->message, cases[i].audit);
		while (rd_state_next(w.s, &c, &row) && c.table == RD_TABLE_recovery_step)
			last = row;
		assert_non_null(last);
		assert_string_equal(last->message, cases[i].step);
		world_done(&w);
	}
}

static void
detect(struct world *w, const struct topo_key *key, const char *cluster)
{
	APPLY(w, REGISTER_FAILURE_DETECTION, register_failure_detection, T0, .key = *key, .analysis = "DeadMaster",
	      .cluster_name = cluster, .cluster_alias = "main", .is_actionable = true, .token = "0f0f");
}

static size_t
active_detections(const struct world *w)
{
	struct rd_cursor c = {.table = RD_TABLE_detection};
	const struct db_detection *row;
	size_t n = 0;

	while ((row = rd_state_next_row(w->s, &c)) != NULL)
		n += row->in_active_period;
	return n;
}

static void
operators_acknowledge_what_they_mean(void **state UNUSED)
{
	static const struct {
		struct rd_cmd_ack_recoveries what;
		int64_t acked;
		size_t detections; /* that stay active */
	} cases[] = {
	    {{.all = true}, 2, 1},
	    {{.recovery_uid = "r1"}, 1, 1},
	    {{.recovery_uid = "r9"}, 0, 1},
	    {{.key = DB1}, 1, 1}, /* the one of db1 ended with the recovery */
	    {{.key = DB3}, 1, 0},
	    {{.key = DB2}, 0, 1},
	    {{.cluster_name = "db1:3306"}, 1, 1},
	    {{.cluster_name = "db1:3306", .cluster_alias = "main"}, 2, 0},
	    {{.cluster_name = "db2:3306"}, 1, 1}, /* what the cluster is called since */
	    {{.cluster_name = "other"}, 0, 1},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct world w;
		world_init(&w);
		detect(&w, &db1, "db1:3306");
		detect(&w, &db3, "db3:3307");
		assert_int_equal(begin_of(&w, "r1", "c1", &db1, false, T0), 0);
		finish(&w, T0 + 3 * CLK_S);
		assert_int_equal(begin_of(&w, "r3", "c3", &db3, false, T0), 0);
		ack(&w, &cases[i].what, cases[i].acked);
		assert_int_equal(active_detections(&w), cases[i].detections);
		/* acknowledged or not, one that runs holds its lock */
		assert_true(row_of(&w, "r3")->in_active_period);
		assert_int_equal(begin_of(&w, "r4", "c3", &db3, true, T0 + 61 * CLK_S), -ERR_BUSY);
		ack(&w, &cases[i].what, 0);
		world_done(&w);
	}
}

static void
an_acknowledgement_is_kept_and_ends_the_period(void **state UNUSED)
{
	const struct db_recovery *row;
	struct world w;

	world_init(&w);
	assert_int_equal(begin_of(&w, "r1", "c1", &db1, false, T0), 0);
	ack(&w, &(struct rd_cmd_ack_recoveries){.key = DB1}, 1);
	row = row_of(&w, "r1");
	assert_true(row->acknowledged && row->in_active_period);
	finish(&w, T0 + 90 * CLK_S);
	row = row_of(&w, "r1");
	assert_false(row->in_active_period); /* it was acknowledged while it ran */
	assert_int_equal(row->end_active_period_unixtime.v, T0 / CLK_S + 90);
	assert_string_equal(row->acknowledged_by, "gromit");
	assert_string_equal(row->acknowledge_comment, "seen");
	assert_int_equal(row->acknowledged_at_us, T0 + 60 * CLK_S);
	world_done(&w);
}

static void
what_is_blocked_is_free_again_with_what_blocks(void **state UNUSED)
{
	struct world w;
	int64_t id;

	world_init(&w);
	assert_int_equal(begin_of(&w, "r1", "c1", &db1, false, T0), 0);
	id = w.a.id;
	finish(&w, T0 + 3 * CLK_S);
	for (int i = 0; i < 2; i++) {
		APPLY(&w, BLOCKED_RECOVERY, blocked_recovery, T0 + 4 * CLK_S, .key = DB2, .cluster_name = "db2:3306",
		      .analysis = "DeadMaster", .blocking_recovery_id = id);
		assert_non_null(rd_records_blocked(w.s, &db2));
		assert_int_equal(rd_records_blocked(w.s, &db2)->blocking_recovery_id.v, id);
		if (i == 0)
			APPLY(&w, BLOCKED_RECOVERY, blocked_recovery, T0 + 4 * CLK_S, .key = DB2, .is_over = true);
		else
			ack(&w, &(struct rd_cmd_ack_recoveries){.recovery_id = id}, 1);
		assert_null(rd_records_blocked(w.s, &db2));
	}
	world_done(&w);
}

static void
marks_of_hooks_never_go_back(void **state UNUSED)
{
	struct world w;

	world_init(&w);
	assert_int_equal(rd_records_mark(w.s, "r1", "PreFailoverProcesses", 0), RD_HOOK_MARK_NONE);
	for (size_t i = 0; i < 3; i++) {
		static const enum rd_hook_mark marks[] = {RD_HOOK_MARK_STARTED, RD_HOOK_MARK_OK, RD_HOOK_MARK_STARTED};
		static const enum rd_hook_mark want[] = {RD_HOOK_MARK_STARTED, RD_HOOK_MARK_OK, RD_HOOK_MARK_OK};
		APPLY(&w, HOOK_RAN, hook_ran, T0, .recovery_uid = "r1", .hook_list = "PreFailoverProcesses",
		      .mark = marks[i]);
		assert_int_equal(rd_records_mark(w.s, "r1", "PreFailoverProcesses", 0), want[i]);
	}
	assert_int_equal(rd_records_mark(w.s, "r1", "PreFailoverProcesses", 1), RD_HOOK_MARK_NONE);
	assert_int_equal(rd_records_mark(w.s, "r1", "PostFailoverProcesses", 0), RD_HOOK_MARK_NONE);
	assert_int_equal(rd_records_attempts(w.s, "r1", "PreFailoverProcesses", 2), 1);
	assert_int_equal(rd_records_attempts(w.s, "r1", "PostFailoverProcesses", 2), 0);
	for (size_t i = 0; i < 3; i++)
		APPLY(&w, HOOK_RAN, hook_ran, T0 + (int64_t)i, .recovery_uid = "r1",
		      .hook_list = "PostFailoverProcesses", .number = 1, .mark = RD_HOOK_MARK_STARTED);
	assert_int_equal(rd_records_attempts(w.s, "r1", "PostFailoverProcesses", 2), 3);
	assert_int_equal(rd_records_attempts(w.s, "r1", "PostFailoverProcesses", 1), 0);
	world_done(&w);
}

static void
steps_are_lines_in_their_order(void **state UNUSED)
{
	struct rd_audit_line lines[] = {
	    {.at_us = T0 + 213 * CLK_MS,
	     .term = 3,
	     .number = 1,
	     .key = DB2,
	     .statement = "stop-replica",
	     .outcome = "ok",
	     .text = ""},
	    {.term = 3,
	     .number = 2,
	     .key = DB3,
	     .statement = "stop-replica",
	     .outcome = "failed",
	     .text = "error 1227"},
	    {.key = {.hostname = ""}, .statement = "", .outcome = "", .text = "chosen: db2"},
	};
	static const char *const want[] = {
	    "+0.000 s: recovery of db1:3306 (DeadMaster) begins", "+0.213 s: step 3.1 db2:3306 stop-replica: ok",
	    "+1.500 s: step 3.2 db3:3307 stop-replica: failed, error 1227", "+1.500 s: chosen: db2"};
	struct rd_cursor c = {.table = RD_TABLE_recovery_step};
	const struct db_recovery_step *step;
	struct world w;
	size_t n = 0;
	int64_t id = 0;

	world_init(&w);
	assert_int_equal(begin_of(&w, "r1", "c1", &db1, false, T0), 0);
	APPLY(&w, RECOVERY_STEP, recovery_step, T0 + 1500 * CLK_MS, .recovery_uid = "r1", .lines = {lines, 3});
	while ((step = rd_state_next_row(w.s, &c)) != NULL) {
		assert_true(n < ARRAY_LEN(want));
		assert_string_equal(step->message, want[n]);
		assert_true(step->recovery_step_id > id);
		id = step->recovery_step_id;
		n++;
	}
	assert_int_equal(n, ARRAY_LEN(want));
	world_done(&w);
}

static bool
has_input(const struct world *w, const char *uid)
{
	return rd_state_get(w->s, RD_TABLE_recovery_input, &(struct db_recovery_input){.recovery_uid = uid}) != NULL;
}

static void
inputs_of_the_newest_are_kept(void **state UNUSED)
{
	char uid[32];
	struct world w;

	world_init(&w);
	for (int i = 0; i < RD_INPUTS_KEPT + 3; i++) {
		(void)snprintf(uid, sizeof(uid), "r%d", i);
		APPLY(&w, RECOVERY_INPUT, recovery_input, T0, .recovery_uid = uid, .part = 0, .content = "# nothing\n");
		APPLY(&w, RECOVERY_BEGIN, recovery_begin, T0, .recovery_uid = uid, .cluster_id = uid,
		      .cluster_name = "x", .key = {"db", 1000 + i}, .input_parts = 1, .by = "",
		      .analysis = "DeadMaster");
		APPLY(&w, RECOVERY_INPUT, recovery_input, T0, .recovery_uid = uid, .part = RD_INPUT_CHOSEN,
		      .content = "# nothing\n");
		if (i > 0) /* the first one runs */
			assert_int_equal(event_at_turn(&w, uid, RD_EVENT_HOOKS_FAILED, 0, T0), 0);
	}
	assert_true(has_input(&w, "r0"));
	assert_false(has_input(&w, "r1"));
	assert_true(has_input(&w, uid));
	assert_in_range(rd_state_count(w.s, RD_TABLE_recovery_input), 2 * RD_INPUTS_KEPT, 2 * RD_INPUTS_KEPT + 4);
	world_done(&w);
}

static void
an_input_without_a_beginning_goes(void **state UNUSED)
{
	struct world w;

	world_init(&w);
	APPLY(&w, RECOVERY_INPUT, recovery_input, T0, .recovery_uid = "r1", .part = 0, .content = "# nothing\n");
	APPLY(&w, RECOVERY_BEGIN, recovery_begin, T0, .recovery_uid = "r1", .cluster_id = "c1", .cluster_name = "x",
	      .key = DB1, .input_parts = 1, .by = "", .analysis = "DeadMaster");
	APPLY(&w, RECOVERY_INPUT, recovery_input, T0, .recovery_uid = "r2", .part = 0, .content = "# nothing\n");
	assert_int_equal(begin_of(&w, "r2", "c1", &db1, false, T0), -ERR_BUSY);
	APPLY(&w, RECOVERY_INPUT, recovery_input, T0 + 60 * CLK_S, .recovery_uid = "r3", .part = 0, .content = "a");
	assert_true(has_input(&w, "r2"));
	APPLY(&w, RECOVERY_INPUT, recovery_input, T0 + 61 * CLK_S, .recovery_uid = "r3", .part = 1, .content = "b");
	assert_false(has_input(&w, "r2"));
	assert_true(has_input(&w, "r1") && has_input(&w, "r3"));
	world_done(&w);
}

/* What is recorded of a detection's hooks. */
static void
run_hooks_of_detection(struct world *w)
{
	struct rd_cursor c = {.table = RD_TABLE_detection};
	struct rd_audit_line line = {
	    .at_us = T0, .key = {"", 0}, .statement = "", .outcome = "", .text = "Running a hook"};
	const struct db_detection *row = rd_state_next_row(w->s, &c);
	char uid[64];

	assert_non_null(row);
	(void)snprintf(uid, sizeof(uid), RD_DETECTION_UID "%lld", (long long)row->detection_id);
	APPLY(w, HOOK_RAN, hook_ran, T0, .recovery_uid = uid, .hook_list = "OnFailureDetectionProcesses", .mark = 1);
	APPLY(w, RECOVERY_STEP, recovery_step, T0, .recovery_uid = uid, .lines = {&line, 1});
	assert_int_equal(rd_state_count(w->s, RD_TABLE_recovery_step), 1);
	assert_int_equal(apply_uid(w, RD_OP_RECOVERY_STEP,
				   &(struct rd_cmd_recovery_step){.recovery_uid = RD_DETECTION_UID "77"}, T0, "other"),
			 -ERR_NOT_FOUND);
	assert_int_equal(rd_state_count(w->s, RD_TABLE_recovery_step), 1);
}

static void
in_the_end_all_is_forgotten(void **state UNUSED)
{
	static const struct rd_lives lives = {
	    .detection_us = 1800 * CLK_S, .recovery_us = BLOCK_US, .record_us = 86400 * CLK_S, .uid_us = YEAR_US};
	static const enum rd_table tables[] = {RD_TABLE_detection,	RD_TABLE_recovery,
					       RD_TABLE_recovery_step,	RD_TABLE_recovery_machine,
					       RD_TABLE_recovery_input, RD_TABLE_recovery_hook};
	struct rd_cmd_tick tick;
	struct world w;

	world_init(&w);
	assert_false(rd_tick_due(w.s, T0, &lives, &tick));
	assert_int_equal(tick.recoveries_before_us, 0); /* a group of level 1 would refuse it */
	detect(&w, &db3, "db3:3307");
	run_hooks_of_detection(&w);
	APPLY(&w, RECOVERY_INPUT, recovery_input, T0, .recovery_uid = "r1", .part = 0, .content = "# nothing\n");
	APPLY(&w, RECOVERY_BEGIN, recovery_begin, T0, .recovery_uid = "r1", .cluster_id = "c1", .cluster_name = "x",
	      .key = DB1, .input_parts = 1, .by = "", .analysis = "DeadMaster");
	APPLY(&w, HOOK_RAN, hook_ran, T0, .recovery_uid = "r1", .hook_list = "PreFailoverProcesses", .mark = 1);
	finish(&w, T0 + 3 * CLK_S);
	assert_false(rd_tick_due(w.s, T0 + 1799 * CLK_S, &lives, &tick));
	assert_true(rd_tick_due(w.s, T0 + 1801 * CLK_S, &lives, &tick));
	apply_at(&w, RD_OP_TICK, &tick, T0 + 1801 * CLK_S);
	assert_int_equal(active_detections(&w), 0);
	assert_true(row_of(&w, "r1")->in_active_period);
	assert_true(rd_tick_due(w.s, T0 + BLOCK_US + CLK_S, &lives, &tick));
	apply_at(&w, RD_OP_TICK, &tick, T0 + BLOCK_US + CLK_S);
	assert_false(row_of(&w, "r1")->in_active_period);
	assert_false(rd_tick_due(w.s, T0 + 86399 * CLK_S, &lives, &tick));
	assert_true(rd_tick_due(w.s, T0 + 86401 * CLK_S, &lives, &tick));
	for (size_t i = 0; i < ARRAY_LEN(tables); i++)
		assert_int_not_equal(rd_state_count(w.s, tables[i]), 0);
	apply_at(&w, RD_OP_TICK, &tick, T0 + 86401 * CLK_S);
	for (size_t i = 0; i < ARRAY_LEN(tables); i++)
		assert_int_equal(rd_state_count(w.s, tables[i]), 0);
	assert_false(rd_tick_due(w.s, T0 + 90000 * CLK_S, &lives, &tick));
	world_done(&w);
}

static void
steps_of_nothing_are_forgotten_as_well(void **state UNUSED)
{
	static const struct rd_lives lives = {.record_us = 86400 * CLK_S, .uid_us = YEAR_US};
	struct db_recovery_step old[] = {{3, "gone", T0, "it began"}, {4, "gone", T0 + 100 * CLK_S, "and ended"}};
	struct rd_cmd_tick tick;
	struct world w;

	world_init(&w);
	APPLY(&w, IMPORT_RECOVERY_STEPS, import_recovery_steps, T0, .rows = {old, 2});
	assert_false(rd_tick_due(w.s, T0 + 86400 * CLK_S, &lives, &tick));
	assert_true(rd_tick_due(w.s, T0 + 86401 * CLK_S, &lives, &tick));
	apply_at(&w, RD_OP_TICK, &tick, T0 + 86401 * CLK_S);
	assert_int_equal(rd_state_count(w.s, RD_TABLE_recovery_step), 1);
	world_done(&w);
}

static void
one_that_runs_is_not_forgotten(void **state UNUSED)
{
	struct world w;

	world_init(&w);
	assert_int_equal(begin_of(&w, "r1", "c1", &db1, false, T0), 0);
	APPLY(&w, TICK, tick, T0 + YEAR_US, .recoveries_before_us = T0 + YEAR_US, .records_before_us = T0 + YEAR_US);
	assert_true(row_of(&w, "r1")->in_active_period);
	assert_int_equal(begin_of(&w, "r2", "c1", &db1, true, T0 + YEAR_US), -ERR_BUSY);
	world_done(&w);
}

/* The old source rejoins: the cluster's lock is taken once more, and what was recorded of the end stays. */
static void
a_recovery_that_is_over_takes_its_lock_again(void **state UNUSED)
{
	struct world w;

	world_init(&w);
	assert_int_equal(begin_of(&w, "r1", "c1", &db1, false, T0), 0);
	finish(&w, T0 + 3 * CLK_S);
	assert_int_equal(event_at_turn(&w, "r1", RD_EVENT_REJOIN, 0, T0 + 60 * CLK_S), 0);
	assert_int_equal(state_of(&w, "r1"), RD_RECOVERY_REJOIN);
	assert_int_equal(begin_of(&w, "r2", "c1", &db2, true, T0 + 60 * CLK_S), -ERR_BUSY);
	assert_int_equal(event_at_turn(&w, "r1", RD_EVENT_STEPS_OVER, 0, T0 + 61 * CLK_S), 0);
	assert_int_equal(state_of(&w, "r1"), RD_RECOVERY_DONE);
	assert_int_equal(row_of(&w, "r1")->end_recovery_us, T0 + 3 * CLK_S);
	assert_true(row_of(&w, "r1")->is_successful);
	/* not while another one has it */
	assert_int_equal(begin_of(&w, "r2", "c1", &db2, true, T0 + 62 * CLK_S), 0);
	assert_int_equal(event_at_turn(&w, "r1", RD_EVENT_REJOIN, 0, T0 + 63 * CLK_S), -ERR_PRECONDITION);
	assert_int_equal(state_of(&w, "r1"), RD_RECOVERY_DONE);
	world_done(&w);
}

static void
an_error_is_recorded_once_and_a_note_is_none(void **state UNUSED)
{
	struct world w;

	world_init(&w);
	assert_int_equal(begin_of(&w, "r1", "c1", &db1, false, T0), 0);
	for (int i = 0; i < 4; i++)
		APPLY(&w, RECOVERY_RECORD, recovery_record, T0 + CLK_S, .recovery_uid = "r1", .loss = "",
		      .error = i < 2	? "it has more"
			       : i == 2 ? "it has"
					: "it may follow",
		      .is_note = i == 3);
	assert_string_equal(row_of(&w, "r1")->all_errors, "it has more\nit has");
	assert_int_equal(rd_state_count(w.s, RD_TABLE_recovery_step), 4); /* its beginning, and three of these */
	world_done(&w);
}

/* No probe tells these: a recovery that does not ask promotes whom it must not, and replaces servers in downtime. */
static void
decisions_about_servers_are_found(void **state UNUSED)
{
	struct rd_recovery_server row = {.key = DB2, .promotion_rule = "prefer"};
	struct world w;

	world_init(&w);
	rd_records_decided(w.s, &row);
	assert_string_equal(row.promotion_rule, "");
	assert_false(row.is_downtimed);
	APPLY(&w, REGISTER_CANDIDATE, register_candidate, T0, .key = DB2, .promotion_rule = "must_not");
	APPLY(&w, BEGIN_DOWNTIME, begin_downtime, T0, .key = DB2, .owner = "gromit", .reason = "disks", .begins_us = T0,
	      .ends_us = T0 + 60 * CLK_S);
	rd_records_decided(w.s, &row);
	assert_string_equal(row.promotion_rule, "must_not");
	assert_true(row.is_downtimed);
	row.key = db3;
	rd_records_decided(w.s, &row);
	assert_false(row.is_downtimed);
	world_done(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_was_lately_blocks_what_comes),
	    cmocka_unit_test(an_abort_names_who_asked),
	    cmocka_unit_test(operators_acknowledge_what_they_mean),
	    cmocka_unit_test(an_acknowledgement_is_kept_and_ends_the_period),
	    cmocka_unit_test(what_is_blocked_is_free_again_with_what_blocks),
	    cmocka_unit_test(marks_of_hooks_never_go_back),
	    cmocka_unit_test(steps_are_lines_in_their_order),
	    cmocka_unit_test(inputs_of_the_newest_are_kept),
	    cmocka_unit_test(an_input_without_a_beginning_goes),
	    cmocka_unit_test(in_the_end_all_is_forgotten),
	    cmocka_unit_test(steps_of_nothing_are_forgotten_as_well),
	    cmocka_unit_test(one_that_runs_is_not_forgotten),
	    cmocka_unit_test(a_recovery_that_is_over_takes_its_lock_again),
	    cmocka_unit_test(an_error_is_recorded_once_and_a_note_is_none),
	    cmocka_unit_test(decisions_about_servers_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
