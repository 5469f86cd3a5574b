/* sup_notify.c — datagrams to init (sup_notify.h). Called by supervisor.c only. */
#include "sup_notify.h"

#include <string.h>
#include <unistd.h>

#include "base/log.h"

int
sup_notify_address(const char *text, struct sockaddr_un *ret_addr, socklen_t *ret_len, struct err *e)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	size_t n = strlen(text);

	if ((text[0] != '/' && text[0] != '@') || n < 2 || n >= sizeof(a.sun_path))
		return err_set(e, ERR_INVALID, "NOTIFY_SOCKET is neither a path nor an abstract socket name");
	memcpy(a.sun_path, text, n);
	if (text[0] == '@')
		a.sun_path[0] = '\0';
	*ret_addr = a;
	/* an abstract name is as long as it says, a path ends with its NUL */
	*ret_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (text[0] == '/'));
	return 0;
}

int64_t
sup_notify_watchdog_us(const struct sup_notify_env *env)
{
	int64_t us, pid;
	struct err e;

	if (env->watchdog_usec == NULL || str_parse_i64(env->watchdog_usec, 1, INT64_MAX / 2, &us, &e) != 0)
		return 0;
	if (!str_empty(env->watchdog_pid) &&
	    (str_parse_i64(env->watchdog_pid, 1, INT32_MAX, &pid, &e) != 0 || pid != env->pid))
		return 0;
	return us;
}

int
sup_notify_open(struct sup_notify *n, const struct sup_notify_env *env, struct err *e)
{
	*n = (struct sup_notify){.fd = -1};
	if (str_empty(env->notify_socket))
		return 0;
	if (sup_notify_address(env->notify_socket, &n->addr, &n->addr_len, e) != 0)
		return -e->code;
	n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	n->watchdog_us = sup_notify_watchdog_us(env);
	return 0;
}

void
sup_notify_close(struct sup_notify *n)
{
	if (n->fd >= 0)
		(void)close(n->fd);
	n->fd = -1;
	str_buf_done(&n->status);
}

void
sup_notify_send(struct sup_notify *n, const char *state)
{
	if (n->fd < 0)
		return;
	if (sendto(n->fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&n->addr, n->addr_len) < 0)
		log_debug("notify", "init did not take a notification");
}

void
sup_notify_status_line(struct str_buf *out, const char *text)
{
	str_buf_add(out, "STATUS=");
	for (; *text != '\0'; text++) {
		bool control = (unsigned char)*text < ' ';
		str_buf_add_char(out, control ? ' ' : *text);
	}
}

void
sup_notify_status(struct sup_notify *n, const char *text)
{
	struct str_buf line = {0};

	if (n->fd < 0)
		return;
	sup_notify_status_line(&line, text);
	if (!str_eq(str_buf_text(&line), str_buf_text(&n->status)))
		sup_notify_send(n, str_buf_text(&line));
	str_buf_done(&n->status);
	n->status = line;
}
