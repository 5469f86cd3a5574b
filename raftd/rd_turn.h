/* rd_turn.h — long work in slices: one slice per turn of the loop, so that sockets and timers get theirs in between.
 * event_active would not do: libevent goes on with what was activated in the same turn. */
#ifndef RD_TURN_H
#define RD_TURN_H

#include <event2/event.h>

/* Runs ev, which has no descriptor and no other use of its timer, in the next turn. Asking again while it is due changes
 * nothing: adding it anew would take it out of the turn that is about to run it, and what is asked for in every turn
 * would never run. */
static inline void
rd_turn_next(struct event *ev)
{
	static const struct timeval at_once = {0, 0};

	if (!event_pending(ev, EV_TIMEOUT, NULL))
		(void)event_add(ev, &at_once);
}

#endif
