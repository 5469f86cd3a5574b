/* ap_digest.h — what many samples come to: the numbers of the historical "aggregated" answers (json-shapes.md section 9).
 * Pure; reader threads call it, since sorting hundreds of thousands of numbers takes its time. */
#ifndef AP_DIGEST_H
#define AP_DIGEST_H

#include "ap_history.h"
#include "ap_samples.h"

/* Of one 64-bit member of all samples, divided. member: its offsetof. */
struct ap_summary ap_digest_member(const struct ap_sample_set *set, size_t member, double divisor);

enum ap_probe_part { AP_PROBE_TOTAL, AP_PROBE_BACKEND, AP_PROBE_INSTANCE, AP_PROBE_PARTS };

struct ap_probe_digest {
	int64_t first_us, last_us; /* wall; 0 when there are none */
	size_t probes, failed;
	size_t servers;							  /* different ones, */
	size_t servers_ok, servers_failed;				  /* with one probe of that kind at least */
	struct ap_summary all[AP_PROBE_PARTS], of_failed[AP_PROBE_PARTS]; /* seconds */
};
struct ap_probe_digest ap_digest_probes(const struct ap_sample_set *set);

#endif
