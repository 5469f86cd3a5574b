/* raft_group.h — up to five raft members on a wire and disks in memory, driven by virtual time, for the unit tests of
 * raftd/consensus. Messages go through their bytes. After every event the group checks: same entries applied
 * everywhere, in order, once; nothing acknowledged lost; at most one lease valid at any instant. tests/sim is the big
 * brother. */
#ifndef RAFT_GROUP_H
#define RAFT_GROUP_H

#include "rd_raft.h"

#define GROUP_MAX 6
#define GROUP_LOG_MAX 4096
#define GROUP_ELECTION_MS 500
#define GROUP_HEARTBEAT_MS 100

struct group_node {
	struct rd_raft *r; /* NULL while it is down */
	uint64_t id;
	char name[RD_MEMBER_NAME_BYTES];
	/* disk */
	uint64_t term, vote;
	uint64_t told_term;		  /* of which the member knows that it is durable */
	struct rd_raft_snapshot snapshot; /* owned; index 0: none */
	uint64_t log_first;
	struct rd_raft_entry log[GROUP_LOG_MAX]; /* owned */
	size_t n_log;
	/* controls */
	bool disk_stuck; /* writes are carried out but not reported */
	bool reads_stuck;
	bool state_is_lost; /* at the next start the state comes from the snapshot only */
	int64_t clock_offset_us;
	int64_t clock_rate; /* thousandths: 1000 is true */
	size_t trailing;
	size_t cache_bytes;
	/* state */
	uint64_t applied;
	uint64_t chain;	       /* hash of everything applied */
	struct mono lease_end; /* newest told, by this node's clock; survives crashes, as somebody may still trust it */
	unsigned changed;
	size_t installed, dropped_snapshots, offered_snapshots, reads, bytes_sent, messages_sent;
	size_t largest_message;
	struct group_pending *pending; /* writes and reads to be reported */
	size_t n_pending, pending_cap;
	bool needs_restart;
};

struct group {
	struct group_node node[GROUP_MAX];
	size_t n;
	int64_t t_us; /* true time */
	int64_t delay_us;
	unsigned rng;
	unsigned loss_percent, duplicate_percent;
	bool cut[GROUP_MAX][GROUP_MAX]; /* [from][to] */
	bool hold_snapshots;		/* snapshot messages stay on the wire */
	struct group_message *wire;
	size_t n_wire, wire_cap;
	uint64_t chain[GROUP_LOG_MAX]; /* by index, of whoever applied it first */
	uint64_t acked;		       /* highest index that was applied at the leader that had appended it */
	bool check_leases;
};

/* n members that founded together, not yet started; 0 < n <= GROUP_MAX. Seeded, so that runs repeat. */
void group_init(struct group *g, size_t n, unsigned seed);
/* The same, all started; the leader, as group_wait_leader within 5 s. */
int group_begin(struct group *g, size_t n, unsigned seed);
void group_done(struct group *g);
/* A further node with an empty disk that isn't a member; returns its number. */
size_t group_add_blank(struct group *g, const char *dir_id);
void group_start(struct group *g, size_t i);
void group_start_all(struct group *g);
void group_crash(struct group *g, size_t i);
/* Empties the disk; the id stays (the mistake that rd_found prevents) unless dir_id is given. */
void group_wipe(struct group *g, size_t i, const char *dir_id);
void group_cut_off(struct group *g, size_t i, bool cut); /* both directions, from everybody */

struct mono group_now(const struct group *g, size_t i); /* by node i's clock */
/* Lets time pass. */
void group_run(struct group *g, int64_t ms);
/* Until there is an open leader other than `not` (-1: any) among the living; its number, -1 after the deadline. */
int group_wait_leader(struct group *g, int not, int64_t ms);
/* Until everybody living has applied index; false after the deadline. */
bool group_wait_applied(struct group *g, uint64_t index, int64_t ms);
/* One command; its index, 0 when refused. */
uint64_t group_submit(struct group *g, size_t i, const char *text);
uint64_t group_submit_bytes(struct group *g, size_t i, size_t n);
/* A snapshot of the state as applied. */
void group_snapshot(struct group *g, size_t i);
/* Reports what was stuck. */
void group_unstick(struct group *g, size_t i);
struct rd_raft_status group_status(const struct group *g, size_t i);
unsigned group_random(struct group *g, unsigned below);
/* Hands a message to node `to` right now. */
void group_inject(struct group *g, size_t to, const struct rd_raft_msg *m);

#endif
