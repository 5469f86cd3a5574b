/* test_rd_command.c — commands to bytes and back. The golden bytes in tests/golden/raftd/commands outlive builds:
 * "--update" writes them; a change in the diff means that nodes of two builds no longer understand each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "rd_fsm.h"
#include "rd_command_check.h"

static bool update;

#define DB1                                             \
	{                                               \
		.hostname = "db1.example", .port = 3306 \
	}
#define DB2                                         \
	{                                           \
		.hostname = "fe80::1", .port = 3307 \
	}
#define HEX64 "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
static struct topo_key two_keys[] = {DB1, DB2};
static struct rd_witness witnesses[] = {
    {.witness = "node1.example:10008",
     .seen = "refused",
     .cause = "refused",
     .errno_mysql = 2003,
     .attempts = 2,
     .reader = "",
     .seen_us = 1763800000000000},
    {.witness = "db2.example:3306",
     .is_replica = true,
     .seen = "lost its source",
     .cause = "",
     .errno_mysql = 2013,
     .reader = "node2.example:10008"},
};

static struct rd_lost lost[] = {{.key = DB2, .why = "it does not answer"}};
static struct db_recovery_step steps[] = {{3, "1704100000000000000:bb", 1763800000000000, "DeadMaster: will recover"}};
static struct rd_audit_line lines[] = {
    {.at_us = 1763800000000002,
     .term = 3,
     .number = 7,
     .key = DB1,
     .statement = "set-read-only",
     .outcome = "failed",
     .text = "error 1227"},
    {.text = "chosen: db2.example:3306", .key = {.hostname = ""}, .statement = "", .outcome = ""},
};

/* One sample per op; the table is indexed by op, so a new op without a sample fails the test. */
static const void *const samples[RD_OP_COUNT] = {
    [RD_OP_INVENTORY_ADD] = &(struct rd_cmd_inventory_add){.keys = {two_keys, 2}, .reason = "inject-seed"},
    [RD_OP_INVENTORY_FORGET] =
	&(struct rd_cmd_inventory_forget){.keys = {two_keys, 1}, .reason = "forget", .message = "by request"},
    [RD_OP_BEGIN_DOWNTIME] = &(struct rd_cmd_begin_downtime){.key = DB1,
							     .owner = "gromit",
							     .reason = "caf\xc3\xa9",
							     .begins_us = 1763800000000000,
							     .ends_us = 1763800600000000},
    [RD_OP_END_DOWNTIME] = &(struct rd_cmd_end_downtime){.key = DB2},
    [RD_OP_PUT_TAG] = &(struct rd_cmd_put_tag){.key = DB1, .tag_name = "role", .tag_value = "backup"},
    [RD_OP_DELETE_TAG] =
	&(struct rd_cmd_delete_tag){.key = DB1, .tag_name = "role", .has_value = true, .tag_value = "backup"},
    [RD_OP_UNTAG_ALL] = &(struct rd_cmd_untag_all){.tag_name = "role", .tag_value = "backup"},
    [RD_OP_REGISTER_CANDIDATE] =
	&(struct rd_cmd_register_candidate){.key = DB1, .promotion_rule = "prefer_not", .detected = true},
    [RD_OP_SET_CLUSTER_ALIAS] = &(struct rd_cmd_set_cluster_alias){.cluster_name = "db1.example:3306", .alias = "shop"},
    [RD_OP_CLUSTER_UPSERT] = &(struct rd_cmd_cluster_upsert){.cluster_id = "0123456789abcdef",
							     .cluster_name = "db1.example:3306",
							     .alias = "shop",
							     .domain_name = "shop.example"},
    [RD_OP_TICK] = &(struct rd_cmd_tick){.downtimes_before_us = 1763800000000000,
					 .candidates_before_us = 1763796400000000,
					 .uids_before_us = 1763713600000000,
					 .maintenances_before_us = 1763800000000000,
					 .pools_before_us = 1763796400000000,
					 .unresolves_before_us = 1763796300000000,
					 .tokens_before_us = 1763713600000000},
    [RD_OP_SET_ATTRIBUTE] = &(struct rd_cmd_set_attribute){.hostname = "*",
							   .attribute_name = "shop.example",
							   .attribute_value = "db1.example:3306"},
    [RD_OP_ISSUE_TOKEN] = &(struct rd_cmd_issue_token){.public_token = HEX64, .owner = "gromit"},
    [RD_OP_ACQUIRE_TOKEN] = &(struct rd_cmd_acquire_token){.public_token = HEX64,
							   .secret_digest = HEX64,
							   .issued_after_us = 1763799940000000},
    [RD_OP_BEGIN_MAINTENANCE] = &(struct rd_cmd_begin_maintenance){.key = DB1,
								   .owner = "gromit",
								   .reason = "disks",
								   .ends_us = 1763800600000000,
								   .explicitly_bounded = true,
								   .token = "0f0f"},
    [RD_OP_END_MAINTENANCE] = &(struct rd_cmd_end_maintenance){.maintenance_id = 4711, .key = DB2},
    [RD_OP_SUBMIT_POOL] = &(struct rd_cmd_submit_pool){.pool = "web", .keys = {two_keys, 2}},
    [RD_OP_REGISTER_HOSTNAME_UNRESOLVE] =
	&(struct rd_cmd_register_hostname_unresolve){.key = DB1, .unresolved_hostname = "vip1.example"},
    [RD_OP_DISABLE_GLOBAL_RECOVERIES] = &(struct rd_cmd_disable_global_recoveries){.by = "gromit"},
    [RD_OP_ENABLE_GLOBAL_RECOVERIES] = &(struct rd_cmd_enable_global_recoveries){.by = "wallace"},
    [RD_OP_CLUSTER_FOUND] = &(struct rd_cmd_cluster_found){.cluster_id = "00112233445566778899aabbccddeeff"},
    [RD_OP_CLUSTER_RESCUE] = &(struct rd_cmd_cluster_rescue){.cluster_id = "ffeeddccbbaa99887766554433221100"},
    [RD_OP_NODE_RECORD] = &(struct rd_cmd_node_record){.name = "node1.example:10008",
						       .dir_id = "ffeeddccbbaa99887766554433221100",
						       .raft_id = INT64_MAX,
						       .http_uri = "http://node1.example:3000",
						       .feature_level = 1,
						       .version = "0.1"},
    [RD_OP_NODE_FORGET] = &(struct rd_cmd_node_forget){.name = "node1.example:10008"},
    [RD_OP_LEADER_URI] = &(struct rd_cmd_leader_uri){.uri = "http://node1.example:3000"},
    [RD_OP_FEATURE_LEVEL] = &(struct rd_cmd_feature_level){.level = 1},
    [RD_OP_YIELD] = &(struct rd_cmd_yield){.node = "node2.example:10008"},
    [RD_OP_YIELD_HINT] = &(struct rd_cmd_yield_hint){.hint = "dc2"},
    [RD_OP_REGISTER_FAILURE_DETECTION] = &(struct rd_cmd_register_failure_detection){.key = DB1,
										     .analysis = "DeadMaster",
										     .cluster_name = "db1:3306",
										     .cluster_alias = "main",
										     .is_actionable = true,
										     .token = "0f0f",
										     .count_replicas = 2,
										     .replicas = {two_keys, 2},
										     .witnesses = {witnesses, 2}},
    [RD_OP_RECOVERY_INPUT] =
	&(struct rd_cmd_recovery_input){.recovery_uid = "r1", .part = 1, .content = "server key=db1.example:3306\n"},
    [RD_OP_RECOVERY_BEGIN] = &(struct rd_cmd_recovery_begin){.recovery_uid = "r1",
							     .cluster_id = "c0ffee",
							     .cluster_name = "db1.example:3306",
							     .cluster_alias = "main",
							     .key = DB1,
							     .analysis = "DeadMaster",
							     .detection_id = 41,
							     .forced = true,
							     .skip_hooks = true,
							     .block_us = 3600000000,
							     .token = "0f0f",
							     .by = "gromit",
							     .input_parts = 2,
							     .count_replicas = 2,
							     .replicas = {two_keys, 2}},
    [RD_OP_RECOVERY_EVENT] = &(struct rd_cmd_recovery_event){.recovery_uid = "r1",
							     .event = RD_EVENT_CHOSEN,
							     .turn = 3,
							     .successor = DB2,
							     .promoted_at = "0-1-100",
							     .deadline_us = 1763800010000000,
							     .downtime_ends_us = 1795336000000000,
							     .text = "it ranks first",
							     .successor_alias = ""},
    [RD_OP_RECOVERY_RECORD] = &(struct rd_cmd_recovery_record){.recovery_uid = "r1",
							       .lost = {lost, 1},
							       .participating = {two_keys, 2},
							       .error = "one is lost",
							       .loss = "none",
							       .downtime_ends_us = 1795336000000000},
    [RD_OP_RECOVERY_STEP] = &(struct rd_cmd_recovery_step){.recovery_uid = "r1", .lines = {lines, 2}},
    [RD_OP_HOOK_RAN] =
	&(struct rd_cmd_hook_ran){.recovery_uid = "r1", .hook_list = "PreFailoverProcesses", .number = 1, .mark = 2},
    [RD_OP_ACK_RECOVERIES] = &(struct rd_cmd_ack_recoveries){.owner = "gromit",
							     .comment = "seen",
							     .all = true,
							     .recovery_id = 42,
							     .recovery_uid = "r1",
							     .key = DB1,
							     .cluster_name = "db1.example:3306",
							     .cluster_alias = "main"},
    [RD_OP_BLOCKED_RECOVERY] = &(struct rd_cmd_blocked_recovery){.key = DB1,
								 .cluster_name = "db1.example:3306",
								 .analysis = "DeadMaster",
								 .blocking_recovery_id = 42,
								 .is_over = true},
    [RD_OP_IMPORT_DETECTION] = &(struct rd_cmd_import_detection){.row = {.detection_id = 7,
									 .hostname = "db1.example",
									 .port = 3306,
									 .in_active_period = true,
									 .start_active_period_us = 1763800000000000,
									 .processing_node_hostname = "orc1",
									 .processcing_node_token = "0f0f",
									 .analysis = "DeadMaster",
									 .cluster_name = "db1.example:3306",
									 .cluster_alias = "main",
									 .count_affected_slaves = 1,
									 .slave_hosts = "fe80::1:3307",
									 .is_actionable = true}},
    [RD_OP_IMPORT_RECOVERY] = &(struct rd_cmd_import_recovery){.row = {.recovery_id = 8,
								       .uid = "1704100000000000000:bb",
								       .hostname = "db1.example",
								       .port = 3306,
								       .start_active_period_us = 1763800000000000,
								       .end_active_period_unixtime = {1763803600, true},
								       .end_recovery_us = 1763800009000000,
								       .processing_node_hostname = "orc1",
								       .processcing_node_token = "0f0f",
								       .successor_hostname = "fe80::1",
								       .successor_port = {3307, true},
								       .successor_alias = "",
								       .is_successful = true,
								       .analysis = "DeadMaster",
								       .cluster_name = "db1.example:3306",
								       .cluster_alias = "main",
								       .count_affected_slaves = 1,
								       .slave_hosts = "fe80::1:3307",
								       .participating_instances = "fe80::1:3307",
								       .lost_slaves = "",
								       .all_errors = "",
								       .acknowledged = true,
								       .acknowledged_at_us = 1763800010000000,
								       .acknowledged_by = "gromit",
								       .acknowledge_comment = "seen",
								       .last_detection_id = 7}},
    [RD_OP_IMPORT_RECOVERY_STEPS] = &(struct rd_cmd_import_recovery_steps){.rows = {steps, 1}},
};

