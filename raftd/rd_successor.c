/* rd_successor.c — a server that was promoted and is gone before anybody has read it since: its row still names the source that
 * it replaced, and would never be read again; and one that dies while it is promoted. Owns nothing. See rd_recoveries.h. */
#include "base/log.h"
#include "rd_recoveries_private.h"
#include "topo/graph.h"
#include "topo/key.h"

/* Promoted in place of the source that its row names, and read last before that recovery was over: an operator may have put
 * it below that source again since. */
static bool
was_promoted(struct rd_node *n, const struct rd_server *s)
{
	struct rd_cursor c = {0};
	struct rd_recovery r;

	while (rd_records_next(rd_decisions(n), &c, &r)) {
		if (r.promoted && s->inst.last_seen_us <= r.since_us && topo_key_equal(&r.successor, &s->inst.key) &&
		    topo_key_equal(&r.failed, &s->inst.source_key))
			return true;
	}
	return false;
}

static void
place(struct rd_node *n, struct topo_instance *i)
{
	struct topo_cluster c;

	topo_cluster_of(i, rd_model_lookup, &n->model, &c);
	rec_set_str(&i->cluster_name, c.name);
	rec_set_str(&i->ancestry_uuid, c.ancestry);
	i->replication_depth = c.depth;
	i->is_co_source = c.is_co_source;
	topo_cluster_done(&c);
}

void
rd_recoveries_correct(struct rd_node *n, struct rd_server *s)
{
	struct topo_instance now;

	if (n->decide == NULL || s->inst.source_key.hostname[0] == '\0' || !was_promoted(n, s))
		return;
	log_notice("recovery", "instance=%s was promoted in place of %s after it was read last: it counts as a source",
		   s->text, TOPO_KEY_TEXT(&s->inst.source_key)); /* tests: test_old_primary.py */
	rec_dup(&topo_instance_desc, &now, &s->inst);
	topo_key_set(&now.source_key, "", 0);
	rec_set_str(&now.source_uuid, "");
	now.io_thread_state = now.sql_thread_state = TOPO_THREAD_NONE;
	now.io_running = now.sql_running = now.read_only = false;
	place(n, &now);
	rd_model_set(&n->model, s, &now);
	rd_model_mark(&n->model, s, RD_DIRTY_NOT_SEEN);
}

/* --- while it is promoted ------------------------------------------------------------------------------------------ */
/* It has had its time to come back: as it may be writable, and be fenced only then, dropping it keeps the failed server
 * read-only as well. */
static bool
promotes(const struct rd_recovering *x, const struct topo_key *key)
{
	const struct rd_recovery *r = x->r == NULL ? NULL : rd_recover_record(x->r);

	return r != NULL && r->state == RD_RECOVERY_PROMOTE && topo_key_equal(&r->successor, key) &&
	       rd_now_us(x->rs->n) - r->since_us >= RD_CANDIDATE_WAIT_US;
}

static struct rd_recovering *
promoting(const struct rd_node *n, const struct topo_key *key)
{
	struct rd_recovering *x;

	if (n->recoveries == NULL)
		return NULL;
	TAILQ_FOREACH (x, &n->recoveries->list, next) {
		if (promotes(x, key))
			return x; /* one recovery of a cluster at a time */
	}
	return NULL;
}

bool
rd_recoveries_promote(const struct rd_node *n, const struct topo_key *key)
{
	return promoting(n, key) != NULL;
}

void
rd_recoveries_candidate_dead(struct rd_node *n, const struct topo_key *key)
{
	struct rd_recovering *x = promoting(n, key);

	if (x == NULL)
		return;
	rd_recover_dead(x->r, key);
	rd_recoveries_wake(n->recoveries);
}
