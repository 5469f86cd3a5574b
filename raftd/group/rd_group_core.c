/* rd_group_core.c — drives the member (consensus/rd_raft.h): its writes go to the log writer, its messages to the net,
 * committed entries to the proposer; publishes the lease. Owns the two timers. Nothing here calls into the core from one
 * of the core's callbacks: those note, and rd_group_core_after does. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "rd_group_private.h"
#include "rd_turn.h"

#define APPLY_BYTES ((size_t)256 << 10) /* of entries, in one turn of the loop */
#define VOTE_SEED_BYTES 4

/* --- to the log writer ----------------------------------------------------------------------------------------- */
static void
on_written(void *ctx, struct rd_log_job *job)
{
	struct rd_group *g = ctx;
	uint64_t ticket = job->tag;
	bool ok = job->rc == 0;

	rd_log_job_free(job);
	if (!ok || !rd_group_runs(g))
		return; /* on_failed has said it */
	rd_raft_written(g->raft, rd_group_now(g), ticket);
	rd_group_core_after(g);
}

void
rd_group_to_store(const struct rd_raft_snapshot *s, struct rd_snapshot *ret)
{
	*ret = (struct rd_snapshot){.term = s->term,
				    .index = s->index,
				    .size = s->size,
				    .conf_index = s->members_index,
				    .conf = s->members.p,
				    .conf_n = s->members.n};
	if (s->sha256.n == sizeof(ret->sha256))
		memcpy(ret->sha256, s->sha256.p, sizeof(ret->sha256));
}

/* Not now, if it fails: the core must not be called from its own callbacks. */
static void
submit_or_fail(struct rd_group *g, struct rd_log_job *job)
{
	struct err e;

	if (rd_log_submit(g->log, job, &e) == 0)
		return;
	rd_log_job_free(job);
	g->fatal = e;
	rd_group_want_work(g);
}

static void
out_write(void *ctx, const struct rd_raft_write *w)
{
	struct rd_group *g = ctx;
	struct rd_log_entry *entries = mem_calloc(w->n_entries, sizeof(*entries));
	struct rd_snapshot snapshot;
	struct rd_write out = {.has_vote = w->has_term,
			       .term = w->term,
			       .voted_for = w->vote,
			       .index = w->n_entries > 0 ? w->first_index : 0,
			       .entries = entries,
			       .n = w->n_entries,
			       .compact_to = w->compact_to};
	struct rd_log_job *job;

	for (size_t i = 0; i < w->n_entries; i++)
		entries[i] = (struct rd_log_entry){.term = w->entries[i].term,
						   .kind = (enum rd_log_kind)w->entries[i].kind,
						   .data = w->entries[i].data.p == NULL ? "" : w->entries[i].data.p,
						   .n = w->entries[i].data.n};
	if (w->snapshot != NULL) {
		rd_group_to_store(w->snapshot, &snapshot);
		out.snapshot = &snapshot;
		out.clears_log = w->clears_log;
	}
	job = rd_log_job_write(&out, on_written, g);
	job->tag = w->ticket;
	free(entries);
	submit_or_fail(g, job);
}

/* The core's view of what the log holds; free() it. Data is borrowed. */
static struct rd_raft_entry *
raft_entries(const struct rd_log_range *r)
{
	struct rd_raft_entry *entries = mem_calloc(r->n, sizeof(*entries));

	for (size_t i = 0; i < r->n; i++)
		entries[i] = (struct rd_raft_entry){
		    .term = r->v[i].term, .kind = r->v[i].kind, .data = {r->v[i].data, r->v[i].n}};
	return entries;
}

static void
on_read(void *ctx, struct rd_log_job *job)
{
	struct rd_group *g = ctx;
	static const struct rd_log_range nothing;
	const struct rd_log_range *r = job->range == NULL ? &nothing : job->range;

	if (rd_group_runs(g)) {
		struct rd_raft_entry *entries = raft_entries(r);
		rd_raft_read_done(g->raft, rd_group_now(g), job->tag, job->index, entries, r->n);
		free(entries);
		rd_group_core_after(g);
	}
	rd_log_job_free(job);
}

static void
out_read(void *ctx, const struct rd_raft_read *q)
{
	struct rd_group *g = ctx;
	struct rd_log_job *job = rd_log_job_new(RD_LOG_JOB_READ, on_read, g);

	job->tag = q->ticket;
	job->index = q->first;
	job->max = (size_t)(q->last - q->first + 1);
	job->max_bytes = q->max_bytes;
	submit_or_fail(g, job);
}

