/* rd_recover_work.c — the executor's decisions: a server is chosen, a phase is planned and run, and what its steps came to
 * decides the next event. See rd_recover.h. Belongs to rd_recover.c. */
#include "rd_recover_private.h"

#include <stdio.h>
#include <stdlib.h>

#include "topo/gtid.h"
#include "topo/key.h"
#include "topo/step.h"

/* --- who does not follow ------------------------------------------------------------------------------------------ */
bool
rd_recover_is_lost(const struct rd_recover *r, const struct topo_key *key)
{
	for (size_t i = 0; i < r->lost.n; i++) {
		if (topo_key_equal(&r->lost.v[i].key, key))
			return true;
	}
	return false;
}

void
rd_recover_lose(struct rd_recover *r, const struct topo_key *key, const char *why)
{
	if (rd_recover_is_lost(r, key))
		return;
	mem_grow(r->lost.v, r->cap_lost, r->lost.n + 1);
	rec_dup(&rd_lost_desc, &r->lost.v[r->lost.n++], &(struct rd_lost){*key, why});
}

static void
give_up(struct rd_recover *r, const struct topo_key *key, const char *why)
{
	(void)topo_key_list_add(&r->given_up, key);
	if (r->record.state == RD_RECOVERY_REPOINT)
		rd_recover_lose(r, key, why);
}

/* A plan says anew who does not follow, but for those where a step failed. */
static void
renew_lost(struct rd_recover *r, const struct rd_plan *plan)
{
	size_t kept = 0;

	for (size_t i = 0; i < r->lost.n; i++) {
		if (topo_key_list_has(&r->given_up, &r->lost.v[i].key))
			r->lost.v[kept++] = r->lost.v[i];
		else
			rec_done(&rd_lost_desc, &r->lost.v[i]);
	}
	r->lost.n = kept;
	for (size_t i = 0; i < plan->lost.n; i++)
		rd_recover_lose(r, &plan->lost.v[i].key, plan->lost.v[i].why);
}

/* All steps of this run there succeeded; true as well where it had none. */
static bool
came_through(const struct rd_recover *r, const struct topo_key *key)
{
	for (size_t i = 0; i < r->run.n; i++) {
		const struct rd_run_item *x = &r->run.items[i];
		if (x->state != RD_RUN_DONE && x->step.on_failure == RD_FAILS_SERVER &&
		    topo_key_equal(&x->step.key, key))
			return false;
	}
	return true;
}

/* While a plan runs, who has no steps in it follows already, or is named by it; before it, and between plans, it is
 * known of those who came through the last one, and of those who were read as replicas of the promoted server. */
void
rd_recover_lose_rest(struct rd_recover *r)
{
	bool runs = r->stage == RD_STAGE_RUN && r->phase == RD_PHASE_REPOINT;

	for (size_t i = 0; i < r->now.servers.n; i++) {
		const struct rd_recovery_server *s = &r->now.servers.v[i];
		bool follows = runs ? came_through(r, &s->key)
				    : topo_key_list_has(&r->followed, &s->key) ||
					  (topo_key_equal(&s->source_key, &r->record.successor) &&
					   s->io_thread_state != TOPO_THREAD_STOPPED);
		if (rd_recovery_is_direct(&r->before, s) && !topo_key_equal(&s->key, &r->record.successor) && !follows)
			rd_recover_lose(r, &s->key, "does not follow the promoted server yet");
	}
}

/* They are read at once, for the model: should their new source die before the next poll, they are known as its replicas. */
static void
note_followers(struct rd_recover *r)
{
	for (size_t i = 0; i < r->now.servers.n; i++) {
		const struct topo_key *key = &r->now.servers.v[i].key;
		if (!came_through(r, key) || rd_recover_is_lost(r, key))
			continue;
		(void)topo_key_list_add(&r->followed, key);
		r->ops->read(r->ctx, key, RD_RECOVER_PATIENCE_US);
	}
}

/* --- the choice and the plan -------------------------------------------------------------------------------------- */
struct deciding {
	struct mem_arena arena;
	struct rd_recovery_input in;
	struct rd_haves haves;
	struct rd_choice choice;
	struct rd_plan plan;
};

