/* test_rd_alias.c — whose suggestion a cluster shows: tables of votes and what cluster_alias holds then. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "rd_alias.h"

#define MAX 6
#define V(cluster, alias, valid, ro, n)      \
	{                                    \
		cluster, alias, valid, ro, n \
	}

static const struct {
	const char *name;
	struct rd_alias_vote votes[MAX];
	const char *expected; /* "cluster=alias …" */
} cases[] = {
    {"nothing", {V(NULL, "", 0, 0, 0)}, ""},
    {"its name without a suggestion", {V("a:1", "", 1, 0, 0)}, "a:1=a:1 "},
    {"the suggestion", {V("a:1", "shop", 1, 0, 0), V("a:1", "", 1, 1, 0)}, "a:1=shop "},
    {"valid wins", {V("a:1", "old", 0, 0, 9), V("a:1", "new", 1, 1, 0)}, "a:1=new "},
    {"writable wins", {V("a:1", "ro", 1, 1, 9), V("a:1", "rw", 1, 0, 0)}, "a:1=rw "},
    {"most replicas win", {V("a:1", "two", 1, 0, 2), V("a:1", "one", 1, 0, 1)}, "a:1=two "},
    {"an alias has one cluster", {V("a:1", "shop", 1, 0, 1), V("b:1", "shop", 1, 0, 3)}, "a:1=a:1 b:1=shop "},
    {"the loser may have another",
     {V("a:1", "shop", 0, 0, 1), V("a:1", "old", 0, 0, 2), V("b:1", "shop", 1, 0, 3)},
     "a:1=old b:1=shop "},
    {"a name taken by another cluster leaves none", {V("a:1", "", 1, 0, 1), V("b:1", "a:1", 1, 0, 3)}, "b:1=a:1 "},
    {"two clusters", {V("b:1", "two", 1, 0, 1), V("a:1", "one", 1, 0, 3)}, "a:1=one b:1=two "},
};

static void
rebuild(const struct rd_alias_vote *votes, char *ret, size_t size)
{
	struct rd_alias_vote copy[MAX];
	struct rd_alias_row rows[MAX];
	size_t n = 0, at = 0;

	while (n < MAX && votes[n].cluster_name != NULL)
		n++;
	memcpy(copy, votes, sizeof(copy));
	n = rd_alias_rebuild(copy, n, rows);
	ret[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		if (rows[i].alias != NULL)
			at += (size_t)snprintf(ret + at, size - at, "%s=%s ", rows[i].cluster_name, rows[i].alias);
	}
}

static void
the_best_informed_vote_wins(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char got[256];
		rebuild(cases[i].votes, got, sizeof(got));
		if (strcmp(got, cases[i].expected) != 0)
			fail_msg("%s: \"%s\", not \"%s\"", cases[i].name, got, cases[i].expected);
	}
}

static void
the_order_of_votes_does_not_matter(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct rd_alias_vote turned[MAX] = {{0}};
		char got[256];
		size_t n = 0;
		while (n < MAX && cases[i].votes[n].cluster_name != NULL)
			n++;
		for (size_t k = 0; k < n; k++)
			turned[k] = cases[i].votes[n - 1 - k];
		rebuild(turned, got, sizeof(got));
		assert_string_equal(got, cases[i].expected);
	}
}

static void
the_fingerprint_tells_rows_apart(void **state UNUSED)
{
	struct rd_alias_row a[] = {{"a:1", "shop"}}, b[] = {{"a:1", "shopb"}}, c[] = {{"a:1", NULL}};

	assert_true(rd_alias_fingerprint(a, 1) == rd_alias_fingerprint(a, 1));
	assert_true(rd_alias_fingerprint(a, 1) != rd_alias_fingerprint(b, 1));
	assert_true(rd_alias_fingerprint(a, 1) != rd_alias_fingerprint(c, 1));
	assert_true(rd_alias_fingerprint(a, 1) != rd_alias_fingerprint(a, 0));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_best_informed_vote_wins),
	    cmocka_unit_test(the_order_of_votes_does_not_matter),
	    cmocka_unit_test(the_fingerprint_tells_rows_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
