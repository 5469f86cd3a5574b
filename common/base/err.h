/* base/err.h — error codes with context.
 *
 * A function that can fail returns 0, or a negative code of err.def, and takes `struct err *e` as its last parameter;
 * e is filled exactly when non-zero is returned. Callers that add knowledge wrap: "saving instance db1:3306: disk
 * full". e must not be NULL. Errors own no memory: copy them freely. Nothing is logged here. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include "base/base.h"

enum err_code {
	ERR_OK = 0,
#define ERR(name, http, text) ERR_##name,
#include "base/err.def"
#undef ERR
	ERR_COUNT
};

#define ERR_MSG_BYTES 1024

struct err {
	int code; /* positive enum err_code, 0 when unset */
	char msg[ERR_MSG_BYTES];
};

/* Fills e and returns -code. The text is cut at ERR_MSG_BYTES. */
int err_set(struct err *e, enum err_code code, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* As err_set, and appends ": <strerror(errno_value)>". */
int err_sys(struct err *e, enum err_code code, int errno_value, const char *fmt, ...) PRINTF_LIKE(4, 5);
/* Puts "<context>: " before e's text; returns -e->code. */
int err_wrap(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);
void err_clear(struct err *e);

/* All accept positive or negative codes; unknown codes read as INTERNAL. */
const char *err_name(int code);
const char *err_text(int code);
int err_http(int code);

#endif
