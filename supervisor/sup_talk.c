/* sup_talk.c — the supervisor's side of the lifelines: what is said to children and what they say. Handlers only note
 * and pass on; what follows is decided by supervisor.c and the pure files. */
#include <string.h>

#include "base/log.h"
#include "sup_private.h"

static const char *
level_for(const struct sup *s)
{
	return log_level_name(sup_log_level(s->setup->args, s->conf, sup_is_command(s)));
}

/* --- to children -------------------------------------------------------------------------------------------------- */

static void
send_config(struct sup_child *c)
{
	const struct sup *s = c->sup;
	struct str_buf part = {0};
	struct ipc_child_config m;
	struct err e;

	conf_print(s->conf, c->role->conf, false, &part);
	m = (struct ipc_child_config){.config = str_buf_text(&part),
				      .log_level = level_for(s),
				      .runtime_dir = s->setup->runtime_dir,
				      .hostname = s->hostname,
				      .node_token = s->node_token,
				      .mode = (uint64_t)s->setup->mode,
				      .slot = c->slot,
				      .probers = s->probers,
				      .args = *s->setup->line};
	if (ipc_send_child_config(c->link, &m, &e) != 0)
		log_error("node", "%s gets no configuration: %s", c->name, e.msg);
	str_buf_done(&part);
}

static void
send_reload(struct sup_child *c)
{
	struct str_buf part = {0};
	struct ipc_child_reload m;
	struct err e;

	conf_print(c->sup->conf, c->role->conf, false, &part);
	m = (struct ipc_child_reload){.config = str_buf_text(&part), .log_level = level_for(c->sup)};
	if (ipc_send_child_reload(c->link, &m, &e) != 0)
		log_error("node", "%s keeps the old configuration: %s", c->name, e.msg);
	str_buf_done(&part);
}

void
sup_talk_reload(struct sup *s)
{
	/* A child whose link is not up yet gets the new configuration when it comes up. */
	for (size_t i = 0; i < s->n; i++) {
		if (s->children[i].link != NULL && ipc_link_is_up(s->children[i].link))
			send_reload(&s->children[i]);
	}
}

int
sup_talk_stop(struct sup_child *c, int64_t deadline_ms, struct err *e)
{
	const struct ipc_child_stop m = {.deadline_ms = deadline_ms};

	return ipc_send_child_stop(c->link, &m, e);
}

/* Each of raftd's peers and raftd itself. A link depends on it: who misses it starts anew, and then hears of all. */
static void
tell_peer(struct sup_child *to, const struct sup_child *c, bool up)
{
	const struct ipc_child_peer m = {
	    .role = (uint64_t)c->role->ipc, .slot = c->slot, .generation = c->generation, .up = up};
	struct err e;

	if (to == c || (to->role->ipc != IPC_ROLE_RAFTD && c->role->ipc != IPC_ROLE_RAFTD))
		return;
	if (ipc_send_child_peer(to->link, &m, &e) == 0)
		return;
	log_warning("node", "%s does not hear of %s, killing it: %s", to->name, c->name, e.msg);
	sup_child_kill(to);
}

/* Who is not up yet hears in on_up. */
void
sup_talk_peer(const struct sup_child *c, bool up)
{
	struct sup *s = c->sup;

	for (size_t i = 0; i < s->n; i++) {
		if (ipc_link_is_up(s->children[i].link))
			tell_peer(&s->children[i], c, up);
	}
}

static void
tell_of_all_peers(struct sup_child *to)
{
	const struct sup *s = to->sup;

	for (size_t i = 0; i < s->n && ipc_link_is_up(to->link); i++) {
		if (s->children[i].pid != 0)
			tell_peer(to, &s->children[i], true);
	}
}

/* --- from children ------------------------------------------------------------------------------------------------ */

static void
on_child_ready(struct sup_child *c, struct ipc_link *l UNUSED, const struct ipc_child_ready *m)
{
	sup_child_is_ready(c, m->what);
}

static void
on_child_beat(struct sup_child *c, struct ipc_link *l UNUSED, const struct ipc_child_beat *m UNUSED)
{
	c->life->last_beat = sup_now();
}

static void
on_child_done(struct sup_child *c, struct ipc_link *l UNUSED, const struct ipc_child_done *m)
{
	if (sup_is_command(c->sup))
		sup_stop(c->sup, (int)(m->exit_code & 0xff));
	else
		log_warning("node", "%s says that a command has ended, but this is a service", c->name);
}

static void
on_child_reload_request(struct sup_child *c, struct ipc_link *l, const struct ipc_child_reload_request *m)
{
	struct ipc_child_reload_result r = {.request_id = m->request_id};
	struct str_buf said = {0};
	struct err e;

	r.code = sup_reload(c->sup, m->extra_file, &said, &e);
	r.message = r.code == 0 ? str_buf_text(&said) : e.msg;
	if (ipc_send_child_reload_result(l, &r, &e) != 0)
		log_warning("node", "%s gets no answer to its reload request: %s", c->name, e.msg);
	str_buf_done(&said);
}

#define IPC_INBOX_DEF "ipc/to_supervisor.def"
#define IPC_INBOX_NAME sup_inbox
#define IPC_INBOX_ON(name) on_##name
#include "ipc/make_inbox.h"

static void
on_up(void *ctx, struct ipc_link *l UNUSED)
{
	send_config(ctx);
	tell_of_all_peers(ctx);
}

/* Its end follows as SIGCHLD; a child that lives on without a lifeline stops beating and is killed. */
static void
on_down(void *ctx, struct ipc_link *l UNUSED, const char *why)
{
	const struct sup_child *c = ctx;

	log_debug("node", "lifeline of %s: %s", c->name, why);
}

int
sup_talk_open(struct sup_child *c, int fd, struct err *e)
{
	const struct ipc_link_conf lc = {.name = c->name,
					 .self = IPC_ROLE_SUPERVISOR,
					 .generation = c->generation,
					 .peer_roles = (uint32_t)c->role->ipc,
					 .inbox = &sup_inbox,
					 .ctx = c,
					 .on_up = on_up,
					 .on_down = on_down};

	return ipc_link_open_stream(c->sup->base, &lc, fd, &c->link, e);
}
