/* conf_message.c — errors and warnings that say where in which file a key was given. Called by the loading files of
 * this folder; values are quoted by them only where the key is no secret. */
#include <stdio.h>

#include "conf_private.h"

/* "file:line:column: Key: text", as much as is known of the place; appended to out. */
static PRINTF_LIKE(4, 0) void format_message(const struct conf_build *b, enum conf_index i, struct str_buf *out,
					     const char *fmt, va_list ap)
{
	struct conf_place p = b->at[i];

	if (p.source != NULL)
		str_buf_printf(out, "%.200s:", p.source);
	if (p.source != NULL && p.line > 0)
		str_buf_printf(out, "%u:%u:", p.line, p.column);
	str_buf_printf(out, "%s%s: ", p.source == NULL ? "" : " ", conf_key_at(i)->name);
	str_buf_vprintf(out, fmt, ap);
}

int
conf_fail(const struct conf_build *b, enum conf_index i, struct err *e, const char *fmt, ...)
{
	struct str_buf text = {0};
	va_list ap;

	va_start(ap, fmt);
	format_message(b, i, &text, fmt, ap);
	va_end(ap);
	(void)err_set(e, ERR_CONFIG, "%s", str_buf_text(&text));
	str_buf_done(&text);
	return -ERR_CONFIG;
}

static void
add_warning(struct conf_warnings *w, const struct str_buf *text)
{
	if (w == NULL)
		return;
	if (w->n == CONF_WARNINGS_MAX) {
		w->dropped++;
		return;
	}
	(void)str_copy(w->v[w->n++].text, sizeof(w->v[0].text), str_buf_text(text));
}

void
conf_warn(struct conf_build *b, enum conf_index i, const char *fmt, ...)
{
	struct str_buf text = {0};
	va_list ap;

	va_start(ap, fmt);
	format_message(b, i, &text, fmt, ap);
	va_end(ap);
	add_warning(b->w, &text);
	str_buf_done(&text);
}

void
conf_warn_text(struct conf_warnings *w, const char *fmt, ...)
{
	struct str_buf text = {0};
	va_list ap;

	va_start(ap, fmt);
	str_buf_vprintf(&text, fmt, ap);
	va_end(ap);
	add_warning(w, &text);
	str_buf_done(&text);
}
