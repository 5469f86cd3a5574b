/* api_metrics.c — /metrics (OpenMetrics, or Prometheus' older text) and /debug/metrics, /debug/vars (the historical flat
 * JSON object). */
#include <malloc.h>
#include <math.h>

#include "ap_figures.h"
#include "ap_metrics.h"
#include "ap_request.h"

void
api_metrics(struct ap_request *rq)
{
	struct ap_figures f;
	enum ap_metrics_format format =
	    ap_metrics_choose(evhttp_find_header(evhttp_request_get_input_headers(rq->http), "Accept"));

	ap_figures_collect(rq->ap, &f);
	ap_metrics_put(&rq->body, format, f.v, f.n);
	ap_figures_done(&f);
	ap_add_header(rq, "Vary", "Accept");
	ap_reply_as(rq, HTTP_OK, ap_metrics_content_type(format));
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
	struct ap_figures f;
	const struct ipc_metric *gone;
	size_t n_gone;
	struct ap_json j = {.out = &rq->body};

	ap_figures_collect(rq->ap, &f);
	ap_json_object(&j);
	for (size_t i = 0; i < f.n; i++) {
		ap_json_key(&j, f.v[i]->name);
		ap_json_f64(&j, isfinite(f.v[i]->value) ? f.v[i]->value : 0);
	}
	gone = ap_figures_gone(&n_gone);
	for (size_t i = 0; i < n_gone; i++)
		ap_json_member_i64(&j, gone[i].name, 0);
	put_process(&j);
	ap_json_object_end(&j);
	ap_figures_done(&f);
	ap_reply_body(rq);
}
