/* topo/topo.h — the records that describe servers: key, binlog coordinates, instance, probe facts.
 *
 * Pure data; the fields stand in instance.def and probe.def. Key rules: reference/probing.md section 1. */
#ifndef TOPO_TOPO_H
#define TOPO_TOPO_H

#include "base/rec.h"

/* A server is (hostname, port) everywhere, as historically. hostname "" or "_" = none; leading "//" = detached. */
#define TOPO_HOST_MAX 255
#define TOPO_KEY_FIELDS(F)                                                           \
	F(STR, hostname, _, TOPO_HOST_MAX, .json = "Hostname", .column = "hostname") \
	F(I64, port, _, 0, .json = "Port", .column = "port")
REC_DECLARE(topo_key, TOPO_KEY_FIELDS);

enum topo_coord_type { TOPO_COORD_BINARY = 0, TOPO_COORD_RELAY = 1 };
#define TOPO_COORD_FIELDS(F)                        \
	F(STR, log_file, _, 512, .json = "LogFile") \
	F(I64, log_pos, _, 0, .json = "LogPos")     \
	F(I64, type, _, 0, .json = "Type")
REC_DECLARE(topo_coord, TOPO_COORD_FIELDS);

/* Replication thread states: json-shapes.md fields 24 and 25. */
enum topo_thread { TOPO_THREAD_NONE = -1, TOPO_THREAD_STOPPED = 0, TOPO_THREAD_RUNNING = 1, TOPO_THREAD_OTHER = 2 };

/* instance.def lines carry these flags: who fills the field. */
enum topo_source {
	TOPO_PROBED = 1, /* prober, from the server's own answers */
	TOPO_MODEL = 2,	 /* raftd: name resolution, cluster attributes, configuration rules */
	TOPO_READ = 4,	 /* computed when the row is read (validity, ages, downtime, candidates) */
	TOPO_LIVE = 8,	 /* shown in live reads only, never stored */
};

#define TOPO_TEXT_MAX 4096
#define TOPO_GTID_MAX (1 << 20)
#define TOPO_LIST_MAX 4096

struct topo_instance {
#define F REC_MEMBER
#define TWIN(json_, fname)
#include "topo/instance.def"
#undef TWIN
#undef F
};
REC_DECLARE_LIST(topo_instance);

/* The JSON object in historical order: json NULL = the field's own key (skip where that is NULL too), else a legacy
 * twin of it. */
struct topo_json_key {
	const char *json;
	const struct rec_field *field;
};
const struct topo_json_key *topo_instance_json(size_t *ret_n);

enum topo_evidence {
#define EVIDENCE(name, text) TOPO_EVIDENCE_##name,
#include "topo/evidence.def"
#undef EVIDENCE
	TOPO_EVIDENCE_COUNT
};
const char *topo_evidence_text(uint64_t evidence);

/* How far a probe came. */
enum topo_phase {
	TOPO_PHASE_QUEUED = 0, /* never left the queue */
	TOPO_PHASE_RESOLVE,    /* name look-up */
	TOPO_PHASE_CONNECT,    /* TCP, TLS, login */
	TOPO_PHASE_QUERY,      /* first statements, before partial success */
	TOPO_PHASE_DETAIL,     /* after partial success */
	TOPO_PHASE_DONE
};

/* Another server as the probed one names it, before any resolution. */
#define TOPO_PEER_FIELDS(F)                \
	F(STR, hostname, _, TOPO_HOST_MAX) \
	F(I64, port, _, 0)                 \
	F(STR, user, _, 128)               \
	F(STR, server_uuid, _, 64)         \
	F(STR, state, _, 32)               \
	F(STR, role, _, 32)
REC_DECLARE(topo_peer, TOPO_PEER_FIELDS);

struct topo_probe {
#define F REC_MEMBER
#include "topo/probe.def"
#undef F
};
REC_DECLARE_LIST(topo_probe);

#endif
