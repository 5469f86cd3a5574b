/* pr_lanes.c — see pr_lanes.h. Owns the threads, one lock for all queues (jobs take milliseconds to seconds, the lock
 * microseconds) and the eventfd by which threads wake the loop. Called by pr_pool.c, pr_step.c and pr_lookup.c in the
 * loop. */
#include "pr_lanes.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

#define STACK_BYTES ((size_t)256 << 10) /* OpenSSL and the resolver need about 60 KiB of it */
#define DONE_PER_TURN 256

STAILQ_HEAD(job_list, pr_job);

static const struct {
	const char *name;
	size_t threads;
	size_t queue; /* waiting jobs; the scheduler lets no more through than threads, so these are for bursts */
} table[PR_LANE_COUNT] = {
    [PR_LANE_URGENT] = {"urgent", 32, 512},   [PR_LANE_SOURCES] = {"sources", 64, 256},
    [PR_LANE_REGULAR] = {"regular", 64, 256}, [PR_LANE_DEAD] = {"dead", 16, 256},
    [PR_LANE_STEPS] = {"steps", 16, 256},     [PR_LANE_LOOKUPS] = {"lookups", 4, 4096},
    [PR_LANE_REACHES] = {"reaches", 16, 64},
};

struct lane {
	struct job_list waiting;
	size_t n_waiting, n_threads, n_idle;
	uint64_t refused;
	pthread_cond_t work;
};

struct pr_lanes {
	pthread_mutex_t lock;
	struct lane lane[PR_LANE_COUNT];
	struct job_list finished;
	size_t n_threads;   /* running */
	pthread_t *threads; /* ever started; joined at the end */
	size_t n_started, cap_started;
	bool stopping;
	pthread_cond_t ended;
	int wake_fd;
	struct event *wake;
};

struct thread_arg {
	struct pr_lanes *lanes;
	enum pr_lane lane;
};

const char *
pr_lane_name(enum pr_lane lane)
{
	return table[lane].name;
}

size_t
pr_lane_threads(enum pr_lane lane)
{
	return table[lane].threads;
}

static void
wake_loop(struct pr_lanes *l)
{
	uint64_t one = 1;
	ssize_t n = write(l->wake_fd, &one, sizeof(one)); /* fails only when it is readable anyway */

	(void)n;
}

/* With the lock held; returns with it held. */
static void
work(struct pr_lanes *l, struct lane *lane)
{
	while (!l->stopping) {
		struct pr_job *job = STAILQ_FIRST(&lane->waiting);

		if (job == NULL) {
			lane->n_idle++;
			(void)pthread_cond_wait(&lane->work, &l->lock);
			lane->n_idle--;
			continue;
		}
		STAILQ_REMOVE_HEAD(&lane->waiting, next);
		lane->n_waiting--;
		(void)pthread_mutex_unlock(&l->lock);
		job->run(job);
		(void)pthread_mutex_lock(&l->lock);
		STAILQ_INSERT_TAIL(&l->finished, job, next);
		wake_loop(l);
	}
}

static void *
thread_main(void *p)
{
	struct thread_arg arg = *(struct thread_arg *)p;
	struct pr_lanes *l = arg.lanes;

	free(p);
	(void)pthread_mutex_lock(&l->lock);
	work(l, &l->lane[arg.lane]);
	l->n_threads--;
	(void)pthread_cond_signal(&l->ended);
	(void)pthread_mutex_unlock(&l->lock);
	return NULL;
}

/* With the lock held. Threads take no signals: those are the loop's. */
static bool
start_thread(struct pr_lanes *l, enum pr_lane lane)
{
	struct thread_arg *arg = mem_new(struct thread_arg);
	pthread_attr_t attr;
	pthread_t id;
	sigset_t all, before;
	int rc;

	*arg = (struct thread_arg){l, lane};
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	(void)pthread_attr_init(&attr);
	(void)pthread_attr_setstacksize(&attr, STACK_BYTES);
	rc = pthread_create(&id, &attr, thread_main, arg);
	(void)pthread_attr_destroy(&attr);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc != 0) {
		free(arg);
		return false;
	}
	mem_grow(l->threads, l->cap_started, l->n_started + 1);
	l->threads[l->n_started++] = id;
	l->lane[lane].n_threads++;
	l->n_threads++;
	return true;
}

