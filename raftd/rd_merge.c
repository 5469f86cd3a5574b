/* rd_merge.c — what follows from one probe (rd_merge.h). Pure. Called for each result that found its server. */
#include "rd_merge.h"

#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "topo/derive.h"
#include "topo/gtid.h"
#include "topo/key.h"

/* --- names ----------------------------------------------------------------------------------------------------- */
static int64_t
peer_port(const struct topo_peer *peer, int64_t own_port)
{
	return peer->port > 0 ? peer->port : own_port;
}

static void
name_peers(const struct topo_peer_list *l, int64_t own_port, void (*fn)(void *ctx, const struct topo_key *key),
	   void *ctx)
{
	for (size_t i = 0; i < l->n; i++)
		fn(ctx, &(struct topo_key){l->v[i].hostname, peer_port(&l->v[i], own_port)});
}

void
rd_probe_names(const struct topo_probe *p, void (*fn)(void *ctx, const struct topo_key *key), void *ctx)
{
	fn(ctx, &(struct topo_key){p->source_host, p->source_port});
	name_peers(&p->replicas, p->asked_key.port, fn, ctx);
	name_peers(&p->group_members, p->asked_key.port, fn, ctx);
}

int
rd_probe_own_host(const struct topo_probe *p, const struct rd_rules *rules, const char **ret_host, struct err *e)
{
	const char *host = p->asked_key.hostname;

	if (rules->own_name == RD_OWN_NAME_HOSTNAME && p->self_hostname[0] != '\0')
		host = p->self_hostname;
	if (rules->own_name == RD_OWN_NAME_REPORT_HOST) {
		host = p->report_host;
		if (host[0] == '\0')
			return err_set(e, ERR_INVALID,
				       "MySQLHostnameResolveMethod is report_host, but report_host of %s is empty",
				       TOPO_KEY_TEXT(&p->asked_key));
	}
	*ret_host = host;
	return 0;
}

bool
rd_probe_is_skipped(const struct topo_probe *p, const struct rd_rules *rules)
{
	return p->replication_user[0] != '\0' && conf_filter_matches_text(rules->ignore_user, p->replication_user);
}

/* --- neighbours as the server names them ----------------------------------------------------------------------- */
static void
set_source(const struct rd_merge *m, const struct topo_probe *p, struct topo_instance *inst)
{
	if (p->source_host[0] != '\0')
		topo_key_set(&inst->source_key, m->resolve(m->ctx, p->source_host), p->source_port);
}

static bool
take_replica(const struct rd_merge *m, const struct topo_peer *peer, const struct topo_key *key)
{
	return topo_key_valid(key) && !conf_filter_matches(m->rules->ignore_replica, key->hostname, key->port) &&
	       (peer->user[0] == '\0' || !conf_filter_matches_text(m->rules->ignore_user, peer->user));
}

/* A dump thread tells no port: the replica's is taken to be the server's own (probing.md section 7.1). A client that
 * reads the binary log on the server itself is not a replica of it. */
static void
set_replicas(const struct rd_merge *m, const struct topo_probe *p, struct topo_instance *inst)
{
	for (size_t i = 0; i < p->replicas.n; i++) {
		const struct topo_peer *peer = &p->replicas.v[i];
		struct topo_key key = {.hostname = m->resolve(m->ctx, peer->hostname),
				       .port = peer_port(peer, inst->key.port)};
		if (take_replica(m, peer, &key) && !topo_key_equal(&key, &inst->key))
			(void)topo_key_list_append(&inst->replicas, &key);
	}
	topo_key_list_sort_unique(&inst->replicas);
}

static void
set_group(const struct rd_merge *m, const struct topo_probe *p, struct topo_instance *inst)
{
	const struct topo_key *known;

	if (inst->group_name[0] == '\0')
		return;
	for (size_t i = 0; i < p->group_members.n; i++) {
		const struct topo_peer *peer = &p->group_members.v[i];
		bool self = str_eq(peer->server_uuid, inst->server_uuid);
		struct topo_key key = {.hostname = m->resolve(m->ctx, peer->hostname), .port = peer->port};
		if (self)
			key = inst->key;
		if (!topo_key_valid(&key))
			continue;
		if (!self)
			(void)topo_key_list_add(&inst->group_members, &key);
		if (str_eq_nocase(peer->role, "PRIMARY"))
			topo_key_set(&inst->group_primary_key, key.hostname, key.port);
	}
	topo_key_list_sort(&inst->group_members);
	if (topo_key_valid(&inst->group_primary_key))
		return;
	known = m->group_primary(m->ctx, inst->group_name);
	if (known != NULL)
		topo_key_set(&inst->group_primary_key, known->hostname, known->port);
}

/* --- place: data center, region, environment ------------------------------------------------------------------- */
static void
set_place(const char **member, struct rx *pattern, const char *host, const char *detected, size_t max)
{
	struct str_buf text = {0};

	if (detected[0] != '\0')
		str_buf_add(&text, detected);
	else if (pattern != NULL)
		(void)rx_capture(pattern, host, 1, &text);
	if (text.len > max)
		text.p[text.len = max] = '\0';
	if (text.len > 0)
		rec_set_str(member, text.p);
	str_buf_done(&text);
}

static void
set_places(const struct rd_rules *r, const struct topo_probe *p, struct topo_instance *inst)
{
	const char *host = inst->key.hostname;

	set_place(&inst->data_center, r->data_center, host, p->detected_data_center, 32);
	set_place(&inst->region, r->region, host, p->detected_region, 32);
	set_place(&inst->physical_environment, r->environment, host, p->detected_environment, 32);
}

