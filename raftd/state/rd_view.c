/* rd_view.c — the loop's side of the view writer (rd_view.h): submitting jobs, and being told what became of
 * them. Logs nothing: results go to the callers. */
#include <stdlib.h>

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

	worker_lock(&v->worker);
	opened = v->opened;
	info = v->info;
	e = v->open_error;
	v->opened = NULL;
	v->open_error.code = 0;
	worker_unlock(&v->worker);
	if (opened != NULL) {
		loaded = opened->loaded;
		opened->loaded = NULL;
		rd_job_free(opened);
		v->conf.on_open(v->conf.ctx, &info, loaded);
	} else if (e.code != 0) {
		v->conf.on_open_failed(v->conf.ctx, &e, rd_view_error_is_fatal(e.code));
	}
}

static bool
is_write(const struct rd_job *j)
{
	if (j->kind == RD_JOB_TELEMETRY)
		return j->changes.n > 0;
	return j->kind != RD_JOB_RELOAD && j->kind != RD_JOB_CHECK;
}

static void
tell_finished(struct rd_view *v)
{
	struct job_queue q = STAILQ_HEAD_INITIALIZER(q);
	struct rd_job *j;

	worker_lock(&v->worker);
	STAILQ_CONCAT(&q, &v->finished);
	worker_unlock(&v->worker);
	while ((j = STAILQ_FIRST(&q)) != NULL) {
		STAILQ_REMOVE_HEAD(&q, next);
		if (v->conf.on_write != NULL && is_write(j))
			v->conf.on_write(v->conf.ctx, j);
		j->done(j->ctx, j);
	}
}

static void
on_wake(void *arg)
{
	tell_open(arg);
	tell_finished(arg);
}

int
rd_view_submit(struct rd_view *v, struct rd_job *job, struct err *e)
{
	bool full, stopping;

	job->submitted = clk_mono(clk_real());
	worker_lock(&v->worker);
	stopping = v->worker.stopping;
	full = v->waiting >= RD_VIEW_JOBS_MAX;
	if (!full && !stopping) {
		STAILQ_INSERT_TAIL(&v->todo, job, next);
		v->waiting++;
		v->waiting_rows += job->changes.n;
		worker_tell(&v->worker);
	}
	worker_unlock(&v->worker);
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
	worker_stop(&v->worker, on_stopped, ctx);
}

struct rd_view_stats
rd_view_stats(struct rd_view *v)
{
	struct rd_view_stats s = {.refused = v->refused};

	worker_lock(&v->worker);
	s.waiting = v->waiting;
	s.waiting_rows = v->waiting_rows;
	s.stopping = v->worker.stopping;
	worker_unlock(&v->worker);
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
	free((void *)(uintptr_t)v->conf.backend);
	free((void *)(uintptr_t)v->conf.path);
	free((void *)(uintptr_t)v->conf.version);
	free(v);
}

int
rd_view_start(const struct rd_view_conf *conf, struct rd_view **ret_view, struct err *e)
{
	struct rd_view *v = mem_new(struct rd_view);
	const struct worker_conf worker = {
	    .base = conf->base, .name = "view writer", .ctx = v, .run = rd_view_thread, .on_wake = on_wake};

	v->conf = *conf;
	v->conf.backend = mem_strdup(conf->backend);
	v->conf.path = mem_strdup(conf->path);
	v->conf.version = mem_strdup(conf->version);
	STAILQ_INIT(&v->todo);
	STAILQ_INIT(&v->finished);
	if (worker_start(&v->worker, &worker, e) != 0) {
		release(v);
		return -e->code;
	}
	*ret_view = v;
	return 0;
}

bool
rd_view_free(struct rd_view *v, int64_t wait_ms)
{
	if (v == NULL)
		return true;
	if (!worker_end(&v->worker, wait_ms))
		return false;
	release(v);
	return true;
}
