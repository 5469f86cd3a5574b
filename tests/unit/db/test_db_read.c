/* test_db_read.c — what apid reads: instances with filters, orders and the parts from other tables, clusters, tags,
 * audit pages, maintenance, nodes. Rows are written as operators and other programs write them, too. */
#include "db_temp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "topo/derive.h"

#define S INT64_C(1000000)
#define NOW_S 1767607200 /* 2026-01-05 10:00:00 */
static const struct wall now = {NOW_S * S};

/* --- fixture: one database for the group, a small topology ----------------------------------- */
static struct temp temp;
static struct db *db;

static void
put_instance(const char *host, int64_t port, const char *source, uint64_t depth, bool read_only, const char *cluster)
{
	struct topo_key replica = {"r", 1};
	struct topo_instance i;
	struct err e = {0};

	rec_init(&topo_instance_desc, &i);
	i.key = (struct topo_key){host, port};
	i.source_key = (struct topo_key){source, source[0] == '\0' ? 0 : 3306};
	i.server_id = 100 + (uint64_t)port % 100;
	i.version = "10.11.6-MariaDB-log";
	i.version_comment = "Debian 12";
	i.replication_depth = depth;
	i.read_only = read_only;
	i.cluster_name = cluster;
	i.last_checked_us = i.last_attempted_us = i.last_seen_us = now.us - 2 * S;
	if (depth == 0)
		i.replicas = (struct topo_key_list){&replica, 1};
	must(db_upsert_instance(db, &i, DB_INSTANCE_SEEN, &e));
}

static int
set_up(void **state UNUSED)
{
	temp_init(&temp);
	db = temp_open(&temp, DB_READ_WRITE);
	put_instance("shop1", 3306, "", 0, false, "shop1:3306");
	put_instance("shop2", 3306, "shop1", 1, true, "shop1:3306");
	put_instance("shop3", 3307, "shop1", 1, true, "shop1:3306");
	put_instance("shop4", 3306, "shop2", 2, true, "shop1:3306");
	put_instance("Pay1", 3306, "", 0, true, "Pay1:3306");
	put_instance("pay2", 3306, "Pay1", 1, false, "Pay1:3306");
	put_instance("lost", 3306, "", 0, false, "");
	must_exec(db, "UPDATE database_instance SET is_co_master = 1 WHERE hostname = 'pay2'");
	must_exec(db, "UPDATE database_instance SET suggested_cluster_alias = 'Payments' WHERE hostname LIKE 'pay%'");
	must_exec(db,
		  "INSERT INTO cluster_alias (cluster_name, alias) VALUES ('shop1:3306', 'shop'), ('Pay1:3306', '')");
	must_exec(
	    db,
	    "INSERT INTO cluster_domain_name (cluster_name, domain_name) VALUES ('shop1:3306', 'shop.example.net')");
	return 0;
}

static int
tear_down(void **state UNUSED)
{
	db_close(db);
	temp_done(&temp);
	return 0;
}

/* --- collecting keys as text ----------------------------------------------------------------- */
static int
add_key(void *ctx, const struct topo_key *key, struct err *e UNUSED)
{
	struct str_buf *b = ctx;

	str_buf_printf(b, "%s%s:%lld", b->len == 0 ? "" : " ", key->hostname, (long long)key->port);
	return 0;
}

static int
add_instance_key(void *ctx, const struct topo_instance *i, struct err *e)
{
	return add_key(ctx, &i->key, e);
}

/* The full read and the read of keys must give the same. */
static void
expect_keys(const struct db_instance_filter *f, enum db_instance_order order, const char *want)
{
	struct str_buf full = {0}, keys = {0};
	struct err e = {0};

	must(db_read_instances(db, f, order, now, NULL, add_instance_key, &full, &e));
	must(db_read_instance_keys(db, f, order, now, add_key, &keys, &e));
	assert_string_equal(str_buf_text(&full), want);
	assert_string_equal(str_buf_text(&keys), want);
	str_buf_done(&full);
	str_buf_done(&keys);
}

