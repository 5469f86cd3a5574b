/* Which text format a client gets, and what stands in it. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "ap_metrics.h"

static void
test_choice(void **state UNUSED)
{
	static const struct {
		const char *accept;
		enum ap_metrics_format expect;
	} cases[] = {
	    {NULL, AP_METRICS_OPEN},
	    {"", AP_METRICS_OPEN},
	    {"*/*", AP_METRICS_OPEN},
	    {"application/json", AP_METRICS_OPEN},
	    {"text/plain", AP_METRICS_PLAIN},
	    {"text/plain;version=0.0.4", AP_METRICS_PLAIN},
	    {"text/*", AP_METRICS_PLAIN},
	    {"application/openmetrics-text; version=1.0.0", AP_METRICS_OPEN},
	    {"application/*, text/*;q=0.9", AP_METRICS_OPEN},
	    /* Prometheus 2.42 and 2.53, and one that was told to prefer the older format */
	    {"application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
	     "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
	     AP_METRICS_OPEN},
	    {"application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,"
	     "text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
	     AP_METRICS_OPEN},
	    {"text/plain;version=0.0.4;q=0.5,application/openmetrics-text;version=1.0.0;q=0.4,*/*;q=0.2",
	     AP_METRICS_PLAIN},
	    {"text/plain;version=0.0.4;q=1,*/*;q=0.1", AP_METRICS_PLAIN},
	    {"text/plain;q=0, */*;q=0.1", AP_METRICS_OPEN}, /* what is named counts, not the range it lies in */
	    {"TEXT/PLAIN ; Q=0.5", AP_METRICS_PLAIN},
	    {"application/openmetrics-text;q=2, text/plain;q=0.9", AP_METRICS_OPEN},
	    {",,;q=,text/plain;q=x", AP_METRICS_PLAIN},
	    {"text/plainer", AP_METRICS_OPEN},
	};
	char endless[5000];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		if (ap_metrics_choose(cases[i].accept) != cases[i].expect)
			fail_msg("%s", cases[i].accept);
	}
	memset(endless, 'x', sizeof(endless));
	memcpy(endless + sizeof(endless) - 12, ",text/plain", 12);
	assert_int_equal(ap_metrics_choose(endless), AP_METRICS_PLAIN);
	assert_non_null(strstr(ap_metrics_content_type(AP_METRICS_PLAIN), "text/plain; version=0.0.4"));
}

static const struct ipc_metric figures[] = {
    {"audit.write", 12, true},
    {"no.such.figure", 1, true},
    {"raft.lease_ms_left", 350, false},
    {"raft.cache_bytes", INFINITY, false},
};
static const struct ipc_metric *const list[] = {&figures[0], &figures[1], &figures[2], &figures[3]};

static void
expect(enum ap_metrics_format format, const char *text)
{
	struct str_buf b = {0};

	ap_metrics_put(&b, format, list, ARRAY_LEN(list));
	assert_string_equal(str_buf_text(&b), text);
	str_buf_done(&b);
}

static void
test_open(void **state UNUSED)
{
	expect(AP_METRICS_OPEN, "# TYPE orchestrator_build info\n"
				"# HELP orchestrator_build Always 1, with the version of this node.\n"
				"orchestrator_build_info{version=\"" ORC_VERSION "\"} 1\n"
				"# TYPE orchestrator_audit_write counter\n"
				"# HELP orchestrator_audit_write Audit entries written.\n"
				"orchestrator_audit_write_total 12\n"
				"# TYPE orchestrator_raft_lease_left_seconds gauge\n"
				"# UNIT orchestrator_raft_lease_left_seconds seconds\n"
				"# HELP orchestrator_raft_lease_left_seconds How long this node leads yet without "
				"hearing of others.\n"
				"orchestrator_raft_lease_left_seconds 0.35\n"
				"# TYPE orchestrator_raft_cache_bytes gauge\n"
				"# UNIT orchestrator_raft_cache_bytes bytes\n"
				"# HELP orchestrator_raft_cache_bytes Entries of the log kept in memory.\n"
				"orchestrator_raft_cache_bytes 0\n"
				"# EOF\n");
}

static void
test_plain(void **state UNUSED)
{
	expect(AP_METRICS_PLAIN, "# TYPE orchestrator_build_info gauge\n"
				 "# HELP orchestrator_build_info Always 1, with the version of this node.\n"
				 "orchestrator_build_info{version=\"" ORC_VERSION "\"} 1\n"
				 "# TYPE orchestrator_audit_write_total counter\n"
				 "# HELP orchestrator_audit_write_total Audit entries written.\n"
				 "orchestrator_audit_write_total 12\n"
				 "# TYPE orchestrator_raft_lease_left_seconds gauge\n"
				 "# HELP orchestrator_raft_lease_left_seconds How long this node leads yet without "
				 "hearing of others.\n"
				 "orchestrator_raft_lease_left_seconds 0.35\n"
				 "# TYPE orchestrator_raft_cache_bytes gauge\n"
				 "# HELP orchestrator_raft_cache_bytes Entries of the log kept in memory.\n"
				 "orchestrator_raft_cache_bytes 0\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_choice),
	    cmocka_unit_test(test_open),
	    cmocka_unit_test(test_plain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
