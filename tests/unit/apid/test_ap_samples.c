/* test_ap_samples.c — samples are kept as long as they are wanted and there is room; what they come to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ap_digest.h"
#include "ap_samples.h"
#include "base/mem.h"

static struct mono
at(int64_t second)
{
	return (struct mono){second * CLK_S};
}

static struct wall
wall(int64_t second)
{
	return (struct wall){second * CLK_S};
}

/* One message of second `second`: n probes that ended then. */
static void
add(struct ap_samples *s, int64_t second, size_t n, int64_t keep_s)
{
	struct ipc_probe_sample *v = mem_calloc(n, sizeof(*v));
	char host[] = "a-host.example.net"; /* gone when the samples are read */
	struct ipc_samples m = {.probes = {v, n}};

	for (size_t i = 0; i < n; i++)
		v[i] = (struct ipc_probe_sample){.at_us = second * CLK_S, .key = {host, (int64_t)i}, .error = ""};
	ap_samples_add(s, &m, at(second), keep_s);
	free(v);
	host[0] = '?';
}

static size_t
count(struct ap_samples *s, enum ap_sample_kind kind, int64_t since)
{
	struct ap_sample_set set;
	size_t n;

	ap_samples_take(s, kind, wall(since), &set);
	n = set.n;
	ap_sample_set_done(s, &set);
	return n;
}

static void
samples_go_when_they_are_old(void **state UNUSED)
{
	struct ap_samples *s = ap_samples_new();

	assert_int_equal(count(s, AP_PROBE_SAMPLES, 0), 0);
	for (int64_t second = 1; second <= 20; second++)
		add(s, second, 2, 10);
	assert_int_equal(count(s, AP_PROBE_SAMPLES, 0), 20); /* of 11 to 20 */
	assert_int_equal(count(s, AP_PROBE_SAMPLES, 10), 20);
	assert_int_equal(count(s, AP_PROBE_SAMPLES, 17), 6);
	assert_int_equal(count(s, AP_PROBE_SAMPLES, 20), 0);
	assert_int_equal(count(s, AP_WRITE_SAMPLES, 0), 0);
	add(s, 21, 2, 3); /* a reload: less is wanted */
	assert_int_equal(count(s, AP_PROBE_SAMPLES, 0), 6);
	add(s, 22, 2, 0);
	assert_int_equal(count(s, AP_PROBE_SAMPLES, 0), 0);
	assert_int_equal(ap_samples_stats(s).bytes, 0);
	assert_int_equal(ap_samples_stats(s).overflows, 0);
	ap_samples_free(s);
}

static void
who_reads_keeps_what_was_dropped(void **state UNUSED)
{
	struct ap_samples *s = ap_samples_new();
	struct ap_sample_set set, other;

	add(s, 1, 3, 5);
	ap_samples_take(s, AP_PROBE_SAMPLES, wall(0), &set);
	ap_samples_take(s, AP_PROBE_SAMPLES, wall(0), &other);
	add(s, 100, 1, 5);
	assert_int_equal(set.n, 3);
	for (size_t i = 0; i < set.n; i++) {
		const struct ipc_probe_sample *p = set.v[i];
		assert_string_equal(p->key.hostname, "a-host.example.net");
		assert_int_equal(p->key.port, i);
	}
	ap_sample_set_done(s, &set);
	assert_string_equal(((const struct ipc_probe_sample *)other.v[2])->key.hostname, "a-host.example.net");
	ap_sample_set_done(s, &other);
	assert_int_equal(count(s, AP_PROBE_SAMPLES, 0), 1);
	ap_samples_free(s);
}

static void
memory_is_bounded(void **state UNUSED)
{
	struct ap_samples *s = ap_samples_new();
	size_t newest;

	for (int64_t second = 1; second <= 200; second++)
		add(s, second, IPC_SAMPLES_MAX, 86400);
	assert_in_range(ap_samples_stats(s).bytes, AP_SAMPLES_BYTES / 2, AP_SAMPLES_BYTES);
	assert_in_range(ap_samples_stats(s).overflows, 1, 199);
	newest = count(s, AP_PROBE_SAMPLES, 199);
	assert_int_equal(newest, IPC_SAMPLES_MAX);
	assert_int_equal(count(s, AP_PROBE_SAMPLES, 0), (200 - ap_samples_stats(s).overflows) * IPC_SAMPLES_MAX);
	ap_samples_free(s);
}