static void
decide(struct rd_recover *r, struct deciding *d)
{
	*d = (struct deciding){.in = rd_recover_view(r)};
	rd_haves_build(&d->in, &d->arena, &d->haves);
	rd_choose(&d->in, &d->haves, rd_recover_wall_us(r), &d->arena, &d->choice);
}

static void
decided(struct deciding *d)
{
	rd_haves_done(&d->haves);
	mem_arena_done(&d->arena);
}

#define APPLYING_US (86400 * CLK_S) /* recovery.md 5, step 8: while it goes on, and there is nobody else */

static bool
is_wait(const struct rd_step *s)
{
	return topo_step_by_name(s->statement) == TOPO_STEP_WAIT_EXECUTED;
}

/* How long the preparation may take: its steps one after the other, as often as they may be planned. Each step has its own
 * time besides. */
static int64_t
prepare_us(struct deciding *d)
{
	int64_t us = 10 * CLK_S;
	bool waits = false;

	rd_plan_build(RD_PHASE_PREPARE, &d->in, &d->haves, &d->choice, &d->arena, &d->plan);
	for (size_t i = 0; i < d->plan.steps.n; i++) {
		us += d->plan.steps.v[i].within_ms * CLK_MS;
		waits |= is_wait(&d->plan.steps.v[i]);
	}
	return waits ? us + APPLYING_US : us;
}

/* For people: who, or why nobody. */
static const char *
say_choice(const char *no, struct deciding *d)
{
	const struct rd_choice *c = &d->choice;
	struct str_buf b = {0};
	const char *text;

	if (c->chosen == NULL)
		return rd_choice_why_nobody(c, &d->arena);
	if (no != NULL || c->verdict == RD_CHOICE_ABORT)
		return no != NULL ? no : c->refusal;
	str_buf_add(&b, TOPO_KEY_TEXT(&c->chosen->server->key));
	if (c->donor != NULL)
		str_buf_printf(&b, ", which fetches from %s", TOPO_KEY_TEXT(&c->donor->key));
	text = mem_arena_strndup(&d->arena, str_buf_text(&b), b.len);
	str_buf_done(&b);
	return text;
}

void
rd_recover_pick(struct rd_recover *r)
{
	struct rd_recover_event ev = {.h = {.event = RD_EVENT_REFUSED}};
	struct deciding d;
	const char *no;

	decide(r, &d);
	no = rd_plan_refusal(&d.haves, &d.choice);
	if (no == NULL && d.choice.verdict == RD_CHOICE_PROMOTE) {
		ev.h.event = RD_EVENT_CHOSEN;
		ev.h.successor = &d.choice.chosen->server->key;
		ev.h.deadline_us = rd_recover_wall_us(r) + prepare_us(&d);
		free(r->goal);
		r->goal = mem_strdup(d.choice.goal);
	} else if (no == NULL && d.choice.verdict == RD_CHOICE_WAIT) {
		ev.h.event = RD_EVENT_MAY_LOSE;
		ev.h.deadline_us = d.choice.wait_until_us;
		r->news_at = mono_add_us(rd_recover_now(r), RD_RECOVER_NEWS_US);
	}
	ev.detail = say_choice(no, &d);
	if (d.choice.chosen != NULL) {
		ev.loss = rd_loss_text(d.choice.loss);
		ev.loss_set = d.choice.lost;
		ev.loss_why = d.choice.loss_why;
	}
	rd_recover_propose(r, &ev);
	decided(&d);
}

/* MariaDB: where the candidate stands, which has applied everything (rd_return.h). */
static void
keep_position(struct rd_recover *r, const struct deciding *d)
{
	const struct rd_ranked *j = d->choice.chosen;
	struct str_buf b = {0};

	free(r->position);
	r->position = NULL;
	if (d->haves.family != GTID_MARIADB || j == NULL || j->have->unreadable != NULL)
		return;
	rd_set_write(&j->have->received, &b);
	if (b.len > 0)
		r->position = mem_strdup(str_buf_text(&b));
	str_buf_done(&b);
}

