/* Steps: which statements may be sent, which numbers are refused; and what counts as a mass loss. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "pr_fence.h"
#include "pr_loss.h"
#include "pr_step.h"

static void
test_fence(void **state UNUSED)
{
	static const struct {
		const char *uid;
		uint64_t term, number;
		int expect;
	} steps[] = {
	    {"a", 3, 1, 0},
	    {"a", 3, 2, 0},
	    {"a", 3, 2, -ERR_EXISTS},
	    {"a", 3, 1, -ERR_EXISTS},
	    {"b", 3, 1, 0},
	    {"a", 3, 9, 0},
	    {"a", 3, 8, -ERR_EXISTS},
	    {"a", 2, 100, -ERR_LATE},
	    {"c", 2, 1, -ERR_LATE},
	    {"a", 4, 1, 0}, /* resumed by another leader: numbers begin anew */
	    {"b", 3, 2, -ERR_LATE},
	    {"b", 4, 1, 0},
	    {"a", 4, 1, -ERR_EXISTS},
	    {"", 4, 1, -ERR_INVALID},
	    {"d", 4, 0, -ERR_INVALID},
	};
	struct pr_fence *f = mem_new(struct pr_fence);
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		int rc = pr_fence_admit(f, steps[i].uid, steps[i].term, steps[i].number, &e);
		if (rc != steps[i].expect)
			fail_msg("step %zu: %d instead of %d", i, rc, steps[i].expect);
	}
	free(f);
}

static void
test_fence_forgets_the_oldest(void **state UNUSED)
{
	struct pr_fence *f = mem_new(struct pr_fence);
	struct err e;
	char uid[32];

	assert_int_equal(pr_fence_admit(f, "first", 1, 5, &e), 0);
	assert_int_equal(pr_fence_admit(f, "second", 1, 5, &e), 0);
	for (int i = 0; i < PR_FENCE_MAX - 2; i++) {
		(void)snprintf(uid, sizeof(uid), "u%d", i);
		assert_int_equal(pr_fence_admit(f, uid, 1, 1, &e), 0);
	}
	assert_int_equal(pr_fence_admit(f, "first", 1, 6, &e), 0); /* used: no longer the oldest */
	assert_int_equal(pr_fence_admit(f, "one more", 1, 1, &e), 0);
	assert_int_equal(pr_fence_admit(f, "first", 1, 6, &e), -ERR_EXISTS);
	assert_int_equal(pr_fence_admit(f, "second", 1, 1, &e), 0);
	free(f);
}

static void
test_who_may_be_made_to_connect_anew(void **state UNUSED)
{
	static const char *const old[] = {"Slave_IO_Running", "Slave_SQL_Running"};
	static const char *const fresh[] = {"Replica_IO_Running", "Replica_SQL_Running"};
	static const struct {
		const char *const *names;
		const char *io, *sql;
		size_t rows, dropped;
		const char *expect; /* a part of the obstacle; NULL: none */
	} cases[] = {
	    {old, "Yes", "Yes", 1, 0, NULL},	     {fresh, "Yes", "Yes", 1, 0, NULL},
	    {old, "Connecting", "Yes", 1, 0, NULL},  {old, "Preparing", "Yes", 1, 0, NULL},
	    {old, "No", "Yes", 1, 0, "receiver"},    {fresh, "No", "Yes", 1, 0, "receiver"},
	    {old, "Yes", "No", 1, 0, "applier"},     {fresh, "Connecting", "No", 1, 0, "applier"},
	    {old, "No", "No", 1, 0, "applier"}, /* MariaDB would drop its relay log */
	    {old, NULL, "Yes", 1, 0, "receiver"},    {old, "Yes", NULL, 1, 0, "applier"},
	    {old, "Yes", "Yes", 0, 0, "no replica"}, {old, "Yes", "Yes", 1, 1, "several"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *cells[] = {cases[i].io, cases[i].sql};
		struct pr_rows r = {.answered = true,
				    .n_cols = 2,
				    .n_rows = cases[i].rows,
				    .n_dropped = cases[i].dropped,
				    .names = cases[i].names,
				    .cells = cells};
		const char *why = pr_step_reconnect_obstacle(&r);

		if ((why == NULL) != (cases[i].expect == NULL) || (why != NULL && strstr(why, cases[i].expect) == NULL))
			fail_msg("case %zu: %s", i, why == NULL ? "no obstacle" : why);
	}
}

static void
test_the_only_channel(void **state UNUSED)
{
	static const char *const named[] = {"Channel_Name"}, *const mariadb[] = {"Connection_name"};
	static const struct {
		const char *const *names;
		const char *name;
		size_t rows, dropped;
		const char *expect; /* NULL: refused */
	} cases[] = {
	    {named, "", 1, 0, ""},	  {named, "up stream", 1, 0, "up stream"},
	    {named, NULL, 1, 0, ""},	  {named, "", 0, 0, ""},
	    {mariadb, "other", 1, 0, ""}, {named, "a", 1, 1, NULL},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct pr_rows r = {.answered = true,
				    .n_cols = 1,
				    .n_rows = cases[i].rows,
				    .n_dropped = cases[i].dropped,
				    .names = cases[i].names,
				    .cells = &cases[i].name};
		const char *name;
		struct err e;
		int rc = pr_step_only_channel(&r, &name, &e);

		if (cases[i].expect == NULL ? rc != -ERR_PRECONDITION : rc != 0 || !str_eq(name, cases[i].expect))
			fail_msg("case %zu: %d %s", i, rc, name);
	}
}

static void
test_mass_loss(void **state UNUSED)
{
	static const struct {
		size_t losses, servers;
		int64_t apart_ms;
		bool mass;
	} cases[] = {
	    {1, 1, 0, false},	    {4, 4, 0, false}, /* a handful: each is reported */
	    {9, 9, 0, false},	    {10, 99, 0, true},	  {10, 100, 0, false},
	    {20, 10000, 0, false},  {21, 10000, 0, true}, {21, 10000, 40, true},
	    {30, 10000, 60, false}, {30, 100, 60, true},  {100, 100, 200, false},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct pr_loss l = {.n = 0};
		struct mono t = {CLK_S};

		for (size_t k = 0; k < cases[i].losses; k++) {
			t = mono_add_us(t, cases[i].apart_ms * CLK_MS);
			pr_loss_note(&l, t);
		}
		if (pr_loss_is_mass(&l, cases[i].servers, t) != cases[i].mass)
			fail_msg("case %zu", i);
		assert_false(pr_loss_is_mass(&l, cases[i].servers, mono_add_us(t, 2 * CLK_S)));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_fence),
	    cmocka_unit_test(test_fence_forgets_the_oldest),
	    cmocka_unit_test(test_who_may_be_made_to_connect_anew),
	    cmocka_unit_test(test_the_only_channel),
	    cmocka_unit_test(test_mass_loss),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
