/* rd_link.c — raftd's sockets: one PAIR per prober, one PAIR for apid, PUB for events; and the messages of the probers.
 * Owns the links, which exist while the process at the other end does. Handlers decide nothing: they pass on to
 * rd_work.c and rd_probers.c. */
#include <stdlib.h>

#include "base/log.h"
#include "conf/conf.h"
#include "rd_node_private.h"
#include "topo/key.h"

#define CTX struct rd_door
#define IPC_INBOX_DEF "ipc/to_raftd.def"
#define IPC_INBOX_NAME rd_inbox
#define IPC_INBOX_ON(name) rd_on_##name
#include "ipc/make_inbox.h"
#undef CTX

#define TELL_AGAIN_MS 50 /* after a full queue */

/* --- messages of the probers ----------------------------------------------------------------------------------- */
void
rd_on_probe_result(struct rd_door *door, struct ipc_link *l UNUSED, const struct ipc_probe_result *m)
{
	struct rd_node *n = door->node;
	struct mono begin = rd_mono(n);

	n->metrics.probe_results++;
	rd_work_result(n, &m->probe);
	rd_publish_probe(n, &m->probe, mono_diff_us(rd_mono(n), begin));
	rd_probers_credit(n->probers, door->slot);
}

void
rd_on_connection_lost(struct rd_door *door, struct ipc_link *l UNUSED, const struct ipc_connection_lost *m)
{
	rd_work_lost(door->node, m);
}

void
rd_on_step_result(struct rd_door *door, struct ipc_link *l UNUSED, const struct ipc_step_result *m)
{
	rd_steps_result(door->node->steps, m);
}

void
rd_on_resolved(struct rd_door *door, struct ipc_link *l UNUSED, const struct ipc_resolved *m)
{
	rd_probers_resolved(door->node->probers, m);
}

void
rd_on_prober_stats(struct rd_door *door, struct ipc_link *l UNUSED, const struct ipc_prober_stats *m)
{
	rd_pool_stats_take(door->node->pool_stats, door->slot, &m->metrics);
}

/* --- sending to the probers ------------------------------------------------------------------------------------ */
static int
send_watch(void *ctx, unsigned slot, const struct ipc_watch *m, struct err *e)
{
	return ipc_send_watch(((struct rd_node *)ctx)->prober_doors[slot].link, m, e);
}

static int
send_unwatch(void *ctx, unsigned slot, const struct ipc_unwatch *m, struct err *e)
{
	return ipc_send_unwatch(((struct rd_node *)ctx)->prober_doors[slot].link, m, e);
}

static int
send_probe(void *ctx, unsigned slot, const struct ipc_probe *m, struct err *e)
{
	return ipc_send_probe(((struct rd_node *)ctx)->prober_doors[slot].link, m, e);
}

static int
send_resolve(void *ctx, unsigned slot, const struct ipc_resolve *m, struct err *e)
{
	return ipc_send_resolve(((struct rd_node *)ctx)->prober_doors[slot].link, m, e);
}

static int
send_credit(void *ctx, unsigned slot, const struct ipc_credit *m, struct err *e)
{
	return ipc_send_credit(((struct rd_node *)ctx)->prober_doors[slot].link, m, e);
}

static const struct rd_prober_ops prober_ops = {send_watch, send_unwatch, send_probe, send_resolve, send_credit};

static void
on_tell(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	static const struct timeval again = {0, TELL_AGAIN_MS * 1000};
	struct rd_node *n = arg;

	if (rd_probers_tell(n->probers))
		(void)event_add(n->tell, &again);
}

void
rd_link_tell(struct rd_node *n)
{
	event_active(n->tell, EV_TIMEOUT, 0);
}

/* --- up and down ----------------------------------------------------------------------------------------------- */
static void
on_prober_up(void *ctx, struct ipc_link *l UNUSED)
{
	struct rd_door *door = ctx;

	log_info("probe", "prober is up slot=%u", door->slot);
	rd_probers_up(door->node->probers, door->slot);
	rd_link_tell(door->node);
}

