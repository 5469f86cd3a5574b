/* rd_eligible.c — who may be promoted at all, and who may follow whom: recovery.md sections 2 and 4, topology-ops.md 1.1
 * and 4. Pure; called by rd_choose.c and the planner. */
#include <string.h>

#include "rd_choose_private.h"
#include "topo/derive.h"
#include "topo/key.h"
#include "topo/replicate.h"
#include "topo/version.h"

/* --- what most replicas are ------------------------------------------------------------------------------------ */
int
rd_format_rank(const char *format)
{
	static const char *const formats[] = {"STATEMENT", "MIXED", "ROW"};

	for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
		if (str_eq_nocase(format, formats[i]))
			return (int)i;
	}
	return -1;
}

static bool
is_counted(const struct rd_recovery_input *in, const struct rd_recovery_server *s)
{
	return rd_recovery_is_direct(in, s) && rd_recovery_is_fresh(in, s);
}

/* That version was counted already. */
static bool
is_repeated(const struct rd_recovery_input *in, size_t i)
{
	for (size_t k = 0; k < i; k++) {
		if (str_eq(in->servers.v[k].version, in->servers.v[i].version) && is_counted(in, &in->servers.v[k]))
			return true;
	}
	return false;
}

const char *
rd_priority_version(const struct rd_recovery_input *in)
{
	const char *best = "";
	size_t best_n = 0;

	for (size_t i = 0; i < in->servers.n; i++) {
		const char *version = in->servers.v[i].version;
		size_t n = 0;
		if (!is_counted(in, &in->servers.v[i]) || is_repeated(in, i))
			continue;
		for (size_t k = 0; k < in->servers.n; k++)
			n += is_counted(in, &in->servers.v[k]) &&
			     topo_version_cmp_major(in->servers.v[k].version, version) == 0;
		if (n > best_n || (n == best_n && topo_version_cmp_major(version, best) < 0)) {
			best = version;
			best_n = n;
		}
	}
	return best;
}

int
rd_priority_format(const struct rd_recovery_input *in)
{
	size_t n[3] = {0};
	int best = -1;

	for (size_t i = 0; i < in->servers.n; i++) {
		int rank = rd_format_rank(in->servers.v[i].binlog_format);
		if (rank >= 0 && is_counted(in, &in->servers.v[i]))
			n[rank]++;
	}
	for (int rank = 0; rank < 3; rank++) {
		if (n[rank] > 0 && (best < 0 || n[rank] > n[best]))
			best = rank;
	}
	return best;
}

/* --- who may be promoted --------------------------------------------------------------------------------------- */
#define GO(why_, detail_)               \
	do {                            \
		j->why = RD_WHY_##why_; \
		j->detail = (detail_);  \
		return true;            \
	} while (0)

static bool
is_unfit(const struct rd_recovery_input *in, const struct rd_haves *h, struct rd_ranked *j)
{
	const struct rd_recovery_server *s = j->server;

	if (!rd_recovery_is_direct(in, s))
		GO(NOT_DIRECT, s->source_key.hostname);
	if (!rd_recovery_is_fresh(in, s))
		GO(SILENT, "");
	if (j->have->unreadable != NULL)
		GO(UNREADABLE, j->have->unreadable);
	if (j->have->strayed &&
	    !topo_key_equal(&in->candidate, &s->key)) /* who asks for it by name takes that on himself */
		GO(STRAYED, "");
	if (s->is_binlog_server)
		GO(BINLOG_SERVER, "");
	if (s->group_name[0] != '\0')
		GO(GROUP_MEMBER, s->group_name);
	if (s->channels > 1)
		GO(CHANNELS, "");
	if (!s->log_bin_enabled)
		GO(NO_BINLOG, "");
	if (!s->log_replica_updates)
		GO(NO_UPDATES, "");
	if (!rd_uses_family(s, h->family))
		GO(NO_GTID, "");
	if (s->last_sql_errno != 0 && s->sql_thread_state != TOPO_THREAD_RUNNING)
		GO(APPLY_ERROR, "");
	return false;
}

