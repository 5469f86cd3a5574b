/* ap_tls.c — see ap_tls.h. Owns the OpenSSL context and the list of unfinished handshakes. Called by ap_httpd.c, and by
 * ap_gate.c for what a certificate says. */
#include "ap_tls.h"

#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/line_budget.h"
#include "base/log.h"
#include "base/mem.h"

#define SWEEP_MS 250
#define SAY_US CLK_S

struct ap_tls {
	struct event_base *base;
	struct clock *clock;
	SSL_CTX *ctx;
	struct event *sweep;		   /* runs while there are unfinished handshakes */
	TAILQ_HEAD(, ap_shake) unfinished; /* oldest first */
	struct line_budget said;	   /* about failed handshakes */
	struct ap_tls_stats stats;
};

static void unlist(struct ap_tls *tls, struct ap_shake *s);

/* --- the context ----------------------------------------------------------------------------------------------- */
/* Once is enough: SSL_is_init_finished() is false again after an error. */
static void
on_ssl_event(const SSL *ssl, int what, int value UNUSED)
{
	struct ap_shake *s = SSL_get_app_data(ssl);

	if ((what & SSL_CB_HANDSHAKE_DONE) == 0)
		return;
	s->finished = true;
	unlist(s->tls, s);
}

static int
make_context(const struct conf *c, SSL_CTX **ret_ctx, struct err *e)
{
	struct tls_files files = {.switch_key = "UseSSL",
				  .ca = {"SSLCAFile", c->SSLCAFile},
				  .cert = {"SSLCertFile", c->SSLCertFile},
				  .private_key = {"SSLPrivateKeyFile", c->SSLPrivateKeyFile},
				  .password_key = "SSLPrivateKeyPassword",
				  .password = c->SSLPrivateKeyPassword};

	int rc = tls_context_new(&files, c->UseMutualTLS ? TLS_OTHER_MAY : TLS_OTHER_ANY, ret_ctx, e);

	if (rc == 0)
		SSL_CTX_set_info_callback(*ret_ctx, on_ssl_event);
	return rc;
}

int
ap_tls_reload(struct ap_tls *tls, const struct conf *conf, struct err *e)
{
	SSL_CTX *fresh;
	int rc = make_context(conf, &fresh, e);

	if (rc != 0)
		return rc;
	SSL_CTX_free(tls->ctx); /* connections hold it */
	tls->ctx = fresh;
	return 0;
}

/* --- unfinished handshakes ------------------------------------------------------------------------------------- */
static SSL *
ssl_of(const struct ap_shake *s)
{
	return bufferevent_openssl_get_ssl(s->bev);
}

static void
unlist(struct ap_tls *tls, struct ap_shake *s)
{
	if (!s->unfinished)
		return;
	s->unfinished = false;
	TAILQ_REMOVE(&tls->unfinished, s, next);
	if (--tls->stats.unfinished == 0)
		(void)event_del(tls->sweep);
}

/* evhttp notices, and closes. */
static void
cut(struct ap_tls *tls, struct ap_shake *s)
{
	unlist(tls, s);
	(void)shutdown(bufferevent_getfd(s->bev), SHUT_RDWR);
}

static void
on_sweep(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct ap_tls *tls = arg;
	struct mono now = clk_mono(tls->clock);
	struct ap_shake *s;

	while ((s = TAILQ_FIRST(&tls->unfinished)) != NULL && !mono_before(now, s->until)) {
		tls->stats.late++;
		cut(tls, s);
	}
}

static void
make_room(struct ap_tls *tls)
{
	if (tls->stats.unfinished < AP_SHAKES_MAX)
		return;
	tls->stats.crowded++;
	cut(tls, TAILQ_FIRST(&tls->unfinished));
}

