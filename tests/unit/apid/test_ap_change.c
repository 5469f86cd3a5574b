/* test_ap_change.c — what raftd is asked for each changing route, what the client is told, and what happens when raftd
 * is away; with apid in this process. Texts: http-api.md sections 3, 9, 10. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ap_raftd.h"
#include "fake_node.h"

static struct fake_node node;

static int
start(void **state UNUSED)
{
	fake_node_start(&node, "{}");
	fake_sql(&node, "INSERT INTO database_instance (hostname, port) VALUES ('db1.example.net', 3306);\n"
			"INSERT INTO hostname_resolve (hostname, resolved_hostname) VALUES ('vip', 'db1.example.net')");
	return 0;
}

static int
stop(void **state UNUSED)
{
	fake_node_stop(&node);
	return 0;
}

static int
reset(void **state UNUSED)
{
	fake_raftd_mute(&node, false);
	fake_raftd_reply(&node, 0, "");
	return 0;
}

#define OK(message, details) "{\"Code\":\"OK\",\"Message\":\"" message "\",\"Details\":" details "}"
#define ERROR(message, details) "{\"Code\":\"ERROR\",\"Message\":\"" message "\",\"Details\":" details "}"
#define KEY(host) "{\"Hostname\":\"" host "\",\"Port\":3306}"

static void
expect_answer(const char *request, const char *body)
{
	struct fake_answer a = fake_request(&node, request);

	if (strcmp(a.body, body) != 0)
		fail_msg("%s: %d %s, expected %s", request, a.status, a.body, body);
	assert_int_equal(a.status, str_starts(body, "{\"Code\":\"OK\"") ? 200 : 500);
	fake_answer_done(&a);
}

/* --- what is asked --------------------------------------------------------------------------------------------- */
static void
raftd_is_asked_for_changes(void **state UNUSED)
{
	static const struct {
		const char *request, *asked, *body;
	} cases[] = {
	    {"GET /api/begin-downtime/db1.example.net/3306/me/why",
	     "BEGIN_DOWNTIME user= key=db1.example.net:3306 owner=me reason=why duration_s=0",
	     OK("Instance downtimed: db1.example.net:3306", KEY("db1.example.net"))},
	    {"GET /api/begin-downtime/db1/3306/me/a%20%22b%22/2h%0A",
	     "BEGIN_DOWNTIME user= key=db1.example.net:3306 owner=me reason=a \"b\" duration_s=7200",
	     OK("Instance downtimed: db1.example.net:3306", KEY("db1.example.net"))},
	    {"POST /api/begin-downtime/db1/3306?owner=me&reason=a/b+c&duration=1w",
	     "BEGIN_DOWNTIME user= key=db1.example.net:3306 owner=me reason=a/b c duration_s=604800",
	     OK("Instance downtimed: db1.example.net:3306", KEY("db1.example.net"))},
	    {"GET /api/end-downtime/vip/3306%0A/", "END_DOWNTIME user= key=db1.example.net:3306",
	     OK("Instance downtime ended: db1.example.net:3306", KEY("db1.example.net"))},
	    {"GET /api/end-downtime/other/3306", "END_DOWNTIME user= key=other:3306",
	     OK("Instance downtime ended: other:3306", KEY("other"))},
	    {"GET /api/register-candidate/db1/3306/prefer_not",
	     "REGISTER_CANDIDATE user= key=db1.example.net:3306 promotion_rule=prefer_not",
	     OK("Registered candidate", KEY("db1.example.net"))},
	    {"GET /api/tag/db1/3306?tag=x", "PUT_TAG user= key=db1.example.net:3306 tag_name=x tag_value=",
	     OK("db1.example.net:3306 tagged with x=", KEY("db1.example.net"))},
	    {"GET /api/tag/db1/3306?tag=%20x%3D1%3D2%0A",
	     "PUT_TAG user= key=db1.example.net:3306 tag_name=x tag_value=1=2",
	     OK("db1.example.net:3306 tagged with x=1=2", KEY("db1.example.net"))},
	    {"GET /api/tag/db1/3306/x/y?flag&tag=", "PUT_TAG user= key=db1.example.net:3306 tag_name=x tag_value=y",
	     OK("db1.example.net:3306 tagged with x=y", KEY("db1.example.net"))},
	    {"GET /api/untag/db1/3306?tag=x",
	     "DELETE_TAG user= key=db1.example.net:3306 tag_name=x has_value=false tag_value=",
	     OK("x removed from 1 instances", "[" KEY("db1.example.net") "]")},
	    {"GET /api/untag/db1/3306?tag=x=",
	     "DELETE_TAG user= key=db1.example.net:3306 tag_name=x has_value=true tag_value=",
	     OK("x removed from 1 instances", "[" KEY("db1.example.net") "]")},
	    {"GET /api/untag/db1/3306/x",
	     "DELETE_TAG user= key=db1.example.net:3306 tag_name=x has_value=false tag_value=",
	     OK("x removed from 1 instances", "[" KEY("db1.example.net") "]")},
	    {"GET /api/forget/db1/3306", "FORGET user= key=db1:3306", /* the name as given */
	     OK("Instance forgotten: db1:3306", KEY("db1"))},
	    {"GET /api/refresh/db1/3306", "DISCOVER user= key=db1.example.net:3306 mode=0",
	     OK("Instance refreshed: db1.example.net:3306", KEY("db1.example.net"))},
	    {"GET /api/begin-maintenance/db1/3306/me/why%0A",
	     "BEGIN_MAINTENANCE user= key=db1.example.net:3306 owner=me reason=why duration_s=0",
	     OK("Maintenance begun: db1.example.net:3306", KEY("db1.example.net"))},
	    {"GET /api/end-maintenance/db1/3306", "END_MAINTENANCE user= key=db1.example.net:3306 maintenance_id=0",
	     OK("Maintenance ended: db1.example.net:3306", KEY("db1.example.net"))},
	    {"GET /api/end-maintenance/17", "END_MAINTENANCE user= key=:0 maintenance_id=17",
	     OK("Maintenance ended: 17", "17")},
	    {"GET /api/submit-pool-instances/p1?instances=db1:3306,%20other%0A",
	     "SUBMIT_POOL user= pool=p1 keys=db1.example.net:3306,other:3306",
	     OK("Applied p1 pool instances", "\"p1\"")},
	    {"GET /api/submit-pool-instances/p1",
	     "SUBMIT_POOL user= pool=p1 keys=", OK("Applied p1 pool instances", "\"p1\"")},
	    {"GET /api/register-hostname-unresolve/db1/3306/vip.example",
	     "REGISTER_HOSTNAME_UNRESOLVE user= key=db1.example.net:3306 unresolved_hostname=vip.example",
	     OK("Registered hostname unresolve", KEY("db1.example.net"))},
	    {"GET /api/deregister-hostname-unresolve/db1/3306",
	     "DEREGISTER_HOSTNAME_UNRESOLVE user= key=db1.example.net:3306",
	     OK("Deregistered hostname unresolve", KEY("db1.example.net"))},
	    {"GET /api/set-cluster-alias/db1:3306?alias=shop%0A",
	     "SET_CLUSTER_ALIAS user= cluster_name=db1:3306 alias=shop",
	     OK("Cluster db1:3306 now has alias 'shop'", "null")},
	    {"GET /api/disable-global-recoveries", "SET_GLOBAL_RECOVERIES user= enabled=false",
	     OK("Globally disabled recoveries", "\"disabled\"")},
	    {"GET /api/enable-global-recoveries", "SET_GLOBAL_RECOVERIES user= enabled=true",
	     OK("Enabled recoveries globally", "\"enabled\"")},
	    {"GET /api/reelect", "STEP_DOWN user=", OK("Set re-elections", "null")},
	    {"GET /api/grab-election", "GRAB_ELECTION user=", OK("Node elected as active", "null")},
	    {"GET /api/async-discover/new/3306", "DISCOVER user= key=new:3306 mode=2",
	     OK("Asynchronous discovery initiated for Instance: new:3306", "null")},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		expect_answer(cases[i].request, cases[i].body);
		assert_string_equal(fake_raftd_last(&node), cases[i].asked);
	}
}

