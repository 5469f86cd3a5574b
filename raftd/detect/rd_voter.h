/* rd_voter.h — a voter's side of a vote: which probes to make for a question, and the facts that answer it. Pure; times
 * given. The leader answers its own question the same way.
 *
 * The server is probed at once, and again RD_APART_US after a failure that came at once; each replica likewise, a second
 * time when its receiver runs (does anything come in?) or it could not be read. An answer of the server ends it at once.
 * Only probes begun for the question count: ask the prober with IPC_LANE_URGENT and RD_VOTER_PROBE_US. */
#ifndef RD_VOTER_H
#define RD_VOTER_H

#include "rd_tries.h"
#include "rd_vote.h"
#include "rd_witness.h"

#define RD_VOTER_PROBE_US (1100 * CLK_MS) /* of one probe: a lost SYN is sent again after a second */
#define RD_VOTER_TRIES_MAX 8		  /* probes of the server for one question */

struct rd_voter;

/* Copies the question. */
struct rd_voter *rd_voter_new(const struct rd_suspect_msg *question, struct mono now);
void rd_voter_free(struct rd_voter *v); /* NULL is fine */

/* The next server to be probed now; NULL = none. Borrowed; it counts as under way from then on. Call it until it says NULL
 * after every event and at rd_voter_due. */
const struct topo_key *rd_voter_next(struct rd_voter *v, struct mono now);

/* What came of a probe that rd_voter_next gave out. The server: */
bool rd_voter_is_server(const struct rd_voter *v, const struct topo_key *key);
void rd_voter_server(struct rd_voter *v, const struct rd_attempt *a);
/* A replica that could be read. memory: of all its readings by this node, this one noted; borrowed for the call, as are
 * source and source_uuid: whom it follows, as this node resolves names. */
struct rd_voter_reading {
	const struct rd_reading *reading;
	const struct rd_heard *memory;
	const struct topo_key *source;
	const char *source_uuid;
};
void rd_voter_replica(struct rd_voter *v, const struct topo_key *key, const struct rd_voter_reading *r);
/* … and one that could not, or whose probe was never made (NONE). Unknown keys are ignored, here and above. */
void rd_voter_unread(struct rd_voter *v, const struct topo_key *key, uint64_t evidence, struct mono now);

/* The facts are to be sent now: nothing more is worth waiting for, or the leader waits no longer. */
bool rd_voter_is_done(const struct rd_voter *v, struct mono now);
/* When to look at the voter again if nothing happens. */
struct mono rd_voter_due(const struct rd_voter *v);

/* The answer; ret borrows from v until its next call. answered: the newest answer of the server to this node, us 0 = never
 * (struct rd_seen). */
void rd_voter_facts(struct rd_voter *v, struct mono answered, struct mono now, struct wall wall, struct rd_facts *ret);

#endif
