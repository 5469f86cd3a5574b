/* test_rd_merge.c — one probe's raw facts and what they become: names, neighbours, cluster, place, alias, errant GTIDs,
 * times. A small world of stored rows; the expected texts are probing.md sections 4 to 10. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "rd_merge.h"
#include "topo/key.h"

#define T0 (INT64_C(1763800000) * CLK_S)
#define U1 "11111111-1111-1111-1111-111111111111"
#define U2 "22222222-2222-2222-2222-222222222222"
#define U3 "33333333-3333-3333-3333-333333333333"

struct world {
	struct conf *conf;
	struct rd_rules *rules;
	struct topo_instance stored[4]; /* borrowed strings */
	size_t n_stored;
	const char *override;
	struct topo_probe p;
	struct topo_instance out;
};

static const char *
resolve(void *ctx UNUSED, const char *host)
{
	return strcmp(host, "vip") == 0 ? "db1" : host;
}

static const struct topo_instance *
lookup(void *ctx, const struct topo_key *key)
{
	struct world *w = ctx;

	for (size_t i = 0; i < w->n_stored; i++) {
		if (topo_key_equal(&w->stored[i].key, key))
			return &w->stored[i];
	}
	return NULL;
}

static const struct topo_key *
group_primary(void *ctx, const char *name)
{
	struct world *w = ctx;

	for (size_t i = 0; i < w->n_stored; i++) {
		if (strcmp(w->stored[i].group_name, name) == 0)
			return &w->stored[i].key;
	}
	return NULL;
}

static const char *
alias_override(void *ctx, const char *cluster UNUSED)
{
	return ((struct world *)ctx)->override;
}

static void
world_init(struct world *w, const char *config)
{
	struct conf_warnings warnings;
	struct err e;

	*w = (struct world){0};
	if (conf_parse("test", config, strlen(config), &w->conf, &warnings, &e) != 0 ||
	    rd_rules_new(w->conf, &w->rules, &e) != 0)
		fail_msg("%s", e.msg);
	rec_init(&topo_probe_desc, &w->p);
	rec_init(&topo_instance_desc, &w->out);
	w->p.asked_key = (struct topo_key){"db2", 3306};
	w->p.found = w->p.partial = w->p.replicas_known = true;
	w->p.ended_us = T0;
	w->p.inst.key = w->p.asked_key;
	w->p.inst.server_uuid = U2;
}

static void
world_done(struct world *w)
{
	rec_done(&topo_instance_desc, &w->out);
	rd_rules_free(w->rules);
	conf_unref(w->conf);
}

static struct topo_instance *
store(struct world *w, const char *host, const char *uuid, const char *cluster)
{
	struct topo_instance *i = &w->stored[w->n_stored++];

	rec_init(&topo_instance_desc, i);
	i->key = (struct topo_key){host, 3306};
	i->server_uuid = uuid;
	i->cluster_name = cluster;
	i->ancestry_uuid = uuid;
	return i;
}

static void
merge(struct world *w)
{
	struct rd_merge m = {.rules = w->rules,
			     .ctx = w,
			     .resolve = resolve,
			     .lookup = lookup,
			     .group_primary = group_primary,
			     .alias_override = alias_override};

	rec_done(&topo_instance_desc, &w->out);
	rd_merge(&m, &w->p, &w->p.asked_key, T0 - 60 * CLK_S, &w->out);
}

#define NO_CONFIG "{\"BackendDB\":\"sqlite\",\"SQLite3DataFile\":\"/x\"}"
#define CONFIG(text) "{\"BackendDB\":\"sqlite\",\"SQLite3DataFile\":\"/x\"," text "}"

/* --- source, cluster ------------------------------------------------------------------------------------------- */
static void
a_replica_belongs_to_its_sources_cluster(void **state UNUSED)
{
	struct world w;

	world_init(&w, NO_CONFIG);
	store(&w, "db1", U1, "db1:3306")->suggested_cluster_alias = "shop";
	w.p.source_host = "vip";
	w.p.source_port = 3306;
	w.p.inst.source_uuid = U1;
	merge(&w);
	assert_string_equal(w.out.source_key.hostname, "db1"); /* resolved */
	assert_string_equal(w.out.cluster_name, "db1:3306");
	assert_int_equal(w.out.replication_depth, 1);
	assert_string_equal(w.out.ancestry_uuid, U1 "," U2);
	assert_string_equal(w.out.suggested_cluster_alias, "shop");
	assert_true(w.out.last_checked_us == T0 && w.out.last_seen_us == T0 && w.out.last_attempted_us == T0);
	world_done(&w);
}

