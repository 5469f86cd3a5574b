/* rd_recover.c — see rd_recover.h: what happened, and what is next. The leader's shell feeds it (rd_recoveries.c), so do
 * unit tests and the simulation. Parts: rd_recover_private.h. */
#include "rd_recover_private.h"

#include <stdlib.h>

#include "topo/key.h"

/* Who was chosen was read as a replica of the failed server, which the recorded input does not tell. */
static void
take_chosen(const struct rd_recovery *record, struct rd_recovery_input *in)
{
	for (size_t i = 0; i < in->servers.n; i++) {
		struct rd_recovery_server *s = &in->servers.v[i];
		if (!s->in_doubt ||
		    !(topo_key_equal(&s->key, &record->successor) || topo_key_list_has(&record->excluded, &s->key) ||
		      topo_key_list_has(&record->suspects, &s->key)))
			continue;
		s->in_doubt = false;
		s->was_direct = true;
		topo_key_set(&s->source_key, record->failed.hostname, record->failed.port);
	}
}

/* Since when commits may have waited was told by the clock of the leader that began it, which may be ahead of this one's. */
static void
doubt_clock(struct rd_recovery_input *in)
{
	if (in->failed.semi_sync_since_us > RD_CLOCKS_APART_US)
		in->failed.semi_sync_since_us -= RD_CLOCKS_APART_US;
}

struct rd_recover *
rd_recover_new(const struct rd_recover_conf *conf)
{
	struct rd_recover *r = mem_new(struct rd_recover);

	*r = (struct rd_recover){.clock = conf->clock,
				 .ops = conf->ops,
				 .ctx = conf->ctx,
				 .term = conf->term,
				 .number = conf->number,
				 .poll_us = conf->poll_us,
				 .todo = conf->effects};
	rec_dup(&rd_recovery_desc, &r->record, conf->record);
	rec_dup(&rd_recovery_input_desc, &r->before, conf->in);
	take_chosen(&r->record, &r->before);
	if (conf->origin != RD_RECOVER_BEGUN)
		doubt_clock(&r->before);
	rec_dup(&rd_recovery_input_desc, &r->now, &r->before);
	r->reading = mem_calloc(r->now.servers.n + 1, sizeof(*r->reading));
	for (size_t i = 0; conf->lost != NULL && i < conf->lost->n; i++)
		rd_recover_lose(r, &conf->lost->v[i].key, conf->lost->v[i].why);
	if (conf->origin != RD_RECOVER_BEGUN) {
		r->todo = 0;
		r->wanted |=
		    1u << (conf->origin == RD_RECOVER_ORPHAN_DEAD ? RD_EVENT_ORPHAN_DEAD : RD_EVENT_ORPHAN_ALIVE);
	}
	r->was_attempted = conf->record->state == RD_RECOVERY_UNDONE; /* taken over for the sake of its hooks */
	r->fenced = conf->origin != RD_RECOVER_BEGUN && conf->record->returned; /* perhaps, by the former leader */
	/* whether the former leader has done that is not known */
	if (conf->record->promoted || (conf->record->suspects.n > 0 && conf->origin != RD_RECOVER_BEGUN))
		rd_recover_fence(r);
	return r;
}

void
rd_recover_free(struct rd_recover *r)
{
	if (r == NULL)
		return;
	rd_run_done(&r->run);
	rd_recover_fence_done(r);
	rec_done(&rd_recovery_desc, &r->record);
	rec_done(&rd_recovery_input_desc, &r->before);
	rec_done(&rd_recovery_input_desc, &r->now);
	for (size_t i = 0; i < r->lost.n; i++)
		rec_done(&rd_lost_desc, &r->lost.v[i]);
	free(r->lost.v);
	for (size_t i = 0; i < r->n_open; i++)
		topo_key_done(&r->open[i].key);
	free(r->open);
	topo_key_list_done(&r->given_up);
	topo_key_list_done(&r->followed);
	topo_key_list_done(&r->targets);
	topo_key_list_done(&r->locked);
	free(r->reading);
	free(r->goal);
	free(r->position);
	free(r->ends_by);
	free(r->over_why);
	free(r->stuck);
	free(r->waited);
	free(r);
}

