/* rd_propose_raft.h — decisions with raft: the log is the truth, memory is what was applied, the backend is a view.
 *
 * The node's shell stands between this and consensus: it gives one function to append bytes (struct rd_raft_door) and calls
 * what happened, in the order of the log, on every node, leader or not. Nothing here knows raft's messages, so it is
 * tested without consensus. All calls come from the loop; no callback is called from inside rd_propose.
 *
 * Apply never waits for the backend. Each entry is one job for the view writer; when that queue is full, or a write
 * fails, no more are queued, the view stays behind (correct, at an older index), and is rebuilt from memory as soon as
 * the backend takes writes again (at once after an overflow, after a failure with pauses up to RD_REBUILD_PAUSE_MAX_US).
 * The rebuild marks the view incomplete in its first transaction and complete, with its index, in its last.
 *
 * When is a proposal answered?
 *   applied at its index and term, or its uid was applied     COMMITTED or REFUSED; operators: once the view holds it,
 *                                                             or after RD_VIEW_WAIT_US (rd_proposed.e says so then)
 *   another entry was applied at its index, or one of a       NOT_LEADER: it will never be applied
 *   later term
 *   its fate is unknown two election timeouts after           UNKNOWN
 *   leadership was lost, or RD_FATE_US after the proposal,
 *   or a snapshot jumped over it */
#ifndef RD_PROPOSE_RAFT_H
#define RD_PROPOSE_RAFT_H

#include "rd_propose.h"

#define RD_PENDING_MAX 1024 /* proposals whose fate is open, and answers that wait for the view; then ERR_LIMIT */
#define RD_WAITS_MAX 4096   /* rd_proposer_wait_index */
#define RD_FATE_US (10 * CLK_S)
#define RD_VIEW_WAIT_US (5 * CLK_S)
#define RD_VIEW_ROWS_MAX 65536 /* row changes waiting for the view writer, then the view falls behind */
#define RD_REBUILD_PAUSE_MIN_US CLK_S
#define RD_REBUILD_PAUSE_MAX_US (4 * CLK_S) /* until it is made the node counts as failing: well below the bail-out */

struct rd_raft_door {
	void *ctx;
	/* Appends to the log: 0 and where it will stand, or ERR_NOT_LEADER, ERR_LIMIT, ERR_UNAVAILABLE: not appended. */
	int (*submit)(void *ctx, const void *bytes, size_t n, struct rd_entry_at *ret_at, struct err *e);
	/* Asks for rd_proposer_work in the next turn of the loop. May be called at any time, also repeatedly. */
	void (*want_work)(void *ctx);
	/* rd_proposer_is_paused became false: entries may be given again. */
	void (*on_resumed)(void *ctx);
	int64_t election_timeout_us;
};

/* state (taken) is what memory holds now: read from a fitting view (rd_loaded_unfit), from a snapshot, or empty.
 * view_fits false: the view is rebuilt from it first. */
struct rd_proposer *rd_proposer_new_raft(const struct rd_proposer_conf *conf, const struct rd_raft_door *raft,
					 struct rd_state *state, bool view_fits);

/* --- what the log says, in its order --------------------------------------------------------------------------- */
/* A committed command. Not while paused. An error means that this node may not go on applying or voting: nothing was
 * applied. ERR_UNSUPPORTED: the entry is of a newer build, upgrade; others: damaged bytes. */
int rd_proposer_entry(struct rd_proposer *p, struct rd_entry_at at, const void *bytes, size_t n,
		      struct err *e) MUST_USE;
/* A committed entry that is no command: barrier, change of membership. */
void rd_proposer_barrier(struct rd_proposer *p, struct rd_entry_at at);
/* A snapshot replaces the state (taken). Not while the caller has paused apply: whatever reads the old state must have
 * ended (rd_proposer_resume) before it goes. */
void rd_proposer_install(struct rd_proposer *p, struct rd_state *state);
/* This node leads no longer: what it has proposed ends within two election timeouts. */
void rd_proposer_lost_leadership(struct rd_proposer *p);

/* --- pausing apply --------------------------------------------------------------------------------------------- */
/* While somebody reads the state in slices (a snapshot's dump). Nests with the pauses for rebuilding the view. */
void rd_proposer_pause(struct rd_proposer *p);
void rd_proposer_resume(struct rd_proposer *p);
bool rd_proposer_is_paused(const struct rd_proposer *p);
/* A slice of work: answers that are due, the dump for a rebuild. Asked for by want_work. */
void rd_proposer_work(struct rd_proposer *p);

/* --- the view -------------------------------------------------------------------------------------------------- */
/* done(ctx, 0 | ERR_TIMEOUT) once the backend holds everything up to index: a follower that relayed a change waits so
 * before it answers. Called exactly once, later; ERR_LIMIT refuses at once. */
typedef void (*rd_waited_fn)(void *ctx, int rc);
int rd_proposer_wait_index(struct rd_proposer *p, uint64_t index, struct mono deadline, rd_waited_fn done, void *ctx,
			   struct err *e) MUST_USE;
uint64_t
rd_proposer_view_index(const struct rd_proposer *p);	   /* what the view holds; behind the state when it is slow */
bool rd_proposer_view_behind(const struct rd_proposer *p); /* it is being, or waits to be, rebuilt */
/* The backend, which does not fit (view_fits false), holds decisions of this node's life without raft: it goes on showing
 * them until the state knows the group's id, and is then copied to this file (unless that exists) before the rebuild. A
 * crash before leaves it as it is. To be called before the loop goes on after rd_proposer_new_raft. */
void rd_proposer_keep_former(struct rd_proposer *p, const char *copy_to);

#endif
