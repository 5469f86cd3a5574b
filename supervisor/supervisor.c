/* supervisor.c — the loop of the supervisor: starts, watches, restarts and stops the children of one node.
 *
 * Owns the children and their lifelines. Every turn asks sup_life_due what is due for each child and does it; ends of
 * children go through sup_restart_decide. Called by sup_start.c. Must never block. */
#include "supervisor.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "spawn.h"
#include "sup_private.h"

/* A turn comes at least that often; if it comes much later, we were not running. */
#define TURN_MAX_US (500 * CLK_MS)
#define PAUSE_US (1500 * CLK_MS)
#define ACTIONS_MAX 8 /* rounds within one turn; the rest follows in the next */

static const struct sup_role roles[SUP_ROLES] = {
#define SUP_ROLE(index, name_, ipc_, conf_, waits_for_, stop_percent_) \
	[SUP_##index] = {.name = (name_),                              \
			 .ipc = (ipc_),                                \
			 .conf = (conf_),                              \
			 .waits_for = (waits_for_),                    \
			 .stop_percent = (stop_percent_)},
#include "children.def"
#undef SUP_ROLE
};

const struct sup_role *
sup_role_at(enum sup_role_index index)
{
	return &roles[index];
}

void
sup_turn_soon(struct sup *s)
{
	event_active(s->tick, EV_TIMEOUT, 0);
}

/* --- telling init ------------------------------------------------------------------------------------------------- */

static void
tell_status(struct sup *s)
{
	struct str_buf text = {0};
	size_t ready = 0;

	if (s->notify.fd < 0)
		return;
	for (size_t i = 0; i < s->n; i++)
		ready += s->lives[i].state == SUP_READY;
	str_buf_printf(&text, "%s%zu of %zu processes ready", s->stopping ? "stopping; " : "", ready, s->n);
	for (size_t i = 0; i < s->n; i++) {
		if (s->lives[i].state != SUP_READY)
			str_buf_printf(&text, "; %s %s", s->children[i].name, sup_state_name(s->lives[i].state));
	}
	sup_notify_status(&s->notify, str_buf_text(&text));
	str_buf_done(&text);
}

/* Once in a node's life, when everybody has been ready. */
static void
announce(struct sup *s)
{
	if (s->announced || !sup_life_all_ready(s->lives, s->n))
		return;
	s->announced = true;
	sup_notify_send(&s->notify, "READY=1");
	log_notice("node", "the node is ready"); /* tests: supervised.py */
}

static void
on_watchdog(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct sup *s = arg;

	if (sup_life_healthy(&s->setup->limits->times, s->lives, s->n, sup_now()))
		sup_notify_send(&s->notify, "WATCHDOG=1");
}

/* --- ends --------------------------------------------------------------------------------------------------------- */

void
sup_stop(struct sup *s, int exit_code)
{
	if (s->exit_code == 0)
		s->exit_code = exit_code;
	if (s->stopping)
		return;
	s->stopping = true;
	s->stop_began = sup_now();
	sup_notify_send(&s->notify, "STOPPING=1");
	sup_turn_soon(s);
}

/* As PID 1 of a container we inherit orphans: whoever is not ours is just reaped. */
static void
reap(struct sup *s)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (size_t i = 0; i < s->n; i++) {
			if (s->children[i].pid == pid) {
				sup_child_ended(&s->children[i], status);
				break;
			}
		}
	}
	sup_turn_soon(s);
}

/* --- turns -------------------------------------------------------------------------------------------------------- */

/* Does what is due; returns whether anything was. *next: when something will be. */
static bool
do_due(struct sup *s, struct mono now, struct mono *next)
{
	bool acted = false;

	*next = mono_add_us(now, TURN_MAX_US);
	for (size_t i = 0; i < s->n; i++) {
		struct sup_due d =
		    sup_life_due(&s->setup->limits->times, s->lives, s->n, i, s->stopping, s->stop_began);
		if (d.action == SUP_NOTHING)
			continue;
		if (mono_before(now, d.at)) {
			*next = mono_before(d.at, *next) ? d.at : *next;
			continue;
		}
		sup_child_do(&s->children[i], d.action, now);
		acted = true;
	}
	return acted;
}

static void
on_turn(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct sup *s = arg;
	struct mono now = sup_now(), next;
	int64_t since_us = mono_diff_us(now, s->last_step);

	s->last_step = now;
	if (since_us > PAUSE_US) {
		log_warning("node", "the supervisor was not running for %lld ms", (long long)(since_us / CLK_MS));
		sup_life_forgive(s->lives, s->n, since_us);
	}
	for (int i = 0; i < ACTIONS_MAX && do_due(s, now, &next); i++)
		;
	announce(s);
	tell_status(s);
	if (s->stopping && sup_life_all_over(s->lives, s->n)) {
		(void)event_base_loopbreak(s->base);
		return;
	}
	int64_t wait_us = max_i64(1000, mono_diff_us(next, now));
	struct timeval tv = clk_timeval(wait_us);
	ASSERT(event_add(s->tick, &tv) == 0);
}

/* --- signals ------------------------------------------------------------------------------------------------------ */

#define SAME_SIGNAL_MS 100

