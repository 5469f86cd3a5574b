/* rd_old_sources.c — servers that a recovery replaced, after its end: whether one that is back is to be fenced again. Owns
 * nothing. Part of rd_recoveries.c; rd_recoveries_found is rd_work.c's. */
#include "base/log.h"
#include "rd_recoveries_private.h"
#include "topo/key.h"

bool
rd_recoveries_lost(struct rd_recoveries *rs, const struct topo_key *key)
{
	const struct db_downtime at = {.hostname = key->hostname, .port = key->port};
	const struct db_downtime *row = rd_state_get(rd_decisions(rs->n), RD_TABLE_downtime, &at);

	return row != NULL && str_eq(row->reason, RD_LOST_REASON);
}

/* A replica that a recovery has lost still names its former source; so does the successor, if its channel could not be taken from
 * it: as long as that one is writable, it is the source. */
static bool
has_followers(struct rd_recoveries *rs, const struct rd_recovery *r)
{
	const struct rd_family *family = rd_model_family(&rs->n->model, &r->failed);
	const struct rd_server *s;

	if (family == NULL)
		return false;
	LIST_FOREACH (s, &family->replicas, sibling) {
		if (!rd_recoveries_lost(rs, &s->inst.key) &&
		    (s->inst.read_only || !topo_key_equal(&s->inst.key, &r->successor)))
			return true;
	}
	return false;
}

static bool
is_source(const struct rd_server *s)
{
	const struct topo_key *source = &s->inst.source_key;

	return s->found && !s->inst.read_only && (str_empty(source->hostname) || topo_key_is_detached(source));
}

/* Whom this recovery, or a later one of the cluster, promoted, was still the source when `old` had been read as writable. */
static bool
has_successor(struct rd_recoveries *rs, const struct rd_recovery *r, const struct rd_server *old)
{
	struct rd_cursor c = {0};
	struct rd_recovery later;

	while (rd_records_next(rd_decisions(rs->n), &c, &later)) {
		const struct rd_server *s;
		if (!later.promoted || later.began_us < r->began_us || !str_eq(later.cluster_id, r->cluster_id))
			continue;
		s = rd_model_find(&rs->n->model, &later.successor);
		if (s != NULL && s != old && is_source(s) && s->last.ended_us > old->writable_us)
			return true;
	}
	return false;
}

bool
rd_old_was_promoted_later(struct rd_recoveries *rs, const struct rd_recovery *than)
{
	struct rd_cursor c = {0};
	struct rd_recovery r;

	while (rd_records_next(rd_decisions(rs->n), &c, &r)) {
		if (r.promoted && r.began_us > than->began_us && topo_key_equal(&r.successor, &than->failed))
			return true;
	}
	return false;
}

bool
rd_old_stays_replaced(struct rd_recoveries *rs, const struct rd_server *s)
{
	struct rd_cursor c = {0};
	struct rd_recovery r;

	while (rd_records_next(rd_decisions(rs->n), &c, &r)) {
		if (r.promoted && topo_key_equal(&r.failed, &s->inst.key) &&
		    (s->inst.read_only || s->inst.last_seen_us < r.since_us + RD_CLOCKS_APART_US) &&
		    !rd_old_was_promoted_later(rs, &r))
			return true;
	}
	return false;
}

/* It is in its downtime still, and nobody has made it a source again by hand: then others follow it, and the one that
 * was promoted takes no writes. A replica that the recovery had not known yet follows it as well. */
bool
rd_old_is_to_be_fenced(struct rd_recoveries *rs, const struct rd_recovery *r)
{
	const struct rd_server *s = rd_model_find(&rs->n->model, &r->failed);

	if (s == NULL || !rd_recoveries_lost(rs, &r->failed))
		return false;
	return !s->found || !has_followers(rs, r) || (!s->inst.read_only && has_successor(rs, r, s));
}

/* Its fence holds only until it is restarted: most configurations say writable. Whether it was away is not asked, as it may
 * have been back before anybody looked. A reading from before the fence costs one fence too many. */
static void
fence_anew(struct rd_recovering *x, const struct rd_server *s)
{
	if (x->r == NULL || rd_recover_is_fencing(x->r) || rd_recover_record(x->r)->state != RD_RECOVERY_DONE ||
	    mono_diff_us(rd_mono(x->rs->n), x->fenced) < RD_FENCED_ENOUGH_US ||
	    !rd_old_is_to_be_fenced(x->rs, rd_recover_record(x->r)))
		return;
	log_warning("recovery", "recovery=%s instance=%s was fenced, and is writable again: it is fenced anew",
		    LOG_Q(x->uid), s->text); /* tests: test_old_primary.py */
	rd_recover_back(x->r, &x->failed);
	rd_recoveries_wake(x->rs);
}

