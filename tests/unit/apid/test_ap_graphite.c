/* test_ap_graphite.c — what Graphite is sent: prefixes and lines. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ap_graphite.h"

static void
the_prefix_names_the_host(void **state UNUSED)
{
	static const struct {
		const char *path, *prefix;
		bool keep_dots;
	} cases[] = {
	    {"orchestrator.test", "orchestrator.test"},
	    {"orchestrator.{hostname}", "orchestrator.orc-1_prod_example_net"},
	    {"a.{hostname}.b", "a.orc-1.prod.example.net.b", true},
	    {"{hostname}{hostname}", "orc-1_prod_example_netorc-1_prod_example_net"},
	    {"{host}.{hostname", "{host}.{hostname"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct conf c = {.GraphitePath = cases[i].path,
				 .GraphiteConvertHostnameDotsToUnderscores = !cases[i].keep_dots};
		struct str_buf b = {0};
		ap_graphite_prefix(&c, "orc-1.prod.example.net", &b);
		assert_string_equal(str_buf_text(&b), cases[i].prefix);
		str_buf_done(&b);
	}
}

static void
a_figure_is_a_line(void **state UNUSED)
{
	static const struct {
		struct ipc_metric m;
		const char *line;
	} cases[] = {
	    {{"discoveries.attempt", 17, true}, "p.h.discoveries.attempt.count 17 1767607200\n"},
	    {{"elect.is_elected", 1, false}, "p.h.elect.is_elected.value 1 1767607200\n"},
	    {{"big", 9007199254740992.0, true}, "p.h.big.count 9007199254740992 1767607200\n"},
	    {{"part", 0.25, false}, "p.h.part.value 0.250000 1767607200\n"},
	    {{"none", (double)NAN, false}, "p.h.none.value 0 1767607200\n"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct str_buf b = {0};
		ap_graphite_put(&b, "p.h", &cases[i].m, (struct wall){INT64_C(1767607200) * CLK_S + 999});
		assert_string_equal(str_buf_text(&b), cases[i].line);
		str_buf_done(&b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_prefix_names_the_host),
	    cmocka_unit_test(a_figure_is_a_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
