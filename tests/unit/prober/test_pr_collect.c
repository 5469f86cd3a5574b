/* Answers of servers → fields, as text files: tests/golden/prober/NAME.in, .out. With --update as second argument the .out
 * files are rewritten; review the diff. Where Debian has the server they are recorded (prober_record.c); other versions
 * are reconstructed from manuals and from what the versions that are at hand answer: the first line says which.
 * A .in file: "# recorded: of what" or "# reconstructed: what", "version TEXT", "key value" lines of options, then per question "[NAME]" or "[NAME] error NUMBER TEXT",
 * a line of column names, lines of cells; tabs between cells, \N is NULL, \n \t \\ are escapes. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/str.h"
#include "pr_collect.h"
#include "read_file.h"

static const char *golden_dir;
static bool update;

struct fixture {
	struct mem_arena arena;
	struct pr_rows answers[PR_ASK_COUNT];
	struct pr_plan plan;
	const char *version;
	bool is_root, credentials_query;
	struct topo_probe out;
};

static const char *
unescape(struct fixture *f, const char *cell)
{
	char *copy, *to;

	if (str_eq(cell, "\\N"))
		return NULL;
	copy = to = mem_arena_strndup(&f->arena, cell, strlen(cell));
	for (const char *p = cell; *p != '\0'; p++) {
		if (*p == '\\' && p[1] != '\0') {
			p++;
			*to++ = *p == 'n' ? '\n' : *p == 't' ? '\t' : *p;
		} else {
			*to++ = *p;
		}
	}
	*to = '\0';
	return copy;
}

static size_t
split_cells(struct fixture *f, char *line, const char **v, size_t max)
{
	size_t n = 0;

	for (char *cell; (cell = strsep(&line, "\t")) != NULL && n < max;)
		v[n++] = unescape(f, cell);
	return n;
}

static enum pr_ask
ask_by_name(const char *name)
{
	for (size_t i = 0; i < PR_ASK_COUNT; i++) {
		if (str_eq(pr_ask_name((enum pr_ask)i), name))
			return (enum pr_ask)i;
	}
	fail_msg("no question %s", name);
	return PR_ASK_COUNT;
}

static struct pr_rows *
begin_answer(struct fixture *f, char *line)
{
	char *end = strchr(line, ']');
	enum pr_ask ask;
	struct pr_rows *r;

	assert_non_null(end);
	*end = '\0';
	ask = ask_by_name(line + 1);
	r = &f->answers[ask];
	f->plan.v[f->plan.n++] = (struct pr_plan_item){ask, ""};
	if (str_starts(end + 1, " unanswered"))
		return r;
	r->answered = true;
	if (str_starts(end + 1, " error ")) {
		char *text;
		r->err_no = strtol(end + 8, &text, 10);
		r->err_text = mem_arena_strndup(&f->arena, text + 1, strlen(text + 1));
	}
	return r;
}

static void
add_line(struct fixture *f, struct pr_rows *r, char *line)
{
	const char *v[256];
	size_t n = split_cells(f, line, v, ARRAY_LEN(v));
	const char **cells;

	if (r->n_cols == 0) {
		r->n_cols = n;
		cells = mem_arena_alloc(&f->arena, n * sizeof(*cells));
		memcpy(cells, v, n * sizeof(*cells));
		r->names = cells;
		return;
	}
	assert_int_equal(n, r->n_cols);
	cells = mem_arena_alloc(&f->arena, (r->n_rows + 1) * n * sizeof(*cells));
	if (r->n_rows > 0)
		memcpy(cells, r->cells, r->n_rows * n * sizeof(*cells));
	memcpy(cells + r->n_rows * n, v, n * sizeof(*cells));
	r->cells = cells;
	r->n_rows++;
}

static void
load(struct fixture *f, char *text)
{
	struct pr_rows *r = NULL;

	for (char *line; (line = strsep(&text, "\n")) != NULL;) {
		if (line[0] == '#' || (r == NULL && line[0] == '\0'))
			continue;
		if (line[0] == '[')
			r = begin_answer(f, line);
		else if (r != NULL && text != NULL)
			add_line(f, r, line);
		else if (str_starts(line, "version "))
			f->version = mem_arena_strndup(&f->arena, line + 8, strlen(line + 8));
		else if (str_eq(line, "is_root"))
			f->is_root = true;
		else if (str_eq(line, "credentials_query"))
			f->credentials_query = true;
	}
}

/* Names of fields that had a value in some case, one a line. */
static struct str_buf seen;

