/* rd_hooks.c — see rd_hooks.h. A shell around rd_hook_seq.c and rd_hook_run.c: jobs, slots, queues, results. Owns the jobs
 * and their runs; all of it on the loop. */
#include "rd_hooks.h"

#include <dirent.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "rd_hook_run.h"
#include "rd_hook_text.h"

enum lane { IN_TURN, BACKGROUND, LANES };
static const size_t lane_max[LANES] = {RD_HOOKS_IN_TURN_MAX, RD_HOOKS_BACKGROUND_MAX};

enum stage { STAGE_IDLE, STAGE_DUE, STAGE_REFUSED, STAGE_WAITING, STAGE_RUNNING, STAGE_ENDED, STAGE_GONE };

struct entry {
	struct rd_hook_job *job;
	size_t i;
	enum stage stage;
	char *text;  /* NULL: it could not be made, see error */
	char *error; /* why it is refused */
	int64_t limit_s, left_s;
	struct rd_hook_run *run;
	struct mono started;
	struct wall began;
	struct entry *next; /* waiting */
};

struct queue {
	struct entry *first, **end;
	size_t n, running;
};

struct rd_hook_job {
	struct rd_hooks *h;
	struct rd_hook_job *next, **at; /* all jobs */
	struct rd_hook_seq seq;
	struct entry *entries;
	char *shell, **env, **args;
	char *uid; /* whose hooks they are, for the log; "" */
	const struct rd_hook_calls *calls;
	void *ctx;
	struct event *turn; /* to look for what is next */
	bool done;	    /* on_done was called */
};

struct rd_hooks {
	struct rd_hooks_conf conf;
	char *dir;
	struct rd_hook_job *jobs;
	size_t n_jobs;
	struct queue lanes[LANES];
	struct rd_hooks_count count;
	bool stopping;
	void (*on_idle)(void *ctx);
	void *idle_ctx;
	struct event *idle;
};

static const struct rd_hook_calls no_calls;

static enum lane
lane_of(const struct entry *en)
{
	return en->job->seq.steps[en->i].background ? BACKGROUND : IN_TURN;
}

static void
look_again(struct rd_hook_job *job)
{
	event_active(job->turn, 0, 0);
}

/* --- results ------------------------------------------------------------------------------------------------------ */
static void
fill_result(const struct entry *en, struct rd_hook_result *r)
{
	const struct rd_hook_job *job = en->job;

	*r = (struct rd_hook_result){.list = job->seq.list,
				     .index = en->i,
				     .count = job->seq.n,
				     .command = en->text == NULL ? "" : en->text,
				     .background = job->seq.steps[en->i].background,
				     .limit_s = en->limit_s,
				     .error = "",
				     .began = en->began,
				     .output = ""};
}

static void
count(struct rd_hooks *h, const struct rd_hook_result *r)
{
	h->count.failed += !rd_hook_ok(r);
	h->count.timed_out += r->outcome == RD_HOOK_TIMED_OUT;
	h->count.refused += r->outcome == RD_HOOK_NOT_STARTED;
}

static void
log_result(const struct rd_hook_job *job, const struct rd_hook_result *r)
{
	struct str_buf name = {0};
	enum log_level level = rd_hook_ok(r) ? LOG_LVL_NOTICE : LOG_LVL_WARNING;

	rd_hook_name(r, &name);
	/* tests: test_hooks.py */
	log_at(level, "hooks", "%s: %s recovery=%s value=%d took_ms=%lld output_bytes=%llu output=%s", name.p,
	       rd_hook_outcome_name(r->outcome), LOG_Q(job->uid), r->value, (long long)(r->took_us / CLK_MS),
	       (unsigned long long)r->output_bytes, LOG_Q(r->output));
	if (r->error[0] != '\0')
		log_warning("hooks", "%s: recovery=%s error=%s", name.p, LOG_Q(job->uid), LOG_Q(r->error));
	str_buf_done(&name);
}

/* The run, if there was one, may still have something to watch. */
static void
end_entry(struct entry *en, struct rd_hook_result *r)
{
	struct rd_hook_job *job = en->job;

	en->stage = en->run != NULL ? STAGE_ENDED : STAGE_GONE;
	rd_hook_seq_ended(&job->seq, en->i, rd_hook_ok(r));
	count(job->h, r);
	log_result(job, r);
	if (job->calls->on_result != NULL)
		job->calls->on_result(job->ctx, r);
	look_again(job);
}

