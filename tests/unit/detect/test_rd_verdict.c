/* test_rd_verdict.c — what voters say, merged. Each rule in both directions: a wrong "dead" is the worst bug there is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "rd_verdict.h"
#include "vote_world.h"

struct vote {
	struct rd_ballot ballots[WORLD_VOTERS];
	struct rd_facts facts[WORLD_VOTERS];
	struct rd_replica_fact replicas[WORLD_VOTERS][WORLD_REPLICAS];
	struct rd_testimony testimonies[WORLD_REPLICAS];
	struct rd_case c;
	struct rd_finding f;
};

static void
hold(struct vote *v, const struct world_said *said, size_t n_voters, size_t n_replicas)
{
	*v = (struct vote){0};
	for (size_t i = 0; i < n_voters; i++) {
		v->ballots[i] = (struct rd_ballot){.voter = world_voters[i], .received = at(0)};
		if (said[i].sight == NOT_A_WORD)
			continue;
		world_say(&said[i], n_replicas, v->replicas[i], &v->facts[i]);
		v->ballots[i].facts = &v->facts[i];
	}
	for (size_t i = 0; i < n_replicas; i++)
		v->testimonies[i].key = &world_replicas[i];
	v->c = (struct rd_case){.server = &world_server,
				.server_uuid = "uuid-1",
				.self = world_voters[0],
				.answered = at(-700),
				.ballots = v->ballots,
				.n_ballots = n_voters,
				.replicas = v->testimonies,
				.n_replicas = n_replicas};
	rd_judge(&v->c, &v->f);
}

struct row {
	const char *what;
	size_t n_voters, n_replicas;
	struct world_said said[WORLD_VOTERS];
	enum rd_verdict verdict;
	const char *cause;
};

static void
check(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct vote v;
		hold(&v, rows[i].said, rows[i].n_voters, rows[i].n_replicas);
		if (v.f.verdict != rows[i].verdict)
			fail_msg("%s: %s", rows[i].what, rd_verdict_name(v.f.verdict));
		if (rows[i].cause != NULL)
			assert_string_equal(v.f.cause, rows[i].cause);
		assert_int_equal(v.f.failed + v.f.answered + v.f.unclear, rows[i].n_voters);
	}
}

static const struct row of_voters[] = {
    {"all refused", 3, 1, {{REFUSED, {LOST}}, {REFUSED, {LOST}}, {REFUSED, {LOST}}}, RD_VERDICT_DEAD, "refused"},
    {"all timed out",
     3,
     1,
     {{TIMED_OUT, {LOST}}, {TIMED_OUT, {LOST}}, {TIMED_OUT, {LOST}}},
     RD_VERDICT_DEAD,
     "timed out"},
    {"of different kinds", 3, 1, {{RESET, {LOST}}, {UNREACHABLE, {LOST}}, {TIMED_OUT, {LOST}}}, RD_VERDICT_DEAD, NULL},
    {"one node is down", 3, 1, {{REFUSED, {LOST}}, {REFUSED, {LOST}}, {NOT_A_WORD}}, RD_VERDICT_DEAD, NULL},
    {"two nodes are down", 3, 1, {{REFUSED, {LOST}}, {NOT_A_WORD}, {NOT_A_WORD}}, RD_VERDICT_NO_QUORUM, NULL},
    {"one does not know", 3, 1, {{REFUSED, {LOST}}, {REFUSED, {LOST}}, {UNRESOLVED, {LOST}}}, RD_VERDICT_DEAD, NULL},
    {"two do not know",
     3,
     1,
     {{REFUSED, {LOST}}, {UNRESOLVED, {LOST}}, {UNPROBED, {LOST}}},
     RD_VERDICT_NO_QUORUM,
     NULL},
    {"refused once is not enough",
     3,
     1,
     {{REFUSED, {LOST}}, {REFUSED_ONCE, {LOST}}, {REFUSED_ONCE, {LOST}}},
     RD_VERDICT_NO_QUORUM,
     NULL},
    {"the leader does not know, the others do",
     3,
     1,
     {{UNPROBED, {LOST}}, {REFUSED, {LOST}}, {REFUSED, {LOST}}},
     RD_VERDICT_DEAD,
     NULL},
    {"half of four",
     4,
     1,
     {{REFUSED, {LOST}}, {REFUSED, {LOST}}, {NOT_A_WORD}, {NOT_A_WORD}},
     RD_VERDICT_NO_QUORUM,
     NULL},
    {"three of four",
     4,
     1,
     {{REFUSED, {LOST}}, {REFUSED, {LOST}}, {REFUSED, {LOST}}, {NOT_A_WORD}},
     RD_VERDICT_DEAD,
     NULL},
    {"two of five",
     5,
     1,
     {{REFUSED, {LOST}}, {REFUSED, {LOST}}, {NOT_A_WORD}, {NOT_A_WORD}, {NOT_A_WORD}},
     RD_VERDICT_NO_QUORUM,
     NULL},
    {"three of five",
     5,
     1,
     {{REFUSED, {LOST}}, {REFUSED, {LOST}}, {REFUSED, {LOST}}, {NOT_A_WORD}, {NOT_A_WORD}},
     RD_VERDICT_DEAD,
     NULL},
    {"two nodes need both", 2, 1, {{REFUSED, {LOST}}, {NOT_A_WORD}}, RD_VERDICT_NO_QUORUM, NULL},
    {"alone", 1, 1, {{REFUSED, {LOST}}}, RD_VERDICT_DEAD, NULL},
    {"nobody has said anything", 3, 1, {{NOT_A_WORD}, {NOT_A_WORD}, {NOT_A_WORD}}, RD_VERDICT_NO_QUORUM, NULL},

    {"one voter reaches it",
     5,
     1,
     {{REFUSED, {LOST}}, {REFUSED, {LOST}}, {REFUSED, {LOST}}, {REFUSED, {LOST}}, {ANSWERED, {LOST}}},
     RD_VERDICT_ALIVE,
     ""},
    {"only the leader cannot",
     3,
     1,
     {{TIMED_OUT, {LOST}}, {ANSWERED, {LOST}}, {ANSWERED, {LOST}}},
     RD_VERDICT_OWN_NETWORK,
     ""},
    {"only the leader cannot, one is down",
     3,
     1,
     {{TIMED_OUT, {LOST}}, {ANSWERED, {LOST}}, {NOT_A_WORD}},
     RD_VERDICT_OWN_NETWORK,
     ""},
    {"a minority with the leader cannot",
     5,
     1,
     {{TIMED_OUT, {LOST}}, {TIMED_OUT, {LOST}}, {ANSWERED, {LOST}}, {ANSWERED, {LOST}}, {ANSWERED, {LOST}}},
     RD_VERDICT_ALIVE,
     ""},
    {"only a follower cannot",
     3,
     1,
     {{ANSWERED, {LOST}}, {TIMED_OUT, {LOST}}, {ANSWERED, {LOST}}},
     RD_VERDICT_ALIVE,
     ""},
    {"full for everybody",
     3,
     1,
     {{FULL, {SAYS_FULL}}, {FULL, {SAYS_FULL}}, {FULL, {SAYS_FULL}}},
     RD_VERDICT_ALIVE,
     "too many connections"},
    {"full for one, refused by others",
     3,
     1,
     {{REFUSED, {LOST}}, {REFUSED, {LOST}}, {FULL, {LOST}}},
     RD_VERDICT_ALIVE,
     "too many connections"},
    {"the account's password expired",
     3,
     1,
     {{EXPIRED, {QUIET}}, {EXPIRED, {QUIET}}, {EXPIRED, {QUIET}}},
     RD_VERDICT_ALIVE,
     "password must be changed"},
    {"stalled", 3, 1, {{STALLED, {QUIET}}, {STALLED, {QUIET}}, {STALLED, {QUIET}}}, RD_VERDICT_ALIVE, "stalled"},
};

static void
voters_decide_whether_it_can_be_reached(void **state UNUSED)
{
	check(of_voters, ARRAY_LEN(of_voters));
}

#define ALL(sight, ...)                                         \
	{                                                       \
		{sight, {__VA_ARGS__}}, {sight, {__VA_ARGS__}}, \
		{                                               \
			sight,                                  \
			{                                       \
				__VA_ARGS__                     \
			}                                       \
		}                                               \
	}

static const struct row of_replicas[] = {
    {"no replicas", 3, 0, ALL(REFUSED), RD_VERDICT_DEAD, NULL},
    {"none can be read", 3, 2, ALL(TIMED_OUT, UNREAD, UNREAD), RD_VERDICT_DEAD, NULL},
    {"one hears it", 3, 3, ALL(TIMED_OUT, LOST, LOST, HEARS), RD_VERDICT_HEARD, NULL},
    {"one hears it although refused: shutting down, or a firewall", 3, 3, ALL(REFUSED, LOST, LOST, HEARS),
     RD_VERDICT_HEARD, NULL},
    {"one whose applier is stopped hears it", 3, 2, ALL(TIMED_OUT, LOST, HEARS_NO_SQL), RD_VERDICT_HEARD, NULL},
    {"one is told that it is full", 3, 2, ALL(TIMED_OUT, LOST, SAYS_FULL), RD_VERDICT_HEARD, NULL},
    {"one hears another source", 3, 2, ALL(TIMED_OUT, LOST, MOVED), RD_VERDICT_DEAD, NULL},
    {"one knows the server by another name", 3, 2, ALL(TIMED_OUT, LOST, RENAMED), RD_VERDICT_HEARD, NULL},
    {"all are connected and silent", 3, 2, ALL(TIMED_OUT, QUIET, QUIET), RD_VERDICT_TEST, NULL},
    {"one is connected and silent", 3, 2, ALL(TIMED_OUT, LOST, QUIET), RD_VERDICT_TEST, NULL},
    {"refused, all silent: orderly shutdown, or a firewall", 3, 2, ALL(REFUSED, QUIET, QUIET), RD_VERDICT_TEST, NULL},
    {"all were broken before", 3, 2, ALL(TIMED_OUT, LONG_LOST, LONG_LOST), RD_VERDICT_TEST, NULL},
    {"nobody knows since when they are broken", 3, 2, ALL(TIMED_OUT, NEVER_SEEN, NEVER_SEEN), RD_VERDICT_TEST, NULL},
    {"lost during the vote", 3, 2, ALL(TIMED_OUT, JUST_LOST, JUST_LOST), RD_VERDICT_DEAD, NULL},
    {"all were stopped by somebody", 3, 2, ALL(TIMED_OUT, STOPPED, STOPPED), RD_VERDICT_DEAD, NULL},
    {"one cannot be tested", 3, 2, ALL(TIMED_OUT, LOST, QUIET_NO_SQL), RD_VERDICT_UNTESTED, NULL},
    {"none can be tested: appliers stopped, receivers run", 3, 2, ALL(TIMED_OUT, QUIET_NO_SQL, QUIET_NO_SQL),
     RD_VERDICT_UNTESTED, NULL},
    {"refused, none can be tested", 3, 2, ALL(REFUSED, QUIET_NO_SQL, QUIET_NO_SQL), RD_VERDICT_UNTESTED, NULL},
    {"refused, one cannot be tested, another lost it", 3, 2, ALL(REFUSED, LOST, QUIET_NO_SQL), RD_VERDICT_DEAD, NULL},
    {"the applier of the one that lost it is stopped", 3, 2, ALL(REFUSED, LOST_NO_SQL, QUIET_NO_SQL), RD_VERDICT_DEAD,
     NULL},
    {"those that can be tested come first", 3, 2, ALL(TIMED_OUT, QUIET, QUIET_NO_SQL), RD_VERDICT_TEST, NULL},
    {"replicas alone fail", 3, 2, ALL(ANSWERED, LOST, LOST), RD_VERDICT_ALIVE, NULL},
    {"appliers stopped, receivers run", 3, 2, ALL(ANSWERED, QUIET_NO_SQL, QUIET_NO_SQL), RD_VERDICT_ALIVE, NULL},

    {"one timed out, so it is not refused by all",
     3,
     2,
     {{REFUSED, {LOST, QUIET_NO_SQL}}, {REFUSED, {LOST, QUIET_NO_SQL}}, {TIMED_OUT, {LOST, QUIET_NO_SQL}}},
     RD_VERDICT_UNTESTED,
     NULL},
    {"only one voter can read the one that hears it",
     3,
     2,
     {{TIMED_OUT, {LOST, UNREAD}}, {TIMED_OUT, {LOST, UNREAD}}, {TIMED_OUT, {LOST, HEARS}}},
     RD_VERDICT_HEARD,
     NULL},
    {"also when that voter does not know the server",
     3,
     2,
     {{TIMED_OUT, {LOST, UNREAD}}, {TIMED_OUT, {LOST, UNREAD}}, {UNRESOLVED, {LOST, HEARS}}},
     RD_VERDICT_HEARD,
     NULL},
    {"one voter has just started, another knows how long it is broken",
     3,
     1,
     {{TIMED_OUT, {NEVER_SEEN}}, {TIMED_OUT, {LONG_LOST}}, {TIMED_OUT, {NEVER_SEEN}}},
     RD_VERDICT_TEST,
     NULL},
    {"one voter has just started, another saw it connected",
     3,
     1,
     {{TIMED_OUT, {NEVER_SEEN}}, {TIMED_OUT, {LOST}}, {TIMED_OUT, {NEVER_SEEN}}},
     RD_VERDICT_DEAD,
     NULL},
};

static void
replicas_can_object(void **state UNUSED)
{
	check(of_replicas, ARRAY_LEN(of_replicas));
}

/* The freshest reading counts, whoever made it. */
static void
the_freshest_view_of_a_replica_counts(void **state UNUSED)
{
	static const struct world_said said[] = {{TIMED_OUT, {QUIET}}, {TIMED_OUT, {LOST}}, {TIMED_OUT, {UNREAD}}};
	struct vote v;

	hold(&v, said, 3, 1);
	v.replicas[0][0].read_age_us = 50 * CLK_MS;
	rd_judge(&v.c, &v.f);
	assert_int_equal(v.f.verdict, RD_VERDICT_DEAD);
	assert_string_equal(v.testimonies[0].reader, world_voters[1]);
	v.replicas[0][0].read_age_us = CLK_MS;
	rd_judge(&v.c, &v.f);
	assert_int_equal(v.f.verdict, RD_VERDICT_TEST);
	assert_string_equal(v.testimonies[0].reader, world_voters[0]);
	v.ballots[0].received = at(-300); /* its age is of that time */
	rd_judge(&v.c, &v.f);
	assert_int_equal(v.f.verdict, RD_VERDICT_DEAD);
}

