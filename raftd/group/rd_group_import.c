/* rd_group_import.c — a node that lived without raft founds a group, or joins one: its former decisions (rd_import.h).
 * Owns them from the reading of the backend until the group has an id. The leader that has the most proposes them as
 * ordinary commands, and names the group when all of them are applied; until then every backend stays as it was, so a
 * crash at any moment loses nothing. Afterwards each node that had any says what became of them, once. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "conf/conf.h"
#include "rd_group_private.h"

#define OPEN_MAX 32	/* commands under way */
#define HANDOVERS_MAX 5 /* without progress: to a node that has more, but doesn't come to lead */

/* --- before ---------------------------------------------------------------------------------------------------- */
static void
copy_name(struct rd_group *g, struct str_buf *ret)
{
	str_buf_printf(ret, "%s.before-raft", proc_conf(g->node->proc)->SQLite3DataFile);
}

void
rd_group_import_keep(struct rd_group *g, struct rd_state *former)
{
	g->former = former;
	log_notice("raft", "the backend holds %zu decisions of this node's life without raft",
		   rd_state_decisions(former));
}

void
rd_group_import_hold(struct rd_group *g)
{
	struct str_buf to = {0};

	if (g->former == NULL)
		return;
	copy_name(g, &to);
	rd_proposer_keep_former(g->node->decide, str_buf_text(&to));
	str_buf_done(&to);
}

/* --- who imports ----------------------------------------------------------------------------------------------- */
static size_t
list_voters(struct rd_group *g, struct rd_import_voter *ret)
{
	const struct rd_members *m = rd_raft_members(g->raft);
	size_t count = 0;

	for (size_t i = 0; i < m->n; i++) {
		const struct rd_member *x = &m->v[i];
		bool self = x->id == g->identity.raft_id;
		const struct rn_hello *h =
		    !self && rn_net_is_up(g->net, x->name) ? rn_net_hello(g->net, x->name) : NULL;
		if (x->role != RD_ROLE_VOTER)
			continue;
		ret[count++] = (struct rd_import_voter){
		    .id = x->id,
		    .self = self,
		    .heard = h != NULL && h->raft_id == x->id && h->backend_read,
		    .rows = !self ? (h == NULL ? 0 : h->former_rows)
				  : (g->former == NULL ? 0 : rd_state_decisions(g->former)),
		};
		ret[count - 1].heard = ret[count - 1].heard || self;
	}
	return count;
}

static void
hand_over(struct rd_group *g, uint64_t to)
{
	const struct rd_member *m = rd_members_by_id(rd_raft_members(g->raft), to);
	struct err e;

	if (rd_raft_transfer(g->raft, rd_group_now(g), to, &e) != 0)
		return; /* under way already, or not yet possible */
	g->import_handovers++;
	log_notice("raft", "handing leadership over to %s, whose decisions of the time without raft are imported",
		   m == NULL ? "?" : LOG_Q(m->name));
}

/* A node that is killed again and again imports a part each time. */
static bool
handovers_are_left(struct rd_group *g)
{
	size_t imported = rd_state_decisions(rd_group_state(g));

	if (imported != g->import_progress)
		g->import_handovers = 0;
	g->import_progress = imported;
	return g->import_handovers < HANDOVERS_MAX;
}

/* True: it is this node's turn. */
static bool
may_import(struct rd_group *g)
{
	struct rd_import_voter voters[RD_MEMBERS_MAX];
	struct rd_import_choice c;
	const struct rd_member *absent;

	if (g->import_asked.us == 0)
		g->import_asked = rd_group_now(g);
	c = rd_import_choose(rd_group_state(g), voters, list_voters(g, voters),
			     mono_diff_us(rd_group_now(g), g->import_asked));
	if (c.verdict == RD_IMPORT_HAND_OVER && handovers_are_left(g)) {
		hand_over(g, c.to);
		return false;
	}
	if (c.verdict == RD_IMPORT_WAIT)
		return false;
	absent = rd_members_by_id(rd_raft_members(g->raft), c.verdict == RD_IMPORT_HAND_OVER ? c.to : c.gone);
	if (absent != NULL)
		log_warning("raft",
			    "member=%s has decisions of the time without raft and is gone, or does not come to lead: "
			    "the group goes on with those that were imported, the rest is in its backend",
			    LOG_Q(absent->name));
	return true;
}

/* --- importing ------------------------------------------------------------------------------------------------- */
static void
on_imported(void *ctx, const struct rd_proposed *p)
{
	struct rd_group *g = ctx;

	g->import_open--;
	if (p->outcome == RD_REFUSED) {
		g->import_refused++;
		log_warning("raft", "a decision of the time without raft is not imported: %s", p->e->msg);
	} else if (p->outcome != RD_COMMITTED) {
		g->import_failed = true;
	}
	g->import_answered = true;
	rd_group_want_work(g);
}