static struct rd_command
sample(enum rd_op op)
{
	return (struct rd_command){.op = op,
				   .uid = "6f1c0de2a1b2c3d4",
				   .originator = "node1.example",
				   .leader_time_us = 1763800000000001,
				   .payload = samples[op]};
}

static void
encode(enum rd_op op, struct codec_out *out)
{
	struct rd_command c = sample(op);
	struct err e;

	assert_non_null(samples[op]);
	if (rd_command_encode(&c, out, &e) != 0)
		fail_msg("%s: %s", rd_op_name(op), e.msg);
}

static void
assert_decodes_to_sample(enum rd_op op, const void *p, size_t n)
{
	struct mem_arena arena = {0};
	struct rd_command c;
	struct err e;

	if (rd_command_decode(p, n, &arena, &c, &e) != 0)
		fail_msg("%s: %s", rd_op_name(op), e.msg);
	assert_int_equal(c.op, op);
	assert_string_equal(c.uid, "6f1c0de2a1b2c3d4");
	assert_string_equal(c.originator, "node1.example");
	assert_true(c.leader_time_us == 1763800000000001);
	assert_true(rec_equal(rd_op_desc(op), c.payload, samples[op]));
	mem_arena_done(&arena);
}

static void
every_op_round_trips(void **state UNUSED)
{
	for (enum rd_op op = 0; op < RD_OP_COUNT; op++) {
		struct codec_out out = {0};
		encode(op, &out);
		assert_decodes_to_sample(op, out.p, out.len);
		codec_out_done(&out);
	}
}

