/* test_rd_small.c — the smaller parts: candidates, the periodic schedule, figures of the pool, samples, slices of long work. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "rd_candidates.h"
#include "rd_lost.h"
#include "rd_metrics.h"
#include "rd_periodic.h"
#include "rd_samples.h"
#include "rd_turn.h"

static const struct topo_key db1 = {"db1", 3306}, db2 = {"db2", 3306};

static struct mono
at(int64_t ms)
{
	return (struct mono){1000 * CLK_S + ms * CLK_MS};
}

/* --- candidates ------------------------------------------------------------------------------------------------ */
static void
a_candidate_lives_as_long_as_it_is_named(void **state UNUSED)
{
	struct rd_candidates c = {0};

	assert_non_null(rd_candidates_name(&c, &db1, false, at(0), 10));
	assert_null(rd_candidates_name(&c, &db1, false, at(900), 10));
	assert_null(rd_candidates_expired(&c, at(1900), CLK_S));
	assert_ptr_equal(rd_candidates_expired(&c, at(1901), CLK_S), rd_candidates_find(&c, &db1));
	rd_candidates_drop(&c, rd_candidates_find(&c, &db1));
	assert_null(rd_candidates_find(&c, &db1));
	rd_candidates_done(&c);
}

static void
a_seed_is_never_given_up(void **state UNUSED)
{
	struct rd_candidates c = {0};

	assert_non_null(rd_candidates_name(&c, &db1, true, at(0), 10));
	assert_null(rd_candidates_name(&c, &db1, false, at(1), 10)); /* naming it does not change that */
	assert_null(rd_candidates_expired(&c, at(1000000), CLK_S));
	rd_candidates_done(&c);
}

static void
candidates_are_bounded(void **state UNUSED)
{
	struct rd_candidates c = {0};

	assert_non_null(rd_candidates_name(&c, &db1, false, at(0), 1));
	assert_null(rd_candidates_name(&c, &db2, false, at(0), 1));
	assert_int_equal(c.overflows, 1);
	assert_null(rd_candidates_find(&c, &db2));
	rd_candidates_done(&c);
}

static void
a_forgotten_server_is_left_alone_for_a_while(void **state UNUSED)
{
	struct rd_candidates c = {0};

	rd_forgotten_add(&c, &db1, at(1000));
	assert_true(rd_forgotten_has(&c, &db1, at(999)));
	assert_false(rd_forgotten_has(&c, &db1, at(1000)));
	assert_false(rd_forgotten_has(&c, &db2, at(0)));
	rd_forgotten_add(&c, &db2, at(5000));
	rd_forgotten_expire(&c, at(1000));
	assert_int_equal(HASH_COUNT(c.forgotten), 1);
	rd_forgotten_lift(&c, &db2);
	assert_false(rd_forgotten_has(&c, &db2, at(0)));
	rd_candidates_done(&c);
}

static void
strange_names_are_not_believed(void **state UNUSED)
{
	static const struct {
		const char *host;
		bool plausible;
	} hosts[] = {
	    {"db1", true},  {"10.0.0.1", true}, {"fe80::1", true}, {"db\xc3\xa9", true}, {"", false},
	    {"a b", false}, {"a,b", false},	{"a\n", false},	   {"\x7f", false},
	};

	for (size_t i = 0; i < ARRAY_LEN(hosts); i++)
		assert_int_equal(rd_host_is_plausible(hosts[i].host), hosts[i].plausible);
}

/* --- schedule -------------------------------------------------------------------------------------------------- */
static void
run(struct rd_periodic *p, int64_t from_ms, int64_t to_ms, unsigned holds, unsigned *counts)
{
	for (int64_t ms = from_ms; ms < to_ms; ms += 10) {
		enum rd_task t;
		while ((t = rd_periodic_take(p, at(ms), 5 * CLK_S, holds)) != RD_TASK_COUNT)
			counts[t]++;
	}
}

static void
each_task_runs_at_its_interval(void **state UNUSED)
{
	unsigned counts[RD_TASK_COUNT] = {0};
	struct rd_periodic p;

	rd_periodic_init(&p, at(0), 5 * CLK_S);
	run(&p, 0, 120005, RD_WHEN_OPEN | RD_WHEN_SERVICE | RD_WHEN_LEADER, counts);
	assert_in_range(counts[RD_TASK_publish_state], 455, 480);
	assert_in_range(counts[RD_TASK_heartbeat], 117, 120);
	assert_in_range(counts[RD_TASK_rebuild_aliases], 23, 24);
	assert_int_equal(counts[RD_TASK_purge_rows], 2);
	assert_int_equal(counts[RD_TASK_forget_unseen], 2);
}

