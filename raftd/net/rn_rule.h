/* rn_rule.h — the link's decisions as functions of given data and time. Pure; the shells are rn_conn.c and rn_peer.c.
 *
 * One connection per pair. Both nodes dial. The one with the smaller name *decides*: after both hellos are accepted it
 * sends USE with a number on the connection it wants; the other follows, so the two can't disagree. A connection in use
 * stays when another arrives (no flapping when both dial at once), except that
 * - the other node proves in its hello that it had been told of the one in use, and yet dials: it has lost it;
 * - the one in use is quiet: no byte for half the silence that would end it anyway (its process may have been replaced
 *   without a sign). Two nodes that use one name therefore don't take each other's place: the second is refused. */
#ifndef RN_RULE_H
#define RN_RULE_H

#include "base/clock.h"

bool rn_rule_decides(const char *own_name, const char *peer_name);

struct rn_rule_pair {
	bool has_live;
	uint64_t live_instance, live_number;
	bool live_quiet;
	uint64_t new_instance, new_seen; /* of the hello on the new connection */
	bool dialled;			 /* the new one, by the deciding node */
};
/* Whether the deciding node takes the new connection. */
bool rn_rule_takes(const struct rn_rule_pair *p);

/* Pause before the next dial after `failures` in a row: 20–50 ms, doubling up to 0.5–1 s. */
int64_t rn_rule_pause_us(unsigned failures, uint32_t random);

/* A connection of several addresses has less time than the last one. */
int64_t rn_rule_connect_us(bool is_last, unsigned failures);

enum rn_idle { RN_IDLE_NOTHING, RN_IDLE_PING, RN_IDLE_DEAD };
/* heard: any byte; sent: any frame. */
enum rn_idle rn_rule_idle(struct mono now, struct mono heard, struct mono sent, int64_t silence_us);
bool rn_rule_quiet(struct mono now, struct mono heard, int64_t silence_us);

/* Strangers: connections taken whose hello is not accepted yet. */
#define RN_STRANGERS_MAX 128
#define RN_STRANGERS_PER_ADDRESS 16
#define RN_HELLO_US (5 * CLK_S)

#endif
