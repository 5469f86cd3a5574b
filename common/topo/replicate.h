/* topo/replicate.h — who may replicate from whom, and which replicas tools should look at. Pure: stored (derived)
 * instances in, an answer out. Reference: topology-ops.md sections 1.1, 5 (GTID) and 12. */
#ifndef TOPO_REPLICATE_H
#define TOPO_REPLICATE_H

#include "base/err.h"
#include "topo/topo.h"

struct topo_replicate_rules {
	bool lower_version_allowed; /* LowerReplicaVersionAllowed */
	bool verify_filters;	    /* VerifyReplicationFilters */
	int64_t maintenance_lag_s;  /* ReasonableMaintenanceReplicationLagSeconds */
};

/* 0, or ERR_PRECONDITION with the first rule that forbids x to replicate from y. What the servers hold is not looked
 * at. */
int topo_can_replicate_from(const struct topo_instance *x, const struct topo_instance *y,
			    const struct topo_replicate_rules *rules, struct err *e) MUST_USE;
/* x uses GTID of a family that y speaks. */
bool topo_gtid_compatible(const struct topo_instance *x, const struct topo_instance *y);
/* The same as topo_can_replicate_from, by GTID: both speak one family, and y still has what x lacks. */
int topo_can_replicate_from_gtid(const struct topo_instance *x, const struct topo_instance *y,
				 const struct topo_replicate_rules *rules, struct err *e) MUST_USE;

/* Control replicas for an online schema change, of one cluster's instances; valid checks and no binlog servers only
 * (OSCIgnoreHostnameFilters is the caller's). Per data center (in descending order) two of the first tier: those with
 * the most replicas, then the leaf that lags most; of each chosen one its two busiest replicas; two of the third tier
 * per data center. ret: room for n; returns how many. */
size_t topo_pick_osc_replicas(const struct topo_instance *const *insts, size_t n, const struct topo_instance **ret);
/* Replicas that gh-ost can work on (row format, binary logs with replicated changes), those with the fewest replicas
 * first. As above. */
size_t topo_pick_gh_ost_replicas(const struct topo_instance *const *insts, size_t n, const struct topo_instance **ret);

#endif
