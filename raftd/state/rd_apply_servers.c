/* rd_apply_servers.c — commands about servers and clusters: inventory, downtime, tags, promotion rules, cluster records
 * (rd_command.def). Pure: see rd_apply.h. Dispatched by rd_apply.c. */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "rd_apply_private.h"
#include "topo/key.h"

/* --- inventory ------------------------------------------------------------------------------------------------- */
static void
add_placeholder(struct apply *a, const struct topo_key *key)
{
	struct topo_key_text name = topo_key_text(key);
	struct topo_instance inst;

	rd_placeholder(key, name.text, &inst);
	rd_changes_add(&a->out->changes, RD_CHANGE_INSTANCE_ABSENT, DB_TABLE_instance, &inst);
}

int
rd_apply_inventory_add(struct apply *a, const struct rd_cmd_inventory_add *c, struct err *e UNUSED)
{
	for (size_t i = 0; i < c->keys.n; i++) {
		const struct topo_key *key = &c->keys.v[i];
		if (rd_state_get(a->s, RD_TABLE_inventory, key) != NULL)
			continue;
		rd_state_put(a->s, RD_TABLE_inventory, key);
		add_placeholder(a, key);
		(void)topo_key_list_add(&a->out->keys, key);
		(void)rd_effect_add(a, RD_EFFECT_KNOWN, key);
		if (c->reason[0] != '\0')
			rd_effect_audit(a, c->reason, key, "injected");
	}
	return 0;
}

int
rd_apply_inventory_forget(struct apply *a, const struct rd_cmd_inventory_forget *c, struct err *e UNUSED)
{
	for (size_t i = 0; i < c->keys.n; i++) {
		const struct topo_key *key = &c->keys.v[i];
		struct topo_instance inst;
		if (!rd_state_remove(a->s, RD_TABLE_inventory, key))
			continue;
		rec_init(&topo_instance_desc, &inst);
		inst.key = *key;
		rd_changes_add(&a->out->changes, RD_CHANGE_DELETE, DB_TABLE_instance, &inst);
		(void)topo_key_list_add(&a->out->keys, key);
		(void)rd_effect_add(a, RD_EFFECT_FORGOTTEN, key);
		if (c->reason[0] != '\0')
			rd_effect_audit(a, c->reason, key, "%s", c->message);
	}
	return 0;
}

/* --- downtime -------------------------------------------------------------------------------------------------- */
int
rd_apply_begin_downtime(struct apply *a, const struct rd_cmd_begin_downtime *c, struct err *e UNUSED)
{
	struct db_downtime row = {.hostname = c->key.hostname,
				  .port = c->key.port,
				  .downtime_active = {1, true},
				  .begin_timestamp_us = rd_floor_s(c->begins_us),
				  .end_timestamp_us = rd_ceil_s(c->ends_us),
				  .owner = c->owner,
				  .reason = c->reason};

	if (c->ends_us <= a->now_us)
		return 0;
	rd_row_put(a, RD_TABLE_downtime, &row);
	rd_effect_touched(a, &c->key);
	rd_effect_audit(a, "begin-downtime", &c->key, "owner: %s, reason: %s", c->owner, c->reason);
	return 0;
}

int
rd_apply_end_downtime(struct apply *a, const struct rd_cmd_end_downtime *c, struct err *e UNUSED)
{
	struct db_downtime row = {.hostname = c->key.hostname, .port = c->key.port};

	if (!rd_row_take_away(a, RD_TABLE_downtime, &row))
		return 0;
	rd_effect_touched(a, &c->key);
	rd_effect_audit(a, "end-downtime", &c->key, "ended downtime");
	return 0;
}

