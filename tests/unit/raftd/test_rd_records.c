/* test_rd_records.c — recoveries as replicated records: who may begin, what each event leaves behind, who acknowledges what,
 * and what becomes of it all in the end. The states themselves: tests/unit/recovery. */
#include <stdlib.h>

#include "apply_world.h"

#include "base/str.h"
#include "rd_records.h"

#define BLOCK_US (3600 * CLK_S)
#define YEAR_US (365 * 86400 * CLK_S)
#define DB3                                     \
	{                                       \
		.hostname = "db3", .port = 3307 \
	}
static const struct topo_key db3 = DB3;

/* --- a recovery of db1 -------------------------------------------------------------------------------------------- */
static int
begin_of(struct world *w, const char *uid, const char *cluster, const struct topo_key *key, bool forced, int64_t at_us)
{
	struct topo_key replicas[] = {DB2, DB3};
	struct rd_cmd_recovery_begin c = {.recovery_uid = uid,
					  .cluster_id = cluster,
					  .cluster_name = TOPO_KEY_TEXT(key),
					  .cluster_alias = "main",
					  .key = *key,
					  .analysis = "DeadMaster",
					  .detection_id = 7,
					  .forced = forced,
					  .block_us = BLOCK_US,
					  .token = "0f0f",
					  .by = "",
					  .count_replicas = 2,
					  .replicas = {replicas, 2}};
	char command[64];

	(void)snprintf(command, sizeof(command), "begin-%u", ++w->uids);
	return apply_uid(w, RD_OP_RECOVERY_BEGIN, &c, at_us, command);
}

static int
event_at_turn(struct world *w, const char *uid, enum rd_recovery_event event, uint64_t turn, int64_t at_us)
{
	struct rd_cmd_recovery_event c = {.recovery_uid = uid,
					  .event = event,
					  .turn = turn,
					  .successor = DB2,
					  .promoted_at = event == RD_EVENT_WRITABLE ? "0-1-100" : "",
					  .deadline_us = event == RD_EVENT_CHOSEN ? at_us + 20 * CLK_S : 0,
					  .downtime_ends_us = at_us + YEAR_US,
					  .text = ""};
	char command[64];

	(void)snprintf(command, sizeof(command), "event-%u", ++w->uids);
	return apply_uid(w, RD_OP_RECOVERY_EVENT, &c, at_us, command);
}

static void
event(struct world *w, enum rd_recovery_event event, int64_t at_us)
{
	assert_int_equal(event_at_turn(w, "r1", event, 0, at_us), 0);
}

static const struct db_recovery *
row_of(const struct world *w, const char *uid)
{
	const struct db_recovery *row = rd_records_row(w->s, uid);

	assert_non_null(row);
	return row;
}

static enum rd_recovery_state
state_of(const struct world *w, const char *uid)
{
	struct mem_arena arena = {0};
	struct rd_recovery r;

	assert_true(rd_records_machine(w->s, uid, &arena, &r));
	mem_arena_done(&arena);
	return (enum rd_recovery_state)r.state;
}

static unsigned
todo(const struct world *w)
{
	const struct rd_effect *x = effect(w, RD_EFFECT_RECOVERY);

	assert_non_null(x);
	return x->todo;
}

/* As far as the promotion: T0 … T0 + 2 s. */
static void
promote(struct world *w)
{
	event(w, RD_EVENT_HOOKS_OK, T0 + CLK_S);
	event(w, RD_EVENT_STEPS_OVER, T0 + CLK_S);
	event(w, RD_EVENT_CHOSEN, T0 + CLK_S);
	event(w, RD_EVENT_STEPS_OVER, T0 + CLK_S);
	event(w, RD_EVENT_WRITABLE, T0 + 2 * CLK_S);
}

static void
finish(struct world *w, int64_t at_us)
{
	promote(w);
	event(w, RD_EVENT_STEPS_OVER, at_us);
	event(w, RD_EVENT_RECORDED, at_us);
}

static void
abort_it(struct world *w, int64_t at_us)
{
	event(w, RD_EVENT_RETURNED, at_us);
}

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
		assert_int_equal(rd_records_block(w.s, cases[i].cluster, &cases[i].failed, cases[i].forced,
						  T0 + cases[i].after_us, BLOCK_US, &by) != RD_BLOCK_NONE,
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
	const void *row;
	size_t n = 0;

	while (rd_state_next(w->s, &c, &row) && c.table == RD_TABLE_detection)
		n += ((const struct db_detection *)row)->in_active_period;
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
	world_done(&w);
}

static void
steps_are_lines_in_their_order(void **state UNUSED)
{
	struct rd_audit_line lines[] = {
	    {.term = 3, .number = 1, .key = DB2, .statement = "stop-replica", .outcome = "ok", .text = ""},
	    {.term = 3,
	     .number = 2,
	     .key = DB3,
	     .statement = "stop-replica",
	     .outcome = "failed",
	     .text = "error 1227"},
	    {.key = {.hostname = ""}, .statement = "", .outcome = "", .text = "chosen: db2"},
	};
	static const char *const want[] = {"recovery of db1:3306 (DeadMaster) begins",
					   "step 3.1 db2:3306 stop-replica: ok",
					   "step 3.2 db3:3307 stop-replica: failed, error 1227", "chosen: db2"};
	struct rd_cursor c = {.table = RD_TABLE_recovery_step};
	const void *row;
	struct world w;
	size_t n = 0;
	int64_t id = 0;

	world_init(&w);
	assert_int_equal(begin_of(&w, "r1", "c1", &db1, false, T0), 0);
	APPLY(&w, RECOVERY_STEP, recovery_step, T0, .recovery_uid = "r1", .lines = {lines, 3});
	while (rd_state_next(w.s, &c, &row) && c.table == RD_TABLE_recovery_step) {
		const struct db_recovery_step *step = row;
		assert_true(n < ARRAY_LEN(want));
		assert_string_equal(step->message, want[n]);
		assert_true(step->recovery_step_id > id);
		id = step->recovery_step_id;
		n++;
	}
	assert_int_equal(n, ARRAY_LEN(want));
	world_done(&w);
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(one_begins_and_holds_its_cluster),
	    cmocka_unit_test(its_input_comes_in_parts_and_is_read_again),
	    cmocka_unit_test(without_a_part_of_its_input_it_does_not_begin),
	    cmocka_unit_test(a_promotion_moves_the_cluster_in_one_command),
	    cmocka_unit_test(lost_servers_are_named_and_get_a_downtime),
	    cmocka_unit_test(an_event_of_another_turn_or_state_changes_nothing),
	    cmocka_unit_test(dropped_candidates_are_remembered),
	    cmocka_unit_test(what_was_lately_blocks_what_comes),
	    cmocka_unit_test(operators_acknowledge_what_they_mean),
	    cmocka_unit_test(an_acknowledgement_is_kept_and_ends_the_period),
	    cmocka_unit_test(what_is_blocked_is_free_again_with_what_blocks),
	    cmocka_unit_test(marks_of_hooks_never_go_back),
	    cmocka_unit_test(steps_are_lines_in_their_order),
	    cmocka_unit_test(in_the_end_all_is_forgotten),
	    cmocka_unit_test(one_that_runs_is_not_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
