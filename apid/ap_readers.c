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
#include <time.h>
#include <unistd.h>

#include "ap_request.h"
#include "ap_gzip.h"
#include "base/log.h"
#include "db/db.h"

#define RETRY_MS 50

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
	struct ap_reader r;	/* db NULL until opened, and after an error */
	struct mono patient_to; /* while db is NULL */
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
	bool stopping; /* under lock */
	int done_fd;
	struct event *done_event;
	struct ap_readers_stats stats; /* under lock */
};

/* --- in the threads -------------------------------------------------------------------------------------------- */
static void
close_db(struct reader *r)
{
	db_close(r->r.db);
	r->r.db = NULL;
	r->patient_to = mono_add_us(clk_mono(r->pool->ap->clock), AP_PATIENCE_MS * CLK_MS);
}

/* False when the node stops. */
static bool
pause_reader(struct ap_readers *p)
{
	static const struct timespec pause = {0, RETRY_MS * CLK_MS * 1000};
	bool stopping;

	(void)nanosleep(&pause, NULL);
	(void)pthread_mutex_lock(&p->lock);
	stopping = p->stopping;
	(void)pthread_mutex_unlock(&p->lock);
	return !stopping;
}

static int
open_db(struct reader *r, struct err *e)
{
	struct ap_readers *p = r->pool;
	struct db_conf conf = {.backend = p->backend, .path = p->path, .busy_timeout_ms = 2000};
	int rc;

	while ((rc = db_open(&conf, DB_READ_ONLY, &r->r.db, e)) != 0) {
		if (!mono_before(clk_mono(p->ap->clock), r->patient_to) || !pause_reader(p))
			return rc;
	}
	(void)pthread_mutex_lock(&p->lock);
	p->stats.opened++;
	(void)pthread_mutex_unlock(&p->lock);
	return 0;
}

static void
prepare_rules(struct reader *r, struct conf *conf)
{
	if (r->r.rules != NULL && r->r.rules->conf == conf)
		return;
	ap_rules_free(r->r.rules);
	r->r.rules = ap_rules_new(conf);
}

static int
try_job(struct reader *r, struct job *job)
{
	int rc = r->r.db != NULL ? 0 : open_db(r, &job->e);

	if (rc != 0)
		return rc;
	str_buf_clear(&job->rq->body);
	return job->fn(job->rq, &r->r, &job->e);
}

/* The connection is to blame, not the request. */
static bool
is_db_error(int code)
{
	return code == ERR_DB || code == ERR_DB_CORRUPT || code == ERR_IO || code == ERR_DB_VERSION;
}

static void
run_job(struct reader *r, struct job *job)
{
	bool opened_before;

	if (r->r.db != NULL && db_was_replaced(r->r.db))
		close_db(r);
	opened_before = r->r.db != NULL;
	prepare_rules(r, job->rq->conf);
	r->r.now = clk_wall(r->pool->ap->clock);
	job->rc = try_job(r, job);
	if (job->rc == 0 || !is_db_error(job->e.code))
		return;
	close_db(r);
	if (opened_before)
		job->rc = try_job(r, job);
}

/* Here rather than on the loop; what a callback still works on is not touched. */
static void
pack_answer(struct job *job)
{
	struct ap_request *rq = job->rq;

	if (job->rc == 0 && job->then == NULL && rq->takes_gzip)
		rq->gzipped = ap_gzip_body(&rq->body);
}

static struct job *
next_job(struct ap_readers *p)
{
	struct job *job;

	(void)pthread_mutex_lock(&p->lock);
	while (STAILQ_EMPTY(&p->waiting) && !p->stopping)
		(void)pthread_cond_wait(&p->wake, &p->lock);
	job = p->stopping ? NULL : STAILQ_FIRST(&p->waiting);
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
		pack_answer(job);
		finish_job(r->pool, job);
	}
	db_close(r->r.db);
	ap_rules_free(r->r.rules);
	return NULL;
}

/* --- on the loop ----------------------------------------------------------------------------------------------- */
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

/* False when there is no room. */
static bool
enqueue(struct ap_readers *p, struct job *job)
{
	bool room;

	(void)pthread_mutex_lock(&p->lock);
	room = p->n_waiting < AP_READ_QUEUE_MAX;
	if (room) {
		STAILQ_INSERT_TAIL(&p->waiting, job, next);
		p->n_waiting++;
	} else {
		p->stats.refused++;
	}
	(void)pthread_mutex_unlock(&p->lock);
	if (room)
		(void)pthread_cond_signal(&p->wake);
	return room;
}

void
ap_read_then(struct ap_request *rq, ap_read_fn fn, void (*then)(struct ap_request *rq, const struct err *e))
{
	struct ap_readers *p = rq->ap->readers;
	struct job *job = mem_new(struct job);

	*job = (struct job){.rq = rq, .fn = fn, .then = then};
	if (p == NULL)
		job->rc = err_set(&job->e, ERR_CANCELLED, "the node is stopping");
	else if (enqueue(p, job))
		return;
	else
		job->rc = err_set(&job->e, ERR_BUSY, "too many reads are waiting, try again");
	deliver(job);
}

void
ap_read(struct ap_request *rq, ap_read_fn fn)
{
	ap_read_then(rq, fn, NULL);
}

/* --- start and end --------------------------------------------------------------------------------------------- */
static int
start_threads(struct ap_readers *p, struct err *e)
{
	for (size_t i = 0; i < AP_READERS_DEFAULT; i++) {
		struct reader *r = &p->readers[i];
		r->pool = p;
		close_db(r);
		if (pthread_create(&r->thread, NULL, reader_main, r) != 0)
			return err_set(e, ERR_LIMIT, "cannot start reader thread %zu", i);
		p->n_readers++;
	}
	return 0;
}

int
ap_readers_start(struct ap *ap, struct ap_readers **ret_r, struct err *e)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct ap_readers *p;

	if (fd < 0)
		return err_sys(e, ERR_IO, errno, "eventfd");
	p = mem_new(struct ap_readers);
	*ret_r = p; /* stopped by the caller, also after an error */
	p->ap = ap;
	p->path = mem_strdup(ap->conf->SQLite3DataFile);
	p->backend = mem_strdup(ap->conf->BackendDB);
	STAILQ_INIT(&p->waiting);
	STAILQ_INIT(&p->done);
	(void)pthread_mutex_init(&p->lock, NULL);
	(void)pthread_cond_init(&p->wake, NULL);
	p->done_fd = fd;
	p->done_event = event_new(ap->base, p->done_fd, EV_READ | EV_PERSIST, on_done, p);
	ASSERT(p->done_event != NULL && event_add(p->done_event, NULL) == 0);
	return start_threads(p, e);
}

static void
join_threads(struct ap_readers *p)
{
	(void)pthread_mutex_lock(&p->lock);
	p->stopping = true;
	(void)pthread_mutex_unlock(&p->lock);
	(void)pthread_cond_broadcast(&p->wake);
	for (size_t i = 0; i < p->n_readers; i++)
		(void)pthread_join(p->readers[i].thread, NULL);
}

/* Those that ran are answered as they should, the others with an error. */
static void
deliver_rest(struct ap_readers *p)
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
ap_readers_stop(struct ap *ap)
{
	struct ap_readers *p = ap->readers;

	if (p == NULL)
		return;
	ap->readers = NULL; /* nothing comes in any more */
	join_threads(p);
	deliver_rest(p);
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
