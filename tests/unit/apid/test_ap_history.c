/* test_ap_history.c — samples of queues, and summaries of numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ap_history.h"

static void
add(struct ap_history *h, double in_flight, double queued, int64_t at_us, size_t keep)
{
	struct ipc_metric v[] = {{"prober.in_flight", in_flight, false}, {"discoveries.queue_length", queued, false}};
	struct ipc_metric_list list = {v, 2};

	ap_history_add(h, &list, (struct mono){at_us}, keep);
}

static void
samples_are_kept_oldest_first(void **state UNUSED)
{
	struct ap_history *h = ap_history_new();
	struct ap_queue_sample v[100];

	assert_int_equal(ap_history_read(h, AP_QUEUE_DEFAULT, 10, v, 100), 0);
	for (int i = 0; i < 50; i++) {
		add(h, i, 100 + i, i * CLK_S, 10);
		add(h, -1, -1, i * CLK_S + AP_HISTORY_GAP_US - 1, 10); /* told again: no sample */
	}
	assert_int_equal(ap_history_read(h, AP_QUEUE_DEFAULT, 3, v, 100), 3);
	assert_int_equal(v[0].active, 47);
	assert_int_equal(v[2].active, 49);
	assert_int_equal(v[2].queued, 149);
	assert_in_range(ap_history_read(h, AP_QUEUE_DEFAULT, 100, v, 100), 10, 11);
	assert_int_equal(ap_history_read(h, AP_QUEUE_DEFAULT, 100, v, 2), 2);
	assert_int_equal(ap_history_read(h, AP_QUEUE_DEFAULT, 0, v, 100), 0);
	assert_int_equal(ap_history_read(h, AP_QUEUE_DEAD, 1, v, 100), 1);
	assert_int_equal(v[0].active, 0);
	ap_history_free(h);
}

static void
numbers_are_summarized(void **state UNUSED)
{
	double four[] = {4, 1, 3, 2}, twenty[20];
	struct ap_summary s = ap_summarize(four, 4);

	assert_true(s.min == 1 && s.mean == 2.5 && s.median == 2.5 && s.p95 == 4 && s.max == 4);
	for (int i = 0; i < 20; i++)
		twenty[i] = 20 - i;
	s = ap_summarize(twenty, 20);
	assert_true(s.min == 1 && s.median == 10.5 && s.p95 == 19 && s.max == 20);
	s = ap_summarize(twenty, 1);
	assert_true(s.min == 1 && s.mean == 1 && s.median == 1 && s.p95 == 1 && s.max == 1);
	s = ap_summarize(twenty, 0);
	assert_true(s.min == 0 && s.mean == 0 && s.median == 0 && s.p95 == 0 && s.max == 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(samples_are_kept_oldest_first),
	    cmocka_unit_test(numbers_are_summarized),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
