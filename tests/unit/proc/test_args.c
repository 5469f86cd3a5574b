/* test_args.c — the command line's syntax, as Go's flag package has it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proc/args.h"

#define WORDS_MAX 8

static struct rec_text texts[WORDS_MAX];

static struct rec_text_list
line_of(const char *const *words)
{
	size_t n = 0;

	for (; n < WORDS_MAX && words[n] != NULL; n++)
		texts[n].s = words[n];
	return (struct rec_text_list){texts, n};
}

static const struct {
	const char *words[WORDS_MAX];
	const char *c, *i, *first; /* values of -c, -i, first word after the flags */
	bool debug, discovery;
} good[] = {
    {{NULL}, "", "", "", false, true},
    {{"http"}, "", "", "http", false, true},
    {{"-c", "clusters"}, "clusters", "", "", false, true},
    {{"--c=clusters", "cli"}, "clusters", "", "cli", false, true},
    {{"-c=", "http"}, "", "", "http", false, true},
    {{"-i", "-debug", "http"}, "", "-debug", "http", false, true}, /* a value may look like a flag */
    {{"-i=a=b"}, "", "a=b", "", false, true},
    {{"-debug", "http"}, "", "", "http", true, true},
    {{"-debug", "false"}, "", "", "false", true, true}, /* a boolean takes no word */
    {{"--debug=F", "--discovery=0", "http"}, "", "", "http", false, false},
    {{"http", "-debug"}, "", "", "http", false, true}, /* flags end at the first word */
    {{"-c", "x", "--", "-debug"}, "x", "", "-debug", false, true},
    {{"-", "-debug"}, "", "", "-", false, true},
    {{"-c", "a", "-c", "b"}, "b", "", "", false, true}, /* the last one wins */
};

static void
accepts(void **state UNUSED)
{
	for (size_t k = 0; k < ARRAY_LEN(good); k++) {
		struct rec_text_list line = line_of(good[k].words);
		struct args a;
		struct err e;

		assert_int_equal(args_parse(&line, &a, &e), 0);
		assert_string_equal(a.c, good[k].c);
		assert_string_equal(a.i, good[k].i);
		assert_string_equal(args_word(&a, 0), good[k].first);
		assert_int_equal(a.debug, good[k].debug);
		assert_int_equal(a.discovery, good[k].discovery);
	}
}

static const struct {
	const char *words[WORDS_MAX];
	int code;
	const char *says;
} bad[] = {
    {{"-nosuch"}, ERR_SYNTAX, "no such flag: -nosuch"},
    {{"-c"}, ERR_SYNTAX, "-c needs a value"},
    {{"-debug=maybe"}, ERR_SYNTAX, "\"maybe\" is neither"},
    {{"-debug="}, ERR_SYNTAX, "neither"},
    {{"---c", "x"}, ERR_SYNTAX, "bad flag syntax"},
    {{"-=x"}, ERR_SYNTAX, "bad flag syntax"},
    {{"--=x"}, ERR_SYNTAX, "bad flag syntax"},
    {{"-cc", "x"}, ERR_SYNTAX, "no such flag: -cc"},
    {{"-h"}, ERR_NOT_FOUND, "help"},
    {{"--help"}, ERR_NOT_FOUND, "help"},
    {{"-d", "a", "-s", "b"}, ERR_INVALID, "synonyms"},
    {{"-promotion-rule", "best", "http"}, ERR_INVALID, "must_not"},
};

static void
refuses(void **state UNUSED)
{
	for (size_t k = 0; k < ARRAY_LEN(bad); k++) {
		struct rec_text_list line = line_of(bad[k].words);
		struct args a;
		struct err e;

		assert_int_equal(args_parse(&line, &a, &e), -bad[k].code);
		if (strstr(e.msg, bad[k].says) == NULL)
			fail_msg("case %zu: %s", k, e.msg);
	}
}

static void
sibling_is_destination(void **state UNUSED)
{
	struct rec_text_list line = line_of((const char *const[]){"-s", "h:1", NULL});
	struct args a;
	struct err e;

	assert_int_equal(args_parse(&line, &a, &e), 0);
	assert_string_equal(a.d, "h:1");
	assert_string_equal(a.promotion_rule, "prefer");
}

static void
help_names_every_flag(void **state UNUSED)
{
	struct str_buf b = {0};

	args_flag_help(&b);
#define ARG_FLAG(kind, member, name, def, doc) assert_non_null(strstr(str_buf_text(&b), "\n\t" doc));
#include "proc/flags.def"
#undef ARG_FLAG
	assert_non_null(strstr(str_buf_text(&b), "-promotion-rule string\n"));
	assert_non_null(strstr(str_buf_text(&b), "(default true)"));
	str_buf_done(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(accepts),
	    cmocka_unit_test(refuses),
	    cmocka_unit_test(sibling_is_destination),
	    cmocka_unit_test(help_names_every_flag),
	};

	return cmocka_run_group_tests_name("args", tests, NULL, NULL);
}
