/* The table of figures keeps the rules of OpenMetrics and of promtool; programs show what it says. */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "ipc/metrics.h"

static const char *
open_name(size_t i)
{
	static char names[2][128];
	static unsigned turn;
	struct str_buf b = {0};

	turn = !turn;
	ipc_metrics_put_open_name(ipc_metrics_at(i), &b);
	assert_true(str_copy(names[turn], sizeof(names[turn]), str_buf_text(&b)));
	str_buf_done(&b);
	return names[turn];
}

static void
test_names_are_unique(void **state UNUSED)
{
	assert_true(ipc_metrics_count() > 100);
	for (size_t i = 0; i < ipc_metrics_count(); i++) {
		assert_ptr_equal(ipc_metrics_find(ipc_metrics_at(i)->name), ipc_metrics_at(i));
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(open_name(i), open_name(k));
	}
	assert_null(ipc_metrics_find("no.such"));
}

/* Endings that mean something else, and abbreviated units: promtool complains of these. */
static void
test_names_follow_the_rules(void **state UNUSED)
{
	static const char *const endings[] = {"_total",	  "_count", "_sum",   "_bucket",
					      "_created", "_info",  "_gauge", "_counter"};
	static const char *const parts[] = {"_ms_", "_us_", "_ns_",	      "_s_",
					    "_kb_", "_mb_", "_milliseconds_", "_microseconds_"};

	for (size_t i = 0; i < ipc_metrics_count(); i++) {
		const struct ipc_metric_info *m = ipc_metrics_at(i);
		const char *name = open_name(i), *unit = ipc_metrics_unit(m);
		char framed[160];

		(void)snprintf(framed, sizeof(framed), "%s_", name);
		for (size_t k = 0; k < ARRAY_LEN(endings); k++)
			assert_false(str_ends(name, endings[k]));
		for (size_t k = 0; k < ARRAY_LEN(parts); k++)
			assert_null(strstr(framed, parts[k]));
		if (unit != NULL)
			assert_true(str_ends(name, unit) && name[strlen(name) - strlen(unit) - 1] == '_');
		assert_true(isupper((unsigned char)m->help[0]) || isdigit((unsigned char)m->help[0]));
		assert_null(strpbrk(m->help, "\"\\\n"));
		assert_false(str_ends(m->help, "."));
	}
}

static void
test_units(void **state UNUSED)
{
	static const struct {
		enum ipc_metric_unit unit;
		const char *text;
		double scaled;
	} cases[] = {
	    {IPC_UNIT_NONE, NULL, 1500},
	    {IPC_UNIT_BYTES, "bytes", 1500},
	    {IPC_UNIT_MS, "seconds", 1.5},
	    {IPC_UNIT_US, "seconds", 0.0015},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct ipc_metric_info m = {.name = "x", .unit = cases[i].unit};

		assert_true(cases[i].text == NULL ? ipc_metrics_unit(&m) == NULL
						  : str_eq(ipc_metrics_unit(&m), cases[i].text));
		assert_true(ipc_metrics_scaled(&m, 1500) == cases[i].scaled);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_names_are_unique),
	    cmocka_unit_test(test_names_follow_the_rules),
	    cmocka_unit_test(test_units),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
