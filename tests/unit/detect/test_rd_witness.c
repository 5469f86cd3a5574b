/* test_rd_witness.c — what replicas say of their source: tables in both directions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "rd_witness.h"

#define YES TOPO_THREAD_RUNNING
#define NO TOPO_THREAD_STOPPED
#define CONNECTING TOPO_THREAD_OTHER

static struct mono
at(int64_t ms)
{
	return (struct mono){1000 * CLK_S + ms * CLK_MS};
}

/* --- readings -------------------------------------------------------------------------------------------------------- */
static struct rd_reading
reading(int64_t ms, enum topo_thread io, int64_t number, int64_t beats, int64_t pos)
{
	return (struct rd_reading){
	    .at = at(ms), .io = io, .io_errno = number, .heartbeats = beats, .received = (uint64_t)pos};
}

static void
what_comes_in_between_two_readings_is_heard(void **state UNUSED)
{
	static const struct {
		const char *what;
		struct {
			enum topo_thread io;
			int64_t number, beats, pos;
		} a, b;
		enum rd_news news;
	} cases[] = {
	    {"nothing", {YES, 0, 5, 100}, {YES, 0, 5, 100}, RD_NO_NEWS},
	    {"a heartbeat", {YES, 0, 5, 100}, {YES, 0, 6, 100}, RD_HEARD},
	    {"an event", {YES, 0, 5, 100}, {YES, 0, 5, 101}, RD_HEARD},
	    {"an event, no counter", {YES, 0, -1, 100}, {YES, 0, -1, 101}, RD_HEARD},
	    {"nothing, no counter", {YES, 0, -1, 100}, {YES, 0, -1, 100}, RD_NO_NEWS},
	    {"the counter was reset", {YES, 0, 5, 100}, {YES, 0, 0, 100}, RD_NO_NEWS},
	    {"the counter appears", {YES, 0, -1, 100}, {YES, 0, 4, 100}, RD_NO_NEWS},
	    {"it lost its source", {YES, 0, 5, 100}, {CONNECTING, 0, 5, 100}, RD_TURNED},
	    {"after the last bytes", {YES, 0, 5, 100}, {CONNECTING, 2003, 6, 120}, RD_TURNED},
	    {"it met an error", {CONNECTING, 0, 5, 100}, {CONNECTING, 2003, 5, 100}, RD_TURNED},
	    {"it connected", {CONNECTING, 2003, 5, 100}, {YES, 0, 0, 100}, RD_TURNED},
	    {"broken, positions differ", {CONNECTING, 0, 5, 100}, {CONNECTING, 0, 5, 200}, RD_NO_NEWS},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct rd_reading a = reading(0, cases[i].a.io, cases[i].a.number, cases[i].a.beats, cases[i].a.pos);
		struct rd_reading b = reading(9, cases[i].b.io, cases[i].b.number, cases[i].b.beats, cases[i].b.pos);
		struct rd_heard h = {0};
		if (rd_heard_note(&h, &a) != RD_NO_NEWS || h.witnessed)
			fail_msg("%s: the first reading is no news", cases[i].what);
		if (rd_heard_note(&h, &b) != cases[i].news)
			fail_msg("%s", cases[i].what);
		assert_int_equal(h.since.us, cases[i].news == RD_TURNED ? at(9).us : at(0).us);
		assert_int_equal(h.witnessed, cases[i].news == RD_TURNED);
	}
}

static void
positions_make_the_difference(void **state UNUSED)
{
	struct topo_probe p = {.gtid_io_pos = "0-1-5", .heartbeats_received = -1};
	struct rd_reading a, b;

	p.inst.read_coord = (struct topo_coord){"bin.000001", 100, 0};
	p.inst.io_thread_state = YES;
	a = rd_reading_of(&p, at(0));
	b = rd_reading_of(&p, at(1));
	assert_int_equal(a.received, b.received);
	p.inst.read_coord.log_pos = 101;
	b = rd_reading_of(&p, at(1));
	assert_int_not_equal(a.received, b.received);
	p.inst.read_coord.log_pos = 100;
	p.gtid_io_pos = "0-1-6";
	b = rd_reading_of(&p, at(1));
	assert_int_not_equal(a.received, b.received);
	p.gtid_io_pos = NULL;
	p.inst.read_coord.log_file = NULL; /* never of a server, but nothing breaks */
	(void)rd_reading_of(&p, at(1));
}

