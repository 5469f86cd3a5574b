/* proc.c — the life of a child process: lifeline, configuration, start, loop, stop (proc.h, proc_contract.h).
 *
 * Owns the event base, the lifeline and the running configuration. The lifeline is the only way the supervisor speaks
 * to us; its end is ours: nothing may outlive the supervisor. Called by the main() of raftd, prober and apid. Must
 * never block once the loop runs. */
#include <dirent.h>
#include <event2/event.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "conf/conf.h"
#include "proc/proc_private.h"

#define CONFIG_WAIT_MS 10000
#define OVERRUN_US (50 * CLK_MS)
/* A child that was told to stop ends by itself this long after its deadline, whoever sent the signal. */
#define STOP_GRACE_MS 500

/* --- accessors ---------------------------------------------------------------------------------------------------- */

struct event_base *
proc_base(struct proc *p)
{
	return p->base;
}

const struct conf *
proc_conf(struct proc *p)
{
	return p->conf;
}

const struct ipc_child_config *
proc_setup(struct proc *p)
{
	return &p->setup;
}

uint64_t
proc_generation(struct proc *p)
{
	return p->generation;
}

struct ipc_link *
proc_lifeline(struct proc *p)
{
	return p->lifeline;
}

uint64_t
proc_overruns(struct proc *p)
{
	return p->overruns;
}

void
proc_socket_address(struct proc *p, char *ret, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n = snprintf(ret, size, "ipc://%s/", p->setup.runtime_dir);

	ASSERT(n > 0 && (size_t)n < size);
	va_start(ap, fmt);
	n += vsnprintf(ret + n, size - (size_t)n, fmt, ap);
	va_end(ap);
	ASSERT((size_t)n < size);
}

void
proc_remove_old_sockets(struct proc *p)
{
	DIR *dir = opendir(p->setup.runtime_dir);
	struct dirent *d;

	if (dir == NULL)
		return; /* the next bind says why */
	while ((d = readdir(dir)) != NULL) {
		bool may_be = d->d_type == DT_SOCK || d->d_type == DT_UNKNOWN;
		if (may_be && strchr(d->d_name, '.') != NULL) /* PROC_SOCKET_CONTROL has no dot */
			(void)unlinkat(dirfd(dir), d->d_name, 0);
	}
	(void)closedir(dir);
}

/* --- ending ------------------------------------------------------------------------------------------------------- */

void
proc_exit_loop(struct proc *p, int code)
{
	if (p->ended)
		return;
	p->ended = true;
	p->code = code;
	(void)event_base_loopbreak(p->base);
}

void
proc_fail(struct proc *p, int code, const struct err *e)
{
	log_error("proc", "%s", e->msg);
	proc_exit_loop(p, code);
}

int
proc_code(const struct proc *p)
{
	return p->code;
}

void
proc_missed(struct proc *p)
{
	struct err e;

	(void)err_set(&e, ERR_IPC_DOWN, "no link to raftd, which runs, within %d s: starting anew",
		      PROC_MEET_MS / 1000);
	proc_fail(p, PROC_EXIT_RETRY, &e);
}

static void
on_limit(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct proc *p = arg;

	if (p->stopping)
		log_warning("proc", "did not finish within the time given to stop, ending now");
	else
		log_error("proc", "no configuration from the supervisor within %d s", CONFIG_WAIT_MS / 1000);
	proc_exit_loop(p, p->stopping ? PROC_EXIT_FAILED : PROC_EXIT_RETRY);
}

static void
set_limit(struct proc *p, int64_t ms)
{
	struct timeval tv = clk_timeval(ms * CLK_MS);

	ASSERT(event_add(p->limit, &tv) == 0);
}

void
proc_stop(struct proc *p, int64_t deadline_ms)
{
	if (p->stopping)
		return;
	p->stopping = true;
	log_info("proc", "stopping deadline_ms=%lld", (long long)deadline_ms);
	if (!p->started || p->ops->stop == NULL) {
		proc_exit_loop(p, PROC_EXIT_OK);
		return;
	}
	set_limit(p, max_i64(0, min_i64(deadline_ms, PROC_STOP_MS)) + STOP_GRACE_MS);
	p->ops->stop(p, p->app, deadline_ms);
}

static void
on_term(evutil_socket_t signo UNUSED, short what UNUSED, void *arg)
{
	proc_stop(arg, PROC_STOP_MS);
}

/* --- the loop ----------------------------------------------------------------------------------------------------- */

static int64_t
thread_cpu_us(void)
{
	struct timespec t;

	if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) != 0)
		return 0;
	return (int64_t)t.tv_sec * CLK_S + t.tv_nsec / 1000;
}

/* libevent 2.1 has no hook around callbacks (evwatch came with 2.2), so a whole turn is measured: everything that one
 * wake-up had to do. CPU time leaves the wait out by itself. */