static bool
was_seen(const char *name, const char *rest)
{
	struct str_buf line = {0};
	bool found;

	str_buf_printf(&line, "\n%s%s", name, rest);
	found = strstr(str_buf_text(&seen), str_buf_text(&line)) != NULL;
	str_buf_done(&line);
	return found;
}

static void dump(struct str_buf *b, const char *prefix, const struct rec_desc *d, const void *rec);

static void
dump_value(struct str_buf *b, const struct rec_field *f, const void *rec)
{
	const void *p = rec_at(rec, f);

	switch (f->kind) {
	case REC_BOOL:
		str_buf_add(b, *(const bool *)p ? "true" : "");
		break;
	case REC_I64:
		if (*(const int64_t *)p != 0)
			str_buf_printf(b, "%lld", (long long)*(const int64_t *)p);
		break;
	case REC_U64:
		if (*(const uint64_t *)p != 0)
			str_buf_printf(b, "%llu", (unsigned long long)*(const uint64_t *)p);
		break;
	case REC_STR:
		if (rec_str_at(rec, f)[0] != '\0')
			str_quote_go_ascii(b, rec_str_at(rec, f));
		break;
	case REC_NI64:
		if (((const struct rec_ni64 *)p)->valid)
			str_buf_printf(b, "%lld", (long long)((const struct rec_ni64 *)p)->v);
		break;
	case REC_NBOOL:
		if (((const struct rec_nbool *)p)->valid)
			str_buf_add(b, ((const struct rec_nbool *)p)->v ? "true" : "false");
		break;
	case REC_F64:
	case REC_BIN:
	case REC_REC:
	case REC_LIST:
		break;
	}
}

static void
dump_field(struct str_buf *b, const char *prefix, const struct rec_field *f, const void *rec)
{
	struct str_buf name = {0}, value = {0};
	struct rec_list l;

	str_buf_printf(&name, "%s%s", prefix, f->name);
	if (f->kind == REC_REC) {
		str_buf_add_char(&name, '.');
		dump(b, str_buf_text(&name), f->sub, rec_at(rec, f));
	} else if (f->kind == REC_LIST) {
		l = rec_list_at(rec, f);
		for (size_t i = 0; i < l.n; i++) {
			str_buf_clear(&value);
			str_buf_printf(&value, "%s[%zu].", str_buf_text(&name), i);
			dump(b, str_buf_text(&value), f->sub, (const char *)l.v + i * f->sub->size);
		}
	} else {
		dump_value(&value, f, rec);
		if (value.len > 0)
			str_buf_printf(b, "%s = %s\n", str_buf_text(&name), str_buf_text(&value));
		if (value.len > 0 && !was_seen(str_buf_text(&name), "\n"))
			str_buf_printf(&seen, "\n%s\n", str_buf_text(&name));
	}
	str_buf_done(&name);
	str_buf_done(&value);
}

/* Fields that are not zero, in the order of the tables. */
static void
dump(struct str_buf *b, const char *prefix, const struct rec_desc *d, const void *rec)
{
	for (size_t i = 0; i < d->n_fields; i++)
		dump_field(b, prefix, &d->fields[i], rec);
}

static void
collect(struct fixture *f)
{
	struct pr_collect in = {.answers = f->answers,
				.plan = &f->plan,
				.caps = pr_flavor_caps(f->version),
				.version = f->version,
				.credentials_query = f->credentials_query,
				.is_root = f->is_root,
				.now = {INT64_C(1700000000000000)},
				.arena = &f->arena};

	rec_init(&topo_probe_desc, &f->out);
	pr_collect(&in, &f->out);
}

