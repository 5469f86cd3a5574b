/* test_rd_probers.c — watches, credits, probes on demand and look-ups over a played pool: who is told what, and what
 * happens when a prober dies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "rd_probers.h"
#include "topo/key.h"

#define SLOTS 3
#define MANY 1000

/* What the played probers were sent. */
struct pool {
	struct rd_probers *p;
	size_t watched[SLOTS], unwatched[SLOTS], probes[SLOTS], lookups[SLOTS];
	uint64_t credits[SLOTS];
	uint64_t last_id, last_flags;
	size_t largest_batch;
	bool full; /* refuse everything */
};

static int
refuse(const struct pool *pool, struct err *e)
{
	return pool->full ? err_set(e, ERR_IPC_FULL, "full") : 0;
}

static int
send_watch(void *ctx, unsigned slot, const struct ipc_watch *m, struct err *e)
{
	struct pool *pool = ctx;

	if (refuse(pool, e) != 0)
		return -e->code;
	pool->watched[slot] += m->targets.n;
	pool->last_flags = m->targets.v[0].flags;
	if (m->targets.n > pool->largest_batch)
		pool->largest_batch = m->targets.n;
	for (size_t i = 0; i < m->targets.n; i++)
		assert_int_equal(rd_watch_slot(rd_probers_watches(pool->p), &m->targets.v[i].key), slot);
	return 0;
}

static int
send_unwatch(void *ctx, unsigned slot, const struct ipc_unwatch *m, struct err *e)
{
	struct pool *pool = ctx;

	if (refuse(pool, e) != 0)
		return -e->code;
	pool->unwatched[slot] += m->keys.n;
	return 0;
}

static int
send_probe(void *ctx, unsigned slot, const struct ipc_probe *m, struct err *e)
{
	struct pool *pool = ctx;

	if (refuse(pool, e) != 0)
		return -e->code;
	assert_true(m->probe_id > 0);
	pool->probes[slot]++;
	pool->last_id = m->probe_id;
	return 0;
}

static int
send_resolve(void *ctx, unsigned slot, const struct ipc_resolve *m, struct err *e)
{
	struct pool *pool = ctx;

	if (refuse(pool, e) != 0)
		return -e->code;
	pool->lookups[slot]++;
	pool->last_id = m->request_id;
	return 0;
}

static int
send_credit(void *ctx, unsigned slot, const struct ipc_credit *m, struct err *e)
{
	struct pool *pool = ctx;

	if (refuse(pool, e) != 0)
		return -e->code;
	pool->credits[slot] += m->n;
	return 0;
}

static const struct rd_prober_ops ops = {send_watch, send_unwatch, send_probe, send_resolve, send_credit};

static void
pool_init(struct pool *pool)
{
	*pool = (struct pool){0};
	pool->p = rd_probers_new(SLOTS, &ops, pool);
}

static size_t
sum(const size_t *v)
{
	return v[0] + v[1] + v[2];
}

static struct topo_key
key(int i)
{
	static char names[MANY][16];

	(void)snprintf(names[i], sizeof(names[i]), "db%d", i);
	return (struct topo_key){names[i], 3306};
}

static void
watch(struct pool *pool, int n, uint64_t flags)
{
	for (int i = 0; i < n; i++) {
		struct topo_key k = key(i);
		rd_watch_set(rd_probers_watches(pool->p), &k, flags);
	}
}

static struct mono
at(int64_t ms)
{
	return (struct mono){1000 * CLK_S + ms * CLK_MS};
}

/* --- watches --------------------------------------------------------------------------------------------------- */
static void
each_prober_is_told_its_share_when_it_is_up(void **state UNUSED)
{
	struct pool pool;

	pool_init(&pool);
	watch(&pool, MANY, 0);
	assert_false(rd_probers_tell(pool.p));
	assert_int_equal(sum(pool.watched), 0);
	for (unsigned slot = 0; slot < SLOTS; slot++)
		rd_probers_up(pool.p, slot);
	assert_false(rd_probers_tell(pool.p));
	assert_int_equal(sum(pool.watched), MANY);
	for (unsigned slot = 0; slot < SLOTS; slot++)
		assert_in_range(pool.watched[slot], MANY / SLOTS / 2, MANY / SLOTS * 2);
	assert_in_range(pool.largest_batch, 200, RD_WATCH_BATCH);
	/* nothing new, nothing said */
	watch(&pool, MANY, 0);
	assert_false(rd_probers_tell(pool.p));
	assert_int_equal(sum(pool.watched), MANY);
	rd_probers_free(pool.p);
}

static void
a_prober_that_died_is_told_everything_anew(void **state UNUSED)
{
	size_t share;
	struct pool pool;

	pool_init(&pool);
	watch(&pool, MANY, 0);
	for (unsigned slot = 0; slot < SLOTS; slot++)
		rd_probers_up(pool.p, slot);
	(void)rd_probers_tell(pool.p);
	share = pool.watched[1];
	rd_probers_down(pool.p, 1);
	watch(&pool, MANY, IPC_TARGET_HAS_REPLICAS);
	(void)rd_probers_tell(pool.p);
	assert_int_equal(pool.watched[1], share);
	rd_probers_up(pool.p, 1);
	(void)rd_probers_tell(pool.p);
	assert_int_equal(pool.watched[1], 2 * share);
	assert_int_equal(sum(pool.watched), 2 * MANY);
	rd_probers_free(pool.p);
}

