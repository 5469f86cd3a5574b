/* rd_rules.c — compiles the configuration (rd_rules.h). Called at start and reload. */
#include "rd_rules.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"

/* Old default read time-out of the historical program; the configuration says 0 = default. */
#define CONNECT_DEFAULT_S 2
#define READ_DEFAULT_S 10

static int
compile(const char *pattern, struct rx **ret, struct err *e)
{
	*ret = NULL;
	return pattern[0] == '\0' ? 0 : rx_new(pattern, ret, e);
}

static int
compile_filters(const struct conf *c, struct rd_rules *r, struct err *e)
{
	if (conf_filter_new(&c->DiscoveryIgnoreHostnameFilters, &r->never_probe, e) != 0 ||
	    conf_filter_new(&c->DiscoveryIgnoreReplicaHostnameFilters, &r->ignore_replica, e) != 0 ||
	    conf_filter_new(&c->DiscoveryIgnoreMasterHostnameFilters, &r->ignore_source, e) != 0 ||
	    conf_filter_new(&c->DiscoveryIgnoreReplicationUsernameFilters, &r->ignore_user, e) != 0)
		return -e->code;
	return 0;
}

static int
compile_patterns(const struct conf *c, struct rd_rules *r, struct err *e)
{
	if (compile(c->RejectHostnameResolvePattern, &r->reject_name, e) != 0 ||
	    compile(c->DataCenterPattern, &r->data_center, e) != 0 || compile(c->RegionPattern, &r->region, e) != 0 ||
	    compile(c->PhysicalEnvironmentPattern, &r->environment, e) != 0)
		return -e->code;
	return 0;
}

/* Empty patterns are ignored, as historically. */
static int
compile_aliases(const struct conf *c, struct rd_rules *r, struct err *e)
{
	r->aliases = mem_calloc(c->ClusterNameToAlias.n, sizeof(*r->aliases));
	for (size_t i = 0; i < c->ClusterNameToAlias.n; i++) {
		const struct conf_pair *pair = &c->ClusterNameToAlias.v[i];
		struct rx *rx;
		if (compile(pair->key, &rx, e) != 0)
			return -e->code;
		if (rx != NULL)
			r->aliases[r->n_aliases++] = (struct rd_alias_rule){rx, mem_strdup(pair->value)};
	}
	return 0;
}

static int
compile_holds(const struct conf *c, struct rd_rules *r, struct err *e)
{
	const struct conf_umap *m = &c->FailureDetectionHoldSeconds;

	r->holds = mem_calloc(m->n, sizeof(*r->holds));
	for (size_t i = 0; i < m->n; i++) {
		struct rx *rx;
		if (compile(m->v[i].key, &rx, e) != 0)
			return -e->code;
		if (rx != NULL)
			r->holds[r->n_holds++] = (struct rd_hold_rule){rx, m->v[i].value * CLK_S};
	}
	return 0;
}

static enum rd_own_name
own_name_method(const char *text)
{
	static const struct {
		const char *text;
		enum rd_own_name method;
	} methods[] = {
	    {"default", RD_OWN_NAME_HOSTNAME},		{"hostname", RD_OWN_NAME_HOSTNAME},
	    {"@@hostname", RD_OWN_NAME_HOSTNAME},	{"report_host", RD_OWN_NAME_REPORT_HOST},
	    {"@@report_host", RD_OWN_NAME_REPORT_HOST},
	};

	for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
		if (str_eq_nocase(text, methods[i].text))
			return methods[i].method;
	}
	return RD_OWN_NAME_ASKED;
}

static enum rd_resolve_method
resolve_method(const char *text)
{
	if (str_eq_nocase(text, "cname"))
		return RD_RESOLVE_CNAME;
	if (str_eq_nocase(text, "ip"))
		return RD_RESOLVE_IP;
	return str_eq_nocase(text, "none") ? RD_RESOLVE_NONE : RD_RESOLVE_DEFAULT;
}

static int64_t
or_default(int64_t v, int64_t otherwise)
{
	return v > 0 ? v : otherwise;
}

