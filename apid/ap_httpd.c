/* ap_httpd.c — listeners, limits, and the way from an evhttp request to its handler. Owns evhttp and the connection
 * count.
 *
 * evhttp leaves to us (libraries.md section 6): TCP_NODELAY on the listening socket, a limit on connections, duplicate
 * Host, Content-Length and Transfer-Encoding headers. */
#include "ap_httpd.h"

#include <dirent.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "ap_request.h"
#include "base/log.h"

#define COUNT_EVERY 64
#define COUNT_MS 200
#define SINGLE_WRITE_BYTES ((size_t)256 * 1024)

struct door {
	struct ap_httpd *h;
	struct evhttp *http;
	struct evconnlistener *listener; /* of the client door, owned by http */
	bool trusted;
	char *unlink_path; /* Unix sockets are removed at the end */
};

struct ap_httpd {
	struct ap *ap;
	struct door client, control;
	struct ap_httpd_stats stats;
	struct event *count; /* timer */
	int64_t own_descriptors;
	bool resting; /* the client listener is disabled */
};

/* --- refusing before routing ---------------------------------------------------------------------------------------
 */
static const char not_found_text[] = "404 page not found\n";

static void
reply_not_found(struct evhttp_request *req)
{
	struct evbuffer *out = evbuffer_new();
	struct evkeyvalq *headers = evhttp_request_get_output_headers(req);

	ASSERT(out != NULL);
	(void)evhttp_add_header(headers, "Content-Type", "text/plain; charset=utf-8");
	(void)evhttp_add_header(headers, "X-Content-Type-Options", "nosniff");
	(void)evbuffer_add(out, not_found_text, sizeof(not_found_text) - 1);
	evhttp_send_reply(req, HTTP_NOTFOUND, NULL, out);
	evbuffer_free(out);
}

static int
count_header(const struct evkeyvalq *headers, const char *name)
{
	const struct evkeyval *kv;
	int n = 0;

	TAILQ_FOREACH (kv, headers, next)
		n += str_eq_nocase(kv->key, name);
	return n;
}

/* What behind a proxy could be read in two ways. */
static bool
is_ambiguous(struct evhttp_request *req)
{
	static const char *const single[] = {"Host", "Content-Length", "Transfer-Encoding"};
	const struct evkeyvalq *headers = evhttp_request_get_input_headers(req);
	const struct evkeyval *kv;

	for (size_t i = 0; i < ARRAY_LEN(single); i++) {
		if (count_header(headers, single[i]) > 1)
			return true;
	}
	TAILQ_FOREACH (kv, headers, next) {
		size_t n = strlen(kv->key);
		if (n == 0 || kv->key[n - 1] == ' ' || kv->key[n - 1] == '\t')
			return true;
	}
	return false;
}

/* --- routing --------------------------------------------------------------------------------------------------------
 */
static bool
is_mutation(const struct ap_route *route)
{
	return route->access == AP_WRITE || route->access == AP_CHANGE;
}

static bool
method_allowed(const struct ap_request *rq, enum evhttp_cmd_type method)
{
	bool mutation = is_mutation(rq->match.route);

	if (method == EVHTTP_REQ_POST)
		return mutation;
	if (method != EVHTTP_REQ_GET && method != EVHTTP_REQ_HEAD)
		return false;
	return !mutation || method == EVHTTP_REQ_HEAD || rq->conf->HTTPAllowGetMutations;
}

static bool
may_write(const struct ap_request *rq)
{
	return rq->trusted || !rq->conf->ReadOnly;
}

static void
call_handler(struct ap_request *rq, enum evhttp_cmd_type method)
{
	const struct ap_route *route = rq->match.route;
	bool needs_write = route->access == AP_WRITE || route->access == AP_WREAD;

	if (needs_write && !may_write(rq)) {
		ap_reply_error(rq, "Unauthorized");
	} else if (route->handler == NULL) {
		ap_reply_error(rq, "%s: this version does not serve this route yet (see \"Not yet\" in the README)",
			       route->path);
	} else if (method == EVHTTP_REQ_HEAD && is_mutation(route)) {
		ap_reply_body(rq); /* HEAD changes nothing */
	} else {
		route->handler(rq);
	}
}

/* The part of the path behind the URL prefix and, unless *ret_root, "/api/". NULL when it lies elsewhere. */
static const char *
path_below_prefix(const struct door *door, const char *path, bool *ret_root)
{
	const char *prefix = door->trusted ? "" : door->h->ap->conf->URLPrefix;

	if (!str_starts(path, prefix) || path[strlen(prefix)] != '/')
		return NULL;
	path += strlen(prefix);
	*ret_root = !str_starts(path, "/api/");
	return path + strlen(*ret_root ? "/" : "/api/");
}

