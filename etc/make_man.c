/* make_man.c — writes manual pages that list a table: copies a page to stdout and replaces its line .\" KEYS by the list
 * of conf_keys.def, .\" REMOVED by the keys that are accepted and ignored, .\" HOOKS by the placeholders of rd_hook.def,
 * .\" METRICS and .\" GONE by those of ipc/metrics.def. Run by the build. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "ipc/metrics.h"

#define LINE_MAX_BYTES 78

/* Prints one word, with what roff would read as a request or an escape protected. */
static void
put_word(const char *word, size_t n, bool line_start)
{
	if (line_start && (word[0] == '.' || word[0] == '\''))
		(void)fputs("\\&", stdout);
	for (size_t i = 0; i < n; i++) {
		if (word[i] == '\\')
			(void)fputs("\\e", stdout);
		else
			(void)putchar(word[i]);
	}
}

/* Lines of at most LINE_MAX_BYTES; a new sentence begins a new line, as mdoc wants it. */
static void
put_text(const char *s)
{
	size_t column = 0;

	while (*s != '\0') {
		size_t n = strcspn(s, " ");
		bool sentence_ends = s[n - 1] == '.';
		if (column > 0 && column + 1 + n > LINE_MAX_BYTES) {
			(void)putchar('\n');
			column = 0;
		}
		if (column > 0)
			(void)putchar(' ');
		put_word(s, n, column == 0);
		column += n + (column > 0);
		s += n + strspn(s + n, " ");
		if (sentence_ends && *s != '\0') {
			(void)putchar('\n');
			column = 0;
		}
	}
}

static const char *
kind_text(enum conf_kind kind)
{
	static const char *const texts[] = {
	    [CONF_BOOL] = "Boolean",
	    [CONF_INT] = "Integer",
	    [CONF_UINT] = "Integer",
	    [CONF_REAL] = "Number",
	    [CONF_STR] = "String",
	    [CONF_LIST] = "List of strings",
	    [CONF_MAP] = "Object of strings",
	    [CONF_UMAP] = "Object of integers",
	};

	return texts[kind];
}

static void
put_default(const struct conf_key *k)
{
	switch (k->kind) {
	case CONF_BOOL:
		(void)printf(", default %s", k->default_bool ? "true" : "false");
		return;
	case CONF_INT:
	case CONF_UINT:
		(void)printf(", default %lld", (long long)k->default_int);
		break;
	case CONF_REAL:
		(void)printf(", default %g", k->default_real);
		break;
	case CONF_STR:
	case CONF_LIST:
	case CONF_MAP:
	case CONF_UMAP:
		if (k->default_str[0] == '\0')
			(void)printf(", default empty");
		else
			(void)printf(", default \\(dq%s\\(dq", k->default_str);
		return;
	}
	if (k->unit != NULL)
		(void)printf(" %s", k->unit);
}

/* Limits of times are far beyond any use and left out. */
static void
put_range(const struct conf_key *k)
{
	static const char *const times[] = {"ms", "s", "min", "h", "d"};
	bool is_time = false;

	if (k->kind != CONF_INT && k->kind != CONF_UINT)
		return;
	for (size_t i = 0; i < ARRAY_LEN(times) && k->unit != NULL; i++)
		is_time = is_time || (strcmp(k->unit, times[i]) == 0 && k->max > 1000000);
	if (!is_time)
		(void)printf(", %lld to %lld", (long long)k->min, (long long)k->max);
	else if (k->min > 0)
		(void)printf(", at least %lld", (long long)k->min);
}

static void
put_choices(const char *choices)
{
	if (choices == NULL)
		return;
	(void)printf("One of");
	for (size_t n; *choices != '\0'; choices += n + (choices[n] == '|')) {
		n = strcspn(choices, "|");
		(void)printf(" %.*s%s", (int)n, choices, choices[n] == '|' ? "," : ".\n");
	}
}

