/* analysis.c — one server and its replicas: the aggregates (analysis.md section 2). Pure; called by analysis_list.c and
 * by raftd. What they mean stands in analysis_codes.c. */
#include "topo/analysis.h"

#include <stdlib.h>
#include <string.h>

#include "topo/analysis_private.h"
#include "topo/key.h"

/* --- facts of one row ------------------------------------------------------------------------------------------ */
/* The historical pattern '%error %connecting to master%', and its newer word. */
static bool
says_cannot_connect(const char *io_error)
{
	const char *error = str_empty(io_error) ? NULL : strcasestr(io_error, "error ");

	return error != NULL && (str_contains_nocase(error + strlen("error "), "connecting to master") ||
				 str_contains_nocase(error + strlen("error "), "connecting to source"));
}

static bool
is_failing_to_connect(const struct topo_instance *i)
{
	return i->sql_running && !i->io_running && says_cannot_connect(i->last_io_error);
}

static bool
last_check_found(const struct topo_instance *i)
{
	return i->last_seen_us > 0 && i->last_checked_us <= i->last_seen_us;
}

static bool
last_check_valid(const struct topo_instance *i, const struct topo_analysis_rules *r)
{
	return last_check_found(i) &&
	       i->last_attempted_us <= i->last_seen_us + (r->poll_s + r->reasonable_check_s) * CLK_S;
}

static bool
is_downtimed(const struct topo_analysed *s, const struct topo_analysis_rules *r)
{
	return s->downtime_end_us > r->now.us;
}

static bool
has_source(const struct topo_key *source)
{
	return !str_empty(source->hostname) && !str_eq(source->hostname, "_") && source->port != 0 &&
	       !topo_key_is_detached(source);
}

static bool
is_standing_still(const struct topo_analysed *s, const struct topo_analysis_rules *r)
{
	const struct topo_coord *now = &s->inst->self_coord;

	return !str_empty(s->stale.log_file) && str_eq(s->stale.log_file, now->log_file) &&
	       s->stale.log_pos == now->log_pos && s->stale_since_us < r->now.us - r->reasonable_locked_s * CLK_S;
}

/* --- replicas -------------------------------------------------------------------------------------------------- */
/* Valid replicas of each kind: a topology is of the kind when all of them are. */
struct kinds {
	uint64_t oracle_gtid, mariadb_gtid, binlog_server;
};

static void
add_valid(struct topo_analysis *a, struct kinds *k, const struct topo_instance *i)
{
	a->n_valid++;
	a->n_replicating += i->io_running && i->sql_running;
	a->n_failing += is_failing_to_connect(i);
	k->oracle_gtid += i->using_oracle_gtid;
	k->mariadb_gtid += i->using_mariadb_gtid;
	k->binlog_server += i->is_binlog_server;
}

static void
add_logging(struct topo_analysis *a, const struct topo_instance *i)
{
	a->n_logging++;
	a->n_statement += str_eq(i->binlog_format, "STATEMENT");
	a->n_mixed += str_eq(i->binlog_format, "MIXED");
	a->n_row += str_eq(i->binlog_format, "ROW");
}

static bool
is_logging(const struct topo_instance *i)
{
	return i->log_bin_enabled && i->log_replica_updates;
}

static const char *
text(const char *s)
{
	return s == NULL ? "" : s;
}

static void
add_gtid(struct topo_analysis *a, const struct topo_instance *i, bool downtimed)
{
	const char *mode = text(i->gtid_mode), *errant = downtimed ? "" : text(i->gtid_errant);

	if (a->n_replicas == 1 || strcmp(mode, a->min_gtid_mode) < 0)
		a->min_gtid_mode = mode;
	if (strcmp(mode, a->max_gtid_mode) > 0)
		a->max_gtid_mode = mode;
	if (strcmp(errant, a->max_gtid_errant) > 0)
		a->max_gtid_errant = errant;
}

static void
add_replica(struct topo_analysis *a, struct kinds *k, const struct topo_analysed *s,
	    const struct topo_analysis_rules *r)
{
	const struct topo_instance *i = s->inst;
	bool downtimed = is_downtimed(s, r);

	a->n_replicas++;
	a->is_co_source |= i->is_co_source;
	if (last_check_found(i))
		add_valid(a, k, i);
	if (is_logging(i))
		add_logging(a, i);
	a->n_lagging += i->replication_lag_s.valid && i->replication_lag_s.v > r->reasonable_lag_s;
	a->n_delayed += i->sql_delay > 0;
	a->n_downtimed += downtimed;
	a->n_semi_sync += i->semi_sync_replica_enabled;
	add_gtid(a, i, downtimed);
}

