/* bench_store.c — the raft store on this machine's disk: writes and entries per second through the log writer's thread,
 * by how many are in flight; opening, reading, compacting, snapshots. b/tests/bench/bench_store [DIRECTORY]. Not a test. */
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "rd_logwriter.h"

#define ENTRY_BYTES 256

static char dir[256];
static struct err e;
static uint64_t next_index = 1;
static char data[256 << 10];

static void
must(int rc)
{
	if (rc == 0)
		return;
	(void)fprintf(stderr, "bench_store: %s\n", e.msg);
	exit(1);
}

static int64_t
now_us(void)
{
	return clk_mono(clk_real()).us;
}

/* --- through the thread --------------------------------------------------------------------------------------------- */
struct run {
	struct event_base *base;
	struct rd_logwriter *w;
	size_t to_submit, to_finish, per_write;
	int64_t *took, *begun;
	size_t n;
};

static void submit_one(struct run *r);

static void
on_done(void *ctx, struct rd_log_job *j)
{
	struct run *r = ctx;

	e = j->e;
	must(j->rc);
	r->took[r->n++] = now_us() - r->begun[j->tag];
	rd_log_job_free(j);
	if (r->to_submit > 0)
		submit_one(r);
	if (--r->to_finish == 0)
		(void)event_base_loopbreak(r->base);
}

static void
submit_one(struct run *r)
{
	struct rd_log_entry v[64];
	struct rd_log_job *j;

	for (size_t i = 0; i < r->per_write; i++)
		v[i] = (struct rd_log_entry){.term = 1, .kind = RD_LOG_COMMAND, .data = data, .n = ENTRY_BYTES};
	j = rd_log_job_write(&(struct rd_write){.index = next_index, .entries = v, .n = r->per_write}, on_done, r);
	next_index += r->per_write;
	j->tag = --r->to_submit;
	r->begun[j->tag] = now_us();
	must(rd_log_submit(r->w, j, &e));
}

static int
by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static void
run(struct event_base *base, struct rd_logwriter *w, size_t in_flight, size_t per_write, size_t writes)
{
	struct run r = {.base = base, .w = w, .to_submit = writes, .to_finish = writes, .per_write = per_write};
	struct rd_logwriter_stats before = rd_logwriter_stats(w), after;
	int64_t t0 = now_us();
	double s;

	r.took = mem_calloc(writes, sizeof(int64_t));
	r.begun = mem_calloc(writes, sizeof(int64_t));
	for (size_t i = 0; i < in_flight; i++)
		submit_one(&r);
	(void)event_base_dispatch(base);
	s = (double)(now_us() - t0) / 1e6;
	after = rd_logwriter_stats(w);
	qsort(r.took, r.n, sizeof(int64_t), by_value);
	(void)printf("%4zu in flight x %2zu entries: %8.0f entries/s, %5.1f writes per sync, p50 %.2f ms, p99 %.2f ms, "
		     "slowest transaction %.1f ms\n",
		     in_flight, per_write, (double)(writes * per_write) / s,
		     (double)writes / (double)(after.batches - before.batches), (double)r.took[r.n / 2] / 1e3,
		     (double)r.took[r.n * 99 / 100] / 1e3, (double)after.batch_us_max / 1e3);
	free(r.took);
	free(r.begun);
}

static void
on_open(void *ctx, struct rd_stored *found)
{
	rd_stored_free(found);
	(void)event_base_loopbreak(ctx);
}

static void
on_failed(void *ctx, const struct err *failure)
{
	(void)ctx;
	e = *failure;
	must(-failure->code);
}

static void
bench_thread(void)
{
	struct event_base *base = event_base_new();
	const struct rd_logwriter_conf c = {
	    .base = base, .dir = dir, .recent_bytes = 1 << 20, .ctx = base, .on_open = on_open, .on_failed = on_failed};
	struct rd_logwriter *w = NULL;

	must(rd_logwriter_start(&c, &w, &e));
	(void)event_base_dispatch(base);
	run(base, w, 1, 1, 2000);
	run(base, w, 8, 1, 10000);
	run(base, w, 64, 1, 30000);
	run(base, w, 512, 1, 60000);
	run(base, w, 64, 16, 5000);
	(void)rd_logwriter_free(w, 10000);
	event_base_free(base);
}

/* --- without it ----------------------------------------------------------------------------------------------------- */
static void
bench_rest(void)
{
	const struct rd_store_conf c = {.dir = dir, .recent_bytes = 16 << 20};
	struct rd_stored *found = NULL;
	struct rd_store *s = NULL;
	struct rd_log_range *range = NULL;
	struct rd_snapshot snap = {.term = 1, .conf = "", .conf_index = 1};
	int64_t t0 = now_us(), slowest = 0;
	bool more = true;

	must(rd_store_open(&c, &s, &found, &e));
	(void)printf("open with %zu entries: %.1f ms\n", found->log->n, (double)(now_us() - t0) / 1e3);
	snap.index = found->log->index + found->log->n - 1;
	rd_stored_free(found);
	t0 = now_us();
	must(rd_store_read(s, 1, 1000000, 1 << 20, &range, &e));
	(void)printf("read %zu entries, 1 MiB: %.1f ms\n", range->n, (double)(now_us() - t0) / 1e3);
	free(range);
	t0 = now_us();
	for (size_t at = 0; at < 80u << 20; at += sizeof(data)) {
		int64_t t1 = now_us();
		must(rd_store_snapshot_put(s, RD_SNAPSHOT_OWN, &snap, at, data, sizeof(data),
					   at + sizeof(data) == 80u << 20, &e));
		slowest = max_i64(slowest, now_us() - t1);
	}
	(void)printf("snapshot of 80 MiB: %.0f ms, slowest piece %.1f ms\n", (double)(now_us() - t0) / 1e3,
		     (double)slowest / 1e3);
	must(rd_store_write(
	    s, &(const struct rd_write *){&(struct rd_write){.snapshot = &snap, .compact_to = snap.index}}, 1, &e));
	t0 = now_us();
	slowest = 0;
	while (more) {
		int64_t t1 = now_us();
		must(rd_store_compact(s, &more, &e));
		slowest = max_i64(slowest, now_us() - t1);
	}
	(void)printf("compaction of %llu entries: %.0f ms, slowest step %.1f ms\n", (unsigned long long)snap.index,
		     (double)(now_us() - t0) / 1e3, (double)slowest / 1e3);
	rd_store_close(s);
	t0 = now_us();
	must(rd_store_open(&c, &s, &found, &e));
	(void)printf("open with a snapshot of 80 MiB: %.1f ms\n", (double)(now_us() - t0) / 1e3);
	rd_stored_free(found);
	must(rd_store_wipe(s, &found, &e));
	rd_stored_free(found);
	rd_store_close(s);
}

int
main(int argc, char **argv)
{
	(void)snprintf(dir, sizeof(dir), "%s/orc-bench-store-%d", argc > 1 ? argv[1] : "/tmp", (int)getpid());
	bench_thread();
	bench_rest();
	(void)printf("its files, to be removed: %s\n", dir);
	return 0;
}
