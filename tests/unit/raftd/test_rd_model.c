/* test_rd_model.c — the container of servers: families, the queue of what must be written, listing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "rd_model.h"

static const struct topo_key db1 = {"db1", 3306}, db2 = {"db2", 3306}, db3 = {"db3", 3306};

/* Gives s a source. */
static void
set_source(struct rd_model *m, struct rd_server *s, const struct topo_key *source)
{
	struct topo_instance inst;

	rec_dup(&topo_instance_desc, &inst, &s->inst);
	topo_key_set(&inst.source_key, source->hostname, source->port);
	rd_model_set(m, s, &inst);
}

static void
a_server_is_added_once_and_found(void **state UNUSED)
{
	struct rd_server *s;
	struct rd_model m;

	rd_model_init(&m);
	s = rd_model_add(&m, &db1);
	assert_ptr_equal(rd_model_add(&m, &db1), s);
	assert_ptr_equal(rd_model_find(&m, &db1), s);
	assert_null(rd_model_find(&m, &db2));
	assert_string_equal(s->inst.cluster_name, "db1:3306");
	assert_true(s->inst.last_seen_us == 0);
	assert_ptr_equal(rd_model_lookup(&m, &db1), &s->inst);
	assert_null(rd_model_lookup(&m, &db2));
	rd_model_remove(&m, s);
	assert_int_equal(rd_model_count(&m), 0);
	rd_model_done(&m);
}

static void
families_follow_the_sources(void **state UNUSED)
{
	static const struct topo_key detached = {"//db1", 3306};
	struct rd_server *two, *three;
	struct rd_model m;

	rd_model_init(&m);
	two = rd_model_add(&m, &db2);
	three = rd_model_add(&m, &db3);
	set_source(&m, two, &db1); /* which is unknown */
	set_source(&m, three, &db1);
	assert_int_equal(rd_model_family(&m, &db1)->n, 2);
	set_source(&m, three, &db1); /* again */
	assert_int_equal(rd_model_family(&m, &db1)->n, 2);
	set_source(&m, three, &db2);
	assert_int_equal(rd_model_family(&m, &db1)->n, 1);
	assert_ptr_equal(LIST_FIRST(&rd_model_family(&m, &db2)->replicas), three);
	set_source(&m, three, &detached);
	assert_null(rd_model_family(&m, &db2));
	assert_null(rd_model_family(&m, &detached));
	rd_model_remove(&m, two);
	assert_null(rd_model_family(&m, &db1));
	rd_model_done(&m);
}

static void
the_stronger_reason_to_write_stands(void **state UNUSED)
{
	struct rd_server *s;
	enum rd_dirty dirty;
	struct rd_model m;

	rd_model_init(&m);
	s = rd_model_add(&m, &db1);
	rd_model_set_listed(&m, s, true);
	rd_model_mark(&m, s, RD_DIRTY_SEEN);
	rd_model_mark(&m, s, RD_DIRTY_CHECK);
	assert_int_equal(m.n_queued, 1);
	assert_ptr_equal(rd_model_take(&m, &dirty), s);
	assert_int_equal(dirty, RD_DIRTY_SEEN);
	assert_null(rd_model_take(&m, &dirty));
	rd_model_mark(&m, s, RD_DIRTY_ATTEMPT);
	assert_ptr_equal(rd_model_take(&m, &dirty), s);
	assert_int_equal(dirty, RD_DIRTY_ATTEMPT);
	rd_model_done(&m);
}

static void
rows_of_unlisted_servers_wait(void **state UNUSED)
{
	struct rd_server *s;
	enum rd_dirty dirty;
	struct rd_model m;

	rd_model_init(&m);
	s = rd_model_add(&m, &db1);
	rd_model_mark(&m, s, RD_DIRTY_SEEN);
	assert_null(rd_model_take(&m, &dirty));
	rd_model_set_listed(&m, s, true);
	assert_int_equal(m.n_queued, 1);
	rd_model_set_listed(&m, s, false);
	assert_int_equal(m.n_queued, 0);
	rd_model_set_listed(&m, s, true);
	rd_model_remove(&m, s); /* while it waits */
	assert_int_equal(m.n_queued, 0);
	rd_model_done(&m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_server_is_added_once_and_found),
	    cmocka_unit_test(families_follow_the_sources),
	    cmocka_unit_test(the_stronger_reason_to_write_stands),
	    cmocka_unit_test(rows_of_unlisted_servers_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
