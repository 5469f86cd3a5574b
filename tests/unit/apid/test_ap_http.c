/* test_ap_http.c — the door itself: connections, methods, paths, limits, the end; with apid in this process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "ap_httpd.h"
#include "fake_node.h"

#define NOT_FOUND "404 page not found\n"

static struct fake_node node;

static void
start(const char *config)
{
	fake_node_start(&node, config);
}

static int
stop(void **state UNUSED)
{
	fake_node_stop(&node);
	return 0;
}

static int
start_plain(void **state UNUSED)
{
	start("{}");
	return 0;
}

static void
expect_answer(const char *request, int status, const char *body)
{
	struct fake_answer a = fake_request(&node, request);

	if (a.status != status || (body != NULL && strcmp(a.body, body) != 0))
		fail_msg("%s: %d %s, expected %d %s", request, a.status, a.body, status, body == NULL ? "" : body);
	fake_answer_done(&a);
}

static int
count_text(const char *text, const char *what)
{
	int n = 0;

	for (const char *p = text; (p = strstr(p, what)) != NULL; p += strlen(what))
		n++;
	return n;
}

/* --- connections ----------------------------------------------------------------------------------------------- */
static void
fill_database(void)
{
	fake_sql(&node, "INSERT OR IGNORE INTO database_instance (hostname, port) "
			"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) "
			"SELECT 'h' || i, 1 FROM n");
}

/* evhttp hands the end of an answer to the kernel before it closes: a filter between the two would lose it. */
static void
old_and_closing_clients_get_the_whole_answer(void **state UNUSED)
{
	static const char *const requests[] = {
	    "GET /api/all-instances HTTP/1.0\r\n\r\n",
	    "GET /api/all-instances HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"};

	fill_database();
	for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
		struct fake_client c;
		fake_client_open(&node, &c, node.client);
		fake_client_send(&node, &c, requests[i]);
		fake_client_drain(&node, &c);
		assert_true(c.in.len > 2000000);
		assert_true(str_ends(str_buf_text(&c.in), ",\"QSP\":{}}]"));
		fake_client_close(&c);
	}
}

