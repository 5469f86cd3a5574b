/* test_rd_analyst.c — which rows follow from what the model says is wrong, and when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rd_analyst.h"

#define T0 (INT64_C(1763800000) * CLK_S)

static const struct topo_key db1 = {"db1", 3306}, db2 = {"db2", 3306}, db3 = {"db3", 3306};

struct world {
	struct rd_model m;
	struct rd_analyst_input in;
	struct topo_key_list maintained;
	struct rd_changes out;
	struct rd_analyst_counts counts;
};

/* A server that answers, as a replica of source (NULL: of nobody) whose threads run. */
static struct rd_server *
add(struct world *w, const struct topo_key *key, const struct topo_key *source)
{
	struct rd_server *s = rd_model_add(&w->m, key);
	struct topo_instance inst;

	rec_dup(&topo_instance_desc, &inst, &s->inst);
	inst.last_seen_us = inst.last_checked_us = inst.last_attempted_us = T0;
	if (source != NULL)
		topo_key_set(&inst.source_key, source->hostname, source->port);
	inst.io_running = inst.sql_running = source != NULL;
	rd_model_set(&w->m, s, &inst);
	rd_model_set_listed(&w->m, s, true);
	s->probed = true;
	return s;
}

static void
set_up(struct world *w)
{
	*w = (struct world){
	    .in = {.rules = {.now = {T0}, .poll_s = 5, .reasonable_check_s = 1, .reasonable_locked_s = 10}}};
	w->in.in_maintenance = &w->maintained;
	rd_model_init(&w->m);
}

static void
tear_down(struct world *w)
{
	rd_changes_done(&w->out);
	rd_model_done(&w->m);
}

/* Runs s seconds after T0; the rows of that run alone are in w->out then. */
static void
run(struct world *w, int64_t s)
{
	rd_changes_done(&w->out);
	w->in.rules.now.us = T0 + s * CLK_S;
	rd_analyst_run(&w->m, &w->in, &w->out, &w->counts);
}

static void
fail_server(struct rd_server *s)
{
	s->inst.last_checked_us = s->inst.last_seen_us + CLK_S;
}

static void
assert_told(const struct world *w, const struct topo_key *key, const char *code)
{
	const struct db_last_analysis *row = w->out.v[0].row;

	assert_int_equal(w->out.n, 1);
	assert_int_equal(w->out.v[0].kind, RD_CHANGE_ANALYSIS);
	assert_string_equal(row->hostname, key->hostname);
	assert_string_equal(row->analysis, code);
	assert_true(row->analysis_timestamp_us == w->in.rules.now.us);
}

static void
each_change_is_told_once(void **state UNUSED)
{
	struct rd_server *one, *two;
	struct world w;

	set_up(&w);
	one = add(&w, &db1, NULL);
	two = add(&w, &db2, &db1);
	run(&w, 0);
	assert_told(&w, &db1, "NoProblem"); /* of the replica, which has none itself, nothing is said */
	run(&w, 1);
	assert_int_equal(w.out.n, 0);
	two->inst.io_running = false;
	run(&w, 2);
	assert_told(&w, &db1, "MasterSingleReplicaNotReplicating");
	fail_server(one);
	run(&w, 3);
	assert_told(&w, &db1, "DeadMaster");
	run(&w, 4);
	assert_int_equal(w.out.n, 0);
	assert_int_equal(w.counts.told, 3);
	assert_int_equal(w.counts.changed, 2);
	tear_down(&w);
}

static void
nobody_is_judged_by_old_rows(void **state UNUSED)
{
	struct rd_server *one, *two, *three;
	struct world w;

	set_up(&w);
	one = add(&w, &db1, NULL);
	two = add(&w, &db2, &db1);
	three = add(&w, &db3, &db1);
	one->probed = false;
	run(&w, 0);
	assert_int_equal(w.out.n, 0);
	one->probed = true;
	three->probed = false;
	run(&w, 1);
	assert_int_equal(w.out.n, 0);
	w.in.settled = true; /* whoever was not probed by now won't be */
	run(&w, 2);
	assert_told(&w, &db1, "NoProblem");
	rd_model_set_listed(&w.m, three, false);
	w.in.settled = false;
	fail_server(two);
	run(&w, 3); /* and who isn't known doesn't count */
	assert_told(&w, &db1, "MasterSingleReplicaDead");
	tear_down(&w);
}

static void
maintenance_and_unknown_sources_are_left_alone(void **state UNUSED)
{
	struct topo_key keys[] = {db1};
	struct rd_server *one;
	struct world w;

	set_up(&w);
	(void)add(&w, &db2, &db1);
	run(&w, 0);
	assert_int_equal(w.out.n, 0);
	one = add(&w, &db1, NULL);
	w.maintained = (struct topo_key_list){keys, 1};
	run(&w, 1);
	assert_int_equal(w.out.n, 0);
	w.maintained.n = 0;
	rd_model_set_listed(&w.m, one, false);
	run(&w, 2);
	assert_int_equal(w.out.n, 0);
	tear_down(&w);
}

static void
assert_position(const struct world *w, size_t i, enum rd_change_kind kind, int64_t pos, int64_t since_s)
{
	const struct db_stale_coordinates *row = w->out.v[i].row;

	assert_int_equal(w->out.v[i].kind, kind);
	assert_int_equal(w->out.v[i].table, DB_TABLE_stale_coordinates);
	assert_int_equal(row->binary_log_pos, pos);
	if (since_s >= 0)
		assert_true(row->first_seen_us == T0 + since_s * CLK_S);
}

static void
a_locked_source_stands_still(void **state UNUSED)
{
	struct rd_server *one;
	struct world w;

	set_up(&w);
	one = add(&w, &db1, NULL);
	(void)add(&w, &db2, &db1);
	one->inst.semi_sync_source_enabled = one->inst.semi_sync_source_status = true;
	one->inst.semi_sync_source_wait_count = 1;
	rec_set_str(&one->inst.self_coord.log_file, "bin.1");
	one->inst.self_coord.log_pos = 100;
	run(&w, 0);
	assert_int_equal(w.out.n, 2);
	assert_position(&w, 0, RD_CHANGE_UPSERT, 100, 0);
	run(&w, 10);
	assert_int_equal(w.out.n, 0);
	run(&w, 11); /* for more than 10 s */
	assert_told(&w, &db1, "LockedSemiSyncMaster");
	one->inst.self_coord.log_pos = 101;
	run(&w, 12);
	assert_int_equal(w.out.n, 2);
	assert_position(&w, 0, RD_CHANGE_UPSERT, 101, 12);
	assert_string_equal(((const struct db_last_analysis *)w.out.v[1].row)->analysis,
			    "LockedSemiSyncMasterHypothesis");
	one->inst.semi_sync_source_clients = 1;
	run(&w, 13);
	assert_int_equal(w.out.n, 2);
	assert_position(&w, 0, RD_CHANGE_DELETE, 0, -1);
	run(&w, 14);
	assert_int_equal(w.out.n, 0);
	tear_down(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_change_is_told_once),
	    cmocka_unit_test(nobody_is_judged_by_old_rows),
	    cmocka_unit_test(maintenance_and_unknown_sources_are_left_alone),
	    cmocka_unit_test(a_locked_source_stands_still),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
