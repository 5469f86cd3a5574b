/* pr_step_sql.c — what is asked before a step. Pure; called by pr_step.c. The steps' own texts: topo/step.def. */
#include "base/str.h"
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

/* By the historical name of a column, or the new one. */
static const char *
either(const struct pr_rows *r, const char *old, const char *fresh)
{
	size_t col = pr_rows_col(r, fresh);
	const char *text = pr_rows_at(r, 0, col == PR_NO_COL ? pr_rows_col(r, old) : col);

	return text == NULL ? "" : text;
}

static const char several[] = "it has several sources";

static size_t
count_channels(const struct pr_rows *channels)
{
	return channels->n_rows + channels->n_dropped;
}

int
pr_step_only_channel(const struct pr_rows *channels, const char **ret_name, struct err *e)
{
	*ret_name = "";
	if (count_channels(channels) > 1)
		return err_set(e, ERR_PRECONDITION, "%s", several);
	if (channels->n_rows == 1)
		*ret_name = pr_rows_text(channels, 0, "Channel_Name");
	return 0;
}

const char *
pr_step_reconnect_obstacle(const struct pr_rows *channels)
{
	const char *io = either(channels, "Slave_IO_Running", "Replica_IO_Running");

	if (channels->n_rows == 0)
		return "it is no replica";
	if (count_channels(channels) > 1)
		return several;
	if (!str_eq_nocase(either(channels, "Slave_SQL_Running", "Replica_SQL_Running"), "Yes"))
		return "its applier does not run";
	if (!str_eq_nocase(io, "Yes") && !str_eq_nocase(io, "Connecting") && !str_eq_nocase(io, "Preparing"))
		return "its receiver was stopped";
	return NULL;
}
