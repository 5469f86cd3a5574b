/* args.c — Go's flag syntax over proc/flags.def. Pure; called by the supervisor's main and apid's command line. */
#include "proc/args.h"

#include <string.h>

struct flag {
	const char *name;
	bool is_bool;
	size_t offset; /* in struct args */
	const char *doc;
	const char *default_text;
	bool default_bool;
};

#define IS_BOOL_STR false
#define IS_BOOL_BOOL true
#define DEFAULTS_STR(def) .default_text = (def)
#define DEFAULTS_BOOL(def) .default_bool = (def)

static const struct flag flags[] = {
#define ARG_FLAG(kind, member, name_, def, doc_)  \
	{.name = (name_),                         \
	 .is_bool = IS_BOOL_##kind,               \
	 .offset = offsetof(struct args, member), \
	 .doc = (doc_),                           \
	 DEFAULTS_##kind(def)},
#include "proc/flags.def"
#undef ARG_FLAG
};

static const struct flag *
flag_find(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		if (strlen(flags[i].name) == len && memcmp(flags[i].name, name, len) == 0)
			return &flags[i];
	}
	return NULL;
}

static void
set_text(struct args *a, const struct flag *f, const char *v)
{
	*(const char **)((char *)a + f->offset) = v;
}

static void
set_bool(struct args *a, const struct flag *f, bool v)
{
	*(bool *)((char *)a + f->offset) = v;
}

static void
set_defaults(struct args *a)
{
	memset(a, 0, sizeof(*a));
	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		if (flags[i].is_bool)
			set_bool(a, &flags[i], flags[i].default_bool);
		else
			set_text(a, &flags[i], flags[i].default_text);
	}
}

/* strconv.ParseBool */
static bool
parse_bool(const char *v, bool *ret)
{
	static const char *const yes[] = {"1", "t", "T", "true", "TRUE", "True"};
	static const char *const no[] = {"0", "f", "F", "false", "FALSE", "False"};

	for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
		if (str_eq(v, yes[i]) || str_eq(v, no[i])) {
			*ret = str_eq(v, yes[i]);
			return true;
		}
	}
	return false;
}

static int
take_bool(struct args *a, const struct flag *f, const char *value, struct err *e)
{
	bool v = true;

	if (value != NULL && !parse_bool(value, &v))
		return err_set(e, ERR_SYNTAX, "flag -%s: \"%.64s\" is neither true nor false", f->name, value);
	set_bool(a, f, v);
	return 0;
}

/* One flag at line[*at]; moves *at behind it and its value. */
static int
take_flag(struct args *a, const struct rec_text_list *line, size_t *at, struct err *e)
{
	const char *name = line->v[*at].s + (line->v[*at].s[1] == '-' ? 2 : 1);
	const char *value = strchr(name, '=');
	size_t len = value == NULL ? strlen(name) : (size_t)(value - name);
	const struct flag *f = flag_find(name, len);

	(*at)++;
	if (len == 0 || name[0] == '-')
		return err_set(e, ERR_SYNTAX, "bad flag syntax: %.64s", line->v[*at - 1].s);
	if (f == NULL && (str_eq(name, "h") || str_eq(name, "help")))
		return err_set(e, ERR_NOT_FOUND, "help requested");
	if (f == NULL)
		return err_set(e, ERR_SYNTAX, "no such flag: -%.*s", (int)min_size(len, 64), name);
	if (value != NULL)
		value++;
	if (f->is_bool)
		return take_bool(a, f, value, e);
	if (value == NULL && *at == line->n)
		return err_set(e, ERR_SYNTAX, "flag -%s needs a value", f->name);
	set_text(a, f, value != NULL ? value : line->v[(*at)++].s);
	return 0;
}

/* What historically was fatal for every command. */
static int
check_values(struct args *a, struct err *e)
{
	static const char *const rules[] = {"prefer", "neutral", "prefer_not", "must_not"};
	bool known = false;

	if (!str_empty(a->s) && !str_empty(a->d))
		return err_set(e, ERR_INVALID, "-s and -d are synonyms, give only one of them");
	if (str_empty(a->d))
		a->d = a->s;
	for (size_t i = 0; i < ARRAY_LEN(rules); i++)
		known = known || str_eq(a->promotion_rule, rules[i]);
	if (!known)
		return err_set(e, ERR_INVALID, "-promotion-rule is one of prefer, neutral, prefer_not, must_not");
	return 0;
}

int
args_parse(const struct rec_text_list *line, struct args *ret, struct err *e)
{
	struct args a;
	size_t at = 0;

	set_defaults(&a);
	while (at < line->n && line->v[at].s[0] == '-' && line->v[at].s[1] != '\0') {
		if (str_eq(line->v[at].s, "--")) {
			at++;
			break;
		}
		int rc = take_flag(&a, line, &at, e);
		if (rc != 0)
			return rc;
	}
	a.words = (struct rec_text_list){.v = line->v + at, .n = line->n - at};
	int rc = check_values(&a, e);
	if (rc == 0)
		*ret = a;
	return rc;
}

void
args_flag_help(struct str_buf *out)
{
	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		const struct flag *f = &flags[i];
		str_buf_printf(out, "  -%s%s\n\t%s", f->name, f->is_bool ? "" : " string", f->doc);
		if (f->is_bool ? f->default_bool : f->default_text[0] != '\0')
			str_buf_printf(out, " (default %s)", f->is_bool ? "true" : f->default_text);
		str_buf_add_char(out, '\n');
	}
}
