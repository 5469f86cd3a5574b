/* Expressions and what is made of them: rx, hostname filters, host:port texts. */
#include "base/rx.h"
#include "conf/conf_addr.h"
#include "conf/conf_filter.h"
#include "conf_fixture.h"

static void
expressions_mean_what_they_meant_in_go(void **state UNUSED)
{
	static const struct {
		const char *pattern, *text;
		bool matches;
	} cases[] = {
	    {"b", "abc", true},
	    {"^b", "abc", false},
	    {"(?i)DB\\d+", "xdb12", true},
	    {"a.c", "a\nc", false},
	    {"(?s)a.c", "a\nc", true},
	    {"c$", "abc\n", false}, /* Go: $ is the very end */
	    {"(?m)c$", "abc\n", true},
	    {"^(?:db|web)-[0-9]+?\\.(?P<dc>[a-z]+)", "web-12.ams", true},
	    {"", "anything", true},
	    {"\\d", "\xd9\xa3", false},	 /* ASCII digits only */
	    {"^.$", "\xc3\xa9", true},	 /* one character */
	    {"^[^x]+$", "a\xff", false}, /* broken UTF-8 never matches, and never fails */
	    {"a", "a\xff", true},
	    {"[[:digit:]]", "7", true},
	    {"\\Qa.b\\E", "a.b", true},
	};
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct rx *rx = NULL;
		assert_int_equal(rx_new(cases[i].pattern, &rx, &e), 0);
		if (rx_match(rx, cases[i].text) != cases[i].matches)
			fail_msg("/%s/ on \"%s\"", cases[i].pattern, cases[i].text);
		assert_int_equal(rx_limit_hits(rx), 0);
		assert_string_equal(rx_pattern(rx), cases[i].pattern);
		rx_free(rx);
	}
}

static void
groups_are_captured(void **state UNUSED)
{
	static const struct {
		const char *pattern, *text;
		unsigned group;
		const char *found; /* NULL: none */
	} cases[] = {
	    {"[.]([^.]+)[.]prod", "db1.ams.prod", 1, "ams"},
	    {"[.]([^.]+)[.]prod", "db1.ams.prod", 0, ".ams.prod"},
	    {"[.]([^.]+)[.]prod", "db1.ams.test", 1, NULL},
	    {"a(x)?b", "ab", 1, NULL},
	    {"a(x?)b", "ab", 1, ""},
	    {"ab", "ab", 1, NULL},
	    {"(?=.*(b))a", "ab", 1, "b"},
	    {"a(?=b\\K)", "ab", 0, NULL}, /* an end before its start */
	};
	struct str_buf buf = {0};
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct rx *rx = NULL;
		if (rx_new(cases[i].pattern, &rx, &e) != 0)
			continue; /* newer libraries refuse \K in an assertion */
		str_buf_add(&buf, "old");
		assert_int_equal(rx_capture(rx, cases[i].text, cases[i].group, &buf), cases[i].found != NULL);
		assert_string_equal(str_buf_text(&buf), cases[i].found == NULL ? "" : cases[i].found);
		rx_free(rx);
	}
	str_buf_done(&buf);
}

static void
hostile_expressions_end_in_an_error_or_no_match(void **state UNUSED)
{
	static const char *const bombs[] = {"(a+)+$", "(a|a)*$", "(.*)*x", "^(([a-z])+.)+[A-Z]([a-z])+$", "(?:a*)*b"};
	static const char *const broken[] = {"(", "[", "*", "a{2,1}", "(?P<x>", "\\", "(?<=a+)b", "\\C", "\xff"};
	struct str_buf text = {0}, nested = {0};
	struct rx *rx = NULL;
	struct err e;

	str_buf_pad(&text, 'a', 5000);
	for (size_t i = 0; i < ARRAY_LEN(bombs); i++) {
		assert_int_equal(rx_new(bombs[i], &rx, &e), 0);
		str_buf_add_char(&text, '!');
		assert_false(rx_match(rx, str_buf_text(&text)));
		rx_free(rx);
	}
	assert_int_equal(rx_new("(a+)+$", &rx, &e), 0);
	assert_false(rx_match(rx, str_buf_text(&text)));
	assert_int_equal(rx_limit_hits(rx), 1);
	rx_free(rx);
	for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
		assert_int_equal(rx_new(broken[i], &rx, &e), -ERR_INVALID);
		assert_non_null(strstr(e.msg, "invalid regular expression at offset"));
	}
	str_buf_pad(&nested, '(', RX_PATTERN_MAX);
	assert_int_equal(rx_new(str_buf_text(&nested), &rx, &e), -ERR_INVALID);
	str_buf_add_char(&nested, '(');
	assert_int_equal(rx_new(str_buf_text(&nested), &rx, &e), -ERR_TOO_LARGE);
	rx_free(NULL);
	str_buf_done(&text);
	str_buf_done(&nested);
}

