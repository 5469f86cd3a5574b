/* rd_command.h — replicated commands: what changes decisions, as bytes that outlive builds (rd_command.def).
 *
 * Envelope: {op, since, uid, originator, leader_time_us, payload}, a MessagePack map with string keys; payload is a map
 * too. At most RD_COMMAND_MAX bytes: longer lists are split by the proposer. Commands are idempotent by uid. Pure. */
#ifndef RD_COMMAND_H
#define RD_COMMAND_H

#include "base/rec.h"
#include "db/db_tables.h"
#include "ipc/codec.h"
#include "rd_plan.h"
#include "topo/topo.h"

#define RD_COMMAND_MAX ((size_t)256 << 10)
#define RD_KEYS_MAX 256	  /* servers in one command of the inventory */
#define RD_POOL_MAX 4096  /* members of a pool */
#define RD_FIELD_SPLIT 1u /* rec_field.flags: a longer list is split into several commands */
#define RD_UID_MAX 128
#define RD_TOKEN_DIGITS 64  /* of an access token and of its digest */
#define RD_FEATURE_LEVEL 2u /* highest `since` that this build understands */

/* Who saw what before a detection: a voter, or a replica of the server. */
#define RD_WITNESSES_MAX 600
#define RD_WITNESS_FIELDS(F)                                                       \
	F(STR, witness, _, 300, .doc = "a node's name, or a replica as host:port") \
	F(BOOL, is_replica, _, 0)                                                  \
	F(STR, seen, _, 64, .doc = "class of evidence, or what the replica says")  \
	F(STR, cause, _, 128)                                                      \
	F(I64, errno_mysql, _, 0)                                                  \
	F(U64, attempts, _, 0)                                                     \
	F(STR, reader, _, 300, .doc = "the voter that read the replica")           \
	F(I64, seen_us, _, 0, .doc = "wall clock of the voter")
REC_DECLARE(rd_witness, RD_WITNESS_FIELDS);

#define RD_INPUT_PART_MAX 49152	  /* bytes of a part of a recovery's input */
#define RD_INPUT_PARTS_MAX 1024	  /* of one recovery's beginning */
#define RD_INPUT_CHOSEN 1024	  /* from this part on: what its choice was made on, as many */
#define RD_RECOVERY_LINES_MAX 128 /* audit lines in one command */

/* One line of a recovery's audit: a step, or what was decided. */
#define RD_AUDIT_LINE_FIELDS(F)                                             \
	F(I64, at_us, _, 0, .doc = "wall; 0 = the command's time")          \
	F(U64, term, _, 0)                                                  \
	F(U64, number, _, 0, .doc = "of the step in its term; 0 = no step") \
	F(REC, key, topo_key, 0, .doc = "server; empty host = none")        \
	F(STR, statement, _, 64, .doc = "name in topo/step.def")            \
	F(STR, outcome, _, 64, .doc = "ok, failed, unknown, late, ...")     \
	F(STR, text, _, 1024, .doc = "for people: the server's error, what was chosen")
REC_DECLARE(rd_audit_line, RD_AUDIT_LINE_FIELDS);

#define F REC_MEMBER
#define RD_OP(NAME, name, wire, since, ...) \
	struct rd_cmd_##name {              \
		__VA_ARGS__                 \
	};
#include "rd_command.def"
#undef RD_OP
#undef F

enum rd_op {
#define F(...)
#define RD_OP(NAME, name, wire, since, ...) RD_OP_##NAME,
#include "rd_command.def"
#undef RD_OP
#undef F
	RD_OP_COUNT
};

const char *rd_op_name(enum rd_op op); /* on the wire and in logs: "begin-downtime" */
const struct rec_desc *rd_op_desc(enum rd_op op);
uint32_t rd_op_since(enum rd_op op);
/* The list of the op that may be split over several commands; NULL = none. */
const struct rec_field *rd_op_split_field(enum rd_op op);

struct rd_command {
	enum rd_op op;
	const char *uid;	/* 1..RD_UID_MAX bytes; the same uid again is the same command */
	const char *originator; /* node that proposed it, for records and audit */
	int64_t leader_time_us; /* wall, of the leader when it proposed; apply makes it monotonic */
	const void *payload;	/* struct rd_cmd_<name> of the op */
};

/* The feature level that a node needs to understand c: the op's, or that of the newest field in use (rd_fields_since).
 * The proposer refuses a command above the replicated level (rd_state_feature_level). */
uint32_t rd_command_since(const struct rd_command *c);
uint32_t rd_fields_since(const struct rec_desc *d, const void *rec);
/* ERR_UNSUPPORTED when c needs more than level. */
int rd_command_gate(const struct rd_command *c, uint32_t level, struct err *e) MUST_USE;

/* Appends. ERR_TOO_LARGE beyond RD_COMMAND_MAX or a field's limit. */
int rd_command_encode(const struct rd_command *c, struct codec_out *out, struct err *e) MUST_USE;
/* ret borrows from the arena. ERR_UNSUPPORTED: an op, or a since, of a newer build (the node must be upgraded before it
 * may go on); ERR_IPC_FORMAT and others: malformed. */
int rd_command_decode(const void *p, size_t n, struct mem_arena *arena, struct rd_command *ret, struct err *e) MUST_USE;

#endif
