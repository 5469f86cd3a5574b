/* test_rd_listing.c — found servers on their way into the inventory: gathered, bounded, each once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "rd_listing.h"
#include "state/rd_command.h"
#include "topo/key.h"

#define DISCOVERED 10000

static struct mono
at_ms(int64_t ms)
{
	return (struct mono){ms * CLK_MS};
}

static bool
add(struct rd_listing *l, unsigned i, bool at_once, struct mono now)
{
	char host[32];
	struct topo_key key = {host, 3306};

	(void)snprintf(host, sizeof(host), "db%u", i);
	return rd_listing_add(l, &key, at_once, now);
}

static void
end(struct rd_listing *l, struct topo_key_list *keys)
{
	rd_listing_ended(l, keys);
	topo_key_list_done(keys);
}

static void
few_are_gathered_for_a_moment(void **state UNUSED)
{
	struct rd_listing l = {0};
	struct topo_key_list keys;
	struct mono at;

	assert_false(rd_listing_due(&l, &at));
	assert_true(add(&l, 1, false, at_ms(0)));
	assert_true(add(&l, 2, false, at_ms(60)));
	assert_false(add(&l, 1, false, at_ms(60)));
	assert_true(rd_listing_due(&l, &at));
	assert_int_equal(at.us, 100 * CLK_MS);
	assert_false(rd_listing_take(&l, at_ms(99), &keys));
	assert_true(rd_listing_take(&l, at_ms(100), &keys));
	assert_int_equal(keys.n, 2);
	assert_false(add(&l, 1, false, at_ms(101))); /* it is under way */
	end(&l, &keys);
	assert_true(add(&l, 1, false, at_ms(102))); /* it failed, and its next probe lists it again */
	rd_listing_done(&l);
}

static void
who_is_waited_for_goes_first_and_at_once(void **state UNUSED)
{
	struct rd_listing l = {0};
	struct topo_key_list keys;

	for (unsigned i = 0; i < 2 * RD_LISTING_BATCH; i++)
		assert_true(add(&l, i, false, at_ms(0)));
	assert_true(add(&l, 9999, true, at_ms(1)));
	assert_true(rd_listing_take(&l, at_ms(1), &keys));
	assert_string_equal(keys.v[0].hostname, "db9999");
	end(&l, &keys);
	rd_listing_done(&l);
}

/* Forty commands, two at a time; nobody twice, nobody left out. */
static void
the_first_discovery_of_10000_servers_is_a_few_commands(void **state UNUSED)
{
	struct topo_key_list flights[RD_LISTING_FLIGHTS], more;
	struct rd_listing l = {0};
	unsigned commands = 0, servers = 0;
	size_t n = 0;

	assert_int_equal(RD_LISTING_BATCH, RD_KEYS_MAX);
	for (unsigned i = 0; i < DISCOVERED; i++) {
		assert_true(add(&l, i, false, at_ms(0)));
		if (n < RD_LISTING_FLIGHTS && rd_listing_take(&l, at_ms(0), &flights[n]))
			n++;
	}
	assert_int_equal(n, RD_LISTING_FLIGHTS);
	assert_false(rd_listing_take(&l, at_ms(500), &more)); /* the others wait */
	while (n > 0) {
		assert_in_range(flights[0].n, 1, RD_LISTING_BATCH);
		servers += (unsigned)flights[0].n;
		commands++;
		end(&l, &flights[0]);
		flights[0] = flights[--n];
		while (n < RD_LISTING_FLIGHTS && rd_listing_take(&l, at_ms(500 + commands * 100), &flights[n]))
			n++;
	}
	assert_int_equal(servers, DISCOVERED);
	assert_in_range(commands, 1, DISCOVERED / RD_LISTING_BATCH + 1);
	assert_int_equal(l.overflows, 0);
	rd_listing_done(&l);
}

static void
beyond_the_bound_servers_are_left_out_and_counted(void **state UNUSED)
{
	struct rd_listing l = {0};

	for (unsigned i = 0; i < RD_LISTING_MAX; i++)
		assert_true(add(&l, i, false, at_ms(0)));
	assert_false(add(&l, RD_LISTING_MAX, false, at_ms(0)));
	assert_int_equal(l.overflows, 1);
	rd_listing_done(&l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(few_are_gathered_for_a_moment),
	    cmocka_unit_test(who_is_waited_for_goes_first_and_at_once),
	    cmocka_unit_test(the_first_discovery_of_10000_servers_is_a_few_commands),
	    cmocka_unit_test(beyond_the_bound_servers_are_left_out_and_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
