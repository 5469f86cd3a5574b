/* pr_step.h — topology steps: one fenced statement on one server, at most once (design.md section 7).
 *
 * A step runs on a connection of its own that holds GET_LOCK('orchestrator.step', 0) until it closes. Order: fence
 * (pr_fence.h), login, lock and identity of the server, then not_after is compared immediately before the statement is
 * written. Nothing is repeated or reconnected. If not_after passes while the statement is still on its way
 * (unacknowledged by the server's kernel) the connection is reset, so that it cannot arrive later. Each step ends in
 * exactly one STEP_RESULT; `sent` with UNKNOWN_OUTCOME means: read the server. */
#ifndef PR_STEP_H
#define PR_STEP_H

#include "pr_lanes.h"
#include "pr_rows.h"
#include "pr_stats.h"

#define PR_STEPS_MAX 256 /* under way */

struct conf;
struct event_base;
struct pr_steps;

typedef void pr_step_result_fn(void *ctx, const struct ipc_step_result *m);

struct pr_steps *pr_steps_new(struct event_base *base, struct conf *conf, struct pr_lanes *lanes,
			      struct pr_stats *stats, pr_step_result_fn *fn, void *ctx);
/* Steps under way are cut off without a result. */
void pr_steps_free(struct pr_steps *s);
void pr_steps_configure(struct pr_steps *s, struct conf *conf);

void pr_steps_run(struct pr_steps *s, const struct ipc_step *m);

/* What is asked before a step. */
enum pr_before_step {
#define PR_BEFORE_STEP(NAME, ...) PR_BEFORE_##NAME,
#include "pr_step.def"
	PR_BEFORE_COUNT
};
const char *pr_before_step_sql(enum pr_before_step what, const char *version);
/* Whether a receiver may be made to connect anew, by the answer to PR_BEFORE_CHANNELS; NULL = it may, else why not.
 * MariaDB drops its relay log at a START while both threads are stopped, and what somebody stopped stays stopped. */
const char *pr_step_reconnect_obstacle(const struct pr_rows *channels);
/* The name of MySQL's only channel, by the same answer: "" where it has none, or is no replica, and of MariaDB always, whose
 * statements mean the connection without a name. PRECONDITION: there are several. */
int pr_step_only_channel(const struct pr_rows *channels, const char **ret_name, struct err *e) MUST_USE;

#endif
