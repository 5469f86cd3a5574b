/* The executor of recoveries in a world of virtual time: the straight way for both families, and each fault in each state,
 * at several moments. Invariants 3 to 6: recover_world.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../stride.h"
#include "recover_world.h"
#include "topo/key.h"

static void
test_straight(void **state UNUSED)
{
	for (int mariadb = 0; mariadb < 2; mariadb++) {
		struct world w;

		world_init(&w, mariadb ? "mariadb" : "mysql", mariadb == 1, 1);
		world_begin(&w);
		world_go(&w);
		world_check_end(&w);
		WORLD_CHECK(&w, w.record.state == RD_RECOVERY_DONE && w.record.promoted && w.lost.n == 0);
		WORLD_CHECK(&w, str_eq(w.record.successor.hostname, "c"));
		WORLD_CHECK(&w, str_eq(w.record.promoted_at, mariadb ? "0-97-100" : ""));
		WORLD_CHECK(&w, w.hooks_ran[RD_HOOK_LIST_PRE_FAILOVER] && w.hooks_ran[RD_HOOK_LIST_POST_FAILOVER]);
		WORLD_CHECK(&w, !w.hooks_ran[RD_HOOK_LIST_POST_UNSUCCESSFUL_FAILOVER]);
		WORLD_CHECK(&w, rd_recover_stats(w.r).unknown == 0);
		WORLD_CHECK(&w, rd_recover_is_fencing(w.r)); /* until the old one is back */
		world_done(&w);
	}
}

static void
test_failing_pre_hook(void **state UNUSED)
{
	struct world w;

	world_init(&w, "pre hook", false, 1);
	w.fail_pre_hook = true;
	world_begin(&w);
	world_go(&w);
	WORLD_CHECK(&w, w.record.state == RD_RECOVERY_UNDONE && w.steps == 0);
	WORLD_CHECK(&w, !w.hooks_ran[RD_HOOK_LIST_POST_UNSUCCESSFUL_FAILOVER]); /* not attempted */
	world_done(&w);
}

/* Who has received most stops applying: another one is promoted soon, and it is named. */
static void
test_candidate_applies_no_more(void **state UNUSED)
{
	for (int i = 0; i < 4; i++) {
		struct world w;

		world_init(&w, i % 2 == 1 ? "stuck, mariadb" : "stuck, mysql", i % 2 == 1, 1);
		w.stuck = true;
		w.in.policy.delay_if_not_applied = i < 2;
		world_begin(&w);
		world_go(&w);
		world_check_end(&w);
		WORLD_CHECK(&w, w.record.state == RD_RECOVERY_DONE && w.record.promoted);
		WORLD_CHECK(&w,
			    str_eq(w.record.successor.hostname, "d") && w.record.since_us < WORLD_START_US + 5 * CLK_S);
		WORLD_CHECK(&w, w.lost.n == 1 && str_eq(w.lost.v[0].key.hostname, "c"));
		WORLD_CHECK(&w,
			    str_eq(w.servers[2].row.received_gtid_set, i % 2 == 1 ? "0-97-100" : WORLD_UUID ":1-100"));
		world_done(&w);
	}
}

/* A backlog that takes longer to apply than is waited for: another one is promoted; who is the last is given more time, while he
 * goes on. */
static void
test_slow_appliers(void **state UNUSED)
{
	for (int i = 0; i < 8; i++) {
		bool alone = (i & 2) != 0, stuck = (i & 4) != 0;
		struct world w;

		world_init(&w, "slow applier", i % 2 == 1, 1);
		w.slow = alone ? 20 : 1;
		w.idle = stuck;
		for (size_t k = 1; k < WORLD_SERVERS; k++) {
			struct rd_recovery_server *s = &w.servers[k].row;
			if (k == 2)
				*(w.mariadb ? &s->gtid_current_pos : &s->executed_gtid_set) =
				    w.mariadb ? "0-97-70" : WORLD_UUID ":1-70";
			else if (alone)
				s->promotion_rule = "must_not";
			w.in_servers[k - 1] = *s;
		}
		world_begin(&w);
		world_go(&w);
		if (alone && stuck)
			WORLD_CHECK(&w, w.record.state == RD_RECOVERY_UNDONE && !w.record.promoted);
		else
			WORLD_CHECK(&w, w.record.state == RD_RECOVERY_DONE &&
					    (w.record.successor.hostname[0] == 'c') == alone);
		if (w.record.promoted)
			world_check_end(&w);
		world_done(&w);
	}
}

