/* The schedule under virtual time: spreading, classes and limits, back-off, hurry, pings, pacing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/mem.h"
#include "pr_sched.h"

#define POLL (5 * CLK_S)
#define T0 INT64_C(1000000000)

static const size_t lanes[IPC_LANE_COUNT] = {32, 16, 64, 16};

static struct pr_sched_conf
usual(void)
{
	struct pr_sched_conf c = {.poll_us = POLL, .dead_factor = 2, .dead_max_us = 60 * CLK_S, .max_in_flight = 300};

	pr_sched_limits(&c, lanes, 0);
	return c;
}

static struct mono
at(int64_t ms)
{
	return (struct mono){T0 + ms * CLK_MS};
}

static void
begin(struct pr_sched *s)
{
	struct pr_sched_conf c = usual();

	pr_sched_init(s, &c, at(0));
}

/* A probe that is reached at once and keeps its connection. */
static void
probe_well(struct pr_sched *s, struct pr_sched_item *it, struct mono now)
{
	pr_sched_set_connected(s, it, true, now);
	pr_sched_finish(s, it, PR_SCHED_WELL, now);
}

static void
test_spread_and_gaps(void **state UNUSED)
{
	enum { N = 10000, MS = 60000 };
	struct pr_sched_item *v = mem_calloc(N, sizeof(*v));
	int64_t *last = mem_calloc(N, sizeof(*last));
	int64_t longest = 0;
	struct pr_sched s;
	int worst_ms = 0;

	begin(&s);
	for (int i = 0; i < N; i++)
		pr_sched_add(&s, &v[i], 0, at(0));
	for (int i = 0; i < N; i++)
		pr_sched_set_connected(&s, &v[i], true, at(0));
	for (int64_t t = 0; t < MS; t++) {
		struct pr_sched_item *it;
		int n = 0;

		while ((it = pr_sched_next(&s, at(t))) != NULL) {
			if (it->probed && t - last[it - v] > longest)
				longest = t - last[it - v];
			last[it - v] = t;
			n++;
			probe_well(&s, it, at(t));
		}
		worst_ms = n > worst_ms ? n : worst_ms;
	}
	for (int i = 0; i < N; i++)
		assert_true(MS - last[i] <= POLL / CLK_MS); /* nobody is forgotten */
	assert_true(longest <= POLL / CLK_MS + 1);
	assert_true(worst_ms <= 8); /* 2 per ms on average; no bursts */
	pr_sched_done(&s);
	free(v);
	free(last);
}

static void
test_hurry_flag_and_place(void **state UNUSED)
{
	struct pr_sched_item a = {0}, b = {0};
	struct pr_sched s;

	begin(&s);
	pr_sched_add(&s, &a, IPC_TARGET_HURRY, at(0));
	pr_sched_add(&s, &b, 0, at(0));
	assert_ptr_equal(pr_sched_next(&s, at(0)), &a);
	assert_int_equal(a.class, PR_CLASS_REGULAR);
	assert_null(pr_sched_next(&s, at(0)));
	probe_well(&s, &a, at(3));
	assert_true(a.node.due.us > at(3).us + POLL / 4 && a.node.due.us <= at(3).us + POLL * 5 / 4);
	assert_int_equal(a.node.due.us % POLL, (int64_t)(a.place * POLL));
	/* told again, it is no news */
	pr_sched_set_flags(&s, &a, IPC_TARGET_HURRY, at(10));
	assert_null(pr_sched_next(&s, at(10)));
	pr_sched_done(&s);
}

static void
test_one_in_flight_and_again(void **state UNUSED)
{
	struct pr_sched_item a = {0};
	struct pr_sched s;

	begin(&s);
	pr_sched_add(&s, &a, IPC_TARGET_HURRY, at(0));
	assert_ptr_equal(pr_sched_next(&s, at(0)), &a);
	pr_sched_hurry(&s, &a, at(1));
	assert_null(pr_sched_next(&s, at(20000)));
	pr_sched_finish(&s, &a, PR_SCHED_WELL, at(20000));
	assert_ptr_equal(pr_sched_next(&s, at(20000)), &a);
	assert_int_equal(a.class, PR_CLASS_URGENT);
	pr_sched_finish(&s, &a, PR_SCHED_WELL, at(20001));
	assert_null(pr_sched_next(&s, at(20001)));
	pr_sched_done(&s);
}

