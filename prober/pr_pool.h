/* pr_pool.h — all watched servers: who is probed when, over which connection, and what becomes of the results.
 *
 * Every call happens in the event loop. Results leave through the sink. raftd hands out credits: a probe starts only
 * when its result may be sent. A server that raftd no longer speaks of (link down, or a new raftd that has not named it
 * yet) is parked: its connection stays for PR_PARK_S, nothing is asked. */
#ifndef PR_POOL_H
#define PR_POOL_H

#include "pr_lanes.h"
#include "pr_stats.h"

#define PR_PARK_S 30
#define PR_REQUESTS_MAX 16 /* waiting on-demand probes of one server */
#define PR_TARGETS_MAX 100000

struct conf;
struct event_base;
struct pr_pool;

struct pr_sink {
	/* The record is borrowed during the call. False: it could not be sent. */
	bool (*probe_result)(void *ctx, const struct topo_probe *probe);
	void (*connection_lost)(void *ctx, const struct ipc_connection_lost *m);
	void *ctx;
};

/* probers: size of the pool of processes; limits of the configuration are divided among them. */
struct pr_pool *pr_pool_new(struct event_base *base, struct conf *conf, uint64_t probers, struct pr_lanes *lanes,
			    struct pr_stats *stats, const struct pr_sink *sink);
/* Connections are closed. Jobs in threads are left to pr_lanes_stop, which must come after. */
void pr_pool_free(struct pr_pool *p);
/* Connections made with other credentials are replaced one by one, at their next probe. */
void pr_pool_configure(struct pr_pool *p, struct conf *conf);

/* A raftd is there: credits are IPC_PROBE_WINDOW again, and only what it names from now on is probed. */
void pr_pool_link_up(struct pr_pool *p);
void pr_pool_link_down(struct pr_pool *p);
void pr_pool_add_credit(struct pr_pool *p, uint64_t n);

void pr_pool_watch(struct pr_pool *p, const struct ipc_target *t);
void pr_pool_unwatch(struct pr_pool *p, const struct topo_key *key);
/* Ends in exactly one probe_result with this probe_id, if credits last. */
void pr_pool_request(struct pr_pool *p, const struct ipc_probe *m);

/* Once a second: parked servers, gauges. */
void pr_pool_tick(struct pr_pool *p);
void pr_pool_gauges(const struct pr_pool *p, struct pr_stats *ret);

#endif
