/* pr_lookup.c — see pr_lookup.h. Owns its jobs. Called by pr_target.c and pr_app.c. */
#include "pr_lookup.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "pr_reach.h"

struct pr_lookup {
	struct pr_job job;
	char *hostname;
	bool want_canonical;
	uint16_t port; /* 0: no connect */
	int64_t wait_ms;
	pr_lookup_fn *fn; /* NULL: forgotten; the loop's, threads don't look */
	void *ctx;
	struct pr_lookup_result result;
};

static void
put_address(struct pr_lookup_result *r, const struct sockaddr *sa)
{
	if (sa->sa_family == AF_INET)
		(void)inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)sa)->sin_addr, r->ipv4,
				sizeof(r->ipv4));
	else if (sa->sa_family == AF_INET6)
		(void)inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr, r->ipv6,
				sizeof(r->ipv6));
}

static void
put_canonical(struct pr_lookup_result *r, const char *name)
{
	size_t n = strlen(name);

	if (n > 0 && name[n - 1] == '.')
		n--;
	if (n <= TOPO_HOST_MAX)
		memcpy(r->canonical, name, n);
}

/* NULL: error says why. */
static struct addrinfo *
resolve(const char *hostname, int flags, struct pr_lookup_result *r)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = flags}, *list;
	int rc = getaddrinfo(hostname, NULL, &hints, &list);

	r->error[0] = '\0';
	if (rc != 0) {
		(void)str_copy(r->error, sizeof(r->error), gai_strerror(rc));
		return NULL;
	}
	if (list->ai_canonname != NULL)
		put_canonical(r, list->ai_canonname);
	for (const struct addrinfo *a = list; a != NULL; a = a->ai_next)
		put_address(r, a->ai_addr);
	return list;
}

static void
done_with(struct addrinfo *list)
{
	if (list != NULL)
		freeaddrinfo(list);
}

static void
run(struct pr_job *job)
{
	struct pr_lookup *l = CONTAINER_OF(job, struct pr_lookup, job);

	done_with(resolve(l->hostname, l->want_canonical ? AI_CANONNAME : 0, &l->result));
}

/* Texts of the historical program. */
static void
run_reach(struct pr_job *job)
{
	struct pr_lookup *l = CONTAINER_OF(job, struct pr_lookup, job);
	struct addrinfo *list = resolve(l->hostname, AI_CANONNAME, &l->result);
	char why[sizeof(l->result.error)];

	if (list != NULL) {
		(void)pr_reach(list, l->port, l->wait_ms, l->result.error, sizeof(l->result.error));
		done_with(list);
		return;
	}
	(void)str_copy(why, sizeof(why), l->result.error);
	(void)snprintf(l->result.error, sizeof(l->result.error), "dial tcp: lookup %.128s: %.64s", l->hostname, why);
}

static void
done(struct pr_job *job)
{
	struct pr_lookup *l = CONTAINER_OF(job, struct pr_lookup, job);

	l->result.hostname = l->hostname;
	if (l->fn != NULL)
		l->fn(l->ctx, &l->result);
	free(l->hostname);
	free(l);
}

static struct pr_lookup *
new_lookup(const char *hostname, pr_lookup_fn *fn, void *ctx)
{
	struct pr_lookup *l = mem_new(struct pr_lookup);

	l->job.run = run;
	l->job.done = done;
	l->hostname = mem_strdup(hostname);
	l->fn = fn;
	l->ctx = ctx;
	(void)str_copy(l->result.error, sizeof(l->result.error), "cancelled");
	return l;
}

static struct pr_lookup *
submit(struct pr_lanes *lanes, enum pr_lane lane, struct pr_lookup *l)
{
	if (pr_lanes_submit(lanes, lane, &l->job))
		return l;
	free(l->hostname);
	free(l);
	return NULL;
}

struct pr_lookup *
pr_lookup_start(struct pr_lanes *lanes, const char *hostname, bool canonical, pr_lookup_fn *fn, void *ctx)
{
	struct pr_lookup *l = new_lookup(hostname, fn, ctx);

	l->want_canonical = canonical;
	return submit(lanes, PR_LANE_LOOKUPS, l);
}

struct pr_lookup *
pr_lookup_reach(struct pr_lanes *lanes, const char *hostname, uint16_t port, int64_t wait_ms, pr_lookup_fn *fn,
		void *ctx)
{
	struct pr_lookup *l = new_lookup(hostname, fn, ctx);

	l->job.run = run_reach;
	l->port = port;
	l->wait_ms = wait_ms;
	return submit(lanes, PR_LANE_REACHES, l);
}

void
pr_lookup_forget(struct pr_lookup *l)
{
	if (l != NULL)
		l->fn = NULL;
}

bool
pr_lookup_numeric(const char *hostname, struct pr_lookup_result *ret)
{
	*ret = (struct pr_lookup_result){.hostname = hostname};
	done_with(resolve(hostname, AI_NUMERICHOST, ret));
	return ret->error[0] == '\0';
}
