/* rd_group_end.c — how this node's part ends: leadership is handed over before it stops; a node whose backend fails gives
 * way, and bails out at last, as does one that can't join. And the tick that looks at all that once a second. */
#include "base/log.h"
#include "rd_group_private.h"

#define GIVE_WAY_US (5 * CLK_S) /* of a failing backend, raft-and-nodes.md section 7 */
#define BAIL_OUT_US (30 * CLK_S)

/* --- the end --------------------------------------------------------------------------------------------------- */
void
rd_group_give_way(struct rd_group *g, const char *why)
{
	struct err e;

	if (g->raft == NULL || !g->leading || rd_members_voters(rd_raft_members(g->raft)) < 2)
		return;
	if (rd_raft_transfer(g->raft, rd_group_now(g), 0, &e) == 0)
		log_warning("raft", "handing leadership over: %s", why);
	rd_group_core_after(g);
}

static void
on_log_stopped(void *ctx)
{
	struct rd_group *g = ctx;

	g->on_stopped(g->node);
}

/* Called again by the tick until leadership is gone, or time is up. */
void
rd_group_go_on_stopping(struct rd_group *g)
{
	struct rd_raft_status s = {0};

	if (g->on_stopped == NULL || g->phase == RD_PHASE_STOPPED)
		return;
	if (g->raft != NULL)
		rd_raft_status(g->raft, &s);
	if (s.state == RD_RAFT_LEADER && s.transfer_to != 0 && mono_before(rd_group_now(g), g->stop_by))
		return;
	rd_group_set_phase(g, RD_PHASE_STOPPED, "");
	rd_logwriter_stop(g->log, on_log_stopped, g);
}

void
rd_group_stop(struct rd_group *g, int64_t wait_us, void (*done)(struct rd_node *n))
{
	g->stopping = true;
	g->on_stopped = done;
	g->stop_by = mono_add_us(rd_group_now(g), wait_us);
	rd_group_give_way(g, "this node stops");
	rd_group_go_on_stopping(g);
}

/* raft-and-nodes.md section 7: a node whose backend can't be written gives leadership away, and ends at last, since
 * neither operators nor clients see what is decided there. One that can't even be opened at the start is no better. */
static void
watch_backend(struct rd_group *g)
{
	const struct rd_backend_health *h = &g->node->health;
	int64_t failing_us = h->failing_since_us == 0 ? 0 : mono_diff_us(rd_group_now(g), h->failing_from);
	struct err e;

	if (failing_us > BAIL_OUT_US) {
		(void)err_set(&e, ERR_DB, "the backend could not be %s for %lld s, this node bails out: %s",
			      h->open ? "written" : "opened", (long long)(failing_us / CLK_S), h->error.msg);
		rd_group_fail(g, PROC_EXIT_BACKEND, &e);
	} else if (failing_us > GIVE_WAY_US) {
		rd_group_give_way(g, "the backend cannot be written");
	}
}

/* The seeds' "bail out if it can't join": only before the first contact, see RaftJoinTimeoutSeconds. */
static void
watch_joining(struct rd_group *g)
{
	int64_t limit_s = (int64_t)proc_conf(g->node->proc)->RaftJoinTimeoutSeconds;
	int64_t since_us = mono_diff_us(rd_group_now(g), g->born);
	struct err e;

	if (limit_s == 0 || g->had_quorum || since_us < limit_s * CLK_S || g->phase == RD_PHASE_FAILED)
		return;
	(void)err_set(&e, ERR_UNAVAILABLE,
		      "this node could not join the raft group within %lld s (RaftJoinTimeoutSeconds): %s",
		      (long long)limit_s, rd_group_trouble(g));
	rd_group_fail(g, PROC_EXIT_JOIN, &e);
}

void
rd_group_tick(struct rd_group *g)
{
	watch_joining(g);
	if (g->stopping)
		rd_group_go_on_stopping(g);
	else
		watch_backend(g);
	if (g->raft == NULL || g->phase != RD_PHASE_MEMBER || g->stopping)
		return;
	rd_group_look_at_hello(g);
	rd_group_import_end(g);
	rd_group_keep_door(g);
	rd_group_follow_cluster_id(g);
	rd_group_lead(g);
	rd_group_leaving_work(g);
	rd_group_snapshot_tick(g);
	rd_proposer_tick(g->node->decide);
}
