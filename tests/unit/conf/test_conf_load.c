/* Files: search order, overlay, reload, credentials. Everything happens in a directory of its own. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf_fixture.h"

static char dir[64];
static struct conf_warnings w;
static struct err e;

static const char *
in_dir(const char *name)
{
	static char path[2][256];
	static unsigned turn;
	char *p = path[turn++ % 2];

	(void)snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
	return p;
}

static void
put(const char *name, const char *text)
{
	FILE *f = fopen(in_dir(name), "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
	assert_int_equal(fclose(f), 0);
}

static int
make_dir(void **state UNUSED)
{
	(void)strcpy(dir, "/tmp/conf-test-XXXXXX");
	assert_non_null(mkdtemp(dir));
	assert_int_equal(mkdir(in_dir("etc"), 0700), 0);
	assert_int_equal(mkdir(in_dir("conf"), 0700), 0);
	return 0;
}

static int
remove_dir(void **state UNUSED)
{
	static const char *const names[] = {"etc/orchestrator.conf.json",
					    "conf/orchestrator.conf.json",
					    "orchestrator.conf.json",
					    "extra.json",
					    "one.json",
					    "cred"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		(void)unlink(in_dir(names[i]));
	(void)rmdir(in_dir("etc"));
	(void)rmdir(in_dir("conf"));
	return rmdir(dir);
}

static struct conf *
load(const struct conf_files *files)
{
	struct conf *c = NULL;

	if (conf_load(files, &c, &w, &e) != 0)
		fail_msg("%s", e.msg);
	return c;
}

static void
assert_refused(const struct conf_files *files, int code, const char *part)
{
	struct conf *c = NULL;

	assert_int_equal(conf_load(files, &c, &w, &e), -code);
	assert_null(c);
	if (strstr(e.msg, part) == NULL)
		fail_msg("\"%s\" lacks \"%s\"", e.msg, part);
}

static void
without_any_file_it_runs_on_defaults(void **state UNUSED)
{
	struct conf *c = load(&(struct conf_files){.base_dir = dir});
	struct conf *d = conf_defaults();

	assert_int_equal(conf_diff(c, d, CONF_ALL_ROLES, NULL, NULL), 0);
	assert_string_equal(conf_origin(c), "built-in defaults");
	conf_unref(c);
	conf_unref(d);
}

static void
files_overlay_in_order_scalars_replace_maps_merge(void **state UNUSED)
{
	struct conf *c;

	put("etc/orchestrator.conf.json", "{\"Debug\": true, \"InstancePollSeconds\": 7, \"RaftNodes\": [\"a\", \"b\"],"
					  " \"ClusterNameToAlias\": {\"x\": \"1\", \"y\": \"2\"}}");
	put("conf/orchestrator.conf.json", "{\"InstancePollSeconds\": 8, \"RaftNodes\": [\"c\"]}");
	put("orchestrator.conf.json", "{\"WebMessage\": \"m\", \"ClusterNameToAlias\": {\"y\": \"3\", \"z\": \"4\"}}");
	c = load(&(struct conf_files){.base_dir = dir, .overrides = "{\"SkipOrchestratorDatabaseUpdate\": true}"});
	fixture_assert_value(c, "Debug", "true");
	fixture_assert_value(c, "InstancePollSeconds", "8");
	fixture_assert_value(c, "RaftNodes", "[\"c\"]");
	fixture_assert_value(c, "WebMessage", "\"m\"");
	fixture_assert_value(c, "ClusterNameToAlias", "{\"x\": \"1\", \"y\": \"3\", \"z\": \"4\"}");
	fixture_assert_value(c, "SkipOrchestratorDatabaseUpdate", "true");
	assert_non_null(strstr(conf_origin(c), "etc/orchestrator.conf.json, "));
	assert_int_equal(w.n, 0);
	conf_unref(c);
}

static void
an_invalid_combination_that_a_later_file_mends_is_fine(void **state UNUSED)
{
	struct conf *c;

	put("etc/orchestrator.conf.json", "{\"BackendDB\": \"sqlite\"}");
	put("orchestrator.conf.json", "{\"SQLite3DataFile\": \"/var/lib/x.sqlite3\"}");
	c = load(&(struct conf_files){.base_dir = dir});
	assert_true(conf_backend_is_sqlite(c));
	conf_unref(c);
	assert_int_equal(unlink(in_dir("orchestrator.conf.json")), 0);
	assert_refused(&(struct conf_files){.base_dir = dir}, ERR_CONFIG, "SQLite3DataFile: is empty");
}

static void
config_names_the_only_file(void **state UNUSED)
{
	struct conf *c;
	char path[256];

	(void)str_copy(path, sizeof(path), in_dir("one.json"));
	put("etc/orchestrator.conf.json", "{\"Debug\": true}");
	assert_refused(&(struct conf_files){.file = path, .base_dir = dir}, ERR_NOT_FOUND,
		       "the file named by --config");
	put("one.json", "{\"InstancePollSeconds\": 9}");
	c = load(&(struct conf_files){.file = path, .base_dir = dir});
	assert_false(c->Debug);
	assert_int_equal(c->InstancePollSeconds, 9);
	assert_string_equal(conf_origin(c), path);
	conf_unref(c);
	assert_refused(&(struct conf_files){.file = dir}, ERR_IO, "not a regular file");
}

static void
a_reload_starts_from_defaults_but_misses_no_file(void **state UNUSED)
{
	struct conf *old, *new;

	put("etc/orchestrator.conf.json", "{\"InstancePollSeconds\": 7, \"ReasonableReplicationLagSeconds\": 30}");
	put("extra.json", "{\"Debug\": true}");
	old = load(&(struct conf_files){.base_dir = dir, .extra = in_dir("extra.json")});
	assert_true(old->Debug);
	assert_int_equal(old->ReasonableLockedSemiSyncMasterSeconds, 30);

	put("etc/orchestrator.conf.json", "{\"ReasonableReplicationLagSeconds\": 40}");
	assert_int_equal(unlink(in_dir("extra.json")), 0); /* an extra file isn't remembered */
	new = load(&(struct conf_files){.base_dir = dir, .reload_of = old});
	assert_int_equal(new->InstancePollSeconds, 5);
	assert_int_equal(new->ReasonableLockedSemiSyncMasterSeconds, 40);
	assert_false(new->Debug);

	assert_int_equal(unlink(in_dir("etc/orchestrator.conf.json")), 0);
	assert_refused(&(struct conf_files){.base_dir = dir, .reload_of = new}, ERR_CONFIG,
		       "gone since it was last read");
	assert_refused(&(struct conf_files){.base_dir = dir, .extra = in_dir("extra.json")}, ERR_NOT_FOUND,
		       "the file named by the reload request");
	conf_unref(old);
	conf_unref(new);
}

