/* api_decisions.c — further decisions of operators: names of clusters and servers, and the switch for automated
 * recoveries. Texts: http-api.md sections 3, 4, 12. */
#include "ap_change.h"
#include "ap_readers.h"
#include "db/db_read.h"

/* --- cluster alias -------------------------------------------------------------------------------------------------- */
static void
on_alias_set(struct ap_request *rq, const struct ipc_reply *reply, const struct err *e)
{
	if (!ap_change_failed(rq, reply, e))
		ap_reply_ok(rq, "Cluster %s now has alias '%s'", ap_param(rq, "clusterName"), ap_query(rq, "alias"));
}

void
api_set_cluster_alias(struct ap_request *rq)
{
	struct ipc_set_cluster_alias ask = {
	    .user = rq->user, .cluster_name = ap_param(rq, "clusterName"), .alias = ap_query(rq, "alias")};

	ap_ask(rq, IPC_SET_CLUSTER_ALIAS, &ask, AP_CHANGE_TIMEOUT_MS, on_alias_set);
}

/* --- virtual host names --------------------------------------------------------------------------------------------- */
static void
on_unresolve_registered(struct ap_request *rq, const struct ipc_reply *reply, const struct err *e)
{
	if (!ap_change_failed(rq, reply, e))
		ap_reply_ok_key(rq, &ap_change_of(rq)->key, "Registered hostname unresolve");
}

static void
ask_register_unresolve(struct ap_request *rq, struct ap_change *c)
{
	struct ipc_register_hostname_unresolve ask = {
	    .user = rq->user, .key = c->key, .unresolved_hostname = ap_param(rq, "virtualname")};

	ap_ask(rq, IPC_REGISTER_HOSTNAME_UNRESOLVE, &ask, AP_CHANGE_TIMEOUT_MS, on_unresolve_registered);
}

void
api_register_hostname_unresolve(struct ap_request *rq)
{
	if (ap_param(rq, "virtualname")[0] == '\0')
		ap_reply_error(rq, "register-hostname-unresolve needs a virtual name");
	else
		ap_change_start(rq, true, ask_register_unresolve);
}

static void
on_unresolve_removed(struct ap_request *rq, const struct ipc_reply *reply, const struct err *e)
{
	if (!ap_change_failed(rq, reply, e))
		ap_reply_ok_key(rq, &ap_change_of(rq)->key, "Deregistered hostname unresolve");
}

static void
ask_deregister_unresolve(struct ap_request *rq, struct ap_change *c)
{
	struct ipc_deregister_hostname_unresolve ask = {.user = rq->user, .key = c->key};

	ap_ask(rq, IPC_DEREGISTER_HOSTNAME_UNRESOLVE, &ask, AP_CHANGE_TIMEOUT_MS, on_unresolve_removed);
}

void
api_deregister_hostname_unresolve(struct ap_request *rq)
{
	ap_change_start(rq, true, ask_deregister_unresolve);
}

/* --- automated recoveries ------------------------------------------------------------------------------------------- */
static void
write_switch(struct ap_request *rq, bool enabled, const char *message)
{
	struct ap_json j;

	ap_envelope_begin(rq, &j, true, "%s", message);
	ap_json_text(&j, enabled ? "enabled" : "disabled");
	ap_envelope_end(&j);
}

static void
on_disabled(struct ap_request *rq, const struct ipc_reply *reply, const struct err *e)
{
	if (ap_change_failed(rq, reply, e))
		return;
	write_switch(rq, false, "Globally disabled recoveries");
	ap_reply_body(rq);
}

void
api_disable_global_recoveries(struct ap_request *rq)
{
	struct ipc_set_global_recoveries ask = {.user = rq->user, .enabled = false};

	ap_ask(rq, IPC_SET_GLOBAL_RECOVERIES, &ask, AP_CHANGE_TIMEOUT_MS, on_disabled);
}

static void
on_enabled(struct ap_request *rq, const struct ipc_reply *reply, const struct err *e)
{
	if (ap_change_failed(rq, reply, e))
		return;
	write_switch(rq, true, "Enabled recoveries globally");
	ap_reply_body(rq);
}

void
api_enable_global_recoveries(struct ap_request *rq)
{
	struct ipc_set_global_recoveries ask = {.user = rq->user, .enabled = true};

	ap_ask(rq, IPC_SET_GLOBAL_RECOVERIES, &ask, AP_CHANGE_TIMEOUT_MS, on_enabled);
}

int
api_check_global_recoveries(struct ap_request *rq, struct ap_reader *r, struct err *e)
{
	bool disabled;
	int rc = db_read_recovery_disabled(r->db, &disabled, e);

	if (rc == 0)
		write_switch(rq, !disabled, disabled ? "Global recoveries disabled" : "Global recoveries enabled");
	return rc;
}
