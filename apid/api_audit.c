/* api_audit.c — the audit pages: 20 entries each, newest first. json-shapes.md section 6. */
#include "ap_lookup.h"
#include "db/db_read.h"

static int
write_entry(void *ctx, const void *row, struct err *e UNUSED)
{
	const struct db_audit *a = row;
	struct ap_json *j = ctx;
	struct topo_key key = {a->hostname, a->port};
	char stamp[CLK_STAMP_BYTES] = "";

	if (a->audit_timestamp_us != 0)
		clk_format_wall((struct wall){a->audit_timestamp_us}, stamp);
	ap_json_object(j);
	ap_json_member_i64(j, "AuditId", a->audit_id);
	ap_json_member_text(j, "AuditTimestamp", stamp);
	ap_json_member_text(j, "AuditType", a->audit_type);
	ap_json_key(j, "AuditInstanceKey");
	ap_json_record(j, &topo_key_desc, &key);
	ap_json_member_text(j, "Message", a->message);
	ap_json_object_end(j);
	return 0;
}

/* Missing, negative or non-numeric pages read as the first. */
static int64_t
page_of(const struct ap_request *rq)
{
	int64_t page = 0;
	struct err e;

	if (!ap_has_param(rq, "page") || str_parse_i64(ap_param(rq, "page"), 0, INT32_MAX, &page, &e) != 0)
		return 0;
	return page;
}

int
api_audit(struct ap_request *rq, struct ap_reader *r, struct err *e)
{
	struct ap_json j = {.out = &rq->body};
	bool one = ap_has_param(rq, "host");
	struct topo_key key;
	int rc = one ? ap_route_key(rq, r, &key, e) : 0;

	ap_json_array(&j);
	if (rc == 0)
		rc = db_read_audit(r->db, one ? &key : NULL, page_of(rq), write_entry, &j, e);
	ap_json_array_end(&j);
	return rc;
}
