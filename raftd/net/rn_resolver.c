/* rn_resolver.c — the threads that look names up (rn_resolver.h). What threads and loop share is reference counted: a
 * thread that hangs in getaddrinfo outlives the resolver. Called by rn_peer.c; threads touch nothing but struct shared.
 */
#include "rn_resolver.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "conf/conf_addr.h"

#define THREADS 4
#define STACK_BYTES ((size_t)256 << 10)

struct job {
	STAILQ_ENTRY(job) next;
	char host[CONF_HOST_BYTES];
	uint16_t port;
	struct rn_answer answer;
};
STAILQ_HEAD(jobs, job);

struct shared {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct jobs asked, done;
	size_t under_way; /* asked, being looked up, or done and not fetched */
	size_t waiting;	  /* in asked */
	unsigned threads, idle;
	bool closed;
	int wake_fd;
	rn_look_up *look_up;
	void *look_up_ctx;
};

struct rn_resolver {
	struct shared *s;
	struct event *wake;
	rn_on_answer *on_answer;
	void *ctx;
};

/* --- addresses --------------------------------------------------------------------------------------------------- */

socklen_t
rn_address_bytes(const union rn_address *a)
{
	return a->sa.sa_family == AF_INET6 ? sizeof(a->in6) : sizeof(a->in);
}

bool
rn_address_same_host(const union rn_address *a, const union rn_address *b)
{
	if (a->sa.sa_family != b->sa.sa_family)
		return false;
	if (a->sa.sa_family == AF_INET)
		return a->in.sin_addr.s_addr == b->in.sin_addr.s_addr;
	return memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr, sizeof(a->in6.sin6_addr)) == 0;
}

void
rn_address_text(const union rn_address *a, char ret[RN_ADDRESS_TEXT])
{
	bool v6 = a->sa.sa_family == AF_INET6;
	char host[INET6_ADDRSTRLEN] = "?";

	(void)inet_ntop(a->sa.sa_family, v6 ? (const void *)&a->in6.sin6_addr : &a->in.sin_addr, host, sizeof(host));
	(void)snprintf(ret, RN_ADDRESS_TEXT, v6 ? "[%s]:%u" : "%s:%u", host,
		       (unsigned)ntohs(v6 ? a->in6.sin6_port : a->in.sin_port));
}

static size_t
copy_addresses(const struct addrinfo *list, union rn_address *ret, size_t max)
{
	size_t n = 0;

	for (const struct addrinfo *i = list; i != NULL && n < max; i = i->ai_next) {
		if (i->ai_family != AF_INET && i->ai_family != AF_INET6)
			continue;
		memset(&ret[n], 0, sizeof(ret[n]));
		memcpy(&ret[n++], i->ai_addr, i->ai_addrlen);
	}
	return n;
}

static int
look_up(const char *host, uint16_t port, int flags, union rn_address *ret, size_t max, struct err *e)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | flags};
	struct addrinfo *list = NULL;
	char service[8];
	size_t n;
	int rc;

	(void)snprintf(service, sizeof(service), "%u", (unsigned)port);
	rc = getaddrinfo(host, service, &hints, &list);
	if (rc != 0)
		return err_set(e, ERR_NOT_FOUND, "%.200s: %s", host, gai_strerror(rc));
	n = copy_addresses(list, ret, max);
	freeaddrinfo(list);
	return n == 0 ? err_set(e, ERR_NOT_FOUND, "%.200s: no IPv4 or IPv6 address", host) : (int)n;
}

int
rn_look_up_name(void *ctx UNUSED, const char *host, uint16_t port, union rn_address *ret, size_t max, struct err *e)
{
	return look_up(host, port, 0, ret, max, e);
}

/* --- threads ----------------------------------------------------------------------------------------------------- */

static void
free_jobs(struct jobs *jobs)
{
	struct job *j;

	while ((j = STAILQ_FIRST(jobs)) != NULL) {
		STAILQ_REMOVE_HEAD(jobs, next);
		free(j);
	}
}

/* With the lock held by nobody else any more. */
static void
shared_free(struct shared *s)
{
	free_jobs(&s->asked);
	free_jobs(&s->done);
	(void)close(s->wake_fd);
	(void)pthread_cond_destroy(&s->more);
	(void)pthread_mutex_destroy(&s->lock);
	free(s);
}

static void
wake(struct shared *s)
{
	uint64_t one = 1;
	ssize_t n = write(s->wake_fd, &one, sizeof(one));

	(void)n; /* full counter: it is awake already */
}

static void
serve(struct shared *s, struct job *j)
{
	struct rn_answer *a = &j->answer;
	int rc = s->look_up(s->look_up_ctx, j->host, j->port, a->addresses, RN_ADDRESSES_MAX, &a->e);

	a->n = rc > 0 ? (size_t)rc : 0;
	if (rc == 0)
		(void)err_set(&a->e, ERR_NOT_FOUND, "%.200s: no address", j->host);
}

