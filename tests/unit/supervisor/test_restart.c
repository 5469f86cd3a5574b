/* test_restart.c — the restart policy: tables of ends and what follows. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proc/proc_contract.h"
#include "restart.h"

#define POLICY (&sup_restart_policy_default)
#define EXIT(code) .value = (code)
#define SIGNAL(signo) .by_signal = true, .value = (signo)
#define READY .was_ready = true
#define AFTER(s) .uptime_us = (s)*CLK_S
#define STUCK .by_us = true

static struct mono
at_s(int64_t s)
{
	return (struct mono){1000 * CLK_S + s * CLK_S};
}

/* A first end: what happens, how long it waits. */
static const struct {
	const char *name;
	struct sup_end end;
	enum sup_verdict verdict;
	int64_t wait_s;
	int exit_code;
} first[] = {
    {"crash when ready", {SIGNAL(SIGSEGV), READY, AFTER(5)}, SUP_RESTART, 0, 0},
    {"crash before ready", {SIGNAL(SIGABRT), AFTER(0)}, SUP_RESTART, 1, 0},
    {"exit 1 when ready", {EXIT(1), READY, AFTER(5)}, SUP_RESTART, 0, 0},
    {"exit 1 before ready", {EXIT(1)}, SUP_RESTART, 1, 0},
    {"exit 75 before ready", {EXIT(PROC_EXIT_RETRY)}, SUP_RESTART, 1, 0},
    {"exit 0 before ready is a failure", {EXIT(0)}, SUP_RESTART, 1, 0},
    {"exit 0 when ready: somebody sent SIGTERM", {EXIT(0), READY, AFTER(5)}, SUP_RESTART, 0, 0},
    {"kill -9 when ready", {SIGNAL(SIGKILL), READY, AFTER(5)}, SUP_RESTART, 0, 0},
    {"kill -9 before ready", {SIGNAL(SIGKILL)}, SUP_RESTART, 0, 0},
    {"stuck when ready", {SIGNAL(SIGKILL), READY, STUCK, AFTER(5)}, SUP_RESTART, 0, 0},
    {"not ready in time", {SIGNAL(SIGKILL), STUCK, AFTER(30)}, SUP_RESTART, 1, 0},
    {"usage", {EXIT(PROC_EXIT_USAGE)}, SUP_STOP_ALL, 0, PROC_EXIT_USAGE},
    {"backend", {EXIT(PROC_EXIT_BACKEND), READY, AFTER(500)}, SUP_STOP_ALL, 0, PROC_EXIT_BACKEND},
    {"version", {EXIT(PROC_EXIT_VERSION)}, SUP_STOP_ALL, 0, PROC_EXIT_VERSION},
    {"permission", {EXIT(PROC_EXIT_PERMISSION)}, SUP_STOP_ALL, 0, PROC_EXIT_PERMISSION},
    {"configuration", {EXIT(PROC_EXIT_CONFIG)}, SUP_STOP_ALL, 0, PROC_EXIT_CONFIG},
    {"a signal with the number of a final code is none", {SIGNAL(64), READY}, SUP_RESTART, 0, 0},
};

static void
first_end(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(first); i++) {
		struct sup_history h = {0};
		struct sup_decision d = sup_restart_decide(POLICY, &h, &first[i].end, at_s(0));

		if (d.verdict != first[i].verdict || d.exit_code != first[i].exit_code)
			fail_msg("%s: verdict %d, exit code %d", first[i].name, (int)d.verdict, d.exit_code);
		if (d.verdict == SUP_RESTART && mono_diff_us(d.at, at_s(0)) != first[i].wait_s * CLK_S)
			fail_msg("%s: waits %lld us", first[i].name, (long long)mono_diff_us(d.at, at_s(0)));
	}
}

