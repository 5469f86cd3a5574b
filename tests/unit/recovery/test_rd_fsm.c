/* The states of a recovery: what each event does in each state, and what holds for the whole table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "base/clock.h"
#include "rd_fsm.h"

#define NOW_US (INT64_C(1700000000) * CLK_S)

static const struct topo_key failed = {"a", 3306}, candidate = {"b", 3306}, other = {"c", 3306};

struct world {
	struct mem_arena arena;
	struct rd_recovery r;
	unsigned effects;
	int64_t now_us;
};

static void
begin(struct world *w)
{
	*w = (struct world){.now_us = NOW_US};
	rd_fsm_begin("uid-1", "cluster-1", &failed, false, w->now_us, &w->r, &w->effects);
}

/* False: the event does not belong there. */
static bool
happen(struct world *w, enum rd_recovery_event event, const struct topo_key *successor, int64_t deadline_us)
{
	struct rd_recovery_happening h = {event, successor, "0-1-7", deadline_us};
	struct rd_recovery next;
	struct err e;
	int rc = rd_fsm_step(&w->r, &h, w->now_us, &w->arena, &next, &w->effects, &e);

	if (rc != 0)
		assert_int_equal(rc, -ERR_PRECONDITION);
	else
		w->r = next;
	return rc == 0;
}

/* The shortest way into a state. */
static void
go_to(struct world *w, enum rd_recovery_state state)
{
	static const enum rd_recovery_event way[] = {RD_EVENT_HOOKS_OK,	  RD_EVENT_STEPS_OVER, RD_EVENT_CHOSEN,
						     RD_EVENT_STEPS_OVER, RD_EVENT_WRITABLE,   RD_EVENT_STEPS_OVER,
						     RD_EVENT_RECORDED};

	begin(w);
	if (state == RD_RECOVERY_REJOIN) {
		go_to(w, RD_RECOVERY_DONE);
		assert_true(happen(w, RD_EVENT_REJOIN, NULL, 0));
		return;
	}
	if (state == RD_RECOVERY_WAIT || state == RD_RECOVERY_RESTORE || state == RD_RECOVERY_UNDONE) {
		go_to(w, RD_RECOVERY_CHOOSE);
		assert_true(happen(w, state == RD_RECOVERY_WAIT ? RD_EVENT_MAY_LOSE : RD_EVENT_REFUSED, NULL,
				   NOW_US + 30 * CLK_S));
		if (state == RD_RECOVERY_UNDONE)
			assert_true(happen(w, RD_EVENT_STEPS_OVER, NULL, 0));
	}
	for (size_t i = 0; w->r.state != state; i++) {
		assert_true(i < ARRAY_LEN(way));
		assert_true(happen(w, way[i], &candidate, NOW_US + 20 * CLK_S));
	}
}

static void
end(struct world *w)
{
	mem_arena_done(&w->arena);
}

/* --- one step ---------------------------------------------------------------------------------------------------- */
#define D(x) RD_DO_##x
#define S(x) RD_RECOVERY_##x
#define E(x) RD_EVENT_##x
#define NOTHING RD_RECOVERY_STATES /* the event is too late */

