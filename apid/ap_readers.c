/* ap_readers.c — K threads that run read jobs. Owns the queue, the threads and their database connections; results come
 * back to the loop through an eventfd. */
#include "ap_readers.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <unistd.h>

#include "ap_request.h"
#include "base/log.h"
#include "db/db.h"

struct job {
	STAILQ_ENTRY(job) next;
	struct ap_request *rq;
	ap_read_fn fn;
	void (*then)(struct ap_request *rq, const struct err *e);
	int rc;
	struct err e;
};
STAILQ_HEAD(job_queue, job);

struct reader {
	pthread_t thread;
	struct ap_readers *pool;
	struct db *db; /* NULL until opened, and after an error */
};

struct ap_readers {
	struct ap *ap;
	char *path, *backend;
	struct reader readers[AP_READERS_DEFAULT];
	size_t n_readers;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct job_queue waiting, done; /* under lock */
	size_t n_waiting;
	bool stopping;
	int done_fd;
	struct event *done_event;
	struct ap_readers_stats stats; /* under lock */
};

static int
open_db(struct reader *r, struct err *e)
{
	struct db_conf conf = {.backend = r->pool->backend, .path = r->pool->path, .busy_timeout_ms = 2000};

	if (r->db != NULL)
		return 0;
	return db_open(&conf, DB_READ_ONLY, &r->db, e);
}

static void
run_job(struct reader *r, struct job *job)
{
	job->rc = open_db(r, &job->e);
	if (job->rc == 0)
		job->rc = job->fn(job->rq, r->db, clk_wall(clk_real()), &job->e);
	/* the file may have been replaced or the connection be broken: the next job starts afresh */
	if (job->rc != 0 && (job->e.code == ERR_DB || job->e.code == ERR_DB_CORRUPT || job->e.code == ERR_IO)) {
		db_close(r->db);
		r->db = NULL;
	}
}

static struct job *
next_job(struct ap_readers *p)
{
	struct job *job;

	(void)pthread_mutex_lock(&p->lock);
	while (STAILQ_EMPTY(&p->waiting) && !p->stopping)
		(void)pthread_cond_wait(&p->wake, &p->lock);
	job = STAILQ_FIRST(&p->waiting);
	if (job != NULL) {
		STAILQ_REMOVE_HEAD(&p->waiting, next);
		p->n_waiting--;
	}
	(void)pthread_mutex_unlock(&p->lock);
	return job;
}

static void
finish_job(struct ap_readers *p, struct job *job)
{
	uint64_t one = 1;

	(void)pthread_mutex_lock(&p->lock);
	STAILQ_INSERT_TAIL(&p->done, job, next);
	p->stats.jobs++;
	p->stats.errors += job->rc != 0;
	(void)pthread_mutex_unlock(&p->lock);
	if (write(p->done_fd, &one, sizeof(one)) != (ssize_t)sizeof(one))
		log_error("read", "eventfd: %s", strerror(errno));
}

static void *
reader_main(void *arg)
{
	struct reader *r = arg;
	struct job *job;

	while ((job = next_job(r->pool)) != NULL) {
		run_job(r, job);
		finish_job(r->pool, job);
	}
	db_close(r->db);
	return NULL;
}

static void
deliver(struct job *job)
{
	const struct err *e = job->rc == 0 ? NULL : &job->e;

	if (job->then != NULL)
		job->then(job->rq, e);
	else if (e == NULL)
		ap_reply_body(job->rq);
	else
		ap_reply_err(job->rq, e);
	free(job);
}

static void
on_done(evutil_socket_t fd, short what UNUSED, void *arg)
{
	struct ap_readers *p = arg;
	struct job_queue batch = STAILQ_HEAD_INITIALIZER(batch);
	struct job *job;
	uint64_t count;

	if (read(fd, &count, sizeof(count)) != (ssize_t)sizeof(count))
		return;
	(void)pthread_mutex_lock(&p->lock);
	STAILQ_CONCAT(&batch, &p->done);
	(void)pthread_mutex_unlock(&p->lock);
	while ((job = STAILQ_FIRST(&batch)) != NULL) {
		STAILQ_REMOVE_HEAD(&batch, next);
		deliver(job);
	}
}