static void
tasks_wait_for_their_condition(void **state UNUSED)
{
	unsigned counts[RD_TASK_COUNT] = {0};
	struct rd_periodic p;

	rd_periodic_init(&p, at(0), 5 * CLK_S);
	run(&p, 0, 70000, 0, counts);
	assert_true(counts[RD_TASK_publish_state] > 0);
	assert_int_equal(counts[RD_TASK_heartbeat], 0);
	run(&p, 70000, 70010, RD_WHEN_OPEN, counts);
	assert_int_equal(counts[RD_TASK_heartbeat], 1); /* at once, and nothing is made up for */
	assert_int_equal(counts[RD_TASK_rebuild_aliases], 0);
	run(&p, 70010, 70020, RD_WHEN_OPEN | RD_WHEN_SERVICE, counts);
	assert_int_equal(counts[RD_TASK_rebuild_aliases], 1);
}

static void
the_wake_time_is_that_of_the_next_task(void **state UNUSED)
{
	struct rd_periodic p;

	rd_periodic_init(&p, at(0), 5 * CLK_S);
	assert_true(rd_periodic_wake(&p, 0).us == at(250).us);
	assert_int_equal(rd_periodic_take(&p, at(249), 5 * CLK_S, 0), RD_TASK_COUNT);
	for (enum rd_task t = 0; t < RD_TASK_COUNT; t++)
		assert_non_null(rd_task_name(t));
}

/* --- figures --------------------------------------------------------------------------------------------------- */
static double
figure(const struct rd_metrics *m, const struct rd_pool_stats *p, const char *name)
{
	static struct ipc_metric list[256];
	size_t n = rd_metrics_list(m, p, list, ARRAY_LEN(list));
	double value = -1;
	int found = 0;

	for (size_t i = 0; i < n; i++) {
		if (strcmp(list[i].name, name) == 0) {
			value = list[i].value;
			found++;
		}
	}
	assert_in_range(found, 0, 1);
	return value;
}

static void
take(struct rd_pool_stats *p, unsigned slot, double attempts, double queue)
{
	struct ipc_metric v[] = {{"discoveries.attempt", attempts, true},
				 {"discoveries.queue_length", queue, false},
				 {"audit.write", 99, true}};
	struct ipc_metric_list l = {v, ARRAY_LEN(v)};

	rd_pool_stats_take(p, slot, &l);
}

static void
the_pool_is_added_up_over_restarts(void **state UNUSED)
{
	struct rd_pool_stats *p = rd_pool_stats_new(2);
	struct rd_metrics m = {.audit_writes = 7};

	take(p, 0, 100, 3);
	take(p, 1, 10, 2);
	assert_int_equal((int)figure(&m, p, "discoveries.attempt"), 110);
	assert_int_equal((int)figure(&m, p, "discoveries.queue_length"), 5);
	assert_int_equal((int)figure(&m, p, "audit.write"), 7); /* raftd's own stands */
	rd_pool_stats_down(p, 0);
	assert_int_equal((int)figure(&m, p, "discoveries.attempt"), 110);
	assert_int_equal((int)figure(&m, p, "discoveries.queue_length"), 2);
	take(p, 0, 5, 1);
	assert_int_equal((int)figure(&m, p, "discoveries.attempt"), 115);
	assert_int_equal((int)figure(&m, p, "no.such"), -1);
	rd_pool_stats_free(p);
}

static void
names_of_the_pool_are_bounded(void **state UNUSED)
{
	struct rd_pool_stats *p = rd_pool_stats_new(1);
	static struct ipc_metric list[2048];
	struct rd_metrics m = {0};

	for (int i = 0; i < 2 * RD_POOL_NAMES_MAX; i++) {
		char name[32];
		struct ipc_metric v = {name, 1, true};
		struct ipc_metric_list l = {&v, 1};
		(void)snprintf(name, sizeof(name), "n%d", i);
		rd_pool_stats_take(p, 0, &l);
	}
	assert_in_range(rd_metrics_list(&m, p, list, ARRAY_LEN(list)), RD_POOL_NAMES_MAX, RD_POOL_NAMES_MAX + 200);
	assert_int_equal(rd_metrics_list(&m, p, list, 10), 10);
	rd_pool_stats_free(p);
}

/* --- slices ---------------------------------------------------------------------------------------------------- */
struct slices {
	struct event_base *base;
	struct event *work, *socket;
	unsigned worked, heard;
};

static void
on_slice(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct slices *s = arg;

	s->worked++;
	rd_turn_next(s->work);
}

/* As a node under load: each message asks for work. */
static void
on_readable(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct slices *s = arg;

	s->heard++;
	rd_turn_next(s->work);
}

static void
a_slice_is_a_turn_and_is_not_put_off_by_messages(void **state UNUSED)
{
	struct slices s = {.base = event_base_new()};
	int fds[2];

	assert_non_null(s.base);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], "x", 1), 1); /* never read: readable in each turn */
	s.work = event_new(s.base, -1, 0, on_slice, &s);
	s.socket = event_new(s.base, fds[0], EV_READ | EV_PERSIST, on_readable, &s);
	assert_int_equal(event_add(s.socket, NULL), 0);
	rd_turn_next(s.work);
	for (unsigned turn = 1; turn <= 100; turn++) {
		assert_int_equal(event_base_loop(s.base, EVLOOP_ONCE), 0);
		assert_int_equal(s.heard, turn);
		assert_int_equal(s.worked, turn);
	}
	event_free(s.work);
	event_free(s.socket);
	event_base_free(s.base);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

