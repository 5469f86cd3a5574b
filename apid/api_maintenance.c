/* api_maintenance.c — the operators' lock on a server. Texts and shapes: http-api.md section 9, json-shapes.md
 * section 6.
 */
#include "ap_change.h"
#include "ap_lookup.h"
#include "db/db_read.h"
#include "topo/key.h"

/* --- begin ---------------------------------------------------------------------------------------------------------- */
static void
on_begun(struct ap_request *rq, const struct ipc_reply *reply, const struct err *e)
{
	const struct topo_key *key = &ap_change_of(rq)->key;
	struct ap_json j;

	if (reply != NULL && reply->code == 0) {
		ap_reply_ok_key(rq, key, "Maintenance begun: %s", TOPO_KEY_TEXT(key));
		return;
	}
	/* historically the failing answer's details are the number of an entry that there is not */
	ap_envelope_begin(rq, &j, false, "%s", reply != NULL ? reply->message : e->msg);
	ap_json_i64(&j, 0);
	ap_envelope_end(&j);
	ap_reply_body(rq);
}

static void
ask_begin(struct ap_request *rq, struct ap_change *c)
{
	struct ipc_begin_maintenance ask = {
	    .user = rq->user, .key = c->key, .owner = c->text, .reason = c->text2, .duration_s = c->number};

	ap_ask(rq, IPC_BEGIN_MAINTENANCE, &ask, AP_CHANGE_TIMEOUT_MS, on_begun);
}

void
api_begin_maintenance(struct ap_request *rq)
{
	struct ap_change *c = ap_change_of(rq);
	const char *duration = ap_query(rq, "duration");
	struct err e;

	c->text = ap_param_or_query(rq, "owner");
	c->text2 = ap_param_or_query(rq, "reason");
	if (c->text[0] == '\0' || c->text2[0] == '\0')
		ap_reply_error(rq, "begin-maintenance needs an owner and a reason");
	else if (duration[0] != '\0' && str_parse_duration_s(duration, &c->number, &e) != 0)
		ap_reply_error(rq, "%s", e.msg);
	else
		ap_change_start(rq, true, ask_begin);
}

/* --- end ------------------------------------------------------------------------------------------------------------ */
static void
on_ended(struct ap_request *rq, const struct ipc_reply *reply, const struct err *e)
{
	const struct topo_key *key = &ap_change_of(rq)->key;

	if (!ap_change_failed(rq, reply, e))
		ap_reply_ok_key(rq, key, "Maintenance ended: %s", TOPO_KEY_TEXT(key));
}

static void
ask_end(struct ap_request *rq, struct ap_change *c)
{
	struct ipc_end_maintenance ask = {.user = rq->user, .key = c->key};

	ap_ask(rq, IPC_END_MAINTENANCE, &ask, AP_CHANGE_TIMEOUT_MS, on_ended);
}

void
api_end_maintenance(struct ap_request *rq)
{
	ap_change_start(rq, true, ask_end);
}

static void
on_ended_by_id(struct ap_request *rq, const struct ipc_reply *reply, const struct err *e)
{
	int64_t id = ap_change_of(rq)->number;
	struct ap_json j;

	if (ap_change_failed(rq, reply, e))
		return;
	ap_envelope_begin(rq, &j, true, "Maintenance ended: %lld", (long long)id);
	ap_json_i64(&j, id);
	ap_envelope_end(&j);
	ap_reply_body(rq);
}

void
api_end_maintenance_by_id(struct ap_request *rq)
{
	struct ipc_end_maintenance ask = {.user = rq->user, .key = {.hostname = ""}};
	struct ap_change *c = ap_change_of(rq);
	struct err e;

	if (str_parse_i64(ap_param(rq, "maintenanceKey"), 1, INT64_MAX, &c->number, &e) != 0) {
		ap_reply_error(rq, "maintenance key: %s", e.msg);
		return;
	}
	ask.maintenance_id = (uint64_t)c->number;
	ap_ask(rq, IPC_END_MAINTENANCE, &ask, AP_CHANGE_TIMEOUT_MS, on_ended_by_id);
}

/* --- reading -------------------------------------------------------------------------------------------------------- */
static int
note_entry(void *ctx, const void *row UNUSED, struct err *e UNUSED)
{
	*(bool *)ctx = true;
	return DB_STOP;
}

int
api_in_maintenance(struct ap_request *rq, struct ap_reader *r, struct err *e)
{
	bool found = false;
	struct topo_key key;
	struct ap_json j;
	int rc = ap_route_key(rq, r, &key, e);

	if (rc == 0)
		rc = db_read_maintenance(r->db, &key, r->now, note_entry, &found, e);
	if (rc != 0)
		return rc;
	ap_envelope_begin(rq, &j, true, "%s", found ? "true" : "false");
	ap_json_text(&j, found ? TOPO_KEY_TEXT(&key) : "");
	ap_envelope_end(&j);
	return 0;
}

struct list_job {
	struct ap_json j;
	struct wall now;
};

/* Maintenance, 7 keys */
static int
write_entry(void *ctx, const void *row, struct err *e UNUSED)
{
	const struct db_maintenance *m = row;
	struct list_job *job = ctx;
	struct topo_key key = {m->hostname, m->port};
	char begun[CLK_STAMP_BYTES];

	clk_format_wall((struct wall){m->begin_timestamp_us}, begun);
	ap_json_object(&job->j);
	ap_json_member_i64(&job->j, "MaintenanceId", m->database_instance_maintenance_id);
	ap_json_key(&job->j, "Key");
	ap_json_record(&job->j, &topo_key_desc, &key);
	ap_json_member_text(&job->j, "BeginTimestamp", begun);
	ap_json_member_i64(&job->j, "SecondsElapsed", max_i64(0, (job->now.us - m->begin_timestamp_us) / CLK_S));
	ap_json_member_bool(&job->j, "IsActive", true);
	ap_json_member_text(&job->j, "Owner", m->owner);
	ap_json_member_text(&job->j, "Reason", m->reason);
	ap_json_object_end(&job->j);
	return 0;
}

int
api_maintenance(struct ap_request *rq, struct ap_reader *r, struct err *e)
{
	struct list_job job = {{.out = &rq->body}, r->now};
	int rc;

	ap_json_array(&job.j);
	rc = db_read_maintenance(r->db, NULL, r->now, write_entry, &job, e);
	ap_json_array_end(&job.j);
	return rc;
}
