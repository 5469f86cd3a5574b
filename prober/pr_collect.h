/* pr_collect.h — from the answers of a server to struct topo_probe: reference/probing.md sections 4, 5 and 7. Pure.
 *
 * Facts only: names are as the server gave them, nothing is resolved, filtered or concluded. The record borrows from
 * the answers and from the arena. Texts longer than their written maximum are cut; a GTID set that would be cut is left
 * empty and counts as a read error instead. */
#ifndef PR_COLLECT_H
#define PR_COLLECT_H

#include "base/clock.h"
#include "pr_flavor.h"
#include "pr_rows.h"
#include "topo/topo.h"

struct pr_collect {
	const struct pr_rows *answers; /* PR_ASK_COUNT; what was not asked or not answered is all zero */
	const struct pr_plan *plan;    /* what was asked */
	unsigned caps;
	const char *version;	/* known from the first questions on this connection; "" = not known yet */
	bool process_denied;	/* the process list shows our own connections alone */
	bool credentials_query; /* ReplicationCredentialsQuery is configured */
	bool is_root;		/* IPC_TARGET_IS_ROOT */
	struct wall now;
	struct mem_arena *arena;
};

/* Sets of *out (rec_init-ed): inst's TOPO_PROBED fields, the raw facts, partial, found, has_read_errors, and when the
 * server refused a decisive statement errno_mysql and error. */
void pr_collect(const struct pr_collect *in, struct topo_probe *out);

/* "x.y.z-maxscale" out of the answer to MAXSCALE, "" when it is no such proxy. ret_fatal: an error that ends the probe
 * (access denied); other errors mean "no MaxScale". */
const char *pr_collect_maxscale(const struct pr_rows *r, struct mem_arena *arena, bool *ret_fatal);

#endif