static void
a_file_of_a_megabyte_and_a_byte_is_refused(void **state UNUSED)
{
	struct str_buf text = {0};

	str_buf_add(&text, "{}");
	str_buf_pad(&text, ' ', CONF_FILE_MAX - 2);
	put("one.json", str_buf_text(&text));
	conf_unref(load(&(struct conf_files){.file = in_dir("one.json")}));
	str_buf_add(&text, " ");
	put("one.json", str_buf_text(&text));
	assert_refused(&(struct conf_files){.file = in_dir("one.json")}, ERR_TOO_LARGE, "more than 1048576 bytes");
	str_buf_done(&text);
}

static void
a_file_that_exists_but_cannot_be_read_is_no_missing_file(void **state UNUSED)
{
	if (geteuid() == 0)
		return; /* root reads everything */
	put("orchestrator.conf.json", "{}");
	assert_int_equal(chmod(in_dir("orchestrator.conf.json"), 0), 0);
	assert_refused(&(struct conf_files){.base_dir = dir}, ERR_IO, "Permission denied");
}

struct credentials {
	const char *text;
	const char *user, *password; /* user NULL: refused */
	const char *message;	     /* of the error, or of a warning; NULL: none */
};

static const struct credentials credentials[] = {
    {"[client]\nuser=u\npassword=p\n", "u", "p", NULL},
    {"[client]\r\nuser=u\r\npassword=p\r\n", "u", "p", NULL},
    {"# x\n; y\n\n [Client] \n USER = u \n Password =  p w  # no\n", "u", "p w", NULL},
    {"[client]\nuser=\"u#1\"\npassword=\"a;\\\"b\\\\ \" ; yes\n", "u#1", "a;\"b\\ ", NULL},
    {"[client]\nuser=u\npassword=${CONF_TEST_PW}\n", "u", "from-env", NULL},
    {"[client]\nuser=u\n", "u", "", NULL},
    {"", "", "", NULL},
    {"[client]\nuser=u\npassword=p=q\n", "u", "p=q", NULL},
    {"[client]\nuser=u\nhost=h\npassword=p\n", "u", "p", ":3: \"host\": ignored"},
    {"[mysqld]\nuser=other\nskip-networking\n[client]\nuser=u\npassword=p\n", "u", "p", ":1: section \"mysqld\""},
    {"!includedir /etc/mysql\n[client]\nuser=u\npassword=p\n", "u", "p", "not followed"},
    {"user=u\n", NULL, NULL, ":1: expects [client] before any key"},
    {"[client\nuser=u\n", NULL, NULL, ":1: a section has no closing ]"},
    {"[client]\npassword=\"hunter2\n", NULL, NULL, ":2: a value has no closing quote"},
    {"[client]\npassword=\"hunter2\\", NULL, NULL, ":2: unknown escape"},
    {"[client]\npassword=\"hunter2\\x\"\n", NULL, NULL, ":2: unknown escape"},
    {"[client]\npassword=\"hunter2\" x\n", NULL, NULL, ":2: text after the closing quote"},
    {"[client]\npassword\n", NULL, NULL, ":2: expects user = NAME"},
    {"[client]\nuser=\xff\n", NULL, NULL, "not valid UTF-8"},
};

