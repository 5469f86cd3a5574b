/* rd_plan.h — plans as data: which steps, on which servers, in which order, and what a failure of each means. Pure.
 *
 * A plan is made for one phase at a time, from servers as they were read last: what is so already needs no step, so a
 * plan made again after a kill or by another leader goes on where the first one stood. Steps that don't wait for each
 * other run in parallel. Statements: topo/step.def. The order of things, and why: design.md section 7,
 * reference/failover-timing.md 4. On MariaDB no step ever starts a thread of a replica whose two threads are stopped
 * before the choice, and none stops the receiver of one that has not applied what it received. */
#ifndef RD_PLAN_H
#define RD_PLAN_H

#include "rd_choose.h"

#define RD_STEPS_MAX 8192

enum rd_plan_phase {
#define PHASE(NAME, ...) RD_PHASE_##NAME,
#include "rd_phase.def"
#undef PHASE
	RD_PHASE_COUNT
};
const char *rd_plan_phase_name(enum rd_plan_phase phase);

enum rd_on_failure {
	RD_FAILS_CANDIDATE, /* of the candidate or its donor: choose again without it, or restore */
	RD_FAILS_PHASE,	    /* its server is read, and the phase is planned again */
	RD_FAILS_SERVER,    /* the server is named as lost; the others go on */
	RD_FAILS_NOTHING    /* noted */
};

#define RD_STEP_FIELDS(F)                                                                        \
	F(U64, number, _, 0, .doc = "within the plan, from 1")                                   \
	F(REC, key, topo_key, 0)                                                                 \
	F(STR, statement, _, 64, .doc = "name in topo/step.def")                                 \
	F(LIST, args, rec_text, 4)                                                               \
	F(STR, precondition, _, 64, .doc = "server_uuid or server_id that the server must have") \
	F(U64, after, _, 0, .doc = "number of a step that must have succeeded before; 0 = none") \
	F(U64, and_after, _, 0)                                                                  \
	F(I64, within_ms, _, 0, .doc = "how long its answer is waited for")                      \
	F(U64, on_failure, _, 0, .doc = "enum rd_on_failure")
REC_DECLARE(rd_step, RD_STEP_FIELDS);

#define RD_LOST_FIELDS(F)        \
	F(REC, key, topo_key, 0) \
	F(STR, why, _, 512)
REC_DECLARE(rd_lost, RD_LOST_FIELDS);

/* Lives in the arena, borrows from the input. */
struct rd_plan {
	enum rd_plan_phase phase;
	struct rd_step_list steps;
	struct rd_lost_list lost; /* REPOINT: replicas that do not follow, to be put in downtime */
};

/* FENCE to REPOINT; choice->chosen is set for all but FENCE. */
void rd_plan_build(enum rd_plan_phase phase, const struct rd_recovery_input *in, const struct rd_haves *haves,
		   const struct rd_choice *choice, struct mem_arena *arena, struct rd_plan *ret);
/* From how the servers were when the recovery began and how they are now. may_unfence: nobody was promoted and nobody
 * can be writable; then the failed server, if it is back and was writable, becomes so again. */
void rd_plan_restore(const struct rd_recovery_input *before, const struct rd_recovery_input *now, bool may_unfence,
		     struct mem_arena *arena, struct rd_plan *ret);
/* The failed server, and candidates that were dropped and may be writable (rd_recovery.suspects). held: somebody holds the
 * failed one's lock for steps, who is ended first: a session whose client is gone may stand there for hours. */
void rd_plan_fence_old(const struct rd_recovery_input *in, const struct topo_key_list *suspects, bool held,
		       struct mem_arena *arena, struct rd_plan *ret);
/* The failed server, which is back and has nothing of its own (rd_return.h), follows in->successor. */
void rd_plan_rejoin(const struct rd_recovery_input *in, struct mem_arena *arena, struct rd_plan *ret);
/* NULL, or why there can be no plan at all for this cluster (replication without GTID, …). */
const char *rd_plan_refusal(const struct rd_haves *haves, const struct rd_choice *choice);

/* Lines for people. Appends. */
void rd_plan_write(const struct rd_plan *p, const struct rd_recovery_input *in, struct str_buf *b);
/* All phases of a recovery as they would be if every step succeeded. */
void rd_plan_dry_run(const struct rd_recovery_input *in, const struct rd_haves *haves, const struct rd_choice *choice,
		     struct mem_arena *arena, struct str_buf *b);

#endif
