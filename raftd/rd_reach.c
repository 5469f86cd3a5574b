/* rd_reach.c — apid's question whether a server's name resolves and its port takes connections (resolve, http-api.md
 * section 3). A prober finds out; nothing is written down. Anybody may ask: few at a time. */
#include "rd_ipc_private.h"
#include "topo/key.h"

#define REACHES_MAX 32
#define REACH_EXTRA_US (3 * CLK_S) /* beyond the connect: look-up, queue */

static void
on_reached(void *ctx, const char *host UNUSED, const struct ipc_resolved *m)
{
	struct rd_waiter *w = ctx;
	struct rd_node *n = w->node;
	struct err e;

	n->n_reaches--;
	if (m->error[0] == '\0') {
		rd_reply_message(n, w->req, 0, m->resolved);
	} else {
		(void)err_set(&e, ERR_UNREACHABLE, "%s", m->error);
		rd_reply_error(n, w->req, &e);
	}
	rd_waiter_free(w);
}

static int
check(const struct rd_node *n, const struct topo_key *key, struct err *e)
{
	if (!topo_key_valid(key) || !rd_host_is_plausible(key->hostname))
		return err_set(e, ERR_INVALID, "not a valid server: %s", TOPO_KEY_TEXT(key));
	if (n->n_reaches < REACHES_MAX)
		return 0;
	return err_set(e, ERR_LIMIT, "%d servers are being connected to already, try again later", REACHES_MAX);
}

void
rd_on_resolve_server(struct rd_door *door, struct ipc_link *l, const struct ipc_resolve_server *m)
{
	struct rd_node *n = door->node;
	struct rd_req req = rd_ipc_request(door, l, m->request_id);
	int64_t wait_us = n->rules->connect_us;
	struct rd_waiter *w = rd_waiter_new(n, req, NULL);
	struct err e;

	if (check(n, &m->key, &e) == 0 && rd_probers_reach(n->probers, &m->key, wait_us / CLK_MS, rd_mono(n),
							   wait_us + REACH_EXTRA_US, on_reached, w, &e) == 0) {
		n->n_reaches++;
		return;
	}
	n->metrics.requests_refused++;
	rd_reply_error(n, req, &e);
	rd_waiter_free(w);
}
