/* rd_group_private.h — struct rd_group, shared by the files of raftd/group; each section names its owner. */
#ifndef RD_GROUP_PRIVATE_H
#define RD_GROUP_PRIVATE_H

#include "conf/conf.h"
#include "consensus/rd_found.h"
#include "consensus/rd_lease.h"
#include "consensus/rd_logwriter.h"
#include "consensus/rd_members.h"
#include "consensus/rd_raft.h"
#include "net/rn_net.h"
#include "rd_group.h"
#include "rd_group_rule.h"
#include "state/rd_import.h"
#include "state/rd_propose_raft.h"
#include "state/rd_snapshot.h"

/* Snapshots: one is taken when so many entries were applied since the last one; the log keeps so many entries behind it;
 * it travels in pieces of so many bytes. A build for tests has small ones: tests/fixture/meson.build. */
#ifndef RD_SNAPSHOT_EVERY
#define RD_SNAPSHOT_EVERY 50000
#define RD_SNAPSHOT_TRAILING 50000
#define RD_SNAPSHOT_PIECE RD_SNAPSHOT_CHUNK
#endif

enum rd_group_phase {
	RD_PHASE_OPENING,  /* RaftDataDir */
	RD_PHASE_FOUNDING, /* blank: asks its peers */
	RD_PHASE_WAITING,  /* for the backend, or for the snapshot to be read */
	RD_PHASE_MEMBER,   /* the core runs (it may still have to be added) */
	RD_PHASE_STOPPED,  /* the log writer ends: nothing more goes into the core */
	RD_PHASE_FAILED,   /* says why; neither votes nor applies */
};

struct rd_sending;
struct rd_receiving;
TAILQ_HEAD(rd_sending_list, rd_sending);

#define RD_TOKEN_BYTES 9
struct rd_health_token {
	char text[RD_TOKEN_BYTES];
	struct mono at;
};

struct rd_reporter {
	char name[RD_MEMBER_NAME_BYTES];
	struct mono at;
};

/* A configured node and this one don't work together, as seen last: founding looks at it. */
struct rd_refused {
	char name[RD_MEMBER_NAME_BYTES];
	struct mono at;
};

/* raft-remove-peer under way; id 0 = none. */
struct rd_leaving {
	uint64_t id;
	char name[RD_MEMBER_NAME_BYTES];
	struct rd_req req;
	struct mono until;
};

struct rd_group {
	struct rd_node *node;
	char name[RD_MEMBER_NAME_BYTES]; /* own member name */
	char bind[RD_MEMBER_NAME_BYTES];
	char **names; /* configured members, own name included */
	size_t n_names;
	char conf_hash[RD_CONF_HASH_BYTES];
	char http_uri[512];
	unsigned election_ms, heartbeat_ms;
	struct mono born;

	enum rd_group_phase phase;
	char why[256]; /* of the phase, for operators */
	bool adoptable_said;
	uint64_t renewals;
	bool renewing;		    /* the directory is being wiped: this node joins (again) with a new one */
	struct rd_peer_names peers; /* as given to the net; owning */
	struct rd_refused refused[RD_MEMBERS_MAX];
	size_t n_refused;

	struct rd_logwriter *log;
	struct rn_net *net;
	struct rd_raft *raft;			     /* NULL until RD_PHASE_MEMBER */
	struct rd_stored *stored;		     /* what the directory holds, until the core has started */
	struct rd_identity identity;		     /* owning */
	char audited_cluster[RN_CLUSTER_ID_MAX + 1]; /* of the backend as found at start … */
	uint64_t audited_index;			     /* … whose audit entries up to here it has */

	/* rd_group_core.c */
	struct event *timer; /* the core's deadline; the next look at founding */
	struct event *work;  /* what must not be done inside the core's callbacks */
	unsigned changed;    /* enum rd_raft_changed bits not yet looked at */
	bool leading;	     /* as last said in the log */
	bool lease_told;     /* as last published */
	uint64_t lease_term;
	uint64_t withdrawn; /* number of the event that said that the lease is given up */
	struct mono lease_end, quorum_until, lease_sent;
	bool had_quorum;      /* since the start */
	struct err fatal;     /* an entry can't be applied */
	uint64_t undelivered; /* messages for peers that were down or slow */