/* The same end again and again, each right after the restart that was granted: the waits in seconds, -1 = gives up. */
static const struct {
	const char *name;
	struct sup_end end;
	int64_t waits_s[12];
} loops[] = {
    {"crash loop before ready", {SIGNAL(SIGSEGV)}, {1, 2, 4, 8, 16, 32, 60, 60, 60, -1}},
    {"crash loop soon after ready", {SIGNAL(SIGSEGV), READY, AFTER(1)}, {0, 1, 2, 4, 8, 16, 32, 60, 60, -1}},
    {"exit 1 loop", {EXIT(1)}, {1, 2, 4, 8, 16, 32, 60, 60, 60, -1}},
    {"never ready, thirty seconds each", {SIGNAL(SIGKILL), STUCK, AFTER(30)}, {1, 2, 4, 8, 16, 32, 60, 60, 60, -1}},
    {"crash once in a while", {SIGNAL(SIGSEGV), READY, AFTER(61)}, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
    {"killed every five seconds", {SIGNAL(SIGKILL), READY, AFTER(5)}, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
};

static void
in_a_loop(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(loops); i++) {
		struct sup_history h = {0};
		struct mono now = at_s(0);

		for (size_t k = 0; k < ARRAY_LEN(loops[i].waits_s); k++) {
			now = mono_add_us(now, loops[i].end.uptime_us);
			struct sup_decision d = sup_restart_decide(POLICY, &h, &loops[i].end, now);

			if (loops[i].waits_s[k] < 0) {
				assert_int_equal(d.verdict, SUP_GIVE_UP);
				assert_int_not_equal(d.exit_code, 0);
				break;
			}
			if (d.verdict != SUP_RESTART || mono_diff_us(d.at, now) != loops[i].waits_s[k] * CLK_S)
				fail_msg("%s, end %zu: verdict %d, waits %lld us", loops[i].name, k, (int)d.verdict,
					 (long long)mono_diff_us(d.at, now));
			now = d.at;
		}
	}
}

static void
a_storm_of_kills_counts_as_failure(void **state UNUSED)
{
	const struct sup_end killed = {SIGNAL(SIGKILL), READY, AFTER(0)};
	struct sup_history h = {0};
	struct sup_decision d = {.verdict = SUP_RESTART};
	struct mono now = at_s(0);
	unsigned n = 0, first_wait = 0;

	for (; n < 1000 && d.verdict == SUP_RESTART; n++) {
		d = sup_restart_decide(POLICY, &h, &killed, now);
		if (first_wait == 0 && mono_before(now, d.at))
			first_wait = n;
		now = mono_add_us(d.at, CLK_S / 10);
	}
	/* those that are free and the quick try of the failures; then they wait, and in the end it is given up */
	assert_int_equal(first_wait, POLICY->outside_max + 1);
	assert_int_equal(d.verdict, SUP_GIVE_UP);
}

static void
forgets_after_a_minute_up(void **state UNUSED)
{
	const struct sup_end crash = {SIGNAL(SIGSEGV)}, late_crash = {SIGNAL(SIGSEGV), READY, AFTER(60)};
	struct sup_history h = {0};

	for (int i = 0; i < 5; i++)
		assert_int_equal(sup_restart_decide(POLICY, &h, &crash, at_s(i)).verdict, SUP_RESTART);
	assert_int_equal(h.wait_us, 32 * CLK_S);
	assert_int_equal(mono_diff_us(sup_restart_decide(POLICY, &h, &late_crash, at_s(70)).at, at_s(70)), 0);
	assert_int_equal(mono_diff_us(sup_restart_decide(POLICY, &h, &crash, at_s(71)).at, at_s(71)), CLK_S);
}

static void
failures_outside_the_window_do_not_count(void **state UNUSED)
{
	const struct sup_end crash = {SIGNAL(SIGSEGV), AFTER(10)};
	struct sup_history h = {0};

	for (int i = 0; i < 40; i++)
		assert_int_equal(sup_restart_decide(POLICY, &h, &crash, at_s(70 * i)).verdict, SUP_RESTART);
}

static void
ends_in_words(void **state UNUSED)
{
	char text[SUP_END_BYTES];

	sup_end_text(&(struct sup_end){EXIT(78)}, text);
	assert_string_equal(text, "exit code 78 (configuration)");
	sup_end_text(&(struct sup_end){EXIT(3)}, text);
	assert_string_equal(text, "exit code 3");
	sup_end_text(&(struct sup_end){SIGNAL(SIGKILL)}, text);
	assert_string_equal(text, "signal 9 (Killed)");
	sup_end_text(&(struct sup_end){SIGNAL(SIGKILL), STUCK}, text);
	assert_string_equal(text, "signal 9 (Killed) from the supervisor");
	assert_null(sup_exit_advice(1));
	assert_non_null(strstr(sup_exit_advice(PROC_EXIT_CONFIG), "orchestrator -t"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(first_end),
	    cmocka_unit_test(in_a_loop),
	    cmocka_unit_test(a_storm_of_kills_counts_as_failure),
	    cmocka_unit_test(forgets_after_a_minute_up),
	    cmocka_unit_test(failures_outside_the_window_do_not_count),
	    cmocka_unit_test(ends_in_words),
	};

	return cmocka_run_group_tests_name("restart", tests, NULL, NULL);
}