static void
op_names_are_unique_and_levels_known(void **state UNUSED)
{
	for (enum rd_op a = 0; a < RD_OP_COUNT; a++) {
		assert_in_range(rd_op_since(a), 1, RD_FEATURE_LEVEL);
		for (enum rd_op b = 0; b < a; b++)
			assert_string_not_equal(rd_op_name(a), rd_op_name(b));
	}
}

/* --- golden bytes ---------------------------------------------------------------------------------------------- */
static void
golden_path(enum rd_op op, char *ret, size_t size)
{
	(void)snprintf(ret, size, "%s/commands/%s.hex", GOLDEN_DIR, rd_op_name(op));
}

static void
write_golden(const char *path, const struct codec_out *out)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	for (size_t i = 0; i < out->len; i++)
		(void)fprintf(f, "%02x%s", (unsigned char)out->p[i], i % 32 == 31 || i + 1 == out->len ? "\n" : "");
	assert_int_equal(fclose(f), 0);
}

static size_t
read_golden(const char *path, unsigned char *ret, size_t size)
{
	FILE *f = fopen(path, "r");
	size_t n = 0;
	unsigned byte;

	if (f == NULL)
		fail_msg("%s is missing: run test_rd_command --update and commit it", path);
	while (n < size && fscanf(f, "%2x", &byte) == 1)
		ret[n++] = (unsigned char)byte;
	(void)fclose(f);
	return n;
}