/* Recorded before the promotion: once the candidate takes writes, its position tells nothing of that to who leads next. */
static void
say_prepared(struct rd_recover *r, const char *why)
{
	struct deciding d;

	decide(r, &d);
	keep_position(r, &d);
	decided(&d);
	rd_recover_propose(
	    r, &(struct rd_recover_event){.h = {.event = RD_EVENT_STEPS_OVER, .position = r->position}, .detail = why});
}

/* Nobody is left to carry it out on: the record names a server that the cluster doesn't have. */
static void
no_candidate(struct rd_recover *r)
{
	static const char why[] = "the chosen server is no server of this cluster";

	if (r->record.state == RD_RECOVERY_PREPARE)
		rd_recover_say(r, RD_EVENT_CANDIDATE_FAILED, why);
	else if (r->record.state == RD_RECOVERY_PROMOTE)
		rd_recover_say(r, RD_EVENT_CANDIDATE_DEAD, why);
	else
		rd_recover_say(r, RD_EVENT_STEPS_OVER, why);
}

/* Servers where a step failed for good are left alone. */
static void
leave_out(struct rd_recover *r)
{
	for (size_t i = 0; i < r->run.n; i++) {
		struct rd_run_item *x = &r->run.items[i];
		if (x->step.on_failure >= RD_FAILS_SERVER && topo_key_list_has(&r->given_up, &x->step.key))
			x->state = RD_RUN_SKIPPED;
	}
}

static void
run_restore(struct rd_recover *r)
{
	struct mem_arena arena = {0};
	struct rd_recovery_input in = rd_recover_view(r);
	struct rd_plan plan;
	bool may_unfence = !r->record.promoted && r->record.suspects.n == 0;

	/* of these nothing was changed: whatever differs, somebody else did */
	if (rd_kind_promotes_nobody(in.analysis, in.forced) == NULL)
		rd_plan_restore(&r->before, &in, may_unfence, &arena, &plan);
	else
		plan = (struct rd_plan){.phase = RD_PHASE_RESTORE};
	rd_recover_begin_run(r, RD_STAGE_RUN, &plan);
	leave_out(r);
	mem_arena_done(&arena);
}

void
rd_recover_run(struct rd_recover *r)
{
	struct deciding d;
	enum rd_plan_phase phase = rd_recovery_phase((enum rd_recovery_state)r->record.state);

	if (phase == RD_PHASE_RESTORE) {
		run_restore(r);
		return;
	}
	if (phase == RD_PHASE_REJOIN) {
		rd_recover_run_rejoin(r);
		leave_out(r);
		return;
	}
	decide(r, &d);
	if (d.choice.chosen == NULL) {
		no_candidate(r);
	} else {
		rd_plan_build(phase, &d.in, &d.haves, &d.choice, &d.arena, &d.plan);
		r->prepared_once = true;
		if (phase == RD_PHASE_PROMOTE)
			keep_position(r, &d);
		if (phase == RD_PHASE_REPOINT)
			renew_lost(r, &d.plan);
		rd_recover_begin_run(r, RD_STAGE_RUN, &d.plan);
		leave_out(r);
	}
	decided(&d);
}

/* --- what came of it --------------------------------------------------------------------------------------------- */
struct came_of {
	bool candidate, phase, unknown;
	bool late; /* somebody has not applied in time what it received */
	char why[512];
};

static void
look_at(struct rd_recover *r, const struct rd_run_item *x, struct came_of *c)
{
	if (x->state != RD_RUN_FAILED && x->state != RD_RUN_UNKNOWN)
		return;
	if (c->why[0] == '\0')
		(void)snprintf(c->why, sizeof(c->why), "%.200s: %.64s: %.230s", TOPO_KEY_TEXT(&x->step.key),
			       x->step.statement, x->message);
	if (x->state == RD_RUN_UNKNOWN) {
		rd_recover_open(r, &x->step.key, x->not_after, false);
		(void)topo_key_list_add(&r->targets, &x->step.key);
		c->unknown = true;
	} else if (x->step.on_failure == RD_FAILS_CANDIDATE && x->code == ERR_TIMEOUT && is_wait(&x->step)) {
		(void)topo_key_list_add(&r->targets, &x->step.key);
		c->late = true;
	} else if (x->step.on_failure == RD_FAILS_CANDIDATE) {
		c->candidate = true;
	} else if (x->step.on_failure == RD_FAILS_PHASE) {
		(void)topo_key_list_add(&r->targets, &x->step.key);
		c->phase = true;
	} else if (x->step.on_failure == RD_FAILS_SERVER) {
		give_up(r, &x->step.key, c->why);
	}
}

