/* rd_rescue.h — raft-rescue: the group's other members are lost for good, and the one survivor becomes a group of its own
 * (design.md section 4). Offline: the node must be stopped, and its operator types what this is about to do.
 *
 * The survivor keeps its log and its raft id. Appended in one durable write: a configuration of which it is the only
 * voter, a command that gives the group a new id, and with it the new identity. What was committed on the majority and
 * never reached this node is lost; what only this node had is decided now. Former members that turn up are refused for
 * the old id; with an empty RaftDataDir they come back as learners. */
#ifndef RD_RESCUE_H
#define RD_RESCUE_H

#include "base/err.h"
#include "base/str.h"
#include "consensus/rd_members.h"
#include "consensus/rd_store.h"
#include "rd_node_private.h"

/* What the directory says. */
struct rd_rescue_facts {
	const char *name;
	uint64_t last_index;
	struct rd_members members; /* of the newest configuration */
	uint64_t own_id;
};
/* NULL = may be rescued; else why not (a constant text). Pure. */
const char *rd_rescue_unfit(const struct rd_rescue_facts *f);
/* The sentence to be typed; pure. */
void rd_rescue_sentence(const struct rd_rescue_facts *f, struct str_buf *out);

/* confirm "": ret_text says what would be done and what is to be typed. With the right sentence: it is done. Blocks (a
 * one-shot node has nothing else to do). CONFIG: no raft, or no directory; UNAVAILABLE: the node runs; INVALID: another
 * sentence, or nothing to rescue; and the store's errors. */
int rd_rescue(struct rd_node *n, const char *confirm, struct str_buf *ret_text, struct err *e) MUST_USE;

#endif
