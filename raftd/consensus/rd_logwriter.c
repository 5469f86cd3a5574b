/* rd_logwriter.c — the log writer's thread and its two queues (rd_logwriter.h). Owns the store. The loop submits and is
 * told; everything under "the thread" runs there and shares nothing but the locked part of struct
 * rd_logwriter. Logs nothing: results go to the loop. */
#include "rd_logwriter.h"

#include <stdlib.h>
#include <string.h>

#include "proc/worker.h"

#define GROUP_JOBS 1024	   /* WRITE jobs in one transaction */
#define COMPACT_BATCHES 16 /* while writes never pause, compaction gets a turn after so many transactions */

STAILQ_HEAD(log_queue, rd_log_job);

struct rd_logwriter {
	struct rd_logwriter_conf conf; /* dir owned */
	struct worker worker;
	/* loop only */
	uint64_t refused, submitted; /* submitted: WRITE jobs */
	bool told_failure;
	/* under the worker's lock */
	struct log_queue writes, others, finished;
	size_t waiting, waiting_bytes;
	struct mono writing_since; /* of the transaction under way: when its first job was submitted; 0 = none */
	uint64_t written, batches;
	int64_t batch_us_max;
	struct rd_stored *found; /* opened, not yet told */
	struct err failure;	 /* code 0: fine */
	/* thread only */
	struct rd_store *store;
	uint64_t carried_out; /* WRITE jobs */
	bool compacting, others_turn;
	unsigned since_compaction; /* transactions */
};

/* --- the thread --------------------------------------------------------------------------------------------------- */
static void
fail(struct rd_logwriter *w, const struct err *e)
{
	worker_lock(&w->worker);
	if (w->failure.code == 0)
		w->failure = *e;
	worker_unlock(&w->worker);
}

static void
do_get(struct rd_logwriter *w, struct rd_log_job *j)
{
	size_t max = min_size(j->max, 4 * RD_SNAPSHOT_CHUNK);

	j->data = mem_alloc(max);
	j->rc =
	    rd_store_snapshot_get(w->store, j->snapshot.term, j->snapshot.index, j->offset, j->data, max, &j->n, &j->e);
}

static void
do_other(struct rd_logwriter *w, struct rd_log_job *j)
{
	bool fatal = false;

	switch (j->kind) {
	case RD_LOG_JOB_READ:
		j->rc = rd_store_read(w->store, j->index, j->max, j->max_bytes, &j->range, &j->e);
		fatal = j->rc != 0 && j->rc != -ERR_NOT_FOUND;
		break;
	case RD_LOG_JOB_SNAP_PUT:
		j->rc =
		    rd_store_snapshot_put(w->store, j->source, &j->snapshot, j->offset, j->data, j->n, j->last, &j->e);
		break;
	case RD_LOG_JOB_SNAP_DROP:
		rd_store_snapshot_abort(w->store, j->source);
		break;
	case RD_LOG_JOB_SNAP_GET:
		do_get(w, j);
		break;
	case RD_LOG_JOB_WIPE:
		j->rc = rd_store_wipe(w->store, &j->found, &j->e);
		fatal = j->rc != 0;
		break;
	case RD_LOG_JOB_WRITE:
		ASSERT(!"a write among the others");
	}
	if (fatal)
		fail(w, &j->e);
}

static void
do_writes(struct rd_logwriter *w, struct rd_log_job **jobs, size_t n)
{
	const struct rd_write *writes[GROUP_JOBS];
	struct mono start = clk_mono(clk_real());
	struct err e;
	int64_t took_us;
	int rc;

	for (size_t i = 0; i < n; i++) {
		writes[i] = &jobs[i]->write;
		w->compacting |= jobs[i]->write.compact_to > 0;
	}
	rc = rd_store_write(w->store, writes, n, &e);
	took_us = mono_diff_us(clk_mono(clk_real()), start);
	for (size_t i = 0; i < n && rc != 0; i++) {
		jobs[i]->rc = rc;
		jobs[i]->e = e;
	}
	if (rc != 0)
		fail(w, &e);
	w->carried_out += n;
	w->since_compaction++;
	w->others_turn = true;
	worker_lock(&w->worker);
	w->writing_since = (struct mono){0};
	w->batch_us_max = max_i64(w->batch_us_max, took_us);
	if (rc == 0) {
		w->written += n;
		w->batches++;
	}
	worker_unlock(&w->worker);
}

static void
compact(struct rd_logwriter *w)
{
	struct err e;

	w->since_compaction = 0;
	if (rd_store_compact(w->store, &w->compacting, &e) == 0)
		return;
	w->compacting = false;
	fail(w, &e);
	worker_wake(&w->worker);
}

