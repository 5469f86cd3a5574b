/* rd_steps.c — see rd_steps.h. Owns the steps under way and the timer for those that nobody tells of. Called by
 * detection, recoveries and rd_link.c. */
#include "rd_steps.h"

#include <stdlib.h>
#include <sys/queue.h>

#include "base/log.h"
#include "base/str.h"
#include "group/rd_group.h"
#include "rd_node_private.h"
#include "topo/key.h"

struct step {
	TAILQ_ENTRY(step) next;
	struct ipc_step m; /* owning */
	unsigned slot;
	bool lost; /* its prober is gone */
	struct mono due;
	rd_step_fn fn;
	void *ctx;
};
TAILQ_HEAD(step_list, step);

struct rd_steps {
	struct rd_node *n;
	struct event *timer;
	struct step_list list;
	size_t n_list;
};

static const struct rec_desc *
step_desc(void)
{
	return ipc_msg_info(IPC_STEP)->desc;
}

static void
drop(struct rd_steps *s, struct step *st)
{
	TAILQ_REMOVE(&s->list, st, next);
	s->n_list--;
	rec_done(step_desc(), &st->m);
	free(st);
}

static void
end(struct rd_steps *s, struct step *st, const struct ipc_step_result *r)
{
	rd_step_fn fn = st->fn;
	void *ctx = st->ctx;

	if (r->code != 0)
		s->n->metrics.steps_failed++;
	drop(s, st);
	fn(ctx, r);
}

static void
end_unknown(struct rd_steps *s, struct step *st)
{
	struct topo_key key;
	struct ipc_step_result r = {.recovery_uid = "",
				    .term = st->m.term,
				    .number = st->m.number,
				    .code = -ERR_UNKNOWN_OUTCOME,
				    .sent = true,
				    .message = st->lost ? "the prober died with it" : "the prober told nothing in time",
				    .ended_us = rd_now_us(s->n)};
	char *uid = mem_strdup(st->m.recovery_uid);

	rec_dup(&topo_key_desc, &key, &st->m.key);
	r.key = key;
	r.recovery_uid = uid;
	log_warning("step", "outcome unknown, %s: %s instance=%s recovery=%s number=%llu", r.message, st->m.statement,
		    TOPO_KEY_TEXT(&key), LOG_Q(uid), (unsigned long long)r.number); /* tests: test_votes.py */
	end(s, st, &r);
	topo_key_done(&key);
	free(uid);
}

/* Of those that are over; a callback may send anew or end others' steps, so each look begins at the front. */
static struct step *
find_over(struct rd_steps *s, struct mono now)
{
	struct step *st;

	TAILQ_FOREACH (st, &s->list, next) {
		if (st->lost || !mono_before(now, st->due))
			return st;
	}
	return NULL;
}

static void
arm(struct rd_steps *s)
{
	struct mono soonest = {INT64_MAX};
	struct timeval wait;
	struct step *st;

	TAILQ_FOREACH (st, &s->list, next) {
		if (mono_before(st->due, soonest))
			soonest = st->due;
	}
	if (soonest.us == INT64_MAX)
		return;
	wait = clk_timeval(max_i64(CLK_MS, mono_diff_us(soonest, rd_mono(s->n))));
	ASSERT(event_add(s->timer, &wait) == 0);
}

static void
on_timer(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct rd_steps *s = arg;
	struct step *st;

	while ((st = find_over(s, rd_mono(s->n))) != NULL)
		end_unknown(s, st);
	arm(s);
}

struct rd_steps *
rd_steps_new(struct rd_node *n)
{
	struct rd_steps *s = mem_new(struct rd_steps);

	s->n = n;
	TAILQ_INIT(&s->list);
	s->timer = evtimer_new(n->base, on_timer, s);
	ASSERT(s->timer != NULL);
	return s;
}

void
rd_steps_free(struct rd_steps *s)
{
	if (s == NULL)
		return;
	while (!TAILQ_EMPTY(&s->list))
		drop(s, TAILQ_FIRST(&s->list));
	event_free(s->timer);
	free(s);
}

/* --- sending --------------------------------------------------------------------------------------------------------- */
/* Until when this node may change anything, and in which term. */
static int
authority(struct rd_node *n, struct mono *ret_end, uint64_t *ret_term, struct err *e)
{
	*ret_end = (struct mono){INT64_MAX};
	*ret_term = 0;
	if (!rd_node_leads(n) || (n->group != NULL && !rd_group_lease(n->group, ret_term, ret_end)))
		return err_set(e, ERR_NOT_LEADER, "this node does not lead");
	return 0;
}

int
rd_steps_send(struct rd_steps *s, const struct rd_step_order *o, rd_step_fn fn, void *ctx, struct err *e)
{
	struct mono now = rd_mono(s->n), end;
	unsigned slot = rd_probers_slot_of(s->n->probers, o->key);
	struct ipc_step m = {.recovery_uid = o->uid,
			     .number = o->number,
			     .key = *o->key,
			     .statement = o->statement,
			     .args = o->args,
			     .precondition = o->precondition};
	struct step *st;

	if (authority(s->n, &end, &m.term, e) != 0)
		return -e->code;
	if (s->n_list >= RD_STEPS_UNDER_WAY_MAX)
		return err_set(e, ERR_LIMIT, "%d steps are under way already", RD_STEPS_UNDER_WAY_MAX);
	if (slot == RD_NO_PROBER)
		return err_set(e, ERR_UNAVAILABLE, "no prober is running");
	m.not_after_us = min_i64(mono_add_us(now, o->within_us).us, end.us);
	if (ipc_send_step(s->n->prober_doors[slot].link, &m, e) != 0)
		return err_set(e, ERR_UNAVAILABLE, "the prober takes no step now");
	st = mem_new(struct step);
	rec_dup(step_desc(), &st->m, &m);
	st->slot = slot;
	st->due = mono_add_us(now, o->wait_us);
	st->fn = fn;
	st->ctx = ctx;
	TAILQ_INSERT_TAIL(&s->list, st, next);
	s->n_list++;
	s->n->metrics.steps_sent++;
	arm(s);
	return 0;
}

/* --- results --------------------------------------------------------------------------------------------------------- */
static bool
is_of(const struct step *st, const struct ipc_step_result *m)
{
	return st->m.term == m->term && st->m.number == m->number && str_eq(st->m.recovery_uid, m->recovery_uid) &&
	       topo_key_equal(&st->m.key, &m->key);
}

void
rd_steps_result(struct rd_steps *s, const struct ipc_step_result *m)
{
	struct step *st;

	TAILQ_FOREACH (st, &s->list, next) {
		if (is_of(st, m)) {
			end(s, st, m);
			return;
		}
	}
	log_info("step", "result of a step that nobody waits for any more: recovery=%s number=%llu instance=%s",
		 LOG_Q(m->recovery_uid), (unsigned long long)m->number, TOPO_KEY_TEXT(&m->key));
}

void
rd_steps_prober_down(struct rd_steps *s, unsigned slot)
{
	struct step *st;

	TAILQ_FOREACH (st, &s->list, next)
		st->lost |= st->slot == slot;
	event_active(s->timer, EV_TIMEOUT, 0);
}
