/* rd_recover_run.c — see rd_recover_run.h. Pure; called by the executor of a recovery (rd_recover.c). */
#include "rd_recover_run.h"

#include <stdio.h>
#include <stdlib.h>

#include "topo/key.h"
#include "topo/step.h"

void
rd_run_init(struct rd_run *r, const struct rd_plan *plan)
{
	*r = (struct rd_run){.items = mem_calloc(plan->steps.n, sizeof(*r->items)), .n = plan->steps.n};
	for (size_t i = 0; i < r->n; i++) {
		rec_dup(&rd_step_desc, &r->items[i].step, &plan->steps.v[i]);
		for (r->items[i].server = 0; r->items[i].server < i; r->items[i].server++) {
			if (topo_key_equal(&r->items[r->items[i].server].step.key, &r->items[i].step.key))
				break;
		}
	}
}

void
rd_run_done(struct rd_run *r)
{
	for (size_t i = 0; i < r->n; i++)
		rec_done(&rd_step_desc, &r->items[i].step);
	free(r->items);
	*r = (struct rd_run){0};
}

/* --- what may be sent ------------------------------------------------------------------------------------------- */
/* Steps are numbered from 1, in order. A step whose failure is only noted holds nobody up. */
static bool
is_passed(const struct rd_run *r, uint64_t number)
{
	const struct rd_run_item *i;

	if (number == 0)
		return true;
	ASSERT(number <= r->n);
	i = &r->items[number - 1];
	return i->state == RD_RUN_DONE || (i->state == RD_RUN_FAILED && i->step.on_failure == RD_FAILS_NOTHING);
}

static bool
never_passes(const struct rd_run *r, uint64_t number)
{
	return number != 0 && !is_passed(r, number) && r->items[number - 1].state >= RD_RUN_DONE;
}

struct rd_run_item *
rd_run_next(struct rd_run *r, struct mono now)
{
	if (r->under_way >= RD_RUN_UNDER_WAY_MAX)
		return NULL;
	for (size_t k = 0; k < r->n; k++) {
		struct rd_run_item *i = &r->items[k];
		if (i->state == RD_RUN_WAITS && !r->items[i->server].busy && !mono_before(now, i->again) &&
		    is_passed(r, i->step.after) && is_passed(r, i->step.and_after))
			return i;
	}
	return NULL;
}

void
rd_run_sent(struct rd_run *r, struct rd_run_item *i, uint64_t number, struct mono not_after, struct mono now)
{
	i->state = RD_RUN_SENT;
	i->number = number;
	i->not_after = not_after;
	i->until = mono_add_us(now, i->step.within_ms * CLK_MS + RD_RUN_SLACK_US);
	if (i->first.us == 0)
		i->first = now;
	r->items[i->server].busy = true;
	r->under_way++;
}

/* --- results ---------------------------------------------------------------------------------------------------- */
static void
settle(struct rd_run_item *i, enum rd_run_state state, int code, const char *message)
{
	i->state = state;
	i->code = code;
	(void)snprintf(i->message, sizeof(i->message), "%.255s", message);
}

/* Nothing was sent, and that is no fault of the server's. */
static bool
may_try_again(int code)
{
	return code == ERR_LATE || code == ERR_BUSY || code == ERR_UNAVAILABLE || code == ERR_LIMIT ||
	       code == ERR_NOT_LEADER;
}

static void
fail(struct rd_run_item *i, int code, const char *message, struct mono now)
{
	settle(i, RD_RUN_FAILED, code, message);
	if (!may_try_again(code) || mono_diff_us(now, i->first) >= RD_RUN_RETRY_US)
		return;
	i->state = RD_RUN_WAITS;
	i->again = mono_add_us(now, RD_RUN_PAUSE_US);
}

void
rd_run_not_sent(struct rd_run *r UNUSED, struct rd_run_item *i, const struct err *e, struct mono now)
{
	if (i->first.us == 0)
		i->first = now;
	fail(i, e->code, e->msg, now);
}

static struct rd_run_item *
find(struct rd_run *r, uint64_t number)
{
	for (size_t k = 0; k < r->n; k++) {
		if (r->items[k].state == RD_RUN_SENT && r->items[k].number == number)
			return &r->items[k];
	}
	return NULL;
}

static void
over(struct rd_run *r, struct rd_run_item *i)
{
	r->items[i->server].busy = false;
	r->under_way--;
}

struct rd_run_item *
rd_run_result(struct rd_run *r, const struct ipc_step_result *m, struct mono now)
{
	struct rd_run_item *i = find(r, m->number);
	int code = (int)(m->code < 0 ? -m->code : m->code);

	if (i == NULL || !topo_key_equal(&i->step.key, &m->key))
		return NULL;
	over(r, i);
	if (code == 0 ||
	    (m->errno_mysql == RD_ERRNO_NO_SUCH_THREAD && topo_step_by_name(i->step.statement) == TOPO_STEP_BREAK_LOCK))
		settle(i, RD_RUN_DONE, 0, "");
	else if (code == ERR_UNKNOWN_OUTCOME || (m->sent && code != ERR_SERVER && code != ERR_TIMEOUT))
		settle(i, RD_RUN_UNKNOWN, ERR_UNKNOWN_OUTCOME, m->message);
	else
		fail(i, code, m->message, now);
	return i;
}

void
rd_run_tick(struct rd_run *r, struct mono now)
{
	for (size_t k = 0; k < r->n; k++) {
		struct rd_run_item *i = &r->items[k];
		if (i->state == RD_RUN_SENT && !mono_before(now, i->until)) {
			over(r, i);
			settle(i, RD_RUN_UNKNOWN, ERR_UNKNOWN_OUTCOME, "its prober gave no result in time");
		} else if (i->state == RD_RUN_WAITS &&
			   (never_passes(r, i->step.after) || never_passes(r, i->step.and_after))) {
			settle(i, RD_RUN_SKIPPED, ERR_PRECONDITION, "what it comes after did not succeed");
		}
	}
}

bool
rd_run_is_over(const struct rd_run *r)
{
	for (size_t k = 0; k < r->n; k++) {
		if (r->items[k].state < RD_RUN_DONE)
			return false;
	}
	return true;
}

struct mono
rd_run_due(const struct rd_run *r)
{
	struct mono due = {INT64_MAX};

	for (size_t k = 0; k < r->n; k++) {
		const struct rd_run_item *i = &r->items[k];
		struct mono t = i->state == RD_RUN_SENT ? i->until : i->again;
		if (i->state == RD_RUN_SENT || (i->state == RD_RUN_WAITS && i->again.us != 0)) {
			if (mono_before(t, due))
				due = t;
		}
	}
	return due;
}
