/* api_recoveries.c — recoveries, their steps, what is blocked, and detected failures, as recorded (http-api.md sections 12 and
 * 14, json-shapes.md section 5). Runs in reader threads. With the query details=true objects have members of ours behind the
 * historical ones: who saw a failure, and how far a recovery is. */
#include <stdlib.h>

#include "ap_lookup.h"
#include "ap_votes.h"
#include "db/db_read.h"
#include "topo/key.h"

#define RECENT_US (5 * 60 * CLK_S)
#define VOTES_MAX 1000

/* --- what is asked for ------------------------------------------------------------------------------------------- */
struct asked {
	struct str_buf tail; /* WHERE … ORDER BY …, made of constants */
	struct db_value params[8];
	size_t n;
	char since[CLK_STAMP_BYTES];
};

static void
add_condition(struct asked *a, const char *sql)
{
	str_buf_printf(&a->tail, "%s %s", a->tail.len == 0 ? "WHERE" : " AND", sql);
}

static void
add_param(struct asked *a, struct db_value v)
{
	ASSERT(a->n < ARRAY_LEN(a->params));
	a->params[a->n++] = v;
}

static void
add_text(struct ap_request *rq, struct asked *a, const char *name, const char *sql)
{
	if (!ap_has_param(rq, name))
		return;
	add_condition(a, sql);
	add_param(a, db_text(ap_param(rq, name)));
}

/* Missing, negative or non-numeric numbers read as 0: the first page, no id. */
static int64_t
number_of(const struct ap_request *rq, const char *name)
{
	int64_t n = 0;
	struct err e;

	if (!ap_has_param(rq, name) || str_parse_i64(ap_param(rq, name), 0, INT64_MAX / DB_PAGE_ROWS, &n, &e) != 0)
		return 0;
	return n;
}

static void
add_page(struct ap_request *rq, struct asked *a, const char *order)
{
	str_buf_printf(&a->tail, " ORDER BY %s DESC LIMIT ? OFFSET ?", order);
	add_param(a, db_i64(DB_PAGE_ROWS));
	add_param(a, db_i64(number_of(rq, "page") * DB_PAGE_ROWS));
}

/* --- pieces of objects ------------------------------------------------------------------------------------------- */
static void
member_stamp(struct ap_json *j, const char *name, int64_t us)
{
	char stamp[CLK_STAMP_BYTES] = "";

	if (us != 0)
		clk_format_wall((struct wall){us}, stamp);
	ap_json_member_text(j, name, stamp);
}

static void
member_key(struct ap_json *j, const char *name, const char *hostname, int64_t port)
{
	struct topo_key key = {hostname, port};

	ap_json_key(j, name);
	ap_json_record(j, &topo_key_desc, &key);
}

/* "a:1,b:2" as stored; owning. What somebody else has spoiled is no list. */
static struct topo_key_list
keys_of(const char *text)
{
	struct topo_key_list keys = {0};
	struct err e;

	if (topo_key_list_parse(text, 3306, &keys, &e) != 0)
		return (struct topo_key_list){0};
	topo_key_list_sort(&keys);
	return keys;
}

static void
member_keys(struct ap_json *j, const char *name, const char *text)
{
	struct topo_key_list keys = keys_of(text);

	ap_json_key(j, name);
	ap_json_keys(j, &keys);
	topo_key_list_done(&keys);
}

/* An array of lines; of an empty text one empty line, historically. */
static void
member_lines(struct ap_json *j, const char *name, const char *text)
{
	ap_json_key(j, name);
	ap_json_array(j);
	for (const char *end;; text = end + 1) {
		char *line;
		end = strchrnul(text, '\n');
		line = mem_strndup(text, (size_t)(end - text));
		ap_json_text(j, line);
		free(line);
		if (*end == '\0')
			break;
	}
	ap_json_array_end(j);
}

struct entry {
	const char *hostname, *analysis, *cluster_name, *cluster_alias, *replicas;
	int64_t port, n_replicas;
	const char *start;
};

static void
member_analysis(struct ap_json *j, struct ap_rules *rules, const struct entry *of)
{
	struct topo_analysis a;
	struct topo_key_list replicas = keys_of(of->replicas);

	rec_init(&topo_analysis_desc, &a);
	a.key = (struct topo_key){of->hostname, of->port};
	a.analysis = of->analysis;
	a.cluster.name = of->cluster_name;
	a.cluster.alias = of->cluster_alias;
	a.cluster.automated_primary_recovery =
	    ap_cluster_filter_matches(rules->recover_primary, of->cluster_name, of->cluster_alias);
	a.cluster.automated_intermediate_recovery =
	    ap_cluster_filter_matches(rules->recover_intermediate, of->cluster_name, of->cluster_alias);
	a.n_replicas = (uint64_t)of->n_replicas;
	a.replicas = replicas;
	a.start_active_period = of->start;
	ap_json_key(j, "AnalysisEntry");
	ap_json_analysis(j, &a);
	topo_key_list_done(&replicas);
}

