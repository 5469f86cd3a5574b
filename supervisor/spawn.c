/* spawn.c — fork and exec of one child (spawn.h). Called by supervisor.c only; owns nothing afterwards. */
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "proc/proc_contract.h"

/* Huge hard limits (containers) would make programs that walk over all descriptors crawl. */
#define NOFILE_MAX ((rlim_t)1 << 20)
#define ENV_BYTES 64

/* The whole environment of a child; the last four are for builds with sanitizers. */
static const char *const env_names[] = {
    "PATH", "HOME",   "USER",	      "LOGNAME",       "SHELL",	       "LANG",	       "LC_ALL",
    "TZ",   "TMPDIR", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LSAN_OPTIONS",
};

/* Everything that exec needs, made before fork. */
struct image {
	char *argv[2];
	char *envp[ARRAY_LEN(env_names) + 3];
	char generation[ENV_BYTES], role[ENV_BYTES];
	char *inherited[ARRAY_LEN(env_names)]; /* heap */
	char complaint[PATH_MAX + 64];
	int dev_null, lifeline;
	bool keep_stdout;
	pid_t parent;
	struct rlimit nofile;
};

static void
fill_env(struct image *im, const struct sup_spawn *s)
{
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(env_names); i++) {
		const char *v = getenv(env_names[i]);
		struct str_buf b = {0};
		if (v == NULL)
			continue;
		str_buf_printf(&b, "%s=%s", env_names[i], v);
		im->inherited[n] = str_buf_take(&b);
		im->envp[n] = im->inherited[n];
		n++;
	}
	(void)snprintf(im->generation, sizeof(im->generation), "%s=%llu", PROC_ENV_GENERATION,
		       (unsigned long long)s->generation);
	(void)snprintf(im->role, sizeof(im->role), "%s=%s", PROC_ENV_ROLE, s->role);
	im->envp[n++] = im->generation;
	im->envp[n++] = im->role;
	im->envp[n] = NULL;
}

static void
free_env(struct image *im)
{
	for (size_t i = 0; i < ARRAY_LEN(im->inherited); i++)
		free(im->inherited[i]);
}

static void
fill_limits(struct image *im)
{
	if (getrlimit(RLIMIT_NOFILE, &im->nofile) == 0 && im->nofile.rlim_cur < im->nofile.rlim_max)
		im->nofile.rlim_cur = im->nofile.rlim_max < NOFILE_MAX ? im->nofile.rlim_max : NOFILE_MAX;
}

/* --- between fork and exec: async-signal-safe only ---------------------------------------------------------------- */

static void
close_from(int fd)
{
	struct rlimit lim;

	if (close_range((unsigned)fd, ~0u, 0) == 0)
		return;
	/* before Linux 5.9 */
	if (getrlimit(RLIMIT_NOFILE, &lim) != 0)
		return;
	for (int max = (int)(lim.rlim_cur < NOFILE_MAX ? lim.rlim_cur : NOFILE_MAX); fd < max; fd++)
		(void)close(fd);
}

static bool
place_fds(const struct image *im)
{
	int out = im->keep_stdout ? STDOUT_FILENO : im->dev_null;

	if (dup2(im->dev_null, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0)
		return false;
	if (im->lifeline == PROC_LIFELINE_FD)
		return fcntl(im->lifeline, F_SETFD, 0) == 0;
	return dup2(im->lifeline, PROC_LIFELINE_FD) >= 0;
}

static void
reset_signals(void)
{
	struct sigaction dfl = {.sa_handler = SIG_DFL};
	sigset_t none;

	for (int s = 1; s < NSIG; s++)
		(void)sigaction(s, &dfl, NULL); /* KILL and STOP refuse, that's fine */
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

NORETURN static void
become(const struct image *im)
{
	/* The parent may have died before PDEATHSIG was set. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != im->parent)
		_exit(PROC_EXIT_LOST_PARENT);
	if (!place_fds(im))
		_exit(PROC_EXIT_RETRY);
	close_from(PROC_LIFELINE_FD + 1);
	(void)setrlimit(RLIMIT_NOFILE, &im->nofile);
	reset_signals();
	(void)execve(im->argv[0], im->argv, im->envp);
	if (write(STDERR_FILENO, im->complaint, strlen(im->complaint)) < 0)
		_exit(PROC_EXIT_RETRY);
	_exit(PROC_EXIT_PERMISSION);
}

/* ------------------------------------------------------------------------------------------------------------------ */

static int
fork_image(struct image *im, pid_t *ret_pid, struct err *e)
{
	sigset_t all, before;
	int errno_value;
	pid_t pid;

	/* No handler of ours may run in the child. */
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &before);
	pid = fork();
	errno_value = errno;
	if (pid == 0)
		become(im);
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	if (pid < 0)
		return err_sys(e, ERR_UNAVAILABLE, errno_value, "fork");
	*ret_pid = pid;
	return 0;
}

int
sup_spawn(const struct sup_spawn *s, pid_t *ret_pid, int *ret_fd, struct err *e)
{
	struct image im = {.argv = {(char *)(uintptr_t)s->path}, .keep_stdout = s->keep_stdout, .parent = getpid()};
	int pair[2], rc;

	im.dev_null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (im.dev_null < 0)
		return err_sys(e, ERR_UNAVAILABLE, errno, "/dev/null");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
		rc = err_sys(e, ERR_UNAVAILABLE, errno, "socketpair");
		(void)close(im.dev_null);
		return rc;
	}
	im.lifeline = pair[1];
	fill_env(&im, s);
	fill_limits(&im);
	(void)snprintf(im.complaint, sizeof(im.complaint), "orchestrator: cannot execute %s\n", s->path);
	rc = fork_image(&im, ret_pid, e);
	free_env(&im);
	(void)close(im.dev_null);
	(void)close(pair[1]);
	if (rc != 0)
		(void)close(pair[0]);
	else
		*ret_fd = pair[0];
	return rc;
}

int
sup_spawn_find(const char *dirs, const char *role, char *ret, struct err *e)
{
	const char *at = dirs;

	while (*at != '\0') {
		size_t n = strcspn(at, ":");
		struct stat st;
		int len = snprintf(ret, PATH_MAX, "%.*s/orchestrator-%s", (int)n, at, role);

		if (n > 0 && len < PATH_MAX && stat(ret, &st) == 0 && S_ISREG(st.st_mode) && access(ret, X_OK) == 0)
			return 0;
		at += n + (at[n] == ':');
	}
	return err_set(e, ERR_NOT_FOUND,
		       "program orchestrator-%s is not in %s: reinstall, or name its directory in ORCHESTRATOR_LIBEXEC",
		       role, dirs);
}
