/* rd_recover_hooks.c — runs the hook lists of recoveries and detections, and records each entry before it starts and when it
 * has ended, with the historical audit lines. Owns a small context per job, which may outlive the executor. See
 * rd_recoveries_private.h, hooks/rd_hooks.h; what hooks are told: rd_recover_values.c. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "rd_recoveries_private.h"

/* The beginning of an entry that is being recorded; those in the background let the next one begin at once. */
struct mark {
	LIST_ENTRY(mark) next;
	struct rd_recover_job *j;
	size_t i; /* the entry */
};

struct rd_recover_job {
	LIST_ENTRY(rd_recover_job) next;
	struct rd_recoveries *rs;
	struct rd_hook_job *job;
	enum rd_hook_list list;
	rd_hooks_over_fn over;
	bool done, gone;
	LIST_HEAD(, mark) marks; /* they hold on to it */
	char uid[];
};

static void
drop_mark(struct mark *m)
{
	LIST_REMOVE(m, next);
	free(m);
}

static void
put(struct rd_recover_job *j)
{
	if (!j->gone || !LIST_EMPTY(&j->marks))
		return;
	LIST_REMOVE(j, next);
	free(j);
}

/* Nobody calls any more: neither the proposer nor the hooks. */
void
rd_recover_hooks_done(struct rd_recoveries *rs)
{
	struct rd_recover_job *j;

	while ((j = LIST_FIRST(&rs->jobs)) != NULL) {
		while (!LIST_EMPTY(&j->marks))
			drop_mark(LIST_FIRST(&j->marks));
		LIST_REMOVE(j, next);
		free(j);
	}
}

/* --- what is recorded ------------------------------------------------------------------------------------------------ */
static void
on_marked(void *ctx, const struct rd_proposed *p)
{
	struct mark *m = ctx;
	struct rd_recover_job *j = m->j;

	if (!j->gone && p->outcome == RD_COMMITTED)
		rd_hooks_go(j->job, m->i);
	else if (!j->gone)
		rd_hooks_skip(j->job, m->i, p->e->msg);
	drop_mark(m);
	put(j);
}

static struct rd_cmd_hook_ran
mark_of(const struct rd_recover_job *j, size_t i, enum rd_hook_mark mark)
{
	return (struct rd_cmd_hook_ran){
	    .recovery_uid = j->uid, .hook_list = rd_hook_list_info(j->list)->name, .number = i, .mark = mark};
}

#define SAID_MAX 1024 /* rd_audit_line.text */

static void
cut(struct str_buf *b)
{
	size_t n = SAID_MAX;

	if (b->len <= n)
		return;
	while (n > 0 && ((unsigned char)b->p[n] & 0xc0) == 0x80)
		n--;
	b->len = n;
	b->p[n] = '\0';
}

/* A line of the audit; nobody waits for it. */
static void
say(const struct rd_recover_job *j, void (*write)(const struct rd_hook_result *r, struct str_buf *b),
    const struct rd_hook_result *r)
{
	struct rd_audit_line line;
	struct rd_cmd_recovery_step c = {.recovery_uid = j->uid, .lines = {&line, 1}};
	struct str_buf b = {0};
	struct err e;

	rec_init(&rd_audit_line_desc, &line);
	line.at_us = rd_now_us(j->rs->n);
	write(r, &b);
	cut(&b);
	line.text = str_buf_text(&b);
	if (rd_node_leads(j->rs->n) && rd_propose_recovery_step(j->rs->n->decide, &c, NULL, NULL, &e) != 0)
		log_debug("recovery", "a line about a hook is not recorded: %s", e.msg);
	str_buf_done(&b);
}

static void
on_due(void *ctx, struct rd_hook_job *job, size_t i)
{
	struct rd_recover_job *j = ctx;
	struct rd_cmd_hook_ran c = mark_of(j, i, RD_HOOK_MARK_STARTED);
	struct mark *m = mem_new(struct mark);
	struct err e;

	j->job = job;
	*m = (struct mark){.j = j, .i = i};
	LIST_INSERT_HEAD(&j->marks, m, next);
	if (rd_propose_hook_ran(j->rs->n->decide, &c, on_marked, m, &e) == 0)
		return;
	drop_mark(m);
	rd_hooks_skip(job, i, e.msg);
}

static void
on_began(void *ctx, const struct rd_hook_result *r)
{
	say(ctx, rd_hook_text_began, r);
}

static void
on_result(void *ctx, const struct rd_hook_result *r)
{
	struct rd_recover_job *j = ctx;
	struct rd_cmd_hook_ran c = mark_of(j, r->index, rd_hook_ok(r) ? RD_HOOK_MARK_OK : RD_HOOK_MARK_FAILED);
	struct err e;

	say(j, rd_hook_text_ended, r);
	if (rd_node_leads(j->rs->n) && rd_propose_hook_ran(j->rs->n->decide, &c, NULL, NULL, &e) != 0)
		log_debug("recovery", "the end of a hook is not recorded: %s", e.msg);
}

