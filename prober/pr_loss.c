/* pr_loss.c — see pr_loss.h. Pure; called by pr_pool.c. */
#include "pr_loss.h"

void
pr_loss_note(struct pr_loss *l, struct mono now)
{
	l->last[l->next] = now;
	l->next = (l->next + 1) % ARRAY_LEN(l->last);
	if (l->n < ARRAY_LEN(l->last))
		l->n++;
}

bool
pr_loss_is_mass(const struct pr_loss *l, size_t servers, struct mono now)
{
	size_t recent = 0;

	for (size_t i = 0; i < l->n; i++)
		recent += mono_diff_us(now, l->last[i]) <= CLK_S;
	return recent > PR_LOSS_MANY || (recent >= PR_LOSS_SOME && recent * 10 > servers);
}
