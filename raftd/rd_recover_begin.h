/* rd_recover_begin.h — whether a failure is recovered by itself, and if not, why. Pure.
 * Reference: recovery.md sections 1 and 2. Anti-flapping is rd_block.h, and recovery-begin asks it again. */
#ifndef RD_RECOVER_BEGIN_H
#define RD_RECOVER_BEGIN_H

#include "conf/conf.h"
#include "topo/analysis.h"

enum rd_recover_refusal {
	RD_MAY_RECOVER,
	RD_NO_PROCEDURE,   /* for this code; not built yet, or historically only detected */
	RD_DISABLED,	   /* the global switch */
	RD_DOWNTIMED,	   /* the failed server is in downtime */
	RD_IN_MAINTENANCE, /* ... locked by an operator */
	RD_IGNORED_HOST,   /* RecoveryIgnoreHostnameFilters */
	RD_FILTERED,	   /* RecoverMasterClusterFilters does not name the cluster */
	RD_NO_REPLICAS,	   /* DeadMasterWithoutReplicas: nobody follows it, or they follow another one by now */
	RD_REPLACED,	   /* a recovery replaced it, and nothing that was read since shows it as a source again */
	RD_UNPROBED	   /* a server of the cluster has not been probed since this node started */
};
const char *rd_recover_refusal_text(enum rd_recover_refusal r);

struct rd_recover_case {
	enum topo_code code;
	const char *hostname; /* of the failed server */
	const char *cluster_name, *cluster_alias;
	bool disabled, downtimed, in_maintenance, replaced;
	bool all_probed;
	bool forced; /* an operator asks: only the procedure and RD_UNPROBED count */
};
enum rd_recover_refusal rd_recover_may_begin(const struct conf *c, const struct rd_recover_case *f);

/* RecoveryIgnoreHostnameFilters, as the analysis understands it (conf_filter.h: an address is no expression): failures of
 * the server are neither recorded nor recovered. */
bool rd_recover_is_ignored(const struct conf *c, const char *hostname);

/* RecoverMasterClusterFilters and its kin: equal to name or alias; "alias=X"; "alias~=RE"; "*"; else a pattern of names.
 * A cluster without an alias goes by its name (analysis.md section 2). */
bool rd_recover_cluster_matches(const struct conf_strs *filters, const char *name, const char *alias);

#endif
