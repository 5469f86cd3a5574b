/* rd_hook_seq.c — see rd_hook_seq.h. Called by rd_hooks.c; owns the steps. Pure. */
#include "rd_hook_seq.h"

#include <stdlib.h>

#include "base/mem.h"

static bool
stops(enum rd_hook_list list, const struct conf_hook *h)
{
	if (h->background)
		return false;
	if (h->on_failure == CONF_HOOK_FAILURE_AS_LIST)
		return rd_hook_list_info(list)->failure == RD_HOOK_STOP;
	return h->on_failure == CONF_HOOK_FAILURE_STOP;
}

void
rd_hook_seq_init(struct rd_hook_seq *s, enum rd_hook_list list, const struct conf_hook *hooks, size_t n)
{
	*s = (struct rd_hook_seq){.list = list, .n = n, .stopped_by = n};
	s->steps = mem_calloc(n, sizeof(*s->steps));
	for (size_t i = 0; i < n; i++)
		s->steps[i] = (struct rd_hook_step){.background = hooks[i].background, .stops = stops(list, &hooks[i])};
}

void
rd_hook_seq_done(struct rd_hook_seq *s)
{
	free(s->steps);
	*s = (struct rd_hook_seq){0};
}

static void
set_state(struct rd_hook_seq *s, size_t i, enum rd_hook_step_state state)
{
	s->steps[i].state = state;
	if (state == RD_HOOK_STEP_FAILED && s->steps[i].stops && s->stopped_by == s->n)
		s->stopped_by = i;
}

void
rd_hook_seq_mark(struct rd_hook_seq *s, size_t i, enum rd_hook_mark mark)
{
	ASSERT(i < s->n && s->steps[i].state == RD_HOOK_STEP_TODO);
	if (mark == RD_HOOK_MARK_OK)
		set_state(s, i, RD_HOOK_STEP_OK);
	else if (mark == RD_HOOK_MARK_FAILED)
		set_state(s, i, RD_HOOK_STEP_FAILED);
	else if (mark == RD_HOOK_MARK_STARTED && rd_hook_list_info(s->list)->times == RD_HOOK_AT_MOST_ONCE)
		set_state(s, i, RD_HOOK_STEP_LOST);
}

enum rd_hook_action
rd_hook_seq_next(struct rd_hook_seq *s, size_t *ret_i)
{
	bool over = s->cancelled || rd_hook_seq_failed(s);

	for (size_t i = 0; i < s->n; i++) {
		struct rd_hook_step *step = &s->steps[i];
		if (step->state == RD_HOOK_STEP_RUNNING && !step->background)
			return RD_HOOK_WAIT;
		if (step->state != RD_HOOK_STEP_TODO)
			continue;
		step->state = over ? RD_HOOK_STEP_SKIPPED : RD_HOOK_STEP_RUNNING;
		*ret_i = i;
		if (!over)
			return RD_HOOK_RUN;
	}
	return RD_HOOK_END;
}

void
rd_hook_seq_ended(struct rd_hook_seq *s, size_t i, bool ok)
{
	ASSERT(i < s->n && s->steps[i].state == RD_HOOK_STEP_RUNNING);
	set_state(s, i, ok ? RD_HOOK_STEP_OK : RD_HOOK_STEP_FAILED);
}

void
rd_hook_seq_cancel(struct rd_hook_seq *s)
{
	s->cancelled = true;
}

bool
rd_hook_seq_failed(const struct rd_hook_seq *s)
{
	return s->stopped_by < s->n;
}

bool
rd_hook_seq_idle(const struct rd_hook_seq *s)
{
	for (size_t i = 0; i < s->n; i++) {
		if (s->steps[i].state == RD_HOOK_STEP_RUNNING)
			return false;
	}
	return true;
}
