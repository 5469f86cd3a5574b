/* rd_recoveries.c — see rd_recoveries.h: the executors of this node, and their lives. Owns them and the timer. */
#include "rd_recoveries_private.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "group/rd_group.h"
#include "rd_recover_count.h"
#include "topo/key.h"

struct rd_recovering *
rd_recovering_find(struct rd_recoveries *rs, const char *uid)
{
	struct rd_recovering *x;

	TAILQ_FOREACH (x, &rs->list, next) {
		if (str_eq(x->uid, uid))
			return x;
	}
	return NULL;
}

static void
drop(struct rd_recovering *x)
{
	TAILQ_REMOVE(&x->rs->list, x, next);
	x->rs->n_list--;
	rd_recover_free(x->r);
	rd_recover_drop_chosen(x);
	topo_key_done(&x->failed);
	topo_key_list_done(&x->unread);
	for (size_t i = 0; i < x->lines.n; i++)
		rec_done(&rd_audit_line_desc, &x->lines.v[i]);
	free(x->lines.v);
	free(x->stays);
	free(x->uid);
	free(x);
}

static void
drop_happened(struct rd_recoveries *rs, struct rd_happened *h)
{
	TAILQ_REMOVE(&rs->happened, h, next);
	rec_done(&rd_recovery_desc, &h->record);
	free(h->uid);
	free(h);
}

static void
drop_all(struct rd_recoveries *rs)
{
	while (!TAILQ_EMPTY(&rs->list))
		drop(TAILQ_FIRST(&rs->list));
	while (!TAILQ_EMPTY(&rs->happened))
		drop_happened(rs, TAILQ_FIRST(&rs->happened));
}

void
rd_recoveries_wake(struct rd_recoveries *rs)
{
	static const struct timeval at_once = {0, 0};

	ASSERT(event_add(rs->timer, &at_once) == 0);
}

/* --- taking on ----------------------------------------------------------------------------------------------------- */
/* It takes writes. */
static bool
is_back(const struct rd_recoveries *rs, const struct topo_key *failed)
{
	const struct rd_server *s = rd_model_find(&rs->n->model, failed);

	return s != NULL && s->found && !s->inst.read_only;
}

/* Of those that are over the oldest makes room, rather one whose old source is not back. */
static struct rd_recovering *
least_needed(struct rd_recoveries *rs)
{
	struct rd_recovering *x, *found = NULL;

	TAILQ_FOREACH (x, &rs->list, next) {
		if (x->r == NULL || rd_recovery_runs(rd_recover_record(x->r)->state))
			continue;
		if (!is_back(rs, &x->failed))
			return x;
		found = found == NULL ? x : found;
	}
	return found;
}

static bool
has_room(struct rd_recoveries *rs)
{
	struct rd_recovering *x;

	if (rs->n_list < RD_RECOVERIES_MAX)
		return true;
	x = least_needed(rs);
	if (x != NULL)
		drop(x);
	return x != NULL;
}

struct rd_recovering *
rd_recovering_add(struct rd_recoveries *rs, const struct rd_recovery *record)
{
	struct rd_recovering *x;

	if (!has_room(rs))
		return NULL;
	x = mem_new(struct rd_recovering);
	x->rs = rs;
	x->uid = mem_strdup(record->uid);
	x->term = rs->term;
	x->entered = rd_mono(rs->n);
	rec_dup(&topo_key_desc, &x->failed, &record->failed);
	TAILQ_INSERT_TAIL(&rs->list, x, next);
	rs->n_list++;
	return x;
}

static void
read_lost(const struct rd_state *s, const char *uid, struct topo_key_list *ret)
{
	const struct db_recovery *row = rd_records_row(s, uid);
	const char *text = row == NULL ? "" : row->lost_slaves; /* historical */
	struct err e;

	*ret = (struct topo_key_list){0};
	if (text[0] != '\0' && topo_key_list_parse(text, 3306, ret, &e) != 0)
		*ret = (struct topo_key_list){0};
}

#define INPUT_AGAIN_US (5 * CLK_S)

static bool
record_runs(const struct rd_state *s, const char *uid)
{
	const struct db_recovery_machine *m = rd_records_machine_row(s, uid);

	return m != NULL && rd_records_is_running(m);
}

