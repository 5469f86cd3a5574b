/* rd_raft_msg.h — what members say to each other, as described records, and its bytes.
 *
 * One flat record for all types: fields that a type doesn't use are zero, which costs a byte each. Decoding checks
 * every limit and all that libraft only asserts (terms, order, kinds, configuration bytes), so a decoded message can be
 * given to rd_raft_received. Frames: CODEC_ARRAY, at most RD_RAFT_MSG_BYTES_MAX. */
#ifndef RD_RAFT_MSG_H
#define RD_RAFT_MSG_H

#include "base/err.h"
#include "base/rec.h"
#include "ipc/codec.h"

#define RD_RAFT_MSG_BYTES_MAX (4 * 1024 * 1024)
#define RD_RAFT_MSG_ENTRIES_MAX 4096
#define RD_RAFT_ENTRY_BYTES_MAX (512 * 1024)

/* Numbers are on the wire and in the log; they are libraft's. */
enum rd_raft_kind { RD_KIND_COMMAND = 1, RD_KIND_BARRIER = 2, RD_KIND_CHANGE = 3 };
enum rd_raft_msg_type {
	RD_MSG_APPEND = 1,
	RD_MSG_APPEND_RESULT,
	RD_MSG_VOTE,
	RD_MSG_VOTE_RESULT,
	RD_MSG_SNAPSHOT,
	RD_MSG_TIMEOUT_NOW,
	RD_MSG_TYPE_COUNT
};

#define RD_RAFT_ENTRY_FIELDS(F) \
	F(U64, term, _, 0)      \
	F(U64, kind, _, 0)      \
	F(BIN, data, _, RD_RAFT_ENTRY_BYTES_MAX)
REC_DECLARE(rd_raft_entry, RD_RAFT_ENTRY_FIELDS);

/* Which snapshot: goes with the message, into the file's header and to the store. size and sha256 are of the bytes. */
#define RD_RAFT_SNAPSHOT_FIELDS(F)                                                               \
	F(U64, index, _, 0, .doc = "last entry in it")                                           \
	F(U64, term, _, 0, .doc = "of that entry")                                               \
	F(U64, members_index, _, 0, .doc = "entry of the configuration")                         \
	F(BIN, members, _, 8192, .doc = "configuration as of index: bytes of rd_members_encode") \
	F(U64, size, _, 0, .doc = "bytes of the snapshot; 0 until taken")                        \
	F(BIN, sha256, _, 32, .doc = "of the bytes; empty until taken")
REC_DECLARE(rd_raft_snapshot, RD_RAFT_SNAPSHOT_FIELDS);

#define RD_RAFT_MSG_FIELDS(F)                                                                         \
	F(U64, type, _, 0, .doc = "enum rd_raft_msg_type")                                            \
	F(U64, from, _, 0, .doc = "raft ids, never 0")                                                \
	F(U64, to, _, 0)                                                                              \
	F(U64, term, _, 0)                                                                            \
	F(U64, log_index, _, 0, .doc = "APPEND: previous; VOTE, TIMEOUT_NOW, APPEND_RESULT: last")    \
	F(U64, log_term, _, 0, .doc = "of log_index")                                                 \
	F(U64, commit, _, 0, .doc = "APPEND: leader's commit index")                                  \
	F(U64, rejected, _, 0, .doc = "APPEND_RESULT: index that did not match, 0 = accepted")        \
	F(BOOL, granted, _, 0, .doc = "VOTE_RESULT")                                                  \
	F(BOOL, pre_vote, _, 0, .doc = "VOTE, VOTE_RESULT")                                           \
	F(BOOL, disrupt, _, 0, .doc = "VOTE: asked for by the leader itself (hand-over)")             \
	F(BOOL, fresh, _, 0, .doc = "APPEND: the leader has fresh evidence of a quorum")              \
	F(I64, sent_us, _, 0, .doc = "APPEND, SNAPSHOT: sender's clock when it was made")             \
	F(I64, echo_us, _, 0, .doc = "APPEND_RESULT: newest sent_us accepted in this term, 0 = none") \
	F(LIST, entries, rd_raft_entry, RD_RAFT_MSG_ENTRIES_MAX, .doc = "APPEND")                     \
	F(REC, snapshot, rd_raft_snapshot, 0, .doc = "SNAPSHOT")
REC_DECLARE(rd_raft_msg, RD_RAFT_MSG_FIELDS);

const char *rd_raft_msg_name(uint64_t type); /* "append" ... or "unknown" */

/* Content beyond types and limits; IPC_FORMAT with what is wrong. */
int rd_raft_msg_check(const struct rd_raft_msg *m, struct err *e) MUST_USE;
int rd_raft_msg_encode(struct codec_out *o, const struct rd_raft_msg *m, struct err *e) MUST_USE;
/* ret borrows from arena. */
int rd_raft_msg_decode(const void *p, size_t n, struct mem_arena *arena, struct rd_raft_msg *ret,
		       struct err *e) MUST_USE;

#endif
