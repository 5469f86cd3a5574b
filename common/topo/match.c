/* match.c — finding servers and clusters by what a person typed. Pure; called by HTTP handlers and the command line. */
#include "topo/match.h"

#include <stdlib.h>
#include <stdio.h>

#include "topo/key.h"

size_t
topo_match_fuzzy(const struct topo_instance *const *insts, size_t n, const struct topo_key *k)
{
	size_t found = TOPO_NO_MATCH;
	bool many = false;

	for (size_t i = 0; i < n; i++) {
		const struct topo_key *at = &insts[i]->key;
		if (topo_key_equal(at, k))
			return i;
		if (at->port != k->port || !str_contains_nocase(at->hostname, k->hostname))
			continue;
		many = many || found != TOPO_NO_MATCH;
		found = i;
	}
	if (many || str_empty(k->hostname) || topo_host_is_ipv4(k->hostname))
		return TOPO_NO_MATCH;
	return found;
}

static bool
number_equals(const char *text, uint64_t number)
{
	char digits[24];

	(void)snprintf(digits, sizeof(digits), "%llu", (unsigned long long)number);
	return str_eq(text, digits);
}

bool
topo_match_search(const struct topo_instance *i, const char *text)
{
	char *copy = mem_strdup(text), *want = str_trim(copy);
	bool found = str_contains_nocase(i->key.hostname, want) || str_contains_nocase(TOPO_KEY_TEXT(&i->key), want) ||
		     str_contains_nocase(i->cluster_name, want) || str_contains_nocase(i->version, want) ||
		     str_contains_nocase(i->version_comment, want) ||
		     str_contains_nocase(i->suggested_cluster_alias, want) || number_equals(want, i->server_id) ||
		     number_equals(want, (uint64_t)i->key.port);

	free(copy);
	return found;
}

/* --- clusters -------------------------------------------------------------------------------------------------- */
static const char *
by_name(const struct topo_cluster_alias *clusters, size_t n, const char *hint)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(clusters[i].cluster_name, hint))
			return clusters[i].cluster_name;
	return NULL;
}

static const char *
by_alias(const struct topo_cluster_alias *clusters, size_t n, const char *hint)
{
	for (size_t i = 0; i < n; i++)
		if (!str_empty(clusters[i].alias) && str_eq(clusters[i].alias, hint))
			return clusters[i].cluster_name;
	return NULL;
}

static const char *
by_member_cluster(const struct topo_instance *const *insts, size_t n, const char *hint)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(insts[i]->cluster_name, hint))
			return insts[i]->cluster_name;
	return NULL;
}

static const char *
by_instance(const struct topo_instance *const *insts, size_t n, const char *hint, int64_t default_port)
{
	struct topo_key k;
	struct err ignored;
	size_t at;

	if (topo_key_parse(hint, default_port, &k, &ignored) != 0)
		return NULL;
	at = topo_match_fuzzy(insts, n, &k);
	topo_key_done(&k);
	return at == TOPO_NO_MATCH || str_empty(insts[at]->cluster_name) ? NULL : insts[at]->cluster_name;
}

const char *
topo_match_cluster(const struct topo_cluster_alias *clusters, size_t n_clusters,
		   const struct topo_instance *const *insts, size_t n, const char *hint, int64_t default_port)
{
	const char *name;

	if (str_empty(hint))
		return NULL;
	name = by_name(clusters, n_clusters, hint);
	if (name == NULL)
		name = by_member_cluster(insts, n, hint);
	if (name == NULL)
		name = by_alias(clusters, n_clusters, hint);
	return name != NULL ? name : by_instance(insts, n, hint, default_port);
}
