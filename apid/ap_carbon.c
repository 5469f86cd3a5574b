/* ap_carbon.c — see ap_carbon.h. Called by ap_graphite.c. What the loop and the thread share is reference counted: a thread
 * that hangs in getaddrinfo outlives its owner. */
#include "ap_carbon.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "conf/conf_addr.h"

#define BACKOFF_MIN_MS 1000
#define BACKOFF_MAX_MS 60000

struct ap_carbon {
	pthread_mutex_t lock;
	pthread_cond_t more;
	int stop_fd; /* readable at the end: polled beside the socket */
	/* under the lock */
	struct str_buf waiting;
	char *address;
	bool stopping, running; /* running: the thread holds this, too */
	struct ap_carbon_stats stats;
	/* the thread's own */
	bool failing;
};

static void
release(struct ap_carbon *c)
{
	str_buf_done(&c->waiting);
	free(c->address);
	(void)close(c->stop_fd);
	(void)pthread_cond_destroy(&c->more);
	(void)pthread_mutex_destroy(&c->lock);
	free(c);
}

static uint64_t
count_lines(const char *text, size_t n)
{
	uint64_t lines = 0;

	for (size_t i = 0; i < n; i++)
		lines += text[i] == '\n';
	return lines;
}

/* With the lock. */
static void
drop_oldest(struct ap_carbon *c)
{
	struct str_buf *b = &c->waiting;
	const char *end;
	size_t gone;

	if (b->len <= AP_CARBON_BYTES)
		return;
	gone = b->len - AP_CARBON_BYTES;
	end = memchr(b->p + gone - 1, '\n', b->len - gone + 1);
	gone = end == NULL ? b->len : (size_t)(end + 1 - b->p);
	c->stats.dropped += count_lines(b->p, gone);
	memmove(b->p, b->p + gone, b->len - gone + 1);
	b->len -= gone;
}

/* --- one connection, in the thread ----------------------------------------------------------------------------- */
static struct mono
now(void)
{
	return clk_mono(clk_real());
}

/* Until the socket is ready. */
static int
wait_for(const struct ap_carbon *c, int fd, short events, struct mono until, struct err *e)
{
	struct pollfd fds[] = {{.fd = fd, .events = events}, {.fd = c->stop_fd, .events = POLLIN}};
	int64_t left_ms = (mono_diff_us(until, now()) + CLK_MS - 1) / CLK_MS;
	int rc = poll(fds, ARRAY_LEN(fds), (int)max_i64(0, left_ms));

	if (rc < 0 && errno != EINTR)
		return err_sys(e, ERR_IO, errno, "poll");
	if (fds[1].revents != 0)
		return err_set(e, ERR_CANCELLED, "the node is stopping");
	return rc == 0 ? err_set(e, ERR_TIMEOUT, "it takes too long") : 0;
}

