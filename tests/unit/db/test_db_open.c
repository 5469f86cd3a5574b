/* test_db_open.c — opening: new files, files of the historical program, schema versions, and everything that can be
 * wrong with a file or its directory: each gives its own error, which names the file. */
#include "db_temp.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define S INT64_C(1000000)
#define NOBODY 65534

/* Runs fn in a child (assertions don't reach us: it answers with an exit code). */
static int
in_child(int (*fn)(const struct temp *t), const struct temp *t)
{
	pid_t pid = fork();
	int status = 0;

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(fn(t));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* For children: 0 when opening fails with that code and a text that has the word. */
static int
open_fails_with(const char *path, enum db_mode mode, enum err_code code, const char *word)
{
	struct db_conf conf = {.backend = "sqlite", .path = path, .busy_timeout_ms = 50};
	struct db *db = NULL;
	struct err e = {0};
	int rc = db_open(&conf, mode, &db, &e);

	if (rc == -(int)code && strstr(e.msg, word) != NULL)
		return 0;
	(void)fprintf(stderr, "expected %s with \"%s\", got %s: %s\n", err_name((int)code), word, err_name(rc), e.msg);
	return 1;
}

/* --- new and existing files
 * ------------------------------------------------------------------------------------------------ */
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

/* --- taking over a historical file
 * --------------------------------------------------------------------------------------------- */
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

/* --- versions
 * -------------------------------------------------------------------------------------------------------------- */
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

/* --- what can be wrong with the path
 * ------------------------------------------------------------------------------------------ */
static void
bad_paths_are_explained(void **state UNUSED)
{
	struct temp t;
	struct err e = {0};

	temp_init(&t);
	(void)snprintf(t.path, sizeof(t.path), "%s/missing/orc.db", t.dir);
	temp_open_fails(&t, DB_READ_WRITE, ERR_NOT_FOUND, &e);
	assert_non_null(strstr(e.msg, "/missing does not exist: create it"));
	temp_open_fails(&t, DB_READ_ONLY, ERR_NOT_FOUND, &e);
	(void)snprintf(t.path, sizeof(t.path), "%s", t.dir);
	temp_open_fails(&t, DB_READ_WRITE, ERR_CONFIG, &e);
	assert_non_null(strstr(e.msg, "not a regular file"));
	temp_open_fails(&t, DB_READ_ONLY, ERR_CONFIG, &e);
	(void)snprintf(t.path, sizeof(t.path), "/dev/null/orc.db");
	temp_open_fails(&t, DB_READ_WRITE, ERR_CONFIG, &e);
	t.path[0] = '\0';
	temp_open_fails(&t, DB_READ_WRITE, ERR_CONFIG, &e);
	temp_open_fails(&t, DB_READ_ONLY, ERR_CONFIG, &e);
	temp_done(&t);
}

static int
open_as_nobody(const struct temp *t)
{
	if (setgid(NOBODY) != 0 || setuid(NOBODY) != 0)
		return 9;
	return open_fails_with(t->path, DB_READ_WRITE, ERR_DB_READONLY, "read-only for uid 65534") |
	       open_fails_with("/orc.db", DB_READ_WRITE, ERR_PERMISSION, "permission denied for uid 65534");
}

static void
missing_permission_is_explained(void **state UNUSED)
{
	struct temp t;

	if (geteuid() != 0) /* needs another user */
		skip();
	temp_init(&t);
	db_close(temp_open(&t, DB_READ_WRITE));
	assert_int_equal(chmod(t.dir, 0777), 0);
	assert_int_equal(chmod(t.path, 0644), 0);
	assert_int_equal(in_child(open_as_nobody, &t), 0);
	temp_done(&t);
}

static int
open_read_only_file_system(const struct temp *t)
{
	if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("tmpfs", t->dir, "tmpfs", MS_RDONLY, NULL) != 0)
		return 77;
	return open_fails_with(t->path, DB_READ_WRITE, ERR_DB_READONLY, "read-only file system");
}

