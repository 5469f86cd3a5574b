/* ap_httpd.c — doors and connections. Owns the evhttp servers and a record of each connection; requests go to
 * ap_dispatch.
 *
 * evhttp 2.1 leaves to us: a limit on connections, and one on what it buffers for a client that sends while it does not
 * read (libraries.md section 6). It has no hook for the end of a connection but the close callback, and tells nobody of
 * the connection before its first request; so each new bufferevent is noted, and once evhttp has set itself as the
 * argument of its callbacks, it is asked for there. (A filter around the bufferevent would be told of its end, too, but
 * loses answers that end the connection.) */
#include "ap_httpd.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/resource.h>
#include <unistd.h>

#include "ap_dispatch.h"
#include "ap_listen.h"
#include "base/log.h"

#define SINGLE_WRITE_BYTES ((size_t)256 * 1024)
#define INPUT_MAX ((size_t)AP_HEADERS_MAX + AP_BODY_MAX)
#define OTHER_FILES 128 /* database, links, log … */
#define REST_MS 100	/* after a failed accept */
#define DRAIN_LOOK_MS 10

struct conn {
	TAILQ_ENTRY(conn) next;
	struct door *door;
	struct bufferevent *bev; /* evhttp's */
	struct ap_shake shake;
};
TAILQ_HEAD(conn_list, conn);

struct door {
	struct ap_httpd *h;
	struct evhttp *http;
	struct evconnlistener *listener; /* owned by http */
	const struct ap_paths *paths;	 /* NULL: the control socket */
	struct ap_tls *tls;		 /* NULL: plain */
	char *unlink_path;		 /* Unix sockets are removed at the end */
};

struct ap_httpd {
	struct ap *ap;
	struct ap_paths paths;
	struct door client, control;
	struct conn_list fresh, conns; /* fresh: evhttp has not set its callbacks yet */
	struct event *adopt, *drain;
	int64_t connections_max;
	bool full; /* the client's listener rests */
	struct mono drain_deadline;
	void (*drained)(void *ctx);
	void *drained_ctx;
	struct ap_httpd_stats stats;
};

/* --- requests -------------------------------------------------------------------------------------------------- */
static void
on_request(struct evhttp_request *http, void *arg)
{
	struct door *door = arg;
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(http);

	door->h->stats.requests++;
	if (uri == NULL || evhttp_uri_get_path(uri) == NULL || ap_is_ambiguous(http)) {
		door->h->stats.rejected++;
		evhttp_send_error(http, HTTP_BADREQUEST, NULL);
		return;
	}
	ap_dispatch(door->h->ap, door->paths, http);
}

/* --- connections ----------------------------------------------------------------------------------------------- */
/* At the limit further clients wait in the kernel's backlog. */
static void
note_limit(struct ap_httpd *h)
{
	bool full = h->stats.connections >= h->connections_max;

	if (full == h->full || h->client.listener == NULL)
		return;
	h->full = full;
	h->stats.rests += full;
	(void)(full ? evconnlistener_disable(h->client.listener) : evconnlistener_enable(h->client.listener));
}

/* Its bufferevent is still there. */
static void
on_conn_closed(struct evhttp_connection *c, void *arg)
{
	struct conn *conn = arg;
	struct ap_httpd *h = conn->door->h;
	char *peer = NULL;
	ev_uint16_t port;

	evhttp_connection_get_peer(c, &peer, &port);
	if (conn->door->tls != NULL)
		ap_tls_closing(conn->door->tls, &conn->shake, peer == NULL ? "" : peer);
	TAILQ_REMOVE(&h->conns, conn, next);
	h->stats.connections--;
	free(conn);
	note_limit(h);
}

static struct bufferevent *
new_bufferevent(struct event_base *base, struct conn *conn)
{
	struct bufferevent *bev = conn->door->tls != NULL ? ap_tls_accept(conn->door->tls, &conn->shake)
							  : bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);

	ASSERT(bev != NULL);
	(void)bufferevent_set_max_single_write(bev, SINGLE_WRITE_BYTES);
	bufferevent_setwatermark(bev, EV_READ, 0, INPUT_MAX);
	return bev;
}