/* Nobody could go on with it, here or elsewhere, and it would hold its cluster's lock for good. */
static void
end_without_input(struct rd_recovering *x, const struct err *why)
{
	struct rd_cmd_recovery_event c = {.recovery_uid = x->uid,
					  .event = RD_EVENT_INPUT_MISSING,
					  .successor = {"", 0},
					  .promoted_at = "",
					  .text = why->msg,
					  .successor_alias = ""};
	struct err e;

	log_error("recovery", "recovery=%s instance=%s is ended, its servers are left as they are: %s", LOG_Q(x->uid),
		  TOPO_KEY_TEXT(&x->failed), why->msg); /* tests: test_recovery_kinds.py */
	if (rd_propose_recovery_event(x->rs->n->decide, &c, NULL, NULL, &e) != 0)
		log_warning("recovery", "recovery=%s: its end is not recorded, trying again: %s", LOG_Q(x->uid), e.msg);
	x->orphan_until = mono_add_us(rd_mono(x->rs->n), INPUT_AGAIN_US);
	x->ends = true;
}

static int
read_input(struct rd_recoveries *rs, const struct rd_recovery *record, struct mem_arena *arena,
	   struct rd_recovery_input *ret, struct err *e)
{
	int rc = rd_records_input(rd_decisions(rs->n), record->uid, arena, ret, e);

	if (rc == 0 || (rd_recovery_state_flags((enum rd_recovery_state)record->state) & RD_STATE_TERMINAL) == 0 ||
	    (!record->promoted && record->suspects.n == 0))
		return rc;
	rd_records_input_left(record, arena, ret);
	rd_recovery_policy_from(proc_conf(rs->n->proc), &ret->policy);
	return 0;
}

/* Probers outlive this process and remember what they were given; without raft all its lives are one term. */
static uint64_t
newest_number(struct rd_recoveries *rs)
{
	if (rs->newest_number == 0 && rs->n->group == NULL)
		rs->newest_number = (uint64_t)rd_now_us(rs->n);
	return rs->newest_number;
}

void
rd_recoveries_begin(struct rd_recovering *x, enum rd_recover_origin origin, unsigned effects)
{
	static const char *const origins[] = {
	    [RD_RECOVER_BEGUN] = "is carried out here",
	    [RD_RECOVER_ORPHAN_DEAD] = "is taken over, its server is dead",
	    [RD_RECOVER_ORPHAN_ALIVE] = "is taken over, its server may be alive",
	};
	struct rd_recoveries *rs = x->rs;
	const struct rd_state *s = rd_decisions(rs->n);
	struct mem_arena arena = {0};
	struct rd_recovery_input in;
	struct rd_recovery record;
	struct topo_key_list keys;
	struct rd_lost_list lost;
	struct err e;

	if (x->ends && mono_before(rd_mono(rs->n), x->orphan_until))
		return;
	if (!rd_records_machine(s, x->uid, &arena, &record) || read_input(rs, &record, &arena, &in, &e) != 0) {
		if (record_runs(s, x->uid))
			end_without_input(x, &e);
		else
			x->orphan_until = (struct mono){INT64_MAX};
		mem_arena_done(&arena);
		return;
	}
	read_lost(s, x->uid, &keys);
	lost = (struct rd_lost_list){mem_arena_alloc(&arena, (keys.n + 1) * sizeof(*lost.v)), keys.n};
	for (size_t i = 0; i < keys.n; i++)
		lost.v[i] = (struct rd_lost){keys.v[i], ""};
	x->r = rd_recover_new(&(struct rd_recover_conf){.in = &in,
							.record = &record,
							.lost = &lost,
							.effects = effects,
							.origin = origin,
							.term = x->term,
							.number = newest_number(rs),
							.poll_us = rs->n->rules->poll_us,
							.clock = rs->n->clock,
							.ops = &rd_recover_ops,
							.ctx = x});
	log_notice("recovery", "recovery=%s instance=%s state=%s %s", LOG_Q(x->uid), TOPO_KEY_TEXT(&x->failed),
		   rd_recovery_state_name(record.state), origins[origin]);
	topo_key_list_done(&keys);
	mem_arena_done(&arena);
}

/* --- what happened ------------------------------------------------------------------------------------------------- */
/* This node may have begun it and lost the lead before it heard of it: then somebody else has gone on. */
static bool
is_as_begun(struct rd_recoveries *rs, const struct rd_happened *h)
{
	const struct db_recovery_machine *row = rd_records_machine_row(rd_decisions(rs->n), h->uid);

	return h->record.turns == 0 && row != NULL && row->turns == 0;
}

