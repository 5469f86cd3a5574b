/* test_ap_listen.c — which addresses are listened on, and what is said of the others; query arguments. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "ap_listen.h"
#include "ap_url.h"

static void
addresses_are_listened_on(void **state UNUSED)
{
	static const struct {
		const char *address;
		int family; /* 0: refused */
	} cases[] = {
	    {"127.0.0.1:0", AF_INET}, {"localhost:0", AF_INET}, {"0.0.0.0:0", AF_INET}, {"nope", 0},
	    {"127.0.0.1:http/x", 0},  {"127.0.0.1:99999", 0},	{"192.0.2.1:0", 0},	{"no such host:0", 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct sockaddr_storage sa;
		socklen_t n = sizeof(sa);
		struct err e;
		int fd = -1;
		int rc = ap_listen_tcp(cases[i].address, &fd, &e);

		if ((rc == 0) != (cases[i].family != 0))
			fail_msg("%s: %s", cases[i].address, rc == 0 ? "accepted" : e.msg);
		if (rc != 0) {
			assert_non_null(strstr(e.msg, cases[i].address)); /* says which */
			continue;
		}
		assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &n), 0);
		assert_int_equal(sa.ss_family, cases[i].family);
		(void)close(fd);
	}
}

static void
a_taken_port_is_said_to_be_taken(void **state UNUSED)
{
	struct sockaddr_storage sa;
	socklen_t n = sizeof(sa);
	char address[32];
	uint16_t port;
	struct err e;
	int fd = -1, second = -1;

	assert_int_equal(ap_listen_tcp("127.0.0.1:0", &fd, &e), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &n), 0);
	memcpy(&port, (const char *)&sa + 2, sizeof(port));
	(void)snprintf(address, sizeof(address), "127.0.0.1:%d", (port >> 8 | port << 8) & 0xffff);
	assert_int_equal(ap_listen_tcp(address, &second, &e), -ERR_CONFIG);
	assert_non_null(strstr(e.msg, "is another orchestrator running?"));
	(void)close(fd);
}

static void
query_arguments_are_taken_one_by_one(void **state UNUSED)
{
	static const struct {
		const char *query, *name, *value;
	} cases[] = {
	    {NULL, "a", ""},
	    {"", "a", ""},
	    {"a=1", "a", "1"},
	    {"b=2&a=1", "a", "1"},
	    {"a=1&a=2", "a", "1"},
	    {"a", "a", ""},
	    {"x&a=1", "a", "1"},
	    {"&&a=1&", "a", "1"},
	    {"a=%20b+c%0A", "a", "b c"},
	    {"a=b=c", "a", "b=c"},
	    {"a%3Db=c", "a=b", "c"},
	    {"a=%zz&b=1", "a", ""},
	    {"a=%zz&b=1", "b", "1"},
	    {"a=%00&b=1", "a", ""},
	    {"a=%4", "a", ""},
	    {"A=1", "a", ""},
	    {"1=&2=&3=&4=&5=&6=&7=&8=&9=&10=&11=&12=&13=&14=&15=&16=&a=1", "a", ""}, /* AP_QUERY_MAX */
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct mem_arena arena = {0};
		struct ap_query q;
		ap_query_parse(cases[i].query, &arena, &q);
		assert_string_equal(ap_query_value(&q, cases[i].name), cases[i].value);
		mem_arena_done(&arena);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(addresses_are_listened_on),
	    cmocka_unit_test(a_taken_port_is_said_to_be_taken),
	    cmocka_unit_test(query_arguments_are_taken_one_by_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
