/* Every sample configuration loads without a warning and could serve HTTP. Arguments: the files. */
#include <stdio.h>
#include <stdlib.h>

#include "conf_fixture.h"

static char **samples;

static void
each_sample_loads_without_a_word(void **state UNUSED)
{
	for (char **path = samples; *path != NULL; path++) {
		struct conf *c = NULL;

		if (conf_load(&(struct conf_files){.file = *path}, &c, &fixture_warnings, &fixture_err) != 0)
			fail_msg("%s", fixture_err.msg);
		if (fixture_warnings.n > 0)
			fail_msg("%s", fixture_warnings.v[0].text);
		assert_int_equal(conf_check_http(c, &fixture_err), 0);
		conf_unref(c);
	}
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(each_sample_loads_without_a_word)};

	if (argc < 2 || setenv("ORCHESTRATOR_TOPOLOGY_PASSWORD", "t", 1) != 0 ||
	    setenv("ORCHESTRATOR_BACKEND_PASSWORD", "b", 1) != 0) {
		(void)fprintf(stderr, "usage: %s FILE...\n", argv[0]);
		return 2;
	}
	samples = argv + 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
