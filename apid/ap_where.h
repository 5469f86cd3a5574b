/* ap_where.h — which node answers a request. Pure; http-api.md section 1.5, design.md section 9. */
#ifndef AP_WHERE_H
#define AP_WHERE_H

#include "ap_router.h"
#include "ipc/ipc.h"

/* This node among the others. */
struct ap_standing {
	bool raft;	   /* several nodes; all else says nothing without it */
	bool leads;	   /* raftd says so */
	bool lease;	   /* and its lease holds now */
	bool has_leader;   /* another node leads and its address is known */
	bool quorum_fresh; /* a majority was heard of lately */
};

struct ap_errand {
	enum ap_where where;
	bool changes;
	bool relayed; /* another node passed it on: never again */
	bool control; /* from the control socket: asks for this node's own data */
};

enum ap_place {
	AP_HERE,
	AP_HERE_STALE, /* from this node's own data, which may be old: the answer says so */
	AP_RELAY,      /* to the leader */
	AP_NO_LEADER,  /* a change, and nobody to make it */
	AP_NOT_LEADER, /* was passed on to a node that does not lead: nothing is done, the sender seeks again */
};

/* state: what raftd published last; raft_configured counts until there is one (seq 0). */
struct ap_standing ap_standing_of(const struct ipc_state *state, bool raft_configured, int64_t now_us);
enum ap_place ap_where_to(const struct ap_standing *s, const struct ap_errand *what);

#endif
