/* replicate.c — see replicate.h: may x replicate from y. Called by apid's read routes; topology operations ask the same. */
#include "topo/replicate.h"

#include <string.h>

#include "topo/derive.h"
#include "topo/gtid.h"
#include "topo/key.h"
#include "topo/version.h"

/* STATEMENT < MIXED < ROW; an unknown format is none of them and compares as the smallest. */
static int
format_rank(const char *format)
{
	static const char *const formats[] = {"STATEMENT", "MIXED", "ROW"};

	for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
		if (str_eq_nocase(format, formats[i]))
			return (int)i;
	}
	return -1;
}

static int
check_logs(const struct topo_instance *x, const struct topo_instance *y, struct err *e)
{
	if (topo_key_equal(&x->key, &y->key))
		return err_set(e, ERR_PRECONDITION, "%s cannot replicate from itself", TOPO_KEY_TEXT(&x->key));
	if (!y->log_bin_enabled)
		return err_set(e, ERR_PRECONDITION, "%s has no binary logs", TOPO_KEY_TEXT(&y->key));
	if (topo_is_replica(y) && !y->log_replica_updates)
		return err_set(e, ERR_PRECONDITION, "%s is a replica and does not log what it replicates",
			       TOPO_KEY_TEXT(&y->key));
	return 0;
}

static int
check_version(const struct topo_instance *x, const struct topo_instance *y, const struct topo_replicate_rules *rules,
	      struct err *e)
{
	if (x->is_binlog_server || rules->lower_version_allowed || topo_version_cmp_major(x->version, y->version) >= 0)
		return 0;
	return err_set(e, ERR_PRECONDITION, "%s has version %.64s, lower than %.64s of %s", TOPO_KEY_TEXT(&x->key),
		       x->version, y->version, TOPO_KEY_TEXT(&y->key));
}

static int
check_format(const struct topo_instance *x, const struct topo_instance *y, struct err *e)
{
	bool relays = x->log_bin_enabled && x->log_replica_updates;

	if (!relays || format_rank(x->binlog_format) >= format_rank(y->binlog_format))
		return 0;
	return err_set(e, ERR_PRECONDITION, "%s logs in format %.16s and cannot relay %.16s of %s",
		       TOPO_KEY_TEXT(&x->key), x->binlog_format, y->binlog_format, TOPO_KEY_TEXT(&y->key));
}

static int
check_identity(const struct topo_instance *x, const struct topo_instance *y, struct err *e)
{
	if (x->is_binlog_server)
		return 0;
	if (x->server_id == y->server_id)
		return err_set(e, ERR_PRECONDITION, "%s and %s have the same server id %llu", TOPO_KEY_TEXT(&x->key),
			       TOPO_KEY_TEXT(&y->key), (unsigned long long)x->server_id);
	if (x->server_uuid[0] != '\0' && strcmp(x->server_uuid, y->server_uuid) == 0)
		return err_set(e, ERR_PRECONDITION, "%s and %s have the same server uuid %.64s", TOPO_KEY_TEXT(&x->key),
			       TOPO_KEY_TEXT(&y->key), x->server_uuid);
	return 0;
}

int
topo_can_replicate_from(const struct topo_instance *x, const struct topo_instance *y,
			const struct topo_replicate_rules *rules, struct err *e)
{
	uint64_t limit_s = (uint64_t)max_i64(0, rules->maintenance_lag_s);
	int rc = check_logs(x, y, e);

	if (rc == 0)
		rc = check_version(x, y, rules, e);
	if (rc == 0)
		rc = check_format(x, y, e);
	if (rc == 0 && rules->verify_filters && y->has_replication_filters && !x->has_replication_filters)
		rc = err_set(e, ERR_PRECONDITION, "%s has replication filters", TOPO_KEY_TEXT(&y->key));
	if (rc == 0)
		rc = check_identity(x, y, e);
	if (rc == 0 && x->sql_delay < y->sql_delay && y->sql_delay > limit_s)
		rc =
		    err_set(e, ERR_PRECONDITION, "%s is delayed by %llu seconds, %s by %llu", TOPO_KEY_TEXT(&y->key),
			    (unsigned long long)y->sql_delay, TOPO_KEY_TEXT(&x->key), (unsigned long long)x->sql_delay);
	return rc;
}

/* --- by GTID --------------------------------------------------------------------------------------------------------- */
bool
topo_gtid_compatible(const struct topo_instance *x, const struct topo_instance *y)
{
	if (x->using_oracle_gtid)
		return y->supports_oracle_gtid;
	return x->using_mariadb_gtid && topo_is_mariadb(y->version);
}

/* What y purged and x has not executed can no longer be replicated. */
static int
check_purged(const struct topo_instance *x, const struct topo_instance *y, struct err *e)
{
	struct str_buf lost = {0};
	int rc = gtid_text_subtract(y->gtid_purged, x->executed_gtid_set, &lost, e);

	if (rc != 0)
		rc = err_wrap(e, "what %s has purged", TOPO_KEY_TEXT(&y->key));
	else if (lost.len > 0)
		rc = err_set(e, ERR_PRECONDITION, "%s has purged what %s has not executed: %.512s",
			     TOPO_KEY_TEXT(&y->key), TOPO_KEY_TEXT(&x->key), str_buf_text(&lost));
	str_buf_done(&lost);
	return rc;
}

int
topo_can_replicate_from_gtid(const struct topo_instance *x, const struct topo_instance *y,
			     const struct topo_replicate_rules *rules, struct err *e)
{
	int rc = topo_can_replicate_from(x, y, rules, e);

	if (rc == 0 && !topo_gtid_compatible(x, y))
		rc = err_set(e, ERR_PRECONDITION, "%s cannot replicate from %s by GTID", TOPO_KEY_TEXT(&x->key),
			     TOPO_KEY_TEXT(&y->key));
	if (rc == 0 && x->using_oracle_gtid)
		rc = check_purged(x, y, e);
	return rc;
}
