/* rd_fsm.c — see rd_fsm.h. Pure; called where a recovery's events are applied, and by the simulation. */
#include "rd_fsm.h"

#include <string.h>

#include "base/clock.h"
#include "topo/key.h"

#define REC_SELF struct rd_recovery
REC_DEFINE(rd_recovery, RD_RECOVERY_FIELDS);
#undef REC_SELF

/* The words of the table. */
enum {
	TERMINAL = RD_STATE_TERMINAL,
	COMMITTED = RD_STATE_COMMITTED,
	CHANGED = RD_STATE_CHANGED,
	FENCE_OLD = RD_DO_FENCE_OLD,
	TAKE_LOCKS = RD_DO_TAKE_LOCKS,
	PRE_HOOKS = RD_DO_PRE_HOOKS,
	READ = RD_DO_READ,
	ONLY_READ = RD_DO_ONLY_READ,
	PICK = RD_DO_PICK,
	RUN = RD_DO_RUN,
	ANNOUNCE = RD_DO_ANNOUNCE,
	RECORD = RD_DO_RECORD,
	POST_HOOKS = RD_DO_POST_HOOKS,
	TOO_LATE = RD_DO_TOO_LATE,
	UNLOCK = RD_DO_UNLOCK,
	TAKE_SUCCESSOR = RD_DO_TAKE_SUCCESSOR,
	DROP_SUCCESSOR = RD_DO_DROP_SUCCESSOR,
	FORGET_SUCCESSOR = RD_DO_FORGET_SUCCESSOR
};

static const struct {
	const char *name;
	int64_t deadline_ms;
	unsigned flags, effects;
} states[RD_RECOVERY_STATES] = {
#define STATE(NAME, name, deadline_ms, flags, effects, doc) {name, deadline_ms, flags, effects},
#include "rd_fsm.def"
};

static const char *const events[RD_EVENTS] = {
#define EVENT(NAME, name, doc) name,
#include "rd_fsm.def"
};

struct edge {
	enum rd_recovery_state from;
	enum rd_recovery_event event;
	enum rd_recovery_state to;
	unsigned effects;
	const char *why;
};
static const struct edge edges[] = {
#define EDGE(FROM, EVENT_, TO, effects, why) {RD_RECOVERY_##FROM, RD_EVENT_##EVENT_, RD_RECOVERY_##TO, effects, why},
#include "rd_fsm.def"
};

const char *
rd_recovery_state_name(uint64_t state)
{
	return state < RD_RECOVERY_STATES ? states[state].name : "unknown";
}

uint64_t
rd_recovery_state_by_name(const char *name)
{
	uint64_t state = 0;

	while (state < RD_RECOVERY_STATES && strcmp(states[state].name, name) != 0)
		state++;
	return state;
}

unsigned
rd_recovery_state_flags(enum rd_recovery_state state)
{
	return states[state].flags;
}

bool
rd_recovery_runs(uint64_t state)
{
	return state >= RD_RECOVERY_STATES || (states[state].flags & RD_STATE_TERMINAL) == 0;
}

const char *
rd_recovery_event_name(enum rd_recovery_event event)
{
	return events[event];
}

enum rd_plan_phase
rd_recovery_phase(enum rd_recovery_state state)
{
	static const struct {
		enum rd_recovery_state state;
		enum rd_plan_phase phase;
	} phases[] = {{RD_RECOVERY_FENCE, RD_PHASE_FENCE},     {RD_RECOVERY_PREPARE, RD_PHASE_PREPARE},
		      {RD_RECOVERY_PROMOTE, RD_PHASE_PROMOTE}, {RD_RECOVERY_REPOINT, RD_PHASE_REPOINT},
		      {RD_RECOVERY_RESTORE, RD_PHASE_RESTORE}, {RD_RECOVERY_REJOIN, RD_PHASE_REJOIN}};

	for (size_t i = 0; i < ARRAY_LEN(phases); i++) {
		if (phases[i].state == state)
			return phases[i].phase;
	}
	return RD_PHASE_COUNT;
}

/* --- transitions ----------------------------------------------------------------------------------------------- */
static const struct edge *
find_edge(uint64_t state, enum rd_recovery_event event)
{
	for (size_t i = 0; i < ARRAY_LEN(edges); i++) {
		if ((uint64_t)edges[i].from == state && edges[i].event == event)
			return &edges[i];
	}
	return NULL;
}

static void
add_key(struct topo_key_list *l, const struct topo_key *k, struct mem_arena *arena)
{
	struct topo_key *v;

	if (l->n == RD_RECOVERY_EXCLUDED_MAX || topo_key_list_has(l, k))
		return;
	v = mem_arena_alloc(arena, (l->n + 1) * sizeof(*v));
	if (l->n > 0)
		memcpy(v, l->v, l->n * sizeof(*v));
	v[l->n++] = *k;
	l->v = v;
}

