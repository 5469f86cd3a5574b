/* ap_dispatch.c — see ap_dispatch.h. Called by ap_httpd for each request that evhttp has read; knows nothing of
 * connections. */
#include "ap_dispatch.h"

#include <event2/keyvalq_struct.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "ap_gate.h"
#include "ap_hop.h"
#include "ap_proxy.h"
#include "ap_raftd.h"
#include "ap_readers.h"
#include "ap_request.h"
#include "ap_where.h"

#define STATUS_DEFAULT "/api/status"

void
ap_paths_init(struct ap_paths *paths, const struct conf *conf)
{
	const char *status = conf->StatusEndpoint;

	paths->prefix = mem_strdup(conf->URLPrefix);
	paths->status = str_empty(status) || str_eq(status, STATUS_DEFAULT) ? NULL : mem_strdup(status);
}

void
ap_paths_done(struct ap_paths *paths)
{
	free(paths->prefix);
	free(paths->status);
	*paths = (struct ap_paths){0};
}

/* --- refusing before routing ----------------------------------------------------------------------------------- */
static int
count_header(const struct evkeyvalq *headers, const char *name)
{
	const struct evkeyval *kv;
	int n = 0;

	TAILQ_FOREACH (kv, headers, next)
		n += str_eq_nocase(kv->key, name);
	return n;
}

static bool
has_blank_before_colon(const struct evkeyvalq *headers)
{
	const struct evkeyval *kv;

	TAILQ_FOREACH (kv, headers, next) {
		size_t n = strlen(kv->key);
		if (n == 0 || kv->key[n - 1] == ' ' || kv->key[n - 1] == '\t')
			return true;
	}
	return false;
}

bool
ap_is_ambiguous(struct evhttp_request *http)
{
	static const char *const single[] = {"Host", "Content-Length", "Transfer-Encoding"};
	const struct evkeyvalq *headers = evhttp_request_get_input_headers(http);

	for (size_t i = 0; i < ARRAY_LEN(single); i++) {
		if (count_header(headers, single[i]) > 1)
			return true;
	}
	return has_blank_before_colon(headers);
}

/* --- paths ----------------------------------------------------------------------------------------------------- */
/* Equal but for one optional trailing slash. */
static bool
same_path(const char *path, const char *wanted)
{
	size_t n = strlen(wanted);

	return strncmp(path, wanted, n) == 0 && (path[n] == '\0' || strcmp(path + n, "/") == 0);
}

/* The part of the path that routes.def knows; *ret_root: it lies directly below the prefix, not below "api/". NULL when
 * it is not ours. */
static const char *
known_part(const struct ap_paths *paths, const char *path, bool *ret_root)
{
	if (paths != NULL && paths->status != NULL && same_path(path, paths->status)) {
		*ret_root = false;
		return "status";
	}
	if (paths != NULL) {
		size_t n = strlen(paths->prefix);
		if (strncmp(path, paths->prefix, n) != 0)
			return NULL;
		path += n;
	}
	if (path[0] != '/')
		return NULL;
	*ret_root = !str_starts(path, "/api/");
	path += *ret_root ? 1 : strlen("/api/");
	if (paths != NULL && paths->status != NULL && !*ret_root && same_path(path, "status"))
		return NULL; /* moved */
	return path;
}

/* --- rights ---------------------------------------------------------------------------------------------------- */
static bool
is_mutation(const struct ap_route *route)
{
	return route->access == AP_WRITE || route->access == AP_CHANGE;
}

/* Methods that this route does not know: as if there were no route. */
static bool
method_known(const struct ap_request *rq)
{
	enum evhttp_cmd_type method = evhttp_request_get_command(rq->http);

	if (method == EVHTTP_REQ_POST)
		return is_mutation(rq->match.route);
	return method == EVHTTP_REQ_GET || method == EVHTTP_REQ_HEAD;
}

/* HEAD changes nothing, the control socket has no strangers, and what people open is a link (ROUTE_WEB). */
static bool
must_be_posted(const struct ap_request *rq)
{
	return is_mutation(rq->match.route) && !rq->match.route->root && !rq->conf->HTTPAllowGetMutations &&
	       !rq->trusted && evhttp_request_get_command(rq->http) == EVHTTP_REQ_GET;
}

static bool
needs_write(const struct ap_route *route)
{
	return route->access == AP_WRITE || route->access == AP_WREAD;
}

