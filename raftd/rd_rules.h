/* rd_rules.h — the configuration as raftd's pure code needs it: compiled filters and patterns, times in microseconds.
 *
 * Made anew at each reload (the regular expressions of a loaded configuration always compile). Belongs to the loop. */
#ifndef RD_RULES_H
#define RD_RULES_H

#include "base/rx.h"
#include "conf/conf.h"
#include "conf/conf_filter.h"
#include "topo/analysis.h"

/* MySQLHostnameResolveMethod: under which name a server is filed. */
enum rd_own_name { RD_OWN_NAME_ASKED, RD_OWN_NAME_HOSTNAME, RD_OWN_NAME_REPORT_HOST };
/* HostnameResolveMethod: what is done with names that operators and servers give. */
enum rd_resolve_method { RD_RESOLVE_NONE, RD_RESOLVE_DEFAULT, RD_RESOLVE_CNAME, RD_RESOLVE_IP };

struct rd_alias_rule {
	struct rx *rx;
	char *alias;
};

struct rd_hold_rule {
	struct rx *rx;
	int64_t us;
};

struct rd_rules {
	struct conf_filter *never_probe;    /* DiscoveryIgnoreHostnameFilters */
	struct conf_filter *ignore_replica; /* DiscoveryIgnoreReplicaHostnameFilters */
	struct conf_filter *ignore_source;  /* DiscoveryIgnoreMasterHostnameFilters */
	struct conf_filter *ignore_user;    /* DiscoveryIgnoreReplicationUsernameFilters */
	struct rx *reject_name;		    /* RejectHostnameResolvePattern; NULL = none, as below */
	struct rx *data_center, *region, *environment;
	struct rd_alias_rule *aliases; /* ClusterNameToAlias, in the order of the file */
	size_t n_aliases;
	struct rd_hold_rule *holds; /* FailureDetectionHoldSeconds, in the order of the file */
	size_t n_holds;
	bool leader_decides; /* FailureDetectionQuorum: who is dead */
	enum rd_own_name own_name;
	enum rd_resolve_method resolve;
	bool auto_pseudo_gtid;
	int64_t default_port;
	int64_t poll_us;		     /* InstancePollSeconds */
	int64_t name_life_us;		     /* ExpiryHostnameResolvesMinutes */
	int64_t candidate_life_us;	     /* CandidateInstanceExpireMinutes */
	int64_t pool_life_us;		     /* InstancePoolExpiryMinutes, 0 = for ever */
	int64_t token_use_us;		     /* AccessTokenUseExpirySeconds */
	int64_t token_life_us;		     /* AccessTokenExpiryMinutes */
	int64_t unseen_life_us;		     /* UnseenInstanceForgetHours */
	int64_t audit_life_us;		     /* AuditPurgeDays */
	int64_t connect_us;		     /* MySQLConnectTimeoutSeconds */
	int64_t probe_deadline_us;	     /* the longest that a probe may take: connect and read time-outs */
	struct topo_analysis_rules analysis; /* without the time */
	size_t batch_rows;		     /* InstanceWriteBufferSize, at least 1 */
	int64_t flush_ms;		     /* InstanceFlushIntervalMilliseconds, 10..1000 */
	bool bulk_writes;		     /* BufferInstanceWrites: their samples are wanted; bulk they are anyway */
	size_t queue_max;		     /* DiscoveryQueueCapacity */
};

int rd_rules_new(const struct conf *c, struct rd_rules **ret, struct err *e) MUST_USE;
void rd_rules_free(struct rd_rules *r); /* NULL is fine */

/* ClusterNameToAlias: the alias of the first pattern that fits, NULL when none does. Borrowed. */
const char *rd_rules_alias(const struct rd_rules *r, const char *cluster_name);
/* FailureDetectionHoldSeconds: of the first pattern that fits the name or the alias, 0 when none does. */
int64_t rd_rules_hold_us(const struct rd_rules *r, const char *cluster_name, const char *alias);

#endif
