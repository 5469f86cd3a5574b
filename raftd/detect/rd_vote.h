/* rd_vote.h — what nodes say to each other about a suspected server, on the channel VIEWS of the node link: the leader's
 * SUSPECT and a voter's FACTS. Facts, never conclusions: the leader merges them (rd_verdict.h). Pure. design.md section 6.
 *
 * Frames are maps of {kind, body}: unknown keys are skipped, unknown kinds dropped, so that nodes of two builds can vote
 * together. Ages are microseconds before the sender made the message, by its own CLOCK_BOOTTIME: nobody compares clocks of
 * two machines. Who speaks is the node at the other end of the link, never a field. */
#ifndef RD_VOTE_H
#define RD_VOTE_H

#include "ipc/codec.h"
#include "topo/topo.h"

#define RD_VOTE_BYTES_MAX ((size_t)1 << 20)
#define RD_VOTE_REPLICAS_MAX 1024 /* of one server; those beyond it are not asked about and count as not read */
#define RD_VOTE_NEVER INT64_C(-1)

/* A replica as the leader knows it. */
#define RD_SUSPECT_REPLICA_FIELDS(F) \
	F(REC, key, topo_key, 0)     \
	F(BOOL, valid, _, 0, .doc = "its last probe by the leader found it: worth waiting for")
REC_DECLARE(rd_suspect_replica, RD_SUSPECT_REPLICA_FIELDS);

#define RD_SUSPECT_FIELDS(F)                                                                     \
	F(U64, id, _, 0, .doc = "of the round; never 0")                                         \
	F(U64, ask, _, 0, .doc = "counts within the round, from 1")                              \
	F(REC, key, topo_key, 0, .doc = "the server")                                            \
	F(I64, answered_age_us, _, 0, .doc = "since it last answered the leader; RD_VOTE_NEVER") \
	F(I64, wait_us, _, 0, .doc = "facts that come later are of no use")                      \
	F(LIST, replicas, rd_suspect_replica, RD_VOTE_REPLICAS_MAX, .doc = "whose source it is, as the leader knows")
REC_DECLARE(rd_suspect_msg, RD_SUSPECT_FIELDS);

/* A replica as a voter read it. */
#define RD_REPLICA_FACT_FIELDS(F)                                                                           \
	F(REC, key, topo_key, 0)                                                                            \
	F(U64, evidence, _, 0, .doc = "enum topo_evidence of the newest probe made for this vote")          \
	F(BOOL, read, _, 0, .doc = "one of them could read it: what follows counts")                        \
	F(I64, read_age_us, _, 0, .doc = "of the newest reading")                                           \
	F(REC, source_key, topo_key, 0)                                                                     \
	F(STR, source_uuid, _, 64)                                                                          \
	F(I64, io_state, _, 0, .doc = "enum topo_thread")                                                   \
	F(I64, io_errno, _, 0)                                                                              \
	F(BOOL, sql_running, _, 0)                                                                          \
	F(BOOL, heard, _, 0, .doc = "events or heartbeats came in between two readings made for this vote") \
	F(BOOL, turned, _, 0, .doc = "state or error of the receiver changed between them")                 \
	F(I64, since_age_us, _, 0, .doc = "since the voter first read this state and error")                \
	F(BOOL, witnessed, _, 0, .doc = "it had read another one before")
REC_DECLARE(rd_replica_fact, RD_REPLICA_FACT_FIELDS);

#define RD_FACTS_FIELDS(F)                                                                               \
	F(U64, id, _, 0)                                                                                 \
	F(U64, ask, _, 0)                                                                                \
	F(I64, at_us, _, 0, .doc = "wall clock of the voter, for the record")                            \
	F(U64, evidence, _, 0, .doc = "enum topo_evidence of the newest attempt that said something")    \
	F(U64, unclear, _, 0, .doc = "of the newest that didn't")                                        \
	F(I64, errno_mysql, _, 0)                                                                        \
	F(BOOL, found, _, 0, .doc = "all of it could be read")                                           \
	F(U64, failed, _, 0, .doc = "attempts made for this vote that failed, in a row")                 \
	F(I64, span_us, _, 0, .doc = "from the end of the first to that of the last")                    \
	F(I64, longest_us, _, 0, .doc = "the longest time-out among them")                               \
	F(I64, answered_age_us, _, 0, .doc = "since the server last answered this voter; RD_VOTE_NEVER") \
	F(LIST, replicas, rd_replica_fact, RD_VOTE_REPLICAS_MAX, .doc = "those that the leader named")
REC_DECLARE(rd_facts, RD_FACTS_FIELDS);

enum rd_vote_kind { RD_VOTE_SUSPECT = 1, RD_VOTE_FACTS = 2 };

/* Appends. TOO_LARGE: a field beyond its limit. */
int rd_vote_encode(enum rd_vote_kind kind, const void *msg, struct codec_out *out, struct err *e) MUST_USE;
/* Bytes of a peer. The message borrows from the arena and has been checked: id and ask are not 0, keys are valid, ages and
 * counts are not negative. UNSUPPORTED: a kind of a newer build; IPC_FORMAT and others: malformed. */
struct rd_vote_msg {
	enum rd_vote_kind kind;
	union {
		struct rd_suspect_msg suspect;
		struct rd_facts facts;
	} u;
};
int rd_vote_decode(const void *p, size_t n, struct mem_arena *arena, struct rd_vote_msg *ret, struct err *e) MUST_USE;

#endif
