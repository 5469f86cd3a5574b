/* test_db_rows.c — records into tables and back: every table, upserts, partial instance writes, bookkeeping. */
#include "db_temp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db/db_schema.h"

#define S INT64_C(1000000)

/* --- filling any record with values that its columns can hold -------------------------------- */
static int64_t
sample_number(enum db_type type, uint32_t seed)
{
	switch ((int)type) {
	case DB_TYPE_FLAG:
		return seed & 1;
	case DB_TYPE_U8:
		return seed % 256;
	case DB_TYPE_U16:
	case DB_TYPE_NU16:
		return seed % 65536;
	case DB_TYPE_I8:
	case DB_TYPE_NI8:
		return (int64_t)(seed % 256) - 128;
	case DB_TYPE_TS:
	case DB_TYPE_TSOLD:
	case DB_TYPE_NTS:
		return (1700000000 + (int64_t)seed) * S;
	case DB_TYPE_I64:
		return -((int64_t)seed << 30);
	case DB_TYPE_U64:
	case DB_TYPE_NU64:
		return (int64_t)seed << 30;
	default:
		return seed;
	}
}

static void
fill_field(const struct db_column *c, const struct rec_field *f, void *rec, uint32_t seed)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "it's \"%s\" \xc3\xa9 %u", c->name, seed);
	if (f->kind == REC_STR)
		rec_set_str(rec_at_mut(rec, f), c->type == DB_TYPE_RULE ? "prefer" : text);
	else if (f->kind == REC_BOOL)
		*(bool *)rec_at_mut(rec, f) = (seed & 1) != 0;
	else if (f->kind == REC_NI64)
		*(struct rec_ni64 *)rec_at_mut(rec, f) =
		    (struct rec_ni64){sample_number(c->type, seed), (seed & 2) != 0};
	else
		*(int64_t *)rec_at_mut(rec, f) = sample_number(c->type, seed);
}

static void
fill_keys(struct topo_key_list *list, uint32_t seed)
{
	char host[32];

	list->n = 1 + seed % 3;
	list->v = mem_calloc(list->n, sizeof(*list->v));
	for (size_t i = 0; i < list->n; i++) {
		(void)snprintf(host, sizeof(host), "db%u.example.net", seed + (uint32_t)i);
		list->v[i] = (struct topo_key){mem_strdup(host), 3306 + (int64_t)i};
	}
}

/* An owning record (rec_init's empty texts are fine in one); differs with the seed in every column. */
static void
fill(const struct db_table_info *t, void *rec, uint32_t seed)
{
	rec_init(t->desc, rec);
	for (size_t i = 0; i < t->n_columns; i++) {
		const struct db_binding *b = &t->bindings[i];
		uint32_t x = seed * 7919 + (uint32_t)i;
		if (b->part == DB_PART_WHOLE)
			fill_field(&t->columns[i], b->field, rec, x);
		else if (b->part == DB_PART_SUB)
			fill_field(&t->columns[i], b->sub, rec_at_mut(rec, b->field), x);
		else if (b->part == DB_PART_JSON)
			fill_keys(rec_at_mut(rec, b->field), x);
	}
}

/* Keys of b become those of a. */
static void
copy_keys(const struct db_table_info *t, const void *a, void *b)
{
	for (size_t k = 0; k < t->n_keys; k++) {
		const struct db_binding *x = &t->bindings[t->keys[k]];
		const struct rec_field *f = x->part == DB_PART_SUB ? x->sub : x->field;
		const void *from = x->part == DB_PART_SUB ? rec_at(a, x->field) : a;
		void *to = x->part == DB_PART_SUB ? rec_at_mut(b, x->field) : b;
		if (f->kind == REC_STR)
			rec_set_str(rec_at_mut(to, f), rec_str_at(from, f));
		else
			*(int64_t *)rec_at_mut(to, f) = *(const int64_t *)rec_at(from, f);
	}
}

/* --- round trips ----------------------------------------------------------------------------- */
struct expected {
	const struct db_table_info *table;
	const void *rows[2];
	size_t n;
	size_t seen;
};

static int
on_expected(void *ctx, const void *row, struct err *e UNUSED)
{
	struct expected *x = ctx;
	bool found = false;

	for (size_t i = 0; i < x->n; i++)
		found = found || rec_equal(x->table->desc, row, x->rows[i]);
	if (!found)
		fail_msg("%s: a row does not come back as it was written", x->table->name);
	x->seen++;
	return 0;
}