static int
cmp_texts(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static uint64_t
count_major_versions(const struct topo_analysed *const *replicas, size_t n, struct mem_arena *arena)
{
	const char **versions = mem_arena_alloc(arena, n * sizeof(*versions));
	size_t n_versions = 0;
	uint64_t count = 0;

	for (size_t i = 0; i < n; i++) {
		if (is_logging(replicas[i]->inst))
			versions[n_versions++] = text(replicas[i]->inst->major_version);
	}
	if (n_versions > 1)
		qsort(versions, n_versions, sizeof(*versions), cmp_texts);
	for (size_t i = 0; i < n_versions; i++)
		count += i == 0 || strcmp(versions[i - 1], versions[i]) != 0;
	return count;
}

static void
list_replicas(const struct topo_analysed *const *replicas, size_t n, struct mem_arena *arena, struct topo_key_list *ret)
{
	ret->v = mem_arena_alloc(arena, n * sizeof(*ret->v));
	for (ret->n = 0; ret->n < n; ret->n++)
		ret->v[ret->n] = replicas[ret->n]->inst->key;
	topo_key_list_sort(ret);
}

static void
set_replicas(struct topo_analysis *a, const struct topo_analysed *const *replicas, size_t n,
	     const struct topo_analysis_rules *r, struct mem_arena *arena)
{
	struct kinds k = {0};

	for (size_t i = 0; i < n; i++)
		add_replica(a, &k, replicas[i], r);
	a->n_major_versions = count_major_versions(replicas, n, arena);
	a->oracle_gtid_topology = a->n_valid > 0 && k.oracle_gtid == a->n_valid;
	a->mariadb_gtid_topology = a->n_valid > 0 && k.mariadb_gtid == a->n_valid;
	a->binlog_server_topology = a->n_valid > 0 && k.binlog_server == a->n_valid;
	list_replicas(replicas, n, arena, &a->replicas);
}

/* --- the server itself ----------------------------------------------------------------------------------------- */
static void
set_place(struct topo_analysis *a, const struct topo_instance *i)
{
	bool in_group = !str_empty(i->group_name);

	a->key = i->key;
	a->source_key = i->source_key;
	a->cluster.name = a->cluster.alias = a->cluster.domain = text(i->cluster_name);
	a->data_center = text(i->data_center);
	a->region = text(i->region);
	a->physical_environment = text(i->physical_environment);
	a->coord = i->self_coord;
	a->replication_depth = i->replication_depth;
	a->is_primary = !has_source(&i->source_key) && (!in_group || str_eq(i->group_member_role, "PRIMARY"));
	a->is_group_member = in_group && !str_eq(i->group_member_state, "OFFLINE");
	a->is_co_source = i->is_co_source;
	a->is_cluster_primary = str_eq(TOPO_KEY_TEXT(&i->key), a->cluster.name);
}

static void
set_condition(struct topo_analysis *a, const struct topo_analysed *s, const struct topo_analysis_rules *r)
{
	const struct topo_instance *i = s->inst;

	a->last_check_valid = last_check_valid(i, r);
	a->last_check_partial = i->last_check_partial_success;
	a->is_failing_to_connect = is_failing_to_connect(i);
	a->is_binlog_server = i->is_binlog_server;
	a->is_read_only = i->read_only;
	a->gtid_mode = text(i->gtid_mode);
	a->pseudo_gtid_topology = i->using_pseudo_gtid;
	a->semi_sync_enabled = i->semi_sync_source_enabled;
	a->semi_sync_status = i->semi_sync_source_status;
	a->semi_sync_wait_count = i->semi_sync_source_wait_count;
	a->semi_sync_clients = i->semi_sync_source_clients;
	a->is_standing_still = is_standing_still(s, r);
}

static void
set_downtime(struct topo_analysis *a, const struct topo_analysed *s, const struct topo_analysis_rules *r,
	     struct mem_arena *arena)
{
	char stamp[CLK_STAMP_BYTES];

	if (s->downtime_end_us == 0)
		return;
	clk_format_wall((struct wall){s->downtime_end_us}, stamp);
	a->downtime_end_text = mem_arena_strndup(arena, stamp, strlen(stamp));
	a->downtime_remaining_s = (r->now.us - s->downtime_end_us) / CLK_S;
	a->is_downtimed = is_downtimed(s, r);
}

void
topo_analyse_one(const struct topo_analysed *server, const struct topo_analysed *const *replicas, size_t n,
		 const struct topo_analysis_rules *rules, struct mem_arena *arena, struct topo_analysis *ret)
{
	rec_init(&topo_analysis_desc, ret);
	ret->node_hostname = text(rules->node_hostname);
	ret->node_token = text(rules->node_token);
	set_place(ret, server->inst);
	set_condition(ret, server, rules);
	set_downtime(ret, server, rules, arena);
	set_replicas(ret, replicas, n, rules, arena);
	topo_analysis_judge(ret, rules, arena);
}
