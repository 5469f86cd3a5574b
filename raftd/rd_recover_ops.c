/* rd_recover_ops.c — what an executor asks of this node: events and audit lines are proposed, steps sent, servers read. Owns
 * nothing. See rd_recoveries.h. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "group/rd_group.h"
#include "rd_recoveries_private.h"
#include "rd_steps.h"
#include "topo/key.h"

#define STEP_WAIT_US (INT64_C(90000) * CLK_S) /* a day of applying, and then some; the executor gives up earlier */
#define READ_MARGIN_US (200 * CLK_MS)
#define LINES_HELD_MAX 4096

/* For callbacks that may outlive their executor. */
struct rd_recover_asked *
rd_recover_new_asked(struct rd_recoveries *rs, const char *uid, uint64_t turn)
{
	size_t n = strlen(uid) + 1;
	struct rd_recover_asked *a = mem_calloc(1, sizeof(*a) + n);

	a->rs = rs;
	a->turn = turn;
	rec_dup(&topo_key_desc, &a->begins, &(struct topo_key){"", 0});
	memcpy(a->uid, uid, n);
	LIST_INSERT_HEAD(&rs->asked, a, next);
	return a;
}

static struct rd_recover_asked *
new_asked(struct rd_recovering *x)
{
	return rd_recover_new_asked(x->rs, x->uid, x->pending_turn);
}

void
rd_recover_drop_asked(struct rd_recover_asked *a)
{
	LIST_REMOVE(a, next);
	topo_key_done(&a->begins);
	free(a);
}

void
rd_recover_ops_done(struct rd_recoveries *rs)
{
	while (!LIST_EMPTY(&rs->asked))
		rd_recover_drop_asked(LIST_FIRST(&rs->asked));
}

/* --- events ------------------------------------------------------------------------------------------------------ */
static void
on_event(void *ctx, const struct rd_proposed *p)
{
	struct rd_recover_asked *a = ctx;
	struct rd_recovering *x = rd_recovering_find(a->rs, a->uid);

	if (x != NULL && x->r != NULL && x->pending_turn == a->turn && p->outcome != RD_COMMITTED) {
		x->pending_turn = 0;
		if (p->outcome == RD_REFUSED && p->e->code == ERR_PRECONDITION) {
			rd_recover_refused(x->r, p->e);
		} else {
			log_warning("recovery", "recovery=%s gives way: %s", LOG_Q(x->uid), p->e->msg);
			x->broken = true;
		}
		rd_recoveries_wake(a->rs);
	}
	rd_recover_drop_asked(a);
}

static void
record_lost(struct rd_recovering *x, const struct rd_recover_event *ev)
{
	struct rd_cmd_recovery_record c = {.recovery_uid = x->uid, .error = "", .loss = ""};
	struct err e;

	if (ev->lost != NULL)
		c.lost = *ev->lost;
	if (ev->loss[0] != '\0')
		c.loss = ev->loss_set[0] != '\0' ? ev->loss_set : ev->loss;
	if (c.lost.n == 0 && c.loss[0] == '\0')
		return;
	for (size_t i = 0; i < c.lost.n; i++)
		log_warning("recovery", "recovery=%s instance=%s is lost: %s", LOG_Q(x->uid),
			    TOPO_KEY_TEXT(&c.lost.v[i].key), LOG_Q(c.lost.v[i].why));
	if (c.loss[0] != '\0')
		log_notice("recovery", "recovery=%s lost transactions: %s: %s", LOG_Q(x->uid), LOG_Q(c.loss),
			   LOG_Q(ev->loss_why));
	c.downtime_ends_us = rd_now_us(x->rs->n) + RD_LOST_DOWNTIME_US;
	if (rd_propose_recovery_record(x->rs->n->decide, &c, NULL, NULL, &e) != 0)
		log_warning("recovery", "recovery=%s: %zu lost servers are not recorded: %s", LOG_Q(x->uid), c.lost.n,
			    e.msg);
}

