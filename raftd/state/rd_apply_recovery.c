/* rd_apply_recovery.c — commands of a recovery: its input, its beginning, its events (rd_command.def; recovery.md section
 * 17). The states themselves are recovery/rd_fsm.c's, and who may begin is
 * recovery/rd_block.c's. Pure: see rd_apply.h. Dispatched by rd_apply.c. */
#include <stdlib.h>
#include <string.h>

#include "rd_apply_private.h"
#include "rd_input.h"
#include "rd_records.h"
#include "topo/key.h"

#define LEFT_OVER_US (60 * CLK_S) /* so long parts of an input wait for their beginning */

/* --- rows ------------------------------------------------------------------------------------------------------- */
/* The entry's index, as for detections. */
static int64_t
new_recovery_id(const struct apply *a)
{
	struct db_recovery row = {.recovery_id = (int64_t)a->out->index};

	while (rd_state_get(a->s, RD_TABLE_recovery, &row) != NULL)
		row.recovery_id++;
	return row.recovery_id;
}

static void
put_machine(struct apply *a, const struct db_recovery_machine *old, const struct rd_recovery *r)
{
	struct db_recovery_machine row = *old;
	struct str_buf dropped = {0}, suspects = {0};

	topo_key_list_write_json(&r->excluded, &dropped);
	topo_key_list_write_json(&r->suspects, &suspects);
	row.state = rd_recovery_state_name(r->state);
	row.since = r->since_us;
	row.deadline = r->deadline_us;
	row.turns = (int64_t)r->turns;
	row.why = r->why;
	row.successor_hostname = r->successor.hostname;
	row.successor_port = r->successor.port;
	row.promoted_at = r->promoted_at;
	row.promoted = r->promoted;
	row.returned = r->returned;
	row.dropped = str_buf_text(&dropped);
	row.suspects = str_buf_text(&suspects);
	rd_row_put(a, RD_TABLE_recovery_machine, &row);
	str_buf_done(&dropped);
	str_buf_done(&suspects);
}

static void
say_todo(struct apply *a, const char *uid, unsigned todo)
{
	struct rd_effect *x = rd_effect_add(a, RD_EFFECT_RECOVERY, NULL);

	rec_set_str(&x->message, uid);
	x->todo = todo;
}

/* --- input ------------------------------------------------------------------------------------------------------ */
/* Parts of what did not begin: refused, or its leader is gone. */
static bool
is_left_over(const void *row, const void *what)
{
	const struct db_recovery_input *part = row;
	const struct apply *a = what;

	return part->written_at_us < a->now_us - LEFT_OVER_US && rd_machine_find(a, part->recovery_uid) == NULL;
}

static void
drop_left_over(struct apply *a)
{
	struct rd_picked parts = rd_row_pick(a->s, RD_TABLE_recovery_input, is_left_over, a);

	for (size_t i = 0; i < parts.n; i++)
		(void)rd_row_take_away(a, RD_TABLE_recovery_input, parts.rows[i]);
	free(parts.rows);
}

/* What an earlier choice was made on. */
static void
drop_chosen(struct apply *a, const char *uid)
{
	struct db_recovery_input key = {.recovery_uid = uid, .part = RD_INPUT_CHOSEN};

	while (rd_row_take_away(a, RD_TABLE_recovery_input, &key))
		key.part++;
}

int
rd_apply_recovery_input(struct apply *a, const struct rd_cmd_recovery_input *c, struct err *e UNUSED)
{
	struct db_recovery_input row = {.recovery_uid = c->recovery_uid,
					.part = (int64_t)c->part,
					.content = c->content,
					.written_at_us = a->now_us};

	drop_left_over(a);
	if (c->part == RD_INPUT_CHOSEN)
		drop_chosen(a, c->recovery_uid);
	/* one that has begun keeps what it began with */
	if (c->part >= RD_INPUT_CHOSEN || rd_machine_find(a, c->recovery_uid) == NULL)
		rd_row_put(a, RD_TABLE_recovery_input, &row);
	return 0;
}

