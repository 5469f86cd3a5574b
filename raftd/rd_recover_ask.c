/* rd_recover_ask.c — what operators ask of recoveries: one that is forced, what one would do, the end of one. Owns nothing.
 * See rd_recoveries.h. */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "rd_recover_begin.h"
#include "rd_recoveries_private.h"
#include "topo/key.h"

#define TRUSTED_POLLS 3

struct wanted {
	struct rd_dead d;
	struct topo_analysis analysis;
	struct rd_gathered g;
	char uid[RD_RECOVER_UID_BYTES];
};

/* Nobody votes on a primary without replicas, and nothing will be sent to anybody. */
static bool
is_dead_alone(const struct rd_recoveries *rs, const struct rd_server *s)
{
	const struct rd_family *replicas = rd_model_family(&rs->n->model, &s->inst.key);

	return s->probed && !s->found && str_empty(s->inst.source_key.hostname) &&
	       (replicas == NULL || replicas->n == 0);
}

/* What the votes of this leadership found, and nothing has contradicted since: a destructive step needs them, whoever asks
 * (design.md section 6). */
static enum topo_code
found_dead(const struct rd_recoveries *rs, const struct rd_server *s)
{
	bool is_dead = s->verdict == RD_VERDICT_DEAD && s->dead_term == rs->term && s->back == 0;
	const struct rd_family *replicas = rd_model_family(&rs->n->model, &s->inst.key);

	if (!is_dead || s->dead_code == TOPO_NO_PROBLEM)
		return is_dead_alone(rs, s) ? TOPO_DEAD_PRIMARY_WITHOUT_REPLICAS : TOPO_NO_PROBLEM;
	/* they follow another one since: it has been recovered */
	return replicas == NULL || replicas->n == 0 ? TOPO_DEAD_PRIMARY_WITHOUT_REPLICAS : (enum topo_code)s->dead_code;
}

static int
check_node(struct rd_recoveries *rs, struct err *e)
{
	struct rd_node *n = rs->n;

	if (n->decide == NULL || n->stopping)
		return err_set(e, ERR_UNAVAILABLE, "this node is not ready");
	if (n->one_shot)
		return err_set(e, ERR_UNSUPPORTED,
			       "only a running service recovers: it knows by its probes who is dead; start one");
	if (!rd_node_leads(n))
		return err_set(e, ERR_NOT_LEADER, "this node does not lead");
	rd_recoveries_tick(rs);
	return rs->leads ? 0 : err_set(e, ERR_UNAVAILABLE, "this node has just begun to lead, try again");
}

/* w->g.servers is to be freed when this succeeds. */
static int
prepare(struct rd_recoveries *rs, const struct rd_recover_wish *wish, struct wanted *w, struct err *e)
{
	struct rd_node *n = rs->n;
	struct rd_server *s;

	if (check_node(rs, e) != 0)
		return -e->code;
	s = rd_model_find(&n->model, wish->key);
	if (s == NULL)
		return err_set(e, ERR_NOT_FOUND, "%s is no server that is known", TOPO_KEY_TEXT(wish->key));
	*w = (struct wanted){.analysis = {.code = found_dead(rs, s)}};
	w->d = (struct rd_dead){.server = s,
				.analysis = &w->analysis,
				.term = rs->term,
				.cluster_name = s->inst.cluster_name,
				.cluster_alias = rd_detect_alias(n, s)};
	if (wish->uid[0] != '\0')
		(void)snprintf(w->uid, sizeof(w->uid), "%s", wish->uid);
	else
		str_random_hex(w->uid, 16);
	rd_recover_gather(rs, &w->d, w->uid, &w->g);
	w->g.in.forced = true;
	w->g.in.candidate = *wish->candidate;
	return 0;
}

/* The recovery that gave its place to a server that is there, if it has not answered since. Some replicas may still be known here
 * as they were before that, and the new source no longer as one of them. */
