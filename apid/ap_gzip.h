/* ap_gzip.h — gzip of answers, for clients that take it. Pure.
 *
 * Bodies that fit into a packet anyway are sent as they are; large ones are compressed in the reader thread that made
 * them, never on the loop. Historically every answer was compressed. */
#ifndef AP_GZIP_H
#define AP_GZIP_H

#include "base/str.h"

#define AP_GZIP_MIN 1400	    /* bytes; below it nothing is won */
#define AP_GZIP_LOOP_MAX (64 << 10) /* at most so much is compressed on the loop: about a millisecond */

/* Whether the header's value (NULL: no header) allows gzip: named, and not with q=0. */
bool ap_gzip_is_accepted(const char *accept_encoding);
/* Compresses in place, a body of at least AP_GZIP_MIN bytes. False: it is unchanged. */
bool ap_gzip_body(struct str_buf *body);

#endif
