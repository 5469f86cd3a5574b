/* What becomes of a given configuration: reference/config-keys.md section 4, case by case. */
#include <stdlib.h>

#include "conf_fixture.h"

struct adjustment {
	const char *given;
	const char *key;
	const char *value;
	const char *warning; /* NULL: the key is not warned about */
};

static const struct adjustment adjustments[] = {
    /* 3: a given key beats its synonym's default */
    {"{}", "RecoveryPeriodBlockSeconds", "3600", NULL},
    {"{\"RecoveryPeriodBlockMinutes\": 5}", "RecoveryPeriodBlockSeconds", "300", "deprecated"},
    {"{\"RecoveryPeriodBlockMinutes\": 5, \"RecoveryPeriodBlockSeconds\": 7}", "RecoveryPeriodBlockSeconds", "7", NULL},
    {"{\"RecoveryPeriodBlockMinutes\": 5, \"RecoveryPeriodBlockSeconds\": 0}", "RecoveryPeriodBlockSeconds", "300",
     NULL},
    {"{\"RecoveryPeriodBlockSeconds\": 0}", "RecoveryPeriodBlockSeconds", "0", NULL},
    {"{\"RecoveryPeriodBlockSeconds\": 90}", "RecoveryPeriodBlockMinutes", "1", NULL},
    /* 4 */
    {"{\"SlaveLagQuery\": \"q\"}", "ReplicationLagQuery", "\"q\"", "deprecated"},
    {"{\"SlaveLagQuery\": \"q\"}", "SlaveLagQuery", "\"\"", NULL},
    {"{\"SlaveLagQuery\": \"q\", \"ReplicationLagQuery\": \"q\"}", "ReplicationLagQuery", "\"q\"", NULL},
    /* 5 */
    {"{}", "DetachLostReplicasAfterMasterFailover", "true", NULL},
    {"{\"DetachLostReplicasAfterMasterFailover\": false}", "DetachLostReplicasAfterMasterFailover", "false", NULL},
    {"{\"DetachLostSlavesAfterMasterFailover\": false}", "DetachLostReplicasAfterMasterFailover", "false",
     "deprecated"},
    {"{\"DetachLostSlavesAfterMasterFailover\": false, \"DetachLostReplicasAfterMasterFailover\": true}",
     "DetachLostReplicasAfterMasterFailover", "true", "both count as true"},
    {"{\"DetachLostSlavesAfterMasterFailover\": true, \"DetachLostReplicasAfterMasterFailover\": false}",
     "DetachLostReplicasAfterMasterFailover", "true", "both count as true"},
    /* 6 */
    {"{}", "MasterFailoverDetachReplicaMasterHost", "false", NULL},
    {"{\"MasterFailoverDetachSlaveMasterHost\": true}", "MasterFailoverDetachReplicaMasterHost", "true", "deprecated"},
    {"{\"MasterFailoverDetachReplicaMasterHost\": true}", "MasterFailoverDetachReplicaMasterHost", "true", NULL},
    /* 7 */
    {"{\"PostponeSlaveRecoveryOnLagMinutes\": 3}", "PostponeReplicaRecoveryOnLagMinutes", "3", "deprecated"},
    {"{\"PostponeReplicaRecoveryOnLagMinutes\": 3}", "PostponeReplicaRecoveryOnLagMinutes", "3", NULL},
    {"{\"ProcessesShellCommand\": \"\"}", "ProcessesShellCommand", "\"bash\"", "is empty: taken as"},
    {"{\"ProcessesShellCommand\": \"bash -e\"}", "ProcessesShellCommand", "\"bash -e\"", "without arguments"},
    /* 8 */
    {"{\"URLPrefix\": \"a/b//\"}", "URLPrefix", "\"/a/b\"", NULL},
    {"{\"URLPrefix\": \"//a\"}", "URLPrefix", "\"/a\"", NULL},
    {"{\"URLPrefix\": \"/\"}", "URLPrefix", "\"\"", NULL},
    {"{}", "URLPrefix", "\"\"", NULL},
    /* 9 */
    {"{}", "RaftAdvertise", "\"127.0.0.1:10008\"", NULL},
    {"{\"RaftBind\": \"10.0.0.1\"}", "RaftAdvertise", "\"10.0.0.1\"", NULL},
    {"{\"RaftBind\": \"0.0.0.0\", \"RaftAdvertise\": \"n1\"}", "RaftAdvertise", "\"n1\"", NULL},
    /* 10 */
    {"{}", "KVClusterMasterPrefix", "\"mysql/master/\"", NULL},
    {"{\"KVClusterMasterPrefix\": \"/a//\"}", "KVClusterMasterPrefix", "\"/a/\"", NULL},
    {"{\"KVClusterMasterPrefix\": \"/\"}", "KVClusterMasterPrefix", "\"/\"", NULL},
    {"{\"KVClusterMasterPrefix\": \"\"}", "KVClusterMasterPrefix", "\"/\"", NULL},
    /* 11 */
    {"{\"AutoPseudoGTID\": true, \"PseudoGTIDPattern\": \"x\"}", "PseudoGTIDPattern",
     "\"drop view if exists `_pseudo_gtid_`\"", NULL},
    {"{\"AutoPseudoGTID\": true}", "PseudoGTIDPatternIsFixedSubstring", "true", NULL},
    {"{\"AutoPseudoGTID\": true}", "PseudoGTIDMonotonicHint", "\"asc:\"", NULL},
    {"{\"AutoPseudoGTID\": true}", "DetectPseudoGTIDQuery", "\"select 1\"", NULL},
    /* 12: without HTTPAdvertise too */
    {"{\"BufferInstanceWrites\": true, \"InstanceWriteBufferSize\": 0}", "BufferInstanceWrites", "false", "turned off"},
    {"{\"BufferInstanceWrites\": true, \"InstanceWriteBufferSize\": -4}", "BufferInstanceWrites", "false",
     "turned off"},
    {"{\"BufferInstanceWrites\": true}", "BufferInstanceWrites", "true", NULL},
    /* 13 */
    {"{\"ConsulMaxKVsPerTransaction\": 4}", "ConsulMaxKVsPerTransaction", "5", "taken as 5"},
    {"{\"ConsulMaxKVsPerTransaction\": 65}", "ConsulMaxKVsPerTransaction", "64", "taken as 64"},
    {"{\"ConsulMaxKVsPerTransaction\": -1}", "ConsulMaxKVsPerTransaction", "5", "taken as"},
    {"{\"ConsulMaxKVsPerTransaction\": 20}", "ConsulMaxKVsPerTransaction", "20", NULL},
    /* 14 */
    {"{\"ReasonableReplicationLagSeconds\": 33}", "ReasonableLockedSemiSyncMasterSeconds", "33", NULL},
    {"{\"ReasonableReplicationLagSeconds\": 33, \"ReasonableLockedSemiSyncMasterSeconds\": 5}",
     "ReasonableLockedSemiSyncMasterSeconds", "5", NULL},
    /* ours: a default never makes a given value invalid; 0 never means "for ever" */
    {"{\"InstancePollSeconds\": 600}", "DeadInstancePollSecondsMax", "600", NULL},
    {"{\"MySQLConnectTimeoutSeconds\": 0}", "MySQLConnectTimeoutSeconds", "2", "taken as the default"},
    {"{\"MySQLTopologyReadTimeoutSeconds\": -1}", "MySQLTopologyReadTimeoutSeconds", "600", "taken as"},
    {"{\"GraphitePollSeconds\": -1}", "GraphitePollSeconds", "0", "taken as 0"},
    {"{\"MySQLOrchestratorMaxAllowedPacket\": -1}", "MySQLOrchestratorMaxAllowedPacket", "-1", NULL},
    {"{\"SeedAcceptableBytesDiff\": 1}", "SeedAcceptableBytesDiff", "1", "has no effect"},
};

