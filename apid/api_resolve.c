/* api_resolve.c — resolve: does the name lead anywhere, and does anything take connections there? http-api.md section 3,
 * and cli.md for query cname=true (ours): the server as given, and under its canonical name in the answer. */
#include "ap_change.h"
#include "topo/key.h"

static bool
wants_cname(const struct ap_request *rq)
{
	return str_eq(ap_query(rq, "cname"), "true");
}

static void
on_reached(struct ap_request *rq, const struct ipc_reply *reply, const struct err *e)
{
	struct topo_key key = ap_change_of(rq)->key;

	if (ap_change_failed(rq, reply, e))
		return;
	if (wants_cname(rq) && reply->message[0] != '\0')
		key.hostname = reply->message;
	ap_reply_ok_key(rq, &key, "Instance resolved");
}

static void
ask_reach(struct ap_request *rq, struct ap_change *c)
{
	struct ipc_resolve_server ask = {.key = c->key};

	ap_ask(rq, IPC_RESOLVE_SERVER, &ask, ap_probe_timeout_ms(rq->conf), on_reached);
}

void
api_resolve(struct ap_request *rq)
{
	ap_change_start(rq, !wants_cname(rq), ask_reach);
}