/* The next ones, or the group's id after the last. */
void
rd_group_import_turn(struct rd_group *g)
{
	rd_group_import_end(g);
	if (!g->import_answered)
		return;
	g->import_answered = false;
	rd_group_lead(g);
}

static void
begin(struct rd_group *g)
{
	struct rd_lives lives = rd_house_lives(g->node);

	rd_import_free(g->import);
	g->import = rd_import_new(g->former, rd_group_state(g), rd_now_us(g->node), &lives, g->identity.raft_id);
	g->import_next = 0;
	g->import_failed = false;
	g->import_working = true;
	log_notice("raft", "importing %zu decisions of the time without raft (%zu have expired, %zu are not valid)",
		   g->import->rows, g->import->expired, g->import->unusable);
}

#define HELD_US (10 * CLK_S) /* a group that has just been founded raises its level meanwhile */

/* It would wait for good, and nobody would know for what. */
static void
say_held(struct rd_group *g, const struct err *e)
{
	if (e->code != ERR_UNSUPPORTED || g->import_held)
		return;
	if (g->import_since.us == 0)
		g->import_since = rd_group_now(g);
	if (mono_diff_us(rd_group_now(g), g->import_since) < HELD_US)
		return;
	g->import_held = true;
	log_warning(
	    "raft",
	    "the import of decisions of the time without raft waits: %s; upgrade every voter, or remove those that "
	    "stay behind (raft-remove-peer)",
	    e->msg);
}

static void
feed(struct rd_group *g)
{
	struct err e;

	while (g->import_open < OPEN_MAX && g->import_next < g->import->n) {
		const struct rd_import_command *c = &g->import->v[g->import_next];
		if (rd_propose_at_apply(g->node->decide, c->op, c->payload, c->uid, on_imported, g, &e) != 0) {
			log_debug("raft", "import: %s", e.msg);
			say_held(g, &e);
			return; /* full, or not leader: the next second is early enough */
		}
		g->import_open++;
		g->import_next++;
	}
}

bool
rd_group_import_work(struct rd_group *g)
{
	if (!g->import_working && !may_import(g))
		return false;
	if (g->former == NULL)
		return true;
	if (g->import == NULL || (g->import_failed && g->import_open == 0))
		begin(g);
	if (!g->import_failed)
		feed(g);
	return !g->import_failed && g->import_open == 0 && g->import_next == g->import->n;
}

bool
rd_group_holds_former(const struct rd_group *g)
{
	return g->former != NULL;
}

int
rd_group_takes_changes(struct rd_group *g, struct err *e)
{
	struct rd_raft_status s;

	if (rd_state_cluster_id(rd_group_state(g))[0] != '\0' || !rd_group_runs(g))
		return 0;
	rd_raft_status(g->raft, &s);
	if (s.state != RD_RAFT_LEADER)
		return 0; /* the proposer says so, and the leader is asked */
	return err_set(e, ERR_UNAVAILABLE,
		       "the group is being founded, and its nodes' decisions of the time without raft are taken over: "
		       "nothing was changed, try again in a few seconds");
}

/* --- after ----------------------------------------------------------------------------------------------------- */
static void
say(struct rd_group *g)
{
	struct rd_import_voter own = {.id = g->identity.raft_id, .self = true};
	struct str_buf to = {0};

	copy_name(g, &to);
	(void)rd_import_choose(rd_group_state(g), &own, 1, 0);
	if (g->import != NULL || own.begun)
		log_notice("raft", "decisions of the time without raft are imported; the former backend is kept as %s",
			   LOG_Q(str_buf_text(&to)));
	else
		log_notice("raft",
			   "%zu decisions of this node's time without raft are dropped, those of the group count; the "
			   "former backend is kept as %s",
			   rd_state_decisions(g->former), LOG_Q(str_buf_text(&to)));
	str_buf_done(&to);
}

void
rd_group_import_end(struct rd_group *g)
{
	if (g->former == NULL || rd_group_state(g) == NULL || rd_state_cluster_id(rd_group_state(g))[0] == '\0' ||
	    g->import_open > 0)
		return;
	say(g);
	rd_group_import_done(g);
	g->import_working = false;
	g->changed |= RD_CHANGED_MEMBERS; /* a new hello */
	rd_group_want_work(g);
}

void
rd_group_import_done(struct rd_group *g)
{
	rd_import_free(g->import);
	rd_state_free(g->former);
	g->import = NULL;
	g->former = NULL;
}
