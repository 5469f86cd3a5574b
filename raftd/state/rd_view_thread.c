/* rd_view_thread.c — the view writer's thread: opens the backend, carries out jobs in order, hands them back. Owns the
 * only writing connection. Shares nothing with the loop but the locked part of struct rd_view. Logs nothing. */
#include "rd_rebuild.h"
#include "rd_view_private.h"
#include "rd_view_write.h"

static void
hand_back(struct rd_view *v, struct job_queue *q)
{
	worker_lock(&v->worker);
	STAILQ_CONCAT(&v->finished, q);
	worker_unlock(&v->worker);
	worker_wake(&v->worker);
}

static void
do_decisions(struct rd_view *v, struct rd_job *const *jobs, size_t n)
{
	struct err e = v->poison;
	int rc = v->poisoned ? -e.code
			     : rd_write_decisions(v->db, jobs, n, v->conf.log_is_truth ? DB_RELAXED : DB_DURABLE, &e);

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

/* A row that the database refuses must not keep the others from being written, again and again. */
static void
do_telemetry(struct rd_view *v, struct rd_job *j)
{
	j->rc = rd_write_telemetry(v->db, &j->changes, &j->e);
	if (j->rc == -ERR_DB && j->changes.n > 1)
		j->rc = rd_write_singly(v->db, &j->changes, &j->refused, &j->e);
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

/* What memory holds is what the backend holds from now on. */
static void
do_rebuild(struct rd_view *v, struct rd_job *j)
{
	bool made;

	j->rc = db_data_version(v->db, &v->data_version, &j->e);
	if (j->rc == 0 && j->file != NULL)
		j->rc = db_copy_once(v->db, j->file, &made, &j->e);
	if (j->rc == 0)
		j->rc = rd_rebuild(v->db, j->image.p, j->image.len, &j->e);
	v->poisoned = j->rc != 0; /* decisions on a view half there would give it a place in the log */
	if (v->poisoned)
		v->poison = j->e;
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
	case RD_JOB_REDEPLOY:
		j->rc = rd_write_schema(v->db, &j->e);
		return;
	case RD_JOB_REBUILD:
		do_rebuild(v, j);
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

	worker_lock(&v->worker);
	while (STAILQ_EMPTY(&v->todo) && !v->worker.stopping)
		worker_wait(&v->worker);
	while (n < RD_VIEW_GROUP_MAX && (j = STAILQ_FIRST(&v->todo)) != NULL) {
		if (n > 0 && j->kind != RD_JOB_DECISION)
			break;
		STAILQ_REMOVE_HEAD(&v->todo, next);
		v->waiting--;
		v->waiting_rows -= j->changes.n;
		jobs[n++] = j;
		if (j->kind != RD_JOB_DECISION)
			break;
	}
	worker_unlock(&v->worker);
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
			jobs[i]->waited_us = mono_diff_us(start, jobs[i]->submitted);
			jobs[i]->took_us = mono_diff_us(clk_mono(clk_real()), start);
			STAILQ_INSERT_TAIL(&done, jobs[i], next);
		}
		hand_back(v, &done);
	}
}

static int
open_and_load(struct rd_view *v, struct rd_job *j)
{
	struct db_conf dc = {.backend = v->conf.backend,
			     .path = v->conf.path,
			     .version = v->conf.version,
			     .keep_schema = v->conf.keep_schema,
			     .only_deployed = v->conf.only_deployed};

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

static bool
open_backend(struct rd_view *v)
{
	for (;;) {
		struct rd_job *j = rd_job_new(RD_JOB_RELOAD, NULL, NULL);
		struct err e;
		int rc = open_and_load(v, j);
		e = j->e;
		worker_lock(&v->worker);
		if (rc == 0) {
			db_open_result(v->db, &v->info);
			v->opened = j;
		} else {
			v->open_error = e;
		}
		worker_unlock(&v->worker);
		worker_wake(&v->worker);
		if (rc == 0)
			return true;
		rd_job_free(j);
		if (rd_view_error_is_fatal(rc) || !worker_pause(&v->worker, RD_VIEW_OPEN_RETRY_MS))
			return false;
	}
}

void
rd_view_thread(void *arg)
{
	struct rd_view *v = arg;

	if (open_backend(v))
		work(v);
	db_close(v->db);
}
