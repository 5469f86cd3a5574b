/* rd_apply_failures.c — commands about failures of servers: what was detected, and by whom (rd_command.def; recovery.md
 * section 3). Pure: see rd_apply.h. Dispatched by rd_apply.c. */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "rd_apply_private.h"
#include "rd_input.h"
#include "topo/key.h"

static bool
is_active_like(const void *row, const void *what)
{
	const struct db_detection *d = row;
	const struct rd_cmd_register_failure_detection *c = what;

	return d->in_active_period && d->is_actionable == c->is_actionable && d->port == c->key.port &&
	       strcmp(d->hostname, c->key.hostname) == 0;
}

void
rd_add_key(struct str_buf *list, const struct topo_key *key)
{
	str_buf_printf(list, "%s%s", list->len == 0 ? "" : ",", TOPO_KEY_TEXT(key));
}

/* The entry's index: grows, and is the same everywhere. A database taken over may hold higher ones. */
static int64_t
new_detection_id(const struct apply *a)
{
	struct db_detection row = {.detection_id = (int64_t)a->out->index};

	while (rd_state_get(a->s, RD_TABLE_detection, &row) != NULL)
		row.detection_id++;
	return row.detection_id;
}

static void
put_detection(struct apply *a, const struct rd_cmd_register_failure_detection *c)
{
	struct str_buf replicas = {0};
	struct db_detection row = {.detection_id = a->out->id,
				   .hostname = c->key.hostname,
				   .port = c->key.port,
				   .in_active_period = true,
				   .start_active_period_us = a->now_us,
				   .processing_node_hostname = a->c->originator,
				   .processcing_node_token = c->token,
				   .analysis = c->analysis,
				   .cluster_name = c->cluster_name,
				   .cluster_alias = rd_or_cluster_name(c->cluster_alias, c->cluster_name),
				   .count_affected_slaves = c->count_replicas, /* historical */
				   .is_actionable = c->is_actionable};

	for (size_t i = 0; i < c->replicas.n; i++)
		rd_add_key(&replicas, &c->replicas.v[i]);
	row.slave_hosts = str_buf_text(&replicas);
	rd_row_put(a, RD_TABLE_detection, &row);
	str_buf_done(&replicas);
}

static void
put_witness(struct apply *a, const struct rd_witness *w)
{
	struct db_detection_witness row = {.detection_id = a->out->id,
					   .witness = w->witness,
					   .is_replica = w->is_replica,
					   .seen = w->seen,
					   .cause = w->cause,
					   .errno_mysql = w->errno_mysql,
					   .attempts = w->attempts,
					   .reader = w->reader,
					   .seen_at_us = rd_floor_s(w->seen_us)};

	rd_row_put(a, RD_TABLE_detection_witness, &row);
}

int
rd_apply_register_failure_detection(struct apply *a, const struct rd_cmd_register_failure_detection *c,
				    struct err *e UNUSED)
{
	struct rd_picked there = rd_row_pick(a->s, RD_TABLE_detection, is_active_like, c);

	a->out->id = there.n > 0 ? ((const struct db_detection *)there.rows[0])->detection_id : new_detection_id(a);
	if (there.n == 0) {
		put_detection(a, c);
		for (size_t i = 0; i < c->witnesses.n; i++)
			put_witness(a, &c->witnesses.v[i]);
		rd_effect_touched(a, &c->key);
		rd_effect_audit(a, "register-failure-detection", &c->key, "analysis: %s, cluster: %s", c->analysis,
				c->cluster_name);
	}
	free(there.rows);
	return 0;
}
