/* rd_worker.h — a thread that works for the loop: the lock that both share, waking each other, stopping, and waiting for
 * the end. What is to be done, and what became of it, are the owner's, under the worker's lock.
 *
 * The loop changes the owner's data under the lock and calls rd_worker_tell; the thread changes them and calls
 * rd_worker_wake, whereupon on_wake runs in the loop. Signals are the loop's: the thread has them blocked. */
#ifndef RD_WORKER_H
#define RD_WORKER_H

#include <pthread.h>

#include "base/clock.h"
#include "base/err.h"

struct event;
struct event_base;

struct rd_worker_conf {
	struct event_base *base;
	const char *name; /* for errors: "view writer"; a constant */
	void *ctx;
	void (*run)(void *ctx);	    /* the thread; returns some time after `stopping` is set, or by itself */
	void (*on_wake)(void *ctx); /* in the loop: once or more often after rd_worker_wake and at the end */
};

struct rd_worker {
	struct rd_worker_conf conf;
	pthread_mutex_t lock;
	pthread_cond_t more; /* what the thread waits for, with the lock */
	bool stopping;	     /* under the lock */
	/* rd_worker.c's */
	bool ended; /* under the lock */
	pthread_t thread;
	int wake_fd;
	struct event *wake;
	void (*on_stopped)(void *ctx); /* loop only */
	void *stopped_ctx;
};

/* Nothing is left to be ended when it fails. */
int rd_worker_start(struct rd_worker *w, const struct rd_worker_conf *conf, struct err *e) MUST_USE;
/* Asks the thread to end. on_stopped (NULL: none) is called in the loop, once, when run has returned and on_wake was
 * called after that; it may end the worker. */
void rd_worker_stop(struct rd_worker *w, void (*on_stopped)(void *ctx), void *ctx);
/* Stops it and waits up to wait_ms. False: the thread is stuck, everything stays as it is; call it again, or _exit. */
bool rd_worker_end(struct rd_worker *w, int64_t wait_ms) MUST_USE;

static inline void
rd_worker_lock(struct rd_worker *w)
{
	(void)pthread_mutex_lock(&w->lock);
}

static inline void
rd_worker_unlock(struct rd_worker *w)
{
	(void)pthread_mutex_unlock(&w->lock);
}

/* The loop, with the lock: there is more to do. */
static inline void
rd_worker_tell(struct rd_worker *w)
{
	(void)pthread_cond_signal(&w->more);
}

/* The thread, with the lock: waits until it is told. May return early. */
static inline void
rd_worker_wait(struct rd_worker *w)
{
	(void)pthread_cond_wait(&w->more, &w->lock);
}

/* The thread, without the lock: ms pass; false as soon as it is to stop. */
bool rd_worker_pause(struct rd_worker *w, int64_t ms);
/* The thread, without the lock: the loop has something to look at. */
void rd_worker_wake(struct rd_worker *w);

#endif
