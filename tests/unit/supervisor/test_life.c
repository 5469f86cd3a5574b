/* test_life.c — what is due for each child: order of start and stop, deadlines, forgiveness. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proc/proc_contract.h"
#include "sup_life.h"

enum { RAFTD, PROBER0, PROBER1, APID, N };
#define T (&sup_times_default)

static struct mono
at_ms(int64_t ms)
{
	return (struct mono){CLK_S + ms * CLK_MS};
}

static void
fresh(struct sup_life *v)
{
	const struct sup_life proto[N] = {
	    {.group = 0, .waits_for = -1, .stop_percent = 100},
	    {.group = 1, .waits_for = -1, .stop_percent = 50},
	    {.group = 1, .waits_for = -1, .stop_percent = 50},
	    {.group = 2, .waits_for = 0, .stop_percent = 30},
	};

	memcpy(v, proto, sizeof(proto));
	for (size_t i = 0; i < N; i++)
		v[i].start_at = at_ms(0);
}

static void
all_ready(struct sup_life *v, struct mono t)
{
	for (size_t i = 0; i < N; i++) {
		v[i].state = SUP_READY;
		v[i].ever_ready = true;
		v[i].started = v[i].last_beat = t;
	}
}

static enum sup_action
due(const struct sup_life *v, size_t i, bool stopping)
{
	return sup_life_due(T, v, N, i, stopping, at_ms(0)).action;
}

static void
apid_waits_for_raftd(void **state UNUSED)
{
	struct sup_life v[N];

	fresh(v);
	assert_int_equal(due(v, RAFTD, false), SUP_START);
	assert_int_equal(due(v, PROBER1, false), SUP_START);
	assert_int_equal(due(v, APID, false), SUP_NOTHING);
	v[RAFTD].state = SUP_STARTING;
	assert_int_equal(due(v, APID, false), SUP_NOTHING);
	v[RAFTD].state = SUP_READY;
	v[RAFTD].ever_ready = true;
	assert_int_equal(due(v, APID, false), SUP_START);
	v[RAFTD].state = SUP_DOWN; /* died since: HTTP need not wait for its restart */
	assert_int_equal(due(v, APID, false), SUP_START);
	assert_false(sup_life_all_ready(v, N));
	all_ready(v, at_ms(0));
	assert_true(sup_life_all_ready(v, N));
}

static void
a_restart_waits_for_its_time(void **state UNUSED)
{
	struct sup_life v[N];
	struct sup_due d;

	fresh(v);
	v[PROBER0].start_at = at_ms(1000);
	d = sup_life_due(T, v, N, PROBER0, false, at_ms(0));
	assert_int_equal(d.action, SUP_START);
	assert_int_equal(d.at.us, at_ms(1000).us);
}

static void
late_and_silent_children_are_killed(void **state UNUSED)
{
	struct sup_life v[N];
	struct sup_due d;

	fresh(v);
	v[RAFTD].state = SUP_STARTING;
	v[RAFTD].started = at_ms(5);
	d = sup_life_due(T, v, N, RAFTD, false, at_ms(0));
	assert_int_equal(d.action, SUP_KILL_NOT_READY);
	assert_int_equal(d.at.us, at_ms(5 + PROC_READY_MS).us);
	v[RAFTD].state = SUP_READY;
	v[RAFTD].last_beat = at_ms(700);
	d = sup_life_due(T, v, N, RAFTD, false, at_ms(0));
	assert_int_equal(d.action, SUP_KILL_SILENT);
	assert_int_equal(d.at.us, at_ms(700 + PROC_BEAT_DEAD_MS).us);
	v[RAFTD].state = SUP_KILLED;
	assert_int_equal(due(v, RAFTD, false), SUP_NOTHING);
}

static void
stops_backwards(void **state UNUSED)
{
	struct sup_life v[N];

	fresh(v);
	all_ready(v, at_ms(0));
	assert_int_equal(due(v, RAFTD, true), SUP_NOTHING);
	assert_int_equal(due(v, PROBER0, true), SUP_NOTHING);
	assert_int_equal(due(v, APID, true), SUP_TELL_STOP);
	v[APID].state = SUP_STOPPING;
	v[APID].stop_by = at_ms(3000);
	assert_int_equal(due(v, APID, true), SUP_KILL_LATE);
	assert_int_equal(due(v, PROBER0, true), SUP_NOTHING);
	v[APID].state = SUP_KILLED;
	assert_int_equal(due(v, PROBER0, true), SUP_NOTHING);
	v[APID].state = SUP_OVER;
	assert_int_equal(due(v, PROBER0, true), SUP_TELL_STOP);
	assert_int_equal(due(v, PROBER1, true), SUP_TELL_STOP);
	assert_int_equal(due(v, RAFTD, true), SUP_NOTHING);
	v[PROBER0].state = v[PROBER1].state = SUP_OVER;
	assert_int_equal(due(v, RAFTD, true), SUP_TELL_STOP);
	assert_false(sup_life_all_over(v, N));
	v[RAFTD].state = SUP_OVER;
	assert_true(sup_life_all_over(v, N));
}

static void
stopping_ends_what_waits_for_a_restart(void **state UNUSED)
{
	struct sup_life v[N];

	fresh(v);
	v[RAFTD].start_at = at_ms(60000);
	assert_int_equal(due(v, RAFTD, true), SUP_TELL_STOP);
}

static void
healthy_means_nobody_is_stuck(void **state UNUSED)
{
	struct sup_life v[N];

	fresh(v);
	assert_true(sup_life_healthy(T, v, N, at_ms(0)));
	all_ready(v, at_ms(0));
	assert_true(sup_life_healthy(T, v, N, at_ms(PROC_BEAT_DEAD_MS - 1)));
	assert_false(sup_life_healthy(T, v, N, at_ms(PROC_BEAT_DEAD_MS)));
	v[APID].state = SUP_KILLED;
	v[APID].killed = at_ms(100);
	v[RAFTD].last_beat = v[PROBER0].last_beat = v[PROBER1].last_beat = at_ms(4000);
	assert_true(sup_life_healthy(T, v, N, at_ms(3000)));
	assert_false(sup_life_healthy(T, v, N, at_ms(3100))); /* cannot even be killed */
}

static void
our_own_pause_is_forgiven(void **state UNUSED)
{
	struct sup_life v[N];

	fresh(v);
	all_ready(v, at_ms(0));
	v[APID].state = SUP_STARTING;
	sup_life_forgive(v, N, 10000 * CLK_MS);
	assert_int_equal(sup_life_due(T, v, N, RAFTD, false, at_ms(0)).at.us, at_ms(10000 + PROC_BEAT_DEAD_MS).us);
	assert_int_equal(sup_life_due(T, v, N, APID, false, at_ms(0)).at.us, at_ms(10000 + PROC_READY_MS).us);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(apid_waits_for_raftd),
	    cmocka_unit_test(a_restart_waits_for_its_time),
	    cmocka_unit_test(late_and_silent_children_are_killed),
	    cmocka_unit_test(stops_backwards),
	    cmocka_unit_test(stopping_ends_what_waits_for_a_restart),
	    cmocka_unit_test(healthy_means_nobody_is_stuck),
	    cmocka_unit_test(our_own_pause_is_forgiven),
	};

	return cmocka_run_group_tests_name("life", tests, NULL, NULL);
}
