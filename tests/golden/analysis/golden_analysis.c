/* golden_analysis.c — analyses the cases of tests/golden/analysis/<family>.txt and compares with the lines "=> …" there.
 *
 *   golden_analysis DIR            compares every case, says what differs, exits 1
 *   golden_analysis DIR --update   rewrites the "=>" lines; review the diff
 *
 * A case: a comment that says what it shows, then one server a line as topo_make.h says ("up", "down", "replicating",
 * "failing" …), and lines that begin with
 *   rules   enforce-exact, recover-non-writable, no-reduce, no-problem (shows them), hide-downtimed, cluster=, key=, ignore=
 *   also    host:port, then downtime=SECONDS from now, maintenance, resolved=NAME, stale=FILE:POS@SECONDS ago
 * Limits are poll 5 s, check 1 s, lag 10 s, locked 10 s. An answer: server, type, counts (n replicas, v valid, r
 * replicating, f failing to connect), codes and what downtime hides. All codes and warnings must occur. */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "topo/analysis.h"
#include "topo/key.h"
#include "topo_make.h"

#define MANY 48

struct scenario {
	struct topo_instance *insts[MANY];
	struct topo_analysed servers[MANY];
	size_t n;
	struct topo_analysis_rules rules;
	struct topo_key key;
	char texts[MANY][128]; /* what rules and servers borrow */
	size_t n_texts;
};

static bool code_seen[TOPO_CODE_COUNT], structure_seen[TOPO_STRUCTURE_COUNT];

static void
fail(const char *what, const char *text)
{
	fprintf(stderr, "golden_analysis: %s: %s\n", what, text);
	exit(2);
}

/* --- reading a case -------------------------------------------------------------------------------------------- */
static const char *
keep(struct scenario *s, const char *text)
{
	if (s->n_texts == MANY || !str_copy(s->texts[s->n_texts], sizeof(s->texts[0]), text))
		fail("too many or too long texts at", text);
	return s->texts[s->n_texts++];
}

static bool
is_ignored(void *ctx, const char *hostname)
{
	return str_eq(ctx, hostname);
}

static void
set_rule(void *arg, const char *word)
{
	struct scenario *s = arg;
	struct topo_analysis_rules *r = &s->rules;
	struct err e;

	if (str_eq(word, "rules"))
		return;
	if (str_eq(word, "enforce-exact"))
		r->enforce_exact_semi_sync = true;
	else if (str_eq(word, "recover-non-writable"))
		r->recover_non_writable = true;
	else if (str_eq(word, "no-reduce"))
		r->reduce = false;
	else if (str_eq(word, "no-problem"))
		r->include_no_problem = true;
	else if (str_eq(word, "hide-downtimed"))
		r->include_downtimed = false;
	else if (str_starts(word, "cluster="))
		r->cluster = keep(s, word + strlen("cluster="));
	else if (str_starts(word, "ignore=")) {
		r->is_ignored = is_ignored;
		r->ctx = s->texts[s->n_texts];
		(void)keep(s, word + strlen("ignore="));
	} else if (str_starts(word, "key=") && topo_key_parse(word + strlen("key="), 3306, &s->key, &e) == 0)
		r->key = &s->key;
	else
		fail("no such rule", word);
}

static void
set_stale(struct scenario *s, struct topo_analysed *a, const char *value)
{
	char file[64];
	long long pos, age_s;

	if (sscanf(value, "%63[^:]:%lld@%lld", file, &pos, &age_s) != 3)
		fail("stale=FILE:POS@SECONDS", value);
	a->stale = (struct topo_coord){.log_file = keep(s, file), .log_pos = pos};
	a->stale_since_us = TOPO_MAKE_NOW.us - age_s * CLK_S;
}

