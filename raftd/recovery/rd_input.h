/* rd_input.h — everything a recovery decides on, as one described record.
 *
 * It travels in recovery-begin, so that any member can go on without telemetry of its own; it is saved with the
 * recovery, and a saved one replays as a golden test (tests/golden/recovery, the same text format). Plain data: filters
 * were applied, names resolved and times taken by whoever filled it. Fields: rd_server.def, rd_policy.def. */
#ifndef RD_INPUT_H
#define RD_INPUT_H

#include "base/clock.h"
#include "base/str.h"
#include "topo/topo.h"

#define RD_RECOVERY_SERVERS_MAX 1024
/* Of the nodes' wall clocks, at most: where one compares what another one read or decided. */
#define RD_CLOCKS_APART_US (10 * CLK_S)

struct conf;

struct rd_recovery_server {
#define I REC_MEMBER
#define F REC_MEMBER
#include "rd_server.def"
#undef F
#undef I
};
REC_DECLARE_LIST(rd_recovery_server);

struct rd_recovery_policy {
#define P(kind, field, max, key) REC_MEMBER(kind, field, _, max)
#include "rd_policy.def"
#undef P
};
REC_DECLARE_LIST(rd_recovery_policy);

#define RD_RECOVERY_INPUT_FIELDS(F)                                                                               \
	F(STR, uid, _, 128)                                                                                       \
	F(STR, cluster_id, _, 64)                                                                                 \
	F(STR, cluster_name, _, 512)                                                                              \
	F(STR, cluster_alias, _, 512)                                                                             \
	F(STR, analysis, _, 64, .doc = "code that was detected")                                                  \
	F(I64, suspected_us, _, 0, .doc = "wall: the first sign of the failure")                                  \
	F(I64, decided_us, _, 0, .doc = "wall: the failure was confirmed")                                        \
	F(I64, chosen_us, _, 0, .doc = "wall: a choice was made on this; 0 = as it began")                        \
	F(BOOL, forced, _, 0, .doc = "asked for by an operator")                                                  \
	F(BOOL, skip_hooks, _, 0, .doc = "no list of hooks runs")                                                 \
	F(REC, candidate, topo_key, 0, .doc = "asked for; empty host = free choice")                              \
	F(REC, successor, topo_key, 0, .doc = "decided in this recovery before: no choice is made any more")      \
	F(BOOL, prepared, _, 0, .doc = "it has what donors had, and was read since: nothing is fetched any more") \
	F(STR, promoted_at, _, 65535, .doc = "MariaDB: its position when it became writable; empty = unknown")    \
	F(LIST, excluded, topo_key, 64, .doc = "candidates that failed already, in this recovery")                \
	F(REC, policy, rd_recovery_policy, 0)                                                                     \
	F(REC, failed, rd_recovery_server, 0, .doc = "its last row")                                              \
	F(LIST, servers, rd_recovery_server, RD_RECOVERY_SERVERS_MAX, .doc = "the others of the cluster")
REC_DECLARE(rd_recovery_input, RD_RECOVERY_INPUT_FIELDS);

/* Borrows from both. What neither has (maintenance, ban, semi-sync of former readings) is left zero for the caller. */
void rd_recovery_server_from(const struct topo_instance *inst, const struct topo_probe *probe,
			     struct rd_recovery_server *ret);
/* The other way, for the rules of topo/replicate.h. Borrows. */
void rd_recovery_server_instance(const struct rd_recovery_server *s, struct topo_instance *ret);
/* Borrows its texts. */
void rd_recovery_policy_from(const struct conf *c, struct rd_recovery_policy *ret);

/* A cluster without an alias, or a domain, goes by its name: in filters, rows, and what hooks are told (analysis.md section 2). */
static inline const char *
rd_or_cluster_name(const char *text, const char *cluster_name)
{
	return str_empty(text) ? cluster_name : text;
}

/* NULL when it is not among the servers. */
const struct rd_recovery_server *rd_recovery_find(const struct rd_recovery_input *in, const struct topo_key *key);
/* It replicates from the failed server, or did when the recovery began. */
bool rd_recovery_is_direct(const struct rd_recovery_input *in, const struct rd_recovery_server *s);
/* At the beginning (before == now), and when the servers are read again: who was a direct replica stays one. */
void rd_recovery_carry(const struct rd_recovery_input *before, struct rd_recovery_input *now);
/* A former replica of the failed server that is writable and has no source any more: whoever promoted it, nobody else may be
 * (NULL = none). What a recovery knew when it began may be older than another one's end. */
const struct rd_recovery_server *rd_recovery_taken_over(const struct rd_recovery_input *in);
/* What stands there was read since the failure was suspected. */
bool rd_recovery_is_fresh(const struct rd_recovery_input *in, const struct rd_recovery_server *s);
/* enum topo_promotion… by rank: 0 must, 1 prefer, 2 neutral (and unknown ones), 3 prefer_not, 4 must_not. */
enum rd_promotion_rule { RD_RULE_MUST, RD_RULE_PREFER, RD_RULE_NEUTRAL, RD_RULE_PREFER_NOT, RD_RULE_MUST_NOT };
enum rd_promotion_rule rd_recovery_rule(const struct rd_recovery_server *s);

/* --- as text ---------------------------------------------------------------------------------------------------- */
/* Lines "recovery field=value …", "policy …", "failed …", "server …"; zero fields are left out; values with blanks stand
 * in '…'. Appends. */
void rd_recovery_input_write(const struct rd_recovery_input *in, struct str_buf *b);
/* One such line into in, which was rec_init-ed; texts go to the arena. Empty lines and "# …" are skipped. SYNTAX,
 * INVALID name the word. */
int rd_recovery_input_read(const char *line, struct mem_arena *arena, struct rd_recovery_input *in,
			   struct err *e) MUST_USE;

#endif
