/* db_read_instance.c — instances as apid shows them: the stored row, what other tables say about it, and what follows
 * from both. Called by apid's readers and raftd's load. One query per call, however many rows.
 *
 * What is true "now" (downtime) is decided here and not in SQL: other programs write times in several forms. */
#include <stdlib.h>

#include "base/clock.h"
#include "db/db_driver.h"
#include "db/db_read.h"
#include "db/db_row.h"
#include "topo/derive.h"

/* Columns after those of database_instance. */
enum extra {
	EXTRA_DOWNTIME_ACTIVE,
	EXTRA_DOWNTIME_BEGIN,
	EXTRA_DOWNTIME_END,
	EXTRA_DOWNTIME_OWNER,
	EXTRA_DOWNTIME_REASON,
	EXTRA_RULE,
	EXTRA_UNRESOLVED,
	EXTRA_SNAPSHOTS,
	EXTRA_SHARES_UUID,
	EXTRA_COUNT
};

/* CASE, because AND would look for others among all servers that have no uuid. */
#define SHARES_UUID                                                                                 \
	"CASE WHEN i.server_uuid = '' THEN 0 ELSE EXISTS (SELECT 1 FROM database_instance o WHERE " \
	"o.server_uuid = i.server_uuid AND (o.hostname <> i.hostname OR o.port <> i.port) AND "     \
	"o.last_checked <= o.last_seen) END"
#define EXTRA_COLUMNS                                                                                    \
	", d.downtime_active, d.begin_timestamp, d.end_timestamp, d.owner, d.reason, c.promotion_rule, " \
	"u.unresolved_hostname, a.count_mysql_snapshots, " SHARES_UUID
#define FROM_INSTANCE " FROM database_instance i"
#define JOIN_DOWNTIME " LEFT JOIN database_instance_downtime d ON d.hostname = i.hostname AND d.port = i.port"
#define JOIN_OTHERS                                                                               \
	" LEFT JOIN candidate_database_instance c ON c.hostname = i.hostname AND c.port = i.port" \
	" LEFT JOIN hostname_unresolve u ON u.hostname = i.hostname"                              \
	" LEFT JOIN host_agent a ON a.hostname = i.hostname"

struct instance_reader {
	struct db *db;
	const struct db_table_info *table;
	const struct db_instance_filter *filter;
	struct wall now;
	const struct topo_limits *limits;
	db_instance_fn on_instance;
	db_key_fn on_key;
	void *ctx;
};

/* Replicas know their source by the name that its hostname resolves to. */
#define IN_FAMILY                                                                                               \
	"(i.cluster_name = ? OR (i.master_host, i.master_port) IN (SELECT COALESCE(r.resolved_hostname, "       \
	"s.hostname), s.port FROM database_instance s LEFT JOIN hostname_resolve r ON r.hostname = s.hostname " \
	"WHERE s.cluster_name = ?))"

/* --- conditions ------------------------------------------------------------------------------ */
#define MAX_PARAMS 24

struct conditions {
	struct str_buf sql;
	struct db_value params[MAX_PARAMS];
	size_t n_params;
	char *needle; /* owned: search text in lower case */
	char *fuzzy;
};

static void
add_param(struct conditions *c, struct db_value v)
{
	ASSERT(c->n_params < MAX_PARAMS);
	c->params[c->n_params++] = v;
}

static void
add_condition(struct conditions *c, const char *sql)
{
	str_buf_add(&c->sql, c->sql.len == 0 ? " WHERE " : " AND ");
	str_buf_add(&c->sql, sql);
}

static void
add_key(struct conditions *c, const char *sql, const struct topo_key *key)
{
	add_condition(c, sql);
	add_param(c, db_text(key->hostname));
	add_param(c, db_i64(key->port));
}

static char *
lower_dup(const char *s)
{
	char *copy = mem_strdup(s);

	for (char *p = copy; *p != '\0'; p++) {
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p - 'A' + 'a');
	}
	return copy;
}