static void
handle(struct rd_recoveries *rs, const struct rd_happened *h)
{
	struct rd_recovering *x = rd_recovering_find(rs, h->uid);
	bool mine;

	if (h->term != rs->term)
		return; /* of another leader: what it left is taken over from the record */
	if (x == NULL && is_as_begun(rs, h)) {
		x = rd_recovering_add(rs, &h->record);
		if (x != NULL)
			rd_recoveries_begin(x, RD_RECOVER_BEGUN, h->todo);
		rs->n->metrics.recover_start += x != NULL;
		return;
	}
	if (x == NULL || x->r == NULL || h->record.turns <= rd_recover_record(x->r)->turns)
		return;
	mine = x->pending_turn != 0 && h->record.turns >= x->pending_turn;
	if (mine)
		x->pending_turn = 0;
	log_notice("recovery", "recovery=%s state=%s: %s", LOG_Q(x->uid), rd_recovery_state_name(h->record.state),
		   LOG_Q(h->record.why)); /* tests: test_recovery.py */
	rd_recover_count(&rs->n->metrics, rd_recover_record(x->r)->state, h->record.state,
			 mono_diff_us(rd_mono(rs->n), x->entered));
	x->entered = rd_mono(rs->n);
	rd_recover_applied(x->r, &h->record, h->todo, mine);
}

static void
handle_all(struct rd_recoveries *rs)
{
	for (struct rd_happened *h; (h = TAILQ_FIRST(&rs->happened)) != NULL; drop_happened(rs, h))
		handle(rs, h);
}

/* --- leadership ---------------------------------------------------------------------------------------------------- */
static bool
leads(struct rd_recoveries *rs, uint64_t *ret_term)
{
	struct mono end;

	*ret_term = 0;
	return !rs->n->one_shot && rd_node_leads(rs->n) &&
	       (rs->n->group == NULL || rd_group_lease(rs->n->group, ret_term, &end));
}

/* This node has proposed its beginning, and is about to be told that it was decided. */
static bool
begins_here(const struct rd_recoveries *rs, const char *uid)
{
	const struct rd_recover_asked *a;

	LIST_FOREACH (a, &rs->asked, next) {
		if (a->begins.hostname[0] != '\0' && str_eq(a->uid, uid))
			return true;
	}
	return false;
}

static void
take_over_one(struct rd_recoveries *rs, const struct rd_recovery *record)
{
	struct rd_recovering *x;

	if (rd_recovering_find(rs, record->uid) != NULL || begins_here(rs, record->uid))
		return;
	x = rd_recovering_add(rs, record);
	if (x == NULL)
		return;
	x->orphan_until = mono_add_us(rd_mono(rs->n), RD_ORPHAN_WAIT_US);
	x->since_us = rd_now_us(rs->n);
	/* a promotion may have been sent: what there is is read at once */
	if ((rd_recovery_state_flags((enum rd_recovery_state)record->state) & RD_STATE_COMMITTED) != 0) {
		const struct rd_server *s = rd_model_find(&rs->n->model, &x->failed);
		rd_recoveries_begin(x, s != NULL && s->found ? RD_RECOVER_ORPHAN_ALIVE : RD_RECOVER_ORPHAN_DEAD, 0);
	}
}

/* Whether the former leader has fenced the old source is not known: it is fenced, if need be again. Where there are too many,
 * those that are not back make room. */
static void
take_over_fences(struct rd_recoveries *rs)
{
	struct rd_cursor c = {0};
	struct rd_recovery r;

	while (rd_records_next(rd_decisions(rs->n), &c, &r)) {
		struct rd_recovering *x;
		if (r.state != RD_RECOVERY_DONE || !r.promoted || !rd_old_is_to_be_fenced(rs, &r) ||
		    rd_recovering_find(rs, r.uid) != NULL || rd_old_was_promoted_later(rs, &r) ||
		    (rs->n_list >= RD_RECOVERIES_MAX && !is_back(rs, &r.failed)))
			continue;
		x = rd_recovering_add(rs, &r);
		if (x == NULL)
			continue;
		rd_recoveries_begin(x, RD_RECOVER_BEGUN, 0);
		if (x->r != NULL)
			rd_recover_back(x->r, &x->failed);
	}
}

