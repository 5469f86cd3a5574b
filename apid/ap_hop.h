/* ap_hop.h — which headers a proxy passes on. Pure. */
#ifndef AP_HOP_H
#define AP_HOP_H

#include "base/base.h"

/* Ours. Marker of a request that a node passed on, its value the node's member name: it is not passed on again. */
#define AP_HEADER_RELAYED "X-Orchestrator-Relayed"
/* Answer of a node that does not lead to such a request; nothing was done. */
#define AP_HEADER_NOT_LEADER "X-Orchestrator-Not-Leader"
/* Answer to a change: raft index of the (last) command. */
#define AP_HEADER_INDEX "X-Orchestrator-Raft-Index"
/* 200 of leader-check with raft: the term in which this node leads. No two nodes lead in the same one, and it only grows:
 * answers can be put in order. */
#define AP_HEADER_TERM "X-Orchestrator-Raft-Term"
/* "true": the answer comes from this node's own data, which may be behind. */
#define AP_HEADER_STALE "X-Orchestrator-Stale"
/* Of a change: the client's own name for it, at most IPC_UID_MAX printable bytes. Asked for again under that name, through
 * any node, it is not made again. */
#define AP_HEADER_UID "Idempotency-Key"

/* An end-to-end header (RFC 9110 section 7.6.1) with nothing in it that could become another header. connection: value
 * of the message's Connection header, NULL or "" when it has none; what it names stays behind, too. Lengths and the
 * markers above are left to whoever writes the message. */
bool ap_hop_passes(const char *name, const char *value, const char *connection);

#endif
