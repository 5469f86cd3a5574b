/* rd_recover_count.h — figures of recoveries: how many, how they ended, and where their time went. Pure. */
#ifndef RD_RECOVER_COUNT_H
#define RD_RECOVER_COUNT_H

#include "rd_metrics.h"
#include "recovery/rd_fsm.h"

/* A recovery that was us microseconds in `from` is in `to` now. */
void rd_recover_count(struct rd_metrics *m, uint64_t from, uint64_t to, int64_t us);

#endif