static bool
has_input(const struct apply *a, const struct rd_cmd_recovery_begin *c)
{
	for (uint64_t i = 0; i < c->input_parts; i++) {
		struct db_recovery_input key = {.recovery_uid = c->recovery_uid, .part = (int64_t)i};
		if (rd_state_get(a->s, RD_TABLE_recovery_input, &key) == NULL)
			return false;
	}
	return true;
}

static void
drop_input(struct apply *a, const struct db_recovery_machine *old)
{
	struct db_recovery_machine row = *old;

	for (int64_t i = 0; i < old->input_parts; i++) {
		struct db_recovery_input key = {.recovery_uid = old->uid, .part = i};
		(void)rd_row_take_away(a, RD_TABLE_recovery_input, &key);
	}
	drop_chosen(a, old->uid);
	row.input_parts = 0;
	rd_row_put(a, RD_TABLE_recovery_machine, &row);
}

/* Of recoveries that are over the newest keep their input. */
static bool
is_over_with_input(const void *row, const void *what UNUSED)
{
	const struct db_recovery_machine *m = row;

	return m->input_parts > 0 && !rd_records_is_running(m);
}

static void
drop_oldest_input(struct apply *a)
{
	struct rd_picked over = rd_row_pick(a->s, RD_TABLE_recovery_machine, is_over_with_input, NULL);
	const struct db_recovery_machine *oldest = NULL;

	for (size_t i = 0; i < over.n; i++) {
		const struct db_recovery_machine *m = over.rows[i];
		if (oldest == NULL || m->recovery_id < oldest->recovery_id)
			oldest = m;
	}
	if (over.n > RD_INPUTS_KEPT)
		drop_input(a, oldest);
	free(over.rows);
}

/* --- beginning -------------------------------------------------------------------------------------------------- */
static bool
is_in_the_way(const void *row, const void *what)
{
	const struct db_recovery *r = row;
	const struct topo_key *failed = what;

	return r->port == failed->port && str_eq(r->hostname, failed->hostname);
}

/* At most one active row per server: those that block no more end here, and an operator who forces one has seen them
 * (recovery.md section 2, step 3). */
static void
end_former(struct apply *a, const struct rd_cmd_recovery_begin *c)
{
	struct rd_picked former = rd_row_pick(a->s, RD_TABLE_recovery, is_in_the_way, &c->key);

	for (size_t i = 0; i < former.n; i++) {
		struct db_recovery row = *(const struct db_recovery *)former.rows[i];
		if (c->forced && !row.acknowledged) {
			row.acknowledged = true;
			row.acknowledged_at_us = a->now_us;
			row.acknowledged_by = "orchestrator"; /* historical */
			row.acknowledge_comment = "a recovery of this server was forced";
		}
		if (row.in_active_period || c->forced)
			rd_end_recovery(a, &row);
	}
	free(former.rows);
}

static bool
detects(const void *row, const void *what)
{
	const struct db_detection *d = row;
	const struct topo_key *key = what;

	return d->in_active_period && d->port == key->port && str_eq(d->hostname, key->hostname);
}

/* Whoever begins may not know yet which id its detection was given; 0 = none. */
static int64_t
detection_of(struct apply *a, const struct rd_cmd_recovery_begin *c)
{
	struct rd_picked found = rd_row_pick(a->s, RD_TABLE_detection, detects, &c->key);
	int64_t id = c->detection_id;

	for (size_t i = 0; c->detection_id == 0 && i < found.n; i++) {
		const struct db_detection *d = found.rows[i];
		if (id == 0 || d->is_actionable)
			id = d->detection_id;
	}
	free(found.rows);
	return id;
}

