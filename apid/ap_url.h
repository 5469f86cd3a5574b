/* ap_url.h — what a request line says: percent-decoding and query arguments. Pure; every input is hostile. */
#ifndef AP_URL_H
#define AP_URL_H

#include "base/base.h"
#include "base/mem.h"

#define AP_QUERY_MAX 16 /* further arguments are ignored */

struct ap_query_item {
	const char *name, *value; /* decoded; in the arena */
};
struct ap_query {
	struct ap_query_item v[AP_QUERY_MAX];
	size_t n;
};

/* Decoded copy of n bytes in the arena; plus: '+' means a blank (queries). NULL for a broken escape or a NUL. */
char *ap_url_decode(const char *text, size_t n, bool plus, struct mem_arena *arena);

/* text: what follows '?', may be NULL. Arguments without '=' have the value ""; a broken one is left out, as Go does.
 */
void ap_query_parse(const char *text, struct mem_arena *arena, struct ap_query *ret_query);
/* The first value of that name, blanks around it (and the newline historical clients send) trimmed; "" when absent. */
const char *ap_query_value(const struct ap_query *q, const char *name);

#endif
