/* link.c — what both transports share: envelope, HELLO, generations, dispatch, bounded out-queue. Runs in the owner's
 * loop. */
#include "ipc/link.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "ipc/link_private.h"

#define OUT_MAX_DEFAULT ((size_t)32 << 20)

/* HELLO is the link's own message and stands in no table. */
#define HELLO_FIELDS(F)   \
	F(U64, pid, _, 0) \
	F(U64, knows_generation, _, 0, .doc = "of yours; 0 = I have not heard you yet")
REC_DECLARE(ipc_hello, HELLO_FIELDS);
#define REC_SELF struct ipc_hello
REC_DEFINE(ipc_hello, HELLO_FIELDS);
#undef REC_SELF

static void
release(struct ipc_link *l)
{
	struct ipc_frame *f;

	while ((f = STAILQ_FIRST(&l->out)) != NULL) {
		STAILQ_REMOVE_HEAD(&l->out, next);
		free(f);
	}
	if (l->tick != NULL)
		event_free(l->tick);
	mem_arena_done(&l->arena);
	codec_out_done(&l->scratch);
	free(l->name);
	free(l);
}

void
ipc_link_close(struct ipc_link *l)
{
	if (l == NULL || l->closing)
		return;
	l->closing = true;
	l->up = false;
	l->transport->close(l);
	if (l->in_use == 0)
		release(l);
}

/* Pairs with l->in_use++: a link closed inside its own handler is freed by the outermost user. */
void
ipc_link_leave(struct ipc_link *l)
{
	l->in_use--;
	if (l->closing && l->in_use == 0)
		release(l);
}

static void
clear_queue(struct ipc_link *l)
{
	struct ipc_frame *f;

	while ((f = STAILQ_FIRST(&l->out)) != NULL) {
		STAILQ_REMOVE_HEAD(&l->out, next);
		free(f);
	}
	l->stats.queued_bytes = 0;
	l->transport->want_send(l, false);
}

static void
go_down(struct ipc_link *l, const char *why)
{
	if (!l->up)
		return;
	log_debug("ipc", "link is down (%s) link=%s generation=%llu peer=%llu", why, l->name,
		  (unsigned long long)l->conf.generation,
		  (unsigned long long)l->peer_generation); /* tests: test_links.py */
	l->up = false;
	l->peer_generation = 0;
	l->stats.downs++;
	clear_queue(l);
	if (l->conf.on_down != NULL)
		l->conf.on_down(l->conf.ctx, l, why);
}

static void
note_peer(struct ipc_link *l, uint32_t role, uint64_t generation)
{
	l->up = l->met = true;
	l->peer_role = role;
	l->peer_generation = generation;
	l->stats.ups++;
	log_debug("ipc", "link is up link=%s generation=%llu peer=%llu", l->name,
		  (unsigned long long)l->conf.generation, (unsigned long long)generation); /* tests: test_links.py */
}

static void
tell_up(struct ipc_link *l)
{
	if (!l->closing && l->conf.on_up != NULL)
		l->conf.on_up(l->conf.ctx, l);
}

/* Bad frames are our own bug or an intruder on the socket: counted always, logged at most once a second. */
static void
complain(struct ipc_link *l, uint64_t *counter, const char *what)
{
	struct mono now = clk_mono(clk_real());

	(*counter)++;
	if (mono_diff_us(now, l->last_complaint) < CLK_S)
		return;
	l->last_complaint = now;
	log_warning("ipc", "dropped a message: %s link=%s count=%llu", what, l->name, (unsigned long long)*counter);
}

static int
queue_frame(struct ipc_link *l, const void *p, size_t n, struct err *e)
{
	struct ipc_frame *f;

	if (l->stats.queued_bytes + n > l->conf.out_max_bytes) {
		l->stats.refused_full++;
		return err_set(e, ERR_IPC_FULL, "link %s has %zu bytes queued", l->name, l->stats.queued_bytes);
	}
	f = mem_alloc(sizeof(*f) + n);
	f->n = n;
	memcpy(f->bytes, p, n);
	STAILQ_INSERT_TAIL(&l->out, f, next);
	l->stats.queued_bytes += n;
	l->transport->want_send(l, true);
	return 0;
}

static int
send_encoded(struct ipc_link *l, const void *p, size_t n, struct err *e)
{
	if (!STAILQ_EMPTY(&l->out))
		return queue_frame(l, p, n, e);
	switch (l->transport->send(l, p, n)) {
	case IPC_SENT:
		return 0;
	case IPC_WOULD_BLOCK:
		return queue_frame(l, p, n, e);
	case IPC_SEND_FAILED:
		break;
	}
	return err_set(e, ERR_IPC_DOWN, "link %s cannot send", l->name);
}

