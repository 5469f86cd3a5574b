/* test_rd_store_faults.c — damaged, foreign, missing, full, read-only: the store says which file and what to do, and never
 * opens with less or other content than was completed. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "store_model.h"

#define STEPS 60
#define WAL RD_STORE_FILE "-wal"
#define MARK "raft_log.mark"

/* --- files ---------------------------------------------------------------------------------------------------------- */
struct file {
	uint8_t *p;
	size_t n;
};

static struct file
slurp(const char *path)
{
	FILE *f = fopen(path, "r");
	struct file x = {mem_alloc(8 * MIB), 0};

	if (f == NULL)
		fail_msg("%s: %s", path, strerror(errno));
	x.n = fread(x.p, 1, 8 * MIB, f);
	(void)fclose(f);
	return x;
}

static void
spill(const char *path, const struct file *x, size_t n)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(x->p, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

/* --- a store that was killed: everything is in its write-ahead log --------------------------------------------------- */
static void
write_steps(struct temp *t, struct model *m, uint64_t until)
{
	while (m->step < until) {
		struct model_step s;
		model_next(m, &s);
		if (s.write.snapshot != NULL)
			must(t, rd_store_snapshot_put(t->store, s.source, &s.snapshot, 0, model_content,
						      sizeof(model_content), true, &t->e));
		must(t, put(t, &s.write));
	}
}

/* Runs fn in a process of its own, whose end is its only clean-up. */
static void
in_child(void (*fn)(struct temp *t), struct temp *t)
{
	int status;
	pid_t pid = fork();

	assert_return_code(pid, 0);
	if (pid == 0) {
		fn(t);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void
write_and_die(struct temp *t)
{
	struct model m;

	model_init(&m);
	temp_open(t);
	write_steps(t, &m, STEPS);
}

/* Opens a store that may be damaged: either it refuses, or it has all of `at_least` steps and what the model says. */
static bool
opens_whole(struct temp *t, uint64_t at_least)
{
	const struct rd_store_conf c = {.dir = t->dir, .recent_bytes = 8 * MIB};
	struct model m;

	temp_close(t);
	if (rd_store_open(&c, &t->store, &t->found, &t->e) != 0) {
		assert_non_null(strstr(t->e.msg, t->dir)); /* names the file */
		assert_non_null(strchr(t->e.msg, ':'));
		return false;
	}
	if (t->found->created) { /* no step was completed, as far as anybody knows */
		assert_int_equal(at_least, 0);
		return false;
	}
	assert_true(t->found->term >= at_least);
	model_init(&m);
	model_check(&m, t->found);
	model_done(&m);
	return true;
}

static void
remove_store(struct temp *t)
{
	temp_close(t);
	(void)unlink(temp_path(t, WAL));
	(void)unlink(temp_path(t, RD_STORE_FILE "-shm"));
}

/* --- damage --------------------------------------------------------------------------------------------------------- */
/* Flips a byte every so often in one file, and looks at each of the stores that this makes. */
static void
flip_everywhere(struct temp *t, const char *name, size_t step)
{
	struct file db = slurp(temp_path(t, RD_STORE_FILE)), wal = {mem_alloc(1), 0}, mark;
	struct file *x;
	size_t refused = 0, tried = 0;

	mark = slurp(temp_path(t, MARK));
	if (strcmp(name, WAL) == 0) {
		free(wal.p);
		wal = slurp(temp_path(t, WAL));
	}
	x = strcmp(name, WAL) == 0 ? &wal : &db;
	assert_true(x->n > 10000);
	for (size_t at = 0; at < x->n; at += step) {
		remove_store(t);
		x->p[at] ^= 0x10;
		spill(temp_path(t, RD_STORE_FILE), &db, db.n);
		spill(temp_path(t, WAL), &wal, wal.n);
		spill(temp_path(t, MARK), &mark, mark.n);
		refused += !opens_whole(t, STEPS);
		tried++;
		x->p[at] ^= 0x10;
	}
	print_message("%s: %zu of %zu flipped bytes refused, the others in unused space\n", name, refused, tried);
	assert_true(refused > tried / 5);
	free(db.p);
	free(wal.p);
	free(mark.p);
}

static void
test_flipped_bytes_in_the_database(void **state)
{
	struct temp *t = *state;

	in_child(write_and_die, t);
	temp_open(t);
	temp_close(t); /* moves all into the database file */
	flip_everywhere(t, RD_STORE_FILE, 409);
}

static void
test_flipped_bytes_in_the_write_ahead_log(void **state)
{
	struct temp *t = *state;

	in_child(write_and_die, t);
	flip_everywhere(t, WAL, 6007);
}

/* With the mark any missing end is noticed; without one (power loss: it isn't synced), what is left is what some number
 * of whole steps made. */
static void
test_torn_write_ahead_log(void **state)
{
	struct temp *t = *state;
	struct file db, wal, mark;
	size_t opened = 0;

	in_child(write_and_die, t);
	db = slurp(temp_path(t, RD_STORE_FILE));
	wal = slurp(temp_path(t, WAL));
	mark = slurp(temp_path(t, MARK));
	for (size_t n = 0; n < wal.n; n += 9001) {
		for (int with_mark = 0; with_mark < 2; with_mark++) {
			bool whole;
			remove_store(t);
			spill(temp_path(t, RD_STORE_FILE), &db, db.n);
			spill(temp_path(t, WAL), &wal, n);
			spill(temp_path(t, MARK), &mark, with_mark ? mark.n : 0);
			whole = opens_whole(t, 0);
			assert_false(whole && with_mark);
			opened += whole;
		}
	}
	assert_true(opened > 5);
	remove_store(t);
	spill(temp_path(t, RD_STORE_FILE), &db, db.n); /* and none at all */
	spill(temp_path(t, MARK), &mark, mark.n);
	assert_false(opens_whole(t, STEPS));
	free(db.p);
	free(wal.p);
	free(mark.p);
}

static void
test_restored_backup_is_refused(void **state)
{
	struct temp *t = *state;
	struct file old;
	struct model m;

	model_init(&m);
	temp_open(t);
	write_steps(t, &m, 20);
	temp_close(t);
	old = slurp(temp_path(t, RD_STORE_FILE));
	temp_open(t);
	write_steps(t, &m, 30);
	remove_store(t);
	spill(temp_path(t, RD_STORE_FILE), &old, old.n);
	temp_open_fails(t, ERR_DB_CORRUPT, "10 completed writes are missing");
	assert_non_null(strstr(t->e.msg, "move it away"));
	free(old.p);
	model_done(&m);
}

static void
test_removed_database_is_not_begun_anew(void **state)
{
	struct temp *t = *state;
	struct model m;

	model_init(&m);
	temp_open(t);
	write_steps(t, &m, 20);
	remove_store(t);
	(void)unlink(temp_path(t, RD_STORE_FILE));
	for (int i = 0; i < 2; i++)
		temp_open_fails(t, ERR_DB_CORRUPT, "gone or empty");
	(void)unlink(temp_path(t, RD_STORE_FILE));
	(void)unlink(temp_path(t, MARK)); /* as the text advises */
	temp_open(t);
	assert_true(t->found->created);
	model_done(&m);
}

static void
test_truncated_database(void **state)
{
	struct temp *t = *state;
	struct file x;

	in_child(write_and_die, t);
	temp_open(t);
	temp_close(t);
	x = slurp(temp_path(t, RD_STORE_FILE));
	for (size_t n = 1; n < x.n; n += 9001) {
		remove_store(t);
		spill(temp_path(t, RD_STORE_FILE), &x, n);
		assert_false(opens_whole(t, STEPS));
	}
	free(x.p);
}

static void
test_damaged_snapshot_files(void **state)
{
	static const size_t at[] = {0, 40, 200, 256, 300, 1200};
	struct temp *t = *state;
	struct rd_snapshot snap;
	struct file x;

	temp_open(t);
	must(t, put_entries(t, 1, 10, 1, 0));
	snap = put_snapshot_file(t, 1, 9, 1000);
	must(t, put(t, &(struct rd_write){.snapshot = &snap}));
	temp_close(t);
	x = slurp(temp_path(t, "snapshot-1-9.orc"));
	for (size_t i = 0; i < ARRAY_LEN(at); i++) {
		x.p[at[i]] ^= 1;
		spill(temp_path(t, "snapshot-1-9.orc"), &x, x.n);
		temp_open_fails(t, ERR_DB_CORRUPT, "snapshot-1-9.orc is damaged");
		x.p[at[i]] ^= 1;
	}
	spill(temp_path(t, "snapshot-1-9.orc"), &x, x.n - 1);
	temp_open_fails(t, ERR_DB_CORRUPT, "does not match its checksum");
	(void)unlink(temp_path(t, "snapshot-1-9.orc"));
	temp_open_fails(t, ERR_DB_CORRUPT, "the file is missing");
	spill(temp_path(t, "snapshot-1-9.orc"), &x, x.n);
	temp_open(t);
	free(x.p);
}

/* --- not ours ------------------------------------------------------------------------------------------------------- */
static void
sql(const struct temp *t, const char *text)
{
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(temp_path(t, RD_STORE_FILE), &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void
test_foreign_files(void **state)
{
	struct temp *t = *state;
	struct file text = {(uint8_t *)mem_strdup("this is a text, not a database, and long enough to have a header"),
			    64};

	assert_return_code(mkdir(t->dir, 0750), 0);
	spill(temp_path(t, RD_STORE_FILE), &text, text.n);
	temp_open_fails(t, ERR_DB_CORRUPT, "not an SQLite database");
	(void)unlink(temp_path(t, RD_STORE_FILE));
	sql(t, "CREATE TABLE raft_log (x)");
	temp_open_fails(t, ERR_DB_CORRUPT, "another program's database");
	(void)unlink(temp_path(t, RD_STORE_FILE));
	assert_return_code(mkdir(temp_path(t, RD_STORE_FILE), 0700), 0);
	temp_open_fails(t, ERR_CONFIG, "not a regular file");
	assert_return_code(rmdir(temp_path(t, RD_STORE_FILE)), 0);
	free(text.p);
}

static void
test_newer_format(void **state)
{
	struct temp *t = *state;

	temp_open(t);
	temp_close(t);
	sql(t, "PRAGMA user_version = 2");
	temp_open_fails(t, ERR_DB_VERSION, "has format 2");
}

static void
test_second_user_of_the_directory(void **state)
{
	struct temp *t = *state;
	struct temp second = *t;

	temp_open(t);
	second.store = NULL;
	second.found = NULL;
	temp_open_fails(&second, ERR_DB_BUSY, "in use by another orchestrator");
	assert_non_null(strstr(second.e.msg, "RaftDataDir"));
}

/* --- not allowed ---------------------------------------------------------------------------------------------------- */
static void
become_nobody(void)
{
	if (geteuid() == 0)
		assert_return_code(seteuid(65534), 0);
}

static void
open_without_permission(struct temp *t)
{
	become_nobody();
	temp_open_fails(t, ERR_PERMISSION, t->dir);
}

static void
test_permissions(void **state)
{
	struct temp *t = *state;

	temp_open(t);
	temp_close(t);
	assert_return_code(chmod(t->dir, 0), 0);
	in_child(open_without_permission, t);
	assert_return_code(chmod(t->dir, 0555), 0);
	in_child(open_without_permission, t);
	assert_return_code(chmod(t->dir, 0755), 0);
}

/* A file system of our own over t->dir, in a mount namespace that ends with the process. */
static void
mount_small(const struct temp *t)
{
	assert_return_code(unshare(geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER), 0);
	assert_return_code(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	(void)mkdir(t->dir, 0750);
	assert_return_code(mount("tmpfs", t->dir, "tmpfs", 0, "size=1m,mode=755"), 0);
}

static void
read_only_file_system(struct temp *t)
{
	mount_small(t);
	temp_open(t);
	temp_close(t);
	assert_return_code(mount("tmpfs", t->dir, "tmpfs", MS_REMOUNT | MS_RDONLY, "size=1m"), 0);
	temp_open_fails(t, ERR_DB_READONLY, "read-only");
}

static void
test_read_only_file_system(void **state)
{
	in_child(read_only_file_system, *state);
}

static uint64_t
fill_up(struct temp *t, struct model *m)
{
	struct model_step s;

	for (;;) {
		model_next(m, &s);
		s.write.snapshot = NULL;
		if (s.write.clears_log)
			continue;
		if (put(t, &s.write) != 0)
			return s.write.term;
	}
}

/* Writes until the disk is full: that one and all later ones fail alike; with room again, all that were completed are
 * there, and the failed one is there whole or not at all. */
static void
full_disk(struct temp *t)
{
	uint64_t last = 0, i;
	struct rd_snapshot meta = {.term = 1, .index = 1};
	char *big = mem_calloc(1, MIB);
	int rc = 0;

	mount_small(t);
	temp_open(t);
	rc = rd_store_snapshot_put(t->store, RD_SNAPSHOT_OWN, &meta, 0, big, MIB, true, &t->e);
	assert_int_equal(rc, -ERR_DB_FULL); /* the snapshot alone fails */
	assert_false(temp_has_file(t, "snapshot-own.tmp"));
	for (i = 1; (rc = put_entries(t, i, 1, 3, 5000)) == 0; i++)
		last = i;
	assert_int_equal(rc, -ERR_DB_FULL);
	assert_non_null(strstr(t->e.msg, RD_STORE_FILE));
	assert_true(last > 20);
	t->e.msg[0] = '\0';
	assert_int_equal(put(t, &(struct rd_write){.has_vote = true, .term = 9}), -ERR_DB_FULL);
	assert_non_null(strstr(t->e.msg, RD_STORE_FILE));
	assert_return_code(mount("tmpfs", t->dir, "tmpfs", MS_REMOUNT, "size=8m"), 0);
	assert_int_equal(put(t, &(struct rd_write){.has_vote = true, .term = 9}), -ERR_DB_FULL); /* still */
	temp_open(t);
	assert_int_equal(t->found->term, 0);
	assert_in_range(t->found->log->n, last, last + 1);
	for (i = 0; i < t->found->log->n; i++)
		assert_true(entry_is(&t->found->log->v[i], i + 1, 3, 5000));
	must(t, put_entries(t, t->found->log->n + 1, 1, 3, 5000));
}

static void
test_full_disk(void **state)
{
	in_child(full_disk, *state);
}

/* The same where the limit is the process' own. */
static void
file_size_limit(struct temp *t)
{
	struct rlimit limit = {200000, 200000};
	struct model m;
	uint64_t failed;

	model_init(&m);
	(void)signal(SIGXFSZ, SIG_IGN);
	temp_open(t);
	assert_return_code(setrlimit(RLIMIT_FSIZE, &limit), 0);
	failed = fill_up(t, &m);
	assert_true(failed > 10);
	assert_non_null(strstr(t->e.msg, t->dir));
	assert_non_null(strstr(t->e.msg, "limit"));
	_exit(0);
}

static void
test_file_size_limit(void **state)
{
	struct temp *t = *state;

	in_child(file_size_limit, t);
	temp_open(t);
	assert_true(t->found->log->n > 10);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, temp_setup, temp_teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    T(test_flipped_bytes_in_the_database),
	    T(test_flipped_bytes_in_the_write_ahead_log),
	    T(test_torn_write_ahead_log),
	    T(test_restored_backup_is_refused),
	    T(test_removed_database_is_not_begun_anew),
	    T(test_truncated_database),
	    T(test_damaged_snapshot_files),
	    T(test_foreign_files),
	    T(test_newer_format),
	    T(test_second_user_of_the_directory),
	    T(test_permissions),
	    T(test_read_only_file_system),
	    T(test_full_disk),
	    T(test_file_size_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
