/* test_rd_import.c — decisions of a life without raft as commands (rd_import.h): a round trip through an empty state, a
 * second attempt, what is left out, and which node imports. */
#include "apply_world.h"
#include "rd_import.h"

#define T1 (T0 + 600 * CLK_S) /* of the import */
#define IMPORTER UINT64_C(0x1234)

static const struct rd_lives lives = {
    .candidate_us = 3600 * CLK_S, .pool_us = 3600 * CLK_S, .unresolve_us = 3600 * CLK_S};

/* One decision of each kind. */
static void
live(struct world *w)
{
	struct topo_key pool[] = {DB1, DB2};
	struct topo_key servers[300];
	char names[300][16];

	for (size_t i = 0; i < ARRAY_LEN(servers); i++) {
		(void)snprintf(names[i], sizeof(names[i]), "h%zu", i);
		servers[i] = (struct topo_key){names[i], 3306};
	}
	APPLY(w, INVENTORY_ADD, inventory_add, T0, {servers, 200}, "");
	APPLY(w, INVENTORY_ADD, inventory_add, T0, {servers + 200, 100}, "");
	APPLY(w, BEGIN_DOWNTIME, begin_downtime, T0, DB1, "me", "why", T0, T0 + 7200 * CLK_S);
	APPLY(w, PUT_TAG, put_tag, T0, DB1, "role", "primary");
	APPLY(w, PUT_TAG, put_tag, T0, DB1, "dc", "");
	APPLY(w, REGISTER_CANDIDATE, register_candidate, T0, DB1, "prefer");
	APPLY(w, SET_CLUSTER_ALIAS, set_cluster_alias, T0, "db1:3306", "shop");
	APPLY(w, CLUSTER_UPSERT, cluster_upsert, T0, "c1", "db1:3306", "shop", "example.com");
	APPLY(w, BEGIN_MAINTENANCE, begin_maintenance, T0, DB2, "me", "disks", T0 + 7200 * CLK_S, true, "token");
	APPLY(w, SUBMIT_POOL, submit_pool, T0, "web", {pool, 2});
	APPLY(w, SUBMIT_POOL, submit_pool, T0, "app", {pool + 1, 1});
	APPLY(w, REGISTER_HOSTNAME_UNRESOLVE, register_hostname_unresolve, T0, DB1, "vip1");
	APPLY(w, SET_ATTRIBUTE, set_attribute, T0, "*", "example.com", "db1:3306");
	APPLY(w, DISABLE_GLOBAL_RECOVERIES, disable_global_recoveries, T0, "me");
}

/* Applies the first n commands; how many took effect. */
static size_t
apply_some(struct world *w, const struct rd_import *m, size_t n)
{
	size_t fresh = 0;

	for (size_t i = 0; i < n && i < m->n; i++) {
		assert_int_equal(apply_uid(w, m->v[i].op, m->v[i].payload, T1, m->v[i].uid), 0);
		fresh += !w->a.duplicate;
	}
	return fresh;
}

/* The same rows, apart from the times of the import and ids. */
static void
assert_same(const struct rd_state *a, const struct rd_state *b)
{
	static const char *const given[] = {"last_suggested_us",	"last_updated_us",
					    "registered_at_us",		"last_registered_us",
					    "begin_timestamp_us",	"created_at_us",
					    "submit_timestamp_us",	"updated_at_us",
					    "processing_node_hostname", "database_instance_maintenance_id"};

	for (enum rd_table t = 0; t < RD_TABLE_COUNT; t++) {
		struct rd_cursor c = {.table = t};
		const struct rec_desc *d = rd_table_desc(t);
		const void *row;
		if (t == RD_TABLE_applied_command || t == RD_TABLE_setting || t == RD_TABLE_node_record)
			continue;
		assert_int_equal(rd_state_count(a, t), rd_state_count(b, t));
		while ((row = rd_state_next_row(a, &c)) != NULL) {
			const void *other = rd_state_get(b, t, row);
			struct rd_cursor only = {.table = t};
			if (t == RD_TABLE_maintenance)
				other = rd_state_next_row(b, &only);
			assert_non_null(other);
			for (size_t i = 0; i < d->n_fields; i++) {
				const struct rec_field *f = &d->fields[i];
				bool free_to_differ = false;
				for (size_t k = 0; k < ARRAY_LEN(given); k++)
					free_to_differ = free_to_differ ||
							 (strcmp(given[k], f->name) == 0 && t != RD_TABLE_downtime);
				if (!free_to_differ && f->kind == REC_STR)
					assert_string_equal(rec_str_at(row, f), rec_str_at(other, f));
				else if (!free_to_differ && f->kind == REC_I64)
					assert_int_equal(*(const int64_t *)rec_at(row, f),
							 *(const int64_t *)rec_at(other, f));
			}
		}
	}
}

