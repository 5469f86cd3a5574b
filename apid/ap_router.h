/* ap_router.h — routes.def as a table, and matching a path against it. Pure.
 *
 * Rules (http-api.md section 1.1): one optional trailing slash; parameters are one non-empty segment, matched on the
 * percent-decoded path (historical clients append a newline: blanks around a value are trimmed); the first registered
 * route wins. Methods: GET and HEAD on every route; POST too on those that change something (GET mutations can be
 * switched off: HTTPAllowGetMutations). */
#ifndef AP_ROUTER_H
#define AP_ROUTER_H

#include "base/base.h"
#include "base/mem.h"

struct ap_request;

/* void api_<handler>(struct ap_request *) of every served route */
#define ROUTE(path, handler, access, where, doc) void api_##handler(struct ap_request *rq);
#define ROUTE_ROOT(path, handler, doc) void api_##handler(struct ap_request *rq);
#include "routes.def"

enum ap_access {
	AP_READ,   /* no write check */
	AP_WRITE,  /* write authorisation; a mutation */
	AP_CHANGE, /* a mutation that historically has no write check (tags, snapshots) */
	AP_WREAD,  /* write authorisation although it changes nothing */
};
enum ap_where {
	AP_LOCAL,   /* always answered by the node addressed */
	AP_PROXIED, /* a follower passes it on to the leader */
};

#define AP_PARAMS_MAX 8
#define AP_SEGMENTS_MAX 12

struct ap_route {
	const char *path; /* "instance/:host/:port" */
	bool root;	  /* directly below the URL prefix rather than below "api/" */
	enum ap_access access;
	enum ap_where where;
	void (*handler)(struct ap_request *rq); /* NULL: not served yet */
	const char *doc;
};

struct ap_param {
	const char *name; /* in the route's path, without the colon: name_len bytes */
	size_t name_len;
	const char *value; /* decoded, blanks around it trimmed: may be ""; in the arena */
};
struct ap_match {
	const struct ap_route *route;
	struct ap_param params[AP_PARAMS_MAX];
	size_t n_params;
};

size_t ap_route_count(void);
const struct ap_route *ap_route_at(size_t i);

/* path: what follows "<URLPrefix>/api/" (or, with root, "<URLPrefix>/"), still percent-encoded, without query. False
 * when nothing matches. */
bool ap_route_match(const char *path, bool root, struct mem_arena *arena, struct ap_match *ret_match);
bool ap_match_has_param(const struct ap_match *m, const char *name);
/* Value of a parameter; the route must have it. */
const char *ap_match_param(const struct ap_match *m, const char *name);

#endif
