/* api_bulk.c — whole tables for scripts: bulk-instances, bulk-promotion-rules, and the stored host names. They run in
 * reader threads. Shapes: json-shapes.md section 6. */
#include "ap_instances.h"
#include "ap_readers.h"

static int
write_key(void *ctx, const struct topo_key *key, struct err *e UNUSED)
{
	ap_json_record(ctx, &topo_key_desc, key);
	return 0;
}

int
api_bulk_instances(struct ap_request *rq, struct ap_reader *r, struct err *e)
{
	struct ap_json j = {.out = &rq->body};
	struct db_instance_filter all = {0};
	int rc;

	ap_json_array(&j);
	rc = db_read_instance_keys(r->db, &all, DB_ORDER_KEY, r->now, write_key, &j, e);
	ap_json_array_end(&j);
	ap_null_when_empty(rq);
	return rc;
}

/* --- promotion rules -------------------------------------------------------------------------------------------------- */
struct rules_job {
	struct ap_json j;
	int64_t life_us;
};

static void
member_stamp(struct ap_json *j, const char *key, int64_t us)
{
	char stamp[CLK_STAMP_BYTES];

	clk_format_wall((struct wall){us}, stamp);
	ap_json_member_text(j, key, us == 0 ? "" : stamp);
}

static int
write_rule(void *ctx, const void *row, struct err *e UNUSED)
{
	const struct db_candidate *c = row;
	struct rules_job *job = ctx;
	int64_t at_us = c->last_suggested_us;

	ap_json_object(&job->j);
	ap_json_member_text(&job->j, "Hostname", c->hostname);
	ap_json_member_i64(&job->j, "Port", c->port);
	ap_json_member_text(&job->j, "PromotionRule", c->promotion_rule);
	member_stamp(&job->j, "LastSuggestedString", at_us);
	member_stamp(&job->j, "PromotionRuleExpiry", at_us == 0 ? 0 : at_us + job->life_us);
	ap_json_object_end(&job->j);
	return 0;
}

/* In key order: the table's primary key. */
int
api_bulk_promotion_rules(struct ap_request *rq, struct ap_reader *r, struct err *e)
{
	struct rules_job job = {.j = {.out = &rq->body},
				.life_us = rq->conf->CandidateInstanceExpireMinutes * 60 * CLK_S};
	int rc;

	ap_json_array(&job.j);
	rc = db_read_all(r->db, DB_TABLE_candidate, write_rule, &job, e);
	ap_json_array_end(&job.j);
	ap_null_when_empty(rq);
	return rc;
}

/* --- host names, "name name" each, for the command line ---------------------------------------------------------------- */
static void
write_pair(struct ap_json *j, const char *name, const char *other)
{
	struct str_buf text = {0};

	str_buf_printf(&text, "%s %s", name, other);
	ap_json_text(j, str_buf_text(&text));
	str_buf_done(&text);
}

static int
write_resolve(void *ctx, const void *row, struct err *e UNUSED)
{
	const struct db_hostname_resolve *h = row;

	write_pair(ctx, h->hostname, h->resolved_hostname);
	return 0;
}

static int
write_unresolve(void *ctx, const void *row, struct err *e UNUSED)
{
	const struct db_hostname_unresolve *h = row;

	write_pair(ctx, h->hostname, h->unresolved_hostname);
	return 0;
}

static int
write_names(struct ap_request *rq, struct ap_reader *r, enum db_table table, db_row_fn write, struct err *e)
{
	struct ap_json j = {.out = &rq->body};
	int rc;

	ap_json_array(&j);
	rc = db_read_all(r->db, table, write, &j, e);
	ap_json_array_end(&j);
	return rc;
}

int
api_show_resolve_hosts(struct ap_request *rq, struct ap_reader *r, struct err *e)
{
	return write_names(rq, r, DB_TABLE_hostname_resolve, write_resolve, e);
}

int
api_show_unresolve_hosts(struct ap_request *rq, struct ap_reader *r, struct err *e)
{
	return write_names(rq, r, DB_TABLE_hostname_unresolve, write_unresolve, e);
}
