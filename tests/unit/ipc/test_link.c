/* test_link.c — links in one process: hello and generations, dispatch, roles, queues, over both transports. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "base/log.h"
#include "ipc/link.h"

#define RAFTD 11 /* generations */
#define PROBER 22

struct end {
	struct ipc_link *link;
	int ups, downs;
	int probes;
	uint64_t last_probe_id;
	char last_host[64];
	int results;
	bool close_in_handler;
};

static void
on_up(void *ctx, struct ipc_link *l UNUSED)
{
	((struct end *)ctx)->ups++;
}

static void
on_down(void *ctx, struct ipc_link *l UNUSED, const char *why UNUSED)
{
	((struct end *)ctx)->downs++;
}

static void
pr_on_probe(struct end *me, struct ipc_link *l UNUSED, const struct ipc_probe *m)
{
	me->probes++;
	me->last_probe_id = m->probe_id;
	(void)snprintf(me->last_host, sizeof(me->last_host), "%s", m->key.hostname);
	if (me->close_in_handler) {
		ipc_link_close(me->link);
		me->link = NULL;
	}
}
#define IGNORED(name)                                                                                                 \
	static void pr_on_##name(struct end *me UNUSED, struct ipc_link *l UNUSED, const struct ipc_##name *m UNUSED) \
	{                                                                                                             \
	}
IGNORED(watch)
IGNORED(unwatch)
IGNORED(resolve)
IGNORED(step)
IGNORED(credit)

#define IPC_INBOX_DEF "ipc/to_prober.def"
#define IPC_INBOX_NAME prober_inbox
#define IPC_INBOX_ON(name) pr_on_##name
#include "ipc/make_inbox.h"

static struct ipc_link_conf
conf_of(struct end *end, enum ipc_role self)
{
	return (struct ipc_link_conf){.name = ipc_role_name(self),
				      .self = self,
				      .generation = self == IPC_ROLE_RAFTD ? RAFTD : PROBER,
				      .peer_generation = self == IPC_ROLE_RAFTD ? PROBER : RAFTD,
				      .peer_roles = self == IPC_ROLE_RAFTD ? IPC_ROLE_PROBER : IPC_ROLE_RAFTD,
				      .inbox = self == IPC_ROLE_PROBER ? &prober_inbox : NULL,
				      .ctx = end,
				      .on_up = on_up,
				      .on_down = on_down};
}

/* Runs the loop until *value reaches want; fails after 5 s. */
static void
run_until(struct event_base *base, const int *value, int want)
{
	struct mono end = mono_add_us(clk_mono(clk_real()), 5 * CLK_S);

	while (*value < want) {
		struct timeval tick = {0, 20000};
		assert_true(mono_before(clk_mono(clk_real()), end));
		(void)event_base_loopexit(base, &tick);
		(void)event_base_dispatch(base);
	}
}

static void
open_pair(struct event_base *base, bool nn, const char *path, struct end *a, struct end *b)
{
	struct ipc_link_conf ca = conf_of(a, IPC_ROLE_RAFTD), cb = conf_of(b, IPC_ROLE_PROBER);
	struct err e;
	int fds[2];

	if (nn) {
		assert_int_equal(ipc_link_open_nn(base, &ca, IPC_NN_PAIR_BIND, path, &a->link, &e), 0);
		assert_int_equal(ipc_link_open_nn(base, &cb, IPC_NN_PAIR_CONNECT, path, &b->link, &e), 0);
		return;
	}
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(ipc_link_open_stream(base, &ca, fds[0], &a->link, &e), 0);
	assert_int_equal(ipc_link_open_stream(base, &cb, fds[1], &b->link, &e), 0);
}

static void
exchange(bool nn)
{
	struct event_base *base = event_base_new();
	struct end a = {0}, b = {0};
	struct ipc_probe m = {.probe_id = 1, .key = {"db1", 3306}};
	char path[64];
	struct err e;

	(void)snprintf(path, sizeof(path), "ipc:///tmp/test_link.%d", (int)getpid());
	open_pair(base, nn, path, &a, &b);
	assert_int_equal(ipc_send_probe(a.link, &m, &e), -ERR_IPC_DOWN);
	run_until(base, &a.ups, 1);
	run_until(base, &b.ups, 1);
	for (uint64_t i = 1; i <= 1000; i++) {
		m.probe_id = i;
		assert_int_equal(ipc_send_probe(a.link, &m, &e), 0);
	}
	run_until(base, &b.probes, 1000);
	assert_int_equal(b.last_probe_id, 1000);
	assert_string_equal(b.last_host, "db1");
	assert_int_equal(ipc_link_stats(b.link).dropped_generation, 0);
	ipc_link_close(a.link);
	ipc_link_close(b.link);
	event_base_free(base);
}

