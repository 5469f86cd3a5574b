/* rd_raft.h — one member of the group: libraft's step function with everything around it that has to be right. Pure: no
 * clock, thread, socket, file or randomness; raftd drives it with libevent, the simulation with virtual time.
 *
 * Events go in through the functions below, each with the time. What must be done comes out through struct rd_raft_out,
 * called before the function returns, in order. These callbacks must not call back into the member (an assertion says
 * so): note what is to be done and do it after the function returned.
 *
 * Writes form one FIFO: each has a ticket, rd_raft_written(ticket) says that it and all before it are durable. The
 * member itself holds back messages until the term or vote that they speak of is durable; what it sends may be sent at
 * once. Everything borrowed (const pointers in callbacks and arguments) is valid during the call only: copy it.
 *
 * The life of a member: rd_raft_new, rd_raft_start, then in any order rd_raft_received, rd_raft_written,
 * rd_raft_read_done, rd_raft_tick (at rd_raft_deadline at the latest), rd_raft_submit ...; after each of them, and
 * after each slice of work, rd_raft_apply as long as rd_raft_apply_ready says so. rd_raft_free at any time.
 *
 * Guards of libraft.md section 5 are in here. Reference: libraft.md, design.md sections 3, 4, 12. */
#ifndef RD_RAFT_H
#define RD_RAFT_H

#include "base/clock.h"
#include "base/err.h"
#include "base/rec.h"
#include "rd_members.h"
#include "rd_raft_msg.h"

struct rd_raft;

#define RD_RAFT_SUBMIT_MAX 256		       /* commands in one rd_raft_submit */
#define RD_RAFT_COMMAND_BYTES_MAX (256 * 1024) /* bytes of one command */

struct rd_raft_conf {
	uint64_t id;
	const char *name;
	unsigned election_ms; /* one value for the group */
	unsigned heartbeat_ms;
	unsigned seed;		/* random bits: no two members may share them */
	size_t cache_bytes;	/* payloads kept in RAM once they are durable; 0 = 16 MiB */
	size_t batch_bytes;	/* payload of one AppendEntries; 0 = 1 MiB; one entry always fits */
	uint64_t trailing;	/* entries kept behind a snapshot; 0 = 50 000 (never less outside tests) */
	size_t unwritten_bytes; /* submit answers BUSY while more than this waits for the disk; 0 = 64 MiB */
};

/* --- what comes out ------------------------------------------------------------------------------------------------
 */
/* To be made durable in this order: term and vote, snapshot, entries, compaction. Several writes may share a
 * transaction. */
struct rd_raft_write {
	uint64_t ticket;
	bool has_term; /* term and vote are to be stored */
	uint64_t term;
	uint64_t vote;				 /* id, 0 = none */
	uint64_t first_index;			 /* of entries; whatever stood at it and above goes first */
	const struct rd_raft_entry *entries;	 /* borrowed */
	size_t n_entries;			 /* 0 = none */
	bool truncates;				 /* something did stand there */
	const struct rd_raft_snapshot *snapshot; /* its file is complete: it is the newest now; NULL = none */
	bool clears_log;			 /* it was received: the whole log goes */
	uint64_t compact_to;			 /* entries up to this index may be deleted; 0 = none */
};

/* Bring entries first.. from the log: at least one, not beyond last, stop when max_bytes are exceeded. */
struct rd_raft_read {
	uint64_t ticket;
	uint64_t first;
	uint64_t last;
	size_t max_bytes;
};

enum rd_raft_changed {
	RD_CHANGED_STATE = 1 << 0, /* leader, follower, candidate */
	RD_CHANGED_TERM = 1 << 1,
	RD_CHANGED_LEADER = 1 << 2,	/* who leads, as far as known */
	RD_CHANGED_COMMIT = 1 << 3,	/* there may be something to apply */
	RD_CHANGED_MEMBERS = 1 << 4,	/* newest configuration, or it was committed */
	RD_CHANGED_LEASE_LOST = 1 << 5, /* publish it at once */
	RD_CHANGED_OPEN = 1 << 6,	/* leader: barrier of the own term applied, changes are possible */
	RD_CHANGED_REGRESSED = 1 << 7,	/* a member seems to have lost its log: see rd_raft_status.regressed */
	RD_CHANGED_FAILED = 1 << 8,	/* rd_raft_failure says why; the member is silent for ever */
};

