/* pr_step_sql.c — the table of steps. Pure; called by pr_step.c. */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "pr_flavor.h"
#include "pr_step.h"

#define PR_STEP(NAME, text, n_args, ...) static const struct pr_variant variants_##NAME[] = {__VA_ARGS__};
#define PR_BEFORE_STEP(NAME, ...) static const struct pr_variant before_##NAME[] = {__VA_ARGS__};
#include "pr_step.def"

static const struct {
	const char *name;
	size_t n_args;
	const struct pr_variant *v;
	size_t n;
} steps[] = {
#define PR_STEP(NAME, text, n_args, ...) {text, (n_args), variants_##NAME, ARRAY_LEN(variants_##NAME)},
#include "pr_step.def"
};

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

/* The one argument of a statement that has one is a number. */
static int
write_sql(const char *sql, const struct rec_text_list *args, struct str_buf *buf, struct err *e)
{
	const char *hole = strstr(sql, "%llu");
	uint64_t v;

	if (hole == NULL) {
		str_buf_add(buf, sql);
		return 0;
	}
	if (str_parse_u64(args->v[0].s, UINT64_MAX, &v, e) != 0)
		return err_wrap(e, "argument");
	str_buf_add_n(buf, sql, (size_t)(hole - sql));
	str_buf_printf(buf, "%llu%s", (unsigned long long)v, hole + 4);
	return 0;
}

int
pr_step_sql(const char *name, const struct rec_text_list *args, const char *version, bool use_super_read_only,
	    struct str_buf *buf, struct err *e)
{
	unsigned caps = pr_flavor_caps(version);

	if (!use_super_read_only)
		caps &= ~(unsigned)PR_CAP_SUPER_READ_ONLY;
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		const char *sql;

		if (!str_eq(steps[i].name, name))
			continue;
		if (args->n != steps[i].n_args)
			return err_set(e, ERR_INVALID, "%s takes %zu arguments, not %zu", name, steps[i].n_args,
				       args->n);
		sql = pr_variant_choose(steps[i].v, steps[i].n, caps);
		if (sql == NULL)
			return err_set(e, ERR_UNSUPPORTED, "%s on version %s", name, version);
		return write_sql(sql, args, buf, e);
	}
	return err_set(e, ERR_UNSUPPORTED, "no step \"%s\"", name);
}
