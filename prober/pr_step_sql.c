/* pr_step_sql.c — what is asked before a step. Pure; called by pr_step.c. The steps' own texts: topo/step.def. */
#include "pr_flavor.h"
#include "pr_step.h"

#define PR_BEFORE_STEP(NAME, ...) static const struct pr_variant before_##NAME[] = {__VA_ARGS__};
#include "pr_step.def"

static const struct {
	const struct pr_variant *v;
	size_t n;
} before[PR_BEFORE_COUNT] = {
#define PR_BEFORE_STEP(NAME, ...) {before_##NAME, ARRAY_LEN(before_##NAME)},
#include "pr_step.def"
};

const char *
pr_before_step_sql(enum pr_before_step what, const char *version)
{
	return pr_variant_choose(before[what].v, before[what].n, pr_flavor_caps(version));
}
