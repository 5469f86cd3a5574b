/* sim_net.c — rn_net.h between simulated nodes: dialling, hellos and refusals (the real rn_hello_check), frames with
 * delay, and everything that can happen to them. A pair has one connection; each side learns on its own when it is up
 * and when it is lost. Worse than TCP on purpose: frames of raft and health may be lost, doubled and overtaken within a
 * living connection; a lost piece of a snapshot breaks it. Owns struct rn_net. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "sim.h"

#define SILENCE_US (1500 * CLK_MS)
#define ROOM_BYTES ((size_t)1 << 20)

struct side {
	bool listed, up;
	uint64_t conn; /* as this side knows it */
	struct rn_hello hello;
	bool has_hello;
	bool dialling; /* an attempt is due */
	int64_t pause_us;
	uint64_t ups;
};

struct rn_net {
	struct sim_node *node;
	struct rn_net_conf conf;
	struct rn_hello hello;
	uint64_t hellos;
	bool has_hello, open;
	struct side side[SIM_NODES_MAX];
};

static struct {
	uint64_t conn[SIM_NODES_MAX][SIM_NODES_MAX]; /* symmetric; 0: none */
	int64_t last[SIM_NODES_MAX][SIM_NODES_MAX];  /* arrival of the newest frame */
	uint64_t conns;
} wire;

void
sim_net_init(void)
{
	memset(&wire, 0, sizeof(wire));
}

static struct rn_net *
net_of(const struct sim_node *n)
{
	return n->up && n->node.group != NULL ? n->node.group->net : NULL;
}

/* --- connections --- */
static void say_hello(struct rn_net *net, size_t peer);
static void dial_later(struct rn_net *net, size_t peer, int64_t us);

static void
went_down(struct rn_net *net, size_t peer, const char *why)
{
	struct side *s = &net->side[peer];

	if (!s->up)
		return;
	s->up = false;
	sim_trace("connection with n%zu lost: %s", peer, why);
	net->conf.on_down(net->conf.ctx, sim.nodes[peer].name, why);
	s->pause_us = 0;
	dial_later(net, peer, sim_between(20, 50) * CLK_MS);
}

struct turn { /* one side learns something of a connection */
	struct sim_node *node;
	size_t peer;
	uint64_t conn;
	struct rn_hello hello;
	uint64_t told; /* number of its own hello that the other side has */
	char why[48];
};

static void
turn_free(void *arg)
{
	struct turn *t = arg;

	rec_done(&rn_hello_desc, &t->hello);
	free(t);
}

static struct turn *
turn_new(struct sim_node *n, size_t peer, uint64_t conn)
{
	struct turn *t = mem_new(struct turn);

	t->node = n;
	t->peer = peer;
	t->conn = conn;
	rec_init(&rn_hello_desc, &t->hello);
	return t;
}

static void
on_turn_down(void *arg)
{
	struct turn *t = arg;
	struct rn_net *net = net_of(t->node);

	if (net != NULL && net->side[t->peer].conn == t->conn)
		went_down(net, t->peer, t->why);
	turn_free(t);
}

static void
on_turn_up(void *arg)
{
	struct turn *t = arg;
	struct rn_net *net = net_of(t->node);
	uint64_t told;
	struct side *s;

	if (net == NULL || wire.conn[t->node->i][t->peer] != t->conn) {
		if (net != NULL)
			dial_later(net, t->peer, sim_between(20, 50) * CLK_MS); /* it was lost during the handshake */
		turn_free(t);
		return;
	}
	went_down(net, t->peer, "replaced by a new one");
	s = &net->side[t->peer];
	s->up = true;
	s->ups++;
	s->conn = t->conn;
	s->pause_us = 0;
	rec_done(&rn_hello_desc, &s->hello);
	s->hello = t->hello;
	s->has_hello = true;
	rec_init(&rn_hello_desc, &t->hello);
	told = t->told;
	turn_free(t);
	if (told != net->hellos)
		say_hello(net, (size_t)(s - net->side)); /* it has changed during the handshake */
	net->conf.on_up(net->conf.ctx, sim.nodes[s - net->side].name, &s->hello);
}

/* The connection is gone; who can hear of it does so at once, others by silence. */
static void
lose(size_t a, size_t b, const char *why)
{
	size_t ends[2] = {a, b};

	if (wire.conn[a][b] == 0)
		return;
	for (size_t i = 0; i < 2; i++) {
		struct sim_node *n = &sim.nodes[ends[i]];
		size_t peer = ends[1 - i];
		struct turn *t = turn_new(n, peer, wire.conn[a][b]);
		int64_t us = sim_between(50, 2000);

		if (sim.cut[peer][n->i])
			us = SILENCE_US + sim_between(0, 300 * CLK_MS);
		(void)snprintf(t->why, sizeof(t->why), "%s", why);
		sim_after(us, n, on_turn_down, turn_free, t);
	}
	wire.conn[a][b] = wire.conn[b][a] = 0;
}

