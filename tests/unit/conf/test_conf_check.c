/* What is refused and what is only warned about, with the words that tell the user what to do. */
#include "conf_fixture.h"

struct refusal {
	const char *given;
	const char *error; /* part of the message */
};

static const struct refusal refusals[] = {
    /* form */
    {"", "t.json:1:"},
    {"{\"Debug\": true", "t.json:1:14: not valid JSON"},
    {"{\n  \"Debug\": true,\n}", "t.json:3:1: not valid JSON"},
    {"[]", "expects one JSON object"},
    {"{\"MySQLTopologyUser\": \"a\\u0000b\"}", "not valid JSON"},
    {"{\"MySQLTopologyUser\": \"\xff\"}", "not valid JSON"},
    /* types */
    {"{\n  \"Debug\": \"true\"\n}", "t.json:2:3: Debug: expects true or false, without quotes; found a string"},
    {"{\"InstancePollSeconds\": \"5\"}", "InstancePollSeconds: expects a whole number not below 0, without quotes"},
    {"{\"InstancePollSeconds\": 5.0}", "found a fraction"},
    {"{\"InstancePollSeconds\": true}", "found true"},
    {"{\"ListenAddress\": 3000}", "ListenAddress: expects a string in quotes; found a number"},
    {"{\"RaftNodes\": \"a\"}", "RaftNodes: expects a list of strings: [\"a\", \"b\"]; found a string"},
    {"{\"RaftNodes\": [\"a\", 1]}", "item 2 is a number"},
    {"{\"ClusterNameToAlias\": [\"a\"]}", "ClusterNameToAlias: expects an object of strings"},
    {"{\"ClusterNameToAlias\": {\"a\": 1}}", "entry \"a\" is a number"},
    {"{\"FailureDetectionHoldSeconds\": {\"a\": \"1\"}}", "entry \"a\" is a string"},
    {"{\"DeadInstancePollSecondsMultiplyFactor\": \"2\"}", "expects a number, without quotes"},
    /* ranges */
    {"{\"InstancePollSeconds\": 0}", "0 is out of range; choose a value from 1 to 3155760000 s"},
    {"{\"InstancePollSeconds\": -5}", "-5 is out of range"},
    {"{\"DefaultInstancePort\": 65536}", "choose a value from 1 to 65535"},
    {"{\"InstancePollSeconds\": 99999999999999999999}", "not valid JSON: too big integer"},
    {"{\"ProberProcesses\": 65}", "choose a value from 1 to 64"},
    {"{\"FailureDetectionHoldSeconds\": {\"a\": -1}}", "entry \"a\": -1 is out of range"},
    {"{\"DeadInstancePollSecondsMultiplyFactor\": 0.5}", "0.5 is out of range; choose a value from 1 to"},
    {"{\"PreFailoverProcesses\": [\"a\", \"{timeout=5} b\"]}",
     "PreFailoverProcesses: item 2: timeout=\"5\": a number and"},
    {"{\"HookTimeoutSeconds\": 604801}", "choose a value from 0 to 604800 s"},
    /* section 5 */
    {"{\"ReplicationLagQuery\": \"a\", \"SlaveLagQuery\": \"b\"}", "remove SlaveLagQuery"},
    {"{\"FailMasterPromotionIfSQLThreadNotUpToDate\": true, \"DelayMasterPromotionIfSQLThreadNotUpToDate\": true}",
     "set only one of them"},
    {"{\"FailMasterPromotionOnLagMinutes\": 1}", "needs ReplicationLagQuery"},
    {"{\"PostponeReplicaRecoveryOnLagMinutes\": 1, \"PostponeSlaveRecoveryOnLagMinutes\": 2}",
     "remove PostponeSlaveRecoveryOnLagMinutes"},
    {"{\"BackendDB\": \"sqlite3\"}", "SQLite3DataFile: is empty, but BackendDB is sqlite"},
    {"{\"BackendDB\": \"postgres\"}", "unknown value \"postgres\"; choose \"mysql\" or \"sqlite\""},
    {"{\"RaftEnabled\": true}", "RaftDataDir: is empty"},
    {"{\"RaftEnabled\": true, \"RaftDataDir\": \"/d\", \"RaftBind\": \"\"}", "RaftBind: is empty"},
    {"{\"DeadInstancePollSecondsMax\": 4}", "4 is less than InstancePollSeconds, 5"},
    {"{\"HTTPAdvertise\": \"n1:3000\"}", "HTTPAdvertise: expects http://HOST:PORT"},
    {"{\"HTTPAdvertise\": \"ftp://n1:3000\"}", "expects http://HOST:PORT"},
    {"{\"HTTPAdvertise\": \"http://n1\"}", "names no port"},
    {"{\"HTTPAdvertise\": \"http://:3000\"}", "names no host"},
    {"{\"HTTPAdvertise\": \"http://n1:3000/\"}", "may name no path"},
    {"{\"HTTPAdvertise\": \"http://n1:x\"}", "the port must be a number"},
    {"{\"HTTPAdvertise\": \"http://u@n1:80\"}", "is not host:port"},
    {"{\"HTTPAdvertise\": \"http://[::1:80\"}", "is not [address]:port"},
    /* ours */
    {"{\"URLPrefix\": \"/a b\"}", "URLPrefix: may hold neither blanks"},
    {"{\"AuthenticationMethod\": \"basik\"}", "unknown value \"basik\"; choose one of basic|multi|proxy|token|oauth"},
    {"{\"LogLevel\": \"loud\"}", "choose one of error|warning"},
    {"{\"FailureDetectionQuorum\": \"all\"}", "choose one of majority|leader"},
    {"{\"PromotionOnPossibleLoss\": \"\"}", "choose \"promote\", \"abort\" or \"wait:SECONDS\""},
    {"{\"PromotionOnPossibleLoss\": \"wait:\"}", "wait:SECONDS"},
    {"{\"PromotionOnPossibleLoss\": \"wait:86401\"}", "wait:SECONDS"},
    {"{\"RaftEnabled\": true, \"RaftDataDir\": \"/d\", \"RaftNodes\": [\"a:1\", \"b:x\"]}", "RaftNodes: \"b:x\""},
    {"{\"RaftEnabled\": true, \"RaftDataDir\": \"/d\", \"RaftNodes\": [\"\"]}", "RaftNodes: the address is empty"},
    {"{\"RaftEnabled\": true, \"RaftDataDir\": \"/d\", \"RaftUseTLS\": true}", "RaftTLSCAFile: is empty"},
    {"{\"RaftEnabled\": true, \"RaftDataDir\": \"/d\", \"RaftHeartbeatMilliseconds\": 251}",
     "more than half of RaftElectionTimeoutMilliseconds, 500"},
    /* expressions */
    {"{\"DiscoveryIgnoreHostnameFilters\": [\"ok\", \"a(b\"]}",
     "DiscoveryIgnoreHostnameFilters: \"a(b\": invalid regular expression at offset 3: missing closing parenthesis"},
    {"{\"DataCenterPattern\": \"[\"}", "DataCenterPattern: \"[\": invalid regular expression"},
    {"{\"ClusterNameToAlias\": {\"*\": \"x\"}}", "ClusterNameToAlias: \"*\": invalid regular expression at offset 0"},
    {"{\"FailureDetectionHoldSeconds\": {\"(\": 1}}", "FailureDetectionHoldSeconds: \"(\""},
    {"{\"RecoverMasterClusterFilters\": [\"alias~=(\"]}", "RecoverMasterClusterFilters: \"(\""},
    {"{\"RecoverMasterClusterFilters\": [\"+\"]}", "RecoverMasterClusterFilters: \"+\""},
    {"{\"PseudoGTIDPattern\": \"(\"}", "PseudoGTIDPattern: \"(\""},
    /* credentials files that aren't there */
    {"{\"MySQLTopologyCredentialsConfigFile\": \"/nonexistent/x\"}",
     "MySQLTopologyCredentialsConfigFile: /nonexistent/x: No such file or directory; correct the path"},
    {"{\"MySQLTopologyCredentialsConfigFile\": \"/dev/null\"}", "not a regular file"},
};

