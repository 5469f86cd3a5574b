/* rd_verdict.h — merges what voters saw of a suspected server into one verdict. Pure. design.md section 6.
 *
 * Dead takes all of: a majority of the *configured* voters could not reach the server, no voter could, and no replica that
 * anybody could read hears it; who does not answer has not found it unreachable. A replica that is connected but says
 * nothing new is no witness, and blocks the verdict until it was tested (rd_round.h restarts its receiver). One that cannot
 * be tested goes on blocking it, unless every voter that failed was *refused* (nothing listens there) and another replica
 * says that it lost its source. Everything doubtful ends in "not dead". */
#ifndef RD_VERDICT_H
#define RD_VERDICT_H

#include "rd_vote.h"
#include "rd_tries.h"
#include "rd_witness.h"
#include "topo/analysis.h"

enum rd_verdict {
#define VERDICT(NAME, text) RD_VERDICT_##NAME,
#include "rd_verdict.def"
#undef VERDICT
	RD_VERDICT_COUNT
};
const char *rd_verdict_name(uint64_t verdict); /* "no-quorum"; "unknown" */
const char *rd_verdict_text(uint64_t verdict);

/* A configured voter and what it said, if anything. */
struct rd_ballot {
	const char *voter;
	const struct rd_facts *facts; /* NULL: not a word */
	struct mono received;
};

/* A replica of the server with all that is known of it. */
struct rd_testimony {
	const struct topo_key *key;
	enum rd_word tested;  /* after its receiver was restarted; UNREAD: it wasn't */
	bool no_test;	      /* it cannot be tested: the restart failed */
	struct rd_sight view; /* filled by rd_judge */
	enum rd_word word;    /* filled by rd_judge */
	const char *reader;   /* filled by rd_judge: whose reading it is; NULL */
	struct mono read;     /* filled by rd_judge */
};

struct rd_case {
	const struct topo_key *server;
	const char *server_uuid;	 /* "" = unknown */
	const char *self;		 /* the leader among the voters */
	struct mono answered;		 /* last answer to the leader, us 0 = never */
	const struct rd_ballot *ballots; /* one for each configured voter, each name once */
	size_t n_ballots;
	struct rd_testimony *replicas;
	size_t n_replicas;
};

struct rd_finding {
	enum rd_verdict verdict; /* OPEN never */
	size_t needed, failed, refused, answered, unclear;
	const char *witness;		/* ALIVE, OWN_NETWORK: a voter that it answered; HEARD: NULL */
	const struct topo_key *replica; /* HEARD, TEST, UNTESTED: the first such replica; else NULL */
	const char *cause;		/* what is named: "too many connections", "stalled", "refused"…, "" */
};
void rd_judge(struct rd_case *c, struct rd_finding *ret);

/* The code for the merged view: the leader's rows of the server and of c's replicas (same order; NULL = none), with what
 * the voters saw written over them, through topo_analyse_one. ret borrows from rows and arena. rules->now is the time of
 * the vote. Call it after rd_judge, for a server that no voter reached. */
void rd_judge_analysis(const struct rd_case *c, const struct topo_analysed *server,
		       const struct topo_analysed *const *replicas, const struct topo_analysis_rules *rules,
		       struct mem_arena *arena, struct topo_analysis *ret);
/* A code that says that the server itself is gone. */
bool rd_code_is_dead(enum topo_code code);
/* … for which a detection is recorded, and hooks run; and one on which a recovery may act (analysis.md section 7). */
bool rd_code_is_detected(enum topo_code code);
bool rd_code_is_actionable(enum topo_code code);

#endif
