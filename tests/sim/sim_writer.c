/* sim_writer.c — rd_logwriter.h: WRITE jobs become durable later and in order, and are reported later still; a process
 * that is killed leaves what was complete and a random prefix of what was not. Disks are slow, hang, fill up and fail.
 * Owns struct rd_logwriter; the disk is sim_disk.c's. */
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "sim.h"

#define BATCH_MAX 32
#define PIECE_BYTES 700 /* pieces of a snapshot are small here, so that there are several */

STAILQ_HEAD(job_list, rd_log_job);

struct rd_logwriter {
	struct sim_node *node;
	struct rd_logwriter_conf conf;
	struct job_list writes, others;
	size_t n_jobs;
	struct rd_log_job *batch[BATCH_MAX]; /* under way */
	size_t n_batch, n_durable;
	struct codec_out tmp[2]; /* by source */
	bool open, stopping;
	struct err failed;
	void (*on_stopped)(void *ctx);
	void *stopped_ctx;
	struct mono oldest;
};

/* --- points of a write --- */
static enum sim_point
point_of(const struct rd_write *w, int stage)
{
	enum sim_point p = SIM_AT_APPEND_ASKED;

	if (w->identity != NULL)
		p = SIM_AT_FOUND_ASKED;
	else if (w->snapshot != NULL)
		p = w->clears_log ? SIM_AT_INSTALL_ASKED : SIM_AT_SNAPSHOT_ASKED;
	else if (w->has_vote)
		p = SIM_AT_VOTE_ASKED;
	return (enum sim_point)((int)p + stage);
}

/* --- jobs --- */
static void pump(struct rd_logwriter *w);

static void
set_rc(struct rd_log_job *j, const struct err *e)
{
	j->rc = -e->code;
	j->e = *e;
}

static void
put_piece(struct rd_logwriter *w, struct rd_log_job *j)
{
	struct sim_disk *d = &w->node->disk;
	struct codec_out *t = &w->tmp[j->source];
	uint8_t sum[SHA256_DIGEST_LENGTH];
	struct sim_file *f;
	struct err e;

	if (d->fail_code == ERR_DB_FULL && sim_chance(500)) {
		(void)err_set(&e, ERR_DB_FULL, "no space left (simulated)");
		set_rc(j, &e);
		return;
	}
	if (j->offset == 0)
		codec_out_done(t);
	if (t->len != j->offset) {
		(void)err_set(&e, ERR_INVALID, "piece at %llu, %zu bytes are there", (unsigned long long)j->offset,
			      t->len);
		set_rc(j, &e);
		return;
	}
	mem_grow(t->p, t->cap, t->len + j->n);
	if (j->n > 0)
		memcpy(t->p + t->len, j->data, j->n);
	t->len += j->n;
	if (sim_point(w->node, j->source == RD_SNAPSHOT_OWN ? SIM_AT_SNAPSHOT_PIECE : SIM_AT_INSTALL_PIECE) || !j->last)
		return;
	SHA256((const unsigned char *)t->p, t->len, sum);
	if (j->source == RD_SNAPSHOT_RECEIVED &&
	    (j->snapshot.size != t->len || memcmp(j->snapshot.sha256, sum, sizeof(sum)) != 0)) {
		(void)err_set(&e, ERR_INVALID, "content differs from its checksum");
		set_rc(j, &e);
		codec_out_done(t);
		return;
	}
	j->snapshot.size = t->len;
	memcpy(j->snapshot.sha256, sum, sizeof(sum));
	f = sim_disk_file(d, j->snapshot.term, j->snapshot.index);
	if (f == NULL)
		f = sim_disk_file(d, 0, 0);
	ASSERT(f != NULL);
	codec_out_done(&f->bytes);
	*f = (struct sim_file){j->snapshot.term, j->snapshot.index, *t};
	*t = (struct codec_out){0};
}

static void
get_piece(struct rd_logwriter *w, struct rd_log_job *j)
{
	struct sim_file *f = sim_disk_file(&w->node->disk, j->snapshot.term, j->snapshot.index);
	size_t max = min_size(j->max, PIECE_BYTES);
	struct err e;

	if (f == NULL || j->snapshot.index == 0) {
		(void)err_set(&e, ERR_NOT_FOUND, "no such snapshot");
		set_rc(j, &e);
		return;
	}
	j->n = j->offset >= f->bytes.len ? 0 : min_size(max, f->bytes.len - (size_t)j->offset);
	if (j->n > 0)
		j->data = mem_dup(f->bytes.p + j->offset, j->n);
}