static void
without_a_stored_source_it_is_its_own_cluster(void **state UNUSED)
{
	struct world w;

	world_init(&w, NO_CONFIG);
	w.p.source_host = "nobody";
	w.p.source_port = 3306;
	merge(&w);
	assert_string_equal(w.out.cluster_name, "db2:3306");
	assert_int_equal(w.out.replication_depth, 0);
	world_done(&w);
}

static void
read_errors_keep_the_time_it_was_seen(void **state UNUSED)
{
	struct world w;

	world_init(&w, NO_CONFIG);
	w.p.has_read_errors = true;
	merge(&w);
	assert_true(w.out.last_seen_us == T0 - 60 * CLK_S && w.out.last_checked_us == T0);
	world_done(&w);
}

static void
errant_transactions_are_found_against_the_stored_source(void **state UNUSED)
{
	struct topo_instance *source;
	struct world w;

	world_init(&w, NO_CONFIG);
	source = store(&w, "db1", U1, "db1:3306");
	source->executed_gtid_set = U1 ":1-100";
	w.p.source_host = "db1";
	w.p.source_port = 3306;
	w.p.inst.source_uuid = U1;
	w.p.inst.executed_gtid_set = U1 ":1-90," U3 ":1-2";
	merge(&w);
	assert_string_equal(w.out.gtid_errant, U3 ":1-2");
	source->executed_gtid_set = ""; /* unknown, or the source has executed nothing: nothing to compare with */
	merge(&w);
	assert_string_equal(w.out.gtid_errant, "");
	source->executed_gtid_set = U1 ":1-100";
	w.p.inst.executed_gtid_set = "not a set"; /* a lying server */
	merge(&w);
	assert_string_equal(w.out.gtid_errant, "");
	assert_string_equal(w.out.executed_gtid_set, "not a set");
	world_done(&w);
}

/* --- neighbours ------------------------------------------------------------------------------------------------ */
#define FILTERS                                                          \
	CONFIG("\"DiscoveryIgnoreReplicaHostnameFilters\":[\"^bad\"],"   \
	       "\"DiscoveryIgnoreMasterHostnameFilters\":[\"^hidden\"]," \
	       "\"DiscoveryIgnoreReplicationUsernameFilters\":[\"^backup$\"]")

static void
replicas_get_a_port_and_pass_the_filters(void **state UNUSED)
{
	struct topo_peer peers[] = {
	    {"db3", 0, "", "", "", ""},		 {"db4", 3307, "repl", "", "", ""}, {"bad1", 0, "", "", "", ""},
	    {"db5", 3306, "backup", "", "", ""}, {"", 0, "", "", "", ""},	    {"db2", 0, "", "", "", ""},
	};
	struct topo_key_list l = {0};
	struct world w;

	world_init(&w, FILTERS);
	w.p.replicas = (struct topo_peer_list){peers, ARRAY_LEN(peers)};
	w.p.source_host = "db1";
	w.p.source_port = 3306;
	merge(&w);
	assert_int_equal(w.out.replicas.n, 2);
	assert_string_equal(w.out.replicas.v[0].hostname, "db3");
	assert_int_equal(w.out.replicas.v[0].port, 3306); /* the source's own */
	assert_int_equal(w.out.replicas.v[1].port, 3307);
	rd_neighbours(&w.out, w.rules, &l);
	assert_int_equal(l.n, 3);
	assert_string_equal(l.v[2].hostname, "db1"); /* the source last */
	topo_key_list_done(&l);
	w.p.source_host = "hidden1";
	merge(&w);
	rd_neighbours(&w.out, w.rules, &l);
	assert_int_equal(l.n, 2);
	topo_key_list_done(&l);
	w.p.source_host = "//db1"; /* detached */
	merge(&w);
	rd_neighbours(&w.out, w.rules, &l);
	assert_int_equal(l.n, 2);
	topo_key_list_done(&l);
	world_done(&w);
}

static void
servers_of_filtered_users_are_skipped(void **state UNUSED)
{
	struct world w;

	world_init(&w, FILTERS);
	assert_false(rd_probe_is_skipped(&w.p, w.rules));
	w.p.replication_user = "backup";
	assert_true(rd_probe_is_skipped(&w.p, w.rules));
	w.p.replication_user = "backup2";
	assert_false(rd_probe_is_skipped(&w.p, w.rules));
	world_done(&w);
}

