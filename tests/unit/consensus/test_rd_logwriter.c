/* test_rd_logwriter.c — the log writer's thread: order, grouping, what waits for what, bounds, a failure told once. */
#include <event2/event.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "rd_logwriter.h"
#include "store_temp.h"

#define LIMIT_S 60

struct loop {
	struct temp *t;
	struct event_base *base;
	struct rd_logwriter *w;
	struct rd_stored *found;
	size_t open_calls, failed_calls, done_calls, stopped_calls;
	struct err failure;
	uint64_t tags[20000]; /* of finished jobs */
	int codes[20000];
	struct rd_log_job *last; /* kept: the newest finished one that isn't a WRITE */
};

static void
on_open(void *ctx, struct rd_stored *found)
{
	struct loop *l = ctx;

	l->found = found;
	l->open_calls++;
}

static void
on_failed(void *ctx, const struct err *e)
{
	struct loop *l = ctx;

	l->failure = *e;
	l->failed_calls++;
}

static void
on_stopped(void *ctx)
{
	struct loop *l = ctx;

	l->stopped_calls++;
}

static void
on_done(void *ctx, struct rd_log_job *j)
{
	struct loop *l = ctx;

	l->tags[l->done_calls] = j->tag;
	l->codes[l->done_calls++] = j->rc;
	if (j->kind == RD_LOG_JOB_WRITE) {
		rd_log_job_free(j);
		return;
	}
	rd_log_job_free(l->last);
	l->last = j;
}

static int
loop_setup(void **state)
{
	void *temp = NULL;
	struct loop *l = mem_new(struct loop);

	(void)temp_setup(&temp);
	l->t = temp;
	l->base = event_base_new();
	*state = l;
	return 0;
}

static int
loop_teardown(void **state)
{
	struct loop *l = *state;
	void *temp = l->t;

	assert_true(rd_logwriter_free(l->w, LIMIT_S * 1000));
	rd_stored_free(l->found);
	rd_log_job_free(l->last);
	event_base_free(l->base);
	free(l);
	return temp_teardown(&temp);
}

/* Turns the loop until the counter is there. */
static void
wait_for(struct loop *l, const size_t *counter, size_t n, int line)
{
	struct mono until = mono_add_us(clk_mono(clk_real()), LIMIT_S * CLK_S);

	while (*counter < n && mono_before(clk_mono(clk_real()), until)) {
		struct timeval tv = {0, 50000};
		(void)event_base_loopexit(l->base, &tv);
		(void)event_base_loop(l->base, EVLOOP_ONCE);
	}
	if (*counter < n)
		fail_msg("line %d: %zu of %zu", line, *counter, n);
}
#define WAIT_FOR(l, counter, n) wait_for(l, &(l)->counter, n, __LINE__)

static void
start(struct loop *l)
{
	const struct rd_logwriter_conf c = {.base = l->base,
					    .dir = l->t->dir,
					    .recent_bytes = MIB,
					    .ctx = l,
					    .on_open = on_open,
					    .on_failed = on_failed};

	must(l->t, rd_logwriter_start(&c, &l->w, &l->t->e));
}

static int
submit_entry(struct loop *l, uint64_t index, size_t size)
{
	struct rd_log_entry x = entry_of(index, 1, size);
	struct rd_log_job *j = rd_log_job_write(&(struct rd_write){.index = index, .entries = &x, .n = 1}, on_done, l);
	int rc;

	j->tag = index;
	rc = rd_log_submit(l->w, j, &l->t->e);
	if (rc != 0)
		rd_log_job_free(j);
	return rc;
}

static void
submit_read(struct loop *l, uint64_t index, uint64_t tag)
{
	struct rd_log_job *j = rd_log_job_new(RD_LOG_JOB_READ, on_done, l);

	j->tag = tag;
	j->index = index;
	j->max = 100;
	j->max_bytes = MIB;
	must(l->t, rd_log_submit(l->w, j, &l->t->e));
}

static void
test_jobs_come_back_in_order_and_share_transactions(void **state)
{
	struct loop *l = *state;
	struct rd_logwriter_stats s;

	start(l);
	for (uint64_t i = 1; i <= 3000; i++)
		must(l->t, submit_entry(l, i, 100)); /* at once: they wait for the store to be open */
	WAIT_FOR(l, done_calls, 3000);
	assert_int_equal(l->open_calls, 1);
	for (size_t i = 0; i < 3000; i++) {
		assert_int_equal(l->tags[i], i + 1);
		assert_int_equal(l->codes[i], 0);
	}
	s = rd_logwriter_stats(l->w);
	assert_int_equal(s.writes, 3000);
	assert_in_range(s.batches, 3, 1500);
	assert_int_equal(s.waiting, 0);
	assert_int_equal(s.waiting_bytes, 0);
	assert_true(s.batch_us_max > 0);
	assert_int_equal(rd_log_oldest(l->w).us, 0);
	assert_true(rd_logwriter_free(l->w, 10000));
	l->w = NULL;
	temp_open(l->t);
	assert_int_equal(l->t->found->log->n, 3000);
}

