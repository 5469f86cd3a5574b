/* ap_relay.c — one attempt to have a request answered by the leader: the request as curl sends it, the answer as curl
 * brings it. Everything in the answer is taken for hostile. Called by ap_proxy.c. */
#include <event2/buffer.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ap_auth.h"
#include "ap_hop.h"
#include "ap_proxy_private.h"
#include "ap_raftd.h"
#include "ap_request.h"

/* --- the answer ----------------------------------------------------------------------------------------------------- */
static void
forget_answer(struct ap_relay *r)
{
	evhttp_clear_headers(&r->answer);
	free(r->connection);
	r->connection = NULL;
	r->n_headers = r->header_bytes = 0;
	r->status = 0;
	r->index = 0;
	r->not_leader = false;
}

/* "HTTP/1.1 200 OK"; an interim answer (1xx) may stand before the final one. */
static void
take_status(struct ap_relay *r, const char *line)
{
	const char *blank = strchr(line, ' ');

	forget_answer(r);
	r->status = blank == NULL ? 0 : atoi(blank + 1);
}

static void
take_header(struct ap_relay *r, const char *name, const char *value)
{
	uint64_t length;
	struct err e;

	if (str_eq_nocase(name, "Connection")) {
		free(r->connection);
		r->connection = mem_strdup(value);
	} else if (str_eq_nocase(name, AP_HEADER_NOT_LEADER)) {
		r->not_leader = true;
	} else if (str_eq_nocase(name, AP_HEADER_INDEX) && str_parse_u64(value, UINT64_MAX, &r->index, &e) != 0) {
		r->index = 0;
	} else if (str_eq_nocase(name, "Content-Length") && str_parse_u64(value, INT64_MAX, &length, &e) != 0) {
		r->too_large = true; /* curl would read until the connection ends and call that whole */
	}
	(void)evhttp_add_header(&r->answer, name, value); /* sorted out when all are there */
}

static size_t
on_header(char *p, size_t size, size_t n, void *ctx)
{
	struct ap_relay *r = ctx;
	size_t bytes = size * n;
	char *line = mem_strndup(p, bytes), *colon, *text = str_trim(line);

	r->header_bytes += bytes;
	if (str_starts(text, "HTTP/"))
		take_status(r, text);
	else if ((colon = strchr(text, ':')) != NULL) {
		*colon = '\0';
		r->n_headers++;
		take_header(r, text, str_trim(colon + 1));
	}
	free(line);
	r->too_large =
	    r->too_large || r->n_headers > AP_RELAY_HEADERS_MAX || r->header_bytes > AP_RELAY_HEADER_BYTES_MAX;
	return r->too_large ? 0 : bytes;
}

void
ap_relay_copy_headers(struct ap_relay *r)
{
	struct evkeyvalq *out = evhttp_request_get_output_headers(r->rq->http);
	const struct evkeyval *kv;

	TAILQ_FOREACH (kv, &r->answer, next) {
		bool stale = str_eq_nocase(kv->key, AP_HEADER_STALE);
		/* The length of a body that is passed on in pieces, or not at all, is known from here only. */
		bool length = str_eq_nocase(kv->key, "Content-Length") && (r->streaming || r->rq->is_head);
		if (stale || length || ap_hop_passes(kv->key, kv->value, r->connection))
			(void)evhttp_add_header(out, kv->key, kv->value);
	}
}

/* The answer goes on to the client from here on. */
static void
start_stream(struct ap_relay *r)
{
	r->streaming = true;
	ap_relay_copy_headers(r);
	ap_stream_start(r->rq, r->status);
	ap_stream_add(r->rq, r->rq->body.p, r->rq->body.len);
	str_buf_done(&r->rq->body);
}

static void
note_progress(struct ap_relay *r)
{
	struct mono patient = mono_add_us(clk_mono(r->rq->ap->clock), AP_PROXY_STALL_MS * CLK_MS);

	if (!r->hurried && mono_before(r->deadline, patient))
		r->deadline = patient;
}

static size_t
on_body(char *p, size_t size, size_t n, void *ctx)
{
	struct ap_relay *r = ctx;
	struct ap_request *rq = r->rq;
	size_t bytes = size * n, limit = r->changes ? AP_PROXY_CHANGE_MAX : AP_PROXY_WHOLE_MAX;

	if (!r->changes)
		note_progress(r);
	if (!r->streaming && rq->body.len + bytes <= limit) {
		str_buf_add_n(&rq->body, p, bytes);
		return bytes;
	}
	if (r->changes || r->not_leader) {
		r->too_large = true;
		return 0;
	}
	if (!r->streaming)
		start_stream(r);
	if (ap_stream_backlog(rq) > AP_PROXY_BACKLOG_MAX) {
		r->paused = true;
		return CURL_WRITEFUNC_PAUSE; /* the same bytes come again */
	}
	return ap_stream_add(rq, p, bytes) ? bytes : 0;
}