/* --- what they come to ----------------------------------------------------------------------------------------- */
#define MS(v) ((v)*INT64_C(1000))

static const struct ipc_probe_sample probes[] = {
    {.at_us = 50, .key = {"b", 1}, .total_us = MS(40), .backend_us = MS(1), .instance_us = MS(30)},
    {.at_us = 20, .key = {"a", 1}, .total_us = MS(10), .backend_us = MS(2), .instance_us = MS(5)},
    {.at_us = 30, .key = {"a", 2}, .total_us = MS(2000), .backend_us = 0, .instance_us = MS(2000), .failure = -1},
    {.at_us = 40, .key = {"a", 1}, .total_us = MS(1000), .backend_us = 0, .instance_us = MS(900), .failure = 1045},
};

static void
probes_are_digested(void **state UNUSED)
{
	const void *v[ARRAY_LEN(probes)];
	struct ap_sample_set set = {.v = v, .n = ARRAY_LEN(probes)};
	struct ap_probe_digest d;

	for (size_t i = 0; i < ARRAY_LEN(probes); i++)
		v[i] = &probes[i];
	d = ap_digest_probes(&set);
	assert_true(d.first_us == 20 && d.last_us == 50);
	assert_true(d.probes == 4 && d.failed == 2);
	assert_true(d.servers == 3 && d.servers_ok == 2 && d.servers_failed == 2);
	assert_true(d.all[AP_PROBE_TOTAL].mean == 0.7625 && d.all[AP_PROBE_TOTAL].max == 2);
	assert_true(d.all[AP_PROBE_TOTAL].median == 0.52 && d.all[AP_PROBE_TOTAL].p95 == 2);
	assert_true(d.all[AP_PROBE_BACKEND].max == 0.002 && d.all[AP_PROBE_INSTANCE].min == 0.005);
	assert_true(d.of_failed[AP_PROBE_TOTAL].mean == 1.5 && d.of_failed[AP_PROBE_BACKEND].max == 0);
	assert_true(d.of_failed[AP_PROBE_INSTANCE].median == 1.45);
	assert_ptr_equal(v[0], &probes[0]); /* the set is left in its order */
}

static void
nothing_comes_to_zeroes(void **state UNUSED)
{
	struct ap_sample_set none = {0};
	struct ap_probe_digest d = ap_digest_probes(&none);

	assert_true(d.first_us == 0 && d.last_us == 0 && d.probes == 0 && d.servers == 0);
	assert_true(d.all[AP_PROBE_TOTAL].p95 == 0 && d.of_failed[AP_PROBE_TOTAL].mean == 0);
	assert_true(ap_digest_member(&none, offsetof(struct ipc_flush_sample, instances), 1).max == 0);
}

static void
counts_are_digested(void **state UNUSED)
{
	const struct ipc_flush_sample f[] = {{.instances = 3}, {.instances = 100}, {.instances = 17}};
	const void *v[] = {&f[0], &f[1], &f[2]};
	struct ap_sample_set set = {.v = v, .n = 3};
	struct ap_summary s = ap_digest_member(&set, offsetof(struct ipc_flush_sample, instances), 1);

	assert_true(s.min == 3 && s.mean == 40 && s.median == 17 && s.p95 == 100 && s.max == 100);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(samples_go_when_they_are_old),
	    cmocka_unit_test(who_reads_keeps_what_was_dropped),
	    cmocka_unit_test(memory_is_bounded),
	    cmocka_unit_test(probes_are_digested),
	    cmocka_unit_test(nothing_comes_to_zeroes),
	    cmocka_unit_test(counts_are_digested),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
