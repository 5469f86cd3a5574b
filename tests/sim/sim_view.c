/* sim_view.c — rd_view.h on a backend in memory: row changes are carried out later and in order on a second set of the
 * replicated tables, which must then have the hash that memory had. A process that is killed leaves what was complete, a
 * rebuild perhaps half. Owns struct rd_view; the backend is the node's and outlives it. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "sim.h"
#include "state/rd_snapshot.h"
#include "topo/topo.h"

STAILQ_HEAD(view_jobs, rd_job);

struct rd_view {
	struct sim_node *node;
	struct view_jobs jobs;
	size_t n_jobs, n_rows;
	struct rd_job *busy, *finished;
	bool stopping, failed;
	void (*on_stopped)(void *ctx);
	void *stopped_ctx;
};

/* --- the backend --- */
static enum rd_table
table_of(enum db_table t)
{
	for (enum rd_table i = 0; i < RD_TABLE_COUNT; i++) {
		if (rd_table_db(i) == t)
			return i;
	}
	return RD_TABLE_COUNT;
}

/* Which rows of a table are replicated: rd_tables.def's tails. */
static bool
is_replicated(enum rd_table t, const void *row)
{
	return t != RD_TABLE_maintenance || ((const struct db_maintenance *)row)->maintenance_active.valid;
}

static void
change(struct rd_state *s, const struct rd_change *c)
{
	enum rd_table t = table_of(c->table);
	const void *row = c->row;
	bool gone = c->kind == RD_CHANGE_DELETE;

	if (t == RD_TABLE_COUNT || c->kind == RD_CHANGE_PURGE)
		return; /* history */
	if (t == RD_TABLE_inventory)
		row = &((const struct topo_instance *)row)->key;
	if (gone || !is_replicated(t, row))
		(void)rd_state_remove(s, t, row);
	else
		rd_state_put(s, t, row);
}

static int
write_decision(struct sim_node *n, struct rd_job *j)
{
	struct sim_backend *b = &n->backend;

	for (size_t i = 0; i < j->changes.n; i++)
		change(b->rows, &j->changes.v[i]);
	rd_state_set_applied(b->rows, j->at.index, j->at.term, j->at.time_us);
	b->at = j->at;
	if (rd_state_hash(b->rows) != j->at.hash)
		sim_fail("n%zu: the backend's rows at index %llu are not those of memory", n->i,
			 (unsigned long long)j->at.index);
	return 0;
}

static int
rebuild(struct sim_node *n, struct rd_job *j)
{
	struct sim_backend *b = &n->backend;
	struct rd_state *fresh;

	if (rd_snapshot_read(j->image.p, j->image.len, &fresh, &j->e) != 0) {
		sim_fail("n%zu: the image for rebuilding the backend cannot be read: %s", n->i, j->e.msg);
		return -j->e.code;
	}
	rd_state_free(b->rows);
	b->rows = fresh;
	b->at = j->at;
	b->incomplete = false;
	return 0;
}

static void
carry_out(struct rd_view *v, struct rd_job *j)
{
	struct sim_backend *b = &v->node->backend;

	if (b->fail_code != 0) {
		sim_count(SIM_VIEW_FAIL);
		j->rc = err_set(&j->e, (enum err_code)b->fail_code, "the backend failed (simulated)");
		v->failed = true;
		b->fail_code = 0;
	} else if (j->kind == RD_JOB_REBUILD) {
		j->rc = rebuild(v->node, j);
		v->failed = false;
	} else if (v->failed) {
		j->rc = err_set(&j->e, ERR_DB_BUSY, "a decision before it failed");
	} else {
		j->rc = write_decision(v->node, j);
	}
}

static void pump(struct rd_view *v);

static void
on_done(void *arg)
{
	struct rd_view *v = arg;
	struct rd_job *j = v->finished;

	v->finished = NULL;
	j->done(j->ctx, j);
	if (!v->node->dying)
		pump(v);
}

static void
on_carried_out(void *arg)
{
	struct rd_view *v = arg;

	carry_out(v, v->busy);
	v->finished = v->busy;
	v->busy = NULL;
	sim_after(sim_between(1, 300), v->node, on_done, NULL, v);
}

static void
on_stopped(void *arg)
{
	struct rd_view *v = arg;

	v->on_stopped(v->stopped_ctx);
}

static void
pump(struct rd_view *v)
{
	int64_t us = v->node->backend.latency_us;

	if (v->busy != NULL || v->finished != NULL)
		return;
	if (STAILQ_EMPTY(&v->jobs)) {
		if (v->stopping)
			sim_after(100, v->node, on_stopped, NULL, v);
		return;
	}
	v->busy = STAILQ_FIRST(&v->jobs);
	STAILQ_REMOVE_HEAD(&v->jobs, next);
	v->n_jobs--;
	v->n_rows -= v->busy->changes.n;
	sim_after(sim_between(us / 2, us * 2), v->node, on_carried_out, NULL, v);
}

/* --- rd_view.h --- */
void
sim_view_new(struct sim_node *n)
{
	struct rd_view *v = mem_new(struct rd_view);

	v->node = n;
	STAILQ_INIT(&v->jobs);
	n->node.view = v;
	if (n->backend.rows == NULL)
		n->backend.rows = rd_state_new();
}

int
rd_view_submit(struct rd_view *v, struct rd_job *job, struct err *e)
{
	if (v->stopping)
		return err_set(e, ERR_UNAVAILABLE, "the view writer is stopping");
	if (sim_dead(v->node)) {
		/* what nobody will hear of: the caller's context lives as long as the job would have */
		STAILQ_INSERT_TAIL(&v->jobs, job, next);
		return 0;
	}
	v->n_jobs++;
	v->n_rows += job->changes.n;
	STAILQ_INSERT_TAIL(&v->jobs, job, next);
	pump(v);
	return 0;
}

struct rd_view_stats
rd_view_stats(struct rd_view *v)
{
	return (struct rd_view_stats){.waiting = v->n_jobs, .waiting_rows = v->n_rows, .stopping = v->stopping};
}

void
rd_view_stop(struct rd_view *v, void (*stopped)(void *ctx), void *ctx)
{
	v->on_stopped = stopped;
	v->stopped_ctx = ctx;
	v->stopping = true;
	pump(v);
}

bool
rd_view_free(struct rd_view *v, int64_t wait_ms UNUSED)
{
	struct rd_job *j;

	if (v == NULL)
		return true;
	if (v->busy != NULL && v->busy->kind == RD_JOB_REBUILD && sim_chance(500))
		v->node->backend.incomplete = true;
	rd_job_free(v->busy);
	rd_job_free(v->finished);
	while ((j = STAILQ_FIRST(&v->jobs)) != NULL) {
		STAILQ_REMOVE_HEAD(&v->jobs, next);
		rd_job_free(j);
	}
	free(v);
	return true;
}

/* What rd_load.c would read. */
struct rd_loaded *
sim_view_load(struct sim_node *n)
{
	struct rd_loaded *l = mem_new(struct rd_loaded);
	struct codec_out image = {0};
	struct err e;

	rd_snapshot_write(n->backend.rows, &image);
	if (rd_snapshot_read(image.p, image.len, &l->state, &e) != 0)
		sim_fail("n%zu: the backend cannot be read: %s", n->i, e.msg);
	codec_out_done(&image);
	if (n->backend.incomplete)
		l->distrust = "it was being rebuilt";
	return l;
}

void
sim_view_lose(struct sim_node *n)
{
	rd_state_free(n->backend.rows);
	n->backend.rows = rd_state_new();
	n->backend.incomplete = false;
}