/* As a full disk: opening a new file, and writing until it is full. */
static int
fill_the_disk(const struct temp *t)
{
	struct db_conf conf = {.backend = "sqlite", .path = t->path};
	struct db *db = NULL;
	struct err e = {0};
	int rc;

	if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("tmpfs", t->dir, "tmpfs", 0, "size=100k") != 0)
		return 77;
	if (open_fails_with(t->path, DB_READ_WRITE, ERR_DB_FULL, "free some") != 0)
		return 1;
	if (mount("tmpfs", t->dir, "tmpfs", MS_REMOUNT, "size=3m") != 0 || db_open(&conf, DB_READ_WRITE, &db, &e) != 0)
		return 2;
	do {
		rc = db_exec(
		    db,
		    "INSERT INTO kv_store (store_key, store_value) VALUES (hex(randomblob(16)), hex(zeroblob(50000)))",
		    NULL, 0, &e);
	} while (rc == 0);
	if (rc != -ERR_DB_FULL || strstr(e.msg, t->path) == NULL)
		return 3;
	/* and it goes on when there is room again */
	if (mount("tmpfs", t->dir, "tmpfs", MS_REMOUNT, "size=9m") != 0 ||
	    db_exec(db, "INSERT INTO kv_store (store_key) VALUES ('k')", NULL, 0, &e) != 0)
		return 4;
	db_close(db);
	return 0;
}

static void
run_mounted(int (*fn)(const struct temp *t))
{
	struct temp t;
	int rc;

	temp_init(&t);
	rc = in_child(fn, &t);
	temp_done(&t);
	if (rc == 77) /* may not mount here */
		skip();
	assert_int_equal(rc, 0);
}

static void
a_read_only_file_system_is_explained(void **state UNUSED)
{
	run_mounted(open_read_only_file_system);
}

static void
a_full_disk_is_explained_and_survived(void **state UNUSED)
{
	run_mounted(fill_the_disk);
}

static void
a_full_database_rolls_back_cleanly(void **state UNUSED)
{
	struct temp t;
	struct db *db;
	struct err e = {0};
	char sql[64];
	int rc = 0;

	temp_init(&t);
	db = temp_open(&t, DB_READ_WRITE);
	(void)snprintf(sql, sizeof(sql), "PRAGMA max_page_count = %lld",
		       (long long)must_number(db, "SELECT * FROM pragma_page_count") + 20);
	must_exec(db, sql);
	must(db_begin(db, DB_DURABLE, &e));
	for (int i = 0; i < 100 && rc == 0; i++)
		rc = db_exec(
		    db,
		    "INSERT INTO kv_store (store_key, store_value) VALUES (hex(randomblob(16)), hex(zeroblob(5000)))",
		    NULL, 0, &e);
	assert_int_equal(rc, -ERR_DB_FULL);
	db_rollback(db);
	assert_int_equal(must_number(db, "SELECT count(*) FROM kv_store"), 0);
	must(db_begin(db, DB_DURABLE, &e));
	must(db_set_applied_index(db, 1, &e));
	must(db_commit(db, &e));
	db_close(db);
	temp_done(&t);
}

/* --- what can be wrong with the content
 * ------------------------------------------------------------------------------------------ */
static void
overwrite(const char *path, off_t at, const char *bytes, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0640);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, n, at), n);
	assert_int_equal(close(fd), 0);
}

static void
another_file_is_not_a_database(void **state UNUSED)
{
	struct temp t;
	struct err e = {0};
	char text[4096];

	temp_init(&t);
	memset(text, 'x', sizeof(text));
	overwrite(t.path, 0, text, sizeof(text));
	temp_open_fails(&t, DB_READ_WRITE, ERR_DB_CORRUPT, &e);
	assert_non_null(strstr(e.msg, "is not an SQLite database"));
	temp_open_fails(&t, DB_READ_ONLY, ERR_DB_CORRUPT, &e);
	temp_done(&t);
}