static void
end_unstarted(struct entry *en, enum rd_hook_outcome outcome, const char *error)
{
	struct rd_hook_result r;

	en->began = clk_wall(en->job->h->conf.clock);
	fill_result(en, &r);
	r.outcome = outcome;
	r.error = error;
	end_entry(en, &r);
}

static void
on_ended(void *ctx, const struct rd_hook_end *end)
{
	struct entry *en = ctx;
	struct rd_hook_result r;
	struct str_buf output = {0};

	fill_result(en, &r);
	r.outcome = end->outcome;
	r.value = end->value;
	r.error = end->error;
	r.took_us = mono_diff_us(clk_mono(en->job->h->conf.clock), en->started);
	rd_hook_tail_text(end->tail, &output);
	r.output_bytes = end->tail->total;
	r.output = str_buf_text(&output);
	end_entry(en, &r);
	str_buf_done(&output);
}

/* --- slots -------------------------------------------------------------------------------------------------------- */
static void fill_slots(struct rd_hooks *h);

static void
on_gone(void *ctx)
{
	struct entry *en = ctx;
	struct rd_hooks *h = en->job->h;

	en->run = NULL;
	en->stage = STAGE_GONE;
	h->lanes[lane_of(en)].running--;
	look_again(en->job);
	fill_slots(h);
	if (h->idle != NULL)
		event_active(h->idle, 0, 0);
}

static void
start(struct entry *en)
{
	struct rd_hook_job *job = en->job;
	struct rd_hooks *h = job->h;
	struct rd_hook_run_conf c = {.base = h->conf.base,
				     .dir = h->dir,
				     .shell = job->shell,
				     .text = en->text,
				     .len = strlen(en->text),
				     .env = job->env,
				     .args = (const char *const *)job->args,
				     .limit_ms = en->limit_s * 1000,
				     .left_ms = en->left_s * 1000,
				     .ctx = en,
				     .on_ended = on_ended,
				     .on_gone = on_gone};
	struct rd_hook_result r;
	struct err e;

	en->stage = STAGE_RUNNING;
	en->began = clk_wall(h->conf.clock);
	en->started = clk_mono(h->conf.clock);
	fill_result(en, &r);
	if (job->calls->on_began != NULL)
		job->calls->on_began(job->ctx, &r);
	if (rd_hook_run_start(&c, &en->run, &e) != 0) {
		en->run = NULL;
		end_unstarted(en, RD_HOOK_NOT_STARTED, e.msg);
		return;
	}
	h->count.begun++;
	h->lanes[lane_of(en)].running++;
}

static void
push(struct queue *q, struct entry *en)
{
	en->next = NULL;
	*q->end = en;
	q->end = &en->next;
	q->n++;
	en->stage = STAGE_WAITING;
}

static struct entry *
pop(struct queue *q)
{
	struct entry *en = q->first;

	q->first = en->next;
	if (q->first == NULL)
		q->end = &q->first;
	q->n--;
	return en;
}

static void
fill_slots(struct rd_hooks *h)
{
	for (int lane = 0; lane < LANES; lane++) {
		struct queue *q = &h->lanes[lane];
		while (q->n > 0 && q->running < lane_max[lane]) {
			struct entry *en = pop(q);
			if (en->job->seq.cancelled)
				end_unstarted(en, RD_HOOK_CANCELLED, "");
			else
				start(en);
		}
	}
}

/* --- jobs --------------------------------------------------------------------------------------------------------- */
/* The result follows from the loop. */
static void
refuse(struct entry *en, const char *why)
{
	if (en->error == NULL)
		en->error = mem_strdup(why);
	en->stage = STAGE_REFUSED;
	look_again(en->job);
}

static struct entry *
due_entry(struct rd_hook_job *job, size_t i)
{
	ASSERT(i < job->seq.n && job->entries[i].stage == STAGE_DUE);
	return &job->entries[i];
}

void
rd_hooks_go(struct rd_hook_job *job, size_t i)
{
	struct entry *en = due_entry(job, i);
	struct queue *q = &job->h->lanes[lane_of(en)];

	if (en->text == NULL || q->n >= RD_HOOKS_WAITING_MAX) {
		refuse(en, "too many hooks are waiting already");
		return;
	}
	push(q, en);
	look_again(job); /* which fills the slots */
}

void
rd_hooks_skip(struct rd_hook_job *job, size_t i, const char *why)
{
	refuse(due_entry(job, i), why);
}