static void
expect_rows(struct db *db, enum db_table table, struct expected x)
{
	struct err e = {0};

	x.table = db_table_info(table);
	must(db_read_all(db, table, on_expected, &x, &e));
	assert_int_equal(x.seen, x.n);
}

static void
check_table(struct db *db, enum db_table table)
{
	const struct db_table_info *t = db_table_info(table);
	void *a = mem_alloc(t->desc->size), *b = mem_alloc(t->desc->size), *a2 = mem_alloc(t->desc->size);
	struct err e = {0};

	fill(t, a, 1);
	fill(t, b, 2);
	fill(t, a2, 3);
	copy_keys(t, a, a2);
	must(db_upsert(db, table, a, &e));
	must(db_upsert(db, table, b, &e));
	expect_rows(db, table, (struct expected){.rows = {a, b}, .n = 2});
	must(db_upsert(db, table, a2, &e));
	expect_rows(db, table, (struct expected){.rows = {a2, b}, .n = 2});
	must(db_delete(db, table, a2, &e));
	expect_rows(db, table, (struct expected){.rows = {b}, .n = 1});
	must(db_delete_all(db, table, &e));
	expect_rows(db, table, (struct expected){.n = 0});
	rec_done(t->desc, a);
	rec_done(t->desc, b);
	rec_done(t->desc, a2);
	free(a);
	free(b);
	free(a2);
}

static void
every_table_round_trips(void **state UNUSED)
{
	struct temp t;
	struct db *db;

	temp_init(&t);
	db = temp_open(&t, DB_READ_WRITE);
	must_exec(db, "DELETE FROM orchestrator_db_deployments");
	for (size_t i = 0; i < DB_TABLE_COUNT; i++) {
		if (i == DB_TABLE_meta)
			must_exec(db, "DELETE FROM orchestrator_meta");
		check_table(db, (enum db_table)i);
	}
	db_close(db);
	temp_done(&t);
}

static void
empty_records_round_trip(void **state UNUSED)
{
	struct temp t;
	struct db *db;
	struct err e = {0};

	temp_init(&t);
	db = temp_open(&t, DB_READ_WRITE);
	must_exec(db, "DELETE FROM orchestrator_db_deployments");
	for (size_t i = 0; i < DB_TABLE_COUNT; i++) {
		const struct db_table_info *info = db_table_info((enum db_table)i);
		void *row = mem_alloc(info->desc->size);
		rec_init(info->desc, row);
		if (i == DB_TABLE_candidate)
			((struct db_candidate *)row)->promotion_rule = "neutral";
		if (info->has_id) /* else the database gives one */
			*(int64_t *)rec_at_mut(row, info->bindings[0].field) = 5;
		if (i == DB_TABLE_meta)
			must_exec(db, "DELETE FROM orchestrator_meta");
		must(db_upsert(db, (enum db_table)i, row, &e));
		expect_rows(db, (enum db_table)i, (struct expected){.rows = {row}, .n = 1});
		free(row);
	}
	db_close(db);
	temp_done(&t);
}

/* --- upserts --------------------------------------------------------------------------------- */
static void
upsert_keeps_columns_that_we_do_not_know(void **state UNUSED)
{
	struct temp t;
	struct db *db;
	struct db_tag tag = {"db1", 3306, "role", "old", 1700000000 * S};
	struct err e = {0};
	char *kept;

	temp_init(&t);
	db = temp_open(&t, DB_READ_WRITE);
	must_exec(db, "ALTER TABLE database_instance_tags ADD COLUMN theirs text");
	must(db_upsert(db, DB_TABLE_tag, &tag, &e));
	must_exec(db, "UPDATE database_instance_tags SET theirs = 'kept'");
	tag.tag_value = "new";
	must(db_upsert(db, DB_TABLE_tag, &tag, &e));
	kept = must_text(db, "SELECT tag_value || theirs FROM database_instance_tags");
	assert_string_equal(kept, "newkept");
	free(kept);
	db_close(db);
	temp_done(&t);
}