static void
test_a_read_sees_the_writes_before_it(void **state)
{
	struct loop *l = *state;

	start(l);
	for (uint64_t i = 1; i <= 200; i++)
		must(l->t, submit_entry(l, i, 100000)); /* several transactions */
	submit_read(l, 200, 999);
	WAIT_FOR(l, done_calls, 201);
	assert_int_equal(l->tags[200], 999);
	assert_int_equal(l->last->rc, 0);
	assert_int_equal(l->last->range->n, 1);
	assert_true(entry_is(&l->last->range->v[0], 200, 1, 100000));
	submit_read(l, 201, 1000);
	WAIT_FOR(l, done_calls, 202);
	assert_int_equal(l->last->rc, -ERR_NOT_FOUND);
	assert_int_equal(l->failed_calls, 0); /* no reason to leave the group */
}

static void
test_a_stream_of_writes_starves_nobody(void **state)
{
	struct loop *l = *state;
	uint64_t next = 1;

	start(l);
	for (; next <= 50; next++)
		must(l->t, submit_entry(l, next, 100000));
	submit_read(l, 1, 7777);
	for (; next <= 250; next++) /* more than one transaction's worth behind it */
		must(l->t, submit_entry(l, next, 100000));
	WAIT_FOR(l, done_calls, 251);
	assert_int_not_equal(l->tags[250], 7777);
}

static void
test_snapshot_jobs(void **state)
{
	struct loop *l = *state;
	struct rd_log_job *j;
	struct rd_snapshot snap;

	start(l);
	must(l->t, submit_entry(l, 1, 10));
	for (int i = 0; i < 2; i++) {
		j = rd_log_job_new(RD_LOG_JOB_SNAP_PUT, on_done, l);
		j->source = RD_SNAPSHOT_OWN;
		j->snapshot = (struct rd_snapshot){.term = 1, .index = 1};
		j->offset = i == 0 ? 0 : 5;
		j->data = mem_strdup(i == 0 ? "hello" : " world");
		j->n = i == 0 ? 5 : 6;
		j->last = i == 1;
		must(l->t, rd_log_submit(l->w, j, &l->t->e));
	}
	WAIT_FOR(l, done_calls, 3);
	assert_int_equal(l->last->rc, 0);
	snap = l->last->snapshot;
	assert_int_equal(snap.size, 11);
	j = rd_log_job_write(&(struct rd_write){.snapshot = &snap, .compact_to = 1}, on_done, l);
	must(l->t, rd_log_submit(l->w, j, &l->t->e));
	j = rd_log_job_new(RD_LOG_JOB_SNAP_GET, on_done, l);
	j->snapshot = (struct rd_snapshot){.term = 1, .index = 1};
	j->offset = 3;
	j->max = 100;
	must(l->t, rd_log_submit(l->w, j, &l->t->e));
	WAIT_FOR(l, done_calls, 5);
	assert_int_equal(l->last->rc, 0);
	assert_int_equal(l->last->n, 8);
	assert_memory_equal(l->last->data, "lo world", 8);
	j = rd_log_job_new(RD_LOG_JOB_SNAP_GET, on_done, l);
	j->snapshot = (struct rd_snapshot){.term = 1, .index = 2};
	j->max = 100;
	must(l->t, rd_log_submit(l->w, j, &l->t->e));
	WAIT_FOR(l, done_calls, 6);
	assert_int_equal(l->last->rc, -ERR_NOT_FOUND);
	assert_int_equal(l->failed_calls, 0);
}

static void
test_wipe_job(void **state)
{
	struct loop *l = *state;

	start(l);
	must(l->t, submit_entry(l, 1, 10));
	must(l->t, rd_log_submit(l->w, rd_log_job_new(RD_LOG_JOB_WIPE, on_done, l), &l->t->e));
	WAIT_FOR(l, done_calls, 2);
	assert_int_equal(l->last->rc, 0);
	assert_int_equal(l->last->found->log->n, 0);
	assert_string_not_equal(l->last->found->identity.dir_id, l->found->identity.dir_id);
}

