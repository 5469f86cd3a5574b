/* test_ap_where.c — which node answers, and which headers are passed on: both pure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ap_hop.h"
#include "ap_where.h"

#define LEASE_END 1000
#define OTHER "n2:10008"

/* What raftd says, and what apid makes of it at a given time. */
static void
standing_is_taken_from_the_state_and_the_clock(void **state UNUSED)
{
	struct ipc_state s = {.self = "n1:10008", .leader = "", .leader_uri = ""};
	struct ap_standing x;

	x = ap_standing_of(&s, true, 0); /* nothing was published yet */
	assert_true(x.raft && !x.leads && !x.lease && !x.has_leader && !x.quorum_fresh);
	assert_false(ap_standing_of(&s, false, 0).raft);
	s.seq = 1;
	assert_false(ap_standing_of(&s, true, 0).raft); /* raftd knows better */
	s.raft_enabled = s.is_leader = true;
	s.lease_end_us = s.quorum_until_us = LEASE_END;
	s.leader = "n1:10008";
	s.leader_uri = "http://n1:3000";
	x = ap_standing_of(&s, false, LEASE_END - 1);
	assert_true(x.raft && x.leads && x.lease && x.quorum_fresh && !x.has_leader);
	x = ap_standing_of(&s, false, LEASE_END);
	assert_true(x.leads && !x.lease && !x.quorum_fresh);
	s.is_leader = false;
	assert_false(ap_standing_of(&s, false, 0).lease);
	s.leader = OTHER;
	assert_true(ap_standing_of(&s, false, 0).has_leader);
	s.leader_uri = "https://[::1]:3000";
	assert_true(ap_standing_of(&s, false, 0).has_leader);
	s.leader_uri = "";
	assert_false(ap_standing_of(&s, false, 0).has_leader);
	s.leader_uri = "file:///etc/passwd";
	assert_false(ap_standing_of(&s, false, 0).has_leader);
}

static void
the_place_follows_from_standing_and_errand(void **state UNUSED)
{
	const struct ap_standing alone = {0}, leader = {.raft = true, .leads = true, .lease = true},
				 lapsed = {.raft = true, .leads = true}, follower = {.raft = true, .has_leader = true},
				 lost = {.raft = true};
	const struct ap_errand local = {.where = AP_LOCAL, .changes = true}, read = {.where = AP_PROXIED},
			       change = {.where = AP_PROXIED, .changes = true},
			       relayed_read = {.where = AP_PROXIED, .relayed = true},
			       relayed_change = {.where = AP_PROXIED, .changes = true, .relayed = true},
			       own_read = {.where = AP_PROXIED, .control = true},
			       own_change = {.where = AP_PROXIED, .changes = true, .control = true};
	const struct {
		const struct ap_standing *s;
		const struct ap_errand *what;
		enum ap_place place;
	} cases[] = {
	    {&alone, &read, AP_HERE},
	    {&alone, &change, AP_HERE},
	    {&alone, &relayed_change, AP_HERE},
	    {&leader, &local, AP_HERE},
	    {&leader, &read, AP_HERE},
	    {&leader, &change, AP_HERE},
	    {&leader, &relayed_read, AP_HERE},
	    {&leader, &relayed_change, AP_HERE},
	    {&lapsed, &read, AP_HERE_STALE},
	    {&lapsed, &change, AP_HERE}, /* raftd decides */
	    {&follower, &local, AP_HERE},
	    {&follower, &read, AP_RELAY},
	    {&follower, &change, AP_RELAY},
	    {&follower, &relayed_read, AP_NOT_LEADER},
	    {&follower, &relayed_change, AP_NOT_LEADER},
	    {&follower, &own_read, AP_HERE_STALE},
	    {&follower, &own_change, AP_RELAY},
	    {&lost, &read, AP_HERE_STALE},
	    {&lost, &change, AP_NO_LEADER},
	    {&lost, &relayed_read, AP_NOT_LEADER},
	    {&lost, &own_change, AP_NO_LEADER},
	    {&lost, &local, AP_HERE},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		if (ap_where_to(cases[i].s, cases[i].what) != cases[i].place)
			fail_msg("case %zu: %d, expected %d", i, ap_where_to(cases[i].s, cases[i].what),
				 cases[i].place);
	}
}

static void
hop_by_hop_headers_stay_behind(void **state UNUSED)
{
	static const struct {
		const char *name, *value, *connection;
		bool passes;
	} cases[] = {
	    {"Authorization", "Basic eDp5", NULL, true},
	    {"Cookie", "", "close", true},
	    {"X-Forwarded-User", "alice", "keep-alive", true},
	    {"Content-Type", "text/plain", "", true},
	    {"X-Orchestrator-Raft-Index", "5", NULL, true},
	    {"Set-Cookie", "a\tb", NULL, true},
	    {"connection", "close", NULL, false},
	    {"KEEP-ALIVE", "1", NULL, false},
	    {"Proxy-Connection", "x", NULL, false},
	    {"Proxy-Authorization", "x", NULL, false},
	    {"TE", "trailers", NULL, false},
	    {"Trailer", "x", NULL, false},
	    {"transfer-encoding", "chunked", NULL, false},
	    {"Upgrade", "h2c", NULL, false},
	    {"Expect", "100-continue", NULL, false},
	    {"Host", "a", NULL, false},
	    {"Content-Length", "1", NULL, false},
	    {"Accept-Encoding", "gzip", NULL, true},
	    {"X-Orchestrator-Relayed", "n1", NULL, false},
	    {"X-Orchestrator-Not-Leader", "true", NULL, false},
	    {"X-Orchestrator-Stale", "true", NULL, false},
	    {"X-Secret", "1", "keep-alive, x-secret", false},
	    {"X-Secret", "1", "x-secrets", true},
	    {"X-A", "b\rX-C: d", NULL, false},
	    {"X-A", "b\nX-C: d", NULL, false},
	    {"X-A", "b\x7f", NULL, false},
	    {"X A", "b", NULL, false},
	    {"X-A;", "b", NULL, false},
	    {"", "b", NULL, false},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		if (ap_hop_passes(cases[i].name, cases[i].value, cases[i].connection) != cases[i].passes)
			fail_msg("%s: %s", cases[i].name, cases[i].value);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(standing_is_taken_from_the_state_and_the_clock),
	    cmocka_unit_test(the_place_follows_from_standing_and_errand),
	    cmocka_unit_test(hop_by_hop_headers_stay_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
