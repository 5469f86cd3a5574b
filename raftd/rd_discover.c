/* rd_discover.c — who is known: seeds, neighbours, the inventory and what leaves it (probing.md sections 7.3 and 11).
 * Owns the list of found servers that are about to be listed (rd_listing.h). A server enters the inventory by a decision
 * (inventory-add), several at a time; model and watches follow the inventory. */
#include <stdlib.h>

#include "base/log.h"
#include "conf/conf.h"
#include "group/rd_group.h"
#include "rd_merge.h"
#include "rd_node_private.h"
#include "topo/key.h"

#define FORGET_POLLS 3

/* --- naming candidates ----------------------------------------------------------------------------------------- */
static bool
is_wanted(struct rd_node *n, const struct topo_key *key)
{
	return topo_key_valid(key) && rd_host_is_plausible(key->hostname) && key->port <= TOPO_PORT_MAX &&
	       rd_model_find(&n->model, key) == NULL &&
	       !conf_filter_matches(n->rules->never_probe, key->hostname, key->port);
}

static void
on_crawled(void *ctx UNUSED, const struct topo_key *asked UNUSED, const void *result UNUSED, const struct err *e UNUSED)
{
}

/* A one-shot node watches nothing: what its command asks for is probed once. */
static void
crawl(struct rd_node *n, const struct topo_key *key)
{
	struct err e;

	if (rd_probers_probe(n->probers, key, IPC_LANE_REGULAR, rd_mono(n), n->rules->probe_deadline_us + CLK_S,
			     on_crawled, n, &e) != 0)
		log_warning("discover", "not probed instance=%s: %s", LOG_Q(TOPO_KEY_TEXT(key)), e.msg);
}

void
rd_discover_name(struct rd_node *n, const struct topo_key *key, bool seed)
{
	if (!is_wanted(n, key) || (!seed && rd_forgotten_has(&n->candidates, key, rd_mono(n))))
		return;
	if (rd_candidates_name(&n->candidates, key, seed, rd_mono(n), n->rules->queue_max) == NULL)
		return;
	log_info("discover", "new candidate instance=%s%s", LOG_Q(TOPO_KEY_TEXT(key)), seed ? " (seed)" : "");
	if (n->one_shot)
		crawl(n, key);
	else
		rd_work_watch(n, key);
}

void
rd_discover_neighbours(struct rd_node *n, const struct topo_instance *inst)
{
	struct topo_key_list keys = {0};

	rd_neighbours(inst, n->rules, &keys);
	for (size_t i = 0; i < keys.n; i++)
		rd_discover_name(n, &keys.v[i], false);
	topo_key_list_done(&keys);
}

void
rd_discover_drop_candidate(struct rd_node *n, const struct topo_key *key)
{
	struct rd_candidate *c = rd_candidates_find(&n->candidates, key);

	if (c == NULL)
		return;
	rd_candidates_drop(&n->candidates, c);
	rd_work_watch(n, key);
}

/* The configured seeds, resolved as far as the cache knows. */
void
rd_discover_seeds(struct rd_node *n)
{
	const struct conf *c = proc_conf(n->proc);

	for (size_t i = 0; i < c->DiscoverySeeds.n; i++) {
		struct rd_changes rows = {0};
		struct topo_key key, given;
		struct err e;
		if (topo_key_parse(c->DiscoverySeeds.v[i], n->rules->default_port, &given, &e) != 0) {
			log_error("discover", "DiscoverySeeds: %s", e.msg);
			continue;
		}
		key.port = given.port;
		(void)rd_resolve_name(n->names, n->rules, given.hostname, rd_now_us(n), &key.hostname, &rows);
		rd_audit(n, "inject-seed", &key, "injected");
		rd_discover_name(n, &key, true);
		rd_flush_rows(n, &rows);
		topo_key_done(&given);
	}
}

/* --- listing --------------------------------------------------------------------------------------------------- */
/* One command on its way. */
struct flight {
	struct rd_node *node;
	struct topo_key_list keys; /* owning */
};

static void list_more(struct rd_node *n);

static void
end_flight(struct flight *f, const struct err *e)
{
	struct rd_node *n = f->node;

	rd_listing_ended(&n->listing, &f->keys);
	topo_key_list_done(&f->keys);
	free(f);
	if (e == NULL)
		return;
	log_warning("discover", "new servers were not listed, their next probe lists them: %s", e->msg);
	rd_ask_not_listed(n, e);
}

static void
on_listed(void *ctx, const struct rd_proposed *p)
{
	struct flight *f = ctx;
	struct rd_node *n = f->node;

	end_flight(f, p->outcome == RD_COMMITTED ? NULL : p->e);
	list_more(n);
}

static void
propose_list(struct rd_node *n, struct topo_key_list *keys)
{
	struct flight *f = mem_new(struct flight);
	struct rd_cmd_inventory_add c = {.keys = *keys, .reason = ""};
	struct err e;

	*f = (struct flight){n, *keys};
	if (!rd_node_leads(n)) {
		if (n->group != NULL)
			rd_group_candidates(n->group, keys);
		end_flight(f, NULL);
		return;
	}
	if (rd_propose_inventory_add(n->decide, &c, on_listed, f, &e) != 0)
		end_flight(f, &e);
}

