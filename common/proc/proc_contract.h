/* proc/proc_contract.h — what supervisor and children agree on; the one place (style.md section 8).
 *
 * Start: the supervisor fork+execs a child with a clean environment and closed descriptors except 0–2 and
 * PROC_LIFELINE_FD, one end of a SOCK_STREAM socketpair speaking ipc/link.h. Environment: PROC_ENV_*. The child says
 * HELLO, receives CHILD_CONFIG, sets itself up, sends CHILD_READY, and CHILD_BEAT every PROC_BEAT_MS from its event
 * loop. The supervisor kills (SIGKILL) a child without a beat for PROC_BEAT_DEAD_MS and one that is not ready in
 * PROC_READY_MS. End: EOF on the lifeline means the supervisor is gone: the child exits at once (PR_SET_PDEATHSIG backs
 * this up). CHILD_STOP or SIGTERM: finish within the deadline, exit 0.
 *
 * With `orchestrator help` apid runs alone in ONE_SHOT mode: no raftd, no lock on the data, perhaps no configuration.
 *
 * Peers: raftd hears of every start and end of the others, they of raftd's, as CHILD_PEER, in order; a child that has
 * just started hears first of all that run already. Links are opened and ended by that alone (ipc/link.h).
 *
 * Sockets under runtime_dir (0700), bound by raftd, each for one pair of processes: PAIR per prober, PAIR for apid, PUB
 * of events for apid; their names end with the generations of both. What a killed raftd leaves is removed by the next
 * one. apid binds "ctl" (Unix stream socket, HTTP): commands handed over by `orchestrator -c`. */
#ifndef PROC_PROC_CONTRACT_H
#define PROC_PROC_CONTRACT_H

#include <inttypes.h>

#define PROC_LIFELINE_FD 3

#define PROC_ENV_GENERATION "ORC_GENERATION" /* decimal, > 0, unique within one supervisor's life and increasing */
#define PROC_ENV_ROLE "ORC_ROLE"	     /* "raftd", "prober", "apid" */

#define PROC_BEAT_MS 500
#define PROC_BEAT_DEAD_MS 3000
#define PROC_READY_MS 30000
#define PROC_MEET_MS 15000 /* an other child that has no link to a running raftd for so long starts anew */
#define PROC_STOP_MS 10000 /* SIGTERM of the supervisor → everything ended */

enum proc_mode {
	PROC_MODE_SERVICE = 0, /* the whole node: orchestrator http */
	PROC_MODE_ONE_SHOT =
	    1, /* orchestrator -c COMMAND: no listeners, apid runs one command and reports CHILD_DONE */
	PROC_MODE_ATTACH =
	    2, /* the data is locked by a running service: apid alone hands the command to its "ctl" socket */
	PROC_MODE_CONTINUOUS = 3, /* orchestrator continuous: a service without HTTP */
};

/* Exit codes. The first group ends the respawn: restarting cannot help, the supervisor stops the node and exits with
 * it. */
enum proc_exit {
	PROC_EXIT_OK = 0,
	PROC_EXIT_FAILED = 1,	    /* one-shot command failed; anything else that may be retried */
	PROC_EXIT_USAGE = 64,	    /* EX_USAGE */
	PROC_EXIT_BACKEND = 74,	    /* EX_IOERR: corrupt, full or unwritable backend or raft store: operator! */
	PROC_EXIT_RETRY = 75,	    /* EX_TEMPFAIL: start again with back-off */
	PROC_EXIT_VERSION = 76,	    /* EX_PROTOCOL: another build, another schema */
	PROC_EXIT_PERMISSION = 77,  /* EX_NOPERM */
	PROC_EXIT_CONFIG = 78,	    /* EX_CONFIG */
	PROC_EXIT_LOST_PARENT = 79, /* the supervisor vanished */
	PROC_EXIT_JOIN = 80	    /* the raft group could not be joined in time: init may start the node again */
};

/* Formats: of slot (probers only), raftd's generation, the other's; all uint64_t. */
#define PROC_SOCKET_PROBER "p%" PRIu64 ".%" PRIu64 ".%" PRIu64
#define PROC_SOCKET_APID "a.%" PRIu64 ".%" PRIu64
#define PROC_SOCKET_EVENTS "e.%" PRIu64 ".%" PRIu64
#define PROC_SOCKET_CONTROL "ctl"

#define PROC_PEERS_MAX 80 /* processes of a node; conf_keys.def: ProberProcesses */

#endif