void
sim_net_break(size_t a, size_t b, const char *why)
{
	lose(a, b, why);
}

void
sim_net_killed(struct sim_node *n)
{
	for (size_t i = 0; i < sim.n; i++)
		lose(n->i, i, "the other process has ended");
}

/* --- silence: a cut or a stopped peer is noticed after a while --- */
static void
on_silence(void *arg)
{
	struct turn *t = arg;
	size_t a = t->node->i, b = t->peer;
	bool deaf = (sim.cut[b][a] && !sim.silent_cut[b][a]) || sim.nodes[b].paused_until > sim.now;

	if (wire.conn[a][b] == t->conn && t->conn != 0 && deaf) {
		sim.cur = NULL;
		lose(a, b, "nothing was heard for too long");
	}
	turn_free(t);
}

static void
listen_for_silence(size_t at, size_t from)
{
	if (wire.conn[at][from] != 0)
		sim_after(SILENCE_US + sim_between(0, 300 * CLK_MS), &sim.nodes[at], on_silence, turn_free,
			  turn_new(&sim.nodes[at], from, wire.conn[at][from]));
}

void
sim_net_cut(size_t from, size_t to, bool silent)
{
	if (from == to)
		return;
	sim.cut[from][to] = true;
	sim.silent_cut[from][to] = silent;
	listen_for_silence(to, from);
}

void
sim_net_paused(struct sim_node *n)
{
	for (size_t i = 0; i < sim.n; i++)
		listen_for_silence(i, n->i);
}

void
sim_net_heal(void)
{
	memset(sim.cut, 0, sizeof(sim.cut));
	memset(sim.silent_cut, 0, sizeof(sim.silent_cut));
}

/* --- dialling --- */
static enum rn_refuse
judge(const struct rn_net *net, const struct rn_net *other)
{
	char text[RN_TEXT_BYTES];
	const struct side *s = &net->side[other->node->i];
	enum rn_refuse why = rn_hello_check(&net->hello, &other->hello, text);

	if (why == RN_ACCEPT && !s->listed && !net->open)
		why = RN_REFUSE_MEMBER;
	return why;
}

/* net has dialled other. Whoever refuses knows the other's hello. */
static bool
are_refused(struct rn_net *net, struct rn_net *other)
{
	enum rn_refuse why = judge(other, net);
	bool by_other = why != RN_ACCEPT;

	if (!by_other)
		why = judge(net, other);
	if (why == RN_ACCEPT)
		return false;
	if (net->side[other->node->i].pause_us < 100 * CLK_MS)
		sim_trace("n%zu is refused: %s", other->node->i, rn_refuse_name(why));
	net->conf.on_refused(net->conf.ctx, other->node->name, why, by_other ? NULL : &other->hello);
	return true;
}

static void
connect_both(struct rn_net *net, struct rn_net *other)
{
	struct rn_net *ends[2] = {net, other};

	wire.conn[net->node->i][other->node->i] = wire.conn[other->node->i][net->node->i] = ++wire.conns;
	for (size_t i = 0; i < 2; i++) {
		struct turn *t = turn_new(ends[i]->node, ends[1 - i]->node->i, wire.conns);
		rec_dup(&rn_hello_desc, &t->hello, &ends[1 - i]->hello);
		t->told = ends[i]->hellos;
		sim_after(sim.net_us + sim_between(10, 3000), t->node, on_turn_up, turn_free, t);
	}
}

static void
on_dial(void *arg)
{
	struct turn *t = arg;
	struct rn_net *net = net_of(t->node), *other = net_of(&sim.nodes[t->peer]);
	size_t a = t->node->i, b = t->peer;

	turn_free(t);
	if (net == NULL || !net->side[b].dialling)
		return;
	net->side[b].dialling = false;
	if (!net->side[b].listed || net->side[b].up || !net->has_hello)
		return;
	if (wire.conn[a][b] == 0 && other != NULL && other->has_hello && !sim_dead(other->node) &&
	    other->node->paused_until <= sim.now && !sim.cut[a][b] && !sim.cut[b][a] && !are_refused(net, other)) {
		connect_both(net, other);
		return;
	}
	net->side[b].pause_us = min_i64(CLK_S, max_i64(20 * CLK_MS, 2 * net->side[b].pause_us));
	dial_later(net, b, net->side[b].pause_us);
}

