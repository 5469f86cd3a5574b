/* test_gtid.c — MySQL GTID sets: texts, limits, set algebra, also against a naive model and a real server's answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "topo/gtid.h"

#define A "aaaaaaaa-0000-11ef-9a10-000000000001"
#define B "bbbbbbbb-0000-11ef-9a10-000000000002"
#define C "cccccccc-0000-11ef-9a10-000000000003"
#define MAX "9223372036854775806"

static char *
normal(const char *text)
{
	struct gtid_set s;
	struct str_buf b = {0};
	struct err e;

	if (gtid_set_parse(text, &s, &e) != 0)
		return mem_strdup(err_name(e.code));
	gtid_set_write(&s, &b, GTID_SEP_LINE);
	gtid_set_done(&s);
	return str_buf_take(&b);
}

static void
sets_are_normalised(void **state UNUSED)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
	    {"", ""},
	    {" ,\n, ", ""},
	    {A ":1", A ":1"},
	    {A ":1-1", A ":1"},
	    {"AAAAAAAA-0000-11EF-9A10-000000000001:1-3", A ":1-3"},
	    {A ":4-5:1-3", A ":1-5"},
	    {A ":1-10:3-4:20", A ":1-10:20"},
	    {A ":5:1:3:2:4", A ":1-5"},
	    {B ":1,\n" A ":2," B ":2", A ":2," B ":1-2"},
	    {A ":5-4", ""},
	    {A ":1-0:7", A ":7"},
	    {" " A " : 1 - 3 : 7 ,\t" B ":1\n", A ":1-3:7," B ":1"},
	    {A ":1-" MAX, A ":1-" MAX},
	    {A ":" MAX ":9223372036854775805", A ":9223372036854775805-" MAX},
	    {A ":1-5:tag:1-3", A ":1-5:tag:1-3"},
	    {A ":tag:1-3:5", A ":tag:1-3:5"},
	    {A ":TAG_1:1," A ":4", A ":4:tag_1:1"},
	    {A ":zz:1:aa:2:7," A ":aa:3-6:_:1", A ":_:1:aa:2-7:zz:1"},
	    {A ":abcdefghijklmnopqrstuvwxyz012345:1", A ":abcdefghijklmnopqrstuvwxyz012345:1"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char *got = normal(cases[i].text);
		assert_string_equal(got, cases[i].want);
		free(got);
	}
}

static void
malformed_sets_are_refused(void **state UNUSED)
{
	static const char *const cases[] = {
	    "x",
	    A,
	    A ":",
	    A "::1",
	    A ":1:",
	    A ":0",
	    A ":0-5",
	    A ":-1",
	    A ":1-",
	    A ":1--2",
	    A ":1-2-3",
	    A ":1 2",
	    A ":1;" B ":1",
	    A ":1" B ":1",
	    A ":9223372036854775807",
	    A ":99999999999999999999999",
	    A ":tag",
	    A ":tag,",
	    A ":tag:other:1",
	    A ":1:tag:",
	    A ":1tag:1",
	    A ":t-g:1",
	    A ":abcdefghijklmnopqrstuvwxyz0123456:1",
	    "aaaaaaaa-0000-11ef-9a10-00000000000:1",
	    "aaaaaaaa-0000-11ef-9a10-0000000000011:1",
	    "aaaaaaaa_0000-11ef-9a10-000000000001:1",
	    "gaaaaaaa-0000-11ef-9a10-000000000001:1",
	    "aaaaaaaa000011ef9a10000000000001:1",
	    "0-1-100",
	    A ":1,0-1-100",
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char *got = normal(cases[i]);
		assert_string_equal(got, "SYNTAX");
		free(got);
	}
}

static void
errors_say_where(void **state UNUSED)
{
	struct gtid_set s;
	struct err e;

	assert_int_equal(gtid_set_parse(A ":1-3:x y", &s, &e), -ERR_SYNTAX);
	assert_non_null(strstr(e.msg, "offset 43"));
	assert_non_null(strstr(e.msg, "near \"y\""));
}

static void
sets_are_bounded(void **state UNUSED)
{
	struct str_buf b = {0};
	struct gtid_set s;
	struct err e;

	while (b.len < TOPO_GTID_MAX)
		str_buf_printf(&b, "%08x-0000-11ef-9a10-000000000001:1,", (unsigned)b.len);
	assert_int_equal(gtid_set_parse(b.p, &s, &e), -ERR_TOO_LARGE);
	b.p[TOPO_GTID_MAX - 60] = '\0';
	*strrchr(b.p, ',') = '\0';
	assert_int_equal(gtid_set_parse(b.p, &s, &e), 0);
	assert_true(s.n > 25000);
	gtid_set_done(&s);

	str_buf_clear(&b);
	str_buf_add(&b, A);
	for (int i = 0; b.len < TOPO_GTID_MAX - 20; i++)
		str_buf_printf(&b, ":t%x:1", i & 0x1ffff);
	assert_int_equal(gtid_set_parse(b.p, &s, &e), -ERR_LIMIT);
	str_buf_done(&b);
}

/* Every second number of [from, from + 2n) for one uuid. */
static struct gtid_set
comb(const char *uuid, int from, int n)
{
	struct str_buf b = {0};
	struct gtid_set s = {0};
	struct err e;

	str_buf_add(&b, uuid);
	for (int i = 0; i < n; i++)
		str_buf_printf(&b, ":%d", from + 2 * i);
	if (gtid_set_parse(b.p, &s, &e) != 0)
		fail_msg("%s", e.msg);
	str_buf_done(&b);
	return s;
}