/* It was re-pointed to this server after another voter had read it. */
static void
what_it_heard_of_another_source_is_no_life(void **state UNUSED)
{
	static const struct world_said said[] = {{TIMED_OUT, {MOVED}}, {TIMED_OUT, {LOST}}, {TIMED_OUT, {UNREAD}}};
	struct vote v;

	hold(&v, said, 3, 1);
	v.replicas[0][0].read_age_us = 50 * CLK_MS;
	rd_judge(&v.c, &v.f);
	assert_int_equal(v.f.verdict, RD_VERDICT_DEAD);
}

/* "Lost since" is judged against the newest answer to anybody. */
static void
an_answer_to_another_voter_makes_old_what_a_replica_says(void **state UNUSED)
{
	static const struct world_said said[] = {{TIMED_OUT, {LOST}}, {TIMED_OUT, {LOST}}, {TIMED_OUT, {LOST}}};
	struct vote v;

	hold(&v, said, 3, 1);
	assert_int_equal(v.f.verdict, RD_VERDICT_DEAD);
	v.facts[2].answered_age_us = 99 * CLK_MS; /* they lost it 100 ms ago */
	rd_judge(&v.c, &v.f);
	assert_int_equal(v.f.verdict, RD_VERDICT_TEST);
	v.facts[2].answered_age_us = RD_VOTE_NEVER;
	v.c.answered = at(-99);
	rd_judge(&v.c, &v.f);
	assert_int_equal(v.f.verdict, RD_VERDICT_TEST);
	v.c.answered = (struct mono){0};
	rd_judge(&v.c, &v.f);
	assert_int_equal(v.f.verdict, RD_VERDICT_DEAD);
}

