/* ap_votes.c — see ap_votes.h. Called by api_recoveries.c and api_analysis.c. */
#include "ap_votes.h"

#include "db/db_read.h"

bool
ap_wants_details(const struct ap_request *rq)
{
	return str_eq(ap_query(rq, "details"), "true");
}

static int
write_witness(void *ctx, const void *row, struct err *e UNUSED)
{
	const struct db_detection_witness *w = row;
	struct ap_json *j = ctx;
	char stamp[CLK_STAMP_BYTES] = "";

	ap_json_object(j);
	ap_json_member_text(j, "Witness", w->witness);
	ap_json_member_bool(j, "IsReplica", w->is_replica);
	ap_json_member_text(j, "Seen", w->seen);
	ap_json_member_text(j, "Cause", w->cause);
	ap_json_member_i64(j, "ErrorNumber", w->errno_mysql);
	ap_json_member_i64(j, "Attempts", w->attempts);
	ap_json_member_text(j, "Reader", w->reader);
	if (w->seen_at_us != 0)
		clk_format_wall((struct wall){w->seen_at_us}, stamp);
	ap_json_member_text(j, "SeenAt", stamp);
	ap_json_object_end(j);
	return 0;
}

int
ap_json_votes(struct ap_json *j, struct ap_reader *r, int64_t detection_id, struct err *e)
{
	struct db_value id = db_i64(detection_id);
	int rc;

	ap_json_key(j, "Votes");
	ap_json_array(j);
	rc = db_read_where(r->db, DB_TABLE_detection_witness, "WHERE detection_id = ? ORDER BY is_replica, witness",
			   &id, 1, write_witness, j, e);
	ap_json_array_end(j);
	return rc;
}

static int
take_newest(void *ctx, const void *row, struct err *e UNUSED)
{
	*(int64_t *)ctx = ((const struct db_detection *)row)->detection_id;
	return DB_STOP;
}

int
ap_json_votes_about(struct ap_json *j, struct ap_reader *r, const struct topo_key *key, struct err *e)
{
	struct db_value params[] = {db_text(key->hostname), db_i64(key->port)};
	int64_t id = 0;
	int rc = db_read_where(r->db, DB_TABLE_detection,
			       "WHERE hostname = ? AND port = ? AND in_active_period = 1 ORDER BY detection_id DESC",
			       params, ARRAY_LEN(params), take_newest, &id, e);

	if (rc != 0)
		return rc;
	ap_json_member_i64(j, "DetectionId", id);
	return ap_json_votes(j, r, id, e);
}

/* --- votes that were held, whatever came of them ---------------------------------------------------------------------- */
void
ap_json_vote(struct ap_json *j, const struct db_vote *v)
{
	struct topo_key key = {v->hostname, (int64_t)v->port};
	char stamp[CLK_STAMP_BYTES] = "";

	clk_format_wall((struct wall){v->decided_at_us}, stamp);
	ap_json_object(j);
	ap_json_key(j, "Key");
	ap_json_record(j, &topo_key_desc, &key);
	ap_json_member_text(j, "Verdict", v->verdict);
	ap_json_member_text(j, "Analysis", v->analysis);
	ap_json_member_text(j, "Description", v->description);
	ap_json_member_text(j, "Seen", v->seen);
	ap_json_member_i64(j, "Failed", (int64_t)v->failed);
	ap_json_member_i64(j, "Answered", (int64_t)v->answered);
	ap_json_member_i64(j, "Needed", (int64_t)v->needed);
	ap_json_member_text(j, "DecidedAt", stamp);
	ap_json_object_end(j);
}

struct last_vote {
	struct ap_json *j;
	bool found;
};

static int
write_last(void *ctx, const void *row, struct err *e UNUSED)
{
	struct last_vote *l = ctx;

	ap_json_vote(l->j, row);
	l->found = true;
	return 0;
}

int
ap_json_last_vote(struct ap_json *j, struct ap_reader *r, const struct topo_key *key, struct err *e)
{
	struct db_value params[] = {db_text(key->hostname), db_i64(key->port)};
	struct last_vote l = {.j = j};
	int rc;

	ap_json_key(j, "LastVote");
	rc = db_read_where(r->db, DB_TABLE_vote, "WHERE hostname = ? AND port = ?", params, ARRAY_LEN(params),
			   write_last, &l, e);
	if (!l.found)
		ap_json_null(j);
	return rc;
}