static void
hurry_is_told_once(void **state UNUSED)
{
	struct topo_key k = key(0);
	struct pool pool;

	pool_init(&pool);
	for (unsigned slot = 0; slot < SLOTS; slot++)
		rd_probers_up(pool.p, slot);
	watch(&pool, 1, IPC_TARGET_HURRY);
	(void)rd_probers_tell(pool.p);
	assert_int_equal(pool.last_flags, IPC_TARGET_HURRY);
	watch(&pool, 1, 0);
	(void)rd_probers_tell(pool.p);
	assert_int_equal(sum(pool.watched), 1);
	rd_probers_down(pool.p, rd_watch_slot(rd_probers_watches(pool.p), &k));
	rd_probers_up(pool.p, rd_watch_slot(rd_probers_watches(pool.p), &k));
	(void)rd_probers_tell(pool.p);
	assert_int_equal(pool.last_flags, 0);
	rd_probers_free(pool.p);
}

static void
what_is_watched_no_more_is_said_once(void **state UNUSED)
{
	struct topo_key k = key(0);
	struct pool pool;

	pool_init(&pool);
	for (unsigned slot = 0; slot < SLOTS; slot++)
		rd_probers_up(pool.p, slot);
	watch(&pool, 2, 0);
	(void)rd_probers_tell(pool.p);
	rd_watch_unset(rd_probers_watches(pool.p), &k);
	assert_false(rd_watch_has(rd_probers_watches(pool.p), &k));
	(void)rd_probers_tell(pool.p);
	(void)rd_probers_tell(pool.p);
	assert_int_equal(sum(pool.unwatched), 1);
	/* away and back again before anybody was told: told as watched */
	watch(&pool, 1, 0);
	rd_watch_unset(rd_probers_watches(pool.p), &k);
	watch(&pool, 1, 0);
	(void)rd_probers_tell(pool.p);
	assert_int_equal(sum(pool.watched), 3);
	assert_int_equal(sum(pool.unwatched), 1);
	assert_int_equal(rd_watch_count(rd_probers_watches(pool.p)), 2);
	rd_probers_free(pool.p);
}

static void
a_full_queue_is_tried_again(void **state UNUSED)
{
	struct pool pool;

	pool_init(&pool);
	for (unsigned slot = 0; slot < SLOTS; slot++)
		rd_probers_up(pool.p, slot);
	watch(&pool, 10, 0);
	pool.full = true;
	assert_true(rd_probers_tell(pool.p));
	pool.full = false;
	assert_false(rd_probers_tell(pool.p));
	assert_int_equal(sum(pool.watched), 10);
	rd_probers_free(pool.p);
}

static void
credits_are_given_back_in_batches(void **state UNUSED)
{
	struct pool pool;

	pool_init(&pool);
	rd_probers_up(pool.p, 1);
	assert_int_equal(pool.credits[1], IPC_PROBE_WINDOW);
	for (int i = 0; i < 2 * RD_CREDIT_BATCH - 1; i++)
		rd_probers_credit(pool.p, 1);
	assert_int_equal(pool.credits[1], IPC_PROBE_WINDOW + RD_CREDIT_BATCH);
	pool.full = true;
	rd_probers_credit(pool.p, 1);
	pool.full = false;
	rd_probers_credit(pool.p, 1); /* none is lost */
	assert_int_equal(pool.credits[1], IPC_PROBE_WINDOW + 2 * RD_CREDIT_BATCH + 1);
	rd_probers_free(pool.p);
}

/* --- probes on demand ------------------------------------------------------------------------------------------ */
struct outcome {
	int calls;
	const void *result;
	struct err e;
};

static void
on_probed(void *ctx, const struct topo_key *asked, const void *result, const struct err *e)
{
	struct outcome *o = ctx;

	assert_string_equal(asked->hostname, "db0");
	o->calls++;
	o->result = result;
	if (e != NULL)
		o->e = *e;
}

static void
demand(struct pool *pool, struct outcome *o)
{
	struct topo_key k = key(0);
	struct err e;

	assert_int_equal(rd_probers_probe(pool->p, &k, IPC_LANE_URGENT, at(0), 5 * CLK_S, on_probed, o, &e), 0);
}

static void
a_probe_is_answered_once(void **state UNUSED)
{
	struct outcome o = {0};
	struct pool pool;

	pool_init(&pool);
	rd_probers_up(pool.p, 0);
	demand(&pool, &o);
	assert_int_equal(pool.probes[0], 1);
	rd_probers_finish(pool.p, 4711, "x"); /* of nobody */
	rd_probers_finish(pool.p, pool.last_id, "x");
	rd_probers_finish(pool.p, pool.last_id, "x");
	rd_probers_tick(pool.p, at(60000));
	assert_int_equal(o.calls, 1);
	assert_string_equal(o.result, "x");
	rd_probers_free(pool.p);
}

