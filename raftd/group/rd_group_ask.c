/* rd_group_ask.c — what operators ask of the group: hand leadership over, add and remove members. Answers each request
 * once, at once or when what was asked for is committed. Owns the removal that is under way. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "rd_group_private.h"

#define LEAVING_US (10 * CLK_S)

/* --- answers ------------------------------------------------------------------------------------ */
static void
on_asked(void *ctx, const struct rd_proposed *p)
{
	struct rd_waiter *w = ctx;

	if (p->outcome == RD_COMMITTED)
		rd_reply_message(w->node, w->req, p->index, w->text);
	else
		rd_reply_error(w->node, w->req, p->e);
	rd_waiter_free(w);
}

/* name: of a member, for the answer */
static void
ask(struct rd_group *g, struct rd_req req, enum rd_op op, const void *payload, const char *name)
{
	struct rd_waiter *w = rd_waiter_new(g->node, req, name);
	struct err e;

	if (rd_propose(g->node->decide, op, payload, NULL, on_asked, w, &e) == 0)
		return;
	rd_reply_error(g->node, req, &e);
	rd_waiter_free(w);
}

/* False: answered already. */
static bool
must_lead(struct rd_group *g, struct rd_req req)
{
	struct err e;

	if (rd_group_leads(g))
		return true;
	(void)err_set(&e, ERR_NOT_LEADER, "not leader");
	rd_reply_error(g->node, req, &e);
	return false;
}

void
rd_group_step_down(struct rd_group *g, struct rd_req req)
{
	struct err e;

	if (!must_lead(g, req))
		return;
	if (rd_members_voters(rd_raft_members(g->raft)) > 1 && rd_raft_transfer(g->raft, rd_group_now(g), 0, &e) != 0) {
		rd_reply_error(g->node, req, &e);
		return;
	}
	rd_group_core_after(g);
	rd_reply_ok(g->node, req, 0, NULL, NULL);
}

static int
find_member(struct rd_group *g, const char *addr, char name[RD_MEMBER_NAME_BYTES], const struct rd_member **ret,
	    struct err *e)
{
	int rc = rn_name_make(addr, proc_conf(g->node->proc)->DefaultRaftPort, name, e);

	if (rc == 0)
		*ret = rd_members_by_name(rd_raft_members(g->raft), name);
	return rc;
}

/* Straight to the named member: nobody else need abstain. */
void
rd_group_yield(struct rd_group *g, struct rd_req req, const char *node)
{
	char name[RD_MEMBER_NAME_BYTES];
	const struct rd_member *m;
	struct err e;
	int rc;

	if (!must_lead(g, req))
		return;
	rc = find_member(g, node, name, &m, &e);
	if (rc == 0 && m == NULL)
		rc = err_set(&e, ERR_NOT_FOUND, "%s is no member of the raft group", name);
	if (rc == 0 && m->id != g->identity.raft_id)
		rc = rd_raft_transfer(g->raft, rd_group_now(g), m->id, &e);
	if (rc == 0)
		rd_reply_ok(g->node, req, 0, NULL, NULL);
	else
		rd_reply_error(g->node, req, &e);
	rd_group_core_after(g);
}

void
rd_group_yield_hint(struct rd_group *g, struct rd_req req, const char *hint)
{
	struct rd_cmd_yield_hint c = {.hint = hint};

	if (!must_lead(g, req))
		return;
	if (hint[0] == '\0')
		rd_reply_ok(g->node, req, 0, NULL, NULL);
	else
		ask(g, req, RD_OP_YIELD_HINT, &c, "");
}

/* A record without a directory: this name may come. The rest happens when it says hello (take_in). */
void
rd_group_add_peer(struct rd_group *g, struct rd_req req, const char *addr)
{
	char name[RD_MEMBER_NAME_BYTES];
	struct rd_cmd_node_record c = {.name = name, .dir_id = "", .http_uri = "", .version = ""};
	const struct rd_member *m;
	struct err e;
	int rc;

	if (!must_lead(g, req))
		return;
	rc = find_member(g, addr, name, &m, &e);
	if (rc == 0 && m != NULL)
		rc = err_set(&e, ERR_EXISTS, "%s is a member already", name);
	if (rc == 0 && rd_raft_members(g->raft)->n >= RD_MEMBERS_MAX)
		rc = err_set(&e, ERR_LIMIT, "the group has %d members, more are not allowed", RD_MEMBERS_MAX);
	if (rc == 0)
		ask(g, req, RD_OP_NODE_RECORD, &c, name);
	else
		rd_reply_error(g->node, req, &e);
}