static void
pass_failure(struct rd_logwriter *w, struct rd_log_job **jobs, size_t n)
{
	worker_lock(&w->worker);
	w->writing_since = (struct mono){0};
	worker_unlock(&w->worker);
	for (size_t i = 0; i < n; i++) {
		jobs[i]->e = w->failure;
		jobs[i]->rc = -w->failure.code;
		w->carried_out += jobs[i]->kind == RD_LOG_JOB_WRITE;
	}
}

static size_t
take_writes(struct rd_logwriter *w, struct rd_log_job **jobs)
{
	struct rd_log_job *j;
	size_t n = 0, bytes = 0;

	while (n < GROUP_JOBS && (j = STAILQ_FIRST(&w->writes)) != NULL) {
		if (n > 0 && bytes + j->bytes > RD_LOG_GROUP_BYTES)
			break;
		STAILQ_REMOVE_HEAD(&w->writes, next);
		bytes += j->bytes;
		jobs[n++] = j;
	}
	if (n > 0)
		w->writing_since = jobs[0]->submitted;
	return n;
}

/* The next thing to do: jobs, or 0 and maybe compaction. Under the lock. */
static size_t
choose(struct rd_logwriter *w, struct rd_log_job **jobs)
{
	struct rd_log_job *other = STAILQ_FIRST(&w->others);
	bool may_other = other != NULL && other->after <= w->carried_out;

	if (STAILQ_EMPTY(&w->writes) || (may_other && w->others_turn)) {
		w->others_turn = false;
		if (!may_other)
			return 0;
		STAILQ_REMOVE_HEAD(&w->others, next);
		jobs[0] = other;
		return 1;
	}
	return take_writes(w, jobs);
}

/* Blocks until there is something to do; false at the end. *ret_n = 0: compaction. */
static bool
take_jobs(struct rd_logwriter *w, struct rd_log_job **jobs, size_t *ret_n)
{
	bool go_on = true;

	*ret_n = 0;
	worker_lock(&w->worker);
	for (;;) {
		w->compacting &= !w->worker.stopping; /* goes on after the next start */
		if (w->compacting && w->since_compaction >= COMPACT_BATCHES)
			break;
		*ret_n = choose(w, jobs);
		if (*ret_n > 0 || w->compacting)
			break;
		if (w->worker.stopping) {
			go_on = false;
			break;
		}
		worker_wait(&w->worker);
	}
	for (size_t i = 0; i < *ret_n; i++)
		w->waiting_bytes -= jobs[i]->bytes;
	w->waiting -= *ret_n;
	worker_unlock(&w->worker);
	return go_on;
}

static void
hand_back(struct rd_logwriter *w, struct rd_log_job **jobs, size_t n)
{
	worker_lock(&w->worker);
	for (size_t i = 0; i < n; i++)
		STAILQ_INSERT_TAIL(&w->finished, jobs[i], next);
	worker_unlock(&w->worker);
	worker_wake(&w->worker);
}

static void
work(struct rd_logwriter *w)
{
	struct rd_log_job *jobs[GROUP_JOBS];
	size_t n;

	while (take_jobs(w, jobs, &n)) {
		if (n == 0) {
			compact(w);
			continue;
		}
		if (w->failure.code != 0) /* only this thread sets it */
			pass_failure(w, jobs, n);
		else if (jobs[0]->kind == RD_LOG_JOB_WRITE)
			do_writes(w, jobs, n);
		else
			do_other(w, jobs[0]);
		hand_back(w, jobs, n);
	}
}

static void
open_store(struct rd_logwriter *w)
{
	const struct rd_store_conf c = {.dir = w->conf.dir, .recent_bytes = w->conf.recent_bytes};
	struct rd_stored *found = NULL;
	struct err e;

	if (rd_store_open(&c, &w->store, &found, &e) != 0)
		fail(w, &e);
	worker_lock(&w->worker);
	w->found = found;
	worker_unlock(&w->worker);
	w->compacting = w->store != NULL;
	worker_wake(&w->worker);
}

static void
thread_main(void *arg)
{
	struct rd_logwriter *w = arg;

	open_store(w);
	work(w);
	rd_store_close(w->store);
}

/* --- the loop's side ---------------------------------------------------------------------------------------------- */
static void
tell_finished(struct log_queue *q)
{
	struct rd_log_job *j;

	while ((j = STAILQ_FIRST(q)) != NULL) {
		STAILQ_REMOVE_HEAD(q, next);
		j->done(j->ctx, j);
	}
}

static void
tell_failure(struct rd_logwriter *w, const struct err *failure)
{
	if (failure->code == 0 || w->told_failure)
		return;
	w->told_failure = true;
	w->conf.on_failed(w->conf.ctx, failure);
}