/* Reads who has to be read again, and plans again; or leaves it, after so many times. */
static void
again(struct rd_recover *r, const char *why)
{
	if (++r->tries <= RD_RECOVER_AGAIN_MAX) {
		r->todo |= RD_TODO_REREAD | RD_TODO_AGAIN;
		r->again = mono_add_us(rd_recover_now(r), r->tries == 1 ? 0 : RD_RECOVER_AGAIN_US * (int64_t)r->tries);
		return;
	}
	for (size_t i = 0; i < r->targets.n; i++)
		give_up(r, &r->targets.v[i], why);
	if (r->record.state == RD_RECOVERY_PREPARE)
		rd_recover_say(r, RD_EVENT_CANDIDATE_FAILED, why);
	else
		rd_recover_steps_over(r, why);
}

static void
promotion_over(struct rd_recover *r, const struct came_of *c)
{
	if (!c->unknown && !c->candidate && !c->phase)
		rd_recover_propose(
		    r, &(struct rd_recover_event){.h = {.event = RD_EVENT_WRITABLE, .position = r->position}});
	else if ((r->todo & RD_DO_ONLY_READ) == 0) /* else it is going to be read anyway */
		rd_recover_say(r, RD_EVENT_UNKNOWN, c->why);
}

/* What it has now decides who is ahead of it, and where an old source will differ. */
static void
read_prepared(struct rd_recover *r)
{
	(void)topo_key_list_add(&r->targets, &r->record.successor);
	r->todo |= RD_TODO_REREAD | RD_TODO_PREPARED;
}

static char *
applied_by_targets(const struct rd_recover *r)
{
	struct str_buf b = {0};

	for (size_t i = 0; i < r->targets.n; i++) {
		const struct rd_recovery_server *s = rd_recovery_find(&r->now, &r->targets.v[i]);
		if (s != NULL)
			str_buf_printf(&b, "%s;%s\n", s->executed_gtid_set, s->gtid_current_pos);
	}
	return str_buf_take(&b);
}

/* They are read again: who goes on applying is given more time where there is nobody else. */
static void
look_for_progress(struct rd_recover *r)
{
	free(r->waited);
	r->waited = applied_by_targets(r);
	r->todo |= RD_TODO_REREAD | RD_TODO_PROGRESS;
}

void
rd_recover_run_over(struct rd_recover *r)
{
	struct came_of c = {0};
	bool planned_again = r->tries > 0 || r->waited != NULL; /* on what was read since */
	bool is_prepared = r->record.state == RD_RECOVERY_PREPARE && (r->run.n > 0 || planned_again);

	rd_recover_read_stop(r); /* what was asked while it ran */
	topo_key_list_done(&r->targets);
	for (size_t i = 0; i < r->run.n; i++)
		look_at(r, &r->run.items[i], &c);
	if (r->record.state == RD_RECOVERY_REPOINT)
		note_followers(r);
	rd_run_done(&r->run);
	r->stage = RD_STAGE_IDLE;
	if (r->record.state == RD_RECOVERY_PROMOTE)
		promotion_over(r, &c);
	else if (c.candidate)
		rd_recover_say(r, RD_EVENT_CANDIDATE_FAILED, c.why);
	else if (c.unknown || c.phase)
		again(r, c.why);
	else if (c.late)
		look_for_progress(r);
	else if (is_prepared)
		read_prepared(r);
	else if (r->record.state == RD_RECOVERY_PREPARE)
		say_prepared(r, c.why);
	else
		rd_recover_steps_over(r, c.why);
}

/* It has what the choice counted on. A donor may have lost it since: it died, and dropped its relay log when it was back. */
static bool
has_goal(struct rd_recover *r)
{
	struct str_buf b = {0};
	struct deciding d;
	bool has = true;
	struct err e;

	decide(r, &d);
	if (r->goal != NULL && d.choice.chosen != NULL && d.choice.chosen->have->unreadable == NULL) {
		rd_set_write(&d.choice.chosen->have->received, &b);
		if (gtid_text_contains(str_buf_text(&b), r->goal, &has, &e) != 0)
			has = false;
	}
	str_buf_done(&b);
	decided(&d);
	return has;
}

