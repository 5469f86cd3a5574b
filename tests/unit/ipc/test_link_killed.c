/* test_link_killed.c — links whose peers are killed at any moment: each generation gets a socket of its own, so that
 * two defects of nanomsg 1.1.5 (ipc/link.h) harm nobody. The killed peer is played here and speaks nanomsg's protocol
 * (SP) by hand. With one socket for all generations, the tests of (a) and (b) fail. */
#include <dirent.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "base/log.h"
#include "base/str.h"
#include "ipc/link.h"

#define SP_PAIR "\0SP\0\0\x10\0\0" /* each side's first bytes */
#define SP_BYTES 8
#define RESTARTS 1000
#define CLOSE_MAX_US (500 * CLK_MS)

/* Our end: what a process does that is told of its peer's starts and ends. */
struct end {
	struct event_base *base;
	enum ipc_nn_kind kind;
	uint64_t generation;
	struct ipc_link *link;
	int ups, downs, missed;
	int64_t meet_ms;
	int64_t slowest_us; /* of following */
};

static void
on_up(void *ctx, struct ipc_link *l UNUSED)
{
	((struct end *)ctx)->ups++;
}

static void
on_down(void *ctx, struct ipc_link *l, const char *why UNUSED)
{
	struct end *me = ctx;

	assert_ptr_equal(me->link, l);
	assert_false(ipc_link_is_up(l));
	me->downs++;
}

static void
on_missed(void *ctx, struct ipc_link *l)
{
	struct end *me = ctx;

	me->missed++;
	ipc_link_close(l);
	me->link = NULL;
}

/* bound: the generation of the process that binds. */
static const char *
path_of(uint64_t bound, uint64_t connects)
{
	static char path[80];

	(void)snprintf(path, sizeof(path), "/tmp/test_link_killed.%d.%d.%d", (int)getpid(), (int)bound, (int)connects);
	return path;
}

static void
open_link(struct end *me, uint64_t peer)
{
	bool binds = me->kind == IPC_NN_PAIR_BIND;
	struct ipc_link_conf conf = {.name = "test",
				     .self = binds ? IPC_ROLE_RAFTD : IPC_ROLE_PROBER,
				     .generation = me->generation,
				     .peer_generation = peer,
				     .peer_roles = binds ? IPC_ROLE_PROBER : IPC_ROLE_RAFTD,
				     .ctx = me,
				     .on_up = on_up,
				     .on_down = on_down,
				     .meet_ms = me->meet_ms,
				     .on_missed = on_missed};
	char address[96];
	struct err e;

	(void)snprintf(address, sizeof(address), "ipc://%s",
		       binds ? path_of(me->generation, peer) : path_of(peer, me->generation));
	assert_int_equal(ipc_link_open_nn(me->base, &conf, me->kind, address, &me->link, &e), 0);
}

static void
follow(struct end *me, uint64_t peer, bool runs)
{
	struct mono began = clk_mono(clk_real());
	bool open = ipc_link_follow(&me->link, peer, runs);

	me->slowest_us = max_i64(me->slowest_us, mono_diff_us(clk_mono(clk_real()), began));
	if (open)
		open_link(me, peer);
}

static void
turn(struct event_base *base, int ms)
{
	struct timeval tick = {0, ms * 1000};

	(void)event_base_loopexit(base, &tick);
	(void)event_base_dispatch(base);
}

static void
run_until(struct event_base *base, const int *value, int want)
{
	struct mono end = mono_add_us(clk_mono(clk_real()), 10 * CLK_S);

	while (*value < want) {
		assert_true(mono_before(clk_mono(clk_real()), end));
		turn(base, 2);
	}
}

/* --- the peer that speaks by hand --------------------------------------------------------------------------------- */

static struct sockaddr_un
raw_address(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	return a;
}

static int
raw_listen(const char *path)
{
	struct sockaddr_un a = raw_address(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)unlink(a.sun_path);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 10), 0);
	return fd;
}

