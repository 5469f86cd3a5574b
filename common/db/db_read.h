/* db/db_read.h — reading the backend. For apid's reader threads (READ_ONLY) and for raftd's load at start.
 *
 * Each call is one query (one consistent snapshot); db_begin/db_commit make several consistent. Readers tolerate what
 * other programs write into these tables: text, integer or NULL in any column; unreadable times read as 0, invalid JSON
 * as an empty list. Errors: see db.h; ERR_NOT_FOUND only where it is said.
 *
 * Records given to a callback are borrowed: they and their strings are valid until the callback returns (keep one with
 * rec_dup). Callbacks answer like db_values_fn: 0, DB_STOP, or a negative code with e filled. */
#ifndef DB_DB_READ_H
#define DB_DB_READ_H

#include "base/clock.h"
#include "base/str.h"
#include "db/db.h"
#include "db/db_tables.h"

struct topo_limits; /* topo/derive.h */

/* row: const struct db_<row> * of the table that was asked for */
typedef int (*db_row_fn)(void *ctx, const void *row, struct err *e);
typedef int (*db_instance_fn)(void *ctx, const struct topo_instance *inst, struct err *e);
typedef int (*db_key_fn)(void *ctx, const struct topo_key *key, struct err *e);

/* --- any table ------------------------------------------------------------------------------- */
/* All rows, in primary key order. DB_TABLE_instance: stored fields only. */
int db_read_all(struct db *db, enum db_table table, db_row_fn on_row, void *ctx, struct err *e) MUST_USE;
/* Rows that match; tail: constant SQL after the table name, such as "WHERE hostname = ? ORDER BY port". */
int db_read_where(struct db *db, enum db_table table, const char *tail, const struct db_value *params, size_t n_params,
		  db_row_fn on_row, void *ctx, struct err *e) MUST_USE;
int db_count(struct db *db, enum db_table table, int64_t *ret_count, struct err *e) MUST_USE;

/* --- instances ------------------------------------------------------------------------------- */
/* All conditions that are set must hold; a zeroed filter is every instance. */
struct db_instance_filter {
	const struct topo_key *key;    /* exactly this one */
	const struct topo_key *source; /* direct replicas of this one */
	const struct topo_key *fuzzy;  /* hostname contains this text, same port (probing.md section 16) */
	const char *cluster;	       /* exact cluster name */
	const char *family;	  /* of this cluster, or a direct replica of one that is (whatever its own cluster) */
	const char *cluster_like; /* cluster name as SQL LIKE pattern (historical: problems/:clusterName) */
	const char *search;	  /* probing.md section 16; ASCII letters match in either case; blank = all */
	bool downtimed;		  /* in downtime at `now` */
	bool primaries;		  /* depth 0 or co-source */
	bool writable;		  /* read_only off */
};

enum db_instance_order {
	DB_ORDER_KEY,	  /* host, port */
	DB_ORDER_DEPTH,	  /* depth, most replicas first, cluster, host, port */
	DB_ORDER_PRIMARY, /* cluster, writable first, depth, host, port: the first of each cluster is its primary */
};

/* Complete records: stored fields, those from other tables (downtime, promotion rule, unresolved name, snapshots), and
 * with limits (may be NULL) what topo_derive computes at `now`. */
int db_read_instances(struct db *db, const struct db_instance_filter *filter, enum db_instance_order order,
		      struct wall now, const struct topo_limits *limits, db_instance_fn on_instance, void *ctx,
		      struct err *e) MUST_USE;
/* Same, keys only: cheap. */
int db_read_instance_keys(struct db *db, const struct db_instance_filter *filter, enum db_instance_order order,
			  struct wall now, db_key_fn on_key, void *ctx, struct err *e) MUST_USE;

