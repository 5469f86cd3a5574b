/* vote_world.h — facts for tests of votes: what voters say, written briefly. Header only; times are milliseconds after an
 * arbitrary moment. Facts live until the next use of their slot. */
#ifndef VOTE_WORLD_H
#define VOTE_WORLD_H

#include "rd_tries.h"
#include "rd_vote.h"
#include "rd_witness.h"

#define YES TOPO_THREAD_RUNNING
#define NO TOPO_THREAD_STOPPED
#define CONNECTING TOPO_THREAD_OTHER

#define WORLD_VOTERS 5
#define WORLD_REPLICAS 4

static const char *const world_voters[WORLD_VOTERS] = {"n1:10008", "n2:10008", "n3:10008", "n4:10008", "n5:10008"};
static const struct topo_key world_server = {"source", 3306};
static const struct topo_key world_replicas[WORLD_REPLICAS] = {{"r1", 3306}, {"r2", 3306}, {"r3", 3306}, {"r4", 3306}};

static inline struct mono
at(int64_t ms)
{
	return (struct mono){1000 * CLK_S + ms * CLK_MS};
}

/* What a voter found of the server. */
enum world_sight {
	NOT_A_WORD, /* no facts at all */
	REFUSED,
	REFUSED_ONCE,
	TIMED_OUT,
	RESET,
	UNREACHABLE,
	ANSWERED,
	FULL,	 /* error 1040 */
	EXPIRED, /* error 1820 */
	STALLED, /* greets, then silence */
	UNRESOLVED,
	UNPROBED
};

static inline void
world_see(struct rd_facts *f, enum world_sight sight)
{
	static const struct rd_facts sights[] = {
	    [REFUSED] = {.evidence = TOPO_EVIDENCE_REFUSED, .errno_mysql = 2003, .failed = 2, .span_us = RD_APART_US},
	    [REFUSED_ONCE] = {.evidence = TOPO_EVIDENCE_REFUSED, .errno_mysql = 2003, .failed = 1},
	    [TIMED_OUT] = {.evidence = TOPO_EVIDENCE_TIMED_OUT, .failed = 1, .longest_us = CLK_S},
	    [RESET] = {.evidence = TOPO_EVIDENCE_RESET, .failed = 2, .span_us = RD_APART_US},
	    [UNREACHABLE] = {.evidence = TOPO_EVIDENCE_UNREACHABLE, .failed = 2, .span_us = CLK_S},
	    [ANSWERED] = {.evidence = TOPO_EVIDENCE_ANSWERED, .found = true},
	    [FULL] = {.evidence = TOPO_EVIDENCE_ANSWERED, .errno_mysql = 1040},
	    [EXPIRED] = {.evidence = TOPO_EVIDENCE_ANSWERED, .errno_mysql = 1820},
	    [STALLED] = {.evidence = TOPO_EVIDENCE_ANSWERED, .errno_mysql = 2013},
	    [UNRESOLVED] = {.unclear = TOPO_EVIDENCE_UNRESOLVED},
	    [UNPROBED] = {.evidence = TOPO_EVIDENCE_NONE},
	};

	*f = sights[sight];
	f->id = 7;
	f->ask = 1;
	f->answered_age_us = 700 * CLK_MS;
}

/* What a voter read of a replica. */
enum world_reading {
	UNREAD,
	LOST,	      /* Connecting with 2003, seen connected until 100 ms ago */
	JUST_LOST,    /* the same, between two readings of the vote */
	LONG_LOST,    /* … for a minute */
	NEVER_SEEN,   /* Connecting, the first reading ever */
	QUIET,	      /* Yes, nothing comes in */
	QUIET_NO_SQL, /* the same, and its applier is stopped */
	HEARS,	      /* Yes, and events come in */
	HEARS_NO_SQL,
	STOPPED, /* by somebody */
	LOST_NO_SQL,
	SAYS_FULL, /* Connecting with 1040 since this vote */
	MOVED,	   /* has another source, hears that */
	RENAMED	   /* the server's name resolves differently there; hears it */
};

static inline void
world_read(struct rd_replica_fact *f, const struct topo_key *key, enum world_reading what)
{
	bool no_sql = what == QUIET_NO_SQL || what == HEARS_NO_SQL || what == LOST_NO_SQL;
	bool yes = what == QUIET || what == QUIET_NO_SQL || what == HEARS || what == HEARS_NO_SQL || what == MOVED ||
		   what == RENAMED;

	*f = (struct rd_replica_fact){.key = *key, .source_key = world_server, .source_uuid = "uuid-1"};
	f->evidence = what == UNREAD ? TOPO_EVIDENCE_TIMED_OUT : TOPO_EVIDENCE_ANSWERED;
	if (what == UNREAD)
		return;
	f->read = true;
	f->read_age_us = 5 * CLK_MS;
	f->sql_running = !no_sql;
	f->io_state = yes ? YES : CONNECTING;
	f->io_errno = yes ? 0 : 2003;
	f->since_age_us = what == LOST || what == LOST_NO_SQL ? 100 * CLK_MS : 60 * CLK_S;
	f->witnessed = what != NEVER_SEEN;
	f->heard = what == HEARS || what == HEARS_NO_SQL || what == MOVED || what == RENAMED;
	f->turned = what == JUST_LOST || what == SAYS_FULL;
	if (what == NEVER_SEEN)
		f->since_age_us = f->read_age_us;
	if (what == STOPPED) {
		f->io_state = NO;
		f->io_errno = 0;
	}
	if (what == SAYS_FULL)
		f->io_errno = 1040;
	if (what == MOVED) {
		f->source_key = (struct topo_key){"elsewhere", 3306};
		f->source_uuid = "uuid-2";
	}
	if (what == RENAMED)
		f->source_key = (struct topo_key){"source.example.com", 3306};
}

struct world_said {
	enum world_sight sight;
	enum world_reading replicas[WORLD_REPLICAS];
};

/* One voter's facts; replicas borrowed, room for n. */
static inline void
world_say(const struct world_said *said, size_t n, struct rd_replica_fact *replicas, struct rd_facts *ret)
{
	world_see(ret, said->sight);
	for (size_t i = 0; i < n; i++)
		world_read(&replicas[i], &world_replicas[i], said->replicas[i]);
	ret->replicas = (struct rd_replica_fact_list){replicas, n};
}

#endif
