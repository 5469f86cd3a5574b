/* proc.c — the life of a child process: lifeline, configuration, start, loop, stop (proc.h, proc_contract.h).
 *
 * Owns the event base, the lifeline and the running configuration. The lifeline is the only way the supervisor speaks
 * to us; its end is ours: nothing may outlive the supervisor. Called by the main() of raftd, prober and apid. Must
 * never block once the loop runs. */
#include "proc/proc.h"

#include <event2/event.h>
#include <fcntl.h>
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

#define CONFIG_WAIT_MS 10000
#define OVERRUN_US (50 * CLK_MS)
/* A child that was told to stop ends by itself this long after its deadline, whoever sent the signal. */
#define STOP_GRACE_MS 500

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
	bool started; /* ops->start succeeded: app is valid */
	bool stopping;
	void *app;
	bool ended;
	int code;
	int64_t cpu_us; /* of this thread, at the end of the last turn */
	uint64_t overruns;
	struct mono overrun_logged;
};

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
	struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000};

	ASSERT(event_add(p->limit, &tv) == 0);
}

static void
stop(struct proc *p, int64_t deadline_ms)
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
	stop(arg, PROC_STOP_MS);
}

/* The supervisor is gone: nobody restarts us, configures us or sees us. What we acknowledged is on disk already. */
static void
on_lifeline_down(void *ctx UNUSED, struct ipc_link *l UNUSED, const char *why)
{
	log_warning("proc", "lost the supervisor (%s), exiting", why);
	_exit(PROC_EXIT_LOST_PARENT);
}

/* --- telling the supervisor --------------------------------------------------------------------------------------- */

static void
on_beat(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct proc *p = arg;
	struct ipc_child_beat beat = {.count = ++p->beats};
	struct err e;

	if (ipc_link_is_up(p->lifeline) && ipc_send_child_beat(p->lifeline, &beat, &e) != 0)
		log_warning("proc", "beat not sent: %s", e.msg);
}

void
proc_ready(struct proc *p, const char *what)
{
	struct ipc_child_ready ready = {.what = what};
	struct err e;

	if (ipc_send_child_ready(p->lifeline, &ready, &e) != 0)
		proc_fail(p, PROC_EXIT_RETRY, &e);
}

/* The loop goes on until the supervisor answers with CHILD_STOP: our message must leave the process first. */
void
proc_command_done(struct proc *p, int exit_code)
{
	struct ipc_child_done done = {.exit_code = exit_code};
	struct err e;

	if (ipc_send_child_done(p->lifeline, &done, &e) != 0)
		proc_fail(p, PROC_EXIT_RETRY, &e);
}

/* --- what the supervisor says ------------------------------------------------------------------------------------- */

static void
apply_log_level(const char *text)
{
	enum log_level level;

	if (log_level_parse(text, &level))
		log_set_level(level);
}

static void
on_child_config(struct proc *p, struct ipc_link *l UNUSED, const struct ipc_child_config *m)
{
	struct err e;

	if (p->configured)
		return;
	if (conf_from_role_json(m->config, strlen(m->config), &p->conf, &e) != 0) {
		(void)err_wrap(&e, "configuration from the supervisor");
		proc_fail(p, PROC_EXIT_VERSION, &e);
		return;
	}
	rec_assign(ipc_msg_info(IPC_CHILD_CONFIG)->desc, &p->setup, m);
	rec_set_str(&p->setup.config, "");
	apply_log_level(m->log_level);
	p->configured = true;
}

static void
on_child_reload(struct proc *p, struct ipc_link *l UNUSED, const struct ipc_child_reload *m)
{
	struct conf *fresh, *old = p->conf;
	struct err e;

	if (!p->configured || p->stopping)
		return;
	if (conf_from_role_json(m->config, strlen(m->config), &fresh, &e) != 0) {
		log_error("proc", "kept the old configuration: %s", e.msg);
		return;
	}
	p->conf = fresh;
	apply_log_level(m->log_level);
	if (p->started && p->ops->reload != NULL)
		p->ops->reload(p, p->app);
	conf_unref(old);
	log_info("proc", "configuration reloaded");
}

static void
on_child_stop(struct proc *p, struct ipc_link *l UNUSED, const struct ipc_child_stop *m)
{
	stop(p, m->deadline_ms);
}

static void
on_child_reload_result(struct proc *p, struct ipc_link *l UNUSED, const struct ipc_child_reload_result *m)
{
	if (p->started && p->ops->reload_result != NULL)
		p->ops->reload_result(p, p->app, m);
}

static void
on_child_peer(struct proc *p, struct ipc_link *l UNUSED, const struct ipc_child_peer *m)
{
	if (p->started && p->ops->peer != NULL)
		p->ops->peer(p, p->app, m);
}

#define IPC_INBOX_DEF "ipc/to_child.def"
#define IPC_INBOX_NAME proc_inbox
#define IPC_INBOX_ON(name) on_##name
#include "ipc/make_inbox.h"

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
		    (unsigned long long)p->overruns); /* tests: test_supervisor.py */
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
open_lifeline(struct proc *p, struct err *e)
{
	struct ipc_link_conf lc = {.name = "lifeline",
				   .self = p->ops->role,
				   .generation = p->generation,
				   .peer_roles = IPC_ROLE_SUPERVISOR,
				   .inbox = &proc_inbox,
				   .ctx = p,
				   .on_down = on_lifeline_down};

	/* Programs that we start must not keep the lifeline open. */
	if (fcntl(PROC_LIFELINE_FD, F_SETFD, FD_CLOEXEC) != 0)
		return err_set(e, ERR_IO, "lifeline: fd %d", PROC_LIFELINE_FD);
	return ipc_link_open_stream(p->base, &lc, PROC_LIFELINE_FD, &p->lifeline, e);
}

static int
set_up(struct proc *p, struct err *e)
{
	static const struct timeval beat = {PROC_BEAT_MS / 1000, (PROC_BEAT_MS % 1000) * 1000};

	rec_init(ipc_msg_info(IPC_CHILD_CONFIG)->desc, &p->setup);
	p->base = event_base_new();
	if (p->base == NULL)
		return err_set(e, ERR_UNAVAILABLE, "libevent has no event base");
	p->beat = event_new(p->base, -1, EV_PERSIST, on_beat, p);
	p->limit = event_new(p->base, -1, 0, on_limit, p);
	p->term = evsignal_new(p->base, SIGTERM, on_term, p);
	ASSERT(p->beat != NULL && p->limit != NULL && p->term != NULL);
	if (event_add(p->beat, &beat) != 0 || event_add(p->term, NULL) != 0)
		return err_set(e, ERR_UNAVAILABLE, "libevent refuses a timer or signal");
	return open_lifeline(p, e);
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