static void
filters_compare_addresses_and_search_expressions(void **state UNUSED)
{
	static const char *const items[] = {"10.0.0.1", "", "db[0-9]+:3307$", "fe80::1", "^test-"};
	static const struct {
		const char *host;
		int64_t port;
		bool matches;
	} cases[] = {
	    {"10.0.0.1", 3306, true},	{"10.0.0.1", 9999, true}, {"10.0.0.11", 3306, false},
	    {"110.0.0.1", 3306, false}, {"db12", 3307, true},	  {"db12", 3306, false},
	    {"fe80::1", 1, true},	{"fe80::12", 1, false},	  {"test-x", 3306, true},
	    {"atest-x", 3306, false},	{"", 0, false},
	};
	const struct conf_strs list = {items, ARRAY_LEN(items)};
	struct conf_filter *f = NULL;
	struct err e;

	assert_int_equal(conf_filter_new(&list, &f, &e), 0);
	assert_false(conf_filter_empty(f));
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		if (conf_filter_matches(f, cases[i].host, cases[i].port) != cases[i].matches)
			fail_msg("%s:%d", cases[i].host, (int)cases[i].port);
	}
	assert_true(conf_filter_matches_text(f, "10.0.0.1"));
	assert_true(conf_filter_matches_text(f, "test-user"));
	assert_false(conf_filter_matches_text(f, "user"));
	assert_int_equal(conf_filter_limit_hits(f), 0);
	conf_filter_free(f);
	conf_filter_free(NULL);
}

static void
empty_filters_match_nothing_and_broken_ones_are_named(void **state UNUSED)
{
	static const char *const empty[] = {"", ""};
	static const char *const broken[] = {"a", "(b"};
	const struct conf_strs none = {NULL, 0}, two_empty = {empty, 2}, bad = {broken, 2};
	struct conf_filter *f = NULL;
	struct err e;

	assert_int_equal(conf_filter_new(&none, &f, &e), 0);
	assert_true(conf_filter_empty(f));
	assert_false(conf_filter_matches(f, "h", 1));
	conf_filter_free(f);
	assert_int_equal(conf_filter_new(&two_empty, &f, &e), 0);
	assert_true(conf_filter_empty(f));
	assert_false(conf_filter_matches_text(f, ""));
	conf_filter_free(f);
	assert_int_equal(conf_filter_new(&bad, &f, &e), -ERR_INVALID);
	assert_non_null(strstr(e.msg, "\"(b\": invalid regular expression"));
}

static void
addresses_are_taken_apart(void **state UNUSED)
{
	static const struct {
		const char *text;
		int64_t default_port;
		const char *host; /* NULL: refused */
		int64_t port;
	} cases[] = {
	    {"h:1", -1, "h", 1},   {":3000", -1, "", 3000},	{"h", 10008, "h", 10008},
	    {"h", -1, NULL, 0},	   {"[::1]:80", -1, "::1", 80}, {"[::1]", 5, "::1", 5},
	    {"::1", 5, "::1", 5},  {"::1", -1, NULL, 0},	{"", 5, NULL, 0},
	    {"h:", 5, NULL, 0},	   {"h:65536", 5, NULL, 0},	{"h:-1", 5, NULL, 0},
	    {"h:0", 5, "h", 0},	   {"[::1", 5, NULL, 0},	{"[::1]x", 5, NULL, 0},
	    {"a b:1", 5, NULL, 0}, {"u@h:1", 5, NULL, 0},	{"h/p:1", 5, NULL, 0},
	    {"[]:1", 5, "", 1},	   {"h:1x", 5, NULL, 0},
	};
	char host[CONF_HOST_BYTES];
	struct str_buf longest = {0};
	int64_t port;
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int rc = conf_addr_split(cases[i].text, cases[i].default_port, host, &port, &e);
		if ((rc == 0) != (cases[i].host != NULL))
			fail_msg("\"%s\": %d", cases[i].text, rc);
		if (rc != 0)
			continue;
		assert_string_equal(host, cases[i].host);
		assert_int_equal(port, cases[i].port);
	}
	str_buf_pad(&longest, 'h', CONF_HOST_BYTES - 1);
	assert_int_equal(conf_addr_split(str_buf_text(&longest), 1, host, &port, &e), 0);
	str_buf_add_char(&longest, 'h');
	assert_int_equal(conf_addr_split(str_buf_text(&longest), 1, host, &port, &e), -ERR_INVALID);
	str_buf_done(&longest);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(expressions_mean_what_they_meant_in_go),
	    cmocka_unit_test(groups_are_captured),
	    cmocka_unit_test(hostile_expressions_end_in_an_error_or_no_match),
	    cmocka_unit_test(filters_compare_addresses_and_search_expressions),
	    cmocka_unit_test(empty_filters_match_nothing_and_broken_ones_are_named),
	    cmocka_unit_test(addresses_are_taken_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