static void
put_key(const char *name)
{
	static const char *const reload[] = {
	    [CONF_RELOAD_L] = "",
	    [CONF_RELOAD_S] = "A change needs a restart.\n",
	    [CONF_RELOAD_M] = "Part of a change needs a restart.\n",
	    [CONF_RELOAD_N] = "Accepted, without effect.\n",
	};
	const struct conf_key *k = conf_key_find(name);

	(void)printf(".It Ic %s\n", name);
	put_text(k->doc);
	(void)printf("\n");
	put_choices(k->choices);
	(void)printf("%s", kind_text(k->kind));
	put_default(k);
	put_range(k);
	(void)printf(".\n%s", reload[k->reload]);
	if (k->flags & CONF_NEW)
		(void)printf("New in this version.\n");
}

static void
put_group(const char *title)
{
	static bool open;

	(void)printf("%s.Ss %s\n.Bl -tag -width Ds\n", open ? ".El\n" : "", title);
	open = true;
}

static void
put_keys(void)
{
#define CONF_GROUP(title) put_group(title);
#define CONF_KEY(kind, name, ...) put_key(#name);
#define CONF_REMOVED(name)
#include "conf/conf_keys.def"
#undef CONF_REMOVED
#undef CONF_KEY
#undef CONF_GROUP
	(void)printf(".El\n");
}

static void
put_removed(void)
{
	static const char *const names[] = {
#define CONF_GROUP(title)
#define CONF_KEY(...)
#define CONF_REMOVED(name) #name,
#include "conf/conf_keys.def"
#undef CONF_REMOVED
#undef CONF_KEY
#undef CONF_GROUP
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		(void)printf(".Ic %s%s\n", names[i], i + 1 < ARRAY_LEN(names) ? " ," : " .");
}

/* "{countReplicas} {countSlaves}", "ORC_COUNT_REPLICAS" */
static void
put_placeholders(const char *placeholders, const char *variable)
{
	(void)printf(".It Ev %s\n", variable);
	for (size_t n; *placeholders != '\0'; placeholders += n + strspn(placeholders + n, " ")) {
		n = strcspn(placeholders, " ");
		(void)printf(".Li %.*s\n", (int)n, placeholders);
	}
}

static void
put_hook_values(void)
{
	(void)printf(".Bl -tag -width Ds -compact\n");
#define RD_HOOK_VALUE(kind, field, known, variable, placeholders) put_placeholders(placeholders, variable);
#include "rd_hook.def"
#undef RD_HOOK_VALUE
	(void)printf(".El\n");
}

static void
put_metric(const struct ipc_metric_info *m)
{
	struct str_buf open = {0};

	ipc_metrics_put_open_name(m, &open);
	(void)printf(".It Va %s%s\n", str_buf_text(&open), m->counter ? "_total" : "");
	put_text(m->help);
	(void)printf(".\n(%s, %s)\n", m->name, m->counter ? "counter" : "gauge");
	str_buf_done(&open);
}

static void
put_metrics(void)
{
	(void)printf(".Bl -tag -width Ds\n");
	for (size_t i = 0; i < ipc_metrics_count(); i++)
		put_metric(ipc_metrics_at(i));
	(void)printf(".El\n");
}

static void
put_gone_metric(const char *name, const char *why)
{
	(void)printf(".It Va %s\n", name);
	put_text(why);
	(void)printf(".\n");
}

static void
put_gone_metrics(void)
{
	(void)printf(".Bl -tag -width Ds\n");
#define METRIC_GONE(name, why) put_gone_metric(name, why);
#include "ipc/metrics.def"
	(void)printf(".El\n");
}

static const struct {
	const char *line;
	void (*put)(void);
} lists[] = {
    {".\\\" KEYS\n", put_keys},	      {".\\\" REMOVED\n", put_removed},	  {".\\\" HOOKS\n", put_hook_values},
    {".\\\" METRICS\n", put_metrics}, {".\\\" GONE\n", put_gone_metrics},
};

static void
put_line(const char *line)
{
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		if (strcmp(line, lists[i].line) == 0) {
			lists[i].put();
			return;
		}
	}
	(void)fputs(line, stdout);
}

int
main(int argc, char **argv)
{
	FILE *in = argc == 2 ? fopen(argv[1], "r") : NULL;
	char line[512];

	if (in == NULL) {
		(void)fprintf(stderr, "usage: make_man PAGE.in\n");
		return 1;
	}
	while (fgets(line, sizeof(line), in) != NULL)
		put_line(line);
	(void)fclose(in);
	return fflush(stdout) == 0 ? 0 : 1;
}