/* probing.md section 16: text within these, or equal to server_id or port. */
static void
add_search(struct conditions *c, const char *search)
{
	const char *text;
	int64_t number = 0;
	struct err ignored;
	bool is_number;

	c->needle = lower_dup(search);
	text = str_trim(c->needle);
	if (text[0] == '\0')
		return;
	is_number = str_parse_i64(text, 0, UINT32_MAX, &number, &ignored) == 0;
	add_condition(
	    c, "(instr(lower(i.hostname), ?) > 0 OR instr(lower(i.cluster_name), ?) > 0 OR "
	       "instr(lower(i.version), ?) > 0 OR instr(lower(i.version_comment), ?) > 0 OR "
	       "instr(lower(i.hostname || ':' || i.port), ?) > 0 OR instr(lower(i.suggested_cluster_alias), ?) > 0 "
	       "OR i.server_id = ? OR i.port = ?)");
	for (int i = 0; i < 6; i++)
		add_param(c, db_text(text));
	for (int i = 0; i < 2; i++)
		add_param(c, is_number ? db_i64(number) : db_null());
}

static void
add_texts(struct conditions *c, const struct db_instance_filter *f)
{
	if (f->fuzzy != NULL) {
		struct topo_key key = {c->fuzzy = lower_dup(f->fuzzy->hostname), f->fuzzy->port};
		add_key(c, "instr(lower(i.hostname), ?) > 0 AND i.port = ?", &key);
	}
	if (f->cluster != NULL) {
		add_condition(c, "i.cluster_name = ?");
		add_param(c, db_text(f->cluster));
	}
	if (f->family != NULL) {
		add_condition(c, IN_FAMILY);
		add_param(c, db_text(f->family));
		add_param(c, db_text(f->family));
	}
	if (f->cluster_like != NULL) {
		add_condition(c, "i.cluster_name LIKE ?");
		add_param(c, db_text(f->cluster_like));
	}
	if (f->search != NULL)
		add_search(c, f->search);
}

static void
add_filter(struct conditions *c, const struct db_instance_filter *f)
{
	if (f->key != NULL)
		add_key(c, "i.hostname = ? AND i.port = ?", f->key);
	if (f->source != NULL)
		add_key(c, "i.master_host = ? AND i.master_port = ?", f->source);
	add_texts(c, f);
	if (f->downtimed)
		add_condition(c, "d.downtime_active IS NOT NULL");
	if (f->primaries)
		add_condition(c, "(i.replication_depth = 0 OR i.is_co_master = 1)");
	if (f->writable)
		add_condition(c, "i.read_only = 0");
}

static void
conditions_done(struct conditions *c)
{
	str_buf_done(&c->sql);
	free(c->needle);
	free(c->fuzzy);
}

static const char *
order_sql(enum db_instance_order order)
{
	switch (order) {
	case DB_ORDER_KEY:
		return " ORDER BY i.hostname, i.port";
	case DB_ORDER_DEPTH:
		return " ORDER BY i.replication_depth, i.num_slave_hosts DESC, i.cluster_name, i.hostname, i.port";
	case DB_ORDER_PRIMARY:
		return " ORDER BY i.cluster_name, i.read_only, i.replication_depth, i.hostname, i.port";
	}
	ASSERT(!"unknown order");
	return "";
}

/* --- what other tables say ------------------------------------------------------------------- */
/* Active: downtime_active is not NULL, and the end is absent or in the future. */
static bool
in_downtime(const struct db_value *active, const struct db_value *end, struct wall now)
{
	int64_t end_us = db_value_us(end);

	return active->kind != DB_NULL && (end_us == 0 || end_us > now.us);
}

static const char *
text_of(const struct db_value *v, struct mem_arena *arena)
{
	return v->kind == DB_TEXT ? v->t.p : db_value_text(v, mem_arena_alloc(arena, DB_SCRATCH_BYTES));
}

static void
add_downtime(struct topo_instance *i, const struct db_value *x, struct wall now, struct mem_arena *arena)
{
	int64_t begin_us = db_value_us(&x[EXTRA_DOWNTIME_BEGIN]);
	int64_t end_us = db_value_us(&x[EXTRA_DOWNTIME_END]);

	if (!in_downtime(&x[EXTRA_DOWNTIME_ACTIVE], &x[EXTRA_DOWNTIME_END], now))
		return;
	i->is_downtimed = true;
	i->downtime_owner = text_of(&x[EXTRA_DOWNTIME_OWNER], arena);
	i->downtime_reason = text_of(&x[EXTRA_DOWNTIME_REASON], arena);
	if (end_us > 0)
		i->downtime_end_text = db_stamp(end_us, mem_arena_alloc(arena, CLK_STAMP_BYTES)).t.p;
	if (begin_us > 0 && begin_us < now.us)
		i->elapsed_downtime_ns = (now.us - begin_us) / CLK_S * INT64_C(1000000000);
}

