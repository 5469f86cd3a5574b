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
};

#define RD_META_APPLIED_TIME "applied_time_us"

int rd_load(struct db *db, bool with_telemetry, struct rd_loaded **ret, struct err *e) MUST_USE;
void rd_loaded_free(struct rd_loaded *l); /* NULL is fine */

#endif
