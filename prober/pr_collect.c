/* pr_collect.c — the main fields of an instance: versions, own settings, coordinates, semi-sync, GTID, operators'
 * queries. Replication status is pr_collect_status.c's, lists of other servers pr_collect_peers.c's. Pure; called by
 * pr_probe.c when the answers are in. */
#include "pr_collect_private.h"

#include <string.h>

#include "base/str.h"
#include "topo/version.h"

static const struct pr_rows *
answer(const struct pr_collect *in, enum pr_ask ask)
{
	return &in->answers[ask];
}

const char *
pr_collect_dup(const struct pr_collect *in, const char *s)
{
	return str_empty(s) ? "" : mem_arena_strndup(in->arena, s, strlen(s));
}

/* The decisive error is the first one. */
void
pr_collect_fatal(const struct pr_collect *in, enum pr_ask ask, struct topo_probe *out)
{
	const struct pr_rows *r = answer(in, ask);
	struct str_buf b = {0};

	if (out->errno_mysql != 0 || out->error[0] != '\0')
		return;
	out->errno_mysql = r->err_no;
	if (r->answered) {
		str_buf_printf(&b, "%s: %s", pr_ask_name(ask), r->err_no != 0 ? r->err_text : "empty answer");
		out->error = pr_collect_dup(in, str_buf_text(&b));
	}
	str_buf_done(&b);
}

static bool
has_row(const struct pr_collect *in, enum pr_ask ask)
{
	return pr_rows_ok(answer(in, ask)) && answer(in, ask)->n_rows > 0;
}

static bool
asked(const struct pr_collect *in, enum pr_ask ask)
{
	for (size_t i = 0; i < in->plan->n; i++) {
		if (in->plan->v[i].ask == ask)
			return true;
	}
	return false;
}

const char *
pr_collect_maxscale(const struct pr_rows *r, struct mem_arena *arena, bool *ret_fatal)
{
	struct str_buf b = {0};
	const char *found = "";

	*ret_fatal = !r->answered || r->err_no == 1045 || r->err_no == 1044 || r->err_no == 1698;
	for (size_t i = 0; pr_rows_ok(r) && i < r->n_rows; i++) {
		if (!str_eq_nocase(pr_rows_text(r, i, "Variable_name"), "MAXSCALE_VERSION"))
			continue;
		found = pr_rows_text(r, i, "Value");
		str_buf_printf(&b, "%s-maxscale", found[0] == '\0' ? "0.0.0" : found);
		found = mem_arena_strndup(arena, str_buf_text(&b), b.len);
		break;
	}
	str_buf_done(&b);
	return found;
}

static void
put_version(const struct pr_collect *in, struct topo_instance *inst)
{
	char major[TOPO_MAJOR_BYTES];

	inst->version = in->version;
	topo_version_major(in->version, major);
	inst->major_version = pr_collect_dup(in, major);
}

static void
put_self(const struct pr_collect *in, struct topo_probe *out)
{
	const struct pr_rows *r = answer(in, PR_ASK_SELF);
	struct topo_instance *inst = &out->inst;

	out->self_hostname = pr_rows_text(r, 0, "hostname");
	out->report_host = pr_rows_text(r, 0, "report_host");
	out->report_port = pr_rows_i64(r, 0, "report_port");
	inst->server_id = pr_rows_u64(r, 0, "server_id");
	inst->version_comment = pr_rows_text(r, 0, "version_comment");
	inst->read_only = pr_rows_bool(r, 0, "read_only");
	inst->binlog_format = pr_rows_text(r, 0, "binlog_format");
	inst->log_bin_enabled = pr_rows_bool(r, 0, "log_bin");
	inst->log_replica_updates = pr_rows_bool(r, 0, "log_replica_updates");
}

/* What a proxy that speaks the replication protocol doesn't know of itself is fixed: probing.md section 4. */
static void
put_maxscale_self(const struct pr_collect *in, struct topo_probe *out)
{
	const struct pr_rows *ids = answer(in, PR_ASK_MAXSCALE_IDS);

	out->inst.is_binlog_server = true;
	out->inst.read_only = true;
	out->inst.log_bin_enabled = true;
	out->inst.log_replica_updates = true;
	out->inst.binlog_format = "INHERIT";
	out->inst.server_id = pr_rows_u64(ids, 0, "server_id");
	out->inst.server_uuid = pr_rows_text(ids, 0, "server_uuid");
	if ((in->caps & PR_CAP_MAXSCALE_1_1) != 0 && out->channels > 0)
		out->source_host = pr_rows_text(answer(in, PR_ASK_MAXSCALE_SOURCE), 0, "hostname");
}

/* Step 8's reads: their errors don't make the instance unknown, but its row incomplete. */
static void
put_uptime(const struct pr_collect *in, struct topo_probe *out)
{
	if (has_row(in, PR_ASK_UPTIME))
		out->inst.uptime = pr_rows_u64(answer(in, PR_ASK_UPTIME), 0, "Value");
	else
		out->has_read_errors = true;
}

