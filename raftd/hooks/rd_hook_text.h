/* rd_hook_text.h — a hook's shell text with its placeholders filled in. Pure.
 *
 * Historically values were put into the text as they were, so whoever could name a server could run commands. Here a
 * value is put in so that the shell takes it for one piece of text, wherever the placeholder stands:
 *
 *   value                    unquoted         in "..."       in '...'             comment, here-document
 *   letters digits _ . : , / @ + -   as it is, everywhere: byte for byte as historically
 *   (unquoted before < or >)         'value'
 *   empty                    ''               nothing        nothing              nothing
 *   also blanks = % [ ] or non-ASCII 'value'  value          value                value
 *   anything else            "${ORC_NAME}"    ${ORC_NAME}    '"${ORC_NAME}"'      ${ORC_NAME}
 *
 * The last row leaves the value out of the text altogether: the shell never parses it, even where this file should
 * have misjudged the quoting of an unusual text. The worst that a misjudgement can do is to split a value or to show a
 * quotation mark. Names of servers and clusters (NAME in rd_hook.def) never get there: their other bytes are replaced
 * by _, as no real name has any, which keeps them harmless to what the shell hands them on to as well (ssh, bash -c,
 * mysql -e). A TEXT that is handed on so should be read from its variable by the second shell. An interpreter that is
 * no shell sees the first three rows as they are.
 *
 * Left as they are: unknown placeholders, those of a value that isn't known (successor), "${failedHost}" (a variable of
 * the shell) and "\{failedHost}" outside of quotes. */
#ifndef RD_HOOK_TEXT_H
#define RD_HOOK_TEXT_H

#include "rd_hook_values.h"

#define RD_HOOK_TEXT_MAX (1 << 20) /* bytes of a filled text */

/* The first len bytes of text, filled in, appended to out. ERR_TOO_LARGE names the limit. */
int rd_hook_text_fill(const char *text, size_t len, const struct rd_hook_values *v, struct str_buf *out,
		      struct err *e) MUST_USE;

#endif
