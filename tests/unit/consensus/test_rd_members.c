/* test_rd_members.c — configurations: ids, bytes (compared with libraft's own), allowed changes, catching up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <raft.h>

#include "rd_members.h"

static struct rd_members
members_of(const char *const *names, size_t n)
{
	struct rd_members m;
	struct err e;

	assert_int_equal(rd_members_found(names, n, &m, &e), 0);
	return m;
}

static const char *const abc[] = {"a:10008", "b:10008", "c:10008"};

static void
test_ids(void **state)
{
	(void)state;
	assert_int_equal(rd_member_id("a:1", NULL), rd_member_id("a:1", ""));
	assert_int_not_equal(rd_member_id("a:1", NULL), rd_member_id("a:2", NULL));
	assert_int_not_equal(rd_member_id("a:1", NULL), rd_member_id("a:1", "0123"));
	assert_int_not_equal(rd_member_id("a:1", "0124"), rd_member_id("a:1", "0123"));
	assert_true(rd_member_id("a:1", NULL) != 0 && rd_member_id("a:1", NULL) < UINT64_C(1) << 63);
	/* they are in logs: the hash can't change */
	assert_true(rd_member_id("node1:10008", NULL) == UINT64_C(8853852488427552749));
}

static void
test_founders_agree(void **state)
{
	const char *const cba[] = {"c:10008", "a:10008", "b:10008", "a:10008"};
	struct rd_members one = members_of(abc, 3), two = members_of(cba, 4);
	uint8_t p[RD_MEMBERS_BYTES_MAX], q[RD_MEMBERS_BYTES_MAX];
	struct err e;

	(void)state;
	assert_int_equal(rd_members_encode(&one, p), rd_members_encode(&two, q));
	assert_memory_equal(p, q, rd_members_encode(&one, p));
	assert_int_equal(rd_members_found(abc, 0, &one, &e), -ERR_INVALID);
	assert_int_equal(rd_members_found((const char *const[]){"a", ""}, 2, &one, &e), -ERR_INVALID);
}

static void
test_bytes_are_libraft_s(void **state)
{
	struct rd_members m = members_of(abc, 3), back;
	struct raft_configuration c;
	struct raft_buffer buf;
	uint8_t p[RD_MEMBERS_BYTES_MAX];
	struct err e;

	(void)state;
	m.v[1].role = RD_ROLE_LEARNER;
	raft_configuration_init(&c);
	for (size_t i = 0; i < m.n; i++)
		assert_int_equal(raft_configuration_add(&c, m.v[i].id, m.v[i].name, (int)m.v[i].role), 0);
	assert_int_equal(raft_configuration_encode(&c, &buf), 0);
	assert_int_equal(rd_members_encode(&m, p), buf.len);
	assert_memory_equal(p, buf.base, buf.len);
	assert_int_equal(rd_members_decode(p, buf.len, &back, &e), 0);
	assert_memory_equal(&m, &back, sizeof m);
	raft_free(buf.base);
	raft_configuration_close(&c);
}

static void
test_decode_trusts_nothing(void **state)
{
	struct rd_members m = members_of(abc, 3), back;
	uint8_t p[RD_MEMBERS_BYTES_MAX + 8] = {0}, q[RD_MEMBERS_BYTES_MAX + 8];
	size_t n = rd_members_encode(&m, p);
	struct err e;

	(void)state;
	for (size_t cut = 0; cut < n - 7; cut++)
		assert_int_not_equal(rd_members_decode(p, cut, &back, &e), 0);
	assert_int_equal(rd_members_decode(p, n + 8, &back, &e), -ERR_IPC_FORMAT);
	for (size_t i = 0; i < n; i++) { /* any single damage: refused, or another valid one; never a crash */
		memcpy(q, p, sizeof q);
		q[i] = (uint8_t)~q[i];
		if (rd_members_decode(q, n, &back, &e) == 0)
			assert_int_equal(back.n, 3);
	}
	memcpy(q, p, sizeof q);
	q[1] = 0;
	assert_int_equal(rd_members_decode(q, n, &back, &e), -ERR_IPC_FORMAT); /* nobody */
}