static void
tests_of_receivers_settle_it(void **state UNUSED)
{
	static const struct world_said said[] = ALL(TIMED_OUT, QUIET, QUIET);
	static const struct world_said refused[] = ALL(REFUSED, QUIET, QUIET);
	static const struct {
		const char *what;
		enum rd_word a, b;
		bool no_test_a, no_test_b;
		enum rd_verdict verdict, if_refused;
	} cases[] = {
	    {"both in vain", RD_WORD_DEAD, RD_WORD_DEAD, false, false, RD_VERDICT_DEAD, RD_VERDICT_DEAD},
	    {"one connected", RD_WORD_DEAD, RD_WORD_ALIVE, false, false, RD_VERDICT_HEARD, RD_VERDICT_HEARD},
	    {"one is still to be told", RD_WORD_DEAD, RD_WORD_UNREAD, false, false, RD_VERDICT_TEST, RD_VERDICT_TEST},
	    {"one could not be restarted", RD_WORD_DEAD, RD_WORD_UNREAD, false, true, RD_VERDICT_UNTESTED,
	     RD_VERDICT_DEAD},
	    {"none could be restarted", RD_WORD_UNREAD, RD_WORD_UNREAD, true, true, RD_VERDICT_UNTESTED,
	     RD_VERDICT_UNTESTED},
	    {"one has an error of its own", RD_WORD_DEAD, RD_WORD_MUTE, false, false, RD_VERDICT_DEAD, RD_VERDICT_DEAD},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		for (int r = 0; r < 2; r++) {
			struct vote v;
			hold(&v, r ? refused : said, 3, 2);
			v.testimonies[0].tested = cases[i].a;
			v.testimonies[1].tested = cases[i].b;
			v.testimonies[0].no_test = cases[i].no_test_a;
			v.testimonies[1].no_test = cases[i].no_test_b;
			rd_judge(&v.c, &v.f);
			if (v.f.verdict != (r ? cases[i].if_refused : cases[i].verdict))
				fail_msg("%s: %s", cases[i].what, rd_verdict_name(v.f.verdict));
		}
	}
}

