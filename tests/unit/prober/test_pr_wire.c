/* Answers of servers, honest and lying, packet by packet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "pr_wire.h"

struct fixture {
	struct mem_arena arena;
	struct pr_wire wire;
	struct pr_rows rows;
	struct err e;
};

static void
begin(struct fixture *f, size_t keep)
{
	struct pr_wire_limits limits = {.cols = 4, .rows = keep, .bytes = 4000, .memory = 1 << 20};

	memset(f, 0, sizeof(*f));
	pr_wire_begin(&f->wire, &limits, &f->arena, &f->rows);
}

static enum pr_wire_next
feed(struct fixture *f, const char *bytes, size_t n)
{
	uint8_t *copy = mem_dup(bytes, n); /* exactly as long as the packet, for the address sanitizer */
	enum pr_wire_next next = pr_wire_packet(&f->wire, copy, n, &f->e);

	free(copy);
	return next;
}
#define FEED(f, literal) feed((f), (literal), sizeof(literal) - 1)

#define OK_PACKET "\x00\x00\x00\x02\x00\x00\x00"
#define OK_MORE "\x00\x00\x00\x0a\x00\x00\x00"
#define EOF_PACKET "\xfe\x00\x00\x02\x00"
#define EOF_MORE "\xfe\x00\x00\x0a\x00"
/* catalog "def", schema "", table "", org "", name "a", org name "", 12 bytes of the rest */
#define COLUMN(name)       \
	"\x03"             \
	"def"              \
	"\x00\x00\x00"     \
	"\x01" name "\x00" \
	"\x0c\x21\x00\x00\x00\x00\x00\xfd\x00\x00\x00\x00\x00"

static void
test_rows_and_null(void **state UNUSED)
{
	struct fixture f;

	begin(&f, 10);
	assert_int_equal(FEED(&f, "\x02"), PR_WIRE_MORE);
	assert_int_equal(FEED(&f, COLUMN("a")), PR_WIRE_MORE);
	assert_int_equal(FEED(&f, COLUMN("B")), PR_WIRE_MORE);
	assert_int_equal(FEED(&f, EOF_PACKET), PR_WIRE_MORE);
	assert_int_equal(FEED(&f, "\x03one\xfb"), PR_WIRE_MORE);
	assert_int_equal(FEED(&f, "\x00\x02-7"), PR_WIRE_MORE);
	assert_false(f.rows.answered);
	assert_string_equal(pr_rows_text(&f.rows, 0, "a"), ""); /* half an answer is none */
	assert_int_equal(FEED(&f, EOF_PACKET), PR_WIRE_DONE);
	assert_true(pr_rows_ok(&f.rows));
	assert_int_equal(f.rows.n_rows, 2);
	assert_string_equal(pr_rows_text(&f.rows, 0, "A"), "one");
	assert_null(pr_rows_at(&f.rows, 0, 1));
	assert_string_equal(pr_rows_text(&f.rows, 0, "b"), "");
	assert_int_equal(pr_rows_i64(&f.rows, 1, "b"), -7);
	assert_string_equal(pr_rows_text(&f.rows, 1, "none"), "");
	assert_string_equal(pr_rows_text(&f.rows, 9, "a"), "");
	mem_arena_done(&f.arena);
}

static void
test_ok_and_empty(void **state UNUSED)
{
	struct fixture f;

	begin(&f, 10);
	assert_int_equal(FEED(&f, OK_PACKET), PR_WIRE_DONE);
	assert_true(pr_rows_ok(&f.rows));
	assert_int_equal(f.rows.n_cols, 0);
	begin(&f, 10);
	assert_int_equal(FEED(&f, "\x01"), PR_WIRE_MORE);
	assert_int_equal(FEED(&f, COLUMN("a")), PR_WIRE_MORE);
	assert_int_equal(FEED(&f, EOF_PACKET), PR_WIRE_MORE);
	assert_int_equal(FEED(&f, EOF_PACKET), PR_WIRE_DONE);
	assert_int_equal(f.rows.n_rows, 0);
	mem_arena_done(&f.arena);
}

