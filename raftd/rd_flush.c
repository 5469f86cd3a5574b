/* rd_flush.c — telemetry on its way to the backend: dirty servers and small rows, one batch at a time. Owns the rows
 * that wait. What changes faster than the backend writes is coalesced: a server waits once, with its newest state.
 *
 * A batch that fails is not lost: its servers become dirty again, its other rows wait again (bounded: beyond ROWS_MAX
 * the newest are dropped and counted), and the next try comes a second later. */
#include <stdlib.h>

#include "base/log.h"
#include "conf/conf.h"
#include "rd_node_private.h"

#define ROWS_MAX 10000
#define LINES_MAX ((size_t)1 << 20)
#define RETRY_MS 1000

static void flush(struct rd_node *n);

/* --- what waits ------------------------------------------------------------------------------------------------ */
bool
rd_flush_is_idle(const struct rd_node *n)
{
	return !n->flush.under_way && n->flush.rows.n == 0 && n->flush.lines.len == 0 && n->model.n_queued == 0;
}

static bool
has_room(struct rd_node *n)
{
	if (n->flush.rows.n < ROWS_MAX)
		return true;
	n->metrics.rows_dropped++;
	return false;
}

void
rd_flush_row(struct rd_node *n, enum rd_change_kind kind, enum db_table table, const void *row)
{
	if (!has_room(n))
		return;
	rd_changes_add(&n->flush.rows, kind, table, row);
	rd_flush_soon(n);
}

void
rd_flush_rows(struct rd_node *n, struct rd_changes *rows)
{
	if (rows->n == 0)
		return;
	if (has_room(n))
		rd_changes_move(&n->flush.rows, rows);
	rd_changes_done(rows);
	rd_flush_soon(n);
}

void
rd_flush_line(struct rd_node *n, const char *line)
{
	if (n->flush.lines.len + 4096 > LINES_MAX) {
		n->metrics.rows_dropped++;
		return;
	}
	str_buf_add(&n->flush.lines, line);
	rd_flush_soon(n);
}

/* --- timing ---------------------------------------------------------------------------------------------------- */
static void
arm(struct rd_node *n, int64_t ms)
{
	struct timeval tv = clk_timeval(ms * CLK_MS);

	(void)event_add(n->flush.timer, &tv);
}

void
rd_flush_soon(struct rd_node *n)
{
	if (!n->flush.under_way && !event_pending(n->flush.timer, EV_TIMEOUT, NULL))
		arm(n, n->rules->flush_ms);
}

void
rd_flush_now(struct rd_node *n)
{
	n->flush.hurry = n->flush.under_way;
	if (!n->flush.under_way)
		event_active(n->flush.timer, EV_TIMEOUT, 0);
}

static void
on_timer(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	flush(arg);
}

/* --- a batch --------------------------------------------------------------------------------------------------- */
static enum rd_change_kind
change_of(enum rd_dirty dirty)
{
	static const enum rd_change_kind kinds[] = {
	    [RD_DIRTY_ATTEMPT] = RD_CHANGE_TOUCH_ATTEMPT,
	    [RD_DIRTY_CHECK] = RD_CHANGE_TOUCH_CHECK,
	    [RD_DIRTY_NOT_SEEN] = RD_CHANGE_INSTANCE_NOT_SEEN,
	    [RD_DIRTY_SEEN] = RD_CHANGE_INSTANCE_SEEN,
	};

	ASSERT(dirty > RD_CLEAN && (size_t)dirty < ARRAY_LEN(kinds));
	return kinds[dirty];
}

static enum rd_dirty
dirty_of(enum rd_change_kind kind)
{
	for (enum rd_dirty d = RD_DIRTY_ATTEMPT; d <= RD_DIRTY_SEEN; d++) {
		if (change_of(d) == kind)
			return d;
	}
	return RD_CLEAN;
}

/* A check or an attempt needs the key and its times only. */
static void
add_server(struct rd_changes *c, const struct rd_server *s, enum rd_dirty dirty)
{
	struct topo_instance small;

	if (dirty >= RD_DIRTY_NOT_SEEN) {
		rd_changes_add(c, change_of(dirty), DB_TABLE_instance, &s->inst);
		return;
	}
	rec_init(&topo_instance_desc, &small);
	small.key = s->inst.key;
	small.last_checked_us = s->inst.last_checked_us;
	small.last_attempted_us = s->inst.last_attempted_us;
	small.last_check_partial_success = s->inst.last_check_partial_success;
	rd_changes_add(c, change_of(dirty), DB_TABLE_instance, &small);
}

static void
take_servers(struct rd_node *n, struct rd_changes *c)
{
	struct rd_server *s;
	enum rd_dirty dirty;

	for (size_t i = 0; i < n->rules->batch_rows && (s = rd_model_take(&n->model, &dirty)) != NULL; i++) {
		s->batch = n->flush.batch;
		add_server(c, s, dirty);
	}
}

static void
take_lines(struct rd_node *n, struct rd_job *job)
{
	const char *file = proc_conf(n->proc)->AuditLogFile;

	if (n->flush.lines.len == 0)
		return;
	if (file[0] != '\0')
		job->file = mem_strdup(file);
	job->lines = n->flush.lines;
	n->flush.lines = (struct str_buf){0};
}

static void on_written(void *ctx, struct rd_job *job);

static void
submit_batch(struct rd_node *n)
{
	struct rd_job *job;
	struct err e;

	job = rd_job_new(RD_JOB_TELEMETRY, on_written, n);
	n->flush.batch++;
	rd_changes_move(&job->changes, &n->flush.rows);
	take_servers(n, &job->changes);
	take_lines(n, job);
	n->flush.under_way = true;
	n->metrics.batches++;
	if (rd_view_submit(n->view, job, &e) == 0)
		return;
	job->rc = -e.code;
	job->e = e;
	on_written(n, job);
}

