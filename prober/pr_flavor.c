/* pr_flavor.c — the table of statements by flavour and version. Pure; called by pr_probe.c and pr_step.c. */
#include "pr_flavor.h"

#include <string.h>

#include "base/str.h"
#include "topo/version.h"

#define GREETING_PREFIX "5.5.5-"

#define PR_ASK(NAME, rows_, ...) static const struct pr_variant variants_##NAME[] = {__VA_ARGS__};
#define PR_ASK_CONF(NAME, key)
#include "pr_ask.def"
#undef PR_ASK_CONF
#undef PR_ASK

static const struct {
	const char *name;
	size_t rows;
	const struct pr_variant *variants;
	size_t n_variants;
	size_t conf_offset; /* of a string in struct conf, for operators' queries */
} asks[] = {
#define PR_ASK(NAME, rows, ...) [PR_ASK_##NAME] = {#NAME, (rows), variants_##NAME, ARRAY_LEN(variants_##NAME), 0},
#define PR_ASK_CONF(NAME, key) [PR_ASK_##NAME] = {#NAME, 1, NULL, 0, offsetof(struct conf, key)},
#include "pr_ask.def"
#undef PR_ASK_CONF
#undef PR_ASK
};

/* Since when whose servers have what. */
static const struct {
	unsigned cap, of;
	unsigned major, minor, patch;
} since[] = {
    {PR_CAP_GTID, PR_CAP_MYSQL, 5, 6, 9},
    {PR_CAP_PS_CONNECTION, PR_CAP_MYSQL, 5, 7, 6},
    {PR_CAP_SUPER_READ_ONLY, PR_CAP_MYSQL, 5, 7, 8},
    {PR_CAP_GROUP, PR_CAP_MYSQL, 8, 0, 2},
    {PR_CAP_PS_PROCESSLIST, PR_CAP_MYSQL, 8, 0, 22},
    {PR_CAP_INFO_IN_TABLE, PR_CAP_MYSQL, 8, 3, 0},
    {PR_CAP_SOURCE_WORDS, PR_CAP_MYSQL, 8, 4, 0},
    {PR_CAP_MARIADB_GTID, PR_CAP_MARIADB, 10, 0, 2},
};

unsigned
pr_flavor_caps(const char *version)
{
	unsigned caps = topo_is_mariadb(version) ? PR_CAP_MARIADB : PR_CAP_MYSQL;

	if (topo_is_maxscale(version))
		return PR_CAP_MAXSCALE | (strstr(version, "1.1.0") != NULL ? PR_CAP_MAXSCALE_1_1 : 0u);
	if (!topo_version_known(version))
		return caps & PR_CAP_MARIADB;
	if (caps == PR_CAP_MARIADB && str_starts(version, GREETING_PREFIX))
		version += sizeof(GREETING_PREFIX) - 1;
	for (size_t i = 0; i < ARRAY_LEN(since); i++) {
		if (since[i].of == (caps & (PR_CAP_MYSQL | PR_CAP_MARIADB)) &&
		    topo_version_at_least(version, since[i].major, since[i].minor, since[i].patch))
			caps |= since[i].cap;
	}
	if (topo_is_ndb(version) && topo_version_at_least(version, 5, 7, 0))
		caps |= PR_CAP_NDB;
	return caps;
}

const char *
pr_variant_choose(const struct pr_variant *v, size_t n, unsigned caps)
{
	for (size_t i = 0; i < n; i++) {
		if ((caps & v[i].needs) == v[i].needs && (caps & v[i].lacks) == 0)
			return v[i].sql;
	}
	return NULL;
}

const char *
pr_ask_name(enum pr_ask ask)
{
	return asks[ask].name;
}

size_t
pr_ask_rows(enum pr_ask ask)
{
	return asks[ask].rows;
}

const char *
pr_ask_sql(enum pr_ask ask, unsigned caps)
{
	return pr_variant_choose(asks[ask].variants, asks[ask].n_variants, caps);
}

static void
add(struct pr_plan *plan, enum pr_ask ask, const char *sql)
{
	if (sql != NULL && sql[0] != '\0')
		plan->v[plan->n++] = (struct pr_plan_item){ask, sql};
}

void
pr_plan_first(const struct conf *c, struct pr_plan *ret)
{
	ret->n = 0;
	if (!c->SkipMaxScaleCheck)
		add(ret, PR_ASK_MAXSCALE, pr_ask_sql(PR_ASK_MAXSCALE, 0));
	add(ret, PR_ASK_VERSION, pr_ask_sql(PR_ASK_VERSION, 0));
}

/* Questions that configuration or state make superfluous. */
static bool
wanted(const struct conf *c, enum pr_ask ask, unsigned caps, unsigned want)
{
	if (ask == PR_ASK_MAXSCALE)
		return false;
	if (ask == PR_ASK_LISTING)
		return c->DiscoverByShowSlaveHosts || (caps & PR_CAP_MAXSCALE) != 0;
	if (ask == PR_ASK_CREDENTIALS)
		return c->ReplicationCredentialsQuery[0] == '\0';
	if (ask == PR_ASK_PROCESS)
		return (want & PR_WANT_PROCESS) != 0;
	if (ask == PR_ASK_CLUSTER_DOMAIN)
		return (want & PR_WANT_DOMAIN) != 0;
	return true;
}

void
pr_plan_probe(const struct conf *c, unsigned caps, unsigned want, struct pr_plan *ret)
{
	ret->n = 0;
	for (size_t i = 0; i < PR_ASK_COUNT; i++) {
		enum pr_ask ask = (enum pr_ask)i;
		const char *sql = pr_ask_sql(ask, caps);

		if (!wanted(c, ask, caps, want))
			continue;
		if (asks[i].variants == NULL && (caps & PR_CAP_MAXSCALE) == 0)
			sql = *(const char *const *)((const char *)c + asks[i].conf_offset);
		add(ret, ask, sql);
	}
}
