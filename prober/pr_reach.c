/* pr_reach.c — see pr_reach.h. Called by pr_lookup.c and pr_conn_login.c in threads. Says nothing to the server: the
 * connection is closed as soon as it stands, or it has said something. */
#include "pr_reach.h"

#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

static void
set_port(struct sockaddr_storage *to, uint16_t port)
{
	if (to->ss_family == AF_INET6)
		((struct sockaddr_in6 *)(void *)to)->sin6_port = htons(port);
	else
		((struct sockaddr_in *)(void *)to)->sin_port = htons(port);
}

/* 0, or an errno. */
static int
wait_for(int fd, short events, struct mono until)
{
	int64_t left_ms = max_i64(0, mono_diff_us(until, clk_mono(clk_real())) / CLK_MS);
	struct pollfd p = {.fd = fd, .events = events};
	int rc = poll(&p, 1, (int)left_ms), error = 0;
	socklen_t n = sizeof(error);

	if (rc == 0)
		return ETIMEDOUT;
	if (rc < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) != 0)
		return errno;
	return error;
}

static int
hear(int fd, struct mono until)
{
	int rc = wait_for(fd, POLLIN, until);
	ssize_t n;
	char byte;

	if (rc != 0)
		return rc;
	n = recv(fd, &byte, sizeof(byte), MSG_DONTWAIT);
	if (n < 0)
		return errno;
	return n > 0 ? 0 : ECONNRESET;
}

static int
try_address(const struct sockaddr_storage *to, socklen_t n, bool hears, struct mono until)
{
	int fd = socket(to->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), rc;

	if (fd < 0)
		return errno;
	rc = connect(fd, (const struct sockaddr *)(const void *)to, n) == 0 ? 0 : errno;
	if (rc == EINPROGRESS)
		rc = wait_for(fd, POLLOUT, until);
	if (rc == 0 && hears)
		rc = hear(fd, until);
	(void)close(fd);
	return rc;
}

static void
describe(const struct sockaddr_storage *to, socklen_t n, uint16_t port, int rc, char *error, size_t bytes)
{
	char host[NI_MAXHOST] = "?", text[128];
	bool six = to->ss_family == AF_INET6;

	(void)getnameinfo((const struct sockaddr *)(const void *)to, n, host, sizeof(host), NULL, 0, NI_NUMERICHOST);
	(void)snprintf(text, sizeof(text), "connect: %s", strerrordesc_np(rc));
	text[strlen("connect: ")] = (char)tolower((unsigned char)text[strlen("connect: ")]);
	(void)snprintf(error, bytes, "dial tcp %s%.64s%s:%u: %s", six ? "[" : "", host, six ? "]" : "", port,
		       rc == ETIMEDOUT ? "i/o timeout" : text);
}

bool
pr_reach(const struct addrinfo *list, uint16_t port, int64_t wait_ms, char *error, size_t error_bytes)
{
	struct mono until = mono_add_us(clk_mono(clk_real()), wait_ms * CLK_MS);

	error[0] = '\0';
	for (const struct addrinfo *a = list; a != NULL; a = a->ai_next) {
		struct sockaddr_storage to = {0};
		int rc;
		if ((a->ai_family != AF_INET && a->ai_family != AF_INET6) || a->ai_addrlen > sizeof(to))
			continue;
		memcpy(&to, a->ai_addr, a->ai_addrlen);
		set_port(&to, port);
		rc = try_address(&to, a->ai_addrlen, false, until);
		if (rc == 0)
			return true;
		if (error[0] == '\0')
			describe(&to, a->ai_addrlen, port, rc, error, error_bytes);
	}
	if (error[0] == '\0')
		(void)snprintf(error, error_bytes, "dial tcp: no address");
	return false;
}

int
pr_reach_hear(const char *address, uint16_t port, struct mono until)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST}, *list;
	struct sockaddr_storage to = {0};
	int rc = EINVAL;

	if (getaddrinfo(address, NULL, &hints, &list) != 0)
		return rc;
	if ((list->ai_family == AF_INET || list->ai_family == AF_INET6) && list->ai_addrlen <= sizeof(to)) {
		memcpy(&to, list->ai_addr, list->ai_addrlen);
		set_port(&to, port);
		rc = try_address(&to, list->ai_addrlen, true, until);
	}
	freeaddrinfo(list);
	return rc;
}
