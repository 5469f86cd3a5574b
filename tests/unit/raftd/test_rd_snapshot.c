/* test_rd_snapshot.c — the state as bytes: golden, whole or in slices, and what is refused. That a state survives the
 * way there and back is test_rd_same.c's. "--update" writes the golden file: a change there means that nodes of two
 * builds no longer read each other's snapshots. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../stride.h"
#include "base/clock.h"
#include "base/str.h"
#include "rd_snapshot_private.h"

#define T0 (INT64_C(1763800000) * CLK_S)
#define GOLDEN GOLDEN_DIR "/snapshot-3.bin"

static bool update;

/* A row in every table. */
static struct rd_state *
sample(void)
{
	struct rd_state *s = rd_state_new();

	rd_state_put(s, RD_TABLE_inventory, &(struct topo_key){"db1", 3306});
	rd_state_put(s, RD_TABLE_inventory, &(struct topo_key){"db2", 3306});
	rd_state_put(s, RD_TABLE_downtime, &(struct db_downtime){"db1", 3306, {1, true}, T0, T0 + CLK_S, "o", "r"});
	rd_state_put(s, RD_TABLE_candidate, &(struct db_candidate){"db1", 3306, T0, 1, "prefer"});
	rd_state_put(s, RD_TABLE_tag, &(struct db_tag){"db1", 3306, "role", "caf\xc3\xa9", T0});
	rd_state_put(s, RD_TABLE_cluster_alias_override, &(struct db_cluster_alias_override){"db1:3306", "shop"});
	rd_state_put(s, RD_TABLE_cluster_record,
		     &(struct db_cluster_record){"c1", "db1:3306", "shop", "shop.example", T0, T0});
	rd_state_put(s, RD_TABLE_maintenance,
		     &(struct db_maintenance){7, "db1", 3306, {1, true}, T0, T0 + CLK_S, "o", "r", "n1", "t", true});
	rd_state_put(s, RD_TABLE_pool, &(struct db_pool){"db1", 3306, "web", T0});
	rd_state_put(s, RD_TABLE_hostname_unresolve, &(struct db_hostname_unresolve){"db1", "vip", T0});
	rd_state_put(s, RD_TABLE_recovery_disable, &(struct db_recovery_disable){1});
	rd_state_put(s, RD_TABLE_host_attribute, &(struct db_host_attribute){"*", "shop.example", "db1:3306", T0, 0});
	rd_state_put(s, RD_TABLE_access_token, &(struct db_access_token){17, "p", "digest", T0, "me", true, false, T0});
	rd_state_put(s, RD_TABLE_node_record,
		     &(struct db_node_record){"n1:10008", "dir", 7, "http://n1:3000", 1, "v", T0});
	rd_state_put(s, RD_TABLE_detection,
		     &(struct db_detection){41, "db1", 3306, true, T0, 0, "n1", "t", "DeadMaster", "db1:3306", "shop",
					    1, "db2:3306", true});
	rd_state_put(s, RD_TABLE_detection_witness,
		     &(struct db_detection_witness){41, "n1:10008", false, "refused", "refused", 2003, 2, "", T0});
	rd_state_put(s, RD_TABLE_recovery,
		     &(struct db_recovery){.recovery_id = 42,
					   .uid = "r1",
					   .hostname = "db1",
					   .port = 3306,
					   .in_active_period = true,
					   .start_active_period_us = T0,
					   .end_active_period_unixtime = {0, true},
					   .successor_hostname = "db2",
					   .successor_port = {3306, true},
					   .cluster_name = "db1:3306"});
	rd_state_put(s, RD_TABLE_recovery_step, &(struct db_recovery_step){43, "r1", T0, "it begins"});
	rd_state_put(s, RD_TABLE_blocked_recovery,
		     &(struct db_blocked_recovery){"db2", 3306, "db1:3306", "DeadMaster", T0, {42, true}});
	rd_state_put(s, RD_TABLE_recovery_machine,
		     &(struct db_recovery_machine){.uid = "r1",
						   .recovery_id = 42,
						   .cluster_id = "c1",
						   .hostname = "db1",
						   .port = 3306,
						   .state = "promote",
						   .began = T0 + 1,
						   .since = T0 + 2,
						   .deadline = T0 + 3,
						   .turns = 9,
						   .why = "the candidate has everything",
						   .dropped = "[]",
						   .suspects = "[]"});
	rd_state_put(s, RD_TABLE_recovery_input, &(struct db_recovery_input){"r1", 0, "recovery uid=r1\n", T0});
	rd_state_put(s, RD_TABLE_recovery_hook, &(struct db_recovery_hook){"r1", "PreFailoverProcesses", 0, 2, T0});
	rd_state_set(s, RD_SETTING_CLUSTER_ID, "group1");
	rd_state_put(s, RD_TABLE_applied_command, &(struct db_applied_command){"uid1", 41, T0, 5, 0});
	rd_state_set_applied(s, 42, 3, T0 + 1);
	return s;
}

static void
write_sample(struct codec_out *out)
{
	struct rd_state *s = sample();

	rd_snapshot_write(s, out);
	rd_state_free(s);
}