static void
dial_later(struct rn_net *net, size_t peer, int64_t us)
{
	struct side *s = &net->side[peer];

	if (s->dialling || s->up || !s->listed || !net->has_hello)
		return;
	s->dialling = true;
	sim_after(us, net->node, on_dial, turn_free, turn_new(net->node, peer, 0));
}

/* --- frames --- */
struct frame {
	size_t from, to;
	uint64_t conn;
	enum rn_channel channel;
	bool control; /* a new hello */
	struct rn_hello hello;
	void *bytes;
	size_t n;
};

static void
frame_free(void *arg)
{
	struct frame *f = arg;

	rec_done(&rn_hello_desc, &f->hello);
	free(f->bytes);
	free(f);
}

static void
take_hello(struct rn_net *net, struct frame *f)
{
	struct side *s = &net->side[f->from];
	char text[RN_TEXT_BYTES];

	rec_assign(&rn_hello_desc, &s->hello, &f->hello);
	if (rn_hello_check(&net->hello, &s->hello, text) != RN_ACCEPT)
		lose(f->from, f->to, "refused by a new hello");
	else
		net->conf.on_hello(net->conf.ctx, sim.nodes[f->from].name, &s->hello);
}

static void
on_frame(void *arg)
{
	struct frame *f = arg;
	struct rn_net *net = net_of(&sim.nodes[f->to]);

	if (net != NULL && wire.conn[f->from][f->to] == f->conn && net->side[f->from].conn != f->conn) {
		/* this side is about to hear of the connection: what comes through it waits */
		sim_after(100, &sim.nodes[f->to], on_frame, frame_free, f);
		return;
	}
	if (net != NULL && net->side[f->from].up && net->side[f->from].conn == f->conn && !sim.cut[f->from][f->to]) {
		if (f->control)
			take_hello(net, f);
		else
			net->conf.on_message(net->conf.ctx, sim.nodes[f->from].name, f->channel, f->bytes, f->n);
	}
	frame_free(f);
}

static struct frame *
frame_copy(const struct frame *f)
{
	struct frame *copy = mem_dup(f, sizeof(*f));

	copy->bytes = mem_dup(f->bytes, f->n);
	rec_dup(&rn_hello_desc, &copy->hello, &f->hello);
	return copy;
}

static void
post(struct frame *f)
{
	int64_t at = sim.now + sim.net_us / 2 + sim_between(10, sim.net_us + 10);
	bool loose = !f->control && (f->channel == RN_CHANNEL_RAFT || f->channel == RN_CHANNEL_HEALTH);
	bool lost = sim_chance((unsigned)sim.loss);

	if (wire.conn[f->from][f->to] != f->conn || sim.cut[f->from][f->to] || (loose && lost)) {
		if (loose && lost)
			sim_count(SIM_LOSE);
		frame_free(f);
		return;
	}
	if (f->channel == RN_CHANNEL_SNAPSHOT && lost && sim_chance(200)) {
		sim_count(SIM_BREAK);
		lose(f->from, f->to, "broken in the middle of a snapshot");
		frame_free(f);
		return;
	}
	if (loose && sim_chance((unsigned)sim.duplicate)) {
		sim_count(SIM_DUPLICATE);
		sim_at(at + sim_between(0, 20 * CLK_MS), &sim.nodes[f->to], on_frame, frame_free, frame_copy(f));
	}
	if (loose && sim_chance((unsigned)sim.reorder)) {
		bool long_way = sim_chance(100);
		at += sim_between(1, long_way ? 400 * CLK_MS : 5 * CLK_MS);
		sim_count(long_way ? SIM_DELAY : SIM_REORDER);
	} else {
		at = max_i64(at, wire.last[f->from][f->to] + 1);
		wire.last[f->from][f->to] = at;
	}
	sim_at(at, &sim.nodes[f->to], on_frame, frame_free, f);
}

static void
say_hello(struct rn_net *net, size_t peer)
{
	struct frame f = {.from = net->node->i, .to = peer, .conn = net->side[peer].conn, .control = true, .bytes = ""};

	f.hello = net->hello;
	if (!sim_dead(net->node))
		post(frame_copy(&f));
}

/* --- rn_net.h --- */
int
rn_net_open(struct event_base *base UNUSED, const struct rn_net_conf *conf, struct rn_net **ret_net,
	    struct err *e UNUSED)
{
	struct rn_net *net = mem_new(struct rn_net);