static void
each_adjustment_gives_its_value(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(adjustments); i++) {
		const struct adjustment *a = &adjustments[i];
		struct conf *c = fixture_load(a->given);
		fixture_assert_value(c, a->key, a->value);
		if (a->warning != NULL)
			fixture_assert_warned(a->warning);
		else if (fixture_warned(a->key) && !fixture_warned("deprecated"))
			fail_msg("%s: unexpected warning about %s", a->given, a->key);
		conf_unref(c);
	}
}

static void
adjusting_an_adjusted_configuration_changes_nothing(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(adjustments); i++) {
		struct conf *once = fixture_load(adjustments[i].given), *twice;
		struct str_buf text = {0};

		conf_print(once, CONF_ALL_ROLES, false, &text);
		twice = fixture_load(str_buf_text(&text));
		assert_int_equal(conf_diff(once, twice, CONF_ALL_ROLES, NULL, NULL), 0);
		str_buf_done(&text);
		conf_unref(once);
		conf_unref(twice);
	}
}

static void
passwords_take_a_whole_environment_variable(void **state UNUSED)
{
	static const struct {
		const char *given, *value;
	} cases[] = {
	    {"plain", "\"plain\""},
	    {"${CONF_TEST_PW}", "\"s3cret\""},
	    {"before${CONF_TEST_PW}after", "\"s3cret\""},
	    {"${CONF_TEST_UNSET}", "\"\""},
	    {"${CONF_TEST_PW} and ${CONF_TEST_PW}", "\"\""}, /* greedy: one strange name */
	    {"}${CONF_TEST_PW", "\"}${CONF_TEST_PW\""},
	    {"$CONF_TEST_PW", "\"$CONF_TEST_PW\""},
	};

	assert_int_equal(setenv("CONF_TEST_PW", "s3cret", 1), 0);
	assert_int_equal(unsetenv("CONF_TEST_UNSET"), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct str_buf text = {0};
		struct conf *c;

		str_buf_printf(&text, "{\"MySQLTopologyPassword\": \"%s\", \"MySQLOrchestratorPassword\": \"%s\"}",
			       cases[i].given, cases[i].given);
		c = fixture_load(str_buf_text(&text));
		fixture_assert_value(c, "MySQLTopologyPassword", cases[i].value);
		fixture_assert_value(c, "MySQLOrchestratorPassword", cases[i].value);
		assert_int_equal(fixture_warned("not set"), strcmp(cases[i].value, "\"\"") == 0);
		assert_false(fixture_warned("CONF_TEST"));
		str_buf_done(&text);
		conf_unref(c);
	}
}

static void
other_keys_do_not_look_at_the_environment(void **state UNUSED)
{
	struct conf *c = fixture_load("{\"MySQLTopologyUser\": \"${CONF_TEST_PW}\"}");

	assert_string_equal(c->MySQLTopologyUser, "${CONF_TEST_PW}");
	conf_unref(c);
}

static void
a_password_that_json_cannot_carry_is_refused(void **state UNUSED)
{
	assert_int_equal(setenv("CONF_TEST_PW", "\xff\xfe", 1), 0);
	assert_null(fixture_try("{\"MySQLTopologyPassword\": \"${CONF_TEST_PW}\"}"));
	assert_non_null(strstr(fixture_err.msg, "MySQLTopologyPassword: user or password is not valid UTF-8"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_adjustment_gives_its_value),
	    cmocka_unit_test(adjusting_an_adjusted_configuration_changes_nothing),
	    cmocka_unit_test(passwords_take_a_whole_environment_variable),
	    cmocka_unit_test(other_keys_do_not_look_at_the_environment),
	    cmocka_unit_test(a_password_that_json_cannot_carry_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
