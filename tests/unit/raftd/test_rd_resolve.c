/* test_rd_resolve.c — the cache of host names under virtual time: methods, lives, learning, loops, rejects, rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "rd_resolve.h"

#define MIN (60 * CLK_S)
#define LIFE (60 * MIN)
#define T0 (INT64_C(1763800000) * CLK_S)

struct world {
	struct rd_resolve *r;
	struct rd_rules rules;
	struct rd_changes rows; /* everything so far */
};

static void
world_init(struct world *w, enum rd_resolve_method method)
{
	*w = (struct world){.r = rd_resolve_new(), .rules = {.resolve = method, .name_life_us = LIFE}};
}

static void
world_done(struct world *w)
{
	rd_resolve_free(w->r);
	rx_free(w->rules.reject_name);
	rd_changes_done(&w->rows);
}

static enum rd_name_state
ask(struct world *w, const char *host, int64_t at, const char **name)
{
	return rd_resolve_name(w->r, &w->rules, host, T0 + at, name, &w->rows);
}

#define EXPECT(w, host, at, state, name)                                          \
	do {                                                                      \
		const char *got_;                                                 \
		assert_int_equal(ask((w), (host), (at), &got_), RD_NAME_##state); \
		assert_string_equal(got_, (name));                                \
	} while (0)

static size_t
count(const struct world *w, enum rd_change_kind kind, enum db_table table)
{
	size_t n = 0;

	for (size_t i = 0; i < w->rows.n; i++)
		n += w->rows.v[i].kind == kind && w->rows.v[i].table == table;
	return n;
}

static void
default_takes_names_as_given_and_stores_them(void **state UNUSED)
{
	struct world w;

	world_init(&w, RD_RESOLVE_DEFAULT);
	EXPECT(&w, "db1", 0, READY, "db1");
	EXPECT(&w, "db1", 1, READY, "db1");
	assert_int_equal(count(&w, RD_CHANGE_UPSERT, DB_TABLE_hostname_resolve), 1);
	assert_int_equal(count(&w, RD_CHANGE_UPSERT, DB_TABLE_hostname_resolve_history), 0);
	world_done(&w);
}

static void
none_stores_nothing(void **state UNUSED)
{
	struct world w;

	world_init(&w, RD_RESOLVE_NONE);
	EXPECT(&w, "db1", 0, READY, "db1");
	assert_int_equal(w.rows.n, 0);
	/* but what a server calls itself is stored, or a restart would not know it */
	rd_resolve_learn(w.r, &w.rules, "db1", "db1.example", T0, &w.rows);
	assert_int_equal(w.rows.n, 2);
	world_done(&w);
}

static const char *const left_alone[] = {"", "//db1", "a,b"};

static void
some_names_are_never_touched(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(left_alone); i++) {
		struct world w;
		world_init(&w, RD_RESOLVE_CNAME);
		EXPECT(&w, left_alone[i], 0, READY, left_alone[i]);
		rd_resolve_answered(w.r, &w.rules, left_alone[i], "other", T0, &w.rows);
		rd_resolve_learn(w.r, &w.rules, left_alone[i], "other", T0, &w.rows);
		EXPECT(&w, left_alone[i], 1, READY, left_alone[i]);
		assert_int_equal(w.rows.n, 0);
		world_done(&w);
	}
}

static void
a_lookup_is_asked_for_and_lives(void **state UNUSED)
{
	struct world w;

	world_init(&w, RD_RESOLVE_CNAME);
	EXPECT(&w, "vip", 0, ASK, "vip");
	rd_resolve_answered(w.r, &w.rules, "vip", "db1.example", T0, &w.rows);
	EXPECT(&w, "vip", LIFE - 1, READY, "db1.example");
	assert_int_equal(count(&w, RD_CHANGE_UPSERT, DB_TABLE_hostname_resolve), 1);
	assert_int_equal(count(&w, RD_CHANGE_UPSERT, DB_TABLE_hostname_resolve_history), 1);
	/* too old: used on while it is asked for again, once a minute */
	EXPECT(&w, "vip", LIFE, STALE, "db1.example");
	EXPECT(&w, "vip", LIFE + 1, READY, "db1.example");
	EXPECT(&w, "vip", LIFE + MIN, STALE, "db1.example");
	EXPECT(&w, "vip", 2 * LIFE, ASK, "vip");
	/* an address has no other name */
	EXPECT(&w, "10.0.0.1", 0, READY, "10.0.0.1");
	EXPECT(&w, "fe80::1", 0, READY, "fe80::1");
	world_done(&w);
}