static void
on_list_timer(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct rd_node *n = arg;
	struct topo_key_list keys;

	while (rd_listing_take(&n->listing, rd_mono(n), &keys))
		propose_list(n, &keys);
	list_more(n);
}

static void
list_more(struct rd_node *n)
{
	struct mono at;
	struct timeval delay;

	if (!rd_listing_due(&n->listing, &at))
		return;
	if (n->list_timer == NULL)
		n->list_timer = event_new(n->base, -1, 0, on_list_timer, n);
	ASSERT(n->list_timer != NULL);
	delay = clk_timeval(min_i64(max_i64(mono_diff_us(at, rd_mono(n)), 0), RD_LISTING_GATHER_US));
	(void)event_add(n->list_timer, &delay);
}

void
rd_discover_list(struct rd_node *n, const struct topo_key *key, bool now)
{
	(void)rd_listing_add(&n->listing, key, now, rd_mono(n));
	list_more(n);
}

/* --- forgetting ------------------------------------------------------------------------------------------------ */
static void
on_forgotten(void *ctx UNUSED, const struct rd_proposed *p)
{
	if (p->outcome != RD_COMMITTED)
		log_warning("discover", "servers were not forgotten, trying again later: %s", p->e->msg);
}

void
rd_discover_forget(struct rd_node *n, const struct topo_key_list *keys, const char *audit_type, const char *message)
{
	struct rd_cmd_inventory_forget c = {.keys = *keys, .reason = audit_type, .message = message};
	struct err e;

	if (rd_propose_inventory_forget(n->decide, &c, on_forgotten, n, &e) != 0)
		log_warning("discover", "servers are not forgotten, trying again later: %s", e.msg);
}

/* --- following the inventory ----------------------------------------------------------------------------------- */
static void
become_listed(struct rd_node *n, const struct topo_key *key)
{
	struct rd_server *s = rd_model_add(&n->model, key);
	struct rd_candidate *c = rd_candidates_find(&n->candidates, key);

	rd_model_set_listed(&n->model, s, true);
	if (c != NULL) {
		s->probed = s->probed || c->tried;
		rd_candidates_drop(&n->candidates, c);
	}
	rd_work_watch(n, key);
	rd_flush_soon(n);
}

static void
become_unknown(struct rd_node *n, const struct topo_key *key)
{
	struct rd_server *s = rd_model_find(&n->model, key);
	struct topo_key source;

	if (s == NULL)
		return;
	rec_dup(&topo_key_desc, &source, &s->inst.source_key);
	rd_model_remove(&n->model, s);
	rd_work_watch(n, key);
	if (rd_model_find(&n->model, &source) != NULL)
		rd_work_watch(n, &source);
	topo_key_done(&source);
}

void
rd_discover_applied(struct rd_node *n, const struct rd_applied *a)
{
	const struct topo_key *known = NULL, *forgotten = NULL; /* the first of each */
	size_t n_known = 0, n_forgotten = 0;

	for (size_t i = 0; i < a->n_effects; i++) {
		const struct rd_effect *x = &a->effects[i];
		if (x->kind == RD_EFFECT_KNOWN) {
			known = n_known++ == 0 ? &x->key : known;
			become_listed(n, &x->key);
		} else if (x->kind == RD_EFFECT_FORGOTTEN) {
			rd_forgotten_add(&n->candidates, &x->key,
					 mono_add_us(rd_mono(n), FORGET_POLLS * n->rules->poll_us));
			become_unknown(n, &x->key);
			forgotten = n_forgotten++ == 0 ? &x->key : forgotten;
		} else if (n->group != NULL) {
			rd_group_effect(n->group, a, x);
		}
	}
	rd_story_inventory("known from now on", n_known, known);
	rd_story_inventory("forgotten", n_forgotten, forgotten);
}

void
rd_discover_known(struct rd_node *n, struct topo_instance *inst)
{
	struct rd_server *s = rd_model_add(&n->model, &inst->key);

	rd_model_set(&n->model, s, inst);
	rd_model_set_listed(&n->model, s, true);
	rd_work_watch(n, &s->inst.key);
	if (rd_model_find(&n->model, &s->inst.source_key) != NULL)
		rd_work_watch(n, &s->inst.source_key); /* it has a replica */
}

static void
list_row(void *ctx, const void *row)
{
	struct rd_node *n = ctx;
	const struct topo_key *key = row;
	const struct rd_server *s = rd_model_find(&n->model, key);

	if (s == NULL || !s->listed)
		become_listed(n, key);
}

void
rd_discover_reconcile(struct rd_node *n)
{
	struct rd_server *s, *next;

	HASH_ITER (hh, n->model.servers, s, next) {
		struct topo_key key;
		if (!s->listed || rd_state_get(rd_decisions(n), RD_TABLE_inventory, &s->inst.key) != NULL)
			continue;
		rec_dup(&topo_key_desc, &key, &s->inst.key);
		become_unknown(n, &key);
		topo_key_done(&key);
	}
	rd_state_each(rd_decisions(n), RD_TABLE_inventory, list_row, n);
}

void
rd_discover_done(struct rd_node *n)
{
	if (n->list_timer != NULL)
		event_free(n->list_timer);
	rd_listing_done(&n->listing);
	rd_candidates_done(&n->candidates);
}
