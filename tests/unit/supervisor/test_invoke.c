/* test_invoke.c — what a command line asks for, log level, what a configuration allows, what to do with a held lock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "sup_invoke.h"

#define WORDS_MAX 6

static struct args
args_of(const char *const *words)
{
	static struct rec_text v[WORDS_MAX];
	struct rec_text_list line = {v, 0};
	struct args a;
	struct err e;

	while (line.n < WORDS_MAX && words[line.n] != NULL) {
		v[line.n].s = words[line.n];
		line.n++;
	}
	assert_int_equal(args_parse(&line, &a, &e), 0);
	return a;
}

static const struct {
	const char *words[WORDS_MAX];
	enum sup_what what;
} lines[] = {
    {{NULL}, SUP_SHEET},
    {{"-debug"}, SUP_SHEET},
    {{"http"}, SUP_HTTP},
    {{"-c", "clusters", "http"}, SUP_HTTP}, /* historically http wins */
    {{"continuous"}, SUP_CONTINUOUS},
    {{"-c", "continuous"}, SUP_CONTINUOUS},
    {{"-c", "clusters"}, SUP_COMMAND},
    {{"-c", "clusters", "cli"}, SUP_COMMAND},
    {{"-c", "clusters", "nonsense"}, SUP_USAGE},
    {{"cli"}, SUP_USAGE},
    {{"nonsense"}, SUP_USAGE},
    {{"help"}, SUP_HELP},
    {{"help", "topology"}, SUP_HELP},
    {{"-c", "help"}, SUP_HELP},
    {{"-c", "topology", "help"}, SUP_HELP},
    {{"--version"}, SUP_VERSION},
    {{"-version", "http"}, SUP_VERSION},
    {{"-t"}, SUP_CHECK},
    {{"-t", "http"}, SUP_CHECK},
    {{"--check-config"}, SUP_CHECK},
    {{"--print-config"}, SUP_PRINT},
    {{"-c", "dump-config"}, SUP_DUMP},
};

static void
invocations(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		struct args a = args_of(lines[i].words);

		if (sup_invocation(&a) != lines[i].what)
			fail_msg("line %zu means %d", i, (int)sup_invocation(&a));
	}
}

static struct conf *
conf_of(const char *text)
{
	struct conf_warnings w;
	struct conf *c;
	struct err e;

	if (conf_parse("test", text, strlen(text), &c, &w, &e) != 0)
		fail_msg("%s", e.msg);
	return c;
}

static const struct {
	const char *words[WORDS_MAX];
	const char *conf; /* NULL: not loaded yet */
	bool command;
	enum log_level level;
} levels[] = {
    {{NULL}, NULL, false, LOG_LVL_NOTICE},
    {{NULL}, NULL, true, LOG_LVL_WARNING},
    {{NULL}, "{}", true, LOG_LVL_WARNING},
    {{NULL}, "{\"Debug\":true}", true, LOG_LVL_DEBUG},
    {{NULL}, "{\"LogLevel\":\"info\"}", true, LOG_LVL_INFO},
    {{NULL}, "{\"LogLevel\":\"Warning\",\"Debug\":true}", false, LOG_LVL_WARNING},
    {{"-verbose"}, "{\"LogLevel\":\"error\"}", false, LOG_LVL_INFO},
    {{"-debug"}, "{\"LogLevel\":\"error\"}", false, LOG_LVL_DEBUG},
    {{"-quiet", "-debug"}, "{\"Debug\":true}", false, LOG_LVL_ERROR},
};

static void
log_levels(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
		struct args a = args_of(levels[i].words);
		struct conf *c = levels[i].conf == NULL ? NULL : conf_of(levels[i].conf);

		if (sup_log_level(&a, c, levels[i].command) != levels[i].level)
			fail_msg("case %zu: %d", i, (int)sup_log_level(&a, c, levels[i].command));
		conf_unref(c);
	}
}

#define SQLITE "\"BackendDB\":\"sqlite\",\"SQLite3DataFile\":\"/tmp/x\""
#define RAFT SQLITE ",\"RaftEnabled\":true,\"RaftDataDir\":\"/tmp\""

