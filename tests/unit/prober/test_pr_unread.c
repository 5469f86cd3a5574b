/* What cannot be read: when an operator is told, how often, by which words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "pr_evidence.h"
#include "pr_unread.h"

#define HOUR (3600 * INT64_C(1))

static struct mono
at(int64_t s)
{
	return (struct mono){(1000 + s) * CLK_S};
}

static void
test_told_once_an_hour_and_when_it_works(void **state UNUSED)
{
	static const struct {
		int64_t s, err_no;
		enum pr_unread_say say;
	} steps[] = {
	    {0, 0, PR_UNREAD_NOTHING},		 {5, 1227, PR_UNREAD_FAILS},
	    {10, 1227, PR_UNREAD_NOTHING},	 {HOUR, 1227, PR_UNREAD_NOTHING},
	    {HOUR + 5, 1227, PR_UNREAD_FAILS},	 {HOUR + 10, 0, PR_UNREAD_WORKS},
	    {HOUR + 15, 0, PR_UNREAD_NOTHING},	 {HOUR + 20, 1146, PR_UNREAD_NOTHING}, /* comes and goes */
	    {HOUR + 25, 0, PR_UNREAD_NOTHING},	 {2 * HOUR + 5, PR_UNREAD_SILENCE, PR_UNREAD_FAILS},
	    {2 * HOUR + 10, 0, PR_UNREAD_WORKS},
	};
	struct line_budget b = {0};
	struct pr_unread u = {0};

	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		enum pr_unread_say say = pr_unread_note(&u, &b, PR_ASK_LISTING, steps[i].err_no, at(steps[i].s));

		if (say != steps[i].say)
			fail_msg("step %zu: %d", i, (int)say);
	}
}

static void
test_questions_are_told_one_by_one(void **state UNUSED)
{
	struct line_budget b = {0};
	struct pr_unread u = {0};

	assert_int_equal(pr_unread_note(&u, &b, PR_ASK_PROCESS, PR_ERR_PRIVILEGE, at(0)), PR_UNREAD_FAILS);
	assert_true(u.denied != 0); /* a new login may mend it */
	assert_int_equal(pr_unread_note(&u, &b, PR_ASK_LAG, 1146, at(0)), PR_UNREAD_FAILS);
	assert_int_equal(pr_unread_note(&u, &b, PR_ASK_LAG, 0, at(1)), PR_UNREAD_WORKS);
	assert_int_equal(pr_unread_note(&u, &b, PR_ASK_PROCESS, PR_ERR_PRIVILEGE, at(1)), PR_UNREAD_NOTHING);
	assert_int_equal(pr_unread_note(&u, &b, PR_ASK_PROCESS, 0, at(1)), PR_UNREAD_WORKS);
	assert_true(u.denied == 0);
}

/* 10 000 servers without a grant, probed every 5 s for an hour and a half. */
static void
test_log_volume_is_bounded(void **state UNUSED)
{
	enum { N = 10000 };
	struct pr_unread *v = calloc(N, sizeof(*v));
	struct line_budget b = {0};
	size_t lines = 0, others = 0, works = 0;

	assert_non_null(v);
	for (int64_t s = 0; s < HOUR * 3 / 2; s += 5) {
		for (size_t i = 0; i < N; i++) {
			enum pr_unread_say say = pr_unread_note(&v[i], &b, PR_ASK_PROCESS, PR_ERR_PRIVILEGE, at(s));

			lines += say == PR_UNREAD_FAILS;
			others += say == PR_UNREAD_OTHERS;
		}
	}
	assert_int_equal(lines, 2 * PR_UNREAD_LINES);
	assert_int_equal(others, 2);
	for (size_t i = 0; i < N; i++)
		works += pr_unread_note(&v[i], &b, PR_ASK_PROCESS, 0, at(2 * HOUR)) == PR_UNREAD_WORKS;
	assert_int_equal(works, PR_UNREAD_LINES); /* of whom it was said that they don't */
	free(v);
}

static struct pr_rows
failed(int64_t err_no)
{
	return (struct pr_rows){.answered = true, .err_no = err_no, .err_text = "told"};
}