/* Writes many rows into the file proper and dies without closing. */
static int
write_and_die(const struct temp *t)
{
	struct db_conf conf = {.backend = "sqlite", .path = t->path};
	struct db *db = NULL;
	struct err e = {0};

	if (db_open(&conf, DB_READ_WRITE, &db, &e) != 0 || db_begin(db, DB_DURABLE, &e) != 0)
		return 1;
	for (int i = 0; i < 500; i++) {
		if (db_exec(db,
			    "INSERT INTO audit (message, hostname) VALUES (hex(randomblob(200)), hex(randomblob(20)))",
			    NULL, 0, &e) != 0)
			return 2;
	}
	if (db_commit(db, &e) != 0 || db_exec(db, "PRAGMA wal_checkpoint(TRUNCATE)", NULL, 0, &e) != 0)
		return 3;
	return 0;
}

static void
damage_is_found_after_a_crash(void **state UNUSED)
{
	struct temp t;
	struct err e = {0};
	struct db *db;
	struct db_open_info info;
	char junk[3000];
	struct stat st;

	temp_init(&t);
	assert_int_equal(in_child(write_and_die, &t), 0);
	db = temp_open(&t, DB_READ_WRITE); /* a crash alone does no harm */
	db_open_result(db, &info);
	assert_true(info.unclean);
	assert_int_equal(must_number(db, "SELECT count(*) FROM audit"), 500);
	db_close(db);

	assert_int_equal(in_child(write_and_die, &t), 0);
	assert_int_equal(stat(t.path, &st), 0);
	memset(junk, 0xa5, sizeof(junk));
	for (off_t at = st.st_size / 2; at < st.st_size; at += 4096)
		overwrite(t.path, at / 4096 * 4096, junk, sizeof(junk));
	temp_open_fails(&t, DB_READ_WRITE, ERR_DB_CORRUPT, &e);
	assert_non_null(strstr(e.msg, "is damaged"));
	temp_open_fails(&t, DB_READ_WRITE, ERR_DB_CORRUPT, &e); /* and stays found */
	temp_done(&t);
}

static int
on_nothing(void *ctx UNUSED, const struct db_value *v UNUSED, size_t n UNUSED, struct err *e UNUSED)
{
	return 0;
}

static void
damage_is_reported_when_met(void **state UNUSED)
{
	struct temp t;
	struct err e = {0};
	struct db *db;
	char junk[4096];
	int64_t root;

	temp_init(&t);
	assert_int_equal(in_child(write_and_die, &t), 0);
	db = temp_open(&t, DB_READ_WRITE);
	root = must_number(db, "SELECT rootpage FROM sqlite_master WHERE name = 'audit'");
	db_close(db); /* a clean end: no check at the next start */
	memset(junk, 0xa5, sizeof(junk));
	overwrite(t.path, (root - 1) * 4096, junk, sizeof(junk));
	db = temp_open(&t, DB_READ_WRITE);
	assert_int_equal(db_query(db, "SELECT sum(length(message)) FROM audit", NULL, 0, on_nothing, NULL, &e),
			 -ERR_DB_CORRUPT);
	db_close(db);
	temp_open_fails(&t, DB_READ_WRITE, ERR_DB_CORRUPT, &e); /* damage is no clean end */
	temp_done(&t);
}

/* --- other processes
 * ------------------------------------------------------------------------------------------------------------ */
static int
open_second(const struct temp *t)
{
	char pid[32];

	(void)snprintf(pid, sizeof(pid), "(process %ld)", (long)getppid());
	return open_fails_with(t->path, DB_READ_WRITE, ERR_DB_BUSY, pid);
}

static void
a_second_writer_is_refused_with_the_first_ones_pid(void **state UNUSED)
{
	struct temp t;
	struct db *db;

	temp_init(&t);
	db = temp_open(&t, DB_READ_WRITE);
	assert_int_equal(in_child(open_second, &t), 0);
	db_close(db);
	db_close(temp_open(&t, DB_READ_WRITE));
	temp_done(&t);
}

