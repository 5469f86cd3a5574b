/* rd_detected.c — OnFailureDetectionProcesses: at most once per detection, once that is recorded (recovery.md sections 1 and
 * 18), whether anybody recovers it or not; a recovery waits until they are over. Which entries ran is replicated, so the
 * next leader goes on with those that were not begun. Owns one entry per server that is dead. Called by rd_recoveries.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "detect/rd_round.h"
#include "rd_recoveries_private.h"
#include "topo/key.h"

#define DETECTED_MAX 1024
#define RECORD_WAIT_US (5 * CLK_S) /* for the record: then the recovery goes on without these hooks */

struct rd_detected {
	LIST_ENTRY(rd_detected) next;
	struct mem_arena arena;
	struct rd_failure f; /* in the arena */
	uint64_t term;
	struct mono since, at; /* the first verdict, the newest one */
	bool is_actionable, over;
	char uid[64]; /* empty: not recorded yet */
};

static void
drop(struct rd_recoveries *rs, struct rd_detected *x)
{
	LIST_REMOVE(x, next);
	rs->n_detected--;
	mem_arena_done(&x->arena);
	free(x);
}

void
rd_detected_done(struct rd_recoveries *rs)
{
	while (!LIST_EMPTY(&rs->detected))
		drop(rs, LIST_FIRST(&rs->detected));
}

/* --- entries --------------------------------------------------------------------------------------------------------- */
static struct rd_detected *
find(struct rd_recoveries *rs, const char *hostname, int64_t port, bool is_actionable)
{
	struct rd_detected *x;

	LIST_FOREACH (x, &rs->detected, next) {
		if (x->is_actionable == is_actionable && x->f.key.port == port && str_eq(x->f.key.hostname, hostname))
			return x;
	}
	return NULL;
}

static char *
keep(struct rd_detected *x, const char *text)
{
	return mem_arena_strndup(&x->arena, text, strlen(text));
}

static void
fill(struct rd_detected *x, const struct rd_dead *d)
{
	const struct topo_key *key = &d->server->inst.key;
	struct topo_key_list replicas = {0};

	for (size_t i = 0; i < d->c->n_replicas; i++)
		(void)topo_key_list_add(&replicas, d->c->replicas[i].key);
	x->f.n_replicas = replicas.n;
	x->f = (struct rd_failure){.key = {keep(x, key->hostname), key->port},
				   .code = (enum topo_code)d->analysis->code,
				   .type = topo_analysed_type(d->analysis),
				   .is_source = d->analysis->is_primary,
				   .is_co_source = d->analysis->is_co_source,
				   .is_downtimed = d->server->inst.is_downtimed,
				   .cluster_name = keep(x, d->cluster_name),
				   .cluster_alias = keep(x, d->cluster_alias),
				   .n_replicas = x->f.n_replicas,
				   .replicas = rd_hook_keys(&x->arena, &replicas)};
}

static struct rd_detected *
add(struct rd_recoveries *rs, const struct rd_dead *d)
{
	struct rd_detected *x = mem_new(struct rd_detected);

	x->since = d->at;
	x->is_actionable = rd_code_is_actionable((enum topo_code)d->analysis->code);
	LIST_INSERT_HEAD(&rs->detected, x, next);
	rs->n_detected++;
	return x;
}

/* Of a server that was seen alive again, or is gone; hooks that run go on by themselves. */
static bool
is_past(struct rd_recoveries *rs, const struct rd_detected *x)
{
	const struct rd_server *s = rd_model_find(&rs->n->model, &x->f.key);

	return !rs->leads || x->term != rs->term || s == NULL || s->dead_code == TOPO_NO_PROBLEM;
}

void
rd_detected_tick(struct rd_recoveries *rs)
{
	struct rd_detected *x, *after;

	for (x = LIST_FIRST(&rs->detected); x != NULL; x = after) {
		after = LIST_NEXT(x, next);
		if (is_past(rs, x))
			drop(rs, x);
	}
}

