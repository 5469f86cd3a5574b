/* worker.h — a thread that works for the loop: the lock that both share, waking each other, stopping, and waiting for
 * the end. What is to be done, and what became of it, are the owner's, under the worker's lock.
 *
 * The loop changes the owner's data under the lock and calls worker_tell; the thread changes them and calls
 * worker_wake, whereupon on_wake runs in the loop. Signals are the loop's: the thread has them blocked. */
#ifndef PROC_WORKER_H
#define PROC_WORKER_H

#include <pthread.h>

#include "base/clock.h"
#include "base/err.h"

struct event;
struct event_base;

struct worker_conf {
	struct event_base *base;
	const char *name; /* for errors: "view writer"; a constant */
	void *ctx;
	void (*run)(void *ctx);	    /* the thread; returns some time after `stopping` is set, or by itself */
	void (*on_wake)(void *ctx); /* in the loop: once or more often after worker_wake and at the end */
};

struct worker {
	struct worker_conf conf;
	pthread_mutex_t lock;
	pthread_cond_t more; /* what the thread waits for, with the lock */
	bool stopping;	     /* under the lock */
	/* worker.c's */
	bool ended; /* under the lock */
	pthread_t thread;
	int wake_fd;
	struct event *wake;
	void (*on_stopped)(void *ctx); /* loop only */
	void *stopped_ctx;
};

/* Nothing is left to be ended when it fails. */
int worker_start(struct worker *w, const struct worker_conf *conf, struct err *e) MUST_USE;
/* Asks the thread to end. on_stopped (NULL: none) is called in the loop, once, when run has returned and on_wake was
 * called after that; it may end the worker. */
void worker_stop(struct worker *w, void (*on_stopped)(void *ctx), void *ctx);
/* Stops it and waits up to wait_ms. False: the thread is stuck, everything stays as it is; call it again, or _exit. */
bool worker_end(struct worker *w, int64_t wait_ms) MUST_USE;

static inline void
worker_lock(struct worker *w)
{
	(void)pthread_mutex_lock(&w->lock);
}

static inline void
worker_unlock(struct worker *w)
{
	(void)pthread_mutex_unlock(&w->lock);
}

/* The loop, with the lock: there is more to do. */
static inline void
worker_tell(struct worker *w)
{
	(void)pthread_cond_signal(&w->more);
}

/* The thread, with the lock: waits until it is told. May return early. */
static inline void
worker_wait(struct worker *w)
{
	(void)pthread_cond_wait(&w->more, &w->lock);
}

/* The thread, without the lock: ms pass; false as soon as it is to stop. */
bool worker_pause(struct worker *w, int64_t ms);
/* The thread, without the lock: the loop has something to look at. */
void worker_wake(struct worker *w);

#endif