/* What the choice counted on is gone: the candidate, or who was to hand it over, has restarted without its relay log. It is chosen
 * again, and what is lost is told; who is promoted in the end is whoever has most then. */
static void
test_what_was_counted_on_is_gone(void **state UNUSED)
{
	static const struct {
		const char *name;
		bool must_not;	 /* c, which has most: it hands that over */
		unsigned others; /* b and d have so much */
		const char *lost;
	} cases[] = {
	    {"the candidate, another one has more then", false, 99, "100"},
	    {"the candidate, nobody has more then", false, 97, "98-100"},
	    {"its donor", true, 99, "100"},
	    {"its donor, which has less then", true, 97, "98-100"},
	};

	for (size_t i = 0; i < 2 * ARRAY_LEN(cases); i++) {
		bool mariadb = i % 2 == 1;
		size_t k = i / 2;
		char set[64];
		struct world w;

		world_init(&w, cases[k].name, mariadb, 1);
		w.forgets = 2;
		for (size_t n = 1; n < WORLD_SERVERS; n++) {
			struct rd_recovery_server *s = &w.servers[n].row;
			(void)snprintf(set, sizeof(set), mariadb ? "0-97-%u" : WORLD_UUID ":1-%u",
				       n == 2 ? 97 : cases[k].others);
			*(mariadb ? &s->gtid_current_pos : &s->executed_gtid_set) = world_kept(&w, set);
			if (n != 2)
				s->received_gtid_set = world_kept(&w, set);
			else if (cases[k].must_not)
				s->promotion_rule = "must_not";
			w.in_servers[n - 1] = *s;
		}
		world_begin(&w);
		world_go(&w);
		world_check_end(&w);
		WORLD_CHECK(&w, w.record.state == RD_RECOVERY_DONE && w.record.promoted && w.forgot);
		WORLD_CHECK(&w, w.gone);
		WORLD_CHECK(&w, str_eq(w.record.successor.hostname, "b"));
		(void)snprintf(set, sizeof(set), mariadb ? "0-97-100" : WORLD_UUID ":%s", cases[k].lost);
		WORLD_CHECK(&w, str_eq(w.lost_set, set));
		world_done(&w);
	}
}

static void
run_case(bool mariadb, unsigned faults, enum rd_recovery_state when, int64_t after_us, unsigned seed)
{
	char name[160];
	struct world w;

	(void)snprintf(name, sizeof(name), "%s, faults %u in %s after %lld us, seed %u", mariadb ? "mariadb" : "mysql",
		       faults, rd_recovery_state_name(when), (long long)after_us, seed);
	world_init(&w, name, mariadb, seed);
	w.faults = faults;
	w.when = when;
	w.after_us = after_us;
	world_begin(&w);
	world_go(&w);
	world_check_end(&w);
	world_done(&w);
}

