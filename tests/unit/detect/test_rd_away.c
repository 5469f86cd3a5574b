/* When a leader whose network is in trouble hands leadership over, and that it does not go round. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "rd_away.h"

static void
test_hand_over(void **state UNUSED)
{
	static const struct {
		int64_t at_ms;
		bool own;
		uint64_t term;
		bool expect;
	} votes[] = {
	    {1000, true, 5, false},   {1100, true, 5, false},
	    {1200, true, 5, false},  /* enough votes, too soon */
	    {2000, false, 5, false}, /* about another server */
	    {3100, true, 5, true},    {4200, true, 5, false},
	    {5300, true, 5, false},   {6400, true, 5, false}, /* it handed over just now */
	    {302000, true, 6, false}, {303200, true, 6, false},
	    {304400, true, 6, true},  {700000, true, 7, false},
	    {701200, true, 7, false}, {702400, true, 8, false}, /* those before were another leadership's */
	    {703600, true, 8, false}, {715000, true, 8, false}, /* long after */
	    {716200, true, 8, false}, {717400, true, 8, true},
	};
	struct rd_away a = {0};

	for (size_t i = 0; i < sizeof(votes) / sizeof(*votes); i++) {
		struct mono now = {votes[i].at_ms * CLK_MS};
		if (rd_away_note(&a, votes[i].own, votes[i].term, now) != votes[i].expect)
			fail_msg("vote %zu", i);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_hand_over)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
