/* Which recoveries may begin. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/clock.h"
#include "rd_block.h"

#define NOW_US (INT64_C(1700000000) * CLK_S)
#define HOUR_US (3600 * CLK_S)

static void
test_blocks(void **state UNUSED)
{
	static const struct {
		const char *cluster, *failed, *successor;
		enum rd_recovery_state state;
		int64_t age_s;
		bool promoted, returned, acknowledged, forced;
		enum rd_block expect;
	} cases[] = {
	    /* the cluster, by its id, within the hour */
	    {"c1", "z", "y", RD_RECOVERY_DONE, 3599, true, false, false, false, RD_BLOCK_CLUSTER},
	    {"c1", "z", "y", RD_RECOVERY_DONE, 3600, true, false, false, false, RD_BLOCK_NONE},
	    {"c2", "z", "y", RD_RECOVERY_DONE, 10, true, false, false, false, RD_BLOCK_NONE},
	    /* the server that was promoted, wherever that was */
	    {"c1", "z", "a", RD_RECOVERY_DONE, 10, true, false, false, false, RD_BLOCK_SUCCESSOR},
	    {"c2", "z", "a", RD_RECOVERY_DONE, 10, true, false, false, false, RD_BLOCK_SUCCESSOR},
	    {"c2", "z", "a", RD_RECOVERY_UNDONE, 10, false, false, false, false, RD_BLOCK_NONE},
	    /* the same server: whoever asks does not know yet that it was replaced */
	    {"c2", "a", "y", RD_RECOVERY_DONE, 10, true, false, false, false, RD_BLOCK_CLUSTER},
	    {"c2", "a", "y", RD_RECOVERY_DONE, 10, true, false, true, false, RD_BLOCK_NONE},
	    {"c2", "a", "", RD_RECOVERY_UNDONE, 10, false, false, false, false, RD_BLOCK_NONE},
	    /* acknowledged, or asked for by an operator */
	    {"c1", "z", "a", RD_RECOVERY_DONE, 10, true, false, true, false, RD_BLOCK_NONE},
	    {"c1", "z", "a", RD_RECOVERY_DONE, 10, true, false, false, true, RD_BLOCK_NONE},
	    /* one that promoted nobody: because the server came back, or because nobody could be promoted */
	    {"c1", "a", "", RD_RECOVERY_UNDONE, 10, false, true, false, false, RD_BLOCK_NONE},
	    {"c1", "a", "", RD_RECOVERY_UNDONE, 10, false, false, false, false, RD_BLOCK_CLUSTER},
	    /* promoted, and the server came back meanwhile */
	    {"c1", "z", "y", RD_RECOVERY_DONE, 10, true, true, false, false, RD_BLOCK_CLUSTER},
	    /* a running one blocks always: no age, acknowledgement or force ends it */
	    {"c1", "z", "", RD_RECOVERY_PROMOTE, 10, false, false, false, false, RD_BLOCK_RUNNING},
	    {"c1", "z", "", RD_RECOVERY_PREPARE, 100000, false, true, true, true, RD_BLOCK_RUNNING},
	    {"c2", "z", "", RD_RECOVERY_PROMOTE, 10, false, false, false, false, RD_BLOCK_NONE},
	    /* of a newer build: it may be running */
	    {"c1", "z", "", (enum rd_recovery_state)77, 100000, false, false, false, false, RD_BLOCK_RUNNING},
	};
	static const struct topo_key failed = {"a", 3306};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct rd_recovery r = {.cluster_id = cases[i].cluster,
					.failed = {cases[i].failed, 3306},
					.successor = {cases[i].successor, 3306},
					.state = cases[i].state,
					.began_us = NOW_US - cases[i].age_s * CLK_S,
					.promoted = cases[i].promoted,
					.returned = cases[i].returned};
		struct rd_past_recovery past = {&r, cases[i].acknowledged};
		const struct rd_recovery *by = NULL;
		enum rd_block block = rd_block_check(&past, 1, "c1", &failed, cases[i].forced, NOW_US, HOUR_US, &by);

		if (block != cases[i].expect || (block == RD_BLOCK_NONE) != (by == NULL))
			fail_msg("case %zu: %s", i, rd_block_text(block));
	}
}

/* Nobody could be promoted, and now it is another kind of failure: it does not count, unless it runs still. */
static void
test_moot(void **state UNUSED)
{
	struct rd_recovery r = {.cluster_id = "c1", .state = RD_RECOVERY_UNDONE, .began_us = NOW_US};
	struct rd_past_recovery past = {.r = &r, .is_moot = true};
	static const struct topo_key failed = {"a", 3306};
	const struct rd_recovery *by = NULL;

	assert_int_equal(rd_block_check(&past, 1, "c1", &failed, false, NOW_US, HOUR_US, &by), RD_BLOCK_NONE);
	r.state = RD_RECOVERY_CHOOSE;
	assert_int_equal(rd_block_check(&past, 1, "c1", &failed, false, NOW_US, HOUR_US, &by), RD_BLOCK_RUNNING);
}

/* Of several the strongest is told. */
static void
test_strongest(void **state UNUSED)
{
	struct rd_recovery old = {.cluster_id = "c1",
				  .successor = {"y", 1},
				  .state = RD_RECOVERY_DONE,
				  .promoted = true},
			   now = {.cluster_id = "c1", .state = RD_RECOVERY_CHOOSE};
	struct rd_past_recovery past[] = {{&old, false}, {&now, false}};
	static const struct topo_key failed = {"a", 3306};
	const struct rd_recovery *by = NULL;

	old.began_us = now.began_us = NOW_US;
	assert_int_equal(rd_block_check(past, 2, "c1", &failed, false, NOW_US, HOUR_US, &by), RD_BLOCK_RUNNING);
	assert_ptr_equal(by, &now);
}

static void
test_force_acknowledges(void **state UNUSED)
{
	static const struct topo_key failed = {"a", 3306}, other = {"b", 3306};
	struct rd_recovery r = {.failed = {"a", 3306}, .state = RD_RECOVERY_DONE};
	struct rd_past_recovery p = {&r, false};

	assert_true(rd_block_is_acked_by_force(&p, &failed));
	assert_false(rd_block_is_acked_by_force(&p, &other));
	p.acknowledged = true;
	assert_false(rd_block_is_acked_by_force(&p, &failed));
	p.acknowledged = false;
	r.state = RD_RECOVERY_REPOINT;
	assert_false(rd_block_is_acked_by_force(&p, &failed));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_blocks),
	    cmocka_unit_test(test_moot),
	    cmocka_unit_test(test_strongest),
	    cmocka_unit_test(test_force_acknowledges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
