/* conf_locate.c — where the keys of a JSON object stand in its text: jansson tells that of syntax errors only. The text
 * has been parsed before, so nothing is checked here. Pure; called by conf_load.c for messages. */
#include <string.h>
#include <strings.h>

#include "conf_private.h"

struct scan {
	const char *text;
	size_t len;
	size_t at; /* where the next token is looked for */
	size_t line_start;
	unsigned line;
	int depth;
};

/* Past the closing quote of the string that opens at i. */
static size_t
skip_string(const struct scan *s, size_t i)
{
	for (i++; i < s->len && s->text[i] != '"'; i++)
		i += s->text[i] == '\\';
	return min_size(i + 1, s->len);
}

static bool
colon_follows(const struct scan *s)
{
	size_t i = s->at;

	while (i < s->len && strchr(" \t\r\n", s->text[i]) != NULL)
		i++;
	return i < s->len && s->text[i] == ':';
}

/* The next top-level key, without its quotes; false after the closing brace. */
static bool
next_key(struct scan *s, const char **ret_key, size_t *ret_n, struct conf_place *ret_place)
{
	while (s->at < s->len) {
		size_t i = s->at++;
		char c = s->text[i];
		if (c == '\n') {
			s->line++;
			s->line_start = s->at;
		} else if (c == '{' || c == '[') {
			s->depth++;
		} else if (c == '}' || c == ']') {
			if (--s->depth == 0)
				return false;
		} else if (c == '"') {
			s->at = skip_string(s, i);
			if (s->depth != 1 || !colon_follows(s))
				continue;
			*ret_key = s->text + i + 1;
			*ret_n = s->at - i - 2;
			ret_place->line = s->line;
			ret_place->column = (unsigned)(i - s->line_start + 1);
			return true;
		}
	}
	return false;
}

static bool
same_key(const char *key, size_t n, const char *name)
{
	return strlen(name) == n && strncasecmp(key, name, n) == 0;
}

void
conf_locate_keys(const char *text, size_t len, struct conf_places *ret_places)
{
	struct scan s = {.text = text, .len = len, .line = 1};
	struct conf_place place = {0};
	const char *key;
	size_t n;

	memset(ret_places, 0, sizeof(*ret_places));
	while (next_key(&s, &key, &n, &place)) {
		for (size_t i = 0; i < CONF_KEYS; i++) {
			if (!same_key(key, n, conf_key_at(i)->name))
				continue;
			ret_places->at[i] = place;
			ret_places->times[i]++;
			break;
		}
	}
}

struct conf_place
conf_locate_key(const char *text, size_t len, const char *name)
{
	struct scan s = {.text = text, .len = len, .line = 1};
	struct conf_place place = {0}, found = {0};
	const char *key;
	size_t n;

	while (found.line == 0 && next_key(&s, &key, &n, &place)) {
		if (same_key(key, n, name))
			found = place;
	}
	return found;
}