static void
route_request(struct door *door, struct evhttp_request *req, const char *path, const char *query)
{
	struct ap *ap = door->h->ap;
	enum evhttp_cmd_type method = evhttp_request_get_command(req);
	bool root;
	const char *rest = path_below_prefix(door, path, &root);
	struct ap_request *rq;

	if (rest == NULL) {
		reply_not_found(req);
		return;
	}
	rq = ap_request_new(ap, req, door->trusted);
	if (query != NULL && evhttp_parse_query_str(query, &rq->query) != 0)
		TAILQ_INIT(&rq->query);
	if (!ap_route_match(rest, root, &rq->arena, &rq->match) || !method_allowed(rq, method)) {
		ap_request_free(rq);
		reply_not_found(req);
		return;
	}
	call_handler(rq, method);
}

static void
on_request(struct evhttp_request *req, void *arg)
{
	struct door *door = arg;
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(req);
	const char *path = uri == NULL ? NULL : evhttp_uri_get_path(uri);

	door->h->stats.requests++;
	if (path == NULL || is_ambiguous(req)) {
		door->h->stats.rejected++;
		evhttp_send_error(req, HTTP_BADREQUEST, NULL);
		return;
	}
	route_request(door, req, path, evhttp_uri_get_query(uri));
}

/* --- connections
 * ------------------------------------------------------------------------------------------------------ */
/* evhttp 2.1 neither limits nor counts connections. Descriptors are what runs out, so these are counted, every
 * COUNT_EVERY new connections and every COUNT_MS; at the limit the client listener rests (more clients wait in the
 * kernel's backlog). */
static int64_t
count_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int64_t n = 0;

	if (dir == NULL)
		return AP_CONNECTIONS_MAX; /* none left to look with */
	while (readdir(dir) != NULL)
		n++;
	(void)closedir(dir);
	return n - 3; /* ".", "..", and the directory itself */
}

static void
heed_limit(struct ap_httpd *h)
{
	bool full;

	h->stats.connections = count_descriptors() - h->own_descriptors;
	full = h->stats.connections >= AP_CONNECTIONS_MAX;
	if (h->client.listener == NULL || full == h->resting)
		return;
	h->resting = full;
	if (full) {
		h->stats.rests++;
		log_warning("http", "%lld connections, waiting for some to end", (long long)h->stats.connections);
		(void)evconnlistener_disable(h->client.listener);
	} else {
		(void)evconnlistener_enable(h->client.listener);
	}
}

static void
on_count(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	heed_limit(arg);
}

static struct bufferevent *
on_new_connection(struct event_base *base, void *arg)
{
	struct door *door = arg;
	struct bufferevent *bev = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);

	ASSERT(bev != NULL);
	(void)bufferevent_set_max_single_write(bev, SINGLE_WRITE_BYTES);
	if (++door->h->stats.connections_total % COUNT_EVERY == 0)
		heed_limit(door->h);
	return bev;
}

static void
open_door(struct door *door, struct ap_httpd *h, bool trusted)
{
	door->h = h;
	door->trusted = trusted;
	door->http = evhttp_new(h->ap->base);
	ASSERT(door->http != NULL);
	evhttp_set_bevcb(door->http, on_new_connection, door);
	evhttp_set_gencb(door->http, on_request, door);
	evhttp_set_max_headers_size(door->http, AP_HEADERS_MAX);
	evhttp_set_max_body_size(door->http, AP_BODY_MAX);
	evhttp_set_timeout(door->http, AP_IDLE_S);
	evhttp_set_allowed_methods(door->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST | EVHTTP_REQ_PUT |
						   EVHTTP_REQ_DELETE | EVHTTP_REQ_OPTIONS | EVHTTP_REQ_PATCH);
}

/* "host:port", ":port", "[v6]:port" */
static int
split_address(const char *address, char *host, size_t host_size, const char **ret_port, struct err *e)
{
	const char *colon = strrchr(address, ':');
	size_t n;

	if (colon == NULL)
		return err_set(e, ERR_CONFIG, "ListenAddress \"%s\" has no port; write \":3000\" or \"host:3000\"",
			       address);
	n = (size_t)(colon - address);
	if (n >= 2 && address[0] == '[' && colon[-1] == ']') {
		address++;
		n -= 2;
	}
	if (n >= host_size)
		return err_set(e, ERR_CONFIG, "ListenAddress: host name too long");
	memcpy(host, address, n);
	host[n] = '\0';
	*ret_port = colon + 1;
	return 0;
}

static int
bind_one(const struct addrinfo *ai)
{
	int one = 1, zero = 0;
	int fd = socket(ai->ai_family, ai->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)); /* inherited by accepted connections */
	if (ai->ai_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 && listen(fd, 1024) == 0)
		return fd;
	(void)close(fd);
	return -1;
}

