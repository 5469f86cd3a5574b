/* topo/step.h — statements of topology steps, by name and for a server's version (step.def). Pure.
 *
 * raftd plans with the names and shows the texts in a dry run; only the prober sends them. Arguments come from records
 * that outlive builds and are checked here: whatever could end a quoted text is ERR_INVALID. */
#ifndef TOPO_STEP_H
#define TOPO_STEP_H

#include "base/str.h"
#include "topo/topo.h"

enum topo_step_flag {
	TOPO_STEP_IRREVERSIBLE = 1, /* nothing brings back what was before */
	TOPO_STEP_WAITS = 2,	    /* answers one row, "waited": 0 = done, anything else = not in time */
	TOPO_STEP_UNLOCKED = 4,	    /* sent without holding the server's lock for steps */
	TOPO_STEP_RECONNECTS =
	    8,			/* several statements in one packet; only on a replica of one source whose applier runs
				       and whose receiver was not stopped */
	TOPO_STEP_CHANNEL = 32, /* the prober appends the name of MySQL's only channel, where it has one */
	TOPO_STEP_ACCOUNT =
	    16 /* the prober appends the replication account, where ReplicationCredentialsQuery tells one */
};
/* What a server's version understands; none of it when the version is unknown. */
enum topo_dialect {
	TOPO_SQL_SOURCE_WORDS = 1,     /* source/replica instead of the historical words: 8.4 */
	TOPO_SQL_SUPER = 2,	       /* super_read_only, when it is wished: 5.7.8 */
	TOPO_SQL_WAIT_SET = 4,	       /* MySQL 5.7.5 */
	TOPO_SQL_WAIT_POS = 8,	       /* MariaDB 10.0.9 */
	TOPO_SQL_NEW_SEMI_SYNC = 16,   /* plugins of that name: 8.0.26 */
	TOPO_SQL_PUBLIC_KEY = 64,      /* the source may be asked for its RSA key: MySQL 8.0.4 */
	TOPO_SQL_SEMI_SYNC_INSIDE = 32 /* it is no plugin, its settings are always there: MariaDB 10.3.3 */
};

enum topo_step_kind {
#define STEP(NAME, ...) TOPO_STEP_##NAME,
#include "topo/step.def"
#undef STEP
	TOPO_STEP_COUNT
};

const char *topo_step_name(enum topo_step_kind kind);
const char *topo_step_args(enum topo_step_kind kind); /* one letter each */
unsigned topo_step_flags(enum topo_step_kind kind);
/* TOPO_STEP_COUNT when there is none of that name. */
enum topo_step_kind topo_step_by_name(const char *name);

/* Appends the statement. UNSUPPORTED: no such step, or not on this version; INVALID, SYNTAX, TOO_LARGE: its arguments.
 * version: as @@global.version or the greeting tells it; an unknown one gets the oldest words. */
int topo_step_sql(const char *name, const struct rec_text_list *args, const char *version, bool use_super_read_only,
		  struct str_buf *buf, struct err *e) MUST_USE;
/* Of ReplicationCredentialsQuery, in the order of its columns. Files are paths on the replica. */
struct topo_step_account {
	const char *user, *password;
	const char *ca, *cert, *key; /* NULL, "" = not told; one of them: through TLS (topology-ops.md section 1.3) */
};
/* Appends the account to a statement of a step with TOPO_STEP_ACCOUNT: secrets are in no plan, record or message, so
 * whoever sends it does that. INVALID: a backslash or a control character, or no user. */
int topo_step_add_account(const struct topo_step_account *a, struct str_buf *buf, struct err *e) MUST_USE;
/* Appends what a statement of a step with TOPO_STEP_CHANNEL needs on MySQL where the only channel has a name: without
 * it errno 3079. Statements that start, stop or reset mean all channels. "" = the default one: nothing is appended.
 * INVALID: a backslash or a control character. */
int topo_step_add_channel(const char *name, struct str_buf *buf, struct err *e) MUST_USE;

#endif
