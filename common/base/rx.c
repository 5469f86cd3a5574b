/* rx.c — PCRE2 behind base/rx.h: options for RE2-like meaning, limits, captures. Owns one compiled pattern and its
 * match data per rx; called by configuration filters, the naming rules and searches. The only file that includes
 * pcre2.h. */
#include "base/rx.h"

#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/mem.h"

#define RX_OPTIONS (PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C)

struct rx {
	char *pattern;
	pcre2_code *code;
	pcre2_match_data *data;
	pcre2_match_context *limits;
	uint64_t limit_hits;
};

static pcre2_code *
compile(const char *pattern, int *ret_code, size_t *ret_offset)
{
	pcre2_compile_context *ctx = pcre2_compile_context_create(NULL);
	pcre2_code *code;

	ASSERT(ctx != NULL);
	(void)pcre2_set_newline(ctx, PCRE2_NEWLINE_LF);
	code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, RX_OPTIONS, ret_code, ret_offset, ctx);
	pcre2_compile_context_free(ctx);
	return code;
}

int
rx_new(const char *pattern, struct rx **ret_rx, struct err *e)
{
	unsigned char text[160] = "";
	size_t offset = 0;
	int code = 0;
	struct rx *rx;
	pcre2_code *compiled;

	if (strlen(pattern) > RX_PATTERN_MAX)
		return err_set(e, ERR_TOO_LARGE, "regular expression of %zu bytes, at most %d", strlen(pattern),
			       RX_PATTERN_MAX);
	compiled = compile(pattern, &code, &offset);
	if (compiled == NULL) {
		(void)pcre2_get_error_message(code, text, sizeof(text));
		return err_set(e, ERR_INVALID, "invalid regular expression at offset %zu: %s", offset,
			       (const char *)text);
	}
	rx = mem_new(struct rx);
	rx->pattern = mem_strdup(pattern);
	rx->code = compiled;
	rx->data = pcre2_match_data_create_from_pattern(compiled, NULL);
	rx->limits = pcre2_match_context_create(NULL);
	ASSERT(rx->data != NULL && rx->limits != NULL);
	(void)pcre2_set_match_limit(rx->limits, RX_STEPS_MAX);
	(void)pcre2_set_heap_limit(rx->limits, RX_HEAP_KIB_MAX);
	*ret_rx = rx;
	return 0;
}

void
rx_free(struct rx *rx)
{
	if (rx == NULL)
		return;
	pcre2_match_context_free(rx->limits);
	pcre2_match_data_free(rx->data);
	pcre2_code_free(rx->code);
	free(rx->pattern);
	free(rx);
}

bool
rx_match(struct rx *rx, const char *text)
{
	int rc = pcre2_match(rx->code, (PCRE2_SPTR)text, strlen(text), 0, 0, rx->data, rx->limits);

	if (rc < 0 && rc != PCRE2_ERROR_NOMATCH)
		rx->limit_hits++;
	return rc >= 0;
}

bool
rx_capture(struct rx *rx, const char *text, unsigned group, struct str_buf *buf)
{
	const size_t *ends;

	str_buf_clear(buf);
	if (group > rx_groups(rx) || !rx_match(rx, text))
		return false;
	ends = pcre2_get_ovector_pointer(rx->data) + 2 * (size_t)group;
	if (ends[0] == PCRE2_UNSET || ends[1] < ends[0])
		return false;
	str_buf_add_n(buf, text + ends[0], ends[1] - ends[0]);
	return true;
}

unsigned
rx_groups(const struct rx *rx)
{
	uint32_t n = 0;

	(void)pcre2_pattern_info(rx->code, PCRE2_INFO_CAPTURECOUNT, &n);
	return n;
}

uint64_t
rx_limit_hits(const struct rx *rx)
{
	return rx->limit_hits;
}

const char *
rx_pattern(const struct rx *rx)
{
	return rx->pattern;
}