/* --- what a choice was made on ------------------------------------------------------------------------------------- */
void
rd_recover_drop_chosen(struct rd_recovering *x)
{
	if (x->chosen != NULL)
		rec_done(&rd_recovery_input_desc, x->chosen);
	free(x->chosen);
	x->chosen = NULL;
}

static void
keep_chosen(struct rd_recovering *x, enum rd_recovery_event event)
{
	struct rd_recovery_input in = *rd_recover_input(x->r);

	if (event != RD_EVENT_CHOSEN && event != RD_EVENT_MAY_LOSE && event != RD_EVENT_REFUSED)
		return;
	rd_recover_drop_chosen(x);
	in.excluded = rd_recover_record(x->r)->excluded;
	in.chosen_us = rd_now_us(x->rs->n);
	x->chosen = mem_new(struct rd_recovery_input);
	rec_dup(&rd_recovery_input_desc, x->chosen, &in);
}

/* Once nobody waits for a promotion any more. */
void
rd_recover_tell_chosen(struct rd_recovering *x)
{
	uint64_t state = rd_recover_record(x->r)->state;
	struct err e;

	if (x->chosen == NULL || state < RD_RECOVERY_REPOINT)
		return;
	if (rd_records_chosen(x->rs->n->decide, x->chosen, &e) != 0)
		log_debug("recovery", "what was decided on is not recorded: %s", e.msg);
	rd_recover_drop_chosen(x);
}

/* --- proposing ------------------------------------------------------------------------------------------------------- */
static const char *
successor_alias(struct rd_recovering *x)
{
	const struct rd_server *s = rd_model_find(&x->rs->n->model, &rd_recover_record(x->r)->successor);

	return s == NULL ? "" : s->inst.instance_alias;
}

static void
op_propose(void *ctx, const struct rd_recover_event *ev)
{
	struct rd_recovering *x = ctx;
	struct rd_cmd_recovery_event c = {.recovery_uid = x->uid,
					  .event = ev->h.event,
					  .turn = rd_records_turn(rd_recover_record(x->r)),
					  .successor = {"", 0},
					  .promoted_at = ev->h.position == NULL ? "" : ev->h.position,
					  .deadline_us = ev->h.deadline_us,
					  .text = ev->detail,
					  .successor_alias = ""};
	struct rd_recover_asked *a;
	struct err e;

	if (ev->h.successor != NULL)
		c.successor = *ev->h.successor;
	if (ev->h.event == RD_EVENT_WRITABLE) {
		c.downtime_ends_us = rd_now_us(x->rs->n) + RD_LOST_DOWNTIME_US;
		c.successor_alias = successor_alias(x);
	}
	log_notice("recovery", "recovery=%s state=%s event=%s %s", LOG_Q(x->uid),
		   rd_recovery_state_name(rd_recover_record(x->r)->state), rd_recovery_event_name(ev->h.event),
		   LOG_Q(ev->detail));
	keep_chosen(x, ev->h.event);
	record_lost(x, ev); /* before the event, so that whoever has that has this */
	x->pending_turn = c.turn;
	a = new_asked(x);
	if (rd_propose_recovery_event(x->rs->n->decide, &c, on_event, a, &e) == 0)
		return;
	log_warning("recovery", "recovery=%s gives way: %s", LOG_Q(x->uid), e.msg);
	rd_recover_drop_asked(a);
	x->broken = true;
}

