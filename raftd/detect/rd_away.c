/* rd_away.c — see rd_away.h. Pure; called by rd_detect_end.c for each vote that has ended. */
#include "rd_away.h"

bool
rd_away_note(struct rd_away *a, bool own, uint64_t term, struct mono now)
{
	if (!own)
		return false;
	if (a->rounds == 0 || a->term != term || mono_diff_us(now, a->last) > RD_AWAY_LAPSE_US) {
		a->rounds = 0;
		a->term = term;
		a->first = now;
	}
	a->rounds++;
	a->last = now;
	if (a->rounds < RD_AWAY_ROUNDS || mono_diff_us(now, a->first) < RD_AWAY_US)
		return false;
	if (a->gave.us != 0 && mono_diff_us(now, a->gave) < RD_AWAY_PAUSE_US)
		return false;
	a->gave = now;
	a->rounds = 0;
	return true;
}
