/* test_rn_rule.c — one connection per pair, pauses, silence; and both nodes of a pair played against each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "rn_rule.h"

#define SILENCE (1500 * CLK_MS)

static struct mono
at(int64_t ms)
{
	return (struct mono){1000 * CLK_S + ms * CLK_MS};
}

static void
exactly_one_decides(void **state UNUSED)
{
	static const char *const names[] = {"a:1", "a:10", "a:2", "b:1", "[::1]:1", "10.0.0.1:1"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		for (size_t k = 0; k < ARRAY_LEN(names); k++) {
			if (i != k)
				assert_true(rn_rule_decides(names[i], names[k]) != rn_rule_decides(names[k], names[i]));
		}
	}
}

static void
which_connection(void **state UNUSED)
{
	static const struct {
		const char *what;
		struct rn_rule_pair p;
		bool takes;
	} all[] = {
	    {"the first", {.new_instance = 7}, true},
	    {"the first, dialled", {.new_instance = 7, .dialled = true}, true},
	    {"both dialled at once: the other's comes second",
	     {.has_live = true, .live_instance = 7, .live_number = 5, .new_instance = 7, .new_seen = 4},
	     false},
	    {"both dialled at once: ours comes second; its hello was written after our USE arrived",
	     {.has_live = true,
	      .live_instance = 7,
	      .live_number = 5,
	      .new_instance = 7,
	      .new_seen = 5,
	      .dialled = true},
	     false},
	    {"it has lost the one in use and dials again",
	     {.has_live = true, .live_instance = 7, .live_number = 5, .new_instance = 7, .new_seen = 5},
	     true},
	    {"a number of a former process of ours",
	     {.has_live = true, .live_instance = 7, .live_number = 5, .new_instance = 7, .new_seen = 99},
	     false},
	    {"another process of that name while the first is lively",
	     {.has_live = true, .live_instance = 7, .live_number = 5, .new_instance = 8, .new_seen = 0},
	     false},
	    {"another process that guesses the number",
	     {.has_live = true, .live_instance = 7, .live_number = 5, .new_instance = 8, .new_seen = 5},
	     false},
	    {"restarted, and the old connection went quiet",
	     {.has_live = true, .live_instance = 7, .live_number = 5, .live_quiet = true, .new_instance = 8},
	     true},
	};

	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		if (rn_rule_takes(&all[i].p) != all[i].takes)
			fail_msg("%s", all[i].what);
	}
}

static void
pauses(void **state UNUSED)
{
	static const struct {
		unsigned failures;
		int64_t least_ms, most_ms;
	} all[] = {{0, 20, 50},	   {1, 50, 100},   {2, 100, 200},    {3, 200, 400},	     {4, 400, 800},
		   {5, 500, 1000}, {6, 500, 1000}, {100, 500, 1000}, {UINT32_MAX, 500, 1000}};

	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		int64_t least = INT64_MAX, most = 0;
		for (uint32_t r = 0; r < 4000; r++) {
			int64_t us = rn_rule_pause_us(all[i].failures, r * 2654435761u);
			least = min_i64(least, us);
			most = max_i64(most, us);
		}
		assert_in_range(least, all[i].least_ms * CLK_MS, all[i].least_ms * CLK_MS * 21 / 20);
		assert_in_range(most, all[i].most_ms * CLK_MS * 19 / 20, all[i].most_ms * CLK_MS);
	}
}

static void
connect_times(void **state UNUSED)
{
	assert_true(rn_rule_connect_us(false, 0) < rn_rule_connect_us(true, 0));
	assert_true(rn_rule_connect_us(true, 0) <= CLK_S);
	assert_true(rn_rule_connect_us(true, 5) > rn_rule_connect_us(true, 4));
}

static void
silence(void **state UNUSED)
{
	assert_int_equal(rn_rule_idle(at(100), at(0), at(0), SILENCE), RN_IDLE_NOTHING);
	assert_int_equal(rn_rule_idle(at(374), at(0), at(0), SILENCE), RN_IDLE_NOTHING);
	assert_int_equal(rn_rule_idle(at(375), at(0), at(0), SILENCE), RN_IDLE_PING);
	assert_int_equal(rn_rule_idle(at(375), at(0), at(300), SILENCE), RN_IDLE_NOTHING);
	assert_int_equal(rn_rule_idle(at(1499), at(0), at(1400), SILENCE), RN_IDLE_NOTHING);
	assert_int_equal(rn_rule_idle(at(1500), at(0), at(1400), SILENCE), RN_IDLE_DEAD);
	assert_false(rn_rule_quiet(at(749), at(0), SILENCE));
	assert_true(rn_rule_quiet(at(750), at(0), SILENCE));
}

/* --- the protocol of rn_shake.c in small: two nodes, messages in flight per connection, any order of delivery -------- */