static struct bufferevent *
on_new_connection(struct event_base *base, void *arg)
{
	struct conn *conn = mem_new(struct conn);
	struct ap_httpd *h;

	conn->door = arg;
	conn->bev = new_bufferevent(base, conn);
	h = conn->door->h;
	TAILQ_INSERT_TAIL(&h->fresh, conn, next);
	h->stats.connections_total++;
	h->stats.connections++;
	event_active(h->adopt, EV_TIMEOUT, 0);
	note_limit(h);
	return conn->bev;
}

/* Runs before the loop waits again, so no connection can have ended since on_new_connection(). */
static void
on_adopt(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct ap_httpd *h = arg;
	struct conn *conn;

	while ((conn = TAILQ_FIRST(&h->fresh)) != NULL) {
		void *evcon = NULL;
		bufferevent_getcb(conn->bev, NULL, NULL, NULL, &evcon);
		ASSERT(evcon != NULL);
		TAILQ_REMOVE(&h->fresh, conn, next);
		TAILQ_INSERT_TAIL(&h->conns, conn, next);
		evhttp_connection_set_closecb(evcon, on_conn_closed, conn);
	}
}

static void
on_rested(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	(void)evconnlistener_enable(arg);
}

/* Out of files or memory. libevent by itself would try again at once and for ever. */
static void
on_accept_failed(struct evconnlistener *l, void *arg UNUSED)
{
	static const struct timeval rest = {0, REST_MS * 1000};
	int errno_value = EVUTIL_SOCKET_ERROR();

	log_warning("http", "cannot accept a connection (%s), trying again in %d ms", strerror(errno_value), REST_MS);
	(void)evconnlistener_disable(l);
	(void)event_base_once(evconnlistener_get_base(l), -1, EV_TIMEOUT, on_rested, l, &rest);
}

/* --- draining -------------------------------------------------------------------------------------------------- */
static bool
all_is_written(const struct ap_httpd *h)
{
	const struct conn *conn;

	TAILQ_FOREACH (conn, &h->conns, next) {
		if (evbuffer_get_length(bufferevent_get_output(conn->bev)) > 0)
			return false;
	}
	return true;
}

static void
on_drain_look(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct ap_httpd *h = arg;

	if (mono_before(clk_mono(h->ap->clock), h->drain_deadline) && (h->ap->requests_alive > 0 || !all_is_written(h)))
		return;
	(void)event_del(h->drain);
	h->drained(h->drained_ctx);
}

static void
stop_accepting(struct door *door)
{
	if (door->listener != NULL)
		(void)evconnlistener_disable(door->listener);
	door->listener = NULL;
}

void
ap_httpd_drain(struct ap_httpd *h, int64_t deadline_ms, void (*done)(void *ctx), void *ctx)
{
	static const struct timeval look = {0, DRAIN_LOOK_MS * 1000};

	stop_accepting(&h->client);
	stop_accepting(&h->control);
	h->drain_deadline = mono_add_us(clk_mono(h->ap->clock), deadline_ms * CLK_MS);
	h->drained = done;
	h->drained_ctx = ctx;
	ASSERT(event_add(h->drain, &look) == 0);
}

/* --- opening --------------------------------------------------------------------------------------------------- */
static int64_t
connections_max(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur >= AP_CONNECTIONS_MAX + OTHER_FILES)
		return AP_CONNECTIONS_MAX;
	return max_i64((int64_t)files.rlim_cur - OTHER_FILES, 16);
}

/* Takes fd. */
static int
open_door(struct ap_httpd *h, struct door *door, int fd, struct err *e)
{
	struct evhttp_bound_socket *bound;

	door->h = h;
	door->http = evhttp_new(h->ap->base);
	ASSERT(door->http != NULL);
	evhttp_set_bevcb(door->http, on_new_connection, door);
	evhttp_set_gencb(door->http, on_request, door);
	evhttp_set_max_headers_size(door->http, AP_HEADERS_MAX);
	evhttp_set_max_body_size(door->http, AP_BODY_MAX);
	evhttp_set_timeout(door->http, AP_IDLE_S);
	evhttp_set_allowed_methods(door->http, UINT16_MAX); /* what we don't serve is 404, as historically */
	bound = evhttp_accept_socket_with_handle(door->http, fd);
	if (bound == NULL) {
		(void)close(fd);
		return err_set(e, ERR_IO, "evhttp refused the listening socket");
	}
	door->listener = evhttp_bound_socket_get_listener(bound);
	evconnlistener_set_error_cb(door->listener, on_accept_failed);
	return 0;
}

