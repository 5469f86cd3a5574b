/* rd_hook_run.c — see rd_hook_run.h. Owns the watcher's process, the two pipes from it and their events. Called by
 * rd_hooks.c. Between fork and exec only async-signal-safe calls; always exec (style.md section 8). */
#include "rd_hook_run.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "rd_hook_keep.h"

#define PROGRAM "/proc/self/exe"
#define ARGS_MAX 16
#define PIECE ((size_t)65536)
#define UNPACED ((uint64_t)262144) /* bytes; one that writes more gets 6 MB/s and little of our time */
#define PAUSE_US (10 * CLK_MS)
#define DRAIN_MAX ((size_t)1 << 20)
#define LATE_MS 5000 /* for a watcher that does not do its work (SIGSTOP) */
#define REAP_US (1 * CLK_MS)
#define HIGH_FD 16

struct rd_hook_run {
	struct rd_hook_run_conf conf;
	pid_t pid;
	int out_fd, status_fd;
	struct event *output, *resume, *status, *late, *reap;
	struct rd_hook_tail tail;
	bool ended; /* on_ended was called */
};

/* Everything that exec needs, made before fork. */
struct image {
	char *argv[ARGS_MAX + 8];
	char *const *env;
	char limit[24], left[24];
	int text, out[2], status[2]; /* -1: none */
	pid_t parent;
};

/* --- between fork and exec ---------------------------------------------------------------------------------------- */
/* First out of the way, then to their places: they may stand in each other's. */
static bool
place_fds(const struct image *im)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int from[] = {null, im->out[1], im->out[1], im->status[1], im->text};

	for (int i = 0; i < (int)ARRAY_LEN(from); i++) {
		from[i] = from[i] < 0 ? -1 : fcntl(from[i], F_DUPFD_CLOEXEC, HIGH_FD);
		if (from[i] < 0)
			return false;
	}
	for (int i = 0; i < (int)ARRAY_LEN(from); i++) {
		if (dup2(from[i], i) < 0)
			return false;
	}
	return true;
}

NORETURN static void
become(const struct image *im)
{
	if (setsid() < 0 || prctl(PR_SET_PDEATHSIG, SIGUSR1) != 0 || getppid() != im->parent || !place_fds(im))
		_exit(EXIT_FAILURE);
	/* all others are closed by exec: O_CLOEXEC everywhere, and this */
	(void)close_range(RD_HOOK_TEXT_FD + 1, ~0u, 0);
	(void)execve(PROGRAM, im->argv, im->env);
	_exit(EXIT_FAILURE);
}

/* ------------------------------------------------------------------------------------------------------------------ */
static int
fork_image(const struct image *im, pid_t *ret_pid, struct err *e)
{
	sigset_t all, before;
	int errno_value;
	pid_t pid;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	pid = fork();
	errno_value = errno;
	if (pid == 0)
		become(im);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (pid < 0)
		return err_sys(e, ERR_UNAVAILABLE, errno_value, "fork");
	*ret_pid = pid;
	return 0;
}

static void
close_fd(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

/* Our ends don't block, theirs do. */
static int
open_pipe(int ret[2], struct err *e)
{
	if (pipe2(ret, O_CLOEXEC) != 0) {
		ret[0] = ret[1] = -1;
		return err_sys(e, ERR_UNAVAILABLE, errno, "pipe");
	}
	if (fcntl(ret[0], F_SETFL, O_NONBLOCK) != 0)
		return err_sys(e, ERR_UNAVAILABLE, errno, "pipe");
	return 0;
}

/* The text, in memory: never in the arguments, which others can read. */
static int
open_text(const char *text, size_t len, int *ret_fd, struct err *e)
{
	*ret_fd = memfd_create("hook", MFD_CLOEXEC);
	if (*ret_fd < 0)
		return err_sys(e, ERR_UNAVAILABLE, errno, "memfd_create");
	for (size_t at = 0; at < len;) {
		ssize_t n = write(*ret_fd, text + at, len - at);
		if (n <= 0)
			return err_sys(e, ERR_UNAVAILABLE, errno, "writing the hook's text");
		at += (size_t)n;
	}
	if (lseek(*ret_fd, 0, SEEK_SET) != 0)
		return err_sys(e, ERR_UNAVAILABLE, errno, "lseek");
	return 0;
}

static void
fill_argv(struct image *im, const struct rd_hook_run_conf *c)
{
	static const char *const fixed[] = {"orchestrator-raftd", RD_HOOK_KEEP_ARG};
	size_t n = 0;

	(void)snprintf(im->limit, sizeof(im->limit), "%lld", (long long)c->limit_ms);
	(void)snprintf(im->left, sizeof(im->left), "%lld", (long long)c->left_ms);
	for (; n < ARRAY_LEN(fixed); n++)
		im->argv[n] = (char *)(uintptr_t)fixed[n];
	im->argv[n++] = im->limit;
	im->argv[n++] = im->left;
	im->argv[n++] = (char *)(uintptr_t)c->dir;
	im->argv[n++] = (char *)(uintptr_t)c->shell;
	for (size_t i = 0; c->args != NULL && c->args[i] != NULL; i++) {
		ASSERT(i < ARGS_MAX);
		im->argv[n++] = (char *)(uintptr_t)c->args[i];
	}
	im->env = c->env;
}

/* --- the end ------------------------------------------------------------------------------------------------------ */
static void
release(struct rd_hook_run *r)
{
	struct event *all[] = {r->output, r->resume, r->status, r->late, r->reap};

	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		if (all[i] != NULL)
			event_free(all[i]);
	}
	close_fd(&r->out_fd);
	close_fd(&r->status_fd);
	free(r);
}

