/* analysis_codes.c — what the aggregates of a server mean: analysis_codes.def as functions and texts (analysis.md
 * sections 3 to 6). Pure; called by analysis.c, the texts by whoever shows them. */
#include "topo/analysis_private.h"

enum who { WHO_PRIMARY, WHO_CO_SOURCE, WHO_INTERMEDIATE, WHO_ANY, WHO_GROUP_MEMBER };
enum about { ABOUT_SERVER, ABOUT_REPLICAS };

typedef bool holds_fn(const struct topo_analysis *a, const struct topo_analysis_rules *r);

#define HOLDS(prefix, id, condition)                                                                   \
	static bool prefix##_##id(const struct topo_analysis *a, const struct topo_analysis_rules *r)  \
	{                                                                                              \
		bool V = a->last_check_valid;                                                          \
		uint64_t n = a->n_replicas, nv = a->n_valid, nr = a->n_replicating, nf = a->n_failing; \
		(void)r, (void)V, (void)n, (void)nv, (void)nr, (void)nf;                               \
		return condition;                                                                      \
	}
#define TOPO_CODE(id, name, who, about, condition, description) HOLDS(code, id, condition)
#define TOPO_STRUCTURE(id, name, condition) HOLDS(structure, id, condition)
#include "topo/analysis_codes.def"

static const struct {
	const char *name, *description;
	enum who who;
	enum about about;
	holds_fn *holds;
} codes[TOPO_CODE_COUNT] = {
    [TOPO_NO_PROBLEM] = {"NoProblem", "", WHO_ANY, ABOUT_SERVER, NULL},
#define TOPO_CODE(id, name, who, about, condition, description) \
	[TOPO_##id] = {name, description, WHO_##who, ABOUT_##about, code_##id},
#include "topo/analysis_codes.def"
};

static const struct {
	const char *name;
	holds_fn *holds;
} structures[TOPO_STRUCTURE_COUNT] = {
#define TOPO_STRUCTURE(id, name, condition) {name, structure_##id},
#include "topo/analysis_codes.def"
};

const char *
topo_code_name(enum topo_code code)
{
	ASSERT((unsigned)code < TOPO_CODE_COUNT);
	return codes[code].name;
}

const char *
topo_code_description(enum topo_code code)
{
	ASSERT((unsigned)code < TOPO_CODE_COUNT);
	return codes[code].description;
}

const char *
topo_structure_name(enum topo_structure warning)
{
	ASSERT((unsigned)warning < TOPO_STRUCTURE_COUNT);
	return structures[warning].name;
}

static bool
is_meant(const struct topo_analysis *a, enum who who)
{
	switch (who) {
	case WHO_PRIMARY:
		return !a->is_group_member && a->is_primary;
	case WHO_CO_SOURCE:
		return !a->is_group_member && a->is_co_source;
	case WHO_INTERMEDIATE:
		return !a->is_group_member && !a->is_primary;
	case WHO_ANY:
		return !a->is_group_member;
	case WHO_GROUP_MEMBER:
		return a->is_group_member;
	}
	ASSERT(!"unknown subject");
	return false;
}

static enum topo_code
find_code(const struct topo_analysis *a, const struct topo_analysis_rules *r)
{
	for (enum topo_code c = TOPO_NO_PROBLEM + 1; c < TOPO_CODE_COUNT; c++) {
		if (is_meant(a, codes[c].who) && codes[c].holds(a, r))
			return c;
	}
	return TOPO_NO_PROBLEM;
}

static void
set_structure(struct topo_analysis *a, const struct topo_analysis_rules *r, struct mem_arena *arena)
{
	a->structure.v = mem_arena_alloc(arena, TOPO_STRUCTURE_COUNT * sizeof(*a->structure.v));
	for (size_t i = 0; i < TOPO_STRUCTURE_COUNT; i++) {
		if (structures[i].holds(a, r))
			a->structure.v[a->structure.n++].s = structures[i].name;
	}
}

/* analysis.md section 5: what is said about replicas that are all down on purpose is not acted on. */
static void
set_skippable(struct topo_analysis *a)
{
	a->is_replicas_downtimed = codes[a->code].about == ABOUT_REPLICAS && a->n_replicas == a->n_downtimed;
	a->is_skippable = a->is_downtimed || a->is_replicas_downtimed;
}

void
topo_analysis_judge(struct topo_analysis *a, const struct topo_analysis_rules *rules, struct mem_arena *arena)
{
	a->code = find_code(a, rules);
	a->analysis = codes[a->code].name;
	a->description = codes[a->code].description;
	set_structure(a, rules, arena);
	set_skippable(a);
}

/* --- texts ----------------------------------------------------------------------------------------------------- */
void
topo_analysis_text(const struct topo_analysis *a, struct str_buf *b)
{
	const char *separator = "";

	if (a->code != TOPO_NO_PROBLEM) {
		str_buf_add(b, a->analysis);
		separator = ", ";
	}
	for (size_t i = 0; i < a->structure.n; i++) {
		str_buf_printf(b, "%s%s", separator, a->structure.v[i].s);
		separator = ", ";
	}
}

const char *
topo_analysed_type(const struct topo_analysis *a)
{
	if (a->is_co_source)
		return "co-master";
	if (a->is_group_member)
		return "group-member";
	return a->is_primary ? "master" : "intermediate-master";
}
