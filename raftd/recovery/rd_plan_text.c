/* rd_plan_text.c — plans as an operator reads them: dry runs, the audit of a recovery, golden tests. Pure. */
#include "rd_plan.h"
#include "topo/key.h"
#include "topo/step.h"

static const struct {
	const char *name, *why;
} phases[RD_PHASE_COUNT] = {
#define PHASE(NAME, name, why) {name, why},
#include "rd_phase.def"
#undef PHASE
};

const char *
rd_plan_phase_name(enum rd_plan_phase phase)
{
	return phases[phase].name;
}

static const char *
version_of(const struct rd_recovery_input *in, const struct topo_key *key)
{
	const struct rd_recovery_server *s = rd_recovery_find(in, key);

	if (s == NULL && topo_key_equal(key, &in->failed.key))
		s = &in->failed;
	return s == NULL ? "" : s->version;
}

static void
add_step_line(const struct rd_step *s, const struct rd_recovery_input *in, struct str_buf *b)
{
	static const char *const failures[] = {"another candidate", "it is read, and planned again", "it is lost",
					       "go on"};
	enum topo_step_kind kind = topo_step_by_name(s->statement);
	struct err e;

	str_buf_printf(b, "    %llu. %s: ", (unsigned long long)s->number, TOPO_KEY_TEXT(&s->key));
	if (topo_step_sql(s->statement, &s->args, version_of(in, &s->key), in->policy.use_super_read_only, b, &e) != 0)
		str_buf_printf(b, "%s cannot be done: %s", s->statement, e.msg);
	if (s->after != 0)
		str_buf_printf(b, "; after %llu", (unsigned long long)s->after);
	if (s->and_after != 0)
		str_buf_printf(b, "%s %llu", s->after != 0 ? " and" : "; after", (unsigned long long)s->and_after);
	if (kind != TOPO_STEP_COUNT && (topo_step_flags(kind) & TOPO_STEP_IRREVERSIBLE) != 0)
		str_buf_add(b, "; cannot be undone");
	str_buf_printf(b, "; within %g s, else %s\n", (double)s->within_ms / 1000.0, failures[s->on_failure]);
}

void
rd_plan_write(const struct rd_plan *p, const struct rd_recovery_input *in, struct str_buf *b)
{
	str_buf_printf(b, "%s:%s\n", phases[p->phase].name, p->steps.n == 0 ? " nothing to do" : "");
	for (size_t i = 0; i < p->steps.n; i++)
		add_step_line(&p->steps.v[i], in, b);
	for (size_t i = 0; i < p->lost.n; i++)
		str_buf_printf(b, "    lost: %s: %s\n", TOPO_KEY_TEXT(&p->lost.v[i].key), p->lost.v[i].why);
}

void
rd_plan_dry_run(const struct rd_recovery_input *in, const struct rd_haves *haves, const struct rd_choice *choice,
		struct mem_arena *arena, struct str_buf *b)
{
	const char *refusal = rd_plan_refusal(haves, choice);
	struct rd_plan p;

	if (refusal != NULL) {
		str_buf_printf(b, "no plan: %s\n", refusal);
		return;
	}
	for (int phase = RD_PHASE_FENCE; phase <= RD_PHASE_REPOINT; phase++) {
		rd_plan_build((enum rd_plan_phase)phase, in, haves, choice, arena, &p);
		rd_plan_write(&p, in, b);
	}
}
