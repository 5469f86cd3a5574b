/* Plans that the golden tests don't show: changing back what was changed before a promotion that did not come, and
 * fencing an old source. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "rd_plan.h"

#define MYSQL "answered=1 answered_us=5 version=8.4.0 server_id=2 "
#define MARIADB "answered=1 answered_us=5 version=10.11.14-MariaDB server_id=2 "
#define STILL "io_thread_state=0 sql_thread_state=0 "
#define RUNNING "io_thread_state=2 sql_thread_state=1 "

static void
read_in(struct rd_recovery_input *in, struct mem_arena *arena, const char *failed, const char *server)
{
	struct str_buf b = {0};
	struct err e;

	rec_init(&rd_recovery_input_desc, in);
	str_buf_printf(&b, "failed key=a server_id=1 version=8.4.0 %s", failed);
	assert_int_equal(rd_recovery_input_read(str_buf_text(&b), arena, in, &e), 0);
	str_buf_clear(&b);
	str_buf_printf(&b, "server key=b %s", server);
	if (rd_recovery_input_read(str_buf_text(&b), arena, in, &e) != 0)
		fail_msg("%s", e.msg);
	str_buf_done(&b);
}

static void
test_restore(void **state UNUSED)
{
	static const struct {
		const char *was_failed, *was, *is_failed, *is;
		bool may_unfence;
		const char *expect; /* statements with their servers */
	} cases[] = {
	    /* nothing changed, nothing to do */
	    {"", MYSQL RUNNING "source_key=a", "", MYSQL RUNNING "source_key=a", false, ""},
	    /* pointed to a donor */
	    {"", MYSQL RUNNING "source_key=a", "", MYSQL RUNNING "source_key=d", false,
	     "b stop-replica; b point-to a 3306; b start-replica; "},
	    {"", MYSQL RUNNING "source_key=a", "", MYSQL "io_thread_state=0 sql_thread_state=0 source_key=d", false,
	     "b point-to a 3306; b start-replica; "},
	    /* it was stopped before, too */
	    {"", MYSQL "io_thread_state=0 sql_thread_state=0 source_key=a", "", MYSQL RUNNING "source_key=d", false,
	     "b stop-replica; b point-to a 3306; "},
	    /* stopped, not yet pointed */
	    {"", MYSQL RUNNING "source_key=a", "", MYSQL "io_thread_state=0 sql_thread_state=0 source_key=a", false,
	     "b start-replica-io; b start-replica-sql; "},
	    /* the SQL thread was started to drain */
	    {"", MYSQL "io_thread_state=0 sql_thread_state=0 source_key=a", "",
	     MYSQL "io_thread_state=0 sql_thread_state=1 source_key=a", false, "b stop-replica-sql; "},
	    {"", MARIADB "io_thread_state=1 sql_thread_state=0 source_key=a", "", MARIADB RUNNING "source_key=a", false,
	     "b stop-replica-sql; "},
	    /* MariaDB: not so that both stand still */
	    {"", MARIADB "io_thread_state=0 sql_thread_state=0 source_key=a", "",
	     MARIADB "io_thread_state=0 sql_thread_state=1 source_key=a", false, ""},
	    /* nor is one started that stands still and would lose what it received, unless its source can send it again */
	    {"", MARIADB RUNNING "source_key=a", "", MARIADB STILL "source_key=a read_coord=f:9 exec_coord=f:5", false,
	     ""},
	    {"", MARIADB RUNNING "source_key=a", "", MARIADB STILL "source_key=a read_coord=f:9 exec_coord=f:9", false,
	     "b start-replica-io; b start-replica-sql; "},
	    {"", MARIADB RUNNING "source_key=a", "answered=1",
	     MARIADB STILL "source_key=a read_coord=f:9 exec_coord=f:5", false,
	     "b start-replica-io; b start-replica-sql; "},
	    /* semi-sync was switched on for the promotion */
	    {"", MYSQL RUNNING "source_key=a", "", MYSQL RUNNING "source_key=a semi_sync_source_enabled=1", false,
	     "b semi-sync-source-off; "},
	    {"", MYSQL RUNNING "source_key=a semi_sync_source_enabled=1", "",
	     MYSQL RUNNING "source_key=a semi_sync_source_enabled=1", false, ""},
	    /* servers that are not read, and those that were no replicas of it, are left alone */
	    {"", MYSQL RUNNING "source_key=a", "", "answered=0 source_key=d", false, ""},
	    {"", MYSQL RUNNING "source_key=x", "", MYSQL RUNNING "source_key=d", false, ""},
	    /* the failed server is back, and read-only by our fence */
	    {"read_only=0", MYSQL RUNNING "source_key=a", "answered=1 read_only=1", MYSQL RUNNING "source_key=a", true,
	     "a set-writable; "},
	    {"read_only=0", MYSQL RUNNING "source_key=a", "answered=1 read_only=1", MYSQL RUNNING "source_key=a", false,
	     ""},
	    {"read_only=1", MYSQL RUNNING "source_key=a", "answered=1 read_only=1", MYSQL RUNNING "source_key=a", true,
	     ""},
	    {"read_only=0", MYSQL RUNNING "source_key=a", "answered=0 read_only=1", MYSQL RUNNING "source_key=a", true,
	     ""},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct mem_arena arena = {0};
		struct rd_recovery_input before, now;
		struct rd_plan plan;
		struct str_buf got = {0};

		read_in(&before, &arena, cases[i].was_failed, cases[i].was);
		read_in(&now, &arena, cases[i].is_failed, cases[i].is);
		rd_plan_restore(&before, &now, cases[i].may_unfence, &arena, &plan);
		assert_int_equal(plan.phase, RD_PHASE_RESTORE);
		for (size_t k = 0; k < plan.steps.n; k++) {
			const struct rd_step *s = &plan.steps.v[k];
			str_buf_printf(&got, "%s %s", s->key.hostname, s->statement);
			for (size_t m = 0; m < s->args.n; m++)
				str_buf_printf(&got, " %s", s->args.v[m].s);
			str_buf_add(&got, "; ");
			assert_string_equal(s->precondition, s->key.hostname[0] == 'a' ? "1" : "2");
		}
		if (!str_eq(str_buf_text(&got), cases[i].expect))
			fail_msg("case %zu: %s", i, str_buf_text(&got));
		str_buf_done(&got);
		mem_arena_done(&arena);
	}
}

