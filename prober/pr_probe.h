/* pr_probe.h — one probe's questions and answers on an open connection, in batches: reference/probing.md section 4.
 *
 * The first batch on a new connection asks for the version; then everything else goes in one batch (more when
 * operators' queries are long). Knows nothing of deadlines, sockets or schedules: pr_target.c drives it. */
#ifndef PR_PROBE_H
#define PR_PROBE_H

#include "pr_collect.h"
#include "pr_conn.h"

/* What is known about the server at the other end of a connection, as long as that lasts. */
struct pr_known {
	bool version_known;
	bool process_asked, process_denied; /* the privilege */
	unsigned caps;
	char version[128];
};

struct pr_probe {
	const struct conf *conf; /* borrowed */
	struct pr_known *known;	 /* borrowed, of the connection */
	bool want_domain;
	bool patient; /* nobody waits for it */
	struct mem_arena arena;
	struct pr_plan plan; /* of the phase: first questions or the rest */
	size_t next;	     /* in plan */
	bool fatal;	     /* the first questions ended the probe */
	struct pr_rows answers[PR_ASK_COUNT];
	struct pr_query batch[PR_BATCH_MAX];
	size_t batch_first, batch_n; /* plan items in the batch */
};

void pr_probe_init(struct pr_probe *p, const struct conf *conf, struct pr_known *known, bool want_domain);
/* On another connection, from the beginning. */
void pr_probe_restart(struct pr_probe *p);
void pr_probe_done(struct pr_probe *p);

/* Sends the next batch. */
void pr_probe_ask(struct pr_probe *p, struct pr_conn *c);
/* The batch has ended or was cancelled: takes over its answers. True when another batch has to be asked, which makes
 * sense only if the connection is still usable. */
bool pr_probe_take(struct pr_probe *p);
/* out is rec_init-ed and borrows from p. */
void pr_probe_collect(struct pr_probe *p, bool is_root, struct wall now, struct topo_probe *out);
/* What pr_collect sees; borrows from p. */
struct pr_collect pr_probe_answers(struct pr_probe *p);

#endif
