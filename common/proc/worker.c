/* worker.c — see worker.h. Used by raftd's writers and apid's look-up of groups. Owns the thread, its lock and the eventfd by
 * which it wakes the loop. Logs nothing. */
#include "proc/worker.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

void
worker_wake(struct worker *w)
{
	static const uint64_t one = 1;

	/* can only fail when the counter is full: the loop is awake then */
	ssize_t n = write(w->wake_fd, &one, sizeof(one));
	(void)n;
}

bool
worker_pause(struct worker *w, int64_t ms)
{
	struct timespec until = clk_cond_deadline(ms);
	bool go_on;

	worker_lock(w);
	while (!w->stopping && pthread_cond_timedwait(&w->more, &w->lock, &until) != ETIMEDOUT)
		continue;
	go_on = !w->stopping;
	worker_unlock(w);
	return go_on;
}

static void *
thread_main(void *arg)
{
	struct worker *w = arg;

	w->conf.run(w->conf.ctx);
	worker_lock(w);
	w->ended = true;
	(void)pthread_cond_broadcast(&w->more);
	worker_unlock(w);
	worker_wake(w);
	return NULL;
}

/* --- the loop's side ------------------------------------------------------------------------------------------- */
static void
on_readable(evutil_socket_t fd, short what UNUSED, void *arg)
{
	struct worker *w = arg;
	void (*on_stopped)(void *ctx);
	uint64_t count;
	bool ended;
	ssize_t n = read(fd, &count, sizeof(count));

	(void)n;
	worker_lock(w);
	ended = w->ended; /* before on_wake looks: then it has seen everything */
	worker_unlock(w);
	w->conf.on_wake(w->conf.ctx);
	on_stopped = w->on_stopped;
	if (!ended || on_stopped == NULL)
		return;
	w->on_stopped = NULL;
	on_stopped(w->stopped_ctx);
}

void
worker_stop(struct worker *w, void (*on_stopped)(void *ctx), void *ctx)
{
	w->on_stopped = on_stopped;
	w->stopped_ctx = ctx;
	worker_lock(w);
	w->stopping = true;
	(void)pthread_cond_signal(&w->more);
	worker_unlock(w);
	worker_wake(w); /* it may have ended already */
}

/* --- life ------------------------------------------------------------------------------------------------------ */
static void
init_sync(struct worker *w)
{
	pthread_condattr_t attr;

	ASSERT(pthread_mutex_init(&w->lock, NULL) == 0);
	ASSERT(pthread_condattr_init(&attr) == 0);
	ASSERT(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
	ASSERT(pthread_cond_init(&w->more, &attr) == 0);
	(void)pthread_condattr_destroy(&attr);
}

static void
release(struct worker *w)
{
	if (w->wake != NULL)
		event_free(w->wake);
	if (w->wake_fd >= 0)
		(void)close(w->wake_fd);
	(void)pthread_cond_destroy(&w->more);
	(void)pthread_mutex_destroy(&w->lock);
}

static int
start_thread(struct worker *w, struct err *e)
{
	sigset_t all, old;
	int rc;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&w->thread, NULL, thread_main, w);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	return rc == 0 ? 0 : err_sys(e, ERR_UNAVAILABLE, rc, "starting the %s", w->conf.name);
}

int
worker_start(struct worker *w, const struct worker_conf *conf, struct err *e)
{
	int rc;

	*w = (struct worker){.conf = *conf};
	init_sync(w);
	w->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->wake_fd >= 0)
		w->wake = event_new(conf->base, w->wake_fd, EV_READ | EV_PERSIST, on_readable, w);
	if (w->wake == NULL || event_add(w->wake, NULL) != 0)
		rc = err_set(e, ERR_UNAVAILABLE, "no event descriptor for the %s", conf->name);
	else
		rc = start_thread(w, e);
	if (rc != 0)
		release(w);
	return rc;
}

bool
worker_end(struct worker *w, int64_t wait_ms)
{
	struct timespec until = clk_cond_deadline(wait_ms);
	bool ended;

	worker_stop(w, NULL, NULL);
	worker_lock(w);
	while (!w->ended && pthread_cond_timedwait(&w->more, &w->lock, &until) != ETIMEDOUT)
		continue;
	ended = w->ended;
	worker_unlock(w);
	if (!ended)
		return false;
	(void)pthread_join(w->thread, NULL);
	release(w);
	return true;
}
