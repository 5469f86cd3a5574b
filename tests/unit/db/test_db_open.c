/* test_db_open.c — opening files that are fine: new ones, those of the historical program, schema versions, readers
 * beside the writer. What can be wrong with a file: test_db_faults.c. */
#include "db_temp.h"

#include <stdio.h>
#include <stdlib.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define S INT64_C(1000000)

/* --- new and existing files ------------------------------------------------------------------ */
static void
a_new_file_is_made_private_and_complete(void **state UNUSED)
{
	struct temp t;
	struct db *db;
	struct db_open_info info;
	struct stat st;
	mode_t old = umask(0);

	temp_init(&t);
	db = temp_open(&t, DB_READ_WRITE);
	(void)umask(old);
	db_open_result(db, &info);
	assert_true(info.created);
	assert_false(info.adopted);
	assert_false(info.unclean);
	assert_int_equal(info.from_version, 0);
	assert_int_equal(info.to_version, db_schema_version());
	assert_int_equal(stat(t.path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	assert_int_equal(must_number(db, "SELECT count(*) FROM orchestrator_db_deployments"), 1);
	must_exec(db, "INSERT INTO kv_store (store_key) VALUES ('k')");
	db_close(db);

	db = temp_open(&t, DB_READ_WRITE);
	db_open_result(db, &info);
	assert_false(info.created);
	assert_false(info.unclean);
	assert_int_equal(info.from_version, db_schema_version());
	assert_int_equal(must_number(db, "SELECT count(*) FROM kv_store"), 1);
	db_close(db);
	temp_done(&t);
}

static void
a_copy_is_complete_and_never_overwritten(void **state UNUSED)
{
	struct temp t;
	struct db *db, *copy;
	char path[128], left_over[160];
	struct stat st;
	struct err e;
	mode_t old = umask(0);
	bool made;

	temp_init(&t);
	(void)snprintf(path, sizeof(path), "%s.copy", t.path);
	(void)snprintf(left_over, sizeof(left_over), "%s.tmp", path);
	db = temp_open(&t, DB_READ_WRITE);
	must_exec(db, "INSERT INTO kv_store (store_key) VALUES ('k')");
	copy = raw_open(left_over); /* of a process that was killed */
	must_exec(copy, "CREATE TABLE half (x)");
	db_close(copy);
	must(db_copy_once(db, path, &made, &e));
	(void)umask(old);
	assert_true(made);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	assert_int_equal(access(left_over, F_OK), -1);
	must_exec(db, "INSERT INTO kv_store (store_key) VALUES ('l')");
	must(db_copy_once(db, path, &made, &e));
	assert_false(made);
	db_close(db);
	copy = raw_open(path);
	assert_int_equal(must_number(copy, "SELECT count(*) FROM kv_store"), 1);
	db_close(copy);
	temp_done(&t);
}

static void
a_memory_database_works(void **state UNUSED)
{
	struct db_conf conf = {.backend = "sqlite", .path = ":memory:"};
	struct db *db = NULL;
	struct err e = {0};

	must(db_open(&conf, DB_READ_WRITE, &db, &e));
	must(db_set_applied_index(db, 5, &e));
	assert_int_equal(must_number(db, "SELECT value FROM orchestrator_meta WHERE name = 'applied_index'"), 5);
	db_close(db);
}

static void
backends_are_named(void **state UNUSED)
{
	struct db_conf conf = {.backend = "mysql", .path = "x"};
	struct db *db = NULL;
	struct err e = {0};

	assert_int_equal(db_open(&conf, DB_READ_WRITE, &db, &e), -ERR_UNSUPPORTED);
	conf.backend = "oracle";
	assert_int_equal(db_open(&conf, DB_READ_WRITE, &db, &e), -ERR_CONFIG);
	db_close(NULL);
}

/* --- taking over a historical file ----------------------------------------------------------- */
static void
make_historical(const struct temp *t)
{
	struct db *db = raw_open(t->path);

	must_run_file(db, GOLDEN_DIR "/historical.sql");
	db_close(db);
}

static int
copy_instance(void *ctx, const void *row, struct err *e UNUSED)
{
	rec_dup(&topo_instance_desc, ctx, row);
	return 0;
}

static void
check_adopted_rows(struct db *db)
{
	struct db_value db2 = db_text("db2");
	struct topo_instance i;
	struct err e = {0};

	assert_int_equal(must_number(db, "SELECT count(*) FROM database_instance WHERE their_own_column = 'x'"), 2);
	assert_int_equal(must_number(db, "SELECT count(*) FROM raft_log"), 1);
	assert_int_equal(must_number(db, "SELECT count(*) FROM topology_recovery WHERE recovery_id = 7 AND uid = ''"),
			 1);
	assert_int_equal(
	    must_number(db, "SELECT count(*) FROM candidate_database_instance WHERE promotion_rule = 'neutral'"), 1);
	must(db_read_where(db, DB_TABLE_instance, "WHERE hostname = ?", &db2, 1, copy_instance, &i, &e));
	assert_int_equal(i.last_seen_us, 0);
	assert_int_equal(i.last_checked_us, 0);
	assert_int_equal(i.server_id, 102);
	assert_int_equal(i.source_key.port, 3306);
	assert_int_equal(i.self_coord.log_pos, 0);
	assert_int_equal(i.replicas.n, 0); /* invalid JSON */
	assert_false(i.seconds_behind_source.valid);
	assert_int_equal(i.replication_lag_s.v, 7);
	assert_true(i.group_single_primary); /* the added column's default */
	rec_done(&topo_instance_desc, &i);
}

static void
a_historical_file_is_adopted_in_place(void **state UNUSED)
{
	struct temp t;
	struct db *db;
	struct db_open_info info;
	struct db_node_health node;
	struct db_recovery recovery;
	struct err e = {0};

	temp_init(&t);
	make_historical(&t);
	db = temp_open(&t, DB_READ_WRITE);
	db_open_result(db, &info);
	assert_true(info.adopted);
	assert_int_equal(info.from_version, 0);
	check_adopted_rows(db);
	/* indexes: theirs is not made twice, ours are added, the key that we write by is unique */
	assert_int_equal(must_number(db, "SELECT count(*) FROM pragma_index_list('database_instance') l, "
					 "pragma_index_info(l.name) i WHERE i.name = 'cluster_name'"),
			 1);
	assert_int_equal(
	    must_number(db, "SELECT count(*) FROM sqlite_master WHERE name = 'last_seen_database_instance'"), 1);
	assert_int_equal(must_number(db, "SELECT count(*) FROM sqlite_master WHERE name = 'key_node_health'"), 1);
	rec_init(&db_node_health_desc, &node);
	node.hostname = "node1"; /* their narrower key: the row becomes ours */
	node.token = "t2";
	must(db_upsert(db, DB_TABLE_node_health, &node, &e));
	assert_int_equal(must_number(db, "SELECT count(*) FROM node_health"), 1);
	/* two recoveries of a server may end in the same second now */
	rec_init(&db_recovery_desc, &recovery);
	recovery.recovery_id = 8;
	recovery.hostname = "db0";
	recovery.port = 3306;
	recovery.end_active_period_unixtime = (struct rec_ni64){1764547200, true};
	must(db_upsert(db, DB_TABLE_recovery, &recovery, &e));
	assert_int_equal(must_number(db, "SELECT count(*) FROM topology_recovery"), 2);
	must_exec(db, "DELETE FROM topology_recovery WHERE recovery_id <> 7");
	db_close(db);

	db = temp_open(&t, DB_READ_WRITE); /* once is enough */
	db_open_result(db, &info);
	assert_false(info.adopted);
	check_adopted_rows(db);
	db_close(db);
	temp_done(&t);
}

/* Statements as the historical integration tests have them: named columns, newer ones left out. */
static void
inserts_of_old_tools_work(void **state UNUSED)
{
	struct temp t;
	struct db *db;

	temp_init(&t);
	db = temp_open(&t, DB_READ_WRITE);
	must_exec(db, "DELETE FROM database_instance");
	must_exec(
	    db,
	    "INSERT INTO database_instance (hostname, port, last_checked, last_attempted_check, last_seen, uptime, "
	    "server_id, server_uuid, version, binlog_server, read_only, binlog_format, log_bin, log_slave_updates, "
	    "binary_log_file, binary_log_pos, master_host, master_port, slave_sql_running, slave_io_running, "
	    "num_slave_hosts, slave_hosts, cluster_name, replication_group_members) VALUES ('testhost', 22293, "
	    "datetime('now', '-1 minute'), '2018-02-15 06:26:38', datetime('now') - 1 + NULL, 1, 1, '', '8.0', 0, 0, "
	    "'STATEMENT', 1, 1, 'f', 15, '', 0, 1, 1, 0, '[{\\\"Hostname\\\"}]', 'testhost:22293', '[]')");
	must_exec(
	    db, "INSERT INTO database_instance_maintenance (hostname, port, maintenance_active, owner, reason) VALUES "
		"('testhost', 22293, 1, 'o', 'r')");
	must_exec(
	    db,
	    "INSERT INTO database_instance_downtime (hostname, port, downtime_active, end_timestamp, owner, reason) "
	    "VALUES ('testhost', 22293, 1, datetime('now', '+1 minute'), 'o', 'r')");
	must_exec(db, "INSERT INTO database_instance_tags (hostname, port, tag_name, tag_value) VALUES ('testhost', 1, "
		      "'a', 'b')");
	must_exec(db, "INSERT INTO database_instance_stale_binlog_coordinates (hostname, port, binary_log_file, "
		      "binary_log_pos) VALUES ('testhost', 1, 'f', 2)");
	must_exec(
	    db,
	    "INSERT INTO candidate_database_instance (hostname, port, promotion_rule) VALUES ('testhost', 1, 'must')");
	assert_int_equal(must_number(db,
				     "SELECT count(*) FROM database_instance WHERE replication_io_thread_state = 0 AND "
				     "replication_group_is_single_primary_mode = 1 AND semi_sync_master_clients = 0"),
			 1);
	assert_int_equal(
	    must_number(db, "SELECT count(*) FROM database_instance_downtime WHERE begin_timestamp > '2020'"), 1);
	db_close(db);
	temp_done(&t);
}

/* --- versions -------------------------------------------------------------------------------- */
static void
set_version(const struct temp *t, const char *version)
{
	struct db *db = raw_open(t->path);
	struct err e = {0};

	must(db_set_meta(db, "schema_version", version, &e));
	db_close(db);
}

static void
schema_versions_are_checked(void **state UNUSED)
{
	struct temp t;
	struct err e = {0};

	temp_init(&t);
	db_close(temp_open(&t, DB_READ_WRITE));
	set_version(&t, "999");
	temp_open_fails(&t, DB_READ_ONLY, ERR_DB_VERSION, &e);
	assert_non_null(strstr(e.msg, "newer orchestrator"));
	temp_open_fails(&t, DB_READ_WRITE, ERR_DB_VERSION, &e);
	set_version(&t, "0");
	temp_open_fails(&t, DB_READ_ONLY, ERR_DB_VERSION, &e);
	assert_non_null(strstr(e.msg, "raftd brings it up to date"));
	set_version(&t, "many");
	temp_open_fails(&t, DB_READ_WRITE, ERR_INVALID, &e);
	set_version(&t, "0");
	db_close(temp_open(&t, DB_READ_WRITE));
	db_close(temp_open(&t, DB_READ_ONLY));
	temp_done(&t);
}

static void
a_reader_does_not_prepare_a_file(void **state UNUSED)
{
	struct temp t;
	struct err e = {0};

	temp_init(&t);
	temp_open_fails(&t, DB_READ_ONLY, ERR_NOT_FOUND, &e);
	assert_int_equal(access(t.path, F_OK), -1);
	make_historical(&t);
	temp_open_fails(&t, DB_READ_ONLY, ERR_DB_VERSION, &e);
	temp_done(&t);
}

/* SkipOrchestratorDatabaseUpdate, PanicIfDifferentDatabaseDeploy */
static void
an_operator_may_forbid_it(void **state UNUSED)
{
	struct temp t;
	struct db *db = NULL;
	struct err e = {0};
	struct db_conf kept = {.backend = "sqlite", .version = "test-2", .keep_schema = true};
	struct db_conf deployed = {.backend = "sqlite", .version = "test-1", .only_deployed = true};

	temp_init(&t);
	make_historical(&t);
	kept.path = deployed.path = t.path;
	assert_int_equal(db_open(&kept, DB_READ_WRITE, &db, &e), -ERR_DB_VERSION);
	assert_non_null(strstr(e.msg, "--enable-database-update"));
	assert_int_equal(db_open(&deployed, DB_READ_WRITE, &db, &e), -ERR_DB_VERSION);
	assert_non_null(strstr(e.msg, "PanicIfDifferentDatabaseDeploy"));
	db = raw_open(t.path);
	assert_int_equal(must_number(db, "SELECT count(*) FROM sqlite_master WHERE name = 'orchestrator_meta'"), 0);
	db_close(db);
	db_close(temp_open(&t, DB_READ_WRITE)); /* test-1 */
	must(db_open(&deployed, DB_READ_WRITE, &db, &e));
	must_exec(db, "DROP TABLE host_agent");
	db_close(db);
	must(db_open(&kept, DB_READ_WRITE, &db, &e));
	assert_int_equal(must_number(db, "SELECT count(*) FROM sqlite_master WHERE name = 'host_agent'"), 0);
	assert_int_equal(
	    must_number(db, "SELECT count(*) FROM orchestrator_db_deployments WHERE deployed_version = 'test-2'"), 0);
	db_close(db);
	deployed.version = "test-2";
	assert_int_equal(db_open(&deployed, DB_READ_WRITE, &db, &e), -ERR_DB_VERSION);
	temp_done(&t);
}

static void
a_failed_migration_leaves_the_file_as_it_was(void **state UNUSED)
{
	struct temp t;
	struct db *db;
	struct err e = {0};

	temp_init(&t);
	make_historical(&t);
	db = raw_open(t.path); /* rows that our key forbids */
	must_exec(db, "CREATE TABLE kv_store (store_key varchar(255), store_value text, last_updated text)");
	must_exec(db, "INSERT INTO kv_store VALUES ('k', '1', ''), ('k', '2', '')");
	db_close(db);
	temp_open_fails(&t, DB_READ_WRITE, ERR_EXISTS, &e);
	assert_non_null(strstr(e.msg, "kv_store"));
	db = raw_open(t.path);
	assert_int_equal(must_number(db, "SELECT count(*) FROM sqlite_master WHERE name = 'orchestrator_meta'"), 0);
	assert_int_equal(
	    must_number(db, "SELECT count(*) FROM pragma_table_info('database_instance') WHERE name = 'uptime'"), 0);
	db_close(db);
	temp_done(&t);
}

/* --- readers beside the writer --------------------------------------------------------------- */
static void
readers_see_snapshots_while_the_writer_writes(void **state UNUSED)
{
	struct temp t;
	struct db *w, *r;
	int64_t v1 = 0, v2 = 0, own1 = 0, own2 = 0;
	struct err e = {0};

	temp_init(&t);
	w = temp_open(&t, DB_READ_WRITE);
	r = temp_open(&t, DB_READ_ONLY);
	must(db_data_version(r, &v1, &e));
	must(db_data_version(w, &own1, &e));
	must(db_begin(r, DB_RELAXED, &e));
	assert_int_equal(must_number(r, "SELECT count(*) FROM kv_store"), 0);
	must(db_begin(w, DB_DURABLE, &e));
	must_exec(w, "INSERT INTO kv_store (store_key) VALUES ('k')");
	assert_int_equal(must_number(r, "SELECT count(*) FROM kv_store"), 0);
	must(db_commit(w, &e));
	assert_int_equal(must_number(r, "SELECT count(*) FROM kv_store"), 0);
	must(db_commit(r, &e));
	assert_int_equal(must_number(r, "SELECT count(*) FROM kv_store"), 1);
	must(db_data_version(r, &v2, &e));
	must(db_data_version(w, &own2, &e));
	assert_int_not_equal(v1, v2);
	assert_int_equal(own1, own2); /* one's own commits don't count */
	assert_int_equal(db_exec(r, "DELETE FROM kv_store", NULL, 0, &e), -ERR_DB_READONLY);
	db_close(r);
	db_close(w);
	temp_done(&t);
}

#define READS 300

static int
count_one(void *ctx, const struct topo_instance *i UNUSED, struct err *e UNUSED)
{
	++*(int *)ctx;
	return 0;
}

static void *
read_many_times(void *ctx)
{
	const struct temp *t = ctx;
	struct db_conf conf = {.backend = "sqlite", .path = t->path};
	struct db_instance_filter all = {0};
	struct db *db = NULL;
	struct err e = {0};
	int rc = db_open(&conf, DB_READ_ONLY, &db, &e);

	for (int i = 0, n = 0; i < READS && rc == 0; i++, n = 0) {
		rc = db_read_instances(db, &all, DB_ORDER_KEY, (struct wall){0}, NULL, count_one, &n, &e);
		if (n % 10 != 0) /* the writer adds ten at a time */
			rc = -1;
	}
	db_close(db);
	return rc == 0 ? NULL : ctx;
}

/* As apid does it: a db per thread. (Under TSan this also shows that nothing is shared.) */
static void
threads_read_while_the_writer_writes(void **state UNUSED)
{
	struct temp t;
	pthread_t threads[3];
	void *failed = NULL;
	struct db *db;
	struct err e = {0};

	temp_init(&t);
	db = temp_open(&t, DB_READ_WRITE);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_many_times, &t), 0);
	for (int64_t i = 0; i < 50; i++) {
		struct topo_instance x;
		rec_init(&topo_instance_desc, &x);
		x.key.hostname = "db";
		must(db_begin(db, DB_RELAXED, &e));
		for (x.key.port = i * 10; x.key.port < i * 10 + 10; x.key.port++)
			must(db_upsert_instance(db, &x, DB_INSTANCE_SEEN, &e));
		must(db_commit(db, &e));
	}
	for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
		assert_int_equal(pthread_join(threads[i], &failed), 0);
		assert_null(failed);
	}
	db_close(db);
	temp_done(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_copy_is_complete_and_never_overwritten),
	    cmocka_unit_test(a_new_file_is_made_private_and_complete),
	    cmocka_unit_test(a_memory_database_works),
	    cmocka_unit_test(backends_are_named),
	    cmocka_unit_test(a_historical_file_is_adopted_in_place),
	    cmocka_unit_test(inserts_of_old_tools_work),
	    cmocka_unit_test(schema_versions_are_checked),
	    cmocka_unit_test(a_reader_does_not_prepare_a_file),
	    cmocka_unit_test(an_operator_may_forbid_it),
	    cmocka_unit_test(a_failed_migration_leaves_the_file_as_it_was),
	    cmocka_unit_test(readers_see_snapshots_while_the_writer_writes),
	    cmocka_unit_test(threads_read_while_the_writer_writes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