	net->node = sim.cur;
	net->conf = *conf;
	rec_init(&rn_hello_desc, &net->hello);
	for (size_t i = 0; i < SIM_NODES_MAX; i++)
		rec_init(&rn_hello_desc, &net->side[i].hello);
	*ret_net = net;
	return 0;
}

void
rn_net_close(struct rn_net *net)
{
	if (net == NULL)
		return;
	rec_done(&rn_hello_desc, &net->hello);
	for (size_t i = 0; i < SIM_NODES_MAX; i++)
		rec_done(&rn_hello_desc, &net->side[i].hello);
	free(net);
}

static bool
is_named(const char *name, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(names[i], name) == 0)
			return true;
	}
	return false;
}

static void
drop_strangers(struct rn_net *net)
{
	for (size_t i = 0; i < sim.n; i++) {
		if (net->side[i].up && !net->side[i].listed && !net->open)
			lose(net->node->i, i, "not in the membership");
	}
}

int
rn_net_set_peers(struct rn_net *net, const char *const *names, size_t n, struct err *e UNUSED)
{
	for (size_t i = 0; i < sim.n; i++) {
		struct side *s = &net->side[i];
		bool listed = i != net->node->i && is_named(sim.nodes[i].name, names, n);
		if (listed && !s->listed)
			s->pause_us = 0;
		s->listed = listed;
		if (listed)
			dial_later(net, i, sim_between(1, 20) * CLK_MS);
	}
	drop_strangers(net);
	return 0;
}

void
rn_net_set_open(struct rn_net *net, bool open)
{
	net->open = open;
	drop_strangers(net);
}

int
rn_net_set_hello(struct rn_net *net, const struct rn_hello *hello, struct err *e UNUSED)
{
	struct rn_hello said = *hello;

	said.protocol = RN_PROTOCOL;
	said.protocol_min = RN_PROTOCOL_MIN;
	said.instance = net->node->life * SIM_NODES_MAX + net->node->i + 1;
	rec_assign(&rn_hello_desc, &net->hello, &said);
	net->hellos++;
	for (size_t i = 0; i < sim.n; i++) {
		if (!net->has_hello && net->side[i].listed) {
			net->has_hello = true;
			dial_later(net, i, sim_between(1, 20) * CLK_MS);
			net->has_hello = false;
		}
		if (net->side[i].up)
			say_hello(net, i);
	}
	net->has_hello = true;
	return 0;
}

int
rn_net_reload_tls(struct rn_net *net UNUSED, const struct rn_tls_conf *tls UNUSED, struct err *e UNUSED)
{
	return 0;
}

int
rn_net_send(struct rn_net *net, const char *peer, enum rn_channel channel, const void *p, size_t n, struct err *e)
{
	struct sim_node *to = sim_node_named(peer);
	struct frame *f;

	if (to == NULL || !net->side[to->i].up)
		return err_set(e, ERR_IPC_DOWN, "%s is not connected", peer);
	if (sim_dead(net->node))
		return 0;
	f = mem_new(struct frame);
	f->from = net->node->i;
	f->to = to->i;
	f->conn = net->side[to->i].conn;
	f->channel = channel;
	rec_init(&rn_hello_desc, &f->hello);
	f->bytes = mem_dup(p, n);
	f->n = n;
	post(f);
	(void)sim_point(net->node, SIM_AT_SENT);
	return 0;
}

size_t
rn_net_room(const struct rn_net *net, const char *peer, enum rn_channel channel UNUSED)
{
	return rn_net_is_up(net, peer) ? ROOM_BYTES : 0;
}

bool
rn_net_is_up(const struct rn_net *net, const char *peer)
{
	const struct sim_node *n = sim_node_named(peer);

	return n != NULL && net->side[n->i].up;
}

const struct rn_hello *
rn_net_hello(const struct rn_net *net, const char *peer)
{
	const struct sim_node *n = sim_node_named(peer);

	return n != NULL && net->side[n->i].has_hello ? &net->side[n->i].hello : NULL;
}

struct rn_net_stats
rn_net_stats(const struct rn_net *net UNUSED)
{
	return (struct rn_net_stats){0};
}

size_t
rn_net_peers(const struct rn_net *net, struct rn_peer_status *ret, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < sim.n && n < max; i++) {
		const struct side *s = &net->side[i];
		if (s->listed || s->up)
			ret[n++] = (struct rn_peer_status){
			    .name = sim.nodes[i].name, .listed = s->listed, .up = s->up, .address = "", .trouble = ""};
	}
	return n;
}