static const struct db_recovery_machine *
replaced_by(struct rd_recoveries *rs, const struct rd_server *s)
{
	int64_t seen_us = max_i64(s->last.last_answer_us, s->inst.last_seen_us);
	struct rd_cursor c = {.table = RD_TABLE_recovery_machine};
	const struct db_recovery_machine *m;

	while ((m = rd_state_next_row(rd_decisions(rs->n), &c)) != NULL) {
		struct topo_key failed = {m->hostname, m->port}, to = {m->successor_hostname, m->successor_port};
		const struct rd_server *successor = rd_model_find(&rs->n->model, &to);
		if (m->promoted && m->since >= seen_us && topo_key_equal(&failed, &s->inst.key) && successor != NULL &&
		    successor->found)
			return m;
	}
	return NULL;
}

/* Whether an operator may begin one now. NOT_FOUND: the server answers. */
static int
check_wish(struct rd_recoveries *rs, const struct wanted *w, struct err *e)
{
	const struct rd_server *s = w->d.server;
	bool doubted = s->verdict != RD_VERDICT_OPEN && s->verdict != RD_VERDICT_ALIVE && s->back == 0;
	enum rd_recover_refusal no = rd_recover_refusal(rs, &w->d, &w->g, true);
	const struct db_recovery_machine *former = replaced_by(rs, s);
	enum rd_block block;
	int64_t id;

	if (w->analysis.code == TOPO_NO_PROBLEM && doubted && s->verdict != RD_VERDICT_DEAD)
		return err_set(e, ERR_PRECONDITION, "%s", rd_verdict_text((enum rd_verdict)s->verdict));
	if (w->analysis.code == TOPO_NO_PROBLEM)
		return err_set(e, ERR_NOT_FOUND, "%s is not dead", s->text);
	if (no != RD_MAY_RECOVER)
		return err_set(e, ERR_PRECONDITION, "%s: %s", topo_code_name((enum topo_code)w->analysis.code),
			       rd_recover_refusal_text(no));
	if (former != NULL)
		return err_set(e, ERR_PRECONDITION, "%s:%lld has taken its place already (recovery %lld)",
			       former->successor_hostname, (long long)former->successor_port,
			       (long long)former->recovery_id);
	block = rd_recover_block(rs, &w->d, true, &id);
	if (block != RD_BLOCK_NONE)
		return err_set(e, ERR_BUSY, "%s (recovery %lld)", rd_block_text(block), (long long)id);
	return 0;
}

static int
begin(struct rd_recoveries *rs, const struct rd_recover_wish *wish, struct rd_req req, struct mono deadline,
      struct err *e)
{
	struct wanted w;
	int rc;

	if (prepare(rs, wish, &w, e) != 0)
		return -e->code;
	rc = check_wish(rs, &w, e);
	if (rc == 0)
		rc = rd_recover_await(rs, w.uid, req, deadline, false, e);
	if (rc == 0) {
		log_notice("recovery", "instance=%s recovery=%s is asked for by %s", w.d.server->text, LOG_Q(w.uid),
			   LOG_Q(wish->by));
		rc = rd_recover_propose_begin(rs, &w.d, &w.g, wish->by, wish->skip_hooks, e);
		if (rc != 0)
			rd_recover_give_up(rs, w.uid);
	}
	free(w.g.servers);
	return rc;
}

int
rd_recoveries_ask(struct rd_recoveries *rs, const struct rd_recover_wish *wish, struct rd_req req, struct mono deadline,
		  struct err *e)
{
	const struct db_recovery_machine *there;

	if (check_node(rs, e) != 0)
		return -e->code;
	there = wish->uid[0] == '\0' ? NULL : rd_records_machine_row(rd_decisions(rs->n), wish->uid);
	if (there == NULL)
		return begin(rs, wish, req, deadline, e);
	if (there->port != wish->key->port || !str_eq(there->hostname, wish->key->hostname))
		return err_set(e, ERR_INVALID, "that name of a change was used for a recovery of %s:%lld",
			       there->hostname, (long long)there->port);
	return rd_recover_await(rs, wish->uid, req, deadline, false, e); /* asked again */
}