static int
send_message(struct ipc_link *l, uint32_t type, const struct rec_desc *d, const void *msg, struct err *e)
{
	struct codec_envelope env = {.proto = ipc_proto(),
				     .type = type,
				     .seq = ++l->seq,
				     .role = l->conf.self,
				     .generation = l->conf.generation,
				     .to_generation = l->peer_generation};
	int rc;

	l->scratch.len = 0;
	rc = codec_put_message(&l->scratch, &env, d, msg, IPC_SEND_MAX, e);
	if (rc != 0)
		return rc;
	rc = send_encoded(l, l->scratch.p, l->scratch.len, e);
	if (l->scratch.cap > (1u << 20))
		codec_out_done(&l->scratch); /* one huge message must not stay in memory */
	return rc;
}

int
ipc_send(struct ipc_link *l, uint32_t type, const void *msg, struct err *e)
{
	const struct ipc_msg_info *info = ipc_msg_info(type);
	int rc;

	if (l == NULL)
		return err_set(e, ERR_IPC_DOWN, "the process that is to hear this does not run");
	ASSERT(info != NULL && (info->from & (uint32_t)l->conf.self) != 0);
	if (!l->up && !l->one_way_out)
		return err_set(e, ERR_IPC_DOWN, "link %s is down", l->name);
	rc = send_message(l, type, info->desc, msg, e);
	if (rc == 0)
		l->stats.sent++;
	return rc < 0 ? err_wrap(e, "sending %s", info->name) : 0;
}

static void
say_hello(struct ipc_link *l)
{
	struct ipc_hello hello = {.pid = (uint64_t)getpid(), .knows_generation = l->peer_generation};
	struct err e;

	if (l->stats.queued_bytes > 0)
		return; /* the peer hears us as soon as it reads */
	if (send_message(l, IPC_HELLO, &ipc_hello_desc, &hello, &e) != 0)
		log_debug("ipc", "hello not sent: %s", e.msg);
}

static void
on_tick(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct ipc_link *l = arg;

	l->in_use++;
	if (l->has_hello)
		say_hello(l);
	if (!l->met && !mono_before(clk_mono(clk_real()), l->meet_by)) {
		l->met = true;
		l->conf.on_missed(l->conf.ctx, l);
	}
	ipc_link_leave(l);
}

struct ipc_link *
ipc_link_new(struct event_base *base, const struct ipc_link_conf *conf)
{
	struct ipc_link *l = mem_new(struct ipc_link);

	ASSERT(conf->generation > 0);
	l->conf = *conf;
	if (l->conf.out_max_bytes == 0)
		l->conf.out_max_bytes = OUT_MAX_DEFAULT;
	l->name = mem_strdup(conf->name);
	l->base = base;
	STAILQ_INIT(&l->out);
	return l;
}

void
ipc_link_begin(struct ipc_link *l)
{
	static const struct timeval interval = {IPC_HELLO_MS / 1000, (IPC_HELLO_MS % 1000) * 1000};

	l->met = l->conf.meet_ms == 0;
	l->meet_by = mono_add_us(clk_mono(clk_real()), l->conf.meet_ms * CLK_MS);
	if (!l->has_hello && l->met)
		return;
	l->tick = event_new(l->base, -1, EV_PERSIST, on_tick, l);
	ASSERT(l->tick != NULL && event_add(l->tick, &interval) == 0);
	if (l->has_hello)
		say_hello(l);
}

static void
on_hello(struct ipc_link *l, const struct codec_envelope *env)
{
	struct ipc_hello hello;
	struct err e;
	bool fresh;

	if (codec_decode(env->payload, env->payload_bytes, CODEC_ARRAY, &ipc_hello_desc, &l->arena, &hello, &e) != 0) {
		complain(l, &l->stats.dropped_format, e.msg);
		return;
	}
	fresh = !l->up;
	if (fresh)
		note_peer(l, env->role, env->generation);
	if (hello.knows_generation != l->conf.generation)
		say_hello(l); /* before on_up sends anything: the peer drops what comes from strangers */
	if (fresh)
		tell_up(l);
}

static const struct ipc_handler *
handler_of(const struct ipc_link *l, uint32_t type)
{
	for (size_t i = 0; l->conf.inbox != NULL && i < l->conf.inbox->n; i++) {
		if (l->conf.inbox->v[i].type == type)
			return &l->conf.inbox->v[i];
	}
	return NULL;
}