static void
say_ended(struct rd_hook_run *r, enum rd_hook_outcome outcome, int value, const char *error)
{
	struct rd_hook_end end = {.outcome = outcome, .value = value, .error = error, .tail = &r->tail};

	if (r->ended)
		return;
	r->ended = true;
	r->conf.on_ended(r->conf.ctx, &end);
}

/* The status pipe is at its end, so the watcher is exiting: its process is there for a moment yet. */
static void
on_reap(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct timeval soon = clk_timeval(REAP_US);
	struct rd_hook_run *r = arg;
	void (*on_gone)(void *) = r->conf.on_gone;
	void *ctx = r->conf.ctx;

	if (waitpid(r->pid, NULL, WNOHANG) == 0) {
		(void)event_add(r->reap, &soon);
		return;
	}
	release(r);
	on_gone(ctx);
}

static void
limit(struct rd_hook_run *r, int64_t ms)
{
	struct timeval t = clk_timeval((ms + RD_HOOK_GRACE_MS + LATE_MS) * CLK_MS);

	(void)event_del(r->late);
	if (ms > 0)
		(void)event_add(r->late, &t);
}

static void
on_late(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct rd_hook_run *r = arg;

	(void)kill(-r->pid, SIGKILL);
	say_ended(r, RD_HOOK_TIMED_OUT, SIGKILL, "");
}

/* --- what comes from it ------------------------------------------------------------------------------------------- */
static ssize_t
read_output(struct rd_hook_run *r)
{
	char piece[PIECE];
	ssize_t n = read(r->out_fd, piece, sizeof(piece));

	if (n > 0 && !r->ended)
		rd_hook_tail_add(&r->tail, piece, (size_t)n);
	return n;
}

static void
on_output(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct timeval later = clk_timeval(PAUSE_US);
	struct rd_hook_run *r = arg;
	ssize_t n = read_output(r);

	if (n > 0 && (r->ended || r->tail.total > UNPACED))
		(void)event_add(r->resume, &later);
	else if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		(void)event_add(r->output, NULL);
	/* else its end */
}

static void
on_resume(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct rd_hook_run *r = arg;

	(void)event_add(r->output, NULL);
}

/* What the hook wrote before it ended is there by now. */
static void
drain(struct rd_hook_run *r)
{
	for (size_t total = 0; total < DRAIN_MAX; total += PIECE) {
		if (read_output(r) <= 0)
			return;
	}
}

static void
on_status(evutil_socket_t fd, short what UNUSED, void *arg)
{
	struct rd_hook_run *r = arg;
	struct rd_hook_status s;
	ssize_t n = read(fd, &s, sizeof(s));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n == (ssize_t)sizeof(s) && s.outcome >= 0 && s.outcome < RD_HOOK_OUTCOME_COUNT) {
		s.error[sizeof(s.error) - 1] = '\0';
		drain(r);
		limit(r, r->conf.left_ms);
		say_ended(r, (enum rd_hook_outcome)s.outcome, s.value, s.error);
		return;
	}
	(void)event_del(r->status);
	(void)event_del(r->late);
	drain(r);
	say_ended(r, RD_HOOK_VANISHED, 0, "");
	event_active(r->reap, 0, 0);
}

/* --- life --------------------------------------------------------------------------------------------------------- */
static int
make_events(struct rd_hook_run *r, struct err *e)
{
	struct event_base *base = r->conf.base;

	r->output = event_new(base, r->out_fd, EV_READ, on_output, r);
	r->resume = event_new(base, -1, 0, on_resume, r);
	r->status = event_new(base, r->status_fd, EV_READ | EV_PERSIST, on_status, r);
	r->late = event_new(base, -1, 0, on_late, r);
	r->reap = event_new(base, -1, 0, on_reap, r);
	if (r->output == NULL || r->resume == NULL || r->status == NULL || r->late == NULL || r->reap == NULL ||
	    event_add(r->output, NULL) != 0 || event_add(r->status, NULL) != 0)
		return err_set(e, ERR_UNAVAILABLE, "no event for a hook");
	return 0;
}

static int
start(struct rd_hook_run *r, struct image *im, struct err *e)
{
	int rc;

	if ((rc = open_pipe(im->out, e)) != 0 || (rc = open_pipe(im->status, e)) != 0 ||
	    (rc = open_text(r->conf.text, r->conf.len, &im->text, e)) != 0)
		return rc;
	r->out_fd = im->out[0];
	r->status_fd = im->status[0];
	im->out[0] = im->status[0] = -1;
	rc = make_events(r, e);
	return rc != 0 ? rc : fork_image(im, &r->pid, e);
}

int
rd_hook_run_start(const struct rd_hook_run_conf *conf, struct rd_hook_run **ret_run, struct err *e)
{
	struct image im = {.text = -1, .out = {-1, -1}, .status = {-1, -1}, .parent = getpid()};
	struct rd_hook_run *r = mem_new(struct rd_hook_run);
	int rc;

	*r = (struct rd_hook_run){.conf = *conf, .out_fd = -1, .status_fd = -1};
	fill_argv(&im, conf);
	rc = start(r, &im, e);
	close_fd(&im.text);
	for (int i = 0; i < 2; i++) {
		close_fd(&im.out[i]);
		close_fd(&im.status[i]);
	}
	if (rc != 0) {
		release(r);
		return rc;
	}
	limit(r, conf->limit_ms);
	*ret_run = r;
	return 0;
}

void
rd_hook_run_cancel(struct rd_hook_run *r)
{
	(void)kill(r->pid, SIGTERM);
	limit(r, 1);
}

void
rd_hook_run_free(struct rd_hook_run *r)
{
	if (r == NULL)
		return;
	/* As if we had died. It tidies up and is then reaped by whoever is our heir. */
	(void)kill(r->pid, SIGUSR1);
	release(r);
}
