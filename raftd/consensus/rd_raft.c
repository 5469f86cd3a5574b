/* rd_raft.c — a member's life and what it tells about itself. Owns struct rd_raft. Called by raftd's loop and by the
 * simulation; knows no clock. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "rd_raft_private.h"

#define CACHE_BYTES ((size_t)16 << 20)
#define BATCH_BYTES ((size_t)1 << 20)
#define UNWRITTEN_BYTES ((size_t)64 << 20)
#define TRAILING 50000

/* --- frame of every public function --------------------------------------------------------------------------------
 */
void
rd_raft_enter(struct rd_raft *r, struct mono now)
{
	ASSERT(!r->busy);
	r->busy = true;
	if (mono_before(r->now, now))
		r->now = now;
}

static void
note(struct rd_raft *r, bool differs, unsigned what)
{
	if (differs)
		r->changed |= what;
}

static void
notice_changes(struct rd_raft *r)
{
	uint64_t leader = rd_raft_leader_id(r);
	uint64_t commit = raft_commit_index(&r->raft);

	note(r, r->seen_state != r->raft.state, RD_CHANGED_STATE);
	note(r, r->seen_term != r->raft.current_term, RD_CHANGED_TERM);
	note(r, r->seen_leader != leader, RD_CHANGED_LEADER);
	note(r, r->seen_commit != commit, RD_CHANGED_COMMIT);
	r->seen_state = r->raft.state;
	r->seen_term = r->raft.current_term;
	r->seen_leader = leader;
	r->seen_commit = commit;
}

void
rd_raft_leave(struct rd_raft *r)
{
	unsigned what;

	if (rd_raft_alive(r)) {
		rd_feed_notice(r);
		rd_raft_cache_evict(&r->cache, r->conf.cache_bytes, r->raft.last_stored);
		notice_changes(r);
	}
	what = r->changed;
	r->changed = 0;
	if (what != 0)
		r->out.changed(r->out.ctx, what);
	r->busy = false;
}

void
rd_raft_fail(struct rd_raft *r, const char *fmt, ...)
{
	va_list ap;

	if (r->failure[0] != '\0')
		return;
	va_start(ap, fmt);
	(void)vsnprintf(r->failure, sizeof r->failure, fmt, ap);
	va_end(ap);
	if (r->leading != 0)
		rd_lead_lost(r, r->leading);
	rd_raft_held_done(r);
	r->changed |= RD_CHANGED_FAILED | RD_CHANGED_STATE;
}

bool
rd_raft_alive(const struct rd_raft *r)
{
	return r->started && r->failure[0] == '\0';
}

void
rd_raft_write_failed(struct rd_raft *r, const char *why)
{
	rd_raft_enter(r, r->now);
	rd_raft_fail(r, "%s", why);
	rd_raft_leave(r);
}

/* --- birth and death -----------------------------------------------------------------------------------------------
 */
/* libraft's error paths for exhausted memory are untested; with mem_alloc there are none. */
static void *
heap_malloc(void *ctx, size_t n)
{
	(void)ctx;
	return mem_alloc(n);
}

static void
heap_free(void *ctx, void *p)
{
	(void)ctx;
	free(p);
}

static void *
heap_calloc(void *ctx, size_t count, size_t size)
{
	(void)ctx;
	return mem_calloc(count, size);
}

static void *
heap_realloc(void *ctx, void *p, size_t n)
{
	(void)ctx;
	return mem_realloc(p, n);
}

static void
no_trace(struct raft_tracer *t, int type, const void *info)
{
	(void)t;
	(void)type;
	(void)info;
}

static void
default_size(size_t *v, size_t standard)
{
	if (*v == 0)
		*v = standard;
}

struct rd_raft *
rd_raft_new(const struct rd_raft_conf *conf, const struct rd_raft_out *out)
{
	static struct raft_heap heap = {
	    .malloc = heap_malloc, .free = heap_free, .calloc = heap_calloc, .realloc = heap_realloc};
	static struct raft_tracer tracer = {.version = 2, .emit = no_trace};
	struct rd_raft *r = mem_new(struct rd_raft);

	ASSERT(conf->id != 0 && conf->election_ms > 0 && conf->heartbeat_ms > 0);
	raft_heap_set(&heap);
	r->conf = *conf;
	r->conf.name = r->name;
	str_copy(r->name, sizeof r->name, conf->name);
	default_size(&r->conf.cache_bytes, CACHE_BYTES);
	default_size(&r->conf.batch_bytes, BATCH_BYTES);
	default_size(&r->conf.unwritten_bytes, UNWRITTEN_BYTES);
	if (r->conf.trailing == 0)
		r->conf.trailing = TRAILING;
	r->out = *out;
	r->now = r->last_contact = r->fresh_until = r->lease.end = r->abstain_until = r->not_before = r->notice_at =
	    RD_NEVER;
	r->log_first = 1;
	ASSERT(raft_init(&r->raft, NULL, NULL, conf->id, conf->name) == 0);
	r->raft.tracer = &tracer;
	raft_seed(&r->raft, conf->seed);
	raft_set_election_timeout(&r->raft, conf->election_ms);
	raft_set_heartbeat_timeout(&r->raft, conf->heartbeat_ms);
	raft_set_install_snapshot_timeout(&r->raft, 24 * 3600 * 1000); /* RD_INSTALL_GRACE_US and the shell decide */
	raft_set_pre_vote(&r->raft, true);
	raft_set_max_inflight_entries(&r->raft, RD_INFLIGHT_ENTRIES);
	return r;
}

