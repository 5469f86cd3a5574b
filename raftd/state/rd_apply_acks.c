/* rd_apply_acks.c — the ends of detections and recoveries as records: acknowledged by an operator, too old to matter,
 * forgotten; and failures whose recovery is blocked (rd_command.def; recovery.md section 2). Pure: see rd_apply.h.
 * Dispatched by rd_apply.c; called by rd_apply_tick.c and rd_apply_recovery.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rd_apply_private.h"
#include "rd_records.h"
#include "topo/key.h"

/* --- ends --------------------------------------------------------------------------------------------------------- */
static bool
is_blocked_by(const void *row, const void *what)
{
	const struct db_blocked_recovery *b = row;
	const struct db_recovery *r = what;

	return b->blocking_recovery_id.valid && b->blocking_recovery_id.v == r->recovery_id;
}

static bool
is_running(const struct apply *a, const struct db_recovery *row)
{
	const struct db_recovery_machine *m = rd_machine_find(a, row->uid);

	return m != NULL && rd_records_is_running(m);
}

/* A running one is active until it is over, whoever acknowledged it: it holds its cluster's lock. */
void
rd_end_recovery(struct apply *a, const struct db_recovery *row)
{
	struct rd_picked blocked = rd_row_pick(a->s, RD_TABLE_blocked_recovery, is_blocked_by, row);
	struct db_recovery ended = *row;
	struct topo_key key = {row->hostname, row->port};

	if (!is_running(a, row)) {
		ended.in_active_period = false;
		if (!ended.end_active_period_unixtime.valid || ended.end_active_period_unixtime.v == 0)
			ended.end_active_period_unixtime = (struct rec_ni64){a->now_us / CLK_S, true};
		for (size_t i = 0; i < blocked.n; i++)
			(void)rd_row_take_away(a, RD_TABLE_blocked_recovery, blocked.rows[i]);
	}
	free(blocked.rows);
	rd_effect_touched(a, &key);
	rd_row_put(a, RD_TABLE_recovery, &ended);
}

void
rd_end_detection(struct apply *a, const struct db_detection *row)
{
	struct db_detection ended = *row;
	struct topo_key key = {row->hostname, row->port};

	ended.in_active_period = false;
	ended.end_active_period_unixtime = a->now_us / CLK_S;
	rd_effect_touched(a, &key);
	rd_row_put(a, RD_TABLE_detection, &ended);
}

static bool
is_active_of(const void *row, const void *what)
{
	const struct db_detection *d = row;
	const struct topo_key *key = what;

	return d->in_active_period && d->port == key->port && str_eq(d->hostname, key->hostname);
}

static void
end_detections(struct apply *a, rd_match_fn match, const void *what)
{
	struct rd_picked active = rd_row_pick(a->s, RD_TABLE_detection, match, what);

	for (size_t i = 0; i < active.n; i++)
		rd_end_detection(a, active.rows[i]);
	free(active.rows);
}

void
rd_end_detections_of(struct apply *a, const char *hostname, int64_t port)
{
	struct topo_key key = {hostname, port};

	end_detections(a, is_active_of, &key);
}

/* --- forgetting --------------------------------------------------------------------------------------------------- */
static bool
step_is_of(const void *row, const void *what)
{
	return str_eq(((const struct db_recovery_step *)row)->recovery_uid, what);
}

static bool
input_is_of(const void *row, const void *what)
{
	return str_eq(((const struct db_recovery_input *)row)->recovery_uid, what);
}

static bool
hook_is_of(const void *row, const void *what)
{
	return str_eq(((const struct db_recovery_hook *)row)->recovery_uid, what);
}

static bool
machine_is_of(const void *row, const void *what)
{
	return str_eq(((const struct db_recovery_machine *)row)->uid, what);
}

static bool
witness_is_of(const void *row, const void *what)
{
	return ((const struct db_detection_witness *)row)->detection_id == *(const int64_t *)what;
}

