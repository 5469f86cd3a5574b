/* pr_sched.h — what is due when: probes, pings, back-off, limits. Pure: told the time, does nothing itself.
 *
 * Each server is one item. A probe is taken with pr_sched_next (then it is in flight, one at a time per server) and
 * ends with pr_sched_finish. Waiting items stand in one heap per class, so a class whose limit is reached delays no
 * other:
 *
 *   URGENT   asked for or suspicious; at once
 *   LIVE     has an idle connection: needs no connector thread
 *   SOURCES, REGULAR, DEAD   need a new connection in the lane of that name (ipc.h)
 *   SLOW     as REGULAR, of one that let us in the last time and did not answer in time: it holds its place for long
 *
 * Spreading: item number n has its place at frac(n x golden ratio) of the poll interval and keeps it, which is even for
 * any number of items. Back-off: probing.md section 12. A server that was well and fails once is tried again after
 * PR_SCHED_CONFIRM_MS: evidence "refused" wants two attempts at least 150 ms apart (design.md section 6). A failed-over
 * primary is tried every 250 ms for 10 minutes, then every poll. New connections other than urgent ones are paced by a
 * token bucket: PR_SCHED_CONNECTS_PER_S, or as many more as connect all servers within two poll intervals. After a mass
 * loss (pr_sched_spread_loss) they come primaries first, with jitter. */
#ifndef PR_SCHED_H
#define PR_SCHED_H

#include "ipc/ipc.h"
#include "pr_heap.h"

#define PR_SCHED_CONFIRM_MS 200
#define PR_SCHED_FAILED_OVER_MS 250
#define PR_SCHED_FAILED_OVER_FOR_S 600
#define PR_SCHED_PING_MS 1000
#define PR_SCHED_TICK_MS 50
#define PR_SCHED_CONNECTS_PER_S 200

enum pr_class {
	PR_CLASS_URGENT = 0,
	PR_CLASS_LIVE,
	PR_CLASS_SOURCES,
	PR_CLASS_REGULAR,
	PR_CLASS_SLOW,
	PR_CLASS_DEAD,
	PR_CLASS_COUNT
};

struct pr_sched_conf {
	int64_t poll_us;
	double dead_factor;   /* DeadInstancePollSecondsMultiplyFactor, >= 1 */
	int64_t dead_max_us;  /* DeadInstancePollSecondsMax */
	size_t max_in_flight; /* DiscoveryMaxConcurrency: all but URGENT together; logins half at most, LIVE 7/8 */
	size_t limit[PR_CLASS_COUNT];
};
/* lane_threads: connectors per lane of ipc.h. dead_max: DeadInstanceDiscoveryMaxConcurrency, 0 = no limit of its own.
 */
void pr_sched_limits(struct pr_sched_conf *c, const size_t lane_threads[IPC_LANE_COUNT], size_t dead_max);

/* Part of the server's record; zero-initialise. Read freely, change through the functions only. */
struct pr_sched_item {
	struct pr_heap_node node, ping;
	enum pr_class class; /* of the heap it stands in, or of the probe in flight */
	uint64_t flags;	     /* enum ipc_target_flags */
	double place;	     /* within the interval, 0 to 1 */
	struct mono ended;   /* its last probe */
	bool added, in_flight, connected, urgent, again;
	bool probed;	   /* at least once */
	bool was_well;	   /* the last attempt reached it */
	bool slow;	   /* and got no answer in time */
	uint64_t backoffs; /* attempts in a row that did not reach it, without the one that is confirmed at once */
	double factor;
	struct mono failed_over_until;
};

struct pr_sched {
	struct pr_sched_conf conf;
	struct pr_heap heap[PR_CLASS_COUNT];
	struct pr_heap pings;
	size_t in_flight[PR_CLASS_COUNT];
	uint64_t numbered; /* items ever added: places within the interval */
	size_t n_items;
	int64_t tokens_us; /* the bucket, in microseconds worth of tokens */
	struct mono refilled;
};

void pr_sched_init(struct pr_sched *s, const struct pr_sched_conf *conf, struct mono now);
void pr_sched_done(struct pr_sched *s);
/* A shorter interval or back-off holds for those that wait already, as if it had held since their last probe; a longer
 * one from the next probe on. */
void pr_sched_configure(struct pr_sched *s, const struct pr_sched_conf *conf, struct mono now);

void pr_sched_add(struct pr_sched *s, struct pr_sched_item *it, uint64_t flags, struct mono now);
/* Not while in flight. */
void pr_sched_remove(struct pr_sched *s, struct pr_sched_item *it);
void pr_sched_set_flags(struct pr_sched *s, struct pr_sched_item *it, uint64_t flags, struct mono now);
/* Probe it at once, or once more when a probe is in flight already. */
void pr_sched_hurry(struct pr_sched *s, struct pr_sched_item *it, struct mono now);
/* One of many that were lost at once: soon, but paced; random in [0, 1). */
void pr_sched_spread_loss(struct pr_sched *s, struct pr_sched_item *it, double random, struct mono now);
/* An idle connection has come or gone. */
void pr_sched_set_connected(struct pr_sched *s, struct pr_sched_item *it, bool connected, struct mono now);

/* Takes the next item that is due and within the limits, in flight from now on; NULL when there is none now. */
struct pr_sched_item *pr_sched_next(struct pr_sched *s, struct mono now);
enum pr_sched_end {
	PR_SCHED_WELL,	    /* reached, whatever the answers */
	PR_SCHED_SLOW,	    /* reached, but it did not answer in time */
	PR_SCHED_UNREACHED, /* connect, login or first answer failed */
	PR_SCHED_ABANDONED, /* our own doing, nothing learnt */
};
void pr_sched_finish(struct pr_sched *s, struct pr_sched_item *it, enum pr_sched_end end, struct mono now);
/* The next idle connection to ping; its next ping is one interval later. */
struct pr_sched_item *pr_sched_next_ping(struct pr_sched *s, struct mono now);
/* When to call next; max INT64_MAX when nothing will fall due by itself. Probes and pings on idle connections wait for the
 * next multiple of PR_SCHED_TICK_MS: each wake-up costs this process, raftd and the link between them as much as several
 * probes do. */
struct mono pr_sched_wake(struct pr_sched *s, struct mono now);

/* Delay before the next attempt, the nth back-off in a row (from 1); *factor is its memory. */
int64_t pr_sched_backoff_us(const struct pr_sched_conf *c, uint64_t nth, double *factor);

#endif