static void
put_coordinates(const struct pr_collect *in, struct topo_probe *out)
{
	const struct pr_rows *r = answer(in, PR_ASK_COORDINATES);

	if (!out->inst.log_bin_enabled)
		return;
	if (!pr_rows_ok(r)) {
		out->has_read_errors = true;
		return;
	}
	out->inst.self_coord.log_file = pr_rows_text(r, 0, "File");
	out->inst.self_coord.log_pos = pr_rows_i64(r, 0, "Position");
}

/* Value of a variable in a listing by name; NULL when it isn't listed. */
static const char *
variable(const struct pr_rows *r, const char *name)
{
	for (size_t i = 0; pr_rows_ok(r) && i < r->n_rows; i++) {
		const char *found = pr_rows_at(r, i, 0);
		if (found != NULL && str_eq_nocase(found, name))
			return pr_rows_at(r, i, 1);
	}
	return NULL;
}

/* The newer plugins, 8.0.26 and later, have the newer names. */
static const char *
either(const struct pr_rows *r, const char *old_name, const char *new_name)
{
	const char *v = variable(r, new_name);

	return v != NULL ? v : variable(r, old_name);
}

static void
put_semi_sync(const struct pr_collect *in, struct topo_probe *out)
{
	const struct pr_rows *v = answer(in, PR_ASK_SEMI_SYNC_VARIABLES), *s = answer(in, PR_ASK_SEMI_SYNC_STATUS);
	struct topo_instance *inst = &out->inst;
	const char *source = either(v, "rpl_semi_sync_master_enabled", "rpl_semi_sync_source_enabled");
	const char *replica = either(v, "rpl_semi_sync_slave_enabled", "rpl_semi_sync_replica_enabled");
	const char *point = either(v, "rpl_semi_sync_master_wait_point", "rpl_semi_sync_source_wait_point");
	const char *waits = either(v, "rpl_semi_sync_master_wait_no_slave", "rpl_semi_sync_source_wait_no_replica");

	out->has_read_errors = out->has_read_errors || !pr_rows_ok(v) || !pr_rows_ok(s);
	inst->semi_sync_source_enabled = pr_text_bool(source);
	inst->semi_sync_replica_enabled = pr_text_bool(replica);
	inst->semi_sync_available = source != NULL && replica != NULL;
	inst->semi_sync_source_plugin_new = variable(v, "rpl_semi_sync_source_enabled") != NULL;
	inst->semi_sync_replica_plugin_new = variable(v, "rpl_semi_sync_replica_enabled") != NULL;
	inst->semi_sync_source_timeout_ms =
	    pr_text_u64(either(v, "rpl_semi_sync_master_timeout", "rpl_semi_sync_source_timeout"));
	inst->semi_sync_source_wait_count = pr_text_u64(
	    either(v, "rpl_semi_sync_master_wait_for_slave_count", "rpl_semi_sync_source_wait_for_replica_count"));
	inst->semi_sync_source_status =
	    pr_text_bool(either(s, "Rpl_semi_sync_master_status", "Rpl_semi_sync_source_status"));
	inst->semi_sync_source_clients =
	    pr_text_u64(either(s, "Rpl_semi_sync_master_clients", "Rpl_semi_sync_source_clients"));
	inst->semi_sync_wait_point = point == NULL ? "" : point;
	inst->semi_sync_source_waiting =
	    pr_text_u64(either(s, "Rpl_semi_sync_master_wait_sessions", "Rpl_semi_sync_source_wait_sessions"));
	inst->semi_sync_source_acked =
	    pr_text_u64(either(s, "Rpl_semi_sync_master_yes_tx", "Rpl_semi_sync_source_yes_tx"));
	inst->semi_sync_source_gives_up = waits != NULL && !pr_text_bool(waits);
	inst->semi_sync_replica_status =
	    pr_text_bool(either(s, "Rpl_semi_sync_slave_status", "Rpl_semi_sync_replica_status"));
}

/* Errors are ignored, as historically: a server without the variables has no GTID. */
static void
put_gtid(const struct pr_collect *in, struct topo_probe *out)
{
	const struct pr_rows *r = answer(in, PR_ASK_GTID), *m = answer(in, PR_ASK_MARIADB_GTID);
	struct topo_instance *inst = &out->inst;

	out->gtid_binlog_pos = pr_rows_text(m, 0, "gtid_binlog_pos");
	out->gtid_current_pos = pr_rows_text(m, 0, "gtid_current_pos");
	if (!pr_rows_ok(r))
		return;
	inst->gtid_mode = pr_rows_text(r, 0, "gtid_mode");
	inst->supports_oracle_gtid = inst->gtid_mode[0] != '\0' && !str_eq_nocase(inst->gtid_mode, "OFF");
	inst->server_uuid = pr_rows_text(r, 0, "server_uuid");
	inst->executed_gtid_set = pr_rows_text(r, 0, "gtid_executed");
	inst->gtid_purged = pr_rows_text(r, 0, "gtid_purged");
	inst->binlog_row_image = pr_rows_text(r, 0, "binlog_row_image");
}