/* Of every flavour that users run there is a server that was found. */
static struct {
	const char *name; /* of the files, up to here */
	bool found;
} flavours[] = {
    {"mysql57", false},	   {"mysql80", false},	     {"mysql84", false},       {"mysql97", false},
    {"percona57", false},  {"percona80", false},     {"percona84", false},     {"mariadb105", false},
    {"mariadb106", false}, {"mariadb_", false},	     {"mariadb110", false},    {"mariadb114", false},
    {"mariadb118", false}, {"mysql80_group", false}, {"mysql84_group", false}, {"mysql97_group", false},
    {"maxscale", false},
};

static void
note_flavour(const char *name, bool found)
{
	for (size_t i = 0; i < ARRAY_LEN(flavours); i++) {
		if (str_starts(name, flavours[i].name))
			flavours[i].found = flavours[i].found || found;
	}
}

/* Its origin is told, and nothing is answered that such a server would not be asked. */
static void
check_origin(const struct fixture *f, const char *name, const char *text)
{
	if (!str_starts(text, "# recorded: ") && !str_starts(text, "# reconstructed"))
		fail_msg("%s: neither recorded nor reconstructed", name);
	for (size_t i = 0; i < f->plan.n; i++) {
		enum pr_ask ask = f->plan.v[i].ask;
		if (ask < PR_ASK_LAG && pr_ask_sql(ask, pr_flavor_caps(f->version)) == NULL)
			fail_msg("%s: %s is not asked of version %s", name, pr_ask_name(ask), f->version);
	}
}

static void
check_case(const char *name)
{
	struct str_buf path = {0}, got = {0};
	struct fixture f = {.version = ""};
	struct err e;
	char *text, *expect;

	str_buf_printf(&path, "%s/%s.in", golden_dir, name);
	text = read_file(str_buf_text(&path));
	assert_non_null(text);
	expect = read_file(str_buf_text(&path));
	load(&f, text);
	check_origin(&f, name, expect);
	free(expect);
	collect(&f);
	note_flavour(name, f.out.found);
	assert_int_equal(rec_check(&topo_probe_desc, &f.out, &e), 0);
	dump(&got, "", &topo_probe_desc, &f.out);
	str_buf_clear(&path);
	str_buf_printf(&path, "%s/%s.out", golden_dir, name);
	if (update) {
		FILE *out = fopen(str_buf_text(&path), "we");
		assert_non_null(out);
		(void)fputs(str_buf_text(&got), out);
		(void)fclose(out);
	}
	expect = read_file(str_buf_text(&path));
	if (expect == NULL || strcmp(expect, str_buf_text(&got)) != 0)
		fail_msg("%s differs; got:\n%s", str_buf_text(&path), str_buf_text(&got));
	free(text);
	free(expect);
	str_buf_done(&path);
	str_buf_done(&got);
	mem_arena_done(&f.arena);
}

static void
test_golden(void **state UNUSED)
{
	struct dirent **names;
	int n = scandir(golden_dir, &names, NULL, alphasort), cases = 0;

	assert_true(n > 0);
	for (int i = 0; i < n; i++) {
		if (str_ends(names[i]->d_name, ".in")) {
			names[i]->d_name[strlen(names[i]->d_name) - 3] = '\0';
			check_case(names[i]->d_name);
			cases++;
		}
		free(names[i]);
	}
	free(names);
	assert_true(cases >= 10);
	for (size_t i = 0; i < ARRAY_LEN(flavours); i++) {
		if (!flavours[i].found)
			fail_msg("no server of flavour %s was found", flavours[i].name);
	}
}

