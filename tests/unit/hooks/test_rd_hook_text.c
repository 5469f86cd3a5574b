/* test_rd_hook_text.c — placeholders in shell texts: a table of values and places. That shells agree is tested with real
 * ones: tests/process/test_hooks.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "rd_hook_text.h"

#define HOSTILE "$(x)';`y`"
#define REF "${ORC_FAILURE_CLUSTER_ALIAS}"

static const struct rd_hook_values ordinary = {.failure_type = "DeadMaster",
					       .failed_host = "db1.example.com",
					       .failed_port = 3306,
					       .failure_cluster_alias = "payments (eu)",
					       .failure_description = "it cannot be reached",
					       .count_replicas = 2,
					       .is_successful = true,
					       .successor_host = "db2",
					       .successor_port = 3307};

static char *
filled(const char *text, const struct rd_hook_values *v)
{
	struct str_buf out = {0};
	struct err e;

	assert_int_equal(rd_hook_text_fill(text, strlen(text), v, &out, &e), 0);
	return out.len > 0 ? str_buf_take(&out) : mem_strdup("");
}

static void
check(const char *text, const struct rd_hook_values *v, const char *expected)
{
	char *out = filled(text, v);

	if (strcmp(out, expected) != 0)
		fail_msg("%s\n  gave     %s\n  expected %s", text, out, expected);
	free(out);
}

static void
ordinary_values_are_put_in_as_they_are(void **state UNUSED)
{
	static const struct {
		const char *text, *expected;
	} cases[] = {
	    {"hook {failedHost}:{failedPort}", "hook db1.example.com:3306"},
	    {"hook '{failedHost}' \"{failedHost}\" $'{failedHost}'",
	     "hook 'db1.example.com' \"db1.example.com\" $'db1.example.com'"},
	    {"{failureType}/{countSlaves}/{countReplicas}/{isSuccessful}/{isMaster}", "DeadMaster/2/2/true/false"},
	    {"# {failedHost}\nx", "# db1.example.com\nx"},
	    {"echo '{failureDescription}' \"{failureDescription}\"",
	     "echo 'it cannot be reached' \"it cannot be reached\""},
	    {"echo {failureDescription}", "echo 'it cannot be reached'"},
	    {"a {command} b", "a '' b"}, /* arguments keep their places */
	    {"a \"{command}\" '{command}'", "a \"\" ''"},
	    {"echo {failedPort}>log", "echo '3306'>log"}, /* 3306> would be a redirection */
	    {"{successorHost}:{successorPort}", "db2:3307"},
	    {"{successorAlias}", "''"},
	    {"{{failedHost},{successorHost}}", "{db1.example.com,db2}"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		check(cases[i].text, &ordinary, cases[i].expected);
}

static void
what_is_no_placeholder_stays(void **state UNUSED)
{
	static const char *const cases[] = {
	    "",
	    "{",
	    "{}",
	    "{failedHost",
	    "{ failedHost}",
	    "{failedhost}",
	    "{nothing}",
	    "${failedHost}",
	    "\"${failedHost}\"",
	    "\\{failedHost}",
	    "awk '{print $1}' {a,b}",
	    "{successorBinlogCoordinates}",
	    "\\",
	    "'",
	    "{ORC_ATTEMPT}",
	    "{}{ }",
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		check(cases[i], &ordinary, cases[i]);
	check("{successorHost} {successorAlias}", &(struct rd_hook_values){.successor_alias = "a"},
	      "{successorHost} {successorAlias}");
}

static void
hostile_text_never_reaches_the_shells_parser(void **state UNUSED)
{
	static const struct {
		const char *text, *expected; /* @ stands for the placeholder, % for the reference */
	} cases[] = {
	    {"x @", "x \"%\""},
	    {"x \"@\" @", "x \"%\" \"%\""},
	    {"x '@' @", "x ''\"%\"'' \"%\""},
	    {"x 'it is @' \"don't @\"", "x 'it is '\"%\"'' \"don't %\""},
	    {"x \\' @ \\\" @", "x \\' \"%\" \\\" \"%\""},
	    {"x \"\\\" @\"", "x \"\\\" %\""},
	    {"x $'it\\'s @' @", "x $'it\\'s '\"%\"$'' \"%\""},
	    {"x 'a\\' @", "x 'a\\' \"%\""},
	    {"x \"$(y @ '@' \"@\")@\" @", "x \"$(y \"%\" ''\"%\"'' \"%\")%\" \"%\""},
	    {"x `y @` @", "x `y \"%\"` \"%\""},
	    {"x \"`y @`@\"", "x \"`y \"%\"`%\""},
	    {"x $((1 + (2))) @", "x $((1 + (2))) \"%\""},
	    {"x $((1<<2)) '@'", "x $((1<<2)) ''\"%\"''"},
	    {"x # don't @\ny @", "x # don't %\ny \"%\""},
	    {"x#'@'", "x#''\"%\"''"},
	    {"$# @", "$# \"%\""},
	    {"cat <<E | y @\nit's @\nE\nx @", "cat <<E | y \"%\"\nit's %\nE\nx \"%\""},
	    {"cat <<-'E'\n\"@\n\tE\nx @", "cat <<-'E'\n\"%\n\tE\nx \"%\""},
	    {"cat <<A <<B\n'@\nA\n\"@\nB\nx @", "cat <<A <<B\n'%\nA\n\"%\nB\nx \"%\""},
	    {"cat <<E\nE\nx @", "cat <<E\nE\nx \"%\""},
	    {"cat <<<\"@\" @", "cat <<<\"%\" \"%\""},
	    {"\"$(cat <<E\nit's @\nE\n)@\"", "\"$(cat <<E\nit's %\nE\n)%\""},
	    {"x <<", "x <<"},
	    {"x <<'", "x <<'"},
	};
	struct rd_hook_values v = {.failure_cluster_alias = HOSTILE};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct str_buf text = {0}, expected = {0};
		for (const char *p = cases[i].text; *p != '\0'; p++)
			str_buf_add_n(&text, *p == '@' ? "{failureClusterAlias}" : p, *p == '@' ? 21 : 1);
		for (const char *p = cases[i].expected; *p != '\0'; p++)
			str_buf_add_n(&expected, *p == '%' ? REF : p, *p == '%' ? strlen(REF) : 1);
		check(str_buf_text(&text), &v, str_buf_text(&expected));
		str_buf_done(&text);
		str_buf_done(&expected);
	}
}