static void
test_only_what_is_wanted_is_kept(void **state UNUSED)
{
	struct fixture f;

	begin(&f, 2);
	assert_int_equal(FEED(&f, "\x01"), PR_WIRE_MORE);
	assert_int_equal(FEED(&f, COLUMN("a")), PR_WIRE_MORE);
	assert_int_equal(FEED(&f, EOF_PACKET), PR_WIRE_MORE);
	for (int i = 0; i < 5; i++)
		assert_int_equal(FEED(&f, "\x01x"), PR_WIRE_MORE);
	assert_int_equal(FEED(&f, EOF_PACKET), PR_WIRE_DONE);
	assert_int_equal(f.rows.n_rows, 2);
	assert_int_equal(f.rows.n_dropped, 3);
	mem_arena_done(&f.arena);
}

static void
test_further_results_of_a_call(void **state UNUSED)
{
	struct fixture f;

	begin(&f, 10);
	assert_int_equal(FEED(&f, "\x01"), PR_WIRE_MORE);
	assert_int_equal(FEED(&f, COLUMN("a")), PR_WIRE_MORE);
	assert_int_equal(FEED(&f, EOF_PACKET), PR_WIRE_MORE);
	assert_int_equal(FEED(&f, "\x01x"), PR_WIRE_MORE);
	assert_int_equal(FEED(&f, EOF_MORE), PR_WIRE_MORE);
	assert_false(f.rows.answered);
	assert_int_equal(FEED(&f, "\x01"), PR_WIRE_MORE);
	assert_int_equal(FEED(&f, COLUMN("b")), PR_WIRE_MORE);
	assert_int_equal(FEED(&f, EOF_PACKET), PR_WIRE_MORE);
	assert_int_equal(FEED(&f, "\x01y"), PR_WIRE_MORE);
	assert_int_equal(FEED(&f, EOF_MORE), PR_WIRE_MORE);
	assert_int_equal(FEED(&f, OK_PACKET), PR_WIRE_DONE);
	assert_true(pr_rows_ok(&f.rows));
	assert_int_equal(f.rows.n_rows, 1);
	assert_string_equal(pr_rows_text(&f.rows, 0, "a"), "x");
	mem_arena_done(&f.arena);
}

static void
test_error_in_the_middle(void **state UNUSED)
{
	struct fixture f;

	begin(&f, 10);
	assert_int_equal(FEED(&f, "\x01"), PR_WIRE_MORE);
	assert_int_equal(FEED(&f, COLUMN("a")), PR_WIRE_MORE);
	assert_int_equal(FEED(&f, EOF_PACKET), PR_WIRE_MORE);
	assert_int_equal(FEED(&f, "\x01x"), PR_WIRE_MORE);
	pr_wire_error(&f.wire, 1317, "Query execution was interrupted");
	assert_true(f.rows.answered);
	assert_false(pr_rows_ok(&f.rows));
	assert_int_equal(f.rows.err_no, 1317);
	assert_int_equal(f.rows.n_rows, 0);
	mem_arena_done(&f.arena);
}

