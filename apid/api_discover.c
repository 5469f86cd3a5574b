/* api_discover.c — discover, async-discover, refresh, forget. */
#include <string.h>

#include "ap_change.h"
#include "ap_lookup.h"
#include "ap_raftd.h"
#include "topo/key.h"

/* A probe's own time-outs, and some for queueing. */
static int64_t
probe_timeout_ms(const struct ap_request *rq)
{
	return (rq->conf->MySQLConnectTimeoutSeconds + rq->conf->MySQLDiscoveryReadTimeoutSeconds) * 1000 + 5000;
}

static bool
failed(struct ap_request *rq, const struct ipc_reply *reply, const struct err *e)
{
	if (reply == NULL)
		ap_reply_err(rq, e);
	else if (reply->code != 0)
		ap_reply_error(rq, "%s", reply->message);
	return reply == NULL || reply->code != 0;
}

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

	ap_ask(rq, IPC_DISCOVER, &ask, probe_timeout_ms(rq), on_reply);
}

/* --- discover
 * ------------------------------------------------------------------------------------------------------------------ */
static void
on_discovered(struct ap_request *rq, const struct ipc_reply *reply, const struct err *e)
{
	struct str_buf message = {0};
	struct topo_key key;
	struct ap_json j;

	if (failed(rq, reply, e))
		return;
	key = answered_key(ap_change_of(rq), reply);
	str_buf_printf(&message, "Instance discovered: %s", topo_key_text(&key).text);
	ap_envelope_begin(rq, &j, true, str_buf_text(&message));
	if (reply->has_instance)
		ap_json_instance(&j, &reply->instance);
	else
		ap_json_null(&j);
	ap_envelope_end(&j);
	str_buf_done(&message);
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

/* --- async-discover
 * -------------------------------------------------------------------------------------------------------------- */
static void
on_accepted(struct ap_request *rq, const struct ipc_reply *reply, const struct err *e)
{
	if (!failed(rq, reply, e))
		ap_reply_ok(rq, "Asynchronous discovery initiated for Instance: %s",
			    topo_key_text(&ap_change_of(rq)->key).text);
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

/* --- refresh
 * ------------------------------------------------------------------------------------------------------------------------
 */
static void
on_refreshed(struct ap_request *rq, const struct ipc_reply *reply, const struct err *e)
{
	struct topo_key key;

	if (failed(rq, reply, e))
		return;
	key = answered_key(ap_change_of(rq), reply);
	ap_reply_ok_key(rq, &key, "Instance refreshed: %s", topo_key_text(&key).text);
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

/* --- forget: the name is used as given, so that bogus ones can be removed
 * ---------------------------------------------------------------- */
static void
on_forgotten(struct ap_request *rq, const struct ipc_reply *reply, const struct err *e)
{
	const struct topo_key *key = &ap_change_of(rq)->key;

	if (!failed(rq, reply, e))
		ap_reply_ok_key(rq, key, "Instance forgotten: %s", topo_key_text(key).text);
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
