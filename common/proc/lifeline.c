/* lifeline.c — the child's end of the lifeline: what the supervisor says to a child, what a child says to it. Handlers
 * belong to proc.c's loop and only note or pass on. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "conf/conf.h"
#include "proc/proc_private.h"

/* The supervisor is gone: nobody restarts us, configures us or sees us. What we acknowledged is on disk already. */
static void
on_lifeline_down(void *ctx UNUSED, struct ipc_link *l UNUSED, const char *why)
{
	log_warning("proc", "lost the supervisor (%s), exiting", why);
	_exit(PROC_EXIT_LOST_PARENT);
}

/* --- telling the supervisor --------------------------------------------------------------------------------------- */

void
proc_on_beat(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct proc *p = arg;
	struct ipc_child_beat beat = {.count = ++p->beats};
	struct err e;

	if (ipc_link_is_up(p->lifeline) && ipc_send_child_beat(p->lifeline, &beat, &e) != 0)
		log_warning("proc", "beat not sent: %s", e.msg);
}

void
proc_ready(struct proc *p, const char *what)
{
	struct ipc_child_ready ready = {.what = what};
	struct err e;

	if (ipc_send_child_ready(p->lifeline, &ready, &e) != 0)
		proc_fail(p, PROC_EXIT_RETRY, &e);
}

/* The loop goes on until the supervisor answers with CHILD_STOP: our message must leave the process first. */
void
proc_command_done(struct proc *p, int exit_code)
{
	struct ipc_child_done done = {.exit_code = exit_code};
	struct err e;

	if (ipc_send_child_done(p->lifeline, &done, &e) != 0)
		proc_fail(p, PROC_EXIT_RETRY, &e);
}

/* --- what the supervisor says ------------------------------------------------------------------------------------- */

static void
apply_log_level(const char *text)
{
	enum log_level level;

	if (log_level_parse(text, &level))
		log_set_level(level);
}

static void
on_child_config(struct proc *p, struct ipc_link *l UNUSED, const struct ipc_child_config *m)
{
	struct err e;

	if (p->configured)
		return;
	if (conf_from_role_json(m->config, strlen(m->config), &p->conf, &e) != 0) {
		(void)err_wrap(&e, "configuration from the supervisor");
		proc_fail(p, PROC_EXIT_VERSION, &e);
		return;
	}
	rec_assign(ipc_msg_info(IPC_CHILD_CONFIG)->desc, &p->setup, m);
	rec_set_str(&p->setup.config, "");
	apply_log_level(m->log_level);
	p->configured = true;
}

static void
on_child_reload(struct proc *p, struct ipc_link *l UNUSED, const struct ipc_child_reload *m)
{
	struct conf *fresh, *old = p->conf;
	struct err e;

	if (!p->configured || p->stopping)
		return;
	if (conf_from_role_json(m->config, strlen(m->config), &fresh, &e) != 0) {
		log_error("proc", "kept the old configuration: %s", e.msg);
		return;
	}
	p->conf = fresh;
	apply_log_level(m->log_level);
	if (p->started && p->ops->reload != NULL)
		p->ops->reload(p, p->app);
	conf_unref(old);
	log_info("proc", "configuration reloaded");
}

static void
on_child_stop(struct proc *p, struct ipc_link *l UNUSED, const struct ipc_child_stop *m)
{
	proc_stop(p, m->deadline_ms);
}

static void
on_child_reload_result(struct proc *p, struct ipc_link *l UNUSED, const struct ipc_child_reload_result *m)
{
	if (p->started && p->ops->reload_result != NULL)
		p->ops->reload_result(p, p->app, m);
}

/* Nobody can act on it yet: keeps what is the case. */
static void
note_peer(struct proc *p, const struct ipc_child_peer *m)
{
	size_t i = 0;

	while (i < p->n_peers && (p->peers[i].role != m->role || p->peers[i].slot != m->slot))
		i++;
	if (i < p->n_peers)
		p->peers[i] = p->peers[--p->n_peers];
	if (m->up) {
		ASSERT(p->n_peers < ARRAY_LEN(p->peers));
		p->peers[p->n_peers++] = *m;
	}
}

static void
on_child_peer(struct proc *p, struct ipc_link *l UNUSED, const struct ipc_child_peer *m)
{
	if (!p->started)
		note_peer(p, m);
	else if (p->ops->peer != NULL)
		p->ops->peer(p, p->app, m);
}

void
proc_tell_peers(struct proc *p)
{
	for (size_t i = 0; i < p->n_peers && p->ops->peer != NULL; i++)
		p->ops->peer(p, p->app, &p->peers[i]);
	p->n_peers = 0;
}

#define IPC_INBOX_DEF "ipc/to_child.def"
#define IPC_INBOX_NAME proc_inbox
#define IPC_INBOX_ON(name) on_##name
#include "ipc/make_inbox.h"

int
proc_lifeline_open(struct proc *p, struct err *e)
{
	struct ipc_link_conf lc = {.name = "lifeline",
				   .self = p->ops->role,
				   .generation = p->generation,
				   .peer_roles = IPC_ROLE_SUPERVISOR,
				   .inbox = &proc_inbox,
				   .ctx = p,
				   .on_down = on_lifeline_down};

	/* Programs that we start must not keep the lifeline open. */
	if (fcntl(PROC_LIFELINE_FD, F_SETFD, FD_CLOEXEC) != 0)
		return err_set(e, ERR_IO, "lifeline: fd %d", PROC_LIFELINE_FD);
	return ipc_link_open_stream(p->base, &lc, PROC_LIFELINE_FD, &p->lifeline, e);
}
