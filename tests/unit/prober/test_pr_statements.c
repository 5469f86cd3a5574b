/* No server is sent what its version doesn't know: every flavour × every statement that a probe or a step may send.
 *
 * The knowledge is a table of words and heads of statements, with the versions that brought and removed them, from the
 * manuals and release notes of MySQL and MariaDB; for MaxScale what reference/probing.md lists. Only MariaDB 10.11, 11.8
 * and MySQL 9.x are tried on real servers too (tests/process/prober/test_prober_servers.py). A word of a statement that stands
 * nowhere fails the test, and so does a line that no statement needs. */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/str.h"
#include "pr_flavor.h"
#include "pr_step.h"
#include "topo/step.h"
#include "topo/version.h"

#define V(major, minor, patch) ((major)*1000000 + (minor)*1000 + (patch))
#define EVER 0
#define NEVER V(999, 0, 0)

/* Of one flavour: from the first version that has it to before the first that doesn't. */
struct span {
	int since, gone;
};
#define SINCE(...)                    \
	{                             \
		V(__VA_ARGS__), NEVER \
	}
#define UNTIL(...)                   \
	{                            \
		EVER, V(__VA_ARGS__) \
	}
#define ALWAYS              \
	{                   \
		EVER, NEVER \
	}
#define NO                   \
	{                    \
		NEVER, NEVER \
	}

struct word {
	const char *text;
	struct span mysql, mariadb, maxscale;
};

/* How a statement begins; the longest that fits counts. */
static const struct word heads[] = {
    {"select", ALWAYS, ALWAYS, ALWAYS},
    {"show slave status", UNTIL(8, 4, 0), ALWAYS, ALWAYS},
    {"show replica status", SINCE(8, 0, 22), SINCE(10, 5, 1), NO},
    {"show all slaves status", NO, SINCE(10, 0, 2), NO},
    {"show slave hosts", UNTIL(8, 4, 0), ALWAYS, ALWAYS},
    {"show replicas", SINCE(8, 0, 22), NO, NO},
    {"show master status", UNTIL(8, 4, 0), ALWAYS, ALWAYS},
    {"show binary log status", SINCE(8, 2, 0), NO, NO},
    {"show variables like", ALWAYS, ALWAYS, ALWAYS},
    {"show global variables like", ALWAYS, ALWAYS, NO},
    {"show global status like", ALWAYS, ALWAYS, NO},
    {"stop slave io_thread", UNTIL(8, 4, 0), ALWAYS, ALWAYS},
    {"stop replica io_thread", SINCE(8, 0, 22), SINCE(10, 5, 1), NO},
    {"set global", ALWAYS, ALWAYS, NO},
    {"set @former", ALWAYS, ALWAYS, NO},
    {"begin not atomic declare continue handler for sqlexception begin end", NO, SINCE(10, 1, 1), NO},
    {"do sleep", ALWAYS, ALWAYS, NO},
    {"end", NO, SINCE(10, 1, 1), NO},
    {"kill query", ALWAYS, ALWAYS, NO},
    {"kill", ALWAYS, ALWAYS, NO},
    {"start slave io_thread", UNTIL(8, 4, 0), ALWAYS, ALWAYS},
    {"start replica io_thread", SINCE(8, 0, 22), SINCE(10, 5, 1), NO},
    {"start slave sql_thread", UNTIL(8, 4, 0), ALWAYS, ALWAYS},
    {"start replica sql_thread", SINCE(8, 0, 22), SINCE(10, 5, 1), NO},
    {"stop slave sql_thread", UNTIL(8, 4, 0), ALWAYS, ALWAYS},
    {"stop replica sql_thread", SINCE(8, 0, 22), SINCE(10, 5, 1), NO},
    {"start slave", UNTIL(8, 4, 0), ALWAYS, ALWAYS},
    {"start replica", SINCE(8, 0, 22), SINCE(10, 5, 1), NO},
    {"stop slave", UNTIL(8, 4, 0), ALWAYS, ALWAYS},
    {"stop replica", SINCE(8, 0, 22), SINCE(10, 5, 1), NO},
    {"reset slave all", UNTIL(8, 4, 0), ALWAYS, NO},
    {"reset replica all", SINCE(8, 0, 22), SINCE(10, 5, 1), NO},
    {"change master to", UNTIL(8, 4, 0), ALWAYS, NO},
    {"change replication source to", SINCE(8, 0, 23), NO, NO},
};

