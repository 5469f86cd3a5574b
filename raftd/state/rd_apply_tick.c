/* rd_apply_tick.c — expiry: what a tick does, and whether one is due. Pure: see rd_apply.h. Nothing else ends by
 * itself, so that no node's own clock decides anything. */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "rd_apply_private.h"

/* --- what is over ---------------------------------------------------------------------------------------------- */
/* A downtime without an end (NULL, written by hand) goes on. */
static bool
downtime_over(const void *row, const void *what)
{
	const struct db_downtime *d = row;
	const struct rd_cmd_tick *c = what;

	return d->end_timestamp_us != 0 && d->end_timestamp_us <= c->downtimes_before_us;
}

static bool
candidate_over(const void *row, const void *what)
{
	return ((const struct db_candidate *)row)->last_suggested_us <
	       ((const struct rd_cmd_tick *)what)->candidates_before_us;
}

static bool
maintenance_over(const void *row, const void *what)
{
	const struct db_maintenance *m = row;
	const struct rd_cmd_tick *c = what;

	return m->end_timestamp_us != 0 && m->end_timestamp_us <= c->maintenances_before_us;
}

static bool
pool_over(const void *row, const void *what)
{
	return ((const struct db_pool *)row)->registered_at_us < ((const struct rd_cmd_tick *)what)->pools_before_us;
}

static bool
unresolve_over(const void *row, const void *what)
{
	return ((const struct db_hostname_unresolve *)row)->last_registered_us <
	       ((const struct rd_cmd_tick *)what)->unresolves_before_us;
}

static bool
token_over(const void *row, const void *what)
{
	const struct db_access_token *t = row;

	return !t->is_reentrant && t->generated_at_us < ((const struct rd_cmd_tick *)what)->tokens_before_us;
}

static bool
detection_over(const void *row, const void *what)
{
	const struct db_detection *d = row;

	return d->in_active_period &&
	       d->start_active_period_us < ((const struct rd_cmd_tick *)what)->detections_before_us;
}

/* One that runs has no end yet and stays active (rd_end_recovery); one of a historical database may never get any. */
static bool
recovery_over(const void *row, const void *what)
{
	const struct db_recovery *r = row;
	const struct rd_cmd_tick *c = what;

	return r->in_active_period && r->start_active_period_us < c->recoveries_before_us &&
	       (r->end_recovery_us != 0 || r->start_active_period_us < c->records_before_us);
}

/* Those that were not blocked again for so long are no more: the leader that said so may be gone. */
static bool
old_blocked(const void *row, const void *what)
{
	return ((const struct db_blocked_recovery *)row)->last_blocked_timestamp_us <
	       ((const struct rd_cmd_tick *)what)->records_before_us;
}

static bool
old_detection(const void *row, const void *what)
{
	const struct db_detection *d = row;

	return !d->in_active_period &&
	       d->start_active_period_us < ((const struct rd_cmd_tick *)what)->records_before_us;
}

static bool
old_recovery(const void *row, const void *what)
{
	const struct db_recovery *r = row;

	return !r->in_active_period &&
	       r->start_active_period_us < ((const struct rd_cmd_tick *)what)->records_before_us;
}

/* Those of a recovery go with it, which is older; a historical database has others. */
static bool
old_step(const void *row, const void *what)
{
	return ((const struct db_recovery_step *)row)->audit_at_us <
	       ((const struct rd_cmd_tick *)what)->records_before_us;
}

/* --- ending it ------------------------------------------------------------------------------------------------- */
static void
end_row(struct apply *a, enum rd_table table, const struct topo_key *key, const void *row, const char *audit_type)
{
	rd_effect_touched(a, key);
	if (audit_type != NULL)
		rd_effect_audit(a, audit_type, key, "ended by itself");
	(void)rd_row_take_away(a, table, row);
}

static void
end_downtime(struct apply *a, const void *row)
{
	const struct db_downtime *d = row;
	struct topo_key key = {d->hostname, d->port};

	end_row(a, RD_TABLE_downtime, &key, row, "expire-downtime");
}

static void
end_candidate(struct apply *a, const void *row)
{
	const struct db_candidate *d = row;
	struct topo_key key = {d->hostname, d->port};

	end_row(a, RD_TABLE_candidate, &key, row, NULL);
}

static void
end_maintenance(struct apply *a, const void *row)
{
	rd_end_maintenance(a, row, "expire-maintenance");
}

static void
end_pool(struct apply *a, const void *row)
{
	(void)rd_row_take_away(a, RD_TABLE_pool, row);
}

static void
end_unresolve(struct apply *a, const void *row)
{
	(void)rd_row_take_away(a, RD_TABLE_hostname_unresolve, row);
}