/* --- recoveries -------------------------------------------------------------------------------------------------- */
struct recoveries {
	struct db_recovery *v; /* owning */
	size_t n, cap;
};

static int
take_recovery(void *ctx, const void *row, struct err *e UNUSED)
{
	struct recoveries *l = ctx;

	mem_grow(l->v, l->cap, l->n + 1);
	rec_dup(&db_recovery_desc, &l->v[l->n++], row);
	return 0;
}

static int
write_machine(void *ctx, const void *row, struct err *e UNUSED)
{
	const struct db_recovery_machine *m = row;
	struct ap_json *j = ctx;

	ap_json_member_text(j, "State", m->state);
	ap_json_member_text(j, "StateReason", m->why);
	member_stamp(j, "StateSince", m->since);
	member_stamp(j, "StateDeadline", m->deadline);
	ap_json_member_text(j, "Loss", m->loss);
	return 0;
}

static int
write_recovery(struct ap_request *rq, struct ap_reader *r, struct ap_json *j, const struct db_recovery *row,
	       struct err *e)
{
	struct entry entry = {row->hostname,
			      row->analysis,
			      row->cluster_name,
			      row->cluster_alias,
			      row->slave_hosts,
			      row->port,
			      row->count_affected_slaves /* historical */,
			      ""};
	struct db_value uid = db_text(row->uid);
	int rc = 0;

	ap_json_object(j);
	ap_json_member_i64(j, "Id", row->recovery_id);
	ap_json_member_text(j, "UID", row->uid);
	member_analysis(j, r->rules, &entry);
	member_key(j, "SuccessorKey", row->successor_hostname, row->successor_port.v);
	ap_json_member_text(j, "SuccessorAlias", row->successor_alias);
	ap_json_key(j, "SuccessorBinlogCoordinates");
	ap_json_null(j);
	ap_json_member_bool(j, "IsActive", row->end_active_period_unixtime.v == 0);
	ap_json_member_bool(j, "IsSuccessful", row->is_successful);
	member_keys(j, "LostReplicas", row->lost_slaves); /* historical */
	member_keys(j, "ParticipatingInstanceKeys", row->participating_instances);
	member_lines(j, "AllErrors", row->all_errors);
	member_stamp(j, "RecoveryStartTimestamp", row->start_active_period_us);
	member_stamp(j, "RecoveryEndTimestamp", row->end_recovery_us);
	ap_json_member_text(j, "ProcessingNodeHostname", row->processing_node_hostname);
	ap_json_member_text(j, "ProcessingNodeToken", row->processcing_node_token);
	ap_json_member_bool(j, "Acknowledged", row->acknowledged);
	member_stamp(j, "AcknowledgedAt", row->acknowledged_at_us);
	ap_json_member_text(j, "AcknowledgedBy", row->acknowledged_by);
	ap_json_member_text(j, "AcknowledgedComment", row->acknowledge_comment);
	ap_json_member_i64(j, "LastDetectionId", row->last_detection_id);
	ap_json_member_i64(j, "RelatedRecoveryId", 0);
	ap_json_member_text(j, "Type", "");
	ap_json_member_text(j, "RecoveryType", "NotMasterRecovery");
	if (ap_wants_details(rq))
		rc = db_read_where(r->db, DB_TABLE_recovery_machine, "WHERE uid = ?", &uid, 1, write_machine, j, e);
	ap_json_object_end(j);
	return rc;
}

static int
answer_recoveries(struct ap_request *rq, struct ap_reader *r, struct asked *a, struct err *e)
{
	struct ap_json j = {.out = &rq->body};
	struct recoveries l = {0};
	int rc = db_read_where(r->db, DB_TABLE_recovery, str_buf_text(&a->tail), a->params, a->n, take_recovery, &l, e);

	ap_json_array(&j);
	for (size_t i = 0; i < l.n; i++) {
		if (rc == 0)
			rc = write_recovery(rq, r, &j, &l.v[i], e);
		rec_done(&db_recovery_desc, &l.v[i]);
	}
	ap_json_array_end(&j);
	free(l.v);
	str_buf_done(&a->tail);
	return rc;
}

int
api_audit_recovery(struct ap_request *rq, struct ap_reader *r, struct err *e)
{
	struct asked a = {0};

	if (number_of(rq, "id") > 0) {
		add_condition(&a, "recovery_id = ?");
		add_param(&a, db_i64(number_of(rq, "id")));
	}
	add_text(rq, &a, "uid", "uid = ?");
	add_text(rq, &a, "clusterName", "cluster_name = ?");
	add_text(rq, &a, "clusterAlias", "cluster_alias = ?");
	if (str_eq(ap_query(rq, "unacknowledged"), "true"))
		add_condition(&a, "acknowledged = 0");
	add_page(rq, &a, "recovery_id");
	return answer_recoveries(rq, r, &a, e);
}

