/* rd_group_rule.h — what a member's shell decides, as functions of plain data: what it says of itself, whom it connects
 * with, what a leader proposes, whom a leader takes in, and which of several nodes holds the wrong rows. Pure; raftd's
 * shell (rd_group_*.c) and the simulation run the same rules. Texts are borrowed from the arguments.
 * Reference: design.md sections 3, 4 and 12. */
#ifndef RD_GROUP_RULE_H
#define RD_GROUP_RULE_H

#include "consensus/rd_members.h"
#include "net/rn_hello.h"
#include "state/rd_command.h"
#include "state/rd_state.h"

/* --- hello ----------------------------------------------------------------------------------------------------- */
struct rd_own {
	uint64_t raft_id; /* 0: the directory has not taken part in anything */
	bool founded;	  /* it holds a founding entry */
	uint64_t term, vote, last_index, snapshot_index;
};
/* How far the own directory has come, as it is said in the hello. */
enum rn_state rd_group_own_state(const struct rd_own *own);

/* Something in the state that only an operator can have put there: such a node is not adopted by another group. */
bool rd_group_operator_decided(const struct rd_state *s);

/* A directory without state may not found a group while a configured node that may have some is there and doesn't work
 * with this one. known: its state as its hello said; RN_ACTIVE when it refused this node and said nothing. */
bool rd_group_refusal_blocks(enum rn_refuse code, enum rn_state known);

/* Whether what another node sends may reach this member: not when both belong to groups, and to different ones (the net
 * connects with such a node only because one of them may be adopted). */
bool rd_group_is_same(const char *own_cluster_id, const char *peers_cluster_id);

/* --- peers ----------------------------------------------------------------------------------------------------- */
#define RD_PEER_NAMES_MAX 32
struct rd_peer_names {
	const char *v[RD_PEER_NAMES_MAX];
	size_t n;
};
/* Members, and whoever has a record: asked to join, or between the removal of a wiped disk and its return; and the leader
 * ("" = none), of whose joining this node may not have heard yet. Before there are members, whoever is configured.
 * members, s: NULL = not known yet. */
void rd_group_peer_names(const struct rd_members *members, const char *leader, const char *const *configured,
			 size_t n_configured, const struct rd_state *s, struct rd_peer_names *ret);

/* Whether who is not on that list may come, if it lists this node. What this node knows of the members may be old, or
 * nothing when its directory is new: while it hears of no leader, the stranger may be one, that joined after this node
 * was last here. A blank node above all must not found a group beside one whose newer members RaftNodes doesn't name.
 * (The hello still refuses another group, and raft ignores who is no member.) */
bool rd_group_is_open(enum rn_state own, bool adoptable, bool has_leader);

void rd_group_add_peer_name(struct rd_peer_names *l, const char *name); /* unless it is there, or there is no room */

/* --- what a leader proposes ------------------------------------------------------------------------------------ */
const struct db_node_record *rd_group_record(const struct rd_state *s, const char *name); /* NULL = none */
/* What a hello says, as a record; borrowed from it. */
struct rd_cmd_node_record rd_group_record_of(const struct rn_hello *h);
bool rd_group_record_due(const struct rd_state *s, const struct rd_cmd_node_record *want);
/* The level that all voters' records can apply, if it is above the one in force; else 0. */
uint64_t rd_group_level_due(const struct rd_members *members, const struct rd_state *s, uint64_t own_level);

/* --- whom a leader takes in ------------------------------------------------------------------------------------ */
enum rd_take_in {
	RD_TAKE_NOTHING,
	RD_TAKE_RECORD, /* its name needs a record first: that keeps it on the list of peers, also for the next leader */
	RD_TAKE_REMOVE, /* its directory is new: the former self goes */
	RD_TAKE_ADD,	/* comes as a learner */
};
/* A node that is connected says h. Nobody comes with the log of another group: a node that founded alone empties its
 * directory first, if it may. A record that already carries the very id of a node that is no member is what a
 * removal leaves until the record is forgotten: that node stays out until raft-add-peer asks for it again. */
enum rd_take_in rd_group_take_in(const struct rd_members *members, const struct rd_state *s, const struct rn_hello *h);

/* --- invariant 7: the same rows everywhere --------------------------------------------------------------------- */
/* The newest state hash that a member said. */
struct rd_hash_said {
	char name[RD_MEMBER_NAME_BYTES];
	uint64_t index, hash;
};
enum rd_hash_verdict {
	RD_HASH_UNKNOWN,       /* nobody differs, and too few have said anything of that index */
	RD_HASH_SAME,	       /* a majority holds what this node holds, and nobody differs */
	RD_HASH_OPEN,	       /* somebody differs, and no majority says yet who is wrong */
	RD_HASH_OTHERS_DIFFER, /* a majority holds what this node holds, somebody else differs */
	RD_HASH_OWN_DIFFERS,   /* a majority of the voters holds something else */
};
/* own_hash: of this node at index; said: of the others. Only voters count, this node among them if it is one. */
enum rd_hash_verdict rd_group_judge_hash(const struct rd_members *members, const char *own_name, uint64_t index,
					 uint64_t own_hash, const struct rd_hash_said *said, size_t n_said);

#endif
