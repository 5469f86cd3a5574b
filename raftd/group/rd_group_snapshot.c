/* rd_group_snapshot.c — this node's own snapshots of the replicated state: taken in slices while apply waits, read in
 * slices at start. Owns the dump and the load. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "rd_group_private.h"

#define PIECES_WAITING 4 /* dump: given to the log writer and not written */
#define WAITERS_MAX 64	 /* requests for a snapshot */

/* --- taking ---------------------------------------------------------------------------------------------------- */
static void
answer_snapshot_waiters(struct rd_group *g, const struct err *e)
{
	for (size_t i = 0; i < g->n_snapshot_waiters; i++) {
		if (e == NULL)
			rd_reply_ok(g->node, g->snapshot_waiters[i], 0, NULL, NULL);
		else
			rd_reply_error(g->node, g->snapshot_waiters[i], e);
	}
	g->n_snapshot_waiters = 0;
}

static void
end_dump(struct rd_group *g, const struct err *e)
{
	rd_snapshot_dump_free(g->dump);
	g->dump = NULL;
	if (!g->dump_ended)
		rd_proposer_resume(g->node->decide);
	g->dump_ended = false;
	rec_done(&rd_raft_snapshot_desc, &g->taking);
	if (e != NULL)
		log_warning("raft", "no snapshot was taken, the next one is tried later: %s", e->msg);
	answer_snapshot_waiters(g, e);
}

static bool
is_taking(const struct rd_group *g)
{
	return g->taking.index != 0;
}

/* The file is complete: the core makes it the newest snapshot and gives the log behind it free. */
static void
taken(struct rd_group *g, const struct rd_snapshot *file)
{
	g->taking.size = file->size;
	free((void *)(uintptr_t)g->taking.sha256.p);
	g->taking.sha256 = (struct rec_bin){mem_dup(file->sha256, sizeof(file->sha256)), sizeof(file->sha256)};
	log_info("raft", "snapshot taken index=%llu bytes=%llu", (unsigned long long)g->taking.index,
		 (unsigned long long)g->taking.size);
	rd_raft_snapshot_taken(g->raft, rd_group_now(g), &g->taking);
	end_dump(g, NULL);
	rd_group_core_after(g);
}

static void
on_piece_written(void *ctx, struct rd_log_job *job)
{
	struct rd_group *g = ctx;

	if (job->tag == g->dump_number && is_taking(g) && rd_group_runs(g)) {
		g->dump_pieces--;
		if (job->rc != 0)
			end_dump(g, &job->e);
		else if (job->last)
			taken(g, &job->snapshot);
		else
			rd_group_want_work(g);
	}
	rd_log_job_free(job);
}

static void
dump_slice(struct rd_group *g)
{
	struct codec_out bytes = {0};
	struct rd_log_job *job;
	struct err e;
	bool last = rd_snapshot_dump_step(g->dump, RD_SNAPSHOT_SLICE, &bytes);

	job = rd_log_job_new(RD_LOG_JOB_SNAP_PUT, on_piece_written, g);
	job->tag = g->dump_number;
	job->source = RD_SNAPSHOT_OWN;
	job->snapshot.term = g->taking.term;
	job->snapshot.index = g->taking.index;
	job->offset = g->dump_offset;
	job->data = bytes.p;
	job->n = bytes.len;
	job->last = last;
	g->dump_offset += bytes.len;
	g->dump_pieces++;
	if (last) {
		g->dump_ended = true;
		rd_proposer_resume(g->node->decide);
	}
	if (rd_log_submit(g->log, job, &e) != 0) {
		rd_log_job_free(job);
		end_dump(g, &e);
	}
}

static bool
begin_dump(struct rd_group *g)
{
	struct rd_raft_snapshot s;

	if (is_taking(g) || g->raft == NULL || !rd_raft_snapshot_begin(g->raft, &s))
		return false;
	rec_dup(&rd_raft_snapshot_desc, &g->taking, &s);
	rd_proposer_pause(g->node->decide);
	g->dump = rd_snapshot_dump_new(rd_group_state(g));
	g->dump_number++;
	g->dump_pieces = 0;
	g->dump_offset = 0;
	g->dump_ended = false;
	rd_group_want_work(g);
	return true;
}

void
rd_group_snapshot_give_up(struct rd_group *g)
{
	struct err e;

	if (!is_taking(g))
		return;
	(void)err_set(&e, ERR_CANCELLED, "the leader's snapshot replaced the state");
	end_dump(g, &e);
}

