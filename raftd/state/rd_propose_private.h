/* rd_propose_private.h — shared by rd_propose.c (what both deciders have in common), rd_propose_split.c,
 * rd_propose_db.c (without raft), rd_propose_raft.c and rd_propose_view.c (with raft). */
#ifndef RD_PROPOSE_PRIVATE_H
#define RD_PROPOSE_PRIVATE_H

#include <sys/queue.h>

#include "rd_propose_raft.h"
#include "rd_snapshot.h"

/* One call of rd_propose until its callback. */
struct pending {
	TAILQ_ENTRY(pending) next;
	struct rd_proposer *p;
	rd_proposed_fn cb;
	void *ctx;
	char *uid;
	bool at_apply;
	struct codec_out bytes;	   /* its command */
	struct rd_applied applied; /* decided: index, id, keys; without raft all of it, while being written */
	enum rd_outcome outcome;   /* decided */
	struct err e;		   /* why not, or REFUSED */
	struct rd_entry_at at;	   /* raft */
	struct mono until;	   /* raft: then it is answered anyway */
};
TAILQ_HEAD(pending_list, pending);

struct wait {
	TAILQ_ENTRY(wait) next;
	uint64_t index;
	struct mono deadline;
	rd_waited_fn done;
	void *ctx;
	int rc; /* due */
};
TAILQ_HEAD(wait_list, wait);

/* An entry on its way to the view. */
struct shown {
	TAILQ_ENTRY(shown) next;
	struct rd_proposer *p;
	struct rd_applied applied;
};
TAILQ_HEAD(shown_list, shown);

struct db_side {
	struct pending_list writing; /* in the order of their jobs */
	struct pending_list failed;  /* write failed; told after the reload */
	struct pending_list held;    /* waiting for the reload */
	bool reloading;		     /* a RELOAD job is under way, or due again */
	bool reload_failed;	     /* … due again at the next tick */
};

struct raft_side {
	struct rd_raft_door raft;
	struct pending_list open;  /* fate not known */
	struct pending_list shown; /* decided, waiting for the view */
	struct pending_list due;   /* to be answered by rd_proposer_work */
	size_t n_pending;	   /* in the three */
	struct wait_list waits, waits_due;
	size_t n_waits;
	unsigned pauses;
	/* the view */
	uint64_t view_index;	/* it holds everything up to here */
	struct shown_list jobs; /* in the order of their jobs */
	bool behind;		/* nothing is queued for it until it is rebuilt */
	bool rebuilding;	/* a REBUILD job is under way */
	struct mono rebuild_at;
	int64_t rebuild_pause_us;
	char *former_to;	       /* the backend is of a life without raft: goes there before the rebuild */
	struct rd_snapshot_dump *dump; /* for the next REBUILD job; apply is paused */
	struct codec_out image;
};

struct decider {
	int (*room)(const struct rd_proposer *p, struct err *e);
	int (*decide)(struct rd_proposer *p, struct pending *q, struct err *e); /* takes q when it returns 0 */
	void (*reload)(struct rd_proposer *p);
	void (*tick)(struct rd_proposer *p);
	void (*done)(struct rd_proposer *p);
};
extern const struct decider rd_decider_db, rd_decider_raft;

struct rd_proposer {
	struct rd_proposer_conf conf;
	const struct decider *decider;
	struct rd_state *state;
	struct rd_proposer_stats stats;
	struct db_side db;
	struct raft_side r;
};

/* --- rd_propose.c --- */
struct rd_proposer *rd_proposer_make(const struct rd_proposer_conf *conf, const struct decider *decider,
				     struct rd_state *state);
void rd_pending_free(struct pending *q);
void rd_pending_free_all(struct pending_list *l);
/* What became of it, from rd_apply's answer or from what is remembered of the uid. */
void rd_pending_decided(struct pending *q, int rc, const struct err *e);
void rd_pending_remembered(struct pending *q, const struct db_applied_command *c);
void rd_pending_failed(struct pending *q, enum rd_outcome outcome, enum err_code code, const char *why);
/* Calls back, and frees it. It is in no list any more. */
void rd_pending_answer(struct pending *q);
int rd_propose_one(struct rd_proposer *p, enum rd_op op, const void *payload, const char *uid, bool at_apply,
		   rd_proposed_fn cb, void *ctx, struct err *e) MUST_USE;
void rd_fresh_uid(char *ret); /* RD_FRESH_UID_BYTES */
#define RD_FRESH_UID_BYTES 33

/* --- rd_propose_split.c --- */
/* The list of this op is longer than one command may hold. */
bool rd_propose_needs_split(enum rd_op op, const void *payload);
int rd_propose_split(struct rd_proposer *p, enum rd_op op, const void *payload, const char *uid, bool at_apply,
		     rd_proposed_fn cb, void *ctx, struct err *e) MUST_USE;

/* --- rd_propose_view.c --- */
/* a is taken. */
void rd_show(struct rd_proposer *p, struct rd_applied *a);
void rd_view_fall_behind(struct rd_proposer *p, int64_t pause_us);
void rd_view_tick(struct rd_proposer *p);
/* A slice of the dump for a rebuild. True: more to do. */
bool rd_view_work(struct rd_proposer *p);
void rd_view_forget_dump(struct rd_proposer *p);
/* After the view has ended: its jobs call back no more. */
void rd_view_done(struct rd_proposer *p);
/* Moves to due what the view holds now. rd_propose_raft.c has the answers, this file the waits. */
void rd_view_moved(struct rd_proposer *p);
void rd_pending_visible(struct rd_proposer *p);

#endif