static int
open_unix_door(struct ap_httpd *h, struct door *door, const char *path, struct err *e)
{
	int fd, rc = ap_listen_unix(path, &fd, e);

	if (rc != 0)
		return rc;
	door->unlink_path = mem_strdup(path);
	return open_door(h, door, fd, e);
}

static int
open_client_door(struct ap_httpd *h, struct err *e)
{
	const struct conf *conf = h->ap->conf;
	int fd, rc;

	h->client.paths = &h->paths;
	if (conf->ListenSocket[0] != '\0')
		return open_unix_door(h, &h->client, conf->ListenSocket, e);
	if (conf->UseSSL && (rc = ap_tls_new(h->ap->base, h->ap->clock, conf, &h->client.tls, e)) != 0)
		return rc;
	rc = ap_listen_tcp(conf->ListenAddress, &fd, e);
	return rc != 0 ? rc : open_door(h, &h->client, fd, e);
}

static int
open_control_door(struct ap_httpd *h, struct err *e)
{
	char path[160];

	(void)snprintf(path, sizeof(path), "%s/%s", proc_setup(h->ap->proc)->runtime_dir, PROC_SOCKET_CONTROL);
	return open_unix_door(h, &h->control, path, e);
}

int
ap_httpd_start(struct ap *ap, bool listen, struct ap_httpd **ret_h, struct err *e)
{
	struct ap_httpd *h = mem_new(struct ap_httpd);
	int rc;

	h->ap = ap;
	h->connections_max = connections_max();
	ap_paths_init(&h->paths, ap->conf);
	TAILQ_INIT(&h->fresh);
	TAILQ_INIT(&h->conns);
	h->adopt = event_new(ap->base, -1, 0, on_adopt, h);
	h->drain = event_new(ap->base, -1, EV_PERSIST, on_drain_look, h);
	ASSERT(h->adopt != NULL && h->drain != NULL);
	rc = open_control_door(h, e);
	if (rc == 0 && listen)
		rc = open_client_door(h, e);
	if (rc != 0) {
		ap_httpd_stop(h);
		return rc;
	}
	*ret_h = h;
	return 0;
}

/* --- the end --------------------------------------------------------------------------------------------------- */
static void
close_door(struct door *door)
{
	door->listener = NULL;
	if (door->http != NULL)
		evhttp_free(door->http);
	if (door->unlink_path != NULL)
		(void)unlink(door->unlink_path);
	free(door->unlink_path);
}

void
ap_httpd_stop(struct ap_httpd *h)
{
	struct conn *conn;

	if (h == NULL)
		return;
	ASSERT(h->ap->requests_alive == 0);
	on_adopt(-1, 0, h); /* so that none is left in h->fresh */
	close_door(&h->client);
	close_door(&h->control);
	while ((conn = TAILQ_FIRST(&h->conns)) != NULL) {
		TAILQ_REMOVE(&h->conns, conn, next);
		free(conn);
	}
	event_free(h->adopt);
	event_free(h->drain);
	ap_tls_free(h->client.tls);
	ap_paths_done(&h->paths);
	free(h);
}

void
ap_httpd_reload(struct ap_httpd *h)
{
	struct err e;

	if (h != NULL && h->client.tls != NULL && ap_tls_reload(h->client.tls, h->ap->conf, &e) != 0)
		log_error("http", "%s; the former certificate stays in use", e.msg); /* tests: test_tls.py */
}

struct ap_httpd_stats
ap_httpd_stats(const struct ap_httpd *h)
{
	struct ap_httpd_stats stats = h->stats;

	stats.tls = ap_tls_stats(h->client.tls);
	return stats;
}