static const struct word words[] = {
    /* variables */
    {"@@global.version", ALWAYS, ALWAYS, NO},
    {"@@global.hostname", ALWAYS, ALWAYS, NO},
    {"@@hostname", ALWAYS, ALWAYS, ALWAYS},
    {"@@global.report_host", ALWAYS, ALWAYS, NO},
    {"@@global.report_port", ALWAYS, ALWAYS, NO},
    {"@@global.server_id", ALWAYS, ALWAYS, SINCE(1, 2, 0)},
    {"@@server_id", ALWAYS, ALWAYS, ALWAYS},
    {"@@global.server_uuid", SINCE(5, 6, 0), NO, SINCE(1, 2, 0)},
    {"@@global.version_comment", ALWAYS, ALWAYS, NO},
    {"@@global.read_only", ALWAYS, ALWAYS, NO},
    {"@@global.binlog_format", ALWAYS, ALWAYS, NO},
    {"@@global.log_bin", ALWAYS, ALWAYS, NO},
    {"@@global.log_slave_updates", UNTIL(8, 4, 0), ALWAYS, NO}, /* from 8.4 on it isn't relied on */
    {"@@global.log_replica_updates", SINCE(8, 0, 26), NO, NO},
    {"@@global.gtid_mode", SINCE(5, 6, 5), NO, NO},
    {"@@global.gtid_executed", SINCE(5, 6, 9), NO, NO},
    {"@@global.gtid_purged", SINCE(5, 6, 9), NO, NO},
    {"@@global.binlog_row_image", SINCE(5, 6, 2), SINCE(10, 1, 6), NO},
    {"@@global.master_info_repository", {V(5, 6, 2), V(8, 3, 0)}, NO, NO},
    {"@@global.gtid_binlog_pos", NO, SINCE(10, 0, 2), NO},
    {"gtid_slave_pos", NO, SINCE(10, 0, 2), NO},
    {"@@global.gtid_current_pos", NO, SINCE(10, 0, 2), NO},
    {"@@global.group_replication_group_name", SINCE(5, 7, 17), NO, NO}, /* error 1193 without the plugin */
    {"@@global.group_replication_single_primary_mode", SINCE(5, 7, 17), NO, NO},
    {"read_only", ALWAYS, ALWAYS, NO},
    {"super_read_only", SINCE(5, 7, 8), NO, NO},
    /* tables and their columns */
    {"performance_schema.replication_group_members", SINCE(5, 7, 2), NO, NO},
    {"member_id", SINCE(5, 7, 2), NO, NO},
    {"member_host", SINCE(5, 7, 2), NO, NO},
    {"member_port", SINCE(5, 7, 2), NO, NO},
    {"member_state", SINCE(5, 7, 2), NO, NO},
    {"member_role", SINCE(8, 0, 2), NO, NO},
    {"performance_schema.replication_connection_status", SINCE(5, 7, 2), NO, NO},
    {"count_received_heartbeats", SINCE(5, 7, 2), NO, NO},
    {"last_heartbeat_timestamp", SINCE(5, 7, 2), NO, NO},
    {"channel_name", SINCE(5, 7, 6), NO, NO},
    {"performance_schema.processlist", SINCE(8, 0, 22), NO, NO}, /* 5.7.39 too, but not all after it */
    {"information_schema.processlist", ALWAYS, ALWAYS, NO},
    {"user", ALWAYS, ALWAYS, NO},
    {"host", ALWAYS, ALWAYS, NO},
    {"command", ALWAYS, ALWAYS, NO},
    {"information_schema.innodb_cmp", ALWAYS, ALWAYS, NO},
    {"mysql.slave_master_info", SINCE(5, 6, 2), NO, NO},
    {"user_name", SINCE(5, 6, 2), NO, NO},
    {"ndbinfo.processes", SINCE(5, 7, 0), NO, NO}, /* of NDB clusters 7.5 and later, which are MySQL 5.7 */
    {"service_uri", SINCE(5, 7, 0), NO, NO},
    {"process_name", SINCE(5, 7, 0), NO, NO},
    /* functions */
    {"ifnull", ALWAYS, ALWAYS, NO},
    {"count", ALWAYS, ALWAYS, NO},
    {"max", ALWAYS, ALWAYS, NO},
    {"now", ALWAYS, ALWAYS, NO},
    {"timestampdiff", ALWAYS, ALWAYS, NO},
    {"microsecond", ALWAYS, ALWAYS, NO},
    {"get_lock", ALWAYS, ALWAYS, NO},
    {"is_used_lock", ALWAYS, ALWAYS, NO},
    {"wait_for_executed_gtid_set", SINCE(5, 7, 5), NO, NO},
    {"master_gtid_wait", NO, SINCE(10, 0, 9), NO},
    /* options of a channel */
    {"master_host", UNTIL(8, 4, 0), ALWAYS, NO},
    {"master_port", UNTIL(8, 4, 0), ALWAYS, NO},
    {"source_host", SINCE(8, 0, 23), NO, NO},
    {"source_port", SINCE(8, 0, 23), NO, NO},
    {"master_auto_position", {V(5, 6, 5), V(8, 4, 0)}, NO, NO},
    {"source_auto_position", SINCE(8, 0, 23), NO, NO},
    {"get_master_public_key", {V(8, 0, 4), V(8, 4, 0)}, NO, NO},
    {"get_source_public_key", SINCE(8, 0, 23), NO, NO},
    {"master_use_gtid", NO, SINCE(10, 0, 2), NO},
    {"slave_pos", NO, SINCE(10, 0, 2), NO},
    /* variables of the semi-sync plugins: only sent where the plugin of that name was seen */
    {"rpl_semi_sync_master_enabled", ALWAYS, ALWAYS, NO},
    {"rpl_semi_sync_slave_enabled", ALWAYS, ALWAYS, NO},
    {"@former", ALWAYS, ALWAYS, NO},
    {"@receiver", ALWAYS, ALWAYS, NO},
    {"id", ALWAYS, ALWAYS, NO},
    {"@@global.rpl_semi_sync_slave_enabled", NO, SINCE(10, 3, 3), NO},
    {"rpl_semi_sync_slave_kill_conn_timeout", NO, SINCE(10, 3, 3), NO}, /* no plugin any more */
    {"@@global.rpl_semi_sync_slave_kill_conn_timeout", NO, SINCE(10, 3, 3), NO},
    {"rpl_semi_sync_source_enabled", SINCE(8, 0, 26), NO, NO},
    {"rpl_semi_sync_replica_enabled", SINCE(8, 0, 26), NO, NO},
};