static void
tell_obstacles(struct rd_recoveries *rs, const struct wanted *w, struct str_buf *b)
{
	enum rd_recover_refusal no = rd_recover_refusal(rs, &w->d, &w->g, false);
	enum rd_block block;
	int64_t id;
	struct err e;

	str_buf_printf(b, "analysis: %s\n", topo_code_name((enum topo_code)w->analysis.code));
	if (check_wish(rs, w, &e) != 0)
		str_buf_printf(b, "not now: %s\n", e.msg);
	if (no != RD_MAY_RECOVER && w->analysis.code != TOPO_NO_PROBLEM)
		str_buf_printf(b, "not by itself: %s\n", rd_recover_refusal_text(no));
	block = rd_recover_block(rs, &w->d, false, &id);
	if (block != RD_BLOCK_NONE)
		str_buf_printf(b, "not by itself: %s (recovery %lld)\n", rd_block_text(block), (long long)id);
}

/* A recovery reads the servers anew; here the last polls have to do. */
static void
trust_polls(struct rd_recoveries *rs, struct wanted *w)
{
	int64_t since_us = rd_now_us(rs->n) - TRUSTED_POLLS * rs->n->rules->poll_us;

	w->g.in.suspected_us = min_i64(w->g.in.suspected_us, since_us);
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
	trust_polls(rs, &w);
	rd_haves_build(&w.g.in, &arena, &haves);
	rd_choose(&w.g.in, &haves, rd_now_us(rs->n), &arena, &choice);
	rd_choice_write(&choice, b);
	rd_plan_dry_run(&w.g.in, &haves, &choice, &arena, b);
	rd_haves_done(&haves);
	mem_arena_done(&arena);
	free(w.g.servers);
	return 0;
}

/* One that nobody can carry out here (its input is missing) is ended by its record alone. */
static int
end_record(struct rd_recoveries *rs, const char *uid, const char *by, struct err *e)
{
	struct str_buf text = {0};
	struct rd_cmd_recovery_event c = {.recovery_uid = uid,
					  .event = RD_EVENT_ABORT,
					  .successor = {"", 0},
					  .promoted_at = "",
					  .successor_alias = ""};
	int rc;

	if (by[0] != '\0')
		str_buf_printf(&text, "by %s", by);
	c.text = str_buf_text(&text);
	rc = rd_propose_recovery_event(rs->n->decide, &c, NULL, NULL, e);
	str_buf_done(&text);
	return rc;
}

int
rd_recoveries_abort(struct rd_recoveries *rs, const char *uid, const char *by, struct rd_req req, struct mono deadline,
		    struct err *e)
{
	const struct db_recovery_machine *row;
	struct rd_recovering *x;

	if (check_node(rs, e) != 0)
		return -e->code;
	row = rd_records_machine_row(rd_decisions(rs->n), uid);
	if (row == NULL)
		return err_set(e, ERR_NOT_FOUND, "there is no recovery %s", uid);
	if (!rd_records_is_running(row))
		return err_set(e, ERR_PRECONDITION, "recovery %s is over: %s, %s", uid, row->state, row->why);
	x = rd_recovering_find(rs, uid);
	if (x == NULL)
		return err_set(e, ERR_BUSY, "recovery %s is being taken over, try again", uid);
	if (rd_recover_await(rs, uid, req, deadline, true, e) != 0)
		return -e->code;
	if (x->r == NULL)
		rd_recoveries_begin(x, RD_RECOVER_ORPHAN_ALIVE, 0);
	if (x->r != NULL)
		rd_recover_abort(x->r, by);
	else if (end_record(rs, uid, by, e) != 0) {
		rd_recover_give_up(rs, uid);
		return -e->code;
	}
	rd_recoveries_wake(rs);
	return 0;
}
