/* rd_state.h — the replicated state in memory: tables of described rows, found by primary key, and the bookkeeping of
 * apply (index, term, time). Design: design.md section 3.
 *
 * Pure: no clock, no I/O. Only rd_apply.c changes it, apart from rd_load.c and rd_snapshot_load.c, which fill a fresh
 * one from the backend or from a snapshot. Rows given in are copied; rows given out are borrowed until the table
 * changes. All of it is the same on every node that applied the same index, whichever way it came there. */
#ifndef RD_STATE_H
#define RD_STATE_H

#include "base/rec.h"
#include "db/db_tables.h"

enum rd_table {
#define RD_TABLE(name, db, record, tail) RD_TABLE_##name,
#include "rd_tables.def"
#undef RD_TABLE
	RD_TABLE_COUNT
};

struct rd_state;

struct rd_state *rd_state_new(void);
void rd_state_free(struct rd_state *s); /* NULL is fine */

enum db_table rd_table_db(enum rd_table table);
const struct rec_desc *rd_table_desc(enum rd_table table);
const char *rd_table_name(enum rd_table table); /* in snapshots */
const char *rd_table_tail(enum rd_table table); /* rd_tables.def */
/* RD_TABLE_COUNT when there is none of that name. */
enum rd_table rd_table_by_name(const char *name);

/* key_row: a record of the table; only its key fields are looked at. NULL when there is no such row. */
const void *rd_state_get(const struct rd_state *s, enum rd_table table, const void *key_row);
size_t rd_state_count(const struct rd_state *s, enum rd_table table);
size_t rd_state_rows(const struct rd_state *s); /* of all tables */
/* … but those about the group of nodes, about commands, and access tokens: what a group takes over from a node's life
 * without raft. */
size_t rd_state_decisions(const struct rd_state *s);
/* In no particular order, but the same for the same history. The table must not change meanwhile. */
typedef void (*rd_row_fn)(void *ctx, const void *row);
void rd_state_each(const struct rd_state *s, enum rd_table table, rd_row_fn fn, void *ctx);

/* The rows of all tables one after the other, over several turns of the loop: zero-initialise the cursor; false at the
 * end. Nothing may change in the state until then. */
struct rd_cursor {
	enum rd_table table; /* of the row returned last */
	const void *at;	     /* private */
};
bool rd_state_next(const struct rd_state *s, struct rd_cursor *c, const void **ret_row);
/* The same within the table that c begins with ({.table = …}); NULL at its end, where a walk is over. */
const void *rd_state_next_row(const struct rd_state *s, struct rd_cursor *c);

uint64_t rd_state_index(const struct rd_state *s);  /* of the last applied entry, 0 = none */
uint64_t rd_state_term(const struct rd_state *s);   /* of that entry; 0 without raft */
int64_t rd_state_time_us(const struct rd_state *s); /* of the last applied command; never goes back */
/* What became of the command with this uid, if it was applied and is still remembered; NULL. */
const struct db_applied_command *rd_state_command(const struct rd_state *s, const char *uid);
/* Whether … and at which index. */
bool rd_state_has_uid(const struct rd_state *s, const char *uid, uint64_t *ret_index);
size_t rd_state_uid_count(const struct rd_state *s);
int64_t rd_state_oldest_uid_us(const struct rd_state *s); /* 0 = none remembered */
/* More than RD_UIDS_MAX and an eighth are remembered: the time before which to forget (tick); else 0. A client that
 * changes something many times a second must not fill memory for a day; repeats come within seconds. */
#define RD_UIDS_MAX 16384
int64_t rd_state_surplus_uids_us(const struct rd_state *s);

/* --- single values (table setting) ----------------------------------------------------------------------------- */
#define RD_SETTING_CLUSTER_ID "cluster_id"
#define RD_SETTING_LEADER_URI "leader_uri"
#define RD_SETTING_FEATURE_LEVEL "feature_level"
const char *rd_state_setting(const struct rd_state *s, const char *name); /* "" = none */
const char *rd_state_cluster_id(const struct rd_state *s);		  /* "" = not founded yet */
uint32_t rd_state_feature_level(const struct rd_state *s);		  /* at least 1 */
bool rd_state_recoveries_disabled(const struct rd_state *s);

/* --- access tokens (auth-and-web.md section 1.2) --------------------------------------------------------------- */
/* By its public part; NULL. Compares in a time that tells nothing of what it has. */
const struct db_access_token *rd_state_token(const struct rd_state *s, const char *public_token);
/* Whether that token was acquired, with a secret of this digest, and issued at that time or later. Who has the public
 * part of a reentrant one may acquire it again and again, for ever, so any secret will do. */
bool rd_state_token_holds(const struct rd_state *s, const char *public_token, const char *digest,
			  int64_t issued_after_us);

/* --- fingerprint ----------------------------------------------------------------------------------------------- */
/* Of all rows and the time, whatever their order: equal on nodes that applied the same index. Kept up to date with each
 * change, so asking costs nothing. A field that is zero doesn't count: builds of different feature levels agree. */
uint64_t rd_state_hash(const struct rd_state *s);
/* The hash after the entry at `index`, a multiple of RD_HASH_EVERY among the newest RD_HASHES_KEPT of them. False: not
 * known here (never applied one by one here, or too long ago). */
#define RD_HASH_EVERY 1000
#define RD_HASHES_KEPT 8
bool rd_state_hash_at(const struct rd_state *s, uint64_t index, uint64_t *ret_hash);
/* The newest of them; 0 = none yet. */
uint64_t rd_state_newest_hash(const struct rd_state *s, uint64_t *ret_hash);

/* --- for rd_apply.c, rd_load.c and rd_snapshot_load.c only ----------------------------------------------------- */
/* Inserts or replaces; row may borrow from the one that it replaces. */
void rd_state_put(struct rd_state *s, enum rd_table table, const void *row);
bool rd_state_remove(struct rd_state *s, enum rd_table table, const void *key_row); /* false: there was none */
/* It goes on without raft: its terms count from nothing again, its index goes on. */
void rd_state_leave_log(struct rd_state *s);
/* An entry begins to be applied … */
void rd_state_set_applied(struct rd_state *s, uint64_t index, uint64_t term, int64_t time_us);
/* … and is: the hash of its index is remembered when due. */
void rd_state_end_entry(struct rd_state *s);
void rd_state_add_command(struct rd_state *s, const struct db_applied_command *c);
void rd_state_expire_uids(struct rd_state *s, int64_t before_us);
void rd_state_set(struct rd_state *s, const char *name, const char *value);

#endif