/* --- to the others --------------------------------------------------------------------------------------------- */
static void
out_send(void *ctx, uint64_t to UNUSED, const char *to_name, const struct rd_raft_msg *m)
{
	struct rd_group *g = ctx;
	struct codec_out bytes = {0};
	struct err e;

	if (rd_raft_msg_encode(&bytes, m, &e) != 0) {
		log_error("raft", "own message type=%s: %s", rd_raft_msg_name(m->type), e.msg);
	} else if (rn_net_send(g->net, to_name, RN_CHANNEL_RAFT, bytes.p, bytes.len, &e) != 0) {
		g->undelivered++;
	}
	codec_out_done(&bytes);
}

static void
out_send_snapshot(void *ctx, uint64_t to, const char *to_name, const struct rd_raft_msg *m)
{
	rd_group_snapshot_send(ctx, to, to_name, m);
}

void
rd_group_core_message(struct rd_group *g, const char *peer, const void *p, size_t n)
{
	struct mem_arena arena = {0};
	struct rd_raft_msg m;
	struct err e;

	if (rd_raft_msg_decode(p, n, &arena, &m, &e) != 0)
		log_warning("raft", "message of peer=%s dropped: %s", LOG_Q(peer), e.msg);
	else if (m.type == RD_MSG_APPEND && m.entries.n > 0 && rd_log_is_full(g->log))
		g->undelivered++;	    /* the disk is behind; the leader sends it again */
	else if (m.type != RD_MSG_SNAPSHOT) /* those come with their bytes */
		rd_raft_received(g->raft, rd_group_now(g), peer, &m);
	mem_arena_done(&arena);
	rd_group_core_after(g);
}

/* --- to memory ------------------------------------------------------------------------------------------------- */
static void
out_apply(void *ctx, uint64_t index, const struct rd_raft_entry *entry)
{
	struct rd_group *g = ctx;
	struct rd_entry_at at = {.index = index, .term = entry->term};
	struct err e;

	if (g->fatal.code != 0)
		return;
	if (entry->kind != RD_KIND_COMMAND) {
		rd_proposer_barrier(g->node->decide, at);
		return;
	}
	if (rd_proposer_entry(g->node->decide, at, entry->data.p, entry->data.n, &e) == 0)
		return;
	(void)err_wrap(&e, "raft entry %llu cannot be applied, this node stops voting%s", (unsigned long long)index,
		       e.code == ERR_UNSUPPORTED ? " (upgrade it)" : "");
	g->fatal = e;
	rd_group_want_work(g);
}

static void
out_install_snapshot(void *ctx, const struct rd_raft_snapshot *s)
{
	rd_group_snapshot_install(ctx, s);
}

static void
out_drop_snapshot(void *ctx, const struct rd_raft_snapshot *s)
{
	rd_group_snapshot_drop(ctx, s);
}

static void
out_changed(void *ctx, unsigned what)
{
	struct rd_group *g = ctx;

	g->changed |= what;
}

/* --- the lease ------------------------------------------------------------------------------------------------- */
bool
rd_group_leads(struct rd_group *g)
{
	uint64_t term;
	struct mono end;

	return rd_group_lease(g, &term, &end);
}

bool
rd_group_lease(struct rd_group *g, uint64_t *ret_term, struct mono *ret_end)
{
	struct mono now = rd_group_now(g);

	return rd_group_runs(g) && rd_raft_lease(g->raft, now, ret_term, ret_end) && mono_before(now, *ret_end);
}

/* At each change, and when it moved on by a tenth of an election timeout: apid needs no more. */
static void
publish_lease(struct rd_group *g)
{
	struct mono now = rd_group_now(g), end, quorum;
	int64_t step_us = (int64_t)g->election_ms * 100;
	uint64_t term, seq;
	bool leads;

	if (!rd_group_runs(g))
		return;
	leads = rd_raft_lease(g->raft, now, &term, &end);
	if (!leads)
		end = (struct mono){0};
	quorum.us = max_i64(0, rd_raft_quorum_until(g->raft, now).us);
	g->had_quorum = g->had_quorum || mono_before(now, quorum);
	if (leads == g->lease_told && term == g->lease_term && end.us - g->lease_end.us < step_us &&
	    quorum.us - g->quorum_until.us < step_us)
		return;
	if (leads && (!g->lease_told || term != g->lease_term))
		rd_house_wake(g->node); /* what a leader does periodically is due: orphaned recoveries, dead servers */
	seq = rd_publish_lease(g->node, leads, term, end, quorum);
	if (g->lease_told && !leads)
		g->withdrawn = seq;
	if (!leads && g->node->apid_door.link == NULL) /* stopped, or gone: nobody answers leader-check */
		rd_raft_lease_withdrawn(g->raft, now);
	g->lease_told = leads;
	g->lease_term = term;
	g->lease_end = end;
	g->quorum_until = quorum;
}