/* --- cluster --------------------------------------------------------------------------------------------------- */
static void
set_cluster(const struct rd_merge *m, struct topo_instance *inst)
{
	struct topo_cluster c;

	topo_cluster_of(inst, m->lookup, m->ctx, &c);
	rec_set_str(&inst->cluster_name, c.name);
	rec_set_str(&inst->ancestry_uuid, c.ancestry);
	rec_set_str(&inst->suggested_cluster_alias, c.alias);
	inst->replication_depth = c.depth;
	inst->is_co_source = c.is_co_source;
	topo_cluster_done(&c);
}

/* Override table, else what was inherited, else the query's answer, else ClusterNameToAlias. */
static void
set_alias(const struct rd_merge *m, const struct topo_probe *p, struct topo_instance *inst)
{
	const char *alias = m->alias_override(m->ctx, inst->cluster_name);

	if (alias == NULL && inst->suggested_cluster_alias[0] != '\0')
		return;
	if (alias == NULL && !inst->is_binlog_server && p->cluster_alias[0] != '\0')
		alias = p->cluster_alias;
	if (alias == NULL)
		alias = rd_rules_alias(m->rules, inst->cluster_name);
	if (alias != NULL && strlen(alias) <= 128)
		rec_set_str(&inst->suggested_cluster_alias, alias);
}

/* Sets that don't parse have no errant part that could be named; the texts themselves are shown. */
static void
set_errant(const struct rd_merge *m, struct topo_instance *inst)
{
	const struct topo_instance *parent = m->lookup(m->ctx, topo_parent_key(inst));
	struct gtid_errant_input in = {.own_set = inst->executed_gtid_set,
				       .own_uuid = inst->server_uuid,
				       .ancestry = inst->ancestry_uuid,
				       .is_co_source = inst->is_co_source};
	struct str_buf errant = {0};
	struct err ignored;

	if (parent == NULL || in.own_set[0] == '\0' || parent->executed_gtid_set[0] == '\0')
		return;
	in.parent_set = parent->executed_gtid_set;
	in.source_uuid = inst->source_uuid;
	if (gtid_errant(&in, &errant, &ignored) == 0)
		rec_set_str(&inst->gtid_errant, str_buf_text(&errant));
	str_buf_done(&errant);
}

/* --- the whole ------------------------------------------------------------------------------------------------- */
void
rd_merge(const struct rd_merge *m, const struct topo_probe *p, const struct topo_key *key, int64_t previous_seen_us,
	 struct topo_instance *ret)
{
	rec_dup(&topo_instance_desc, ret, &p->inst);
	topo_key_set(&ret->key, key->hostname, key->port);
	topo_key_set(&ret->source_key, "", 0);
	topo_key_set(&ret->group_primary_key, "", 0);
	topo_key_list_done(&ret->replicas);
	topo_key_list_done(&ret->group_members);
	set_source(m, p, ret);
	set_replicas(m, p, ret);
	set_group(m, p, ret);
	set_places(m->rules, p, ret);
	set_cluster(m, ret);
	set_alias(m, p, ret);
	set_errant(m, ret);
	/* AutoPseudoGTID goes by the markers that were injected lately, and none are injected yet. */
	ret->using_pseudo_gtid = !m->rules->auto_pseudo_gtid && p->pseudo_gtid_detected;
	ret->last_checked_us = ret->last_attempted_us = p->ended_us;
	ret->last_seen_us = p->has_read_errors ? previous_seen_us : p->ended_us;
	ret->last_check_partial_success = true;
}

int64_t
rd_failed_check_us(int64_t last_seen_us, int64_t ended_us)
{
	return max_i64(ended_us, last_seen_us - last_seen_us % CLK_S + CLK_S);
}

void
rd_live_read(const struct topo_instance *inst, const char *promotion_rule, struct topo_instance *ret)
{
	*ret = *inst;
	ret->is_last_check_valid = ret->is_up_to_date = ret->is_recently_checked = true;
	ret->promotion_rule = promotion_rule;
	ret->is_candidate = false;
	ret->is_detached_source = topo_key_is_detached(&inst->source_key);
	ret->is_detached = topo_coord_is_detached(&inst->exec_coord);
	ret->relay_coord.type = topo_is_replica(inst) ? TOPO_COORD_RELAY : TOPO_COORD_BINARY;
	ret->problems = (struct rec_text_list){NULL, 0};
}

static bool
is_wanted(const struct rd_rules *rules, const struct topo_key *k)
{
	return topo_key_valid(k) && !conf_filter_matches(rules->ignore_replica, k->hostname, k->port);
}

/* A server may name thousands of replicas, but only once each: they are not compared with each other. */
void
rd_neighbours(const struct topo_instance *inst, const struct rd_rules *rules, struct topo_key_list *ret)
{
	const struct topo_key *source = &inst->source_key;

	for (size_t i = 0; i < inst->group_members.n; i++) {
		if (is_wanted(rules, &inst->group_members.v[i]))
			(void)topo_key_list_add(ret, &inst->group_members.v[i]);
	}
	for (size_t i = 0; i < inst->replicas.n; i++) {
		const struct topo_key *k = &inst->replicas.v[i];
		if (is_wanted(rules, k) && !topo_key_list_has(&inst->group_members, k))
			(void)topo_key_list_append(ret, k);
	}
	if (topo_key_valid(source) && !conf_filter_matches(rules->ignore_source, source->hostname, source->port))
		(void)topo_key_list_add(ret, source);
}
