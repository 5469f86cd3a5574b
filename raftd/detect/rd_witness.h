/* rd_witness.h — what a replica knows of its source. Pure; times given; nothing is owned.
 *
 * "Receiver running" is no word by itself: after a silent network drop or a stopped process a replica says Yes for up to
 * its net timeout. So a voter reads it twice and tells what came in between (events or heartbeats: the source lives), and
 * since when the receiver has been broken. Rules: design.md section 6, failover-timing.md sections 1 to 3. */
#ifndef RD_WITNESS_H
#define RD_WITNESS_H

#include "base/clock.h"
#include "topo/topo.h"

/* One reading of a replica. */
struct rd_reading {
	struct mono at; /* when this process heard of it */
	enum topo_thread io;
	bool sql_running;
	int64_t io_errno;
	int64_t heartbeats; /* received so far, -1 = the server doesn't count them */
	uint64_t received;  /* hash of the positions received */
};
/* Of a result that found its server. */
struct rd_reading rd_reading_of(const struct topo_probe *p, struct mono now);

/* What one node remembers of a replica's readings. Zero-initialise; begin anew when it gets another source. */
struct rd_heard {
	bool read;
	struct rd_reading last;
	struct mono since; /* the first reading with the present state and error of the receiver */
	bool witnessed;	   /* before that reading there was one with another state or error */
};
/* Between the former reading and this one: */
enum rd_news {
	RD_NO_NEWS,
	RD_HEARD,  /* something was received, over a connection that stood at both */
	RD_TURNED, /* the receiver's state or error changed */
};
enum rd_news rd_heard_note(struct rd_heard *h, const struct rd_reading *r);

/* What the freshest view of a replica means for its source. */
enum rd_word {
	RD_WORD_UNREAD = 0, /* no voter could read it */
	RD_WORD_ELSEWHERE,  /* it has another source */
	RD_WORD_MUTE,	    /* its receiver was stopped, or has an error of its own: no witness */
	RD_WORD_DEAD,	    /* it lost its source since the source was last heard */
	RD_WORD_ALIVE, /* events or heartbeats have come in, or the source answers its receiver, if only with an error */
	RD_WORD_SILENT, /* Yes, and nothing comes in */
	RD_WORD_STALE,	/* broken, perhaps since before the source was last heard: it may be waiting for its next try */
	RD_WORD_COUNT
};
const char *rd_word_text(uint64_t word);

struct rd_sight {
	bool read;
	bool follows; /* its source is the server in question */
	bool heard;   /* something came in between two readings that both were made for this vote … */
	bool turned;  /* … or the receiver's state or error changed between them */
	enum topo_thread io;
	bool sql_running;
	int64_t io_errno;
	struct mono since;    /* of that state and error; earliest that anybody knows of */
	bool witnessed;	      /* somebody saw it in another state before */
	struct mono answered; /* last answer of the source to anybody; us 0 = never */
};
enum rd_word rd_word_of(const struct rd_sight *v);
/* Words that are none yet: restarting the receiver makes the replica connect anew, and then it knows. */
bool rd_word_needs_test(enum rd_word word);
/* May its receiver be restarted? Only while the applier runs: MariaDB drops its relay log at a START with both stopped. */
bool rd_sight_is_testable(const struct rd_sight *v);

/* Read anew, without a restart: DEAD or ALIVE where its receiver has turned since v and says so (as rd_word_of); it need not
 * be tested then. UNREAD: nothing new, or nothing that tells. */
enum rd_word rd_word_since(const struct rd_sight *v, enum topo_thread io, int64_t io_errno);

/* After the restart. DEAD: it tries in vain (at the first look only if it says so with an error that it did not have
 * before, at the last one by still trying); ALIVE: it connected, or was answered; MUTE: it does not try; SILENT: too early
 * to tell, never at the last look. */
enum rd_word rd_word_after_restart(enum topo_thread io, int64_t io_errno, int64_t former_errno, bool last_look);

#endif
