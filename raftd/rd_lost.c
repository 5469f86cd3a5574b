/* rd_lost.c — see rd_lost.h. Called by rd_house_clusters.c. */
#include "rd_lost.h"

#include "topo/derive.h"

bool
rd_lost_is_back(const struct topo_instance *inst, bool valid, int64_t since_us, int64_t now_us, size_t owners)
{
	if (!valid || now_us - since_us < RD_LOST_AT_LEAST_US)
		return false;
	if (topo_replica_running(inst))
		return true;
	return inst->replication_depth == 0 && inst->suggested_cluster_alias[0] != '\0' && owners == 1;
}
