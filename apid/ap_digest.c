/* ap_digest.c — see ap_digest.h. Called by api_samples.c. */
#include "ap_digest.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "topo/key.h"

#define PER_SECOND 1e6

struct ap_summary
ap_digest_member(const struct ap_sample_set *set, size_t member, double divisor)
{
	double *numbers = mem_calloc(set->n, sizeof(*numbers));
	struct ap_summary s;

	for (size_t i = 0; i < set->n; i++)
		numbers[i] = (double)*(const int64_t *)((const char *)set->v[i] + member) / divisor;
	s = ap_summarize(numbers, set->n);
	free(numbers);
	return s;
}

/* --- probes ---------------------------------------------------------------------------------------------------- */
static const struct topo_key *
key_of(const void *sample)
{
	return &((const struct ipc_probe_sample *)sample)->key;
}

static bool
has_failed(const void *sample)
{
	return ((const struct ipc_probe_sample *)sample)->failure != 0;
}

static int
by_key(const void *a, const void *b)
{
	return topo_key_cmp(key_of(*(const void *const *)a), key_of(*(const void *const *)b));
}

/* Reorders the set. */
static void
count_servers(struct ap_probe_digest *d, const struct ap_sample_set *set)
{
	size_t end;

	if (set->n > 1)
		qsort(set->v, set->n, sizeof(*set->v), by_key);
	for (size_t i = 0; i < set->n; i = end) {
		size_t failed = 0;
		for (end = i; end < set->n && topo_key_equal(key_of(set->v[i]), key_of(set->v[end])); end++)
			failed += has_failed(set->v[end]);
		d->servers++;
		d->servers_failed += failed > 0;
		d->servers_ok += failed < end - i;
	}
}

static void
note_times(struct ap_probe_digest *d, const struct ap_sample_set *set)
{
	for (size_t i = 0; i < set->n; i++) {
		int64_t at_us = *(const int64_t *)set->v[i];
		d->first_us = i == 0 ? at_us : min_i64(d->first_us, at_us);
		d->last_us = max_i64(d->last_us, at_us);
	}
}

static void
summarize_parts(const struct ap_sample_set *set, struct ap_summary *ret)
{
	static const size_t members[AP_PROBE_PARTS] = {
	    [AP_PROBE_TOTAL] = offsetof(struct ipc_probe_sample, total_us),
	    [AP_PROBE_BACKEND] = offsetof(struct ipc_probe_sample, backend_us),
	    [AP_PROBE_INSTANCE] = offsetof(struct ipc_probe_sample, instance_us),
	};

	for (size_t i = 0; i < AP_PROBE_PARTS; i++)
		ret[i] = ap_digest_member(set, members[i], PER_SECOND);
}

struct ap_probe_digest
ap_digest_probes(const struct ap_sample_set *set)
{
	struct ap_probe_digest d = {.probes = set->n};
	struct ap_sample_set failed = {.v = mem_calloc(set->n, sizeof(*failed.v))};
	struct ap_sample_set sorted = {.v = mem_dup(set->v, set->n * sizeof(*set->v)), .n = set->n};

	for (size_t i = 0; i < set->n; i++) {
		if (has_failed(set->v[i]))
			failed.v[failed.n++] = set->v[i];
	}
	d.failed = failed.n;
	note_times(&d, set);
	count_servers(&d, &sorted);
	summarize_parts(set, d.all);
	summarize_parts(&failed, d.of_failed);
	free(sorted.v);
	free(failed.v);
	return d;
}
