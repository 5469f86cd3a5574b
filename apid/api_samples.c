/* api_samples.c — what took how long lately: discovery-metrics, backend-query-metrics and write-buffer-metrics, raw and
 * aggregated (http-api.md section 15, json-shapes.md section 9). They are about the node that answers, with raft the leader.
 * The samples are raftd's; reader threads write the answers, which may be long. */
#include <stdio.h>
#include <string.h>

#include "ap_digest.h"
#include "ap_instances.h"
#include "ap_raftd.h"
#include "ap_readers.h"

#define PER_SECOND 1e6

struct report {
	enum ap_sample_kind kind;
	bool raw;
	void (*write)(struct ap_request *rq, struct ap_json *j, const struct ap_sample_set *set);
};

struct report_job {
	const struct report *report;
	struct ap_samples *samples;
	int64_t seconds; /* 0 = none: no positive number was asked for */
};

/* --- values ---------------------------------------------------------------------------------------------------- */
/* Microseconds behind a decimal point, without zeroes at the end. Returns the length of the text. */
static size_t
add_fraction(char *text, size_t n, size_t size, int64_t us)
{
	n += (size_t)snprintf(text + n, size - n, ".%06d", (int)(us % CLK_S));
	while (text[n - 1] == '0')
		n--;
	return text[n - 1] == '.' ? n - 1 : n;
}

/* RFC 3339 with as many digits as are needed, 0 as Go's zero. */
static void
put_time(struct ap_json *j, const char *key, int64_t us)
{
	char stamp[CLK_STAMP_BYTES], text[48];
	size_t n;

	if (us == 0) {
		ap_json_member_text(j, key, "0001-01-01T00:00:00Z");
		return;
	}
	clk_format_wall((struct wall){us}, stamp);
	n = (size_t)snprintf(text, sizeof(text), "%.10sT%.8s", stamp, stamp + 11);
	n = add_fraction(text, n, sizeof(text), us);
	(void)str_copy(text + n, sizeof(text) - n, "Z");
	ap_json_member_text(j, key, text);
}

/* As ap_json_f64 has it, but there are hundreds of thousands of them. */
static void
put_seconds(struct ap_json *j, const char *key, int64_t us)
{
	char text[48];
	size_t n = (size_t)snprintf(text, sizeof(text), "%lld", (long long)(us / CLK_S));

	ap_json_key(j, key);
	ap_json_raw(j, text, add_fraction(text, n, sizeof(text), us));
}

static void
put_duration(struct ap_json *j, const char *key, int64_t us)
{
	ap_json_member_i64(j, key, us * 1000);
}

static void
put_number(struct ap_json *j, const char *before, const char *statistic, const char *what, double v)
{
	char key[64];

	(void)snprintf(key, sizeof(key), "%s%s%s", before, statistic, what);
	ap_json_key(j, key);
	ap_json_f64(j, v);
}

/* --- discovery-metrics ----------------------------------------------------------------------------------------- */
/* A server's error as Go's driver has it; its SQLSTATE is not known here. */
static void
put_error(struct ap_json *j, int64_t failure, const char *error)
{
	ap_json_key(j, "Err");
	if (failure == 0) {
		ap_json_null(j);
		return;
	}
	ap_json_object(j);
	if (failure > 0) {
		ap_json_member_i64(j, "Number", failure);
		ap_json_key(j, "SQLState");
		ap_json_raw(j, "[0,0,0,0,0]", strlen("[0,0,0,0,0]"));
		ap_json_member_text(j, "Message", error);
	}
	ap_json_object_end(j);
}

static void
write_probes(struct ap_request *rq UNUSED, struct ap_json *j, const struct ap_sample_set *set)
{
	for (size_t i = 0; i < set->n; i++) {
		const struct ipc_probe_sample *p = set->v[i];
		ap_json_object(j);
		put_time(j, "Timestamp", p->at_us);
		ap_json_member_text(j, "Hostname", p->key.hostname);
		ap_json_member_i64(j, "Port", p->key.port);
		put_seconds(j, "BackendLatencySeconds", p->backend_us);
		put_seconds(j, "InstanceLatencySeconds", p->instance_us);
		put_seconds(j, "TotalLatencySeconds", p->total_us);
		put_error(j, p->failure, p->error);
		ap_json_object_end(j);
	}
}