static void
a_finding_says_who(void **state UNUSED)
{
	static const struct world_said heard[] = ALL(TIMED_OUT, LOST, HEARS);
	static const struct world_said alive[] = {{TIMED_OUT, {LOST}}, {NOT_A_WORD}, {ANSWERED, {LOST}}};
	struct vote v;

	hold(&v, heard, 3, 2);
	assert_ptr_equal(v.f.replica, &world_replicas[1]);
	assert_int_equal(v.f.needed, 2);
	assert_int_equal(v.f.failed, 3);
	hold(&v, alive, 3, 1);
	assert_string_equal(v.f.witness, world_voters[2]);
	assert_string_equal(rd_verdict_name(v.f.verdict), "OWN_NETWORK");
	assert_string_equal(rd_verdict_name(RD_VERDICT_COUNT), "unknown");
}

/* --- the code of the merged view -------------------------------------------------------------------------------------- */
static void
analyse(struct vote *v, size_t n, struct topo_analysis *ret, struct mem_arena *arena)
{
	static struct topo_instance rows[WORLD_REPLICAS + 1];
	static struct topo_analysed list[WORLD_REPLICAS + 1];
	const struct topo_analysed *replicas[WORLD_REPLICAS] = {0};
	struct topo_analysis_rules rules = {
	    .now = {5000 * CLK_S}, .poll_s = 5, .reasonable_check_s = 1, .reasonable_lag_s = 10};

	for (size_t i = 0; i <= n; i++) { /* as the leader last saw them: well */
		rec_init(&topo_instance_desc, &rows[i]);
		rows[i].key = i == n ? world_server : world_replicas[i];
		rows[i].last_seen_us = rows[i].last_checked_us = rows[i].last_attempted_us = rules.now.us - CLK_S;
		rows[i].io_running = rows[i].sql_running = i < n;
		rows[i].source_key = i < n ? world_server : (struct topo_key){"", 0};
		list[i].inst = &rows[i];
		if (i < n)
			replicas[i] = &list[i];
	}
	rd_judge_analysis(&v->c, &list[n], replicas, &rules, arena, ret);
}

