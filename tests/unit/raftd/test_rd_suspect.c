/* test_rd_suspect.c — which servers are probed at once after lost connections, under virtual time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "rd_suspect.h"

static struct topo_key
key(int i)
{
	static char names[4][16];
	static int at;
	char *name = names[at++ % 4];

	(void)snprintf(name, sizeof(names[0]), "db%d", i);
	return (struct topo_key){name, 3306};
}

static struct mono
at(int64_t ms)
{
	return (struct mono){1000 * CLK_S + ms * CLK_MS};
}

static bool
lose(struct rd_suspect *s, int i, bool has_replicas, int64_t ms, size_t known)
{
	struct topo_key k = key(i);

	return rd_suspect_lost(s, &k, has_replicas, at(ms), known);
}

/* Number of the server given out, -1 = none. */
static int
next(struct rd_suspect *s, int64_t ms)
{
	const struct topo_key *k;
	int i;

	if (!rd_suspect_next(s, at(ms), &k))
		return -1;
	assert_int_equal(sscanf(k->hostname, "db%d", &i), 1);
	return i;
}

static void
done(struct rd_suspect *s, int i)
{
	struct topo_key k = key(i);

	rd_suspect_done(s, &k);
}

static void
a_lost_server_and_its_replicas_are_probed_once(void **state UNUSED)
{
	struct rd_suspect *s = rd_suspect_new();
	struct topo_key k = key(2);

	assert_false(lose(s, 1, true, 0, 100));
	rd_suspect_related(s, &k, false);
	rd_suspect_related(s, &k, false);
	assert_int_equal(next(s, 0), 1);
	assert_int_equal(next(s, 0), 2);
	assert_int_equal(next(s, 0), -1);
	done(s, 1);
	done(s, 2);
	assert_int_equal(rd_suspect_stats(s, at(0)).under_way, 0);
	assert_int_equal(next(s, 1), -1);
	rd_suspect_free(s);
}

/* The probe under way may have begun before the loss: its answer proves nothing. */
static void
a_loss_during_its_probe_is_probed_again(void **state UNUSED)
{
	struct rd_suspect *s = rd_suspect_new();

	(void)lose(s, 1, false, 0, 100);
	assert_int_equal(next(s, 0), 1);
	(void)lose(s, 1, false, 10, 100);
	assert_int_equal(next(s, 10), -1);
	done(s, 1);
	assert_int_equal(next(s, 20), 1);
	done(s, 1);
	assert_int_equal(next(s, 30), -1);
	rd_suspect_free(s);
}

static const struct {
	const char *name;
	int losses;
	size_t known;
	int64_t apart_ms;
	bool mass;
} masses[] = {
    {"one of five", 1, 5, 0, false},
    {"two of five", 2, 5, 0, false},
    {"three of five", 3, 5, 0, true},
    {"ten of a hundred", 10, 100, 0, false},
    {"eleven of a hundred", 11, 100, 0, true},
    {"twenty of a thousand", 20, 1000, 0, false},
    {"twenty-one of many", 21, 100000, 0, true},
    {"slowly", 40, 1000, 60, false},
};

static void
many_losses_within_a_second_are_a_mass(void **state UNUSED)
{
	for (size_t c = 0; c < ARRAY_LEN(masses); c++) {
		struct rd_suspect *s = rd_suspect_new();
		int fresh = 0;
		for (int i = 0; i < masses[c].losses; i++)
			fresh += lose(s, i, false, i * masses[c].apart_ms, masses[c].known);
		if (fresh != masses[c].mass)
			fail_msg("%s: told %d times", masses[c].name, fresh);
		rd_suspect_free(s);
	}
}

static void
in_a_mass_sources_come_first_and_few_at_once(void **state UNUSED)
{
	struct rd_suspect *s = rd_suspect_new();
	int given = 0, first_replica = -1;

	for (int i = 0; i < 60; i++)
		(void)lose(s, i, i % 3 == 0, 0, 60); /* 20 sources */
	for (int i; (i = next(s, 0)) >= 0; given++)
		assert_int_equal(i % 3, 0);
	assert_int_equal(given, RD_SUSPECT_MASS_AT_ONCE);
	for (int i = 0; i < 60; i += 3) {
		int n;
		done(s, i);
		n = next(s, 10);
		if (n >= 0 && n % 3 != 0 && first_replica < 0)
			first_replica = i;
	}
	assert_int_equal(first_replica, 4 * 3); /* 16 were given out, the 4 others after the first ends */
	rd_suspect_free(s);
}

static void
a_mass_ends_after_some_calm(void **state UNUSED)
{
	struct rd_suspect *s = rd_suspect_new();

	for (int i = 0; i < 21; i++)
		(void)lose(s, i, false, 0, 1000);
	assert_true(rd_suspect_stats(s, at(4999)).mass);
	assert_false(rd_suspect_stats(s, at(5000)).mass);
	assert_false(lose(s, 30, false, 6000, 1000));
	assert_false(rd_suspect_stats(s, at(6000)).mass);
	rd_suspect_free(s);
}

static void
what_was_never_given_out_cannot_end(void **state UNUSED)
{
	struct rd_suspect *s = rd_suspect_new();

	done(s, 1);
	(void)lose(s, 1, false, 0, 100);
	done(s, 1); /* still waiting */
	assert_int_equal(next(s, 0), 1);
	rd_suspect_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_lost_server_and_its_replicas_are_probed_once),
	    cmocka_unit_test(a_loss_during_its_probe_is_probed_again),
	    cmocka_unit_test(many_losses_within_a_second_are_a_mass),
	    cmocka_unit_test(in_a_mass_sources_come_first_and_few_at_once),
	    cmocka_unit_test(a_mass_ends_after_some_calm),
	    cmocka_unit_test(what_was_never_given_out_cannot_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
