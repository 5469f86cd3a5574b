/* conf_hook.c — see conf_hook.h. Used by conf_check.c and by raftd. Pure. */
#include "conf/conf_hook.h"

#include <ctype.h>
#include <string.h>

#include "base/log.h"
#include "base/str.h"

#define OPTION_BYTES 64

static const char *
skip_blanks(const char *s)
{
	while (isspace((unsigned char)*s))
		s++;
	return s;
}

/* "{name=value}" at s; its length with the braces, 0 if that isn't an option. */
static size_t
option_at(const char *s)
{
	size_t name, n;

	if (s[0] != '{')
		return 0;
	name = 1 + strspn(s + 1, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
	if (name == 1 || s[name] != '=')
		return 0;
	n = strcspn(s, "}");
	return s[n] == '}' ? n + 1 : 0;
}

static int
set_failure(struct conf_hook *h, const char *value, struct err *e)
{
	if (str_eq_nocase(value, "stop"))
		h->on_failure = CONF_HOOK_FAILURE_STOP;
	else if (str_eq_nocase(value, "continue"))
		h->on_failure = CONF_HOOK_FAILURE_CONTINUE;
	else
		return err_set(e, ERR_INVALID, "onFailure=%s: choose stop or continue", LOG_Q(value));
	return 0;
}

static int
set_timeout(struct conf_hook *h, const char *value, struct err *e)
{
	struct err why;

	if (str_parse_duration_s(value, &h->timeout_s, &why) != 0)
		return err_set(e, ERR_INVALID, "timeout=%s: a number and one of s, m, h, d: 30s", LOG_Q(value));
	if (h->timeout_s < 0 || h->timeout_s > CONF_HOOK_TIMEOUT_MAX_S)
		return err_set(e, ERR_INVALID, "timeout=%s: at most 7d; 0s for no limit", LOG_Q(value));
	return 0;
}

static int
set_option(struct conf_hook *h, const char *s, size_t n, struct err *e)
{
	char option[OPTION_BYTES], *value;

	if (n - 2 >= sizeof(option))
		return err_set(e, ERR_INVALID, "option %.32s... is too long", s);
	memcpy(option, s + 1, n - 2);
	option[n - 2] = '\0';
	value = strchr(option, '=');
	ASSERT(value != NULL); /* option_at */
	*value++ = '\0';
	if (str_eq_nocase(option, "onFailure"))
		return set_failure(h, value, e);
	if (str_eq_nocase(option, "timeout"))
		return set_timeout(h, value, e);
	return err_set(e, ERR_INVALID, "unknown option %s; there are {onFailure=...} and {timeout=...}", LOG_Q(option));
}

int
conf_hook_parse(const char *entry, struct conf_hook *ret_hook, struct err *e)
{
	struct conf_hook h = {.timeout_s = -1};
	size_t n;

	entry = skip_blanks(entry);
	while ((n = option_at(entry)) > 0) {
		if (set_option(&h, entry, n, e) != 0)
			return -e->code;
		entry = skip_blanks(entry + n);
	}
	h.text = entry;
	h.len = strlen(entry);
	while (h.len > 0 && isspace((unsigned char)entry[h.len - 1]))
		h.len--;
	for (; h.len > 0 && entry[h.len - 1] == '&'; h.len--)
		h.background = true;
	while (h.len > 0 && isspace((unsigned char)entry[h.len - 1]))
		h.len--;
	if (h.background && h.on_failure == CONF_HOOK_FAILURE_STOP)
		return err_set(e, ERR_INVALID,
			       "nobody waits for a hook in the background: remove {onFailure=stop} or the &");
	*ret_hook = h;
	return 0;
}