static void
each_mistake_is_refused_with_a_remedy(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
		if (fixture_try(refusals[i].given) != NULL)
			fail_msg("%s was accepted", refusals[i].given);
		assert_int_equal(fixture_err.code, ERR_CONFIG);
		if (strstr(fixture_err.msg, refusals[i].error) == NULL)
			fail_msg("%s: \"%s\" lacks \"%s\"", refusals[i].given, fixture_err.msg, refusals[i].error);
	}
}

static const struct refusal tolerated[] = {
    {"{\"StatusSimpleHealth\": true}", "t.json:1:2: \"StatusSimpleHealth\": unknown key, ignored"},
    {"{\"AuditPageSize\": 20}", "\"AuditPageSize\": no longer used, ignored"},
    {"{\"httptimeoutseconds\": 20}", "no longer used"},
    {"{\"Debug\": true, \"Debug\": false}", "t.json:1:17: Debug: given 2 times, the last one counts"},
    {"{\"Debug\": true, \"debug\": false}", "Debug: given 2 times"},
    {"{} trailing", "text after the closing brace is ignored (8 bytes)"},
    {"{}{}", "text after the closing brace is ignored (2 bytes)"},
    {"{\"PostFailoverProcesses\": [\"a\", \" &\"]}", "PostFailoverProcesses: item 2 is empty and ignored"},
    {"{\"HostnameResolveMethod\": \"dns\"}", "unknown value \"dns\", treated as \"\""},
    {"{\"DiscoveryIgnoreHostnameFilters\": [\"\"]}", "item 1 is empty and ignored"},
    {"{\"DiscoverySeeds\": [\"a:b\"]}", "DiscoverySeeds: item 1"},
    {"{\"AuthenticationMethod\": \"basic\", \"HTTPAuthPassword\": \"hush\"}",
     "requests need an empty user and the password"},
    {"{\"UseMutualTLS\": true, \"SSLCAFile\": \"/x\"}", "SSLValidOUs: is empty"},
    {"{\"UseMutualTLS\": true, \"SSLValidOUs\": [\"x\"]}", "SSLCAFile: is empty"},
    {"{\"MySQLConnectionLifetimeSeconds\": -1}", "MySQLConnectionLifetimeSeconds: negative, taken as 0"},
};