static void
end_token(struct apply *a, const void *row)
{
	(void)rd_row_take_away(a, RD_TABLE_access_token, row);
}

static void
end_detection(struct apply *a, const void *row)
{
	rd_end_detection(a, row);
}

static void
end_recovery(struct apply *a, const void *row)
{
	rd_end_recovery(a, row);
}

static void
end_blocked(struct apply *a, const void *row)
{
	(void)rd_row_take_away(a, RD_TABLE_blocked_recovery, row);
}

static void
forget_step(struct apply *a, const void *row)
{
	(void)rd_row_take_away(a, RD_TABLE_recovery_step, row);
}

static void
forget_detection(struct apply *a, const void *row)
{
	rd_forget_detection(a, row);
}

static void
forget_recovery(struct apply *a, const void *row)
{
	rd_forget_recovery(a, row);
}

static const struct {
	enum rd_table table;
	rd_match_fn over;
	void (*end)(struct apply *a, const void *row);
} kinds[] = {
    {RD_TABLE_downtime, downtime_over, end_downtime},
    {RD_TABLE_candidate, candidate_over, end_candidate},
    {RD_TABLE_maintenance, maintenance_over, end_maintenance},
    {RD_TABLE_pool, pool_over, end_pool},
    {RD_TABLE_hostname_unresolve, unresolve_over, end_unresolve},
    {RD_TABLE_access_token, token_over, end_token},
    {RD_TABLE_detection, detection_over, end_detection},
    {RD_TABLE_recovery, recovery_over, end_recovery},
    {RD_TABLE_blocked_recovery, old_blocked, end_blocked},
    {RD_TABLE_detection, old_detection, forget_detection},
    {RD_TABLE_recovery, old_recovery, forget_recovery},
    {RD_TABLE_recovery_step, old_step, forget_step},
};

/* Whole seconds, as the backend compares them. */
static void
end_uids(struct apply *a, int64_t before_us)
{
	int64_t before_s = rd_floor_s(before_us);

	if (before_us <= 0)
		return;
	rd_state_expire_uids(a->s, before_s);
	rd_changes_purge(&a->out->changes, DB_TABLE_applied_command, "applied_at < ?", before_s);
}

int
rd_apply_tick(struct apply *a, const struct rd_cmd_tick *c, struct err *e UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		struct rd_picked over = rd_row_pick(a->s, kinds[i].table, kinds[i].over, c);
		for (size_t k = 0; k < over.n; k++)
			kinds[i].end(a, over.rows[k]);
		free(over.rows);
	}
	end_uids(a, c->uids_before_us);
	return 0;
}

/* --- is a tick due? -------------------------------------------------------------------------------------------- */
static int64_t
before(int64_t now_us, int64_t life_us)
{
	return life_us == 0 ? 0 : now_us - life_us;
}

static bool
any_over(const struct rd_state *s, const struct rd_cmd_tick *c)
{
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(kinds) && n == 0; i++) {
		struct rd_picked over = rd_row_pick(s, kinds[i].table, kinds[i].over, c);
		n = over.n;
		free(over.rows);
	}
	return n > 0;
}

bool
rd_tick_due(const struct rd_state *s, int64_t now_us, const struct rd_lives *lives, struct rd_cmd_tick *ret)
{
	struct rd_cmd_tick c = {.downtimes_before_us = now_us,
				.maintenances_before_us = now_us,
				.candidates_before_us = before(now_us, lives->candidate_us),
				.pools_before_us = before(now_us, lives->pool_us),
				.unresolves_before_us = before(now_us, lives->unresolve_us),
				.tokens_before_us = before(now_us, lives->token_us),
				.detections_before_us = before(now_us, lives->detection_us),
				.recoveries_before_us = before(now_us, lives->recovery_us),
				.records_before_us = before(now_us, lives->record_us)};
	int64_t oldest_us = rd_state_oldest_uid_us(s);

	/* uids in batches of an hour: each expiry is a command itself, and leaves a uid */
	if (oldest_us != 0 && oldest_us < now_us - lives->uid_us - 3600 * CLK_S)
		c.uids_before_us = now_us - lives->uid_us;
	c.uids_before_us = max_i64(c.uids_before_us, rd_state_surplus_uids_us(s));
	/* a group of level 1 has no such rows, and would refuse to be told of them */
	if (rd_state_count(s, RD_TABLE_detection) + rd_state_count(s, RD_TABLE_recovery) +
		rd_state_count(s, RD_TABLE_blocked_recovery) + rd_state_count(s, RD_TABLE_recovery_step) ==
	    0)
		c.detections_before_us = c.recoveries_before_us = c.records_before_us = 0;
	*ret = c;
	return any_over(s, &c) || c.uids_before_us > 0;
}
