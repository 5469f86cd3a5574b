/* sup_child.c — one child process: its start, its end, and everything between that the supervisor does to it. What to
 * do is decided by restart.c and sup_life.c; supervisor.c asks them and calls this. */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "spawn.h"
#include "sup_private.h"

void
sup_child_kill(struct sup_child *c)
{
	(void)kill(c->pid, SIGKILL);
	c->life->state = SUP_KILLED;
	c->life->killed = sup_now();
	c->killed_by_us = true;
}

static void
tell_stop(struct sup_child *c, struct mono now)
{
	struct sup *s = c->sup;
	struct err e;

	if (c->pid == 0) {
		c->life->state = SUP_OVER;
		return;
	}
	c->life->stop_by =
	    mono_add_us(s->stop_began, s->setup->limits->times.stop_us / 100 * (int64_t)c->life->stop_percent);
	c->life->state = SUP_STOPPING;
	log_info("node", "stopping %s", c->name);
	/* without its hello it hasn't heard our messages yet, but it can be signalled */
	if (c->link == NULL || sup_talk_stop(c, max_i64(0, mono_diff_us(c->life->stop_by, now)) / CLK_MS, &e) != 0)
		(void)kill(c->pid, SIGTERM);
}

/* --- an end ------------------------------------------------------------------------------------------------------- */

static struct sup_end
end_of(const struct sup_child *c, int status)
{
	return (struct sup_end){.by_signal = WIFSIGNALED(status),
				.value = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
				.was_ready = c->was_ready,
				.by_us = c->killed_by_us,
				.uptime_us = mono_diff_us(sup_now(), c->life->started)};
}

static void
restart_or_stop(struct sup_child *c, const struct sup_end *end)
{
	struct sup *s = c->sup;
	struct mono now = sup_now();
	struct sup_decision d = sup_restart_decide(&s->setup->limits->restart, &c->history, end, now);
	char how[SUP_END_BYTES];

	sup_end_text(end, how);
	switch (d.verdict) {
	case SUP_RESTART:
		c->life->state = SUP_DOWN;
		c->life->start_at = d.at;
		log_warning("node", "%s ended: %s; starting it again in %lld ms", c->name, how,
			    (long long)(mono_diff_us(d.at, now) / CLK_MS)); /* tests: process/supervisor */
		return;
	case SUP_GIVE_UP:
		log_error("node", "%s ended: %s; it failed too often, stopping the node: see its messages above",
			  c->name, how); /* tests: process/supervisor */
		break;
	case SUP_STOP_ALL:
		log_error("node", "%s ended: %s; stopping the node: %s", c->name, how,
			  sup_exit_advice(end->value)); /* tests: process/supervisor */
		break;
	}
	c->life->state = SUP_OVER;
	sup_stop(s, d.exit_code);
}

/* Nobody is restarted for a command: it must not run twice. */
static void
end_command(struct sup_child *c, const struct sup_end *end)
{
	char how[SUP_END_BYTES];

	sup_end_text(end, how);
	log_error("node", "%s ended before the command did: %s", c->name, how);
	c->life->state = SUP_OVER;
	sup_stop(c->sup, PROC_EXIT_FAILED);
}

static void
end_while_stopping(struct sup_child *c, const struct sup_end *end)
{
	char how[SUP_END_BYTES];

	sup_end_text(end, how);
	if (end->by_signal || end->value != PROC_EXIT_OK)
		log_warning("node", "%s ended while stopping: %s", c->name, how);
	else
		log_info("node", "%s stopped", c->name);
	c->life->state = SUP_OVER;
	if (!end->by_signal && sup_exit_advice(end->value) != NULL)
		sup_stop(c->sup, end->value);
}

static void
settle(struct sup_child *c, const struct sup_end *end)
{
	if (c->sup->stopping)
		end_while_stopping(c, end);
	else if (sup_is_command(c->sup))
		end_command(c, end);
	else
		restart_or_stop(c, end);
}

void
sup_child_ended(struct sup_child *c, int status)
{
	struct sup_end end = end_of(c, status);

	c->pid = 0;
	ipc_link_close(c->link);
	c->link = NULL;
	/* Nobody should wonder about an orderly end; but a leader that hands over need not wait for an apid that is gone. */
	if (!c->sup->stopping || c->role->ipc == IPC_ROLE_APID)
		sup_talk_peer(c, false);
	settle(c, &end);
}

/* --- a start ------------------------------------------------------------------------------------------------------ */

static int
try_start(struct sup_child *c, struct err *e)
{
	struct sup *s = c->sup;
	struct sup_spawn sp = {.path = c->path,
			       .role = c->role->name,
			       .generation = ++s->generations,
			       .keep_stdout = sup_is_command(s) && c->role == sup_role_at(SUP_APID)};
	int fd, rc;

	c->generation = sp.generation;
	c->killed_by_us = c->was_ready = false;
	c->life->started = c->life->last_beat = sup_now();
	rc = sup_spawn(&sp, &c->pid, &fd, e);
	if (rc != 0)
		return rc;
	c->life->state = SUP_STARTING;
	rc = sup_talk_open(c, fd, e);
	if (rc != 0) {
		(void)close(fd);
		sup_child_kill(c); /* its end comes as SIGCHLD */
		log_error("node", "%s: %s", c->name, e->msg);
	}
	return 0;
}

static void
start_child(struct sup_child *c)
{
	const struct sup_end failed = {.value = PROC_EXIT_RETRY};
	struct err e;

	if (try_start(c, &e) != 0) {
		log_error("node", "cannot start %s: %s", c->name, e.msg);
		settle(c, &failed);
		return;
	}
	log_info("node", "started %s pid=%d generation=%llu", c->name, (int)c->pid, (unsigned long long)c->generation);
	sup_talk_peer(c, true);
}

void
sup_child_is_ready(struct sup_child *c, const char *what)
{
	if (c->life->state != SUP_STARTING)
		return;
	c->life->state = SUP_READY;
	c->life->ever_ready = c->was_ready = true;
	c->life->last_beat = sup_now();
	log_notice("node", "%s is ready: %s after_ms=%lld", c->name, LOG_Q(what),
		   (long long)(mono_diff_us(sup_now(), c->life->started) / CLK_MS)); /* tests: process/supervisor */
	sup_turn_soon(c->sup);
}

/* ------------------------------------------------------------------------------------------------------------------ */

void
sup_child_do(struct sup_child *c, enum sup_action action, struct mono now)
{
	switch (action) {
	case SUP_NOTHING:
		break;
	case SUP_START:
		start_child(c);
		break;
	case SUP_TELL_STOP:
		tell_stop(c, now);
		break;
	case SUP_KILL_NOT_READY:
		log_error("node", "%s is not ready after %lld ms, killing it", c->name,
			  (long long)(mono_diff_us(now, c->life->started) / CLK_MS)); /* tests: process/supervisor */
		sup_child_kill(c);
		break;
	case SUP_KILL_SILENT:
		log_error("node", "%s has given no sign of life for %lld ms, killing it", c->name,
			  (long long)(mono_diff_us(now, c->life->last_beat) / CLK_MS)); /* tests: process/supervisor */
		sup_child_kill(c);
		break;
	case SUP_KILL_LATE:
		log_warning("node", "%s did not stop in time, killing it", c->name); /* tests: process/supervisor */
		sup_child_kill(c);
		break;
	}
}