static void
a_probe_without_a_prober_waits_and_then_fails(void **state UNUSED)
{
	struct outcome o = {0}, late = {0};
	struct pool pool;

	pool_init(&pool);
	demand(&pool, &o);
	rd_probers_up(pool.p, 2);
	assert_int_equal(pool.probes[2], 1);
	rd_probers_finish(pool.p, pool.last_id, "x");
	rd_probers_down(pool.p, 2);
	demand(&pool, &late);
	rd_probers_tick(pool.p, at(4999));
	assert_int_equal(late.calls, 0);
	rd_probers_tick(pool.p, at(5000));
	assert_int_equal(late.calls, 1);
	assert_int_equal(late.e.code, ERR_TIMEOUT);
	assert_non_null(strstr(late.e.msg, "no prober"));
	assert_int_equal(o.calls, 1);
	rd_probers_free(pool.p);
}

static void
a_probe_of_a_dead_prober_goes_to_another_a_few_times(void **state UNUSED)
{
	struct outcome o = {0};
	struct pool pool;

	pool_init(&pool);
	for (unsigned slot = 0; slot < SLOTS; slot++)
		rd_probers_up(pool.p, slot);
	demand(&pool, &o);
	for (int i = 0; i < 10; i++) {
		for (unsigned slot = 0; slot < SLOTS; slot++) {
			rd_probers_down(pool.p, slot);
			rd_probers_up(pool.p, slot);
		}
	}
	assert_int_equal(sum(pool.probes), RD_PROBE_SENDS_MAX);
	assert_int_equal(rd_probers_stats(pool.p).resent, RD_PROBE_SENDS_MAX - 1);
	rd_probers_tick(pool.p, at(5000));
	assert_int_equal(o.calls, 1);
	rd_probers_free(pool.p);
}

static void
probes_under_way_are_bounded(void **state UNUSED)
{
	static struct outcome o;
	struct topo_key k = key(0);
	struct pool pool;
	struct err e;

	pool_init(&pool);
	for (int i = 0; i < RD_PROBES_MAX; i++)
		demand(&pool, &o);
	assert_int_equal(rd_probers_probe(pool.p, &k, IPC_LANE_URGENT, at(0), CLK_S, on_probed, &o, &e), -ERR_LIMIT);
	rd_probers_free(pool.p);
}

/* --- look-ups -------------------------------------------------------------------------------------------------- */
static void
on_looked_up(void *ctx, const char *host, const struct ipc_resolved *m)
{
	struct outcome *o = ctx;

	assert_string_equal(host, "vip");
	o->calls++;
	(void)snprintf(o->e.msg, sizeof(o->e.msg), "%s", m->resolved);
}

static void
a_lookup_is_answered_or_ends_late(void **state UNUSED)
{
	struct ipc_resolved answer = {.hostname = "vip", .resolved = "db1", .ipv4 = "", .ipv6 = "", .error = ""};
	struct outcome o = {0}, late = {0};
	struct pool pool;
	struct err e;

	pool_init(&pool);
	rd_probers_up(pool.p, 1);
	assert_int_equal(rd_probers_resolve(pool.p, "vip", "cname", at(0), CLK_S, on_looked_up, &o, &e), 0);
	answer.request_id = pool.last_id;
	answer.hostname = "other"; /* a lying prober */
	rd_probers_resolved(pool.p, &answer);
	assert_int_equal(o.calls, 0);
	answer.hostname = "vip";
	rd_probers_resolved(pool.p, &answer);
	rd_probers_resolved(pool.p, &answer);
	assert_int_equal(o.calls, 1);
	assert_string_equal(o.e.msg, "db1");
	assert_int_equal(rd_probers_resolve(pool.p, "vip", "cname", at(0), CLK_S, on_looked_up, &late, &e), 0);
	rd_probers_tick(pool.p, at(1000));
	assert_int_equal(late.calls, 1);
	assert_string_equal(late.e.msg, "");
	rd_probers_free(pool.p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_prober_is_told_its_share_when_it_is_up),
	    cmocka_unit_test(a_prober_that_died_is_told_everything_anew),
	    cmocka_unit_test(hurry_is_told_once),
	    cmocka_unit_test(what_is_watched_no_more_is_said_once),
	    cmocka_unit_test(a_full_queue_is_tried_again),
	    cmocka_unit_test(credits_are_given_back_in_batches),
	    cmocka_unit_test(a_probe_is_answered_once),
	    cmocka_unit_test(a_probe_without_a_prober_waits_and_then_fails),
	    cmocka_unit_test(a_probe_of_a_dead_prober_goes_to_another_a_few_times),
	    cmocka_unit_test(probes_under_way_are_bounded),
	    cmocka_unit_test(a_lookup_is_answered_or_ends_late),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
