/* api_metrics.c — /metrics (OpenMetrics text) and /debug/metrics (the historical flat JSON object).
 *
 * Sources: what raftd published last (its own and the probers' figures) and apid's own. Historical names have dots; the
 * OpenMetrics name is "orchestrator_" + the name with every other character as '_'. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ap_httpd.h"
#include "ap_node.h"
#include "ap_proxy.h"
#include "ap_raftd.h"
#include "ap_readers.h"

#define OWN_MAX 32
struct metric_set {
	const struct ipc_metric **v;
	size_t n;
	struct ipc_metric own[OWN_MAX];
	size_t n_own;
};

static void
add_own(struct metric_set *m, const char *name, double value, bool counter)
{
	ASSERT(m->n_own < OWN_MAX);
	m->own[m->n_own++] = (struct ipc_metric){name, value, counter};
}

static void
collect_proxy(const struct ap *ap, struct metric_set *m)
{
	struct ap_proxy_stats p = ap_proxy_stats(ap->proxy);

	add_own(m, "proxy.relayed", (double)p.relayed, true);
	add_own(m, "proxy.attempts", (double)p.attempts, true);
	add_own(m, "proxy.failed", (double)p.failed, true);
	add_own(m, "proxy.refused_by_leader", (double)p.refused, true);
	add_own(m, "proxy.streamed", (double)p.streamed, true);
	add_own(m, "proxy.view_too_late", (double)p.late_views, true);
	add_own(m, "proxy.under_way", (double)p.under_way, false);
}

static void
collect_own(struct ap_request *rq, struct metric_set *m)
{
	const struct ap *ap = rq->ap;
	struct ap_httpd_stats h = ap_httpd_stats(ap->httpd);
	struct ap_readers_stats r = ap_readers_stats(ap->readers);

	add_own(m, "http.requests", (double)h.requests, true);
	add_own(m, "http.rejected", (double)h.rejected, true);
	add_own(m, "http.connections_total", (double)h.connections_total, true);
	add_own(m, "http.connection_limit_reached", (double)h.rests, true);
	add_own(m, "http.answered_ok", (double)ap->answered_ok, true);
	add_own(m, "http.answered_error", (double)ap->answered_error, true);
	add_own(m, "http.connections", (double)h.connections, false);
	add_own(m, "http.in_flight", (double)ap->requests_alive, false);
	add_own(m, "read.jobs", (double)r.jobs, true);
	add_own(m, "read.errors", (double)r.errors, true);
	add_own(m, "read.opened", (double)r.opened, true);
	add_own(m, "read.refused", (double)r.refused, true);
	add_own(m, "read.queue_length", (double)r.queued, false);
	add_own(m, "apid.loop_overruns", (double)proc_overruns(ap->proc), true);
	add_own(m, "elect.is_elected", ap_is_leader(ap) ? 1 : 0, false);
	add_own(m, "health.is_healthy", ap_state(ap)->backend_ok ? 1 : 0, false);
	add_own(m, "raft.is_healthy", ap_standing_now(ap).raft && ap_raft_is_healthy(ap) ? 1 : 0, false);
	add_own(m, "raft.is_leader", ap_standing_now(ap).raft && ap_is_leader(ap) ? 1 : 0, false);
	collect_proxy(ap, m);
}

static int
by_name(const void *a, const void *b)
{
	return strcmp((*(const struct ipc_metric *const *)a)->name, (*(const struct ipc_metric *const *)b)->name);
}

/* Own figures first; a name raftd publishes too is taken from there only if we have none. Sorted, doubles dropped. */
static void
collect(struct ap_request *rq, struct metric_set *m)
{
	const struct ipc_metric_list *published = ap_metrics(rq->ap);
	size_t kept = 0;

	collect_own(rq, m);
	m->v = mem_calloc(m->n_own + published->n, sizeof(*m->v));
	for (size_t i = 0; i < m->n_own; i++)
		m->v[m->n++] = &m->own[i];
	for (size_t i = 0; i < published->n; i++)
		m->v[m->n++] = &published->v[i];
	qsort(m->v, m->n, sizeof(*m->v), by_name);
	for (size_t i = 0; i < m->n; i++) {
		if (kept == 0 || strcmp(m->v[kept - 1]->name, m->v[i]->name) != 0)
			m->v[kept++] = m->v[i];
	}
	m->n = kept;
}

static void
put_open_name(struct str_buf *b, const char *name)
{
	str_buf_add(b, "orchestrator_");
	for (; *name != '\0'; name++)
		str_buf_add_char(b, isalnum((unsigned char)*name) ? *name : '_');
}

static void
put_open_metric(struct str_buf *b, const struct ipc_metric *m)
{
	str_buf_add(b, "# TYPE ");
	put_open_name(b, m->name);
	str_buf_add(b, m->counter ? " counter\n" : " gauge\n");
	put_open_name(b, m->name);
	str_buf_printf(b, "%s %.17g\n", m->counter ? "_total" : "", isfinite(m->value) ? m->value : 0);
}

void
api_metrics(struct ap_request *rq)
{
	struct metric_set m = {0};

	collect(rq, &m);
	str_buf_printf(&rq->body, "# TYPE orchestrator_build info\norchestrator_build_info{version=\"%s\"} 1\n",
		       ORC_VERSION);
	for (size_t i = 0; i < m.n; i++)
		put_open_metric(&rq->body, m.v[i]);
	str_buf_add(&rq->body, "# EOF\n");
	free(m.v);
	ap_reply_as(rq, HTTP_OK, "application/openmetrics-text; version=1.0.0; charset=utf-8");
}

void
api_debug_metrics(struct ap_request *rq)
{
	struct metric_set m = {0};
	struct ap_json j = {.out = &rq->body};

	collect(rq, &m);
	ap_json_object(&j);
	for (size_t i = 0; i < m.n; i++) {
		ap_json_key(&j, m.v[i]->name);
		ap_json_f64(&j, isfinite(m.v[i]->value) ? m.v[i]->value : 0);
	}
	ap_json_object_end(&j);
	free(m.v);
	ap_reply_body(rq);
}
