/* rd_block.h — which recoveries may begin: one at a time per cluster, and not again too soon. Pure.
 * Reference: recovery.md section 2, with its defects mended: a recovery ends with its last state and not by age, the
 * cluster is meant by its id, which a promotion does not change, and one that promoted nobody because its failed server
 * came back does not disarm the cluster. */
#ifndef RD_BLOCK_H
#define RD_BLOCK_H

#include "rd_fsm.h"

struct rd_past_recovery {
	const struct rd_recovery *r;
	bool acknowledged;
	bool is_moot; /* it could promote nobody (rd_kind_promotes_nobody), and the failure now is of another kind */
};

enum rd_block {
	RD_BLOCK_NONE,
	RD_BLOCK_RUNNING,   /* of this cluster, even for an operator */
	RD_BLOCK_SUCCESSOR, /* the server that failed was promoted lately */
	RD_BLOCK_CLUSTER    /* the cluster had a recovery lately, or the failed server was replaced by one */
};
const char *rd_block_text(enum rd_block block);

/* block_us: RecoveryPeriodBlockSeconds, counted from a recovery's beginning. forced: an operator asks; then only a
 * running one blocks. ret_by: what blocks; untouched with NONE. */
enum rd_block rd_block_check(const struct rd_past_recovery *past, size_t n, const char *cluster_id,
			     const struct topo_key *failed, bool forced, int64_t now_us, int64_t block_us,
			     const struct rd_recovery **ret_by);
/* Whether it may still block others: it is running, or young, not acknowledged, and has done something. */
bool rd_block_is_active(const struct rd_past_recovery *p, int64_t now_us, int64_t block_us);
/* An operator forces a recovery of `failed`: whether that acknowledges this one (recovery.md 2, step 3). */
bool rd_block_is_acked_by_force(const struct rd_past_recovery *p, const struct topo_key *failed);

#endif
