/* sup_notify.h — the systemd notification protocol (sd_notify(3)) by hand: readiness, status, watchdog.
 *
 * One datagram of NAME=value lines to the socket in NOTIFY_SOCKET, a path or (with '@') an abstract name. Without that
 * variable everything here does nothing. Sending never blocks and never fails the caller: init not hearing us is init's
 * affair. */
#ifndef SUPERVISOR_SUP_NOTIFY_H
#define SUPERVISOR_SUP_NOTIFY_H

#include <sys/socket.h>
#include <sys/un.h>

#include "base/str.h"

struct sup_notify {
	int fd; /* -1: nobody listens */
	struct sockaddr_un addr;
	socklen_t addr_len;
	int64_t watchdog_us; /* 0: no watchdog */
	struct str_buf status;
};

/* What the environment says, any of it NULL; pid: ours. */
struct sup_notify_env {
	const char *notify_socket, *watchdog_usec, *watchdog_pid;
	int64_t pid;
};

/* Fails only for a NOTIFY_SOCKET that is no address; n is then silent. */
int sup_notify_open(struct sup_notify *n, const struct sup_notify_env *env, struct err *e) MUST_USE;
void sup_notify_close(struct sup_notify *n);
/* state: "READY=1" and the like, may hold several lines. */
void sup_notify_send(struct sup_notify *n, const char *state);
/* Sends STATUS= when text differs from the last one. */
void sup_notify_status(struct sup_notify *n, const char *text);

/* Pure parts, for the tests too. */
int sup_notify_address(const char *text, struct sockaddr_un *ret_addr, socklen_t *ret_len, struct err *e) MUST_USE;
/* 0 when there is no watchdog, or when it is meant for another process. */
int64_t sup_notify_watchdog_us(const struct sup_notify_env *env);
/* "STATUS=…": one line whatever text holds. */
void sup_notify_status_line(struct str_buf *out, const char *text);

#endif