/* The played raftd promotes the candidate, or nobody. */
static void
raftd_is_asked_for_recoveries(void **state UNUSED)
{
	static const struct {
		const char *request, *asked, *body;
	} cases[] = {
	    {"GET /api/recover/db1/3306",
	     "key=db1.example.net:3306 candidate=:0 skip_hooks=false dry_run=false deadline_us=",
	     ERROR("Recovery attempted but no instance promoted: ", KEY("db1.example.net"))},
	    {"POST /api/recover/vip/3306/db2/3306?skipProcesses=true",
	     "key=db1.example.net:3306 candidate=db2:3306 skip_hooks=true dry_run=false deadline_us=",
	     OK("Recovery executed on db1.example.net:3306", KEY("db2"))},
	    {"GET /api/recover-lite/db1/3306/db2/3306%0A",
	     "key=db1.example.net:3306 candidate=db2:3306 skip_hooks=true dry_run=false deadline_us=",
	     OK("Recovery executed on db1.example.net:3306", KEY("db2"))},
	    {"GET /api/recover-lite/db1/3306?dry-run=true",
	     "key=db1.example.net:3306 candidate=:0 skip_hooks=true dry_run=true deadline_us=",
	     OK("Dry run: nothing was changed", "[]")},
	    {"GET /api/abort-recovery/u1",
	     "ABORT_RECOVERY user=" FAKE_HOSTNAME " recovery_uid=u1 deadline_us=", OK("Recovery aborted: ", "\"u1\"")},
	    {"GET /api/recovery-input/u1?beginning=true", "RECOVERY_INPUT recovery_uid=u1 beginning=true",
	     OK("Input of the recovery", "[]")},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		expect_answer(cases[i].request, cases[i].body);
		if (strstr(fake_raftd_last(&node), cases[i].asked) == NULL)
			fail_msg("%s: asked %s", cases[i].request, fake_raftd_last(&node));
	}
}