struct bufferevent *
ap_tls_accept(struct ap_tls *tls, struct ap_shake *s)
{
	struct timeval tick = clk_timeval(SWEEP_MS * CLK_MS);
	SSL *ssl = SSL_new(tls->ctx);

	ASSERT(ssl != NULL);
	make_room(tls);
	s->bev = bufferevent_openssl_socket_new(tls->base, -1, ssl, BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
	ASSERT(s->bev != NULL);
	bufferevent_openssl_set_allow_dirty_shutdown(s->bev, 1); /* requests say themselves where they end */
	s->until = mono_add_us(clk_mono(tls->clock), AP_SHAKE_MS * CLK_MS);
	s->tls = tls;
	s->unfinished = true;
	(void)SSL_set_app_data(ssl, s);
	TAILQ_INSERT_TAIL(&tls->unfinished, s, next);
	if (tls->stats.unfinished++ == 0)
		ASSERT(event_add(tls->sweep, &tick) == 0);
	return s->bev;
}

/* --- the end of a connection ----------------------------------------------------------------------------------- */
/* As the historical server does; what the client sent goes first, or the kernel throws the answer away. */
static void
tell_plain_client(int fd)
{
	static const char text[] = "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
	char rest[8192];
	ssize_t n = recv(fd, rest, sizeof(rest), MSG_DONTWAIT);

	if (n >= 0)
		(void)send(fd, text, sizeof(text) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* Anybody can make handshakes fail: not more than one line a second. */
static void
log_failure(struct ap_tls *tls, const char *peer, const char *why)
{
	uint64_t others = 0;

	if (line_budget_spend(&tls->said, 1, SAY_US, clk_mono(tls->clock), &others) == LINE_SAY)
		log_info("http", "no TLS connection with %s: %s; others_since=%llu", LOG_Q(peer), LOG_Q(why),
			 (unsigned long long)others); /* tests: test_tls.py */
}

static void
note_failure(struct ap_tls *tls, const struct ap_shake *s, const char *peer)
{
	unsigned long code = bufferevent_get_openssl_error(s->bev);
	char why[256];

	tls->stats.failed++;
	if (ERR_GET_REASON(code) == SSL_R_HTTP_REQUEST)
		tell_plain_client(bufferevent_getfd(s->bev));
	tls_why(ssl_of(s), code, why, sizeof(why));
	log_failure(tls, peer, why);
}

void
ap_tls_closing(struct ap_tls *tls, struct ap_shake *s, const char *peer)
{
	SSL *ssl = ssl_of(s);

	if (s->finished)
		(void)SSL_shutdown(ssl); /* best effort: "this was all" */
	else
		note_failure(tls, s, peer);
	unlist(tls, s);
	ERR_clear_error();
}

/* --- what a connection shows ----------------------------------------------------------------------------------- */
bool
ap_tls_is(struct bufferevent *bev)
{
	return bufferevent_openssl_get_ssl(bev) != NULL;
}

size_t
ap_tls_units(struct bufferevent *bev, char ret_units[TLS_UNITS_MAX][TLS_UNIT_BYTES])
{
	SSL *ssl = bufferevent_openssl_get_ssl(bev);

	return ssl == NULL ? 0 : tls_units(ssl, ret_units);
}

struct ap_tls_stats
ap_tls_stats(const struct ap_tls *tls)
{
	return tls == NULL ? (struct ap_tls_stats){0} : tls->stats;
}

/* --- start and end --------------------------------------------------------------------------------------------- */
int
ap_tls_new(struct event_base *base, struct clock *clock, const struct conf *conf, struct ap_tls **ret_tls,
	   struct err *e)
{
	struct ap_tls *tls;
	SSL_CTX *ctx;
	int rc = make_context(conf, &ctx, e);

	if (rc != 0)
		return rc;
	tls = mem_new(struct ap_tls);
	tls->base = base;
	tls->clock = clock;
	tls->ctx = ctx;
	TAILQ_INIT(&tls->unfinished);
	tls->sweep = event_new(base, -1, EV_PERSIST, on_sweep, tls);
	ASSERT(tls->sweep != NULL);
	*ret_tls = tls;
	return 0;
}

void
ap_tls_free(struct ap_tls *tls)
{
	if (tls == NULL)
		return;
	event_free(tls->sweep);
	SSL_CTX_free(tls->ctx);
	free(tls);
}