/* --- filters and orders ---------------------------------------------------------------------- */
static void
filters_select_instances(void **state UNUSED)
{
	static const struct topo_key shop1 = {"shop1", 3306}, shop9 = {"shop9", 3306}, hop3 = {"HOP", 3307},
				     hop = {"hop", 3306};
	static const struct {
		struct db_instance_filter f;
		const char *want;
	} cases[] = {
	    {{0}, "Pay1:3306 lost:3306 pay2:3306 shop1:3306 shop2:3306 shop3:3307 shop4:3306"},
	    {{.key = &shop1}, "shop1:3306"},
	    {{.key = &shop9}, ""},
	    {{.source = &shop1}, "shop2:3306 shop3:3307"},
	    {{.fuzzy = &hop3}, "shop3:3307"},
	    {{.fuzzy = &hop}, "shop1:3306 shop2:3306 shop4:3306"},
	    {{.cluster = "Pay1:3306"}, "Pay1:3306 pay2:3306"},
	    {{.cluster = "pay1"}, ""},
	    {{.family = "Pay1:3306"}, "Pay1:3306 pay2:3306"},
	    {{.family = "shop1:3306", .writable = true}, "shop1:3306"},
	    {{.family = "nowhere"}, ""},
	    {{.cluster_like = "%1:33_6"}, "Pay1:3306 pay2:3306 shop1:3306 shop2:3306 shop3:3307 shop4:3306"},
	    {{.cluster_like = "shop%", .writable = true}, "shop1:3306"},
	    {{.primaries = true}, "Pay1:3306 lost:3306 pay2:3306 shop1:3306"},
	    {{.primaries = true, .writable = true}, "lost:3306 pay2:3306 shop1:3306"},
	    {{.search = "  "}, "Pay1:3306 lost:3306 pay2:3306 shop1:3306 shop2:3306 shop3:3307 shop4:3306"},
	    {{.search = " SHOP2 "}, "shop2:3306"},
	    {{.search = "shop3:3307"}, "shop3:3307"},
	    {{.search = "payments"}, "Pay1:3306 pay2:3306"},
	    {{.search = "mariadb", .cluster = "Pay1:3306"}, "Pay1:3306 pay2:3306"},
	    {{.search = "debian", .cluster = ""}, "lost:3306"},
	    {{.search = "3307"}, "shop3:3307"},
	    {{.search = "107"}, "shop3:3307"}, /* server_id */
	    {{.search = "%"}, ""},
	    {{.search = "' OR 1=1 --"}, ""},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		expect_keys(&cases[i].f, DB_ORDER_KEY, cases[i].want);
}

/* Whoever asks for a cluster's analysis needs them: they count as replicas there. */
static void
a_family_has_replicas_of_other_clusters(void **state UNUSED)
{
	struct db_instance_filter f = {.family = "Pay1:3306"};

	put_instance("stray", 3306, "pay2", 1, true, "stray:3306");
	put_instance("stray2", 3306, "stray", 2, true, "stray:3306"); /* no direct one */
	put_instance("alias1", 3306, "pay2.example.net", 1, true, "shop1:3306");
	expect_keys(&f, DB_ORDER_KEY, "Pay1:3306 pay2:3306 stray:3306");
	must_exec(db, "INSERT INTO hostname_resolve (hostname, resolved_hostname) VALUES ('pay2', 'pay2.example.net'), "
		      "('Pay1', 'Pay1')");
	expect_keys(&f, DB_ORDER_KEY, "Pay1:3306 alias1:3306 pay2:3306");
}

static void
orders_are_the_documented_ones(void **state UNUSED)
{
	struct db_instance_filter f = {.primaries = true};
	struct db_instance_filter all = {0};

	expect_keys(&all, DB_ORDER_DEPTH, "lost:3306 Pay1:3306 shop1:3306 pay2:3306 shop2:3306 shop3:3307 shop4:3306");
	expect_keys(&f, DB_ORDER_PRIMARY, "lost:3306 pay2:3306 Pay1:3306 shop1:3306");
}

static int
stop_at_second(void *ctx, const struct topo_instance *i UNUSED, struct err *e UNUSED)
{
	return ++*(int *)ctx == 2 ? DB_STOP : 0;
}

static int
fail_at_first(void *ctx UNUSED, const struct topo_instance *i UNUSED, struct err *e)
{
	return err_set(e, ERR_LIMIT, "enough");
}

static void
callbacks_may_stop_or_fail(void **state UNUSED)
{
	struct db_instance_filter f = {0};
	struct err e = {0};
	int n = 0;

	must(db_read_instances(db, &f, DB_ORDER_KEY, now, NULL, stop_at_second, &n, &e));
	assert_int_equal(n, 2);
	assert_int_equal(db_read_instances(db, &f, DB_ORDER_KEY, now, NULL, fail_at_first, &n, &e), -ERR_LIMIT);
	assert_string_equal(e.msg, "reading database_instance: enough");
}

/* --- parts from other tables ----------------------------------------------------------------- */
static int
keep_instance(void *ctx, const struct topo_instance *i, struct err *e UNUSED)
{
	rec_dup(&topo_instance_desc, ctx, i);
	return 0;
}

static void
read_one(const char *host, struct topo_instance *ret)
{
	static const struct topo_limits limits = {.poll_s = 5, .reasonable_lag_s = 10, .maintenance_lag_s = 20};
	struct topo_key key = {host, 3306};
	struct db_instance_filter f = {.key = &key};
	struct err e = {0};

	ret->key.hostname = NULL;
	must(db_read_instances(db, &f, DB_ORDER_KEY, now, &limits, keep_instance, ret, &e));
	assert_non_null(ret->key.hostname);
}

static void
downtime_is_judged_at_now(void **state UNUSED)
{
	static const struct {
		const char *active, *end;
		bool want;
		const char *end_text;
	} cases[] = {
	    {"1", "'2026-01-05 10:00:01'", true, "2026-01-05 10:00:01"},
	    {"1", "'2026-01-05T10:30:00Z'", true, "2026-01-05 10:30:00"},
	    {"'1'", "1767607201", true, "2026-01-05 10:00:01"},
	    {"1", "'2026-01-05 10:00:00'", false, ""},
	    {"1", "'2025-01-05 10:00:00'", false, ""},
	    {"1", "NULL", true, ""},
	    {"1", "''", true, ""},
	    {"NULL", "'2026-01-06 10:00:00'", false, ""},
	};

	for (size_t c = 0; c < ARRAY_LEN(cases); c++) {
		struct db_instance_filter f = {.downtimed = true, .cluster = "shop1:3306"};
		struct topo_instance i;
		char sql[256];
		(void)snprintf(sql, sizeof(sql),
			       "REPLACE INTO database_instance_downtime VALUES ('shop2', 3306, %s, '2026-01-05 "
			       "09:59:00', %s, 'op', "
			       "'lost-in-recovery')",
			       cases[c].active, cases[c].end);
		must_exec(db, sql);
		read_one("shop2", &i);
		assert_int_equal(i.is_downtimed, cases[c].want);
		assert_string_equal(i.downtime_end_text, cases[c].end_text);
		assert_string_equal(i.downtime_owner, cases[c].want ? "op" : "");
		assert_string_equal(i.downtime_reason, cases[c].want ? "lost-in-recovery" : "");
		assert_int_equal(i.elapsed_downtime_ns, cases[c].want ? INT64_C(60000000000) : 0);
		rec_done(&topo_instance_desc, &i);
		expect_keys(&f, DB_ORDER_KEY, cases[c].want ? "shop2:3306" : "");
	}
	must_exec(db, "DELETE FROM database_instance_downtime");
}

static void
other_tables_complete_an_instance(void **state UNUSED)
{
	struct topo_instance i;

	must_exec(db, "INSERT INTO candidate_database_instance (hostname, port, promotion_rule) VALUES ('shop2', 3306, "
		      "'prefer')");
	must_exec(db, "INSERT INTO candidate_database_instance (hostname, port, promotion_rule) VALUES ('shop4', 3306, "
		      "'must_not')");
	must_exec(db, "INSERT INTO hostname_unresolve (hostname, unresolved_hostname) VALUES ('shop2', 'shop-vip')");
	must_exec(db, "INSERT INTO host_agent (hostname, count_mysql_snapshots) VALUES ('shop2', 3)");
	read_one("shop2", &i);
	assert_string_equal(i.promotion_rule, "prefer");
	assert_true(i.is_candidate);
	assert_string_equal(i.unresolved_hostname, "shop-vip");
	assert_int_equal(i.count_mysql_snapshots, 3);
	assert_true(i.is_last_check_valid); /* derived */
	assert_string_equal(i.flavor_name, "MariaDB");
	rec_done(&topo_instance_desc, &i);
	read_one("shop4", &i);
	assert_string_equal(i.promotion_rule, "must_not");
	assert_false(i.is_candidate);
	rec_done(&topo_instance_desc, &i);
	read_one("shop1", &i);
	assert_string_equal(i.promotion_rule, "neutral");
	assert_string_equal(i.unresolved_hostname, "");
	assert_int_equal(i.replicas.n, 1);
	rec_done(&topo_instance_desc, &i);
}

/* Whose server_uuid another row has, while that one is valid. */
static void
a_uuid_that_two_servers_have_is_found(void **state UNUSED)
{
	static const struct {
		const char *change;
		bool shop1, shop2;
	} steps[] = {
	    {"server_uuid = ''", false, false},
	    {"server_uuid = 'a' || port || hostname", false, false},
	    {"server_uuid = 'a'", true, true},
	    {"last_checked = datetime(last_seen, '+1 second') WHERE hostname = 'shop2'", false, true},
	    {"last_checked = last_seen WHERE hostname = 'shop2'", true, true},
	    {"server_uuid = 'b' WHERE hostname = 'shop2'", false, false},
	};
	struct str_buf sql = {0};
	struct topo_instance i;

	must_exec(db, "BEGIN");
	must_exec(db, "DELETE FROM database_instance WHERE hostname NOT IN ('shop1', 'shop2')");
	for (size_t c = 0; c < ARRAY_LEN(steps); c++) {
		str_buf_clear(&sql);
		str_buf_printf(&sql, "UPDATE database_instance SET %s", steps[c].change);
		must_exec(db, str_buf_text(&sql));
		read_one("shop1", &i);
		assert_int_equal(i.shares_uuid, steps[c].shop1);
		rec_done(&topo_instance_desc, &i);
		read_one("shop2", &i);
		assert_int_equal(i.shares_uuid, steps[c].shop2);
		rec_done(&topo_instance_desc, &i);
	}
	str_buf_done(&sql);
	must_exec(db, "ROLLBACK");
}

static void
nonsense_in_a_row_is_read_as_nothing(void **state UNUSED)
{
	struct topo_instance i;

	must_exec(
	    db,
	    "INSERT INTO database_instance (hostname, port, last_checked, last_seen, uptime, server_id, version, "
	    "slave_hosts, binary_log_pos, seconds_behind_master, read_only, replication_group_members, cluster_name) "
	    "VALUES ('odd', '3306', 'now', x'00', -5, 'x', 8.0, '[{\\\"', 1e30, 'NULL', 'yes', 7, 12)");
	read_one("odd", &i);
	assert_int_equal(i.key.port, 3306);
	assert_int_equal(i.last_checked_us, 0);
	assert_int_equal(i.last_seen_us, 0);
	assert_false(i.is_last_check_valid);
	assert_int_equal(i.uptime, 0);
	assert_int_equal(i.server_id, 0);
	assert_string_equal(i.version, "8.0");
	assert_int_equal(i.replicas.n, 0);
	assert_int_equal(i.group_members.n, 0);
	assert_false(i.read_only);
	assert_string_equal(i.cluster_name, "12");
	rec_done(&topo_instance_desc, &i);
	must_exec(db, "DELETE FROM database_instance WHERE hostname = 'odd'");
}

/* --- clusters -------------------------------------------------------------------------------------------------- */
static int
add_cluster(void *ctx, const void *row, struct err *e UNUSED)
{
	const struct db_cluster_info *c = row;

	str_buf_printf(ctx, "[%s|%s|%s|%lld]", c->cluster_name, c->cluster_alias, c->cluster_domain,
		       (long long)c->count_instances);
	return 0;
}

static void
clusters_have_alias_domain_and_size(void **state UNUSED)
{
	struct str_buf b = {0};
	struct err e = {0};

	must(db_read_clusters(db, NULL, add_cluster, &b, &e));
	assert_string_equal(b.p, "[Pay1:3306|Pay1:3306||2][shop1:3306|shop|shop.example.net|4]");
	str_buf_clear(&b);
	must(db_read_clusters(db, "shop1:3306", add_cluster, &b, &e));
	assert_string_equal(b.p, "[shop1:3306|shop|shop.example.net|4]");
	str_buf_clear(&b);
	must(db_read_clusters(db, "nope", add_cluster, &b, &e));
	assert_int_equal(b.len, 0);
	str_buf_done(&b);
}

static void
aliases_and_names_lead_to_a_cluster(void **state UNUSED)
{
	struct str_buf b = {0};
	struct err e = {0};

	must(db_read_cluster_by_alias(db, "shop", &b, &e));
	assert_string_equal(b.p, "shop1:3306");
	str_buf_clear(&b);
	must(db_read_cluster_by_alias(db, "Pay1:3306", &b, &e));
	assert_string_equal(b.p, "Pay1:3306");
	assert_int_equal(db_read_cluster_by_alias(db, "nope", &b, &e), -ERR_NOT_FOUND);
	must_exec(db, "INSERT INTO cluster_alias (cluster_name, alias) VALUES ('shop2:3306', 'shop2:3306')");
	assert_int_equal(db_read_cluster_by_alias(db, "shop2:3306", &b, &e), -ERR_NOT_FOUND); /* a replica by now */
	must_exec(db, "DELETE FROM cluster_alias WHERE cluster_name = 'shop2:3306'");
	assert_string_equal(b.p, "Pay1:3306");
	str_buf_done(&b);
}

/* --- tags ------------------------------------------------------------------------------------------------------ */
static int
add_tag(void *ctx, const void *row, struct err *e UNUSED)
{
	const struct db_tag *t = row;

	str_buf_printf(ctx, "%s=%s ", t->tag_name, t->tag_value);
	return 0;
}

static void
tags_are_listed_and_searched(void **state UNUSED)
{
	static const struct {
		const char *expression, *want;
	} cases[] = {
	    {"role", "a:1 b:1 b:2"},
	    {"role=writer", "a:1"},
	    {"role,dc", "a:1 b:2"},
	    {" role , dc = fra ", ""},
	    {"role,dc=fra", "a:1"},
	    {"~dc", "b:1"},
	    {"~role", "c:1"},
	    {"role,~dc", "b:1"},
	    {"!role=writer", "b:1 b:2"},
	    {"role,~role=writer", "b:1 b:2"},
	    {"nothing", ""},
	    {"empty=", "c:1"},
	    {"role='; DROP TABLE x", ""},
	};
	struct topo_key key = {"a", 1};
	struct str_buf b = {0};
	struct err e = {0};

	must_exec(db,
		  "INSERT INTO database_instance_tags (hostname, port, tag_name, tag_value) VALUES ('a', 1, 'role', "
		  "'writer'), ('a', 1, 'dc', 'fra'), ('b', 1, 'role', 'reader'), ('b', 2, 'role', 'reader'), "
		  "('b', 2, 'dc', 'ams'), ('c', 1, 'dc', 'fra'), ('c', 1, 'empty', '')");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		str_buf_clear(&b);
		must(db_read_tagged(db, cases[i].expression, add_key, &b, &e));
		if (strcmp(str_buf_text(&b), cases[i].want) != 0)
			fail_msg("%s: \"%s\", expected \"%s\"", cases[i].expression, str_buf_text(&b), cases[i].want);
	}
	str_buf_clear(&b);
	must(db_read_tags(db, &key, add_tag, &b, &e));
	assert_string_equal(b.p, "dc=fra role=writer ");
	str_buf_done(&b);
}

