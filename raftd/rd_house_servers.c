/* rd_house_servers.c — periodic work on known servers: hanging probes, candidates, forgetting, sources without a row
 * (raft-and-nodes.md section 11). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "group/rd_group.h"
#include "rd_analyst.h"
#include "rd_house_private.h"
#include "topo/graph.h"
#include "topo/key.h"

#define ATTEMPT_LATE_US CLK_S
#define CANDIDATE_POLLS 3
#define WARM_UP_POLLS 3

/* A probe that should have ended a second ago hangs: last_attempted_check says so (probing.md section 4, step 1). */
void
rd_task_note_attempts(struct rd_node *n)
{
	int64_t now_us = rd_now_us(n);

	for (struct rd_server *s = n->model.servers; s != NULL; s = s->hh.next) {
		if (!s->listed || !s->probed || !rd_server_is_valid(s) ||
		    s->inst.last_attempted_us > s->inst.last_checked_us ||
		    now_us - s->inst.last_checked_us < n->rules->poll_us + ATTEMPT_LATE_US)
			continue;
		s->inst.last_attempted_us = now_us;
		rd_model_mark(&n->model, s, RD_DIRTY_ATTEMPT);
		rd_flush_soon(n);
	}
}

void
rd_task_drop_candidates(struct rd_node *n)
{
	int64_t life_us = CANDIDATE_POLLS * n->rules->poll_us + n->rules->probe_deadline_us;
	struct rd_candidate *c;

	while ((c = rd_candidates_expired(&n->candidates, rd_mono(n), life_us)) != NULL) {
		log_info("discover", "candidate is not named any more instance=%s", LOG_Q(c->text));
		rd_discover_drop_candidate(n, &c->key);
	}
}

/* --- analysis: what changes is written ------------------------------------------------------------------------- */
struct maintained {
	struct topo_key_list keys; /* owning */
	int64_t now_us;
};

static void
take_maintained(void *ctx, const void *row)
{
	const struct db_maintenance *m = row;
	struct maintained *l = ctx;

	if (m->maintenance_active.valid && m->maintenance_active.v == 1 && m->end_timestamp_us > l->now_us)
		(void)topo_key_list_append(&l->keys, &(struct topo_key){m->hostname, m->port});
}

/* Positions of former processes mean nothing. */
static void
begin_analysing(struct rd_node *n)
{
	struct rd_changes rows = {0};

	n->analysing_since = rd_mono(n);
	rd_changes_purge(&rows, DB_TABLE_stale_coordinates, "first_seen < ?", rd_now_us(n) + CLK_S);
	rd_flush_rows(n, &rows);
}

/* A node that is cut off from the others sees dead servers everywhere: it keeps that to itself. */
void
rd_task_note_analyses(struct rd_node *n)
{
	struct maintained m = {.now_us = rd_now_us(n)};
	struct rd_analyst_counts counts = {0};
	struct rd_changes rows = {0};
	struct rd_analyst_input in;

	if (n->group != NULL && !rd_group_in_quorum(n->group))
		return;
	if (n->analysing_since.us == 0)
		begin_analysing(n);
	rd_state_each(rd_decisions(n), RD_TABLE_maintenance, take_maintained, &m);
	in = (struct rd_analyst_input){.rules = n->rules->analysis, .in_maintenance = &m.keys};
	in.rules.now = (struct wall){m.now_us};
	in.settled = mono_diff_us(rd_mono(n), n->analysing_since) >= WARM_UP_POLLS * n->rules->poll_us;
	rd_analyst_run(&n->model, &in, &rows, &counts);
	n->metrics.analyses_told += counts.told;
	n->metrics.analyses_changed += counts.changed;
	rd_flush_rows(n, &rows);
	topo_key_list_done(&m.keys);
}

/* --- forgetting ------------------------------------------------------------------------------------------------ */
struct key_batch {
	struct topo_key keys[RD_KEYS_MAX];
	size_t n;
};

/* False when the batch is full: the rest waits for the next minute. */
static bool
add_key(struct key_batch *b, const struct topo_key *key)
{
	if (b->n == ARRAY_LEN(b->keys))
		return false;
	b->keys[b->n++] = *key;
	return true;
}