static void
a_groups_members_and_primary(void **state UNUSED)
{
	struct topo_peer peers[] = {{"db1", 3306, "", U1, "ONLINE", "PRIMARY"},
				    {"raw-name", 3306, "", U2, "ONLINE", "SECONDARY"},
				    {"db3", 3306, "", U3, "RECOVERING", "SECONDARY"}};
	struct world w;

	world_init(&w, NO_CONFIG);
	store(&w, "db1", U1, "db1:3306")->group_name = "g";
	w.p.inst.group_name = "g";
	w.p.inst.group_member_role = "SECONDARY";
	w.p.group_members = (struct topo_peer_list){peers, ARRAY_LEN(peers)};
	merge(&w);
	assert_int_equal(w.out.group_members.n, 2); /* itself not */
	assert_string_equal(w.out.group_primary_key.hostname, "db1");
	assert_string_equal(w.out.cluster_name, "db1:3306");
	/* no primary in the answer: the stored one */
	peers[0].role = "SECONDARY";
	merge(&w);
	assert_string_equal(w.out.group_primary_key.hostname, "db1");
	/* the primary itself: under its own key, whatever the group calls it */
	peers[1].role = "PRIMARY";
	w.p.inst.group_member_role = "PRIMARY";
	merge(&w);
	assert_string_equal(w.out.group_primary_key.hostname, "db2");
	world_done(&w);
}

/* --- the own name ---------------------------------------------------------------------------------------------- */
static const struct {
	const char *method, *hostname, *report_host;
	const char *expected; /* NULL = refused */
} own_names[] = {
    {"@@hostname", "self", "rep", "self"}, {"default", "self", "", "self"},	{"hostname", "self", "", "self"},
    {"@@hostname", "", "rep", "db2"},	   {"none", "self", "rep", "db2"},	{"", "self", "rep", "db2"},
    {"report_host", "self", "rep", "rep"}, {"@@report_host", "self", "", NULL},
};

static void
the_own_name_follows_the_method(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(own_names); i++) {
		char config[256];
		const char *host = NULL;
		struct world w;
		struct err e;
		int rc;
		(void)snprintf(config, sizeof(config), CONFIG("\"MySQLHostnameResolveMethod\":\"%s\""),
			       own_names[i].method);
		world_init(&w, config);
		w.p.self_hostname = own_names[i].hostname;
		w.p.report_host = own_names[i].report_host;
		rc = rd_probe_own_host(&w.p, w.rules, &host, &e);
		if (own_names[i].expected == NULL) {
			assert_int_equal(rc, -ERR_INVALID);
			assert_non_null(strstr(e.msg, "report_host"));
		} else {
			assert_int_equal(rc, 0);
			assert_string_equal(host, own_names[i].expected);
		}
		world_done(&w);
	}
}

/* --- place and alias ------------------------------------------------------------------------------------------- */
static void
places_come_from_patterns_unless_a_query_answers(void **state UNUSED)
{
	struct world w;

	world_init(&w, CONFIG("\"DataCenterPattern\":\"[.]([^.]+)[.]example$\",\"RegionPattern\":\"^([a-z]+)\","
			      "\"PhysicalEnvironmentPattern\":\"nothing\""));
	w.p.asked_key.hostname = "db2.fra.example";
	merge(&w);
	assert_string_equal(w.out.data_center, "fra");
	assert_string_equal(w.out.region, "db");
	assert_string_equal(w.out.physical_environment, "");
	w.p.detected_data_center = "ams";
	w.p.detected_environment = "prod";
	merge(&w);
	assert_string_equal(w.out.data_center, "ams");
	assert_string_equal(w.out.physical_environment, "prod");
	world_done(&w);
}

static const struct {
	const char *name, *override, *inherited, *query;
	const char *expected;
} aliases[] = {
    {"override", "manual", "inherited", "query", "manual"},
    {"inherited", NULL, "inherited", "query", "inherited"},
    {"query", NULL, "", "query", "query"},
    {"pattern", NULL, "", "", "by-name"},
};

static void
the_alias_has_its_order_of_sources(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(aliases); i++) {
		struct world w;
		world_init(&w, CONFIG("\"ClusterNameToAlias\":{\"nope\":\"x\",\"^db\":\"by-name\"}"));
		store(&w, "db1", U1, "db1:3306")->suggested_cluster_alias = aliases[i].inherited;
		w.p.source_host = "db1";
		w.p.source_port = 3306;
		w.p.cluster_alias = aliases[i].query;
		w.override = aliases[i].override;
		merge(&w);
		assert_string_equal(w.out.suggested_cluster_alias, aliases[i].expected);
		world_done(&w);
	}
}