static void *
thread_main(void *arg)
{
	struct shared *s = arg;
	bool last;

	(void)pthread_mutex_lock(&s->lock);
	while (!s->closed) {
		struct job *j = STAILQ_FIRST(&s->asked);
		if (j == NULL) {
			s->idle++;
			(void)pthread_cond_wait(&s->more, &s->lock);
			s->idle--;
			continue;
		}
		STAILQ_REMOVE_HEAD(&s->asked, next);
		s->waiting--;
		(void)pthread_mutex_unlock(&s->lock);
		serve(s, j);
		(void)pthread_mutex_lock(&s->lock);
		STAILQ_INSERT_TAIL(&s->done, j, next);
		wake(s);
	}
	last = --s->threads == 0;
	(void)pthread_mutex_unlock(&s->lock);
	if (last)
		shared_free(s);
	return NULL;
}

/* With the lock held. Signals belong to the loop's thread. */
static void
start_thread(struct shared *s)
{
	sigset_t all, before;
	pthread_attr_t attr;
	pthread_t t;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	(void)pthread_attr_init(&attr);
	(void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	(void)pthread_attr_setstacksize(&attr, STACK_BYTES);
	if (pthread_create(&t, &attr, thread_main, s) == 0)
		s->threads++;
	(void)pthread_attr_destroy(&attr);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* --- the loop's side --------------------------------------------------------------------------------------------- */

static void
on_wake(evutil_socket_t fd, short what UNUSED, void *arg)
{
	struct rn_resolver *r = arg;
	struct jobs done = STAILQ_HEAD_INITIALIZER(done);
	struct job *j;
	uint64_t count;
	ssize_t got = read(fd, &count, sizeof(count));

	if (got < 0)
		return;
	(void)pthread_mutex_lock(&r->s->lock);
	STAILQ_CONCAT(&done, &r->s->done);
	STAILQ_FOREACH (j, &done, next)
		r->s->under_way--;
	(void)pthread_mutex_unlock(&r->s->lock);
	STAILQ_FOREACH (j, &done, next)
		r->on_answer(r->ctx, &j->answer);
	free_jobs(&done);
}

static struct shared *
shared_new(rn_look_up *look_up_fn, void *look_up_ctx)
{
	struct shared *s = mem_new(struct shared);

	(void)pthread_mutex_init(&s->lock, NULL);
	(void)pthread_cond_init(&s->more, NULL);
	STAILQ_INIT(&s->asked);
	STAILQ_INIT(&s->done);
	s->look_up = look_up_fn;
	s->look_up_ctx = look_up_ctx;
	s->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return s;
}

int
rn_resolver_new(struct event_base *base, rn_look_up *look_up_fn, void *look_up_ctx, rn_on_answer *on_answer, void *ctx,
		struct rn_resolver **ret_r, struct err *e)
{
	struct rn_resolver *r = mem_new(struct rn_resolver);

	r->s = shared_new(look_up_fn != NULL ? look_up_fn : rn_look_up_name, look_up_ctx);
	r->on_answer = on_answer;
	r->ctx = ctx;
	r->wake = r->s->wake_fd < 0 ? NULL : event_new(base, r->s->wake_fd, EV_READ | EV_PERSIST, on_wake, r);
	if (r->wake == NULL || event_add(r->wake, NULL) != 0) {
		rn_resolver_free(r);
		return err_set(e, ERR_IO, "resolver: no event");
	}
	*ret_r = r;
	return 0;
}

void
rn_resolver_free(struct rn_resolver *r)
{
	bool last;

	if (r == NULL)
		return;
	if (r->wake != NULL)
		event_free(r->wake);
	(void)pthread_mutex_lock(&r->s->lock);
	r->s->closed = true;
	(void)pthread_cond_broadcast(&r->s->more);
	last = r->s->threads == 0;
	(void)pthread_mutex_unlock(&r->s->lock);
	if (last)
		shared_free(r->s);
	free(r);
}

/* With the lock held: to a thread, or done already. */
static int
pass_on(struct shared *s, struct job *j, struct err *e)
{
	if (s->under_way >= RN_PEERS_MAX)
		return err_set(e, ERR_LIMIT, "%d look-ups are under way", RN_PEERS_MAX);
	if (j->answer.n > 0) {
		STAILQ_INSERT_TAIL(&s->done, j, next);
		wake(s);
	} else {
		if (s->waiting >= s->idle && s->threads < THREADS)
			start_thread(s);
		if (s->threads == 0)
			return err_set(e, ERR_LIMIT, "no thread can be started");
		STAILQ_INSERT_TAIL(&s->asked, j, next);
		s->waiting++;
		(void)pthread_cond_signal(&s->more);
	}
	s->under_way++;
	return 0;
}

int
rn_resolver_ask(struct rn_resolver *r, uint64_t id, const char *host, uint16_t port, struct err *e)
{
	struct shared *s = r->s;
	struct job *j = mem_new(struct job);
	struct rn_answer *a = &j->answer;
	int rc = 0;

	(void)str_copy(j->host, sizeof(j->host), host);
	j->port = port;
	a->id = id;
	if (s->look_up == rn_look_up_name)
		rc = look_up(host, port, AI_NUMERICHOST, a->addresses, RN_ADDRESSES_MAX, &a->e);
	a->n = rc > 0 ? (size_t)rc : 0;
	(void)pthread_mutex_lock(&s->lock);
	rc = pass_on(s, j, e);
	(void)pthread_mutex_unlock(&s->lock);
	if (rc != 0)
		free(j);
	return rc;
}