static void
on_stop_signal(struct sup *s, int signo)
{
	if (!s->stopping) {
		log_notice("node", "stopping: signal %d (%s)", signo, strsignal(signo));
		sup_stop(s, sup_is_command(s) ? PROC_EXIT_FAILED : PROC_EXIT_OK);
		return;
	}
	if (mono_diff_us(sup_now(), s->stop_began) < SAME_SIGNAL_MS * CLK_MS)
		return; /* sent to the process and to its group: timeout(1), some inits */
	log_warning("node", "stopping at once: second signal %d (%s)", signo, strsignal(signo));
	for (size_t i = 0; i < s->n; i++) {
		if (s->children[i].pid != 0)
			sup_child_kill(&s->children[i]);
	}
}

static void
on_signal(evutil_socket_t signo, short what UNUSED, void *arg)
{
	struct sup *s = arg;

	if (signo == SIGCHLD)
		reap(s);
	else if (signo == SIGHUP && !s->stopping && !sup_is_command(s))
		sup_reload_by_signal(s);
	else if (signo != SIGHUP)
		on_stop_signal(s, (int)signo);
}

/* --- setting up --------------------------------------------------------------------------------------------------- */

static void
add_children(struct sup *s, enum sup_role_index index, unsigned count)
{
	for (unsigned slot = 0; slot < count; slot++) {
		struct sup_child *c = &s->children[s->n];
		struct sup_life *l = &s->lives[s->n];

		*c = (struct sup_child){
		    .sup = s, .role = &roles[index], .slot = slot, .path = s->paths[index], .life = l};
		if (count == 1)
			(void)snprintf(c->name, sizeof(c->name), "%s", roles[index].name);
		else
			(void)snprintf(c->name, sizeof(c->name), "%s%u", roles[index].name, slot);
		*l = (struct sup_life){.group = (unsigned)index,
				       .waits_for = s->setup->apid_alone ? -1 : roles[index].waits_for,
				       .stop_percent = roles[index].stop_percent,
				       .start_at = sup_now()};
		s->n++;
	}
}

static int
set_children(struct sup *s, struct err *e)
{
	unsigned counts[SUP_ROLES] = {[SUP_RAFTD] = 1, [SUP_PROBER] = 1, [SUP_APID] = 1};

	if (s->setup->apid_alone)
		counts[SUP_RAFTD] = counts[SUP_PROBER] = 0;
	else if (!sup_is_command(s))
		counts[SUP_PROBER] = (unsigned)s->conf->ProberProcesses;
	s->probers = counts[SUP_PROBER];
	s->children = mem_calloc(s->probers + SUP_ROLES, sizeof(*s->children));
	s->lives = mem_calloc(s->probers + SUP_ROLES, sizeof(*s->lives));
	for (int i = 0; i < SUP_ROLES; i++) {
		if (counts[i] > 0 && sup_spawn_find(s->setup->program_dirs, roles[i].name, s->paths[i], e) != 0)
			return -e->code;
		add_children(s, (enum sup_role_index)i, counts[i]);
	}
	return 0;
}

static void
set_events(struct sup *s)
{
	static const int signos[SUP_SIGNALS] = {SIGCHLD, SIGTERM, SIGINT, SIGQUIT, SIGHUP};
	struct timeval tv = {0};

	s->base = event_base_new();
	ASSERT(s->base != NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < SUP_SIGNALS; i++) {
		s->signals[i] = evsignal_new(s->base, signos[i], on_signal, s);
		ASSERT(s->signals[i] != NULL && event_add(s->signals[i], NULL) == 0);
	}
	s->tick = evtimer_new(s->base, on_turn, s);
	s->watchdog = event_new(s->base, -1, EV_PERSIST, on_watchdog, s);
	ASSERT(s->tick != NULL && s->watchdog != NULL);
	if (s->notify.watchdog_us > 0) {
		tv.tv_sec = s->notify.watchdog_us / 2 / CLK_S;
		tv.tv_usec = s->notify.watchdog_us / 2 % CLK_S;
		ASSERT(event_add(s->watchdog, &tv) == 0);
	}
}

static int
set_up(struct sup *s, struct err *e)
{
	if (sup_notify_open(&s->notify, &s->setup->notify, e) != 0)
		log_warning("node", "init is not told anything: %s", e->msg);
	str_random_hex(s->node_token, 32);
	if (gethostname(s->hostname, sizeof(s->hostname) - 1) != 0)
		return err_set(e, ERR_IO, "this machine has no host name");
	s->last_step = sup_now();
	set_events(s);
	return set_children(s, e);
}

static void
free_events(struct sup *s)
{
	for (size_t i = 0; i < SUP_SIGNALS; i++)
		event_free(s->signals[i]);
	event_free(s->tick);
	event_free(s->watchdog);
	event_base_free(s->base);
	libevent_global_shutdown();
}

int
sup_run(const struct sup_setup *setup)
{
	struct sup s = {.setup = setup, .conf = conf_ref(setup->conf)};
	struct err e;

	if (set_up(&s, &e) == 0) {
		sup_turn_soon(&s);
		ASSERT(event_base_dispatch(s.base) == 0);
	} else {
		log_error("node", "%s", e.msg);
		s.exit_code = PROC_EXIT_CONFIG;
	}
	if (s.base != NULL)
		free_events(&s);
	sup_notify_close(&s.notify);
	free(s.children);
	free(s.lives);
	conf_unref(s.conf);
	return s.exit_code;
}