void
rd_group_snapshot_work(struct rd_group *g)
{
	if (!is_taking(g) || g->dump_ended || g->dump_pieces >= PIECES_WAITING)
		return;
	dump_slice(g);
	if (is_taking(g) && !g->dump_ended && g->dump_pieces < PIECES_WAITING)
		rd_group_want_work(g);
}

void
rd_group_snapshot(struct rd_group *g, struct rd_req req)
{
	struct err e;

	if (!rd_group_runs(g)) {
		(void)err_set(&e, ERR_UNAVAILABLE, "this node is no member yet: %s", g->why);
		rd_reply_error(g->node, req, &e);
		return;
	}
	if (g->n_snapshot_waiters == WAITERS_MAX) {
		(void)err_set(&e, ERR_LIMIT, "a snapshot is being taken and many wait for it already");
		rd_reply_error(g->node, req, &e);
		return;
	}
	mem_grow(g->snapshot_waiters, g->cap_snapshot_waiters, g->n_snapshot_waiters + 1);
	g->snapshot_waiters[g->n_snapshot_waiters++] = req;
	if (!begin_dump(g) && !is_taking(g))
		answer_snapshot_waiters(g, NULL); /* the newest snapshot has everything */
}

/* --- reading the own one at start ------------------------------------------------------------------------------ */
static void ask_own(struct rd_group *g);

static void
end_load(struct rd_group *g, struct err *e)
{
	struct rd_state *state = NULL;

	if (e->code == 0 && rd_snapshot_load_end(g->loading, &state, e) == 0 &&
	    rd_state_index(state) != g->stored->snapshot.index)
		(void)err_set(e, ERR_DB_CORRUPT, "it holds index %llu", (unsigned long long)rd_state_index(state));
	rd_snapshot_load_free(g->loading);
	g->loading = NULL;
	if (e->code == 0) {
		rd_group_core_start(g, state, false);
		return;
	}
	rd_state_free(state);
	(void)err_wrap(e, "the newest snapshot in RaftDataDir, of index %llu, cannot be used",
		       (unsigned long long)g->stored->snapshot.index);
	rd_group_fail(g, e->code == ERR_UNSUPPORTED ? PROC_EXIT_VERSION : PROC_EXIT_BACKEND, e);
}

static void
on_own_read(void *ctx, struct rd_log_job *job)
{
	struct rd_group *g = ctx;
	struct err e = {0};
	bool more = false;

	if (job->rc != 0) {
		e = job->e;
	} else if (job->n > 0) {
		g->load_offset += job->n;
		more = rd_snapshot_load_feed(g->loading, job->data, job->n, &e) == 0;
	}
	rd_log_job_free(job);
	if (g->phase == RD_PHASE_FAILED)
		return;
	if (more)
		ask_own(g);
	else
		end_load(g, &e);
}

static void
ask_own(struct rd_group *g)
{
	struct rd_log_job *job = rd_log_job_new(RD_LOG_JOB_SNAP_GET, on_own_read, g);
	struct err e;

	job->snapshot.term = g->stored->snapshot.term;
	job->snapshot.index = g->stored->snapshot.index;
	job->offset = g->load_offset;
	job->max = RD_SNAPSHOT_SLICE;
	if (rd_log_submit(g->log, job, &e) == 0)
		return;
	rd_log_job_free(job);
	end_load(g, &e);
}

void
rd_group_snapshot_load(struct rd_group *g)
{
	if (g->loading != NULL)
		return;
	g->loading = rd_snapshot_load_new();
	g->load_offset = 0;
	ask_own(g);
}

/* --- life ------------------------------------------------------------------------------------------------------ */
void
rd_group_snapshot_tick(struct rd_group *g)
{
	struct rd_raft_status status;

	rd_group_transfer_tick(g);
	rd_raft_status(g->raft, &status);
	if (status.applied - status.snapshot_index >= RD_SNAPSHOT_EVERY)
		(void)begin_dump(g);
}

void
rd_group_snapshot_done(struct rd_group *g)
{
	rd_group_transfer_done(g);
	rd_snapshot_dump_free(g->dump);
	rd_snapshot_load_free(g->loading);
	rec_done(&rd_raft_snapshot_desc, &g->taking);
	free(g->snapshot_waiters);
}