static void
test_whoever_was_promoted_by_others_keeps_its_replicas(void **state UNUSED)
{
	static const char *const servers[] = {
	    "server key=b was_direct=1 read_only=0 io_thread_state=0 sql_thread_state=0 " MYSQL,
	    "server key=c was_direct=1 read_only=1 source_key=b " RUNNING MYSQL,
	};
	struct mem_arena arena = {0};
	struct rd_recovery_input before, now;
	struct rd_plan plan;
	struct err e;

	for (int read_only = 0; read_only <= 1; read_only++) {
		read_in(&before, &arena, "read_only=0", MYSQL RUNNING "source_key=a");
		assert_int_equal(
		    rd_recovery_input_read("server key=c source_key=a " RUNNING MYSQL, &arena, &before, &e), 0);
		rec_init(&rd_recovery_input_desc, &now);
		assert_int_equal(rd_recovery_input_read("failed key=a server_id=1 version=8.4.0 answered=1 read_only=1",
							&arena, &now, &e),
				 0);
		for (size_t i = 0; i < ARRAY_LEN(servers); i++)
			assert_int_equal(rd_recovery_input_read(servers[i], &arena, &now, &e), 0);
		now.servers.v[0].read_only = read_only != 0;
		assert_true((rd_recovery_taken_over(&now) != NULL) == (read_only == 0));
		rd_plan_restore(&before, &now, true, &arena, &plan);
		assert_int_equal(plan.steps.n, read_only == 0 ? 0 : 4); /* c: stop, point, start; a: writable */
	}
	mem_arena_done(&arena);
}

static void
test_fence_old(void **state UNUSED)
{
	struct mem_arena arena = {0};
	struct rd_recovery_input in;
	struct rd_plan plan;
	struct str_buf b = {0};

	read_in(&in, &arena, "server_uuid=uuid-a", MYSQL);
	in.policy.use_super_read_only = true;
	rd_plan_fence_old(&in, &(struct topo_key_list){0}, false, &arena, &plan);
	assert_int_equal(plan.steps.n, 1);
	assert_string_equal(plan.steps.v[0].precondition, "uuid-a");
	rd_plan_write(&plan, &in, &b);
	assert_non_null(strstr(str_buf_text(&b), "1. a:3306: set global super_read_only = 1;"));
	/* a dropped candidate that may be writable; not one that is promoted after all, or is not known any more */
	rd_plan_fence_old(&in, &(struct topo_key_list){(struct topo_key[]){{"b", 3306}, {"gone", 3306}}, 2}, false,
			  &arena, &plan);
	assert_int_equal(plan.steps.n, 2);
	assert_string_equal(plan.steps.v[1].key.hostname, "b");
	assert_int_equal(plan.steps.v[1].after, 0); /* at once, whatever becomes of the first */
	in.successor = (struct topo_key){"b", 3306};
	rd_plan_fence_old(&in, &(struct topo_key_list){&in.successor, 1}, false, &arena, &plan);
	assert_int_equal(plan.steps.n, 1);
	/* whoever holds its lock is ended first; another one's is left alone */
	in.successor = (struct topo_key){"c", 3306};
	rd_plan_fence_old(&in, &(struct topo_key_list){(struct topo_key[]){{"b", 3306}}, 1}, true, &arena, &plan);
	assert_int_equal(plan.steps.n, 3);
	assert_string_equal(plan.steps.v[0].statement, "break-lock");
	assert_string_equal(plan.steps.v[1].statement, "set-read-only");
	assert_int_equal(plan.steps.v[1].after, 1);
	assert_string_equal(plan.steps.v[2].key.hostname, "b");
	assert_int_equal(plan.steps.v[2].after, 0);
	str_buf_done(&b);
	mem_arena_done(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_restore),
	    cmocka_unit_test(test_whoever_was_promoted_by_others_keeps_its_replicas),
	    cmocka_unit_test(test_fence_old),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
