/* pr_fence.c — see pr_fence.h. Pure; called by pr_step.c. */
#include "pr_fence.h"

#include <string.h>

#include "base/str.h"

/* The entry of this recovery, else the one to overwrite. */
static struct pr_fence_entry *
entry_for(struct pr_fence *f, const char *uid)
{
	struct pr_fence_entry *oldest = &f->v[0];

	for (size_t i = 0; i < PR_FENCE_MAX; i++) {
		if (str_eq(f->v[i].uid, uid))
			return &f->v[i];
		if (f->v[i].used < oldest->used)
			oldest = &f->v[i];
	}
	*oldest = (struct pr_fence_entry){0};
	(void)str_copy(oldest->uid, sizeof(oldest->uid), uid);
	return oldest;
}

int
pr_fence_admit(struct pr_fence *f, const char *uid, uint64_t term, uint64_t number, struct err *e)
{
	struct pr_fence_entry *entry;

	if (uid[0] == '\0' || strlen(uid) > PR_FENCE_UID_MAX || number == 0)
		return err_set(e, ERR_INVALID, "step without recovery uid or number");
	if (term < f->newest_term)
		return err_set(e, ERR_LATE, "term %llu is over, %llu has begun", (unsigned long long)term,
			       (unsigned long long)f->newest_term);
	entry = entry_for(f, uid);
	if (term == entry->term && number <= entry->number)
		return err_set(e, ERR_EXISTS, "step %llu was given already, the last one was %llu",
			       (unsigned long long)number, (unsigned long long)entry->number);
	f->newest_term = term;
	entry->term = term;
	entry->number = number;
	entry->used = ++f->clock;
	return 0;
}