/* --- audit lines -------------------------------------------------------------------------------------------------- */
static void
op_note(void *ctx, const struct rd_recover_note *note)
{
	struct rd_recovering *x = ctx;
	struct rd_audit_line line = {.at_us = rd_now_us(x->rs->n),
				     .term = x->term,
				     .number = note->number,
				     .key = note->step->key,
				     .statement = note->step->statement,
				     .outcome = note->code == 0 ? "ok" : err_name(note->code),
				     .text = note->message};

	if (note->phase == RD_PHASE_FENCE_OLD && note->code != 0)
		return; /* it goes on until it succeeds */
	if (note->phase == RD_PHASE_FENCE_OLD && topo_key_equal(&note->step->key, &x->failed))
		x->fenced = rd_mono(x->rs->n);
	log_notice("recovery", "recovery=%s instance=%s step=%s outcome=%s %s", LOG_Q(x->uid), TOPO_KEY_TEXT(&line.key),
		   line.statement, line.outcome, LOG_Q(line.text));
	if (x->lines.n >= LINES_HELD_MAX)
		return;
	mem_grow(x->lines.v, x->cap_lines, x->lines.n + 1);
	rec_dup(&rd_audit_line_desc, &x->lines.v[x->lines.n++], &line);
}

void
rd_recover_tell_lines(struct rd_recovering *x)
{
	struct rd_cmd_recovery_step c = {.recovery_uid = x->uid, .lines = x->lines};
	struct err e;

	if (x->lines.n == 0)
		return;
	if (rd_propose_recovery_step(x->rs->n->decide, &c, NULL, NULL, &e) != 0)
		log_debug("recovery", "%zu audit lines are not recorded: %s", x->lines.n, e.msg);
	for (size_t i = 0; i < x->lines.n; i++)
		rec_done(&rd_audit_line_desc, &x->lines.v[i]);
	x->lines.n = 0;
}

/* --- steps -------------------------------------------------------------------------------------------------------- */
static struct mono
op_lease(void *ctx)
{
	struct rd_recovering *x = ctx;
	struct rd_node *n = x->rs->n;
	struct mono end;
	uint64_t term;

	if (!rd_node_leads(n) || x->broken)
		return (struct mono){0};
	if (n->group == NULL)
		return mono_add_us(rd_mono(n), RD_RECOVER_STEP_US);
	return rd_group_lease(n->group, &term, &end) && term == x->term ? end : (struct mono){0};
}

static void
on_step(void *ctx, const struct ipc_step_result *m)
{
	struct rd_recoveries *rs = ctx;
	struct rd_recovering *x = rd_recovering_find(rs, m->recovery_uid);

	if (x == NULL || x->r == NULL)
		return;
	rd_recover_result(x->r, m);
	rd_recoveries_wake(rs);
}

static int
op_send(void *ctx, const struct ipc_step *m, struct err *e)
{
	struct rd_recovering *x = ctx;
	struct rd_node *n = x->rs->n;
	struct rd_step_order o = {.uid = x->uid,
				  .number = m->number,
				  .key = &m->key,
				  .statement = m->statement,
				  .args = m->args,
				  .precondition = m->precondition,
				  .within_us = m->not_after_us - rd_mono(n).us,
				  .wait_us = STEP_WAIT_US};

	if (op_lease(x).us == 0)
		return err_set(e, ERR_NOT_LEADER, "this node does not lead in this term any more");
	if (m->number > x->rs->newest_number)
		x->rs->newest_number = m->number;
	return rd_steps_send(n->steps, &o, on_step, x->rs, e);
}

/* --- readings ------------------------------------------------------------------------------------------------------ */
static void
on_read(void *ctx, const struct topo_key *key, const void *result, const struct err *e UNUSED)
{
	struct rd_recover_asked *a = ctx;
	struct rd_recovering *x = rd_recovering_find(a->rs, a->uid);
	const struct rd_probed *p = result;
	struct rd_recovery_server row;
	bool is_good = p != NULL && p->server != NULL && p->probe != NULL && p->probe->found;

	if (x != NULL && x->r != NULL) {
		if (is_good) {
			rd_recovery_server_from(&p->server->inst, p->probe, &row);
			row.semi_sync_acks = p->server->semi_sync.acks;
		}
		rd_recover_read(x->r, key, is_good ? &row : NULL);
		rd_recoveries_wake(a->rs);
	}
	rd_recover_drop_asked(a);
}

