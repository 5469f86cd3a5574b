/* proc/proc.h — the skeleton of raftd, prober and apid: lifeline, configuration, log, event loop, signals, readiness,
 * beat.
 *
 * main() of a child is: proc_main(argc, argv, &ops). proc_main checks that it was started by the supervisor (a person
 * gets a clear message and exit 64), opens the lifeline, waits for CHILD_CONFIG, calls ops->start, runs the loop, calls
 * ops->stop, frees everything and returns the exit code. A loop callback that takes longer than 50 ms of thread CPU
 * time is logged and counted (design.md section 11). One event_base per process, passed in, never global. */
#ifndef PROC_PROC_H
#define PROC_PROC_H

#include "base/err.h"
#include "ipc/link.h"
#include "proc/proc_contract.h"

struct conf;
struct event_base;
struct proc;

struct proc_ops {
	const char *program; /* "raftd" */
	enum ipc_role role;
	/* Set up; call proc_ready when done (may be later, from the loop). Errors: proc_fail or return a proc_exit
	 * code. */
	int (*start)(struct proc *p, void **ret_app);
	/* A validated new configuration is in proc_conf(p). */
	void (*reload)(struct proc *p, void *app);
	/* Finish within deadline_ms; call proc_exit_loop when done. */
	void (*stop)(struct proc *p, void *app, int64_t deadline_ms);
	/* Free app; the loop has ended. */
	void (*done)(struct proc *p, void *app);
	/* May be NULL. After start(): each process that runs already, then every start and end (proc_contract.h). Opens
	 * and ends links: ipc_link_follow. */
	void (*peer)(struct proc *p, void *app, const struct ipc_child_peer *m);
	void (*reload_result)(struct proc *p, void *app, const struct ipc_child_reload_result *m);
};

int proc_main(int argc, char **argv, const struct proc_ops *ops);

struct event_base *proc_base(struct proc *p);
const struct conf *proc_conf(struct proc *p);		   /* valid until the next reload; conf_ref to keep */
const struct ipc_child_config *proc_setup(struct proc *p); /* mode, slot, node_token, hostname, runtime_dir, args */
uint64_t proc_generation(struct proc *p);
/* Lifeline, for CHILD_RELOAD_REQUEST. */
struct ipc_link *proc_lifeline(struct proc *p);
/* "ipc://<runtime_dir>/<name>"; ret holds at least 128 bytes. */
void proc_socket_address(struct proc *p, char *ret, size_t size, const char *fmt, ...) PRINTF_LIKE(4, 5);
/* raftd, before it binds any: removes the files of links that a killed one has left. */
void proc_remove_old_sockets(struct proc *p);

void proc_ready(struct proc *p, const char *what);
/* Ends the loop; proc_main returns code. */
void proc_exit_loop(struct proc *p, int code);
/* For links to raftd: it runs, but the link does not come up (ipc/link.h). Ends the loop: the next process has a link of
 * its own. */
void proc_missed(struct proc *p);
/* Logs the error once and ends the loop with code. The first code given counts. */
void proc_fail(struct proc *p, int code, const struct err *e);
/* With which the process ends, once its loop has been told to: 0 while it goes on. */
int proc_code(const struct proc *p);
/* One-shot: tell the supervisor the command's exit code; it answers with CHILD_STOP (ops->stop), until then the loop
 * goes on so that the message leaves the process. */
void proc_command_done(struct proc *p, int exit_code);
/* Loop overruns so far, for metrics. */
uint64_t proc_overruns(struct proc *p);

#endif
