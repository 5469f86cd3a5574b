/* ap_figures.c — see ap_figures.h. Called by api_metrics.c and ap_graphite.c. */
#include "ap_figures.h"

#include <stdlib.h>
#include <string.h>

#include "ap_graphite.h"
#include "ap_httpd.h"
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
count_graphite(const struct ap *ap, struct own_figures *f)
{
	struct ap_carbon_stats s = ap_graphite_stats(ap->graphite);

	f->graphite_sent = s.sent;
	f->graphite_dropped = s.dropped;
	f->graphite_failures = s.failures;
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
	count_graphite(ap, &f);
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

void
ap_figures_collect(const struct ap *ap, struct ap_figures *ret)
{
	const struct ipc_metric_list *published = ap_metrics(ap);

	ret->own = mem_calloc(ARRAY_LEN(own), sizeof(*ret->own));
	list_own(ap, ret->own);
	ret->v = mem_calloc(ARRAY_LEN(own) + published->n, sizeof(*ret->v));
	ret->n = 0;
	for (size_t i = 0; i < ARRAY_LEN(own); i++)
		ret->v[ret->n++] = &ret->own[i];
	for (size_t i = 0; i < published->n; i++) {
		if (!is_own(published->v[i].name))
			ret->v[ret->n++] = &published->v[i];
	}
	qsort(ret->v, ret->n, sizeof(*ret->v), by_name);
}

void
ap_figures_done(struct ap_figures *f)
{
	free(f->v);
	free(f->own);
	*f = (struct ap_figures){0};
}

const struct ipc_metric *
ap_figures_gone(size_t *ret_n)
{
	static const struct ipc_metric gone[] = {
#define METRIC_GONE(name, why) {name, 0, true},
#include "ipc/metrics.def"
	};

	*ret_n = ARRAY_LEN(gone);
	return gone;
}
