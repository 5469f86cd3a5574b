/* ap_lookup.h — what a client names → what the backend knows: instance keys and cluster hints (http-api.md
 * section 1.4). For reader threads. */
#ifndef AP_LOOKUP_H
#define AP_LOOKUP_H

#include "ap.h"
#include "topo/derive.h"

struct db;

/* ":host/:port" as given: port checked, nothing resolved. The key lives in the request's arena. */
int ap_raw_key(struct ap_request *rq, const char *host, const char *port, struct topo_key *ret_key,
	       struct err *e) MUST_USE;
/* Resolved through hostname_resolve, then matched fuzzily; an unknown host is used as given. */
int ap_resolve_key(struct ap_request *rq, struct db *db, const char *host, const char *port, struct topo_key *ret_key,
		   struct err *e) MUST_USE;
/* The route's ":host/:port". */
int ap_route_key(struct ap_request *rq, struct db *db, struct topo_key *ret_key, struct err *e) MUST_USE;

/* The cluster name a hint means; in the arena. ERR_NOT_FOUND. */
int ap_cluster_of_hint(struct ap_request *rq, struct db *db, const char *hint, const char **ret_name,
		       struct err *e) MUST_USE;
/* Alias of a cluster as cluster infos show it: ClusterNameToAlias applied where none is stored. In the arena. */
const char *ap_cluster_alias(struct ap_request *rq, const char *cluster_name, const char *stored_alias);

struct topo_limits ap_limits(const struct conf *conf);
/* Copy into the request's arena. */
const char *ap_keep(struct ap_request *rq, const char *text);

#endif