/* --- a recovery waits ------------------------------------------------------------------------------------------------- */
/* The verdict is another one by now, or too old: whoever is dead still is voted on again at once. */
static bool
still_stands(struct rd_recoveries *rs, const struct rd_detected *x, struct rd_server *s)
{
	if (!rs->leads || x->term != rs->term || s == NULL || s->back != 0 || s->dead_code != x->f.code ||
	    s->verdict != RD_VERDICT_DEAD || s->dead_term != x->term)
		return false;
	if (mono_diff_us(rd_mono(rs->n), x->at) <= RD_ROUND_OLD_US)
		return true;
	s->vote_ended = (struct mono){0};
	return false;
}

static void
go_on(struct rd_recoveries *rs, struct rd_detected *x)
{
	struct rd_server *s = rd_model_find(&rs->n->model, &x->f.key);
	struct topo_analysis analysis = {.code = x->f.code};

	if (!still_stands(rs, x, s))
		return;
	rd_recover_dead_server(rs, &(struct rd_dead){.server = s,
						     .analysis = &analysis,
						     .at = x->at,
						     .term = x->term,
						     .cluster_name = x->f.cluster_name,
						     .cluster_alias = x->f.cluster_alias});
	rd_recoveries_wake(rs);
}

/* A failed one ends this attempt: the next verdict begins it (recovery.md section 1, step 7). */
static void
on_over(struct rd_recoveries *rs, const char *uid, enum rd_hook_list list, bool failed)
{
	struct rd_detected *x;

	LIST_FOREACH (x, &rs->detected, next) {
		if (str_eq(x->uid, uid))
			break;
	}
	if (x == NULL)
		return;
	x->over = true;
	if (failed)
		log_warning("recovery", "instance=%s: one of %s failed, a recovery waits for the next vote",
			    TOPO_KEY_TEXT(&x->f.key), rd_hook_list_info(list)->name);
	else
		go_on(rs, x);
}

static bool
waits(struct rd_recoveries *rs, struct rd_detected *x)
{
	if (!x->over && x->uid[0] == '\0' && mono_diff_us(rd_mono(rs->n), x->since) >= RECORD_WAIT_US) {
		log_warning("recovery", "instance=%s: %s do not run, the detection is not recorded",
			    TOPO_KEY_TEXT(&x->f.key), rd_hook_list_info(RD_HOOK_LIST_ON_FAILURE_DETECTION)->name);
		x->over = true;
	}
	return !x->over;
}

bool
rd_detected_may_go_on(struct rd_recoveries *rs, const struct rd_dead *d)
{
	bool has_hooks = proc_conf(rs->n->proc)->OnFailureDetectionProcesses.n > 0;
	const struct topo_key *key = &d->server->inst.key;
	struct rd_detected *x;

	x = find(rs, key->hostname, key->port, rd_code_is_actionable((enum topo_code)d->analysis->code));
	if (x == NULL && (!has_hooks || !d->is_recording || !rs->leads || rs->n_detected >= DETECTED_MAX))
		return true;
	if (x == NULL)
		x = add(rs, d);
	x->at = d->at;
	x->term = d->term;
	mem_arena_reset(&x->arena);
	fill(x, d);
	return !waits(rs, x);
}

/* --- recorded --------------------------------------------------------------------------------------------------------- */
static void
run_hooks(struct rd_recoveries *rs, struct rd_detected *x, int64_t id)
{
	enum rd_hook_list list = RD_HOOK_LIST_ON_FAILURE_DETECTION;
	struct rd_hook_values v;
	struct err e;

	(void)snprintf(x->uid, sizeof(x->uid), RD_DETECTION_UID "%lld", (long long)id);
	rd_detected_fill_values(rs, &x->f, &v);
	v.recovery_uid = x->uid;
	if (rd_recover_add_hooks(rs, x->uid, list, &v, on_over, &e) != 0) {
		log_warning("recovery", "instance=%s: hooks of its detection do not run: %s", TOPO_KEY_TEXT(&x->f.key),
			    e.msg);
		x->over = true;
	}
}

/* 0: the entries stay, and the next verdict proposes theirs again. */
void
rd_detected_recorded(struct rd_recoveries *rs, int64_t id)
{
	const struct db_detection *row =
	    rd_state_get(rd_decisions(rs->n), RD_TABLE_detection, &(struct db_detection){.detection_id = id});
	struct rd_detected *x = row == NULL ? NULL : find(rs, row->hostname, row->port, row->is_actionable);

	if (x != NULL && x->uid[0] == '\0' && !x->over && rs->leads)
		run_hooks(rs, x, id);
}
