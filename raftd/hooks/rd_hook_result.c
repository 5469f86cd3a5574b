/* rd_hook_result.c — see rd_hook_result.h. Called by rd_hooks.c and those who record results; owns nothing. Pure. */
#include "rd_hook_result.h"

#include <string.h>

#define COMMAND_SHOWN_MAX 2048
#define OUTPUT_SHOWN_MAX 1024

const char *
rd_hook_outcome_name(enum rd_hook_outcome o)
{
	static const char *const names[RD_HOOK_OUTCOME_COUNT] = {
	    [RD_HOOK_OK] = "ok",
	    [RD_HOOK_EXITED] = "exited",
	    [RD_HOOK_KILLED] = "killed",
	    [RD_HOOK_TIMED_OUT] = "timed-out",
	    [RD_HOOK_CANCELLED] = "cancelled",
	    [RD_HOOK_NOT_STARTED] = "not-started",
	    [RD_HOOK_VANISHED] = "vanished",
	};

	ASSERT(o < RD_HOOK_OUTCOME_COUNT);
	return names[o];
}

/* Up to max bytes, the first or the last, whole characters. */
static void
add_bounded(struct str_buf *b, const char *text, size_t max, bool last)
{
	size_t n = strlen(text), at = 0;

	if (n > max && last) {
		for (at = n - max; (text[at] & 0xc0) == 0x80; at++)
			continue;
		str_buf_add(b, "...");
	} else if (n > max) {
		for (n = max; n > 0 && (text[n] & 0xc0) == 0x80; n--)
			continue;
	}
	str_buf_add_n(b, text + at, n - at);
	if (text[n] != '\0')
		str_buf_add(b, "...");
}

void
rd_hook_name(const struct rd_hook_result *r, struct str_buf *b)
{
	str_buf_printf(b, "%s hook %zu of %zu%s", rd_hook_list_info(r->list)->name, r->index + 1, r->count,
		       r->background ? " (async)" : "");
}

void
rd_hook_text_began(const struct rd_hook_result *r, struct str_buf *b)
{
	str_buf_add(b, "Running ");
	rd_hook_name(r, b);
	str_buf_add(b, ": ");
	add_bounded(b, r->command, COMMAND_SHOWN_MAX, false);
}

static void
add_reason(const struct rd_hook_result *r, struct str_buf *b)
{
	switch (r->outcome) {
	case RD_HOOK_EXITED:
		str_buf_printf(b, "exit status %d", r->value);
		break;
	case RD_HOOK_KILLED:
		str_buf_printf(b, "signal %d (%s)", r->value, strsignal(r->value));
		break;
	case RD_HOOK_TIMED_OUT:
		str_buf_printf(b, "it took longer than %llds and was killed", (long long)r->limit_s);
		break;
	case RD_HOOK_CANCELLED:
		str_buf_add(b, "cancelled");
		break;
	case RD_HOOK_NOT_STARTED:
		str_buf_printf(b, "not started: %s", r->error);
		break;
	case RD_HOOK_VANISHED:
		str_buf_add(b, "its watcher was killed");
		break;
	case RD_HOOK_OK:
	case RD_HOOK_OUTCOME_COUNT:
		break;
	}
}

void
rd_hook_text_ended(const struct rd_hook_result *r, struct str_buf *b)
{
	str_buf_add(b, rd_hook_ok(r) ? "Completed " : "Execution of ");
	rd_hook_name(r, b);
	str_buf_add(b, rd_hook_ok(r) ? " in " : " failed in ");
	str_add_go_duration(b, max_i64(r->took_us, 0) * 1000);
	if (rd_hook_ok(r))
		return;
	str_buf_add(b, " with error: ");
	add_reason(r, b);
	if (r->output[0] == '\0')
		return;
	str_buf_add(b, "; output: ");
	add_bounded(b, r->output, OUTPUT_SHOWN_MAX, true);
}

/* --- output ------------------------------------------------------------------------------------------------------- */
void
rd_hook_tail_add(struct rd_hook_tail *t, const char *p, size_t n)
{
	if (n > RD_HOOK_OUTPUT_MAX) {
		t->total += n - RD_HOOK_OUTPUT_MAX;
		p += n - RD_HOOK_OUTPUT_MAX;
		n = RD_HOOK_OUTPUT_MAX;
	}
	while (n > 0) {
		size_t at = (size_t)(t->total % RD_HOOK_OUTPUT_MAX);
		size_t piece = min_size(n, RD_HOOK_OUTPUT_MAX - at);
		memcpy(t->ring + at, p, piece);
		t->total += piece;
		p += piece;
		n -= piece;
	}
}

static size_t
unroll(const struct rd_hook_tail *t, char *ret)
{
	size_t n = t->total < RD_HOOK_OUTPUT_MAX ? (size_t)t->total : RD_HOOK_OUTPUT_MAX;

	for (size_t i = 0; i < n; i++) {
		ret[i] = t->ring[(t->total - n + i) % RD_HOOK_OUTPUT_MAX];
		if (ret[i] == '\0')
			ret[i] = '?';
	}
	ret[n] = '\0';
	return n;
}

void
rd_hook_tail_text(const struct rd_hook_tail *t, struct str_buf *b)
{
	char text[RD_HOOK_OUTPUT_MAX + 1];
	size_t n = unroll(t, text), i = 0;

	/* the rest of a character whose beginning is gone */
	while (t->total > n && i < 3 && ((unsigned char)text[i] & 0xc0) == 0x80)
		i++;
	while (n > i && strchr(" \t\r\n", text[n - 1]) != NULL)
		text[--n] = '\0';
	while (i < n) {
		uint32_t cp = 0;
		size_t len = str_utf8_decode((const unsigned char *)text + i, &cp);
		bool fine =
		    len > 0 && cp != 0x7f && (cp >= 0xa0 || (cp >= 0x20 && cp < 0x7f) || cp == '\t' || cp == '\n');
		if (fine)
			str_buf_add_n(b, text + i, len);
		else
			str_buf_add_char(b, '?');
		i += len > 0 ? len : 1;
	}
}
