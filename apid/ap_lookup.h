/* ap_lookup.h — what a client names → what the backend knows: instance keys and clusters (http-api.md section 1.4).
 * For reader threads; texts live in the request's arena. */
#ifndef AP_LOOKUP_H
#define AP_LOOKUP_H

#include "ap_readers.h"

/* The route's ":host/:port" as given: port checked, nothing resolved. On the loop, too. */
int ap_raw_key(struct ap_request *rq, struct topo_key *ret_key, struct err *e) MUST_USE;
/* The route's ":host/:port": resolved through hostname_resolve, then matched fuzzily; an unknown host is used as given.
 */
int ap_route_key(struct ap_request *rq, struct ap_reader *r, struct topo_key *ret_key, struct err *e) MUST_USE;

/* The same for another pair of parameters: "belowHost", "belowPort". */
int ap_named_key(struct ap_request *rq, struct ap_reader *r, const char *host_name, const char *port_name,
		 struct topo_key *ret_key, struct err *e) MUST_USE;

/* key as given: becomes the one known instance that it fuzzily fits, or stays. */
int ap_complete_key(struct ap_request *rq, struct ap_reader *r, struct topo_key *key, struct err *e) MUST_USE;

/* The cluster the route names by ":clusterHint", ":clusterName" (taken as a hint), ":clusterAlias", or the
 * ":host/:port" of a member. ERR_NOT_FOUND. */
int ap_route_cluster(struct ap_request *rq, struct ap_reader *r, const char **ret_name, struct err *e) MUST_USE;

/* The cluster of that name or alias; the text itself when there is none. */
int ap_cluster_named(struct ap_request *rq, struct ap_reader *r, const char *text, const char **ret_name,
		     struct err *e) MUST_USE;

struct db_tag_term;
/* The tag of a request that changes something: query "tag" first, else the path's name and value. Pure. */
int ap_tag_of_route(struct ap_request *rq, struct db_tag_term *ret_tag, struct err *e) MUST_USE;

/* Copy into the request's arena. */
const char *ap_keep(struct ap_request *rq, const char *text);

#endif