/* Packets of one answer; the last one must be refused. */
static void
test_lies(void **state UNUSED)
{
#define P(literal)                           \
	{                                    \
		literal, sizeof(literal) - 1 \
	}
	static const struct {
		const char *what;
		struct {
			const char *p;
			size_t n;
		} packets[6];
	} cases[] = {
	    {"empty packet", {P("")}},
	    {"asks for a local file", {P("\xfb/etc/passwd")}},
	    {"huge number of columns", {P("\xfe\xff\xff\xff\xff\xff\xff\xff\x7f")}},
	    {"too many columns", {P("\x05")}},
	    {"0xff as a length", {P("\xff")}},
	    {"short count", {P("\xfc\x01")}},
	    {"bytes after the count", {P("\x01\x01\x01")}},
	    {"no metadata", {P("\x01\x00")}},
	    {"short OK", {P("\x00\x00\x00\x02")}},
	    {"column name beyond the packet",
	     {P("\x01"), P("\x03"
			   "def"
			   "\x00\x00\x00\x09"
			   "a")}},
	    {"column of nulls", {P("\x01"), P("\xfb\xfb\xfb\xfb\xfb\xfb")}},
	    {"column with a 64-bit length", {P("\x01"), P("\xfe\xff\xff\xff\xff\xff\xff\xff\xff")}},
	    {"endless columns", {P("\x01"), P(COLUMN("a")), P(COLUMN("a"))}},
	    {"rows instead of the columns' end", {P("\x01"), P(COLUMN("a")), P("\x01x")}},
	    {"row with too few cells", {P("\x02"), P(COLUMN("a")), P(COLUMN("b")), P(EOF_PACKET), P("\x01x")}},
	    {"cell beyond the packet", {P("\x01"), P(COLUMN("a")), P(EOF_PACKET), P("\x05x")}},
	    {"cell of 16 exabytes",
	     {P("\x01"), P(COLUMN("a")), P(EOF_PACKET), P("\xfe\xff\xff\xff\xff\xff\xff\xff\xff")}},
	    {"short EOF", {P("\x01"), P(COLUMN("a")), P("\xfe\x00\x00\x02\x00"), P("\xfe\x00")}},
	};
#undef P

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct fixture f;
		size_t last = 0;

		begin(&f, 10);
		while (last + 1 < ARRAY_LEN(cases[i].packets) && cases[i].packets[last + 1].p != NULL)
			last++;
		for (size_t k = 0; k <= last; k++) {
			enum pr_wire_next next = feed(&f, cases[i].packets[k].p, cases[i].packets[k].n);
			if (next != (k == last ? PR_WIRE_BAD : PR_WIRE_MORE))
				fail_msg("%s: packet %zu gave %d", cases[i].what, k, next);
		}
		assert_false(f.rows.answered);
		assert_int_not_equal(f.e.code, 0);
		mem_arena_done(&f.arena);
	}
}

static void
test_endless_rows_end(void **state UNUSED)
{
	struct fixture f;
	enum pr_wire_next next = PR_WIRE_MORE;
	int rows = 0;

	begin(&f, 1);
	assert_int_equal(FEED(&f, "\x01"), PR_WIRE_MORE);
	assert_int_equal(FEED(&f, COLUMN("a")), PR_WIRE_MORE);
	assert_int_equal(FEED(&f, EOF_PACKET), PR_WIRE_MORE);
	while (next == PR_WIRE_MORE && rows++ < 100000)
		next = FEED(&f, "\x05spamm");
	assert_int_equal(next, PR_WIRE_BAD);
	assert_int_equal(f.e.code, ERR_TOO_LARGE);
	mem_arena_done(&f.arena);
}

static void
test_readings(void **state UNUSED)
{
	assert_int_equal(pr_text_i64("12"), 12);
	assert_int_equal(pr_text_i64("2.75"), 2);
	assert_int_equal(pr_text_i64("12x"), 0);
	assert_int_equal(pr_text_i64("99999999999999999999"), 0);
	assert_int_equal(pr_text_i64(NULL), 0);
	assert_int_equal(pr_text_u64("-1"), 0);
	assert_true(pr_text_u64("18446744073709551615") == UINT64_MAX);
	assert_true(pr_text_bool("on") && pr_text_bool("1") && pr_text_bool("Yes"));
	assert_false(pr_text_bool("0") || pr_text_bool("") || pr_text_bool(NULL) || pr_text_bool("OFF"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rows_and_null),
	    cmocka_unit_test(test_ok_and_empty),
	    cmocka_unit_test(test_only_what_is_wanted_is_kept),
	    cmocka_unit_test(test_further_results_of_a_call),
	    cmocka_unit_test(test_error_in_the_middle),
	    cmocka_unit_test(test_lies),
	    cmocka_unit_test(test_endless_rows_end),
	    cmocka_unit_test(test_readings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
