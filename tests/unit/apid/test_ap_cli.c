/* test_ap_cli.c — command line: every historical name is known, paths are built, answers are printed (cli.md). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ap_cli.h"

#define WORDS_MAX 16

static struct rec_text words[WORDS_MAX];

/* Splits a line at blanks ('+' stands for a blank inside a word). */
static void
parse_line(struct cli *c, char *line)
{
	struct rec_text_list list = {words, 0};
	struct err e;

	for (char *w = strtok(line, " "); w != NULL; w = strtok(NULL, " ")) {
		for (char *p = w; *p != '\0'; p++)
			*p = *p == '+' ? ' ' : *p;
		words[list.n++].s = w;
	}
	*c = (struct cli){.hostname = "thishost", .default_port = 3306};
	assert_int_equal(args_parse(&list, &c->args, &e), 0);
}

static void
paths_are_built_from_flags(void **state UNUSED)
{
	static const struct {
		const char *line;
		const char *path; /* NULL: refused */
	} cases[] = {
	    {"-c which-instance -i db1", "instance/db1/3306"},
	    {"-c which-instance -i db1:3307", "instance/db1/3307"},
	    {"-c which-instance", "instance/thishost/3306"},
	    {"-c which-instance -i db1:x", NULL},
	    {"-c topology -i db1:3307", "topology/db1%3A3307?history="},
	    {"-c topology -alias prod -i db1", "topology/prod?history="},
	    {"-c topology -pattern 17[0-3]", "topology/thishost?history=17%5B0-3%5D"},
	    {"-c instance-status -i db1", "instance-status/db1/3306"},
	    {"-c which-downtimed-instances", "downtimed/"},
	    {"-c search -pattern a&b", "search?s=a%26b"},
	    {"-c search", NULL},
	    {"-c tag -i db1 -tag x=1+2", "tag/db1/3306?tag=x%3D1%202"},
	    {"-c tag -i db1", NULL},
	    {"-c forget", NULL},
	    {"-c forget -i db9:1", "forget/db9/1"},
	    {"-c begin-downtime -i db1 -reason a/b -owner me -duration 1h",
	     "begin-downtime/db1/3306?owner=me&reason=a%2Fb&duration=1h"},
	    {"-c begin-downtime -i db1 -owner me", NULL},
	    {"-c submit-pool-instances -pool a/b -i db1,db2:3307",
	     "submit-pool-instances/a%2Fb?instances=db1%2Cdb2%3A3307"},
	    {"-c submit-pool-instances -i db1", NULL},
	    {"-c submit-pool-instances -pool p", "submit-pool-instances/p?instances="}, /* empties it */
	    {"-c cluster-pool-instances", "cluster-pool-instances"},
	    {"-c which-heuristic-cluster-pool-instances -alias prod", "heuristic-cluster-pool-instances/prod/"},
	    {"-c which-heuristic-cluster-pool-instances -i db1 -pool p", "heuristic-cluster-pool-instances/db1/p"},
	    {"-c begin-maintenance -i db1 -reason a/b -owner me -duration 1h",
	     "begin-maintenance/db1/3306?owner=me&reason=a%2Fb&duration=1h"},
	    {"-c begin-maintenance -i db1", NULL},
	    {"-c end-maintenance", "end-maintenance/thishost/3306"},
	    {"-c in-maintenance -i db1:3307", "in-maintenance/db1/3307"},
	    {"-c register-hostname-unresolve -i db1 -hostname vip1", "register-hostname-unresolve/db1/3306/vip1"},
	    {"-c register-hostname-unresolve -i db1", NULL},
	    {"-c deregister-hostname-unresolve -i db1", "deregister-hostname-unresolve/db1/3306"},
	    {"-c can-replicate-from -i db1 -s db2:3307", "can-replicate-from/db1/3306/db2/3307?refusal=false"},
	    {"-c can-replicate-from -i db1", NULL},
	    {"-c recover -i db1", "recover/db1/3306"},
	    {"-c recover -i db1 -d db2:3307", "recover/db1/3306/db2/3307"},
	    {"-c recover-lite -i db1 -d db2 -noop", "recover-lite/db1/3306/db2/3306?dry-run=true"},
	    {"-c register-candidate -i db1", "register-candidate/db1/3306/prefer"},
	    {"-c register-candidate -i db1 -promotion-rule must_not", "register-candidate/db1/3306/must_not"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char *line = mem_strdup(cases[i].line);
		struct str_buf path = {0};
		struct cli c;
		struct err e;
		int rc;

		parse_line(&c, line);
		rc = cli_build_path(&c, cli_command_find(c.args.c), c.args.i, &path, &e);
		if ((rc == 0) != (cases[i].path != NULL))
			fail_msg("%s: %s", cases[i].line, rc == 0 ? str_buf_text(&path) : e.msg);
		if (rc == 0)
			assert_string_equal(str_buf_text(&path), cases[i].path);
		str_buf_done(&path);
		cli_done(&c);
		free(line);
	}
}

#define INSTANCE                                                                                            \
	"{\"Key\":{\"Hostname\":\"db2\",\"Port\":3306},\"MasterKey\":{\"Hostname\":\"db1\",\"Port\":3307}," \
	"\"ReplicationSQLThreadState\":1,\"ReplicationIOThreadState\":1,\"DowntimeReason\":\"lost-in-recovery\"}"
#define PRIMARY                                                                                       \
	"{\"Key\":{\"Hostname\":\"db1\",\"Port\":3307},\"MasterKey\":{\"Hostname\":\"\",\"Port\":0}," \
	"\"ReplicationSQLThreadState\":-1,\"ReplicationIOThreadState\":-1,\"DowntimeReason\":\"\"}"

#define ANALYSIS(host, code, warnings, skippable)                                          \
	"{\"AnalyzedInstanceKey\":{\"Hostname\":\"" host                                   \
	"\",\"Port\":1},\"ClusterDetails\":{\"ClusterName\":\"a:1\"},\"Analysis\":\"" code \
	"\",\"StructureAnalysis\":" warnings ",\"SkippableDueToDowntime\":" skippable "}"

struct printed {
	const char *line, *json, *out;
	int code;
};

static void
assert_printed(const struct printed *x)
{
	char *line = mem_strdup(x->line);
	json_t *answer = json_loads(x->json, JSON_DECODE_ANY, NULL), *what;
	const struct cli_command *cmd;
	struct cli c;

	assert_non_null(answer);
	parse_line(&c, line);
	cmd = cli_command_find(c.args.c);
	what = cmd->of[0] == '\0' ? answer : json_object_get(answer, cmd->of);
	assert_int_equal(cmd->print(&c, what), x->code);
	assert_string_equal(str_buf_text(&c.out), x->out);
	json_decref(answer);
	cli_done(&c);
	free(line);
}

static void
answers_are_printed(void **state UNUSED)
{
	static const struct printed cases[] = {
	    {"-c which-instance", INSTANCE, "db2:3306\n", 0},
	    {"-c which-master", INSTANCE, "db1:3307\n", 0},
	    {"-c which-master", PRIMARY, "", 0},
	    {"-c all-instances", "[" PRIMARY "," INSTANCE "]", "db1:3307\ndb2:3306\n", 0},
	    {"-c all-instances", "[]", "", 0},
	    {"-c which-replicas", "[{}]", "", 0},
	    {"-c which-cluster-alias", "{\"ClusterName\":\"a:1\",\"ClusterAlias\":\"prod\"}", "prod\n", 0},
	    {"-c which-cluster", "{}", "", 1},
	    {"-c discover -i db1", "{\"Code\":\"OK\",\"Details\":null}", "", 1}, /* left out by a filter */
	    {"-c all-instances", "[1]", "", 1},
	    {"-c clusters", "[\"a:1\",\"b:2\"]", "a:1\nb:2\n", 0},
	    {"-c clusters", "null", "", 0},
	    {"-c clusters-alias", "[{\"ClusterName\":\"a:1\",\"ClusterAlias\":\"prod\"}]", "a:1\tprod\n", 0},
	    {"-c replication-analysis",
	     "{\"Code\":\"OK\",\"Details\":[" ANALYSIS("db1", "DeadMaster", "null", "false") "," ANALYSIS(
		 "db2", "NoProblem", "[\"ErrantGTIDStructureWarning\",\"x\"]",
		 "false") "," ANALYSIS("db3", "DeadMaster", "[\"x\"]", "false") "," ANALYSIS("db4", "DeadMaster",
											     "null", "true") "]}",
	     "db1:1 (cluster a:1): DeadMaster\ndb2:1 (cluster a:1): ErrantGTIDStructureWarning, x\n"
	     "db3:1 (cluster a:1): DeadMaster, x\n",
	     0},
	    {"-c is-replicating", INSTANCE, "db2:3306\n", 0},
	    {"-c is-replicating", PRIMARY, "", 0},
	    {"-c is-replication-stopped", INSTANCE, "", 0},
	    {"-c which-lost-in-recovery", "[" PRIMARY "," INSTANCE "]", "db2:3306\n", 0},
	    {"-c tag-value -i db1 -tag x", "[\"x=1=2\",\"xy=3\"]", "1=2\n", 0},
	    {"-c tag-value -i db1 -tag nope", "[\"x=1\"]", "", 0},
	    {"-c find -pattern ^db[2]", "[" PRIMARY "," INSTANCE "]", "db2:3306\n", 0},
	    {"-c find -pattern (", "[]", "", 1},
	    {"-c untag -i db1 -tag x", "{\"Code\":\"OK\",\"Details\":[{\"Hostname\":\"db1\",\"Port\":1}]}", "db1:1\n",
	     0},
	    {"-c discover -i db1", "{\"Code\":\"OK\",\"Details\":" INSTANCE "}", "db2:3306\n", 0},
	    {"-c topology -i db1", "{\"Code\":\"OK\",\"Details\":\"a\\nb\"}", "a\nb\n", 0},
	    {"-c in-maintenance -i db1", "{\"Code\":\"OK\",\"Message\":\"true\",\"Details\":\"db1:3306\"}",
	     "db1:3306\n", 0},
	    {"-c in-maintenance -i db1", "{\"Code\":\"OK\",\"Message\":\"false\",\"Details\":\"\"}", "", 0},
	    {"-c in-maintenance -i db1", "{}", "", 1},
	    {"-c submit-pool-instances -pool p -i db1", "{\"Code\":\"OK\",\"Details\":\"p\"}", "", 0},
	    {"-c cluster-pool-instances",
	     "[{\"ClusterName\":\"a:1\",\"ClusterAlias\":\"prod\",\"Pool\":\"p\",\"Hostname\":\"db1\",\"Port\":3306}]",
	     "a:1\tprod\tp\tdb1:3306\n", 0},
	    {"-c cluster-pool-instances", "[]", "", 0},
	    {"-c can-replicate-from -i a -d b",
	     "{\"Code\":\"OK\",\"Message\":\"orc1 says: true\",\"Details\":{\"Hostname\":\"b\",\"Port\":1}}", "b:1\n",
	     0},
	    {"-c can-replicate-from -i a -d b",
	     "{\"Code\":\"OK\",\"Message\":\"false\",\"Details\":{\"Hostname\":\"b\",\"Port\":1}}", "", 0},
	    {"-c get-cluster-heuristic-lag",
	     "[{\"ReplicationLagSeconds\":{\"Int64\":3,\"Valid\":true}},{\"ReplicationLagSeconds\":{\"Int64\":0,"
	     "\"Valid\":false}}]",
	     "3\n", 0},
	    {"-c get-cluster-heuristic-lag", "[]", "", 1},
	    {"-c bulk-promotion-rules", "[{\"Hostname\":\"a\",\"Port\":1,\"PromotionRule\":\"prefer\"}]",
	     "a:1 prefer\n", 0},
	    {"-c bulk-promotion-rules", "null", "", 0},
	    {"-c active-nodes",
	     "{\"Code\":\"OK\",\"Details\":{\"AvailableNodes\":[{\"Hostname\":\"orc1\",\"Token\":\"t\",\"AppVersion\":"
	     "\"3\"}]}}",
	     "&{orc1 t 3     }\n", 0},
	    {"-c instance-status -i db2:3306", "{\"Code\":\"OK\",\"Details\":\"[1s,lag]\"}", "[1s,lag]\n", 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_printed(&cases[i]);
}

static void
answers_about_recoveries_are_printed(void **state UNUSED)
{
	static const struct printed cases[] = {
	    {"-c recover -i a:1", "{\"Code\":\"OK\",\"Details\":{\"Hostname\":\"b\",\"Port\":2}}", "b:2\n", 0},
	    {"-c recover -i a:1 -noop", "{\"Code\":\"OK\",\"Details\":[\"one\",\"two\"]}", "one\ntwo\n", 0},
	    {"-c ack-all-recoveries -reason seen", "{\"Code\":\"OK\",\"Details\":3}", "3 recoveries acknowledged\n", 0},
	    {"-c ack-all-recoveries -reason seen", "{\"Code\":\"OK\",\"Details\":\"seen\"}", "", 1},
	    {"-c disable-global-recoveries", "{\"Code\":\"OK\",\"Details\":\"disabled\"}",
	     "OK: Orchestrator recoveries DISABLED globally\n", 0},
	    {"-c enable-global-recoveries", "{\"Code\":\"OK\",\"Details\":\"enabled\"}",
	     "OK: Orchestrator recoveries ENABLED globally\n", 0},
	    {"-c check-global-recoveries", "{\"Code\":\"OK\",\"Details\":\"enabled\"}",
	     "OK: Global recoveries disabled: false\n", 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_printed(&cases[i]);
}

static void
names_and_aliases_are_unique_and_found(void **state UNUSED)
{
	size_t n = 0;

	for (size_t i = 0; i < cli_command_count(); i++) {
		const struct cli_command *cmd = cli_command_at(i);
		if (cmd->name == NULL)
			continue;
		n++;
		assert_ptr_equal(cli_command_find(cmd->name), cmd);
	}
	assert_int_equal(n, 127 + 1); /* cli.md section 4; raft-rescue is ours */
	assert_string_equal(cli_command_find("which-slaves")->name, "which-replicas");
	assert_string_equal(cli_command_find("stop-replica")->name, "stop-slave");
	assert_null(cli_command_find("no-such"));
	assert_null(cli_command_find(""));
}

static void
unknown_commands_say_so(void **state UNUSED)
{
	char line[] = "-c no-such", later[] = "-c relocate -i a -d b";
	struct cli c;

	parse_line(&c, line);
	assert_int_equal(cli_run(&c), 1);
	assert_non_null(strstr(str_buf_text(&c.err), "Unknown command: \"no-such\""));
	cli_done(&c);
	parse_line(&c, later);
	assert_int_equal(cli_run(&c), 1);
	assert_non_null(strstr(str_buf_text(&c.err), "Not yet"));
	cli_done(&c);
}

static void
help_goes_to_stderr_and_topics_to_stdout(void **state UNUSED)
{
	char line[] = "-c help", topic[] = "help tag";
	struct cli c;

	parse_line(&c, line);
	assert_int_equal(cli_run(&c), 0);
	assert_int_equal(c.out.len, 0);
	assert_non_null(strstr(str_buf_text(&c.err), "which-cluster-instances"));
	cli_done(&c);
	parse_line(&c, topic);
	assert_int_equal(cli_run(&c), 0);
	assert_true(str_starts(str_buf_text(&c.out), "tag:\n\tAdds or replaces a tag"));
	assert_non_null(strstr(str_buf_text(&c.out), "\tUsage: orchestrator -c tag -i -tag\n"));
	assert_non_null(strstr(str_buf_text(&c.out), "\t  -i               instance, host[:port]"));
	assert_non_null(strstr(str_buf_text(&c.out), "\t  -tag             tag or tag expression\n"));
	cli_done(&c);
}

/* A flag that the path or a check needs is in the help, and no other. */
static void
the_flags_in_the_help_are_those_needed(void **state UNUSED)
{
	static const struct {
		unsigned need;
		const char *placeholder, *flag;
	} cases[] = {{CMD_INSTANCE, "{i}", "-i"},
		     {CMD_CLUSTER, "{cluster}", "-i|-alias"},
		     {CMD_MAYBE_CLUSTER, "{cluster}", "[-i|-alias]"},
		     {CMD_PATTERN, NULL, "-pattern"},
		     {CMD_POOL, "{pool}", "-pool"},
		     {CMD_WHOLE_LIST, "{list}", "-i"},
		     {CMD_HOSTNAME, "{hostname}", "-hostname"},
		     {CMD_DESTINATION, "{d}", "-d"},
		     {CMD_ARG_TAG, NULL, "-tag"},
		     {CMD_REASON, "{reason}", "-reason"},
		     {0, "{/d}", "[-d]"},
		     {0, "{?noop}", "[-noop]"},
		     {0, "{owner}", "[-owner]"},
		     {0, "{maybe_pool}", "[-pool]"},
		     {0, "{history}", "[-pattern]"},
		     {0, "{confirm}", "[-confirm]"},
		     {0, "{duration}", "[-duration]"},
		     {0, "{rule}", "[-promotion-rule]"}};

	for (size_t i = 0; i < cli_command_count(); i++) {
		const struct cli_command *cmd = cli_command_at(i);
		struct str_buf flags = {0};
		if (cmd->path == NULL)
			continue;
		for (size_t k = 0; k < ARRAY_LEN(cases); k++) {
			bool by_need = cases[k].need != 0 && (cmd->needs & cases[k].need) != 0;
			bool by_path = cases[k].need == 0 && strstr(cmd->path, cases[k].placeholder) != NULL;
			if (by_need && cases[k].placeholder != NULL)
				assert_non_null(strstr(cmd->path, cases[k].placeholder));
			if ((by_need || by_path) && strstr(cmd->flags, cases[k].flag) == NULL)
				fail_msg("%s: the help lacks %s", cmd->name, cases[k].flag);
			if (by_need || by_path)
				str_buf_printf(&flags, "%s%s", flags.len == 0 ? "" : " ", cases[k].flag);
		}
		/* the order in the help is that of use */
		if (strlen(cmd->flags) != flags.len)
			fail_msg("%s: \"%s\", needs \"%s\"", cmd->name, cmd->flags, str_buf_text(&flags));
		str_buf_done(&flags);
	}
}

static void
every_command_has_a_sentence(void **state UNUSED)
{
	for (size_t i = 0; i < cli_command_count(); i++) {
		const struct cli_command *cmd = cli_command_at(i);
		if (cmd->name == NULL)
			continue;
		if (!str_ends(cmd->doc, ".") || cmd->doc[0] < 'A' || cmd->doc[0] > 'Z')
			fail_msg("%s: \"%s\" is no sentence", cmd->name, cmd->doc);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(paths_are_built_from_flags),
	    cmocka_unit_test(answers_are_printed),
	    cmocka_unit_test(answers_about_recoveries_are_printed),
	    cmocka_unit_test(names_and_aliases_are_unique_and_found),
	    cmocka_unit_test(unknown_commands_say_so),
	    cmocka_unit_test(help_goes_to_stderr_and_topics_to_stdout),
	    cmocka_unit_test(the_flags_in_the_help_are_those_needed),
	    cmocka_unit_test(every_command_has_a_sentence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
