/* test_rd_health_rule.c — a backend is written again when what had failed is made good, and not before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/base.h"
#include "rd_health_rule.h"

#define BIT(name) (1u << RD_HEALTH_##name)

/* Which success alone heals the failure of one work. */
static void
one_work_makes_each_good(void **state UNUSED)
{
	static const unsigned healers[RD_HEALTH_WORK_COUNT] = {
	    [RD_HEALTH_BEAT] = BIT(BEAT),     [RD_HEALTH_FLUSH] = BIT(FLUSH), [RD_HEALTH_VIEW] = BIT(VIEW),
	    [RD_HEALTH_RELOAD] = BIT(RELOAD), [RD_HEALTH_ONCE] = BIT(BEAT),
	};

	for (unsigned failed = 0; failed < RD_HEALTH_WORK_COUNT; failed++) {
		for (unsigned done = 0; done < RD_HEALTH_WORK_COUNT; done++) {
			struct rd_health_rule r = {0};
			rd_health_rule_failed(&r, (enum rd_health_work)failed);
			assert_int_equal(rd_health_rule_succeeded(&r, (enum rd_health_work)done),
					 (healers[failed] & 1u << done) != 0);
		}
	}
}

/* What a full disk does: F = fails, S = succeeds and heals, s = succeeds and does not. */
static void
all_that_failed_is_made_good(void **state UNUSED)
{
	static const struct {
		const char *what;
		struct {
			enum rd_health_work work;
			char how;
		} steps[8];
	} cases[] = {
	    {"a refused change; memory is read again; a purge finds no row",
	     {{RD_HEALTH_ONCE, 'F'}, {RD_HEALTH_RELOAD, 's'}, {RD_HEALTH_FLUSH, 's'}, {RD_HEALTH_BEAT, 'S'}}},
	    {"a heartbeat fails; a purge finds no row",
	     {{RD_HEALTH_BEAT, 'F'}, {RD_HEALTH_FLUSH, 's'}, {RD_HEALTH_FLUSH, 's'}, {RD_HEALTH_BEAT, 'S'}}},
	    {"a large batch fails, a heartbeat still fits",
	     {{RD_HEALTH_FLUSH, 'F'},
	      {RD_HEALTH_BEAT, 's'},
	      {RD_HEALTH_FLUSH, 'F'},
	      {RD_HEALTH_BEAT, 's'},
	      {RD_HEALTH_FLUSH, 'S'}}},
	    {"several fail, in whichever order they are made good",
	     {{RD_HEALTH_VIEW, 'F'},
	      {RD_HEALTH_FLUSH, 'F'},
	      {RD_HEALTH_BEAT, 'F'},
	      {RD_HEALTH_BEAT, 's'},
	      {RD_HEALTH_VIEW, 's'},
	      {RD_HEALTH_FLUSH, 'S'}}},
	    {"made good and failed again",
	     {{RD_HEALTH_BEAT, 'F'},
	      {RD_HEALTH_FLUSH, 'F'},
	      {RD_HEALTH_BEAT, 's'},
	      {RD_HEALTH_ONCE, 'F'},
	      {RD_HEALTH_FLUSH, 's'},
	      {RD_HEALTH_BEAT, 'S'}}},
	    {"nothing failed", {{RD_HEALTH_FLUSH, 'S'}, {RD_HEALTH_ONCE, 'S'}}},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct rd_health_rule r = {0};
		for (size_t j = 0; j < ARRAY_LEN(cases[i].steps) && cases[i].steps[j].how != '\0'; j++) {
			enum rd_health_work work = cases[i].steps[j].work;
			bool healed;
			if (cases[i].steps[j].how == 'F') {
				rd_health_rule_failed(&r, work);
				continue;
			}
			healed = rd_health_rule_succeeded(&r, work);
			if (healed != (cases[i].steps[j].how == 'S'))
				fail_msg("%s: step %zu", cases[i].what, j + 1);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(one_work_makes_each_good),
	    cmocka_unit_test(all_that_failed_is_made_good),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
