/* rd_apply_operators.c — commands of operators that are no matter of one server's record alone: maintenance, pools,
 * virtual host names, the recovery switch (rd_command.def). Pure: see rd_apply.h. Dispatched by rd_apply.c. */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "rd_apply_private.h"
#include "topo/key.h"

/* --- maintenance (backend-schema.md section 5) ----------------------------------------------------------------- */
static bool
maintenance_is_of(const void *row, const void *what)
{
	const struct db_maintenance *m = row;
	const struct topo_key *key = what;

	return m->port == key->port && strcmp(m->hostname, key->hostname) == 0;
}

static bool
maintenance_has_id(const void *row, const void *what)
{
	return ((const struct db_maintenance *)row)->database_instance_maintenance_id == *(const int64_t *)what;
}

/* The entry's index: grows, and is the same everywhere. A database taken over may hold higher ones. */
static int64_t
new_maintenance_id(const struct apply *a)
{
	struct db_maintenance row = {.database_instance_maintenance_id = (int64_t)a->out->index};

	while (rd_state_get(a->s, RD_TABLE_maintenance, &row) != NULL)
		row.database_instance_maintenance_id++;
	return row.database_instance_maintenance_id;
}

int
rd_apply_begin_maintenance(struct apply *a, const struct rd_cmd_begin_maintenance *c, struct err *e)
{
	struct rd_picked there = rd_row_pick(a->s, RD_TABLE_maintenance, maintenance_is_of, &c->key);
	struct db_maintenance row = {.database_instance_maintenance_id = new_maintenance_id(a),
				     .hostname = c->key.hostname,
				     .port = c->key.port,
				     .maintenance_active = {1, true},
				     .begin_timestamp_us = a->now_us,
				     .end_timestamp_us = rd_ceil_s(c->ends_us),
				     .owner = c->owner,
				     .reason = c->reason,
				     .processing_node_hostname = a->c->originator,
				     .processing_node_token = c->token,
				     .explicitly_bounded = c->explicitly_bounded};

	free(there.rows);
	if (there.n > 0)
		return err_set(e, ERR_EXISTS, "Cannot begin maintenance for instance: %s; maintenance reason: %s",
			       TOPO_KEY_TEXT(&c->key), c->reason);
	a->out->id = row.database_instance_maintenance_id;
	rd_row_put(a, RD_TABLE_maintenance, &row);
	rd_effect_touched(a, &c->key);
	rd_effect_audit(a, "begin-maintenance", &c->key, "maintenanceToken: %lld, owner: %s, reason: %s",
			(long long)a->out->id, c->owner, c->reason);
	return 0;
}

/* The backend keeps the row as history. */
void
rd_end_maintenance(struct apply *a, const struct db_maintenance *m, const char *audit_type)
{
	struct topo_key key = {m->hostname, m->port};
	struct db_maintenance ended = *m;

	ended.maintenance_active = (struct rec_ni64){0};
	ended.end_timestamp_us = min_i64(m->end_timestamp_us, a->now_us);
	rd_changes_add(&a->out->changes, RD_CHANGE_UPSERT, DB_TABLE_maintenance, &ended);
	rd_effect_touched(a, &key);
	rd_effect_audit(a, audit_type, &key, "maintenanceToken: %lld, owner: %s",
			(long long)m->database_instance_maintenance_id, m->owner);
	ASSERT(rd_state_remove(a->s, RD_TABLE_maintenance, m));
}

int
rd_apply_end_maintenance(struct apply *a, const struct rd_cmd_end_maintenance *c, struct err *e UNUSED)
{
	bool by_id = c->maintenance_id != 0;
	struct rd_picked there = by_id ? rd_row_pick(a->s, RD_TABLE_maintenance, maintenance_has_id, &c->maintenance_id)
				       : rd_row_pick(a->s, RD_TABLE_maintenance, maintenance_is_of, &c->key);

	for (size_t i = 0; i < there.n; i++)
		rd_end_maintenance(a, there.rows[i], "end-maintenance");
	free(there.rows);
	return 0;
}

/* --- pools (http-api.md section 11) ---------------------------------------------------------------------------- */
static bool
pool_is(const void *row, const void *what)
{
	return strcmp(((const struct db_pool *)row)->pool, what) == 0;
}

int
rd_apply_submit_pool(struct apply *a, const struct rd_cmd_submit_pool *c, struct err *e UNUSED)
{
	struct rd_picked old = rd_row_pick(a->s, RD_TABLE_pool, pool_is, c->pool);

	for (size_t i = 0; i < old.n; i++) {
		const struct db_pool *row = old.rows[i];
		struct topo_key key = {row->hostname, row->port};
		if (!topo_key_list_has(&c->keys, &key))
			(void)rd_row_take_away(a, RD_TABLE_pool, row);
	}
	free(old.rows);
	for (size_t i = 0; i < c->keys.n; i++) {
		struct db_pool row = {c->keys.v[i].hostname, c->keys.v[i].port, c->pool, a->now_us};
		rd_row_put(a, RD_TABLE_pool, &row);
		(void)topo_key_list_add(&a->out->keys, &c->keys.v[i]);
	}
	return 0;
}

/* --- virtual host names (probing.md section 6) ----------------------------------------------------------------- */
int
rd_apply_register_hostname_unresolve(struct apply *a, const struct rd_cmd_register_hostname_unresolve *c,
				     struct err *e UNUSED)
{
	struct db_hostname_unresolve row = {c->key.hostname, c->unresolved_hostname, a->now_us};
	struct db_hostname_unresolve_history old = {c->unresolved_hostname, c->key.hostname, a->now_us};

	rd_effect_touched(a, &c->key);
	if (c->unresolved_hostname[0] == '\0') {
		(void)rd_row_take_away(a, RD_TABLE_hostname_unresolve, &row);
		return 0;
	}
	rd_row_put(a, RD_TABLE_hostname_unresolve, &row);
	rd_changes_add(&a->out->changes, RD_CHANGE_UPSERT, DB_TABLE_hostname_unresolve_history, &old);
	return 0;
}

int
rd_apply_set_attribute(struct apply *a, const struct rd_cmd_set_attribute *c, struct err *e UNUSED)
{
	struct db_host_attribute row = {.hostname = c->hostname,
					.attribute_name = c->attribute_name,
					.attribute_value = c->attribute_value,
					.submit_timestamp_us = a->now_us};

	rd_row_put(a, RD_TABLE_host_attribute, &row);
	return 0;
}

/* --- the recovery switch --------------------------------------------------------------------------------------- */
int
rd_apply_disable_global_recoveries(struct apply *a, const struct rd_cmd_disable_global_recoveries *c UNUSED,
				   struct err *e UNUSED)
{
	if (!rd_state_recoveries_disabled(a->s))
		rd_effect_say(a, RD_EFFECT_SETTING, RD_SWITCH_RECOVERIES);
	rd_row_put(a, RD_TABLE_recovery_disable, &(struct db_recovery_disable){1});
	return 0;
}

int
rd_apply_enable_global_recoveries(struct apply *a, const struct rd_cmd_enable_global_recoveries *c UNUSED,
				  struct err *e UNUSED)
{
	if (rd_row_take_away(a, RD_TABLE_recovery_disable, &(struct db_recovery_disable){1}))
		rd_effect_say(a, RD_EFFECT_SETTING, RD_SWITCH_RECOVERIES);
	return 0;
}
