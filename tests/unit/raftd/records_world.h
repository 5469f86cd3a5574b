/* records_world.h — recoveries of db1, db2 and db3 as commands, for the tests of their records. */
#ifndef RECORDS_WORLD_H
#define RECORDS_WORLD_H

#include <stdlib.h>

#include "apply_world.h"
#include "base/str.h"
#include "rd_records.h"

#define BLOCK_US (3600 * CLK_S)
#define YEAR_US (365 * 86400 * CLK_S)
#define DB3                                     \
	{                                       \
		.hostname = "db3", .port = 3307 \
	}
static UNUSED const struct topo_key db3 = DB3;

/* --- a recovery of db1 -------------------------------------------------------------------------------------------- */
static UNUSED int
begin_of(struct world *w, const char *uid, const char *cluster, const struct topo_key *key, bool forced, int64_t at_us)
{
	struct topo_key replicas[] = {DB2, DB3};
	struct rd_cmd_recovery_begin c = {.recovery_uid = uid,
					  .cluster_id = cluster,
					  .cluster_name = TOPO_KEY_TEXT(key),
					  .cluster_alias = "main",
					  .key = *key,
					  .analysis = "DeadMaster",
					  .detection_id = 7,
					  .forced = forced,
					  .block_us = BLOCK_US,
					  .token = "0f0f",
					  .by = "",
					  .count_replicas = 2,
					  .replicas = {replicas, 2}};
	char command[64];

	(void)snprintf(command, sizeof(command), "begin-%u", ++w->uids);
	return apply_uid(w, RD_OP_RECOVERY_BEGIN, &c, at_us, command);
}

static UNUSED int
event_at_turn(struct world *w, const char *uid, enum rd_recovery_event event, uint64_t turn, int64_t at_us)
{
	struct rd_cmd_recovery_event c = {.recovery_uid = uid,
					  .event = event,
					  .turn = turn,
					  .successor = DB2,
					  .promoted_at = event == RD_EVENT_WRITABLE ? "0-1-100" : "",
					  .deadline_us = event == RD_EVENT_CHOSEN ? at_us + 20 * CLK_S : 0,
					  .downtime_ends_us = at_us + YEAR_US,
					  .text = "",
					  .successor_alias = event == RD_EVENT_WRITABLE ? "two" : ""};
	char command[64];

	(void)snprintf(command, sizeof(command), "event-%u", ++w->uids);
	return apply_uid(w, RD_OP_RECOVERY_EVENT, &c, at_us, command);
}

static UNUSED void
event(struct world *w, enum rd_recovery_event event, int64_t at_us)
{
	assert_int_equal(event_at_turn(w, "r1", event, 0, at_us), 0);
}

static UNUSED const struct db_recovery *
row_of(const struct world *w, const char *uid)
{
	const struct db_recovery *row = rd_records_row(w->s, uid);

	assert_non_null(row);
	return row;
}

static UNUSED enum rd_recovery_state
state_of(const struct world *w, const char *uid)
{
	struct mem_arena arena = {0};
	struct rd_recovery r;

	assert_true(rd_records_machine(w->s, uid, &arena, &r));
	mem_arena_done(&arena);
	return (enum rd_recovery_state)r.state;
}

static UNUSED unsigned
todo(const struct world *w)
{
	const struct rd_effect *x = effect(w, RD_EFFECT_RECOVERY);

	assert_non_null(x);
	return x->todo;
}

/* As far as the promotion: T0 … T0 + 2 s. */
static UNUSED void
promote(struct world *w)
{
	event(w, RD_EVENT_HOOKS_OK, T0 + CLK_S);
	event(w, RD_EVENT_STEPS_OVER, T0 + CLK_S);
	event(w, RD_EVENT_CHOSEN, T0 + CLK_S);
	event(w, RD_EVENT_STEPS_OVER, T0 + CLK_S);
	event(w, RD_EVENT_WRITABLE, T0 + 2 * CLK_S);
}

static UNUSED void
finish(struct world *w, int64_t at_us)
{
	promote(w);
	event(w, RD_EVENT_STEPS_OVER, at_us);
	event(w, RD_EVENT_RECORDED, at_us);
}

static UNUSED void
abort_it(struct world *w, int64_t at_us)
{
	event(w, RD_EVENT_RETURNED, at_us);
}

#endif