static void
put_credentials(const struct pr_collect *in, struct topo_instance *inst)
{
	inst->replication_credentials_available =
	    in->credentials_query || (pr_rows_bool(answer(in, PR_ASK_GTID), 0, "info_in_table") &&
				      pr_rows_bool(answer(in, PR_ASK_CREDENTIALS), 0, "available"));
}

/* First cell of an operator's query; NULL without one. */
static const char *
cell(const struct pr_collect *in, enum pr_ask ask)
{
	return pr_rows_ok(answer(in, ask)) ? pr_rows_at(answer(in, ask), 0, 0) : NULL;
}

static const char *
cell_text(const struct pr_collect *in, enum pr_ask ask)
{
	const char *s = cell(in, ask);

	return s == NULL ? "" : s;
}

static void
put_lag(const struct pr_collect *in, struct topo_instance *inst)
{
	const char *s = cell(in, PR_ASK_LAG);

	inst->replication_lag_s = inst->seconds_behind_source;
	if (!asked(in, PR_ASK_LAG) || !pr_rows_ok(answer(in, PR_ASK_LAG)))
		return;
	inst->replication_lag_s = (struct rec_ni64){.v = max_i64(0, pr_text_i64(s)), .valid = s != NULL};
}

static void
put_operators(const struct pr_collect *in, struct topo_probe *out)
{
	put_lag(in, &out->inst);
	out->detected_data_center = cell_text(in, PR_ASK_DATA_CENTER);
	out->detected_region = cell_text(in, PR_ASK_REGION);
	out->detected_environment = cell_text(in, PR_ASK_ENVIRONMENT);
	out->inst.instance_alias = cell_text(in, PR_ASK_INSTANCE_ALIAS);
	out->inst.semi_sync_priority = pr_text_u64(cell(in, PR_ASK_SEMI_SYNC_PRIORITY));
	out->pseudo_gtid_detected = str_eq(cell_text(in, PR_ASK_PSEUDO_GTID), "1");
	out->detected_promotion_rule = cell_text(in, PR_ASK_PROMOTION_RULE);
	out->cluster_alias = cell_text(in, PR_ASK_CLUSTER_ALIAS);
	if (in->is_root || out->source_host[0] == '\0')
		out->cluster_domain = cell_text(in, PR_ASK_CLUSTER_DOMAIN);
}

/* Steps 4 to 6 and 12: without them there is no instance. */
static bool
put_identity(const struct pr_collect *in, struct topo_probe *out)
{
	bool maxscale = (in->caps & PR_CAP_MAXSCALE) != 0;
	enum pr_ask self = maxscale ? PR_ASK_MAXSCALE_IDS : PR_ASK_SELF;

	if (!maxscale && !has_row(in, PR_ASK_VERSION)) {
		pr_collect_fatal(in, PR_ASK_VERSION, out);
		return false;
	}
	put_version(in, &out->inst);
	if (!pr_rows_ok(answer(in, PR_ASK_REPLICA_STATUS))) {
		pr_collect_fatal(in, PR_ASK_REPLICA_STATUS, out);
		return false;
	}
	pr_collect_status(in, out);
	if (!has_row(in, self)) {
		pr_collect_fatal(in, self, out);
		return false;
	}
	if (maxscale)
		put_maxscale_self(in, out);
	else
		put_self(in, out);
	out->partial = true;
	if (maxscale && out->channels == 0) {
		out->error = "MaxScale without replica status";
		return false;
	}
	return true;
}

static bool
answered(const struct pr_collect *in, enum pr_ask ask)
{
	return answer(in, ask)->answered || !asked(in, ask);
}

/* Everything up to the binary log's coordinates was answered: the instance counts as found. */
static bool
is_found(const struct pr_collect *in, struct topo_probe *out)
{
	bool log_bin = out->inst.log_bin_enabled;

	for (size_t i = 0; i <= PR_ASK_COORDINATES; i++) {
		if (!answered(in, (enum pr_ask)i) && (i != PR_ASK_COORDINATES || log_bin)) {
			pr_collect_fatal(in, (enum pr_ask)i, out);
			return false;
		}
	}
	return pr_collect_group(in, out);
}

void
pr_collect(const struct pr_collect *in, struct topo_probe *out)
{
	bool complete;

	out->heartbeats_received = -1;
	out->inst.io_thread_state = out->inst.sql_thread_state = TOPO_THREAD_NONE;
	complete = put_identity(in, out);
	if (out->partial) {
		if ((in->caps & PR_CAP_MAXSCALE) == 0) {
			put_uptime(in, out);
			put_semi_sync(in, out);
		}
		put_coordinates(in, out);
		put_gtid(in, out);
		put_credentials(in, &out->inst);
		out->found = is_found(in, out) && complete;
		pr_collect_replicas(in, out);
		put_operators(in, out);
	}
	out->inst.last_check_partial_success = out->partial;
	pr_collect_clip(in, out);
}