static void
put_recovery(struct apply *a, const struct rd_cmd_recovery_begin *c)
{
	struct str_buf replicas = {0};
	struct db_recovery row = {.recovery_id = a->out->id,
				  .uid = c->recovery_uid,
				  .hostname = c->key.hostname,
				  .port = c->key.port,
				  .in_active_period = true,
				  .start_active_period_us = a->now_us,
				  .end_active_period_unixtime = {0, true},
				  .processing_node_hostname = a->c->originator,
				  .processcing_node_token = c->token,
				  .successor_hostname = "",
				  .successor_port = {0, true},
				  .successor_alias = "",
				  .analysis = c->analysis,
				  .cluster_name = c->cluster_name,
				  .cluster_alias = rd_or_cluster_name(c->cluster_alias, c->cluster_name),
				  .count_affected_slaves = (int64_t)c->count_replicas, /* historical */
				  .participating_instances = "",
				  .lost_slaves = "", /* historical */
				  .all_errors = "",
				  .acknowledged_by = "",
				  .acknowledge_comment = "",
				  .last_detection_id = detection_of(a, c)};

	for (size_t i = 0; i < c->replicas.n; i++)
		rd_add_key(&replicas, &c->replicas.v[i]);
	row.slave_hosts = str_buf_text(&replicas);
	rd_row_put(a, RD_TABLE_recovery, &row);
	str_buf_done(&replicas);
}

/* What locks is a cluster's id, so it has one from here on. */
static void
keep_cluster(struct apply *a, const struct rd_cmd_recovery_begin *c)
{
	struct db_cluster_record row = {.cluster_id = c->cluster_id,
					.cluster_name = c->cluster_name,
					.alias = c->cluster_alias,
					.domain_name = "",
					.created_at_us = a->now_us,
					.updated_at_us = a->now_us};

	if (rd_state_get(a->s, RD_TABLE_cluster_record, &row) == NULL)
		rd_row_put(a, RD_TABLE_cluster_record, &row);
}

static unsigned
start_machine(struct apply *a, const struct rd_cmd_recovery_begin *c)
{
	struct db_recovery_machine row = {.uid = c->recovery_uid,
					  .recovery_id = a->out->id,
					  .cluster_id = c->cluster_id,
					  .hostname = c->key.hostname,
					  .port = c->key.port,
					  .forced = c->forced,
					  .input_parts = (int64_t)c->input_parts,
					  .loss = ""};
	struct rd_recovery r;
	unsigned todo;

	rd_fsm_begin(c->recovery_uid, c->cluster_id, &c->key, c->skip_hooks, a->out->time_us, &r, &todo);
	row.began = r.began_us;
	put_machine(a, &row, &r);
	return todo;
}

static int
check_begin(struct apply *a, const struct rd_cmd_recovery_begin *c, struct err *e)
{
	int64_t by = 0;
	enum rd_block block =
	    rd_records_block(a->s, c->cluster_id, &c->key, c->analysis, c->forced, a->out->time_us, c->block_us, &by);

	if (block != RD_BLOCK_NONE)
		return err_set(e, ERR_BUSY, "%s: %s (recovery %lld)", TOPO_KEY_TEXT(&c->key), rd_block_text(block),
			       (long long)by);
	if (!has_input(a, c))
		return err_set(e, ERR_PRECONDITION, "recovery %.128s: its input is not complete", c->recovery_uid);
	return 0;
}

int
rd_apply_recovery_begin(struct apply *a, const struct rd_cmd_recovery_begin *c, struct err *e)
{
	const struct db_recovery_machine *there = rd_machine_find(a, c->recovery_uid);
	struct db_blocked_recovery blocked = {.hostname = c->key.hostname, .port = c->key.port};
	unsigned todo;

	if (there != NULL) {
		a->out->id = there->recovery_id;
		return 0;
	}
	if (check_begin(a, c, e) != 0)
		return -e->code;
	a->out->id = new_recovery_id(a);
	end_former(a, c);
	keep_cluster(a, c);
	put_recovery(a, c);
	todo = start_machine(a, c);
	drop_oldest_input(a);
	(void)rd_row_take_away(a, RD_TABLE_blocked_recovery, &blocked);
	rd_step_say(a, c->recovery_uid, "recovery of %s (%s) begins%s%s", TOPO_KEY_TEXT(&c->key), c->analysis,
		    c->by[0] == '\0' ? "" : ", asked for by ", c->by);
	rd_effect_touched(a, &c->key);
	rd_effect_audit(a, "recover-dead-master", &c->key, "%s: recovery %s begins", c->analysis, c->recovery_uid);
	say_todo(a, c->recovery_uid, todo);
	return 0;
}