int
api_active_cluster_recovery(struct ap_request *rq, struct ap_reader *r, struct err *e)
{
	struct asked a = {0};

	add_condition(&a, "in_active_period = 1");
	add_condition(&a, "end_recovery IS NULL");
	add_text(rq, &a, "clusterName", "cluster_name = ?");
	str_buf_add(&a.tail, " ORDER BY recovery_id DESC");
	return answer_recoveries(rq, r, &a, e);
}

static void
add_recent(struct ap_reader *r, struct asked *a)
{
	add_condition(a, "end_recovery > ?");
	add_param(a, db_stamp(r->now.us - RECENT_US, a->since));
}

int
api_recently_active_cluster_recovery(struct ap_request *rq, struct ap_reader *r, struct err *e)
{
	struct asked a = {0};

	add_recent(r, &a);
	add_text(rq, &a, "clusterName", "cluster_name = ?");
	str_buf_add(&a.tail, " ORDER BY recovery_id DESC");
	return answer_recoveries(rq, r, &a, e);
}

/* By successor, historically. */
int
api_recently_active_instance_recovery(struct ap_request *rq, struct ap_reader *r, struct err *e)
{
	struct asked a = {0};
	struct topo_key key;

	if (ap_route_key(rq, r, &key, e) != 0)
		return -e->code;
	add_recent(r, &a);
	add_condition(&a, "successor_hostname = ?");
	add_param(&a, db_text(key.hostname));
	add_condition(&a, "successor_port = ?");
	add_param(&a, db_i64(key.port));
	str_buf_add(&a.tail, " ORDER BY recovery_id DESC");
	return answer_recoveries(rq, r, &a, e);
}

/* --- steps ------------------------------------------------------------------------------------------------------- */
static int
write_step(void *ctx, const void *row, struct err *e UNUSED)
{
	const struct db_recovery_step *s = row;
	struct ap_json *j = ctx;

	ap_json_object(j);
	ap_json_member_i64(j, "Id", s->recovery_step_id);
	ap_json_member_text(j, "RecoveryUID", s->recovery_uid);
	member_stamp(j, "AuditAt", s->audit_at_us);
	ap_json_member_text(j, "Message", s->message);
	ap_json_object_end(j);
	return 0;
}

int
api_audit_recovery_steps(struct ap_request *rq, struct ap_reader *r, struct err *e)
{
	struct ap_json j = {.out = &rq->body};
	struct db_value uid = db_text(ap_param(rq, "uid"));
	int rc;

	ap_json_array(&j);
	rc = db_read_where(r->db, DB_TABLE_recovery_step, "WHERE recovery_uid = ? ORDER BY recovery_step_id", &uid, 1,
			   write_step, &j, e);
	ap_json_array_end(&j);
	return rc;
}

/* --- blocked ----------------------------------------------------------------------------------------------------- */
static int
write_blocked(void *ctx, const void *row, struct err *e UNUSED)
{
	const struct db_blocked_recovery *b = row;
	struct ap_json *j = ctx;

	ap_json_object(j);
	member_key(j, "FailedInstanceKey", b->hostname, b->port);
	ap_json_member_text(j, "ClusterName", b->cluster_name);
	ap_json_member_text(j, "Analysis", b->analysis);
	member_stamp(j, "LastBlockedTimestamp", b->last_blocked_timestamp_us);
	ap_json_member_i64(j, "BlockingRecoveryId", b->blocking_recovery_id.v);
	ap_json_object_end(j);
	return 0;
}

int
api_blocked_recoveries(struct ap_request *rq, struct ap_reader *r, struct err *e)
{
	struct ap_json j = {.out = &rq->body};
	struct asked a = {0};
	int rc;

	add_text(rq, &a, "clusterName", "cluster_name = ?");
	str_buf_add(&a.tail, " ORDER BY last_blocked_timestamp DESC, hostname, port");
	ap_json_array(&j);
	rc =
	    db_read_where(r->db, DB_TABLE_blocked_recovery, str_buf_text(&a.tail), a.params, a.n, write_blocked, &j, e);
	ap_json_array_end(&j);
	str_buf_done(&a.tail);
	return rc;
}

/* --- detections -------------------------------------------------------------------------------------------------- */
struct detections {
	struct db_detection *v; /* owning */
	size_t n, cap;
};