static void
messages_travel_over_a_stream(void **state UNUSED)
{
	exchange(false);
}

static void
messages_travel_over_nanomsg(void **state UNUSED)
{
	exchange(true);
}

static void
eof_is_reported_at_once(void **state UNUSED)
{
	struct event_base *base = event_base_new();
	struct end a = {0}, b = {0};

	open_pair(base, false, NULL, &a, &b);
	run_until(base, &a.ups, 1);
	ipc_link_close(b.link);
	run_until(base, &a.downs, 1);
	ipc_link_close(a.link);
	event_base_free(base);
}

static void
a_link_may_be_closed_inside_its_handler(void **state UNUSED)
{
	for (int nn = 0; nn < 2; nn++) {
		struct event_base *base = event_base_new();
		struct end a = {0}, b = {.close_in_handler = true};
		struct ipc_probe m = {.probe_id = 1, .key = {"db1", 3306}};
		char path[64];
		struct err e;

		(void)snprintf(path, sizeof(path), "ipc:///tmp/test_link3.%d", (int)getpid());
		open_pair(base, nn != 0, path, &a, &b);
		run_until(base, &a.ups, 1);
		for (int i = 0; i < 10; i++)
			assert_int_equal(ipc_send_probe(a.link, &m, &e), 0);
		run_until(base, &b.probes, 1);
		assert_int_equal(b.probes, 1);
		assert_null(b.link);
		ipc_link_close(a.link);
		event_base_free(base);
	}
}

static void
a_full_queue_refuses_and_counts(void **state UNUSED)
{
	struct event_base *base = event_base_new();
	struct end a = {0}, b = {0};
	struct ipc_probe m = {.probe_id = 1, .key = {"db1", 3306}};
	struct ipc_link_conf ca = conf_of(&a, IPC_ROLE_RAFTD), cb = conf_of(&b, IPC_ROLE_PROBER);
	char path[64];
	struct err e;
	int rc = 0;

	ca.out_max_bytes = 100000;
	(void)snprintf(path, sizeof(path), "ipc:///tmp/test_link4.%d", (int)getpid());
	assert_int_equal(ipc_link_open_nn(base, &ca, IPC_NN_PAIR_BIND, path, &a.link, &e), 0);
	assert_int_equal(ipc_link_open_nn(base, &cb, IPC_NN_PAIR_CONNECT, path, &b.link, &e), 0);
	run_until(base, &a.ups, 1);
	for (int i = 0; i < 200000 && rc == 0; i++) /* nobody reads: the loop stands still */
		rc = ipc_send_probe(a.link, &m, &e);
	assert_int_equal(rc, -ERR_IPC_FULL);
	assert_true(ipc_link_stats(a.link).refused_full > 0);
	assert_true(ipc_link_stats(a.link).queued_bytes <= 100000);
	/* and nothing that was accepted is lost */
	run_until(base, &b.probes, (int)ipc_link_stats(a.link).sent);
	assert_int_equal(ipc_link_stats(a.link).queued_bytes, 0);
	ipc_link_close(a.link);
	ipc_link_close(b.link);
	event_base_free(base);
}

static void
garbage_on_the_socket_is_counted_not_obeyed(void **state UNUSED)
{
	struct event_base *base = event_base_new();
	struct end b = {0};
	struct ipc_link_conf cb = conf_of(&b, IPC_ROLE_PROBER);
	struct err e;
	int fds[2], rounds = 0;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(ipc_link_open_stream(base, &cb, fds[1], &b.link, &e), 0);
	for (int i = 0; i < 50; i++)
		assert_int_equal(write(fds[0], "\0\0\0\5\xdd\x0f\xff\xff\xff", 9), 9);
	while (ipc_link_stats(b.link).dropped_format < 50 && rounds++ < 1000)
		(void)event_base_loop(base, EVLOOP_ONCE);
	assert_int_equal(ipc_link_stats(b.link).dropped_format, 50);
	assert_int_equal(b.ups, 0);
	/* a frame that claims 4 GB ends the connection */
	assert_int_equal(write(fds[0], "\xff\xff\xff\xff", 4), 4);
	run_until(base, &b.downs, 1);
	ipc_link_close(b.link);
	(void)close(fds[0]);
	event_base_free(base);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(messages_travel_over_a_stream),
	    cmocka_unit_test(messages_travel_over_nanomsg),
	    cmocka_unit_test(eof_is_reported_at_once),
	    cmocka_unit_test(a_link_may_be_closed_inside_its_handler),
	    cmocka_unit_test(a_full_queue_refuses_and_counts),
	    cmocka_unit_test(garbage_on_the_socket_is_counted_not_obeyed),
	};

	log_set_level(LOG_LVL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