struct rd_raft_out {
	void *ctx;
	void (*write)(void *ctx, const struct rd_raft_write *w);
	/* Losing a message is allowed; per receiver the order should be kept. */
	void (*send)(void *ctx, uint64_t to, const char *to_name, const struct rd_raft_msg *m);
	/* Bytes of the snapshot m->snapshot on their own channel, and then m itself, which the receiver hands to
	 * rd_raft_received once it has verified and decoded them. Report the end with rd_raft_snapshot_sent. */
	void (*send_snapshot)(void *ctx, uint64_t to, const char *to_name, const struct rd_raft_msg *m);
	void (*read)(void *ctx, const struct rd_raft_read *q);
	/* In order, each index once, only what is durable here. Every kind comes, so that indexes have no holes. */
	void (*apply)(void *ctx, uint64_t index, const struct rd_raft_entry *entry);
	/* The received snapshot is durable: swap the memory to it now. */
	void (*install_snapshot)(void *ctx, const struct rd_raft_snapshot *s);
	/* A received snapshot isn't wanted any more: forget file and decoded state. */
	void (*drop_snapshot)(void *ctx, const struct rd_raft_snapshot *s);
	void (*changed)(void *ctx, unsigned what); /* enum rd_raft_changed bits */
};

/* --- life ----------------------------------------------------------------------------------------------------------
 */
struct rd_raft *rd_raft_new(const struct rd_raft_conf *conf, const struct rd_raft_out *out);
void rd_raft_free(struct rd_raft *r);

/* What the store holds. */
struct rd_raft_start {
	uint64_t term;
	uint64_t vote;
	const struct rd_raft_snapshot *snapshot; /* newest; NULL = none */
	uint64_t first_index;			 /* of entries; ignored when there are none */
	/* The log: term and kind of every entry; data of CHANGE entries, and of the newest as far as it was loaded
	 * (data.p NULL: it is read when needed). */
	const struct rd_raft_entry *entries;
	size_t n_entries;
	uint64_t applied; /* what the state holds already: at least the snapshot's index; 0 = nothing */
	struct mono born; /* when this process began: no vote and no candidacy for one election timeout after it */
};
/* Refuses a store that contradicts itself (DB_CORRUPT), with a text that names what. A blank store (all zero) makes a
 * member that waits to be added. */
int rd_raft_start(struct rd_raft *r, struct mono now, const struct rd_raft_start *s, struct err *e) MUST_USE;

/* --- events --------------------------------------------------------------------------------------------------------
 */
/* m must have passed rd_raft_msg_check (decode does). Messages for another id are dropped and counted. from_name: as
 * the authenticated link knows it. */
void rd_raft_received(struct rd_raft *r, struct mono now, const char *from_name, const struct rd_raft_msg *m);
/* Everything up to this ticket is durable. */
void rd_raft_written(struct rd_raft *r, struct mono now, uint64_t ticket);
/* A write failed, or the state can't follow (unknown command): no vote and no acknowledgement any more. */
void rd_raft_write_failed(struct rd_raft *r, const char *why);
/* Entries first.. as asked; n = 0: they are not there any more. */
void rd_raft_read_done(struct rd_raft *r, struct mono now, uint64_t ticket, uint64_t first,
		       const struct rd_raft_entry *entries, size_t n);
void rd_raft_tick(struct rd_raft *r, struct mono now);
struct mono rd_raft_deadline(const struct rd_raft *r);

/* --- applying ------------------------------------------------------------------------------------------------------
 */
bool rd_raft_apply_ready(const struct rd_raft *r);
/* Calls out->apply for at least one entry if there is one, until max_bytes of payload are applied. Entries that are not
 * in RAM are read first (out->read). Don't call it while the state must not change (dump of a snapshot). */
void rd_raft_apply(struct rd_raft *r, struct mono now, size_t max_bytes);

/* --- snapshots -----------------------------------------------------------------------------------------------------
 */
/* What a snapshot taken of the state as applied right now is called: index, term, members. Its size and hash are the
 * caller's. False when nothing was applied since the last one. Valid until the next call into the member. */
bool rd_raft_snapshot_begin(struct rd_raft *r, struct rd_raft_snapshot *ret_snapshot);
/* Its file is complete and named: a write makes it the newest one and gives the log behind it free. */
void rd_raft_snapshot_taken(struct rd_raft *r, struct mono now, const struct rd_raft_snapshot *s);
/* Every send_snapshot ends with one of these: ok = the receiver has all bytes and the message. */
void rd_raft_snapshot_sent(struct rd_raft *r, struct mono now, uint64_t to, uint64_t index, bool ok);

/* --- leader --------------------------------------------------------------------------------------------------------
 */
