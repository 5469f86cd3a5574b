/* golden_topo.c — draws the clusters of tests/golden/topo/<name>.in and compares with <name>.out.
 *
 *   golden_topo DIR            compares every scenario, says what differs, exits 1
 *   golden_topo DIR --update   rewrites the .out files; review the diff
 *
 * An .in file has one instance a line as topo_make.h says, "#" comments, and lines "tags host:port text". In the
 * tabulated section each line ends in "$", so that padding is visible. */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "read_file.h"
#include "topo/key.h"
#include "topo/render.h"
#include "topo_make.h"

#define MANY 64

struct scenario {
	struct topo_instance *insts[MANY];
	size_t n;
	struct {
		char key[TOPO_KEY_TEXT_BYTES];
		char text[128];
	} tags[MANY];
	size_t n_tags;
};

static const struct topo_limits limits = {.poll_s = 5, .reasonable_lag_s = 10, .maintenance_lag_s = 20};

static void
fail(const char *what, const char *text)
{
	fprintf(stderr, "golden_topo: %s: %s\n", what, text);
	exit(2);
}

static void
read_line(void *arg, const char *line)
{
	struct scenario *s = arg;

	if (line[0] == '#')
		return;
	if (s->n >= MANY || s->n_tags >= MANY)
		fail("too many lines at", line);
	if (sscanf(line, "tags %255s %127s", s->tags[s->n_tags].key, s->tags[s->n_tags].text) == 2) {
		s->n_tags++;
		return;
	}
	s->insts[s->n] = topo_make(line);
	topo_derive(s->insts[s->n++], &limits, TOPO_MAKE_NOW, NULL);
}

static void
free_scenario(struct scenario *s)
{
	for (size_t i = 0; i < s->n; i++)
		topo_make_free(s->insts[i]);
}

static void
tags_of(void *ctx, const struct topo_key *key, struct str_buf *b)
{
	const struct scenario *s = ctx;

	for (size_t i = 0; i < s->n_tags; i++)
		if (str_eq(s->tags[i].key, TOPO_KEY_TEXT(key)))
			str_buf_add(b, s->tags[i].text);
}

static void
draw(struct scenario *s, struct str_buf *out)
{
	static const struct {
		enum topo_render_mode mode;
		const char *title, *line_end;
	} sections[] = {{TOPO_RENDER_TREE, "== tree\n", "\n"},
			{TOPO_RENDER_TABULATED, "== tabulated\n", "$\n"},
			{TOPO_RENDER_TAGS, "== tags\n", "\n"},
			{TOPO_RENDER_BARE, "== bare\n", "\n"}};

	for (size_t i = 0; i < ARRAY_LEN(sections); i++) {
		struct topo_render r = {sections[i].mode, limits, tags_of, s};
		struct str_buf text = {0};
		topo_render(&r, (const struct topo_instance *const *)s->insts, s->n, &text);
		str_buf_add(out, sections[i].title);
		for (const char *p = str_buf_text(&text); *p != '\0'; p += *p != '\0') {
			size_t n = strcspn(p, "\n");
			str_buf_add_n(out, p, n);
			str_buf_add(out, sections[i].line_end);
			p += n;
		}
		str_buf_done(&text);
	}
}

static void
write_file(const char *path, const struct str_buf *b)
{
	FILE *f = fopen(path, "w");

	if (f == NULL || fwrite(b->p, 1, b->len, f) != b->len || fclose(f) != 0)
		fail("cannot write", path);
}

/* True when the scenario draws as expected, or was updated. */
static bool
run(const char *in_path, bool update)
{
	struct scenario s = {0};
	struct str_buf got = {0};
	char out_path[4096], *in = read_file(in_path), *want;
	bool same;

	(void)snprintf(out_path, sizeof(out_path), "%.*s.out", (int)strlen(in_path) - 3, in_path);
	if (in == NULL)
		fail("cannot read", in_path);
	str_split(in, "\n", read_line, &s);
	draw(&s, &got);
	want = read_file(out_path);
	same = str_eq(want, str_buf_text(&got));
	if (update && !same)
		write_file(out_path, &got);
	else if (!same)
		printf("%s differs\n--- expected\n%s--- drawn\n%s", out_path, want == NULL ? "" : want,
		       str_buf_text(&got));
	free_scenario(&s);
	free(in);
	free(want);
	str_buf_done(&got);
	return same || update;
}

int
main(int argc, char **argv)
{
	bool update = argc == 3 && strcmp(argv[2], "--update") == 0;
	char pattern[4096];
	glob_t found;
	size_t good = 0;

	if (argc != 2 && !update)
		fail("usage", "golden_topo DIR [--update]");
	(void)snprintf(pattern, sizeof(pattern), "%s/*.in", argv[1]);
	if (glob(pattern, 0, NULL, &found) != 0 || found.gl_pathc == 0)
		fail("no scenarios in", argv[1]);
	for (size_t i = 0; i < found.gl_pathc; i++)
		good += run(found.gl_pathv[i], update);
	printf("%zu of %zu scenarios as expected\n", good, found.gl_pathc);
	update = good == found.gl_pathc;
	globfree(&found);
	return update ? 0 : 1;
}