static void
harmless_mistakes_are_only_warned_about(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(tolerated); i++) {
		conf_unref(fixture_load(tolerated[i].given));
		assert_int_equal(fixture_warnings.n, 1);
		fixture_assert_warned(tolerated[i].error);
	}
}

static const char *const accepted[] = {
    "{}",
    " \n{ }\n ",
    "{\"aUtHuSeRhEaDeR\": \"X\"}",
    "{\"Debug\": null, \"RaftNodes\": null, \"ClusterNameToAlias\": null, \"InstancePollSeconds\": null}",
    "{\"AuthenticationMethod\": \"BASIC\", \"HTTPAuthUser\": \"u\"}",
    "{\"AuthenticationMethod\": \"\"}",
    "{\"BackendDB\": \"\"}",
    "{\"BackendDB\": \"mysql\"}",
    "{\"BackendDB\": \"my-sqlite-file\", \"SQLite3DataFile\": \"/x\"}",
    "{\"HTTPAdvertise\": \"https://[::1]:3000\"}",
    "{\"HTTPAdvertise\": \"http://n1.example.com:80\"}",
    "{\"PromotionOnPossibleLoss\": \"wait:30\"}",
    "{\"RecoverMasterClusterFilters\": [\"*\", \"alias=(\", \"alias~=^a.*\", \"\\\\d+\"]}",
    "{\"PseudoGTIDPattern\": \"(\", \"PseudoGTIDPatternIsFixedSubstring\": true}",
    "{\"DeadInstancePollSecondsMultiplyFactor\": 1.5}",
    "{\"DeadInstancePollSecondsMultiplyFactor\": 2}",
    "{\"RaftEnabled\": true, \"RaftDataDir\": \"/d\", \"RaftNodes\": [\"a\", \"b:1\", \"[::1]:2\", \"::1\"]}",
};

static void
correct_texts_pass_without_a_word(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(accepted); i++) {
		conf_unref(fixture_load(accepted[i]));
		if (fixture_warnings.n > 0)
			fail_msg("%s: %s", accepted[i], fixture_warnings.v[0].text);
	}
}

static void
null_means_not_given_for_scalars_and_empty_for_lists(void **state UNUSED)
{
	struct conf *c = fixture_load("{\"InstancePollSeconds\": null, \"PowerAuthUsers\": null}");

	assert_int_equal(c->InstancePollSeconds, 5);
	assert_int_equal(c->PowerAuthUsers.n, 0);
	conf_unref(c);
}

