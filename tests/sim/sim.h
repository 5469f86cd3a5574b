/* sim.h — a group of nodes in one thread and in virtual time. What runs is raftd's own code: its core
 * (raftd/consensus), its state and proposer (raftd/state) and its shell (raftd/group), unchanged. This folder replaces,
 * at link time, what surrounds them: libevent's timers (sim_node.c), the node link rn_net.h (sim_net.c), the log writer
 * rd_logwriter.h (sim_writer.c) and its disk (sim_disk.c), the view writer rd_view.h and its backend (sim_view.c), process and apid
 * (sim_node.c), randomness and the log (sim_trace.c).
 *
 *   sim_world.c     events in order of virtual time, random numbers, clocks
 *   sim_node.c      life of a process        sim_client.c    who proposes commands
 *   sim_faults.c    what goes wrong          sim_nemesis.c   when, and who mends it
 *   sim_check.c     the invariants
 *   sim_mutants.c   deliberate mistakes     sim_main.c     runs, coverage table, command line
 *   sim_topo.h      the same nodes above MySQL and MariaDB servers: detection and recoveries (--topology)
 *
 * One run = one seed. Everything random comes from sim_rand, so that a seed replays bit for bit (with any compiler:
 * never two sim_rand calls in one expression). A violated invariant ends the run with seed, step, and the newest lines
 * of the trace. There is one world at a time: `sim`. */
#ifndef SIM_H
#define SIM_H

#include <event2/event.h>

#include "conf/conf.h"
#include "consensus/rd_logwriter.h"
#include "group/rd_group_private.h"
#include "ipc/ipc.h"
#include "net/rn_net.h"
#include "rd_node_private.h"

#define SIM_NODES_MAX 7
#define SIM_ELECTION_MS 500
#define SIM_HEARTBEAT_MS 100

enum sim_fault {
#define SIM_FAULT(NAME, what, weight) SIM_##NAME,
#include "sim_faults.def"
#undef SIM_FAULT
	SIM_FAULT_COUNT
};
enum sim_point {
#define SIM_POINT(NAME, what) SIM_AT_##NAME,
#include "sim_points.def"
#undef SIM_POINT
	SIM_POINT_COUNT
};
enum sim_mutant {
#define SIM_MUTANT(NAME, name, topology, seeds, what) SIM_MUTANT_##NAME,
#include "sim_mutants.def"
#undef SIM_MUTANT
	SIM_MUTANT_COUNT
};

struct sim_node;

/* proc.h's: the process as the shell sees it */
struct proc {
	struct sim_node *node;
};

/* --- disk: survives the process --- */
struct sim_entry {
	uint64_t term, kind;
	char *data;
	size_t n;
};
#define SIM_FILES_MAX 8
struct sim_file {
	uint64_t term, index; /* 0: free */
	struct codec_out bytes;
};
struct sim_disk {
	struct rd_identity identity; /* owning */
	unsigned lineage;	     /* counts data directories; 0: not made yet */
	uint64_t term, vote;
	struct rd_snapshot snapshot; /* owning; index 0: none */
	uint64_t first;		     /* index of log[0] */
	struct sim_entry *log;
	size_t n, cap;
	struct sim_file files[SIM_FILES_MAX];
	/* faults */
	int64_t latency_us; /* of a write */
	int64_t read_us;
	int64_t stuck_until;
	int fail_code; /* the next write fails so */
};

/* --- backend: survives the process --- */
struct sim_backend {
	struct rd_state *rows;
	struct rd_position at;
	bool incomplete;
	int64_t latency_us;
	int fail_code; /* the next job fails so */
};

struct sim_node {
	size_t i;
	char name[32], bind[32];
	bool spare;  /* not a founder */
	bool wanted; /* operators want it to be a member */

