/* rd_semi_sync.c — see rd_semi_sync.h. Pure; called by rd_work.c for each server that was read. */
#include "rd_semi_sync.h"

static int64_t
waits_since(const struct rd_semi_sync *s, const struct topo_instance *inst, int64_t began_us)
{
	if (!inst->semi_sync_source_status)
		return 0;
	if (inst->semi_sync_source_waiting == 0)
		return began_us;
	if (s->status && inst->semi_sync_source_acked >= s->acked &&
	    inst->semi_sync_source_acked - s->acked >= s->waiting)
		return s->read_us;
	return s->status ? s->since_us : 0;
}

/* While it is not connected the former reading counts. */
static bool
acknowledges(const struct rd_semi_sync *s, const struct topo_instance *inst)
{
	if (!inst->semi_sync_replica_enabled || inst->io_thread_state == TOPO_THREAD_STOPPED)
		return false;
	return inst->semi_sync_replica_status || (s->acks && inst->io_thread_state != TOPO_THREAD_RUNNING);
}

void
rd_semi_sync_note(struct rd_semi_sync *s, const struct topo_instance *inst, int64_t began_us)
{
	s->since_us = waits_since(s, inst, began_us);
	s->acks = acknowledges(s, inst);
	s->read_us = began_us;
	s->waiting = inst->semi_sync_source_waiting;
	s->acked = inst->semi_sync_source_acked;
	s->status = inst->semi_sync_source_status;
}