static void
discover_shows_the_live_instance(void **state UNUSED)
{
	struct fake_answer a = fake_request(&node, "GET /api/discover/db1/3306");

	assert_string_equal(fake_raftd_last(&node), "DISCOVER user= key=db1.example.net:3306 mode=1");
	assert_true(str_starts(a.body, "{\"Code\":\"OK\",\"Message\":\"Instance discovered: db1.example.net:3306\","
				       "\"Details\":{\"Key\":" KEY("db1.example.net") ",\"InstanceAlias\":\"\""));
	assert_true(str_ends(a.body, ",\"QSP\":{}}}"));
	fake_answer_done(&a);
}

/* --- what is refused ------------------------------------------------------------------------------------------- */
static void
nonsense_is_refused_before_raftd_is_asked(void **state UNUSED)
{
	static const struct {
		const char *request, *part; /* of the body */
	} cases[] = {
	    {"GET /api/begin-downtime/db1/3306/me/why/1y", "\"Details\":" KEY("db1.example.net") "}"},
	    {"GET /api/begin-downtime/db1/3306?owner=me", "needs an owner and a reason"},
	    {"GET /api/begin-downtime/db1/3306/%20/why", "needs an owner and a reason"},
	    {"GET /api/end-downtime/db1/x", "Invalid instance key: db1:x"},
	    {"GET /api/end-downtime/db1/70000", "Invalid instance key"},
	    {"GET /api/end-downtime/%20/3306", "Invalid instance key"},
	    {"GET /api/forget/db1/-1", "Invalid instance key"},
	    {"GET /api/register-candidate/db1/3306/must", "Supported: prefer, neutral, prefer_not, must_not"},
	    {"GET /api/tag/db1/3306", "tag"},
	    {"GET /api/tag/db1/3306?tag=%20", "tag"},
	    {"GET /api/tag/db1/3306?tag=~x", "only be searched for"},
	    {"GET /api/untag/db1/3306?tag=!x", "only be searched for"},
	    {"GET /api/begin-maintenance/db1/3306/%20/why", "needs an owner and a reason"},
	    {"GET /api/end-maintenance/x", "maintenance key"},
	    {"GET /api/end-maintenance/0", "maintenance key"},
	    {"GET /api/submit-pool-instances/p1?instances=db1:x", "db1:x"},
	    {"GET /api/raft-add-peer/n2", "not running with raft setup"},
	    {"GET /api/relocate/a/1/b/2", "does not serve this route yet"},
	};
	size_t asked = fake_raftd_asked(&node);

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct fake_answer a = fake_request(&node, cases[i].request);
		if (a.status != 500 || strstr(a.body, cases[i].part) == NULL)
			fail_msg("%s: %d %s", cases[i].request, a.status, a.body);
		fake_answer_done(&a);
	}
	assert_int_equal(fake_raftd_asked(&node), asked);
}