/* --- a disk that does not answer: another process holds the database -------------------------------------------------- */
static sqlite3 *
hold(struct loop *l)
{
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(temp_path(l->t, RD_STORE_FILE), &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	return db;
}

static void
let_go(sqlite3 *db)
{
	assert_int_equal(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void
test_age_of_the_oldest_write(void **state)
{
	struct loop *l = *state;
	struct mono before, oldest;
	sqlite3 *db;

	start(l);
	WAIT_FOR(l, open_calls, 1);
	db = hold(l);
	before = clk_mono(clk_real());
	must(l->t, submit_entry(l, 1, 10));
	oldest = rd_log_oldest(l->w);
	assert_true(oldest.us >= before.us && oldest.us <= clk_mono(clk_real()).us);
	must(l->t, submit_entry(l, 2, 10));
	assert_int_equal(rd_log_oldest(l->w).us, oldest.us); /* still the first, whether it waits or is being written */
	let_go(db);
	WAIT_FOR(l, done_calls, 2);
	assert_int_equal(rd_log_oldest(l->w).us, 0);
}

static void
test_bound_of_jobs(void **state)
{
	struct loop *l = *state;
	sqlite3 *db;
	uint64_t n = 0, full_at = 0;

	start(l);
	WAIT_FOR(l, open_calls, 1);
	db = hold(l);
	assert_false(rd_log_is_full(l->w));
	while (submit_entry(l, n + 1, 10) == 0) {
		n++;
		if (full_at == 0 && rd_log_is_full(l->w))
			full_at = n;
	}
	let_go(db);
	assert_int_equal(l->t->e.code, ERR_LIMIT);
	assert_in_range(full_at, RD_LOG_JOBS_MAX / 4, RD_LOG_JOBS_MAX / 4 + 1024); /* some are under way */
	assert_in_range(n, RD_LOG_JOBS_MAX, RD_LOG_JOBS_MAX + 1024);
	assert_int_equal(rd_logwriter_stats(l->w).refused, 1);
	WAIT_FOR(l, done_calls, n);
	assert_int_equal(l->failed_calls, 0);
}

/* Jobs that claim to be large, and are not: nobody looks at the data of a DROP. */
static int
submit_large(struct loop *l)
{
	struct rd_log_job *j = rd_log_job_new(RD_LOG_JOB_SNAP_DROP, on_done, l);
	int rc;

	j->n = 40 * MIB;
	rc = rd_log_submit(l->w, j, &l->t->e);
	if (rc != 0)
		rd_log_job_free(j);
	return rc;
}

static void
test_bound_of_bytes(void **state)
{
	struct loop *l = *state;
	sqlite3 *db;

	start(l);
	WAIT_FOR(l, open_calls, 1);
	db = hold(l);
	must(l->t, submit_entry(l, 1, 10)); /* the others wait for it */
	for (int i = 0; i < 3; i++) {
		assert_true(rd_log_is_full(l->w) == (i > 0));
		must(l->t, submit_large(l));
	}
	assert_int_equal(submit_large(l), -ERR_LIMIT);
	let_go(db);
	WAIT_FOR(l, done_calls, 4);
	assert_int_equal(rd_logwriter_stats(l->w).waiting_bytes, 0);
	must(l->t, submit_large(l));
	WAIT_FOR(l, done_calls, 5);
}

/* --- failure -------------------------------------------------------------------------------------------------------- */
static void
test_failure_is_told_once_and_to_every_job(void **state)
{
	struct loop *l = *state;

	start(l);
	must(l->t, submit_entry(l, 1, 10));
	WAIT_FOR(l, done_calls, 1);
	must(l->t, submit_entry(l, 2, RD_ENTRY_BYTES_MAX + 1)); /* as good as any error */
	must(l->t, submit_entry(l, 3, 10));
	submit_read(l, 1, 4);
	WAIT_FOR(l, done_calls, 4);
	must(l->t, submit_entry(l, 5, 10));
	WAIT_FOR(l, done_calls, 5);
	assert_int_equal(l->failed_calls, 1);
	assert_int_equal(l->failure.code, ERR_TOO_LARGE);
	assert_true(rd_logwriter_stats(l->w).failed);
	for (size_t i = 1; i < 5; i++)
		assert_int_equal(l->codes[i], -ERR_TOO_LARGE);
	assert_int_equal(rd_log_oldest(l->w).us, 0);
	assert_true(rd_logwriter_free(l->w, 10000));
	l->w = NULL;
	temp_open(l->t);
	assert_int_equal(l->t->found->log->n, 1);
}

static void
test_store_that_cannot_be_opened(void **state)
{
	struct loop *l = *state;

	temp_open(l->t); /* so the directory is in use */
	start(l);
	must(l->t, submit_entry(l, 1, 10));
	WAIT_FOR(l, done_calls, 1);
	assert_int_equal(l->failed_calls, 1);
	assert_int_equal(l->open_calls, 0);
	assert_int_equal(l->failure.code, ERR_DB_BUSY);
	assert_int_equal(l->codes[0], -ERR_DB_BUSY);
}

static void
test_stop_carries_out_what_waits(void **state)
{
	struct loop *l = *state;

	start(l);
	for (uint64_t i = 1; i <= 100; i++)
		must(l->t, submit_entry(l, i, 100));
	rd_logwriter_stop(l->w, on_stopped, l);
	assert_int_equal(submit_entry(l, 101, 100), -ERR_UNAVAILABLE);
	WAIT_FOR(l, stopped_calls, 1);
	assert_int_equal(l->done_calls, 100);
	assert_int_equal(l->codes[99], 0);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, loop_setup, loop_teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    T(test_jobs_come_back_in_order_and_share_transactions),
	    T(test_a_read_sees_the_writes_before_it),
	    T(test_a_stream_of_writes_starves_nobody),
	    T(test_snapshot_jobs),
	    T(test_wipe_job),
	    T(test_age_of_the_oldest_write),
	    T(test_bound_of_jobs),
	    T(test_bound_of_bytes),
	    T(test_failure_is_told_once_and_to_every_job),
	    T(test_store_that_cannot_be_opened),
	    T(test_stop_carries_out_what_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