/* --- samples --------------------------------------------------------------------------------------------------- */
static void
a_probe_becomes_a_sample(void **state UNUSED)
{
	static const struct {
		bool found;
		int64_t errno_mysql, failure;
		const char *error;
	} cases[] = {
	    {true, 0, 0, ""},		{true, 1227, 0, ""},   {false, 2003, -1, ""}, {false, 1045, 1045, "why"},
	    {false, 3118, 3118, "why"}, {false, 5013, -1, ""}, {false, 0, -1, ""},
	};
	struct rd_samples s = {0};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char host[] = "db1"; /* the message it is in is gone when samples are sent */
		struct topo_probe probe = {.asked_key = {host, 3306},
					   .started_us = 5 * CLK_S,
					   .ended_us = 5 * CLK_S + 300,
					   .found = cases[i].found,
					   .errno_mysql = cases[i].errno_mysql,
					   .error = "why"};
		const struct ipc_probe_sample *p;
		assert_false(rd_samples_probe(&s, (struct wall){5 * CLK_S + 1000}, &probe, 70));
		host[0] = '?';
		p = &s.m.probes.v[i];
		assert_true(p->failure == cases[i].failure && strcmp(p->error, cases[i].error) == 0);
		assert_true(strcmp(p->key.hostname, "db1") == 0 && p->key.port == 3306);
		assert_true(p->instance_us == 300 && p->backend_us == 70 && p->total_us == 1000);
	}
	rd_samples_done(&s);
}

static void
full_lists_are_told(void **state UNUSED)
{
	struct ipc_write_sample w = {.took_us = 1};
	struct ipc_flush_sample f = {.instances = 1};
	struct rd_samples s = {0};
	size_t n = 1;

	assert_true(rd_samples_is_empty(&s));
	while (!rd_samples_write(&s, &w))
		n++;
	assert_int_equal(n, IPC_SAMPLES_MAX);
	assert_false(rd_samples_flush(&s, &f));
	assert_true(!rd_samples_is_empty(&s) && s.m.writes.n == IPC_SAMPLES_MAX && s.m.flushes.n == 1);
	rd_samples_clear(&s);
	assert_true(rd_samples_is_empty(&s));
	assert_false(rd_samples_write(&s, &w));
	rd_samples_done(&s);
}

/* --- servers that recoveries gave up ------------------------------------------------------------------------------ */
static void
a_lost_server_is_back_when_it_replicates_or_is_the_primary(void **state UNUSED)
{
	static const struct {
		bool valid, replicates, alias;
		uint64_t depth;
		int64_t after_s;
		size_t owners;
		bool want;
	} cases[] = {
	    {true, true, false, 1, 60, 0, true},
	    {true, true, false, 1, 59, 0, false},
	    {false, true, false, 1, 60, 0, false},
	    {true, false, true, 1, 60, 1, false},
	    {true, false, true, 0, 60, 1, true},
	    {true, false, true, 0, 60, 2, false}, /* the failed primary, beside its successor */
	    {true, false, false, 0, 60, 1, false},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct topo_instance inst;
		rec_init(&topo_instance_desc, &inst);
		inst.replication_depth = cases[i].depth;
		inst.suggested_cluster_alias = cases[i].alias ? "main" : "";
		inst.io_thread_state = inst.sql_thread_state = cases[i].replicates;
		inst.io_running = inst.sql_running = cases[i].replicates;
		inst.source_key = cases[i].depth > 0 ? db1 : (struct topo_key){"", 0};
		inst.read_coord.log_file = inst.exec_coord.log_file = cases[i].depth > 0 ? "b.1" : "";
		if (rd_lost_is_back(&inst, cases[i].valid, 0, cases[i].after_s * CLK_S, cases[i].owners) !=
		    cases[i].want)
			fail_msg("case %zu", i);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_lost_server_is_back_when_it_replicates_or_is_the_primary),
	    cmocka_unit_test(a_candidate_lives_as_long_as_it_is_named),
	    cmocka_unit_test(a_seed_is_never_given_up),
	    cmocka_unit_test(candidates_are_bounded),
	    cmocka_unit_test(a_forgotten_server_is_left_alone_for_a_while),
	    cmocka_unit_test(strange_names_are_not_believed),
	    cmocka_unit_test(each_task_runs_at_its_interval),
	    cmocka_unit_test(tasks_wait_for_their_condition),
	    cmocka_unit_test(the_wake_time_is_that_of_the_next_task),
	    cmocka_unit_test(the_pool_is_added_up_over_restarts),
	    cmocka_unit_test(names_of_the_pool_are_bounded),
	    cmocka_unit_test(a_probe_becomes_a_sample),
	    cmocka_unit_test(full_lists_are_told),
	    cmocka_unit_test(a_slice_is_a_turn_and_is_not_put_off_by_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
