/* pr_fence.h — which steps may still be carried out: design.md section 7, "Steps are fenced". Pure.
 *
 * Within a (recovery uid, term) numbers must increase; a term older than the newest one seen from anybody is over. The
 * memory is bounded: of more than PR_FENCE_MAX recoveries the one used longest ago is forgotten (its late steps still
 * meet not_after). */
#ifndef PR_FENCE_H
#define PR_FENCE_H

#include "base/err.h"

#define PR_FENCE_MAX 256
#define PR_FENCE_UID_MAX 128

struct pr_fence_entry {
	char uid[PR_FENCE_UID_MAX + 1]; /* "" = free */
	uint64_t term, number, used;
};
/* Zero-initialise. */
struct pr_fence {
	struct pr_fence_entry v[PR_FENCE_MAX];
	uint64_t newest_term, clock;
};

/* 0 and the number is taken; EXISTS: a repeated or lower number; LATE: an older term; INVALID. */
int pr_fence_admit(struct pr_fence *f, const char *uid, uint64_t term, uint64_t number, struct err *e) MUST_USE;

#endif
