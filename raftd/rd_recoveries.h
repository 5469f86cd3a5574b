/* rd_recoveries.h — this node's recoveries: what begins them, carries them out while it leads, and gives them up when it does
 * not. Shell around rd_recover.h (one executor per recovery), between detection (rd_detect.h), the record (rd_records.h),
 * probers and hooks.
 *
 * A verdict "dead" that may be recovered (rd_recover_begin.h, rd_block.h) is proposed as recovery-begin with its input; when
 * that is on a majority the executor begins. A new leader takes over what is running: at once where a promotion may have
 * been sent, else when its own votes say dead or alive, at the latest after RD_ORPHAN_WAIT_US (then: alive). Whatever
 * goes wrong with proposing gives an executor up; it is taken over anew like an orphan. It also fences old sources of
 * recoveries that are over, as long as they are in downtime because of them (lost-in-recovery) and nobody follows them; and
 * names replicas as lost that turn up below such a source and were pointed there before it failed, or whose threads stop on an
 * error soon after they were pointed to the promoted one (rd_recover_behind.c). */
#ifndef RD_RECOVERIES_H
#define RD_RECOVERIES_H

#include "base/clock.h"
#include "ipc/ipc.h"

struct err;
struct rd_applied;
struct rd_node;
struct rd_recoveries;
struct rd_server;
struct str_buf;
struct topo_key;

/* Executors. Of those that are over the oldest go first, and last of all one whose old source is back; more failures wait. */
#define RD_RECOVERIES_MAX 64
#define RD_ORPHAN_WAIT_US (10 * CLK_S)
#ifndef RD_CANDIDATE_WAIT_US /* who dies while it is promoted may come back; then others are tried */
#define RD_CANDIDATE_WAIT_US (30 * CLK_S)
#endif
#define RD_FENCED_ENOUGH_US CLK_S /* after a fence: a reading that shows the server writable may be older than that */

struct rd_recoveries *rd_recoveries_new(struct rd_node *n);
void rd_recoveries_free(struct rd_recoveries *rs); /* NULL is fine */
/* A command is on a majority (with raft), or in the backend: effects of recoveries. */
void rd_recoveries_applied(struct rd_recoveries *rs, const struct rd_applied *a);
/* s has been read. One that a recovery replaced and fenced, and that is writable again (a restart does that), is fenced anew
 * unless an operator ended its downtime (lost-in-recovery), or servers follow it and whom the recovery promoted takes no
 * writes any more: then it was made the source again by hand. */
void rd_recoveries_found(struct rd_recoveries *rs, const struct rd_server *s);
/* A recovery has been making it writable for RD_CANDIDATE_WAIT_US, or has done so for all it knows: whether it lives is voted on
 * though nobody follows it, as nobody else may be promoted before it is known to be dead. */
bool rd_recoveries_promote(const struct rd_node *n, const struct topo_key *key);
/* Votes say that it is; nothing happens unless it is such a one. */
void rd_recoveries_candidate_dead(struct rd_node *n, const struct topo_key *key);
/* s does not answer, and may be one that a recovery promoted after it was read last: its row says so then. */
void rd_recoveries_correct(struct rd_node *n, struct rd_server *s);
/* Once a second: whether this node leads still, or anew. */
void rd_recoveries_tick(struct rd_recoveries *rs);

/* --- what operators ask for; NOT_LEADER, UNAVAILABLE elsewhere ---------------------------------------------------------- */
#define RD_RECOVER_UID_BYTES (IPC_UID_MAX + 8)
struct rd_recover_wish {
	const struct topo_key *key;	  /* the server that failed */
	const struct topo_key *candidate; /* empty host = free choice */
	bool skip_hooks;		  /* recover-lite: no list of hooks runs */
	const char *by;			  /* who asks */
	const char *uid;		  /* of the recovery, "" = a drawn one; under RD_RECOVER_UID_BYTES */
};
/* Filters, downtime, the global switch and former recoveries don't count; a running one does, and the votes do. req is answered
 * when the recovery has ended, or at the deadline, unless this fails. A wish whose uid is that of a recovery gets its outcome.
 * NOT_FOUND: the server answers, or is not known; PRECONDITION, BUSY: why it may not begin. */
int rd_recoveries_ask(struct rd_recoveries *rs, const struct rd_recover_wish *wish, struct rd_req req,
		      struct mono deadline, struct err *e) MUST_USE;
/* The same without doing it: the choice with all reasons, then each phase's steps, from the rows of this moment; what
 * keeps it from beginning stands first. Appends. Of a server that answers: as if it died now. */
int rd_recoveries_dry_run(struct rd_recoveries *rs, const struct rd_recover_wish *wish, struct str_buf *b,
			  struct err *e) MUST_USE;
/* Asks a running one to end: it restores what it changed, unless a promotion may have been sent: then it goes on. req is
 * answered when it has ended, or when it is too late. by: who, for its record and the audit. NOT_FOUND: there is none of that uid; PRECONDITION: it is over. */
int rd_recoveries_abort(struct rd_recoveries *rs, const char *uid, const char *by, struct rd_req req,
			struct mono deadline, struct err *e) MUST_USE;

#endif
