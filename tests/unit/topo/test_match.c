/* test_match.c — fuzzy keys, search, cluster hints. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "topo/key.h"
#include "topo/match.h"
#include "topo_make.h"

#define N 6

static int
set_up(void **state)
{
	static const char *const lines[N] = {
	    "db1.example.net cluster_name=db1.example.net:3306 server_id=101 version=8.0.36 instance_alias=nothing",
	    "db2.example.net cluster_name=db1.example.net:3306 server_id=3307 version=8.0.36-28",
	    "db2.example.net:3307 cluster_name=other:1 server_id=102",
	    "db22.example.net:3308 cluster_name=other:1 version_comment='Percona Server'",
	    "db2:3308 version_comment='MySQL Community'",
	    "10.0.0.12 cluster_name=ten:1 suggested_cluster_alias=Shop",
	};
	struct topo_instance **v = mem_calloc(N, sizeof(struct topo_instance *));

	for (size_t i = 0; i < N; i++)
		v[i] = topo_make(lines[i]);
	*state = v;
	return 0;
}

static int
tear_down(void **state)
{
	struct topo_instance **v = *state;

	for (size_t i = 0; i < N; i++)
		topo_make_free(v[i]);
	free(v);
	return 0;
}

static void
fuzzy_keys_match_exactly_one(void **state)
{
	static const struct {
		const char *host;
		int64_t port;
		size_t at;
	} cases[] = {
	    {"db1", 3306, 0},
	    {"DB1.EXAMPLE", 3306, 0},
	    {"example", 3306, TOPO_NO_MATCH}, /* two */
	    {"db2", 3307, 2},
	    {"db2", 3308, 4}, /* exact beats the other match */
	    {"db", 3308, TOPO_NO_MATCH},
	    {"db22", 3308, 3},
	    {"db3", 3306, TOPO_NO_MATCH},
	    {"db1", 3307, TOPO_NO_MATCH},
	    {"", 3307, TOPO_NO_MATCH},
	    {"d_2", 3307, TOPO_NO_MATCH}, /* no wildcards */
	    {"%", 3307, TOPO_NO_MATCH},
	    {"10.0.0.12", 3306, 5},
	    {"0.0.0.1", 3306, TOPO_NO_MATCH}, /* looks like an address */
	    {"10.0.0.", 3306, 5},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct topo_key k = {.hostname = cases[i].host, .port = cases[i].port};
		assert_true(topo_match_fuzzy(*state, N, &k) == cases[i].at);
	}
}

static void
search_looks_into_many_fields(void **state)
{
	static const struct {
		const char *text;
		unsigned found; /* bit per instance */
	} cases[] = {
	    {"", 0x3f},
	    {"  ", 0x3f},
	    {"db2", 0x1e},
	    {" db22 ", 0x08},
	    {"net:3307", 0x04},
	    {"percona", 0x08},
	    {"community", 0x10},
	    {"8.0.36", 0x03},
	    {"8.0.36-28", 0x02},
	    {"shop", 0x20},
	    {"other:1", 0x0c},
	    {"3307", 0x06},
	    {"101", 0x01},
	    {"10", 0x20},
	    {"nothing", 0},
	    {"ten", 0x20},
	    {"db1.example.net:3306", 0x03},
	    {"0101", 0},
	    {"0", 0x3f},
	    {"%", 0},
	};

	for (size_t n = 0; n < ARRAY_LEN(cases); n++) {
		struct topo_instance **v = *state;
		unsigned found = 0;
		for (size_t i = 0; i < N; i++)
			found |= (unsigned)topo_match_search(v[i], cases[n].text) << i;
		if (found != cases[n].found)
			fail_msg("\"%s\": %x", cases[n].text, found);
	}
}

static void
cluster_hints_in_their_order(void **state)
{
	static const struct topo_cluster_alias clusters[] = {
	    {"db1.example.net:3306", "shop"},
	    {"db1.example.net:3306", "mapped"},
	    {"other:1", "db2.example.net"},
	    {"empty:1", ""},
	    {"ten:1", "other:1"},
	};
	static const struct {
		const char *hint, *cluster;
	} cases[] = {
	    {"db1.example.net:3306", "db1.example.net:3306"},
	    {"shop", "db1.example.net:3306"},
	    {"mapped", "db1.example.net:3306"},
	    {"Shop", NULL},		    /* aliases are exact; the suggestion of an instance is none */
	    {"other:1", "other:1"},	    /* a name beats an alias */
	    {"db2.example.net", "other:1"}, /* an alias beats an instance */
	    {"db2.example.net:3306", "db1.example.net:3306"},
	    {"db2.example.net:3307", "other:1"},
	    {"db1", "db1.example.net:3306"},
	    {"db22.ex:3308", "other:1"},
	    {"db2:3308", NULL}, /* known, without a cluster */
	    {"example", NULL},
	    {"empty:1", "empty:1"},
	    {"", NULL},
	    {"a:b:c x", NULL},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *got = topo_match_cluster(clusters, ARRAY_LEN(clusters), *state, N, cases[i].hint, 3306);
		if (cases[i].cluster == NULL)
			assert_null(got);
		else
			assert_string_equal(got, cases[i].cluster);
	}
}

static void
clusters_without_an_alias_row_are_found_by_their_members(void **state)
{
	assert_string_equal(topo_match_cluster(NULL, 0, *state, N, "other:1", 3306), "other:1");
	assert_null(topo_match_cluster(NULL, 0, NULL, 0, "other:1", 3306));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(fuzzy_keys_match_exactly_one),
	    cmocka_unit_test(search_looks_into_many_fields),
	    cmocka_unit_test(cluster_hints_in_their_order),
	    cmocka_unit_test(clusters_without_an_alias_row_are_found_by_their_members),
	};

	return cmocka_run_group_tests_name("match", tests, set_up, tear_down);
}
