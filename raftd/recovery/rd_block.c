/* rd_block.c — see rd_block.h. Pure; called before a recovery is proposed and again when its beginning is applied. */
#include "rd_block.h"

#include "topo/key.h"

const char *
rd_block_text(enum rd_block block)
{
	static const char *const texts[] = {"", "another recovery of the cluster is running",
					    "the server was promoted by a recent recovery",
					    "the cluster had a recent recovery"};

	return texts[block];
}

bool
rd_block_is_active(const struct rd_past_recovery *p, int64_t now_us, int64_t block_us)
{
	const struct rd_recovery *r = p->r;

	if (rd_recovery_runs(r->state))
		return true;
	if (p->acknowledged || now_us - r->began_us >= block_us)
		return false;
	return r->promoted || !r->returned;
}

enum rd_block
rd_block_check(const struct rd_past_recovery *past, size_t n, const char *cluster_id, const struct topo_key *failed,
	       bool forced, int64_t now_us, int64_t block_us, const struct rd_recovery **ret_by)
{
	enum rd_block found = RD_BLOCK_NONE;

	for (size_t i = 0; i < n; i++) {
		const struct rd_recovery *r = past[i].r;
		bool same = str_eq(r->cluster_id, cluster_id), to_it = topo_key_equal(&r->successor, failed);
		bool of_it = r->promoted && topo_key_equal(&r->failed, failed); /* the id went on to its successor */
		enum rd_block block = RD_BLOCK_NONE;

		if (same && rd_recovery_runs(r->state))
			block = RD_BLOCK_RUNNING;
		else if (!forced && !rd_recovery_runs(r->state) && !past[i].is_moot &&
			 rd_block_is_active(&past[i], now_us, block_us))
			block = to_it && r->promoted ? RD_BLOCK_SUCCESSOR
				: same || of_it	     ? RD_BLOCK_CLUSTER
						     : RD_BLOCK_NONE;
		if (block == RD_BLOCK_NONE || (found != RD_BLOCK_NONE && block >= found))
			continue;
		found = block;
		*ret_by = r;
	}
	return found;
}

bool
rd_block_is_acked_by_force(const struct rd_past_recovery *p, const struct topo_key *failed)
{
	return !p->acknowledged && !rd_recovery_runs(p->r->state) && topo_key_equal(&p->r->failed, failed);
}