static void
set_also(void *arg, const char *word)
{
	struct scenario *s = arg;
	static struct topo_analysed *a;

	if (str_eq(word, "also")) {
		a = NULL;
		return;
	}
	for (size_t i = 0; a == NULL && i < s->n; i++) {
		if (str_eq(word, TOPO_KEY_TEXT(&s->insts[i]->key))) {
			a = &s->servers[i];
			return;
		}
	}
	if (a == NULL)
		fail("no such server", word);
	if (str_starts(word, "downtime="))
		a->downtime_end_us = TOPO_MAKE_NOW.us + atoll(word + strlen("downtime=")) * CLK_S;
	else if (str_eq(word, "maintenance"))
		a->in_maintenance = true;
	else if (str_starts(word, "resolved="))
		a->resolved = keep(s, word + strlen("resolved="));
	else if (str_starts(word, "stale="))
		set_stale(s, a, word + strlen("stale="));
	else
		fail("no such word", word);
}

static void
begin_case(struct scenario *s)
{
	*s = (struct scenario){.rules = {.now = TOPO_MAKE_NOW,
					 .poll_s = 5,
					 .reasonable_check_s = 1,
					 .reasonable_lag_s = 10,
					 .reasonable_locked_s = 10,
					 .reduce = true,
					 .include_downtimed = true}};
}

static void
end_case(struct scenario *s)
{
	for (size_t i = 0; i < s->n; i++)
		topo_make_free(s->insts[i]);
	topo_key_done(&s->key);
}

static void
read_line(struct scenario *s, const char *line)
{
	if (str_starts(line, "rules "))
		str_split(line, " ", set_rule, s);
	else if (str_starts(line, "also "))
		str_split(line, " ", set_also, s);
	else if (s->n == MANY)
		fail("too many servers at", line);
	else {
		s->insts[s->n] = topo_make(line);
		s->servers[s->n].inst = s->insts[s->n];
		s->n++;
	}
}

/* --- answers --------------------------------------------------------------------------------------------------- */
static void
note_seen(const struct topo_analysis *a)
{
	code_seen[a->code] = true;
	for (size_t i = 0; i < TOPO_STRUCTURE_COUNT; i++) {
		for (size_t k = 0; k < a->structure.n; k++)
			structure_seen[i] |= str_eq(a->structure.v[k].s, topo_structure_name((enum topo_structure)i));
	}
}

static void
add_answer(const struct topo_analysis *a, struct str_buf *out)
{
	struct str_buf codes = {0};

	note_seen(a);
	topo_analysis_text(a, &codes);
	str_buf_printf(out, "=> %s %s n%llu v%llu r%llu f%llu: %s", TOPO_KEY_TEXT(&a->key), topo_analysed_type(a),
		       (unsigned long long)a->n_replicas, (unsigned long long)a->n_valid,
		       (unsigned long long)a->n_replicating, (unsigned long long)a->n_failing,
		       codes.len == 0 ? a->analysis : str_buf_text(&codes));
	if (a->is_skippable)
		str_buf_printf(out, "; skippable:%s%s", a->is_downtimed ? " downtimed" : "",
			       a->is_replicas_downtimed ? " replicas-downtimed" : "");
	if (a->downtime_end_text[0] != '\0')
		str_buf_printf(out, "; until %s, %lld s", a->downtime_end_text, (long long)a->downtime_remaining_s);
	str_buf_add_char(out, '\n');
	str_buf_done(&codes);
}

/* Copies that keep only what analysis needs must give the same. */
static void
check_kept(struct scenario *s, const struct topo_analysis_list *want, struct mem_arena *arena)
{
	struct topo_analysis_list got;

	for (size_t i = 0; i < s->n; i++)
		s->servers[i].inst = topo_analysis_keep(s->insts[i], arena);
	topo_analyse(s->servers, s->n, &s->rules, arena, &got);
	if (got.n != want->n)
		fail("topo_analysis_keep loses", "servers");
	for (size_t i = 0; i < got.n; i++) {
		if (!rec_equal(&topo_analysis_desc, &got.v[i], &want->v[i]))
			fail("topo_analysis_keep loses something of", TOPO_KEY_TEXT(&want->v[i].key));
	}
}