static void
take_numbers(const struct conf *c, struct rd_rules *r)
{
	r->own_name = own_name_method(c->MySQLHostnameResolveMethod);
	r->resolve = resolve_method(c->HostnameResolveMethod);
	r->leader_decides = str_eq_nocase(c->FailureDetectionQuorum, "leader");
	r->auto_pseudo_gtid = c->AutoPseudoGTID;
	r->default_port = c->DefaultInstancePort;
	r->poll_us = c->InstancePollSeconds * CLK_S;
	r->name_life_us = or_default(c->ExpiryHostnameResolvesMinutes, 1) * 60 * CLK_S;
	r->candidate_life_us = c->CandidateInstanceExpireMinutes * 60 * CLK_S;
	r->pool_life_us = c->InstancePoolExpiryMinutes * 60 * CLK_S;
	r->token_use_us = c->AccessTokenUseExpirySeconds * CLK_S;
	r->token_life_us = c->AccessTokenExpiryMinutes * 60 * CLK_S;
	r->unseen_life_us = c->UnseenInstanceForgetHours * 3600 * CLK_S;
	r->audit_life_us = c->AuditPurgeDays * 86400 * CLK_S;
	r->connect_us = or_default(c->MySQLConnectTimeoutSeconds, CONNECT_DEFAULT_S) * CLK_S;
	r->probe_deadline_us = r->connect_us + or_default(c->MySQLDiscoveryReadTimeoutSeconds, READ_DEFAULT_S) * CLK_S;
	r->batch_rows = (size_t)max_i64(1, c->InstanceWriteBufferSize);
	r->flush_ms = min_i64(1000, max_i64(10, c->InstanceFlushIntervalMilliseconds));
	r->bulk_writes = c->BufferInstanceWrites;
	r->queue_max = (size_t)c->DiscoveryQueueCapacity;
}

static struct topo_analysis_rules
analysis_rules(const struct conf *c)
{
	return (struct topo_analysis_rules){.poll_s = c->InstancePollSeconds,
					    .reasonable_check_s = c->ReasonableInstanceCheckSeconds,
					    .reasonable_lag_s = c->ReasonableReplicationLagSeconds,
					    .reasonable_locked_s = c->ReasonableLockedSemiSyncMasterSeconds,
					    .enforce_exact_semi_sync = c->EnforceExactSemiSyncReplicas,
					    .recover_non_writable = c->RecoverNonWriteableMaster};
}

int
rd_rules_new(const struct conf *c, struct rd_rules **ret, struct err *e)
{
	struct rd_rules *r = mem_new(struct rd_rules);

	take_numbers(c, r);
	r->analysis = analysis_rules(c);
	if (compile_filters(c, r, e) != 0 || compile_patterns(c, r, e) != 0 || compile_aliases(c, r, e) != 0 ||
	    compile_holds(c, r, e) != 0) {
		rd_rules_free(r);
		return -e->code;
	}
	*ret = r;
	return 0;
}

void
rd_rules_free(struct rd_rules *r)
{
	if (r == NULL)
		return;
	conf_filter_free(r->never_probe);
	conf_filter_free(r->ignore_replica);
	conf_filter_free(r->ignore_source);
	conf_filter_free(r->ignore_user);
	rx_free(r->reject_name);
	rx_free(r->data_center);
	rx_free(r->region);
	rx_free(r->environment);
	for (size_t i = 0; i < r->n_aliases; i++) {
		rx_free(r->aliases[i].rx);
		free(r->aliases[i].alias);
	}
	free(r->aliases);
	for (size_t i = 0; i < r->n_holds; i++)
		rx_free(r->holds[i].rx);
	free(r->holds);
	free(r);
}

const char *
rd_rules_alias(const struct rd_rules *r, const char *cluster_name)
{
	for (size_t i = 0; i < r->n_aliases; i++) {
		if (rx_match(r->aliases[i].rx, cluster_name))
			return r->aliases[i].alias;
	}
	return NULL;
}

int64_t
rd_rules_hold_us(const struct rd_rules *r, const char *cluster_name, const char *alias)
{
	for (size_t i = 0; i < r->n_holds; i++) {
		if (rx_match(r->holds[i].rx, cluster_name) || rx_match(r->holds[i].rx, alias))
			return r->holds[i].us;
	}
	return 0;
}
