/* sim_node.c — the life of a simulated process: what stands around raftd/group in a real one (libevent's timers, proc.h,
 * apid's answers, the rest of struct rd_node), starting, killing, stopping. A kill in the middle of a callback can't
 * unwind the stack: from that point on the process is *dying*, nothing it does leaves it, and when the callback returns
 * its memory is freed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "group/rd_group.h"
#include "sim_topo.h"
#include "rd_recoveries.h"
#include "state/rd_propose_raft.h"

#define TICK_US (250 * CLK_MS)

struct event {
	struct sim_node *node;
	event_callback_fn run;
	void *ctx;
	int64_t due;   /* true time; 0: not armed */
	unsigned refs; /* the owner's, and of events under way */
};

/* --- libevent --- */
struct event *
event_new(struct event_base *base UNUSED, evutil_socket_t fd UNUSED, short what UNUSED, event_callback_fn run,
	  void *ctx)
{
	struct event *ev = mem_new(struct event);

	ev->node = sim.cur;
	ev->run = run;
	ev->ctx = ctx;
	ev->refs = 1;
	return ev;
}

static void
unref(void *arg)
{
	struct event *ev = arg;

	if (--ev->refs == 0)
		free(ev);
}

void
event_free(struct event *ev)
{
	ev->run = NULL;
	unref(ev);
}

static void
on_timer(void *arg)
{
	struct event *ev = arg;
	bool due = ev->run != NULL && ev->due != 0 && ev->due <= sim.now;

	if (due) {
		ev->due = 0;
		ev->run(-1, EV_TIMEOUT, ev->ctx);
	}
	unref(ev);
}

int
event_add(struct event *ev, const struct timeval *tv)
{
	struct sim_node *n = ev->node;
	int64_t us = min_i64((int64_t)tv->tv_sec, 24 * 3600) * CLK_S + tv->tv_usec; /* never: beyond any run */
	int64_t due = sim_true_us(n, mono_add_us(sim_local(n), us));

	/* the loop wakes up a little late, never early */
	due += 10;
	if (ev->due == due)
		return 0;
	ev->due = due;
	ev->refs++;
	sim_at(due, n, on_timer, unref, ev);
	return 0;
}

void
event_active(struct event *ev, int what UNUSED, short ncalls UNUSED)
{
	static const struct timeval now = {0, 0};

	(void)event_add(ev, &now);
}

int
event_pending(const struct event *ev, short what UNUSED, struct timeval *ret_due UNUSED)
{
	return ev->due != 0;
}

/* --- proc.h --- */
const struct conf *
proc_conf(struct proc *p)
{
	return &p->node->conf;
}

const struct ipc_child_config *
proc_setup(struct proc *p)
{
	return &p->node->setup;
}

void
proc_ready(struct proc *p UNUSED, const char *what UNUSED)
{
}

int
proc_code(const struct proc *p)
{
	return p->node->exit_code < 0 ? 0 : p->node->exit_code;
}

void
proc_fail(struct proc *p, int code, const struct err *e)
{
	sim_trace("ends with code %d: %s", code, e->msg);
	if (p->node->exit_code < 0)
		p->node->exit_code = code;
}

/* --- the rest of rd_node --- */
void
rd_publish_state(struct rd_node *n UNUSED)
{
}

/* --- apid: what it answers to leader-check follows from the newest LEASE that has reached it --- */
struct told {
	struct sim_node *node;
	uint64_t life, boots;
	bool leads;
	uint64_t term, seq;
	struct mono end;
};

static void
on_lease_seen(void *arg)
{
	struct told *t = arg;

	rd_group_lease_seen(t->node->node.group, t->seq);
	free(t);
}

static void
on_lease(void *arg)
{
	struct told *t = arg;
	struct sim_node *n = t->node;
	bool led = n->apid_leads;

	if (t->boots != n->boots) {
		free(t);
		return;
	}
	n->apid_leads = t->leads;
	if (t->leads) {
		sim_check_lease(n, t->term, t->end);
		free(t);
		return;
	}
	n->promised = RD_NEVER;
	if (led && n->up && n->life == t->life)
		sim_after(sim_between(20, 2000), n, on_lease_seen, free, t);
	else
		free(t);
}