void
rd_raft_free(struct rd_raft *r)
{
	if (r == NULL)
		return;
	ASSERT(!r->busy);
	if (r->installing)
		raft_configuration_close(&r->install_meta.configuration);
	raft_close(&r->raft, NULL);
	rd_raft_held_done(r);
	free(r->held);
	free(r->waits);
	rd_raft_cache_clear(&r->cache);
	rd_raft_cache_clear(&r->replay);
	rec_done(&rd_raft_snapshot_desc, &r->snapshot);
	rec_done(&rd_raft_snapshot_desc, &r->install);
	free(r);
}

/* --- status --------------------------------------------------------------------------------------------------------
 */
uint64_t
rd_raft_leader_id(const struct rd_raft *r)
{
	if (!rd_raft_alive(r))
		return 0;
	if (r->raft.state == RAFT_LEADER)
		return r->conf.id;
	/* libraft keeps a leader of a former term in mind */
	if (r->raft.state != RAFT_FOLLOWER || r->echo.term != r->raft.current_term)
		return 0;
	return r->raft.follower_state.current_leader.id;
}

struct rd_peer *
rd_raft_peer(struct rd_raft *r, uint64_t id)
{
	for (size_t i = 0; i < r->n_peers; i++)
		if (r->peers[i].id == id)
			return &r->peers[i];
	return NULL;
}

bool
rd_raft_live(const struct rd_raft *r, const struct rd_peer *p)
{
	return p->heard.us != RD_NEVER.us && mono_diff_us(r->now, p->heard) < rd_raft_election_us(r);
}

const char *
rd_raft_state_name(enum rd_raft_state s)
{
	static const char *const names[] = {[RD_RAFT_FOLLOWER] = "Follower",
					    [RD_RAFT_CANDIDATE] = "Candidate",
					    [RD_RAFT_LEADER] = "Leader",
					    [RD_RAFT_SHUTDOWN] = "Shutdown"};

	return names[s];
}

static enum rd_raft_state
state_of(const struct rd_raft *r)
{
	if (!rd_raft_alive(r))
		return RD_RAFT_SHUTDOWN;
	if (r->raft.state == RAFT_LEADER)
		return RD_RAFT_LEADER;
	return r->raft.state == RAFT_CANDIDATE ? RD_RAFT_CANDIDATE : RD_RAFT_FOLLOWER;
}

static void
leader_name(const struct rd_raft *r, uint64_t id, char *ret, size_t size)
{
	const struct rd_member *m = rd_members_by_id(&r->members, id);

	if (id == 0)
		ret[0] = '\0';
	else if (m != NULL || id == r->conf.id)
		str_copy(ret, size, m != NULL ? m->name : r->name);
	else
		str_copy(ret, size, r->raft.follower_state.current_leader.address);
}

void
rd_raft_status(const struct rd_raft *r, struct rd_raft_status *ret)
{
	*ret = (struct rd_raft_status){
	    .state = state_of(r),
	    .open = rd_raft_alive(r) && r->open,
	    .id = r->conf.id,
	    .term = r->raft.current_term,
	    .vote = r->raft.voted_for,
	    .leader_id = rd_raft_leader_id(r),
	    .commit = (uint64_t)max_i64((int64_t)r->raft.commit_index, (int64_t)r->applied),
	    .applied = r->applied,
	    .durable = r->raft.last_stored,
	    .last_index = r->last_index,
	    .snapshot_index = r->snapshot.index,
	    .members_index = r->uncommitted_index != 0 ? r->uncommitted_index : r->committed_index,
	    .members_pending = r->uncommitted_index != 0,
	    .transfer_to = r->handover_to,
	    .regressed = r->regressed,
	    .last_contact = r->last_contact,
	    .unwritten_bytes = r->unwritten_bytes,
	    .cache_bytes = r->cache.bytes,
	    .counters = r->counters,
	};
	leader_name(r, ret->leader_id, ret->leader_name, sizeof ret->leader_name);
}

const struct rd_members *
rd_raft_members(const struct rd_raft *r)
{
	return &r->members;
}

bool
rd_raft_peer_status(const struct rd_raft *r, uint64_t id, struct rd_raft_peer_status *ret)
{
	raft_index match = 0;

	if (!rd_raft_alive(r) || raft_match_index(&r->raft, id, &match) != 0)
		return false;
	*ret = (struct rd_raft_peer_status){.match = match, .last_contact = RD_NEVER};
	if (id == r->conf.id) {
		ret->last_contact = r->now;
		ret->live = true;
	}
	for (size_t i = 0; i < r->n_peers; i++)
		if (r->peers[i].id == id) {
			ret->last_contact = r->peers[i].heard;
			ret->live = rd_raft_live(r, &r->peers[i]);
			ret->snapshot_on_the_way = r->peers[i].snapshot != 0;
		}
	return true;
}

const char *
rd_raft_failure(const struct rd_raft *r)
{
	return r->failure[0] == '\0' ? NULL : r->failure;
}