static void
the_merged_view_gives_the_code(void **state UNUSED)
{
	static const struct {
		size_t n_replicas;
		struct world_said said[3];
		enum topo_code code;
		uint64_t n, n_valid, n_failing;
	} cases[] = {
	    {0, ALL(REFUSED), TOPO_DEAD_PRIMARY_WITHOUT_REPLICAS, 0, 0, 0},
	    {2, ALL(REFUSED, LOST, LOST), TOPO_DEAD_PRIMARY, 2, 2, 2},
	    {2, ALL(REFUSED, LOST, UNREAD), TOPO_DEAD_PRIMARY_AND_SOME_REPLICAS, 2, 1, 1},
	    {2, ALL(REFUSED, UNREAD, UNREAD), TOPO_DEAD_PRIMARY_AND_REPLICAS, 2, 0, 0},
	    {2, ALL(REFUSED, LOST, STOPPED), TOPO_DEAD_PRIMARY, 2, 2, 1},
	    {2, ALL(REFUSED, LOST, QUIET_NO_SQL), TOPO_DEAD_PRIMARY, 2, 2, 1},
	    {2, ALL(TIMED_OUT, LOST, HEARS), TOPO_UNREACHABLE_PRIMARY, 2, 2, 1},
	    {2, ALL(REFUSED, LOST, MOVED), TOPO_DEAD_PRIMARY, 1, 1, 1},
	    {2,
	     {{REFUSED, {UNREAD, LOST}}, {REFUSED, {LOST, UNREAD}}, {NOT_A_WORD}},
	     TOPO_DEAD_PRIMARY, /* together they can read both */
	     2,
	     2,
	     2},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct mem_arena arena = {0};
		struct topo_analysis a;
		struct vote v;
		hold(&v, cases[i].said, 3, cases[i].n_replicas);
		analyse(&v, cases[i].n_replicas, &a, &arena);
		if ((enum topo_code)a.code != cases[i].code)
			fail_msg("case %zu: %s", i, a.analysis);
		assert_int_equal(a.n_replicas, cases[i].n);
		assert_int_equal(a.n_valid, cases[i].n_valid);
		assert_int_equal(a.n_failing, cases[i].n_failing);
		assert_int_equal(rd_code_is_dead((enum topo_code)a.code), cases[i].code != TOPO_UNREACHABLE_PRIMARY);
		mem_arena_done(&arena);
	}
	assert_false(rd_code_is_dead(TOPO_NO_PROBLEM));
}