/* The language itself; what follows "as" is our own name for a column. */
static const char *const grammar[] = {"and", "from", "if", "in", "into", "limit", "not", "where", "as"};

static const struct server {
	const char *version;
	enum { MYSQL, MARIADB, MAXSCALE } flavour;
} servers[] = {
    {"", MYSQL},
    {"Unknown", MYSQL},
    {"5.5.62-log", MYSQL},
    {"5.6.8-rc", MYSQL},
    {"5.6.10", MYSQL},
    {"5.6.51-91.0-log", MYSQL},
    {"5.6.36-ndb-7.4.16", MYSQL},
    {"5.7.1-m11", MYSQL},
    {"5.7.9", MYSQL},
    {"5.7.44-log", MYSQL},
    {"5.7.44-48", MYSQL},
    {"5.7.44-31.65-57-log", MYSQL},
    {"5.7.44-ndb-7.6.28", MYSQL},
    {"8.0.0-dmr", MYSQL},
    {"8.0.4-rc", MYSQL},
    {"8.0.11", MYSQL},
    {"8.0.14", MYSQL},
    {"8.0.21", MYSQL},
    {"8.0.22-13", MYSQL},
    {"8.0.25", MYSQL},
    {"8.0.26", MYSQL},
    {"8.0.36-28.1", MYSQL},
    {"8.0.42-cluster", MYSQL},
    {"8.0.36-ndb-8.0.36", MYSQL},
    {"8.0.mysql_aurora.3.08.0", MYSQL},
    {"8.1.0", MYSQL},
    {"8.2.0", MYSQL},
    {"8.3.0", MYSQL},
    {"8.4.0", MYSQL},
    {"8.4.6-6", MYSQL},
    {"9.0.1", MYSQL},
    {"9.7.4-2", MYSQL},
    {"10.1.0", MYSQL},
    {"unknown-MariaDB", MARIADB},
    {"5.5.68-MariaDB", MARIADB},
    {"5.5.5-5.5.68-MariaDB", MARIADB},
    {"5.5.5-10.6.21-MariaDB-log", MARIADB},
    {"10.0.38-MariaDB", MARIADB},
    {"10.4.34-MariaDB", MARIADB},
    {"10.5.29-MariaDB-1:10.5.29+maria~ubu2004-log", MARIADB},
    {"10.6.22-MariaDB", MARIADB},
    {"10.11.14-MariaDB-0+deb12u2-log", MARIADB},
    {"10.6.21-17-MariaDB-enterprise-log", MARIADB},
    {"11.0.6-MariaDB", MARIADB},
    {"11.4.8-MariaDB", MARIADB},
    {"11.8.3-MariaDB-0+deb13u1 from Debian", MARIADB},
    {"12.0.2-MariaDB", MARIADB},
    {"1.1.0-maxscale", MAXSCALE},
    {"1.4.5-maxscale", MAXSCALE},
    {"2.5.29-maxscale", MAXSCALE},
    {"23.08.5-maxscale", MAXSCALE},
    {"0.0.0-maxscale", MAXSCALE},
};