static void
change_successor(const struct edge *edge, const struct rd_recovery_happening *h, struct mem_arena *arena,
		 struct rd_recovery *r)
{
	if ((edge->effects & DROP_SUCCESSOR) != 0) {
		add_key(&r->excluded, &r->successor, arena);
		if ((states[edge->from].flags & COMMITTED) != 0)
			add_key(&r->suspects, &r->successor, arena);
	}
	if ((edge->effects & (DROP_SUCCESSOR | FORGET_SUCCESSOR)) != 0)
		r->successor = (struct topo_key){"", 0};
	if ((edge->effects & TAKE_SUCCESSOR) != 0)
		r->successor = *h->successor;
}

/* From before the promotion, so that whoever leads next has it; of nobody else but who is promoted. */
static void
take_position(const struct edge *edge, const struct rd_recovery_happening *h, struct rd_recovery *r)
{
	bool tells =
	    h->event == RD_EVENT_WRITABLE || (edge->from == RD_RECOVERY_PREPARE && edge->to == RD_RECOVERY_PROMOTE);

	if (tells && h->position != NULL)
		r->promoted_at = h->position;
	else if (edge->to == RD_RECOVERY_CHOOSE || edge->to == RD_RECOVERY_RESTORE)
		r->promoted_at = "";
}

/* Staying where one is does not give more time, but where nothing can be given up. */
static int64_t
deadline_of(const struct edge *edge, const struct rd_recovery *r, const struct rd_recovery_happening *h, int64_t now_us)
{
	int64_t ms = states[edge->to].deadline_ms;

	if (edge->to == edge->from && !rd_fsm_is_overdue(r, now_us) && edge->event != RD_EVENT_ORPHAN_DEAD &&
	    edge->event != RD_EVENT_ORPHAN_ALIVE)
		return r->deadline_us;
	return ms > 0 ? now_us + ms * CLK_MS : h->deadline_us;
}

static unsigned
effects_of(const struct edge *edge)
{
	unsigned effects = edge->effects & ~(unsigned)(TAKE_SUCCESSOR | DROP_SUCCESSOR | FORGET_SUCCESSOR);
	bool stays = edge->from == edge->to && (edge->event == RD_EVENT_ABORT || edge->event == RD_EVENT_RETURNED);

	/* what is under way goes on */
	return stays || (effects & ONLY_READ) != 0 ? effects : effects | states[edge->to].effects;
}

int
rd_fsm_step(const struct rd_recovery *r, const struct rd_recovery_happening *h, int64_t now_us, struct mem_arena *arena,
	    struct rd_recovery *ret, unsigned *ret_effects, struct err *e)
{
	const struct edge *edge = find_edge(r->state, h->event);

	if (edge == NULL)
		return err_set(e, ERR_PRECONDITION, "recovery %.64s: %s does not belong to state %s", r->uid,
			       events[h->event], rd_recovery_state_name(r->state));
	if (r->turns >= RD_RECOVERY_TURNS_MAX)
		return err_set(e, ERR_LIMIT, "recovery %.64s does not come to an end", r->uid);
	ASSERT((edge->effects & TAKE_SUCCESSOR) == 0 || h->successor != NULL);
	*ret = *r;
	change_successor(edge, h, arena, ret);
	ret->deadline_us = deadline_of(edge, r, h, now_us);
	ret->since_us = edge->to == edge->from ? r->since_us : now_us;
	ret->state = edge->to;
	ret->turns = r->turns + 1;
	ret->why = edge->why;
	take_position(edge, h, ret);
	ret->promoted = r->promoted || h->event == RD_EVENT_WRITABLE;
	ret->returned = r->returned || h->event == RD_EVENT_RETURNED || h->event == RD_EVENT_ORPHAN_ALIVE;
	*ret_effects = effects_of(edge);
	return 0;
}

void
rd_fsm_begin(const char *uid, const char *cluster_id, const struct topo_key *failed, bool skip_hooks, int64_t now_us,
	     struct rd_recovery *ret, unsigned *ret_effects)
{
	enum rd_recovery_state state = skip_hooks ? RD_RECOVERY_FENCE : RD_RECOVERY_HOOKS;

	rec_init(&rd_recovery_desc, ret);
	ret->uid = uid;
	ret->cluster_id = cluster_id;
	ret->failed = *failed;
	ret->state = state;
	ret->began_us = ret->since_us = now_us;
	ret->deadline_us = now_us + states[state].deadline_ms * CLK_MS;
	ret->why = "begun";
	*ret_effects = states[state].effects;
}

bool
rd_fsm_is_overdue(const struct rd_recovery *r, int64_t now_us)
{
	return r->deadline_us != 0 && now_us >= r->deadline_us;
}

enum rd_recovery_event
rd_fsm_promotion_read(const struct rd_recovery *r, bool read, bool read_only, bool step_open)
{
	if (read && !read_only)
		return RD_EVENT_WRITABLE;
	if (!read || step_open)
		return RD_EVENT_UNKNOWN;
	return r->returned ? RD_EVENT_NOT_PROMOTED : RD_EVENT_READ_ONLY;
}

void
rd_fsm_write(struct str_buf *b)
{
	for (size_t i = 0; i < ARRAY_LEN(edges); i++)
		str_buf_printf(b, "%s --%s--> %s: %s\n", states[edges[i].from].name, events[edges[i].event],
			       states[edges[i].to].name, edges[i].why);
}
