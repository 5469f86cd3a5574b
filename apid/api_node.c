/* api_node.c — this node: leader-check, lb-check, the /health names, headers, reload-configuration. (The self test is
 * in api_health.c.) */
#include <ctype.h>
#include <event2/event.h>
#include <event2/keyvalq_struct.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "ap_hop.h"
#include "ap_lookup.h"
#include "ap_node.h"
#include "ap_proxy.h"
#include "ap_raftd.h"

/* --- constants and leadership ---------------------------------------------------------------------------------- */
void
api_lb_check(struct ap_request *rq)
{
	ap_reply_text(rq, HTTP_OK, "OK");
}

void
api_health_live(struct ap_request *rq)
{
	ap_reply_text(rq, HTTP_OK, "OK");
}

/* The status a failing leader-check answers: the path's, if a client can take it for an answer. */
static int
failure_status(const struct ap_request *rq)
{
	int64_t code = HTTP_NOTFOUND;
	struct err e;

	if (!ap_has_param(rq, "errorStatusCode") ||
	    str_parse_i64(ap_param(rq, "errorStatusCode"), 200, 999, &code, &e) != 0)
		return HTTP_NOTFOUND;
	return (int)code;
}

static void
add_term(struct ap_request *rq)
{
	char text[24];

	if (!ap_standing_now(rq->ap).raft)
		return;
	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)ap_state(rq->ap)->term);
	ap_add_header(rq, AP_HEADER_TERM, text);
}

static void
reply_leader(struct ap_request *rq, int status_if_not)
{
	if (ap_is_leader(rq->ap)) {
		add_term(rq);
		ap_reply_text(rq, HTTP_OK, "OK");
	} else
		ap_reply_text(rq, status_if_not, "Not leader");
}

void
api_leader_check(struct ap_request *rq)
{
	reply_leader(rq, failure_status(rq));
}

void
api_health_leader(struct ap_request *rq)
{
	reply_leader(rq, HTTP_SERVUNAVAIL);
}

static void
reply_unhealthy(struct ap_request *rq)
{
	const char *why = ap_state(rq->ap)->phase_why;
	struct str_buf text = {0};

	str_buf_printf(&text, "not part of the raft quorum%s%s", why[0] == '\0' ? "" : ": ", why);
	ap_reply_text(rq, HTTP_SERVUNAVAIL, str_buf_text(&text));
	str_buf_done(&text);
}

void
api_health_ready(struct ap_request *rq)
{
	if (!ap_raftd_is_up(rq->ap))
		ap_reply_text(rq, HTTP_SERVUNAVAIL, "raftd is not running");
	else if (!ap_state(rq->ap)->backend_ok)
		ap_reply_text(rq, HTTP_SERVUNAVAIL, "the backend cannot be written");
	else if (ap_standing_now(rq->ap).raft && !ap_raft_is_healthy(rq->ap))
		reply_unhealthy(rq);
	else
		ap_reply_text(rq, HTTP_OK, "OK");
}

/* --- identity -------------------------------------------------------------------------------------------------- */
/* The resolver's full name of this host; NULL when it has none. The caller frees it. */
static char *
full_name(const char *hostname)
{
	struct addrinfo hints = {.ai_flags = AI_CANONNAME}, *list = NULL;
	char *name = NULL;

	if (getaddrinfo(hostname, NULL, &hints, &list) != 0)
		return NULL;
	if (list->ai_canonname != NULL && strchr(list->ai_canonname, '.') != NULL)
		name = mem_strdup(list->ai_canonname);
	freeaddrinfo(list);
	return name;
}

char *
ap_message_prefix(const struct conf *conf, const char *hostname)
{
	const char *how = conf->PrependMessagesWithOrcIdentity;
	struct str_buf text = {0};
	char *full = NULL;
	const char *id = hostname;

	if (how[0] == '\0' || str_eq_nocase(how, "none"))
		return mem_strdup("");
	if (str_eq_nocase(how, "fqdn"))
		full = full_name(hostname);
	if (full != NULL)
		id = full;
	if (id[0] == '\0' || str_eq_nocase(how, "custom"))
		id = conf->CustomOrcIdentity;
	str_buf_printf(&text, "Orchestrator %s says: ", id);
	free(full);
	return str_buf_take(&text);
}

/* --- headers: raw object, header name → [string] --------------------------------------------------------------- */
struct header {
	char *name; /* as Go writes it: X-Forwarded-For */
	const char *value;
	size_t place;
};

