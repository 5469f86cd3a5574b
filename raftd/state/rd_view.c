/* rd_view.c — the loop's side of the view writer (rd_view.h): submitting jobs, and being told by an eventfd what became
 * of them. Logs nothing: results go to the callers. */
#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "rd_view_private.h"

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
		v->waiting_rows += job->changes.n;
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
	rd_view_wake(v); /* it may have ended already */
}

struct rd_view_stats
rd_view_stats(struct rd_view *v)
{
	struct rd_view_stats s = {.refused = v->refused};

	(void)pthread_mutex_lock(&v->lock);
	s.waiting = v->waiting;
	s.waiting_rows = v->waiting_rows;
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
	rc = pthread_create(&v->thread, NULL, rd_view_thread, v);
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
	struct timespec until = clk_cond_deadline(wait_ms);
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