#define CONNS 6
enum step { STEP_HELLO = 1, STEP_USE, STEP_REFUSE };

struct toy_conn {
	bool by_decider, alive; /* alive: neither end has closed it */
	bool hello_under_way;	/* towards the deciding node, with this: */
	uint64_t seen;
	bool use_under_way; /* towards the other */
	uint64_t number;
};
struct toy {
	struct toy_conn c[CONNS];
	unsigned n;
	int decider_live, other_live; /* index, -1 */
	uint64_t decider_number, other_seen, numbers;
	unsigned ups;
};

static void
toy_dial(struct toy *t, bool by_decider)
{
	if (t->n < CONNS)
		t->c[t->n++] = (struct toy_conn){by_decider, true, true, t->other_seen, false, 0};
}

static void
toy_hello_arrives(struct toy *t, unsigned i)
{
	struct rn_rule_pair p = {.has_live = t->decider_live >= 0,
				 .live_instance = 1,
				 .live_number = t->decider_number,
				 .new_instance = 1,
				 .new_seen = t->c[i].seen,
				 .dialled = t->c[i].by_decider};

	t->c[i].hello_under_way = false;
	if (!rn_rule_takes(&p)) {
		t->c[i].alive = false;
		return;
	}
	if (t->decider_live >= 0)
		t->c[t->decider_live].alive = false;
	t->decider_live = (int)i;
	t->decider_number = ++t->numbers;
	t->c[i].use_under_way = true;
	t->c[i].number = t->decider_number;
	t->ups++;
	for (unsigned k = 0; k < t->n; k++) { /* its own other dials end */
		if (k != i && t->c[k].by_decider)
			t->c[k].alive = false;
	}
}

static void
toy_use_arrives(struct toy *t, unsigned i)
{
	t->c[i].use_under_way = false;
	t->other_seen = t->c[i].number;
	t->other_live = (int)i;
	for (unsigned k = 0; k < t->n; k++) {
		if (k != i && !t->c[k].by_decider)
			t->c[k].alive = false;
	}
}

/* Plays one order of deliveries, told by the digits of `choices`; both dial at once. */
static void
toy_play(struct toy *t, unsigned choices)
{
	*t = (struct toy){.decider_live = -1, .other_live = -1, .numbers = 100};
	toy_dial(t, true);
	toy_dial(t, false);
	for (unsigned turn = 0; turn < 12; turn++, choices /= 4) {
		unsigned i = choices % 2;
		if (!t->c[i].alive)
			continue;
		if (choices % 4 < 2 && t->c[i].hello_under_way)
			toy_hello_arrives(t, i);
		else if (t->c[i].use_under_way)
			toy_use_arrives(t, i);
	}
	for (unsigned i = 0; i < 2; i++) {
		if (t->c[i].alive && t->c[i].hello_under_way)
			toy_hello_arrives(t, i);
		if (t->c[i].alive && t->c[i].use_under_way)
			toy_use_arrives(t, i);
	}
}

static void
dialling_at_once_ends_with_one_and_no_flap(void **state UNUSED)
{
	struct toy t;
	bool by_decider = false, by_other = false;

	for (unsigned choices = 0; choices < 65536; choices++) {
		toy_play(&t, choices);
		assert_int_equal(t.ups, 1);
		assert_true(t.decider_live >= 0 && t.decider_live == t.other_live);
		assert_true(t.c[t.decider_live].alive);
		assert_false(t.c[1 - t.decider_live].alive);
		by_decider |= t.decider_live == 0;
		by_other |= t.decider_live == 1;
	}
	assert_true(by_decider && by_other);
}

static void
a_connection_lost_on_one_side_is_replaced_at_once(void **state UNUSED)
{
	struct toy t;

	for (unsigned choices = 0; choices < 256; choices++) {
		toy_play(&t, choices);
		t.other_live = -1; /* it noticed; the deciding node did not */
		toy_dial(&t, false);
		toy_hello_arrives(&t, 2);
		assert_int_equal(t.decider_live, 2);
		toy_use_arrives(&t, 2);
		assert_int_equal(t.other_live, 2);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(exactly_one_decides),
	    cmocka_unit_test(which_connection),
	    cmocka_unit_test(pauses),
	    cmocka_unit_test(connect_times),
	    cmocka_unit_test(silence),
	    cmocka_unit_test(dialling_at_once_ends_with_one_and_no_flap),
	    cmocka_unit_test(a_connection_lost_on_one_side_is_replaced_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
