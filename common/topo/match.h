/* topo/match.h — finding servers and clusters by what a person typed. Pure. Reference: probing.md section 16,
 * http-api.md 1.4.
 *
 * Texts match without regard to ASCII case, as the MySQL backend's collation did; nothing in them is a wildcard. */
#ifndef TOPO_MATCH_H
#define TOPO_MATCH_H

#include "topo/topo.h"

#define TOPO_NO_MATCH SIZE_MAX

/* Fuzzy key: index of the one instance with k's port and a hostname that contains k's. TOPO_NO_MATCH when there is none
 * or more than one, or when k's hostname is empty or looks like an IPv4 address. An instance that equals k exactly
 * wins. */
size_t topo_match_fuzzy(const struct topo_instance *const *insts, size_t n, const struct topo_key *k);

/* Search: text (trimmed) inside hostname, host:port, cluster name, version, version comment, suggested alias; or equal
 * to the server id or the port. Empty text matches everything. */
bool topo_match_search(const struct topo_instance *i, const char *text);

/* A known cluster under one of its names; several entries may name the same cluster (stored alias, ClusterNameToAlias).
 */
struct topo_cluster_alias {
	const char *cluster_name;
	const char *alias; /* "" = none */
};

/* The cluster a hint means, first of: exact name, exact alias, the cluster of the instance host[:port], of the same key
 * matched fuzzily. Borrowed from the arrays, NULL when it fits nothing. "This host" is the caller's. */
const char *topo_match_cluster(const struct topo_cluster_alias *clusters, size_t n_clusters,
			       const struct topo_instance *const *insts, size_t n, const char *hint,
			       int64_t default_port);

#endif