/* Only an answer to the newest withdrawal counts: one to an earlier term's may come late. */
void
rd_group_lease_seen(struct rd_group *g, uint64_t seq)
{
	if (!rd_group_runs(g) || g->lease_told || seq < g->withdrawn)
		return;
	rd_raft_lease_withdrawn(g->raft, rd_group_now(g));
	rd_group_core_after(g);
}

/* --- what changed ---------------------------------------------------------------------------------------------- */
static void
say_leadership(struct rd_group *g, const struct rd_raft_status *s)
{
	bool leading = s->state == RD_RAFT_LEADER;

	if (leading && !g->leading)
		log_notice("raft", "this node leads, term=%llu", (unsigned long long)s->term);
	else if (!leading && g->leading)
		log_notice("raft", "this node leads no longer, term=%llu", (unsigned long long)s->term);
	else if (!leading && s->leader_id != 0)
		log_info("raft", "leader=%s term=%llu", LOG_Q(s->leader_name), (unsigned long long)s->term);
	if (!leading && g->leading)
		rd_proposer_lost_leadership(g->node->decide);
	g->leading = leading;
	if (!leading)
		g->import_asked = (struct mono){0};
	rd_group_go_on_stopping(g);
}

static void
look_at_changes(struct rd_group *g)
{
	unsigned what = g->changed;
	struct rd_raft_status s;

	g->changed = 0;
	if (what == 0)
		return;
	rd_raft_status(g->raft, &s);
	if (what & (RD_CHANGED_STATE | RD_CHANGED_TERM | RD_CHANGED_LEADER))
		say_leadership(g, &s);
	if (what & (RD_CHANGED_MEMBERS | RD_CHANGED_LEADER))
		rd_group_set_peers(g);
	if (what & (RD_CHANGED_STATE | RD_CHANGED_TERM | RD_CHANGED_MEMBERS | RD_CHANGED_OPEN))
		rd_group_say_hello(g);
	if (what & (RD_CHANGED_STATE | RD_CHANGED_MEMBERS))
		rd_group_leaving_work(g);
	if (what & RD_CHANGED_FAILED && g->phase != RD_PHASE_FAILED && !g->renewing) {
		struct err e;
		(void)err_set(&e, ERR_IO, "%s", rd_raft_failure(g->raft));
		rd_group_fail(g, PROC_EXIT_BACKEND, &e);
	}
	if (what & ~(unsigned)RD_CHANGED_COMMIT)
		rd_publish_state(g->node);
	if (what & (RD_CHANGED_OPEN | RD_CHANGED_MEMBERS | RD_CHANGED_REGRESSED))
		rd_group_lead(g);
}

static void
arm(struct rd_group *g)
{
	int64_t us = max_i64(0, mono_diff_us(rd_raft_deadline(g->raft), rd_group_now(g)));
	struct timeval tv = clk_timeval(us);

	(void)event_add(g->timer, &tv);
}

void
rd_group_core_after(struct rd_group *g)
{
	if (!rd_group_runs(g))
		return;
	publish_lease(g);
	arm(g);
	if (g->changed != 0 || rd_raft_apply_ready(g->raft))
		rd_group_want_work(g);
}

void
rd_group_want_work(struct rd_group *g)
{
	rd_turn_next(g->work);
}

static bool
can_apply(struct rd_group *g)
{
	return rd_raft_apply_ready(g->raft) && !rd_proposer_is_paused(g->node->decide);
}

static void
on_work(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct rd_group *g = arg;

	if (!rd_group_runs(g))
		return;
	if (g->fatal.code != 0) {
		rd_group_fail(g, g->fatal.code == ERR_UNSUPPORTED ? PROC_EXIT_VERSION : PROC_EXIT_BACKEND, &g->fatal);
		return;
	}
	if (can_apply(g)) {
		rd_raft_apply(g->raft, rd_group_now(g), APPLY_BYTES);
		rd_group_say_hash(g);
	}
	look_at_changes(g);
	if (g->phase == RD_PHASE_FAILED)
		return;
	rd_group_effects_work(g);
	rd_group_import_turn(g);
	rd_proposer_work(g->node->decide);
	rd_group_snapshot_work(g);
	publish_lease(g);
	arm(g);
	if (g->changed != 0 || can_apply(g))
		rd_group_want_work(g);
}

static void
on_timer(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct rd_group *g = arg;

	if (g->phase == RD_PHASE_FOUNDING) {
		rd_group_found(g);
		return;
	}
	if (!rd_group_runs(g))
		return;
	rd_raft_tick(g->raft, rd_group_now(g));
	rd_group_core_after(g);
}

