/* ipc/ipc.h — the messages between our processes: one .def table per receiver, everything else derived from it.
 *
 * Envelope (MessagePack array): [proto, type, seq, sender role, sender generation, receiver generation, payload]. proto
 * is a hash over all tables: one build talks to itself, a mismatch ends in the "version" exit code. Payloads are
 * positional arrays of the message's fields. Limits stand in the tables and are checked on both sides. design.md
 * section 10. */
#ifndef IPC_IPC_H
#define IPC_IPC_H

#include "base/rec.h"
#include "topo/topo.h"

enum ipc_role {
	IPC_ROLE_SUPERVISOR = 1,
	IPC_ROLE_RAFTD = 2,
	IPC_ROLE_PROBER = 4,
	IPC_ROLE_APID = 8,
	IPC_ROLE_CHILDREN = IPC_ROLE_RAFTD | IPC_ROLE_PROBER | IPC_ROLE_APID,
};
const char *ipc_role_name(uint32_t role);

/* Connector lanes: one lane full of black holes delays no other (design.md section 5). */
enum ipc_lane { IPC_LANE_URGENT = 0, IPC_LANE_SOURCES, IPC_LANE_REGULAR, IPC_LANE_DEAD, IPC_LANE_COUNT };
enum ipc_target_flags {
	IPC_TARGET_HAS_REPLICAS = 1, /* ping every second, SOURCES lane */
	IPC_TARGET_IS_ROOT = 2,	     /* depth 0: cluster domain query */
	IPC_TARGET_HURRY = 4,	     /* first probe at once rather than spread */
	IPC_TARGET_FAILED_OVER = 8,  /* try every 250 ms instead of backing off */
};
enum ipc_discover_mode { IPC_DISCOVER_REFRESH = 0, IPC_DISCOVER_TOPOLOGY, IPC_DISCOVER_ASYNC };

#define IPC_PROBE_WINDOW 256u

#define IPC_TARGET_FIELDS(F)     \
	F(REC, key, topo_key, 0) \
	F(U64, flags, _, 0)
REC_DECLARE(ipc_target, IPC_TARGET_FIELDS);

#define IPC_METRIC_FIELDS(F) \
	F(STR, name, _, 96)  \
	F(F64, value, _, 0)  \
	F(BOOL, counter, _, 0)
REC_DECLARE(ipc_metric, IPC_METRIC_FIELDS);

/* A member of the raft group as this node sees it. What only the leader knows is 0 elsewhere. */
#define IPC_MEMBER_FIELDS(F)                                                                                \
	F(STR, name, _, 300)                                                                                \
	F(STR, id, _, 64, .doc = "raft id, decimal")                                                        \
	F(STR, role, _, 16, .doc = "voter, learner or spare")                                               \
	F(STR, uri, _, 1024, .doc = "of its apid, empty while unknown")                                     \
	F(I64, last_contact_us, _, 0, .doc = "struct mono: newest frame from it; 0 = none since the start") \
	F(U64, match_index, _, 0, .doc = "leader only: what it has for certain")                            \
	F(BOOL, connected, _, 0)                                                                            \
	F(STR, version, _, 64)                                                                              \
	F(STR, trouble, _, 512, .doc = "why it is not connected or was refused, empty when all is well")
REC_DECLARE(ipc_member, IPC_MEMBER_FIELDS);

/* A host name in raftd's cache. */
#define IPC_NAMES_MAX 8192
#define IPC_NAME_FIELDS(F)                 \
	F(STR, hostname, _, TOPO_HOST_MAX) \
	F(STR, resolved, _, TOPO_HOST_MAX) \
	F(I64, expires_us, _, 0, .doc = "wall")
REC_DECLARE(ipc_name, IPC_NAME_FIELDS);

#define IPC_ALL_DEFS "ipc/all.def"

/* What took how long, in microseconds; at_us is wall time, and comes first in each of them. A probe: */
#define IPC_SAMPLES_MAX 4096
#define IPC_PROBE_SAMPLE_FIELDS(F)                                                                      \
	F(I64, at_us, _, 0, .doc = "when raftd was done with its result")                               \
	F(REC, key, topo_key, 0, .doc = "as asked for")                                                 \
	F(I64, instance_us, _, 0, .doc = "the prober's part: from its beginning to its end")            \
	F(I64, backend_us, _, 0, .doc = "raftd's part: what it did with the result")                    \
	F(I64, total_us, _, 0, .doc = "from the beginning until raftd was done, ways and waiting too")  \
	F(I64, failure, _, 0, .doc = "0: found; -1: not; else the number of the error the server gave") \
	F(STR, error, _, 256, .doc = "that error")
REC_DECLARE(ipc_probe_sample, IPC_PROBE_SAMPLE_FIELDS);

/* A write to the backend. */
#define IPC_WRITE_SAMPLE_FIELDS(F)                                         \
	F(I64, at_us, _, 0)                                                \
	F(I64, waited_us, _, 0, .doc = "until the view writer took it up") \
	F(I64, took_us, _, 0, .doc = "its transaction")                    \
	F(BOOL, failed, _, 0)
REC_DECLARE(ipc_write_sample, IPC_WRITE_SAMPLE_FIELDS);

/* A batch of servers' rows: one of those writes. */
#define IPC_FLUSH_SAMPLE_FIELDS(F)                                             \
	F(I64, at_us, _, 0)                                                    \
	F(U64, instances, _, 0)                                                \
	F(I64, waited_us, _, 0, .doc = "since the end of the batch before it") \
	F(I64, took_us, _, 0, .doc = "its transaction")
REC_DECLARE(ipc_flush_sample, IPC_FLUSH_SAMPLE_FIELDS);

/* struct ipc_<name> for each message */
#define F REC_MEMBER
#define IPC_MSG(NAME, name, id, from, ...) \
	struct ipc_##name {                \
		__VA_ARGS__                \
	};
#include IPC_ALL_DEFS
#undef IPC_MSG
#undef F

enum ipc_type {
	IPC_HELLO = 1,
#define F(...)
#define IPC_MSG(NAME, name, id, from, ...) IPC_##NAME = (id),
#include IPC_ALL_DEFS
#undef IPC_MSG
#undef F
};

struct ipc_msg_info {
	uint32_t type;
	const char *name; /* "PROBE_RESULT" */
	uint32_t from;	  /* mask of ipc_role that may send it */
	const struct rec_desc *desc;
};
/* NULL when unknown */
const struct ipc_msg_info *ipc_msg_info(uint32_t type);
size_t ipc_msg_count(void);
const struct ipc_msg_info *ipc_msg_at(size_t i);
/* Hash over names, kinds and limits of all messages. */
uint32_t ipc_proto(void);

#define IPC_UID_MAX 64	       /* bytes of a client's own name for a change */
#define IPC_TEXT_MAX (6 << 20) /* text of a REPLY; whoever has more says so, nothing is cut */
/* Largest encoded message a sender may produce; receivers accept IPC_RECEIVE_MAX before they drop the link. */
#define IPC_SEND_MAX ((size_t)8 << 20)
#define IPC_RECEIVE_MAX ((size_t)16 << 20)

#endif