void
rd_house_wake(struct rd_node *n UNUSED)
{
}

uint64_t
rd_publish_lease(struct rd_node *n, bool leads, uint64_t term, struct mono lease_end, struct mono quorum_until UNUSED)
{
	struct sim_node *node = n->proc->node;
	struct told *t = mem_new(struct told);
	bool slow = sim_chance(20);

	*t = (struct told){node, node->life, node->boots, leads, term, ++n->published, lease_end};
	node->apid_hears_at =
	    max_i64(node->apid_hears_at + 1, sim.now + (slow ? sim_between(1, 300) * CLK_MS : sim_between(20, 2000)));
	if (sim_dead(node) || sim_stranger(node))
		free(t);
	else
		sim_at(node->apid_hears_at, NULL, on_lease, free, t);
	return n->published;
}

void
rd_reply_ok(struct rd_node *n UNUSED, struct rd_req req UNUSED, uint64_t index UNUSED,
	    const struct topo_key_list *keys UNUSED, const struct topo_instance *inst UNUSED)
{
}

void
rd_reply_message(struct rd_node *n UNUSED, struct rd_req req UNUSED, uint64_t index UNUSED, const char *message UNUSED)
{
}

void
rd_reply_error(struct rd_node *n UNUSED, struct rd_req req UNUSED, const struct err *e)
{
	sim_trace("answers an operator: %s", e->msg);
}

void
rd_discover_name(struct rd_node *n UNUSED, const struct topo_key *key UNUSED, bool seed UNUSED)
{
}

static void
on_applied(void *ctx, const struct rd_applied *a)
{
	struct rd_node *n = ctx;

	for (size_t i = 0; i < a->n_effects; i++) {
		if (a->effects[i].kind != RD_EFFECT_KNOWN && a->effects[i].kind != RD_EFFECT_FORGOTTEN)
			rd_group_effect(n->group, a, &a->effects[i]);
	}
	if (n->recoveries == NULL)
		return;
	sim_topo_check_applied(n->proc->node, a);
	rd_recoveries_applied(n->recoveries, a);
}

static void
on_committed(void *ctx UNUSED, const struct rd_applied *a UNUSED)
{
}

static void
on_reloaded(void *ctx UNUSED)
{
}

static void
on_backend(void *ctx UNUSED, const struct rd_job *job UNUSED)
{
}

void
rd_node_become_active(struct rd_node *n, const struct rd_raft_door *raft, struct rd_state *state, bool view_fits)
{
	struct rd_proposer_conf pc = {.view = n->view,
				      .clock = n->clock,
				      .originator = proc_setup(n->proc)->hostname,
				      .ctx = n,
				      .on_applied = on_applied,
				      .on_committed = on_committed,
				      .on_reloaded = on_reloaded,
				      .on_backend = on_backend};

	sim_check_state(n->proc->node, state, view_fits ? "backend" : "snapshot");
	n->decide = rd_proposer_new_raft(&pc, raft, state, view_fits);
	rd_loaded_free(n->loading);
	n->loading = NULL;
	n->health.open = true;
}

/* --- periodic work: rd_periodic.def --- */
struct rd_lives
rd_house_lives(const struct rd_node *n UNUSED)
{
	return (struct rd_lives){.candidate_us = 3600 * CLK_S,
				 .pool_us = 20 * CLK_S,
				 .unresolve_us = 30 * CLK_S,
				 .uid_us = 24 * 3600 * CLK_S};
}

