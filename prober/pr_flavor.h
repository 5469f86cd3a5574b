/* pr_flavor.h — what a server can do, by its version; which statements a probe sends. Pure; the table is pr_ask.def.
 *
 * Versions compare as numbers (topo/version.h): historically 8.0.4 to 8.0.9 sorted above 8.0.14 and were asked for a
 * table that exists from 8.0.22 on. A version that is no number gets the oldest statements (historically the set of the
 * same name). */
#ifndef PR_FLAVOR_H
#define PR_FLAVOR_H

#include "conf/conf.h"

enum pr_cap {
	PR_CAP_MYSQL = 1, /* Oracle's or Percona's */
	PR_CAP_MARIADB = 2,
	PR_CAP_MARIADB_GTID = 4096, /* and named connections: 10.0.2 */
	PR_CAP_MAXSCALE = 4,
	PR_CAP_MAXSCALE_1_1 = 8,       /* answers only part of what later ones do */
	PR_CAP_SOURCE_WORDS = 16,      /* source/replica instead of the historical words: 8.4 */
	PR_CAP_PS_PROCESSLIST = 32,    /* performance_schema.processlist: 8.0.22 */
	PR_CAP_GTID = 64,	       /* MySQL's GTID, and what else came with it: 5.6.9 */
	PR_CAP_INFO_IN_TABLE = 2048,   /* the repository of replication settings can't be a file any more: 8.3 */
	PR_CAP_GROUP = 128,	       /* group replication with member roles: 8.0.2 */
	PR_CAP_PS_CONNECTION = 256,    /* heartbeat counters of each channel in performance_schema: 5.7.6 */
	PR_CAP_NDB = 512,	       /* an NDB cluster that lists its processes: MySQL 5.7 */
	PR_CAP_SUPER_READ_ONLY = 1024, /* for steps, when configured (UseSuperReadOnly): 5.7.8 */
};
/* version as @@global.version tells it, or the greeting, where MariaDB may put "5.5.5-" before it; "" or anything else
 * that is no version gives 0. */
unsigned pr_flavor_caps(const char *version);

/* One wording of a statement, for servers that have all of needs and none of lacks. */
struct pr_variant {
	unsigned needs, lacks;
	const char *sql;
};
/* The first that fits; NULL when none does. */
const char *pr_variant_choose(const struct pr_variant *v, size_t n, unsigned caps);

enum pr_ask {
#define PR_ASK(NAME, rows, ...) PR_ASK_##NAME,
#define PR_ASK_CONF(NAME, key) PR_ASK_##NAME,
#include "pr_ask.def"
#undef PR_ASK_CONF
#undef PR_ASK
	PR_ASK_COUNT
};
const char *pr_ask_name(enum pr_ask ask);
size_t pr_ask_rows(enum pr_ask ask);

/* First questions on a new connection: their answers tell which statements the others are. */
struct pr_plan_item {
	enum pr_ask ask;
	const char *sql; /* constant, or borrowed from the configuration */
};
struct pr_plan {
	struct pr_plan_item v[PR_ASK_COUNT];
	size_t n;
};
/* What to ask a server of unknown version: MaxScale (unless skipped), VERSION. */
void pr_plan_first(const struct conf *c, struct pr_plan *ret);
/* Not asked each time. */
enum pr_want { PR_WANT_DOMAIN = 1, PR_WANT_PROCESS = 2 };
/* All the rest, and VERSION again: its answer comes first and proves life. want: of enum pr_want. */
void pr_plan_probe(const struct conf *c, unsigned caps, unsigned want, struct pr_plan *ret);
/* A statement for these capabilities; NULL when there is none. */
const char *pr_ask_sql(enum pr_ask ask, unsigned caps);

#endif