static void
take_away_all(struct apply *a, enum rd_table table, rd_match_fn match, const void *what)
{
	struct rd_picked picked = rd_row_pick(a->s, table, match, what);

	for (size_t i = 0; i < picked.n; i++)
		(void)rd_row_take_away(a, table, picked.rows[i]);
	free(picked.rows);
}

void
rd_forget_recovery(struct apply *a, const struct db_recovery *row)
{
	take_away_all(a, RD_TABLE_recovery_step, step_is_of, row->uid);
	take_away_all(a, RD_TABLE_recovery_input, input_is_of, row->uid);
	take_away_all(a, RD_TABLE_recovery_hook, hook_is_of, row->uid);
	take_away_all(a, RD_TABLE_recovery_machine, machine_is_of, row->uid);
	(void)rd_row_take_away(a, RD_TABLE_recovery, row);
}

void
rd_forget_detection(struct apply *a, const struct db_detection *row)
{
	char uid[64];

	(void)snprintf(uid, sizeof(uid), RD_DETECTION_UID "%lld", (long long)row->detection_id);
	take_away_all(a, RD_TABLE_recovery_step, step_is_of, uid);
	take_away_all(a, RD_TABLE_recovery_hook, hook_is_of, uid);
	take_away_all(a, RD_TABLE_detection_witness, witness_is_of, &row->detection_id);
	(void)rd_row_take_away(a, RD_TABLE_detection, row);
}

/* --- acknowledging ------------------------------------------------------------------------------------------------ */
static bool
is_of_cluster(const struct rd_cmd_ack_recoveries *c, const char *name, const char *alias)
{
	return str_eq(name, c->cluster_name) || (c->cluster_alias[0] != '\0' && str_eq(alias, c->cluster_alias));
}

/* What is acknowledged; a cluster is meant by its id as well: a promotion has changed its name, and whom its recoveries
 * block goes by the id. */
struct meant {
	const struct rd_state *s;
	const struct rd_cmd_ack_recoveries *c;
	const char *cluster_id; /* of the cluster of that name now; "" */
};

static bool
has_cluster_id(const struct rd_state *s, const char *uid, const char *cluster_id)
{
	const struct db_recovery_machine *m = rd_records_machine_row(s, uid);

	return m != NULL && cluster_id[0] != '\0' && str_eq(m->cluster_id, cluster_id);
}

static bool
is_meant(const void *row, const void *what)
{
	const struct db_recovery *r = row;
	const struct meant *meant = what;
	const struct rd_cmd_ack_recoveries *c = meant->c;

	if (r->acknowledged)
		return false;
	if (c->all)
		return true;
	if (c->recovery_id > 0)
		return r->recovery_id == c->recovery_id;
	if (c->recovery_uid[0] != '\0')
		return str_eq(r->uid, c->recovery_uid);
	if (c->key.hostname[0] != '\0')
		return r->port == c->key.port && str_eq(r->hostname, c->key.hostname);
	return is_of_cluster(c, r->cluster_name, r->cluster_alias) ||
	       has_cluster_id(meant->s, r->uid, meant->cluster_id);
}

static bool
detection_is_meant(const void *row, const void *what)
{
	const struct db_detection *d = row;
	const struct rd_cmd_ack_recoveries *c = what;

	if (!d->in_active_period || c->all || c->recovery_id > 0 || c->recovery_uid[0] != '\0')
		return false;
	if (c->key.hostname[0] != '\0')
		return d->port == c->key.port && str_eq(d->hostname, c->key.hostname);
	return is_of_cluster(c, d->cluster_name, d->cluster_alias);
}

int
rd_apply_ack_recoveries(struct apply *a, const struct rd_cmd_ack_recoveries *c, struct err *e UNUSED)
{
	struct meant what = {a->s, c, rd_records_cluster_id(a->s, c->cluster_name)};
	struct rd_picked meant = rd_row_pick(a->s, RD_TABLE_recovery, is_meant, &what);

	for (size_t i = 0; i < meant.n; i++) {
		struct db_recovery row = *(const struct db_recovery *)meant.rows[i];
		struct topo_key key = {row.hostname, row.port};
		row.acknowledged = true;
		row.acknowledged_at_us = a->now_us;
		row.acknowledged_by = c->owner;
		row.acknowledge_comment = c->comment;
		rd_effect_audit(a, "ack-recovery", &key, "recovery %s, by %s: %s", row.uid, c->owner, c->comment);
		rd_end_recovery(a, &row);
	}
	a->out->id = (int64_t)meant.n;
	free(meant.rows);
	end_detections(a, detection_is_meant, c);
	return 0;
}

