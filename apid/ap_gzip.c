/* ap_gzip.c — see ap_gzip.h. Called by reader threads (ap_readers.c) and by ap_request.c; the one user of zlib. */
#include "ap_gzip.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

#include "base/mem.h"

#define LEVEL Z_BEST_SPEED    /* JSON shrinks to a tenth with any */
#define WINDOW_GZIP (15 + 16) /* zlib's manual: gzip instead of its own header */

struct wanted {
	bool gzip;
};

/* One coding: "gzip", "gzip;q=0.5", "gzip; q=0". */
static void
look_at(void *ctx, const char *piece)
{
	struct wanted *w = ctx;
	size_t n = strcspn(piece, "; \t");
	const char *q = strchr(piece, '=');

	if (n == strlen("gzip") && strncasecmp(piece, "gzip", n) == 0)
		w->gzip = q == NULL || strtod(q + 1, NULL) > 0;
}

bool
ap_gzip_is_accepted(const char *accept_encoding)
{
	struct wanted w = {false};

	if (accept_encoding != NULL)
		str_split(accept_encoding, ",", look_at, &w);
	return w.gzip;
}

bool
ap_gzip_body(struct str_buf *body)
{
	z_stream z = {0};
	char *packed;
	uLong room;

	if (body->len < AP_GZIP_MIN || body->len > UINT_MAX / 2 ||
	    deflateInit2(&z, LEVEL, Z_DEFLATED, WINDOW_GZIP, MAX_MEM_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK)
		return false;
	room = deflateBound(&z, (uLong)body->len);
	packed = mem_alloc(room);
	z.next_in = (Bytef *)body->p;
	z.avail_in = (uInt)body->len;
	z.next_out = (Bytef *)packed;
	z.avail_out = (uInt)room;
	ASSERT(deflate(&z, Z_FINISH) == Z_STREAM_END); /* deflateBound promises room */
	str_buf_clear(body);
	str_buf_add_n(body, packed, z.total_out);
	(void)deflateEnd(&z);
	free(packed);
	return true;
}
