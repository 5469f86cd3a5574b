/* test_replicate.c — the rules of "x may replicate from y", one case for each way a rule can go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "topo/replicate.h"
#include "topo_make.h"

#define X "x server_id=1 version=8.0.36 binlog_format=ROW log_bin_enabled=1 log_replica_updates=1 "
#define Y "y server_id=2 version=8.0.36 binlog_format=ROW log_bin_enabled=1 log_replica_updates=1 "
#define UUID "00000000-0000-0000-0000-000000000001"

struct replicate_case {
	const char *x, *y;
	const char *refusal; /* part of the message; NULL = fine */
	struct topo_replicate_rules rules;
};

static void
check(const struct replicate_case *c, int (*ask)(const struct topo_instance *x, const struct topo_instance *y,
						 const struct topo_replicate_rules *rules, struct err *e))
{
	struct topo_instance *x = topo_make(c->x), *y = topo_make(c->y);
	struct err e = {0};
	int rc = ask(x, y, &c->rules, &e);

	if ((rc == 0) != (c->refusal == NULL) || (rc != 0 && strstr(e.msg, c->refusal) == NULL))
		fail_msg("%s\nfrom %s:\n%d %s", c->x, c->y, rc, e.msg);
	topo_make_free(x);
	topo_make_free(y);
}

static void
rules_in_their_order(void **state UNUSED)
{
	static const struct replicate_case cases[] = {
	    {X, Y, NULL, {0}},
	    {X, X, "itself", {0}},
	    {X, Y "log_bin_enabled=0", "no binary logs", {0}},
	    {X, Y "log_replica_updates=0", NULL, {0}}, /* a primary needs none */
	    {X, Y "log_replica_updates=0 source_key=z:3306 replicating", "does not log", {0}},
	    {X "version=5.7.40", Y, "lower than", {0}},
	    {X "version=10.5", Y "version=10.11", "lower than", {0}}, /* numbers, not texts */
	    {X "version=8.0.1", Y, NULL, {0}},			      /* the same major version */
	    {X "version=8.4.0", Y, NULL, {0}},
	    {X "version=5.7.40", Y, NULL, {.lower_version_allowed = true}},
	    {X "version=5.7.40 is_binlog_server=1", Y, NULL, {0}},
	    {X "binlog_format=MIXED", Y, "format MIXED", {0}},
	    {X "binlog_format=STATEMENT", Y "binlog_format=MIXED", "format STATEMENT", {0}},
	    {X "binlog_format=MIXED log_replica_updates=0", Y, NULL, {0}}, /* relays nothing */
	    {X "binlog_format=MIXED log_bin_enabled=0", Y, NULL, {0}},
	    {X, Y "binlog_format=STATEMENT", NULL, {0}},
	    {X, Y "has_replication_filters=1", NULL, {0}},
	    {X, Y "has_replication_filters=1", "replication filters", {.verify_filters = true}},
	    {X "has_replication_filters=1", Y "has_replication_filters=1", NULL, {.verify_filters = true}},
	    {X "server_id=2", Y, "server id 2", {0}},
	    {X "server_id=2 is_binlog_server=1", Y, NULL, {0}},
	    {X "server_uuid=a", Y "server_uuid=a", "server uuid a", {0}},
	    {X "server_uuid=a is_binlog_server=1", Y "server_uuid=a", NULL, {0}},
	    {X "sql_delay=0", Y "sql_delay=21", "delayed by 21", {.maintenance_lag_s = 20}},
	    {X "sql_delay=0", Y "sql_delay=20", NULL, {.maintenance_lag_s = 20}},
	    {X "sql_delay=60", Y "sql_delay=60", NULL, {.maintenance_lag_s = 20}},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		check(&cases[i], topo_can_replicate_from);
}

static void
by_gtid(void **state UNUSED)
{
#define ORACLE "using_oracle_gtid=1 supports_oracle_gtid=1 "
	static const struct replicate_case cases[] = {
	    {X, Y, "by GTID", {0}},
	    {X, Y "log_bin_enabled=0", "no binary logs", {0}}, /* the other rules count, too */
	    {X ORACLE, Y "supports_oracle_gtid=0", "by GTID", {0}},
	    {X ORACLE, Y ORACLE, NULL, {0}},
	    {X ORACLE "executed_gtid_set=" UUID ":1-5", Y ORACLE "gtid_purged=" UUID ":1-5", NULL, {0}},
	    {X ORACLE "executed_gtid_set=" UUID ":1-4", Y ORACLE "gtid_purged=" UUID ":1-5", UUID ":5", {0}},
	    {X ORACLE, Y ORACLE "gtid_purged=nonsense", "purged", {0}},
	    {X "using_mariadb_gtid=1 version=10.11.6-MariaDB", Y "version=10.11.6-MariaDB", NULL, {0}},
	    {X "using_mariadb_gtid=1 version=10.11.6-MariaDB", Y "version=8.0.36", "by GTID", {0}},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		check(&cases[i], topo_can_replicate_from_gtid);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(rules_in_their_order),
	    cmocka_unit_test(by_gtid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
