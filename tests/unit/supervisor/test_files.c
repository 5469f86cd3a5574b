/* test_files.c — the files that a configuration names, the lock on the data, the runtime directory, the notification socket's address and lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "sup_lock.h"
#include "sup_notify.h"
#include "sup_paths.h"
#include "sup_rundir.h"

static char dir[64];

static int
make_dir(void **state UNUSED)
{
	(void)strcpy(dir, "/tmp/orc-unit-XXXXXX");
	return mkdtemp(dir) == NULL;
}

static int
remove_dir(void **state UNUSED)
{
	char command[128];

	(void)snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static const char *
path_of(const char *name)
{
	static char path[192];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

/* --- the holder's text -------------------------------------------------------------------------------------------- */

static void
holder_texts(void **state UNUSED)
{
	static const char *const bad[] = {
	    "",
	    "12",
	    "12\nservice\n",
	    "12\nservice\n/run",
	    "0\nservice\n/run\n",
	    "-1\nservice\n/run\n",
	    "x\nservice\n/run\n",
	    "12\nguest\n/run\n",
	    "12\nservice\nrun\n",
	    "12\nservice\n/run\nmore\n",
	};
	struct sup_holder h;
	char longer[300];

	assert_true(sup_holder_parse("12\nservice\n/run/x\n", 18, &h));
	assert_int_equal(h.pid, 12);
	assert_true(h.service);
	assert_string_equal(h.runtime_dir, "/run/x");
	assert_true(sup_holder_parse("12\none-shot\n/run/x\n", 19, &h));
	assert_false(h.service);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(sup_holder_parse(bad[i], strlen(bad[i]), &h));
	assert_false(sup_holder_parse("12\nser\0ice\n/run/x\n", 18, &h));
	(void)snprintf(longer, sizeof(longer), "12\nservice\n/%0120d\n", 0); /* no runtime directory of ours */
	assert_false(sup_holder_parse(longer, strlen(longer), &h));
	memset(longer, '1', sizeof(longer));
	assert_false(sup_holder_parse(longer, sizeof(longer), &h));
}

static void
one_holder_at_a_time(void **state UNUSED)
{
	struct sup_holder me = {.pid = 4711, .service = true, .runtime_dir = "/run/x"}, other;
	struct sup_lock first = {-1}, second = {-1};
	struct err e;

	assert_int_equal(sup_lock_take(path_of("data"), &first, &other, &e), 0);
	assert_int_equal(other.pid, 0);
	assert_int_equal(sup_lock_take(path_of("data"), &second, &other, &e), -ERR_BUSY);
	assert_int_equal(other.pid, 0); /* nothing written yet */
	assert_int_equal(sup_lock_write(&first, &me, &e), 0);
	assert_int_equal(sup_lock_take(path_of("data"), &second, &other, &e), -ERR_BUSY);
	assert_int_equal(other.pid, 4711);
	assert_string_equal(other.runtime_dir, "/run/x");
	sup_lock_release(&first);
	assert_int_equal(sup_lock_take(path_of("data"), &second, &other, &e), 0);
	assert_int_equal(other.pid, 0); /* it ended in order */
	assert_int_equal(sup_lock_write(&second, &me, &e), 0);
	(void)close(second.fd); /* it was killed */
	assert_int_equal(sup_lock_take(path_of("data"), &second, &other, &e), 0);
	assert_int_equal(other.pid, 4711);
	sup_lock_release(&second);
}

static void
lock_errors_name_the_path(void **state UNUSED)
{
	struct sup_lock l = {-1};
	struct sup_holder other;
	struct err e;

	assert_int_equal(sup_lock_take(path_of("missing/data"), &l, &other, &e), -ERR_NOT_FOUND);
	assert_non_null(strstr(e.msg, "missing/data.node"));
	assert_int_equal(symlink("/etc/passwd", path_of("link.node")), 0);
	assert_true(sup_lock_take(path_of("link"), &l, &other, &e) < 0); /* no way to write through a link */
	assert_int_equal(l.fd, -1);
}

/* --- the runtime directory ---------------------------------------------------------------------------------------- */

static bool
exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

