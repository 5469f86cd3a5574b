/* ap_history.c — see ap_history.h. Pure. Filled by ap_raftd.c, read by api_past.c. */
#include "ap_history.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

struct sample {
	struct ap_queue_sample of[AP_QUEUES];
};

struct ap_history {
	struct sample *v; /* oldest first */
	size_t n, cap;
	struct mono last;
};

struct ap_history *
ap_history_new(void)
{
	return mem_new(struct ap_history);
}

void
ap_history_free(struct ap_history *h)
{
	if (h == NULL)
		return;
	free(h->v);
	free(h);
}

static int64_t
figure(const struct ipc_metric_list *metrics, const char *name)
{
	for (size_t i = 0; i < metrics->n; i++) {
		if (strcmp(metrics->v[i].name, name) == 0)
			return (int64_t)metrics->v[i].value;
	}
	return 0;
}

/* At least a tenth of the samples goes at once, so that moving the others is rare. */
static void
drop_old(struct ap_history *h, size_t keep)
{
	size_t drop;

	if (h->n <= keep + keep / 10)
		return;
	drop = h->n - keep;
	memmove(h->v, h->v + drop, keep * sizeof(h->v[0]));
	h->n = keep;
}

void
ap_history_add(struct ap_history *h, const struct ipc_metric_list *metrics, struct mono now, size_t keep)
{
	if (h->n > 0 && mono_diff_us(now, h->last) < AP_HISTORY_GAP_US)
		return;
	h->last = now;
	mem_grow(h->v, h->cap, h->n + 1);
	h->v[h->n++] = (struct sample){{
	    [AP_QUEUE_DEFAULT] = {figure(metrics, "prober.in_flight"), figure(metrics, "discoveries.queue_length")},
	    [AP_QUEUE_DEAD] = {0, figure(metrics, "discoveries.dead_instances_queue_length")},
	}};
	drop_old(h, min_size(keep, AP_HISTORY_MAX));
}

size_t
ap_history_read(const struct ap_history *h, enum ap_queue queue, int64_t seconds, struct ap_queue_sample *ret,
		size_t max)
{
	size_t wanted = seconds <= 0 ? 0 : min_size((size_t)seconds, min_size(max, h->n));

	for (size_t i = 0; i < wanted; i++)
		ret[i] = h->v[h->n - wanted + i].of[queue];
	return wanted;
}

/* --- summaries ------------------------------------------------------------------------------------------------------- */
static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

struct ap_summary
ap_summarize(double *v, size_t n)
{
	struct ap_summary s = {0};
	double sum = 0;

	if (n == 0)
		return s;
	qsort(v, n, sizeof(v[0]), by_value);
	for (size_t i = 0; i < n; i++)
		sum += v[i];
	s.min = v[0];
	s.max = v[n - 1];
	s.mean = sum / (double)n;
	s.median = n % 2 == 1 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
	s.p95 = v[(n * 95 + 99) / 100 - 1];
	return s;
}
