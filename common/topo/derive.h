/* topo/derive.h — what follows from an instance's stored fields when it is read: validity, ages, problems, short words.
 *
 * Pure: the time and the limits are given. Reference: probing.md section 10, json-shapes.md section 2, http-api.md
 * section 4 (status block). */
#ifndef TOPO_DERIVE_H
#define TOPO_DERIVE_H

#include "base/clock.h"
#include "base/str.h"
#include "topo/topo.h"

struct topo_limits {
	int64_t poll_s;		   /* InstancePollSeconds */
	int64_t reasonable_lag_s;  /* ReasonableReplicationLagSeconds */
	int64_t maintenance_lag_s; /* ReasonableMaintenanceReplicationLagSeconds */
};

/* --- facts about the stored fields -------------------------------------------------------------------------------- */
bool topo_is_replica(const struct topo_instance *i); /* has a source, and has read something of it or uses GTID */
bool topo_is_source(const struct topo_instance *i);  /* not a replica; as a group member only when role PRIMARY */
bool topo_threads_exist(const struct topo_instance *i);
bool topo_replica_running(const struct topo_instance *i); /* a replica whose two threads run */
bool topo_using_gtid(const struct topo_instance *i);	  /* Oracle or MariaDB */
bool topo_is_group_member(const struct topo_instance *i);
bool topo_is_group_secondary(const struct topo_instance *i);
bool topo_coord_equal(const struct topo_coord *a, const struct topo_coord *b);
bool topo_sql_up_to_date(const struct topo_instance *i); /* everything read is executed */
/* The old detach method: a log file "//name:pos". */
bool topo_coord_is_detached(const struct topo_coord *c);
/* The lag a maintenance operation tolerates. Unknown lag of a replica is not acceptable (historically it counted as 0).
 */
bool topo_maintenance_lag_ok(const struct topo_instance *i, const struct topo_limits *l);

/* --- read-time derivation -------------------------------------------------------------------------------------- */
/* Fills from the stored fields: flavor_name, is_detached, is_detached_source, relay_coord.type, last_seen_text,
 * is_last_check_valid, is_up_to_date, is_recently_checked, seconds_since_last_seen, problems. Not: downtime, candidate,
 * unresolved host, snapshots, shares_uuid: those come from other rows and belong to the reader. The problem
 * duplicate_server_uuid is not historical (design.md section 5). Texts go to the arena of a
 * borrowing record, or to the heap of an owning one when arena is NULL. May be repeated. */
void topo_derive(struct topo_instance *i, const struct topo_limits *l, struct wall now, struct mem_arena *arena);

/* --- short descriptions of a derived instance --------------------------------------------------------------------- */
const char *topo_status_word(const struct topo_instance *i, const struct topo_limits *l);
/* "3s", "null", "unknown", "detached"; appended */
void topo_lag_word(const struct topo_instance *i, struct str_buf *b);

enum topo_token {
	TOPO_TOKEN_LAG,
	TOPO_TOKEN_STATUS,
	TOPO_TOKEN_VERSION,
	TOPO_TOKEN_RW,
	TOPO_TOKEN_FORMAT,
	TOPO_TOKEN_EXTRAS,
	TOPO_TOKENS
};
/* One of the tokens of the status block; appends nothing when it is empty. */
void topo_token(const struct topo_instance *i, const struct topo_limits *l, enum topo_token token, struct str_buf *b);
/* "[0s,ok,8.0.36,ro,ROW,>>,GTID]": empty tokens left out */
void topo_describe(const struct topo_instance *i, const struct topo_limits *l, struct str_buf *b);
/* Appends text from a server for a terminal: control characters become "?". */
void topo_add_clean(struct str_buf *b, const char *text);

#endif