static void
answer(struct scenario *s, struct str_buf *out)
{
	struct mem_arena arena = {0};
	struct topo_analysis_list l;

	if (s->n == 0)
		return;
	topo_analyse(s->servers, s->n, &s->rules, &arena, &l);
	for (size_t i = 0; i < l.n; i++)
		add_answer(&l.v[i], out);
	if (l.n == 0)
		str_buf_add(out, "=> nothing\n");
	check_kept(s, &l, &arena);
	mem_arena_done(&arena);
}

/* --- files ----------------------------------------------------------------------------------------------------- */
static void
read_file(const char *path, struct str_buf *b)
{
	char chunk[4096];
	FILE *f = fopen(path, "r");

	if (f == NULL)
		fail("cannot read", path);
	for (size_t n; (n = fread(chunk, 1, sizeof(chunk), f)) > 0;)
		str_buf_add_n(b, chunk, n);
	(void)fclose(f);
}

/* The file again, with the answers as they are now. An empty line ends a case. */
static void
redo(const char *text, struct str_buf *out)
{
	struct scenario s;

	begin_case(&s);
	for (const char *p = text; *p != '\0';) {
		size_t n = strcspn(p, "\n");
		char *line = mem_strndup(p, n);
		if (line[0] == '\0') {
			answer(&s, out);
			end_case(&s);
			begin_case(&s);
		} else if (line[0] != '#' && !str_starts(line, "=>")) {
			read_line(&s, line);
		}
		if (!str_starts(line, "=>"))
			str_buf_printf(out, "%s\n", line);
		free(line);
		p += n + (p[n] == '\n');
	}
	answer(&s, out);
	end_case(&s);
}

static void
say_difference(const char *path, const char *want, const char *got)
{
	int line = 1;

	while (*want != '\0' && *want == *got) {
		line += *want == '\n';
		want++;
		got++;
	}
	printf("%s:%d: expected …%.*s, is …%.*s\n", path, line, (int)strcspn(want, "\n"), want, (int)strcspn(got, "\n"),
	       got);
}

static bool
run(const char *path, bool update)
{
	struct str_buf want = {0}, got = {0};
	bool same;
	FILE *f;

	read_file(path, &want);
	redo(str_buf_text(&want), &got);
	same = str_eq(str_buf_text(&want), str_buf_text(&got));
	if (!same && update) {
		f = fopen(path, "w");
		if (f == NULL || fwrite(got.p, 1, got.len, f) != got.len || fclose(f) != 0)
			fail("cannot write", path);
	} else if (!same) {
		say_difference(path, str_buf_text(&want), str_buf_text(&got));
	}
	str_buf_done(&want);
	str_buf_done(&got);
	return same || update;
}

static size_t
count_missing(void)
{
	size_t missing = 0;

	for (size_t c = 0; c < TOPO_CODE_COUNT; c++) {
		if (!code_seen[c])
			printf("no case shows %s\n", topo_code_name((enum topo_code)c));
		missing += !code_seen[c];
	}
	for (size_t w = 0; w < TOPO_STRUCTURE_COUNT; w++) {
		if (!structure_seen[w])
			printf("no case shows %s\n", topo_structure_name((enum topo_structure)w));
		missing += !structure_seen[w];
	}
	return missing;
}

int
main(int argc, char **argv)
{
	bool update = argc == 3 && str_eq(argv[2], "--update");
	char pattern[4096];
	glob_t found;
	size_t good = 0, n;

	if (argc != 2 && !update)
		fail("usage", "golden_analysis DIR [--update]");
	(void)snprintf(pattern, sizeof(pattern), "%s/*.txt", argv[1]);
	if (glob(pattern, 0, NULL, &found) != 0 || found.gl_pathc == 0)
		fail("no cases in", argv[1]);
	for (size_t i = 0; i < found.gl_pathc; i++)
		good += run(found.gl_pathv[i], update);
	n = found.gl_pathc;
	globfree(&found);
	printf("%zu of %zu files as expected\n", good, n);
	return count_missing() == 0 && good == n ? 0 : 1;
}