static void
upsert_meets_another_unique_key(void **state UNUSED)
{
	struct temp t;
	struct db *db;
	struct db_node_health_history row = {1, "node1", "token", 1700000000 * S, "", "", "v1"};
	struct err e = {0};

	temp_init(&t);
	db = temp_open(&t, DB_READ_WRITE);
	must(db_upsert(db, DB_TABLE_node_health_history, &row, &e));
	row.history_id = 9;
	row.app_version = "v2";
	must(db_upsert(db, DB_TABLE_node_health_history, &row, &e));
	assert_int_equal(must_number(db, "SELECT count(*) FROM node_health_history WHERE history_id = 9"), 1);
	assert_int_equal(must_number(db, "SELECT count(*) FROM node_health_history"), 1);
	db_close(db);
	temp_done(&t);
}

static void
an_alias_moves_to_the_cluster_that_registers_it_last(void **state UNUSED)
{
	struct temp t;
	struct db *db;
	struct db_cluster_alias a = {"a:1", "shop", S}, b = {"b:1", "pay", S}, taken = {"b:1", "shop", S};
	struct err e = {0};

	temp_init(&t);
	db = temp_open(&t, DB_READ_WRITE);
	must(db_upsert(db, DB_TABLE_cluster_alias, &a, &e));
	must(db_upsert(db, DB_TABLE_cluster_alias, &b, &e));
	must(db_upsert(db, DB_TABLE_cluster_alias, &taken, &e));
	assert_int_equal(must_number(db, "SELECT count(*) FROM cluster_alias"), 1);
	assert_int_equal(
	    must_number(db, "SELECT count(*) FROM cluster_alias WHERE alias = 'shop' AND cluster_name = 'b:1'"), 1);
	db_close(db);
	temp_done(&t);
}

static void
insert_gives_ids_and_ignore_says_whether_it_inserted(void **state UNUSED)
{
	struct temp t;
	struct db *db;
	struct db_audit row = {0, 1700000000 * S, "discover", "db1", 3306, "c:1", "text"};
	struct db_kv kv = {"k", "first", S};
	int64_t first = 0, second = 0;
	bool inserted = false;
	struct err e = {0};

	temp_init(&t);
	db = temp_open(&t, DB_READ_WRITE);
	must(db_insert(db, DB_TABLE_audit, &row, &first, &e));
	must(db_insert(db, DB_TABLE_audit, &row, &second, &e));
	assert_int_equal(second, first + 1);
	must(db_insert_ignore(db, DB_TABLE_kv, &kv, &inserted, &e));
	assert_true(inserted);
	kv.store_value = "second";
	must(db_insert_ignore(db, DB_TABLE_kv, &kv, &inserted, &e));
	assert_false(inserted);
	assert_int_equal(must_number(db, "SELECT count(*) FROM kv_store WHERE store_value = 'first'"), 1);
	db_close(db);
	temp_done(&t);
}

static void
one_active_recovery_per_server(void **state UNUSED)
{
	struct temp t;
	struct db *db;
	struct db_recovery row;
	struct err e = {0};
	bool inserted = true;

	temp_init(&t);
	db = temp_open(&t, DB_READ_WRITE);
	rec_init(&db_recovery_desc, &row);
	row.hostname = "db1";
	row.in_active_period = true;
	row.recovery_id = 1;
	must(db_insert_ignore(db, DB_TABLE_recovery, &row, &inserted, &e));
	assert_true(inserted);
	row.recovery_id = 2;
	must(db_insert_ignore(db, DB_TABLE_recovery, &row, &inserted, &e));
	assert_false(inserted);
	row.in_active_period = false; /* ended ones of the same second are no conflict */
	row.end_active_period_unixtime = (struct rec_ni64){1700000000, true};
	must(db_upsert(db, DB_TABLE_recovery, &row, &e));
	row.recovery_id = 3;
	must(db_upsert(db, DB_TABLE_recovery, &row, &e));
	assert_int_equal(must_number(db, "SELECT count(*) FROM topology_recovery"), 3);
	db_close(db);
	temp_done(&t);
}

