/* ap_request.c — one HTTP request: parameters, envelope, answer. Owns the request and what hangs on it; handlers and
 * reader threads call it. */
#include "ap_request.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "ap_gzip.h"
#include "ap_hop.h"

struct ap_request *
ap_request_new(struct ap *ap, struct evhttp_request *http, bool trusted)
{
	struct ap_request *rq = mem_new(struct ap_request);

	rq->ap = ap;
	rq->conf = conf_ref(ap->conf);
	rq->http = http;
	rq->trusted = trusted;
	rq->relayed = evhttp_find_header(evhttp_request_get_input_headers(http), AP_HEADER_RELAYED) != NULL;
	rq->takes_gzip =
	    ap_gzip_is_accepted(evhttp_find_header(evhttp_request_get_input_headers(http), "Accept-Encoding"));
	rq->is_head = evhttp_request_get_command(http) == EVHTTP_REQ_HEAD;
	rq->status = HTTP_OK;
	ap->requests_alive++;
	return rq;
}

static void
end_request(struct ap_request *rq)
{
	struct ap *ap = rq->ap;

	ap->requests_alive--;
	if (rq->status < HTTP_BADREQUEST)
		ap->answered_ok++;
	else
		ap->answered_error++;
	conf_unref(rq->conf);
	str_buf_done(&rq->body);
	mem_arena_done(&rq->arena);
	free(rq);
}

const char *
ap_param(const struct ap_request *rq, const char *name)
{
	return ap_match_param(&rq->match, name);
}

bool
ap_has_param(const struct ap_request *rq, const char *name)
{
	return ap_match_has_param(&rq->match, name);
}

const char *
ap_query(const struct ap_request *rq, const char *name)
{
	return ap_query_value(&rq->query, name);
}

const char *
ap_param_or_query(const struct ap_request *rq, const char *name)
{
	return ap_has_param(rq, name) ? ap_param(rq, name) : ap_query(rq, name);
}

/* --- sending --------------------------------------------------------------------------------------------------- */
static void
free_body(const void *p UNUSED, size_t n UNUSED, void *body)
{
	free(body);
}

/* evhttp would send a body with these, too, and so break the connection for the next answer. */
static bool
has_body(const struct ap_request *rq)
{
	return !rq->is_head && rq->status != HTTP_NOCONTENT && rq->status != HTTP_NOTMODIFIED;
}

/* HEAD says how long the body of GET would be. */
static void
add_length(struct evkeyvalq *headers, size_t n)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%zu", n);
	(void)evhttp_add_header(headers, "Content-Length", text);
}

void
ap_add_header(struct ap_request *rq, const char *name, const char *value)
{
	(void)evhttp_add_header(evhttp_request_get_output_headers(rq->http), name, value);
}

static void
begin_answer(struct ap_request *rq, int status)
{
	rq->status = status;
	if (rq->ap->stopping)
		ap_add_header(rq, "Connection", "close");
}

void
ap_reply_relayed(struct ap_request *rq, int status)
{
	struct evbuffer *out = evbuffer_new();
	size_t n = rq->body.len;

	ASSERT(out != NULL);
	begin_answer(rq, status);
	if (n > 0 && has_body(rq)) {
		char *body = str_buf_take(&rq->body);
		ASSERT(evbuffer_add_reference(out, body, n, free_body, body) == 0);
	}
	evhttp_send_reply(rq->http, status, NULL, out);
	evbuffer_free(out);
	end_request(rq);
}

void
ap_reply_as(struct ap_request *rq, int status, const char *content_type)
{
	if (rq->takes_gzip && !rq->gzipped && rq->body.len <= AP_GZIP_LOOP_MAX)
		rq->gzipped = ap_gzip_body(&rq->body);
	if (rq->gzipped) {
		ap_add_header(rq, "Content-Encoding", "gzip");
		ap_add_header(rq, "Vary", "Accept-Encoding");
	}
	ap_add_header(rq, "Content-Type", content_type);
	if (rq->is_head)
		add_length(evhttp_request_get_output_headers(rq->http), rq->body.len);
	ap_reply_relayed(rq, status);
}

/* --- in pieces ------------------------------------------------------------------------------------------------------ */
static struct bufferevent *
client_of(const struct ap_request *rq)
{
	struct evhttp_connection *c = evhttp_request_get_connection(rq->http);

	return c == NULL ? NULL : evhttp_connection_get_bufferevent(c);
}

void
ap_stream_start(struct ap_request *rq, int status)
{
	begin_answer(rq, status);
	evhttp_send_reply_start(rq->http, status, NULL);
}