static const struct {
	const char *words[WORDS_MAX];
	const char *conf;
	const char *says; /* NULL: fine */
} checks[] = {
    {{"http"}, "{" SQLITE "}", NULL},
    {{"-c", "clusters"}, "{" SQLITE "}", NULL},
    {{"http"}, "{}", "set BackendDB to \"sqlite\""},
    {{"-c", "clusters"}, "{}", "set BackendDB to \"sqlite\""},
    {{"http"}, "{\"BackendDB\":\"sqlite\",\"SQLite3DataFile\":\":memory:\"}", "give a file"},
    {{"http"}, "{" RAFT "}", NULL},
    {{"-t"}, "{" RAFT "}", NULL},
    {{"-c", "clusters"}, "{" RAFT "}", "orchestrator-client"},
    {{"--ignore-raft-setup", "-c", "clusters"}, "{" RAFT "}", NULL},
    {{"-c", "continuous"}, "{" RAFT "}", "orchestrator-client"},
    {{"continuous"}, "{" RAFT "}", "orchestrator-client"},
    {{"http"}, "{" SQLITE ",\"AuthenticationMethod\":\"multi\"}", "HTTPAuthUser"},
    {{"-t"}, "{" SQLITE ",\"AuthenticationMethod\":\"multi\"}", "HTTPAuthUser"},
    {{"-c", "clusters"}, "{" SQLITE ",\"AuthenticationMethod\":\"multi\"}", NULL},
    {{"continuous"}, "{" SQLITE ",\"AuthenticationMethod\":\"multi\"}", NULL},
    {{"http"}, "{" SQLITE ",\"UseSSL\":true}", "SSLCertFile"},
    {{"http"}, "{" SQLITE ",\"UseSSL\":true,\"SSLCertFile\":\"/c\"}", "SSLPrivateKeyFile"},
    {{"http"}, "{" SQLITE ",\"UseSSL\":true,\"ListenSocket\":\"/s\"}", NULL},
    {{"-c", "clusters"}, "{" SQLITE ",\"UseSSL\":true}", NULL},
};

static void
checked_configurations(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
		struct args a = args_of(checks[i].words);
		struct conf *c = conf_of(checks[i].conf);
		struct err e = {0};
		int rc = sup_check_conf(c, &a, sup_invocation(&a), &e);

		if ((rc == 0) != (checks[i].says == NULL) || (rc != 0 && strstr(e.msg, checks[i].says) == NULL))
			fail_msg("case %zu: %d %s", i, rc, e.msg);
		conf_unref(c);
	}
}

static void
overrides(void **state UNUSED)
{
	struct args plain = args_of((const char *const[]){"http", NULL});
	struct args update = args_of((const char *const[]){"-enable-database-update", "http", NULL});
	const struct conf_key *keys[] = {conf_key_find("SQLite3DataFile"), conf_key_find("ProberProcesses")};
	struct conf *c = conf_of("{" SQLITE "}");
	struct str_buf b = {0};

	sup_overrides(&b, &plain, NULL, NULL, 0);
	assert_string_equal(str_buf_text(&b), "");
	sup_overrides(&b, &update, NULL, NULL, 0);
	assert_string_equal(str_buf_text(&b), "{\"SkipOrchestratorDatabaseUpdate\": false}");
	str_buf_clear(&b);
	sup_overrides(&b, &plain, c, keys, 2);
	assert_string_equal(str_buf_text(&b), "{\"SQLite3DataFile\": \"/tmp/x\", \"ProberProcesses\": 2}");
	str_buf_clear(&b);
	sup_overrides(&b, &update, c, keys, 1);
	assert_string_equal(str_buf_text(&b),
			    "{\"SkipOrchestratorDatabaseUpdate\": false, \"SQLite3DataFile\": \"/tmp/x\"}");
	str_buf_done(&b);
	conf_unref(c);
}

static void
held_data(void **state UNUSED)
{
	const struct sup_holder unknown = {0}, service = {.pid = 7, .service = true}, command = {.pid = 7};

	assert_int_equal(sup_when_held(SUP_COMMAND, &service, 0), SUP_ATTACH);
	assert_int_equal(sup_when_held(SUP_HTTP, &service, 0), SUP_REFUSE);
	assert_int_equal(sup_when_held(SUP_CONTINUOUS, &service, 0), SUP_REFUSE);
	assert_int_equal(sup_when_held(SUP_COMMAND, &command, 0), SUP_WAIT);
	assert_int_equal(sup_when_held(SUP_HTTP, &command, SUP_WAIT_COMMAND_US - 1), SUP_WAIT);
	assert_int_equal(sup_when_held(SUP_COMMAND, &command, SUP_WAIT_COMMAND_US), SUP_REFUSE);
	assert_int_equal(sup_when_held(SUP_COMMAND, &unknown, 0), SUP_WAIT);
	assert_int_equal(sup_when_held(SUP_COMMAND, &unknown, SUP_WAIT_TEXT_US), SUP_REFUSE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(invocations), cmocka_unit_test(log_levels), cmocka_unit_test(checked_configurations),
	    cmocka_unit_test(overrides),   cmocka_unit_test(held_data),
	};

	return cmocka_run_group_tests_name("invoke", tests, NULL, NULL);
}