/* --- events ------------------------------------------------------------------------------------------------------ */
static const char *
text_of(const char *s)
{
	return s == NULL ? "" : s;
}

/* Out of REPOINT. */
static bool
names_lost(const struct rd_recover *r, enum rd_recovery_event event)
{
	return r->record.state == RD_RECOVERY_REPOINT && (event == RD_EVENT_STEPS_OVER || event == RD_EVENT_DEADLINE ||
							  event == RD_EVENT_ABORT || event == RD_EVENT_CANDIDATE_DEAD);
}

void
rd_recover_propose(struct rd_recover *r, const struct rd_recover_event *ev)
{
	struct rd_recover_event full = *ev;

	ASSERT(!r->proposed);
	if (names_lost(r, ev->h.event)) {
		rd_recover_lose_rest(r);
		full.lost = &r->lost;
	}
	full.detail = text_of(ev->detail);
	full.loss = text_of(ev->loss);
	full.loss_set = text_of(ev->loss_set);
	full.loss_why = text_of(ev->loss_why);
	r->proposed = true;
	r->stats.proposals++;
	r->ops->propose(r->ctx, &full);
}

/* Who was fenced when it came back, for a promotion that did not come, is made writable again: if it is silent now that
 * is waited for, until it is found dead once more, or the state's time is over. */
static bool
waits_for_failed(const struct rd_recover *r)
{
	return r->record.state == RD_RECOVERY_RESTORE && r->fenced && !r->gone && !r->record.promoted &&
	       r->record.suspects.n == 0 && !r->before.failed.read_only && !r->now.failed.answered &&
	       !topo_key_list_has(&r->given_up, &r->record.failed) && rd_recovery_taken_over(&r->now) == NULL;
}

void
rd_recover_steps_over(struct rd_recover *r, const char *why)
{
	if (waits_for_failed(r)) {
		r->todo |= RD_DO_READ | RD_DO_RUN;
		r->again = mono_add_us(rd_recover_now(r), RD_RECOVER_AGAIN_US);
		return;
	}
	if (r->record.state != RD_RECOVERY_RESTORE || r->told) {
		rd_recover_say(r, RD_EVENT_STEPS_OVER, why);
		return;
	}
	free(r->over_why);
	r->over_why = mem_strdup(why);
	r->todo |= RD_TODO_TELL;
}

static bool
belongs(const struct rd_recover *r, enum rd_recovery_event event)
{
	struct rd_recovery_happening h = {event, &r->record.failed, NULL, 0};
	struct mem_arena arena = {0};
	struct rd_recovery next;
	unsigned effects;
	struct err e;
	int rc = rd_fsm_step(&r->record, &h, rd_recover_wall_us(r), &arena, &next, &effects, &e);

	mem_arena_done(&arena);
	return rc == 0;
}

/* What others want comes before what this would do next. */
static void
say_wanted(struct rd_recover *r)
{
	static const enum rd_recovery_event order[] = {RD_EVENT_ORPHAN_DEAD, RD_EVENT_ORPHAN_ALIVE, RD_EVENT_RETURNED,
						       RD_EVENT_CANDIDATE_DEAD, RD_EVENT_ABORT};

	for (size_t i = 0; i < ARRAY_LEN(order) && !r->proposed; i++) {
		unsigned bit = 1u << order[i];
		if ((r->wanted & bit) == 0)
			continue;
		r->wanted &= ~bit;
		if (belongs(r, order[i]))
			rd_recover_say(r, order[i], order[i] == RD_EVENT_ABORT ? text_of(r->ends_by) : "");
		else if (order[i] == RD_EVENT_ABORT)
			r->ops->too_late(r->ctx);
	}
	if (!r->proposed && rd_fsm_is_overdue(&r->record, rd_recover_wall_us(r)) && belongs(r, RD_EVENT_DEADLINE))
		rd_recover_say(r, RD_EVENT_DEADLINE, "");
}

