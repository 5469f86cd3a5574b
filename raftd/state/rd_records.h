/* rd_records.h — recoveries as the group has recorded them: how whoever carries one out proposes what it does, and how it,
 * the next leader and everybody else reads how far it is. Tables: topology_recovery (historical columns), its steps,
 * blocked ones, and our own recovery_machine, recovery_input, recovery_hook.
 *
 * The way of a recovery, as commands (rd_command.def tells each one's fields; rd_propose_<name>() proposes it):
 *
 *   rd_records_begin()      the parts of its input, then recovery-begin: takes the cluster's lock, or is refused
 *   recovery-event          an event of rd_fsm.def, with the turn that it is about (rd_records_turn); apply calls
 *                           rd_fsm_step with the command's time, so every node has the same machine
 *   recovery-step           audit lines, several at once; nothing waits for them
 *   recovery-record         lost servers, participants, errors, the statement about loss; on RD_DO_RECORD
 *   hook-ran                a mark before an entry of a list starts, another when it ended
 *   blocked-recovery        a failure that may not be recovered now (rd_records_block), once per change
 *
 * What is to be done follows from an applied event and comes as RD_EFFECT_RECOVERY: message is the uid, todo the mask of
 * enum rd_recovery_effect (rd_fsm.h). It comes on every node and again after a restart, like all effects: only the leader
 * of the term in rd_applied.term acts, and who has just become leader asks rd_records_running and proposes an orphan-…
 * event for each. Of these effects apply itself has carried out: ANNOUNCE (the cluster's record, alias override and
 * domain belong to the successor, its downtime is ended, the failed server's begun), UNLOCK (nothing holds the lock but
 * the machine's state) and the successor's ones. A terminal state needs no further command: the row is finished, and the
 * server's detection ends if somebody was promoted.
 *
 * Reading is pure; rows that are returned are borrowed until their table changes, machines and inputs live in the arena. */
#ifndef RD_RECORDS_H
#define RD_RECORDS_H

#include "rd_block.h"
#include "rd_hook_seq.h"
#include "rd_propose.h"

#define RD_LOST_REASON "lost-in-recovery" /* of a downtime; semantic (backend-schema.md section 5) */

#define RD_DETECTION_UID "detection-" /* and the id: for hooks of a detection, and the lines about them */

/* --- proposing --------------------------------------------------------------------------------------------------- */
/* Proposes in as parts, and then c, whose input_parts it sets. cb is called for c alone, only if this returns 0: when a
 * part fails, c is refused with ERR_PRECONDITION. Both are borrowed for the call. Refuses as rd_propose does; ERR_LIMIT:
 * more than RD_INPUT_PARTS_MAX parts. A repetition with the same recovery_uid is safe. */
int rd_records_begin(struct rd_proposer *p, const struct rd_cmd_recovery_begin *c, const struct rd_recovery_input *in,
		     rd_proposed_fn cb, void *ctx, struct err *e) MUST_USE;
/* Proposes what a choice was made on, for people and tests; nobody waits for it. */
int rd_records_chosen(struct rd_proposer *p, const struct rd_recovery_input *in, struct err *e) MUST_USE;
/* For rd_cmd_recovery_event.turn: an event that was found out in another turn of the machine is refused then. */
static inline uint64_t
rd_records_turn(const struct rd_recovery *r)
{
	return r->turns + 1;
}

/* --- reading ----------------------------------------------------------------------------------------------------- */
/* The machine of one recovery; false: there is none (of rows taken over from a historical database there isn't). */
bool rd_records_machine(const struct rd_state *s, const char *uid, struct mem_arena *arena, struct rd_recovery *ret);
/* As it is stored; NULL. */
const struct db_recovery_machine *rd_records_machine_row(const struct rd_state *s, const char *uid);
/* One after the other, those that are over as well: zero-initialise the cursor. Without the lists, and borrowed from the row;
 * false at the end. */
bool rd_records_next(const struct rd_state *s, struct rd_cursor *c, struct rd_recovery *ret);
/* Those that are not over. */
struct rd_recovery_list rd_records_running(const struct rd_state *s, struct mem_arena *arena);
/* Its row, whatever its age; NULL. */
const struct db_recovery *rd_records_row(const struct rd_state *s, const char *uid);
/* What it was decided on, as it was when it began. NOT_FOUND: it was given up for newer ones (RD_INPUTS_KEPT). */
#define RD_INPUTS_KEPT 32 /* of recoveries that are over */
int rd_records_input(const struct rd_state *s, const char *uid, struct mem_arena *arena, struct rd_recovery_input *ret,
		     struct err *e) MUST_USE;
/* Of one that is over and whose input was given up: who is who, which is all that keeping old sources read-only takes. Borrows
 * from the record, and from the arena. */
void rd_records_input_left(const struct rd_recovery *record, struct mem_arena *arena, struct rd_recovery_input *ret);
/* The same as it was written, appended; chosen: what its newest choice was made on. NOT_FOUND also: none was told. */
int rd_records_input_text(const struct rd_state *s, const char *uid, bool chosen, struct str_buf *b,
			  struct err *e) MUST_USE;
/* Whether a recovery may begin now: what recovery-begin will say. ret_id: of the one that blocks; 0. */
enum rd_block rd_records_block(const struct rd_state *s, const char *cluster_id, const struct topo_key *failed,
			       const char *analysis, bool forced, int64_t now_us, int64_t block_us, int64_t *ret_id);
/* What is recorded of a server as blocked; NULL. Propose blocked-recovery only when it would change this. */
const struct db_blocked_recovery *rd_records_blocked(const struct rd_state *s, const struct topo_key *key);
/* How far an entry of a list came. */
enum rd_hook_mark rd_records_mark(const struct rd_state *s, const char *uid, const char *list, uint64_t number);
/* What the group has decided about row->key and no probe tells: promotion rule, downtime. Texts are borrowed from their
 * tables. */
void rd_records_decided(const struct rd_state *s, struct rd_recovery_server *row);
/* How often entries 0 to n-1 of a list were started, at most: 0 = the list is new. */
int64_t rd_records_attempts(const struct rd_state *s, const char *uid, const char *list, size_t n);
/* The cluster's domain, from its record; "" = it has none. */
const char *rd_records_domain(const struct rd_state *s, const char *cluster_id);
/* The id of the cluster with this name; "" = it has no record yet: draw one, recovery-begin makes the record. */
const char *rd_records_cluster_id(const struct rd_state *s, const char *cluster_name);

/* --- for apply ------------------------------------------------------------------------------------------------------ */
/* arena NULL: without the lists, and borrowed from the row. */
void rd_records_from_row(const struct db_recovery_machine *row, struct mem_arena *arena, struct rd_recovery *ret);
bool rd_records_is_running(const struct db_recovery_machine *row);

#endif
