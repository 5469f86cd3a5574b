/* test_rd_view.c — which view a raft node may believe at its start, and what a rebuild leaves when it fails half-way;
 * what is done with analyses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "db_temp.h"
#include "rd_load.h"
#include "rd_rebuild.h"
#include "rd_snapshot.h"
#include "rd_view_write.h"

#define T0 (INT64_C(1763800000) * CLK_S)

/* --- may it be believed? --------------------------------------------------------------------------------------- */
static const struct {
	const char *what;
	const char *distrust;
	const char *view_id;
	uint64_t view_index;
	struct rd_store_facts store;
	const char *unfit;	  /* part of the reason, NULL = it fits */
	bool without_raft, alone; /* changed while raft was off; by operators */
	bool forked, former;
} starts[] = {
    {"a blank node", NULL, "", 0, {"", 0, 0}, NULL},
    {"a blank view, the log complete", NULL, "", 0, {"g", 0, 9}, NULL},
    {"a blank view, the log compacted", NULL, "", 0, {"g", 5, 9}, "no group"},
    {"at the snapshot", NULL, "g", 5, {"g", 5, 9}, NULL},
    {"in between", NULL, "g", 7, {"g", 5, 9}, NULL},
    {"at the end", NULL, "g", 9, {"g", 5, 9}, NULL},
    {"older than the snapshot", NULL, "g", 4, {"g", 5, 9}, "older"},
    {"newer than the log", NULL, "g", 10, {"g", 5, 9}, "newer"},
    {"of another group", NULL, "h", 7, {"g", 5, 9}, "another group"},
    {"of a node without raft", NULL, "", 7, {"g", 5, 9}, "no group"},
    {"of a node without raft, the store new", NULL, "", 7, {"", 0, 0}, "no group"},
    {"of a group, the store new", NULL, "g", 7, {"", 0, 0}, "another group"},
    {"not what was written", "forged", "g", 7, {"g", 5, 9}, "forged"},
    {"without raft for a while", NULL, "g", 7, {"g", 5, 9}, "switched off", true},
    {"… and used", NULL, "g", 7, {"g", 5, 9}, "switched off", true, true, true, true},
    {"… and used, the store new", NULL, "g", 7, {"", 0, 0}, "switched off", true, true, false, true},
    {"… and used, the store another group's", NULL, "g", 7, {"h", 0, 3}, "switched off", true, true, false, true},
    {"never with raft", NULL, "", 7, {"", 0, 0}, "no group", true, false, false, true},
};

static void
a_view_that_does_not_fit_the_store_is_not_believed(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(starts); i++) {
		struct rd_loaded l = {
		    .state = rd_state_new(), .distrust = starts[i].distrust, .alone = starts[i].alone};
		const char *why;
		if (starts[i].view_id[0] != '\0')
			rd_state_set(l.state, RD_SETTING_CLUSTER_ID, starts[i].view_id);
		if (starts[i].view_index > 0)
			rd_state_put(l.state, RD_TABLE_inventory, &(struct topo_key){"db", 1});
		rd_state_set_applied(l.state, starts[i].view_index, 1, T0);
		if (starts[i].without_raft)
			rd_state_leave_log(l.state);
		why = rd_loaded_unfit(&l, &starts[i].store);
		if ((why == NULL) != (starts[i].unfit == NULL) || (why != NULL && strstr(why, starts[i].unfit) == NULL))
			fail_msg("%s: %s", starts[i].what, why == NULL ? "believed" : why);
		if (rd_loaded_forked(&l, &starts[i].store) != starts[i].forked ||
		    rd_loaded_former(&l) != starts[i].former)
			fail_msg("%s: forked %d, former %d", starts[i].what, !starts[i].forked, !starts[i].former);
		rd_state_free(l.state);
	}
}

/* --- rebuilding ------------------------------------------------------------------------------------------------ */
static struct rd_state *
many(int64_t servers)
{
	struct rd_state *s = rd_state_new();

	for (int64_t i = 1; i <= servers; i++) {
		rd_state_put(s, RD_TABLE_inventory, &(struct topo_key){"db", i});
		rd_state_put(s, RD_TABLE_tag, &(struct db_tag){"db", i, "t", "", T0});
	}
	rd_state_set(s, RD_SETTING_CLUSTER_ID, "g");
	rd_state_set_applied(s, (uint64_t)servers, 1, T0);
	return s;
}

static int
rebuild(struct db *db, const struct rd_state *s, struct err *e)
{
	struct codec_out image = {0};
	int rc;

	rd_snapshot_write(s, &image);
	rc = rd_rebuild(db, image.p, image.len, e);
	codec_out_done(&image);
	return rc;
}

static struct rd_loaded *
load(struct db *db)
{
	struct rd_loaded *l;
	struct err e;

	must(rd_load(db, false, &l, &e));
	return l;
}