static void
read_entries(struct rd_logwriter *w, struct rd_log_job *j)
{
	const struct sim_disk *d = &w->node->disk;
	size_t n = 0, bytes = 0;
	struct err e;

	if (j->index < d->first || j->index >= d->first + d->n) {
		(void)err_set(&e, ERR_NOT_FOUND, "no entry %llu", (unsigned long long)j->index);
		set_rc(j, &e);
		return;
	}
	while (n < j->max && j->index + n < d->first + d->n) {
		size_t len = d->log[j->index - d->first + n].n;
		if (n > 0 && bytes + len > j->max_bytes)
			break;
		bytes += len;
		n++;
	}
	j->range = sim_disk_range(d, j->index, n, 0);
}

static void
fail_writes(struct rd_logwriter *w)
{
	struct sim_disk *d = &w->node->disk;

	(void)err_set(&w->failed, (enum err_code)d->fail_code, "the disk failed (simulated)");
	sim_trace("write fails: %s", w->failed.msg);
	sim_count(d->fail_code == ERR_DB_FULL ? SIM_DISK_FULL : SIM_DISK_FAIL);
	d->fail_code = 0;
	w->conf.on_failed(w->conf.ctx, &w->failed);
}

static void
do_one(struct rd_logwriter *w, struct rd_log_job *j)
{
	struct sim_disk *d = &w->node->disk;

	if (w->failed.code == 0 && j->kind == RD_LOG_JOB_WRITE && !sim_disk_fits(d, &j->write)) {
		if (!sim_stranger(w->node)) /* its directory is taken away while it is being adopted */
			sim_fail("n%zu writes index %llu, the log ends at %llu", w->node->i,
				 (unsigned long long)j->write.index, (unsigned long long)sim_disk_last(d));
		d->fail_code = ERR_DB_CORRUPT;
	}
	if (w->failed.code == 0 && j->kind == RD_LOG_JOB_WRITE && d->fail_code != 0)
		fail_writes(w);
	if (w->failed.code != 0) {
		set_rc(j, &w->failed);
		return;
	}
	switch (j->kind) {
	case RD_LOG_JOB_WRITE:
		sim_disk_write(w->node, &j->write);
		(void)sim_point(w->node, point_of(&j->write, 1));
		break;
	case RD_LOG_JOB_READ:
		read_entries(w, j);
		break;
	case RD_LOG_JOB_SNAP_PUT:
		put_piece(w, j);
		break;
	case RD_LOG_JOB_SNAP_DROP:
		codec_out_done(&w->tmp[j->source]);
		break;
	case RD_LOG_JOB_SNAP_GET:
		get_piece(w, j);
		break;
	case RD_LOG_JOB_WIPE:
		sim_disk_wipe(d);
		j->found = sim_disk_found(w->node);
		break;
	}
}

static void
report(struct rd_logwriter *w, struct rd_log_job *j)
{
	if (j->kind == RD_LOG_JOB_WRITE && j->rc == 0 && sim_point(w->node, point_of(&j->write, 2))) {
		rd_log_job_free(j);
		return;
	}
	j->done(j->ctx, j);
}

static void
on_report(void *arg)
{
	struct rd_logwriter *w = arg;
	struct rd_log_job *batch[BATCH_MAX];
	size_t n = w->n_batch, i = 0;

	memcpy(batch, w->batch, sizeof(batch));
	w->n_batch = 0;
	w->n_jobs -= n;
	for (; i < n && !w->node->dying; i++)
		report(w, batch[i]);
	for (; i < n; i++)
		rd_log_job_free(batch[i]);
	if (!w->node->dying)
		pump(w);
}

static void
on_durable(void *arg)
{
	struct rd_logwriter *w = arg;

	for (; w->n_durable < w->n_batch && !w->node->dying; w->n_durable++)
		do_one(w, w->batch[w->n_durable]);
	if (!w->node->dying)
		sim_after(sim_between(1, 300), w->node, on_report, NULL, w);
}

static int64_t
latency(struct rd_logwriter *w)
{
	struct sim_disk *d = &w->node->disk;
	int64_t us = sim_between(d->latency_us / 2, d->latency_us * 2);

	if (w->batch[0]->kind != RD_LOG_JOB_WRITE) {
		us = sim_between(d->read_us / 2, d->read_us * 2);
		if (us > 20 * CLK_MS)
			sim_count(SIM_READ_SLOW);
	}
	return max_i64(us, d->stuck_until - sim.now);
}

static void
on_stop_now(void *arg)
{
	struct rd_logwriter *w = arg;

	w->on_stopped(w->stopped_ctx);
}