static void
pipelined_requests_are_answered_in_order(void **state UNUSED)
{
	struct fake_client c;
	const char *in;

	fake_client_open(&node, &c, node.client);
	fake_client_send(
	    &node, &c,
	    "GET /api/clusters HTTP/1.1\r\nHost: a\r\n\r\nHEAD /api/clusters HTTP/1.1\r\nHost: a\r\n\r\n"
	    "GET /api/nope HTTP/1.1\r\nHost: a\r\n\r\nGET /api/leader-check/204 HTTP/1.1\r\nHost: a\r\n\r\n"
	    "GET /api/lb-check HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
	fake_client_drain(&node, &c);
	in = str_buf_text(&c.in);
	assert_int_equal(count_text(in, "HTTP/1.1 "), 5);
	assert_int_equal(count_text(in, "null"), 1);		      /* the body of GET, none of HEAD */
	assert_int_equal(count_text(in, "Content-Length: 4\r\n"), 3); /* GET, HEAD, and "OK" */
	assert_int_equal(count_text(in, "Not leader"), 0);	      /* 204 has no body */
	assert_non_null(strstr(in, "HTTP/1.1 204 "));
	assert_true(str_ends(in, "\"OK\""));
	fake_client_close(&c);
}

static bool
no_request_is_alive(struct fake_node *n, void *ctx UNUSED)
{
	return n->ap->requests_alive == 0;
}

static bool
no_connection_is_left(struct fake_node *n, void *ctx UNUSED)
{
	return ap_httpd_stats(n->ap->httpd).connections == 0;
}

/* A request outlives its client: nothing may touch the connection any more, and nothing may be left. */
static void
clients_may_leave_at_any_moment(void **state UNUSED)
{
	static const char *const requests[] = {
	    "GET /api/health HTTP/1.1\r\nHost: a\r\n\r\n",
	    "GET /api/all-instances HTTP/1.1\r\nHost: a\r\n\r\n",
	    "GET /api/tag/db1/1?tag=x HTTP/1.1\r\nHost: a\r\n\r\nGET /api/lb-check HTTP/1.1\r\nHost: a\r\n\r\n",
	    "GET /api/clus",
	    "POST /api/tag/db1/1?tag=x HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc",
	    "POST /api/tag/db1/1?tag=x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
	    "",
	};

	for (size_t i = 0; i < ARRAY_LEN(requests) * 6; i++) {
		struct fake_client c;
		fake_client_open(&node, &c, node.client);
		fake_client_send(&node, &c, requests[i % ARRAY_LEN(requests)]);
		for (size_t k = 0; k < i / ARRAY_LEN(requests); k++)
			fake_turn(&node);
		fake_client_close(&c);
	}
	fake_wait(&node, "requests to end", no_request_is_alive, NULL);
	fake_wait(&node, "connections to end", no_connection_is_left, NULL);
	expect_answer("GET /api/lb-check", 200, "\"OK\"");
}

/* What a client sends while it doesn't read must not fill our memory: it is left in its socket. */
static void
a_client_that_never_reads_is_not_buffered(void **state UNUSED)
{
	struct str_buf flood = {0};
	struct fake_client c;
	size_t sent = 0;

	fill_database();
	for (int i = 0; i < 20000; i++)
		str_buf_add(&flood, "GET /api/all-instances HTTP/1.1\r\nHost: a\r\n\r\n");
	fake_wait(&node, "connections to end", no_connection_is_left, NULL);
	fake_client_open(&node, &c, node.client);
	for (int refused = 0; refused < 100 && sent < 100 * flood.len; refused++) {
		ssize_t n = write(c.fd, flood.p, flood.len);
		if (n > 0) {
			sent += (size_t)n;
			refused = 0;
		}
		fake_turn(&node);
	}
	assert_true(sent < 2 * (size_t)(AP_HEADERS_MAX + AP_BODY_MAX) + 1000000);
	str_buf_done(&flood);
	fake_client_close(&c);
	fake_wait(&node, "connections to end", no_connection_is_left, NULL);
}

static void
connections_are_counted(void **state UNUSED)
{
	struct fake_client c[5];
	uint64_t before;

	fake_wait(&node, "connections to end", no_connection_is_left, NULL);
	before = ap_httpd_stats(node.ap->httpd).connections_total;
	for (size_t i = 0; i < ARRAY_LEN(c); i++)
		fake_client_open(&node, &c[i], i == 0 ? node.ctl : node.client);
	assert_int_equal(ap_httpd_stats(node.ap->httpd).connections, ARRAY_LEN(c));
	for (size_t i = 0; i < ARRAY_LEN(c); i++)
		fake_client_close(&c[i]);
	fake_wait(&node, "connections to end", no_connection_is_left, NULL);
	assert_int_equal(ap_httpd_stats(node.ap->httpd).connections_total, before + ARRAY_LEN(c));
}

/* --- limits ---------------------------------------------------------------------------------------------------- */
static void
expect_raw(const char *bytes, const char *status_line)
{
	struct fake_client c;

	fake_client_open(&node, &c, node.client);
	fake_client_send(&node, &c, bytes);
	fake_client_drain(&node, &c);
	if (!str_starts(str_buf_text(&c.in), status_line))
		fail_msg("%.60s: %.60s, expected %s", bytes, str_buf_text(&c.in), status_line);
	fake_client_close(&c);
}

static void
garbage_is_refused(void **state UNUSED)
{
	struct str_buf big = {0};

	expect_raw("GET\r\n\r\n", "HTTP/1.");
	expect_raw("GET /api/lb-check HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n", "HTTP/1.1 400");
	expect_raw("GET /api/lb-check HTTP/1.1\r\nHost : a\r\nConnection: close\r\n\r\n", "HTTP/1.1 400");
	expect_raw("GET /api/lb-check HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
		   "HTTP/1.1 400");
	expect_raw("POST /api/tags HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n", "HTTP/1.1 413");
	str_buf_add(&big, "GET /api/");
	str_buf_pad(&big, 'a', AP_HEADERS_MAX + 100);
	str_buf_add(&big, " HTTP/1.1\r\nHost: a\r\n\r\n");
	expect_raw(str_buf_text(&big), "HTTP/1.1 4");
	str_buf_done(&big);
	expect_answer("BREW /api/lb-check", 404, NOT_FOUND);
	expect_answer("GET /api/lb-check", 200, "\"OK\"");
}

/* --- methods and paths ----------------------------------------------------------------------------------------- */
static void
only_known_methods_and_paths_are_served(void **state UNUSED)
{
	static const char *const missing[] = {
	    "GET /web",
	    "GET /api",
	    "GET /api/",
	    "GET /apiclusters",
	    "GET /api/clusters//",
	    "GET //api/clusters",
	    "GET /health",
	    "GET /api/metrics",
	    "POST /api/clusters",
	    "PUT /api/tag/a/1?tag=x",
	    "DELETE /api/tags",
	    "OPTIONS /api/clusters",
	    "PATCH /api/clusters",
	    "TRACE /api/clusters",
	};

	for (size_t i = 0; i < ARRAY_LEN(missing); i++) {
		struct fake_answer a = fake_request(&node, missing[i]);
		if (a.status != 404 || strcmp(a.body, NOT_FOUND) != 0)
			fail_msg("%s: %d %s", missing[i], a.status, a.body);
		assert_non_null(strstr(a.head, "Content-Type: text/plain; charset=utf-8\r\n"));
		assert_non_null(strstr(a.head, "X-Content-Type-Options: nosniff\r\n"));
		fake_answer_done(&a);
	}
	expect_answer("GET /api/clusters/", 200, "null");
	expect_answer("GET /api/clusters?x=/api/status", 200, "null");
	expect_answer("GET http://elsewhere/api/clusters", 200, "null");
}

static void
a_change_may_be_posted_and_head_changes_nothing(void **state UNUSED)
{
	size_t asked = fake_raftd_asked(&node);

	expect_answer("POST /api/tag/db1/1?tag=x", 200, NULL);
	expect_answer("GET /api/tag/db1/1?tag=x", 200, NULL);
	assert_int_equal(fake_raftd_asked(&node), asked + 2);
	expect_answer("HEAD /api/tag/db1/1?tag=x", 200, "");
	assert_int_equal(fake_raftd_asked(&node), asked + 2);
}

static void
read_only_refuses_what_needs_the_right_to_write(void **state UNUSED)
{
	struct fake_client c;

	start("{\"ReadOnly\":true,\"HTTPAllowGetMutations\":false}");
	expect_answer("POST /api/end-downtime/db1/1", 500,
		      "{\"Code\":\"ERROR\",\"Message\":\"Unauthorized\",\"Details\":null}");
	expect_answer("GET /api/bulk-instances", 500,
		      "{\"Code\":\"ERROR\",\"Message\":\"Unauthorized\",\"Details\":null}");
	expect_answer("GET /api/tag/db1/1?tag=x", 405, NULL);  /* changes by POST only */
	expect_answer("POST /api/tag/db1/1?tag=x", 200, NULL); /* no such right, historically */
	expect_answer("GET /api/clusters", 200, "null");
	/* the control socket is the administrator's */
	fake_client_open(&node, &c, node.ctl);
	fake_client_send(&node, &c, "GET /api/end-downtime/db1/1 HTTP/1.0\r\n\r\n");
	fake_client_drain(&node, &c);
	assert_non_null(strstr(str_buf_text(&c.in), "\"Code\":\"OK\""));
	fake_client_close(&c);
}

static void
the_prefix_stands_before_everything(void **state UNUSED)
{
	start("{\"URLPrefix\":\"orc/x/\"}");
	expect_answer("GET /orc/x/api/clusters", 200, "null");
	expect_answer("GET /orc/x/api/status", 200, NULL);
	expect_answer("GET /orc/x/health/live", 200, "\"OK\"");
	expect_answer("GET /orc/x", 404, NOT_FOUND);
	expect_answer("GET /orc/xapi/clusters", 404, NOT_FOUND);
	expect_answer("GET /api/clusters", 404, NOT_FOUND);
	expect_answer("GET /health/live", 404, NOT_FOUND);
}

static void
a_status_endpoint_of_ones_own_stands_outside_the_prefix(void **state UNUSED)
{
	start("{\"URLPrefix\":\"orc\",\"StatusEndpoint\":\"/my/status\"}");
	expect_answer("GET /my/status", 200, NULL);
	expect_answer("GET /my/status/", 200, NULL);
	expect_answer("GET /my/status/x", 404, NOT_FOUND);
	expect_answer("GET /orc/my/status", 404, NOT_FOUND);
	expect_answer("GET /orc/api/status", 404, NOT_FOUND);
	expect_answer("GET /orc/api/status/", 404, NOT_FOUND);
	expect_answer("GET /orc/api/health", 200, NULL);
}

/* --- the end --------------------------------------------------------------------------------------------------- */
static bool drained;

static void
on_drained(void *ctx UNUSED)
{
	drained = true;
}

static bool
is_drained(struct fake_node *n UNUSED, void *ctx UNUSED)
{
	return drained;
}

static bool
raftd_was_asked(struct fake_node *n, void *ctx UNUSED)
{
	return fake_raftd_asked(n) > 0;
}

static void
what_is_under_way_is_answered_before_the_end(void **state UNUSED)
{
	struct fake_client c;

	start("{}");
	drained = false;
	fake_raftd_mute(&node, true);
	fake_client_open(&node, &c, node.client);
	fake_client_send(&node, &c, "GET /api/tag/db1/1?tag=x HTTP/1.1\r\nHost: x\r\n\r\n");
	fake_wait(&node, "the question", raftd_was_asked, NULL);
	node.ap->stopping = true;
	ap_httpd_drain(node.ap->httpd, 60000, on_drained, NULL);
	for (int i = 0; i < 20; i++)
		fake_turn(&node);
	assert_false(drained);
	fake_raftd_kill(&node);
	fake_client_drain(&node, &c);
	assert_non_null(strstr(str_buf_text(&c.in), "Connection: close"));
	assert_non_null(strstr(str_buf_text(&c.in), "the outcome is unknown"));
	fake_wait(&node, "the end", is_drained, NULL);
	fake_client_close(&c);
}

static void
the_end_does_not_wait_for_ever(void **state UNUSED)
{
	struct fake_client c;

	start("{}");
	drained = false;
	fake_raftd_mute(&node, true);
	fake_client_open(&node, &c, node.client);
	fake_client_send(&node, &c, "GET /api/tag/db1/1?tag=x HTTP/1.1\r\nHost: x\r\n\r\n");
	fake_wait(&node, "the question", raftd_was_asked, NULL);
	ap_httpd_drain(node.ap->httpd, 10, on_drained, NULL);
	fake_wait(&node, "the end", is_drained, NULL);
	assert_int_equal(node.ap->requests_alive, 1);
	fake_client_close(&c);
}

/* Whatever is pending when everything stops: a read, a question, a reload. */
static void
all_that_is_pending_ends_with_the_node(void **state UNUSED)
{
	static const char *const requests[] = {
	    "GET /api/all-instances HTTP/1.1\r\nHost: a\r\n\r\n",
	    "GET /api/tag/db1/1?tag=x HTTP/1.1\r\nHost: a\r\n\r\n", "GET /api/health HTTP/1.1\r\nHost: a\r\n\r\n",
	    "GET /api/reload-configuration?config=never HTTP/1.1\r\nHost: a\r\n\r\n"};
	struct fake_client c[12];

	start("{}");
	fake_raftd_mute(&node, true);
	for (size_t i = 0; i < ARRAY_LEN(c); i++) {
		fake_client_open(&node, &c[i], node.client);
		fake_client_send(&node, &c[i], requests[i % ARRAY_LEN(requests)]);
	}
	for (int i = 0; i < 5; i++)
		fake_turn(&node);
	for (size_t i = 0; i < ARRAY_LEN(c); i++)
		fake_client_close(&c[i]);
	assert_true(node.ap->requests_alive > 0);
}

static void
socket_files_are_replaced_only_when_nobody_serves_them(void **state UNUSED)
{
	struct ap_httpd *second = NULL;
	struct stat st;
	struct err e;

	start("{}");
	assert_int_equal(ap_httpd_start(node.ap, true, &second, &e), -ERR_BUSY);
	expect_answer("GET /api/lb-check", 200, "\"OK\"");
	ap_httpd_stop(node.ap->httpd);
	node.ap->httpd = NULL;
	assert_int_not_equal(stat(node.client, &st), 0); /* removed at the end */
	assert_int_equal(symlink("/nonexistent", node.client), 0);
	assert_int_equal(ap_httpd_start(node.ap, true, &second, &e), -ERR_CONFIG);
	assert_non_null(strstr(e.msg, "another kind of file"));
	assert_int_equal(lstat(node.client, &st), 0); /* left alone */
}

#define STARTS_NODE(test) cmocka_unit_test_setup_teardown(test, NULL, stop)

int
main(void)
{
	const struct CMUnitTest share_a_node[] = {
	    cmocka_unit_test(only_known_methods_and_paths_are_served),
	    cmocka_unit_test(pipelined_requests_are_answered_in_order),
	    cmocka_unit_test(connections_are_counted),
	    cmocka_unit_test(garbage_is_refused),
	    cmocka_unit_test(a_change_may_be_posted_and_head_changes_nothing),
	    cmocka_unit_test(old_and_closing_clients_get_the_whole_answer),
	    cmocka_unit_test(clients_may_leave_at_any_moment),
	    cmocka_unit_test(a_client_that_never_reads_is_not_buffered),
	};
	const struct CMUnitTest start_their_own[] = {
	    STARTS_NODE(read_only_refuses_what_needs_the_right_to_write),
	    STARTS_NODE(the_prefix_stands_before_everything),
	    STARTS_NODE(a_status_endpoint_of_ones_own_stands_outside_the_prefix),
	    STARTS_NODE(what_is_under_way_is_answered_before_the_end),
	    STARTS_NODE(the_end_does_not_wait_for_ever),
	    STARTS_NODE(all_that_is_pending_ends_with_the_node),
	    STARTS_NODE(socket_files_are_replaced_only_when_nobody_serves_them),
	};

	return cmocka_run_group_tests(share_a_node, start_plain, stop) +
	       cmocka_run_group_tests(start_their_own, NULL, NULL);
}
