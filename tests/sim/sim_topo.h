/* sim_topo.h — MySQL and MariaDB servers of one replication cluster, for runs with --topology: above them runs raftd's own
 * detection (rd_detect*.c and detect/), its recoveries (rd_recoveries.c, rd_recover*.c, recovery/), steps (rd_steps.c)
 * and probe results (rd_work.c, the model), below everything that the other runs have. Of the prober only its memory of
 * steps (pr_fence.c) is real.
 *
 *   sim_server.c      a server: transactions, replication     sim_server_step.c   its statements, and the lock for steps
 *   sim_lie.c         what it tells probes that is not so
 *   sim_prober.c      a node's prober: steps, life            sim_prober_probe.c  its probes and lost connections
 *   sim_brain.c       the rest of struct rd_node              sim_topo_load.c     who writes on servers
 *   sim_topo_check.c  invariants 3 to 6    sim_topo_faults.c  what goes wrong
 *   sim_topo_operators.c  who mends it   sim_topo_mutants.c  deliberate mistakes
 *
 * Servers live in true time (sim.now); everything in `topo` outlives the nodes. */
#ifndef SIM_TOPO_H
#define SIM_TOPO_H

#include "pr_fence.h"
#include "sim.h"
#include "topo/step.h"

#define SIM_SERVERS_MAX 6
#define SIM_SERVER_ID(s) (100 + (s)->i)
#define SIM_NOBODY SIM_SERVERS_MAX /* as a source: none */

enum sim_topo_fault {
#define SIM_TOPO_FAULT(NAME, what, weight) SIM_TOPO_##NAME,
#include "sim_topo_faults.def"
#undef SIM_TOPO_FAULT
	SIM_TOPO_FAULT_COUNT
};
enum sim_moment {
#define SIM_MOMENT(NAME, what) SIM_MOMENT_##NAME,
#include "sim_moments.def"
#undef SIM_MOMENT
	SIM_MOMENT_COUNT
};

/* --- transactions: of each origin a server has the first n ------------------------------------------------------- */
struct sim_txn {
	size_t origin; /* server that wrote it */
	uint64_t n;    /* its number there */
	uint64_t seq;  /* MariaDB: in domain 0 */
};
struct sim_log {
	struct sim_txn *v;
	size_t n, cap;
};
struct sim_set {
	uint64_t n[SIM_SERVERS_MAX];
};
bool sim_set_has(const struct sim_set *s, const struct sim_txn *t);
bool sim_set_contains(const struct sim_set *a, const struct sim_set *b);
void sim_set_join(struct sim_set *into, const struct sim_set *more);

/* --- servers ------------------------------------------------------------------------------------------------------ */
enum sim_way { SIM_WAY_OPEN, SIM_WAY_SILENT, SIM_WAY_REFUSED };

/* Changes what a probe has read of s. */
struct sim_server;
typedef void sim_lie_fn(const struct sim_server *s, struct topo_probe *p);

/* A connection that holds the lock for steps, and the statement on it. */
struct sim_session {
	bool used, running; /* running: the statement has arrived, its effect has not come */
	uint64_t id;
	size_t node; /* whose prober */
	uint64_t prober;
	struct ipc_step step; /* owned */
	int64_t effect_at;
	int64_t give_up_at; /* WAIT_EXECUTED */
};

struct sim_server {
	size_t i;
	char host[32], uuid[64];
	struct topo_key key;

	/* the process */
	bool up, starting;
	uint64_t boots;
	int64_t restart_at;    /* 0: nobody starts it */
	int64_t paused_until;  /* SIGSTOP */
	int64_t crowded_until; /* max_connections exhausted */
	bool read_only, writable_at_boot;
	const char *rule; /* for promotions, as operators want it; NULL: none */
	int64_t rule_at;  /* the group has it since then; 0: not yet */

	struct sim_log binlog, relay;
	struct sim_set executed, received; /* received: executed and relay */
	uint64_t seq;			   /* MariaDB: newest executed */
	struct sim_set base;		   /* MySQL: what it had when its channel was made; the rest was retrieved */

	/* the channel */
	size_t source; /* SIM_NOBODY */
	bool detached;
	bool io, sql; /* started */
	bool connected;
	uint64_t source_boots; /* of the connection */
	int64_t io_errno, heard_at, try_at;
	uint64_t heartbeats;
	int64_t apply_at;	  /* not before: lag */
	bool stopped_by_operator; /* by one, or as configured (skip_start): one will start them again */
	int64_t both_stopped_at;  /* by one; 0: never */
	bool skip_start;

	/* semi-sync; as a source: whether commits wait, and what was acknowledged by so many */
	bool acks;	/* as a replica: enabled */
	bool acks_here; /* … and negotiated with the source it is, or was, connected to; until it is stopped */
	bool degraded;	/* a commit has waited too long: none does until replicas have caught up */
	uint64_t n_acked;
	int64_t booted_at;

	sim_lie_fn *lie;
	int64_t lies_until;
	struct topo_probe old; /* owned: what it told when it began to lie */

	struct sim_session session;
	int64_t trouble_at; /* newest: it was down, stopped, cut off from somebody, or a step of it was lost */
};

