/* rd_detect_restart.c — what a round asks of silent replicas: that their receivers connect anew, and what they say then
 * (design.md section 6). One fenced step stops and starts the receiver, so whoever dies in between leaves it running;
 * where the outcome is unknown all the same, the replica is read and its receiver started if it stands still. Owns the
 * errands. Called by rd_detect.c. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/str.h"
#include "rd_detect_private.h"
#include "topo/key.h"
#include "topo/step.h"

#define SEND_WITHIN_US CLK_S	    /* the lease is shorter in a group */
#define RESULT_WAIT_US (10 * CLK_S) /* longer than the round waits: for mending */
#define MEND_TRIES 10
#define MEND_PAUSE_US (2 * CLK_S)
#define ANSWER_MARGIN_US (300 * CLK_MS)

struct rd_errand {
	LIST_ENTRY(rd_errand) next;
	struct rd_detect *d;
	struct topo_key key;
	uint64_t id, look; /* of the round, which may be over */
	unsigned tries;	   /* of mending */
	struct mono due;   /* of the next one; us 0: a step or probe is under way */
};

/* --- errands --------------------------------------------------------------------------------------------------------- */
static struct rd_errand *
errand_new(struct rd_detect *d, const struct topo_key *key, uint64_t id)
{
	struct rd_errand *x = mem_new(struct rd_errand);

	x->d = d;
	rec_dup(&topo_key_desc, &x->key, key);
	x->id = id;
	LIST_INSERT_HEAD(&d->errands, x, next);
	return x;
}

static void
errand_free(struct rd_errand *x)
{
	LIST_REMOVE(x, next);
	topo_key_done(&x->key);
	free(x);
}

void
rd_detect_errands_done(struct rd_detect *d)
{
	while (!LIST_EMPTY(&d->errands))
		errand_free(LIST_FIRST(&d->errands));
}

/* --- mending --------------------------------------------------------------------------------------------------------- */
/* What the step must find: another server under the same name is left alone. */
static void
identity_of(const struct rd_node *n, const struct topo_key *key, char *ret, size_t max)
{
	const struct rd_server *s = rd_model_find(&n->model, key);

	ret[0] = '\0';
	if (s != NULL && s->inst.server_uuid[0] != '\0')
		(void)str_copy(ret, max, s->inst.server_uuid);
	else if (s != NULL && s->inst.server_id != 0)
		(void)snprintf(ret, max, "%llu", (unsigned long long)s->inst.server_id);
}

static int
send_step(struct rd_errand *x, enum topo_step_kind kind, rd_step_fn fn, struct err *e)
{
	char uid[64], identity[128];
	struct rd_step_order o = {.uid = uid,
				  .number = ++x->d->last_number,
				  .key = &x->key,
				  .statement = topo_step_name(kind),
				  .precondition = identity,
				  .within_us = SEND_WITHIN_US,
				  .wait_us = RESULT_WAIT_US};

	(void)snprintf(uid, sizeof(uid), RD_STEP_UID_VOTE "%" PRIx64, x->id);
	identity_of(x->d->n, &x->key, identity, sizeof(identity));
	return rd_steps_send(x->d->n->steps, &o, fn, x, e);
}

static void
mend_later(struct rd_errand *x, int64_t pause_us)
{
	if (++x->tries > MEND_TRIES) {
		log_error("detect",
			  "replica=%s may stand still: whether its receiver runs again could not be found out; "
			  "look at it, and start its receiver if it is stopped",
			  TOPO_KEY_TEXT(&x->key));
		errand_free(x);
		return;
	}
	x->due = mono_add_us(rd_mono(x->d->n), pause_us);
	rd_detect_arm(x->d);
}

static void
on_started(void *ctx, const struct ipc_step_result *r)
{
	struct rd_errand *x = ctx;

	if (r->code == 0) {
		log_notice("detect", "replica=%s receiver was found stopped after its restart, and is started",
			   TOPO_KEY_TEXT(&x->key)); /* tests: test_votes.py */
		x->d->n->metrics.receivers_mended++;
	}
	mend_later(x, MEND_PAUSE_US); /* until it is seen to run */
}

/* A recovery may be placing it, and stops receivers itself. */
static bool
is_recovering(const struct rd_errand *x, const struct rd_server *replica)
{
	const struct rd_server *source = rd_model_find(&x->d->n->model, &replica->inst.source_key);

	return x->d->ops != NULL && source != NULL && source->dead_code != TOPO_NO_PROBLEM;
}

static void
on_looked(void *ctx, const struct topo_key *asked UNUSED, const void *result, const struct err *late UNUSED)
{
	const struct rd_probed *r = result;
	struct rd_errand *x = ctx;
	struct err e;

	if (r == NULL || r->server == NULL) {
		mend_later(x, MEND_PAUSE_US);
		return;
	}
	if (r->server->inst.io_thread_state != TOPO_THREAD_STOPPED || !r->server->inst.sql_running) {
		errand_free(x); /* it runs, or stands still for another reason */
		return;
	}
	if (is_recovering(x, r->server)) {
		x->tries--;
		mend_later(x, MEND_PAUSE_US);
		return;
	}
	if (send_step(x, TOPO_STEP_START_REPLICA_IO, on_started, &e) != 0) {
		log_warning("detect",
			    "replica=%s receiver stands still after its restart and cannot be started yet: %s",
			    TOPO_KEY_TEXT(&x->key), e.msg);
		mend_later(x, MEND_PAUSE_US);
	}
}