static void
assert_is_sample(const struct rd_state *got)
{
	struct rd_state *s = sample();

	assert_int_equal(rd_state_rows(got), rd_state_rows(s));
	assert_true(rd_state_hash(got) == rd_state_hash(s));
	assert_int_equal(rd_state_index(got), 42);
	assert_int_equal(rd_state_term(got), 3);
	assert_int_equal(rd_state_time_us(got), T0 + 1);
	rd_state_free(s);
}

static void
bytes_stay_what_they_were(void **state UNUSED)
{
	static char golden[65536];
	struct codec_out out = {0};
	struct rd_state *s;
	struct err e;
	FILE *f;
	size_t n;

	write_sample(&out);
	for (enum rd_table t = 0; t < RD_TABLE_COUNT; t++) {
		s = sample();
		if (rd_state_count(s, t) == 0)
			fail_msg("no sample of table %s", rd_table_name(t));
		rd_state_free(s);
	}
	if (update) {
		f = fopen(GOLDEN, "w");
		assert_non_null(f);
		assert_int_equal(fwrite(out.p, 1, out.len, f), out.len);
		assert_int_equal(fclose(f), 0);
	}
	f = fopen(GOLDEN, "r");
	if (f == NULL)
		fail_msg("%s is missing: run test_rd_snapshot --update and commit it", GOLDEN);
	n = fread(golden, 1, sizeof(golden), f);
	(void)fclose(f);
	assert_int_equal(rd_snapshot_read(golden, n, &s, &e), 0);
	assert_is_sample(s);
	rd_state_free(s);
	assert_int_equal(n, out.len);
	assert_memory_equal(golden, out.p, n);
	codec_out_done(&out);
}

static void
assert_former(const char *file, size_t tables_missing)
{
	static char golden[65536];
	struct rd_state *s, *now = sample();
	FILE *f = fopen(file, "r");
	struct err e;
	size_t n;

	assert_non_null(f);
	n = fread(golden, 1, sizeof(golden), f);
	(void)fclose(f);
	assert_int_equal(rd_snapshot_read(golden, n, &s, &e), 0);
	assert_int_equal(rd_state_index(s), 42);
	assert_int_equal(rd_state_rows(s), rd_state_rows(now) - tables_missing);
	rd_state_free(s);
	rd_state_free(now);
}

/* Bytes of former builds: from before detections, and from before recoveries. */
static void
snapshots_of_former_builds_are_read(void **state UNUSED)
{
	assert_former(GOLDEN_DIR "/snapshot-1.bin", 8);
	assert_former(GOLDEN_DIR "/snapshot-2.bin", 6);
}

static void
an_empty_state_is_a_snapshot_too(void **state UNUSED)
{
	struct rd_state *s = rd_state_new(), *got;
	struct codec_out out = {0};
	struct err e;

	rd_snapshot_write(s, &out);
	assert_int_equal(rd_snapshot_read(out.p, out.len, &got, &e), 0);
	assert_int_equal(rd_state_rows(got), 0);
	rd_state_free(s);
	rd_state_free(got);
	codec_out_done(&out);
}

static void
every_prefix_is_refused(void **state UNUSED)
{
	struct codec_out out = {0};
	struct rd_state *s;
	struct err e;

	write_sample(&out);
	for (size_t n = 0; n < out.len; n++)
		assert_true(rd_snapshot_read(out.p, n, &s, &e) < 0);
	codec_out_done(&out);
}

/* Sums and limits: no bit may turn. */
static void
every_damaged_byte_is_noticed(void **state UNUSED)
{
	struct codec_out out = {0};
	struct rd_state *s;
	struct err e;

	write_sample(&out);
	for (size_t bit = 0; bit < out.len * 8; bit += STRIDE) {
		out.p[bit / 8] = (char)(out.p[bit / 8] ^ 1 << bit % 8);
		if (rd_snapshot_read(out.p, out.len, &s, &e) == 0)
			fail_msg("bit %zu of byte %zu", bit % 8, bit / 8);
		out.p[bit / 8] = (char)(out.p[bit / 8] ^ 1 << bit % 8);
	}
	codec_out_done(&out);
}

static void
bytes_behind_the_end_are_refused(void **state UNUSED)
{
	struct codec_out out = {0};
	struct rd_state *s;
	struct err e;

	write_sample(&out);
	mem_grow(out.p, out.cap, out.len + 1);
	out.p[out.len++] = 0;
	assert_int_equal(rd_snapshot_read(out.p, out.len, &s, &e), -ERR_INVALID);
	codec_out_done(&out);
}

/* --- made by hand ---------------------------------------------------------------------------------------------- */
static void
add_frame(struct codec_out *out, const struct rec_desc *d, const void *rec)
{
	size_t start = out->len;
	struct err e;

	mem_grow(out->p, out->cap, out->len + 4);
	out->len += 4;
	assert_int_equal(codec_encode(out, CODEC_MAP, d, rec, SIZE_MAX, &e), 0);
	for (unsigned i = 0; i < 4; i++)
		out->p[start + i] = (char)((out->len - start - 4) >> (24 - 8 * i));
}