static void
test_faults_in_every_state(void **state UNUSED)
{
	static const unsigned faults[] = {WORLD_LEADER,
					  WORLD_CANDIDATE,
					  WORLD_RETURN,
					  WORLD_LOSE_RESULTS,
					  WORLD_SLOW_PROBER,
					  WORLD_SLOW_SERVER,
					  WORLD_ABORT,
					  WORLD_REPLICA,
					  WORLD_LEADER | WORLD_RETURN,
					  WORLD_LEADER | WORLD_CANDIDATE,
					  WORLD_LEADER | WORLD_SLOW_PROBER,
					  WORLD_LEADER | WORLD_SLOW_SERVER,
					  WORLD_LEADER | WORLD_SLOW_SERVER | WORLD_RETURN,
					  WORLD_SLOW_SERVER | WORLD_RETURN,
					  WORLD_CANDIDATE | WORLD_RETURN,
					  WORLD_LOSE_RESULTS | WORLD_RETURN,
					  WORLD_HUNG_SERVER,
					  WORLD_HUNG_SERVER | WORLD_RETURN,
					  WORLD_HUNG_SERVER | WORLD_LOSE_RESULTS,
					  WORLD_HUNG_SERVER | WORLD_LEADER,
					  WORLD_HUNG_SERVER | WORLD_LEADER | WORLD_RETURN,
					  WORLD_LATE,
					  WORLD_LATE | WORLD_LEADER,
					  WORLD_LATE | WORLD_SLOW_SERVER | WORLD_RETURN,
					  WORLD_ABORT | WORLD_LEADER_AT_END,
					  WORLD_RETURN | WORLD_LEADER_AT_END,
					  WORLD_RETURN | WORLD_UNTOLD,
					  WORLD_LEADER | WORLD_RETURN | WORLD_UNTOLD,
					  WORLD_RETURN | WORLD_AWAY,
					  WORLD_SLOW_PROBER | WORLD_RETURN | WORLD_AWAY,
					  WORLD_LEADER | WORLD_SLOW_SERVER | WORLD_RETURN | WORLD_AWAY,
					  WORLD_HUNG_SERVER | WORLD_RETURN | WORLD_AWAY | WORLD_LEADER_AT_END,
					  WORLD_HUNG_SERVER | WORLD_RETURN | WORLD_AWAY_FOR_GOOD,
					  WORLD_LINK,
					  WORLD_LINK | WORLD_RETURN,
					  WORLD_LINK | WORLD_ABORT};
	static const int64_t after_us[] = {0, 700, 1500, 2500, 4000, 7000, 15000};
	unsigned seeds = getenv("RD_SEEDS") == NULL ? 2 : (unsigned)atoi(getenv("RD_SEEDS"));

	for (unsigned seed = 1; seed <= seeds; seed++) {
		for (size_t f = 0; f < ARRAY_LEN(faults); f++) {
			for (int s = RD_RECOVERY_HOOKS; s <= RD_RECOVERY_DONE; s++) {
				for (size_t t = (f + (size_t)s) % STRIDE; t < ARRAY_LEN(after_us); t += STRIDE)
					run_case((seed + t) % 2 == 0, faults[f], (enum rd_recovery_state)s, after_us[t],
						 seed);
			}
		}
	}
}

/* The old source is fenced, it is not known with what outcome, and the recovery is undone: the fence may come after that. */
static void
test_a_fence_that_comes_late_is_undone(void **state UNUSED)
{
	for (unsigned seed = 1; seed <= 24; seed++)
		run_case(seed % 2 == 0, WORLD_LINK | WORLD_RETURN, RD_RECOVERY_PREPARE, 0, seed);
}

/* A replica of whom nobody knew that it is one is promoted, re-pointed or named like all others; one that is none is left alone. */
static void
test_in_doubt(void **state UNUSED)
{
	static const unsigned faults[] = {0,
					  WORLD_LEADER,
					  WORLD_CANDIDATE,
					  WORLD_RETURN,
					  WORLD_LOSE_RESULTS,
					  WORLD_SLOW_PROBER,
					  WORLD_SLOW_SERVER,
					  WORLD_HUNG_SERVER,
					  WORLD_ABORT,
					  WORLD_LEADER | WORLD_SLOW_SERVER,
					  WORLD_LEADER | WORLD_RETURN,
					  WORLD_HUNG_SERVER | WORLD_LEADER};
	static const int64_t after_us[] = {0, 700, 2500, 15000};
	struct world w;

	for (size_t i = 0; i < 4 * ARRAY_LEN(faults) * (RD_RECOVERY_DONE + 1) * ARRAY_LEN(after_us); i += STRIDE) {
		char name[128];
		size_t f = i / 4 % ARRAY_LEN(faults), s = i / 4 / ARRAY_LEN(faults) % (RD_RECOVERY_DONE + 1);
		(void)snprintf(name, sizeof(name), "in doubt: %zu%s, faults %u in state %zu, case %zu", 2 + i % 2,
			       (i & 2) != 0 ? ", foreign" : "", faults[f], s, i);
		world_init(&w, name, i / 8 % 2 == 0, (unsigned)i);
		w.doubt = 2 + i % 2;
		w.foreign = (i & 2) != 0;
		w.faults = faults[f];
		w.when = (enum rd_recovery_state)s;
		w.after_us = after_us[i / 4 / ARRAY_LEN(faults) / (RD_RECOVERY_DONE + 1)];
		world_begin(&w);
		world_go(&w);
		world_check_end(&w);
		if (faults[f] == 0)
			WORLD_CHECK(&w, w.record.promoted && w.lost.n == 0 &&
					    str_eq(w.record.successor.hostname, w.foreign && w.doubt == 2 ? "d" : "c"));
		world_done(&w);
	}
}

