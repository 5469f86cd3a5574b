/* api_past.c — figures of the recent past: discovery-queue-metrics-raw and -aggregated (http-api.md section 15,
 * json-shapes.md section 9). They run on the loop: a few thousand numbers at most. */
#include <stdlib.h>
#include <string.h>

#include "ap_history.h"
#include "ap_raftd.h"

#define MIN_OF_NOTHING 9e9 /* historically */

/* DEADINSTANCES exists when unreachable servers have a queue of their own; apid isn't told, so it always answers. */
static bool
queue_of(const struct ap_request *rq, enum ap_queue *ret_queue)
{
	const char *name = ap_has_param(rq, "queue") ? ap_param(rq, "queue") : "DEFAULT";

	*ret_queue = strcmp(name, "DEADINSTANCES") == 0 ? AP_QUEUE_DEAD : AP_QUEUE_DEFAULT;
	return *ret_queue == AP_QUEUE_DEAD || strcmp(name, "DEFAULT") == 0;
}

/* 0: no positive number. */
static int64_t
seconds_of(const struct ap_request *rq)
{
	int64_t seconds;
	struct err e;

	return str_parse_i64(ap_param(rq, "seconds"), 1, INT32_MAX, &seconds, &e) == 0 ? seconds : 0;
}

/* Freed by the caller. */
static struct ap_queue_sample *
read_samples(const struct ap_request *rq, enum ap_queue queue, int64_t seconds, size_t *ret_n)
{
	size_t room = (size_t)min_i64(max_i64(seconds, 1), AP_HISTORY_MAX);
	struct ap_queue_sample *v = mem_calloc(room, sizeof(*v));

	*ret_n = ap_queue_history(rq->ap, queue, seconds, v, room);
	return v;
}

void
api_discovery_queue_metrics_raw(struct ap_request *rq)
{
	struct ap_json j = {.out = &rq->body};
	int64_t seconds = seconds_of(rq);
	struct ap_queue_sample *v;
	enum ap_queue queue;
	size_t n;

	if (!queue_of(rq, &queue) || seconds == 0) {
		ap_reply_error(rq, "Unable to generate raw discovery queue metrics: %s",
			       seconds == 0 ? "seconds must be a positive number" : "there is no such queue");
		return;
	}
	v = read_samples(rq, queue, seconds, &n);
	ap_json_array(&j);
	for (size_t i = 0; i < n; i++) {
		ap_json_object(&j);
		ap_json_member_i64(&j, "Active", v[i].active);
		ap_json_member_i64(&j, "Queued", v[i].queued);
		ap_json_object_end(&j);
	}
	ap_json_array_end(&j);
	free(v);
	ap_reply_body(rq);
}

static void
write_summary(struct ap_json *j, const char *const keys[5], const struct ap_summary *s)
{
	const double values[5] = {s->min, s->mean, s->median, s->p95, s->max};

	for (size_t i = 0; i < 5; i++) {
		ap_json_key(j, keys[i]);
		ap_json_f64(j, values[i]);
	}
}

void
api_discovery_queue_metrics_aggregated(struct ap_request *rq)
{
	static const char *const active[] = {"ActiveMinEntries", "ActiveMeanEntries", "ActiveMedianEntries",
					     "ActiveP95Entries", "ActiveMaxEntries"};
	static const char *const queued[] = {"QueuedMinEntries", "QueuedMeanEntries", "QueuedMedianEntries",
					     "QueuedP95Entries", "QueuedMaxEntries"};
	struct ap_json j = {.out = &rq->body};
	struct ap_queue_sample *v;
	struct ap_summary a, q;
	enum ap_queue queue;
	double *numbers;
	size_t n;

	if (!queue_of(rq, &queue)) {
		ap_reply_error(rq, "Unable to aggregate discovery queue metrics: there is no such queue");
		return;
	}
	v = read_samples(rq, queue, seconds_of(rq), &n);
	numbers = mem_calloc(2 * n + 1, sizeof(*numbers));
	for (size_t i = 0; i < n; i++) {
		numbers[i] = (double)v[i].active;
		numbers[n + i] = (double)v[i].queued;
	}
	a = ap_summarize(numbers, n);
	q = ap_summarize(numbers + n, n);
	if (n == 0)
		a.min = q.min = MIN_OF_NOTHING;
	ap_json_object(&j);
	write_summary(&j, active, &a);
	write_summary(&j, queued, &q);
	ap_json_object_end(&j);
	free(numbers);
	free(v);
	ap_reply_body(rq);
}