/* --- the proposer's door --------------------------------------------------------------------------------------- */
static int
submit(void *ctx, const void *bytes, size_t n, struct rd_entry_at *ret_at, struct err *e)
{
	struct rd_group *g = ctx;
	struct rec_bin command = {bytes, n};
	int rc;

	if (!rd_group_runs(g))
		return err_set(e, ERR_NOT_LEADER, "this node is no member yet: %s", g->why);
	if (rd_log_is_full(g->log))
		return err_set(e, ERR_LIMIT, "the disk of RaftDataDir is behind, try again later");
	rc = rd_raft_submit(g->raft, rd_group_now(g), &command, 1, &ret_at->index, &ret_at->term, e);
	rd_group_core_after(g);
	return rc;
}

static void
want_work(void *ctx)
{
	rd_group_want_work(ctx);
}

/* --- life ------------------------------------------------------------------------------------------------------ */
int
rd_group_core_init(struct rd_group *g, struct err *e)
{
	g->timer = event_new(g->node->base, -1, 0, on_timer, g);
	g->work = event_new(g->node->base, -1, 0, on_work, g);
	if (g->timer == NULL || g->work == NULL)
		return err_set(e, ERR_UNAVAILABLE, "libevent refuses a timer");
	return 0;
}

void
rd_group_core_done(struct rd_group *g)
{
	rd_raft_free(g->raft);
	if (g->timer != NULL)
		event_free(g->timer);
	if (g->work != NULL)
		event_free(g->work);
}

static unsigned
seed(void)
{
	char hex[2 * VOTE_SEED_BYTES + 1];

	str_random_hex(hex, VOTE_SEED_BYTES);
	return (unsigned)strtoul(hex, NULL, 16);
}

static struct rd_raft *
new_raft(struct rd_group *g)
{
	struct rd_raft_conf conf = {.id = g->identity.raft_id,
				    .name = g->name,
				    .election_ms = g->election_ms,
				    .heartbeat_ms = g->heartbeat_ms,
				    .seed = seed(),
				    .trailing = RD_SNAPSHOT_TRAILING};
	struct rd_raft_out out = {.ctx = g,
				  .write = out_write,
				  .send = out_send,
				  .send_snapshot = out_send_snapshot,
				  .read = out_read,
				  .apply = out_apply,
				  .install_snapshot = out_install_snapshot,
				  .drop_snapshot = out_drop_snapshot,
				  .changed = out_changed};

	return rd_raft_new(&conf, &out);
}

static int
start_raft(struct rd_group *g, uint64_t applied, struct err *e)
{
	const struct rd_stored *s = g->stored;
	const struct rd_snapshot *snap = &s->snapshot;
	struct rd_raft_entry *entries = raft_entries(s->log);
	struct rd_raft_snapshot snapshot = {.index = snap->index,
					    .term = snap->term,
					    .members_index = snap->conf_index,
					    .members = {snap->conf, snap->conf_n},
					    .size = snap->size,
					    .sha256 = {snap->sha256, sizeof(snap->sha256)}};
	struct rd_raft_start start = {.term = s->term,
				      .vote = s->voted_for,
				      .snapshot = snap->index > 0 ? &snapshot : NULL,
				      .first_index = s->log->index,
				      .entries = entries,
				      .n_entries = s->log->n,
				      .applied = applied,
				      .born = g->born};
	int rc = rd_raft_start(g->raft, rd_group_now(g), &start, e);

	free(entries);
	return rc;
}

void
rd_group_core_start(struct rd_group *g, struct rd_state *state, bool view_fits)
{
	struct rd_raft_door door = {.ctx = g,
				    .submit = submit,
				    .want_work = want_work,
				    .on_resumed = want_work,
				    .election_timeout_us = (int64_t)g->election_ms * 1000};
	uint64_t applied = rd_state_index(state);
	struct err e;

	g->known_at_start = rd_stored_last(g->stored);
	rd_node_become_active(g->node, &door, state, view_fits);
	rd_group_import_hold(g);
	g->raft = new_raft(g);
	if (start_raft(g, applied, &e) != 0) {
		rd_group_fail(g, PROC_EXIT_BACKEND, &e);
		return;
	}
	rd_stored_free(g->stored);
	g->stored = NULL;
	rd_group_set_phase(g, RD_PHASE_MEMBER, "");
	g->changed = RD_CHANGED_STATE | RD_CHANGED_MEMBERS;
	rd_group_core_after(g);
	rd_group_want_work(g);
}