static void
op_read(void *ctx, const struct topo_key *key, int64_t patience_us)
{
	struct rd_recovering *x = ctx;
	struct rd_node *n = x->rs->n;
	struct rd_recover_asked *a = new_asked(x);
	struct err e;

	if (rd_probers_probe_briefly(n->probers, key, rd_mono(n), patience_us, patience_us + READ_MARGIN_US, on_read, a,
				     &e) == 0)
		return;
	rd_recover_drop_asked(a);
	(void)topo_key_list_add(&x->unread, key);
	rd_recoveries_wake(x->rs);
}

void
rd_recover_tell_unread(struct rd_recovering *x)
{
	struct topo_key_list l = x->unread;

	x->unread = (struct topo_key_list){0};
	for (size_t i = 0; i < l.n; i++)
		rd_recover_read(x->r, &l.v[i], NULL);
	topo_key_list_done(&l);
}

/* --- the rest ------------------------------------------------------------------------------------------------------- */
static void
op_hooks(void *ctx, enum rd_hook_list list, const struct rd_lost_list *lost)
{
	rd_recover_run_hooks(ctx, list, lost);
}

static void
op_too_late(void *ctx)
{
	struct rd_recovering *x = ctx;

	log_notice("recovery", "recovery=%s can not be aborted any more", LOG_Q(x->uid));
	rd_recover_tell_too_late(x->rs, x->uid);
}

/* Said and recorded once; a note is a line of the audit. */
static void
say_of_old(struct rd_recovering *x, const char *text, bool is_note)
{
	struct rd_cmd_recovery_record c = {.recovery_uid = x->uid, .loss = "", .error = text, .is_note = is_note};
	struct err e;

	if (x->stays != NULL && str_eq(x->stays, text))
		return;
	free(x->stays);
	x->stays = mem_strdup(text);
	log_notice("recovery", "recovery=%s %s", LOG_Q(x->uid), LOG_Q(text));
	if (rd_propose_recovery_record(x->rs->n->decide, &c, NULL, NULL, &e) != 0)
		log_warning("recovery", "recovery=%s: that is not recorded: %s", LOG_Q(x->uid), e.msg);
}

/* What it has of its own belongs to the record. */
static void
op_stays(void *ctx, enum rd_old what, const char *text)
{
	struct rd_recovering *x = ctx;
	struct str_buf b = {0};

	rd_old_write_stays(&x->failed, what, text, &b);
	say_of_old(x, str_buf_text(&b), what == RD_OLD_CONTAINED);
	str_buf_done(&b);
}

static void
op_refuses(void *ctx, int code, const char *text)
{
	struct rd_recovering *x = ctx;
	struct str_buf b = {0};

	rd_old_write_refuses(&x->failed, code, text, &b);
	say_of_old(x, str_buf_text(&b), false);
	str_buf_done(&b);
}

static enum rd_recover_later
op_later(void *ctx, const struct topo_key *key)
{
	struct rd_recovering *x = ctx;
	const struct rd_state *s = rd_decisions(x->rs->n);
	enum rd_recover_later later = RD_LATER_NOTHING;
	struct rd_cursor c = {0};
	struct rd_recovery r;

	while (rd_records_next(s, &c, &r)) {
		if (r.began_us <= rd_recover_record(x->r)->began_us || !topo_key_equal(&r.successor, key))
			continue;
		if (r.promoted)
			return RD_LATER_PROMOTED;
		if (rd_recovery_runs(r.state))
			later = RD_LATER_CHOSEN;
	}
	return later;
}

const struct rd_recover_ops rd_recover_ops = {op_propose,  op_note,  op_send,  op_read,	   op_hooks,
					      op_too_late, op_lease, op_stays, op_refuses, op_later};