/* --- blocked ------------------------------------------------------------------------------------------------------ */
int
rd_apply_blocked_recovery(struct apply *a, const struct rd_cmd_blocked_recovery *c, struct err *e UNUSED)
{
	struct db_blocked_recovery row = {.hostname = c->key.hostname,
					  .port = c->key.port,
					  .cluster_name = c->cluster_name,
					  .analysis = c->analysis,
					  .last_blocked_timestamp_us = a->now_us,
					  .blocking_recovery_id = {c->blocking_recovery_id, true}};

	if (c->is_over)
		(void)rd_row_take_away(a, RD_TABLE_blocked_recovery, &row);
	else
		rd_row_put(a, RD_TABLE_blocked_recovery, &row);
	rd_effect_touched(a, &c->key);
	return 0;
}

/* --- import ------------------------------------------------------------------------------------------------------- */
static int
put_new(struct apply *a, enum rd_table table, const void *row, int64_t id, struct err *e)
{
	if (rd_state_get(a->s, table, row) != NULL)
		return err_set(e, ERR_EXISTS, "there is a row %lld in %s", (long long)id, rd_table_name(table));
	rd_row_put(a, table, row);
	return 0;
}

/* Of one server only one may be active, so the one that the group has counts. */
int
rd_apply_import_detection(struct apply *a, const struct rd_cmd_import_detection *c, struct err *e)
{
	struct topo_key key = {c->row.hostname, c->row.port};
	struct rd_picked active = rd_row_pick(a->s, RD_TABLE_detection, is_active_of, &key);
	struct db_detection row = c->row;

	row.start_active_period_us = rd_floor_s(row.start_active_period_us);
	row.in_active_period = row.in_active_period && active.n == 0;
	free(active.rows);
	return put_new(a, RD_TABLE_detection, &row, row.detection_id, e);
}

static bool
recovery_is_active_of(const void *row, const void *what)
{
	const struct db_recovery *r = row;
	const struct topo_key *key = what;

	return r->in_active_period && r->port == key->port && str_eq(r->hostname, key->hostname);
}

int
rd_apply_import_recovery(struct apply *a, const struct rd_cmd_import_recovery *c, struct err *e)
{
	struct topo_key key = {c->row.hostname, c->row.port};
	struct rd_picked active = rd_row_pick(a->s, RD_TABLE_recovery, recovery_is_active_of, &key);
	struct db_recovery row = c->row;

	row.start_active_period_us = rd_floor_s(row.start_active_period_us);
	row.end_recovery_us = rd_floor_s(row.end_recovery_us);
	row.acknowledged_at_us = rd_floor_s(row.acknowledged_at_us);
	row.in_active_period = row.in_active_period && active.n == 0;
	free(active.rows);
	return put_new(a, RD_TABLE_recovery, &row, row.recovery_id, e);
}

int
rd_apply_import_recovery_steps(struct apply *a, const struct rd_cmd_import_recovery_steps *c, struct err *e)
{
	for (size_t i = 0; i < c->rows.n; i++) {
		if (rd_state_get(a->s, RD_TABLE_recovery_step, &c->rows.v[i]) != NULL)
			return err_set(e, ERR_EXISTS, "there is a step %lld", (long long)c->rows.v[i].recovery_step_id);
	}
	for (size_t i = 0; i < c->rows.n; i++) {
		struct db_recovery_step row = c->rows.v[i];
		row.audit_at_us = rd_floor_s(row.audit_at_us);
		rd_row_put(a, RD_TABLE_recovery_step, &row);
	}
	return 0;
}
