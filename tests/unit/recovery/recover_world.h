/* recover_world.h — a group's replicated record, a prober and MySQL/MariaDB servers for the executor of recoveries
 * (rd_recover.h), in virtual time. Faults are put in by the tests; what must always hold is checked at every event. */
#ifndef TEST_RECOVER_WORLD_H
#define TEST_RECOVER_WORLD_H

#include "rd_recover.h"
#include "rd_recover_run.h"

#define WORLD_SERVERS 4 /* a failed, b c d its replicas */
#define WORLD_UUID "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa"
#define WORLD_START_US (INT64_C(1700000000) * CLK_S)
#define WORLD_LEASE_US (400 * CLK_MS)

enum world_what { WORLD_APPLY, WORLD_STEP, WORLD_RUN, WORLD_RESULT, WORLD_READING, WORLD_HOOKS, WORLD_FAULT };

/* One thing that will happen. */
struct world_event {
	int64_t at_us;
	enum world_what what;
	unsigned leader; /* whose: results for a leader that is gone are lost */
	struct rd_recover_event ev;
	struct topo_key successor;
	struct ipc_step step;
	struct ipc_step_result result;
	size_t server;
	enum rd_hook_list list;
	unsigned fault;
};

struct world_server {
	struct rd_recovery_server row;
	bool up;
	uint64_t lock;	 /* number of the step that holds it; 0 = free */
	unsigned locked; /* the leader that ended whoever held it last; 0 = none */
};

enum world_fault {
	WORLD_LEADER = 1,	/* dies; another one takes over after a second */
	WORLD_CANDIDATE = 2,	/* dies */
	WORLD_RETURN = 4,	/* the failed server is back, writable */
	WORLD_LOSE_RESULTS = 8, /* results of steps are lost for half a second */
	WORLD_SLOW_PROBER = 16, /* the prober is paused for a second: what it has is sent late, or not at all */
	WORLD_SLOW_SERVER = 32, /* statements take a second, and are ended by whoever breaks the lock */
	WORLD_ABORT = 64,
	WORLD_REPLICA = 128,	    /* d dies */
	WORLD_LATE = 1024,	    /* c, which has most, answers for the first time when CHOOSE begins */
	WORLD_LEADER_AT_END = 2048, /* with others: it dies while what it did is undone, or right after that */
	WORLD_UNTOLD = 512,	    /* with RETURN: nobody notices that it is back, not even who leads next */
	WORLD_AWAY = 4096, /* with RETURN: it is silent again for five seconds while what was done is undone … */
	WORLD_AWAY_FOR_GOOD = 8192, /* … or it stays away, and votes say so */
	WORLD_LINK = 16384,	    /* steps sent within 10 ms count as unknown at once, and arrive all the same */
	WORLD_HUNG_SERVER = 256	    /* as SLOW_SERVER, but eight seconds: longer than any answer is waited for */
};

struct world {
	struct clock clock;
	int64_t now_us;
	struct mem_arena arena;
	bool mariadb;
	uint64_t random;
	const char *name; /* of the case, for messages */
	struct world_server servers[WORLD_SERVERS];
	struct rd_recovery_input in;
	struct rd_recovery_server in_servers[WORLD_SERVERS - 1];
	/* replicated */
	struct rd_recovery record;
	unsigned effects;
	struct rd_lost_list lost;
	const char *had; /* MariaDB: position of the candidate when it became writable */
	bool hooks_ran[RD_HOOK_LIST_COUNT];
	/* the leader */
	struct rd_recover *r;
	unsigned leader; /* its term */
	bool leads;
	uint64_t last_number;
	unsigned too_late;
	/* what happens */
	struct world_event events[512];
	size_t n_events;
	int64_t lose_until_us, prober_until_us, server_until_us, link_until_us, refuse_until_us;
	/* faults: `faults` happen `after_us` after state `when` is entered for the first time */
	unsigned faults;
	enum rd_recovery_state when;
	int64_t after_us;
	bool fault_came, fail_pre_hook, untold;
	bool undoes;	   /* it came to RESTORE, … */
	int64_t undoes_us; /* … then */
	size_t doubt;	   /* of this server it is not known that it replicates from the failed one; 0 = of none … */
	bool foreign;	   /* … and it does not */
	bool rejoin;	   /* RejoinFailedMaster; the failed server returns when the recovery is done, … */
	bool ahead;	   /* … with a transaction of its own */
	enum rd_old old;   /* told of it last; RD_OLD_FOLLOWS: nothing */
	int refuse;	   /* the failed server answers its fence so, once it is back, … */
	int64_t refuse_us; /* … so long */
	size_t refused;	   /* fences; of these … */
	size_t told;	   /* … was told, and said: */
	struct str_buf refusal;
	bool stuck;	      /* c has not applied all that it received, and its SQL thread stops when it is to do so */
	size_t forgets;	      /* this server restarts while it applies, and has no relay log any more; 0 = none */
	bool forgot, gone;    /* … it has; … and that was noticed (RD_EVENT_GONE) */
	const char *lost_set; /* of the newest choice */
	bool demoted, rejoined_once;
	unsigned slow;	      /* so many waits are over before everything is applied; of each … */
	bool idle;	      /* … nothing is */
	struct str_buf trace; /* "b:set-writable" … as carried out */
	size_t steps;
};

void world_init(struct world *w, const char *name, bool mariadb, unsigned seed);
/* The recovery begins. */
void world_begin(struct world *w);
/* Until nothing is left to be done; fails the test if that takes an hour of virtual time. */
void world_go(struct world *w);
void world_done(struct world *w);

/* --- recover_servers.c */
struct world_server *world_server(struct world *w, const struct topo_key *key);
const char *world_kept(struct world *w, const char *s);
void world_make_server(struct world *w, size_t i);
struct world_server *world_candidate(struct world *w);
/* What must hold in the end: invariants 5 and 6. */
void world_check_end(struct world *w);
/* It follows who is the source in the end, or is named as lost. */
void world_check_follower(struct world *w, struct world_server *s);
void world_make_stuck(struct world *w);
void world_make_doubt(struct world *w);
bool world_may_become_writable(const struct world *w, const struct topo_key *key);
/* Its fence is not carried out, and answered with `refuse`; another server is asked nothing. */
bool world_is_refused(struct world *w, const struct world_server *s);
/* The statement waits for what its server does not apply any more. */
bool world_waits_in_vain(struct world *w, struct world_server *s, struct world_event *ev);
/* Its server restarts instead. */
bool world_forgets(struct world *w, struct world_server *s, const struct ipc_step *m);
/* 0, or what the server answers: a code. */
int world_carry_out(struct world *w, struct rd_recovery_server *s, const struct ipc_step *m);

#define WORLD_CHECK(w, x)                                                                                           \
	do {                                                                                                        \
		if (!(x))                                                                                           \
			fail_msg("%s: %s\nstate %s, %zu steps:%s", (w)->name, #x,                                   \
				 rd_recovery_state_name((w)->record.state), (w)->steps, str_buf_text(&(w)->trace)); \
	} while (0)

#endif
