/* test_rd_voter.c — which probes a voter makes, when it answers, and with what; virtual time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "rd_voter.h"
#include "vote_world.h"

#define WAIT_MS 1600

static struct rd_voter *
asked(size_t n_replicas, bool last_is_valid)
{
	struct rd_suspect_replica replicas[WORLD_REPLICAS];
	struct rd_suspect_msg q = {
	    .id = 7, .ask = 3, .key = world_server, .wait_us = WAIT_MS * CLK_MS, .replicas = {replicas, n_replicas}};

	for (size_t i = 0; i < n_replicas; i++)
		replicas[i] = (struct rd_suspect_replica){world_replicas[i], i + 1 < n_replicas || last_is_valid};
	return rd_voter_new(&q, at(0));
}

/* "s12" for the server and two replicas, in the order given out. */
static const char *
probes(struct rd_voter *v, int64_t ms)
{
	static char text[16];
	const struct topo_key *k;
	size_t n = 0;

	while ((k = rd_voter_next(v, at(ms))) != NULL) {
		assert_true(n < sizeof(text) - 1);
		text[n++] = k->hostname[0] == 's' ? 's' : k->hostname[1];
	}
	text[n] = '\0';
	return text;
}

static void
server(struct rd_voter *v, uint64_t evidence, int64_t began, int64_t ended)
{
	struct rd_attempt a = {.evidence = evidence, .began = at(began), .ended = at(ended)};

	rd_voter_server(v, &a);
}

struct memory {
	struct rd_heard heard;
};

static void
replica(struct rd_voter *v, size_t i, struct memory *memory, int64_t ms, enum topo_thread io, int64_t pos)
{
	struct rd_reading r = {
	    .at = at(ms), .io = io, .sql_running = true, .heartbeats = -1, .received = (uint64_t)pos};
	struct rd_voter_reading told = {&r, &memory->heard, &world_server, "uuid-1"};

	(void)rd_heard_note(&memory->heard, &r);
	rd_voter_replica(v, &world_replicas[i], &told);
}

static struct rd_facts
facts(struct rd_voter *v, int64_t ms)
{
	struct rd_facts f;

	rd_voter_facts(v, at(-500), at(ms), (struct wall){99}, &f);
	return f;
}

static enum rd_reach
reach(const struct rd_facts *f)
{
	return rd_reach_judge(f->evidence, f->failed, f->span_us, f->longest_us);
}

static void
an_answer_is_told_at_once(void **state UNUSED)
{
	struct rd_voter *v = asked(2, true);
	struct rd_facts f;

	assert_string_equal(probes(v, 0), "s12");
	assert_string_equal(probes(v, 0), "");
	assert_false(rd_voter_is_done(v, at(1)));
	server(v, TOPO_EVIDENCE_ANSWERED, 0, 2);
	assert_true(rd_voter_is_done(v, at(2)));
	f = facts(v, 2);
	assert_int_equal(reach(&f), RD_REACH_ANSWERED);
	assert_int_equal(f.id, 7);
	assert_int_equal(f.ask, 3);
	assert_int_equal(f.at_us, 99);
	assert_int_equal(f.answered_age_us, 502 * CLK_MS);
	rd_voter_free(v);
}

static void
a_refusal_is_tried_again_after_150_ms(void **state UNUSED)
{
	struct rd_voter *v = asked(1, true);
	struct memory m = {0};
	struct rd_facts f;

	assert_string_equal(probes(v, 0), "s1");
	server(v, TOPO_EVIDENCE_REFUSED, 0, 2);
	replica(v, 0, &m, 3, YES, 100);
	assert_int_equal(rd_voter_due(v).us, at(152).us);
	assert_string_equal(probes(v, 151), "");
	assert_string_equal(probes(v, 152), "s");
	assert_string_equal(probes(v, 153), "1");
	server(v, TOPO_EVIDENCE_REFUSED, 152, 154);
	assert_false(rd_voter_is_done(v, at(154))); /* the replica is being read */
	replica(v, 0, &m, 156, CONNECTING, 100);
	assert_true(rd_voter_is_done(v, at(156)));
	f = facts(v, 160);
	assert_int_equal(reach(&f), RD_REACH_FAILED);
	assert_int_equal(f.failed, 2);
	assert_int_equal(f.replicas.n, 1);
	assert_true(f.replicas.v[0].read && f.replicas.v[0].turned && f.replicas.v[0].witnessed);
	assert_false(f.replicas.v[0].heard);
	assert_int_equal(f.replicas.v[0].io_state, CONNECTING);
	assert_int_equal(f.replicas.v[0].read_age_us, 4 * CLK_MS);
	assert_int_equal(f.replicas.v[0].since_age_us, 4 * CLK_MS);
	assert_string_equal(f.replicas.v[0].source_key.hostname, world_server.hostname);
	assert_string_equal(f.replicas.v[0].source_uuid, "uuid-1");
	rd_voter_free(v);
}