static void
note_turn(struct proc *p)
{
	int64_t now_us = thread_cpu_us(), took_us = now_us - p->cpu_us;
	struct mono now;

	p->cpu_us = now_us;
	if (took_us <= OVERRUN_US || !p->started)
		return;
	p->overruns++;
	now = clk_mono(clk_real());
	if (p->overruns > 1 && mono_diff_us(now, p->overrun_logged) < CLK_S)
		return;
	p->overrun_logged = now;
	log_warning("proc", "a turn of the event loop took %lld ms of CPU time, bound=%lld overruns=%llu",
		    (long long)(took_us / CLK_MS), (long long)(OVERRUN_US / CLK_MS),
		    (unsigned long long)p->overruns); /* tests: process/supervisor */
}

static void
turn(struct proc *p)
{
	ASSERT(event_base_loop(p->base, EVLOOP_ONCE) == 0);
	note_turn(p);
}

/* The lifeline connects us to our parent alone: bytes we don't understand come from another build. */
static void
check_same_build(struct proc *p)
{
	struct err e;

	if (ipc_link_is_up(p->lifeline) || ipc_link_stats(p->lifeline).dropped_format == 0)
		return;
	(void)err_set(&e, ERR_IPC_PROTO, "the supervisor is of another build than this program: reinstall both");
	proc_fail(p, PROC_EXIT_VERSION, &e);
}

static void
run(struct proc *p)
{
	int rc;

	set_limit(p, CONFIG_WAIT_MS);
	while (!p->configured && !p->ended) {
		turn(p);
		check_same_build(p);
	}
	if (p->ended)
		return;
	(void)event_del(p->limit);
	if (p->conf->EnableSyslog)
		log_enable_syslog(p->ops->program);
	rc = p->ops->start(p, &p->app);
	if (rc != 0) {
		proc_exit_loop(p, rc);
		return;
	}
	p->started = true;
	proc_tell_peers(p);
	p->cpu_us = thread_cpu_us();
	while (!p->ended)
		turn(p);
}

/* --- setting up --------------------------------------------------------------------------------------------------- */

static bool
started_by_supervisor(const struct proc_ops *ops, uint64_t *ret_generation)
{
	const char *generation = getenv(PROC_ENV_GENERATION), *role = getenv(PROC_ENV_ROLE);
	struct stat st;
	struct err e;

	if (generation == NULL || !str_eq(role, ops->program))
		return false;
	if (str_parse_u64(generation, UINT64_MAX, ret_generation, &e) != 0 || *ret_generation == 0)
		return false;
	return fstat(PROC_LIFELINE_FD, &st) == 0 && S_ISSOCK(st.st_mode);
}

/* SIGHUP and SIGINT are for the supervisor, which tells us; on a terminal they reach the whole process group. */
static void
set_signals(void)
{
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGINT, SIG_IGN);
}

static int
set_up(struct proc *p, struct err *e)
{
	static const struct timeval beat = {PROC_BEAT_MS / 1000, PROC_BEAT_MS % 1000 * 1000L};

	rec_init(ipc_msg_info(IPC_CHILD_CONFIG)->desc, &p->setup);
	p->base = event_base_new();
	if (p->base == NULL)
		return err_set(e, ERR_UNAVAILABLE, "libevent has no event base");
	p->beat = event_new(p->base, -1, EV_PERSIST, proc_on_beat, p);
	p->limit = event_new(p->base, -1, 0, on_limit, p);
	p->term = evsignal_new(p->base, SIGTERM, on_term, p);
	ASSERT(p->beat != NULL && p->limit != NULL && p->term != NULL);
	if (event_add(p->beat, &beat) != 0 || event_add(p->term, NULL) != 0)
		return err_set(e, ERR_UNAVAILABLE, "libevent refuses a timer or signal");
	return proc_lifeline_open(p, e);
}

static void
free_event(struct event *ev)
{
	if (ev != NULL)
		event_free(ev);
}

static void
tear_down(struct proc *p)
{
	if (p->started && p->ops->done != NULL)
		p->ops->done(p, p->app);
	ipc_link_close(p->lifeline);
	free_event(p->beat);
	free_event(p->limit);
	free_event(p->term);
	rec_done(ipc_msg_info(IPC_CHILD_CONFIG)->desc, &p->setup);
	conf_unref(p->conf);
	if (p->base != NULL)
		event_base_free(p->base);
	libevent_global_shutdown();
}

int
proc_main(int argc UNUSED, char **argv UNUSED, const struct proc_ops *ops)
{
	struct proc p = {.ops = ops};
	struct err e;

	log_init(ops->program, LOG_LVL_NOTICE);
	if (!started_by_supervisor(ops, &p.generation)) {
		log_error(
		    "proc",
		    "%s is started by orchestrator and not by hand: run \"orchestrator http\", see orchestrator(8)",
		    ops->program); /* tests: test_proc.c */
		return PROC_EXIT_USAGE;
	}
	/* Backs up the end of the lifeline, for a loop that is stuck. A parent that ended before this line is seen as
	 * end of file by the first turn. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)prctl(PR_SET_NAME, ops->program); /* "orchestrator-raftd" is longer than ps and top show */
	(void)umask(077);
	set_signals();
	if (set_up(&p, &e) == 0)
		run(&p);
	else
		proc_fail(&p, PROC_EXIT_RETRY, &e);
	tear_down(&p);
	return p.code;
}