/* The state has changed, or it begins anew. */
static void
enter(struct rd_recover *r, enum rd_recovery_state from, unsigned effects)
{
	enum rd_recovery_state to = (enum rd_recovery_state)r->record.state;

	rd_recover_stop(r);
	r->todo = effects | (r->todo & RD_DO_TAKE_LOCKS); /* they were not begun yet */
	if (!rd_recovery_runs(to))
		r->todo &= ~(unsigned)RD_DO_TAKE_LOCKS;
	r->was_attempted = r->was_attempted || from != RD_RECOVERY_HOOKS;
	if (to == from)
		return;
	r->tries = 0;
	r->again = (struct mono){0};
	topo_key_list_done(&r->given_up);
	if (from == RD_RECOVERY_WAIT && to == RD_RECOVERY_CHOOSE)
		r->todo |= RD_DO_TAKE_LOCKS; /* whoever answers now was not fenced */
	if (to == RD_RECOVERY_RESTORE && !r->record.promoted && r->record.suspects.n == 0)
		rd_recover_unfence(r);
	if (to == RD_RECOVERY_REPOINT && !r->read_all)
		r->todo |= RD_DO_READ; /* taken over: what is known of the others is old */
}

void
rd_recover_applied(struct rd_recover *r, const struct rd_recovery *record, unsigned effects, bool mine)
{
	enum rd_recovery_state from = (enum rd_recovery_state)r->record.state;
	unsigned here = RD_DO_TOO_LATE | RD_DO_FENCE_OLD;
	bool changed;

	rec_assign(&rd_recovery_desc, &r->record, record);
	changed = r->record.state != from;
	if (mine)
		r->proposed = false;
	if ((effects & RD_DO_TOO_LATE) != 0)
		r->ops->too_late(r->ctx);
	if ((effects & RD_DO_FENCE_OLD) != 0 || (changed && r->record.state == RD_RECOVERY_REPOINT))
		rd_recover_fence(r);
	effects &= ~here;
	if (!changed && (effects & RD_DO_ONLY_READ) != 0 && r->stage == RD_STAGE_RUN)
		r->todo |= effects; /* its step is under way: it is read once that is over */
	else if (changed || effects != 0)
		enter(r, from, effects);
}

void
rd_recover_refused(struct rd_recover *r, const struct err *e UNUSED)
{
	r->proposed = false;
	r->stats.refused++;
}

void
rd_recover_result(struct rd_recover *r, const struct ipc_step_result *m)
{
	struct mono now = rd_recover_now(r);
	enum rd_plan_phase phase = r->phase;
	struct rd_run_item *i;

	if (m->term != r->term || !str_eq(m->recovery_uid, r->record.uid))
		return;
	i = rd_run_result(&r->run, m, now);
	if (i == NULL) {
		i = rd_run_result(&r->fence.run, m, now);
		phase = RD_PHASE_FENCE_OLD;
	}
	if (i == NULL)
		r->stats.late_results++;
	else if (i->state != RD_RUN_WAITS)
		rd_recover_note(r, i, phase);
}

void
rd_recover_dead(struct rd_recover *r, const struct topo_key *key)
{
	if (topo_key_equal(key, &r->record.successor))
		r->wanted |= 1u << RD_EVENT_CANDIDATE_DEAD;
	r->gone = r->gone || topo_key_equal(key, &r->record.failed);
}

void
rd_recover_back(struct rd_recover *r, const struct topo_key *key)
{
	if (!topo_key_equal(key, &r->record.failed))
		return;
	r->gone = false;
	if (!r->record.returned)
		r->wanted |= 1u << RD_EVENT_RETURNED;
	if (r->record.promoted)
		rd_recover_fence_anew(r);
}

void
rd_recover_abort(struct rd_recover *r, const char *by)
{
	struct str_buf b = {0};

	if ((r->wanted & 1u << RD_EVENT_ABORT) != 0)
		return; /* whoever asked first */
	if (by[0] != '\0')
		str_buf_printf(&b, "by %s", by);
	free(r->ends_by);
	r->ends_by = str_buf_take(&b);
	r->wanted |= 1u << RD_EVENT_ABORT;
}

/* --- what is next ------------------------------------------------------------------------------------------------ */
static void
start_hooks(struct rd_recover *r, enum rd_hook_list list)
{
	r->stage = RD_STAGE_HOOKS;
	r->hook = list;
	r->hook_over = false;
	r->told = r->told || list == RD_HOOK_LIST_POST_UNSUCCESSFUL_FAILOVER;
	r->ops->hooks(r->ctx, list, &r->lost);
}