static void
bytes_stay_what_they_were(void **state UNUSED)
{
	for (enum rd_op op = 0; op < RD_OP_COUNT; op++) {
		struct codec_out out = {0};
		unsigned char golden[4096];
		char path[512];
		size_t n;
		golden_path(op, path, sizeof(path));
		encode(op, &out);
		if (update)
			write_golden(path, &out);
		n = read_golden(path, golden, sizeof(golden));
		assert_decodes_to_sample(op, golden, n);
		assert_int_equal(n, out.len);
		assert_memory_equal(golden, out.p, n);
		codec_out_done(&out);
	}
}

/* --- hostile and newer bytes ----------------------------------------------------------------------------------- */
/* Replaces one text in the bytes of a sample by another of the same length. */
static int
decode_with(enum rd_op op, const char *old, const char *fresh, struct err *e)
{
	struct mem_arena arena = {0};
	struct codec_out out = {0};
	struct rd_command c;
	char *at;
	int rc;

	encode(op, &out);
	assert_int_equal(strlen(old), strlen(fresh));
	at = memmem(out.p, out.len, old, strlen(old));
	assert_non_null(at);
	memcpy(at, fresh, strlen(fresh));
	rc = rd_command_decode(out.p, out.len, &arena, &c, e);
	codec_out_done(&out);
	mem_arena_done(&arena);
	return rc;
}

static void
a_newer_builds_command_asks_for_an_upgrade(void **state UNUSED)
{
	struct err e;

	assert_int_equal(decode_with(RD_OP_END_DOWNTIME, "end-downtime", "end-uptime-x", &e), -ERR_UNSUPPORTED);
	assert_non_null(strstr(e.msg, "upgrade"));
	assert_int_equal(decode_with(RD_OP_END_DOWNTIME, "since\x01", "since\x07", &e), -ERR_UNSUPPORTED);
}

