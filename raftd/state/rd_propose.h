/* rd_propose.h — the way every decision takes: propose, decide, apply, make visible, answer (design.md section 3).
 *
 * rd_propose is asynchronous. A negative return refuses at once: nothing happened, cb is not called, and the error says
 * why. Otherwise cb is called exactly once, later, from the loop:
 *   COMMITTED    decided and visible in the backend: an answer may be given
 *   NOT_LEADER   without effect: never appended, or rolled back; a retry is safe. e says why (ERR_NOT_LEADER,
 * ERR_DB_FULL) UNKNOWN      a retry with the same uid is safe: commands are idempotent by uid
 *
 * This file is the mode without raft: the database is the truth. A command is encoded, its bytes decoded and applied to
 * memory, and its row changes committed durably by the view writer together with index and uid. When the commit fails,
 * memory is read again from the database, and only then the outcome is told; meanwhile proposals wait (bounded). */
#ifndef RD_PROPOSE_H
#define RD_PROPOSE_H

#include "base/clock.h"
#include "rd_apply.h"
#include "rd_view.h"

struct rd_proposer;

enum rd_outcome { RD_COMMITTED, RD_NOT_LEADER, RD_UNKNOWN };

struct rd_proposed {
	enum rd_outcome outcome;
	uint64_t index;			  /* COMMITTED */
	const struct topo_key_list *keys; /* COMMITTED: servers concerned; empty for a repeated uid */
	const struct err *e;		  /* otherwise */
};
typedef void (*rd_proposed_fn)(void *ctx, const struct rd_proposed *p);

struct rd_proposer_conf {
	struct rd_view *view;
	struct clock *clock;
	const char *originator; /* this node's name; borrowed */
	void *ctx;
	/* Applied to memory: follow the inventory now. */
	void (*on_applied)(void *ctx, const struct rd_applied *a);
	/* Committed: write audit entries, tell watchers. */
	void (*on_committed)(void *ctx, const struct rd_applied *a);
	/* The state was read again from the backend: whatever follows it must be reconciled. */
	void (*on_reloaded)(void *ctx);
	/* A write or read of the backend ended so (also by success), for health and logs. */
	void (*on_backend)(void *ctx, int rc, const struct err *e);
};

#define RD_HELD_MAX 1024 /* proposals waiting for a reload */

struct rd_proposer *rd_proposer_new(const struct rd_proposer_conf *conf, struct rd_state *state /* taken */);
void rd_proposer_free(struct rd_proposer *p); /* callbacks that are due are not called; NULL is fine */
const struct rd_state *rd_proposer_state(const struct rd_proposer *p);

/* uid: NULL = a fresh one. Refuses: ERR_INVALID, ERR_TOO_LARGE, ERR_LIMIT. cb may be NULL. */
int rd_propose(struct rd_proposer *p, enum rd_op op, const void *payload, const char *uid, rd_proposed_fn cb, void *ctx,
	       struct err *e) MUST_USE;
/* Memory is read again, after what is under way (somebody else changed the database). */
void rd_proposer_reload(struct rd_proposer *p);
/* Once a second: repeats a reload that failed. */
void rd_proposer_tick(struct rd_proposer *p);

struct rd_proposer_stats {
	uint64_t committed, failed, unknown, refused, reloads;
	size_t pending, held;
};
struct rd_proposer_stats rd_proposer_stats(const struct rd_proposer *p);

/* Typed: rd_propose_begin_downtime(p, &(struct rd_cmd_begin_downtime){…}, cb, ctx, e) */
#define F(...)
#define RD_OP(NAME, name, wire, since, ...)                                                                       \
	static inline int MUST_USE UNUSED rd_propose_##name(struct rd_proposer *p, const struct rd_cmd_##name *c, \
							    rd_proposed_fn cb, void *ctx, struct err *e)          \
	{                                                                                                         \
		return rd_propose(p, RD_OP_##NAME, c, NULL, cb, ctx, e);                                          \
	}
#include "rd_command.def"
#undef RD_OP
#undef F

#endif