static struct conf_files
credentials_files(void)
{
	static char path[256]; /* in_dir's own buffers turn over */
	struct str_buf text = {0};

	str_buf_printf(&text,
		       "{\"MySQLTopologyCredentialsConfigFile\": \"%s\", \"MySQLTopologyUser\": \"json\","
		       " \"MySQLTopologyPassword\": \"json\"}",
		       in_dir("cred"));
	put("one.json", str_buf_text(&text));
	str_buf_done(&text);
	(void)str_copy(path, sizeof(path), in_dir("one.json"));
	return (struct conf_files){.file = path};
}

static void
credentials_files_are_read_as_clients_write_them(void **state UNUSED)
{
	struct conf_files files = credentials_files();

	assert_int_equal(setenv("CONF_TEST_PW", "from-env", 1), 0);
	for (size_t i = 0; i < ARRAY_LEN(credentials); i++) {
		const struct credentials *t = &credentials[i];
		struct conf *c;

		put("cred", t->text);
		if (t->user == NULL) {
			assert_refused(&files, ERR_CONFIG, t->message);
			assert_null(strstr(e.msg, "hunter2"));
			continue;
		}
		c = load(&files);
		assert_string_equal(c->MySQLTopologyUser, t->user);
		assert_string_equal(c->MySQLTopologyPassword, t->password);
		assert_int_equal(w.n, t->message == NULL ? 0 : 1);
		if (t->message != NULL)
			assert_non_null(strstr(w.v[0].text, t->message));
		conf_unref(c);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(without_any_file_it_runs_on_defaults, make_dir, remove_dir),
	    cmocka_unit_test_setup_teardown(files_overlay_in_order_scalars_replace_maps_merge, make_dir, remove_dir),
	    cmocka_unit_test_setup_teardown(an_invalid_combination_that_a_later_file_mends_is_fine, make_dir,
					    remove_dir),
	    cmocka_unit_test_setup_teardown(config_names_the_only_file, make_dir, remove_dir),
	    cmocka_unit_test_setup_teardown(a_reload_starts_from_defaults_but_misses_no_file, make_dir, remove_dir),
	    cmocka_unit_test_setup_teardown(a_file_of_a_megabyte_and_a_byte_is_refused, make_dir, remove_dir),
	    cmocka_unit_test_setup_teardown(a_file_that_exists_but_cannot_be_read_is_no_missing_file, make_dir,
					    remove_dir),
	    cmocka_unit_test_setup_teardown(credentials_files_are_read_as_clients_write_them, make_dir, remove_dir),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