static void
test_what_matters(void **state UNUSED)
{
	static const char *const listed[] = {"Host", "Port"}, *const listed_well[] = {"db2", "3306"},
				 *const listed_badly[] = {"", "3306"};
	static const char *const in_table[] = {"info_in_table"}, *const yes[] = {"1"};
	const struct pr_rows well = {.answered = true, .n_cols = 2, .n_rows = 1, .names = listed, .cells = listed_well};
	const struct pr_rows badly = {
	    .answered = true, .n_cols = 2, .n_rows = 1, .names = listed, .cells = listed_badly};
	const struct pr_rows table = {.answered = true, .n_cols = 1, .n_rows = 1, .names = in_table, .cells = yes};
	const struct {
		enum pr_ask ask;
		struct pr_rows answer;
		enum pr_ask other_ask;
		struct pr_rows other;
		bool matters;
	} cases[] = {
	    {PR_ASK_LISTING, failed(1227), PR_ASK_SELF, {0}, true},
	    {PR_ASK_PROCESS, failed(1227), PR_ASK_SELF, {0}, true},
	    {PR_ASK_PROCESS, failed(1227), PR_ASK_LISTING, failed(1227), true},
	    {PR_ASK_PROCESS, failed(1227), PR_ASK_LISTING, well, false},
	    {PR_ASK_PROCESS, failed(1227), PR_ASK_LISTING, badly, true}, /* falls back on the process list */
	    {PR_ASK_PROCESS, failed(1109), PR_ASK_SELF, {0}, false},	 /* no InnoDB */
	    {PR_ASK_CREDENTIALS, failed(1142), PR_ASK_GTID, {0}, false},
	    {PR_ASK_CREDENTIALS, failed(1142), PR_ASK_GTID, table, true},
	    {PR_ASK_CLUSTER_ALIAS, failed(1146), PR_ASK_SELF, {0}, true},
	    {PR_ASK_CLUSTER_ALIAS, {0}, PR_ASK_SELF, {0}, false},	   /* not asked */
	    {PR_ASK_GROUP_MEMBERS, failed(1146), PR_ASK_SELF, {0}, false}, /* knows nothing of groups */
	    {PR_ASK_MARIADB_GTID, failed(1193), PR_ASK_SELF, {0}, false},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct pr_rows answers[PR_ASK_COUNT] = {0};
		struct pr_collect in = {.answers = answers};
		int64_t err_no = -7;
		bool matters;

		answers[cases[i].other_ask] = cases[i].other;
		answers[cases[i].ask] = cases[i].answer;
		matters = pr_unread_judge(&in, cases[i].ask, &err_no);
		if (matters != cases[i].matters || (matters && err_no != cases[i].answer.err_no))
			fail_msg("case %zu: %d", i, (int)matters);
	}
}

static void
test_words(void **state UNUSED)
{
	static const struct {
		enum pr_ask ask;
		int64_t err_no;
		const char *version, *what, *remedy;
	} cases[] = {
	    {PR_ASK_PROCESS, 1227, "8.0.36", "replicas in the process list", "GRANT PROCESS ON *.* TO 'orc'@'HOST'"},
	    {PR_ASK_LISTING, 1227, "8.4.2", "the listing of replicas",
	     "GRANT REPLICATION SLAVE ON *.* TO 'orc'@'HOST'"},
	    {PR_ASK_LISTING, 1227, "10.4.34-MariaDB", "the listing of replicas",
	     "GRANT REPLICATION SLAVE ON *.* TO 'orc'@'HOST'"},
	    {PR_ASK_LISTING, 1227, "10.11.6-MariaDB-log", "the listing of replicas",
	     "GRANT REPLICATION MASTER ADMIN ON *.* TO 'orc'@'HOST'"},
	    {PR_ASK_COORDINATES, 1227, "10.11.6-MariaDB", "binary log coordinates",
	     "GRANT BINLOG MONITOR ON *.* TO 'orc'@'HOST'"},
	    {PR_ASK_CREDENTIALS, 1142, "8.0.36", "the replication account",
	     "GRANT SELECT ON mysql.slave_master_info TO 'orc'@'HOST'"},
	    {PR_ASK_CLUSTER_ALIAS, 1142, "8.0.36", "the answer to DetectClusterAliasQuery",
	     "GRANT SELECT ON what DetectClusterAliasQuery reads TO 'orc'@'HOST', or empty the key"},
	    {PR_ASK_PROMOTION_RULE, 1146, "8.0.36", "the answer to DetectPromotionRuleQuery",
	     "correct DetectPromotionRuleQuery, or create on the server what it reads, or empty the key"},
	    {PR_ASK_LAG, PR_UNREAD_SILENCE, "8.0.36", "the answer to ReplicationLagQuery",
	     "make the query of ReplicationLagQuery faster, or empty the key"},
	    {PR_ASK_LISTING, 1064, "8.0.36", "the listing of replicas", "see the server's error"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct str_buf what = {0}, remedy = {0};

		pr_unread_what(cases[i].ask, &what);
		pr_unread_remedy(cases[i].ask, cases[i].err_no, cases[i].version, "orc", &remedy);
		assert_string_equal(what.p, cases[i].what);
		assert_string_equal(remedy.p, cases[i].remedy);
		str_buf_done(&what);
		str_buf_done(&remedy);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_told_once_an_hour_and_when_it_works),
	    cmocka_unit_test(test_questions_are_told_one_by_one),
	    cmocka_unit_test(test_log_volume_is_bounded),
	    cmocka_unit_test(test_what_matters),
	    cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
