/* ap_listen.c — see ap_listen.h. Called by ap_httpd at start; owns nothing. */
#include "ap_listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/str.h"

#define BACKLOG 1024

/* --- TCP ------------------------------------------------------------------------------------------------------- */
/* getaddrinfo takes 99999 for 34463. Names of services are its own business. */
static int
check_port(const char *address, const char *port, struct err *e)
{
	int64_t number;

	if (port[0] == '\0' || (port[0] >= '0' && port[0] <= '9' && str_parse_i64(port, 0, 65535, &number, e) != 0))
		return err_set(e, ERR_CONFIG, "ListenAddress \"%s\": \"%s\" is no port", address, port);
	return 0;
}

static int
split_address(const char *address, char *host, size_t host_size, const char **ret_port, struct err *e)
{
	const char *colon = strrchr(address, ':'), *from = address;
	size_t n;

	if (colon == NULL)
		return err_set(e, ERR_CONFIG, "ListenAddress \"%s\" has no port; write \":3000\" or \"host:3000\"",
			       address);
	*ret_port = colon + 1;
	n = (size_t)(colon - address);
	if (n >= 2 && address[0] == '[' && colon[-1] == ']') {
		from++;
		n -= 2;
	}
	if (n >= host_size)
		return err_set(e, ERR_CONFIG, "ListenAddress: host name too long");
	memcpy(host, from, n);
	host[n] = '\0';
	return check_port(address, *ret_port, e);
}

/* -1 with errno. */
static int
bind_one(const struct addrinfo *ai)
{
	int one = 1, zero = 0, saved;
	int fd = socket(ai->ai_family, ai->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (ai->ai_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	saved = errno;
	(void)close(fd);
	errno = saved;
	return -1;
}

static int
bind_family(const struct addrinfo *list, int family)
{
	int fd = -1;

	for (const struct addrinfo *ai = list; ai != NULL && fd < 0; ai = ai->ai_next) {
		if (ai->ai_family == family)
			fd = bind_one(ai);
	}
	return fd;
}

int
ap_listen_tcp(const char *address, int *ret_fd, struct err *e)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
	struct addrinfo *list = NULL;
	char host[256];
	const char *port = "";
	int rc = split_address(address, host, sizeof(host), &port, e), fd;
	bool any = rc == 0 && host[0] == '\0';

	if (rc != 0)
		return rc;
	rc = getaddrinfo(any ? NULL : host, port, &hints, &list);
	if (rc != 0)
		return err_set(e, ERR_CONFIG, "ListenAddress \"%s\": %s", address, gai_strerror(rc));
	errno = EADDRNOTAVAIL;
	fd = bind_family(list,
			 any ? AF_INET6 : AF_INET); /* [::] hears IPv4 too; a name is IPv4 first, as historically */
	if (fd < 0)
		fd = bind_family(list, any ? AF_INET : AF_INET6);
	rc = errno;
	freeaddrinfo(list);
	if (fd < 0)
		return err_sys(e, rc == EACCES ? ERR_PERMISSION : ERR_CONFIG, rc,
			       "cannot listen on \"%s\" (is another orchestrator running?)", address);
	*ret_fd = fd;
	return 0;
}

/* --- Unix ------------------------------------------------------------------------------------------------------ */
static int
remove_stale(int fd, const struct sockaddr_un *sa, struct err *e)
{
	struct stat st;

	if (lstat(sa->sun_path, &st) != 0)
		return 0; /* bind will say what is wrong, if anything */
	if (!S_ISSOCK(st.st_mode))
		return err_set(e, ERR_CONFIG, "socket path \"%s\" is the name of another kind of file", sa->sun_path);
	if (connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) == 0 || errno != ECONNREFUSED)
		return err_set(e, ERR_BUSY, "socket \"%s\" is served by another process", sa->sun_path);
	if (unlink(sa->sun_path) != 0)
		return err_sys(e, ERR_CONFIG, errno, "cannot replace the left-over socket \"%s\"", sa->sun_path);
	return 0;
}

static int
unix_socket(int *ret_fd, struct err *e)
{
	*ret_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	return *ret_fd >= 0 ? 0 : err_sys(e, ERR_IO, errno, "socket");
}

static int
check_path_free(const struct sockaddr_un *sa, struct err *e)
{
	int fd, rc = unix_socket(&fd, e);

	if (rc != 0)
		return rc;
	rc = remove_stale(fd, sa, e);
	(void)close(fd);
	return rc;
}

int
ap_listen_unix(const char *path, int *ret_fd, struct err *e)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd, rc;

	if (!str_copy(sa.sun_path, sizeof(sa.sun_path), path))
		return err_set(e, ERR_CONFIG, "socket path \"%s\" is longer than %zu bytes", path,
			       sizeof(sa.sun_path) - 1);
	rc = check_path_free(&sa, e);
	if (rc == 0)
		rc = unix_socket(&fd, e);
	if (rc != 0)
		return rc;
	if (bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) == 0 && listen(fd, BACKLOG) == 0) {
		*ret_fd = fd;
		return 0;
	}
	rc = errno;
	(void)close(fd);
	return err_sys(e, rc == EACCES ? ERR_PERMISSION : ERR_CONFIG, rc, "cannot listen on socket \"%s\"", path);
}