static void
broken_rules_of_the_schema_have_their_codes(void **state UNUSED)
{
	struct temp t;
	struct db *db;
	struct db_candidate row = {"a", 1, S, 1, ""};
	struct err e = {0};

	temp_init(&t);
	db = temp_open(&t, DB_READ_WRITE);
	must(db_upsert(db, DB_TABLE_candidate, &row, &e));
	assert_int_equal(
	    must_number(db, "SELECT count(*) FROM candidate_database_instance WHERE promotion_rule = 'neutral'"), 1);
	assert_int_equal(
	    db_exec(db, "INSERT INTO candidate_database_instance (hostname, port) VALUES ('a', 1)", NULL, 0, &e),
	    -ERR_EXISTS);
	row.promotion_rule = "maybe";
	assert_int_equal(db_upsert(db, DB_TABLE_candidate, &row, &e), -ERR_DB);
	assert_non_null(strstr(e.msg, "writing candidate_database_instance: "));
	db_close(db);
	temp_done(&t);
}

static void
delete_where_counts(void **state UNUSED)
{
	struct temp t;
	struct db *db;
	struct db_hostname_resolve row = {"a", "a1", 1700000000 * S};
	char stamp[CLK_STAMP_BYTES];
	struct db_value limit = db_stamp(1700000001 * S, stamp);
	int64_t n = -1;
	struct err e = {0};

	temp_init(&t);
	db = temp_open(&t, DB_READ_WRITE);
	must(db_upsert(db, DB_TABLE_hostname_resolve, &row, &e));
	row = (struct db_hostname_resolve){"b", "b1", 1700000002 * S};
	must(db_upsert(db, DB_TABLE_hostname_resolve, &row, &e));
	must(db_delete_where(db, DB_TABLE_hostname_resolve, "resolved_timestamp < ?", &limit, 1, &n, &e));
	assert_int_equal(n, 1);
	assert_int_equal(must_number(db, "SELECT count(*) FROM hostname_resolve WHERE hostname = 'b'"), 1);
	db_close(db);
	temp_done(&t);
}

/* --- instances ------------------------------------------------------------------------------- */
static void
set_up_instance(struct topo_instance *i)
{
	rec_init(&topo_instance_desc, i);
	i->key = (struct topo_key){"db1", 3306};
	i->version = "10.11.6";
	i->last_checked_us = i->last_attempted_us = i->last_seen_us = 1700000000 * S;
	i->last_check_partial_success = true;
}

static void
a_failed_probe_touches_its_two_columns(void **state UNUSED)
{
	struct temp t;
	struct db *db;
	struct topo_instance i;
	struct topo_key unknown = {"nobody", 1};
	struct err e = {0};

	temp_init(&t);
	db = temp_open(&t, DB_READ_WRITE);
	set_up_instance(&i);
	must(db_upsert_instance(db, &i, DB_INSTANCE_SEEN, &e));
	must(db_touch_instance_check(db, &i.key, 1700000005 * S, false, &e));
	i.last_checked_us = 1700000005 * S;
	i.last_check_partial_success = false;
	expect_rows(db, DB_TABLE_instance, (struct expected){.rows = {&i}, .n = 1});
	must(db_touch_instance_attempt(db, &i.key, 1700000009 * S, &e));
	i.last_attempted_us = 1700000009 * S;
	expect_rows(db, DB_TABLE_instance, (struct expected){.rows = {&i}, .n = 1});
	must(db_touch_instance_check(db, &unknown, 1700000005 * S, true, &e));
	must(db_touch_instance_attempt(db, &unknown, 1700000005 * S, &e));
	expect_rows(db, DB_TABLE_instance, (struct expected){.rows = {&i}, .n = 1});
	db_close(db);
	temp_done(&t);
}

static void
found_with_an_error_keeps_last_seen(void **state UNUSED)
{
	struct temp t;
	struct db *db;
	struct topo_instance i, other;
	struct err e = {0};

	temp_init(&t);
	db = temp_open(&t, DB_READ_WRITE);
	set_up_instance(&i);
	must(db_upsert_instance(db, &i, DB_INSTANCE_SEEN, &e));
	i.version = "10.11.7";
	i.last_checked_us = i.last_seen_us = 1700000050 * S;
	must(db_upsert_instance(db, &i, DB_INSTANCE_NOT_SEEN, &e));
	i.last_seen_us = 1700000000 * S;
	expect_rows(db, DB_TABLE_instance, (struct expected){.rows = {&i}, .n = 1});

	set_up_instance(&other);
	other.key.hostname = "new";
	must(db_upsert_instance(db, &other, DB_INSTANCE_NOT_SEEN, &e));
	assert_int_equal(
	    must_number(db, "SELECT count(*) FROM database_instance WHERE last_seen IS NULL AND hostname = 'new'"), 1);
	other.version = "other";
	must(db_upsert_instance(db, &other, DB_INSTANCE_ABSENT, &e));
	assert_int_equal(must_number(db, "SELECT count(*) FROM database_instance WHERE version = 'other'"), 0);
	db_close(db);
	temp_done(&t);
}