static void
pump(struct rd_logwriter *w)
{
	struct job_list *from = STAILQ_EMPTY(&w->writes) ? &w->others : &w->writes;
	size_t max = from == &w->writes ? BATCH_MAX : 1;

	if (!w->open || w->n_batch > 0)
		return;
	w->n_durable = 0;
	while (w->n_batch < max && !STAILQ_EMPTY(from)) {
		w->batch[w->n_batch++] = STAILQ_FIRST(from);
		STAILQ_REMOVE_HEAD(from, next);
	}
	if (w->n_batch > 0)
		sim_after(latency(w), w->node, on_durable, NULL, w);
	else if (w->stopping && w->on_stopped != NULL)
		sim_after(100, w->node, on_stop_now, NULL, w);
}

/* --- rd_logwriter.h --- */
static void
on_opened(void *arg)
{
	struct rd_logwriter *w = arg;

	w->open = true;
	w->conf.on_open(w->conf.ctx, sim_disk_found(w->node));
	pump(w);
}

int
rd_logwriter_start(const struct rd_logwriter_conf *conf, struct rd_logwriter **ret_w, struct err *e UNUSED)
{
	struct rd_logwriter *w = mem_new(struct rd_logwriter);

	w->node = sim.cur;
	w->conf = *conf;
	STAILQ_INIT(&w->writes);
	STAILQ_INIT(&w->others);
	*ret_w = w;
	sim_after(sim_between(200, 8000), w->node, on_opened, NULL, w);
	return 0;
}

static void
on_early(void *arg)
{
	struct rd_log_job *j = arg;

	j->done(j->ctx, j);
}

static void
free_job(void *arg)
{
	rd_log_job_free(arg);
}

static void
on_nothing(void *ctx UNUSED, struct rd_log_job *job)
{
	rd_log_job_free(job);
}

/* The mutant: reported at once, written by a copy. */
static struct rd_log_job *
report_early(struct rd_logwriter *w, struct rd_log_job *job)
{
	struct rd_log_job *copy = rd_log_job_write(&job->write, on_nothing, NULL);

	sim_after(1, w->node, on_early, free_job, job);
	return copy;
}

int
rd_log_submit(struct rd_logwriter *w, struct rd_log_job *job, struct err *e)
{
	if (w->stopping)
		return err_set(e, ERR_UNAVAILABLE, "the log writer is stopping");
	if (sim_dead(w->node) || (job->kind == RD_LOG_JOB_WRITE && sim_point(w->node, point_of(&job->write, 0)))) {
		rd_log_job_free(job);
		return 0;
	}
	if (sim.mutant == SIM_MUTANT_APPLY_EARLY && job->kind == RD_LOG_JOB_WRITE)
		job = report_early(w, job);
	w->n_jobs++;
	if (job->kind == RD_LOG_JOB_WRITE)
		STAILQ_INSERT_TAIL(&w->writes, job, next);
	else
		STAILQ_INSERT_TAIL(&w->others, job, next);
	pump(w);
	return 0;
}

bool
rd_log_is_full(struct rd_logwriter *w)
{
	return w->n_jobs > 512;
}

struct rd_logwriter_stats
rd_logwriter_stats(struct rd_logwriter *w)
{
	return (struct rd_logwriter_stats){.waiting = w->n_jobs};
}

void
rd_logwriter_stop(struct rd_logwriter *w, void (*on_stopped)(void *ctx), void *ctx)
{
	w->on_stopped = on_stopped;
	w->stopped_ctx = ctx;
	w->stopping = true;
	pump(w);
}

/* Killed: of what was being written a random part has reached the disk, in order. */
static void
settle(struct rd_logwriter *w)
{
	size_t left = w->n_batch - min_size(w->n_batch, w->n_durable);
	uint64_t lucky = sim_rand(left + 1);

	for (size_t i = w->n_durable; i < w->n_batch && lucky > 0 && w->failed.code == 0; i++, lucky--) {
		if (w->batch[i]->kind == RD_LOG_JOB_WRITE)
			sim_disk_write(w->node, &w->batch[i]->write);
	}
}

static void
free_jobs(struct job_list *l)
{
	struct rd_log_job *j;

	while ((j = STAILQ_FIRST(l)) != NULL) {
		STAILQ_REMOVE_HEAD(l, next);
		rd_log_job_free(j);
	}
}

bool
rd_logwriter_free(struct rd_logwriter *w, int64_t wait_ms UNUSED)
{
	if (w == NULL)
		return true;
	settle(w);
	for (size_t i = 0; i < w->n_batch; i++)
		rd_log_job_free(w->batch[i]);
	free_jobs(&w->writes);
	free_jobs(&w->others);
	codec_out_done(&w->tmp[0]);
	codec_out_done(&w->tmp[1]);
	free(w);
	return true;
}
