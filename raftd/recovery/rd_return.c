/* rd_return.c — see rd_return.h. Pure; called when a failed server answers again and was fenced. */
#include "rd_return.h"

#include <string.h>

#include "topo/key.h"
#include "topo/replicate.h"
#include "topo/version.h"

static enum rd_old
tell(struct str_buf *b, enum rd_old what, struct mem_arena *arena, const char **ret_difference)
{
	*ret_difference = mem_arena_strndup(arena, str_buf_text(b), b->len);
	str_buf_done(b);
	return what;
}

static int
compare_mysql(const struct rd_recovery_server *old, const struct rd_recovery_server *successor, struct str_buf *b,
	      struct err *e)
{
	struct gtid_set has = {0}, other = {0}, own = {0};
	int rc = gtid_set_parse(old->executed_gtid_set, &has, e);

	if (rc == 0)
		rc = gtid_set_parse(successor->executed_gtid_set, &other, e);
	if (rc == 0 && (gtid_set_is_empty(&has) || gtid_set_is_empty(&other)))
		rc = err_set(e, ERR_PRECONDITION, "no GTIDs are known of one of them");
	if (rc == 0)
		rc = gtid_set_subtract(&has, &other, &own, e);
	if (rc == 0)
		gtid_set_write(&own, b, GTID_SEP_LINE);
	gtid_set_done(&has);
	gtid_set_done(&other);
	gtid_set_done(&own);
	return rc;
}

static int
compare_mariadb(const struct rd_recovery_server *old, const char *promoted_at, struct str_buf *b, struct err *e)
{
	struct gtid_pos has = {0}, then = {0}, own = {0};
	int rc = gtid_pos_parse(old->gtid_current_pos, &has, e);

	if (rc == 0)
		rc = gtid_pos_parse(promoted_at, &then, e);
	if (rc == 0 && (has.n == 0 || then.n == 0))
		rc = err_set(e, ERR_PRECONDITION, "no position is known of one of them");
	if (rc == 0)
		gtid_pos_diff(&has, &then, &own);
	if (rc == 0)
		gtid_pos_write(&own, b);
	gtid_pos_done(&has);
	gtid_pos_done(&then);
	gtid_pos_done(&own);
	return rc;
}

enum rd_old
rd_old_compare(const struct rd_recovery_server *old, const struct rd_recovery_server *successor,
	       const char *promoted_at, struct mem_arena *arena, const char **ret_difference)
{
	struct str_buf b = {0};
	struct err e;
	int rc;

	if (topo_is_mariadb(old->version) != topo_is_mariadb(successor->version))
		rc = err_set(&e, ERR_PRECONDITION, "they are of two families");
	else if (topo_is_mariadb(old->version))
		rc = compare_mariadb(old, promoted_at, &b, &e);
	else
		rc = compare_mysql(old, successor, &b, &e);
	if (rc != 0) {
		str_buf_clear(&b);
		str_buf_add(&b, e.msg);
		return tell(&b, RD_OLD_UNKNOWN, arena, ret_difference);
	}
	return tell(&b, b.len > 0 ? RD_OLD_AHEAD : RD_OLD_CONTAINED, arena, ret_difference);
}

/* --- among the servers of a recovery ---------------------------------------------------------------------------- */
static int
check_purged(const struct rd_recovery_server *old, const struct rd_recovery_server *successor, struct err *e)
{
	struct gtid_set has = {0}, purged = {0};
	int rc = gtid_set_parse(old->executed_gtid_set, &has, e);

	if (rc == 0)
		rc = gtid_set_parse(successor->gtid_purged, &purged, e);
	if (rc == 0 && !gtid_set_contains(&has, &purged))
		rc = err_set(e, ERR_PRECONDITION, "its successor has purged transactions that it lacks");
	gtid_set_done(&has);
	gtid_set_done(&purged);
	return rc;
}

static int
check_rules(const struct rd_recovery_input *in, const struct rd_recovery_server *successor, struct err *e)
{
	struct topo_replicate_rules rules = {.lower_version_allowed = in->policy.lower_version_allowed,
					     .verify_filters = in->policy.verify_filters,
					     .maintenance_lag_s = in->policy.maintenance_lag_s};
	const struct rd_recovery_server *old = &in->failed;
	struct topo_instance x, y;

	if (successor->read_only ||
	    (successor->source_key.hostname[0] != '\0' && !topo_key_is_detached(&successor->source_key)))
		return err_set(e, ERR_PRECONDITION, "its successor is not the writable source any more");
	if (old->source_key.hostname[0] != '\0' || old->channels > 0)
		return err_set(e, ERR_PRECONDITION, "it has a replication channel of its own");
	if (old->in_maintenance)
		return err_set(e, ERR_PRECONDITION, "it is in maintenance");
	if (old->group_name[0] != '\0')
		return err_set(e, ERR_PRECONDITION, "it is a member of a replication group");
	rd_recovery_server_instance(old, &x);
	rd_recovery_server_instance(successor, &y);
	if (topo_can_replicate_from(&x, &y, &rules, e) != 0)
		return -e->code;
	return topo_is_mariadb(old->version) ? 0 : check_purged(old, successor, e);
}

enum rd_old
rd_old_judge(const struct rd_recovery_input *in, const char *promoted_at, struct mem_arena *arena, const char **ret_why)
{
	const struct rd_recovery_server *successor = rd_recovery_find(in, &in->successor);
	struct str_buf b = {0};
	enum rd_old what;
	struct err e;

	*ret_why = "";
	if (successor == NULL || !successor->answered || !in->failed.answered)
		return RD_OLD_UNREAD;
	if (topo_key_equal(&in->failed.source_key, &in->successor))
		return RD_OLD_FOLLOWS;
	what = rd_old_compare(&in->failed, successor, promoted_at, arena, ret_why);
	if (what != RD_OLD_CONTAINED || check_rules(in, successor, &e) == 0)
		return what;
	str_buf_add(&b, e.msg);
	return tell(&b, RD_OLD_UNKNOWN, arena, ret_why);
}

/* --- for people --------------------------------------------------------------------------------------------------- */
void
rd_old_write_stays(const struct topo_key *old, enum rd_old what, const char *text, struct str_buf *b)
{
	static const char *const texts[] = {
	    [RD_OLD_CONTAINED] =
		"it has nothing that its successor lacks, and may follow it; RejoinFailedMaster is off",
	    [RD_OLD_AHEAD] = "it has transactions that its successor lacks: ",
	    [RD_OLD_UNKNOWN] = "whether it may follow its successor is not certain: ",
	    [RD_OLD_FOLLOWS] = "",
	    [RD_OLD_UNREAD] = "",
	};

	/* tests: test_rejoin.py */
	str_buf_printf(b, "%s is back, and stays read-only: %s%.8000s", TOPO_KEY_TEXT(old), texts[what], text);
}

void
rd_old_write_refuses(const struct topo_key *old, int code, const char *text, struct str_buf *b)
{
	if (code == ERR_PRECONDITION)
		str_buf_printf(b,
			       "%s answers, but it is another server than the one that was replaced: it is not made "
			       "read-only. If it takes writes, two servers may; see to it, and end its downtime",
			       TOPO_KEY_TEXT(old));
	else
		str_buf_printf(b, "%s is back, and cannot be made read-only, which is tried on: %s", TOPO_KEY_TEXT(old),
			       text);
}