static int
take_detection(void *ctx, const void *row, struct err *e UNUSED)
{
	struct detections *l = ctx;

	mem_grow(l->v, l->cap, l->n + 1);
	rec_dup(&db_detection_desc, &l->v[l->n++], row);
	return 0;
}

static int
take_id(void *ctx, const void *row, struct err *e UNUSED)
{
	*(int64_t *)ctx = ((const struct db_recovery *)row)->recovery_id;
	return DB_STOP;
}

static void
write_detection_rest(struct ap_json *j, const struct db_detection *row, int64_t recovery_id)
{
	ap_json_member_bool(j, "IsActive", row->in_active_period);
	ap_json_member_bool(j, "IsSuccessful", false);
	member_keys(j, "LostReplicas", "");
	member_keys(j, "ParticipatingInstanceKeys", "");
	ap_json_key(j, "AllErrors");
	ap_json_null(j);
	member_stamp(j, "RecoveryStartTimestamp", row->start_active_period_us);
	ap_json_member_text(j, "RecoveryEndTimestamp", "");
	ap_json_member_text(j, "ProcessingNodeHostname", row->processing_node_hostname);
	ap_json_member_text(j, "ProcessingNodeToken", row->processcing_node_token);
	ap_json_member_bool(j, "Acknowledged", false);
	ap_json_member_text(j, "AcknowledgedAt", "");
	ap_json_member_text(j, "AcknowledgedBy", "");
	ap_json_member_text(j, "AcknowledgedComment", "");
	ap_json_member_i64(j, "LastDetectionId", 0);
	ap_json_member_i64(j, "RelatedRecoveryId", recovery_id);
	ap_json_member_text(j, "Type", "");
	ap_json_member_text(j, "RecoveryType", "");
}

static int
write_detection(struct ap_request *rq, struct ap_reader *r, struct ap_json *j, const struct db_detection *row,
		struct err *e)
{
	char start[CLK_STAMP_BYTES] = "";
	struct entry entry = {row->hostname,
			      row->analysis,
			      row->cluster_name,
			      row->cluster_alias,
			      row->slave_hosts,
			      row->port,
			      row->count_affected_slaves /* historical */,
			      start};
	struct db_value id = db_i64(row->detection_id);
	int64_t recovery_id = 0;
	int rc = db_read_where(r->db, DB_TABLE_recovery, "WHERE last_detection_id = ? ORDER BY recovery_id DESC", &id,
			       1, take_id, &recovery_id, e);

	if (row->start_active_period_us != 0)
		clk_format_wall((struct wall){row->start_active_period_us}, start);
	ap_json_object(j);
	ap_json_member_i64(j, "Id", row->detection_id);
	ap_json_member_text(j, "UID", "");
	member_analysis(j, r->rules, &entry);
	ap_json_key(j, "SuccessorKey");
	ap_json_null(j);
	ap_json_member_text(j, "SuccessorAlias", "");
	ap_json_key(j, "SuccessorBinlogCoordinates");
	ap_json_null(j);
	write_detection_rest(j, row, recovery_id);
	if (rc == 0 && ap_wants_details(rq))
		rc = ap_json_votes(j, r, row->detection_id, e);
	ap_json_object_end(j);
	return rc;
}

static int
write_vote(void *ctx, const void *row, struct err *e UNUSED)
{
	ap_json_vote(ctx, row);
	return 0;
}

int
api_failure_votes(struct ap_request *rq, struct ap_reader *r, struct err *e)
{
	struct ap_json j = {.out = &rq->body};
	struct db_value most = db_i64(VOTES_MAX);
	int rc;

	ap_json_array(&j);
	rc = db_read_where(r->db, DB_TABLE_vote, "ORDER BY decided_at DESC, hostname, port LIMIT ?", &most, 1,
			   write_vote, &j, e);
	ap_json_array_end(&j);
	return rc;
}

int
api_audit_failure_detection(struct ap_request *rq, struct ap_reader *r, struct err *e)
{
	struct ap_json j = {.out = &rq->body};
	struct detections l = {0};
	struct asked a = {0};
	int rc;

	if (number_of(rq, "id") > 0) {
		add_condition(&a, "detection_id = ?");
		add_param(&a, db_i64(number_of(rq, "id")));
	}
	add_text(rq, &a, "clusterAlias", "cluster_alias = ?");
	add_page(rq, &a, "detection_id");
	rc = db_read_where(r->db, DB_TABLE_detection, str_buf_text(&a.tail), a.params, a.n, take_detection, &l, e);
	ap_json_array(&j);
	for (size_t i = 0; i < l.n; i++) {
		if (rc == 0)
			rc = write_detection(rq, r, &j, &l.v[i], e);
		rec_done(&db_detection_desc, &l.v[i]);
	}
	ap_json_array_end(&j);
	free(l.v);
	str_buf_done(&a.tail);
	return rc;
}
