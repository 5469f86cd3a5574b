/* line_budget.c — see line_budget.h. Called by shells before they log about one of many servers, peers or strangers. */
#include "base/line_budget.h"

enum line_say
line_budget_spend(struct line_budget *b, unsigned max, int64_t window_us, struct mono now, uint64_t *ret_left_out)
{
	uint64_t before = 0;

	if (b->lines == 0 || mono_diff_us(now, b->begun) >= window_us) {
		before = b->left_out;
		*b = (struct line_budget){.begun = now};
	}
	if (ret_left_out != NULL)
		*ret_left_out = before;
	if (b->lines < max) {
		b->lines++;
		return LINE_SAY;
	}
	return b->left_out++ == 0 ? LINE_OTHERS : LINE_NOTHING;
}