static void
results_are_bounded_too(void **state UNUSED)
{
	struct gtid_set sum = comb(A, 1, 130000), next;
	struct err e;
	int rc = 0;

	for (int i = 0; i < 8 && rc == 0; i++) {
		struct gtid_set more = comb(A, 1000001 + 300000 * i, 130000);
		rc = gtid_set_union(&sum, &more, &next, &e);
		gtid_set_done(&more);
		if (rc != 0)
			break;
		gtid_set_done(&sum);
		sum = next;
	}
	assert_int_equal(rc, -ERR_LIMIT);
	assert_int_equal(sum.intervals, 7 * 130000);
	gtid_set_done(&sum);
}

/* --- set algebra ----------------------------------------------------------------------------------------------- */
static void
difference_has_the_format_of_the_server(void **state UNUSED)
{
	static const struct {
		const char *a, *b, *want;
	} cases[] = {
	    {A ":1-10", "", A ":1-10"},
	    {"", A ":1", ""},
	    {A ":1-10", A ":1-10", ""},
	    {A ":1-10", A ":3-4", A ":1-2:5-10"},
	    {A ":1-10:20-30", A ":5-25", A ":1-4:26-30"},
	    {A ":1-3:5," B ":1-2", C ":1", A ":1-3:5,\n" B ":1-2"},
	    {"BBBBBBBB-0000-11EF-9A10-000000000002:1-2," A ":5", B ":2", A ":5,\n" B ":1"},
	    {A ":1-" MAX, A ":2", A ":1:3-" MAX},
	    {A ":1-" MAX, A ":1-9223372036854775805", A ":" MAX},
	    {A ":1-" MAX, A ":" MAX, A ":1-9223372036854775805"},
	    {A ":1-5:tag:1-3," B ":x:1", A ":2:tag:3", A ":1:3-5:tag:1-2,\n" B ":x:1"},
	    {A ":1-5:tag:1-3", A ":1-5", A ":tag:1-3"},
	    {A ":tag:1-3", A ":1-5", A ":tag:1-3"},
	};
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct str_buf b = {0};
		assert_int_equal(gtid_text_subtract(cases[i].a, cases[i].b, &b, &e), 0);
		assert_string_equal(str_buf_text(&b), cases[i].want);
		str_buf_done(&b);
	}
}

static void
difference_names_the_bad_text(void **state UNUSED)
{
	struct str_buf b = {0};
	struct err e;

	assert_int_equal(gtid_text_subtract(A ":1", "bad", &b, &e), -ERR_SYNTAX);
	assert_int_equal(gtid_text_subtract("bad", A ":1", &b, &e), -ERR_SYNTAX);
	assert_int_equal(b.len, 0);
}

/* --- against a real server ------------------------------------------------------------------------------------- */
static void
unfold(char *text)
{
	for (; *text != '\0'; text++)
		if (*text == '~')
			*text = '\n';
}