static void
on_prober_down(void *ctx, struct ipc_link *l UNUSED, const char *why)
{
	struct rd_door *door = ctx;

	log_warning("probe", "prober is gone (%s) slot=%u, its servers wait for it to come back", why, door->slot);
	rd_probers_down(door->node->probers, door->slot);
	rd_steps_prober_down(door->node->steps, door->slot);
	rd_pool_stats_down(door->node->pool_stats, door->slot);
}

/* apid answers leader-check by what it heard last: a new one must not wait for the next beat. */
static void
on_apid_up(void *ctx, struct ipc_link *l UNUSED)
{
	struct rd_door *door = ctx;

	rd_publish_state(door->node);
	rd_publish_metrics(door->node);
}

static int
open_prober(struct rd_node *n, unsigned slot, uint64_t generation, struct err *e)
{
	struct rd_door *door = &n->prober_doors[slot];
	char address[128], name[32];
	struct ipc_link_conf lc = {.name = name,
				   .self = IPC_ROLE_RAFTD,
				   .generation = proc_generation(n->proc),
				   .peer_generation = generation,
				   .peer_roles = IPC_ROLE_PROBER,
				   .inbox = &rd_inbox,
				   .ctx = door,
				   .on_up = on_prober_up,
				   .on_down = on_prober_down};

	(void)snprintf(name, sizeof(name), "prober %u", slot);
	proc_socket_address(n->proc, address, sizeof(address), PROC_SOCKET_PROBER, (uint64_t)slot, lc.generation,
			    generation);
	return ipc_link_open_nn(n->base, &lc, IPC_NN_PAIR_BIND, address, &door->link, e);
}

static int
open_apid(struct rd_node *n, uint64_t generation, struct err *e)
{
	char address[128];
	struct ipc_link_conf lc = {.name = "apid",
				   .self = IPC_ROLE_RAFTD,
				   .generation = proc_generation(n->proc),
				   .peer_generation = generation,
				   .peer_roles = IPC_ROLE_APID,
				   .inbox = &rd_inbox,
				   .ctx = &n->apid_door,
				   .on_up = on_apid_up};

	proc_socket_address(n->proc, address, sizeof(address), PROC_SOCKET_APID, lc.generation, generation);
	return ipc_link_open_nn(n->base, &lc, IPC_NN_PAIR_BIND, address, &n->apid_door.link, e);
}

static int
open_events(struct rd_node *n, uint64_t generation, struct err *e)
{
	char address[128];
	struct ipc_link_conf lc = {.name = "events",
				   .self = IPC_ROLE_RAFTD,
				   .generation = proc_generation(n->proc),
				   .peer_generation = generation,
				   .peer_roles = IPC_ROLE_APID,
				   .ctx = &n->events_door};

	proc_socket_address(n->proc, address, sizeof(address), PROC_SOCKET_EVENTS, lc.generation, generation);
	return ipc_link_open_nn(n->base, &lc, IPC_NN_PUB_BIND, address, &n->events_door.link, e);
}

static int
follow(struct rd_node *n, const struct ipc_child_peer *m, struct err *e)
{
	if (m->role == IPC_ROLE_PROBER && m->slot < n->n_probers &&
	    ipc_link_follow(&n->prober_doors[m->slot].link, m->generation, m->up))
		return open_prober(n, (unsigned)m->slot, m->generation, e);
	if (m->role != IPC_ROLE_APID)
		return 0;
	if (ipc_link_follow(&n->events_door.link, m->generation, m->up) && open_events(n, m->generation, e) != 0)
		return -e->code;
	return ipc_link_follow(&n->apid_door.link, m->generation, m->up) ? open_apid(n, m->generation, e) : 0;
}

void
rd_link_peer(struct rd_node *n, const struct ipc_child_peer *m)
{
	struct err e;

	if (follow(n, m, &e) != 0)
		proc_fail(n->proc, PROC_EXIT_RETRY, &e);
}

