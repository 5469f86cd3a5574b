/* pr_private.h — the records shared by pr_pool.c (all servers) and pr_target.c, pr_attempt.c (one server). */
#ifndef PR_PRIVATE_H
#define PR_PRIVATE_H

#include <sys/queue.h>
#include <uthash.h>

#include "conf/conf.h"
#include "pr_conn.h"
#include "pr_lookup.h"
#include "pr_loss.h"
#include "pr_pool.h"
#include "pr_probe.h"
#include "pr_sched.h"
#include "pr_unread.h"

struct event;

struct pr_request {
	uint64_t probe_id;
	enum ipc_lane lane;
	struct mono deadline; /* 0 = the configured timeouts */
};

/* A login in a connector thread. The target may go away meanwhile. */
struct pr_login_job {
	struct pr_job job;
	struct pr_login login;
	struct pr_target *target; /* NULL: nobody waits any more */
	struct conf *conf;	  /* keeps the strings alive */
	char *host;
};

/* One probe, from its start to its result. */
struct pr_attempt {
	struct pr_probe probe;
	struct conf *conf;	    /* of this probe, whatever is loaded meanwhile */
	struct pr_request *serving; /* whose results these will be; none: a scheduled probe */
	size_t n_serving;
	size_t reserved; /* credits */
	struct wall started;
	struct mono begun, deadline; /* of the whole attempt */
	struct mono first_deadline;  /* of the connection's first answer */
	struct mono armed;	     /* when the timer goes off */
	bool suspicion;		     /* begun because a connection was lost */
	bool kept;		     /* over a connection that had been idle */
	bool asked;		     /* a batch is or was under way on this connection */
	size_t answers_before;	     /* of earlier batches on this connection */
	enum topo_phase phase;
	struct pr_failure failure;
	struct event *timer;
};

/* A ping is answered within this time (a connect timeout is no shorter), else the server is suspected: a
 * primary that falls silent is to be replaced within 5 s (design.md section 11). */
#define PR_PING_ANSWER_US CLK_S

struct pr_ping {
	struct pr_query query;
	struct mem_arena arena;
	struct event *timer;
};

struct pr_target {
	UT_hash_handle hh;
	char *name; /* "host:port": hash key, logs */
	struct topo_key key;
	struct pr_pool *pool;
	struct pr_sched_item sched;
	bool watched; /* else only asked for */
	bool parked;
	struct mono parked_at;
	TAILQ_ENTRY(pr_target) parked_entry;

	struct pr_conn *conn;
	uint64_t conn_epoch; /* credentials it was made with */
	struct mono conn_since;
	struct pr_unread unread;
	struct pr_known known;
	struct pr_login_job *login;
	struct pr_attempt *attempt;
	struct pr_ping *ping;
	struct pr_request *waiting;
	size_t n_waiting, cap_waiting;

	/* Facts for evidence; wall microseconds. */
	int64_t last_answer_us, answered_us, first_failed_us;
	uint64_t failed_attempts;
	bool suspicion; /* the next probe was caused by a lost connection */

	/* A loss that waits to be reported, unless it turns out to be one of very many. */
	bool loss_pending;
	struct ipc_connection_lost loss; /* without key */
	TAILQ_ENTRY(pr_target) loss_entry;

	struct mono tls_until; /* it demands TLS, as far as remembered (UseMixedTLS) */
	bool had_source;
	int64_t heartbeats, heartbeats_moved_us;
	struct pr_lookup *lookup;
	struct mono looked_up;
	char ipv4[16], ipv6[46];
	char address[46]; /* of its newest login; "" = none yet */
};

TAILQ_HEAD(pr_target_list, pr_target);

struct pr_pool {
	struct event_base *base;
	struct conf *conf;
	uint64_t probers;
	uint64_t epoch; /* of the credentials */
	struct pr_lanes *lanes;
	struct pr_stats *stats;
	struct pr_sink sink;
	struct pr_target *targets; /* hash */
	struct pr_target_list parked, losses;
	struct pr_sched sched;
	struct event *timer;	  /* the next thing that is due */
	struct event *loss_timer; /* losses wait this long for company */
	struct pr_loss loss;
	bool linked, stalled;
	struct line_budget unread;
	uint64_t credits, reserved;
	size_t n_connections, n_attempts, n_dead;
};

#define PR_LOSS_WAIT_MS 5
/* While a global privilege is missing, a kept connection is replaced after this: only a new login sees a new grant. */
#define PR_RELOGIN_S 120

static inline struct mono
pr_now(void)
{
	return clk_mono(clk_real());
}

static inline struct wall
pr_wall(void)
{
	return clk_wall(clk_real());
}

/* --- pr_pool.c -------------------------------------------------------------------------------------------------- */
/* Something has become due or possible: look at the schedule soon. */
void pr_pool_kick(struct pr_pool *p);
/* A connection ended by itself. True: reported (soon); false: one of very many, which are not reported. */
bool pr_pool_lost(struct pr_pool *p, struct pr_target *t, enum topo_evidence evidence);
/* Answers a request at once, without a probe: nothing was learnt. */
void pr_pool_refuse(struct pr_pool *p, const struct topo_key *key, uint64_t probe_id, const char *why);
/* Neither watched nor asked for, and nothing is under way. */
void pr_pool_release(struct pr_pool *p, struct pr_target *t);

/* --- pr_target.c: connection, logins, pings --------------------------------------------------------------------- */
struct pr_target *pr_target_new(struct pr_pool *p, const struct topo_key *key);
void pr_target_free(struct pr_target *t);
bool pr_target_has_idle_connection(const struct pr_target *t);
void pr_target_close(struct pr_target *t);
/* A login in this lane; ends in pr_attempt_logged_in. False: the lane is full. */
bool pr_target_log_in(struct pr_target *t, enum pr_lane lane, struct mono deadline);
/* Nobody waits for the login any more. True: it is still looking the name up or has not begun (ret_begun). */
void pr_target_abandon_login(struct pr_target *t, bool *ret_begun, bool *ret_resolving);
/* What the configuration says about logins, except the TLS mode. */
void pr_login_configure(struct pr_login *l, const struct conf *c);
void pr_target_start_ping(struct pr_target *t);
void pr_target_answered(struct pr_target *t, bool good);
void pr_target_look_up(struct pr_target *t);

/* --- pr_attempt.c: one probe ------------------------------------------------------------------------------------ */
void pr_attempt_begin(struct pr_target *t, struct mono now);
void pr_attempt_logged_in(struct pr_target *t, const struct pr_login *l);
void pr_attempt_batch_ended(struct pr_target *t);
/* The ping that kept the connection busy has ended. */
void pr_attempt_go_on(struct pr_target *t);
/* A request came in while an attempt is under way. */
void pr_attempt_hasten(struct pr_target *t);
/* Without a result. */
void pr_attempt_drop(struct pr_target *t);

/* --- pr_outcome.c ----------------------------------------------------------------------------------------------- */
/* Sends the results of the target's attempt, which is over, and closes a connection over which the server was not
 * found; returns what the schedule is to make of it. */
enum pr_sched_end pr_outcome_tell(struct pr_target *t);

#endif
