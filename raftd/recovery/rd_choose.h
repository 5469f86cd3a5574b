/* rd_choose.h — which server takes the failed one's place, from whom it fetches what it lacks, what is lost. Pure.
 *
 * Rules: reference/recovery.md section 4, with its defects mended: the order is lexicographic (and so total), versions
 * and file numbers compare as numbers, GTIDs as sets, by what was received. Historically the most advanced replica was
 * promoted and then replaced by a preferred one; here the preferred one is chosen at once, and fetches what it lacks
 * from the most advanced one, its donor, which may be one that must not be promoted itself. Reasons: rd_why.def. */
#ifndef RD_CHOOSE_H
#define RD_CHOOSE_H

#include "rd_have.h"

enum rd_why_class { RD_WHY_NEVER, RD_WHY_LAST, RD_WHY_BETTER };
enum rd_why {
	RD_WHY_CHOSEN,
#define WHY(NAME, class, text) RD_WHY_##NAME,
#include "rd_why.def"
#undef WHY
	RD_WHY_COUNT
};
const char *rd_why_text(enum rd_why why);
enum rd_why_class rd_why_class(enum rd_why why); /* not of CHOSEN */

/* NONE is proven, POSSIBLE is not, SOME is known to be. */
enum rd_loss { RD_LOSS_NONE, RD_LOSS_POSSIBLE, RD_LOSS_SOME };
enum rd_choice_verdict {
	RD_CHOICE_PROMOTE,
	RD_CHOICE_WAIT,	 /* PromotionOnPossibleLoss: until wait_until_us, then promote */
	RD_CHOICE_ABORT, /* PromotionOnPossibleLoss: abort */
	RD_CHOICE_NOBODY /* no server may be promoted, or not the one that was asked for */
};
const char *rd_loss_text(enum rd_loss loss);
const char *rd_choice_verdict_text(enum rd_choice_verdict verdict);

struct rd_ranked {
	const struct rd_recovery_server *server;
	const struct rd_have *have;
	enum rd_why why;
	const char *detail;		/* what the reason refers to; "" */
	const struct rd_have *donor;	/* for this candidate; NULL = needs none, or there is none */
	uint64_t lacks, lost, stranded; /* of the best set before and after its donor; replicas that can't follow it */
	uint64_t backlog;		/* received, and not applied */
};

/* Borrows from the input, the sets and the arena. */
struct rd_choice {
	enum rd_choice_verdict verdict;
	const struct rd_ranked *chosen; /* NULL with NOBODY */
	const struct rd_recovery_server *donor;
	const char *fetch; /* GTID set that the donor has to hand over; "" */
	const char *goal;  /* what it will have then */
	enum rd_loss loss;
	const char *loss_why, *lost; /* lost: the GTID set, "" unless SOME */
	int64_t wait_until_us;
	const char *refusal; /* with NOBODY and ABORT: for people */
	struct rd_ranked *v; /* of in->servers, in that order */
	size_t n;
	uint64_t work; /* pairs of servers that were compared: a loop waits for it */
};

void rd_choose(const struct rd_recovery_input *in, const struct rd_haves *haves, int64_t now_us,
	       struct mem_arena *arena, struct rd_choice *ret);
/* NULL; or why nobody is promoted after a failure of this code (DeadMasterAndReplicas, DeadMasterWithoutReplicas), whoever
 * answers meanwhile: no replica has confirmed that it lost its source. Its recovery is recorded as unsuccessful. An
 * operator may promote one of those that answer nevertheless (forced). */
const char *rd_kind_promotes_nobody(const char *analysis, bool forced);

/* Lines for people: the choice, then each server with its reason. Appends. */
void rd_choice_write(const struct rd_choice *c, struct str_buf *b);

/* A line: the refusal, and of the first servers why they may not be promoted. */
const char *rd_choice_why_nobody(const struct rd_choice *c, struct mem_arena *arena);

/* --- parts, for the planner and their tests --------------------------------------------------------------------- */
/* 0, or why x could not be pointed to y (ERR_PRECONDITION). y_gets: what y will have fetched before; NULL = nothing. */
int rd_can_follow(const struct rd_recovery_input *in, const struct rd_haves *haves, const struct rd_have *x,
		  const struct rd_have *y, struct err *e) MUST_USE;
/* What is lost when `chosen` has everything in `has` in the end, of what was acknowledged until now_us (wall: the choice is
 * made; a source that only cannot be reached goes on, and its semi-sync times out). */
enum rd_loss rd_loss_of(const struct rd_recovery_input *in, const struct rd_haves *haves, const struct rd_set *has,
			int64_t now_us, struct mem_arena *arena, const char **ret_why, const char **ret_lost);
/* By the number of the file, then the position; <0, 0, >0. Names of different stems compare as texts. */
int rd_coord_cmp(const struct topo_coord *a, const struct topo_coord *b);
/* The most frequent of the replicas' major versions, or the lower of several; "" when there are none. */
const char *rd_priority_version(const struct rd_recovery_input *in);
/* … binlog formats, by rank: 0 STATEMENT, 1 MIXED, 2 ROW; -1 = none. */
int rd_priority_format(const struct rd_recovery_input *in);
int rd_format_rank(const char *format);

#endif