bool
pr_lanes_submit(struct pr_lanes *l, enum pr_lane lane_no, struct pr_job *job)
{
	struct lane *lane = &l->lane[lane_no];
	bool ok = false;

	(void)pthread_mutex_lock(&l->lock);
	if (!l->stopping && lane->n_waiting < table[lane_no].queue)
		ok = lane->n_idle > lane->n_waiting || lane->n_threads == table[lane_no].threads ||
		     start_thread(l, lane_no) || lane->n_threads > 0;
	if (ok) {
		job->lane = lane_no;
		STAILQ_INSERT_TAIL(&lane->waiting, job, next);
		lane->n_waiting++;
		(void)pthread_cond_signal(&lane->work);
	} else {
		lane->refused++;
	}
	(void)pthread_mutex_unlock(&l->lock);
	return ok;
}

static struct pr_job *
take_finished(struct pr_lanes *l)
{
	struct pr_job *job;

	(void)pthread_mutex_lock(&l->lock);
	job = STAILQ_FIRST(&l->finished);
	if (job != NULL)
		STAILQ_REMOVE_HEAD(&l->finished, next);
	(void)pthread_mutex_unlock(&l->lock);
	return job;
}

static void
on_wake(evutil_socket_t fd, short what UNUSED, void *arg)
{
	struct pr_lanes *l = arg;
	struct pr_job *job;
	uint64_t count;
	ssize_t n = read(fd, &count, sizeof(count));

	(void)n;
	for (int i = 0; i < DONE_PER_TURN; i++) {
		job = take_finished(l);
		if (job == NULL)
			return;
		job->done(job);
	}
	wake_loop(l);
}

int
pr_lanes_new(struct event_base *base, struct pr_lanes **ret, struct err *e)
{
	struct pr_lanes *l = mem_new(struct pr_lanes);

	l->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (l->wake_fd < 0) {
		free(l);
		return err_sys(e, ERR_IO, errno, "eventfd");
	}
	(void)pthread_mutex_init(&l->lock, NULL);
	(void)pthread_cond_init(&l->ended, NULL);
	STAILQ_INIT(&l->finished);
	for (size_t i = 0; i < PR_LANE_COUNT; i++) {
		STAILQ_INIT(&l->lane[i].waiting);
		(void)pthread_cond_init(&l->lane[i].work, NULL);
	}
	l->wake = event_new(base, l->wake_fd, EV_READ | EV_PERSIST, on_wake, l);
	ASSERT(l->wake != NULL && event_add(l->wake, NULL) == 0);
	*ret = l;
	return 0;
}

static bool
wait_for_threads(struct pr_lanes *l, int64_t wait_ms)
{
	int64_t until_us = clk_wall(clk_real()).us + wait_ms * CLK_MS;
	struct timespec until = {.tv_sec = (time_t)(until_us / CLK_S), .tv_nsec = (long)(until_us % CLK_S) * 1000L};

	while (l->n_threads > 0) {
		if (pthread_cond_timedwait(&l->ended, &l->lock, &until) == ETIMEDOUT)
			break;
	}
	return l->n_threads == 0;
}

bool
pr_lanes_stop(struct pr_lanes *l, int64_t wait_ms)
{
	struct pr_job *job;
	bool all;

	(void)pthread_mutex_lock(&l->lock);
	l->stopping = true;
	for (size_t i = 0; i < PR_LANE_COUNT; i++) {
		(void)pthread_cond_broadcast(&l->lane[i].work);
		STAILQ_CONCAT(&l->finished, &l->lane[i].waiting);
		l->lane[i].n_waiting = 0;
	}
	all = wait_for_threads(l, wait_ms);
	(void)pthread_mutex_unlock(&l->lock);
	for (; all && l->n_started > 0; l->n_started--) /* libraries clean up after thread_main */
		(void)pthread_join(l->threads[l->n_started - 1], NULL);
	while ((job = take_finished(l)) != NULL)
		job->done(job);
	return all;
}

void
pr_lanes_free(struct pr_lanes *l)
{
	if (l == NULL)
		return;
	event_free(l->wake);
	(void)close(l->wake_fd);
	for (size_t i = 0; i < PR_LANE_COUNT; i++)
		(void)pthread_cond_destroy(&l->lane[i].work);
	(void)pthread_cond_destroy(&l->ended);
	(void)pthread_mutex_destroy(&l->lock);
	free(l->threads);
	free(l);
}

size_t
pr_lanes_queued(struct pr_lanes *l, enum pr_lane lane)
{
	size_t n;

	(void)pthread_mutex_lock(&l->lock);
	n = l->lane[lane].n_waiting;
	(void)pthread_mutex_unlock(&l->lock);
	return n;
}

uint64_t
pr_lanes_refused(struct pr_lanes *l, enum pr_lane lane)
{
	return l->lane[lane].refused; /* written by the loop only */
}
