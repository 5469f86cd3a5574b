/* base/line_budget.h — how many log lines of one kind may name single things within a time: what befalls thousands at
 * once must not fill the log. Pure: the caller writes the lines. */
#ifndef BASE_LINE_BUDGET_H
#define BASE_LINE_BUDGET_H

#include "base/clock.h"

struct line_budget { /* zero-initialise */
	struct mono begun;
	unsigned lines;	   /* of the window that began then */
	uint64_t left_out; /* of it */
};

enum line_say {
	LINE_SAY,     /* write it */
	LINE_OTHERS,  /* the first that is left out: say that others are not named */
	LINE_NOTHING, /* left out */
};
/* At most max lines from the first of a window on until window_us later. *ret_left_out: in the first line of a window,
 * how many the window before left out; else 0. May be NULL. */
enum line_say line_budget_spend(struct line_budget *b, unsigned max, int64_t window_us, struct mono now,
				uint64_t *ret_left_out);

#endif