	/* machine */
	struct clock clock;		  /* first: sim_node_of_clock */
	int64_t local_us, since_us, rate; /* clock = local + (now - since) * rate / 1000 */
	int64_t wall_offset_us;
	int64_t restart_at;   /* by its supervisor; 0: it has not noticed */
	int64_t paused_until; /* process stopped; 0: runs */
	struct sim_disk disk;
	struct sim_backend backend;

	/* process */
	bool up;
	uint64_t life; /* counts processes: events of former ones are dropped */
	bool dying;    /* killed at a point in the middle of a callback: what it does from here on has no effect */
	int exit_code; /* it wants to end; -1: no */
	struct proc proc;
	struct conf conf;
	const char *node_names[SIM_NODES_MAX];
	struct ipc_child_config setup;
	struct rd_node node;
	bool health_due;

	/* its apid: until when leader-check says 200, by this machine's clock; outlives the process */
	bool apid_leads;
	uint64_t boots;
	int64_t apid_hears_at; /* arrival of the newest LEASE */
	struct mono promised;
	uint64_t promised_term;
};

struct sim_event {
	int64_t at;
	uint64_t seq;
	struct sim_node *node; /* NULL: the world's */
	uint64_t life;
	void (*run)(void *arg);
	void (*drop)(void *arg); /* it will not run; NULL: nothing to free */
	void *arg;
};

struct sim {
	uint64_t seed;
	uint64_t rng;
	int64_t now; /* true time, us */
	uint64_t step;
	struct sim_event *heap;
	size_t n_heap, cap_heap;
	uint64_t seq;
	enum sim_mutant mutant;

	struct sim_node nodes[SIM_NODES_MAX];
	size_t n, founders;
	struct sim_node *cur;			/* whose code runs; NULL: the world's */
	bool quiet;				/* no more faults, everything heals */
	bool cut[SIM_NODES_MAX][SIM_NODES_MAX]; /* [from][to] */
	bool silent_cut[SIM_NODES_MAX][SIM_NODES_MAX];
	int loss, duplicate, reorder; /* per mille */
	int64_t heal_at;	      /* cuts and slow disks end; 0: there are none */
	int64_t net_us;		      /* usual delay */
	unsigned lineages;

	bool failed;
	char violation[400];
	unsigned armed[SIM_POINT_COUNT]; /* 0: no; else who comes there for the n-th time from now on dies */
	uint64_t faults[SIM_FAULT_COUNT], points[SIM_POINT_COUNT];
	uint64_t n_faults; /* chosen by the nemesis */
};
extern struct sim sim;

/* --- sim_world.c --- */
uint64_t sim_rand(uint64_t below);	       /* 0 .. below - 1 */
int64_t sim_between(int64_t from, int64_t to); /* both included */
bool sim_chance(unsigned per_mille);
void sim_at(int64_t at, struct sim_node *n, void (*run)(void *arg), void (*drop)(void *arg), void *arg);
static inline void
sim_after(int64_t us, struct sim_node *n, void (*run)(void *arg), void (*drop)(void *arg), void *arg)
{
	sim_at(sim.now + us, n, run, drop, arg);
}
bool sim_step(void); /* the next event; false: none is left, or the run has failed */
void sim_world_done(void);
struct mono sim_local(const struct sim_node *n);		  /* its clock */
int64_t sim_true_us(const struct sim_node *n, struct mono local); /* when that clock will say so, at its present rate */
void sim_set_rate(struct sim_node *n, int64_t rate);

/* --- sim_trace.c --- */
extern bool sim_verbose;
void sim_trace(const char *fmt, ...) PRINTF_LIKE(1, 2);
uint64_t sim_trace_hash(void);
void sim_trace_reset(void);
void sim_trace_print(size_t lines); /* the newest, to stdout */
void sim_count(enum sim_fault f);