/* Refused by all, another replica lost it: one whose restart failed does not count as replicating because it says Yes. */
static void
a_replica_that_could_not_be_tested_is_not_replicating(void **state UNUSED)
{
	static const struct world_said said[] = ALL(REFUSED, LOST, QUIET);
	struct mem_arena arena = {0};
	struct topo_analysis a;
	struct vote v;

	hold(&v, said, 3, 2);
	v.testimonies[1].no_test = true;
	rd_judge(&v.c, &v.f);
	assert_int_equal(v.f.verdict, RD_VERDICT_DEAD);
	analyse(&v, 2, &a, &arena);
	assert_string_equal(a.analysis, "DeadMaster");
	mem_arena_done(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(voters_decide_whether_it_can_be_reached),
	    cmocka_unit_test(replicas_can_object),
	    cmocka_unit_test(the_freshest_view_of_a_replica_counts),
	    cmocka_unit_test(what_it_heard_of_another_source_is_no_life),
	    cmocka_unit_test(an_answer_to_another_voter_makes_old_what_a_replica_says),
	    cmocka_unit_test(tests_of_receivers_settle_it),
	    cmocka_unit_test(a_finding_says_who),
	    cmocka_unit_test(the_merged_view_gives_the_code),
	    cmocka_unit_test(a_replica_that_could_not_be_tested_is_not_replicating),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
