/* rd_state.h — the replicated state in memory: tables of described rows, found by primary key, and the bookkeeping of
 * apply (index, time, uids). Design: design.md section 3.
 *
 * Pure: no clock, no I/O. Only rd_apply.c changes it, apart from rd_load.c, which fills a fresh one from the backend.
 * Rows given in are copied; rows given out are borrowed until the table changes. */
#ifndef RD_STATE_H
#define RD_STATE_H

#include "base/rec.h"
#include "db/db_tables.h"

enum rd_table {
#define RD_TABLE(name, db, record) RD_TABLE_##name,
#include "rd_tables.def"
#undef RD_TABLE
	RD_TABLE_COUNT
};

struct rd_state;

struct rd_state *rd_state_new(void);
void rd_state_free(struct rd_state *s); /* NULL is fine */

enum db_table rd_table_db(enum rd_table table);
const struct rec_desc *rd_table_desc(enum rd_table table);

/* key_row: a record of the table; only its key fields are looked at. NULL when there is no such row. */
const void *rd_state_get(const struct rd_state *s, enum rd_table table, const void *key_row);
size_t rd_state_count(const struct rd_state *s, enum rd_table table);
/* In no particular order, but the same for the same history. The table must not change meanwhile. */
typedef void (*rd_row_fn)(void *ctx, const void *row);
void rd_state_each(const struct rd_state *s, enum rd_table table, rd_row_fn fn, void *ctx);

uint64_t rd_state_index(const struct rd_state *s);  /* of the last applied command, 0 = none */
int64_t rd_state_time_us(const struct rd_state *s); /* of the last applied command; never goes back */
/* Whether a command with this uid was applied (and is still remembered), and at which index. */
bool rd_state_has_uid(const struct rd_state *s, const char *uid, uint64_t *ret_index);
size_t rd_state_uid_count(const struct rd_state *s);
int64_t rd_state_oldest_uid_us(const struct rd_state *s); /* 0 = none remembered */
/* More than RD_UIDS_MAX and an eighth are remembered: the time before which to forget (tick); else 0. A client that
 * changes something many times a second must not fill memory for a day; repeats come within seconds. */
#define RD_UIDS_MAX 16384
int64_t rd_state_surplus_uids_us(const struct rd_state *s);

/* A fingerprint of all rows, independent of their order: equal on nodes that hold the same rows. */
uint64_t rd_state_hash(const struct rd_state *s);

/* --- for rd_apply.c and rd_load.c only ------------------------------------------------------------------------- */
void rd_state_put(struct rd_state *s, enum rd_table table, const void *row);	    /* insert or replace */
bool rd_state_remove(struct rd_state *s, enum rd_table table, const void *key_row); /* false: there was none */
void rd_state_set_applied(struct rd_state *s, uint64_t index, int64_t time_us);
void rd_state_add_uid(struct rd_state *s, const char *uid, uint64_t index, int64_t applied_us);
void rd_state_expire_uids(struct rd_state *s, int64_t before_us);

#endif
