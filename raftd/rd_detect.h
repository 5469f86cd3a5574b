/* rd_detect.h — what detection tells to whoever acts on failures (rd_recover.c): that a server was found dead, and that
 * one that was answers again. The rounds, votes and records behind it: detect/rd_round.h, rd_detect.c.
 *
 * Nobody is told anything while this node does not lead, nor by a one-shot node. Calls come from the loop, in the middle
 * of handling a probe's result or a timer; what they are given is borrowed for the call. */
#ifndef RD_DETECT_H
#define RD_DETECT_H

#include "detect/rd_verdict.h"

struct rd_node;
struct rd_server;

/* A round has ended with the verdict DEAD, and the analysis of what was seen together is one that is recorded
 * (rd_code_is_detected). The record is on its way already. */
struct rd_dead {
	struct rd_server *server;
	const struct rd_finding *finding;
	const struct rd_case *c;	      /* the votes, and each replica's word: judged */
	const struct topo_analysis *analysis; /* of the merged view; its code says which kind of failure */
	struct mono at;			      /* of the verdict; facts are as old as c's ballots say */
	uint64_t term;			      /* of the leadership that held the vote; 0 without raft */
	bool again;			      /* the same code was told before, and it has been dead since */
	bool is_recording;		      /* its detection is proposed: rd_detect_ops.recorded follows */
	const char *cluster_name, *cluster_alias;
};

/* How far it is back; each is told once, in rising order, some may be left out. */
enum rd_back {
	RD_BACK_ELSEWHERE = 1, /* another voter was answered */
	RD_BACK_ANSWERS,       /* this node was, if only by an error */
	RD_BACK_READ,	       /* this node has read all of it: the server's instance holds that. The end */
};
struct rd_detect_ops {
	/* Once per verdict. While the server stays dead there are new rounds and verdicts, after a second and a little
	 * at first, later less often (rd_round_rest_us): again is true then. */
	void (*dead)(struct rd_node *n, const struct rd_dead *d);
	/* A server about which `dead` was told. A node that begins to lead has not been told: who resumes a recovery
	 * looks at struct rd_server itself (seen.answered, found). */
	void (*back)(struct rd_node *n, struct rd_server *s, enum rd_back back);
	/* A detection was proposed, and is recorded, or was before (id); 0 = it is not. The next verdict tries again. */
	void (*recorded)(struct rd_node *n, int64_t id);
};
/* Of its cluster, "" = none. */
const char *rd_detect_alias(const struct rd_node *n, const struct rd_server *s);

/* Takes the place of the former listener; NULL = none. ops must live on. */
void rd_detect_listen(struct rd_node *n, const struct rd_detect_ops *ops);

/* Fresh readings of replicas: rd_probers_probe_briefly (rd_probers.h); its result is a struct rd_probed, whose server's
 * instance has just been read when it is not NULL. Probes begun before the call don't count there.
 *
 * A replica whose receiver is stopped while its applier runs, found after its lock was broken (break-lock), may be one
 * whose receiver detection was just restarting: a recovery that aborts starts it (start-replica-io). */

#endif