static void
test_classes(void **state UNUSED)
{
	static const struct {
		uint64_t flags;
		bool connected, urgent;
		uint64_t backoffs;
		enum pr_class expect;
	} cases[] = {
	    {0, false, false, 0, PR_CLASS_REGULAR},
	    {IPC_TARGET_IS_ROOT, false, false, 0, PR_CLASS_REGULAR},
	    {IPC_TARGET_HAS_REPLICAS, false, false, 0, PR_CLASS_SOURCES},
	    {IPC_TARGET_HAS_REPLICAS, true, false, 0, PR_CLASS_LIVE},
	    {IPC_TARGET_HAS_REPLICAS, false, false, 2, PR_CLASS_DEAD},
	    {0, false, false, 1, PR_CLASS_DEAD},
	    {IPC_TARGET_FAILED_OVER, false, false, 9, PR_CLASS_SOURCES},
	    {0, false, true, 9, PR_CLASS_URGENT},
	    {0, true, true, 0, PR_CLASS_URGENT},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct pr_sched_item a = {.backoffs = cases[i].backoffs, .connected = cases[i].connected};
		struct pr_sched s;

		begin(&s);
		pr_sched_add(&s, &a, cases[i].flags, at(0));
		if (cases[i].urgent)
			pr_sched_hurry(&s, &a, at(0));
		assert_int_equal(a.class, cases[i].expect);
		pr_sched_done(&s);
	}
}

static void
test_backoff(void **state UNUSED)
{
	static const struct {
		double factor;
		int64_t max_s, expect_s[6];
	} cases[] = {
	    {1, 300, {5, 5, 5, 5, 5, 5}}, {2, 60, {5, 10, 20, 40, 60, 60}}, {1.5, 12, {5, 7, 11, 12, 12, 12}},
	    {10, 5, {5, 5, 5, 5, 5, 5}},  {10, 0, {5, 5, 5, 5, 5, 5}}, /* a ceiling below the interval is the interval
									*/
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct pr_sched_conf c = {
		    .poll_us = POLL, .dead_factor = cases[i].factor, .dead_max_us = cases[i].max_s * CLK_S};
		double factor = 0;

		for (uint64_t nth = 1; nth <= 6; nth++)
			assert_int_equal(pr_sched_backoff_us(&c, nth, &factor) / CLK_S, cases[i].expect_s[nth - 1]);
	}
}

/* Times in ms at which an item that is never reached is tried. */
static void
try_times(struct pr_sched *s, struct pr_sched_item *it, int64_t from, int64_t to, int64_t *v, size_t n)
{
	size_t k = 0;

	for (int64_t t = from; t < to && k < n; t++) {
		if (pr_sched_next(s, at(t)) != it)
			continue;
		v[k++] = t;
		pr_sched_finish(s, it, PR_SCHED_UNREACHED, at(t));
	}
	for (; k < n; k++)
		v[k] = -1;
}

static void
test_lost_server_is_confirmed_then_backs_off(void **state UNUSED)
{
	struct pr_sched_item a = {0};
	struct pr_sched s;
	int64_t v[5];

	begin(&s);
	pr_sched_add(&s, &a, IPC_TARGET_HURRY, at(0));
	assert_ptr_equal(pr_sched_next(&s, at(0)), &a);
	probe_well(&s, &a, at(0));
	pr_sched_set_connected(&s, &a, false, at(100));
	pr_sched_hurry(&s, &a, at(100));
	try_times(&s, &a, 100, 100000, v, 5);
	assert_int_equal(v[0], 100);
	assert_int_equal(v[1], 300); /* >= 150 ms later: the second attempt that "refused" needs */
	assert_int_equal(v[2], 5300);
	assert_int_equal(v[3], 15300);
	assert_int_equal(v[4], 35300);
	assert_int_equal(a.class, PR_CLASS_DEAD);
	/* well again: everything is forgotten */
	pr_sched_hurry(&s, &a, at(40000));
	assert_ptr_equal(pr_sched_next(&s, at(40000)), &a);
	probe_well(&s, &a, at(40000));
	assert_int_equal(a.class, PR_CLASS_LIVE);
	assert_true(a.node.due.us <= at(40000).us + POLL * 5 / 4);
	pr_sched_done(&s);
}