static void
expire(struct sim_node *n)
{
	struct rd_lives lives = rd_house_lives(&n->node);
	struct rd_proposer *p = n->node.decide;
	struct rd_cmd_tick tick;
	struct err e;

	if (rd_proposer_stats(p).pending == 0 && rd_group_leads(n->node.group) &&
	    rd_tick_due(rd_proposer_state(p), clk_wall(&n->clock).us, &lives, &tick) &&
	    rd_propose_tick(p, &tick, NULL, NULL, &e) != 0)
		sim_trace("not expired: %s", e.msg);
}

static void
on_tick(void *arg)
{
	struct sim_node *n = arg;

	sim_after(TICK_US, n, on_tick, NULL, n);
	rd_group_tick(n->node.group);
	if (!sim_dead(n) && n->node.decide != NULL && sim_chance(250))
		expire(n);
	if (!sim_dead(n))
		sim_brain_tick(n);
}

static void
on_ask_health(void *arg)
{
	struct sim_node *n = arg;

	sim_after(10 * CLK_S, n, on_ask_health, NULL, n);
	rd_group_ask_health(n->node.group);
}

static void
on_backend_open(void *arg)
{
	struct sim_node *n = arg;

	n->node.loading = sim_view_load(n);
	rd_group_backend_read(n->node.group);
}

/* --- life --- */
static struct mono
read_mono(struct clock *c)
{
	return sim_local((const struct sim_node *)(void *)((char *)c - offsetof(struct sim_node, clock)));
}

static struct wall
read_wall(struct clock *c)
{
	const struct sim_node *n = (const struct sim_node *)(void *)((char *)c - offsetof(struct sim_node, clock));

	return (struct wall){INT64_C(1700000000) * CLK_S + sim.now + n->wall_offset_us};
}

static void
configure(struct sim_node *n, bool lone)
{
	struct conf *c = &n->conf;

	if (topo.on)
		sim_brain_configure(n);
	c->RaftBind = n->bind;
	c->RaftAdvertise = n->name;
	c->DefaultRaftPort = 10008;
	c->RaftDataDir = "/"; /* it is there; nothing is written */
	c->RaftElectionTimeoutMilliseconds = SIM_ELECTION_MS;
	c->RaftHeartbeatMilliseconds = SIM_HEARTBEAT_MS;
	c->HTTPAdvertise = c->RaftTLSCAFile = c->RaftTLSCertFile = c->RaftTLSKeyFile = "";
	c->ListenAddress = ":3000";
	for (size_t i = 0; i < sim.founders; i++)
		n->node_names[i] = sim.nodes[i].name;
	c->RaftNodes.v = n->node_names;
	c->RaftNodes.n = lone ? 0 : sim.founders;
	n->setup.hostname = n->name;
}

void
sim_node_init(struct sim_node *n, size_t i, bool spare, bool lone)
{
	memset(n, 0, sizeof(*n));
	n->i = i;
	n->spare = spare;
	n->wanted = !spare;
	(void)snprintf(n->name, sizeof(n->name), "n%zu:10008", i);
	(void)snprintf(n->bind, sizeof(n->bind), "0.0.0.0:10008");
	n->clock = (struct clock){read_mono, read_wall};
	n->rate = 1000;
	n->local_us = sim_between(1, 1000000) * CLK_MS;
	n->wall_offset_us = sim_between(-2000, 2000) * CLK_MS;
	n->disk.latency_us = 300;
	n->disk.read_us = 300;
	n->disk.first = 1;
	n->backend.latency_us = 400;
	n->promised = RD_NEVER;
	n->exit_code = -1;
	configure(n, lone);
}

void
sim_node_done(struct sim_node *n)
{
	if (n->up)
		sim_node_kill(n, "the run is over");
	sim_disk_done(&n->disk);
	rd_state_free(n->backend.rows);
}