static void
messages_never_show_secrets(void **state UNUSED)
{
	static const char *const texts[] = {
	    "{\"MySQLTopologyPassword\": \"hunter2\" \"hunter2\"}",
	    "{\"MySQLTopologyPassword\": hunter2}",
	    "{\"MySQLTopologyPassword\": [\"hunter2\"]}",
	    "{\"ConsulAclToken\": \"hunter2",
	};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		assert_null(fixture_try(texts[i]));
		assert_null(strstr(fixture_err.msg, "hunter2"));
	}
}

static void
warnings_are_bounded_and_the_rest_counted(void **state UNUSED)
{
	struct str_buf text = {0};

	str_buf_add(&text, "{");
	for (int i = 0; i < 5000; i++)
		str_buf_printf(&text, "%s\"Unknown%d\": {\"x\": [1, 2, \"}\"]}", i == 0 ? "" : ",\n", i);
	str_buf_add(&text, "}");
	conf_unref(fixture_load(str_buf_text(&text)));
	assert_int_equal(fixture_warnings.n, CONF_WARNINGS_MAX);
	assert_int_equal(fixture_warnings.dropped, 5000 - CONF_WARNINGS_MAX);
	fixture_assert_warned("t.json:64:1: \"Unknown63\"");
	str_buf_done(&text);
}

static void
lists_and_the_whole_are_bounded(void **state UNUSED)
{
	struct str_buf text = {0};

	str_buf_add(&text, "{\"RaftNodes\": [\"a\"");
	for (int i = 0; i < CONF_LIST_MAX; i++)
		str_buf_add(&text, ",\"a\"");
	str_buf_add(&text, "]}");
	assert_null(fixture_try(str_buf_text(&text)));
	assert_non_null(strstr(fixture_err.msg, "RaftNodes: 4097 items, at most 4096"));
	str_buf_clear(&text);
	str_buf_add(&text, "{\"WebMessage\": \"");
	str_buf_pad(&text, 'x', CONF_TEXT_MAX);
	str_buf_add(&text, "\"}");
	assert_null(fixture_try(str_buf_text(&text)));
	assert_int_equal(fixture_err.code, ERR_TOO_LARGE);
	str_buf_done(&text);
}

static void
a_key_is_located_at_the_top_level_only(void **state UNUSED)
{
	assert_null(fixture_try("{\"ClusterNameToAlias\": {\"Debug\": \"x\"},\n"
				" \"WebMessage\": \"\\\"Debug\\\": \", \"X\": [{\"Debug\": 1}],\n"
				"  \"Debug\" : 1}"));
	assert_non_null(strstr(fixture_err.msg, "t.json:3:3: Debug"));
}

static void
http_checks_are_for_nodes_that_serve_it(void **state UNUSED)
{
	static const struct refusal cases[] = {
	    {"{}", NULL},
	    {"{\"ListenAddress\": \"127.0.0.1:80\"}", NULL},
	    {"{\"ListenAddress\": \"localhost\"}", "ListenAddress: \"localhost\" names no port"},
	    {"{\"ListenAddress\": \"localhost\", \"ListenSocket\": \"/s\"}", NULL},
	    {"{\"ListenAddress\": \":99999\"}", "from 0 to 65535"},
	    {"{\"AuthenticationMethod\": \"Multi\"}", "HTTPAuthUser: is empty"},
	    {"{\"AuthenticationMethod\": \"multi\", \"HTTPAuthUser\": \"u\"}", NULL},
	    {"{\"AgentsServerPort\": \"x\"}", NULL},
	    {"{\"AgentsServerPort\": \"x\", \"ServeAgentsHttp\": true}", "AgentsServerPort"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct conf *c = fixture_load(cases[i].given);
		int rc = conf_check_http(c, &fixture_err);
		assert_int_equal(rc, cases[i].error == NULL ? 0 : -ERR_CONFIG);
		if (rc != 0)
			assert_non_null(strstr(fixture_err.msg, cases[i].error));
		conf_unref(c);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_mistake_is_refused_with_a_remedy),
	    cmocka_unit_test(harmless_mistakes_are_only_warned_about),
	    cmocka_unit_test(correct_texts_pass_without_a_word),
	    cmocka_unit_test(null_means_not_given_for_scalars_and_empty_for_lists),
	    cmocka_unit_test(messages_never_show_secrets),
	    cmocka_unit_test(warnings_are_bounded_and_the_rest_counted),
	    cmocka_unit_test(lists_and_the_whole_are_bounded),
	    cmocka_unit_test(a_key_is_located_at_the_top_level_only),
	    cmocka_unit_test(http_checks_are_for_nodes_that_serve_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
