/* Statements of steps: what may be sent to which version, and that arguments stay arguments. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "topo/step.h"

static void
test_statements(void **state UNUSED)
{
	static const struct {
		const char *name, *arg, *arg2, *version;
		bool super;
		const char *expect; /* NULL: refused */
		int code;
	} cases[] = {
	    {"set-read-only", NULL, NULL, "10.11.19-MariaDB", false, "set global read_only = 1", 0},
	    {"set-read-only", NULL, NULL, "10.11.19-MariaDB", true, "set global read_only = 1", 0},
	    {"set-read-only", NULL, NULL, "8.4.1", true, "set global super_read_only = 1", 0},
	    {"set-read-only", NULL, NULL, "8.4.1", false, "set global read_only = 1", 0},
	    {"set-read-only", NULL, NULL, "5.7.7", true, "set global read_only = 1", 0},
	    {"set-read-only", NULL, NULL, "", true, "set global read_only = 1", 0},
	    {"set-writable", NULL, NULL, "9.7.4", true, "set global read_only = 0", 0},
	    {"stop-replica-io", NULL, NULL, "8.0.36", false, "stop slave io_thread", 0},
	    {"stop-replica-io", NULL, NULL, "8.4.0", false, "stop replica io_thread", 0},
	    {"stop-replica-io", NULL, NULL, "10.6.1-MariaDB", false, "stop slave io_thread", 0},
	    {"restart-replica-io", NULL, NULL, "8.4.0", false, "stop replica io_thread; start replica io_thread", 0},
	    {"restart-replica-io", NULL, NULL, "8.0.36", false, "stop slave io_thread; start slave io_thread", 0},
	    {"restart-replica-io", NULL, NULL, "5.5.5-10.11.19-MariaDB", false,
	     "set @former = @@global.rpl_semi_sync_slave_kill_conn_timeout; set global "
	     "rpl_semi_sync_slave_kill_conn_timeout = 1; begin not atomic declare continue handler for sqlexception "
	     "begin "
	     "end; select max(id) into @receiver from information_schema.processlist where command = 'Slave_IO'; kill "
	     "if(@@global.rpl_semi_sync_slave_enabled, @receiver, 0); do sleep(0.05); end; stop slave io_thread; start "
	     "slave io_thread; set global "
	     "rpl_semi_sync_slave_kill_conn_timeout = @former",
	     0},
	    {"restart-replica-io", NULL, NULL, "10.2.44-MariaDB", false, "stop slave io_thread; start slave io_thread",
	     0},
	    {"kill-query", "77", NULL, "8.4.0", false, "kill query 77", 0},
	    {"kill-query", "77; drop table x", NULL, "8.4.0", false, NULL, ERR_SYNTAX},
	    {"kill-query", "-1", NULL, "8.4.0", false, NULL, ERR_SYNTAX},
	    {"kill-query", NULL, NULL, "8.4.0", false, NULL, ERR_INVALID},
	    {"set-writable", "1", NULL, "8.4.0", false, NULL, ERR_INVALID},
	    {"drop database x", NULL, NULL, "8.4.0", false, NULL, ERR_UNSUPPORTED},
	    {"", NULL, NULL, "8.4.0", false, NULL, ERR_UNSUPPORTED},
	    {"break-lock", NULL, NULL, "8.4.0", false, "kill is_used_lock('orchestrator.step')", 0},
	    {"stop-replica", NULL, NULL, "8.4.0", false, "stop replica", 0},
	    {"stop-replica", NULL, NULL, "11.8.3-MariaDB", false, "stop slave", 0},
	    {"reset-replica", NULL, NULL, "9.7.4", false, "reset replica all", 0},
	    {"point-to", "db2.example.com", "3306", "8.4.0", false,
	     "change replication source to source_host='db2.example.com', source_port=3306", 0},
	    {"point-to", "//db2", "3306", "10.11.19-MariaDB", false,
	     "change master to master_host='//db2', master_port=3306", 0},
	    {"point-to", "2001:db8::7", "3306", "8.0.36", false,
	     "change master to master_host='2001:db8::7', master_port=3306", 0},
	    {"point-to", "x', master_port=1 -- ", "3306", "8.0.36", false, NULL, ERR_INVALID},
	    {"point-to", "x\\", "3306", "8.0.36", false, NULL, ERR_INVALID},
	    {"point-to", "x%n", "3306", "8.0.36", false, NULL, ERR_INVALID},
	    {"point-to", "", "3306", "8.0.36", false, NULL, ERR_INVALID},
	    {"point-to", "db2", "3306x", "8.0.36", false, NULL, ERR_SYNTAX},
	    {"point-to", "db2", NULL, "8.0.36", false, NULL, ERR_INVALID},
	    {"wait-executed", "0-1-55,1-2-3", "10", "5.5.5-10.11.19-MariaDB", false,
	     "select master_gtid_wait('0-1-55,1-2-3', 10) as waited", 0},
	    {"wait-executed", "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5:tag_1:7", "10", "8.4.0", false,
	     "select wait_for_executed_gtid_set('3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5:tag_1:7', 10) as waited", 0},
	    {"wait-executed", "0-1-5') or sleep(9", "10", "8.4.0", false, NULL, ERR_INVALID},
	    {"wait-executed", "0-1-5", "10", "", false, NULL, ERR_UNSUPPORTED},
	    {"wait-executed", "0-1-5", "10", "5.6.51", false, NULL, ERR_UNSUPPORTED},
	    {"semi-sync-source-on", NULL, NULL, "10.11.19-MariaDB", false,
	     "set global rpl_semi_sync_master_enabled = 1", 0},
	    {"semi-sync-new-source-on", NULL, NULL, "8.4.0", false, "set global rpl_semi_sync_source_enabled = 1", 0},
	    {"semi-sync-new-source-on", NULL, NULL, "10.11.19-MariaDB", false, NULL, ERR_UNSUPPORTED},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct rec_text arg[] = {{cases[i].arg}, {cases[i].arg2}};
		struct rec_text_list args = {arg, (size_t)(cases[i].arg != NULL) + (cases[i].arg2 != NULL)};
		struct str_buf b = {0};
		struct err e = {0};
		int rc = topo_step_sql(cases[i].name, &args, cases[i].version, cases[i].super, &b, &e);

		if (cases[i].expect == NULL ? rc == 0 : !str_eq(str_buf_text(&b), cases[i].expect))
			fail_msg("case %zu: %d %s", i, rc, str_buf_text(&b));
		if (cases[i].expect == NULL && (cases[i].code != ERR_SYNTAX ? rc != -cases[i].code : rc >= 0))
			fail_msg("case %zu: %d %s", i, rc, e.msg);
		str_buf_done(&b);
	}
}

