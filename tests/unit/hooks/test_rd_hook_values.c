/* test_rd_hook_values.c — the tables of lists and values, and the environment that they make. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "rd_hook_values.h"

static char *
get(const char *name)
{
	static char home[] = "/home/x";

	return strcmp(name, "HOME") == 0 ? home : NULL;
}

static const char *
find(char **env, const char *name)
{
	size_t n = strlen(name);

	for (; *env != NULL; env++) {
		if (strncmp(*env, name, n) == 0 && (*env)[n] == '=')
			return *env + n + 1;
	}
	return NULL;
}

static void
the_environment_holds_what_is_known(void **state UNUSED)
{
	static const struct rd_hook_values v = {
	    .failed_host = "a;b\n", .failed_port = 1, .is_source = true, .attempt = 2};
	static const struct {
		const char *name, *value;
	} cases[] = {
	    {"ORC_FAILED_HOST", "a;b\n"}, /* exactly */
	    {"ORC_FAILED_PORT", "1"},
	    {"ORC_IS_MASTER", "true"},
	    {"ORC_IS_CO_MASTER", "false"},
	    {"ORC_COMMAND", ""},
	    {"ORC_ATTEMPT", "2"},
	    {"ORC_SUCCESSOR_HOST", NULL},
	    {"ORC_SUCCESSOR_PORT", NULL},
	    {"ORC_SUCCESSOR_ALIAS", NULL},
	    {"ORC_SUCCESSOR_BINLOG_COORDINATES", NULL},
	    {"HOME", "/home/x"},
	    {"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
	    {"USER", NULL},
	};
	char **env = rd_hook_env(&v, RD_HOOK_TELL_ALL, get);

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *value = find(env, cases[i].name);
		if (cases[i].value == NULL)
			assert_null(value);
		else
			assert_string_equal(value, cases[i].value);
	}
	rd_hook_env_free(env);
}

static void
take_source_hooks_hear_of_two_hosts(void **state UNUSED)
{
	char **env =
	    rd_hook_env(&(struct rd_hook_values){.failed_host = "a:1", .successor_host = "b:2", .command = "x"},
			RD_HOOK_TELL_TAKE, get);

	assert_string_equal(find(env, "ORC_FAILED_HOST"), "a:1");
	assert_string_equal(find(env, "ORC_SUCCESSOR_HOST"), "b:2");
	for (char **p = env; *p != NULL; p++)
		assert_true(strncmp(*p, "ORC_", 4) != 0 || strncmp(*p, "ORC_FAILED_HOST=", 16) == 0 ||
			    strncmp(*p, "ORC_SUCCESSOR_HOST=", 19) == 0);
	rd_hook_env_free(env);
}

static void
long_lists_are_cut_after_an_item(void **state UNUSED)
{
	struct str_buf list = {0};
	char **env;

	for (int i = 0; i < 9000; i++)
		str_buf_printf(&list, "%sdb%05d:3306", i == 0 ? "" : ",", i);
	env = rd_hook_env(&(struct rd_hook_values){.replica_hosts = list.p}, RD_HOOK_TELL_ALL, get);
	assert_in_range(strlen(find(env, "ORC_REPLICA_HOSTS")), RD_HOOK_VALUE_MAX - 13, RD_HOOK_VALUE_MAX);
	assert_string_equal(strrchr(find(env, "ORC_REPLICA_HOSTS"), ':'), ":3306");
	rd_hook_env_free(env);
	str_buf_done(&list);
}

static void
names_in_the_table_are_unique(void **state UNUSED)
{
	static const struct rd_hook_values none = {0};

	for (size_t i = 0; i < rd_hook_told_count(); i++) {
		struct rd_hook_told a, b;
		rd_hook_tell(&none, i, &a);
		assert_int_equal(strncmp(a.env, "ORC_", 4), 0);
		for (size_t j = 0; j < i; j++) {
			rd_hook_tell(&none, j, &b);
			assert_string_not_equal(a.env, b.env);
			assert_true(a.placeholders[0] == '\0' || strcmp(a.placeholders, b.placeholders) != 0);
			free(b.text);
		}
		free(a.text);
	}
}

static void
lists_are_those_of_the_configuration(void **state UNUSED)
{
	struct conf *c = conf_defaults();

	for (enum rd_hook_list l = 0; l < RD_HOOK_LIST_COUNT; l++) {
		const struct rd_hook_list_info *info = rd_hook_list_info(l);
		const struct conf_key *k = conf_key_find(info->name);
		assert_non_null(k);
		assert_int_equal(k->flags & CONF_HOOKS, CONF_HOOKS);
		assert_ptr_equal(rd_hook_list_entries(c, l), (const char *)c + k->offset);
		/* what can be vetoed runs once, the rest until it has run */
		assert_int_equal(info->failure == RD_HOOK_STOP, info->times == RD_HOOK_AT_MOST_ONCE);
	}
	conf_unref(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_environment_holds_what_is_known),
	    cmocka_unit_test(take_source_hooks_hear_of_two_hosts),
	    cmocka_unit_test(long_lists_are_cut_after_an_item),
	    cmocka_unit_test(names_in_the_table_are_unique),
	    cmocka_unit_test(lists_are_those_of_the_configuration),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
