/* pr_lookup.c — see pr_lookup.h. Owns its jobs. Called by pr_target.c and pr_app.c. */
#include "pr_lookup.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

struct pr_lookup {
	struct pr_job job;
	char *hostname;
	bool want_canonical;
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

static void
resolve(const char *hostname, int flags, struct pr_lookup_result *r)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = flags}, *list;
	int rc = getaddrinfo(hostname, NULL, &hints, &list);

	r->error[0] = '\0';
	if (rc != 0) {
		(void)str_copy(r->error, sizeof(r->error), gai_strerror(rc));
		return;
	}
	if (list->ai_canonname != NULL)
		put_canonical(r, list->ai_canonname);
	for (const struct addrinfo *a = list; a != NULL; a = a->ai_next)
		put_address(r, a->ai_addr);
	freeaddrinfo(list);
}

static void
run(struct pr_job *job)
{
	struct pr_lookup *l = CONTAINER_OF(job, struct pr_lookup, job);

	resolve(l->hostname, l->want_canonical ? AI_CANONNAME : 0, &l->result);
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

struct pr_lookup *
pr_lookup_start(struct pr_lanes *lanes, const char *hostname, bool canonical, pr_lookup_fn *fn, void *ctx)
{
	struct pr_lookup *l = mem_new(struct pr_lookup);

	l->job.run = run;
	l->job.done = done;
	l->hostname = mem_strdup(hostname);
	l->want_canonical = canonical;
	l->fn = fn;
	l->ctx = ctx;
	(void)str_copy(l->result.error, sizeof(l->result.error), "cancelled");
	if (pr_lanes_submit(lanes, PR_LANE_LOOKUPS, &l->job))
		return l;
	free(l->hostname);
	free(l);
	return NULL;
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
	resolve(hostname, AI_NUMERICHOST, ret);
	return ret->error[0] == '\0';
}