static void
bad_tag_searches_are_refused(void **state UNUSED)
{
	struct str_buf many = {0};
	struct err e = {0};

	assert_int_equal(db_read_tagged(db, "", add_key, NULL, &e), -ERR_INVALID);
	assert_int_equal(db_read_tagged(db, " , ,", add_key, NULL, &e), -ERR_INVALID);
	assert_int_equal(db_read_tagged(db, "a,=b", add_key, NULL, &e), -ERR_INVALID);
	for (int i = 0; i < 33; i++)
		str_buf_add(&many, "a,");
	assert_int_equal(db_read_tagged(db, many.p, add_key, NULL, &e), -ERR_LIMIT);
	str_buf_done(&many);
}

/* --- lists ----------------------------------------------------------------------------------------------------- */
static int
add_audit(void *ctx, const void *row, struct err *e UNUSED)
{
	str_buf_printf(ctx, "%lld ", (long long)((const struct db_audit *)row)->audit_id);
	return 0;
}

static void
audit_comes_in_pages_newest_first(void **state UNUSED)
{
	struct topo_key key = {"h", 7};
	struct str_buf b = {0};
	struct err e = {0};

	for (int64_t i = 1; i <= 45; i++) {
		struct db_audit a = {i, (NOW_S + i / 2) * S, "t", i % 10 == 0 ? "h" : "other", 7, "", ""};
		must(db_upsert(db, DB_TABLE_audit, &a, &e));
	}
	must(db_read_audit(db, NULL, 0, add_audit, &b, &e));
	assert_string_equal(b.p, "45 44 43 42 41 40 39 38 37 36 35 34 33 32 31 30 29 28 27 26 ");
	str_buf_clear(&b);
	must(db_read_audit(db, NULL, 2, add_audit, &b, &e));
	assert_string_equal(b.p, "5 4 3 2 1 ");
	str_buf_clear(&b);
	must(db_read_audit(db, &key, -3, add_audit, &b, &e));
	assert_string_equal(b.p, "40 30 20 10 ");
	str_buf_clear(&b);
	must(db_read_audit(db, NULL, INT64_MAX, add_audit, &b, &e));
	assert_int_equal(b.len, 0);
	str_buf_done(&b);
}

