/* rd_detect_private.h — between rd_detect.c (suspicions, the leader's rounds, the channel) and rd_detect_vote.c (this node
 * as a voter). Private to them. */
#ifndef RD_DETECT_PRIVATE_H
#define RD_DETECT_PRIVATE_H

#include <sys/queue.h>

#include "detect/rd_away.h"
#include "detect/rd_round.h"
#include "detect/rd_voter.h"
#include "rd_detect.h"
#include "rd_node_private.h"

#define RD_VOTES_MAX 256 /* questions being answered; more are not answered: an abstention */
#define RD_ROUNDS_MAX 64 /* servers asked about at once; others wait for the next look */

/* A question being answered. */
struct rd_vote {
	LIST_ENTRY(rd_vote) next;
	struct rd_detect *d;
	char *from; /* whose question; NULL = this node's own */
	struct topo_key key;
	uint64_t id, ask;
	struct rd_voter *voter;
	struct mono asked;
	bool answered;
	size_t open; /* probes under way: they hold on to it */
};
LIST_HEAD(rd_vote_list, rd_vote);

/* A server about which this node asks. */
struct rd_asking {
	LIST_ENTRY(rd_asking) next;
	struct rd_round *round;
	uint64_t term;	/* of the leadership that asks */
	uint64_t looks; /* a reading counts for the look that asked for it */
	bool said_held;
};
LIST_HEAD(rd_asking_list, rd_asking);

/* A step or probe of a replica on behalf of a round that may be over when it ends (rd_detect_restart.c). */
struct rd_errand;
LIST_HEAD(rd_errand_list, rd_errand);

struct rd_detect {
	struct rd_node *n;
	struct event *timer;
	struct rd_vote_list votes;
	struct rd_asking_list rounds;
	struct rd_errand_list errands;
	size_t n_votes, n_rounds;
	uint64_t last_id, last_number; /* of rounds, of steps */
	uint64_t term;		       /* of the newest round */
	struct rd_away away;
	const struct rd_detect_ops *ops; /* NULL: nobody listens */
};

/* Answers a question of from, or NULL for an own one. */
void rd_detect_vote(struct rd_detect *d, const char *from, const struct rd_suspect_msg *q);
/* Votes whose time has come. Returns when the next one's does; us INT64_MAX = none. */
struct mono rd_detect_votes_work(struct rd_detect *d);
void rd_detect_votes_done(struct rd_detect *d);

/* rd_detect.c: facts for an own question. */
void rd_detect_own_facts(struct rd_detect *d, const struct rd_facts *f);
/* To another node; false when it cannot be told. */
bool rd_detect_say(struct rd_detect *d, const char *peer, enum rd_vote_kind kind, const void *msg);
/* Something changed: the timer is set anew. */
void rd_detect_arm(struct rd_detect *d);
/* NULL: it is over. */
struct rd_asking *rd_detect_round(struct rd_detect *d, uint64_t id);

/* rd_detect_restart.c: what rounds ask of replicas; errands due; their end (no callbacks). */
void rd_detect_restart(struct rd_detect *d, struct rd_asking *a);
void rd_detect_read(struct rd_detect *d, struct rd_asking *a);
struct mono rd_detect_errands_work(struct rd_detect *d);
void rd_detect_errands_done(struct rd_detect *d);

/* rd_detect_end.c */
void rd_detect_conclude(struct rd_detect *d, const struct rd_asking *a);
void rd_detect_say_held(struct rd_detect *d, const struct rd_asking *a);
struct rd_electorate;
/* Nobody votes about a server that answers: that it does is told in the place of a vote. */
void rd_detect_write_answer(struct rd_detect *d, const struct rd_server *s, const struct rd_electorate *who,
			    const char *cause);
void rd_detect_tell_back(struct rd_detect *d, struct rd_server *s, enum rd_back back);

#endif