/* --- clusters -------------------------------------------------------------------------------- */
/* json-shapes.md section 3. alias: of cluster_alias, else the cluster name (ClusterNameToAlias is the caller's). */
#define DB_CLUSTER_INFO_FIELDS(F)                               \
	F(STR, cluster_name, _, 270, .json = "ClusterName")     \
	F(STR, cluster_alias, _, 270, .json = "ClusterAlias")   \
	F(STR, cluster_domain, _, 128, .json = "ClusterDomain") \
	F(I64, count_instances, _, 0, .json = "CountInstances")
REC_DECLARE(db_cluster_info, DB_CLUSTER_INFO_FIELDS);

/* row: struct db_cluster_info; every cluster that has an instance, by name; or the one of that exact name (NULL = all)
 */
int db_read_clusters(struct db *db, const char *cluster_name, db_row_fn on_row, void *ctx, struct err *e) MUST_USE;
/* The cluster name for an exact alias, or for a cluster name that the alias table knows; appended to ret_name. Rows of
 * clusters without an instance don't count: a server is its own cluster until its source is known, and that row stays.
 * ERR_NOT_FOUND. */
int db_read_cluster_by_alias(struct db *db, const char *alias, struct str_buf *ret_name, struct err *e) MUST_USE;

/* --- tags (http-api.md section 10) ----------------------------------------------------------------------------- */
#define DB_TAG_MAX 128
struct db_tag_term {
	char name[4 * DB_TAG_MAX + 1];
	char value[4 * DB_TAG_MAX + 1];
	bool has_value;
	bool negate;
};
/* One tag string: "name", "name=value"; a leading "~" or "!" negates. ERR_INVALID when empty or too long. */
int db_tag_parse(const char *text, struct db_tag_term *ret_term, struct err *e) MUST_USE;
/* row: struct db_tag, by name */
int db_read_tags(struct db *db, const struct topo_key *key, db_row_fn on_row, void *ctx, struct err *e) MUST_USE;
/* Keys matching a search such as "a,b=1,~c", sorted. ERR_INVALID for an empty or malformed one. */
int db_read_tagged(struct db *db, const char *expression, db_key_fn on_key, void *ctx, struct err *e) MUST_USE;

/* --- lists ----------------------------------------------------------------------------------------------------- */
#define DB_PAGE_ROWS 20
/* row: struct db_audit, newest first; key NULL = all; page from 0 */
int db_read_audit(struct db *db, const struct topo_key *key, int64_t page, db_row_fn on_row, void *ctx,
		  struct err *e) MUST_USE;
/* row: struct db_maintenance in maintenance at `now` (active, end in the future), by begin */
int db_read_maintenance(struct db *db, const struct topo_key *key, struct wall now, db_row_fn on_row, void *ctx,
			struct err *e) MUST_USE;
/* row: struct db_node_health with last_seen_active at or after since, by host name and token */
int db_read_nodes(struct db *db, struct wall since, db_row_fn on_row, void *ctx, struct err *e) MUST_USE;
/* True when global_recovery_disable holds a row with 1. */
int db_read_recovery_disabled(struct db *db, bool *ret_disabled, struct err *e) MUST_USE;

/* --- bookkeeping ----------------------------------------------------------------------------------------------- */
/* Names in orchestrator_meta, beside the schema version. (The group's id is a row of replicated_setting.) */
#define DB_META_APPLIED_INDEX "applied_index"
/* "rebuilding" while the replicated tables are being replaced (their rows are half there: don't show them), "complete"
 * or nothing otherwise. */
#define DB_META_VIEW "view"
#define DB_VIEW_REBUILDING "rebuilding"
#define DB_VIEW_COMPLETE "complete"

/* DB_META_VIEW does not say "rebuilding". */
int db_read_view_complete(struct db *db, bool *ret_complete, struct err *e) MUST_USE;
/* Appends the value; nothing when there is none. */
int db_read_meta(struct db *db, const char *name, struct str_buf *ret_value, struct err *e) MUST_USE;
/* 0 when none was stored. */
int db_read_applied_index(struct db *db, int64_t *ret_index, struct err *e) MUST_USE;

#endif