static bool
follows(struct world *w, const struct rd_recovery_server *s)
{
	return topo_key_equal(&s->source_key, &w->record.successor) && s->io_thread_state == TOPO_THREAD_RUNNING &&
	       s->sql_thread_state == TOPO_THREAD_RUNNING && s->read_only;
}

/* With RejoinFailedMaster the old source follows, if it has nothing of its own. */
static void
test_old_source_rejoins(void **state UNUSED)
{
	for (int i = 0; i < 8; i++) {
		struct world w;

		world_init(&w, i < 4 ? "rejoin" : "it is off", i % 2 == 1, 1);
		w.ahead = (i & 2) != 0;
		w.rejoin = i < 4;
		w.faults = i < 4 ? 0 : WORLD_RETURN;
		w.when = RD_RECOVERY_DONE;
		world_begin(&w);
		world_go(&w);
		world_check_end(&w);
		WORLD_CHECK(&w, w.record.state == RD_RECOVERY_DONE && w.servers[0].row.read_only);
		WORLD_CHECK(&w, follows(&w, &w.servers[0].row) == (i < 2) && w.rejoined_once == (i < 2));
		WORLD_CHECK(&w, w.old == (w.ahead ? RD_OLD_AHEAD : i < 2 ? RD_OLD_FOLLOWS : RD_OLD_CONTAINED));
		world_done(&w);
	}
}

/* The old source does not let itself be made read-only, or somebody else answers under its name: that is told, each time, and
 * tried on: soon, but of a stranger once in a poll. */
static void
test_old_source_refuses_its_fence(void **state UNUSED)
{
	static const struct {
		int code;
		int64_t us;
		size_t at_least, at_most;
		const char *says;
	} cases[] = {
	    {0, 0, 0, 0, ""},
	    {ERR_SERVER, 30 * CLK_S, 80, 121, "a:3306 is back, and cannot be made read-only, which is tried on: "},
	    {ERR_PRECONDITION, 30 * CLK_S, 6, 7,
	     "a:3306 answers, but it is another server than the one that was replaced: it is not made read-only. "},
	    /* for good */
	    {ERR_SERVER, 4000 * CLK_S, 2400, 3200, "a:3306 is back, and cannot be made read-only, "},
	    {ERR_PRECONDITION, 4000 * CLK_S, 600, 721, "a:3306 answers, but it is another server "},
	};

	for (size_t i = 0; i < 2 * ARRAY_LEN(cases); i++) {
		size_t k = i / 2, says = strlen(cases[k].says);
		bool ever = cases[k].us < 3600 * CLK_S;
		struct world w;

		world_init(&w, cases[k].says, i % 2 == 1, 1);
		w.faults = WORLD_RETURN;
		w.when = RD_RECOVERY_DONE;
		w.refuse = cases[k].code;
		w.refuse_us = cases[k].us;
		world_begin(&w);
		world_go(&w);
		WORLD_CHECK(&w, w.record.state == RD_RECOVERY_DONE && w.record.promoted);
		WORLD_CHECK(&w, w.refused >= cases[k].at_least && w.refused <= cases[k].at_most);
		WORLD_CHECK(&w, w.told == w.refused && w.refusal.len >= says);
		WORLD_CHECK(&w, strncmp(str_buf_text(&w.refusal), cases[k].says, says) == 0);
		WORLD_CHECK(&w, cases[k].code != ERR_SERVER ||
				    str_eq(str_buf_text(&w.refusal) + w.refusal.len - strlen(err_text(ERR_SERVER)),
					   err_text(ERR_SERVER)));
		WORLD_CHECK(&w, w.servers[0].row.read_only == ever && rd_recover_is_fencing(w.r) == !ever);
		WORLD_CHECK(&w, w.old == (ever ? RD_OLD_CONTAINED : RD_OLD_FOLLOWS));
		world_done(&w);
	}
}