/* Once in a term: they are recorded when they begin and end, and what is between is this leader's. */
static void
take_over_hooks(struct rd_recoveries *rs)
{
	struct rd_cursor c = {0};
	struct rd_recovery r;

	while (rd_records_next(rd_decisions(rs->n), &c, &r)) {
		struct rd_recovering *x = rd_recovering_find(rs, r.uid) == NULL && rd_recover_owes_hooks(rs, &r)
					      ? rd_recovering_add(rs, &r)
					      : NULL;
		if (x == NULL)
			continue;
		rd_recoveries_begin(x, RD_RECOVER_BEGUN, RD_DO_UNLOCK);
		if (x->r == NULL) /* without its input nothing can be told */
			drop(x);
	}
}

static void
take_over(struct rd_recoveries *rs)
{
	struct mem_arena arena = {0};
	struct rd_recovery_list l = rd_records_running(rd_decisions(rs->n), &arena);

	for (size_t i = 0; i < l.n; i++) {
		if (l.v[i].state < RD_RECOVERY_STATES)
			take_over_one(rs, &l.v[i]);
	}
	mem_arena_done(&arena);
}

/* Once a second is enough for a figure. */
static uint64_t
count_pending(const struct rd_recoveries *rs)
{
	const struct rd_recovering *x;
	uint64_t n = 0;

	TAILQ_FOREACH (x, &rs->list, next)
		n += x->r != NULL && rd_recovery_runs(rd_recover_record(x->r)->state);
	return n;
}

void
rd_recoveries_tick(struct rd_recoveries *rs)
{
	uint64_t term;
	bool now = leads(rs, &term), anew = now && (!rs->leads || term != rs->term);

	if (rs->leads && (!now || term != rs->term))
		drop_all(rs); /* at most a second ago; without a lease nothing was sent since */
	rs->leads = now;
	rs->term = term;
	rd_detected_tick(rs);
	if (now) {
		handle_all(rs); /* what has just begun here is not taken over: tests: test_recovery_kinds.py */
		take_over(rs);
		take_over_fences(rs);
		if (anew)
			take_over_hooks(rs);
		rd_old_look(rs);
		rd_recover_name_behind(rs);
		rd_recoveries_wake(rs);
	}
	rd_recover_tell_ends(rs);
	rs->n->metrics.recover_pending = count_pending(rs);
}

/* --- what was applied ----------------------------------------------------------------------------------------------- */
void
rd_recoveries_applied(struct rd_recoveries *rs, const struct rd_applied *a)
{
	struct mem_arena arena = {0};

	/* elsewhere nobody would ever look at them; who leads next takes over what the record says */
	for (size_t i = 0; rs->leads && i < a->n_effects && !a->duplicate; i++) {
		const struct rd_effect *x = &a->effects[i];
		struct rd_happened *h;
		struct rd_recovery record;
		if (x->kind != RD_EFFECT_RECOVERY ||
		    !rd_records_machine(rd_decisions(rs->n), x->message, &arena, &record))
			continue;
		h = mem_new(struct rd_happened);
		*h = (struct rd_happened){.uid = mem_strdup(x->message), .todo = x->todo, .term = a->term};
		rec_dup(&rd_recovery_desc, &h->record, &record);
		TAILQ_INSERT_TAIL(&rs->happened, h, next);
		rd_recoveries_wake(rs);
	}
	mem_arena_done(&arena);
}

/* --- the loop ------------------------------------------------------------------------------------------------------ */
/* A node that begins to lead is not told so by detection. */
static bool
answers(const struct rd_recovering *x)
{
	const struct rd_server *s = rd_model_find(&x->rs->n->model, &x->failed);

	return s != NULL && s->found && s->last.ended_us > x->since_us;
}

static struct mono
work_one(struct rd_recovering *x)
{
	struct mono now = rd_mono(x->rs->n);

	if (x->r == NULL && (answers(x) || !mono_before(now, x->orphan_until)))
		rd_recoveries_begin(x, RD_RECOVER_ORPHAN_ALIVE, 0);
	if (x->r == NULL)
		return x->orphan_until;
	rd_recover_tell_unread(x);
	rd_recover_tell_left_out(x);
	if (!x->broken)
		rd_recover_tick(x->r);
	rd_recover_tell_lines(x);
	rd_recover_tell_chosen(x);
	return rd_recover_due(x->r);
}

/* A recovery that promoted somebody stays, for an old source that returns: until that one's downtime was ended, or a later recovery
 * made it the source again. */