void
rd_recover_prepared(struct rd_recover *r)
{
	if (!r->one_read)
		rd_recover_say(r, RD_EVENT_CANDIDATE_FAILED, "it could not be read after its preparation");
	else if (!has_goal(r))
		rd_recover_say(r, RD_EVENT_GONE, "another server had more when it was chosen, and has it no more");
	else
		say_prepared(r, "");
}

static bool
is_the_last(struct rd_recover *r)
{
	struct deciding d;
	size_t others = 0;

	decide(r, &d);
	for (size_t i = 0; i < d.choice.n; i++)
		others += &d.choice.v[i] != d.choice.chosen && rd_why_class(d.choice.v[i].why) != RD_WHY_NEVER;
	decided(&d);
	return others == 0;
}

/* To give it up would leave the cluster without a source for nothing: the transactions are there, and are applied. */
void
rd_recover_progress(struct rd_recover *r)
{
	char *applied = applied_by_targets(r);
	bool goes_on = r->waited != NULL && !str_eq(applied, r->waited);
	char why[300];

	for (size_t i = 0; i < r->targets.n; i++) {
		const struct rd_recovery_server *s = rd_recovery_find(&r->now, &r->targets.v[i]);
		goes_on = goes_on && s != NULL && s->answered;
	}
	free(applied);
	(void)snprintf(why, sizeof(why), "%.200s has not applied in time what it received",
		       r->targets.n > 0 ? TOPO_KEY_TEXT(&r->targets.v[0]) : "it");
	if (goes_on && is_the_last(r))
		rd_recover_say(r, RD_EVENT_PLAN_AGAIN, why);
	else
		rd_recover_say(r, RD_EVENT_CANDIDATE_FAILED, why);
}

/* Of the servers with open steps, some could not be read: their steps are not repeated. */
void
rd_recover_again(struct rd_recover *r)
{
	bool silent = false;

	for (size_t i = 0; i < r->targets.n; i++) {
		const struct rd_recovery_server *s = rd_recovery_find(&r->now, &r->targets.v[i]);
		if (s == NULL || s->answered)
			continue;
		silent = true;
		if (!topo_key_equal(&s->key, &r->record.successor))
			give_up(r, &s->key, "what came of its last step is not known");
	}
	if (silent && r->record.state == RD_RECOVERY_PREPARE)
		rd_recover_say(r, RD_EVENT_CANDIDATE_FAILED, "what came of its last step is not known");
	else
		rd_recover_say(r, RD_EVENT_PLAN_AGAIN, "");
}

/* The candidate was read in PROMOTE, or could not be. */
void
rd_recover_judge_candidate(struct rd_recover *r)
{
	const struct rd_recovery_server *s = rd_recovery_find(&r->now, &r->record.successor);
	bool open = rd_recover_is_open(r, &r->record.successor);
	enum rd_recovery_event ev =
	    rd_fsm_promotion_read(&r->record, s != NULL && r->one_read, s == NULL || s->read_only, open);

	if (s == NULL) {
		no_candidate(r);
	} else if (ev == RD_EVENT_UNKNOWN) {
		rd_recover_settle_again(r, &r->record.successor);
		r->todo |= RD_DO_READ | RD_DO_ONLY_READ;
		r->again = mono_add_us(rd_recover_now(r), RD_RECOVER_AGAIN_US);
	} else if (ev == RD_EVENT_WRITABLE) {
		rd_recover_propose(r, &(struct rd_recover_event){.h = {.event = ev, .position = r->position}});
	} else if (ev == RD_EVENT_READ_ONLY && ++r->tries > RD_RECOVER_AGAIN_MAX) {
		rd_recover_say(r, RD_EVENT_CANDIDATE_DEAD, "it does not become writable");
	} else {
		if (r->tries > 1)
			r->again = mono_add_us(rd_recover_now(r), RD_RECOVER_AGAIN_US);
		rd_recover_say(r, ev, "");
	}
}
