/* rd_recover_begin.c — see rd_recover_begin.h. Pure; called by rd_recover_start.c for each verdict. Failures are rare:
 * patterns are compiled when they are needed. */
#include "rd_recover_begin.h"

#include "base/rx.h"
#include "conf/conf_filter.h"
#include "rd_input.h"

const char *
rd_recover_refusal_text(enum rd_recover_refusal r)
{
	static const char *const texts[] = {
	    [RD_MAY_RECOVER] = "",
	    [RD_NO_PROCEDURE] = "there is no recovery for this failure",
	    [RD_DISABLED] = "recoveries are disabled globally",
	    [RD_DOWNTIMED] = "the server is in downtime",
	    [RD_IN_MAINTENANCE] = "the server is in maintenance",
	    [RD_IGNORED_HOST] = "RecoveryIgnoreHostnameFilters names the server",
	    [RD_FILTERED] = "RecoverMasterClusterFilters does not name the cluster",
	    [RD_NO_REPLICAS] = "it has no replicas: there is nobody to promote",
	    [RD_REPLACED] =
		("a recovery has replaced it, and it was not seen writable since: ask for a recovery if it was "
		 "made the source again"),
	    [RD_UNPROBED] = "not every server of the cluster has been probed since this node started",
	};

	return texts[r];
}

static bool
rx_says(const char *pattern, const char *text)
{
	struct rx *rx;
	struct err e;
	bool yes;

	if (pattern[0] == '\0' || rx_new(pattern, &rx, &e) != 0)
		return false; /* refused when the configuration was read */
	yes = rx_match(rx, text);
	rx_free(rx);
	return yes;
}

static bool
filter_matches(const char *filter, const char *name, const char *alias)
{
	if (str_starts(filter, "alias~="))
		return rx_says(filter + sizeof("alias~=") - 1, alias);
	if (str_starts(filter, "alias="))
		return str_eq(filter + sizeof("alias=") - 1, alias);
	if (filter[0] == '\0')
		return false;
	if (str_eq(filter, "*") || str_eq(filter, name) || str_eq(filter, alias))
		return true;
	return rx_says(filter, name);
}

bool
rd_recover_cluster_matches(const struct conf_strs *filters, const char *name, const char *alias)
{
	for (size_t i = 0; i < filters->n; i++) {
		if (filter_matches(filters->v[i], name, rd_or_cluster_name(alias, name)))
			return true;
	}
	return false;
}

bool
rd_recover_is_ignored(const struct conf *c, const char *hostname)
{
	struct conf_filter *f;
	struct err e;
	bool yes;

	if (conf_filter_new(&c->RecoveryIgnoreHostnameFilters, &f, &e) != 0)
		return false; /* refused when the configuration was read */
	yes = conf_filter_matches_text(f, hostname);
	conf_filter_free(f);
	return yes;
}

/* DeadMasterAndReplicas was detected only, historically; here it is recorded that nobody could be promoted
 * (rd_kind_promotes_nobody). */
static bool
has_procedure(enum topo_code code)
{
	return code == TOPO_DEAD_PRIMARY || code == TOPO_DEAD_PRIMARY_AND_SOME_REPLICAS ||
	       code == TOPO_DEAD_PRIMARY_AND_REPLICAS;
}

enum rd_recover_refusal
rd_recover_may_begin(const struct conf *c, const struct rd_recover_case *f)
{
	if (f->code == TOPO_DEAD_PRIMARY_WITHOUT_REPLICAS)
		return RD_NO_REPLICAS;
	if (!has_procedure(f->code))
		return RD_NO_PROCEDURE;
	if (!f->all_probed)
		return RD_UNPROBED;
	if (f->forced)
		return RD_MAY_RECOVER;
	if (f->disabled)
		return RD_DISABLED;
	if (f->in_maintenance)
		return RD_IN_MAINTENANCE;
	if (f->downtimed)
		return RD_DOWNTIMED;
	if (f->replaced)
		return RD_REPLACED;
	if (rd_recover_is_ignored(c, f->hostname))
		return RD_IGNORED_HOST;
	if (!rd_recover_cluster_matches(&c->RecoverMasterClusterFilters, f->cluster_name, f->cluster_alias))
		return RD_FILTERED;
	return RD_MAY_RECOVER;
}