static void
end_refused(struct rd_hook_job *job)
{
	for (size_t i = 0; i < job->seq.n; i++) {
		struct entry *en = &job->entries[i];
		if (en->stage == STAGE_REFUSED)
			end_unstarted(en, RD_HOOK_NOT_STARTED, en->error);
	}
}

static void
free_job(struct rd_hook_job *job)
{
	*job->at = job->next;
	if (job->next != NULL)
		job->next->at = job->at;
	job->h->n_jobs--;
	for (size_t i = 0; i < job->seq.n; i++) {
		rd_hook_run_free(job->entries[i].run);
		free(job->entries[i].text);
		free(job->entries[i].error);
	}
	if (job->turn != NULL)
		event_free(job->turn);
	rd_hook_env_free(job->env);
	rd_hook_env_free(job->args);
	rd_hook_seq_done(&job->seq);
	free(job->entries);
	free(job->shell);
	free(job->uid);
	free(job);
}

static bool
is_over(const struct rd_hook_job *job)
{
	for (size_t i = 0; i < job->seq.n; i++) {
		if (job->entries[i].stage != STAGE_IDLE && job->entries[i].stage != STAGE_GONE)
			return false;
	}
	return job->done;
}

static void
make_due(struct rd_hook_job *job, size_t i)
{
	job->entries[i].stage = STAGE_DUE;
	if (job->calls->on_due != NULL)
		job->calls->on_due(job->ctx, job, i);
	else
		rd_hooks_go(job, i);
}

static void
on_turn(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct rd_hook_job *job = arg;
	enum rd_hook_action a = RD_HOOK_END;
	size_t i = 0;

	end_refused(job);
	while (!job->done && (a = rd_hook_seq_next(&job->seq, &i)) == RD_HOOK_RUN)
		make_due(job, i);
	if (!job->done && a == RD_HOOK_END) {
		job->done = true;
		if (job->calls->on_done != NULL)
			job->calls->on_done(job->ctx, rd_hook_seq_failed(&job->seq));
	}
	fill_slots(job->h);
	if (!is_over(job))
		return;
	if (job->calls->on_gone != NULL)
		job->calls->on_gone(job->ctx);
	free_job(job);
}

static void
make_entry(struct rd_hook_job *job, size_t i, const struct conf_hook *hook, const struct rd_hook_request *q)
{
	struct entry *en = &job->entries[i];
	struct str_buf text = {0};
	struct err e;

	*en = (struct entry){.job = job, .i = i};
	en->left_s = q->conf->HookBackgroundTimeoutSeconds;
	en->limit_s = hook->background ? en->left_s : q->conf->HookTimeoutSeconds;
	if (hook->timeout_s >= 0)
		en->limit_s = hook->timeout_s;
	if (rd_hook_list_info(job->seq.list)->tell == RD_HOOK_TELL_TAKE)
		str_buf_add_n(&text, hook->text, hook->len);
	else if (rd_hook_text_fill(hook->text, hook->len, q->values, &text, &e) != 0)
		en->error = mem_strdup(e.msg);
	if (en->error == NULL)
		en->text = text.len > 0 ? str_buf_take(&text) : mem_strdup("");
	str_buf_done(&text);
}

static char **
dup_args(const char *const *args)
{
	char **copy = mem_calloc(RD_HOOKS_ARGS_MAX + 1, sizeof(*copy));

	for (size_t i = 0; args != NULL && args[i] != NULL; i++) {
		ASSERT(i < RD_HOOKS_ARGS_MAX);
		copy[i] = mem_strdup(args[i]);
	}
	return copy;
}

/* Entries of a loaded configuration parse; an empty one has nothing to do. */
static void
make_entries(struct rd_hook_job *job, const struct rd_hook_request *q)
{
	const struct conf_strs *list = rd_hook_list_entries(q->conf, q->list);
	struct conf_hook *hooks = mem_calloc(list->n, sizeof(*hooks));
	struct err e;

	for (size_t i = 0; i < list->n; i++) {
		if (conf_hook_parse(list->v[i], &hooks[i], &e) != 0)
			hooks[i] = (struct conf_hook){.text = list->v[i], .len = strlen(list->v[i]), .timeout_s = -1};
	}
	rd_hook_seq_init(&job->seq, q->list, hooks, list->n);
	job->entries = mem_calloc(list->n, sizeof(*job->entries));
	for (size_t i = 0; i < list->n; i++) {
		make_entry(job, i, &hooks[i], q);
		if (hooks[i].len == 0)
			rd_hook_seq_mark(&job->seq, i, RD_HOOK_MARK_OK);
		else if (q->marks != NULL)
			rd_hook_seq_mark(&job->seq, i, q->marks[i]);
	}
	free(hooks);
}