static void
forget_batch(struct rd_node *n, struct key_batch *b, const char *audit_type, const char *message)
{
	struct topo_key_list keys = {b->keys, b->n};

	if (b->n == 0)
		return;
	log_info("discover", "forgetting %zu servers: %s", b->n, message);
	rd_discover_forget(n, &keys, audit_type, message);
}

/* Servers that were never seen don't expire, as historically. */
void
rd_task_forget_unseen(struct rd_node *n)
{
	struct key_batch *b = mem_new(struct key_batch);
	int64_t before_us = rd_now_us(n) - n->rules->unseen_life_us;

	for (const struct rd_server *s = n->model.servers; s != NULL; s = s->hh.next) {
		if (s->listed && s->inst.last_seen_us != 0 && s->inst.last_seen_us < before_us &&
		    !add_key(b, &s->inst.key))
			break;
	}
	forget_batch(n, b, "forget-unseen", "not seen for UnseenInstanceForgetHours");
	free(b);
}

/* Invalid servers whose name stands for another one by now. */
void
rd_task_forget_renamed(struct rd_node *n)
{
	struct key_batch *b = mem_new(struct key_batch);
	struct rd_changes rows = {0};

	for (const struct rd_server *s = n->model.servers; s != NULL; s = s->hh.next) {
		const char *name;
		if (!s->listed || rd_server_is_valid(s) || !topo_key_valid(&s->inst.key))
			continue;
		(void)rd_resolve_name(n->names, n->rules, s->inst.key.hostname, rd_now_us(n), &name, &rows);
		if (strcmp(name, s->inst.key.hostname) != 0 && !add_key(b, &s->inst.key))
			break;
	}
	forget_batch(n, b, "forget-unseen-differently-resolved", "the name resolves to another one");
	rd_flush_rows(n, &rows);
	free(b);
}

static const struct topo_instance *
lookup(void *ctx, const struct topo_key *key)
{
	return rd_model_lookup(&((struct rd_node *)ctx)->model, key);
}

/* The cluster of a server that does not answer follows its source's. */
void
rd_task_review_unseen(struct rd_node *n)
{
	char message[64];
	size_t count = 0;

	for (struct rd_server *s = n->model.servers; s != NULL; s = s->hh.next) {
		struct topo_cluster c;
		if (!s->listed || s->inst.last_seen_us == 0 || rd_server_is_valid(s))
			continue;
		topo_cluster_of(&s->inst, lookup, n, &c);
		if (strcmp(c.name, s->inst.cluster_name) != 0) {
			rec_set_str(&s->inst.cluster_name, c.name);
			rd_model_mark(&n->model, s, RD_DIRTY_NOT_SEEN);
			count++;
		}
		topo_cluster_done(&c);
	}
	if (count == 0)
		return;
	rd_flush_soon(n);
	(void)snprintf(message, sizeof(message), "Operations: %zu", count);
	rd_audit(n, "review-unseen-instances", NULL, message);
}

static bool
has_running_replica(const struct rd_family *f)
{
	const struct rd_server *s;

	LIST_FOREACH (s, &f->replicas, sibling)
		if (s->inst.io_running)
			return true;
	return false;
}

/* Sources that replicas read from and that we could not reach: shown, so that their clusters are. */
void
rd_task_list_sources(struct rd_node *n)
{
	struct key_batch *b = mem_new(struct key_batch);
	struct rd_cmd_inventory_add c = {.reason = "inject-unseen-masters"};
	struct err e;

	for (const struct rd_family *f = n->model.families; f != NULL; f = f->hh.next) {
		if (rd_model_find(&n->model, &f->key) == NULL && has_running_replica(f) &&
		    rd_host_is_plausible(f->key.hostname) && !rd_forgotten_has(&n->candidates, &f->key, rd_mono(n)) &&
		    !conf_filter_matches(n->rules->ignore_source, f->key.hostname, f->key.port) &&
		    !conf_filter_matches(n->rules->never_probe, f->key.hostname, f->key.port) && !add_key(b, &f->key))
			break;
	}
	c.keys = (struct topo_key_list){b->keys, b->n};
	if (b->n > 0 && rd_propose_inventory_add(n->decide, &c, NULL, NULL, &e) != 0)
		log_debug("discover", "sources are not listed, trying again: %s", e.msg);
	free(b);
}
