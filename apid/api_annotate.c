/* api_annotate.c — what operators write beside servers: downtime, tags, promotion rules. Texts: http-api.md sections 3,
 * 9, 10. */
#include <string.h>

#include "ap_change.h"
#include "ap_lookup.h"
#include "db/db_read.h"
#include "topo/key.h"

/* --- downtime -------------------------------------------------------------------------------------------------- */
static void
on_downtime_begun(struct ap_request *rq, const struct ipc_reply *reply, const struct err *e)
{
	const struct topo_key *key = &ap_change_of(rq)->key;

	if (reply != NULL && reply->code == 0)
		ap_reply_ok_key(rq, key, "Instance downtimed: %s", TOPO_KEY_TEXT(key));
	else /* historically the failing answer names the server, too */
		ap_reply_error_key(rq, key, "%s", reply != NULL ? reply->message : e->msg);
}

static void
ask_begin_downtime(struct ap_request *rq, struct ap_change *c)
{
	struct ipc_begin_downtime ask = {
	    .user = rq->user, .key = c->key, .owner = c->text, .reason = c->text2, .duration_s = c->number};

	ap_ask(rq, IPC_BEGIN_DOWNTIME, &ask, AP_CHANGE_TIMEOUT_MS, on_downtime_begun);
}

static void
check_downtime(struct ap_request *rq, struct ap_change *c)
{
	const char *duration = ap_param_or_query(rq, "duration");
	struct err e;

	c->text = ap_param_or_query(rq, "owner");
	c->text2 = ap_param_or_query(rq, "reason");
	if (c->text[0] == '\0' || c->text2[0] == '\0')
		ap_reply_error_key(rq, &c->key, "begin-downtime needs an owner and a reason");
	else if (duration[0] != '\0' && str_parse_duration_s(duration, &c->number, &e) != 0)
		ap_reply_error_key(rq, &c->key, "%s", e.msg);
	else
		ask_begin_downtime(rq, c);
}

void
api_begin_downtime(struct ap_request *rq)
{
	ap_change_start(rq, true, check_downtime);
}

static void
on_downtime_ended(struct ap_request *rq, const struct ipc_reply *reply, const struct err *e)
{
	const struct topo_key *key = &ap_change_of(rq)->key;

	if (!ap_change_failed(rq, reply, e))
		ap_reply_ok_key(rq, key, "Instance downtime ended: %s", TOPO_KEY_TEXT(key));
}

static void
ask_end_downtime(struct ap_request *rq, struct ap_change *c)
{
	struct ipc_end_downtime ask = {.user = rq->user, .key = c->key};

	ap_ask(rq, IPC_END_DOWNTIME, &ask, AP_CHANGE_TIMEOUT_MS, on_downtime_ended);
}

void
api_end_downtime(struct ap_request *rq)
{
	ap_change_start(rq, true, ask_end_downtime);
}

/* --- promotion rule -------------------------------------------------------------------------------------------- */
static void
on_candidate_registered(struct ap_request *rq, const struct ipc_reply *reply, const struct err *e)
{
	const struct topo_key *key = &ap_change_of(rq)->key;

	if (!ap_change_failed(rq, reply, e))
		ap_reply_ok_key(rq, key, "Registered candidate");
}

static void
ask_register_candidate(struct ap_request *rq, struct ap_change *c)
{
	struct ipc_register_candidate ask = {.user = rq->user, .key = c->key, .promotion_rule = c->text};

	ap_ask(rq, IPC_REGISTER_CANDIDATE, &ask, AP_CHANGE_TIMEOUT_MS, on_candidate_registered);
}

void
api_register_candidate(struct ap_request *rq)
{
	static const char *const rules[] = {"prefer", "neutral", "prefer_not", "must_not"};
	const char *rule = ap_param(rq, "promotionRule");

	for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
		if (strcmp(rules[i], rule) == 0) {
			ap_change_of(rq)->text = rule;
			ap_change_start(rq, true, ask_register_candidate);
			return;
		}
	}
	ap_reply_error(rq, "Invalid CandidatePromotionRule: %s. Supported: prefer, neutral, prefer_not, must_not",
		       rule);
}

/* --- tags: reading --------------------------------------------------------------------------------------------- */
struct tag_job {
	struct ap_json j;
	const char *wanted; /* tag-value */
	bool found;
};

static int
write_tag(void *ctx, const void *row, struct err *e UNUSED)
{
	const struct db_tag *tag = row;
	struct tag_job *job = ctx;
	struct str_buf text = {0};

	str_buf_printf(&text, "%s=%s", tag->tag_name, tag->tag_value);
	ap_json_text(&job->j, str_buf_text(&text));
	str_buf_done(&text);
	return 0;
}

int
api_tags(struct ap_request *rq, struct ap_reader *r, struct err *e)
{
	struct tag_job job = {.j = {.out = &rq->body}};
	struct topo_key key;
	int rc = ap_route_key(rq, r, &key, e);

	ap_json_array(&job.j);
	if (rc == 0)
		rc = db_read_tags(r->db, &key, write_tag, &job, e);
	ap_json_array_end(&job.j);
	return rc;
}

