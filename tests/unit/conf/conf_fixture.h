/* conf_fixture.h — loading a piece of configuration text in tests of common/conf. */
#ifndef CONF_FIXTURE_H
#define CONF_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "conf/conf.h"

static struct conf_warnings fixture_warnings;
static struct err fixture_err;

/* NULL when the text is refused: then fixture_err says why. */
static inline struct conf *
fixture_try(const char *text)
{
	struct conf *c = NULL;

	err_clear(&fixture_err);
	if (conf_parse("t.json", text, strlen(text), &c, &fixture_warnings, &fixture_err) != 0) {
		assert_null(c);
		assert_int_not_equal(fixture_err.code, 0);
	}
	return c;
}

static inline struct conf *
fixture_load(const char *text)
{
	struct conf *c = fixture_try(text);

	if (c == NULL)
		fail_msg("%s refused: %s", text, fixture_err.msg);
	return c;
}

static inline bool
fixture_warned(const char *part)
{
	for (size_t i = 0; i < fixture_warnings.n; i++) {
		if (strstr(fixture_warnings.v[i].text, part) != NULL)
			return true;
	}
	return false;
}

static inline void
fixture_assert_warned(const char *part)
{
	if (fixture_warned(part))
		return;
	for (size_t i = 0; i < fixture_warnings.n; i++)
		print_message("warning: %s\n", fixture_warnings.v[i].text);
	fail_msg("no warning has \"%s\"", part);
}

static inline void
fixture_assert_value(const struct conf *c, const char *key, const char *json)
{
	const struct conf_key *k = conf_key_find(key);
	struct str_buf out = {0};

	if (k == NULL)
		fail_msg("no such key: %s", key);
	conf_print_value(c, k, false, &out);
	if (strcmp(str_buf_text(&out), json) != 0)
		fail_msg("%s is %s, expected %s", key, str_buf_text(&out), json);
	str_buf_done(&out);
}

#endif