void
ap_read_then(struct ap_request *rq, ap_read_fn fn, void (*then)(struct ap_request *rq, const struct err *e))
{
	struct ap_readers *p = rq->ap->readers;
	struct job *job = mem_new(struct job);
	bool full;

	*job = (struct job){.rq = rq, .fn = fn, .then = then};
	(void)pthread_mutex_lock(&p->lock);
	full = p->n_waiting >= AP_READ_QUEUE_MAX || p->stopping;
	if (full) {
		p->stats.refused++;
	} else {
		STAILQ_INSERT_TAIL(&p->waiting, job, next);
		p->n_waiting++;
	}
	(void)pthread_mutex_unlock(&p->lock);
	if (!full) {
		(void)pthread_cond_signal(&p->wake);
		return;
	}
	job->rc = err_set(&job->e, ERR_BUSY, "too many reads are waiting, try again");
	deliver(job);
}

void
ap_read(struct ap_request *rq, ap_read_fn fn)
{
	ap_read_then(rq, fn, NULL);
}

int
ap_readers_start(struct ap *ap, struct ap_readers **ret_r, struct err *e)
{
	struct ap_readers *p = mem_new(struct ap_readers);

	p->ap = ap;
	p->path = mem_strdup(ap->conf->SQLite3DataFile);
	p->backend = mem_strdup(ap->conf->BackendDB);
	STAILQ_INIT(&p->waiting);
	STAILQ_INIT(&p->done);
	(void)pthread_mutex_init(&p->lock, NULL);
	(void)pthread_cond_init(&p->wake, NULL);
	p->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (p->done_fd < 0) {
		free(p->path);
		free(p->backend);
		free(p);
		return err_sys(e, ERR_IO, errno, "eventfd");
	}
	p->done_event = event_new(ap->base, p->done_fd, EV_READ | EV_PERSIST, on_done, p);
	ASSERT(p->done_event != NULL && event_add(p->done_event, NULL) == 0);
	for (size_t i = 0; i < AP_READERS_DEFAULT; i++) {
		p->readers[i].pool = p;
		if (pthread_create(&p->readers[i].thread, NULL, reader_main, &p->readers[i]) != 0) {
			ap_readers_stop(p);
			return err_set(e, ERR_LIMIT, "cannot start reader thread %zu", i);
		}
		p->n_readers++;
	}
	*ret_r = p;
	return 0;
}

static void
fail_waiting(struct ap_readers *p)
{
	struct job *job;

	while ((job = STAILQ_FIRST(&p->waiting)) != NULL) {
		STAILQ_REMOVE_HEAD(&p->waiting, next);
		job->rc = err_set(&job->e, ERR_CANCELLED, "the node is stopping");
		deliver(job);
	}
	while ((job = STAILQ_FIRST(&p->done)) != NULL) {
		STAILQ_REMOVE_HEAD(&p->done, next);
		deliver(job);
	}
}

void
ap_readers_stop(struct ap_readers *p)
{
	struct job_queue unserved = STAILQ_HEAD_INITIALIZER(unserved);

	if (p == NULL)
		return;
	(void)pthread_mutex_lock(&p->lock);
	p->stopping = true;
	STAILQ_CONCAT(&unserved, &p->waiting);
	p->n_waiting = 0;
	(void)pthread_mutex_unlock(&p->lock);
	(void)pthread_cond_broadcast(&p->wake);
	for (size_t i = 0; i < p->n_readers; i++)
		(void)pthread_join(p->readers[i].thread, NULL);
	STAILQ_CONCAT(&p->waiting, &unserved);
	fail_waiting(p);
	event_free(p->done_event);
	(void)close(p->done_fd);
	(void)pthread_mutex_destroy(&p->lock);
	(void)pthread_cond_destroy(&p->wake);
	free(p->path);
	free(p->backend);
	free(p);
}

struct ap_readers_stats
ap_readers_stats(struct ap_readers *p)
{
	struct ap_readers_stats s;

	(void)pthread_mutex_lock(&p->lock);
	s = p->stats;
	s.queued = p->n_waiting;
	(void)pthread_mutex_unlock(&p->lock);
	return s;
}