	/* rd_group_snapshot.c */
	struct rd_snapshot_dump *dump;
	struct rd_raft_snapshot taking; /* owning: of the dump under way */
	uint64_t dump_offset;
	uint64_t dump_number; /* pieces of an earlier one may still be under way */
	size_t dump_pieces;   /* given to the log writer, not yet written */
	bool dump_ended;
	struct rd_req *snapshot_waiters;
	size_t n_snapshot_waiters, cap_snapshot_waiters;
	struct rd_sending_list sending;
	struct rd_receiving *receiving;
	struct rd_state *received;	  /* decoded, waits until the core has made it durable */
	struct rd_snapshot_load *loading; /* own snapshot, at start */
	uint64_t load_offset;

	/* rd_group_lead.c */
	bool stopping;
	struct mono stop_by;
	void (*on_stopped)(struct rd_node *n);
	bool give_way;					   /* asked for by a command, done in the next turn */
	bool found_proposed, uri_proposed, level_proposed; /* on their way */
	unsigned records_proposed;			   /* … and so many records */
	struct rd_leaving leaving;
	uint64_t known_at_start; /* last entry that was in the log: what comes up to it has had its effects */
	uint64_t regressed_handled;

	/* rd_group_import.c: decisions of this node's life without raft, until the group's id is known */
	struct rd_state *former;
	struct rd_import *import; /* its commands, while they are being proposed */
	size_t import_next;	  /* not yet proposed */
	size_t import_open;	  /* proposed, not answered */
	bool import_held;	  /* by the build of a voter: said once … */
	struct mono import_since; /* … after a while: us 0 = it is not held */
	bool import_failed;	  /* some have not taken effect: begun again when none is open */
	bool import_working;
	bool import_answered; /* … since the last turn */
	size_t import_refused;
	unsigned import_handovers;
	size_t import_progress;	  /* decisions of the group at the last of them */
	struct mono import_asked; /* since when this node leads a group without an id; 0 = it doesn't */

	/* rd_group_health.c */
	struct rd_health_token tokens[4];
	size_t next_token;
	struct rd_reporter reporters[RD_MEMBERS_MAX];
	size_t n_reporters;
	uint64_t hash_said;			    /* index of the newest state hash that was sent */
	struct rd_hash_said hashes[RD_MEMBERS_MAX]; /* the newest of each other member */
	size_t n_hashes;
	enum rd_hash_verdict hash_verdict;
	char diverged[256]; /* states differ: says how; "" = as far as known they don't */

	/* rd_group_status.c: what the last STATE borrows */
	struct ipc_member members[RD_MEMBERS_MAX];
	char member_ids[RD_MEMBERS_MAX][24];
	struct rec_text healthy[RD_MEMBERS_MAX];
	char leader[RD_MEMBER_NAME_BYTES];
	char hash_text[20];
};

static inline struct mono
rd_group_now(struct rd_group *g)
{
	return rd_mono(g->node);
}

/* Whether events may still go into the core. */
static inline bool
rd_group_runs(const struct rd_group *g)
{
	return g->raft != NULL && g->phase == RD_PHASE_MEMBER;
}

static inline const struct rd_state *
rd_group_state(struct rd_group *g)
{
	return g->node->decide == NULL ? NULL : rd_decisions(g->node);
}

/* --- rd_group.c ------------------------------------------------------------------------------------------------ */
void rd_group_set_phase(struct rd_group *g, enum rd_group_phase phase, const char *why);
/* Ends the membership for good: the process ends with a code after which it is not restarted blindly. */
void rd_group_fail(struct rd_group *g, int exit_code, const struct err *e);

/* --- rd_group_core.c ------------------------------------------------------------------------------------------- */
int rd_group_core_init(struct rd_group *g, struct err *e) MUST_USE;
void rd_group_core_done(struct rd_group *g);
/* Memory is made: the core starts with what the directory holds. state is taken. */
void rd_group_core_start(struct rd_group *g, struct rd_state *state, bool view_fits);
/* After each event that went into the core: looks at what changed, applies, arms the timer. */
void rd_group_core_after(struct rd_group *g);
/* Something is to be done in the next turn. */
void rd_group_want_work(struct rd_group *g);
void rd_group_to_store(const struct rd_raft_snapshot *s, struct rd_snapshot *ret);
void rd_group_core_message(struct rd_group *g, const char *peer, const void *p, size_t n);