static void
runtime_dir_candidates(void **state UNUSED)
{
	char run[SUP_RUNDIR_BYTES], given[192], two[400];
	struct stat st;
	struct err e;

	(void)snprintf(given, sizeof(given), "%s", path_of("given"));
	assert_int_equal(
	    sup_rundir_make(&(struct sup_rundir_from){.configured = given, .xdg = "/nonexistent"}, run, &e), 0);
	assert_memory_equal(run, given, strlen(given)); /* made, and a directory in it */
	assert_int_equal(stat(run, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	sup_rundir_remove(run);
	assert_false(exists(run));

	(void)snprintf(two, sizeof(two), "%s:/nonexistent", given);
	assert_int_equal(sup_rundir_make(&(struct sup_rundir_from){.runtime_directory = two}, run, &e), 0);
	assert_memory_equal(run, given, strlen(given));
	sup_rundir_remove(run);

	assert_int_equal(sup_rundir_make(&(struct sup_rundir_from){.configured = "", .xdg = "/nonexistent"}, run, &e),
			 0);
	assert_memory_equal(run, "/tmp/", 5);
	sup_rundir_remove(run);
	assert_false(exists(run));
}

static void
runtime_dir_errors(void **state UNUSED)
{
	char run[SUP_RUNDIR_BYTES], longer[200];
	struct err e;

	(void)snprintf(longer, sizeof(longer), "%s/%080d", dir, 0);
	assert_int_equal(sup_rundir_make(&(struct sup_rundir_from){.configured = longer}, run, &e), -ERR_TOO_LARGE);
	assert_non_null(strstr(e.msg, "RuntimeDir"));
	assert_int_equal(sup_rundir_make(&(struct sup_rundir_from){.configured = "relative"}, run, &e), -ERR_CONFIG);
	assert_true(sup_rundir_make(&(struct sup_rundir_from){.configured = "/proc/nonexistent/x"}, run, &e) < 0);
	assert_non_null(strstr(e.msg, "RuntimeDir"));
	assert_false(exists("relative"));
}

static void
only_our_own_directories_are_removed(void **state UNUSED)
{
	char run[SUP_RUNDIR_BYTES], file[SUP_RUNDIR_BYTES + 8], link[192];
	struct err e;

	assert_int_equal(sup_rundir_make(&(struct sup_rundir_from){.configured = dir}, run, &e), 0);
	(void)snprintf(file, sizeof(file), "%s/ctl", run);
	FILE *f = fopen(file, "w");
	assert_non_null(f);
	(void)fclose(f);
	(void)snprintf(link, sizeof(link), "%s", path_of("orchestrator-link"));
	assert_int_equal(symlink(run, link), 0);
	sup_rundir_remove(link);
	assert_true(exists(file));
	assert_int_equal(chmod(run, 0755), 0); /* not as we make them */
	sup_rundir_remove(run);
	assert_true(exists(file));
	assert_int_equal(mkdir(path_of("foreign"), 0700), 0);
	sup_rundir_remove(path_of("foreign"));
	assert_true(exists(path_of("foreign")));
	assert_int_equal(chmod(run, 0700), 0);
	sup_rundir_remove(run);
	assert_false(exists(run));
}

/* --- init's protocol ---------------------------------------------------------------------------------------------- */

static void
notify_addresses(void **state UNUSED)
{
	static const char *const bad[] = {"", "/", "@", "relative", "vsock:2:1234"};
	struct sockaddr_un a;
	socklen_t n;
	char longer[120];
	struct err e;

	assert_int_equal(sup_notify_address("/run/notify", &a, &n, &e), 0);
	assert_string_equal(a.sun_path, "/run/notify");
	assert_int_equal(n, offsetof(struct sockaddr_un, sun_path) + 12);
	assert_int_equal(sup_notify_address("@abc", &a, &n, &e), 0);
	assert_memory_equal(a.sun_path, "\0abc", 4);
	assert_int_equal(n, offsetof(struct sockaddr_un, sun_path) + 4);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(sup_notify_address(bad[i], &a, &n, &e), -ERR_INVALID);
	(void)snprintf(longer, sizeof(longer), "/%0110d", 0);
	assert_int_equal(sup_notify_address(longer, &a, &n, &e), -ERR_INVALID);
}

static void
notify_watchdogs(void **state UNUSED)
{
	static const struct {
		const char *usec, *pid;
		int64_t wanted;
	} cases[] = {
	    {NULL, NULL, 0},
	    {"30000000", NULL, 30000000},
	    {"30000000", "", 30000000},
	    {"30000000", "7", 30000000},
	    {"30000000", "8", 0},
	    {"30000000", "x", 0},
	    {"0", NULL, 0},
	    {"-5", NULL, 0},
	    {"thirty", NULL, 0},
	    {"99999999999999999999", NULL, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct sup_notify_env env = {
		    .watchdog_usec = cases[i].usec, .watchdog_pid = cases[i].pid, .pid = 7};
		assert_int_equal(sup_notify_watchdog_us(&env), cases[i].wanted);
	}
}

static void
notify_status_is_one_line(void **state UNUSED)
{
	struct str_buf b = {0};

	sup_notify_status_line(&b, "apid down\nREADY=1\ttab");
	assert_string_equal(str_buf_text(&b), "STATUS=apid down READY=1 tab");
	str_buf_done(&b);
}

/* --- what a configuration names ----------------------------------------------------------------------------------- */

#define DATA "\"BackendDB\":\"sqlite\",\"SQLite3DataFile\":"
#define HERE DATA "\"@/data\""
#define RAFT_TLS                                                                 \
	",\"RaftEnabled\":true,\"RaftDataDir\":\"@/later\",\"RaftUseTLS\":true," \
	"\"RaftTLSCAFile\":\"@/pem\",\"RaftTLSCertFile\":\"@/pem\",\"RaftTLSKeyFile\":"

/* "@" is the test's directory, in which there are a file, pem, and a directory, sub. */
static const struct {
	enum sup_what what;
	const char *conf;
	const char *says[3]; /* none: fine */
} named[] = {
    {SUP_CHECK, HERE, {NULL}},
    {SUP_CHECK, DATA "\"relative\"", {NULL}},
    {SUP_CHECK, DATA "\"@/no/data\"", {"SQLite3DataFile: ", "/no/data", "No such file"}},
    {SUP_CHECK, DATA "\"@/pem/data\"", {"SQLite3DataFile: ", "/pem/data", "directory"}},
    {SUP_HTTP, DATA "\"@/no/data\"", {NULL}}, /* sup_lock.h says it, at the same moment */
    {SUP_CHECK, HERE ",\"MySQLTopologySSLCAFile\":\"@/pem\"", {NULL}},
    {SUP_CHECK, HERE ",\"MySQLTopologySSLCAFile\":\"@/no\"", {"MySQLTopologySSLCAFile: ", "/no\"", "No such file"}},
    {SUP_CHECK, HERE ",\"MySQLTopologySSLCertFile\":\"@/sub\"", {"MySQLTopologySSLCertFile: ", "/sub\"", "name a PEM"}},
    {SUP_HTTP, HERE ",\"MySQLTopologySSLCAFile\":\"@/no\"", {NULL}}, /* perhaps no server demands TLS */
    {SUP_CHECK, HERE ",\"MySQLTopologySSLCAFile\":\"@/no\",\"MySQLTopologyUseMixedTLS\":false", {NULL}}, /* unused */
    {SUP_HTTP,
     HERE ",\"MySQLTopologySSLPrivateKeyFile\":\"@/no\",\"MySQLTopologyUseMutualTLS\":true",
     {"MySQLTopologySSLPrivateKeyFile: ", "/no\"", "No such file"}},
    {SUP_COMMAND, HERE ",\"MySQLTopologySSLCAFile\":\"@/no\",\"MySQLTopologyUseMutualTLS\":true", {NULL}},
    {SUP_CHECK, HERE RAFT_TLS "\"@/pem\"", {NULL}},
    {SUP_HTTP, HERE RAFT_TLS "\"@/no\"", {"RaftTLSKeyFile: ", "/no\"", "No such file"}},
    {SUP_CHECK, HERE RAFT_TLS "\"@/no\"", {"RaftTLSKeyFile: ", "/no\"", "No such file"}},
};

static struct conf *
conf_here(const char *text)
{
	struct str_buf b = {0};
	struct conf_warnings w;
	struct conf *c;
	struct err e;

	str_buf_add_char(&b, '{');
	for (; *text != '\0'; text++) {
		if (*text == '@')
			str_buf_add(&b, dir);
		else
			str_buf_add_char(&b, *text);
	}
	str_buf_add_char(&b, '}');
	if (conf_parse("test", b.p, b.len, &c, &w, &e) != 0)
		fail_msg("%s", e.msg);
	str_buf_done(&b);
	return c;
}

static void
missing_files_are_named(void **state UNUSED)
{
	FILE *pem = fopen(path_of("pem"), "w");

	assert_true(pem != NULL && fclose(pem) == 0 && mkdir(path_of("sub"), 0700) == 0);
	for (size_t i = 0; i < ARRAY_LEN(named); i++) {
		struct conf *c = conf_here(named[i].conf);
		struct err e = {0};
		int rc = sup_check_paths(c, named[i].what, &e);

		if (rc != (named[i].says[0] == NULL ? 0 : -ERR_CONFIG))
			fail_msg("case %zu: %d %s", i, rc, e.msg);
		for (size_t k = 0; k < ARRAY_LEN(named[i].says) && named[i].says[k] != NULL; k++) {
			if (strstr(e.msg, named[i].says[k]) == NULL)
				fail_msg("case %zu: %s", i, e.msg);
		}
		conf_unref(c);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(missing_files_are_named, make_dir, remove_dir),
	    cmocka_unit_test(holder_texts),
	    cmocka_unit_test_setup_teardown(one_holder_at_a_time, make_dir, remove_dir),
	    cmocka_unit_test_setup_teardown(lock_errors_name_the_path, make_dir, remove_dir),
	    cmocka_unit_test_setup_teardown(runtime_dir_candidates, make_dir, remove_dir),
	    cmocka_unit_test_setup_teardown(runtime_dir_errors, make_dir, remove_dir),
	    cmocka_unit_test_setup_teardown(only_our_own_directories_are_removed, make_dir, remove_dir),
	    cmocka_unit_test(notify_addresses),
	    cmocka_unit_test(notify_watchdogs),
	    cmocka_unit_test(notify_status_is_one_line),
	};

	return cmocka_run_group_tests_name("files", tests, NULL, NULL);
}
