/* rd_hook_values.c — see rd_hook_values.h. Called by rd_hook_text.c and rd_hooks.c; owns nothing. */
#include "rd_hook_values.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

enum kind { KIND_NAME, KIND_TEXT, KIND_FLAG, KIND_NUM };
enum known { KNOWN_ALWAYS, KNOWN_SUCCESSOR, KNOWN_FILLED };

static const struct line {
	enum kind kind;
	enum known known;
	size_t offset;
	const char *env, *placeholders;
} lines[] = {
#define RD_HOOK_VALUE(k, f, w, e, p)                   \
	{.kind = KIND_##k,                             \
	 .known = KNOWN_##w,                           \
	 .offset = offsetof(struct rd_hook_values, f), \
	 .env = (e),                                   \
	 .placeholders = (p)},
#include "rd_hook.def"
#undef RD_HOOK_VALUE
};

static const struct list {
	struct rd_hook_list_info info;
	size_t offset;
} lists[] = {
#define RD_HOOK_LIST(NAME, key, t, f, w)                                                         \
	{{.name = #key, .times = RD_HOOK_##t, .failure = RD_HOOK_##f, .tell = RD_HOOK_TELL_##w}, \
	 offsetof(struct conf, key)},
#include "rd_hook.def"
#undef RD_HOOK_LIST
};

const struct rd_hook_list_info *
rd_hook_list_info(enum rd_hook_list list)
{
	ASSERT(list < RD_HOOK_LIST_COUNT);
	return &lists[list].info;
}

const struct conf_strs *
rd_hook_list_entries(const struct conf *c, enum rd_hook_list list)
{
	ASSERT(list < RD_HOOK_LIST_COUNT);
	return (const void *)((const char *)c + lists[list].offset);
}

size_t
rd_hook_told_count(void)
{
	return ARRAY_LEN(lines);
}

static void
cut(struct str_buf *b)
{
	size_t n = RD_HOOK_VALUE_MAX;

	if (b->len <= n)
		return;
	while (n > 0 && b->p[n] != ',')
		n--;
	b->len = n > 0 ? n : RD_HOOK_VALUE_MAX;
	b->p[b->len] = '\0';
}

void
rd_hook_tell(const struct rd_hook_values *v, size_t i, struct rd_hook_told *ret)
{
	const struct line *l = &lines[i];
	const void *at = (const char *)v + l->offset;
	const char *text;
	struct str_buf b = {0};

	switch (l->kind) {
	case KIND_NAME:
	case KIND_TEXT:
		text = *(const char *const *)at;
		str_buf_add(&b, text == NULL ? "" : text);
		break;
	case KIND_FLAG:
		str_buf_add(&b, *(const bool *)at ? "true" : "false");
		break;
	case KIND_NUM:
		str_buf_printf(&b, "%lld", (long long)*(const int64_t *)at);
		break;
	}
	cut(&b);
	*ret = (struct rd_hook_told){.env = l->env,
				     .placeholders = l->placeholders,
				     .is_name = l->kind == KIND_NAME,
				     .known = l->known == KNOWN_ALWAYS ||
					      (l->known == KNOWN_SUCCESSOR && !str_empty(v->successor_host)) ||
					      (l->known == KNOWN_FILLED && b.len > 0)};
	ret->text = b.len > 0 ? str_buf_take(&b) : mem_strdup("");
	str_buf_done(&b);
}

static char *
assignment(const char *name, const char *value)
{
	struct str_buf b = {0};

	str_buf_printf(&b, "%s=", name);
	str_buf_add(&b, value);
	return str_buf_take(&b);
}

/* Not the names of RD_HOOK_TELL_TAKE: recovery.md section 18, last line. */
static bool
is_left_out(const struct line *l, enum rd_hook_tell tell)
{
	return tell == RD_HOOK_TELL_TAKE && l->offset != offsetof(struct rd_hook_values, failed_host) &&
	       l->offset != offsetof(struct rd_hook_values, successor_host);
}

char **
rd_hook_env(const struct rd_hook_values *v, enum rd_hook_tell tell, char *(*get)(const char *name))
{
	static const char *const kept[] = {"PATH", "HOME",   "USER", "LOGNAME", "SHELL",
					   "LANG", "LC_ALL", "TZ",   "TMPDIR"};
	char **env = mem_calloc(ARRAY_LEN(kept) + ARRAY_LEN(lines) + 1, sizeof(*env));
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
		const char *value = get(kept[i]);
		if (value == NULL && i == 0)
			value = DEFAULT_PATH;
		if (value != NULL)
			env[n++] = assignment(kept[i], value);
	}
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		struct rd_hook_told told;
		if (is_left_out(&lines[i], tell))
			continue;
		rd_hook_tell(v, i, &told);
		if (told.known)
			env[n++] = assignment(told.env, told.text);
		free(told.text);
	}
	return env;
}

void
rd_hook_env_free(char **env)
{
	for (char **p = env; p != NULL && *p != NULL; p++)
		free(*p);
	free(env);
}