void
rd_recover_hooks_over(struct rd_recover *r, enum rd_hook_list list, bool failed)
{
	if (r->stage != RD_STAGE_HOOKS || r->hook != list)
		return;
	r->hook_over = true;
	r->hook_failed = failed;
}

static void
end_hooks(struct rd_recover *r)
{
	r->stage = RD_STAGE_IDLE;
	if (r->hook == RD_HOOK_LIST_PRE_FAILOVER)
		rd_recover_say(r, r->hook_failed ? RD_EVENT_HOOKS_FAILED : RD_EVENT_HOOKS_OK, "");
	else if (r->hook == RD_HOOK_LIST_POST_SOURCE_FAILOVER)
		start_hooks(r, RD_HOOK_LIST_POST_FAILOVER);
	else if (r->hook == RD_HOOK_LIST_POST_FAILOVER)
		rd_recover_say(r, RD_EVENT_RECORDED, "");
	else if (r->record.state == RD_RECOVERY_RESTORE)
		rd_recover_say(r, RD_EVENT_STEPS_OVER, text_of(r->over_why));
}

static void
do_read(struct rd_recover *r, bool only_candidate)
{
	struct topo_key_list one = {&r->record.successor, 1};

	if (only_candidate)
		rd_recover_read_keys(r, &one);
	else if (r->record.state == RD_RECOVERY_REJOIN)
		rd_recover_read_rejoin(r);
	else
		rd_recover_read_all(r, r->record.state == RD_RECOVERY_RESTORE);
}

static void
do_run(struct rd_recover *r)
{
	if (r->record.state == RD_RECOVERY_FENCE)
		rd_recover_locks(r);
	else
		rd_recover_run(r);
}

/* Nothing was changed when it ended before the fence: then it was not attempted. Told: unless its time was over. */
static void
do_unlock(struct rd_recover *r)
{
	if (r->record.state == RD_RECOVERY_UNDONE && r->was_attempted && !r->told)
		start_hooks(r, RD_HOOK_LIST_POST_UNSUCCESSFUL_FAILOVER);
}

static bool
take(struct rd_recover *r, unsigned what)
{
	bool is_there = (r->todo & what) != 0;

	r->todo &= ~what;
	return is_there;
}

/* The first thing that is left, in the order of enum rd_recovery_effect. */
static void
do_next(struct rd_recover *r)
{
	bool only = (r->todo & RD_DO_ONLY_READ) != 0;

	if (take(r, RD_DO_TAKE_LOCKS))
		rd_recover_locks(r);
	else if (take(r, RD_DO_PRE_HOOKS))
		start_hooks(r, RD_HOOK_LIST_PRE_FAILOVER);
	else if ((r->todo & (RD_DO_READ | RD_DO_RUN | RD_TODO_REREAD)) != 0 && rd_recover_settle(r))
		return;
	else if (take(r, RD_DO_READ))
		do_read(r, only);
	else if (take(r, RD_DO_ONLY_READ))
		rd_recover_judge_candidate(r);
	else if (take(r, RD_TODO_REREAD))
		rd_recover_read_keys(r, &r->targets);
	else if (take(r, RD_TODO_PREPARED))
		rd_recover_prepared(r);
	else if (take(r, RD_TODO_PROGRESS))
		rd_recover_progress(r);
	else if (take(r, RD_TODO_AGAIN))
		rd_recover_again(r);
	else if (take(r, RD_TODO_OLD))
		rd_recover_judge_old(r);
	else if (take(r, RD_DO_PICK))
		rd_recover_pick(r);
	else if (take(r, RD_DO_RUN))
		do_run(r);
	else if (take(r, RD_TODO_TELL))
		start_hooks(r, RD_HOOK_LIST_POST_UNSUCCESSFUL_FAILOVER);
	else if (take(r, RD_DO_POST_HOOKS))
		start_hooks(r, RD_HOOK_LIST_POST_SOURCE_FAILOVER);
	else if (take(r, RD_DO_UNLOCK))
		do_unlock(r);
	else
		r->todo = 0; /* ANNOUNCE and RECORD are done where the event is applied */
}