/* A dead server, tried at 0 s and waiting; the configuration is loaded again 10 s later. */
static void
test_shorter_interval_counts_at_once_for_dead_servers(void **state UNUSED)
{
	static const struct {
		int64_t poll_s, max_s;	       /* before */
		int64_t new_poll_s, new_max_s; /* after */
		uint64_t flags;
		int64_t due_ms;
	} cases[] = {
	    {60, 300, 20, 300, 0, 20000},		       /* since its last probe, not since the reload */
	    {60, 300, 5, 300, 0, 10000},		       /* over already: now */
	    {5, 300, 60, 300, 0, 5000},			       /* longer: from the next probe on */
	    {60, 300, 60, 300, 0, 60000},		       /* the same */
	    {60, 300, 20, 300, IPC_TARGET_FAILED_OVER, 20000}, /* its ten minutes are over */
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct pr_sched_item a = {0};
		struct pr_sched_conf c = usual();
		struct pr_sched s;

		c.poll_us = cases[i].poll_s * CLK_S;
		c.dead_max_us = cases[i].max_s * CLK_S;
		pr_sched_init(&s, &c, at(-1000000));
		pr_sched_add(&s, &a, IPC_TARGET_HURRY | cases[i].flags, at(-1000000));
		assert_ptr_equal(pr_sched_next(&s, at(0)), &a);
		pr_sched_finish(&s, &a, PR_SCHED_UNREACHED, at(0));
		c.poll_us = cases[i].new_poll_s * CLK_S;
		c.dead_max_us = cases[i].new_max_s * CLK_S;
		pr_sched_configure(&s, &c, at(10000));
		if (a.node.due.us != at(cases[i].due_ms).us)
			fail_msg("case %zu: due after %lld ms", i, (long long)((a.node.due.us - T0) / CLK_MS));
		pr_sched_done(&s);
	}
}

static void
test_shorter_ceiling_counts_at_once(void **state UNUSED)
{
	struct pr_sched_conf c = usual();
	struct pr_sched_item a = {0};
	struct pr_sched s;
	int64_t v[5];

	begin(&s);
	pr_sched_add(&s, &a, IPC_TARGET_HURRY, at(0));
	try_times(&s, &a, 0, 100000, v, 5);
	assert_int_equal(v[4], 75000);
	assert_int_equal(a.node.due.us, at(135000).us);
	c.dead_max_us = 10 * CLK_S;
	pr_sched_configure(&s, &c, at(76000));
	assert_int_equal(a.node.due.us, at(85000).us);
	pr_sched_done(&s);
}

/* Servers that answer: evenly over the new interval, be it shorter (also for those that wait) or longer. */
static void
test_other_interval_spreads_living_servers(void **state UNUSED)
{
	enum { N = 200, BINS = 10 };
	static const struct {
		int64_t poll_s, new_poll_s;
		bool in_flight; /* at the reload */
	} cases[] = {{60, 5, false}, {60, 5, true}, {5, 60, true}};

	for (size_t k = 0; k < ARRAY_LEN(cases); k++) {
		struct pr_sched_item *v = mem_calloc(N, sizeof(*v));
		int64_t fresh = cases[k].new_poll_s * CLK_S;
		struct pr_sched_conf c = usual();
		struct mono now = at(60000);
		int bins[BINS] = {0};
		struct pr_sched s;

		c.poll_us = cases[k].poll_s * CLK_S;
		pr_sched_init(&s, &c, at(0));
		for (int i = 0; i < N; i++) {
			pr_sched_add(&s, &v[i], 0, cases[k].in_flight ? at(0) : now);
			pr_sched_set_connected(&s, &v[i], true, at(0));
		}
		while (cases[k].in_flight && pr_sched_next(&s, now) != NULL)
			;
		c.poll_us = fresh;
		pr_sched_configure(&s, &c, now);
		for (int i = 0; i < N; i++) {
			if (v[i].in_flight)
				pr_sched_finish(&s, &v[i], PR_SCHED_WELL, now);
			assert_in_range(v[i].node.due.us, now.us, now.us + fresh * 5 / 4);
			bins[v[i].node.due.us % fresh * BINS / fresh]++;
		}
		for (int i = 0; i < BINS; i++)
			assert_in_range(bins[i], N / BINS - 8, N / BINS + 8); /* some were due sooner anyway */
		pr_sched_done(&s);
		free(v);
	}
}