int
ap_tag_of_route(struct ap_request *rq, struct db_tag_term *ret_tag, struct err *e)
{
	const char *text = ap_query(rq, "tag");

	if (text[0] == '\0' && ap_has_param(rq, "tagName"))
		text = ap_param(rq, "tagName");
	if (db_tag_parse(text, ret_tag, e) != 0)
		return err_wrap(e, "tag");
	if (ap_query(rq, "tag")[0] == '\0' && ap_has_param(rq, "tagValue")) {
		ret_tag->has_value = true;
		if (!str_copy(ret_tag->value, sizeof(ret_tag->value), ap_param(rq, "tagValue")))
			return err_set(e, ERR_TOO_LARGE, "tag value too long");
	}
	if (ret_tag->negate)
		return err_set(e, ERR_INVALID, "a negated tag can only be searched for: %s", text);
	return 0;
}

static int
pick_value(void *ctx, const void *row, struct err *e UNUSED)
{
	const struct db_tag *tag = row;
	struct tag_job *job = ctx;

	if (strcmp(tag->tag_name, job->wanted) != 0)
		return 0;
	ap_json_text(&job->j, tag->tag_value);
	job->found = true;
	return DB_STOP;
}

int
api_tag_value(struct ap_request *rq, struct ap_reader *r, struct err *e)
{
	struct tag_job job = {.j = {.out = &rq->body}};
	struct db_tag_term tag;
	struct topo_key key;
	int rc = ap_tag_of_route(rq, &tag, e);

	job.wanted = tag.name;
	if (rc == 0)
		rc = ap_route_key(rq, r, &key, e);
	if (rc == 0)
		rc = db_read_tags(r->db, &key, pick_value, &job, e);
	if (rc == 0 && !job.found)
		rc = err_set(e, ERR_NOT_FOUND, "tag %s not found for %s", tag.name, TOPO_KEY_TEXT(&key));
	return rc;
}

static int
write_key(void *ctx, const struct topo_key *key, struct err *e UNUSED)
{
	ap_json_record(&((struct tag_job *)ctx)->j, &topo_key_desc, key);
	return 0;
}

int
api_tagged(struct ap_request *rq, struct ap_reader *r, struct err *e)
{
	struct tag_job job = {.j = {.out = &rq->body}};
	int rc;

	ap_json_array(&job.j);
	rc = db_read_tagged(r->db, ap_query(rq, "tag"), write_key, &job, e);
	ap_json_array_end(&job.j);
	return rc;
}

/* --- tags: writing --------------------------------------------------------------------------------------------- */
static bool
take_tag(struct ap_request *rq)
{
	struct ap_change *c = ap_change_of(rq);
	struct db_tag_term tag;
	struct err e;

	if (ap_tag_of_route(rq, &tag, &e) != 0) {
		ap_reply_err(rq, &e);
		return false;
	}
	c->text = ap_keep(rq, tag.name);
	c->text2 = ap_keep(rq, tag.has_value ? tag.value : "");
	c->flag = tag.has_value;
	return true;
}

static void
on_tagged(struct ap_request *rq, const struct ipc_reply *reply, const struct err *e)
{
	struct ap_change *c = ap_change_of(rq);

	if (!ap_change_failed(rq, reply, e))
		ap_reply_ok_key(rq, &c->key, "%s tagged with %s=%s", TOPO_KEY_TEXT(&c->key), c->text, c->text2);
}

static void
ask_tag(struct ap_request *rq, struct ap_change *c)
{
	struct ipc_put_tag ask = {.user = rq->user, .key = c->key, .tag_name = c->text, .tag_value = c->text2};

	ap_ask(rq, IPC_PUT_TAG, &ask, AP_CHANGE_TIMEOUT_MS, on_tagged);
}

void
api_tag(struct ap_request *rq)
{
	if (take_tag(rq))
		ap_change_start(rq, true, ask_tag);
}

static void
on_untagged(struct ap_request *rq, const struct ipc_reply *reply, const struct err *e)
{
	struct ap_json j;

	if (ap_change_failed(rq, reply, e))
		return;
	ap_envelope_begin(rq, &j, true, "%s removed from %zu instances", ap_change_of(rq)->text, reply->keys.n);
	ap_json_keys(&j, &reply->keys);
	ap_envelope_end(&j);
	ap_reply_body(rq);
}

static void
ask_untag(struct ap_request *rq, struct ap_change *c)
{
	struct ipc_delete_tag ask = {
	    .user = rq->user, .key = c->key, .tag_name = c->text, .has_value = c->flag, .tag_value = c->text2};

	ap_ask(rq, IPC_DELETE_TAG, &ask, AP_CHANGE_TIMEOUT_MS, on_untagged);
}

void
api_untag(struct ap_request *rq)
{
	if (take_tag(rq))
		ap_change_start(rq, true, ask_untag);
}

void
api_untag_all(struct ap_request *rq)
{
	struct ap_change *c = ap_change_of(rq);
	struct ipc_untag_all ask = {.user = rq->user};
	struct db_tag_term tag;
	struct err e;

	if (ap_tag_of_route(rq, &tag, &e) != 0) {
		ap_reply_err(rq, &e);
	} else if (!tag.has_value) {
		ap_reply_error(rq, "untag-all needs a tag with its value: name=value");
	} else {
		ask.tag_name = c->text = ap_keep(rq, tag.name);
		ask.tag_value = tag.value;
		ap_ask(rq, IPC_UNTAG_ALL, &ask, AP_CHANGE_TIMEOUT_MS, on_untagged);
	}
}
