/* test_rd_recover_fence.c — a recovery that another node takes over: whom it makes read-only, not whom a later one promotes; and
 * what it believes of the former leader's clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/str.h"
#include "rd_recover.h"
#include "topo/key.h"
#include "topo/step.h"

static int64_t now_us = CLK_S;
static struct topo_key a = {"a", 3306}, b = {"b", 3306}, c = {"c", 3306};
static enum rd_recover_later later_of_c;
static struct ipc_step sent[16];
static size_t n_sent;

static struct mono
mono_of(struct clock *clock UNUSED)
{
	return (struct mono){now_us};
}

static struct wall
wall_of(struct clock *clock UNUSED)
{
	return (struct wall){now_us};
}

static struct clock virtual_clock = {mono_of, wall_of};

static void
op_propose(void *ctx UNUSED, const struct rd_recover_event *ev UNUSED)
{
}

static void
op_note(void *ctx UNUSED, const struct rd_recover_note *note UNUSED)
{
}

static int
op_send(void *ctx UNUSED, const struct ipc_step *m, struct err *e UNUSED)
{
	assert_true(n_sent < ARRAY_LEN(sent));
	sent[n_sent] = *m;
	sent[n_sent].key = topo_key_equal(&m->key, &a) ? a : topo_key_equal(&m->key, &c) ? c : b;
	n_sent++;
	return 0;
}

static struct mono
op_lease(void *ctx UNUSED)
{
	return (struct mono){now_us + CLK_S};
}

static enum rd_recover_later
op_later(void *ctx UNUSED, const struct topo_key *key)
{
	return topo_key_equal(key, &c) ? later_of_c : RD_LATER_NOTHING;
}

static const struct rd_recover_ops ops = {
    .propose = op_propose, .note = op_note, .send = op_send, .lease = op_lease, .later = op_later};

/* Of a, whose candidate c was dropped and may be writable. */
static struct rd_recover *
make(enum rd_recovery_state state, enum rd_recover_origin origin, bool suspects)
{
	struct rd_recovery_server servers[2];
	struct rd_recovery_input in;
	struct rd_recovery record;
	unsigned effects;

	rec_init(&rd_recovery_input_desc, &in);
	rec_init(&rd_recovery_server_desc, &servers[0]);
	rec_init(&rd_recovery_server_desc, &servers[1]);
	in.failed.key = a;
	in.failed.semi_sync_since_us = 100 * CLK_S;
	servers[0].key = b;
	servers[1].key = c;
	in.servers = (struct rd_recovery_server_list){servers, 2};
	rd_fsm_begin("uid", "cluster", &a, false, now_us, &record, &effects);
	record.state = state;
	record.suspects = (struct topo_key_list){&c, suspects ? 1 : 0};
	n_sent = 0;
	return rd_recover_new(&(struct rd_recover_conf){.in = &in,
							.record = &record,
							.origin = origin,
							.term = 2,
							.poll_us = CLK_S,
							.clock = &virtual_clock,
							.ops = &ops});
}

/* While what it did is undone. */
static struct rd_recover *
taken_over(bool suspects)
{
	return make(RD_RECOVERY_RESTORE, RD_RECOVER_ORPHAN_DEAD, suspects);
}

/* All that was sent succeeds. */
static void
succeed(struct rd_recover *r)
{
	for (size_t i = 0; i < n_sent; i++)
		rd_recover_result(r, &(struct ipc_step_result){.recovery_uid = "uid",
							       .term = 2,
							       .number = sent[i].number,
							       .key = sent[i].key,
							       .sent = true,
							       .message = ""});
	n_sent = 0;
	rd_recover_tick(r);
	now_us += 2 * RD_RECOVER_FENCE_US;
	rd_recover_tick(r);
}

static bool
is_fenced(const struct topo_key *key)
{
	bool found = false;

	for (size_t i = 0; i < n_sent; i++)
		found |= topo_key_equal(&sent[i].key, key) &&
			 str_eq(sent[i].statement, topo_step_name(TOPO_STEP_SET_READ_ONLY));
	return found;
}

static void
test_a_suspect_is_fenced_by_the_next_leader(void **state UNUSED)
{
	struct rd_recover *r = taken_over(true);

	later_of_c = RD_LATER_NOTHING;
	rd_recover_tick(r);
	assert_true(is_fenced(&a) && is_fenced(&c) && !is_fenced(&b));
	succeed(r);
	assert_false(rd_recover_is_fencing(r));
	rd_recover_free(r);
	r = taken_over(false);
	rd_recover_tick(r);
	assert_int_equal(n_sent, 0);
	rd_recover_free(r);
}

static void
test_nobody_is_fenced_whom_a_later_one_promotes(void **state UNUSED)
{
	struct rd_recover *r = taken_over(true);

	later_of_c = RD_LATER_CHOSEN;
	rd_recover_tick(r);
	assert_true(is_fenced(&a) && !is_fenced(&c));
	succeed(r);
	assert_true(n_sent == 0 && rd_recover_is_fencing(r));
	later_of_c = RD_LATER_NOTHING; /* it was dropped */
	now_us += 2 * RD_RECOVER_FENCE_US;
	rd_recover_tick(r);
	assert_true(is_fenced(&c));
	rd_recover_free(r);

	r = taken_over(true);
	later_of_c = RD_LATER_PROMOTED;
	rd_recover_tick(r);
	assert_true(is_fenced(&a) && !is_fenced(&c));
	succeed(r);
	assert_true(n_sent == 0 && !rd_recover_is_fencing(r));
	rd_recover_free(r);
}

static void
test_one_suspect_alone_is_fenced_after_the_end(void **state UNUSED)
{
	struct rd_recover *r = make(RD_RECOVERY_UNDONE, RD_RECOVER_BEGUN, true);

	later_of_c = RD_LATER_NOTHING;
	rd_recover_tick(r);
	assert_int_equal(n_sent, 0);
	rd_recover_fence_suspect(r, &c);
	rd_recover_tick(r);
	assert_true(n_sent == 1 && is_fenced(&c) && !rd_recover_is_over(r));
	succeed(r);
	assert_true(n_sent == 0 && rd_recover_is_over(r));
	rd_recover_free(r);
}

static void
test_the_former_leaders_clock_may_be_ahead(void **state UNUSED)
{
	struct rd_recover *begun = make(RD_RECOVERY_CHOOSE, RD_RECOVER_BEGUN, false), *taken = taken_over(false);

	assert_int_equal(rd_recover_input(begun)->failed.semi_sync_since_us, 100 * CLK_S);
	assert_int_equal(rd_recover_input(taken)->failed.semi_sync_since_us, 100 * CLK_S - RD_CLOCKS_APART_US);
	rd_recover_free(begun);
	rd_recover_free(taken);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_suspect_is_fenced_by_the_next_leader),
	    cmocka_unit_test(test_nobody_is_fenced_whom_a_later_one_promotes),
	    cmocka_unit_test(test_one_suspect_alone_is_fenced_after_the_end),
	    cmocka_unit_test(test_the_former_leaders_clock_may_be_ahead),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
