/* rd_raft_private.h — the member's insides, shared by the rd_raft_*.c files only (and their tests never).
 *
 *   rd_raft.c        life, status                      rd_raft_step.c   the only call of raft_step, and what follows
 *   rd_raft_recv.c   received messages, their guards   rd_raft_write.c  FIFO of writes, held messages
 *   rd_raft_feed.c   entries on the way to followers   rd_raft_apply.c  applying, reading back, snapshots
 *   rd_raft_lead.c   submit, change, transfer, lease   rd_raft_tick.c   what time does
 *
 * Every public function is framed by rd_raft_enter and rd_raft_leave. */
#ifndef RD_RAFT_PRIVATE_H
#define RD_RAFT_PRIVATE_H

#include <raft.h>

#include "rd_lease.h"
#include "rd_raft.h"
#include "rd_raft_cache.h"

#if RAFT_VERSION_NUMBER != 2201
#error "the ownership rules and guards here are those of libraft 0.22.1: read its changes first (libraft.md section 1)"
#endif

#define RD_FLIGHTS_MAX 64 /* AppendEntries with entries that a follower has not answered */
#define RD_HELD_MAX 256	  /* messages that wait for a term to be durable */
#define RD_INFLIGHT_ENTRIES 1024
#define RD_REGRESSIONS_TO_TELL 3
#define RD_NOTICE_US (2 * CLK_MS)	  /* commit indexes are told at this pace when nothing else is sent */
#define RD_INSTALL_GRACE_US (30 * CLK_S)  /* a delivered snapshot is not offered again so soon */
#define RD_SNAPSHOT_WAY_US (1800 * CLK_S) /* nor one of which nothing was heard since it was offered */

/* Entries that libraft wants a follower to have, [next, end), cut into batches. */
struct rd_feed {
	uint64_t start; /* where libraft's present offer began */
	uint64_t next;	/* 0: nothing was offered in this term */
	uint64_t end;
	uint64_t anchor_term; /* of the entry next - 1 */
	uint64_t read_ticket; /* a read for `next` is under way */
	struct {
		uint64_t last;
		size_t bytes;
	} flight[RD_FLIGHTS_MAX];
	size_t n_flights;
	size_t flight_bytes;
	struct mono moved; /* last answer, or first batch after a pause */
	struct mono sent;  /* last message of any kind */
	uint64_t empty_at; /* anchor of the last empty message, if nothing followed it; UINT64_MAX: something did */
	uint64_t commit;   /* told to it */
};

struct rd_peer {
	uint64_t id;
	struct mono heard; /* last result of this term; RD_NEVER */
	struct mono echo;  /* newest sent_us it echoed in this term; RD_NEVER */
	unsigned regressions;
	struct rd_catch_up catch_up;
	bool caught_up;
	struct rd_feed feed;
	uint64_t offered;  /* snapshot that libraft has in mind for it, 0 = none */
	uint64_t snapshot; /* index of the one on its way; 0 = none */
	struct mono grace; /* not to be offered again before this */
};

/* A write that isn't durable yet. */
struct rd_wait {
	uint64_t ticket;
	uint64_t last; /* entry to report as persisted; lowered by truncations; 0 = none */
	size_t bytes;
	struct mono since;
	bool has_term;
	bool install;
};

struct rd_held {
	uint64_t gate; /* ticket of the term it speaks of */
	bool snapshot; /* goes to out->send_snapshot */
	char to_name[RD_MEMBER_NAME_BYTES];
	struct rd_raft_msg msg; /* owned */
};

enum rd_handover { RD_HANDOVER_NONE, RD_HANDOVER_DRAIN, RD_HANDOVER_RUNNING };

struct rd_raft {
	struct raft raft;
	struct rd_raft_conf conf;
	char name[RD_MEMBER_NAME_BYTES];
	struct rd_raft_out out;
	struct mono now;
	bool busy; /* inside a public function: callbacks must not come back */
	bool started;
	char failure[256]; /* "" = none */
	unsigned changed;  /* to be told on leaving */
	struct rd_raft_counters counters;

	/* log and state */
	struct rd_raft_cache cache;  /* newest entries */
	struct rd_raft_cache replay; /* read back in order to be applied */
	uint64_t replay_ticket;
	uint64_t log_first; /* oldest entry kept */
	uint64_t last_index;
	uint64_t applied;
	uint64_t applied_term;
	uint64_t applied_members_index;
	struct rd_members applied_members;
	struct rd_raft_snapshot snapshot; /* newest, owned; index 0 = none */
	uint8_t members_bytes[RD_MEMBERS_BYTES_MAX];
	bool installing;
	struct rd_raft_snapshot install; /* owned */
	struct raft_snapshot_metadata install_meta;

