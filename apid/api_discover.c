/* api_discover.c — discover, async-discover, refresh, forget. */
#include "ap_change.h"
#include "topo/key.h"

/* raftd names the key under which the server is filed (its own name may differ from the one asked for). */
static struct topo_key
answered_key(const struct ap_change *c, const struct ipc_reply *reply)
{
	return reply->keys.n > 0 ? reply->keys.v[0] : c->key;
}

static void
ask_discover(struct ap_request *rq, struct ap_change *c, enum ipc_discover_mode mode, ap_reply_fn on_reply)
{
	struct ipc_discover ask = {.user = rq->user, .key = c->key, .mode = mode};

	ap_ask(rq, IPC_DISCOVER, &ask, ap_probe_timeout_ms(rq->conf), on_reply);
}

/* --- discover -------------------------------------------------------------------------------------------------- */
static void
on_discovered(struct ap_request *rq, const struct ipc_reply *reply, const struct err *e)
{
	struct topo_key key;
	struct ap_json j;

	if (ap_change_failed(rq, reply, e))
		return;
	key = answered_key(ap_change_of(rq), reply);
	ap_envelope_begin(rq, &j, true, "Instance discovered: %s", TOPO_KEY_TEXT(&key));
	if (reply->has_instance)
		ap_json_instance(&j, &reply->instance);
	else
		ap_json_null(&j); /* a discovery filter left the server out */
	ap_envelope_end(&j);
	ap_reply_body(rq);
}

static void
start_discover(struct ap_request *rq, struct ap_change *c)
{
	ask_discover(rq, c, IPC_DISCOVER_TOPOLOGY, on_discovered);
}

void
api_discover(struct ap_request *rq)
{
	ap_change_start(rq, true, start_discover);
}

/* --- async-discover -------------------------------------------------------------------------------------------- */
static void
on_accepted(struct ap_request *rq, const struct ipc_reply *reply, const struct err *e)
{
	if (!ap_change_failed(rq, reply, e))
		ap_reply_ok(rq, "Asynchronous discovery initiated for Instance: %s",
			    TOPO_KEY_TEXT(&ap_change_of(rq)->key));
}

static void
start_async_discover(struct ap_request *rq, struct ap_change *c)
{
	ask_discover(rq, c, IPC_DISCOVER_ASYNC, on_accepted);
}

void
api_async_discover(struct ap_request *rq)
{
	ap_change_start(rq, true, start_async_discover);
}

/* --- refresh --------------------------------------------------------------------------------------------------- */
static void
on_refreshed(struct ap_request *rq, const struct ipc_reply *reply, const struct err *e)
{
	struct topo_key key;

	if (ap_change_failed(rq, reply, e))
		return;
	key = answered_key(ap_change_of(rq), reply);
	ap_reply_ok_key(rq, &key, "Instance refreshed: %s", TOPO_KEY_TEXT(&key));
}

static void
start_refresh(struct ap_request *rq, struct ap_change *c)
{
	ask_discover(rq, c, IPC_DISCOVER_REFRESH, on_refreshed);
}

void
api_refresh(struct ap_request *rq)
{
	ap_change_start(rq, true, start_refresh);
}

/* --- forget: the name is used as given, so that bogus ones can be removed -------------------------------------- */
static void
on_forgotten(struct ap_request *rq, const struct ipc_reply *reply, const struct err *e)
{
	const struct topo_key *key = &ap_change_of(rq)->key;

	if (!ap_change_failed(rq, reply, e))
		ap_reply_ok_key(rq, key, "Instance forgotten: %s", TOPO_KEY_TEXT(key));
}

static void
start_forget(struct ap_request *rq, struct ap_change *c)
{
	struct ipc_forget ask = {.user = rq->user, .key = c->key};

	ap_ask(rq, IPC_FORGET, &ask, AP_CHANGE_TIMEOUT_MS, on_forgotten);
}

void
api_forget(struct ap_request *rq)
{
	ap_change_start(rq, false, start_forget);
}