/* Failure before the jobs that share it, so that nobody acts on the rest first. */
static void
on_wake(void *arg)
{
	struct rd_logwriter *w = arg;
	struct log_queue q = STAILQ_HEAD_INITIALIZER(q);
	struct rd_stored *found;
	struct err failure;

	worker_lock(&w->worker);
	STAILQ_CONCAT(&q, &w->finished);
	found = w->found;
	w->found = NULL;
	failure = w->failure;
	worker_unlock(&w->worker);
	if (found != NULL)
		w->conf.on_open(w->conf.ctx, found);
	tell_failure(w, &failure);
	tell_finished(&q);
}

int
rd_log_submit(struct rd_logwriter *w, struct rd_log_job *job, struct err *e)
{
	bool full, stopping;

	job->bytes = rd_log_job_bytes(job);
	job->submitted = clk_mono(clk_real());
	job->after = w->submitted;
	worker_lock(&w->worker);
	stopping = w->worker.stopping;
	full = w->waiting >= RD_LOG_JOBS_MAX || w->waiting_bytes + job->bytes > RD_LOG_BYTES_MAX;
	if (!full && !stopping) {
		if (job->kind == RD_LOG_JOB_WRITE)
			STAILQ_INSERT_TAIL(&w->writes, job, next);
		else
			STAILQ_INSERT_TAIL(&w->others, job, next);
		w->waiting++;
		w->waiting_bytes += job->bytes;
		worker_tell(&w->worker);
	}
	worker_unlock(&w->worker);
	if (stopping)
		return err_set(e, ERR_UNAVAILABLE, "this node is stopping");
	if (full) {
		w->refused++;
		return err_set(e, ERR_LIMIT, "the disk of %s is too slow: %d writes or %u MiB wait for it", w->conf.dir,
			       RD_LOG_JOBS_MAX, RD_LOG_BYTES_MAX >> 20);
	}
	w->submitted += job->kind == RD_LOG_JOB_WRITE;
	return 0;
}

bool
rd_log_is_full(struct rd_logwriter *w)
{
	bool full;

	worker_lock(&w->worker);
	full = w->waiting >= RD_LOG_JOBS_MAX / 4 || w->waiting_bytes >= RD_LOG_BYTES_MAX / 4;
	worker_unlock(&w->worker);
	return full;
}

struct mono
rd_log_oldest(struct rd_logwriter *w)
{
	struct mono oldest;

	worker_lock(&w->worker);
	oldest = w->writing_since;
	if (oldest.us == 0 && !STAILQ_EMPTY(&w->writes))
		oldest = STAILQ_FIRST(&w->writes)->submitted;
	worker_unlock(&w->worker);
	return oldest;
}

struct rd_logwriter_stats
rd_logwriter_stats(struct rd_logwriter *w)
{
	struct rd_logwriter_stats s = {.refused = w->refused};

	worker_lock(&w->worker);
	s.waiting = w->waiting;
	s.waiting_bytes = w->waiting_bytes;
	s.writes = w->written;
	s.batches = w->batches;
	s.batch_us_max = w->batch_us_max;
	s.failed = w->failure.code != 0;
	w->batch_us_max = 0;
	worker_unlock(&w->worker);
	return s;
}

void
rd_logwriter_stop(struct rd_logwriter *w, void (*on_stopped)(void *ctx), void *ctx)
{
	worker_stop(&w->worker, on_stopped, ctx);
}

/* --- life --------------------------------------------------------------------------------------------------------- */
static void
release(struct rd_logwriter *w)
{
	struct log_queue *queues[] = {&w->writes, &w->others, &w->finished};

	for (size_t i = 0; i < ARRAY_LEN(queues); i++) {
		struct rd_log_job *j;
		while ((j = STAILQ_FIRST(queues[i])) != NULL) {
			STAILQ_REMOVE_HEAD(queues[i], next);
			rd_log_job_free(j);
		}
	}
	rd_stored_free(w->found);
	free((void *)(uintptr_t)w->conf.dir);
	free(w);
}

int
rd_logwriter_start(const struct rd_logwriter_conf *conf, struct rd_logwriter **ret_w, struct err *e)
{
	struct rd_logwriter *w = mem_new(struct rd_logwriter);
	const struct worker_conf worker = {
	    .base = conf->base, .name = "log writer", .ctx = w, .run = thread_main, .on_wake = on_wake};

	w->conf = *conf;
	w->conf.dir = mem_strdup(conf->dir);
	STAILQ_INIT(&w->writes);
	STAILQ_INIT(&w->others);
	STAILQ_INIT(&w->finished);
	if (worker_start(&w->worker, &worker, e) != 0) {
		release(w);
		return -e->code;
	}
	*ret_w = w;
	return 0;
}

bool
rd_logwriter_free(struct rd_logwriter *w, int64_t wait_ms)
{
	if (w == NULL)
		return true;
	if (!worker_end(&w->worker, wait_ms))
		return false;
	release(w);
	return true;
}
