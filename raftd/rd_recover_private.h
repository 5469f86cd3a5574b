/* rd_recover_private.h — the executor's parts: rd_recover.c (events, what is next), rd_recover_locks.c (steps on their way, locks), rd_recover_work.c (plans and what came
 * of them), rd_recover_read.c (readings), rd_recover_fence.c (servers that must not be writable). */
#ifndef RD_RECOVER_PRIVATE_H
#define RD_RECOVER_PRIVATE_H

#include "rd_recover.h"
#include "rd_recover_run.h"

enum rd_stage {
	RD_STAGE_IDLE,
	RD_STAGE_LOCKS,	 /* break-lock everywhere */
	RD_STAGE_SETTLE, /* break-lock where a step's outcome is open */
	RD_STAGE_READ,
	RD_STAGE_RUN, /* the state's phase */
	RD_STAGE_HOOKS
};

/* A reading that was asked for before something changed proves nothing: it is asked for again. */
enum rd_reading { RD_READING_NONE, RD_READING_ASKED, RD_READING_STALE, RD_READING_STALE_WANTED };

/* Beside the effects of rd_fsm.h. */
enum rd_recover_todo {
	RD_TODO_REREAD = 0x100000,    /* the servers in targets */
	RD_TODO_AGAIN = 0x200000,     /* the phase is planned again */
	RD_TODO_PREPARED = 0x800000,  /* the candidate was read after its preparation */
	RD_TODO_TELL = 0x400000,      /* PostUnsuccessfulFailoverProcesses run, and the end is proposed */
	RD_TODO_PROGRESS = 0x2000000, /* who was waited for in vain was read: whether it goes on applying */
	RD_TODO_OLD = 0x1000000	      /* the failed server, fenced, and its successor were read: they are compared */
};

/* A server where a step may still take effect. */
struct rd_open {
	struct topo_key key; /* owned */
	struct mono not_after;
	bool held;	/* its lock could not be taken either */
	unsigned tries; /* to take it, after it answered */
};

struct rd_fence {
	bool active, begun;
	struct rd_run run;
	struct topo_key_list done; /* owned */
	struct mono since, again;
	bool held;	     /* the failed server's lock for steps was held by somebody when it was to be fenced */
	struct mono unknown; /* until then a fence may arrive there whose outcome is not known; 0 = none */
	unsigned compare;    /* tries left to compare the failed server, which was fenced, once the recovery is over */
	struct mono compare_at;
};

struct rd_recover {
	struct clock *clock;
	const struct rd_recover_ops *ops;
	void *ctx;
	uint64_t term, number; /* number: the last one that was sent */
	int64_t poll_us;

	struct rd_recovery record;	      /* owned, like everything that is a record here */
	struct rd_recovery_input before, now; /* now: as read last; successor and excluded come from the record */
	struct rd_lost_list lost;
	size_t cap_lost;
	struct topo_key_list given_up; /* of the lost ones: a step failed there */
	struct topo_key_list followed; /* every step of the last plan there succeeded */
	char *goal;		       /* what the chosen one is to have before it is promoted; NULL = unknown */
	char *position;		       /* of the candidate, once it has applied everything; NULL = unknown */
	bool prepared_once;	       /* servers may be changed already */
	bool is_orphan;		       /* taken over from another leader */
	bool read_all;		       /* by this executor, since the last fence */

	unsigned todo;	    /* effects that are left */
	unsigned wanted;    /* events from outside, by bit */
	bool proposed;	    /* an event is on its way */
	struct mono again;  /* nothing is begun before */
	unsigned tries;	    /* plans of this state that did not come through */
	bool was_attempted; /* it came beyond the hooks */
	bool told;	    /* PostUnsuccessfulFailoverProcesses were begun */
	bool fenced, gone;  /* the failed server: it may have been made read-only; it was found dead once more */
	char *waited;	    /* what those in targets had applied, for whom it was waited in vain; NULL = nothing */
	char *ends_by;	    /* who asked for its end, "by NAME"; NULL = nobody, or not known */
	char *over_why;	    /* for the end of RESTORE, after these; NULL = nothing */
	bool news;	    /* while waiting: somebody answered */
	struct mono news_at;

	enum rd_stage stage;
	enum rd_plan_phase phase; /* of the run */
	struct rd_run run;
	enum rd_hook_list hook;
	bool hook_over, hook_failed;
	enum rd_reading *reading;     /* of now.servers, then the failed one */
	size_t n_reading;	      /* waited for */
	bool one_read;		      /* by the present reading: the candidate answered */
	struct mono watch_at;	      /* in PREPARE: who applies is read again */
	char *stuck;		      /* who was waited for applies no more, and why; NULL = nobody */
	struct topo_key_list targets; /* owned: who is read again because of an unknown step */

