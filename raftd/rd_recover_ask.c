/* rd_recover_ask.c — what operators ask of recoveries: one that is forced, what one would do, the end of one. Owns nothing.
 * See rd_recoveries.h. */
#include <stdio.h>
#include <stdlib.h>

#include "rd_recover_begin.h"
#include "rd_recoveries_private.h"
#include "topo/key.h"

struct wanted {
	struct rd_dead d;
	struct topo_analysis analysis;
	struct rd_gathered g;
	char uid[RD_RECOVER_UID_BYTES];
};

static const char *
alias_of(struct rd_node *n, const struct rd_server *s)
{
	const struct db_cluster_alias_override key = {.cluster_name = s->inst.cluster_name};
	const struct db_cluster_alias_override *row =
	    rd_state_get(rd_decisions(n), RD_TABLE_cluster_alias_override, &key);

	return row != NULL ? row->alias : s->inst.suggested_cluster_alias;
}

/* w->g.servers is to be freed when this succeeds. */
static int
prepare(struct rd_recoveries *rs, const struct rd_recover_wish *wish, struct wanted *w, struct err *e)
{
	struct rd_node *n = rs->n;
	struct rd_server *s;

	if (n->decide == NULL || n->stopping)
		return err_set(e, ERR_UNAVAILABLE, "this node is not ready");
	s = rd_model_find(&n->model, wish->key);
	if (s == NULL)
		return err_set(e, ERR_NOT_FOUND, "%s is no server that is known", TOPO_KEY_TEXT(wish->key));
	*w = (struct wanted){.analysis = {.code = s->judged ? s->code : TOPO_NO_PROBLEM}};
	w->d = (struct rd_dead){.server = s,
				.analysis = &w->analysis,
				.term = rs->term,
				.cluster_name = s->inst.cluster_name,
				.cluster_alias = alias_of(n, s)};
	str_random_hex(w->uid, (sizeof(w->uid) - 1) / 2);
	rd_recover_gather(rs, &w->d, w->uid, &w->g);
	w->g.in.forced = true;
	w->g.in.candidate = *wish->candidate;
	return 0;
}

static enum rd_recover_refusal
refusal(struct rd_recoveries *rs, const struct wanted *w, bool forced)
{
	return rd_recover_may_begin(
	    proc_conf(rs->n->proc),
	    &(struct rd_recover_case){.code = (enum topo_code)w->analysis.code,
				      .hostname = w->d.server->inst.key.hostname,
				      .cluster_name = w->d.cluster_name,
				      .cluster_alias = w->d.cluster_alias,
				      .disabled = rd_state_recoveries_disabled(rd_decisions(rs->n)),
				      .downtimed = w->g.in.failed.is_downtimed,
				      .in_maintenance = w->g.in.failed.in_maintenance,
				      .all_probed = w->g.all_probed,
				      .forced = forced});
}

int
rd_recoveries_force(struct rd_recoveries *rs, const struct rd_recover_wish *wish, char *ret_uid, struct err *e)
{
	enum rd_recover_refusal no;
	struct wanted w;
	int rc;

	if (!rd_node_leads(rs->n))
		return err_set(e, ERR_NOT_LEADER, "this node does not lead");
	if (prepare(rs, wish, &w, e) != 0)
		return -e->code;
	no = refusal(rs, &w, true);
	if (no != RD_MAY_RECOVER)
		rc = err_set(e, ERR_PRECONDITION, "%s: %s", w.d.server->text, rd_recover_refusal_text(no));
	else
		rc = rd_recover_propose_begin(rs, &w.d, &w.g, wish->by, wish->skip_hooks, e);
	if (rc == 0)
		(void)snprintf(ret_uid, RD_RECOVER_UID_BYTES, "%s", w.uid);
	free(w.g.servers);
	return rc;
}

static void
tell_obstacles(struct rd_recoveries *rs, const struct wanted *w, struct str_buf *b)
{
	const struct rd_state *s = rd_decisions(rs->n);
	int64_t id, block_us = max_i64(1, proc_conf(rs->n->proc)->RecoveryPeriodBlockSeconds) * CLK_S;
	enum rd_recover_refusal no = refusal(rs, w, false);
	enum rd_block block = rd_records_block(s, rd_records_cluster_id(s, w->d.cluster_name), &w->d.server->inst.key,
					       false, rd_now_us(rs->n), block_us, &id);

	if (no != RD_MAY_RECOVER)
		str_buf_printf(b, "not by itself: %s\n", rd_recover_refusal_text(no));
	if (block != RD_BLOCK_NONE)
		str_buf_printf(b, "not by itself: %s (recovery %lld)\n", rd_block_text(block), (long long)id);
}

int
rd_recoveries_dry_run(struct rd_recoveries *rs, const struct rd_recover_wish *wish, struct str_buf *b, struct err *e)
{
	struct mem_arena arena = {0};
	struct rd_haves haves;
	struct rd_choice choice;
	struct wanted w;

	if (prepare(rs, wish, &w, e) != 0)
		return -e->code;
	tell_obstacles(rs, &w, b);
	rd_haves_build(&w.g.in, &arena, &haves);
	rd_choose(&w.g.in, &haves, rd_now_us(rs->n), &arena, &choice);
	rd_choice_write(&choice, b);
	rd_plan_dry_run(&w.g.in, &haves, &choice, &arena, b);
	rd_haves_done(&haves);
	mem_arena_done(&arena);
	free(w.g.servers);
	return 0;
}

int
rd_recoveries_abort(struct rd_recoveries *rs, const char *uid, struct err *e)
{
	struct rd_recovering *x = rd_recovering_find(rs, uid);

	if (!rd_node_leads(rs->n))
		return err_set(e, ERR_NOT_LEADER, "this node does not lead");
	if (x == NULL || x->r == NULL ||
	    (rd_recovery_state_flags((enum rd_recovery_state)rd_recover_record(x->r)->state) & RD_STATE_TERMINAL) != 0)
		return err_set(e, ERR_NOT_FOUND, "no recovery of that uid is under way here");
	rd_recover_abort(x->r);
	rd_recoveries_wake(rs);
	return 0;
}