static void
test_edges(void **state UNUSED)
{
	static const struct {
		enum rd_recovery_state from;
		enum rd_recovery_event event;
		enum rd_recovery_state to;
		unsigned effects;
	} cases[] = {
	    {S(HOOKS), E(HOOKS_OK), S(FENCE), D(RUN)},
	    {S(HOOKS), E(HOOKS_FAILED), S(UNDONE), D(UNLOCK)},
	    {S(FENCE), E(STEPS_OVER), S(CHOOSE), D(READ) | D(PICK)},
	    {S(CHOOSE), E(CHOSEN), S(PREPARE), D(RUN)},
	    {S(CHOOSE), E(MAY_LOSE), S(WAIT), 0},
	    {S(CHOOSE), E(REFUSED), S(RESTORE), D(READ) | D(RUN)},
	    {S(WAIT), E(NEWS), S(CHOOSE), D(READ) | D(PICK)},
	    {S(PREPARE), E(STEPS_OVER), S(PROMOTE), D(RUN)},
	    {S(PREPARE), E(CANDIDATE_FAILED), S(CHOOSE), D(READ) | D(PICK)},
	    {S(PROMOTE), E(WRITABLE), S(REPOINT), D(ANNOUNCE) | D(RUN)},
	    {S(PROMOTE), E(UNKNOWN), S(PROMOTE), D(READ) | D(ONLY_READ)},
	    {S(PROMOTE), E(READ_ONLY), S(PROMOTE), D(RUN)},
	    {S(PROMOTE), E(NOT_PROMOTED), S(RESTORE), D(READ) | D(RUN)},
	    {S(REPOINT), E(STEPS_OVER), S(ENDING), D(RECORD) | D(POST_HOOKS)},
	    {S(ENDING), E(RECORDED), S(DONE), D(UNLOCK)},
	    {S(RESTORE), E(STEPS_OVER), S(UNDONE), D(UNLOCK)},
	    /* the failed server returns: before the promotion all is undone, from then on it is fenced */
	    {S(HOOKS), E(RETURNED), S(UNDONE), D(UNLOCK)},
	    {S(FENCE), E(RETURNED), S(RESTORE), D(READ) | D(RUN)},
	    {S(CHOOSE), E(RETURNED), S(RESTORE), D(READ) | D(RUN)},
	    {S(WAIT), E(RETURNED), S(RESTORE), D(READ) | D(RUN)},
	    {S(PREPARE), E(RETURNED), S(RESTORE), D(READ) | D(RUN)},
	    {S(PROMOTE), E(RETURNED), S(PROMOTE), D(FENCE_OLD) | D(READ) | D(ONLY_READ)},
	    {S(REPOINT), E(RETURNED), S(REPOINT), D(FENCE_OLD)},
	    {S(ENDING), E(RETURNED), S(ENDING), D(FENCE_OLD)},
	    /* an operator gives up: the same, but from the promotion on it is told that it is too late */
	    {S(PREPARE), E(ABORT), S(RESTORE), D(READ) | D(RUN)},
	    {S(PROMOTE), E(ABORT), S(PROMOTE), D(TOO_LATE) | D(READ) | D(ONLY_READ)},
	    {S(REPOINT), E(ABORT), S(ENDING), D(RECORD) | D(POST_HOOKS)},
	    {S(RESTORE), E(ABORT), S(RESTORE), D(TOO_LATE)},
	    /* orphans whose failure is confirmed: begun anew before the promotion, gone on with from then on */
	    {S(HOOKS), E(ORPHAN_DEAD), S(FENCE), D(RUN)},
	    {S(FENCE), E(ORPHAN_DEAD), S(FENCE), D(RUN)},
	    {S(CHOOSE), E(ORPHAN_DEAD), S(FENCE), D(RUN)},
	    {S(WAIT), E(ORPHAN_DEAD), S(FENCE), D(RUN)},
	    {S(PREPARE), E(ORPHAN_DEAD), S(FENCE), D(RUN)},
	    {S(PROMOTE), E(ORPHAN_DEAD), S(PROMOTE), D(TAKE_LOCKS) | D(READ) | D(ONLY_READ)},
	    {S(REPOINT), E(ORPHAN_DEAD), S(REPOINT), D(TAKE_LOCKS) | D(READ) | D(RUN)},
	    {S(ENDING), E(ORPHAN_DEAD), S(ENDING), D(RECORD) | D(POST_HOOKS)},
	    {S(RESTORE), E(ORPHAN_DEAD), S(RESTORE), D(TAKE_LOCKS) | D(READ) | D(RUN)},
	    /* … and those whose failure isn't */
	    {S(HOOKS), E(ORPHAN_ALIVE), S(UNDONE), D(UNLOCK)},
	    {S(FENCE), E(ORPHAN_ALIVE), S(RESTORE), D(TAKE_LOCKS) | D(READ) | D(RUN)},
	    {S(PREPARE), E(ORPHAN_ALIVE), S(RESTORE), D(TAKE_LOCKS) | D(READ) | D(RUN)},
	    {S(PROMOTE), E(ORPHAN_ALIVE), S(PROMOTE), D(TAKE_LOCKS) | D(FENCE_OLD) | D(READ) | D(ONLY_READ)},
	    {S(REPOINT), E(ORPHAN_ALIVE), S(REPOINT), D(TAKE_LOCKS) | D(FENCE_OLD) | D(READ) | D(RUN)},
	    /* nobody can go on with it: the lock ends at once */
	    {S(HOOKS), E(INPUT_MISSING), S(UNDONE), D(UNLOCK)},
	    {S(FENCE), E(INPUT_MISSING), S(UNDONE), D(UNLOCK)},
	    {S(CHOOSE), E(INPUT_MISSING), S(UNDONE), D(UNLOCK)},
	    {S(WAIT), E(INPUT_MISSING), S(UNDONE), D(UNLOCK)},
	    {S(PREPARE), E(INPUT_MISSING), S(UNDONE), D(UNLOCK)},
	    {S(PROMOTE), E(INPUT_MISSING), S(UNDONE), D(UNLOCK)},
	    {S(REPOINT), E(INPUT_MISSING), S(DONE), D(UNLOCK)},
	    {S(ENDING), E(INPUT_MISSING), S(DONE), D(UNLOCK)},
	    {S(RESTORE), E(INPUT_MISSING), S(UNDONE), D(UNLOCK)},
	    /* what comes too late changes nothing */
	    {S(RESTORE), E(WRITABLE), NOTHING, 0},
	    {S(REPOINT), E(CANDIDATE_FAILED), NOTHING, 0},
	    {S(PROMOTE), E(STEPS_OVER), NOTHING, 0},
	    {S(PROMOTE), E(CANDIDATE_FAILED), NOTHING, 0},
	    {S(CHOOSE), E(WRITABLE), NOTHING, 0},
	    {S(DONE), E(RETURNED), NOTHING, 0},
	    {S(UNDONE), E(ORPHAN_DEAD), NOTHING, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct world w;
		bool ok;

		go_to(&w, cases[i].from);
		ok = happen(&w, cases[i].event, &candidate, NOW_US + 20 * CLK_S);
		if (ok != (cases[i].to != NOTHING))
			fail_msg("case %zu: %s", i, ok ? "accepted" : "refused");
		if (ok && (w.r.state != cases[i].to || w.effects != cases[i].effects))
			fail_msg("case %zu: %s, effects %x", i, rd_recovery_state_name(w.r.state), w.effects);
		end(&w);
	}
}

/* --- the whole table --------------------------------------------------------------------------------------------- */
static unsigned
flags_of(uint64_t state)
{
	return rd_recovery_state_flags((enum rd_recovery_state)state);
}

static void
check_pair(struct world *w, enum rd_recovery_state from, enum rd_recovery_event event)
{
	bool terminal = (flags_of(w->r.state) & RD_STATE_TERMINAL) != 0;
	unsigned was = flags_of(from), is = flags_of(w->r.state);
	bool orphan = event == RD_EVENT_ORPHAN_DEAD || event == RD_EVENT_ORPHAN_ALIVE;
	bool sends = (w->effects & (RD_DO_RUN | RD_DO_ONLY_READ)) != 0;

	/* the cluster's lock ends with the recovery, and only then */
	assert_int_equal((w->effects & RD_DO_UNLOCK) != 0, terminal);
	/* a promotion that may have happened is not undone, but where reading showed that it did not, or by votes */
	if ((was & RD_STATE_COMMITTED) != 0 && (is & RD_STATE_COMMITTED) == 0)
		assert_true(from == RD_RECOVERY_PROMOTE &&
			    (event == RD_EVENT_NOT_PROMOTED || event == RD_EVENT_CANDIDATE_DEAD ||
			     event == RD_EVENT_INPUT_MISSING));
	/* who takes over fences the servers before anything is sent */
	if (orphan && sends && w->r.state != RD_RECOVERY_FENCE)
		assert_true((w->effects & RD_DO_TAKE_LOCKS) != 0);
	/* from the promotion on a server that returns is read-only first */
	if ((was & RD_STATE_COMMITTED) != 0 && (event == RD_EVENT_RETURNED || event == RD_EVENT_ORPHAN_ALIVE))
		assert_true((w->effects & RD_DO_FENCE_OLD) != 0);
	/* nothing is promoted but through its own state, in which its step is never repeated blindly */
	if (w->r.state == RD_RECOVERY_PROMOTE && (w->effects & RD_DO_RUN) != 0)
		assert_true(event == RD_EVENT_READ_ONLY ||
			    (from == RD_RECOVERY_PREPARE && event == RD_EVENT_STEPS_OVER));
	assert_true(w->r.turns > 0 && w->r.why[0] != '\0');
	/* somebody always looks again, but where only an answer or an end is waited for */
	assert_true(terminal || w->r.deadline_us != 0);
}

static void
test_whole_table(void **state UNUSED)
{
	bool seen[RD_EVENTS] = {false};

	for (int s = 0; s < RD_RECOVERY_STATES; s++) {
		for (int ev = 0; ev < RD_EVENTS; ev++) {
			bool terminal = (flags_of((uint64_t)s) & RD_STATE_TERMINAL) != 0, always, ok;
			struct world w;

			go_to(&w, (enum rd_recovery_state)s); /* every state can be reached */
			ok = happen(&w, (enum rd_recovery_event)ev, &candidate, NOW_US + 20 * CLK_S);
			always = ev == RD_EVENT_DEADLINE || ev == RD_EVENT_ABORT || ev == RD_EVENT_RETURNED ||
				 ev == RD_EVENT_ORPHAN_DEAD || ev == RD_EVENT_ORPHAN_ALIVE ||
				 ev == RD_EVENT_INPUT_MISSING;
			if (s == RD_RECOVERY_DONE && ev == RD_EVENT_REJOIN)
				assert_true(ok); /* the one way back, without a promotion in it */
			else if (terminal ? ok : always && !ok)
				fail_msg("%s, %s", rd_recovery_state_name((uint64_t)s),
					 rd_recovery_event_name((enum rd_recovery_event)ev));
			if (ok)
				check_pair(&w, (enum rd_recovery_state)s, (enum rd_recovery_event)ev);
			seen[ev] |= ok;
			end(&w);
		}
	}
	for (int ev = 0; ev < RD_EVENTS; ev++)
		assert_true(seen[ev]);
}

/* Deadlines alone end every recovery but one whose candidate may be writable. */
static void
test_deadlines_end_it(void **state UNUSED)
{
	for (int s = 0; s < RD_RECOVERY_STATES; s++) {
		struct world w;
		int turns = 0;

		go_to(&w, (enum rd_recovery_state)s);
		while ((flags_of(w.r.state) & RD_STATE_TERMINAL) == 0 && turns++ < 20) {
			w.now_us = w.r.deadline_us;
			assert_true(rd_fsm_is_overdue(&w.r, w.now_us));
			assert_false(rd_fsm_is_overdue(&w.r, w.now_us - 1));
			assert_true(happen(&w, RD_EVENT_DEADLINE, NULL, 0));
		}
		assert_int_equal(turns > 20, s == RD_RECOVERY_PROMOTE);
		end(&w);
	}
}

static void
test_deadline_is_not_prolonged(void **state UNUSED)
{
	struct world w;
	int64_t deadline_us;

	go_to(&w, RD_RECOVERY_REPOINT);
	deadline_us = w.r.deadline_us;
	w.now_us += CLK_S;
	assert_true(happen(&w, RD_EVENT_PLAN_AGAIN, NULL, 0));
	assert_int_equal(w.r.deadline_us, deadline_us);
	assert_true(happen(&w, RD_EVENT_RETURNED, NULL, 0));
	assert_int_equal(w.r.deadline_us, deadline_us);
	assert_true(happen(&w, RD_EVENT_ORPHAN_DEAD, NULL, 0)); /* whoever takes over has its own time */
	assert_int_equal(w.r.deadline_us, deadline_us + CLK_S);
	end(&w);
}

static void
test_successors(void **state UNUSED)
{
	struct world w;

	go_to(&w, RD_RECOVERY_PREPARE);
	assert_string_equal(w.r.successor.hostname, "b");
	assert_int_equal(w.r.deadline_us, NOW_US + 20 * CLK_S);
	assert_true(happen(&w, RD_EVENT_CANDIDATE_FAILED, NULL, 0));
	assert_string_equal(w.r.successor.hostname, "");
	assert_int_equal(w.r.excluded.n, 1);
	assert_int_equal(w.r.suspects.n, 0); /* nothing was sent that could make it writable */
	assert_true(happen(&w, RD_EVENT_CHOSEN, &other, NOW_US + 20 * CLK_S));
	assert_true(happen(&w, RD_EVENT_STEPS_OVER, NULL, 0));
	assert_true(happen(&w, RD_EVENT_CANDIDATE_DEAD, NULL, 0));
	assert_int_equal(w.effects & RD_DO_FENCE_OLD, RD_DO_FENCE_OLD);
	assert_int_equal(w.r.excluded.n, 2);
	assert_int_equal(w.r.suspects.n, 1);
	assert_string_equal(w.r.suspects.v[0].hostname, "c");
	end(&w);

	go_to(&w, RD_RECOVERY_PREPARE); /* a new leader chooses anew, and may choose the same */
	assert_true(happen(&w, RD_EVENT_ORPHAN_DEAD, NULL, 0));
	assert_string_equal(w.r.successor.hostname, "");
	assert_int_equal(w.r.excluded.n, 0);
	end(&w);

	go_to(&w, RD_RECOVERY_PROMOTE); /* … and cannot, when it may be writable */
	assert_true(happen(&w, RD_EVENT_ORPHAN_DEAD, NULL, 0));
	assert_string_equal(w.r.successor.hostname, "b");
	end(&w);
}

static void
test_promotion_is_read(void **state UNUSED)
{
	static const struct {
		bool returned, read, read_only, step_open;
		enum rd_recovery_event expect;
	} cases[] = {
	    {false, true, false, false, E(WRITABLE)}, {false, true, false, true, E(WRITABLE)},
	    {true, true, false, false, E(WRITABLE)},  {false, true, true, false, E(READ_ONLY)},
	    {false, true, true, true, E(UNKNOWN)},    {false, false, true, false, E(UNKNOWN)},
	    {false, false, false, false, E(UNKNOWN)}, {true, true, true, false, E(NOT_PROMOTED)},
	    {true, true, true, true, E(UNKNOWN)},     {true, false, true, false, E(UNKNOWN)},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct rd_recovery r = {.returned = cases[i].returned};
		assert_int_equal(rd_fsm_promotion_read(&r, cases[i].read, cases[i].read_only, cases[i].step_open),
				 cases[i].expect);
	}
}

/* Where the candidate stands is known before the step is sent, and forgotten with it. */
static void
test_position(void **state UNUSED)
{
	struct world w;

	go_to(&w, RD_RECOVERY_PREPARE);
	assert_string_equal(w.r.promoted_at, "");
	assert_true(happen(&w, RD_EVENT_STEPS_OVER, NULL, 0));
	assert_string_equal(w.r.promoted_at, "0-1-7");
	assert_true(happen(&w, RD_EVENT_CANDIDATE_DEAD, NULL, 0));
	assert_int_equal(w.r.state, RD_RECOVERY_CHOOSE);
	assert_string_equal(w.r.promoted_at, "");
	end(&w);
}

/* The failed server returns while the promotion is under way. */
static void
test_return_during_promotion(void **state UNUSED)
{
	struct world w;

	go_to(&w, RD_RECOVERY_PROMOTE);
	assert_true(happen(&w, RD_EVENT_RETURNED, NULL, 0));
	assert_true(happen(&w, rd_fsm_promotion_read(&w.r, true, true, false), NULL, 0));
	assert_int_equal(w.r.state, RD_RECOVERY_RESTORE);
	assert_false(w.r.promoted);
	assert_string_equal(w.r.promoted_at, "");
	end(&w);

	go_to(&w, RD_RECOVERY_PROMOTE);
	assert_true(happen(&w, RD_EVENT_RETURNED, NULL, 0));
	assert_true(happen(&w, rd_fsm_promotion_read(&w.r, true, false, false), NULL, 0));
	assert_int_equal(w.r.state, RD_RECOVERY_REPOINT);
	assert_true(w.r.promoted && w.r.returned);
	assert_string_equal(w.r.promoted_at, "0-1-7");
	end(&w);
}

static void
test_it_ends(void **state UNUSED)
{
	struct rd_recovery_happening h = {RD_EVENT_UNKNOWN, NULL, NULL, 0};
	struct rd_recovery next;
	struct world w;
	struct err e;

	go_to(&w, RD_RECOVERY_PROMOTE);
	w.r.turns = RD_RECOVERY_TURNS_MAX;
	assert_int_equal(rd_fsm_step(&w.r, &h, w.now_us, &w.arena, &next, &w.effects, &e), -ERR_LIMIT);
	w.r.state = 99; /* of a newer build */
	assert_int_equal(rd_fsm_step(&w.r, &h, w.now_us, &w.arena, &next, &w.effects, &e), -ERR_PRECONDITION);
	assert_string_equal(rd_recovery_state_name(99), "unknown");
	end(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_edges),
	    cmocka_unit_test(test_whole_table),
	    cmocka_unit_test(test_deadlines_end_it),
	    cmocka_unit_test(test_deadline_is_not_prolonged),
	    cmocka_unit_test(test_successors),
	    cmocka_unit_test(test_promotion_is_read),
	    cmocka_unit_test(test_position),
	    cmocka_unit_test(test_return_during_promotion),
	    cmocka_unit_test(test_it_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