/* What is under way: whether it is over. */
static bool
go_on(struct rd_recover *r)
{
	switch (r->stage) {
	case RD_STAGE_IDLE:
		return true;
	case RD_STAGE_HOOKS:
		if (r->hook_over)
			end_hooks(r);
		return r->stage == RD_STAGE_IDLE;
	case RD_STAGE_READ:
		if (r->n_reading > 0)
			return false;
		r->stage = RD_STAGE_IDLE;
		return true;
	case RD_STAGE_LOCKS:
	case RD_STAGE_SETTLE:
	case RD_STAGE_RUN:
		rd_recover_send(r, &r->run, r->phase);
		if (!rd_run_is_over(&r->run))
			return false;
		if (r->stage == RD_STAGE_RUN)
			rd_recover_run_over(r);
		else
			rd_recover_locks_over(r);
		return true;
	}
	return false;
}

static void
wait_for_news(struct rd_recover *r)
{
	struct mono now = rd_recover_now(r);

	if (r->record.state != RD_RECOVERY_WAIT || r->stage != RD_STAGE_IDLE || r->proposed)
		return;
	if (r->news) {
		r->news = false;
		rd_recover_say(r, RD_EVENT_NEWS, "");
	} else if (!mono_before(now, r->news_at)) {
		r->news_at = mono_add_us(now, RD_RECOVER_NEWS_US);
		rd_recover_read_silent(r);
	}
}

#define TURNS_MAX 64 /* of this loop: each is a stage that was over at once */

void
rd_recover_tick(struct rd_recover *r)
{
	rd_recover_fence_tick(r);
	if (!r->proposed)
		say_wanted(r);
	for (int i = 0; i < TURNS_MAX && !r->proposed && go_on(r) && !r->proposed; i++) {
		if (r->todo == 0 || mono_before(rd_recover_now(r), r->again))
			break;
		do_next(r);
	}
	wait_for_news(r);
	rd_recover_watch(r);
	rd_recover_compare_old(r);
}

static struct mono
earlier(struct mono a, struct mono b)
{
	return mono_before(a, b) ? a : b;
}

/* A step waits for nothing but the lease. */
#define LEASE_LOOK_US (20 * CLK_MS)

static struct mono
run_due(struct rd_run *run, struct mono now)
{
	if (run->n > 0 && rd_run_next(run, now) != NULL)
		return mono_add_us(now, LEASE_LOOK_US);
	return rd_run_due(run);
}

struct mono
rd_recover_due(const struct rd_recover *r)
{
	struct mono now = rd_recover_now(r), due = rd_recover_fence_due(r);
	struct rd_run run = r->run, fence = r->fence.run;

	due = earlier(due, run_due(&fence, now));
	if (r->proposed)
		return due;
	due = earlier(due, run_due(&run, now));
	due = earlier(due, rd_recover_watch_due(r));
	if (r->wanted != 0 || (r->stage == RD_STAGE_IDLE && r->todo != 0))
		due = earlier(due, r->wanted != 0 || mono_before(r->again, now) ? now : r->again);
	if (r->record.state == RD_RECOVERY_WAIT && r->stage == RD_STAGE_IDLE)
		due = earlier(due, r->news ? now : r->news_at);
	if (r->record.deadline_us != 0)
		due = earlier(due, mono_add_us(now, r->record.deadline_us - rd_recover_wall_us(r)));
	return due;
}

/* --- state ------------------------------------------------------------------------------------------------------- */
const struct rd_recovery *
rd_recover_record(const struct rd_recover *r)
{
	return &r->record;
}

const struct rd_recovery_input *
rd_recover_input(const struct rd_recover *r)
{
	return &r->now;
}

bool
rd_recover_is_fencing(const struct rd_recover *r)
{
	return r->fence.active;
}

bool
rd_recover_has_ended(const struct rd_recover *r)
{
	return !rd_recovery_runs(r->record.state) && r->todo == 0 && r->stage == RD_STAGE_IDLE;
}

bool
rd_recover_is_over(const struct rd_recover *r)
{
	return rd_recover_has_ended(r) && !r->fence.active;
}

struct rd_recover_stats
rd_recover_stats(const struct rd_recover *r)
{
	return r->stats;
}