static int
raw_connect(const char *path)
{
	struct sockaddr_un a = raw_address(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

/* nanomsg connects in a thread of its own: our loop may stand still. */
static int
raw_accept(int listener)
{
	struct pollfd p = {.fd = listener, .events = POLLIN};

	assert_int_equal(poll(&p, 1, 10000), 1);
	return accept(listener, NULL, NULL);
}

static void
raw_greet(int fd)
{
	static const struct timeval patience = {5, 0};
	char header[SP_BYTES];

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
	(void)send(fd, SP_PAIR, SP_BYTES, MSG_NOSIGNAL);
	(void)recv(fd, header, sizeof(header), MSG_WAITALL);
}

/* Whether a frame (our HELLO) comes over the connection, within 2 s. */
static bool
raw_hears(int fd, struct event_base *base)
{
	struct mono end = mono_add_us(clk_mono(clk_real()), 2 * CLK_S);
	char byte;

	while (mono_before(clk_mono(clk_real()), end)) {
		if (recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1)
			return true;
		turn(base, 5);
	}
	return false;
}

/* --- tests -------------------------------------------------------------------------------------------------------- */

/* More than is read in the time that slow_turns takes: IPC_BATCH per turn. */
static void
raw_flood(int fd)
{
	static const char frame[9 + 16] = "\1\0\0\0\0\0\0\0\x10";
	static char many[6000 * sizeof(frame)];

	for (size_t i = 0; i < sizeof(many); i += sizeof(frame))
		memcpy(many + i, frame, sizeof(frame));
	assert_int_equal(send(fd, many, sizeof(many), MSG_NOSIGNAL | MSG_DONTWAIT), sizeof(many));
}

/* Long enough for a HELLO. */
static void
slow_turns(struct event_base *base)
{
	static const struct timespec pause = {0, 20 * 1000000};

	for (int i = 0; i < 2 * IPC_HELLO_MS / 20; i++) {
		(void)event_base_loop(base, EVLOOP_NONBLOCK);
		(void)nanosleep(&pause, NULL);
	}
}

/* (a) */
static void
unread_bytes_of_a_killed_peer_do_not_spoil_the_next_connection(void **state UNUSED)
{
	struct end me = {.base = event_base_new(), .kind = IPC_NN_PAIR_CONNECT, .generation = 5};
	int listener = raw_listen(path_of(11, 5)), fd;

	follow(&me, 11, true);
	fd = raw_accept(listener);
	raw_greet(fd);
	raw_flood(fd);
	(void)close(fd);
	(void)close(listener);
	slow_turns(me.base); /* a HELLO meets the closed connection */
	listener = raw_listen(path_of(12, 5));
	follow(&me, 11, false);
	follow(&me, 12, true);
	fd = raw_accept(listener);
	raw_greet(fd);
	assert_true(raw_hears(fd, me.base));
	(void)close(fd);
	(void)close(listener);
	ipc_link_close(me.link);
	event_base_free(me.base);
	(void)unlink(path_of(11, 5));
	(void)unlink(path_of(12, 5));
}

/* (b) */
static void
peers_that_end_while_they_greet_do_not_keep_others_out(void **state UNUSED)
{
	struct end me = {.base = event_base_new(), .kind = IPC_NN_PAIR_BIND, .generation = 5};
	int fd;

	follow(&me, 11, true);
	for (int i = 0; i < 1000; i++) {
		fd = raw_connect(path_of(5, 11));
		(void)send(fd, SP_PAIR, SP_BYTES, MSG_NOSIGNAL);
		if (i % 2 == 0)
			raw_greet(fd);
		(void)close(fd);
	}
	follow(&me, 11, false);
	follow(&me, 12, true);
	fd = raw_connect(path_of(5, 12));
	raw_greet(fd);
	assert_true(raw_hears(fd, me.base));
	(void)close(fd);
	ipc_link_close(me.link);
	event_base_free(me.base);
}

static void
what_is_heard_of_the_peer_decides(void **state UNUSED)
{
	static const struct {
		uint64_t has; /* 0: no link */
		uint64_t generation;
		bool runs, opens, stays;
	} cases[] = {
	    {0, 7, true, true, false},	 {0, 7, false, false, false}, {7, 7, true, false, true},
	    {7, 7, false, false, false}, {7, 8, true, true, false},   {7, 6, false, false, true},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct end me = {.base = event_base_new(), .kind = IPC_NN_PAIR_CONNECT, .generation = 5};
		if (cases[i].has != 0)
			open_link(&me, cases[i].has);
		assert_int_equal(ipc_link_follow(&me.link, cases[i].generation, cases[i].runs), cases[i].opens);
		assert_int_equal(me.link != NULL, cases[i].stays);
		assert_int_equal(me.downs, 0); /* it was not up */
		ipc_link_close(me.link);
		event_base_free(me.base);
	}
}

static void
nobody_is_down_and_hears_nothing(void **state UNUSED)
{
	struct ipc_credit m = {.n = 1};
	struct err e;

	assert_false(ipc_link_is_up(NULL));
	assert_int_equal(ipc_link_peer_generation(NULL), 0);
	assert_int_equal(ipc_send_credit(NULL, &m, &e), -ERR_IPC_DOWN);
}

static void
down_is_told_once_when_the_generation_ends(void **state UNUSED)
{
	struct event_base *base = event_base_new();
	struct end a = {.base = base, .kind = IPC_NN_PAIR_BIND, .generation = 5};
	struct end b = {.base = base, .kind = IPC_NN_PAIR_CONNECT, .generation = 6};

	follow(&a, 6, true);
	follow(&b, 5, true);
	run_until(base, &a.ups, 1);
	run_until(base, &b.ups, 1);
	assert_int_equal(ipc_link_peer_generation(a.link), 6);
	ipc_link_close(b.link); /* killed: nothing is heard of it but by the supervisor */
	b = (struct end){.base = base, .kind = IPC_NN_PAIR_CONNECT, .generation = 7};
	follow(&b, 5, true);
	turn(base, 50);
	assert_int_equal(a.downs, 0);
	follow(&a, 7, true);
	assert_int_equal(a.downs, 1);
	run_until(base, &a.ups, 2);
	assert_int_equal(ipc_link_peer_generation(a.link), 7);
	follow(&a, 7, false);
	assert_int_equal(a.downs, 2);
	assert_null(a.link);
	ipc_link_close(b.link);
	event_base_free(base);
}

static void
a_frame_of_another_process_is_dropped(void **state UNUSED)
{
	struct event_base *base = event_base_new();
	struct end a = {.base = base, .kind = IPC_NN_PAIR_BIND, .generation = 5};
	struct end stranger = {.base = base, .kind = IPC_NN_PAIR_CONNECT, .generation = 6};
	struct ipc_link_conf conf = {.name = "stranger",
				     .self = IPC_ROLE_PROBER,
				     .generation = 9,
				     .peer_generation = 5,
				     .peer_roles = IPC_ROLE_RAFTD,
				     .ctx = &stranger,
				     .on_up = on_up};
	char address[96];
	struct err e;

	follow(&a, 6, true);
	(void)snprintf(address, sizeof(address), "ipc://%s", path_of(5, 6));
	assert_int_equal(ipc_link_open_nn(base, &conf, IPC_NN_PAIR_CONNECT, address, &stranger.link, &e), 0);
	for (int i = 0; i < 500 && ipc_link_stats(a.link).dropped_generation < 2; i++)
		turn(base, 10);
	assert_true(ipc_link_stats(a.link).dropped_generation >= 2);
	assert_int_equal(a.ups, 0);
	ipc_link_close(stranger.link);
	ipc_link_close(a.link);
	event_base_free(base);
}

/* (b) at the connecting end: what nanomsg does not repair is told. */
static void
who_is_not_met_in_time_is_told_once(void **state UNUSED)
{
	static const enum ipc_nn_kind kinds[] = {IPC_NN_PAIR_CONNECT, IPC_NN_SUB_CONNECT};

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		struct end me = {.base = event_base_new(), .kind = kinds[i], .generation = 5, .meet_ms = 700};
		struct mono began = clk_mono(clk_real());
		follow(&me, 11, true);
		run_until(me.base, &me.missed, 1);
		assert_true(mono_diff_us(clk_mono(clk_real()), began) >= 700 * CLK_MS);
		assert_null(me.link);
		event_base_free(me.base);
	}
}

static void
who_is_met_is_not_missed(void **state UNUSED)
{
	struct event_base *base = event_base_new();
	struct end a = {.base = base, .kind = IPC_NN_PAIR_BIND, .generation = 5};
	struct end b = {.base = base, .kind = IPC_NN_PAIR_CONNECT, .generation = 6, .meet_ms = 1};

	follow(&a, 6, true);
	follow(&b, 5, true);
	run_until(base, &b.ups, 1);
	turn(base, 2 * IPC_HELLO_MS);
	assert_int_equal(b.missed, 0);
	ipc_link_close(a.link);
	ipc_link_close(b.link);
	event_base_free(base);
}

static int
count_entries(const char *dir, const char *prefix)
{
	DIR *d = opendir(dir);
	struct dirent *entry;
	int n = 0;

	assert_non_null(d);
	while ((entry = readdir(d)) != NULL)
		n += str_starts(entry->d_name, prefix);
	(void)closedir(d);
	return n;
}

static int
count_threads(void)
{
	return count_entries("/proc/self/task", "");
}

/* The other process restarts often: nothing is left behind, and no close holds up the loop. nanomsg itself allows 512
 * sockets. */
static void
a_thousand_restarts_leave_nothing(void **state UNUSED)
{
	struct event_base *base = event_base_new();
	struct end a = {.base = base, .kind = IPC_NN_PAIR_BIND, .generation = 1};
	int fds = 0, threads = 0;
	int64_t slowest_us = 0;
	char prefix[64];

	for (int i = 0; i < RESTARTS; i++) {
		struct end b = {.base = base, .kind = IPC_NN_PAIR_CONNECT, .generation = (uint64_t)i + 2};
		follow(&b, 1, true); /* either may be first */
		follow(&a, b.generation, true);
		if (i % 4 == 0)
			run_until(base, &a.ups, a.downs + 1);
		else if (i % 4 == 1)
			run_until(base, &b.ups, 1);
		follow(&b, 1, false); /* the others end while they connect */
		slowest_us = max_i64(slowest_us, b.slowest_us);
		follow(&a, b.generation, false);
		assert_null(a.link);
		if (i == 10) {
			fds = count_entries("/proc/self/fd", "");
			threads = count_threads();
		}
	}
	slowest_us = max_i64(slowest_us, a.slowest_us);
	print_message("slowest close: %lld us\n", (long long)slowest_us);
	assert_true(slowest_us < CLOSE_MAX_US);
	/* nanomsg ends with its last socket, and its own descriptors go */
	assert_true(count_entries("/proc/self/fd", "") <= fds);
	assert_true(count_threads() <= threads);
	(void)snprintf(prefix, sizeof(prefix), "test_link_killed.%d.", (int)getpid());
	assert_int_equal(count_entries("/tmp", prefix), 0);
	event_base_free(base);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(unread_bytes_of_a_killed_peer_do_not_spoil_the_next_connection),
	    cmocka_unit_test(peers_that_end_while_they_greet_do_not_keep_others_out),
	    cmocka_unit_test(what_is_heard_of_the_peer_decides),
	    cmocka_unit_test(nobody_is_down_and_hears_nothing),
	    cmocka_unit_test(down_is_told_once_when_the_generation_ends),
	    cmocka_unit_test(a_frame_of_another_process_is_dropped),
	    cmocka_unit_test(who_is_not_met_in_time_is_told_once),
	    cmocka_unit_test(who_is_met_is_not_missed),
	    cmocka_unit_test(a_thousand_restarts_leave_nothing),
	};

	log_set_level(LOG_LVL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