/* Each byte alone, in each place: it is either one that no shell minds there, or not in the text. */
static void
each_byte_in_each_place(void **state UNUSED)
{
	static const char *const places[] = {"{failureClusterAlias}", "\"{failureClusterAlias}\"",
					     "'{failureClusterAlias}'", "# {failureClusterAlias}",
					     "`{failureClusterAlias}`"};
	static const char active[] = "$`\\\"';&|<>()*?!~#{}^\n\r\f\v\a\033\177";

	for (int c = 1; c < 256; c++) {
		char alias[] = {'a', (char)c, 'b', '\0'};
		for (size_t p = 0; p < ARRAY_LEN(places); p++) {
			char *out = filled(places[p], &(struct rd_hook_values){.failure_cluster_alias = alias});
			bool referred = strstr(out, REF) != NULL;
			assert_int_equal(referred, strchr(active, c) != NULL || (c < 32 && c != '\t'));
			if (!referred)
				assert_non_null(strstr(out, alias));
			free(out);
		}
	}
}

static void
names_are_disarmed(void **state UNUSED)
{
	struct rd_hook_values v = {.failed_host = "a;reboot $(x)'\"\n", .lost_replicas = "a:1,b`x`:2"};

	check("ssh x \"y {failedHost}\" {lostReplicas}", &v, "ssh x \"y a_reboot __x____\" a:1,b_x_:2");
	check("x {failedHost}", &v, "x 'a_reboot __x____'");
}

static void
bounds(void **state UNUSED)
{
	struct str_buf text = {0}, out = {0};
	char *host = mem_alloc(60001);
	struct rd_hook_values v = {.failed_host = host};
	struct err e;

	memset(host, 'h', 60000);
	host[60000] = '\0';
	for (int i = 0; i < 30; i++)
		str_buf_add(&text, "{failedHost}");
	assert_int_equal(rd_hook_text_fill(text.p, text.len, &v, &out, &e), -ERR_TOO_LARGE);
	str_buf_clear(&text);
	str_buf_done(&out);
	for (int i = 0; i < 1000; i++) /* deeper than is followed */
		str_buf_add(&text, "$(");
	str_buf_add(&text, "{failedHost}");
	for (int i = 0; i < 1000; i++)
		str_buf_add(&text, ")");
	assert_int_equal(rd_hook_text_fill(text.p, text.len, &v, &out, &e), 0);
	str_buf_done(&text);
	str_buf_done(&out);
	free(host);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(ordinary_values_are_put_in_as_they_are),
	    cmocka_unit_test(what_is_no_placeholder_stays),
	    cmocka_unit_test(hostile_text_never_reaches_the_shells_parser),
	    cmocka_unit_test(each_byte_in_each_place),
	    cmocka_unit_test(names_are_disarmed),
	    cmocka_unit_test(bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
