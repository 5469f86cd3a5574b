/* rd_recoveries.h — this node's recoveries: what begins them, carries them out while it leads, and gives them up when it does
 * not. Shell around rd_recover.h (one executor per recovery), between detection (rd_detect.h), the record (rd_records.h),
 * probers and hooks.
 *
 * A verdict "dead" that may be recovered (rd_recover_begin.h, rd_block.h) is proposed as recovery-begin with its input; when
 * that is on a majority the executor begins. A new leader takes over what is running: at once where a promotion may have
 * been sent, else when its own votes say dead or alive, at the latest after RD_ORPHAN_WAIT_US (then: alive). Whatever
 * goes wrong with proposing gives an executor up; it is taken over anew like an orphan. It also fences old sources of
 * recoveries that are over, as long as they are in downtime because of them (lost-in-recovery) and nobody follows them.
 *
 * Not wired yet, and so without effect: DeadMasterAndReplicas and DeadMasterWithoutReplicas (detected only), forced recoveries
 * and abort-recovery by request, OnFailureDetectionProcesses, RejoinFailedMaster. On MariaDB the position of the
 * failed server is not in the input: its loss reads "possible". */
#ifndef RD_RECOVERIES_H
#define RD_RECOVERIES_H

#include "base/clock.h"

struct rd_applied;
struct rd_node;
struct rd_recoveries;

#define RD_RECOVERIES_MAX 64 /* executors; of those that are over the oldest go first, more failures wait */
#define RD_ORPHAN_WAIT_US (10 * CLK_S)

struct rd_recoveries *rd_recoveries_new(struct rd_node *n);
void rd_recoveries_free(struct rd_recoveries *rs); /* NULL is fine */
/* A command is on a majority (with raft), or in the backend: effects of recoveries. */
void rd_recoveries_applied(struct rd_recoveries *rs, const struct rd_applied *a);
/* Once a second: whether this node leads still, or anew. */
void rd_recoveries_tick(struct rd_recoveries *rs);

#endif
