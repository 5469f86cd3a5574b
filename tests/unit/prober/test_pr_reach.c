/* test_pr_reach.c — what a connect says of ports that listen, that nobody has, and whose queue is full; and of a server whose
 * name is gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/base.h"
#include "base/clock.h"
#include "pr_conn.h"
#include "pr_reach.h"

/* A socket of our own on host, bound; the port is ours as long as it is open. */
static int
bound(const char *host, uint16_t *ret_port)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(inet_pton(AF_INET, host, &a.sin_addr), 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, n), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
	*ret_port = ntohs(a.sin_port);
	return fd;
}

/* The hosts' addresses as one list. */
static bool
reaches(const char *host, const char *host2, uint16_t port, int64_t wait_ms, char error[256])
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST}, *list, *more = NULL;
	bool reached;

	assert_int_equal(getaddrinfo(host, NULL, &hints, &list), 0);
	if (host2 != NULL)
		assert_int_equal(getaddrinfo(host2, NULL, &hints, &more), 0);
	list->ai_next = more;
	reached = pr_reach(list, port, wait_ms, error, 256);
	freeaddrinfo(list);
	return reached;
}

static void
who_listens_is_reached(void **state UNUSED)
{
	char error[256];
	uint16_t port;
	int fd = bound("127.0.0.1", &port);

	assert_int_equal(listen(fd, 5), 0);
	assert_true(reaches("127.0.0.1", NULL, port, 5000, error));
	assert_string_equal(error, "");
	assert_true(reaches("127.0.0.2", "127.0.0.1", port, 5000, error)); /* the next address */
	(void)close(fd);
}

static void
a_port_that_nobody_has_refuses(void **state UNUSED)
{
	char error[256], expected[256];
	uint16_t port;
	int fd = bound("127.0.0.1", &port);

	(void)snprintf(expected, sizeof(expected), "dial tcp 127.0.0.1:%u: connect: connection refused", port);
	assert_false(reaches("127.0.0.1", NULL, port, 5000, error));
	assert_string_equal(error, expected);
	assert_false(reaches("127.0.0.1", "127.0.0.2", port, 5000, error)); /* the first one's */
	assert_string_equal(error, expected);
	assert_false(reaches("::1", NULL, port, 5000, error));
	assert_non_null(strstr(error, "dial tcp [::1]:"));
	(void)close(fd);
}

/* The kernel drops what does not fit into a listener's queue. */
static void
a_port_that_does_not_answer_costs_no_more_than_the_wait(void **state UNUSED)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	struct mono before;
	char error[256];
	int fd, clients[8];
	uint16_t port;

	fd = bound("127.0.0.1", &port);
	assert_int_equal(listen(fd, 0), 0);
	to.sin_port = htons(port);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (size_t i = 0; i < ARRAY_LEN(clients); i++) {
		clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		(void)connect(clients[i], (struct sockaddr *)&to, sizeof(to));
	}
	before = clk_mono(clk_real());
	assert_false(reaches("127.0.0.1", "127.0.0.1", port, 100, error));
	assert_in_range(mono_diff_us(clk_mono(clk_real()), before), 99 * CLK_MS, 20 * CLK_S);
	assert_non_null(strstr(error, ": i/o timeout"));
	for (size_t i = 0; i < ARRAY_LEN(clients); i++)
		(void)close(clients[i]);
	(void)close(fd);
}

/* --- what is there says something, or does not ------------------------------------------------------------------------ */
static struct mono
in_ms(int64_t ms)
{
	return mono_add_us(clk_mono(clk_real()), ms * CLK_MS);
}

static void
who_is_at_an_address_is_told_by_what_it_does(void **state UNUSED)
{
	uint16_t port;
	int fd = bound("127.0.0.1", &port), taken;

	assert_int_equal(pr_reach_hear("127.0.0.1", port, in_ms(5000)), ECONNREFUSED);
	assert_int_equal(listen(fd, 5), 0);
	assert_int_equal(pr_reach_hear("127.0.0.1", port, in_ms(50)), ETIMEDOUT); /* as a stopped process does */
	taken = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	(void)close(taken);
	assert_int_equal(pr_reach_hear("no address", port, in_ms(5000)), EINVAL);
	(void)close(fd);
}

enum answer { GREETS, CLOSES, RESETS };
struct answering {
	int fd;
	enum answer answer;
};

static void *
answer_one(void *p)
{
	const struct answering *a = p;
	static const struct linger at_once = {.l_onoff = 1};
	int fd = accept4(a->fd, NULL, NULL, SOCK_CLOEXEC);

	if (a->answer == GREETS)
		assert_int_equal(write(fd, "J", 1), 1);
	if (a->answer == RESETS)
		(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	(void)close(fd);
	return NULL;
}

static void
an_address_whose_server_takes_connections(void **state UNUSED)
{
	static const struct {
		enum answer answer;
		int expect;
	} cases[] = {{GREETS, 0}, {CLOSES, ECONNRESET}, {RESETS, ECONNRESET}};
	uint16_t port;
	int fd = bound("127.0.0.1", &port);

	assert_int_equal(listen(fd, 5), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct answering a = {fd, cases[i].answer};
		pthread_t thread;
		assert_int_equal(pthread_create(&thread, NULL, answer_one, &a), 0);
		assert_int_equal(pr_reach_hear("127.0.0.1", port, in_ms(20000)), cases[i].expect);
		assert_int_equal(pthread_join(thread, NULL), 0);
	}
	(void)close(fd);
}

/* --- a name that is known no more -------------------------------------------------------------------------------------- */
static void
expect_login(const char *former, uint16_t port, int64_t wait_ms, enum topo_evidence evidence)
{
	struct pr_login l;

	pr_login_init(&l);
	l.host = "no-such-host.invalid";
	l.port = port;
	l.user = l.password = l.ca_file = l.cert_file = l.key_file = "";
	l.max_packet = 1 << 20;
	l.deadline = in_ms(wait_ms);
	(void)snprintf(l.address, sizeof(l.address), "%s", former);
	pr_login_run(&l);
	assert_false(l.ok);
	if (pr_evidence(&l.failure) != evidence)
		fail_msg("%s: %s", topo_evidence_text(pr_evidence(&l.failure)), l.failure.text);
}

static void
a_name_that_is_gone_and_nobody_where_it_was(void **state UNUSED)
{
	struct answering a = {.answer = GREETS};
	pthread_t thread;
	uint16_t port;

	a.fd = bound("127.0.0.1", &port);
	expect_login("", port, 60000, TOPO_EVIDENCE_UNRESOLVED);
	expect_login("127.0.0.1", port, 60000, TOPO_EVIDENCE_REFUSED);
	assert_int_equal(listen(a.fd, 5), 0);
	assert_int_equal(pthread_create(&thread, NULL, answer_one, &a), 0);
	expect_login("127.0.0.1", port, 60000, TOPO_EVIDENCE_UNRESOLVED); /* it may be anybody */
	assert_int_equal(pthread_join(thread, NULL), 0);
	(void)close(a.fd);
}

static int
start_library(void **state UNUSED)
{
	struct err e;

	return pr_conn_global_init(&e);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(who_is_at_an_address_is_told_by_what_it_does),
	    cmocka_unit_test(an_address_whose_server_takes_connections),
	    cmocka_unit_test_setup(a_name_that_is_gone_and_nobody_where_it_was, start_library),
	    cmocka_unit_test(who_listens_is_reached),
	    cmocka_unit_test(a_port_that_nobody_has_refuses),
	    cmocka_unit_test(a_port_that_does_not_answer_costs_no_more_than_the_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
