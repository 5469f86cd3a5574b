/* ap_cli_start.c — runs the one-shot command in its own thread while the loop serves the control socket, and ends the
 * node. */
#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "ap_cli.h"
#include "base/log.h"
#include "proc/proc.h"

struct cli_thread {
	struct proc *proc;
	struct cli cli;
	char *socket_path;
	pthread_t thread;
	int done_fd;
	struct event *done_event;
	int exit_code;
};

static void *
thread_main(void *arg)
{
	struct cli_thread *t = arg;
	uint64_t one = 1;

	t->exit_code = cli_run(&t->cli);
	if (write(t->done_fd, &one, sizeof(one)) != (ssize_t)sizeof(one))
		log_error("cli", "eventfd: %s", strerror(errno));
	return NULL;
}

static void
write_out(int fd, const struct str_buf *b)
{
	const char *p = str_buf_text(b);
	size_t left = b->len;

	while (left > 0) {
		ssize_t n = write(fd, p, left);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return; /* the reader has gone */
		p += n;
		left -= (size_t)n;
	}
}

static void
on_thread_done(evutil_socket_t fd, short what UNUSED, void *arg)
{
	struct cli_thread *t = arg;
	struct proc *p = t->proc;
	int code;

	(void)pthread_join(t->thread, NULL); /* from here on its results are ours */
	code = t->exit_code;
	write_out(STDERR_FILENO, &t->cli.err);
	write_out(STDOUT_FILENO, &t->cli.out);
	event_free(t->done_event);
	(void)close(fd);
	cli_done(&t->cli);
	free(t->socket_path);
	free(t);
	proc_command_done(p, code);
}

int
cli_start(struct proc *p, int64_t default_port, struct err *e)
{
	const struct ipc_child_config *setup = proc_setup(p);
	struct cli_thread *t = mem_new(struct cli_thread);
	char path[160];

	if (args_parse(&setup->args, &t->cli.args, e) != 0) {
		free(t);
		return -e->code;
	}
	(void)snprintf(path, sizeof(path), "%s/%s", setup->runtime_dir, PROC_SOCKET_CONTROL);
	t->proc = p;
	t->socket_path = mem_strdup(path);
	t->cli.socket_path = t->socket_path;
	t->cli.hostname = setup->hostname;
	t->cli.default_port = default_port;
	t->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	t->done_event = t->done_fd < 0 ? NULL : event_new(proc_base(p), t->done_fd, EV_READ, on_thread_done, t);
	ASSERT(t->done_event != NULL && event_add(t->done_event, NULL) == 0);
	if (pthread_create(&t->thread, NULL, thread_main, t) != 0)
		return err_set(e, ERR_LIMIT, "cannot start the command's thread");
	return 0;
}