/* --- what a promotion moves ------------------------------------------------------------------------------------- */
static void
end_downtime(struct apply *a, const struct topo_key *key)
{
	struct db_downtime row = {.hostname = key->hostname, .port = key->port};

	if (!rd_row_take_away(a, RD_TABLE_downtime, &row))
		return;
	rd_effect_touched(a, key);
	rd_effect_audit(a, "end-downtime", key, "promoted");
}

static void
move_alias(struct apply *a, const char *from, const char *to)
{
	const struct db_cluster_alias_override *old = rd_state_get(
	    a->s, RD_TABLE_cluster_alias_override, &(struct db_cluster_alias_override){.cluster_name = from});
	struct db_cluster_alias_override row = {.cluster_name = to};

	if (old == NULL || str_eq(from, to))
		return;
	row.alias = old->alias;
	rd_row_put(a, RD_TABLE_cluster_alias_override, &row);
	(void)rd_row_take_away(a, RD_TABLE_cluster_alias_override, old);
}

/* The domain of a cluster leads to its writer (host_attributes of the host "*"). */
static void
move_domain(struct apply *a, const char *domain, const char *to)
{
	struct db_host_attribute row = {
	    .hostname = "*", .attribute_name = domain, .attribute_value = to, .submit_timestamp_us = a->now_us};

	if (domain[0] != '\0')
		rd_row_put(a, RD_TABLE_host_attribute, &row);
}

static void
move_cluster(struct apply *a, const char *cluster_id, const struct topo_key *successor)
{
	const struct db_cluster_record *old =
	    rd_state_get(a->s, RD_TABLE_cluster_record, &(struct db_cluster_record){.cluster_id = cluster_id});
	struct topo_key_text name = topo_key_text(successor);
	struct db_cluster_record row;

	if (old == NULL)
		return;
	move_alias(a, old->cluster_name, name.text);
	move_domain(a, old->domain_name, name.text);
	row = *old;
	row.cluster_name = name.text;
	row.updated_at_us = a->now_us;
	rd_row_put(a, RD_TABLE_cluster_record, &row);
}

static void
announce(struct apply *a, const struct rd_recovery *r, const struct rd_cmd_recovery_event *c)
{
	struct db_recovery row = *rd_records_row(a->s, r->uid);

	row.successor_hostname = r->successor.hostname;
	row.successor_port = (struct rec_ni64){r->successor.port, true};
	row.successor_alias = c->successor_alias;
	rd_row_put(a, RD_TABLE_recovery, &row);
	move_cluster(a, r->cluster_id, &r->successor);
	end_downtime(a, &r->successor);
	rd_lost_downtime(a, &r->failed, c->downtime_ends_us);
	rd_effect_touched(a, &r->successor);
	rd_effect_audit(a, "recover-dead-master", &r->failed, "promoted: %s, recovery %s", TOPO_KEY_TEXT(&r->successor),
			r->uid);
}

/* --- events ----------------------------------------------------------------------------------------------------- */
/* It is given up: why stands among its errors before what came of that. */
static void
note_reason(struct apply *a, const struct rd_recovery *now, const struct rd_cmd_recovery_event *c)
{
	struct db_recovery row = *rd_records_row(a->s, now->uid);
	struct str_buf reason = {0}, errors = {0};

	str_buf_printf(&reason, "%s%s%s", now->why, c->text[0] == '\0' ? "" : ": ", c->text);
	rd_line_add(&errors, row.all_errors, str_buf_text(&reason));
	row.all_errors = str_buf_text(&errors);
	rd_row_put(a, RD_TABLE_recovery, &row);
	str_buf_done(&reason);
	str_buf_done(&errors);
}

