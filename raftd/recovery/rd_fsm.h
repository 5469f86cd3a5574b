/* rd_fsm.h — a recovery as a state machine over one small record. Pure: the record, an event and the time give the next
 * record and what is to be done. Table: rd_fsm.def.
 *
 * The record is replicated: the leader proposes the event, apply makes the next record of it with the command's time,
 * and the leader carries the effects out when that is on a majority, so that whoever leads next finds how far it may
 * have come. Effects are to be done in the order of enum rd_recovery_effect. An outcome that is lost with its leader is
 * found out by reading servers (ONLY_READ), never by doing things again.
 */
#ifndef RD_FSM_H
#define RD_FSM_H

#include "rd_plan.h"

enum rd_recovery_state_flag { RD_STATE_TERMINAL = 1, RD_STATE_COMMITTED = 2, RD_STATE_CHANGED = 4 };

enum rd_recovery_state {
#define STATE(NAME, ...) RD_RECOVERY_##NAME,
#include "rd_fsm.def"
	RD_RECOVERY_STATES
};
enum rd_recovery_event {
#define EVENT(NAME, ...) RD_EVENT_##NAME,
#include "rd_fsm.def"
	RD_EVENTS
};
const char *rd_recovery_state_name(uint64_t state);   /* "unknown" */
uint64_t rd_recovery_state_by_name(const char *name); /* RD_RECOVERY_STATES: none of this build */
unsigned rd_recovery_state_flags(enum rd_recovery_state state);
/* It is not over; a state of a newer build is none that is known to be. */
bool rd_recovery_runs(uint64_t state);
const char *rd_recovery_event_name(enum rd_recovery_event event);
/* The part of the plan that a state runs; RD_PHASE_COUNT = none. */
enum rd_plan_phase rd_recovery_phase(enum rd_recovery_state state);

enum rd_recovery_effect {
	RD_DO_FENCE_OLD = 0x1,	/* the failed server, and dropped candidates that may be writable: read-only */
	RD_DO_TAKE_LOCKS = 0x2, /* on every server that answers, before any other step */
	RD_DO_PRE_HOOKS = 0x4,
	RD_DO_READ = 0x8,	/* all servers of the cluster, or with ONLY_READ the candidate */
	RD_DO_ONLY_READ = 0x10, /* nothing is sent on entering; what is read decides */
	RD_DO_PICK = 0x20,	/* rd_choose */
	RD_DO_RUN = 0x40,	/* plan the state's phase, and run it */
	RD_DO_ANNOUNCE = 0x80,	/* cluster name, alias, domain, key-value pairs, in the same command */
	RD_DO_RECORD = 0x100,	/* the end: lost servers and their downtime */
	RD_DO_POST_HOOKS = 0x200,
	RD_DO_TOO_LATE = 0x400,	       /* whoever asked is told that it cannot be aborted any more */
	RD_DO_UNLOCK = 0x800,	       /* the cluster's lock ends */
	RD_DO_TAKE_SUCCESSOR = 0x1000, /* done by rd_fsm_step itself: the three below too */
	RD_DO_DROP_SUCCESSOR = 0x2000,
	RD_DO_FORGET_SUCCESSOR = 0x4000
};

#define RD_RECOVERY_TURNS_MAX 10000 /* reached only by a bug or by servers that make fools of us */
#define RD_RECOVERY_EXCLUDED_MAX 64

#define RD_RECOVERY_FIELDS(F)                                                                           \
	F(STR, uid, _, 128)                                                                             \
	F(STR, cluster_id, _, 64)                                                                       \
	F(REC, failed, topo_key, 0)                                                                     \
	F(U64, state, _, 0, .doc = "enum rd_recovery_state")                                            \
	F(I64, began_us, _, 0)                                                                          \
	F(I64, since_us, _, 0, .doc = "in this state")                                                  \
	F(I64, deadline_us, _, 0, .doc = "0 = none")                                                    \
	F(U64, turns, _, 0, .doc = "transitions so far; with the term it numbers what is sent")         \
	F(STR, why, _, 256, .doc = "of the last transition")                                            \
	F(REC, successor, topo_key, 0, .doc = "empty host = none yet")                                  \
	F(STR, promoted_at, _, 65535, .doc = "MariaDB: position of the successor when it was promoted") \
	F(BOOL, promoted, _, 0, .doc = "it was seen writable")                                          \
	F(BOOL, returned, _, 0, .doc = "the failed server answered again")                              \
	F(LIST, excluded, topo_key, RD_RECOVERY_EXCLUDED_MAX, .doc = "candidates that failed")          \
	F(LIST, suspects, topo_key, RD_RECOVERY_EXCLUDED_MAX, .doc = "those of them that may be writable")
REC_DECLARE(rd_recovery, RD_RECOVERY_FIELDS);

struct rd_recovery_happening {
	enum rd_recovery_event event;
	const struct topo_key *successor; /* with CHOSEN */
	const char *position; /* with STEPS_OVER of PREPARE, and WRITABLE: rd_recovery.promoted_at; NULL = unknown */
	int64_t deadline_us;  /* with CHOSEN: of the preparation; with MAY_LOSE: end of waiting; else 0 */
};

/* The record of a recovery that begins: state HOOKS, or FENCE when hooks are skipped. ret borrows. */
void rd_fsm_begin(const char *uid, const char *cluster_id, const struct topo_key *failed, bool skip_hooks,
		  int64_t now_us, struct rd_recovery *ret, unsigned *ret_effects);
/* ret borrows from r, h and the arena. ERR_PRECONDITION: the event does not belong to this state (any more): nothing
 * happens; LIMIT: RD_RECOVERY_TURNS_MAX, an operator must look. */
int rd_fsm_step(const struct rd_recovery *r, const struct rd_recovery_happening *h, int64_t now_us,
		struct mem_arena *arena, struct rd_recovery *ret, unsigned *ret_effects, struct err *e) MUST_USE;
/* Whether the deadline has come. */
bool rd_fsm_is_overdue(const struct rd_recovery *r, int64_t now_us);
/* After the candidate was read in PROMOTE: which event that is. step_open: a step may still arrive there (its not_after
 * has not passed, or its prober did not answer). A recovery whose failed server returned while its candidate is
 * read-only still has promoted nobody: it is undone. */
enum rd_recovery_event rd_fsm_promotion_read(const struct rd_recovery *r, bool read, bool read_only, bool step_open);

/* Lines "state --event--> next: why", for the manual and tests. Appends. */
struct str_buf;
void rd_fsm_write(struct str_buf *b);

#endif
