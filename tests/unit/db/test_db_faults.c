/* test_db_faults.c — everything that can be wrong with the file, its directory, its disk or its other users: each gives
 * its own error, which names the file, and nothing that was committed is lost. */
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

/* --- what can be wrong with the path --------------------------------------------------------- */
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

/* --- what can be wrong with the content ------------------------------------------------------ */
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

/* --- other processes ------------------------------------------------------------------------- */
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

/* apid may run as another user, who may read the files and nothing else. */
static int
read_as_nobody(const struct temp *t)
{
	struct db_conf conf = {.backend = "sqlite", .path = t->path};
	struct db *db = NULL;
	struct err e = {0};
	int64_t n = 0;

	if (setgid(NOBODY) != 0 || setuid(NOBODY) != 0)
		return 9;
	if (db_open(&conf, DB_READ_ONLY, &db, &e) != 0 || db_count(db, DB_TABLE_kv, &n, &e) != 0) {
		(void)fprintf(stderr, "%s\n", e.msg);
		return 1;
	}
	db_close(db);
	return n == 1 ? 0 : 2;
}

static void
a_reader_needs_no_write_permission(void **state UNUSED)
{
	static const char *const suffixes[] = {"", "-wal", "-shm"};
	struct temp t;
	struct db *db;
	char path[128];

	if (geteuid() != 0) /* needs another user */
		skip();
	temp_init(&t);
	db = temp_open(&t, DB_READ_WRITE);
	must_exec(db, "INSERT INTO kv_store (store_key) VALUES ('k')");
	assert_int_equal(chmod(t.dir, 0755), 0);
	for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
		(void)snprintf(path, sizeof(path), "%s%s", t.path, suffixes[i]);
		assert_int_equal(chmod(path, 0644), 0);
	}
	assert_int_equal(in_child(read_as_nobody, &t), 0);
	db_close(db);
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
	    cmocka_unit_test(a_reader_needs_no_write_permission),
	    cmocka_unit_test(what_was_committed_survives_kill_9),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
