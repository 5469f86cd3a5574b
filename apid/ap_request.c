/* ap_request.c — one HTTP request: parameters, envelope, answer. A request whose client has gone is carried on (a
 * change may be under way) and answered into nothing. */
#include "ap_request.h"

#include <event2/buffer.h>
#include <event2/keyvalq_struct.h>
#include <stdlib.h>
#include <string.h>

static int64_t alive;

static void
on_client_gone(struct evhttp_connection *c UNUSED, void *arg)
{
	((struct ap_request *)arg)->http = NULL;
}

struct ap_request *
ap_request_new(struct ap *ap, struct evhttp_request *http, bool trusted)
{
	struct ap_request *rq = mem_new(struct ap_request);

	rq->ap = ap;
	rq->conf = conf_ref(ap->conf);
	rq->http = http;
	rq->trusted = trusted;
	rq->is_head = evhttp_request_get_command(http) == EVHTTP_REQ_HEAD;
	rq->status = HTTP_OK;
	TAILQ_INIT(&rq->query);
	evhttp_connection_set_closecb(evhttp_request_get_connection(http), on_client_gone, rq);
	alive++;
	return rq;
}

void
ap_request_free(struct ap_request *rq)
{
	if (rq->http != NULL)
		evhttp_connection_set_closecb(evhttp_request_get_connection(rq->http), NULL, NULL);
	evhttp_clear_headers(&rq->query);
	conf_unref(rq->conf);
	str_buf_done(&rq->body);
	mem_arena_done(&rq->arena);
	free(rq);
	alive--;
}

int64_t
ap_requests_alive(void)
{
	return alive;
}

const char *
ap_param(const struct ap_request *rq, const char *name)
{
	return ap_match_param(&rq->match, name);
}

bool
ap_has_param(const struct ap_request *rq, const char *name)
{
	for (size_t i = 0; i < rq->match.n_params; i++) {
		if (strcmp(rq->match.params[i].name, name) == 0)
			return true;
	}
	return false;
}

const char *
ap_query(const struct ap_request *rq, const char *name)
{
	const char *value = evhttp_find_header(&rq->query, name);

	if (value == NULL)
		return "";
	/* the arena belongs to the request, not to its observable state */
	return str_trim(mem_arena_strndup((struct mem_arena *)(uintptr_t)&rq->arena, value, strlen(value)));
}

static void
send_answer(struct ap_request *rq, const char *content_type, const char *p, size_t n)
{
	struct evkeyvalq *headers;
	struct evbuffer *out;

	if (rq->http == NULL) {
		ap_request_free(rq);
		return;
	}
	headers = evhttp_request_get_output_headers(rq->http);
	(void)evhttp_add_header(headers, "Content-Type", content_type);
	out = evbuffer_new();
	ASSERT(out != NULL && evbuffer_add(out, p, n) == 0);
	evhttp_send_reply(rq->http, rq->status, NULL, out);
	evbuffer_free(out);
	ap_request_free(rq);
}

void
ap_reply_body(struct ap_request *rq)
{
	send_answer(rq, "application/json; charset=UTF-8", str_buf_text(&rq->body), rq->body.len);
}

void
ap_reply_plain(struct ap_request *rq, int status, const char *content_type, const char *text, size_t n)
{
	rq->status = status;
	send_answer(rq, content_type, text, n);
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

/* PrependMessagesWithOrcIdentity is prepared at start: see ap_identity. */
void
ap_envelope_begin(struct ap_request *rq, struct ap_json *j, bool ok, const char *message)
{
	str_buf_clear(&rq->body);
	*j = (struct ap_json){.out = &rq->body};
	rq->status = ok ? HTTP_OK : HTTP_INTERNAL;
	ap_json_object(j);
	ap_json_key(j, "Code");
	ap_json_text(j, ok ? "OK" : "ERROR");
	ap_json_key(j, "Message");
	ap_json_text(j, message);
	ap_json_key(j, "Details");
}

void
ap_envelope_end(struct ap_json *j)
{
	ap_json_object_end(j);
}

static void PRINTF_LIKE(4, 0)
    reply_envelope(struct ap_request *rq, bool ok, const struct topo_key *details, const char *fmt, va_list ap)
{
	struct str_buf message = {0};
	struct ap_json j;

	str_buf_vprintf(&message, fmt, ap);
	ap_envelope_begin(rq, &j, ok, str_buf_text(&message));
	if (details == NULL)
		ap_json_null(&j);
	else
		ap_json_record(&j, &topo_key_desc, details);
	ap_envelope_end(&j);
	str_buf_done(&message);
	ap_reply_body(rq);
}

void
ap_reply_ok(struct ap_request *rq, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	reply_envelope(rq, true, NULL, fmt, ap);
	va_end(ap);
}

void
ap_reply_ok_key(struct ap_request *rq, const struct topo_key *key, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	reply_envelope(rq, true, key, fmt, ap);
	va_end(ap);
}

void
ap_reply_error(struct ap_request *rq, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	reply_envelope(rq, false, NULL, fmt, ap);
	va_end(ap);
}

void
ap_reply_err(struct ap_request *rq, const struct err *e)
{
	ap_reply_error(rq, "%s", e->msg);
}