static void
test_failed_over_primary_is_tried_often(void **state UNUSED)
{
	struct pr_sched_item a = {0};
	struct pr_sched s;
	int64_t v[2400];

	begin(&s);
	pr_sched_add(&s, &a, 0, at(0));
	pr_sched_set_flags(&s, &a, IPC_TARGET_FAILED_OVER, at(0));
	try_times(&s, &a, 0, 600000, v, ARRAY_LEN(v));
	assert_int_equal(v[0], 0);
	assert_int_equal(v[1], 250);
	assert_int_equal(v[2399], 250 * 2399);
	try_times(&s, &a, 600000, 700000, v, 3);
	assert_int_equal(v[0], 600000);
	assert_int_equal(v[1], 605000);
	assert_int_equal(v[2], 610000);
	pr_sched_done(&s);
}

static void
test_full_class_delays_no_other(void **state UNUSED)
{
	enum { N = 400 };
	struct pr_sched_item *v = mem_calloc(N, sizeof(*v)), live = {0}, urgent = {0};
	struct pr_sched s;
	int n = 0;

	begin(&s);
	for (int i = 0; i < N; i++)
		pr_sched_add(&s, &v[i], IPC_TARGET_HURRY, at(0));
	pr_sched_add(&s, &live, 0, at(0));
	pr_sched_set_connected(&s, &live, true, at(0));
	while (pr_sched_next(&s, at(0)) != NULL)
		n++;
	assert_int_equal(n, 64); /* black holes: one connector thread each, none comes back */
	assert_ptr_equal(pr_sched_next(&s, live.node.due), &live);
	pr_sched_add(&s, &urgent, 0, at(1));
	pr_sched_hurry(&s, &urgent, at(1));
	assert_ptr_equal(pr_sched_next(&s, at(1)), &urgent);
	pr_sched_finish(&s, &v[0], PR_SCHED_UNREACHED, at(2000));
	assert_non_null(pr_sched_next(&s, at(2000)));
	pr_sched_done(&s);
	free(v);
}

/* A small DiscoveryMaxConcurrency, and black holes in the regular and the dead lane at once: servers that answer keep
 * their places. */
static void
test_hanging_logins_leave_room(void **state UNUSED)
{
	enum { N = 40 };
	static const struct {
		size_t max, logins, live;
	} cases[] = {{10, 5, 5}, {3, 1, 2}, {2, 1, 1}, {1, 1, 1}};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct pr_sched_conf c = {.poll_us = POLL, .dead_factor = 1, .max_in_flight = cases[i].max};
		struct pr_sched_item *v = mem_calloc(N, sizeof(*v)), *it;
		size_t logins = 0, live = 0;
		struct pr_sched s;

		pr_sched_limits(&c, lanes, 0);
		pr_sched_init(&s, &c, at(0));
		for (size_t k = 0; k < N; k++) {
			v[k].backoffs = k % 3 == 0; /* known to be dead */
			pr_sched_add(&s, &v[k], k % 3 == 1 ? IPC_TARGET_HAS_REPLICAS : 0, at(0));
		}
		while (pr_sched_next(&s, at(2 * POLL / CLK_MS)) != NULL)
			logins++;
		assert_int_equal(logins, cases[i].logins);
		for (size_t k = 0; k < N; k++)
			if (!v[k].in_flight)
				pr_sched_set_connected(&s, &v[k], true, at(0));
		while ((it = pr_sched_next(&s, at(2 * POLL / CLK_MS))) != NULL) {
			assert_int_equal(it->class, PR_CLASS_LIVE);
			live++;
		}
		assert_int_equal(live, cases[i].live);
		pr_sched_done(&s);
		free(v);
	}
}