void
sim_node_start(struct sim_node *n)
{
	struct sim_node *outer = sim.cur;
	struct err e;
	int code;

	if (n->up)
		return;
	sim.cur = n;
	n->up = true;
	n->dying = false;
	n->exit_code = -1;
	n->paused_until = 0;
	n->life++;
	sim_trace("process %llu starts", (unsigned long long)n->life);
	memset(&n->node, 0, sizeof(n->node));
	n->proc.node = n;
	n->node.proc = &n->proc;
	n->node.clock = &n->clock;
	TAILQ_INIT(&n->node.waiters);
	n->node.apid_door.link = (struct ipc_link *)(void *)n; /* it is there; nothing looks inside */
	sim_view_new(n);
	if (topo.on)
		sim_brain_start(n);
	if (rd_group_start(&n->node, &n->node.group, &code, &e) != 0) {
		sim_fail("n%zu cannot start: %s", n->i, e.msg);
	} else {
		sim_after(sim_between(200, 20 * CLK_MS), n, on_backend_open, NULL, n);
		sim_after(sim_between(1000, TICK_US), n, on_tick, NULL, n);
		sim_after(sim_between(CLK_S, 10 * CLK_S), n, on_ask_health, NULL, n);
	}
	sim.cur = outer;
}

void
sim_node_kill(struct sim_node *n, const char *why)
{
	struct sim_node *outer = sim.cur;

	if (!n->up)
		return;
	sim.cur = n;
	sim_trace("process %llu ends: %s", (unsigned long long)n->life, why);
	n->dying = true;
	sim_net_killed(n);
	rd_view_free(n->node.view, 0);
	rd_group_free(n->node.group);
	rd_loaded_free(n->node.loading);
	rd_proposer_free(n->node.decide);
	rd_waiters_done(&n->node);
	sim_brain_end(n);
	memset(&n->node, 0, sizeof(n->node));
	n->up = false;
	n->dying = false;
	n->paused_until = 0;
	sim.cur = outer;
}

static void
on_view_stopped(void *ctx)
{
	struct rd_node *n = ctx;

	n->proc->node->exit_code = 0;
}

static void
on_group_stopped(struct rd_node *n)
{
	n->stopping = true;
	rd_view_stop(n->view, on_view_stopped, n);
}

void
sim_node_stop(struct sim_node *n)
{
	sim.cur = n;
	sim_trace("SIGTERM");
	rd_group_stop(n->node.group, 2 * CLK_S, on_group_stopped);
	sim.cur = NULL;
	if (n->dying)
		sim_node_kill(n, "killed there");
}

bool
sim_dead(const struct sim_node *n)
{
	return !n->up || n->dying;
}

bool
sim_point(struct sim_node *n, enum sim_point p)
{
	static const char *const texts[] = {
#define SIM_POINT(NAME, what) what,
#include "sim_points.def"
#undef SIM_POINT
	};

	if (sim_dead(n))
		return true;
	if (sim.armed[p] == 0 || sim_stranger(n) || --sim.armed[p] > 0)
		return false;
	sim.points[p]++;
	sim_count(SIM_CRASH_AT);
	n->dying = true;
	sim_trace("killed %s", texts[p]);
	return true;
}

/* A lone spare has a group of its own until it is adopted: none of the group's business. */
bool
sim_stranger(const struct sim_node *n)
{
	const struct rd_group *g = n->up ? n->node.group : NULL;

	return n->spare && (g != NULL ? g->identity.founded : n->disk.lineage != 0 && n->disk.identity.founded);
}

struct rd_raft *
sim_raft(struct sim_node *n)
{
	return sim_dead(n) || n->node.group == NULL || n->node.group->phase != RD_PHASE_MEMBER ? NULL
											       : n->node.group->raft;
}

struct sim_node *
sim_leader(void)
{
	for (size_t i = 0; i < sim.n; i++) {
		struct sim_node *n = &sim.nodes[i];
		if (sim_raft(n) != NULL && !sim_stranger(n) && n->paused_until <= sim.now &&
		    mono_before(sim_local(n), n->promised))
			return n;
	}
	return NULL;
}

struct sim_node *
sim_node_named(const char *name)
{
	for (size_t i = 0; i < sim.n; i++) {
		if (strcmp(sim.nodes[i].name, name) == 0)
			return &sim.nodes[i];
	}
	return NULL;
}
