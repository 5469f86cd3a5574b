/* base/fnv.h — FNV-1a with 64 bits: finds what differs or is damaged, no malice. Files, snapshots and uids hold its values:
 * it never changes. */
#ifndef BASE_FNV_H
#define BASE_FNV_H

#include "base/base.h"

#define FNV1A_BASIS UINT64_C(0xcbf29ce484222325)

/* Goes on from h; the first: FNV1A_BASIS. */
static inline uint64_t
fnv1a(uint64_t h, const void *p, size_t n)
{
	const unsigned char *c = p;

	for (size_t i = 0; i < n; i++)
		h = (h ^ c[i]) * UINT64_C(0x100000001b3);
	return h;
}

#endif