static int
add_maintenance(void *ctx, const void *row, struct err *e UNUSED)
{
	str_buf_printf(ctx, "%s ", ((const struct db_maintenance *)row)->hostname);
	return 0;
}

static void
maintenance_needs_an_end_in_the_future(void **state UNUSED)
{
	struct topo_key key = {"later", 1};
	struct str_buf b = {0};
	struct err e = {0};

	must_exec(db, "INSERT INTO database_instance_maintenance (hostname, port, maintenance_active, begin_timestamp, "
		      "end_timestamp) VALUES ('now', 1, 1, '2026-01-05 09:00:00', '2026-01-05 11:00:00'), "
		      "('later', 1, 1, '2026-01-05 08:00:00', '2026-01-05T11:00:00Z'), "
		      "('no end', 1, 1, '2026-01-05 08:00:00', NULL), "
		      "('over', 1, 1, '2026-01-05 08:00:00', '2026-01-05 09:00:00'), "
		      "('ended', 1, NULL, '2026-01-05 08:00:00', '2026-01-05 11:00:00')");
	must(db_read_maintenance(db, NULL, now, add_maintenance, &b, &e));
	assert_string_equal(b.p, "later now ");
	str_buf_clear(&b);
	must(db_read_maintenance(db, &key, now, add_maintenance, &b, &e));
	assert_string_equal(b.p, "later ");
	str_buf_done(&b);
}

