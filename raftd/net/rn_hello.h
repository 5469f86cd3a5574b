/* rn_hello.h — what two nodes tell each other before anything else, and who is refused. Pure.
 *
 * The hello is a MessagePack *map* (unlike frames of one build): nodes of different builds must be able to read enough
 * of each other to say what differs. Rules: design.md section 4 (founding, identity), libraft.md section 4. */
#ifndef RN_HELLO_H
#define RN_HELLO_H

#include "base/err.h"
#include "base/rec.h"

/* Protocols this build speaks. Equal ranges are not needed, overlapping ones are. */
#define RN_PROTOCOL 1u
#define RN_PROTOCOL_MIN 1u

#define RN_NAME_MAX 264	 /* host name, brackets, colon, port */
#define RN_DIR_ID_MAX 64 /* 32 hex digits today */
#define RN_CLUSTER_ID_MAX 64
#define RN_FOUNDERS_MAX 9

/* How far a node has come. In a group = ACTIVE. */
enum rn_state {
	RN_BLANK = 1, /* its directory has never held anything */
	RN_FOUNDED,   /* holds the founding entry and has not voted */
	RN_ACTIVE,    /* has voted, holds entries, or joined a group */
	RN_JOINING,   /* started empty beside an active group; waits to be added */
};

#define RN_FOUNDER_FIELDS(F)         \
	F(STR, name, _, RN_NAME_MAX) \
	F(STR, dir_id, _, RN_DIR_ID_MAX)
REC_DECLARE(rn_founder, RN_FOUNDER_FIELDS);

#define RN_HELLO_FIELDS(F)                                                                                           \
	F(U64, protocol, _, 0, .doc = "newest protocol spoken; filled by the net")                                   \
	F(U64, protocol_min, _, 0, .doc = "oldest; filled by the net")                                               \
	F(U64, instance, _, 0, .doc = "random number of this process; filled by the net")                            \
	F(U64, seen, _, 0, .doc = "number of the last connection it was told to use; filled by the net")             \
	F(STR, name, _, RN_NAME_MAX, .doc = "host:port by which the others know it")                                 \
	F(STR, dir_id, _, RN_DIR_ID_MAX, .doc = "of its RaftDataDir")                                                \
	F(U64, raft_id, _, 0)                                                                                        \
	F(STR, cluster_id, _, RN_CLUSTER_ID_MAX, .doc = "empty: not known yet")                                      \
	F(STR, config_hash, _, 64, .doc = "of the configured members; binds nodes that are in no group yet")         \
	F(U64, state, _, 0, .doc = "enum rn_state")                                                                  \
	F(BOOL, adoptable, _, 0, .doc = "founded alone, without operators' decisions: its cluster id does not bind") \
	F(LIST, founded_with, rn_founder, RN_FOUNDERS_MAX, .doc = "blank peers with which it founded")               \
	F(U64, election_timeout_ms, _, 0, .doc = "one value for the whole group")                                    \
	F(U64, feature_level, _, 0, .doc = "the highest it can apply")                                               \
	F(U64, feature_active, _, 0, .doc = "the group's; 0: not known")                                             \
	F(STR, http_uri, _, 512, .doc = "leader URI if it becomes leader")                                           \
	F(STR, version, _, 64)                                                                                       \
	F(BOOL, is_leader, _, 0, .doc = "a hint")                                                                    \
	F(BOOL, backend_read, _, 0, .doc = "former_rows counts")                                                     \
	F(U64, former_rows, _, 0, .doc = "decisions of a life without raft in its backend (rd_import.h)")
REC_DECLARE(rn_hello, RN_HELLO_FIELDS);

/* Why a node is refused; the numbers are on the wire: append only. */
enum rn_refuse {
	RN_ACCEPT = 0,
	RN_REFUSE_FORMAT,	    /* not a hello, or a required field is missing */
	RN_REFUSE_PROTOCOL,	    /* no protocol in common */
	RN_REFUSE_SELF,		    /* it is this very process, or calls itself by this node's name */
	RN_REFUSE_DIRECTORY,	    /* a copy of this node's RaftDataDir, or its raft id */
	RN_REFUSE_CLUSTER,	    /* another group */
	RN_REFUSE_CONFIG,	    /* other members configured, and neither is in a group yet */
	RN_REFUSE_ELECTION_TIMEOUT, /* another RaftElectionTimeoutMilliseconds */
	RN_REFUSE_FEATURE,	    /* too old for the group */
	RN_REFUSE_NAME,		    /* not the node that was dialled */
	RN_REFUSE_MEMBER,	    /* not in the membership */
	RN_REFUSE_CERTIFICATE,	    /* its certificate is made out to another name */
	RN_REFUSE_DUPLICATE,	    /* another connection of this pair is in use */
	RN_REFUSE_LIMIT,	    /* too many connections */
	RN_REFUSE_TWIN,		    /* another process of that name is connected */
	RN_REFUSE_COUNT
};
const char *rn_refuse_name(uint64_t code); /* "cluster id" …; "unknown" */

#define RN_TEXT_BYTES 512
#define RN_REFUSAL_FIELDS(F)                        \
	F(U64, code, _, 0, .doc = "enum rn_refuse") \
	F(STR, text, _, RN_TEXT_BYTES, .doc = "what differs and what to do")
REC_DECLARE(rn_refusal, RN_REFUSAL_FIELDS);

/* Whether own works with peer. text: what differs and the remedy, said to the refused node's operator (so "your" side
 * is peer's and named by its name); "" when accepted. The same inputs give the same answer at both ends. */
enum rn_refuse rn_hello_check(const struct rn_hello *own, const struct rn_hello *peer, char text[RN_TEXT_BYTES]);
/* Accepted, but worth one warning: false and "" when there is nothing to say. */
bool rn_hello_warning(const struct rn_hello *own, const struct rn_hello *peer, char text[RN_TEXT_BYTES]);

/* The member name that a configured address stands for: host in lower case, addresses in their shortest form, IPv6 in
 * brackets, always with a port. No look-up. ret holds RN_NAME_MAX + 1. */
int rn_name_make(const char *text, int64_t default_port, char *ret, struct err *e) MUST_USE;

#endif