/* Servers that let us in and don't answer hold their places for long; with dead ones they leave room for others. */
static void
test_hung_servers_delay_only_each_other(void **state UNUSED)
{
	struct pr_sched_conf c = {.poll_us = POLL, .dead_factor = 1, .max_in_flight = 20};
	struct pr_sched_item v[40] = {0}, well = {0}, *it, *hung = NULL;
	struct mono now = at(POLL / CLK_MS), later = mono_add_us(now, 2 * CLK_S);
	struct pr_sched s;

	pr_sched_limits(&c, lanes, 0);
	pr_sched_init(&s, &c, at(0));
	for (size_t k = 0; k < ARRAY_LEN(v); k++) {
		v[k].slow = k % 4 != 0; /* as after PR_SCHED_SLOW */
		v[k].backoffs = k % 4 == 0;
		pr_sched_add(&s, &v[k], k % 2 == 0 ? IPC_TARGET_HAS_REPLICAS : 0, at(0));
	}
	while ((it = pr_sched_next(&s, now)) != NULL)
		hung = it->class == PR_CLASS_SLOW ? it : hung;
	pr_sched_add(&s, &well, IPC_TARGET_HURRY, now);
	assert_ptr_equal(pr_sched_next(&s, now), &well);
	pr_sched_finish(&s, hung, PR_SCHED_SLOW, later);
	assert_int_equal(hung->backoffs, 0);
	assert_in_range(hung->node.due.us, later.us, later.us + POLL * 5 / 4);
	pr_sched_done(&s);
}

static void
test_limits(void **state UNUSED)
{
	struct pr_sched_conf c = {.poll_us = POLL, .dead_factor = 1, .max_in_flight = 10};

	pr_sched_limits(&c, lanes, 0);
	assert_int_equal(c.limit[PR_CLASS_REGULAR], 5); /* connects never take all the room */
	assert_int_equal(c.limit[PR_CLASS_LIVE], 9);	/* nor do probes that are late */
	c.max_in_flight = 1;
	pr_sched_limits(&c, lanes, 0);
	assert_int_equal(c.limit[PR_CLASS_REGULAR], 1);
	c.max_in_flight = 300;
	pr_sched_limits(&c, lanes, 3);
	assert_int_equal(c.limit[PR_CLASS_DEAD], 3); /* DeadInstanceDiscoveryMaxConcurrency */
}

/* Two hundred a second, or as many more as connect all within two intervals; and as many at once, first. */
static void
test_connects_are_paced(void **state UNUSED)
{
	static const struct {
		int n, per_s;
	} cases[] = {{1500, 200}, {2000, 200}, {6000, 600}};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct pr_sched_item *v = mem_calloc((size_t)cases[i].n, sizeof(*v));
		int64_t first_second = 0, next_seconds = 0, per_s = cases[i].per_s;
		struct pr_sched s;

		begin(&s);
		for (int k = 0; k < cases[i].n; k++)
			pr_sched_add(&s, &v[k], IPC_TARGET_HURRY, at(0));
		for (int64_t t = 0; t < 4000; t++) {
			struct pr_sched_item *it;

			while ((it = pr_sched_next(&s, at(t))) != NULL) {
				if (!it->probed)
					*(t < 1000 ? &first_second : &next_seconds) += 1;
				probe_well(&s, it, at(t));
			}
			if (first_second + next_seconds < cases[i].n)
				assert_true(pr_sched_wake(&s, at(t)).us <= at(t).us + CLK_S / per_s);
		}
		assert_in_range(first_second, 2 * per_s - 5, 2 * per_s + 5); /* a full bucket and a second's worth */
		assert_in_range(next_seconds, 3 * per_s - 5, 3 * per_s + 5);
		pr_sched_done(&s);
		free(v);
	}
}

static void
test_mass_loss_sources_first(void **state UNUSED)
{
	struct pr_sched_item source = {0}, other = {0};
	struct pr_sched s;

	begin(&s);
	pr_sched_add(&s, &source, IPC_TARGET_HAS_REPLICAS, at(0));
	pr_sched_add(&s, &other, 0, at(0));
	pr_sched_spread_loss(&s, &source, 0.999, at(0));
	pr_sched_spread_loss(&s, &other, 0.0, at(0));
	assert_true(source.node.due.us < other.node.due.us);
	assert_true(other.node.due.us <= at(1000).us);
	pr_sched_done(&s);
}

