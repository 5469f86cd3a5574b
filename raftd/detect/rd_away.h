/* rd_away.h — when a leader that alone cannot reach servers hands leadership over. Pure; times given.
 *
 * Only after RD_AWAY_ROUNDS votes in a row, over at least RD_AWAY_US, in which a majority of the voters reached what the
 * leader did not, and at most once in RD_AWAY_PAUSE_US: when the next one is no better, leadership must not go round. */
#ifndef RD_AWAY_H
#define RD_AWAY_H

#include "base/clock.h"

#define RD_AWAY_ROUNDS 3
#define RD_AWAY_US (2 * CLK_S)
#define RD_AWAY_LAPSE_US (10 * CLK_S) /* later ones begin anew */
#define RD_AWAY_PAUSE_US (300 * CLK_S)

/* Zero-initialise. */
struct rd_away {
	unsigned rounds;
	uint64_t term; /* of the rounds: those of a former leadership don't count */
	struct mono first, last;
	struct mono gave; /* us 0 = never */
};
/* A vote of that term has ended; own: as above. True: hand over now. Other votes do not end the row: the leader may well
 * reach other servers. */
bool rd_away_note(struct rd_away *a, bool own, uint64_t term, struct mono now);

#endif
