/* rd_recover_behind.c — replicas that a recovery has left behind, as it turns out when it is over: of the replaced server, of whom
 * nobody knew that they were (they were pointed to it while they could not be read, or a moment before it failed); and of the
 * promoted one, whose threads stopped on an error soon after they were started. It is told of them. Owns nothing. See
 * rd_recoveries.h. */
#include <stdio.h>

#include "base/log.h"
#include "rd_recoveries_private.h"
#include "topo/key.h"

#define AT_ONCE 64	     /* of one recovery; the others in the next second */
#define SOON_US (60 * CLK_S) /* after they were started: later errors are no recovery's */
#define STAYS_US (CLK_S / 2) /* between two readings that say the same */

enum { ER_ACCESS_DENIED = 1045, ER_HOST_NOT_PRIVILEGED = 1130, CR_AUTH_PLUGIN_ERR = 2061 };

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

/* It could be reached, and refuses: no later try will succeed before somebody changes something. */
static bool
is_refused(const struct rd_reading *last)
{
	return last->io != TOPO_THREAD_RUNNING &&
	       (last->io_errno == ER_ACCESS_DENIED || last->io_errno == ER_HOST_NOT_PRIVILEGED ||
		last->io_errno == CR_AUTH_PLUGIN_ERR);
}

/* The error on which a thread of it has stopped, 0 = none. One that had stopped before the choice is none of this recovery's. A
 * receiver is stopped, with its former error, while it is re-pointed: it has to stay so. */
static int64_t
error_of(const struct rd_server *s, const struct rd_recovery_server *was)
{
	const struct rd_reading *last = &s->heard.last;
	bool stays = mono_diff_us(last->at, s->heard.since) >= STAYS_US;

	if (stays && last->io_errno != 0 && (last->io == TOPO_THREAD_STOPPED || is_refused(last)))
		return last->io_errno;
	return s->inst.sql_thread_state == TOPO_THREAD_STOPPED && was->last_sql_errno == 0 ? s->last_sql_errno : 0;
}

/* The error on which it has stopped soon after it was re-pointed, 0 = it has not: the steps went well, and nobody else would say
 * that it does not follow. */
static int64_t
broken_by(const struct rd_recovering *x, const struct rd_server *s)
{
	const struct rd_recovery *r = rd_recover_record(x->r);
	const struct rd_recovery_server *was = rd_recovery_find(rd_recover_input(x->r), &s->inst.key);

	if (!s->found || was == NULL || !was->was_direct || s->inst.last_seen_us <= r->since_us ||
	    s->inst.last_seen_us > r->since_us + SOON_US || rd_recoveries_lost(x->rs, &s->inst.key))
		return 0;
	return error_of(s, was);
}

struct naming {
	struct rd_lost lost[AT_ONCE];
	char why[AT_ONCE][64];
	size_t n;
};

static void
add(struct naming *l, const struct rd_server *s, int64_t error)
{
	char *why = l->why[l->n];

	if (error != 0)
		(void)snprintf(why, sizeof(*l->why), "stopped on error %lld when it was re-pointed", (long long)error);
	else
		(void)snprintf(why, sizeof(*l->why), "was not known to replicate from the failed server");
	l->lost[l->n++] = (struct rd_lost){s->inst.key, why};
}

static void
tell(struct rd_recovering *x, struct naming *l)
{
	struct rd_cmd_recovery_record c = {.recovery_uid = x->uid, .error = "", .loss = "", .lost = {l->lost, l->n}};
	struct err e;

	if (l->n == 0)
		return;
	for (size_t i = 0; i < l->n; i++)
		log_warning("recovery",
			    "recovery=%s instance=%s does not follow the promoted server, it is lost: it %s",
			    LOG_Q(x->uid), TOPO_KEY_TEXT(&l->lost[i].key), l->lost[i].why);
	c.downtime_ends_us = rd_now_us(x->rs->n) + RD_LOST_DOWNTIME_US;
	if (rd_propose_recovery_record(x->rs->n->decide, &c, NULL, NULL, &e) != 0)
		log_debug("recovery", "that is not recorded, trying again: %s", e.msg);
}

static void
look_behind(struct rd_recovering *x, struct naming *l)
{
	const struct rd_family *family = rd_model_family(&x->rs->n->model, &x->failed);
	const struct rd_server *s;

	if (family == NULL || !rd_recoveries_lost(x->rs, &x->failed))
		return;
	LIST_FOREACH (s, &family->replicas, sibling) {
		if (l->n < AT_ONCE && is_behind(x, s))
			add(l, s, 0);
	}
}

static void
look_below(struct rd_recovering *x, struct naming *l)
{
	const struct rd_family *family = rd_model_family(&x->rs->n->model, &rd_recover_record(x->r)->successor);
	const struct rd_server *s;
	int64_t error;

	if (family == NULL)
		return;
	LIST_FOREACH (s, &family->replicas, sibling) {
		error = l->n < AT_ONCE ? broken_by(x, s) : 0;
		if (error != 0)
			add(l, s, error);
	}
}

void
rd_recover_name_behind(struct rd_recoveries *rs)
{
	struct rd_recovering *x;

	TAILQ_FOREACH (x, &rs->list, next) {
		const struct rd_recovery *r = x->r == NULL ? NULL : rd_recover_record(x->r);
		struct naming l = {.n = 0};
		if (r == NULL || !r->promoted || (r->state != RD_RECOVERY_DONE && r->state != RD_RECOVERY_ENDING))
			continue;
		if (r->state == RD_RECOVERY_DONE)
			look_behind(x, &l);
		look_below(x, &l);
		tell(x, &l);
	}
}
