/* rd_round.h — the leader's side of a vote about one suspected server: ask, collect, read silent replicas again and let those
 * that still are connect anew once, look again, hold, conclude. Pure: events and times go in, actions come out; the shell carries them out.
 *
 *   ASKING → (TEST) READING → RESTARTING → LOOKING ┐
 *     ↑  └────────────────────────────────────────┴→ verdict → (dead, but hold) HOLDING → ASKING …
 *
 * Any answer of the server to this node, at any time, ends the round: alive. So does the loss of the lease. A round that is
 * over stays over. Only one round per server at a time is the caller's rule, and so are the pauses between rounds. */
#ifndef RD_ROUND_H
#define RD_ROUND_H

#include "rd_verdict.h"

#define RD_ROUND_WAIT_US (1600 * CLK_MS)  /* for facts: a probe that times out, and then some */
#define RD_ROUND_GRACE_US (300 * CLK_MS)  /* for those still missing when a majority has spoken: an answer is quick */
#define RD_ROUND_REREAD_US (300 * CLK_MS) /* for reading silent replicas before they are restarted */
#define RD_ROUND_RESTART_US \
	(2500 * CLK_MS) /* for the restarts: a STOP may take two seconds (failover-timing.md section 4) */
#define RD_ROUND_FIRST_LOOK_US (300 * CLK_MS)
#define RD_ROUND_LAST_LOOK_US CLK_S
#define RD_ROUND_READ_US CLK_S	    /* for the last look's readings */
#define RD_ROUND_OLD_US (8 * CLK_S) /* facts older than that prove nothing any more */
#define RD_ROUND_AGAIN_US CLK_S /* a new round about the same server, at the earliest after the end of the former … */
#define RD_ROUND_SELDOM_US (10 * CLK_S)	       /* … and when the same has been found many times */
#define RD_ROUND_RESTART_AGAIN_US (30 * CLK_S) /* its replicas' receivers are restarted again, at the earliest … */
/* … unless it has answered meanwhile: this is another failure. Of those two within so long a time at most. */
#define RD_ROUND_RESTART_ANEW_US (10 * CLK_S)

struct rd_round;

/* The pause after a round, when the same verdict has been found so many times in a row: whoever stays as it is, is asked
 * about less often. None after the first HEARD: where only what is sent to the source is lost, it goes on sending until its
 * window is full, a second or so. */
int64_t rd_round_rest_us(uint64_t verdict, unsigned same);
/* How many times the same verdict counts as found, once a replica of the server has been read and its receiver is in that
 * state: who is not dead yet, but loses replicas, is asked about as often as at first. */
unsigned rd_round_same_after(unsigned same, uint64_t verdict, enum rd_news news, enum topo_thread io);
/* May a round restart receivers? restarted, before: when the newest round did that did, and the one before it; answered:
 * when the server last answered; us 0 = never. */
bool rd_round_may_restart(struct mono restarted, struct mono before, struct mono answered, struct mono now);

struct rd_round_conf {	  /* everything is copied */
	uint64_t id;	  /* not 0; unlike any other of this group, e.g. of term and a counter */
	const char *self; /* this node, one of the voters */
	/* Configured voters (all of them, reachable or not), each once; with FailureDetectionQuorum=leader, and without raft:
	 * this node alone. */
	const char *const *voters;
	size_t n_voters;
	const struct topo_key *server;
	const char *server_uuid; /* "" = unknown */
	struct rd_suspect_replica_list replicas;
	struct mono answered; /* when it last answered this node; us 0 = never */
	bool may_restart;     /* receivers; rd_round_may_restart */
	int64_t hold_us;      /* FailureDetectionHoldSeconds of its cluster */
};
struct rd_round *rd_round_new(const struct rd_round_conf *conf, struct mono now);
void rd_round_free(struct rd_round *r); /* NULL is fine */

/* --- what to do ------------------------------------------------------------------------------------------------------ */
enum rd_act {
	RD_ACT_NONE = 0,
	RD_ACT_ASK,	/* send rd_round_question to every voter, this node included */
	RD_ACT_RESTART, /* stop and start the receivers of rd_round_targets; rd_round_restarted for each */
	RD_ACT_READ,	/* probe rd_round_targets now; rd_round_reading for each */
	RD_ACT_DONE,	/* rd_round_finding; said once */
};
/* The next thing to be done; call it until NONE after every event and at rd_round_due. */
enum rd_act rd_round_next(struct rd_round *r, struct mono now);
struct mono rd_round_due(const struct rd_round *r);
const struct rd_suspect_msg *rd_round_question(const struct rd_round *r);
/* Borrowed until the next event. */
const struct topo_key_list *rd_round_targets(const struct rd_round *r);

/* --- what happened --------------------------------------------------------------------------------------------------- */
/* Of a voter, by its name as the link knows it. What belongs to another round or question, and who is no voter, is ignored.
 * Of two answers the first counts, unless only the second says that the server answered. */
void rd_round_facts(struct rd_round *r, const char *voter, const struct rd_facts *f, struct mono now);
/* It is not connected, or cannot vote: nobody waits for it. It still counts as configured. */
void rd_round_absent(struct rd_round *r, const char *voter, struct mono now);
void rd_round_restarted(struct rd_round *r, const struct topo_key *replica, bool ok, struct mono now);
/* A reading that RD_ACT_READ asked for; NULL: it failed. */
void rd_round_reading(struct rd_round *r, const struct topo_key *replica, const struct rd_reading *reading,
		      struct mono now);
/* A probe of this node, whoever asked for it, was answered by the server. cause: rd_cause. */
void rd_round_answered(struct rd_round *r, const char *cause, struct mono now);
void rd_round_lease_lost(struct rd_round *r, struct mono now);

/* --- what came of it ------------------------------------------------------------------------------------------------- */
bool rd_round_is_over(const struct rd_round *r);
/* HELD while it holds; OPEN while it asks. Texts live as long as the round. */
const struct rd_finding *rd_round_finding(const struct rd_round *r);
/* Of the newest question, judged: for rd_judge_analysis and for the record. */
const struct rd_case *rd_round_case(const struct rd_round *r);
bool rd_round_restarted_any(const struct rd_round *r);

#endif