static bool used_heads[ARRAY_LEN(heads)], used_words[ARRAY_LEN(words)];

/* A server of unknown version is one that knows little. */
static int
number_of(const struct server *s)
{
	int v[3] = {5, 5, 0};
	const char *p = s->version;

	if (s->flavour == MARIADB && str_starts(p, "5.5.5-"))
		p += 6;
	if (sscanf(p, "%d.%d.%d", &v[0], &v[1], &v[2]) < 3)
		v[2] = 0;
	if (s->flavour == MAXSCALE && v[0] == 0)
		v[0] = 2;
	return V(v[0], v[1], v[2]);
}

static bool
knows(const struct server *s, const struct word *w)
{
	const struct span *spans[] = {[MYSQL] = &w->mysql, [MARIADB] = &w->mariadb, [MAXSCALE] = &w->maxscale};
	int v = number_of(s);

	return v >= spans[s->flavour]->since && v < spans[s->flavour]->gone;
}

static const char *
skip_head(const struct server *s, const char *sql)
{
	size_t best = ARRAY_LEN(heads);

	for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
		if (str_starts(sql, heads[i].text) &&
		    (best == ARRAY_LEN(heads) || strlen(heads[i].text) > strlen(heads[best].text)))
			best = i;
	}
	if (best == ARRAY_LEN(heads) || !knows(s, &heads[best]))
		fail_msg("%s doesn't know: %s", s->version, sql);
	used_heads[best] = true;
	return sql + strlen(heads[best].text);
}

static bool
is_grammar(const char *word)
{
	for (size_t i = 0; i < ARRAY_LEN(grammar); i++) {
		if (str_eq(grammar[i], word))
			return true;
	}
	return false;
}

