/* rd_node_private.h — struct rd_node: everything of this process, shared by raftd's shells. Private to raftd/.
 *
 * All of it belongs to the loop. The pure parts (model, names, schedules, suspicion …) know nothing of it; the shells
 * rd_*.c each own the part named in their section. */
#ifndef RD_NODE_PRIVATE_H
#define RD_NODE_PRIVATE_H

#include <event2/event.h>

#include "base/clock.h"
#include "ipc/link.h"
#include "proc/proc.h"
#include "rd_candidates.h"
#include "rd_health_rule.h"
#include "rd_metrics.h"
#include "rd_listing.h"
#include "rd_model.h"
#include "rd_periodic.h"
#include "rd_probers.h"
#include "rd_resolve.h"
#include "rd_rules.h"
#include "rd_samples.h"
#include "rd_steps.h"
#include "rd_story.h"
#include "rd_suspect.h"
#include "state/rd_propose.h"

struct conf;
struct rd_group;
struct rd_node;
struct rd_raft_door;

/* One link as its handlers see it. */
struct rd_door {
	struct rd_node *node;
	struct ipc_link *link;
	unsigned slot; /* of a prober */
};

/* A request of apid: answered only to the process that asked, whose ids a later one uses again. */
struct rd_req {
	uint64_t id; /* 0 = nobody waits */
	uint64_t generation;
};

/* rd_flush.c: what waits for the backend besides the servers queued in the model. */
struct rd_flush {
	struct event *timer;
	struct rd_changes rows;		    /* audit, names, aliases … */
	struct str_buf lines;		    /* for the audit file */
	bool under_way;			    /* one batch at a time */
	bool hurry;			    /* the next one follows at once */
	void (*drained)(struct rd_node *n); /* at the end: called when all is written */
	uint64_t batch;			    /* number of the newest batch given to the writer */
	uint64_t written;		    /* newest batch that is in the backend */
	struct mono ended;		    /* the batch before this one */
};

/* rd_health.c */
struct rd_backend_health {
	bool open;
	int64_t failing_since_us; /* wall; 0 = not failing */
	struct mono failing_from; /* the same, for durations */
	struct rd_health_rule rule;
	struct err error;      /* of the newest failure */
	struct mono logged;    /* last time a failure was logged */
	int64_t first_seen_us; /* wall: since when this node is active */
	uint64_t beats;
	struct mono registered; /* newest heartbeat that was written */
	bool registering;	/* a heartbeat is under way */
	struct rd_req *waiters; /* of NODE_HEALTH */
	size_t n_waiters, cap_waiters;
};

/* rd_waiter.c: a request whose answer waits for a decision; freed with the node if none came. */
struct rd_waiter {
	TAILQ_ENTRY(rd_waiter) next;
	struct rd_node *node;
	struct rd_req req;
	char *text; /* for the answer, or NULL */
};
TAILQ_HEAD(rd_waiter_list, rd_waiter);

struct rd_ask;
TAILQ_HEAD(rd_ask_list, rd_ask);

struct rd_parked;
TAILQ_HEAD(rd_parked_list, rd_parked);

struct rd_node {
	struct proc *proc;
	struct event_base *base;
	struct clock *clock;
	struct rd_rules *rules;
	bool one_shot; /* no continuous probing, no seeds */
	bool stopping;
	bool ended; /* its parts are being freed */
	unsigned n_probers;

	struct rd_view *view;
	struct rd_group *group;	    /* NULL: no raft */
	struct rd_proposer *decide; /* NULL until the backend is read */
	struct rd_loaded *loading;  /* what was read, while it is being taken over */
	size_t loaded;		    /* its instances taken so far */
	struct event *load_timer;

	struct rd_model model;
	struct rd_resolve *names;
	struct rd_candidates candidates;
	struct rd_suspect *suspect;
	struct rd_detect *detect;
	struct rd_recoveries *recoveries;
	struct rd_probers *probers;
	struct rd_steps *steps;