static void
a_server_that_comes_back_in_between_answers(void **state UNUSED)
{
	struct rd_voter *v = asked(0, true);
	struct rd_facts f;

	assert_string_equal(probes(v, 0), "s");
	server(v, TOPO_EVIDENCE_REFUSED, 0, 2);
	assert_string_equal(probes(v, 152), "s");
	server(v, TOPO_EVIDENCE_ANSWERED, 152, 153);
	assert_true(rd_voter_is_done(v, at(153)));
	f = facts(v, 153);
	assert_int_equal(reach(&f), RD_REACH_ANSWERED);
	rd_voter_free(v);
}

static void
silence_takes_one_probe(void **state UNUSED)
{
	struct rd_voter *v = asked(1, true);
	struct memory m = {0};
	struct rd_facts f;

	assert_string_equal(probes(v, 0), "s1");
	replica(v, 0, &m, 2, YES, 100);
	assert_string_equal(probes(v, 152), "1");
	replica(v, 0, &m, 155, YES, 101);
	assert_string_equal(probes(v, 1000), "");
	assert_int_equal(rd_voter_due(v).us, at(WAIT_MS).us);
	server(v, TOPO_EVIDENCE_TIMED_OUT, 0, 1100);
	assert_true(rd_voter_is_done(v, at(1100)));
	f = facts(v, 1100);
	assert_int_equal(reach(&f), RD_REACH_FAILED);
	assert_true(f.replicas.v[0].heard);
	rd_voter_free(v);
}

/* What was received before the vote is no life now. */
static void
only_what_comes_in_during_the_vote_is_heard(void **state UNUSED)
{
	struct rd_voter *v = asked(1, true);
	struct memory m = {0};
	struct rd_reading before = {.at = at(-4000), .io = YES, .heartbeats = -1, .received = 50};
	struct rd_facts f;

	(void)rd_heard_note(&m.heard, &before);
	assert_string_equal(probes(v, 0), "s1");
	replica(v, 0, &m, 2, YES, 100); /* moved since the last poll */
	assert_string_equal(probes(v, 152), "1");
	replica(v, 0, &m, 155, YES, 100);
	f = facts(v, 200);
	assert_false(f.replicas.v[0].heard);
	rd_voter_free(v);
}

static void
it_waits_for_replicas_that_were_well_only(void **state UNUSED)
{
	struct rd_voter *v = asked(2, false);
	struct memory m = {0};
	struct rd_facts f;

	assert_string_equal(probes(v, 0), "s12");
	server(v, TOPO_EVIDENCE_REFUSED, 0, 1);
	replica(v, 0, &m, 2, CONNECTING, 100);
	assert_string_equal(probes(v, 160), "s");
	server(v, TOPO_EVIDENCE_REFUSED, 160, 161);
	assert_true(rd_voter_is_done(v, at(161))); /* the second has been down for a day */
	f = facts(v, 161);
	assert_int_equal(f.replicas.n, 2);
	assert_false(f.replicas.v[1].read);
	rd_voter_free(v);
}

static void
a_replica_that_could_not_be_read_is_tried_once_more(void **state UNUSED)
{
	struct rd_voter *v = asked(1, true);
	struct memory m = {0};
	struct rd_facts f;

	assert_string_equal(probes(v, 0), "s1");
	server(v, TOPO_EVIDENCE_REFUSED, 0, 1);
	rd_voter_unread(v, &world_replicas[0], TOPO_EVIDENCE_RESET, at(1));
	assert_string_equal(probes(v, 151), "s1");
	server(v, TOPO_EVIDENCE_REFUSED, 151, 152);
	assert_false(rd_voter_is_done(v, at(152)));
	replica(v, 0, &m, 153, YES, 100);
	assert_true(rd_voter_is_done(v, at(153)));
	f = facts(v, 153);
	assert_true(f.replicas.v[0].read);
	assert_false(f.replicas.v[0].witnessed);
	rd_voter_free(v);
}