/* --- the request ---------------------------------------------------------------------------------------------------- */
static void
add_line(struct ap_relay *r, const char *name, const char *value)
{
	struct str_buf line = {0};
	struct curl_slist *list;

	/* curl's way to say a header without value */
	str_buf_printf(&line, value[0] == '\0' ? "%s;" : "%s: %s", name, value);
	list = curl_slist_append(r->headers, str_buf_text(&line));
	ASSERT(list != NULL);
	r->headers = list;
	str_buf_done(&line);
}

/* Who asks, after those who asked before. */
static void
add_forwarded_for(struct ap_relay *r, const struct evkeyvalq *in)
{
	struct evhttp_connection *c = evhttp_request_get_connection(r->rq->http);
	const char *before = evhttp_find_header(in, "X-Forwarded-For");
	struct str_buf text = {0};
	ev_uint16_t port;
	char *peer = NULL;

	if (c != NULL)
		evhttp_connection_get_peer(c, &peer, &port);
	if (before != NULL && ap_hop_passes("X-Forwarded-For", before, NULL))
		str_buf_add(&text, before);
	if (!str_empty(peer))
		str_buf_printf(&text, "%s%s", text.len > 0 ? ", " : "", peer);
	if (text.len > 0)
		add_line(r, "X-Forwarded-For", str_buf_text(&text));
	str_buf_done(&text);
}

/* What the control socket sends has no credentials; this node shows its own, as historically. (With a method that needs
 * a token it has none, and the leader refuses.) */
static void
add_login(struct ap_relay *r)
{
	const struct conf *conf = r->rq->conf;
	enum ap_auth_method method = ap_auth_method_of(conf);
	struct str_buf login = {0};
	char *text;

	if (method == AP_AUTH_PROXY && conf->PowerAuthUsers.n > 0)
		add_line(r, conf->AuthUserHeader, conf->PowerAuthUsers.v[0]);
	if (method != AP_AUTH_BASIC && method != AP_AUTH_MULTI)
		return;
	str_buf_printf(&login, "%s:%s", conf->HTTPAuthUser, conf->HTTPAuthPassword);
	text = mem_alloc(login.len * 2 + 8);
	memcpy(text, "Basic ", 6);
	(void)EVP_EncodeBlock((unsigned char *)text + 6, (const unsigned char *)str_buf_text(&login), (int)login.len);
	add_line(r, "Authorization", text);
	free(text);
	str_buf_done(&login);
}

static void
add_headers(struct ap_relay *r, const char *self)
{
	const struct evkeyvalq *in = evhttp_request_get_input_headers(r->rq->http);
	const char *connection = evhttp_find_header(in, "Connection");
	const struct evkeyval *kv;

	TAILQ_FOREACH (kv, in, next) {
		if (!str_eq_nocase(kv->key, "X-Forwarded-For") && ap_hop_passes(kv->key, kv->value, connection))
			add_line(r, kv->key, kv->value);
	}
	add_forwarded_for(r, in);
	if (r->rq->trusted)
		add_login(r);
	add_line(r, AP_HEADER_RELAYED, self[0] == '\0' ? "unknown" : self);
	/* these would be curl's own ideas */
	r->headers = curl_slist_append(r->headers, "Expect:");
	if (evhttp_find_header(in, "Accept") == NULL)
		r->headers = curl_slist_append(r->headers, "Accept:");
	if (evhttp_find_header(in, "Content-Type") == NULL)
		r->headers = curl_slist_append(r->headers, "Content-Type:");
	(void)curl_easy_setopt(r->easy, CURLOPT_HTTPHEADER, r->headers);
}

/* Path and query unchanged; the control socket knows no prefix. */
static void
set_url(struct ap_relay *r, const char *leader_uri)
{
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(r->rq->http);
	const char *query = evhttp_uri_get_query(uri);
	size_t n = strlen(leader_uri);
	struct str_buf url = {0};

	while (n > 0 && leader_uri[n - 1] == '/')
		n--;
	str_buf_add_n(&url, leader_uri, n);
	if (r->rq->trusted)
		str_buf_add(&url, r->rq->conf->URLPrefix);
	str_buf_add(&url, evhttp_uri_get_path(uri));
	if (query != NULL)
		str_buf_printf(&url, "?%s", query);
	(void)curl_easy_setopt(r->easy, CURLOPT_URL, str_buf_text(&url));
	str_buf_done(&url);
}