static bool
is_unwanted(const struct rd_recovery_input *in, struct rd_ranked *j)
{
	const struct rd_recovery_server *s = j->server, *f = &in->failed;
	uint64_t limit_s = in->policy.fail_on_lag_minutes * 60;

	if (s->in_maintenance)
		GO(MAINTENANCE, "");
	if (s->is_banned)
		GO(BANNED, "");
	if (rd_recovery_rule(s) == RD_RULE_MUST_NOT)
		GO(MUST_NOT, "");
	if (topo_key_list_has(&in->excluded, &s->key))
		GO(FAILED_BEFORE, "");
	if (in->policy.prevent_cross_data_center && !str_eq(s->data_center, f->data_center))
		GO(DATA_CENTER, s->data_center);
	if (in->policy.prevent_cross_region && !str_eq(s->region, f->region))
		GO(REGION, s->region);
	if (limit_s > 0 && s->replication_lag_s.valid && s->replication_lag_s.v >= (int64_t)limit_s)
		GO(LAG, "");
	if (in->policy.fail_if_not_applied && j->backlog > 0)
		GO(NOT_APPLIED, "");
	return false;
}

static bool
is_last_resort(const struct rd_most *most, struct rd_ranked *j)
{
	const struct rd_recovery_server *s = j->server;

	if (s->has_replication_filters)
		GO(FILTERS, "");
	if (s->sql_delay > 0)
		GO(DELAYED, "");
	if (rd_format_rank(s->binlog_format) > most->format)
		GO(FORMAT, s->binlog_format);
	if (topo_version_cmp_major(s->version, most->version) > 0)
		GO(VERSION, s->version);
	return false;
}

bool
rd_uses_family(const struct rd_recovery_server *s, enum gtid_family family)
{
	return family == GTID_MYSQL ? s->using_oracle_gtid : family == GTID_MARIADB ? s->using_mariadb_gtid : true;
}

void
rd_choose_judge(const struct rd_recovery_input *in, const struct rd_haves *h, const struct rd_most *most,
		struct rd_ranked *j)
{
	j->why = RD_WHY_CHOSEN;
	j->detail = "";
	if (!is_unfit(in, h, j) && !is_unwanted(in, j))
		(void)is_last_resort(most, j);
}

/* --- who may follow whom --------------------------------------------------------------------------------------- */
/* What y purged and x has not: cannot be sent any more. Of MariaDB it is not known what is purged. */
static int
check_purged(const struct rd_have *x, const struct rd_have *y, struct err *e)
{
	struct gtid_set rest, lost = {0};
	int rc;

	if (y->purged_unreadable != NULL)
		return err_set(e, ERR_PRECONDITION, "what %s has purged: %s", TOPO_KEY_TEXT(&y->server->key),
			       y->purged_unreadable);
	rc = gtid_set_subtract(&y->purged, &x->applied.mysql, &rest, e);
	if (rc != 0)
		return rc;
	rc = gtid_set_subtract(&rest, &x->errant.mysql, &lost, e);
	gtid_set_done(&rest);
	if (rc == 0 && !gtid_set_is_empty(&lost))
		rc = err_set(e, ERR_PRECONDITION, "%s has purged what %s has not applied",
			     TOPO_KEY_TEXT(&y->server->key), TOPO_KEY_TEXT(&x->server->key));
	gtid_set_done(&lost);
	return rc;
}

int
rd_can_follow(const struct rd_recovery_input *in, const struct rd_haves *haves, const struct rd_have *x,
	      const struct rd_have *y, struct err *e)
{
	struct topo_replicate_rules rules = {.lower_version_allowed = in->policy.lower_version_allowed,
					     .verify_filters = in->policy.verify_filters,
					     .maintenance_lag_s = in->policy.maintenance_lag_s};
	int rc = topo_can_replicate_from(&x->inst, &y->inst, &rules, e);

	if (rc == 0 && (haves->family == GTID_NONE || !rd_uses_family(x->server, haves->family)))
		rc = err_set(e, ERR_PRECONDITION, "%s does not replicate by GTID", TOPO_KEY_TEXT(&x->server->key));
	if (rc == 0 && topo_is_group_secondary(&x->inst))
		rc = err_set(e, ERR_PRECONDITION, "%s is a secondary of a replication group",
			     TOPO_KEY_TEXT(&x->server->key));
	if (rc == 0 && x->server->in_maintenance)
		rc = err_set(e, ERR_PRECONDITION, "%s is in maintenance", TOPO_KEY_TEXT(&x->server->key));
	if (rc == 0 && x->server->channels > 1)
		rc =
		    err_set(e, ERR_PRECONDITION, "%s replicates over several channels", TOPO_KEY_TEXT(&x->server->key));
	if (rc == 0 && x->unreadable != NULL)
		rc = err_set(e, ERR_PRECONDITION, "%s: %s", TOPO_KEY_TEXT(&x->server->key), x->unreadable);
	if (rc == 0 && haves->family == GTID_MYSQL &&
	    !(y->purged_by_all && rd_recovery_is_direct(in, x->server) && rd_recovery_is_fresh(in, x->server)))
		rc = check_purged(x, y, e);
	return rc;
}