static void
fields_of_a_newer_build_are_skipped(void **state UNUSED)
{
	struct err e;

	/* the field is unknown then, and keeps its zero value */
	assert_int_equal(decode_with(RD_OP_PUT_TAG, "tag_value", "tag_color", &e), 0);
}

static void
every_prefix_is_refused(void **state UNUSED)
{
	struct codec_out out = {0};
	struct mem_arena arena = {0};
	struct rd_command c;
	struct err e;

	encode(RD_OP_INVENTORY_ADD, &out);
	for (size_t n = 0; n < out.len; n++)
		assert_true(rd_command_decode(out.p, n, &arena, &c, &e) < 0);
	codec_out_done(&out);
	mem_arena_done(&arena);
}

static void
too_much_is_refused(void **state UNUSED)
{
	static struct topo_key keys[RD_KEYS_MAX + 1];
	struct rd_cmd_inventory_add add = {.keys = {keys, RD_KEYS_MAX + 1}};
	struct rd_command c = sample(RD_OP_INVENTORY_ADD);
	struct codec_out out = {0};
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		keys[i] = two_keys[0];
	c.payload = &add;
	assert_true(rd_command_encode(&c, &out, &e) < 0);
	add.keys.n = RD_KEYS_MAX;
	assert_int_equal(rd_command_encode(&c, &out, &e), 0);
	assert_in_range(out.len, 1, RD_COMMAND_MAX);
	codec_out_done(&out);
}

/* --- checks ---------------------------------------------------------------------------------------------------- */
static struct topo_key no_key[] = {{.hostname = "_", .port = 3306}}, detached_key[] = {{"//db1", 3306}};

