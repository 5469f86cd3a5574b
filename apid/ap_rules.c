/* ap_rules.c — see ap_rules.h. Called by ap_readers (making) and by the read functions of handlers. */
#include "ap_rules.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rx.h"

struct ap_alias_rule {
	struct rx *rx;
	const char *alias; /* of the configuration */
};

struct cluster_item {
	const char *text;  /* of the configuration */
	const char *alias; /* of "alias=X"; NULL */
	struct rx *alias_rx, *name_rx;
};
struct ap_cluster_filter {
	struct cluster_item *v;
	size_t n;
};

static struct rx *
compile(const char *pattern)
{
	struct rx *rx = NULL;
	struct err e;

	return pattern[0] != '\0' && rx_new(pattern, &rx, &e) == 0 ? rx : NULL;
}

static struct ap_cluster_filter *
new_cluster_filter(const struct conf_strs *texts)
{
	struct ap_cluster_filter *f = mem_new(struct ap_cluster_filter);

	f->v = mem_calloc(texts->n, sizeof(*f->v));
	f->n = texts->n;
	for (size_t i = 0; i < f->n; i++) {
		const char *text = texts->v[i];
		f->v[i].text = text;
		if (str_starts(text, "alias~="))
			f->v[i].alias_rx = compile(text + strlen("alias~="));
		else if (str_starts(text, "alias="))
			f->v[i].alias = text + strlen("alias=");
		else if (strcmp(text, "*") != 0)
			f->v[i].name_rx = compile(text);
	}
	return f;
}

static void
free_cluster_filter(struct ap_cluster_filter *f)
{
	for (size_t i = 0; i < f->n; i++) {
		rx_free(f->v[i].alias_rx);
		rx_free(f->v[i].name_rx);
	}
	free(f->v);
	free(f);
}

static bool
item_matches(const struct cluster_item *i, const char *name, const char *alias)
{
	if (i->alias != NULL)
		return strcmp(i->alias, alias) == 0;
	if (i->alias_rx != NULL)
		return rx_match(i->alias_rx, alias);
	if (i->name_rx != NULL && rx_match(i->name_rx, name))
		return true;
	return strcmp(i->text, "*") == 0 || strcmp(i->text, name) == 0 || strcmp(i->text, alias) == 0;
}

bool
ap_cluster_filter_matches(struct ap_cluster_filter *f, const char *name, const char *alias)
{
	for (size_t i = 0; i < f->n; i++) {
		if (item_matches(&f->v[i], name, alias))
			return true;
	}
	return false;
}

struct ap_rules *
ap_rules_new(struct conf *conf)
{
	const struct conf_map *map = &conf->ClusterNameToAlias;
	struct ap_rules *r = mem_new(struct ap_rules);
	struct err e;

	r->conf = conf_ref(conf);
	r->limits = (struct topo_limits){.poll_s = conf->InstancePollSeconds,
					 .reasonable_lag_s = conf->ReasonableReplicationLagSeconds,
					 .maintenance_lag_s = conf->ReasonableMaintenanceReplicationLagSeconds};
	ASSERT(conf_filter_new(&conf->ProblemIgnoreHostnameFilters, &r->hidden_problems, &e) == 0);
	ASSERT(conf_filter_new(&conf->RecoveryIgnoreHostnameFilters, &r->not_analysed, &e) == 0);
	ASSERT(conf_filter_new(&conf->OSCIgnoreHostnameFilters, &r->hidden_osc, &e) == 0);
	r->aliases = mem_calloc(map->n, sizeof(*r->aliases));
	for (size_t i = 0; i < map->n; i++)
		r->aliases[r->n_aliases++] = (struct ap_alias_rule){compile(map->v[i].key), map->v[i].value};
	r->recover_primary = new_cluster_filter(&conf->RecoverMasterClusterFilters);
	r->recover_intermediate = new_cluster_filter(&conf->RecoverIntermediateMasterClusterFilters);
	return r;
}

void
ap_rules_free(struct ap_rules *r)
{
	if (r == NULL)
		return;
	conf_filter_free(r->hidden_problems);
	conf_filter_free(r->not_analysed);
	conf_filter_free(r->hidden_osc);
	for (size_t i = 0; i < r->n_aliases; i++)
		rx_free(r->aliases[i].rx);
	free(r->aliases);
	free_cluster_filter(r->recover_primary);
	free_cluster_filter(r->recover_intermediate);
	conf_unref(r->conf);
	free(r);
}

const char *
ap_rules_alias(struct ap_rules *r, const char *cluster_name, const char *stored_alias)
{
	if (stored_alias[0] != '\0' && strcmp(stored_alias, cluster_name) != 0)
		return stored_alias;
	for (size_t i = 0; i < r->n_aliases; i++) {
		if (r->aliases[i].rx != NULL && rx_match(r->aliases[i].rx, cluster_name))
			return r->aliases[i].alias;
	}
	return cluster_name;
}