struct sim_topo {
	bool on, mariadb;
	bool semi_sync, after_sync;
	size_t ack_count;
	int64_t ack_timeout_us;
	size_t n;
	struct sim_server s[SIM_SERVERS_MAX];
	enum sim_way way[SIM_NODES_MAX][SIM_SERVERS_MAX];
	bool apart[SIM_SERVERS_MAX][SIM_SERVERS_MAX]; /* servers that hear nothing of each other */
	int64_t heal_at;
	int64_t poll_us, net_timeout_us, retry_us, lag_us;
	uint64_t sessions;
	uint64_t faults[SIM_TOPO_FAULT_COUNT], moments[SIM_MOMENT_COUNT];
	uint64_t recoveries, promotions, proven, undone, purged, steps;
};
extern struct sim_topo topo;

/* --- sim_server.c */
void sim_servers_start(void);
void sim_servers_done(void);
struct sim_server *sim_server_find(const struct topo_key *key); /* NULL */
bool sim_server_runs(const struct sim_server *s);		/* it can do anything */
enum sim_way sim_server_way(size_t node, const struct sim_server *s);
void sim_server_kill(struct sim_server *s, int64_t restart_us); /* -1: nobody starts it again */
void sim_server_boot(struct sim_server *s);
/* Operators: threads start; it becomes a copy and a replica of another one. */
void sim_server_start_threads(struct sim_server *s);
void sim_server_copy(struct sim_server *s, const struct sim_server *from);
void sim_server_write(struct sim_server *s, struct sim_txn *ret);
/* GET_LOCK; false: somebody holds it. */
bool sim_server_lock(struct sim_server *s, size_t node, uint64_t prober, uint64_t *ret_id);
void sim_server_unlock(struct sim_server *s, uint64_t id);
/* The statement has arrived; sim_prober_answered follows, unless the session ends before. */
void sim_server_run(struct sim_server *s, uint64_t id, const struct ipc_step *m);
/* KILL IS_USED_LOCK(): false: nobody held it. */
bool sim_server_break(struct sim_server *s);
/* What a probe reads; borrows from s and the arena. */
void sim_server_read(const struct sim_server *s, struct mem_arena *arena, struct topo_probe *p);
const char *sim_set_text(const struct sim_server *s, bool received, struct mem_arena *arena);

void sim_relay_purge(struct sim_server *s, bool by_step);
/* --- sim_server_step.c */
void sim_session_work(struct sim_server *s);
void sim_session_end(struct sim_server *s);
void sim_threads_start(struct sim_server *s, bool io, bool sql, bool by_step);

/* --- sim_lie.c */
bool sim_server_lies(const struct sim_server *s);
void sim_server_lie(struct sim_server *s, sim_lie_fn *lie, int64_t us);
sim_lie_fn sim_lie_old, sim_lie_read_only, sim_lie_gtid, sim_lie_identity;

/* --- sim_topo_load.c */
void sim_load_start(void);
/* A commit that waits for acknowledgements on s. */
bool sim_load_waits(const struct sim_server *s);
/* What clients were told of: of each server the first n. */
const struct sim_set *sim_load_told(void);
/* It waits no longer: nobody will ever say whether it was committed. */
void sim_load_ended(const struct sim_server *s);
/* It was made a copy: what it lacks now was lost before. */
void sim_load_copied(const struct sim_server *s);
/* Replicas that acknowledge commits of s now; of t, if that is not NULL: those that have. */
size_t sim_load_acks(const struct sim_server *s, const struct sim_txn *t);

/* --- sim_prober.c */
extern const struct rd_prober_ops sim_prober_ops;
void sim_probers_start(void);		   /* once in a run */
void sim_prober_begin(struct sim_node *n); /* raftd of n is up */
void sim_prober_kill(size_t node, int64_t restart_us);
void sim_prober_pause(size_t node, int64_t us);
int sim_prober_step(struct sim_node *n, const struct ipc_step *m, struct err *e) MUST_USE;
/* Of a server: 0, or a code. */
void sim_prober_answered(const struct sim_session *s, const struct sim_server *from, int code);
void sim_prober_lost(struct sim_server *s); /* it died: whoever was connected is told, or not */
void sim_probers_done(void);
bool sim_prober_is_well(size_t node);
bool sim_prober_lives(size_t node, uint64_t life); /* that very process */

/* --- sim_brain.c */
void sim_brain_configure(struct sim_node *n);
void sim_brain_start(struct sim_node *n);
void sim_brain_end(struct sim_node *n);
void sim_brain_tick(struct sim_node *n);
void sim_brains_done(void);

/* --- sim_topo_check.c */
void sim_topo_check_start(void);
void sim_topo_check_done(void);
void sim_topo_check_step(void);
bool sim_topo_recovering(void);
void sim_topo_check_applied(struct sim_node *n, const struct rd_applied *a);
/* A step is being written to a socket. */
void sim_topo_check_written(struct sim_node *n, const struct sim_server *s, const struct ipc_step *m);
void sim_topo_check_promoted(struct sim_server *s, const struct ipc_step *m);
void sim_topo_check_purged(struct sim_server *s, const struct sim_set *what);
bool sim_topo_all_well(char *why, size_t size);

/* --- sim_topo_votes.c */
size_t sim_topo_votes(const struct rd_state *s, const struct topo_key *failed);

/* --- sim_topo_operators.c */
void sim_operators_start(void);
void sim_operators_mend(void); /* networks */

/* --- sim_topo_faults.c */
void sim_topo_set_way(size_t node, struct sim_server *s, enum sim_way way);
void sim_topo_faults_start(void);
void sim_topo_rest(void);
/* Something happens in a recovery: who has been armed for it strikes. */
void sim_moment(enum sim_moment m, struct sim_node *n, struct sim_server *s);

#endif