bool
ap_stream_add(struct ap_request *rq, const void *p, size_t n)
{
	struct evbuffer *piece;

	if (client_of(rq) == NULL)
		return false;
	piece = evbuffer_new();
	ASSERT(piece != NULL && evbuffer_add(piece, p, n) == 0);
	evhttp_send_reply_chunk(rq->http, piece);
	evbuffer_free(piece);
	return true;
}

size_t
ap_stream_backlog(const struct ap_request *rq)
{
	struct bufferevent *client = client_of(rq);

	return client == NULL ? AP_STREAM_GONE : evbuffer_get_length(bufferevent_get_output(client));
}

void
ap_stream_end(struct ap_request *rq, bool whole)
{
	struct bufferevent *client = client_of(rq);

	if (!whole && client != NULL)
		(void)shutdown(bufferevent_getfd(client), SHUT_RDWR);
	evhttp_send_reply_end(rq->http);
	end_request(rq);
}

void
ap_reply_body(struct ap_request *rq)
{
	ap_reply_as(rq, rq->status, "application/json; charset=UTF-8");
}

void
ap_reply_text(struct ap_request *rq, int status, const char *text)
{
	struct ap_json j = {.out = &rq->body};

	str_buf_clear(&rq->body);
	ap_json_text(&j, text);
	rq->status = status;
	ap_reply_body(rq);
}

void
ap_reply_not_found(struct ap_request *rq)
{
	str_buf_clear(&rq->body);
	str_buf_add(&rq->body, "404 page not found\n");
	(void)evhttp_add_header(evhttp_request_get_output_headers(rq->http), "X-Content-Type-Options", "nosniff");
	ap_reply_as(rq, HTTP_NOTFOUND, "text/plain; charset=utf-8");
}

/* --- envelopes ------------------------------------------------------------------------------------------------- */
static void PRINTF_LIKE(4, 0)
    begin_envelope(struct ap_request *rq, struct ap_json *j, bool ok, const char *fmt, va_list args)
{
	struct str_buf message = {0};

	str_buf_add(&message, rq->ap->message_prefix);
	str_buf_vprintf(&message, fmt, args);
	str_buf_clear(&rq->body);
	*j = (struct ap_json){.out = &rq->body};
	rq->status = ok ? HTTP_OK : HTTP_INTERNAL;
	ap_json_object(j);
	ap_json_key(j, "Code");
	ap_json_text(j, ok ? "OK" : "ERROR");
	ap_json_key(j, "Message");
	ap_json_text(j, str_buf_text(&message));
	ap_json_key(j, "Details");
	str_buf_done(&message);
}

void
ap_envelope_begin(struct ap_request *rq, struct ap_json *j, bool ok, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	begin_envelope(rq, j, ok, fmt, args);
	va_end(args);
}

void
ap_envelope_end(struct ap_json *j)
{
	ap_json_object_end(j);
}

static void PRINTF_LIKE(4, 0)
    reply_envelope(struct ap_request *rq, bool ok, const struct topo_key *details, const char *fmt, va_list args)
{
	struct ap_json j;

	begin_envelope(rq, &j, ok, fmt, args);
	if (details == NULL)
		ap_json_null(&j);
	else
		ap_json_record(&j, &topo_key_desc, details);
	ap_envelope_end(&j);
	ap_reply_body(rq);
}

void
ap_reply_ok(struct ap_request *rq, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	reply_envelope(rq, true, NULL, fmt, args);
	va_end(args);
}

void
ap_reply_ok_key(struct ap_request *rq, const struct topo_key *key, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	reply_envelope(rq, true, key, fmt, args);
	va_end(args);
}

void
ap_reply_error(struct ap_request *rq, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	reply_envelope(rq, false, NULL, fmt, args);
	va_end(args);
}

void
ap_reply_error_key(struct ap_request *rq, const struct topo_key *key, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	reply_envelope(rq, false, key, fmt, args);
	va_end(args);
}

void
ap_reply_error_status(struct ap_request *rq, int status, const char *fmt, ...)
{
	struct ap_json j;
	va_list args;

	va_start(args, fmt);
	begin_envelope(rq, &j, false, fmt, args);
	va_end(args);
	ap_json_null(&j);
	ap_envelope_end(&j);
	rq->status = status;
	ap_reply_body(rq);
}

void
ap_reply_err(struct ap_request *rq, const struct err *e)
{
	ap_reply_error(rq, "%s", e->msg);
}