	struct topo_key_list locked; /* owned: their locks were taken, once at least */
	struct rd_open *open;
	size_t n_open, cap_open;
	struct rd_fence fence;
	struct rd_recover_stats stats;
};

static inline struct mono
rd_recover_now(const struct rd_recover *r)
{
	return clk_mono(r->clock);
}

static inline int64_t
rd_recover_wall_us(const struct rd_recover *r)
{
	return clk_wall(r->clock).us;
}

/* --- rd_recover.c */
void rd_recover_propose(struct rd_recover *r, const struct rd_recover_event *ev);
/* The present state's work is done. Hooks that tell of a failure run before the record ends: else nobody would run them if
 * this leader is lost then. */
void rd_recover_steps_over(struct rd_recover *r, const char *why);
static inline void
rd_recover_say(struct rd_recover *r, enum rd_recovery_event event, const char *detail)
{
	rd_recover_propose(r, &(struct rd_recover_event){.h = {.event = event}, .detail = detail});
}

/* --- rd_recover_locks.c, rd_recover_work.c */
/* Sends what may be sent of a run. */
void rd_recover_send(struct rd_recover *r, struct rd_run *run, enum rd_plan_phase phase);
void rd_recover_begin_run(struct rd_recover *r, enum rd_stage stage, const struct rd_plan *plan);
void rd_recover_settle_again(struct rd_recover *r, const struct topo_key *key);
void rd_recover_locks(struct rd_recover *r);
void rd_recover_locks_over(struct rd_recover *r); /* and of settling */
void rd_recover_relock(struct rd_recover *r, const struct topo_key *key);
void rd_recover_prepared(struct rd_recover *r);
void rd_recover_progress(struct rd_recover *r);
void rd_recover_again(struct rd_recover *r); /* who had to be read again was */
/* False: nothing is to be settled; true: it is under way, or waits for rd_recover.again. */
bool rd_recover_settle(struct rd_recover *r);
void rd_recover_run(struct rd_recover *r);
void rd_recover_pick(struct rd_recover *r);
void rd_recover_stop(struct rd_recover *r); /* the present stage: what is under way is open from now on */
void rd_recover_run_over(struct rd_recover *r);
void rd_recover_judge_candidate(struct rd_recover *r); /* after it was read in PROMOTE */
void rd_recover_note(struct rd_recover *r, const struct rd_run_item *i, enum rd_plan_phase phase);
void rd_recover_open(struct rd_recover *r, const struct topo_key *key, struct mono not_after, bool held);
/* Who does not follow when REPOINT ends now. */
void rd_recover_lose_rest(struct rd_recover *r);
bool rd_recover_is_open(const struct rd_recover *r, const struct topo_key *key);
void rd_recover_lose(struct rd_recover *r, const struct topo_key *key, const char *why);
bool rd_recover_is_lost(const struct rd_recover *r, const struct topo_key *key);

/* --- rd_recover_read.c */
void rd_recover_read_all(struct rd_recover *r, bool failed_too);
void rd_recover_read_silent(struct rd_recover *r);
void rd_recover_read_stop(struct rd_recover *r);
void rd_recover_read_keys(struct rd_recover *r, const struct topo_key_list *keys);
/* now with the record's successor and dropped candidates; borrows. */
struct rd_recovery_input rd_recover_view(const struct rd_recover *r);

/* In PREPARE: applying may take hours; a server that has stopped is not waited for. */
void rd_recover_watch(struct rd_recover *r);
struct mono rd_recover_watch_due(const struct rd_recover *r);

/* --- rd_recover_fence.c */
void rd_recover_fence(struct rd_recover *r);
void rd_recover_fence_anew(struct rd_recover *r); /* it was away: whether it was fenced before says nothing */
void rd_recover_fence_tick(struct rd_recover *r);
void rd_recover_unfence(struct rd_recover *r);	   /* nobody was promoted: it ends */
void rd_recover_compare_old(struct rd_recover *r); /* if it is time to */
void rd_recover_judge_old(struct rd_recover *r);
void rd_recover_read_rejoin(struct rd_recover *r); /* in REJOIN */
void rd_recover_run_rejoin(struct rd_recover *r);
struct mono rd_recover_fence_due(const struct rd_recover *r);
void rd_recover_fence_done(struct rd_recover *r);

#endif