static void
the_cache_is_listed_piece_by_piece_and_cleared(void **state UNUSED)
{
	struct ipc_name names[2];
	struct world w;

	world_init(&w, RD_RESOLVE_CNAME);
	rd_resolve_answered(w.r, &w.rules, "vip", "db1.example", T0, &w.rows);
	rd_resolve_answered(w.r, &w.rules, "gone", "", T0, &w.rows);
	rd_resolve_answered(w.r, &w.rules, "db2", "db2.example", T0 + MIN, &w.rows);
	assert_int_equal(rd_resolve_list(w.r, &w.rules, 0, names, 2), 2);
	assert_string_equal(names[0].hostname, "vip");
	assert_string_equal(names[0].resolved, "db1.example");
	assert_true(names[0].expires_us == T0 + LIFE);
	assert_string_equal(names[1].resolved, "gone");
	assert_true(names[1].expires_us == T0 + RD_NAME_FAILED_US);
	assert_int_equal(rd_resolve_list(w.r, &w.rules, 2, names, 2), 1);
	assert_string_equal(names[0].hostname, "db2");
	rd_resolve_clear(w.r);
	assert_int_equal(rd_resolve_list(w.r, &w.rules, 0, names, 2), 0);
	EXPECT(&w, "vip", MIN, ASK, "vip");
	world_done(&w);
}

static void
a_failed_lookup_stands_for_a_minute(void **state UNUSED)
{
	struct world w;

	world_init(&w, RD_RESOLVE_IP);
	EXPECT(&w, "db1", 0, ASK, "db1");
	rd_resolve_answered(w.r, &w.rules, "db1", "", T0, &w.rows);
	EXPECT(&w, "db1", MIN - 1, READY, "db1");
	EXPECT(&w, "db1", MIN, ASK, "db1");
	assert_int_equal(w.rows.n, 0);
	world_done(&w);
}

static void
rejected_names_are_not_used(void **state UNUSED)
{
	struct world w;
	struct err e;

	world_init(&w, RD_RESOLVE_CNAME);
	assert_int_equal(rx_new("^ip-", &w.rules.reject_name, &e), 0);
	rd_resolve_answered(w.r, &w.rules, "db1", "ip-10-0-0-1", T0, &w.rows);
	rd_resolve_learn(w.r, &w.rules, "db2", "ip-10-0-0-2", T0, &w.rows);
	EXPECT(&w, "db1", 1, READY, "db1");
	EXPECT(&w, "db2", 1, ASK, "db2");
	assert_int_equal(w.rows.n, 0);
	world_done(&w);
}

static void
what_a_server_calls_itself_overrides(void **state UNUSED)
{
	struct world w;

	world_init(&w, RD_RESOLVE_DEFAULT);
	EXPECT(&w, "10.0.0.1", 0, READY, "10.0.0.1");
	rd_resolve_learn(w.r, &w.rules, "10.0.0.1", "db1", T0 + 1, &w.rows);
	EXPECT(&w, "10.0.0.1", 2, READY, "db1");
	assert_true(rd_resolve_is_learned(w.r, "10.0.0.1"));
	/* with every probe again: stored when half of its life is over */
	rd_resolve_learn(w.r, &w.rules, "10.0.0.1", "db1", T0 + 5 * MIN, &w.rows);
	assert_int_equal(count(&w, RD_CHANGE_UPSERT, DB_TABLE_hostname_resolve), 2);
	rd_resolve_learn(w.r, &w.rules, "10.0.0.1", "db1", T0 + LIFE / 2 + MIN, &w.rows);
	assert_int_equal(count(&w, RD_CHANGE_UPSERT, DB_TABLE_hostname_resolve), 3);
	/* a server under another name: at once */
	rd_resolve_learn(w.r, &w.rules, "10.0.0.1", "db2", T0 + LIFE / 2 + 2 * MIN, &w.rows);
	EXPECT(&w, "10.0.0.1", LIFE, READY, "db2");
	world_done(&w);
}

