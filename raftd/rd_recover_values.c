/* rd_recover_values.c — what hooks of a detection or a recovery are told: the record, and what this node knows beside it.
 * Reference: recovery.md section 18, analysis.md section 2 (a cluster without alias or domain goes by its name). Owns
 * nothing; called by rd_recover_hooks.c and rd_detected.c. */
#include <stdio.h>
#include <string.h>

#include "rd_recover_begin.h"
#include "rd_recoveries_private.h"
#include "topo/key.h"

char *
rd_hook_keys(struct mem_arena *arena, struct topo_key_list *keys)
{
	struct str_buf b = {0};
	char *text;

	topo_key_list_sort(keys);
	for (size_t i = 0; i < keys->n; i++)
		str_buf_printf(&b, "%s%s", b.len > 0 ? "," : "", TOPO_KEY_TEXT(&keys->v[i]));
	text = mem_arena_strndup(arena, str_buf_text(&b), b.len);
	str_buf_done(&b);
	topo_key_list_done(keys);
	return text;
}

static void
fill_cluster(struct rd_recoveries *rs, const char *cluster_id, const char *name, const char *alias,
	     struct rd_hook_values *v)
{
	const struct conf *c = proc_conf(rs->n->proc);
	const struct rd_server *s =
	    rd_model_find(&rs->n->model, &(struct topo_key){v->failed_host, (uint16_t)v->failed_port});
	const char *domain = rd_records_domain(rd_decisions(rs->n), cluster_id);

	if (domain[0] == '\0' && s != NULL && s->domain != NULL)
		domain = s->domain;
	v->failure_cluster = name;
	v->failure_cluster_alias = rd_or_cluster_name(alias, name);
	v->failure_cluster_domain = rd_or_cluster_name(domain, name);
	v->auto_source_recovery = rd_recover_cluster_matches(&c->RecoverMasterClusterFilters, name, alias);
	v->auto_intermediate_recovery =
	    rd_recover_cluster_matches(&c->RecoverIntermediateMasterClusterFilters, name, alias);
	v->orchestrator_host = proc_setup(rs->n->proc)->hostname;
}

/* --- detections ------------------------------------------------------------------------------------------------------ */
void
rd_detected_fill_values(struct rd_recoveries *rs, const struct rd_failure *f, struct rd_hook_values *v)
{
	*v = (struct rd_hook_values){.failure_type = topo_code_name(f->code),
				     .instance_type = f->type,
				     .is_source = f->is_source,
				     .is_co_source = f->is_co_source,
				     .failure_description = topo_code_description(f->code),
				     .failed_host = f->key.hostname,
				     .failed_port = f->key.port,
				     .count_replicas = (int64_t)f->n_replicas,
				     .replica_hosts = f->replicas,
				     .is_downtimed = f->is_downtimed};
	fill_cluster(rs, rd_records_cluster_id(rd_decisions(rs->n), f->cluster_name), f->cluster_name, f->cluster_alias,
		     v);
}

/* --- recoveries ------------------------------------------------------------------------------------------------------ */
static const char *
description_of(const char *analysis)
{
	for (int code = 0; code < TOPO_CODE_COUNT; code++) {
		if (str_eq(topo_code_name((enum topo_code)code), analysis))
			return topo_code_description((enum topo_code)code);
	}
	return analysis;
}

/* Those that were named as lost before this node took over stand in the row alone. */
static void
fill_lost(const struct rd_recovering *x, const struct rd_lost_list *lost, struct mem_arena *arena,
	  struct rd_hook_values *v)
{
	const struct db_recovery *row = rd_records_row(rd_decisions(x->rs->n), x->uid);
	const char *text = row == NULL ? "" : row->lost_slaves; /* historical */
	struct topo_key_list keys = {0};
	struct err e;

	if (text[0] != '\0' && topo_key_list_parse(text, 3306, &keys, &e) != 0)
		keys = (struct topo_key_list){0};
	for (size_t i = 0; i < lost->n; i++)
		(void)topo_key_list_add(&keys, &lost->v[i].key);
	v->count_lost_replicas = (int64_t)keys.n;
	v->lost_replicas = rd_hook_keys(arena, &keys);
}

static void
fill_replicas(const struct rd_recovery_input *in, struct mem_arena *arena, struct rd_hook_values *v)
{
	struct topo_key_list keys = {0};

	for (size_t i = 0; i < in->servers.n; i++) {
		if (in->servers.v[i].was_direct)
			(void)topo_key_list_add(&keys, &in->servers.v[i].key);
	}
	v->count_replicas = (int64_t)keys.n;
	v->replica_hosts = rd_hook_keys(arena, &keys);
}

/* Where it stood when it was read last: before clients could write there, or a little after. */
static void
fill_successor(const struct rd_recovering *x, struct mem_arena *arena, struct rd_hook_values *v)
{
	const struct topo_key *key = &rd_recover_record(x->r)->successor;
	const struct rd_server *s = rd_model_find(&x->rs->n->model, key);
	char position[300];

	v->successor_host = key->hostname;
	v->successor_port = key->port;
	if (s == NULL)
		return;
	v->successor_alias = s->inst.instance_alias;
	if (s->inst.self_coord.log_file[0] == '\0')
		return;
	(void)snprintf(position, sizeof(position), "%.256s:%lld", s->inst.self_coord.log_file,
		       (long long)s->inst.self_coord.log_pos);
	v->successor_binlog_coordinates = mem_arena_strndup(arena, position, strlen(position));
}

void
rd_recover_fill_values(const struct rd_recovering *x, const struct rd_lost_list *lost, struct mem_arena *arena,
		       struct rd_hook_values *v)
{
	const struct rd_recovery *r = rd_recover_record(x->r);
	const struct rd_recovery_input *in = rd_recover_input(x->r);

	*v = (struct rd_hook_values){.failure_type = in->analysis,
				     .instance_type = "master", /* historical */
				     .is_source = true,
				     .failure_description = description_of(in->analysis),
				     .failed_host = r->failed.hostname,
				     .failed_port = r->failed.port,
				     .is_downtimed = in->failed.is_downtimed,
				     .recovery_uid = x->uid,
				     .is_successful = r->promoted};
	fill_cluster(x->rs, in->cluster_id, in->cluster_name, in->cluster_alias, v);
	fill_lost(x, lost, arena, v);
	fill_replicas(in, arena, v);
	if (r->promoted)
		fill_successor(x, arena, v);
}