static void
all_of_it_comes_into_an_empty_state(void **state UNUSED)
{
	struct world old, fresh;
	struct rd_import *m;

	world_init(&old);
	world_init(&fresh);
	live(&old);
	m = rd_import_new(old.s, fresh.s, T1, &lives, IMPORTER);
	assert_int_equal(m->rows, rd_state_decisions(old.s));
	assert_int_equal(m->expired + m->unusable, 0);
	assert_int_equal(m->v[0].op, RD_OP_INVENTORY_ADD);
	assert_int_equal(m->v[1].op, RD_OP_INVENTORY_ADD);
	assert_int_not_equal(m->v[2].op, RD_OP_INVENTORY_ADD); /* 300 = 256 + 44 */
	assert_int_equal(apply_some(&fresh, m, SIZE_MAX), m->n);
	assert_same(old.s, fresh.s);
	rd_import_free(m);
	world_done(&old);
	world_done(&fresh);
}

/* Two states that import the same are the same, whatever was broken off. */
static void
broken_off_and_begun_again_it_takes_effect_once(void **state UNUSED)
{
	struct world old, fresh, straight;
	struct rd_import *m;
	size_t n;

	world_init(&old);
	live(&old);
	world_init(&straight);
	m = rd_import_new(old.s, straight.s, T1, &lives, IMPORTER);
	n = m->n;
	(void)apply_some(&straight, m, n);
	rd_import_free(m);
	for (size_t broken = 0; broken <= n; broken++) {
		size_t before, effective;
		world_init(&fresh);
		m = rd_import_new(old.s, fresh.s, T1, &lives, IMPORTER);
		before = apply_some(&fresh, m, broken);
		rd_import_free(m);
		m = rd_import_new(old.s, fresh.s, T1 + CLK_S, &lives, IMPORTER);
		effective = apply_some(&fresh, m, SIZE_MAX);
		assert_int_equal(before + effective, n);
		assert_same(straight.s, fresh.s);
		rd_import_free(m);
		world_done(&fresh);
	}
	world_done(&straight);
	world_done(&old);
}

static void
another_importer_has_other_uids(void **state UNUSED)
{
	struct world old, fresh;
	struct rd_import *a, *b;

	world_init(&old);
	world_init(&fresh);
	live(&old);
	a = rd_import_new(old.s, fresh.s, T1, &lives, 1);
	b = rd_import_new(old.s, fresh.s, T1, &lives, 2);
	assert_int_equal(a->n, b->n);
	for (size_t i = 0; i < a->n; i++) {
		assert_string_not_equal(a->v[i].uid, b->v[i].uid);
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(a->v[i].uid, a->v[k].uid);
	}
	rd_import_free(a);
	rd_import_free(b);
	world_done(&old);
	world_done(&fresh);
}

static void
what_is_over_or_invalid_is_left_out(void **state UNUSED)
{
	struct db_downtime forever = {.hostname = "db2", .port = 3306, .owner = "me", .reason = "by hand"};
	struct db_candidate must = {
	    .hostname = "db2", .port = 3306, .last_suggested_us = T1 + 7200 * CLK_S, .promotion_rule = "must"};
	struct topo_key nameless = {"", 3306};
	struct world old, fresh;
	struct rd_import *m;

	world_init(&old);
	world_init(&fresh);
	live(&old);
	rd_state_put(old.s, RD_TABLE_downtime, &forever);
	rd_state_put(old.s, RD_TABLE_candidate, &must);
	rd_state_put(old.s, RD_TABLE_inventory, &nameless);
	m = rd_import_new(old.s, fresh.s, T1 + 7200 * CLK_S, &lives, IMPORTER);
	assert_int_equal(m->unusable, 2);
	assert_int_equal(m->expired, 7); /* downtime, maintenance, rule, virtual name, three members of pools */
	assert_int_equal(m->rows + m->unusable + m->expired, rd_state_decisions(old.s));
	(void)apply_some(&fresh, m, SIZE_MAX);
	assert_null(downtime_of(&fresh, &db1));
	assert_true(downtime_of(&fresh, &db2)->end_timestamp_us > T1 + 1000000 * CLK_S);
	assert_non_null(tag_of(&fresh, &db1, "role"));
	rd_import_free(m);
	world_done(&old);
	world_done(&fresh);
}

