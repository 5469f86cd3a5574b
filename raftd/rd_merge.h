/* rd_merge.h — one probe's raw facts → the instance record: names resolved, cluster attributes, errant GTIDs, rules of
 * the configuration. Pure: the names must be in the cache already (rd_probe_names), stored rows are looked up through
 * the caller. Reference: probing.md sections 4 to 10. */
#ifndef RD_MERGE_H
#define RD_MERGE_H

#include "rd_rules.h"
#include "topo/graph.h"
#include "topo/topo.h"

/* Calls fn for each host name that merging will resolve (the own one not included), as a key with the port it stands
 * with. */
void rd_probe_names(const struct topo_probe *p, void (*fn)(void *ctx, const struct topo_key *key), void *ctx);

/* The name the server gives itself by the configured method, else the asked one. ERR_INVALID: the method is report_host
 * and the server has none, which counts as a failed probe. */
int rd_probe_own_host(const struct topo_probe *p, const struct rd_rules *rules, const char **ret_host,
		      struct err *e) MUST_USE;

/* Skipped by DiscoveryIgnoreReplicationUsernameFilters: nothing is stored about it. */
bool rd_probe_is_skipped(const struct topo_probe *p, const struct rd_rules *rules);

struct rd_merge {
	const struct rd_rules *rules;
	void *ctx;
	const char *(*resolve)(void *ctx, const char *host); /* borrowed, valid until the next call */
	topo_lookup_fn *lookup;				     /* stored row of a key */
	/* the key of the stored primary of a replication group; NULL when none is known */
	const struct topo_key *(*group_primary)(void *ctx, const char *group_name);
	const char *(*alias_override)(void *ctx, const char *cluster_name); /* NULL = none */
};

/* A found probe (p->found) filed under key → *ret, owning. previous_seen_us: last_seen so far, kept when the probe had
 * read errors. */
void rd_merge(const struct rd_merge *m, const struct topo_probe *p, const struct topo_key *key,
	      int64_t previous_seen_us, struct topo_instance *ret);

/* last_checked of a failed probe. The backend keeps whole seconds and a check is valid when last_checked <= last_seen:
 * a server that dies within the second in which it was last seen must not look alive, so the check moves to the next.
 */
int64_t rd_failed_check_us(int64_t last_seen_us, int64_t ended_us);

/* The live-read form for replies (json-shapes.md section 2): inst is borrowed from, *ret lives as long as it does. */
void rd_live_read(const struct topo_instance *inst, const char *promotion_rule, struct topo_instance *ret);

/* Neighbours to discover, in order, doubles dropped: group members and replicas, then the source unless filtered
 * (probing.md section 7.3). Appends to *ret (owning). */
void rd_neighbours(const struct topo_instance *inst, const struct rd_rules *rules, struct topo_key_list *ret);

#endif
