/* rd_tries.h — what attempts to reach a server prove, as one node holds them: answered, failed, or nothing yet; and when
 * a server becomes suspected. Pure: times are given, nothing is owned. Rules: design.md sections 5 and 6,
 * failover-timing.md sections 1 to 3.
 *
 * Any answer, an error packet too, is life. A failure that comes at once (refused, reset, unreachable) counts when it was
 * met again RD_APART_US later: a server that is being restarted, or a connection cut by a firewall, looks the same for a
 * moment. A time-out counts when it lasted. An unresolved name and our own limits say nothing about the server. */
#ifndef RD_TRIES_H
#define RD_TRIES_H

#include "base/clock.h"
#include "topo/topo.h"

#define RD_APART_US (150 * CLK_MS)   /* between the ends of two failed attempts */
#define RD_SILENCE_US (500 * CLK_MS) /* a single time-out that lasted so long is a failed attempt and its repetition */

enum rd_reach {
	RD_REACH_UNKNOWN = 0, /* nothing was learnt about the server: an abstention */
	RD_REACH_ANSWERED,
	RD_REACH_FAILED,
};
/* What one attempt of this class says. Unknown classes (of a newer build): UNKNOWN. */
enum rd_reach rd_reach_of(uint64_t evidence);

/* One attempt that has ended. ended: when this process heard of it (never earlier than it happened). */
struct rd_attempt {
	uint64_t evidence; /* enum topo_evidence */
	int64_t errno_mysql;
	bool found; /* everything could be read */
	struct mono began, ended;
};
/* Of a result that has just arrived: its duration is the prober's, its end is now. So a process that slept takes it for
 * younger than it is: whoever needs a fresh one asks for it (a prober begins those afterwards). */
struct rd_attempt rd_attempt_of(const struct topo_probe *p, struct mono now);

/* Attempts since some moment, or since the last answer: zero-initialise. */
struct rd_tries {
	uint64_t evidence;	  /* of the newest attempt that said something; NONE = none did */
	uint64_t unclear;	  /* class of the newest that said nothing, for people */
	int64_t errno_mysql;	  /* of that attempt */
	bool found;		  /* by that attempt */
	uint64_t failed;	  /* in a row, up to now */
	struct mono failed_first; /* ends of the first and the newest of them */
	struct mono failed_last;
	int64_t longest_us; /* the longest time-out among them */
};
void rd_tries_note(struct rd_tries *t, const struct rd_attempt *a);
/* FAILED only as above; until then UNKNOWN. span_us: from the first to the newest failure. The same rule serves the voter,
 * who goes on trying, and the leader, who is told the numbers. */
enum rd_reach rd_reach_judge(uint64_t evidence, uint64_t failed, int64_t span_us, int64_t longest_us);
enum rd_reach rd_tries_judge(const struct rd_tries *t);

/* --- suspicion ------------------------------------------------------------------------------------------------------ */
/* What this node knows of a server without anybody having asked. Zero-initialise. */
struct rd_seen {
	struct mono answered;  /* newest reply of any kind; us 0 = never */
	struct rd_tries tries; /* since that */
	struct mono lost;      /* an idle connection was lost since then, or its ping was not answered; us 0 = no */
	uint64_t lost_evidence;
	struct mono attempted; /* when the newest failed attempt began */
};
void rd_seen_attempt(struct rd_seen *s, const struct rd_attempt *a);
/* CONNECTION_LOST. age_us: how long ago the server last answered on it, as it says; negative = never. */
void rd_seen_lost(struct rd_seen *s, uint64_t evidence, int64_t age_us, struct mono now);

enum rd_suspicion {
	RD_UNSUSPECTED,
	RD_LOOK, /* probe it and its replicas at once, ask nobody yet */
	RD_ASK,	 /* let the voters be asked */
};
/* in_mass: many connections were lost within a second (rd_suspect.h): it may well be our own network, so a server is
 * suspected only after an attempt that began after its loss has failed. */
enum rd_suspicion rd_seen_suspicion(const struct rd_seen *s, bool in_mass);

/* --- names ---------------------------------------------------------------------------------------------------------- */
/* The cause to be named, "" when there is none: "too many connections", "stalled" (it greets, then statements are not
 * answered), "refused", "name not resolved"… Static text. */
const char *rd_cause(uint64_t evidence, bool found, int64_t errno_mysql);
/* Whether the server itself sent that error; numbers of client libraries and unlisted ones: false. */
bool rd_errno_is_answer(int64_t errno_mysql);

#endif