/* The bug of the historical program: an hour after it was learned, a name stood for itself until the next probe. */
static void
a_learned_name_is_used_on_until_it_is_learned_again(void **state UNUSED)
{
	struct world w;

	world_init(&w, RD_RESOLVE_DEFAULT);
	rd_resolve_learn(w.r, &w.rules, "vip", "db1", T0, &w.rows);
	EXPECT(&w, "vip", LIFE, STALE, "db1");
	rd_resolve_expire(w.r, &w.rules, T0 + 2 * LIFE - 1);
	EXPECT(&w, "vip", 2 * LIFE - 1, STALE, "db1");
	rd_resolve_expire(w.r, &w.rules, T0 + 2 * LIFE);
	EXPECT(&w, "vip", 2 * LIFE, READY, "vip");
	world_done(&w);
}

static void
of_a_loop_the_newer_half_stands(void **state UNUSED)
{
	struct world w;

	world_init(&w, RD_RESOLVE_DEFAULT);
	rd_resolve_learn(w.r, &w.rules, "a", "b", T0, &w.rows);
	rd_resolve_learn(w.r, &w.rules, "b", "a", T0 + 1, &w.rows);
	EXPECT(&w, "b", 2, READY, "a");
	EXPECT(&w, "a", 2, READY, "a");
	assert_int_equal(count(&w, RD_CHANGE_DELETE, DB_TABLE_hostname_resolve), 1);
	world_done(&w);
}

static void
stored_names_are_known_after_a_restart(void **state UNUSED)
{
	struct db_hostname_resolve row = {"vip", "db1", T0 - 10 * MIN}, future = {"x", "y", T0 + MIN};
	struct world w;

	world_init(&w, RD_RESOLVE_DEFAULT);
	rd_resolve_load(w.r, &row, T0);
	rd_resolve_load(w.r, &future, T0);
	EXPECT(&w, "vip", 0, READY, "db1");
	EXPECT(&w, "vip", LIFE - 10 * MIN, STALE, "db1");
	EXPECT(&w, "x", 0, READY, "x");
	world_done(&w);
}

static void
the_cache_is_bounded(void **state UNUSED)
{
	struct world w;
	char host[32];

	world_init(&w, RD_RESOLVE_NONE);
	for (int i = 0; i <= RD_NAMES_MAX; i++) {
		(void)snprintf(host, sizeof(host), "h%d", i);
		EXPECT(&w, host, 0, READY, host);
	}
	assert_int_equal(rd_resolve_stats(w.r).names, RD_NAMES_MAX);
	assert_int_equal(rd_resolve_stats(w.r).overflows, 1);
	world_done(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(default_takes_names_as_given_and_stores_them),
	    cmocka_unit_test(none_stores_nothing),
	    cmocka_unit_test(some_names_are_never_touched),
	    cmocka_unit_test(a_lookup_is_asked_for_and_lives),
	    cmocka_unit_test(the_cache_is_listed_piece_by_piece_and_cleared),
	    cmocka_unit_test(a_failed_lookup_stands_for_a_minute),
	    cmocka_unit_test(rejected_names_are_not_used),
	    cmocka_unit_test(what_a_server_calls_itself_overrides),
	    cmocka_unit_test(a_learned_name_is_used_on_until_it_is_learned_again),
	    cmocka_unit_test(of_a_loop_the_newer_half_stands),
	    cmocka_unit_test(stored_names_are_known_after_a_restart),
	    cmocka_unit_test(the_cache_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
