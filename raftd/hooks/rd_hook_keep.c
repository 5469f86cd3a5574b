/* rd_hook_keep.c — see rd_hook_keep.h. The main of a process of its own: one thread, no event loop, all signals blocked
 * and taken by sigtimedwait. Owns the text's file and the process group. Called by raftd's main.c. */
#include "rd_hook_keep.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ARG_LIMIT = 2, ARG_LEFT, ARG_DIR, ARG_SHELL, ARG_COUNT };

#define HOOK_NOFILE 1024 /* ours is huge, and there are programs that close every possible descriptor */

struct keeper {
	struct mono began, term_at; /* term_at: valid while ending */
	int64_t limit_ms, left_ms;
	pid_t shell;		  /* 0: it has ended */
	bool ending;		  /* SIGTERM was sent */
	enum rd_hook_outcome why; /* of ending */
	char file[PATH_MAX];
};

static void
report(enum rd_hook_outcome outcome, int value, const char *error)
{
	struct rd_hook_status s = {.outcome = (int32_t)outcome, .value = value};
	ssize_t n;

	(void)str_copy(s.error, sizeof(s.error), error);
	n = write(RD_HOOK_STATUS_FD, &s, sizeof(s)); /* nobody listens: nobody cares */
	(void)n;
}

static int
fail(const char *what, const char *name)
{
	char text[160];

	(void)snprintf(text, sizeof(text), "%s %.80s: %s", what, name, strerror(errno));
	report(RD_HOOK_NOT_STARTED, 0, text);
	return EXIT_FAILURE;
}

static int
copy_text(int to)
{
	char piece[16384];
	ssize_t n;

	while ((n = read(RD_HOOK_TEXT_FD, piece, sizeof(piece))) > 0) {
		for (ssize_t at = 0, put; at < n; at += put) {
			put = write(to, piece + at, (size_t)(n - at));
			if (put < 0)
				return -1;
		}
	}
	return (int)n;
}

/* The directory is private; what stands there under our name was left by a watcher that was killed. */
static int
write_file(struct keeper *k, const char *dir)
{
	int fd, rc;

	(void)snprintf(k->file, sizeof(k->file), "%s/hook.%ld", dir, (long)getpid());
	(void)unlink(k->file);
	fd = open(k->file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0700);
	if (fd < 0)
		return -1;
	rc = copy_text(fd);
	return close(fd) == 0 ? rc : -1;
}

/* --- the shell ---------------------------------------------------------------------------------------------------- */
NORETURN static void
become_shell(struct keeper *k, char **argv)
{
	struct sigaction dfl = {.sa_handler = SIG_DFL};
	struct rlimit lim;
	pid_t keeper = getppid();
	sigset_t none;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != keeper)
		_exit(127);
	for (int s = 1; s < NSIG; s++)
		(void)sigaction(s, &dfl, NULL);
	if (getrlimit(RLIMIT_NOFILE, &lim) == 0 && lim.rlim_cur > HOOK_NOFILE) {
		lim.rlim_cur = HOOK_NOFILE;
		(void)setrlimit(RLIMIT_NOFILE, &lim);
	}
	(void)umask(022); /* the node's own is for its secrets */
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	argv[ARG_DIR] = argv[ARG_SHELL];
	argv[ARG_SHELL] = k->file;
	(void)execvp(argv[ARG_DIR], argv + ARG_DIR);
	(void)fprintf(stderr, "cannot run %s: %s (ProcessesShellCommand)\n", argv[ARG_DIR], strerror(errno));
	_exit(127);
}

static int
start_shell(struct keeper *k, char **argv)
{
	int null;

	k->shell = fork();
	if (k->shell < 0)
		return -1;
	if (k->shell == 0)
		become_shell(k, argv);
	/* The output ends when the hook's processes have closed it. */
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0 || dup2(null, STDOUT_FILENO) < 0 || dup2(null, STDERR_FILENO) < 0)
		return -1;
	(void)close(RD_HOOK_TEXT_FD);
	return 0;
}