static bool
is_finished(const struct rd_recovering *x)
{
	const struct rd_recovery *r = x->r == NULL ? NULL : rd_recover_record(x->r);
	const struct db_downtime at = {.hostname = x->failed.hostname, .port = x->failed.port};

	if (x->ends && !record_runs(rd_decisions(x->rs->n), x->uid))
		return true;
	if (x->broken || r == NULL)
		return x->broken;
	if (r->state == RD_RECOVERY_DONE && r->promoted) /* tests: test_recovery_candidates.py */
		return rd_state_get(rd_decisions(x->rs->n), RD_TABLE_downtime, &at) == NULL ||
		       rd_old_was_promoted_later(x->rs, r);
	return rd_recover_is_over(x->r);
}

static void
on_timer(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct rd_recoveries *rs = arg;
	struct mono soonest = {INT64_MAX};
	struct rd_recovering *x, *after;
	struct timeval wait;

	if (rs->n->decide == NULL || rs->n->stopping || !rs->leads)
		return;
	handle_all(rs);
	for (x = TAILQ_FIRST(&rs->list); x != NULL; x = after) {
		struct mono due = is_finished(x) ? (struct mono){INT64_MAX} : work_one(x);
		after = TAILQ_NEXT(x, next);
		soonest = mono_before(due, soonest) ? due : soonest;
		if (is_finished(x))
			drop(x);
	}
	rd_recover_tell_ends(rs);
	if (soonest.us == INT64_MAX || !TAILQ_EMPTY(&rs->happened))
		return;
	wait = clk_timeval(max_i64(CLK_MS, mono_diff_us(soonest, rd_mono(rs->n))));
	if (!event_pending(rs->timer, EV_TIMEOUT, NULL))
		ASSERT(event_add(rs->timer, &wait) == 0);
}

/* --- detection ------------------------------------------------------------------------------------------------------ */
static void
on_dead(struct rd_node *n, const struct rd_dead *d)
{
	struct rd_recoveries *rs = n->recoveries;
	struct rd_recovering *x;

	rd_recoveries_tick(rs);
	TAILQ_FOREACH (x, &rs->list, next) {
		if (x->r != NULL)
			rd_recover_dead(x->r, &d->server->inst.key);
		else if (topo_key_equal(&x->failed, &d->server->inst.key))
			rd_recoveries_begin(x, RD_RECOVER_ORPHAN_DEAD, 0);
	}
	if (rd_detected_may_go_on(rs, d))
		rd_recover_dead_server(rs, d);
	rd_recoveries_wake(rs);
}

static void
on_recorded(struct rd_node *n, int64_t id)
{
	rd_detected_recorded(n->recoveries, id);
}

static void
on_back(struct rd_node *n, struct rd_server *s, enum rd_back back UNUSED)
{
	struct rd_recoveries *rs = n->recoveries;
	struct rd_recovering *x;

	TAILQ_FOREACH (x, &rs->list, next) {
		if (x->r != NULL)
			rd_recover_back(x->r, &s->inst.key);
		else if (topo_key_equal(&x->failed, &s->inst.key))
			rd_recoveries_begin(x, RD_RECOVER_ORPHAN_ALIVE, 0);
	}
	rd_recoveries_wake(rs);
}

static const struct rd_detect_ops listener = {on_dead, on_back, on_recorded};

/* --- life ----------------------------------------------------------------------------------------------------------- */
struct rd_recoveries *
rd_recoveries_new(struct rd_node *n)
{
	struct rd_recoveries *rs = mem_new(struct rd_recoveries);

	rs->n = n;
	TAILQ_INIT(&rs->list);
	TAILQ_INIT(&rs->happened);
	LIST_INIT(&rs->asked);
	LIST_INIT(&rs->jobs);
	LIST_INIT(&rs->askers);
	LIST_INIT(&rs->detected);
	rs->timer = evtimer_new(n->base, on_timer, rs);
	ASSERT(rs->timer != NULL);
	rs->hooks = rd_hooks_new(&(struct rd_hooks_conf){n->base, n->clock, proc_setup(n->proc)->runtime_dir});
	rd_detect_listen(n, &listener);
	return rs;
}

void
rd_recoveries_free(struct rd_recoveries *rs)
{
	if (rs == NULL)
		return;
	drop_all(rs);
	rd_recover_tell_done(rs);
	rd_recover_ops_done(rs);
	rd_recover_hooks_done(rs);
	rd_detected_done(rs);
	rd_hooks_free(rs->hooks);
	event_free(rs->timer);
	free(rs);
}