	/* rd_link.c */
	struct rd_door *prober_doors; /* n_probers */
	struct rd_door apid_door, events_door;
	struct rd_waiter_list waiters;
	struct event *tell; /* watches changed */

	/* rd_discover.c */
	struct rd_listing listing; /* found, to be proposed as inventory-add */
	struct event *list_timer;

	struct rd_flush flush;
	struct rd_backend_health health;
	struct rd_parked_list parked; /* rd_names.c: results whose names are being looked up */
	struct rd_story story;
	struct rd_ask_list asks; /* rd_ask.c: DISCOVER requests */
	size_t n_asks;
	size_t n_reaches; /* rd_reach.c: connects under way */

	/* rd_house.c */
	struct mono analysing_since; /* 0 = not yet */
	struct rd_periodic periodic;
	struct event *periodic_timer;
	bool expiring;
	int64_t aliases_refreshed_us;
	uint64_t aliases_print;	    /* fingerprint of what was written */
	struct mono topologies_due; /* next snapshot of the topologies */

	/* rd_publish.c */
	uint64_t published; /* sequence number */
	struct rd_metrics metrics;
	struct rd_pool_stats *pool_stats;
	struct rd_samples samples;
};

static inline int64_t
rd_now_us(struct rd_node *n)
{
	return clk_wall(n->clock).us;
}

static inline struct mono
rd_mono(struct rd_node *n)
{
	return clk_mono(n->clock);
}

static inline const struct rd_state *
rd_decisions(const struct rd_node *n)
{
	return rd_proposer_state(n->decide);
}

/* With which exit code (proc_contract.h) the process ends when what it keeps its data in can't be used. */
static inline int
rd_exit_code(int code)
{
	switch (code) {
	case ERR_DB_VERSION:
		return PROC_EXIT_VERSION;
	case ERR_PERMISSION:
		return PROC_EXIT_PERMISSION;
	case ERR_UNSUPPORTED:
	case ERR_CONFIG:
	case ERR_NOT_FOUND:
		return PROC_EXIT_CONFIG;
	default:
		return PROC_EXIT_BACKEND;
	}
}

/* Whether this node may propose: without raft always, once the backend is read. */
bool rd_node_leads(struct rd_node *n);
/* Memory is made (rd_group.h, or the backend without raft): from now on this node knows and decides. state is taken;
 * raft NULL: the database is the truth. */
void rd_node_become_active(struct rd_node *n, const struct rd_raft_door *raft, struct rd_state *state, bool view_fits);

/* --- rd_link.c: sockets and their handlers --------------------------------------------------------------------- */
int rd_link_open(struct rd_node *n, struct err *e) MUST_USE;
void rd_link_close(struct rd_node *n);
void rd_link_peer(struct rd_node *n, const struct ipc_child_peer *m);
/* The watches changed: the probers are told at the end of this turn of the loop. */
void rd_link_tell(struct rd_node *n);
/* Answers a request of apid. keys (of which TOPO_LIST_MAX are told) and inst may be NULL. */
void rd_reply_ok(struct rd_node *n, struct rd_req req, uint64_t index, const struct topo_key_list *keys,
		 const struct topo_instance *inst);
void rd_reply_names(struct rd_node *n, struct rd_req req, const struct ipc_name_list *names);
void rd_reply_message(struct rd_node *n, struct rd_req req, uint64_t index, const char *message);
void rd_reply_text(struct rd_node *n, struct rd_req req, const struct str_buf *text);
void rd_reply_promoted(struct rd_node *n, struct rd_req req, uint64_t index, const struct topo_key *promoted,
		       const char *message);
void rd_reply_error(struct rd_node *n, struct rd_req req, const struct err *e);

/* --- rd_waiter.c ----------------------------------------------------------------------------------------------- */
struct rd_waiter *rd_waiter_new(struct rd_node *n, struct rd_req req, const char *text);
void rd_waiter_free(struct rd_waiter *w);
void rd_waiters_done(struct rd_node *n);

