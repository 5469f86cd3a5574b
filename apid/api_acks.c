/* api_acks.c — operators acknowledge recoveries, so that they block no others (http-api.md section 12, recovery.md section 2).
 * A comment is mandatory. Answers wait for the view of the node that decided. */
#include <stdlib.h>
#include <string.h>

#include "ap_change.h"
#include "ap_lookup.h"
#include "db/db_read.h"
#include "topo/key.h"

/* Trimmed. False: there is none; the request was answered and is gone. */
static bool
take_comment(struct ap_request *rq, const char **ret)
{
	const char *text =
	    str_trim(mem_arena_strndup(&rq->arena, ap_query(rq, "comment"), strlen(ap_query(rq, "comment"))));

	if (text[0] == '\0') {
		ap_reply_error(rq, "No acknowledge comment given");
		return false;
	}
	*ret = text;
	return true;
}

/* Who says so: the user, or else this node. */
static const char *
owner_of(const struct ap_request *rq)
{
	return rq->user[0] != '\0' ? rq->user : rq->ap->hostname;
}

/* For our own command line: count=true asks for how many there were (cli.md section 4). True: answered. */
static bool
answer_count(struct ap_request *rq, const struct ipc_reply *reply, const char *message)
{
	struct ap_json j;
	int64_t n = 0;
	struct err e;

	if (!str_eq(ap_query(rq, "count"), "true"))
		return false;
	if (str_parse_i64(reply->message, 0, INT64_MAX, &n, &e) != 0)
		n = 0; /* raftd names none when there were none */
	ap_envelope_begin(rq, &j, true, "%s", message);
	ap_json_i64(&j, n);
	ap_envelope_end(&j);
	ap_reply_body(rq);
	return true;
}

static void
answer_text(struct ap_request *rq, const struct ipc_reply *reply, const struct err *e, const char *message,
	    const char *details)
{
	struct ap_json j;

	if (ap_change_failed(rq, reply, e) || answer_count(rq, reply, message))
		return;
	ap_envelope_begin(rq, &j, true, "%s", message);
	ap_json_text(&j, details);
	ap_envelope_end(&j);
	ap_reply_body(rq);
}

/* --- all, by id, by uid -------------------------------------------------------------------------------------------- */
static void
on_all(struct ap_request *rq, const struct ipc_reply *reply, const struct err *e)
{
	answer_text(rq, reply, e, "Acknowledged all recoveries", ap_change_of(rq)->text);
}

void
api_ack_all_recoveries(struct ap_request *rq)
{
	struct ap_change *c = ap_change_of(rq);
	struct ipc_ack_recoveries ask = {.user = rq->user, .owner = owner_of(rq), .all = true};

	if (!take_comment(rq, &c->text))
		return;
	ask.comment = c->text;
	ap_ask(rq, IPC_ACK_RECOVERIES, &ask, AP_CHANGE_TIMEOUT_MS, on_all);
}

static void
on_one(struct ap_request *rq, const struct ipc_reply *reply, const struct err *e)
{
	answer_text(rq, reply, e, "Acknowledged recovery", ap_change_of(rq)->text);
}

void
api_ack_recovery(struct ap_request *rq)
{
	struct ap_change *c = ap_change_of(rq);
	struct ipc_ack_recoveries ask = {.user = rq->user, .owner = owner_of(rq)};
	struct err e;

	c->text = ap_param(rq, ap_has_param(rq, "uid") ? "uid" : "recoveryId");
	if (!take_comment(rq, &ask.comment))
		return;
	if (ap_has_param(rq, "uid"))
		ask.recovery_uid = c->text;
	else if (str_parse_i64(c->text, 1, INT64_MAX, &ask.recovery_id, &e) != 0) {
		ap_reply_error(rq, "not a recovery id: %.64s", c->text);
		return;
	}
	ap_ask(rq, IPC_ACK_RECOVERIES, &ask, AP_CHANGE_TIMEOUT_MS, on_one);
}

/* --- by server ------------------------------------------------------------------------------------------------------- */
static void
on_server(struct ap_request *rq, const struct ipc_reply *reply, const struct err *e)
{
	const char *message = "Acknowledged instance recoveries";

	if (!ap_change_failed(rq, reply, e) && !answer_count(rq, reply, message))
		ap_reply_ok_key(rq, &ap_change_of(rq)->key, "%s", message);
}

static void
ask_server(struct ap_request *rq, struct ap_change *c)
{
	struct ipc_ack_recoveries ask = {.user = rq->user, .owner = owner_of(rq), .comment = c->text, .key = c->key};

	ap_ask(rq, IPC_ACK_RECOVERIES, &ask, AP_CHANGE_TIMEOUT_MS, on_server);
}

void
api_ack_instance_recoveries(struct ap_request *rq)
{
	struct ap_change *c = ap_change_of(rq);

	if (take_comment(rq, &c->text))
		ap_change_start(rq, true, ask_server);
}

/* --- by cluster ------------------------------------------------------------------------------------------------------ */
static int
take_alias(void *ctx, const void *row, struct err *e UNUSED)
{
	*(char **)ctx = mem_strdup(((const struct db_cluster_info *)row)->cluster_alias);
	return DB_STOP;
}

/* Its name, and the alias under which recoveries of its former names are found; none if it is its name. */
static int
find_cluster(struct ap_request *rq, struct ap_reader *r, struct err *e)
{
	struct ap_change *c = ap_change_of(rq);
	const char *name;
	char *alias = NULL;
	int rc = ap_route_cluster(rq, r, &name, e);

	if (rc == 0)
		rc = db_read_clusters(r->db, name, take_alias, &alias, e);
	if (rc == 0) {
		c->key.hostname = name; /* the answer's */
		c->text2 = alias == NULL || str_eq(alias, name) ? "" : ap_keep(rq, alias);
	}
	free(alias);
	return rc;
}

static void
on_cluster(struct ap_request *rq, const struct ipc_reply *reply, const struct err *e)
{
	answer_text(rq, reply, e, "Acknowledged cluster recoveries", ap_change_of(rq)->key.hostname);
}

static void
on_cluster_found(struct ap_request *rq, const struct err *e)
{
	struct ap_change *c = ap_change_of(rq);
	struct ipc_ack_recoveries ask = {.user = rq->user,
					 .owner = owner_of(rq),
					 .comment = c->text,
					 .cluster_name = c->key.hostname,
					 .cluster_alias = c->text2};

	if (e != NULL)
		ap_reply_err(rq, e);
	else
		ap_ask(rq, IPC_ACK_RECOVERIES, &ask, AP_CHANGE_TIMEOUT_MS, on_cluster);
}

void
api_ack_cluster_recoveries(struct ap_request *rq)
{
	struct ap_change *c = ap_change_of(rq);

	if (take_comment(rq, &c->text))
		ap_read_then(rq, find_cluster, on_cluster_found);
}
