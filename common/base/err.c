/* err.c — error values: fill, wrap, describe. Called by everything; owns only the constant table from err.def. */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	const char *text;
	int http;
} err_table[] = {
    [ERR_OK] = {"OK", "no error", 200},
#define ERR(name, http, text) [ERR_##name] = {#name, text, http},
#include "base/err.def"
#undef ERR
};

static int
normalise(int code)
{
	if (code < 0)
		code = -code;
	return code < ERR_COUNT ? code : ERR_INTERNAL;
}

int
err_set(struct err *e, enum err_code code, const char *fmt, ...)
{
	va_list ap;

	ASSERT(code > ERR_OK && code < ERR_COUNT);
	e->code = (int)code;
	va_start(ap, fmt);
	(void)vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
	va_end(ap);
	return -(int)code;
}

int
err_sys(struct err *e, enum err_code code, int errno_value, const char *fmt, ...)
{
	char text[ERR_MSG_BYTES / 2];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return err_set(e, code, "%s: %s", text, strerror(errno_value));
}

int
err_wrap(struct err *e, const char *fmt, ...)
{
	char context[ERR_MSG_BYTES / 4];
	char old[ERR_MSG_BYTES];
	va_list ap;

	ASSERT(e->code != 0);
	va_start(ap, fmt);
	(void)vsnprintf(context, sizeof(context), fmt, ap);
	va_end(ap);
	memcpy(old, e->msg, sizeof(old));
	(void)snprintf(e->msg, sizeof(e->msg), "%s: %.*s", context, (int)(sizeof(old) - sizeof(context) - 3), old);
	return -e->code;
}

void
err_clear(struct err *e)
{
	e->code = 0;
	e->msg[0] = '\0';
}

const char *
err_name(int code)
{
	return err_table[normalise(code)].name;
}

const char *
err_text(int code)
{
	return err_table[normalise(code)].text;
}

int
err_http(int code)
{
	return err_table[normalise(code)].http;
}
