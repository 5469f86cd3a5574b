/* rd_apply_group.c — commands about the group of nodes itself: its id, its members, who leads, what all of them
 * understand (rd_command.def). Pure: see rd_apply.h. Dispatched by rd_apply.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "rd_apply_private.h"

static void
set(struct apply *a, const char *name, const char *value)
{
	struct db_setting row = {name, value};

	if (strcmp(rd_state_setting(a->s, name), value) == 0)
		return;
	rd_row_put(a, RD_TABLE_setting, &row);
	rd_effect_say(a, RD_EFFECT_SETTING, name);
}

int
rd_apply_cluster_found(struct apply *a, const struct rd_cmd_cluster_found *c, struct err *e UNUSED)
{
	if (rd_state_cluster_id(a->s)[0] == '\0')
		set(a, RD_SETTING_CLUSTER_ID, c->cluster_id);
	return 0;
}

static bool
any(const void *row UNUSED, const void *what UNUSED)
{
	return true;
}

int
rd_apply_cluster_rescue(struct apply *a, const struct rd_cmd_cluster_rescue *c, struct err *e UNUSED)
{
	struct rd_picked all = rd_row_pick(a->s, RD_TABLE_node_record, any, NULL);

	set(a, RD_SETTING_CLUSTER_ID, c->cluster_id);
	for (size_t i = 0; i < all.n; i++) {
		struct db_node_record row;
		rec_dup(&db_node_record_desc, &row, all.rows[i]);
		rec_set_str(&row.dir_id, "");
		row.raft_id = 0;
		row.updated_at_us = a->now_us;
		rd_row_put(a, RD_TABLE_node_record, &row);
		rd_effect_say(a, RD_EFFECT_NODE, row.name);
		rec_done(&db_node_record_desc, &row);
	}
	free(all.rows);
	return 0;
}

int
rd_apply_leader_uri(struct apply *a, const struct rd_cmd_leader_uri *c, struct err *e UNUSED)
{
	set(a, RD_SETTING_LEADER_URI, c->uri);
	return 0;
}

int
rd_apply_feature_level(struct apply *a, const struct rd_cmd_feature_level *c, struct err *e UNUSED)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)c->level);
	if (c->level > rd_state_feature_level(a->s))
		set(a, RD_SETTING_FEATURE_LEVEL, text);
	return 0;
}

int
rd_apply_node_record(struct apply *a, const struct rd_cmd_node_record *c, struct err *e UNUSED)
{
	struct db_node_record row = {.name = c->name,
				     .dir_id = c->dir_id,
				     .raft_id = (int64_t)c->raft_id,
				     .http_uri = c->http_uri,
				     .feature_level = (int64_t)c->feature_level,
				     .version = c->version,
				     .updated_at_us = a->now_us};

	rd_row_put(a, RD_TABLE_node_record, &row);
	rd_effect_say(a, RD_EFFECT_NODE, c->name);
	return 0;
}

int
rd_apply_node_forget(struct apply *a, const struct rd_cmd_node_forget *c, struct err *e UNUSED)
{
	if (rd_row_take_away(a, RD_TABLE_node_record, &(struct db_node_record){.name = c->name}))
		rd_effect_say(a, RD_EFFECT_NODE, c->name);
	return 0;
}

int
rd_apply_yield(struct apply *a, const struct rd_cmd_yield *c, struct err *e UNUSED)
{
	rd_effect_say(a, RD_EFFECT_YIELD, c->node);
	return 0;
}

int
rd_apply_yield_hint(struct apply *a, const struct rd_cmd_yield_hint *c, struct err *e UNUSED)
{
	rd_effect_say(a, RD_EFFECT_YIELD_HINT, c->hint);
	return 0;
}