static void
pseudo_gtid_goes_by_the_query_alone(void **state UNUSED)
{
	struct world w;

	world_init(&w, NO_CONFIG);
	w.p.pseudo_gtid_detected = true;
	merge(&w);
	assert_true(w.out.using_pseudo_gtid);
	world_done(&w);
	world_init(&w, CONFIG("\"AutoPseudoGTID\":true"));
	w.p.pseudo_gtid_detected = true; /* the query is "select 1" then */
	merge(&w);
	assert_false(w.out.using_pseudo_gtid);
	world_done(&w);
}

/* --- times and the live form ----------------------------------------------------------------------------------- */
/* The bug: the backend keeps seconds, and a server killed in the second it was last seen looked alive. */
static void
a_failed_check_is_later_than_the_second_it_was_seen_in(void **state UNUSED)
{
	static const struct {
		int64_t seen, ended, expected;
	} times[] = {
	    {T0 + 100, T0 + 200, T0 + CLK_S},
	    {T0 + 100, T0 + CLK_S, T0 + CLK_S},
	    {T0 + 100, T0 + 5 * CLK_S, T0 + 5 * CLK_S},
	    {0, T0, T0},
	    {T0, T0 - CLK_S, T0 + CLK_S}, /* a clock set back */
	};

	for (size_t i = 0; i < ARRAY_LEN(times); i++)
		assert_true(rd_failed_check_us(times[i].seen, times[i].ended) == times[i].expected);
}

static void
the_live_form_shows_what_was_just_read(void **state UNUSED)
{
	struct topo_instance live;
	struct world w;

	world_init(&w, NO_CONFIG);
	w.p.source_host = "//db1";
	w.p.source_port = 3306;
	w.p.inst.read_coord.log_file = "binlog.1";
	merge(&w);
	rd_live_read(&w.out, "prefer", &live);
	assert_true(live.is_last_check_valid && live.is_up_to_date && live.is_recently_checked);
	assert_string_equal(live.promotion_rule, "prefer");
	assert_string_equal(live.flavor_name, "");
	assert_string_equal(live.last_seen_text, "");
	assert_true(live.is_detached_source);
	assert_int_equal(live.problems.n, 0);
	world_done(&w);
}

static size_t names_seen;

static void
on_name(void *ctx, const struct topo_key *key)
{
	const char *const *expected = ctx;

	assert_string_equal(key->hostname, expected[names_seen++]);
	assert_int_equal(key->port, 3306);
}

static void
every_name_that_merging_resolves_is_listed(void **state UNUSED)
{
	struct topo_peer replicas[] = {{"r1", 0, "", "", "", ""}}, members[] = {{"m1", 3306, "", "", "", ""}};
	const char *expected[] = {"src", "r1", "m1"};
	struct world w;

	world_init(&w, NO_CONFIG);
	w.p.source_host = "src";
	w.p.source_port = 3306;
	w.p.replicas = (struct topo_peer_list){replicas, 1};
	w.p.group_members = (struct topo_peer_list){members, 1};
	rd_probe_names(&w.p, on_name, expected);
	assert_int_equal(names_seen, 3);
	world_done(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_replica_belongs_to_its_sources_cluster),
	    cmocka_unit_test(without_a_stored_source_it_is_its_own_cluster),
	    cmocka_unit_test(read_errors_keep_the_time_it_was_seen),
	    cmocka_unit_test(errant_transactions_are_found_against_the_stored_source),
	    cmocka_unit_test(replicas_get_a_port_and_pass_the_filters),
	    cmocka_unit_test(servers_of_filtered_users_are_skipped),
	    cmocka_unit_test(a_groups_members_and_primary),
	    cmocka_unit_test(the_own_name_follows_the_method),
	    cmocka_unit_test(places_come_from_patterns_unless_a_query_answers),
	    cmocka_unit_test(the_alias_has_its_order_of_sources),
	    cmocka_unit_test(pseudo_gtid_goes_by_the_query_alone),
	    cmocka_unit_test(a_failed_check_is_later_than_the_second_it_was_seen_in),
	    cmocka_unit_test(the_live_form_shows_what_was_just_read),
	    cmocka_unit_test(every_name_that_merging_resolves_is_listed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
