/* rn_rule.c — which connection of a pair is used, when to dial, ping and give up (rn_rule.h). Pure. */
#include "rn_rule.h"

#include <string.h>

#define PAUSE_FIRST_US (50 * CLK_MS)
#define PAUSE_LONGEST_US (1 * CLK_S)
#define CONNECT_US (400 * CLK_MS)
#define CONNECT_LAST_US (1 * CLK_S)

bool
rn_rule_decides(const char *own_name, const char *peer_name)
{
	return strcmp(own_name, peer_name) < 0;
}

bool
rn_rule_takes(const struct rn_rule_pair *p)
{
	if (!p->has_live || p->live_quiet)
		return true;
	return p->new_instance == p->live_instance && !p->dialled && p->new_seen == p->live_number;
}

int64_t
rn_rule_pause_us(unsigned failures, uint32_t random)
{
	int64_t most = PAUSE_FIRST_US;
	int64_t least;

	for (unsigned i = 0; i < failures && most < PAUSE_LONGEST_US; i++)
		most *= 2;
	most = min_i64(most, PAUSE_LONGEST_US);
	least = failures == 0 ? 20 * CLK_MS : most / 2;
	return least + random % (most - least + 1);
}

int64_t
rn_rule_connect_us(bool is_last, unsigned failures)
{
	int64_t us = is_last ? CONNECT_LAST_US : CONNECT_US;

	return failures > 4 ? 3 * us : us; /* far away nodes get their chance */
}

enum rn_idle
rn_rule_idle(struct mono now, struct mono heard, struct mono sent, int64_t silence_us)
{
	if (mono_diff_us(now, heard) >= silence_us)
		return RN_IDLE_DEAD;
	return mono_diff_us(now, sent) >= silence_us / 4 ? RN_IDLE_PING : RN_IDLE_NOTHING;
}

bool
rn_rule_quiet(struct mono now, struct mono heard, int64_t silence_us)
{
	return mono_diff_us(now, heard) >= silence_us / 2;
}
