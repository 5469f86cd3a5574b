/* rd_view.c — the view writer's thread and its two queues (rd_view.h). Owns the only writing connection to the backend.
 * The loop submits and is told by an eventfd; everything under "the thread" runs there and shares nothing but the
 * locked part of struct rd_view. Logs nothing: results go to the loop. */
#include "rd_view.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "rd_view_write.h"

STAILQ_HEAD(job_queue, rd_job);

struct rd_view {
	struct rd_view_conf conf; /* strings owned */
	pthread_t thread;
	int wake_fd; /* eventfd: the thread has something for the loop */
	struct event *wake;
	/* loop only */
	void (*on_stopped)(void *ctx);
	void *stopped_ctx;
	uint64_t refused;
	/* under lock */
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct job_queue todo, finished;
	size_t waiting;
	bool stopping, ended;
	struct rd_job *opened;	  /* RELOAD job that carries the result of opening */
	struct db_open_info info; /* with opened */
	struct err open_error;	  /* newest failure, code 0 = told already */
	/* thread only */
	struct db *db;
	bool poisoned; /* a decision failed: memory is ahead of the database */
	struct err poison;
	int64_t data_version;
};

/* --- jobs ------------------------------------------------------------------------------------------------------ */
struct rd_job *
rd_job_new(enum rd_job_kind kind, void (*done)(void *ctx, struct rd_job *job), void *ctx)
{
	struct rd_job *j = mem_new(struct rd_job);

	j->kind = kind;
	j->done = done;
	j->ctx = ctx;
	return j;
}

void
rd_job_free(struct rd_job *j)
{
	if (j == NULL)
		return;
	rd_changes_done(&j->changes);
	rd_loaded_free(j->loaded);
	str_buf_done(&j->lines);
	free(j->uid);
	free(j->file);
	free(j);
}

bool
rd_view_error_is_fatal(int code)
{
	static const enum err_code fatal[] = {ERR_DB_CORRUPT, ERR_DB_READONLY, ERR_DB_VERSION, ERR_PERMISSION,
					      ERR_NOT_FOUND,  ERR_UNSUPPORTED, ERR_CONFIG};

	for (size_t i = 0; i < ARRAY_LEN(fatal); i++) {
		if (code == (int)fatal[i] || code == -(int)fatal[i])
			return true;
	}
	return false;
}

/* --- the thread ------------------------------------------------------------------------------------------------ */
static void
wake_loop(struct rd_view *v)
{
	static const uint64_t one = 1;

	/* can only fail when the counter is full: the loop is awake then */
	ssize_t n = write(v->wake_fd, &one, sizeof(one));
	(void)n;
}

static void
hand_back(struct rd_view *v, struct job_queue *q)
{
	(void)pthread_mutex_lock(&v->lock);
	STAILQ_CONCAT(&v->finished, q);
	(void)pthread_mutex_unlock(&v->lock);
	wake_loop(v);
}

static void
do_decisions(struct rd_view *v, struct rd_job *const *jobs, size_t n)
{
	struct err e = v->poison;
	int rc = v->poisoned ? -e.code : rd_write_decisions(v->db, jobs, n, &e);

	if (rc != 0) {
		v->poisoned = true;
		v->poison = e;
	}
	for (size_t i = 0; i < n; i++) {
		jobs[i]->rc = rc;
		if (rc != 0)
			jobs[i]->e = e;
	}
}

static void
do_telemetry(struct rd_view *v, struct rd_job *j)
{
	j->rc = rd_write_telemetry(v->db, &j->changes, &j->e);
	if (j->file != NULL && j->lines.len > 0)
		j->file_rc = rd_append_file(j->file, j->lines.p, j->lines.len, &j->file_e);
}

static void
do_reload(struct rd_view *v, struct rd_job *j)
{
	j->rc = db_data_version(v->db, &v->data_version, &j->e);
	if (j->rc == 0)
		j->rc = rd_load(v->db, false, &j->loaded, &j->e);
	if (j->rc == 0)
		v->poisoned = false;
}

static void
do_check(struct rd_view *v, struct rd_job *j)
{
	int64_t version;

	j->rc = db_data_version(v->db, &version, &j->e);
	j->foreign = j->rc == 0 && version != v->data_version;
}

static void
do_job(struct rd_view *v, struct rd_job *j)
{
	switch (j->kind) {
	case RD_JOB_DECISION:
		do_decisions(v, &j, 1);
		return;
	case RD_JOB_TELEMETRY:
		do_telemetry(v, j);
		return;
	case RD_JOB_RELOAD:
		do_reload(v, j);
		return;
	case RD_JOB_CHECK:
		do_check(v, j);
		return;
	}
	ASSERT(!"unknown job");
}

