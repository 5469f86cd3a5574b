/* pr_loss.h — many connections lost at once: most likely our network, not the servers (design.md section 5). Pure.
 *
 * A mass loss is more than PR_LOSS_MANY within a second, or at least PR_LOSS_SOME that are more than a tenth of the
 * servers (of a handful of servers, a tenth means nothing). */
#ifndef PR_LOSS_H
#define PR_LOSS_H

#include "base/clock.h"

#define PR_LOSS_MANY 20
#define PR_LOSS_SOME 10

/* Zero-initialise. */
struct pr_loss {
	struct mono last[PR_LOSS_MANY + 1]; /* ring of the newest ones */
	size_t next, n;
};

void pr_loss_note(struct pr_loss *l, struct mono now);
bool pr_loss_is_mass(const struct pr_loss *l, size_t servers, struct mono now);

#endif