/* --- rd_group_found.c ------------------------------------------------------------------------------------------ */
/* Own hello from what is known now; peers are told when it changed. */
void rd_group_say_hello(struct rd_group *g);
/* Once a second: … */
void rd_group_look_at_hello(struct rd_group *g);
/* Whether others may come uninvited; looked at once a tick as well. */
void rd_group_keep_door(struct rd_group *g);
/* Whom the net shall be connected with. */
void rd_group_set_peers(struct rd_group *g);
void rd_group_forget_peers(struct rd_group *g);
void rd_group_found(struct rd_group *g);
void rd_group_adopt(struct rd_group *g, const char *peer, const struct rn_hello *hello);
/* A node of the list and this one don't work together (rn_net.h: on_refused). */
void rd_group_note_refused(struct rd_group *g, const char *peer, enum rn_refuse code, const struct rn_hello *hello);
/* Forgets all that the directory holds; a new process begins that waits to be added. why: for the log. renewals: for
 * the new identity. */
void rd_group_renew(struct rd_group *g, const char *why, uint64_t renewals);

/* --- rd_group_snapshot.c --------------------------------------------------------------------------------------- */
void rd_group_snapshot_done(struct rd_group *g);
/* At start: memory from the newest snapshot in the directory. */
void rd_group_snapshot_load(struct rd_group *g);
void rd_group_snapshot_work(struct rd_group *g);
void rd_group_snapshot_tick(struct rd_group *g);
/* The state is about to be replaced: an own dump of it under way ends. May be called from inside the core. */
void rd_group_snapshot_give_up(struct rd_group *g);

/* --- rd_group_transfer.c --------------------------------------------------------------------------------------- */
void rd_group_transfer_tick(struct rd_group *g);
void rd_group_transfer_done(struct rd_group *g);
void rd_group_snapshot_send(struct rd_group *g, uint64_t to, const char *to_name, const struct rd_raft_msg *m);
void rd_group_snapshot_message(struct rd_group *g, const char *peer, const void *p, size_t n);
void rd_group_snapshot_peer_down(struct rd_group *g, const char *peer);
void rd_group_snapshot_room(struct rd_group *g, const char *peer);
void rd_group_snapshot_install(struct rd_group *g, const struct rd_raft_snapshot *s);
void rd_group_snapshot_drop(struct rd_group *g, const struct rd_raft_snapshot *s);

/* --- rd_group_lead.c, _ask.c, _end.c ----------------------------------------------------------------------------- */
void rd_group_lead(struct rd_group *g); /* a leader's duties, whenever something changed and once a second */
void rd_group_effects_work(struct rd_group *g);
/* The group's id is in the state: onto the disk and into the hello. */
void rd_group_follow_cluster_id(struct rd_group *g);
/* Members or leadership changed: a removal that is under way may have come to its end. */
void rd_group_leaving_work(struct rd_group *g);
/* While the node stops: leadership may be gone by now. */
void rd_group_go_on_stopping(struct rd_group *g);

/* --- rd_group_import.c ----------------------------------------------------------------------------------------- */
/* The backend's decisions are of a life without raft (taken): they stay until the group has an id. */
void rd_group_import_keep(struct rd_group *g, struct rd_state *former);
/* The core has started with a backend that is to be rebuilt. */
void rd_group_import_hold(struct rd_group *g);
/* A leader's duty before the group gets its id. True: nothing is left to import. */
bool rd_group_import_work(struct rd_group *g);
/* Something that was asked for here has been answered. */
void rd_group_import_turn(struct rd_group *g);
/* The group may have its id: says what becomes of this node's former decisions. */
void rd_group_import_end(struct rd_group *g);
void rd_group_import_done(struct rd_group *g);

/* --- rd_group_status.c ------------------------------------------------------------------------------------------ */
/* Why this node is not a working member, in a sentence; "" when it is. Borrowed until the next call. */
const char *rd_group_trouble(struct rd_group *g);

/* --- rd_group_health.c ----------------------------------------------------------------------------------------- */
void rd_group_health_message(struct rd_group *g, const char *peer, const void *p, size_t n);
void rd_group_candidates_message(struct rd_group *g, const char *peer, const void *p, size_t n);
void rd_group_say_hash(struct rd_group *g);
/* A leader to a member whose log no longer holds what it had acknowledged. */
void rd_group_say_lost(struct rd_group *g, const char *peer, uint64_t acknowledged);
size_t rd_group_healthy(struct rd_group *g, struct rec_text *ret, size_t max);

#endif