static void
what_raftd_refuses_is_told(void **state UNUSED)
{
	fake_raftd_reply(&node, -ERR_NOT_FOUND, "no such \"server\"");
	expect_answer("GET /api/forget/zz/3306", ERROR("no such \\\"server\\\"", "null"));
	expect_answer("GET /api/end-downtime/zz/3306", ERROR("no such \\\"server\\\"", "null"));
	expect_answer("GET /api/untag/zz/3306?tag=t", ERROR("no such \\\"server\\\"", "null"));
	expect_answer("GET /api/begin-downtime/zz/3306/me/why", ERROR("no such \\\"server\\\"", KEY("zz")));
	expect_answer("GET /api/discover/zz/3306", ERROR("no such \\\"server\\\"", "null"));
	expect_answer("GET /api/begin-maintenance/zz/3306/me/why", ERROR("no such \\\"server\\\"", "0"));
	expect_answer("GET /api/submit-pool-instances/p", ERROR("no such \\\"server\\\"", "null"));
	expect_answer("GET /api/recover/zz/3306", ERROR("Recovery not attempted", KEY("zz")));
	expect_answer("GET /api/recover/zz/3306?dry-run=true", ERROR("no such \\\"server\\\"", "null"));
	expect_answer("GET /api/abort-recovery/u1", ERROR("no such \\\"server\\\"", "null"));
	fake_raftd_reply(&node, -ERR_BUSY, "one runs");
	expect_answer("GET /api/recover-lite/zz/3306", ERROR("Recovery not attempted: one runs", KEY("zz")));
	fake_raftd_reply(&node, -ERR_TIMEOUT, "it runs still");
	expect_answer("GET /api/recover/zz/3306", ERROR("it runs still", KEY("zz")));
}

/* --- raftd is away --------------------------------------------------------------------------------------------- */
struct sent {
	size_t before;
};

static bool
was_asked(struct fake_node *n, void *ctx)
{
	return fake_raftd_asked(n) > ((struct sent *)ctx)->before;
}

