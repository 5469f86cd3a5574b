/* rd_changes.h — row changes on their way to the backend: what apply and telemetry hand to the view writer. Pure data.
 */
#ifndef RD_CHANGES_H
#define RD_CHANGES_H

#include "base/rec.h"
#include "db/db_tables.h"

enum rd_change_kind {
	RD_CHANGE_UPSERT,
	RD_CHANGE_INSERT,	     /* ID tables: the database gives the id */
	RD_CHANGE_INSERT_IGNORE,     /* unless there is such a row */
	RD_CHANGE_DELETE,	     /* by primary key */
	RD_CHANGE_INSTANCE_SEEN,     /* found: all columns */
	RD_CHANGE_INSTANCE_NOT_SEEN, /* all columns but last_seen */
	RD_CHANGE_INSTANCE_ABSENT,   /* placeholder: only if there is no such row */
	RD_CHANGE_TOUCH_CHECK,	     /* last_checked and partial success of an existing row */
	RD_CHANGE_TOUCH_ATTEMPT,     /* last_attempted_check of an existing row */
	RD_CHANGE_ANALYSIS, /* last_analysis: unless it says so already; what differs goes to the changelog, too */
	RD_CHANGE_PURGE,    /* rows of the table matching `condition`, whose one ? is before_us */
	RD_CHANGE_KIND_COUNT
};

struct rd_change {
	enum rd_change_kind kind;
	enum db_table table;
	void *row; /* owning record of the table (struct topo_instance for DB_TABLE_instance); NULL: PURGE */
	const char *condition; /* PURGE: constant SQL */
	int64_t before_us;
};

struct rd_changes {
	struct rd_change *v;
	size_t n, cap;
};

/* Appends; the row is copied. */
void rd_changes_add(struct rd_changes *c, enum rd_change_kind kind, enum db_table table, const void *row);
void rd_changes_purge(struct rd_changes *c, enum db_table table, const char *condition, int64_t before_us);
/* The row of a server until its first probe: known, never seen (historically it claimed to have been seen just now).
 * Borrows key and name (its text, topo_key_text). */
void rd_placeholder(const struct topo_key *key, const char *name, struct topo_instance *ret);
/* All of from are moved behind those of to; from is empty then. */
void rd_changes_move(struct rd_changes *to, struct rd_changes *from);
void rd_changes_done(struct rd_changes *c);

#endif
