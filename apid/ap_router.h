/* ap_router.h — routes.def as a table, and matching a path against it. Pure.
 *
 * Rules (http-api.md section 1.1): one optional trailing slash; parameters are one non-empty segment, matched on the
 * percent-decoded path (historical clients append a newline: blanks around a value are trimmed); the first registered
 * route wins. Methods: GET and HEAD on every route; POST too on those that change something (GET mutations can be
 * switched off: HTTPAllowGetMutations). */
#ifndef AP_ROUTER_H
#define AP_ROUTER_H

#include "base/err.h"
#include "base/mem.h"

struct ap_reader;
struct ap_request;

/* Declares every handler. Functions of CALLS end the request (ap.h), those of READS are ap_read_fn (ap_readers.h). */
#define CALLS(name) void api_##name(struct ap_request *rq);
#define READS(name) int api_##name(struct ap_request *rq, struct ap_reader *r, struct err *e) MUST_USE;
#define ROUTE(path, handler, access, where, doc) handler
#define ROUTE_WEB(path, handler, access, where, doc) handler
#define ROUTE_ROOT(path, handler, doc) handler
#include "routes.def"
#undef CALLS
#undef READS

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
	const char *doc;
	/* one of the two; none: not served yet */
	void (*calls)(struct ap_request *rq);
	int (*reads)(struct ap_request *rq, struct ap_reader *r, struct err *e);
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