static int
connect_to(const struct ap_carbon *c, const struct addrinfo *ai, struct mono until, int *ret_fd, struct err *e)
{
	int fd = socket(ai->ai_family, ai->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int error = 0, rc = 0;
	socklen_t size = sizeof(error);

	if (fd < 0)
		return err_sys(e, ERR_IO, errno, "socket");
	if (connect(fd, ai->ai_addr, ai->ai_addrlen) != 0)
		error = errno;
	if (error == EINPROGRESS) {
		rc = wait_for(c, fd, POLLOUT, until, e);
		if (rc == 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
			error = errno;
	}
	if (rc == 0 && error != 0)
		rc = err_sys(e, ERR_UNREACHABLE, error, "connecting");
	if (rc == 0)
		*ret_fd = fd;
	else
		(void)close(fd);
	return rc;
}

static int
connect_any(const struct ap_carbon *c, const char *address, int *ret_fd, struct err *e)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *list = NULL;
	struct mono until = mono_add_us(now(), AP_CARBON_CONNECT_MS * CLK_MS);
	char host[CONF_HOST_BYTES], service[16];
	int64_t port;
	int rc = conf_addr_split(address, -1, host, &port, e);

	if (rc != 0)
		return rc;
	(void)snprintf(service, sizeof(service), "%d", (int)port);
	rc = getaddrinfo(host[0] == '\0' ? NULL : host, service, &hints, &list);
	if (rc != 0)
		return err_set(e, ERR_UNREACHABLE, "%s", gai_strerror(rc));
	rc = err_set(e, ERR_UNREACHABLE, "the name has no address");
	for (const struct addrinfo *ai = list; ai != NULL && rc != 0 && rc != -ERR_CANCELLED; ai = ai->ai_next)
		rc = connect_to(c, ai, until, ret_fd, e);
	freeaddrinfo(list);
	return rc;
}

static int
write_all(const struct ap_carbon *c, int fd, const struct str_buf *b, struct err *e)
{
	struct mono until = mono_add_us(now(), AP_CARBON_SEND_MS * CLK_MS);
	size_t done = 0;

	while (done < b->len) {
		ssize_t n = send(fd, b->p + done, b->len - done, MSG_NOSIGNAL);
		if (n >= 0)
			done += (size_t)n;
		else if (errno != EAGAIN && errno != EINTR)
			return err_sys(e, ERR_IO, errno, "sending");
		else if (wait_for(c, fd, POLLOUT, until, e) != 0)
			return -e->code;
	}
	return 0;
}

/* A server that closes after it has read says nothing; one that closes before, or dies, resets the connection. What it
 * sends is thrown away. One that does neither has the lines in its buffers, as far as anybody can tell. */
static int
wait_for_end(const struct ap_carbon *c, int fd, struct err *e)
{
	struct mono until = mono_add_us(now(), AP_CARBON_CLOSE_MS * CLK_MS);
	char ignored[512];
	int rc = 0;

	if (shutdown(fd, SHUT_WR) != 0)
		return err_sys(e, ERR_IO, errno, "closing");
	while (rc == 0 && mono_before(now(), until)) {
		ssize_t n = recv(fd, ignored, sizeof(ignored), 0);
		if (n == 0)
			return 0;
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return err_sys(e, ERR_IO, errno, "it did not read everything");
		if (n < 0)
			rc = wait_for(c, fd, POLLIN, until, e);
	}
	return rc == -ERR_TIMEOUT ? 0 : rc;
}

static int
deliver(const struct ap_carbon *c, const char *address, const struct str_buf *text, struct err *e)
{
	int fd = -1, rc = connect_any(c, address, &fd, e);

	if (rc != 0)
		return rc;
	rc = write_all(c, fd, text, e);
	if (rc == 0)
		rc = wait_for_end(c, fd, e);
	(void)close(fd);
	return rc;
}

/* --- the thread ------------------------------------------------------------------------------------------------ */
/* With the lock: back in front of what came in the meantime. */
static void
put_back(struct ap_carbon *c, struct str_buf *text)
{
	struct str_buf later = c->waiting;

	if (later.len > 0)
		str_buf_add_n(text, later.p, later.len);
	c->waiting = *text;
	*text = (struct str_buf){0};
	str_buf_done(&later);
	drop_oldest(c);
}

/* rc of sending; e says why it is not 0. */
static void
note(struct ap_carbon *c, int rc, const struct err *e, const char *address)
{
	if (rc == -ERR_CANCELLED)
		return;
	if (rc != 0 && !c->failing)
		log_warning("graphite", "metrics are not sent to %s, trying again: %s", address,
			    e->msg); /* tests: test_graphite.py */
	else if (rc == 0 && c->failing)
		log_notice("graphite", "metrics are sent to %s again", address);
	c->failing = rc != 0;
}

/* With the lock, which it gives up meanwhile. */
static int
try_once(struct ap_carbon *c)
{
	struct str_buf text = c->waiting;
	char *address = mem_strdup(c->address);
	struct err e;
	int rc;

	c->waiting = (struct str_buf){0};
	(void)pthread_mutex_unlock(&c->lock);
	rc = deliver(c, address, &text, &e);
	note(c, rc, &e, address);
	(void)pthread_mutex_lock(&c->lock);
	if (rc == 0) {
		c->stats.sent += count_lines(text.p, text.len);
	} else {
		c->stats.failures++;
		put_back(c, &text);
	}
	str_buf_done(&text);
	free(address);
	return rc;
}

/* With the lock. */
static void
pause_after(struct ap_carbon *c, int64_t ms)
{
	struct timespec until = clk_cond_deadline(ms);

	while (!c->stopping && pthread_cond_timedwait(&c->more, &c->lock, &until) != ETIMEDOUT)
		continue;
}

static void *
thread_main(void *arg)
{
	struct ap_carbon *c = arg;
	int64_t backoff_ms = 0;

	(void)pthread_mutex_lock(&c->lock);
	while (!c->stopping) {
		if (c->waiting.len == 0) {
			(void)pthread_cond_wait(&c->more, &c->lock);
			continue;
		}
		if (try_once(c) == 0) {
			backoff_ms = 0;
			continue;
		}
		backoff_ms = min_i64(BACKOFF_MAX_MS, max_i64(BACKOFF_MIN_MS, 2 * backoff_ms));
		pause_after(c, backoff_ms);
	}
	(void)pthread_mutex_unlock(&c->lock);
	release(c); /* whoever told it to stop is gone */
	return NULL;
}

/* With the lock. */
static void
start(struct ap_carbon *c)
{
	sigset_t all, old;
	pthread_t thread;
	int rc;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&thread, NULL, thread_main, c);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	c->running = rc == 0;
	if (c->running)
		(void)pthread_detach(thread);
	else
		log_error("graphite", "no thread for sending metrics: %s", strerror(rc));
}

