/* Golden files: DIR/x.json loads (or is refused) as DIR/x.txt says: warnings, then the error or every key that differs
 * from its default. Usage: test_conf_golden DIR [--update]; the difference that --update makes is for review. */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "conf_fixture.h"
#include "read_file.h"

struct report {
	const struct conf *c;
	struct str_buf *out;
};

static bool update;

static void
report_key(void *ctx, const struct conf_key *k)
{
	struct report *r = ctx;

	str_buf_printf(r->out, "%s: ", k->name);
	conf_print_value(r->c, k, true, r->out);
	str_buf_add_char(r->out, '\n');
}

static void
report_conf(const char *path, struct str_buf *out)
{
	struct conf *defaults = conf_defaults(), *c = NULL;
	int rc = conf_load(&(struct conf_files){.file = path}, &c, &fixture_warnings, &fixture_err);

	for (size_t i = 0; i < fixture_warnings.n; i++)
		str_buf_printf(out, "warning: %s\n", fixture_warnings.v[i].text);
	if (rc == 0)
		(void)conf_diff(c, defaults, CONF_ALL_ROLES, report_key, &(struct report){c, out});
	else
		str_buf_printf(out, "refused: %s\n", fixture_err.msg);
	conf_unref(c);
	conf_unref(defaults);
}

static void
write_text(const char *path, const struct str_buf *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(str_buf_text(text), 1, text->len, f), text->len);
	assert_int_equal(fclose(f), 0);
}

static void
check_case(const char *json)
{
	struct str_buf got = {0}, txt = {0};
	char *expected;

	str_buf_printf(&txt, "%.*s.txt", (int)(strlen(json) - strlen(".json")), json);
	report_conf(json, &got);
	if (update)
		write_text(str_buf_text(&txt), &got);
	expected = read_file(str_buf_text(&txt));
	if (!str_eq(str_buf_text(&got), expected))
		fail_msg("%s:\n--- expected\n%s--- got\n%s", json, expected == NULL ? "" : expected,
			 str_buf_text(&got));
	str_buf_done(&got);
	free(expected);
	str_buf_done(&txt);
}

static void
each_file_loads_as_written_down(void **state UNUSED)
{
	glob_t found;

	assert_int_equal(glob("*.json", 0, NULL, &found), 0); /* no file at all is a failure */
	for (size_t i = 0; i < found.gl_pathc; i++)
		check_case(found.gl_pathv[i]);
	globfree(&found);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(each_file_loads_as_written_down)};

	if (argc < 2 || chdir(argv[1]) != 0 || setenv("ORCHESTRATOR_TOPOLOGY_PASSWORD", "from-env", 1) != 0) {
		(void)fprintf(stderr, "usage: %s DIR [--update]\n", argv[0]);
		return 2;
	}
	update = argc > 2 && strcmp(argv[2], "--update") == 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
