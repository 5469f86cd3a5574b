/* rd_propose.h — the way every decision takes: propose, decide, apply, make visible, answer (design.md section 3).
 *
 * rd_propose is asynchronous. A negative return refuses at once: nothing happened, cb is not called, and the error says
 * why. Otherwise cb is called exactly once, later, from the loop, with an outcome:
 *   COMMITTED    decided and visible in the backend: an answer may be given
 *   REFUSED      decided, and without effect for what it is; e says why (ERR_EXISTS: in maintenance already)
 *   NOT_LEADER   without effect: never appended, or rolled back; a retry is safe. e: ERR_NOT_LEADER, ERR_DB_FULL, …
 *   UNKNOWN      a retry with the same uid is safe: commands are idempotent by uid
 *
 * Two deciders stand behind it. Without raft (rd_proposer_new) the database is the truth: a command is encoded, its
 * bytes decoded and applied to memory, and its row changes committed durably by the view writer together with index and
 * uid. When the commit fails, memory is read again from the database, and only then the outcome is told; meanwhile
 * proposals wait (bounded). With raft: rd_propose_raft.h.
 *
 * Lists longer than a command may hold are split where the op allows it (RD_FIELD_SPLIT); the callback is then called
 * once, when all parts are decided: COMMITTED with the index of the last and the servers of all, else the outcome of
 * the first that failed, which is UNKNOWN if others took effect. */
#ifndef RD_PROPOSE_H
#define RD_PROPOSE_H

#include "base/clock.h"
#include "rd_apply.h"
#include "rd_view.h"

struct rd_proposer;

enum rd_outcome { RD_COMMITTED, RD_NOT_LEADER, RD_UNKNOWN, RD_REFUSED };

struct rd_proposed {
	enum rd_outcome outcome;
	uint64_t index;			  /* COMMITTED, REFUSED */
	int64_t id;			  /* COMMITTED: given to what was made (maintenance); 0 = none */
	const struct topo_key_list *keys; /* COMMITTED: servers concerned; empty for a repeated uid */
	const struct err *e;		  /* otherwise */
};
typedef void (*rd_proposed_fn)(void *ctx, const struct rd_proposed *p);

struct rd_proposer_conf {
	struct rd_view *view;
	struct clock *clock;
	const char *originator; /* this node's name; borrowed */
	/* Without raft: a command with --ignore-raft-setup; what it changes lasts until the group writes the backend anew. */
	bool beside_raft;
	void *ctx;
	/* Applied to memory: follow the inventory now. With raft: every node's, and again after a restart. */
	void (*on_applied)(void *ctx, const struct rd_applied *a);
	/* Committed: write audit entries, tell watchers. */
	void (*on_committed)(void *ctx, const struct rd_applied *a);
	/* The state was read again from the backend, or came as a snapshot: whatever follows it must be reconciled. */
	void (*on_reloaded)(void *ctx);
	/* A job on the backend ended (also by success), for health and logs. */
	void (*on_backend)(void *ctx, const struct rd_job *job);
};

#define RD_HELD_MAX 1024 /* proposals waiting for a reload */

struct rd_proposer *rd_proposer_new(const struct rd_proposer_conf *conf, struct rd_state *state /* taken */);
void rd_proposer_free(struct rd_proposer *p); /* callbacks that are due are not called; NULL is fine */
const struct rd_state *rd_proposer_state(const struct rd_proposer *p);

/* uid: NULL = a fresh one. Refuses: ERR_INVALID, ERR_TOO_LARGE, ERR_LIMIT, ERR_UNSUPPORTED (above the group's feature
 * level), ERR_NOT_LEADER, ERR_UNAVAILABLE. cb may be NULL. For operators: the answer waits for the local view. */
int rd_propose(struct rd_proposer *p, enum rd_op op, const void *payload, const char *uid, rd_proposed_fn cb, void *ctx,
	       struct err *e) MUST_USE;
/* For internal commands, which go on when the command is applied to memory. (Without raft: the same as rd_propose.) */
int rd_propose_at_apply(struct rd_proposer *p, enum rd_op op, const void *payload, const char *uid, rd_proposed_fn cb,
			void *ctx, struct err *e) MUST_USE;
/* Somebody else changed the database. Without raft memory is read again, after what is under way; with raft the view is
 * rebuilt from memory. */
void rd_proposer_reload(struct rd_proposer *p);
/* Once a second, or more often: repeats what failed, ends what waited too long. */
void rd_proposer_tick(struct rd_proposer *p);

struct rd_proposer_stats {
	uint64_t committed, failed, unknown, refused, reloads;
	size_t pending, held;
	uint64_t rebuilds, view_overflows; /* raft */
};
struct rd_proposer_stats rd_proposer_stats(const struct rd_proposer *p);

/* Typed, for internal commands: rd_propose_tick(p, &(struct rd_cmd_tick){…}, cb, ctx, e) */
#define F(...)
#define RD_OP(NAME, name, wire, since, ...)                                                                       \
	static inline int MUST_USE UNUSED rd_propose_##name(struct rd_proposer *p, const struct rd_cmd_##name *c, \
							    rd_proposed_fn cb, void *ctx, struct err *e)          \
	{                                                                                                         \
		return rd_propose_at_apply(p, RD_OP_##NAME, c, NULL, cb, ctx, e);                                 \
	}
#include "rd_command.def"
#undef RD_OP
#undef F

#endif
