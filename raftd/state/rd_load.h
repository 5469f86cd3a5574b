/* rd_load.h — the backend → memory: at start, and again when memory may differ from the database (a failed write, rows
 * changed by someone else). Runs in the view writer's thread; the result is handed to the loop. */
#ifndef RD_LOAD_H
#define RD_LOAD_H

#include "db/db.h"
#include "rd_state.h"
#include "topo/topo.h"

struct rd_loaded {
	struct rd_state *state; /* decisions, the inventory included; taken by whoever wants it (set NULL) */
	/* with telemetry only: */
	struct topo_instance_list instances;	  /* owning */
	struct db_hostname_resolve_list resolves; /* owning */
	size_t skipped;				  /* rows that break a limit: left in the database, unknown to memory */
	/* How much of it a raft node may believe: NULL = complete, and the rows are those that were written with this
	 * index; else why not (a constant text). Index and cluster id: rd_state_index, rd_state_cluster_id of state. */
	const char *distrust;
	bool unfinished; /* it was being rebuilt */
	bool alone;	 /* a group's, but operators have decided something in it while raft was switched off */
};

/* In orchestrator_meta, beside those of db_read.h. */
#define RD_META_APPLIED_TIME "applied_time_us"
#define RD_META_APPLIED_TERM "applied_term"
#define RD_META_STATE_HASH "state_hash"	     /* of the rows at the applied index: rows changed by others are noticed */
#define RD_META_ALONE "decided_without_raft" /* 1: rd_loaded.alone; a rebuild ends it */

/* Raft: may memory be loaded from this view? RAFT store: its cluster id ("" = not known yet), the index of its newest
 * snapshot (0 = none) and of the last durable entry. NULL = yes; else why not (a constant text). */
struct rd_store_facts {
	const char *cluster_id;
	uint64_t snapshot_index;
	uint64_t last_index;
};
const char *rd_loaded_unfit(const struct rd_loaded *l, const struct rd_store_facts *store);
/* The very group that the directory belongs to knows nothing of what was decided here, and may have gone on meanwhile: only
 * the operator can say which of the two counts. */
bool rd_loaded_forked(const struct rd_loaded *l, const struct rd_store_facts *store);
/* The rows are decisions of a life without raft (of this program, of the historical one, or made by hand), maybe after one
 * with raft: a group that is being founded imports them (rd_import.h). */
bool rd_loaded_former(const struct rd_loaded *l);

int rd_load(struct db *db, bool with_telemetry, struct rd_loaded **ret, struct err *e) MUST_USE;
void rd_loaded_free(struct rd_loaded *l); /* NULL is fine */

#endif