int
rd_link_open(struct rd_node *n, struct err *e)
{
	proc_remove_old_sockets(n->proc);
	n->probers = rd_probers_new(n->n_probers, &prober_ops, n);
	n->pool_stats = rd_pool_stats_new(n->n_probers);
	n->prober_doors = mem_calloc(n->n_probers, sizeof(*n->prober_doors));
	n->tell = event_new(n->base, -1, 0, on_tell, n);
	if (n->tell == NULL)
		return err_set(e, ERR_UNAVAILABLE, "libevent refuses a timer");
	for (unsigned slot = 0; slot < n->n_probers; slot++)
		n->prober_doors[slot] = (struct rd_door){.node = n, .slot = slot};
	n->apid_door = n->events_door = (struct rd_door){.node = n};
	return 0;
}

void
rd_link_close(struct rd_node *n)
{
	rd_waiters_done(n);
	for (unsigned slot = 0; n->prober_doors != NULL && slot < n->n_probers; slot++)
		ipc_link_close(n->prober_doors[slot].link);
	ipc_link_close(n->apid_door.link);
	ipc_link_close(n->events_door.link);
	free(n->prober_doors);
	if (n->tell != NULL)
		event_free(n->tell);
	rd_probers_free(n->probers);
	rd_pool_stats_free(n->pool_stats);
	rd_samples_done(&n->samples);
}

/* --- answers --------------------------------------------------------------------------------------------------- */
static void
send_reply(struct rd_node *n, struct rd_req req, const struct ipc_reply *m)
{
	struct err e;

	if (req.id == 0 || req.generation != ipc_link_peer_generation(n->apid_door.link))
		return;
	if (ipc_send_reply(n->apid_door.link, m, &e) != 0)
		log_warning("request", "answer not sent: %s req=%llu", e.msg, (unsigned long long)req.id);
}

void
rd_reply_ok(struct rd_node *n, struct rd_req req, uint64_t index, const struct topo_key_list *keys,
	    const struct topo_instance *inst)
{
	struct ipc_reply m = {
	    .request_id = req.id, .message = "", .index = index, .has_instance = inst != NULL, .text = ""};

	if (inst != NULL)
		m.instance = *inst;
	else
		rec_init(&topo_instance_desc, &m.instance);
	if (keys != NULL)
		m.keys = (struct topo_key_list){keys->v, min_size(keys->n, TOPO_LIST_MAX)};
	send_reply(n, req, &m);
}

void
rd_reply_names(struct rd_node *n, struct rd_req req, const struct ipc_name_list *names)
{
	struct ipc_reply m = {.request_id = req.id, .message = "", .names = *names, .text = ""};

	rec_init(&topo_instance_desc, &m.instance);
	send_reply(n, req, &m);
}

void
rd_reply_message(struct rd_node *n, struct rd_req req, uint64_t index, const char *message)
{
	struct ipc_reply m = {.request_id = req.id, .message = message, .index = index, .text = ""};

	rec_init(&topo_instance_desc, &m.instance);
	send_reply(n, req, &m);
}

void
rd_reply_text(struct rd_node *n, struct rd_req req, const struct str_buf *text)
{
	struct ipc_reply m = {.request_id = req.id, .message = "", .text = str_buf_text(text)};
	struct err e;

	if (text->len > IPC_TEXT_MAX) {
		(void)err_set(&e, ERR_TOO_LARGE, "the answer has %zu bytes, more than %d", text->len, IPC_TEXT_MAX);
		rd_reply_error(n, req, &e);
		return;
	}
	rec_init(&topo_instance_desc, &m.instance);
	send_reply(n, req, &m);
}

/* Of a recovery: promoted may have no host. */
void
rd_reply_promoted(struct rd_node *n, struct rd_req req, uint64_t index, const struct topo_key *promoted,
		  const char *message)
{
	struct topo_key key = *promoted;
	struct ipc_reply m = {.request_id = req.id,
			      .message = message,
			      .index = index,
			      .keys = {&key, key.hostname[0] != '\0' ? 1 : 0},
			      .text = ""};

	rec_init(&topo_instance_desc, &m.instance);
	send_reply(n, req, &m);
}

void
rd_reply_error(struct rd_node *n, struct rd_req req, const struct err *e)
{
	struct ipc_reply m = {.request_id = req.id, .code = -e->code, .message = e->msg, .text = ""};

	rec_init(&topo_instance_desc, &m.instance);
	send_reply(n, req, &m);
}