static void
begin(struct fake_client *c, const char *path)
{
	struct str_buf text = {0};

	str_buf_printf(&text, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", path);
	fake_client_open(&node, c, node.client);
	fake_client_send(&node, c, str_buf_text(&text));
	str_buf_done(&text);
}

static void
end(struct fake_client *c, const char *part)
{
	fake_client_drain(&node, c);
	if (strstr(str_buf_text(&c->in), part) == NULL)
		fail_msg("%s, expected %s", str_buf_text(&c->in), part);
	fake_client_close(c);
}

static void
an_unanswered_change_has_an_unknown_outcome(void **state UNUSED)
{
	struct sent sent = {fake_raftd_asked(&node)};
	struct fake_client c;

	fake_raftd_mute(&node, true);
	begin(&c, "/api/tag/db1/3306?tag=x");
	fake_wait(&node, "the question", was_asked, &sent);
	fake_clock_shift(60 * CLK_S);
	end(&c, "no answer from raftd in time; the outcome is unknown");
}

/* Ten minutes, whatever changes take otherwise. */
static void
a_recovery_is_waited_for(void **state UNUSED)
{
	struct sent sent = {fake_raftd_asked(&node)};
	struct fake_client c;

	fake_raftd_mute(&node, true);
	begin(&c, "/api/recover/db1/3306");
	fake_wait(&node, "the question", was_asked, &sent);
	fake_clock_shift(500 * CLK_S);
	for (int i = 0; i < 20; i++)
		fake_turn(&node);
	assert_int_equal(c.in.len, 0);
	fake_clock_shift(100 * CLK_S);
	end(&c, "no answer from raftd in time; the outcome is unknown");
}

static void
a_change_that_raftd_died_over_has_an_unknown_outcome(void **state UNUSED)
{
	struct sent sent = {fake_raftd_asked(&node)};
	struct fake_client c;

	fake_raftd_mute(&node, true);
	begin(&c, "/api/tag/db1/3306?tag=x");
	fake_wait(&node, "the question", was_asked, &sent);
	fake_raftd_kill(&node);
	end(&c, "the outcome is unknown");
	fake_raftd_restart(&node);
}

static void
a_change_waits_for_the_next_raftd(void **state UNUSED)
{
	struct fake_client c;

	fake_raftd_kill(&node);
	begin(&c, "/api/tag/db1/3306?tag=x");
	for (int i = 0; i < 20; i++)
		fake_turn(&node);
	assert_int_equal(c.in.len, 0);
	fake_raftd_restart(&node);
	end(&c, "tagged with x=");
}

static void
a_change_does_not_wait_for_ever(void **state UNUSED)
{
	struct fake_client c;

	fake_raftd_kill(&node);
	begin(&c, "/api/tag/db1/3306?tag=x");
	for (int i = 0; i < 20; i++)
		fake_turn(&node);
	fake_clock_shift(60 * CLK_S);
	end(&c, "raftd of this node is not running; nothing was changed");
	fake_raftd_restart(&node);
}

/* --- leadership and health ------------------------------------------------------------------------------------- */
static void
expect_status(const char *request, int status, const char *body)
{
	struct fake_answer a = fake_request(&node, request);

	if (a.status != status || strcmp(a.body, body) != 0)
		fail_msg("%s: %d %s, expected %d %s", request, a.status, a.body, status, body);
	fake_answer_done(&a);
}

static bool
raftd_is_up(struct fake_node *n, void *ctx UNUSED)
{
	return ap_raftd_is_up(n->ap);
}

static void
leadership_ends_with_the_lease(void **state UNUSED)
{
	fake_wait(&node, "the link to raftd", raftd_is_up, NULL);
	fake_raftd_publish(&node, true, true);
	expect_status("GET /api/leader-check", 200, "\"OK\"");
	expect_status("GET /api/routed-leader-check", 200, "\"OK\"");
	expect_status("GET /health/leader", 200, "\"OK\"");
	expect_status("GET /health/ready", 200, "\"OK\"");
	fake_clock_shift(3601 * CLK_S);
	expect_status("GET /api/leader-check", 404, "\"Not leader\"");
	expect_status("GET /api/leader-check/503", 503, "\"Not leader\"");
	expect_status("GET /api/leader-check/204", 204, "");
	expect_status("GET /api/leader-check/x", 404, "\"Not leader\"");
	expect_status("GET /api/leader-check/-1", 404, "\"Not leader\"");
	expect_status("GET /api/leader-check/100", 404, "\"Not leader\""); /* would be no answer at all */
	expect_status("GET /api/leader-check/1000", 404, "\"Not leader\"");
	expect_status("GET /health/leader", 503, "\"Not leader\"");
	fake_raftd_publish(&node, true, false);
	expect_status("GET /health/ready", 503, "\"the backend cannot be written\"");
	fake_raftd_kill(&node);
	expect_status("GET /api/leader-check", 404, "\"Not leader\"");
	expect_status("GET /health/ready", 503, "\"raftd is not running\"");
	expect_status("GET /health/live", 200, "\"OK\"");
	fake_raftd_restart(&node);
}

/* One question a second; a failure stays a failure for that second (historically it became a success). */
static void
health_is_asked_once_a_second(void **state UNUSED)
{
	size_t asked = fake_raftd_asked(&node);
	struct fake_answer a, b;

	fake_clock_shift(2 * CLK_S);
	fake_raftd_reply(&node, -ERR_DB_FULL, "disk full");
	a = fake_request(&node, "GET /api/health");
	b = fake_request(&node, "GET /api/status/");
	assert_int_equal(fake_raftd_asked(&node), asked + 1);
	assert_int_equal(a.status, 500);
	assert_int_equal(b.status, 500);
	assert_string_equal(a.body, b.body);
	assert_true(str_starts(a.body, "{\"Code\":\"ERROR\",\"Message\":\"Application node is unhealthy: disk full\","
				       "\"Details\":{\"Healthy\":false,"));
	assert_non_null(strstr(a.body, "\"Error\":{},"));
	fake_answer_done(&a);
	fake_answer_done(&b);
	fake_raftd_reply(&node, 0, "");
	fake_clock_shift(2 * CLK_S);
	a = fake_request(&node, "GET /api/health");
	assert_int_equal(a.status, 200);
	assert_int_equal(fake_raftd_asked(&node), asked + 2);
	fake_answer_done(&a);
}

static void
reloads_are_the_supervisors_to_judge(void **state UNUSED)
{
	expect_answer("GET /api/reload-configuration", OK("Config reloaded", "\"\""));
	expect_answer("GET /api/reload-configuration?config=/x/y.json", OK("Config reloaded", "\"/x/y.json\""));
	expect_answer("GET /api/reload-configuration?config=bad", ERROR("bad: line 1: no", "null"));
}

#define TEST(name) cmocka_unit_test_setup(name, reset)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(raftd_is_asked_for_changes),
	    TEST(raftd_is_asked_for_recoveries),
	    TEST(discover_shows_the_live_instance),
	    TEST(nonsense_is_refused_before_raftd_is_asked),
	    TEST(what_raftd_refuses_is_told),
	    TEST(an_unanswered_change_has_an_unknown_outcome),
	    TEST(a_recovery_is_waited_for),
	    TEST(a_change_that_raftd_died_over_has_an_unknown_outcome),
	    TEST(a_change_waits_for_the_next_raftd),
	    TEST(a_change_does_not_wait_for_ever),
	    TEST(leadership_ends_with_the_lease),
	    TEST(health_is_asked_once_a_second),
	    TEST(reloads_are_the_supervisors_to_judge),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