/* --- sim_node.c --- */
void sim_node_init(struct sim_node *n, size_t i, bool spare, bool lone);
void sim_node_done(struct sim_node *n);
void sim_node_start(struct sim_node *n);
void sim_node_kill(struct sim_node *n, const char *why);
void sim_node_stop(struct sim_node *n); /* SIGTERM */
/* A point in the code: true if the process dies here. */
bool sim_point(struct sim_node *n, enum sim_point p);
bool sim_dead(const struct sim_node *n); /* down, or dying in this callback */
bool sim_stranger(const struct sim_node *n);
struct rd_raft *sim_raft(struct sim_node *n); /* NULL: no member at the moment */
struct sim_node *sim_leader(void);	      /* by its lease, seen from outside; NULL */
struct sim_node *sim_node_named(const char *name);

/* --- sim_net.c --- */
void sim_net_killed(struct sim_node *n);
void sim_net_break(size_t a, size_t b, const char *why);
void sim_net_cut(size_t from, size_t to, bool silent);
void sim_net_heal(void);
void sim_net_paused(struct sim_node *n); /* its peers will notice */
void sim_net_init(void);

/* --- sim_disk.c --- */
void sim_disk_done(struct sim_disk *d);
void sim_disk_wipe(struct sim_disk *d);
uint64_t sim_disk_last(const struct sim_disk *d);
/* 0: not there (or behind a snapshot) */
uint64_t sim_disk_term(const struct sim_disk *d, uint64_t index);
struct sim_file *sim_disk_file(struct sim_disk *d, uint64_t term, uint64_t index); /* 0, 0: a free one */
bool sim_disk_fits(const struct sim_disk *d, const struct rd_write *w);		   /* leaves no gap */
void sim_disk_write(struct sim_node *n, const struct rd_write *w);
struct rd_log_range *sim_disk_range(const struct sim_disk *d, uint64_t index, size_t n, uint64_t recent);
struct rd_stored *sim_disk_found(struct sim_node *n); /* when it is opened */
bool sim_disk_holds(const struct sim_disk *d, uint64_t index, uint64_t term);

/* --- sim_view.c --- */
struct rd_loaded *sim_view_load(struct sim_node *n);
void sim_view_new(struct sim_node *n);
void sim_view_lose(struct sim_node *n);

/* --- sim_client.c --- */
void sim_clients_start(void);
void sim_clients_done(void);
void sim_clients_burst(void);
void sim_clients_rest(int64_t us); /* no commands for so long */
size_t sim_clients_acked(void);
void sim_clients_check_all(void); /* every acknowledged command is on every wanted node */

/* --- sim_faults.c --- */
void sim_strike(void); /* something goes wrong, now or soon */
bool sim_strike_one(enum sim_fault f);
bool sim_is_member(struct sim_node *leader, const struct sim_node *n);
bool sim_add_member(struct sim_node *n); /* an operator asks for it; false: there is no leader */

/* --- sim_nemesis.c --- */
void sim_nemesis_start(void);
void sim_nemesis_rest(void);		   /* ends all faults */
bool sim_all_well(char *why, size_t size); /* one leader, everybody a voter with the same index and hash */

/* --- sim_check.c --- */
void sim_check_init(void);
void sim_check_done(void);
void sim_fail(const char *fmt, ...) PRINTF_LIKE(1, 2);
void sim_check_step(struct sim_node *n);
void sim_check_lease(struct sim_node *n, uint64_t term, struct mono end);
void sim_check_applied(struct sim_node *n, const struct rd_state *s, struct rd_entry_at at, uint64_t print);
void sim_check_state(struct sim_node *n, const struct rd_state *s, const char *whence);
void sim_check_sent(struct sim_node *n, const struct rd_raft_msg *m);
void sim_check_durable(struct sim_node *n, const struct rd_write *w);
void sim_check_fresh(struct sim_node *n, const char *uid, uint64_t index, bool duplicate);
/* A client was told that uid is decided at index. */
void sim_check_acked(const char *uid, uint64_t index);
uint64_t sim_print(const void *p, size_t n, uint64_t seed);

#endif
