/* rd_recoveries.h — this node's recoveries: what begins them, carries them out while it leads, and gives them up when it does
 * not. Shell around rd_recover.h (one executor per recovery), between detection (rd_detect.h), the record (rd_records.h),
 * probers and hooks.
 *
 * A verdict "dead" that may be recovered (rd_recover_begin.h, rd_block.h) is proposed as recovery-begin with its input; when
 * that is on a majority the executor begins. A new leader takes over what is running: at once where a promotion may have
 * been sent, else when its own votes say dead or alive, at the latest after RD_ORPHAN_WAIT_US (then: alive). Whatever
 * goes wrong with proposing gives an executor up; it is taken over anew like an orphan. It also fences old sources of
 * recoveries that are over, as long as they are in downtime because of them (lost-in-recovery) and nobody follows them.
 *
 * Not wired yet, and so without effect: DeadMasterAndReplicas and DeadMasterWithoutReplicas (detected only), the requests
 * that would call rd_recoveries_force, _dry_run and _abort, OnFailureDetectionProcesses, RejoinFailedMaster. */
#ifndef RD_RECOVERIES_H
#define RD_RECOVERIES_H

#include "base/clock.h"

struct err;
struct rd_applied;
struct rd_node;
struct rd_recoveries;
struct str_buf;
struct topo_key;

#define RD_RECOVERIES_MAX 64 /* executors; of those that are over the oldest go first, more failures wait */
#define RD_ORPHAN_WAIT_US (10 * CLK_S)

struct rd_recoveries *rd_recoveries_new(struct rd_node *n);
void rd_recoveries_free(struct rd_recoveries *rs); /* NULL is fine */
/* A command is on a majority (with raft), or in the backend: effects of recoveries. */
void rd_recoveries_applied(struct rd_recoveries *rs, const struct rd_applied *a);
/* Once a second: whether this node leads still, or anew. */
void rd_recoveries_tick(struct rd_recoveries *rs);

/* --- what operators ask for; NOT_LEADER, UNAVAILABLE elsewhere ---------------------------------------------------------- */
struct rd_recover_wish {
	const struct topo_key *key;	  /* the server that failed */
	const struct topo_key *candidate; /* empty host = free choice */
	bool skip_hooks;		  /* recover-lite: PreFailoverProcesses only */
	const char *by;			  /* who asks */
};
#define RD_RECOVER_UID_BYTES 33
/* Filters, downtime, the global switch and former recoveries don't count; a running one does. NOT_FOUND: no such server;
 * PRECONDITION: the analysis of it is none that can be recovered. It begins when the command is applied, and is followed
 * by its uid (rd_records.h). */
int rd_recoveries_force(struct rd_recoveries *rs, const struct rd_recover_wish *wish, char *ret_uid,
			struct err *e) MUST_USE;
/* The same without doing it: the choice with all reasons, then each phase's steps, from the rows of this moment; what would
 * keep it from beginning by itself stands first. Appends. Any node may be asked. */
int rd_recoveries_dry_run(struct rd_recoveries *rs, const struct rd_recover_wish *wish, struct str_buf *b,
			  struct err *e) MUST_USE;
/* Asks a running one to end: it restores what it changed, unless a promotion may have been sent (then it is said in the log
 * and goes on). NOT_FOUND: none of that uid runs here. */
int rd_recoveries_abort(struct rd_recoveries *rs, const char *uid, struct err *e) MUST_USE;

#endif