/* --- rd_work.c: probe results ---------------------------------------------------------------------------------- */
/* What became of one probe, for whoever asked for it. */
struct rd_probed {
	struct rd_server *server; /* NULL: not found, or skipped */
	bool skipped;		  /* by a discovery filter */
	const struct err *e;	  /* neither: why */
	const struct topo_probe *probe;
};
void rd_work_result(struct rd_node *n, const struct topo_probe *p);
/* The same, once its names are known. */
void rd_work_process(struct rd_node *n, const struct topo_probe *p);
/* Watches the server as its place in the topology asks for, or no more. */
void rd_work_watch(struct rd_node *n, const struct topo_key *key);
bool rd_server_is_valid(const struct rd_server *s);
bool rd_server_has_replicas(const struct rd_node *n, const struct rd_server *s);

/* --- rd_names.c: host names in results ------------------------------------------------------------------------- */
/* As far as the cache knows; borrowed until the next call. */
const char *rd_names_resolve(struct rd_node *n, const char *host);
/* True: the result was taken and waits for look-ups; it goes to rd_work_process then. */
bool rd_names_park(struct rd_node *n, const struct topo_probe *p);
/* The key under which a server that calls itself host is filed; owning. */
void rd_names_own_key(struct rd_node *n, const struct topo_probe *p, const char *host, struct topo_key *ret);
void rd_names_done(struct rd_node *n);

/* --- rd_suspicion.c: probes at once ---------------------------------------------------------------------------- */
void rd_work_lost(struct rd_node *n, const struct ipc_connection_lost *m);
/* What the replicas of a suspect know is fresh evidence. */
void rd_work_suspect_replicas(struct rd_node *n, const struct topo_key *key);
/* Probes suspects as far as their number allows. */
void rd_work_suspects(struct rd_node *n);

/* --- rd_detect.c: votes about suspected servers ---------------------------------------------------------------- */
struct rd_detect *rd_detect_new(struct rd_node *n);
void rd_detect_free(struct rd_detect *d); /* NULL is fine */
/* A probe of s has ended; found: it could be read, and s holds what was read. */
void rd_detect_probed(struct rd_node *n, struct rd_server *s, const struct topo_probe *p);
void rd_detect_lost(struct rd_node *n, struct rd_server *s, const struct ipc_connection_lost *m);
/* Bytes of another node of the group. */
void rd_detect_message(struct rd_node *n, const char *peer, const void *p, size_t len);
/* Once a second: suspicions about which nobody is being asked. */
void rd_detect_tick(struct rd_node *n);

/* --- rd_discover.c: who is known ------------------------------------------------------------------------------- */
void rd_discover_seeds(struct rd_node *n);
void rd_discover_neighbours(struct rd_node *n, const struct topo_instance *inst);
/* Somebody named key: a candidate, unless it is known, filtered or forgotten. */
void rd_discover_name(struct rd_node *n, const struct topo_key *key, bool seed);
/* Found and not listed yet: into the inventory, at once or with others. */
void rd_discover_list(struct rd_node *n, const struct topo_key *key, bool now);
void rd_discover_drop_candidate(struct rd_node *n, const struct topo_key *key);
/* Proposes that servers be forgotten; keys: at most RD_KEYS_MAX. */
void rd_discover_forget(struct rd_node *n, const struct topo_key_list *keys, const char *audit_type,
			const char *message);
void rd_discover_applied(struct rd_node *n, const struct rd_applied *a);
/* A server of the inventory, as its row says; takes inst (owning, empty afterwards). */
void rd_discover_known(struct rd_node *n, struct topo_instance *inst);
/* The model follows the inventory again, after memory was read from the backend. */
void rd_discover_reconcile(struct rd_node *n);
void rd_discover_done(struct rd_node *n);