static char *
canonical(struct ap_request *rq, const char *name)
{
	char *copy = mem_arena_strndup(&rq->arena, name, strlen(name));
	bool first = true;

	for (char *p = copy; *p != '\0'; p++) {
		*p = (char)(first ? toupper((unsigned char)*p) : tolower((unsigned char)*p));
		first = *p == '-';
	}
	return copy;
}

static int
cmp_headers(const void *a, const void *b)
{
	const struct header *x = a, *y = b;
	int c = strcmp(x->name, y->name);

	return c != 0 ? c : (x->place > y->place) - (x->place < y->place);
}

/* Host is no header to Go. */
static size_t
collect_headers(struct ap_request *rq, const struct evkeyvalq *from, struct header **ret_v)
{
	const struct evkeyval *kv;
	struct header *v = NULL;
	size_t n = 0, cap = 0;

	TAILQ_FOREACH (kv, from, next) {
		if (str_eq_nocase(kv->key, "Host"))
			continue;
		mem_grow(v, cap, n + 1);
		v[n] = (struct header){canonical(rq, kv->key), kv->value, n};
		n++;
	}
	if (n > 0)
		qsort(v, n, sizeof(*v), cmp_headers);
	*ret_v = v;
	return n;
}

void
api_headers(struct ap_request *rq)
{
	struct ap_json j = {.out = &rq->body};
	struct header *v;
	size_t n = collect_headers(rq, evhttp_request_get_input_headers(rq->http), &v);

	ap_json_object(&j);
	for (size_t i = 0; i < n; i++) {
		bool first = i == 0 || strcmp(v[i - 1].name, v[i].name) != 0;
		bool last = i + 1 == n || strcmp(v[i + 1].name, v[i].name) != 0;
		if (first) {
			ap_json_key(&j, v[i].name);
			ap_json_array(&j);
		}
		ap_json_text(&j, v[i].value);
		if (last)
			ap_json_array_end(&j);
	}
	ap_json_object_end(&j);
	free(v);
	ap_reply_body(rq);
}

/* --- reload-configuration -------------------------------------------------------------------------------------- */
#define RELOAD_WAIT_S 10

struct reload_wait {
	LIST_ENTRY(reload_wait) next;
	struct ap_request *rq;
	uint64_t id;
	struct event *timeout;
};
static LIST_HEAD(, reload_wait) reload_waits; /* at most one per connection */
static uint64_t reload_last_id;

static struct ap_request *
end_wait(struct reload_wait *w)
{
	struct ap_request *rq = w->rq;

	LIST_REMOVE(w, next);
	event_free(w->timeout);
	free(w);
	return rq;
}

static void
on_reload_timeout(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	ap_reply_error(end_wait(arg), "no answer from the supervisor within %d s; see its log", RELOAD_WAIT_S);
}

void
api_reload_configuration(struct ap_request *rq)
{
	static const struct timeval patience = {RELOAD_WAIT_S, 0};
	struct ipc_child_reload_request ask = {.request_id = ++reload_last_id, .extra_file = ap_query(rq, "config")};
	struct reload_wait *w;
	struct err e;

	if (ipc_send_child_reload_request(proc_lifeline(rq->ap->proc), &ask, &e) != 0) {
		ap_reply_err(rq, &e);
		return;
	}
	w = mem_new(struct reload_wait);
	w->rq = rq;
	w->id = ask.request_id;
	w->timeout = event_new(rq->ap->base, -1, 0, on_reload_timeout, w);
	ASSERT(w->timeout != NULL && event_add(w->timeout, &patience) == 0);
	LIST_INSERT_HEAD(&reload_waits, w, next);
}

static void
answer_reload(struct ap_request *rq, const struct ipc_child_reload_result *m)
{
	struct ap_json j;

	if (m->code != 0) {
		ap_reply_error(rq, "%s", m->message);
		return;
	}
	ap_envelope_begin(rq, &j, true, "Config reloaded");
	ap_json_text(&j, ap_query(rq, "config"));
	ap_envelope_end(&j);
	ap_reply_body(rq);
}

void
ap_node_reload_result(const struct ipc_child_reload_result *m)
{
	struct reload_wait *w;

	LIST_FOREACH (w, &reload_waits, next) {
		if (w->id == m->request_id) {
			answer_reload(end_wait(w), m);
			return;
		}
	}
}

void
ap_node_drop_waiting(void)
{
	while (!LIST_EMPTY(&reload_waits))
		ap_reply_error(end_wait(LIST_FIRST(&reload_waits)), "the node is stopping");
}
