/* pr_lookup.h — names to addresses and canonical names, in threads of their own lane. */
#ifndef PR_LOOKUP_H
#define PR_LOOKUP_H

#include "pr_lanes.h"
#include "topo/topo.h"

struct pr_lookup_result {
	const char *hostname;		   /* as asked; borrowed during the call */
	char canonical[TOPO_HOST_MAX + 1]; /* without trailing dot; only when asked for */
	char ipv4[16], ipv6[46];	   /* the last of each family, as historically */
	char error[256];		   /* empty: it resolved, and answers if that was asked */
};
typedef void pr_lookup_fn(void *ctx, const struct pr_lookup_result *r);

struct pr_lookup;

/* fn is called later in the loop, exactly once unless forgotten. NULL when the queue is full. */
struct pr_lookup *pr_lookup_start(struct pr_lanes *lanes, const char *hostname, bool canonical, pr_lookup_fn *fn,
				  void *ctx);
/* The same, and whether its port takes connections within wait_ms. In a lane of its own: nobody knows what is there. */
struct pr_lookup *pr_lookup_reach(struct pr_lanes *lanes, const char *hostname, uint16_t port, int64_t wait_ms,
				  pr_lookup_fn *fn, void *ctx);
/* ctx is gone: fn is not called any more. NULL is fine. */
void pr_lookup_forget(struct pr_lookup *l);

/* Addresses need no look-up: true, and the result is filled. */
bool pr_lookup_numeric(const char *hostname, struct pr_lookup_result *ret);

#endif
