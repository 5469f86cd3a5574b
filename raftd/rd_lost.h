/* rd_lost.h — servers that a recovery gave up (downtime with the reason lost-in-recovery): whether one has found its way back.
 * Pure. Reference: topology-ops.md section 8. */
#ifndef RD_LOST_H
#define RD_LOST_H

#include "topo/topo.h"

#define RD_LOST_AT_LEAST_US (60 * INT64_C(1000000)) /* so long it is lost in any case */

/* valid: it answered its newest probe. since_us: when its downtime began. owners: servers of depth 0, itself included, that
 * suggest the same alias for their cluster. It is back when it replicates, or is the one primary of that alias. (Historically
 * the end of the downtime was put off all the time, too; ours is a year off from the start.) */
bool rd_lost_is_back(const struct topo_instance *inst, bool valid, int64_t since_us, int64_t now_us, size_t owners);

#endif