/* "SuccessfulDiscoveries" are all of them, historically. */
static void
write_probe_counts(struct ap_json *j, const struct ap_probe_digest *d)
{
	put_time(j, "FirstSeen", d->first_us);
	put_time(j, "LastSeen", d->last_us);
	ap_json_member_i64(j, "CountDistinctInstanceKeys", (int64_t)d->servers);
	ap_json_member_i64(j, "CountDistinctOkInstanceKeys", (int64_t)d->servers_ok);
	ap_json_member_i64(j, "CountDistinctFailedInstanceKeys", (int64_t)d->servers_failed);
	ap_json_member_i64(j, "FailedDiscoveries", (int64_t)d->failed);
	ap_json_member_i64(j, "SuccessfulDiscoveries", (int64_t)d->probes);
}

static const struct {
	const char *name;
	size_t offset;
} statistics[] = {
    {"Mean", offsetof(struct ap_summary, mean)},
    {"Max", offsetof(struct ap_summary, max)},
    {"Median", offsetof(struct ap_summary, median)},
    {"P95", offsetof(struct ap_summary, p95)},
};

static double
statistic_of(const struct ap_summary *s, size_t i)
{
	return *(const double *)((const char *)s + statistics[i].offset);
}

static void
digest_probes(struct ap_request *rq UNUSED, struct ap_json *j, const struct ap_sample_set *set)
{
	static const char *const parts[AP_PROBE_PARTS] = {[AP_PROBE_TOTAL] = "TotalSeconds",
							  [AP_PROBE_BACKEND] = "BackendSeconds",
							  [AP_PROBE_INSTANCE] = "InstanceSeconds"};
	struct ap_probe_digest d = ap_digest_probes(set);

	write_probe_counts(j, &d);
	for (size_t i = 0; i < ARRAY_LEN(statistics); i++) {
		for (size_t p = 0; p < AP_PROBE_PARTS; p++)
			put_number(j, "", statistics[i].name, parts[p], statistic_of(&d.all[p], i));
		for (size_t p = 0; p < AP_PROBE_PARTS; p++)
			put_number(j, "Failed", statistics[i].name, parts[p], statistic_of(&d.of_failed[p], i));
	}
}

/* --- backend-query-metrics ------------------------------------------------------------------------------------- */
/* "Max…", "Mean…", "Median…", "P95…" */
static void
put_summary(struct ap_json *j, const char *what, const struct ap_summary s)
{
	put_number(j, "", "Max", what, s.max);
	put_number(j, "", "Mean", what, s.mean);
	put_number(j, "", "Median", what, s.median);
	put_number(j, "", "P95", what, s.p95);
}

static void
write_writes(struct ap_request *rq UNUSED, struct ap_json *j, const struct ap_sample_set *set)
{
	for (size_t i = 0; i < set->n; i++) {
		const struct ipc_write_sample *w = set->v[i];
		ap_json_object(j);
		put_time(j, "Timestamp", w->at_us);
		put_duration(j, "WaitLatency", w->waited_us);
		put_duration(j, "ExecuteLatency", w->took_us);
		put_error(j, w->failed ? -1 : 0, "");
		ap_json_object_end(j);
	}
}

static void
digest_writes(struct ap_request *rq UNUSED, struct ap_json *j, const struct ap_sample_set *set)
{
	ap_json_member_i64(j, "Count", (int64_t)set->n);
	put_summary(j, "LatencySeconds", ap_digest_member(set, offsetof(struct ipc_write_sample, took_us), PER_SECOND));
	put_summary(j, "WaitSeconds", ap_digest_member(set, offsetof(struct ipc_write_sample, waited_us), PER_SECOND));
}