/* The next jobs that belong together: a run of decisions, or one other. Blocks; 0 at the end. */
static size_t
take_jobs(struct rd_view *v, struct rd_job **jobs)
{
	struct rd_job *j;
	size_t n = 0;

	(void)pthread_mutex_lock(&v->lock);
	while (STAILQ_EMPTY(&v->todo) && !v->stopping)
		(void)pthread_cond_wait(&v->more, &v->lock);
	while (n < RD_VIEW_GROUP_MAX && (j = STAILQ_FIRST(&v->todo)) != NULL) {
		if (n > 0 && j->kind != RD_JOB_DECISION)
			break;
		STAILQ_REMOVE_HEAD(&v->todo, next);
		v->waiting--;
		jobs[n++] = j;
		if (j->kind != RD_JOB_DECISION)
			break;
	}
	(void)pthread_mutex_unlock(&v->lock);
	return n;
}

static void
work(struct rd_view *v)
{
	struct rd_job *jobs[RD_VIEW_GROUP_MAX];
	size_t n;

	while ((n = take_jobs(v, jobs)) > 0) {
		struct job_queue done = STAILQ_HEAD_INITIALIZER(done);
		struct mono start = clk_mono(clk_real());
		if (n > 1)
			do_decisions(v, jobs, n);
		else
			do_job(v, jobs[0]);
		for (size_t i = 0; i < n; i++) {
			jobs[i]->took_us = mono_diff_us(clk_mono(clk_real()), start);
			STAILQ_INSERT_TAIL(&done, jobs[i], next);
		}
		hand_back(v, &done);
	}
}

static int
open_and_load(struct rd_view *v, struct rd_job *j)
{
	struct db_conf dc = {.backend = v->conf.backend, .path = v->conf.path, .version = v->conf.version};

	j->rc = db_open(&dc, DB_READ_WRITE, &v->db, &j->e);
	if (j->rc == 0)
		j->rc = db_data_version(v->db, &v->data_version, &j->e);
	if (j->rc == 0)
		j->rc = rd_load(v->db, true, &j->loaded, &j->e);
	if (j->rc != 0) {
		db_close(v->db);
		v->db = NULL;
	}
	return j->rc;
}

/* A point in time on the condition's clock. */
static struct timespec
after_ms(int64_t ms)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += ms / 1000;
	t.tv_nsec += (ms % 1000) * 1000000;
	t.tv_sec += t.tv_nsec / 1000000000;
	t.tv_nsec %= 1000000000;
	return t;
}

/* Waits a moment before the next try; false: the process is ending. */
static bool
pause_open(struct rd_view *v)
{
	struct timespec until = after_ms(RD_VIEW_OPEN_RETRY_MS);
	bool go_on;

	(void)pthread_mutex_lock(&v->lock);
	while (!v->stopping && pthread_cond_timedwait(&v->more, &v->lock, &until) != ETIMEDOUT)
		continue;
	go_on = !v->stopping;
	(void)pthread_mutex_unlock(&v->lock);
	return go_on;
}

static bool
open_backend(struct rd_view *v)
{
	for (;;) {
		struct rd_job *j = rd_job_new(RD_JOB_RELOAD, NULL, NULL);
		struct err e;
		int rc = open_and_load(v, j);
		e = j->e;
		(void)pthread_mutex_lock(&v->lock);
		if (rc == 0) {
			db_open_result(v->db, &v->info);
			v->opened = j;
		} else {
			v->open_error = e;
		}
		(void)pthread_mutex_unlock(&v->lock);
		wake_loop(v);
		if (rc == 0)
			return true;
		rd_job_free(j);
		if (rd_view_error_is_fatal(rc) || !pause_open(v))
			return false;
	}
}

static void *
thread_main(void *arg)
{
	struct rd_view *v = arg;

	if (open_backend(v))
		work(v);
	db_close(v->db);
	(void)pthread_mutex_lock(&v->lock);
	v->ended = true;
	(void)pthread_cond_broadcast(&v->more);
	(void)pthread_mutex_unlock(&v->lock);
	wake_loop(v);
	return NULL;
}

/* --- the loop's side ------------------------------------------------------------------------------------------- */
static void
tell_open(struct rd_view *v)
{
	struct db_open_info info;
	struct rd_job *opened;
	struct rd_loaded *loaded;
	struct err e;

	(void)pthread_mutex_lock(&v->lock);
	opened = v->opened;
	info = v->info;
	e = v->open_error;
	v->opened = NULL;
	v->open_error.code = 0;
	(void)pthread_mutex_unlock(&v->lock);
	if (opened != NULL) {
		loaded = opened->loaded;
		opened->loaded = NULL;
		rd_job_free(opened);
		v->conf.on_open(v->conf.ctx, &info, loaded);
	} else if (e.code != 0) {
		v->conf.on_open_failed(v->conf.ctx, &e, rd_view_error_is_fatal(e.code));
	}
}

static void
tell_finished(struct rd_view *v)
{
	struct job_queue q = STAILQ_HEAD_INITIALIZER(q);
	struct rd_job *j;
	bool ended;

	(void)pthread_mutex_lock(&v->lock);
	STAILQ_CONCAT(&q, &v->finished);
	ended = v->ended;
	(void)pthread_mutex_unlock(&v->lock);
	while ((j = STAILQ_FIRST(&q)) != NULL) {
		STAILQ_REMOVE_HEAD(&q, next);
		j->done(j->ctx, j);
	}
	if (ended && v->on_stopped != NULL) {
		void (*fn)(void *ctx) = v->on_stopped;
		v->on_stopped = NULL;
		fn(v->stopped_ctx);
	}
}