static int
write_while_locked(const struct temp *t)
{
	return open_fails_with(t->path, DB_READ_WRITE, ERR_DB_BUSY, "locked by another process");
}

static void
a_foreign_lock_is_explained(void **state UNUSED)
{
	struct temp t;
	struct db *db;
	char lock_path[128];

	temp_init(&t);
	(void)snprintf(lock_path, sizeof(lock_path), "%s.lock", t.path);
	db_close(temp_open(&t, DB_READ_WRITE));
	db = raw_open(t.path);
	must_exec(db, "BEGIN IMMEDIATE");
	assert_int_equal(unlink(lock_path), 0); /* a program without our lock */
	assert_int_equal(in_child(write_while_locked, &t), 0);
	must_exec(db, "ROLLBACK");
	db_close(db);
	temp_done(&t);
}

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

/* Commits as fast as it can and says the number of each row that is committed. */
static int
commit_until_killed(const struct temp *t, int out)
{
	struct db_conf conf = {.backend = "sqlite", .path = t->path};
	struct db *db = NULL;
	struct err e = {0};

	if (db_open(&conf, DB_READ_WRITE, &db, &e) != 0)
		return 1;
	for (int64_t i = 1;; i++) {
		if (db_begin(db, DB_DURABLE, &e) != 0 || db_set_applied_index(db, i, &e) != 0 ||
		    db_commit(db, &e) != 0 || write(out, &i, sizeof(i)) != sizeof(i))
			return 2;
	}
}

static void
what_was_committed_survives_kill_9(void **state UNUSED)
{
	struct temp t;

	temp_init(&t);
	for (int round = 0; round < 5; round++) {
		int fds[2], status;
		int64_t i = 0, last = 0, stored = 0;
		struct err e = {0};
		struct db *db;
		pid_t pid;

		assert_int_equal(pipe(fds), 0);
		pid = fork();
		if (pid == 0)
			_exit(commit_until_killed(&t, fds[1]));
		(void)close(fds[1]);
		while (last < 20 + round && read(fds[0], &i, sizeof(i)) == sizeof(i))
			last = i;
		assert_int_equal(kill(pid, SIGKILL), 0);
		while (read(fds[0], &i, sizeof(i)) == sizeof(i))
			last = i;
		(void)close(fds[0]);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		db = temp_open(&t, DB_READ_WRITE);
		must(db_read_applied_index(db, &stored, &e));
		assert_true(stored == last || stored == last + 1);
		db_close(db);
	}
	temp_done(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_new_file_is_made_private_and_complete),
	    cmocka_unit_test(a_memory_database_works),
	    cmocka_unit_test(backends_are_named),
	    cmocka_unit_test(a_historical_file_is_adopted_in_place),
	    cmocka_unit_test(inserts_of_old_tools_work),
	    cmocka_unit_test(schema_versions_are_checked),
	    cmocka_unit_test(a_reader_does_not_prepare_a_file),
	    cmocka_unit_test(a_failed_migration_leaves_the_file_as_it_was),
	    cmocka_unit_test(bad_paths_are_explained),
	    cmocka_unit_test(missing_permission_is_explained),
	    cmocka_unit_test(a_read_only_file_system_is_explained),
	    cmocka_unit_test(a_full_disk_is_explained_and_survived),
	    cmocka_unit_test(a_full_database_rolls_back_cleanly),
	    cmocka_unit_test(another_file_is_not_a_database),
	    cmocka_unit_test(damage_is_found_after_a_crash),
	    cmocka_unit_test(damage_is_reported_when_met),
	    cmocka_unit_test(a_second_writer_is_refused_with_the_first_ones_pid),
	    cmocka_unit_test(a_foreign_lock_is_explained),
	    cmocka_unit_test(readers_see_snapshots_while_the_writer_writes),
	    cmocka_unit_test(what_was_committed_survives_kill_9),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
