/* test_rd_choose_many.c — many replicas: what is remembered by kinds of servers is what each pair says, and the work of a
 * choice does not grow with their square. It is counted, not timed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/clock.h"
#include "rd_choose.h"
#include "rd_follow.h"

#define SUSPECTED_US (INT64_C(1700000000) * CLK_S)
#define UUID "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa"

struct world {
	struct mem_arena arena;
	struct rd_recovery_input in;
	struct rd_haves haves;
	bool mariadb;
};

static const char *
text(struct world *w, const char *format, size_t n)
{
	struct str_buf b = {0};
	const char *s;

	str_buf_printf(&b, "%s%zu", format, n);
	s = mem_arena_strndup(&w->arena, str_buf_text(&b), b.len);
	str_buf_done(&b);
	return s;
}

/* All alike but for who they are; received: how many positions they stand at. */
static void
make(struct world *w, bool mariadb, size_t n, size_t positions)
{
	const char *set = mariadb ? "0-97-" : UUID ":1-";

	*w = (struct world){.mariadb = mariadb};
	rec_init(&rd_recovery_input_desc, &w->in);
	w->in.suspected_us = w->in.decided_us = SUSPECTED_US;
	w->in.failed.key = (struct topo_key){"a", 3306};
	w->in.failed.server_uuid = mariadb ? "" : UUID;
	w->in.servers.v = mem_arena_alloc(&w->arena, n * sizeof(*w->in.servers.v));
	w->in.servers.n = n;
	for (size_t i = 0; i < n; i++) {
		struct rd_recovery_server *s = &w->in.servers.v[i];
		rec_init(&rd_recovery_server_desc, s);
		s->key = (struct topo_key){text(w, "s", i), 3306};
		s->source_key = w->in.failed.key;
		s->server_id = 100 + i;
		s->server_uuid = mariadb ? "" : text(w, "bbbbbbbb-bbbb-bbbb-bbbb-", 100000000000 + i);
		s->version = mariadb ? "10.11.14-MariaDB" : "8.4.0";
		s->binlog_format = "ROW";
		s->read_only = s->log_bin_enabled = s->log_replica_updates = s->answered = s->was_direct = true;
		s->using_mariadb_gtid = mariadb;
		s->using_oracle_gtid = s->supports_oracle_gtid = !mariadb;
		s->io_thread_state = TOPO_THREAD_OTHER;
		s->sql_thread_state = TOPO_THREAD_RUNNING;
		s->received_gtid_set = text(w, set, 900 + i % positions);
		*(mariadb ? &s->gtid_current_pos : &s->executed_gtid_set) = s->received_gtid_set;
		s->channels = 1;
		s->answered_us = SUSPECTED_US + 1;
	}
}

static uint64_t
work_of(struct world *w)
{
	struct rd_choice c;

	rd_haves_build(&w->in, &w->arena, &w->haves);
	rd_choose(&w->in, &w->haves, SUSPECTED_US, &w->arena, &c);
	assert_non_null(c.chosen);
	assert_int_equal(c.chosen->lost, 0);
	rd_haves_done(&w->haves);
	mem_arena_done(&w->arena);
	return c.work;
}

static void
work_grows_with_the_servers_and_not_with_their_square(void **state UNUSED)
{
	struct world w;

	for (int mariadb = 0; mariadb <= 1; mariadb++) {
		make(&w, mariadb != 0, 1000, 1);
		assert_true(work_of(&w) <= 1000);
		/* who lacks something looks for a donor until there is one who has everything */
		make(&w, mariadb != 0, 1000, 100);
		assert_true(work_of(&w) <= 100 * 1000);
		make(&w, mariadb != 0, 1000, 3);
		for (size_t i = 0; i < 1000; i++) {
			static const char *const formats[] = {"ROW", "MIXED", "STATEMENT"};
			w.in.servers.v[i].binlog_format = formats[i / 2 % 3];
			w.in.servers.v[i].data_center = i % 5 == 0 ? "west" : "east";
		}
		assert_true(work_of(&w) <= 20 * 1000);
	}
}

/* --- kinds --------------------------------------------------------------------------------------------------------- */
static unsigned
next(unsigned *random, unsigned n)
{
	*random = *random * 1664525u + 1013904223u;
	return (*random >> 16) % n;
}

/* Few kinds, so that pairs are remembered, and all that must not be. */
static void
vary(struct world *w, unsigned *random)
{
	for (size_t i = 0; i < w->in.servers.n; i++) {
		struct rd_recovery_server *s = &w->in.servers.v[i];
		unsigned r = next(random, 12);
		if (r == 0)
			s->server_id = 100;
		else if (r == 1 && !w->mariadb)
			s->server_uuid = w->in.servers.v[0].server_uuid;
		else if (r == 2)
			s->log_replica_updates = false;
		else if (r == 3)
			s->binlog_format = "MIXED";
		else if (r == 4 && !w->mariadb)
			s->gtid_purged = UUID ":1-905";
		else if (r == 5)
			s->version = w->mariadb ? "10.6.1-MariaDB" : "8.0.36";
		else if (r == 6)
			s->answered = false;
		else if (r == 7)
			*(w->mariadb ? &s->gtid_current_pos : &s->executed_gtid_set) = "nonsense";
		else if (r == 8)
			s->in_maintenance = true;
	}
}

static void
what_is_remembered_is_what_a_pair_says(void **state UNUSED)
{
	unsigned random = 1;

	for (unsigned round = 0; round < 40; round++) {
		struct rd_follow f;
		struct world w;
		struct err e;
		size_t n = 40;

		make(&w, round % 2 == 0, n, 10);
		vary(&w, &random);
		rd_haves_build(&w.in, &w.arena, &w.haves);
		rd_follow_init(&w.in, &w.haves, &w.arena, &f);
		for (size_t k = 0; k < n * n; k++) {
			const struct rd_have *x = &w.haves.v[k / n], *y = &w.haves.v[k % n];
			if (rd_follow_can(&f, k / n, k % n) != (rd_can_follow(&w.in, &w.haves, x, y, &e) == 0))
				fail_msg("round %u: %s and %s", round, x->server->key.hostname,
					 y->server->key.hostname);
		}
		assert_true(w.mariadb ? f.checked < n * n / 2 : f.checked < n * n);
		rd_haves_done(&w.haves);
		mem_arena_done(&w.arena);
	}
}

static void
more_kinds_than_are_remembered_are_checked_each(void **state UNUSED)
{
	struct rd_follow f;
	struct world w;
	struct err e;
	size_t n = RD_FOLLOW_KINDS_MAX + 10;

	make(&w, true, n, 1);
	for (size_t i = 0; i < n; i++)
		w.in.servers.v[i].sql_delay = i;
	w.in.policy.maintenance_lag_s = 5;
	rd_haves_build(&w.in, &w.arena, &w.haves);
	rd_follow_init(&w.in, &w.haves, &w.arena, &f);
	for (size_t k = 0; k < n * n; k++)
		assert_true(rd_follow_can(&f, k / n, k % n) ==
			    (rd_can_follow(&w.in, &w.haves, &w.haves.v[k / n], &w.haves.v[k % n], &e) == 0));
	rd_haves_done(&w.haves);
	mem_arena_done(&w.arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(work_grows_with_the_servers_and_not_with_their_square),
	    cmocka_unit_test(what_is_remembered_is_what_a_pair_says),
	    cmocka_unit_test(more_kinds_than_are_remembered_are_checked_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
