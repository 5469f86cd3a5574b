/* test_ap_readers.c — the reader threads and their database: not there yet, of another version, replaced, broken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ap_readers.h"
#include "fake_node.h"

static struct fake_node node;

static int
start_bare(void **state UNUSED)
{
	fake_node_start_bare(&node, "{}");
	return 0;
}

static int
start(void **state UNUSED)
{
	fake_node_start(&node, "{}");
	return 0;
}

static int
stop(void **state UNUSED)
{
	fake_node_stop(&node);
	return 0;
}

static void
expect_answer(const char *request, int status, const char *body)
{
	struct fake_answer a = fake_request(&node, request);

	if (a.status != status || strstr(a.body, body) == NULL)
		fail_msg("%s: %d %s, expected %d %s", request, a.status, a.body, status, body);
	fake_answer_done(&a);
}

static void
add_cluster(const char *name)
{
	char sql[160];

	(void)snprintf(sql, sizeof(sql),
		       "INSERT INTO database_instance (hostname, port, cluster_name) VALUES ('%s', 1, '%s')", name,
		       name);
	fake_sql(&node, sql);
}

/* raftd creates the file; whoever asks meanwhile waits for it. */
static void
a_read_waits_for_the_database(void **state UNUSED)
{
	struct fake_client c;

	fake_client_open(&node, &c, node.client);
	fake_client_send(&node, &c, "GET /api/clusters HTTP/1.0\r\n\r\n");
	for (int i = 0; i < 50; i++)
		fake_turn(&node);
	assert_int_equal(c.in.len, 0);
	fake_db_open(&node);
	fake_client_drain(&node, &c);
	assert_true(str_ends(str_buf_text(&c.in), "null"));
	assert_int_equal(ap_readers_stats(node.ap->readers).errors, 0);
	fake_client_close(&c);
}

static void
a_read_does_not_wait_for_ever(void **state UNUSED)
{
	struct fake_client c;

	fake_client_open(&node, &c, node.client);
	fake_client_send(&node, &c, "GET /api/clusters HTTP/1.0\r\n\r\n");
	fake_turn(&node);
	fake_clock_shift(AP_PATIENCE_MS * CLK_MS);
	fake_client_drain(&node, &c);
	assert_non_null(strstr(str_buf_text(&c.in), "does not exist: check SQLite3DataFile"));
	fake_client_close(&c);
	/* the time was counted from the loss: the next ones hear so at once, until the file is there */
	expect_answer("GET /api/clusters", 500, "does not exist");
	fake_db_open(&node);
	expect_answer("GET /api/clusters", 200, "null");
}

/* A health test whose reading fails has its usual shape. */
static void
health_without_a_database_fails_in_its_shape(void **state UNUSED)
{
	fake_clock_shift(AP_PATIENCE_MS * CLK_MS);
	expect_answer("GET /api/health", 500, "\"Details\":{\"Healthy\":false,\"Hostname\":\"orc1\",");
	expect_answer("GET /api/health", 500, "\"AvailableNodes\":[],");
}

static void
a_schema_of_another_version_is_waited_for(void **state UNUSED)
{
	struct fake_client c;

	fake_db_open(&node);
	fake_sql(&node, "UPDATE orchestrator_meta SET value = '1' WHERE name = 'schema_version'");
	fake_client_open(&node, &c, node.client);
	fake_client_send(&node, &c, "GET /api/clusters HTTP/1.0\r\n\r\n");
	for (int i = 0; i < 50; i++)
		fake_turn(&node);
	assert_int_equal(c.in.len, 0);
	db_close(node.db);
	fake_db_open(&node); /* raftd migrates */
	fake_client_drain(&node, &c);
	assert_true(str_ends(str_buf_text(&c.in), "null"));
	fake_client_close(&c);
}

/* Both readers must see the new file, whoever gets the request. */
static void
a_replaced_file_is_opened_again(void **state UNUSED)
{
	char aside[128], path[96];

	add_cluster("old:1");
	for (int i = 0; i < 8; i++)
		expect_answer("GET /api/clusters", 200, "[\"old:1\"]");
	db_close(node.db);
	memcpy(path, node.db_path, sizeof(path));
	(void)snprintf(aside, sizeof(aside), "%s/aside", node.dir);
	assert_int_equal(rename(path, aside), 0);
	(void)snprintf(aside, sizeof(aside), "%s-wal", path);
	(void)remove(aside);
	(void)snprintf(aside, sizeof(aside), "%s-shm", path);
	(void)remove(aside);
	fake_db_open(&node);
	add_cluster("new:1");
	for (int i = 0; i < 8; i++)
		expect_answer("GET /api/clusters", 200, "[\"new:1\"]");
}

static void
a_broken_database_is_an_error_until_it_is_mended(void **state UNUSED)
{
	expect_answer("GET /api/downtimed", 200, "[]");
	fake_sql(&node, "ALTER TABLE database_instance_downtime RENAME TO away");
	for (int i = 0; i < 4; i++)
		expect_answer("GET /api/downtimed", 500, "reading database_instance");
	expect_answer("GET /api/clusters", 200, "null");
	fake_sql(&node, "ALTER TABLE away RENAME TO database_instance_downtime");
	for (int i = 0; i < 4; i++)
		expect_answer("GET /api/downtimed", 200, "[]");
}

static void
a_reload_takes_effect_in_the_readers(void **state UNUSED)
{
	struct conf_warnings warnings;
	struct conf *fresh = NULL;
	char text[200];
	struct err e;

	add_cluster("db7.shop:1");
	expect_answer("GET /api/clusters-info", 200, "\"ClusterAlias\":\"db7.shop:1\"");
	(void)snprintf(text, sizeof(text), "{\"SQLite3DataFile\":\"%s\",\"ClusterNameToAlias\":{\"shop\":\"Shop\"}}",
		       node.db_path);
	assert_int_equal(conf_parse("test", text, strlen(text), &fresh, &warnings, &e), 0);
	conf_unref(node.ap->conf);
	node.ap->conf = fresh;
	for (int i = 0; i < 4; i++)
		expect_answer("GET /api/clusters-info", 200, "\"ClusterAlias\":\"Shop\"");
	expect_answer("GET /api/cluster-info/Shop", 200, "\"ClusterName\":\"db7.shop:1\"");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_read_waits_for_the_database, start_bare, stop),
	    cmocka_unit_test_setup_teardown(a_read_does_not_wait_for_ever, start_bare, stop),
	    cmocka_unit_test_setup_teardown(health_without_a_database_fails_in_its_shape, start_bare, stop),
	    cmocka_unit_test_setup_teardown(a_schema_of_another_version_is_waited_for, start_bare, stop),
	    cmocka_unit_test_setup_teardown(a_replaced_file_is_opened_again, start, stop),
	    cmocka_unit_test_setup_teardown(a_broken_database_is_an_error_until_it_is_mended, start, stop),
	    cmocka_unit_test_setup_teardown(a_reload_takes_effect_in_the_readers, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