static void
on_done(void *ctx, bool failed)
{
	struct rd_recover_job *j = ctx;

	j->done = true;
	j->over(j->rs, j->uid, j->list, failed);
}

static void
on_gone(void *ctx)
{
	struct rd_recover_job *j = ctx;

	j->gone = true;
	put(j);
}

static const struct rd_hook_calls calls = {
    .on_due = on_due, .on_began = on_began, .on_result = on_result, .on_done = on_done, .on_gone = on_gone};

/* --- running --------------------------------------------------------------------------------------------------------- */
/* The list runs here already, for an executor that was given up: its end is told by uid. */
static bool
runs(struct rd_recoveries *rs, const char *uid, enum rd_hook_list list)
{
	struct rd_recover_job *j;

	LIST_FOREACH (j, &rs->jobs, next) {
		if (!j->done && !j->gone && j->list == list && str_eq(j->uid, uid))
			return true;
	}
	return false;
}

static struct rd_recover_job *
new_job(struct rd_recoveries *rs, const char *uid, enum rd_hook_list list, rd_hooks_over_fn over)
{
	size_t n = strlen(uid) + 1;
	struct rd_recover_job *j = mem_calloc(1, sizeof(*j) + n);

	j->rs = rs;
	j->list = list;
	j->over = over;
	LIST_INIT(&j->marks);
	memcpy(j->uid, uid, n);
	LIST_INSERT_HEAD(&rs->jobs, j, next);
	return j;
}

int
rd_recover_add_hooks(struct rd_recoveries *rs, const char *uid, enum rd_hook_list list, struct rd_hook_values *values,
		     rd_hooks_over_fn over, struct err *e)
{
	const struct conf *c = proc_conf(rs->n->proc);
	const struct conf_strs *entries = rd_hook_list_entries(c, list);
	const char *name = rd_hook_list_info(list)->name;
	struct rd_hook_request q = {.list = list, .conf = c, .values = values, .calls = &calls};
	enum rd_hook_mark *marks;
	struct rd_recover_job *j;
	int rc;

	if (runs(rs, uid, list))
		return 0;
	marks = mem_calloc(entries->n + 1, sizeof(*marks));
	for (size_t i = 0; i < entries->n; i++)
		marks[i] = rd_records_mark(rd_decisions(rs->n), uid, name, i);
	values->attempt = rd_records_attempts(rd_decisions(rs->n), uid, name, entries->n) + 1;
	j = new_job(rs, uid, list, over);
	q.marks = marks;
	q.ctx = j;
	rc = rd_hooks_add(rs->hooks, &q, &j->job, e);
	if (rc != 0) {
		j->gone = true;
		put(j);
	}
	free(marks);
	return rc;
}

static void
on_recovery_hooks(struct rd_recoveries *rs, const char *uid, enum rd_hook_list list, bool failed)
{
	struct rd_recovering *x = rd_recovering_find(rs, uid);

	if (x == NULL || x->r == NULL)
		return;
	rd_recover_hooks_over(x->r, list, failed);
	rd_recoveries_wake(rs);
}

void
rd_recover_tell_left_out(struct rd_recovering *x)
{
	if (x->hooks_left_out)
		rd_recover_hooks_over(x->r, x->left_out, false);
	x->hooks_left_out = false;
}

static void
run_hooks(struct rd_recovering *x, enum rd_hook_list list, const struct rd_lost_list *lost)
{
	struct mem_arena arena = {0};
	struct rd_hook_values v;
	struct err e;

	rd_recover_fill_values(x, lost, &arena, &v);
	if (rd_recover_add_hooks(x->rs, x->uid, list, &v, on_recovery_hooks, &e) != 0) {
		log_warning("recovery", "recovery=%s: its hooks do not run: %s", LOG_Q(x->uid), e.msg);
		x->broken = true; /* taken over anew: at most once, at least once */
	}
	mem_arena_done(&arena);
}

void
rd_recover_run_hooks(struct rd_recovering *x, enum rd_hook_list list, const struct rd_lost_list *lost)
{
	if (!rd_recover_input(x->r)->skip_hooks) {
		run_hooks(x, list, lost);
		return;
	}
	x->hooks_left_out = true; /* recover-lite */
	x->left_out = list;
	rd_recoveries_wake(x->rs);
}

#define OWED_US (3600 * CLK_S) /* what is older helps nobody */

bool
rd_recover_owes_hooks(struct rd_recoveries *rs, const struct rd_recovery *r)
{
	const enum rd_hook_list list = RD_HOOK_LIST_POST_UNSUCCESSFUL_FAILOVER;
	const struct conf_strs *entries = rd_hook_list_entries(proc_conf(rs->n->proc), list);
	bool owes = false;

	if (r->state != RD_RECOVERY_UNDONE || rd_now_us(rs->n) - r->since_us > OWED_US)
		return false;
	for (size_t i = 0; i < entries->n; i++)
		owes |= rd_records_mark(rd_decisions(rs->n), r->uid, rd_hook_list_info(list)->name, i) ==
			RD_HOOK_MARK_STARTED;
	return owes;
}
