/* test_worker.c — a thread that works for the loop: everything comes back before the end is told, a stop ends a pause,
 * a thread that is stuck is not waited for for ever. Run under TSan too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

#include <cmocka.h>
#include <event2/event.h>

#include "proc/worker.h"

#define JOBS 1000
#define DEADLINE_US (20 * CLK_S)

struct owner {
	struct worker worker;
	struct event_base *base;
	/* under the worker's lock */
	unsigned todo, done;
	bool stuck;
	/* thread only, until its end */
	bool paused, interrupted;
	/* loop only */
	unsigned seen, seen_at_stop, stops;
};

static void
work(void *arg)
{
	struct owner *o = arg;

	worker_lock(&o->worker);
	while (o->todo > 0 || !o->worker.stopping || o->stuck) {
		if (o->todo == 0 || o->stuck) {
			worker_wait(&o->worker);
			continue;
		}
		o->todo--;
		o->done++;
		worker_unlock(&o->worker);
		worker_wake(&o->worker);
		worker_lock(&o->worker);
	}
	worker_unlock(&o->worker);
}

static void
rest(void *arg)
{
	struct owner *o = arg;

	o->paused = worker_pause(&o->worker, 1);
	worker_wake(&o->worker);
	o->interrupted = !worker_pause(&o->worker, 3600 * 1000);
}

static void
at_once(void *arg UNUSED)
{
}

static void
on_wake(void *arg)
{
	struct owner *o = arg;

	worker_lock(&o->worker);
	o->seen = o->done;
	worker_unlock(&o->worker);
}

static void
on_stopped(void *arg)
{
	struct owner *o = arg;

	o->seen_at_stop = o->seen;
	o->stops++;
}

static void
begin(struct owner *o, void (*run)(void *ctx))
{
	struct worker_conf conf = {.name = "worker", .ctx = o, .run = run, .on_wake = on_wake};
	struct err e;

	*o = (struct owner){.base = event_base_new()};
	conf.base = o->base;
	assert_int_equal(worker_start(&o->worker, &conf, &e), 0);
}

static void
run_until_stopped(struct owner *o)
{
	struct mono end = mono_add_us(clk_mono(clk_real()), DEADLINE_US);

	while (o->stops == 0 && mono_before(clk_mono(clk_real()), end))
		assert_int_equal(event_base_loop(o->base, EVLOOP_ONCE), 0);
	assert_int_equal(o->stops, 1);
}

static void
end(struct owner *o)
{
	assert_true(worker_end(&o->worker, DEADLINE_US / CLK_MS));
	assert_int_equal(event_base_loop(o->base, EVLOOP_NONBLOCK), 1); /* no event is left */
	event_base_free(o->base);
}

static void
all_work_is_seen_before_the_end_is_told(void **state UNUSED)
{
	struct owner o;

	begin(&o, work);
	for (int i = 0; i < JOBS; i++) {
		worker_lock(&o.worker);
		o.todo++;
		worker_tell(&o.worker);
		worker_unlock(&o.worker);
	}
	worker_stop(&o.worker, on_stopped, &o);
	run_until_stopped(&o);
	assert_int_equal(o.seen_at_stop, JOBS);
	end(&o);
	assert_int_equal(o.stops, 1);
}

static void
the_end_of_one_that_ended_by_itself_is_told(void **state UNUSED)
{
	struct owner o;

	begin(&o, at_once);
	assert_int_equal(event_base_loop(o.base, EVLOOP_ONCE), 0); /* its end: nobody has asked yet */
	worker_stop(&o.worker, on_stopped, &o);
	run_until_stopped(&o);
	end(&o);
}

static void
a_stop_ends_a_pause(void **state UNUSED)
{
	struct owner o;

	begin(&o, rest);
	assert_int_equal(event_base_loop(o.base, EVLOOP_ONCE), 0);
	worker_stop(&o.worker, on_stopped, &o);
	run_until_stopped(&o);
	end(&o);
	assert_true(o.paused);
	assert_true(o.interrupted);
}

static void
one_that_is_stuck_is_left(void **state UNUSED)
{
	struct owner o;

	begin(&o, work);
	worker_lock(&o.worker);
	o.stuck = true;
	worker_unlock(&o.worker);
	assert_false(worker_end(&o.worker, 20));
	worker_lock(&o.worker);
	o.stuck = false;
	worker_tell(&o.worker);
	worker_unlock(&o.worker);
	end(&o);
}

static void
without_descriptors_it_does_not_start(void **state UNUSED)
{
	struct worker_conf conf = {.base = event_base_new(), .name = "worker", .run = at_once, .on_wake = on_wake};
	struct rlimit before, none;
	struct worker w;
	struct err e;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = (struct rlimit){0, before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(worker_start(&w, &conf, &e), -ERR_UNAVAILABLE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_string_equal(e.msg, "no event descriptor for the worker");
	event_base_free(conf.base);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(all_work_is_seen_before_the_end_is_told),
	    cmocka_unit_test(the_end_of_one_that_ended_by_itself_is_told),
	    cmocka_unit_test(a_stop_ends_a_pause),
	    cmocka_unit_test(one_that_is_stuck_is_left),
	    cmocka_unit_test(without_descriptors_it_does_not_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