static void
dispatch(struct ipc_link *l, const struct codec_envelope *env)
{
	const struct ipc_msg_info *info = ipc_msg_info(env->type);
	const struct ipc_handler *h = handler_of(l, env->type);
	struct err e;
	void *msg;

	if (info == NULL || h == NULL) {
		complain(l, &l->stats.dropped_type, "type not handled here");
		return;
	}
	if ((info->from & env->role) == 0) {
		complain(l, &l->stats.dropped_role, info->name);
		return;
	}
	if (l->has_hello && (!l->up || env->to_generation != l->conf.generation)) {
		complain(l, &l->stats.dropped_generation, "not for this process");
		return;
	}
	msg = mem_arena_alloc(&l->arena, info->desc->size);
	if (codec_decode(env->payload, env->payload_bytes, CODEC_ARRAY, info->desc, &l->arena, msg, &e) != 0) {
		complain(l, &l->stats.dropped_format, e.msg);
		return;
	}
	l->stats.received++;
	h->fn(l->conf.ctx, l, msg);
}

/* Another one is a stranger: each pair of processes has its own link. */
static bool
is_peer(const struct ipc_link *l, uint64_t generation)
{
	uint64_t expected = l->up ? l->peer_generation : l->conf.peer_generation;

	return expected == 0 || generation == expected;
}

static void
handle_frame(struct ipc_link *l, const void *p, size_t n)
{
	struct codec_envelope env;
	struct err e;

	if (codec_get_envelope(p, n, &env, &e) != 0) {
		complain(l, &l->stats.dropped_format, e.msg);
		return;
	}
	if (env.proto != ipc_proto()) {
		complain(l, &l->stats.dropped_format, "other protocol version: another build runs in this node");
		return;
	}
	if ((env.role & l->conf.peer_roles) == 0 || (env.role & (env.role - 1)) != 0) {
		complain(l, &l->stats.dropped_role, ipc_role_name(env.role));
		return;
	}
	if (!is_peer(l, env.generation)) {
		complain(l, &l->stats.dropped_generation, "sender is another process");
		return;
	}
	if (env.type == IPC_HELLO && l->has_hello) {
		on_hello(l, &env);
		return;
	}
	if (!l->has_hello && !l->up) {
		note_peer(l, env.role, env.generation);
		tell_up(l);
	}
	if (!l->closing)
		dispatch(l, &env);
}

void
ipc_link_received(struct ipc_link *l, const void *p, size_t n)
{
	if (l->closing)
		return;
	l->in_use++;
	handle_frame(l, p, n);
	mem_arena_reset(&l->arena);
	ipc_link_leave(l);
}

void
ipc_link_writable(struct ipc_link *l)
{
	struct ipc_frame *f;

	for (int i = 0; i < IPC_BATCH && (f = STAILQ_FIRST(&l->out)) != NULL; i++) {
		if (l->transport->send(l, f->bytes, f->n) != IPC_SENT)
			return;
		STAILQ_REMOVE_HEAD(&l->out, next);
		l->stats.queued_bytes -= f->n;
		free(f);
	}
	if (STAILQ_EMPTY(&l->out))
		l->transport->want_send(l, false);
}

void
ipc_link_lost(struct ipc_link *l, const char *why)
{
	l->in_use++;
	if (l->up)
		go_down(l, why);
	else if (!l->closing && l->conf.on_down != NULL)
		l->conf.on_down(l->conf.ctx, l, why);
	ipc_link_leave(l);
}

bool
ipc_link_is_up(const struct ipc_link *l)
{
	return l != NULL && l->up;
}

uint64_t
ipc_link_peer_generation(const struct ipc_link *l)
{
	return l == NULL ? 0 : l->peer_generation;
}

uint32_t
ipc_link_peer_role(const struct ipc_link *l)
{
	return l->peer_role;
}

void *
ipc_link_ctx(const struct ipc_link *l)
{
	return l->conf.ctx;
}

bool
ipc_link_follow(struct ipc_link **l, uint64_t generation, bool runs)
{
	struct ipc_link *former = *l;
	bool is_its = former != NULL && former->conf.peer_generation == generation;

	if (former != NULL && is_its != runs) {
		former->in_use++;
		go_down(former, runs ? "replaced" : "ended");
		*l = NULL;
		ipc_link_close(former);
		ipc_link_leave(former);
	}
	return runs && !is_its;
}

struct ipc_link_stats
ipc_link_stats(const struct ipc_link *l)
{
	return l->stats;
}