static const struct {
	enum rd_op op;
	const void *payload;
	const char *text; /* part of the refusal */
} refused[] = {
    {RD_OP_INVENTORY_ADD, &(struct rd_cmd_inventory_add){.reason = ""}, "no servers"},
    {RD_OP_INVENTORY_ADD, &(struct rd_cmd_inventory_add){.keys = {no_key, 1}, .reason = ""}, "_:3306"},
    {RD_OP_INVENTORY_ADD, &(struct rd_cmd_inventory_add){.keys = {detached_key, 1}, .reason = ""}, "//db1"},
    {RD_OP_INVENTORY_FORGET, &(struct rd_cmd_inventory_forget){.reason = "", .message = ""}, "no servers"},
    {RD_OP_BEGIN_DOWNTIME, &(struct rd_cmd_begin_downtime){DB1, "", "r", 1, 2}, "owner"},
    {RD_OP_BEGIN_DOWNTIME, &(struct rd_cmd_begin_downtime){DB1, "o", "", 1, 2}, "reason"},
    {RD_OP_BEGIN_DOWNTIME, &(struct rd_cmd_begin_downtime){DB1, "o", "r", 2, 2}, "ends before"},
    {RD_OP_END_DOWNTIME, &(struct rd_cmd_end_downtime){{"db1", 0}}, "db1:0"},
    {RD_OP_PUT_TAG, &(struct rd_cmd_put_tag){DB1, "", "v"}, "tag name"},
    {RD_OP_DELETE_TAG, &(struct rd_cmd_delete_tag){DB1, "", false, ""}, "tag name"},
    {RD_OP_UNTAG_ALL, &(struct rd_cmd_untag_all){"", "x"}, "tag name"},
    {RD_OP_REGISTER_CANDIDATE, &(struct rd_cmd_register_candidate){DB1, "must", false}, "not supported"},
    {RD_OP_REGISTER_CANDIDATE, &(struct rd_cmd_register_candidate){DB1, "best", false}, "not supported"},
    {RD_OP_SET_CLUSTER_ALIAS, &(struct rd_cmd_set_cluster_alias){"", "shop"}, "cluster name"},
    {RD_OP_CLUSTER_UPSERT, &(struct rd_cmd_cluster_upsert){"", "c", "", ""}, "cluster id"},
    {RD_OP_CLUSTER_UPSERT, &(struct rd_cmd_cluster_upsert){"id", "", "", ""}, "cluster name"},
    {RD_OP_BEGIN_DOWNTIME, &(struct rd_cmd_begin_downtime){DB1, "o", "r", 1, INT64_MAX}, "year 10000"},
    {RD_OP_BEGIN_MAINTENANCE, &(struct rd_cmd_begin_maintenance){DB1, "", "r", 1, true, ""}, "owner"},
    {RD_OP_BEGIN_MAINTENANCE, &(struct rd_cmd_begin_maintenance){DB1, "o", "", 1, true, ""}, "reason"},
    {RD_OP_BEGIN_MAINTENANCE, &(struct rd_cmd_begin_maintenance){DB1, "o", "r", 0, true, ""}, "must end"},
    {RD_OP_END_MAINTENANCE, &(struct rd_cmd_end_maintenance){0, {"", 0}}, "not a valid server"},
    {RD_OP_END_MAINTENANCE, &(struct rd_cmd_end_maintenance){-1, DB1}, "-1"},
    {RD_OP_SUBMIT_POOL, &(struct rd_cmd_submit_pool){"", {two_keys, 1}}, "pool name"},
    {RD_OP_SUBMIT_POOL, &(struct rd_cmd_submit_pool){"web", {no_key, 1}}, "_:3306"},
    {RD_OP_REGISTER_HOSTNAME_UNRESOLVE, &(struct rd_cmd_register_hostname_unresolve){{"db1", 0}, "v"}, "db1:0"},
    {RD_OP_SET_ATTRIBUTE, &(struct rd_cmd_set_attribute){"", "n", "v"}, "host name"},
    {RD_OP_SET_ATTRIBUTE, &(struct rd_cmd_set_attribute){"*", "", "v"}, "attribute name"},
    {RD_OP_SET_ATTRIBUTE, &(struct rd_cmd_set_attribute){"*", "n", ""}, "attribute value"},
    {RD_OP_ISSUE_TOKEN, &(struct rd_cmd_issue_token){HEX64 "0", "o"}, "64 hex digits"},
    {RD_OP_ISSUE_TOKEN, &(struct rd_cmd_issue_token){"secret", "o"}, "64 hex digits"},
    {RD_OP_ISSUE_TOKEN, &(struct rd_cmd_issue_token){HEX64, ""}, "owner"},
    {RD_OP_ACQUIRE_TOKEN, &(struct rd_cmd_acquire_token){"", HEX64, 0}, "public part"},
    {RD_OP_ACQUIRE_TOKEN, &(struct rd_cmd_acquire_token){"p", "secret", 0}, "64 hex digits"},
    {RD_OP_CLUSTER_FOUND, &(struct rd_cmd_cluster_found){""}, "id of the group"},
    {RD_OP_CLUSTER_RESCUE, &(struct rd_cmd_cluster_rescue){""}, "id of the group"},
    {RD_OP_NODE_RECORD, &(struct rd_cmd_node_record){"", "d", 1, "", 1, ""}, "node name"},
    {RD_OP_NODE_RECORD, &(struct rd_cmd_node_record){"n", "", 1, "", 1, ""}, "directory id"},
    {RD_OP_NODE_RECORD, &(struct rd_cmd_node_record){"n", "d", 0, "", 1, ""}, "directory id"},
    {RD_OP_NODE_RECORD, &(struct rd_cmd_node_record){"n", "d", UINT64_C(1) << 63, "", 1, ""}, "out of range"},
    {RD_OP_NODE_FORGET, &(struct rd_cmd_node_forget){""}, "node name"},
    {RD_OP_LEADER_URI, &(struct rd_cmd_leader_uri){""}, "leader URI"},
    {RD_OP_FEATURE_LEVEL, &(struct rd_cmd_feature_level){0}, "out of range"},
    {RD_OP_YIELD, &(struct rd_cmd_yield){""}, "node name"},
    {RD_OP_YIELD_HINT, &(struct rd_cmd_yield_hint){""}, "hint"},
};