/* Of an old source that follows its successor. */
static void
test_old_sources(void **state UNUSED)
{
	static const struct {
		const char *version, *demote, *follow; /* NULL: refused */
	} cases[] = {
	    {"10.11.19-MariaDB", "set global gtid_slave_pos = @@global.gtid_binlog_pos",
	     "change master to master_host='db2', master_port=3306, master_use_gtid=slave_pos"},
	    {"9.7.4", NULL,
	     "change replication source to source_host='db2', source_port=3306, source_auto_position=1, "
	     "get_source_public_key=1"},
	    {"8.0.36", NULL,
	     "change master to master_host='db2', master_port=3306, master_auto_position=1, get_master_public_key=1"},
	    {"5.7.44", NULL, "change master to master_host='db2', master_port=3306, master_auto_position=1"},
	    {"", NULL, NULL},
	};
	struct rec_text arg[] = {{"db2"}, {"3306"}};
	const struct rec_text_list none = {NULL, 0}, to = {arg, 2};

	for (size_t i = 0; i < 2 * ARRAY_LEN(cases); i++) {
		const char *expect = i % 2 == 0 ? cases[i / 2].demote : cases[i / 2].follow;
		struct str_buf b = {0};
		struct err e;
		int rc = topo_step_sql(i % 2 == 0 ? "demote" : "follow", i % 2 == 0 ? &none : &to, cases[i / 2].version,
				       false, &b, &e);

		if (expect == NULL ? rc != -ERR_UNSUPPORTED : !str_eq(str_buf_text(&b), expect))
			fail_msg("case %zu: %d %s", i, rc, str_buf_text(&b));
		str_buf_done(&b);
	}
}