/* Appends n commands. NOT_LEADER and BUSY: none was appended, retry is safe. Otherwise entry i has index *ret_first + i
 * and *ret_term; it is committed if and only if that index is applied with that term. */
int rd_raft_submit(struct rd_raft *r, struct mono now, const struct rec_bin *commands, size_t n, uint64_t *ret_first,
		   uint64_t *ret_term, struct err *e) MUST_USE;

/* One change; errors of rd_members_change, and NOT_LEADER. Learners are promoted by the leader itself when they have
 * caught up and answer. */
int rd_raft_change(struct rd_raft *r, struct mono now, enum rd_member_change what, uint64_t id, const char *name,
		   struct err *e) MUST_USE;

/* Hands leadership over to a voter (0: to the best one). The lease is given up for the rest of the term; the hand-over
 * begins when the last lease told to anybody has run out (or rd_raft_lease_withdrawn says that nobody trusts it any
 * more), and ends in stepping down if it takes longer than an election timeout. NOT_LEADER, NOT_FOUND, BUSY. */
int rd_raft_transfer(struct rd_raft *r, struct mono now, uint64_t to, struct err *e) MUST_USE;
void rd_raft_lease_withdrawn(struct rd_raft *r, struct mono now);
/* Stops leading at once; leader or not, no candidacy for abstain_us. */
void rd_raft_step_down(struct rd_raft *r, struct mono now, int64_t abstain_us);

/* The lease, for leader-check: false = none. Valid while now < *ret_end. What was returned is a promise: this member
 * gives no vote before it has run out. *ret_term: this member's, with or without a lease. */
bool rd_raft_lease(struct rd_raft *r, struct mono now, uint64_t *ret_term, struct mono *ret_end);
/* raft-health: until when this member has fresh evidence of a quorum. May be in the past. */
struct mono rd_raft_quorum_until(const struct rd_raft *r, struct mono now);

/* --- status --------------------------------------------------------------------------------------------------------
 */
enum rd_raft_state { RD_RAFT_FOLLOWER, RD_RAFT_CANDIDATE, RD_RAFT_LEADER, RD_RAFT_SHUTDOWN };
/* The historical words: "Follower", "Candidate", "Leader", "Shutdown" (raft-state in http-api.md). */
const char *rd_raft_state_name(enum rd_raft_state s);

struct rd_raft_counters {
	uint64_t held_dropped;	    /* messages beyond the bound while a term was being written */
	uint64_t misaddressed;	    /* for another id */
	uint64_t malformed;	    /* refused by content */
	uint64_t silent_dropped;    /* votes and candidacies refused after start or before a lease end */
	uint64_t regressions;	    /* results below the match index */
	uint64_t disk_reads;	    /* out->read calls */
	uint64_t snapshots_offered; /* send_snapshot calls */
	uint64_t elections_won;
	uint64_t slow_writes; /* hand-overs because a log write took longer than an election timeout */
};

struct rd_raft_status {
	enum rd_raft_state state;
	bool open; /* leader whose term's barrier is applied */
	uint64_t id;
	uint64_t term;
	uint64_t vote;
	uint64_t leader_id; /* 0 = unknown */
	char leader_name[RD_MEMBER_NAME_BYTES];
	uint64_t commit;
	uint64_t applied;
	uint64_t durable;
	uint64_t last_index;
	uint64_t snapshot_index;
	uint64_t members_index;	  /* entry of the newest configuration */
	bool members_pending;	  /* it isn't committed yet */
	uint64_t transfer_to;	  /* 0 = no hand-over */
	uint64_t regressed;	  /* id of a member that seems to have lost its log, 0 = none */
	struct mono last_contact; /* follower: leader's last accepted message; RD_NEVER = none */
	size_t unwritten_bytes;
	size_t cache_bytes;
	struct rd_raft_counters counters;
};
void rd_raft_status(const struct rd_raft *r, struct rd_raft_status *ret_status);

const struct rd_members *rd_raft_members(const struct rd_raft *r); /* newest; borrowed until the next call */

/* One member as the leader sees it; false when this member doesn't lead or doesn't know the id. */
struct rd_raft_peer_status {
	uint64_t match;
	struct mono last_contact; /* last result; RD_NEVER = none in this term */
	bool live;		  /* within an election timeout */
	bool snapshot_on_the_way;
};
bool rd_raft_peer_status(const struct rd_raft *r, uint64_t id, struct rd_raft_peer_status *ret_status);
/* NULL while all is well. */
const char *rd_raft_failure(const struct rd_raft *r);

#endif