static void
a_rebuild_that_fails_half_way_is_marked_and_mended(void **state UNUSED)
{
	struct rd_state *big = many(3000), *small = many(5);
	struct temp t;
	struct rd_loaded *l;
	struct db *db;
	struct err e;
	bool complete;

	temp_init(&t);
	db = temp_open(&t, DB_READ_WRITE);
	must(rebuild(db, big, &e));
	l = load(db);
	assert_null(l->distrust);
	assert_true(rd_state_hash(l->state) == rd_state_hash(big));
	rd_loaded_free(l);
	must_exec(db, "CREATE TRIGGER refuse BEFORE INSERT ON database_instance_tags WHEN new.port = 2000 BEGIN SELECT "
		      "RAISE(ABORT, 'refused'); END");
	assert_true(rebuild(db, big, &e) < 0);
	assert_non_null(strstr(e.msg, "tag"));
	must(db_read_view_complete(db, &complete, &e));
	assert_false(complete);
	l = load(db);
	assert_non_null(l->distrust);
	rd_loaded_free(l);
	must_exec(db, "DROP TRIGGER refuse");
	must(rebuild(db, small, &e));
	must(db_read_view_complete(db, &complete, &e));
	assert_true(complete);
	l = load(db);
	assert_null(l->distrust);
	assert_true(rd_state_hash(l->state) == rd_state_hash(small));
	assert_int_equal(rd_state_index(l->state), 5);
	rd_loaded_free(l);
	db_close(db);
	temp_done(&t);
	rd_state_free(big);
	rd_state_free(small);
}

/* Ended maintenance is history, not state. */
static void
history_outlives_a_rebuild(void **state UNUSED)
{
	struct rd_state *s = many(1);
	struct temp t;
	struct db *db;
	struct err e;

	temp_init(&t);
	db = temp_open(&t, DB_READ_WRITE);
	must_exec(db,
		  "INSERT INTO database_instance_maintenance (database_instance_maintenance_id, hostname, port, "
		  "maintenance_active, owner, reason) VALUES (1, 'db', 1, NULL, 'o', 'r'), (2, 'db', 1, 1, 'o', 'r')");
	must(rebuild(db, s, &e));
	assert_int_equal(must_number(db, "SELECT sum(database_instance_maintenance_id) FROM "
					 "database_instance_maintenance"),
			 1);
	db_close(db);
	temp_done(&t);
	rd_state_free(s);
}

static void
bytes_that_are_no_snapshot_change_nothing(void **state UNUSED)
{
	struct rd_state *s = many(3);
	struct temp t;
	struct rd_loaded *l;
	struct db *db;
	struct err e;

	temp_init(&t);
	db = temp_open(&t, DB_READ_WRITE);
	must(rebuild(db, s, &e));
	assert_int_equal(rd_rebuild(db, "nonsense", 8, &e), -ERR_INVALID);
	l = load(db);
	assert_null(l->distrust);
	assert_true(rd_state_hash(l->state) == rd_state_hash(s));
	rd_loaded_free(l);
	db_close(db);
	temp_done(&t);
	rd_state_free(s);
}

/* --- analyses -------------------------------------------------------------------------------------------------- */
static void
tell(struct db *db, int64_t s, const char *host, const char *code)
{
	struct db_last_analysis row = {
	    .hostname = host, .port = 1, .analysis_timestamp_us = T0 + s * CLK_S, .analysis = code};
	struct rd_changes c = {0};
	struct err e;

	rd_changes_add(&c, RD_CHANGE_ANALYSIS, DB_TABLE_last_analysis, &row);
	must(rd_write_telemetry(db, &c, &e));
	rd_changes_done(&c);
}

/* Told again and for the first time are no changes. */
static void
only_an_analysis_that_changes_goes_to_the_changelog(void **state UNUSED)
{
	struct temp t;
	struct db *db;
	char *log;

	temp_init(&t);
	db = temp_open(&t, DB_READ_WRITE);
	tell(db, 1, "a", "NoProblem");
	tell(db, 2, "a", "NoProblem");
	tell(db, 3, "a", "DeadMaster");
	tell(db, 4, "b", "DeadMaster");
	tell(db, 5, "a", "DeadMaster");
	tell(db, 6, "a", "NoProblem");
	log = must_text(db, "SELECT group_concat(hostname || port || analysis || substr(analysis_timestamp, 18)) FROM "
			    "database_instance_analysis_changelog");
	assert_string_equal(log, "a1DeadMaster43,a1NoProblem46");
	free(log);
	log = must_text(db, "SELECT group_concat(hostname || analysis || substr(analysis_timestamp, 18)) FROM "
			    "database_instance_last_analysis");
	assert_string_equal(log, "aNoProblem46,bDeadMaster44");
	free(log);
	db_close(db);
	temp_done(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_view_that_does_not_fit_the_store_is_not_believed),
	    cmocka_unit_test(a_rebuild_that_fails_half_way_is_marked_and_mended),
	    cmocka_unit_test(history_outlives_a_rebuild),
	    cmocka_unit_test(bytes_that_are_no_snapshot_change_nothing),
	    cmocka_unit_test(only_an_analysis_that_changes_goes_to_the_changelog),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