static void
test_accounts(void **state UNUSED)
{
	static const struct {
		const char *sql;
		struct topo_step_account a;
		const char *expect; /* NULL: refused */
	} cases[] = {
	    {"change master to x=1",
	     {"repl", "it's"},
	     "change master to x=1, master_user='repl', master_password='it''s'"},
	    {"change replication source to x=1",
	     {"repl", ""},
	     "change replication source to x=1, source_user='repl', source_password=''"},
	    {"change master to x=1",
	     {"'", "', y='"},
	     "change master to x=1, master_user='''', master_password=''', y='''"},
	    {"change master to x=1", {"repl", "back\\slash"}, NULL},
	    {"change master to x=1", {"re\npl", ""}, NULL},
	    {"change master to x=1", {"", "x"}, NULL},
	    {"change master to x=1",
	     {"repl", "p", "/ca.pem"},
	     "change master to x=1, master_user='repl', master_password='p', master_ssl_ca='/ca.pem', master_ssl=1"},
	    {"change replication source to x=1",
	     {"repl", "p", "", "/it's.pem", "/key.pem"},
	     "change replication source to x=1, source_user='repl', source_password='p', source_ssl_cert='/it''s.pem', "
	     "source_ssl_key='/key.pem', source_ssl=1"},
	    {"change master to x=1",
	     {"repl", "p", "", "", ""},
	     "change master to x=1, master_user='repl', master_password='p'"},
	    {"change master to x=1", {"repl", "p", .key = "/a\\b"}, NULL},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct str_buf b = {0};
		struct err e;
		int rc;

		str_buf_add(&b, cases[i].sql);
		rc = topo_step_add_account(&cases[i].a, &b, &e);
		if (cases[i].expect == NULL ? rc != -ERR_INVALID : !str_eq(str_buf_text(&b), cases[i].expect))
			fail_msg("case %zu: %d %s", i, rc, str_buf_text(&b));
		str_buf_done(&b);
	}
}

static void
test_channels(void **state UNUSED)
{
	static const char *const cases[][2] = {
	    {"", "x"},
	    {"up stream", "x for channel 'up stream'"},
	    {"it's", "x for channel 'it''s'"},
	    {"a\\b", NULL},
	    {"a\nb", NULL},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct str_buf b = {0};
		struct err e;
		int rc;

		str_buf_add(&b, "x");
		rc = topo_step_add_channel(cases[i][0], &b, &e);
		if (cases[i][1] == NULL ? rc != -ERR_INVALID : rc != 0 || !str_eq(str_buf_text(&b), cases[i][1]))
			fail_msg("case %zu: %d %s", i, rc, str_buf_text(&b));
		str_buf_done(&b);
	}
}

static void
test_names(void **state UNUSED)
{
	for (size_t i = 0; i < TOPO_STEP_COUNT; i++)
		assert_int_equal(topo_step_by_name(topo_step_name((enum topo_step_kind)i)), i);
	assert_int_equal(topo_step_by_name("nothing"), TOPO_STEP_COUNT);
	assert_true((topo_step_flags(TOPO_STEP_SET_WRITABLE) & TOPO_STEP_IRREVERSIBLE) != 0);
	assert_true((topo_step_flags(TOPO_STEP_SET_READ_ONLY) & TOPO_STEP_IRREVERSIBLE) == 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_statements), cmocka_unit_test(test_old_sources), cmocka_unit_test(test_accounts),
	    cmocka_unit_test(test_channels),   cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