/* It is over. Why nobody was promoted stands among its errors. Unless it was told who took part, its replicas have. */
static void
finish(struct apply *a, const struct rd_recovery *r)
{
	struct db_recovery row = *rd_records_row(a->s, r->uid);
	struct rd_past_recovery past = {r, row.acknowledged};
	struct str_buf errors = {0};

	rd_line_add(&errors, row.all_errors, r->promoted ? "" : r->why);
	row.all_errors = str_buf_text(&errors);
	if (r->promoted && row.participating_instances[0] == '\0')
		row.participating_instances = row.slave_hosts; /* historical */
	row.is_successful = r->promoted;
	row.end_recovery_us = a->now_us;
	if (rd_block_is_active(&past, a->out->time_us, INT64_MAX))
		rd_row_put(a, RD_TABLE_recovery, &row);
	else
		rd_end_recovery(a, &row);
	str_buf_done(&errors);
	if (r->promoted)
		rd_end_detections_of(a, r->failed.hostname, r->failed.port);
	rd_effect_touched(a, &r->failed);
	rd_effect_audit(a, "recover-dead-master", &r->failed, "recovery %s %s: %s", r->uid,
			r->promoted ? "succeeded" : "failed", r->why);
}

/* A recovery that is over takes its cluster's lock again. */
static bool
runs_in_cluster(const void *row, const void *what)
{
	const struct db_recovery_machine *m = row;

	return rd_records_is_running(m) && str_eq(m->cluster_id, what);
}

static int
check_lock(struct apply *a, const struct rd_recovery *was, const struct rd_recovery *now, struct err *e)
{
	struct rd_picked running;
	size_t n;

	if (rd_recovery_runs(was->state) || !rd_recovery_runs(now->state))
		return 0;
	running = rd_row_pick(a->s, RD_TABLE_recovery_machine, runs_in_cluster, was->cluster_id);
	n = running.n;
	free(running.rows);
	return n == 0 ? 0 : err_set(e, ERR_PRECONDITION, "another recovery of this cluster runs");
}

static int
step(struct apply *a, const struct rd_cmd_recovery_event *c, const struct rd_recovery *r, struct mem_arena *arena,
     struct rd_recovery *ret, unsigned *ret_todo, struct err *e)
{
	struct rd_recovery_happening h = {.event = (enum rd_recovery_event)c->event,
					  .successor = &c->successor,
					  .position = c->promoted_at[0] == '\0' ? NULL : c->promoted_at,
					  .deadline_us = c->deadline_us};

	if (c->turn != 0 && c->turn != rd_records_turn(r))
		return err_set(e, ERR_PRECONDITION, "recovery %.128s: %s comes too late", r->uid,
			       rd_recovery_event_name(h.event));
	if (rd_fsm_step(r, &h, a->out->time_us, arena, ret, ret_todo, e) != 0)
		return -e->code;
	return check_lock(a, r, ret, e);
}

static void
follow(struct apply *a, const struct rd_cmd_recovery_event *c, const struct rd_recovery *was,
       const struct rd_recovery *now, unsigned todo)
{
	put_machine(a, rd_machine_find(a, c->recovery_uid), now);
	rd_step_say(a, c->recovery_uid, "%s: %s, %s%s%s", rd_recovery_state_name(was->state),
		    rd_recovery_event_name((enum rd_recovery_event)c->event), now->why, c->text[0] == '\0' ? "" : ": ",
		    c->text);
	if (c->event == RD_EVENT_ABORT)
		rd_effect_audit(a, "abort-recovery", &now->failed, "recovery %s%s%s: %s", now->uid,
				c->text[0] == '\0' ? "" : ", ", c->text, now->why);
	if ((todo & RD_DO_ANNOUNCE) != 0)
		announce(a, now, c);
	if (now->state == RD_RECOVERY_RESTORE && was->state != RD_RECOVERY_RESTORE)
		note_reason(a, now, c);
	if (!rd_recovery_runs(now->state) && was->state != RD_RECOVERY_REJOIN) /* then it was finished before */
		finish(a, now);
	say_todo(a, c->recovery_uid, todo);
}

int
rd_apply_recovery_event(struct apply *a, const struct rd_cmd_recovery_event *c, struct err *e)
{
	struct mem_arena arena = {0};
	struct rd_recovery was, now;
	unsigned todo;
	int rc;

	if (!rd_records_machine(a->s, c->recovery_uid, &arena, &was))
		return rd_no_such_recovery(c->recovery_uid, e);
	rc = step(a, c, &was, &arena, &now, &todo, e);
	if (rc == 0)
		follow(a, c, &was, &now, todo);
	mem_arena_done(&arena);
	return rc;
}