static int
listen_tcp(const char *address, int *ret_fd, struct err *e)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
	struct addrinfo *list = NULL, *ai;
	char host[256];
	const char *port = "";
	int rc = split_address(address, host, sizeof(host), &port, e), fd = -1, saved = 0;

	if (rc != 0)
		return rc;
	rc = getaddrinfo(host[0] == '\0' ? NULL : host, port, &hints, &list);
	if (rc != 0)
		return err_set(e, ERR_CONFIG, "ListenAddress \"%s\": %s", address, gai_strerror(rc));
	for (int want = AF_INET6; fd < 0 && want != 0; want = want == AF_INET6 ? AF_INET : 0) {
		for (ai = list; ai != NULL && fd < 0; ai = ai->ai_next) {
			if (ai->ai_family != want)
				continue;
			fd = bind_one(ai);
			saved = errno;
		}
	}
	freeaddrinfo(list);
	if (fd < 0)
		return err_sys(e, saved == EACCES ? ERR_PERMISSION : ERR_CONFIG, saved,
			       "cannot listen on \"%s\" (is another orchestrator running?)", address);
	*ret_fd = fd;
	return 0;
}

/* A left-over socket file that nobody serves is replaced; a live one is an error. */
static int
listen_unix(struct door *door, const char *path, int *ret_fd, struct err *e)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof(sa.sun_path))
		return err_set(e, ERR_CONFIG, "socket path \"%s\" is longer than %zu bytes", path,
			       sizeof(sa.sun_path) - 1);
	memcpy(sa.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_sys(e, ERR_IO, errno, "socket");
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0) {
		(void)close(fd);
		return err_set(e, ERR_BUSY, "socket \"%s\" is served by another process", path);
	}
	(void)unlink(path);
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) != 0 || listen(fd, 128) != 0) {
		int saved = errno;
		(void)close(fd);
		return err_sys(e, ERR_CONFIG, saved, "cannot listen on socket \"%s\"", path);
	}
	door->unlink_path = mem_strdup(path);
	*ret_fd = fd;
	return 0;
}

static int
serve(struct door *door, int fd, struct err *e)
{
	struct evhttp_bound_socket *bound = evhttp_accept_socket_with_handle(door->http, fd);

	if (bound == NULL) {
		(void)close(fd);
		return err_set(e, ERR_IO, "evhttp refused the listening socket");
	}
	if (!door->trusted)
		door->listener = evhttp_bound_socket_get_listener(bound);
	return 0;
}

static int
start_client_door(struct ap_httpd *h, struct err *e)
{
	const struct conf *conf = h->ap->conf;
	int fd, rc;

	open_door(&h->client, h, false);
	if (conf->ListenSocket[0] != '\0')
		rc = listen_unix(&h->client, conf->ListenSocket, &fd, e);
	else
		rc = listen_tcp(conf->ListenAddress, &fd, e);
	return rc != 0 ? rc : serve(&h->client, fd, e);
}

static int
start_control_door(struct ap_httpd *h, struct err *e)
{
	char path[160];
	int fd, rc;

	(void)snprintf(path, sizeof(path), "%s/%s", proc_setup(h->ap->proc)->runtime_dir, PROC_SOCKET_CONTROL);
	open_door(&h->control, h, true);
	rc = listen_unix(&h->control, path, &fd, e);
	return rc != 0 ? rc : serve(&h->control, fd, e);
}

int
ap_httpd_start(struct ap *ap, bool listen, struct ap_httpd **ret_h, struct err *e)
{
	static const struct timeval every = {0, COUNT_MS * 1000};
	struct ap_httpd *h = mem_new(struct ap_httpd);
	int rc;

	h->ap = ap;
	h->count = event_new(ap->base, -1, EV_PERSIST, on_count, h);
	ASSERT(h->count != NULL && event_add(h->count, &every) == 0);
	rc = start_control_door(h, e);
	if (rc == 0 && listen)
		rc = start_client_door(h, e);
	if (rc != 0) {
		ap_httpd_stop(h);
		return rc;
	}
	h->own_descriptors = count_descriptors();
	*ret_h = h;
	return 0;
}

static void
close_door(struct door *door)
{
	if (door->http != NULL)
		evhttp_free(door->http);
	door->http = NULL;
	if (door->unlink_path != NULL)
		(void)unlink(door->unlink_path);
	free(door->unlink_path);
	door->unlink_path = NULL;
}

void
ap_httpd_stop(struct ap_httpd *h)
{
	if (h == NULL)
		return;
	event_free(h->count);
	close_door(&h->client);
	close_door(&h->control);
	free(h);
}

struct ap_httpd_stats
ap_httpd_stats(const struct ap_httpd *h)
{
	struct ap_httpd_stats s = h->stats;

	s.in_flight = ap_requests_alive();
	return s;
}
