/* rd_recover_behind.c — replicas of a server that was replaced, of whom nobody knew that they were: they were pointed to it while
 * they could not be read, or a moment before it failed. The recovery that is over is told of them. Owns nothing. See
 * rd_recoveries.h. */
#include "base/log.h"
#include "rd_recoveries_private.h"
#include "topo/key.h"

#define AT_ONCE 64 /* of one recovery; the others in the next second */

/* Read since the recovery was over, it follows the old source, and it has been doing so since before: whoever is pointed there
 * afterwards was by an operator, who wants that. Those that the recovery dealt with follow, or were named then. */
static bool
is_behind(const struct rd_recovering *x, const struct rd_server *s)
{
	const struct rd_recovery *r = rd_recover_record(x->r);
	const struct rd_recovery_input *in = rd_recover_input(x->r);
	const struct rd_recovery_server *known = rd_recovery_find(in, &s->inst.key);

	return s->found && s->inst.last_seen_us > r->since_us && s->moved_after_us != 0 &&
	       s->moved_after_us <= r->since_us && (known == NULL || !rd_recovery_is_direct(in, known)) &&
	       !topo_key_equal(&s->inst.key, &r->successor) && !rd_recoveries_lost(x->rs, &s->inst.key);
}

static void
name(struct rd_recovering *x, const struct rd_family *family)
{
	struct rd_lost lost[AT_ONCE];
	struct rd_cmd_recovery_record c = {.recovery_uid = x->uid, .error = "", .loss = "", .lost = {lost, 0}};
	const struct rd_server *s;
	struct err e;

	LIST_FOREACH (s, &family->replicas, sibling) {
		if (c.lost.n < AT_ONCE && is_behind(x, s))
			lost[c.lost.n++] =
			    (struct rd_lost){s->inst.key, "was not known to replicate from the failed server"};
	}
	if (c.lost.n == 0)
		return;
	for (size_t i = 0; i < c.lost.n; i++)
		log_warning("recovery", "recovery=%s instance=%s follows the server that was replaced: it is lost",
			    LOG_Q(x->uid), TOPO_KEY_TEXT(&lost[i].key));
	c.downtime_ends_us = rd_now_us(x->rs->n) + RD_LOST_DOWNTIME_US;
	if (rd_propose_recovery_record(x->rs->n->decide, &c, NULL, NULL, &e) != 0)
		log_debug("recovery", "that is not recorded, trying again: %s", e.msg);
}

void
rd_recover_name_behind(struct rd_recoveries *rs)
{
	struct rd_recovering *x;

	TAILQ_FOREACH (x, &rs->list, next) {
		const struct rd_recovery *r = x->r == NULL ? NULL : rd_recover_record(x->r);
		const struct rd_family *family = rd_model_family(&rs->n->model, &x->failed);
		if (r != NULL && r->promoted && r->state == RD_RECOVERY_DONE && family != NULL &&
		    rd_recoveries_lost(rs, &x->failed))
			name(x, family);
	}
}