static void
check_word(const struct server *s, const char *word, const char *sql)
{
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (!str_eq_nocase(words[i].text, word))
			continue;
		used_words[i] = true;
		if (!knows(s, &words[i]))
			fail_msg("%s doesn't know %s: %s", s->version, word, sql);
		return;
	}
	fail_msg("%s stands in no table: %s", word, sql);
}

static bool
is_part(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '@' || c == '.';
}

static void
check_statement(const struct server *s, const char *sql)
{
	bool is_alias = false;

	for (const char *p = skip_head(s, sql); *p != '\0';) {
		char word[128];
		size_t n = 0;

		if (str_starts(p, "; ")) { /* another statement */
			p = skip_head(s, p + 2);
			continue;
		}
		if (*p == '\'') { /* a text */
			p = strchr(p + 1, '\'');
			assert_non_null(p);
		}
		while (is_part(p[n]))
			n++;
		if (n == 0 || isdigit((unsigned char)*p)) {
			p += n == 0 ? 1 : n;
			continue;
		}
		(void)snprintf(word, sizeof(word), "%.*s", (int)n, p);
		if (!is_alias && !is_grammar(word))
			check_word(s, word, sql);
		is_alias = str_eq(word, "as");
		p += n;
	}
}

static void
check_plan(const struct server *s, const struct pr_plan *plan)
{
	for (size_t i = 0; i < plan->n; i++)
		check_statement(s, plan->v[i].sql);
}

static void
check_probe(const struct server *s, struct conf *c)
{
	struct pr_plan plan;

	if (s->flavour != MAXSCALE) {
		pr_plan_first(c, &plan);
		check_plan(s, &plan);
	} else {
		check_statement(s, pr_ask_sql(PR_ASK_MAXSCALE, 0));
	}
	pr_plan_probe(c, pr_flavor_caps(s->version), PR_WANT_DOMAIN | PR_WANT_PROCESS, &plan);
	assert_true(plan.n >= 4);
	check_plan(s, &plan);
}

static void
check_step(const struct server *s, enum topo_step_kind kind, bool super)
{
	struct rec_text v[4];
	struct rec_text_list args = {v, strlen(topo_step_args(kind))};
	struct str_buf sql = {0};
	struct err e;
	int rc;

	for (size_t i = 0; i < args.n; i++)
		v[i].s = topo_step_args(kind)[i] == 'h' ? "db1.example.com" : "7";
	rc = topo_step_sql(topo_step_name(kind), &args, s->version, super, &sql, &e);
	if (rc == 0)
		check_statement(s, str_buf_text(&sql));
	else
		assert_int_equal(rc, -ERR_UNSUPPORTED);
	str_buf_done(&sql);
}

static void
check_steps(const struct server *s)
{
	for (size_t i = 0; i < PR_BEFORE_COUNT; i++)
		check_statement(s, pr_before_step_sql((enum pr_before_step)i, s->version));
	for (size_t i = 0; i < TOPO_STEP_COUNT; i++) {
		check_step(s, (enum topo_step_kind)i, false);
		check_step(s, (enum topo_step_kind)i, true);
	}
}

static void
test_every_server_knows_what_it_is_sent(void **state UNUSED)
{
	struct conf *defaults = conf_defaults();
	struct conf c = *defaults;

	c.SkipMaxScaleCheck = false;
	c.DiscoverByShowSlaveHosts = true;
	for (size_t i = 0; i < ARRAY_LEN(servers); i++) {
		check_probe(&servers[i], &c);
		if (servers[i].flavour != MAXSCALE)
			check_steps(&servers[i]);
	}
	conf_unref(defaults);
}

/* After all servers: a line that nothing needs is a mistake, or an unused wording in the tables of the prober. */
static void
test_knowledge_is_used(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
		if (!used_heads[i])
			fail_msg("nobody is sent: %s", heads[i].text);
	}
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (!used_words[i])
			fail_msg("nobody is sent: %s", words[i].text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_every_server_knows_what_it_is_sent),
	    cmocka_unit_test(test_knowledge_is_used),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
