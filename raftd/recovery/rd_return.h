/* rd_return.h — an old source is back and read-only: what it has that its successor lacks. Pure.
 *
 * MySQL: sets say it. MariaDB: sequence numbers that the old source gave after the promotion's position were given again by
 * the successor, so its present position says nothing; what counts is where it stood when it was promoted. A left-over
 * applied position of the old source is not looked at (reference/failover-timing.md 5). Anything that cannot be told is not
 * contained: it must not rejoin. */
#ifndef RD_RETURN_H
#define RD_RETURN_H

#include "rd_have.h"

enum rd_old {
	RD_OLD_CONTAINED, /* it may replicate from the successor */
	RD_OLD_AHEAD,	  /* it has transactions of its own: they are told */
	RD_OLD_UNKNOWN,
	RD_OLD_FOLLOWS, /* it is a replica of its successor already */
	RD_OLD_UNREAD	/* one of them could not be read this time */
};

/* old and successor as they are read now; promoted_at: rd_recovery.promoted_at. ret_difference lives in the arena: the
 * GTIDs with AHEAD, why with UNKNOWN, else "". */
enum rd_old rd_old_compare(const struct rd_recovery_server *old, const struct rd_recovery_server *successor,
			   const char *promoted_at, struct mem_arena *arena, const char **ret_difference);

/* The same from a recovery's servers, read again: in->failed and in->successor. UNKNOWN as well where something else
 * forbids it to rejoin: the successor is not the writable source any more, or has purged what the old one lacks; it has a
 * channel of its own; the rules of topo/replicate.h. */
enum rd_old rd_old_judge(const struct rd_recovery_input *in, const char *promoted_at, struct mem_arena *arena,
			 const char **ret_why);

/* For people, in the log and in the record: it is back, and stays read-only; what and text are rd_old_judge's. */
void rd_old_write_stays(const struct topo_key *old, enum rd_old what, const char *text, struct str_buf *b);
/* It answers, and its fence failed: ERR_PRECONDITION: somebody else answers under its name; any other code: as text says. */
void rd_old_write_refuses(const struct topo_key *old, int code, const char *text, struct str_buf *b);

#endif
