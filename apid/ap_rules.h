/* ap_rules.h — what the configuration says about servers and clusters, compiled: expressions are compiled once and not
 * per request. Each reader thread has its own (base/rx.h: one thread at a time) and makes it anew after a reload. */
#ifndef AP_RULES_H
#define AP_RULES_H

#include "conf/conf_filter.h"
#include "topo/derive.h"

struct ap_rules {
	struct conf *conf; /* what these were compiled from */
	struct topo_limits limits;
	struct conf_filter *hidden_problems; /* ProblemIgnoreHostnameFilters */
	struct conf_filter *not_analysed;    /* RecoveryIgnoreHostnameFilters: host names alone */
	struct conf_filter *hidden_osc;	     /* OSCIgnoreHostnameFilters */
	struct ap_alias_rule *aliases;	     /* ClusterNameToAlias */
	size_t n_aliases;
	struct ap_cluster_filter *recover_primary, *recover_intermediate;
};

/* Expressions of a loaded configuration always compile. */
struct ap_rules *ap_rules_new(struct conf *conf);
void ap_rules_free(struct ap_rules *r); /* NULL is fine */

/* The alias a cluster shows: the stored one, else that of ClusterNameToAlias, else its name. Borrowed from the
 * arguments or the rules. */
const char *ap_rules_alias(struct ap_rules *r, const char *cluster_name, const char *stored_alias);

/* RecoverMasterClusterFilters and its sibling (recovery.md section 2): name, alias, "alias=X", "alias~=RE", "*", or an
 * expression on the name. */
bool ap_cluster_filter_matches(struct ap_cluster_filter *f, const char *name, const char *alias);

#endif