	/* writes */
	uint64_t ticket; /* newest, of writes and reads */
	struct rd_wait *waits;
	size_t n_waits;
	size_t waits_cap;
	size_t unwritten_bytes;
	uint64_t term_ticket; /* newest unfinished write with a term; 0 = none */
	struct rd_held *held;
	size_t n_held;
	size_t held_cap;

	/* members */
	struct rd_members members; /* newest configuration */
	uint64_t uncommitted_index;
	uint64_t committed_index;
	struct rd_peer peers[RD_MEMBERS_MAX]; /* all members but this one, in their order */
	size_t n_peers;

	/* follower */
	struct {
		uint64_t from;
		uint64_t term;
		int64_t sent_us;
	} echo; /* newest AppendEntries accepted */
	struct mono last_contact;
	struct mono fresh_until;
	uint64_t regressed;

	/* leader */
	uint64_t leading; /* term in which this member leads; 0 = it doesn't */
	uint64_t barrier; /* index of this term's barrier; 0 = not appended */
	bool open;	  /* it is applied */
	struct rd_lease lease;
	enum rd_handover handover;
	uint64_t handover_to;
	struct mono handover_until;

	/* time */
	struct mono born;
	struct mono abstain_until;
	struct mono not_before; /* no timeout before this: libraft's may stay in the past */
	struct mono notice_at;	/* commit index to be told; RD_NEVER */

	/* as last told */
	int seen_state;
	uint64_t seen_term;
	uint64_t seen_leader;
	uint64_t seen_commit;
};

/* rd_raft.c */
void rd_raft_enter(struct rd_raft *r, struct mono now);
void rd_raft_leave(struct rd_raft *r);
void rd_raft_fail(struct rd_raft *r, const char *fmt, ...) PRINTF_LIKE(2, 3);
bool rd_raft_alive(const struct rd_raft *r);
uint64_t rd_raft_leader_id(const struct rd_raft *r);
struct rd_peer *rd_raft_peer(struct rd_raft *r, uint64_t id);
bool rd_raft_live(const struct rd_raft *r, const struct rd_peer *p);
static inline int64_t
rd_raft_election_us(const struct rd_raft *r)
{
	return (int64_t)r->conf.election_ms * CLK_MS;
}

/* rd_raft_step.c: entries by index that a step may hand back to be persisted (borrowed), n = 0: none */
struct rd_payload {
	uint64_t first;
	const struct rd_raft_entry *entries;
	size_t n;
};
/* 0, or libraft's error: the member has failed then unless the event was a SUBMIT or a TRANSFER. */
int rd_raft_step(struct rd_raft *r, struct raft_event *event, const struct rd_payload *payload);
void rd_raft_sync_members(struct rd_raft *r, bool force);
int rd_raft_conf_make(const struct rd_members *m, struct raft_configuration *ret);
/* Fills from and to; sends now or holds it back. m is borrowed. */
void rd_raft_emit(struct rd_raft *r, uint64_t to, const char *to_name, struct rd_raft_msg *m, bool snapshot);

/* rd_raft_write.c: fills the ticket and calls out->write */
void rd_raft_write(struct rd_raft *r, struct rd_raft_write *w);
void rd_raft_truncated(struct rd_raft *r, uint64_t from);
void rd_raft_hold(struct rd_raft *r, const char *to_name, const struct rd_raft_msg *m, bool snapshot);
void rd_raft_held_done(struct rd_raft *r);
uint64_t rd_raft_next_ticket(struct rd_raft *r);

/* rd_raft_feed.c */
void rd_feed_offer(struct rd_raft *r, const struct raft_message *m);
void rd_feed_reset(struct rd_feed *f);
void rd_feed_answered(struct rd_raft *r, struct rd_peer *p, uint64_t last);
bool rd_feed_read_done(struct rd_raft *r, uint64_t ticket, uint64_t first, const struct rd_raft_entry *entries,
		       size_t n);
void rd_feed_notice(struct rd_raft *r);
void rd_feed_snapshot(struct rd_raft *r, const struct raft_message *m);

/* rd_raft_apply.c */
void rd_raft_installed(struct rd_raft *r);
void rd_replay_read_done(struct rd_raft *r, uint64_t first, const struct rd_raft_entry *entries, size_t n);

/* rd_raft_lead.c */
void rd_lead_won(struct rd_raft *r);
void rd_lead_lost(struct rd_raft *r, uint64_t term);
void rd_lead_barrier(struct rd_raft *r);
void rd_lead_depose(struct rd_raft *r);
void rd_lead_handover(struct rd_raft *r);
void rd_lead_surrender(struct rd_raft *r);
int rd_lead_change(struct rd_raft *r, enum rd_member_change what, uint64_t id, const char *name,
		   struct err *e) MUST_USE;
int rd_lead_transfer(struct rd_raft *r, uint64_t to, struct err *e) MUST_USE;
struct mono rd_lead_evidence(const struct rd_raft *r);

/* rd_raft_tick.c */
bool rd_raft_silent(const struct rd_raft *r);

#endif
