/* api_metrics.c — /metrics (OpenMetrics, or Prometheus' older text) and /debug/metrics, /debug/vars (the historical flat
 * JSON object). Sources: what raftd published last (its own and the probers' figures) and apid's own. */
#include <malloc.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ap_httpd.h"
#include "ap_metrics.h"
#include "ap_node.h"
#include "ap_proxy.h"
#include "ap_raftd.h"
#include "ap_readers.h"

struct own_figures {
#define METRIC_APID(member, ...) uint64_t member;
#define METRIC_APID_AS(member, name) uint64_t member;
#include "ipc/metrics.def"
};

static const struct {
	const char *name;
	bool counter;
	size_t offset;
} own[] = {
#define COUNTER true
#define GAUGE false
#define METRIC_APID(member, name, kind, ...) {name, kind, offsetof(struct own_figures, member)},
#define METRIC_APID_AS(member, name) {name, GAUGE, offsetof(struct own_figures, member)},
#include "ipc/metrics.def"
};

struct metric_set {
	const struct ipc_metric **v; /* sorted by name */
	size_t n;
	struct ipc_metric own[ARRAY_LEN(own)];
};

static void
count_http(const struct ap *ap, struct own_figures *f)
{
	struct ap_httpd_stats h = ap_httpd_stats(ap->httpd);

	f->requests = h.requests;
	f->rejected = h.rejected;
	f->connections_total = h.connections_total;
	f->rests = h.rests;
	f->connections = (uint64_t)h.connections;
	f->in_flight = (uint64_t)ap->requests_alive;
	f->answered_ok = ap->answered_ok;
	f->answered_error = ap->answered_error;
	f->unauthorized = ap->unauthorized;
	f->tls_failed = h.tls.failed;
	f->tls_late = h.tls.late;
	f->tls_crowded = h.tls.crowded;
	f->tls_unfinished = h.tls.unfinished;
}

static void
count_reads(const struct ap *ap, struct own_figures *f)
{
	struct ap_readers_stats r = ap_readers_stats(ap->readers);

	f->read_jobs = f->instance_reads = r.jobs;
	f->read_errors = r.errors;
	f->read_opened = r.opened;
	f->read_refused = r.refused;
	f->read_queued = r.queued;
}

static void
count_proxy(const struct ap *ap, struct own_figures *f)
{
	struct ap_proxy_stats p = ap_proxy_stats(ap->proxy);

	f->relayed = p.relayed;
	f->attempts = p.attempts;
	f->failed = p.failed;
	f->refused_by_leader = p.refused;
	f->streamed = p.streamed;
	f->late_views = p.late_views;
	f->under_way = (uint64_t)p.under_way;
}

static void
count_samples(const struct ap *ap, struct own_figures *f)
{
	struct ap_samples_stats s = ap_samples_stats(ap_samples(ap));

	f->sample_bytes = s.bytes;
	f->sample_overflows = s.overflows;
}

static void
count_standing(const struct ap *ap, struct own_figures *f)
{
	bool raft = ap_standing_now(ap).raft;

	f->is_elected = ap_is_leader(ap);
	f->is_healthy = ap_state(ap)->backend_ok;
	f->raft_healthy = raft && ap_raft_is_healthy(ap);
	f->raft_leader = raft && ap_is_leader(ap);
	f->overruns = proc_overruns(ap->proc);
}

static void
list_own(const struct ap *ap, struct ipc_metric *ret)
{
	struct own_figures f = {0};

	count_http(ap, &f);
	count_reads(ap, &f);
	count_proxy(ap, &f);
	count_samples(ap, &f);
	count_standing(ap, &f);
	for (size_t i = 0; i < ARRAY_LEN(own); i++) {
		const void *at = (const char *)&f + own[i].offset;
		ret[i] = (struct ipc_metric){own[i].name, (double)*(const uint64_t *)at, own[i].counter};
	}
}

static int
by_name(const void *a, const void *b)
{
	return strcmp((*(const struct ipc_metric *const *)a)->name, (*(const struct ipc_metric *const *)b)->name);
}

static bool
is_own(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(own); i++) {
		if (str_eq(own[i].name, name))
			return true;
	}
	return false;
}

/* m->v is the caller's to free. Of one name apid's own figure stands. */
static void
collect(struct ap_request *rq, struct metric_set *m)
{
	const struct ipc_metric_list *published = ap_metrics(rq->ap);

	list_own(rq->ap, m->own);
	m->v = mem_calloc(ARRAY_LEN(own) + published->n, sizeof(*m->v));
	m->n = 0;
	for (size_t i = 0; i < ARRAY_LEN(own); i++)
		m->v[m->n++] = &m->own[i];
	for (size_t i = 0; i < published->n; i++) {
		if (!is_own(published->v[i].name))
			m->v[m->n++] = &published->v[i];
	}
	qsort(m->v, m->n, sizeof(*m->v), by_name);
}

void
api_metrics(struct ap_request *rq)
{
	struct metric_set m;
	enum ap_metrics_format format =
	    ap_metrics_choose(evhttp_find_header(evhttp_request_get_input_headers(rq->http), "Accept"));

	collect(rq, &m);
	ap_metrics_put(&rq->body, format, m.v, m.n);
	free(m.v);
	ap_add_header(rq, "Vary", "Accept");
	ap_reply_as(rq, HTTP_OK, ap_metrics_content_type(format));
}

/* Historical names of what is never done here, so that agents which expect them find them. */
static void
put_gone(struct ap_json *j)
{
	static const char *const names[] = {
#define METRIC_GONE(name, why) name,
#include "ipc/metrics.def"
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		ap_json_key(j, names[i]);
		ap_json_f64(j, 0);
	}
}

/* What Go's runtime published beside the figures; of its statistics those that mean something here. */
static void
put_process(struct ap_json *j)
{
	struct mallinfo2 heap = mallinfo2();

	ap_json_key(j, "cmdline");
	ap_json_array(j);
	ap_json_text(j, "orchestrator-apid");
	ap_json_array_end(j);
	ap_json_key(j, "memstats");
	ap_json_object(j);
	ap_json_member_i64(j, "Alloc", (int64_t)(heap.uordblks + heap.hblkhd));
	ap_json_member_i64(j, "HeapAlloc", (int64_t)(heap.uordblks + heap.hblkhd));
	ap_json_member_i64(j, "HeapSys", (int64_t)(heap.arena + heap.hblkhd));
	ap_json_object_end(j);
}

void
api_debug_metrics(struct ap_request *rq)
{
	struct metric_set m;
	struct ap_json j = {.out = &rq->body};

	collect(rq, &m);
	ap_json_object(&j);
	for (size_t i = 0; i < m.n; i++) {
		ap_json_key(&j, m.v[i]->name);
		ap_json_f64(&j, isfinite(m.v[i]->value) ? m.v[i]->value : 0);
	}
	put_gone(&j);
	put_process(&j);
	ap_json_object_end(&j);
	free(m.v);
	ap_reply_body(rq);
}