static void
add_rule(struct topo_instance *i, const struct db_value *rule, struct mem_arena *arena)
{
	const char *text = text_of(rule, arena);

	i->promotion_rule = text[0] == '\0' ? "neutral" : text;
	i->is_candidate = str_eq(text, "must") || str_eq(text, "prefer");
}

static int
on_instance_values(void *ctx, const struct db_value *values, size_t n, struct err *e)
{
	struct instance_reader *r = ctx;
	struct mem_arena *arena = &r->db->arena;
	const struct db_value *extra = values + r->table->n_columns;
	struct topo_instance i;

	ASSERT(n == r->table->n_columns + EXTRA_COUNT);
	if (r->filter->downtimed && !in_downtime(&extra[EXTRA_DOWNTIME_ACTIVE], &extra[EXTRA_DOWNTIME_END], r->now))
		return 0;
	mem_arena_reset(arena);
	db_row_record(r->table, values, &i, arena);
	add_downtime(&i, extra, r->now, arena);
	add_rule(&i, &extra[EXTRA_RULE], arena);
	i.unresolved_hostname = text_of(&extra[EXTRA_UNRESOLVED], arena);
	i.count_mysql_snapshots = db_value_i64(&extra[EXTRA_SNAPSHOTS]);
	i.shares_uuid = db_value_i64(&extra[EXTRA_SHARES_UUID]) != 0;
	if (r->limits != NULL)
		topo_derive(&i, r->limits, r->now, arena);
	return r->on_instance(r->ctx, &i, e);
}

static int
on_key_values(void *ctx, const struct db_value *values, size_t n UNUSED, struct err *e)
{
	struct instance_reader *r = ctx;
	char scratch[DB_SCRATCH_BYTES];
	struct topo_key key = {db_value_text(&values[0], scratch), db_value_i64(&values[1])};

	if (r->filter->downtimed && !in_downtime(&values[2], &values[3], r->now))
		return 0;
	return r->on_key(r->ctx, &key, e);
}

/* --- reading --------------------------------------------------------------------------------- */
static int
run(struct instance_reader *r, struct str_buf *sql, enum db_instance_order order, db_values_fn on_values, struct err *e)
{
	struct conditions c = {0};
	int rc;

	add_filter(&c, r->filter);
	str_buf_add(sql, str_buf_text(&c.sql));
	str_buf_add(sql, order_sql(order));
	rc = db_query(r->db, str_buf_text(sql), c.params, c.n_params, on_values, r, e);
	conditions_done(&c);
	str_buf_done(sql);
	return rc == 0 ? 0 : err_wrap(e, "reading database_instance");
}

static void
make_complete(struct db *db UNUSED, enum db_table table, struct str_buf *b)
{
	str_buf_add(b, "SELECT ");
	db_sql_columns(b, db_table_info(table), "i");
	str_buf_add(b, EXTRA_COLUMNS FROM_INSTANCE JOIN_DOWNTIME JOIN_OTHERS);
}

int
db_read_instances(struct db *db, const struct db_instance_filter *filter, enum db_instance_order order, struct wall now,
		  const struct topo_limits *limits, db_instance_fn on_instance, void *ctx, struct err *e)
{
	struct instance_reader r = {.db = db,
				    .table = db_table_info(DB_TABLE_instance),
				    .filter = filter,
				    .now = now,
				    .limits = limits,
				    .on_instance = on_instance,
				    .ctx = ctx};
	struct str_buf sql = {0};

	str_buf_add(&sql, db_op_sql(db, DB_TABLE_instance, DB_OP_COMPLETE, make_complete));
	return run(&r, &sql, order, on_instance_values, e);
}

int
db_read_instance_keys(struct db *db, const struct db_instance_filter *filter, enum db_instance_order order,
		      struct wall now, db_key_fn on_key, void *ctx, struct err *e)
{
	struct instance_reader r = {.db = db, .filter = filter, .now = now, .on_key = on_key, .ctx = ctx};
	struct str_buf sql = {0};

	str_buf_add(&sql, "SELECT i.hostname, i.port, d.downtime_active, d.end_timestamp" FROM_INSTANCE JOIN_DOWNTIME);
	return run(&r, &sql, order, on_key_values, e);
}
