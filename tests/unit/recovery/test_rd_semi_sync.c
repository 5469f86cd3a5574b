/* test_rd_semi_sync.c — which commits may still wait, and which replicas acknowledge, after successive readings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rd_semi_sync.h"

struct reading {
	bool status;
	uint64_t waiting, acked;
	int64_t since_s; /* expected; readings are 5 s apart, the first one at 100 */
};

static void
expect_since(const struct reading *v, size_t n)
{
	struct rd_semi_sync s = {0};

	for (size_t i = 0; i < n; i++) {
		struct topo_instance inst = {.semi_sync_source_status = v[i].status,
					     .semi_sync_source_waiting = v[i].waiting,
					     .semi_sync_source_acked = v[i].acked};
		rd_semi_sync_note(&s, &inst, 100 + 5 * (int64_t)i);
		assert_int_equal(s.since_us, v[i].since_s);
	}
}

static void
test_waiting_commits(void **state UNUSED)
{
	static const struct reading idle[] = {{true, 0, 10, 100}, {true, 0, 10, 105}};
	static const struct reading busy[] = {{true, 1, 10, 0}, {true, 1, 11, 100}, {true, 1, 500, 105}};
	static const struct reading stuck[] = {{true, 0, 10, 100}, {true, 2, 10, 100}, {true, 2, 11, 100},
					       {true, 3, 12, 100}, {true, 3, 14, 100}, {true, 3, 17, 120}};
	static const struct reading degraded[] = {
	    {true, 0, 10, 100}, {false, 0, 10, 0}, {true, 1, 11, 0}, {true, 0, 11, 115}};
	static const struct reading restarted[] = {{true, 1, 500, 0}, {true, 1, 3, 0}, {true, 1, 4, 105}};

	expect_since(idle, ARRAY_LEN(idle));
	expect_since(busy, ARRAY_LEN(busy));
	expect_since(stuck, ARRAY_LEN(stuck));
	expect_since(degraded, ARRAY_LEN(degraded));
	expect_since(restarted, ARRAY_LEN(restarted));
}

static void
test_who_acknowledges(void **state UNUSED)
{
	static const struct {
		bool enabled, status;
		int64_t io;
		bool acks;
	} readings[] = {
	    {true, false, TOPO_THREAD_RUNNING, false}, /* was connected before it was enabled */
	    {true, true, TOPO_THREAD_RUNNING, true},
	    {true, false, TOPO_THREAD_OTHER, true}, /* tries to reach its source: as before */
	    {true, true, TOPO_THREAD_OTHER, true},
	    {true, false, TOPO_THREAD_STOPPED, false},
	    {true, false, TOPO_THREAD_OTHER, false},
	    {true, true, TOPO_THREAD_RUNNING, true},
	    {false, true, TOPO_THREAD_RUNNING, false},
	};
	struct rd_semi_sync s = {0};

	for (size_t i = 0; i < ARRAY_LEN(readings); i++) {
		struct topo_instance inst = {.semi_sync_replica_enabled = readings[i].enabled,
					     .semi_sync_replica_status = readings[i].status,
					     .io_thread_state = readings[i].io};
		rd_semi_sync_note(&s, &inst, 1);
		assert_int_equal(s.acks, readings[i].acks);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_waiting_commits),
					   cmocka_unit_test(test_who_acknowledges)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