/* --- bookkeeping and transactions ------------------------------------------------------------ */
static void
bookkeeping_is_part_of_the_transaction(void **state UNUSED)
{
	struct temp t;
	struct db *db;
	int64_t index = -1;
	struct err e = {0};

	temp_init(&t);
	db = temp_open(&t, DB_READ_WRITE);
	must(db_read_applied_index(db, &index, &e));
	assert_int_equal(index, 0);
	must(db_begin(db, DB_DURABLE, &e));
	must(db_set_applied_index(db, 41, &e));
	must(db_add_applied_command(db, "uid-1", 41, 1700000000 * S, &e));
	assert_true(db_in_transaction(db));
	must(db_commit(db, &e));
	must(db_begin(db, DB_RELAXED, &e));
	must(db_set_applied_index(db, 42, &e));
	db_rollback(db);
	must(db_read_applied_index(db, &index, &e));
	assert_int_equal(index, 41);
	must(db_expire_applied_commands(db, 1700000000 * S, &e));
	assert_int_equal(must_number(db, "SELECT count(*) FROM applied_command"), 1);
	must(db_expire_applied_commands(db, 1700000001 * S, &e));
	assert_int_equal(must_number(db, "SELECT count(*) FROM applied_command"), 0);
	db_close(db);
	temp_done(&t);
}

static void
durability_follows_the_transaction(void **state UNUSED)
{
	struct temp t;
	struct db *db;
	struct err e = {0};

	temp_init(&t);
	db = temp_open(&t, DB_READ_WRITE);
	must(db_begin(db, DB_RELAXED, &e));
	assert_int_equal(must_number(db, "SELECT * FROM pragma_synchronous"), 1);
	must(db_commit(db, &e));
	must(db_set_meta(db, "x", "alone: durable", &e));
	assert_int_equal(must_number(db, "SELECT * FROM pragma_synchronous"), 2);
	must(db_begin(db, DB_RELAXED, &e));
	must(db_commit(db, &e));
	must(db_begin(db, DB_DURABLE, &e));
	assert_int_equal(must_number(db, "SELECT * FROM pragma_synchronous"), 2);
	must(db_commit(db, &e));
	db_close(db);
	temp_done(&t);
}

static void
the_statement_cache_is_bounded(void **state UNUSED)
{
	struct temp t;
	struct db *db;
	char sql[64];

	temp_init(&t);
	db = temp_open(&t, DB_READ_WRITE);
	for (int i = 0; i < 1000; i++) {
		(void)snprintf(sql, sizeof(sql), "SELECT %d", i);
		assert_int_equal(must_number(db, sql), i);
	}
	assert_int_equal(must_number(db, "SELECT 0"), 0);
	db_close(db);
	temp_done(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_table_round_trips),
	    cmocka_unit_test(empty_records_round_trip),
	    cmocka_unit_test(upsert_keeps_columns_that_we_do_not_know),
	    cmocka_unit_test(upsert_meets_another_unique_key),
	    cmocka_unit_test(an_alias_moves_to_the_cluster_that_registers_it_last),
	    cmocka_unit_test(insert_gives_ids_and_ignore_says_whether_it_inserted),
	    cmocka_unit_test(one_active_recovery_per_server),
	    cmocka_unit_test(broken_rules_of_the_schema_have_their_codes),
	    cmocka_unit_test(delete_where_counts),
	    cmocka_unit_test(a_failed_probe_touches_its_two_columns),
	    cmocka_unit_test(found_with_an_error_keeps_last_seen),
	    cmocka_unit_test(bookkeeping_is_part_of_the_transaction),
	    cmocka_unit_test(durability_follows_the_transaction),
	    cmocka_unit_test(the_statement_cache_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