/* Where the successor stood is known to whoever leads next, and so what the old source has of its own. */
static void
test_old_source_rejoins_though_the_leader_was_lost(void **state UNUSED)
{
	static const int64_t after_us[] = {0, 700, 1500, 2500, 4000, 7000, 15000};

	for (unsigned seed = 1; seed <= 4; seed++) {
		for (size_t t = 0; t < 4 * ARRAY_LEN(after_us); t++) {
			char name[128];
			struct world w;
			(void)snprintf(name, sizeof(name), "leader lost %lld us after promote, %zu, seed %u",
				       (long long)after_us[t / 4], t % 4, seed);
			world_init(&w, name, t % 2 == 0, seed);
			w.rejoin = true;
			w.ahead = t % 4 >= 2;
			w.faults = WORLD_LEADER;
			w.when = RD_RECOVERY_PROMOTE;
			w.after_us = after_us[t / 4];
			world_begin(&w);
			world_go(&w);
			world_check_end(&w);
			WORLD_CHECK(&w, w.fault_came && w.record.state == RD_RECOVERY_DONE);
			WORLD_CHECK(&w, str_eq(w.record.promoted_at, w.mariadb ? "0-97-100" : ""));
			WORLD_CHECK(&w, follows(&w, &w.servers[0].row) == !w.ahead);
			WORLD_CHECK(&w, w.old == (w.ahead ? RD_OLD_AHEAD : RD_OLD_FOLLOWS));
			world_done(&w);
		}
	}
}

static void
test_faults_while_it_rejoins(void **state UNUSED)
{
	static const unsigned faults[] = {WORLD_LEADER,
					  WORLD_CANDIDATE,
					  WORLD_LOSE_RESULTS,
					  WORLD_SLOW_PROBER,
					  WORLD_SLOW_SERVER,
					  WORLD_HUNG_SERVER,
					  WORLD_ABORT,
					  WORLD_RETURN,
					  WORLD_LEADER | WORLD_SLOW_PROBER,
					  WORLD_LEADER | WORLD_HUNG_SERVER,
					  WORLD_LEADER | WORLD_CANDIDATE,
					  WORLD_LEADER | WORLD_RETURN};
	static const int64_t after_us[] = {0, 700, 1500, 2500, 4000, 7000, 15000};

	for (unsigned seed = 1; seed <= 4; seed++) {
		for (size_t f = 0; f < ARRAY_LEN(faults); f++) {
			for (size_t t = 0; t < ARRAY_LEN(after_us); t++) {
				char name[128];
				struct world w;
				(void)snprintf(name, sizeof(name), "rejoin, faults %u after %lld us, seed %u",
					       faults[f], (long long)after_us[t], seed);
				world_init(&w, name, (seed + t) % 2 == 0, seed);
				w.rejoin = true;
				w.faults = faults[f];
				w.when = RD_RECOVERY_REJOIN;
				w.after_us = after_us[t];
				world_begin(&w);
				world_go(&w);
				world_check_end(&w);
				WORLD_CHECK(&w, w.fault_came && w.record.state == RD_RECOVERY_DONE);
				if ((faults[f] & (WORLD_CANDIDATE | WORLD_ABORT)) == 0)
					WORLD_CHECK(&w, follows(&w, &w.servers[0].row));
				world_done(&w);
			}
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_straight),
	    cmocka_unit_test(test_in_doubt),
	    cmocka_unit_test(test_slow_appliers),
	    cmocka_unit_test(test_what_was_counted_on_is_gone),
	    cmocka_unit_test(test_old_source_rejoins),
	    cmocka_unit_test(test_old_source_refuses_its_fence),
	    cmocka_unit_test(test_old_source_rejoins_though_the_leader_was_lost),
	    cmocka_unit_test(test_faults_while_it_rejoins),
	    cmocka_unit_test(test_a_fence_that_comes_late_is_undone),
	    cmocka_unit_test(test_failing_pre_hook),
	    cmocka_unit_test(test_faults_in_every_state),
	    cmocka_unit_test(test_candidate_applies_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
