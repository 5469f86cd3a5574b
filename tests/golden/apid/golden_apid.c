/* golden_apid.c — asks apid the requests of tests/golden/apid/<area>.txt and compares its answers, byte for byte.
 *
 *   golden_apid DIR            compares, says what differs, exits 1
 *   golden_apid DIR --update   rewrites the answers; review the diff
 *
 * A file has comments ("# …"), and requests ("GET /api/…"), each followed by its answer: status and body, the body with
 * a line break before every key, an empty line after it. The backend is filled from backend.sql, the configuration is
 * config.json; it is 2026-01-05 10:00:00 UTC, and raftd says that this node leads. */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_node.h"
#include "read_file.h"

static void
fail(const char *what, const char *text)
{
	fprintf(stderr, "golden_apid: %s: %s\n", what, text);
	exit(2);
}

static char *
read_text(const char *dir, const char *name)
{
	char path[4096], *text;

	(void)snprintf(path, sizeof(path), "%s%s%s", dir, dir[0] == '\0' ? "" : "/", name);
	text = read_file(path);
	if (text == NULL)
		fail("cannot read", path);
	return text;
}

/* One line per member. Reversible: JSON text holds no line breaks. */
static void
add_body(struct str_buf *out, const char *body)
{
	for (const char *p = body; *p != '\0'; p++) {
		str_buf_add_char(out, *p);
		if (*p == ',' && (p[1] == '"' || p[1] == '{'))
			str_buf_add_char(out, '\n');
	}
}

static void
add_answer(struct fake_node *node, const char *request, struct str_buf *out)
{
	struct fake_answer a = fake_request(node, request);

	str_buf_printf(out, "%s\n%d\n", request, a.status);
	add_body(out, a.body);
	str_buf_add(out, "\n\n");
	fake_answer_done(&a);
}

/* The file as it should be: its comments and requests, with fresh answers. */
static void
answer_all(struct fake_node *node, const char *file, struct str_buf *out)
{
	bool comments = false;

	for (const char *p = file; *p != '\0';) {
		size_t n = strcspn(p, "\n");
		char *line = mem_strndup(p, n);
		if (str_starts(line, "# ")) {
			str_buf_printf(out, "%s\n", line);
			comments = true;
		} else if (comments && n == 0) {
			str_buf_add_char(out, '\n');
			comments = false;
		} else if (str_starts(line, "GET /") || str_starts(line, "POST /")) {
			add_answer(node, line, out);
			comments = false;
		}
		free(line);
		p += n;
		p += *p == '\n';
	}
}

static void
show_difference(const char *path, const char *want, const char *got)
{
	size_t line = 1;

	while (*want != '\0' && *want == *got) {
		line += *want == '\n';
		want++;
		got++;
	}
	while (want[-1] != '\n') {
		want--;
		got--;
	}
	printf("%s:%zu:\n- %.*s\n+ %.*s\n", path, line, (int)strcspn(want, "\n"), want, (int)strcspn(got, "\n"), got);
}

static bool
run(struct fake_node *node, const char *path, bool update)
{
	char *want = read_text("", path);
	struct str_buf got = {0};
	bool same;
	FILE *f;

	answer_all(node, want, &got);
	same = strcmp(want, str_buf_text(&got)) == 0;
	if (update && !same) {
		f = fopen(path, "w");
		if (f == NULL || fwrite(got.p, 1, got.len, f) != got.len || fclose(f) != 0)
			fail("cannot write", path);
	} else if (!same) {
		show_difference(path, want, str_buf_text(&got));
	}
	free(want);
	str_buf_done(&got);
	return same || update;
}

static void
start(struct fake_node *node, const char *dir)
{
	char *config = read_text(dir, "config.json"), *sql = read_text(dir, "backend.sql");

	fake_node_start(node, config);
	fake_sql(node, sql);
	fake_raftd_publish(node, true, true);
	free(config);
	free(sql);
}

int
main(int argc, char **argv)
{
	bool update = argc == 3 && strcmp(argv[2], "--update") == 0;
	static struct fake_node node;
	char pattern[4096];
	glob_t found;
	size_t good = 0;

	if (argc != 2 && !update)
		fail("usage", "golden_apid DIR [--update]");
	(void)snprintf(pattern, sizeof(pattern), "%s/*.txt", argv[1]);
	if (glob(pattern, 0, NULL, &found) != 0 || found.gl_pathc == 0)
		fail("no requests in", argv[1]);
	start(&node, argv[1]);
	for (size_t i = 0; i < found.gl_pathc; i++)
		good += run(&node, found.gl_pathv[i], update);
	fake_node_stop(&node);
	printf("%zu of %zu files as expected\n", good, found.gl_pathc);
	update = good == found.gl_pathc;
	globfree(&found);
	return update ? 0 : 1;
}
