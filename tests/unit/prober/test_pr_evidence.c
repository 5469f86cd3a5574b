/* Evidence classes: design.md section 6, failover-timing.md sections 1 and 2. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "pr_evidence.h"

static void
test_classes(void **state UNUSED)
{
	static const struct {
		const char *what;
		struct pr_failure f;
		enum topo_evidence expect;
	} cases[] = {
	    {"nothing known", {0}, TOPO_EVIDENCE_NONE},
	    {"cancelled by us after a greeting", {.cancelled = true, .greeted = true}, TOPO_EVIDENCE_NONE},
	    {"too many connections", {.err_no = 1040}, TOPO_EVIDENCE_ANSWERED},
	    {"access denied", {.err_no = 1045}, TOPO_EVIDENCE_ANSWERED},
	    {"host blocked", {.err_no = 1129}, TOPO_EVIDENCE_ANSWERED},
	    {"too many connections of the user", {.err_no = 1226}, TOPO_EVIDENCE_ANSWERED},
	    {"password expired", {.err_no = 1820}, TOPO_EVIDENCE_ANSWERED},
	    {"TLS demanded", {.err_no = 3159}, TOPO_EVIDENCE_ANSWERED},
	    {"error of MariaDB", {.err_no = 4166}, TOPO_EVIDENCE_ANSWERED},
	    {"refused", {.err_no = 2002, .sys_errno = ECONNREFUSED}, TOPO_EVIDENCE_REFUSED},
	    {"reset before the greeting", {.err_no = 2013, .sys_errno = ECONNRESET}, TOPO_EVIDENCE_RESET},
	    {"closed before the greeting", {.err_no = 2013, .closed = true}, TOPO_EVIDENCE_RESET},
	    {"broken pipe", {.err_no = 2006, .sys_errno = EPIPE}, TOPO_EVIDENCE_RESET},
	    {"no greeting in time",
	     {.err_no = 2013, .timed_out = true, .sys_errno = ETIMEDOUT},
	     TOPO_EVIDENCE_TIMED_OUT},
	    {"greeted, then hung in the TLS handshake",
	     {.err_no = 2026, .timed_out = true, .greeted = true},
	     TOPO_EVIDENCE_ANSWERED},
	    {"TLS refused by us", {.err_no = 2026, .greeted = true}, TOPO_EVIDENCE_ANSWERED},
	    {"kernel gave up", {.err_no = 2002, .sys_errno = ETIMEDOUT}, TOPO_EVIDENCE_TIMED_OUT},
	    {"ARP failed", {.err_no = 2002, .sys_errno = EHOSTUNREACH}, TOPO_EVIDENCE_UNREACHABLE},
	    {"no route", {.err_no = 2002, .sys_errno = ENETUNREACH}, TOPO_EVIDENCE_UNREACHABLE},
	    {"no such name", {.err_no = 2005}, TOPO_EVIDENCE_UNRESOLVED},
	    {"no such name in time", {.err_no = 2005, .timed_out = true}, TOPO_EVIDENCE_UNRESOLVED},
	    {"out of file descriptors: our own trouble", {.err_no = 2002, .sys_errno = EMFILE}, TOPO_EVIDENCE_NONE},
	    {"out of local ports: our own trouble", {.err_no = 2002, .sys_errno = EADDRNOTAVAIL}, TOPO_EVIDENCE_NONE},
	    {"missing plugin: our own trouble, but it greeted",
	     {.err_no = 2059, .greeted = true},
	     TOPO_EVIDENCE_ANSWERED},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		if (pr_evidence(&cases[i].f) != cases[i].expect)
			fail_msg("%s: %s", cases[i].what, topo_evidence_text(pr_evidence(&cases[i].f)));
	}
}

static void
test_texts_of_the_client_library(void **state UNUSED)
{
	assert_int_equal(pr_evidence_errno_of_text("Can't connect to server on 'db(1)' (111)"), 111);
	assert_int_equal(pr_evidence_errno_of_text("Can't connect"), 0);
	assert_int_equal(pr_evidence_errno_of_text("odd (11x)"), 0);
	assert_int_equal(pr_evidence_errno_of_text("odd (-3)"), 0);
	assert_int_equal(pr_evidence_hidden_error("Received error packet before completion of TLS handshake. The "
						  "authenticity of the following error cannot be verified: 1040 - Too "
						  "many connections"),
			 1040);
	assert_int_equal(pr_evidence_hidden_error("cannot be verified: 2013 - forged"), 0);
	assert_int_equal(pr_evidence_hidden_error("Access denied"), 0);
}

static void
test_numbers(void **state UNUSED)
{
	assert_true(pr_errno_wants_tls(3159));
	assert_true(pr_errno_wants_tls(1045));
	assert_false(pr_errno_wants_tls(1040));
	assert_true(pr_errno_is_denied(1698));
	assert_true(pr_errno_is_clients(2013));
	assert_true(pr_errno_is_clients(5014));
	assert_false(pr_errno_is_clients(1045));
	assert_false(pr_errno_is_clients(3159));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_classes),
	    cmocka_unit_test(test_texts_of_the_client_library),
	    cmocka_unit_test(test_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