static void
test_pings(void **state UNUSED)
{
	struct pr_sched_item source = {0}, other = {0};
	struct pr_sched s;

	begin(&s);
	pr_sched_add(&s, &source, IPC_TARGET_HAS_REPLICAS, at(0));
	pr_sched_add(&s, &other, 0, at(0));
	assert_null(pr_sched_next_ping(&s, at(5000))); /* no connection yet */
	pr_sched_set_connected(&s, &source, true, at(0));
	pr_sched_set_connected(&s, &other, true, at(0));
	assert_null(pr_sched_next_ping(&s, at(999)));
	assert_ptr_equal(pr_sched_next_ping(&s, at(1000)), &source);
	assert_null(pr_sched_next_ping(&s, at(1000)));
	assert_ptr_equal(pr_sched_next_ping(&s, at(2000)), &source);
	pr_sched_hurry(&s, &source, at(2500));
	assert_ptr_equal(pr_sched_next(&s, at(2500)), &source);
	assert_null(pr_sched_next_ping(&s, at(4000))); /* the probe asks already */
	pr_sched_finish(&s, &source, PR_SCHED_WELL, at(4000));
	assert_null(pr_sched_next_ping(&s, at(4999)));
	assert_ptr_equal(pr_sched_next_ping(&s, at(5000)), &source);
	pr_sched_set_flags(&s, &source, 0, at(5000)); /* lost its replicas */
	assert_null(pr_sched_next_ping(&s, at(9000)));
	pr_sched_done(&s);
}

static void
test_wake(void **state UNUSED)
{
	struct pr_sched_item a = {0};
	struct pr_sched s;

	begin(&s);
	assert_true(pr_sched_wake(&s, at(0)).us == INT64_MAX);
	pr_sched_add(&s, &a, 0, at(0));
	assert_true(pr_sched_wake(&s, at(0)).us == a.node.due.us);
	assert_ptr_equal(pr_sched_next(&s, a.node.due), &a);
	assert_true(pr_sched_wake(&s, a.node.due).us == INT64_MAX);
	pr_sched_finish(&s, &a, PR_SCHED_ABANDONED, a.node.due);
	assert_false(a.probed);
	pr_sched_remove(&s, &a);
	assert_true(pr_sched_wake(&s, at(0)).us == INT64_MAX);
	pr_sched_done(&s);
}

/* Idle connections are looked at in even ticks, several at once; what is due, or urgent, or not connected, isn't held up. */
static void
test_wake_in_ticks(void **state UNUSED)
{
	struct pr_sched_item a = {0};
	struct mono due, wake;
	struct pr_sched s;

	begin(&s);
	pr_sched_add(&s, &a, 0, at(0));
	due = a.node.due;
	assert_true(pr_sched_wake(&s, at(0)).us == due.us);
	pr_sched_set_connected(&s, &a, true, at(0));
	wake = pr_sched_wake(&s, at(0));
	assert_int_equal(wake.us % (PR_SCHED_TICK_MS * CLK_MS), 0);
	assert_in_range(mono_diff_us(wake, due), 0, PR_SCHED_TICK_MS * CLK_MS - 1);
	assert_true(pr_sched_wake(&s, due).us == due.us);
	pr_sched_hurry(&s, &a, at(1));
	assert_true(pr_sched_wake(&s, at(0)).us == at(1).us);
	pr_sched_done(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_spread_and_gaps),
	    cmocka_unit_test(test_hurry_flag_and_place),
	    cmocka_unit_test(test_one_in_flight_and_again),
	    cmocka_unit_test(test_classes),
	    cmocka_unit_test(test_backoff),
	    cmocka_unit_test(test_lost_server_is_confirmed_then_backs_off),
	    cmocka_unit_test(test_shorter_interval_counts_at_once_for_dead_servers),
	    cmocka_unit_test(test_shorter_ceiling_counts_at_once),
	    cmocka_unit_test(test_other_interval_spreads_living_servers),
	    cmocka_unit_test(test_failed_over_primary_is_tried_often),
	    cmocka_unit_test(test_full_class_delays_no_other),
	    cmocka_unit_test(test_hanging_logins_leave_room),
	    cmocka_unit_test(test_hung_servers_delay_only_each_other),
	    cmocka_unit_test(test_limits),
	    cmocka_unit_test(test_connects_are_paced),
	    cmocka_unit_test(test_mass_loss_sources_first),
	    cmocka_unit_test(test_pings),
	    cmocka_unit_test(test_wake),
	    cmocka_unit_test(test_wake_in_ticks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
