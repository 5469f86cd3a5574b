/* rd_recover.h — carries one recovery out at the leader: hooks, fences, readings, the choice, plans, their steps.
 *
 * No process, socket or thread in it: what it needs comes through struct rd_recover_ops, what happens is told by the calls
 * below, times come from a struct clock, so that unit tests and the simulation run the same code. The rules are elsewhere:
 * rd_fsm.h (states; the record is replicated, and this acts on committed transitions only), rd_choose.h, rd_plan.h.
 *
 * Promises (design.md, sections 7 and 12):
 *   a step is sent only under the lease, with not_after at most the lease's end, and in the state that is on a majority;
 *   numbers only rise within (uid, term); one step per server at a time; nothing is repeated unless it is certain that it had
 *   no effect; an unknown outcome is resolved by ending whoever holds that server's lock, once not_after has passed, and
 *   reading it;
 *   a candidate that may be writable is fenced before another one is chosen (rd_recovery.suspects), and the failed server is
 *   fenced from the promotion on, every RD_RECOVER_FENCE_US for RD_RECOVER_FENCE_LONG_US, then every poll, until it succeeds;
 *   not while a later recovery has chosen that very server, nor once it has promoted it.
 * A server whose lock could not be taken counts as not read: it is no candidate and no donor, and is named as lost.
 *
 * When the failed server is back and fenced, and the recovery is over, it is compared with its successor (rd_return.h); it rejoins,
 * by a further event of this record, if it has nothing of its own and RejoinFailedMaster was on.
 *
 * Not here: whether a recovery may begin (rd_recover_begin.h). */
#ifndef RD_RECOVER_H
#define RD_RECOVER_H

#include "base/clock.h"
#include "hooks/rd_hook_values.h"
#include "ipc/ipc.h"
#include "recovery/rd_fsm.h"
#include "recovery/rd_return.h"

#define RD_RECOVER_PATIENCE_US CLK_S	      /* for servers to be read: who needs longer counts as silent */
#define RD_RECOVER_NEWS_US CLK_S	      /* while waiting: silent servers are read again */
#define RD_RECOVER_WATCH_US CLK_S	      /* while the candidate applies what it received: whether it still does */
#define RD_RECOVER_AGAIN_US (250 * CLK_MS)    /* before something that failed is planned again, times the tries */
#define RD_RECOVER_AGAIN_MAX 5		      /* plans of one phase; then it is over as it is */
#define RD_RECOVER_LOCKS_MAX 2		      /* more tries to take the lock of a server that answers */
#define RD_RECOVER_STEP_US (5 * CLK_S)	      /* not_after at most so far ahead */
#define RD_RECOVER_LEASE_MIN_US (30 * CLK_MS) /* with less of the lease left nothing is sent: it would come late */
#define RD_RECOVER_FENCE_US (250 * CLK_MS)
#define RD_RECOVER_FENCE_LONG_US (600 * CLK_S)
#define RD_RECOVER_COMPARE_MAX 10 /* readings of an old source that is back; it may be gone again */
#define RD_RECOVER_COMPARE_US CLK_S

struct rd_recover;

/* What is proposed: an event of the record, and what goes with it. Borrowed during the call. */
struct rd_recover_event {
	struct rd_recovery_happening h;
	const struct rd_lost_list *lost;	/* out of REPOINT: who does not follow; else NULL */
	const char *loss, *loss_set, *loss_why; /* CHOSEN, MAY_LOSE, REFUSED: rd_choice; "" */
	const char *detail;			/* for people: what failed, why nobody may be promoted; "" */
};

/* The end of a step, for the record of the recovery. Borrowed. */
struct rd_recover_note {
	const struct rd_step *step;
	uint64_t number; /* as sent; 0 = it was not */
	enum rd_plan_phase phase;
	int code; /* enum err_code, 0 = OK */
	const char *message;
};

enum rd_recover_later {
	RD_LATER_NOTHING,
	RD_LATER_CHOSEN,  /* one that runs has chosen it: it is not fenced meanwhile */
	RD_LATER_PROMOTED /* nor ever again by this one */
};