static void
a_reading_is_kept_when_the_next_one_fails(void **state UNUSED)
{
	struct rd_voter *v = asked(1, true);
	struct memory m = {0};
	struct rd_facts f;

	assert_string_equal(probes(v, 0), "s1");
	replica(v, 0, &m, 2, YES, 100);
	assert_string_equal(probes(v, 152), "1");
	rd_voter_unread(v, &world_replicas[0], TOPO_EVIDENCE_TIMED_OUT, at(900));
	f = facts(v, 1000);
	assert_true(f.replicas.v[0].read);
	assert_int_equal(f.replicas.v[0].read_age_us, 998 * CLK_MS);
	assert_int_equal(f.replicas.v[0].evidence, TOPO_EVIDENCE_ANSWERED);
	rd_voter_free(v);
}

/* The leader does not wait for ever: what is not known by then is not said. */
static void
at_the_deadline_it_says_what_it_knows(void **state UNUSED)
{
	struct rd_voter *v = asked(1, true);
	struct rd_facts f;

	assert_string_equal(probes(v, 0), "s1");
	assert_false(rd_voter_is_done(v, at(WAIT_MS - 1)));
	assert_true(rd_voter_is_done(v, at(WAIT_MS)));
	f = facts(v, WAIT_MS);
	assert_int_equal(reach(&f), RD_REACH_UNKNOWN);
	assert_false(f.replicas.v[0].read);
	rd_voter_free(v);
}

static void
names_that_do_not_resolve_are_tried_a_few_times(void **state UNUSED)
{
	struct rd_voter *v = asked(0, true);
	struct rd_facts f;
	int64_t ms = 0;
	int n = 0;

	while (!rd_voter_is_done(v, at(ms))) {
		assert_string_equal(probes(v, ms), "s");
		server(v, TOPO_EVIDENCE_UNRESOLVED, ms, ms);
		ms += 150;
		n++;
	}
	assert_int_equal(n, RD_VOTER_TRIES_MAX);
	f = facts(v, ms);
	assert_int_equal(reach(&f), RD_REACH_UNKNOWN);
	assert_int_equal(f.unclear, TOPO_EVIDENCE_UNRESOLVED);
	rd_voter_free(v);
}

/* Results of probes that this vote did not ask for don't belong to it. */
static void
what_was_not_asked_for_does_not_count(void **state UNUSED)
{
	struct rd_voter *v = asked(1, true);
	struct memory m = {0};
	struct rd_facts f;

	server(v, TOPO_EVIDENCE_REFUSED, -300, 0);
	replica(v, 0, &m, 0, YES, 100);
	assert_string_equal(probes(v, 0), "s1");
	server(v, TOPO_EVIDENCE_REFUSED, 0, 160);
	assert_false(rd_voter_is_done(v, at(160)));
	server(v, TOPO_EVIDENCE_REFUSED, 0, 320);
	rd_voter_unread(v, &(struct topo_key){"stranger", 1}, TOPO_EVIDENCE_RESET, at(161));
	f = facts(v, 320);
	assert_int_equal(f.failed, 1);
	assert_false(f.replicas.v[0].read);
	assert_true(rd_voter_is_server(v, &world_server));
	assert_false(rd_voter_is_server(v, &world_replicas[0]));
	rd_voter_free(v);
	rd_voter_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_answer_is_told_at_once),
	    cmocka_unit_test(a_refusal_is_tried_again_after_150_ms),
	    cmocka_unit_test(a_server_that_comes_back_in_between_answers),
	    cmocka_unit_test(silence_takes_one_probe),
	    cmocka_unit_test(only_what_comes_in_during_the_vote_is_heard),
	    cmocka_unit_test(it_waits_for_replicas_that_were_well_only),
	    cmocka_unit_test(a_replica_that_could_not_be_read_is_tried_once_more),
	    cmocka_unit_test(a_reading_is_kept_when_the_next_one_fails),
	    cmocka_unit_test(at_the_deadline_it_says_what_it_knows),
	    cmocka_unit_test(names_that_do_not_resolve_are_tried_a_few_times),
	    cmocka_unit_test(what_was_not_asked_for_does_not_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
