/* rd_recover_count.c — see rd_recover_count.h. Called by rd_recoveries.c for each change of a state. */
#include "rd_recover_count.h"

#include "base/clock.h"

static uint64_t *
time_in(struct rd_metrics *m, uint64_t state)
{
	uint64_t *const times[RD_RECOVERY_STATES] = {
	    [RD_RECOVERY_HOOKS] = &m->recover_hooks_us,	    [RD_RECOVERY_FENCE] = &m->recover_fence_us,
	    [RD_RECOVERY_CHOOSE] = &m->recover_choose_us,   [RD_RECOVERY_WAIT] = &m->recover_wait_us,
	    [RD_RECOVERY_PREPARE] = &m->recover_prepare_us, [RD_RECOVERY_PROMOTE] = &m->recover_promote_us,
	    [RD_RECOVERY_REPOINT] = &m->recover_repoint_us, [RD_RECOVERY_ENDING] = &m->recover_ending_us,
	    [RD_RECOVERY_RESTORE] = &m->recover_restore_us,
	};

	return state < RD_RECOVERY_STATES ? times[state] : NULL;
}

void
rd_recover_count(struct rd_metrics *m, uint64_t from, uint64_t to, int64_t us)
{
	uint64_t *time = time_in(m, from);

	if (time != NULL)
		*time += (uint64_t)max_i64(0, us);
	if (from == to)
		return;
	m->recover_success += to == RD_RECOVERY_DONE;
	m->recover_fail += to == RD_RECOVERY_UNDONE;
}