static void
checks_say_what_is_wrong(void **state UNUSED)
{
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		struct rd_command c = sample(refused[i].op);
		c.payload = refused[i].payload;
		assert_int_equal(rd_command_check(&c, &e), -ERR_INVALID);
		if (strstr(e.msg, refused[i].text) == NULL)
			fail_msg("case %zu: \"%s\" does not say \"%s\"", i, e.msg, refused[i].text);
	}
	for (enum rd_op op = 0; op < RD_OP_COUNT; op++) {
		struct rd_command c = sample(op);
		assert_int_equal(rd_command_check(&c, &e), 0);
		c.uid = "";
		assert_int_equal(rd_command_check(&c, &e), -ERR_INVALID);
	}
}

/* What raft-add-peer and the return of a wiped disk begin with. */
static void
a_node_may_be_named_before_it_has_come(void **state UNUSED)
{
	struct rd_command c = sample(RD_OP_NODE_RECORD);
	struct err e;

	c.payload = &(struct rd_cmd_node_record){.name = "n", .dir_id = "", .http_uri = "", .version = ""};
	assert_int_equal(rd_command_check(&c, &e), 0);
}

/* --- feature levels -------------------------------------------------------------------------------------------- */
/* What a later build's table might look like. */
#define LATER_FIELDS(F)                 \
	F(STR, old, _, 8)               \
	F(STR, fresh, _, 8, .since = 3) \
	F(LIST, keys, topo_key, 8, .since = 4)
REC_DECLARE(later, LATER_FIELDS);
#define REC_SELF struct later
REC_DEFINE(later, LATER_FIELDS);
#undef REC_SELF

static void
a_field_in_use_needs_its_level(void **state UNUSED)
{
	assert_int_equal(rd_fields_since(&later_desc, &(struct later){.old = "x", .fresh = ""}), 0);
	assert_int_equal(rd_fields_since(&later_desc, &(struct later){.old = "x", .fresh = "y"}), 3);
	assert_int_equal(rd_fields_since(&later_desc, &(struct later){.fresh = "y", .keys = {two_keys, 1}}), 4);
}

static void
the_gate_keeps_what_others_do_not_know(void **state UNUSED)
{
	struct rd_command c = sample(RD_OP_PUT_TAG);
	struct codec_out out = {0};
	struct mem_arena arena = {0};
	struct err e;

	assert_int_equal(rd_command_gate(&c, 0, &e), -ERR_UNSUPPORTED);
	assert_non_null(strstr(e.msg, "upgrade"));
	assert_int_equal(rd_command_gate(&c, 1, &e), 0);
	/* raising the level is for those who have it: the others stop there and ask for an upgrade */
	c = sample(RD_OP_FEATURE_LEVEL);
	assert_int_equal(rd_command_gate(&c, 1, &e), 0);
	c.payload = &(struct rd_cmd_feature_level){.level = RD_FEATURE_LEVEL + 1};
	assert_int_equal(rd_command_gate(&c, RD_FEATURE_LEVEL + 1, &e), -ERR_UNSUPPORTED);
	assert_int_equal(rd_command_encode(&c, &out, &e), 0);
	assert_int_equal(rd_command_decode(out.p, out.len, &arena, &c, &e), -ERR_UNSUPPORTED);
	codec_out_done(&out);
	mem_arena_done(&arena);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_op_round_trips),
	    cmocka_unit_test(op_names_are_unique_and_levels_known),
	    cmocka_unit_test(bytes_stay_what_they_were),
	    cmocka_unit_test(a_newer_builds_command_asks_for_an_upgrade),
	    cmocka_unit_test(fields_of_a_newer_build_are_skipped),
	    cmocka_unit_test(every_prefix_is_refused),
	    cmocka_unit_test(too_much_is_refused),
	    cmocka_unit_test(checks_say_what_is_wrong),
	    cmocka_unit_test(a_node_may_be_named_before_it_has_come),
	    cmocka_unit_test(a_field_in_use_needs_its_level),
	    cmocka_unit_test(the_gate_keeps_what_others_do_not_know),
	};

	update = argc > 1 && strcmp(argv[1], "--update") == 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
