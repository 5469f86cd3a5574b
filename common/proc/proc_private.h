/* proc_private.h — the child's own state, shared by proc.c (its life) and lifeline.c (what it says and hears). */
#ifndef PROC_PRIVATE_H
#define PROC_PRIVATE_H

#include <event2/event.h>

#include "proc/proc.h"

struct proc {
	const struct proc_ops *ops;
	struct event_base *base;
	struct ipc_link *lifeline;
	struct event *beat, *term, *limit;
	uint64_t generation;
	uint64_t beats;
	struct conf *conf;
	struct ipc_child_config setup; /* owning; its config text is dropped, conf holds what it said */
	bool configured;
	bool started;				     /* ops->start succeeded: app is valid */
	struct ipc_child_peer peers[PROC_PEERS_MAX]; /* until started: those that run */
	size_t n_peers;
	bool stopping;
	void *app;
	bool ended;
	int code;
	int64_t cpu_us; /* of this thread, at the end of the last turn */
	uint64_t overruns;
	struct mono overrun_logged;
};

/* proc.c: told to stop, by whomever; the first time counts. */
void proc_stop(struct proc *p, int64_t deadline_ms);
/* lifeline.c */
int proc_lifeline_open(struct proc *p, struct err *e) MUST_USE;
/* The app is there: hears of its peers from now on. */
void proc_tell_peers(struct proc *p);
/* Of p->beat */
void proc_on_beat(evutil_socket_t fd, short what, void *arg);

#endif