/* --- words ----------------------------------------------------------------------------------------------------------- */
static void
a_replica_speaks_with_fresh_evidence_only(void **state UNUSED)
{
	/* the source answered last at 100; since: when the present state was first read */
	static const struct {
		const char *what;
		struct rd_sight v;
		int64_t since;
		enum rd_word word;
	} cases[] = {
	    {"not read", {.read = false, .follows = true, .io = CONNECTING}, 200, RD_WORD_UNREAD},
	    {"it follows another", {.read = true, .io = CONNECTING, .witnessed = true}, 200, RD_WORD_ELSEWHERE},
	    {"no replica any more", {.read = true, .follows = true, .io = TOPO_THREAD_NONE}, 200, RD_WORD_ELSEWHERE},
	    {"hears it", {.read = true, .follows = true, .io = YES, .heard = true}, 0, RD_WORD_ALIVE},
	    {"heard it, lost it",
	     {.read = true, .follows = true, .io = CONNECTING, .heard = true, .witnessed = true},
	     200,
	     RD_WORD_ALIVE},
	    {"Yes is no word", {.read = true, .follows = true, .io = YES}, 0, RD_WORD_SILENT},
	    {"Yes since a moment is none either",
	     {.read = true, .follows = true, .io = YES, .witnessed = true},
	     200,
	     RD_WORD_SILENT},
	    {"lost it since",
	     {.read = true, .follows = true, .io = CONNECTING, .io_errno = 2003, .witnessed = true},
	     200,
	     RD_WORD_DEAD},
	    {"lost it since, not tried again yet",
	     {.read = true, .follows = true, .io = CONNECTING, .witnessed = true},
	     200,
	     RD_WORD_DEAD},
	    {"lost it during the vote",
	     {.read = true, .follows = true, .io = CONNECTING, .io_errno = 2013, .turned = true},
	     90,
	     RD_WORD_DEAD},
	    {"was broken before: between two tries",
	     {.read = true, .follows = true, .io = CONNECTING, .io_errno = 2003, .witnessed = true},
	     90,
	     RD_WORD_STALE},
	    {"broken, who knows since when",
	     {.read = true, .follows = true, .io = CONNECTING, .io_errno = 2003},
	     200,
	     RD_WORD_STALE},
	    {"the source was full when it last tried",
	     {.read = true, .follows = true, .io = CONNECTING, .io_errno = 1040, .witnessed = true},
	     200,
	     RD_WORD_STALE},
	    {"the source is full",
	     {.read = true, .follows = true, .io = CONNECTING, .io_errno = 1040, .turned = true},
	     200,
	     RD_WORD_ALIVE},
	    {"the source denies access",
	     {.read = true, .follows = true, .io = CONNECTING, .io_errno = 1045, .turned = true},
	     200,
	     RD_WORD_ALIVE},
	    {"an old fatal answer is no life",
	     {.read = true, .follows = true, .io = NO, .io_errno = 1236, .witnessed = true},
	     200,
	     RD_WORD_MUTE},
	    {"a fatal answer just now is",
	     {.read = true, .follows = true, .io = NO, .io_errno = 1236, .turned = true},
	     200,
	     RD_WORD_ALIVE},
	    {"stopped by somebody", {.read = true, .follows = true, .io = NO, .witnessed = true}, 200, RD_WORD_MUTE},
	    {"stopped during the vote", {.read = true, .follows = true, .io = NO, .turned = true}, 200, RD_WORD_MUTE},
	    {"stopped after lost connections",
	     {.read = true, .follows = true, .io = NO, .io_errno = 2003, .witnessed = true},
	     200,
	     RD_WORD_MUTE},
	    {"an error of its own",
	     {.read = true, .follows = true, .io = CONNECTING, .io_errno = 1594, .witnessed = true},
	     200,
	     RD_WORD_MUTE},
	    {"its own names don't resolve",
	     {.read = true, .follows = true, .io = CONNECTING, .io_errno = 2005, .witnessed = true},
	     200,
	     RD_WORD_MUTE},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct rd_sight v = cases[i].v;
		v.since = at(cases[i].since);
		v.answered = at(100);
		if (rd_word_of(&v) != cases[i].word)
			fail_msg("%s: %s", cases[i].what, rd_word_text(rd_word_of(&v)));
	}
}

static void
a_source_that_never_answered_is_lost_when_it_was_witnessed(void **state UNUSED)
{
	struct rd_sight v = {.read = true, .follows = true, .io = CONNECTING, .io_errno = 2003, .since = at(5)};

	assert_int_equal(rd_word_of(&v), RD_WORD_STALE);
	v.witnessed = true;
	assert_int_equal(rd_word_of(&v), RD_WORD_DEAD);
}