static void
set_method(struct ap_relay *r)
{
	struct evbuffer *in = evhttp_request_get_input_buffer(r->rq->http);
	size_t n = evbuffer_get_length(in);

	/* the control socket may GET a change where strangers must not */
	bool post = evhttp_request_get_command(r->rq->http) == EVHTTP_REQ_POST || (r->rq->trusted && r->changes);

	if (r->rq->is_head) {
		(void)curl_easy_setopt(r->easy, CURLOPT_NOBODY, 1L);
	} else if (post) {
		(void)curl_easy_setopt(r->easy, CURLOPT_POST, 1L);
		(void)curl_easy_setopt(r->easy, CURLOPT_POSTFIELDSIZE, (long)n);
		(void)curl_easy_setopt(r->easy, CURLOPT_COPYPOSTFIELDS, n == 0 ? "" : (char *)evbuffer_pullup(in, -1));
	}
	/* On a kept connection that turns out to be dead curl would send the request again by itself: never a change.
	 */
	(void)curl_easy_setopt(r->easy, CURLOPT_FRESH_CONNECT, r->changes ? 1L : 0L);
}

static void
set_tls(CURL *easy, const struct conf *conf)
{
	long verify = conf->SSLSkipVerify ? 0L : 1L;

	(void)curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	(void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, verify);
	(void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, verify * 2L);
	if (conf->SSLCAFile[0] != '\0')
		(void)curl_easy_setopt(easy, CURLOPT_CAINFO, conf->SSLCAFile);
	if (conf->SSLCertFile[0] == '\0' || conf->SSLPrivateKeyFile[0] == '\0')
		return;
	(void)curl_easy_setopt(easy, CURLOPT_SSLCERT, conf->SSLCertFile); /* shown if the leader asks for one */
	(void)curl_easy_setopt(easy, CURLOPT_SSLKEY, conf->SSLPrivateKeyFile);
	(void)curl_easy_setopt(easy, CURLOPT_KEYPASSWD, conf->SSLPrivateKeyPassword);
}

static void
set_limits(struct ap_relay *r)
{
	(void)curl_easy_setopt(r->easy, CURLOPT_PROTOCOLS_STR, "http,https");
	(void)curl_easy_setopt(r->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	(void)curl_easy_setopt(r->easy, CURLOPT_FOLLOWLOCATION, 0L);
	(void)curl_easy_setopt(r->easy, CURLOPT_PATH_AS_IS, 1L);
	(void)curl_easy_setopt(r->easy, CURLOPT_PROXY, "");
	(void)curl_easy_setopt(r->easy, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(r->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)AP_PROXY_CONNECT_MS);
	(void)curl_easy_setopt(r->easy, CURLOPT_DNS_CACHE_TIMEOUT, 0L); /* a member is a name, its address may change */
}

static void
set_callbacks(struct ap_relay *r)
{
	(void)curl_easy_setopt(r->easy, CURLOPT_ERRORBUFFER, r->error);
	(void)curl_easy_setopt(r->easy, CURLOPT_HEADERFUNCTION, on_header);
	(void)curl_easy_setopt(r->easy, CURLOPT_HEADERDATA, r);
	(void)curl_easy_setopt(r->easy, CURLOPT_WRITEFUNCTION, on_body);
	(void)curl_easy_setopt(r->easy, CURLOPT_WRITEDATA, r);
}

void
ap_relay_prepare(struct ap_relay *r, const struct ipc_state *state)
{
	ASSERT(r->easy == NULL);
	r->easy = curl_easy_init();
	ASSERT(r->easy != NULL);
	free(r->leader);
	r->leader = mem_strdup(state->leader);
	r->error[0] = '\0';
	r->hurried = r->timed_out = r->too_large = false;
	set_url(r, state->leader_uri);
	set_limits(r);
	set_callbacks(r);
	set_tls(r->easy, r->rq->conf);
	set_method(r);
	add_headers(r, state->self);
}

void
ap_relay_reset(struct ap_relay *r)
{
	if (r->easy != NULL)
		curl_easy_cleanup(r->easy);
	r->easy = NULL;
	curl_slist_free_all(r->headers);
	r->headers = NULL;
	forget_answer(r);
	r->streaming = r->paused = false;
	str_buf_clear(&r->rq->body);
}