/* --- raft-remove-peer ------------------------------------------------------------------------------------------ */
/* Answered when the removal is committed and the record is gone too, so that nobody takes the node in again. A leader
 * that removes itself forgets its record first: it won't lead any more when it is out. */
static void
end_leaving(struct rd_group *g, const struct err *e)
{
	struct rd_leaving l = g->leaving;

	g->leaving = (struct rd_leaving){0};
	if (e == NULL)
		rd_reply_message(g->node, l.req, 0, l.name);
	else
		rd_reply_error(g->node, l.req, e);
}

static void
let_go(struct rd_group *g)
{
	struct err e;

	if (rd_raft_change(g->raft, rd_group_now(g), RD_CHANGE_REMOVE, g->leaving.id, g->leaving.name, &e) != 0) {
		end_leaving(g, &e);
		return;
	}
	log_notice("raft", "member=%s removed: an operator asked for it", LOG_Q(g->leaving.name));
	rd_group_core_after(g);
}

static void
on_self_forgotten(void *ctx, const struct rd_proposed *p)
{
	struct rd_group *g = ctx;

	if (g->leaving.id == 0 || !rd_group_runs(g))
		return;
	if (p->outcome == RD_COMMITTED)
		let_go(g);
	else
		end_leaving(g, p->e);
}

void
rd_group_leaving_work(struct rd_group *g)
{
	struct rd_leaving *l = &g->leaving;
	struct rd_cmd_node_forget c = {.name = l->name};
	struct rd_raft_status s;
	struct err e;

	if (l->id == 0)
		return;
	rd_raft_status(g->raft, &s);
	if (s.members_pending || rd_members_by_id(rd_raft_members(g->raft), l->id) != NULL) {
		if (s.state == RD_RAFT_LEADER && mono_before(rd_group_now(g), l->until))
			return;
		(void)err_set(&e, ERR_UNKNOWN_OUTCOME, "it is not known whether %s was removed, look at raft-info",
			      l->name);
		end_leaving(g, &e);
	} else if (l->id == g->identity.raft_id) {
		end_leaving(g, NULL);
	} else {
		ask(g, l->req, RD_OP_NODE_FORGET, &c, l->name);
		*l = (struct rd_leaving){0};
	}
}

static int
begin_leaving(struct rd_group *g, struct rd_req req, const struct rd_member *m, struct err *e)
{
	struct rd_cmd_node_forget c = {.name = g->leaving.name};

	if (g->leaving.id != 0)
		return err_set(e, ERR_BUSY, "another member is being removed, try again later");
	g->leaving = (struct rd_leaving){.id = m->id, .req = req, .until = mono_add_us(rd_group_now(g), LEAVING_US)};
	(void)str_copy(g->leaving.name, sizeof(g->leaving.name), m->name);
	if (m->id != g->identity.raft_id) {
		let_go(g);
		return 0;
	}
	if (rd_members_voters(rd_raft_members(g->raft)) < 2)
		(void)err_set(e, ERR_INVALID, "%s is the last member that votes", m->name);
	else if (rd_propose_node_forget(g->node->decide, &c, on_self_forgotten, g, e) == 0)
		return 0;
	g->leaving = (struct rd_leaving){0};
	return -e->code;
}

void
rd_group_remove_peer(struct rd_group *g, struct rd_req req, const char *addr)
{
	char name[RD_MEMBER_NAME_BYTES];
	struct rd_cmd_node_forget c = {.name = name};
	const struct rd_member *m;
	struct err e;
	int rc;

	if (!must_lead(g, req))
		return;
	rc = find_member(g, addr, name, &m, &e);
	if (rc == 0 && m == NULL && rd_group_record(rd_group_state(g), name) == NULL)
		rc = err_set(&e, ERR_NOT_FOUND, "%s is no member of the raft group", name);
	if (rc == 0 && m != NULL)
		rc = begin_leaving(g, req, m, &e);
	if (rc != 0)
		rd_reply_error(g->node, req, &e);
	else if (m == NULL)
		ask(g, req, RD_OP_NODE_FORGET, &c, name);
	rd_group_core_after(g);
}