static void
on_shell_end(struct keeper *k, int status)
{
	k->shell = 0;
	(void)unlink(k->file);
	if (k->ending)
		report(k->why, WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), "");
	else if (WIFSIGNALED(status))
		report(RD_HOOK_KILLED, WTERMSIG(status), "");
	else
		report(WEXITSTATUS(status) == 0 ? RD_HOOK_OK : RD_HOOK_EXITED, WEXITSTATUS(status), "");
}

/* False when no child is left: orphans of the hook are ours (subreaper). */
static bool
reap(struct keeper *k)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == k->shell)
			on_shell_end(k, status);
	}
	return pid == 0;
}

/* --- ending it ---------------------------------------------------------------------------------------------------- */
static void
end_group(struct keeper *k, enum rd_hook_outcome why)
{
	if (k->ending)
		return;
	k->ending = true;
	k->why = why;
	k->term_at = clk_mono(clk_real());
	(void)kill(0, SIGTERM); /* we block it */
}

NORETURN static void
kill_group(struct keeper *k)
{
	if (k->shell != 0) {
		(void)unlink(k->file);
		report(k->why, SIGKILL, "");
	}
	(void)kill(0, SIGKILL); /* us too */
	_exit(EXIT_FAILURE);
}

/* Until something is to be done; -1: nothing will. */
static int64_t
left_us(const struct keeper *k, struct mono now)
{
	int64_t limit_ms = k->shell != 0 ? k->limit_ms : k->left_ms;

	if (k->ending)
		return max_i64(0, mono_diff_us(mono_add_us(k->term_at, RD_HOOK_GRACE_MS * CLK_MS), now));
	if (limit_ms == 0)
		return -1;
	return max_i64(0, mono_diff_us(mono_add_us(k->began, limit_ms * CLK_MS), now));
}

static int
keep(struct keeper *k)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGUSR1);
	while (reap(k)) {
		int64_t us = left_us(k, clk_mono(clk_real()));
		struct timespec t = {.tv_sec = (time_t)(us / CLK_S), .tv_nsec = (long)(us % CLK_S * 1000)};
		int signo = us < 0 ? sigwaitinfo(&set, NULL) : sigtimedwait(&set, NULL, &t);
		if (signo == SIGUSR1 || (us == 0 && signo < 0 && k->ending))
			kill_group(k);
		else if (signo == SIGTERM)
			end_group(k, RD_HOOK_CANCELLED);
		else if (us >= 0 && signo < 0 && errno == EAGAIN)
			end_group(k, RD_HOOK_TIMED_OUT);
	}
	return EXIT_SUCCESS;
}

static bool
number(const char *text, int64_t *ret)
{
	struct err e;

	return str_parse_i64(text, 0, INT64_MAX / 1000, ret, &e) == 0;
}

int
rd_hook_keep(int argc, char **argv)
{
	struct keeper k = {.began = clk_mono(clk_real())};
	int rc = EXIT_SUCCESS;

	if (argc < ARG_COUNT || !number(argv[ARG_LIMIT], &k.limit_ms) || !number(argv[ARG_LEFT], &k.left_ms) ||
	    fcntl(RD_HOOK_STATUS_FD, F_SETFD, FD_CLOEXEC) != 0 || fcntl(RD_HOOK_TEXT_FD, F_SETFD, FD_CLOEXEC) != 0) {
		(void)fprintf(stderr, "%s is for the program itself\n", RD_HOOK_KEEP_ARG);
		return EXIT_FAILURE;
	}
	(void)prctl(PR_SET_NAME, "hook-keeper");
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
		return fail("prctl", "PR_SET_CHILD_SUBREAPER");
	if (write_file(&k, argv[ARG_DIR]) != 0)
		rc = fail("writing", k.file);
	else if (start_shell(&k, argv) != 0)
		rc = fail("starting", argv[ARG_SHELL]);
	if (rc == EXIT_SUCCESS)
		rc = keep(&k);
	(void)unlink(k.file);
	return rc;
}
