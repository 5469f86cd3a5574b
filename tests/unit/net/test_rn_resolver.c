/* test_rn_resolver.c — look-ups off the loop: answers, hanging ones beside quick ones, limits, the end while busy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <arpa/inet.h>
#include <semaphore.h>

#include <cmocka.h>
#include <event2/event.h>

#include "rn_resolver.h"

struct world {
	struct event_base *base;
	struct rn_resolver *r;
	sem_t gate; /* hanging look-ups wait here */
	struct rn_answer last;
	unsigned answers, wanted;
};

static int
fake_look_up(void *ctx, const char *host, uint16_t port, union rn_address *ret, size_t max, struct err *e)
{
	struct world *w = ctx;

	if (host[0] == 'h')
		(void)sem_wait(&w->gate);
	if (host[0] == 'f')
		return err_set(e, ERR_NOT_FOUND, "%s: no such name", host);
	return rn_look_up_name(NULL, "127.0.0.9", port, ret, max, e);
}

static void
on_answer(void *ctx, const struct rn_answer *a)
{
	struct world *w = ctx;

	w->last = *a;
	if (++w->answers >= w->wanted)
		(void)event_base_loopbreak(w->base);
}

static void
open_world(struct world *w, rn_look_up *look_up)
{
	struct err e;

	*w = (struct world){.base = event_base_new(), .wanted = 1};
	(void)sem_init(&w->gate, 0, 0);
	assert_int_equal(rn_resolver_new(w->base, look_up, w, on_answer, w, &w->r, &e), 0);
}

static void
wait_for(struct world *w, unsigned wanted)
{
	const struct timeval limit = {.tv_sec = 10};

	w->wanted = wanted;
	(void)event_base_loopexit(w->base, &limit);
	while (w->answers < wanted && !event_base_got_exit(w->base))
		(void)event_base_loop(w->base, EVLOOP_ONCE);
	assert_int_equal(w->answers, wanted);
}

static void
ask(struct world *w, uint64_t id, const char *host)
{
	struct err e;

	assert_int_equal(rn_resolver_ask(w->r, id, host, 77, &e), 0);
}

static void
close_world(struct world *w)
{
	rn_resolver_free(w->r);
	event_base_free(w->base);
}

static void
answers_and_failures(void **state UNUSED)
{
	struct world w;
	char text[RN_ADDRESS_TEXT];

	open_world(&w, fake_look_up);
	ask(&w, 5, "good");
	wait_for(&w, 1);
	assert_int_equal(w.last.id, 5);
	assert_int_equal(w.last.n, 1);
	rn_address_text(&w.last.addresses[0], text);
	assert_string_equal(text, "127.0.0.9:77");
	ask(&w, 6, "fails");
	wait_for(&w, 2);
	assert_int_equal(w.last.n, 0);
	assert_non_null(strstr(w.last.e.msg, "no such name"));
	close_world(&w);
}

static void
addresses_need_no_look_up(void **state UNUSED)
{
	static const struct {
		const char *host, *want;
	} all[] = {{"192.0.2.1", "192.0.2.1:77"}, {"::1", "[::1]:77"}, {"2001:db8::7", "[2001:db8::7]:77"}};
	struct world w;
	char text[RN_ADDRESS_TEXT];

	open_world(&w, NULL);
	for (unsigned i = 0; i < ARRAY_LEN(all); i++) {
		ask(&w, i, all[i].host);
		wait_for(&w, i + 1);
		assert_int_equal(w.last.n, 1);
		rn_address_text(&w.last.addresses[0], text);
		assert_string_equal(text, all[i].want);
	}
	close_world(&w);
}

static void
hanging_names_delay_no_others(void **state UNUSED)
{
	struct world w;

	open_world(&w, fake_look_up);
	for (uint64_t i = 0; i < 3; i++)
		ask(&w, 100 + i, "hangs");
	ask(&w, 1, "good");
	wait_for(&w, 1);
	assert_int_equal(w.last.id, 1);
	for (int i = 0; i < 3; i++)
		(void)sem_post(&w.gate);
	wait_for(&w, 4);
	close_world(&w);
}

static void
look_ups_are_bounded(void **state UNUSED)
{
	static struct world w; /* the threads outlive this function */
	struct err e;

	open_world(&w, fake_look_up);
	for (uint64_t i = 0; i < RN_PEERS_MAX; i++)
		ask(&w, i, "hangs");
	assert_int_equal(rn_resolver_ask(w.r, 99, "hangs", 1, &e), -ERR_LIMIT);
	close_world(&w); /* while all threads are busy */
	for (int i = 0; i < RN_PEERS_MAX; i++)
		(void)sem_post(&w.gate);
	assert_int_equal(w.answers, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(answers_and_failures),
	    cmocka_unit_test(addresses_need_no_look_up),
	    cmocka_unit_test(hanging_names_delay_no_others),
	    cmocka_unit_test(look_ups_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
