/* test_rd_lease.c — tables of the lease arithmetic. That two leases never overlap is test_rd_raft_lead's and _chaos's. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "rd_lease.h"

#define ET (500 * CLK_MS)
#define N INT64_MIN

static void
test_evidence(void **state)
{
	static const struct {
		size_t n, majority;
		int64_t v[5];
		int64_t evidence;
	} cases[] = {
	    {1, 1, {100}, 100},
	    {2, 2, {100, N}, N},
	    {2, 2, {100, 40}, 40},
	    {3, 2, {100, N, N}, N},
	    {3, 2, {100, 40, N}, 40},
	    {3, 2, {40, 100, 60}, 60},
	    {4, 3, {100, 90, N, N}, N},
	    {4, 3, {100, 90, 10, N}, 10},
	    {5, 3, {100, 90, 80, N, N}, 80},
	    {5, 3, {5, 100, 1, 2, 3}, 3},
	    {0, 1, {0}, N}, /* no voters: no evidence */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct mono v[5];

		for (size_t k = 0; k < 5; k++)
			v[k].us = cases[i].v[k];
		assert_true(rd_lease_evidence(v, cases[i].n, cases[i].majority).us == cases[i].evidence);
	}
}

static void
test_end(void **state)
{
	(void)state;
	assert_true(rd_lease_end((struct mono){1000}, ET).us == 1000 + 400 * CLK_MS);
	assert_true(rd_lease_end(RD_NEVER, ET).us == RD_NEVER.us);
}

static void
test_claim(void **state)
{
	struct rd_lease l = {.end = RD_NEVER};

	(void)state;
	assert_true(rd_lease_claim(&l, 2, true, (struct mono){1000}, ET).us == RD_NEVER.us); /* term still open */
	assert_true(rd_lease_claim(&l, 2, false, RD_NEVER, ET).us == RD_NEVER.us);
	assert_true(l.end.us == RD_NEVER.us); /* nothing was promised */
	assert_true(rd_lease_claim(&l, 2, false, (struct mono){1000}, ET).us == 1000 + 400 * CLK_MS);
	assert_true(l.end.us == 1000 + 400 * CLK_MS);
	assert_true(rd_lease_claim(&l, 2, false, (struct mono){500}, ET).us == 500 + 400 * CLK_MS);
	assert_true(l.end.us == 1000 + 400 * CLK_MS); /* a promise isn't taken back */
	rd_lease_surrender(&l, 2);
	assert_true(rd_lease_claim(&l, 2, false, (struct mono){2000}, ET).us == RD_NEVER.us);
	assert_true(l.end.us == 1000 + 400 * CLK_MS);
	assert_true(rd_lease_claim(&l, 3, false, (struct mono){3000}, ET).us == 3000 + 400 * CLK_MS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_evidence),
	    cmocka_unit_test(test_end),
	    cmocka_unit_test(test_claim),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