/* After all cases: what a probe brings home has had a value, and is not forgotten. */
static void
test_every_field_was_seen(void **state UNUSED)
{
	static const char *const absent[] = {
	    "last_discovery_latency_ns", /* pr_outcome.c's */
	    "repl_tls_ciphersuites",	 /* probing.md names the column, but no server up to 9.7 has it */
	};
	struct str_buf name = {0};

	for (size_t i = 0; i < topo_instance_desc.n_fields; i++) {
		const struct rec_field *f = &topo_instance_desc.fields[i];

		str_buf_clear(&name);
		str_buf_printf(&name, "inst.%s", f->name);
		if ((f->flags & TOPO_PROBED) != 0 && !str_eq(f->name, absent[0]) && !str_eq(f->name, absent[1]) &&
		    !was_seen(str_buf_text(&name), f->kind == REC_REC ? "." : "\n"))
			fail_msg("%s has no value in any case", str_buf_text(&name));
	}
	str_buf_done(&name);
	str_buf_done(&seen);
}

/* Texts of a lying server stay within the written maxima; a GTID set is never cut. */
static void
test_overlong_texts(void **state UNUSED)
{
	static char longest[2 * TOPO_GTID_MAX];
	const char *names[] = {"gtid_mode", "server_uuid", "gtid_executed", "binlog_row_image"};
	const char *cells[] = {"ON", longest, longest, longest};
	const char *self_names[] = {"hostname", "server_id"}, *self_cells[] = {longest, "7"};
	const char *version_names[] = {"version"}, *version_cells[] = {"8.4.1"};
	struct fixture f = {.version = "8.4.1"};
	struct err e;

	memset(longest, 'x', sizeof(longest) - 1);
	f.answers[PR_ASK_VERSION] = (struct pr_rows){
	    .answered = true, .n_cols = 1, .n_rows = 1, .names = version_names, .cells = version_cells};
	f.answers[PR_ASK_REPLICA_STATUS].answered = true;
	f.answers[PR_ASK_SELF] =
	    (struct pr_rows){.answered = true, .n_cols = 2, .n_rows = 1, .names = self_names, .cells = self_cells};
	f.answers[PR_ASK_GTID] =
	    (struct pr_rows){.answered = true, .n_cols = 4, .n_rows = 1, .names = names, .cells = cells};
	collect(&f);
	assert_int_equal(rec_check(&topo_probe_desc, &f.out, &e), 0);
	assert_int_equal(strlen(f.out.self_hostname), TOPO_HOST_MAX);
	assert_int_equal(strlen(f.out.inst.server_uuid), 64);
	assert_string_equal(f.out.inst.executed_gtid_set, "");
	assert_true(f.out.has_read_errors);
	mem_arena_done(&f.arena);
}

static void
test_maxscale_version(void **state UNUSED)
{
	static const struct {
		const char *name, *value, *expect;
	} cases[] = {
	    {"MAXSCALE_VERSION", "2.5.1", "2.5.1-maxscale"},
	    {"maxscale_version", "", "0.0.0-maxscale"},
	    {"MAXSCALE_UPTIME", "3", ""},
	};
	const char *names[] = {"Variable_name", "Value"};
	struct mem_arena arena = {0};
	bool fatal;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *cells[] = {cases[i].name, cases[i].value};
		struct pr_rows r = {.answered = true, .n_cols = 2, .n_rows = 1, .names = names, .cells = cells};
		assert_string_equal(pr_collect_maxscale(&r, &arena, &fatal), cases[i].expect);
		assert_false(fatal);
	}
	assert_string_equal(pr_collect_maxscale(&(struct pr_rows){.answered = true, .err_no = 1064}, &arena, &fatal),
			    "");
	assert_false(fatal);
	assert_string_equal(pr_collect_maxscale(&(struct pr_rows){.answered = true, .err_no = 1045}, &arena, &fatal),
			    "");
	assert_true(fatal);
	mem_arena_done(&arena);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_golden),
	    cmocka_unit_test(test_every_field_was_seen),
	    cmocka_unit_test(test_overlong_texts),
	    cmocka_unit_test(test_maxscale_version),
	};

	if (argc < 2) {
		(void)fprintf(stderr, "usage: %s GOLDEN-DIRECTORY [--update]\n", argv[0]);
		return 2;
	}
	golden_dir = argv[1];
	update = argc > 2 && str_eq(argv[2], "--update");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