static int
add_node(void *ctx, const void *row, struct err *e UNUSED)
{
	str_buf_printf(ctx, "%s ", ((const struct db_node_health *)row)->hostname);
	return 0;
}

static void
small_reads_answer(void **state UNUSED)
{
	struct str_buf b = {0};
	bool disabled = true;
	int64_t n = 0;
	struct err e = {0};

	must_exec(db, "INSERT INTO node_health (hostname, token, last_seen_active) VALUES "
		      "('old', 't', '2026-01-05 09:59:54'), ('here', 't', '2026-01-05 09:59:55')");
	must(db_read_nodes(db, (struct wall){(NOW_S - 5) * S}, add_node, &b, &e));
	assert_string_equal(b.p, "here ");
	must(db_read_recovery_disabled(db, &disabled, &e));
	assert_false(disabled);
	must_exec(db, "INSERT INTO global_recovery_disable VALUES (1)"); /* as operators do */
	must(db_read_recovery_disabled(db, &disabled, &e));
	assert_true(disabled);
	must(db_count(db, DB_TABLE_instance, &n, &e));
	assert_int_equal(n, 7);
	str_buf_clear(&b);
	must(db_read_meta(db, "nothing", &b, &e));
	assert_int_equal(b.len, 0);
	str_buf_done(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(filters_select_instances),
	    cmocka_unit_test(orders_are_the_documented_ones),
	    cmocka_unit_test(callbacks_may_stop_or_fail),
	    cmocka_unit_test(downtime_is_judged_at_now),
	    cmocka_unit_test(other_tables_complete_an_instance),
	    cmocka_unit_test(a_uuid_that_two_servers_have_is_found),
	    cmocka_unit_test(nonsense_in_a_row_is_read_as_nothing),
	    cmocka_unit_test(clusters_have_alias_domain_and_size),
	    cmocka_unit_test(aliases_and_names_lead_to_a_cluster),
	    cmocka_unit_test(tags_are_listed_and_searched),
	    cmocka_unit_test(bad_tag_searches_are_refused),
	    cmocka_unit_test(audit_comes_in_pages_newest_first),
	    cmocka_unit_test(maintenance_needs_an_end_in_the_future),
	    cmocka_unit_test(small_reads_answer),
	    cmocka_unit_test(a_family_has_replicas_of_other_clusters), /* adds servers: the last one */
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