static void
check_answer(char *line)
{
	char *a = line, *b = strchr(a, '|'), *want, *subset;
	struct str_buf got = {0};
	bool contains;
	struct err e;

	assert_non_null(b);
	*b++ = '\0';
	want = strchr(b, '|');
	assert_non_null(want);
	*want++ = '\0';
	subset = strchr(want, '|');
	unfold(line);
	unfold(b);
	unfold(want);
	if (subset == NULL) {
		assert_string_equal(want, "ERR");
		assert_int_equal(gtid_text_subtract(a, b, &got, &e), -ERR_SYNTAX);
		return;
	}
	*subset++ = '\0';
	assert_int_equal(gtid_text_subtract(a, b, &got, &e), 0);
	assert_string_equal(str_buf_text(&got), want);
	assert_int_equal(gtid_text_contains(a, b, &contains, &e), 0);
	assert_int_equal(contains, subset[0] == '1');
	str_buf_done(&got);
}

static void
answers_are_those_of_a_real_server(void **state UNUSED)
{
	char line[4096];
	int n = 0;
	FILE *f = fopen(GOLDEN_DIR "/gtid_server.txt", "r");

	assert_non_null(f);
	for (; fgets(line, sizeof(line), f) != NULL; n++) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0] != '#')
			check_answer(line);
	}
	(void)fclose(f);
	assert_true(n > 100);
}

/* The naive model: a bit per transaction of 3 uuids × 2 tags × 64 numbers. */
#define NAMES 6
struct model {
	uint64_t bits[NAMES];
};

static uint64_t rng = 88172645463325252u;

static uint64_t
random_u64(void)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return rng;
}

static void
write_model(const struct model *m, struct str_buf *b)
{
	static const char *const names[NAMES] = {B, A ":tag", C, A, B ":tag", C ":tag"};

	for (size_t n = 0; n < NAMES; n++) {
		if (m->bits[n] == 0)
			continue;
		str_buf_printf(b, "%s%s", b->len > 0 ? "," : "", names[n]);
		for (int bit = 63; bit >= 0; bit--)
			if (m->bits[n] >> bit & 1)
				str_buf_printf(b, ":%d", bit + 1);
	}
}

static struct gtid_set
set_of(const struct model *m)
{
	struct str_buf b = {0};
	struct gtid_set s = {0};
	struct err e;

	write_model(m, &b);
	if (gtid_set_parse(str_buf_text(&b), &s, &e) != 0)
		fail_msg("%s", e.msg);
	str_buf_done(&b);
	return s;
}

static struct model
random_model(void)
{
	struct model m;

	for (size_t n = 0; n < NAMES; n++) {
		m.bits[n] = random_u64();
		for (uint64_t thin = random_u64() % 4; thin > 0; thin--)
			m.bits[n] &= random_u64();
		if (random_u64() % 4 == 0)
			m.bits[n] = 0;
	}
	return m;
}

static void
check_is(const struct gtid_set *got, const struct model *want)
{
	struct gtid_set s = set_of(want);
	uint64_t count = 0;

	for (size_t n = 0; n < NAMES; n++)
		count += (uint64_t)__builtin_popcountll(want->bits[n]);
	assert_true(gtid_set_equal(got, &s));
	assert_int_equal(gtid_set_count(got), count);
	assert_int_equal(gtid_set_is_empty(got), count == 0);
	gtid_set_done(&s);
}

static void
check_pair(const struct model *x, const struct model *y)
{
	struct gtid_set a = set_of(x), b = set_of(y), got;
	struct model both, either, diff;
	bool subset = true;
	struct err e;

	for (size_t n = 0; n < NAMES; n++) {
		both.bits[n] = x->bits[n] & y->bits[n];
		either.bits[n] = x->bits[n] | y->bits[n];
		diff.bits[n] = x->bits[n] & ~y->bits[n];
		subset = subset && (y->bits[n] & ~x->bits[n]) == 0;
	}
	assert_int_equal(gtid_set_union(&a, &b, &got, &e), 0);
	check_is(&got, &either);
	assert_true(gtid_set_contains(&got, &a) && gtid_set_contains(&got, &b));
	gtid_set_done(&got);
	assert_int_equal(gtid_set_intersect(&a, &b, &got, &e), 0);
	check_is(&got, &both);
	assert_true(gtid_set_contains(&a, &got) && gtid_set_contains(&b, &got));
	gtid_set_done(&got);
	assert_int_equal(gtid_set_subtract(&a, &b, &got, &e), 0);
	check_is(&got, &diff);
	gtid_set_done(&got);
	assert_int_equal(gtid_set_contains(&a, &b), subset);
	gtid_set_done(&a);
	gtid_set_done(&b);
}