/* --- the loop's side ------------------------------------------------------------------------------------------- */
struct ap_carbon *
ap_carbon_new(void)
{
	struct ap_carbon *c = mem_new(struct ap_carbon);
	pthread_condattr_t attr;

	ASSERT(pthread_mutex_init(&c->lock, NULL) == 0);
	ASSERT(pthread_condattr_init(&attr) == 0);
	ASSERT(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
	ASSERT(pthread_cond_init(&c->more, &attr) == 0);
	(void)pthread_condattr_destroy(&attr);
	c->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ASSERT(c->stop_fd >= 0);
	return c;
}

void
ap_carbon_free(struct ap_carbon *c)
{
	static const uint64_t one = 1;
	bool running;

	if (c == NULL)
		return;
	(void)pthread_mutex_lock(&c->lock);
	running = c->running;
	c->stopping = true;
	if (running) {
		ssize_t n = write(c->stop_fd, &one, sizeof(one));
		(void)n;
		(void)pthread_cond_signal(&c->more);
	}
	(void)pthread_mutex_unlock(&c->lock);
	if (!running)
		release(c);
}

void
ap_carbon_send(struct ap_carbon *c, const char *address, const char *text, size_t n)
{
	(void)pthread_mutex_lock(&c->lock);
	if (c->address == NULL || strcmp(c->address, address) != 0) {
		free(c->address);
		c->address = mem_strdup(address);
	}
	str_buf_add_n(&c->waiting, text, n);
	drop_oldest(c);
	if (!c->running)
		start(c);
	(void)pthread_cond_signal(&c->more);
	(void)pthread_mutex_unlock(&c->lock);
}

struct ap_carbon_stats
ap_carbon_stats(struct ap_carbon *c)
{
	struct ap_carbon_stats stats = {0};

	if (c == NULL)
		return stats;
	(void)pthread_mutex_lock(&c->lock);
	stats = c->stats;
	(void)pthread_mutex_unlock(&c->lock);
	return stats;
}