static void
test_changes(void **state)
{
	struct rd_members m = members_of(abc, 3), after;
	bool all[RD_MEMBERS_MAX] = {true, true, true, true}, one[RD_MEMBERS_MAX] = {true, true, false, true};
	uint64_t x = rd_member_id("x:1", "d");
	const struct {
		struct rd_change_view view;
		enum rd_member_change what;
		uint64_t id;
		const char *name;
		int rc;
		size_t n, voters;
	} cases[] = {
	    {{&m, false, false, false, all}, RD_CHANGE_ADD, x, "x:1", 0, 4, 3},
	    {{&m, false, false, false, one}, RD_CHANGE_ADD, x, "x:1", 0, 4, 3},
	    {{&m, true, false, false, all}, RD_CHANGE_ADD, x, "x:1", -ERR_BUSY, 0, 0},
	    {{&m, false, true, false, all}, RD_CHANGE_ADD, x, "x:1", -ERR_BUSY, 0, 0},
	    {{&m, false, false, true, all}, RD_CHANGE_ADD, x, "x:1", -ERR_BUSY, 0, 0},
	    {{&m, false, false, false, all}, RD_CHANGE_ADD, x, "a:10008", -ERR_EXISTS, 0, 0},
	    {{&m, false, false, false, all}, RD_CHANGE_ADD, m.v[0].id, "x:1", -ERR_EXISTS, 0, 0},
	    {{&m, false, false, false, all}, RD_CHANGE_ADD, 0, "x:1", -ERR_INVALID, 0, 0},
	    {{&m, false, false, false, all}, RD_CHANGE_REMOVE, x, NULL, -ERR_NOT_FOUND, 0, 0},
	    {{&m, false, false, false, all}, RD_CHANGE_PROMOTE, x, NULL, -ERR_NOT_FOUND, 0, 0},
	    {{&m, false, false, false, all}, RD_CHANGE_PROMOTE, m.v[0].id, NULL, -ERR_EXISTS, 0, 0},
	    {{&m, false, false, false, one}, RD_CHANGE_REMOVE, m.v[2].id, NULL, 0, 2, 2},
	    {{&m, false, false, false, one}, RD_CHANGE_REMOVE, m.v[1].id, NULL, -ERR_PRECONDITION, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e;

		assert_int_equal(
		    rd_members_change(&cases[i].view, cases[i].what, cases[i].id, cases[i].name, &after, &e),
		    cases[i].rc);
		if (cases[i].rc != 0)
			continue;
		assert_int_equal(after.n, cases[i].n);
		assert_int_equal(rd_members_voters(&after), cases[i].voters);
	}
}

static void
test_promotion(void **state)
{
	struct rd_members m = members_of(abc, 3), after;
	bool live[RD_MEMBERS_MAX] = {true, true, true, true};
	struct rd_change_view view = {&m, false, false, false, live};
	uint64_t id = rd_member_id("x:1", "d");
	struct err e;

	(void)state;
	assert_int_equal(rd_members_insert(&m, id, "x:1", RD_ROLE_LEARNER, &e), 0);
	live[rd_members_by_id(&m, id) - m.v] = false;
	assert_int_equal(rd_members_change(&view, RD_CHANGE_PROMOTE, id, NULL, &after, &e), -ERR_PRECONDITION);
	live[rd_members_by_id(&m, id) - m.v] = true;
	assert_int_equal(rd_members_change(&view, RD_CHANGE_PROMOTE, id, NULL, &after, &e), 0);
	assert_int_equal(rd_members_majority(&after), 3);
}

static void
test_limit(void **state)
{
	struct rd_members m = {0};
	char name[16];
	struct err e;

	(void)state;
	for (uint64_t i = 1; i <= RD_MEMBERS_MAX + 1; i++) {
		snprintf(name, sizeof name, "n%d:1", (int)i);
		assert_int_equal(rd_members_insert(&m, RD_MEMBERS_MAX + 2 - i, name, RD_ROLE_VOTER, &e),
				 i <= RD_MEMBERS_MAX ? 0 : -ERR_LIMIT);
	}
	for (size_t i = 1; i < m.n; i++)
		assert_true(m.v[i - 1].id < m.v[i].id);
}

static void
test_catching_up(void **state)
{
	static const struct {
		uint64_t match, last;
		int64_t at_ms;
		bool caught_up;
	} steps[] = {
	    {0, 1000, 0, false},				 /* never answered */
	    {10, 1000, 0, false},				 /* a round begins */
	    {500, 2000, 600, false},				 /* it goes on */
	    {1000, 3000, 1000, false},				 /* it was slow: another */
	    {2500, 3500, 1200, false}, {3000, 3600, 1400, true}, /* 400 ms for 1000 to 3000 */
	};
	struct rd_catch_up c = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(steps); i++)
		assert_int_equal(rd_catch_up_step(&c, steps[i].match, steps[i].last,
						  (struct mono){steps[i].at_ms * CLK_MS}, 500 * CLK_MS),
				 steps[i].caught_up);
	c = (struct rd_catch_up){0};
	assert_true(rd_catch_up_step(&c, 7, 7, (struct mono){0}, 500 * CLK_MS)); /* has everything */
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_ids),
	    cmocka_unit_test(test_founders_agree),
	    cmocka_unit_test(test_bytes_are_libraft_s),
	    cmocka_unit_test(test_decode_trusts_nothing),
	    cmocka_unit_test(test_changes),
	    cmocka_unit_test(test_promotion),
	    cmocka_unit_test(test_limit),
	    cmocka_unit_test(test_catching_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