static void
enlist(struct rd_hooks *h, struct rd_hook_job *job)
{
	job->next = h->jobs;
	job->at = &h->jobs;
	if (h->jobs != NULL)
		h->jobs->at = &job->next;
	h->jobs = job;
	h->n_jobs++;
}

int
rd_hooks_add(struct rd_hooks *h, const struct rd_hook_request *q, struct rd_hook_job **ret_job, struct err *e)
{
	struct rd_hook_job *job;

	if (h->stopping || h->n_jobs >= RD_HOOKS_JOBS_MAX)
		return err_set(e, ERR_UNAVAILABLE, "%s not run: %s", rd_hook_list_info(q->list)->name,
			       h->stopping ? "the node stops" : "too many lists of hooks run already");
	job = mem_new(struct rd_hook_job);
	*job = (struct rd_hook_job){.h = h, .calls = q->calls == NULL ? &no_calls : q->calls, .ctx = q->ctx};
	enlist(h, job);
	make_entries(job, q);
	job->shell = mem_strdup(q->conf->ProcessesShellCommand);
	job->uid = mem_strdup(q->values->recovery_uid == NULL ? "" : q->values->recovery_uid);
	job->env = rd_hook_env(q->values, rd_hook_list_info(q->list)->tell, getenv);
	job->args = dup_args(q->args);
	job->turn = event_new(h->conf.base, -1, 0, on_turn, job);
	if (job->turn == NULL) {
		free_job(job);
		return err_set(e, ERR_UNAVAILABLE, "no event for hooks");
	}
	look_again(job);
	*ret_job = job;
	return 0;
}

void
rd_hooks_cancel(struct rd_hook_job *job)
{
	rd_hook_seq_cancel(&job->seq);
	for (size_t i = 0; i < job->seq.n; i++) {
		if (job->entries[i].run != NULL)
			rd_hook_run_cancel(job->entries[i].run);
	}
	look_again(job);
}

/* --- all of them -------------------------------------------------------------------------------------------------- */
static void
remove_left_files(const char *dir)
{
	struct dirent *d;
	DIR *at = opendir(dir);

	while (at != NULL && (d = readdir(at)) != NULL) {
		if (str_starts(d->d_name, "hook."))
			(void)unlinkat(dirfd(at), d->d_name, 0);
	}
	if (at != NULL)
		(void)closedir(at);
}

struct rd_hooks *
rd_hooks_new(const struct rd_hooks_conf *conf)
{
	struct rd_hooks *h = mem_new(struct rd_hooks);

	h->conf = *conf;
	h->dir = mem_strdup(conf->dir);
	for (int lane = 0; lane < LANES; lane++)
		h->lanes[lane].end = &h->lanes[lane].first;
	remove_left_files(h->dir);
	return h;
}

void
rd_hooks_free(struct rd_hooks *h)
{
	if (h == NULL)
		return;
	while (h->jobs != NULL)
		free_job(h->jobs);
	if (h->idle != NULL)
		event_free(h->idle);
	free(h->dir);
	free(h);
}

static void
on_idle(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct rd_hooks *h = arg;
	void (*call)(void *) = h->on_idle;

	if (h->lanes[IN_TURN].running + h->lanes[BACKGROUND].running > 0 || call == NULL)
		return;
	h->on_idle = NULL;
	call(h->idle_ctx);
}

void
rd_hooks_stop(struct rd_hooks *h, void (*call)(void *ctx), void *ctx)
{
	h->stopping = true;
	h->on_idle = call;
	h->idle_ctx = ctx;
	for (struct rd_hook_job *job = h->jobs; job != NULL; job = job->next)
		rd_hooks_cancel(job);
	if (h->idle == NULL)
		h->idle = event_new(h->conf.base, -1, 0, on_idle, h);
	if (h->idle != NULL)
		event_active(h->idle, 0, 0);
}

struct rd_hooks_count
rd_hooks_count(const struct rd_hooks *h)
{
	struct rd_hooks_count c = h->count;

	for (int lane = 0; lane < LANES; lane++) {
		c.running += h->lanes[lane].running;
		c.waiting += h->lanes[lane].n;
	}
	return c;
}