static void
add_magic(struct codec_out *out)
{
	mem_grow(out->p, out->cap, 64);
	memcpy(out->p, RD_SNAPSHOT_MAGIC, RD_SNAPSHOT_MAGIC_BYTES);
	out->len = RD_SNAPSHOT_MAGIC_BYTES;
}

static const struct {
	struct rd_snap_header header;
	struct rd_snap_table table;
	int code;
	const char *text;
} hostile[] = {
    {{.format = 9, .cluster_id = "", .tables = 1}, {"tag", 1}, ERR_UNSUPPORTED, "upgrade"},
    {{.format = 1, .feature_level = 99, .cluster_id = "", .tables = 1}, {"tag", 1}, ERR_UNSUPPORTED, "upgrade"},
    {{.format = 1, .cluster_id = "", .tables = 99}, {"tag", 1}, ERR_UNSUPPORTED, "upgrade"},
    {{.format = 1, .cluster_id = "", .index = UINT64_MAX, .tables = 1}, {"tag", 1}, ERR_INVALID, "out of range"},
    {{.format = 1, .cluster_id = "", .time_us = -1, .tables = 1}, {"tag", 1}, ERR_INVALID, "out of range"},
    {{.format = 1, .cluster_id = "", .tables = 1}, {"colour", 1}, ERR_UNSUPPORTED, "colour"},
    {{.format = 1, .cluster_id = "", .tables = 1}, {"tag", 0}, ERR_INVALID, "without rows"},
};

static void
what_is_said_is_checked(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(hostile); i++) {
		struct codec_out out = {0};
		struct rd_state *s;
		struct err e;
		add_magic(&out);
		add_frame(&out, &rd_snap_header_desc, &hostile[i].header);
		add_frame(&out, &rd_snap_table_desc, &hostile[i].table);
		assert_int_equal(rd_snapshot_read(out.p, out.len, &s, &e), -hostile[i].code);
		if (strstr(e.msg, hostile[i].text) == NULL)
			fail_msg("case %zu: \"%s\"", i, e.msg);
		codec_out_done(&out);
	}
}

static void
the_same_row_twice_is_refused(void **state UNUSED)
{
	struct topo_key key = {"db1", 3306};
	struct codec_out out = {0};
	struct rd_state *s;
	struct err e;

	add_magic(&out);
	add_frame(&out, &rd_snap_header_desc, &(struct rd_snap_header){.format = 1, .cluster_id = "", .tables = 1});
	add_frame(&out, &rd_snap_table_desc, &(struct rd_snap_table){"inventory", 2});
	add_frame(&out, &topo_key_desc, &key);
	add_frame(&out, &topo_key_desc, &key);
	assert_int_equal(rd_snapshot_read(out.p, out.len, &s, &e), -ERR_INVALID);
	assert_non_null(strstr(e.msg, "twice"));
	codec_out_done(&out);
}

/* A frame that claims to be huge is refused before a byte of it is waited for. */
static void
a_huge_frame_is_refused_by_its_length(void **state UNUSED)
{
	struct rd_snapshot_load *l = rd_snapshot_load_new();
	struct err e;

	assert_int_equal(rd_snapshot_load_feed(l, RD_SNAPSHOT_MAGIC, RD_SNAPSHOT_MAGIC_BYTES, &e), 0);
	assert_int_equal(rd_snapshot_load_feed(l, "\xff\xff\xff", 3, &e), 0);
	assert_int_equal(rd_snapshot_load_feed(l, "\xff", 1, &e), -ERR_TOO_LARGE);
	rd_snapshot_load_free(l);
}

/* A slice is about as long as was asked for, whatever the state's size. */
static void
slices_are_bounded(void **state UNUSED)
{
	struct rd_state *s = sample();
	struct codec_out out = {0};
	struct rd_snapshot_dump *d;
	size_t slices = 0;
	bool end;

	for (int64_t port = 1; port <= 5000; port++)
		rd_state_put(s, RD_TABLE_inventory, &(struct topo_key){"db.example", port});
	d = rd_snapshot_dump_new(s);
	do {
		out.len = 0;
		end = rd_snapshot_dump_step(d, 1000, &out);
		assert_in_range(out.len, 1, 1000 + 512);
		slices++;
	} while (!end);
	assert_true(slices > 100);
	rd_snapshot_dump_free(d);
	codec_out_done(&out);
	rd_state_free(s);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(bytes_stay_what_they_were),
	    cmocka_unit_test(snapshots_of_former_builds_are_read),
	    cmocka_unit_test(an_empty_state_is_a_snapshot_too),
	    cmocka_unit_test(every_prefix_is_refused),
	    cmocka_unit_test(every_damaged_byte_is_noticed),
	    cmocka_unit_test(bytes_behind_the_end_are_refused),
	    cmocka_unit_test(what_is_said_is_checked),
	    cmocka_unit_test(the_same_row_twice_is_refused),
	    cmocka_unit_test(a_huge_frame_is_refused_by_its_length),
	    cmocka_unit_test(slices_are_bounded),
	};

	update = argc > 1 && strcmp(argv[1], "--update") == 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