/* --- rd_ask.c: DISCOVER requests ------------------------------------------------------------------------------- */
void rd_ask_discover(struct rd_node *n, struct rd_req req, const struct ipc_discover *m);
/* A batch was written (e NULL) or failed: answers who waited for it. */
void rd_ask_written(struct rd_node *n, const struct err *e);
/* Listing keys failed. */
void rd_ask_not_listed(struct rd_node *n, const struct err *e);
void rd_ask_tick(struct rd_node *n);
void rd_ask_done(struct rd_node *n);

/* --- rd_ipc.c: apid's requests --------------------------------------------------------------------------------- */
#define CTX struct rd_door
#define F(...)
#define IPC_MSG(NAME, name, id, from, ...) void rd_on_##name(CTX *door, struct ipc_link *l, const struct ipc_##name *m);
#include "ipc/to_raftd.def"
#undef IPC_MSG
#undef F
#undef CTX

/* --- rd_flush.c: telemetry to the backend ---------------------------------------------------------------------- */
int rd_flush_start(struct rd_node *n, struct err *e) MUST_USE;
void rd_flush_done(struct rd_node *n);
/* Writes what is dirty within InstanceFlushIntervalMilliseconds, or at once. */
void rd_flush_soon(struct rd_node *n);
void rd_flush_now(struct rd_node *n);
/* At the end: writes everything, batch by batch, then calls drained; at once when there is nothing, or when a batch
 * fails. */
void rd_flush_drain(struct rd_node *n, void (*drained)(struct rd_node *n));
/* Whether there is nothing left to write. */
bool rd_flush_is_idle(const struct rd_node *n);
/* Adds a row to the next batch; bounded (counted, dropped). */
void rd_flush_row(struct rd_node *n, enum rd_change_kind kind, enum db_table table, const void *row);
void rd_flush_rows(struct rd_node *n, struct rd_changes *rows); /* moved */
void rd_flush_line(struct rd_node *n, const char *line);

/* --- rd_health.c: heartbeat and the state of the backend ------------------------------------------------------- */
void rd_health_beat(struct rd_node *n);
void rd_health_ask(struct rd_node *n, struct rd_req req);
/* Work on the backend ended with rc. */
void rd_health_backend(struct rd_node *n, enum rd_health_work work, int rc, const struct err *e);
void rd_health_done(struct rd_node *n);

/* --- rd_publish.c ---------------------------------------------------------------------------------------------- */
void rd_publish_state(struct rd_node *n);
/* Returns the number of the event. */
uint64_t rd_publish_lease(struct rd_node *n, bool leads, uint64_t term, struct mono lease_end,
			  struct mono quorum_until);
void rd_publish_metrics(struct rd_node *n);
void rd_publish_changed(struct rd_node *n, const struct topo_key_list *keys, bool more);
/* Samples, published together: a probe with what raftd itself needed for it; a write to the backend (struct rd_node *);
 * a batch of n servers' rows. */
void rd_publish_probe(struct rd_node *n, const struct topo_probe *p, int64_t handled_us);
void rd_publish_write(void *node, const struct rd_job *job);
void rd_publish_flush(struct rd_node *n, size_t instances, int64_t waited_us, int64_t took_us);
void rd_publish_samples(struct rd_node *n);

/* --- rd_audit.c ------------------------------------------------------------------------------------------------ */
/* key may be NULL: an entry about the node. */
void rd_audit(struct rd_node *n, const char *type, const struct topo_key *key, const char *message);
/* Of something that happened at another time: a command is applied later on a node that was away. */
void rd_audit_at(struct rd_node *n, int64_t at_us, const char *type, const struct topo_key *key, const char *message);

/* --- rd_house.c: periodic work --------------------------------------------------------------------------------- */
int rd_house_start(struct rd_node *n, struct err *e) MUST_USE;
void rd_house_done(struct rd_node *n);
/* Conditions changed: the schedule is looked at again. */
void rd_house_wake(struct rd_node *n);
/* How long decisions without an end live, as configured. */
struct rd_lives rd_house_lives(const struct rd_node *n);

#endif