static void
mend(struct rd_errand *x)
{
	struct rd_node *n = x->d->n;
	struct err e;

	x->due = (struct mono){0};
	if (rd_probers_probe_briefly(n->probers, &x->key, rd_mono(n), RD_VOTER_PROBE_US,
				     RD_VOTER_PROBE_US + ANSWER_MARGIN_US, on_looked, x, &e) != 0)
		mend_later(x, MEND_PAUSE_US);
}

struct mono
rd_detect_errands_work(struct rd_detect *d)
{
	struct mono soonest = {INT64_MAX};
	struct rd_errand *x, *next;

	for (x = LIST_FIRST(&d->errands); x != NULL; x = next) {
		next = LIST_NEXT(x, next);
		if (x->due.us != 0 && !mono_before(rd_mono(d->n), x->due))
			mend(x);
	}
	LIST_FOREACH (x, &d->errands, next) {
		if (x->due.us != 0 && mono_before(x->due, soonest))
			soonest = x->due;
	}
	return soonest;
}

/* --- the restart ----------------------------------------------------------------------------------------------------- */
static void
on_restarted(void *ctx, const struct ipc_step_result *r)
{
	struct rd_errand *x = ctx;
	struct rd_asking *a = rd_detect_round(x->d, x->id);

	if (r->code != 0)
		log_warning("detect", "replica=%s receiver could not be restarted: %s errno=%lld",
			    TOPO_KEY_TEXT(&x->key), LOG_Q(r->message), (long long)r->errno_mysql);
	if (a != NULL)
		rd_round_restarted(a->round, &x->key, r->code == 0, rd_mono(x->d->n));
	rd_detect_arm(x->d);
	if (r->code == 0 || !r->sent)
		errand_free(x);
	else
		mend_later(x, 0);
}

static void
restart_one(struct rd_detect *d, struct rd_asking *a, const struct topo_key *replica)
{
	struct rd_errand *x = errand_new(d, replica, rd_round_question(a->round)->id);
	struct err e;

	if (send_step(x, TOPO_STEP_RESTART_REPLICA_IO, on_restarted, &e) == 0) {
		d->n->metrics.receivers_restarted++;
		return;
	}
	log_warning("detect", "replica=%s receiver is not restarted: %s", TOPO_KEY_TEXT(replica), e.msg);
	rd_round_restarted(a->round, replica, false, rd_mono(d->n));
	errand_free(x);
}

void
rd_detect_restart(struct rd_detect *d, struct rd_asking *a)
{
	const struct topo_key_list *targets = rd_round_targets(a->round);
	const struct topo_key *server = rd_round_case(a->round)->server;
	struct rd_server *s = rd_model_find(&d->n->model, server);

	if (s != NULL) {
		s->restarted_before = s->restarted;
		s->restarted = rd_mono(d->n);
	}
	log_notice("detect",
		   "instance=%s cannot be reached and its replicas are silent: %zu of them are made to connect anew",
		   TOPO_KEY_TEXT(server), targets->n); /* tests: test_votes.py */
	for (size_t i = 0; i < targets->n; i++)
		restart_one(d, a, &targets->v[i]);
}

/* --- looking --------------------------------------------------------------------------------------------------------- */
static void
on_read(void *ctx, const struct topo_key *asked UNUSED, const void *result, const struct err *late UNUSED)
{
	const struct rd_probed *r = result;
	struct rd_errand *x = ctx;
	struct rd_asking *a = rd_detect_round(x->d, x->id);
	struct mono now = rd_mono(x->d->n);
	struct rd_reading reading;

	if (a != NULL && a->looks == x->look && r != NULL && r->server != NULL) {
		reading = rd_reading_of(r->probe, now);
		rd_round_reading(a->round, &x->key, &reading, now);
	} else if (a != NULL && a->looks == x->look) {
		rd_round_reading(a->round, &x->key, NULL, now);
	}
	rd_detect_arm(x->d);
	errand_free(x);
}

void
rd_detect_read(struct rd_detect *d, struct rd_asking *a)
{
	const struct topo_key_list *targets = rd_round_targets(a->round);
	int64_t wait_us = max_i64(CLK_MS, mono_diff_us(rd_round_due(a->round), rd_mono(d->n)));
	struct err e;

	a->looks++;
	for (size_t i = 0; i < targets->n; i++) {
		struct rd_errand *x = errand_new(d, &targets->v[i], rd_round_question(a->round)->id);
		x->look = a->looks;
		if (rd_probers_probe_briefly(d->n->probers, &x->key, rd_mono(d->n), wait_us, wait_us + ANSWER_MARGIN_US,
					     on_read, x, &e) == 0)
			continue;
		rd_round_reading(a->round, &x->key, NULL, rd_mono(d->n));
		errand_free(x);
	}
}
