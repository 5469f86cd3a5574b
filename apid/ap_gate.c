/* ap_gate.c — see ap_gate.h. Called by ap_dispatch.c; owns nothing. Texts and statuses of refusals are historical
 * (http-api.md section 1.2). Credentials are never logged. */
#include "ap_gate.h"

#include <event2/keyvalq_struct.h>
#include <string.h>
#include <sys/queue.h>

#include "ap_auth.h"
#include "ap_groups.h"
#include "ap_tls.h"
#include "ap_token.h"

/* A header that is there once: of two, one may be the client's and the other a proxy's. */
static const char *
only_header(const struct ap_request *rq, const char *name)
{
	const struct evkeyvalq *headers = evhttp_request_get_input_headers(rq->http);
	const struct evkeyval *kv;
	const char *value = NULL;

	TAILQ_FOREACH (kv, headers, next) {
		if (!str_eq_nocase(kv->key, name))
			continue;
		if (value != NULL)
			return NULL;
		value = kv->value;
	}
	return value;
}

/* Load balancers and Kubernetes have no certificate. By what was matched, not by what the address looks like. */
static bool
is_exempt(const struct ap_request *rq)
{
	const struct ap_route *route = rq->match.route;

	return route != NULL && (str_eq(route->path, "status") || (route->root && str_starts(route->path, "health/")));
}

/* Texts live as long as the request. */
static void
gather_certificate(struct ap_request *rq, struct ap_auth_facts *f)
{
	struct evhttp_connection *c = evhttp_request_get_connection(rq->http);
	struct bufferevent *bev = c == NULL ? NULL : evhttp_connection_get_bufferevent(c);
	char units[TLS_UNITS_MAX][TLS_UNIT_BYTES];
	const char **texts;

	if (bev == NULL || !rq->conf->UseMutualTLS)
		return;
	f->tls = ap_tls_is(bev);
	f->n_ous = ap_tls_units(bev, units);
	texts = mem_arena_alloc(&rq->arena, TLS_UNITS_MAX * sizeof(*texts));
	for (size_t i = 0; i < f->n_ous; i++)
		texts[i] = mem_arena_strndup(&rq->arena, units[i], strlen(units[i]));
	f->ous = texts;
}

static void
gather(struct ap_request *rq, struct ap_auth_facts *f)
{
	*f = (struct ap_auth_facts){.authorization = only_header(rq, "Authorization"),
				    .proxy_user = only_header(rq, rq->conf->AuthUserHeader),
				    .cookies = only_header(rq, "Cookie"),
				    .ou_exempt = is_exempt(rq)};
	gather_certificate(rq, f);
}

static void
refuse(struct ap_request *rq, const char *text)
{
	rq->ap->unauthorized++;
	str_buf_clear(&rq->body);
	str_buf_add(&rq->body, text);
	ap_add_header(rq, "X-Content-Type-Options", "nosniff");
	ap_reply_as(rq, 401, "text/plain; charset=utf-8");
}

bool
ap_gate_passes(struct ap_request *rq)
{
	struct ap_auth_facts f;

	if (rq->trusted)
		return true;
	gather(rq, &f);
	switch (ap_auth_gate(rq->conf, &f, rq->user)) {
	case AP_GATE_OPEN:
		return true;
	case AP_GATE_NO_LOGIN:
		ap_add_header(rq, "WWW-Authenticate", "Basic realm=\"Authorization Required\"");
		refuse(rq, "Not Authorized\n");
		break;
	case AP_GATE_NO_TLS:
		refuse(rq, "No TLS\n");
		break;
	case AP_GATE_BAD_OU:
		refuse(rq, "Invalid OU\n");
		break;
	}
	return false;
}

static void
on_groups(struct ap_request *rq, bool member, const struct err *e)
{
	if (e != NULL)
		ap_reply_err(rq, e);
	else if (member)
		rq->then_run(rq);
	else
		ap_reply_error(rq, "Unauthorized");
}

void
ap_gate_right(struct ap_request *rq, void (*then)(struct ap_request *rq))
{
	struct ap_auth_token token;
	struct ap_auth_facts f;

	if (rq->trusted) {
		then(rq);
		return;
	}
	gather(rq, &f);
	rq->then_run = then;
	switch (ap_auth_right(rq->conf, &f, rq->user, &token)) {
	case AP_RIGHT_YES:
		then(rq);
		break;
	case AP_RIGHT_GROUPS:
		ap_groups_ask(rq, on_groups);
		break;
	case AP_RIGHT_TOKEN:
		ap_token_check(rq, &token, then);
		break;
	case AP_RIGHT_NO:
		ap_reply_error(rq, "Unauthorized");
		break;
	}
}