static void
algebra_agrees_with_a_naive_model(void **state UNUSED)
{
	for (int i = 0; i < 2000; i++) {
		struct model x = random_model(), y = random_model();
		if (i % 8 == 0) /* make subsets happen */
			for (size_t n = 0; n < NAMES; n++)
				y.bits[n] &= x.bits[n];
		check_pair(&x, &y);
	}
}

/* Found by fuzzing: a side that had ended was woken again by the edge behind the greatest number. */
static void
a_union_reaches_the_greatest_number(void **state UNUSED)
{
	struct gtid_set a, b, sum;
	struct str_buf text = {0};
	struct err e;

	assert_int_equal(gtid_set_parse(A ":1-9223372036854775805", &a, &e), 0);
	assert_int_equal(gtid_set_parse(A ":" MAX, &b, &e), 0);
	assert_int_equal(gtid_set_union(&a, &b, &sum, &e), 0);
	gtid_set_write(&sum, &text, GTID_SEP_LINE);
	assert_string_equal(str_buf_text(&text), A ":1-" MAX);
	str_buf_done(&text);
	gtid_set_done(&a);
	gtid_set_done(&b);
	gtid_set_done(&sum);
}

static void
counting_stops_at_the_end(void **state UNUSED)
{
	struct gtid_set s;
	struct err e;

	assert_int_equal(gtid_set_parse(A ":1-" MAX "," B ":1-" MAX, &s, &e), 0);
	assert_true(gtid_set_count(&s) == UINT64_MAX - 3);
	gtid_set_done(&s);
	assert_int_equal(gtid_set_parse(A ":1-" MAX "," B ":1-" MAX "," C ":1-" MAX, &s, &e), 0);
	assert_true(gtid_set_count(&s) == UINT64_MAX);
	gtid_set_done(&s);
}

/* --- removing uuids -------------------------------------------------------------------------------------------- */
static void
removing_a_uuid_removes_its_tags_too(void **state UNUSED)
{
	struct str_buf b = {0};
	struct gtid_set s;
	struct err e;

	assert_int_equal(gtid_set_parse(A ":1-5:tag:1-3," B ":1:2-3:7," C ":9", &s, &e), 0);
	gtid_set_remove_uuid(&s, "AAAAAAAA-0000-11EF-9A10-000000000001");
	gtid_set_remove_uuid(&s, C);
	gtid_set_remove_uuid(&s, C);
	gtid_set_remove_uuid(&s, "");
	gtid_set_remove_uuid(&s, "No");
	gtid_set_remove_uuid(&s, B "1");
	gtid_set_write(&s, &b, GTID_SEP_LINE);
	assert_string_equal(b.p, B ":1-3:7");
	assert_int_equal(s.intervals, 2);
	str_buf_done(&b);
	gtid_set_done(&s);
}

static void
uuids_have_36_characters(void **state UNUSED)
{
	assert_true(gtid_uuid_valid(A));
	assert_true(gtid_uuid_valid("AAAAAAAA-0000-11EF-9A10-000000000001"));
	assert_false(gtid_uuid_valid(""));
	assert_false(gtid_uuid_valid("No"));
	assert_false(gtid_uuid_valid(A "1"));
	assert_false(gtid_uuid_valid("aaaaaaaa-0000-11ef-9a10-00000000000"));
	assert_false(gtid_uuid_valid("aaaaaaaa-000011ef-9a10-00000000000001"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(sets_are_normalised),
	    cmocka_unit_test(malformed_sets_are_refused),
	    cmocka_unit_test(errors_say_where),
	    cmocka_unit_test(sets_are_bounded),
	    cmocka_unit_test(results_are_bounded_too),
	    cmocka_unit_test(difference_has_the_format_of_the_server),
	    cmocka_unit_test(answers_are_those_of_a_real_server),
	    cmocka_unit_test(difference_names_the_bad_text),
	    cmocka_unit_test(algebra_agrees_with_a_naive_model),
	    cmocka_unit_test(a_union_reaches_the_greatest_number),
	    cmocka_unit_test(counting_stops_at_the_end),
	    cmocka_unit_test(removing_a_uuid_removes_its_tags_too),
	    cmocka_unit_test(uuids_have_36_characters),
	};

	return cmocka_run_group_tests_name("gtid", tests, NULL, NULL);
}