/* None of these may call back before it has returned. */
struct rd_recover_ops {
	/* rd_recover_applied or rd_recover_refused follows; one at a time. */
	void (*propose)(void *ctx, const struct rd_recover_event *ev);
	void (*note)(void *ctx, const struct rd_recover_note *note); /* nobody waits for it */
	/* To a prober. Anything but 0: it was not sent. A STEP_RESULT may follow (rd_recover_result). */
	int (*send)(void *ctx, const struct ipc_step *m, struct err *e);
	/* A fresh reading; rd_recover_read follows exactly once. patience_us: how long it is waited for. */
	void (*read)(void *ctx, const struct topo_key *key, int64_t patience_us);
	/* Run a list; rd_recover_hooks_over follows. lost: as far as known. */
	void (*hooks)(void *ctx, enum rd_hook_list list, const struct rd_lost_list *lost);
	/* Whoever asked for an end is told that it is too late. */
	void (*too_late)(void *ctx);
	/* The end of the lease; us 0: there is none. Without raft: far away. */
	struct mono (*lease)(void *ctx);
	/* The failed server is back, read-only, and stays so: what it has of its own, why that is not known, or that it could
	 * rejoin (CONTAINED). May be told again. NULL: nobody wants to know. */
	void (*stays)(void *ctx, enum rd_old what, const char *text);
	/* It answers and is not fenced: code is ERR_PRECONDITION (another server answers under its name) or ERR_SERVER. It is
	 * tried on; may be told again. NULL: nobody wants to know. */
	void (*refuses)(void *ctx, int code, const char *text);
	/* What recoveries that began after this one make of a server. NULL: there are none. */
	enum rd_recover_later (*later)(void *ctx, const struct topo_key *key);
};

/* How this node came to it. */
enum rd_recover_origin {
	RD_RECOVER_BEGUN,	/* effects are those of its beginning */
	RD_RECOVER_ORPHAN_DEAD, /* taken over; this leader's votes say that the source is dead */
	RD_RECOVER_ORPHAN_ALIVE
};
struct rd_recover_conf {		    /* everything but ops and ctx is copied */
	const struct rd_recovery_input *in; /* as it began */
	const struct rd_recovery *record;   /* as it stands */
	const struct rd_lost_list *lost;    /* recorded before; NULL = none */
	unsigned effects;		    /* with BEGUN */
	enum rd_recover_origin origin;
	uint64_t term;	 /* of this leadership; without raft: a number that rises with each start */
	uint64_t number; /* at least that of every step that a former executor of this recovery sent in this term */
	int64_t poll_us;
	struct clock *clock;
	const struct rd_recover_ops *ops;
	void *ctx;
};
/* Acts at the first rd_recover_tick. */
struct rd_recover *rd_recover_new(const struct rd_recover_conf *conf);
void rd_recover_free(struct rd_recover *r); /* NULL is fine; nothing is sent any more */

/* --- what happened ------------------------------------------------------------------------------------------------- */
/* An event of this recovery was applied, whoever proposed it. mine: the answer to propose. */
void rd_recover_applied(struct rd_recover *r, const struct rd_recovery *record, unsigned effects, bool mine);
/* The proposal came to nothing: the event does not belong there any more (PRECONDITION), or anything else: it is proposed
 * again, in a while. Whoever loses the lease calls rd_recover_free. */
void rd_recover_refused(struct rd_recover *r, const struct err *e);
void rd_recover_result(struct rd_recover *r, const struct ipc_step_result *m);
/* s: as read; NULL: it could not be. What the recovery knows beyond that (maintenance, ban) stays as it was. */
void rd_recover_read(struct rd_recover *r, const struct topo_key *key, const struct rd_recovery_server *s);
void rd_recover_hooks_over(struct rd_recover *r, enum rd_hook_list list, bool failed);
/* Votes say that it is dead: matters when it is the candidate. */
void rd_recover_dead(struct rd_recover *r, const struct topo_key *key);
/* It answers: matters when it is the failed one. */
void rd_recover_back(struct rd_recover *r, const struct topo_key *key);
/* A dropped candidate that was fenced is writable again: a restart does that. */
void rd_recover_suspect_back(struct rd_recover *r, const struct topo_key *key);
/* Of one that is over: this suspect is fenced, and nobody else. */
void rd_recover_fence_suspect(struct rd_recover *r, const struct topo_key *key);
/* An operator gives it up; by: who, for the record, "" = not known. */
void rd_recover_abort(struct rd_recover *r, const char *by);
/* At rd_recover_due, and after every call above: what is due is done. */
void rd_recover_tick(struct rd_recover *r);
struct mono rd_recover_due(const struct rd_recover *r); /* INT64_MAX: not before something happens */

/* --- state --------------------------------------------------------------------------------------------------------- */
const struct rd_recovery *rd_recover_record(const struct rd_recover *r);
/* The servers as they were read last. Borrowed until the next call. */
const struct rd_recovery_input *rd_recover_input(const struct rd_recover *r);
/* Terminal, and its hooks ran. */
bool rd_recover_has_ended(const struct rd_recover *r);
/* The same, and nobody is left to be fenced: it may be freed. */
bool rd_recover_is_over(const struct rd_recover *r);
bool rd_recover_is_fencing(const struct rd_recover *r);

struct rd_recover_stats {
	uint64_t sent, done, failed, unknown, late_results; /* steps */
	uint64_t readings, proposals, refused;
};
struct rd_recover_stats rd_recover_stats(const struct rd_recover *r);

#endif