/* A change that a node makes for itself alone is the leader's all the same, historically. */
static bool
node_permits(const struct ap_request *rq)
{
	struct ap_standing s = ap_standing_now(rq->ap);

	return !rq->conf->ReadOnly && (!s.raft || s.leads || rq->match.route->where == AP_PROXIED);
}

static void
carry_out(struct ap_request *rq)
{
	const struct ap_route *route = rq->match.route;

	if (route->calls == NULL && route->reads == NULL)
		ap_reply_error(rq, "%s: this version does not serve this route yet (see \"Not yet\" in the README)",
			       route->path);
	else if (rq->is_head && is_mutation(route))
		ap_reply_body(rq); /* HEAD changes nothing */
	else if (route->reads != NULL)
		ap_read(rq, route->reads);
	else
		route->calls(rq);
}

void
ap_run_here(struct ap_request *rq, bool stale)
{
	if (stale)
		ap_add_header(rq, AP_HEADER_STALE, "true");
	if (!needs_write(rq->match.route) || rq->trusted)
		carry_out(rq);
	else if (node_permits(rq))
		ap_gate_right(rq, carry_out);
	else
		ap_reply_error(rq, "Unauthorized");
}

static void
send_where_it_belongs(struct ap_request *rq)
{
	struct ap_standing s = ap_standing_now(rq->ap);
	struct ap_errand what = ap_errand_of(rq);

	if (rq->is_head && what.changes)
		what.where = AP_LOCAL; /* changes nothing */
	switch (ap_where_to(&s, &what)) {
	case AP_HERE:
		ap_run_here(rq, false);
		break;
	case AP_HERE_STALE:
		ap_run_here(rq, true);
		break;
	case AP_RELAY:
		ap_proxy_relay(rq);
		break;
	case AP_NO_LEADER:
		ap_proxy_reply_no_leader(rq);
		break;
	case AP_NOT_LEADER:
		ap_proxy_reply_not_leader(rq);
		break;
	}
}

/* --- the web interface ----------------------------------------------------------------------------------------- */
static void
reply_text(struct ap_request *rq, int status, const char *text)
{
	str_buf_clear(&rq->body);
	str_buf_add(&rq->body, text);
	ap_reply_as(rq, status, "text/plain; charset=utf-8");
}

/* known: below the prefix. True when the request was answered: the addresses people type lead where they always did. */
static bool
answered_as_web(struct ap_request *rq, const struct ap_paths *paths, const char *known)
{
	struct str_buf to = {0};

	if (known[0] != '\0' && !str_starts(known, "web/"))
		return false;
	if (known[0] != '\0' && !str_eq(known, "web/")) {
		reply_text(rq, HTTP_NOTIMPLEMENTED, "the web interface is not part of this version yet\n");
		return true;
	}
	str_buf_printf(&to, "%s/web/clusters", paths == NULL ? "" : paths->prefix);
	ap_add_header(rq, "Location", str_buf_text(&to));
	str_buf_done(&to);
	reply_text(rq, HTTP_MOVETEMP, "");
	return true;
}

static bool
is_get(const struct ap_request *rq)
{
	enum evhttp_cmd_type method = evhttp_request_get_command(rq->http);

	return method == EVHTTP_REQ_GET || method == EVHTTP_REQ_HEAD;
}

/* Strangers learn nothing, not even which paths there are. */
void
ap_dispatch(struct ap *ap, const struct ap_paths *paths, struct evhttp_request *http)
{
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(http);
	struct ap_request *rq = ap_request_new(ap, http, paths == NULL);
	bool root = false, matched;
	const char *known = known_part(paths, evhttp_uri_get_path(uri), &root);

	ap_query_parse(evhttp_uri_get_query(uri), &rq->arena, &rq->query);
	matched = known != NULL && ap_route_match(known, root, &rq->arena, &rq->match);
	if (!ap_gate_passes(rq))
		return;
	if (matched && must_be_posted(rq)) {
		ap_add_header(rq, "Allow", "POST");
		ap_reply_error_status(rq, HTTP_BADMETHOD,
				      "%s changes something: send it by POST (HTTPAllowGetMutations is off here)",
				      rq->match.route->path);
	} else if (matched && method_known(rq)) {
		send_where_it_belongs(rq);
	} else if (known == NULL || !root || !is_get(rq) || !answered_as_web(rq, paths, known)) {
		ap_reply_not_found(rq);
	}
}