static void
what_the_group_has_decided_stays(void **state UNUSED)
{
	struct topo_key other = {"db7", 3306};
	struct world old, group;
	struct rd_import *m;

	world_init(&old);
	world_init(&group);
	live(&old);
	APPLY(&group, PUT_TAG, put_tag, T1, DB1, "role", "replica");
	APPLY(&group, SUBMIT_POOL, submit_pool, T1, "web", {&other, 1});
	m = rd_import_new(old.s, group.s, T1, &lives, IMPORTER);
	(void)apply_some(&group, m, SIZE_MAX);
	assert_string_equal(tag_of(&group, &db1, "role")->tag_value, "replica");
	assert_int_equal(rd_state_count(group.s, RD_TABLE_pool), 2); /* db7 in web, db2 in app */
	rd_import_free(m);
	world_done(&old);
	world_done(&group);
}

/* --- who imports ----------------------------------------------------------------------------------------------- */
static void
who_imports(void **state UNUSED)
{
	static const struct {
		const char *what;
		struct rd_import_voter v[3];
		uint64_t begun; /* by this voter */
		int64_t waited_us;
		enum rd_import_verdict verdict;
		uint64_t to, gone;
	} cases[] = {
	    {"nobody has any", {{1, true, true}, {2, false, true}, {3, false, true}}, 0, 0, RD_IMPORT_OWN, 0, 0},
	    {"the leader", {{1, true, true, 5}, {2, false, true}, {3, false, true}}, 0, 0, RD_IMPORT_OWN, 0, 0},
	    {"another", {{1, true, true, 5}, {2, false, true, 6}, {3, false, true}}, 0, 0, RD_IMPORT_HAND_OVER, 2, 0},
	    {"equals", {{2, false, true, 5}, {1, true, true, 5}, {3, false, true, 5}}, 0, 0, RD_IMPORT_OWN, 0, 0},
	    {"two others",
	     {{1, true, true}, {2, false, true, 5}, {3, false, true, 7}},
	     0,
	     0,
	     RD_IMPORT_HAND_OVER,
	     3,
	     0},
	    {"one is missing", {{1, true, true, 5}, {2, false, true}, {3}}, 0, 0, RD_IMPORT_WAIT, 0, 0},
	    {"… for long", {{1, true, true, 5}, {2, false, true}, {3}}, 0, RD_IMPORT_ASK_US, RD_IMPORT_OWN, 0, 0},
	    {"begun and gone", {{1, true, true, 5}, {2, false, true}, {3}}, 3, RD_IMPORT_ASK_US, RD_IMPORT_WAIT, 0, 0},
	    {"… for good", {{1, true, true, 5}, {2, false, true}, {3}}, 3, RD_IMPORT_GONE_US, RD_IMPORT_OWN, 0, 3},
	    {"begun and back",
	     {{1, true, true, 9}, {2, false, true}, {3, false, true, 5}},
	     3,
	     RD_IMPORT_GONE_US,
	     RD_IMPORT_HAND_OVER,
	     3,
	     0},
	    {"begun by itself", {{1, true, true, 5}, {2, false, true, 9}, {3}}, 1, 0, RD_IMPORT_OWN, 0, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct rd_import_voter v[3];
		struct rd_import_choice c;
		struct world w;
		char uid[64];
		memcpy(v, cases[i].v, sizeof(v));
		world_init(&w);
		(void)snprintf(uid, sizeof(uid), "import-%016llx-0", (unsigned long long)cases[i].begun);
		if (cases[i].begun != 0)
			assert_int_equal(apply_uid(&w, RD_OP_TICK, &(struct rd_cmd_tick){0}, T0, uid), 0);
		c = rd_import_choose(w.s, v, 3, cases[i].waited_us);
		if (c.verdict != cases[i].verdict || c.to != cases[i].to || c.gone != cases[i].gone)
			fail_msg("%s: %d %llu %llu", cases[i].what, c.verdict, (unsigned long long)c.to,
				 (unsigned long long)c.gone);
		world_done(&w);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(all_of_it_comes_into_an_empty_state),
	    cmocka_unit_test(broken_off_and_begun_again_it_takes_effect_once),
	    cmocka_unit_test(another_importer_has_other_uids),
	    cmocka_unit_test(what_is_over_or_invalid_is_left_out),
	    cmocka_unit_test(what_the_group_has_decided_stays),
	    cmocka_unit_test(who_imports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