static void
on_wake(evutil_socket_t fd, short what UNUSED, void *arg)
{
	struct rd_view *v = arg;
	uint64_t count;
	ssize_t n = read(fd, &count, sizeof(count));

	(void)n;
	tell_open(v);
	tell_finished(v);
}

int
rd_view_submit(struct rd_view *v, struct rd_job *job, struct err *e)
{
	bool full, stopping;

	(void)pthread_mutex_lock(&v->lock);
	stopping = v->stopping;
	full = v->waiting >= RD_VIEW_JOBS_MAX;
	if (!full && !stopping) {
		STAILQ_INSERT_TAIL(&v->todo, job, next);
		v->waiting++;
		(void)pthread_cond_signal(&v->more);
	}
	(void)pthread_mutex_unlock(&v->lock);
	if (stopping)
		return err_set(e, ERR_UNAVAILABLE, "this node is stopping");
	if (!full)
		return 0;
	v->refused++;
	return err_set(e, ERR_LIMIT, "%d writes wait for the backend already, try again later", RD_VIEW_JOBS_MAX);
}

void
rd_view_stop(struct rd_view *v, void (*on_stopped)(void *ctx), void *ctx)
{
	v->on_stopped = on_stopped;
	v->stopped_ctx = ctx;
	(void)pthread_mutex_lock(&v->lock);
	v->stopping = true;
	(void)pthread_cond_signal(&v->more);
	(void)pthread_mutex_unlock(&v->lock);
	wake_loop(v); /* it may have ended already */
}

struct rd_view_stats
rd_view_stats(struct rd_view *v)
{
	struct rd_view_stats s = {.refused = v->refused};

	(void)pthread_mutex_lock(&v->lock);
	s.waiting = v->waiting;
	s.stopping = v->stopping;
	(void)pthread_mutex_unlock(&v->lock);
	return s;
}

/* --- life ------------------------------------------------------------------------------------------------------ */
static void
release(struct rd_view *v)
{
	struct job_queue *queues[] = {&v->todo, &v->finished};

	for (size_t i = 0; i < ARRAY_LEN(queues); i++) {
		struct rd_job *j;
		while ((j = STAILQ_FIRST(queues[i])) != NULL) {
			STAILQ_REMOVE_HEAD(queues[i], next);
			rd_job_free(j);
		}
	}
	rd_job_free(v->opened);
	if (v->wake != NULL)
		event_free(v->wake);
	if (v->wake_fd >= 0)
		(void)close(v->wake_fd);
	(void)pthread_cond_destroy(&v->more);
	(void)pthread_mutex_destroy(&v->lock);
	free((void *)(uintptr_t)v->conf.backend);
	free((void *)(uintptr_t)v->conf.path);
	free((void *)(uintptr_t)v->conf.version);
	free(v);
}

static void
init_sync(struct rd_view *v)
{
	pthread_condattr_t attr;

	ASSERT(pthread_mutex_init(&v->lock, NULL) == 0);
	ASSERT(pthread_condattr_init(&attr) == 0);
	ASSERT(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
	ASSERT(pthread_cond_init(&v->more, &attr) == 0);
	(void)pthread_condattr_destroy(&attr);
}

/* Signals belong to the loop. */
static int
start_thread(struct rd_view *v, struct err *e)
{
	sigset_t all, old;
	int rc;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&v->thread, NULL, thread_main, v);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	return rc == 0 ? 0 : err_sys(e, ERR_UNAVAILABLE, rc, "starting the view writer");
}

int
rd_view_start(const struct rd_view_conf *conf, struct rd_view **ret_view, struct err *e)
{
	struct rd_view *v = mem_new(struct rd_view);

	v->conf = *conf;
	v->conf.backend = mem_strdup(conf->backend);
	v->conf.path = mem_strdup(conf->path);
	v->conf.version = mem_strdup(conf->version);
	STAILQ_INIT(&v->todo);
	STAILQ_INIT(&v->finished);
	init_sync(v);
	v->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (v->wake_fd >= 0)
		v->wake = event_new(conf->base, v->wake_fd, EV_READ | EV_PERSIST, on_wake, v);
	if (v->wake == NULL || event_add(v->wake, NULL) != 0) {
		release(v);
		return err_set(e, ERR_UNAVAILABLE, "no event descriptor for the view writer");
	}
	if (start_thread(v, e) != 0) {
		release(v);
		return -e->code;
	}
	*ret_view = v;
	return 0;
}

bool
rd_view_free(struct rd_view *v, int64_t wait_ms)
{
	struct timespec until = after_ms(wait_ms);
	bool ended;

	if (v == NULL)
		return true;
	rd_view_stop(v, NULL, NULL);
	(void)pthread_mutex_lock(&v->lock);
	while (!v->ended && pthread_cond_timedwait(&v->more, &v->lock, &until) != ETIMEDOUT)
		continue;
	ended = v->ended;
	(void)pthread_mutex_unlock(&v->lock);
	if (!ended)
		return false;
	(void)pthread_join(v->thread, NULL);
	release(v);
	return true;
}
