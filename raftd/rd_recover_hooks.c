/* rd_recover_hooks.c — runs the hook lists of a recovery, and records each entry before it starts and when it has ended. Owns
 * a small context per job, which may outlive the executor. See rd_recoveries.h, hooks/rd_hooks.h. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "rd_recoveries_private.h"
#include "topo/key.h"

struct rd_recover_job {
	LIST_ENTRY(rd_recover_job) next;
	struct rd_recoveries *rs;
	struct rd_hook_job *job;
	enum rd_hook_list list;
	bool gone;
	size_t due;   /* entry whose mark is being recorded */
	size_t marks; /* being recorded: they hold on to it */
	char uid[];
};

static void
put(struct rd_recover_job *j)
{
	if (!j->gone || j->marks > 0)
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
		LIST_REMOVE(j, next);
		free(j);
	}
}

/* --- marks ----------------------------------------------------------------------------------------------------------- */
static void
on_marked(void *ctx, const struct rd_proposed *p)
{
	struct rd_recover_job *j = ctx;

	j->marks--;
	if (!j->gone && p->outcome == RD_COMMITTED)
		rd_hooks_go(j->job, j->due);
	else if (!j->gone)
		rd_hooks_skip(j->job, j->due, p->e->msg);
	put(j);
}

static struct rd_cmd_hook_ran
mark_of(const struct rd_recover_job *j, size_t i, enum rd_hook_mark mark)
{
	return (struct rd_cmd_hook_ran){
	    .recovery_uid = j->uid, .hook_list = rd_hook_list_info(j->list)->name, .number = i, .mark = mark};
}

static void
on_due(void *ctx, struct rd_hook_job *job, size_t i)
{
	struct rd_recover_job *j = ctx;
	struct rd_cmd_hook_ran c = mark_of(j, i, RD_HOOK_MARK_STARTED);
	struct err e;

	j->job = job;
	j->due = i; /* the next one is due only when this one was begun */
	j->marks++;
	if (rd_propose_hook_ran(j->rs->n->decide, &c, on_marked, j, &e) == 0)
		return;
	j->marks--;
	rd_hooks_skip(job, i, e.msg);
}

static void
on_result(void *ctx, const struct rd_hook_result *r)
{
	struct rd_recover_job *j = ctx;
	struct rd_cmd_hook_ran c = mark_of(j, r->index, rd_hook_ok(r) ? RD_HOOK_MARK_OK : RD_HOOK_MARK_FAILED);
	struct err e;

	if (rd_node_leads(j->rs->n) && rd_propose_hook_ran(j->rs->n->decide, &c, NULL, NULL, &e) != 0)
		log_debug("recovery", "the end of a hook is not recorded: %s", e.msg);
}

static void
on_done(void *ctx, bool failed)
{
	struct rd_recover_job *j = ctx;
	struct rd_recovering *x = rd_recovering_find(j->rs, j->uid);

	if (x == NULL || x->r == NULL)
		return;
	rd_recover_hooks_over(x->r, j->list, failed);
	rd_recoveries_wake(j->rs);
}

static void
on_gone(void *ctx)
{
	struct rd_recover_job *j = ctx;

	j->gone = true;
	put(j);
}

static const struct rd_hook_calls calls = {
    .on_due = on_due, .on_result = on_result, .on_done = on_done, .on_gone = on_gone};

/* --- values ---------------------------------------------------------------------------------------------------------- */
static void
add_key(struct str_buf *b, const struct topo_key *key)
{
	str_buf_printf(b, "%s%s", b->len > 0 ? "," : "", TOPO_KEY_TEXT(key));
}

struct texts {
	struct str_buf lost, replicas;
};

static void
fill(const struct rd_recovering *x, const struct rd_lost_list *lost, struct texts *t, struct rd_hook_values *v)
{
	const struct rd_recovery *r = rd_recover_record(x->r);
	const struct rd_recovery_input *in = rd_recover_input(x->r);

	*t = (struct texts){0};
	*v = (struct rd_hook_values){.failure_type = in->analysis,
				     .instance_type = "master",
				     .is_source = true,
				     .failure_description = in->analysis,
				     .failed_host = r->failed.hostname,
				     .failed_port = r->failed.port,
				     .failure_cluster = in->cluster_name,
				     .failure_cluster_alias = in->cluster_alias,
				     .is_downtimed = in->failed.is_downtimed,
				     .auto_source_recovery = !in->forced,
				     .orchestrator_host = proc_setup(x->rs->n->proc)->hostname,
				     .recovery_uid = x->uid,
				     .is_successful = r->promoted,
				     .count_lost_replicas = (int64_t)lost->n,
				     .attempt = 1};
	for (size_t i = 0; i < lost->n; i++)
		add_key(&t->lost, &lost->v[i].key);
	for (size_t i = 0; i < in->servers.n; i++) {
		if (!in->servers.v[i].was_direct)
			continue;
		v->count_replicas++;
		add_key(&t->replicas, &in->servers.v[i].key);
	}
	v->lost_replicas = str_buf_text(&t->lost);
	v->replica_hosts = str_buf_text(&t->replicas);
	if (r->promoted) {
		v->successor_host = r->successor.hostname;
		v->successor_port = r->successor.port;
		v->successor_alias = r->successor.hostname;
	}
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
	const struct conf *c = proc_conf(x->rs->n->proc);
	const struct conf_strs *entries = rd_hook_list_entries(c, list);
	enum rd_hook_mark *marks = mem_calloc(entries->n + 1, sizeof(*marks));
	size_t n = strlen(x->uid) + 1;
	struct rd_recover_job *j = mem_calloc(1, sizeof(*j) + n);
	struct rd_hook_values v;
	struct texts t;
	struct err e;

	j->rs = x->rs;
	j->list = list;
	memcpy(j->uid, x->uid, n);
	LIST_INSERT_HEAD(&x->rs->jobs, j, next);
	for (size_t i = 0; i < entries->n; i++)
		marks[i] = rd_records_mark(rd_decisions(x->rs->n), x->uid, rd_hook_list_info(list)->name, i);
	fill(x, lost, &t, &v);
	if (rd_hooks_add(x->rs->hooks,
			 &(struct rd_hook_request){
			     .list = list, .conf = c, .values = &v, .marks = marks, .calls = &calls, .ctx = j},
			 &j->job, &e) != 0) {
		log_warning("recovery", "recovery=%s: its hooks do not run: %s", LOG_Q(x->uid), e.msg);
		j->gone = true;
		put(j);
		x->broken = true; /* taken over anew: at most once, at least once */
	}
	str_buf_done(&t.lost);
	str_buf_done(&t.replicas);
	free(marks);
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