static void
flush(struct rd_node *n)
{
	if (!n->flush.under_way && !n->stopping && n->decide != NULL && !rd_flush_is_idle(n))
		submit_batch(n);
}

static void
end_drain(struct rd_node *n)
{
	void (*fn)(struct rd_node * n) = n->flush.drained;

	n->flush.drained = NULL;
	fn(n);
}

void
rd_flush_drain(struct rd_node *n, void (*drained)(struct rd_node *n))
{
	n->flush.drained = drained;
	if (n->flush.under_way)
		return; /* its end goes on */
	if (n->decide == NULL || rd_flush_is_idle(n))
		end_drain(n);
	else
		submit_batch(n);
}

/* --- and what became of it ------------------------------------------------------------------------------------- */
static void
take_back(struct rd_node *n, struct rd_job *job)
{
	struct rd_changes rows = {0};

	for (size_t i = 0; i < job->changes.n; i++) {
		struct rd_change *c = &job->changes.v[i];
		const struct topo_instance *inst = c->row;
		struct rd_server *s;
		if (c->table != DB_TABLE_instance || dirty_of(c->kind) == RD_CLEAN) {
			mem_grow(rows.v, rows.cap, rows.n + 1);
			rows.v[rows.n++] = *c;
			c->row = NULL;
			continue;
		}
		s = rd_model_find(&n->model, &inst->key);
		if (s != NULL)
			rd_model_mark(&n->model, s, dirty_of(c->kind));
	}
	rd_changes_move(&rows, &n->flush.rows); /* older ones first */
	n->flush.rows = rows;
}

static void
tell_changed(struct rd_node *n, const struct rd_job *job)
{
	struct topo_key keys[256];
	struct topo_key_list list = {keys, 0};
	bool more = false;

	for (size_t i = 0; i < job->changes.n; i++) {
		const struct topo_instance *inst = job->changes.v[i].row;
		if (job->changes.v[i].table != DB_TABLE_instance || inst == NULL)
			continue;
		n->metrics.instance_writes++;
		more |= list.n == ARRAY_LEN(keys);
		if (list.n < ARRAY_LEN(keys))
			keys[list.n++] = inst->key;
	}
	if (list.n > 0)
		rd_publish_changed(n, &list, more);
}

/* Historically a batch waits from the end of the one before it until it is written. */
static void
note_time(struct rd_node *n, const struct rd_job *job)
{
	struct mono now = rd_mono(n), former = n->flush.ended;
	int64_t waited_us = former.us == 0 ? job->waited_us : mono_diff_us(now, former) - job->took_us;
	size_t instances = 0;

	n->flush.ended = now;
	for (size_t i = 0; i < job->changes.n; i++)
		instances += job->changes.v[i].table == DB_TABLE_instance && job->changes.v[i].row != NULL;
	if (instances > 0 && job->rc == 0)
		rd_publish_flush(n, instances, max_i64(0, waited_us), job->took_us);
}

static void
note_file(struct rd_node *n, const struct rd_job *job)
{
	if (job->file == NULL || job->file_rc == 0)
		return;
	if (n->metrics.audit_file_failures++ % 100 == 0)
		log_error("audit", "AuditLogFile: entries are lost: %s", job->file_e.msg);
}

/* The view writer takes a batch apart for the rows that are refused; one that is alone would be tried for ever. */
static void
drop_refused(struct rd_job *job)
{
	if (job->rc != -ERR_DB || job->changes.n != 1)
		return;
	job->refused = 1;
	job->rc = 0;
}

static void
note_refused(struct rd_node *n, const struct rd_job *job)
{
	if (job->refused == 0)
		return;
	n->metrics.rows_refused += job->refused;
	log_warning("backend", "%zu rows are not stored, the last one because: %s", job->refused, job->e.msg);
}

/* The next batch, when there is something for one. */
static void
go_on(struct rd_node *n, bool failed)
{
	bool full = n->model.n_queued >= n->rules->batch_rows;

	if (n->flush.drained != NULL) {
		if (failed || rd_flush_is_idle(n))
			end_drain(n);
		else
			submit_batch(n);
	} else if (!rd_flush_is_idle(n)) {
		if (failed)
			arm(n, RETRY_MS);
		else if (full || n->flush.hurry)
			rd_flush_now(n);
		else
			rd_flush_soon(n);
	}
}

static void
on_written(void *ctx, struct rd_job *job)
{
	struct rd_node *n = ctx;
	int rc;

	drop_refused(job);
	rc = job->rc;
	n->flush.under_way = false;
	note_time(n, job);
	note_file(n, job);
	note_refused(n, job);
	rd_health_backend(n, RD_HEALTH_FLUSH, rc, &job->e);
	if (rc == 0) {
		n->flush.written = n->flush.batch;
		tell_changed(n, job);
		rd_ask_written(n, NULL);
	} else {
		n->metrics.batch_failures++;
		take_back(n, job);
		rd_ask_written(n, &job->e);
	}
	rd_job_free(job);
	go_on(n, rc != 0);
}

int
rd_flush_start(struct rd_node *n, struct err *e)
{
	n->flush.timer = event_new(n->base, -1, 0, on_timer, n);
	return n->flush.timer != NULL ? 0 : err_set(e, ERR_UNAVAILABLE, "libevent refuses a timer");
}

void
rd_flush_done(struct rd_node *n)
{
	if (n->flush.timer != NULL)
		event_free(n->flush.timer);
	rd_changes_done(&n->flush.rows);
	str_buf_done(&n->flush.lines);
}