static bool
has_replicas(struct rd_recoveries *rs, const struct rd_server *s)
{
	const struct rd_family *replicas = rd_model_family(&rs->n->model, &s->inst.key);

	return replicas != NULL && replicas->n > 0;
}

/* A dropped candidate that may have become writable, still in its downtime, and nobody's source. */
static void
fence_suspect(struct rd_recovering *x, const struct rd_server *s)
{
	if (x->r == NULL || rd_recover_record(x->r)->state != RD_RECOVERY_DONE ||
	    topo_key_equal(&rd_recover_record(x->r)->successor, &s->inst.key) ||
	    !rd_recoveries_lost(x->rs, &s->inst.key) || has_replicas(x->rs, s))
		return;
	rd_recover_suspect_back(x->r, &s->inst.key);
	rd_recoveries_wake(x->rs);
}

void
rd_recoveries_found(struct rd_recoveries *rs, const struct rd_server *s)
{
	struct rd_recovering *x;

	if (!rs->leads || s->inst.read_only)
		return;
	TAILQ_FOREACH (x, &rs->list, next) {
		if (topo_key_equal(&x->failed, &s->inst.key))
			fence_anew(x, s);
		else
			fence_suspect(x, s);
	}
}

/* It replicates still from the failed server, which is the source. */
static bool
is_below_failed(struct rd_recoveries *rs, const struct rd_recovery *r, const struct rd_server *s)
{
	const struct rd_server *failed = rd_model_find(&rs->n->model, &r->failed);

	return topo_key_equal(&s->inst.source_key, &r->failed) && failed != NULL && is_source(failed) &&
	       failed->last.ended_us > s->writable_us;
}

/* The same of a recovery that was undone, and is carried out nowhere any more: below the failed server (whoever follows it itself),
 * or beside somebody whom a later one has promoted when it had named this one as lost. Not once that recovery was acknowledged. */
static void
fence_strays(struct rd_recoveries *rs, const struct rd_recovery *r)
{
	for (size_t i = 0; i < r->suspects.n; i++) {
		const struct rd_server *s = rd_model_find(&rs->n->model, &r->suspects.v[i]);
		struct rd_recovering *x;
		bool is_second =
		    s != NULL && s->found && !s->inst.read_only &&
		    (is_below_failed(rs, r, s) ||
		     (!has_replicas(rs, s) && rd_recoveries_lost(rs, &s->inst.key) && has_successor(rs, r, s)));
		if (!is_second || rd_recovering_find(rs, r->uid) != NULL || (x = rd_recovering_add(rs, r)) == NULL)
			continue;
		log_warning("recovery",
			    "recovery=%s instance=%s may have been promoted by it, and is writable beside its "
			    "cluster's source: it is fenced",
			    LOG_Q(r->uid), s->text);
		rd_recoveries_begin(x, RD_RECOVER_BEGUN, 0);
		if (x->r != NULL)
			rd_recover_fence_suspect(x->r, &s->inst.key);
	}
}

/* Operators have seen to it. */
static bool
is_acknowledged(struct rd_recoveries *rs, const struct rd_recovery *r)
{
	const struct db_recovery *row = rd_records_row(rd_decisions(rs->n), r->uid);

	return row != NULL && row->acknowledged;
}

static void
look_for_strays(struct rd_recoveries *rs)
{
	struct rd_cursor c = {.table = RD_TABLE_recovery_machine};
	const void *row;

	while (rd_state_next(rd_decisions(rs->n), &c, &row) && c.table == RD_TABLE_recovery_machine) {
		struct mem_arena arena = {0};
		struct rd_recovery r;
		rd_records_from_row(row, &arena, &r);
		if (r.state == RD_RECOVERY_UNDONE && r.suspects.n > 0 && !is_acknowledged(rs, &r))
			fence_strays(rs, &r);
		mem_arena_done(&arena);
	}
}

void
rd_old_look(struct rd_recoveries *rs)
{
	struct rd_recovering *x;

	look_for_strays(rs);
	TAILQ_FOREACH (x, &rs->list, next) {
		const struct rd_server *s = rd_model_find(&rs->n->model, &x->failed);
		if (x->r != NULL && s != NULL && s->found && !s->inst.read_only &&
		    has_followers(rs, rd_recover_record(x->r)))
			fence_anew(x, s);
	}
}