/* --- tags ------------------------------------------------------------------------------------------------------ */
int
rd_apply_put_tag(struct apply *a, const struct rd_cmd_put_tag *c, struct err *e UNUSED)
{
	struct db_tag row = {.hostname = c->key.hostname,
			     .port = c->key.port,
			     .tag_name = c->tag_name,
			     .tag_value = c->tag_value,
			     .last_updated_us = a->now_us};

	rd_row_put(a, RD_TABLE_tag, &row);
	rd_effect_touched(a, &c->key);
	return 0;
}

int
rd_apply_delete_tag(struct apply *a, const struct rd_cmd_delete_tag *c, struct err *e UNUSED)
{
	struct db_tag row = {.hostname = c->key.hostname, .port = c->key.port, .tag_name = c->tag_name};
	const struct db_tag *old = rd_state_get(a->s, RD_TABLE_tag, &row);

	if (old == NULL || (c->has_value && strcmp(old->tag_value, c->tag_value) != 0))
		return 0;
	rd_effect_audit(a, "delete-instance-tag", &c->key, "%s=%s", c->tag_name, old->tag_value);
	(void)rd_row_take_away(a, RD_TABLE_tag, &row);
	rd_effect_touched(a, &c->key);
	return 0;
}

static bool
is_tag(const void *row, const void *what)
{
	const struct db_tag *tag = row;
	const struct rd_cmd_untag_all *c = what;

	return strcmp(tag->tag_name, c->tag_name) == 0 && strcmp(tag->tag_value, c->tag_value) == 0;
}

int
rd_apply_untag_all(struct apply *a, const struct rd_cmd_untag_all *c, struct err *e UNUSED)
{
	struct rd_picked picked = rd_row_pick(a->s, RD_TABLE_tag, is_tag, c);

	for (size_t i = 0; i < picked.n; i++) {
		const struct db_tag *tag = picked.rows[i];
		struct topo_key key = {tag->hostname, tag->port};
		rd_effect_audit(a, "delete-instance-tag", &key, "%s=%s", tag->tag_name, tag->tag_value);
		rd_effect_touched(a, &key);
		(void)rd_row_take_away(a, RD_TABLE_tag, tag);
	}
	free(picked.rows);
	return 0;
}

/* --- promotion rules ------------------------------------------------------------------------------------------- */
int
rd_apply_register_candidate(struct apply *a, const struct rd_cmd_register_candidate *c, struct err *e UNUSED)
{
	struct db_candidate row = {.hostname = c->key.hostname,
				   .port = c->key.port,
				   .last_suggested_us = a->now_us,
				   .priority = 1,
				   .promotion_rule = c->promotion_rule};

	rd_row_put(a, RD_TABLE_candidate, &row);
	rd_effect_touched(a, &c->key);
	if (!c->detected)
		rd_effect_audit(a, "register-candidate", &c->key, "%s", c->promotion_rule);
	return 0;
}

/* --- clusters -------------------------------------------------------------------------------------------------- */
int
rd_apply_set_cluster_alias(struct apply *a, const struct rd_cmd_set_cluster_alias *c, struct err *e UNUSED)
{
	struct db_cluster_alias_override row = {.cluster_name = c->cluster_name, .alias = c->alias};

	if (c->alias[0] != '\0')
		rd_row_put(a, RD_TABLE_cluster_alias_override, &row);
	else
		(void)rd_row_take_away(a, RD_TABLE_cluster_alias_override, &row);
	return 0;
}

int
rd_apply_cluster_upsert(struct apply *a, const struct rd_cmd_cluster_upsert *c, struct err *e UNUSED)
{
	struct db_cluster_record row = {.cluster_id = c->cluster_id,
					.cluster_name = c->cluster_name,
					.alias = c->alias,
					.domain_name = c->domain_name,
					.created_at_us = a->now_us,
					.updated_at_us = a->now_us};
	const struct db_cluster_record *old = rd_state_get(a->s, RD_TABLE_cluster_record, &row);

	if (old != NULL)
		row.created_at_us = old->created_at_us;
	rd_row_put(a, RD_TABLE_cluster_record, &row);
	return 0;
}