/* --- write-buffer-metrics -------------------------------------------------------------------------------------- */
static void
write_flushes(struct ap_request *rq UNUSED, struct ap_json *j, const struct ap_sample_set *set)
{
	for (size_t i = 0; i < set->n; i++) {
		const struct ipc_flush_sample *f = set->v[i];
		ap_json_object(j);
		put_time(j, "Timestamp", f->at_us);
		ap_json_member_i64(j, "Instances", (int64_t)f->instances);
		put_duration(j, "WaitLatency", f->waited_us);
		put_duration(j, "WriteLatency", f->took_us);
		ap_json_object_end(j);
	}
}

static int64_t
count_instances(const struct ap_sample_set *set)
{
	uint64_t n = 0;

	for (size_t i = 0; i < set->n; i++)
		n += ((const struct ipc_flush_sample *)set->v[i])->instances;
	return (int64_t)n;
}

static void
digest_flushes(struct ap_request *rq, struct ap_json *j, const struct ap_sample_set *set)
{
	ap_json_member_i64(j, "InstanceWriteBufferSize", rq->conf->InstanceWriteBufferSize);
	ap_json_member_i64(j, "InstanceFlushIntervalMilliseconds", rq->conf->InstanceFlushIntervalMilliseconds);
	ap_json_member_i64(j, "CountInstances", count_instances(set));
	put_summary(j, "Instances", ap_digest_member(set, offsetof(struct ipc_flush_sample, instances), 1));
	put_summary(j, "WaitSeconds", ap_digest_member(set, offsetof(struct ipc_flush_sample, waited_us), PER_SECOND));
	put_summary(j, "WriteSeconds", ap_digest_member(set, offsetof(struct ipc_flush_sample, took_us), PER_SECOND));
}

/* --- all of them ----------------------------------------------------------------------------------------------- */
static int
write_report(struct ap_request *rq, struct ap_reader *r, struct err *e UNUSED)
{
	const struct report_job *job = rq->state;
	struct ap_json j = {.out = &rq->body};
	struct wall since = {job->seconds == 0 ? INT64_MAX : r->now.us - job->seconds * CLK_S};
	struct ap_sample_set set;

	ap_samples_take(job->samples, job->report->kind, since, &set);
	if (job->report->raw)
		ap_json_array(&j);
	else
		ap_json_object(&j);
	job->report->write(rq, &j, &set);
	if (job->report->raw)
		ap_json_array_end(&j);
	else
		ap_json_object_end(&j);
	ap_null_when_empty(rq);
	ap_sample_set_done(job->samples, &set);
	return 0;
}

/* Historically no number is an error for the raw samples, and no time at all for the others. */
static void
begin(struct ap_request *rq, const struct report *report)
{
	struct report_job *job = mem_arena_alloc(&rq->arena, sizeof(*job));
	struct err e;

	*job = (struct report_job){.report = report, .samples = ap_samples(rq->ap)};
	if (str_parse_i64(ap_param(rq, "seconds"), 1, INT32_MAX, &job->seconds, &e) != 0 && report->raw) {
		ap_reply_error(rq, "Unable to determine start of the metrics: seconds: %s", e.msg);
		return;
	}
	if (job->samples == NULL) {
		ap_reply_error(rq, "the node is stopping");
		return;
	}
	rq->state = job;
	ap_read(rq, write_report);
}

#define REPORT(name, ...)                                          \
	void api_##name(struct ap_request *rq)                     \
	{                                                          \
		static const struct report report = {__VA_ARGS__}; \
		begin(rq, &report);                                \
	}

REPORT(discovery_metrics_raw, AP_PROBE_SAMPLES, true, write_probes)
REPORT(discovery_metrics_aggregated, AP_PROBE_SAMPLES, false, digest_probes)
REPORT(backend_query_metrics_raw, AP_WRITE_SAMPLES, true, write_writes)
REPORT(backend_query_metrics_aggregated, AP_WRITE_SAMPLES, false, digest_writes)
REPORT(write_buffer_metrics_raw, AP_FLUSH_SAMPLES, true, write_flushes)
REPORT(write_buffer_metrics_aggregated, AP_FLUSH_SAMPLES, false, digest_flushes)
