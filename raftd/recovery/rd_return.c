/* rd_return.c — see rd_return.h. Pure; called when a failed server answers again and was fenced. */
#include "rd_return.h"

#include <string.h>

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