static void
only_replicas_whose_applier_runs_are_tested(void **state UNUSED)
{
	struct rd_sight v = {.read = true, .follows = true, .io = YES, .sql_running = true};

	assert_true(rd_sight_is_testable(&v));
	v.sql_running = false;
	assert_false(rd_sight_is_testable(&v));
	v = (struct rd_sight){.read = true, .io = YES, .sql_running = true};
	assert_false(rd_sight_is_testable(&v)); /* of another source */
	for (uint64_t w = 0; w < RD_WORD_COUNT; w++)
		assert_int_equal(rd_word_needs_test((enum rd_word)w), w == RD_WORD_SILENT || w == RD_WORD_STALE);
}

static void
a_receiver_that_turns_tells(void **state UNUSED)
{
	static const struct {
		const char *what;
		enum topo_thread was;
		int64_t former;
		enum topo_thread io;
		int64_t number;
		enum rd_word expect;
	} cases[] = {
	    {"nothing new", YES, 0, YES, 0, RD_WORD_UNREAD},
	    {"it noticed", YES, 0, CONNECTING, 0, RD_WORD_DEAD},
	    {"it noticed, and tried", YES, 0, CONNECTING, 2013, RD_WORD_DEAD},
	    {"another try in vain", CONNECTING, 2013, CONNECTING, 2003, RD_WORD_DEAD},
	    {"the same try", CONNECTING, 2003, CONNECTING, 2003, RD_WORD_UNREAD},
	    {"it connected: it may hear something", CONNECTING, 2003, YES, 0, RD_WORD_UNREAD},
	    {"the source is full", YES, 0, CONNECTING, 1040, RD_WORD_ALIVE},
	    {"stopped by somebody", YES, 0, NO, 0, RD_WORD_UNREAD},
	    {"an error of its own", YES, 0, CONNECTING, 2005, RD_WORD_UNREAD},
	    {"no replica any more", YES, 0, TOPO_THREAD_NONE, 0, RD_WORD_UNREAD},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct rd_sight v = {.read = true,
				     .follows = true,
				     .io = cases[i].was,
				     .io_errno = cases[i].former,
				     .sql_running = true};
		if (rd_word_since(&v, cases[i].io, cases[i].number) != cases[i].expect)
			fail_msg("%s", cases[i].what);
	}
}

static void
a_restarted_receiver_knows(void **state UNUSED)
{
	static const struct {
		const char *what;
		enum topo_thread io;
		int64_t number, former;
		enum rd_word first, last;
	} cases[] = {
	    {"it connected", YES, 0, 0, RD_WORD_ALIVE, RD_WORD_ALIVE},
	    {"it is connecting", CONNECTING, 0, 0, RD_WORD_SILENT, RD_WORD_DEAD},
	    {"it cannot connect", CONNECTING, 2003, 0, RD_WORD_DEAD, RD_WORD_DEAD},
	    {"an error that it had before", CONNECTING, 2003, 2003, RD_WORD_SILENT, RD_WORD_DEAD},
	    {"the source is full", CONNECTING, 1040, 0, RD_WORD_ALIVE, RD_WORD_ALIVE},
	    {"still full", CONNECTING, 1040, 1040, RD_WORD_SILENT, RD_WORD_ALIVE},
	    {"was full, is gone", CONNECTING, 2003, 1040, RD_WORD_DEAD, RD_WORD_DEAD},
	    {"the source answers with a fatal error", NO, 1236, 0, RD_WORD_ALIVE, RD_WORD_ALIVE},
	    {"it did not start", NO, 0, 0, RD_WORD_SILENT, RD_WORD_MUTE},
	    {"it stopped for a reason of its own", NO, 1594, 0, RD_WORD_MUTE, RD_WORD_MUTE},
	    {"names don't resolve there", CONNECTING, 2005, 0, RD_WORD_MUTE, RD_WORD_MUTE},
	    {"no replica any more", TOPO_THREAD_NONE, 0, 0, RD_WORD_SILENT, RD_WORD_MUTE},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		if (rd_word_after_restart(cases[i].io, cases[i].number, cases[i].former, false) != cases[i].first)
			fail_msg("%s, first look", cases[i].what);
		if (rd_word_after_restart(cases[i].io, cases[i].number, cases[i].former, true) != cases[i].last)
			fail_msg("%s, last look", cases[i].what);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_comes_in_between_two_readings_is_heard),
	    cmocka_unit_test(positions_make_the_difference),
	    cmocka_unit_test(a_replica_speaks_with_fresh_evidence_only),
	    cmocka_unit_test(a_source_that_never_answered_is_lost_when_it_was_witnessed),
	    cmocka_unit_test(only_replicas_whose_applier_runs_are_tested),
	    cmocka_unit_test(a_receiver_that_turns_tells),
	    cmocka_unit_test(a_restarted_receiver_knows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
