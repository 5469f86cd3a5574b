/* ap_samples.h — what took how long lately, as raftd publishes it (SAMPLES): probes, writes to the backend, batches of
 * servers' rows. The loop adds, reader threads take: behind a lock that is held for pointers only.
 *
 * A message becomes one batch, which never changes and lives as long as somebody holds it. Batches go when they are older
 * than DiscoveryCollectionRetentionSeconds, and, the oldest first, when all of them exceed AP_SAMPLES_BYTES (counted): at
 * 2 000 probes a second that is more than three minutes. They are this process' own: a restart begins anew. */
#ifndef AP_SAMPLES_H
#define AP_SAMPLES_H

#include "base/clock.h"
#include "ipc/ipc.h"

#define AP_SAMPLES_BYTES ((size_t)32 << 20)
#define AP_BATCHES_MAX 100000 /* one a second for a day, and some */

enum ap_sample_kind { AP_PROBE_SAMPLES, AP_WRITE_SAMPLES, AP_FLUSH_SAMPLES, AP_SAMPLE_KINDS };

struct ap_samples;
struct ap_samples *ap_samples_new(void);
void ap_samples_free(struct ap_samples *s); /* nobody holds anything any more; NULL is fine */
/* The loop: adds a copy and drops what is older than keep_s, which may have changed. 0 keeps nothing. */
void ap_samples_add(struct ap_samples *s, const struct ipc_samples *m, struct mono now, int64_t keep_s);

struct ap_samples_stats {
	size_t bytes;
	uint64_t overflows; /* batches dropped before their time */
};
struct ap_samples_stats ap_samples_stats(struct ap_samples *s); /* NULL: zeroes */

/* Samples of a kind since some time, oldest first: v holds pointers to struct ipc_<kind>_sample, valid until
 * ap_sample_set_done. */
struct ap_sample_set {
	const void **v;
	size_t n;
	struct ap_batch **batches; /* held */
	size_t n_batches;
};
void ap_samples_take(struct ap_samples *s, enum ap_sample_kind kind, struct wall since, struct ap_sample_set *ret);
void ap_sample_set_done(struct ap_samples *s, struct ap_sample_set *set);

#endif
